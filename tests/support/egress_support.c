#include "tests/support/egress_support.h"

#include "base/fs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- ClientHello ---- */

static void put(struct buf *b, size_t value, size_t width)
{
	for (size_t i = width; i-- > 0;)
		buf_addc(b, (char)(value >> (8 * i)));
}

static void put_vector(struct buf *b, const struct buf *body, size_t width)
{
	put(b, body->len, width);
	buf_add(b, body->data, body->len);
}

static void put_name(struct buf *list, const char *name)
{
	put(list, 0, 1);
	put(list, strlen(name), 2);
	buf_adds(list, name);
}

static void put_server_name(struct buf *out, const struct hello_shape *s)
{
	CLEANUP_BUF struct buf list = {0}, body = {0};
	put_name(&list, s->name);
	if (s->second != NULL)
		put_name(&list, s->second);
	put_vector(&body, &list, 2);
	put(out, 0, 2);
	put_vector(out, &body, 2);
}

static void put_extensions(struct buf *out, const struct hello_shape *s)
{
	CLEANUP_BUF struct buf all = {0};
	if (s->grease)
		put(&all, 0x1a1a0000, 4);
	if (s->extension != 0) {
		put(&all, s->extension, 2);
		put(&all, 4, 2);
		put(&all, 0, 4);
	}
	for (int i = 0; s->name != NULL && i < 1 + s->twice; i++)
		put_server_name(&all, s);
	put(&all, 0x002b0003020304, 7); /* supported_versions: TLS 1.3 */
	if (s->grease)
		put(&all, 0x2a2a000100, 5);
	if (s->padding > 0) {
		put(&all, 21, 2);
		put(&all, s->padding, 2);
		for (size_t i = 0; i < s->padding; i++)
			buf_addc(&all, 0);
	}
	put_vector(out, &all, 2);
}

void hello_make(struct buf *out, const struct hello_shape *s)
{
	CLEANUP_BUF struct buf body = {0}, message = {0};
	put(&body, 0x0303, 2);
	for (int i = 0; i < 32; i++)
		buf_addc(&body, (char)i);
	put(&body, 0, 1);
	if (s->grease)
		put(&body, 0x00040a0a1301, 6);
	else
		put(&body, 0x00021301, 4);
	put(&body, 0x0100, 2);
	if (!s->bare)
		put_extensions(&body, s);
	put(&message, 1, 1);
	put_vector(&message, &body, 3);
	for (size_t i = 0; i < s->behind; i++)
		buf_addc(&message, 0);
	for (size_t at = 0, n; at < message.len; at += n) {
		n = message.len - at;
		n = s->record > 0 && n > s->record ? s->record : n;
		put(out, 0x160301, 3);
		put(out, n, 2);
		buf_add(out, message.data + at, n);
	}
}

/* ---- servers ---- */

int tcp_listen(uint16_t *ret_port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(*ret_port)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0 && bind(fd, (const struct sockaddr *)&at, len) == 0 && listen(fd, 512) == 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static enum tcp_server served;

static void *serve_one(void *arg)
{
	int fd = (int)(intptr_t)arg;
	static char zeros[65536];
	char bytes[65536];
	ssize_t n = 0;
	if (served == SERVER_DEAF)
		(void)pause();
	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		if (served == SERVER_SOURCE)
			while (send(fd, zeros, sizeof(zeros), MSG_NOSIGNAL) > 0)
				continue;
		if (served == SERVER_ECHO && fs_write_all(fd, bytes, (size_t)n, NULL) != 0)
			break;
	}
	if (served == SERVER_BYE)
		(void)send(fd, "bye", 3, MSG_NOSIGNAL);
	(void)close(fd);
	return NULL;
}

pid_t tcp_server_start(enum tcp_server kind, uint16_t *ret_port)
{
	int listener = tcp_listen(ret_port);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid > 0) {
		(void)close(listener);
		return pid;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGPIPE, SIG_IGN);
	served = kind;
	for (;;) {
		pthread_t thread;
		int fd = accept(listener, NULL, NULL);
		if (fd >= 0 && pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd) == 0)
			(void)pthread_detach(thread);
	}
}

