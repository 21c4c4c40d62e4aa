/* Files on a real file system: ceilings, replacement, trees that go, programs that are found. */
#include "base/fs.h"

#include "base/mem.h"
#include "tests/support/fds.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static int fds_before;

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/sluice-fs-XXXXXX");
	assert_non_null(mkdtemp(dir));
	fds_before = support_open_fds();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(support_open_fds(), fds_before);
	return fs_remove_tree(dir, NULL);
}

static char *at(const char *name) { return fs_join(dir, name); }

static void reads(void **state)
{
	CLEANUP_FREE char *path = at("file"), *none = at("none"), *below = at("file/x"), *fifo = at("fifo");
	CLEANUP_BUF struct buf b = {0};
	struct err err = {0};
	(void)state;
	assert_int_equal(fs_write_fast(path, "a\0b", 3, 0600, &err), 0);
	assert_int_equal(fs_read(path, 3, &b, &err), 0);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b\0", 4);
	assert_int_equal(fs_size(path), 3);
	assert_int_equal(fs_read(path, 2, &b, &err), ERR_LIMIT);
	assert_int_equal(fs_read(none, 10, &b, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, none));
	assert_int_equal(fs_read(below, 10, &b, &err), ERR_IO);
	assert_int_equal(fs_read(dir, 10, &b, &err), ERR_IO);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(fs_read(fifo, 10, &b, &err), ERR_IO); /* and does not wait for a writer */
	assert_int_equal(fs_size(none), -1);
	buf_adds(&b, "before");
	assert_int_equal(fs_write_fast(path, "", 0, 0600, &err), 0);
	assert_int_equal(fs_read(path, 0, &b, &err), 0);
	assert_string_equal(buf_str(&b), "");
}

static void reads_much(void **state)
{
	enum { MUCH = 300000 };
	CLEANUP_FREE char *path = at("file"), *bytes = xmalloc(MUCH);
	CLEANUP_BUF struct buf b = {0};
	struct err err = {0};
	(void)state;
	for (size_t i = 0; i < MUCH; i++)
		bytes[i] = (char)(i * 7 % 251);
	assert_int_equal(fs_write_atomic(path, bytes, MUCH, 0640, &err), 0);
	assert_int_equal(fs_read(path, MUCH, &b, &err), 0);
	assert_int_equal(b.len, MUCH);
	assert_memory_equal(b.data, bytes, MUCH);
	assert_int_equal(fs_read(path, MUCH - 1, &b, &err), ERR_LIMIT);
}

static void writes(void **state)
{
	CLEANUP_FREE char *path = at("file"), *lost = at("none/file"), *left = xasprintf("%s.new.%d", path, (int)getpid());
	CLEANUP_BUF struct buf b = {0};
	struct err err = {0};
	struct stat st;
	(void)state;
	assert_int_equal(fs_write_fast(left, "of a crash", 10, 0600, &err), 0);
	assert_int_equal(fs_write_atomic(path, "one", 3, 0600, &err), 0);
	assert_int_equal(fs_write_atomic(path, "two!", 4, 0644, &err), 0);
	assert_int_equal(fs_read(path, 100, &b, &err), 0);
	assert_string_equal(buf_str(&b), "two!");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_false(fs_exists(left));
	assert_int_equal(fs_write_atomic(lost, "x", 1, 0600, &err), ERR_IO);
	assert_non_null(strstr(err.msg, lost));
	assert_int_equal(fs_write_atomic(dir, "x", 1, 0600, &err), ERR_IO); /* a directory is not replaced */
	assert_true(fs_is_dir(dir));
	CLEANUP_FREE char *beside = xasprintf("%s.new.%d", dir, (int)getpid());
	assert_false(fs_exists(beside));
}

static void write_all(void **state)
{
	int fds[2];
	struct err err = {0};
	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) { /* reads slowly, so that writes are partial */
		size_t n = 0;
		char chunk[1000];
		(void)close(fds[1]);
		for (ssize_t got; (got = read(fds[0], chunk, sizeof(chunk))) > 0;)
			n += (size_t)got;
		_exit(n == 500000 ? 0 : 1);
	}
	CLEANUP_FREE char *bytes = xcalloc(1, 500000);
	assert_int_equal(close(fds[0]), 0);
	assert_int_equal(fs_write_all(fds[1], bytes, 500000, &err), 0);
	assert_int_equal(close(fds[1]), 0);
	int status = 1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(fs_write_all(-1, "x", 1, &err), ERR_IO);
	assert_int_equal(fs_write_all(-1, "", 0, &err), 0);
}

static void directories(void **state)
{
	CLEANUP_FREE char *deep = at("a/b/c"), *again = at("a//b/c/"), *file = at("file"), *below = at("file/x"), *link = at("link");
	struct err err = {0};
	(void)state;
	assert_int_equal(fs_mkdir_p(deep, 0700, &err), 0);
	assert_int_equal(fs_mkdir_p(deep, 0700, &err), 0);
	assert_int_equal(fs_mkdir_p(again, 0700, &err), 0);
	assert_true(fs_is_dir(deep));
	assert_int_equal(fs_write_fast(file, "", 0, 0600, &err), 0);
	assert_int_equal(fs_mkdir_p(below, 0700, &err), ERR_IO);
	assert_non_null(strstr(err.msg, below));
	assert_false(fs_is_dir(file));
	assert_int_equal(symlink(deep, link), 0);
	assert_false(fs_is_dir(link));
	assert_true(fs_exists(link));
}

