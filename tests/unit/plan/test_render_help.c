/* The answer to help, and to what was no command. */
#include "tests/support/plan_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void help(void **state)
{
	(void)state;
	CLEANUP_BUF struct buf out = {0};
	render_help(NULL, "sluice[bot]", &out);
	golden_check("help", buf_str(&out));
	buf_reset(&out);
	render_help("`aply` is not a command. Did you mean `apply`?", NULL, &out);
	golden_check("help_unknown", buf_str(&out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(help),
	};
	return cmocka_run_group_tests_name("render_help", tests, NULL, NULL);
}
