/* The roll-up table with many projects. */
#include "plan/render_internal.h"
#include "tests/support/plan_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void many_without_changes(void **state)
{
	struct crowd c;
	(void)state;
	crowd_make(&c, 1000);
	c.v[700].summary = &plan_db;
	c.v[700].diff = diff_db;
	c.v[31].summary = &plan_network;
	c.v[5].state = VIEW_FAILED;
	c.v[5].error = error_dns;
	struct view v = view_example(VIEW_PLAN_DONE, c.v, c.n);
	v.untouched = 9000;
	view_golden("many", &v);
	crowd_free(&c);
}

static void many_with_changes(void **state)
{
	struct crowd c;
	(void)state;
	crowd_make(&c, 1000);
	for (size_t i = 0; i < c.n; i++) {
		c.v[i].summary = i % 10 == 0 ? &plan_db : &plan_network;
		c.v[i].diff = i % 10 == 0 ? diff_db : diff_network;
		c.v[i].state = i < 600 ? VIEW_PLANNED : VIEW_QUEUED;
	}
	struct view v = view_example(VIEW_PLANNING, c.v, c.n);
	CLEANUP_FREE char *got = view_comment(&v);
	assert_non_null(strstr(got, "| 500 more projects | with changes")); /* 60 replace; of 540 with changes 40 have a row */
	assert_non_null(strstr(got, "| 400 projects | queued"));
	crowd_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_without_changes),
		cmocka_unit_test(many_with_changes),
	};
	return cmocka_run_group_tests_name("render_table", tests, NULL, NULL);
}
