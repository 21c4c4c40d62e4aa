#include "github/gh_priv.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"

#include <stdio.h>

/* One request, in order: a token (github/auth.h) -> the installation's budget -> a turn -> HTTP -> maybe once more -> the step. */

enum { CALL_TIMEOUT_MS = 15 * 1000 }; /* GitHub itself gives up after 10 s */

static void send_now(struct gh_flow *f);
static void token_came(const struct gh_result *r, void *arg);

struct gh_flow *gh_flow_new(struct gh *g, enum gh_purpose purpose, const char *repo, gh_cb cb, void *arg)
{
	struct gh_flow *f = xcalloc(1, sizeof(*f));
	*f = (struct gh_flow){.gh = g, .cb = cb, .arg = arg, .next = g->flows, .purpose = purpose, .home = xstrdup(repo)};
	f->waiter = (struct gh_waiter){.fn = token_came, .arg = f};
	if (f->next != NULL)
		f->next->prev = f;
	g->flows = f;
	return f;
}

static void unlink_flow(struct gh_flow *f)
{
	if (f->prev != NULL)
		f->prev->next = f->next;
	else
		f->gh->flows = f->next;
	if (f->next != NULL)
		f->next->prev = f->prev;
}

/* --- turns: at most so many requests at once ----------------------------------------------------------------------------------------- */

static void leave_turn(struct gh_flow *f)
{
	struct gh *g = f->gh;
	if (!f->turning)
		return;
	*(f->turn_prev != NULL ? &f->turn_prev->turn_next : &g->turn_first) = f->turn_next;
	*(f->turn_next != NULL ? &f->turn_next->turn_prev : &g->turn_last) = f->turn_prev;
	f->turn_prev = f->turn_next = NULL;
	f->turning = false;
}

static void wait_turn(struct gh_flow *f)
{
	struct gh *g = f->gh;
	f->turning = true;
	f->turn_prev = g->turn_last;
	*(g->turn_last != NULL ? &g->turn_last->turn_next : &g->turn_first) = f;
	g->turn_last = f;
}

static void off_the_wire(struct gh_flow *f)
{
	struct gh *g = f->gh;
	f->call = NULL;
	g->on_wire--;
	while (!g->closing && g->turn_first != NULL && g->on_wire < g->wire_max) {
		struct gh_flow *next = g->turn_first;
		leave_turn(next);
		send_now(next); /* it asks for its token and budget again, which may have changed while it stood in line; then it may not go at all */
	}
}

/* --- the end of a flow --------------------------------------------------------------------------------------------------------------- */

static void wipe(char *secret)
{
	if (secret != NULL)
		crypto_wipe(secret, strlen(secret));
	free(secret);
}

static void free_flow(struct gh_flow *f)
{
	if (f->call != NULL) {
		http_cancel(f->call);
		off_the_wire(f);
	}
	leave_turn(f);
	gh_waiter_leave(&f->waiter);
	gh_token_leave(f->token);
	loop_timer_close(f->timer);
	gh_free_answer(f);
	buf_free(&f->body);
	wipe(f->authorization);
	free(f->home);
	free(f->url);
	free(f->repo);
	free(f->sha);
	free(f->text);
	free(f->more);
	free(f);
}

/* Out of the list before the callback, so that the callback may close the whole client. */
void gh_flow_done(struct gh_flow *f)
{
	struct gh_token *t = TAKE(f->token);
	unlink_flow(f);
	gh_token_leave(t); /* before the callback: a token that only this call had is given back whatever happens there */
	f->cb(&f->a, f->arg);
	free_flow(f);
}

static const char *path_part(const struct gh_flow *f)
{
	const char *url = f->url != NULL ? f->url : "";
	return text_starts(url, f->gh->api_url) ? url + strlen(f->gh->api_url) : url;
}

void gh_flow_fail(struct gh_flow *f, const struct err *err)
{
	struct gh_result *r = &f->a.r;
	(void)err_set(&r->err, err->code, "%s %s: %s%s%s%s", f->method, path_part(f), err->msg, f->request_id[0] != '\0' ? " (request " : "",
		      f->request_id, f->request_id[0] != '\0' ? ")" : "");
	/* GitHub said yes and we did not understand it: the write did happen. */
	r->ambiguous = strcmp(f->method, "GET") != 0 && r->status >= 200 && r->status < 300;
	gh_flow_done(f);
}

void gh_flow_end(struct gh_flow *f, int rc, const struct err *err)
{
	if (rc != 0)
		gh_flow_fail(f, err);
	else
		gh_flow_done(f);
}

