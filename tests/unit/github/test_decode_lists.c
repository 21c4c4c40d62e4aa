/* Lists of GitHub and what stands in them: commits, open pull requests, deployments, deliveries, check runs of ours; GraphQL answers. */
#include "base/limits.h"
#include "github/gh_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define USER(id, login) "{\"id\":" #id ",\"login\":\"" login "\",\"type\":\"User\"}"

/* A decoder whose result is told as text. */
struct row {
	const char *body;
	int code;
	const char *want; /* or the beginning of the sentence */
};

typedef int (*decode_fn)(const char *body, struct buf *out, struct err *err);

static void check_rows(const struct row *rows, size_t n, decode_fn decode)
{
	for (size_t i = 0; i < n; i++) {
		CLEANUP_BUF struct buf out = {0};
		struct err err = {0};
		int rc = decode(rows[i].body, &out, &err);
		bool same = rc == 0 ? strcmp(buf_str(&out), rows[i].want) == 0 : strncmp(err.msg, rows[i].want, strlen(rows[i].want)) == 0;
		if (rc != rows[i].code || !same)
			fail_msg("%s\ngave %d \"%s\", expected %d \"%s\"", rows[i].body, rc, rc == 0 ? buf_str(&out) : err.msg, rows[i].code, rows[i].want);
	}
}

/* --- commits ------------------------------------------------------------------------------------------------------------------------- */

#define COMMIT(author, committer, verification, parents)                                                                                   \
	"{\"sha\":\"" SHA_A "\",\"author\":" author ",\"committer\":" committer ",\"commit\":{\"message\":\"m\"" verification                   \
	"},\"parents\":[" parents "]}"
#define VERIFIED(v) ",\"verification\":{\"verified\":" #v ",\"reason\":\"x\"}"

static int commits(const char *body, struct buf *out, struct err *err)
{
	struct gh_commits c = {0};
	int rc = gh_decode_commits(body, strlen(body), &c, err);
	for (size_t i = 0; rc == 0 && i < c.n; i++)
		buf_printf(out, "%.3s %lld/%s %lld/%s %s%lld;", c.v[i].sha, (long long)c.v[i].author.id, c.v[i].author.login,
			   (long long)c.v[i].committer.id, c.v[i].committer.login, c.v[i].verified ? "verified " : "", (long long)c.v[i].parents);
	gh_commits_free(&c);
	return rc;
}

static void test_commits(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"[]", 0, ""},
		{"[" COMMIT(USER(1, "al"), USER(2, "bo"), VERIFIED(true), "{\"sha\":\"x\"}") "]", 0, "aaa 1/al 2/bo verified 1;"},
		{"[" COMMIT("null", "{}", VERIFIED(false), "") "]", 0, "aaa 0/ghost 0/ghost 0;"},
		{"[" COMMIT("null", "null", "", "{},{}") "," COMMIT(USER(1, "al"), "null", ",\"verification\":null", "{}") "]", 0,
		 "aaa 0/ghost 0/ghost 2;aaa 1/al 0/ghost 1;"},
		{"[" COMMIT("null", "null", ",\"verification\":{}", "") "]", ERR_PARSE, "[0].commit.verification.verified: missing"},
		{"[" COMMIT("null", "null", VERIFIED("yes"), "") "]", ERR_PARSE, "[0].commit.verification.verified"},
		{"[" COMMIT("{\"login\":\"x\"}", "null", "", "") "]", ERR_PARSE, "[0].author.id: missing"},
		{"[" COMMIT("7", "null", "", "") "]", ERR_PARSE, "[0].author"},
		{"[{\"sha\":\"" SHA_A "\",\"author\":null,\"committer\":null,\"parents\":[]}]", ERR_PARSE, "[0].commit: missing"},
		{"[{\"sha\":\"" SHA_A "\",\"author\":null,\"committer\":null,\"commit\":{}}]", ERR_PARSE, "[0].parents: missing"},
		{"[{\"sha\":\"abc\"}]", ERR_PARSE, "[0].sha: expected a commit id"},
		{"{}", ERR_PARSE, "expected an array"},
	};
	check_rows(rows, ARRAY_LEN(rows), commits);
}

/* --- open pull requests -------------------------------------------------------------------------------------------------------------- */

#define OPEN(head_repo, more)                                                                                                              \
	"{\"number\":7,\"head\":{\"ref\":\"x\",\"sha\":\"" SHA_A "\",\"repo\":" head_repo "},\"base\":{\"ref\":\"main\",\"repo\":{\"id\":5}}" more "}"

