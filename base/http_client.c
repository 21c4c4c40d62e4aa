/* One call, in order: http_send prepares it -> libcurl asks for sockets and a timer, which the loop watches -> its message says done
 * -> maybe one more hop (redirect) -> the callback -> freed.
 *
 * libcurl's callbacks only take notes: nothing of libcurl is called from inside them but curl_multi_assign, which is made for that. The
 * library itself is set up with the first request, since it costs memory and time that an idle daemon should not pay. */
#include "base/http_client.h"

#include "base/clock.h"
#include "base/http_parts.h"
#include "base/mem.h"
#include "base/text.h"

#include <curl/curl.h>

enum {
	HOPS_MAX = 5,
	CONNECT_MS = 10000,
	CONNECTIONS_MAX = 32,  /* open at once; more calls wait inside libcurl, their deadlines running */
	CONNECTIONS_IDLE = 8,  /* kept for reuse */
	CONNECTION_AGE_S = 50, /* idle longer: not reused, the other side is about to close it */
};

struct http_client {
	struct loop *l;
	CURLM *multi; /* NULL before the first request */
	struct loop_timer *timer;
	struct http_call *calls;
	bool closed;
	unsigned busy; /* frames of ours on the stack that still use this client */
};

struct sock {
	struct http_client *c;
	curl_socket_t fd;
	struct loop_watch *watch;
};

struct http_call {
	struct http_client *c;
	struct http_call *prev, *next;
	http_cb cb;
	void *arg;
	CURL *easy; /* NULL when preparing failed */
	struct curl_slist *headers;
	char *method, *url;
	char *body;
	size_t body_len;
	int64_t started_ms, deadline_ms;
	unsigned hops;
	bool sent, went_out /* in this hop */, answering, cancelled, too_large, repeated;
	char reason[CURL_ERROR_SIZE];
	/* the answer */
	struct err err;
	struct http_head head;
	struct buf in;
	struct http_header *list;
};

/* ---- a call's memory ---- */

static void free_headers(struct http_call *k)
{
	for (struct curl_slist *s = k->headers; s != NULL; s = s->next)
		explicit_bzero(s->data, strlen(s->data)); /* there may be a token among them */
	curl_slist_free_all(k->headers);
	k->headers = NULL;
}

static void call_free(struct http_call *k)
{
	if (k->easy != NULL) {
		(void)curl_multi_remove_handle(k->c->multi, k->easy); /* not added yet is fine too */
		curl_easy_cleanup(k->easy);
	}
	free_headers(k);
	if (k->body != NULL)
		explicit_bzero(k->body, k->body_len);
	free(k->body);
	free(k->method);
	free(k->url);
	free(k->list);
	buf_free(&k->head.bytes);
	buf_wipe(&k->in); /* some answers are tokens */
	free(k);
}

static void call_unlink(struct http_call *k)
{
	if (k->prev != NULL)
		k->prev->next = k->next;
	else
		k->c->calls = k->next;
	if (k->next != NULL)
		k->next->prev = k->prev;
}

/* "GET https://host/path: why" */
static int call_fail(struct http_call *k, int code, const char *why)
{
	return err_set(&k->err, code, "%s %.*s: %s", k->method, (int)http_url_shown(k->url), k->url, why);
}

/* ---- libcurl's callbacks: they take notes ---- */

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct http_call *k = arg;
	(void)size; /* always 1 */
	buf_add(&k->in, bytes, count);
	k->too_large = buf_failed(&k->in);
	return k->too_large ? 0 : count; /* less than given ends the transfer */
}

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
	struct http_call *k = arg;
	(void)size; /* always 1 */
	k->too_large = !http_head_line(&k->head, bytes, count);
	return k->too_large ? 0 : count;
}

/* Before each time the request goes out. libcurl would repeat a request whose reused connection died without an answer; for a POST nobody
 * knows whether the first one counted, nor for a PUT that is really an action (GitHub's merge), so the caller must decide. */
static int on_before_request(void *arg, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
	struct http_call *k = arg;
	(void)remote_ip, (void)local_ip, (void)remote_port, (void)local_port;
	if (k->went_out && (strcmp(k->method, "POST") == 0 || strcmp(k->method, "PUT") == 0)) {
		k->repeated = true;
		return CURL_PREREQFUNC_ABORT;
	}
	k->sent = k->went_out = true;
	return CURL_PREREQFUNC_OK;
}

static void act(struct http_client *c, curl_socket_t fd, int events);

