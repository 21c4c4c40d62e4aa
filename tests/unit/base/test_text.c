/* Text helpers, table by table. */
#include "base/mem.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void utf8(void **state)
{
	static const struct {
		const char *text;
		size_t len, width;
	} rows[] = {
		{"a", 1, 1}, {"\x7f", 1, 1}, {"", 0, 0}, {"\x80", 1, 0}, {"\xbf", 1, 0}, {"\xc0\x80", 2, 0}, {"\xc1\xbf", 2, 0},
		{"\xc2\x80", 2, 2}, {"\xdf\xbf", 2, 2}, {"\xc2", 1, 0}, {"\xc2\x41", 2, 0}, {"\xe0\x9f\xbf", 3, 0}, {"\xe0\xa0\x80", 3, 3},
		{"\xed\x9f\xbf", 3, 3}, {"\xed\xa0\x80", 3, 0}, {"\xee\x80\x80", 3, 3}, {"\xef\xbf\xbf", 3, 3}, {"\xe2\x82", 2, 0},
		{"\xf0\x8f\xbf\xbf", 4, 0}, {"\xf0\x90\x80\x80", 4, 4}, {"\xf4\x8f\xbf\xbf", 4, 4}, {"\xf4\x90\x80\x80", 4, 0},
		{"\xf5\x80\x80\x80", 4, 0}, {"\xf0\x9f\x98", 3, 0}, {"\xff", 1, 0}, {"\xe2\x28\xa1", 3, 0},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(text_utf8_width(rows[i].text, rows[i].len), rows[i].width);
		assert_int_equal(text_is_utf8(rows[i].text, rows[i].len), rows[i].width == rows[i].len);
	}
	assert_true(text_is_utf8("plain \xe2\x82\xac and \xf0\x9f\x98\x80", 18));
	assert_false(text_is_utf8("plain \xe2\x82\xac and \xf0\x9f\x98\x80", 17));
	assert_int_equal(text_chars("a\xe2\x82\xac\xf0\x9f\x98\x80", 8), 3);
}

static void cut(void **state)
{
	static const char s[] = "a\xe2\x82\xac" "b";
	static const size_t want[] = {0, 1, 1, 1, 4, 5, 5};
	(void)state;
	for (size_t max = 0; max < ARRAY_LEN(want); max++)
		assert_int_equal(text_cut(s, 5, max), want[max]);
	assert_int_equal(text_cut("", 0, 0), 0);
}

static void clean(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"plain", "plain"}, {"", ""}, {"a\nb\tc", "a\nb\tc"}, {"a\r\nb", "a\nb"}, {"\x01" "a\x02" "b\x7f", "ab"},
		{"\x1b[31mred\x1b[0m", "red"}, {"\x1b[38;5;196mx\x1b[K", "x"}, {"\x1b]0;title\x07shown", "shown"},
		{"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"}, {"\x1b]0;never ends\nnext line", "\nnext line"}, {"\x1b", ""},
		{"\x1b[", ""}, {"\x1b[31", ""}, {"\x1b(Bx", "x"}, {"\x1b" "7x", "x"}, {"\x1b[31\nx", "\nx"}, {"\x1bPdata\x1b\\x", "x"},
		{"\x1b]0;a\x1b[31mb", "b"},
		{"bad \xff byte", "bad \xef\xbf\xbd byte"}, {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"}, {"\xc2\x9b" "31m", ""},
		{"a\xe2\x80\xae" "b", "a<U+202E>b"}, {"\xe2\x81\xa6x\xe2\x81\xa9", "<U+2066>x<U+2069>"}, {"\xd8\x9c", "<U+061C>"},
		{"\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_BUF struct buf out = {0};
		text_clean(&out, rows[i].in, strlen(rows[i].in));
		assert_string_equal(buf_str(&out), rows[i].out);
		assert_true(text_is_utf8(buf_str(&out), out.len));
	}
	CLEANUP_BUF struct buf out = {0};
	text_clean(&out, "a\0b", 3);
	assert_string_equal(buf_str(&out), "ab");
	text_clean_line(&out, "\n\tc\x1b[1md\r\n", 10);
	assert_string_equal(buf_str(&out), "ab  cd ");
}

