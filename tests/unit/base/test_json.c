/* JSON: what is accepted and refused, byte for byte; ceilings; getters' sentences; printing. */
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static int scan(const char *s, struct err *err) { return json_scan(s, strlen(s), NULL, err); }

static void scan_accepts(void **state)
{
	static const char *const good[] = {
		"null", "true", "false", "0", "-0", "1", "-1", "10", "1.5", "0.25", "1e5", "1E+5", "2e-3", "1.0e10", "\"\"", "\"a\"", "[]", "{}",
		" \t\r\n[ ] ", "[1]", "[1,2]", "[ 1 , 2 ]", "{\"a\":1}", "{ \"a\" : 1 , \"b\" : [ ] }", "[[],{}]", "[{\"a\":[{}]}]",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u00e9\"", "\"\\ud83d\\ude00\"", "\"\xc3\xa9\"", "\"\xf0\x9f\x98\x80\"", "\"\x7f\"",
		"\"12345678\"", "\"1234567\\n\"", "\"12345678\xe2\x82\xac 12345678\"", "{\"\":0}", "\"\\u0000\"",
		"\"a string that is longer than eight bytes, and then some more\"", "123456789012345678901234567890123456789012345678901234567890123",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct err err = {0};
		if (scan(good[i], &err) != 0)
			fail_msg("%s: %s", good[i], err.msg);
		struct json_doc *doc;
		struct json root;
		if (json_parse(good[i], strlen(good[i]), NULL, &doc, &root, &err) != 0)
			fail_msg("scan and parse disagree on %s: %s", good[i], err.msg);
		json_doc_free(doc);
	}
}

