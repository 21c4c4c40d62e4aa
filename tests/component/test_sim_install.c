/* An App's installation in the simulated GitHub: what its owner does to it, what the App hears, and what it can look up afterwards. */
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

static char *install_id(struct sim_fixture *f)
{
	assert_int_equal(as_app(f, "GET", "/repos/" REPO "/installation", NULL), 200);
	return word(f, "id");
}

/* Status of minting; ret_token may be NULL. */
static int mint(struct sim_fixture *f, const char *id, const char *body, char **ret_token)
{
	CLEANUP_FREE char *path = xasprintf("/app/installations/%s/access_tokens", id);
	int status = as_app(f, "POST", path, body);
	if (ret_token != NULL) {
		assert_int_equal(status, 201);
		*ret_token = word(f, "token");
	}
	return status;
}

static int read_pull(struct sim_fixture *f, const char *token) { return sim_fixture_call_as(f, token, "GET", "/repos/" REPO "/pulls/1", NULL); }

static void act(struct sim_fixture *f, const char *word_, const char *permissions)
{
	if (sim_install_act(f->s, word_, REPO, permissions, &f->err) != 0)
		fail_msg("%s: %s", word_, f->err.msg);
}

/* The last webhook, as if it had been an answer. */
static const char *heard(struct sim_fixture *f, const char *path)
{
	buf_reset(&f->body);
	buf_add(&f->body, f->last_payload.data, f->last_payload.len);
	return sim_fixture_member(f, path);
}

static void comment(struct sim_fixture *f, const char *body)
{
	int64_t id;
	assert_int_equal(sim_comment(f->s, REPO, 1, "alice", body, &id, &f->err), 0);
}

/* ---- what the owner does ---- */

static void suspended_means_nothing_works_until_it_ends(void **state)
{
	struct sim_fixture f;
	char *token;
	(void)state;
	start(&f);
	CLEANUP_FREE char *id = install_id(&f);
	assert_int_equal(mint(&f, id, "{}", &token), 201);
	act(&f, "suspend", NULL);
	sim_fixture_settle(&f, 3);
	assert_string_equal(f.events.v[2], "installation.suspend");
	assert_string_equal(heard(&f, "installation.id"), id);
	assert_string_equal(heard(&f, "repositories.0.full_name"), "\"acme/infra\"");
	assert_int_equal(mint(&f, id, "{}", NULL), 403);
	assert_string_equal(sim_fixture_member(&f, "message"), "\"This installation has been suspended\"");
	assert_int_equal(read_pull(&f, token), 403);
	assert_int_equal(as_app(&f, "GET", "/repos/" REPO "/installation", NULL), 200);
	assert_string_not_equal(sim_fixture_member(&f, "suspended_at"), "null");
	assert_string_equal(sim_fixture_member(&f, "suspended_by.login"), "\"olivia\"");
	comment(&f, "nobody hears this");
	sim_fixture_settle(&f, 3);
	act(&f, "unsuspend", NULL);
	sim_fixture_settle(&f, 4);
	assert_string_equal(f.events.v[3], "installation.unsuspend");
	assert_int_equal(read_pull(&f, token), 200);
	free(token);
	sim_fixture_stop(&f);
}

static void deleted_and_installed_again_is_another_installation(void **state)
{
	struct sim_fixture f;
	char *token;
	(void)state;
	start(&f);
	CLEANUP_FREE char *id = install_id(&f);
	assert_int_equal(mint(&f, id, "{}", &token), 201);
	act(&f, "delete", NULL);
	sim_fixture_settle(&f, 3);
	assert_string_equal(f.events.v[2], "installation.deleted");
	assert_int_equal(as_app(&f, "GET", "/repos/" REPO "/installation", NULL), 404);
	assert_int_equal(mint(&f, id, "{}", NULL), 404);
	assert_int_equal(read_pull(&f, token), 401);
	comment(&f, "nobody hears this");
	sim_fixture_settle(&f, 3);
	assert_int_equal(sim_install_act(f.s, "suspend", REPO, NULL, &f.err), ERR_NOT_FOUND);
	act(&f, "create", "contents:read,pull_requests:read");
	assert_int_equal(sim_install_act(f.s, "create", REPO, NULL, &f.err), ERR_CONFLICT);
	sim_fixture_settle(&f, 4);
	assert_string_equal(f.events.v[3], "installation.created");
	CLEANUP_FREE char *again = install_id(&f);
	assert_string_not_equal(again, id);
	assert_string_equal(sim_fixture_member(&f, "permissions"), "{\"contents\":\"read\",\"metadata\":\"read\",\"pull_requests\":\"read\"}");
	assert_int_equal(mint(&f, again, "{\"permissions\":{\"contents\":\"write\"}}", NULL), 422);
	assert_int_equal(mint(&f, again, "{\"permissions\":{\"contents\":\"read\"}}", NULL), 201);
	act(&f, "permissions", "contents:write");
	sim_fixture_settle(&f, 5);
	assert_string_equal(f.events.v[4], "installation.new_permissions_accepted");
	assert_int_equal(mint(&f, again, "{\"permissions\":{\"contents\":\"write\"}}", NULL), 201);
	free(token);
	sim_fixture_stop(&f);
}

