/* Verdicts in words: the headline and a project's line, as they stand in statuses, titles and notification mails. No Markdown. */
#include "plan/render_internal.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

bool render_is_apply(enum view_phase phase) { return phase == VIEW_APPLYING_RUN || phase == VIEW_APPLY_DONE; }

static enum rank planned_rank(const struct plan_summary *s)
{
	if (s == NULL)
		return RANK_CHANGES; /* not known to have none */
	if (s->replace > 0)
		return RANK_REPLACE;
	if (s->destroy > 0)
		return RANK_DESTROY;
	if (s->drift > 0)
		return RANK_DRIFT;
	return s->applyable ? RANK_CHANGES : RANK_NOTHING;
}

enum rank render_rank(const struct view_project *p)
{
	static const enum rank ranks[] = {
		[VIEW_QUEUED] = RANK_QUEUED,     [VIEW_RUNNING] = RANK_RUNNING,     [VIEW_PLANNED] = RANK_NOTHING,
		[VIEW_FAILED] = RANK_FAILED,     [VIEW_CANCELLED] = RANK_CANCELLED, [VIEW_REFUSED] = RANK_REFUSED,
		[VIEW_APPLYING] = RANK_APPLYING, [VIEW_APPLIED] = RANK_APPLIED,     [VIEW_APPLY_FAILED] = RANK_APPLY_FAILED,
		[VIEW_UNKNOWN] = RANK_UNKNOWN,   [VIEW_DELETED] = RANK_DELETED,
	};
	return p->state == VIEW_PLANNED ? planned_rank(p->summary) : ranks[p->state];
}

bool render_is_applyable(const struct view_project *p)
{
	if (p->state == VIEW_DELETED)
		return false;
	return p->state != VIEW_PLANNED || p->summary == NULL || p->summary->applyable;
}

void render_words_done(const struct plan_summary *s, struct buf *out)
{
	const struct {
		int64_t n;
		const char *word;
	} parts[] = {
		{s->create, "added"},    {s->update, "changed"}, {s->replace, "replaced"}, {s->destroy, "destroyed"},
		{s->import, "imported"}, {s->move, "moved"},     {s->forget, "forgotten"},
	};
	size_t start = out->len;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (parts[i].n > 0)
			buf_printf(out, "%s%lld %s", out->len > start ? ", " : "", (long long)parts[i].n, parts[i].word);
	if (s->outputs > 0)
		buf_printf(out, "%s%lld output%s changed", out->len > start ? ", " : "", (long long)s->outputs, s->outputs == 1 ? "" : "s");
	if (out->len == start)
		buf_adds(out, "nothing to do");
}

/* ---- one project ---- */

static void put_error(struct buf *out, const char *word, const char *error)
{
	struct error_brief b;
	error_brief_read(error != NULL ? error : "", &b);
	buf_printf(out, "%s: %s%s%s", word, b.place != NULL ? b.place : "", b.place != NULL ? " " : "", b.title);
	error_brief_free(&b);
}

static void put_timed(struct buf *out, const char *word, int64_t ms)
{
	buf_adds(out, word);
	if (ms < 1000)
		return;
	buf_adds(out, ", ");
	text_took(out, ms);
}

static void put_planned(struct buf *out, const struct plan_summary *s)
{
	if (s == NULL) {
		buf_adds(out, "planned");
		return;
	}
	plan_summary_words(s, out);
	if (s->drift > 0)
		buf_printf(out, ", %lld changed outside", (long long)s->drift);
}

/* " behind #12, 2nd of 3" */
void render_words_place(const struct view_project *p, struct buf *out)
{
	static const char *const ends[] = {"th", "st", "nd", "rd"};
	int64_t last = p->place % 10, teen = p->place % 100;
	buf_printf(out, " behind #%lld", (long long)p->behind);
	if (p->behind_unknown)
		buf_adds(out, ", whose outcome is unknown");
	if (p->of > 1)
		buf_printf(out, ", %lld%s of %lld", (long long)p->place, ends[last < 4 && (teen < 11 || teen > 13) ? last : 0], (long long)p->of);
}