static void scan_refuses(void **state)
{
	static const struct {
		const char *text, *msg;
	} bad[] = {
		{"", "JSON, byte 0: the text ends where a value is expected"},
		{"  ", "JSON, byte 2: the text ends where a value is expected"},
		{"\xef\xbb\xbf{}", "JSON, byte 0: expected a value"},
		{"nul", "JSON, byte 0: expected a value"},
		{"truE", "JSON, byte 0: expected a value"},
		{"NaN", "JSON, byte 0: expected a value"},
		{"'a'", "JSON, byte 0: expected a value"},
		{"01", "JSON, byte 1: text after the end of the document"},
		{"1 2", "JSON, byte 2: text after the end of the document"},
		{"-", "JSON, byte 1: a digit is missing in a number"},
		{"+1", "JSON, byte 0: expected a value"},
		{".5", "JSON, byte 0: expected a value"},
		{"1.", "JSON, byte 2: a digit is missing in a number"},
		{"1.e5", "JSON, byte 2: a digit is missing in a number"},
		{"1e", "JSON, byte 2: a digit is missing in a number"},
		{"1e+", "JSON, byte 3: a digit is missing in a number"},
		{"1234567890123456789012345678901234567890123456789012345678901234", "JSON, byte 64: a number of more than 63 characters"},
		{"[", "JSON, byte 1: the text ends where a value is expected"},
		{"[1", "JSON, byte 2: the text ends inside an object or array"},
		{"[1,]", "JSON, byte 3: expected a value"},
		{"[,1]", "JSON, byte 1: expected a value"},
		{"[1 2]", "JSON, byte 3: expected a comma or ] in an array"},
		{"[1}", "JSON, byte 2: expected a comma or ] in an array"},
		{"{\"a\":1]", "JSON, byte 6: expected a comma or } in an object"},
		{"{\"a\"}", "JSON, byte 4: expected a colon after a key"},
		{"{\"a\":}", "JSON, byte 5: expected a value"},
		{"{\"a\":1,}", "JSON, byte 7: expected a key in quotes"},
		{"{a:1}", "JSON, byte 1: expected a key in quotes"},
		{"{1:1}", "JSON, byte 1: expected a key in quotes"},
		{"{", "JSON, byte 1: expected a key in quotes"},
		{"]", "JSON, byte 0: expected a value"},
		{"[]]", "JSON, byte 2: text after the end of the document"},
		{"\"a", "JSON, byte 2: the text ends inside a string"},
		{"\"12345678", "JSON, byte 9: the text ends inside a string"},
		{"\"a\\", "JSON, byte 3: the text ends inside a string"},
		{"\"\\x\"", "JSON, byte 2: unknown escape in a string"},
		{"\"\\u12g4\"", "JSON, byte 3: \\u needs four hexadecimal digits"},
		{"\"\\u12", "JSON, byte 3: \\u needs four hexadecimal digits"},
		{"\"\\ud800\"", "JSON, byte 7: a high surrogate stands alone"},
		{"\"\\ud800\\u0041\"", "JSON, byte 7: a high surrogate stands alone"},
		{"\"\\udc00\"", "JSON, byte 3: a low surrogate stands alone"},
		{"\"a\nb\"", "JSON, byte 2: a control character in a string has to be escaped"},
		{"\"1234567\x01\"", "JSON, byte 8: a control character in a string has to be escaped"},
		{"\"\xc0\xaf\"", "JSON, byte 1: invalid UTF-8"},
		{"\"12345678\xff\"", "JSON, byte 9: invalid UTF-8"},
		{"\"\xed\xa0\x80\"", "JSON, byte 1: invalid UTF-8"},
		{"\"\xe2\x82\"", "JSON, byte 1: invalid UTF-8"},
		{"/**/1", "JSON, byte 0: expected a value"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = {0};
		assert_int_equal(scan(bad[i].text, &err), ERR_PARSE);
		assert_string_equal(err.msg, bad[i].msg);
	}
	struct err err = {0};
	assert_int_equal(json_scan("[1,\0]", 5, NULL, &err), ERR_PARSE);
}

/* Every byte value at every offset of an eight-byte step is judged as the slow path would. */
static void scan_strings_at_every_offset(void **state)
{
	(void)state;
	for (size_t at = 0; at < 20; at++) {
		for (unsigned c = 0; c < 256; c++) {
			char text[32];
			memset(text, 'x', sizeof(text));
			text[0] = '"';
			text[1 + at] = (char)c;
			text[22] = '"';
			bool fine = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
			assert_int_equal(json_scan(text, 23, NULL, NULL), fine ? 0 : ERR_PARSE);
		}
	}
}

/* A prefix of a document is never a document, and never makes the scanner read on. */
static void scan_every_prefix(void **state)
{
	static const char text[] = "{\"a\":[1,-2.5e3,true,null,\"\\u20ac\\ud83d\\ude00 \xe2\x82\xac\",{\"b\":{}}],\"c\":\"long enough for steps\"}";
	(void)state;
	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		char *exact = malloc(n + 1); /* so that the sanitizer sees a read behind the end */
		assert_non_null(exact);
		char *end_aligned = exact + 1;
		memcpy(end_aligned, text, n);
		assert_int_equal(json_scan(end_aligned, n, NULL, NULL), ERR_PARSE);
		free(exact);
	}
	assert_int_equal(json_scan(text, sizeof(text) - 1, NULL, NULL), 0);
}

static void nest(struct buf *b, unsigned depth, bool objects)
{
	for (unsigned i = 0; i < depth; i++)
		buf_adds(b, objects ? "{\"a\":" : "[");
	buf_adds(b, "1");
	for (unsigned i = 0; i < depth; i++)
		buf_addc(b, objects ? '}' : ']');
}

