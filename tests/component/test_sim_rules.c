/* Rules of branches in the simulated GitHub: how they are told, and that its own merge obeys each of them. */
#include "tests/component/sim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void protect(struct sim_fixture *f, const struct sim_rules *rules)
{
	if (sim_protect_with(f->s, REPO, "main", rules, NULL, &f->err) != 0)
		fail_msg("%s", f->err.msg);
}

static void must(struct sim_fixture *f, int rc)
{
	if (rc != 0)
		fail_msg("%s", f->err.msg);
}

/* Merging is refused with just this sentence. */
static void refused(struct sim_fixture *f, const char *sentence)
{
	CLEANUP_FREE char *quoted = xasprintf("\"%s\"", sentence);
	assert_int_equal(sim_fixture_call(f, "PUT", "/repos/" REPO "/pulls/1/merge", "{}"), 405);
	assert_string_equal(sim_fixture_member(f, "message"), quoted);
}

static void merges(struct sim_fixture *f)
{
	if (sim_fixture_call(f, "PUT", "/repos/" REPO "/pulls/1/merge", "{}") != 200)
		fail_msg("%s", buf_str(&f->body));
}

/* ---- telling ---- */

static void rules_are_told(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	const struct sim_required checks[] = {{"ci", 0}, {"lint", 15368}};
	protect(&f, &(struct sim_rules){.how = SIM_RULESET, .reviews = 2, .dismiss_stale = true, .code_owners = true, .last_push = true, .conversations = true,
					.strict = true, .signatures = true, .checks = checks, .checks_n = 2, .methods = "squash,rebase",
					.deployments = "staging,production", .queue = "SQUASH", .queue_minutes = 5});
	static const char *const want[][2] = {
		{"0.type", "\"non_fast_forward\""},
		{"1.type", "\"pull_request\""},
		{"1.parameters.required_approving_review_count", "2"},
		{"1.parameters.dismiss_stale_reviews_on_push", "true"},
		{"1.parameters.require_code_owner_review", "true"},
		{"1.parameters.require_last_push_approval", "true"},
		{"1.parameters.required_review_thread_resolution", "true"},
		{"1.parameters.allowed_merge_methods", "[\"squash\",\"rebase\"]"},
		{"2.type", "\"deletion\""},
		{"3.type", "\"required_status_checks\""},
		{"3.parameters.strict_required_status_checks_policy", "true"},
		{"3.parameters.required_status_checks", "[{\"context\":\"ci\"},{\"context\":\"lint\",\"integration_id\":15368}]"},
		{"4.type", "\"merge_queue\""},
		{"4.parameters.merge_method", "\"SQUASH\""},
		{"4.parameters.check_response_timeout_minutes", "5"},
		{"5.type", "\"required_signatures\""},
		{"5.parameters", "missing"},
		{"6.parameters.required_deployment_environments", "[\"staging\",\"production\"]"},
		{"7", "missing"},
	};
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/rules/branches/main", NULL), 200);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_string_equal(sim_fixture_member(&f, want[i][0]), want[i][1]);
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/rules/branches/main?per_page=3&page=2", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "0.type"), "\"required_status_checks\"");
	assert_non_null(strstr(f.link, "page=3>; rel=\"next\""));
	protect(&f, &(struct sim_rules){.how = SIM_RULESET, .reviews = 1, .also = true}); /* a second ruleset of the same branch */
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/rules/branches/main", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "8.parameters.required_approving_review_count"), "1");
	sim_fixture_stop(&f);
}

