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

/* effect.delivered_ms  when GitHub last took this effect         effect.owner   of the repository: the installation
 *   gone, reposted     a comment is not where we left it; the content for which it was posted once more
 *   told               it was told to be hopeless                 retired        a check run whose place a newer one took
 * Of a check: context is its name, body its summary, description its title, target_url its details_url; annotations are JSON objects, one a
 * line, annotated is how many of them GitHub has. posting_ms stands for its edits that carry annotations, too.
 * outbox_rate, outbox_sent: key is the owner for an App, '' for an account. */
const char OUTBOX_SCHEMA_2[] =
	"ALTER TABLE effect ADD COLUMN delivered_ms INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE effect ADD COLUMN owner TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE effect ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE effect ADD COLUMN reposted TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE effect ADD COLUMN told INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE effect ADD COLUMN retired INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE effect ADD COLUMN external_id TEXT;"
	"ALTER TABLE effect ADD COLUMN conclusion TEXT;"
	"ALTER TABLE effect ADD COLUMN details TEXT;"
	"ALTER TABLE effect ADD COLUMN actions TEXT;"
	"ALTER TABLE effect ADD COLUMN annotations TEXT;"
	"ALTER TABLE effect ADD COLUMN annotations_n INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE effect ADD COLUMN annotated INTEGER NOT NULL DEFAULT 0;"
	"UPDATE effect SET owner=lower(substr(repo,1,instr(repo,'/')-1));"
	"DROP INDEX effect_due;"
	"CREATE INDEX effect_due ON effect(owner) WHERE state='due';"
	"CREATE INDEX effect_dead ON effect(id) WHERE state='dead';"
	"CREATE INDEX effect_remote ON effect(remote_id) WHERE remote_id<>0;"
	"CREATE TABLE outbox_rate_2("
	" key TEXT PRIMARY KEY, full_at_ms INTEGER NOT NULL, blocked_until_ms INTEGER NOT NULL, writes INTEGER NOT NULL) WITHOUT ROWID;"
	"INSERT INTO outbox_rate_2 SELECT '', full_at_ms, blocked_until_ms, writes FROM outbox_rate;"
	"CREATE TABLE outbox_sent_2(key TEXT NOT NULL, place INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY(key, place)) WITHOUT ROWID;"
	"INSERT INTO outbox_sent_2 SELECT '', id, at_ms FROM outbox_sent;"
	"DROP TABLE outbox_rate;"
	"DROP TABLE outbox_sent;"
	"ALTER TABLE outbox_rate_2 RENAME TO outbox_rate;"
	"ALTER TABLE outbox_sent_2 RENAME TO outbox_sent;";

static const char SQL_FIND[] =
	"SELECT id, digest, state, status, external_id, remote_id, posting_ms, annotated, annotations, annotations_n FROM effect WHERE slot=?1";
static const char SQL_INSERT[] = "INSERT INTO effect(slot,kind,repo_id,repo,pull,digest,not_before_ms,since_ms,state) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,'due')";
/* While it is still owed, the earlier of both moments holds: newer content must not push the older promise back. */
static const char SQL_REPLACE[] =
	"UPDATE effect SET digest=?2, not_before_ms=CASE state WHEN 'due' THEN min(not_before_ms,?3) ELSE ?3 END,"
	" since_ms=CASE state WHEN 'due' THEN since_ms ELSE ?4 END,"
	" next_ms=CASE state WHEN 'due' THEN next_ms ELSE 0 END, tries=CASE state WHEN 'due' THEN tries ELSE 0 END,"
	" refusals=CASE state WHEN 'due' THEN refusals ELSE 0 END,"
	" desired_rev=desired_rev+1, state='due' WHERE id=?1";
static const char SQL_CONTENT[] =
	"UPDATE effect SET repo=?2, owner=lower(substr(?2,1,instr(?2,'/')-1)), body=?3, sha=?4, context=?5, status=?6, description=?7, target_url=?8"
	" WHERE id=?1";
