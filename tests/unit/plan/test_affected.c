#include "plan/affected.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct world {
	struct index index;
	struct repo_config config;
	struct project_set set;
	struct config_errors errors;
	struct err err;
};

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	w->config.dflt.engine = ENGINE_NONE;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	project_set_free(&w->set);
	config_errors_free(&w->errors);
	index_free(&w->index);
	free(w->config.projects);
	free(w);
	return 0;
}

/* words: "../mod" is a module, "=../x" a path. */
static void put(struct world *w, const char *dir, const char *words)
{
	struct hcl_facts f = {0};
	while (*words != '\0') {
		size_t n = strcspn(words, " ");
		if (*words == '=')
			strlist_add_n(&f.paths, words + 1, n - 1);
		else
			strlist_add_n(&f.modules, words, n);
		words += n + (words[n] == ' ');
	}
	index_put(&w->index, dir, ENGINE_NONE, false, &f);
	hcl_facts_free(&f);
}

static struct project_rule *rule(struct world *w, const char *name, const char *dir)
{
	struct repo_config *c = &w->config;
	c->present = true;
	c->projects = xreallocarray(c->projects, c->projects_n + 1, sizeof(*c->projects));
	struct project_rule *r = &c->projects[c->projects_n++];
	union {
		const char *in;
		char *out;
	} n = {name}, d = {dir}; /* only read */
	*r = (struct project_rule){.name = n.out,
				   .dir = d.out,
				   .dir_is_glob = strpbrk(dir, "*?[") != NULL,
				   .engine = ENGINE_NONE,
				   .line = (int)c->projects_n,
				   .column = 5};
	return r;
}

static enum dir_state look(const char *dir, bool at_base, void *arg)
{
	(void)arg;
	if (strcmp(dir, "empty") == 0 || (strcmp(dir, "was") == 0 && at_base))
		return DIR_THERE;
	return strcmp(dir, "link") == 0 ? DIR_LINK : DIR_MISSING;
}

static int find(struct world *w)
{
	project_set_free(&w->set);
	config_errors_free(&w->errors);
	return projects_find(&w->index, &w->config, "sluice.yaml", look, NULL, &w->set, &w->errors, &w->err);
}

static void assert_set(const struct world *w, const char *want)
{
	CLEANUP_BUF struct buf b = {0};
	for (size_t i = 0; i < w->set.n; i++)
		buf_printf(&b, "%s%s%s", i > 0 ? " " : "", w->set.v[i].name, w->set.v[i].deleted ? "(deleted)" : "");
	assert_string_equal(buf_str(&b), want);
}

static void assert_errors(struct world *w, const char *want)
{
	CLEANUP_BUF struct buf b = {0};
	assert_int_equal(find(w), ERR_PARSE);
	config_errors_print(&w->errors, &b);
	assert_string_equal(buf_str(&b), want);
}

/* changed: paths with blanks between; want: "name: reason; ". */
static void assert_touched(struct world *w, const char *changed, const char *want)
{
	struct strlist l = {0};
	CLEANUP_BUF struct buf b = {0};
	while (*changed != '\0') {
		size_t n = strcspn(changed, " ");
		strlist_add_n(&l, changed, n);
		changed += n + (changed[n] == ' ');
	}
	strlist_sort(&l);
	assert_int_equal(find(w), 0);
	projects_touch(&w->set, &w->index, &l);
	for (size_t i = 0; i < w->set.n; i++)
		if (w->set.v[i].reason != NULL)
			buf_printf(&b, "%s: %s; ", w->set.v[i].name, w->set.v[i].reason);
	assert_string_equal(buf_str(&b), want);
	strlist_free(&l);
}

static void some(struct world *w)
{
	put(w, ".", "");
	put(w, "live/net", "../../shared/vpc");
	put(w, "live/app", "./modules/x ../../shared/vpc =../../data/app.json");
	put(w, "live/app/nested", "");
	put(w, "live/app/modules/x", "../y");
	put(w, "live/app/modules/y", "../x =../../../../data/dir");
	put(w, "shared/vpc", "../names");
	put(w, "shared/names", "");
	put(w, "shared/vpc/examples/basic", "../..");
	put(w, "lib/modules/unused", "");
}

