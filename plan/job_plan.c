#include "plan/job_plan.h"

#include "base/audit.h"
#include "base/clock.h"
#include "base/json.h"
#include "plan/state_store.h"
#include "plan/trust.h"

int job_plan_state(struct db_conn *c, int64_t job_id, const char *lineage, int64_t serial, struct err *err)
{
	return db_run(c, err, "UPDATE job SET state_lineage=?2, state_serial=?3 WHERE id=?1", "isi", job_id, lineage, serial);
}

/* The plan that stood before this one, of the same pull request. Where it now goes into another branch, whatever was said before was said of
 * something else: the change sets are not compared then. */
static const char SQL_BEFORE[] =
	"SELECT CASE WHEN o.base_ref IS n.base_ref THEN j.changes END, j.since_ms FROM job j JOIN run o ON o.id=j.run_id"
	" JOIN run n ON n.id=(SELECT run_id FROM job WHERE id=?3) WHERE j.repo_id=?1 AND j.project=?2 AND j.id<?3 AND j.pull=?4 AND j.phase='plan'"
	" AND j.state='done' AND j.workspace=?5 ORDER BY j.id DESC LIMIT 1";

int job_plan_done(struct db_conn *c, struct job_row *j, struct err *err)
{
	struct db_stmt *s;
	j->since_ms = clock_wall_ms();
	j->plan_file = j->plan_sha256 != NULL ? j->id : 0;
	int rc = db_query(c, &s, err, SQL_BEFORE, "isiis", j->repo_id, j->project, j->id, j->pull, j->workspace);
	if (rc == 0)
		rc = db_step(s, err);
	if (rc < 0)
		return rc;
	if (rc == 1) {
		const char *before = db_text(s, 0);
		if (before != NULL && j->changes != NULL && strcmp(before, j->changes) == 0)
			j->since_ms = db_int(s, 1);
		db_reset(s);
	}
	return db_run(c, err, "UPDATE job SET changes=?2, since_ms=?3, plan_file=?4 WHERE id=?1", "isii", j->id, j->changes, j->since_ms, j->plan_file);
}

int job_set_record(struct db_conn *c, int64_t job_id, const char *record, const uint8_t sig[AGENT_SIG_SIZE], struct err *err)
{
	return db_run(c, err, "UPDATE job SET record=?2, signature=?3 WHERE id=?1", "isb", job_id, record, sig, (size_t)AGENT_SIG_SIZE);
}

static bool same_text(const char *a, const char *b) { return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0; }

static bool fits(const struct run_row *run, const struct job_row *made, const struct run_row *old_run, const struct job_row *old,
		 int64_t fresh_after_ms)
{
	return old->state == JOBS_DONE && old->plan_file != 0 && old->used_by == 0 && old->error == NULL && old->finished_ms > fresh_after_ms &&
	       old->inputs != NULL && same_text(old->inputs, made->inputs) && same_text(old->dir, made->dir) && same_text(old->workspace, made->workspace) &&
	       same_text(old->backend, made->backend) && (made->engine == ENGINE_NONE || made->engine == old->engine) &&
	       old->destroy == made->destroy && same_text(old->args, made->args) &&
	       same_text(old->bound, made->bound) && trust_of_job(old) == trust_of_job(made) &&
	       same_text(old_run->base_ref, run->base_ref) && same_text(old_run->config_id, run->config_id);
}

/* The managed state that a plan was made against is not the one in force. Of a state that is kept elsewhere only the engine knows, when it
 * applies. */
