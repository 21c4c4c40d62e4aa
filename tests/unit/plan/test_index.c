#include "plan/index.h"

#include "base/fs.h"
#include "tests/support/gitfix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
	struct gitfix git;
	struct git_repo *repo;
	struct index index;
	struct err err;
	char *file;
};

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	gitfix_open(&w->git);
	w->file = fs_join(w->git.root, "index");
	*state = w;
	return git_mirror_open(w->git.mirror, &w->repo, &w->err);
}

static int teardown(void **state)
{
	struct world *w = *state;
	index_free(&w->index);
	git_repo_close_ptr(&w->repo);
	gitfix_close(&w->git);
	free(w->file);
	free(w);
	return 0;
}

/* Commits the work tree and brings the index there. */
static void advance(struct world *w)
{
	char commit[GIT_OID_HEX + 1], tree[GIT_OID_HEX + 1];
	const char *spec = "+refs/heads/*:refs/heads/*";
	struct git_fetch f = {.url = w->git.url, .refspecs = &spec, .refspecs_n = 1};
	gitfix_commit(&w->git, commit);
	assert_int_equal(git_mirror_fetch(w->repo, &f, NULL, &w->err), 0);
	assert_int_equal(git_tree_of(w->repo, commit, tree, &w->err), 0);
	assert_int_equal(index_advance(&w->index, w->repo, tree, &w->err), 0);
	assert_string_equal(w->index.tree, tree);
}

/* "dir[flags] backend m=... p=...\n" for each live directory, sorted. */
static void print(const struct index *x, struct buf *out)
{
	struct strlist l = {0};
	for (size_t i = 0; i < x->n; i++) {
		const struct index_dir *d = &x->dirs[i];
		CLEANUP_BUF struct buf b = {0};
		if (!d->live)
			continue;
		buf_printf(&b, "%s[%s%s%s]", d->dir,
			   d->hint == ENGINE_OPENTOFU ? "o"
			   : d->hint == ENGINE_PULUMI ? "p"
						      : "",
			   d->needs_init ? "i" : "", d->has_links ? "l" : "");
		if (d->backend != NULL)
			buf_printf(&b, " %s", d->backend);
		for (const char *s = d->modules; *s != '\0'; s = index_next(s))
			buf_printf(&b, " m=%s", s);
		for (const char *s = d->paths; *s != '\0'; s = index_next(s))
			buf_printf(&b, " p=%s", s);
		strlist_add(&l, b.data);
	}
	strlist_sort(&l);
	buf_reset(out);
	for (size_t i = 0; i < l.n; i++)
		buf_printf(out, "%s\n", l.v[i]);
	strlist_free(&l);
}

static void assert_index(const struct index *x, const char *want)
{
	CLEANUP_BUF struct buf got = {0};
	print(x, &got);
	assert_string_equal(buf_str(&got), want);
}

static void write_some(const struct gitfix *g)
{
	gitfix_write(g, "main.tf", "module \"a\" {\n  source = \"./mod\"\n}\n");
	gitfix_write(g, "mod/main.tf", "locals { x = file(\"${path.module}/../shared/x\") }\n");
	gitfix_write(g, "tofu/x.tofu", "module \"a\" {\n  source = \"../mod/\"\n}\nlocals { y = \"../../out\" }\n");
	gitfix_write(g, "pul/Pulumi.yaml", "x\n");
	gitfix_write(g, "js/main.tf.json", "{\"terraform\":{\"backend\":{\"gcs\":{}}}}");
	gitfix_write(g, "no/readme", "x\n");
	gitfix_write(g, "hidden/.x.tf", "x\n");
	gitfix_write(g, "broken/x.tf", "}}}\n");
}

#define SOME ".[i] m=mod\nbroken[i]\njs[i] gcs\nmod[] p=shared/x\npul[p]\ntofu[oi] m=mod\n"

static void test_first_build(void **state)
{
	struct world *w = *state;
	write_some(&w->git);
	advance(w);
	assert_index(&w->index, SOME);
}

static void test_store_and_load(void **state)
{
	struct world *w = *state;
	struct index back = {0};
	write_some(&w->git);
	advance(w);
	index_load(&back, w->file);
	assert_int_equal(back.n, 0);
	assert_int_equal(index_store(&w->index, w->file, &w->err), 0);
	index_load(&back, w->file);
	assert_string_equal(back.tree, w->index.tree);
	assert_index(&back, SOME);
	assert_non_null(index_find(&back, "mod", 3));
	assert_null(index_find(&back, "none", 4));
	index_free(&back);
}

