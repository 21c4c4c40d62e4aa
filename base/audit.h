/* The audit log: every transition, approval considered, token minted, secret read and command is a row, written in the transaction that did
 * it and chained by SHA-256, so that a changed, removed or reordered row is found. On the writer thread. */
#ifndef BASE_AUDIT_H
#define BASE_AUDIT_H

#include "base/db.h"

extern const char AUDIT_SCHEMA[]; /* part of migration 2 */

/* One thing that happened. Zero and NULL members are not said. */
struct audit {
	const char *kind;  /* "run.state", "job.state", "gate", "command", "token", "merge", ... */
	const char *actor; /* login of a person, or "sluice" */
	int64_t repo_id, pull, run_id, job_id;
	const char *detail; /* a JSON object, or NULL */
};
int audit_add(struct db_conn *c, const struct audit *a, struct err *err) MUST_CHECK;

#endif