static const char SQL_CHECK[] =
	"UPDATE effect SET external_id=?2, conclusion=?3, details=?4, actions=?5, annotations=?6, annotations_n=?7 WHERE id=?1";
/* Another external id is another check run, of which nothing is there yet. */
static const char SQL_ANEW[] =
	"UPDATE effect SET remote_id=0, posting_ms=0, annotated=0, annotations=NULL, annotations_n=0, applied_digest='', delivered_ms=0 WHERE id=?1";
/* The check run that a newer one replaces ends: as it was to end, or else cancelled. It leaves the slot. */
static const char SQL_RETIRE_OLD[] = "DELETE FROM effect WHERE slot=?1";
static const char SQL_RETIRE[] =
	"UPDATE effect SET slot=?2, retired=1, state='due', desired_rev=desired_rev+1, actions=NULL, digest='r'||substr(digest,2), applied_digest='',"
	" conclusion=CASE status WHEN 'completed' THEN conclusion ELSE 'cancelled' END,"
	" description=CASE status WHEN 'completed' THEN description ELSE 'a newer run took over' END,"
	" body=CASE status WHEN 'completed' THEN body ELSE 'A newer run took over.' END,"
	" details=CASE status WHEN 'completed' THEN details END, status='completed' WHERE id=?1";
/* The usual case changes no row and so costs no write to disk. */
static const char SQL_SOONER[] =
	"UPDATE effect SET repo=?2, owner=lower(substr(?2,1,instr(?2,'/')-1)), not_before_ms=min(not_before_ms,?3) WHERE id=?1"
	" AND (repo<>?2 OR (state='due' AND not_before_ms>?3))";
static const char SQL_REMOTE[] = "SELECT remote_id FROM effect WHERE slot=?1";
static const char SQL_DELIVERED_MS[] = "SELECT delivered_ms FROM effect WHERE slot=?1";
/* The comment may be one that we wrote since, or of another repository with a server of its own: only where it is known to stand. */
static const char SQL_DELETED[] =
	"UPDATE effect SET remote_id=0, applied_digest='', gone=reposted<>digest, posting_ms=reposted<>digest,"
	" state=CASE WHEN reposted=digest THEN 'done' ELSE 'due' END WHERE remote_id=?2 AND repo_id=?1 AND kind=0";
static const char SQL_RECOVER[] =
	"UPDATE effect SET applied_digest='', posting_ms=CASE posting_ms WHEN 0 THEN 0 ELSE ?1 END WHERE state='due'"
	" AND (applied_digest<>'' OR posting_ms<>0)";
/* Left by an App that we are no more: an account may not write check runs, and statuses say the same from now on. */
static const char SQL_NO_CHECKS[] =
	"UPDATE effect SET state='dead', told=1, last_error='only a GitHub App may write check runs' WHERE state='due' AND kind=3";
static const char SQL_FORGET[] = "DELETE FROM effect WHERE kind>=2 AND state<>'due' AND since_ms<?1";
static const char SQL_PENDING[] = "SELECT count(*) FROM effect WHERE state='due'";
static const char SQL_DEAD[] = "SELECT count(*) FROM effect WHERE state='dead'";
static const char SQL_OWNERS[] = "SELECT owner FROM effect WHERE state='due' GROUP BY owner LIMIT ?1";

static const char SQL_RATE[] =
	"SELECT full_at_ms, blocked_until_ms, writes, (SELECT at_ms FROM outbox_sent WHERE key=?1 AND place=writes%?2) FROM outbox_rate WHERE key=?1";
static const char SQL_RATE_SET[] = "INSERT OR REPLACE INTO outbox_rate(key,full_at_ms,blocked_until_ms,writes) VALUES(?1,?2,?3,?4)";
static const char SQL_SENT[] = "INSERT OR REPLACE INTO outbox_sent(key,place,at_ms) VALUES(?1,?2,?3)";

