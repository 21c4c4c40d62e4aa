/* The HTTP client against our own HTTP server: methods, limits, redirects, deadlines, cancelling. */
#include "base/http_client.h"

#include "base/mem.h"
#include "tests/support/calls_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_methods(void **state)
{
	(void)state;
	static const struct {
		const char *method, *body, *expect;
	} cases[] = {
		{"GET", NULL, "GET /echo auth=token x cookie=- type=- agent=sluice n=0 "},
		{"POST", "hello", "POST /echo auth=token x cookie=- type=- agent=sluice n=5 hello"},
		{"POST", NULL, "POST /echo auth=token x cookie=- type=- agent=sluice n=0 "},
		{"PUT", "hello", "PUT /echo auth=token x cookie=- type=- agent=sluice n=5 hello"},
		{"PUT", NULL, "PUT /echo auth=token x cookie=- type=- agent=sluice n=0 "},
		{"PATCH", "p", "PATCH /echo auth=token x cookie=- type=- agent=sluice n=1 p"},
		{"DELETE", NULL, "DELETE /echo auth=token x cookie=- type=- agent=sluice n=0 "},
		{"DELETE", "d", "DELETE /echo auth=token x cookie=- type=- agent=sluice n=1 d"},
	};
	static const struct http_header headers[] = {{"Authorization", "token x"}, {"X-Empty", ""}};
	struct calls_fixture f;
	struct calls_result r = {0};
	calls_start(&f);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_request req = calls_request(&f, cases[i].method, "/echo");
		req.headers = headers;
		req.headers_n = ARRAY_LEN(headers);
		req.body = cases[i].body;
		req.body_len = cases[i].body != NULL ? strlen(cases[i].body) : 0;
		calls_run(&f, &req, &r);
		assert_int_equal(r.status, 200);
		assert_int_equal(r.code, 0);
		assert_true(r.sent);
		assert_string_equal(buf_str(&r.body), cases[i].expect);
		assert_string_equal(r.extra, "two words");
	}
	assert_int_equal(r.calls, ARRAY_LEN(cases));
	buf_free(&r.body);
	calls_stop(&f);
}

static void test_head_and_own_content_type(void **state)
{
	(void)state;
	static const struct http_header headers[] = {{"Content-Type", "application/json"}, {"User-Agent", "me"}};
	struct calls_fixture f;
	struct calls_result r = {0};
	calls_start(&f);
	struct http_request req = calls_request(&f, "HEAD", "/echo");
	calls_run(&f, &req, &r);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.body.len, 0);
	req = calls_request(&f, "POST", "/echo");
	req.headers = headers;
	req.headers_n = 2;
	req.body = "{}";
	req.body_len = 2;
	calls_run(&f, &req, &r);
	assert_string_equal(buf_str(&r.body), "POST /echo auth=- cookie=- type=application/json agent=me n=2 {}");
	buf_free(&r.body);
	calls_stop(&f);
}

static void test_statuses_are_answers(void **state)
{
	(void)state;
	struct calls_fixture f;
	struct calls_result r = {0};
	calls_start(&f);
	struct http_request req = calls_request(&f, "GET", "/missing");
	calls_run(&f, &req, &r);
	assert_int_equal(r.status, 404);
	assert_int_equal(r.code, 0);
	assert_string_equal(buf_str(&r.body), "not here\n");
	buf_free(&r.body);
	calls_stop(&f);
}

static void test_large_request_body(void **state)
{
	(void)state;
	struct calls_fixture f;
	struct calls_result r = {0};
	calls_start(&f);
	char *many = xmalloc(3000000);
	memset(many, 'z', 3000000);
	struct http_request req = calls_request(&f, "POST", "/echo");
	req.body = many;
	req.body_len = 3000000;
	calls_run(&f, &req, &r);
	assert_non_null(strstr(buf_str(&r.body), "n=3000000 zzzz"));
	free(many);
	buf_free(&r.body);
	calls_stop(&f);
}

