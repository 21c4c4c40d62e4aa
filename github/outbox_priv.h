/* What the files of the outbox share: the pure policy, and the store's one transaction per step. Not for others. */
#ifndef GITHUB_OUTBOX_PRIV_H
#define GITHUB_OUTBOX_PRIV_H

#include "base/crypto.h"
#include "github/outbox.h"

enum {
	OUTBOX_SETTLE_MS = 2000,             /* an unanswered POST gets this long to show up before we look for it */
	OUTBOX_AGED_MS = 10 * 1000,          /* an effect waiting longer goes first, whatever its kind */
	OUTBOX_HOUR_WRITES = 500,            /* GitHub's content limit an hour */
	OUTBOX_BACKOFF_MAX_MS = 5 * 60 * 1000,
	OUTBOX_DIGEST_SIZE = 2 * SHA256_SIZE + 1,
};

/* --- policy (outbox_policy.c): pure ------------------------------------------------------------------------------------------------ */

enum outbox_op {
	OUTBOX_LOOK, /* GET: is the comment of an earlier POST there? */
	OUTBOX_POST, /* a new comment */
	OUTBOX_EDIT,
	OUTBOX_STATUS,
};

enum outbox_verdict {
	OUTBOX_DELIVERED,
	OUTBOX_ABSENT,   /* looked, not there: POST now */
	OUTBOX_AGAIN,    /* later */
	OUTBOX_UNSURE,   /* it may have happened: look before posting, write again before trusting */
	OUTBOX_GONE,     /* the comment we edit is not there: look, then post */
	OUTBOX_HOPELESS, /* kept, told, not tried again until something new is desired */
};
enum outbox_verdict outbox_judge(enum outbox_op op, const struct gh_result *r, int64_t found_id, unsigned refusals);
bool outbox_is_refusal(const struct gh_result *r);
int64_t outbox_backoff_ms(unsigned tries); /* after that many failures in a row */

/* The rate of writes. One number is the whole bucket: the time at which it would be full again. */
struct outbox_rate {
	int64_t full_at_ms;
	int64_t blocked_until_ms;    /* GitHub's own advice */
	int64_t hour_ago_ms;         /* when the write OUTBOX_HOUR_WRITES before the next one went; 0: there was none */
};
int64_t outbox_rate_when(const struct outbox_rate *r, int64_t now_ms); /* 0: now, else the wall time to wait for */
void outbox_rate_spend(struct outbox_rate *r, int64_t now_ms);

/* "<!-- sluice slot=... -->\n": nothing in a slot can end the HTML comment early. */
void outbox_marker(struct buf *out, const char *slot);
void outbox_digest(const struct effect *e, char out[OUTBOX_DIGEST_SIZE]);

/* --- store (outbox_store.c): on the writer thread ---------------------------------------------------------------------------------- */

/* One effect as taken to be sent; owns its strings. */
struct outbox_item {
	int64_t id, repo_id, pull, remote_id;
	enum effect_kind kind;
	enum outbox_op op;
	unsigned tries, refusals;
	int64_t rev;
	char digest[OUTBOX_DIGEST_SIZE];
	char *slot, *repo, *body, *sha, *context, *status, *description, *target_url;
};
void outbox_item_free(struct outbox_item *i);

/* What came of a sent item. */
struct outbox_outcome {
	int64_t item_id;        /* 0: nothing was sent, only take */
	enum effect_kind kind;
	enum outbox_op op;
	enum outbox_verdict verdict;
	bool refused;           /* a 403 or 404 that counts against LIMIT_GITHUB_TRIES */
	int64_t rev, remote_id, next_ms, blocked_until_ms;
	char digest[OUTBOX_DIGEST_SIZE];
	char error[ERR_MSG_MAX];
};

/* Records `o`, then takes the next due effect: op says what to do with it; a POST is marked in the same transaction, so that a crash after
 * it is known to be ambiguous. ret->id 0: nothing is due now, and *ret_wait_ms is the wall time of the next one (0: none at all). */
int outbox_store_step(struct db_conn *c, const struct outbox_outcome *o, int64_t now_ms, struct outbox_item *ret, int64_t *ret_wait_ms,
		      struct err *err) MUST_CHECK;
/* After a start: what was due may have been sent without a record; statuses of long ago are forgotten. */
int outbox_store_recover(struct db_conn *c, int64_t now_ms, struct err *err) MUST_CHECK;
int outbox_store_pending(struct db_conn *c, int64_t *ret, struct err *err) MUST_CHECK;

#endif
