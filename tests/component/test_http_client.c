/* The HTTP client against our own HTTP server, and against raw sockets that misbehave. */
#include "base/http_client.h"

#include "base/http_server.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct result {
	int status, code, calls;
	bool done, sent;
	char msg[ERR_MSG_MAX];
	struct buf body;
	char location[128], extra[128];
	size_t headers_n;
};

struct fixture {
	struct loop *l;
	struct http_server *s, *other;
	struct http_client *c;
	struct http_exchange *held;
	int requests, fds_before;
	char url[256];
};

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	assert_non_null(d);
	int n = 0;
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n;
}

/* ---- the server's side ---- */

static int on_head(const struct http_exchange *x, size_t *ret_max_body, void *arg)
{
	(void)x;
	(void)arg;
	*ret_max_body = 8u << 20;
	return 0;
}

static void echo(struct http_exchange *x)
{
	size_t len;
	const char *body = http_body(x, &len), *auth = http_request_header(x, "authorization"), *type = http_request_header(x, "content-type");
	const char *agent = http_request_header(x, "user-agent"), *cookie = http_request_header(x, "cookie");
	char *text = xasprintf("%s %s auth=%s cookie=%s type=%s agent=%s n=%zu %.20s", http_method(x), http_path(x), auth != NULL ? auth : "-",
			       cookie != NULL ? cookie : "-", type != NULL ? type : "-", agent != NULL ? agent : "-", len, body);
	static const char *const headers[][2] = {{"X-Extra", "  two words "}};
	http_reply(x, 200, "text/plain", text, strlen(text), headers, 1);
	free(text);
}

/* /to/STATUS/NAME redirects: NAME is same, other (another port), loop, ftp, user or nowhere. */
static void redirect(struct fixture *f, struct http_exchange *x)
{
	const char *rest = http_path(x) + strlen("/to/");
	int status = (rest[0] - '0') * 100 + (rest[1] - '0') * 10 + (rest[2] - '0');
	const char *name = rest + 4;
	char to[128] = "/landed";
	if (strcmp(name, "other") == 0)
		(void)snprintf(to, sizeof(to), "http://127.0.0.1:%d/landed", http_server_port(f->other));
	else if (strcmp(name, "loop") == 0)
		(void)snprintf(to, sizeof(to), "%s", http_path(x));
	else if (strcmp(name, "ftp") == 0)
		(void)snprintf(to, sizeof(to), "ftp://127.0.0.1/x");
	else if (strcmp(name, "user") == 0)
		(void)snprintf(to, sizeof(to), "http://a@127.0.0.1/x");
	const char *const headers[][2] = {{"Location", to}};
	http_reply(x, status, NULL, "moved", 5, headers, strcmp(name, "nowhere") == 0 ? 0 : 1);
}

static void on_request(struct http_exchange *x, void *arg)
{
	struct fixture *f = arg;
	const char *path = http_path(x);
	f->requests++;
	if (strncmp(path, "/to/", 4) == 0) {
		redirect(f, x);
	} else if (strcmp(path, "/large") == 0) {
		char *many = xmalloc(100000);
		memset(many, 'y', 100000);
		http_reply(x, 200, "text/plain", many, 100000, NULL, 0);
		free(many);
	} else if (strcmp(path, "/hold") == 0) {
		f->held = x;
	} else if (strcmp(path, "/missing") == 0) {
		http_reply_text(x, 404, "not here");
	} else {
		echo(x);
	}
}

static void start(struct fixture *f)
{
	*f = (struct fixture){.fds_before = open_fds()};
	f->l = loop_new();
	struct http_server_options o = {.host = "127.0.0.1", .on_head = on_head, .on_request = on_request, .arg = f};
	f->s = http_server_start(f->l, &o, NULL);
	f->other = http_server_start(f->l, &o, NULL);
	assert_true(f->s != NULL && f->other != NULL);
	f->c = http_client_new(f->l);
}

static void stop(struct fixture *f)
{
	http_client_close(f->c);
	http_server_close(f->s);
	http_server_close(f->other);
	loop_close(f->l);
	assert_int_equal(open_fds(), f->fds_before);
}

/* ---- the client's side ---- */

static void on_response(const struct http_response *res, void *arg)
{
	struct result *r = arg;
	r->done = true;
	r->calls++;
	r->status = res->status;
	r->code = res->err.code;
	r->sent = res->sent;
	r->headers_n = res->headers_n;
	(void)snprintf(r->msg, sizeof(r->msg), "%s", res->err.msg);
	buf_reset(&r->body);
	buf_add(&r->body, res->body, res->body_len);
	const char *v = http_header(res, "location");
	(void)snprintf(r->location, sizeof(r->location), "%s", v != NULL ? v : "");
	v = http_header(res, "x-extra");
	(void)snprintf(r->extra, sizeof(r->extra), "%s", v != NULL ? v : "");
	assert_in_range(res->took_ms, 0, 10000);
}

