/* A working directory as a job would see it: what git export would refuse stays behind, links cannot lead out. */
#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "runner/tree_copy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/test-copy-XXXXXX";

static void put(const char *name, mode_t mode)
{
	struct err err = {0};
	CLEANUP_FREE char *path = fs_join(root, name);
	CLEANUP_FREE char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	assert_int_equal(fs_mkdir_p(dir, 0700, &err), 0);
	assert_int_equal(fs_write_fast(path, name, strlen(name), mode, &err), 0);
}

static void link_to(const char *name, const char *target)
{
	CLEANUP_FREE char *path = fs_join(root, name);
	assert_int_equal(symlink(target, path), 0);
}

static mode_t mode_of(const char *name)
{
	struct stat st;
	CLEANUP_FREE char *path = fs_join(root, name);
	return lstat(path, &st) == 0 ? st.st_mode : 0;
}

static bool left(const struct strlist *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i], name) == 0)
			return true;
	return false;
}

static void copies_what_belongs_there(void **state)
{
	(void)state;
	struct err err = {0};
	struct strlist out = {0};
	put("from/main.tf", 0600);
	put("from/run.sh", 0700);
	put("from/a/b/deep.tf", 0644);
	put("from/.git/config", 0644);
	put("from/a/.terraform/modules/modules.json", 0644);
	put("from/terraform.tfstate", 0644);
	link_to("from/inside", "a/b");
	link_to("from/a/up", "../main.tf");
	link_to("from/a/b/root", "/etc/passwd");
	link_to("from/a/out", "../../from2");
	link_to("from/a/late", "b/../../../x");
	CLEANUP_FREE char *fifo = fs_join(root, "from/fifo"), *from = fs_join(root, "from"), *to = fs_join(root, "to");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(tree_copy(from, to, &out, &err), 0);
	assert_int_equal(mode_of("to"), S_IFDIR | 0755);
	assert_int_equal(mode_of("to/main.tf"), S_IFREG | 0444);
	assert_int_equal(mode_of("to/run.sh"), S_IFREG | 0555);
	assert_int_equal(mode_of("to/a/b/deep.tf"), S_IFREG | 0444);
	assert_true(S_ISLNK(mode_of("to/inside")) && S_ISLNK(mode_of("to/a/up")));
	static const char *const behind[] = {".git", "a/.terraform", "terraform.tfstate", "a/b/root", "a/out", "a/late", "fifo"};
	for (size_t i = 0; i < ARRAY_LEN(behind); i++) {
		CLEANUP_FREE char *path = fs_join("to", behind[i]);
		assert_int_equal(mode_of(path), 0);
		assert_true(left(&out, behind[i]));
	}
	assert_int_equal(out.n, ARRAY_LEN(behind));
	strlist_free(&out);
}

static void refuses_with_the_name(void **state)
{
	(void)state;
	struct err err = {0};
	struct strlist out = {0};
	CLEANUP_FREE char *from = fs_join(root, "nowhere"), *to = fs_join(root, "to2"), *deep = fs_join(root, "deep");
	assert_true(tree_copy(from, to, &out, &err) != 0);
	assert_non_null(strstr(err.msg, from));
	CLEANUP_BUF struct buf path = {0};
	buf_adds(&path, "deep");
	for (unsigned i = 0; i <= LIMIT_TREE_DEPTH; i++)
		buf_adds(&path, "/d");
	buf_adds(&path, "/f");
	put(buf_str(&path), 0600);
	assert_int_equal(tree_copy(deep, to, &out, &err), ERR_LIMIT);
	assert_non_null(strstr(err.msg, "nested deeper than"));
	assert_true(tree_copy(deep, to, &out, &err) != 0); /* a copy is new, or none */
	strlist_free(&out);
}

int main(void)
{
	struct err err;
	if (mkdtemp(root) == NULL)
		return 1;
	const struct CMUnitTest tests[] = {cmocka_unit_test(copies_what_belongs_there), cmocka_unit_test(refuses_with_the_name)};
	int rc = cmocka_run_group_tests_name("tree_copy", tests, NULL, NULL);
	return fs_remove_tree(root, &err) != 0 ? 1 : rc;
}