static void classic_is_told_to_administrators(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	const struct sim_required checks[] = {{"ci", 0}, {"lint", 15368}};
	protect(&f, &(struct sim_rules){.how = SIM_CLASSIC, .reviews = 1, .last_push = true, .conversations = true, .signatures = true, .strict = true,
					.admins = true, .checks = checks, .checks_n = 2});
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/branches/main/protection", NULL), 403);
	must(&f, sim_permission(f.s, REPO, "alice", "admin", &f.err));
	assert_int_equal(sim_fixture_call_as(&f, "alice-token", "GET", "/repos/" REPO "/branches/main/protection", NULL), 200);
	static const char *const want[][2] = {
		{"required_status_checks.strict", "true"},
		{"required_status_checks.contexts", "[\"ci\",\"lint\"]"},
		{"required_status_checks.checks", "[{\"context\":\"ci\",\"app_id\":null},{\"context\":\"lint\",\"app_id\":15368}]"},
		{"required_pull_request_reviews.required_approving_review_count", "1"},
		{"required_pull_request_reviews.require_last_push_approval", "true"},
		{"required_pull_request_reviews.dismiss_stale_reviews", "false"},
		{"required_signatures.enabled", "true"},
		{"enforce_admins.enabled", "true"},
		{"required_conversation_resolution.enabled", "true"},
	};
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_string_equal(sim_fixture_member(&f, want[i][0]), want[i][1]);
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/branches/main", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "protection.required_status_checks.enforcement_level"), "\"everyone\"");
	protect(&f, &(struct sim_rules){.how = SIM_OPEN});
	assert_int_equal(sim_fixture_call_as(&f, "alice-token", "GET", "/repos/" REPO "/branches/main/protection", NULL), 404);
	sim_fixture_stop(&f);
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const struct sim_rules rows[] = {
		{.how = SIM_RULESET, .reviews = 11}, {.how = SIM_CLASSIC, .reviews = 7}, {.how = SIM_RULESET, .methods = "merge,ff"},
		{.how = SIM_RULESET, .queue = "FAST"}, {.how = SIM_CLASSIC, .queue = "MERGE"}, {.how = SIM_CLASSIC, .deployments = "x"},
	};
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(sim_protect_with(f.s, REPO, "main", &rows[i], NULL, &f.err), ERR_USAGE);
	sim_fixture_stop(&f);
}

/* ---- obeying ---- */

static void approvals(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	protect(&f, &(struct sim_rules){.how = SIM_RULESET, .reviews = 2});
	refused(&f, "At least 2 approving reviews are required by reviewers with write access.");
	must(&f, sim_review(f.s, REPO, 1, "bob", "APPROVE", NULL, &f.err));
	must(&f, sim_review(f.s, REPO, 1, "mallory", "APPROVE", NULL, &f.err)); /* may not write: counts for nothing */
	refused(&f, "At least 2 approving reviews are required by reviewers with write access.");
	must(&f, sim_review(f.s, REPO, 1, "olivia", "REQUEST_CHANGES", "no", &f.err));
	refused(&f, "At least 2 approving reviews are required by reviewers with write access.");
	must(&f, sim_review(f.s, REPO, 1, "olivia", "APPROVE", NULL, &f.err));
	must(&f, sim_review(f.s, REPO, 1, "olivia", "COMMENT", "by the way", &f.err)); /* takes nothing back */
	merges(&f);
	sim_fixture_stop(&f);
}

static void stale_reviews_fall(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	const struct sim_file more = {.path = "live/a/main.tf", .content = "a = 3\n"};
	protect(&f, &(struct sim_rules){.how = SIM_RULESET, .reviews = 1, .dismiss_stale = true});
	must(&f, sim_review(f.s, REPO, 1, "bob", "APPROVE", NULL, &f.err));
	must(&f, sim_commit(f.s, REPO, "change", "alice", "More", &more, 1, NULL, &f.err));
	sim_fixture_settle(&f, 6);
	assert_string_equal(f.events.v[5], "pull_request_review.dismissed");
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/pulls/1/reviews", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "0.state"), "\"DISMISSED\"");
	refused(&f, "At least 1 approving review is required by reviewers with write access.");
	sim_fixture_stop(&f);
}

