#include "github/gh_priv.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"

#include <stdio.h>

enum {
	CALL_TIMEOUT_MS = 15 * 1000,         /* GitHub itself gives up after 10 s */
	LIMITED_MS = 60 * 1000,              /* rate limited without advice: GitHub asks for a minute */
	LIMITED_MAX_MS = 60 * 60 * 1000,     /* advice is believed up to the longest window GitHub has */
	MESSAGE_MAX = 300,                   /* of GitHub's message in our sentence */
};

static void send_now(struct gh_flow *f);

struct gh_flow *gh_flow_new(struct gh *g, gh_cb cb, void *arg)
{
	struct gh_flow *f = xcalloc(1, sizeof(*f));
	*f = (struct gh_flow){.gh = g, .cb = cb, .arg = arg, .next = g->flows};
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

static void free_flow(struct gh_flow *f)
{
	if (f->call != NULL)
		http_cancel(f->call);
	loop_timer_close(f->timer);
	gh_pull_free(&f->pull);
	gh_reviews_free(&f->reviews);
	gh_user_free(&f->user);
	gh_checks_free(&f->checks);
	buf_free(&f->body);
	free(f->url);
	free(f->repo);
	free(f->sha);
	free(f->text);
	free(f->owned);
	free(f);
}

/* Out of the list before the callback, so that the callback may close the whole client. */
void gh_flow_done(struct gh_flow *f)
{
	unlink_flow(f);
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
	r->err = *err;
	(void)err_wrap(&r->err, "%s %s", f->method, path_part(f));
	/* GitHub said yes and we did not understand it: the write did happen. */
	r->ambiguous = strcmp(f->method, "GET") != 0 && r->status >= 200 && r->status < 300;
	gh_flow_done(f);
}

/* --- paths ------------------------------------------------------------------------------------------------------------------------- */

/* "." and ".." would climb out of the path when the URL is normalised. */
static bool add_segment(struct buf *out, const char *s, size_t len)
{
	if (len == 0 || (s[0] == '.' && (len == 1 || (len == 2 && s[1] == '.'))))
		return false;
	CLEANUP_FREE char *segment = xstrndup(s, len);
	text_url_segment(out, segment);
	return true;
}

static bool add_repo(struct buf *out, const char *repo)
{
	const char *slash = strchr(repo, '/');
	if (slash == NULL || strchr(slash + 1, '/') != NULL || !add_segment(out, repo, (size_t)(slash - repo)))
		return false;
	buf_addc(out, '/');
	return add_segment(out, slash + 1, strlen(slash + 1));
}

static bool path_from(struct buf *out, const char *path_template, va_list ap)
{
	bool ok = true;
	for (const char *p = path_template; *p != '\0'; p++) {
		if (*p != '%') {
			buf_addc(out, *p);
			continue;
		}
		p++;
		if (*p == 'i') {
			buf_printf(out, "%lld", (long long)va_arg(ap, int64_t));
			continue;
		}
		const char *s = va_arg(ap, const char *);
		ok = ok && s != NULL && (*p == 'r' ? add_repo(out, s) : add_segment(out, s, strlen(s)));
	}
	return ok && !buf_failed(out);
}

bool gh_path(struct buf *out, const char *path_template, ...)
{
	va_list ap;
	va_start(ap, path_template);
	bool ok = path_from(out, path_template, ap);
	va_end(ap);
	return ok;
}

char *gh_origin(const char *url)
{
	const char *host = text_starts(url, "https://") ? url + 8 : text_starts(url, "http://") ? url + 7 : NULL;
	if (host == NULL)
		return NULL;
	size_t n = strcspn(host, "/?#");
	if (n == 0 || memchr(host, '@', n) != NULL) /* user:password@host could look like another host */
		return NULL;
	return xstrndup(url, (size_t)(host - url) + n);
}

/* --- what an answer means ---------------------------------------------------------------------------------------------------------- */

static int64_t header_int(const struct http_response *res, const char *name)
{
	const char *v = http_header(res, name);
	int64_t n;
	return v != NULL && text_int(v, 0, INT64_MAX / 1000, &n, NULL) == 0 ? n : -1;
}

/* GitHub's "message", cleaned for our sentence; empty when there is none. */
static void message_of(const struct http_response *res, struct buf *out)
{
	struct json_doc *doc = NULL;
	struct json root;
	if (res->body_len > 0 && json_parse(res->body, res->body_len, NULL, &doc, &root, NULL) == 0) {
		struct json m = json_member(&root, "message");
		const char *text = json_text(&m);
		if (text != NULL)
			text_clean(out, text, text_cut(text, strlen(text), MESSAGE_MAX));
		for (size_t i = 0; i < out->len; i++)
			if (out->data[i] == '\n' || out->data[i] == '\t')
				out->data[i] = ' ';
		while (out->len > 0 && out->data[out->len - 1] == '.') /* our own words follow */
			buf_truncate(out, out->len - 1);
	}
	json_doc_free(doc);
}

/* When a 403 or 429 is a limit and not a refusal: in GitHub's order of signals. 0: it is a refusal. */
static int64_t limited_until(const struct http_response *res, const char *message, int64_t now_ms)
{
	int64_t after = header_int(res, "retry-after"), reset = header_int(res, "x-ratelimit-reset"), until = 0;
	if (after >= 0)
		until = now_ms + after * 1000;
	else if (header_int(res, "x-ratelimit-remaining") == 0 && reset >= 0)
		until = reset * 1000;
	else if (res->status == 429 || strstr(message, "rate limit") != NULL || strstr(message, "abuse") != NULL)
		until = now_ms + LIMITED_MS;
	else
		return 0;
	if (until > now_ms + LIMITED_MAX_MS)
		until = now_ms + LIMITED_MAX_MS;
	return until > now_ms ? until : now_ms + 1000;
}

struct status_meaning {
	int status, code;
	const char *way_out;
};

static const struct status_meaning MEANINGS[] = {
	{401, ERR_REFUSED, "the token is refused; give sluice a valid one in the server file under github"},
	{403, ERR_REFUSED, "the token lacks a permission for this, or the conversation is locked"},
	{404, ERR_NOT_FOUND, "it does not exist or the token may not see it"},
	{405, ERR_REFUSED, "GitHub does not allow it in the present state"},
	{409, ERR_CONFLICT, "it changed in the meantime; read it again"},
	{410, ERR_NOT_FOUND, "it is gone for good"},
	{422, ERR_REFUSED, "GitHub does not accept the content"},
};

static struct status_meaning meaning_of(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(MEANINGS); i++)
		if (MEANINGS[i].status == status)
			return MEANINGS[i];
	if (status >= 500)
		return (struct status_meaning){status, ERR_UNAVAILABLE, "GitHub has trouble; it is worth trying again"};
	return (struct status_meaning){status, ERR_REFUSED, "an answer that was not expected"};
}

