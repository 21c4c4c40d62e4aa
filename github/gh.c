#include "github/gh_priv.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"

#include <stdio.h>

char *gh_graphql_url(const char *api_url)
{
	static const char GHES[] = "/api/v3";
	size_t n = strlen(api_url);
	if (text_ends(api_url, GHES))
		return xasprintf("%.*s/api/graphql", (int)(n - strlen(GHES)), api_url);
	return xasprintf("%s/graphql", api_url);
}

struct gh *gh_new(struct loop *l, const struct gh_options *o)
{
	struct gh *g = xcalloc(1, sizeof(*g));
	char *origin = gh_origin(o->api_url);
	*g = (struct gh){
		.loop = l,
		.http = http_client_new(l),
		.api_url = xstrdup(o->api_url),
		.graphql_url = gh_graphql_url(o->api_url),
		.origin = origin != NULL ? origin : xstrdup(""), /* no URL: every request fails and says so */
		.cache = gh_cache_new(),
		.backoff_ms = {200, 1000, 3000},
		.wire_max = LIMIT_GITHUB_CALLS,
	};
	g->auth = gh_auth_new(g, o);
	return g;
}

void gh_close(struct gh *g)
{
	if (g == NULL)
		return;
	g->closing = true;
	gh_close_flows(g);
	gh_auth_close(g->auth);
	gh_cache_free(g->cache);
	http_client_close(g->http);
	free(g->api_url);
	free(g->graphql_url);
	free(g->origin);
	free(g);
}

bool gh_is_app(const struct gh *g) { return gh_auth_is_app(g->auth); }

/* --- reads ------------------------------------------------------------------------------------------------------------------------- */

static void got_repo(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	struct gh_repo_facts facts = {0};
	int rc = gh_decode_repo(res->body, res->body_len, &facts, &err);
	f->owned = facts.full_name;
	f->a.full_name = f->owned;
	f->a.id = facts.id;
	gh_flow_end(f, rc, &err);
}

void gh_get_repo(struct gh *g, const char *repo, gh_cb cb, void *arg)
{
	gh_flow_send(gh_flow_new(g, GH_FOR_READ, repo, cb, arg), "GET", got_repo, "/repos/%r", repo);
}

static void got_pull(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	int rc = gh_decode_pull(res->body, res->body_len, &f->pull, &err);
	f->a.pull = rc == 0 ? &f->pull : NULL;
	gh_flow_end(f, rc, &err);
}

void gh_get_pull(struct gh *g, const char *repo, int64_t n, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_READ, repo, cb, arg);
	f->retry_404 = true; /* GitHub's replicas may not know it yet when the webhook arrives */
	gh_flow_send(f, "GET", got_pull, "/repos/%r/pulls/%i", repo, n);
}

static void got_reviews(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	int rc = gh_decode_reviews(res->body, res->body_len, &f->reviews, &err);
	if (rc == 0 && gh_flow_next_page(f, res))
		return;
	f->a.reviews = rc == 0 ? &f->reviews : NULL;
	gh_flow_end(f, rc, &err);
}

void gh_get_reviews(struct gh *g, const char *repo, int64_t n, gh_cb cb, void *arg)
{
	gh_flow_send(gh_flow_new(g, GH_FOR_READ, repo, cb, arg), "GET", got_reviews, "/repos/%r/pulls/%i/reviews?per_page=100", repo, n);
}

static void got_permission(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	int rc = gh_decode_string(res->body, res->body_len, "permission", &f->owned, &err);
	f->a.permission = f->owned;
	gh_flow_end(f, rc, &err);
}

void gh_get_permission(struct gh *g, const char *repo, const char *login, gh_cb cb, void *arg)
{
	gh_flow_send(gh_flow_new(g, GH_FOR_READ, repo, cb, arg), "GET", got_permission, "/repos/%r/collaborators/%s/permission", repo, login);
}

static void got_membership(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	if (res->status == 404) { /* GitHub's way to say "no member" */
		f->a.r = (struct gh_result){.status = 404};
		gh_flow_done(f);
		return;
	}
	int rc = gh_decode_string(res->body, res->body_len, "state", &f->owned, &err);
	f->a.yes = rc == 0 && strcmp(f->owned, "active") == 0; /* pending: invited, not there yet */
	gh_flow_end(f, rc, &err);
}

void gh_get_team_member(struct gh *g, const char *org, const char *team, const char *login, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_READ, gh_auth_repo_of(g->auth, org), cb, arg);
	f->also_status = 404;
	f->needs = GH_MAY_MEMBERS;
	gh_flow_send(f, "GET", got_membership, "/orgs/%s/teams/%s/memberships/%s", org, team, login);
}

