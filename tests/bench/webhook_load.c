/* Load generator for the intake: sends signed webhooks with unique delivery ids and prints one line of JSON.
 *
 *   webhook_load --port N --secret-file FILE --template FILE [--requests N] [--connections N] [--bytes N] [--event NAME] [--path PATH] [--burst]
 *
 * Sustained (default): so many kept connections, each sending its next request when its last was answered. --burst: a fresh connection
 * for every request, at most --connections at once. The body is the template padded with a member "padding" and the same every time, so
 * that its signature is made once and the generator stays much cheaper than what it measures; the server checks each one in full.
 * Latency is from the start of sending (burst: of connecting) to the last byte of the answer. Statuses 200 and 202 count as ok. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ANSWER_MAX = 4096, EVENTS = 256, STALL_MS = 30000 };

struct options {
	int64_t port, requests, connections, bytes;
	const char *secret_file, *template_file, *event, *path;
	bool burst;
};

struct peer {
	int fd; /* -1: not connected */
	int64_t started_ns;
	size_t sent, got;
	bool busy;
	char guid[40];
	struct buf head;
	char answer[ANSWER_MAX + 1];
};

struct load {
	struct options o;
	struct buf body;
	char signature[80];
	char run[9]; /* makes delivery ids unique across runs */
	int epoll;
	struct peer *peers;
	int64_t begun, finished, ok;
	double *took_ms;
};

static int usage(const char *why)
{
	(void)fprintf(stderr, "webhook_load: %s\n", why);
	return 2;
}

/* ---- one connection ---- */

static void hang_up(struct peer *p)
{
	if (p->fd >= 0)
		(void)close(p->fd);
	p->fd = -1;
}

static bool dial(struct load *w, struct peer *p)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)w->o.port)};
	int yes = 1;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->fd < 0)
		return false;
	(void)setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)); /* only makes it slower when it fails */
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP, .data.ptr = p};
	bool ok = connect(p->fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EINPROGRESS;
	return ok && epoll_ctl(w->epoll, EPOLL_CTL_ADD, p->fd, &e) == 0;
}

static void finish(struct load *w, struct peer *p, bool ok);

/* Sends as much as the socket takes; false when the connection is broken. */
static bool push(struct load *w, struct peer *p)
{
	size_t total = p->head.len + w->body.len;
	while (p->sent < total) {
		size_t in_head = p->sent < p->head.len ? p->sent : p->head.len, in_body = p->sent - in_head;
		struct iovec v[2] = {{p->head.data + in_head, p->head.len - in_head}, {w->body.data + in_body, w->body.len - in_body}};
		ssize_t n = writev(p->fd, v, 2);
		if (n < 0)
			return errno == EAGAIN || errno == EINPROGRESS || errno == ENOTCONN;
		p->sent += (size_t)n;
	}
	return true;
}

static void begin(struct load *w, struct peer *p)
{
	if (w->begun == w->o.requests)
		return;
	p->busy = true;
	p->sent = p->got = 0;
	p->started_ns = clock_mono_ns();
	(void)snprintf(p->guid, sizeof(p->guid), "%s-%012lld", w->run, (long long)w->begun++);
	buf_reset(&p->head);
	buf_printf(&p->head,
		   "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: GitHub-Hookshot/load\r\nContent-Type: application/json\r\nX-GitHub-Event: %s\r\n"
		   "X-GitHub-Delivery: %s\r\nX-Hub-Signature-256: %s\r\nContent-Length: %zu\r\n%s\r\n",
		   w->o.path, w->o.event, p->guid, w->signature, w->body.len, w->o.burst ? "Connection: close\r\n" : "");
	if ((p->fd < 0 && !dial(w, p)) || !push(w, p))
		finish(w, p, false);
}

static void finish(struct load *w, struct peer *p, bool ok)
{
	w->took_ms[w->finished++] = (double)(clock_mono_ns() - p->started_ns) / 1e6;
	w->ok += ok;
	p->busy = false;
	if (!ok || w->o.burst)
		hang_up(p);
}

/* Bytes of a whole answer, or 0 while it is not whole. */
static size_t whole_answer(const struct peer *p)
{
	const char *end = strstr(p->answer, "\r\n\r\n"), *length = strcasestr(p->answer, "\r\nContent-Length:");
	if (end == NULL || length == NULL || length > end)
		return 0;
	size_t n = 0;
	for (length += strlen("\r\nContent-Length:"); *length == ' '; length++)
		continue;
	for (; *length >= '0' && *length <= '9' && n < ANSWER_MAX; length++)
		n = n * 10 + (size_t)(*length - '0');
	size_t total = (size_t)(end + 4 - p->answer) + n;
	return p->got >= total ? total : 0;
}

static void pull(struct load *w, struct peer *p)
{
	for (;;) {
		ssize_t n = recv(p->fd, p->answer + p->got, ANSWER_MAX - p->got, 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) { /* also an answer longer than ours can be */
			if (p->busy)
				finish(w, p, false);
			hang_up(p);
			return;
		}
		p->got += (size_t)n;
		p->answer[p->got] = '\0';
		if (p->busy && whole_answer(p) != 0) {
			finish(w, p, text_starts(p->answer, "HTTP/1.1 202 ") || text_starts(p->answer, "HTTP/1.1 200 "));
			return;
		}
	}
}

/* ---- the run ---- */

