/* HTTP server: the door to libmicrohttpd (external epoll inside our loop). Plain HTTP/1.1; one handler; answers may come later.
 *
 * Header bytes, body bytes, connections and time are capped (base/limits.h): the handler sees only whole requests. A request object lives
 * until its answer is sent or its client has gone; http_reply on a request whose client has gone is a no-op. Exactly one reply each. */
#ifndef BASE_HTTP_SERVER_H
#define BASE_HTTP_SERVER_H

#include "base/loop.h"

struct http_server;
struct http_exchange;

struct http_server_options {
	const char *host; /* address literal */
	int port;         /* 0: any free one */
	/* Decides before the body is read: return 0 and the largest body to accept, or an HTTP status to refuse with (401, 404, 405, 413). */
	int (*on_head)(const struct http_exchange *x, size_t *ret_max_body, void *arg);
	void (*on_request)(struct http_exchange *x, void *arg);
	void *arg;
};

struct http_server *http_server_start(struct loop *l, const struct http_server_options *o, struct err *err);
int http_server_port(const struct http_server *s);
void http_server_stop_accepting(struct http_server *s);
void http_server_close(struct http_server *s);
size_t http_server_inflight(const struct http_server *s); /* requests without an answer yet */

const char *http_method(const struct http_exchange *x);
const char *http_path(const struct http_exchange *x); /* without the query */
const char *http_query(const struct http_exchange *x, const char *key); /* NULL */
const char *http_request_header(const struct http_exchange *x, const char *name); /* case-insensitive; NULL */
const char *http_body(const struct http_exchange *x, size_t *ret_len); /* NUL-terminated */

/* Body is copied. headers may be NULL. */
void http_reply(struct http_exchange *x, int status, const char *content_type, const void *body, size_t len, const char *const (*headers)[2], size_t headers_n);
void http_reply_text(struct http_exchange *x, int status, const char *text);
/* Ends the connection without an answer, in place of a reply: for servers that test how a client takes it. */
void http_drop(struct http_exchange *x);

#endif
