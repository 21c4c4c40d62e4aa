#include "github/outbox_priv.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"

#include <stdio.h>

enum { KEEP_STATUSES_MS = 30 * 24 * 3600 };

/* effect: one row per slot. state: due (owed), done (GitHub has it), dead (told and left). digest: of what is desired; applied_digest: of
 * what GitHub is known to have, '' when unsure. posting_ms: a POST of this comment went out then and was not recorded as done.
 * tries: failures in a row, for the backoff; refusals: those among them that more trying will hardly mend.
 * outbox_rate, outbox_sent: the rate of writes over restarts; outbox_sent is a ring of the last OUTBOX_HOUR_WRITES. */
const char OUTBOX_SCHEMA[] =
	"CREATE TABLE effect("
	" id INTEGER PRIMARY KEY, slot TEXT NOT NULL UNIQUE, kind INTEGER NOT NULL, repo_id INTEGER NOT NULL, repo TEXT NOT NULL,"
	" pull INTEGER NOT NULL, body TEXT, sha TEXT, context TEXT, status TEXT, description TEXT, target_url TEXT,"
	" digest TEXT NOT NULL, applied_digest TEXT NOT NULL DEFAULT '', desired_rev INTEGER NOT NULL DEFAULT 1,"
	" applied_rev INTEGER NOT NULL DEFAULT 0, remote_id INTEGER NOT NULL DEFAULT 0, posting_ms INTEGER NOT NULL DEFAULT 0,"
	" not_before_ms INTEGER NOT NULL, next_ms INTEGER NOT NULL DEFAULT 0, since_ms INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0,"
	" refusals INTEGER NOT NULL DEFAULT 0, last_error TEXT, state TEXT NOT NULL CHECK(state IN ('due','done','dead')));"
	"CREATE INDEX effect_due ON effect(kind) WHERE state='due';"
	"CREATE TABLE outbox_rate("
	" id INTEGER PRIMARY KEY CHECK(id=1), full_at_ms INTEGER NOT NULL, blocked_until_ms INTEGER NOT NULL, writes INTEGER NOT NULL);"
	"INSERT INTO outbox_rate VALUES(1,0,0,0);"
	"CREATE TABLE outbox_sent(id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL);";

/* delivered_ms: when GitHub last took this effect. */
const char OUTBOX_SCHEMA_2[] = "ALTER TABLE effect ADD COLUMN delivered_ms INTEGER NOT NULL DEFAULT 0;";

static const char SQL_FIND[] = "SELECT id, digest, state, kind FROM effect WHERE slot=?1";
static const char SQL_INSERT[] =
	"INSERT INTO effect(slot,kind,repo_id,repo,pull,body,sha,context,status,description,target_url,digest,not_before_ms,since_ms,state)"
	" VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,'due')";
/* While it is still owed, the earlier of both moments holds: newer content must not push the older promise back. */
static const char SQL_REPLACE[] =
	"UPDATE effect SET repo=?2, body=?3, sha=?4, context=?5, status=?6, description=?7, target_url=?8, digest=?9,"
	" not_before_ms=CASE state WHEN 'due' THEN min(not_before_ms,?10) ELSE ?10 END,"
	" since_ms=CASE state WHEN 'due' THEN since_ms ELSE ?11 END,"
	" next_ms=CASE state WHEN 'due' THEN next_ms ELSE 0 END, tries=CASE state WHEN 'due' THEN tries ELSE 0 END,"
	" refusals=CASE state WHEN 'due' THEN refusals ELSE 0 END,"
	" desired_rev=desired_rev+1, state='due' WHERE id=?1";
/* The usual case changes no row and so costs no write to disk. */
static const char SQL_SOONER[] =
	"UPDATE effect SET repo=?2, not_before_ms=min(not_before_ms,?3) WHERE id=?1 AND (repo<>?2 OR (state='due' AND not_before_ms>?3))";
static const char SQL_REMOTE[] = "SELECT remote_id FROM effect WHERE slot=?1";

static const char SQL_RATE[] =
	"SELECT full_at_ms, blocked_until_ms, writes, (SELECT at_ms FROM outbox_sent WHERE id=writes%?1) FROM outbox_rate WHERE id=1";
static const char SQL_RATE_SET[] = "UPDATE outbox_rate SET full_at_ms=?1, blocked_until_ms=?2, writes=?3 WHERE id=1";
static const char SQL_SENT[] = "INSERT OR REPLACE INTO outbox_sent(id,at_ms) VALUES(?1,?2)";

