/* Whose code is it? Step 4, on the writer thread. Planning is running code, so it is asked of every plan before anything of a head commit is fetched.
 *
 *   0  a fork, which anybody may push to: nothing of it runs until a person with the role apply has read a commit and comments `ok-to-plan SHA`
 *   1  a branch of the repository, which only people with write permission push to; or a commit of a fork that was read
 *   2  approved and bound: an apply of a stored plan (gate.h)
 *   3  as 1 or 2, in a project that is run with the host's programs (sandbox: compat)
 *
 * A tier 2 is no tier of a plan; the record of a plan (plan_record.h) says 1 or 3. What is merged is the base branch's and nobody's fork any more.
 *
 * An ok is of one commit and one base branch, for good: planning that commit again needs no other one, every push does, and so does a change of
 * the base branch, whose configuration, identities and network rules are others than those that the person had in mind. */
#ifndef PLAN_TRUST_H
#define PLAN_TRUST_H

#include "plan/config.h"
#include "plan/run_store.h"

enum trust { TRUST_STRANGER = 0, TRUST_COLLABORATOR = 1, TRUST_APPROVED = 2, TRUST_COMPAT = 3 };

/* The tier in the record of this job's plan. */
enum trust trust_of_job(const struct job_row *job);

/* What is known of a pull request when a plan of it is about to begin. run: its row, with what GitHub said a moment ago. */
struct trust_question {
	const struct run_row *run;
	bool fork;
	enum role role; /* of who commented ok-to-plan, now */
};
/* *ret_no: the sentence when it may not be planned; NULL when it may. An `ok-to-plan` that holds is written down, with a row of the audit log.
 * The caller frees. */
int trust_ask(struct db_conn *c, const struct trust_question *q, char **ret_no, struct err *err) MUST_CHECK;

/* The error of a run that waits for an `ok-to-plan` begins so. */
#define TRUST_WAITS_SAYS "this pull request comes from a fork: "

#endif
