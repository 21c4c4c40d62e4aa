#include "github/gh_priv.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"

#include <stdio.h>

/* The pure half of the transport: paths of requests, and what an answer means. */

enum {
	LIMITED_MS = 60 * 1000, /* rate limited without advice: GitHub asks for a minute, and for more each time */
	LIMITED_DOUBLINGS = 6,
	MESSAGE_MAX = 300,      /* of GitHub's message in our sentence */
};

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

/* A path of several segments. */
static bool add_file(struct buf *out, const char *path)
{
	for (const char *slash; (slash = strchr(path, '/')) != NULL; path = slash + 1) {
		if (!add_segment(out, path, (size_t)(slash - path)))
			return false;
		buf_addc(out, '/');
	}
	return add_segment(out, path, strlen(path));
}

bool gh_path_from(struct buf *out, const char *path_template, va_list ap)
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
		ok = ok && s != NULL && (*p == 'r' ? add_repo(out, s) : *p == 'p' ? add_file(out, s) : add_segment(out, s, strlen(s)));
	}
	return ok && !buf_failed(out);
}

bool gh_path(struct buf *out, const char *path_template, ...)
{
	va_list ap;
	va_start(ap, path_template);
	bool ok = gh_path_from(out, path_template, ap);
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

void gh_clean_line(struct buf *out, const char *text)
{
	text_clean(out, text, text_cut(text, strlen(text), MESSAGE_MAX));
	for (size_t i = 0; i < out->len; i++)
		if (out->data[i] == '\n' || out->data[i] == '\t')
			out->data[i] = ' ';
	while (out->len > 0 && out->data[out->len - 1] == '.') /* our own words follow */
		buf_truncate(out, out->len - 1);
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
			gh_clean_line(out, text);
	}
	json_doc_free(doc);
}

/* When a 403 or 429 is a limit and not a refusal: in GitHub's order of signals. 0: it is a refusal. */
static int64_t limited_until(const struct http_response *res, const char *message, int64_t now_ms, unsigned times)
{
	int64_t after = header_int(res, "retry-after"), reset = header_int(res, "x-ratelimit-reset"), until = 0;
	if (res->status == 403 && strstr(message, "Resource not accessible") != NULL) /* a permission, whatever else the headers say */
		return 0;
	if (after >= 0)
		until = now_ms + after * 1000;
	else if (header_int(res, "x-ratelimit-remaining") == 0 && reset >= 0)
		until = reset * 1000;
	else if (res->status == 429 || strstr(message, "rate limit") != NULL || strstr(message, "abuse") != NULL)
		until = now_ms + ((int64_t)LIMITED_MS << (times < LIMITED_DOUBLINGS ? times : LIMITED_DOUBLINGS));
	else
		return 0;
	if (until > now_ms + GH_LIMITED_MAX_MS)
		until = now_ms + GH_LIMITED_MAX_MS;
	return until > now_ms ? until : now_ms + 1000;
}

struct status_meaning {
	int status, code;
	const char *way_out;
};

static const struct status_meaning MEANINGS[] = {
	{401, ERR_REFUSED, "the token is refused; give sluice a valid one in the server file under github"},
	{403, ERR_REFUSED, "the token or the App lacks a permission for this, or the conversation is locked"},
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

static void judge_refusal(const char *method, const char *path, const struct http_response *res, int64_t now_ms, unsigned times,
			  struct gh_result *ret)
{
	CLEANUP_BUF struct buf message = {0};
	message_of(res, &message);
	struct status_meaning m = meaning_of(res->status);
	if (res->status == 403 || res->status == 429) {
		ret->retry_at_ms = limited_until(res, buf_str(&message), now_ms, times);
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

void gh_judge(const char *method, const char *path, const struct http_response *res, int64_t now_ms, unsigned times, struct gh_result *ret)
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
	judge_refusal(method, path, res, now_ms, times, ret);
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
