/* Calls of an App that need several requests or say no in their own words: what goes over the wire with which token, and what comes back. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "tests/support/app_github.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define NOW INT64_C(1800000000000)
#define NEXT "Link: <$URL/p2?page=2>; rel=\"next\"\r\n"
#define COMMIT "{\"sha\":\"" SHA_A "\",\"author\":null,\"committer\":null,\"parents\":[],\"commit\":{}}"
#define OPEN(n) "{\"number\":" #n ",\"head\":{\"sha\":\"" SHA_A "\",\"repo\":{\"id\":5}},\"base\":{\"ref\":\"main\",\"repo\":{\"id\":5}}}"
#define DELIVERY(id, s) "{\"id\":" #id ",\"guid\":\"g\",\"event\":\"push\",\"status\":\"OK\",\"delivered_at\":\"1970-01-01T00:00:" s "Z\"}"
#define THREADS(more) "{\"data\":{\"repository\":{\"pullRequest\":{\"headRefOid\":\"" SHA_A "\",\"reviewThreads\":{\"nodes\":[{\"isResolved\":false}],\"pageInfo\":" more "}}}}}"

enum { SCRIPT_MAX = 6 };

struct scripted {
	int status;
	const char *body, *headers;
};

struct bench {
	struct app_github g;
	const struct scripted *script;
	size_t served;
	bool forever, bodies;
	bool done;
	struct buf answer;
};

static void serve(const struct double_request *rq, struct double_answer *ret, void *arg)
{
	static char headers[256];
	struct bench *b = arg;
	if (b->bodies && rq->body[0] != '\0')
		buf_printf(&b->g.log, "  %s\n", rq->body);
	assert_true(b->served < SCRIPT_MAX);
	const struct scripted *s = &b->script[b->forever ? 0 : b->served++];
	ret->status = s->status;
	buf_adds(&ret->body, s->body != NULL ? s->body : "");
	if (s->headers == NULL)
		return;
	const char *at = strstr(s->headers, "$URL");
	(void)snprintf(headers, sizeof(headers), "%.*s%s%s", (int)(at - s->headers), s->headers, double_url(b->g.server), at + 4);
	ret->headers = headers;
}

static void told(const struct gh_answer *a, void *arg)
{
	struct bench *b = arg;
	assert_false(b->done);
	b->done = true;
	buf_printf(&b->answer, "%d/%d%s", a->r.err.code, a->r.status, a->r.ambiguous ? " ambiguous" : "");
	if (a->id != 0)
		buf_printf(&b->answer, " id=%lld", (long long)a->id);
	if (a->sha != NULL)
		buf_printf(&b->answer, " sha=%.3s", a->sha);
	if (a->commits != NULL)
		buf_printf(&b->answer, " commits=%zu", a->commits->n);
	if (a->rules != NULL)
		buf_printf(&b->answer, " rules=%s%s%lld", a->rules->classic ? "classic " : "", a->rules->found ? "" : "none ", (long long)a->rules->approvals);
	if (a->threads != NULL)
		buf_printf(&b->answer, " threads=%lld/%lld%s", (long long)a->threads->unresolved, (long long)a->threads->total,
			   a->threads->queued ? " queued" : "");
	for (size_t i = 0; a->deployments != NULL && i < a->deployments->n; i++)
		buf_printf(&b->answer, " %s=%s", a->deployments->v[i].environment, a->deployments->v[i].state);
	for (size_t i = 0; a->open_pulls != NULL && i < a->open_pulls->n; i++)
		buf_printf(&b->answer, " pull=%lld", (long long)a->open_pulls->v[i].number);
	for (size_t i = 0; a->deliveries != NULL && i < a->deliveries->n; i++)
		buf_printf(&b->answer, " delivery=%lld", (long long)a->deliveries->v[i].id);
	if (a->delivery != NULL)
		buf_printf(&b->answer, " payload=%s", a->delivery->payload);
	for (size_t i = 0; i < a->checks_n; i++)
		buf_printf(&b->answer, " check=%s/%s", a->checks[i].name, a->checks[i].state);
	if (a->r.err.code != 0)
		print_message("  %s\n", a->r.err.msg);
}

static void do_commits(struct bench *b) { gh_get_commits(b->g.gh, "acme/infra", 7, told, b); }
static void do_rules(struct bench *b) { gh_get_rules(b->g.gh, "acme/infra", "rel/1", told, b); }
static void do_classic(struct bench *b) { gh_get_classic(b->g.gh, "acme/infra", "rel/1", told, b); }
static void do_contents(struct bench *b) { gh_get_contents_id(b->g.gh, "acme/infra", ".github/a b/CODEOWNERS", "refs/heads/x", told, b); }
static void do_climb(struct bench *b) { gh_get_contents_id(b->g.gh, "acme/infra", "a/../../x", "main", told, b); }
static void do_threads(struct bench *b) { gh_get_threads(b->g.gh, "acme/infra", 7, told, b); }
static void do_enqueue(struct bench *b) { gh_enqueue(b->g.gh, "acme/infra", 7, SHA_A, told, b); }
static void do_deployments(struct bench *b) { gh_get_deployments(b->g.gh, "acme/infra", SHA_A, told, b); }
static void do_open(struct bench *b) { gh_list_open_pulls(b->g.gh, "acme/infra", told, b); }
static void do_deliveries(struct bench *b) { gh_list_deliveries(b->g.gh, 5000, told, b); }
static void do_delivery(struct bench *b) { gh_get_delivery(b->g.gh, 12, told, b); }
static void do_checks(struct bench *b) { gh_get_checks(b->g.gh, "acme/infra", SHA_A, "sluice", told, b); }
static void do_find(struct bench *b) { gh_find_check(b->g.gh, "acme/infra", SHA_A, "sluice: all", "r9", told, b); }
static void do_squash(struct bench *b) { gh_merge(b->g.gh, "acme/infra", 7, SHA_A, NULL, GH_METHOD_SQUASH | GH_METHOD_REBASE, told, b); }
static void do_rebase(struct bench *b) { gh_merge(b->g.gh, "acme/infra", 7, SHA_A, NULL, GH_METHOD_REBASE, told, b); }
static void do_post(struct bench *b)
{
	gh_post_check(b->g.gh, "acme/infra",
		      &(struct gh_check){.name = "sluice", .head_sha = SHA_A, .external_id = "r9", .status = "completed", .conclusion = "failure", .title = "T",
					 .summary = "S", .annotations = "[{\"path\":\"a.tf\"}]", .actions = "[{\"label\":\"Plan\"}]"}, told, b);
}
static void do_edit(struct bench *b)
{
	gh_edit_check(b->g.gh, "acme/infra", 3, &(struct gh_check){.head_sha = SHA_A, .status = "in_progress", .title = "T"}, told, b);
}
static void do_too_many(struct bench *b)
{
	gh_post_check(b->g.gh, "acme/infra", &(struct gh_check){.name = "sluice", .head_sha = SHA_A, .actions = "[1,2,3,4]"}, told, b);
}
static void do_no_json(struct bench *b)
{
	gh_edit_check(b->g.gh, "acme/infra", 3, &(struct gh_check){.status = "queued", .title = "T", .annotations = "[}"}, told, b);
}

#define R "/repos/acme/infra"
#define GET_RULES "GET " R "/rules/branches/rel%2F1?per_page=100 t1\n"
#define GET_CLASSIC "GET " R "/branches/rel%2F1/protection t1\n"
#define GET_CONTENTS "GET " R "/contents/.github/a%20b/CODEOWNERS?ref=refs%2Fheads%2Fx t1\n"
#define LOG "GET /app/hook/deliveries?per_page=100 jwt1\n"
#define Q "POST /graphql t1\n"
#define OK_MERGE {200, "{\"sha\":\"" SHA_B "\"}", NULL}
#define REPO(squash) {200, "{\"id\":5,\"full_name\":\"R\",\"allow_merge_commit\":true,\"allow_squash_merge\":" squash ",\"allow_rebase_merge\":true}", NULL}

struct row {
	void (*call)(struct bench *b);
	struct scripted script[SCRIPT_MAX];
	const char *log, *answer;
};

static const struct row ROWS[] = {
	{do_commits, {{200, "[" COMMIT "]", NEXT}, {200, "[" COMMIT "," COMMIT "]", NULL}}, "GET " R "/pulls/7/commits?per_page=100 t1\nGET /p2?page=2 t1\n",
	 "0/200 commits=3"},
	{do_commits, {{200, "[" COMMIT "]", NEXT}, {200, "[{}]", NULL}}, "GET " R "/pulls/7/commits?per_page=100 t1\nGET /p2?page=2 t1\n", "-2/200"},
	{do_rules, {{200, "[]", NULL}}, GET_RULES, "0/200 rules=none 0"},
	{do_rules, {{200, "[]", NEXT}, {200, "[{\"type\":\"required_signatures\"}]", NULL}}, GET_RULES "GET /p2?page=2 t1\n", "0/200 rules=0"},
	{do_rules, {{404, "{\"message\":\"Not Found\"}", NULL}}, GET_RULES, "-4/404"},
	{do_rules, {{403, "", NULL}}, GET_RULES, "-5/403"},
	{do_rules, {{200, "[{\"type\":\"required_signatures\"}]", NEXT}, {403, "", NULL}}, GET_RULES "GET /p2?page=2 t1\n", "-5/403"},
	/* classic: only GitHub's own words mean that there is none */
	{do_classic, {{200, "{\"required_pull_request_reviews\":{\"dismiss_stale_reviews\":true,\"require_code_owner_reviews\":false,\"required_approving_review_count\":2}}", NULL}},
	 GET_CLASSIC, "0/200 rules=classic 2"},
	{do_classic, {{404, "{\"message\":\"Branch not protected\"}", NULL}}, GET_CLASSIC, "0/404 rules=classic none 0"},
	{do_classic, {{404, "{\"message\":\"Not Found\"}", NULL}}, GET_CLASSIC, "-4/404"},
	{do_classic, {{404, "{\"message\":\"Branch not found\"}", NULL}}, GET_CLASSIC, "-4/404"},
	{do_classic, {{404, "", NULL}}, GET_CLASSIC, "-4/404"},
	{do_classic, {{403, "{\"message\":\"Resource not accessible by integration\"}", NULL}}, GET_CLASSIC, "-5/403"},
	{do_contents, {{200, "{\"type\":\"file\",\"sha\":\"" SHA_B "\"}", NULL}}, GET_CONTENTS, "0/200 sha=bbb"},
	{do_contents, {{404, "", NULL}}, GET_CONTENTS, "0/404"},
	{do_contents, {{403, "", NULL}}, GET_CONTENTS, "-5/403"},
	{do_contents, {{200, "[]", NULL}}, GET_CONTENTS, "-5/200"},
	{do_climb, {{0}}, "", "-1/0"},
	{do_threads, {{200, THREADS("{\"hasNextPage\":true,\"endCursor\":\"c\"}"), NULL}, {200, THREADS("{\"hasNextPage\":false,\"endCursor\":null}"), NULL}}, Q Q,
	 "0/200 threads=2/2"},
	{do_threads, {{502, "", NULL}, {200, THREADS("{\"hasNextPage\":false}"), NULL}}, Q Q, "0/200 threads=1/1"}, /* a question may be repeated */
	{do_threads, {{200, "{\"data\":null,\"errors\":[{\"type\":\"NOT_FOUND\",\"message\":\"m\"}]}", NULL}}, Q, "-4/200"},
	{do_threads, {{200, "{\"data\":null,\"errors\":[{\"type\":\"ODD\",\"message\":\"m\"}]}", NULL}}, Q, "-2/200"},
	{do_deployments, {{200, "[{\"id\":4,\"environment\":\"test\"},{\"id\":3,\"environment\":\"prod\"}]", NULL}, {200, "[{\"id\":1,\"state\":\"success\"}]", NULL}, {200, "[]", NULL}},
	 "GET " R "/deployments?sha=" SHA_A "&per_page=100 t1\nGET " R "/deployments/4/statuses?per_page=100 t1\nGET " R "/deployments/3/statuses?per_page=100 t1\n",
	 "0/200 test=success prod=pending"},
	{do_deployments, {{200, "[{\"id\":4,\"environment\":\"test\"}]", NULL}, {403, "", NULL}},
	 "GET " R "/deployments?sha=" SHA_A "&per_page=100 t1\nGET " R "/deployments/4/statuses?per_page=100 t1\n", "-5/403"},
	{do_open, {{200, "[" OPEN(7) "]", NEXT}, {200, "[" OPEN(8) "]", NULL}}, "GET " R "/pulls?state=open&per_page=100 t1\nGET /p2?page=2 t1\n", "0/200 pull=7 pull=8"},
	/* the delivery log is read as far back as was asked */
	{do_deliveries, {{200, "[" DELIVERY(9, "09") "]", NEXT}, {200, "[" DELIVERY(5, "05") "," DELIVERY(4, "04") "]", NEXT}}, LOG "GET /p2?page=2 jwt1\n",
	 "0/200 delivery=9 delivery=5 delivery=4"},
	{do_deliveries, {{200, "[" DELIVERY(9, "09") "]", NULL}}, LOG, "0/200 delivery=9"},
	{do_deliveries, {{200, "[]", NULL}}, LOG, "0/200"},
	{do_delivery, {{200, "{\"id\":12,\"guid\":\"g\",\"event\":\"push\",\"status\":\"OK\",\"delivered_at\":\"1970-01-01T00:00:05Z\",\"request\":{\"payload\":{\"a\":1}}}", NULL}},
	 "GET /app/hook/deliveries/12 jwt1\n", "0/200 payload={\"a\":1}"},
	{do_checks, {{200, "{\"statuses\":[{\"context\":\"ci\",\"state\":\"pending\"}]}", NULL}, {200, "{\"check_runs\":[{\"name\":\"x\",\"status\":\"queued\",\"conclusion\":null}]}", NULL}},
	 "GET " R "/commits/" SHA_A "/status?per_page=100 t1\nGET " R "/commits/" SHA_A "/check-runs?per_page=100&filter=latest t1\n",
	 "0/200 check=ci/pending check=x/pending"},
	{do_find, {{200, "{\"check_runs\":[{\"id\":3,\"name\":\"sluice: all\",\"external_id\":\"r9\",\"app\":{\"id\":4711}}]}", NEXT},
		   {200, "{\"check_runs\":[]}", NULL}}, "GET " R "/commits/" SHA_A "/check-runs?check_name=sluice%3A%20all&filter=all&per_page=100 t1\nGET /p2?page=2 t1\n",
	 "0/200 id=3"},
	{do_too_many, {{0}}, "", "-3/0"},
	{do_no_json, {{0}}, "", "-3/0"},
};

