#include "github/gh_priv.h"

#include "base/limits.h"

#include <stdio.h>

/* Calls that read lists, and what is looked up by path. */

void gh_free_answer(struct gh_flow *f)
{
	gh_pull_free(&f->pull);
	gh_reviews_free(&f->reviews);
	gh_user_free(&f->user);
	gh_checks_free(&f->checks);
	gh_commits_free(&f->commits);
	gh_rules_free(&f->rules);
	gh_threads_free(&f->threads);
	gh_deployments_free(&f->deployments);
	gh_open_pulls_free(&f->open_pulls);
	gh_deliveries_free(&f->deliveries);
	gh_delivery_free(&f->delivery);
	free(f->owned);
}

static void got_commits(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	int rc = gh_decode_commits(res->body, res->body_len, &f->commits, &err);
	if (rc == 0 && gh_flow_next_page(f, res))
		return;
	if (rc == 0 && f->commits.n >= LIMIT_GITHUB_COMMITS) /* GitHub stops there without a word */
		rc = err_set(&err, ERR_LIMIT, "the pull request has %u commits or more, and GitHub lists no further; squash some of them",
			     LIMIT_GITHUB_COMMITS);
	f->a.commits = rc == 0 ? &f->commits : NULL;
	gh_flow_end(f, rc, &err);
}

void gh_get_commits(struct gh *g, const char *repo, int64_t n, gh_cb cb, void *arg)
{
	gh_flow_send(gh_flow_new(g, GH_FOR_READ, repo, cb, arg), "GET", got_commits, "/repos/%r/pulls/%i/commits?per_page=100", repo, n);
}

static void got_open_pulls(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	int rc = gh_decode_open_pulls(res->body, res->body_len, &f->open_pulls, &err);
	if (rc == 0 && gh_flow_next_page(f, res))
		return;
	f->a.open_pulls = rc == 0 ? &f->open_pulls : NULL;
	gh_flow_end(f, rc, &err);
}

void gh_list_open_pulls(struct gh *g, const char *repo, gh_cb cb, void *arg)
{
	gh_flow_send(gh_flow_new(g, GH_FOR_READ, repo, cb, arg), "GET", got_open_pulls, "/repos/%r/pulls?state=open&per_page=100", repo);
}

/* --- contents ------------------------------------------------------------------------------------------------------------------------ */

static void got_contents(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	if (res->status == 404) {
		f->a.r = (struct gh_result){.status = 404};
		gh_flow_done(f);
		return;
	}
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int rc = json_parse(res->body, res->body_len, NULL, &doc, &root, &err);
	if (rc == 0 && json_type(&root) == JSON_ARRAY)
		rc = err_set(&err, ERR_REFUSED, "it is a directory, not a file");
	if (rc == 0)
		rc = gh_sha_from(&root, "sha", &f->owned, &err);
	f->a.sha = f->owned;
	gh_flow_end(f, rc, &err);
}

void gh_get_contents_id(struct gh *g, const char *repo, const char *path, const char *ref, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_READ, repo, cb, arg);
	f->also_status = 404;
	gh_flow_send(f, "GET", got_contents, "/repos/%r/contents/%p?ref=%s", repo, path, ref);
}

/* --- deployments --------------------------------------------------------------------------------------------------------------------- */

static void next_deployment(struct gh_flow *f);

static void got_deployment_state(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	if (gh_decode_deployment_state(res->body, res->body_len, &f->deployments.v[f->at].state, &err) != 0) {
		gh_flow_fail(f, &err);
		return;
	}
	f->at++;
	next_deployment(f);
}

static void next_deployment(struct gh_flow *f)
{
	if (f->at < f->deployments.n) {
		gh_flow_send(f, "GET", got_deployment_state, "/repos/%r/deployments/%i/statuses?per_page=100", f->repo, f->deployments.v[f->at].id);
		return;
	}
	f->a.deployments = &f->deployments;
	gh_flow_done(f);
}

static void got_deployments(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	if (gh_decode_deployments(res->body, res->body_len, &f->deployments, &err) != 0) {
		gh_flow_fail(f, &err);
		return;
	}
	if (!gh_flow_next_page(f, res))
		next_deployment(f);
}

void gh_get_deployments(struct gh *g, const char *repo, const char *sha, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_READ, repo, cb, arg);
	f->repo = xstrdup(repo);
	f->needs = GH_MAY_DEPLOYMENTS;
	gh_flow_send(f, "GET", got_deployments, "/repos/%r/deployments?sha=%s&per_page=100", repo, sha);
}
