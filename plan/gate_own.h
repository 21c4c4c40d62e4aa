/* The gate's facts from our own database: the plans of a head and since when each of them stands, what their projects require, who pushed the
 * head, who holds a lock, whether the plans were told; and what these make of the reviews that GitHub told. Step 4. On the writer thread. */
#ifndef PLAN_GATE_OWN_H
#define PLAN_GATE_OWN_H

#include "plan/codeowners.h"
#include "plan/gate_read.h"
#include "plan/run_store.h"

/* Borrowed by the facts: must live as long. A zeroed struct is empty. */
struct gate_own {
	struct buf unplanned, gone, expired, partial, not_counted, owners_missing, owners_bad, told_why;
	char holder[32];
	char project[201];
	char *planned_base, *label, *bad_record;
	struct owners owners; /* of the plan run */
	bool owners_read;
	struct strlist considered; /* each review as a JSON object, for the audit */
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

/* The part of gate_own_add that is pure (gate_reviews.c): what GitHub told, the owners that the plan found, the history of the plans. */
struct gate_history {
	const char *head;
	int64_t pusher_id; /* 0: not known */
	const struct person_list *pushers; /* of earlier heads; NULL: none */
	const struct approval_project *projects;
	size_t projects_n;
};
void gate_reviews_add(const struct gate_heard *heard, const struct gate_history *history, struct gate_facts *facts, struct gate_own *own);
/* The first label that blocks; NULL. Labels are compared as GitHub does, without case. */
const char *gate_blocking_label(const struct strlist *labels, const struct strlist *blocked_by);

/* For the audit, in the transaction that decided: each review that was considered, and the verdict with its rows (gate_audit.c). at: "asked",
 * "credentials", "exec". */
int gate_audit(struct db_conn *c, const struct run_row *run, const char *at, const struct gate_facts *f, const struct gate_own *own,
	       const struct gate_verdict *v, struct err *err) MUST_CHECK;

/* What GitHub said, as the run's facts column keeps it (gate_facts.c). */
void gate_facts_write(const struct gate_seen *seen, struct buf *out);
/* False: none or damaged. The caller frees seen. */
bool gate_facts_read(const char *json, struct gate_seen *ret);

#endif
