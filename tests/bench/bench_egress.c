/* What the proxy of a job costs: the same bytes and the same connections direct and through it, in pairs, in one run on one machine.
 *
 * The server and the proxy are processes of their own on loopback; TLS itself is not part of it (both ways would pay the same), but each
 * connection begins with a ClientHello. Each row ends in one line of JSON. It never fails for being slow. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "runner/egress.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 7, CONNECTIONS = 200, STEP = 256 * 1024 };
static const int64_t much = 512ll * 1024 * 1024;

static const uint8_t hello[] = {
	22, 3,    1,  0,  72, 1,  0,  0,  68, 3,  3, /* record, message, version; then 32 random bytes */
	1,  2,    3,  4,  5,  6,  7,  8,  9,  10, 11, 12,  13,  14,  15,  16,   17,  18,  19,  20,
	21, 22,   23, 24, 25, 26, 27, 28, 29, 30, 31, 32,  0,   0,   2,   0x13, 1,   1,   0, /* no session, one suite, no compression */
	0,  25,   0,  0,  0,  14, 0,  12, 0,  0,  9,  'b', 'e', 'n', 'c', 'h',  '.', 'l', 'a', 'b', /* server_name */
	0,  0x2b, 0,  3,  2,  3,  4,                                                                /* supported_versions */
};

static void die(const char *what)
{
	(void)fprintf(stderr, "bench_egress: %s\n", what);
	exit(1);
}

static int listen_on(uint16_t *ret_port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, len) != 0 || listen(fd, 256) != 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) != 0)
		die("no listener");
	*ret_port = ntohs(at.sin_port);
	return fd;
}

/* One connection after the other: the hello, then eight bytes that say how many to send. */
static pid_t start_server(uint16_t *ret_port)
{
	static char bytes[STEP];
	int listener = listen_on(ret_port);
	pid_t pid = fork();
	if (pid != 0) {
		(void)close(listener);
		return pid;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		int64_t left = 0;
		if (recv(fd, bytes, sizeof(hello), MSG_WAITALL) == (ssize_t)sizeof(hello) &&
		    recv(fd, &left, sizeof(left), MSG_WAITALL) == 8)
			while (left > 0) {
				ssize_t n = send(fd, bytes, left < STEP ? (size_t)left : STEP, 0);
				if (n <= 0)
					break;
				left -= n;
			}
		(void)close(fd);
	}
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) != 0) /* as Go and curl do */
		die("no connection");
	return fd;
}

/* Milliseconds of so many connections that each fetch so many bytes. */
static double fetch(uint16_t port, bool proxied, int connections, int64_t bytes)
{
	static const char ask[] = "CONNECT bench.lab:443 HTTP/1.1\r\nHost: bench.lab:443\r\n\r\n";
	static char room[STEP];
	int64_t began_ns = clock_mono_ns();
	for (int i = 0; i < connections; i++) {
		int fd = connect_to(port);
		int64_t got = 0;
		if (proxied && (fs_write_all(fd, ask, sizeof(ask) - 1, NULL) != 0 || recv(fd, room, 39, MSG_WAITALL) != 39 ||
				memcmp(room, "HTTP/1.1 200", 12) != 0))
			die("the proxy refused");
		if (fs_write_all(fd, hello, sizeof(hello), NULL) != 0 || fs_write_all(fd, &bytes, sizeof(bytes), NULL) != 0)
			die("no request");
		for (ssize_t n; (n = recv(fd, room, sizeof(room), 0)) > 0;)
			got += n;
		if (got != bytes)
			die("bytes are missing");
		(void)close(fd);
	}
	return (double)(clock_mono_ns() - began_ns) / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

static void row(const char *name, uint16_t server, uint16_t proxy, int connections, int64_t bytes)
{
	double direct[ROUNDS], proxied[ROUNDS], ratio[ROUNDS];
	for (size_t i = 0; i < ROUNDS; i++) {
		direct[i] = fetch(server, false, connections, bytes);
		proxied[i] = fetch(proxy, true, connections, bytes);
		ratio[i] = proxied[i] / direct[i];
	}
	double d = median(direct, ROUNDS), p = median(proxied, ROUNDS), r = median(ratio, ROUNDS);
	double mb_per_ms = (double)connections * (double)bytes / 1e6;
	(void)printf("%-34s direct %8.2f ms   proxied %8.2f ms   x %5.2f", name, d, p, r);
	if (bytes > STEP)
		(void)printf("   (%.0f and %.0f MB/s)", mb_per_ms / d * 1000, mb_per_ms / p * 1000);
	(void)printf("\n{\"row\":\"egress %s\",\"direct_ms\":%.3f,\"proxied_ms\":%.3f,\"ratio\":%.3f}\n", name, d, p, r);
	(void)fflush(stdout);
}

static struct egress *start_proxy(uint16_t server, uint16_t *ret_port)
{
	int pair[2], log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct egress *e = NULL;
	struct err err = {0};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} room = {0};
	struct iovec part = {.iov_base = (char[]){'L'}, .iov_len = 1};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof(room.bytes)};
	CLEANUP_FREE char *rules = xasprintf("bench.lab:443=127.0.0.1:%u", server);
	if (log_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		die("no socket pair");
	const struct egress_order o = {.rules = rules, .channel = pair[1], .log_fd = log_fd, .bytes_max = INT64_MAX};
	if (egress_start(&o, &e, &err) != 0)
		die(err.msg);
	(void)close(pair[1]);
	int listener = listen_on(ret_port);
	struct cmsghdr *c = &room.align;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &listener, sizeof(int));
	if (sendmsg(pair[0], &m, 0) != 1)
		die("the listener was not sent");
	(void)close(listener);
	(void)close(pair[0]);
	(void)close(log_fd);
	return e;
}

/* From nothing to an answered connection, and its end. */
static void start_row(uint16_t server)
{
	double start[ROUNDS], end[ROUNDS];
	for (size_t i = 0; i < ROUNDS; i++) {
		struct egress_totals t;
		uint16_t port = 0;
		int64_t a = clock_mono_ns();
		struct egress *e = start_proxy(server, &port);
		(void)fetch(port, true, 1, 0);
		int64_t b = clock_mono_ns();
		egress_end(e, &t);
		start[i] = (double)(b - a) / 1e6;
		end[i] = (double)(clock_mono_ns() - b) / 1e6;
	}
	double s = median(start, ROUNDS), e = median(end, ROUNDS);
	(void)printf("%-34s start to first byte %.2f ms   end %.2f ms\n{\"row\":\"egress process\",\"start_ms\":%.3f,\"end_ms\":%.3f}\n",
		     "process", s, e, s, e);
}

int main(void)
{
	uint16_t server_port = 0, proxy_port = 0;
	struct egress_totals totals;
	pid_t server = start_server(&server_port);
	if (server < 0)
		die("no server");
	start_row(server_port);
	struct egress *e = start_proxy(server_port, &proxy_port);
	row("200 connections of 1 KiB", server_port, proxy_port, CONNECTIONS, 1024);
	row("one connection of 512 MiB", server_port, proxy_port, 1, much);
	egress_end(e, &totals);
	if (totals.refused != 0 || totals.connections != ROUNDS * (CONNECTIONS + 1))
		die("the proxy counted something else");
	(void)kill(server, SIGKILL);
	(void)waitpid(server, NULL, 0);
	return 0;
}
