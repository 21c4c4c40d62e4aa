/* The table of keys: whole, and in agreement with the code. */
#include "plan/config_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* The built-in values of a project stand in code and in the rows. */
static void rows_tell_the_truth(void **state)
{
	struct project_rule built_in, said;
	(void)state;
	config_rule_builtin(&built_in);
	said = (struct project_rule){.engine = ENGINE_NONE};
	config_read_defaults(config_project_rows, &said);
	assert_int_equal(said.apply, built_in.apply);
	assert_int_equal(said.approvals, built_in.approvals);
	assert_int_equal(said.codeowners, built_in.codeowners);
	assert_int_equal(said.requires_approved, built_in.requires_approved);
	assert_int_equal(said.requires_checks, built_in.requires_checks);
	assert_int_equal(said.requires_up_to_date, built_in.requires_up_to_date);
	assert_string_equal(said.workspace, "default");
	config_rule_free(&said);
	config_rule_free(&built_in);
}

static void each_row_is_whole(const struct config_row *rows)
{
	for (const struct config_row *row = rows; row->key != NULL; row++) {
		assert_non_null(row->help);
		assert_true((row->type == CT_CUSTOM) == (row->read != NULL));
		assert_true((row->type == CT_CUSTOM) == (row->what != NULL));
		assert_true((row->type == CT_WORD) == (row->words != NULL));
		assert_true((row->type == CT_MAP) == (row->rows != NULL));
		if (row->type == CT_INT || row->type == CT_COUNT || row->type == CT_DURATION || row->type == CT_SIZE)
			assert_true(row->min < row->max);
		if (row->type == CT_MAP)
			each_row_is_whole(row->rows);
	}
}

static void rows_are_whole(void **state)
{
	(void)state;
	each_row_is_whole(config_repo_rows);
	each_row_is_whole(config_project_rows);
	each_row_is_whole(config_layer_rows);
	each_row_is_whole(config_server_rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rows_tell_the_truth), cmocka_unit_test(rows_are_whole)};
	return cmocka_run_group_tests_name("configuration rows", tests, NULL, NULL);
}
