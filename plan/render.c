/* The comment as a whole: what must stand is written first, and the folds share what is left below GitHub's ceiling. */
#include "plan/render_internal.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

enum {
	COMMENT_CHARS = LIMIT_COMMENT_BYTES - 3072, /* for the sentence about what was left out */
	FRAME_CHARS = COMMENT_CHARS / 3 * 2,        /* everything but the folds */
	CONFIG_ERROR_CHARS = 12000,
	NOTES_MAX = 10,
	SHA_SHOWN = 7,
	LEFT_OUT_NAMES = 5,
	OPEN_ERRORS_MAX = 3, /* more of them unfolded would bury the rest */
};

static void put_sha(struct buf *out, const char *sha)
{
	CLEANUP_FREE char *cut = xstrndup(sha, strnlen(sha, SHA_SHOWN));
	render_code(out, cut);
}

static void put_title(struct buf *out, const struct view *v)
{
	CLEANUP_BUF struct buf headline = {0};
	if (v->error != NULL && v->config_errors == NULL && !v->waits)
		buf_adds(&headline, "the run failed"); /* the sentence follows, whole */
	else
		render_headline(v, &headline);
	buf_adds(out, "### sluice · ");
	render_text(out, buf_str(&headline));
	if (v->merge_sha != NULL && render_is_apply(v->phase)) {
		buf_adds(out, " · merged as ");
		put_sha(out, v->merge_sha);
	} else if (v->head_sha != NULL) {
		buf_adds(out, " · ");
		put_sha(out, v->head_sha);
		buf_adds(out, v->base_ref != NULL ? " into " : "");
		if (v->base_ref != NULL)
			render_cell_code(out, v->base_ref);
	}
	buf_adds(out, "\n\n");
}

static void put_notes(struct buf *out, const struct view *v)
{
	for (size_t i = 0; i < v->notes_n && i < NOTES_MAX; i++) {
		render_sentence(out, v->notes[i]);
		buf_adds(out, "\n\n");
	}
}

static void put_errors(struct buf *out, const struct view *v)
{
	if (v->config_errors != NULL) {
		size_t len = strlen(v->config_errors), cut = render_prefix(v->config_errors, len, CONFIG_ERROR_CHARS);
		render_fence(out, "text", v->config_errors, cut);
		buf_printf(out,
			   "\n%s**Next**: mend the file on the base branch, or in this pull request and merge it; then comment `plan`. "
			   "`sluice check FILE` tells the same on your machine.\n\n",
			   cut < len ? "(more errors follow)\n\n" : "");
	} else if (v->waits) {
		buf_adds(out, "> [!IMPORTANT]\n> ");
		render_sentence(out, v->error);
		buf_adds(out, ".\n\n");
	} else if (v->error != NULL) {
		buf_adds(out, "> [!CAUTION]\n> ");
		render_sentence(out, v->error);
		buf_adds(out, "\n\n**Next**: when the cause is mended, comment `plan`.\n\n");
	}
}

static void put_footer(struct buf *out, const struct view *v)
{
	const struct {
		const char *label, *text;
	} facts[] = {{"", v->engines}, {"sandbox: ", v->sandbox}, {"plans expire ", v->expires}};
	size_t start = out->len;
	buf_adds(out, "<sub>");
	size_t first = out->len;
	for (size_t i = 0; i < ARRAY_LEN(facts); i++)
		if (facts[i].text != NULL && facts[i].text[0] != '\0') {
			buf_printf(out, "%s%s", out->len > first ? " · " : "", facts[i].label);
			render_text(out, facts[i].text);
		}
	if (v->run_url != NULL) {
		CLEANUP_FREE char *label = xasprintf("run %lld", (long long)v->run_id);
		buf_adds(out, out->len > first ? " · " : "");
		render_link(out, label, v->run_url);
	}
	if (v->help_url != NULL) {
		buf_adds(out, out->len > first ? " · " : "");
		render_link(out, "help", v->help_url);
	}
	if (out->len == first)
		buf_truncate(out, start);
	else
		buf_adds(out, "</sub>\n");
}

/* ---- fitting ---- */

struct frame {
	struct buf head, foot; /* above and below the folds */
	size_t chars;
};

