/* What people do to commits, words, labels, forks, branches, accounts and teams in the simulated GitHub, and what of it the API and webhooks tell. */
#include "tests/component/sim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void must(struct sim_fixture *f, int rc)
{
	if (rc != 0)
		fail_msg("%s", f->err.msg);
}

static void control(struct sim_fixture *f, const char *name, const char *members, int status)
{
	CLEANUP_FREE char *path = xasprintf("/_sim/%s", name), *body = xasprintf("{\"repo\":\"" REPO "\",%s}", members);
	if (sim_fixture_call(f, "POST", path, body) != status)
		fail_msg("%s %s: %d %s", name, members, f->status, buf_str(&f->body));
}

static void get(struct sim_fixture *f, const char *below, int status)
{
	CLEANUP_FREE char *path = xasprintf("/repos/" REPO "%s", below);
	if (sim_fixture_call(f, "GET", path, NULL) != status)
		fail_msg("%s: %d %s", below, f->status, buf_str(&f->body));
}

static void is(struct sim_fixture *f, const char *member, const char *want) { assert_string_equal(sim_fixture_member(f, member), want); }

static void last_event(struct sim_fixture *f, size_t n, const char *want)
{
	sim_fixture_settle(f, n);
	assert_string_equal(f->events.v[n - 1], want);
}

/* ---- commits ---- */

static void who_wrote_a_commit(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	control(&f, "commit", "\"user\":\"bob\",\"branch\":\"change\",\"path\":\"b\",\"content\":\"1\",\"author\":\"carol\",\"verified\":true,"
			      "\"co_authors\":[\"dave\",\"Eve <eve@example.com>\"],\"message\":\"Help\"", 200);
	control(&f, "commit", "\"user\":\"bob\",\"branch\":\"change\",\"path\":\"c\",\"content\":\"1\",\"author\":\"Nobody <n@example.com>\","
			      "\"committer\":\"GitHub <noreply@github.com>\"", 200);
	get(&f, "/pulls/1/commits", 200);
	static const char *const want[][2] = {
		{"0.author.login", "\"alice\""},
		{"0.commit.verification.verified", "false"},
		{"0.commit.verification.reason", "\"unsigned\""},
		{"1.author.login", "\"carol\""},
		{"1.committer.login", "\"bob\""},
		{"1.commit.author.name", "\"carol\""},
		{"1.commit.verification.verified", "true"},
		{"2.author", "null"},
		{"2.commit.author.email", "\"n@example.com\""},
		{"2.committer.login", "\"web-flow\""},
		{"3", "missing"},
	};
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		is(&f, want[i][0], want[i][1]);
	assert_non_null(strstr(sim_fixture_member(&f, "1.commit.message"), "Help\\n\\nCo-authored-by: dave <"));
	assert_non_null(strstr(sim_fixture_member(&f, "1.commit.message"), "\\nCo-authored-by: Eve <eve@example.com>"));
	get(&f, "/pulls/1/commits?per_page=2&page=2", 200);
	is(&f, "0.author", "null");
	is(&f, "1", "missing");
	sim_fixture_stop(&f);
}

static void forced_pushes(void **state)
{
	struct sim_fixture f;
	char head[SIM_SHA_SIZE];
	(void)state;
	sim_fixture_start(&f, NULL);
	CLEANUP_FREE char *from = xasprintf("\"user\":\"bob\",\"branch\":\"change\",\"path\":\"b\",\"content\":\"1\",\"from\":\"%s\"", f.main);
	control(&f, "commit", from, 400);
	CLEANUP_FREE char *forced = xasprintf("%s,\"force\":true", from);
	control(&f, "commit", forced, 200);
	last_event(&f, 4, "pull_request.synchronize");
	assert_string_equal(f.events.v[2], "push");
	must(&f, sim_resolve(f.s, REPO, "change", head, &f.err));
	CLEANUP_FREE char *sides = xasprintf("\"before\":\"%s\",\"after\":\"%s\"", f.head, head);
	assert_non_null(strstr(buf_str(&f.last_payload), sides));
	get(&f, "/pulls/1/commits", 200);
	is(&f, "1", "missing");
	CLEANUP_FREE char *old = xasprintf("/commits/%s/pulls", f.head), *now = xasprintf("/commits/%s/pulls", head);
	get(&f, old, 200);
	is(&f, "0", "missing");
	get(&f, now, 200);
	is(&f, "0.number", "1");
	sim_fixture_stop(&f);
}