static void judge_refusal(const char *method, const char *path, const struct http_response *res, int64_t now_ms, struct gh_result *ret)
{
	CLEANUP_BUF struct buf message = {0};
	message_of(res, &message);
	struct status_meaning m = meaning_of(res->status);
	if (res->status == 403 || res->status == 429) {
		ret->retry_at_ms = limited_until(res, buf_str(&message), now_ms);
		if (ret->retry_at_ms != 0)
			m = (struct status_meaning){res->status, ERR_UNAVAILABLE, "GitHub limits us; sluice waits as told"};
	}
	const char *id = http_header(res, "x-github-request-id");
	CLEANUP_BUF struct buf clean_id = {0};
	if (id != NULL)
		text_clean(&clean_id, id, text_cut(id, strlen(id), 64));
	(void)err_set(&ret->err, m.code, "%s %s: %d%s%s: %s (%s%s)", method, path, res->status, message.len > 0 ? " " : "", buf_str(&message),
		      m.way_out, clean_id.len > 0 ? "request " : "no request id", buf_str(&clean_id));
}

void gh_judge(const char *method, const char *path, const struct http_response *res, int64_t now_ms, struct gh_result *ret)
{
	bool write = strcmp(method, "GET") != 0;
	*ret = (struct gh_result){.status = res->status};
	if (res->status >= 200 && res->status < 300 && res->err.code == 0)
		return;
	if (res->status == 0 || res->err.code != 0) {
		/* No whole answer: refused connection, reset, deadline, or a body over the ceiling. */
		ret->err = res->err;
		if (ret->err.code == 0)
			(void)err_set(&ret->err, ERR_UNAVAILABLE, "%s %s: no answer", method, path);
		ret->ambiguous = write && (res->sent || res->status != 0);
		return;
	}
	judge_refusal(method, path, res, now_ms, ret);
	ret->ambiguous = write && res->status >= 500;
}

