#include "base/audit.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/mem.h"

#include <stdio.h>

_Static_assert((int)AUDIT_HASH_HEX == 2 * (int)SHA256_SIZE, "rows are chained by SHA-256");

/* hash = SHA-256 of prev and every member of the row, each text with its length before it. The head is one row, signed by the key agent. The
 * triggers keep our own hands off; who may write to the file can drop them, and is found by the chain. */
const char AUDIT_SCHEMA[] =
	"CREATE TABLE audit("
	" seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, actor TEXT NOT NULL, repo_id INTEGER NOT NULL, pull INTEGER NOT NULL,"
	" run_id INTEGER NOT NULL, job_id INTEGER NOT NULL, detail TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL);"
	"CREATE INDEX audit_of_run ON audit(run_id, seq);"
	"CREATE TABLE audit_head("
	" id INTEGER PRIMARY KEY CHECK(id=1), seq INTEGER NOT NULL, hash TEXT NOT NULL, signature BLOB NOT NULL, at_ms INTEGER NOT NULL);"
	"CREATE TRIGGER audit_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows are not changed'); END;"
	"CREATE TRIGGER audit_not_removed BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows are not removed'); END;";

#define COLUMNS "seq, at_ms, repo_id, pull, run_id, job_id, kind, actor, detail, prev, hash"

void audit_hash(const struct audit_row *r, char ret[AUDIT_HASH_HEX + 1])
{
	CLEANUP_FREE char *text = xasprintf("%s|%lld|%lld|%zu:%s|%zu:%s|%lld|%lld|%lld|%lld|%zu:%s", r->prev, (long long)r->seq, (long long)r->at_ms,
					    strlen(r->kind), r->kind, strlen(r->actor), r->actor, (long long)r->repo_id, (long long)r->pull,
					    (long long)r->run_id, (long long)r->job_id, strlen(r->detail), r->detail);
	crypto_sha256_hex(text, strlen(text), ret);
}

/* A statement for one hash: 0 with "" when there is no row. */
static int read_head(struct db_stmt *s, int64_t *ret_seq, char ret_hash[AUDIT_HASH_HEX + 1], struct err *err)
{
	*ret_seq = 0;
	ret_hash[0] = '\0';
	int rc = db_step(s, err);
	if (rc != 1)
		return rc;
	*ret_seq = db_int(s, 0);
	(void)snprintf(ret_hash, AUDIT_HASH_HEX + 1, "%s", db_text(s, 1)); /* fits, unless somebody wrote another one: then it is found */
	db_reset(s);
	return 0;
}

int audit_last(struct db_conn *c, int64_t *ret_seq, char ret_hash[AUDIT_HASH_HEX + 1], struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", "");
	return rc != 0 ? rc : read_head(s, ret_seq, ret_hash, err);
}

int audit_hash_of(struct db_conn *c, int64_t seq, char ret_hash[AUDIT_HASH_HEX + 1], struct err *err)
{
	struct db_stmt *s;
	int64_t found;
	int rc = db_query(c, &s, err, "SELECT seq, hash FROM audit WHERE seq=?", "i", seq);
	return rc != 0 ? rc : read_head(s, &found, ret_hash, err);
}

int audit_add(struct db_conn *c, const struct audit *a, struct err *err)
{
	char prev[AUDIT_HASH_HEX + 1], hash[AUDIT_HASH_HEX + 1];
	struct audit_row r = {.at_ms = clock_wall_ms(), .repo_id = a->repo_id, .pull = a->pull, .run_id = a->run_id, .job_id = a->job_id, .kind = a->kind,
			      .actor = a->actor != NULL ? a->actor : "sluice", .detail = a->detail != NULL ? a->detail : "{}", .prev = prev};
	int rc = audit_last(c, &r.seq, prev, err);
	if (rc != 0)
		return rc;
	r.seq++;
	audit_hash(&r, hash);
	return db_run(c, err, "INSERT INTO audit(" COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?,?)", "iiiiiisssss", r.seq, r.at_ms, r.repo_id, r.pull, r.run_id,
		      r.job_id, r.kind, r.actor, r.detail, r.prev, hash);
}

/* A text column; NULL only in a row that somebody made by hand. */
static const char *text(struct db_stmt *s, int column) { return db_text(s, column) != NULL ? db_text(s, column) : ""; }

int audit_each(struct db_conn *c, int64_t after, int (*fn)(const struct audit_row *row, void *arg, struct err *err), void *arg,
	       struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, "SELECT " COLUMNS " FROM audit WHERE seq>? ORDER BY seq", "i", after);
	while (rc == 0 && (rc = db_step(s, err)) == 1) {
		const struct audit_row r = {.seq = db_int(s, 0), .at_ms = db_int(s, 1), .repo_id = db_int(s, 2), .pull = db_int(s, 3), .run_id = db_int(s, 4),
					    .job_id = db_int(s, 5), .kind = text(s, 6), .actor = text(s, 7), .detail = text(s, 8), .prev = text(s, 9),
					    .hash = text(s, 10)};
		rc = fn(&r, arg, err);
		if (rc < 0)
			db_reset(s);
	}
	return rc;
}

static void bad(struct audit_chain *ch, int64_t seq, const char *sentence)
{
	ch->bad_seq = seq;
	(void)snprintf(ch->bad, sizeof(ch->bad), "%s", sentence); /* sentences of ours, short */
}

/* In the order in which it can be told best: a row that is gone, one that was written over, one that stands in another's place. */
static int check_row(const struct audit_row *r, void *arg, struct err *err)
{
	struct audit_chain *ch = arg;
	char hash[AUDIT_HASH_HEX + 1];
	(void)err;
	if (ch->bad_seq != 0)
		return 0;
	audit_hash(r, hash);
	int64_t due = ch->last_seq + 1;
	CLEANUP_FREE char *sentence = NULL;
	if (r->seq < due)
		sentence = xasprintf("row %lld was put in front of the first", (long long)r->seq);
	else if (r->seq != due)
		sentence = r->seq == due + 1 ? xasprintf("row %lld was removed", (long long)due)
					     : xasprintf("rows %lld to %lld were removed", (long long)due, (long long)r->seq - 1);
	else if (strcmp(hash, r->hash) != 0)
		sentence = xasprintf("row %lld was changed after it was written", (long long)r->seq);
	else if (strcmp(r->prev, ch->last_hash) != 0)
		sentence = xasprintf("row %lld does not follow row %lld: one of them was put there later", (long long)r->seq, (long long)due - 1);
	if (sentence != NULL) {
		bad(ch, r->seq < due ? r->seq : due, sentence);
		return 0;
	}
	ch->rows++;
	ch->last_seq = r->seq;
	ch->last_ms = r->at_ms;
	(void)snprintf(ch->last_hash, sizeof(ch->last_hash), "%s", r->hash); /* fits: it is the hash that was computed */
	return 0;
}

int audit_check_chain(struct db_conn *c, struct audit_chain *ret, struct err *err)
{
	*ret = (struct audit_chain){0};
	return audit_each(c, INT64_MIN, check_row, ret, err);
}