static void a_repository_is_taken_out_and_put_back(void **state)
{
	struct sim_fixture f;
	char *token;
	(void)state;
	start(&f);
	assert_int_equal(sim_repo_create(f.s, &(struct sim_repo_new){.full_name = "acme/other", .user = "olivia"}, &f.err), 0);
	CLEANUP_FREE char *id = install_id(&f);
	assert_int_equal(mint(&f, id, "{}", &token), 201);
	act(&f, "remove_repo", NULL);
	sim_fixture_settle(&f, 3);
	assert_string_equal(f.events.v[2], "installation_repositories.removed");
	assert_string_equal(heard(&f, "repository_selection"), "\"selected\"");
	assert_string_equal(heard(&f, "repositories_removed.0.full_name"), "\"acme/infra\"");
	assert_string_equal(heard(&f, "repositories_added"), "[]");
	assert_int_equal(read_pull(&f, token), 404);
	assert_int_equal(sim_fixture_call_as(&f, token, "GET", "/repos/acme/other", NULL), 200);
	assert_int_equal(as_app(&f, "GET", "/repos/" REPO "/installation", NULL), 404);
	assert_int_equal(mint(&f, id, "{\"repositories\":[\"infra\"]}", NULL), 422);
	comment(&f, "nobody hears this");
	act(&f, "add_repo", NULL);
	sim_fixture_settle(&f, 4);
	assert_string_equal(f.events.v[3], "installation_repositories.added");
	assert_string_equal(heard(&f, "repositories_added.0.full_name"), "\"acme/infra\"");
	assert_int_equal(read_pull(&f, token), 200);
	free(token);
	sim_fixture_stop(&f);
}

/* ---- control over HTTP, and what a test may know of tokens ---- */

static void tokens_are_told_without_their_text(void **state)
{
	struct sim_fixture f;
	char *token;
	(void)state;
	start(&f);
	CLEANUP_FREE char *id = install_id(&f);
	assert_int_equal(sim_fixture_call(&f, "POST", "/_sim/tokens", "{\"lifetime_s\":120}"), 200);
	assert_int_equal(mint(&f, id, "{\"repositories\":[\"infra\"],\"permissions\":{\"pull_requests\":\"read\"}}", &token), 201);
	assert_int_equal(sim_fixture_call(&f, "GET", "/_sim/state", NULL), 200);
	assert_null(strstr(buf_str(&f.body), "ghs_"));
	assert_string_equal(sim_fixture_member(&f, "tokens.0.repositories"), "[\"acme/infra\"]");
	assert_string_equal(sim_fixture_member(&f, "tokens.0.permissions"), "{\"metadata\":\"read\",\"pull_requests\":\"read\"}");
	assert_string_equal(sim_fixture_member(&f, "tokens.0.all"), "false");
	assert_string_equal(sim_fixture_member(&f, "tokens.0.revoked"), "false");
	assert_string_equal(sim_fixture_member(&f, "tokens.0.expired"), "false");
	CLEANUP_FREE char *ends = word(&f, "tokens.0.expires_ms");
	int64_t ends_ms = 0;
	assert_int_equal(text_int(ends, 0, INT64_MAX, &ends_ms, &f.err), 0);
	assert_in_range(ends_ms - clock_wall_ms(), 110 * 1000, 120 * 1000);
	assert_int_equal(read_pull(&f, token), 200);
	assert_int_equal(sim_fixture_call(&f, "POST", "/_sim/tokens", "{\"revoke_all\":true}"), 200);
	assert_int_equal(read_pull(&f, token), 401);
	assert_int_equal(sim_fixture_call(&f, "GET", "/_sim/state", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "tokens.0.revoked"), "true");
	free(token);
	sim_fixture_stop(&f);
}