/* Requests that carry something. */
static const struct row WRITES[] = {
	{do_post, {{201, "{\"id\":3}", NULL}},
	 "POST " R "/check-runs t1\n  {\"name\":\"sluice\",\"head_sha\":\"" SHA_A "\",\"external_id\":\"r9\",\"status\":\"completed\",\"conclusion\":\"failure\","
	 "\"output\":{\"title\":\"T\",\"summary\":\"S\",\"annotations\":[{\"path\":\"a.tf\"}]},\"actions\":[{\"label\":\"Plan\"}]}\n", "0/201 id=3"},
	{do_post, {{502, "", NULL}}, NULL, "-8/502 ambiguous"},
	{do_post, {{201, "{}", NULL}}, NULL, "-2/201 ambiguous"},
	{do_edit, {{200, "{\"id\":3}", NULL}}, "PATCH " R "/check-runs/3 t1\n  {\"status\":\"in_progress\",\"output\":{\"title\":\"T\",\"summary\":\"\"}}\n", "0/200 id=3"},
	{do_edit, {{404, "", NULL}}, NULL, "-4/404"},
	{do_squash, {REPO("true"), OK_MERGE}, "GET " R " t1\nPUT " R "/pulls/7/merge t1\n  {\"sha\":\"" SHA_A "\",\"merge_method\":\"squash\"}\n", "0/200 sha=bbb"},
	{do_squash, {REPO("false"), OK_MERGE}, "GET " R " t1\nPUT " R "/pulls/7/merge t1\n  {\"sha\":\"" SHA_A "\",\"merge_method\":\"rebase\"}\n", "0/200 sha=bbb"},
	{do_rebase, {{200, "{\"id\":5,\"full_name\":\"R\",\"allow_rebase_merge\":false}", NULL}}, "GET " R " t1\n", "-5/200"},
	{do_enqueue, {{200, "{\"data\":{\"repository\":{\"pullRequest\":{\"id\":\"PR_1\"}}}}", NULL},
		      {200, "{\"data\":{\"enqueuePullRequest\":{\"mergeQueueEntry\":{\"state\":\"QUEUED\",\"position\":2}}}}", NULL}}, NULL,
	 "0/200 id=2 threads=0/0 queued"},
	{do_enqueue, {{200, "{\"data\":{\"repository\":{\"pullRequest\":{\"id\":\"PR_1\"}}}}", NULL},
		      {200, "{\"data\":{\"enqueuePullRequest\":null},\"errors\":[{\"type\":\"UNPROCESSABLE\",\"message\":\"Head sha mismatch\"}]}", NULL}}, NULL, "-5/200"},
	{do_enqueue, {{200, "{\"data\":{\"repository\":{\"pullRequest\":{\"id\":\"PR_1\"}}}}", NULL}, {502, "", NULL}}, NULL, "-8/502 ambiguous"},
	{do_enqueue, {{200, "{\"data\":{\"repository\":{\"pullRequest\":{\"id\":\"PR_1\"}}}}", NULL}, {200, "{\"data\":{\"enqueuePullRequest\":null}}", NULL}}, NULL,
	 "-2/200 ambiguous"},
	{do_enqueue, {{200, "{\"data\":{\"repository\":{\"pullRequest\":null}}}", NULL}}, NULL, "-2/200"},
};

