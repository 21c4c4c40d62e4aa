/* Inside the simulated GitHub: its state and who does what.
 *
 *   sim.c         life, the table of request classes, the way of an answer     sim_state.c   users, repositories, permissions, look-ups
 *   sim_act.c     what people and the API do; each act tells the webhooks      sim_git.c     git as a waited-for child
 *   sim_merge.c   pull requests' git side: facts, mergeability, merges         sim_smart.c   git over HTTP
 *   sim_repo.c    new repositories; sim_view.c what tests look at              sim_record.c  requests and answers as JSON lines
 *   sim_rules.c   protection and rulesets; sim_rules_rest.c as GitHub tells    sim_gate.c    what a merge still needs; sim_owners.c CODEOWNERS
 *   sim_commits.c who wrote, committed, pushed and signed; rebasing            sim_contents.c files, sim_deploy.c deployments
 *   sim_labels.c  labels, dismissed and edited reviews                         sim_people.c  the odd events: ghosts, gone forks, renamed branches
 *   sim_graphql.c POST /graphql; sim_queue.c the merge queue                   sim_control_gate.c  POST /_sim/... for all of these
 *   sim_rest.c    routes; sim_rest_read.c, sim_rest_write.c                    sim_shape.c, sim_shape_pull.c   JSON as GitHub writes it
 *   sim_hooks.c, sim_hook_push.c  payloads and deliveries                      sim_faults.c  rules
 *   sim_control.c POST /_sim/...; sim_look.c GET /_sim/state, /_sim/wait       sim_page.c, sim_markdown.c      the page
 */
#ifndef CMD_SIM_SIM_PRIV_H
#define CMD_SIM_SIM_PRIV_H

#include "base/buf.h"
#include "base/http_client.h"
#include "base/http_server.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/sim/sim.h"

#include <stdio.h>

#define SIM_AGENT "GitHub-Hookshot/sim0001"

enum {
	SIM_BODY_MAX = 32 * 1024 * 1024,
	SIM_COMMENT_MAX = 65536,     /* characters, as on GitHub */
	SIM_DESCRIPTION_MAX = 140,
	SIM_STATUSES_MAX = 1000,     /* per commit and context */
	SIM_WRITES_MINUTE = 80,
	SIM_WRITES_HOUR = 500,
	SIM_PER_PAGE_MAX = 100,
	SIM_RATE_LIMIT = 5000,
};

struct sim_user {
	int64_t id;
	char *login;
	bool bot, gone; /* gone: the account was deleted, what it wrote is nobody's */
};

struct sim_grant {
	struct sim_user *user;
	char *permission;
};

struct sim_member {
	char *org, *team;
	struct sim_user *user;
	bool active;
};

struct sim_edit {
	char *body;
	int64_t at_ms;
};

struct sim_comment {
	int64_t id;
	struct sim_user *user;
	char *body;
	int64_t created_ms, updated_ms;
	bool deleted;
	struct sim_edit *history; /* earlier bodies, oldest first */
	size_t history_n;
};

struct sim_rev {
	int64_t id;
	struct sim_user *user;
	char *body;
	const char *state; /* APPROVED CHANGES_REQUESTED COMMENTED DISMISSED */
	char commit[SIM_SHA_SIZE];
	int64_t at_ms;
};

struct sim_mark { /* a commit status, or a check run */
	int64_t id;
	char sha[SIM_SHA_SIZE];
	char *context, *state, *description, *target_url; /* check run: context = name, state = conclusion or NULL */
	struct sim_user *user;
	int64_t app_id; /* of a check run; 0: the application of whoever has a token */
	int64_t at_ms, done_ms;
	struct sim_check *check; /* what an application wrote over REST; NULL: the run is somebody else's */
};

/* What a check run says beside its conclusion. */
struct sim_check {
	char *status, *external_id, *details_url, *title, *summary, *text, *actions /* JSON */;
	size_t annotations, writes;
	struct strlist versions; /* "in_progress", "completed success", ... as they were written */
};

struct sim_need {
	char *context;
	int64_t app_id; /* 0: whoever */
};

