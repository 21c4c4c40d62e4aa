#include "plan/queue.h"

#include "base/audit.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "plan/lock_store.h"
#include "plan/only.h"

/* Places and their number change for everybody who waits: their comments are written again. */
static int tell_all(struct db_conn *c, int64_t repo_id, const char *project, struct err *err)
{
	return db_run(c, err,
		      "UPDATE run SET dirty=1 WHERE finished_ms=0 AND id IN(SELECT run_id FROM job WHERE repo_id=?1 AND project=?2 AND state='waiting'"
		      " AND behind<>0)",
		      "is", repo_id, project);
}

/* Who begins to wait for whom, and when nobody is waited for any more (holder 0), are rows of the audit log. */
static int note(struct db_conn *c, int64_t repo_id, const char *project, int64_t holder, const struct job_row *waits, struct err *err)
{
	CLEANUP_BUF struct buf detail = {0};
	struct json_writer w = json_writer(&detail);
	jw_open(&w, NULL);
	jw_str(&w, "project", project);
	jw_str(&w, "what", waits != NULL ? "waits" : holder != 0 ? "held by the next" : "free");
	jw_int(&w, "holder", holder);
	jw_close(&w);
	struct audit a = {.kind = "lock", .repo_id = repo_id, .pull = waits != NULL ? waits->pull : holder, .run_id = waits != NULL ? waits->run_id : 0,
			  .job_id = waits != NULL ? waits->id : 0, .detail = buf_str(&detail)};
	return audit_add(c, &a, err);
}

int queue_hold(struct db_conn *c, const struct job_row *j, bool *ret_waits, struct err *err)
{
	struct lock_row lock;
	*ret_waits = false;
	if (j->phase != PHASE_PLAN || j->plan_job != 0) /* what plans again in an apply is that apply */
		return 0;
	bool held;
	int rc = lock_in_way(c, j->repo_id, j->project, j->pull, &lock, &held, err);
	if (rc != 0 || !held || lock.pull == j->pull) /* a plan shows what an unknown outcome of its own left */
		return rc;
	*ret_waits = true;
	rc = db_run(c, err, "UPDATE job SET state='waiting', behind=?2 WHERE id=?1 AND state='ready'", "ii", j->id, lock.pull);
	if (rc == 0 && db_changes(c) != 1)
		return err_set(err, ERR_CONFLICT, "job %lld is not ready any more", (long long)j->id);
	if (rc == 0)
		rc = note(c, j->repo_id, j->project, lock.pull, j, err);
	return rc == 0 ? tell_all(c, j->repo_id, j->project, err) : rc;
}

/* The projects that something waits for. */
struct waited {
	int64_t repo_id;
	char *project;
};

static int list_waited(struct db_conn *c, struct waited **ret, size_t *ret_n, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, "SELECT DISTINCT repo_id, project FROM job WHERE state='waiting' AND behind<>0", "");
	while (rc == 0 && (rc = db_step(s, err)) == 1) {
		*ret = xreallocarray(*ret, *ret_n + 1, sizeof(**ret));
		(*ret)[(*ret_n)++] = (struct waited){db_int(s, 0), db_text_copy(s, 1)};
		rc = 0;
	}
	return rc;
}

/* True when nothing waits for another holder than this one. */
static int is_known(struct db_conn *c, const struct waited *w, int64_t holder, bool *ret, struct err *err)
{
	struct db_stmt *s;
	int64_t n = 0;
	int rc = db_query(c, &s, err, "SELECT count(*) FROM job WHERE repo_id=? AND project=? AND state='waiting' AND behind<>0 AND behind<>?", "isi",
			  w->repo_id, w->project, holder);
	if (rc == 0)
		rc = db_number(s, &n, err);
	*ret = n == 0;
	return rc;
}

/* holder 0: nobody. A pull request that waited and holds it now itself does not wait any more. */
static int release(struct db_conn *c, const struct waited *w, int64_t holder, struct err *err)
{
	bool known = true;
	int rc = is_known(c, w, holder, &known, err);
	if (rc != 0 || known)
		return rc;
	rc = note(c, w->repo_id, w->project, holder, NULL, err);
	if (rc == 0)
		rc = db_run(c, err,
			"UPDATE run SET dirty=1 WHERE finished_ms=0 AND id IN(SELECT run_id FROM job WHERE repo_id=?1 AND project=?2 AND state='waiting'"
			" AND behind<>0 AND behind<>?3)",
			"isi", w->repo_id, w->project, holder);
	if (rc == 0)
		rc = db_run(c, err,
			    "UPDATE job SET state=CASE WHEN ?3 IN(0, pull) THEN 'ready' ELSE state END, behind=CASE WHEN ?3=pull THEN 0 ELSE ?3 END"
			    " WHERE repo_id=?1 AND project=?2 AND state='waiting' AND behind<>0",
			    "isi", w->repo_id, w->project, holder);
	return rc;
}

int queue_release(struct db_conn *c, struct err *err)
{
	struct waited *all = NULL;
	size_t n = 0;
	int rc = list_waited(c, &all, &n, err);
	for (size_t i = 0; i < n; i++) {
		struct lock_row lock;
		int got = rc == 0 ? lock_get(c, all[i].repo_id, all[i].project, &lock, err) : rc;
		if (rc == 0 && (got == 0 || got == ERR_NOT_FOUND))
			rc = release(c, &all[i], got == 0 ? lock.pull : 0, err);
		else
			rc = got;
		free(all[i].project);
	}
	free(all);
	return rc;
}

