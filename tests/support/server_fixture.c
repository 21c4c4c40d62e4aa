#include "tests/support/server_fixture.h"

#include "base/limits.h"
#include "base/mem.h"
#include "tests/support/fds.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the handler under test: by path ---- */

static int on_head(const struct http_exchange *x, size_t *ret_max_body, void *arg)
{
	struct server_fixture *f = arg;
	f->heads++;
	const char *path = http_path(x);
	*ret_max_body = strncmp(path, "/big", 4) == 0 ? LIMIT_WEBHOOK_BYTES : 1000;
	if (strcmp(path, "/secret") == 0)
		return 401;
	return strcmp(path, "/nothing") == 0 ? 404 : 0;
}

void server_reply_about(struct http_exchange *x)
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
	struct server_fixture *f = arg;
	size_t len;
	const char *body = http_body(x, &len);
	f->requests++;
	if (strcmp(http_path(x), "/later") == 0 || strcmp(http_path(x), "/big/later") == 0) {
		f->held[f->held_n++] = x;
		return;
	}
	buf_reset(&f->last_body);
	buf_add(&f->last_body, body, len);
	if (strcmp(http_path(x), "/much") == 0) {
		char *much = xcalloc(1, MUCH_BYTES);
		http_reply(x, 200, "text/plain", much, MUCH_BYTES, NULL, 0);
		free(much);
	} else {
		server_reply_about(x);
	}
}

void server_start(struct server_fixture *f)
{
	*f = (struct server_fixture){.fds_before = support_open_fds()};
	f->l = loop_new();
	struct err err = {0};
	struct http_server_options o = {.host = "127.0.0.1", .on_head = on_head, .on_request = on_request, .arg = f};
	f->s = http_server_start(f->l, &o, &err);
	if (f->s == NULL)
		fail_msg("%s", err.msg);
}

void server_stop(struct server_fixture *f)
{
	http_server_close(f->s);
	loop_close(f->l);
	buf_free(&f->last_body);
	assert_int_equal(support_open_fds(), f->fds_before);
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

void peer_dial(struct server_fixture *f, struct peer *p)
{
	*p = (struct peer){.f = f, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)http_server_port(f->s))};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(p->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(fcntl(p->fd, F_SETFL, O_NONBLOCK), 0);
	p->w = loop_watch_new(f->l, p->fd, on_peer, p);
	loop_watch_set(p->w, LOOP_READ);
}

void peer_hang_up(struct peer *p)
{
	loop_watch_close(p->w);
	(void)close(p->fd);
	buf_free(&p->in);
}

void peer_say(struct peer *p, const char *bytes)
{
	assert_int_equal(send(p->fd, bytes, strlen(bytes), MSG_NOSIGNAL), strlen(bytes));
}

bool peer_say_many(struct peer *p, size_t len)
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

bool peer_hear(struct peer *p, const char *text)
{
	for (int i = 0; i < 300 && strstr(buf_str(&p->in), text) == NULL && !p->closed; i++) {
		p->got = false;
		(void)loop_run_until(p->f->l, &p->got, 20);
	}
	return strstr(buf_str(&p->in), text) != NULL;
}

bool peer_hear_end(struct peer *p, int64_t ms)
{
	return loop_run_until(p->f->l, &p->closed, ms);
}

void peer_forget(struct peer *p) { buf_reset(&p->in); }

void server_wait_held(struct server_fixture *f, size_t n)
{
	bool never = false;
	for (int i = 0; i < 200 && f->held_n < n; i++)
		(void)loop_run_until(f->l, &never, 10);
	assert_int_equal(f->held_n, n);
}