/* --- setting ----------------------------------------------------------------------------------------------------------------------- */

static int check_text(const struct effect *e, const char *what, const char *text, struct err *err)
{
	size_t n = text != NULL ? text_chars(text, strlen(text)) : 0;
	if (n > LIMIT_CHECK_TEXT_CHARS)
		return err_set(err, ERR_LIMIT, "%s: its %s has %zu characters, GitHub takes %u; shorten it", e->slot, what, n, LIMIT_CHECK_TEXT_CHARS);
	return 0;
}

static int check_size(const struct effect *e, struct err *err)
{
	if (e->kind == EFFECT_STATUS)
		return 0;
	if (e->kind == EFFECT_CHECK) {
		int rc = check_text(e, "summary", e->check->summary, err);
		return rc != 0 ? rc : check_text(e, "text", e->check->text, err);
	}
	CLEANUP_BUF struct buf marker = {0};
	outbox_marker(&marker, e->slot);
	size_t n = marker.len + text_chars(e->body, strlen(e->body));
	if (marker.len > OUTBOX_MARKER_MAX || n > LIMIT_COMMENT_BYTES)
		return err_set(err, ERR_LIMIT, "%s: %zu characters with its marker, GitHub takes %u; shorten the comment", e->slot, n, LIMIT_COMMENT_BYTES);
	return 0;
}

static bool is_complete(const struct effect *e)
{
	const struct gh_check *k = e->check;
	switch (e->kind) {
	case EFFECT_COMMENT:
	case EFFECT_REPLY: return e->body != NULL && e->pull > 0;
	case EFFECT_STATUS: return e->sha != NULL && e->context != NULL && e->state != NULL;
	case EFFECT_CHECK: return k != NULL && k->name != NULL && k->head_sha != NULL && k->external_id != NULL && k->status != NULL && k->title != NULL;
	}
	return false;
}

static int64_t count_lines(const char *s)
{
	int64_t n = 0;
	for (const char *p = s != NULL ? s : ""; *p != '\0';) {
		size_t len = strcspn(p, "\n");
		n += len > 0;
		p += len + (p[len] != '\0');
	}
	return n;
}

/* What stands in a slot, as far as setting it anew depends on it. */
struct standing {
	int64_t id, annotated, annotations_n;
	bool same, dead, due, completed, doubt; /* doubt: a write of it may be on GitHub */
	char *external_id, *annotations;
};

static void standing_free(struct standing *s)
{
	free(s->external_id);
	free(s->annotations);
}

/* 1: found, 0: the slot is new. */
static int find(struct db_conn *c, const char *slot, const char *digest, struct standing *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, SQL_FIND, "s", slot);
	if (rc == 0)
		rc = db_step(s, err);
	if (rc != 1)
		return rc;
	const char *state = db_text(s, 2), *status = db_text(s, 3);
	*ret = (struct standing){
		.id = db_int(s, 0),
		.same = strcmp(db_text(s, 1), digest) == 0,
		.dead = strcmp(state, "dead") == 0,
		.due = strcmp(state, "due") == 0,
		.completed = status != NULL && strcmp(status, "completed") == 0,
		.external_id = db_text_copy(s, 4),
		.doubt = db_int(s, 5) != 0 || db_int(s, 6) != 0,
		.annotated = db_int(s, 7),
		.annotations = db_text_copy(s, 8),
		.annotations_n = db_int(s, 9),
	};
	ret->annotated = db_int(s, 6) != 0 && ret->annotated == 0 ? 1 : ret->annotated; /* on their way: as good as sent */
	db_reset(s);
	return 1;
}

