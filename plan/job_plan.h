/* What becomes of plans over time: when a change set was planned first, which plan a push keeps, which is spent. Steps 5 and 6. On the writer
 * thread. A plan file is sealed once, under the job that made it; plans that were kept over a push name that job as their plan_file. */
#ifndef PLAN_JOB_PLAN_H
#define PLAN_JOB_PLAN_H

#include "plan/run_store.h"

/* At the start of a job: the managed state it is going to see. lineage NULL: none yet, or kept elsewhere. */
int job_plan_state(struct db_conn *c, int64_t job_id, const char *lineage, int64_t serial, struct err *err) MUST_CHECK;
/* A plan is done: writes its change set and since when it stands; j->changes says which (NULL: not known, then it is a new one). */
int job_plan_done(struct db_conn *c, struct job_row *j, struct err *err) MUST_CHECK;
/* The signed record of what was planned (plan_record.h). */
int job_set_record(struct db_conn *c, int64_t job_id, const char *record, const uint8_t sig[AGENT_SIG_SIZE], struct err *err) MUST_CHECK;

/* A job that was just made for a push: is the plan that stands for this project still the one that would be made? Same inputs, same
 * configuration and base branch, same state, not spent, not about to expire, nothing applied since. */
int job_plan_find_kept(struct db_conn *c, const struct run_row *run, const struct job_row *made, int64_t fresh_after_ms, int64_t *ret_id,
		       struct err *err) MUST_CHECK; /* 0: none */
/* Then it is done with that plan. */
int job_plan_keep(struct db_conn *c, int64_t job_id, int64_t kept_id, struct err *err) MUST_CHECK;

/* CAS from unspent, or spent by this very apply; ERR_CONFLICT when another one used the plan file, under whichever row. */
int job_use_plan(struct db_conn *c, int64_t plan_job, int64_t apply_job, struct err *err) MUST_CHECK;
/* An apply that surely did not start gives its plan back. */
int job_unuse_plan(struct db_conn *c, int64_t plan_job, int64_t apply_job, struct err *err) MUST_CHECK;

#endif