static void beginnings_and_ends(void **state)
{
	(void)state;
	assert_true(text_starts("abc", "ab"));
	assert_true(text_starts("abc", ""));
	assert_false(text_starts("ab", "abc"));
	assert_true(text_ends("abc", "bc"));
	assert_true(text_ends("abc", ""));
	assert_false(text_ends("bc", "abc"));
	assert_true(text_same_case("AbC-1", "aBc-1"));
	assert_false(text_same_case("abc", "abcd"));
	assert_false(text_same_case("[", "{")); /* 0x20 apart, but no letters */
}

static void nearest(void **state)
{
	static const char *const keys[] = {"name", "dir", "engine", "workspace", "when_modified", "depends_on", "requires"};
	static const struct {
		const char *word, *near;
	} rows[] = {
		{"name", "name"}, {"nmae", "name"}, {"nam", "name"}, {"dirs", "dir"}, {"Engine", "engine"}, {"engin", "engine"},
		{"when_modifed", "when_modified"}, {"whenModified", "when_modified"}, {"depend_on", "depends_on"}, {"require", "requires"},
		{"workspcae", "workspace"}, {"x", NULL}, {"di", NULL}, {"zebra", NULL}, {"", NULL}, {"autoplan", NULL},
		{"a word that is far longer than any key or command that could be meant by it", NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *near = text_nearest(rows[i].word, keys, ARRAY_LEN(keys));
		if (rows[i].near == NULL)
			assert_null(near);
		else
			assert_string_equal(near != NULL ? near : "(none)", rows[i].near);
	}
}

static void integers(void **state)
{
	static const struct {
		const char *text;
		int64_t min, max, value;
		bool good;
	} rows[] = {
		{"0", 0, 9, 0, true}, {"9", 0, 9, 9, true}, {"10", 0, 9, 0, false}, {"-1", -1, 9, -1, true}, {"-2", -1, 9, 0, false},
		{"", 0, 9, 0, false}, {"-", -9, 9, 0, false}, {"+1", 0, 9, 0, false}, {" 1", 0, 9, 0, false}, {"1 ", 0, 9, 0, false},
		{"1x", 0, 9, 0, false}, {"0x1", 0, 9, 0, false}, {"007", 0, 9, 7, true},
		{"9223372036854775807", 0, INT64_MAX, INT64_MAX, true}, {"9223372036854775808", 0, INT64_MAX, 0, false},
		{"99999999999999999999999", 0, INT64_MAX, 0, false},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t v = 1234;
		int rc = text_int(rows[i].text, rows[i].min, rows[i].max, &v, NULL);
		assert_int_equal(rc, rows[i].good ? 0 : ERR_PARSE);
		assert_true(v == (rows[i].good ? rows[i].value : 1234));
	}
	struct err err = {0};
	int64_t v;
	assert_int_equal(text_int("12", 0, 9, &v, &err), ERR_PARSE);
	assert_string_equal(err.msg, "12 is not between 0 and 9");
}

static void durations_and_sizes(void **state)
{
	static const struct {
		const char *text;
		int64_t ms, bytes;
	} rows[] = {
		{"150ms", 150, -1}, {"30s", 30000, -1}, {"5m", 300000, -1}, {"2h", 7200000, -1}, {"0s", 0, -1}, {"100", -1, 100}, {"0", -1, 0},
		{"4KiB", -1, 4096}, {"64MiB", -1, 67108864}, {"1GiB", -1, 1073741824}, {"", -1, -1}, {"s", -1, -1}, {"-5s", -1, -1},
		{"5 s", -1, -1}, {"1.5h", -1, -1}, {"5S", -1, -1}, {"1KB", -1, -1}, {"1kib", -1, -1}, {"9223372036854775807h", -1, -1},
		{"9223372036854775807GiB", -1, -1}, {"5ss", -1, -1},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t ms = -1, bytes = -1;
		assert_int_equal(text_duration(rows[i].text, &ms, NULL), rows[i].ms >= 0 ? 0 : ERR_PARSE);
		assert_int_equal(text_size(rows[i].text, &bytes, NULL), rows[i].bytes >= 0 ? 0 : ERR_PARSE);
		assert_true(ms == rows[i].ms && bytes == rows[i].bytes);
	}
}

static void took(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{-5, "0 ms"}, {0, "0 ms"}, {999, "999 ms"}, {1000, "1 s"}, {1499, "1 s"}, {1500, "2 s"}, {41000, "41 s"}, {59499, "59 s"},
		{59500, "1 min"}, {180000, "3 min"}, {200000, "3 min 20 s"}, {3599600, "1 h"}, {3720000, "1 h 2 min"}, {7200000, "2 h"},
		{90061000, "25 h 1 min"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_BUF struct buf out = {0};
		text_took(&out, rows[i].ms);
		assert_string_equal(buf_str(&out), rows[i].text);
	}
}

static void encodings(void **state)
{
	CLEANUP_BUF struct buf out = {0};
	(void)state;
	text_hex(&out, "\x00\x0f\xf0\xff", 4);
	assert_string_equal(buf_str(&out), "000ff0ff");
	buf_reset(&out);
	text_url_segment(&out, "aZ09-._~ /?#%&\xc3\xa9");
	assert_string_equal(buf_str(&out), "aZ09-._~%20%2F%3F%23%25%26%C3%A9");
	buf_reset(&out);
	text_html(&out, "a<b>&\"c'd", 9);
	assert_string_equal(buf_str(&out), "a&lt;b&gt;&amp;&quot;c&#39;d");
	assert_true(text_hash("", 0) == 0xcbf29ce484222325u);
	assert_true(text_hash("a", 1) == 0xaf63dc4c8601ec8cu);
	assert_true(text_hash("foobar", 6) == 0x85944171f73967e8u);
}

static void lists(void **state)
{
	static const struct {
		const char *lines, *line;
		bool has;
	} rows[] = {
		{NULL, "a", false}, {"", "a", false}, {"a", "a", true}, {"a\n", "a", true}, {"ab\nc", "a", false}, {"ab\nc", "ab", true},
		{"ab\nc", "c", true}, {"ab\nc", "b", false}, {"ab\nc", "ab\nc", false}, {"a\n\nb", "", true}, {"a", "", false},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(text_has_line(rows[i].lines, rows[i].line), rows[i].has);
	struct strlist l = {0};
	assert_null(text_join_lines(&l));
	text_split_lines(NULL, &l);
	text_split_lines("", &l);
	assert_int_equal(l.n, 0);
	text_split_lines("one\n\ntwo\n", &l);
	text_split_lines("three", &l);
	CLEANUP_FREE char *back = text_join_lines(&l);
	assert_string_equal(back, "one\n\ntwo\nthree");
	assert_int_equal(l.n, 4);
	strlist_free(&l);
}

static void hex_and_base64url(void **state)
{
	(void)state;
	uint8_t bytes[3] = {0};
	assert_true(text_unhex("00aFfF", bytes, 3));
	assert_memory_equal(bytes, "\x00\xaf\xff", 3);
	static const char *const bad_hex[] = {"00aff", "00afff0", "00afg0", "", "0 0000", "-1-1-1"};
	for (size_t i = 0; i < ARRAY_LEN(bad_hex); i++)
		assert_false(text_unhex(bad_hex[i], bytes, 3));
	/* RFC 4648, 10, and the two letters that differ */
	static const struct {
		const char *in, *out;
		size_t len;
	} cases[] = {{"", "", 0},      {"f", "Zg", 1},       {"fo", "Zm8", 2},        {"foo", "Zm9v", 3},          {"foob", "Zm9vYg", 4},
		     {"fooba", "Zm9vYmE", 5}, {"foobar", "Zm9vYmFy", 6}, {"\xfb\xff\xfe", "-__-", 3}, {"\x00\x00", "AAA", 2}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = {0}, back = {0};
		text_base64url(&out, cases[i].in, cases[i].len);
		assert_string_equal(buf_str(&out), cases[i].out);
		assert_true(text_base64url_read(&back, buf_str(&out), out.len));
		assert_int_equal(back.len, cases[i].len);
		assert_memory_equal(buf_str(&back), cases[i].in, back.len);
	}
	static const char *const bad[] = {"Z", "Zg==", "Z+8", "Z/8", "Zm9vY", "Zm 8", "Zh" /* bits left over */, "Zm9"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP_BUF struct buf back = {0};
		assert_false(text_base64url_read(&back, bad[i], strlen(bad[i])));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8),		cmocka_unit_test(cut),	     cmocka_unit_test(clean),
		cmocka_unit_test(beginnings_and_ends), cmocka_unit_test(nearest),  cmocka_unit_test(integers),
		cmocka_unit_test(durations_and_sizes), cmocka_unit_test(took),     cmocka_unit_test(encodings),
		cmocka_unit_test(lists),	cmocka_unit_test(hex_and_base64url),
	};
	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
