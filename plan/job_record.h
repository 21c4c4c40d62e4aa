/* Signing what was planned, and checking it before it is applied: the rows of a job and the signed record (plan_record.h). Steps 6 and 8. On the
 * writer thread, which alone talks to the key agent. */
#ifndef PLAN_JOB_RECORD_H
#define PLAN_JOB_RECORD_H

#include "plan/plan_record_job.h"
#include "plan/state_store.h"

struct record_context {
	struct agent *agent;
	const struct server_config *config;
	const struct engine_binary *engines; /* by kind */
};

/* A plan is done or was kept: signs its record. planned_ms: when the plan file was made; it expires from then. */
int job_record_sign(struct db_conn *c, const struct record_context *x, int64_t job_id, int64_t planned_ms, struct err *err) MUST_CHECK;
/* Before a key is handed out: everything that is true now against the record of the plan. apply: its row as it is about to start; state: the
 * managed state in force, id 0: none. ERR_REFUSED with the sentence. */
int job_record_check(struct db_conn *c, const struct record_context *x, const struct job_row *apply, const struct state_version *state,
		     struct err *err) MUST_CHECK;
/* For the gate: is there a record, and does its signature fit? ERR_REFUSED with the sentence. */
int job_record_look(const struct agent *agent, const struct job_row *plan, struct err *err) MUST_CHECK;

#endif