static int put_check(struct db_conn *c, const struct effect *e, const struct standing *old, struct err *err)
{
	const struct gh_check *k = e->check;
	bool frozen = old->annotated > 0 && old->annotations_n > 0;
	const char *lines = frozen ? old->annotations : e->annotations;
	int rc = db_run(c, err, SQL_CONTENT, "isssssss", old->id, e->repo, k->summary, k->head_sha, k->name, k->status, k->title, k->details_url);
	return rc != 0 ? rc : db_run(c, err, SQL_CHECK, "isssssi", old->id, k->external_id, k->conclusion, k->text, k->actions, lines, count_lines(lines));
}

static int put_content(struct db_conn *c, const struct effect *e, const struct standing *old, struct err *err)
{
	if (e->kind == EFFECT_CHECK)
		return put_check(c, e, old, err);
	return db_run(c, err, SQL_CONTENT, "isssssss", old->id, e->repo, e->body, e->sha, e->context, e->state, e->description, e->target_url);
}

static int insert(struct db_conn *c, const struct effect *e, const char *digest, struct err *err)
{
	int rc = db_run(c, err, SQL_INSERT, "siisisii", e->slot, (int64_t)e->kind, e->repo_id, e->repo, e->pull, digest, e->not_before_ms, clock_wall_ms());
	const struct standing made = {.id = rc == 0 ? db_last_id(c) : 0};
	return rc != 0 ? rc : put_content(c, e, &made, err);
}

static int replace(struct db_conn *c, const struct effect *e, const struct standing *old, const char *digest, struct err *err)
{
	int rc = db_run(c, err, SQL_REPLACE, "isii", old->id, digest, e->not_before_ms, clock_wall_ms());
	return rc != 0 ? rc : put_content(c, e, old, err);
}

/* Another external id takes the slot. What of the old check run may stand on GitHub, not concluded there, is ended beside it. */
static int replace_check(struct db_conn *c, const struct effect *e, struct standing *old, const char *digest, struct err *err)
{
	if (old->doubt && !old->dead && (old->due || !old->completed)) {
		CLEANUP_FREE char *aside = xasprintf("%s#%s", e->slot, old->external_id);
		int rc = db_run(c, err, SQL_RETIRE_OLD, "s", aside);
		if (rc == 0)
			rc = db_run(c, err, SQL_RETIRE, "is", old->id, aside);
		return rc != 0 ? rc : insert(c, e, digest, err);
	}
	int rc = db_run(c, err, SQL_ANEW, "i", old->id);
	old->annotated = old->annotations_n = 0;
	return rc != 0 ? rc : replace(c, e, old, digest, err);
}

static int set_over(struct db_conn *c, const struct effect *e, struct standing *old, const char *digest, struct err *err)
{
	if (e->kind == EFFECT_REPLY && !old->dead) /* said once */
		return 0;
	if (old->same && !old->dead)
		return db_run(c, err, SQL_SOONER, "isi", old->id, e->repo, e->not_before_ms);
	if (e->kind != EFFECT_CHECK)
		return replace(c, e, old, digest, err);
	if (old->external_id == NULL || strcmp(old->external_id, e->check->external_id) != 0)
		return replace_check(c, e, old, digest, err);
	if (old->completed && strcmp(e->check->status, "completed") != 0) /* never back */
		return 0;
	return replace(c, e, old, digest, err);
}

int outbox_set(struct db_conn *c, const struct effect *e, struct err *err)
{
	char digest[OUTBOX_DIGEST_SIZE];
	struct standing old = {0};
	ASSERT(is_complete(e));
	outbox_digest(e, digest);
	int rc = check_size(e, err);
	if (rc == 0)
		rc = find(c, e->slot, digest, &old, err);
	if (rc == 0)
		rc = insert(c, e, digest, err);
	else if (rc == 1)
		rc = set_over(c, e, &old, digest, err);
	standing_free(&old);
	return rc;
}

static int one_int(struct db_conn *c, const char *sql, const char *slot, int64_t *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = slot != NULL ? db_query(c, &s, err, sql, "s", slot) : db_query(c, &s, err, sql, "");
	return rc == 0 ? db_number(s, ret, err) : rc;
}

