/* The h1: hash: a value that an engine computed, order, files on disk, and what is refused. */
#include "base/fs.h"
#include "runner/dirhash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/test-dirhash-XXXXXX";

/* As `terraform init` wrote it for a package of these two files. */
static const char known[] = "h1:XmTjVMaOBBSzORch6+vcCdNlaIb0ymvDbQWbrnS1x1E=";
static const char *const files[][2] = {{"terraform-provider-tiny_v1.2.0", "#!/bin/sh\necho hi\n"}, {"LICENSE", "license\n"}};

static void streamed(void **state)
{
	(void)state;
	for (size_t turn = 0; turn < 2; turn++) {
		struct dirhash d = {0};
		char got[DIRHASH_SIZE];
		for (size_t i = 0; i < 2; i++) {
			const char *const *f = files[i ^ turn];
			uint8_t digest[SHA256_SIZE];
			crypto_sha256(f[1], strlen(f[1]), digest);
			dirhash_add(&d, f[0], digest);
		}
		assert_int_equal(dirhash_end(&d, got, NULL), 0);
		assert_string_equal(got, known);
		dirhash_free(&d);
	}
}

static void nothing_hashes_too(void **state)
{
	(void)state;
	struct dirhash d = {0};
	char got[DIRHASH_SIZE];
	assert_int_equal(dirhash_end(&d, got, NULL), 0);
	assert_string_equal(got, "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="); /* SHA-256 of nothing */
}

static void odd_names_are_refused(void **state)
{
	(void)state;
	static const char *const names[][2] = {{"a", "a"}, {"a\nb", "c"}};
	for (size_t i = 0; i < 2; i++) {
		struct dirhash d = {0};
		struct err err = {0};
		char got[DIRHASH_SIZE];
		const uint8_t digest[SHA256_SIZE] = {0};
		dirhash_add(&d, names[i][0], digest);
		dirhash_add(&d, names[i][1], digest);
		assert_int_equal(dirhash_end(&d, got, &err), ERR_REFUSED);
		assert_string_equal(err.msg, "two files are called a");
		dirhash_free(&d);
	}
}

static void write_file(const char *name, const char *text)
{
	CLEANUP_FREE char *path = fs_join(dir, name);
	if (fs_write_fast(path, text, strlen(text), 0644, NULL) != 0)
		fail_msg("write %s", path);
}

static void from_disk(void **state)
{
	(void)state;
	char got[DIRHASH_SIZE];
	for (size_t i = 0; i < 2; i++)
		write_file(files[i][0], files[i][1]);
	assert_int_equal(dirhash_of(dir, got, NULL), 0);
	assert_string_equal(got, known);
	CLEANUP_FREE char *sub = fs_join(dir, "sub/deeper");
	assert_int_equal(fs_mkdir_p(sub, 0755, NULL), 0);
	assert_int_equal(dirhash_of(dir, got, NULL), 0);
	assert_string_equal(got, known); /* an empty directory does not count */
	write_file("sub/deeper/x", "");
	assert_int_equal(dirhash_of(dir, got, NULL), 0);
	assert_string_not_equal(got, known);
}

static void links_and_others_are_refused(void **state)
{
	(void)state;
	char got[DIRHASH_SIZE];
	struct err err = {0};
	CLEANUP_FREE char *link = fs_join(dir, "sub/link");
	assert_int_equal(symlink("deeper", link), 0);
	assert_int_equal(dirhash_of(dir, got, &err), ERR_REFUSED);
	assert_non_null(strstr(err.msg, "sub/link: neither a file nor a directory"));
	assert_int_equal(unlink(link), 0);
	assert_int_equal(mkfifo(link, 0600), 0);
	assert_int_equal(dirhash_of(dir, got, &err), ERR_REFUSED);
	assert_int_equal(dirhash_of("/nonexistent/x", got, &err), ERR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streamed),
		cmocka_unit_test(nothing_hashes_too),
		cmocka_unit_test(odd_names_are_refused),
		cmocka_unit_test(from_disk),
		cmocka_unit_test(links_and_others_are_refused),
	};
	if (mkdtemp(dir) == NULL)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (fs_remove_tree(dir, NULL) != 0)
		failed++;
	return failed;
}