static void timer_fired(void *arg)
{
	struct gh_flow *f = arg;
	if (f->a.r.err.code != 0) /* refused before anything was sent */
		gh_flow_done(f);
	else
		send_now(f);
}

static void after(struct gh_flow *f, int64_t ms)
{
	if (f->timer == NULL)
		f->timer = loop_timer_new(f->gh->loop, timer_fired, f);
	loop_timer_start(f->timer, ms, 0);
}

void gh_flow_refuse(struct gh_flow *f, int code, const char *sentence)
{
	f->a.r = (struct gh_result){0};
	(void)err_set(&f->a.r.err, code, "%s %s: %s", f->method != NULL ? f->method : "GET", path_part(f), sentence);
	after(f, 0);
}

/* --- limits -------------------------------------------------------------------------------------------------------------------------- */

struct gh_budget *gh_flow_budget(struct gh_flow *f)
{
	return f->token != NULL ? gh_token_budget(f->token) : gh_auth_budget(f->gh->auth);
}

void gh_flow_limited(struct gh_flow *f, int64_t until_ms)
{
	struct gh_budget *b = gh_flow_budget(f);
	int64_t *until = f->query ? &b->query_until_ms : &b->until_ms;
	if (until_ms > *until)
		*until = until_ms;
	b->times++;
}

/* True: not now, the flow will end and say so. */
static bool is_held_back(struct gh_flow *f)
{
	const struct gh_budget *b = gh_flow_budget(f);
	int64_t now = clock_wall_ms(), until = f->query && b->query_until_ms > b->until_ms ? b->query_until_ms : b->until_ms;
	if (until <= now || until > now + GH_LIMITED_MAX_MS) /* further away than GitHub ever asks: our clock was set back */
		return false;
	if (f->authorization != NULL) /* a token that is given back late is worse than one request too many */
		return false;
	f->a.r = (struct gh_result){.retry_at_ms = until};
	(void)err_set(&f->a.r.err, ERR_UNAVAILABLE, "%s %s: not sent, GitHub asked for a pause of another %lld s", f->method, path_part(f),
		      (long long)(until - now + 999) / 1000);
	after(f, 0);
	return true;
}

/* The last request of the hour went through: the next one would be refused, so it is not sent. */
static void note_budget(struct gh_flow *f, const struct http_response *res)
{
	const char *left = http_header(res, "x-ratelimit-remaining"), *reset = http_header(res, "x-ratelimit-reset");
	int64_t at;
	if (res->status < 200 || (res->status >= 300 && res->status != 304))
		return;
	struct gh_budget *b = gh_flow_budget(f);
	b->times = 0;
	int64_t *until = f->query ? &b->query_until_ms : &b->until_ms;
	if (left != NULL && reset != NULL && strcmp(left, "0") == 0 && text_int(reset, 0, INT64_MAX / 1000, &at, NULL) == 0 && at * 1000 > *until)
		*until = at * 1000;
}

/* --- answers ------------------------------------------------------------------------------------------------------------------------- */

static bool is_worth_retrying(const struct gh_flow *f, const struct http_response *res)
{
	if ((strcmp(f->method, "GET") != 0 && !f->repeatable) || f->tries >= GH_RETRIES)
		return false;
	if (res->status == 0 || res->err.code != 0)
		return res->err.code == ERR_TIMEOUT || res->err.code == ERR_UNAVAILABLE || res->err.code == ERR_IO;
	return res->status >= 500 || (res->status == 404 && f->retry_404);
}

/* Only what fits on one page: a full page stays the same, tag and all, when the list grows a second one, and what stands there would be missed. */
static bool may_be_kept(const struct gh_flow *f)
{
	return strcmp(f->method, "GET") == 0 && !f->no_etag && !f->anonymous && strstr(f->url, "page=") == NULL;
}

static char *cache_key(const struct gh_flow *f) { return xasprintf("%d %s", (int)f->purpose, f->url); }

/* Nothing changed since: the step sees the answer of then. False: it was thrown out meanwhile. */
static bool answer_from_cache(struct gh_flow *f, const struct http_response *res)
{
	CLEANUP_FREE char *key = cache_key(f);
	const struct gh_cached *c = gh_cache_find(f->gh->cache, key);
	if (c == NULL)
		return false;
	CLEANUP_FREE char *body = xstrndup(c->body, c->len); /* a step may send and so make the cache move */
	const struct http_response then = {.status = 200, .sent = true, .body = body, .body_len = c->len, .took_ms = res->took_ms};
	f->a.r = (struct gh_result){.status = 200};
	f->step(f, &then);
	return true;
}

