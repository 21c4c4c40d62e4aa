/* Each call of github/gh.h against a scripted server: what goes over the wire, and what comes back to the caller. */
#include "base/clock.h"
#include "base/limits.h"
#include "github/gh_priv.h"
#include "tests/support/github_double.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define PULL                                                                                                                               \
	"{\"number\":7,\"title\":\"T\",\"state\":\"open\",\"merged\":false,\"base\":{\"ref\":\"main\",\"sha\":\"" SHA_B                    \
	"\",\"repo\":{\"id\":5,\"full_name\":\"acme/infra\",\"clone_url\":\"https://h/acme/infra.git\"}},\"head\":{\"ref\":\"x\","       \
	"\"sha\":\"" SHA_A "\",\"repo\":null},\"user\":null}"
#define REPO(merge, squash, rebase)                                                                                                        \
	"{\"id\":5,\"full_name\":\"acme/infra\",\"allow_merge_commit\":" merge ",\"allow_squash_merge\":" squash                         \
	",\"allow_rebase_merge\":" rebase "}"
#define REVIEW(login) "[{\"user\":{\"id\":1,\"login\":\"" login "\",\"type\":\"User\"},\"state\":\"APPROVED\",\"commit_id\":\"" SHA_A "\"}]"
#define PULL_RULE                                                                                                                          \
	"{\"type\":\"pull_request\",\"parameters\":{\"required_approving_review_count\":1,\"dismiss_stale_reviews_on_push\":false,"           \
	"\"require_code_owner_review\":false,\"require_last_push_approval\":false,\"required_review_thread_resolution\":false}}"
#define TIP "\"commit\":{\"sha\":\"" SHA_B "\"}"
#define NEXT "Link: <$URL/p2?page=2>; rel=\"next\", <$URL/p2?page=2>; rel=\"last\"\r\n"
#define MINE(id) "{\"id\":" #id ",\"body\":\"<!-- m -->\\nx\",\"user\":{\"id\":9,\"login\":\"me\"}}"

enum { SCRIPT_MAX = 8 };

struct scripted {
	int status; /* 0: reset */
	const char *body, *headers;
};

struct bench {
	struct loop *loop;
	struct gh_double *server;
	struct gh *gh;
	const struct scripted *script;
	size_t served;
	bool forever; /* the first answer again and again */
	struct buf log; /* "METHOD PATH BODY\n" per request */
	bool done;
	struct buf answer; /* what the caller was told, as text */
};

static void serve(const struct double_request *rq, struct double_answer *ret, void *arg)
{
	static char headers[1024];
	struct bench *b = arg;
	buf_printf(&b->log, "%s %s%s%s\n", rq->method, rq->path, rq->body[0] != '\0' ? " " : "", rq->body);
	assert_string_equal(double_header(rq, "authorization"), "Bearer ghs_secret");
	assert_string_equal(double_header(rq, "accept"), "application/vnd.github+json");
	assert_string_equal(double_header(rq, "x-github-api-version"), "2022-11-28");
	assert_string_equal(double_header(rq, "user-agent"), "sluice");
	if (rq->body[0] != '\0')
		assert_string_equal(double_header(rq, "content-type"), "application/json");
	assert_true(b->served < SCRIPT_MAX);
	const struct scripted *s = &b->script[b->forever ? 0 : b->served++];
	ret->status = s->status;
	ret->reset = s->status == 0;
	buf_adds(&ret->body, s->body != NULL ? s->body : "");
	if (s->headers != NULL) {
		const char *at = strstr(s->headers, "$URL");
		(void)snprintf(headers, sizeof(headers), "%.*s%s%s", at != NULL ? (int)(at - s->headers) : 0, s->headers,
			       at != NULL ? double_url(b->server) : "", at != NULL ? at + 4 : s->headers);
		headers[at != NULL ? strcspn(headers, ",") : strlen(headers)] = '\0'; /* one link is enough here */
		if (at != NULL)
			(void)snprintf(headers + strlen(headers), sizeof(headers) - strlen(headers), "\r\n");
		ret->headers = headers;
	}
}