static void scan_ceilings(void **state)
{
	(void)state;
	for (int objects = 0; objects < 2; objects++) {
		CLEANUP_BUF struct buf fits = {0};
		CLEANUP_BUF struct buf deep = {0};
		struct err err = {0};
		nest(&fits, LIMIT_JSON_DEPTH, objects != 0);
		nest(&deep, LIMIT_JSON_DEPTH + 1, objects != 0);
		assert_int_equal(scan(fits.data, &err), 0);
		assert_int_equal(scan(deep.data, &err), ERR_LIMIT);
		assert_non_null(strstr(err.msg, "nested deeper than 64"));
	}
	CLEANUP_BUF struct buf deepest = {0};
	struct json_doc *doc;
	struct json root;
	struct err err = {0};
	nest(&deepest, JSON_DEPTH_MAX, false);
	assert_int_equal(json_parse(deepest.data, deepest.len, &(struct json_limits){.depth = 100000}, &doc, &root, &err), 0);
	json_doc_free(doc);
	buf_reset(&deepest);
	nest(&deepest, JSON_DEPTH_MAX + 1, false);
	assert_int_equal(json_parse(deepest.data, deepest.len, &(struct json_limits){.depth = 100000}, &doc, &root, &err), ERR_LIMIT);

	assert_int_equal(json_scan("[1,2]", 5, &(struct json_limits){.values = 3}, &err), 0);
	assert_int_equal(json_scan("[1,2]", 5, &(struct json_limits){.values = 2}, &err), ERR_LIMIT);
	assert_string_equal(err.msg, "JSON, byte 3: more than 2 values");
}

static void parse(const char *text, struct json_doc **doc, struct json *root)
{
	struct err err = {0};
	if (json_parse(text, strlen(text), NULL, doc, root, &err) != 0)
		fail_msg("%s: %s", text, err.msg);
}

static void duplicates(void **state)
{
	static const struct {
		const char *text, *msg;
	} bad[] = {
		{"{\"a\":1,\"a\":2}", "the key \"a\" stands twice in one object"},
		{"{\"x\":[0,{\"k\":{\"a\":1,\"b\":0,\"a\":2}}]}", "x[1].k: the key \"a\" stands twice in one object"},
		{"{\"a\":1,\"\\u0061\":2}", "the key \"a\" stands twice in one object"},
		{"{\"a\":{},\"b\":[1e999]}", "b[0]: a number that is too large"},
		{"{\"a\":-1e400}", "a: a number that is too large"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct json_doc *doc = NULL;
		struct json root;
		struct err err = {0};
		assert_int_equal(json_parse(bad[i].text, strlen(bad[i].text), NULL, &doc, &root, &err), ERR_PARSE);
		assert_string_equal(err.msg, bad[i].msg);
		assert_null(doc);
	}
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	parse("{\"a\":1,\"A\":2,\"b\":{\"a\":3}}", &doc, &root); /* case and level make a difference */
}

static void many_keys(struct buf *b, int n, bool twice)
{
	buf_addc(b, '{');
	for (int i = 0; i < n; i++)
		buf_printf(b, "%s\"key%d\":%d", i == 0 ? "" : ",", i, i);
	buf_adds(b, twice ? ",\"key7\":0}" : "}");
}

/* 200,000 keys compared in pairs would take minutes. */
static void duplicates_in_large_objects(void **state)
{
	(void)state;
	for (int twice = 0; twice < 2; twice++) {
		CLEANUP_BUF struct buf b = {0};
		CLEANUP_JSON struct json_doc *doc = NULL;
		struct json root;
		struct err err = {0};
		many_keys(&b, 200000, twice != 0);
		clock_t start = clock();
		assert_int_equal(json_parse(b.data, b.len, NULL, &doc, &root, &err), twice ? ERR_PARSE : 0);
		assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
		if (twice)
			assert_string_equal(err.msg, "the key \"key7\" stands twice in one object");
	}
	for (int n = 1; n < 40; n++) { /* around the step from pairs to sorting */
		CLEANUP_BUF struct buf b = {0};
		CLEANUP_JSON struct json_doc *doc = NULL;
		struct json root;
		many_keys(&b, n < 8 ? 8 : n, true);
		assert_int_equal(json_parse(b.data, b.len, NULL, &doc, &root, NULL), ERR_PARSE);
	}
}

static const char document[] = "{\"n\":42,\"big\":9007199254740991,\"over\":9007199254740993,\"frac\":1.5,\"neg\":-3,\"s\":\"text\",\"t\":true,\"f\":false,"
			       "\"nil\":null,\"o\":{\"k\":\"v\",\"in\":{\"deep\":7}},\"a\":[1,\"two\",{\"three\":3}],\"e\":[]}";

static void getters_read(void **state)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root, o, in, a;
	struct err err = {0};
	int64_t n = 0;
	size_t count = 99;
	const char *s = NULL;
	bool b = false;
	(void)state;
	parse(document, &doc, &root);
	assert_int_equal(json_int(&root, "n", 0, 100, &n, &err), 0);
	assert_int_equal(n, 42);
	assert_int_equal(json_int(&root, "big", 0, INT64_MAX, &n, &err), 0);
	assert_true(n == 9007199254740991);
	assert_int_equal(json_int(&root, "neg", -3, 0, &n, &err), 0);
	assert_int_equal(n, -3);
	assert_int_equal(json_str(&root, "s", 4, &s, &err), 0);
	assert_string_equal(s, "text");
	assert_int_equal(json_bool(&root, "t", &b, &err), 0);
	assert_true(b);
	assert_int_equal(json_bool(&root, "f", &b, &err), 0);
	assert_false(b);
	assert_int_equal(json_obj(&root, "o", &o, &err), 0);
	assert_int_equal(json_obj(&o, "in", &in, &err), 0);
	assert_string_equal(in.path, "o.in");
	assert_int_equal(json_arr(&root, "a", &a, &count, &err), 0);
	assert_int_equal(count, 3);
	assert_int_equal(json_arr(&root, "e", &a, NULL, &err), 0);
	assert_int_equal(json_get(&root, "nil", &a, &err), 0);
	assert_int_equal(json_type(&a), JSON_NULL);
}