static int open_pulls(const char *body, struct buf *out, struct err *err)
{
	struct gh_open_pulls p = {0};
	int rc = gh_decode_open_pulls(body, strlen(body), &p, err);
	for (size_t i = 0; rc == 0 && i < p.n; i++)
		buf_printf(out, "%lld %.3s %s %lld%s%s;", (long long)p.v[i].number, p.v[i].head_sha, p.v[i].base_ref, (long long)p.v[i].updated_ms,
			   p.v[i].draft ? " draft" : "", p.v[i].fork ? " fork" : "");
	gh_open_pulls_free(&p);
	return rc;
}

static void test_open_pulls(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"[" OPEN("{\"id\":5}", ",\"draft\":true,\"updated_at\":\"1970-01-01T00:00:01Z\"") "]", 0, "7 aaa main 1000 draft;"},
		{"[" OPEN("{\"id\":6}", "") "," OPEN("null", "") "]", 0, "7 aaa main 0 fork;7 aaa main 0 fork;"},
		{"[" OPEN("7", "") "]", ERR_PARSE, "[0].head.repo"},
		{"[" OPEN("null", ",\"updated_at\":\"now\"") "]", ERR_PARSE, "[0].updated_at: expected a time"},
		{"[{\"number\":0}]", ERR_PARSE, "[0].number"},
		{"[{\"number\":1}]", ERR_PARSE, "[0].head: missing"},
	};
	check_rows(rows, ARRAY_LEN(rows), open_pulls);
}

/* --- deployments --------------------------------------------------------------------------------------------------------------------- */

static int deployments(const char *body, struct buf *out, struct err *err)
{
	struct gh_deployments d = {0};
	int rc = gh_decode_deployments(body, strlen(body), &d, err);
	for (size_t i = 0; rc == 0 && i < d.n; i++)
		buf_printf(out, "%s=%lld/%s;", d.v[i].environment, (long long)d.v[i].id, d.v[i].state);
	gh_deployments_free(&d);
	return rc;
}

static int deployment_state(const char *body, struct buf *out, struct err *err)
{
	char *text = xstrdup("pending");
	int rc = gh_decode_deployment_state(body, strlen(body), &text, err);
	buf_adds(out, text);
	free(text);
	return rc;
}

static void test_deployments(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"[]", 0, ""},
		{"[{\"id\":1,\"environment\":\"test\"},{\"id\":9,\"environment\":\"prod\"},{\"id\":3,\"environment\":\"test\"},{\"id\":2,\"environment\":\"test\"}]", 0,
		 "test=3/pending;prod=9/pending;"},
		{"[{\"id\":1}]", ERR_PARSE, "[0].environment: missing"},
	}, states[] = {
		{"[]", 0, "pending"}, /* nobody said anything yet */
		{"[{\"id\":4,\"state\":\"success\"},{\"id\":3,\"state\":\"failure\"}]", 0, "success"},
		{"[{\"id\":3,\"state\":\"failure\"},{\"id\":4,\"state\":\"inactive\"}]", 0, "inactive"},
		{"[{\"id\":3}]", ERR_PARSE, "[0].state: missing"},
	};
	check_rows(rows, ARRAY_LEN(rows), deployments);
	check_rows(states, ARRAY_LEN(states), deployment_state);
	CLEANUP_BUF struct buf many = {0}, out = {0};
	struct err err = {0};
	for (unsigned i = 0; i <= LIMIT_GITHUB_ENVIRONMENTS; i++)
		buf_printf(&many, "%s{\"id\":1,\"environment\":\"e%u\"}", i > 0 ? "," : "[", i);
	buf_addc(&many, ']');
	assert_int_equal(deployments(buf_str(&many), &out, &err), ERR_LIMIT);
}

/* --- deliveries ---------------------------------------------------------------------------------------------------------------------- */

#define DELIVERY(more) "{\"id\":12,\"guid\":\"g-1\",\"event\":\"push\",\"status\":\"OK\",\"delivered_at\":\"1970-01-01T00:00:05Z\"" more "}"