int outbox_remote_id(struct db_conn *c, const char *slot, int64_t *ret, struct err *err) { return one_int(c, SQL_REMOTE, slot, ret, err); }

int outbox_delivered_ms(struct db_conn *c, const char *slot, int64_t *ret, struct err *err) { return one_int(c, SQL_DELIVERED_MS, slot, ret, err); }

int outbox_store_pending(struct db_conn *c, int64_t *ret, struct err *err) { return one_int(c, SQL_PENDING, NULL, ret, err); }

int outbox_store_dead(struct db_conn *c, int64_t *ret, struct err *err) { return one_int(c, SQL_DEAD, NULL, ret, err); }

int outbox_comment_deleted(struct db_conn *c, int64_t repo_id, int64_t comment_id, struct err *err)
{
	return comment_id <= 0 ? 0 : db_run(c, err, SQL_DELETED, "ii", repo_id, comment_id);
}

int outbox_store_owners(struct db_conn *c, struct strlist *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, SQL_OWNERS, "i", (int64_t)LIMIT_OUTBOX_LANES);
	while (rc == 0 && (rc = db_step(s, err)) == 1) {
		strlist_add(ret, db_text(s, 0));
		rc = 0;
	}
	return rc;
}

/* --- budgets ----------------------------------------------------------------------------------------------------------------------- */

int outbox_rate_load(struct db_conn *c, const char *key, struct outbox_rate *ret, int64_t *ret_writes, struct err *err)
{
	struct db_stmt *s;
	*ret = (struct outbox_rate){0};
	*ret_writes = 0;
	int rc = db_query(c, &s, err, SQL_RATE, "si", key, (int64_t)OUTBOX_HOUR_WRITES);
	if (rc == 0)
		rc = db_step(s, err);
	if (rc != 1)
		return rc; /* an installation that was never written to has its whole budget */
	*ret = (struct outbox_rate){.full_at_ms = db_int(s, 0), .blocked_until_ms = db_int(s, 1), .hour_ago_ms = db_int(s, 3)};
	*ret_writes = db_int(s, 2);
	db_reset(s);
	return 0;
}

int outbox_rate_pay(struct db_conn *c, const char *key, bool spent, int64_t blocked_until_ms, int64_t now_ms, struct err *err)
{
	struct outbox_rate rate;
	int64_t writes;
	int rc = outbox_rate_load(c, key, &rate, &writes, err);
	if (rc == 0 && spent) {
		outbox_rate_spend(&rate, now_ms);
		rc = db_run(c, err, SQL_SENT, "sii", key, writes % OUTBOX_HOUR_WRITES, now_ms);
		writes++;
	}
	if (blocked_until_ms > rate.blocked_until_ms)
		rate.blocked_until_ms = blocked_until_ms;
	return rc != 0 ? rc : db_run(c, err, SQL_RATE_SET, "siii", key, rate.full_at_ms, rate.blocked_until_ms, writes);
}

/* At most one write of each installation was under way when the process ended. It may have happened, so it is paid for. */
int outbox_store_recover(struct db_conn *c, bool app, int64_t now_ms, struct err *err)
{
	struct strlist owners = {0};
	int rc = db_run(c, err, SQL_RECOVER, "i", now_ms);
	if (rc == 0)
		rc = db_run(c, err, SQL_FORGET, "i", now_ms - INT64_C(1000) * KEEP_STATUSES_MS);
	if (rc == 0 && !app)
		rc = db_run(c, err, SQL_NO_CHECKS, "");
	if (rc == 0)
		rc = outbox_store_owners(c, &owners, err);
	for (size_t i = 0; rc == 0 && i < (app ? owners.n : owners.n > 0); i++)
		rc = outbox_rate_pay(c, app ? owners.v[i] : "", true, 0, now_ms, err);
	strlist_free(&owners);
	return rc;
}
