/* The pure parts of signing in: what a purpose may, what GitHub says of an installation and a token, where GraphQL is, and the kept answers. The
 * life of tokens is in tests/component/test_gh_app.c. */
#include "base/limits.h"
#include "github/auth_grant.h"
#include "github/gh_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define NOW INT64_C(1795615387000) /* 2026-11-25T14:03:07Z */

static void test_words(void **state)
{
	(void)state;
	static const struct {
		enum gh_purpose purpose;
		unsigned lacks;
		const char *want;
	} rows[] = {
		{GH_FOR_READ, 0, "metadata:read, contents:read, pull_requests:read, checks:read, statuses:read, members:read, deployments:read, "
				 "merge_queues:read, administration:read"},
		{GH_FOR_READ, GH_MAY_ADMINISTRATION | GH_MAY_MEMBERS,
		 "metadata:read, contents:read, pull_requests:read, checks:read, statuses:read, deployments:read, merge_queues:read"},
		{GH_FOR_READ, ~0u, "metadata:read, contents:read, pull_requests:read, checks:read, statuses:read"},
		{GH_FOR_SAY, ~0u, "pull_requests:write, issues:write, checks:write, statuses:write"},
		{GH_FOR_MERGE, 0, "contents:write, pull_requests:write, merge_queues:write"},
		{GH_FOR_MERGE, GH_MAY_QUEUE | GH_MAY_ENQUEUE, "contents:write, pull_requests:write"},
		{GH_FOR_CLONE, 0, "contents:read"},
		{GH_FOR_APP, 0, ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *words = gh_grant_words(rows[i].purpose, rows[i].lacks);
		assert_string_equal(words, rows[i].want);
	}
}

static void test_installation(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		int code;
		int64_t id;
		unsigned lacks;
		bool suspended;
	} rows[] = {
		{"{\"id\":77}", 0, 77, 0, false},
		{"{\"id\":77,\"suspended_at\":null}", 0, 77, 0, false},
		{"{\"id\":77,\"suspended_at\":\"2026-11-25T09:00:00Z\"}", 0, 77, 0, true},
		{"{\"id\":77,\"permissions\":{}}", 0, 77, GH_MAY_ADMINISTRATION | GH_MAY_DEPLOYMENTS | GH_MAY_MEMBERS | GH_MAY_QUEUE | GH_MAY_ENQUEUE, false},
		{"{\"id\":77,\"permissions\":{\"administration\":\"read\",\"members\":\"write\",\"deployments\":null}}", 0, 77,
		 GH_MAY_DEPLOYMENTS | GH_MAY_QUEUE | GH_MAY_ENQUEUE, false},
		{"{\"id\":77,\"permissions\":{\"administration\":\"read\",\"members\":\"read\",\"deployments\":\"read\",\"merge_queues\":\"read\"}}", 0, 77,
		 GH_MAY_ENQUEUE, false},
		{"{\"id\":77,\"permissions\":{\"administration\":\"read\",\"members\":\"read\",\"deployments\":\"read\",\"merge_queues\":\"write\"}}", 0, 77, 0, false},
		{"{\"id\":9007199254740991}", 0, INT64_C(9007199254740991), 0, false},
		{"{\"id\":0}", ERR_PARSE, 0, 0, false},
		{"{\"id\":\"77\"}", ERR_PARSE, 0, 0, false},
		{"{\"id\":77,\"permissions\":[]}", ERR_PARSE, 0, 0, false},
		{"{\"id\":77,\"suspended_at\":false}", ERR_PARSE, 0, 0, false},
		{"[]", ERR_PARSE, 0, 0, false},
		{"{", ERR_PARSE, 0, 0, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t id = 0;
		unsigned lacks = 0;
		bool suspended = false;
		struct err err = {0};
		assert_int_equal(gh_decode_installation(rows[i].body, strlen(rows[i].body), &id, &lacks, &suspended, &err), rows[i].code);
		assert_int_equal(id, rows[i].id);
		assert_int_equal(lacks, rows[i].lacks);
		assert_int_equal(suspended, rows[i].suspended);
	}
}

static void test_token(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		int64_t left;
	} rows[] = {
		{"{\"token\":\"ghs_1\",\"expires_at\":\"2026-11-25T15:03:07Z\"}", 3600 * 1000},
		{"{\"token\":\"ghs_1\",\"expires_at\":\"2026-11-25T16:03:07+01:00\"}", 3600 * 1000},
		{"{\"token\":\"ghs_1\",\"expires_at\":\"2026-11-25T13:03:07Z\"}", -3600 * 1000},
		{"{\"token\":\"ghs_1\"}", 0},
		{"{\"token\":\"ghs_1\",\"expires_at\":null}", 0},
		{"{\"token\":\"ghs_1\",\"expires_at\":\"soon\"}", 0},
		{"{\"token\":\"\",\"expires_at\":\"2026-11-25T15:03:07Z\"}", 0},
		{"{\"token\":\"a\\r\\nX: y\",\"expires_at\":\"2026-11-25T15:03:07Z\"}", 0},
		{"{\"token\":\"a b\",\"expires_at\":\"2026-11-25T15:03:07Z\"}", 0},
		{"{\"token\":\"\xc3\xbc\",\"expires_at\":\"2026-11-25T15:03:07Z\"}", 0},
		{"{\"expires_at\":\"2026-11-25T15:03:07Z\"}", 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *token = NULL;
		int64_t left = 0;
		struct err err = {0};
		int rc = gh_decode_token(rows[i].body, strlen(rows[i].body), NOW, &token, &left, &err);
		assert_int_equal(rc, rows[i].left != 0 ? 0 : ERR_PARSE);
		assert_int_equal(left, rows[i].left);
		assert_int_equal(token != NULL, rc == 0);
		assert_null(strstr(err.msg, "ghs_")); /* what it was is nobody's business */
		free(token);
	}
}

static void test_graphql_url(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{"https://api.github.com", "https://api.github.com/graphql"},
		{"https://api.acme.ghe.com", "https://api.acme.ghe.com/graphql"},
		{"https://ghe.example.com/api/v3", "https://ghe.example.com/api/graphql"},
		{"http://127.0.0.1:8081", "http://127.0.0.1:8081/graphql"},
		{"http://127.0.0.1:8081/api/v3", "http://127.0.0.1:8081/api/graphql"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *url = gh_graphql_url(rows[i][0]);
		assert_string_equal(url, rows[i][1]);
	}
}

static void test_time(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t want; /* -1: no time */
	} rows[] = {
		{"2026-11-25T14:03:07Z", NOW},
		{"2026-11-25T14:03:07.123456Z", NOW},
		{"2026-11-25T15:33:07+01:30", NOW},
		{"2026-11-25T09:03:07-0500", NOW},
		{"1970-01-01T00:00:00Z", 0},
		{"2024-02-29T00:00:00Z", INT64_C(1709164800000)},
		{"2000-03-01T00:00:00Z", INT64_C(951868800000)},
		{"9999-12-31T23:59:59Z", INT64_C(253402300799000)},
		{"1969-12-31T23:59:59Z", -1},
		{"1970-01-01T00:00:00+00:01", -1},
		{"2026-13-25T14:03:07Z", -1},
		{"2026-00-25T14:03:07Z", -1},
		{"2026-11-25 14:03:07Z", -1},
		{"2026-11-25T24:03:07Z", -1},
		{"2026-11-25T14:03:07", -1},
		{"2026-11-25T14:03:07z", -1},
		{"2026-11-25T14:03:07+1:00", -1},
		{"2026-11-25T14:03:07+25:00", -1},
		{"2026-11-25T14:03:0xZ", -1},
		{"-026-11-25T14:03:07Z", -1},
		{"", -1},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t ms = -1;
		bool ok = gh_time(rows[i].text, &ms);
		if (ok != (rows[i].want >= 0) || ms != rows[i].want)
			fail_msg("%s gave %d %lld", rows[i].text, ok, (long long)ms);
	}
}