/* Back at what GitHub already has: nothing to write. */
static const char SQL_SAME[] =
	"UPDATE effect SET state='done', applied_rev=desired_rev, tries=0, last_error=NULL WHERE state='due' AND digest=applied_digest";
/* When an effect may go: its own moment, its backoff, and the time in which an unanswered POST shows up. */
#define READY_AT "max(not_before_ms, next_ms, CASE posting_ms WHEN 0 THEN 0 ELSE posting_ms+?2 END)"
static const char SQL_NEXT[] =
	"SELECT id, slot, kind, repo_id, repo, pull, body, sha, context, status, description, target_url, digest, desired_rev, remote_id,"
	" posting_ms, tries, refusals FROM effect WHERE state='due' AND (id=?4 OR " READY_AT "<=?1)"
	" ORDER BY id<>?4, CASE WHEN since_ms<=?3 THEN since_ms ELSE ?1 END, kind, kind=2 AND status='pending', id LIMIT 1";
static const char SQL_WHEN[] = "SELECT min(" READY_AT "), ?1 FROM effect WHERE state='due'";
static const char SQL_POSTING[] = "UPDATE effect SET posting_ms=?2 WHERE id=?1";

static const char SQL_DELIVERED[] =
	"UPDATE effect SET remote_id=?2, posting_ms=0, applied_rev=?3, applied_digest=?4, tries=0, refusals=0, next_ms=0, last_error=NULL,"
	" state=CASE WHEN digest=?4 THEN 'done' ELSE 'due' END WHERE id=?1";
/* Its content may be of an earlier time, so a comment is edited next; a reply is said once. Failures go on counting until the edit. */
static const char SQL_FOUND[] =
	"UPDATE effect SET remote_id=?2, posting_ms=0, next_ms=0, applied_digest=CASE kind WHEN 1 THEN digest ELSE '' END,"
	" applied_rev=CASE kind WHEN 1 THEN desired_rev ELSE 0 END, state=CASE kind WHEN 1 THEN 'done' ELSE 'due' END WHERE id=?1";
#define FAILED "UPDATE effect SET tries=tries+1, refusals=refusals+?2, last_error=?3, next_ms=?4, "
/* A POST that surely did not happen is no longer in doubt; a look that failed leaves the doubt (?5). */
static const char SQL_AGAIN[] = FAILED "posting_ms=posting_ms*?5 WHERE id=?1";
static const char SQL_UNSURE[] = FAILED "applied_digest='' WHERE id=?1";
static const char SQL_GONE[] = FAILED "applied_digest='', remote_id=0, posting_ms=1 WHERE id=?1";
static const char SQL_DEAD[] = FAILED "posting_ms=posting_ms*?5, state=CASE WHEN digest=?6 THEN 'dead' ELSE 'due' END WHERE id=?1";

static const char SQL_RECOVER[] = "UPDATE effect SET applied_digest='' WHERE state='due' AND applied_digest<>''";
static const char SQL_FORGET[] = "DELETE FROM effect WHERE kind=2 AND state<>'due' AND since_ms<?1";
static const char SQL_PENDING[] = "SELECT count(*) FROM effect WHERE state='due'";

/* --- setting ----------------------------------------------------------------------------------------------------------------------- */

static int check_size(const struct effect *e, struct err *err)
{
	if (e->kind == EFFECT_STATUS)
		return 0;
	CLEANUP_BUF struct buf marker = {0};
	outbox_marker(&marker, e->slot);
	size_t n = marker.len + text_chars(e->body, strlen(e->body));
	if (marker.len > OUTBOX_MARKER_MAX || n > LIMIT_COMMENT_BYTES)
		return err_set(err, ERR_LIMIT, "%s: %zu characters with its marker, GitHub takes %u; shorten the comment", e->slot, n, LIMIT_COMMENT_BYTES);
	return 0;
}

static int insert(struct db_conn *c, const struct effect *e, const char *digest, struct err *err)
{
	return db_run(c, err, SQL_INSERT, "siisisssssssii", e->slot, (int64_t)e->kind, e->repo_id, e->repo, e->pull, e->body, e->sha, e->context,
		      e->state, e->description, e->target_url, digest, e->not_before_ms, clock_wall_ms());
}

