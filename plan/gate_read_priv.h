/* From GitHub's answers to facts (gate_read_facts.c), for gate_read.c and unit tests. Pure. Not for others. */
#ifndef PLAN_GATE_READ_PRIV_H
#define PLAN_GATE_READ_PRIV_H

#include "plan/gate_read.h"

/* A required check, of any rule. */
struct gate_required {
	char *context;
	int64_t app_id; /* 0: anybody's */
};

/* The rules of a branch, joined to the strictest: what facts and needs have no place for. */
struct gate_joined {
	struct gate_required *checks;
	size_t checks_n;
	struct strlist environments, unseen;
};
void gate_joined_free(struct gate_joined *j);
void gate_rules_join(const struct gh_rules *rules, struct gate_joined *j, struct gate_facts *f, struct gate_needs *needs);

/* Who we are there: our checks are those that one of these made under a name of ours. 0: not known, then nothing is ours. */
struct gate_self {
	int64_t app_id, user_id;
};
/* A name of ours, whoever used it: "sluice", "sluice/network", not "sluicegate". */
bool gate_name_is_ours(const char *name);
bool gate_row_is_ours(const struct gh_check_row *row, const struct gate_self *self);

/* All rows but ours: checks_ok, and the names of those that are not green. */
enum tri gate_checks_judge(const struct gh_check_row *rows, size_t n, const struct gate_self *self, struct buf *failing);
/* Each required check but ours has passed: required_ok, and what is missing. Sets *ret_any when one is required that is not ours. */
enum tri gate_required_judge(const struct gate_joined *j, const struct gh_check_row *rows, size_t n, const struct gate_self *self, bool *ret_any,
			     struct buf *missing);
enum tri gate_deployments_judge(const struct strlist *environments, const struct gh_deployments *d, struct buf *missing);
/* Adds who wrote and committed; yes when every signature is verified. */
enum tri gate_commits_judge(const struct gh_commits *commits, struct person_list *people, struct buf *unsigned_commits);
/* The latest word of each person that is not only a comment; what was dismissed is none. Ghosts say nothing. */
void gate_reviews_keep(const struct gh_reviews *all, struct review_list *ret);

#endif
