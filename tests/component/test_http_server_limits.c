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
	assert_true(loop_run_until(f->l, &p->closed, 150 * 1000)); /* by the fake clock: 3 s */
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

int main(void)
{
	loop_close(loop_new()); /* libuv opens its signal pipe once a process: before descriptors are counted */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers_too_large),
		cmocka_unit_test(test_large_body),
		cmocka_unit_test(test_chunked_body_over_the_limit),
		cmocka_unit_test(test_slow_senders_are_cut),
	};
	return cmocka_run_group_tests_name("http_server_limits", tests, NULL, NULL);
}
