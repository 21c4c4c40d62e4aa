/* The HTTP server against raw sockets: what it accepts and refuses, late answers, and its end. */
#include "base/http_server.h"

#include "base/mem.h"
#include "tests/support/fds.h"
#include "tests/support/server_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void test_get_with_query_and_header(void **state)
{
	(void)state;
	struct server_fixture f;
	struct peer p;
	server_start(&f);
	peer_dial(&f, &p);
	peer_say(&p, "GET /a%20b?q=1%262 HTTP/1.1\r\nHost: x\r\nX-Word: deep\r\n\r\n");
	assert_true(peer_hear(&p, "GET /a b q=1&2 h=deep n=0"));
	assert_non_null(strstr(p.in.data, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(p.in.data, "Content-Length: 25\r\n"));
	assert_non_null(strstr(p.in.data, "Content-Type: text/plain\r\n"));
	assert_non_null(strstr(p.in.data, "X-Content-Type-Options: nosniff\r\n"));
	assert_non_null(strstr(p.in.data, "X-Extra: yes\r\n"));
	assert_non_null(strstr(p.in.data, "Date: "));
	assert_int_equal(http_server_inflight(f.s), 0);
	peer_hang_up(&p);
	server_stop(&f);
}

static void test_head_is_get_without_body(void **state)
{
	(void)state;
	struct server_fixture f;
	struct peer p;
	server_start(&f);
	peer_dial(&f, &p);
	peer_say(&p, "HEAD /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	assert_true(peer_hear_end(&p, 3000));
	assert_non_null(strstr(buf_str(&p.in), "Content-Length: 18\r\n"));
	assert_null(strstr(buf_str(&p.in), "GET /x"));
	peer_hang_up(&p);
	server_stop(&f);
}

static void test_keep_alive_and_pipelining(void **state)
{
	(void)state;
	struct server_fixture f;
	struct peer p;
	server_start(&f);
	peer_dial(&f, &p);
	for (int i = 0; i < 20; i++) {
		peer_forget(&p);
		peer_say(&p, "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
		assert_true(peer_hear(&p, "POST /p q=- h=- n=5"));
		assert_string_equal(buf_str(&f.last_body), "hello");
	}
	peer_forget(&p);
	peer_say(&p, "GET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(peer_hear(&p, "GET /two"));
	assert_non_null(strstr(buf_str(&p.in), "GET /one"));
	assert_int_equal(f.requests, 22);
	peer_hang_up(&p);
	server_stop(&f);
}

static void test_chunked_body(void **state)
{
	(void)state;
	struct server_fixture f;
	struct peer p;
	server_start(&f);
	peer_dial(&f, &p);
	peer_say(&p, "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
	assert_true(peer_hear(&p, "POST /c q=- h=- n=11"));
	assert_string_equal(buf_str(&f.last_body), "hello world");
	peer_hang_up(&p);
	server_stop(&f);
}

static void test_expect_continue(void **state)
{
	(void)state;
	struct server_fixture f;
	struct peer p;
	server_start(&f);
	peer_dial(&f, &p);
	peer_say(&p, "POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
	assert_true(peer_hear(&p, "100 Continue"));
	assert_int_equal(f.requests, 0);
	peer_say(&p, "hello");
	assert_true(peer_hear(&p, "n=5"));
	peer_hang_up(&p);
	peer_dial(&f, &p); /* refused instead of invited */
	peer_say(&p, "POST /secret HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
	assert_true(peer_hear(&p, "HTTP/1.1 401 "));
	assert_null(strstr(buf_str(&p.in), "100 Continue"));
	peer_hang_up(&p);
	server_stop(&f);
}

struct refusal {
	const char *request, *status;
	size_t body;
};

static void test_refusals(void **state)
{
	(void)state;
	static const struct refusal cases[] = {
		{"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ", 0},
		{"POST /secret HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 401 ", 0},
		{"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", "HTTP/1.1 413 ", 1001},
		{"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", "HTTP/1.1 413 ", 0},
		{"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: five\r\n\r\n", "HTTP/1.1 400 ", 0},
	};
	struct server_fixture f;
	struct peer p;
	server_start(&f);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		peer_dial(&f, &p);
		peer_say(&p, cases[i].request);
		if (cases[i].body > 0)
			assert_true(peer_say_many(&p, cases[i].body));
		if (!peer_hear(&p, cases[i].status))
			fail_msg("%s gave %s", cases[i].request, buf_str(&p.in));
		peer_hang_up(&p);
	}
	assert_int_equal(f.requests, 0);
	server_stop(&f);
}

static void test_refused_small_body_keeps_the_connection(void **state)
{
	(void)state;
	struct server_fixture f;
	struct peer p;
	server_start(&f);
	peer_dial(&f, &p);
	peer_say(&p, "POST /secret HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
	assert_true(peer_hear(&p, "HTTP/1.1 401 "));
	peer_say(&p, "GET /again HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(peer_hear(&p, "GET /again"));
	peer_hang_up(&p);
	server_stop(&f);
}

static void test_later_answer(void **state)
{
	(void)state;
	struct server_fixture f;
	struct peer p[PEERS];
	server_start(&f);
	for (int i = 0; i < PEERS; i++) {
		peer_dial(&f, &p[i]);
		peer_say(&p[i], "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok");
	}
	bool never = false;
	for (int i = 0; i < 200 && f.held_n < PEERS; i++)
		(void)loop_run_until(f.l, &never, 10);
	assert_int_equal(f.held_n, PEERS);
	assert_int_equal(http_server_inflight(f.s), PEERS);
	for (int i = PEERS - 1; i >= 0; i--)
		server_reply_about(f.held[i]);
	assert_int_equal(http_server_inflight(f.s), 0);
	for (int i = 0; i < PEERS; i++) {
		assert_true(peer_hear(&p[i], "POST /later q=- h=- n=2"));
		peer_hang_up(&p[i]);
	}
	server_stop(&f);
}

static void test_client_gone_before_the_answer(void **state)
{
	(void)state;
	struct server_fixture f;
	struct peer p;
	server_start(&f);
	peer_dial(&f, &p);
	peer_say(&p, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	server_wait_held(&f, 1);
	peer_hang_up(&p);
	bool never = false;
	(void)loop_run_until(f.l, &never, 30);
	http_reply_text(f.held[0], 200, "nobody hears this");
	(void)loop_run_until(f.l, &never, 30);
	peer_dial(&f, &p);
	peer_say(&p, "GET /alive HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(peer_hear(&p, "GET /alive"));
	peer_hang_up(&p);
	server_stop(&f);
}

static void test_close_with_owed_answers(void **state)
{
	(void)state;
	struct server_fixture f;
	struct peer p;
	server_start(&f);
	peer_dial(&f, &p);
	peer_say(&p, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
	server_wait_held(&f, 1);
	http_server_close(f.s);
	assert_true(peer_hear(&p, "HTTP/1.1 503 "));
	size_t len;
	assert_string_equal(http_body(f.held[0], &len), "body"); /* still the handler's */
	assert_null(http_request_header(f.held[0], "host"));
	assert_string_equal(http_path(f.held[0]), "/later");
	http_reply_text(f.held[0], 200, "too late");
	peer_hang_up(&p);
	loop_close(f.l);
	buf_free(&f.last_body);
	assert_int_equal(support_open_fds(), f.fds_before);
}

static void test_close_with_a_pending_run(void **state)
{
	(void)state;
	struct server_fixture f;
	struct peer p;
	server_start(&f);
	peer_dial(&f, &p);
	peer_say(&p, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	server_wait_held(&f, 1);
	http_reply_text(f.held[0], 202, "kept");
	http_server_close(f.s);
	assert_true(peer_hear(&p, "HTTP/1.1 202 "));
	peer_hang_up(&p);
	loop_close(f.l);
	buf_free(&f.last_body);
}

static void test_stop_accepting(void **state)
{
	(void)state;
	struct server_fixture f;
	struct peer p;
	server_start(&f);
	peer_dial(&f, &p);
	peer_say(&p, "GET /first HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(peer_hear(&p, "GET /first"));
	http_server_stop_accepting(f.s);
	http_server_stop_accepting(f.s);
	peer_say(&p, "GET /second HTTP/1.1\r\nHost: x\r\n\r\n"); /* open connections go on */
	assert_true(peer_hear(&p, "GET /second"));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)http_server_port(f.s))};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	(void)close(fd);
	peer_hang_up(&p);
	server_stop(&f);
}

static int any_head(const struct http_exchange *x, size_t *ret_max_body, void *arg)
{
	(void)x;
	(void)arg;
	*ret_max_body = 0;
	return 0;
}

static void any_request(struct http_exchange *x, void *arg)
{
	(void)arg;
	http_reply_text(x, 200, "ok");
}

static void test_bad_addresses(void **state)
{
	(void)state;
	struct server_fixture f;
	server_start(&f);
	struct err err = {0};
	struct http_server_options o = {.host = "localhost.example", .on_head = any_head, .on_request = any_request};
	assert_null(http_server_start(f.l, &o, &err));
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.msg, "give an IP address"));
	o.host = "127.0.0.1";
	o.port = http_server_port(f.s);
	assert_null(http_server_start(f.l, &o, &err));
	assert_int_equal(err.code, ERR_IO);
	assert_non_null(strstr(err.msg, "Address already in use"));
	server_stop(&f);
}

int main(void)
{
	loop_close(loop_new()); /* libuv opens its signal pipe once a process: before descriptors are counted */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get_with_query_and_header),
		cmocka_unit_test(test_head_is_get_without_body),
		cmocka_unit_test(test_keep_alive_and_pipelining),
		cmocka_unit_test(test_chunked_body),
		cmocka_unit_test(test_expect_continue),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_refused_small_body_keeps_the_connection),
		cmocka_unit_test(test_later_answer),
		cmocka_unit_test(test_client_gone_before_the_answer),
		cmocka_unit_test(test_close_with_owed_answers),
		cmocka_unit_test(test_close_with_a_pending_run),
		cmocka_unit_test(test_stop_accepting),
		cmocka_unit_test(test_bad_addresses),
	};
	return cmocka_run_group_tests_name("http_server", tests, NULL, NULL);
}
