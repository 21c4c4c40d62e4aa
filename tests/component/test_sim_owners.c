/* Two readers of CODEOWNERS that were written apart, ours and the simulated GitHub's, say the same of the same lines and paths. */
#include "cmd/sim/sim_gate.h"
#include "plan/codeowners.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static bool ours(const char *pattern, const char *path)
{
	struct owners o = {0};
	struct strlist paths = {0};
	CLEANUP_FREE char *text = xasprintf("%s @alice\n", pattern);
	strlist_add(&paths, path);
	codeowners_find(text, strlen(text), &paths, &o);
	bool owned = o.sets_n == 1;
	assert_int_equal(o.bad_n, 0);
	owners_free(&o);
	strlist_free(&paths);
	return owned;
}

static void same(const char *pattern, const char *path)
{
	bool a = ours(pattern, path), b = sim_owners_match(pattern, path);
	if (a != b)
		fail_msg("\"%s\" and \"%s\": we say %s, the simulated GitHub %s", pattern, path, a ? "yes" : "no", b ? "yes" : "no");
}

/* ---- what GitHub's manual says ---- */

static void from_the_manual(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool owned;
	} rows[] = {
		{"*", "a/b/c", true},           {"*.js", "a/b.js", true},       {"*.js", "a/b.jsx", false},    {"/build/logs/", "build/logs/x/y", true},
		{"/build/logs/", "a/build/logs/x", false}, {"docs/*", "docs/a.md", true}, {"docs/*", "docs/a/b.md", false}, {"apps/", "x/apps/y/z", true},
		{"/docs/", "docs/a/b", true},   {"**/logs", "build/logs", true}, {"**/logs", "deeply/nested/logs/x", true}, {"**/logs", "logs", true},
		{"/apps/github", "apps/github", true}, {"/apps/github", "apps/github/x", true}, {"/apps/github", "x/apps/github", false},
		{"a/**/b", "a/b", true},        {"a/**/b", "a/x/y/b", true},    {"a/**", "a/x/y", true},       {"a/**", "a", false},
		{"A", "a", false},              {"a.tf", "abtf", false},        {"a**b", "a/b", false},        {"a**b", "axb", true},
		{"/*", "a", true},              {"/*", "a/b", false},           {"a?c", "abc", true},          {"a?c", "a/c", false},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		same(rows[i].pattern, rows[i].path);
		if (ours(rows[i].pattern, rows[i].path) != rows[i].owned)
			fail_msg("\"%s\" and \"%s\": both are wrong", rows[i].pattern, rows[i].path);
	}
}

/* ---- anything ---- */

static uint64_t dice = 88172645463325252u;

static size_t roll(size_t n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (size_t)(dice % n);
}

static void add_parts(struct buf *b, const char *const *parts, size_t parts_n)
{
	size_t n = 1 + roll(4);
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%s%s", i > 0 ? "/" : "", parts[roll(parts_n)]);
}

static void whatever_is_written(void **state)
{
	static const char *const patterns[] = {"a", "b", "ab", "x.tf", "*.tf", "a*", "*", "**", "?", "*b", "a.b+c"};
	static const char *const paths[] = {"a", "b", "ab", "x.tf", "y.tf", "abtf", "a.b+c", "aXbbc"};
	size_t yes = 0, all = 0;
	(void)state;
	for (size_t i = 0; i < 1500; i++) {
		struct buf pattern = {0};
		if (roll(3) == 0)
			buf_addc(&pattern, '/');
		add_parts(&pattern, patterns, ARRAY_LEN(patterns));
		if (roll(4) == 0)
			buf_addc(&pattern, '/');
		for (size_t k = 0; k < 12; k++, all++) {
			struct buf path = {0};
			add_parts(&path, paths, ARRAY_LEN(paths));
			same(buf_str(&pattern), buf_str(&path));
			yes += ours(buf_str(&pattern), buf_str(&path));
			buf_free(&path);
		}
		buf_free(&pattern);
	}
	assert_true(yes > all / 20 && yes < all / 2); /* neither answer is rare */
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(from_the_manual), cmocka_unit_test(whatever_is_written)};
	return cmocka_run_group_tests_name("sim_owners", tests, NULL, NULL);
}
