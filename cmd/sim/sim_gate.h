/* What the simulated GitHub knows for the gate of its clients: rules and who enforces them, commits, owners, contents, deployments, labels,
 * the merge queue, GraphQL. The state that these work on stands in sim_priv.h. */
#ifndef CMD_SIM_SIM_GATE_H
#define CMD_SIM_SIM_GATE_H

#include "cmd/sim/sim_priv.h"

/* sim_rules.c */
int sim_rules_set(struct sim *s, struct sim_repo *r, const char *branch, const struct sim_rules *rules, struct sim_user *u, struct err *err) MUST_CHECK;
/* The i-th layer that holds for a branch; NULL after the last. */
const struct sim_protection *sim_rules_layer(const struct sim_repo *r, const char *branch, size_t i);
void sim_rules_split(const char *words, struct strlist *out); /* "a,b" */
void sim_rules_free(struct sim_repo *r);
void sim_rules_renamed(struct sim_repo *r, const char *from, const char *to); /* a branch has a new name */

/* sim_rules_rest.c */
void sim_get_branch(struct sim_req *q);
void sim_get_rules(struct sim_req *q);
void sim_get_protection(struct sim_req *q);
void sim_shape_ruleset(struct json_writer *w, const struct sim_repo *r, const struct sim_protection *p);
void sim_shape_branch_rule(struct json_writer *w, const struct sim_repo *r, const struct sim_protection *p);

/* sim_gate.c: NULL when the rules of the base branch let this be merged, else GitHub's sentence (valid until the next call). */
const char *sim_gate_obstacle(struct sim *s, struct sim_repo *r, struct sim_pull *p, const struct sim_user *u, const char *method);
bool sim_gate_approved_by(const struct sim_repo *r, const struct sim_pull *p, const struct sim_user *u);
/* By their weight: nothing, another application's word, and of the right ones the worst. */
enum sim_need_state { SIM_NEED_EXPECTED, SIM_NEED_OTHER_APP, SIM_NEED_GREEN, SIM_NEED_RUNNING, SIM_NEED_RED };
enum sim_need_state sim_gate_need(const struct sim_repo *r, const char *sha, const struct sim_need *need);
/* A push: approvals of the older head fall where the rules say so. */
void sim_gate_pushed(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_user *u);

/* sim_owners.c: true when a code owner has still to approve; names says who. */
bool sim_owners_match(const char *pattern, const char *path);
bool sim_owners_missing(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct buf *names);
void sim_get_codeowners_errors(struct sim_req *q);

/* sim_commits.c */
struct sim_user *sim_user_of_email(struct sim *s, const char *email); /* NULL: nobody's */
struct sim_note *sim_note(struct sim_repo *r, const char *sha);       /* made when new; valid until the next call */
const struct sim_note *sim_note_find(const struct sim_repo *r, const char *sha);
bool sim_commits_verified(struct sim *s, struct sim_repo *r, const struct sim_pull *p);
void sim_shape_commit(struct json_writer *w, const char *key, struct sim *s, const struct sim_repo *r, const char *sha);
void sim_get_pull_commits(struct sim_req *q);
void sim_get_commit_pulls(struct sim_req *q);
void sim_shape_head_commit(struct json_writer *w, const char *key, const struct sim *s, const struct sim_repo *r, const char *sha);
/* Puts the commits of head that base has not on top of base, one after the other. */
int sim_rebase(struct sim *s, struct sim_repo *r, const char *base, const char *head, char ret[SIM_SHA_SIZE], struct err *err) MUST_CHECK;

/* sim_contents.c */
struct sim_tree_entry {
	char mode[8], type[8], oid[SIM_SHA_SIZE];
	int64_t size; /* of a blob */
};
bool sim_tree_entry(struct sim *s, const struct sim_repo *r, const char *commit, const char *path, struct sim_tree_entry *ret);
void sim_base64(struct buf *out, const char *bytes, size_t len);
void sim_get_contents(struct sim_req *q);

/* sim_deploy.c */
const char *sim_deploy_state(const struct sim_repo *r, const char *sha, const char *environment); /* of the newest deployment; NULL: none */
void sim_get_deployments(struct sim_req *q);
void sim_get_deployment_statuses(struct sim_req *q);
void sim_deploy_free(struct sim_repo *r);

/* sim_labels.c, sim_marks.c, sim_people.c */
void sim_shape_labels(struct json_writer *w, const struct sim *s, const struct sim_repo *r, const struct sim_pull *p);
void sim_get_labels(struct sim_req *q);
void sim_hook_comment_as(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_comment *c, const char *action,
			 const struct sim_user *sender);
void sim_shape_app_id(struct json_writer *w, const char *key, const struct sim *s, int64_t id); /* an application that we do not know more of */
void sim_get_statuses(struct sim_req *q);
void sim_get_check_suites(struct sim_req *q);

/* sim_checks.c: check runs as Apps write them */
void sim_post_check(struct sim_req *q);
void sim_patch_check(struct sim_req *q);
void sim_get_check(struct sim_req *q);
void sim_shape_check_said(struct json_writer *w, const struct sim *s, const struct sim_repo *r, const struct sim_mark *m); /* a run of an App */
void sim_check_free(struct sim_check *c); /* NULL is fine */
void sim_get_team_repo(struct sim_req *q);

/* sim_deliveries.c: what an App learns of its webhooks */
void sim_get_deliveries(struct sim_req *q);
void sim_get_delivery(struct sim_req *q);
void sim_post_attempt(struct sim_req *q);

/* sim_queue.c */
int sim_queue_enter(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_user *u, const char *head, struct err *err) MUST_CHECK;
const struct sim_entry *sim_queue_entry(const struct sim_repo *r, int64_t number, int64_t *ret_position); /* NULL: not in the queue */
void sim_queue_look(struct sim *s, struct sim_repo *r, const char *sha); /* something was said of a commit */
void sim_queue_pushed(struct sim_repo *r, const struct sim_pull *p);     /* or it was closed */
void sim_queue_base_moved(struct sim_repo *r, const char *ref, const char *sha);
void sim_queue_free(struct sim_repo *r);

/* sim_control_gate.c: NULL when the path is none of its */
typedef int (*sim_control_fn)(struct sim_req *q, struct json_writer *w, struct err *err);
sim_control_fn sim_control_gate(const char *path);

/* sim_graphql.c, sim_graph_pull.c */
void sim_post_graphql(struct sim_req *q);
/* A repository with all that may be selected of it, pull NULL: "pullRequest" is null. Lists that are paged are {"__connection": [...]}. */
void sim_graph_repo(struct json_writer *w, struct sim *s, struct sim_repo *r, struct sim_pull *pull, const struct sim_user *viewer);
void sim_graph_entry(struct json_writer *w, const char *key, const struct sim_repo *r, int64_t number); /* of the merge queue; null */

#endif
