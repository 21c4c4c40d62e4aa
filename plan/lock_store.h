/* Locks: a project of a repository is held by one pull request while its apply is under way, and after an apply whose outcome is unknown.
 * Step 5. On the writer thread.
 *
 * A lock is not a row that somebody has to remove. It is read from history, so it cannot leak:
 *   claimed    a run that is not over claimed the project when its gate opened, and its apply job of it is not over
 *   unknown    an apply job of the project has an unknown outcome that nobody has resolved (plan/resolve.h)
 * A claim of a run that ended means nothing any more; it stays as a record of who held what. */
#ifndef PLAN_LOCK_STORE_H
#define PLAN_LOCK_STORE_H

#include "base/db.h"

extern const char LOCK_SCHEMA[]; /* part of migration 2, after PLAN_SCHEMA_2: claims, and the view `held` */

struct lock_row {
	int64_t pull, run_id, created_ms; /* created_ms: since when */
	bool unknown;                     /* the outcome of its apply is unknown */
	char project[201];
	char reason[64]; /* "apply", "outcome unknown" */
	char asker[64];  /* login of who asked for that apply; "" when a merge did */
};

/* Claims a project for a run of a pull request, or finds that it did; ERR_CONFLICT with a sentence that names the holder. A pull request is
 * in its own way only while an outcome of its own is unknown. */
int lock_take(struct db_conn *c, int64_t repo_id, const char *project, int64_t pull, int64_t run_id, struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND: free. An unknown outcome is told before a claim. */
int lock_get(struct db_conn *c, int64_t repo_id, const char *project, struct lock_row *ret, struct err *err) MUST_CHECK;
/* The same as a question of a pull request: does another one, or an unknown outcome, stand in its way? ret is set when it is true. */
int lock_in_way(struct db_conn *c, int64_t repo_id, const char *project, int64_t pull, struct lock_row *ret, bool *ret_held, struct err *err) MUST_CHECK;
struct lock_list {
	struct lock_row *v;
	size_t n;
};
void lock_list_free(struct lock_list *l);
/* Everything that a pull request holds, by name. */
int lock_list_of_pull(struct db_conn *c, int64_t repo_id, int64_t pull, struct lock_list *ret, struct err *err) MUST_CHECK;
/* `unlock`: ends the jobs of this pull request's apply that wait for their turn, if none of them has begun yet. Returns that run, 0: none;
 * the caller finishes it (jobs_finish_run). An unknown outcome is never given back this way. */
int lock_give_back(struct db_conn *c, int64_t repo_id, int64_t pull, int64_t *ret_run_id, struct err *err) MUST_CHECK;

#endif