static void on_socket_ready(int events, void *arg)
{
	const struct sock *s = arg;
	int flags = ((events & LOOP_READ) != 0 ? CURL_CSELECT_IN : 0) | ((events & LOOP_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
	act(s->c, s->fd, flags); /* may free s */
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct http_client *c = arg;
	struct sock *s = socket_arg;
	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s != NULL)
			loop_watch_close(s->watch);
		free(s);
		(void)curl_multi_assign(c->multi, fd, NULL); /* unknown already is fine */
		return 0;
	}
	if (s == NULL) {
		s = xcalloc(1, sizeof(*s));
		s->c = c;
		s->fd = fd;
		s->watch = loop_watch_new(c->l, fd, on_socket_ready, s);
		CURLMcode rc = curl_multi_assign(c->multi, fd, s);
		ASSERT(rc == CURLM_OK);
	}
	int read = what == CURL_POLL_IN || what == CURL_POLL_INOUT ? LOOP_READ : 0;
	int write = what == CURL_POLL_OUT || what == CURL_POLL_INOUT ? LOOP_WRITE : 0;
	loop_watch_set(s->watch, read | write);
	return 0;
}

static int on_timer_wish(CURLM *multi, long timeout_ms, void *arg)
{
	struct http_client *c = arg;
	(void)multi;
	if (timeout_ms < 0)
		loop_timer_stop(c->timer);
	else
		loop_timer_start(c->timer, timeout_ms, 0);
	return 0;
}

/* ---- preparing ---- */

#define SET(k, option, value) ASSERT(curl_easy_setopt((k)->easy, option, value) == CURLE_OK)

static void add_line(struct http_call *k, const char *line)
{
	struct curl_slist *more = curl_slist_append(k->headers, line);
	ASSERT(more != NULL);
	k->headers = more;
}

static int take_headers(struct http_call *k, const struct http_request *req)
{
	bool has_type = false;
	for (size_t i = 0; i < req->headers_n; i++) {
		const struct http_header *h = &req->headers[i];
		if (!http_header_is_clean(h))
			return call_fail(k, ERR_USAGE, "a request header contains a line break");
		has_type = has_type || text_same_case(h->name, "content-type");
		/* "Name;" is libcurl's form of an empty value */
		char *line = h->value[0] != '\0' ? xasprintf("%s: %s", h->name, h->value) : xasprintf("%s;", h->name);
		add_line(k, line);
		explicit_bzero(line, strlen(line));
		free(line);
	}
	add_line(k, "Expect:"); /* no round trip before a large body */
	if (!has_type)
		add_line(k, "Content-Type:"); /* libcurl would call it a form */
	return 0;
}

/* At a change of origin nothing that proves who we are goes along. */
static void drop_credentials(struct http_call *k)
{
	struct curl_slist *old = k->headers;
	k->headers = NULL;
	for (const struct curl_slist *s = old; s != NULL; s = s->next)
		if (!http_header_is_credential(s->data))
			add_line(k, s->data);
	struct curl_slist *kept = k->headers;
	k->headers = old;
	free_headers(k);
	k->headers = kept;
}

static void set_method(struct http_call *k)
{
	bool is_get = strcmp(k->method, "GET") == 0, is_head = strcmp(k->method, "HEAD") == 0;
	SET(k, CURLOPT_HTTPGET, 1L);
	SET(k, CURLOPT_CUSTOMREQUEST, NULL);
	if (is_head)
		SET(k, CURLOPT_NOBODY, 1L);
	if (is_get || is_head)
		return;
	if (k->body_len > 0 || strcmp(k->method, "DELETE") != 0) {
		SET(k, CURLOPT_POST, 1L);
		SET(k, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)k->body_len);
		SET(k, CURLOPT_POSTFIELDS, k->body);
	}
	SET(k, CURLOPT_CUSTOMREQUEST, k->method);
}

static void set_hop(struct http_call *k, const struct http_origin *o)
{
	int64_t left = k->deadline_ms - clock_mono_ms();
	set_method(k);
	SET(k, CURLOPT_URL, k->url);
	SET(k, CURLOPT_HTTPHEADER, k->headers);
	SET(k, CURLOPT_TIMEOUT_MS, (long)(left > 0 ? left : 1));
	SET(k, CURLOPT_PROXY, http_origin_is_loopback(o) ? "" : NULL); /* NULL: https_proxy, http_proxy and no_proxy of the environment */
}