struct sim_protection { /* one layer of a branch's rules; sim_rules is what it was made of */
	int64_t id;
	char *branch;
	enum sim_protect how;
	int reviews;
	bool dismiss_stale, code_owners, last_push, conversations, strict, signatures, admins;
	struct sim_need *checks;
	size_t checks_n;
	struct strlist methods, deployments; /* methods empty: all */
	char *queue;                         /* merge method of a required merge queue; NULL: none */
	int64_t queue_minutes, queue_wait_ms;
};

struct sim_ref {
	char *name; /* "refs/heads/main", "refs/forks/mallory/x" */
	char sha[SIM_SHA_SIZE];
	struct sim_user *pusher;
};

struct sim_note { /* what GitHub knows of a commit beside what git says */
	char sha[SIM_SHA_SIZE];
	bool verified;
	int64_t pushed_ms; /* first time; 0: never */
};

struct sim_deploy_state {
	int64_t id, at_ms;
	char *state;
	struct sim_user *user;
};

struct sim_deployment {
	int64_t id, at_ms;
	char sha[SIM_SHA_SIZE];
	char *ref, *environment;
	struct sim_user *user;
	struct sim_deploy_state *states; /* oldest first */
	size_t states_n;
};

struct sim_team_grant {
	char *org, *team, *permission;
};

struct sim_entry { /* of a merge queue */
	int64_t id, number /* the pull request */, at_ms;
	struct sim_user *user;
	char *base_ref, *ref /* "refs/heads/gh-readonly-queue/..." */;
	char base[SIM_SHA_SIZE], head[SIM_SHA_SIZE], group[SIM_SHA_SIZE];
	struct loop_timer *timer; /* of the checks' time-out */
	struct sim *s;
	struct sim_repo *r;
};

struct sim_pull {
	int64_t id, number;
	char *title, *body;
	struct sim_user *user, *fork_owner /* NULL: a branch of the repository */, *merged_by;
	char *head_ref, *base_ref;  /* branch names */
	char head[SIM_SHA_SIZE], base[SIM_SHA_SIZE], merged_as[SIM_SHA_SIZE] /* "" before */;
	bool draft, open, merged;
	int64_t created_ms, updated_ms, closed_ms, merged_ms;
	int64_t commits, additions, deletions, changed_files;
	bool mergeable;                                         /* as far as git goes, for these two: */
	char tested_head[SIM_SHA_SIZE], tested_base[SIM_SHA_SIZE], test_merge[SIM_SHA_SIZE];
	struct sim_comment *comments;
	size_t comments_n;
	struct sim_rev *reviews;
	size_t reviews_n;
	struct strlist labels;
	struct sim_user *pusher;           /* of the head */
	bool issue /* no pull request at all */, fork_gone;
	int64_t unknown_reads;             /* so many answers yet say that mergeability is being computed */
	int64_t threads_open, threads_done; /* conversations that are not resolved, that are */
};

struct sim_repo {
	struct sim *sim;
	int64_t id;
	char *full_name, *owner, *name, *default_branch, *git_dir;
	bool allow_merge, allow_squash, allow_rebase, archived;
	int64_t created_ms, pushed_ms;
	struct sim_grant *grants;
	size_t grants_n;
	struct sim_protection *protections;
	size_t protections_n;
	struct sim_ref *refs;
	size_t refs_n;
	struct sim_pull **pulls;
	size_t pulls_n;
	struct sim_mark *statuses, *checks;
	size_t statuses_n, checks_n;
	struct sim_note *notes;
	size_t notes_n;
	struct sim_deployment *deployments;
	size_t deployments_n;
	struct sim_team_grant *teams;
	size_t teams_n;
	struct strlist former;    /* full names that it had */
	struct sim_entry **queue; /* in its order */
	size_t queue_n;
};

enum sim_fault_kind { SIM_F_NONE, SIM_F_STATUS, SIM_F_DELAY, SIM_F_RESET, SIM_F_LOST, SIM_F_CUT, SIM_F_LIMIT, SIM_F_DUPLICATE, SIM_F_REORDER, SIM_F_DROP,
		      SIM_F_RATE_LIMITED, SIM_F_FORBIDDEN, SIM_F_NOT_FOUND /* of GraphQL, inside a 200 */ };

