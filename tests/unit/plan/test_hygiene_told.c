/* The list of what is told, and its form in the database. */
#include "plan/hygiene.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void comes_back(void **state)
{
	struct told_list l = {0}, r = {0};
	CLEANUP_BUF struct buf json = {0};
	struct err err;
	(void)state;
	told_add(&l, "b.tf", 2, "text", "two");
	told_add(&l, "b.tf", 2, "text", "two"); /* once */
	told_add(&l, "b.tf", 1, "text", "one `%s`", "x\"\n");
	told_add(&l, "a`b.tf", 0, "file", "is executable");
	told_sort(&l);
	told_write(&l, &json);
	assert_int_equal(told_read(buf_str(&json), &r, &err), 0);
	assert_int_equal(r.n, 3);
	assert_int_equal(r.more, 0);
	static const char *const want[] = {"`a'b.tf` is executable", "`b.tf:1` one `x\"\n`", "`b.tf:2` two"};
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		CLEANUP_FREE char *s = told_sentence(&r.v[i]);
		assert_string_equal(s, want[i]);
	}
	told_free(&l);
	told_free(&r);
}

static void ceilings(void **state)
{
	struct told_list l = {0}, r = {0};
	CLEANUP_BUF struct buf json = {0};
	struct err err;
	char text[2 * LIMIT_TOLD_TEXT_BYTES];
	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < (int)LIMIT_TOLD + 7; i++)
		told_add(&l, "a.tf", i + 1, "text", "%s", text);
	assert_int_equal(l.n, LIMIT_TOLD);
	assert_int_equal(l.more, 7);
	assert_int_equal(strlen(l.v[0].text), LIMIT_TOLD_TEXT_BYTES);
	told_write(&l, &json);
	assert_int_equal(told_read(buf_str(&json), &r, &err), 0);
	assert_int_equal(r.n, LIMIT_TOLD);
	assert_int_equal(r.more, 7);
	told_free(&l);
	told_free(&r);
}

static void what_is_none(void **state)
{
	static const char *const bad[] = {"", "[]", "{}", "{\"told\":[]}", "{\"told\":[[\"a\"]],\"more\":0}", "{\"told\":[[\"a\",-1,\"k\",\"t\"]],\"more\":0}"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct told_list r = {0};
		struct err err;
		assert_true(told_read(bad[i], &r, &err) < 0);
		assert_int_equal(r.n, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(comes_back), cmocka_unit_test(ceilings), cmocka_unit_test(what_is_none)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