int outbox_set(struct db_conn *c, const struct effect *e, struct err *err)
{
	char digest[OUTBOX_DIGEST_SIZE];
	struct db_stmt *s;
	ASSERT(e->kind == EFFECT_STATUS ? e->sha != NULL && e->context != NULL && e->state != NULL : e->body != NULL && e->pull > 0);
	outbox_digest(e, digest);
	int rc = check_size(e, err);
	if (rc == 0)
		rc = db_query(c, &s, err, SQL_FIND, "s", e->slot);
	if (rc != 0)
		return rc;
	rc = db_step(s, err);
	if (rc == 0)
		return insert(c, e, digest, err);
	if (rc < 0)
		return rc;
	int64_t id = db_int(s, 0);
	bool same = strcmp(db_text(s, 1), digest) == 0, dead = strcmp(db_text(s, 2), "dead") == 0;
	db_reset(s);
	if (e->kind == EFFECT_REPLY && !dead) /* said once */
		return 0;
	if (same && !dead)
		return db_run(c, err, SQL_SOONER, "isi", id, e->repo, e->not_before_ms);
	return db_run(c, err, SQL_REPLACE, "issssssssii", id, e->repo, e->body, e->sha, e->context, e->state, e->description, e->target_url,
		      digest, e->not_before_ms, clock_wall_ms());
}

static int one_int(struct db_conn *c, const char *sql, const char *slot, int64_t *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = slot != NULL ? db_query(c, &s, err, sql, "s", slot) : db_query(c, &s, err, sql, "");
	return rc == 0 ? db_number(s, ret, err) : rc;
}

int outbox_remote_id(struct db_conn *c, const char *slot, int64_t *ret, struct err *err)
{
	return one_int(c, SQL_REMOTE, slot, ret, err);
}

int outbox_store_pending(struct db_conn *c, int64_t *ret, struct err *err)
{
	return one_int(c, SQL_PENDING, NULL, ret, err);
}

int outbox_store_recover(struct db_conn *c, int64_t now_ms, struct err *err)
{
	int rc = db_run(c, err, SQL_RECOVER, "");
	return rc != 0 ? rc : db_run(c, err, SQL_FORGET, "i", now_ms - INT64_C(1000) * KEEP_STATUSES_MS);
}

/* --- recording --------------------------------------------------------------------------------------------------------------------- */

static int load_rate(struct db_conn *c, struct outbox_rate *ret, int64_t *ret_writes, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, SQL_RATE, "i", (int64_t)OUTBOX_HOUR_WRITES);
	if (rc == 0)
		rc = db_step(s, err);
	if (rc != 1)
		return rc < 0 ? rc : err_set(err, ERR_INTERNAL, "outbox_rate: its row is missing");
	*ret = (struct outbox_rate){.full_at_ms = db_int(s, 0), .blocked_until_ms = db_int(s, 1), .hour_ago_ms = db_int(s, 3)};
	*ret_writes = db_int(s, 2);
	db_reset(s);
	return 0;
}

static int spend(struct db_conn *c, const struct outbox_outcome *o, int64_t now_ms, struct err *err)
{
	struct outbox_rate rate;
	int64_t writes;
	if (o->op == OUTBOX_LOOK && o->blocked_until_ms == 0)
		return 0;
	int rc = load_rate(c, &rate, &writes, err);
	if (rc != 0)
		return rc;
	if (o->blocked_until_ms > rate.blocked_until_ms)
		rate.blocked_until_ms = o->blocked_until_ms;
	if (o->op != OUTBOX_LOOK) {
		outbox_rate_spend(&rate, now_ms);
		rc = db_run(c, err, SQL_SENT, "ii", writes % OUTBOX_HOUR_WRITES, now_ms);
		writes++;
	}
	return rc != 0 ? rc : db_run(c, err, SQL_RATE_SET, "iii", rate.full_at_ms, rate.blocked_until_ms, writes);
}

