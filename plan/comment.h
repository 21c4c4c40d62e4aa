/* From the database to the comment and the checks or statuses: loads what a pull request's newest runs say, renders it, and puts it into the outbox.
 * Step 9. On the writer thread, inside the transaction that changed something. */
#ifndef PLAN_COMMENT_H
#define PLAN_COMMENT_H

#include "base/db.h"
#include "plan/run_store.h"

struct comment_context {
	const char *public_url;
	const char *sandbox; /* "full (...)", "bounded: ...": how well this host holds a job in; NULL: not known yet */
	bool checks;         /* we are an App: check runs instead of commit statuses, with the same words */
};

/* Renders the comment of a pull request as of now and owes it to GitHub, not before the given wall time (0: now). A pull request whose runs
 * touched no project, and that has no comment yet, gets none. */
int comment_refresh(struct db_conn *c, const struct comment_context *ctx, int64_t repo_id, int64_t pull, int64_t not_before_ms,
		    struct err *err) MUST_CHECK;
/* The roll-up check or status `sluice` of a run's head commit, which branch protection is to require: pending while it works, then what its jobs
 * say. An apply without a plan is never a success; one that a merge started and that had nothing to do says nothing. */
int comment_rollup(struct db_conn *c, const struct comment_context *ctx, const struct run_row *run, struct err *err) MUST_CHECK;
/* The check or status `sluice/PROJECT` of one job; held back for a moment while its run works, so that a quick plan costs one
 * write and the comment goes first. */
int comment_job_status(struct db_conn *c, const struct comment_context *ctx, const struct run_row *run, const struct job_row *job,
		       struct err *err) MUST_CHECK;
/* The run was superseded, or cancelled because its pull request was closed: what its commit was told to be pending ends. Nothing when a newer plan
 * is of the same commit and so speaks for itself. */
int comment_end_superseded(struct db_conn *c, const struct comment_context *ctx, const struct run_row *run, struct err *err) MUST_CHECK;
/* The same for every older plan of the pull request: for a run that has just read its head. Also for one that was closed, with run NULL. */
int comment_end_older(struct db_conn *c, const struct comment_context *ctx, int64_t repo_id, int64_t pull, const struct run_row *run,
		      struct err *err) MUST_CHECK;
/* A short answer of its own to a person's comment; once per comment id. */
int comment_reply(struct db_conn *c, int64_t repo_id, const char *repo, int64_t pull, int64_t comment_id, const char *body, struct err *err) MUST_CHECK;
/* Link to a run's page; the caller frees. */
char *comment_run_url(const struct comment_context *ctx, const struct run_row *run);

#endif