struct sim_fault {
	char *class_name;
	enum sim_fault_kind kind;
	int64_t number, skip, times, percent;
	int64_t seen, worked;
};

struct sim_write {
	struct sim_user *user;
	const char *class_name;
	int64_t at_ms; /* wall */
};

struct sim_count {
	const char *class_name;
	size_t n;
};

struct sim_delivery {
	struct sim *s;
	int64_t id, repo_id, at_ms, took_ms;
	char guid[40];
	const char *event;
	char *action, *body;
	int status;
	char *problem;
	bool dropped, done, redelivery;
	struct http_call *call;
	struct loop_timer *timer;
};

struct sim_pending { /* an answer that is held back, or a request whose git child is running */
	struct sim *s;
	struct sim_pending *prev, *next;
	struct http_exchange *x;
	struct loop_timer *timer;
	struct loop_process *child;
	bool advertise; /* the child lists refs */
	int status;
	char *json, *link;
	char request_id[40];
	size_t len;
};

struct sim_waiter;
struct sim_apps;
struct sim_integration;
struct sim_key;

struct sim {
	struct loop *l;
	struct http_server *server;
	struct http_client *client;
	char *dir, *url, *webhook_url, *webhook_secret, *git;
	bool enforce_write_limit, closing;
	uint64_t random;
	int record_fd;
	int64_t next_id;
	struct {
		char *token;
		struct sim_user *user;
	} *tokens;
	size_t tokens_n;
	struct sim_user **users;
	size_t users_n;
	struct sim_member *members;
	size_t members_n;
	struct sim_repo **repos;
	size_t repos_n;
	struct sim_fault *faults;
	size_t faults_n;
	struct sim_write *writes;
	size_t writes_n;
	struct sim_count *counts;
	size_t counts_n;
	uint64_t requests, unchanged; /* unchanged: answered with 304, which costs nothing */
	struct sim_delivery **log;
	size_t log_n, log_next; /* next one to send, in order */
	struct sim_delivery *sending, *held;
	struct loop_timer *kick; /* starts sending after the act that made a delivery */
	struct sim_pending *pending;
	struct sim_waiter *waiters;
	struct sim_apps *apps; /* sim_app.h */
	char why[512]; /* the last sentence of sim_merge_obstacle */
};

/* One request over REST or control, while it is handled (never longer than the call). */
struct sim_req {
	struct sim *s;
	struct http_exchange *x;
	const char *class_name; /* "comment_create"; a constant */
	const char *method, *path;
	struct sim_user *viewer;
	struct sim_integration *app; /* an App speaks by its JWT, */
	struct sim_key *key;         /* or by an installation token; viewer is its bot then */
	struct sim_repo *repo, *moved; /* moved: the path has an old name of it */
	struct sim_pull *pull;
	int64_t number;          /* {n} or {id} of the path */
	char *part[4];           /* what else varies in the path: a branch, a login, a commit */
	size_t parts_n;
	struct json_doc *doc;
	struct json body;        /* root of the request's JSON; node NULL when there was none */
	struct sim_fault *fault; /* one that works on the answer */
	char *link;              /* Link header, or "retry-after N" */
	char request_id[40];
	bool wrote;              /* content, although the route does not say so */
	int64_t app_id;          /* of the App whose installation token came with it; 0: a person's token */
	int status;              /* answered; 0 before */
};

/* What stands in a request's link when the answer has a Retry-After instead. */
#define SIM_RETRY_AFTER "retry-after "
/* Or where it is now. */
#define SIM_LOCATION "location "

