#include "plan/state_store.h"

#include "base/clock.h"

#define STATE_COLUMNS                                                                                                                      \
	"id, repo_id, project, workspace, lineage, serial, sha256, bytes, path, aad, key_wrapped, key_context, run_id, job_id, created_ms"

static void read_row(struct db_stmt *s, struct state_version *v)
{
	*v = (struct state_version){
		.id = db_int(s, 0),
		.repo_id = db_int(s, 1),
		.project = db_text_copy(s, 2),
		.workspace = db_text_copy(s, 3),
		.lineage = db_text_copy(s, 4),
		.serial = db_int(s, 5),
		.sha256 = db_text_copy(s, 6),
		.bytes = db_int(s, 7),
		.path = db_text_copy(s, 8),
		.aad = db_text_copy(s, 9),
		.key_context = db_text_copy(s, 11),
		.run_id = db_int(s, 12),
		.job_id = db_int(s, 13),
		.created_ms = db_int(s, 14),
	};
	size_t n;
	const void *key = db_blob(s, 10, &n);
	ASSERT(n == sizeof(v->key_wrapped));
	memcpy(v->key_wrapped, key, n);
}

void state_version_free(struct state_version *v)
{
	char **owned[] = {&v->project, &v->workspace, &v->lineage, &v->sha256, &v->path, &v->aad, &v->key_context};
	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		free(*owned[i]);
	*v = (struct state_version){0};
}

void state_version_copy(struct state_version *to, const struct state_version *from)
{
	*to = *from;
	char **owned[] = {&to->project, &to->workspace, &to->lineage, &to->sha256, &to->path, &to->aad, &to->key_context};
	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		*owned[i] = xstrdup(*owned[i]);
}

int state_current(struct db_conn *c, int64_t repo_id, const char *project, const char *workspace, struct state_version *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err,
			  "SELECT " STATE_COLUMNS " FROM state_version WHERE repo_id=? AND project=? AND workspace=? ORDER BY id DESC LIMIT 1", "iss",
			  repo_id, project, workspace);
	if (rc == 0)
		rc = db_one(s, err, "%s has no managed state yet", project);
	if (rc != 0)
		return rc;
	read_row(s, ret);
	db_reset(s);
	return 0;
}

int state_put(struct db_conn *c, const struct state_version *v, struct err *err)
{
	struct state_version now;
	int rc = state_current(c, v->repo_id, v->project, v->workspace, &now, err);
	if (rc == 0) {
		bool same = now.serial == v->serial && strcmp(now.sha256, v->sha256) == 0;
		if (strcmp(now.lineage, v->lineage) != 0)
			rc = err_set(err, ERR_REFUSED, "state of %s: lineage %s is not the lineage %s in force, which stays",
				     v->project, v->lineage, now.lineage);
		else if (v->serial < now.serial || (v->serial == now.serial && !same))
			rc = err_set(err, ERR_REFUSED, "state of %s: serial %lld does not follow serial %lld in force, which stays", v->project,
				     (long long)v->serial, (long long)now.serial);
		state_version_free(&now);
		if (rc != 0 || same)
			return rc;
	} else if (rc != ERR_NOT_FOUND) {
		return rc;
	}
	return db_run(c, err,
		      "INSERT INTO state_version(repo_id, project, workspace, lineage, serial, sha256, bytes, path, aad, key_wrapped, key_context, run_id,"
		      " job_id, created_ms) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
		      "isssisissbsiii", v->repo_id, v->project, v->workspace, v->lineage, v->serial, v->sha256, v->bytes, v->path, v->aad, v->key_wrapped,
		      sizeof(v->key_wrapped), v->key_context, v->run_id, v->job_id, clock_wall_ms());
}

int state_each(struct db_conn *c, int64_t repo_id, const char *project, const char *workspace, state_each_cb cb, void *arg, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err,
			  "SELECT " STATE_COLUMNS " FROM state_version AS v WHERE (?1=0 OR repo_id=?1) AND (?2 IS NULL OR project=?2)"
			  " AND (?3 IS NULL OR workspace=?3)"
			  " AND (?2 IS NOT NULL OR id=(SELECT max(id) FROM state_version AS w WHERE w.repo_id=v.repo_id AND w.project=v.project"
			  " AND w.workspace=v.workspace)) ORDER BY repo_id, project, workspace, id DESC",
			  "iss", repo_id, project, workspace);
	while (rc == 0 && (rc = db_step(s, err)) == 1) {
		struct state_version v;
		read_row(s, &v);
		cb(&v, arg);
		state_version_free(&v);
		rc = 0;
	}
	return rc;
}