static void what_is_said_of_commits(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	CLEANUP_FREE char *suites = xasprintf("/commits/%s/check-suites", f.head), *of_77 = xasprintf("%s?app_id=77", suites);
	CLEANUP_FREE char *runs = xasprintf("/commits/%s/check-runs", f.head), *statuses = xasprintf("/commits/%s/statuses", f.head);
	get(&f, suites, 200);
	is(&f, "check_suites.0.app.id", "15368");
	is(&f, "check_suites.0.status", "\"queued\"");
	assert_string_not_equal(sim_fixture_member(&f, "check_suites.0.created_at"), "null");
	control(&f, "check", "\"sha\":\"change\",\"name\":\"lint\",\"conclusion\":\"success\",\"app_id\":77", 200);
	control(&f, "check", "\"sha\":\"change\",\"name\":\"lint\",\"conclusion\":\"failure\"", 200);
	get(&f, of_77, 200);
	is(&f, "total_count", "1");
	is(&f, "check_suites.0.conclusion", "\"success\"");
	get(&f, runs, 200);
	is(&f, "total_count", "2"); /* one of each application */
	is(&f, "check_runs.0.app.id", "77");
	is(&f, "check_runs.1.app.slug", "\"github-actions\"");
	control(&f, "status", "\"user\":\"bob\",\"sha\":\"change\",\"context\":\"build\",\"state\":\"pending\"", 200);
	control(&f, "status", "\"user\":\"ci[bot]\",\"sha\":\"change\",\"context\":\"build\"", 200);
	get(&f, statuses, 200);
	is(&f, "0.creator.login", "\"ci[bot]\"");
	is(&f, "0.creator.type", "\"Bot\"");
	is(&f, "1.creator.login", "\"bob\"");
	sim_fixture_stop(&f);
}

static void files_of_a_commit(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	const struct sim_file files[] = {{.path = "docs/a b#c", .content = "\x00\xff", .len = 2}, {.path = "docs/link", .content = "../README.md", .mode = "120000"}};
	must(&f, sim_commit(f.s, REPO, "change", "alice", "Docs", files, 2, NULL, &f.err));
	get(&f, "/contents/live/a/main.tf?ref=change", 200);
	is(&f, "content", "\"YSA9IDIK\"");
	is(&f, "encoding", "\"base64\"");
	is(&f, "size", "6");
	CLEANUP_FREE char *sha = xstrdup(sim_fixture_member(&f, "sha"));
	get(&f, "/contents/live/a/main.tf", 200);
	is(&f, "content", "\"YSA9IDEK\"");
	assert_string_not_equal(sim_fixture_member(&f, "sha"), sha);
	get(&f, "/contents/docs/a%20b%23c?ref=change", 200);
	is(&f, "content", "\"AP8=\"");
	get(&f, "/contents/docs?ref=change", 200);
	is(&f, "0.path", "\"docs/a b#c\"");
	is(&f, "1.type", "\"symlink\"");
	get(&f, "/contents/docs/link?ref=change", 200);
	is(&f, "target", "\"../README.md\"");
	get(&f, "/contents", 200);
	is(&f, "1.name", "\"live\"");
	is(&f, "1.type", "\"dir\"");
	get(&f, "/contents/docs/link", 404);
	get(&f, "/contents/README.md?ref=nowhere", 404);
	sim_fixture_stop(&f);
}