/* sim.c */
void sim_answer(struct sim_req *q, int status, const char *json);          /* through faults, headers and the record */
void sim_answer_buf(struct sim_req *q, int status, struct buf *json);      /* and frees the buffer */
void sim_fail(struct sim_req *q, int status, const char *message);         /* {message, documentation_url, status} */
void sim_invalid(struct sim_req *q, const char *resource, const char *field, const char *code, const char *message); /* 422 */
void sim_fail_err(struct sim_req *q, const struct err *err);               /* for control: 400, 404, 409, 500 */
struct sim_pending *sim_pending_add(struct sim *s, struct http_exchange *x);
void sim_pending_end(struct sim_pending *p); /* after its exchange was answered */
void sim_count_request(struct sim *s, const char *class_name);
struct sim_user *sim_user_of_token(struct sim *s, const char *token, size_t len);
struct sim_user *sim_viewer(struct sim *s, const struct http_exchange *x, struct sim_key **ret_key); /* Authorization: Bearer, token, Basic; NULL */
void sim_changed(struct sim *s);                                           /* wakes those who wait (sim_look.c) */

/* sim_state.c */
int64_t sim_new_id(struct sim *s);
struct sim_user *sim_user(struct sim *s, const char *login); /* made when new */
struct sim_user *sim_user_find(const struct sim *s, const char *login);
struct sim_repo *sim_repo_find(const struct sim *s, const char *full_name, size_t len);
int sim_repo_get(struct sim *s, const char *full_name, struct sim_repo **ret, struct err *err) MUST_CHECK;
struct sim_pull *sim_pull_find(const struct sim_repo *r, int64_t number);
int sim_pull_get(struct sim *s, const char *repo, int64_t number, struct sim_repo **ret_r, struct sim_pull **ret_p, struct err *err) MUST_CHECK;
struct sim_comment *sim_comment_find(const struct sim_repo *r, int64_t id, struct sim_pull **ret_pull);
const char *sim_permission_of(const struct sim_repo *r, const struct sim_user *u); /* admin, write, read; "none" for NULL */
const char *sim_role_of(const struct sim_repo *r, const struct sim_user *u);       /* maintain and triage as well */
bool sim_is_permission(const char *word);
bool sim_is_member(const struct sim *s, const char *org, const char *team, const struct sim_user *u); /* and active */
bool sim_may(const struct sim_repo *r, const struct sim_user *u, const char *least);
struct sim_ref *sim_ref_find(struct sim_repo *r, const char *name);
void sim_ref_set(struct sim_repo *r, const char *name, const char *sha); /* NULL sha: gone */
char *sim_head_ref_name(const struct sim_pull *p);                        /* "refs/heads/x" or "refs/forks/login/x" */
void sim_free_state(struct sim *s);

/* sim_git.c: runs git in a repository and waits; argv without "git". input may be NULL; out may be NULL. */
int sim_git(const struct sim *s, const char *git_dir, const char *const *argv, const struct buf *input, struct buf *out, struct err *err) MUST_CHECK;
/* Tells the exit status instead of calling it a failure when it is 1 (git merge-tree, git merge-base). */
int sim_git_code(const struct sim *s, const char *git_dir, const char *const *argv, const struct buf *input, struct buf *out, int *ret_code,
		 struct err *err) MUST_CHECK;
char **sim_git_env(const char *protocol); /* for a child; sim_git_env_free */
void sim_git_env_free(char **env);
int sim_git_rev(const struct sim *s, const struct sim_repo *r, const char *rev, char ret[SIM_SHA_SIZE], struct err *err) MUST_CHECK;
int sim_git_init(const struct sim *s, const struct sim_repo *r, struct err *err) MUST_CHECK;
int sim_git_update_ref(const struct sim *s, const struct sim_repo *r, const char *ref, const char *sha, struct err *err) MUST_CHECK;
/* Commits files on top of `from` (NULL: a root commit) at ref. */
struct sim_who { /* "name <e-mail>" */
	const char *author, *committer;
};
int sim_git_commit_by(const struct sim *s, const struct sim_repo *r, const char *ref, const char *from, const struct sim_who *who, const char *message,
		      const struct sim_file *files, size_t files_n, char ret[SIM_SHA_SIZE], struct err *err) MUST_CHECK;
int sim_git_commit(const struct sim *s, const struct sim_repo *r, const char *ref, const char *from, const struct sim_user *u, const char *message,
		   const struct sim_file *files, size_t files_n, char ret[SIM_SHA_SIZE], struct err *err) MUST_CHECK;
