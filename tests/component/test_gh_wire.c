/* What the client does around a request: redirects, kept answers, the budget of an installation, turns. */
#include "base/clock.h"
#include "base/limits.h"
#include "tests/support/app_github.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NOW INT64_C(1800000000000)
#define REPO "{\"id\":5,\"full_name\":\"acme/infra\"}"

struct scripted {
	int status;
	const char *headers, *body;
};

/* A second host, and scripted answers of the first. */
struct bench {
	struct app_github g;
	struct gh_double *elsewhere;
	struct buf elsewhere_log; /* "METHOD PATH AUTHORIZATION\n" */
	const struct scripted *script;
	size_t served;
	unsigned most; /* requests at once that were seen */
};

static void serve(const struct double_request *rq, struct double_answer *ret, void *arg)
{
	static char headers[1024];
	struct bench *b = arg;
	const char *etag = double_header(rq, "if-none-match");
	if (etag != NULL)
		buf_printf(&b->g.log, "  if-none-match %s\n", etag);
	if (rq->body[0] != '\0')
		buf_printf(&b->g.log, "  %s\n", rq->body);
	if (b->g.gh != NULL && b->g.gh->on_wire > b->most)
		b->most = b->g.gh->on_wire;
	const struct scripted *s = &b->script[b->served];
	if (b->script[b->served + 1].status != 0)
		b->served++;
	ret->status = s->status;
	buf_adds(&ret->body, s->body != NULL ? s->body : "");
	if (s->headers == NULL)
		return;
	/* $HERE and $THERE are the two hosts */
	const char *at = strchr(s->headers, '$');
	size_t before = at != NULL ? (size_t)(at - s->headers) : strlen(s->headers);
	bool here = at != NULL && strncmp(at, "$HERE", 5) == 0;
	(void)snprintf(headers, sizeof(headers), "%.*s%s%s", (int)before, s->headers,
		       at == NULL ? "" : here ? double_url(b->g.server) : double_url(b->elsewhere), at == NULL ? "" : at + (here ? 5 : 6));
	ret->headers = headers;
}

static void serve_elsewhere(const struct double_request *rq, struct double_answer *ret, void *arg)
{
	struct bench *b = arg;
	const char *authorization = double_header(rq, "authorization");
	buf_printf(&b->elsewhere_log, "%s %s %s\n", rq->method, rq->path, authorization != NULL ? authorization : "none");
	buf_adds(&ret->body, REPO);
}

static void open_bench(struct bench *b, const struct scripted *script)
{
	*b = (struct bench){.script = script};
	app_github_open(&b->g);
	b->elsewhere = double_start(b->g.loop, serve_elsewhere, b);
	b->g.other = serve;
	b->g.arg = b;
	clock_fake_set(NOW);
}

static void close_bench(struct bench *b)
{
	double_close(b->elsewhere);
	app_github_close(&b->g);
	buf_free(&b->elsewhere_log);
	clock_fake_off();
}

static void read_repo(struct bench *b, const char *repo, struct app_told *t)
{
	app_told_free(t);
	gh_get_repo(b->g.gh, repo, app_told_cb, t);
	app_wait(&b->g, t);
}

static void expect_log(struct bench *b, const char *want)
{
	assert_string_equal(buf_str(&b->g.log), want);
	buf_reset(&b->g.log);
}

/* --- redirects ----------------------------------------------------------------------------------------------------------------------- */

static void test_redirects(void **state)
{
	(void)state;
	static const int statuses[] = {301, 302, 307, 308};
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		const struct scripted same[] = {{200, NULL, REPO}, {statuses[i], "Location: $HERE/repositories/5\r\n", NULL}, {200, NULL, REPO}, {0}};
		const struct scripted other[] = {{200, NULL, REPO}, {statuses[i], "Location: $THERE/repositories/5\r\n", NULL}, {0}};
		struct bench b;
		struct app_told t = {0};
		open_bench(&b, same);
		read_repo(&b, "acme/infra", &t);
		buf_reset(&b.g.log);
		read_repo(&b, "acme/infra", &t); /* to the same host: with the token */
		assert_int_equal(t.code, 0);
		expect_log(&b, "GET /repos/acme/infra t1\nGET /repositories/5 t1\n");
		b.script = other;
		b.served = 1;
		read_repo(&b, "acme/infra", &t); /* to another one: without anything that proves who we are */
		assert_int_equal(t.code, 0);
		expect_log(&b, "GET /repos/acme/infra t1\n");
		assert_string_equal(buf_str(&b.elsewhere_log), "GET /repositories/5 none\n");
		app_told_free(&t);
		close_bench(&b);
	}
}

