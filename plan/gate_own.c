#include "plan/gate_own.h"

#include "base/clock.h"
#include "plan/command_flags.h"
#include "plan/gate_read.h"
#include "plan/lock_store.h"
#include "plan/summary.h"

#include <stdio.h>

void gate_own_free(struct gate_own *o)
{
	struct buf *bufs[] = {&o->unplanned, &o->gone, &o->expired, &o->partial, &o->not_counted, &o->owners_missing, &o->owners_bad, &o->told_why};
	for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
		buf_free(bufs[i]);
	free(o->planned_base);
	free(o->label);
	free(o->bad_record);
	strlist_free(&o->considered);
	owners_free(&o->owners);
	*o = (struct gate_own){0};
}

/* A plan with something in it, whether or not it was applied: right before its engine starts, the apply that asks has taken it already. */
static bool has_changes(const struct job_row *j)
{
	struct plan_summary s;
	if (j->state != JOBS_DONE || j->summary == NULL || plan_summary_parse(j->summary, strlen(j->summary), &s, NULL) != 0)
		return false;
	bool changes = s.applyable;
	plan_summary_free(&s);
	return changes;
}

bool gate_own_has_work(const struct job_row *j) { return j->used_by == 0 && has_changes(j); }

/* A directory that is gone, and of which nothing can be planned away: nothing of it is planned or applied. */
static bool is_gone(const struct job_row *j) { return j->deleted && !j->destroy; }

void gate_own_require(const struct job_row *j, struct gate_facts *f)
{
	if (is_gone(j))
		return;
	int needed = j->requires_approved ? (int)(j->approvals > 0 ? j->approvals : 1) : 0;
	if (f->approvals_needed < needed)
		f->approvals_needed = needed;
	f->codeowners_needed = f->codeowners_needed || j->requires_codeowners;
	f->checks_needed = f->checks_needed || j->requires_checks;
	f->up_to_date_needed = f->up_to_date_needed || j->requires_up_to_date;
}

static void add_name(struct buf *b, const char *name) { buf_printf(b, "%s`%s`", b->len != 0 ? ", " : "", name); }

/* What goes with its directory is applied only when it is named; a plan of it that failed is in nobody's way. */
static void add_job(const struct job_row *j, struct gate_facts *f, struct gate_own *own)
{
	bool work = gate_own_has_work(j);
	gate_own_require(j, f);
	own->work += work;
	if (work && f->heard != NULL && f->heard->plan_expiry_ms > 0 && j->finished_ms + f->heard->plan_expiry_ms <= clock_wall_ms())
		add_name(&own->expired, j->project);
	if (work && !command_flags_are_whole(j->args))
		add_name(&own->partial, j->project);
	if (j->deleted && work)
		add_name(&own->gone, j->project);
	if (j->deleted && !(f->destroys && j->destroy))
		return;
	f->projects++;
	f->planned += j->state == JOBS_DONE;
	f->running += j->state <= JOBS_RUNNING;
	f->failed += j->state > JOBS_DONE;
	if (j->state != JOBS_DONE)
		add_name(&own->unplanned, j->project);
}

/* The first that stands in the way is told. */
static int add_lock(struct db_conn *c, int64_t repo_id, int64_t pull, const char *project, struct gate_facts *f, struct gate_own *own,
		    struct err *err)
{
	struct lock_row lock;
	bool held;
	int rc = lock_in_way(c, repo_id, project, pull, &lock, &held, err);
	if (rc != 0 || !held || own->holder[0] != '\0')
		return rc;
	(void)snprintf(own->holder, sizeof(own->holder), "#%lld", (long long)lock.pull); /* fits */
	(void)snprintf(own->project, sizeof(own->project), "%s", lock.project);          /* fits */
	f->lock_unknown = lock.unknown;
	f->lock_run = lock.run_id;
	return 0;
}

/* --- since when each plan stands --- */

static const char SQL_SAME[] =
	"SELECT DISTINCT r.head_sha FROM job j JOIN run r ON r.id=j.run_id WHERE j.repo_id=?1 AND j.project=?2 AND j.pull=?3 AND j.phase='plan'"
	" AND j.state='done' AND j.workspace=?4 AND j.changes=?5 AND j.inputs=?6 AND r.head_sha IS NOT NULL ORDER BY r.id DESC LIMIT 200";