static struct http_request request(struct fixture *f, const char *method, const char *path)
{
	(void)snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d%s", http_server_port(f->s), path);
	return (struct http_request){.method = method, .url = f->url, .max_body = 1u << 20, .timeout_ms = 5000};
}

static void run(struct fixture *f, const struct http_request *req, struct result *r)
{
	r->done = false;
	(void)http_send(f->c, req, on_response, r);
	assert_false(r->done); /* never inside the call */
	assert_true(loop_run_until(f->l, &r->done, 8000));
}

static void test_methods(void **state)
{
	(void)state;
	static const struct {
		const char *method, *body, *expect;
	} cases[] = {
		{"GET", NULL, "GET /echo auth=token x cookie=- type=- agent=sluice n=0 "},
		{"POST", "hello", "POST /echo auth=token x cookie=- type=- agent=sluice n=5 hello"},
		{"POST", NULL, "POST /echo auth=token x cookie=- type=- agent=sluice n=0 "},
		{"PUT", "hello", "PUT /echo auth=token x cookie=- type=- agent=sluice n=5 hello"},
		{"PUT", NULL, "PUT /echo auth=token x cookie=- type=- agent=sluice n=0 "},
		{"PATCH", "p", "PATCH /echo auth=token x cookie=- type=- agent=sluice n=1 p"},
		{"DELETE", NULL, "DELETE /echo auth=token x cookie=- type=- agent=sluice n=0 "},
		{"DELETE", "d", "DELETE /echo auth=token x cookie=- type=- agent=sluice n=1 d"},
	};
	static const struct http_header headers[] = {{"Authorization", "token x"}, {"X-Empty", ""}};
	struct fixture f;
	struct result r = {0};
	start(&f);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_request req = request(&f, cases[i].method, "/echo");
		req.headers = headers;
		req.headers_n = ARRAY_LEN(headers);
		req.body = cases[i].body;
		req.body_len = cases[i].body != NULL ? strlen(cases[i].body) : 0;
		run(&f, &req, &r);
		assert_int_equal(r.status, 200);
		assert_int_equal(r.code, 0);
		assert_true(r.sent);
		assert_string_equal(buf_str(&r.body), cases[i].expect);
		assert_string_equal(r.extra, "two words");
	}
	assert_int_equal(r.calls, ARRAY_LEN(cases));
	buf_free(&r.body);
	stop(&f);
}

static void test_head_and_own_content_type(void **state)
{
	(void)state;
	static const struct http_header headers[] = {{"Content-Type", "application/json"}, {"User-Agent", "me"}};
	struct fixture f;
	struct result r = {0};
	start(&f);
	struct http_request req = request(&f, "HEAD", "/echo");
	run(&f, &req, &r);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.body.len, 0);
	req = request(&f, "POST", "/echo");
	req.headers = headers;
	req.headers_n = 2;
	req.body = "{}";
	req.body_len = 2;
	run(&f, &req, &r);
	assert_string_equal(buf_str(&r.body), "POST /echo auth=- cookie=- type=application/json agent=me n=2 {}");
	buf_free(&r.body);
	stop(&f);
}

static void test_statuses_are_answers(void **state)
{
	(void)state;
	struct fixture f;
	struct result r = {0};
	start(&f);
	struct http_request req = request(&f, "GET", "/missing");
	run(&f, &req, &r);
	assert_int_equal(r.status, 404);
	assert_int_equal(r.code, 0);
	assert_string_equal(buf_str(&r.body), "not here\n");
	buf_free(&r.body);
	stop(&f);
}

static void test_large_request_body(void **state)
{
	(void)state;
	struct fixture f;
	struct result r = {0};
	start(&f);
	char *many = xmalloc(3000000);
	memset(many, 'z', 3000000);
	struct http_request req = request(&f, "POST", "/echo");
	req.body = many;
	req.body_len = 3000000;
	run(&f, &req, &r);
	assert_non_null(strstr(buf_str(&r.body), "n=3000000 zzzz"));
	free(many);
	buf_free(&r.body);
	stop(&f);
}