/* Only what the call sets shows up, so that an answer of the wrong kind is seen as well. */
static void told(const struct gh_answer *a, void *arg)
{
	struct bench *b = arg;
	assert_false(b->done);
	b->done = true;
	buf_printf(&b->answer, "%d/%d%s", a->r.err.code, a->r.status, a->r.ambiguous ? " ambiguous" : "");
	if (a->pull != NULL)
		buf_printf(&b->answer, " pull=%lld", (long long)a->pull->number);
	for (size_t i = 0; a->reviews != NULL && i < a->reviews->n; i++)
		buf_printf(&b->answer, " review=%s", a->reviews->v[i].user.login);
	if (a->id != 0)
		buf_printf(&b->answer, " id=%lld", (long long)a->id);
	if (a->sha != NULL)
		buf_printf(&b->answer, " sha=%s", a->sha);
	if (a->permission != NULL)
		buf_printf(&b->answer, " permission=%s", a->permission);
	if (a->yes != 0)
		buf_printf(&b->answer, " yes=%d", a->yes);
	if (a->names != NULL)
		buf_printf(&b->answer, " names=%s", a->names);
	if (a->user != NULL)
		buf_printf(&b->answer, " user=%s", a->user->login);
	if (a->full_name != NULL)
		buf_printf(&b->answer, " name=%s", a->full_name);
	if (a->r.err.code != 0) {
		print_message("  %s\n", a->r.err.msg);
		assert_null(strstr(a->r.err.msg, "ghs_secret"));
	}
}

static void do_self(struct bench *b) { gh_get_self(b->gh, told, b); }
static void do_repo(struct bench *b) { gh_get_repo(b->gh, "acme/infra", told, b); }
static void do_bad_repo(struct bench *b) { gh_get_repo(b->gh, "acme/..", told, b); }
static void do_pull(struct bench *b) { gh_get_pull(b->gh, "acme/infra", 7, told, b); }
static void do_reviews(struct bench *b) { gh_get_reviews(b->gh, "acme/infra", 7, told, b); }
static void do_permission(struct bench *b) { gh_get_permission(b->gh, "acme/infra", "b[bot]", told, b); }
static void do_team(struct bench *b) { gh_get_team_member(b->gh, "acme", "platform", "bob", told, b); }
static void do_protection(struct bench *b) { gh_get_protection(b->gh, "acme/infra", "rel/1", told, b); }
static void do_checks(struct bench *b) { gh_get_checks(b->gh, "acme/infra", SHA_A, "sluice", told, b); }
static void do_find(struct bench *b) { gh_find_comment(b->gh, "acme/infra", 7, 9, "<!-- m -->", told, b); }
static void do_post(struct bench *b) { gh_post_comment(b->gh, "acme/infra", 7, "a \"q\"\n", told, b); }
static void do_edit(struct bench *b) { gh_edit_comment(b->gh, "acme/infra", 3000000001, "b", told, b); }
static void do_merge(struct bench *b) { gh_merge(b->gh, "acme/infra", 7, SHA_A, "Merge it", GH_ANY_METHOD, told, b); }
static void do_status(struct bench *b)
{
	gh_post_status(b->gh, "acme/infra", SHA_A, "sluice/net", "pending", "running", "https://s/runs/1", told, b);
}

#define COMMENT_PATH "/repos/acme/infra/issues/7/comments"
#define GET_STATUS "GET /repos/acme/infra/commits/" SHA_A "/status?per_page=100\n"
#define GET_RUNS "GET /repos/acme/infra/commits/" SHA_A "/check-runs?per_page=100&filter=latest\n"
#define GET_BRANCH "GET /repos/acme/infra/branches/rel%2F1\n"
#define GET_RULES "GET /repos/acme/infra/rules/branches/rel%2F1?per_page=100\n"
#define PUT_MERGE(m)                                                                                                                       \
	"GET /repos/acme/infra\nPUT /repos/acme/infra/pulls/7/merge {\"sha\":\"" SHA_A "\",\"merge_method\":\"" m                       \
	"\",\"commit_title\":\"Merge it\"}\n"

