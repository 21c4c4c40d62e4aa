/* Writing a listed tree by several threads. */
#include "base/fs.h"
#include "plan/export_priv.h"
#include "tests/support/gitfix.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { FILES = 400 }; /* more than one thread gets */

struct world {
	struct gitfix git;
	struct git_repo *repo;
	struct index index;
	struct export_spent spent;
	struct export_list list;
	struct strlist links;
	struct err err;
	int root;
};

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	gitfix_open(&w->git);
	*state = w;
	if (fs_mkdir_p(w->git.trees, 0755, NULL) != 0)
		return -1;
	w->root = open(w->git.trees, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return git_mirror_open(w->git.mirror, &w->repo, &w->err);
}

static int teardown(void **state)
{
	struct world *w = *state;
	export_list_free(&w->list);
	strlist_free(&w->links);
	index_free(&w->index);
	git_repo_close_ptr(&w->repo);
	mem_close_fd(&w->root);
	gitfix_close(&w->git);
	free(w);
	return 0;
}

static void write_files(struct world *w)
{
	char path[64], text[64];
	for (int i = 0; i < FILES; i++) {
		(void)snprintf(path, sizeof(path), "p/d%d/e%d/f%03d", i % 3, i % 7, i);
		(void)snprintf(text, sizeof(text), "file %d\n", i);
		gitfix_write(&w->git, path, text);
	}
}

/* Lists p of what stands in the work tree. */
static void list(struct world *w)
{
	char commit[GIT_OID_HEX + 1], tree[GIT_OID_HEX + 1];
	const char *spec = "+refs/heads/*:refs/heads/*";
	struct git_fetch f = {.url = w->git.url, .refspecs = &spec, .refspecs_n = 1};
	char path[] = "p";
	struct input in = {.path = path, .is_module = true};
	const struct export_walk x = {.repo = w->repo, .index = &w->index, .spent = &w->spent, .links = &w->links, .list = &w->list};
	gitfix_commit(&w->git, commit);
	assert_int_equal(git_mirror_fetch(w->repo, &f, NULL, &w->err), 0);
	assert_int_equal(git_tree_of(w->repo, commit, tree, &w->err), 0);
	assert_int_equal(git_tree_path(w->repo, tree, path, &in.type, in.oid, &w->err), 0);
	export_list_free(&w->list);
	assert_int_equal(export_walk(&x, &in, &w->err), 0);
}

static void assert_same(const struct world *w)
{
	CLEANUP_FREE char *command = xasprintf("diff -r '%s/p' '%s/p'", w->git.dir, w->git.trees);
	assert_int_equal(system(command), 0);
}

static size_t open_files(void)
{
	size_t n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void everything_is_there(void **state)
{
	struct world *w = *state;
	write_files(w);
	list(w);
	size_t open_before = open_files();
	assert_int_equal(export_write(w->repo, w->root, &w->list, &w->err), 0);
	assert_same(w);
	/* again over what is there, and over what was cut */
	CLEANUP_FREE char *cut = fs_join(w->git.trees, "p/d1/e1/f001"), *gone = fs_join(w->git.trees, "p/d2/e2/f002");
	assert_int_equal(chmod(cut, 0644), 0);
	assert_int_equal(truncate(cut, 2), 0);
	assert_int_equal(unlink(gone), 0);
	assert_int_equal(export_write(w->repo, w->root, &w->list, &w->err), 0);
	assert_same(w);
	assert_int_equal(open_files(), open_before);
}

/* Of many errors always the same one is told: the first in the order of the tree. */
static void the_first_error_is_told(void **state)
{
	struct world *w = *state;
	CLEANUP_FREE char *lfs = xasprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 12\n", 1);
	char path[64];
	write_files(w);
	for (int i = 0; i < FILES; i += 5) {
		(void)snprintf(path, sizeof(path), "p/d%d/e%d/z%03d", i % 3, i % 7, i);
		gitfix_write(&w->git, path, lfs);
	}
	gitfix_write(&w->git, "p/z", lfs); /* written first, in its directory, and late in the order */
	list(w);
	for (int round = 0; round < 20; round++) {
		CLEANUP_FREE char *place = xasprintf("%s/%d", w->git.trees, round);
		assert_int_equal(mkdir(place, 0755), 0);
		CLEANUP_FD int root = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_int_equal(export_write(w->repo, root, &w->list, &w->err), ERR_REFUSED);
		assert_string_equal(
			w->err.msg,
			"p/d0/e0/z000 is a Git LFS pointer, and sluice does not fetch from LFS: put the file itself into git, or "
			"move it out of the directories that projects use");
	}
}

/* A link where a directory belongs is not followed. */
static void no_way_through_a_link(void **state)
{
	struct world *w = *state;
	CLEANUP_FREE char *away = fs_join(w->git.root, "away"), *link = fs_join(w->git.trees, "p"), *leak = fs_join(away, "f");
	gitfix_write(&w->git, "p/f", "x");
	list(w);
	assert_int_equal(mkdir(away, 0755), 0);
	assert_int_equal(symlink(away, link), 0);
	assert_int_equal(export_write(w->repo, w->root, &w->list, &w->err), ERR_IO);
	assert_non_null(strstr(w->err.msg, "open directory p: "));
	assert_false(fs_exists(leak));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(everything_is_there, setup, teardown),
		cmocka_unit_test_setup_teardown(the_first_error_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(no_way_through_a_link, setup, teardown),
	};
	return cmocka_run_group_tests_name("plan/export_write", tests, NULL, NULL);
}