/* A renamed repository: the write goes to where it is now, whole. To another host it is not sent at all. */
static void test_redirected_writes(void **state)
{
	(void)state;
	static const struct scripted same[] = {{307, "Location: $HERE/repositories/5/issues/comments/3\r\n", NULL},
					       {200, NULL, "{\"id\":3,\"user\":null}"}, {0}};
	static const struct scripted other[] = {{307, "Location: $THERE/repositories/5/issues/comments/3\r\n", NULL}, {0}};
	struct bench b;
	struct app_told t = {0};
	open_bench(&b, same);
	gh_edit_comment(b.g.gh, "acme/infra", 3, "b", app_told_cb, &t);
	app_wait(&b.g, &t);
	assert_int_equal(t.code, 0);
	assert_non_null(strstr(buf_str(&b.g.log), "PATCH /repos/acme/infra/issues/comments/3 t1\n  {\"body\":\"b\"}\n"
						  "PATCH /repositories/5/issues/comments/3 t1\n  {\"body\":\"b\"}\n"));
	app_told_free(&t);
	b.script = other;
	b.served = 0;
	gh_edit_comment(b.g.gh, "acme/infra", 3, "b", app_told_cb, &t);
	app_wait(&b.g, &t);
	assert_int_equal(t.code, ERR_REFUSED);
	assert_int_equal(b.elsewhere_log.len, 0);
	app_told_free(&t);
	close_bench(&b);
}

static void test_redirects_have_an_end(void **state)
{
	(void)state;
	static const struct scripted round[] = {{302, "Location: $HERE/repos/acme/infra\r\n", NULL}, {0}};
	struct bench b;
	struct app_told t = {0};
	open_bench(&b, round);
	read_repo(&b, "acme/infra", &t);
	assert_int_equal(t.code, ERR_LIMIT);
	size_t lines = 0;
	for (const char *p = buf_str(&b.g.log); (p = strstr(p, "GET /repos/acme/infra t1")) != NULL; p++)
		lines++;
	assert_int_equal(lines, 6);
	app_told_free(&t);
	close_bench(&b);
}

/* --- kept answers -------------------------------------------------------------------------------------------------------------------- */

static void test_etags(void **state)
{
	(void)state;
	static const struct scripted script[] = {{200, "ETag: W/\"1\"\r\n", REPO}, {304, NULL, NULL},
						 {200, "ETag: W/\"2\"\r\n", "{\"id\":6,\"full_name\":\"acme/infra\"}"}, {304, NULL, NULL}, {0}};
	struct bench b;
	struct app_told t = {0};
	open_bench(&b, script);
	read_repo(&b, "acme/infra", &t);
	buf_reset(&b.g.log);
	static const struct {
		int64_t id;
		const char *etag;
	} rows[] = {{5, "W/\"1\""}, {6, "W/\"1\""}, {6, "W/\"2\""}, {6, "W/\"2\""}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *log = xasprintf("GET /repos/acme/infra t1\n  if-none-match %s\n", rows[i].etag);
		read_repo(&b, "acme/infra", &t);
		assert_int_equal(t.code, 0);
		assert_int_equal(t.status, 200);
		assert_int_equal(t.id, rows[i].id);
		expect_log(&b, log);
	}
	app_told_free(&t);
	close_bench(&b);
}

/* A list is never asked for with a tag: its first page may be what it was and still have got a second one. A 304 that nobody asked for is no answer. */
static void test_no_etags_of_lists(void **state)
{
	(void)state;
#define COMMENTS(id) "[{\"id\":" #id ",\"body\":\"m\",\"user\":{\"id\":9,\"login\":\"me\"}}]"
	static const struct scripted script[] = {{200, "ETag: \"a\"\r\nLink: <$HERE/p2?page=2>; rel=\"next\"\r\n", COMMENTS(1)}, {200, "ETag: \"b\"\r\n", COMMENTS(2)},
						 {200, "ETag: \"a\"\r\nLink: <$HERE/p2?page=2>; rel=\"next\"\r\n", COMMENTS(1)}, {200, "ETag: \"b\"\r\n", COMMENTS(7)},
						 {304, NULL, NULL}, {0}};
	static const int64_t ids[] = {2, 7, 0};
	struct bench b;
	struct app_told t = {0};
	open_bench(&b, script);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		app_told_free(&t);
		gh_find_comment(b.g.gh, "acme/infra", 7, 9, "m", app_told_cb, &t);
		app_wait(&b.g, &t);
		assert_int_equal(t.id, ids[i]);
		assert_null(strstr(buf_str(&b.g.log), "if-none-match"));
	}
	assert_int_equal(t.code, ERR_REFUSED);
	assert_int_equal(t.status, 304);
	app_told_free(&t);
	close_bench(&b);
}

