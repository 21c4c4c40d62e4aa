#include "github/outbox_priv.h"

#include "base/limits.h"

#include <stdio.h>

/* The store's one transaction per step: records what came of an item and takes the next one of the same installation. */

/* Back at what GitHub already has, or to be ended and not there: nothing to write. */
static const char SQL_SAME[] =
	"UPDATE effect SET state='done', applied_rev=desired_rev, delivered_ms=?1, tries=0, last_error=NULL WHERE state='due'"
	" AND (digest=applied_digest AND annotated>=annotations_n OR retired AND remote_id=0 AND posting_ms=0)";
/* When an effect may go: its own moment, its backoff, and the time in which an unanswered POST shows up. */
#define READY_AT "max(not_before_ms, next_ms, CASE posting_ms WHEN 0 THEN 0 ELSE posting_ms+?2 END)"
#define CONCLUDES "(kind=2 AND status<>'pending' OR kind=3 AND status='completed')"
/* The order of outbox.h. 0: the conclusion of the gate check; whatever waited for long goes before 1 to 5, of which the last ends what is out of sight. */
#define RANK                                                                                                                                             \
	"CASE WHEN retired THEN 5 WHEN " CONCLUDES " THEN CASE context WHEN '" OUTBOX_GATE "' THEN 0 ELSE 2 END"                                          \
	" WHEN kind>=2 THEN 4 WHEN not_before_ms=0 THEN 1 ELSE 3 END"
static const char SQL_NEXT[] =
	"SELECT id, slot, kind, repo_id, repo, pull, body, sha, context, status, description, target_url, digest, desired_rev, remote_id,"
	" posting_ms, tries, refusals, told, external_id, conclusion, details, actions, annotations, annotated, " RANK " AS rank"
	" FROM effect WHERE state='due' AND (?5='' OR owner=?5) AND (id=?4 OR " READY_AT "<=?1)"
	" ORDER BY id<>?4, rank<>0, CASE WHEN since_ms<=?3 THEN since_ms ELSE ?1 END, rank, kind, id LIMIT 1";
static const char SQL_WHEN[] = "SELECT min(" READY_AT "), ?1 FROM effect WHERE state='due' AND (?3='' OR owner=?3)";
static const char SQL_POSTING[] = "UPDATE effect SET posting_ms=?2 WHERE id=?1";

/* ?5: annotations that went with it. As long as some are left there is something to write. A comment that was missing and is there again was posted
 * once more for this content. */
#define COMPLETE "(digest=?4 AND annotated+?5>=annotations_n)"
static const char SQL_DELIVERED[] =
	"UPDATE effect SET remote_id=?2, posting_ms=0, applied_rev=?3, delivered_ms=CASE WHEN " COMPLETE " THEN ?6 ELSE delivered_ms END,"
	" applied_digest=CASE WHEN digest<>?4 OR " COMPLETE " THEN ?4 ELSE '' END, annotated=annotated+?5,"
	" tries=0, refusals=0, next_ms=0, last_error=NULL, told=0, reposted=CASE WHEN gone AND kind=0 THEN ?4 ELSE reposted END, gone=0,"
	" state=CASE WHEN " COMPLETE " THEN 'done' ELSE 'due' END WHERE id=?1";
/* Its content may be of an earlier time, so a comment or check is edited next; a reply is said once. Failures go on counting until the edit. */
static const char SQL_FOUND[] =
	"UPDATE effect SET remote_id=?2, posting_ms=0, next_ms=0, gone=0, annotated=?3, applied_digest=CASE kind WHEN 1 THEN digest ELSE '' END,"
	" applied_rev=CASE kind WHEN 1 THEN desired_rev ELSE 0 END, delivered_ms=CASE kind WHEN 1 THEN ?4 ELSE delivered_ms END,"
	" state=CASE kind WHEN 1 THEN 'done' ELSE 'due' END WHERE id=?1";
