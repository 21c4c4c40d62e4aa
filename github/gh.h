/* GitHub's REST API as far as we use it: typed calls over base/http_client.h, typed decoders. Steps 2, 4 and 9.
 *
 * Every call sends Accept, X-GitHub-Api-Version 2022-11-28, User-Agent and the token; retries reads on 5xx, 404-just-after-the-webhook where
 * said, and honours retry-after / x-ratelimit-* (told as ERR_UNAVAILABLE with retry_at). Errors name method, path, status, GitHub's message
 * and request id; never the token. Callbacks fire once, later, on the loop. */
#ifndef GITHUB_GH_H
#define GITHUB_GH_H

#include "base/http_client.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

struct gh;

struct gh_options {
	const char *api_url; /* without trailing slash */
	const char *token;   /* copied into a wiped buffer */
};
struct gh *gh_new(struct loop *l, const struct gh_options *o);
void gh_close(struct gh *g); /* what is under way ends without a callback */
/* Forgets the calls that were made with this arg: no callback any more; a write may still reach GitHub. */
void gh_cancel(struct gh *g, const void *arg);
/* Basic-auth password for git over HTTPS (user "x-access-token"). */
const char *gh_git_token(const struct gh *g);

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
	char *head_sha, *head_ref, *base_sha, *base_ref, *merge_commit_sha; /* merge_commit_sha NULL when null */
	struct gh_user author;          /* id 0, login "ghost" when null */
};
void gh_pull_free(struct gh_pull *p);

struct gh_review {
	struct gh_user user;
	char *state, *commit_id;
};
struct gh_reviews {
	struct gh_review *v;
	size_t n;
};
void gh_reviews_free(struct gh_reviews *r);

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
	int64_t id;             /* comment created or found; 0 */
	const char *sha;        /* merge: the merge commit */
	const char *permission; /* admin write read none */
	int yes;                /* branch protected: 1, 0; checks: 1 all fine, 0 some failing, -1 pending */
	const char *names;      /* checks: failing or pending contexts */
	const struct gh_user *user;
	const char *full_name;  /* repository: its current name */
};
typedef void (*gh_cb)(const struct gh_answer *a, void *arg);

void gh_get_self(struct gh *g, gh_cb cb, void *arg);                                       /* GET /user */
void gh_get_repo(struct gh *g, const char *repo, gh_cb cb, void *arg);                     /* GET /repos/R */
void gh_get_pull(struct gh *g, const char *repo, int64_t n, gh_cb cb, void *arg);          /* 404 tried again 3 times */
void gh_get_reviews(struct gh *g, const char *repo, int64_t n, gh_cb cb, void *arg);       /* all pages */
void gh_get_permission(struct gh *g, const char *repo, const char *login, gh_cb cb, void *arg);
void gh_get_team_member(struct gh *g, const char *org, const char *team, const char *login, gh_cb cb, void *arg); /* yes: active member */
/* Protected by classic protection or by a ruleset: GET branches/B (protected) and, when that says no, GET rules/branches/B. */
void gh_get_protection(struct gh *g, const char *repo, const char *branch, gh_cb cb, void *arg);
/* Combined status and check runs of a commit, without contexts that start with own_prefix ("sluice"). */
void gh_get_checks(struct gh *g, const char *repo, const char *sha, const char *own_prefix, gh_cb cb, void *arg);
/* The id of the newest comment by `self` whose body begins with marker; 0 when none. All pages. */
void gh_find_comment(struct gh *g, const char *repo, int64_t n, int64_t self_id, const char *marker, gh_cb cb, void *arg);
void gh_post_comment(struct gh *g, const char *repo, int64_t n, const char *body, gh_cb cb, void *arg);
void gh_edit_comment(struct gh *g, const char *repo, int64_t comment_id, const char *body, gh_cb cb, void *arg);
/* state: error failure pending success */
void gh_post_status(struct gh *g, const char *repo, const char *sha, const char *context, const char *state, const char *description,
		    const char *target_url, gh_cb cb, void *arg);
/* The method is the first that GET /repos/R allows: merge, squash, rebase. ERR_CONFLICT: the head moved. */
void gh_merge(struct gh *g, const char *repo, int64_t n, const char *head_sha, const char *title, gh_cb cb, void *arg);

#endif
