/* The simulated GitHub over its own wire: REST with its refusals, git, webhooks with their signature. */
#include "base/fs.h"
#include "tests/component/sim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* ---- REST ---- */

static void reading(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	CLEANUP_FREE char *quoted = xasprintf("\"%s\"", f.head);
	assert_int_equal(sim_fixture_call(&f, "GET", "/user", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "login"), "\"sluice[bot]\"");
	assert_string_equal(sim_fixture_member(&f, "type"), "\"Bot\"");
	assert_int_not_equal(strlen(f.request_id), 0);
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO, NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "allow_merge_commit"), "true");
	assert_string_equal(sim_fixture_member(&f, "id"), "5000000000");
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/pulls/1", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "head.sha"), quoted);
	assert_string_equal(sim_fixture_member(&f, "mergeable"), "true");
	assert_string_equal(sim_fixture_member(&f, "mergeable_state"), "\"blocked\"");
	assert_string_equal(sim_fixture_member(&f, "changed_files"), "1");
	assert_string_equal(sim_fixture_member(&f, "additions"), "1");
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/branches/main", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "protected"), "true");
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/branches/change", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "protected"), "false");
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/rules/branches/main", NULL), 200);
	assert_string_equal(buf_str(&f.body), "[]");
	assert_int_equal(sim_protect(f.s, REPO, "main", SIM_RULESET, 1, &f.err), 0);
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/branches/main", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "protected"), "false");
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/rules/branches/main", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "1.type"), "\"pull_request\"");
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/collaborators/bob/permission", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "permission"), "\"write\"");
	sim_team(f.s, "acme", "platform", "bob", "active");
	sim_team(f.s, "acme", "platform", "alice", "pending");
	assert_int_equal(sim_fixture_call(&f, "GET", "/orgs/acme/teams/platform/memberships/bob", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "state"), "\"active\"");
	assert_int_equal(sim_fixture_call(&f, "GET", "/orgs/acme/teams/platform/memberships/alice", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "state"), "\"pending\"");
	assert_int_equal(sim_fixture_call(&f, "GET", "/orgs/acme/teams/platform/memberships/olivia", NULL), 404);
	sim_fixture_stop(&f);
}

static void refusals(void **state)
{
	static const struct {
		const char *token, *method, *path, *body;
		int status;
	} rows[] = {
		{"wrong", "GET", "/user", NULL, 401},
		{"bot-token", "GET", "/repos/acme/none", NULL, 404},
		{"bot-token", "GET", "/repos/" REPO "/pulls/2", NULL, 404},
		{"bot-token", "GET", "/repos/" REPO "/check-runs/1", NULL, 404},
		{"bot-token", "GET", "/repos/" REPO "/branches/none", NULL, 404},
		{"bot-token", "GET", "/repos/" REPO "/branches/main/protection", NULL, 403},
		{"mallory-token", "PUT", "/repos/" REPO "/pulls/1/merge", "{}", 403},
		{"mallory-token", "GET", "/repos/" REPO "/collaborators/bob/permission", NULL, 403},
		{"bot-token", "POST", "/repos/" REPO "/issues/1/comments", "{\"body\":", 400},
		{"bot-token", "POST", "/repos/" REPO "/issues/1/comments", "[]", 400},
		{"bot-token", "POST", "/repos/" REPO "/issues/1/comments", "{\"text\":\"x\"}", 422},
		{"bot-token", "POST", "/repos/" REPO "/issues/1/comments", "{\"body\":7}", 422},
		{"bot-token", "POST", "/repos/" REPO "/issues/9/comments", "{\"body\":\"x\"}", 404},
		{"bot-token", "PATCH", "/repos/" REPO "/issues/comments/1", "{\"body\":\"x\"}", 404},
		{"bot-token", "POST", "/repos/" REPO "/statuses/0123456789012345678901234567890123456789", "{\"state\":\"success\"}", 422},
		{"bot-token", "POST", "/repos/" REPO "/statuses/main", "{\"state\":\"success\"}", 422},
		{"bot-token", "PUT", "/repos/" REPO "/pulls/1/merge", "{\"sha\":\"0123456789012345678901234567890123456789\"}", 409},
		{"bot-token", "PUT", "/repos/" REPO "/pulls/1/merge", "{\"merge_method\":\"ff\"}", 422},
		{"bot-token", "PUT", "/repos/" REPO "/pulls/1/merge", "{}", 405},
		{"alice-token", "POST", "/repos/" REPO "/pulls/1/reviews", "{\"event\":\"APPROVE\"}", 422},
		{"mallory-token", "POST", "/repos/" REPO "/pulls/1/reviews", "{\"event\":\"COMMENT\"}", 422},
		{"alice-token", "POST", "/repos/" REPO "/pulls", "{\"title\":\"x\",\"head\":\"change\",\"base\":\"main\"}", 422},
		{"alice-token", "POST", "/repos/" REPO "/pulls", "{\"title\":\"x\",\"head\":\"none\",\"base\":\"main\"}", 422},
	};
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int got = sim_fixture_call_as(&f, rows[i].token, rows[i].method, rows[i].path, rows[i].body);
		if (got != rows[i].status)
			fail_msg("%s %s %s: %d instead of %d: %s", rows[i].method, rows[i].path, rows[i].body, got, rows[i].status, buf_str(&f.body));
		assert_string_not_equal(sim_fixture_member(&f, "message"), "missing");
	}
	assert_int_equal(sim_writes(f.s, NULL, NULL), 0);
	sim_fixture_stop(&f);
}

