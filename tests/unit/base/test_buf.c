/* The growing buffer: content, the ceiling, and what stays a C string. */
#include "base/buf.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void grows(void **state)
{
	CLEANUP_BUF struct buf b = {0};
	(void)state;
	assert_string_equal(buf_str(&b), "");
	for (int i = 0; i < 1000; i++) {
		buf_addc(&b, (char)('a' + i % 26));
		assert_int_equal(b.len, i + 1);
		assert_int_equal(b.data[b.len], 0);
		assert_true(b.cap > b.len);
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(b.data[i], 'a' + i % 26);
	assert_false(buf_failed(&b));
	buf_reset(&b);
	assert_string_equal(buf_str(&b), "");
	buf_add(&b, "a\0b", 3);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b\0", 4);
	buf_add(&b, NULL, 0);
	assert_int_equal(b.len, 3);
}

static void prints(void **state)
{
	CLEANUP_BUF struct buf b = {0};
	(void)state;
	buf_printf(&b, "%s=%d", "n", 5);
	buf_printf(&b, "%s", "");
	buf_printf(&b, " %0200d", 1);
	assert_int_equal(b.len, 3 + 1 + 200);
	assert_memory_equal(b.data, "n=5 000", 7);
	assert_int_equal(b.data[203], '1');
}

static void ceiling(void **state)
{
	CLEANUP_BUF struct buf b = {.max = 10};
	(void)state;
	buf_adds(&b, "0123456789");
	assert_false(buf_failed(&b));
	buf_adds(&b, "");
	assert_false(buf_failed(&b));
	buf_addc(&b, 'x');
	assert_true(buf_failed(&b));
	assert_string_equal(buf_str(&b), "0123456789");
	buf_reset(&b);
	assert_false(buf_failed(&b));
	buf_adds(&b, "01234");
	buf_printf(&b, "%s", "567890"); /* one too many: nothing of it */
	buf_adds(&b, "5");              /* would fit, but the end is reached */
	assert_true(buf_failed(&b));
	assert_string_equal(buf_str(&b), "01234");
	struct buf huge = {.max = 10};
	buf_add(&huge, "x", SIZE_MAX);
	assert_true(buf_failed(&huge));
	assert_null(huge.data);
}

static void shortens(void **state)
{
	CLEANUP_BUF struct buf b = {0};
	(void)state;
	buf_truncate(&b, 0);
	buf_consume(&b, 0);
	buf_adds(&b, "abcdef");
	buf_truncate(&b, 9);
	assert_string_equal(buf_str(&b), "abcdef");
	buf_truncate(&b, 4);
	assert_string_equal(buf_str(&b), "abcd");
	buf_consume(&b, 1);
	assert_string_equal(buf_str(&b), "bcd");
	buf_consume(&b, 3);
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(b.len, 0);
}

static void is_taken(void **state)
{
	struct buf b = {.max = 4};
	(void)state;
	CLEANUP_FREE char *empty = buf_take(&b);
	assert_string_equal(empty, "");
	buf_adds(&b, "abcd");
	CLEANUP_FREE char *s = buf_take(&b);
	assert_string_equal(s, "abcd");
	assert_int_equal(b.len + b.cap, 0);
	buf_adds(&b, "12345"); /* the ceiling stays */
	assert_true(buf_failed(&b));
	buf_reset(&b);
	buf_adds(&b, "1");
	buf_free(&b);
	assert_null(b.data);
	assert_int_equal(b.max, 4);
	assert_false(b.overflow);
}

static void is_wiped(void **state)
{
	struct buf b = {.max = 64}, none = {0};
	(void)state;
	buf_adds(&b, "secret");
	buf_wipe(&b);
	assert_null(b.data);
	assert_int_equal(b.len + b.cap, 0);
	assert_int_equal(b.max, 64);
	buf_wipe(&none); /* nothing to wipe is fine */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows), cmocka_unit_test(prints), cmocka_unit_test(ceiling), cmocka_unit_test(shortens), cmocka_unit_test(is_taken),
		cmocka_unit_test(is_wiped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
