#include "plan/job_record.h"

#include "base/clock.h"
#include "base/text.h"
#include "plan/job_plan.h"
#include "plan/trust.h"

static struct record_extra extra_of(const struct record_context *x, const struct job_row *job)
{
	return (struct record_extra){.server_digest = x->config->digest, .engine_sha256 = x->engines[job->engine].sha256, .tier = trust_of_job(job)};
}

int job_record_sign(struct db_conn *c, const struct record_context *x, int64_t job_id, int64_t planned_ms, struct err *err)
{
	struct job_row job = {0};
	struct run_row run = {0};
	struct plan_record record = {0};
	CLEANUP_FREE char *text = NULL;
	uint8_t sig[AGENT_SIG_SIZE];
	int rc = job_get(c, job_id, &job, err);
	if (rc == 0)
		rc = run_get(c, job.run_id, &run, err);
	if (rc == 0 && job.plan_file != 0) {
		struct record_extra e = extra_of(x, &job);
		e.planned_ms = planned_ms;
		e.expires_ms = planned_ms + x->config->plan_expiry_ms;
		rc = plan_record_from_job(&run, &job, &e, &record, err);
		if (rc == 0)
			rc = plan_record_sign(x->agent, &record, &text, sig, err);
		if (rc == 0)
			rc = job_set_record(c, job.id, text, sig, err);
	}
	plan_record_free(&record);
	run_row_free(&run);
	job_row_free(&job);
	return rc;
}

/* The row of the apply with what only the plan's row has, to derive a record from. Borrows. */
static struct job_row derived(const struct job_row *apply, const struct job_row *plan, const struct state_version *state)
{
	struct job_row now = *apply;
	now.changes = plan->changes;
	now.destroy = plan->destroy;
	now.state_lineage = apply->managed_state && state->id != 0 ? state->lineage : NULL;
	now.state_serial = apply->managed_state ? state->serial : 0;
	return now;
}

int job_record_check(struct db_conn *c, const struct record_context *x, const struct job_row *apply, const struct state_version *state, struct err *err)
{
	struct job_row plan = {0};
	struct run_row run = {0}, planned = {0};
	struct plan_record now = {0};
	uint8_t pub[AGENT_PUBLIC_SIZE];
	int rc = job_get(c, apply->plan_job, &plan, err);
	if (rc == 0)
		rc = run_get(c, apply->run_id, &run, err);
	if (rc == 0)
		rc = run_get(c, plan.run_id, &planned, err);
	if (rc == 0) {
		struct run_row as = run;
		struct job_row job = derived(apply, &plan, state);
		struct record_extra e = extra_of(x, apply);
		if (plan.destroy) /* a change that removes a directory takes its entry out of the configuration as well */
			as.config_id = planned.config_id;
		rc = plan_record_from_job(&as, &job, &e, &now, err);
	}
	agent_verify_key(x->agent, pub);
	if (rc == 0)
		rc = plan_record_check(pub, &plan, &now, RECORD_AFTER_MERGE, clock_wall_ms(), err);
	plan_record_free(&now);
	run_row_free(&planned);
	run_row_free(&run);
	job_row_free(&plan);
	return rc;
}

int job_record_look(const struct agent *agent, const struct job_row *plan, struct err *err)
{
	uint8_t pub[AGENT_PUBLIC_SIZE], sig[AGENT_SIG_SIZE];
	struct plan_record record = {0};
	agent_verify_key(agent, pub);
	if (plan->record == NULL || plan->signature_hex == NULL || !text_unhex(plan->signature_hex, sig, sizeof(sig)))
		return err_set(err, ERR_REFUSED, "it has no signed record");
	int rc = plan_record_verify(pub, plan->record, strlen(plan->record), sig, &record, err);
	plan_record_free(&record);
	return rc;
}