static void the_last_pusher_does_not_approve(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	const struct sim_file more = {.path = "x", .content = "1"};
	protect(&f, &(struct sim_rules){.how = SIM_RULESET, .reviews = 1, .last_push = true});
	must(&f, sim_commit(f.s, REPO, "change", "bob", "Bob helps", &more, 1, NULL, &f.err));
	must(&f, sim_review(f.s, REPO, 1, "bob", "APPROVE", NULL, &f.err));
	refused(&f, "New changes require approval from someone other than the last pusher.");
	must(&f, sim_review(f.s, REPO, 1, "olivia", "APPROVE", NULL, &f.err));
	merges(&f);
	sim_fixture_stop(&f);
}

static void checks_of_the_right_application(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	const struct sim_required checks[] = {{"ci", 0}, {"lint", 77}};
	protect(&f, &(struct sim_rules){.how = SIM_RULESET, .checks = checks, .checks_n = 2});
	refused(&f, "Required status check \\\"ci\\\" is expected.");
	must(&f, sim_check(f.s, REPO, f.head, "ci", NULL, &f.err));
	refused(&f, "Required status check \\\"ci\\\" is in progress.");
	must(&f, sim_check(f.s, REPO, f.head, "ci", "failure", &f.err));
	refused(&f, "Required status check \\\"ci\\\" is failing.");
	must(&f, sim_check(f.s, REPO, f.head, "ci", "neutral", &f.err));
	must(&f, sim_check_by(f.s, REPO, f.head, "lint", "success", 76, &f.err));
	refused(&f, "Required status check \\\"lint\\\" was not set by the expected GitHub app.");
	must(&f, sim_check_by(f.s, REPO, f.head, "lint", "success", 77, &f.err));
	CLEANUP_FREE char *path = xasprintf("/repos/" REPO "/statuses/%s", f.head);
	assert_int_equal(sim_fixture_call(&f, "POST", path, "{\"state\":\"pending\",\"context\":\"CI\"}"), 201); /* a status of that name counts as well */
	refused(&f, "Required status check \\\"ci\\\" is in progress.");
	assert_int_equal(sim_fixture_call(&f, "POST", path, "{\"state\":\"success\",\"context\":\"ci\"}"), 201);
	merges(&f);
	sim_fixture_stop(&f);
}

static void conversations_deployments_signatures_base(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	const struct sim_file other = {.path = "other", .content = "1"}, same = {.path = "live/a/main.tf", .content = "a = 2\n"};
	char head[SIM_SHA_SIZE];
	protect(&f, &(struct sim_rules){.how = SIM_RULESET, .conversations = true, .deployments = "staging", .strict = true, .signatures = true});
	must(&f, sim_threads(f.s, REPO, 1, 1, 3, &f.err));
	refused(&f, "All comments must be resolved.");
	must(&f, sim_threads(f.s, REPO, 1, 0, 4, &f.err));
	refused(&f, "Missing successful active staging deployment.");
	must(&f, sim_deploy(f.s, REPO, "bob", "change", "staging", "success", &f.err));
	must(&f, sim_deploy(f.s, REPO, "bob", "change", "staging", "failure", &f.err)); /* the newest status counts */
	refused(&f, "Missing successful active staging deployment.");
	must(&f, sim_deploy(f.s, REPO, "bob", "change", "staging", "success", &f.err));
	must(&f, sim_commit(f.s, REPO, "main", "olivia", "Elsewhere", &other, 1, NULL, &f.err));
	refused(&f, "This branch is out-of-date with the base branch.");
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/pulls/1", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "mergeable_state"), "\"behind\"");
	struct sim_commit_new n = {.repo = REPO, .branch = "change", .user = "alice", .message = "Again", .files = &same, .files_n = 1, .from = "main",
				   .force = true, .verified = false};
	must(&f, sim_commit_with(f.s, &n, head, &f.err));
	must(&f, sim_deploy(f.s, REPO, "bob", head, "staging", "success", &f.err));
	refused(&f, "Commits must have verified signatures.");
	n.verified = true;
	must(&f, sim_commit_with(f.s, &n, head, &f.err));
	must(&f, sim_deploy(f.s, REPO, "bob", head, "staging", "success", &f.err));
	merges(&f);
	sim_fixture_stop(&f);
}

