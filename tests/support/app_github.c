#include "tests/support/app_github.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Acme's repositories have installation 77, everybody else's 88. */
static int64_t installation_of(const char *path) { return strstr(path, "/repos/acme/") != NULL || strstr(path, "/77/") != NULL ? 77 : 88; }

static void who(struct app_github *g, const struct double_request *rq, struct buf *out, struct app_token **ret_token)
{
	const char *at = strstr(rq->head, "uthorization: Bearer ");
	*ret_token = NULL;
	if (at == NULL) {
		buf_adds(out, strstr(rq->head, "uthorization:") != NULL ? "bad" : "none");
		return;
	}
	CLEANUP_FREE char *text = xstrndup(at + 21, strcspn(at + 21, "\r\n"));
	if (text_starts(text, "jwt")) {
		buf_adds(out, text);
		return;
	}
	for (size_t i = 0; i < g->tokens_n; i++)
		if (strcmp(g->tokens[i].text, text) == 0) {
			*ret_token = &g->tokens[i];
			buf_printf(out, "t%zu", i + 1);
			return;
		}
	buf_adds(out, "bad");
}

static void refuse(struct double_answer *ret, int status, const char *message)
{
	ret->status = status;
	buf_printf(&ret->body, "{\"message\":\"%s\"}", message);
}

static void serve_installation(struct app_github *g, const struct double_request *rq, struct double_answer *ret)
{
	if (g->gone) {
		refuse(ret, 404, "Not Found");
		return;
	}
	buf_printf(&ret->body, "{\"id\":%lld,\"suspended_at\":%s", (long long)installation_of(rq->path),
		   g->suspended ? "\"2026-11-25T09:00:00Z\"" : "null");
	if (g->told != NULL)
		buf_printf(&ret->body, ",\"permissions\":%s", g->told);
	buf_addc(&ret->body, '}');
}

static void serve_mint(struct app_github *g, const struct double_request *rq, struct double_answer *ret)
{
	char until[CLOCK_ISO_SIZE];
	buf_printf(&g->bodies, "%s\n", rq->body);
	if (g->on_mint != NULL)
		g->on_mint(g);
	if (g->suspended_late) {
		refuse(ret, 403, "This installation has been suspended");
		return;
	}
	if (g->mint_502 > 0) {
		g->mint_502--;
		ret->status = 502;
		return;
	}
	if (g->renamed) {
		refuse(ret, 422, "There is at least one repository that does not exist or is not accessible to the parent installation.");
		return;
	}
	if (g->lacks != NULL && strstr(rq->body, g->lacks) != NULL) {
		refuse(ret, 422, "The permissions requested are not granted to this installation.");
		return;
	}
	assert_true(g->tokens_n < APP_TOKENS);
	struct app_token *t = &g->tokens[g->tokens_n++];
	size_t n = g->token_bytes != 0 ? g->token_bytes : 520;
	t->text = xmalloc(n + 1);
	memset(t->text, 'x', n);
	t->text[n] = '\0';
	(void)snprintf(t->text, n + 1, "ghs_%d_%03zu.", APP_ID, g->tokens_n);
	t->text[strlen(t->text)] = 'y'; /* the rest of it follows */
	t->installation = installation_of(rq->path);
	ret->status = 201;
	buf_printf(&ret->body, "{\"token\":\"%s\",\"expires_at\":\"%s\"}", g->mint_broken ? "a b" : t->text,
		   clock_iso(clock_wall_ms() + (g->life_ms != 0 ? g->life_ms : 3600 * 1000), until));
}

uint64_t app_github_dice(struct app_github *g)
{
	g->seed ^= g->seed << 13;
	g->seed ^= g->seed >> 7;
	g->seed ^= g->seed << 17;
	return g->seed;
}

/* What goes wrong before anything happened. */
static bool fails_before(struct app_github *g, struct double_answer *ret)
{
	static const int statuses[APP_FAULTS] = {[APP_502] = 502, [APP_401] = 401, [APP_403] = 403, [APP_404] = 404, [APP_422] = 422, [APP_LIMIT] = 429};
	g->requests++;
	if (g->seed != 0) {
		g->fault = (enum app_fault)(app_github_dice(g) % APP_FAULTS);
		g->fault_at = app_github_dice(g) % 4 == 0 ? g->requests : 0;
	}
	if (g->requests != g->fault_at)
		return false;
	ret->reset = g->fault == APP_RESET;
	if (statuses[g->fault] != 0)
		refuse(ret, statuses[g->fault], "no");
	if (g->fault == APP_LIMIT)
		ret->headers = "Retry-After: 1\r\n";
	return ret->reset || statuses[g->fault] != 0;
}

/* And after. */
static void fails_after(struct app_github *g, const struct double_request *rq, struct double_answer *ret)
{
	if (g->requests != g->fault_at)
		return;
	ret->reset = g->fault == APP_LOST;
	buf_truncate(&ret->body, g->fault == APP_EMPTY ? 0 : g->fault == APP_CUT ? ret->body.len / 2 : ret->body.len);
	if (text_ends(rq->path, "/access_tokens") && g->tokens_n > 0)
		g->tokens[g->tokens_n - 1].unknown = true;
}

