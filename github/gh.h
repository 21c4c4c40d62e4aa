/* GitHub's REST and GraphQL API as far as we use them: typed calls over base/http_client.h, typed decoders. Steps 2, 4 and 9.
 *
 * Who we are is either an account (a token) or an App: then every call picks its own installation token by repository and purpose (github/auth.h)
 * and waits for it. Every call sends Accept, X-GitHub-Api-Version 2022-11-28, User-Agent and the token; retries reads on 5xx,
 * 404-just-after-the-webhook where said, and honours retry-after / x-ratelimit-* per installation (told as ERR_UNAVAILABLE with retry_at).
 * Errors name method, path, status, GitHub's message and request id; never the token. Lists are read to their end: more than LIMIT_GITHUB_PAGES
 * pages, or more than GitHub lists, is ERR_LIMIT and never a list cut short. Callbacks fire once, later, on the loop. */
#ifndef GITHUB_GH_H
#define GITHUB_GH_H

#include "base/http_client.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

struct gh;

/* The App we are, for gh_options. */
struct gh_app {
	const char *id; /* number or client id, as text; copied */
	/* Asks for a signed App JWT of 9 minutes. done fires exactly once, on the loop, never inside this call; also when things end: after gh_close
	 * it does nothing. jwt is copied. */
	void (*jwt)(void *self, void (*done)(const char *jwt, const struct err *err, void *arg), void *arg);
	/* For the audit, on the loop: a token was minted for one repository, or given back. NULL: nobody wants to know. */
	void (*minted)(void *self, const char *repo, const char *purpose, const char *permissions, bool revoked);
	void *self;
};

/* Reading, and what sluice says there, share one token each per repository; a merge and a clone get one of their own, for that run only. */
enum gh_purpose { GH_FOR_READ, GH_FOR_SAY, GH_FOR_MERGE, GH_FOR_CLONE, GH_FOR_APP /* the App itself, no repository */, GH_PURPOSES };

struct gh_options {
	const char *api_url;      /* without trailing slash */
	const char *token;        /* copied into a wiped buffer; NULL for an App */
	const struct gh_app *app; /* NULL: token. Copied */
};
struct gh *gh_new(struct loop *l, const struct gh_options *o);
void gh_close(struct gh *g); /* what is under way ends without a callback */
/* Forgets the calls that were made with this arg: no callback any more; a write may still reach GitHub. */
void gh_cancel(struct gh *g, const void *arg);
bool gh_is_app(const struct gh *g);
/* Gives every token of ours back, without waiting; gh_giving_back says whether some are still on their way. For the end of the daemon. */
void gh_give_back(struct gh *g);
bool gh_giving_back(const struct gh *g);

struct gh_user {
	int64_t id;
	char *login;
	bool bot;
};

struct gh_pull {
	int64_t number, repo_id;
	char *full_name, *clone_url; /* of the base repository */
	char *title;
	bool open, draft, merged, fork; /* fork: head repository differs from the base's or is gone */
	int mergeable;                  /* 1, 0, -1 unknown */
	char *mergeable_state;
	struct strlist labels;
	int64_t commits;    /* 0: not told */
	int64_t updated_ms; /* wall; 0: not told */
	char *node_id;      /* for GraphQL; NULL: not told */
	char *head_sha, *head_ref, *base_sha, *base_ref, *merge_commit_sha; /* merge_commit_sha NULL when null */
	struct gh_user author;          /* id 0, login "ghost" when null */
};
void gh_pull_free(struct gh_pull *p);

struct gh_review {
	int64_t id, submitted_ms; /* 0: not told */
	struct gh_user user;
	char *state, *commit_id, *association; /* association: "MEMBER", "NONE" ..., "" when not told; says nothing about permission */
};
struct gh_reviews {
	struct gh_review *v;
	size_t n;
};
void gh_reviews_free(struct gh_reviews *r);

/* The commits of a pull request, oldest first. GitHub lists 250: a pull request of that many or more is ERR_LIMIT. */
struct gh_commit {
	char *sha;
	struct gh_user author, committer; /* the accounts; id 0 when GitHub knows none for the address */
	bool verified;                    /* signed, and GitHub accepts the signature */
	int64_t parents;
};
struct gh_commits {
	struct gh_commit *v;
	size_t n;
};

enum { GH_METHOD_MERGE = 1, GH_METHOD_SQUASH = 2, GH_METHOD_REBASE = 4, GH_ANY_METHOD = 7 };

