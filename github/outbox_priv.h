/* What the files of the outbox share: the pure policy, the store's one transaction per step, and the one request per item. Not for others. */
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
	OUTBOX_LOOK, /* GET: is the comment of an earlier POST there? the check, and how many annotations has it? */
	OUTBOX_POST, /* a new comment or check */
	OUTBOX_EDIT,
	OUTBOX_STATUS,
};

enum outbox_verdict {
	OUTBOX_DELIVERED,
	OUTBOX_ABSENT,   /* looked, not there: POST now */
	OUTBOX_AGAIN,    /* later */
	OUTBOX_UNSURE,   /* it may have happened: look before posting, write again before trusting */
	OUTBOX_GONE,     /* what we edit is not there, or not ours: look, then post */
	OUTBOX_HOPELESS, /* kept, told, not tried again until something new is desired */
};
enum outbox_verdict outbox_judge(enum outbox_op op, const struct gh_result *r, int64_t found_id, unsigned refusals);
bool outbox_is_refusal(const struct gh_result *r);
int64_t outbox_backoff_ms(unsigned tries); /* after that many failures in a row */

/* The rate of writes of one installation. One number is the whole bucket: the time at which it would be full again. */
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
/* Lines [from, from + LIMIT_CHECK_ANNOTATIONS) of `lines` as a JSON array; NULL and 0 when there are none. The caller frees. */
char *outbox_chunk(const char *lines, int64_t from, int64_t *ret_n);

/* --- store (outbox_store.c, outbox_step.c): on the writer thread ------------------------------------------------------------------- */

/* One effect as taken to be sent; owns its strings. Of a check: body is its summary, context its name, description its title. */
struct outbox_item {
	int64_t id, repo_id, pull, remote_id;
	enum effect_kind kind;
	enum outbox_op op;
	unsigned tries, refusals;
	bool told; /* it was hopeless before, and nothing of it was delivered since */
	int64_t rev;
	char digest[OUTBOX_DIGEST_SIZE];
	char *slot, *repo, *body, *sha, *context, *status, *description, *target_url;
	char *external_id, *conclusion, *details, *actions, *chunk;
	int64_t chunk_n; /* annotations in chunk */
};
void outbox_item_free(struct outbox_item *i);

/* What came of a sent item. */
struct outbox_outcome {
	int64_t item_id;        /* 0: nothing was sent, only take */
	enum outbox_op op;
	enum outbox_verdict verdict;
	bool refused;           /* a 403 or 404 that counts against LIMIT_GITHUB_TRIES */
	int64_t rev, remote_id, next_ms, blocked_until_ms;
	int64_t annotations;    /* of a look: how many are there; of a write: how many went */
	char digest[OUTBOX_DIGEST_SIZE];
	char error[ERR_MSG_MAX];
};

/* Records `o`, then takes the next due effect of an installation (key: the owner, "" of an account: all): op says what to do with it; a POST is
 * marked in the same transaction, so that a crash after it is known to be ambiguous. ret->id 0: nothing is due now, and *ret_wait_ms is the wall
 * time of the next one (0: none at all). */
int outbox_store_step(struct db_conn *c, const char *key, const struct outbox_outcome *o, int64_t now_ms, struct outbox_item *ret,
		      int64_t *ret_wait_ms, struct err *err) MUST_CHECK;
/* After a start: what was due may have been sent without a record, so it is not trusted, and paid for; statuses of long ago are forgotten. */
int outbox_store_recover(struct db_conn *c, bool app, int64_t now_ms, struct err *err) MUST_CHECK;
int outbox_store_pending(struct db_conn *c, int64_t *ret, struct err *err) MUST_CHECK;
int outbox_store_dead(struct db_conn *c, int64_t *ret, struct err *err) MUST_CHECK;
/* Installations that are owed something, at most LIMIT_OUTBOX_LANES. */
int outbox_store_owners(struct db_conn *c, struct strlist *ret, struct err *err) MUST_CHECK;
int outbox_rate_load(struct db_conn *c, const char *key, struct outbox_rate *ret, int64_t *ret_writes, struct err *err) MUST_CHECK;
/* Pays for one write (spent), and remembers GitHub's advice (0: none). */
int outbox_rate_pay(struct db_conn *c, const char *key, bool spent, int64_t blocked_until_ms, int64_t now_ms, struct err *err) MUST_CHECK;

/* --- calls (outbox_call.c): on the loop -------------------------------------------------------------------------------------------- */

/* The part of github/gh.h that the outbox writes with; tests put their own GitHub here. */
struct outbox_github {
	void (*get_self)(struct gh *g, gh_cb cb, void *arg);
	void (*find_comment)(struct gh *g, const char *repo, int64_t n, int64_t self_id, const char *marker, gh_cb cb, void *arg);
	void (*post_comment)(struct gh *g, const char *repo, int64_t n, const char *body, gh_cb cb, void *arg);
	void (*edit_comment)(struct gh *g, const char *repo, int64_t comment_id, const char *body, gh_cb cb, void *arg);
	void (*post_status)(struct gh *g, const char *repo, const char *sha, const char *context, const char *state, const char *description,
			    const char *target_url, gh_cb cb, void *arg);
	void (*find_check)(struct gh *g, const char *repo, const char *sha, const char *name, const char *external_id, gh_cb cb, void *arg);
	void (*post_check)(struct gh *g, const char *repo, const struct gh_check *c, gh_cb cb, void *arg);
	void (*edit_check)(struct gh *g, const char *repo, int64_t id, const struct gh_check *c, gh_cb cb, void *arg);
};
extern const struct outbox_github outbox_github_real;

/* Whose comment it must be has to be known before this item may go. */
bool outbox_needs_self(const struct outbox_item *i);
void outbox_call(const struct outbox_github *v, struct gh *g, int64_t self_id, const struct outbox_item *i, gh_cb cb, void *arg);
void outbox_outcome_of(const struct outbox_item *i, const struct gh_answer *a, int64_t now_ms, struct outbox_outcome *ret);

#endif