static void put_project(struct buf *out, const struct view_project *p)
{
	switch (p->state) {
	case VIEW_QUEUED:
		buf_adds(out, "queued");
		if (p->behind != 0)
			render_words_place(p, out);
		else if (p->waiting_for != NULL)
			buf_printf(out, " behind %s", p->waiting_for);
		break;
	case VIEW_RUNNING: put_timed(out, "running", p->running_ms); break;
	case VIEW_PLANNED: put_planned(out, p->summary); break;
	case VIEW_FAILED: put_error(out, "failed", p->error); break;
	case VIEW_CANCELLED: buf_adds(out, "cancelled"); break;
	case VIEW_REFUSED: put_error(out, "refused", p->error); break;
	case VIEW_APPLYING: put_timed(out, "applying", p->running_ms); break;
	case VIEW_APPLIED:
		if (p->summary != NULL)
			render_words_done(p->summary, out);
		else
			buf_adds(out, "applied");
		break;
	case VIEW_APPLY_FAILED: put_error(out, "apply failed", p->error); break;
	case VIEW_UNKNOWN:
		buf_adds(out, p->resolved != NULL ? "interrupted, resolved as " : "interrupted: outcome unknown");
		buf_adds(out, p->resolved != NULL ? p->resolved : "");
		break;
	case VIEW_DELETED:
		buf_adds(out, "its directory is gone");
		if (p->summary == NULL || !p->summary->applyable) {
			buf_adds(out, p->summary == NULL ? "; nothing is planned" : "; nothing is left of it");
			break;
		}
		buf_adds(out, ": ");
		plan_summary_words(p->summary, out);
		buf_printf(out, ", only with apply -p %s --destroy", p->name);
		break;
	}
}

/* Cuts what stands behind start to a status description, on one line of clean text. */
static void finish_line(struct buf *out, const struct buf *text)
{
	CLEANUP_BUF struct buf clean = {0};
	text_clean(&clean, buf_str(text), text->len);
	for (size_t i = 0; i < clean.len; i++)
		if (clean.data[i] == '\n' || clean.data[i] == '\t' || clean.data[i] == '`')
			clean.data[i] = clean.data[i] == '`' ? '\'' : ' ';
	size_t chars = text_chars(buf_str(&clean), clean.len);
	size_t cut = chars <= LIMIT_STATUS_DESCRIPTION ? clean.len : render_prefix(clean.data, clean.len, LIMIT_STATUS_DESCRIPTION - 3);
	buf_add(out, buf_str(&clean), cut);
	buf_adds(out, cut < clean.len ? "..." : "");
}

void render_project_line(const struct view_project *p, struct buf *out)
{
	CLEANUP_BUF struct buf text = {0};
	put_project(&text, p);
	finish_line(out, &text);
}

/* ---- the headline ---- */

struct tally {
	size_t by[RANKS];
	size_t all, hurt, done, ready, touched; /* touched: there is something to apply */
};

static void tally_make(const struct view *v, struct tally *t)
{
	*t = (struct tally){.all = v->projects_n};
	for (size_t i = 0; i < v->projects_n; i++) {
		const struct view_project *p = &v->projects[i];
		enum rank rank = render_rank(p);
		bool applyable = render_is_applyable(p);
		t->by[rank]++;
		t->ready += (rank == RANK_CHANGES || rank == RANK_DRIFT) && applyable;
		t->touched += applyable;
	}
	t->hurt = t->by[RANK_REPLACE] + t->by[RANK_DESTROY];
	t->done = t->all - t->by[RANK_QUEUED] - t->by[RANK_RUNNING] - t->by[RANK_APPLYING];
}

static void part(struct buf *out, size_t start, size_t n, const char *one, const char *many)
{
	if (n > 0)
		buf_printf(out, "%s%zu %s", out->len > start ? ", " : "", n, n == 1 ? one : many);
}

static const char *plural(size_t n) { return n == 1 ? "" : "s"; }

