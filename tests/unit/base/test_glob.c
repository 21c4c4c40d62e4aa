/* Globs: the whole grammar, what is refused, and that no pattern takes long. */
#include "base/glob.h"
#include "base/limits.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static void matches(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool yes;
	} rows[] = {
		{"a", "a", true}, {"a", "b", false}, {"a", "ab", false}, {"ab", "a", false}, {"a", "", false}, {"a", "A", false},
		{"*", "", true}, {"*", "abc", true}, {"*", "a/b", false}, {"*", ".hidden", true}, {"a*", "a", true}, {"a*", "ab/c", false},
		{"*.tf", "main.tf", true}, {"*.tf", "a/main.tf", false}, {"*.tf", ".tf", true}, {"*.tf", "main.tfx", false},
		{"a*b*c", "aXXbYYc", true}, {"a*b*c", "abc", true}, {"a*b*c", "aXXbYY", false}, {"a*b*c", "abbbc", true},
		{"?", "a", true}, {"?", "", false}, {"?", "/", false}, {"?", "ab", false}, {"?", "\xe2\x82\xac", true}, {"??", "\xe2\x82\xac", false},
		{"**", "", true}, {"**", "a/b/c", true}, {"**/*.tf", "main.tf", true}, {"**/*.tf", "a/b/main.tf", true},
		{"**/*.tf", "a/b/main.txt", false}, {"**/main.tf", "xmain.tf", false}, {"a/**/b", "a/b", true}, {"a/**/b", "a/x/b", true},
		{"a/**/b", "a/x/y/b", true}, {"a/**/b", "a/xb", false}, {"a/**/b", "ab", false}, {"a/**/b", "a/x/yb", false},
		{"a/**", "a/", true}, {"a/**", "a/b/c", true}, {"a/**", "a", false}, {"a/**", "ab", false}, {"a**b", "ab", true},
		{"a**b", "a/x/b", true}, {"a**/b", "a/b", true}, {"a**/b", "ax/y/b", true}, {"a**/b", "ab", false},
		{"**/a/**/b/**", "x/a/y/b/z", true}, {"**/a/**/b/**", "a/b/", true}, {"**/a/**/b/**", "a/b", false}, {"**/**/a", "a", true},
		{"**/**/a", "x/y/z/a", true}, {"live/*/network", "live/prod/network", true}, {"live/*/network", "live/a/b/network", false},
		{"[abc]", "b", true}, {"[abc]", "d", false}, {"[a-c]x", "bx", true}, {"[a-c]", "B", false}, {"[!a-c]", "d", true},
		{"[^a-c]", "b", false}, {"[!a]", "/", false}, {"[/]", "/", false}, {"[a-]", "-", true}, {"[-a]", "-", true},
		{"[\\]]", "]", true}, {"[\\\\]", "\\", true}, {"[\xc3\xa0-\xc3\xbf]", "\xc3\xa9", true}, {"x[0-9][0-9]", "x42", true},
		{"\\*", "*", true}, {"\\*", "a", false}, {"a\\?b", "a?b", true}, {"\\[a]", "[a]", true}, {"\\\\", "\\", true}, {"a\\bc", "abc", true},
		{"a]", "a]", true}, {"!a", "!a", true}, {"\xff*", "\xff\xfe", true}, {"\xff", "\xfe", false}, {"x?y", "x\xffy", true},
		{"modules/vpc/*", "modules/vpc/main.tf", true}, {"*a*a*a*", "bababab", true}, {"*a*a*a*a*", "bababab", false},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err;
		if (glob_check(rows[i].pattern, &err) != 0)
			fail_msg("%s: %s", rows[i].pattern, err.msg);
		if (glob_match(rows[i].pattern, rows[i].text, 0) != rows[i].yes)
			fail_msg("%s and %s", rows[i].pattern, rows[i].text);
	}
}

static void ignoring_case(void **state)
{
	(void)state;
	assert_true(glob_match("Acme/*-TF", "acme/Prod-tf", GLOB_ICASE));
	assert_true(glob_match("acme/[a-c]x", "acme/BX", GLOB_ICASE));
	assert_true(glob_match("acme/[A-C]x", "acme/bX", GLOB_ICASE));
	assert_false(glob_match("acme/[!a]", "acme/A", GLOB_ICASE));
	assert_false(glob_match("acme/*", "acm/x", GLOB_ICASE));
}

