/* The first step of an apply, gating, and its jobs once the merge commit is prepared. */
#include "base/fs.h"
#include "base/text.h"
#include "plan/ask.h"
#include "plan/gate_own.h"
#include "plan/lock_store.h"
#include "plan/only.h"
#include "plan/job_record.h"
#include "plan/replan.h"
#include "plan/runs_priv.h"

enum { COMMENT_WAITS = 20, COMMENT_WAIT_MS = 1000 };

/* Newest plans of this head that the command is about; after a merge by a person only those that apply on merge. */
int run_apply_selection(struct db_conn *c, const struct run_row *row, bool gone_too, struct job_list *ret, struct err *err)
{
	struct job_list all = {0};
	struct only only;
	only_read(row->only, &only);
	int rc = job_list_of_head(c, row->repo_id, row->pull, row->head_sha, &all, err);
	for (size_t i = 0; rc == 0 && i < all.n; i++) {
		struct job_row *j = &all.v[i];
		bool in = row->asker != NULL ? only_names(&only, j->project, j->dir, j->workspace) : j->apply == APPLY_ON_MERGE;
		if (!in || (j->destroy && !gone_too && !only.destroy)) /* a directory that is gone goes only when it is named, with --destroy */
			continue;
		ret->v = xreallocarray(ret->v, ret->n + 1, sizeof(*ret->v));
		ret->v[ret->n++] = *j;
		*j = (struct job_row){0};
	}
	job_list_free(&all);
	only_free(&only);
	return rc;
}

/* gating */

static void on_gate(struct gate_seen *seen, void *arg)
{
	struct run *r = arg;
	r->gate = NULL;
	gate_seen_free(&r->seen);
	r->seen = *seen;
	*seen = (struct gate_seen){0};
	run_wake(r);
}

void run_gating_enter(struct run *r)
{
	struct gate_question q = run_gate_question(r->m, &r->row);
	r->gate = gate_read_start(&q, on_gate, r);
}

void run_gating_drop(struct run *r)
{
	gate_read_cancel(r->gate);
	r->gate = NULL;
}

/* A plan that still reads may turn out to be of this head. */
static int add_reading_plan(struct db_conn *c, const struct run_row *row, int64_t plan_id, struct gate_facts *f, struct err *err)
{
	struct run_row newest = {0};
	int rc = run_newest(c, row->repo_id, row->pull, RUN_PLAN, NULL, &newest, err);
	f->running += rc == 0 && newest.id != plan_id && newest.id < row->id && !run_state_is_over(newest.state);
	run_row_free(&newest);
	return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* What our own database adds: the plans of this head, what they require, who holds a lock. */
/* Plans whose signed record is missing or not ours, by name. */
static char *bad_records(const struct agent *agent, const struct job_list *jobs)
{
	struct buf b = {0};
	for (size_t i = 0; i < jobs->n; i++) {
		struct err why = {0};
		if (gate_own_has_work(&jobs->v[i]) && job_record_look(agent, &jobs->v[i], &why) != 0)
			buf_printf(&b, "%s`%s`: %s", b.len != 0 ? ", " : "", jobs->v[i].project, why.msg);
	}
	return b.len != 0 ? buf_take(&b) : NULL;
}

int run_gate_facts(struct db_conn *c, const struct runs *m, const struct run_row *row, struct gate_seen *seen, struct job_list *jobs,
		   struct gate_own *own, struct err *err)
{
	struct gate_facts *f = &seen->facts;
	struct run_row plan = {0};
	int rc = run_newest(c, row->repo_id, row->pull, RUN_PLAN, row->head_sha, &plan, err);
	if (rc != 0 && rc != ERR_NOT_FOUND)
		return rc;
	rc = 0;
	bool same = seen->head_sha != NULL && strcmp(seen->head_sha, row->head_sha) == 0;
	for (size_t i = 0; i < jobs->n; i++)
		f->destroys = f->destroys || jobs->v[i].destroy;
	f->head_is_planned = seen->head_sha == NULL ? TRI_UNKNOWN : same && plan.id != 0 ? TRI_YES : TRI_NO;
	struct job_list all = {0};
	if (f->merged != TRI_YES) /* merging brings every project of the head in, whatever -p names: all must be planned, all require */
		rc = job_list_of_head(c, row->repo_id, row->pull, row->head_sha, &all, err);
	if (rc == 0)
		rc = gate_own_add(c, plan.id != 0 ? &plan : NULL, row->repo_id, row->pull, all.n != 0 ? &all : jobs, f, own, err);
	free(own->bad_record);
	own->bad_record = bad_records(m->o.agent, jobs);
	f->bad_record = own->bad_record;
	own->work = 0;
	for (size_t i = 0; i < jobs->n; i++)
		own->work += gate_own_has_work(&jobs->v[i]);
	job_list_free(&all);
	if (rc == 0)
		rc = run_merged_by_us(c, row->repo_id, row->pull, &f->merged_by_us, err);
	if (rc == 0 && f->merged != TRI_YES)
		rc = add_reading_plan(c, row, plan.id, f, err);
	run_row_free(&plan);
	return rc;
}

/* The gate is open: from here on the projects are ours. */
static int take_locks(struct db_conn *c, const struct run *r, const struct job_list *jobs, struct err *err)
{
	CLEANUP_BUF struct buf names = {0};
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < jobs->n; i++) {
		const struct job_row *j = &jobs->v[i];
		if (!gate_own_has_work(j))
			continue;
		rc = lock_take(c, r->row.repo_id, j->project, r->row.pull, r->row.id, err);
		buf_printf(&names, "%s%s", names.len != 0 ? "\n" : "", j->project);
	}
	/* from here on `only` is the list of names, one a line */
	return rc == 0 ? run_set_only(c, r->row.id, buf_str(&names), err) : rc;
}

