/* The outbox: what is owed to GitHub, as desired state per slot, kept in the database until delivered. Step 9.
 *
 * A slot is e.g. "comment/REPO_ID/PR" or "status/REPO_ID/SHA/CONTEXT". Setting a slot replaces what was desired (coalescing) in the
 * transaction that decided it. The dispatcher sends one write at a time, content writes in a burst of LIMIT_WRITES_BURST and then one a
 * second, comments before statuses of projects before roll-ups within one wake-up; delivered at least once, visible exactly once: after an
 * ambiguous POST of a comment it looks (by our authorship and the slot's hidden marker) before it posts again; an edited comment that is gone
 * (404) is posted once more. A 403/429 with advice moves next_at, kept in the database, for all. */
#ifndef GITHUB_OUTBOX_H
#define GITHUB_OUTBOX_H

#include "base/db.h"
#include "github/gh.h"

enum effect_kind { EFFECT_COMMENT, EFFECT_REPLY /* posted once, never edited */, EFFECT_STATUS };

struct effect {
	enum effect_kind kind;
	const char *slot;       /* unique */
	int64_t repo_id;
	const char *repo;       /* full name now */
	int64_t pull;           /* comment, reply */
	const char *body;       /* comment, reply: without the marker, which the outbox adds */
	const char *sha, *context, *state, *description, *target_url; /* status */
	int64_t not_before_ms;  /* wall; an edit that may wait (coalesced). 0: now */
};

extern const char OUTBOX_SCHEMA[];   /* part of migration 1 */
extern const char OUTBOX_SCHEMA_2[]; /* part of migration 2 */

/* The marker that the outbox puts before a body counts against LIMIT_COMMENT_BYTES: leave it this much room. */
enum { OUTBOX_MARKER_MAX = 256 };

/* Inside a transaction of the writer. The same content again costs nothing; a reply that stands already is left as it is.
 * ERR_LIMIT for a comment that GitHub would not take. */
int outbox_set(struct db_conn *c, const struct effect *e, struct err *err) MUST_CHECK;
/* The comment id of a slot, 0 while unknown. */
int outbox_remote_id(struct db_conn *c, const char *slot, int64_t *ret, struct err *err) MUST_CHECK;

struct outbox;
struct outbox *outbox_new(struct loop *l, struct db *db, struct gh *gh);
void outbox_wake(struct outbox *o); /* after a commit that set something */
/* Before gh_close and db_close. What is under way is settled after the next start. */
void outbox_close(struct outbox *o);
/* Effects not delivered yet (-1: the database did not say), for tests, /metrics and a clean stop. */
void outbox_pending(struct outbox *o, void (*cb)(int64_t n, void *arg), void *arg);

#endif
