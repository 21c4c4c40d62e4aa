#include "plan/gate_own.h"

#include "base/json.h"
#include "plan/lock_store.h"
#include "plan/summary.h"

#include <stddef.h>
#include <stdio.h>

void gate_own_free(struct gate_own *o)
{
	buf_free(&o->unplanned);
	free(o->planned_base);
	o->planned_base = NULL;
}

bool gate_own_has_work(const struct job_row *j)
{
	struct plan_summary s;
	if (j->state != JOBS_DONE || j->used_by != 0 || j->summary == NULL || plan_summary_parse(j->summary, strlen(j->summary), &s, NULL) != 0)
		return false;
	bool work = s.applyable;
	plan_summary_free(&s);
	return work;
}

void gate_own_require(const struct job_row *j, struct gate_facts *f)
{
	int needed = j->requires_approved && !j->deleted ? (int)(j->approvals > 0 ? j->approvals : 1) : 0;
	if (f->approvals_needed < needed)
		f->approvals_needed = needed;
	f->codeowners_needed = f->codeowners_needed || (j->requires_codeowners && !j->deleted);
	f->checks_needed = f->checks_needed || (j->requires_checks && !j->deleted);
	f->up_to_date_needed = f->up_to_date_needed || (j->requires_up_to_date && !j->deleted);
}

static void add_job(const struct job_row *j, struct gate_facts *f, struct gate_own *own)
{
	if (j->deleted)
		return; /* nothing of it is planned or applied */
	gate_own_require(j, f);
	f->projects++;
	f->planned += j->state == JOBS_DONE;
	f->running += j->state <= JOBS_RUNNING;
	f->failed += j->state > JOBS_DONE;
	if (j->state != JOBS_DONE)
		buf_printf(&own->unplanned, "%s`%s`", own->unplanned.len != 0 ? ", " : "", j->project);
	own->work += gate_own_has_work(j);
}

static int add_lock(struct db_conn *c, int64_t repo_id, int64_t pull, const char *project, struct gate_own *own, struct err *err)
{
	struct lock_row lock;
	int rc = lock_get(c, repo_id, project, &lock, err);
	if (rc != 0)
		return rc == ERR_NOT_FOUND ? 0 : rc;
	if ((lock.pull == pull && strcmp(lock.reason, "apply") == 0) || own->holder[0] != '\0')
		return 0;
	(void)snprintf(own->holder, sizeof(own->holder), "#%lld", (long long)lock.pull); /* fits */
	(void)snprintf(own->project, sizeof(own->project), "%s", lock.project);          /* fits */
	return 0;
}

int gate_own_add(struct db_conn *c, const struct run_row *plan, int64_t repo_id, int64_t pull, const struct job_list *jobs, struct gate_facts *facts,
		 struct gate_own *own, struct err *err)
{
	bool whole = plan == NULL || facts->merged == TRI_YES || (plan->only == NULL && plan->state == RUN_DONE);
	int rc = whole ? 0 : run_is_whole(c, plan, &whole, err);
	own->planned_base = plan != NULL ? xstrdup(plan->base_ref) : NULL;
	facts->planned_base = own->planned_base;
	facts->projects += !whole; /* those that nobody looked for */
	facts->up_to_date = plan == NULL ? TRI_UNKNOWN : plan->base_moved ? TRI_NO : TRI_YES;
	if (plan != NULL && !run_state_is_over(plan->state))
		facts->running++; /* it may find further projects yet */
	for (size_t i = 0; rc == 0 && i < jobs->n; i++) {
		add_job(&jobs->v[i], facts, own);
		rc = add_lock(c, repo_id, pull, jobs->v[i].project, own, err);
	}
	facts->unplanned = own->unplanned.len != 0 ? buf_str(&own->unplanned) : NULL;
	facts->lock_holder = own->holder[0] != '\0' ? own->holder : NULL;
	facts->lock_project = own->project[0] != '\0' ? own->project : NULL;
	return rc;
}

/* One row per fact that is a number; tri values are written as their numbers. */
struct field {
	const char *name;
	size_t offset;
};
#define TRI(f) {#f, offsetof(struct gate_facts, f)}
static const struct field tri_fields[] = {
	TRI(open), TRI(draft), TRI(merged), TRI(base_protected), TRI(mergeable), TRI(reviews_read), TRI(checks_ok),
};

static enum tri *tri_at(struct gate_facts *f, size_t offset) { return (enum tri *)(void *)((char *)f + offset); }

void gate_facts_write(const struct gate_seen *seen, struct buf *out)
{
	struct gate_facts f = seen->facts;
	struct json_writer w = json_writer(out);
	jw_open(&w, NULL);
	for (size_t i = 0; i < ARRAY_LEN(tri_fields); i++)
		jw_int(&w, tri_fields[i].name, *tri_at(&f, tri_fields[i].offset));
	jw_int(&w, "approvals", f.approvals);
	jw_int(&w, "changes_requested", f.changes_requested);
	jw_bool(&w, "stale_approvals", f.stale_approvals);
	jw_str(&w, "base_ref", seen->base_ref);
	jw_str(&w, "head_sha", seen->head_sha);
	jw_str(&w, "mergeable_state", seen->mergeable_state);
	jw_str(&w, "failing", seen->failing);
	jw_str(&w, "failed", seen->failed);
	jw_close(&w);
}

bool gate_facts_read(const char *json, struct gate_seen *ret)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	*ret = (struct gate_seen){0};
	if (json == NULL || json_parse(json, strlen(json), NULL, &doc, &root, NULL) != 0)
		return false;
	struct gate_facts *f = &ret->facts;
	int64_t n, changes;
	for (size_t i = 0; i < ARRAY_LEN(tri_fields); i++) {
		if (json_int(&root, tri_fields[i].name, TRI_UNKNOWN, TRI_YES, &n, NULL) != 0)
			return false;
		*tri_at(f, tri_fields[i].offset) = (enum tri)n;
	}
	if (json_int(&root, "approvals", 0, 1000, &n, NULL) != 0 || json_int(&root, "changes_requested", 0, 1000, &changes, NULL) != 0 ||
	    json_bool(&root, "stale_approvals", &f->stale_approvals, NULL) != 0)
		return false;
	f->approvals = (int)n;
	f->changes_requested = (int)changes;
	const struct {
		const char *name;
		char **to;
	} texts[] = {{"base_ref", &ret->base_ref}, {"head_sha", &ret->head_sha}, {"mergeable_state", &ret->mergeable_state},
		     {"failing", &ret->failing}, {"failed", &ret->failed}};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct json m = json_member(&root, texts[i].name);
		*texts[i].to = xstrdup(json_text(&m));
	}
	f->base_ref = ret->base_ref;
	f->mergeable_state = ret->mergeable_state;
	f->checks_failing = ret->failing;
	f->failed_fact = ret->failed;
	return true;
}