static void comments(void **state)
{
	struct sim_fixture f;
	struct sim_comment_view c;
	(void)state;
	sim_fixture_start(&f, NULL);
	assert_int_equal(sim_fixture_call(&f, "POST", "/repos/" REPO "/issues/1/comments", "{\"body\":\"first \\u00e9\"}"), 201);
	CLEANUP_FREE char *path = xasprintf("/repos/" REPO "/issues/comments/%s", sim_fixture_member(&f, "id"));
	assert_int_equal(sim_fixture_call(&f, "PATCH", path, "{\"body\":\"second\"}"), 200);
	assert_string_equal(sim_fixture_member(&f, "body"), "\"second\"");
	assert_true(sim_comment_view(f.s, REPO, 1, 0, &c));
	assert_int_equal(c.edits, 1);
	assert_string_equal(c.user, "sluice[bot]");
	assert_int_equal(sim_fixture_call_as(&f, "mallory-token", "PATCH", path, "{\"body\":\"mine\"}"), 403);
	struct buf big = {0}; /* exactly at the limit, in characters and not in bytes; then one more */
	buf_adds(&big, "{\"body\":\"");
	for (int i = 0; i < 65536; i++)
		buf_adds(&big, "é");
	buf_adds(&big, "\"}");
	assert_int_equal(sim_fixture_call(&f, "PATCH", path, buf_str(&big)), 200);
	buf_truncate(&big, big.len - 2);
	buf_adds(&big, "x\"}");
	assert_int_equal(sim_fixture_call(&f, "PATCH", path, buf_str(&big)), 422);
	buf_free(&big);
	for (int i = 0; i < 5; i++)
		assert_int_equal(sim_comment(f.s, REPO, 1, "bob", "me too", NULL, &f.err), 0);
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/issues/1/comments?per_page=4", NULL), 200);
	assert_non_null(strstr(f.link, "?per_page=4&page=2>; rel=\"next\""));
	assert_string_equal(sim_fixture_member(&f, "3.body"), "\"me too\"");
	assert_string_equal(sim_fixture_member(&f, "4"), "missing");
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/issues/1/comments?per_page=4&page=2", NULL), 200);
	assert_null(strstr(f.link, "rel=\"next\""));
	assert_string_equal(sim_fixture_member(&f, "2"), "missing");
	assert_int_equal(sim_fixture_call(&f, "DELETE", path, NULL), 204);
	assert_int_equal(sim_fixture_call(&f, "PATCH", path, "{\"body\":\"gone\"}"), 404);
	assert_int_equal(sim_writes(f.s, "sluice[bot]", "comment_edit"), 2);
	assert_int_equal(sim_writes(f.s, "sluice[bot]", NULL), 4);
	assert_string_equal(sim_comment_body(f.s, REPO, 1, NULL), "me too");
	assert_null(sim_comment_body(f.s, REPO, 1, "sluice[bot]"));
	sim_fixture_stop(&f);
}

