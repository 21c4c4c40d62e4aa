/* Characters in added lines that a reviewer does not see as they are. */
#include "plan/hygiene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void lines(void **state)
{
	static const struct {
		const char *before, *after, *want; /* "LINE TEXT" */
	} rows[] = {
		{NULL, "", NULL},
		{NULL, "a = 1\n\tb = \"x\"\r\n", NULL},
		{NULL, "\xef\xbb\xbf# a file with a byte order mark\n", NULL},
		{NULL, "# \xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82, gr\xc3\xbc\xc3\x9f" "e, \xe6\x97\xa5\xe6\x9c\xac\n", NULL},
		{NULL, "a = 1\nb = \"\xe2\x80\xae\"\n", "2 holds a character that nobody sees, or that turns the writing direction: `<U+202E>`"},
		{NULL, "# x \xe2\x80\x8b y\n", "1 holds a character that nobody sees, or that turns the writing direction: `<U+200B>`"},
		{NULL, "# x\xf3\xa0\x81\x81\n", "1 holds a character that nobody sees, or that turns the writing direction: `<U+E0041>`"},
		{NULL, "a\n\xef\xbb\xbf\n", "2 holds a character that nobody sees, or that turns the writing direction: `<U+FEFF>`"},
		{NULL, "a = \"\x1b[2J\"\n", "1 holds control characters"},
		{NULL, "a = 1\rb = 2\n", "1 holds control characters"},
		{NULL, "a = \"\xff\"\n", "1 holds bytes that are no UTF-8 text"},
		{NULL, "local.\xd0\xb0" "dmin\n", "1 mixes letters of two scripts in the word `\xd0\xb0" "dmin`"},
		{NULL, "x = p\xd0\xb0y_1\n", "1 mixes letters of two scripts in the word `p\xd0\xb0y_1`"},
		{NULL, "# SRE-\xd0\xba\xd0\xbe\n", NULL},
		/* what was there is not told again, wherever it stands now */
		{"b = \"\xe2\x80\xae\"\n", "a = 1\nb = \"\xe2\x80\xae\"\n", NULL},
		{"b = \"\xe2\x80\xae\"\n", "b = \"\xe2\x80\xae \"\n", "1 holds a character that nobody sees, or that turns the writing direction: `<U+202E>`"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct told_list l = {0};
		hygiene_text("a.tf", rows[i].before, rows[i].before != NULL ? strlen(rows[i].before) : 0, rows[i].after, strlen(rows[i].after), &l);
		CLEANUP_FREE char *got = l.n > 0 ? xasprintf("%d %s", l.v[0].line, l.v[0].text) : NULL;
		if (l.n != (rows[i].want != NULL) || (got != NULL && strcmp(got, rows[i].want) != 0))
			fail_msg("%zu: %zu %s", i, l.n, got != NULL ? got : "nothing");
		told_free(&l);
	}
}

static void what_is_no_text(void **state)
{
	static const char bytes[] = "PK\0\xff\x01\n";
	struct told_list l = {0};
	(void)state;
	hygiene_text("lambda.zip", NULL, 0, bytes, sizeof(bytes) - 1, &l);
	assert_int_equal(l.n, 0);
	hygiene_text("main.tf", NULL, 0, bytes, sizeof(bytes) - 1, &l); /* a NUL does not take a configuration out of sight */
	assert_int_equal(l.n, 1);
	told_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(lines), cmocka_unit_test(what_is_no_text)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
