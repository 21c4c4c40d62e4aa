/* The merge queue of the simulated GitHub: groups, their checks, and the ways out. */
#include "tests/component/sim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define QUEUE "refs/heads/gh-readonly-queue/main/pr-1-"

static const struct sim_required needed[] = {{"ci", 0}, {"gate", 77}};

static void must(struct sim_fixture *f, int rc)
{
	if (rc != 0)
		fail_msg("%s", f->err.msg);
}

static void start(struct sim_fixture *f, const char *method)
{
	sim_fixture_start(f, NULL);
	const struct sim_rules rules = {.how = SIM_RULESET, .reviews = 1, .checks = needed, .checks_n = 2, .queue = method};
	must(f, sim_protect_with(f->s, REPO, "main", &rules, NULL, &f->err));
	must(f, sim_review(f->s, REPO, 1, "bob", "APPROVE", NULL, &f->err));
	must(f, sim_check(f->s, REPO, f->head, "ci", "success", &f->err));
	must(f, sim_check_by(f->s, REPO, f->head, "gate", "success", 77, &f->err));
	sim_fixture_settle(f, 3);
}

/* Enters over GraphQL, as the product does; the answer is in f. */
static void enter(struct sim_fixture *f, const char *head)
{
	assert_int_equal(sim_fixture_call(f, "GET", "/repos/" REPO "/pulls/1", NULL), 200);
	CLEANUP_FREE char *id = xstrdup(sim_fixture_member(f, "node_id"));
	CLEANUP_FREE char *body = xasprintf("{\"query\":\"mutation Enqueue($pull:ID!,$head:GitObjectID!){enqueuePullRequest(input:{pullRequestId:$pull,"
					    "expectedHeadOid:$head}){mergeQueueEntry{position state}}}\",\"variables\":{\"pull\":%s,\"head\":\"%s\"}}", id, head);
	assert_int_equal(sim_fixture_call(f, "POST", "/graphql", body), 200);
}

/* What the events say since the n-th, in one line. */
static void says(struct sim_fixture *f, size_t from, size_t n, const char *want)
{
	struct buf b = {0};
	sim_fixture_settle(f, from + n);
	for (size_t i = from; i < f->events.n; i++)
		buf_printf(&b, "%s%s", i > from ? " " : "", f->events.v[i]);
	assert_string_equal(buf_str(&b), want);
	buf_free(&b);
}

static void group(struct sim_fixture *f, char ret[SIM_SHA_SIZE])
{
	CLEANUP_FREE char *ref = xasprintf(QUEUE "%s", f->main);
	must(f, sim_resolve(f->s, REPO, ref, ret, &f->err));
}

static void green(struct sim_fixture *f, const char *sha)
{
	must(f, sim_check(f->s, REPO, sha, "ci", "success", &f->err));
	must(f, sim_check_by(f->s, REPO, sha, "gate", "success", 77, &f->err));
}

/* ---- in and through ---- */

