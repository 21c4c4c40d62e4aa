/* The parts of the HTTP client that decide: origins, redirects, headers. */
#include "base/http_parts.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void test_origins(void **state)
{
	(void)state;
	static const struct {
		const char *url, *scheme, *host; /* scheme NULL: refused */
		int port;
	} cases[] = {
		{"https://api.github.com/repos?x=1", "https", "api.github.com", 443},
		{"HTTP://Api.GitHub.com", "http", "api.github.com", 80},
		{"http://127.0.0.1:8080/x@y", "http", "127.0.0.1", 8080},
		{"https://[::1]:8443/", "https", "[::1]", 8443},
		{"https://[fe80::1]#f", "https", "[fe80::1]", 443},
		{"https://a_b.example?q=http://c@d", "https", "a_b.example", 443},
		{"https://user@host/", NULL, NULL, 0},
		{"https://user:word@host/", NULL, NULL, 0},
		{"https://good.example\\@evil.example/", NULL, NULL, 0},
		{"https://host/with space", NULL, NULL, 0},
		{"https://host/\r\nX: y", NULL, NULL, 0},
		{"https://ho%73t/", NULL, NULL, 0},
		{"https://h\xc3\xb6st/", NULL, NULL, 0},
		{"https:///path", NULL, NULL, 0},
		{"https://:80/", NULL, NULL, 0},
		{"https://host:/", NULL, NULL, 0},
		{"https://host:0/", NULL, NULL, 0},
		{"https://host:65536/", NULL, NULL, 0},
		{"https://host:80x/", NULL, NULL, 0},
		{"https://host:123456789/", NULL, NULL, 0},
		{"https://[::1/", NULL, NULL, 0},
		{"https://[]/", NULL, NULL, 0},
		{"https://[::1]x/", NULL, NULL, 0},
		{"ftp://host/", NULL, NULL, 0},
		{"file:///etc/passwd", NULL, NULL, 0},
		{"//host/", NULL, NULL, 0},
		{"", NULL, NULL, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_origin o = {0};
		struct err err = {0};
		int rc = http_origin_of(cases[i].url, &o, &err);
		if (rc != (cases[i].scheme != NULL ? 0 : ERR_USAGE))
			fail_msg("%s gave %d %s", cases[i].url, rc, err.msg);
		if (rc != 0)
			continue;
		assert_string_equal(o.scheme, cases[i].scheme);
		assert_string_equal(o.host, cases[i].host);
		assert_int_equal(o.port, cases[i].port);
	}
}

static void test_long_hosts(void **state)
{
	(void)state;
	char url[600] = "https://";
	struct http_origin o;
	memset(url + 8, 'a', 253);
	assert_int_equal(http_origin_of(url, &o, NULL), 0);
	assert_int_equal(strlen(o.host), 253);
	memset(url + 8, 'a', 500);
	assert_int_equal(http_origin_of(url, &o, NULL), ERR_USAGE);
}

static void test_loopback(void **state)
{
	(void)state;
	static const struct {
		const char *url;
		bool is;
	} cases[] = {
		{"http://127.0.0.1/", true},    {"http://127.9.9.9:1/", true}, {"http://LOCALHOST/", true},           {"http://[::1]/", true},
		{"http://127.evil.com/", false}, {"http://1270.0.0.1/", false}, {"http://localhost.example/", false}, {"http://[::2]/", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_origin o;
		assert_int_equal(http_origin_of(cases[i].url, &o, NULL), 0);
		assert_int_equal(http_origin_is_loopback(&o), cases[i].is);
	}
}

static void test_shown(void **state)
{
	(void)state;
	assert_int_equal(http_url_shown("https://h/a?token=x"), 11);
	assert_int_equal(http_url_shown("https://h/a#f"), 11);
	assert_int_equal(http_url_shown("https://h"), 9);
	assert_int_equal(http_url_shown("https://user:word@h/"), 0);
}

static void test_redirects(void **state)
{
	(void)state;
	static const struct {
		const char *method;
		int status;
		const char *from, *to, *next; /* method of the next request; NULL: refused */
		bool same;
	} cases[] = {
		{"GET", 301, "https://a/x", "https://a/y", "GET", true},
		{"GET", 302, "https://a/x", "https://a:443/y", "GET", true},
		{"GET", 302, "https://a/x", "https://A/y", "GET", true},
		{"GET", 302, "https://a/x", "https://a:444/y", "GET", false},
		{"GET", 302, "https://a/x", "https://b/y", "GET", false},
		{"GET", 302, "http://a/x", "https://a/y", "GET", false},
		{"GET", 302, "https://a/x", "http://a/y", NULL, false},
		{"GET", 302, "https://a/x", "ftp://a/y", NULL, false},
		{"GET", 302, "https://a/x", "https://u@a/y", NULL, false},
		{"HEAD", 303, "https://a/x", "https://b/y", "HEAD", false},
		{"POST", 303, "https://a/x", "https://a/y", "GET", true},
		{"POST", 303, "https://a/x", "https://b/y", "GET", false},
		{"POST", 301, "https://a/x", "https://a/y", "POST", true},
		{"PATCH", 307, "https://a/x", "https://a/y", "PATCH", true},
		{"POST", 307, "https://a/x", "https://b/y", NULL, false},
		{"DELETE", 308, "https://a/x", "https://b/y", NULL, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_hop hop = {0};
		struct err err = {0};
		int rc = http_redirect_decide(cases[i].method, cases[i].status, cases[i].from, cases[i].to, &hop, &err);
		if (rc != (cases[i].next != NULL ? 0 : ERR_REFUSED))
			fail_msg("case %zu gave %d %s", i, rc, err.msg);
		if (rc != 0)
			continue;
		assert_string_equal(hop.method, cases[i].next);
		assert_int_equal(hop.same_origin, cases[i].same);
	}
	static const long yes[] = {301, 302, 303, 307, 308}, no[] = {200, 300, 304, 305, 306, 400};
	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		assert_true(http_is_redirect(yes[i]));
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		assert_false(http_is_redirect(no[i]));
}

static bool line(struct http_head *h, const char *text) { return http_head_line(h, text, strlen(text)); }

static void test_headers(void **state)
{
	(void)state;
	struct http_head h;
	http_head_init(&h);
	assert_true(line(&h, "HTTP/1.1 100 Continue\r\n"));
	assert_true(line(&h, "Old: 1\r\n"));
	assert_true(line(&h, "HTTP/2 200\r\n"));
	assert_true(line(&h, "ETag:\t \"x: y\" \r\n"));
	assert_true(line(&h, "X-Empty:\r\n"));
	assert_true(line(&h, "Link:<a>; rel=\"next\"\n"));
	assert_true(line(&h, "no colon\r\n"));
	assert_true(line(&h, "\r\n"));
	assert_true(http_head_line(&h, "", 0));
	CLEANUP_FREE struct http_header *list = http_head_list(&h);
	assert_int_equal(h.n, 3);
	const struct http_response res = {.headers = list, .headers_n = h.n};
	assert_string_equal(http_header(&res, "etag"), "\"x: y\"");
	assert_string_equal(http_header(&res, "x-empty"), "");
	assert_string_equal(http_header(&res, "link"), "<a>; rel=\"next\"");
	assert_null(http_header(&res, "old"));
	assert_null(http_header(&res, "ETag"));
	buf_free(&h.bytes);
}

static void test_header_ceilings(void **state)
{
	(void)state;
	struct http_head h;
	http_head_init(&h);
	assert_false(http_head_line(&h, "A: b\0c\r\n", 8));
	for (int i = 0; i < 256; i++)
		assert_true(line(&h, "A: b\r\n"));
	assert_false(line(&h, "A: b\r\n"));
	assert_true(line(&h, "HTTP/1.1 200 OK\r\n")); /* starts anew */
	assert_int_equal(h.n, 0);
	size_t len = 70000;
	char *many = xmalloc(len);
	memset(many, 'x', len);
	many[3] = ':';
	assert_false(http_head_line(&h, many, len));
	free(many);
	buf_free(&h.bytes);
}

static void test_request_headers(void **state)
{
	(void)state;
	static const struct {
		struct http_header h;
		bool clean;
	} cases[] = {
		{{"Accept", "application/json"}, true}, {{"Accept", ""}, true}, {{"", "x"}, false}, {{"A\nB", "x"}, false}, {{"A", "x\r"}, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(http_header_is_clean(&cases[i].h), cases[i].clean);
	assert_true(http_header_is_credential("authorization: token x"));
	assert_true(http_header_is_credential("Cookie: a"));
	assert_true(http_header_is_credential("Proxy-Authorization: a"));
	assert_false(http_header_is_credential("Accept: authorization:"));
	assert_false(http_header_is_credential("Authorizations: x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_origins),         cmocka_unit_test(test_long_hosts), cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_shown),           cmocka_unit_test(test_redirects),  cmocka_unit_test(test_headers),
		cmocka_unit_test(test_header_ceilings), cmocka_unit_test(test_request_headers),
	};
	return cmocka_run_group_tests_name("http_parts", tests, NULL, NULL);
}
