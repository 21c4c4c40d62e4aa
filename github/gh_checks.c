#include "github/gh_priv.h"

#include "base/text.h"

#include <stdio.h>

/* The checks of a commit and the protection of a branch: calls of two requests each, with pages. */

enum { NAMES_MAX = 20 }; /* contexts named in an answer; the rest is counted */

void gh_checks_free(struct gh_checks *c)
{
	strlist_free(&c->failing);
	strlist_free(&c->pending);
}

/* Our own: the prefix itself, or followed by something that is not part of a word ("sluice/network", not "sluicegate"). */
static bool is_own(const char *context, const char *prefix)
{
	if (prefix == NULL || prefix[0] == '\0' || !text_starts(context, prefix))
		return false;
	char next = context[strlen(prefix)];
	return !((next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z') || (next >= '0' && next <= '9') || next == '_' || next == '-');
}

static int list_in(const char *body, size_t len, const char *key, struct json_doc **doc, struct json *ret, struct err *err)
{
	struct json root;
	size_t n;
	int rc = json_parse(body, len, NULL, doc, &root, err);
	return rc != 0 ? rc : json_arr(&root, key, ret, &n, err);
}

int gh_decode_statuses(const char *body, size_t len, const char *own_prefix, struct gh_checks *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json list;
	int rc = list_in(body, len, "statuses", &doc, &list, err);
	for (struct json e = rc == 0 ? json_first(&list) : (struct json){0}; rc == 0 && json_ok(&e); e = json_next(&e)) {
		const char *context = NULL, *state = NULL;
		rc = json_str(&e, "context", GH_NAME_MAX, &context, err);
		if (rc == 0)
			rc = json_str(&e, "state", GH_NAME_MAX, &state, err);
		if (rc != 0 || is_own(context, own_prefix) || strcmp(state, "success") == 0)
			continue;
		strlist_add(strcmp(state, "pending") == 0 ? &ret->pending : &ret->failing, context);
	}
	return rc;
}

int gh_decode_check_runs(const char *body, size_t len, const char *own_prefix, struct gh_checks *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json list;
	int rc = list_in(body, len, "check_runs", &doc, &list, err);
	for (struct json e = rc == 0 ? json_first(&list) : (struct json){0}; rc == 0 && json_ok(&e); e = json_next(&e)) {
		const char *name = NULL, *status = NULL, *conclusion = NULL;
		rc = json_str(&e, "name", GH_NAME_MAX, &name, err);
		if (rc == 0)
			rc = json_str(&e, "status", GH_NAME_MAX, &status, err);
		if (rc == 0)
			rc = json_str_opt(&e, "conclusion", GH_NAME_MAX, "", &conclusion, err);
		if (rc != 0 || is_own(name, own_prefix))
			continue;
		/* GitHub adds words: an unknown status is not finished, an unknown conclusion is not success. */
		if (strcmp(status, "completed") != 0)
			strlist_add(&ret->pending, name);
		else if (strcmp(conclusion, "success") != 0 && strcmp(conclusion, "neutral") != 0 && strcmp(conclusion, "skipped") != 0)
			strlist_add(&ret->failing, name);
	}
	return rc;
}

static char *join_names(const struct strlist *l)
{
	CLEANUP_BUF struct buf out = {0};
	for (size_t i = 0; i < l->n && i < NAMES_MAX; i++)
		buf_printf(&out, "%s%s", i > 0 ? ", " : "", l->v[i]);
	if (l->n > NAMES_MAX)
		buf_printf(&out, " and %zu more", l->n - NAMES_MAX);
	return buf_take(&out);
}

static void got_check_runs(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	if (gh_decode_check_runs(res->body, res->body_len, f->text, &f->checks, &err) != 0) {
		gh_flow_fail(f, &err);
		return;
	}
	if (gh_flow_next_page(f, res))
		return;
	f->a.yes = f->checks.failing.n > 0 ? 0 : f->checks.pending.n > 0 ? -1 : 1;
	f->owned = join_names(f->a.yes == 0 ? &f->checks.failing : &f->checks.pending);
	f->a.names = f->owned;
	gh_flow_done(f);
}

static void got_statuses(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	if (gh_decode_statuses(res->body, res->body_len, f->text, &f->checks, &err) != 0) {
		gh_flow_fail(f, &err);
		return;
	}
	if (!gh_flow_next_page(f, res))
		gh_flow_send(f, "GET", got_check_runs, "/repos/%r/commits/%s/check-runs?per_page=100&filter=latest", f->repo, f->sha);
}

void gh_get_checks(struct gh *g, const char *repo, const char *sha, const char *own_prefix, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, cb, arg);
	f->repo = xstrdup(repo);
	f->sha = xstrdup(sha);
	f->text = xstrdup(own_prefix);
	gh_flow_send(f, "GET", got_statuses, "/repos/%r/commits/%s/status?per_page=100", repo, sha);
}

static void got_rules(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	bool has_rule = f->a.yes == 1;
	if (res->status == 404) {
		/* The branch was just read, so this is a server without rulesets. */
		f->a.r = (struct gh_result){.status = 404};
		gh_flow_done(f);
		return;
	}
	if (gh_decode_rules(res->body, res->body_len, &has_rule, &err) != 0) {
		f->a.yes = 0;
		gh_flow_fail(f, &err);
		return;
	}
	f->a.yes = has_rule ? 1 : 0;
	if (!has_rule && gh_flow_next_page(f, res))
		return;
	gh_flow_done(f);
}

static void got_branch(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	bool is_protected = false;
	if (gh_decode_bool(res->body, res->body_len, "protected", &is_protected, &err) != 0) {
		gh_flow_fail(f, &err);
		return;
	}
	f->a.yes = is_protected ? 1 : 0;
	if (is_protected) {
		gh_flow_done(f);
		return;
	}
	f->also_status = 404;
	gh_flow_send(f, "GET", got_rules, "/repos/%r/rules/branches/%s?per_page=100", f->repo, f->text);
}

void gh_get_protection(struct gh *g, const char *repo, const char *branch, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, cb, arg);
	f->repo = xstrdup(repo);
	f->text = xstrdup(branch);
	gh_flow_send(f, "GET", got_branch, "/repos/%r/branches/%s", repo, branch);
}
