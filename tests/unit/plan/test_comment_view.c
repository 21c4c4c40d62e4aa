/* From rows to the view: what a reviewer should know of each plan. */
#include "plan/comment_view.h"

#include "base/clock.h"
#include "tests/support/store_support.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct db_conn *c;
static struct err err;
static const struct comment_context ctx = {.public_url = "https://sluice.example.com", .sandbox = "bubblewrap"};

static int setup(void **state)
{
	(void)state;
	c = store_open();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_close(c);
	return 0;
}

static void told(void **state)
{
	int64_t run = store_run_at(c, RUN_PLAN, 1, "h1", RUN_DONE);
	struct comment_view v = {0};
	(void)state;
	(void)store_job(c, run, "a", PHASE_PLAN, JOBS_DONE, NULL);
	(void)store_job(c, run, "b", PHASE_PLAN, JOBS_DONE, NULL);
	(void)store_job(c, run, "c", PHASE_PLAN, JOBS_DONE, NULL);
	(void)store_job(c, run, "d", PHASE_PLAN, JOBS_DONE, NULL);
	store_exec(c, "UPDATE job SET told='{\"told\":[[\"a/x.tf\",3,\"state\",\"moves `x`\"]],\"more\":4}', args='-refresh=false' WHERE project='a';"
		      "UPDATE job SET args='-refresh=false'||char(10)||'-target=a.b`' WHERE project='b';"
		      "UPDATE job SET told='{' WHERE project='c'");
	store_must(comment_view_load(c, &ctx, STORE_REPO, 1, &v, &err), &err);
	assert_int_equal(v.view.projects_n, 4);
	const struct view_project *p = v.view.projects;
	assert_int_equal(p[0].told_n, 1);
	assert_string_equal(p[0].told[0], "`a/x.tf:3` moves `x`");
	assert_int_equal(p[0].told_more, 4);
	assert_int_equal(p[1].told_n, 1);
	assert_string_equal(p[1].told[0], "not a whole plan, and not applied: `-refresh=false -target=a.b'`");
	assert_int_equal(p[2].told_n + p[3].told_n, 0);
	comment_view_free(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(told, setup, teardown)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