/* A check that is not there has no annotations either. */
static const char SQL_ABSENT[] = "UPDATE effect SET remote_id=0, posting_ms=0, annotated=0 WHERE id=?1 AND kind=3";
#define FAILED "UPDATE effect SET tries=tries+1, refusals=refusals+?2, last_error=?3, next_ms=?4, "
/* A write that surely did not happen is no longer in doubt; a look that failed leaves the doubt (?5). */
static const char SQL_AGAIN[] = FAILED "posting_ms=posting_ms*?5 WHERE id=?1";
/* It was on its way for as long as the answer was waited for: only now it gets its time to show up. */
static const char SQL_UNSURE[] = FAILED "applied_digest='', posting_ms=CASE posting_ms WHEN 0 THEN 0 ELSE ?5 END WHERE id=?1";
/* A comment that was posted once more for what it says, and deleted again, stays away until there is news. */
#define STAYS_AWAY "(kind=0 AND reposted=?5 AND digest=?5)"
static const char SQL_GONE[] =
	FAILED "applied_digest='', remote_id=0, gone=NOT " STAYS_AWAY ", posting_ms=NOT " STAYS_AWAY ","
	" state=CASE WHEN " STAYS_AWAY " THEN 'done' ELSE 'due' END WHERE id=?1";
static const char SQL_DEAD[] =
	FAILED "posting_ms=posting_ms*?5, told=CASE WHEN digest=?6 THEN 1 ELSE told END, state=CASE WHEN digest=?6 THEN 'dead' ELSE 'due' END WHERE id=?1";

/* --- recording --------------------------------------------------------------------------------------------------------------------- */

static int record(struct db_conn *c, const char *key, const struct outbox_outcome *o, int64_t now_ms, struct err *err)
{
	int64_t in_doubt = o->op == OUTBOX_LOOK ? 1 : 0, refused = o->refused ? 1 : 0;
	int rc = o->op != OUTBOX_LOOK || o->blocked_until_ms != 0 ? outbox_rate_pay(c, key, o->op != OUTBOX_LOOK, o->blocked_until_ms, now_ms, err) : 0;
	if (rc != 0)
		return rc;
	switch (o->verdict) {
	case OUTBOX_DELIVERED:
		if (o->op == OUTBOX_LOOK)
			return db_run(c, err, SQL_FOUND, "iiii", o->item_id, o->remote_id, o->annotations, now_ms);
		return db_run(c, err, SQL_DELIVERED, "iiisii", o->item_id, o->remote_id, o->rev, o->digest, o->annotations, now_ms);
	case OUTBOX_ABSENT:
		return db_run(c, err, SQL_ABSENT, "i", o->item_id); /* the step that follows takes it again, as a POST */
	case OUTBOX_AGAIN:
		return db_run(c, err, SQL_AGAIN, "iisii", o->item_id, refused, o->error, o->next_ms, in_doubt);
	case OUTBOX_UNSURE:
		return db_run(c, err, SQL_UNSURE, "iisii", o->item_id, refused, o->error, o->next_ms, now_ms);
	case OUTBOX_GONE:
		return db_run(c, err, SQL_GONE, "iisis", o->item_id, refused, o->error, o->next_ms, o->digest);
	case OUTBOX_HOPELESS:
		return db_run(c, err, SQL_DEAD, "iisiis", o->item_id, refused, o->error, o->next_ms, in_doubt, o->digest);
	default:
		return err_set(err, ERR_INTERNAL, "outbox: verdict %d is unknown", (int)o->verdict);
	}
}

/* --- taking ------------------------------------------------------------------------------------------------------------------------ */

static enum outbox_op op_of(const struct outbox_item *i, bool doubt)
{
	if (i->kind == EFFECT_STATUS)
		return OUTBOX_STATUS;
	if (doubt)
		return OUTBOX_LOOK;
	return i->remote_id != 0 ? OUTBOX_EDIT : OUTBOX_POST;
}