static void deployments(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	control(&f, "deployment", "\"user\":\"bob\",\"sha\":\"change\",\"environment\":\"staging\",\"state\":\"in_progress\"", 200);
	control(&f, "deployment", "\"user\":\"bob\",\"sha\":\"change\",\"environment\":\"staging\",\"state\":\"success\"", 200);
	control(&f, "deployment", "\"user\":\"bob\",\"sha\":\"main\",\"environment\":\"staging\"", 200);
	control(&f, "deployment", "\"user\":\"bob\",\"sha\":\"main\",\"environment\":\"x\",\"state\":\"done\"", 400);
	CLEANUP_FREE char *path = xasprintf("/deployments?sha=%s&environment=staging", f.head);
	get(&f, path, 200);
	is(&f, "0.environment", "\"staging\"");
	is(&f, "1", "missing");
	CLEANUP_FREE char *statuses = xasprintf("/deployments/%s/statuses", sim_fixture_member(&f, "0.id"));
	get(&f, statuses, 200);
	is(&f, "0.state", "\"success\"");
	is(&f, "1.state", "\"in_progress\"");
	get(&f, "/deployments", 200);
	is(&f, "1.creator.login", "\"bob\"");
	get(&f, "/deployments/7/statuses", 404);
	sim_fixture_stop(&f);
}

/* ---- the pull request ---- */

static void labels(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	control(&f, "label", "\"pr\":1,\"user\":\"bob\",\"add\":\"do not merge\"", 200);
	last_event(&f, 3, "pull_request.labeled");
	assert_non_null(strstr(buf_str(&f.last_payload), "\"label\":{\"id\":"));
	control(&f, "label", "\"pr\":1,\"user\":\"bob\",\"add\":\"Do Not Merge\"", 200); /* has it */
	control(&f, "label", "\"pr\":1,\"user\":\"bob\",\"add\":\"x\",\"remove\":\"DO NOT MERGE\"", 200);
	last_event(&f, 5, "pull_request.unlabeled");
	control(&f, "label", "\"pr\":1,\"user\":\"bob\",\"remove\":\"y\"", 404);
	get(&f, "/issues/1/labels", 200);
	is(&f, "0.name", "\"x\"");
	is(&f, "1", "missing");
	get(&f, "/pulls/1", 200);
	is(&f, "labels.0.name", "\"x\"");
	sim_fixture_stop(&f);
}

static void reviews_change(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	must(&f, sim_review(f.s, REPO, 1, "bob", "APPROVE", "fine", &f.err));
	control(&f, "review_act", "\"pr\":1,\"user\":\"bob\",\"reviewer\":\"bob\",\"body\":\"well\"", 200);
	last_event(&f, 4, "pull_request_review.edited");
	get(&f, "/pulls/1/reviews", 200);
	is(&f, "0.body", "\"well\"");
	is(&f, "0.state", "\"APPROVED\"");
	is(&f, "0.author_association", "\"COLLABORATOR\"");
	control(&f, "review_act", "\"pr\":1,\"user\":\"olivia\",\"reviewer\":\"bob\"", 200);
	last_event(&f, 5, "pull_request_review.dismissed");
	get(&f, "/pulls/1/reviews", 200);
	is(&f, "0.state", "\"DISMISSED\"");
	control(&f, "review_act", "\"pr\":1,\"user\":\"olivia\",\"reviewer\":\"bob\"", 404);
	sim_fixture_stop(&f);
}

static void comments_change(void **state)
{
	struct sim_fixture f;
	int64_t id;
	(void)state;
	sim_fixture_start(&f, NULL);
	must(&f, sim_comment(f.s, REPO, 1, "mallory", "hello", &id, &f.err));
	CLEANUP_FREE char *edit = xasprintf("\"user\":\"bob\",\"id\":%lld,\"body\":\"sluice apply\"", (long long)id);
	CLEANUP_FREE char *strange = xasprintf("\"user\":\"trudy\",\"id\":%lld,\"body\":\"x\"", (long long)id);
	CLEANUP_FREE char *gone = xasprintf("\"user\":\"mallory\",\"id\":%lld", (long long)id);
	control(&f, "comment_act", strange, 422);
	control(&f, "comment_act", edit, 200);
	last_event(&f, 4, "issue_comment.edited");
	assert_non_null(strstr(buf_str(&f.last_payload), "\"changes\":{\"body\":{\"from\":\"hello\"}}"));
	assert_non_null(strstr(buf_str(&f.last_payload), "\"sender\":{\"login\":\"bob\""));
	control(&f, "comment_act", gone, 200);
	last_event(&f, 5, "issue_comment.deleted");
	get(&f, "/issues/1/comments", 200);
	is(&f, "0", "missing");
	control(&f, "comment_act", gone, 404);
	sim_fixture_stop(&f);
}

