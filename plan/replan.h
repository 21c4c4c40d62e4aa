/* Planned again on the base branch: when the merge changed what a plan was made from, or when something it depends on was applied first, the
 * reviewed plan is not applied. The project is planned anew, in the apply's own run, and the two change sets are compared: the same one goes on,
 * another one is shown and asks again. Step 6. On the writer thread. */
#ifndef PLAN_REPLAN_H
#define PLAN_REPLAN_H

#include "plan/run_store.h"

/* Why a reviewed plan cannot be applied as it is; NULL: it can. names: the projects of this apply, one a line. */
const char *replan_reason(const struct prepared_project *now, const struct job_row *plan, bool config_changed, const char *names);
/* The job that plans again. */
int replan_create(struct db_conn *c, const struct run_row *run, const struct prepared_project *now, const struct job_row *plan, const char *reason,
		  struct err *err) MUST_CHECK;
/* Such a job is done: makes the apply job when the change set is the reviewed one, asks again when it is not. A job of a plan run is left alone. */
int replan_done(struct db_conn *c, const struct job_row *again, struct err *err) MUST_CHECK;
/* Was it planned again with another change set, so that somebody has to ask for that one? */
bool replan_asks_again(const struct job_row *j);
/* Rows of an apply run as people see it: of a project with both, the apply. */
void replan_fold(struct job_list *l);

#endif
