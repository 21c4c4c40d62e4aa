/* Life of the simulated GitHub, who asks, and the way of an answer. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd/sim/sim_app.h"
#include "cmd/sim/sim_moved.h"

#include <fcntl.h>
#include <unistd.h>

/* ---- answers ---- */

struct sim_pending *sim_pending_add(struct sim *s, struct http_exchange *x)
{
	struct sim_pending *p = xcalloc(1, sizeof(*p));
	p->s = s;
	p->x = x;
	p->next = s->pending;
	if (p->next != NULL)
		p->next->prev = p;
	s->pending = p;
	return p;
}

void sim_pending_end(struct sim_pending *p)
{
	if (p->prev != NULL)
		p->prev->next = p->next;
	else
		p->s->pending = p->next;
	if (p->next != NULL)
		p->next->prev = p->prev;
	loop_timer_close(p->timer);
	free(p->json);
	free(p->link);
	free(p);
}

/* What stands in the way of an answer: its kind, and the value for the header of that kind. */
static const char *link_header(const char *link, const char **ret_value)
{
	static const char *const kinds[][2] = {{SIM_RETRY_AFTER, "Retry-After"}, {SIM_LOCATION, "Location"}};
	*ret_value = link;
	for (size_t i = 0; link != NULL && i < ARRAY_LEN(kinds); i++)
		if (text_starts(link, kinds[i][0])) {
			*ret_value = link + strlen(kinds[i][0]);
			return kinds[i][1];
		}
	return "Link";
}

/* The tag of an answer to GET; true when the sender has it already. */
static bool is_known(const struct http_exchange *x, const char *json, size_t len, char etag[2 * SHA256_SIZE + 3])
{
	char hex[2 * SHA256_SIZE + 1];
	const char *has = http_request_header(x, "If-None-Match");
	crypto_sha256_hex(json, len, hex);
	(void)snprintf(etag, 2 * SHA256_SIZE + 3, "\"%s\"", hex);
	return has != NULL && strcmp(text_starts(has, "W/") ? has + 2 : has, etag) == 0;
}

static void send_json(struct sim *s, struct http_exchange *x, int status, const char *json, size_t len, const char *link, const char *request_id)
{
	char used[24], left[24], reset[24], etag[2 * SHA256_SIZE + 3] = "";
	bool tagged = status == 200 && strcmp(http_method(x), "GET") == 0;
	if (tagged && is_known(x, json, len, etag)) {
		status = 304;
		len = 0;
		s->unchanged++;
	}
	uint64_t n = (s->requests - s->unchanged) % SIM_RATE_LIMIT;
	(void)snprintf(used, sizeof(used), "%llu", (unsigned long long)n);
	(void)snprintf(left, sizeof(left), "%llu", (unsigned long long)(SIM_RATE_LIMIT - n));
	(void)snprintf(reset, sizeof(reset), "%lld", (long long)(clock_wall_ms() / 1000 + 3600));
	const char *value, *name = link_header(link, &value);
	const char *headers[10][2] = {
		{"X-GitHub-Request-Id", request_id},
		{"X-GitHub-Media-Type", "github.v3; format=json"},
		{"X-RateLimit-Limit", "5000"},
		{"X-RateLimit-Remaining", left},
		{"X-RateLimit-Used", used},
		{"X-RateLimit-Reset", reset},
		{"X-RateLimit-Resource", strcmp(http_path(x), "/graphql") == 0 ? "graphql" : "core"},
		{"Cache-Control", "private, max-age=0"},
	};
	size_t headers_n = 8;
	if (tagged) {
		headers[headers_n][0] = "ETag";
		headers[headers_n++][1] = etag;
	}
	if (link != NULL) {
		headers[headers_n][0] = name;
		headers[headers_n++][1] = value;
	}
	http_reply(x, status, len > 0 ? "application/json; charset=utf-8" : NULL, json, len, (const char *const(*)[2])headers, headers_n);
}

static void on_delay_over(void *arg)
{
	struct sim_pending *p = arg;
	send_json(p->s, p->x, p->status, p->json, p->len, p->link, p->request_id);
	sim_pending_end(p);
}

static void answer_later(struct sim_req *q, int status, const char *json, size_t len)
{
	struct sim_pending *p = sim_pending_add(q->s, q->x);
	p->status = status;
	p->json = xstrndup(json, len);
	p->len = len;
	p->link = TAKE(q->link);
	(void)snprintf(p->request_id, sizeof(p->request_id), "%s", q->request_id);
	p->timer = loop_timer_new(q->s->l, on_delay_over, p);
	loop_timer_start(p->timer, q->fault->number, 0);
}

/* The effect has happened; what a fault may still spoil is how the sender learns of it. */
void sim_answer(struct sim_req *q, int status, const char *json)
{
	size_t len = strlen(json);
	ASSERT(q->status == 0);
	q->status = status;
	enum sim_fault_kind kind = q->fault != NULL ? q->fault->kind : SIM_F_NONE;
	sim_record_rest(q->s, q, status, json, len);
	if (kind == SIM_F_LOST)
		http_drop(q->x);
	else if (kind == SIM_F_DELAY)
		answer_later(q, status, json, len);
	else
		send_json(q->s, q->x, status, json, kind == SIM_F_CUT ? len / 2 : len, q->link, q->request_id);
}