static void open_bench(struct bench *b)
{
	*b = (struct bench){0};
	app_github_open(&b->g);
	b->g.other = serve;
	b->g.arg = b;
	clock_fake_set(NOW);
}

static void close_bench(struct bench *b)
{
	app_github_close(&b->g);
	buf_free(&b->answer);
	clock_fake_off();
}

/* Each row with a client of its own, so that its token is t1; what asks for that token is taken out of the log. */
static void run_row(const struct row *row, size_t i, bool bodies)
{
	struct bench b;
	open_bench(&b);
	b.script = row->script;
	b.bodies = bodies;
	row->call(&b);
	assert_false(b.done); /* never inside the call */
	assert_true(loop_run_until(b.g.loop, &b.done, 5000));
	const char *log = buf_str(&b.g.log), *mint = strstr(log, "/access_tokens jwt1\n");
	CLEANUP_FREE char *sent = xstrdup(mint != NULL ? mint + strlen("/access_tokens jwt1\n") : log);
	if ((row->log != NULL && strcmp(sent, row->log) != 0) || strcmp(buf_str(&b.answer), row->answer) != 0)
		fail_msg("row %zu sent\n%sand told \"%s\", expected\n%sand \"%s\"", i, sent, buf_str(&b.answer), row->log, row->answer);
	close_bench(&b);
}