static void test_discovery(void **state)
{
	struct world *w = *state;
	some(w);
	assert_int_equal(find(w), 0);
	assert_set(w, "live/app live/app/nested live/net root shared/vpc/examples/basic");
}

static void test_discovery_of_deleted(void **state)
{
	struct world *w = *state;
	some(w);
	put(w, "gone/modules/m", "");
	put(w, "gone/used", "");
	put(w, "gone/user", "../used");
	index_mark(&w->index);
	for (size_t i = 0; i < w->index.n; i++)
		if (strncmp(w->index.dirs[i].dir, "gone/", 5) == 0)
			w->index.dirs[i].live = false;
	assert_int_equal(find(w), 0);
	assert_set(w, "gone/user(deleted) live/app live/app/nested live/net root shared/vpc/examples/basic");
	assert_touched(w, "gone/user/main.tf gone/used/main.tf", "gone/user: gone/user/main.tf changed; root: gone/used/main.tf changed; ");
}

static void test_touched(void **state)
{
	static const struct {
		const char *changed, *want;
	} rows[] = {
		{"", ""},
		{"live/net/a.tf live/net/b.tf", "live/net: live/net/a.tf changed; "},
		{"live/net/README.md", ""},
		{"live/net/sub/x.tpl", "live/net: live/net/sub/x.tpl changed; "},
		{"live/app/nested/x.tf", "live/app/nested: live/app/nested/x.tf changed; "},
		{"live/netx/a.tf", "root: live/netx/a.tf changed; "},
		{"main.tf", "root: main.tf changed; "},
		{"sluice.yaml", ""},
		{"shared/names/x.tf",
		 "live/app: shared/names/x.tf changed (module shared/names); live/net: shared/names/x.tf changed (module shared/names); "
		 "root: shared/names/x.tf changed; shared/vpc/examples/basic: shared/names/x.tf changed (module shared/names); "},
		{"shared/vpc/t/x.tpl",
		 "live/app: shared/vpc/t/x.tpl changed (module shared/vpc); live/net: shared/vpc/t/x.tpl changed (module shared/vpc); "
		 "root: shared/vpc/t/x.tpl changed; shared/vpc/examples/basic: shared/vpc/t/x.tpl changed (module shared/vpc); "},
		{"shared/vpc/examples/basic/x.tf", "shared/vpc/examples/basic: shared/vpc/examples/basic/x.tf changed; "},
		{"shared/vpc/README.md", ""},
		{"live/app/modules/y/x.tf", "live/app: live/app/modules/y/x.tf changed; "},
		{"data/app.json", "live/app: data/app.json changed (read by live/app); root: data/app.json changed; "},
		{"data/app.json.bak", "root: data/app.json.bak changed; "},
		{"data/dir/deep/notes.md", "live/app: data/dir/deep/notes.md changed (read by live/app/modules/y); "},
	};
	struct world *w = *state;
	some(w);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_touched(w, rows[i].changed, rows[i].want);
}

static void test_when_modified(void **state)
{
	static const struct {
		const char *globs[3], *changed, *want;
	} rows[] = {
		{{"*.tf"}, "live/net/a.tf", "n: live/net/a.tf changed; "},
		{{"*.tf"}, "live/net/a.txt", ""},
		{{"*.tf"}, "live/net/sub/a.tf", ""},
		{{"**/*.tf"}, "live/net/sub/a.tf", "n: live/net/sub/a.tf changed; "},
		{{"./*.tf"}, "live/net/a.tf", "n: live/net/a.tf changed; "},
		{{"../../docs/**"}, "docs/x/y.md", "n: docs/x/y.md changed; "},
		{{"../../docs/**"}, "live/net/a.tf", ""},
		{{"../../docs/a[12].md"}, "docs/a2.md docs/a3.md", "n: docs/a2.md changed; "},
		{{"../../Makefile"}, "Makefile", "n: Makefile changed; "},
		{{"../../../out/**"}, "out/x", ""},
		{{"../*/x"}, "live/app/x", "n: live/app/x changed; "},
		{{"**", "!**/*.txt"}, "live/net/a.txt", ""},
		{{"**", "!**/*.txt"}, "live/net/a.txt live/net/b.tf", "n: live/net/b.tf changed; "},
		{{"**", "!**/*.txt", "keep.txt"}, "live/net/a.txt live/net/keep.txt", "n: live/net/keep.txt changed; "},
		{{"!**"}, "live/net/a.txt", ""},
		{{"*.tf"}, "shared/names/x.tf", "n: shared/names/x.tf changed (module shared/names); "},
	};
	struct world *w = *state;
	some(w);
	(void)rule(w, "n", "live/net");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct strlist *globs = &w->config.projects[0].when_modified;
		for (size_t k = 0; k < 3 && rows[i].globs[k] != NULL; k++)
			strlist_add(globs, rows[i].globs[k]);
		assert_touched(w, rows[i].changed, rows[i].want);
		strlist_free(globs);
	}
}

