/* What the files of gh.c share: one flow per call of github/gh.h (one or several requests), and the decoders. Not for others.
 *
 * A flow owns everything of its call: the request under way, its timer, its token, the strings of later steps and the answer. It is freed by
 * gh_flow_done (after the callback) or by gh_close. Exactly one thing is owed to it at any time: its token, its turn, an HTTP answer or a timer. */
#ifndef GITHUB_GH_PRIV_H
#define GITHUB_GH_PRIV_H

#include "base/json.h"
#include "github/auth.h"

enum { GH_RETRIES = 3, GH_SHA_MAX = 64, GH_REF_MAX = 1024, GH_NAME_MAX = 512, GH_TEXT_MAX = 1 << 20 };
enum { GH_LIMITED_MAX_MS = 60 * 60 * 1000 }; /* advice to wait is believed up to the longest window GitHub has */

/* GitHub's integers for ids and numbers: positive, exact up to 2^53. */
#define GH_ID_MAX ((INT64_C(1) << 53) - 1)

struct gh_flow;
struct gh_cache;

struct gh {
	struct loop *loop;
	struct http_client *http;
	char *api_url, *graphql_url;
	char *origin; /* scheme://host[:port] of api_url: pages must stay there */
	struct gh_auth *auth;
	struct gh_cache *cache;
	int64_t backoff_ms[GH_RETRIES];
	struct gh_flow *flows;
	struct gh_flow *turn_first, *turn_last; /* have a token and wait for their turn */
	unsigned on_wire, wire_max;
	bool closing;
};

typedef void (*gh_step)(struct gh_flow *f, const struct http_response *res);

struct gh_checks {
	struct strlist failing, pending;
	struct gh_check_row *v;
	size_t n;
};

struct gh_flow {
	struct gh *gh;
	struct gh_flow *prev, *next;
	gh_cb cb;
	void *arg;

	/* who asks */
	enum gh_purpose purpose;
	char *home;             /* repository of the token; NULL: none, or not one repository's */
	bool anonymous;         /* no token at all */
	char *authorization;    /* instead of a token: the one that is given back; wiped */
	unsigned needs;         /* GH_MAY_*, without which GitHub would refuse anyway */
	struct gh_token *token; /* in use; NULL: not chosen yet */
	struct gh_waiter waiter;
	uint64_t serial;        /* of the token when the request went out */
	bool renewed;           /* a refused token was replaced once already */

	struct http_call *call;
	struct loop_timer *timer;
	struct gh_flow *turn_prev, *turn_next;
	bool turning;

	/* the request under way */
	const char *method;
	char *url;
	struct buf body;
	gh_step step;
	int also_status; /* a refusal that the step wants to see itself; 0: none */
	bool retry_404, repeatable /* a write that may be sent twice */, asked_etag, no_etag, query, lend;
	unsigned tries, pages;
	char request_id[64]; /* of the last answer; "": none */

	/* what later steps of the call need */
	char *repo, *sha, *text, *more;
	int64_t number;
	unsigned methods;
	size_t at;

	struct gh_answer a;
	struct gh_pull pull;
	struct gh_reviews reviews;
	struct gh_user user;
	struct gh_checks checks;
	struct gh_commits commits;
	struct gh_rules rules;
	struct gh_threads threads;
	struct gh_deployments deployments;
	struct gh_open_pulls open_pulls;
	struct gh_deliveries deliveries;
	struct gh_delivery delivery;
	char *owned; /* the string member of the answer */
};

/* Transport (gh_call.c). A step is called for a 2xx or also_status; every other outcome ends the flow with its error.
 * repo: whose token is used; NULL for the App itself. */
struct gh_flow *gh_flow_new(struct gh *g, enum gh_purpose purpose, const char *repo, gh_cb cb, void *arg);
/* Template: %r repository, %s one encoded path segment or query value, %p a path of several segments, %i int64_t. The flow fails (later) when a
 * value cannot stand in a path. f->body is sent unless empty. */
void gh_flow_send(struct gh_flow *f, const char *method, gh_step step, const char *path_template, ...);
void gh_flow_as(struct gh_flow *f, enum gh_purpose purpose, const char *repo); /* for the next request */
void gh_flow_lend(struct gh_flow *f); /* ends with the token instead of a request */
void gh_flow_query(struct gh_flow *f, gh_step step); /* POST f->body to GraphQL */
/* True when the next page is on its way or the flow ended with an error: the step returns. False: this was the last page. */
bool gh_flow_next_page(struct gh_flow *f, const struct http_response *res);
void gh_flow_done(struct gh_flow *f);
void gh_close_flows(struct gh *g); /* all of them, without callbacks */
/* Ends the flow with an error of ours about the answer, which names the request. */
void gh_flow_fail(struct gh_flow *f, const struct err *err);
/* The usual end of a step: done, or the error of the decoder. */
void gh_flow_end(struct gh_flow *f, int rc, const struct err *err);
void gh_flow_refuse(struct gh_flow *f, int code, const char *sentence); /* before anything was sent: ends it later */
struct gh_budget *gh_flow_budget(struct gh_flow *f);
void gh_flow_limited(struct gh_flow *f, int64_t until_ms); /* nothing more to this installation until then (wall) */
void gh_free_answer(struct gh_flow *f);

