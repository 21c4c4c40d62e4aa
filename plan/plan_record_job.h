/* Plan records and the rows they are made from: filled when a plan is done, derived again when it is to be applied. Step 6. Pure. */
#ifndef PLAN_PLAN_RECORD_JOB_H
#define PLAN_PLAN_RECORD_JOB_H

#include "plan/plan_record.h"
#include "plan/run_store.h"

/* What no row has. NULL: none. */
struct record_extra {
	const char *server_digest;  /* SHA-256 of the server file, hex */
	const char *engine_sha256;  /* of the engine's program file, hex */
	const char *policies, *cost;
	int64_t tier;
	int64_t planned_ms, expires_ms; /* when planned; a derived record takes them from the signed one */
};

/* From a run and a job. When planned: the plan's own rows. When applied: the rows as they are now; after a merge `run` is the apply's (its commits
 * are not compared then) and `job` holds what was prepared on the base branch: inputs, bound, config. ERR_PARSE: job->bound is not what
 * prepare writes. */
int plan_record_from_job(const struct run_row *run, const struct job_row *job, const struct record_extra *x, struct plan_record *ret,
			 struct err *err) MUST_CHECK;

/* The stored record of `plan`, verified, compared with what is true now, and not expired. ERR_REFUSED with the sentence for the comment.
 * now->planned_ms and expires_ms are not looked at. */
int plan_record_check(const uint8_t pub[AGENT_PUBLIC_SIZE], const struct job_row *plan, const struct plan_record *now, enum plan_record_when when,
		      int64_t now_ms, struct err *err) MUST_CHECK;

#endif