static void test_rules(void **state)
{
	struct world *w = *state;
	some(w);
	(void)rule(w, NULL, "live/*");
	char prod[] = "prod";
	(void)rule(w, "named", "live/app/nested");
	rule(w, NULL, "live/net")->workspace = prod;
	(void)rule(w, "none", "none/*");
	(void)rule(w, "empty", "empty");
	(void)rule(w, "was", "was");
	assert_int_equal(find(w), 0);
	assert_set(w, "empty live/app live/net live/net/prod named was(deleted)");
	assert_touched(w, "live/net/x.tf", "live/net: live/net/x.tf changed; live/net/prod: live/net/x.tf changed; ");
	assert_touched(w, "empty/x.txt was/main.tf", "empty: empty/x.txt changed; was: was/main.tf changed; ");
	assert_string_equal(w->set.v[3].workspace, "prod");
	assert_null(w->set.v[0].at);
}

static void test_globs_of_directories(void **state)
{
	static const struct {
		const char *glob, *want;
	} rows[] = {
		{"live/*", "live/app live/net"},
		{"live/**", "live/app live/app/modules/x live/app/modules/y live/app/nested live/net"},
		{"live/app/**", "live/app/modules/x live/app/modules/y live/app/nested"},
		{"li*/n?t", "live/net"},
		{"live/**/nested", "live/app/nested"},
		{"live/app/**/nested", "live/app/nested"},
		{"*", "root"},
		{"sha[r]ed/*", "shared/names shared/vpc"},
		{"zzz/*", ""},
	};
	struct world *w = *state;
	some(w);
	(void)rule(w, NULL, "x*");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		w->config.projects_n = 0;
		(void)rule(w, NULL, rows[i].glob);
		assert_int_equal(find(w), 0);
		assert_set(w, rows[i].want);
	}
}

static void test_rule_errors(void **state)
{
	struct world *w = *state;
	some(w);
	(void)rule(w, "a", "live/net");
	(void)rule(w, "b", "gone");
	(void)rule(w, "c", "link");
	struct project_rule *r = rule(w, "a", "live/app");
	strlist_add(&r->depends_on, "a");
	strlist_add(&r->depends_on, "nobody");
	assert_errors(w,
		      "sluice.yaml:2:5: dir: there is no directory gone in the repository\n"
		      "sluice.yaml:3:5: dir: link is a symbolic link or lies below one; name the directory that it points to\n"
		      "sluice.yaml:4:5: two projects are called \"a\" (directories live/app and live/net); give one of them another name\n"
		      "sluice.yaml:4:5: depends_on: there is no project called \"nobody\"\n"
		      "sluice.yaml:4:5: depends_on: \"a\" waits for \"a\", which in the end waits for a ring; take one of them out\n");
	strlist_free(&w->config.projects[3].depends_on);
}

static void test_dependency_rings(void **state)
{
	static const struct {
		int from[3]; /* project i depends on from[i]; -1: on none */
		const char *want;
	} rows[] = {
		{{-1, 0, 1}, ""},
		{{1, 2, -1}, ""},
		{{1, 0, -1},
		 "sluice.yaml:1:5: depends_on: \"a\" waits for \"b\", which in the end waits for a ring; take one of them out\n"},
		{{-1, 2, 1},
		 "sluice.yaml:2:5: depends_on: \"b\" waits for \"c\", which in the end waits for a ring; take one of them out\n"},
		{{0, -1, -1},
		 "sluice.yaml:1:5: depends_on: \"a\" waits for \"a\", which in the end waits for a ring; take one of them out\n"},
	};
	static const char *const names[] = {"a", "b", "c"}, *const dirs[] = {"live/net", "live/app", "live/app/nested"};
	struct world *w = *state;
	some(w);
	for (size_t i = 0; i < 3; i++)
		(void)rule(w, names[i], dirs[i]);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t k = 0; k < 3; k++)
			if (rows[i].from[k] >= 0)
				strlist_add(&w->config.projects[k].depends_on, names[rows[i].from[k]]);
		if (rows[i].want[0] == '\0')
			assert_int_equal(find(w), 0);
		else
			assert_errors(w, rows[i].want);
		for (size_t k = 0; k < 3; k++)
			strlist_free(&w->config.projects[k].depends_on);
	}
}

