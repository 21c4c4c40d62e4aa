/* An HTTP client, and two servers of ours on the same loop that echo and redirect. For tests of base/http_client.c. */
#ifndef TESTS_SUPPORT_CALLS_FIXTURE_H
#define TESTS_SUPPORT_CALLS_FIXTURE_H

#include "base/http_client.h"
#include "base/http_server.h"

struct calls_result {
	int status, code, calls;
	bool done, sent;
	char msg[ERR_MSG_MAX];
	struct buf body;
	char location[128], extra[128];
	size_t headers_n;
};

struct calls_fixture {
	struct loop *l;
	struct http_server *s, *other;
	struct http_client *c;
	struct http_exchange *held;
	int requests, fds_before;
	char url[256];
};

int calls_warm_up(void **state); /* group setup: what libraries open once a process, before descriptors are counted */
void calls_start(struct calls_fixture *f);
void calls_stop(struct calls_fixture *f); /* asserts that no descriptor is left */
struct http_request calls_request(struct calls_fixture *f, const char *method, const char *path);
void calls_run(struct calls_fixture *f, const struct http_request *req, struct calls_result *r); /* until it is answered */
void calls_on_response(const struct http_response *res, void *result);

#endif