/* What must hold before a branch takes a change: from rulesets, or from classic protection. Several rules are joined to the strictest. */
struct gh_required_check {
	char *context;
	int64_t app_id; /* only this App's check counts; 0: anyone's */
};
struct gh_rules {
	bool classic;      /* the source */
	bool found;        /* there is any rule at all */
	bool pull_request; /* nobody pushes straight to the branch */
	int64_t approvals;
	bool dismiss_stale, code_owners, last_push, threads_resolved;
	bool reviewers; /* particular people or teams must approve; sluice cannot tell whether they did */
	bool strict;    /* the branch must be up to date */
	struct gh_required_check *checks;
	size_t checks_n;
	bool signatures, linear, locked, merge_queue;
	char *queue_method; /* MERGE SQUASH REBASE; NULL */
	struct strlist environments; /* deployments that must have succeeded */
	unsigned methods;            /* GH_METHOD_*: what all rules allow */
	bool admins_too;             /* classic: administrators are bound, too; a ruleset's exceptions are not shown to us */
	struct strlist others;       /* types of rules that are none of the above: "workflows", "code_scanning" ... */
};

/* A check run or a commit status. state: success, failure, pending ... For a run its conclusion, or "pending" until it is completed. */
struct gh_check_row {
	char *name, *state;
	bool run;
	int64_t app_id, creator_id; /* of a run; of a status; 0: not told */
};

struct gh_threads {
	int64_t total, unresolved;
	char *head_sha;
	bool queued; /* in the merge queue, as the next two say */
	char *queue_state;
	int64_t queue_position;
};

/* The newest deployment of a commit in an environment, and its newest status: "success", "failure" ...; "pending" while there is none. */
struct gh_deployment {
	int64_t id;
	char *environment, *state;
};
struct gh_deployments {
	struct gh_deployment *v;
	size_t n;
};

struct gh_open_pull {
	int64_t number, updated_ms;
	char *head_sha, *base_ref;
	bool draft, fork;
};
struct gh_open_pulls {
	struct gh_open_pull *v;
	size_t n;
};

/* A row of the App's delivery log. The same guid shows up again for each redelivery. */
struct gh_delivery {
	int64_t id, delivered_ms, repository_id, installation_id; /* 0: not told */
	char *guid, *event, *action, *status; /* status "OK" when we answered well; action "" when there is none */
	int64_t status_code;
	bool redelivery;
	char *payload; /* JSON text, only from gh_get_delivery */
	size_t payload_len;
};
struct gh_deliveries {
	struct gh_delivery *v;
	size_t n;
};

/* A check run to be made or changed; NULL members are left out. annotations and actions are JSON arrays (at most 50 and 3). */
struct gh_check {
	const char *name, *head_sha, *external_id, *details_url;
	const char *status, *conclusion; /* queued in_progress completed; success failure neutral cancelled action_required ... */
	const char *title, *summary, *text, *annotations, *actions;
};

struct gh_result {
	struct err err;    /* code 0: fine */
	int status;        /* HTTP status, 0: none */
	bool ambiguous;    /* a write that may have happened */
	int64_t retry_at_ms; /* wall; 0: no advice */
};

/* What a call got; only the member of that call is set. Valid during the callback. */
struct gh_answer {
	struct gh_result r;
	const struct gh_pull *pull;
	const struct gh_reviews *reviews;
	int64_t id;             /* comment or check created or found, App, queue position; 0 */
	int64_t annotations;    /* of a check found: how many it has */
	const char *sha;        /* merge: the merge commit; contents: the blob, NULL when there is none */
	const char *permission; /* admin write read none */
	int yes;                /* branch protected: 1, 0; checks: 1 all fine, 0 some failing, -1 pending */
	const char *names;      /* checks: failing or pending contexts */
	const struct gh_user *user;
	const char *full_name;  /* repository: its current name */
	const char *slug;       /* App */
	const char *token;      /* gh_get_token: copy it into memory that is wiped */
	const struct gh_check_row *checks; /* beside yes and names */
	size_t checks_n;
	const struct gh_commits *commits;
	const struct gh_rules *rules;
	const struct gh_threads *threads;
	const struct gh_deployments *deployments;
	const struct gh_open_pulls *open_pulls;
	const struct gh_deliveries *deliveries;
	const struct gh_delivery *delivery;
};
typedef void (*gh_cb)(const struct gh_answer *a, void *arg);

