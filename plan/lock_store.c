#include "plan/lock_store.h"

#include "base/audit.h"
#include "base/clock.h"
#include "base/json.h"
#include "plan/run_store.h"

#include <stdio.h>

/* Each part has few rows however long the history is: what nobody has resolved, claims of applies that are not over, and, should a run ever end
 * before its job, applies at work. */
const char LOCK_SCHEMA[] =
	/* version 1 let `unlock` forget an unknown outcome */
	"UPDATE job SET resolution='replan', resolved_by='unlock' WHERE state='unknown' AND NOT EXISTS(SELECT 1 FROM lock AS l"
	" WHERE l.repo_id=job.repo_id AND l.project=job.project AND l.run_id=job.run_id AND l.reason='outcome unknown');"
	"CREATE TABLE claim("
	" run_id INTEGER NOT NULL REFERENCES run(id), repo_id INTEGER NOT NULL, project TEXT NOT NULL, pull INTEGER NOT NULL,"
	" created_ms INTEGER NOT NULL, PRIMARY KEY(run_id, project)) WITHOUT ROWID;"
	"INSERT INTO claim(run_id, repo_id, project, pull, created_ms) SELECT run_id, repo_id, project, pull, created_ms FROM lock WHERE reason='apply'"
	" AND run_id IN(SELECT id FROM run);"
	"DROP TABLE lock;"
	"CREATE INDEX job_unknown ON job(repo_id, project) WHERE state='unknown' AND resolution IS NULL;"
	"CREATE INDEX run_applying ON run(id) WHERE finished_ms=0 AND kind='apply';"
	"CREATE VIEW held AS SELECT j.repo_id AS repo_id, j.project AS project, j.pull AS pull, j.run_id AS run_id, j.finished_ms AS since,"
	" r.asker AS asker, 1 AS"
	" unknown FROM job AS j JOIN run AS r ON r.id=j.run_id WHERE j.state='unknown' AND j.resolution IS NULL UNION ALL SELECT c.repo_id,"
	" c.project, c.pull, c.run_id, c.created_ms, r.asker, 0 FROM run AS r INDEXED BY run_applying CROSS JOIN claim AS c ON c.run_id=r.id LEFT"
	" JOIN job AS j ON j.run_id=c.run_id AND j.project=c.project AND j.phase='apply' WHERE r.finished_ms=0 AND r.kind='apply' AND"
	" coalesce(j.state,'waiting') IN('waiting','ready','running') UNION ALL SELECT j.repo_id, j.project, j.pull, j.run_id, j.started_ms,"
	" r.asker, 0 FROM job AS j JOIN run AS r ON r.id=j.run_id WHERE j.state='running' AND j.phase='apply' AND r.finished_ms<>0;";

static void read_row(struct db_stmt *s, struct lock_row *ret)
{
	*ret = (struct lock_row){.pull = db_int(s, 2), .run_id = db_int(s, 3), .created_ms = db_int(s, 4), .unknown = db_int(s, 6) != 0};
	(void)snprintf(ret->project, sizeof(ret->project), "%s", db_text(s, 1)); /* LIMIT_NAME_BYTES fits */
	(void)snprintf(ret->asker, sizeof(ret->asker), "%s", db_text(s, 5) != NULL ? db_text(s, 5) : ""); /* a login fits */
	(void)snprintf(ret->reason, sizeof(ret->reason), "%s", ret->unknown ? "outcome unknown" : "apply");
}

int lock_get(struct db_conn *c, int64_t repo_id, const char *project, struct lock_row *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, "SELECT * FROM held WHERE repo_id=? AND project=? ORDER BY unknown DESC, since, run_id LIMIT 1", "is", repo_id,
			  project);
	if (rc == 0)
		rc = db_one(s, err, "%s is not locked", project);
	if (rc != 0)
		return rc;
	read_row(s, ret);
	db_reset(s);
	return 0;
}

int lock_in_way(struct db_conn *c, int64_t repo_id, const char *project, int64_t pull, struct lock_row *ret, bool *ret_held, struct err *err)
{
	struct lock_row held;
	*ret_held = false;
	int rc = lock_get(c, repo_id, project, &held, err);
	if (rc == ERR_NOT_FOUND)
		return 0;
	if (rc == 0 && (held.unknown || held.pull != pull)) {
		*ret = held;
		*ret_held = true;
	}
	return rc;
}

static int note_claim(struct db_conn *c, int64_t repo_id, const char *project, int64_t pull, int64_t run_id, struct err *err)
{
	CLEANUP_BUF struct buf detail = {0};
	struct json_writer w = json_writer(&detail);
	jw_open(&w, NULL);
	jw_str(&w, "project", project);
	jw_str(&w, "what", "claimed");
	jw_int(&w, "holder", pull);
	jw_close(&w);
	return audit_add(c, &(struct audit){.kind = "lock", .repo_id = repo_id, .pull = pull, .run_id = run_id, .detail = buf_str(&detail)}, err);
}

int lock_take(struct db_conn *c, int64_t repo_id, const char *project, int64_t pull, int64_t run_id, struct err *err)
{
	struct lock_row held;
	bool in_way;
	int rc = lock_in_way(c, repo_id, project, pull, &held, &in_way, err);
	if (rc != 0)
		return rc;
	if (in_way && held.unknown)
		return err_set(err, ERR_CONFLICT, "`%s` is locked: the outcome of its apply by #%lld is unknown. An admin looks at what exists, then comments"
			       " `resolve %lld --as applied`, `failed` or `replan` there", project, (long long)held.pull, (long long)held.run_id);
	if (in_way)
		return err_set(err, ERR_CONFLICT, "`%s` is held by the apply of #%lld: wait until that is over", project, (long long)held.pull);
	rc = db_run(c, err, "INSERT INTO claim(run_id, repo_id, project, pull, created_ms) VALUES(?,?,?,?,?) ON CONFLICT(run_id, project) DO NOTHING",
		    "iisii", run_id, repo_id, project, pull, clock_wall_ms());
	return rc == 0 && db_changes(c) == 1 ? note_claim(c, repo_id, project, pull, run_id, err) : rc;
}

void lock_list_free(struct lock_list *l)
{
	free(l->v);
	*l = (struct lock_list){0};
}

int lock_list_of_pull(struct db_conn *c, int64_t repo_id, int64_t pull, struct lock_list *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, "SELECT * FROM held WHERE repo_id=? AND pull=? ORDER BY project, unknown DESC, run_id", "ii", repo_id, pull);
	while (rc == 0 && (rc = db_step(s, err)) == 1) {
		ret->v = xreallocarray(ret->v, ret->n + 1, sizeof(*ret->v));
		read_row(s, &ret->v[ret->n++]);
		rc = 0;
	}
	return rc;
}

int lock_give_back(struct db_conn *c, int64_t repo_id, int64_t pull, int64_t *ret_run_id, struct err *err)
{
	struct db_stmt *s;
	*ret_run_id = 0;
	/* the jobs of one apply at most: a second one waits until the first is over */
	int rc = db_query(c, &s, err,
			  "SELECT id FROM run WHERE repo_id=?1 AND pull=?2 AND kind='apply' AND state='working' AND NOT EXISTS(SELECT 1 FROM job WHERE"
			  " run_id=run.id AND attempts<>0) ORDER BY id LIMIT 1",
			  "ii", repo_id, pull);
	if (rc == 0)
		rc = db_number(s, ret_run_id, err);
	if (rc != 0 || *ret_run_id == 0)
		return rc;
	return job_end_open(c, *ret_run_id, JOBS_CANCELLED, "given back by `unlock` before it began", err);
}
