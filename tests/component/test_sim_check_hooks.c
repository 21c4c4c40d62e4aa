/* Check runs of Apps in the simulated GitHub: who may make them, and what is told and pressed. */
#include "tests/component/sim_fixture.h"
#include "tests/component/sim_jwt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define RUNS "/repos/" REPO "/check-runs"

static char *start(struct sim_fixture *f)
{
	struct sim_app app = sim_jwt_app();
	app.suites = true;
	sim_fixture_start(f, &(struct sim_options){.apps = &app, .apps_n = 1, .webhook_url = NULL});
	CLEANUP_FREE char *jwt = sim_jwt("123456", -60, 540);
	assert_int_equal(sim_fixture_call_as(f, jwt, "GET", "/repos/" REPO "/installation", NULL), 200);
	CLEANUP_FREE char *id = xstrdup(sim_fixture_member(f, "id")), *path = xasprintf("/app/installations/%s/access_tokens", id);
	assert_int_equal(sim_fixture_call_as(f, jwt, "POST", path, "{}"), 201);
	const char *quoted = sim_fixture_member(f, "token");
	return xstrndup(quoted + 1, strlen(quoted) - 2);
}

/* Waits until so many webhooks have come and looks at the newest. */
static void newest(struct sim_fixture *f, size_t n, const char *event, const char *part)
{
	sim_fixture_settle(f, n);
	assert_string_equal(f->events.v[n - 1], event);
	if (strstr(buf_str(&f->last_payload), part) == NULL)
		fail_msg("%s is not in %s", part, buf_str(&f->last_payload));
	assert_non_null(strstr(buf_str(&f->last_payload), "\"installation\":{\"id\":"));
}

static void check_runs_are_told(void **state)
{
	struct sim_fixture f;
	(void)state;
	CLEANUP_FREE char *token = start(&f);
	size_t n = f.events.n;
	CLEANUP_FREE char *body = xasprintf("{\"name\":\"sluice\",\"head_sha\":\"%s\",\"status\":\"in_progress\"}", f.head);
	assert_int_equal(sim_fixture_call(&f, "POST", RUNS, body), 403); /* a personal token */
	assert_int_equal(sim_fixture_call_as(&f, token, "POST", RUNS, body), 201);
	CLEANUP_FREE char *path = xasprintf(RUNS "/%s", sim_fixture_member(&f, "id"));
	newest(&f, n + 1, "check_run.created", "\"status\":\"in_progress\"");
	assert_int_equal(sim_check_act(f.s, REPO, f.head, "sluice", "alice", "rerequested", &f.err), ERR_CONFLICT);
	static const char done[] = "{\"conclusion\":\"success\",\"actions\":[{\"label\":\"Apply\",\"description\":\"Now\",\"identifier\":\"apply\"}]}";
	assert_int_equal(sim_fixture_call_as(&f, token, "PATCH", path, done), 200);
	newest(&f, n + 2, "check_run.completed", "\"conclusion\":\"success\"");
	assert_int_equal(sim_fixture_call_as(&f, token, "PATCH", path, done), 200); /* it was completed before */
	assert_int_equal(sim_check_act(f.s, REPO, f.head, "sluice", "alice", "apply", &f.err), 0);
	newest(&f, n + 3, "check_run.requested_action", "\"requested_action\":{\"identifier\":\"apply\"}");
	assert_int_equal(sim_check_act(f.s, REPO, f.head, "sluice", "alice", "plan", &f.err), ERR_NOT_FOUND);
	assert_int_equal(sim_check_act(f.s, REPO, f.head, "other", "alice", "rerequested", &f.err), ERR_NOT_FOUND);
	assert_int_equal(sim_check_act(f.s, REPO, f.head, "sluice", "alice", "rerequested", &f.err), 0);
	newest(&f, n + 4, "check_run.rerequested", "\"login\":\"alice\"");
	assert_int_equal(sim_check_act(f.s, REPO, f.head, NULL, "alice", "rerequested", &f.err), 0);
	newest(&f, n + 5, "check_suite.rerequested", f.head);
	CLEANUP_FREE char *control = xasprintf("{\"repo\":\"" REPO "\",\"sha\":\"%s\",\"name\":\"sluice\",\"user\":\"bob\",\"action\":\"apply\"}", f.head);
	assert_int_equal(sim_fixture_call(&f, "POST", "/_sim/check_action", control), 200);
	newest(&f, n + 6, "check_run.requested_action", "\"login\":\"bob\"");
	sim_fixture_stop(&f);
}

static void pushes_ask_for_suites(void **state)
{
	struct sim_fixture f;
	const struct sim_file file = {.path = "x", .content = "y"};
	char sha[SIM_SHA_SIZE];
	(void)state;
	free(start(&f)); /* its token is not needed */
	size_t n = f.events.n;
	assert_int_equal(sim_commit(f.s, REPO, "lonely", "bob", "x", &file, 1, sha, &f.err), 0);
	newest(&f, n + 2, "check_suite.requested", sha);
	assert_string_equal(f.events.v[n], "push");
	sim_fixture_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_runs_are_told),
		cmocka_unit_test(pushes_ask_for_suites),
	};
	return cmocka_run_group_tests(tests, sim_fixture_warm_up, NULL);
}