/* --- budgets ------------------------------------------------------------------------------------------------------------------------- */

/* One installation that is limited does not stop the other, nor the App itself. */
static void test_limits_are_an_installations(void **state)
{
	(void)state;
	static const struct {
		const char *headers, *body;
		int64_t wait_ms;
	} rows[] = {
		{"Retry-After: 30\r\n", "", 30000},
		{"X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1800000100\r\n", "", 100000},
		{NULL, "{\"message\":\"You have exceeded a secondary rate limit.\"}", 60000},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct scripted limited[] = {{403, rows[i].headers, rows[i].body}, {200, NULL, REPO}, {0}};
		struct bench b;
		struct app_told t = {0};
		open_bench(&b, limited);
		read_repo(&b, "acme/infra", &t);
		assert_int_equal(t.code, ERR_UNAVAILABLE);
		assert_int_equal(t.retry_at_ms, NOW + rows[i].wait_ms);
		buf_reset(&b.g.log);
		read_repo(&b, "acme/other", &t); /* the same installation: a token is asked for, the read is not sent */
		assert_int_equal(t.code, ERR_UNAVAILABLE);
		assert_int_equal(t.retry_at_ms, NOW + rows[i].wait_ms);
		assert_null(strstr(buf_str(&b.g.log), "GET /repos/acme/other t"));
		read_repo(&b, "else/infra", &t);
		assert_int_equal(t.code, 0);
		clock_fake_advance(rows[i].wait_ms - 1);
		read_repo(&b, "acme/infra", &t);
		assert_int_equal(t.code, ERR_UNAVAILABLE);
		clock_fake_advance(1);
		read_repo(&b, "acme/infra", &t);
		assert_int_equal(t.code, 0);
		app_told_free(&t);
		close_bench(&b);
	}
}

/* Without advice a minute, then twice as long each time, until something works. */
static void test_secondary_limit_doubles(void **state)
{
	(void)state;
	static const struct scripted limited[] = {{429, NULL, NULL}, {0}}, fine[] = {{200, NULL, REPO}, {0}};
	static const int64_t waits[] = {60, 120, 240, 480, 960, 1920, 3600, 3600};
	struct bench b;
	struct app_told t = {0};
	open_bench(&b, limited);
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		read_repo(&b, "acme/infra", &t);
		assert_int_equal(t.retry_at_ms - clock_wall_ms(), waits[i] * 1000);
		clock_fake_advance(waits[i] * 1000);
	}
	b.script = fine;
	read_repo(&b, "acme/infra", &t);
	assert_int_equal(t.code, 0);
	b.script = limited;
	read_repo(&b, "acme/infra", &t);
	assert_int_equal(t.retry_at_ms - clock_wall_ms(), 60000);
	app_told_free(&t);
	close_bench(&b);
}

/* The last request of the hour worked; the next is not even sent. A permission that is missing is no limit. */
static void test_budget_is_used_up(void **state)
{
	(void)state;
	static const struct scripted last[] = {{200, "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1800000100\r\n", REPO}, {0}},
				     refused[] = {{403, NULL, "{\"message\":\"Resource not accessible by integration\"}"}, {200, NULL, REPO}, {0}};
	struct bench b;
	struct app_told t = {0};
	open_bench(&b, last);
	read_repo(&b, "acme/infra", &t);
	assert_int_equal(t.code, 0);
	buf_reset(&b.g.log);
	read_repo(&b, "acme/infra", &t);
	assert_int_equal(t.code, ERR_UNAVAILABLE);
	assert_int_equal(t.retry_at_ms, NOW + 100000);
	expect_log(&b, "");
	clock_fake_advance(100000);
	b.script = refused;
	read_repo(&b, "acme/infra", &t);
	assert_int_equal(t.code, ERR_REFUSED);
	assert_int_equal(t.retry_at_ms, 0);
	read_repo(&b, "acme/infra", &t);
	assert_int_equal(t.code, 0);
	app_told_free(&t);
	close_bench(&b);
}

