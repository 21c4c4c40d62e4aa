#include "plan/lock_store.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>

int lock_get(struct db_conn *c, int64_t repo_id, const char *project, struct lock_row *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, "SELECT pull, run_id, created_ms, reason FROM lock WHERE repo_id=? AND project=?", "is", repo_id, project);
	if (rc == 0)
		rc = db_one(s, err, "%s is not locked", project);
	if (rc != 0)
		return rc;
	*ret = (struct lock_row){.pull = db_int(s, 0), .run_id = db_int(s, 1), .created_ms = db_int(s, 2)};
	(void)snprintf(ret->project, sizeof(ret->project), "%s", project); /* LIMIT_NAME_BYTES fits */
	(void)snprintf(ret->reason, sizeof(ret->reason), "%s", db_text(s, 3));
	db_reset(s);
	return 0;
}

int lock_take(struct db_conn *c, int64_t repo_id, const char *project, int64_t pull, int64_t run_id, struct err *err)
{
	struct lock_row held;
	int rc = lock_get(c, repo_id, project, &held, err);
	if (rc == ERR_NOT_FOUND)
		return db_run(c, err, "INSERT INTO lock(repo_id, project, pull, run_id, reason, created_ms) VALUES(?,?,?,?,'apply',?)", "isiii", repo_id,
			      project, pull, run_id, clock_wall_ms());
	if (rc != 0)
		return rc;
	if (held.pull != pull || strcmp(held.reason, "apply") != 0)
		return err_set(err, ERR_CONFLICT, "`%s` is locked by #%lld (%s): wait for it, or comment `unlock` there", project, (long long)held.pull,
			       held.reason);
	return db_run(c, err, "UPDATE lock SET run_id=?3 WHERE repo_id=?1 AND project=?2", "isi", repo_id, project, run_id);
}

int lock_set_reason(struct db_conn *c, int64_t repo_id, const char *project, const char *reason, struct err *err)
{
	return db_run(c, err, "UPDATE lock SET reason=?3 WHERE repo_id=?1 AND project=?2", "iss", repo_id, project, reason);
}

int lock_release_job(struct db_conn *c, int64_t repo_id, const char *project, int64_t run_id, struct err *err)
{
	return db_run(c, err, "DELETE FROM lock WHERE repo_id=? AND project=? AND run_id=? AND reason='apply'", "isi", repo_id, project, run_id);
}

int lock_release_project(struct db_conn *c, int64_t repo_id, int64_t pull, const char *project, int64_t *ret_n, struct err *err)
{
	int rc = db_run(c, err, "DELETE FROM lock WHERE repo_id=? AND pull=? AND project=?", "iis", repo_id, pull, project);
	*ret_n = rc == 0 ? db_changes(c) : 0;
	return rc;
}

int lock_release_run(struct db_conn *c, int64_t repo_id, int64_t run_id, struct err *err)
{
	return db_run(c, err, "DELETE FROM lock WHERE repo_id=? AND run_id=? AND reason='apply'", "ii", repo_id, run_id);
}

int lock_release_pull(struct db_conn *c, int64_t repo_id, int64_t pull, int64_t *ret_n, struct err *err)
{
	int rc = db_run(c, err, "DELETE FROM lock WHERE repo_id=? AND pull=?", "ii", repo_id, pull);
	*ret_n = rc == 0 ? db_changes(c) : 0;
	return rc;
}