static void statuses(void **state)
{
	struct sim_fixture f;
	const char *description = NULL;
	(void)state;
	sim_fixture_start(&f, NULL);
	CLEANUP_FREE char *path = xasprintf("/repos/" REPO "/statuses/%s", f.head), *combined = xasprintf("/repos/" REPO "/commits/%s/status", f.head);
	CLEANUP_FREE char *runs = xasprintf("/repos/" REPO "/commits/%s/check-runs", f.head);
	CLEANUP_FREE char *fits = xasprintf("{\"state\":\"pending\",\"context\":\"sluice\",\"description\":\"%0140d\"}", 0);
	CLEANUP_FREE char *too_long = xasprintf("{\"state\":\"pending\",\"context\":\"sluice\",\"description\":\"%0141d\"}", 0);
	assert_int_equal(sim_fixture_call(&f, "GET", combined, NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "state"), "\"pending\"");
	assert_int_equal(sim_fixture_call(&f, "POST", path, fits), 201);
	assert_int_equal(sim_fixture_call(&f, "POST", path, too_long), 422);
	assert_int_equal(sim_fixture_call(&f, "POST", path, "{\"state\":\"running\"}"), 422);
	assert_int_equal(sim_fixture_call(&f, "POST", path, "{\"state\":\"success\",\"context\":\"Sluice\",\"description\":\"ok\"}"), 201);
	assert_string_equal(sim_status(f.s, REPO, f.head, "sluice", &description), "success");
	assert_string_equal(description, "ok");
	assert_int_equal(sim_fixture_call(&f, "GET", combined, NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "state"), "\"success\"");
	assert_string_equal(sim_fixture_member(&f, "total_count"), "1");
	assert_int_equal(sim_fixture_call(&f, "POST", path, "{\"state\":\"failure\",\"context\":\"lint\"}"), 201);
	assert_int_equal(sim_fixture_call(&f, "GET", combined, NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "state"), "\"failure\"");
	assert_int_equal(sim_check(f.s, REPO, f.head, "build", NULL, &f.err), 0);
	assert_int_equal(sim_check(f.s, REPO, f.head, "build", "success", &f.err), 0);
	assert_int_equal(sim_fixture_call(&f, "GET", runs, NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "total_count"), "1");
	assert_string_equal(sim_fixture_member(&f, "check_runs.0.conclusion"), "\"success\"");
	sim_fixture_stop(&f);
}

static void merging(void **state)
{
	struct sim_fixture f;
	struct sim_pr_view v;
	char tip[SIM_SHA_SIZE], parent[SIM_SHA_SIZE];
	(void)state;
	sim_fixture_start(&f, NULL);
	CLEANUP_FREE char *body = xasprintf("{\"sha\":\"%s\",\"merge_method\":\"merge\"}", f.head);
	assert_int_equal(sim_fixture_call(&f, "PUT", "/repos/" REPO "/pulls/1/merge", body), 405);
	assert_int_equal(sim_review(f.s, REPO, 1, "alice", "APPROVE", NULL, &f.err), ERR_REFUSED);
	assert_int_equal(sim_review(f.s, REPO, 1, "bob", "APPROVE", "fine", &f.err), 0);
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/pulls/1/reviews", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "0.state"), "\"APPROVED\"");
	assert_int_equal(sim_fixture_call(&f, "PUT", "/repos/" REPO "/pulls/1/merge", body), 200);
	assert_int_equal(sim_resolve(f.s, REPO, "main", tip, &f.err), 0);
	assert_string_not_equal(tip, f.main);
	assert_int_equal(sim_resolve(f.s, REPO, "main^2", parent, &f.err), 0);
	assert_string_equal(parent, f.head);
	assert_true(sim_pr_view(f.s, REPO, 1, &v));
	assert_true(v.merged);
	assert_string_equal(v.merge_commit_sha, tip);
	assert_int_equal(sim_fixture_call(&f, "PUT", "/repos/" REPO "/pulls/1/merge", body), 405);
	sim_fixture_settle(&f, 5); /* review, push, closed */
	assert_string_equal(f.events.v[3], "push");
	assert_string_equal(f.events.v[4], "pull_request.closed");
	sim_fixture_stop(&f);
}

