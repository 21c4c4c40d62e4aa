/* Loading what the comment shows: rows of the newest runs of a pull request, as a render view that borrows from them. Step 9. On the writer
 * thread; used by comment.c alone. */
#ifndef PLAN_COMMENT_VIEW_H
#define PLAN_COMMENT_VIEW_H

#include "plan/comment.h"
#include "plan/gate_read.h"
#include "plan/render.h"

struct comment_view {
	struct view view;
	struct run_row plan, apply;   /* apply.id 0: none after the plan */
	const struct run_row *shown;  /* the run whose jobs are shown */
	struct job_list jobs;
	struct plan_summary *summaries; /* one a job */
	struct view_project *projects;
	struct gate_verdict gate;
	struct gate_seen seen;
	struct strlist owned, notes;
	struct strlist *told; /* one a job */
};

/* ERR_NOT_FOUND: the pull request has no run. */
int comment_view_load(struct db_conn *c, const struct comment_context *ctx, int64_t repo_id, int64_t pull, struct comment_view *v,
		      struct err *err) MUST_CHECK;
/* The view of one run alone, without diffs. */
int comment_view_load_run(struct db_conn *c, const struct comment_context *ctx, const struct run_row *run, struct comment_view *v,
			  struct err *err) MUST_CHECK;
void comment_view_free(struct comment_view *v);
/* One job without its summary, diff and links. */
struct view_project comment_view_project(const struct job_row *job);

/* A gate verdict as the run's gate column keeps it. */
void comment_gate_write(const struct gate_verdict *v, struct buf *out);
void comment_gate_read(const char *json, struct gate_verdict *ret);

#endif