static void make_tree(const char *root, int depth)
{
	struct err err = {0};
	CLEANUP_FREE char *path = xstrdup(root);
	for (int i = 0; i < depth; i++) {
		char *next = fs_join(path, "d");
		free(path);
		path = next;
		assert_int_equal(mkdir(path, 0700), 0);
		CLEANUP_FREE char *file = fs_join(path, "f");
		assert_int_equal(fs_write_fast(file, "x", 1, 0400, &err), 0);
	}
}

static void trees_go(void **state)
{
	CLEANUP_FREE char *tree = at("tree"), *sub = at("tree/d"), *kept = at("kept"), *kept_file = at("kept/file"), *link = at("tree/link"),
			  *top = at("top");
	struct err err = {0};
	(void)state;
	assert_int_equal(fs_mkdir_p(tree, 0700, &err), 0);
	assert_int_equal(fs_mkdir_p(kept, 0700, &err), 0);
	assert_int_equal(fs_write_fast(kept_file, "x", 1, 0600, &err), 0);
	make_tree(tree, 30);
	assert_int_equal(symlink(kept, link), 0);
	assert_int_equal(symlink(kept, top), 0);
	assert_int_equal(chmod(sub, 0500), 0);
	assert_int_equal(chmod(tree, 0500), 0);
	assert_int_equal(fs_remove_tree(tree, &err), 0);
	assert_false(fs_exists(tree));
	assert_int_equal(fs_remove_tree(top, &err), 0); /* the link, not what it names */
	assert_false(fs_exists(top));
	assert_true(fs_exists(kept_file));
	assert_int_equal(fs_remove_tree(tree, &err), 0);
	assert_int_equal(fs_remove_tree(kept_file, &err), 0);
	assert_false(fs_exists(kept_file));
}

/* A tree that is nested too deep is refused and can be removed by paths further down. */
static void trees_too_deep(void **state)
{
	CLEANUP_FREE char *tree = at("tree");
	struct err err = {0};
	(void)state;
	assert_int_equal(mkdir(tree, 0700), 0);
	make_tree(tree, 300);
	assert_int_equal(fs_remove_tree(tree, &err), ERR_LIMIT);
	assert_true(fs_exists(tree));
	CLEANUP_FREE char *further = xstrdup(tree);
	for (int i = 0; i < 100; i++) {
		char *next = fs_join(further, "d");
		free(further);
		further = next;
	}
	assert_int_equal(fs_remove_tree(further, &err), 0);
	assert_int_equal(fs_remove_tree(tree, &err), 0);
}

static void joins(void **state)
{
	static const struct {
		const char *a, *b, *out;
	} rows[] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"a", "/b", "/b"}, {"", "b", "b"}, {"/", "b", "/b"}, {"a", "", "a/"}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *got = fs_join(rows[i].a, rows[i].b);
		assert_string_equal(got, rows[i].out);
	}
}

static void programs(void **state)
{
	CLEANUP_FREE char *first = at("first"), *second = at("second"), *plain = at("first/tool"), *good = at("second/tool"), *sub = at("second/sub");
	struct err err = {0};
	(void)state;
	assert_int_equal(fs_mkdir_p(first, 0700, &err) | fs_mkdir_p(second, 0700, &err) | fs_mkdir_p(sub, 0700, &err), 0);
	assert_int_equal(fs_write_fast(plain, "x", 1, 0644, &err), 0);
	assert_int_equal(fs_write_fast(good, "x", 1, 0755, &err), 0);
	CLEANUP_FREE char *saved = xstrdup(getenv("PATH")), *path = xasprintf(":%s:/nowhere::%s", first, second);
	assert_int_equal(setenv("PATH", path, 1), 0);
	CLEANUP_FREE char *found = fs_which("tool");
	assert_string_equal(found, good);
	assert_null(fs_which("other"));
	assert_null(fs_which("sub")); /* a directory */
	assert_int_equal(unsetenv("PATH"), 0);
	CLEANUP_FREE char *shell = fs_which("sh");
	assert_non_null(shell);
	assert_int_equal(setenv("PATH", saved, 1), 0);
	CLEANUP_FREE char *self = realpath("/proc/self/exe", NULL);
	assert_memory_equal(self, fs_self_dir(), strlen(fs_self_dir()));
	assert_int_equal(self[strlen(fs_self_dir())], '/');
	assert_ptr_equal(fs_self_dir(), fs_self_dir());
}

static void closes(void **state)
{
	(void)state;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int low = open("/dev/null", O_RDONLY), high = fcntl(low, F_DUPFD, 500);
		fs_close_from(low + 1);
		_exit(fcntl(low, F_GETFD) != -1 && fcntl(high, F_GETFD) == -1 ? 0 : 1);
	}
	int status = 1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(reads), T(reads_much), T(writes), T(write_all), T(directories), T(trees_go), T(trees_too_deep), T(joins), T(programs), T(closes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