static void set_options(struct http_call *k)
{
	k->easy = curl_easy_init();
	ASSERT(k->easy != NULL);
	SET(k, CURLOPT_PRIVATE, k);
	SET(k, CURLOPT_ERRORBUFFER, k->reason);
	SET(k, CURLOPT_NOSIGNAL, 1L);
	SET(k, CURLOPT_QUICK_EXIT, 1L); /* a cancelled call must not wait for its name lookup */
	SET(k, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(k, CURLOPT_FOLLOWLOCATION, 0L);
	SET(k, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	SET(k, CURLOPT_PIPEWAIT, 1L); /* rather share an HTTP/2 connection than open another */
	SET(k, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	SET(k, CURLOPT_MAXAGE_CONN, (long)CONNECTION_AGE_S);
	SET(k, CURLOPT_TCP_NODELAY, 1L);
	SET(k, CURLOPT_SSL_VERIFYPEER, 1L);
	SET(k, CURLOPT_SSL_VERIFYHOST, 2L);
	SET(k, CURLOPT_USERAGENT, "sluice");
	SET(k, CURLOPT_ACCEPT_ENCODING, "gzip"); /* the cap counts what comes out of it */
	SET(k, CURLOPT_WRITEFUNCTION, on_body);
	SET(k, CURLOPT_WRITEDATA, k);
	SET(k, CURLOPT_HEADERFUNCTION, on_header);
	SET(k, CURLOPT_HEADERDATA, k);
	SET(k, CURLOPT_PREREQFUNCTION, on_before_request);
	SET(k, CURLOPT_PREREQDATA, k);
}

static int prepare(struct http_call *k, const struct http_request *req)
{
	struct http_origin o;
	struct err why = {0};
	int rc = http_origin_of(k->url, &o, &why);
	rc = rc != 0 ? call_fail(k, rc, why.msg) : take_headers(k, req);
	if (rc != 0)
		return rc;
	set_options(k);
	set_hop(k, &o);
	return 0;
}

/* ---- the end of a call ---- */

/* Tells the caller, who may send, cancel or close in there. The call is gone afterwards. */
static void answer(struct http_call *k, int status)
{
	struct http_client *c = k->c;
	k->answering = true;
	k->list = http_head_list(&k->head);
	struct http_response res = {
		.status = status,
		.err = k->err,
		.sent = k->sent,
		.body = status != 0 ? buf_str(&k->in) : "",
		.body_len = status != 0 ? k->in.len : 0,
		.headers = k->list,
		.headers_n = status != 0 ? k->head.n : 0,
		.took_ms = clock_mono_ms() - k->started_ms,
	};
	call_unlink(k);
	c->busy++;
	k->cb(&res, k->arg);
	call_free(k);
	c->busy--;
}

/* What is not named here is about a peer that is not there, breaks off or talks nonsense. */
static int code_of(CURLcode rc)
{
	if (rc == CURLE_OPERATION_TIMEDOUT)
		return ERR_TIMEOUT;
	return rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_CACERT_BADFILE ? ERR_REFUSED : ERR_UNAVAILABLE;
}

static void answer_failure(struct http_call *k, CURLcode rc)
{
	if (k->too_large)
		(void)call_fail(k, ERR_LIMIT, "the answer is larger than allowed");
	else if (k->repeated)
		(void)call_fail(k, ERR_UNAVAILABLE, "the connection closed before an answer; the request may have been carried out");
	else
		(void)call_fail(k, code_of(rc), k->reason[0] != '\0' ? k->reason : curl_easy_strerror(rc));
	answer(k, 0);
}

/* 1: another hop was prepared; 0: this is the answer; negative: refused, err is set. */
static int prepare_redirect(struct http_call *k, long status)
{
	char *to = NULL;
	if (!http_is_redirect(status) || curl_easy_getinfo(k->easy, CURLINFO_REDIRECT_URL, &to) != CURLE_OK || to == NULL)
		return 0;
	if (++k->hops > HOPS_MAX)
		return call_fail(k, ERR_LIMIT, "redirected more than 5 times");
	struct http_hop hop;
	struct err why = {0};
	int rc = http_redirect_decide(k->method, (int)status, k->url, to, &hop, &why);
	if (rc != 0)
		return call_fail(k, rc, why.msg);
	char *method = xstrdup(hop.method); /* it may be k->method itself */
	free(k->method);
	k->method = method;
	if (!hop.same_origin)
		drop_credentials(k);
	free(k->url);
	k->url = xstrdup(to);
	buf_reset(&k->in);
	k->went_out = false;
	set_hop(k, &hop.to);
	return 1;
}

static void finish(struct http_call *k, CURLcode rc)
{
	long status = 0;
	if (rc == CURLE_OK)
		rc = curl_easy_getinfo(k->easy, CURLINFO_RESPONSE_CODE, &status);
	CURLMcode removed = curl_multi_remove_handle(k->c->multi, k->easy);
	ASSERT(removed == CURLM_OK);
	if (rc != CURLE_OK) {
		answer_failure(k, rc);
		return;
	}
	int hop = prepare_redirect(k, status);
	if (hop > 0) {
		CURLMcode added = curl_multi_add_handle(k->c->multi, k->easy);
		ASSERT(added == CURLM_OK);
		return;
	}
	answer(k, hop == 0 ? (int)status : 0);
}

static void act(struct http_client *c, curl_socket_t fd, int events)
{
	int running;
	c->busy++;
	CURLMcode rc = curl_multi_socket_action(c->multi, fd, events, &running);
	ASSERT(rc == CURLM_OK);
	CURLMsg *m;
	int left;
	while (!c->closed && (m = curl_multi_info_read(c->multi, &left)) != NULL) {
		void *k = NULL;
		CURLcode result = m->data.result; /* the message dies with its handle's removal */
		if (m->msg == CURLMSG_DONE && curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &k) == CURLE_OK)
			finish(k, result);
	}
	c->busy--;
}

static void on_timer(void *arg) { act(arg, CURL_SOCKET_TIMEOUT, 0); }

/* ---- public ---- */

struct http_client *http_client_new(struct loop *l)
{
	struct http_client *c = xcalloc(1, sizeof(*c));
	c->l = l;
	return c;
}

static void start_library(struct http_client *c)
{
	static bool started;
	if (!started) {
		CURLcode rc = curl_global_init(CURL_GLOBAL_DEFAULT);
		ASSERT(rc == CURLE_OK);
		started = true;
	}
	c->timer = loop_timer_new(c->l, on_timer, c);
	c->multi = curl_multi_init();
	ASSERT(c->multi != NULL);
	bool ok = curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
		  curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c) == CURLM_OK &&
		  curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer_wish) == CURLM_OK &&
		  curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c) == CURLM_OK &&
		  curl_multi_setopt(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX) == CURLM_OK &&
		  curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_IDLE) == CURLM_OK;
	ASSERT(ok);
}

