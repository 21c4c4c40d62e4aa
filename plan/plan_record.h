/* The signed record of a plan: what exactly was planned, from what, with what, and until when it may be applied. Step 6. Pure but for the key
 * agent's signature.
 *
 * One table (plan_record.c) has a row per field: its name, where it lies, when it must be the same, and the sentence for when it is not. Writing,
 * reading and comparing all walk that table. The text is one line of JSON in the order of the table, and there is exactly one text for one
 * record: what was read must write itself again byte by byte.
 *
 *   planned:  fill the record (plan_record_job.h), plan_record_sign, job_set_record
 *   applied:  plan_record_verify the stored text, derive the record again from what is true now, plan_record_compare: any difference is refused
 *             by name
 *
 * Records own their texts. NULL is a value of its own ("none"). */
#ifndef PLAN_PLAN_RECORD_H
#define PLAN_PLAN_RECORD_H

#include "base/buf.h"
#include "secrets/agent.h"

#include <stddef.h>

struct record_input {
	char *path, *id; /* git id of the tree or file */
	bool is_module;
};

/* The project's own tree, every local module, files outside. Too many to sign one by one (RECORD_INPUTS_MAX): none, and only the digest binds. */
struct record_inputs {
	struct record_input *v;
	size_t n;
};
enum { RECORD_INPUTS_MAX = 256, RECORD_INPUTS_BYTES = 40 * 1024 };

struct plan_record {
	int64_t repo_id, pull;
	char *repo, *project, *dir, *workspace;
	char *head_sha, *base_ref, *base_sha;
	char *inputs; /* digest over all of them */
	struct record_inputs each;
	char *lock_id;                           /* git id of the engine's lock file */
	char *modules;                           /* digest of the remote modules that were fetched */
	char *args;                              /* further flags of the engine, one a line */
	char *config_id, *server_digest;         /* git id of sluice.yaml on the base branch; SHA-256 of what binds in the server file */
	char *engine, *engine_version, *engine_sha256;
	char *backend;                           /* "managed", or its type and what identifies it */
	char *state_lineage;                     /* of the managed state that the plan saw */
	int64_t state_serial;
	char *policies;                          /* "NAME ok" or "NAME failed", one a line */
	char *cost;
	char *plan_sha256, *changes;             /* of the clear plan file; of the normalised change set (changes.h) */
	int64_t tier;
	bool destroy;
	int64_t planned_ms, expires_ms;
};
void plan_record_free(struct plan_record *r);

/* When the comparison is made: after the merge the commits are others, and everything else is still the same. */
enum plan_record_when { RECORD_BEFORE_MERGE, RECORD_AFTER_MERGE };

void plan_record_write(const struct plan_record *r, struct buf *out);
/* ERR_PARSE: not a record, or not written the one way in which we write it. */
int plan_record_read(const char *text, size_t len, struct plan_record *ret, struct err *err) MUST_CHECK;
/* ERR_LIMIT when it is larger than the agent signs. The caller frees the text. */
int plan_record_sign(struct agent *a, const struct plan_record *r, char **ret_text, uint8_t ret_sig[AGENT_SIG_SIZE], struct err *err) MUST_CHECK;
/* Signature first, then the text. ERR_REFUSED: not signed by this key for this purpose. */
int plan_record_verify(const uint8_t pub[AGENT_PUBLIC_SIZE], const char *text, size_t len, const uint8_t sig[AGENT_SIG_SIZE], struct plan_record *ret,
		       struct err *err) MUST_CHECK;
/* ERR_REFUSED with the sentence of the first field that differs; its name in ret_field (static; may be NULL). */
int plan_record_compare(const struct plan_record *was, const struct plan_record *now, enum plan_record_when when, const char **ret_field,
			struct err *err) MUST_CHECK;

/* The table itself, for documents and for tests that change one field after the other. */
enum plan_record_kind { RECORD_TEXT, RECORD_NUMBER, RECORD_FLAG, RECORD_INPUTS };
enum plan_record_bound { RECORD_ALWAYS, RECORD_BEFORE /* the merge makes it another one */, RECORD_SIGNED /* nothing to compare it with */ };
struct plan_record_row {
	const char *name;
	enum plan_record_kind kind;
	size_t offset;
	enum plan_record_bound bound;
	const char *sentence; /* the plan of `X` ... : plan again */
};
const struct plan_record_row *plan_record_rows(size_t *ret_n);

#endif
