#include "base/text.h"
#include "runner/egress_priv.h"

/* Stricter than RFC 9112 allows a server to be: each place where readers of HTTP are known to differ is an error. */

enum { BAD_REQUEST = -400, NOT_CONNECT = -405, TOO_LARGE = -431, OTHER_VERSION = -505 };

static const char token_chars[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

static int bad(const char **ret_why, int status, const char *why)
{
	*ret_why = why;
	return status;
}

/* Looks at each byte once, however it is cut. Returns the length of the head, 0 as long as its end has not come, or a status. */
static int find_end(struct egress_head *h, const char *bytes, size_t len, const char **ret_why)
{
	for (; h->seen < len; h->seen++) {
		size_t i = h->seen;
		if (i >= LIMIT_EGRESS_HEAD_BYTES)
			return bad(ret_why, TOO_LARGE, "the request has more than " LIMIT_TEXT(LIMIT_EGRESS_HEAD_BYTES) " bytes");
		if (bytes[i] == '\0')
			return bad(ret_why, BAD_REQUEST, "the request holds a NUL");
		if ((bytes[i] == '\n') != (i > 0 && bytes[i - 1] == '\r'))
			return bad(ret_why, BAD_REQUEST, "the request has a line that does not end in CR LF");
		if (bytes[i] == '\n' && i >= 3 && bytes[i - 2] == '\n')
			return (int)++h->seen;
	}
	return 0;
}

/* HOST:PORT, whole. */
static int read_target(struct egress_head *h, const char *target, size_t len, const char **ret_why)
{
	int64_t port;
	const char *colon = memrchr(target, ':', len);
	if (colon == NULL)
		return bad(ret_why, BAD_REQUEST, "what to connect to is not HOST:PORT");
	CLEANUP_FREE char *digits = xstrndup(colon + 1, (size_t)(target + len - colon) - 1);
	if (digits[0] < '1' || digits[0] > '9' || text_int(digits, 1, 65535, &port, NULL) != 0)
		return bad(ret_why, BAD_REQUEST, "what to connect to has no port from 1 to 65535");
	if (egress_host_read(target, (size_t)(colon - target), false, h->host) != NULL)
		return bad(ret_why, -403, "what to connect to is not a host name: addresses are not connected to");
	h->port = (uint16_t)port;
	return 0;
}

static int read_request_line(struct egress_head *h, const char *line, size_t len, const char **ret_why)
{
	static const char version[] = "HTTP/1.";
	enum { VERSION = sizeof(version) - 1 };
	const char *space = memchr(line, ' ', len);
	CLEANUP_FREE char *method = xstrndup(line, space != NULL ? (size_t)(space - line) : 0);
	if (method[0] == '\0' || method[strspn(method, token_chars)] != '\0')
		return bad(ret_why, BAD_REQUEST, "this is not a request");
	const char *target = space + 1, *last = memrchr(line, ' ', len);
	size_t target_len = last > space ? (size_t)(last - target) : 0, version_len = (size_t)(line + len - last) - 1;
	if (target_len == 0 || memchr(target, ' ', target_len) != NULL)
		return bad(ret_why, BAD_REQUEST, "this is not a request");
	if (version_len != VERSION + 1 || memcmp(last + 1, version, VERSION) != 0 || (last[VERSION + 1] != '0' && last[VERSION + 1] != '1'))
		return bad(ret_why, OTHER_VERSION, "only HTTP/1.0 and HTTP/1.1 are spoken here");
	if (strcmp(method, "CONNECT") != 0)
		return bad(ret_why, NOT_CONNECT, "only CONNECT is served: a job speaks TLS or nothing");
	return read_target(h, target, target_len, ret_why);
}

/* NAME ":" VALUE. What it says does not matter. */
static bool is_header(const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	if (colon == NULL || colon == line)
		return false;
	for (const char *p = line; p < colon; p++)
		if (strchr(token_chars, *p) == NULL)
			return false;
	for (const char *p = colon + 1; p < line + len; p++)
		if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
			return false;
	return true;
}

int egress_head_read(struct egress_head *h, const char *bytes, size_t len, const char **ret_why)
{
	int end = find_end(h, bytes, len, ret_why);
	if (end <= 0)
		return end;
	const char *line = bytes, *stop = bytes + end - 2;
	bool first = true;
	while (line < stop) {
		const char *lf = memchr(line, '\n', (size_t)(stop - line));
		size_t n = (size_t)(lf - line) - 1;
		int rc = first ? read_request_line(h, line, n, ret_why) : 0;
		if (rc != 0)
			return rc;
		if (!first && !is_header(line, n))
			return bad(ret_why, BAD_REQUEST, "the request has a line that is no header");
		first = false;
		line = lf + 1;
	}
	return end;
}
