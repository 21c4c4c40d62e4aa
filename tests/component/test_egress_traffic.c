/* Bytes through the proxy of a job: cut anywhere, slow, too many, in one direction only, and never more in memory than its buffers. */
#include "base/clock.h"
#include "base/fs.h"
#include "tests/support/egress_support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const char target[] = "allowed.test:443";
static const char name[] = "allowed.test";
static struct egress_tuning product; /* the values as they are */

static void open_to(struct egress_rig *rig, uint16_t port, int64_t bytes_max)
{
	CLEANUP_FREE char *rules = xasprintf("allowed.test:443=127.0.0.1:%u\nslow.test:443\nquick.test:443\nclosed.test:443=127.0.0.1:1",
					     port);
	tun_open(rig, rules, NULL, bytes_max);
}

static void ends_as(struct egress_rig *rig, const char *verdict)
{
	tun_close(rig);
	if (!tun_logged(rig, name, verdict))
		fail_msg("%s: %s", verdict, buf_str(&rig->log));
	tun_free(rig);
}

static void send_all(int fd, const void *bytes, size_t len) { assert_int_equal(fs_write_all(fd, bytes, len, NULL), 0); }

static void expect_back(int fd, const struct buf *hello, const char *more)
{
	CLEANUP_BUF struct buf back = {0};
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_true(tun_read(fd, 1 << 20, &back));
	if (back.len != hello->len + strlen(more) || memcmp(back.data, hello->data, hello->len) != 0)
		fail_msg("%zu bytes came back instead of %zu", back.len, hello->len + strlen(more));
	(void)close(fd);
}

static void cut_at_every_byte(void **state)
{
	struct egress_rig rig;
	CLEANUP_BUF struct buf hello = {0};
	uint16_t port = 0;
	pid_t server = tcp_server_start(SERVER_ECHO, &port);
	(void)state;
	open_to(&rig, port, 0);
	hello_make(&hello, &(struct hello_shape){.name = name, .grease = true, .record = 60});
	for (size_t at = 1; at < hello.len; at++) {
		int fd = tun_tunnel(&rig, target);
		send_all(fd, hello.data, at);
		(void)usleep(500);
		send_all(fd, hello.data + at, hello.len - at);
		expect_back(fd, &hello, "");
	}
	int fd = tun_tunnel(&rig, target);
	for (size_t at = 0; at < hello.len; at++, (void)usleep(200))
		send_all(fd, hello.data + at, 1);
	send_all(fd, "0-RTT", 5);
	expect_back(fd, &hello, "0-RTT");
	tun_close(&rig);
	assert_int_equal(rig.totals.connections, hello.len);
	assert_int_equal(rig.totals.refused, 0);
	tun_free(&rig);
	tcp_server_stop(server);
}

/* Clients that do not wait for the answer. */
static void head_and_hello_at_once(void **state)
{
	static const char head[] = "CONNECT allowed.test:443 HTTP/1.0\r\n\r\n", ok[] = "HTTP/1.1 200 Connection established\r\n\r\n";
	struct egress_rig rig;
	CLEANUP_BUF struct buf all = {0}, back = {0}, hello = {0};
	uint16_t port = 0;
	pid_t server = tcp_server_start(SERVER_ECHO, &port);
	(void)state;
	open_to(&rig, port, 0);
	hello_make(&hello, &(struct hello_shape){.name = name});
	buf_adds(&all, head);
	buf_add(&all, hello.data, hello.len);
	buf_adds(&all, "more");
	int fd = tun_connect(&rig);
	send_all(fd, all.data, all.len);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_true(tun_read(fd, 1 << 16, &back));
	assert_int_equal(back.len, strlen(ok) + hello.len + 4);
	assert_memory_equal(back.data, ok, strlen(ok));
	(void)close(fd);
	ends_as(&rig, "ok");
	tcp_server_stop(server);
}

