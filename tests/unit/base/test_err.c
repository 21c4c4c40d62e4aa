/* Errors: code and sentence, wrapped on the way up, cut where they must, errno kept. */
#include "base/err.h"

#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void set(void **state)
{
	struct err err = {0};
	(void)state;
	errno = EPERM;
	assert_int_equal(err_set(&err, ERR_REFUSED, "%s: %d", "no", 7), ERR_REFUSED);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_string_equal(err.msg, "no: 7");
	assert_int_equal(errno, EPERM);
	assert_int_equal(err_set(NULL, ERR_LIMIT, "nobody listens"), ERR_LIMIT);
}

static void system_calls(void **state)
{
	struct err err = {0};
	(void)state;
	errno = ENOENT;
	assert_int_equal(err_sys(&err, "open %s", "/x"), ERR_IO);
	assert_string_equal(err.msg, "open /x: No such file or directory");
	assert_int_equal(err.code, ERR_IO);
	assert_int_equal(errno, ENOENT);
	errno = EACCES;
	assert_int_equal(err_sys(NULL, "open"), ERR_IO);
	assert_int_equal(errno, EACCES);
}

static void wrap(void **state)
{
	struct err err = {0};
	(void)state;
	assert_int_equal(err_set(&err, ERR_PARSE, "line 3"), ERR_PARSE);
	assert_int_equal(err_wrap(&err, "read %s", "sluice.yaml"), ERR_PARSE);
	assert_int_equal(err_wrap(&err, "plan network"), ERR_PARSE);
	assert_string_equal(err.msg, "plan network: read sluice.yaml: line 3");
	assert_true(err_wrap(NULL, "nobody listens") < 0);
}

/* A sentence of `len` times c. */
static void long_sentence(struct err *err, char c, size_t len)
{
	char text[ERR_MSG_MAX * 2];
	memset(text, c, len);
	text[len] = '\0';
	(void)err_set(err, ERR_IO, "%s", text);
}

static void cut(void **state)
{
	(void)state;
	for (size_t len = ERR_MSG_MAX - 8; len < ERR_MSG_MAX + 8; len++) {
		struct err err = {0};
		long_sentence(&err, 'x', len);
		size_t kept = len < ERR_MSG_MAX - 1 ? len : ERR_MSG_MAX - 1;
		assert_int_equal(strlen(err.msg), kept);
		(void)err_wrap(&err, "prefix");
		assert_memory_equal(err.msg, "prefix: xxx", 11);
		assert_int_equal(strlen(err.msg), kept + 8 < ERR_MSG_MAX - 1 ? kept + 8 : ERR_MSG_MAX - 1);
		char big[ERR_MSG_MAX * 2] = {0};
		memset(big, 'p', len);
		(void)err_wrap(&err, "%s", big); /* a prefix that fills it leaves no room for the rest */
		assert_true(strlen(err.msg) < ERR_MSG_MAX);
		assert_int_equal(err.msg[0], 'p');
		assert_int_equal(err.code, ERR_IO);
		errno = ENOENT;
		(void)err_sys(&err, "%s", big);
		assert_true(strlen(err.msg) < ERR_MSG_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set), cmocka_unit_test(system_calls), cmocka_unit_test(wrap), cmocka_unit_test(cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
