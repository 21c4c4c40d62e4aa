#include "github/gh_priv.h"

#include "base/text.h"

#include <stdio.h>

/* What a branch asks for: rulesets, classic protection, and the short question whether it is protected at all. */

static void got_rules(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	int rc = gh_decode_rules(res->body, res->body_len, &f->rules, &err);
	if (rc == 0 && gh_flow_next_page(f, res))
		return;
	f->a.rules = rc == 0 ? &f->rules : NULL;
	gh_flow_end(f, rc, &err);
}

void gh_get_rules(struct gh *g, const char *repo, const char *branch, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_READ, repo, cb, arg);
	gh_rules_init(&f->rules, false);
	gh_flow_send(f, "GET", got_rules, "/repos/%r/rules/branches/%s?per_page=100", repo, branch);
}

/* A token without the right to see protection gets a 404 as well, in other words. Only these words mean that there is none. */
static bool says_none(const struct http_response *res)
{
	char *message = NULL;
	bool none = gh_decode_string(res->body, res->body_len, "message", &message, NULL) == 0 && strcmp(message, "Branch not protected") == 0;
	free(message);
	return none;
}

static void got_classic(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	if (res->status == 404 && !says_none(res)) {
		gh_flow_done(f); /* with the error that is there */
		return;
	}
	int rc = 0;
	if (res->status == 404)
		f->a.r = (struct gh_result){.status = 404};
	else
		rc = gh_decode_classic(res->body, res->body_len, &f->rules, &err);
	f->a.rules = rc == 0 ? &f->rules : NULL;
	gh_flow_end(f, rc, &err);
}

void gh_get_classic(struct gh *g, const char *repo, const char *branch, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_READ, repo, cb, arg);
	gh_rules_init(&f->rules, true);
	f->also_status = 404;
	f->needs = GH_MAY_ADMINISTRATION;
	gh_flow_send(f, "GET", got_classic, "/repos/%r/branches/%s/protection", repo, branch);
}

static void got_any_rules(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	if (res->status == 404) {
		/* The branch was just read, so this is a server without rulesets. */
		f->a.r = (struct gh_result){.status = 404};
		gh_flow_done(f);
		return;
	}
	if (gh_decode_rules(res->body, res->body_len, &f->rules, &err) != 0) {
		gh_flow_fail(f, &err);
		return;
	}
	f->a.yes = f->rules.pull_request ? 1 : 0; /* the one rule that keeps everybody from pushing straight to the branch */
	if (!f->rules.pull_request && gh_flow_next_page(f, res))
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
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root, commit;
	int rc = gh_parse_as(res->body, res->body_len, JSON_OBJECT, &doc, &root, &err);
	if (rc == 0)
		rc = json_obj(&root, "commit", &commit, &err);
	if (rc == 0)
		rc = gh_sha_from(&commit, "sha", &f->owned, &err);
	if (rc != 0) {
		gh_flow_fail(f, &err);
		return;
	}
	f->a.sha = f->owned;
	f->a.yes = is_protected ? 1 : 0;
	if (is_protected) {
		gh_flow_done(f);
		return;
	}
	f->also_status = 404;
	gh_flow_send(f, "GET", got_any_rules, "/repos/%r/rules/branches/%s?per_page=100", f->repo, f->text);
}

void gh_get_protection(struct gh *g, const char *repo, const char *branch, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_READ, repo, cb, arg);
	f->repo = xstrdup(repo);
	f->text = xstrdup(branch);
	gh_rules_init(&f->rules, false);
	gh_flow_send(f, "GET", got_branch, "/repos/%r/branches/%s", repo, branch);
}