static void slow_ones(void **state)
{
	struct egress_rig rig;
	CLEANUP_BUF struct buf answer = {0}, back = {0}, hello = {0};
	uint16_t port = 0;
	pid_t server = tcp_server_start(SERVER_ECHO, &port);
	(void)state;
	egress_tuning.head_ms = egress_tuning.hello_ms = 300;
	open_to(&rig, port, 0);
	hello_make(&hello, &(struct hello_shape){.name = name});
	int fd = tun_connect(&rig);
	int64_t began_ms = clock_mono_ms();
	for (int i = 0; i < 8 && send(fd, "C", 1, MSG_NOSIGNAL) == 1; i++) /* bytes that come do not move the deadline */
		(void)usleep(50000);
	assert_true(tun_read(fd, 1 << 16, &answer));
	assert_true(clock_mono_ms() - began_ms < 3000);
	assert_memory_equal(buf_str(&answer), "HTTP/1.1 408 ", 13);
	(void)close(fd);
	fd = tun_tunnel(&rig, target);
	began_ms = clock_mono_ms();
	for (size_t i = 0; i < 8 && send(fd, hello.data + i, 1, MSG_NOSIGNAL) == 1; i++)
		(void)usleep(50000);
	assert_true(tun_read(fd, 1 << 16, &back));
	assert_true(clock_mono_ms() - began_ms < 3000);
	assert_int_equal(back.len, 7); /* the alert */
	(void)close(fd);
	ends_as(&rig, "slow");
	tcp_server_stop(server);
}

static void who_leaves(void **state)
{
	struct egress_rig rig;
	uint16_t port = 0;
	pid_t server = tcp_server_start(SERVER_ECHO, &port);
	(void)state;
	open_to(&rig, port, 0);
	(void)close(tun_connect(&rig));
	(void)close(tun_tunnel(&rig, target));
	(void)usleep(100000);
	tun_close(&rig);
	assert_true(tun_logged(&rig, "", "left") && tun_logged(&rig, name, "left"));
	assert_int_equal(rig.totals.refused, 0);
	tun_free(&rig);
	tcp_server_stop(server);
}

static void three_hundred_connections(void **state)
{
	enum { ALL = 300, FIT = LIMIT_EGRESS_CONNECTIONS };
	struct egress_rig rig;
	int fds[ALL];
	uint16_t port = 0;
	pid_t server = tcp_server_start(SERVER_ECHO, &port);
	(void)state;
	open_to(&rig, port, 0);
	for (int i = 0; i < FIT; i++) {
		fds[i] = tun_tunnel(&rig, target);
		tun_hello(fds[i], name);
	}
	for (int i = FIT; i < ALL; i++) {
		CLEANUP_BUF struct buf answer = {0};
		fds[i] = tun_connect(&rig);
		assert_int_equal(tun_ask(fds[i], target, &answer), 503);
		assert_non_null(strstr(answer.data, "this job has 256 connections open, which is its ceiling"));
		(void)close(fds[i]);
	}
	for (int i = 0; i < FIT; i++) { /* all of them work */
		CLEANUP_BUF struct buf back = {0};
		send_all(fds[i], "x", 1);
		assert_int_equal(shutdown(fds[i], SHUT_WR), 0);
		assert_true(tun_read(fds[i], 1 << 16, &back));
		assert_true(back.len > 1 && back.data[back.len - 1] == 'x');
		(void)close(fds[i]);
	}
	int fd = tun_tunnel(&rig, target); /* and there is room again */
	(void)close(fd);
	tun_close(&rig);
	assert_int_equal(rig.totals.connections, ALL + 1);
	assert_int_equal(rig.totals.refused, ALL - FIT);
	tun_free(&rig);
	tcp_server_stop(server);
}

static int64_t resident_kib(pid_t pid)
{
	CLEANUP_FREE char *path = xasprintf("/proc/%d/statm", (int)pid);
	FILE *f = fopen(path, "re");
	long long total, resident = 0;
	assert_true(f != NULL && fscanf(f, "%lld %lld", &total, &resident) == 2);
	(void)fclose(f);
	return resident * 4;
}

/* Bytes that can be written before the other side pushes back. */
static size_t pour(int fd, size_t most)
{
	static const char bytes[65536];
	size_t sum = 0;
	while (sum < most) {
		struct pollfd p = {.fd = fd, .events = POLLOUT};
		if (poll(&p, 1, 500) == 0)
			break;
		ssize_t n = send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			break;
		sum += n > 0 ? (size_t)n : 0;
	}
	return sum;
}

static void nobody_reads(void **state)
{
	enum { MOST = 256 << 20 };
	static const enum tcp_server kinds[] = {SERVER_DEAF, SERVER_SOURCE};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct egress_rig rig;
		uint16_t port = 0;
		pid_t server = tcp_server_start(kinds[i], &port);
		open_to(&rig, port, 0);
		int64_t before_kib = resident_kib(rig.e->pid);
		int fd = tun_tunnel(&rig, target);
		tun_hello(fd, name);
		if (kinds[i] == SERVER_DEAF)
			assert_in_range(pour(fd, MOST), 65536, MOST - 1);
		else
			(void)usleep(500000); /* the server writes, nobody takes it */
		assert_true(resident_kib(rig.e->pid) - before_kib < 16384);
		CLEANUP_BUF struct buf answer = {0};
		int other = tun_connect(&rig); /* and the next one is served */
		assert_int_equal(tun_ask(other, "closed.test:443", &answer), 502);
		int64_t began_ms = clock_mono_ms();
		ends_as(&rig, "job-ended");
		assert_true(clock_mono_ms() - began_ms < 1000);
		(void)close(other);
		(void)close(fd);
		tcp_server_stop(server);
	}
}