static void test_answer_over_the_limit(void **state)
{
	(void)state;
	struct fixture f;
	struct result r = {0};
	start(&f);
	struct http_request req = request(&f, "GET", "/large?token=hidden");
	req.max_body = 99999;
	run(&f, &req, &r);
	assert_int_equal(r.status, 0);
	assert_int_equal(r.code, ERR_LIMIT);
	assert_non_null(strstr(r.msg, "GET http://127.0.0.1:"));
	assert_non_null(strstr(r.msg, "/large: the answer is larger than allowed"));
	assert_null(strstr(r.msg, "hidden"));
	req.max_body = 100000;
	run(&f, &req, &r);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.body.len, 100000);
	buf_free(&r.body);
	stop(&f);
}

static void test_redirects(void **state)
{
	(void)state;
	static const struct {
		const char *method, *path, *expect; /* part of the body or of the sentence */
		int status, code;
	} cases[] = {
		{"GET", "/to/301/same", "GET /landed auth=token x cookie=c type=- agent=sluice n=0", 200, 0},
		{"GET", "/to/302/other", "GET /landed auth=- cookie=- type=- agent=sluice n=0", 200, 0},
		{"POST", "/to/307/same", "POST /landed auth=token x cookie=c type=- agent=sluice n=4 body", 200, 0},
		{"PATCH", "/to/301/same", "PATCH /landed auth=token x cookie=c type=- agent=sluice n=4 body", 200, 0},
		{"POST", "/to/303/same", "GET /landed auth=token x cookie=c type=- agent=sluice n=0", 200, 0},
		{"POST", "/to/303/other", "GET /landed auth=- cookie=- type=- agent=sluice n=0", 200, 0},
		{"POST", "/to/308/other", "redirected to another host, where a POST is not sent", 0, ERR_REFUSED},
		{"GET", "/to/302/loop", "redirected more than 5 times", 0, ERR_LIMIT},
		{"GET", "/to/302/ftp", "not a usable URL", 0, ERR_REFUSED},
		{"GET", "/to/302/user", "not a usable URL", 0, ERR_REFUSED},
		{"GET", "/to/302/nowhere", "moved", 302, 0},
		{"GET", "/to/304/same", "", 304, 0},
	};
	static const struct http_header headers[] = {{"Authorization", "token x"}, {"Cookie", "c"}};
	struct fixture f;
	struct result r = {0};
	start(&f);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_request req = request(&f, cases[i].method, cases[i].path);
		req.headers = headers;
		req.headers_n = ARRAY_LEN(headers);
		if (strcmp(cases[i].method, "GET") != 0) {
			req.body = "body";
			req.body_len = 4;
		}
		run(&f, &req, &r);
		assert_int_equal(r.status, cases[i].status);
		assert_int_equal(r.code, cases[i].code);
		if (strstr(r.status != 0 ? buf_str(&r.body) : r.msg, cases[i].expect) == NULL)
			fail_msg("%s %s gave %s %s", cases[i].method, cases[i].path, buf_str(&r.body), r.msg);
	}
	buf_free(&r.body);
	stop(&f);
}

static void test_timeout(void **state)
{
	(void)state;
	struct fixture f;
	struct result r = {0};
	start(&f);
	struct http_request req = request(&f, "POST", "/hold");
	req.timeout_ms = 100;
	run(&f, &req, &r);
	assert_int_equal(r.code, ERR_TIMEOUT);
	assert_true(r.sent);
	http_reply_text(f.held, 200, "late");
	buf_free(&r.body);
	stop(&f);
}

static void test_nobody_listens(void **state)
{
	(void)state;
	struct fixture f;
	struct result r = {0};
	start(&f);
	struct http_request req = request(&f, "POST", "/x");
	req.url = "http://127.0.0.1:1/x";
	run(&f, &req, &r);
	assert_int_equal(r.status, 0);
	assert_int_equal(r.code, ERR_UNAVAILABLE);
	assert_false(r.sent);
	buf_free(&r.body);
	stop(&f);
}

static void test_unusable_requests(void **state)
{
	(void)state;
	static const char *const urls[] = {"ftp://127.0.0.1/", "nonsense", "http://user@127.0.0.1/", "http://a b/", "http://127.0.0.1:99999/", "http:///x"};
	static const struct http_header broken[] = {{"X-A", "one\r\nX-B: two"}};
	struct fixture f;
	struct result r = {0};
	start(&f);
	struct http_request req = request(&f, "GET", "/");
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		req.url = urls[i];
		run(&f, &req, &r);
		assert_int_equal(r.code, ERR_USAGE);
		assert_false(r.sent);
	}
	req = request(&f, "GET", "/");
	req.headers = broken;
	req.headers_n = 1;
	run(&f, &req, &r);
	assert_int_equal(r.code, ERR_USAGE);
	assert_non_null(strstr(r.msg, "line break"));
	struct http_call *k = http_send(f.c, &req, on_response, &r); /* cancelled before it could be told */
	http_cancel(k);
	assert_int_equal(f.requests, 0);
	assert_int_equal(r.calls, ARRAY_LEN(urls) + 1);
	stop(&f);
	assert_int_equal(r.calls, ARRAY_LEN(urls) + 1);
	buf_free(&r.body);
}