int queue_length(struct db_conn *c, int64_t repo_id, const char *project, int64_t *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, "SELECT count(DISTINCT pull) FROM job WHERE repo_id=? AND project=? AND state='waiting' AND behind<>0", "is", repo_id,
			  project);
	return rc != 0 ? rc : db_number(s, ret, err);
}

int queue_place(struct db_conn *c, const struct job_row *j, struct queue_place *ret, struct err *err)
{
	struct db_stmt *s;
	struct lock_row lock;
	*ret = (struct queue_place){0};
	if (j->state != JOBS_WAITING || j->behind == 0)
		return 0;
	ret->behind = j->behind;
	int rc = lock_get(c, j->repo_id, j->project, &lock, err);
	if (rc == 0) {
		ret->behind = lock.pull;
		ret->unknown = lock.unknown;
	}
	if (rc == 0 || rc == ERR_NOT_FOUND)
		rc = queue_length(c, j->repo_id, j->project, &ret->of, err);
	if (rc == 0)
		rc = db_query(c, &s, err,
			      "SELECT count(*) FROM (SELECT min(id) AS first FROM job WHERE repo_id=?1 AND project=?2 AND state='waiting' AND behind<>0"
			      " GROUP BY pull) WHERE first<=?3",
			      "isi", j->repo_id, j->project, j->id);
	return rc != 0 ? rc : db_number(s, &ret->place, err);
}

/* A pull request that is being applied itself is left alone: its gate, or the engine, finds a plan that is stale.
 * Of each other pull request its newest plan of the project, when that saw a world that is gone: one that is done or at work. One that still
 * waits will see the new one, and so will a run that has not come as far as its jobs. */
static const char SQL_STALE[] =
	"SELECT j.pull, r.repo FROM job AS j JOIN run AS r ON r.id=j.run_id WHERE j.repo_id=?1 AND j.project=?2"
	" AND j.pull<>?3 AND j.phase='plan' AND j.plan_job=0 AND j.state IN('done','running') AND r.kind='plan' AND r.closed=0"
	" AND j.id=(SELECT max(k.id) FROM job AS k WHERE k.repo_id=?1 AND k.project=?2 AND k.pull=j.pull AND k.phase='plan')"
	" AND j.used_by=0 AND j.started_ms<=?4"
	" AND r.head_sha=(SELECT h.head_sha FROM run AS h WHERE h.repo_id=?1 AND h.pull=j.pull AND h.kind='plan' AND h.head_sha IS NOT NULL"
	" ORDER BY h.id DESC LIMIT 1)"
	" AND NOT EXISTS(SELECT 1 FROM run AS m WHERE m.repo_id=?1 AND m.pull=j.pull AND (m.merge_sha IS NOT NULL OR (m.kind='apply' AND m.finished_ms=0)))"
	" AND NOT EXISTS(SELECT 1 FROM run AS q WHERE q.repo_id=?1 AND q.pull=j.pull AND q.kind='plan' AND q.state IN('queued','reading','preparing')"
	" AND (q.only IS NULL OR q.only=?5))"
	" ORDER BY j.pull LIMIT ?6";

enum { AGAIN_MAX = 500 }; /* pull requests with a plan of one project */

struct again {
	int64_t pull;
	char *repo;
};

static int list_stale(struct db_conn *c, const struct job_row *apply, const char *only, struct again **ret, size_t *ret_n, struct err *err)
{
	struct db_stmt *s;
	int64_t until = apply->finished_ms != 0 ? apply->finished_ms : INT64_MAX;
	int rc = db_query(c, &s, err, SQL_STALE, "isiisi", apply->repo_id, apply->project, apply->pull, until, only, (int64_t)AGAIN_MAX);
	while (rc == 0 && (rc = db_step(s, err)) == 1) {
		*ret = xreallocarray(*ret, *ret_n + 1, sizeof(**ret));
		(*ret)[(*ret_n)++] = (struct again){db_int(s, 0), db_text_copy(s, 1)};
		rc = 0;
	}
	return rc;
}

int queue_after_apply(struct db_conn *c, const struct job_row *apply, struct err *err)
{
	if (apply->phase != PHASE_APPLY)
		return 0;
	struct again *all = NULL;
	size_t n = 0;
	struct command names = {0};
	CLEANUP_BUF struct buf only = {0};
	strlist_add(&names.projects, apply->project);
	only_write(&names, &only);
	command_free(&names);
	CLEANUP_FREE char *note = xasprintf(apply->state == JOBS_DONE ? "`%s` was applied by #%lld: planned again." : "An apply of `%s` by #%lld ended:"
					    " planned again.", apply->project, (long long)apply->pull);
	int rc = list_stale(c, apply, buf_str(&only), &all, &n, err);
	for (size_t i = 0; i < n; i++) {
		struct run_new again = {.repo_id = apply->repo_id, .pull = all[i].pull, .repo = all[i].repo, .kind = RUN_PLAN, .only = buf_str(&only),
					.beside = true};
		int64_t id = 0;
		if (rc == 0)
			rc = run_create(c, &again, &id, err);
		if (rc == 0)
			rc = run_add_note(c, id, note, err);
		if (rc == 0)
			log_info("queue.again", "run=%lld pull=%lld project=%s", (long long)id, (long long)all[i].pull, log_value(apply->project));
		free(all[i].repo);
	}
	free(all);
	return rc;
}

int queue_of_person(struct db_conn *c, const char *login, int64_t *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, "SELECT count(*) FROM job WHERE state IN('waiting','ready') AND asker=?", "s", login);
	return rc != 0 ? rc : db_number(s, ret, err);
}