/* --- pages ------------------------------------------------------------------------------------------------------------------------- */

/* Link: <URL>; rel="next", <URL>; rel="last" - parameters in any order. */
bool gh_link_next(const char *link, struct buf *ret_url)
{
	while (link != NULL && (link = strchr(link, '<')) != NULL) {
		const char *end = strchr(link, '>');
		if (end == NULL)
			return false;
		const char *stop = strchr(end, '<'); /* the next link; a URL in a parameter would only cut this one short */
		size_t params = stop != NULL ? (size_t)(stop - end) : strlen(end);
		if (memmem(end, params, "rel=\"next\"", 10) != NULL || memmem(end, params, "rel=next", 8) != NULL) {
			buf_reset(ret_url);
			buf_add(ret_url, link + 1, (size_t)(end - link - 1));
			return ret_url->len > 0;
		}
		link = stop;
	}
	return false;
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

/* --- sending ----------------------------------------------------------------------------------------------------------------------- */

static bool is_worth_retrying(const struct gh_flow *f, const struct http_response *res)
{
	if (strcmp(f->method, "GET") != 0 || f->tries >= GH_RETRIES)
		return false;
	if (res->status == 0 || res->err.code != 0)
		return res->err.code == ERR_TIMEOUT || res->err.code == ERR_UNAVAILABLE || res->err.code == ERR_IO;
	return res->status >= 500 || (res->status == 404 && f->retry_404);
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

static void answered(const struct http_response *res, void *arg)
{
	struct gh_flow *f = arg;
	f->call = NULL;
	if (is_worth_retrying(f, res)) {
		log_debug("github.retry", "method=%s path=%s status=%d try=%u", f->method, log_value(path_part(f)), res->status, f->tries + 1);
		after(f, f->gh->backoff_ms[f->tries++]);
		return;
	}
	gh_judge(f->method, path_part(f), res, clock_wall_ms(), &f->a.r);
	if (f->a.r.retry_at_ms > f->gh->blocked_until_ms)
		f->gh->blocked_until_ms = f->a.r.retry_at_ms;
	if (f->a.r.err.code == 0 || (f->also_status != 0 && res->status == f->also_status))
		f->step(f, res);
	else
		gh_flow_done(f);
}

static void send_now(struct gh_flow *f)
{
	int64_t now = clock_wall_ms(), until = f->gh->blocked_until_ms;
	if (until > now && until <= now + LIMITED_MAX_MS) {
		f->a.r = (struct gh_result){.retry_at_ms = until};
		(void)err_set(&f->a.r.err, ERR_UNAVAILABLE, "%s %s: not sent, GitHub asked for a pause of another %lld s", f->method, path_part(f),
			      (long long)(until - now + 999) / 1000);
		after(f, 0);
		return;
	}
	const struct http_header headers[] = {
		{"Accept", "application/vnd.github+json"}, {"X-GitHub-Api-Version", "2022-11-28"}, {"User-Agent", "sluice"},
		{"Authorization", f->gh->authorization},   {"Content-Type", "application/json"},
	};
	bool has_body = f->body.len > 0;
	const struct http_request req = {
		.method = f->method,
		.url = f->url,
		.headers = headers,
		.headers_n = has_body ? ARRAY_LEN(headers) : ARRAY_LEN(headers) - 1,
		.body = has_body ? f->body.data : NULL,
		.body_len = f->body.len,
		.max_body = LIMIT_GITHUB_BODY_BYTES,
		.timeout_ms = CALL_TIMEOUT_MS,
	};
	f->call = http_send(f->gh->http, &req, answered, f);
}

void gh_flow_send(struct gh_flow *f, const char *method, gh_step step, const char *path_template, ...)
{
	CLEANUP_BUF struct buf url = {0};
	buf_adds(&url, f->gh->api_url);
	va_list ap;
	va_start(ap, path_template);
	bool ok = path_from(&url, path_template, ap);
	va_end(ap);
	free(f->url);
	f->url = buf_take(&url);
	f->method = method;
	f->step = step;
	f->tries = f->pages = 0;
	if (ok) {
		send_now(f);
		return;
	}
	(void)err_set(&f->a.r.err, ERR_USAGE, "%s %s: a name in it cannot stand in a path; repositories are OWNER/NAME", method, path_part(f));
	after(f, 0);
}

/* --- the client -------------------------------------------------------------------------------------------------------------------- */

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
