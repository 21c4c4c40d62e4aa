/* Apps in the simulated GitHub: JWTs are verified, tokens are made for what was asked and open nothing else. */
#include "base/json.h"
#include "tests/component/sim_fixture.h"
#include "tests/component/sim_jwt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void start(struct sim_fixture *f)
{
	struct sim_app app = sim_jwt_app();
	sim_fixture_start(f, &(struct sim_options){.apps = &app, .apps_n = 1});
}

static int as_app(struct sim_fixture *f, const char *method, const char *path, const char *body)
{
	CLEANUP_FREE char *jwt = sim_jwt("123456", -60, 540);
	return sim_fixture_call_as(f, jwt, method, path, body);
}

/* A member of the last answer without quotes. The caller frees. */
static char *word(struct sim_fixture *f, const char *path)
{
	const char *text = sim_fixture_member(f, path);
	return text[0] == '"' ? xstrndup(text + 1, strlen(text) - 2) : xstrdup(text);
}

static char *mint(struct sim_fixture *f, int want, const char *body)
{
	assert_int_equal(as_app(f, "GET", "/repos/" REPO "/installation", NULL), 200);
	CLEANUP_FREE char *id = word(f, "id"), *path = xasprintf("/app/installations/%s/access_tokens", id);
	int status = as_app(f, "POST", path, body);
	if (status != want)
		fail_msg("%d: %s", status, buf_str(&f->body));
	return status == 201 ? word(f, "token") : NULL;
}

static void jwts_are_verified(void **state)
{
	static const struct {
		const char *iss;
		int64_t iat, exp;
		int want;
		const char *why;
	} rows[] = {
		{"123456", -60, 540, 200, NULL},
		{"\"123456\"", 0, 600, 200, NULL},
		{"123456", 55, 540, 200, NULL},
		{"123457", -60, 540, 401, "\"A JSON web token could not be decoded\""},
		{"\"\"", -60, 540, 401, "\"A JSON web token could not be decoded\""},
		{"123456", 90, 540, 401, "\"'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued\""},
		{"123456", -60, 660, 401, "\"'Expiration time' claim ('exp') is too far in the future\""},
		{"123456", -600, -1, 401,
		 "\"'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires\""},
	};
	struct sim_fixture f;
	(void)state;
	start(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *jwt = sim_jwt(rows[i].iss, rows[i].iat, rows[i].exp);
		assert_int_equal(sim_fixture_call_as(&f, jwt, "GET", "/app", NULL), rows[i].want);
		if (rows[i].why != NULL)
			assert_string_equal(sim_fixture_member(&f, "message"), rows[i].why);
		else
			assert_string_equal(sim_fixture_member(&f, "slug"), "\"our-app\"");
	}
	sim_fixture_stop(&f);
}

static void a_jwt_of_another_key_or_way_is_refused(void **state)
{
	struct sim_fixture f;
	char claims[160];
	(void)state;
	start(&f);
	int64_t now = clock_wall_ms() / 1000;
	(void)snprintf(claims, sizeof(claims), "{\"iss\":123456,\"iat\":%lld,\"exp\":%lld}", (long long)now, (long long)now + 300);
	static const char rs256[] = "{\"alg\":\"RS256\"}", none[] = "{\"alg\":\"none\"}";
	CLEANUP_FREE char *good = sim_jwt_of(&sim_jwt_keys()->secret, rs256, claims), *foreign = sim_jwt_of(&sim_jwt_keys()->other, rs256, claims);
	CLEANUP_FREE char *other_alg = sim_jwt_of(&sim_jwt_keys()->secret, none, claims), *longer = xasprintf("%s.x", good);
	CLEANUP_FREE char *cut = xstrndup(good, strlen(good) - 2);
	CLEANUP_FREE char *client = sim_jwt("\"Iv23li00000000123456\"", 0, 300);
	assert_int_equal(sim_fixture_call_as(&f, good, "GET", "/app", NULL), 200);
	assert_int_equal(sim_fixture_call_as(&f, client, "GET", "/app", NULL), 200);
	const char *const bad[] = {foreign, other_alg, longer, cut, "bot-token", "a.b.c", ""};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(sim_fixture_call_as(&f, bad[i], "GET", "/app", NULL), 401);
	assert_int_equal(sim_fixture_call_as(&f, good, "GET", "/repos/" REPO, NULL), 401); /* a JWT opens nothing else */
	sim_fixture_stop(&f);
}

static void tokens_are_long_and_end(void **state)
{
	struct sim_fixture f;
	(void)state;
	start(&f);
	CLEANUP_FREE char *token = mint(&f, 201, NULL);
	assert_string_equal(sim_fixture_member(&f, "repository_selection"), "\"all\"");
	assert_memory_equal(token, "ghs_123456_", 11);
	assert_in_range(strlen(token), 500, 540);
	assert_int_equal(sim_fixture_call_as(&f, token, "GET", "/repos/" REPO, NULL), 200);
	assert_int_equal(sim_fixture_call_as(&f, token, "GET", "/user", NULL), 403);
	assert_string_equal(sim_fixture_member(&f, "message"), "\"Resource not accessible by integration\"");
	assert_int_equal(sim_fixture_call_as(&f, token, "GET", "/app", NULL), 401);
	assert_int_equal(sim_fixture_call_as(&f, token, "DELETE", "/installation/token", NULL), 204);
	assert_int_equal(sim_fixture_call_as(&f, token, "GET", "/repos/" REPO, NULL), 401);
	assert_int_equal(sim_fixture_call_as(&f, token, "DELETE", "/installation/token", NULL), 401);
	sim_token_life(f.s, 0);
	CLEANUP_FREE char *old = mint(&f, 201, "{}");
	assert_int_equal(sim_fixture_call_as(&f, old, "GET", "/repos/" REPO, NULL), 401);
	assert_string_equal(sim_fixture_member(&f, "message"), "\"Bad credentials\"");
	sim_fixture_stop(&f);
}