static const char SQL_PUSHER[] = "SELECT user_id FROM head_push WHERE repo_id=?1 AND sha=?2";

/* What a commit says of its author is anybody's to write; who pushed it is not. */
static const char SQL_PUSHERS[] =
	"SELECT DISTINCT h.user_id, h.login FROM run AS r JOIN head_push AS h ON h.repo_id=r.repo_id AND h.sha=r.head_sha"
	" WHERE r.repo_id=?1 AND r.pull=?2 AND r.kind='plan' LIMIT 500";

static int find_pushers(struct db_conn *c, int64_t repo_id, int64_t pull, struct person_list *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, SQL_PUSHERS, "ii", repo_id, pull);
	if (rc != 0)
		return rc;
	while ((rc = db_step(s, err)) == 1)
		person_list_add(ret, db_int(s, 0), db_text(s, 1));
	return rc;
}

/* Heads of this pull request for which a plan with the same inputs found the same changes. */
static int find_same(struct db_conn *c, const struct job_row *j, struct strlist *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, SQL_SAME, "isisss", j->repo_id, j->project, j->pull, j->workspace, j->changes, j->inputs);
	if (rc != 0)
		return rc;
	while ((rc = db_step(s, err)) == 1)
		strlist_add(ret, db_text(s, 0));
	return rc;
}

static int find_pusher(struct db_conn *c, int64_t repo_id, const char *sha, int64_t *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, SQL_PUSHER, "is", repo_id, sha);
	return rc == 0 ? db_number(s, ret, err) : rc;
}

static int add_history(struct db_conn *c, const struct run_row *plan, int64_t repo_id, int64_t pull, const struct job_list *jobs, struct gate_facts *f,
		       struct gate_own *own, struct err *err)
{
	struct person_list pushers = {0};
	struct gate_history h = {.head = plan != NULL ? plan->head_sha : NULL, .pushers = &pushers};
	struct approval_project *projects = xcalloc(jobs->n + 1, sizeof(*projects));
	int rc = h.head != NULL ? find_pusher(c, repo_id, h.head, &h.pusher_id, err) : 0;
	if (rc == 0)
		rc = find_pushers(c, repo_id, pull, &pushers, err);
	for (size_t i = 0; rc == 0 && i < jobs->n; i++) {
		const struct job_row *j = &jobs->v[i];
		if (!has_changes(j))
			continue;
		struct approval_project *p = &projects[h.projects_n++];
		p->name = j->project;
		p->since_ms = j->since_ms;
		if (j->changes != NULL && j->inputs != NULL)
			rc = find_same(c, j, &p->same, err);
	}
	h.projects = projects;
	if (rc == 0)
		gate_reviews_add(f->heard, &h, f, own);
	for (size_t i = 0; i < h.projects_n; i++)
		strlist_free(&projects[i].same);
	free(projects);
	person_list_free(&pushers);
	return rc;
}

/* A commit that came onto the base branch since the plan is one that this branch lacks: the head is the planned one. */
static enum tri is_up_to_date(const struct run_row *plan, const struct gate_heard *heard)
{
	if (plan == NULL)
		return TRI_UNKNOWN;
	bool moved = heard != NULL && heard->base_tip != NULL && plan->base_sha != NULL && strcmp(heard->base_tip, plan->base_sha) != 0;
	return plan->base_moved || moved ? TRI_NO : TRI_YES;
}

static int add_plan(struct db_conn *c, const struct run_row *plan, int64_t repo_id, int64_t pull, struct gate_facts *f, struct gate_own *own,
		    struct err *err)
{
	bool whole = plan == NULL || f->merged == TRI_YES || (plan->only == NULL && plan->state == RUN_DONE);
	int rc = whole ? 0 : run_is_whole(c, plan, &whole, err);
	if (rc == 0 && f->merged == TRI_YES)
		rc = run_merged_by_us(c, repo_id, pull, &f->merged_by_us, err);
	own->planned_base = plan != NULL ? xstrdup(plan->base_ref) : NULL;
	own->owners_read = plan != NULL && plan->owners != NULL && owners_read(plan->owners, &own->owners, NULL) == 0;
	f->planned_base = own->planned_base;
	f->projects += !whole; /* those that nobody looked for */
	f->up_to_date = is_up_to_date(plan, f->heard);
	if (plan != NULL && !run_state_is_over(plan->state))
		f->running++; /* it may find further projects yet */
	return rc;
}