static void frame_make(const struct rows *r, size_t max_rows, struct frame *ret)
{
	const struct view *v = r->view;
	*ret = (struct frame){0};
	put_title(&ret->head, v);
	if (v->phase == VIEW_APPLY_ASKED)
		render_next(&ret->head, v, r); /* it is the answer to the person who asked */
	render_callout(&ret->head, r);
	render_told(&ret->head, r);
	put_notes(&ret->head, v);
	put_errors(&ret->head, v);
	render_table(&ret->head, r, max_rows);
	render_drift(&ret->foot, r);
	if (v->phase != VIEW_APPLY_ASKED)
		render_next(&ret->foot, v, r);
	put_footer(&ret->foot, v);
	ret->chars = text_chars(buf_str(&ret->head), ret->head.len) + text_chars(buf_str(&ret->foot), ret->foot.len);
}

/* When even that is too much, because sentences are absurdly long: the verdict, the table and a link. */
static void frame_make_bare(const struct rows *r, struct frame *ret)
{
	*ret = (struct frame){0};
	put_title(&ret->head, r->view);
	render_table(&ret->head, r, 0);
	buf_adds(&ret->foot, "The rest is too long for a comment. ");
	render_link(&ret->foot, "The run has everything", r->view->run_url);
	buf_adds(&ret->foot, ".\n");
	ret->chars = COMMENT_CHARS; /* no room for folds */
}

static void frame_free(struct frame *f)
{
	buf_free(&f->head);
	buf_free(&f->foot);
}

/* The table never goes, but with many projects it has fewer rows of their own. */
static void frame_fit(const struct rows *r, struct frame *ret)
{
	static const size_t rows[] = {100, 50, 25, 12, 6, 3, 0};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		frame_make(r, rows[i], ret);
		if (ret->chars <= FRAME_CHARS || (rows[i] == 0 && ret->chars <= COMMENT_CHARS))
			return;
		frame_free(ret);
	}
	frame_make_bare(r, ret);
}

/* Each fold may take half of what is left, or its even share when that is more: the first ones are what can hurt, and one huge diff
 * does not push out all others. */
static void put_folds(struct buf *out, const struct rows *r, size_t chars)
{
	struct strlist left_out = {0};
	size_t waiting = 0;
	bool open_errors = r->count[RANK_FAILED] + r->count[RANK_APPLY_FAILED] + r->count[RANK_UNKNOWN] <= OPEN_ERRORS_MAX;
	for (size_t i = 0; i < r->n; i++)
		waiting += render_has_detail(r->v[i]);
	for (size_t i = 0; i < r->n; i++) {
		if (!render_has_detail(r->v[i]))
			continue;
		size_t share = waiting > 2 ? chars / 2 : chars / waiting, start = out->len;
		waiting--;
		if (render_detail(out, r->v[i], open_errors, share))
			chars -= text_chars(out->data + start, out->len - start);
		else
			strlist_add(&left_out, r->v[i]->name);
	}
	if (left_out.n > 0) {
		buf_adds(out, "Not shown here for want of room: ");
		for (size_t i = 0; i < left_out.n && i < LEFT_OUT_NAMES; i++) {
			buf_adds(out, i == 0 ? "" : ", ");
			render_cell_code(out, left_out.v[i]);
		}
		if (left_out.n > LEFT_OUT_NAMES)
			buf_printf(out, " and %zu more", left_out.n - LEFT_OUT_NAMES);
		buf_adds(out, ". ");
		render_link(out, "The run has everything", r->view->run_url);
		buf_adds(out, ".\n\n");
	}
	strlist_free(&left_out);
}

void render_comment(const struct view *v, struct buf *out)
{
	struct rows rows;
	struct frame frame;
	rows_make(v, &rows);
	frame_fit(&rows, &frame);
	buf_add(out, buf_str(&frame.head), frame.head.len);
	if (frame.chars < COMMENT_CHARS)
		put_folds(out, &rows, COMMENT_CHARS - frame.chars);
	buf_add(out, buf_str(&frame.foot), frame.foot.len);
	frame_free(&frame);
	rows_free(&rows);
}