/* Any single damaged or missing byte makes an empty index, never a wrong one. */
static void test_damage(void **state)
{
	struct world *w = *state;
	CLEANUP_BUF struct buf b = {0};
	write_some(&w->git);
	advance(w);
	assert_int_equal(index_store(&w->index, w->file, &w->err), 0);
	assert_int_equal(fs_read(w->file, 1 << 20, &b, NULL), 0);
	for (size_t i = 0; i < b.len; i++) {
		struct index back = {0};
		b.data[i] ^= 0x20;
		assert_int_equal(fs_write_fast(w->file, b.data, b.len, 0600, NULL), 0);
		index_load(&back, w->file);
		assert_int_equal(back.n, 0);
		index_free(&back);
		b.data[i] ^= 0x20;
		assert_int_equal(fs_write_fast(w->file, b.data, i, 0600, NULL), 0);
		index_load(&back, w->file);
		assert_int_equal(back.n, 0);
		index_free(&back);
	}
}

static void test_advance_follows_changes(void **state)
{
	struct world *w = *state;
	write_some(&w->git);
	advance(w);
	index_mark(&w->index);
	gitfix_write(&w->git, "mod/main.tf", "provider \"x\" {}\n");
	gitfix_write(&w->git, "new/deep/main.tf", "\n");
	gitfix_git(&w->git, "rm -q -r js");
	gitfix_git(&w->git, "mv pul pal");
	gitfix_git(&w->git, "mv broken/x.tf broken/x.txt");
	advance(w);
	assert_index(&w->index, ".[i] m=mod\nmod[i]\nnew/deep[]\npal[p]\ntofu[oi] m=mod\n");
	static const struct {
		const char *dir;
		bool live, was_live;
	} rows[] = {{"js", false, true}, {"pul", false, true}, {"broken", false, true}, {"new/deep", true, false}, {"mod", true, true}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct index_dir *d = index_find(&w->index, rows[i].dir, strlen(rows[i].dir));
		assert_non_null(d);
		assert_int_equal(d->live, rows[i].live);
		assert_int_equal(d->was_live, rows[i].was_live);
	}
	/* the same as from nothing, and as from the file */
	struct index fresh = {0};
	assert_int_equal(index_advance(&fresh, w->repo, w->index.tree, &w->err), 0);
	CLEANUP_BUF struct buf a = {0}, b = {0};
	print(&w->index, &a);
	print(&fresh, &b);
	assert_string_equal(a.data, b.data);
	index_free(&fresh);
	assert_int_equal(index_store(&w->index, w->file, &w->err), 0);
	index_load(&fresh, w->file);
	print(&fresh, &b);
	assert_string_equal(a.data, b.data);
	index_free(&fresh);
	/* and back again */
	gitfix_git(&w->git, "checkout -q HEAD^ -- .");
	gitfix_git(&w->git, "rm -q -r new pal broken/x.txt");
	advance(w);
	assert_index(&w->index, SOME);
}

static void test_links(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "common/base.txt", "terraform {\n  backend \"s3\" {}\n}\n");
	gitfix_write(&w->git, "a/main.tf", "\n");
	CLEANUP_FREE char *link = fs_join(w->git.dir, "a/base.tf"), *dir = fs_join(w->git.dir, "a/dir");
	assert_int_equal(symlink("../common/base.txt", link), 0);
	assert_int_equal(symlink("../common", dir), 0);
	advance(w);
	assert_index(&w->index, "a[il] s3 p=common p=common/base.txt\n");
	/* its target changed, nothing in its own directory */
	gitfix_write(&w->git, "common/base.txt", "terraform {\n  backend \"gcs\" {}\n}\n");
	advance(w);
	assert_index(&w->index, "a[il] gcs p=common p=common/base.txt\n");
}

static void test_unknown_tree_empties(void **state)
{
	struct world *w = *state;
	write_some(&w->git);
	advance(w);
	assert_int_not_equal(index_advance(&w->index, w->repo, "0123456789012345678901234567890123456789", &w->err), 0);
	assert_int_equal(w->index.n, 0);
	assert_string_equal(w->index.tree, "");
}

static void test_engine_files(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool want;
	} rows[] = {{"main.tf", true},     {"a.tf.json", true},         {"a.tofu", true},    {"a.tofu.json", true},
		    {"Pulumi.yaml", true}, {"Pulumi.prod.yaml", false}, {"a.tfvars", false}, {".a.tf", false},
		    {"tf", false},         {"a.tf.bak", false},         {"a.json", false},   {"pulumi.yaml", false}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(index_is_engine_file(rows[i].name), rows[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_first_build, setup, teardown),
		cmocka_unit_test_setup_teardown(test_store_and_load, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_advance_follows_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_tree_empties, setup, teardown),
		cmocka_unit_test(test_engine_files),
	};
	return cmocka_run_group_tests_name("plan/index", tests, NULL, NULL);
}
