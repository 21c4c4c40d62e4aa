/* The run machine: everything done for one head commit of a pull request, or one merged commit, walks through states that are durable
 * before they act. Steps 4 to 6. In the daemon, on the loop.
 *
 *   state      plan                                   apply                                        after a crash there
 *   queued     waits while an apply of the pull       the same                                     looked at again
 *              request runs
 *   reading    GET the pull request, role of asker    the same                                     read again
 *   gating                                            GET reviews, protection, checks; decide      read and decided again
 *   merging                                           PUT merge with the expected head             looked at: merged already?
 *   enqueued                                          waits in the merge queue                     looked at again
 *   preparing  child: fetch, affected, export         child: fetch, export the merge commit        done again
 *   checking                                          the gate once more, before credentials       prepared and read again
 *   working    jobs wait, run, finish (jobs.h)        the same                                     jobs are adopted or started
 *   done failed refused superseded cancelled: over
 *
 * One struct per run, one wake-up owed at a time; per state an `enter` that starts exactly one operation and a `leave` that runs inside
 * the transaction which moves the run on: what it decides, the comment it owes and the next state are on disk together. */
#ifndef PLAN_RUNS_H
#define PLAN_RUNS_H

#include "base/db.h"
#include "github/gh.h"
#include "github/outbox.h"
#include "plan/config.h"
#include "plan/run_store.h"
#include "runner/exec.h"
#include "runner/tier.h"
#include "secrets/agent.h"

struct runs;
struct comment_context;
struct jobs_counts;

struct runs_options {
	struct loop *loop;
	struct db *db;
	struct gh *gh;
	struct outbox *outbox;
	struct agent *agent;                /* used on the writer thread only */
	const struct server_config *config; /* outlives this */
	const char *server_file;
	const char *program;                /* the sluice binary, for children */
	executor_new_fn executor_new;       /* NULL: exec_local_new */
};

int runs_new(const struct runs_options *o, struct runs **ret, struct err *err) MUST_CHECK;
/* How well this host holds a job in (takes what the report owns): jobs begin, and comments and checks say it. Once. */
void runs_set_host(struct runs *r, struct tier_report *host);
/* At start: every run that is not over is entered again, every running job adopted. */
void runs_recover(struct runs *r);
/* After the commit that created a run (or ended others): enters new ones, lets go of those that ended. Cheap; call it freely. */
void runs_look(struct runs *r);
/* `cancel`: stops the plan runs of a pull request, and its running apply by one SIGINT. Ends in the database first. */
void runs_cancel(struct runs *r, int64_t repo_id, int64_t pull);
/* A project may be free again (an outcome was resolved): what waits for it starts. */
void runs_kick(struct runs *r);
/* What the gate looks at changed on GitHub: read again for the newest plan of the pull request if that is done, and told in its comment. */
void runs_refresh_facts(struct runs *r, int64_t repo_id, int64_t pull);
/* What comments and statuses are made with; the same for ever. */
const struct comment_context *runs_comment(const struct runs *r);
/* Runs and jobs under way, for a clean stop and /metrics. */
size_t runs_active(const struct runs *r);
const struct jobs_counts *runs_jobs_counts(const struct runs *r);
const struct tier_report *runs_host(const struct runs *r); /* NULL: not known yet */
/* Stops without touching runners, while nothing waits for the database. Before outbox_close, gh_close and db_close. */
void runs_close(struct runs *r);

#endif