static int deliveries(const char *body, struct buf *out, struct err *err)
{
	struct gh_deliveries d = {0};
	int rc = gh_decode_deliveries(body, strlen(body), &d, err);
	for (size_t i = 0; rc == 0 && i < d.n; i++)
		buf_printf(out, "%lld %s %s/%s %s %lld %lld%s %lld %lld;", (long long)d.v[i].id, d.v[i].guid, d.v[i].event, d.v[i].action, d.v[i].status,
			   (long long)d.v[i].status_code, (long long)d.v[i].delivered_ms, d.v[i].redelivery ? " again" : "",
			   (long long)d.v[i].repository_id, (long long)d.v[i].installation_id);
	gh_deliveries_free(&d);
	return rc;
}

static int delivery(const char *body, struct buf *out, struct err *err)
{
	struct gh_delivery d = {0};
	int rc = gh_decode_delivery(body, strlen(body), &d, err);
	if (rc == 0)
		buf_printf(out, "%lld %s %zu", (long long)d.id, d.payload, d.payload_len);
	gh_delivery_free(&d);
	return rc;
}

static void test_deliveries(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"[" DELIVERY("") "]", 0, "12 g-1 push/ OK 0 5000 0 0;"},
		{"[" DELIVERY(",\"action\":null,\"repository_id\":null,\"installation_id\":null,\"redelivery\":false,\"status_code\":502") "]", 0,
		 "12 g-1 push/ OK 502 5000 0 0;"},
		{"[" DELIVERY(",\"action\":\"opened\",\"repository_id\":5,\"installation_id\":77,\"redelivery\":true,\"status_code\":202") "]", 0,
		 "12 g-1 push/opened OK 202 5000 again 5 77;"},
		{"[{\"id\":12,\"guid\":\"g\",\"event\":\"e\",\"status\":\"OK\"}]", ERR_PARSE, "[0].delivered_at: missing"},
		{"[{\"id\":12}]", ERR_PARSE, "[0].guid: missing"},
	}, one[] = {
		{DELIVERY(",\"request\":{\"headers\":{},\"payload\":{\"a\":[1,\"\\u00fc\"],\"id\":9007199254740991}}"), 0,
		 "12 {\"a\":[1,\"\xc3\xbc\"],\"id\":9007199254740991} 36"},
		{DELIVERY(""), ERR_PARSE, "request: missing"},
		{DELIVERY(",\"request\":{\"payload\":null}"), ERR_PARSE, "request.payload"}, /* GitHub keeps payloads for some days only */
		{DELIVERY(",\"request\":{\"payload\":\"text\"}"), ERR_PARSE, "request.payload"},
	};
	check_rows(rows, ARRAY_LEN(rows), deliveries);
	check_rows(one, ARRAY_LEN(one), delivery);
}

/* --- our own check ------------------------------------------------------------------------------------------------------------------- */

#define RUN(id, name, external, app) "{\"id\":" #id ",\"name\":\"" name "\",\"external_id\":" external ",\"app\":" app "}"

static int find_check(const char *body, struct buf *out, struct err *err)
{
	int64_t id = 0, annotations = 0;
	int rc = gh_decode_find_check(body, strlen(body), 4711, "sluice", "r9", &id, &annotations, err);
	buf_printf(out, "%lld", (long long)id);
	if (annotations != 0)
		buf_printf(out, " with %lld", (long long)annotations);
	return rc;
}

static void test_find_check(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"{\"check_runs\":[]}", 0, "0"},
		{"{\"check_runs\":[" RUN(3, "sluice", "\"r9\"", "{\"id\":4711}") "," RUN(4, "sluice", "\"r9\"", "{\"id\":4711}") "," RUN(2, "sluice", "\"r9\"", "{\"id\":4711}") "]}", 0,
		 "4"},
		/* another App with our words, another name, another run, nobody's */
		{"{\"check_runs\":[" RUN(3, "sluice", "\"r9\"", "{\"id\":4712}") "," RUN(4, "Sluice", "\"r9\"", "{\"id\":4711}") ","
				     RUN(5, "sluice", "\"r10\"", "{\"id\":4711}") "," RUN(6, "sluice", "null", "{\"id\":4711}") "," RUN(7, "sluice", "\"r9\"", "null") "]}", 0, "0"},
		{"{\"check_runs\":[{\"id\":3,\"name\":\"sluice\",\"external_id\":\"r9\",\"app\":{\"id\":4711},\"output\":{\"annotations_count\":50}}]}", 0, "3 with 50"},
		{"{\"check_runs\":[{\"id\":3,\"name\":\"sluice\",\"output\":{\"annotations_count\":-1}}]}", ERR_PARSE, "check_runs[0].output.annotations_count"},
		{"{\"check_runs\":[{\"id\":3}]}", ERR_PARSE, "check_runs[0].name: missing"},
		{"{}", ERR_PARSE, "check_runs: missing"},
	};
	check_rows(rows, ARRAY_LEN(rows), find_check);
}