static void green_groups_are_merged(void **state)
{
	static const char *const methods[][2] = {{"MERGE", "2"}, {"SQUASH", "1"}, {"REBASE", "1"}};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct sim_fixture f;
		char sha[SIM_SHA_SIZE], tip[SIM_SHA_SIZE];
		start(&f, methods[i][0]);
		assert_int_equal(sim_fixture_call(&f, "PUT", "/repos/" REPO "/pulls/1/merge", "{}"), 405);
		assert_string_equal(sim_fixture_member(&f, "message"), "\"Changes must be made through the merge queue\"");
		enter(&f, f.head);
		assert_string_equal(buf_str(&f.body), "{\"data\":{\"enqueuePullRequest\":{\"mergeQueueEntry\":{\"position\":1,\"state\":\"QUEUED\"}}}}");
		says(&f, 3, 3, "pull_request.enqueued push merge_group.checks_requested");
		group(&f, sha);
		assert_non_null(strstr(buf_str(&f.last_payload), sha));
		must(&f, sim_check(f.s, REPO, sha, "ci", "success", &f.err));
		must(&f, sim_check_by(f.s, REPO, sha, "gate", "success", 78, &f.err)); /* another application's */
		says(&f, 3, 3, "pull_request.enqueued push merge_group.checks_requested");
		must(&f, sim_check_by(f.s, REPO, sha, "gate", "success", 77, &f.err));
		says(&f, 6, 4, "push pull_request.closed pull_request.dequeued merge_group.destroyed");
		assert_non_null(strstr(buf_str(&f.last_payload), "\"reason\":\"merged\""));
		must(&f, sim_resolve(f.s, REPO, "main", tip, &f.err));
		assert_string_equal(tip, sha);
		assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/branches/main", NULL), 200);
		CLEANUP_FREE char *parents = xstrdup(sim_fixture_member(&f, "commit.parents"));
		size_t n = 0;
		for (const char *p = parents; (p = strstr(p, "\"sha\"")) != NULL; p++)
			n++;
		assert_int_equal(n, methods[i][1][0] - '0');
		struct sim_pr_view v;
		assert_true(sim_pr_view(f.s, REPO, 1, &v));
		assert_true(v.merged);
		assert_string_equal(v.merge_commit_sha, sha);
		sim_fixture_stop(&f);
	}
}

static void entering_is_checked(void **state)
{
	struct sim_fixture f;
	(void)state;
	start(&f, "MERGE");
	enter(&f, f.main);
	assert_string_equal(sim_fixture_member(&f, "errors.0.message"), "\"Head branch was modified. Review and try the merge again.\"");
	must(&f, sim_review_act(f.s, REPO, 1, "olivia", "bob", NULL, &f.err));
	enter(&f, f.head);
	assert_string_equal(sim_fixture_member(&f, "errors.0.message"),
			    "\"At least 1 approving review is required by reviewers with write access.\"");
	must(&f, sim_review(f.s, REPO, 1, "olivia", "APPROVE", NULL, &f.err));
	enter(&f, f.head);
	assert_string_equal(sim_fixture_member(&f, "errors"), "missing");
	enter(&f, f.head);
	assert_string_equal(sim_fixture_member(&f, "errors.0.message"), "\"Pull request is already in the queue\"");
	sim_fixture_stop(&f);
}

/* ---- out ---- */

static void red_groups_leave(void **state)
{
	struct sim_fixture f;
	char sha[SIM_SHA_SIZE], tip[SIM_SHA_SIZE];
	(void)state;
	start(&f, "MERGE");
	enter(&f, f.head);
	sim_fixture_settle(&f, 6);
	group(&f, sha);
	CLEANUP_FREE char *path = xasprintf("/repos/" REPO "/statuses/%s", sha);
	assert_int_equal(sim_fixture_call(&f, "POST", path, "{\"state\":\"failure\",\"context\":\"ci\"}"), 201);
	says(&f, 6, 2, "merge_group.destroyed pull_request.dequeued");
	assert_non_null(strstr(buf_str(&f.last_payload), "\"reason\":\"CI_FAILURE\""));
	must(&f, sim_resolve(f.s, REPO, "main", tip, &f.err));
	assert_string_equal(tip, f.main);
	CLEANUP_FREE char *ref = xasprintf(QUEUE "%s", f.main);
	assert_int_equal(sim_resolve(f.s, REPO, ref, tip, &f.err), ERR_NOT_FOUND);
	sim_fixture_stop(&f);
}

static void a_push_leaves(void **state)
{
	struct sim_fixture f;
	(void)state;
	start(&f, "MERGE");
	const struct sim_file more = {.path = "b", .content = "2"};
	enter(&f, f.head);
	sim_fixture_settle(&f, 6);
	must(&f, sim_commit(f.s, REPO, "change", "alice", "More", &more, 1, NULL, &f.err));
	says(&f, 6, 4, "push merge_group.destroyed pull_request.dequeued pull_request.synchronize");
	sim_fixture_stop(&f);
}

