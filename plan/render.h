/* Saying: a view of one pull request -> the comment's Markdown, and the texts of statuses. Step 9. Pure. See docs/comment.md for the rules.
 *
 * Nothing in the result can be forged by plan output: fences outgrow their content, mentions, HTML, control and bidi characters are
 * disarmed. Always at most LIMIT_COMMENT_BYTES characters: folded parts shrink first and are linked; the table never goes (with many
 * projects its rows become terser). */
#ifndef PLAN_RENDER_H
#define PLAN_RENDER_H

#include "plan/gate.h"
#include "plan/summary.h"

enum view_state { /* of one project */
	VIEW_QUEUED, VIEW_RUNNING, VIEW_PLANNED, VIEW_FAILED, VIEW_CANCELLED, VIEW_REFUSED,
	VIEW_APPLYING, VIEW_APPLIED, VIEW_APPLY_FAILED, VIEW_UNKNOWN /* interrupted: outcome unknown */, VIEW_DELETED,
};

struct view_project {
	const char *name;
	enum view_state state;
	const struct plan_summary *summary; /* NULL until planned */
	const char *diff;                   /* NULL; text for a diff block */
	const char *error;                  /* failed, refused, unknown: text from an engine or from us */
	const char *waiting_for;            /* queued behind this project */
	int64_t behind;                     /* queued behind this pull request, which holds the project; 0 */
	int64_t place, of;                  /* then: among the pull requests that wait for it */
	bool behind_unknown;                /* then: an outcome there has to be resolved first */
	const char *resolved;               /* unknown, and a person said how it ended: "applied by bob"; NULL */
	const char *log_url;
	const char *reason;                 /* why it is affected */
	int64_t took_ms;                    /* finished */
	int64_t running_ms;
	bool timed_out;                     /* failed, because its time was over */
	const char *state_note;             /* "state: serial 4 kept" after an apply; NULL */
	const char *const *told;            /* sentences of what a reviewer should know of the change; they begin with the place */
	size_t told_n, told_more;           /* more: beyond those */
};

enum view_phase { VIEW_PLANNING, VIEW_PLAN_DONE, VIEW_APPLY_ASKED, VIEW_APPLYING_RUN, VIEW_APPLY_DONE };

struct view {
	enum view_phase phase;
	const char *head_sha, *base_ref, *merge_sha; /* merge_sha: apply phases once merged */
	const struct view_project *projects;
	size_t projects_n;
	size_t untouched;
	const struct gate_verdict *gate;   /* NULL: not shown */
	const char *refused;               /* an apply that was refused: "apply asked by @x: refused, ..." headline part; NULL */
	const char *const *notes;          /* plain sentences: superseded plans, configuration takes effect after merge */
	size_t notes_n;
	const char *config_errors;         /* "sluice.yaml:3:5: ..." lines; then there are no projects */
	const char *error;                 /* the run itself failed: one sentence */
	bool waits;                        /* error is no failure: the sentence says for whose comment it waits */
	const char *run_url, *help_url;
	int64_t run_id;
	const char *engines;               /* "terraform 1.11.4" */
	const char *sandbox;               /* "full (...)": how well a job is held in; NULL: not known */
	const char *expires;               /* "2026-11-23 14:00 UTC", NULL */
};

void render_comment(const struct view *v, struct buf *out);
/* One line, at most LIMIT_STATUS_DESCRIPTION characters. */
void render_headline(const struct view *v, struct buf *out);               /* the verdict in words, no Markdown */
void render_project_line(const struct view_project *p, struct buf *out);   /* "2 to add, 1 to change" */
void render_help(const char *error, const char *bot_name, struct buf *out); /* answer to `help` and to unknown commands */
/* Text from outside inside Markdown, outside code: escapes, disarms @, HTML, links, control and bidi characters. */
void render_text(struct buf *out, const char *s);
/* Text from outside in an inline code span of sufficient back-ticks. */
void render_code(struct buf *out, const char *s);
/* A fenced block with a fence longer than any run of back-ticks inside. */
void render_fence(struct buf *out, const char *lang, const char *s, size_t len);

/* How far something is that a check run or a commit status tells of. */
enum check_state {
	CHECK_QUEUED, CHECK_RUNNING, CHECK_PARTIAL /* what was asked for is planned, and more has to be */,
	CHECK_PLANNED, CHECK_APPLIED, CHECK_UNTOUCHED /* there is nothing to plan */,
	CHECK_FAILED, CHECK_APPLY_FAILED, CHECK_TIMED_OUT, CHECK_REFUSED, CHECK_CANCELLED, CHECK_SUPERSEDED,
	CHECK_UNKNOWN /* outcome unknown */, CHECK_NOTHING_APPLIED /* an apply without a plan */, CHECK_STATES,
};
struct check_word {
	const char *status, *conclusion; /* of a check run; conclusion NULL while it is not completed */
	const char *state;               /* of a commit status */
};
const struct check_word *render_check_word(enum check_state s);
enum check_state render_check_state(const struct view_project *p);

/* What a check run says. At most LIMIT_CHECK_TEXT_CHARS characters each, disarmed like the comment. */
struct check_text {
	enum check_state state;
	struct buf title, summary;
	struct buf text;        /* empty: none */
	struct buf annotations; /* a JSON object a line */
	struct buf actions;     /* JSON array */
};
/* rollup: of all projects of the view; else the view has one project. title is a line as render_headline makes it. */
void render_check(const struct view *v, enum check_state s, const char *title, bool rollup, struct check_text *ret);
void check_text_free(struct check_text *t);

#endif