struct row {
	void (*call)(struct bench *b);
	struct scripted script[SCRIPT_MAX];
	const char *log, *answer;
};

static const struct row ROWS[] = {
	{do_self, {{200, "{\"id\":9,\"login\":\"me\",\"type\":\"Bot\"}", NULL}}, "GET /user\n", "0/200 id=9 user=me"},
	{do_self, {{401, "{\"message\":\"Bad credentials\"}", NULL}}, "GET /user\n", "-5/401"},
	{do_self, {{200, "{\"id\":9", NULL}}, "GET /user\n", "-2/200"},
	{do_repo, {{200, REPO("true", "true", "true"), NULL}}, "GET /repos/acme/infra\n", "0/200 id=5 name=acme/infra"},
	{do_bad_repo, {{0}}, "", "-1/0"},
	/* reads are tried again: a reset, a 502, and for a pull request a 404 */
	{do_repo, {{0}, {502, "", NULL}, {200, REPO("true", "true", "true"), NULL}},
	 "GET /repos/acme/infra\nGET /repos/acme/infra\nGET /repos/acme/infra\n", "0/200 id=5 name=acme/infra"},
	{do_repo, {{404, "", NULL}}, "GET /repos/acme/infra\n", "-4/404"},
	{do_pull, {{404, "", NULL}, {404, "", NULL}, {200, PULL, NULL}},
	 "GET /repos/acme/infra/pulls/7\nGET /repos/acme/infra/pulls/7\nGET /repos/acme/infra/pulls/7\n", "0/200 pull=7"},
	{do_pull, {{404, "", NULL}, {404, "", NULL}, {404, "", NULL}, {404, "", NULL}},
	 "GET /repos/acme/infra/pulls/7\nGET /repos/acme/infra/pulls/7\nGET /repos/acme/infra/pulls/7\nGET /repos/acme/infra/pulls/7\n", "-4/404"},
	{do_pull, {{200, "{}", NULL}}, "GET /repos/acme/infra/pulls/7\n", "-2/200"},
	/* pages */
	{do_reviews, {{200, REVIEW("a"), NEXT}, {200, REVIEW("b"), NULL}},
	 "GET /repos/acme/infra/pulls/7/reviews?per_page=100\nGET /p2?page=2\n", "0/200 review=a review=b"},
	{do_reviews, {{200, REVIEW("a"), NEXT}, {0}, {200, REVIEW("b"), NULL}},
	 "GET /repos/acme/infra/pulls/7/reviews?per_page=100\nGET /p2?page=2\nGET /p2?page=2\n", "0/200 review=a review=b"},
	{do_reviews, {{200, REVIEW("a"), "Link: <https://evil.example/p2>; rel=\"next\"\r\n"}},
	 "GET /repos/acme/infra/pulls/7/reviews?per_page=100\n", "-5/200"},
	{do_reviews, {{200, REVIEW("a"), NEXT}, {403, "", NULL}}, "GET /repos/acme/infra/pulls/7/reviews?per_page=100\nGET /p2?page=2\n", "-5/403"},
	{do_permission, {{200, "{\"permission\":\"write\",\"role_name\":\"maintain\"}", NULL}},
	 "GET /repos/acme/infra/collaborators/b%5Bbot%5D/permission\n", "0/200 permission=write"},
	{do_permission, {{404, "", NULL}}, "GET /repos/acme/infra/collaborators/b%5Bbot%5D/permission\n", "-4/404"},
	{do_team, {{200, "{\"state\":\"active\",\"role\":\"member\"}", NULL}}, "GET /orgs/acme/teams/platform/memberships/bob\n", "0/200 yes=1"},
	{do_team, {{200, "{\"state\":\"pending\"}", NULL}}, "GET /orgs/acme/teams/platform/memberships/bob\n", "0/200"},
	{do_team, {{404, "", NULL}}, "GET /orgs/acme/teams/platform/memberships/bob\n", "0/404"},
	{do_team, {{403, "", NULL}}, "GET /orgs/acme/teams/platform/memberships/bob\n", "-5/403"},
	/* protection: unknown is never yes */
	{do_protection, {{200, "{\"protected\":true," TIP "}", NULL}}, GET_BRANCH, "0/200 sha=" SHA_B " yes=1"},
	{do_protection, {{200, "{\"protected\":false," TIP "}", NULL}, {200, "[" PULL_RULE "]", NULL}}, GET_BRANCH GET_RULES, "0/200 sha=" SHA_B " yes=1"},
	{do_protection, {{200, "{\"protected\":false," TIP "}", NULL}, {200, "[{\"type\":\"deletion\"}]", NULL}}, GET_BRANCH GET_RULES, "0/200 sha=" SHA_B},
	{do_protection, {{200, "{\"protected\":false," TIP "}", NULL}, {200, "[{\"type\":\"deletion\"}]", NEXT}, {200, "[" PULL_RULE "]", NULL}},
	 GET_BRANCH GET_RULES "GET /p2?page=2\n", "0/200 sha=" SHA_B " yes=1"},
	{do_protection, {{200, "{\"protected\":false," TIP "}", NULL}, {404, "", NULL}}, GET_BRANCH GET_RULES, "0/404 sha=" SHA_B},
	{do_protection, {{200, "{\"protected\":false," TIP "}", NULL}, {403, "", NULL}}, GET_BRANCH GET_RULES, "-5/403 sha=" SHA_B},
	{do_protection, {{200, "{\"protected\":null}", NULL}}, GET_BRANCH, "-2/200"},
	{do_protection, {{404, "", NULL}}, GET_BRANCH, "-4/404"},
	{do_protection, {{403, "", NULL}}, GET_BRANCH, "-5/403"},
	/* checks */
	{do_checks, {{200, "{\"statuses\":[{\"context\":\"ci\",\"state\":\"success\"}]}", NULL}, {200, "{\"check_runs\":[]}", NULL}},
	 GET_STATUS GET_RUNS, "0/200 yes=1 names="},
	{do_checks, {{200, "{\"statuses\":[{\"context\":\"ci\",\"state\":\"pending\"},{\"context\":\"sluice\",\"state\":\"pending\"}]}", NULL},
		     {200, "{\"check_runs\":[{\"name\":\"x\",\"status\":\"queued\",\"conclusion\":null}]}", NULL}},
	 GET_STATUS GET_RUNS, "0/200 yes=-1 names=ci, x"},
	{do_checks, {{200, "{\"statuses\":[{\"context\":\"ci\",\"state\":\"pending\"}]}", NEXT},
		     {200, "{\"statuses\":[{\"context\":\"lint\",\"state\":\"error\"}]}", NULL}, {200, "{\"check_runs\":[]}", NULL}},
	 GET_STATUS "GET /p2?page=2\n" GET_RUNS, "0/200 names=lint"},
	{do_checks, {{200, "{\"statuses\":[]}", NULL}, {403, "", NULL}}, GET_STATUS GET_RUNS, "-5/403"},
	/* our comment */
	{do_find, {{200, "[" MINE(4) "]", NEXT}, {200, "[" MINE(6) "]", NULL}}, "GET " COMMENT_PATH "?per_page=100\nGET /p2?page=2\n", "0/200 id=6"},
	{do_find, {{200, "[]", NULL}}, "GET " COMMENT_PATH "?per_page=100\n", "0/200"},
	{do_find, {{200, "[" MINE(4) "]", NEXT}, {404, "", NULL}}, "GET " COMMENT_PATH "?per_page=100\nGET /p2?page=2\n", "-4/404 id=4"},
	/* writes are sent once */
	{do_post, {{201, "{\"id\":3000000001,\"user\":{\"id\":9,\"login\":\"me\"}}", NULL}}, "POST " COMMENT_PATH " {\"body\":\"a \\\"q\\\"\\n\"}\n",
	 "0/201 id=3000000001 user=me"},
	{do_post, {{0}}, "POST " COMMENT_PATH " {\"body\":\"a \\\"q\\\"\\n\"}\n", "-8/0 ambiguous"},
	{do_post, {{502, "", NULL}}, "POST " COMMENT_PATH " {\"body\":\"a \\\"q\\\"\\n\"}\n", "-8/502 ambiguous"},
	{do_post, {{201, "{\"id\":", NULL}}, "POST " COMMENT_PATH " {\"body\":\"a \\\"q\\\"\\n\"}\n", "-2/201 ambiguous"},
	{do_post, {{403, "{\"message\":\"Unable to create comment because issue is locked.\"}", NULL}},
	 "POST " COMMENT_PATH " {\"body\":\"a \\\"q\\\"\\n\"}\n", "-5/403"},
	{do_edit, {{200, "{\"id\":3000000001,\"user\":null}", NULL}}, "PATCH /repos/acme/infra/issues/comments/3000000001 {\"body\":\"b\"}\n",
	 "0/200 id=3000000001 user=ghost"},
	{do_status, {{201, "{}", NULL}},
	 "POST /repos/acme/infra/statuses/" SHA_A " {\"state\":\"pending\",\"context\":\"sluice/net\",\"description\":\"running\","
	 "\"target_url\":\"https://s/runs/1\"}\n", "0/201"},
	/* the merge takes the method that is allowed */
	{do_merge, {{200, REPO("true", "true", "true"), NULL}, {200, "{\"sha\":\"" SHA_B "\",\"merged\":true}", NULL}}, PUT_MERGE("merge"),
	 "0/200 sha=" SHA_B},
	{do_merge, {{200, REPO("false", "true", "true"), NULL}, {200, "{\"sha\":\"" SHA_B "\"}", NULL}}, PUT_MERGE("squash"), "0/200 sha=" SHA_B},
	{do_merge, {{200, REPO("false", "false", "true"), NULL}, {405, "", NULL}}, PUT_MERGE("rebase"), "-5/405"},
	{do_merge, {{200, REPO("false", "false", "false"), NULL}}, "GET /repos/acme/infra\n", "-5/200"},
	{do_merge, {{200, REPO("true", "true", "true"), NULL}, {409, "", NULL}}, PUT_MERGE("merge"), "-6/409"},
	{do_merge, {{200, REPO("true", "true", "true"), NULL}, {0}}, PUT_MERGE("merge"), "-8/0 ambiguous"},
};

