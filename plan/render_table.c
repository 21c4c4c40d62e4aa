/* The roll-up table: what can hurt first, then by name; what has no change in one line. */
#include "plan/render_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

enum { NAMES_IN_A_ROW = 5 };

/* ---- order ---- */

static int row_compare(const void *va, const void *vb)
{
	const struct view_project *const *a = va, *const *b = vb;
	enum rank ra = render_rank(*a), rb = render_rank(*b);
	if (ra != rb)
		return ra < rb ? -1 : 1;
	return strcmp((*a)->name, (*b)->name);
}

void rows_make(const struct view *v, struct rows *ret)
{
	*ret = (struct rows){.view = v, .n = v->projects_n};
	ret->v = xcalloc(v->projects_n + 1, sizeof(const struct view_project *));
	for (size_t i = 0; i < v->projects_n; i++) {
		ret->v[i] = &v->projects[i];
		ret->count[render_rank(ret->v[i])]++;
	}
	if (ret->n > 1)
		qsort(ret->v, ret->n, sizeof(const struct view_project *), row_compare);
}

void rows_free(struct rows *r)
{
	free(r->v);
	*r = (struct rows){0};
}

/* ---- cells ---- */

/* Counts of the plan with what can hurt in bold. */
static void put_plan(struct buf *out, const struct plan_summary *s)
{
	const struct {
		int64_t n;
		const char *words;
		bool bold;
	} parts[] = {
		{s->create, "to add", false},     {s->update, "to change", false}, {s->replace, "to replace", true},
		{s->destroy, "to destroy", true}, {s->import, "to import", false}, {s->move, "to move", false},
		{s->forget, "to forget", true},
	};
	size_t start = out->len;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (parts[i].n > 0)
			buf_printf(out, "%s%s%lld %s%s", out->len > start ? ", " : "", parts[i].bold ? "**" : "", (long long)parts[i].n,
				   parts[i].words, parts[i].bold ? "**" : "");
	if (s->outputs > 0)
		buf_printf(out, "%s%lld output%s", out->len > start ? ", " : "", (long long)s->outputs,
			   s->outputs == 1 ? " changes" : "s change");
	if (out->len == start)
		buf_adds(out, "no changes");
	if (s->drift > 0)
		buf_printf(out, ", **%lld changed outside**", (long long)s->drift);
}

static void put_failure(struct buf *out, const char *word, const char *error)
{
	struct error_brief b;
	error_brief_read(error != NULL ? error : "", &b);
	buf_printf(out, "**%s**: ", word);
	if (b.place != NULL) {
		render_cell_code(out, b.place);
		buf_addc(out, ' ');
	}
	render_cell_sentence(out, b.title);
	error_brief_free(&b);
}

static void put_apply_failure(struct buf *out, const char *error)
{
	struct error_brief b;
	error_brief_read(error != NULL ? error : "", &b);
	buf_adds(out, b.address != NULL ? "**failed** at " : "**failed**");
	if (b.address != NULL)
		render_cell_code(out, b.address);
	buf_adds(out, ": ");
	render_cell_sentence(out, b.title);
	error_brief_free(&b);
}

static void put_verdict(struct buf *out, const struct view_project *p)
{
	switch (p->state) {
	case VIEW_QUEUED:
		buf_adds(out, "queued");
		if (p->behind != 0) {
			render_words_place(p, out);
		} else if (p->waiting_for != NULL) {
			buf_adds(out, " behind ");
			render_cell_code(out, p->waiting_for);
		}
		break;
	case VIEW_PLANNED:
		if (p->summary != NULL)
			put_plan(out, p->summary);
		else
			buf_adds(out, "planned");
		break;
	case VIEW_FAILED: put_failure(out, "failed", p->error); break;
	case VIEW_REFUSED: put_failure(out, "refused", p->error); break;
	case VIEW_APPLY_FAILED: put_apply_failure(out, p->error); break;
	case VIEW_UNKNOWN:
		buf_adds(out, p->resolved != NULL ? "interrupted, resolved as " : "**interrupted: outcome unknown**");
		render_cell_sentence(out, p->resolved != NULL ? p->resolved : "");
		break;
	case VIEW_RUNNING:
	case VIEW_CANCELLED:
	case VIEW_APPLYING:
	case VIEW_APPLIED:
	case VIEW_DELETED: {
		CLEANUP_BUF struct buf line = {0};
		render_project_line(p, &line);
		render_text(out, buf_str(&line));
		break;
	}
	}
}

static void put_row(struct buf *out, const struct view_project *p, bool apply)
{
	buf_adds(out, "| ");
	render_cell_code(out, p->name);
	buf_adds(out, " | ");
	put_verdict(out, p);
	buf_adds(out, " | ");
	if (apply) {
		if (p->took_ms > 0)
			text_took(out, p->took_ms);
		buf_adds(out, " | ");
	}
	if (p->log_url != NULL)
		render_link(out, "log", p->log_url);
	buf_adds(out, " |\n");
}