static void nobody_answers(void **state)
{
	struct sim_fixture f;
	(void)state;
	start(&f, "MERGE");
	const struct sim_rules rules = {.how = SIM_RULESET, .checks = needed, .checks_n = 2, .queue = "MERGE", .queue_minutes = 1, .queue_wait_ms = 30};
	must(&f, sim_protect_with(f.s, REPO, "main", &rules, NULL, &f.err));
	enter(&f, f.head);
	says(&f, 3, 5, "pull_request.enqueued push merge_group.checks_requested merge_group.destroyed pull_request.dequeued");
	assert_non_null(strstr(buf_str(&f.last_payload), "\"reason\":\"CI_TIMEOUT\""));
	sim_fixture_stop(&f);
}

/* A queue without any check to wait for is through at once. */
static void nothing_is_required(void **state)
{
	struct sim_fixture f;
	(void)state;
	start(&f, "MERGE");
	must(&f, sim_protect_with(f.s, REPO, "main", &(struct sim_rules){.how = SIM_RULESET, .queue = "SQUASH"}, NULL, &f.err));
	enter(&f, f.head);
	assert_string_equal(sim_fixture_member(&f, "data.enqueuePullRequest.mergeQueueEntry.state"), "\"QUEUED\"");
	says(&f, 3, 7, "pull_request.enqueued push merge_group.checks_requested push pull_request.closed pull_request.dequeued merge_group.destroyed");
	sim_fixture_stop(&f);
}

static void people_take_out(void **state)
{
	struct sim_fixture f;
	(void)state;
	start(&f, "MERGE");
	assert_int_equal(sim_queue_leave(f.s, REPO, 1, "MANUAL", &f.err), ERR_NOT_FOUND);
	assert_int_equal(sim_fixture_call(&f, "POST", "/_sim/queue", "{\"repo\":\"" REPO "\",\"pr\":1,\"user\":\"olivia\"}"), 200);
	sim_fixture_settle(&f, 6);
	assert_int_equal(sim_queue_leave(f.s, REPO, 1, "BORED", &f.err), ERR_USAGE);
	assert_int_equal(sim_fixture_call(&f, "POST", "/_sim/queue", "{\"repo\":\"" REPO "\",\"pr\":1,\"act\":\"dequeue\",\"reason\":\"CI_TIMEOUT\"}"), 200);
	says(&f, 6, 2, "merge_group.destroyed pull_request.dequeued");
	assert_non_null(strstr(buf_str(&f.last_payload), "\"reason\":\"CI_TIMEOUT\""));
	/* again, and out over GraphQL */
	enter(&f, f.head);
	sim_fixture_settle(&f, 11);
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/pulls/1", NULL), 200);
	CLEANUP_FREE char *id = xstrdup(sim_fixture_member(&f, "node_id"));
	id[strlen(id) - 1] = '\0';
	CLEANUP_FREE char *body = xasprintf("{\"query\":\"mutation{dequeuePullRequest(input:{id:\\%s\\\"}){mergeQueueEntry{state}}}\"}", id);
	assert_int_equal(sim_fixture_call(&f, "POST", "/graphql", body), 200);
	assert_string_equal(sim_fixture_member(&f, "data"), "{\"dequeuePullRequest\":{\"mergeQueueEntry\":{\"state\":\"AWAITING_CHECKS\"}}}");
	says(&f, 11, 2, "merge_group.destroyed pull_request.dequeued");
	sim_fixture_stop(&f);
}

/* ---- several ---- */

