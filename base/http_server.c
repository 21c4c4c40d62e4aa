/* One request, in the order of its calls on the loop's thread:
 *
 *   on_connection -> first on_access: on_head decides -> on_access per piece of body -> last on_access: on_request
 *     -> answered at once, or suspended until http_reply resumes it -> on_access queues the answer -> on_completed
 *
 * libmicrohttpd owns connections and calls back; we own time: every connection has one deadline at a time, and one sweep cuts those that
 * passed theirs. Its own time-out counts inactivity, which a sender of one byte a second never reaches. */
#include "base/http_server.h"

#include "base/clock.h"
#include "base/http_framing.h"
#include "base/http_listen.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#include <malloc.h>
#include <microhttpd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	POOL_BYTES = 32 * 1024,         /* per connection: headers, and the window a body is read through; above that mmap would be used */
	DRAIN_BYTES = 32 * 1024 * 1024, /* of a refused body that are read and dropped, so that the client sees the answer and not a reset */
	FIRST_BODY_BYTES = 64 * 1024,   /* reserved on a client's word; more only for bytes that arrived */
	IDLE_MS = 60000,                /* between requests */
	ANSWER_MS = 120000,             /* for a client to take its answer */
	SWEEP_MS = 500,
	BURST_CLIENTS = 128,            /* after so many at once their memory goes back to the kernel */
};

/* One client connection; lives between libmicrohttpd's two notifications. */
struct client {
	struct client *prev, *next;
	int fd;              /* libmicrohttpd's */
	int64_t deadline_ms; /* monotonic; INT64_MAX while we owe the answer */
	struct http_exchange *x;
};

struct http_server {
	struct loop *l;
	struct http_server_options o;
	struct MHD_Daemon *daemon;
	struct loop_watch *watch;
	struct loop_timer *sweep;
	struct client *clients;
	int port;
	bool accepting, run_posted, closing;
	size_t clients_n, clients_peak; /* peak: since memory was last given back */
	size_t waiting;        /* requests whose answer the handler owes */
	size_t inflight_bytes; /* of all bodies in memory */
};

/* Two owners: libmicrohttpd (connection != NULL) and the handler (owes). Freed when both are done. */
struct http_exchange {
	struct http_server *s;
	struct client *client;
	struct MHD_Connection *connection;
	struct MHD_Response *response;
	int status;
	int refused; /* status decided without the handler, told after the body was drained */
	bool asked, owes, suspended, replied;
	size_t max_body, dropped;
	struct buf body;
	char *path;
	const char *method; /* until completed; a constant afterwards */
};

/* ---- exchange ---- */

static void exchange_free_if_done(struct http_exchange *x)
{
	if (x->connection != NULL || x->owes)
		return;
	if (x->response != NULL)
		MHD_destroy_response(x->response);
	buf_free(&x->body);
	free(x->path);
	free(x);
}

/* The handler may read the body, even on another thread, until it has answered. */
static void drop_body(struct http_exchange *x)
{
	if (x->owes)
		return;
	if (x->s != NULL)
		x->s->inflight_bytes -= x->body.len;
	buf_free(&x->body);
}

const char *http_method(const struct http_exchange *x) { return x->method; }

const char *http_path(const struct http_exchange *x) { return x->path; }

const char *http_query(const struct http_exchange *x, const char *key)
{
	return x->connection != NULL ? MHD_lookup_connection_value(x->connection, MHD_GET_ARGUMENT_KIND, key) : NULL;
}

const char *http_request_header(const struct http_exchange *x, const char *name)
{
	return x->connection != NULL ? MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name) : NULL;
}

const char *http_body(const struct http_exchange *x, size_t *ret_len)
{
	*ret_len = x->body.len;
	return buf_str(&x->body);
}

/* ---- running libmicrohttpd ---- */

static void run_daemon(struct http_server *s);

static void run_posted(void *arg)
{
	struct http_server *s = arg;
	s->run_posted = false;
	if (s->closing)
		free(s); /* http_server_close left the last step to us */
	else
		run_daemon(s);
}

static void post_run(struct http_server *s)
{
	if (s->run_posted)
		return;
	s->run_posted = true;
	loop_post(s->l, run_posted, s);
}

