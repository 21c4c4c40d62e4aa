/* A stand-in for GitHub's API on a raw socket, for component tests: one function answers each request, or resets the connection. Plain
 * sockets instead of our own HTTP server, so that a reset can come after the effect and the client meets bytes that we did not write. */
#ifndef TESTS_SUPPORT_GITHUB_DOUBLE_H
#define TESTS_SUPPORT_GITHUB_DOUBLE_H

#include "base/loop.h"

struct double_request {
	const char *method, *path; /* with the query */
	const char *head;          /* request line and headers as received */
	const char *body;
};

struct double_answer {
	int status;
	const char *headers; /* "Name: value\r\n"...; NULL: none */
	struct buf body;     /* freed by the double */
	bool reset;          /* no answer: the connection is reset */
};

typedef void (*double_fn)(const struct double_request *rq, struct double_answer *ret, void *arg);

struct gh_double;
struct gh_double *double_start(struct loop *l, double_fn fn, void *arg);
const char *double_url(const struct gh_double *d); /* http://127.0.0.1:PORT */
void double_close(struct gh_double *d);
/* A header of a request; NULL. Valid until the next call. */
const char *double_header(const struct double_request *rq, const char *name);

#endif