static void tell_unprepared(void *arg)
{
	struct http_call *k = arg;
	if (k->cancelled)
		call_free(k);
	else
		answer(k, 0);
}

struct http_call *http_send(struct http_client *c, const struct http_request *req, http_cb cb, void *arg)
{
	ASSERT(!c->closed && cb != NULL && req->timeout_ms > 0 && req->max_body > 0);
	if (c->multi == NULL)
		start_library(c);
	struct http_call *k = xcalloc(1, sizeof(*k));
	k->c = c;
	k->cb = cb;
	k->arg = arg;
	k->method = xstrdup(req->method);
	k->url = xstrdup(req->url);
	k->body = xstrndup(req->body != NULL ? req->body : "", req->body_len);
	k->body_len = req->body_len;
	k->in.max = req->max_body;
	http_head_init(&k->head);
	k->started_ms = clock_mono_ms();
	k->deadline_ms = k->started_ms + req->timeout_ms;
	k->next = c->calls;
	if (k->next != NULL)
		k->next->prev = k;
	c->calls = k;
	if (prepare(k, req) != 0) {
		loop_post(c->l, tell_unprepared, k);
		return k;
	}
	CURLMcode rc = curl_multi_add_handle(c->multi, k->easy);
	ASSERT(rc == CURLM_OK);
	return k;
}

void http_cancel(struct http_call *k)
{
	if (k == NULL || k->answering || k->cancelled)
		return;
	call_unlink(k);
	k->cancelled = true;
	if (k->easy != NULL)
		call_free(k);
	/* else it waits in the loop's queue, which frees it */
}

static void free_client(void *arg)
{
	struct http_client *c = arg;
	ASSERT(c->busy == 0); /* posted calls run with none of our frames below */
	if (c->multi != NULL)
		(void)curl_multi_cleanup(c->multi); /* closes idle connections, telling on_socket */
	loop_timer_close(c->timer);
	free(c);
}

void http_client_close(struct http_client *c)
{
	if (c == NULL || c->closed)
		return;
	c->closed = true;
	while (c->calls != NULL)
		http_cancel(c->calls);
	loop_post(c->l, free_client, c);
}
