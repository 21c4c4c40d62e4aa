/* The gate's facts from our own database: the plans of a head commit, what their projects require, who holds a lock; and the facts that
 * GitHub gave, kept between reading and showing. Step 4. On the writer thread. */
#ifndef PLAN_GATE_OWN_H
#define PLAN_GATE_OWN_H

#include "plan/gate_read.h"
#include "plan/run_store.h"

/* Borrowed by the facts: must live as long. A zeroed struct is empty. */
struct gate_own {
	struct buf unplanned;
	char holder[32];
	char project[201];
	char *planned_base;
	int64_t work; /* plans that have something to apply and were not applied */
};
void gate_own_free(struct gate_own *o);

/* Adds to facts what is known of jobs (those that an apply would be about). plan: the newest plan run of the head, NULL when none. */
int gate_own_add(struct db_conn *c, const struct run_row *plan, int64_t repo_id, int64_t pull, const struct job_list *jobs, struct gate_facts *facts,
		 struct gate_own *own, struct err *err) MUST_CHECK;
/* What a project requires, also of an apply that is about others: merging brings all of them in. */
void gate_own_require(const struct job_row *j, struct gate_facts *f);
/* A plan that has something to apply and was not applied. */
bool gate_own_has_work(const struct job_row *j);

/* What GitHub said, as the run's facts column keeps it. */
void gate_facts_write(const struct gate_seen *seen, struct buf *out);
/* False: none or damaged. The caller frees seen. */
bool gate_facts_read(const char *json, struct gate_seen *ret);

#endif
