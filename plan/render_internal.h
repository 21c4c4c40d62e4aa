/* Step 9. The parts of the comment: text, words, table, folded details. Private to plan/. */
#ifndef PLAN_RENDER_INTERNAL_H
#define PLAN_RENDER_INTERNAL_H

#include "plan/render.h"

enum {
	CELL_BYTES = 160, /* of outside text in a table cell */
	NAME_BYTES = 80,  /* of a project's name anywhere in the comment */
};

/* ---- render_text.c ---- */

/* A sentence of ours, in which `marks` are code; what stands between and inside them is treated as text from outside. */
void render_sentence(struct buf *out, const char *s);
/* Inside HTML, as in <summary>: one line, disarmed like render_text(). */
void render_html_text(struct buf *out, const char *s);
/* Inside a table cell: as above, cut, and with pipes escaped. */
void render_cell_sentence(struct buf *out, const char *s);
void render_cell_code(struct buf *out, const char *s);
void render_address(struct buf *out, const char *s);                  /* code, cut to a length that bounds the comment */
void render_link(struct buf *out, const char *text, const char *url); /* text is ours; without a usable url just the text */
/* Bytes of the longest prefix with at most max_chars characters. */
size_t render_prefix(const char *s, size_t len, size_t max_chars);

/* ---- render_error.c ---- */

/* What an engine's error says in one line: "main.tf:14: Unsupported argument". */
struct error_brief {
	char *title;   /* never NULL */
	char *place;   /* "dns/main.tf:14"; NULL */
	char *address; /* the resource; NULL */
};
void error_brief_read(const char *text, struct error_brief *ret);
void error_brief_free(struct error_brief *b);

/* ---- render_words.c ---- */

/* Where a project stands in the order of what can hurt. */
enum rank {
	RANK_UNKNOWN,
	RANK_APPLY_FAILED,
	RANK_REPLACE,
	RANK_DESTROY,
	RANK_FAILED,
	RANK_REFUSED,
	RANK_DRIFT,
	RANK_CHANGES,
	RANK_APPLYING,
	RANK_RUNNING,
	RANK_QUEUED,
	RANK_CANCELLED,
	RANK_APPLIED,
	RANK_DELETED,
	RANK_NOTHING,
	RANKS
};
enum rank render_rank(const struct view_project *p);
bool render_is_apply(enum view_phase phase);
/* Whether an apply would do something, or may: not planned yet counts. */
bool render_is_applyable(const struct view_project *p);
/* "2 added, 1 changed" */
void render_words_done(const struct plan_summary *s, struct buf *out);
/* " behind #12, 2nd of 3" */
void render_words_place(const struct view_project *p, struct buf *out);

/* ---- render_table.c ---- */

/* Projects in the order of the comment. */
struct rows {
	const struct view *view;
	const struct view_project **v;
	size_t n;
	size_t count[RANKS];
};
void rows_make(const struct view *v, struct rows *ret);
void rows_free(struct rows *r);
/* At most max_rows projects get a row of their own, the rest one row a state. */
void render_table(struct buf *out, const struct rows *r, size_t max_rows);

/* ---- render_detail.c ---- */

/* The callout: what is replaced and destroyed, or what an apply left behind. */
void render_callout(struct buf *out, const struct rows *r);
/* What a reviewer should know of the change, before it is applied. */
void render_told(struct buf *out, const struct rows *r);
/* The folded part of one project in at most max_chars characters; false when it has none or does not fit in any form. Errors stand open
 * when open_errors is set: while they are few. */
bool render_detail(struct buf *out, const struct view_project *p, bool open_errors, size_t max_chars);
bool render_has_detail(const struct view_project *p);
void render_drift(struct buf *out, const struct rows *r);
/* The one line about what to do now, or the list of what an apply lacks. */
void render_next(struct buf *out, const struct view *v, const struct rows *r);

#endif
