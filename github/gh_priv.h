/* What the files of gh.c share: one flow per call of github/gh.h (one or several requests), and the decoders. Not for others.
 *
 * A flow owns everything of its call: the request under way, its timer, the strings of later steps and the answer. It is freed by
 * gh_flow_done (after the callback) or by gh_close. Exactly one thing is owed at any time: an HTTP answer or a timer. */
#ifndef GITHUB_GH_PRIV_H
#define GITHUB_GH_PRIV_H

#include "base/json.h"
#include "github/gh.h"

enum { GH_RETRIES = 3, GH_SHA_MAX = 64, GH_REF_MAX = 1024, GH_NAME_MAX = 512, GH_TEXT_MAX = 1 << 20 };

struct gh_flow;

struct gh {
	struct loop *loop;
	struct http_client *http;
	char *api_url;
	char *origin;               /* scheme://host[:port] of api_url: pages must stay there */
	char *authorization;        /* "Bearer TOKEN", wiped */
	int64_t blocked_until_ms;   /* wall; GitHub asked us to stay away until then */
	int64_t backoff_ms[GH_RETRIES];
	struct gh_flow *flows;
};

typedef void (*gh_step)(struct gh_flow *f, const struct http_response *res);

struct gh_checks {
	struct strlist failing, pending;
};

struct gh_flow {
	struct gh *gh;
	struct gh_flow *prev, *next;
	gh_cb cb;
	void *arg;

	struct http_call *call;
	struct loop_timer *timer;

	/* the request under way */
	const char *method;
	char *url;
	struct buf body;
	gh_step step;
	int also_status;  /* a refusal that the step wants to see itself; 0: none */
	bool retry_404;
	unsigned tries, pages;

	/* what later steps of the call need */
	char *repo, *sha, *text;
	int64_t number;
	unsigned methods;

	struct gh_answer a;
	struct gh_pull pull;
	struct gh_reviews reviews;
	struct gh_user user;
	struct gh_checks checks;
	char *owned; /* the string member of the answer */
};

/* Transport (gh_call.c). A step is called for a 2xx or also_status; every other outcome ends the flow with its error. */
struct gh_flow *gh_flow_new(struct gh *g, gh_cb cb, void *arg);
/* Template: %r repository, %s one encoded path segment or query value, %i int64_t. The flow fails (later) when a value cannot stand in a
 * path. f->body is sent unless empty. */
void gh_flow_send(struct gh_flow *f, const char *method, gh_step step, const char *path_template, ...);
/* True when the next page is on its way or the flow ended with an error: the step returns. False: this was the last page. */
bool gh_flow_next_page(struct gh_flow *f, const struct http_response *res);
void gh_flow_done(struct gh_flow *f);
void gh_close_flows(struct gh *g); /* all of them, without callbacks */
/* Ends the flow with an error of ours about the answer, which names the request. */
void gh_flow_fail(struct gh_flow *f, const struct err *err);

/* Pure parts, for unit tests. */
bool gh_path(struct buf *out, const char *path_template, ...);
bool gh_link_next(const char *link, struct buf *ret_url); /* rel="next" of a Link header */
char *gh_origin(const char *url);                         /* "https://host:port", NULL when it is no http(s) URL */
/* Fills err, ambiguous and retry_at_ms from an answer. */
void gh_judge(const char *method, const char *path, const struct http_response *res, int64_t now_ms, struct gh_result *ret);

/* Decoders (gh_decode.c): bytes to structs; the page decoders append. */
int gh_decode_pull(const char *body, size_t len, struct gh_pull *ret, struct err *err) MUST_CHECK;
int gh_decode_reviews(const char *body, size_t len, struct gh_reviews *ret, struct err *err) MUST_CHECK;
int gh_decode_self(const char *body, size_t len, struct gh_user *ret, struct err *err) MUST_CHECK;
int gh_decode_comment(const char *body, size_t len, int64_t *ret_id, struct gh_user *ret_user, struct err *err) MUST_CHECK;
/* Keeps *ret_id unless a newer comment by self that begins with marker is on the page. */
int gh_decode_find(const char *body, size_t len, int64_t self_id, const char *marker, int64_t *ret_id, struct err *err) MUST_CHECK;
struct gh_repo_facts {
	int64_t id;
	char *full_name;
	bool merge, squash, rebase; /* allowed; true when GitHub does not say (it tells only those who may push) */
};
int gh_decode_repo(const char *body, size_t len, struct gh_repo_facts *ret, struct err *err) MUST_CHECK;
int gh_decode_string(const char *body, size_t len, const char *key, char **ret, struct err *err) MUST_CHECK;
int gh_decode_bool(const char *body, size_t len, const char *key, bool *ret, struct err *err) MUST_CHECK;
int gh_decode_rules(const char *body, size_t len, bool *ret_pull_request, struct err *err) MUST_CHECK; /* only ever sets true */
int gh_decode_statuses(const char *body, size_t len, const char *own_prefix, struct gh_checks *ret, struct err *err) MUST_CHECK;
int gh_decode_check_runs(const char *body, size_t len, const char *own_prefix, struct gh_checks *ret, struct err *err) MUST_CHECK;
void gh_checks_free(struct gh_checks *c);

/* Shared with event.c. A member that is null or missing gives the ghost: id 0. */
int gh_user_from(const struct json *obj, const char *key, struct gh_user *ret, struct err *err) MUST_CHECK;
void gh_user_free(struct gh_user *u);
/* A commit id: 40 or 64 lower-case hex digits. */
int gh_sha_from(const struct json *obj, const char *key, char **ret, struct err *err) MUST_CHECK;
int gh_sha_opt_from(const struct json *obj, const char *key, char **ret, struct err *err) MUST_CHECK; /* NULL when null or missing */

#endif