static void controls_refuse(void **state)
{
	static const struct {
		const char *path, *body;
		int want;
	} rows[] = {
		{"/_sim/installation", "{\"act\":\"suspend\",\"repo\":\"acme/infra\"}", 200},
		{"/_sim/installation", "{\"act\":\"fly\",\"repo\":\"acme/infra\"}", 400},
		{"/_sim/installation", "{\"repo\":\"acme/infra\"}", 400},
		{"/_sim/installation", "{\"act\":\"suspend\"}", 400},
		{"/_sim/installation", "{\"act\":\"suspend\",\"repo\":\"acme/nothing\"}", 404},
		{"/_sim/installation", "{\"act\":\"permissions\",\"repo\":\"acme/infra\"}", 400},
		{"/_sim/installation", "{\"act\":\"permissions\",\"repo\":\"acme/infra\",\"permissions\":{\"magic\":\"read\"}}", 422},
		{"/_sim/tokens", "{\"lifetime_s\":0}", 400},
		{"/_sim/tokens", "{\"lifetime_s\":\"long\"}", 400},
	};
	struct sim_fixture f;
	(void)state;
	start(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (sim_fixture_call(&f, "POST", rows[i].path, rows[i].body) != rows[i].want)
			fail_msg("row %zu: %d %s", i, f.status, buf_str(&f.body));
	sim_fixture_stop(&f);
	sim_fixture_start(&f, NULL);
	assert_int_equal(sim_fixture_call(&f, "POST", rows[0].path, rows[0].body), 404); /* there is no App */
	sim_fixture_stop(&f);
}

/* ---- who says things ---- */

static void the_bot_speaks_for_its_app(void **state)
{
	struct sim_fixture f;
	char *token;
	(void)state;
	start(&f);
	CLEANUP_FREE char *id = install_id(&f);
	assert_int_equal(mint(&f, id, "{\"permissions\":{\"issues\":\"write\",\"statuses\":\"write\",\"checks\":\"write\"}}", &token), 201);
	assert_int_equal(sim_fixture_call_as(&f, token, "POST", "/repos/" REPO "/issues/1/comments", "{\"body\":\"hello\"}"), 201);
	assert_string_equal(sim_fixture_member(&f, "user.login"), "\"our-app[bot]\"");
	assert_string_equal(sim_fixture_member(&f, "user.type"), "\"Bot\"");
	assert_string_equal(sim_fixture_member(&f, "performed_via_github_app.id"), "123456");
	assert_string_equal(sim_fixture_member(&f, "performed_via_github_app.slug"), "\"our-app\"");
	CLEANUP_FREE char *bot = word(&f, "user.id"), *status = xasprintf("/repos/" REPO "/statuses/%s", f.head);
	assert_int_equal(sim_fixture_call_as(&f, token, "POST", status, "{\"state\":\"success\"}"), 201);
	assert_string_equal(sim_fixture_member(&f, "creator.login"), "\"our-app[bot]\"");
	assert_int_equal(sim_fixture_call_as(&f, token, "GET", "/users/our-app%5Bbot%5D", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "id"), bot);
	assert_int_equal(sim_fixture_call_as(&f, "no-token", "GET", "/users/alice", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "type"), "\"User\"");
	assert_int_equal(sim_fixture_call_as(&f, token, "GET", "/users/nobody-at-all", NULL), 404);
	comment(&f, "a person's");
	sim_fixture_settle(&f, 4);
	assert_string_equal(heard(&f, "comment.performed_via_github_app"), "null");
	assert_string_equal(heard(&f, "installation.id"), id);
	assert_string_equal(f.target, "integration 123456");
	CLEANUP_FREE char *check = xasprintf("{\"name\":\"plan\",\"head_sha\":\"%s\"}", f.head);
	assert_int_equal(sim_fixture_call_as(&f, token, "POST", "/repos/" REPO "/check-runs", check), 201);
	assert_string_equal(sim_fixture_member(&f, "app.id"), "123456");
	free(token);
	sim_fixture_stop(&f);
}

static void graphql_knows_the_tokens_limits(void **state)
{
	static const char query[] = "{\"query\":\"{repository(owner:\\\"acme\\\",name:\\\"infra\\\"){pullRequest(number:1){number}}}\"}";
	struct sim_fixture f;
	char *right, *other, *blind;
	(void)state;
	start(&f);
	assert_int_equal(sim_repo_create(f.s, &(struct sim_repo_new){.full_name = "acme/other", .user = "olivia"}, &f.err), 0);
	CLEANUP_FREE char *id = install_id(&f);
	assert_int_equal(mint(&f, id, "{\"repositories\":[\"infra\"]}", &right), 201);
	assert_int_equal(mint(&f, id, "{\"repositories\":[\"other\"]}", &other), 201);
	assert_int_equal(mint(&f, id, "{\"repositories\":[\"infra\"],\"permissions\":{\"contents\":\"read\"}}", &blind), 201);
	assert_int_equal(sim_fixture_call_as(&f, right, "POST", "/graphql", query), 200);
	assert_string_equal(sim_fixture_member(&f, "data.repository.pullRequest.number"), "1");
	assert_int_equal(sim_fixture_call_as(&f, other, "POST", "/graphql", query), 200);
	assert_string_equal(sim_fixture_member(&f, "errors.0.type"), "\"NOT_FOUND\"");
	assert_int_equal(sim_fixture_call_as(&f, blind, "POST", "/graphql", query), 200);
	assert_string_equal(sim_fixture_member(&f, "errors.0.type"), "\"FORBIDDEN\"");
	static const char id_query[] = "{\"query\":\"{repository(owner:\\\"acme\\\",name:\\\"infra\\\"){pullRequest(number:1){id}}}\"}";
	assert_int_equal(sim_fixture_call_as(&f, right, "POST", "/graphql", id_query), 200);
	CLEANUP_FREE char *node = word(&f, "data.repository.pullRequest.id");
	CLEANUP_FREE char *enqueue = xasprintf("{\"query\":\"mutation{enqueuePullRequest(input:{pullRequestId:\\\"%s\\\"}){mergeQueueEntry{id}}}\"}", node);
	char *merger;
	assert_int_equal(mint(&f, id, "{\"repositories\":[\"infra\"],\"permissions\":{\"contents\":\"write\",\"pull_requests\":\"write\"}}", &merger), 201);
	const struct {
		const char *token, *want;
	} rows[] = {{merger, "\"FORBIDDEN\""}, {other, "\"NOT_FOUND\""}, {right, "\"UNPROCESSABLE\""} /* there is no queue */};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(sim_fixture_call_as(&f, rows[i].token, "POST", "/graphql", enqueue), 200);
		assert_string_equal(sim_fixture_member(&f, "errors.0.type"), rows[i].want);
	}
	free(right);
	free(other);
	free(blind);
	free(merger);
	sim_fixture_stop(&f);
}

