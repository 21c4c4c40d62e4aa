/* Waiting for each other: a plan whose project another pull request holds waits behind it and is shown its place; once an apply is over, the plans
 * that it made stale are made again. Step 5. On the writer thread.
 *
 * A job that waits here is in state waiting with `behind` set. Nobody has to wake it: every round of picking looks whether the hold is over. */
#ifndef PLAN_QUEUE_H
#define PLAN_QUEUE_H

#include "plan/run_store.h"

/* At a job's turn: true when it is a plan that has to wait; then it does. */
int queue_hold(struct db_conn *c, const struct job_row *j, bool *ret_waits, struct err *err) MUST_CHECK;
/* Before picking: what waited for a project that is free by now is ready. */
int queue_release(struct db_conn *c, struct err *err) MUST_CHECK;

struct queue_place {
	int64_t behind;    /* the pull request that holds the project; 0: this job does not wait for one */
	bool unknown;      /* an apply of it whose outcome is unknown */
	int64_t place, of; /* among the pull requests that wait for the project, 1 is next */
};
int queue_place(struct db_conn *c, const struct job_row *j, struct queue_place *ret, struct err *err) MUST_CHECK;
/* How many pull requests wait for a project by now. */
int queue_length(struct db_conn *c, int64_t repo_id, const char *project, int64_t *ret, struct err *err) MUST_CHECK;

/* An apply job is over and may have changed something: open pull requests whose plan of this project was made before it are planned again, that
 * project alone. The caller lets the machine look (runs_look). */
int queue_after_apply(struct db_conn *c, const struct job_row *apply, struct err *err) MUST_CHECK;

/* How many jobs of a person wait for their turn. */
int queue_of_person(struct db_conn *c, const char *login, int64_t *ret, struct err *err) MUST_CHECK;

#endif
