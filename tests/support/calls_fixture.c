#include "tests/support/calls_fixture.h"

#include "base/mem.h"
#include "tests/support/fds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* ---- the server's side ---- */

static int on_head(const struct http_exchange *x, size_t *ret_max_body, void *arg)
{
	(void)x;
	(void)arg;
	*ret_max_body = 8u << 20;
	return 0;
}

static void echo(struct http_exchange *x)
{
	size_t len;
	const char *body = http_body(x, &len), *auth = http_request_header(x, "authorization"), *type = http_request_header(x, "content-type");
	const char *agent = http_request_header(x, "user-agent"), *cookie = http_request_header(x, "cookie");
	char *text = xasprintf("%s %s auth=%s cookie=%s type=%s agent=%s n=%zu %.20s", http_method(x), http_path(x), auth != NULL ? auth : "-",
			       cookie != NULL ? cookie : "-", type != NULL ? type : "-", agent != NULL ? agent : "-", len, body);
	static const char *const headers[][2] = {{"X-Extra", "  two words "}};
	http_reply(x, 200, "text/plain", text, strlen(text), headers, 1);
	free(text);
}

/* /to/STATUS/NAME redirects: NAME is same, other (another port), loop, ftp, user or nowhere. */
static void redirect(struct calls_fixture *f, struct http_exchange *x)
{
	const char *rest = http_path(x) + strlen("/to/");
	int status = (rest[0] - '0') * 100 + (rest[1] - '0') * 10 + (rest[2] - '0');
	const char *name = rest + 4;
	char to[128] = "/landed";
	if (strcmp(name, "other") == 0)
		(void)snprintf(to, sizeof(to), "http://127.0.0.1:%d/landed", http_server_port(f->other));
	else if (strcmp(name, "loop") == 0)
		(void)snprintf(to, sizeof(to), "%s", http_path(x));
	else if (strcmp(name, "ftp") == 0)
		(void)snprintf(to, sizeof(to), "ftp://127.0.0.1/x");
	else if (strcmp(name, "user") == 0)
		(void)snprintf(to, sizeof(to), "http://a@127.0.0.1/x");
	const char *const headers[][2] = {{"Location", to}};
	http_reply(x, status, NULL, "moved", 5, headers, strcmp(name, "nowhere") == 0 ? 0 : 1);
}

static void on_request(struct http_exchange *x, void *arg)
{
	struct calls_fixture *f = arg;
	const char *path = http_path(x);
	f->requests++;
	if (strncmp(path, "/to/", 4) == 0) {
		redirect(f, x);
	} else if (strcmp(path, "/large") == 0) {
		char *many = xmalloc(100000);
		memset(many, 'y', 100000);
		http_reply(x, 200, "text/plain", many, 100000, NULL, 0);
		free(many);
	} else if (strcmp(path, "/hold") == 0) {
		f->held = x;
	} else if (strcmp(path, "/missing") == 0) {
		http_reply_text(x, 404, "not here");
	} else {
		echo(x);
	}
}

void calls_start(struct calls_fixture *f)
{
	*f = (struct calls_fixture){.fds_before = support_open_fds()};
	f->l = loop_new();
	struct http_server_options o = {.host = "127.0.0.1", .on_head = on_head, .on_request = on_request, .arg = f};
	f->s = http_server_start(f->l, &o, NULL);
	f->other = http_server_start(f->l, &o, NULL);
	assert_true(f->s != NULL && f->other != NULL);
	f->c = http_client_new(f->l);
}

void calls_stop(struct calls_fixture *f)
{
	http_client_close(f->c);
	http_server_close(f->s);
	http_server_close(f->other);
	loop_close(f->l);
	assert_int_equal(support_open_fds(), f->fds_before);
}

/* ---- the client's side ---- */

void calls_on_response(const struct http_response *res, void *arg)
{
	struct calls_result *r = arg;
	r->done = true;
	r->calls++;
	r->status = res->status;
	r->code = res->err.code;
	r->sent = res->sent;
	r->headers_n = res->headers_n;
	(void)snprintf(r->msg, sizeof(r->msg), "%s", res->err.msg);
	buf_reset(&r->body);
	buf_add(&r->body, res->body, res->body_len);
	const char *v = http_header(res, "location");
	(void)snprintf(r->location, sizeof(r->location), "%s", v != NULL ? v : "");
	v = http_header(res, "x-extra");
	(void)snprintf(r->extra, sizeof(r->extra), "%s", v != NULL ? v : "");
	assert_in_range(res->took_ms, 0, 10000);
}

struct http_request calls_request(struct calls_fixture *f, const char *method, const char *path)
{
	(void)snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d%s", http_server_port(f->s), path);
	return (struct http_request){.method = method, .url = f->url, .max_body = 1u << 20, .timeout_ms = 5000};
}

void calls_run(struct calls_fixture *f, const struct http_request *req, struct calls_result *r)
{
	r->done = false;
	(void)http_send(f->c, req, calls_on_response, r);
	assert_false(r->done); /* never inside the call */
	assert_true(loop_run_until(f->l, &r->done, 8000));
}

/* libuv's signal pipe and libcurl's tables are made once a process: before descriptors are counted. */
int calls_warm_up(void **state)
{
	(void)state;
	struct loop *l = loop_new();
	struct http_client *c = http_client_new(l);
	struct calls_result r = {0};
	struct http_request req = {.method = "GET", .url = "http://127.0.0.1:1/", .max_body = 1, .timeout_ms = 1000};
	(void)http_send(c, &req, calls_on_response, &r);
	bool ok = loop_run_until(l, &r.done, 3000);
	http_client_close(c);
	loop_close(l);
	buf_free(&r.body);
	return ok ? 0 : -1;
}
