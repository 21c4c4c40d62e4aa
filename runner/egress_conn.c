#include "base/clock.h"
#include "base/text.h"
#include "runner/egress_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/*   accept -> HEAD -> RESOLVE -> CONNECT -> HELLO -> RELAY -> over
 *              \________\_________\___________\-> SAY -> over          SAY: a last word, then until the other side has read it
 *
 * A state is entered by an enter_ function, which sets its deadline, and left by its own step or by that deadline. */

enum { SAID_MAX = 600, DRAIN_MAX = 64 * 1024 };

static const char established[] = "HTTP/1.1 200 Connection established\r\n\r\n";
/* TLS alert, fatal, access_denied: what the engine prints is then more than "connection closed". */
static const uint8_t alert[] = {21, 3, 1, 0, 2, 2, 49};

static void enter(struct egress_conn *c, enum egress_state state, int64_t ms)
{
	c->state = state;
	c->deadline_ms = clock_mono_ms() + ms;
}

static void over(struct egress_conn *c, enum egress_verdict v)
{
	c->verdict = v;
	c->state = CONN_OVER;
}

static void close_upstream(struct egress_conn *c) { mem_close_fd(&c->upstream); }

static const char *status_word(int status)
{
	switch (status) {
	case 400: return "Bad Request";
	case 403: return "Forbidden";
	case 405: return "Method Not Allowed";
	case 408: return "Request Timeout";
	case 431: return "Request Header Fields Too Large";
	case 502: return "Bad Gateway";
	case 503: return "Service Unavailable";
	case 504: return "Gateway Timeout";
	case 505: return "HTTP Version Not Supported";
	default: return "Refused";
	}
}

/* The sentence is the reason phrase as well: engines and providers written in Go print that, and nothing of the body. */
void egress_conn_refuse(struct egress_conn *c, int status, enum egress_verdict v, const char *fmt, ...)
{
	CLEANUP_BUF struct buf said = {0}, text = {0};
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&said, fmt, ap);
	va_end(ap);
	buf_truncate(&said, text_cut(buf_str(&said), said.len, SAID_MAX));
	buf_printf(&text, "HTTP/1.1 %d %s: %s\r\n%sContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
		   status, status_word(status), buf_str(&said), status == 405 ? "Allow: CONNECT\r\n" : "", said.len + 1, buf_str(&said));
	close_upstream(c);
	c->verdict = v;
	xstrset(&c->said, buf_str(&said));
	egress_flow_add(&c->down, text.data, text.len);
	enter(c, CONN_SAY, egress_tuning.say_ms);
}

/* After the 200 there is no HTTP any more. */
static void cut(struct egress_conn *c, enum egress_verdict v, const char *why)
{
	close_upstream(c);
	c->verdict = v;
	free(c->said);
	c->said = xasprintf("%s:%u: %s", c->match.host, c->match.port, why);
	if (v != VERDICT_NOT_TLS)
		egress_flow_add(&c->down, alert, sizeof(alert));
	enter(c, CONN_SAY, egress_tuning.say_ms);
}

/* ---- the way to the other side ---- */

static void enter_hello(struct egress_conn *c)
{
	egress_flow_add(&c->down, established, sizeof(established) - 1);
	enter(c, CONN_HELLO, egress_tuning.hello_ms);
}

/* The next address that lets a connection begin. All of them together have connect_ms, each the same share. */
static void connect_next(struct egress_conn *c)
{
	int yes = 1;
	close_upstream(c);
	for (; c->addresses_at < c->addresses_n; c->addresses_at++) {
		struct sockaddr_storage to;
		c->to = c->addresses[c->addresses_at];
		c->has_to = true;
		socklen_t len = address_to_socket(&c->to, &to);
		c->upstream = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
		if (c->upstream >= 0 && (connect(c->upstream, (const struct sockaddr *)&to, len) == 0 || errno == EINPROGRESS)) {
			(void)setsockopt(c->upstream, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)); /* only speed */
			enter(c, CONN_CONNECT, egress_tuning.connect_ms / (int64_t)c->addresses_n);
			return;
		}
		close_upstream(c);
	}
	egress_conn_refuse(c, 502, VERDICT_UNREACHABLE, "%s:%u cannot be connected to", c->match.host, c->match.port);
}

