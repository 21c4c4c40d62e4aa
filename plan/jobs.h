/* Jobs: one project of one run in one phase. Picks what may start (applies first, limits per server and per repository, dependencies),
 * starts it through the executor, takes its result in. Steps 5, 6 and 8. In the daemon, on the loop.
 *
 *   waiting -> ready -> running -> done | failed | refused | cancelled | unknown
 *   after a crash: waiting, ready: looked at again · running: its runner is adopted; lost before the point of no return: ready again;
 *   an apply lost after it: unknown, and its project stays locked until a person says `unlock`. */
#ifndef PLAN_JOBS_H
#define PLAN_JOBS_H

#include "plan/comment.h"
#include "plan/run_store.h"
#include "runner/breach.h"
#include "runner/exec.h"
#include "runner/tier.h"
#include "secrets/agent.h"

struct jobs;

/* no->code 0: it may. Fires once, later. */
typedef void (*jobs_may_start_cb)(const struct err *no, void *arg);

struct jobs_options {
	struct loop *loop;
	struct db *db;
	struct outbox *outbox;
	struct agent *agent;
	const struct server_config *config;
	const struct comment_context *comment;
	const char *program;
	executor_new_fn executor_new; /* NULL: exec_local_new */
	/* Asked for every apply right before its engine is started. */
	void (*may_start)(int64_t run_id, jobs_may_start_cb cb, void *cb_arg, void *arg);
	/* The run's last job is over, and the run with it. */
	void (*on_run_over)(int64_t run_id, void *arg);
	void (*on_new_runs)(void *arg); /* an apply came home, and with it runs may have been created (queue_after_apply) */
	void *arg;
};

int jobs_new(const struct jobs_options *o, struct jobs **ret, struct err *err) MUST_CHECK;
/* How well this host holds a job in (takes what the report owns). Until then jobs wait. Once. */
void jobs_set_host(struct jobs *j, struct tier_report *host);
void jobs_recover(struct jobs *j);
void jobs_kick(struct jobs *j);                        /* something may be ready */
void jobs_cancel_run(struct jobs *j, int64_t run_id); /* asks the runners of a run to stop */
size_t jobs_running(const struct jobs *j);
/* Since the start, for /metrics. */
struct jobs_counts {
	uint64_t breaches[BREACHES]; /* jobs that a ceiling ended */
	uint64_t connections, connections_refused; /* the second are among the first */
};
const struct jobs_counts *jobs_counts(const struct jobs *j);
const struct tier_report *jobs_host(const struct jobs *j); /* NULL: not known yet */
void jobs_close(struct jobs *j);

/* Inside a transaction: a job that was just made takes the plan of an earlier one (job_plan.h), signed for its own commit. */
int jobs_keep_plan(struct jobs *j, struct db_conn *c, int64_t job_id, int64_t kept_id, struct err *err) MUST_CHECK;
/* Inside the transaction that ended the run's last job (or found that there is none): the run is done, the comment and the roll-up
 * status are owed. */
int jobs_finish_run(struct db_conn *c, const struct comment_context *ctx, int64_t run_id, struct err *err) MUST_CHECK;
/* A plan run was cancelled: once none of its jobs is open any more, the comment and the statuses that say so are owed. Until then nothing. */
int jobs_tell_cancelled(struct db_conn *c, const struct comment_context *ctx, int64_t run_id, struct err *err) MUST_CHECK;

/* Where things lie below data_dir; the caller frees. */
char *jobs_dir_of(const struct server_config *config, int64_t job_id);
char *jobs_plan_path(const struct server_config *config, int64_t job_id);
char *jobs_state_path(const struct server_config *config, int64_t job_id);
char *jobs_log_path(const struct server_config *config, int64_t job_id);
char *jobs_egress_path(const struct server_config *config, int64_t job_id); /* a line for each connection of the job */

#endif