/* A time-out of 0 means that work is left which epoll will not tell about again (it is edge-triggered). */
static void run_daemon(struct http_server *s)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
	if (MHD_run(s->daemon) != MHD_YES)
		log_warn("http.run", "error=failed");
	if (MHD_get_timeout(s->daemon, &timeout_ms) == MHD_YES && timeout_ms == 0)
		post_run(s);
}

static void on_ready(int events, void *arg)
{
	(void)events;
	run_daemon(arg);
}

static void on_sweep(void *arg)
{
	struct http_server *s = arg;
	int64_t now = clock_mono_ms();
	for (struct client *c = s->clients; c != NULL; c = c->next) {
		if (now < c->deadline_ms)
			continue;
		c->deadline_ms = INT64_MAX; /* once */
		(void)shutdown(c->fd, SHUT_RDWR); /* ENOTCONN: gone by itself */
	}
	if (s->clients != NULL)
		return;
	loop_timer_stop(s->sweep);
	if (s->clients_peak >= BURST_CLIENTS)
		(void)malloc_trim(0); /* tells whether anything was given back: either is fine */
	s->clients_peak = 0;
}

/* ---- answers ---- */

static struct MHD_Response *make_response(const char *type, const void *body, size_t len, const char *const (*headers)[2], size_t headers_n)
{
	void *bytes = NULL;
	memcpy(&bytes, &body, sizeof(bytes)); /* the library's parameter lacks const; with MUST_COPY it only reads */
	struct MHD_Response *r = MHD_create_response_from_buffer(len, len > 0 ? bytes : NULL, MHD_RESPMEM_MUST_COPY);
	ASSERT(r != NULL);
	bool ok = MHD_add_response_header(r, "X-Content-Type-Options", "nosniff") == MHD_YES;
	if (type != NULL)
		ok = MHD_add_response_header(r, "Content-Type", type) == MHD_YES && ok;
	for (size_t i = 0; i < headers_n; i++)
		ok = MHD_add_response_header(r, headers[i][0], headers[i][1]) == MHD_YES && ok;
	ASSERT(ok); /* no memory, or a line break in a value of ours */
	return r;
}

static void set_answer(struct http_exchange *x, int status, struct MHD_Response *r)
{
	x->replied = true;
	x->status = status;
	x->response = r;
	x->client->deadline_ms = clock_mono_ms() + ANSWER_MS;
	drop_body(x);
	if (x->suspended) {
		x->suspended = false;
		MHD_resume_connection(x->connection);
		post_run(x->s);
	}
}

void http_reply(struct http_exchange *x, int status, const char *content_type, const void *body, size_t len, const char *const (*headers)[2],
		size_t headers_n)
{
	ASSERT(x->owes);
	x->owes = false;
	if (x->s != NULL)
		x->s->waiting--;
	if (x->connection == NULL || x->replied) /* the client has gone, or the server is closing and said so */
		exchange_free_if_done(x);
	else
		set_answer(x, status, make_response(content_type, body, len, headers, headers_n));
}

void http_reply_text(struct http_exchange *x, int status, const char *text)
{
	CLEANUP_FREE char *line = xasprintf("%s\n", text);
	http_reply(x, status, "text/plain; charset=utf-8", line, strlen(line), NULL, 0);
}

/* The empty answer finds the socket shut, so that nothing of it goes out. */
void http_drop(struct http_exchange *x)
{
	if (x->connection != NULL)
		(void)shutdown(x->client->fd, SHUT_RDWR); /* ENOTCONN: gone by itself */
	http_reply(x, 500, NULL, NULL, 0, NULL, 0);
}

/* An answer of the server's own. */
static void set_refusal(struct http_exchange *x, int status)
{
	static const char *const more[][2] = {{"Retry-After", "1"}, {"Connection", "close"}};
	bool later = status == MHD_HTTP_SERVICE_UNAVAILABLE, over = status == MHD_HTTP_BAD_REQUEST;
	const char *why = MHD_get_reason_phrase_for((unsigned)status);
	CLEANUP_FREE char *line = xasprintf("%s\n", why != NULL ? why : "Refused");
	set_answer(x, status, make_response("text/plain; charset=utf-8", line, strlen(line), later ? more : more + 1, later || over ? 1 : 0));
}

static enum MHD_Result queue_answer(struct http_exchange *x)
{
	enum MHD_Result rc = MHD_queue_response(x->connection, (unsigned)x->status, x->response);
	MHD_destroy_response(x->response); /* the queue keeps its own reference */
	x->response = NULL;
	return rc;
}

