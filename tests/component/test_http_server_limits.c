/* The ceilings of the HTTP server: headers, bodies and time. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tests/support/server_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include <cmocka.h>

static void test_headers_too_large(void **state)
{
	(void)state;
	struct server_fixture f;
	static const size_t sizes[] = {LIMIT_HEADER_BYTES + 1000, 4 * LIMIT_HEADER_BYTES};
	server_start(&f);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct peer p;
		peer_dial(&f, &p);
		peer_say(&p, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: ");
		(void)peer_say_many(&p, sizes[i]); /* may be cut in the middle */
		(void)send(p.fd, "\r\n\r\n", 4, MSG_NOSIGNAL);
		assert_true(peer_hear(&p, "HTTP/1.1 431 "));
		peer_hang_up(&p);
	}
	assert_int_equal(f.requests, 0);
	server_stop(&f);
}

static void test_large_body(void **state)
{
	(void)state;
	struct server_fixture f;
	struct peer p;
	server_start(&f);
	peer_dial(&f, &p);
	char head[128];
	(void)snprintf(head, sizeof(head), "POST /big HTTP/1.1\r\nHost: x\r\nContent-Length: %u\r\n\r\n", LIMIT_WEBHOOK_BYTES);
	peer_say(&p, head);
	assert_true(peer_say_many(&p, LIMIT_WEBHOOK_BYTES));
	assert_true(peer_hear(&p, "n=26214400"));
	assert_int_equal(f.last_body.len, LIMIT_WEBHOOK_BYTES);
	peer_hang_up(&p);
	server_stop(&f);
}

/* One chunk of `len` bytes that passes the limit of 1000. */
static void send_chunk(struct peer *p, size_t len)
{
	char head[32];
	(void)snprintf(head, sizeof(head), "%zx\r\n", len);
	(void)send(p->fd, head, strlen(head), MSG_NOSIGNAL);
	(void)peer_say_many(p, len);
	(void)send(p->fd, "\r\n0\r\n\r\n", 7, MSG_NOSIGNAL);
}