/* What the answer says about everybody's next request; before others get their turn. */
static void judge(struct gh_flow *f, const struct http_response *res)
{
	gh_judge(f->method, path_part(f), res, clock_wall_ms(), gh_flow_budget(f)->times, &f->a.r);
	if (f->a.r.retry_at_ms != 0)
		gh_flow_limited(f, f->a.r.retry_at_ms);
	else if (f->token != NULL && (res->status == 403 || res->status == 404))
		gh_token_doubted(f->token);
	note_budget(f, res);
}

static void keep_request_id(struct gh_flow *f, const struct http_response *res)
{
	const char *id = http_header(res, "x-github-request-id");
	CLEANUP_BUF struct buf clean = {0};
	if (id != NULL)
		text_clean(&clean, id, text_cut(id, strlen(id), sizeof(f->request_id) - 1));
	(void)snprintf(f->request_id, sizeof(f->request_id), "%s", buf_str(&clean));
}

static void take_step(struct gh_flow *f, const struct http_response *res)
{
	if (f->a.r.err.code == 0 && res->status == 200 && may_be_kept(f)) {
		CLEANUP_FREE char *key = cache_key(f);
		gh_cache_put(f->gh->cache, key, res);
	}
	if (f->a.r.err.code == 0 || (f->also_status != 0 && res->status == f->also_status))
		f->step(f, res);
	else
		gh_flow_done(f);
}

static void once_more(struct gh_flow *f)
{
	f->a.r = (struct gh_result){0};
	send_now(f);
}

static void answered(const struct http_response *res, void *arg)
{
	struct gh_flow *f = arg;
	judge(f, res);
	keep_request_id(f, res);
	off_the_wire(f);
	if (is_worth_retrying(f, res)) {
		log_debug("github.retry", "method=%s path=%s status=%d try=%u", f->method, log_value(path_part(f)), res->status, f->tries + 1);
		f->a.r = (struct gh_result){0};
		after(f, f->gh->backoff_ms[f->tries++]);
	} else if (res->status == 401 && f->token != NULL && !f->renewed && gh_token_refused(f->token, f->serial)) {
		f->renewed = true; /* nothing happened there, so a write may be repeated, too */
		once_more(f);
	} else if (res->status == 304 && f->asked_etag) {
		if (answer_from_cache(f, res))
			return;
		f->no_etag = true;
		once_more(f);
	} else {
		take_step(f, res);
	}
}

/* --- sending ------------------------------------------------------------------------------------------------------------------------- */

static void transmit(struct gh_flow *f, const char *authorization)
{
	struct http_header headers[6] = {
		{"Accept", "application/vnd.github+json"},
		{"X-GitHub-Api-Version", "2022-11-28"},
		{"User-Agent", "sluice"},
	};
	size_t n = 3;
	const struct gh_cached *cached = NULL;
	if (authorization != NULL)
		headers[n++] = (struct http_header){"Authorization", authorization};
	if (f->body.len > 0)
		headers[n++] = (struct http_header){"Content-Type", "application/json"};
	if (may_be_kept(f)) {
		CLEANUP_FREE char *key = cache_key(f);
		cached = gh_cache_find(f->gh->cache, key);
	}
	if (cached != NULL)
		headers[n++] = (struct http_header){"If-None-Match", cached->etag};
	f->asked_etag = cached != NULL;
	const struct http_request req = {
		.method = f->method,
		.url = f->url,
		.headers = headers,
		.headers_n = n,
		.body = f->body.len > 0 ? f->body.data : NULL,
		.body_len = f->body.len,
		.max_body = LIMIT_GITHUB_BODY_BYTES,
		.timeout_ms = CALL_TIMEOUT_MS,
	};
	f->gh->on_wire++;
	f->call = http_send(f->gh->http, &req, answered, f);
}

static void token_came(const struct gh_result *r, void *arg)
{
	struct gh_flow *f = arg;
	if (r->err.code == 0) {
		send_now(f);
		return;
	}
	f->a.r = *r;
	f->a.r.status = 0; /* that was of another request */
	f->a.r.ambiguous = false;
	(void)err_wrap(&f->a.r.err, "%s %s: not sent", f->method, path_part(f));
	gh_flow_done(f);
}

