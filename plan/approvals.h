/* Which approvals count for which plans. Step 4. Pure: reviews and the history of plans in, counts and reasons out.
 *
 * An approval belongs to what was planned when it was given: to the change set of each project. Planning the same again keeps it, planning
 * something else drops it, and a push that leaves a project's inputs alone does not cost it. Who wrote or pushed a commit of the pull request
 * does not approve it. What is not known does not count, and is told apart from what is known not to count. */
#ifndef PLAN_APPROVALS_H
#define PLAN_APPROVALS_H

#include "base/buf.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum tri { TRI_UNKNOWN, TRI_NO, TRI_YES };

/* The latest review of one person that approves or asks for changes. */
struct review {
	int64_t user_id;
	char *login;
	bool bot;
	bool approves;        /* false: asks for changes */
	char *commit_id;      /* what was looked at; NULL: GitHub does not say */
	int64_t submitted_ms; /* wall; GitHub tells whole seconds */
	enum tri writes;      /* write permission at this moment */
};
struct review_list {
	struct review *v;
	size_t n;
};
struct review *review_list_add(struct review_list *l, int64_t user_id, const char *login); /* the new one */
void review_list_free(struct review_list *l);

/* A person by id; the login is for sentences. */
struct person {
	int64_t id;
	char *login;
};
struct person_list {
	struct person *v;
	size_t n;
};
void person_list_add(struct person_list *l, int64_t id, const char *login); /* once each; ids of 0 are nobody */
bool person_list_has(const struct person_list *l, int64_t id);
void person_list_free(struct person_list *l);

/* The plan of one project at the head. */
struct approval_project {
	const char *name;
	int64_t since_ms;        /* when this change set was planned first, without another one between; 0: not known, nothing counts */
	struct strlist same;     /* heads for which the same change set was planned from the same inputs, the head among them */
};

struct approval_question {
	const struct review_list *reviews;
	const char *head;
	int64_t author_id;
	const struct person_list *committers; /* authors, committers and co-authors of the commits */
	enum tri committers_read;             /* unknown: no approval is sure */
	int64_t pusher_id;                    /* who pushed the head; 0: not known */
	const struct person_list *pushers;    /* who pushed an earlier head, as far as is known; a commit may name anybody. NULL: nobody */
	bool last_push;                       /* GitHub asks that another person than the pusher approves: an unknown pusher makes it unknown */
	bool head_only;                       /* GitHub dismisses on each push: only reviews of the head count */
	const struct strlist *bots;           /* logins of bots that count */
	const struct approval_project *projects; /* those with changes; none: a review of the head counts */
	size_t projects_n;
};

enum approval_why {
	APPROVAL_COUNTS,
	APPROVAL_OF_AUTHOR,
	APPROVAL_OF_PUSHER,
	APPROVAL_OF_COMMITTER,
	APPROVAL_OF_BOT,
	APPROVAL_NO_WRITE,
	APPROVAL_OLD_COMMIT,  /* of an older commit, and only the head counts */
	APPROVAL_OTHER_PLAN,  /* of an older commit, whose plan of a project differs */
	APPROVAL_TOO_EARLY,   /* given before the plan of a project was made */
	APPROVAL_UNKNOWN_WRITE, /* from here on: not known */
	APPROVAL_UNKNOWN_PUSHER,
	APPROVAL_UNKNOWN_COMMITTERS,
};
const char *approval_why_name(enum approval_why w); /* "counts", "author" ... */
static inline bool approval_is_unknown(enum approval_why w) { return w >= APPROVAL_UNKNOWN_WRITE; }

/* Does this review approve the plan of one project? project NULL: of a head without changes. */
enum approval_why approval_judge(const struct approval_question *q, const struct review *r, const struct approval_project *project);

struct approval_result {
	int counted;          /* approvals of the project that has the fewest */
	int unknown;          /* further ones that may count there */
	int changes_requested;
	struct strlist by;    /* logins whose approval counts for every project */
	struct strlist maybe; /* logins whose approval may count, as far as is known */
	enum approval_why *why; /* of each review in the order of the question; of one that asks for changes APPROVAL_COUNTS */
	struct buf why_not;   /* sentences: "`@bob` approved an older commit whose plan of `db` differs." one after the other */
};
void approval_count(const struct approval_question *q, struct approval_result *ret);
void approval_result_free(struct approval_result *r);

#endif