/* ---- one request, step by step ---- */

static struct client *client_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	ASSERT(info != NULL && info->socket_context != NULL);
	return info->socket_context;
}

static int64_t declared_length(const struct http_exchange *x)
{
	int64_t n = 0;
	const char *value = http_request_header(x, "Content-Length");
	if (value == NULL || text_int(value, 0, INT64_MAX, &n, NULL) != 0)
		return 0; /* the library itself refuses what is not a number */
	return n;
}

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	http_framing_header(arg, name, value != NULL ? value : "");
	return MHD_YES;
}

static int decide_head(struct http_exchange *x, int64_t declared)
{
	struct http_server *s = x->s;
	struct http_framing framing = {0};
	(void)MHD_get_connection_values(x->connection, MHD_HEADER_KIND, on_header, &framing);
	if (!http_framing_is_clear(&framing))
		return MHD_HTTP_BAD_REQUEST;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	if (info != NULL && info->header_size > LIMIT_HEADER_BYTES)
		return MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;
	int status = s->o.on_head(x, &x->max_body, s->o.arg);
	if (status != 0)
		return status;
	if ((uint64_t)declared > x->max_body)
		return MHD_HTTP_CONTENT_TOO_LARGE;
	if ((uint64_t)declared > LIMIT_INTAKE_INFLIGHT_BYTES - s->inflight_bytes)
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	return 0;
}

static enum MHD_Result begin(struct http_server *s, struct MHD_Connection *connection, const char *url, const char *method, void **ret)
{
	struct http_exchange *x = xcalloc(1, sizeof(*x));
	x->s = s;
	x->connection = connection;
	x->client = client_of(connection);
	x->client->x = x;
	x->client->deadline_ms = clock_mono_ms() + LIMIT_INTAKE_BODY_MS;
	x->path = xstrdup(url);
	x->method = strcmp(method, "HEAD") == 0 ? "GET" : method; /* the library leaves the body out */
	*ret = x;
	int64_t declared = declared_length(x);
	x->refused = decide_head(x, declared);
	if (x->refused == 0) {
		if (declared > 0)
			buf_reserve(&x->body, declared < FIRST_BODY_BYTES ? (size_t)declared : FIRST_BODY_BYTES);
		return MHD_YES;
	}
	/* The body is on its way already; a client that asks first (Expect) or would send very much gets its answer now. */
	bool drain = x->refused != MHD_HTTP_BAD_REQUEST && declared <= DRAIN_BYTES && http_request_header(x, "Expect") == NULL;
	if (drain)
		return MHD_YES;
	set_refusal(x, x->refused);
	return queue_answer(x);
}

/* In the middle of a body the library takes no answer: what is too much is dropped, and who goes on for long is cut. */
static enum MHD_Result take_body(struct http_exchange *x, const char *bytes, size_t len)
{
	struct http_server *s = x->s;
	if (x->refused == 0 && len > x->max_body - x->body.len)
		x->refused = MHD_HTTP_CONTENT_TOO_LARGE;
	if (x->refused == 0 && len > LIMIT_INTAKE_INFLIGHT_BYTES - s->inflight_bytes)
		x->refused = MHD_HTTP_SERVICE_UNAVAILABLE;
	if (x->refused != 0) {
		drop_body(x);
		x->dropped += len;
		return x->dropped <= DRAIN_BYTES ? MHD_YES : MHD_NO; /* NO closes the connection */
	}
	buf_add(&x->body, bytes, len);
	s->inflight_bytes += len;
	return MHD_YES;
}

static void ask_handler(struct http_exchange *x)
{
	x->asked = true;
	if (x->s->closing && x->refused == 0)
		x->refused = MHD_HTTP_SERVICE_UNAVAILABLE;
	if (x->refused != 0) {
		set_refusal(x, x->refused);
		return;
	}
	x->client->deadline_ms = INT64_MAX;
	x->owes = true;
	x->s->waiting++;
	x->s->o.on_request(x, x->s->o.arg);
}