static void open_bench(struct bench *b)
{
	*b = (struct bench){.loop = loop_new()};
	b->server = double_start(b->loop, serve, b);
	b->gh = gh_new(b->loop, &(struct gh_options){.api_url = double_url(b->server), .token = "ghs_secret"});
	for (size_t i = 0; i < GH_RETRIES; i++)
		b->gh->backoff_ms[i] = 1;
}

static void close_bench(struct bench *b)
{
	gh_close(b->gh);
	double_close(b->server);
	loop_close(b->loop); /* asserts that no handle is left */
	buf_free(&b->log);
	buf_free(&b->answer);
}

static void call(struct bench *b, void (*fn)(struct bench *b), const struct scripted *script)
{
	buf_reset(&b->log);
	buf_reset(&b->answer);
	b->served = 0;
	b->done = false;
	b->script = script;
	fn(b);
	assert_false(b->done); /* never inside the call */
	assert_true(loop_run_until(b->loop, &b->done, 5000));
}

static void test_calls(void **state)
{
	(void)state;
	struct bench b;
	open_bench(&b);
	for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
		call(&b, ROWS[i].call, ROWS[i].script);
		if (strcmp(buf_str(&b.log), ROWS[i].log) != 0 || strcmp(buf_str(&b.answer), ROWS[i].answer) != 0)
			fail_msg("row %zu sent\n%sand told \"%s\", expected\n%sand \"%s\"", i, buf_str(&b.log), buf_str(&b.answer), ROWS[i].log,
				 ROWS[i].answer);
	}
	close_bench(&b);
}

