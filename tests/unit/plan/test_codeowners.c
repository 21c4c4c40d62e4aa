/* CODEOWNERS: which line decides for a path, which lines are none, and the way through JSON. */
#include "plan/codeowners.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void find(const char *text, const char *path, struct owners *ret)
{
	struct strlist paths = {0};
	*ret = (struct owners){0};
	strlist_add(&paths, path);
	codeowners_find(text, strlen(text), &paths, ret);
	strlist_free(&paths);
}

/* One pattern, one path: owned or not. */
static void patterns(void **state)
{
	static const struct {
		int line;
		const char *pattern, *path;
		bool owned;
	} rows[] = {
		{__LINE__, "*", "a", true}, {__LINE__, "*", "a/b/c.tf", true},
		{__LINE__, "*.tf", "main.tf", true}, {__LINE__, "*.tf", "a/b/main.tf", true}, {__LINE__, "*.tf", "main.tf.bak", false},
		{__LINE__, "*.tf", "x.tf/inner", true}, /* a directory of that name */
		{__LINE__, "docs", "docs/a", true}, {__LINE__, "docs", "x/docs/a/b", true}, {__LINE__, "docs", "docs", true}, {__LINE__, "docs", "mydocs/a", false},
		{__LINE__, "docs/", "docs/a", true}, {__LINE__, "docs/", "x/docs/a", true}, {__LINE__, "docs/", "docs", false}, {__LINE__, "docs/", "docs2/a", false},
		{__LINE__, "/docs/", "docs/a/b", true}, {__LINE__, "/docs/", "x/docs/a", false},
		{__LINE__, "/docs", "docs/a", true}, {__LINE__, "/docs", "docs", true}, {__LINE__, "/docs", "x/docs", false},
		{__LINE__, "docs/*", "docs/a", true}, {__LINE__, "docs/*", "docs/a/b", false}, {__LINE__, "docs/*", "x/docs/a", false},
		{__LINE__, "/*", "a", true}, {__LINE__, "/*", "a/b", false},
		{__LINE__, "docs/**", "docs/a/b", true}, {__LINE__, "docs/**", "docs2/a", false},
		{__LINE__, "**/logs", "logs/x", true}, {__LINE__, "**/logs", "a/b/logs/x", true}, {__LINE__, "**/logs", "logs", true},
		{__LINE__, "a/**/z", "a/z", true}, {__LINE__, "a/**/z", "a/b/c/z", true}, {__LINE__, "a/**/z", "b/a/z", false},
		{__LINE__, "a/b", "a/b/c", true}, {__LINE__, "a/b", "x/a/b", false}, {__LINE__, "apps/net/", "apps/net/main.tf", true},
		{__LINE__, "apps/net/", "x/apps/net/main.tf", false},
		{__LINE__, "?.tf", "a.tf", true}, {__LINE__, "?.tf", "ab.tf", false},
		{__LINE__, "Docs/", "docs/a", false}, {__LINE__, "Docs/", "Docs/a", true}, /* case counts */
		{__LINE__, "a\\ b/", "a b/c", true}, {__LINE__, "a\\*", "a*", true}, {__LINE__, "a\\*", "ab", false},
		{__LINE__, "a**b", "axxb", true}, {__LINE__, "a**b", "ax/xb", false}, /* as one star */
		{__LINE__, "a/***", "a/b", true}, {__LINE__, "a/***", "a/b/c", false},
		{__LINE__, "a/*/c", "a/b/c", true}, {__LINE__, "a/*/c", "a/b/x/c", false}, {__LINE__, "a/*/c", "a/b/c/d", true},
		{__LINE__, "**", "a/b", true}, {__LINE__, "a+b.(c)", "a+b.(c)", true}, {__LINE__, "\xc3\xbc/", "\xc3\xbc/x", true},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct owners o;
		CLEANUP_FREE char *text = xasprintf("%s @alice\n", rows[i].pattern);
		find(text, rows[i].path, &o);
		if ((o.sets_n == 1) != rows[i].owned || o.bad_n != 0)
			fail_msg("line %d: %s, %s: %zu sets, %zu bad lines", rows[i].line, rows[i].pattern, rows[i].path, o.sets_n, o.bad_n);
		owners_free(&o);
	}
}