/* ---- the delivery log ---- */

static void deliveries_are_listed_newest_first(void **state)
{
	struct sim_fixture f;
	(void)state;
	start(&f);
	assert_int_equal(sim_set_faults(f.s, "hook.issue_comment=drop,times=1", &f.err), 0);
	comment(&f, "lost");
	f.hook_answer = 500;
	comment(&f, "refused");
	sim_fixture_settle(&f, 3);
	assert_int_equal(as_app(&f, "GET", "/app/hook/deliveries", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "0.status"), "\"Invalid HTTP Response: 500\"");
	assert_string_equal(sim_fixture_member(&f, "0.status_code"), "500");
	assert_string_equal(sim_fixture_member(&f, "0.event"), "\"issue_comment\"");
	assert_string_equal(sim_fixture_member(&f, "0.action"), "\"created\"");
	assert_string_equal(sim_fixture_member(&f, "1.status"), "\"failed to connect to host\"");
	assert_string_equal(sim_fixture_member(&f, "1.redelivery"), "false");
	assert_string_equal(sim_fixture_member(&f, "2.status"), "\"OK\"");
	assert_string_equal(sim_fixture_member(&f, "2.event"), "\"pull_request\"");
	assert_string_equal(sim_fixture_member(&f, "3.event"), "\"push\"");
	assert_string_equal(sim_fixture_member(&f, "4"), "missing");
	assert_string_equal(f.link, "");
	assert_int_equal(as_app(&f, "GET", "/app/hook/deliveries?status=success", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "0.event"), "\"pull_request\"");
	assert_string_equal(sim_fixture_member(&f, "2"), "missing");
	assert_int_equal(as_app(&f, "GET", "/app/hook/deliveries?status=failure", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "1.event"), "\"issue_comment\"");
	assert_string_equal(sim_fixture_member(&f, "2"), "missing");
	assert_int_equal(sim_fixture_call(&f, "GET", "/app/hook/deliveries", NULL), 401);
	sim_fixture_stop(&f);
}