static void test_pages_have_an_end(void **state)
{
	(void)state;
	struct bench b;
	static const struct scripted endless = {200, "[]", NEXT};
	open_bench(&b);
	b.script = &endless;
	b.forever = true;
	gh_get_reviews(b.gh, "acme/infra", 7, told, &b);
	assert_true(loop_run_until(b.loop, &b.done, 5000));
	assert_string_equal(buf_str(&b.answer), "-3/200");
	size_t lines = 0;
	for (size_t i = 0; i < b.log.len; i++)
		lines += b.log.data[i] == '\n';
	assert_int_equal(lines, LIMIT_GITHUB_PAGES);
	close_bench(&b);
}

static void test_a_pause_is_kept(void **state)
{
	(void)state;
	struct bench b;
	static const struct scripted limited[] = {{403, "", "retry-after: 30\r\n"}}, fine[] = {{200, "{\"id\":9,\"login\":\"me\"}", NULL}};
	open_bench(&b);
	clock_fake_set(INT64_C(1800000000000));
	call(&b, do_self, limited);
	assert_string_equal(buf_str(&b.answer), "-8/403");
	clock_fake_advance(29000);
	call(&b, do_repo, fine);
	assert_string_equal(buf_str(&b.log), ""); /* nothing is sent meanwhile */
	assert_string_equal(buf_str(&b.answer), "-8/0");
	clock_fake_advance(1000);
	call(&b, do_self, fine);
	assert_string_equal(buf_str(&b.answer), "0/200 id=9 user=me");
	clock_fake_off();
	close_bench(&b);
}

