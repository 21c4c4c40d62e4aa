/* For tests of rows: a database in memory with the whole schema, and runs and jobs with few words. A failing statement fails the test. */
#ifndef TESTS_SUPPORT_STORE_SUPPORT_H
#define TESTS_SUPPORT_STORE_SUPPORT_H

#include "plan/run_store.h"

enum { STORE_REPO = 77 };

/* The one migration that a database of a server starts with. */
const struct db_migration *store_schema(void);
struct db_conn *store_open(void); /* in memory; the clock stands at STORE_NOW */
void store_close(struct db_conn *c);
#define STORE_NOW INT64_C(1764079387000)

/* A queued run of acme/infra#pull; pull runs are made as a push makes them, applies are asked by alice. */
int64_t store_run(struct db_conn *c, enum run_kind kind, int64_t pull);
/* The same, walked to a state: with head `sha`, base main. */
int64_t store_run_at(struct db_conn *c, enum run_kind kind, int64_t pull, const char *sha, enum run_state state);
/* A job of a run. depends: names, one a line; NULL. */
int64_t store_job(struct db_conn *c, int64_t run, const char *project, enum job_phase phase, enum job_state state, const char *depends);
enum run_state store_run_state(struct db_conn *c, int64_t run);
enum job_state store_job_state(struct db_conn *c, int64_t job);
/* First column of the first row as text; "" when there is none. Static storage. sql: as with db_query, a constant. */
const char *store_text(struct db_conn *c, const char *sql, const char *arg);
int64_t store_int(struct db_conn *c, const char *sql);
void store_exec(struct db_conn *c, const char *sql);
/* Fails the test with the sentence when rc is an error. */
void store_must(int rc, const struct err *err);

#endif
