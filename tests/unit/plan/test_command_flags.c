/* Flags of the engine behind `plan --`: what is handed on, and what is refused with which sentence. */
#include "plan/command_flags.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* The flags as they are handed on, or the sentence. */
static char *told(const char *line)
{
	struct strlist words = {0}, flags = {0};
	for (const char *p = line; *p != '\0'; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");
		strlist_add_n(&words, p, n);
		p += n;
	}
	char *no = command_flags_read(&words, 0, &flags);
	CLEANUP_FREE char *lines = text_join_lines(&flags);
	char *out = no != NULL ? no : xasprintf("%s", lines);
	strlist_free(&words);
	strlist_free(&flags);
	return out;
}

static void check(const char *line, const char *want)
{
	CLEANUP_FREE char *got = told(line);
	if (strcmp(got, want) != 0)
		fail_msg("<%s>\n  gives  %s\n  wanted %s", line, got, want);
}

static void allowed(void **state)
{
	static const struct {
		const char *line, *want;
	} rows[] = {
		{"-target=aws_subnet.a", "-target=aws_subnet.a"},
		{"--target=aws_subnet.a", "-target=aws_subnet.a"},
		{"-target aws_subnet.a", "-target=aws_subnet.a"},
		{"-target=module.a.module.b", "-target=module.a.module.b"},
		{"-target=aws_subnet.a[0]", "-target=aws_subnet.a[0]"},
		{"-target=aws_subnet.a[\"x\"]", "-target=aws_subnet.a[\"x\"]"},
		{"-target=module.a[\"x/y:z@w=1\"].b.c[2]", "-target=module.a[\"x/y:z@w=1\"].b.c[2]"},
		{"-target=a.b[\"[x]\"]", "-target=a.b[\"[x]\"]"},
		{"-target='a.b[\"x\"]'", "-target=a.b[\"x\"]"},
		{"-target=\"a.b\"", "-target=a.b"},
		{"-target=data.a_b.c-d", "-target=data.a_b.c-d"},
		{"-target=a.b -target=c.d", "-target=a.b\n-target=c.d"},
		{"-replace=a.b", "-replace=a.b"},
		{"-refresh=false", "-refresh=false"},
		{"--refresh=false", "-refresh=false"},
		{"-refresh-only", "-refresh-only"},
		{"-parallelism=1", "-parallelism=1"},
		{"-parallelism 10", "-parallelism=10"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(rows[i].line, rows[i].want);
}

#define NOT_HANDED                                                                                                                         \
	"is not handed to the engine. Behind `plan --` stand `-target=ADDRESS`, `-replace=ADDRESS`, `-refresh=false`, `-refresh-only` and "    \
	"`-parallelism=1` to `10`: nothing that changes from which files, variables or state a plan is made."

static void refused(void **state)
{
	static const char *const flags[] = {
		"-var", "-var=a=b", "-var-file=/etc/passwd", "--var-file", "-destroy", "--destroy", "-chdir=../db", "-state=../db/terraform.tfstate",
		"-state-out=x", "-backup=x", "-plugin-dir=x", "-out=x", "-generate-config-out=../g.tf", "-lock=false", "-lock-timeout=1s", "-input=true",
		"-json", "-no-color", "-detailed-exitcode", "-refresh=true", "-refresh", "-refresh-only=false", "-refresh=false;id", "-TARGET=a.b",
		"-targets=a.b", "---target=a.b", "-exclude=a.b", "-compact-warnings", "-help", "-", "--", "word", "'-target=a.b'", "@/etc/passwd",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		CLEANUP_FREE char *quoted = text_starts(flags[i], "'") ? xstrdup("'-target=a.b'") : xstrdup(flags[i]);
		CLEANUP_FREE char *want = xasprintf("`%s` " NOT_HANDED, quoted);
		check(flags[i], want);
		CLEANUP_FREE char *second = xasprintf("-target=a.b %s", flags[i]);
		check(second, want);
	}
	check("-var`x`=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "`-var'x'=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...` " NOT_HANDED);
}

static void addresses(void **state)
{
	static const char *const bad[] = {
		"-x", ".a", "[0]", "0a", "a b", "a;b", "a|b", "a$b", "a`b", "a\\b", "a(b)", "a{b}", "a,b", "a*", "a.b[", "a.b]", "a.b[\"x]", "a.b[\"x\"",
		"a.b[[0]]", "a\"b\"", "a.b[\"x\\\"]\"]", "a'b", "~/a", "/etc/passwd", "a\xc3\xa9", "a%s", "a&b", "a>b", "a#b", "a!b", "a?b",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (strchr(bad[i], ' ') != NULL)
			continue;
		CLEANUP_FREE char *line = xasprintf("-target=%s", bad[i]);
		CLEANUP_FREE char *got = told(line);
		if (strstr(got, " is no address of a resource: ") == NULL)
			fail_msg("<%s> gives %s", line, got);
	}
	check("-target", "`-target` needs a value: `-target=ADDRESS`.");
	check("-target=", "`-target` needs a value: `-target=ADDRESS`.");
	check("-target=\"\"", "`-target` needs a value: `-target=ADDRESS`.");
	check("-target -refresh-only", "`-target` needs a value: `-target=ADDRESS`.");
	check("--parallelism", "`-parallelism` needs a value: `-parallelism=4`.");
	for (size_t i = 0; i < 6; i++) {
		static const char *const numbers[] = {"0", "11", "-1", "1e1", "1x", "99999999999999999999"};
		CLEANUP_FREE char *line = xasprintf("-parallelism=%s", numbers[i]);
		check(line, "`-parallelism` is a number from 1 to 10.");
	}
}

static void how_many(void **state)
{
	CLEANUP_BUF struct buf line = {0};
	(void)state;
	for (int i = 1; i <= 21; i++) {
		buf_printf(&line, "%s-target=a.b%d", i > 1 ? " " : "", i);
		CLEANUP_FREE char *got = told(buf_str(&line));
		if (i <= 20)
			assert_true(text_starts(got, "-target=a.b1"));
		else
			assert_string_equal(got, "A plan takes at most 20 flags of the engine.");
	}
}

static void whole(void **state)
{
	(void)state;
	assert_true(command_flags_are_whole(NULL));
	assert_true(command_flags_are_whole("-refresh=false\n-parallelism=2"));
	assert_true(command_flags_are_whole("-replace=a.target"));
	assert_false(command_flags_are_whole("-target=a.b"));
	assert_false(command_flags_are_whole("-refresh=false\n-target=a.b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allowed), cmocka_unit_test(refused), cmocka_unit_test(addresses), cmocka_unit_test(how_many), cmocka_unit_test(whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
