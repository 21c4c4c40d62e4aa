#include "base/http_parts.h"

#include "base/mem.h"
#include "base/text.h"

enum { HEAD_MAX_BYTES = 64 * 1024, HEAD_MAX_LINES = 256 };

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static bool is_host_char(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_'; }

static bool is_address_char(char c) { return (c >= 'a' && c <= 'f') || (c >= '0' && c <= '9') || c == '.' || c == ':'; }

static bool has_only_visible(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= ' ' || (unsigned char)*s == 0x7f || *s == '\\')
			return false;
	return true;
}

/* Takes host (or [address]) off the front of an authority; returns what follows it, or NULL. */
static const char *take_host(const char *s, const char *end, struct http_origin *o)
{
	bool bracket = s < end && *s == '[';
	size_t n = 0;
	if (bracket)
		o->host[n++] = *s++;
	for (; s < end && n + 2 < sizeof(o->host); s++) {
		char c = lower(*s);
		if (bracket ? !is_address_char(c) : !is_host_char(c))
			break;
		o->host[n++] = c;
	}
	if (bracket) {
		if (s == end || *s != ']')
			return NULL;
		o->host[n++] = *s++;
	}
	o->host[n] = '\0';
	return n > (bracket ? 2U : 0U) && (s == end || *s == ':') ? s : NULL;
}

int http_origin_of(const char *url, struct http_origin *ret, struct err *err)
{
	struct http_origin o = {.port = 443, .scheme = "https"};
	const char *s = url + 8;
	if (strncasecmp(url, "http://", 7) == 0) {
		o = (struct http_origin){.port = 80, .scheme = "http"};
		s = url + 7;
	} else if (strncasecmp(url, "https://", 8) != 0) {
		return err_set(err, ERR_USAGE, "not a usable URL: only http:// and https:// are spoken");
	}
	const char *end = s + strcspn(s, "/?#");
	const char *rest = has_only_visible(url) ? take_host(s, end, &o) : NULL;
	if (rest == NULL)
		return err_set(err, ERR_USAGE, "not a usable URL: expected http(s)://HOST[:PORT]/PATH without a user name or spaces");
	if (rest < end) {
		char digits[8] = "";
		int64_t port = 0;
		size_t n = (size_t)(end - rest - 1);
		if (n < sizeof(digits))
			memcpy(digits, rest + 1, n);
		if (text_int(digits, 1, 65535, &port, NULL) != 0)
			return err_set(err, ERR_USAGE, "not a usable URL: its port is not a number from 1 to 65535");
		o.port = (int)port;
	}
	*ret = o;
	return 0;
}

bool http_origin_same(const struct http_origin *a, const struct http_origin *b)
{
	return strcmp(a->scheme, b->scheme) == 0 && strcmp(a->host, b->host) == 0 && a->port == b->port;
}

bool http_origin_is_loopback(const struct http_origin *o)
{
	const char *h = o->host;
	return strcmp(h, "localhost") == 0 || strcmp(h, "[::1]") == 0 || (text_starts(h, "127.") && h[strspn(h, "0123456789.")] == '\0');
}

size_t http_url_shown(const char *url)
{
	struct http_origin o;
	return http_origin_of(url, &o, NULL) == 0 ? strcspn(url, "?#") : 0;
}

int http_redirect_decide(const char *method, int status, const char *from, const char *to, struct http_hop *ret, struct err *err)
{
	struct http_origin a;
	struct http_hop hop = {.method = method};
	if (http_origin_of(from, &a, NULL) != 0 || http_origin_of(to, &hop.to, NULL) != 0)
		return err_set(err, ERR_REFUSED, "redirected to something that is not a usable URL");
	if (strcmp(a.scheme, "https") == 0 && strcmp(hop.to.scheme, "https") != 0)
		return err_set(err, ERR_REFUSED, "redirected from https to http");
	/* 303 says "look there". The others repeat the request: GitHub redirects writes to renamed repositories that way. */
	if (status == 303 && strcmp(method, "HEAD") != 0)
		hop.method = "GET";
	hop.same_origin = http_origin_same(&a, &hop.to);
	if (!hop.same_origin && strcmp(hop.method, "GET") != 0 && strcmp(hop.method, "HEAD") != 0)
		return err_set(err, ERR_REFUSED, "redirected to another host, where a %s is not sent", method);
	*ret = hop;
	return 0;
}

/* ---- headers ---- */

void http_head_init(struct http_head *h) { *h = (struct http_head){.bytes = {.max = HEAD_MAX_BYTES}}; }

static void trim(const char **s, size_t *len)
{
	for (; *len > 0 && (**s == ' ' || **s == '\t'); (*len)--)
		(*s)++;
	while (*len > 0 && strchr("\r\n \t", (*s)[*len - 1]) != NULL)
		(*len)--;
}

bool http_head_line(struct http_head *h, const char *line, size_t len)
{
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) { /* also the real answer after 100 Continue */
		buf_reset(&h->bytes);
		h->n = 0;
		return true;
	}
	if (len > 0 && memchr(line, '\0', len) != NULL)
		return false;
	const char *colon = len > 0 ? memchr(line, ':', len) : NULL;
	if (colon == NULL)
		return true; /* the empty line at the end */
	if (h->n == HEAD_MAX_LINES)
		return false;
	const char *name = line, *value = colon + 1;
	size_t name_len = (size_t)(colon - line), value_len = len - name_len - 1;
	trim(&name, &name_len);
	trim(&value, &value_len);
	for (size_t i = 0; i < name_len; i++)
		buf_addc(&h->bytes, lower(name[i]));
	buf_addc(&h->bytes, '\0');
	buf_add(&h->bytes, value, value_len);
	buf_addc(&h->bytes, '\0');
	h->n++;
	return !buf_failed(&h->bytes);
}

struct http_header *http_head_list(const struct http_head *h)
{
	struct http_header *list = xcalloc(h->n, sizeof(*list));
	const char *p = buf_str(&h->bytes);
	for (size_t i = 0; i < h->n; i++) {
		list[i].name = p;
		p += strlen(p) + 1;
		list[i].value = p;
		p += strlen(p) + 1;
	}
	return list;
}

static bool has_no_break(const char *s) { return s[strcspn(s, "\r\n")] == '\0'; }

bool http_header_is_clean(const struct http_header *h) { return h->name[0] != '\0' && has_no_break(h->name) && has_no_break(h->value); }

bool http_header_is_credential(const char *line)
{
	static const char *const names[] = {"authorization:", "cookie:", "proxy-authorization:"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strncasecmp(line, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

const char *http_header(const struct http_response *res, const char *lower_case_name)
{
	for (size_t i = 0; i < res->headers_n; i++)
		if (strcmp(res->headers[i].name, lower_case_name) == 0)
			return res->headers[i].value;
	return NULL;
}
