/* Looks into the project directory before the box exists. */
#include "base/fs.h"
#include "runner/project_look.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/test-look-XXXXXX", where[256];
static struct job_spec spec = {.tree_dir = root, .dir = where};

static void put(const char *name, const char *text)
{
	struct err err = {0};
	CLEANUP_FREE char *path = fs_join(root, name);
	CLEANUP_FREE char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	assert_int_equal(fs_mkdir_p(dir, 0700, &err), 0);
	assert_int_equal(fs_write_fast(path, text, strlen(text), 0600, &err), 0);
}

static void at(const char *dir) { (void)snprintf(where, sizeof(where), "%s", dir); }

static void local_backends_are_seen(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		bool want;
	} cases[] = {
		{"b/a.tf", "terraform {\n  backend \"local\" {}\n}\n", true},
		{"b/a.tf", "backend\t\"local\"", true},
		{"b/a.tofu", "x backend backend   \"local\"{", true},
		{"b/a.tf", "backend \"s3\" {}", false},
		{"b/a.tf", "backend \"local", false},
		{"b/a.tf", "backend", false},
		{"b/a.tf", "", false},
		{"b/a.txt", "backend \"local\"", false},
	};
	at("b");
	assert_false(project_names_local_backend(&spec)); /* no such directory */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_FREE char *path = fs_join(root, cases[i].name);
		put(cases[i].name, cases[i].text);
		assert_int_equal(project_names_local_backend(&spec), cases[i].want);
		assert_int_equal(unlink(path), 0);
	}
	CLEANUP_FREE char *link = fs_join(root, "b/link.tf"), *fifo = fs_join(root, "b/fifo.tf");
	put("c/real.tf", "backend \"local\"");
	assert_int_equal(symlink("../c/real.tf", link), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_false(project_names_local_backend(&spec)); /* neither is followed nor waited for */
}

static void lock_files_are_seen(void **state)
{
	(void)state;
	put("locked/.terraform.lock.hcl", "");
	put("odd/x", "");
	CLEANUP_FREE char *odd = fs_join(root, "odd/.terraform.lock.hcl");
	assert_int_equal(symlink("../locked/.terraform.lock.hcl", odd), 0);
	static const char *const cases[] = {"locked", "odd", ".", "nowhere"};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		at(cases[i]);
		assert_int_equal(project_has_lock_file(&spec), i == 0);
	}
}

static void only_real_directories_open(void **state)
{
	(void)state;
	static const struct {
		const char *dir, *want; /* NULL: opens */
		int code;
	} cases[] = {
		{".", NULL, 0},
		{"real/sub", NULL, 0},
		{"real/../real", NULL, 0},
		{"nowhere", "project directory nowhere does not exist in this commit", ERR_NOT_FOUND},
		{"real/file", "project directory real/file does not exist in this commit", ERR_NOT_FOUND},
		{"", "does not exist", ERR_NOT_FOUND},
		{"ln", "symbolic link", ERR_REFUSED},
		{"ln/sub", "symbolic link", ERR_REFUSED},
		{"..", "out of the repository", ERR_REFUSED},
		{"/etc", "out of the repository", ERR_REFUSED},
	};
	put("real/sub/x", "");
	put("real/file", "");
	CLEANUP_FREE char *link = fs_join(root, "ln");
	assert_int_equal(symlink("real", link), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		CLEANUP_FD int fd = -1;
		at(cases[i].dir);
		int rc = project_open(&spec, &fd, &err);
		if (rc != cases[i].code || (cases[i].want != NULL && strstr(err.msg, cases[i].want) == NULL))
			fail_msg("%s: %d, %s", cases[i].dir, rc, err.msg);
		assert_int_equal(fd >= 0, cases[i].want == NULL);
	}
}

int main(void)
{
	struct err err;
	if (mkdtemp(root) == NULL)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local_backends_are_seen),
		cmocka_unit_test(lock_files_are_seen),
		cmocka_unit_test(only_real_directories_open),
	};
	int rc = cmocka_run_group_tests_name("project_look", tests, NULL, NULL);
	return fs_remove_tree(root, &err) != 0 ? 1 : rc;
}