static void half_closed(void **state)
{
	struct egress_rig rig;
	CLEANUP_BUF struct buf back = {0};
	uint16_t port = 0;
	pid_t server = tcp_server_start(SERVER_BYE, &port);
	(void)state;
	open_to(&rig, port, 0);
	int fd = tun_tunnel(&rig, target);
	tun_hello(fd, name);
	send_all(fd, "last words", 10);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_true(tun_read(fd, 1 << 16, &back));
	assert_string_equal(buf_str(&back), "bye"); /* only said once our end was passed on */
	(void)close(fd);
	ends_as(&rig, "ok");
	tcp_server_stop(server);
}

/* 32 MiB there and back, while both sides work: not one byte is lost, doubled or moved. */
static void much_in_both_directions(void **state)
{
	enum { MUCH = 32 << 20, STEP = 65536 };
	struct egress_rig rig;
	CLEANUP_BUF struct buf hello = {0};
	uint16_t port = 0;
	pid_t server = tcp_server_start(SERVER_ECHO, &port);
	(void)state;
	open_to(&rig, port, 0);
	hello_make(&hello, &(struct hello_shape){.name = name});
	CLEANUP_FREE uint8_t *sent = xmalloc(MUCH), *got = xmalloc(MUCH);
	for (size_t i = 0; i < MUCH; i++)
		sent[i] = (uint8_t)(i ^ (i >> 8) ^ (i >> 16));
	memcpy(sent, hello.data, hello.len);
	int fd = tun_tunnel(&rig, target);
	for (size_t out = 0, in = 0; in < MUCH;) {
		struct pollfd p = {.fd = fd, .events = (short)(POLLIN | (out < MUCH ? POLLOUT : 0))};
		assert_int_equal(poll(&p, 1, 10000), 1);
		ssize_t n = out < MUCH ? send(fd, sent + out, MUCH - out < STEP ? MUCH - out : STEP, MSG_DONTWAIT) : 0;
		out += n > 0 ? (size_t)n : 0;
		n = recv(fd, got + in, MUCH - in, MSG_DONTWAIT);
		assert_true(n > 0 || (n < 0 && errno == EAGAIN));
		in += n > 0 ? (size_t)n : 0;
	}
	assert_memory_equal(sent, got, MUCH);
	(void)close(fd);
	(void)usleep(50000);
	tun_close(&rig);
	assert_int_equal(rig.totals.bytes_out, MUCH);
	assert_int_equal(rig.totals.bytes_in, MUCH);
	tun_free(&rig);
	tcp_server_stop(server);
}

static void byte_ceiling(void **state)
{
	enum { CEILING = 1000000 };
	struct egress_rig rig;
	CLEANUP_BUF struct buf back = {0}, answer = {0};
	uint16_t port = 0;
	pid_t server = tcp_server_start(SERVER_SOURCE, &port);
	(void)state;
	open_to(&rig, port, CEILING);
	int fd = tun_tunnel(&rig, target);
	tun_hello(fd, name);
	assert_true(tun_read(fd, 1 << 24, &back));
	assert_in_range(back.len, CEILING / 2, CEILING);
	(void)close(fd);
	fd = tun_connect(&rig);
	assert_int_equal(tun_ask(fd, target, &answer), 403);
	assert_non_null(strstr(answer.data, "this job has moved 1000000 bytes, which is its ceiling"));
	(void)close(fd);
	tun_close(&rig);
	assert_int_equal(rig.totals.bytes_out + rig.totals.bytes_in, CEILING);
	assert_true(tun_logged(&rig, name, "byte-ceiling"));
	assert_int_equal(rig.totals.refused, 2);
	tun_free(&rig);
	tcp_server_stop(server);
}