static void getters_refuse(void **state)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root, o, in, x;
	struct err err = {0};
	int64_t n = 77;
	const char *s = NULL;
	bool b = true;
	(void)state;
	parse(document, &doc, &root);
	assert_int_equal(json_obj(&root, "o", &o, &err), 0);
	assert_int_equal(json_obj(&o, "in", &in, &err), 0);
#define REFUSED(call, text)                                                                                                                \
	do {                                                                                                                               \
		assert_int_equal((call), ERR_PARSE);                                                                                       \
		assert_string_equal(err.msg, text);                                                                                        \
	} while (0)
	REFUSED(json_int(&root, "none", 0, 9, &n, &err), "none: missing, expected a number");
	REFUSED(json_int(&root, "N", 0, 99, &n, &err), "N: missing, expected a number");
	REFUSED(json_int(&root, "nil", 0, 9, &n, &err), "nil: expected a number, found null");
	REFUSED(json_int(&root, "s", 0, 9, &n, &err), "s: expected a number, found a string");
	REFUSED(json_int(&root, "n", 0, 41, &n, &err), "n: 42 is not between 0 and 41");
	REFUSED(json_int(&root, "frac", 0, 9, &n, &err), "frac: expected a whole number, found 1.5");
	REFUSED(json_int(&root, "over", 0, INT64_MAX, &n, &err), "over: a number of 2^53 or more cannot be kept exactly");
	REFUSED(json_str(&root, "s", 3, &s, &err), "s: 4 bytes, at most 3 are allowed");
	REFUSED(json_str(&o, "in", 3, &s, &err), "o.in: expected a string, found an object");
	REFUSED(json_str(&in, "sha", 3, &s, &err), "o.in.sha: missing, expected a string");
	REFUSED(json_bool(&root, "n", &b, &err), "n: expected true or false, found a number");
	REFUSED(json_obj(&root, "a", &x, &err), "a: expected an object, found an array");
	REFUSED(json_arr(&root, "o", &x, NULL, &err), "o: expected an array, found an object");
	REFUSED(json_get(&root, "none", &x, &err), "none: missing");
	struct json a = json_member(&root, "a");
	REFUSED(json_get(&a, "k", &x, &err), "a: expected an object, found an array");
	REFUSED(json_int_opt(&root, "s", 0, 9, 5, &n, &err), "s: expected a number, found a string");
	REFUSED(json_str_opt(&root, "s", 1, NULL, &s, &err), "s: 4 bytes, at most 1 are allowed");
	REFUSED(json_bool_opt(&a, "k", true, &b, &err), "a: expected an object, found an array");
