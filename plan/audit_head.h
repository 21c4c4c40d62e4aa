/* Step 6, and beside all others. The signed head of the audit log: its last row, signed by the key agent a few seconds after it was written.
 * What a chain of hashes cannot tell by itself, a cut end and a log that was made anew as a whole, is told by this signature. */
#ifndef PLAN_AUDIT_HEAD_H
#define PLAN_AUDIT_HEAD_H

#include "base/audit.h"
#include "base/buf.h"
#include "secrets/agent.h"

/* On the writer thread. Does nothing without new rows. ERR_REFUSED when the row that was signed last is not in the log any more: then nothing is
 * signed, so that the evidence stays. */
int audit_sign_head(struct db_conn *c, struct agent *a, struct err *err) MUST_CHECK;

/* Does that every 2 s. One for a daemon; closed before the database is. */
struct audit_head;
struct audit_head *audit_head_new(struct loop *l, struct db *db, struct agent *a);
void audit_head_close(struct audit_head *h); /* NULL is fine */

/* The whole log, against a public key: 0, and ret says how much there is; ERR_REFUSED with the sentence of the first thing that is wrong. */
struct audit_verdict {
	struct audit_chain chain;
	int64_t signed_seq, signed_ms; /* 0: no row was signed, since there is none */
	char signed_hash[AUDIT_HASH_HEX + 1];
};
int audit_verify(struct db_conn *c, const uint8_t pub[AGENT_PUBLIC_SIZE], struct audit_verdict *ret, struct err *err) MUST_CHECK;

#endif
