/* The outbox: what is owed to GitHub, as desired state per slot, kept in the database until delivered. Step 9.
 *
 * A slot is e.g. "comment/REPO_ID/PR", "status/REPO_ID/SHA/CONTEXT" or "check/REPO_ID/SHA/NAME". Setting a slot replaces what was desired
 * (coalescing) in the transaction that decided it. Delivered at least once, visible exactly once:
 *   - after a POST whose answer was lost it looks before it posts again: for a comment by our authorship and the slot's hidden marker, for a check
 *     by name, commit and external id of our own App. A comment that is not ours is never edited, whatever it says;
 *   - a comment that somebody deleted is posted once more for what it has to say now; deleted again, it stays away until there is news;
 *   - a check goes from queued over in_progress to completed and never back; another external id is another check run;
 *   - annotations beyond what GitHub takes at once go with further edits; after an interrupted one GitHub is asked how many arrived.
 *
 * GitHub's budget of writes is per installation: the owner of the repository for an App, one for an account. Each has one write at a time, a burst
 * of LIMIT_WRITES_BURST and then one a second, OUTBOX_HOUR_WRITES an hour; installations go side by side, and GitHub's advice to wait holds for
 * one of them alone. All of that is in the database: a restart finds the budget as it was. Order: conclusions of the gate check, comments, other
 * conclusions, comments that may wait, what is pending; what has waited for long goes first among the last four.
 *
 * A merge is no effect but a state of its run: looked at first, then done with the expected head (plan/runs.h). */
#ifndef GITHUB_OUTBOX_H
#define GITHUB_OUTBOX_H

#include "base/db.h"
#include "github/gh.h"

enum effect_kind { EFFECT_COMMENT, EFFECT_REPLY /* posted once, never edited */, EFFECT_STATUS, EFFECT_CHECK };

/* The name of the check or status that branch protection is to require. */
#define OUTBOX_GATE "sluice"

struct effect {
	enum effect_kind kind;
	const char *slot;       /* unique */
	int64_t repo_id;
	const char *repo;       /* full name now */
	int64_t pull;           /* comment, reply */
	const char *body;       /* comment, reply: without the marker, which the outbox adds */
	const char *sha, *context, *state, *description, *target_url; /* status */
	const struct gh_check *check; /* check: name, head_sha, external_id and status are needed; its annotations are not looked at ... */
	const char *annotations;      /* ... but these: a JSON object a line, any number. Once some are sent they stay as they are */
	int64_t not_before_ms;  /* wall; an edit that may wait (coalesced). 0: now */
};

extern const char OUTBOX_SCHEMA[];   /* part of migration 1 */
extern const char OUTBOX_SCHEMA_2[]; /* part of migration 2 */

/* The marker that the outbox puts before a body counts against LIMIT_COMMENT_BYTES: leave it this much room. */
enum { OUTBOX_MARKER_MAX = 256 };

/* Inside a transaction of the writer. The same content again costs nothing; a reply that stands already is left as it is, and so is a check that
 * is completed when the same external id asks for less. ERR_LIMIT for what GitHub would not take. */
int outbox_set(struct db_conn *c, const struct effect *e, struct err *err) MUST_CHECK;
/* The comment's or check's id of a slot, 0 while unknown. */
int outbox_remote_id(struct db_conn *c, const char *slot, int64_t *ret, struct err *err) MUST_CHECK;
/* Wall time at which GitHub last took what this slot had to say; 0: never. */
int outbox_delivered_ms(struct db_conn *c, const char *slot, int64_t *ret, struct err *err) MUST_CHECK;
/* GitHub told that this comment of the repository was deleted. If it was ours it is owed again, once for the same content. */
int outbox_comment_deleted(struct db_conn *c, int64_t repo_id, int64_t comment_id, struct err *err) MUST_CHECK;

struct outbox;
struct outbox *outbox_new(struct loop *l, struct db *db, struct gh *gh);
void outbox_wake(struct outbox *o); /* after a commit that set something */
/* Before gh_close and db_close. What is under way is settled after the next start. */
void outbox_close(struct outbox *o);
/* Effects not delivered yet (-1: the database did not say), for tests, /metrics and a clean stop. */
void outbox_pending(struct outbox *o, void (*cb)(int64_t n, void *arg), void *arg);
/* The same, and how many effects GitHub will not take: a locked conversation, issues switched off, an archived repository ... */
void outbox_counts(struct outbox *o, void (*cb)(int64_t pending, int64_t dead, void *arg), void *arg);

#endif