static int refuse(struct db_conn *c, struct run *r, const char *why, enum run_state *ret_next, struct err *err)
{
	*ret_next = RUN_REFUSED;
	return run_end_with(c, r, why, err);
}

/* The plans are done and their comment is in line to GitHub: a matter of seconds, which nobody should have to ask twice for. */
static bool only_waits_for_comment(const struct gate_verdict *v, const struct gate_facts *f)
{
	size_t shut = 0;
	for (size_t i = 0; i < v->n; i++)
		shut += v->items[i].mark != GATE_YES;
	return !v->open && shut == 1 && f->told == TRI_NO && f->told_why == NULL;
}

static int decide(struct db_conn *c, struct run *r, const struct job_list *jobs, const struct gate_own *own, enum run_state *ret_next, struct err *err)
{
	struct gate_verdict verdict;
	r->seen.facts.after_merge = r->seen.facts.merged == TRI_YES;
	gate_evaluate(&r->seen.facts, &verdict);
	if (only_waits_for_comment(&verdict, &r->seen.facts) && r->waits < COMMENT_WAITS) {
		gate_verdict_free(&verdict);
		r->waits++;
		r->again_ms = COMMENT_WAIT_MS;
		*ret_next = RUN_GATING;
		return 0;
	}
	int rc = run_keep_verdict(c, &r->row, "asked", &r->seen.facts, own, &verdict, err);
	CLEANUP_FREE char *why = NULL;
	if (!verdict.open)
		why = xasprintf("apply%s%s: refused, %s", r->row.asker != NULL ? " asked by @" : "", r->row.asker != NULL ? r->row.asker : "",
				gate_first_no(&verdict));
	else if (own->work == 0)
		why = xstrdup("apply: there is nothing to apply, no plan has changes that were not applied yet");
	gate_verdict_free(&verdict);
	if (rc != 0)
		return rc;
	if (why != NULL)
		return refuse(c, r, why, ret_next, err);
	rc = take_locks(c, r, jobs, err);
	if (rc != 0)
		return rc;
	if (r->seen.facts.after_merge) {
		*ret_next = RUN_PREPARING;
		return run_set_merge(c, r->row.id, r->seen.merge_sha, false, err);
	}
	*ret_next = RUN_MERGING;
	return 0;
}

/* A person merged: what was planned and is not applied is told to be waiting; and when they merged past the gate, that too. */
static int tell_merged(struct db_conn *c, struct run *r, const struct gate_own *own, enum run_state *ret_next, struct err *err)
{
	struct gate_verdict verdict;
	*ret_next = RUN_DONE;
	if (own->work == 0 || r->seen.merge_sha == NULL)
		return 0;
	r->seen.facts.after_merge = true;
	gate_evaluate(&r->seen.facts, &verdict);
	int rc = run_keep_verdict(c, &r->row, "merged", &r->seen.facts, own, &verdict, err);
	CLEANUP_FREE char *why =
		verdict.open ? xasprintf("merged as %.7s and not applied yet: comment `apply`", r->seen.merge_sha)
			     : xasprintf("merged as %.7s past the gate (%s): nothing was applied, and nothing is before the gate is open", r->seen.merge_sha,
					 gate_first_no(&verdict));
	gate_verdict_free(&verdict);
	return rc == 0 ? refuse(c, r, why, ret_next, err) : rc;
}

/* A push that came together with the comment was not what its writer saw. *ret_why NULL: it was. */
static int look_at_ask(struct db_conn *c, const struct run *r, char **ret_why, struct err *err)
{
	CLEANUP_FREE char *stale = NULL;
	if (r->row.asker == NULL || r->seen.head_sha == NULL || r->seen.facts.merged == TRI_YES)
		return 0;
	int rc = ask_is_stale(c, &r->row, r->seen.head_sha, &stale, err);
	if (rc == 0 && stale != NULL)
		*ret_why = xasprintf("apply asked by @%s: refused, %s", r->row.asker, stale);
	return rc;
}