static void idle_ones(void **state)
{
	struct egress_rig rig;
	CLEANUP_BUF struct buf back = {0};
	uint16_t port = 0;
	pid_t server = tcp_server_start(SERVER_ECHO, &port);
	(void)state;
	egress_tuning.idle_ms = 1000;
	open_to(&rig, port, 0);
	int fd = tun_tunnel(&rig, target);
	tun_hello(fd, name);
	int64_t began_ms = clock_mono_ms();
	for (int i = 0; i < 10; i++, (void)usleep(200000)) /* twice the deadline, and always something to say */
		send_all(fd, "x", 1);
	assert_true(tun_read(fd, 1 << 16, &back));
	assert_in_range(clock_mono_ms() - began_ms, 2500, 8000);
	(void)close(fd);
	ends_as(&rig, "idle");
	tcp_server_stop(server);
}

static size_t resolve(const char *host, struct address ret[EGRESS_ADDRESSES_MAX])
{
	if (strcmp(host, "slow.test") == 0)
		(void)sleep(5);
	ret[0] = (struct address){.bytes = {10, 0, 0, 1}};
	return 1;
}

/* DNS that hangs holds up nobody but those who wait for it, and them not for long. */
static void slow_look_ups(void **state)
{
	struct egress_rig rig;
	int slow[3];
	(void)state;
	egress_tuning.resolve = resolve;
	egress_tuning.resolve_ms = 2000;
	open_to(&rig, 1, 0);
	static const char head[] = "CONNECT slow.test:443 HTTP/1.1\r\n\r\n";
	int64_t began_ms = clock_mono_ms();
	for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
		slow[i] = tun_connect(&rig);
		send_all(slow[i], head, strlen(head));
	}
	CLEANUP_BUF struct buf answer = {0};
	int fd = tun_connect(&rig);
	assert_int_equal(tun_ask(fd, "quick.test:443", &answer), 403);
	assert_non_null(strstr(answer.data, "10.0.0.1, which is not public"));
	assert_true(clock_mono_ms() - began_ms < 1900);
	(void)close(fd);
	for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
		CLEANUP_BUF struct buf late = {0};
		assert_true(tun_read(slow[i], 1 << 16, &late));
		assert_memory_equal(buf_str(&late), "HTTP/1.1 504 ", 13);
		(void)close(slow[i]);
	}
	assert_true(clock_mono_ms() - began_ms < 4900);
	tun_close(&rig);
	assert_true(tun_logged(&rig, "slow.test", "no-address"));
	tun_free(&rig);
}

/* A listener whose queue is full lets nobody finish a handshake. */
static void who_does_not_answer(void **state)
{
	struct egress_rig rig;
	CLEANUP_BUF struct buf answer = {0};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), waiting[4];
	(void)state;
	assert_true(bind(listener, (const struct sockaddr *)&at, len) == 0 && listen(listener, 0) == 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
		waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(waiting[i], (const struct sockaddr *)&at, len); /* EINPROGRESS */
	}
	egress_tuning.connect_ms = 500;
	open_to(&rig, ntohs(at.sin_port), 0);
	int fd = tun_connect(&rig);
	int64_t began_ms = clock_mono_ms();
	assert_int_equal(tun_ask(fd, target, &answer), 502);
	assert_in_range(clock_mono_ms() - began_ms, 400, 3000);
	(void)close(fd);
	ends_as(&rig, "unreachable");
	for (size_t i = 0; i < ARRAY_LEN(waiting); i++)
		(void)close(waiting[i]);
	(void)close(listener);
}

static void connections_of_a_life(void **state)
{
	struct egress_rig rig;
	(void)state;
	egress_tuning.connections_all = 3;
	open_to(&rig, 1, 0);
	for (int i = 0; i < 3; i++) {
		CLEANUP_BUF struct buf answer = {0};
		int fd = tun_connect(&rig);
		assert_int_equal(tun_ask(fd, "closed.test:443", &answer), 502);
		(void)close(fd);
	}
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(rig.port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	(void)close(fd);
	tun_close(&rig);
	assert_int_equal(rig.totals.connections, 3);
	tun_free(&rig);
}

static int reset(void **state)
{
	(void)state;
	egress_tuning = product;
	return 0;
}

#define CASE(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(cut_at_every_byte),
		CASE(head_and_hello_at_once),
		CASE(slow_ones),
		CASE(who_leaves),
		CASE(three_hundred_connections),
		CASE(nobody_reads),
		CASE(half_closed),
		CASE(much_in_both_directions),
		CASE(byte_ceiling),
		CASE(idle_ones),
		CASE(slow_look_ups),
		CASE(who_does_not_answer),
		CASE(connections_of_a_life),
	};
	product = egress_tuning;
	return cmocka_run_group_tests_name("egress_traffic", tests, NULL, NULL);
}