static void test_check_rows(void **state)
{
	(void)state;
	static const char RUNS[] = "{\"check_runs\":[{\"name\":\"a\",\"status\":\"completed\",\"conclusion\":\"neutral\",\"app\":{\"id\":15368}},"
				   "{\"name\":\"b\",\"status\":\"waiting\",\"conclusion\":null,\"app\":null}]}",
			  STATUSES[] = "{\"statuses\":[{\"context\":\"c\",\"state\":\"error\",\"creator\":{\"id\":9}},{\"context\":\"d\",\"state\":\"neutral\"}]}";
	static const struct gh_check_row want[] = {{NULL, NULL, true, 15368, 0}, {NULL, NULL, true, 0, 0}, {NULL, NULL, false, 0, 9}, {NULL, NULL, false, 0, 0}};
	static const char *const words[] = {"a neutral", "b pending", "c error", "d neutral"};
	struct gh_checks c = {0};
	struct err err = {0};
	assert_int_equal(gh_decode_check_runs(RUNS, sizeof(RUNS) - 1, "sluice", &c, &err), 0);
	assert_int_equal(gh_decode_statuses(STATUSES, sizeof(STATUSES) - 1, "sluice", &c, &err), 0);
	assert_int_equal(c.n, 4);
	for (size_t i = 0; i < c.n; i++) {
		CLEANUP_FREE char *text = xasprintf("%s %s", c.v[i].name, c.v[i].state);
		assert_string_equal(text, words[i]);
		assert_int_equal(c.v[i].run, want[i].run);
		assert_int_equal(c.v[i].app_id, want[i].app_id);
		assert_int_equal(c.v[i].creator_id, want[i].creator_id);
	}
	assert_int_equal(c.failing.n, 2); /* "neutral" is a word of check runs, not of statuses */
	assert_int_equal(c.pending.n, 1);
	gh_checks_free(&c);
}

/* A history of statuses, newest first: of each context the first one stands, whatever the case of its letters. */
static void test_status_history(void **state)
{
	(void)state;
	static const char PAGE1[] = "[{\"context\":\"ci\",\"state\":\"success\"},{\"context\":\"CI\",\"state\":\"failure\"}]",
			  PAGE2[] = "[{\"context\":\"ci\",\"state\":\"pending\"},{\"context\":\"lint\",\"state\":\"failure\",\"creator\":{\"id\":9}}]";
	struct gh_checks c = {0};
	struct err err = {0};
	assert_int_equal(gh_decode_statuses(PAGE1, sizeof(PAGE1) - 1, "", &c, &err), 0);
	assert_int_equal(gh_decode_statuses(PAGE2, sizeof(PAGE2) - 1, "", &c, &err), 0);
	assert_int_equal(c.n, 2);
	assert_string_equal(c.v[0].state, "success");
	assert_string_equal(c.v[1].name, "lint");
	assert_int_equal(c.v[1].creator_id, 9);
	assert_int_equal(c.failing.n, 1);
	assert_int_equal(c.pending.n, 0);
	gh_checks_free(&c);
}

/* --- GraphQL ------------------------------------------------------------------------------------------------------------------------- */

#define PULL(more) "{\"data\":{\"repository\":{\"pullRequest\":{\"headRefOid\":\"" SHA_B "\"" more "}}}}"
#define THREADS(nodes, page) ",\"reviewThreads\":{\"nodes\":[" nodes "],\"pageInfo\":" page "}"
#define LAST "{\"hasNextPage\":false,\"endCursor\":\"z\"}"
#define ERROR(type, message) "{\"data\":null,\"errors\":[{\"type\":\"" type "\",\"message\":\"" message "\"}]}"

static int threads(const char *body, struct buf *out, struct err *err)
{
	struct gh_threads t = {0};
	char *cursor = NULL;
	bool limited = false;
	int rc = gh_decode_threads(body, strlen(body), &t, &cursor, &limited, err);
	if (rc == 0)
		buf_printf(out, "%.3s %lld of %lld", t.head_sha, (long long)t.unresolved, (long long)t.total);
	if (rc == 0 && t.queued)
		buf_printf(out, " %s@%lld", t.queue_state, (long long)t.queue_position);
	if (cursor != NULL)
		buf_printf(out, " after %s", cursor);
	assert_int_equal(limited, rc == ERR_UNAVAILABLE);
	free(cursor);
	gh_threads_free(&t);
	return rc;
}