static void connect_failed(struct egress_conn *c)
{
	c->addresses_at++;
	connect_next(c);
}

/* Only addresses that may be connected to are kept; with none the first refusal is the answer. */
static void judge(struct egress_conn *c, const struct address *found, size_t n)
{
	CLEANUP_BUF struct buf why = {0};
	enum egress_verdict first = VERDICT_OK;
	for (size_t i = 0; i < n; i++) {
		struct address a = found[i];
		CLEANUP_BUF struct buf one = {0};
		if (a.port == 0)
			a.port = c->match.port;
		enum egress_verdict v = egress_judge(&c->match, &a, &c->server->deny, &one);
		if (v == VERDICT_OK) {
			c->addresses[c->addresses_n++] = a;
			continue;
		}
		if (first != VERDICT_OK)
			continue;
		first = v;
		buf_adds(&why, buf_str(&one));
		if (c->addresses_n == 0) {
			c->to = a;
			c->has_to = true;
		}
	}
	if (n == 0)
		egress_conn_refuse(c, 502, VERDICT_NO_ADDRESS, "%s has no address", c->match.host);
	else if (c->addresses_n == 0)
		egress_conn_refuse(c, 403, first, "%s", buf_str(&why));
	else
		connect_next(c);
}

static void enter_resolve(struct egress_conn *c)
{
	struct egress_server *s = c->server;
	if (s->bytes_left <= 0) {
		egress_conn_refuse(c, 403, VERDICT_BYTE_CEILING, "this job has moved %lld bytes, which is its ceiling",
				   (long long)s->bytes_max);
	} else if (!egress_rules_match(&s->rules, c->head.host, c->head.port, &c->match)) {
		egress_conn_refuse(c, 403, VERDICT_NOT_LISTED, "%s has no rule for %s:%u", s->key, c->head.host, c->head.port);
	} else if (c->match.to != NULL) {
		judge(c, c->match.to, 1);
	} else {
		c->lookup = egress_lookup_start(s->resolver, c->head.host);
		enter(c, CONN_RESOLVE, egress_tuning.resolve_ms);
	}
}

/* ---- steps ---- */

static void step_head(struct egress_conn *c)
{
	const char *why = NULL;
	ssize_t n = egress_flow_read(&c->up, c->client, FLOW_BYTES);
	if (n < 0) {
		over(c, VERDICT_LEFT);
		return;
	}
	int rc = egress_head_read(&c->head, (const char *)c->up.bytes, c->up.end, &why);
	if (rc < 0) {
		egress_conn_refuse(c, -rc, VERDICT_BAD_REQUEST, "%s", why);
	} else if (rc > 0) {
		c->up.start = (size_t)rc;
		enter_resolve(c);
	}
}

static void step_resolve(struct egress_conn *c)
{
	struct address found[EGRESS_ADDRESSES_MAX];
	size_t n;
	if (!egress_lookup_take(c->lookup, found, &n))
		return;
	c->lookup = NULL;
	judge(c, found, n);
}

static void step_connect(struct egress_conn *c)
{
	int e = 0;
	socklen_t len = sizeof(e);
	if (getsockopt(c->upstream, SOL_SOCKET, SO_ERROR, &e, &len) != 0 || e != 0)
		connect_failed(c);
	else
		enter_hello(c);
}