void tcp_server_stop(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ---- the proxy ---- */

int tun_send_fd(int channel, const int *fds, size_t n)
{
	union {
		char bytes[CMSG_SPACE(253 * sizeof(int))];
		struct cmsghdr align;
	} room = {0};
	struct iovec part = {.iov_base = (char[]){'L'}, .iov_len = 1};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
	if (n > 0) {
		m.msg_control = room.bytes;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *c = &room.align;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	return sendmsg(channel, &m, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

void tun_open(struct egress_rig *rig, const char *rules, const char *deny, int64_t bytes_max)
{
	int pair[2];
	struct err err = {0};
	*rig = (struct egress_rig){0};
	(void)snprintf(rig->log_path, sizeof(rig->log_path), "/tmp/test-egress-XXXXXX");
	rig->log_fd = mkostemp(rig->log_path, O_APPEND | O_CLOEXEC);
	assert_true(rig->log_fd >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	egress_tuning.keep_stderr = true;
	const struct egress_order o =
		{.rules = rules, .key = "egress.plan", .channel = pair[1], .log_fd = rig->log_fd, .deny = deny, .bytes_max = bytes_max};
	if (egress_start(&o, &rig->e, &err) != 0)
		fail_msg("%s", err.msg);
	(void)close(pair[1]);
	int listener = tcp_listen(&rig->port);
	assert_int_equal(tun_send_fd(pair[0], &listener, 1), 0);
	(void)close(listener);
	(void)close(pair[0]);
}

void tun_close(struct egress_rig *rig)
{
	struct err err = {0};
	egress_end(rig->e, &rig->totals);
	(void)close(rig->log_fd);
	assert_int_equal(fs_read(rig->log_path, 1 << 26, &rig->log, &err), 0);
	(void)unlink(rig->log_path);
}

void tun_free(struct egress_rig *rig) { buf_free(&rig->log); }

int tun_connect(const struct egress_rig *rig)
{
	const struct timeval patience = {.tv_sec = 10};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(rig->port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	return fd;
}

bool tun_read(int fd, size_t max, struct buf *ret)
{
	char bytes[16384];
	while (ret->len < max) {
		ssize_t n = recv(fd, bytes, max - ret->len < sizeof(bytes) ? max - ret->len : sizeof(bytes), 0);
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0)
			return true;
		buf_add(ret, bytes, (size_t)n);
	}
	return true;
}

int tun_ask(int fd, const char *target, struct buf *ret)
{
	CLEANUP_FREE char *request = xasprintf("CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target);
	assert_int_equal(fs_write_all(fd, request, strlen(request), NULL), 0);
	while (strstr(buf_str(ret), "\r\n\r\n") == NULL) {
		size_t had = ret->len;
		assert_true(tun_read(fd, had + 1, ret));
		if (ret->len == had)
			fail_msg("%s: closed after \"%s\"", target, buf_str(ret));
	}
	return ret->len > 12 ? (ret->data[9] - '0') * 100 + (ret->data[10] - '0') * 10 + ret->data[11] - '0' : 0;
}

int tun_tunnel(const struct egress_rig *rig, const char *target)
{
	CLEANUP_BUF struct buf answer = {0};
	int fd = tun_connect(rig);
	if (tun_ask(fd, target, &answer) != 200)
		fail_msg("%s: %s", target, buf_str(&answer));
	return fd;
}

void tun_hello(int fd, const char *name)
{
	CLEANUP_BUF struct buf hello = {0};
	hello_make(&hello, &(struct hello_shape){.name = name});
	assert_int_equal(fs_write_all(fd, hello.data, hello.len, NULL), 0);
}

bool tun_logged(const struct egress_rig *rig, const char *host, const char *verdict)
{
	CLEANUP_FREE char *h = xasprintf("\"host\":\"%s\"", host), *v = xasprintf("\"verdict\":\"%s\"", verdict);
	for (const char *line = buf_str(&rig->log); *line != '\0';) {
		size_t n = strcspn(line, "\n");
		CLEANUP_FREE char *one = xstrndup(line, n);
		if (strstr(one, h) != NULL && strstr(one, v) != NULL)
			return true;
		line += n + (line[n] == '\n');
	}
	return false;
}
