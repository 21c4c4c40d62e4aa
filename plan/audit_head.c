#include "plan/audit_head.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

enum { EVERY_MS = 2000, TAIL_MS = 60 * 1000 };

struct head {
	int64_t seq, at_ms;
	char hash[AUDIT_HASH_HEX + 1];
	uint8_t sig[AGENT_SIG_SIZE];
	bool present, has_sig; /* present false: there is no head at all */
};

/* What is signed. */
static char *head_text(const struct head *h)
{
	return xasprintf("{\"seq\":%lld,\"hash\":\"%s\",\"at_ms\":%lld}", (long long)h->seq, h->hash, (long long)h->at_ms);
}

static int read_head(struct db_conn *c, struct head *ret, struct err *err)
{
	struct db_stmt *s;
	*ret = (struct head){0};
	int rc = db_query(c, &s, err, "SELECT seq, hash, at_ms, signature FROM audit_head WHERE id=1", "");
	if (rc == 0)
		rc = db_step(s, err);
	if (rc != 1)
		return rc;
	size_t n;
	ret->present = true;
	ret->seq = db_int(s, 0);
	(void)snprintf(ret->hash, sizeof(ret->hash), "%s", db_text(s, 1) != NULL ? db_text(s, 1) : ""); /* a longer one is cut, and is not the one */
	ret->at_ms = db_int(s, 2);
	const void *sig = db_blob(s, 3, &n);
	ret->has_sig = sig != NULL && n == sizeof(ret->sig);
	if (ret->has_sig)
		memcpy(ret->sig, sig, n);
	db_reset(s);
	return 0;
}

/* Is the row that was signed still the one that is there? */
static int still_there(struct db_conn *c, const struct head *h, struct err *err)
{
	char hash[AUDIT_HASH_HEX + 1];
	int rc = h->seq == 0 ? 0 : audit_hash_of(c, h->seq, hash, err);
	if (rc != 0 || h->seq == 0 || strcmp(hash, h->hash) == 0)
		return rc;
	return err_set(err, ERR_REFUSED, "the audit log was changed: its row %lld is not the one that was signed; look with `sluice audit verify`",
		       (long long)h->seq);
}

/* Rows without a head: the first start of a new version finds none, and so does one after somebody took it away. The log says so for ever. */
static int note_missing(struct db_conn *c, struct head *now, struct err *err)
{
	CLEANUP_FREE char *detail = xasprintf("{\"missing\":true,\"rows\":%lld}", (long long)now->seq);
	int rc = audit_add(c, &(struct audit){.kind = "audit.head", .detail = detail}, err);
	return rc == 0 ? audit_last(c, &now->seq, now->hash, err) : rc;
}

int audit_sign_head(struct db_conn *c, struct agent *a, struct err *err)
{
	struct head was, now = {.at_ms = clock_wall_ms()};
	int rc = read_head(c, &was, err);
	if (rc == 0)
		rc = audit_last(c, &now.seq, now.hash, err);
	if (rc == 0)
		rc = still_there(c, &was, err);
	if (rc == 0 && !was.present && now.seq != 0)
		rc = note_missing(c, &now, err);
	if (rc != 0 || (was.present && now.seq == was.seq))
		return rc;
	CLEANUP_FREE char *text = head_text(&now);
	rc = agent_sign(a, AGENT_AUDIT_HEAD, text, strlen(text), now.sig, err);
	if (rc != 0)
		return rc;
	return db_run(c, err, "INSERT OR REPLACE INTO audit_head(id, seq, hash, signature, at_ms) VALUES(1,?,?,?,?)", "isbi", now.seq, now.hash, now.sig,
		      sizeof(now.sig), now.at_ms);
}

/* ---- the daemon's timer ---- */

struct audit_head {
	struct db *db;
	struct agent *agent;
	struct loop_timer *timer;
	struct head seen; /* what was signed last in this process: the row must be there, whatever the table says */
	bool busy;   /* submitted, and not done */
	bool told;   /* of what went wrong: once, until it goes well again */
	bool closed; /* freed when done */
};

static int sign_tx(struct db_conn *c, void *arg, struct err *err)
{
	struct audit_head *h = arg;
	int rc = still_there(c, &h->seen, err);
	if (rc == 0)
		rc = audit_sign_head(c, h->agent, err);
	return rc == 0 ? read_head(c, &h->seen, err) : rc;
}