void sim_git_identity(char *out, size_t size, const struct sim_user *u); /* "alice <1000+alice@users.noreply.github.com>" */

/* sim_merge.c */
int sim_pull_refresh(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct err *err) MUST_CHECK; /* counts, refs/pull/N/head */
int sim_pull_test(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct err *err) MUST_CHECK;    /* mergeable, test merge commit */
const char *sim_pull_state(struct sim *s, struct sim_repo *r, struct sim_pull *p); /* mergeable_state */
/* NULL when it may be merged by this user now, else GitHub's sentence. */
const char *sim_merge_obstacle(struct sim *s, struct sim_repo *r, struct sim_pull *p, const struct sim_user *u, const char *method);
/* The commit that merging makes, without moving anything; and moving the base to it. */
int sim_pull_tip(struct sim *s, struct sim_repo *r, struct sim_pull *p, const char *method, const char *title, const char *message,
		 char ret[SIM_SHA_SIZE], struct err *err) MUST_CHECK;
int sim_pull_land(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_user *u, const char *tip, struct err *err) MUST_CHECK;
int sim_pull_merge(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_user *u, const char *method, const char *title,
		   const char *message, struct err *err) MUST_CHECK;

/* sim_act.c */
/* "branch" or "login:branch"; the caller frees. ret_owner NULL: a branch of the repository's own. */
char *sim_ref_of(struct sim *s, const struct sim_repo *r, const char *branch, struct sim_user **ret_owner);
int sim_moved(struct sim *s, struct sim_repo *r, const char *ref, const char *before, const char *after, struct sim_user *u,
	      struct err *err) MUST_CHECK; /* a branch went from before to after ("" = none) */
struct sim_comment *sim_comment_add(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_user *u, const char *body);
void sim_comment_edit(struct sim *s, struct sim_comment *c, const char *body);
struct sim_rev *sim_review_add(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_user *u, const char *state, const char *body);
const char *sim_review_state(const char *event); /* "APPROVE" -> "APPROVED"; NULL: no such event */
struct sim_mark *sim_status_add(struct sim *s, struct sim_repo *r, const char *sha, struct sim_user *u, const char *context, const char *state,
				const char *description, const char *target_url);
int sim_pull_add(struct sim *s, struct sim_repo *r, struct sim_user *u, const struct sim_pr_new *n, struct sim_pull **ret, struct err *err) MUST_CHECK;

/* sim_shape.c, sim_shape_pull.c: key NULL inside arrays and at the root */
void sim_shape_user(struct json_writer *w, const char *key, const struct sim *s, const struct sim_user *u);
void sim_shape_user_members(struct json_writer *w, const struct sim *s, const struct sim_user *u); /* without braces */
void sim_shape_repo(struct json_writer *w, const char *key, const struct sim *s, const struct sim_repo *r, const struct sim_user *viewer);
void sim_shape_fork(struct json_writer *w, const char *key, const struct sim *s, const struct sim_repo *r, const struct sim_user *owner);
void sim_shape_repo_full(struct json_writer *w, const struct sim *s, const struct sim_repo *r, const struct sim_user *viewer);
void sim_shape_team_repo(struct json_writer *w, const struct sim *s, const struct sim_repo *r, const char *permission);
void sim_shape_owner(struct json_writer *w, const char *key, const struct sim *s, const char *login);
struct sim_shape_pull {
	const char *key;
	bool simple;  /* as in lists and in reviews' payloads */
	bool hook;    /* as in webhooks: a few members fewer */
};
void sim_shape_pull(struct json_writer *w, struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_shape_pull how);
void sim_shape_issue(struct json_writer *w, const char *key, const struct sim *s, const struct sim_repo *r, const struct sim_pull *p);
void sim_shape_comment(struct json_writer *w, const char *key, const struct sim *s, const struct sim_repo *r, const struct sim_pull *p,
		       const struct sim_comment *c);
void sim_shape_review(struct json_writer *w, const char *key, const struct sim *s, const struct sim_repo *r, const struct sim_pull *p,
		      const struct sim_rev *v, bool hook);
