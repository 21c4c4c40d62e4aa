/* HTTP client: the door to libcurl, driven by the loop. TLS is verified; only http and https; redirects are followed by hand at most five
 * times with Authorization dropped when host, port or scheme changes; bodies are capped; every request has a deadline. */
#ifndef BASE_HTTP_CLIENT_H
#define BASE_HTTP_CLIENT_H

#include "base/loop.h"

struct http_client;
struct http_call;

struct http_header {
	const char *name, *value;
};

struct http_request {
	const char *method; /* GET POST PUT PATCH DELETE */
	const char *url;
	const struct http_header *headers; /* copied */
	size_t headers_n;
	const void *body; /* copied */
	size_t body_len;
	size_t max_body;  /* of the answer */
	int64_t timeout_ms;
};

struct http_response {
	int status; /* 0 when there was no answer: see err */
	struct err err;
	bool sent;  /* the request may have reached the server: a failed POST is ambiguous */
	const char *body;
	size_t body_len;
	const struct http_header *headers; /* names in lower case */
	size_t headers_n;
	int64_t took_ms;
};

typedef void (*http_cb)(const struct http_response *res, void *arg);

struct http_client *http_client_new(struct loop *l);
/* Cancels what is running without callbacks, then frees. */
void http_client_close(struct http_client *c);
/* The callback fires once, later. The response is valid during it. */
struct http_call *http_send(struct http_client *c, const struct http_request *req, http_cb cb, void *arg);
void http_cancel(struct http_call *call); /* no callback any more */
const char *http_header(const struct http_response *res, const char *lower_case_name); /* NULL */

#endif