static void conflicts_and_squash(void **state)
{
	const struct sim_file one = {.path = "README.md", .content = "one\n"}, two = {.path = "README.md", .content = "two\n"};
	struct sim_fixture f;
	int64_t n;
	char before[SIM_SHA_SIZE], parent[SIM_SHA_SIZE];
	(void)state;
	sim_fixture_start(&f, NULL);
	assert_int_equal(sim_commit(f.s, REPO, "words", "bob", "One", &one, 1, NULL, &f.err), 0);
	struct sim_pr_new p = {.repo = REPO, .user = "bob", .head = "words"};
	assert_int_equal(sim_pr_open(f.s, &p, &n, &f.err), 0);
	assert_int_equal(sim_commit(f.s, REPO, "main", "olivia", "Two", &two, 1, before, &f.err), 0);
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/pulls/2", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "mergeable"), "false");
	assert_string_equal(sim_fixture_member(&f, "mergeable_state"), "\"dirty\"");
	assert_int_equal(sim_merge(f.s, REPO, 2, "olivia", NULL, &f.err), ERR_REFUSED);
	assert_int_equal(sim_merge(f.s, REPO, 1, "bob", NULL, &f.err), ERR_REFUSED); /* no approval */
	assert_int_equal(sim_merge(f.s, REPO, 1, "olivia", "squash", &f.err), 0);    /* an admin needs none */
	assert_int_equal(sim_resolve(f.s, REPO, "main^", parent, &f.err), 0);
	assert_string_equal(parent, before);
	assert_int_equal(sim_resolve(f.s, REPO, "main^2", parent, &f.err), ERR_NOT_FOUND);
	sim_fixture_stop(&f);
}

/* ---- git ---- */

static void git_over_http(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	assert_int_equal(sim_fixture_clone(&f, "bot-token", "git fetch -q origin refs/pull/1/head && git rev-parse FETCH_HEAD && cat live/a/main.tf"), 0);
	CLEANUP_FREE char *want = xasprintf("%s\na = 1\n", f.head);
	assert_string_equal(buf_str(&f.body), want);
	CLEANUP_FREE char *clone = fs_join(f.dir, "clone");
	assert_int_equal(fs_remove_tree(clone, &f.err), 0);
	assert_int_equal(sim_fixture_clone(&f, "wrong", "true"), 128);
	assert_true(sim_requests(f.s, "git") >= 3);
	sim_fixture_stop(&f);
}

