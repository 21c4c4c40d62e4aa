/* Reading from GitHub what the gate needs: first the pull request (with patience while GitHub computes whether it can be merged), then reviews,
 * commits, the rules of the base branch, checks and the role of the person who asks side by side, then what these make necessary: the
 * permission of each reviewer, teams of code owners, conversations, deployments. Step 4. On the loop.
 *
 * What cannot be read stays unknown, and the request that failed is named. What our own database adds (plans, history, who pushed, locks)
 * is gate_own.h's. Nothing here decides; it keeps what it heard for the writer thread, which does. */
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
	const char *asker;  /* NULL: a merge by a person */
	bool destroys;      /* it asks to destroy what is gone: only an admin may */
	const char *owners; /* run.owners of the plans (codeowners.h), whose teams are looked up; NULL: they stay unknown */
};

/* What the rules of the base branch ask of reviews, rulesets and classic protection joined. */
struct gate_needs {
	int approvals;
	bool dismiss_stale, code_owners, last_push;
	bool strict; /* the branch must be up to date */
};

/* A question about a person and a team: "acme/platform" and "bob". */
struct gate_member {
	char *team, *login;
	enum tri active;
};

/* What was heard, as far as it takes our own rows to make a fact of it. */
struct gate_heard {
	int64_t author_id;
	struct review_list reviews;     /* the latest of each person that approves or asks for changes */
	struct person_list committers;
	enum tri committers_read;
	struct gate_needs needs;
	struct strlist labels;
	char *owners_id;                /* blob of CODEOWNERS on the base branch; "" when there is none; NULL: not read */
	struct gate_member *members;
	size_t members_n;
	char *base_tip;                 /* commit of the base branch; NULL: not told */
	int64_t plan_expiry_ms;         /* the operator's */
};

/* What was seen. Borrowed members of facts live in it, on the heap, so that the struct itself may be moved. */
struct gate_seen {
	struct gate_facts facts;
	struct gate_heard *heard; /* NULL: nothing */
	char *head_sha, *base_ref, *merge_sha, *author, *mergeable_state, *asker;
	char *failing, *required_missing, *unsigned_commits, *deployments_missing, *rules_unseen;
	char *failed[GATE_READS];
};
void gate_seen_free(struct gate_seen *s);
void gate_seen_lend(struct gate_seen *s); /* facts borrow what the struct owns */
void gate_heard_add_member(struct gate_heard *h, const char *team, const char *login, enum tri active);

typedef void (*gate_read_cb)(struct gate_seen *seen, void *arg); /* the callback takes what it wants out of it */
struct gate_reader *gate_read_start(const struct gate_question *q, gate_read_cb cb, void *arg);
void gate_read_cancel(struct gate_reader *r); /* NULL is fine */

#endif
