/* A simulated GitHub for `sluice demo` and the tests: one small stateful server on loopback, state in memory, git in bare repositories.
 *
 * It answers the REST calls that we use, serves git over smart HTTP, sends signed webhooks and can be told to fail. Its answers, and what is
 * sent to it, are checked against GitHub's published OpenAPI description (tests/openapi). What people do (commit, comment, approve, merge)
 * comes in through the calls below, through POST /_sim/... or through its page at /. docs/simulated-github.md has the table.
 *
 *   sim_start(loop, &options, &sim, &err);
 *   sim_repo_create(sim, &(struct sim_repo_new){.full_name = "acme/infra", .user = "alice", .dir = tree}, &err);
 *   sim_commit(sim, "acme/infra", "change", "alice", "Change it", files, n, sha, &err);
 *   sim_pr_open(sim, &(struct sim_pr_new){.repo = "acme/infra", .user = "alice", .head = "change"}, &number, &err);
 *
 * Everything runs on the loop's thread. git is called and waited for (milliseconds), which a server for many people must never do. */
#ifndef CMD_SIM_SIM_H
#define CMD_SIM_SIM_H

#include "base/loop.h"

struct sim;

enum { SIM_SHA_SIZE = 41 };

struct sim_token {
	const char *token, *login; /* a login that ends in "[bot]" is a bot */
};

/* A GitHub App, known by its public key. */
struct sim_app {
	int64_t id;
	const char *key;         /* public key, PEM */
	const char *slug;        /* NULL: "app-ID"; its bot is "SLUG[bot]" */
	const char *owner;       /* NULL: acme */
	const char *permissions; /* "checks:write,contents:read"; NULL: what the product asks for */
	const char *hook_url, *hook_secret; /* NULL: those of the sim */
	bool nowhere;            /* installed by POST /_sim/install only; otherwise on the account of each repository */
	bool suites;             /* check_suite.requested after each push */
};

struct sim_options {
	int port;        /* 0: any free one */
	const char *dir; /* bare repositories live below it: DIR/owner/name.git */
	const char *webhook_url, *webhook_secret; /* NULL: no webhooks */
	const struct sim_token *tokens;
	size_t tokens_n;
	const struct sim_app *apps;
	size_t apps_n;
	uint64_t seed;            /* of faults given in percent */
	const char *faults;       /* see sim_set_faults; NULL: none */
	const char *record;       /* file for requests, answers and webhooks as JSON lines; NULL: one in the directory SLUICE_SIM_RECORD, if set */
	bool enforce_write_limit; /* more than 80 content writes a minute or 500 an hour: 403 with retry-after */
};

/* Strings are copied. */
int sim_start(struct loop *l, const struct sim_options *o, struct sim **ret, struct err *err) MUST_CHECK;
void sim_close(struct sim *s); /* NULL is fine; the loop must run on for a turn afterwards (loop_close does) */
int sim_port(const struct sim *s);
const char *sim_url(const struct sim *s); /* "http://127.0.0.1:PORT": api_url and the base of clone URLs */
/* Where webhooks go, when it is known only later. NULL url: nowhere. */
void sim_set_webhook(struct sim *s, const char *url, const char *secret);

int sim_app_add(struct sim *s, const struct sim_app *a, struct err *err) MUST_CHECK; /* strings are copied */
/* How long an installation token lives; an hour at the start. */
void sim_token_life(struct sim *s, int64_t ms);
void sim_tokens_revoke(struct sim *s); /* all that were minted so far */
/* act on the first App's installation for the account of repo, by olivia: suspend, unsuspend, delete, create, remove_repo, add_repo, permissions.
 * permissions as in struct sim_app; of create and permissions; NULL: all that the App asks for. */
int sim_install_act(struct sim *s, const char *act, const char *repo, const char *permissions, struct err *err) MUST_CHECK;