static void headline_planning(const struct view *v, const struct tally *t, struct buf *out)
{
	if (t->all == 0) {
		buf_adds(out, "looking for the projects that this change touches");
		return;
	}
	buf_printf(out, "planning %zu", t->all);
	if (v->untouched > 0)
		buf_printf(out, " of %zu projects", t->all + v->untouched);
	else
		buf_printf(out, " project%s", plural(t->all));
	if (t->done > 0)
		buf_printf(out, ", %zu done", t->done);
	part(out, 0, t->hurt, "needs your eyes", "need your eyes");
	part(out, 0, t->by[RANK_FAILED] + t->by[RANK_REFUSED], "failed", "failed");
}

/* A run of one project has room to say what the plan is. */
static void headline_one(const struct view_project *p, struct buf *out)
{
	enum rank rank = render_rank(p);
	if (rank == RANK_REPLACE || rank == RANK_DESTROY)
		buf_adds(out, "1 plan needs your eyes: ");
	else if (rank == RANK_FAILED || rank == RANK_REFUSED)
		buf_adds(out, "1 plan ");
	else if (p->state == VIEW_PLANNED && render_is_applyable(p))
		buf_adds(out, "1 plan is ready: ");
	put_project(out, p);
}

static void headline_planned(const struct view *v, const struct tally *t, struct buf *out)
{
	if (t->all == 0) {
		buf_adds(out, "no project is touched by this change");
		return;
	}
	if (t->all == 1) {
		headline_one(&v->projects[0], out);
		return;
	}
	size_t start = out->len;
	part(out, start, t->hurt, "plan needs your eyes", "plans need your eyes");
	part(out, start, t->by[RANK_FAILED], "failed", "failed");
	part(out, start, t->by[RANK_REFUSED], "refused", "refused");
	part(out, start, t->by[RANK_CANCELLED], "cancelled", "cancelled");
	part(out, start, t->ready, "plan with changes", "plans with changes");
	part(out, start, t->by[RANK_DRIFT], "project changed outside", "projects changed outside");
	if (out->len == start)
		buf_printf(out, "no changes in %zu projects", t->all);
}

static void headline_asked(const struct view *v, struct buf *out)
{
	const char *missing = v->gate != NULL ? gate_first_no(v->gate) : NULL;
	if (v->refused != NULL)
		buf_adds(out, v->refused);
	else if (missing != NULL)
		buf_printf(out, "apply refused: %s", missing);
	else
		buf_adds(out, "apply asked: merging first");
}

static void headline_applied(const struct tally *t, struct buf *out)
{
	size_t start = out->len;
	part(out, start, t->by[RANK_UNKNOWN], "apply interrupted: outcome unknown", "applies interrupted: outcome unknown");
	part(out, start, t->by[RANK_APPLY_FAILED], "apply failed", "applies failed");
	part(out, start, t->by[RANK_FAILED] + t->by[RANK_REFUSED], "not applied", "not applied");
	if (t->touched > 0)
		buf_printf(out, out->len > start ? ", %zu of %zu applied" : "applied %zu of %zu", t->by[RANK_APPLIED], t->touched);
	else if (out->len == start)
		buf_adds(out, "nothing to apply");
}

static void put_headline(const struct view *v, struct buf *out)
{
	struct tally t;
	tally_make(v, &t);
	if (v->config_errors != NULL) {
		buf_adds(out, "the configuration has errors, nothing is planned");
		return;
	}
	if (v->waits) {
		buf_adds(out, "from a fork, not planned: waits for an ok-to-plan");
		return;
	}
	if (v->error != NULL) {
		buf_printf(out, "the run failed: %s", v->error);
		return;
	}
	switch (v->phase) {
	case VIEW_PLANNING: headline_planning(v, &t, out); break;
	case VIEW_PLAN_DONE: headline_planned(v, &t, out); break;
	case VIEW_APPLY_ASKED: headline_asked(v, out); break;
	case VIEW_APPLYING_RUN:
		buf_printf(out, "applying %zu project%s, %zu done", t.touched, plural(t.touched), t.by[RANK_APPLIED]);
		break;
	case VIEW_APPLY_DONE: headline_applied(&t, out); break;
	}
}

void render_headline(const struct view *v, struct buf *out)
{
	CLEANUP_BUF struct buf text = {0};
	put_headline(v, &text);
	finish_line(out, &text);
}