static void got_comments(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	int rc = gh_decode_find(res->body, res->body_len, f->number, f->text, &f->a.id, &err);
	if (rc == 0 && gh_flow_next_page(f, res))
		return;
	gh_flow_end(f, rc, &err);
}

void gh_find_comment(struct gh *g, const char *repo, int64_t n, int64_t self_id, const char *marker, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_SAY, repo, cb, arg);
	f->number = self_id;
	f->text = xstrdup(marker);
	gh_flow_send(f, "GET", got_comments, "/repos/%r/issues/%i/comments?per_page=100", repo, n);
}

/* --- writes ------------------------------------------------------------------------------------------------------------------------ */

static void got_comment(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	int rc = gh_decode_comment(res->body, res->body_len, &f->a.id, &f->user, &err);
	f->a.user = rc == 0 ? &f->user : NULL;
	gh_flow_end(f, rc, &err);
}

static void comment_body(struct gh_flow *f, const char *body)
{
	struct json_writer w = json_writer(&f->body);
	jw_open(&w, NULL);
	jw_str(&w, "body", body);
	jw_close(&w);
}

void gh_post_comment(struct gh *g, const char *repo, int64_t n, const char *body, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_SAY, repo, cb, arg);
	comment_body(f, body);
	gh_flow_send(f, "POST", got_comment, "/repos/%r/issues/%i/comments", repo, n);
}

void gh_edit_comment(struct gh *g, const char *repo, int64_t comment_id, const char *body, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_SAY, repo, cb, arg);
	comment_body(f, body);
	gh_flow_send(f, "PATCH", got_comment, "/repos/%r/issues/comments/%i", repo, comment_id);
}

static void got_status(struct gh_flow *f, const struct http_response *res)
{
	(void)res; /* 201 is all there is to know */
	gh_flow_done(f);
}

/* GitHub counts characters, not bytes, and refuses one too many. */
static size_t description_cut(const char *s)
{
	size_t len = strlen(s), cut = len;
	while (text_chars(s, cut) > LIMIT_STATUS_DESCRIPTION)
		cut = text_cut(s, len, cut - 1);
	return cut;
}

void gh_post_status(struct gh *g, const char *repo, const char *sha, const char *context, const char *state, const char *description,
		    const char *target_url, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_SAY, repo, cb, arg);
	struct json_writer w = json_writer(&f->body);
	jw_open(&w, NULL);
	jw_str(&w, "state", state);
	jw_str(&w, "context", context);
	if (description != NULL)
		jw_strn(&w, "description", description, description_cut(description));
	if (target_url != NULL)
		jw_str(&w, "target_url", target_url);
	jw_close(&w);
	gh_flow_send(f, "POST", got_status, "/repos/%r/statuses/%s", repo, sha);
}

static void got_merge(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	int rc = gh_decode_string(res->body, res->body_len, "sha", &f->owned, &err);
	f->a.sha = f->owned;
	gh_flow_end(f, rc, &err);
}

/* A merge commit is preferred: it alone keeps the reviewed head commit in the history of the base. */
static const char *method_of(const struct gh_repo_facts *repo, unsigned methods)
{
	if (repo->merge && (methods & GH_METHOD_MERGE) != 0)
		return "merge";
	if (repo->squash && (methods & GH_METHOD_SQUASH) != 0)
		return "squash";
	return repo->rebase && (methods & GH_METHOD_REBASE) != 0 ? "rebase" : NULL;
}

static void got_methods(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	struct gh_repo_facts facts = {0};
	if (gh_decode_repo(res->body, res->body_len, &facts, &err) != 0) {
		gh_flow_fail(f, &err);
		return;
	}
	free(facts.full_name);
	const char *method = method_of(&facts, f->methods);
	if (method == NULL) {
		(void)err_set(&err, ERR_REFUSED, "%s and the rules of the branch allow no merge method together; allow one in its settings", f->repo);
		gh_flow_fail(f, &err);
		return;
	}
	struct json_writer w = json_writer(&f->body);
	jw_open(&w, NULL);
	jw_str(&w, "sha", f->sha);
	jw_str(&w, "merge_method", method);
	if (f->text != NULL)
		jw_str(&w, "commit_title", f->text);
	jw_close(&w);
	gh_flow_send(f, "PUT", got_merge, "/repos/%r/pulls/%i/merge", f->repo, f->number);
}

void gh_merge(struct gh *g, const char *repo, int64_t n, const char *head_sha, const char *title, unsigned methods, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_MERGE, repo, cb, arg);
	f->repo = xstrdup(repo);
	f->number = n;
	f->methods = methods;
	f->sha = xstrdup(head_sha);
	f->text = xstrdup(title);
	gh_flow_send(f, "GET", got_methods, "/repos/%r", repo);
}
