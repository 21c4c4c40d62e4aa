/* Reading from GitHub what the gate needs, one fact after the other: the pull request (with patience while GitHub computes whether it can be
 * merged), reviews, permission of each approver, protection of the base branch, checks, role of the person who asks. Step 4. On the loop.
 *
 * What cannot be read stays unknown, and the first failure is named. Facts of our own database (plans, locks) are the caller's. */
#ifndef PLAN_GATE_READ_H
#define PLAN_GATE_READ_H

#include "plan/gate.h"
#include "plan/role.h"

struct gate_reader;

struct gate_question {
	struct gh *gh;
	struct loop *loop;
	const struct server_config *config;
	const char *repo;
	int64_t pull;
	const char *asker; /* NULL: a merge by a person */
};

/* What was seen. Borrowed strings of facts live in it. */
struct gate_seen {
	struct gate_facts facts;
	char *head_sha, *base_ref, *merge_sha, *author, *mergeable_state, *failing, *failed, *asker;
};
void gate_seen_free(struct gate_seen *s);

typedef void (*gate_read_cb)(struct gate_seen *seen, void *arg); /* the callback takes what it wants out of it */
struct gate_reader *gate_read_start(const struct gate_question *q, gate_read_cb cb, void *arg);
void gate_read_cancel(struct gate_reader *r); /* NULL is fine */

#endif