/* A user exists as soon as anything names it. permission: admin, maintain, write, triage, read, none. */
int sim_permission(struct sim *s, const char *repo, const char *login, const char *permission, struct err *err) MUST_CHECK;
int sim_team_repo(struct sim *s, const char *org, const char *team, const char *repo, const char *permission, const char *user,
		  struct err *err) MUST_CHECK; /* permission NULL: none any more; user NULL: without a team event */
/* The same as sim_team, with a membership event by user. */
void sim_team_by(struct sim *s, const char *org, const char *team, const char *login, const char *state, const char *user);
/* state: active, pending, or NULL to remove. */
void sim_team(struct sim *s, const char *org, const char *team, const char *login, const char *state);

enum sim_protect { SIM_OPEN, SIM_CLASSIC, SIM_RULESET };
/* reviews: approvals that merging needs (0: none). */
int sim_protect(struct sim *s, const char *repo, const char *branch, enum sim_protect how, int reviews, struct err *err) MUST_CHECK;

struct sim_required {
	const char *context;
	int64_t app_id; /* 0: whoever says it */
};
struct sim_rules {
	enum sim_protect how;
	int reviews;
	bool dismiss_stale, code_owners, conversations, signatures;
	bool last_push;           /* somebody other than the last pusher must have approved */
	bool strict;              /* checks must have run on top of the newest base */
	bool admins;              /* classic protection: administrators as well */
	bool also;                /* one more layer; otherwise what the branch had is replaced */
	const struct sim_required *checks;
	size_t checks_n;
	const char *methods;      /* ruleset: "squash,rebase"; NULL: all three */
	const char *deployments;  /* environments: "staging,production" */
	const char *queue;        /* ruleset: "MERGE", "SQUASH" or "REBASE": merging goes through a queue */
	int64_t queue_minutes;    /* for its checks; 0: 60 */
	int64_t queue_wait_ms;    /* what that comes to in fact, for tests that cannot wait; 0: as it says */
};
/* user NULL: silently, otherwise with a repository_ruleset or branch_protection_rule event. SIM_OPEN removes all layers. */
int sim_protect_with(struct sim *s, const char *repo, const char *branch, const struct sim_rules *rules, const char *user, struct err *err) MUST_CHECK;

struct sim_file {
	const char *path;
	const char *content; /* NULL: deletes path */
	size_t len;          /* 0 with content: strlen(content) */
	const char *mode;    /* NULL: "100644"; "100755", "120000" (content is the target) */
};

struct sim_repo_new {
	const char *full_name;
	const char *user;           /* first committer, admin */
	const char *dir;            /* tree of the first commit; or files; or neither: a README */
	const struct sim_file *files;
	size_t files_n;
	const char *default_branch; /* NULL: main */
	enum sim_protect protect;   /* of the default branch */
	int reviews;
	bool no_merge_commits;      /* only squash allowed */
	bool rebase;                /* rebasing is allowed as well */
};
int sim_repo_create(struct sim *s, const struct sim_repo_new *n, struct err *err) MUST_CHECK;
const char *sim_git_dir(struct sim *s, const char *repo); /* of the bare repository; NULL when unknown */

/* Commits on a branch (made from the default branch when new; "login:branch" is a branch of that user's fork) and tells everybody: push
 * event, pull requests follow their head. ret_sha may be NULL. */
int sim_commit(struct sim *s, const char *repo, const char *branch, const char *user, const char *message, const struct sim_file *files, size_t files_n,
	       char ret_sha[SIM_SHA_SIZE], struct err *err) MUST_CHECK;
struct sim_commit_new {
	const char *repo, *branch, *user /* who pushes */, *message;
	const struct sim_file *files;
	size_t files_n;
	const char *author, *committer; /* a login, or "Name <e-mail>" of nobody; NULL: user */
	const char *co_authors;         /* logins: "bob,carol" */
	const char *from;               /* the commit before; with force it may be any: the branch is pushed over */
	bool force, verified;           /* verified: GitHub knows the signature */
};
int sim_commit_with(struct sim *s, const struct sim_commit_new *n, char ret_sha[SIM_SHA_SIZE], struct err *err) MUST_CHECK;
/* After git itself changed the bare repository: finds moved branches and tells everybody, as after a push by user. */
int sim_sync(struct sim *s, const char *repo, const char *user, struct err *err) MUST_CHECK;
/* The commit of a branch, or of any revision. */
int sim_resolve(struct sim *s, const char *repo, const char *rev, char ret_sha[SIM_SHA_SIZE], struct err *err) MUST_CHECK;

