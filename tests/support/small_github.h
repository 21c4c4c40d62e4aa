/* A GitHub of a few lines for tests of writes: comments, statuses and check runs, and faults before or after the effect. It answers
 * through tests/support/github_double.h with small_github_serve and a struct small_github as its argument. */
#ifndef TESTS_SUPPORT_SMALL_GITHUB_H
#define TESTS_SUPPORT_SMALL_GITHUB_H

#include "tests/support/github_double.h"

#define SMALL_GITHUB_SELF 9 /* who the token is */

enum { COMMENTS_MAX = 256, CHECKS_MAX = 512 };

struct comment {
	int64_t id, author;
	bool gone;
	char *body;
};

struct check {
	char *name, *sha, *external_id, *status, *conclusion, *title; /* conclusion "" while there is none */
	size_t annotations;
};

enum fault { FAULT_NONE, FAULT_RESET_BEFORE, FAULT_RESET_AFTER, FAULT_502_BEFORE, FAULT_502_AFTER, FAULT_LIMIT, FAULT_CUT, FAULTS };

struct small_github {
	struct comment comments[COMMENTS_MAX];
	size_t comments_n;
	struct check checks[CHECKS_MAX]; /* the id of each is its place from 1 */
	size_t checks_n;
	struct buf statuses;   /* "CONTEXT=STATE " in the order received */
	struct buf log;        /* "POST PATCH GET ..." */
	int writes;
	enum fault next_fault; /* of the next request */
	uint64_t seed;         /* 0: no faults but next_fault; else one request in three fails in some way */
	int refuse_status;     /* answers every write with it; 0: none */
};

void small_github_serve(const struct double_request *rq, struct double_answer *ret, void *small_github);
void small_github_add_comment(struct small_github *g, int64_t author, char *body); /* takes body */
uint64_t small_github_dice(struct small_github *g);
void small_github_free(struct small_github *g);

#endif
