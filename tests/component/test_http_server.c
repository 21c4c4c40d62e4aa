/* The HTTP server against raw sockets: what it accepts, refuses, cuts and survives. */
#include "base/http_server.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { PEERS = 64 };

struct fixture {
	struct loop *l;
	struct http_server *s;
	struct http_exchange *held[PEERS];
	size_t held_n;
	int requests, heads;
	struct buf last_body;
	int fds_before;
};

struct peer {
	struct fixture *f;
	int fd;
	struct loop_watch *w;
	struct buf in;
	bool closed, got;
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

/* ---- the handler under test: by path ---- */

static int on_head(const struct http_exchange *x, size_t *ret_max_body, void *arg)
{
	struct fixture *f = arg;
	f->heads++;
	const char *path = http_path(x);
	*ret_max_body = strcmp(path, "/big") == 0 ? LIMIT_WEBHOOK_BYTES : 1000;
	if (strcmp(path, "/secret") == 0)
		return 401;
	return strcmp(path, "/nothing") == 0 ? 404 : 0;
}

static void reply_about(struct http_exchange *x)
{
	static const char *const headers[][2] = {{"X-Extra", "yes"}};
	size_t len;
	(void)http_body(x, &len);
	const char *q = http_query(x, "q"), *h = http_request_header(x, "x-word");
	char text[256];
	(void)snprintf(text, sizeof(text), "%s %s q=%s h=%s n=%zu", http_method(x), http_path(x), q != NULL ? q : "-", h != NULL ? h : "-", len);
	http_reply(x, 200, "text/plain", text, strlen(text), headers, 1);
}

static void on_request(struct http_exchange *x, void *arg)
{
	struct fixture *f = arg;
	size_t len;
	const char *body = http_body(x, &len);
	f->requests++;
	buf_reset(&f->last_body);
	buf_add(&f->last_body, body, len);
	if (strcmp(http_path(x), "/later") == 0) {
		http_exchange_set(x, f);
		f->held[f->held_n++] = x;
	} else {
		reply_about(x);
	}
}

static void start(struct fixture *f)
{
	*f = (struct fixture){.fds_before = open_fds()};
	f->l = loop_new();
	struct err err = {0};
	struct http_server_options o = {.host = "127.0.0.1", .on_head = on_head, .on_request = on_request, .arg = f};
	f->s = http_server_start(f->l, &o, &err);
	if (f->s == NULL)
		fail_msg("%s", err.msg);
}

static void stop(struct fixture *f)
{
	http_server_close(f->s);
	loop_close(f->l);
	buf_free(&f->last_body);
	assert_int_equal(open_fds(), f->fds_before);
}

/* ---- the client ---- */

static void on_peer(int events, void *arg)
{
	struct peer *p = arg;
	char chunk[65536];
	(void)events;
	ssize_t n = recv(p->fd, chunk, sizeof(chunk), 0);
	if (n > 0) {
		buf_add(&p->in, chunk, (size_t)n);
		p->got = true;
	} else if (n == 0 || errno != EAGAIN) {
		p->closed = true;
		p->got = true;
		loop_watch_set(p->w, 0);
	}
}

static void dial(struct fixture *f, struct peer *p)
{
	*p = (struct peer){.f = f, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)http_server_port(f->s))};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(p->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(fcntl(p->fd, F_SETFL, O_NONBLOCK), 0);
	p->w = loop_watch_new(f->l, p->fd, on_peer, p);
	loop_watch_set(p->w, LOOP_READ);
}

static void hang_up(struct peer *p)
{
	loop_watch_close(p->w);
	(void)close(p->fd);
	buf_free(&p->in);
}

static void say(struct peer *p, const char *bytes)
{
	assert_int_equal(send(p->fd, bytes, strlen(bytes), MSG_NOSIGNAL), strlen(bytes));
}

/* Sends len times 'b', running the loop while the socket is full; false when the server cut us. */
static bool say_many(struct peer *p, size_t len)
{
	static char block[16384];
	memset(block, 'b', sizeof(block));
	bool never = false;
	while (len > 0) {
		ssize_t n = send(p->fd, block, len < sizeof(block) ? len : sizeof(block), MSG_NOSIGNAL);
		if (n > 0)
			len -= (size_t)n;
		else if (errno != EAGAIN)
			return false;
		else
			(void)loop_run_until(p->f->l, &never, 1);
	}
	return true;
}