/* ---- rows for many ---- */

static void put_empty_cells(struct buf *out, bool apply) { buf_adds(out, apply ? " | | |\n" : " | |\n"); }

/* Several projects of one rank: their names while they are few, else their number. */
static void put_many(struct buf *out, const struct rows *r, size_t from, size_t n, bool others, const char *verdict)
{
	buf_adds(out, "| ");
	if (n <= NAMES_IN_A_ROW) {
		for (size_t i = 0; i < n; i++) {
			buf_adds(out, i == 0 ? "" : i + 1 == n ? " and " : ", ");
			render_cell_code(out, r->v[from + i]->name);
		}
	} else {
		buf_printf(out, "%zu%s projects", n, others ? " more" : "");
	}
	buf_printf(out, " | %s", verdict);
	put_empty_cells(out, render_is_apply(r->view->phase));
}

static const char *rank_words(enum rank rank)
{
	static const char *const words[] = {
		[RANK_UNKNOWN] = "**interrupted: outcome unknown**",
		[RANK_APPLY_FAILED] = "**apply failed**",
		[RANK_REPLACE] = "**replace something**",
		[RANK_DESTROY] = "**destroy something**",
		[RANK_FAILED] = "**failed**",
		[RANK_REFUSED] = "**refused**",
		[RANK_DRIFT] = "something changed outside",
		[RANK_CHANGES] = "with changes",
		[RANK_APPLYING] = "applying",
		[RANK_RUNNING] = "running",
		[RANK_QUEUED] = "queued",
		[RANK_CANCELLED] = "cancelled",
		[RANK_APPLIED] = "applied",
		[RANK_DELETED] = "their directories are gone; nothing is planned",
		[RANK_NOTHING] = "no changes",
	};
	return words[rank];
}

static size_t run_length(const struct rows *r, size_t from)
{
	size_t n = 1;
	while (from + n < r->n && render_rank(r->v[from + n]) == render_rank(r->v[from]))
		n++;
	return n;
}

static void put_rows(struct buf *out, const struct rows *r, size_t max_rows)
{
	bool apply = render_is_apply(r->view->phase);
	size_t shown = 0;
	for (size_t i = 0; i < r->n;) {
		enum rank rank = render_rank(r->v[i]);
		size_t n = run_length(r, i);
		bool together = rank == RANK_NOTHING && n > 1;
		size_t own = together ? 0 : n < max_rows - shown ? n : max_rows - shown;
		for (size_t k = 0; k < own; k++)
			put_row(out, r->v[i + k], apply);
		if (own < n)
			put_many(out, r, i + own, n - own, own > 0, rank_words(rank));
		shown += own;
		i += n;
	}
	if (r->view->untouched > 0) {
		buf_printf(out, "| %zu other%s | not touched by this change", r->view->untouched, r->view->untouched == 1 ? "" : "s");
		put_empty_cells(out, apply);
	}
}

/* "**2 + · 2 ~ · 1 ± · 1 −**" over all plans. */
static void put_totals(struct buf *out, const struct rows *r)
{
	int64_t add = 0, change = 0, replace = 0, destroy = 0, plans = 0;
	for (size_t i = 0; i < r->n; i++) {
		const struct plan_summary *s = r->v[i]->state == VIEW_PLANNED ? r->v[i]->summary : NULL;
		add += s != NULL ? s->create : 0;
		change += s != NULL ? s->update : 0;
		replace += s != NULL ? s->replace : 0;
		destroy += s != NULL ? s->destroy : 0;
		plans += s != NULL && s->create + s->update + s->replace + s->destroy > 0;
	}
	const struct {
		int64_t n;
		const char *sign;
	} parts[] = {{add, "+"}, {change, "~"}, {replace, "±"}, {destroy, "−"}};
	size_t start = out->len;
	for (size_t i = 0; i < ARRAY_LEN(parts) && plans > 1; i++) /* of one plan, its own row is the total */
		if (parts[i].n > 0)
			buf_printf(out, "%s%lld %s", out->len > start ? " · " : "| **all** | **", (long long)parts[i].n, parts[i].sign);
	if (out->len > start)
		buf_adds(out, "** | |\n");
}

void render_table(struct buf *out, const struct rows *r, size_t max_rows)
{
	bool apply = render_is_apply(r->view->phase);
	if (r->n == 0)
		return;
	buf_adds(out, apply ? "| project | result | took | log |\n|:--|:--|:--|:--|\n" : "| project | plan | log |\n|:--|:--|:--|\n");
	put_rows(out, r, max_rows);
	if (!apply)
		put_totals(out, r);
	buf_addc(out, '\n');
}
