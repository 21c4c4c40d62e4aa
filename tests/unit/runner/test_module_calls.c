/* Which modules a directory calls: forms, closures, what counts as fixed, what is not understood. */
#include "base/fs.h"
#include "base/limits.h"
#include "runner/module_calls.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void forms(void **state)
{
	(void)state;
	static const struct {
		const char *text, *all; /* lines joined by |; ? for a digest */
		size_t remote;
	} cases[] = {
		{"", "", 0},
		{"resource \"aws_vpc\" \"module\" {\n source = \"x/y/z\"\n}", "", 0},
		{"terraform {\n  required_providers {\n    aws = {\n      source = \"hashicorp/aws\"\n    }\n  }\n}\n", "", 0},
		{"module \"a\" {\n  source  = \"acme/net/aws\"\n  version = \"2.0.1\"\n}\n", "p\ta\tacme/net/aws\t2.0.1", 1},
		{"module \"a\" { source = \"acme/net/aws\" }", "p\ta\tacme/net/aws\t", 1},
		{"\tmodule \"a\"{\nversion=\"1\"\n\tsource=\"acme/net/aws\"\n}", "p\ta\tacme/net/aws\t1", 1},
		{"module \"a\" {\n  x = 1\n  source = \"git::https://h/r.git//m?ref=v1\"\n}\nmodule \"b\" {\n  source = \"./b\"\n}", "p\ta\tgit::https://h/r.git//m?ref=v1\t|p\tb\t./b\t", 1},
		{"# module \"a\" {\n#  source = \"acme/net/aws\"\n# }", "", 0},
		{"module \"a\" {\n  source = var.where\n}", "p\t?", 1},
		{"module \"a\" {\n  source = \"${var.x}/m\"\n}", "p\t?", 1},
		{"module \"a\" {\n  # source = \"x/y/z\"\n}", "p\t?", 1},
		{"module \"a\" {\n  source = \"x/y/z\"\n  version = var.v\n}", "p\t?", 1},
		{"module \"a\" {\n  source_of = \"n\"\n  source = \"x/y/z\"\n}", "p\ta\tx/y/z\t", 1},
		{"modules \"a\" {\n  source = \"x/y/z\"\n}", "", 0},
		{"module = \"a\"", "", 0},
		{"module \"a\" {", "p\t?", 1},
		{"module \"", "", 0},
		{"module", "", 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct module_calls c = {0};
		CLEANUP_BUF struct buf got = {0};
		module_calls_scan("p", cases[i].text, strlen(cases[i].text), false, &c);
		for (size_t k = 0; k < c.all.n; k++)
			buf_printf(&got, "%s%.*s", k > 0 ? "|" : "", strncmp(c.all.v[k], "p\t?", 3) == 0 ? 3 : 9999, c.all.v[k]);
		if (strcmp(buf_str(&got), cases[i].all) != 0 || c.remote != cases[i].remote)
			fail_msg("%s\n---\n%s (%zu)", cases[i].text, buf_str(&got), c.remote);
		module_calls_free(&c);
	}
}

static void json_counts_when_it_says_module(void **state)
{
	(void)state;
	static const char with[] = "{\"module\":{\"a\":{\"source\":\"./b\"}}}", without[] = "{\"resource\":{}}";
	struct module_calls c = {0};
	module_calls_scan("p", without, strlen(without), true, &c);
	assert_int_equal(c.remote, 0);
	module_calls_scan("p", with, strlen(with), true, &c);
	assert_int_equal(c.remote, 1);
	assert_true(c.floating);
	module_calls_free(&c);
}

static void fixed(void **state)
{
	(void)state;
	static const struct {
		const char *source, *version;
		bool fixed;
	} cases[] = {
		{"acme/net/aws", "2.0.1", true},
		{"acme/net/aws", "= 2.0.1", true},
		{"acme/net/aws", "~> 2.0", false},
		{"acme/net/aws", ">= 2, < 3", false},
		{"acme/net/aws", "", false},
		{"acme/net/aws", NULL, false},
		{"git::https://h/r.git?ref=v1.2.3", NULL, true},
		{"git::https://h/r.git?depth=1&ref=1.2.3-rc1", NULL, true},
		{"git::https://h/r.git?ref=v1.2.3&depth=1", NULL, true},
		{"git::https://h/r.git?ref=0123456789abcdef0123456789abcdef01234567", NULL, true},
		{"git::https://h/r.git?ref=0123456789abcdef", NULL, false},
		{"git::https://h/r.git?ref=main", NULL, false},
		{"git::https://h/r.git?ref=v1", NULL, false}, /* a moving tag */
		{"git::https://h/r.git", NULL, false},
		{"https://h/m.zip", "1.0.0", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (module_source_is_fixed(cases[i].source, cases[i].version) != cases[i].fixed)
			fail_msg("%s %s", cases[i].source, cases[i].version != NULL ? cases[i].version : "-");
}

static char dir[] = "/tmp/test-calls-XXXXXX";

static void file(const char *path, const char *text)
{
	CLEANUP_FREE char *whole = fs_join(dir, path), *parent = xstrndup(whole, (size_t)(strrchr(whole, '/') - whole));
	if (fs_mkdir_p(parent, 0755, NULL) != 0 || fs_write_fast(whole, text, strlen(text), 0644, NULL) != 0)
		fail_msg("write %s", path);
}

static void closure(void **state)
{
	(void)state;
	struct module_calls c = {0};
	CLEANUP_FD int tree = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	file("live/prod/main.tf", "module \"a\" {\n  source = \"../../modules/a\"\n}\nmodule \"out\" {\n  source = \"../../../../etc\"\n}\n");
	file("live/prod/readme.md", "module \"x\" {\n  source = \"x/y/z\"\n}\n");
	file("modules/a/main.tofu", "module \"b\" {\n  source = \"./b/\"\n}\nmodule \"again\" {\n  source = \"./\"\n}\n");
	file("modules/a/b/main.tf", "module \"c\" {\n  source  = \"acme/c/aws\"\n  version = \"1.0.0\"\n}\n");
	file("modules/other/main.tf", "module \"d\" {\n  source = \"acme/d/aws\"\n}\n");
	CLEANUP_FREE char *link = fs_join(dir, "modules/a/b/linked.tf");
	assert_int_equal(symlink("../../other/main.tf", link), 0);
	assert_int_equal(module_calls_of(tree, "live/prod", &c, NULL), 0);
	assert_int_equal(c.remote, 1);
	assert_false(c.floating);
	assert_int_equal(c.dirs.n, 3);
	assert_string_equal(c.dirs.v[2], "modules/a/b");
	assert_int_equal(c.all.n, 5);
	assert_string_equal(c.all.v[4], "modules/a/b\tc\tacme/c/aws\t1.0.0");
	module_calls_free(&c);
	assert_int_equal(module_calls_of(tree, "modules/other", &c, NULL), 0);
	assert_true(c.floating);
	module_calls_free(&c);
	assert_int_equal(module_calls_of(tree, "nowhere", &c, NULL), 0);
	assert_int_equal(c.all.n, 0);
	module_calls_free(&c);
}

static void ceiling(void **state)
{
	(void)state;
	struct module_calls c = {0};
	struct err err = {0};
	CLEANUP_BUF struct buf text = {0};
	CLEANUP_FD int tree = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i <= LIMIT_DIR_REFERENCES; i++)
		buf_printf(&text, "module \"m%u\" {\n  source = \"./m%u\"\n}\n", i, i);
	file("many/main.tf", buf_str(&text));
	assert_int_equal(module_calls_of(tree, "many", &c, &err), ERR_LIMIT);
	assert_string_equal(err.msg, "many and its local modules call more than 4096 modules");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),   cmocka_unit_test(json_counts_when_it_says_module), cmocka_unit_test(fixed),
		cmocka_unit_test(closure), cmocka_unit_test(ceiling),
	};
	if (mkdtemp(dir) == NULL)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (fs_remove_tree(dir, NULL) != 0)
		failed++;
	return failed;
}