static void code_owners(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	const struct sim_file owners = {.path = ".github/CODEOWNERS", .content = "# who\n* @nobody\n/live/ @acme/platform olivia@example.com # team\n*.[ch] @bob\n"};
	must(&f, sim_commit(f.s, REPO, "main", "olivia", "Owners", &owners, 1, NULL, &f.err));
	sim_team(f.s, "acme", "platform", "bob", "active");
	protect(&f, &(struct sim_rules){.how = SIM_RULESET, .reviews = 1, .code_owners = true});
	must(&f, sim_review(f.s, REPO, 1, "olivia", "APPROVE", NULL, &f.err));
	refused(&f, "Waiting on code owner review from acme/platform and/or olivia@example.com.");
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/codeowners/errors", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "errors.0.kind"), "\"Unknown owner\"");
	assert_string_equal(sim_fixture_member(&f, "errors.0.line"), "2");
	assert_string_equal(sim_fixture_member(&f, "errors.1.column"), "23");
	assert_string_equal(sim_fixture_member(&f, "errors.2.kind"), "\"Invalid pattern\"");
	assert_string_equal(sim_fixture_member(&f, "errors.2.line"), "4");
	assert_string_equal(sim_fixture_member(&f, "errors.3"), "missing");
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/codeowners/errors?ref=change", NULL), 404);
	must(&f, sim_review(f.s, REPO, 1, "bob", "APPROVE", NULL, &f.err));
	merges(&f);
	sim_fixture_stop(&f);
}

/* ---- methods and passing by ---- */

static void methods(void **state)
{
	struct sim_fixture f;
	char sha[SIM_SHA_SIZE];
	(void)state;
	sim_fixture_start(&f, NULL);
	const struct sim_file second = {.path = "b", .content = "2"}, other = {.path = "other", .content = "1"};
	protect(&f, &(struct sim_rules){.how = SIM_RULESET, .methods = "rebase"});
	assert_int_equal(sim_fixture_call(&f, "PUT", "/repos/" REPO "/pulls/1/merge", "{\"merge_method\":\"rebase\"}"), 405);
	assert_string_equal(sim_fixture_member(&f, "message"), "\"Rebase merges are not allowed on this repository.\"");
	CLEANUP_FREE char *settings = xstrdup("{\"repo\":\"" REPO "\",\"rebase\":true}");
	assert_int_equal(sim_fixture_call(&f, "POST", "/_sim/settings", settings), 200);
	refused(&f, "The merge method merge is not allowed by the rules of this branch.");
	must(&f, sim_commit(f.s, REPO, "change", "bob", "Second", &second, 1, NULL, &f.err));
	must(&f, sim_commit(f.s, REPO, "main", "olivia", "Elsewhere", &other, 1, NULL, &f.err));
	assert_int_equal(sim_fixture_call(&f, "PUT", "/repos/" REPO "/pulls/1/merge", "{\"merge_method\":\"rebase\"}"), 200);
	must(&f, sim_resolve(f.s, REPO, "main", sha, &f.err));
	CLEANUP_FREE char *quoted = xasprintf("\"%s\"", sha);
	assert_string_equal(sim_fixture_member(&f, "sha"), quoted);
	assert_int_equal(sim_fixture_clone(&f, "bot-token", "git log --format='%an|%cn|%s' -3 && git ls-tree -r --name-only HEAD | tr '\\n' ' '"), 0);
	assert_string_equal(buf_str(&f.body), "bob|GitHub|Second\nalice|GitHub|Change a\nolivia|olivia|Elsewhere\nREADME.md b live/a/main.tf other ");
	sim_fixture_stop(&f);
}