static void mergeability_takes_time(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	control(&f, "mergeable_unknown", "\"pr\":1,\"reads\":2", 200);
	for (int i = 0; i < 2; i++) {
		get(&f, "/pulls/1", 200);
		is(&f, "mergeable", "null");
		is(&f, "mergeable_state", "\"unknown\"");
	}
	get(&f, "/pulls/1", 200);
	is(&f, "mergeable", "true");
	must(&f, sim_set_faults(f.s, "pull=status:404,times=2", &f.err)); /* as right after a webhook */
	get(&f, "/pulls/1", 404);
	get(&f, "/pulls/1", 404);
	get(&f, "/pulls/1", 200);
	sim_fixture_stop(&f);
}

static void plain_issues(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	control(&f, "issue", "\"user\":\"bob\",\"title\":\"Broken\"", 200);
	is(&f, "pr", "2");
	must(&f, sim_comment(f.s, REPO, 2, "bob", "sluice plan", NULL, &f.err));
	last_event(&f, 3, "issue_comment.created");
	assert_null(strstr(buf_str(&f.last_payload), "\"pull_request\""));
	get(&f, "/issues/2/comments", 200);
	is(&f, "0.body", "\"sluice plan\"");
	get(&f, "/pulls/2", 404);
	get(&f, "/pulls?state=all", 200);
	is(&f, "1", "missing");
	control(&f, "merge", "\"pr\":2,\"user\":\"olivia\"", 422);
	control(&f, "edit", "\"pr\":2,\"base\":\"change\"", 404);
	control(&f, "review", "\"pr\":2,\"user\":\"bob\"", 404);
	sim_fixture_stop(&f);
}

/* ---- what vanishes ---- */

static void ghosts(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	must(&f, sim_review(f.s, REPO, 1, "bob", "APPROVE", NULL, &f.err));
	control(&f, "ghost", "\"user\":\"bob\"", 200);
	control(&f, "ghost", "\"user\":\"alice\"", 200);
	get(&f, "/pulls/1/reviews", 200);
	is(&f, "0.user", "null");
	is(&f, "0.state", "\"APPROVED\"");
	get(&f, "/pulls/1", 200);
	is(&f, "user", "null");
	is(&f, "mergeable_state", "\"blocked\""); /* nobody's approval */
	get(&f, "/collaborators/bob/permission", 404);
	assert_int_equal(sim_fixture_call_as(&f, "alice-token", "GET", "/user", NULL), 401);
	assert_int_equal(sim_fixture_call_as(&f, "", "GET", "/user", NULL), 401);
	control(&f, "ghost", "\"user\":\"bob\"", 404);
	sim_fixture_stop(&f);
}

static void gone_forks(void **state)
{
	struct sim_fixture f;
	const struct sim_file file = {.path = "b", .content = "1"};
	char head[SIM_SHA_SIZE];
	int64_t n;
	(void)state;
	sim_fixture_start(&f, NULL);
	must(&f, sim_commit(f.s, REPO, "mallory:fix", "mallory", "Fix", &file, 1, head, &f.err));
	must(&f, sim_pr_open(f.s, &(struct sim_pr_new){.repo = REPO, .user = "mallory", .head = "mallory:fix"}, &n, &f.err));
	get(&f, "/pulls/2", 200);
	is(&f, "head.repo.full_name", "\"mallory/infra\"");
	control(&f, "delete_fork", "\"user\":\"mallory\"", 200);
	get(&f, "/pulls/2", 200);
	is(&f, "head.repo", "null");
	is(&f, "head.user.login", "\"mallory\"");
	is(&f, "state", "\"open\"");
	control(&f, "ghost", "\"user\":\"mallory\"", 200);
	get(&f, "/pulls/2", 200);
	is(&f, "head.user", "null");
	must(&f, sim_resolve(f.s, REPO, "refs/pull/2/head", head, &f.err)); /* the commit stays */
	control(&f, "delete_fork", "\"user\":\"bob\"", 404);
	sim_fixture_stop(&f);
}