static void test_threads(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{PULL(THREADS("", LAST)), 0, "bbb 0 of 0"},
		{PULL(THREADS("{\"isResolved\":true},{\"isResolved\":false},{\"isResolved\":false}", LAST)), 0, "bbb 2 of 3"},
		{PULL(THREADS("{\"isResolved\":true}", "{\"hasNextPage\":true,\"endCursor\":\"c1\"}")), 0, "bbb 0 of 1 after c1"},
		{PULL(",\"mergeQueueEntry\":null" THREADS("", LAST)), 0, "bbb 0 of 0"},
		{PULL(",\"mergeQueueEntry\":{\"state\":\"QUEUED\",\"position\":3}" THREADS("", LAST)), 0, "bbb 0 of 0 QUEUED@3"},
		/* whatever cannot be read is unknown */
		{PULL(THREADS("{\"isResolved\":null}", LAST)), ERR_PARSE, "data.repository.pullRequest.reviewThreads.nodes[0].isResolved"},
		{PULL(THREADS("null", LAST)), ERR_PARSE, "data.repository.pullRequest.reviewThreads.nodes[0]"},
		{PULL(THREADS("", "{\"hasNextPage\":true,\"endCursor\":null}")), ERR_PARSE, "data.repository.pullRequest.reviewThreads.pageInfo.endCursor"},
		{PULL(THREADS("", "{}")), ERR_PARSE, "data.repository.pullRequest.reviewThreads.pageInfo.hasNextPage: missing"},
		{PULL(""), ERR_PARSE, "data.repository.pullRequest.reviewThreads: missing"},
		{PULL(",\"mergeQueueEntry\":{\"state\":\"QUEUED\"}" THREADS("", LAST)), ERR_PARSE, "data.repository.pullRequest.mergeQueueEntry.position: missing"},
		{"{\"data\":{\"repository\":null}}", ERR_PARSE, "data.repository"},
		{"{\"data\":{\"repository\":{\"pullRequest\":null}}}", ERR_PARSE, "data.repository.pullRequest"},
		{"{\"data\":null}", ERR_PARSE, "data"},
		{"{}", ERR_PARSE, "data: missing"},
		{"[]", ERR_PARSE, "expected an object"},
		/* errors inside a 200, even beside data */
		{"{\"data\":{\"repository\":{\"pullRequest\":{\"headRefOid\":\"" SHA_B "\"" THREADS("", LAST) "}}},\"errors\":[{\"type\":\"FORBIDDEN\",\"message\":\"Resource not accessible by integration.\"}]}",
		 ERR_REFUSED, "Resource not accessible by integration (the token or the App lacks a permission"},
		{ERROR("RATE_LIMITED", "API rate limit exceeded for installation ID 77."), ERR_UNAVAILABLE, "API rate limit exceeded for installation ID 77 (GitHub"},
		{ERROR("NOT_FOUND", "Could not resolve to a PullRequest"), ERR_NOT_FOUND, "Could not resolve to a PullRequest (it does not exist"},
		{ERROR("UNPROCESSABLE", "Head sha does not match"), ERR_REFUSED, "Head sha does not match (GitHub does not allow"},
		{ERROR("NEW_KIND", "a\\u0007b\\nc"), ERR_PARSE, "GitHub answers with an error: ab c"},
		{"{\"data\":null,\"errors\":[{}]}", ERR_PARSE, "GitHub answers with an error: an error without a message"},
		{"{\"data\":null,\"errors\":[7]}", ERR_PARSE, "GitHub answers with an error: an error without a message"},
		{"{\"data\":{},\"errors\":{}}", ERR_PARSE, "errors"},
	};
	check_rows(rows, ARRAY_LEN(rows), threads);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commits),	   cmocka_unit_test(test_open_pulls), cmocka_unit_test(test_deployments), cmocka_unit_test(test_deliveries),
		cmocka_unit_test(test_find_check), cmocka_unit_test(test_check_rows), cmocka_unit_test(test_status_history), cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests_name("github/decode_lists", tests, NULL, NULL);
}
