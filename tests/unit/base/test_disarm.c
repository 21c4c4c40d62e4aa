#include "base/disarm.h"

#include "base/mem.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void disarm(bool log, const char *s, size_t len, size_t piece, struct buf *out)
{
	struct disarm d = {.log = log};
	for (size_t i = 0; i < len; i += piece)
		disarm_feed(&d, s + i, len - i < piece ? len - i : piece, out);
	disarm_end(&d, out);
}

struct row {
	const char *in, *out;
};

/* Whole, byte by byte, and once more over what came out. */
static void check_rows(bool log, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(rows[i].in);
		for (size_t piece = 1; piece <= len + 1; piece++) {
			CLEANUP_BUF struct buf out = {0};
			CLEANUP_BUF struct buf again = {0};
			disarm(log, rows[i].in, len, piece, &out);
			disarm(log, buf_str(&out), out.len, 3, &again);
			if (strcmp(buf_str(&out), rows[i].out) != 0 || strcmp(buf_str(&again), rows[i].out) != 0)
				fail_msg("row %zu, pieces of %zu: \"%s\", then \"%s\"; want \"%s\"", i, piece, buf_str(&out),
					 buf_str(&again), rows[i].out);
		}
	}
}

static void escapes(void **state)
{
	static const struct row rows[] = {
		{"", ""},
		{"plain\ttext\n", "plain\ttext\n"},
		{"\x1b[31mred\x1b[0m", "red"},
		{"\x1b[38;5;196mx\x1b[K\x1b[2J\x1b[1;1H", "x"},
		{"\x1b]0;title\ashown", "shown"},
		{"\x1b]8;;https://evil.example/\x1b\\link\x1b]8;;\x1b\\.", "link."},
		{"\x1b]52;c;bHM=\a.", "."},
		{"\x1bPq#0\x1b\\x", "x"},
		{"\x1b_apc\x1b\\a\x1b^pm\x1b\\b\x1bXsos\x1b\\c", "abc"},
		{"\x1b(Bx\x1b"
		 "7y\x1b"
		 "cz\x1b=",
		 "xyz"},
		{"\xc2\x9b"
		 "31mx",
		 "x"}, /* the same in one character */
		{"\xc2\x9d"
		 "0;title\xc2\x9cx",
		 "x"},
		{"\x1b]0;never ends\nnext line", "\nnext line"},
		{"\x1b]0;a\x1b[31mb", "b"}, /* another sequence ends it */
		{"\x1b", ""},
		{"\x1b[31", ""},
		{"\x1b[31\nx", "\nx"},
		{"\x1b[3\xe2\x82\xac", "\xe2\x82\xac"},
		{"\x1b\x1b\x1b[mx", "x"},
		{"\x1b]0;\xff\xfe\ax", "x"},
	};
	(void)state;
	check_rows(false, rows, ARRAY_LEN(rows));
	check_rows(true, rows, ARRAY_LEN(rows));
}

static void characters(void **state)
{
	static const struct row rows[] = {
		{"\x01"
		 "a\x02\b\v\f"
		 "b\x7f",
		 "ab"},
		{"a\xc2\x85"
		 "b\xc2\x80",
		 "ab"},
		{"a\r\nb\rc\r\r\nd\n\n", "a\nbc\nd\n\n"},
		{"bad \xff byte", "bad \xef\xbf\xbd byte"},
		{"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xe2\x82x", "\xef\xbf\xbd\xef\xbf\xbdx"},
		{"\xe2\x80\x1b[m\xae", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* nothing is put together across what was taken out */
		{"\xc0\xaf\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xe2\x82\xac \xf0\x9f\x98\x80 \xe2\x9a\xa0\xef\xb8\x8f", "\xe2\x82\xac \xf0\x9f\x98\x80 \xe2\x9a\xa0\xef\xb8\x8f"},
		{"a\xe2\x80\xae"
		 "b",
		 "a<U+202E>b"},
		{"\xe2\x81\xa6x\xe2\x81\xa9\xd8\x9c", "<U+2066>x<U+2069><U+061C>"},
		{"pa\xe2\x80\x8bss\xe2\x80\x8c\xe2\x80\x8d\xe2\x81\xa0\xef\xbb\xbf", "pa<U+200B>ss<U+200C><U+200D><U+2060><U+FEFF>"},
		{"\xf3\xa0\x81\xa1\xf3\xa0\x80\x81", "<U+E0061><U+E0001>"},
		{"\xc2\xad\xe1\xa0\x8e\xe3\x85\xa4\xef\xbe\xa0", "<U+00AD><U+180E><U+3164><U+FFA0>"},
		{"a\xe2\x80\xa8"
		 "b\xe2\x80\xa9"
		 "c",
		 "a<U+2028>b<U+2029>c"},
		{"::error::in a text", "::error::in a text"},
	};
	(void)state;
	check_rows(false, rows, ARRAY_LEN(rows));
}

static void commands_in_logs(void **state)
{
	static const struct row rows[] = {
		{"::error::x\n::stop-commands::t\n", ":: error::x\n:: stop-commands::t\n"},
		{" \t::warning file=a::x", " \t:: warning file=a::x"},
		{"\xc2\xa0\xe3\x80\x80::debug::x", "\xc2\xa0\xe3\x80\x80:: debug::x"},
		{"a\r::error::x", "a\n:: error::x"},
		{"a\r\nb\rc\r\r\nd\n\n", "a\nb\nc\n\nd\n\n"},
		{"\x1b]0;never ends\rnext line", "\nnext line"},
		{"\x1b[0m::error::x", ":: error::x"},
		{":\x01:\x1b[merror::x", ":: error::x"},
		{"##[command]x", "## [command]x"},
		{"a ##[group]x", "a ## [group]x"},
		{"##vso[task.setvariable]x", "##vso [task.setvariable]x"},
		{"##teamcity[x]", "##teamcity [x]"},
		{"a ###vso[x]", "a ###vso [x]"},
		{"##a#vso[x] ##a##vso[x]", "##a#vso[x] ##a##vso [x]"},
		{"a ::error::x", "a ::error::x"},
		{"::1\n::/0\n:::x", "::1\n::/0\n:::x"},
		{"# [x] #[x] ## x [y]", "# [x] #[x] ## x [y]"},
		{"\xe2\x80\x8b::error::x", "<U+200B>::error::x"},
	};
	(void)state;
	check_rows(true, rows, ARRAY_LEN(rows));
}

/* Nobody hides more than a bounded piece of a line. */
static void hidden_has_a_ceiling(void **state)
{
	static const char *const begins[] = {"\x1b]0;", "\x1bP", "\x1b[", "\x1b("};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(begins); i++) {
		CLEANUP_BUF struct buf in = {0};
		CLEANUP_BUF struct buf out = {0};
		buf_adds(&in, begins[i]);
		for (int n = 0; n < 10000; n++)
			buf_addc(&in, ' ');
		buf_adds(&in, "shown\n");
		disarm(true, in.data, in.len, 7, &out);
		assert_non_null(strstr(buf_str(&out), " shown\n"));
		assert_true(out.len >= 10000 - DISARM_HIDDEN_MAX);
	}
}