static void hello_is(struct egress_conn *c, enum egress_hello_is is)
{
	switch (is) {
	case HELLO_MORE: return;
	case HELLO_NOT_TLS: cut(c, VERDICT_NOT_TLS, "the job did not speak TLS"); return;
	case HELLO_TOO_LARGE:
		cut(c, VERDICT_NOT_TLS, "the ClientHello has more than " LIMIT_TEXT(LIMIT_EGRESS_HELLO_BYTES) " bytes");
		return;
	case HELLO_NO_NAME: cut(c, VERDICT_NO_SERVER_NAME, "the ClientHello does not say exactly one server name"); return;
	case HELLO_HIDDEN: cut(c, VERDICT_HIDDEN_SERVER_NAME, "the ClientHello hides its server name (ECH)"); return;
	case HELLO_OK: break;
	}
	if (strcmp(c->hello.name, c->match.host) != 0) {
		CLEANUP_FREE char *why = xasprintf("the ClientHello is for %s", c->hello.name);
		cut(c, VERDICT_OTHER_SERVER_NAME, why);
		return;
	}
	c->bytes_out = (int64_t)egress_flow_held(&c->up);
	c->server->bytes_left -= c->bytes_out;
	egress_hello_free(&c->hello);
	enter(c, CONN_RELAY, egress_tuning.idle_ms);
}

/* What came with the head is looked at first, without waiting for more. */
static void step_hello(struct egress_conn *c, bool readable)
{
	ssize_t n = readable ? egress_flow_read(&c->up, c->client, FLOW_BYTES) : 0;
	if (egress_flow_write(&c->down, c->client) != 0 || (n < 0 && egress_flow_held(&c->up) == 0)) {
		over(c, VERDICT_LEFT);
		return;
	}
	size_t fresh = egress_flow_held(&c->up) - c->hello_fed, used = 0;
	enum egress_hello_is is = egress_hello_read(&c->hello, c->up.bytes + c->up.start + c->hello_fed, fresh, &used);
	c->hello_fed += fresh;
	if (is == HELLO_MORE && n < 0)
		over(c, VERDICT_NOT_TLS);
	else
		hello_is(c, is);
}

/* One direction, one read: no connection holds up another. */
static bool move(struct egress_conn *c, struct egress_flow *f, int from, int to, bool readable, int64_t *count)
{
	struct egress_server *s = c->server;
	if (readable && !f->ended) {
		ssize_t n = egress_flow_read(f, from,
					     s->bytes_left > FLOW_BYTES ? FLOW_BYTES : (size_t)(s->bytes_left > 0 ? s->bytes_left : 0));
		if (n == FLOW_BROKEN)
			return false;
		if (n > 0) {
			*count += n;
			s->bytes_left -= n;
			c->deadline_ms = clock_mono_ms() + egress_tuning.idle_ms;
		}
	}
	size_t held = egress_flow_held(f);
	if (egress_flow_write(f, to) != 0)
		return false;
	if (egress_flow_held(f) < held)
		c->deadline_ms = clock_mono_ms() + egress_tuning.idle_ms;
	if (f->ended && !f->shut && egress_flow_held(f) == 0) {
		(void)shutdown(to, SHUT_WR); /* fails when it is gone already */
		f->shut = true;
	}
	return true;
}

static void step_relay(struct egress_conn *c, short client, short upstream)
{
	bool ok = move(c, &c->up, c->client, c->upstream, client != 0, &c->bytes_out) &&
		  move(c, &c->down, c->upstream, c->client, upstream != 0, &c->bytes_in);
	if (!ok || (c->up.shut && c->down.shut)) {
		over(c, VERDICT_OK);
	} else if (c->server->bytes_left <= 0) {
		over(c, VERDICT_BYTE_CEILING);
		c->said = xasprintf("%s:%u: this job has moved %lld bytes, which is its ceiling", c->match.host, c->match.port,
				    (long long)c->server->bytes_max);
	}
}

/* Closing with unread bytes would reset the connection, and the other side would never see the sentence. */
static void step_say(struct egress_conn *c, bool readable)
{
	if (egress_flow_write(&c->down, c->client) != 0) {
		c->state = CONN_OVER;
		return;
	}
	if (egress_flow_held(&c->down) == 0 && !c->down.shut) {
		(void)shutdown(c->client, SHUT_WR); /* fails when it is gone already */
		c->down.shut = true;
	}
	if (!readable)
		return;
	c->up.start = c->up.end = 0;
	ssize_t n = egress_flow_read(&c->up, c->client, FLOW_BYTES);
	c->drained += n > 0 ? (size_t)n : 0;
	if (n < 0 || c->drained > DRAIN_MAX)
		c->state = CONN_OVER;
}

