/* What a reviewer should know: above the table, a few lines a project, disarmed. */
#include "tests/support/plan_support.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char *const told[] = {
	"not a whole plan, and not applied: `-target=aws_db_instance.main`",
	"`db/main.tf` `aws_db_instance.main` loses `prevent_destroy`",
	"`db/main.tf:3` holds a character that nobody sees, or that turns the writing direction: `<U+202E>`",
	"`db/@org\x60</details>\x1b[2J<!-- x -->:4` starts a program",
};

static void in_the_comment(void **state)
{
	struct view_project projects[ARRAY_LEN(view_done)];
	(void)state;
	memcpy(projects, view_done, sizeof(projects));
	struct view v = view_example(VIEW_PLAN_DONE, projects, ARRAY_LEN(projects));
	for (size_t i = 0; i < ARRAY_LEN(projects); i++)
		if (strcmp(projects[i].name, "db") == 0) {
			projects[i].told = told;
			projects[i].told_n = ARRAY_LEN(told);
			projects[i].told_more = 2;
		}
	view_golden("told", &v);
	v.phase = VIEW_APPLYING_RUN; /* then it was said before */
	CLEANUP_FREE char *later = view_comment(&v);
	assert_null(strstr(later, "Look at this"));
}

static void in_the_check(void **state)
{
	struct view_project p = {.name = "db", .state = VIEW_PLANNED, .summary = &plan_db, .told = told, .told_n = 1};
	struct view v = view_example(VIEW_PLAN_DONE, &p, 1);
	struct check_text t;
	(void)state;
	render_check(&v, CHECK_PLANNED, "1 to replace", false, &t);
	assert_non_null(strstr(buf_str(&t.summary), "**Look at this before you approve.**\n> **`db`**: not a whole plan"));
	check_text_free(&t);
}

static size_t count(const char *text, const char *word)
{
	size_t n = 0;
	for (const char *p = text; (p = strstr(p, word)) != NULL; p += strlen(word))
		n++;
	return n;
}

/* Ten of one project, thirty of all; the others are counted. */
static void ceilings(void **state)
{
	static const char *const many[] = {"line", "line", "line", "line", "line", "line", "line", "line", "line", "line", "line", "line"};
	struct crowd c;
	(void)state;
	crowd_make(&c, 300);
	for (size_t i = 0; i < c.n; i++) {
		c.v[i].told = many;
		c.v[i].told_n = ARRAY_LEN(many);
	}
	struct view v = view_example(VIEW_PLAN_DONE, c.v, c.n);
	CLEANUP_FREE char *text = view_comment(&v);
	assert_int_equal(count(text, "**: line\n"), 30);
	assert_int_equal(count(text, "**: and 2 more\n"), 3);
	assert_int_equal(count(text, "> and in 297 more projects: "), 1);
	crowd_free(&c);
}

/* A refusal that is longer than a cell of the table is folded out below it. */
static void long_refusals(void **state)
{
	(void)state;
	for (size_t n = 100; n < 400; n += 200) {
		CLEANUP_FREE char *error = xasprintf("%0*d: providers.allow", (int)n, 7);
		struct view_project p = {.name = "db", .state = VIEW_REFUSED, .error = error};
		struct view v = view_example(VIEW_PLAN_DONE, &p, 1);
		CLEANUP_FREE char *text = view_comment(&v);
		assert_true(count(text, "7: providers.allow") >= 1);
		assert_int_equal(count(text, "<details"), n > 160 ? 1 : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(in_the_comment), cmocka_unit_test(in_the_check), cmocka_unit_test(ceilings), cmocka_unit_test(long_refusals)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
