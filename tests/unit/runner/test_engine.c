/* The engine table. */
#include "runner/engine.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void table(void **state)
{
	(void)state;
	for (int i = 0; i < ENGINE_KINDS; i++) {
		struct err err = {0};
		enum engine_kind k = ENGINE_NONE;
		const struct engine *row = engine_row((enum engine_kind)i);
		assert_int_equal(row->kind, i);
		assert_int_equal(engine_parse(row->name, &k, &err), 0);
		assert_int_equal(k, i);
		assert_int_equal(row->runs, i != ENGINE_PULUMI);
	}
}

static void unknown_names(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"teraform", "unknown engine \"teraform\": did you mean \"terraform\"?"},
		{"Terraform", "unknown engine \"Terraform\": did you mean \"terraform\"?"},
		{"cdk", "unknown engine \"cdk\": use one of terraform, opentofu, pulumi"},
		{"", "unknown engine \"\": use one of terraform, opentofu, pulumi"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		enum engine_kind k = ENGINE_NONE;
		assert_int_equal(engine_parse(cases[i][0], &k, &err), ERR_PARSE);
		assert_string_equal(err.msg, cases[i][1]);
		assert_int_equal(k, ENGINE_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(unknown_names),
	};
	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
