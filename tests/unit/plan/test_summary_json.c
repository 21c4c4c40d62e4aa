/* The stored form of a summary. */
#include "tests/support/plan_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void written_and_read_again(void **state)
{
	static const char *const names[] = {"none", "create", "change", "moves", "sensitive", "destroy"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct plan_summary s, again;
		CLEANUP_BUF struct buf first = {0}, second = {0};
		plan_fixture_summary(names[i], &s);
		plan_summary_write(&s, &first);
		assert_int_equal(plan_summary_parse(first.data, first.len, &again, NULL), 0);
		plan_summary_write(&again, &second);
		assert_string_equal(first.data, second.data);
		CLEANUP_FREE char *a = plan_changes(&s), *b = plan_changes(&again);
		assert_string_equal(a, b);
		plan_summary_free(&s);
		plan_summary_free(&again);
	}
}

static void stored_form_is_checked(void **state)
{
	struct plan_summary s;
	struct err err = {0};
	CLEANUP_BUF struct buf good = {0};
	(void)state;
	plan_fixture_summary("change", &s);
	plan_summary_write(&s, &good);
	plan_summary_free(&s);
	assert_non_null(strstr(good.data, "\"kind\":\"replace\""));
	memcpy(strstr(good.data, "\"replace\",\"address\""), "\"replete\"", 9);
	assert_int_equal(plan_summary_parse(good.data, good.len, &s, &err), ERR_PARSE);
	assert_non_null(strstr(err.msg, "\"replete\" is not a kind of change"));
	for (size_t len = 0; len < good.len; len += 97)
		assert_int_equal(plan_summary_parse(good.data, len, &s, NULL), ERR_PARSE);
	static const char *const bad[] = {"{}", "null", "{\"create\":-1}", "{\"create\":\"1\"}"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(plan_summary_parse(bad[i], strlen(bad[i]), &s, NULL), ERR_PARSE);
}

/* No value of an attribute is kept in a summary, so neither is a sensitive one. */
static void holds_no_values(void **state)
{
	struct plan_summary s;
	CLEANUP_BUF struct buf out = {0};
	(void)state;
	plan_fixture_summary("sensitive", &s);
	plan_summary_write(&s, &out);
	plan_summary_free(&s);
	assert_null(strstr(out.data, "secret-value"));
	assert_null(strstr(out.data, "public-then"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_and_read_again),
		cmocka_unit_test(stored_form_is_checked),
		cmocka_unit_test(holds_no_values),
	};
	return cmocka_run_group_tests_name("summary_json", tests, NULL, NULL);
}