struct sim_pr_new {
	const char *repo, *user, *title, *body, *head, *base; /* title, body, base may be NULL */
	bool draft;
};
int sim_pr_open(struct sim *s, const struct sim_pr_new *n, int64_t *ret_number, struct err *err) MUST_CHECK;
/* closed, reopened, ready_for_review, converted_to_draft */
int sim_pr_act(struct sim *s, const char *repo, int64_t n, const char *user, const char *action, struct err *err) MUST_CHECK;
/* NULL leaves as is. */
int sim_pr_edit(struct sim *s, const char *repo, int64_t n, const char *user, const char *title, const char *base, struct err *err) MUST_CHECK;
int sim_comment(struct sim *s, const char *repo, int64_t n, const char *user, const char *body, int64_t *ret_id, struct err *err) MUST_CHECK;
/* event: APPROVE, REQUEST_CHANGES, COMMENT */
int sim_review(struct sim *s, const char *repo, int64_t n, const char *user, const char *event, const char *body, struct err *err) MUST_CHECK;
/* A person presses the button. method: merge, squash, rebase (NULL: merge). Classic protection lets an admin pass, where it does not say otherwise. */
int sim_merge(struct sim *s, const char *repo, int64_t n, const char *user, const char *method, struct err *err) MUST_CHECK;
/* An admin merges past every rule, ticking the box that says so. */
int sim_merge_past(struct sim *s, const char *repo, int64_t n, const char *user, const char *method, struct err *err) MUST_CHECK;
/* A deployment of a revision to an environment, or one more status of the newest there. state NULL: always a new one, without any status. */
int sim_deploy(struct sim *s, const char *repo, const char *user, const char *rev, const char *environment, const char *state, struct err *err) MUST_CHECK;
/* A check run of somebody else's on a commit. conclusion NULL: still running. */
int sim_check(struct sim *s, const char *repo, const char *sha, const char *name, const char *conclusion, struct err *err) MUST_CHECK;
enum { SIM_APP_ACTIONS = 15368 }; /* whose check runs sim_check makes: GitHub Actions */
int sim_check_by(struct sim *s, const char *repo, const char *sha, const char *name, const char *conclusion, int64_t app_id, struct err *err) MUST_CHECK;

/* A person presses "Re-run" (action "rerequested") or a button (its identifier) of an App's newest check run of that name; name NULL: "Re-run all". */
int sim_check_act(struct sim *s, const char *repo, const char *rev, const char *name, const char *user, const char *action, struct err *err) MUST_CHECK;

/* What people do later. body NULL: the newest review of reviewer is dismissed, the comment is deleted; otherwise edited. */
int sim_review_act(struct sim *s, const char *repo, int64_t n, const char *user, const char *reviewer, const char *body, struct err *err) MUST_CHECK;
int sim_comment_act(struct sim *s, const char *repo, int64_t id, const char *user, const char *body, struct err *err) MUST_CHECK;
int sim_label(struct sim *s, const char *repo, int64_t n, const char *user, const char *name, bool on, struct err *err) MUST_CHECK;
/* How many conversations a pull request has, by whether they are resolved. */
int sim_threads(struct sim *s, const char *repo, int64_t n, int64_t unresolved, int64_t resolved, struct err *err) MUST_CHECK;
/* So many answers say that mergeability is still being computed. */
int sim_mergeable_unknown(struct sim *s, const char *repo, int64_t n, int64_t reads, struct err *err) MUST_CHECK;
/* reason as in GitHub's pull_request.dequeued: MANUAL, CI_FAILURE, CI_TIMEOUT, MERGE_CONFLICT, ... */
int sim_queue_leave(struct sim *s, const char *repo, int64_t n, const char *reason, struct err *err) MUST_CHECK;