/* The outbox's word on the comment with the plans: GitHub has what it has to say now, or took it after the plans were over. */
static const char SQL_COMMENT[] = "SELECT state, delivered_ms, last_error FROM effect WHERE slot=?1";

/* The gate check of an App that GitHub will not take is as bad as the comment. */
static int add_dead_check(struct db_conn *c, const struct run_row *plan, struct gate_facts *f, struct gate_own *own, struct err *err)
{
	struct db_stmt *s;
	if (plan->head_sha == NULL)
		return 0;
	CLEANUP_FREE char *slot = xasprintf("check/%lld/%s/sluice", (long long)plan->repo_id, plan->head_sha);
	int rc = db_query(c, &s, err, "SELECT last_error FROM effect WHERE slot=? AND state='dead'", "s", slot);
	if (rc == 0)
		rc = db_step(s, err);
	if (rc != 1)
		return rc;
	f->told = TRI_NO;
	const char *why = db_text(s, 0);
	buf_printf(&own->told_why, "%sthe check `sluice`: %s", own->told_why.len != 0 ? "; " : "", why != NULL ? why : "it does not say why");
	db_reset(s);
	return 0;
}

static int add_told(struct db_conn *c, const struct run_row *plan, int64_t repo_id, int64_t pull, struct gate_facts *f, struct gate_own *own,
		    struct err *err)
{
	struct db_stmt *s;
	char slot[64];
	f->told = TRI_YES;
	if (plan == NULL || plan->finished_ms == 0)
		return 0; /* that the plans are not there is another row's to say */
	(void)snprintf(slot, sizeof(slot), "comment/%lld/%lld", (long long)repo_id, (long long)pull); /* fits */
	int rc = db_query(c, &s, err, SQL_COMMENT, "s", slot);
	if (rc == 0)
		rc = db_step(s, err);
	f->told = TRI_NO;
	if (rc == 1) {
		const char *state = db_text(s, 0), *why = db_text(s, 2);
		bool has_it = db_int(s, 1) > 0 && (strcmp(state, "done") == 0 || db_int(s, 1) >= plan->finished_ms);
		if (has_it)
			f->told = TRI_YES;
		else if (strcmp(state, "dead") == 0)
			buf_adds(&own->told_why, why != NULL ? why : "it does not say why");
		db_reset(s);
	}
	rc = rc < 0 ? rc : add_dead_check(c, plan, f, own, err);
	f->told_why = own->told_why.len != 0 ? buf_str(&own->told_why) : NULL;
	return rc;
}

int gate_own_add(struct db_conn *c, const struct run_row *plan, int64_t repo_id, int64_t pull, const struct job_list *jobs, struct gate_facts *facts,
		 struct gate_own *own, struct err *err)
{
	int rc = add_plan(c, plan, repo_id, pull, facts, own, err);
	for (size_t i = 0; rc == 0 && i < jobs->n; i++) {
		add_job(&jobs->v[i], facts, own);
		rc = add_lock(c, repo_id, pull, jobs->v[i].project, facts, own, err);
	}
	facts->policies = TRI_YES; /* none can be configured */
	facts->gone = own->gone.len != 0 ? buf_str(&own->gone) : NULL;
	facts->unplanned = own->unplanned.len != 0 ? buf_str(&own->unplanned) : NULL;
	facts->expired = own->expired.len != 0 ? buf_str(&own->expired) : NULL;
	facts->partial = own->partial.len != 0 ? buf_str(&own->partial) : NULL;
	facts->lock_holder = own->holder[0] != '\0' ? own->holder : NULL;
	facts->lock_project = own->project[0] != '\0' ? own->project : NULL;
	if (rc == 0)
		rc = add_told(c, plan, repo_id, pull, facts, own, err);
	if (rc == 0 && facts->heard != NULL)
		rc = add_history(c, plan, repo_id, pull, jobs, facts, own, err);
	return rc;
}
