/* Managed state: every version of every project's state, sealed on disk, its facts here. Steps 6 and 8. On the writer thread.
 * A version with an older serial, or of another lineage, never replaces a newer one. */
#ifndef PLAN_STATE_STORE_H
#define PLAN_STATE_STORE_H

#include "base/db.h"
#include "base/mem.h"
#include "secrets/agent.h"

struct state_version {
	int64_t id, repo_id;
	char *project, *workspace, *lineage, *sha256, *aad;
	char *path; /* relative to data_dir */
	int64_t serial, bytes, run_id, job_id, created_ms;
	uint8_t key_wrapped[AGENT_WRAPPED_SIZE];
	char *key_context; /* what the key agent wrapped it under */
};

void state_version_free(struct state_version *v);
void state_version_copy(struct state_version *to, const struct state_version *from); /* to owns its strings */
/* The version in force. ERR_NOT_FOUND: none yet. */
int state_current(struct db_conn *c, int64_t repo_id, const char *project, const char *workspace, struct state_version *ret, struct err *err) MUST_CHECK;
/* ERR_REFUSED: older serial or another lineage (the sentence says which). Storing the same digest again is fine and does nothing. */
int state_put(struct db_conn *c, const struct state_version *v, struct err *err) MUST_CHECK;
typedef void (*state_each_cb)(const struct state_version *v, void *arg);
/* Newest first; project NULL: the version in force of each project alone. repo_id 0, workspace NULL: any. v is gone after the callback. */
int state_each(struct db_conn *c, int64_t repo_id, const char *project, const char *workspace, state_each_cb cb, void *arg,
	       struct err *err) MUST_CHECK;

#endif