static void test_calls(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ROWS); i++)
		run_row(&ROWS[i], i, false);
}

static void test_writes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(WRITES); i++)
		run_row(&WRITES[i], i, true);
}

static void test_queries_are_asked_well(void **state)
{
	(void)state;
	struct bench b;
	static const struct scripted script[] = {{200, THREADS("{\"hasNextPage\":true,\"endCursor\":\"c\\\"1\"}"), NULL}, {200, THREADS("{\"hasNextPage\":false}"), NULL}};
	open_bench(&b);
	b.script = script;
	b.bodies = true;
	do_threads(&b);
	assert_true(loop_run_until(b.g.loop, &b.done, 5000));
	const char *first = strstr(buf_str(&b.g.log), "\"variables\":{\"owner\":\"acme\",\"name\":\"infra\",\"number\":7}}\n");
	assert_non_null(first);
	assert_non_null(strstr(first, "\"variables\":{\"owner\":\"acme\",\"name\":\"infra\",\"number\":7,\"after\":\"c\\\"1\"}}\n"));
	close_bench(&b);
}

/* GraphQL has a budget of its own. */
static void test_query_limit(void **state)
{
	(void)state;
	struct bench b;
	static const struct scripted limited[] = {{200, "{\"data\":null,\"errors\":[{\"type\":\"RATE_LIMITED\",\"message\":\"m\"}]}", NULL}},
				     fine[] = {{200, "[]", NULL}};
	open_bench(&b);
	b.script = limited;
	do_threads(&b);
	assert_true(loop_run_until(b.g.loop, &b.done, 5000));
	assert_string_equal(buf_str(&b.answer), "-8/200");
	b.script = fine;
	b.served = 0;
	for (int i = 0; i < 2; i++) {
		buf_reset(&b.answer);
		b.done = false;
		(i == 0 ? do_threads : do_rules)(&b);
		assert_true(loop_run_until(b.g.loop, &b.done, 5000));
		assert_string_equal(buf_str(&b.answer), i == 0 ? "-8/0" : "0/200 rules=none 0");
	}
	close_bench(&b);
}

