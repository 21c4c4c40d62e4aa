#include "github/gh_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define SHA_C "cccccccccccccccccccccccccccccccccccccccc"
#define USER(id, login, type) "{\"id\":" #id ",\"login\":\"" login "\",\"type\":\"" type "\"}"
#define BASE "\"base\":{\"ref\":\"main\",\"sha\":\"" SHA_B "\",\"repo\":{\"id\":5,\"full_name\":\"acme/infra\",\"clone_url\":\"https://h/acme/infra.git\"}}"
#define HEAD(repo) "\"head\":{\"ref\":\"x\",\"sha\":\"" SHA_A "\",\"repo\":" repo "}"
#define PULL(head, more) "{\"number\":7,\"title\":\"T\",\"state\":\"open\",\"merged\":false," BASE "," head more "}"

static int64_t pull_of(const char *body, struct gh_pull *ret, struct err *err)
{
	return gh_decode_pull(body, strlen(body), ret, err);
}

static void test_pull(void **state)
{
	(void)state;
	struct gh_pull p = {0};
	struct err err = {0};
	assert_int_equal(pull_of(PULL(HEAD("{\"id\":5}"), ",\"draft\":true,\"mergeable\":true,\"mergeable_state\":\"clean\",\"merge_commit_sha\":\"" SHA_C
					      "\",\"user\":" USER(9, "al", "User")), &p, &err), 0);
	assert_int_equal(p.number, 7);
	assert_int_equal(p.repo_id, 5);
	assert_string_equal(p.full_name, "acme/infra");
	assert_string_equal(p.clone_url, "https://h/acme/infra.git");
	assert_string_equal(p.title, "T");
	assert_true(p.open && p.draft && !p.merged && !p.fork);
	assert_int_equal(p.mergeable, 1);
	assert_string_equal(p.mergeable_state, "clean");
	assert_string_equal(p.head_sha, SHA_A);
	assert_string_equal(p.head_ref, "x");
	assert_string_equal(p.base_sha, SHA_B);
	assert_string_equal(p.base_ref, "main");
	assert_string_equal(p.merge_commit_sha, SHA_C);
	assert_int_equal(p.author.id, 9);
	assert_string_equal(p.author.login, "al");
	assert_int_equal(p.labels.n + (size_t)p.commits + (size_t)p.updated_ms, 0);
	assert_null(p.node_id);
	gh_pull_free(&p);
	assert_int_equal(pull_of(PULL(HEAD("null"), ",\"labels\":[{\"name\":\"do not apply\"},{\"name\":\"x\"}],\"commits\":3,\"node_id\":\"PR_1\","
						    "\"updated_at\":\"1970-01-01T00:00:02Z\""), &p, &err), 0);
	assert_int_equal(p.labels.n, 2);
	assert_string_equal(p.labels.v[0], "do not apply");
	assert_int_equal(p.commits, 3);
	assert_int_equal(p.updated_ms, 2000);
	assert_string_equal(p.node_id, "PR_1");
	gh_pull_free(&p);

	static const struct {
		const char *body;
		bool fork;
		int mergeable;
		int64_t author;
		bool bot;
	} rows[] = {
		{PULL(HEAD("null"), ",\"mergeable\":null,\"user\":null"), true, -1, 0, false},
		{PULL(HEAD("{\"id\":6}"), ",\"mergeable\":false"), true, 0, 0, false},
		{PULL(HEAD("{\"id\":5}"), ",\"user\":" USER(3, "b[bot]", "Bot")), false, -1, 3, true},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(pull_of(rows[i].body, &p, &err), 0);
		assert_int_equal(p.fork, rows[i].fork);
		assert_int_equal(p.mergeable, rows[i].mergeable);
		assert_int_equal(p.author.id, rows[i].author);
		assert_int_equal(p.author.bot, rows[i].bot);
		assert_string_equal(p.author.login, rows[i].author == 0 ? "ghost" : "b[bot]");
		assert_null(p.merge_commit_sha);
		gh_pull_free(&p);
	}
}