static void sign_done(int rc, const struct err *err, void *arg)
{
	struct audit_head *h = arg;
	h->busy = false;
	if (rc != 0 && !h->told)
		log_err("audit.head", "error=%s", log_value(err->msg));
	h->told = rc != 0;
	if (h->closed)
		free(h);
}

static void on_timer(void *arg)
{
	struct audit_head *h = arg;
	if (h->busy)
		return;
	h->busy = true;
	db_submit(h->db, sign_tx, sign_done, h);
}

struct audit_head *audit_head_new(struct loop *l, struct db *db, struct agent *a)
{
	struct audit_head *h = xcalloc(1, sizeof(*h));
	*h = (struct audit_head){.db = db, .agent = a, .timer = loop_timer_new(l, on_timer, h)};
	loop_timer_start(h->timer, EVERY_MS, EVERY_MS);
	on_timer(h); /* before anything else writes: the beginning is signed, too */
	return h;
}

void audit_head_close(struct audit_head *h)
{
	if (h == NULL)
		return;
	loop_timer_close(h->timer);
	h->closed = true;
	if (h->busy)
		return;
	/* the last rows, too; db_close finishes what was submitted */
	h->busy = true;
	db_submit(h->db, sign_tx, sign_done, h);
}

/* ---- verifying ---- */

static int check_head(const struct audit_chain *ch, const struct head *h, const uint8_t *pub, struct err *err)
{
	CLEANUP_FREE char *text = head_text(h);
	if (!h->present && ch->rows == 0)
		return 0;
	if (!h->present)
		return err_set(err, ERR_REFUSED, "there are %lld rows and no signed head: it was removed, or no server has run since",
			       (long long)ch->rows);
	if (!h->has_sig || !agent_check(pub, AGENT_AUDIT_HEAD, text, strlen(text), h->sig))
		return err_set(err, ERR_REFUSED, "the signed head (row %lld) was not signed with this key, or was changed since", (long long)h->seq);
	if (h->seq > ch->last_seq)
		return err_set(err, ERR_REFUSED, "rows %lld to %lld were removed: the signed head is row %lld", (long long)ch->last_seq + 1,
			       (long long)h->seq, (long long)h->seq);
	return 0;
}

/* A running server signs within seconds: rows that went on without a signature stand behind an older head that somebody put back. */
static int check_tail(struct db_conn *c, const struct audit_chain *ch, const struct head *h, struct err *err)
{
	struct db_stmt *s;
	int64_t first_ms = 0;
	int rc = db_query(c, &s, err, "SELECT min(at_ms) FROM audit WHERE seq>?", "i", h->seq);
	if (rc == 0)
		rc = db_number(s, &first_ms, err);
	if (rc != 0 || ch->last_seq <= h->seq || ch->last_ms - first_ms <= TAIL_MS)
		return rc;
	return err_set(err, ERR_REFUSED, "rows %lld to %lld are not signed, and they are of more than %d s: an older head was put back, or signing failed (the "
		       "server's log says so)", (long long)h->seq + 1, (long long)ch->last_seq, TAIL_MS / 1000);
}

int audit_verify(struct db_conn *c, const uint8_t pub[AGENT_PUBLIC_SIZE], struct audit_verdict *ret, struct err *err)
{
	struct head h;
	char hash[AUDIT_HASH_HEX + 1] = "";
	*ret = (struct audit_verdict){0};
	/* the head first: rows that a running daemon adds meanwhile are beyond it */
	int rc = read_head(c, &h, err);
	if (rc == 0)
		rc = audit_check_chain(c, &ret->chain, err);
	if (rc == 0 && ret->chain.bad_seq != 0)
		rc = err_set(err, ERR_REFUSED, "%s", ret->chain.bad);
	if (rc == 0)
		rc = check_head(&ret->chain, &h, pub, err);
	if (rc == 0 && h.seq != 0)
		rc = audit_hash_of(c, h.seq, hash, err);
	if (rc == 0 && strcmp(hash, h.hash) != 0)
		rc = err_set(err, ERR_REFUSED, "the log was made anew: row %lld is not the one that was signed", (long long)h.seq);
	if (rc == 0)
		rc = check_tail(c, &ret->chain, &h, err);
	ret->signed_seq = h.seq;
	ret->signed_ms = h.at_ms;
	memcpy(ret->signed_hash, h.hash, sizeof(ret->signed_hash));
	return rc;
}
