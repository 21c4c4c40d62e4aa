#include "tests/support/github_double.h"

#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct peer {
	struct gh_double *d;
	struct peer *next;
	int fd; /* -1: closed */
	struct loop_watch *watch;
	struct buf in;
};

struct gh_double {
	struct loop *loop;
	int fd;
	struct loop_watch *watch;
	double_fn fn;
	void *arg;
	char url[64];
	struct peer *peers;
};

static void drop(struct peer *p, bool reset)
{
	const struct linger hard = {.l_onoff = 1, .l_linger = 0};
	if (p->fd < 0)
		return;
	loop_watch_close(p->watch);
	p->watch = NULL;
	if (reset)
		(void)setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)); /* close() then sends RST */
	(void)close(p->fd);
	p->fd = -1;
}

static void answer(struct peer *p, char *head, const char *body)
{
	struct double_answer a = {.status = 200};
	CLEANUP_FREE char *line = xstrndup(head, strcspn(head, "\r\n"));
	char *path = strchr(line, ' ');
	ASSERT(path != NULL);
	*path++ = '\0';
	path[strcspn(path, " ")] = '\0';
	const struct double_request rq = {.method = line, .path = path, .head = head, .body = body};
	p->d->fn(&rq, &a, p->d->arg);
	if (!a.reset) {
		CLEANUP_BUF struct buf out = {0};
		buf_printf(&out, "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %zu\r\n%s\r\n", a.status,
			   a.body.len, a.headers != NULL ? a.headers : "");
		buf_add(&out, buf_str(&a.body), a.body.len);
		ssize_t n = send(p->fd, out.data, out.len, MSG_NOSIGNAL);
		ASSERT(n == (ssize_t)out.len || n < 0); /* answers of tests fit the socket's buffer; a client may have gone */
	}
	buf_free(&a.body);
	drop(p, a.reset);
}

static void readable(int events, void *arg)
{
	struct peer *p = arg;
	char chunk[65536];
	(void)events;
	ssize_t n = recv(p->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(p, false);
		return;
	}
	buf_add(&p->in, chunk, (size_t)n);
	char *end = strstr(p->in.data, "\r\n\r\n");
	if (end == NULL)
		return;
	CLEANUP_FREE char *head = xstrndup(p->in.data, (size_t)(end + 2 - p->in.data));
	const struct double_request rq = {.head = head};
	const char *length = double_header(&rq, "content-length");
	int64_t want = 0;
	if (length != NULL)
		ASSERT(text_int(length, 0, 1 << 24, &want, NULL) == 0);
	if ((int64_t)p->in.len < (end + 4 - p->in.data) + want)
		return;
	CLEANUP_FREE char *body = xstrndup(end + 4, (size_t)want);
	answer(p, head, body);
}

static void connected(int events, void *arg)
{
	struct gh_double *d = arg;
	(void)events;
	int fd = accept4(d->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	struct peer *p = xcalloc(1, sizeof(*p));
	*p = (struct peer){.d = d, .next = d->peers, .fd = fd};
	d->peers = p;
	p->watch = loop_watch_new(d->loop, fd, readable, p);
	loop_watch_set(p->watch, LOOP_READ);
}

struct gh_double *double_start(struct loop *l, double_fn fn, void *arg)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	struct gh_double *d = xcalloc(1, sizeof(*d));
	*d = (struct gh_double){.loop = l, .fn = fn, .arg = arg};
	d->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ASSERT(d->fd >= 0 && bind(d->fd, (const struct sockaddr *)&at, len) == 0 && listen(d->fd, 64) == 0);
	ASSERT(getsockname(d->fd, (struct sockaddr *)&at, &len) == 0);
	(void)snprintf(d->url, sizeof(d->url), "http://127.0.0.1:%d", (int)ntohs(at.sin_port));
	d->watch = loop_watch_new(l, d->fd, connected, d);
	loop_watch_set(d->watch, LOOP_READ);
	return d;
}

const char *double_url(const struct gh_double *d)
{
	return d->url;
}

void double_close(struct gh_double *d)
{
	loop_watch_close(d->watch);
	(void)close(d->fd);
	for (struct peer *p = d->peers, *next; p != NULL; p = next) {
		next = p->next;
		drop(p, false);
		buf_free(&p->in);
		free(p);
	}
	free(d);
}

const char *double_header(const struct double_request *rq, const char *name)
{
	static char value[512];
	size_t n = strlen(name);
	for (const char *p = rq->head; (p = strstr(p, "\r\n")) != NULL;) {
		p += 2;
		if (strncasecmp(p, name, n) != 0 || p[n] != ':')
			continue;
		p += n + 1 + strspn(p + n + 1, " ");
		(void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(p, "\r\n"), p);
		return value;
	}
	return NULL;
}