static void the_second_waits_for_the_first(void **state)
{
	struct sim_fixture f;
	char sha[SIM_SHA_SIZE], second[SIM_SHA_SIZE];
	int64_t n;
	(void)state;
	start(&f, "MERGE");
	const struct sim_file other = {.path = "b", .content = "2"};
	must(&f, sim_commit(f.s, REPO, "other", "alice", "Other", &other, 1, second, &f.err));
	must(&f, sim_pr_open(f.s, &(struct sim_pr_new){.repo = REPO, .user = "alice", .head = "other"}, &n, &f.err));
	must(&f, sim_review(f.s, REPO, n, "bob", "APPROVE", NULL, &f.err));
	green(&f, second);
	enter(&f, f.head);
	assert_int_equal(sim_fixture_call(&f, "POST", "/_sim/queue", "{\"repo\":\"" REPO "\",\"pr\":2,\"user\":\"olivia\"}"), 200);
	says(&f, 6, 4, "pull_request.enqueued push merge_group.checks_requested pull_request.enqueued");
	static const char query[] = "{\"query\":\"{repository(owner:\\\"acme\\\",name:\\\"infra\\\"){pullRequest(number:2){isInMergeQueue "
				    "mergeQueueEntry{position state headCommit{oid}}}}}\"}";
	assert_int_equal(sim_fixture_call(&f, "POST", "/graphql", query), 200);
	assert_string_equal(sim_fixture_member(&f, "data.repository.pullRequest"),
			    "{\"isInMergeQueue\":true,\"mergeQueueEntry\":{\"position\":2,\"state\":\"QUEUED\",\"headCommit\":null}}");
	group(&f, sha);
	green(&f, sha);
	says(&f, 10, 6, "push pull_request.closed pull_request.dequeued merge_group.destroyed push merge_group.checks_requested");
	CLEANUP_FREE char *ref = xasprintf("refs/heads/gh-readonly-queue/main/pr-2-%s", sha), *parent = xasprintf("%s^", ref);
	must(&f, sim_resolve(f.s, REPO, parent, second, &f.err));
	assert_string_equal(second, sha); /* on top of the first */
	sim_fixture_stop(&f);
}

static void a_base_that_moves_makes_a_new_group(void **state)
{
	struct sim_fixture f;
	char sha[SIM_SHA_SIZE], moved[SIM_SHA_SIZE], tip[SIM_SHA_SIZE];
	(void)state;
	start(&f, "MERGE");
	const struct sim_file other = {.path = "b", .content = "2"};
	enter(&f, f.head);
	sim_fixture_settle(&f, 6);
	group(&f, sha);
	must(&f, sim_commit(f.s, REPO, "main", "olivia", "Past the queue", &other, 1, moved, &f.err));
	says(&f, 6, 4, "push merge_group.destroyed push merge_group.checks_requested");
	green(&f, sha); /* the older group's checks mean nothing any more */
	CLEANUP_FREE char *ref = xasprintf(QUEUE "%s", moved);
	must(&f, sim_resolve(f.s, REPO, ref, sha, &f.err));
	green(&f, sha);
	says(&f, 10, 4, "push pull_request.closed pull_request.dequeued merge_group.destroyed");
	must(&f, sim_resolve(f.s, REPO, "main", tip, &f.err));
	assert_string_equal(tip, sha);
	sim_fixture_stop(&f);
}

static void what_does_not_merge_leaves(void **state)
{
	struct sim_fixture f;
	(void)state;
	start(&f, "MERGE");
	const struct sim_file conflict = {.path = "live/a/main.tf", .content = "a = 9\n"};
	enter(&f, f.head);
	sim_fixture_settle(&f, 6);
	must(&f, sim_commit(f.s, REPO, "main", "olivia", "Conflict", &conflict, 1, NULL, &f.err));
	says(&f, 6, 3, "push merge_group.destroyed pull_request.dequeued");
	assert_non_null(strstr(buf_str(&f.last_payload), "\"reason\":\"MERGE_CONFLICT\""));
	sim_fixture_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(green_groups_are_merged),
		cmocka_unit_test(entering_is_checked),
		cmocka_unit_test(red_groups_leave),
		cmocka_unit_test(a_push_leaves),
		cmocka_unit_test(nobody_answers),
		cmocka_unit_test(nothing_is_required),
		cmocka_unit_test(people_take_out),
		cmocka_unit_test(the_second_waits_for_the_first),
		cmocka_unit_test(a_base_that_moves_makes_a_new_group),
		cmocka_unit_test(what_does_not_merge_leaves),
	};
	return cmocka_run_group_tests_name("sim_queue", tests, sim_fixture_warm_up, NULL);
}