/* 140 characters, not bytes. */
static void test_description_is_cut(void **state)
{
	(void)state;
	struct bench b;
	static const struct scripted fine[] = {{201, "{}", NULL}};
	CLEANUP_BUF struct buf text = {0}, want = {0};
	open_bench(&b);
	for (int i = 0; i < 150; i++)
		buf_adds(&text, "\xc3\xbc");
	for (unsigned i = 0; i < LIMIT_STATUS_DESCRIPTION; i++)
		buf_adds(&want, "\xc3\xbc");
	b.script = fine;
	gh_post_status(b.gh, "acme/infra", SHA_A, "c", "success", buf_str(&text), NULL, told, &b);
	assert_true(loop_run_until(b.loop, &b.done, 5000));
	CLEANUP_FREE char *line = xasprintf("POST /repos/acme/infra/statuses/" SHA_A " {\"state\":\"success\",\"context\":\"c\",\"description\":\"%s\"}\n",
					    buf_str(&want));
	assert_string_equal(buf_str(&b.log), line);
	close_bench(&b);
}

static void test_cancel_and_close(void **state)
{
	(void)state;
	struct bench b;
	static const struct scripted down[] = {{500, "", NULL}, {500, "", NULL}, {500, "", NULL}, {500, "", NULL}};
	int other = 0;
	open_bench(&b);
	b.gh->backoff_ms[0] = 60000;
	b.script = down;
	gh_get_self(b.gh, told, &other); /* would write to an int */
	gh_cancel(b.gh, &other);
	gh_get_self(b.gh, told, &b);
	assert_false(loop_run_until(b.loop, &b.done, 50)); /* in its backoff now */
	gh_get_self(b.gh, told, &b);                       /* and one on the wire */
	gh_get_repo(b.gh, "..", told, &b);                 /* and one that will be refused */
	close_bench(&b);
	assert_false(b.done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),		   cmocka_unit_test(test_pages_have_an_end),
		cmocka_unit_test(test_a_pause_is_kept),	   cmocka_unit_test(test_description_is_cut),
		cmocka_unit_test(test_cancel_and_close),
	};
	return cmocka_run_group_tests_name("github/gh", tests, NULL, NULL);
}