static void deadline_passed(struct egress_conn *c)
{
	switch (c->state) {
	case CONN_HEAD: egress_conn_refuse(c, 408, VERDICT_SLOW, "the request did not come in time"); break;
	case CONN_RESOLVE: egress_conn_refuse(c, 504, VERDICT_NO_ADDRESS, "the address of %s was not found in time", c->match.host); break;
	case CONN_CONNECT: connect_failed(c); break;
	case CONN_HELLO: cut(c, VERDICT_SLOW, "the ClientHello did not come in time"); break;
	case CONN_RELAY: over(c, VERDICT_IDLE); break;
	case CONN_SAY: c->state = CONN_OVER; break;
	case CONN_OVER: break;
	}
}

/* ---- what the loop calls ---- */

void egress_conn_wants(const struct egress_conn *c, short *ret_client, short *ret_upstream)
{
	bool reads = c->state == CONN_HEAD || c->state == CONN_HELLO || c->state == CONN_SAY ||
		     (c->state == CONN_RELAY && !c->up.ended && egress_flow_space(&c->up) > 0);
	bool writes = egress_flow_held(&c->down) > 0;
	*ret_client = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
	*ret_upstream = 0;
	if (c->state == CONN_CONNECT)
		*ret_upstream = POLLOUT;
	else if (c->state == CONN_RELAY)
		*ret_upstream = (short)((!c->down.ended && egress_flow_space(&c->down) > 0 ? POLLIN : 0) |
					(egress_flow_held(&c->up) > 0 ? POLLOUT : 0));
}

void egress_conn_step(struct egress_conn *c, short client, short upstream)
{
	const short more = POLLIN | POLLHUP | POLLERR;
	if (clock_mono_ms() >= c->deadline_ms) {
		deadline_passed(c);
		return;
	}
	switch (c->state) {
	case CONN_HEAD:
		if (client != 0)
			step_head(c);
		break;
	case CONN_RESOLVE: step_resolve(c); break;
	case CONN_CONNECT:
		if (upstream != 0)
			step_connect(c);
		break;
	case CONN_HELLO: step_hello(c, (client & more) != 0); break;
	case CONN_RELAY:
		if ((client | upstream) != 0)
			step_relay(c, client & more, upstream & more);
		break;
	case CONN_SAY: step_say(c, (client & more) != 0); break;
	case CONN_OVER: break;
	}
}

struct egress_conn *egress_conn_new(struct egress_server *s, int fd)
{
	int yes = 1;
	struct egress_conn *c = xcalloc(1, sizeof(*c));
	c->server = s;
	c->client = fd;
	c->upstream = -1;
	c->began_ms = clock_mono_ms();
	c->began_wall_ms = clock_wall_ms();
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)); /* only speed */
	enter(c, CONN_HEAD, egress_tuning.head_ms);
	return c;
}

void egress_conn_close(struct egress_conn *c)
{
	const struct egress_entry e = {
		.began_wall_ms = c->began_wall_ms,
		.took_ms = clock_mono_ms() - c->began_ms,
		.host = c->head.port != 0 ? c->head.host : "",
		.port = c->head.port,
		.to = c->has_to ? &c->to : NULL,
		.verdict = c->verdict,
		.said = c->said,
		.bytes_out = c->bytes_out,
		.bytes_in = c->bytes_in,
	};
	egress_log_add(&c->server->log, &e);
	if (c->lookup != NULL)
		egress_lookup_drop(c->lookup);
	(void)close(c->client);
	close_upstream(c);
	egress_flow_free(&c->up);
	egress_flow_free(&c->down);
	egress_hello_free(&c->hello);
	free(c->said);
	free(c);
}