/* Odd things. A deleted account's words stay and have no author; a deleted fork leaves its pull requests without a repository. */
int sim_ghost(struct sim *s, const char *login, struct err *err) MUST_CHECK;
int sim_delete_fork(struct sim *s, const char *repo, const char *owner, struct err *err) MUST_CHECK;
/* Open pull requests into the branch follow its name, or go where the branch itself was merged; otherwise they are closed. */
int sim_branch_rename(struct sim *s, const char *repo, const char *user, const char *from, const char *to, struct err *err) MUST_CHECK;
int sim_branch_delete(struct sim *s, const char *repo, const char *user, const char *branch, struct err *err) MUST_CHECK;
int sim_archive(struct sim *s, const char *repo, const char *user, bool archived, struct err *err) MUST_CHECK;
/* Renames (to: NAME) or transfers (to: OWNER/NAME): old paths lead to the new place until somebody else takes the name. */
int sim_move(struct sim *s, const char *repo, const char *to, const char *user, struct err *err) MUST_CHECK;
/* An issue that is no pull request; numbers are shared, and sim_comment speaks there as well. */
int sim_issue(struct sim *s, const char *repo, const char *user, const char *title, int64_t *ret_number, struct err *err) MUST_CHECK;

/* Rules, separated by ";": CLASS=KIND[:NUMBER][,skip=N][,times=N][,percent=N]. "" removes all.
 * CLASS names a kind of request (the table is in docs/simulated-github.md), "git", "*" for any of these, "hook" or "hook.EVENT".
 * KIND for requests: status:N, delay:MS, reset (no answer, nothing done), lost (done, no answer), cut (half a JSON answer), limit:SECONDS (403
 * with retry-after); for hooks: duplicate, reorder, drop, delay:MS.
 * A rule lets `skip` requests pass, then works `times` times (0: always), each with a chance of `percent` (0: always). */
int sim_set_faults(struct sim *s, const char *rules, struct err *err) MUST_CHECK;

/* What tests look at. Strings are valid until the loop runs again. */
struct sim_pr_view {
	int64_t id;
	const char *title, *state, *head_sha, *head_ref, *base_ref, *merge_commit_sha; /* the last is NULL before a merge */
	bool merged, draft;
	size_t comments, reviews; /* comments that still exist */
};
bool sim_pr_view(struct sim *s, const char *repo, int64_t n, struct sim_pr_view *ret);
struct sim_comment_view {
	int64_t id;
	const char *user, *body;
	size_t edits;
	int64_t created_ms, updated_ms;
};
/* The i-th comment that still exists. */
bool sim_comment_view(struct sim *s, const char *repo, int64_t n, size_t i, struct sim_comment_view *ret);
/* Body of the newest comment by login (NULL: anybody); NULL when none. */
const char *sim_comment_body(struct sim *s, const char *repo, int64_t n, const char *login);
/* State of the newest status of a context on a commit; NULL when none. ret_description may be NULL. */
const char *sim_status(struct sim *s, const char *repo, const char *sha, const char *context, const char **ret_description);
/* Content writes over the API by login (NULL: all); class NULL: all ("comment_create", "comment_edit", "status_create", "merge", ...). */
size_t sim_writes(const struct sim *s, const char *login, const char *class_name);
/* All requests of a class, reads included; NULL: every request over REST and git. */
size_t sim_requests(const struct sim *s, const char *class_name);
struct sim_hook_counts {
	size_t sent, answered_2xx, failed, dropped, waiting; /* a duplicate counts twice */
};
struct sim_hook_counts sim_hooks(const struct sim *s);
/* Sends a delivery of the log again, with the same id, as GitHub's "redeliver" does; index from 0. False when there is none. */
bool sim_redeliver(struct sim *s, size_t index);

/* `sluice sim`: the server alone, until a signal. */
int cmd_sim(int argc, char **argv);

#endif