void gh_get_self(struct gh *g, gh_cb cb, void *arg); /* the account; of an App its bot: comments and statuses of ours carry that id */
void gh_get_app(struct gh *g, gh_cb cb, void *arg);                                        /* id and slug; only for an App */
void gh_get_repo(struct gh *g, const char *repo, gh_cb cb, void *arg);                     /* GET /repos/R */
void gh_get_pull(struct gh *g, const char *repo, int64_t n, gh_cb cb, void *arg);          /* 404 tried again 3 times */
void gh_get_reviews(struct gh *g, const char *repo, int64_t n, gh_cb cb, void *arg);       /* all pages */
void gh_get_permission(struct gh *g, const char *repo, const char *login, gh_cb cb, void *arg);
void gh_get_team_member(struct gh *g, const char *org, const char *team, const char *login, gh_cb cb, void *arg); /* yes: active member */
/* Protected by classic protection or by a ruleset: GET branches/B (protected) and, when that says no, GET rules/branches/B. sha: its tip. */
void gh_get_protection(struct gh *g, const char *repo, const char *branch, gh_cb cb, void *arg);
/* Newest statuses and check runs of a commit, without contexts that start with own_prefix ("sluice"). Prefix "": all of them, and statuses
 * with their creators. */
void gh_get_checks(struct gh *g, const char *repo, const char *sha, const char *own_prefix, gh_cb cb, void *arg);
/* The id of the newest comment by `self` whose body begins with marker; 0 when none. All pages. */
void gh_find_comment(struct gh *g, const char *repo, int64_t n, int64_t self_id, const char *marker, gh_cb cb, void *arg);
void gh_post_comment(struct gh *g, const char *repo, int64_t n, const char *body, gh_cb cb, void *arg);
void gh_edit_comment(struct gh *g, const char *repo, int64_t comment_id, const char *body, gh_cb cb, void *arg);
/* state: error failure pending success */
void gh_post_status(struct gh *g, const char *repo, const char *sha, const char *context, const char *state, const char *description,
		    const char *target_url, gh_cb cb, void *arg);
/* The first that both the repository and methods (GH_METHOD_*) allow: merge, squash, rebase. ERR_CONFLICT: the head moved. */
void gh_merge(struct gh *g, const char *repo, int64_t n, const char *head_sha, const char *title, unsigned methods, gh_cb cb, void *arg);

void gh_get_commits(struct gh *g, const char *repo, int64_t n, gh_cb cb, void *arg);
/* Active rules of rulesets for a branch, the organisation's, too. ERR_NOT_FOUND: a server without rulesets, or no such repository. */
void gh_get_rules(struct gh *g, const char *repo, const char *branch, gh_cb cb, void *arg);
/* Classic protection. No protection is an answer (rules->found false); ERR_REFUSED or ERR_NOT_FOUND: we may not know. */
void gh_get_classic(struct gh *g, const char *repo, const char *branch, gh_cb cb, void *arg);
/* The blob of a file at a ref; status 404, err 0 and sha NULL when there is none. ERR_REFUSED: it is a directory. */
void gh_get_contents_id(struct gh *g, const char *repo, const char *path, const char *ref, gh_cb cb, void *arg);
void gh_get_threads(struct gh *g, const char *repo, int64_t n, gh_cb cb, void *arg);
/* Into the merge queue, if the head is still head_sha. id: the position. */
void gh_enqueue(struct gh *g, const char *repo, int64_t n, const char *head_sha, gh_cb cb, void *arg);
void gh_get_deployments(struct gh *g, const char *repo, const char *sha, gh_cb cb, void *arg);
void gh_list_open_pulls(struct gh *g, const char *repo, gh_cb cb, void *arg);
/* The App's delivery log, newest first, down to the first delivery older than since_ms (wall). ERR_LIMIT beside deliveries: these are the newest,
 * and there are older ones that were asked for, too. */
void gh_list_deliveries(struct gh *g, int64_t since_ms, gh_cb cb, void *arg);
void gh_get_delivery(struct gh *g, int64_t id, gh_cb cb, void *arg);

/* Check runs, which only an App may write. */
void gh_post_check(struct gh *g, const char *repo, const struct gh_check *c, gh_cb cb, void *arg);
void gh_edit_check(struct gh *g, const char *repo, int64_t id, const struct gh_check *c, gh_cb cb, void *arg);
/* The newest check run of our App with this name and external id on a commit; id 0 when there is none. */
void gh_find_check(struct gh *g, const char *repo, const char *sha, const char *name, const char *external_id, gh_cb cb, void *arg);

/* For GH_FOR_CLONE, the password of git over HTTPS (user "x-access-token"): it can only read the files of one repository. The account's own
 * token where we are no App. */
void gh_get_token(struct gh *g, const char *repo, enum gh_purpose purpose, gh_cb cb, void *arg);
/* Given back when the run is over; nothing happens for the account's own token or one that is not ours. */
void gh_revoke_token(struct gh *g, const char *token);

#endif