static void test_module_depth(void **state)
{
	struct world *w = *state;
	char dir[64], module[64];
	for (unsigned i = 0; i < LIMIT_MODULE_DEPTH + 3; i++) {
		(void)snprintf(dir, sizeof(dir), "m%u", i);
		(void)snprintf(module, sizeof(module), "../m%u", i + 1);
		put(w, dir, module);
	}
	struct strlist l = {0};
	assert_int_equal(modules_closure(&w->index, "m0", &l, &w->err), ERR_LIMIT);
	strlist_free(&l);
	assert_int_equal(modules_closure(&w->index, "m5", &l, &w->err), 0);
	assert_int_equal(l.n, LIMIT_MODULE_DEPTH - 1);
	strlist_free(&l);
	assert_touched(w, "other/x", "m0: its local modules call each other without end; ");
}

static void test_too_many_projects(void **state)
{
	struct world *w = *state;
	char dir[64];
	for (unsigned i = 0; i <= LIMIT_PROJECTS; i++) {
		(void)snprintf(dir, sizeof(dir), "p/%u", i);
		put(w, dir, "");
	}
	assert_int_equal(find(w), ERR_LIMIT);
}

static void test_paths(void **state)
{
	(void)state;
	static const struct {
		const char *dir, *rel, *want;
	} rows[] = {
		{".", "a", "a"},
		{".", ".", "."},
		{".", "..", NULL},
		{"a/b", "../c", "a/c"},
		{"a/b", "../..", "."},
		{"a/b", "../../..", NULL},
		{"a/b", "./c//d/", "a/b/c/d"},
		{"a", "/etc", NULL},
		{"a", "b/../../c", "c"},
		{"a", "", "a"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *got = path_resolve(rows[i].dir, rows[i].rel);
		if (rows[i].want == NULL)
			assert_null(got);
		else
			assert_string_equal(got, rows[i].want);
	}
	assert_true(path_is_below("a/b", "a"));
	assert_true(path_is_below("a", "a"));
	assert_true(path_is_below("x", "."));
	assert_false(path_is_below("ab", "a"));
	assert_int_equal(path_dir_len("a/b/c", 5), 3);
	assert_int_equal(path_dir_len("a", 1), 0);
}

static void test_pathmap(void **state)
{
	(void)state;
	struct pathmap m = {0};
	static char keys[5000][8];
	uint32_t got = 0;
	assert_false(pathmap_get(&m, "x", 1, &got));
	for (uint32_t i = 0; i < 5000; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "k%u", i);
		assert_true(pathmap_add(&m, keys[i], strlen(keys[i]), i));
	}
	assert_false(pathmap_add(&m, "k7", 2, 99));
	for (uint32_t i = 0; i < 5000; i++) {
		assert_true(pathmap_get(&m, keys[i], strlen(keys[i]), &got));
		assert_int_equal(got, i);
	}
	assert_true(pathmap_get(&m, "k77x", 3, &got));
	assert_int_equal(got, 77);
	assert_false(pathmap_get(&m, "k5000", 5, &got));
	pathmap_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_discovery, setup, teardown),
		cmocka_unit_test_setup_teardown(test_discovery_of_deleted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_touched, setup, teardown),
		cmocka_unit_test_setup_teardown(test_when_modified, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rules, setup, teardown),
		cmocka_unit_test_setup_teardown(test_globs_of_directories, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rule_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dependency_rings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_module_depth, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many_projects, setup, teardown),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_pathmap),
	};
	return cmocka_run_group_tests_name("plan/affected", tests, NULL, NULL);
}