static void on_event(struct load *w, const struct epoll_event *e)
{
	struct peer *p = e->data.ptr;
	if (p->fd < 0)
		return;
	if (p->busy && (e->events & EPOLLOUT) != 0 && !push(w, p))
		finish(w, p, false);
	if (p->fd >= 0 && (e->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		pull(w, p);
	if (!p->busy)
		begin(w, p);
}

static bool run(struct load *w)
{
	for (int64_t i = 0; i < w->o.connections; i++) {
		w->peers[i].fd = -1;
		begin(w, &w->peers[i]);
	}
	while (w->finished < w->o.requests) {
		struct epoll_event events[EVENTS];
		int n = epoll_wait(w->epoll, events, EVENTS, STALL_MS);
		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		for (int i = 0; i < n; i++)
			on_event(w, &events[i]);
		/* a failed dial gives no event: look for idle ones */
		for (int64_t i = 0; i < w->o.connections && w->begun < w->o.requests; i++)
			if (!w->peers[i].busy)
				begin(w, &w->peers[i]);
	}
	return true;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static void report(struct load *w, double seconds)
{
	size_t n = (size_t)w->finished;
	qsort(w->took_ms, n, sizeof(*w->took_ms), compare);
	(void)printf("{\"requests\":%lld,\"ok\":%lld,\"seconds\":%.3f,\"rate\":%.0f,\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f}\n",
		     (long long)w->o.requests, (long long)w->ok, seconds, (double)n / seconds, n != 0 ? w->took_ms[n / 2] : 0,
		     n != 0 ? w->took_ms[n * 99 / 100] : 0, n != 0 ? w->took_ms[n - 1] : 0);
}

/* ---- start ---- */

static int make_body(struct load *w, struct err *err)
{
	int rc = fs_read(w->o.template_file, 64u << 20, &w->body, err);
	if (rc != 0)
		return rc;
	while (w->body.len > 0 && w->body.data[w->body.len - 1] != '}')
		buf_truncate(&w->body, w->body.len - 1);
	static const char open[] = ",\"padding\":\"", close[] = "\"}";
	size_t frame = sizeof(open) - 1 + sizeof(close) - 2; /* the closing brace is there already */
	size_t want = (size_t)w->o.bytes;
	if (w->body.len + frame >= want)
		return 0;
	size_t pad = want - w->body.len - frame;
	buf_truncate(&w->body, w->body.len - 1);
	buf_adds(&w->body, open);
	while (pad-- > 0)
		buf_addc(&w->body, 'x');
	buf_adds(&w->body, close);
	return 0;
}

static int make_signature(struct load *w, struct err *err)
{
	struct buf secret = {0};
	int rc = fs_read(w->o.secret_file, 65536, &secret, err);
	if (rc != 0)
		return rc;
	if (secret.len > 0 && secret.data[secret.len - 1] == '\n')
		buf_truncate(&secret, secret.len - 1);
	uint8_t mac[SHA256_SIZE];
	crypto_hmac_sha256(buf_str(&secret), secret.len, w->body.data, w->body.len, mac);
	struct buf hex = {0};
	text_hex(&hex, mac, sizeof(mac));
	(void)snprintf(w->signature, sizeof(w->signature), "sha256=%s", buf_str(&hex));
	buf_free(&hex);
	buf_free(&secret);
	crypto_random_hex(4, w->run);
	return 0;
}

static bool read_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"port", 1, NULL, 'p'}, {"secret-file", 1, NULL, 's'}, {"template", 1, NULL, 't'}, {"requests", 1, NULL, 'n'}, {"connections", 1, NULL, 'c'},
		{"bytes", 1, NULL, 'b'}, {"event", 1, NULL, 'e'}, {"path", 1, NULL, 'u'}, {"burst", 0, NULL, 'B'}, {0},
	};
	*o = (struct options){.requests = 10000, .connections = 64, .bytes = 13900, .event = "pull_request", .path = "/webhooks/github"};
	bool ok = true;
	for (int c; ok && (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		switch (c) {
		case 'p': ok = text_int(optarg, 1, 65535, &o->port, NULL) == 0; break;
		case 'n': ok = text_int(optarg, 1, 100000000, &o->requests, NULL) == 0; break;
		case 'c': ok = text_int(optarg, 1, 60000, &o->connections, NULL) == 0; break;
		case 'b': ok = text_int(optarg, 0, 64 << 20, &o->bytes, NULL) == 0; break;
		case 's': o->secret_file = optarg; break;
		case 't': o->template_file = optarg; break;
		case 'e': o->event = optarg; break;
		case 'u': o->path = optarg; break;
		case 'B': o->burst = true; break;
		default: ok = false;
		}
	}
	return ok && optind == argc && o->port != 0 && o->secret_file != NULL && o->template_file != NULL;
}

int main(int argc, char **argv)
{
	struct load w = {0};
	struct err err = {0};
	if (!read_options(argc, argv, &w.o))
		return usage("--port, --secret-file and --template are needed; see the head of its source");
	if (make_body(&w, &err) != 0 || make_signature(&w, &err) != 0)
		return usage(err.msg);
	(void)signal(SIGPIPE, SIG_IGN); /* cannot fail for this signal */
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r); /* fewer connections otherwise, and they are counted as failed */
	}
	w.epoll = epoll_create1(EPOLL_CLOEXEC);
	w.peers = xcalloc((size_t)w.o.connections, sizeof(*w.peers));
	w.took_ms = xcalloc((size_t)w.o.requests, sizeof(*w.took_ms));
	int64_t start = clock_mono_ns();
	bool done = run(&w);
	report(&w, (double)(clock_mono_ns() - start) / 1e9);
	for (int64_t i = 0; i < w.o.connections; i++) {
		hang_up(&w.peers[i]);
		buf_free(&w.peers[i].head);
	}
	free(w.peers);
	free(w.took_ms);
	buf_free(&w.body);
	(void)close(w.epoll);
	return done && w.ok == w.o.requests ? 0 : 1;
}
