#include "base/audit.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/mem.h"

#include <stdio.h>

/* hash = SHA-256 of prev and every member of the row, each with its length before it. */
const char AUDIT_SCHEMA[] =
	"CREATE TABLE audit("
	" seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, actor TEXT NOT NULL, repo_id INTEGER NOT NULL, pull INTEGER NOT NULL,"
	" run_id INTEGER NOT NULL, job_id INTEGER NOT NULL, detail TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL);";

int audit_add(struct db_conn *c, const struct audit *a, struct err *err)
{
	static const char last[] = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1";
	const char *actor = a->actor != NULL ? a->actor : "sluice", *detail = a->detail != NULL ? a->detail : "{}";
	struct db_stmt *s;
	char prev[2 * SHA256_SIZE + 1] = "", hash[2 * SHA256_SIZE + 1];
	int64_t seq = 1, at_ms = clock_wall_ms();
	int rc = db_query(c, &s, err, last, "");
	if (rc == 0)
		rc = db_step(s, err);
	if (rc < 0)
		return rc;
	if (rc == 1) {
		seq = db_int(s, 0) + 1;
		(void)snprintf(prev, sizeof(prev), "%s", db_text(s, 1)); /* fits */
		db_reset(s);
	}
	CLEANUP_FREE char *text = xasprintf("%s|%lld|%lld|%zu:%s|%zu:%s|%lld|%lld|%lld|%lld|%zu:%s", prev, (long long)seq, (long long)at_ms, strlen(a->kind),
					    a->kind, strlen(actor), actor, (long long)a->repo_id, (long long)a->pull, (long long)a->run_id,
					    (long long)a->job_id, strlen(detail), detail);
	crypto_sha256_hex(text, strlen(text), hash);
	return db_run(c, err, "INSERT INTO audit(seq, at_ms, kind, actor, repo_id, pull, run_id, job_id, detail, prev, hash) VALUES(?,?,?,?,?,?,?,?,?,?,?)",
		      "iissiiiisss", seq, at_ms, a->kind, actor, a->repo_id, a->pull, a->run_id, a->job_id, detail, prev, hash);
}