/* Many branches make the client's request longer than what it sends without gzip. */
static void git_with_gzip(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	for (int i = 0; i < 30; i++) {
		char name[32];
		(void)snprintf(name, sizeof(name), "branch-%d", i);
		const struct sim_file file = {.path = name, .content = name};
		assert_int_equal(sim_commit(f.s, REPO, name, "bob", name, &file, 1, NULL, &f.err), 0);
	}
	assert_int_equal(sim_fixture_clone(&f, "bot-token", "git branch -r | grep -c branch-; grep -ci 'content-encoding: gzip' ../trace"), 0);
	assert_string_equal(buf_str(&f.body), "30\n1\n");
	const struct {
		const char *path, *encoding;
		int status;
	} rows[] = {
		{"/" REPO ".git/git-upload-pack", "gzip", 415},
		{"/" REPO ".git/git-upload-pack", "br", 415},
		{"/" REPO ".git/git-receive-pack", "identity", 403},
		{"/" REPO ".git/info/refs?service=git-receive-pack", "identity", 403},
		{"/acme/none.git/git-upload-pack", "identity", 404},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		f.encoding = rows[i].encoding;
		assert_int_equal(sim_fixture_call(&f, "POST", rows[i].path, "no gzip"), rows[i].status);
	}
	sim_fixture_settle(&f, 32);
	sim_fixture_stop(&f);
}

/* ---- webhooks and what people do ---- */

static void events(void **state)
{
	static const char *const want[] = {
		"push", "pull_request.opened", "issue_comment.created", "push", "pull_request.synchronize", "pull_request.edited", "pull_request.converted_to_draft",
		"pull_request.ready_for_review", "pull_request.closed", "pull_request.reopened", "pull_request_review.submitted",
	};
	const struct sim_file more = {.path = "live/a/more.tf", .content = "b = 1\n"};
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	assert_int_equal(sim_comment(f.s, REPO, 1, "bob", "plan", NULL, &f.err), 0);
	sim_fixture_settle(&f, 3);
	buf_reset(&f.body);
	buf_add(&f.body, f.last_payload.data, f.last_payload.len);
	assert_string_equal(sim_fixture_member(&f, "comment.body"), "\"plan\"");
	assert_string_not_equal(sim_fixture_member(&f, "issue.pull_request.url"), "missing");
	assert_int_equal(sim_commit(f.s, REPO, "change", "alice", "More", &more, 1, NULL, &f.err), 0);
	sim_fixture_settle(&f, 5);
	buf_reset(&f.body);
	buf_add(&f.body, f.last_payload.data, f.last_payload.len);
	CLEANUP_FREE char *before = xasprintf("\"%s\"", f.head);
	assert_string_equal(sim_fixture_member(&f, "before"), before);
	assert_string_equal(sim_fixture_member(&f, "pull_request.changed_files"), "2");
	assert_int_equal(sim_pr_edit(f.s, REPO, 1, "alice", "New title", NULL, &f.err), 0);
	assert_int_equal(sim_pr_act(f.s, REPO, 1, "alice", "converted_to_draft", &f.err), 0);
	assert_int_equal(sim_pr_act(f.s, REPO, 1, "alice", "converted_to_draft", &f.err), ERR_REFUSED);
	assert_int_equal(sim_pr_act(f.s, REPO, 1, "alice", "ready_for_review", &f.err), 0);
	assert_int_equal(sim_pr_act(f.s, REPO, 1, "alice", "closed", &f.err), 0);
	assert_int_equal(sim_pr_act(f.s, REPO, 1, "alice", "reopened", &f.err), 0);
	assert_int_equal(sim_review(f.s, REPO, 1, "bob", "APPROVE", "", &f.err), 0);
	sim_fixture_settle(&f, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		assert_string_equal(f.events.v[i], want[i]);
	assert_true(sim_redeliver(f.s, 0));
	assert_false(sim_redeliver(f.s, 99));
	sim_fixture_settle(&f, ARRAY_LEN(want) + 1);
	assert_string_equal(f.guids.v[ARRAY_LEN(want)], f.guids.v[0]);
	sim_fixture_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading), cmocka_unit_test(refusals), cmocka_unit_test(comments), cmocka_unit_test(statuses), cmocka_unit_test(merging),
		cmocka_unit_test(conflicts_and_squash), cmocka_unit_test(git_over_http), cmocka_unit_test(git_with_gzip), cmocka_unit_test(events),
	};
	return cmocka_run_group_tests_name("sim", tests, sim_fixture_warm_up, NULL);
}