/* NULL: the flow waits for its token, or will end. */
static const char *authorization_of(struct gh_flow *f)
{
	if (f->authorization != NULL)
		return f->authorization;
	if (f->token == NULL)
		f->token = gh_token_use(f->gh->auth, f->home, f->purpose);
	const char *authorization = gh_token_authorization(f->token);
	f->serial = gh_token_serial(f->token);
	if (authorization == NULL) {
		gh_token_wait(f->token, &f->waiter);
	} else if ((gh_token_lacks(f->token) & f->needs) != 0) {
		gh_token_doubted(f->token); /* somebody may add it: the next token is asked for anew */
		gh_flow_refuse(f, ERR_REFUSED, "the App's installation lacks the permission for this; add it to the App and accept it for the account");
		return NULL;
	}
	return authorization;
}

/* No request: the token itself was wanted. */
static void lend(struct gh_flow *f)
{
	f->a.token = gh_token_lend(f->token);
	gh_flow_done(f);
}

static void send_now(struct gh_flow *f)
{
	const char *authorization = f->anonymous ? NULL : authorization_of(f);
	if ((authorization == NULL && !f->anonymous) || is_held_back(f))
		return;
	if (f->lend)
		lend(f);
	else if (f->gh->on_wire >= f->gh->wire_max)
		wait_turn(f);
	else
		transmit(f, authorization);
}

static void start(struct gh_flow *f, const char *method, gh_step step)
{
	f->method = method;
	f->step = step;
	f->tries = f->pages = 0;
	f->no_etag = f->query = false;
}

void gh_flow_send(struct gh_flow *f, const char *method, gh_step step, const char *path_template, ...)
{
	CLEANUP_BUF struct buf url = {0};
	buf_adds(&url, f->gh->api_url);
	va_list ap;
	va_start(ap, path_template);
	bool ok = gh_path_from(&url, path_template, ap);
	va_end(ap);
	free(f->url);
	f->url = buf_take(&url);
	start(f, method, step);
	if (!ok)
		gh_flow_refuse(f, ERR_USAGE, "a name in it cannot stand in a path; repositories are OWNER/NAME");
	else if (f->home == NULL && !f->anonymous && f->authorization == NULL && f->purpose != GH_FOR_APP && gh_auth_is_app(f->gh->auth))
		gh_flow_refuse(f, ERR_REFUSED, "no repository of that owner was used yet, so the App has no token to ask with");
	else
		send_now(f);
}

void gh_flow_query(struct gh_flow *f, gh_step step)
{
	free(f->url);
	f->url = xstrdup(f->gh->graphql_url);
	start(f, "POST", step);
	f->query = true;
	send_now(f);
}

void gh_flow_lend(struct gh_flow *f)
{
	start(f, "GET", NULL);
	f->url = xasprintf("a token of its own for %s", f->home);
	f->lend = true;
	after(f, 0);
}

void gh_flow_as(struct gh_flow *f, enum gh_purpose purpose, const char *repo)
{
	gh_token_leave(TAKE(f->token));
	f->purpose = purpose;
	f->renewed = false;
	xstrset(&f->home, repo);
}

bool gh_flow_next_page(struct gh_flow *f, const struct http_response *res)
{
	CLEANUP_BUF struct buf next = {0};
	struct err err = {0};
	if (!gh_link_next(http_header(res, "link"), &next))
		return false;
	CLEANUP_FREE char *origin = gh_origin(buf_str(&next));
	if (origin == NULL || strcmp(origin, f->gh->origin) != 0)
		(void)err_set(&err, ERR_REFUSED, "its next page is on another host, which never gets the token: %.200s", buf_str(&next));
	else if (++f->pages >= LIMIT_GITHUB_PAGES)
		(void)err_set(&err, ERR_LIMIT, "more than %u pages; sluice reads no further", LIMIT_GITHUB_PAGES);
	if (err.code != 0) {
		gh_flow_fail(f, &err);
		return true;
	}
	free(f->url);
	f->url = buf_take(&next);
	f->tries = 0;
	send_now(f);
	return true;
}

/* --- the client ---------------------------------------------------------------------------------------------------------------------- */

void gh_cancel(struct gh *g, const void *arg)
{
	for (struct gh_flow *f = g->flows, *next; f != NULL; f = next) {
		next = f->next;
		if (f->arg == arg) {
			unlink_flow(f);
			free_flow(f);
		}
	}
}

void gh_close_flows(struct gh *g)
{
	while (g->flows != NULL) {
		struct gh_flow *f = g->flows;
		unlink_flow(f);
		free_flow(f);
	}
}