static void test_pull_refused(void **state)
{
	(void)state;
	static const struct {
		const char *body, *sentence;
	} rows[] = {
		{"[]", "expected an object"},
		{"{\"number\":7}", "title: missing"},
		{PULL(HEAD("7"), ""), "head.repo: "},
		{PULL("\"head\":{\"ref\":\"x\",\"sha\":\"abc\",\"repo\":null}", ""), "head.sha: expected a commit id"},
		{PULL("\"head\":{\"ref\":null,\"sha\":\"" SHA_A "\",\"repo\":null}", ""), "head.ref: "},
		{PULL(HEAD("null"), ",\"mergeable\":\"yes\""), "mergeable: "},
		{PULL(HEAD("null"), ",\"user\":{\"login\":\"x\"}"), "user.id: missing"},
		{PULL(HEAD("null"), ",\"merge_commit_sha\":\"ABC\""), "merge_commit_sha: expected a commit id"},
		{PULL(HEAD("null"), ",\"labels\":[{}]"), "labels[0].name: missing"},
		{PULL(HEAD("null"), ",\"labels\":{}"), "labels: "},
		{PULL(HEAD("null"), ",\"commits\":-1"), "commits: "},
		{PULL(HEAD("null"), ",\"updated_at\":\"today\""), "updated_at: expected a time"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct gh_pull p = {.number = 77};
		struct err err = {0};
		int64_t rc = pull_of(rows[i].body, &p, &err);
		if (rc != ERR_PARSE || strncmp(err.msg, rows[i].sentence, strlen(rows[i].sentence)) != 0)
			fail_msg("%s gave %lld \"%s\", expected \"%s...\"", rows[i].body, (long long)rc, err.msg, rows[i].sentence);
		assert_int_equal(p.number, 77);
	}
}

static void test_reviews(void **state)
{
	(void)state;
	static const char PAGE1[] = "[{\"user\":" USER(1, "a", "User") ",\"state\":\"APPROVED\",\"commit_id\":\"" SHA_A "\",\"submitted_at\":\"1970-01-01T00:00:03Z\",\"id\":80,\"author_association\":\"MEMBER\"}]";
	static const char PAGE2[] = "[{\"user\":null,\"state\":\"PENDING\",\"commit_id\":null},{\"user\":null,\"state\":7}]";
	struct gh_reviews r = {0};
	struct err err = {0};
	assert_int_equal(gh_decode_reviews(PAGE1, sizeof(PAGE1) - 1, &r, &err), 0);
	assert_int_equal(r.n, 1);
	assert_int_equal(gh_decode_reviews(PAGE2, sizeof(PAGE2) - 1, &r, &err), ERR_PARSE);
	assert_string_equal(r.v[0].state, "APPROVED");
	assert_string_equal(r.v[0].commit_id, SHA_A);
	assert_int_equal(r.v[0].id, 80);
	assert_int_equal(r.v[0].submitted_ms, 3000);
	assert_string_equal(r.v[0].association, "MEMBER");
	assert_int_equal(r.v[1].id + r.v[1].submitted_ms, 0);
	assert_string_equal(r.v[1].association, "");
	assert_string_equal(r.v[1].user.login, "ghost");
	assert_null(r.v[1].commit_id);
	gh_reviews_free(&r);
	assert_int_equal(r.n, 0);
}

#define COMMENT(id, user, body) "{\"id\":" #id ",\"body\":\"" body "\",\"user\":" user "}"

static void test_find(void **state)
{
	(void)state;
	static const char M[] = "<!-- sluice slot=comment/5/7 -->";
	static const struct {
		const char *page;
		int64_t self, want;
	} rows[] = {
		{"[]", 9, 0},
		{"[" COMMENT(1, USER(9, "me", "Bot"), "<!-- sluice slot=comment/5/7 -->\\nhello") "]", 9, 1},
		{"[" COMMENT(1, USER(9, "me", "Bot"), "<!-- sluice slot=comment/5/7 -->\\r\\nhello") "]", 9, 1},
		/* somebody else's copy of our marker */
		{"[" COMMENT(1, USER(8, "eve", "User"), "<!-- sluice slot=comment/5/7 -->") "]", 9, 0},
		{"[" COMMENT(1, "null", "<!-- sluice slot=comment/5/7 -->") "]", 0, 0},
		/* quoted by ourselves, another slot, another slot with this one as its beginning */
		{"[" COMMENT(1, USER(9, "me", "Bot"), "x <!-- sluice slot=comment/5/7 -->") "]", 9, 0},
		{"[" COMMENT(1, USER(9, "me", "Bot"), "<!-- sluice slot=comment/5/70 -->") "]", 9, 0},
		/* the newest counts, in whatever order */
		{"[" COMMENT(3, USER(9, "me", "Bot"), "<!-- sluice slot=comment/5/7 -->") "," COMMENT(2, USER(9, "me", "Bot"), "<!-- sluice slot=comment/5/7 -->") "]",
		 9, 3},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t id = 0;
		struct err err = {0};
		assert_int_equal(gh_decode_find(rows[i].page, strlen(rows[i].page), rows[i].self, M, &id, &err), 0);
		if (id != rows[i].want)
			fail_msg("%s gave %lld", rows[i].page, (long long)id);
	}
}

static void test_checks(void **state)
{
	(void)state;
	static const char STATUSES[] =
		"{\"state\":\"pending\",\"statuses\":[{\"context\":\"sluice\",\"state\":\"pending\"},{\"context\":\"sluice/net\",\"state\":\"failure\"},"
		"{\"context\":\"sluicegate\",\"state\":\"failure\"},{\"context\":\"ci\",\"state\":\"success\"},{\"context\":\"slow\",\"state\":\"pending\"},"
		"{\"context\":\"bad\",\"state\":\"error\"}]}";
	static const char RUNS[] =
		"{\"total_count\":7,\"check_runs\":[{\"name\":\"a\",\"status\":\"completed\",\"conclusion\":\"success\"},"
		"{\"name\":\"b\",\"status\":\"completed\",\"conclusion\":\"neutral\"},{\"name\":\"c\",\"status\":\"completed\",\"conclusion\":\"skipped\"},"
		"{\"name\":\"d\",\"status\":\"in_progress\",\"conclusion\":null},{\"name\":\"e\",\"status\":\"completed\",\"conclusion\":\"timed_out\"},"
		"{\"name\":\"f\",\"status\":\"completed\",\"conclusion\":null},{\"name\":\"sluice: all\",\"status\":\"queued\",\"conclusion\":null}]}";
	struct gh_checks c = {0};
	struct err err = {0};
	assert_int_equal(gh_decode_statuses(STATUSES, sizeof(STATUSES) - 1, "sluice", &c, &err), 0);
	assert_int_equal(gh_decode_check_runs(RUNS, sizeof(RUNS) - 1, "sluice", &c, &err), 0);
	assert_int_equal(c.failing.n, 4);
	assert_string_equal(c.failing.v[0], "sluicegate");
	assert_string_equal(c.failing.v[1], "bad");
	assert_string_equal(c.failing.v[2], "e");
	assert_string_equal(c.failing.v[3], "f");
	assert_int_equal(c.pending.n, 2);
	assert_string_equal(c.pending.v[0], "slow");
	assert_string_equal(c.pending.v[1], "d");
	gh_checks_free(&c);
	assert_int_equal(gh_decode_statuses("{}", 2, "sluice", &c, &err), ERR_PARSE);
	assert_int_equal(gh_decode_check_runs("{\"check_runs\":[{}]}", 19, "sluice", &c, &err), ERR_PARSE);
}

static void test_small(void **state)
{
	(void)state;
	struct gh_repo_facts f = {0};
	struct err err = {0};
	bool yes = false;
	static const char REPO[] = "{\"id\":5,\"full_name\":\"a/b\",\"allow_merge_commit\":false,\"allow_squash_merge\":true}";
	assert_int_equal(gh_decode_repo(REPO, sizeof(REPO) - 1, &f, &err), 0);
	assert_int_equal(f.id, 5);
	assert_string_equal(f.full_name, "a/b");
	assert_true(!f.merge && f.squash && f.rebase);
	free(f.full_name);
	assert_int_equal(gh_decode_bool("{\"protected\":1}", 15, "protected", &yes, &err), ERR_PARSE);
	assert_int_equal(gh_decode_bool("{}", 2, "protected", &yes, &err), ERR_PARSE);
}

static void test_link(void **state)
{
	(void)state;
	static const struct {
		const char *link, *next;
	} rows[] = {
		{NULL, NULL},
		{"", NULL},
		{"<https://a/x?page=2>; rel=\"next\", <https://a/x?page=5>; rel=\"last\"", "https://a/x?page=2"},
		{"<https://a/x?page=1>; rel=\"prev\", <https://a/x?page=3>; rel=\"next\"", "https://a/x?page=3"},
		{"<https://a/x?page=1>; title=\"y\"; rel=next", "https://a/x?page=1"},
		{"<https://a/x?page=1>; rel=\"last\"", NULL},
		{"<https://a/x?rel=\"next\">; rel=\"last\"", NULL},
		{"<https://a/x", NULL},
		{"<>; rel=\"next\"", NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_BUF struct buf url = {0};
		bool found = gh_link_next(rows[i].link, &url);
		assert_int_equal(found, rows[i].next != NULL);
		if (found)
			assert_string_equal(buf_str(&url), rows[i].next);
	}
}

static void test_origin(void **state)
{
	(void)state;
	static const struct {
		const char *url, *origin;
	} rows[] = {
		{"https://api.github.com/repos", "https://api.github.com"},
		{"https://ghe.example.com:8443/api/v3", "https://ghe.example.com:8443"},
		{"http://127.0.0.1:80?x", "http://127.0.0.1:80"},
		{"https://api.github.com", "https://api.github.com"},
		{"https://api.github.com@evil.example/", NULL},
		{"https:///x", NULL},
		{"ftp://a/", NULL},
		{"", NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *origin = gh_origin(rows[i].url);
		assert_int_equal(origin != NULL, rows[i].origin != NULL);
		if (origin != NULL)
			assert_string_equal(origin, rows[i].origin);
	}
}

static void test_path(void **state)
{
	(void)state;
	static const struct {
		const char *repo, *segment, *want;
	} rows[] = {
		{"acme/infra", "main", "/repos/acme/infra/branches/main?n=9007199254740993"},
		{"acme/infra", "grow/\xc3\xbc x", "/repos/acme/infra/branches/grow%2F%C3%BC%20x?n=9007199254740993"},
		{"acme/infra", "a?b#c%d", "/repos/acme/infra/branches/a%3Fb%23c%25d?n=9007199254740993"},
		{"acme/.github", "x[bot]", "/repos/acme/.github/branches/x%5Bbot%5D?n=9007199254740993"},
		{"acme", "main", NULL},
		{"acme/", "main", NULL},
		{"acme/..", "main", NULL},
		{"a/b/c", "main", NULL},
		{"acme/infra", "..", NULL},
		{"acme/infra", "", NULL},
		{"acme/infra", NULL, NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_BUF struct buf path = {0};
		bool ok = gh_path(&path, "/repos/%r/branches/%s?n=%i", rows[i].repo, rows[i].segment, INT64_C(9007199254740993));
		assert_int_equal(ok, rows[i].want != NULL);
		if (ok)
			assert_string_equal(buf_str(&path), rows[i].want);
	}
}

#define NOW INT64_C(1800000000000)
#define LIMITED "{\"message\":\"You have exceeded a secondary rate limit\"}"

/* One row per kind of answer: the code, whether a write may have happened, and when to come back. */
static void test_judge(void **state)
{
	(void)state;
	static const struct {
		const char *method;
		int status;
		const char *body;
		struct http_header h[2];
		int net_code;
		bool sent;
		int code;
		bool ambiguous;
		int64_t retry_at;
		const char *says;
	} rows[] = {
		{"GET", 200, "{}", {{0}}, 0, true, 0, false, 0, ""},
		{"POST", 201, "{}", {{0}}, 0, true, 0, false, 0, ""},
		{"GET", 404, "{\"message\":\"Not Found.\"}", {{"x-github-request-id", "AB:1"}}, 0, true, ERR_NOT_FOUND, false, 0,
		 "GET /p: 404 Not Found: it does not exist or the token may not see it (request AB:1)"},
		{"POST", 422, "not json", {{0}}, 0, true, ERR_REFUSED, false, 0,
		 "POST /p: 422: GitHub does not accept the content (no request id)"},
		{"GET", 401, "", {{0}}, 0, true, ERR_REFUSED, false, 0, NULL},
		{"PUT", 405, "", {{0}}, 0, true, ERR_REFUSED, false, 0, NULL},
		{"PUT", 409, "", {{0}}, 0, true, ERR_CONFLICT, false, 0, NULL},
		{"POST", 410, "", {{0}}, 0, true, ERR_NOT_FOUND, false, 0, NULL},
		{"GET", 304, "", {{0}}, 0, true, ERR_REFUSED, false, 0, NULL},
		{"GET", 500, "", {{0}}, 0, true, ERR_UNAVAILABLE, false, 0, NULL},
		{"POST", 502, "", {{0}}, 0, true, ERR_UNAVAILABLE, true, 0, NULL},
		/* a refusal is not a limit */
		{"POST", 403, "{\"message\":\"Resource not accessible by integration\"}", {{"x-ratelimit-remaining", "0"}, {"x-ratelimit-reset", "1800000100"}}, 0,
		 true, ERR_REFUSED, false, 0, NULL},
		{"POST", 403, "", {{"x-ratelimit-remaining", "17"}, {"x-ratelimit-reset", "1800000100"}}, 0, true, ERR_REFUSED, false, 0, NULL},
		/* limits, in GitHub's order of signals */
		{"POST", 403, "", {{"retry-after", "30"}}, 0, true, ERR_UNAVAILABLE, false, NOW + 30000, NULL},
		{"GET", 429, "", {{"retry-after", "0"}}, 0, true, ERR_UNAVAILABLE, false, NOW + 1000, NULL},
		{"GET", 403, "", {{"x-ratelimit-remaining", "0"}, {"x-ratelimit-reset", "1800000100"}}, 0, true, ERR_UNAVAILABLE, false, NOW + 100000,
		 NULL},
		{"POST", 403, LIMITED, {{0}}, 0, true, ERR_UNAVAILABLE, false, NOW + 60000, NULL},
		{"POST", 429, "", {{0}}, 0, true, ERR_UNAVAILABLE, false, NOW + 60000, NULL},
		{"POST", 429, "", {{"retry-after", "99999999"}}, 0, true, ERR_UNAVAILABLE, false, NOW + 3600000, NULL},
		{"POST", 429, "", {{"retry-after", "soon"}}, 0, true, ERR_UNAVAILABLE, false, NOW + 60000, NULL},
		/* no answer */
		{"GET", 0, "", {{0}}, ERR_TIMEOUT, true, ERR_TIMEOUT, false, 0, "net"},
		{"GET", 0, "", {{0}}, 0, true, ERR_UNAVAILABLE, false, 0, "GET /p: no answer"},
		{"POST", 0, "", {{0}}, ERR_IO, false, ERR_IO, false, 0, "net"},
		{"POST", 0, "", {{0}}, ERR_IO, true, ERR_IO, true, 0, "net"},
		{"POST", 201, "", {{0}}, ERR_LIMIT, true, ERR_LIMIT, true, 0, "net"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_response res = {.status = rows[i].status, .sent = rows[i].sent, .body = rows[i].body, .body_len = strlen(rows[i].body),
					    .headers = rows[i].h, .headers_n = rows[i].h[0].name == NULL ? 0 : rows[i].h[1].name == NULL ? 1 : 2};
		struct gh_result r = {0};
		if (rows[i].net_code != 0)
			(void)err_set(&res.err, rows[i].net_code, "net"); /* returns the code */
		gh_judge(rows[i].method, "/p", &res, NOW, 0, &r);
		assert_int_equal(r.err.code, rows[i].code);
		assert_int_equal(r.status, rows[i].status);
		assert_int_equal(r.ambiguous, rows[i].ambiguous);
		assert_int_equal(r.retry_at_ms, rows[i].retry_at);
		if (rows[i].says != NULL)
			assert_string_equal(r.err.msg, rows[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pull),   cmocka_unit_test(test_pull_refused), cmocka_unit_test(test_reviews),
		cmocka_unit_test(test_find),   cmocka_unit_test(test_checks),	    cmocka_unit_test(test_small),
		cmocka_unit_test(test_link),   cmocka_unit_test(test_origin),	    cmocka_unit_test(test_path),
		cmocka_unit_test(test_judge),
	};
	return cmocka_run_group_tests_name("github/decode", tests, NULL, NULL);
}