static void refused(void **state)
{
	static const struct {
		const char *pattern, *msg;
	} rows[] = {
		{"", "an empty glob matches nothing"},
		{"a[bc", "glob \"a[bc\", character 2: [ without ]"},
		{"[", "glob \"[\", character 1: [ without ]"},
		{"[a-", "glob \"[a-\", character 1: [ without ]"},
		{"[!", "glob \"[!\", character 1: [ without ]"},
		{"[\\", "glob \"[\\\", character 1: [ without ]"},
		{"[a-\\", "glob \"[a-\\\", character 1: [ without ]"},
		{"[]", "glob \"[]\", character 1: [ ] with nothing inside"},
		{"[!]", "glob \"[!]\", character 1: [ ] with nothing inside"},
		{"[z-a]", "glob \"[z-a]\", character 1: the range in [ ] runs backwards"},
		{"a\\", "glob \"a\\\", character 2: \\ with nothing behind it"},
		{"a***", "glob \"a***\", character 2: *** means nothing, write ** or *"},
		{"****", "glob \"****\", character 1: *** means nothing, write ** or *"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = {0};
		assert_int_equal(glob_check(rows[i].pattern, &err), ERR_PARSE);
		assert_string_equal(err.msg, rows[i].msg);
	}
	CLEANUP_FREE char *longest = xcalloc(1, LIMIT_GLOB_BYTES + 2);
	memset(longest, 'a', LIMIT_GLOB_BYTES);
	assert_int_equal(glob_check(longest, NULL), 0);
	assert_true(glob_match(longest, longest, 0));
	longest[LIMIT_GLOB_BYTES] = 'a';
	assert_int_equal(glob_check(longest, NULL), ERR_LIMIT);
}

static void patterns(void **state)
{
	(void)state;
	assert_false(glob_is_pattern("live/prod"));
	assert_false(glob_is_pattern("a!b]"));
	assert_true(glob_is_pattern("a*"));
	assert_true(glob_is_pattern("a?"));
	assert_true(glob_is_pattern("[a]"));
	assert_true(glob_is_pattern("a\\b"));
}

static void lists(void **state)
{
	static const char *const list[] = {"acme/*", "!acme/old-*", "acme/old-but-kept"};
	(void)state;
	assert_true(glob_list_match(list, 3, "acme/infra", 0));
	assert_false(glob_list_match(list, 3, "acme/old-tf", 0));
	assert_true(glob_list_match(list, 3, "acme/old-but-kept", 0));
	assert_false(glob_list_match(list, 3, "other/infra", 0));
	assert_false(glob_list_match(list, 0, "acme/infra", 0));
	assert_true(glob_list_match(list, 3, "ACME/Infra", GLOB_ICASE));
	assert_false(glob_list_match(list, 3, "ACME/Infra", 0));
}

/* What makes backtracking matchers take years. */
static void no_pattern_takes_long(void **state)
{
	static const char *const units[] = {"*a", "**a", "*", "**/", "?*", "**/*a", "[a-z]*"};
	(void)state;
	char text[LIMIT_PATH_BYTES + 1];
	memset(text, 'a', LIMIT_PATH_BYTES);
	text[LIMIT_PATH_BYTES] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		CLEANUP_FREE char *pattern = xcalloc(1, LIMIT_GLOB_BYTES + 1);
		size_t unit = strlen(units[i]), n = 0;
		while (n + unit + 1 <= LIMIT_GLOB_BYTES) {
			if (n > 0 && units[i][0] == '*' && pattern[n - 1] == '*')
				pattern[n++] = 'a';
			memcpy(pattern + n, units[i], unit);
			n += unit;
		}
		pattern[n < LIMIT_GLOB_BYTES ? n : LIMIT_GLOB_BYTES - 1] = 'b';
		assert_int_equal(glob_check(pattern, NULL), 0);
		clock_t start = clock();
		assert_false(glob_match(pattern, text, 0));
		assert_true(clock() - start < CLOCKS_PER_SEC / 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches),  cmocka_unit_test(ignoring_case), cmocka_unit_test(refused),
		cmocka_unit_test(patterns), cmocka_unit_test(lists),	     cmocka_unit_test(no_pattern_takes_long),
	};
	return cmocka_run_group_tests_name("glob", tests, NULL, NULL);
}