static void read_item(struct db_stmt *s, struct outbox_item *i, bool absent)
{
	*i = (struct outbox_item){
		.id = db_int(s, 0), .slot = db_text_copy(s, 1), .kind = (enum effect_kind)db_int(s, 2), .repo_id = db_int(s, 3),
		.repo = db_text_copy(s, 4), .pull = db_int(s, 5), .body = db_text_copy(s, 6), .sha = db_text_copy(s, 7),
		.context = db_text_copy(s, 8), .status = db_text_copy(s, 9), .description = db_text_copy(s, 10),
		.target_url = db_text_copy(s, 11), .rev = db_int(s, 13), .remote_id = db_int(s, 14), .tries = (unsigned)db_int(s, 16),
		.refusals = (unsigned)db_int(s, 17), .told = db_int(s, 18) != 0, .external_id = db_text_copy(s, 19),
		.conclusion = db_text_copy(s, 20), .details = db_text_copy(s, 21), .actions = db_text_copy(s, 22),
	};
	(void)snprintf(i->digest, sizeof(i->digest), "%s", db_text(s, 12));
	i->op = op_of(i, db_int(s, 15) != 0 && !absent);
	if (i->kind == EFFECT_CHECK && i->op != OUTBOX_LOOK)
		i->chunk = outbox_chunk(db_text(s, 23), db_int(s, 24), &i->chunk_n);
}

static int next_moment(struct db_conn *c, const char *key, int64_t now_ms, int64_t *ret_wait_ms, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, SQL_WHEN, "iis", now_ms, (int64_t)OUTBOX_SETTLE_MS, key);
	return rc == 0 ? db_number(s, ret_wait_ms, err) : rc;
}

/* A crash after it would leave something that has to be looked for. */
static bool needs_mark(const struct outbox_item *i) { return i->op == OUTBOX_POST || i->chunk_n > 0; }

static int take(struct db_conn *c, const char *key, int64_t absent_id, int64_t now_ms, struct outbox_item *ret, int64_t *ret_wait_ms, struct err *err)
{
	struct outbox_rate rate = {0};
	struct db_stmt *s;
	int64_t writes;
	int rc = db_query(c, &s, err, SQL_NEXT, "iiiis", now_ms, (int64_t)OUTBOX_SETTLE_MS, now_ms - OUTBOX_AGED_MS, absent_id, key);
	if (rc == 0)
		rc = db_step(s, err);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return next_moment(c, key, now_ms, ret_wait_ms, err);
	read_item(s, ret, absent_id != 0 && db_int(s, 0) == absent_id);
	db_reset(s);
	rc = outbox_rate_load(c, key, &rate, &writes, err);
	if (ret->op == OUTBOX_LOOK) /* a read costs no write, but a pause is a pause */
		rate = (struct outbox_rate){.blocked_until_ms = rate.blocked_until_ms};
	*ret_wait_ms = rc == 0 ? outbox_rate_when(&rate, now_ms) : 0;
	if (rc == 0 && *ret_wait_ms == 0 && needs_mark(ret))
		rc = db_run(c, err, SQL_POSTING, "ii", ret->id, now_ms);
	if (rc != 0 || *ret_wait_ms != 0)
		outbox_item_free(ret);
	return rc;
}

int outbox_store_step(struct db_conn *c, const char *key, const struct outbox_outcome *o, int64_t now_ms, struct outbox_item *ret,
		      int64_t *ret_wait_ms, struct err *err)
{
	*ret = (struct outbox_item){0};
	*ret_wait_ms = 0;
	int rc = o->item_id != 0 ? record(c, key, o, now_ms, err) : 0;
	if (rc == 0)
		rc = db_run(c, err, SQL_SAME, "i", now_ms);
	return rc != 0 ? rc : take(c, key, o->verdict == OUTBOX_ABSENT ? o->item_id : 0, now_ms, ret, ret_wait_ms, err);
}