static void test_answer_over_the_limit(void **state)
{
	(void)state;
	struct calls_fixture f;
	struct calls_result r = {0};
	calls_start(&f);
	struct http_request req = calls_request(&f, "GET", "/large?token=hidden");
	req.max_body = 99999;
	calls_run(&f, &req, &r);
	assert_int_equal(r.status, 0);
	assert_int_equal(r.code, ERR_LIMIT);
	assert_non_null(strstr(r.msg, "GET http://127.0.0.1:"));
	assert_non_null(strstr(r.msg, "/large: the answer is larger than allowed"));
	assert_null(strstr(r.msg, "hidden"));
	req.max_body = 100000;
	calls_run(&f, &req, &r);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.body.len, 100000);
	buf_free(&r.body);
	calls_stop(&f);
}

static void test_redirects(void **state)
{
	(void)state;
	static const struct {
		const char *method, *path, *expect; /* part of the body or of the sentence */
		int status, code;
	} cases[] = {
		{"GET", "/to/301/same", "GET /landed auth=token x cookie=c type=- agent=sluice n=0", 200, 0},
		{"GET", "/to/302/other", "GET /landed auth=- cookie=- type=- agent=sluice n=0", 200, 0},
		{"POST", "/to/307/same", "POST /landed auth=token x cookie=c type=- agent=sluice n=4 body", 200, 0},
		{"PATCH", "/to/301/same", "PATCH /landed auth=token x cookie=c type=- agent=sluice n=4 body", 200, 0},
		{"POST", "/to/303/same", "GET /landed auth=token x cookie=c type=- agent=sluice n=0", 200, 0},
		{"POST", "/to/303/other", "GET /landed auth=- cookie=- type=- agent=sluice n=0", 200, 0},
		{"POST", "/to/308/other", "redirected to another host, where a POST is not sent", 0, ERR_REFUSED},
		{"GET", "/to/302/loop", "redirected more than 5 times", 0, ERR_LIMIT},
		{"GET", "/to/302/ftp", "not a usable URL", 0, ERR_REFUSED},
		{"GET", "/to/302/user", "not a usable URL", 0, ERR_REFUSED},
		{"GET", "/to/302/nowhere", "moved", 302, 0},
		{"GET", "/to/304/same", "", 304, 0},
	};
	static const struct http_header headers[] = {{"Authorization", "token x"}, {"Cookie", "c"}};
	struct calls_fixture f;
	struct calls_result r = {0};
	calls_start(&f);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_request req = calls_request(&f, cases[i].method, cases[i].path);
		req.headers = headers;
		req.headers_n = ARRAY_LEN(headers);
		if (strcmp(cases[i].method, "GET") != 0) {
			req.body = "body";
			req.body_len = 4;
		}
		calls_run(&f, &req, &r);
		assert_int_equal(r.status, cases[i].status);
		assert_int_equal(r.code, cases[i].code);
		if (strstr(r.status != 0 ? buf_str(&r.body) : r.msg, cases[i].expect) == NULL)
			fail_msg("%s %s gave %s %s", cases[i].method, cases[i].path, buf_str(&r.body), r.msg);
	}
	buf_free(&r.body);
	calls_stop(&f);
}

static void test_timeout(void **state)
{
	(void)state;
	struct calls_fixture f;
	struct calls_result r = {0};
	calls_start(&f);
	struct http_request req = calls_request(&f, "POST", "/hold");
	req.timeout_ms = 100;
	calls_run(&f, &req, &r);
	assert_int_equal(r.code, ERR_TIMEOUT);
	assert_true(r.sent);
	http_reply_text(f.held, 200, "late");
	buf_free(&r.body);
	calls_stop(&f);
}

static void test_nobody_listens(void **state)
{
	(void)state;
	struct calls_fixture f;
	struct calls_result r = {0};
	calls_start(&f);
	struct http_request req = calls_request(&f, "POST", "/x");
	req.url = "http://127.0.0.1:1/x";
	calls_run(&f, &req, &r);
	assert_int_equal(r.status, 0);
	assert_int_equal(r.code, ERR_UNAVAILABLE);
	assert_false(r.sent);
	buf_free(&r.body);
	calls_stop(&f);
}