void sim_answer_buf(struct sim_req *q, int status, struct buf *json)
{
	ASSERT(!buf_failed(json));
	sim_answer(q, status, buf_str(json));
	buf_free(json);
}

void sim_fail(struct sim_req *q, int status, const char *message)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "message", message);
	jw_str(&w, "documentation_url", "https://docs.github.com/rest");
	char text[16];
	(void)snprintf(text, sizeof(text), "%d", status);
	jw_str(&w, "status", text);
	jw_close(&w);
	sim_answer_buf(q, status, &b);
}

void sim_invalid(struct sim_req *q, const char *resource, const char *field, const char *code, const char *message)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "message", "Validation Failed");
	jw_open_arr(&w, "errors");
	jw_open(&w, NULL);
	jw_str(&w, "resource", resource);
	jw_str(&w, "code", code);
	jw_str(&w, "field", field);
	if (message != NULL)
		jw_str(&w, "message", message);
	jw_close(&w);
	jw_close_arr(&w);
	jw_str(&w, "documentation_url", "https://docs.github.com/rest");
	jw_str(&w, "status", "422");
	jw_close(&w);
	sim_answer_buf(q, 422, &b);
}

void sim_fail_err(struct sim_req *q, const struct err *err)
{
	switch (err->code) {
	case ERR_USAGE:
	case ERR_PARSE:
	case ERR_LIMIT: sim_fail(q, 400, err->msg); break;
	case ERR_NOT_FOUND: sim_fail(q, 404, err->msg); break;
	case ERR_CONFLICT: sim_fail(q, 409, err->msg); break;
	case ERR_REFUSED: sim_fail(q, 422, err->msg); break;
	default: sim_fail(q, 500, err->msg); break;
	}
}

/* ---- who asks ---- */

struct sim_user *sim_user_of_token(struct sim *s, const char *token, size_t len)
{
	for (size_t i = 0; len > 0 && i < s->tokens_n; i++)
		if (strlen(s->tokens[i].token) == len && crypto_same(s->tokens[i].token, token, len))
			return s->tokens[i].user;
	const struct sim_key *k = sim_key_of(s, token, len);
	return k != NULL ? k->bot : NULL;
}

static int base64_value(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;
	return at != NULL ? (int)(at - digits) : -1;
}

enum { BASIC_MAX = 2048 };

/* "user:password" in base64; the password is the token. NULL: there is none. */
static const char *token_of_basic(const char *text, char plain[BASIC_MAX])
{
	size_t n = 0;
	unsigned bits = 0, have = 0;
	for (; *text != '\0' && *text != '='; text++) {
		int v = base64_value(*text);
		if (v < 0 || n + 1 >= BASIC_MAX)
			return NULL;
		bits = (bits << 6 | (unsigned)v) & 0xffffffu;
		have += 6;
		if (have >= 8) {
			have -= 8;
			plain[n++] = (char)(bits >> have & 0xffu);
		}
	}
	plain[n] = '\0';
	const char *colon = strchr(plain, ':');
	return colon != NULL ? colon + 1 : NULL;
}

struct sim_user *sim_viewer(struct sim *s, const struct http_exchange *x, struct sim_key **ret_key)
{
	const char *value = http_request_header(x, "Authorization"), *token = NULL;
	char plain[BASIC_MAX];
	*ret_key = NULL;
	if (value == NULL)
		return NULL;
	if (text_starts(value, "Bearer "))
		token = value + 7;
	else if (text_starts(value, "token "))
		token = value + 6;
	else if (text_starts(value, "Basic "))
		token = token_of_basic(value + 6, plain);
	if (token == NULL)
		return NULL;
	*ret_key = sim_key_of(s, token, strlen(token));
	return sim_user_of_token(s, token, strlen(token));
}

void sim_token_life(struct sim *s, int64_t ms) { s->apps->life_ms = ms; }

void sim_count_request(struct sim *s, const char *class_name)
{
	s->requests++;
	for (size_t i = 0; i < s->counts_n; i++)
		if (strcmp(s->counts[i].class_name, class_name) == 0) {
			s->counts[i].n++;
			return;
		}
	s->counts = xreallocarray(s->counts, s->counts_n + 1, sizeof(*s->counts));
	s->counts[s->counts_n++] = (struct sim_count){.class_name = class_name, .n = 1};
}

void sim_changed(struct sim *s)
{
	if (!s->closing)
		sim_waiters_wake(s, false);
}

/* ---- the door ---- */

static int on_head(const struct http_exchange *x, size_t *ret_max_body, void *arg)
{
	(void)x;
	(void)arg;
	*ret_max_body = SIM_BODY_MAX;
	return 0;
}