/* A list without end, and one that GitHub itself cuts. */
static void test_ends(void **state)
{
	(void)state;
	CLEANUP_BUF struct buf many = {0};
	const struct {
		void (*call)(struct bench *b);
		const char *body;
	} rows[] = {{do_rules, "[]"}, {do_open, "[]"}, {do_commits, "[]"}, {do_deployments, "[]"}, {do_deliveries, "[" DELIVERY(9, "09") "]"}, {do_checks, "{\"statuses\":[]}"},
		    {do_threads, THREADS("{\"hasNextPage\":true,\"endCursor\":\"c\"}")}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bench b;
		const struct scripted endless = {200, rows[i].body, NEXT};
		open_bench(&b);
		b.script = &endless;
		b.forever = true;
		rows[i].call(&b);
		assert_true(loop_run_until(b.g.loop, &b.done, 20000));
		assert_true(text_starts(buf_str(&b.answer), "-3/200"));
		size_t lines = 0;
		for (const char *p = buf_str(&b.answer); (p = strstr(p, " delivery=")) != NULL; p++)
			lines++;
		assert_int_equal(lines, rows[i].call == do_deliveries ? LIMIT_GITHUB_PAGES : 0); /* the newest ones are there all the same */
		close_bench(&b);
	}
	for (unsigned i = 0; i < LIMIT_GITHUB_COMMITS; i++)
		buf_printf(&many, "%s" COMMIT, i > 0 ? "," : "[");
	buf_addc(&many, ']');
	const struct scripted full = {200, buf_str(&many), NULL};
	struct bench b;
	open_bench(&b);
	b.script = &full;
	do_commits(&b);
	assert_true(loop_run_until(b.g.loop, &b.done, 5000));
	assert_string_equal(buf_str(&b.answer), "-3/200");
	close_bench(&b);
}