static void branches_move_their_pull_requests(void **state)
{
	struct sim_fixture f;
	const struct sim_file file = {.path = "b", .content = "1"}, more = {.path = "c", .content = "1"};
	int64_t n;
	(void)state;
	sim_fixture_start(&f, NULL);
	must(&f, sim_commit(f.s, REPO, "stacked", "bob", "Stack", &file, 1, NULL, &f.err));
	must(&f, sim_commit(f.s, REPO, "stacked", "bob", "More", &more, 1, NULL, &f.err));
	must(&f, sim_pr_open(f.s, &(struct sim_pr_new){.repo = REPO, .user = "bob", .head = "stacked", .base = "change"}, &n, &f.err));
	sim_fixture_settle(&f, 5);
	control(&f, "branch", "\"user\":\"olivia\",\"branch\":\"main\",\"rename\":\"trunk\"", 200);
	sim_fixture_settle(&f, 9);
	assert_string_equal(f.events.v[6], "pull_request.edited");
	assert_string_equal(f.events.v[7], "repository.edited");
	get(&f, "/pulls/1", 200);
	is(&f, "base.ref", "\"trunk\"");
	is(&f, "mergeable_state", "\"blocked\""); /* the rules went along */
	get(&f, "", 200);
	is(&f, "default_branch", "\"trunk\"");
	get(&f, "/branches/main", 404);
	/* a branch that was merged leaves its pull requests to where it went */
	must(&f, sim_merge(f.s, REPO, 1, "olivia", NULL, &f.err));
	control(&f, "branch", "\"user\":\"olivia\",\"branch\":\"change\",\"delete\":true", 200);
	get(&f, "/pulls/2", 200);
	is(&f, "base.ref", "\"trunk\"");
	is(&f, "state", "\"open\"");
	control(&f, "branch", "\"user\":\"olivia\",\"branch\":\"trunk\",\"delete\":true", 422);
	control(&f, "branch", "\"user\":\"olivia\",\"branch\":\"none\",\"rename\":\"x\"", 404);
	control(&f, "branch", "\"user\":\"olivia\",\"branch\":\"stacked\",\"delete\":true", 200);
	get(&f, "/pulls/2", 200);
	is(&f, "state", "\"closed\"");
	sim_fixture_stop(&f);
}

static void archived(void **state)
{
	struct sim_fixture f;
	const struct sim_file file = {.path = "b", .content = "1"};
	(void)state;
	sim_fixture_start(&f, NULL);
	control(&f, "settings", "\"user\":\"olivia\",\"archived\":true", 200);
	last_event(&f, 3, "repository.archived");
	get(&f, "", 200);
	is(&f, "archived", "true");
	assert_int_equal(sim_fixture_call(&f, "POST", "/repos/" REPO "/issues/1/comments", "{\"body\":\"x\"}"), 403);
	assert_int_equal(sim_commit(f.s, REPO, "change", "alice", "x", &file, 1, NULL, &f.err), ERR_REFUSED);
	control(&f, "settings", "\"user\":\"olivia\",\"archived\":false,\"squash\":false", 200);
	last_event(&f, 4, "repository.unarchived");
	assert_int_equal(sim_fixture_call(&f, "POST", "/repos/" REPO "/issues/1/comments", "{\"body\":\"x\"}"), 201);
	sim_fixture_stop(&f);
}

/* ---- teams ---- */

