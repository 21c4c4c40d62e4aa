/* Secret values: copies, files, modes, sizes. */
#include "base/fs.h"
#include "secrets/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/test-secret-XXXXXX";
static char *path;

static void set(void **state)
{
	(void)state;
	struct err err = {0};
	struct secret a = {0}, b = {0};
	char source[] = "s3cret";
	assert_int_equal(secret_set(&a, source, 6, &err), 0);
	source[0] = 'X';
	assert_memory_equal(a.bytes, "s3cret", 7); /* a copy, ended by NUL */
	secret_free(&a);
	assert_null(a.bytes);
	assert_int_equal(a.len, 0);
	secret_free(&b);
	secret_free(&b);
}

static void too_large(void **state)
{
	(void)state;
	struct err err = {0};
	struct secret s = {0};
	CLEANUP_FREE char *bytes = xcalloc(1, SECRET_MAX + 1);
	assert_int_equal(secret_set(&s, bytes, SECRET_MAX + 1, &err), ERR_LIMIT);
	assert_null(s.bytes);
	assert_int_equal(secret_set(&s, bytes, SECRET_MAX, &err), 0);
	assert_int_equal(s.len, SECRET_MAX);
	secret_free(&s);
}

static void files(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t len;
		int mode;
		bool loose;
		int want;
		const char *holds;
		size_t holds_len;
	} cases[] = {
		{"abc\n", 4, 0600, false, 0, "abc", 3},         {"abc", 3, 0400, false, 0, "abc", 3},
		{"abc\r\n", 5, 0600, false, 0, "abc", 3},       {"abc\n\n", 5, 0600, false, 0, "abc\n", 4},
		{"a\0c\n", 4, 0600, false, 0, "a\0c", 3},       {"\n", 1, 0600, false, ERR_REFUSED, NULL, 0},
		{"", 0, 0600, false, ERR_REFUSED, NULL, 0},     {"abc", 3, 0640, false, ERR_REFUSED, NULL, 0},
		{"abc", 3, 0604, false, ERR_REFUSED, NULL, 0},  {"abc", 3, 0644, true, 0, "abc", 3},
		{"\r\n", 2, 0600, false, ERR_REFUSED, NULL, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		struct secret s = {0};
		(void)unlink(path);
		assert_int_equal(fs_write_fast(path, cases[i].text, cases[i].len, 0600, &err), 0);
		assert_int_equal(chmod(path, (mode_t)cases[i].mode), 0);
		assert_int_equal(secret_read_file(&s, path, cases[i].loose, &err), cases[i].want);
		assert_int_equal(s.len, cases[i].holds_len);
		if (cases[i].want == 0)
			assert_memory_equal(s.bytes, cases[i].holds, s.len);
		else
			assert_non_null(strstr(err.msg, path));
		assert_null(strstr(err.msg, "abc"));
		secret_free(&s);
	}
}

static void files_that_are_none(void **state)
{
	(void)state;
	struct err err = {0};
	struct secret s = {0};
	CLEANUP_FREE char *big = xmalloc(SECRET_MAX + 2);
	memset(big, 'x', SECRET_MAX + 2);
	assert_int_equal(fs_write_fast(path, big, SECRET_MAX + 2, 0600, &err), 0);
	assert_int_equal(secret_read_file(&s, path, false, &err), ERR_LIMIT);
	assert_int_equal(secret_read_file(&s, dir, false, &err), ERR_REFUSED);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(secret_read_file(&s, path, false, &err), ERR_NOT_FOUND);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(secret_read_file(&s, path, false, &err), ERR_REFUSED); /* and does not hang */
	assert_null(s.bytes);
}

int main(void)
{
	struct err err;
	if (mkdtemp(dir) == NULL)
		return 1;
	path = fs_join(dir, "f");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set),
		cmocka_unit_test(too_large),
		cmocka_unit_test(files),
		cmocka_unit_test(files_that_are_none),
	};
	int rc = cmocka_run_group_tests_name("secret", tests, NULL, NULL);
	free(path);
	return fs_remove_tree(dir, &err) != 0 ? 1 : rc;
}