/* Runs until `text` is in what came in, or the end. */
static bool hear(struct peer *p, const char *text)
{
	for (int i = 0; i < 300 && strstr(buf_str(&p->in), text) == NULL && !p->closed; i++) {
		p->got = false;
		(void)loop_run_until(p->f->l, &p->got, 20);
	}
	return strstr(buf_str(&p->in), text) != NULL;
}

static bool hear_end(struct peer *p, int64_t ms)
{
	return loop_run_until(p->f->l, &p->closed, ms);
}

static void forget(struct peer *p) { buf_reset(&p->in); }

/* ---- tests ---- */

static void test_get_with_query_and_header(void **state)
{
	(void)state;
	struct fixture f;
	struct peer p;
	start(&f);
	dial(&f, &p);
	say(&p, "GET /a%20b?q=1%262 HTTP/1.1\r\nHost: x\r\nX-Word: deep\r\n\r\n");
	assert_true(hear(&p, "GET /a b q=1&2 h=deep n=0"));
	assert_non_null(strstr(p.in.data, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(p.in.data, "Content-Length: 25\r\n"));
	assert_non_null(strstr(p.in.data, "Content-Type: text/plain\r\n"));
	assert_non_null(strstr(p.in.data, "X-Content-Type-Options: nosniff\r\n"));
	assert_non_null(strstr(p.in.data, "X-Extra: yes\r\n"));
	assert_non_null(strstr(p.in.data, "Date: "));
	assert_int_equal(http_server_inflight(f.s), 0);
	hang_up(&p);
	stop(&f);
}

static void test_head_is_get_without_body(void **state)
{
	(void)state;
	struct fixture f;
	struct peer p;
	start(&f);
	dial(&f, &p);
	say(&p, "HEAD /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	assert_true(hear_end(&p, 3000));
	assert_non_null(strstr(buf_str(&p.in), "Content-Length: 18\r\n"));
	assert_null(strstr(buf_str(&p.in), "GET /x"));
	hang_up(&p);
	stop(&f);
}

static void test_keep_alive_and_pipelining(void **state)
{
	(void)state;
	struct fixture f;
	struct peer p;
	start(&f);
	dial(&f, &p);
	for (int i = 0; i < 20; i++) {
		forget(&p);
		say(&p, "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
		assert_true(hear(&p, "POST /p q=- h=- n=5"));
		assert_string_equal(buf_str(&f.last_body), "hello");
	}
	forget(&p);
	say(&p, "GET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(hear(&p, "GET /two"));
	assert_non_null(strstr(buf_str(&p.in), "GET /one"));
	assert_int_equal(f.requests, 22);
	hang_up(&p);
	stop(&f);
}

static void test_chunked_body(void **state)
{
	(void)state;
	struct fixture f;
	struct peer p;
	start(&f);
	dial(&f, &p);
	say(&p, "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
	assert_true(hear(&p, "POST /c q=- h=- n=11"));
	assert_string_equal(buf_str(&f.last_body), "hello world");
	hang_up(&p);
	stop(&f);
}

static void test_expect_continue(void **state)
{
	(void)state;
	struct fixture f;
	struct peer p;
	start(&f);
	dial(&f, &p);
	say(&p, "POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
	assert_true(hear(&p, "100 Continue"));
	assert_int_equal(f.requests, 0);
	say(&p, "hello");
	assert_true(hear(&p, "n=5"));
	hang_up(&p);
	dial(&f, &p); /* refused instead of invited */
	say(&p, "POST /secret HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
	assert_true(hear(&p, "HTTP/1.1 401 "));
	assert_null(strstr(buf_str(&p.in), "100 Continue"));
	hang_up(&p);
	stop(&f);
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
	struct fixture f;
	struct peer p;
	start(&f);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		dial(&f, &p);
		say(&p, cases[i].request);
		if (cases[i].body > 0)
			assert_true(say_many(&p, cases[i].body));
		if (!hear(&p, cases[i].status))
			fail_msg("%s gave %s", cases[i].request, buf_str(&p.in));
		hang_up(&p);
	}
	assert_int_equal(f.requests, 0);
	stop(&f);
}

static void test_refused_small_body_keeps_the_connection(void **state)
{
	(void)state;
	struct fixture f;
	struct peer p;
	start(&f);
	dial(&f, &p);
	say(&p, "POST /secret HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
	assert_true(hear(&p, "HTTP/1.1 401 "));
	say(&p, "GET /again HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(hear(&p, "GET /again"));
	hang_up(&p);
	stop(&f);
}

static void test_headers_too_large(void **state)
{
	(void)state;
	struct fixture f;
	static const size_t sizes[] = {LIMIT_HEADER_BYTES + 1000, 4 * LIMIT_HEADER_BYTES};
	start(&f);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct peer p;
		dial(&f, &p);
		say(&p, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: ");
		(void)say_many(&p, sizes[i]); /* may be cut in the middle */
		(void)send(p.fd, "\r\n\r\n", 4, MSG_NOSIGNAL);
		assert_true(hear(&p, "HTTP/1.1 431 "));
		hang_up(&p);
	}
	assert_int_equal(f.requests, 0);
	stop(&f);
}

static void test_large_body(void **state)
{
	(void)state;
	struct fixture f;
	struct peer p;
	start(&f);
	dial(&f, &p);
	char head[128];
	(void)snprintf(head, sizeof(head), "POST /big HTTP/1.1\r\nHost: x\r\nContent-Length: %u\r\n\r\n", LIMIT_WEBHOOK_BYTES);
	say(&p, head);
	assert_true(say_many(&p, LIMIT_WEBHOOK_BYTES));
	assert_true(hear(&p, "n=26214400"));
	assert_int_equal(f.last_body.len, LIMIT_WEBHOOK_BYTES);
	hang_up(&p);
	stop(&f);
}

/* One chunk of `len` bytes that passes the limit of 1000. */
static void send_chunk(struct peer *p, size_t len)
{
	char head[32];
	(void)snprintf(head, sizeof(head), "%zx\r\n", len);
	(void)send(p->fd, head, strlen(head), MSG_NOSIGNAL);
	(void)say_many(p, len);
	(void)send(p->fd, "\r\n0\r\n\r\n", 7, MSG_NOSIGNAL);
}

static void test_chunked_body_over_the_limit(void **state)
{
	(void)state;
	struct fixture f;
	struct peer p;
	start(&f);
	dial(&f, &p);
	say(&p, "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	send_chunk(&p, 50000);
	assert_true(hear(&p, "HTTP/1.1 413 "));
	hang_up(&p);
	dial(&f, &p); /* one that goes on and on is cut without an answer */
	say(&p, "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	send_chunk(&p, 40u << 20);
	assert_true(hear_end(&p, 3000));
	assert_null(strstr(buf_str(&p.in), "HTTP/1.1"));
	hang_up(&p);
	assert_int_equal(f.requests, 0);
	stop(&f);
}

static void test_later_answer(void **state)
{
	(void)state;
	struct fixture f;
	struct peer p[PEERS];
	start(&f);
	for (int i = 0; i < PEERS; i++) {
		dial(&f, &p[i]);
		say(&p[i], "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok");
	}
	bool never = false;
	for (int i = 0; i < 200 && f.held_n < PEERS; i++)
		(void)loop_run_until(f.l, &never, 10);
	assert_int_equal(f.held_n, PEERS);
	assert_int_equal(http_server_inflight(f.s), PEERS);
	for (int i = PEERS - 1; i >= 0; i--) {
		assert_ptr_equal(http_exchange_get(f.held[i]), &f);
		reply_about(f.held[i]);
	}
	assert_int_equal(http_server_inflight(f.s), 0);
	for (int i = 0; i < PEERS; i++) {
		assert_true(hear(&p[i], "POST /later q=- h=- n=2"));
		hang_up(&p[i]);
	}
	stop(&f);
}

static void wait_held(struct fixture *f, size_t n)
{
	bool never = false;
	for (int i = 0; i < 200 && f->held_n < n; i++)
		(void)loop_run_until(f->l, &never, 10);
	assert_int_equal(f->held_n, n);
}

static void test_client_gone_before_the_answer(void **state)
{
	(void)state;
	struct fixture f;
	struct peer p;
	start(&f);
	dial(&f, &p);
	say(&p, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	wait_held(&f, 1);
	hang_up(&p);
	bool never = false;
	(void)loop_run_until(f.l, &never, 30);
	http_reply_text(f.held[0], 200, "nobody hears this");
	(void)loop_run_until(f.l, &never, 30);
	dial(&f, &p);
	say(&p, "GET /alive HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(hear(&p, "GET /alive"));
	hang_up(&p);
	stop(&f);
}

static void test_close_with_owed_answers(void **state)
{
	(void)state;
	struct fixture f;
	struct peer p;
	start(&f);
	dial(&f, &p);
	say(&p, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
	wait_held(&f, 1);
	http_server_close(f.s);
	assert_true(hear(&p, "HTTP/1.1 503 "));
	size_t len;
	assert_string_equal(http_body(f.held[0], &len), "body"); /* still the handler's */
	assert_null(http_request_header(f.held[0], "host"));
	assert_string_equal(http_path(f.held[0]), "/later");
	http_reply_text(f.held[0], 200, "too late");
	hang_up(&p);
	loop_close(f.l);
	buf_free(&f.last_body);
	assert_int_equal(open_fds(), f.fds_before);
}

static void test_close_with_a_pending_run(void **state)
{
	(void)state;
	struct fixture f;
	struct peer p;
	start(&f);
	dial(&f, &p);
	say(&p, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	wait_held(&f, 1);
	http_reply_text(f.held[0], 202, "kept");
	http_server_close(f.s);
	assert_true(hear(&p, "HTTP/1.1 202 "));
	hang_up(&p);
	loop_close(f.l);
	buf_free(&f.last_body);
}

static void test_stop_accepting(void **state)
{
	(void)state;
	struct fixture f;
	struct peer p;
	start(&f);
	dial(&f, &p);
	say(&p, "GET /first HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(hear(&p, "GET /first"));
	http_server_stop_accepting(f.s);
	http_server_stop_accepting(f.s);
	say(&p, "GET /second HTTP/1.1\r\nHost: x\r\n\r\n"); /* open connections go on */
	assert_true(hear(&p, "GET /second"));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)http_server_port(f.s))};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	(void)close(fd);
	hang_up(&p);
	stop(&f);
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
static int bear_with(struct fixture *f, struct peer *p)
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
	struct fixture f;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct peer p;
		start(&f);
		clock_fake_set(1000000);
		dial(&f, &p);
		say(&p, cases[i].start);
		int seconds = bear_with(&f, &p);
		clock_fake_off();
		/* the sweep looks every 500 ms, which is 25 seconds here */
		assert_in_range(seconds, cases[i].seconds - 1, cases[i].seconds + 30);
		assert_int_equal(f.requests, 0);
		hang_up(&p);
		stop(&f);
	}
}

static void test_bad_addresses(void **state)
{
	(void)state;
	struct fixture f;
	start(&f);
	struct err err = {0};
	struct http_server_options o = {.host = "localhost.example", .on_head = on_head, .on_request = on_request, .arg = &f};
	assert_null(http_server_start(f.l, &o, &err));
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.msg, "give an IP address"));
	o.host = "127.0.0.1";
	o.port = http_server_port(f.s);
	assert_null(http_server_start(f.l, &o, &err));
	assert_int_equal(err.code, ERR_IO);
	assert_non_null(strstr(err.msg, "Address already in use"));
	stop(&f);
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
		cmocka_unit_test(test_headers_too_large),
		cmocka_unit_test(test_large_body),
		cmocka_unit_test(test_chunked_body_over_the_limit),
		cmocka_unit_test(test_later_answer),
		cmocka_unit_test(test_client_gone_before_the_answer),
		cmocka_unit_test(test_close_with_owed_answers),
		cmocka_unit_test(test_close_with_a_pending_run),
		cmocka_unit_test(test_stop_accepting),
		cmocka_unit_test(test_slow_senders_are_cut),
		cmocka_unit_test(test_bad_addresses),
	};
	return cmocka_run_group_tests_name("http_server", tests, NULL, NULL);
}