static enum MHD_Result on_access(void *arg, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
				 const char *bytes, size_t *len, void **state)
{
	struct http_exchange *x = *state;
	(void)version;
	if (x == NULL)
		return begin(arg, connection, url, method, state);
	if (*len > 0) {
		size_t n = *len;
		*len = 0;
		return take_body(x, bytes, n);
	}
	if (!x->asked)
		ask_handler(x);
	if (x->replied)
		return x->response != NULL ? queue_answer(x) : MHD_YES;
	x->suspended = true;
	MHD_suspend_connection(connection);
	return MHD_YES;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode how)
{
	struct http_exchange *x = *state;
	(void)arg;
	(void)connection;
	(void)how; /* whether the client took it all or went away, we are done */
	if (x == NULL)
		return;
	*state = NULL;
	x->client->x = NULL;
	x->client->deadline_ms = clock_mono_ms() + IDLE_MS;
	x->client = NULL;
	x->connection = NULL;
	x->method = "GET";
	drop_body(x);
	if (x->owes) { /* only when the server closes: it may be gone before the handler answers */
		x->s->waiting--;
		x->s->inflight_bytes -= x->body.len;
		x->s = NULL;
	}
	exchange_free_if_done(x);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code)
{
	struct http_server *s = arg;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		struct client *c = xcalloc(1, sizeof(*c));
		c->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
		c->deadline_ms = clock_mono_ms() + LIMIT_INTAKE_HEADER_MS;
		c->next = s->clients;
		if (c->next != NULL)
			c->next->prev = c;
		s->clients = c;
		*context = c;
		if (++s->clients_n > s->clients_peak)
			s->clients_peak = s->clients_n;
		if (!loop_timer_active(s->sweep))
			loop_timer_start(s->sweep, SWEEP_MS, SWEEP_MS);
		return;
	}
	struct client *c = *context;
	s->clients_n--;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		s->clients = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	free(c);
}

/* ---- start and end ---- */

static PRINTF_LIKE(2, 0) void on_library_log(void *arg, const char *fmt, va_list ap)
{
	char text[256];
	(void)arg;
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	log_debug("http.library", "text=%s", log_value(text));
}

static int start_daemon(struct http_server *s, int fd, struct err *err)
{
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO | MHD_USE_ERROR_LOG;
	/* The logger comes first: it is used for what is wrong with the options behind it. */
	s->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_access, s, MHD_OPTION_EXTERNAL_LOGGER, on_library_log, NULL, MHD_OPTION_LISTEN_SOCKET,
				     fd, MHD_OPTION_CONNECTION_LIMIT, http_connection_limit(), MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,
				     MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION,
				     on_connection, s, MHD_OPTION_END);
	if (s->daemon == NULL)
		return err_set(err, ERR_INTERNAL, "start the HTTP server: libmicrohttpd refused its options");
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	ASSERT(info != NULL && info->epoll_fd >= 0);
	s->watch = loop_watch_new(s->l, info->epoll_fd, on_ready, s);
	loop_watch_set(s->watch, LOOP_READ);
	return 0;
}

struct http_server *http_server_start(struct loop *l, const struct http_server_options *o, struct err *err)
{
	struct http_server *s = xcalloc(1, sizeof(*s));
	s->l = l;
	s->o = *o;
	s->o.host = NULL; /* not ours to keep */
	int fd = http_listen(o->host, o->port, &s->port, err);
	if (fd < 0 || start_daemon(s, fd, err) != 0) {
		if (fd >= 0)
			(void)close(fd);
		free(s);
		return NULL;
	}
	s->sweep = loop_timer_new(l, on_sweep, s);
	s->accepting = true;
	return s;
}

int http_server_port(const struct http_server *s) { return s->port; }

size_t http_server_inflight(const struct http_server *s) { return s->waiting; }

void http_server_stop_accepting(struct http_server *s)
{
	if (!s->accepting)
		return;
	s->accepting = false;
	MHD_socket fd = MHD_quiesce_daemon(s->daemon);
	if (fd != MHD_INVALID_SOCKET)
		(void)close(fd);
}

/* Requests whose answer is still owed are told 503; their handlers' later http_reply only frees the exchange. */
void http_server_close(struct http_server *s)
{
	if (s == NULL)
		return;
	http_server_stop_accepting(s);
	s->closing = true;
	for (struct client *c = s->clients; c != NULL; c = c->next)
		if (c->x != NULL && c->x->suspended)
			set_refusal(c->x, MHD_HTTP_SERVICE_UNAVAILABLE);
	(void)MHD_run(s->daemon); /* sends those answers; whoever cannot take them now is closed below */
	loop_watch_close(s->watch);
	loop_timer_close(s->sweep);
	MHD_stop_daemon(s->daemon);
	if (!s->run_posted)
		free(s);
}