/* What must never come out, looked for by other means than the code's. */
static bool is_forbidden(const char *s, size_t len)
{
	static const char *const bad[] = {"\x1b",         "\r",           "\x7f",         "\xe2\x80\xaa", "\xe2\x80\xae", "\xe2\x81\xa6",
					  "\xe2\x81\xa9", "\xe2\x80\x8b", "\xe2\x80\x8e", "\xe2\x80\x8f", "\xd8\x9c",     "\xef\xbb\xbf",
					  "\xf3\xa0\x81", "\xc2\xad",     "\xe2\x80\xa8", "\n::e",        "##[",          "##vso["};
	bool found = !text_is_utf8(s, len) || memchr(s, '\0', len) != NULL || text_starts(s, "::e");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		found = found || strstr(s, bad[i]) != NULL;
	for (size_t i = 0; i < len; i++)
		found = found || ((unsigned char)s[i] < 0x20 && s[i] != '\n' && s[i] != '\t') ||
			(s[i] == '\xc2' && (unsigned char)s[i + 1] <= 0x9f);
	return found;
}

/* Pieces that mean something, in random order and cut at random places. */
static void random_text(void **state)
{
	static const char *const pieces[] = {"\x1b",
					     "[",
					     "]",
					     "31m",
					     "\\",
					     "\a",
					     "\n",
					     "\r",
					     "::",
					     ":",
					     "error",
					     "##",
					     "#",
					     "vso",
					     "\xe2",
					     "\x80",
					     "\xae",
					     "\xe2\x80\x8b",
					     "\xf3\xa0\x81\xa1",
					     "\xc2",
					     "\x9b",
					     "\x9d",
					     "\xff",
					     " ",
					     "P",
					     "x",
					     "\xef\xbb\xbf",
					     "\x01"};
	(void)state;
	srandom(7);
	for (int round = 0; round < 20000; round++) {
		CLEANUP_BUF struct buf in = {0};
		CLEANUP_BUF struct buf whole = {0};
		CLEANUP_BUF struct buf cut = {0};
		CLEANUP_BUF struct buf again = {0};
		for (long n = random() % 24; n > 0; n--)
			buf_adds(&in, pieces[(size_t)random() % ARRAY_LEN(pieces)]);
		disarm(true, buf_str(&in), in.len, 1000, &whole);
		disarm(true, buf_str(&in), in.len, 1 + (size_t)random() % 5, &cut);
		disarm(true, buf_str(&whole), whole.len, 4, &again);
		assert_string_equal(buf_str(&whole), buf_str(&cut));
		assert_string_equal(buf_str(&whole), buf_str(&again));
		if (is_forbidden(buf_str(&whole), whole.len))
			fail_msg("round %d: \"%s\"", round, buf_str(&whole));
		assert_true(whole.len <= in.len * 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes),          cmocka_unit_test(characters),
		cmocka_unit_test(commands_in_logs), cmocka_unit_test(hidden_has_a_ceiling),
		cmocka_unit_test(random_text),
	};
	return cmocka_run_group_tests_name("disarm", tests, NULL, NULL);
}
