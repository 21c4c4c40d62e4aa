/* What an engine's error says in one line. */
#include "plan/render_internal.h"
#include "tests/support/plan_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void error_briefs(void **state)
{
	static const struct {
		const char *in, *title, *place, *address;
	} cases[] = {
		{error_dns, "Unsupported argument", "dns/main.tf:14", NULL},
		{error_apply, "creating RDS DB Instance (main): DBInstanceAlreadyExists: DB instance already exists", "main.tf:3",
		 "aws_db_instance.main"},
		{"", "no reason was given", NULL, NULL},
		{"\n\n", "no reason was given", NULL, NULL},
		{"killed: out of memory\nmore", "killed: out of memory", NULL, NULL},
		{"Warning: x\n\nError: y\n", "y", NULL, NULL},
		{"Error: first\n\nError: second\n\n  on b.tf line 2:\n  with t.a,\n", "first", NULL, NULL},
		{"  on a.tf line 1:\nError: x\n", "x", NULL, NULL},
		{"Error: x\n on a.tf line y\n with nothing\n", "x", NULL, NULL},
		{"\x1b[31mError: \x1b[0mred\n", "red", NULL, NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct error_brief b;
		error_brief_read(cases[i].in, &b);
		assert_string_equal(b.title, cases[i].title);
		assert_int_equal(b.place == NULL, cases[i].place == NULL);
		assert_int_equal(b.address == NULL, cases[i].address == NULL);
		if (b.place != NULL)
			assert_string_equal(b.place, cases[i].place);
		if (b.address != NULL)
			assert_string_equal(b.address, cases[i].address);
		error_brief_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_briefs),
	};
	return cmocka_run_group_tests_name("render_error", tests, NULL, NULL);
}
