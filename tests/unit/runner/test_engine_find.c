/* Finding binaries: scripts stand in for engines, so that each question asked of one can be counted. */
#include "base/fs.h"
#include "runner/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/test-engine-XXXXXX";
static char *data_dir, *bin, *other, *count;

static void script(const char *path, const char *answer)
{
	struct err err = {0};
	CLEANUP_FREE char *text = xasprintf("#!/bin/sh\necho x >>%s\n%s\n", count, answer);
	assert_int_equal(fs_write_fast(path, text, strlen(text), 0755, &err), 0);
}

static int64_t asked(void)
{
	int64_t n = fs_size(count);
	return n < 0 ? 0 : n / 2;
}

static void finds(const char *extra, const char *path, const char *version, int64_t questions)
{
	struct err err = {0};
	struct engine_binary b = {0};
	if (engine_find(ENGINE_TERRAFORM, extra, data_dir, &b, &err) != 0)
		fail_msg("%s", err.msg);
	CLEANUP_FREE char *real = realpath(path, NULL);
	assert_string_equal(b.path, real);
	assert_string_equal(b.version, version);
	assert_int_equal(b.kind, ENGINE_TERRAFORM);
	assert_int_equal(asked(), questions);
	engine_binary_free(&b);
	assert_null(b.path);
}

static void asks_once_per_binary(void **state)
{
	(void)state;
	CLEANUP_FREE char *a = fs_join(bin, "terraform"), *b = fs_join(other, "terraform"), *cache = fs_join(data_dir, "engines.json");
	script(a, "echo 'Terraform v1.11.4'; echo 'on linux_amd64'");
	finds(NULL, a, "1.11.4", 1);
	finds(NULL, a, "1.11.4", 1);
	script(a, "echo 'Terraform v1.12.0-rc1 '"); /* another size and time */
	finds(NULL, a, "1.12.0-rc1", 2);
	script(b, "echo 'Terraform v2.0.0'");
	finds(other, b, "2.0.0", 3); /* extra_dir wins */
	finds(other, b, "2.0.0", 3);
	finds(NULL, a, "1.12.0-rc1", 3); /* the first is still known */
	assert_int_equal(chmod(b, 0644), 0);
	finds(other, a, "1.12.0-rc1", 3); /* not executable: not found there */
	struct err err = {0};
	assert_int_equal(fs_write_fast(cache, "{broken", 7, 0600, &err), 0);
	finds(NULL, a, "1.12.0-rc1", 4); /* a cache that cannot be read is made again */
	finds(NULL, a, "1.12.0-rc1", 4);
	assert_int_equal(unlink(b), 0);
	assert_int_equal(symlink(a, b), 0);
	finds(other, a, "1.12.0-rc1", 4); /* a link is the same binary */
	assert_int_equal(unlink(b), 0);
}

static void fails(const char *answer, int code, const char *want)
{
	struct err err = {0};
	struct engine_binary b = {0};
	CLEANUP_FREE char *path = fs_join(bin, "terraform");
	script(path, answer);
	int rc = engine_find(ENGINE_TERRAFORM, NULL, data_dir, &b, &err);
	if (rc != code || strstr(err.msg, want) == NULL)
		fail_msg("%d: %s", rc, err.msg);
	assert_null(b.path);
}

static void answers_that_are_no_version(void **state)
{
	(void)state;
	fails("echo OpenTofu v1.8.0", ERR_PARSE, "its first line should start with \"Terraform vX.Y.Z\"; is it really Terraform?");
	fails("exit 1", ERR_PARSE, "version: its first line");
	fails("echo 'Terraform v'", ERR_PARSE, "version: its first line");
	fails("echo Terraform v$(printf '%0100d' 1)", ERR_PARSE, "version: its first line");
	fails("yes Terrafor", ERR_PARSE, "version: its first line"); /* without end: cut and killed */
}

static void missing_program(void **state)
{
	(void)state;
	struct err err = {0};
	struct engine_binary b = {0};
	assert_int_equal(engine_find(ENGINE_OPENTOFU, "/nowhere", data_dir, &b, &err), ERR_NOT_FOUND);
	assert_string_equal(err.msg, "OpenTofu: no program \"tofu\" in PATH or /nowhere: install it or put it in PATH");
	assert_int_equal(engine_find(ENGINE_OPENTOFU, NULL, data_dir, &b, &err), ERR_NOT_FOUND);
	assert_string_equal(err.msg, "OpenTofu: no program \"tofu\" in PATH: install it or put it in PATH");
}

int main(void)
{
	struct err err;
	if (mkdtemp(root) == NULL)
		return 1;
	data_dir = fs_join(root, "data");
	bin = fs_join(root, "bin");
	other = fs_join(root, "other");
	count = fs_join(root, "count");
	CLEANUP_FREE char *path = xasprintf("%s:/usr/bin:/bin", bin);
	if (fs_mkdir_p(data_dir, 0700, &err) != 0 || fs_mkdir_p(bin, 0700, &err) != 0 || fs_mkdir_p(other, 0700, &err) != 0 ||
	    setenv("PATH", path, 1) != 0)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_once_per_binary),
		cmocka_unit_test(answers_that_are_no_version),
		cmocka_unit_test(missing_program),
	};
	int rc = cmocka_run_group_tests_name("engine_find", tests, NULL, NULL);
	free(data_dir);
	free(bin);
	free(other);
	free(count);
	return fs_remove_tree(root, &err) != 0 ? 1 : rc;
}