int run_gating_leave(struct db_conn *c, struct run *r, enum run_state *ret_next, struct err *err)
{
	struct job_list jobs = {0};
	struct gate_own own = {0};
	int rc = run_apply_selection(c, &r->row, false, &jobs, err);
	bool only_merged = r->row.asker == NULL && jobs.n == 0; /* nothing was asked, and nothing applies on merge */
	if (rc == 0 && only_merged)
		rc = job_list_of_head(c, r->row.repo_id, r->row.pull, r->row.head_sha, &jobs, err);
	if (rc == 0)
		rc = run_gate_facts(c, r->m, &r->row, &r->seen, &jobs, &own, err);
	CLEANUP_FREE char *stale = NULL;
	if (rc == 0)
		rc = look_at_ask(c, r, &stale, err);
	if (rc == 0 && stale != NULL)
		rc = refuse(c, r, stale, ret_next, err);
	else if (rc == 0)
		rc = only_merged ? tell_merged(c, r, &own, ret_next, err) : decide(c, r, &jobs, &own, ret_next, err);
	job_list_free(&jobs);
	gate_own_free(&own);
	if (rc == 0 && !run_state_is_over(*ret_next)) {
		struct run_row fresh;
		rc = run_get(c, r->row.id, &fresh, err);
		if (rc == 0) {
			run_row_free(&r->row);
			r->row = fresh;
		}
	}
	return rc;
}

/* The jobs, once the merge commit is prepared: a project whose inputs differ from what was planned is not applied. */

static const struct prepared_project *find_prepared(const struct prepare_result *p, const char *name)
{
	for (size_t i = 0; i < p->projects_n; i++)
		if (strcmp(p->projects[i].name, name) == 0)
			return &p->projects[i];
	return NULL;
}

/* Nothing of it is in the merge commit: its files lie where its plan found them. */
static int create_destroy_job(struct db_conn *c, const struct run *r, const struct job_row *plan, struct err *err)
{
	struct job_row j = *plan;
	char gone[] = "the files that its plan was made from are gone from this server: nothing was destroyed. Comment `plan`, then `apply` again";
	j.run_id = r->row.id;
	j.phase = PHASE_APPLY;
	j.asker = r->row.asker != NULL ? r->row.asker : plan->asker;
	j.plan_job = plan->id;
	j.state = fs_is_dir(plan->tree_dir) ? JOBS_READY : JOBS_REFUSED;
	j.error = j.state == JOBS_REFUSED ? gone : NULL;
	int64_t id;
	return job_create(c, &j, &id, err);
}

static int create_apply_job(struct db_conn *c, const struct run *r, const struct job_row *plan, struct err *err)
{
	const struct prepared_project *p = find_prepared(&r->prepared, plan->project);
	char changed[] = "the files of this project on the base branch are not the files that were planned: nothing was applied. Open a pull request that "
			 "touches the project; its plan shows what is left to do.";
	struct job_row j = *plan;
	struct run_row planned = {0};
	int64_t id;
	if (plan->destroy)
		return create_destroy_job(c, r, plan, err);
	int rc = run_get(c, plan->run_id, &planned, err);
	if (rc != 0)
		return rc;
	/* a plan that this very kind of run made is of the merged configuration already */
	bool config_changed = planned.kind == RUN_PLAN && strcmp(planned.config_id != NULL ? planned.config_id : "",
								   r->prepared.config_id != NULL ? r->prepared.config_id : "") != 0;
	run_row_free(&planned);
	j.run_id = r->row.id;
	j.phase = PHASE_APPLY;
	j.asker = r->row.asker != NULL ? r->row.asker : plan->asker;
	j.plan_job = plan->id;
	j.error = NULL;
	j.state = plan->depends_on != NULL ? JOBS_WAITING : JOBS_READY;
	if (p == NULL || p->inputs == NULL || p->error != NULL) {
		j.state = JOBS_REFUSED;
		j.error = p != NULL && p->error != NULL ? p->error : changed;
		return job_create(c, &j, &id, err);
	}
	j.inputs = p->inputs; /* what the record of the plan is compared with, once more */
	j.bound = p->bound;
	j.lock_id = p->lock_id;
	j.sandbox = p->sandbox;
	j.env = p->env;
	j.egress_plan = p->egress_plan;
	j.egress_apply = p->egress_apply;
	j.backend = p->backend;
	j.dir = p->dir;
	const char *again = replan_reason(p, plan, config_changed, r->row.only);
	return again != NULL ? replan_create(c, &r->row, p, plan, again, err) : job_create(c, &j, &id, err);
}

int run_create_apply_jobs(struct db_conn *c, struct run *r, struct err *err)
{
	struct job_list plans = {0};
	int rc = run_claimed_plans(c, &r->row, &plans, err);
	for (size_t i = 0; rc == 0 && i < plans.n; i++)
		if (gate_own_has_work(&plans.v[i]))
			rc = create_apply_job(c, r, &plans.v[i], err);
	job_list_free(&plans);
	return rc;
}