void sim_shape_status(struct json_writer *w, const char *key, const struct sim *s, const struct sim_repo *r, const struct sim_mark *m, bool simple);
void sim_shape_check(struct json_writer *w, const char *key, const struct sim *s, const struct sim_repo *r, const struct sim_mark *m);
const char *sim_association(const struct sim_repo *r, const struct sim_user *u);
void sim_shape_time(struct json_writer *w, const char *key, int64_t wall_ms); /* 0: null */
void sim_shape_node_id(struct json_writer *w, const char *prefix, int64_t id);
void sim_shape_urlf(struct json_writer *w, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* sim_rest.c, sim_rest_read.c, sim_rest_write.c */
bool sim_rest_is(const char *path); /* below /user, /repos/, /orgs/ */
void sim_rest(struct sim *s, struct http_exchange *x);
typedef void (*sim_handler)(struct sim_req *q);
struct sim_req sim_req(struct sim *s, struct http_exchange *x, const char *class_name);
void sim_req_free(struct sim_req *q);
bool sim_req_body(struct sim_req *q, struct err *err); /* reads the JSON object of the body; false: err says why */
/* per_page and page of the query: which of total items, and the Link header. */
void sim_paginate(struct sim_req *q, size_t total, size_t *ret_from, size_t *ret_to);
bool sim_known_commit(struct sim_req *q, const char *rev, char ret[SIM_SHA_SIZE]);
void sim_get_user(struct sim_req *q);
void sim_get_repo(struct sim_req *q);
void sim_get_pull(struct sim_req *q);
void sim_get_pulls(struct sim_req *q);
void sim_get_reviews(struct sim_req *q);
void sim_get_permission(struct sim_req *q);
void sim_get_membership(struct sim_req *q);
void sim_get_combined(struct sim_req *q);
void sim_get_check_runs(struct sim_req *q);
void sim_get_comments(struct sim_req *q);
void sim_post_comment(struct sim_req *q);
void sim_patch_comment(struct sim_req *q);
void sim_delete_comment(struct sim_req *q);
void sim_post_status(struct sim_req *q);
void sim_put_merge(struct sim_req *q);
void sim_post_pull(struct sim_req *q);
void sim_post_review(struct sim_req *q);

/* sim_hooks.c */
void sim_hook_pull(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_user *u, const char *action, const char *changes_or_before,
		   const char *after);
/* With one more member; key NULL: none. */
void sim_hook_pull_with(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_user *u, const char *action, const char *key, const char *json);
void sim_hook_comment(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_comment *c);
void sim_hook_review(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_rev *v);
void sim_hook_review_as(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_rev *v, const char *action, const struct sim_user *sender);
void sim_hook_push(struct sim *s, struct sim_repo *r, const char *ref, const char *before, const char *after, struct sim_user *u);
void sim_deliver(struct sim *s, const struct sim_repo *r, const char *event, const char *action,
		 struct buf *payload); /* frees payload; r NULL: an event of the App itself, which is told as it is */
void sim_hooks_close(struct sim *s);

/* sim_faults.c */
struct sim_fault *sim_fault_next(struct sim *s, const char *class_name, const char *event); /* counts; NULL: nothing happens */
void sim_faults_free(struct sim *s);

/* sim_record.c */
int sim_record_open(struct sim *s, const char *path, struct err *err) MUST_CHECK; /* path NULL: SLUICE_SIM_RECORD says */
void sim_record_rest(struct sim *s, const struct sim_req *q, int status, const char *answer, size_t len);
void sim_record_hook(struct sim *s, const struct sim_delivery *d);

/* sim_smart.c */
bool sim_smart_is(const char *path);
void sim_smart(struct sim *s, struct http_exchange *x);

/* sim_control.c, sim_look.c */
void sim_control(struct sim *s, struct http_exchange *x);
void sim_look_state(struct sim_req *q);
void sim_look_wait(struct sim_req *q);
void sim_waiters_wake(struct sim *s, bool closing);

/* sim_page.c, sim_markdown.c */
void sim_page(struct sim *s, struct http_exchange *x);
void sim_markdown(struct buf *out, const char *text); /* escaped HTML */

#endif