static int state_moved(struct db_conn *c, const struct job_row *old, bool *ret, struct err *err)
{
	struct state_version v = {0};
	*ret = false;
	int rc = old->managed_state ? state_current(c, old->repo_id, old->project, old->workspace, &v, err) : ERR_NOT_FOUND;
	if (rc == 0)
		*ret = !same_text(v.lineage, old->state_lineage) || v.serial != old->state_serial;
	else if (rc == ERR_NOT_FOUND)
		*ret = old->managed_state && old->state_lineage != NULL;
	state_version_free(&v);
	return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* Has the world moved since that plan: a newer state, or an apply by anybody that began after it? */
static int has_moved(struct db_conn *c, const struct job_row *old, bool *ret, struct err *err)
{
	struct db_stmt *s;
	int64_t n = 0;
	int rc = state_moved(c, old, ret, err);
	if (rc == 0)
		rc = db_query(c, &s, err, "SELECT count(*) FROM job WHERE repo_id=? AND project=? AND id>? AND phase='apply' AND state<>'refused'", "isi",
			      old->repo_id, old->project, old->id);
	if (rc == 0)
		rc = db_number(s, &n, err);
	*ret = *ret || n != 0;
	return rc;
}

int job_plan_find_kept(struct db_conn *c, const struct run_row *run, const struct job_row *made, int64_t fresh_after_ms, int64_t *ret_id,
		       struct err *err)
{
	struct db_stmt *s;
	struct job_row old = {0};
	struct run_row old_run = {0};
	int64_t id = 0;
	bool moved = false;
	*ret_id = 0;
	int rc = db_query(c, &s, err, "SELECT max(id) FROM job WHERE repo_id=? AND project=? AND id<? AND pull=? AND phase='plan'", "isii", made->repo_id,
			  made->project, made->id, made->pull);
	if (rc == 0)
		rc = db_number(s, &id, err);
	if (rc != 0 || id == 0)
		return rc;
	rc = job_get(c, id, &old, err);
	if (rc == 0)
		rc = run_get(c, old.run_id, &old_run, err);
	if (rc == 0 && fits(run, made, &old_run, &old, fresh_after_ms)) {
		rc = has_moved(c, &old, &moved, err);
		if (rc == 0 && !moved)
			*ret_id = id;
	}
	job_row_free(&old);
	run_row_free(&old_run);
	return rc;
}

/* What became of a plan, on record: what ("kept_from", "used_by", "given_back_by") and the other job. */
static int note(struct db_conn *c, int64_t plan_job, const char *what, int64_t other, struct err *err)
{
	struct job_row j = {0};
	CLEANUP_BUF struct buf detail = {0};
	int rc = job_get(c, plan_job, &j, err);
	if (rc != 0)
		return rc;
	struct json_writer w = json_writer(&detail);
	jw_open(&w, NULL);
	jw_str(&w, "project", j.project);
	jw_int(&w, what, other);
	jw_str(&w, "plan", j.plan_sha256);
	jw_str(&w, "changes", j.changes);
	jw_close(&w);
	rc = audit_add(c, &(struct audit){.kind = "plan", .repo_id = j.repo_id, .pull = j.pull, .run_id = j.run_id, .job_id = j.id,
					  .detail = buf_str(&detail)}, err);
	job_row_free(&j);
	return rc;
}

int job_plan_keep(struct db_conn *c, int64_t job_id, int64_t kept_id, struct err *err)
{
	int rc = db_run(c, err,
			"UPDATE job SET state='done', summary=o.summary, diff=o.diff, plan_sha256=o.plan_sha256, changes=o.changes, since_ms=o.since_ms,"
			" plan_file=o.plan_file, modules=o.modules, engine=o.engine, engine_version=o.engine_version, state_serial=o.state_serial,"
			" state_lineage=o.state_lineage, log=o.log, key_wrapped=o.key_wrapped, started_ms=o.started_ms, finished_ms=o.finished_ms"
			" FROM job AS o WHERE o.id=?2 AND job.id=?1 AND job.state IN('ready','waiting')",
			"ii", job_id, kept_id);
	if (rc == 0 && db_changes(c) != 1)
		return err_set(err, ERR_CONFLICT, "job %lld is not new any more", (long long)job_id);
	return rc == 0 ? note(c, job_id, "kept_from", kept_id, err) : rc;
}

int job_use_plan(struct db_conn *c, int64_t plan_job, int64_t apply_job, struct err *err)
{
	struct db_stmt *s;
	int64_t spent = 0;
	int rc = db_query(c, &s, err,
			  "SELECT count(*) FROM job WHERE phase='plan' AND used_by NOT IN(0, ?2) AND (id=?1 OR (plan_file<>0 AND plan_file=(SELECT plan_file"
			  " FROM job WHERE id=?1)))",
			  "ii", plan_job, apply_job);
	if (rc == 0)
		rc = db_number(s, &spent, err);
	if (rc == 0 && spent != 0)
		return err_set(err, ERR_CONFLICT, "this plan was applied before: plan again");
	if (rc == 0)
		rc = db_run(c, err, "UPDATE job SET used_by=?2 WHERE id=?1", "ii", plan_job, apply_job);
	if (rc == 0 && db_changes(c) != 1)
		return err_set(err, ERR_CONFLICT, "this plan is gone: plan again");
	return rc == 0 ? note(c, plan_job, "used_by", apply_job, err) : rc;
}

int job_unuse_plan(struct db_conn *c, int64_t plan_job, int64_t apply_job, struct err *err)
{
	int rc = db_run(c, err, "UPDATE job SET used_by=0 WHERE id=?1 AND used_by=?2", "ii", plan_job, apply_job);
	return rc == 0 && db_changes(c) == 1 ? note(c, plan_job, "given_back_by", apply_job, err) : rc;
}