/* --- kept answers -------------------------------------------------------------------------------------------------------------------- */

static void put(struct gh_cache *c, const char *key, const char *etag, const char *body, size_t len)
{
	const struct http_header headers[] = {{"etag", etag}};
	gh_cache_put(c, key, &(struct http_response){.status = 200, .body = body, .body_len = len, .headers = headers, .headers_n = etag != NULL ? 1 : 0});
}

static void test_cache(void **state)
{
	(void)state;
	struct gh_cache *c = gh_cache_new();
	size_t n, bytes;
	put(c, "a", "\"1\"", "one", 3);
	const struct gh_cached *e = gh_cache_find(c, "a");
	assert_string_equal(e->etag, "\"1\"");
	assert_int_equal(e->len, 3);
	assert_memory_equal(e->body, "one", 3);
	assert_null(gh_cache_find(c, "A"));
	put(c, "a", "\"2\"", "two!", 4); /* replaces */
	assert_string_equal(gh_cache_find(c, "a")->etag, "\"2\"");
	put(c, "a", NULL, "x", 1); /* and what has no tag any more is not kept */
	assert_null(gh_cache_find(c, "a"));
	gh_cache_size(c, &n, &bytes);
	assert_int_equal(n, 0);
	assert_int_equal(bytes, 0);
	/* by count: the one used least goes first */
	for (unsigned i = 0; i < LIMIT_GITHUB_CACHE; i++) {
		CLEANUP_FREE char *key = xasprintf("k%u", i);
		put(c, key, "\"e\"", "", 0);
	}
	assert_non_null(gh_cache_find(c, "k0"));
	put(c, "new", "\"e\"", "", 0);
	gh_cache_size(c, &n, &bytes);
	assert_int_equal(n, LIMIT_GITHUB_CACHE);
	assert_non_null(gh_cache_find(c, "k0"));
	assert_null(gh_cache_find(c, "k1"));
	/* by bytes; one that is larger than its share is not kept at all */
	size_t share = LIMIT_GITHUB_CACHE_BYTES / 8 - 4096;
	CLEANUP_FREE char *big = xcalloc(1, 2 * share);
	put(c, "huge", "\"e\"", big, 2 * share);
	assert_null(gh_cache_find(c, "huge"));
	for (int i = 0; i < 20; i++) {
		CLEANUP_FREE char *key = xasprintf("b%d", i);
		put(c, key, "\"e\"", big, share);
		gh_cache_size(c, &n, &bytes);
		assert_true(bytes <= LIMIT_GITHUB_CACHE_BYTES);
	}
	assert_int_equal(n, 8);
	assert_null(gh_cache_find(c, "b11"));
	assert_non_null(gh_cache_find(c, "b12"));
	gh_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),	    cmocka_unit_test(test_installation), cmocka_unit_test(test_token),
		cmocka_unit_test(test_graphql_url), cmocka_unit_test(test_time),	 cmocka_unit_test(test_cache),
	};
	return cmocka_run_group_tests_name("github/auth", tests, NULL, NULL);
}
