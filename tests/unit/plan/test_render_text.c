/* Text from outside in Markdown: nothing in it can become markup, a mention or a link. */
#include "base/text.h"
#include "plan/render_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ZWSP "\xe2\x80\x8b"

static void text(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{"plain words, 2 to add", "plain words, 2 to add"},
		{"@alice", "@" ZWSP "alice"},
		{"see #12", "see #" ZWSP "12"},
		{"GH-12", "GH-" ZWSP "12"},
		{"https://x.example", "https:" ZWSP "//x.example"},
		{"www.x.example", "www" ZWSP ".x.example"},
		{":tada:", ":" ZWSP "tada:"},
		{"main.tf:14", "main.tf:14"},
		{"$x$", "$" ZWSP "x$" ZWSP},
		{"<b>&amp;", "&lt;b>&amp;amp;"},
		{"> quote", "&gt; quote"},
		{"a > b", "a > b"},
		{"*a* _b_ c_d `e` ~f~ [g](h) i|j \\", "\\*a\\* \\_b\\_ c_d \\`e\\` \\~f\\~ \\[g\\](h) i\\|j \\\\"},
		{"- item", "\\- item"},
		{"+ item", "\\+ item"},
		{"=====", "\\====="},
		{"1. item", "1\\. item"},
		{"12) item", "12\\) item"},
		{"  1. item", "  1\\. item"},
		{"\n - item", "  \\- item"},
		{" > quote", " &gt; quote"},
		{"v1.2", "v1.2"},
		{"a\nb\tc", "a b c"},
		{"a\x1b[31mb\xe2\x80\xae"
		 "c\x07",
		 "ab&lt;U+202E>c"},
		{"\xff", "\xef\xbf\xbd"},
		{"", ""},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = {0};
		render_text(&out, cases[i].in);
		if (strcmp(buf_str(&out), cases[i].want) != 0)
			fail_msg("<%s> gives <%s>, wanted <%s>", cases[i].in, buf_str(&out), cases[i].want);
	}
}

static void code(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{"db", "`db`"},         {"a`b", "``a`b``"}, {"`a", "`` `a ``"}, {"a``", "``` a`` ```"}, {" a", "`  a `"},
		{"", "(empty)"},        {"  ", "(empty)"},  {"a\nb", "`a b`"},  {"a|b", "`a|b`"},       {"@all <b>", "`@all <b>`"},
		{"\x1b[1m", "(empty)"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = {0};
		render_code(&out, cases[i].in);
		assert_string_equal(buf_str(&out), cases[i].want);
	}
	CLEANUP_BUF struct buf cell = {0};
	render_cell_code(&cell, "a|b");
	assert_string_equal(buf_str(&cell), "`a\\|b`");
}

static void sentence(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{"comment `apply` now", "comment `apply` now"},
		{"`a` and `b`", "`a` and `b`"},
		{"`@bob` may not", "`@bob` may not"},
		{"@bob", "@" ZWSP "bob"},
		{"odd ` tick", "odd \\` tick"},
		{"`` empty", "\\`\\` empty"},
		{"`a` `", "`a` \\`"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = {0};
		render_sentence(&out, cases[i].in);
		if (strcmp(buf_str(&out), cases[i].want) != 0)
			fail_msg("<%s> gives <%s>, wanted <%s>", cases[i].in, buf_str(&out), cases[i].want);
	}
}

static void fences(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{"x\n", "```diff\nx\n```\n"},
		{"x", "```diff\nx\n```\n"},
		{"", "```diff\n```\n"},
		{"```\n", "````diff\n```\n````\n"},
		{"a `````` b", "```````diff\na `````` b\n```````\n"},
		{"~~~\n", "```diff\n~~~\n```\n"},
		{"\x1b[31mred\n", "```diff\nred\n```\n"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = {0};
		render_fence(&out, "diff", cases[i].in, strlen(cases[i].in));
		assert_string_equal(buf_str(&out), cases[i].want);
	}
	/* a run without end does not make a fence without end */
	CLEANUP_BUF struct buf ticks = {0}, out = {0};
	for (int i = 0; i < 50000; i++)
		buf_addc(&ticks, '`');
	render_fence(&out, NULL, ticks.data, ticks.len);
	assert_int_equal(strspn(out.data, "`"), 65);
	assert_true(out.len < 53000);
}

static void links(void **state)
{
	static const struct {
		const char *url, *want;
	} cases[] = {
		{"https://x.example/a?b=c&d=e#f", "[log](https://x.example/a?b=c&d=e#f)"},
		{"http://127.0.0.1:8080/", "[log](http://127.0.0.1:8080/)"},
		{"https://x.example/)](", "[log](https://x.example/%29%5D%28)"},
		{"https://x.example/a b\n", "[log](https://x.example/a%20b%0A)"},
		{"https://x.example/\"<>'\xc3\xa9", "[log](https://x.example/%22%3C%3E%27%C3%A9)"},
		{"javascript:alert(1)", "log"},
		{"/runs/1", "log"},
		{NULL, "log"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = {0};
		render_link(&out, "log", cases[i].url);
		assert_string_equal(buf_str(&out), cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text),   cmocka_unit_test(code),  cmocka_unit_test(sentence),
		cmocka_unit_test(fences), cmocka_unit_test(links),
	};
	return cmocka_run_group_tests_name("render_text", tests, NULL, NULL);
}