#undef REFUSED
	assert_int_equal(n, 77); /* written only on success */
	assert_null(s);
}

static void getters_optional(void **state)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root, x;
	struct err err = {0};
	int64_t n = 0;
	size_t count = 99;
	const char *s = NULL;
	bool b = false;
	(void)state;
	parse(document, &doc, &root);
	assert_int_equal(json_int_opt(&root, "none", 0, 9, 5, &n, &err), 0);
	assert_int_equal(n, 5);
	assert_int_equal(json_int_opt(&root, "nil", 0, 9, 6, &n, &err), 0);
	assert_int_equal(n, 6);
	assert_int_equal(json_int_opt(&root, "n", 0, 99, 6, &n, &err), 0);
	assert_int_equal(n, 42);
	assert_int_equal(json_str_opt(&root, "nil", 9, "dflt", &s, &err), 0);
	assert_string_equal(s, "dflt");
	assert_int_equal(json_str_opt(&root, "s", 9, NULL, &s, &err), 0);
	assert_string_equal(s, "text");
	assert_int_equal(json_bool_opt(&root, "none", true, &b, &err), 0);
	assert_true(b);
	assert_int_equal(json_bool_opt(&root, "f", true, &b, &err), 0);
	assert_false(b);
	assert_int_equal(json_obj_opt(&root, "none", &x, &err), 0);
	assert_null(x.node);
	assert_int_equal(json_str_opt(&x, "deeper", 9, "d", &s, &err), 0); /* a missing object has missing members */
	assert_string_equal(s, "d");
	assert_int_equal(json_arr_opt(&root, "nil", &x, &count, &err), 0);
	assert_int_equal(count, 0);
	assert_int_equal(json_arr_opt(&root, "a", &x, &count, &err), 0);
	assert_int_equal(count, 3);
}

static void looks_and_loops(void **state)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	struct err err = {0};
	(void)state;
	parse("{\"list\":[{\"id\":1},{\"id\":2},{\"id\":\"x\"}],\"map\":{\"one\":1,\"two\":2}}", &doc, &root);
	struct json list = json_member(&root, "list"), map = json_member(&root, "map");
	int64_t n = 0, sum = 0;
	for (struct json e = json_first(&list); json_ok(&e); e = json_next(&e)) {
		if (json_int(&e, "id", 0, 9, &n, &err) == 0)
			sum += n;
	}
	assert_int_equal(sum, 3);
	assert_string_equal(err.msg, "list[2].id: expected a number, found a string");
	CLEANUP_BUF struct buf keys = {0};
	for (struct json e = json_first(&map); json_ok(&e); e = json_next(&e))
		buf_printf(&keys, "%s=%s;", json_key(&e), e.path);
	assert_string_equal(buf_str(&keys), "one=map.one;two=map.two;");
	struct json third = json_at(&list, 2), fourth = json_at(&list, 3), nothing = json_member(&fourth, "id");
	assert_string_equal(third.path, "list[2]");
	assert_int_equal(json_type(&fourth), JSON_MISSING);
	assert_int_equal(json_type(&nothing), JSON_MISSING);
	assert_int_equal(json_count(&list), 3);
	assert_int_equal(json_count(&nothing), 0);
	assert_null(json_text(&list));
	assert_false(json_is_true(&list));
	assert_int_equal(json_as_int(&third, 0, 1, &n, &err), ERR_PARSE);
	assert_string_equal(err.msg, "list[2]: expected a number, found an object");
}

static void long_paths_are_cut(void **state)
{
	CLEANUP_BUF struct buf b = {0};
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json j;
	(void)state;
	for (int i = 0; i < 40; i++)
		buf_adds(&b, "{\"a key of some length\":");
	buf_adds(&b, "1");
	for (int i = 0; i < 40; i++)
		buf_addc(&b, '}');
	parse(b.data, &doc, &j);
	for (int i = 0; i < 40; i++)
		j = json_member(&j, "a key of some length");
	assert_int_equal(json_type(&j), JSON_NUMBER);
	assert_int_equal(strlen(j.path), sizeof(j.path) - 1);
	assert_string_equal(j.path + sizeof(j.path) - 4, "...");
}