static void pages_follow_the_cursor(void **state)
{
	struct sim_fixture f;
	(void)state;
	start(&f);
	comment(&f, "three");
	sim_fixture_settle(&f, 3);
	CLEANUP_FREE char *path = xstrdup("/app/hook/deliveries?per_page=2"), *seen = xstrdup("");
	for (size_t page = 0; page < 3 && path != NULL; page++) {
		assert_int_equal(as_app(&f, "GET", path, NULL), 200);
		for (size_t i = 0; i < 2; i++) {
			CLEANUP_FREE char *at = xasprintf("%zu.event", i), *event = word(&f, at), *before = seen;
			seen = xasprintf("%s %s", before, event);
		}
		const char *end = strstr(f.link, ">; rel=\"next\"");
		free(path);
		path = end != NULL ? xstrndup(f.link + 1 + strlen(sim_url(f.s)), (size_t)(end - f.link - 1) - strlen(sim_url(f.s))) : NULL;
	}
	assert_null(path);
	assert_string_equal(seen, " issue_comment pull_request push missing");
	static const char *const bad[] = {"?cursor=nonsense", "?cursor=v1_x", "?per_page=0"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP_FREE char *wrong = xasprintf("/app/hook/deliveries%s", bad[i]);
		assert_int_equal(as_app(&f, "GET", wrong, NULL), 400);
	}
	sim_fixture_stop(&f);
}

static void one_delivery_is_read_and_sent_again(void **state)
{
	struct sim_fixture f;
	(void)state;
	start(&f);
	assert_int_equal(sim_set_faults(f.s, "hook.issue_comment=drop,times=1", &f.err), 0);
	comment(&f, "lost");
	CLEANUP_FREE char *install = install_id(&f);
	sim_fixture_settle(&f, 2);
	assert_int_equal(as_app(&f, "GET", "/app/hook/deliveries?per_page=1", NULL), 200);
	CLEANUP_FREE char *id = word(&f, "0.id"), *guid = word(&f, "0.guid");
	CLEANUP_FREE char *path = xasprintf("/app/hook/deliveries/%s", id), *attempts = xasprintf("/app/hook/deliveries/%s/attempts", id);
	assert_int_equal(as_app(&f, "GET", path, NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "request.payload.comment.body"), "\"lost\"");
	assert_string_equal(sim_fixture_member(&f, "request.headers.X-GitHub-Event"), "\"issue_comment\"");
	assert_string_equal(sim_fixture_member(&f, "installation_id"), install);
	assert_string_equal(sim_fixture_member(&f, "response.payload"), "null");
	assert_int_equal(as_app(&f, "POST", attempts, NULL), 202);
	sim_fixture_settle(&f, 3);
	assert_string_equal(f.events.v[2], "issue_comment.created");
	assert_string_equal(f.guids.v[2], guid);
	assert_int_equal(as_app(&f, "GET", "/app/hook/deliveries?per_page=1", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "0.redelivery"), "true");
	assert_string_equal(sim_fixture_member(&f, "0.status"), "\"OK\"");
	assert_int_equal(as_app(&f, "GET", "/app/hook/deliveries/77", NULL), 404);
	assert_int_equal(as_app(&f, "POST", "/app/hook/deliveries/77/attempts", NULL), 404);
	sim_fixture_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(suspended_means_nothing_works_until_it_ends),
		cmocka_unit_test(deleted_and_installed_again_is_another_installation),
		cmocka_unit_test(a_repository_is_taken_out_and_put_back),
		cmocka_unit_test(tokens_are_told_without_their_text),
		cmocka_unit_test(controls_refuse),
		cmocka_unit_test(the_bot_speaks_for_its_app),
		cmocka_unit_test(graphql_knows_the_tokens_limits),
		cmocka_unit_test(deliveries_are_listed_newest_first),
		cmocka_unit_test(pages_follow_the_cursor),
		cmocka_unit_test(one_delivery_is_read_and_sent_again),
	};
	return cmocka_run_group_tests(tests, sim_fixture_warm_up, NULL);
}