static void test_cancel_and_close_are_silent(void **state)
{
	(void)state;
	struct fixture f;
	struct result r = {0}, other = {0};
	start(&f);
	struct http_request req = request(&f, "GET", "/hold");
	struct http_call *k = http_send(f.c, &req, on_response, &r);
	for (int i = 0; i < 100 && f.held == NULL; i++)
		(void)loop_run_until(f.l, &r.done, 10);
	assert_non_null(f.held);
	http_cancel(k);
	http_cancel(NULL);
	http_reply_text(f.held, 200, "nobody hears this");
	req = request(&f, "GET", "/echo");
	run(&f, &req, &other); /* the client still works */
	assert_int_equal(other.status, 200);
	for (int i = 0; i < 5; i++)
		(void)http_send(f.c, &req, on_response, &r);
	stop(&f); /* with calls on their way */
	assert_int_equal(r.calls, 0);
	buf_free(&other.body);
}

struct chain {
	struct fixture *f;
	struct http_call *self;
	int left;
	bool done;
};

static void on_chain(const struct http_response *res, void *arg)
{
	struct chain *c = arg;
	assert_int_equal(res->status, 200);
	http_cancel(c->self); /* in its own callback: nothing happens */
	if (--c->left > 0) {
		struct http_request req = request(c->f, "GET", "/echo");
		c->self = http_send(c->f->c, &req, on_chain, c);
		return;
	}
	http_client_close(c->f->c);
	c->done = true;
}

static void test_send_cancel_and_close_from_the_callback(void **state)
{
	(void)state;
	struct fixture f;
	start(&f);
	struct chain c = {.f = &f, .left = 20};
	struct http_request req = request(&f, "GET", "/echo");
	c.self = http_send(f.c, &req, on_chain, &c);
	assert_true(loop_run_until(f.l, &c.done, 5000));
	f.c = NULL;
	stop(&f);
}

static void count_answer(const struct http_response *res, void *arg)
{
	struct chain *c = arg;
	assert_int_equal(res->status, 200);
	c->done = --c->left == 0;
}

static void test_many_at_once(void **state)
{
	(void)state;
	struct fixture f;
	start(&f);
	struct chain c = {.left = 200};
	struct http_request req = request(&f, "GET", "/echo");
	for (int i = 0; i < 200; i++)
		(void)http_send(f.c, &req, count_answer, &c);
	assert_true(loop_run_until(f.l, &c.done, 8000));
	assert_int_equal(f.requests, 200);
	stop(&f);
}

/* ---- a server that misbehaves ---- */

struct rogue {
	int fd, peer;
	struct loop *l;
	struct loop_watch *w, *pw;
	const char *answers[4]; /* per request; NULL: hang up */
	int requests, connections;
};

static void rogue_hang_up(struct rogue *g)
{
	loop_watch_close(g->pw);
	if (g->peer >= 0)
		(void)close(g->peer);
	g->pw = NULL;
	g->peer = -1;
}

static void on_rogue_peer(int events, void *arg)
{
	struct rogue *g = arg;
	char chunk[65536];
	(void)events;
	ssize_t n = recv(g->peer, chunk, sizeof(chunk), 0);
	const char *answer = n > 0 && g->requests < 4 ? g->answers[g->requests++] : NULL;
	if (answer == NULL || send(g->peer, answer, strlen(answer), MSG_NOSIGNAL) < 0)
		rogue_hang_up(g);
}

static void on_rogue(int events, void *arg)
{
	struct rogue *g = arg;
	(void)events;
	rogue_hang_up(g);
	g->peer = accept4(g->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(g->peer >= 0);
	g->connections++;
	g->pw = loop_watch_new(g->l, g->peer, on_rogue_peer, g);
	loop_watch_set(g->pw, LOOP_READ);
}

static void rogue_start(struct rogue *g, struct fixture *f)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	g->l = f->l;
	g->peer = -1;
	g->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(g->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(g->fd, 8), 0);
	assert_int_equal(getsockname(g->fd, (struct sockaddr *)&a, &len), 0);
	(void)snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d/x", ntohs(a.sin_port));
	g->w = loop_watch_new(f->l, g->fd, on_rogue, g);
	loop_watch_set(g->w, LOOP_READ);
}