/* A page of somebody else's in a person's browser must not drive us: it would name another host, or another origin. */
static bool is_ours(const struct sim *s, const char *host)
{
	CLEANUP_FREE char *number = xasprintf("127.0.0.1:%d", sim_port(s)), *name = xasprintf("localhost:%d", sim_port(s));
	return strcmp(host, number) == 0 || strcmp(host, name) == 0;
}

static bool from_here(const struct sim *s, const struct http_exchange *x)
{
	const char *host = http_request_header(x, "Host"), *origin = http_request_header(x, "Origin");
	if (origin != NULL && (!text_starts(origin, "http://") || !is_ours(s, origin + strlen("http://"))))
		return false;
	return host == NULL || is_ours(s, host);
}

static void on_request(struct http_exchange *x, void *arg)
{
	struct sim *s = arg;
	const char *path = http_path(x);
	if (sim_manifest_open(path) && strcmp(http_method(x), "POST") == 0)
		sim_manifest(s, x); /* from the page of the server that is set up, as with GitHub */
	else if (!from_here(s, x))
		http_reply_text(x, 403, "This server answers only to itself: open it as http://127.0.0.1.");
	else if (sim_rest_is(path))
		sim_rest(s, x);
	else if (text_starts(path, "/_sim/"))
		sim_control(s, x);
	else if (sim_manifest_is(path))
		sim_manifest(s, x);
	else if (sim_smart_is(path))
		sim_smart(s, x);
	else
		sim_page(s, x);
}

/* ---- life ---- */

static void take_options(struct sim *s, const struct sim_options *o)
{
	s->dir = xstrdup(o->dir);
	s->enforce_write_limit = o->enforce_write_limit;
	s->random = o->seed * 2 + 1; /* never 0 */
	s->next_id = 4000000000; /* beyond 32 bits, as GitHub's are */
	s->record_fd = -1;
	s->apps = xcalloc(1, sizeof(*s->apps));
	s->apps->life_ms = 3600 * 1000;
	sim_set_webhook(s, o->webhook_url, o->webhook_secret);
	s->tokens = xcalloc(o->tokens_n + 1, sizeof(*s->tokens));
	for (size_t i = 0; i < o->tokens_n; i++) {
		s->tokens[i].token = xstrdup(o->tokens[i].token);
		s->tokens[i].user = sim_user(s, o->tokens[i].login);
	}
	s->tokens_n = o->tokens_n;
}

static int start(struct sim *s, const struct sim_options *o, struct err *err)
{
	s->git = fs_which("git");
	if (s->git == NULL)
		return err_set(err, ERR_UNAVAILABLE, "simulated GitHub: there is no git on PATH; install the package git");
	int rc = fs_mkdir_p(s->dir, 0700, err);
	if (rc == 0)
		rc = sim_set_faults(s, o->faults != NULL ? o->faults : "", err);
	if (rc == 0)
		rc = sim_record_open(s, o->record, err);
	for (size_t i = 0; rc == 0 && i < o->apps_n; i++)
		rc = sim_app_add(s, &o->apps[i], err);
	if (rc != 0)
		return rc;
	s->client = http_client_new(s->l);
	struct http_server_options h = {.host = "127.0.0.1", .port = o->port, .on_head = on_head, .on_request = on_request, .arg = s};
	s->server = http_server_start(s->l, &h, err);
	if (s->server == NULL)
		return err_wrap(err, "simulated GitHub");
	s->url = xasprintf("http://127.0.0.1:%d", http_server_port(s->server));
	return 0;
}

int sim_start(struct loop *l, const struct sim_options *o, struct sim **ret, struct err *err)
{
	struct sim *s = xcalloc(1, sizeof(*s));
	s->l = l;
	take_options(s, o);
	int rc = start(s, o, err);
	if (rc != 0) {
		sim_close(s);
		return rc;
	}
	*ret = s;
	return 0;
}

/* Everybody who waits is answered first, since the server's closing does not give us our exchanges back. */
void sim_close(struct sim *s)
{
	if (s == NULL)
		return;
	s->closing = true;
	sim_waiters_wake(s, true);
	while (s->pending != NULL) {
		struct sim_pending *p = s->pending;
		if (p->child != NULL)
			loop_process_close(p->child);
		http_reply_text(p->x, 503, "The simulated GitHub is closing.");
		sim_pending_end(p);
	}
	sim_hooks_close(s);
	if (s->client != NULL)
		http_client_close(s->client);
	if (s->server != NULL)
		http_server_close(s->server);
	if (s->record_fd >= 0)
		(void)close(s->record_fd); /* written line by line */
	sim_faults_free(s);
	sim_free_state(s);
	free(s);
}

int sim_port(const struct sim *s) { return http_server_port(s->server); }

const char *sim_url(const struct sim *s) { return s->url; }

void sim_set_webhook(struct sim *s, const char *url, const char *secret)
{
	free(s->webhook_url);
	free(s->webhook_secret);
	s->webhook_url = url != NULL && url[0] != '\0' ? xstrdup(url) : NULL;
	s->webhook_secret = xstrdup(secret != NULL ? secret : "");
}
