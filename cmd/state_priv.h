/* `sluice state`: between its looking half (state.c) and its changing half (state_change.c). */
#ifndef CMD_STATE_PRIV_H
#define CMD_STATE_PRIV_H

#include "base/json.h"
#include "plan/config.h"
#include "plan/state_store.h"

struct state_ask {
	const char *verb, *project, *config_file, *workspace;
	int64_t repo_id, serial; /* 0: not said */
	bool json;
	struct server_config config;
	struct db_conn *db;
	struct buf out;
	struct json_writer w;
	size_t n;
};

/* The version in force of the project that was named; ERR_USAGE when several repositories or workspaces have one. */
int state_find(struct state_ask *a, struct state_version *ret, struct err *err) MUST_CHECK;
/* Clear bytes of a version, appended to out. */
int state_open_sealed(const struct state_ask *a, const struct state_version *v, struct buf *out, struct err *err) MUST_CHECK;

/* push: standard input becomes the next version. rollback: an older version becomes the next one, with a new serial. Both need the server
 * to be stopped, since one process alone writes to the database. */
int state_push(struct state_ask *a, struct err *err) MUST_CHECK;
int state_rollback(struct state_ask *a, struct err *err) MUST_CHECK;

#endif