static void serve(const struct double_request *rq, struct double_answer *ret, void *arg)
{
	struct app_github *g = arg;
	bool failed = fails_before(g, ret);
	if (g->on_request != NULL)
		g->on_request(g);
	if (failed)
		return;
	CLEANUP_BUF struct buf by = {0};
	struct app_token *t = NULL;
	who(g, rq, &by, &t);
	buf_printf(&g->log, "%s %s %s\n", rq->method, rq->path, buf_str(&by));
	bool jwt = text_starts(buf_str(&by), "jwt"), about_tokens = text_ends(rq->path, "/installation") || text_ends(rq->path, "/access_tokens");
	assert_string_not_equal(buf_str(&by), "bad");
	if (jwt && g->jwt_refused > 0) {
		g->jwt_refused--;
		refuse(ret, 401, "A JSON web token could not be decoded");
	} else if (t != NULL && t->dead) {
		refuse(ret, 401, "Bad credentials");
	} else if (strcmp(rq->path, "/installation/token") == 0) {
		assert_non_null(t);
		assert_string_equal(rq->method, "DELETE");
		t->dead = true;
		ret->status = 204;
	} else if (about_tokens) {
		assert_true(jwt);
		if (text_ends(rq->path, "/installation"))
			serve_installation(g, rq, ret);
		else
			serve_mint(g, rq, ret);
	} else if (g->other != NULL) {
		g->other(rq, ret, g->arg);
	} else {
		buf_adds(&ret->body, "{\"id\":5,\"full_name\":\"R\"}");
	}
	fails_after(g, rq, ret);
}

/* --- the signer ---------------------------------------------------------------------------------------------------------------------- */

static void sign(void *arg)
{
	struct app_github *g = arg;
	void (*done)(const char *jwt, const struct err *err, void *arg) = g->jwt_done;
	struct err err = {0};
	CLEANUP_FREE char *jwt = xasprintf("jwt%u", g->jwts);
	g->jwt_done = NULL;
	if (g->jwt_fails)
		(void)err_set(&err, ERR_IO, "the key agent is gone"); /* the code is in it */
	done(g->jwt_fails ? NULL : jwt, &err, g->jwt_arg);
}

void app_github_sign(struct app_github *g) { sign(g); }

static void jwt(void *self, void (*done)(const char *jwt, const struct err *err, void *arg), void *arg)
{
	struct app_github *g = self;
	assert_null(g->jwt_done); /* one question at a time */
	g->jwts++;
	g->jwt_done = done;
	g->jwt_arg = arg;
	if (!g->jwt_silent)
		loop_post(g->loop, sign, g);
}

static void minted(void *self, const char *repo, const char *purpose, const char *permissions, bool revoked)
{
	struct app_github *g = self;
	assert_non_null(permissions);
	assert_non_null(strchr(permissions, ':'));
	buf_printf(&g->audit, "%c%s %s\n", revoked ? '-' : '+', purpose, repo);
}

struct gh_app app_github_app(struct app_github *g) { return (struct gh_app){.id = "4711", .jwt = jwt, .minted = minted, .self = g}; }

/* --- the whole ----------------------------------------------------------------------------------------------------------------------- */

void app_github_open(struct app_github *g)
{
	*g = (struct app_github){.loop = loop_new()};
	g->server = double_start(g->loop, serve, g);
	struct gh_app app = app_github_app(g);
	g->gh = gh_new(g->loop, &(struct gh_options){.api_url = double_url(g->server), .app = &app});
	for (size_t i = 0; i < GH_RETRIES; i++)
		g->gh->backoff_ms[i] = 1;
}

void app_github_close(struct app_github *g)
{
	gh_close(g->gh);
	double_close(g->server);
	loop_close(g->loop); /* asserts that no handle is left */
	for (size_t i = 0; i < g->tokens_n; i++)
		free(g->tokens[i].text);
	buf_free(&g->log);
	buf_free(&g->bodies);
	buf_free(&g->audit);
}

void app_told_cb(const struct gh_answer *a, void *told)
{
	struct app_told *t = told;
	const char *text = a->slug != NULL ? a->slug : a->sha != NULL ? a->sha : a->user != NULL ? a->user->login : NULL;
	assert_false(t->done);
	t->done = true;
	t->code = a->r.err.code;
	t->status = a->r.status;
	t->err = a->r.err;
	t->id = a->id;
	t->retry_at_ms = a->r.retry_at_ms;
	t->token = xstrdup(a->token);
	t->text = xstrdup(text);
	if (t->code != 0)
		print_message("  %s\n", a->r.err.msg);
	assert_null(strstr(a->r.err.msg, "ghs_"));
	assert_null(strstr(a->r.err.msg, "jwt"));
}

void app_wait(struct app_github *g, struct app_told *t) { assert_true(loop_run_until(g->loop, &t->done, 5000)); }

void app_told_free(struct app_told *t)
{
	free(t->token);
	free(t->text);
	*t = (struct app_told){0};
}