/* What merges as a whole need not do so commit by commit. */
static void what_cannot_be_rebased(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	const struct sim_file back[] = {{.path = "live/a/main.tf", .content = "a = 1\n"}, {.path = "b", .content = "2"}};
	const struct sim_file theirs = {.path = "live/a/main.tf", .content = "a = 9\n"};
	protect(&f, &(struct sim_rules){.how = SIM_OPEN});
	must(&f, sim_commit(f.s, REPO, "change", "alice", "Back", back, 2, NULL, &f.err));
	must(&f, sim_commit(f.s, REPO, "main", "olivia", "Theirs", &theirs, 1, NULL, &f.err));
	assert_int_equal(sim_fixture_call(&f, "POST", "/_sim/settings", "{\"repo\":\"" REPO "\",\"rebase\":true}"), 200);
	assert_int_equal(sim_fixture_call(&f, "PUT", "/repos/" REPO "/pulls/1/merge", "{\"merge_method\":\"rebase\"}"), 405);
	assert_string_equal(sim_fixture_member(&f, "message"), "\"This branch can't be rebased\"");
	merges(&f);
	sim_fixture_stop(&f);
}

static void past_the_rules(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	protect(&f, &(struct sim_rules){.how = SIM_CLASSIC, .reviews = 1, .admins = true});
	assert_int_equal(sim_merge(f.s, REPO, 1, "olivia", NULL, &f.err), ERR_REFUSED);
	protect(&f, &(struct sim_rules){.how = SIM_RULESET, .reviews = 1});
	assert_int_equal(sim_merge(f.s, REPO, 1, "olivia", NULL, &f.err), ERR_REFUSED);
	assert_int_equal(sim_merge_past(f.s, REPO, 1, "bob", NULL, &f.err), ERR_REFUSED);
	assert_int_equal(sim_fixture_call(&f, "POST", "/_sim/merge", "{\"repo\":\"" REPO "\",\"pr\":1,\"user\":\"olivia\",\"bypass\":true}"), 200);
	sim_fixture_settle(&f, 4);
	assert_string_equal(f.events.v[3], "pull_request.closed");
	sim_fixture_stop(&f);
}

static void rules_send_events(void **state)
{
	static const char head[] = "{\"repo\":\"" REPO "\",\"branch\":\"main\",\"user\":\"olivia\",";
	static const char *const rows[][2] = {
		{"\"protect\":\"classic\",\"reviews\":2,\"checks\":[\"ci\"]}", "branch_protection_rule.edited"},
		{"\"protect\":\"ruleset\",\"also\":true,\"queue\":\"MERGE\",\"methods\":[\"merge\"],\"checks\":[{\"context\":\"ci\",\"integration_id\":5}]}",
		 "repository_ruleset.created"},
		{"\"protect\":\"ruleset\",\"deployments\":[\"prod\"],\"signatures\":true}", "branch_protection_rule.deleted repository_ruleset.edited"},
		{"\"protect\":\"none\"}", "repository_ruleset.deleted"},
	};
	struct sim_fixture f;
	size_t seen = 2;
	(void)state;
	sim_fixture_start(&f, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CLEANUP_FREE char *body = xasprintf("%s%s", head, rows[i][0]), *got = NULL;
		if (sim_fixture_call(&f, "POST", "/_sim/protect", body) != 200)
			fail_msg("%s", buf_str(&f.body));
		size_t n = strchr(rows[i][1], ' ') != NULL ? 2 : 1;
		sim_fixture_settle(&f, seen + n);
		got = n == 2 ? xasprintf("%s %s", f.events.v[seen], f.events.v[seen + 1]) : xstrdup(f.events.v[seen]);
		assert_string_equal(got, rows[i][1]);
		seen += n;
	}
	sim_fixture_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_told),
		cmocka_unit_test(classic_is_told_to_administrators),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(approvals),
		cmocka_unit_test(stale_reviews_fall),
		cmocka_unit_test(the_last_pusher_does_not_approve),
		cmocka_unit_test(checks_of_the_right_application),
		cmocka_unit_test(conversations_deployments_signatures_base),
		cmocka_unit_test(code_owners),
		cmocka_unit_test(methods),
		cmocka_unit_test(what_cannot_be_rebased),
		cmocka_unit_test(past_the_rules),
		cmocka_unit_test(rules_send_events),
	};
	return cmocka_run_group_tests_name("sim_rules", tests, sim_fixture_warm_up, NULL);
}
