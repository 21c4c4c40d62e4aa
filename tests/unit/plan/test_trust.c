/* Whose code may be planned: forks, what a person said of which commit and base branch, and what is written down of it. */
#include "plan/trust.h"

#include "base/text.h"
#include "tests/support/store_support.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HEAD "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"
#define OTHER "ffffffffffffffffffffffffffffffffffffffff"

static struct db_conn *db;

static int setup(void **state)
{
	(void)state;
	db = store_open();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_close(db);
	return 0;
}

/* The sentence of a plan of this head and base, "" when it may begin. sha: of an ok-to-plan; NULL: any other plan. */
static char *ask(const char *head, const char *base, const char *sha, enum role role, bool fork)
{
	static char asker[] = "bob", empty[] = "";
	struct err err = {0};
	char *no = NULL;
	struct run_row run = {.id = 5, .repo_id = STORE_REPO, .pull = 12, .kind = RUN_PLAN, .head_sha = xstrdup(head), .base_ref = xstrdup(base),
			      .asker = asker, .asked_sha = xstrdup(sha), .ok_to_plan = sha != NULL, .asked_ms = 5000};
	struct trust_question q = {.run = &run, .fork = fork, .role = role};
	store_must(trust_ask(db, &q, &no, &err), &err);
	free(run.head_sha);
	free(run.base_ref);
	free(run.asked_sha);
	return no != NULL ? no : xstrdup(empty);
}

static void answers(const char *head, const char *base, const char *sha, enum role role, const char *want)
{
	CLEANUP_FREE char *got = ask(head, base, sha, role, true);
	if (!text_starts(got, want) || (want[0] == '\0') != (got[0] == '\0'))
		fail_msg("%s into %s: <%s>, wanted <%s>", head, base, got, want);
}

#define WAITS TRUST_WAITS_SAYS "nothing of it runs here until a person with the role `apply` has read its changes and comments `ok-to-plan " HEAD "`."

static void a_fork_waits(void **state)
{
	(void)state;
	answers(HEAD, "main", NULL, ROLE_NONE, WAITS);
	answers(HEAD, "main", NULL, ROLE_ADMIN, WAITS); /* whoever asks */
	answers(HEAD, "main", HEAD, ROLE_PLAN, "`ok-to-plan` needs the role `apply`, which @bob does not have any more");
	answers(HEAD, "main", OTHER, ROLE_ADMIN, "the head is `1a2b3c4d5e6f` now and not `ffffffffffff`: read its changes, then comment `ok-to-plan " HEAD "`");
	answers(HEAD, "main", "1a2b3c4", ROLE_ADMIN, "`1a2b3c4` is too short a name");
	assert_int_equal(store_int(db, "SELECT count(*) FROM plan_ok"), 0);
	assert_int_equal(store_int(db, "SELECT count(*) FROM audit"), 0);
	answers(HEAD, "main", NULL, ROLE_NONE, WAITS);
}

static void an_ok_is_of_one_commit_and_base(void **state)
{
	(void)state;
	answers(HEAD, "main", HEAD, ROLE_APPLY, "");
	answers(HEAD, "main", NULL, ROLE_NONE, "");
	answers(HEAD, "main", NULL, ROLE_NONE, "");
	answers(OTHER, "main", NULL, ROLE_ADMIN, TRUST_WAITS_SAYS);
	answers(HEAD, "release", NULL, ROLE_ADMIN, TRUST_WAITS_SAYS);
	answers(HEAD, "main", HEAD, ROLE_APPLY, ""); /* once more */
	answers(HEAD, "release", HEAD, ROLE_APPLY, "");
	answers(HEAD, "release", NULL, ROLE_NONE, "");
	assert_string_equal(store_text(db, "SELECT group_concat(sha||' '||base_ref||' '||who||' '||pull, ',') FROM plan_ok WHERE repo_id=77", NULL),
			    HEAD " main bob 12," HEAD " release bob 12");
	assert_string_equal(store_text(db, "SELECT group_concat(kind||' '||actor||' '||pull||' '||run_id||' '||json_extract(detail, '$.head')||' '||"
					   "json_extract(detail, '$.base'), ',') FROM (SELECT * FROM audit ORDER BY seq LIMIT 1)", NULL),
			    "ok-to-plan bob 12 5 " HEAD " main");
	assert_int_equal(store_int(db, "SELECT count(*) FROM audit"), 3); /* each time that it was said */
	store_exec(db, "UPDATE plan_ok SET pull=13");
	answers(HEAD, "main", NULL, ROLE_NONE, WAITS);
}

static void a_branch_needs_none(void **state)
{
	(void)state;
	CLEANUP_FREE char *plan = ask(HEAD, "main", NULL, ROLE_NONE, false), *ok = ask(HEAD, "main", HEAD, ROLE_ADMIN, false);
	assert_string_equal(plan, "");
	assert_true(text_starts(ok, "this pull request comes from a branch of this repository"));
	assert_int_equal(store_int(db, "SELECT count(*) FROM plan_ok"), 0);
}

static void what_is_merged_is_nobodys_fork(void **state)
{
	char head[] = HEAD, main_branch[] = "main", *no = NULL;
	struct err err = {0};
	(void)state;
	struct run_row run = {.repo_id = STORE_REPO, .pull = 12, .kind = RUN_PLAN, .head_sha = head, .base_ref = main_branch, .after_merge = true};
	struct trust_question q = {.run = &run, .fork = true};
	store_must(trust_ask(db, &q, &no, &err), &err);
	assert_null(no);
}

static void tiers_of_jobs(void **state)
{
	char strict[] = "strict", compat[] = "compat";
	(void)state;
	assert_int_equal(trust_of_job(&(struct job_row){.sandbox = strict}), 1);
	assert_int_equal(trust_of_job(&(struct job_row){.sandbox = NULL}), 1);
	assert_int_equal(trust_of_job(&(struct job_row){.sandbox = compat}), 3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(a_fork_waits), T(an_ok_is_of_one_commit_and_base), T(a_branch_needs_none), T(what_is_merged_is_nobodys_fork),
					   cmocka_unit_test(tiers_of_jobs)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
