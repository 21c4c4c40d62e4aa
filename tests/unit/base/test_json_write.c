/* The JSON writer: commas, escapes, and that what it wrote is JSON. */
#include "base/json.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void writing(void **state)
{
	CLEANUP_BUF struct buf out = {0};
	struct json_writer w = json_writer(&out);
	(void)state;
	jw_open(&w, NULL);
	jw_str(&w, "s", "a\"\\\b\f\n\r\t\x01\x7f" "b");
	jw_str(&w, "none", NULL);
	jw_strn(&w, "part", "abcdef", 3);
	jw_int(&w, "n", INT64_MIN);
	jw_bool(&w, "t", true);
	jw_open_arr(&w, "list");
	jw_int(&w, NULL, 1);
	jw_open(&w, NULL);
	jw_close(&w);
	jw_open_arr(&w, NULL);
	jw_close_arr(&w);
	jw_str(&w, NULL, "bad \xff\xc3( utf");
	jw_close_arr(&w);
	jw_raw(&w, "raw", "{\"x\":1}");
	jw_null(&w, "nil");
	jw_close(&w);
	assert_string_equal(buf_str(&out), "{\"s\":\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u007fb\",\"none\":null,\"part\":\"abc\",\"n\":-9223372036854775808,"
					   "\"t\":true,\"list\":[1,{},[],\"bad \xef\xbf\xbd\xef\xbf\xbd( utf\"],\"raw\":{\"x\":1},\"nil\":null}");
	assert_int_equal(json_scan(out.data, out.len, NULL, NULL), 0);
}

/* Every byte, alone and in a word, becomes a string that the scanner takes. */
static void every_byte(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		CLEANUP_BUF struct buf out = {0};
		const char text[3] = {'a', (char)c, 'b'};
		json_quote(&out, text, sizeof(text));
		json_quote(&out, text, 0);
		assert_string_equal(out.data + out.len - 2, "\"\"");
		assert_int_equal(json_scan(out.data, out.len - 2, NULL, NULL), 0);
	}
}

static void deepest(void **state)
{
	CLEANUP_BUF struct buf out = {0};
	struct json_writer w = json_writer(&out);
	(void)state;
	for (int i = 0; i < 63; i++)
		jw_open_arr(&w, NULL);
	jw_int(&w, NULL, 1);
	jw_int(&w, NULL, 2);
	for (int i = 0; i < 63; i++)
		jw_close_arr(&w);
	assert_non_null(strstr(out.data, "[1,2]"));
	assert_int_equal(json_scan(out.data, out.len, NULL, NULL), 0);
}

static void wiped(void **state)
{
	static const char text[] = "{\"token\":\"ghs_1\",\"n\":7}";
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root, missing = {0};
	struct err err = {0};
	(void)state;
	assert_int_equal(json_parse(text, sizeof(text) - 1, NULL, &doc, &root, &err), 0);
	struct json token = json_member(&root, "token"), n = json_member(&root, "n");
	const char *bytes = json_text(&token);
	json_wipe(&token);
	assert_memory_equal(bytes, "\0\0\0\0\0", 6);
	json_wipe(&n); /* only strings hold any */
	json_wipe(&missing);
	assert_int_equal(json_type(&n), JSON_NUMBER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wiped), cmocka_unit_test(writing), cmocka_unit_test(every_byte), cmocka_unit_test(deepest)};
	return cmocka_run_group_tests_name("json writer", tests, NULL, NULL);
}