static void nul_escapes(void **state)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	(void)state;
	parse("[\"a\\u0000b\",\"\\\\u0000\",\"\\\\\\u0000\"]", &doc, &root);
	struct json one = json_at(&root, 0), two = json_at(&root, 1), three = json_at(&root, 2);
	assert_string_equal(json_text(&one), "a\xef\xbf\xbd" "b");
	assert_string_equal(json_text(&two), "\\u0000");
	assert_string_equal(json_text(&three), "\\\xef\xbf\xbd");
}

static void sameness(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{"{\"a\":1,\"b\":[1,2]}", "{\"b\":[1,2],\"a\":1}", true},
		{"{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":3}", false},
		{"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
		{"{\"a\":1}", "{\"b\":1}", false},
		{"[1,2]", "[2,1]", false},
		{"[1,2]", "[1,2,3]", false},
		{"1", "1.0", true},
		{"1", "\"1\"", false},
		{"null", "false", false},
		{"true", "false", false},
		{"\"a\"", "\"a\"", true},
		{"{\"c\":0,\"a\":{\"x\":1,\"y\":2},\"b\":1}", "{\"a\":{\"y\":2,\"x\":1},\"b\":1,\"c\":0}", true},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_JSON struct json_doc *d1 = NULL;
		CLEANUP_JSON struct json_doc *d2 = NULL;
		struct json a, b;
		parse(rows[i].a, &d1, &a);
		parse(rows[i].b, &d2, &b);
		if (json_same(&a, &b) != rows[i].same || json_same(&b, &a) != rows[i].same)
			fail_msg("%s and %s", rows[i].a, rows[i].b);
	}
	struct json missing = {0};
	assert_true(json_same(&missing, &missing));
}

static void printing(void **state)
{
	static const struct {
		const char *text, *printed;
	} rows[] = {
		{"{ \"a\" : [ 1 , 2.50, true, null ] , \"b\" : { } }", "{\"a\":[1,2.5,true,null],\"b\":{}}"},
		{"0.1", "0.1"}, {"100", "100"}, {"1e3", "1000"}, {"1234567890123", "1234567890123"}, {"9007199254740991", "9007199254740991"},
		{"-0.5", "-0.5"}, {"1e20", "100000000000000000000"}, {"1e21", "1e+21"}, {"0.30000000000000004", "0.30000000000000004"},
		{"\"q\\\"\\\\\\n\\u0001\"", "\"q\\\"\\\\\\n\\u0001\""}, {"\"\xe2\x82\xac/\"", "\"\xe2\x82\xac/\""},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_JSON struct json_doc *doc = NULL;
		CLEANUP_BUF struct buf out = {0};
		struct json root;
		parse(rows[i].text, &doc, &root);
		json_print(&root, &out);
		assert_string_equal(buf_str(&out), rows[i].printed);
	}
	CLEANUP_JSON struct json_doc *doc = NULL;
	CLEANUP_BUF struct buf out = {0};
	struct json root, missing = {0};
	parse("{\"a\":[1,{}],\"b\":[]}", &doc, &root);
	json_print_pretty(&root, &out, 2);
	assert_string_equal(buf_str(&out), "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
	buf_reset(&out);
	json_print(&missing, &out);
	assert_string_equal(buf_str(&out), "null");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scan_accepts),
		cmocka_unit_test(scan_refuses),
		cmocka_unit_test(scan_strings_at_every_offset),
		cmocka_unit_test(scan_every_prefix),
		cmocka_unit_test(scan_ceilings),
		cmocka_unit_test(duplicates),
		cmocka_unit_test(duplicates_in_large_objects),
		cmocka_unit_test(getters_read),
		cmocka_unit_test(getters_refuse),
		cmocka_unit_test(getters_optional),
		cmocka_unit_test(looks_and_loops),
		cmocka_unit_test(long_paths_are_cut),
		cmocka_unit_test(nul_escapes),
		cmocka_unit_test(sameness),
		cmocka_unit_test(printing),
	};
	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