static void teams(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	control(&f, "team", "\"org\":\"acme\",\"team\":\"sre\",\"user\":\"trudy\",\"state\":\"pending\",\"by\":\"olivia\"", 200);
	control(&f, "team", "\"org\":\"acme\",\"team\":\"sre\",\"user\":\"trudy\",\"state\":\"active\",\"by\":\"olivia\"", 200);
	last_event(&f, 3, "membership.added");
	assert_int_equal(sim_fixture_call(&f, "GET", "/orgs/acme/teams/sre/repos/" REPO, NULL), 404);
	get(&f, "/collaborators/trudy/permission", 200);
	is(&f, "permission", "\"read\"");
	control(&f, "team_repo", "\"org\":\"acme\",\"team\":\"sre\",\"permission\":\"maintain\",\"user\":\"olivia\"", 200);
	last_event(&f, 4, "team.added_to_repository");
	assert_int_equal(sim_fixture_call(&f, "GET", "/orgs/acme/teams/sre/repos/" REPO, NULL), 204);
	get(&f, "/collaborators/trudy/permission", 200);
	is(&f, "permission", "\"write\"");
	is(&f, "role_name", "\"maintain\"");
	control(&f, "team", "\"org\":\"acme\",\"team\":\"sre\",\"user\":\"trudy\",\"by\":\"olivia\"", 200);
	last_event(&f, 5, "membership.removed");
	get(&f, "/collaborators/trudy/permission", 200);
	is(&f, "permission", "\"read\"");
	control(&f, "team_repo", "\"org\":\"acme\",\"team\":\"sre\",\"user\":\"olivia\"", 200);
	last_event(&f, 6, "team.removed_from_repository");
	control(&f, "team_repo", "\"org\":\"acme\",\"team\":\"sre\",\"permission\":\"owner\"", 400);
	sim_fixture_stop(&f);
}

/* ---- wrong requests to the control ---- */

static void control_refuses(void **state)
{
	static const struct {
		const char *name, *members;
		int status;
	} rows[] = {
		{"protect", "\"protect\":\"ruleset\"", 400},
		{"protect", "\"branch\":\"main\",\"reviews\":\"two\"", 400},
		{"protect", "\"branch\":\"main\",\"protect\":\"ruleset\",\"checks\":[{\"name\":\"ci\"}]", 400},
		{"protect", "\"branch\":\"main\",\"protect\":\"ruleset\",\"methods\":[1]", 400},
		{"commit", "\"branch\":\"x\"", 400},
		{"commit", "\"branch\":\"x\",\"files\":{\"a\":1}", 400},
		{"commit", "\"branch\":\"x\",\"files\":{\"a\":\"1\"},\"from\":\"nowhere\"", 404},
		{"merge", "\"pr\":0", 400},
		{"merge", "\"pr\":1,\"method\":\"ff\",\"user\":\"olivia\"", 400},
		{"merge", "\"pr\":1,\"user\":\"bob\",\"bypass\":true", 422},
		{"queue", "\"pr\":1,\"act\":\"jump\"", 400},
		{"label", "\"pr\":1", 400},
		{"label", "\"pr\":1,\"add\":\"\"", 400},
		{"check", "\"sha\":\"change\"", 400},
		{"check", "\"sha\":\"nowhere\",\"name\":\"x\"", 404},
		{"threads", "\"pr\":1,\"unresolved\":-1", 400},
		{"team", "\"org\":\"acme\"", 400},
		{"nothing", "\"pr\":1", 404},
	};
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		control(&f, rows[i].name, rows[i].members, rows[i].status);
	sim_fixture_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_wrote_a_commit),
		cmocka_unit_test(forced_pushes),
		cmocka_unit_test(what_is_said_of_commits),
		cmocka_unit_test(files_of_a_commit),
		cmocka_unit_test(deployments),
		cmocka_unit_test(labels),
		cmocka_unit_test(reviews_change),
		cmocka_unit_test(comments_change),
		cmocka_unit_test(mergeability_takes_time),
		cmocka_unit_test(plain_issues),
		cmocka_unit_test(ghosts),
		cmocka_unit_test(gone_forks),
		cmocka_unit_test(branches_move_their_pull_requests),
		cmocka_unit_test(archived),
		cmocka_unit_test(teams),
		cmocka_unit_test(control_refuses),
	};
	return cmocka_run_group_tests_name("sim_people", tests, sim_fixture_warm_up, NULL);
}