static void tokens_open_what_they_were_made_for(void **state)
{
	struct sim_fixture f;
	(void)state;
	start(&f);
	assert_int_equal(sim_repo_create(f.s, &(struct sim_repo_new){.full_name = "acme/other", .user = "olivia"}, &f.err), 0);
	CLEANUP_FREE char *read = mint(&f, 201, "{\"repositories\":[\"infra\"],\"permissions\":{\"pull_requests\":\"read\",\"contents\":\"read\"}}");
	assert_string_equal(sim_fixture_member(&f, "permissions"), "{\"contents\":\"read\",\"metadata\":\"read\",\"pull_requests\":\"read\"}");
	assert_string_equal(sim_fixture_member(&f, "repositories.0.full_name"), "\"acme/infra\"");
	assert_string_equal(sim_fixture_member(&f, "repositories.1"), "missing");
	CLEANUP_FREE char *say = mint(&f, 201, "{\"repositories\":[\"infra\"],\"permissions\":{\"issues\":\"write\"}}");
	const struct {
		const char *token, *method, *path, *body;
		int want;
	} rows[] = {
		{read, "GET", "/repos/" REPO "/pulls/1", NULL, 200},
		{read, "GET", "/repos/" REPO "/pulls/99", NULL, 404},
		{read, "GET", "/repos/" REPO "/contents/README.md", NULL, 200},
		{read, "GET", "/repos/" REPO "/issues/1/comments", NULL, 200},
		{read, "POST", "/repos/" REPO "/issues/1/comments", "{\"body\":\"x\"}", 403},
		{read, "GET", "/repos/" REPO "/commits/main/status", NULL, 403},
		{read, "GET", "/repos/" REPO "/branches/main/protection", NULL, 403},
		{read, "GET", "/repos/acme/other", NULL, 404},
		{read, "GET", "/repos/acme/nothing", NULL, 404},
		{say, "POST", "/repos/" REPO "/issues/1/comments", "{\"body\":\"x\"}", 201},
		{say, "GET", "/repos/" REPO "/pulls/1", NULL, 403},
		{say, "PUT", "/repos/" REPO "/pulls/1/merge", "{}", 403},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (sim_fixture_call_as(&f, rows[i].token, rows[i].method, rows[i].path, rows[i].body) != rows[i].want)
			fail_msg("row %zu: %d %s", i, f.status, buf_str(&f.body));
	struct sim_comment_view c;
	assert_true(sim_comment_view(f.s, REPO, 1, 0, &c));
	assert_string_equal(c.user, "our-app[bot]");
	assert_int_not_equal(sim_fixture_clone(&f, say, "git log --oneline"), 0); /* no contents */
	assert_int_equal(sim_fixture_clone(&f, read, "git log --oneline | wc -l"), 0);
	sim_fixture_stop(&f);
}

static void minting_refuses(void **state)
{
	static const char *const bad[] = {
		"{\"repositories\":[\"nothing\"]}", "{\"repository_ids\":[77]}", "{\"permissions\":{\"members\":\"write\"}}",
		"{\"permissions\":{\"workflows\":\"read\"}}", "{\"permissions\":{\"checks\":\"admin\"}}", "{\"permissions\":{\"magic\":\"read\"}}",
		"{\"repositories\":\"infra\"}",
	};
	struct sim_fixture f;
	(void)state;
	start(&f);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_null(mint(&f, 422, bad[i]));
	assert_null(mint(&f, 400, "{"));
	assert_int_equal(as_app(&f, "POST", "/app/installations/77/access_tokens", "{}"), 404);
	assert_int_equal(as_app(&f, "GET", "/repos/acme/nothing/installation", NULL), 404);
	assert_int_equal(as_app(&f, "GET", "/orgs/ACME/installation", NULL), 200);
	assert_int_equal(as_app(&f, "GET", "/users/nobody/installation", NULL), 404);
	assert_int_equal(as_app(&f, "GET", "/app/installations", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "0.account.login"), "\"acme\"");
	assert_string_equal(sim_fixture_member(&f, "1"), "missing");
	sim_fixture_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jwts_are_verified),
		cmocka_unit_test(a_jwt_of_another_key_or_way_is_refused),
		cmocka_unit_test(tokens_are_long_and_end),
		cmocka_unit_test(tokens_open_what_they_were_made_for),
		cmocka_unit_test(minting_refuses),
	};
	return cmocka_run_group_tests(tests, sim_fixture_warm_up, NULL);
}
