/* Strings in a diff: what counts as lines, JSON laid out without rounding, long strings in a window. */
#include "base/json.h"
#include "plan/diff_internal.h"
#include "tests/support/plan_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void what_is_lines(void **state)
{
	static const struct {
		const char *in, *what, *lines; /* what NULL: one line */
	} cases[] = {
		{"", NULL, NULL},
		{"one", NULL, NULL},
		{"one\n", NULL, NULL},
		{"one\ntwo", "text", "one\ntwo"},
		{"\n\n", "text", "\n\n"},
		{"{}", "JSON document", "{}"},
		{"[ ]", "JSON document", "[]"},
		{" {\"a\" : [ 1 , {} ] } ", "JSON document", "{\n  \"a\": [\n    1,\n    {}\n  ]\n}"},
		{"{\"a\":\"{[,:\\\"\\\\\"}", "JSON document", "{\n  \"a\": \"{[,:\\\"\\\\\"\n}"},
		{"[1.000000000000000000001,-0,1e400]", "JSON document", "[\n  1.000000000000000000001,\n  -0,\n  1e400\n]"},
		{"[true,false,null]", "JSON document", "[\n  true,\n  false,\n  null\n]"},
		{"{\"a\":1", NULL, NULL},
		{"{\"a\":1}\n{\"b\":2}\n", "text", "{\"a\":1}\n{\"b\":2}\n"},
		{"\"text\"", NULL, NULL},
		{"12", NULL, NULL},
		{"{{ template }}", NULL, NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_FREE char *lines = NULL;
		const char *what = NULL;
		assert_int_equal(diff_text_lines(cases[i].in, &lines, &what), cases[i].what != NULL);
		if (cases[i].what != NULL) {
			assert_string_equal(what, cases[i].what);
			assert_string_equal(lines, cases[i].lines);
		}
	}
}

/* Laid out again, a document is the same document. */
static void layout_keeps_the_document(void **state)
{
	static const char json[] = "{\"a\":[1,[2,[3]],{\"b\":{\"c\":[]},\"d\":\"x \\n y\"}],\"e\":{},\"f\":\"\\u00e9\"}";
	(void)state;
	CLEANUP_FREE char *once = NULL, *twice = NULL;
	const char *what;
	assert_true(diff_text_lines(json, &once, &what));
	assert_true(diff_text_lines(once, &twice, &what));
	assert_string_equal(once, twice);
	struct json_doc *a, *b;
	struct json ra, rb;
	assert_int_equal(json_parse(json, strlen(json), NULL, &a, &ra, NULL), 0);
	assert_int_equal(json_parse(once, strlen(once), NULL, &b, &rb, NULL), 0);
	assert_true(json_same(&ra, &rb));
	json_doc_free(a);
	json_doc_free(b);
}

static void long_strings_are_windowed(void **state)
{
	(void)state;
	CLEANUP_FREE char *before = xasprintf("{\"s\":\"%0300dA%0300d\"}", 0, 0), *after = xasprintf("{\"s\":\"%0300dB%0300d\"}", 0, 0);
	CLEANUP_FREE char *got = plan_diff_update(before, after, "");
	CLEANUP_FREE char *want = xasprintf("-   s = ...\"%040dA%0119d\"... (601 bytes)\n+   s = ...\"%040dB%0119d\"... (601 bytes)\n", 0,
					    0, 0, 0);
	assert_string_equal(got, want);
}

static void windows(void **state)
{
	static const struct {
		const char *in;
		size_t from;
		const char *want;
	} cases[] = {
		{"short", 0, "\"short\""},
		{"short", 4, "\"short\""},
		{"a\"b\\", 0, "\"a\\\"b\\\\\""},
		{"tab\tnew\n", 0, "\"tab\\tnew\\n\""},
		{"\xe2\x80\xae", 0, "\"<U+202E>\" (has control or hidden characters)"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = {0};
		diff_quote(&out, cases[i].in, cases[i].from);
		assert_string_equal(buf_str(&out), cases[i].want);
	}
	/* a window never cuts a character, wherever it begins */
	struct buf text = {0};
	for (int i = 0; i < 200; i++)
		buf_adds(&text, "\xe2\x82\xac");
	for (size_t from = 0; from < text.len; from++) {
		CLEANUP_BUF struct buf out = {0};
		diff_quote(&out, buf_str(&text), from);
		assert_null(strstr(buf_str(&out), "\xef\xbf\xbd"));
		assert_null(strstr(buf_str(&out), "hidden"));
	}
	buf_free(&text);
}

static void long_texts_end(void **state)
{
	struct buf json = {0};
	(void)state;
	buf_adds(&json, "{\"s\":\"");
	for (int i = 0; i < 500; i++)
		buf_printf(&json, "line %d\\n", i);
	buf_adds(&json, "\"}");
	CLEANUP_FREE char *got = plan_diff_update("{}", buf_str(&json), "");
	assert_non_null(strstr(got, "+   s = (text, 500 lines)\n+     line 0\n"));
	assert_non_null(strstr(got, "+     line 199\n+     ... (300 lines more)\n"));
	assert_null(strstr(got, "line 200"));
	CLEANUP_FREE char *changed = plan_diff_update("{\"s\":\"x\\ny\"}", buf_str(&json), "");
	assert_non_null(strstr(changed, "!     ... (more changed lines are left out)\n"));
	CLEANUP_FREE char *wide = xasprintf("{\"s\":\"a\\n%0500d\"}", 0);
	CLEANUP_FREE char *cut = plan_diff_update("{}", wide, "");
	assert_non_null(strstr(cut, "0... (100 bytes more)\n"));
	buf_free(&json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_lines),
		cmocka_unit_test(layout_keeps_the_document),
		cmocka_unit_test(long_strings_are_windowed),
		cmocka_unit_test(windows),
		cmocka_unit_test(long_texts_end),
	};
	return cmocka_run_group_tests_name("diff_text", tests, NULL, NULL);
}