static int record(struct db_conn *c, const struct outbox_outcome *o, int64_t now_ms, struct err *err)
{
	int64_t in_doubt = o->op == OUTBOX_LOOK ? 1 : 0, refused = o->refused ? 1 : 0;
	int rc = spend(c, o, now_ms, err);
	if (rc != 0)
		return rc;
	switch (o->verdict) {
	case OUTBOX_DELIVERED:
		return o->op == OUTBOX_LOOK ? db_run(c, err, SQL_FOUND, "ii", o->item_id, o->remote_id)
					    : db_run(c, err, SQL_DELIVERED, "iiis", o->item_id, o->remote_id, o->rev, o->digest);
	case OUTBOX_ABSENT:
		return 0; /* the step that follows takes it again, as a POST */
	case OUTBOX_AGAIN:
		return db_run(c, err, SQL_AGAIN, "iisii", o->item_id, refused, o->error, o->next_ms, in_doubt);
	case OUTBOX_UNSURE:
		return db_run(c, err, SQL_UNSURE, "iisi", o->item_id, refused, o->error, o->next_ms);
	case OUTBOX_GONE:
		return db_run(c, err, SQL_GONE, "iisi", o->item_id, refused, o->error, o->next_ms);
	case OUTBOX_HOPELESS:
		return db_run(c, err, SQL_DEAD, "iisiis", o->item_id, refused, o->error, o->next_ms, in_doubt, o->digest);
	default:
		return err_set(err, ERR_INTERNAL, "outbox: verdict %d is unknown", (int)o->verdict);
	}
}

/* --- taking ------------------------------------------------------------------------------------------------------------------------ */

static void read_item(struct db_stmt *s, struct outbox_item *i, bool absent)
{
	*i = (struct outbox_item){
		.id = db_int(s, 0), .slot = db_text_copy(s, 1), .kind = (enum effect_kind)db_int(s, 2), .repo_id = db_int(s, 3),
		.repo = db_text_copy(s, 4), .pull = db_int(s, 5), .body = db_text_copy(s, 6), .sha = db_text_copy(s, 7),
		.context = db_text_copy(s, 8), .status = db_text_copy(s, 9), .description = db_text_copy(s, 10),
		.target_url = db_text_copy(s, 11), .rev = db_int(s, 13), .remote_id = db_int(s, 14), .tries = (unsigned)db_int(s, 16),
		.refusals = (unsigned)db_int(s, 17),
	};
	(void)snprintf(i->digest, sizeof(i->digest), "%s", db_text(s, 12));
	if (i->kind == EFFECT_STATUS)
		i->op = OUTBOX_STATUS;
	else if (i->remote_id != 0)
		i->op = OUTBOX_EDIT;
	else
		i->op = db_int(s, 15) != 0 && !absent ? OUTBOX_LOOK : OUTBOX_POST;
}

static int next_moment(struct db_conn *c, int64_t now_ms, int64_t *ret_wait_ms, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, SQL_WHEN, "ii", now_ms, (int64_t)OUTBOX_SETTLE_MS);
	return rc == 0 ? db_number(s, ret_wait_ms, err) : rc;
}

static int take(struct db_conn *c, int64_t absent_id, int64_t now_ms, struct outbox_item *ret, int64_t *ret_wait_ms, struct err *err)
{
	struct outbox_rate rate = {0};
	struct db_stmt *s;
	int64_t writes;
	int rc = db_query(c, &s, err, SQL_NEXT, "iiii", now_ms, (int64_t)OUTBOX_SETTLE_MS, now_ms - OUTBOX_AGED_MS, absent_id);
	if (rc == 0)
		rc = db_step(s, err);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return next_moment(c, now_ms, ret_wait_ms, err);
	read_item(s, ret, absent_id != 0 && db_int(s, 0) == absent_id);
	db_reset(s);
	rc = load_rate(c, &rate, &writes, err);
	if (ret->op == OUTBOX_LOOK) /* a read costs no write, but a pause is a pause */
		rate = (struct outbox_rate){.blocked_until_ms = rate.blocked_until_ms};
	*ret_wait_ms = rc == 0 ? outbox_rate_when(&rate, now_ms) : 0;
	if (rc == 0 && *ret_wait_ms == 0 && ret->op == OUTBOX_POST)
		rc = db_run(c, err, SQL_POSTING, "ii", ret->id, now_ms);
	if (rc != 0 || *ret_wait_ms != 0)
		outbox_item_free(ret);
	return rc;
}

int outbox_store_step(struct db_conn *c, const struct outbox_outcome *o, int64_t now_ms, struct outbox_item *ret, int64_t *ret_wait_ms,
		      struct err *err)
{
	*ret = (struct outbox_item){0};
	*ret_wait_ms = 0;
	int rc = o->item_id != 0 ? record(c, o, now_ms, err) : 0;
	if (rc == 0)
		rc = db_run(c, err, SQL_SAME, "");
	return rc != 0 ? rc : take(c, o->verdict == OUTBOX_ABSENT ? o->item_id : 0, now_ms, ret, ret_wait_ms, err);
}
