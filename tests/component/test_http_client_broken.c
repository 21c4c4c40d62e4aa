/* The HTTP client against a raw socket that misbehaves. */
#include "base/http_client.h"

#include "base/fs.h"
#include "base/http_listen.h"
#include "base/mem.h"
#include "tests/support/calls_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

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

static void rogue_start(struct rogue *g, struct calls_fixture *f)
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
		struct calls_fixture f;
		struct calls_result r = {0};
		calls_start(&f);
		struct rogue g = {.answers = {cases[i].answer}};
		rogue_start(&g, &f);
		struct http_request req = {.method = "GET", .url = f.url, .max_body = 100, .timeout_ms = 300};
		calls_run(&f, &req, &r);
		assert_int_equal(r.status, cases[i].status);
		assert_int_equal(r.code, cases[i].code);
		assert_true(r.sent);
		assert_int_equal(r.headers_n, cases[i].status == 200 ? 2 : 0);
		rogue_stop(&g);
		buf_free(&r.body);
		calls_stop(&f);
	}
}

/* The reused connection dies after the second request arrived: a GET is repeated, a POST or a PUT is not, since it may have counted. */
static void test_lost_answer_on_a_reused_connection(void **state)
{
	(void)state;
	static const struct {
		const char *method;
		int status, code, requests;
	} cases[] = {{"GET", 200, 0, 3}, {"POST", 0, ERR_UNAVAILABLE, 2}, {"PUT", 0, ERR_UNAVAILABLE, 2}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct calls_fixture f;
		struct calls_result r = {0};
		calls_start(&f);
		struct rogue g = {.answers = {small_answer, NULL, small_answer}};
		rogue_start(&g, &f);
		struct http_request req = {.method = cases[i].method, .url = f.url, .max_body = 100, .timeout_ms = 2000};
		calls_run(&f, &req, &r);
		assert_int_equal(r.status, 200);
		calls_run(&f, &req, &r);
		assert_int_equal(r.status, cases[i].status);
		assert_int_equal(r.code, cases[i].code);
		assert_true(r.sent);
		assert_int_equal(g.requests, cases[i].requests);
		if (r.code != 0)
			assert_non_null(strstr(r.msg, "may have been carried out"));
		rogue_stop(&g);
		buf_free(&r.body);
		calls_stop(&f);
	}
}

static void test_endless_headers(void **state)
{
	(void)state;
	struct calls_fixture f;
	struct calls_result r = {0};
	calls_start(&f);
	struct buf many = {0};
	buf_adds(&many, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 300; i++)
		buf_printf(&many, "X-%d: value\r\n", i);
	buf_adds(&many, "\r\n");
	struct rogue g = {.answers = {many.data}};
	rogue_start(&g, &f);
	struct http_request req = {.method = "GET", .url = f.url, .max_body = 100, .timeout_ms = 2000};
	calls_run(&f, &req, &r);
	assert_int_equal(r.code, ERR_LIMIT);
	rogue_stop(&g);
	buf_free(&many);
	buf_free(&r.body);
	calls_stop(&f);
}

static void ignore_exit(const struct loop_exit *e, void *arg)
{
	bool *done = arg;
	(void)e;
	*done = true;
}

static char *make_certificate(struct calls_fixture *f, const char *openssl, const char *dir)
{
	char *script = xasprintf("cd %s && %s req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 1 -subj /CN=localhost 2>/dev/null", dir, openssl);
	char *argv[] = {xstrdup("sh"), xstrdup("-c"), script, NULL};
	struct loop_spawn s = {.file = "/bin/sh", .argv = argv, .max_output = 1000, .timeout_ms = 10000};
	bool done = false;
	(void)loop_process_start(f->l, &s, ignore_exit, &done);
	assert_true(loop_run_until(f->l, &done, 12000));
	for (int i = 0; i < 3; i++)
		free(argv[i]);
	return fs_join(dir, "cert");
}

/* A certificate that nobody vouches for ends the call before the request is sent. */
static void test_unknown_certificate(void **state)
{
	(void)state;
	CLEANUP_FREE char *openssl = fs_which("openssl");
	if (openssl == NULL)
		skip();
	struct calls_fixture f;
	struct calls_result r = {0};
	calls_start(&f);
	char dir[] = "/tmp/sluice-tls-XXXXXX";
	assert_non_null(mkdtemp(dir));
	CLEANUP_FREE char *cert = make_certificate(&f, openssl, dir);
	assert_true(fs_exists(cert));
	int port = 0;
	int fd = http_listen("127.0.0.1", 0, &port, NULL);
	mem_close_fd(&fd); /* free again for s_server, unless somebody is very fast */
	CLEANUP_FREE char *script = xasprintf("cd %s && exec %s s_server -quiet -www -accept 127.0.0.1:%d -cert cert -key key 2>/dev/null", dir, openssl, port);
	char *argv[] = {xstrdup("sh"), xstrdup("-c"), script, NULL};
	struct loop_spawn s = {.file = "/bin/sh", .argv = argv, .max_output = 10000};
	bool done = false;
	struct loop_process *p = loop_process_start(f.l, &s, ignore_exit, &done);
	(void)snprintf(f.url, sizeof(f.url), "https://localhost:%d/", port);
	struct http_request req = {.method = "GET", .url = f.url, .max_body = 10000, .timeout_ms = 3000};
	r.code = ERR_UNAVAILABLE;
	for (int i = 0; i < 100 && r.code == ERR_UNAVAILABLE && !done; i++) {
		bool never = false;
		(void)loop_run_until(f.l, &never, 30); /* until it listens */
		calls_run(&f, &req, &r);
	}
	assert_int_equal(r.code, ERR_REFUSED);
	assert_int_equal(r.status, 0);
	assert_false(r.sent);
	assert_non_null(strstr(r.msg, "certificate"));
	loop_process_close(p);
	for (int i = 0; i < 2; i++)
		free(argv[i]);
	buf_free(&r.body);
	calls_stop(&f);
	assert_int_equal(fs_remove_tree(dir, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_broken_answers),
		cmocka_unit_test(test_lost_answer_on_a_reused_connection),
		cmocka_unit_test(test_endless_headers),
		cmocka_unit_test(test_unknown_certificate),
	};
	return cmocka_run_group_tests_name("http_client_broken", tests, calls_warm_up, NULL);
}