static void test_chunked_body_over_the_limit(void **state)
{
	(void)state;
	struct server_fixture f;
	struct peer p;
	server_start(&f);
	peer_dial(&f, &p);
	peer_say(&p, "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	send_chunk(&p, 50000);
	assert_true(peer_hear(&p, "HTTP/1.1 413 "));
	peer_hang_up(&p);
	peer_dial(&f, &p); /* one that goes on and on is cut without an answer */
	peer_say(&p, "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	send_chunk(&p, 40u << 20);
	assert_true(peer_hear_end(&p, 3000));
	assert_null(strstr(buf_str(&p.in), "HTTP/1.1"));
	peer_hang_up(&p);
	assert_int_equal(f.requests, 0);
	server_stop(&f);
}

struct pace {
	struct peer *p;
	int sent;
};

static void trickle(void *arg)
{
	struct pace *t = arg;
	clock_fake_advance(1000);
	if (send(t->p->fd, "b", 1, MSG_NOSIGNAL) == 1)
		t->sent++;
}

/* Deadlines run on the fake clock, the sweep on the real one: each tick of 20 ms sends a byte and moves the clock by a second. Returns the
 * bytes that were sent before the server had enough. */
static int bear_with(struct server_fixture *f, struct peer *p)
{
	struct pace t = {.p = p};
	struct loop_timer *timer = loop_timer_new(f->l, trickle, &t);
	loop_timer_start(timer, 20, 20);
	assert_true(loop_run_until(f->l, &p->closed, 5000));
	loop_timer_close(timer);
	return t.sent;
}

static void test_slow_senders_are_cut(void **state)
{
	(void)state;
	static const struct {
		const char *start;
		int seconds;
	} cases[] = {
		{"GET / HTTP/1.1\r\nX-Slow: ", 10},
		{"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", 30},
		{"", 10},
	};
	struct server_fixture f;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct peer p;
		server_start(&f);
		clock_fake_set(1000000);
		peer_dial(&f, &p);
		peer_say(&p, cases[i].start);
		int seconds = bear_with(&f, &p);
		clock_fake_off();
		/* the sweep looks every 500 ms, which is 25 seconds here */
		assert_in_range(seconds, cases[i].seconds - 1, cases[i].seconds + 30);
		assert_int_equal(f.requests, 0);
		peer_hang_up(&p);
		server_stop(&f);
	}
}

static void advance(struct server_fixture *f, int64_t ms)
{
	bool never = false;
	clock_fake_advance(ms);
	(void)loop_run_until(f->l, &never, 700); /* more than a sweep */
}

static void test_idle_connections_are_cut(void **state)
{
	(void)state;
	struct server_fixture f;
	struct peer p;
	clock_fake_set(1000000);
	server_start(&f);
	peer_dial(&f, &p);
	peer_say(&p, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(peer_hear(&p, "GET /x"));
	advance(&f, 59000);
	assert_false(p.closed);
	advance(&f, 1500);
	assert_true(p.closed);
	peer_hang_up(&p);
	server_stop(&f);
	clock_fake_off();
}

static void test_slow_readers_are_cut(void **state)
{
	(void)state;
	struct server_fixture f;
	struct peer p;
	clock_fake_set(1000000);
	server_start(&f);
	peer_dial(&f, &p);
	loop_watch_set(p.w, 0);
	peer_say(&p, "GET /much HTTP/1.1\r\nHost: x\r\n\r\n");
	advance(&f, 0);
	assert_int_equal(f.requests, 1);
	advance(&f, 119000);
	advance(&f, 1500);
	loop_watch_set(p.w, LOOP_READ);
	assert_true(peer_hear_end(&p, 3000));
	assert_in_range(p.in.len, 1, MUCH_BYTES - 1);
	peer_hang_up(&p);
	server_stop(&f);
	clock_fake_off();
}

/* A handler may take its time: no deadline of the client's runs meanwhile. */
static void test_waiting_for_the_handler_is_not_cut(void **state)
{
	(void)state;
	struct server_fixture f;
	struct peer p;
	clock_fake_set(1000000);
	server_start(&f);
	peer_dial(&f, &p);
	peer_say(&p, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	server_wait_held(&f, 1);
	advance(&f, 600000);
	assert_false(p.closed);
	server_reply_about(f.held[0]);
	assert_true(peer_hear(&p, "GET /later"));
	peer_hang_up(&p);
	server_stop(&f);
	clock_fake_off();
}

/* Ten held bodies of 25 MiB leave no room for an eleventh, whether its length is declared or not. */
static void test_bodies_in_memory_are_capped(void **state)
{
	(void)state;
	enum { HELD = 10 };
	struct server_fixture f;
	struct peer p[HELD], late, chunked;
	char head[128];
	(void)snprintf(head, sizeof(head), "POST /big/later HTTP/1.1\r\nHost: x\r\nContent-Length: %u\r\n\r\n", LIMIT_WEBHOOK_BYTES);
	server_start(&f);
	for (int i = 0; i < HELD; i++) {
		peer_dial(&f, &p[i]);
		peer_say(&p[i], head);
		assert_true(peer_say_many(&p[i], LIMIT_WEBHOOK_BYTES));
		server_wait_held(&f, (size_t)i + 1);
	}
	peer_dial(&f, &late);
	peer_say(&late, head);
	assert_true(peer_say_many(&late, LIMIT_WEBHOOK_BYTES));
	assert_true(peer_hear(&late, "HTTP/1.1 503 "));
	assert_non_null(strstr(late.in.data, "Retry-After: 1\r\n"));
	peer_dial(&f, &chunked);
	peer_say(&chunked, "POST /big HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	send_chunk(&chunked, 20u << 20);
	assert_true(peer_hear(&chunked, "HTTP/1.1 503 "));
	for (int i = 0; i < HELD; i++) {
		http_reply_text(f.held[i], 200, "done");
		assert_true(peer_hear(&p[i], "HTTP/1.1 200 "));
		peer_hang_up(&p[i]);
	}
	peer_forget(&late); /* there is room again, on the same connection */
	peer_say(&late, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
	assert_true(peer_hear(&late, "n=5"));
	peer_hang_up(&late);
	peer_hang_up(&chunked);
	server_stop(&f);
}

int main(void)
{
	loop_close(loop_new()); /* libuv opens its signal pipe once a process: before descriptors are counted */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers_too_large),
		cmocka_unit_test(test_large_body),
		cmocka_unit_test(test_chunked_body_over_the_limit),
		cmocka_unit_test(test_slow_senders_are_cut),
		cmocka_unit_test(test_idle_connections_are_cut),
		cmocka_unit_test(test_slow_readers_are_cut),
		cmocka_unit_test(test_waiting_for_the_handler_is_not_cut),
		cmocka_unit_test(test_bodies_in_memory_are_capped),
	};
	return cmocka_run_group_tests_name("http_server_limits", tests, NULL, NULL);
}