/* A whole file: "OWNERS:line" of the path's set, "" for nobody's. */
static void which_line(void **state)
{
	static const char text[] = "# who owns what\n"
				   "*            @everybody   # but see below\n"
				   "/net/        @acme/net @alice\r\n"
				   "\n"
				   "/net/docs/\n"
				   "*.md\tdocs@example.com\n"
				   "/net/dns/    @acme/dns\n"
				   "/last        @a @b @a";
	static const struct {
		const char *path, *want;
	} rows[] = {
		{"x/y", "@everybody:2"},	    {"net/main.tf", "@acme/net @alice:3"}, {"net/docs/a", ""}, {"net/docs/a.md", "docs@example.com:6"},
		{"net/dns/zone.tf", "@acme/dns:7"}, {"README.md", "docs@example.com:6"},   {"last", "@a @b:8"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct owners o;
		CLEANUP_BUF struct buf got = {0};
		find(text, rows[i].path, &o);
		for (size_t k = 0; o.sets_n == 1 && k < o.sets[0].owners.n; k++)
			buf_printf(&got, "%s%s", k != 0 ? " " : "", o.sets[0].owners.v[k]);
		if (o.sets_n == 1) {
			buf_printf(&got, ":%d", o.sets[0].line);
			assert_string_equal(o.sets[0].path, rows[i].path);
		}
		assert_string_equal(buf_str(&got), rows[i].want);
		assert_int_equal(o.bad_n, 0);
		assert_null(o.unusable);
		owners_free(&o);
	}
}

static void bad_lines(void **state)
{
	static const struct {
		const char *line, *why;
	} rows[] = {
		{"!a @alice", "`!` cannot exclude anything in CODEOWNERS"},
		{"[ab].tf @alice", "`[ ]` has no meaning in CODEOWNERS"},
		{"a] @alice", "`[ ]` has no meaning in CODEOWNERS"},
		{"\\#a @alice", "a pattern cannot begin with `\\#`"},
		{"/ @alice", "`/` names nothing"},
		{"a alice", "`alice` is no owner: write @user, @org/team or an address"},
		{"a @alice @", "`@` is no owner: write @user, @org/team or an address"},
		{"a @acme/", "`@acme/` is no owner: write @user, @org/team or an address"},
		{"a @acme/x/y", "`@acme/x/y` is no owner: write @user, @org/team or an address"},
		{"a @al*ce", "`@al*ce` is no owner: write @user, @org/team or an address"},
		{"a a@b@c", "`a@b@c` is no owner: write @user, @org/team or an address"},
		{"a\\ @alice\\", "the pattern cannot be understood"},
		{"a`b @alice", "the pattern cannot be understood"},
		{"a\xff @alice", "the pattern cannot be understood"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct owners o;
		CLEANUP_FREE char *text = xasprintf("* @bob\n%s\n", rows[i].line);
		find(text, "a", &o);
		if (o.bad_n != 1 || o.bad[0].line != 2 || strcmp(o.bad[0].why, rows[i].why) != 0)
			fail_msg("%s: %zu bad, %s", rows[i].line, o.bad_n, o.bad_n != 0 ? o.bad[0].why : "");
		assert_int_equal(o.sets_n, 1); /* the line above still owns it */
		assert_int_equal(o.sets[0].line, 1);
		owners_free(&o);
	}
}

/* Lines with the same owners are one set, whatever their order; its line is the first that was needed. */
static void sets_are_distinct(void **state)
{
	static const char text[] = "/a @x @y\n/b @y @x\n/c @z\n/d @x\n";
	struct strlist paths = {0};
	struct owners o = {0};
	(void)state;
	static const char *const all[] = {"a/1", "a/2", "b/1", "c/1", "d/1", "e/1"};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		strlist_add(&paths, all[i]);
	codeowners_find(text, strlen(text), &paths, &o);
	assert_int_equal(o.sets_n, 3);
	assert_string_equal(o.sets[0].path, "a/1");
	assert_int_equal(o.sets[1].line, 3);
	assert_int_equal(o.sets[2].line, 4);
	owners_free(&o);
	strlist_free(&paths);
}

static void kinds(void **state)
{
	static const struct {
		const char *owner;
		enum owner_kind kind;
	} rows[] = {
		{"@alice", OWNER_USER}, {"@a-b_c", OWNER_USER}, {"@acme/net-team", OWNER_TEAM}, {"ops@example.com", OWNER_EMAIL}, {"alice", OWNER_BAD},
		{"", OWNER_BAD}, {"@", OWNER_BAD}, {"@/team", OWNER_BAD}, {"x@y/z", OWNER_BAD}, {"x@", OWNER_BAD},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(codeowners_kind(rows[i].owner), rows[i].kind);
}

/* Each ceiling is told; nothing is said of the owners then. */
static void ceilings(void **state)
{
	struct owners o;
	struct buf text = {0};
	struct strlist paths = {0};
	(void)state;
	for (int i = 0; i < LIMIT_OWNERS_SETS + 1; i++) {
		CLEANUP_FREE char *path = xasprintf("p%d", i);
		buf_printf(&text, "/%s @u%d\n", path, i);
		strlist_add(&paths, path);
	}
	o = (struct owners){0};
	codeowners_find(buf_str(&text), text.len, &paths, &o);
	assert_string_equal(o.unusable, "the change needs more than 500 sets of owners");
	owners_free(&o);
	strlist_free(&paths);
	for (int i = 0; i <= LIMIT_OWNERS_RULES; i++)
		buf_adds(&text, "x @a\n");
	find(buf_str(&text), "y", &o);
	assert_string_equal(o.unusable, "it has more than 50000 lines");
	owners_free(&o);
	while (text.len < LIMIT_OWNERS_BYTES)
		buf_adds(&text, "# a long comment that fills the file up to the last byte that GitHub reads ......................................................\n");
	find(buf_str(&text), "y", &o);
	assert_string_equal(o.unusable, "it has 3 MB or more, which GitHub does not read");
	owners_free(&o);
	buf_free(&text);
	for (int i = 0; i < 100; i++)
		buf_adds(&text, "!\n");
	find(buf_str(&text), "y", &o);
	assert_int_equal(o.bad_n, LIMIT_OWNERS_BAD);
	owners_free(&o);
	buf_free(&text);
	find("", "y", &o);
	assert_true(o.sets_n == 0 && o.bad_n == 0 && o.unusable == NULL);
	owners_free(&o);
}

static void through_json(void **state)
{
	struct owners o, back;
	struct err err = {0};
	CLEANUP_BUF struct buf json = {0}, again = {0};
	(void)state;
	find("/a @x o@y.z\n[ @bad\n", "a", &o);
	o.file = xstrdup(codeowners_places[0]);
	o.id = xstrdup("0123");
	strlist_add(&o.bots, "release[bot]");
	strlist_add(&o.blocked_by, "do not \"apply\"");
	owners_write(&o, &json);
	assert_int_equal(owners_read(buf_str(&json), &back, &err), 0);
	owners_write(&back, &again);
	assert_string_equal(buf_str(&json), buf_str(&again));
	assert_string_equal(back.file, ".github/CODEOWNERS");
	assert_string_equal(back.sets[0].owners.v[1], "o@y.z");
	assert_string_equal(back.bad[0].why, "`[ ]` has no meaning in CODEOWNERS");
	assert_string_equal(back.blocked_by.v[0], "do not \"apply\"");
	owners_free(&o);
	owners_free(&back);
	static const char *const nothing[] = {NULL, ""};
	for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
		assert_int_equal(owners_read(nothing[i], &back, &err), 0);
		assert_true(back.file == NULL && back.sets_n == 0);
	}
	static const char *const damaged[] = {"{", "{}", "[]", "{\"sets\":[],\"bad\":[],\"bots\":[]}", "{\"sets\":[{\"owners\":[1],\"line\":1}],\"bad\":[],\"bots\":[],\"blocked_by\":[]}",
					      "{\"sets\":[],\"bad\":[{\"line\":0}],\"bots\":[],\"blocked_by\":[]}"};
	for (size_t i = 0; i < ARRAY_LEN(damaged); i++)
		if (owners_read(damaged[i], &back, &err) == 0)
			fail_msg("%s was read", damaged[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns), cmocka_unit_test(which_line), cmocka_unit_test(bad_lines), cmocka_unit_test(sets_are_distinct),
		cmocka_unit_test(kinds),    cmocka_unit_test(ceilings),   cmocka_unit_test(through_json),
	};
	return cmocka_run_group_tests_name("codeowners", tests, NULL, NULL);
}
