/* Locks: a project of a repository is held by one pull request while its apply runs, and after an apply whose outcome is unknown. Step 5.
 * On the writer thread. */
#ifndef PLAN_LOCK_STORE_H
#define PLAN_LOCK_STORE_H

#include "base/db.h"

struct lock_row {
	int64_t pull, run_id, created_ms;
	char project[201];
	char reason[64]; /* "apply", "outcome unknown" */
};

/* Takes or keeps the lock for pull; ERR_CONFLICT with a sentence that names the holder. */
int lock_take(struct db_conn *c, int64_t repo_id, const char *project, int64_t pull, int64_t run_id, struct err *err) MUST_CHECK;
int lock_set_reason(struct db_conn *c, int64_t repo_id, const char *project, const char *reason, struct err *err) MUST_CHECK;
/* Lets go of what a run took; a lock that another run holds, or whose outcome is unknown, stays. */
int lock_release_job(struct db_conn *c, int64_t repo_id, const char *project, int64_t run_id, struct err *err) MUST_CHECK;
int lock_release_project(struct db_conn *c, int64_t repo_id, int64_t pull, const char *project, int64_t *ret_n, struct err *err) MUST_CHECK;
/* The same for all projects of a run. */
int lock_release_run(struct db_conn *c, int64_t repo_id, int64_t run_id, struct err *err) MUST_CHECK;
/* `unlock`: everything of a pull request, unknown outcomes too. */
int lock_release_pull(struct db_conn *c, int64_t repo_id, int64_t pull, int64_t *ret_n, struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND: free. */
int lock_get(struct db_conn *c, int64_t repo_id, const char *project, struct lock_row *ret, struct err *err) MUST_CHECK;

#endif
