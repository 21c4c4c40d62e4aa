#include "plan/replan.h"

#include "base/text.h"
#include "plan/gate_own.h"

static const char ASKS_AGAIN[] = "after the merge its plan is not the one that was reviewed: read this one, then comment `apply`";

/* Does one of the lines stand among the others? */
static bool depends_on_one_of(const char *depends_on, const char *names)
{
	struct strlist l = {0};
	bool found = false;
	text_split_lines(depends_on, &l);
	for (size_t i = 0; i < l.n && !found; i++)
		found = text_has_line(names, l.v[i]);
	strlist_free(&l);
	return found;
}

const char *replan_reason(const struct prepared_project *now, const struct job_row *plan, bool config_changed, const char *names)
{
	if (plan->inputs == NULL || strcmp(now->inputs, plan->inputs) != 0)
		return "planned again: the merge changed its files";
	if (config_changed)
		return "planned again: the merge changed `sluice.yaml`";
	return depends_on_one_of(plan->depends_on, names) ? "planned again after what it depends on" : NULL;
}

int replan_create(struct db_conn *c, const struct run_row *run, const struct prepared_project *now, const struct job_row *plan, const char *reason,
		  struct err *err)
{
	CLEANUP_FREE char *why = xstrdup(reason);
	struct job_row j = {
		.run_id = run->id, .repo_id = run->repo_id, .pull = run->pull, .phase = PHASE_PLAN, .project = plan->project, .dir = now->dir,
		.workspace = now->workspace, .backend = now->backend, .reason = why, .inputs = now->inputs, .bound = now->bound, .engine = now->engine,
		.apply = plan->apply, .needs_init = now->needs_init, .managed_state = now->managed_state, .depends_on = plan->depends_on,
		.asker = run->asker != NULL ? run->asker : plan->asker, .plan_job = plan->id,
		/* the stricter of both: what was reviewed, and what the merged file says */
		.requires_approved = plan->requires_approved || now->requires_approved, .requires_checks = plan->requires_checks || now->requires_checks,
		.requires_up_to_date = plan->requires_up_to_date || now->requires_up_to_date,
		.requires_codeowners = plan->requires_codeowners || now->codeowners,
		.sandbox = now->sandbox, .env = now->env, .egress_plan = now->egress_plan, .egress_apply = now->egress_apply, .lock_id = now->lock_id,
		.args = plan->args,
		.approvals = plan->approvals > now->approvals ? plan->approvals : now->approvals,
		.state = plan->depends_on != NULL ? JOBS_WAITING : JOBS_READY,
	};
	int64_t id;
	return job_create(c, &j, &id, err);
}

static int create_apply(struct db_conn *c, const struct job_row *again, struct err *err)
{
	struct job_row j = *again;
	j.phase = PHASE_APPLY;
	j.state = JOBS_READY;
	j.error = NULL;
	j.plan_job = again->id;
	int64_t id;
	return job_create(c, &j, &id, err);
}

int replan_done(struct db_conn *c, const struct job_row *again, struct err *err)
{
	struct job_row reviewed = {0};
	if (again->phase != PHASE_PLAN || again->plan_job == 0 || again->state != JOBS_DONE || !gate_own_has_work(again))
		return 0;
	int rc = job_get(c, again->plan_job, &reviewed, err);
	if (rc != 0)
		return rc;
	bool same = reviewed.changes != NULL && again->changes != NULL && strcmp(reviewed.changes, again->changes) == 0;
	job_row_free(&reviewed);
	if (same)
		return create_apply(c, again, err);
	return db_run(c, err, "UPDATE job SET error=?2 WHERE id=?1", "is", again->id, ASKS_AGAIN);
}

bool replan_asks_again(const struct job_row *j) { return j->phase == PHASE_PLAN && j->plan_job != 0 && j->error != NULL; }

void replan_fold(struct job_list *l)
{
	size_t kept = 0;
	for (size_t i = 0; i < l->n; i++) {
		bool other = false;
		for (size_t k = 0; k < l->n && l->v[i].phase == PHASE_PLAN; k++)
			other = other || (k != i && l->v[k].phase == PHASE_APPLY && strcmp(l->v[k].project, l->v[i].project) == 0);
		if (other)
			job_row_free(&l->v[i]);
		else
			l->v[kept++] = l->v[i];
	}
	l->n = kept;
}
