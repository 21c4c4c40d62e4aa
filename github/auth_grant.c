#include "github/auth_grant.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/limits.h"
#include "github/gh_priv.h"

#include <stdio.h>

/* Installation -> token -> given back: three requests of the App itself. */

enum { GRANTS_MAX = 9 };

struct grant {
	const char *name, *level;
	unsigned may; /* GH_MAY_*: works without it; 0: does not */
};

/* The least that each purpose needs. */
static const struct grant GRANTS[GH_PURPOSES][GRANTS_MAX + 1] = {
	[GH_FOR_READ] = {{"metadata", "read", 0}, {"contents", "read", 0}, {"pull_requests", "read", 0}, {"checks", "read", 0},
			 {"statuses", "read", 0}, {"members", "read", GH_MAY_MEMBERS}, {"deployments", "read", GH_MAY_DEPLOYMENTS},
			 {"merge_queues", "read", GH_MAY_QUEUE}, {"administration", "read", GH_MAY_ADMINISTRATION}},
	[GH_FOR_SAY] = {{"pull_requests", "write", 0}, {"issues", "write", 0}, {"checks", "write", 0}, {"statuses", "write", 0}},
	[GH_FOR_MERGE] = {{"contents", "write", 0}, {"pull_requests", "write", 0}, {"merge_queues", "write", GH_MAY_ENQUEUE}},
	[GH_FOR_CLONE] = {{"contents", "read", 0}},
};

static bool is_asked(const struct grant *g, unsigned lacks) { return g->may == 0 || (lacks & g->may) == 0; }

char *gh_grant_words(enum gh_purpose purpose, unsigned lacks)
{
	CLEANUP_BUF struct buf out = {0};
	for (const struct grant *g = GRANTS[purpose]; g->name != NULL; g++)
		if (is_asked(g, lacks))
			buf_printf(&out, "%s%s:%s", out.len > 0 ? ", " : "", g->name, g->level);
	return buf_take(&out);
}

/* --- what GitHub answers --------------------------------------------------------------------------------------------------------------- */

static unsigned lacks_of(const struct json *permissions)
{
	unsigned lacks = 0;
	for (const struct grant *g = GRANTS[GH_FOR_READ]; g->name != NULL; g++) {
		struct json granted = json_member(permissions, g->name);
		if (g->may != 0 && json_text(&granted) == NULL)
			lacks |= g->may;
	}
	struct json queue = json_member(permissions, "merge_queues");
	const char *level = json_text(&queue);
	return level != NULL && strcmp(level, "write") == 0 ? lacks : lacks | GH_MAY_ENQUEUE;
}

int gh_decode_installation(const char *body, size_t len, int64_t *ret_id, unsigned *ret_lacks, bool *ret_suspended, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root, permissions;
	int64_t id = 0;
	const char *suspended = NULL;
	int rc = gh_parse_as(body, len, JSON_OBJECT, &doc, &root, err);
	if (rc == 0)
		rc = json_int(&root, "id", 1, GH_ID_MAX, &id, err);
	if (rc == 0)
		rc = json_str_opt(&root, "suspended_at", GH_NAME_MAX, NULL, &suspended, err);
	if (rc == 0)
		rc = json_obj_opt(&root, "permissions", &permissions, err);
	if (rc != 0)
		return rc;
	*ret_id = id;
	*ret_suspended = suspended != NULL;
	*ret_lacks = json_ok(&permissions) ? lacks_of(&permissions) : 0;
	return 0;
}

/* A token stands in a header: printable, no space. Nothing else is known about its form, which GitHub changed before. */
static bool is_token(const char *s)
{
	size_t n = 0;
	while (s[n] > ' ' && s[n] < 0x7f)
		n++;
	return n > 0 && s[n] == '\0';
}

int gh_decode_token(const char *body, size_t len, int64_t now_ms, char **ret_token, int64_t *ret_left_ms, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	const char *token = NULL;
	int64_t ends = 0;
	int rc = gh_parse_as(body, len, JSON_OBJECT, &doc, &root, err);
	if (rc == 0)
		rc = json_str(&root, "token", LIMIT_GITHUB_TOKEN_BYTES, &token, err);
	if (rc == 0 && !is_token(token))
		rc = err_set(err, ERR_PARSE, "token: not something that can stand in a header");
	if (rc == 0)
		rc = gh_time_opt_from(&root, "expires_at", &ends, err);
	if (rc == 0 && ends == 0)
		rc = err_set(err, ERR_PARSE, "expires_at: missing");
	if (rc == 0) {
		*ret_token = xstrdup(token);
		*ret_left_ms = ends - now_ms;
	}
	struct json secret = doc != NULL ? json_member(&root, "token") : (struct json){0};
	json_wipe(&secret);
	return rc;
}

/* --- minting ----------------------------------------------------------------------------------------------------------------------------- */

static void mint(struct gh *g, struct gh_token *t);

static void got_installation(struct gh_flow *f, const struct http_response *res)
{
	struct gh_token *t = f->arg;
	struct err err = {0};
	int64_t id = 0;
	unsigned lacks = 0;
	bool suspended = false;
	if (gh_decode_installation(res->body, res->body_len, &id, &lacks, &suspended, &err) != 0) {
		gh_flow_fail(f, &err);
		return;
	}
	t->in = t->home->in = gh_auth_install(t->auth, id);
	t->in->lacks = lacks;
	t->home->doubted = suspended; /* looked at again each time, until somebody lifts it */
	if (suspended)
		f->a.r.err = (struct err){.code = ERR_REFUSED, .msg = "suspended"};
	gh_flow_done(f);
}