static void rogue_stop(struct rogue *g)
{
	rogue_hang_up(g);
	loop_watch_close(g->w);
	(void)close(g->fd);
}

static const char small_answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static void test_broken_answers(void **state)
{
	(void)state;
	static const struct {
		const char *answer;
		int status, code;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", 0, ERR_TIMEOUT},
		{"garbage\r\n\r\n", 0, ERR_UNAVAILABLE},
		{"HTTP/1.1 100 Continue\r\nX-Old: 1\r\n\r\nHTTP/1.1 200 OK\r\nX-Extra: new\r\nContent-Length: 0\r\n\r\n", 200, 0},
		{"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", 0, ERR_UNAVAILABLE},
		{NULL, 0, ERR_UNAVAILABLE},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fixture f;
		struct result r = {0};
		start(&f);
		struct rogue g = {.answers = {cases[i].answer}};
		rogue_start(&g, &f);
		struct http_request req = {.method = "GET", .url = f.url, .max_body = 100, .timeout_ms = 300};
		run(&f, &req, &r);
		assert_int_equal(r.status, cases[i].status);
		assert_int_equal(r.code, cases[i].code);
		assert_true(r.sent);
		assert_int_equal(r.headers_n, cases[i].status == 200 ? 2 : 0);
		rogue_stop(&g);
		buf_free(&r.body);
		stop(&f);
	}
}

/* The reused connection dies after the second request arrived: a GET is repeated, a POST is not, since it may have counted. */
static void test_lost_answer_on_a_reused_connection(void **state)
{
	(void)state;
	static const struct {
		const char *method;
		int status, code, requests;
	} cases[] = {{"GET", 200, 0, 3}, {"POST", 0, ERR_UNAVAILABLE, 2}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fixture f;
		struct result r = {0};
		start(&f);
		struct rogue g = {.answers = {small_answer, NULL, small_answer}};
		rogue_start(&g, &f);
		struct http_request req = {.method = cases[i].method, .url = f.url, .max_body = 100, .timeout_ms = 2000};
		run(&f, &req, &r);
		assert_int_equal(r.status, 200);
		run(&f, &req, &r);
		assert_int_equal(r.status, cases[i].status);
		assert_int_equal(r.code, cases[i].code);
		assert_true(r.sent);
		assert_int_equal(g.requests, cases[i].requests);
		if (r.code != 0)
			assert_non_null(strstr(r.msg, "may have been carried out"));
		rogue_stop(&g);
		buf_free(&r.body);
		stop(&f);
	}
}

static void test_endless_headers(void **state)
{
	(void)state;
	struct fixture f;
	struct result r = {0};
	start(&f);
	struct buf many = {0};
	buf_adds(&many, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 300; i++)
		buf_printf(&many, "X-%d: value\r\n", i);
	buf_adds(&many, "\r\n");
	struct rogue g = {.answers = {many.data}};
	rogue_start(&g, &f);
	struct http_request req = {.method = "GET", .url = f.url, .max_body = 100, .timeout_ms = 2000};
	run(&f, &req, &r);
	assert_int_equal(r.code, ERR_LIMIT);
	rogue_stop(&g);
	buf_free(&many);
	buf_free(&r.body);
	stop(&f);
}

static void test_client_without_requests(void **state)
{
	(void)state;
	struct fixture f;
	start(&f);
	stop(&f);
	http_client_close(NULL);
}

/* libuv's signal pipe and libcurl's tables are made once a process: before descriptors are counted. */
static int warm_up(void **state)
{
	(void)state;
	struct loop *l = loop_new();
	struct http_client *c = http_client_new(l);
	struct result r = {0};
	struct http_request req = {.method = "GET", .url = "http://127.0.0.1:1/", .max_body = 1, .timeout_ms = 1000};
	(void)http_send(c, &req, on_response, &r);
	bool ok = loop_run_until(l, &r.done, 3000);
	http_client_close(c);
	loop_close(l);
	buf_free(&r.body);
	return ok ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_head_and_own_content_type),
		cmocka_unit_test(test_statuses_are_answers),
		cmocka_unit_test(test_large_request_body),
		cmocka_unit_test(test_answer_over_the_limit),
		cmocka_unit_test(test_redirects),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_unusable_requests),
		cmocka_unit_test(test_cancel_and_close_are_silent),
		cmocka_unit_test(test_send_cancel_and_close_from_the_callback),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_broken_answers),
		cmocka_unit_test(test_lost_answer_on_a_reused_connection),
		cmocka_unit_test(test_endless_headers),
		cmocka_unit_test(test_client_without_requests),
	};
	return cmocka_run_group_tests_name("http_client", tests, warm_up, NULL);
}