/* Answers kept for If-None-Match (gh_cache.c): a 304 costs nothing of the budget. Bounded in entries and bytes, the least used goes first. */
struct gh_cached {
	char *key, *etag, *body;
	size_t len;
};
struct gh_cache *gh_cache_new(void);
void gh_cache_free(struct gh_cache *c);
const struct gh_cached *gh_cache_find(struct gh_cache *c, const char *key); /* NULL; valid until the next call */
void gh_cache_put(struct gh_cache *c, const char *key, const struct http_response *res);
void gh_cache_size(const struct gh_cache *c, size_t *ret_entries, size_t *ret_bytes);

/* Pure parts (gh_judge.c), for unit tests. */
bool gh_path(struct buf *out, const char *path_template, ...);
bool gh_path_from(struct buf *out, const char *path_template, va_list ap);
bool gh_link_next(const char *link, struct buf *ret_url); /* rel="next" of a Link header */
char *gh_origin(const char *url);                         /* "https://host:port", NULL when it is no http(s) URL */
char *gh_graphql_url(const char *api_url);
void gh_clean_line(struct buf *out, const char *text); /* of GitHub's, for a sentence of ours */
/* Fills err, ambiguous and retry_at_ms from an answer. times: how often we were limited in a row before this one. */
void gh_judge(const char *method, const char *path, const struct http_response *res, int64_t now_ms, unsigned times, struct gh_result *ret);

/* Decoders (gh_decode*.c): bytes to structs; the page decoders append. */
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
int gh_decode_statuses(const char *body, size_t len, const char *own_prefix, struct gh_checks *ret, struct err *err) MUST_CHECK;
int gh_decode_check_runs(const char *body, size_t len, const char *own_prefix, struct gh_checks *ret, struct err *err) MUST_CHECK;
/* Keeps *ret_id unless a newer run with this name and external id is on the page; app_id 0: of any App. */
int gh_decode_find_check(const char *body, size_t len, int64_t app_id, const char *name, const char *external_id, int64_t *ret_id,
			 int64_t *ret_annotations, struct err *err) MUST_CHECK;
void gh_checks_free(struct gh_checks *c);
void gh_rules_init(struct gh_rules *r, bool classic);
int gh_decode_rules(const char *body, size_t len, struct gh_rules *ret, struct err *err) MUST_CHECK;
int gh_decode_classic(const char *body, size_t len, struct gh_rules *ret, struct err *err) MUST_CHECK;
void gh_rules_free(struct gh_rules *r);
int gh_decode_commits(const char *body, size_t len, struct gh_commits *ret, struct err *err) MUST_CHECK;
void gh_commits_free(struct gh_commits *c);
int gh_decode_open_pulls(const char *body, size_t len, struct gh_open_pulls *ret, struct err *err) MUST_CHECK;
void gh_open_pulls_free(struct gh_open_pulls *p);
int gh_decode_deployments(const char *body, size_t len, struct gh_deployments *ret, struct err *err) MUST_CHECK;
int gh_decode_deployment_state(const char *body, size_t len, char **ret_state, struct err *err) MUST_CHECK; /* kept when there is none */
void gh_deployments_free(struct gh_deployments *d);
int gh_decode_deliveries(const char *body, size_t len, struct gh_deliveries *ret, struct err *err) MUST_CHECK;
int gh_decode_delivery(const char *body, size_t len, struct gh_delivery *ret, struct err *err) MUST_CHECK;
void gh_delivery_free(struct gh_delivery *d);
void gh_deliveries_free(struct gh_deliveries *d);
int gh_decode_app(const char *body, size_t len, int64_t *ret_id, char **ret_slug, struct err *err) MUST_CHECK;
/* GraphQL (gh_graphql.c). Errors come inside a 200: ERR_UNAVAILABLE for a limit, ERR_REFUSED, ERR_NOT_FOUND, else ERR_PARSE. */
int gh_decode_graphql(const char *body, size_t len, struct json_doc **ret_doc, struct json *ret_data, bool *ret_limited, struct err *err) MUST_CHECK;
/* One page of review threads; *ret_cursor: of the next page, NULL when this was the last. The caller frees it. */
int gh_decode_threads(const char *body, size_t len, struct gh_threads *ret, char **ret_cursor, bool *ret_limited, struct err *err) MUST_CHECK;
void gh_threads_free(struct gh_threads *t);

/* Shared with event.c. A member that is null or missing gives the ghost: id 0. */
int gh_user_from(const struct json *obj, const char *key, struct gh_user *ret, struct err *err) MUST_CHECK;
void gh_user_free(struct gh_user *u);
/* A commit id: 40 or 64 lower-case hex digits. */
int gh_sha_from(const struct json *obj, const char *key, char **ret, struct err *err) MUST_CHECK;
int gh_sha_opt_from(const struct json *obj, const char *key, char **ret, struct err *err) MUST_CHECK; /* NULL when null or missing */
/* "2026-11-25T14:03:07Z", with parts of a second or another zone: milliseconds since 1970. */
bool gh_time(const char *s, int64_t *ret_ms);
int gh_time_opt_from(const struct json *obj, const char *key, int64_t *ret_ms, struct err *err) MUST_CHECK; /* 0 when null or missing */
int gh_copy_str(const struct json *obj, const char *key, size_t max, char **ret, struct err *err) MUST_CHECK;
int gh_parse_as(const char *body, size_t len, enum json_type want, struct json_doc **ret_doc, struct json *ret_root, struct err *err) MUST_CHECK;

#endif