/* GitHub's words become ours where we know what happened: one sentence with the way out. */
static void explain(struct gh_result *r, const struct gh_token *t)
{
	const char *repo = t->home->repo;
	if (r->err.code == ERR_UNAVAILABLE)
		return;
	if (r->status == 404)
		(void)err_set(&r->err, ERR_NOT_FOUND, "the GitHub App is not installed on %s; install it there, or add the repository to its installation",
			      repo);
	else if (strstr(r->err.msg, "suspended") != NULL)
		(void)err_set(&r->err, ERR_REFUSED, "the installation of the GitHub App for %s is suspended; an owner of the account can lift that under "
						    "Settings, Applications", repo);
	else if (r->status == 422 && strstr(r->err.msg, "repositor") != NULL)
		(void)err_set(&r->err, ERR_NOT_FOUND, "the installation of the GitHub App does not include a repository named %s; add it to the installation; "
						      "if it was renamed, its next event brings the new name", repo);
	else if (r->status == 422 && t->in != NULL) {
		CLEANUP_FREE char *words = gh_grant_words(t->purpose, t->in->lacks);
		(void)err_set(&r->err, ERR_REFUSED, "the installation of the GitHub App for %s lacks one of its permissions (%s); add it to the App and accept "
						    "it for the account", repo, words);
	}
}

static void fail(struct gh_token *t, const struct gh_answer *a)
{
	struct gh_result r = a->r;
	explain(&r, t);
	t->home->doubted = true;
	if (r.err.code == ERR_NOT_FOUND || r.err.code == ERR_REFUSED)
		t->home->in = NULL;
	gh_token_tell(t, &r);
}

static void looked_up(const struct gh_answer *a, void *arg)
{
	struct gh_token *t = arg;
	if (a->r.err.code != 0)
		fail(t, a);
	else
		mint(gh_auth_client(t->auth), t);
}

/* GitHub does not say which permission it was: the last one that can be done without is left out. False: there is none. */
static bool ask_for_less(struct gh_token *t)
{
	const struct grant *last = NULL;
	for (const struct grant *g = GRANTS[t->purpose]; g->name != NULL; g++)
		if (g->may != 0 && is_asked(g, t->in->lacks))
			last = g;
	if (last != NULL)
		t->in->lacks |= last->may;
	return last != NULL;
}

static void got_token(struct gh_flow *f, const struct http_response *res)
{
	struct gh_token *t = f->arg;
	struct err err = {0};
	char *token = NULL;
	int64_t left_ms = 0;
	if (gh_decode_token(res->body, res->body_len, clock_wall_ms(), &token, &left_ms, &err) != 0) {
		gh_flow_fail(f, &err);
		return;
	}
	gh_token_set(t, token, left_ms);
	crypto_wipe(token, strlen(token));
	free(token);
	gh_flow_done(f);
}

static void minted(const struct gh_answer *a, void *arg)
{
	struct gh_token *t = arg;
	if (a->r.status == 422 && strstr(a->r.err.msg, "repositor") == NULL && ask_for_less(t)) {
		mint(gh_auth_client(t->auth), t);
		return;
	}
	if (a->r.err.code != 0) {
		fail(t, a);
		return;
	}
	gh_auth_minted(t->auth, t->home->repo, t->purpose, t->permissions, false);
	gh_token_tell(t, &a->r);
}

static void mint(struct gh *g, struct gh_token *t)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_APP, NULL, minted, t);
	struct json_writer w = json_writer(&f->body);
	unsigned lacks = t->in->lacks;
	free(t->permissions);
	t->permissions = gh_grant_words(t->purpose, lacks);
	jw_open(&w, NULL);
	jw_open_arr(&w, "repositories");
	jw_str(&w, NULL, strchr(t->home->repo, '/') + 1); /* the path of the installation was made from it, so there is one */
	jw_close_arr(&w);
	jw_open(&w, "permissions");
	for (const struct grant *p = GRANTS[t->purpose]; p->name != NULL; p++)
		if (is_asked(p, lacks))
			jw_str(&w, p->name, p->level);
	jw_close(&w);
	jw_close(&w);
	f->repeatable = true; /* a token that got lost ends by itself */
	gh_flow_send(f, "POST", got_token, "/app/installations/%i/access_tokens", t->in->id);
}

void gh_grant_mint(struct gh *g, struct gh_token *t)
{
	if (t->home->in != NULL && !t->home->doubted) {
		t->in = t->home->in;
		mint(g, t);
		return;
	}
	struct gh_flow *f = gh_flow_new(g, GH_FOR_APP, NULL, looked_up, t);
	gh_flow_send(f, "GET", got_installation, "/repos/%r/installation", t->home->repo);
}

/* --- giving back ------------------------------------------------------------------------------------------------------------------------- */

/* 204, or a refusal: then it had ended already. */
static void got_revoked(struct gh_flow *f, const struct http_response *res)
{
	(void)res; /* nothing in it */
	gh_auth_minted(f->gh->auth, f->repo, (enum gh_purpose)f->number, f->text, true);
	gh_flow_done(f);
}

static void revoked(const struct gh_answer *a, void *arg)
{
	(void)a; /* a token that GitHub did not take back ends within the hour */
	gh_auth_given_back(arg);
}

void gh_grant_revoke(struct gh *g, const struct gh_token *t, char *authorization)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_APP, NULL, revoked, t->auth);
	f->authorization = authorization;
	f->repo = xstrdup(t->home->repo);
	f->number = t->purpose;
	f->text = xstrdup(t->permissions);
	f->also_status = 401;
	f->repeatable = true;
	gh_flow_send(f, "DELETE", got_revoked, "/installation/token");
}
