/* The audit log: every transition, approval considered, token minted, secret read and command is a row, written in the transaction that did
 * it and chained by SHA-256, so that a changed, removed or reordered row is found. On the writer thread; reading also beside it.
 *
 * The chain alone cannot tell that its end was cut off, or that all of it was made anew: its head is signed (plan/audit_head.h). Rows are never
 * updated or deleted; the database refuses both. */
#ifndef BASE_AUDIT_H
#define BASE_AUDIT_H

#include "base/db.h"

extern const char AUDIT_SCHEMA[]; /* part of migration 2 */

enum { AUDIT_HASH_HEX = 64 };

/* One thing that happened. Zero and NULL members are not said. */
struct audit {
	const char *kind;  /* "run.state", "job.state", "gate", "command", "token", "merge", ... */
	const char *actor; /* login of a person, or "sluice" */
	int64_t repo_id, pull, run_id, job_id;
	const char *detail; /* a JSON object, or NULL */
};
int audit_add(struct db_conn *c, const struct audit *a, struct err *err) MUST_CHECK;

/* A row as it stands; texts until the callback returns. */
struct audit_row {
	int64_t seq, at_ms, repo_id, pull, run_id, job_id;
	const char *kind, *actor, *detail, *prev, *hash;
};
/* Rows after `after`, oldest first; a negative answer of fn ends the walk and is returned. */
int audit_each(struct db_conn *c, int64_t after, int (*fn)(const struct audit_row *row, void *arg, struct err *err), void *arg,
	       struct err *err) MUST_CHECK;
/* The hash that a row has to have, of its prev and its other members. */
void audit_hash(const struct audit_row *row, char ret[AUDIT_HASH_HEX + 1]);

/* Where the chain ends, and a row of it; ret_hash "" and seq 0 without one. */
int audit_last(struct db_conn *c, int64_t *ret_seq, char ret_hash[AUDIT_HASH_HEX + 1], struct err *err) MUST_CHECK;
int audit_hash_of(struct db_conn *c, int64_t seq, char ret_hash[AUDIT_HASH_HEX + 1], struct err *err) MUST_CHECK;

/* The chain walked from its first row: the first thing that is wrong, as a sentence. */
struct audit_chain {
	int64_t rows, last_seq, last_ms;
	char last_hash[AUDIT_HASH_HEX + 1];
	int64_t bad_seq; /* 0: none */
	char bad[256];
};
int audit_check_chain(struct db_conn *c, struct audit_chain *ret, struct err *err) MUST_CHECK;

#endif