/* An account can do none of what only an App may, and hears so without a request. */
static void test_account(void **state)
{
	(void)state;
	static void (*const calls[])(struct bench *b) = {do_deliveries, do_delivery, do_post, do_edit};
	struct bench b;
	open_bench(&b);
	gh_close(b.g.gh);
	b.g.gh = gh_new(b.g.loop, &(struct gh_options){.api_url = double_url(b.g.server), .token = "ghp_1"});
	assert_false(gh_is_app(b.g.gh));
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		buf_reset(&b.answer);
		b.done = false;
		calls[i](&b);
		assert_true(loop_run_until(b.g.loop, &b.done, 5000));
		assert_string_equal(buf_str(&b.answer), "-5/0");
	}
	assert_int_equal(b.g.log.len, 0);
	struct app_told t = {0};
	gh_get_token(b.g.gh, "acme/infra", GH_FOR_CLONE, app_told_cb, &t);
	app_wait(&b.g, &t);
	assert_string_equal(t.token, "ghp_1");
	gh_revoke_token(b.g.gh, t.token); /* it is not ours to give back */
	gh_give_back(b.g.gh);
	assert_false(gh_giving_back(b.g.gh));
	app_told_free(&t);
	close_bench(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls), cmocka_unit_test(test_writes), cmocka_unit_test(test_queries_are_asked_well),
		cmocka_unit_test(test_query_limit), cmocka_unit_test(test_ends), cmocka_unit_test(test_account),
	};
	return cmocka_run_group_tests_name("github/gh_calls", tests, NULL, NULL);
}