/* Whatever is wrong with an answer, GitHub's id of the request stands in the sentence, as text that can do no harm. */
static void test_request_ids(void **state)
{
	(void)state;
	static const struct scripted odd[] = {{200, "X-GitHub-Request-Id: AB:1\x1b[31m\r\n", "{}"}, {0}}, no[] = {{404, "X-GitHub-Request-Id: AB:2\r\n", ""}, {0}};
	struct bench b;
	struct app_told t = {0};
	open_bench(&b, odd);
	read_repo(&b, "acme/infra", &t);
	assert_string_equal(t.err.msg, "GET /repos/acme/infra: id: missing, expected a number (request AB:1)");
	b.script = no;
	read_repo(&b, "acme/infra", &t);
	assert_string_equal(t.err.msg, "GET /repos/acme/infra: 404: it does not exist or the token may not see it (request AB:2)");
	app_told_free(&t);
	gh_get_threads(b.g.gh, "acme/infra", 7, app_told_cb, &t);
	b.script = odd;
	app_wait(&b.g, &t);
	assert_string_equal(t.err.msg, "POST /graphql for acme/infra#7: data: missing, expected an object (request AB:1)");
	app_told_free(&t);
	close_bench(&b);
}

/* --- turns --------------------------------------------------------------------------------------------------------------------------- */

static void test_turns(void **state)
{
	(void)state;
	enum { CALLS = 9 };
	static const struct scripted fine[] = {{200, NULL, REPO}, {0}};
	struct bench b;
	struct app_told t[CALLS] = {{0}};
	CLEANUP_BUF struct buf want = {0};
	open_bench(&b, fine);
	assert_int_equal(b.g.gh->wire_max, LIMIT_GITHUB_CALLS);
	read_repo(&b, "acme/infra", &t[0]);
	app_told_free(&t[0]);
	buf_reset(&b.g.log);
	b.most = 0;
	b.g.gh->wire_max = 1;
	for (int64_t i = 0; i < CALLS; i++)
		gh_get_pull(b.g.gh, "acme/infra", i + 1, app_told_cb, &t[i]);
	gh_cancel(b.g.gh, &t[0]); /* on the wire: the next goes at once */
	gh_cancel(b.g.gh, &t[4]); /* in line */
	gh_cancel(b.g.gh, &t[8]); /* the last in line */
	for (size_t i = 0; i < CALLS; i++)
		if (i != 0 && i != 4 && i != 8) {
			app_wait(&b.g, &t[i]);
			buf_printf(&want, "GET /repos/acme/infra/pulls/%zu t1\n", i + 1);
		}
	assert_non_null(strstr(buf_str(&b.g.log), buf_str(&want) + strlen("GET /repos/acme/infra/pulls/2 t1\n"))); /* in their order */
	assert_int_equal(b.most, 1);
	assert_int_equal(b.g.gh->on_wire, 0);
	assert_null(b.g.gh->turn_first);
	assert_null(b.g.gh->turn_last);
	assert_false(t[0].done || t[4].done || t[8].done);
	/* closing with some in line */
	for (size_t i = 0; i < CALLS; i++)
		app_told_free(&t[i]);
	for (int64_t i = 0; i < CALLS; i++)
		gh_get_pull(b.g.gh, "acme/infra", i + 1, app_told_cb, &t[i]);
	close_bench(&b);
	assert_false(t[0].done);
}

/* One in line that is not sent after all must not keep the place of the others. */
static void test_turns_of_those_that_do_not_go(void **state)
{
	(void)state;
	enum { CALLS = 4 };
	static const struct scripted limited[] = {{200, NULL, REPO}, {429, "Retry-After: 30\r\n", NULL}, {0}};
	struct bench b;
	struct app_told t[CALLS] = {{0}};
	open_bench(&b, limited);
	read_repo(&b, "acme/infra", &t[0]);
	app_told_free(&t[0]);
	b.g.gh->wire_max = 1;
	for (size_t i = 0; i < CALLS; i++)
		gh_get_repo(b.g.gh, "acme/infra", app_told_cb, &t[i]);
	for (size_t i = 0; i < CALLS; i++) {
		app_wait(&b.g, &t[i]);
		assert_int_equal(t[i].code, ERR_UNAVAILABLE);
		app_told_free(&t[i]);
	}
	assert_null(b.g.gh->turn_first);
	assert_int_equal(b.g.requests, 4); /* installation, token, one that went well, one that was limited: the others were not sent */
	close_bench(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_redirects), cmocka_unit_test(test_redirected_writes), cmocka_unit_test(test_redirects_have_an_end),
		cmocka_unit_test(test_etags), cmocka_unit_test(test_no_etags_of_lists), cmocka_unit_test(test_limits_are_an_installations),
		cmocka_unit_test(test_secondary_limit_doubles), cmocka_unit_test(test_budget_is_used_up), cmocka_unit_test(test_request_ids), cmocka_unit_test(test_turns), cmocka_unit_test(test_turns_of_those_that_do_not_go),
	};
	return cmocka_run_group_tests_name("github/gh_wire", tests, NULL, NULL);
}
