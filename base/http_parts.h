/* Parts of the HTTP client that need no library and decide: origins of URLs, what a redirect may do, the headers of an answer. Pure. */
#ifndef BASE_HTTP_PARTS_H
#define BASE_HTTP_PARTS_H

#include "base/buf.h"
#include "base/http_client.h"

struct http_origin {
	char scheme[8]; /* "http" or "https" */
	char host[256]; /* lower case; IPv6 in brackets */
	int port;
};

/* Strict on purpose, so that no other reader of the same URL can see another host: no user name, no backslash, no space or control
 * character, host of letters, digits, dots and hyphens or an IPv6 literal. */
int http_origin_of(const char *url, struct http_origin *ret, struct err *err) MUST_CHECK;
bool http_origin_same(const struct http_origin *a, const struct http_origin *b);
bool http_origin_is_loopback(const struct http_origin *o);
/* How many bytes of a URL may stand in a sentence: up to its query, which may hold a signature; none when it has a user name. */
size_t http_url_shown(const char *url);

struct http_hop {
	const char *method; /* of the next request: the same, or "GET" after 303 */
	bool same_origin;   /* else nothing that proves who we are goes along */
	struct http_origin to;
};

/* May an answer with this redirect status lead from one URL to another? ERR_REFUSED with the reason when not. */
int http_redirect_decide(const char *method, int status, const char *from, const char *to, struct http_hop *ret, struct err *err) MUST_CHECK;
static inline bool http_is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool http_header_is_clean(const struct http_header *h);  /* no line break in it */
bool http_header_is_credential(const char *line);        /* "Authorization: ..." and the like */

/* Headers of an answer as they arrive, line by line; a status line starts anew. Capped in bytes and count. */
struct http_head {
	struct buf bytes; /* name NUL value NUL ..., names in lower case */
	size_t n;
};

void http_head_init(struct http_head *h);
bool http_head_line(struct http_head *h, const char *line, size_t len); /* false: too much or broken */
struct http_header *http_head_list(const struct http_head *h);          /* h->n of them, pointing into h; the caller frees the array */

#endif