static void test_unusable_requests(void **state)
{
	(void)state;
	static const char *const urls[] = {"ftp://127.0.0.1/", "nonsense", "http://user@127.0.0.1/", "http://a b/", "http://127.0.0.1:99999/", "http:///x"};
	static const struct http_header broken[] = {{"X-A", "one\r\nX-B: two"}};
	struct calls_fixture f;
	struct calls_result r = {0};
	calls_start(&f);
	struct http_request req = calls_request(&f, "GET", "/");
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		req.url = urls[i];
		calls_run(&f, &req, &r);
		assert_int_equal(r.code, ERR_USAGE);
		assert_false(r.sent);
	}
	req = calls_request(&f, "GET", "/");
	req.headers = broken;
	req.headers_n = 1;
	calls_run(&f, &req, &r);
	assert_int_equal(r.code, ERR_USAGE);
	assert_non_null(strstr(r.msg, "line break"));
	struct http_call *k = http_send(f.c, &req, calls_on_response, &r); /* cancelled before it could be told */
	http_cancel(k);
	assert_int_equal(f.requests, 0);
	assert_int_equal(r.calls, ARRAY_LEN(urls) + 1);
	calls_stop(&f);
	assert_int_equal(r.calls, ARRAY_LEN(urls) + 1);
	buf_free(&r.body);
}

static void test_cancel_and_close_are_silent(void **state)
{
	(void)state;
	struct calls_fixture f;
	struct calls_result r = {0}, other = {0};
	calls_start(&f);
	struct http_request req = calls_request(&f, "GET", "/hold");
	struct http_call *k = http_send(f.c, &req, calls_on_response, &r);
	for (int i = 0; i < 100 && f.held == NULL; i++)
		(void)loop_run_until(f.l, &r.done, 10);
	assert_non_null(f.held);
	http_cancel(k);
	http_cancel(NULL);
	http_reply_text(f.held, 200, "nobody hears this");
	req = calls_request(&f, "GET", "/echo");
	calls_run(&f, &req, &other); /* the client still works */
	assert_int_equal(other.status, 200);
	for (int i = 0; i < 5; i++)
		(void)http_send(f.c, &req, calls_on_response, &r);
	calls_stop(&f); /* with calls on their way */
	assert_int_equal(r.calls, 0);
	buf_free(&other.body);
}

struct chain {
	struct calls_fixture *f;
	struct http_call *self;
	int left;
	bool done;
};

static void on_chain(const struct http_response *res, void *arg)
{
	struct chain *c = arg;
	assert_int_equal(res->status, 200);
	http_cancel(c->self); /* in its own callback: nothing happens */
	if (--c->left > 0) {
		struct http_request req = calls_request(c->f, "GET", "/echo");
		c->self = http_send(c->f->c, &req, on_chain, c);
		return;
	}
	http_client_close(c->f->c);
	c->done = true;
}

static void test_send_cancel_and_close_from_the_callback(void **state)
{
	(void)state;
	struct calls_fixture f;
	calls_start(&f);
	struct chain c = {.f = &f, .left = 20};
	struct http_request req = calls_request(&f, "GET", "/echo");
	c.self = http_send(f.c, &req, on_chain, &c);
	assert_true(loop_run_until(f.l, &c.done, 5000));
	f.c = NULL;
	calls_stop(&f);
}

static void count_answer(const struct http_response *res, void *arg)
{
	struct chain *c = arg;
	assert_int_equal(res->status, 200);
	c->done = --c->left == 0;
}

static void test_many_at_once(void **state)
{
	(void)state;
	struct calls_fixture f;
	calls_start(&f);
	struct chain c = {.left = 200};
	struct http_request req = calls_request(&f, "GET", "/echo");
	for (int i = 0; i < 200; i++)
		(void)http_send(f.c, &req, count_answer, &c);
	assert_true(loop_run_until(f.l, &c.done, 8000));
	assert_int_equal(f.requests, 200);
	calls_stop(&f);
}

static void test_client_without_requests(void **state)
{
	(void)state;
	struct calls_fixture f;
	calls_start(&f);
	calls_stop(&f);
	http_client_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_head_and_own_content_type),
		cmocka_unit_test(test_statuses_are_answers),
		cmocka_unit_test(test_large_request_body),
		cmocka_unit_test(test_answer_over_the_limit),
		cmocka_unit_test(test_redirects),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_unusable_requests),
		cmocka_unit_test(test_cancel_and_close_are_silent),
		cmocka_unit_test(test_send_cancel_and_close_from_the_callback),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_client_without_requests),
	};
	return cmocka_run_group_tests_name("http_client", tests, calls_warm_up, NULL);
}
