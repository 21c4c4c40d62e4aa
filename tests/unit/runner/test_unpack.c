/* Archives of real programs, written below a directory: modes, hashes, and what never gets there. */
#include "base/fs.h"
#include "base/limits.h"
#include "runner/unpack.h"
#include "tests/support/fds.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/test-unpack-XXXXXX";
static const struct untar_limits limits = {.bytes = 1 << 20, .entries = 100, .links = true};

/* Runs a shell command in a new scratch directory and feeds what it prints into another one. */
static int unpack(const char *command, const struct untar_limits *l, const char *always, char **ret_to, struct dirhash *ret, struct err *err)
{
	static int turn;
	char bytes[777];
	CLEANUP_FREE char *from = xasprintf("%s/from%d", dir, ++turn), *to = xasprintf("%s/to%d", dir, turn);
	CLEANUP_FREE char *line = xasprintf("mkdir %s %s && cd %s && { %s; }", from, to, from, command);
	*err = (struct err){0};
	FILE *f = popen(line, "re");
	size_t n = fread(bytes, 1, 1, f); /* both directories are there now */
	CLEANUP_FD int fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	struct unpack *u = unpack_begin(fd, l, always);
	for (; n > 0; n = fread(bytes, 1, sizeof(bytes), f))
		unpack_feed(u, bytes, n);
	(void)pclose(f);
	if (ret_to != NULL)
		*ret_to = TAKE(to);
	return unpack_end(u, ret, err);
}

static mode_t mode_of(const char *top, const char *name)
{
	struct stat st;
	CLEANUP_FREE char *path = fs_join(top, name);
	if (lstat(path, &st) != 0)
		fail_msg("%s is missing", path);
	return st.st_mode;
}

static void what_tar_writes(void **state)
{
	(void)state;
	struct err err;
	struct dirhash h = {0};
	CLEANUP_FREE char *to = NULL;
	char got[DIRHASH_SIZE], disk[DIRHASH_SIZE];
	static const char make[] = "umask 077; mkdir -p a/b a/empty; echo one >a/b/one; printf '#!/bin/sh\\n' >run; chmod 700 run; mkdir -p $(yes deeper | head -n 25 | "
				   "paste -sd/); echo x >$(yes deeper | head -n 25 | paste -sd/)/x; ";
	CLEANUP_FREE char *command = xasprintf("{ %s } >&2; tar --format=gnu -cf - .", make);
	mode_t before = umask(077);
	if (unpack(command, &limits, NULL, &to, &h, &err) != 0)
		fail_msg("%s", err.msg);
	(void)umask(before);
	assert_int_equal(h.n, 3);
	assert_int_equal(mode_of(to, "run"), S_IFREG | 0555);
	assert_int_equal(mode_of(to, "a/b/one"), S_IFREG | 0444);
	assert_int_equal(mode_of(to, "a/empty"), S_IFDIR | 0755);
	assert_int_equal(mode_of(to, "a/b"), S_IFDIR | 0755);
	assert_int_equal(dirhash_end(&h, got, NULL), 0);
	assert_int_equal(dirhash_of(to, disk, NULL), 0);
	assert_string_equal(got, disk);
	dirhash_free(&h);
}

static void a_zip_by_bsdtar(void **state)
{
	(void)state;
	struct err err;
	struct dirhash h = {0};
	CLEANUP_FREE char *to = NULL, *have = fs_which("bsdtar"), *zip = fs_which("zip");
	if (have == NULL || zip == NULL)
		skip();
	if (unpack("{ echo p >terraform-provider-x_v1; echo l >LICENSE; zip -q x.zip *; } >&2; bsdtar --format gnutar -cf - @x.zip", &limits, "terraform-provider-",
		   &to, &h, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(h.n, 2);
	assert_int_equal(mode_of(to, "terraform-provider-x_v1"), S_IFREG | 0555);
	assert_int_equal(mode_of(to, "LICENSE"), S_IFREG | 0444);
	dirhash_free(&h);
}

static void links_count(void **state)
{
	(void)state;
	struct err err;
	struct dirhash a = {0}, b = {0};
	char one[DIRHASH_SIZE], other[DIRHASH_SIZE];
	CLEANUP_FREE char *to = NULL;
	if (unpack("{ mkdir m; echo x >m/x; ln -s x m/l; } >&2; tar --format=gnu -cf - m", &limits, NULL, &to, &a, &err) != 0)
		fail_msg("%s", err.msg);
	assert_true(S_ISLNK(mode_of(to, "m/l")));
	assert_int_equal(a.n, 2);
	assert_int_equal(unpack("{ mkdir m; echo x >m/x; ln -s ./x m/l; } >&2; tar --format=gnu -cf - m", &limits, NULL, NULL, &b, &err), 0);
	assert_int_equal(dirhash_end(&a, one, NULL), 0);
	assert_int_equal(dirhash_end(&b, other, NULL), 0);
	assert_string_not_equal(one, other);
	dirhash_free(&a);
	dirhash_free(&b);
}

static void what_never_gets_there(void **state)
{
	(void)state;
	static const struct {
		const char *command, *says;
	} cases[] = {
		{"echo x >x; tar -P --transform 's,^,../,' -cf - x", "leads from the top"},
		{"echo x >x; tar -P --transform 's,^,/tmp/sluice-test-unpack-,' -cf - x", "leads from the top"},
		{"mkdir m; ln -s /etc m/l; tar -cf - m", "leads out"},
		{"mkdir m; ln -s ../../.. m/l; tar -cf - m", "leads out"},
		{"mkdir m n; ln -s . m/l; echo x >n/x; tar -cf - m >../a.tar; tar --transform 's,^n,m/l,' -rf ../a.tar n/x; cat ../a.tar", "is no directory"},
		{"mkdir m; ln -s x m/l; echo x >y; tar -cf ../b.tar m; tar --transform 's,y,m/l,' -rf ../b.tar y; cat ../b.tar", "is in the archive twice"},
		{"echo x >x; tar -cf ../c.tar x; tar -rf ../c.tar x; cat ../c.tar", "is in the archive twice"},
		{"echo x >x; mkdir d; echo y >d/y; tar -cf ../d.tar x; tar --transform 's,^d,x,' -rf ../d.tar d/y; cat ../d.tar", "is no directory"},
		{"echo x >x; ln x y; tar -cf - x y", "neither a file nor a directory"},
		{"mkfifo f; tar -cf - f", "neither a file nor a directory"},
		{"head -c 2000000 /dev/zero >z; tar -cf - z", "unpacks to more than 1 MiB"},
		{"for i in $(seq 101); do : >$i; done; tar -cf - .", "more than 100 files"},
		{"echo x >x; tar -cf - x | head -c 600", "ends in the middle"},
		{"echo no archive at all, but more than one block of words; yes | head -c 2000", "no tar header"},
		{"echo", "ends in the middle"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err;
		struct dirhash h = {0};
		int rc = unpack(cases[i].command, &limits, NULL, NULL, &h, &err);
		if (rc == 0 || strstr(err.msg, cases[i].says) == NULL)
			fail_msg("%s: %d %s", cases[i].command, rc, err.msg);
	}
	assert_false(fs_exists("/tmp/sluice-test-unpack-x"));
}

static void a_full_disk_is_told(void **state)
{
	(void)state;
	struct err err = {0};
	struct dirhash h = {0};
	int fd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* nothing can be made there */
	struct unpack *u = unpack_begin(fd, &limits, NULL);
	FILE *f = popen("cd /etc && tar -cf - passwd", "re");
	char bytes[4096];
	for (size_t n; (n = fread(bytes, 1, sizeof(bytes), f)) > 0;)
		unpack_feed(u, bytes, n);
	(void)pclose(f);
	assert_int_not_equal(unpack_end(u, &h, &err), 0);
	assert_non_null(strstr(err.msg, "passwd"));
	(void)close(fd);
	unpack_drop(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_tar_writes), cmocka_unit_test(a_zip_by_bsdtar),       cmocka_unit_test(links_count),
		cmocka_unit_test(what_never_gets_there), cmocka_unit_test(a_full_disk_is_told),
	};
	if (mkdtemp(dir) == NULL)
		return 1;
	int before = support_open_fds(), failed = cmocka_run_group_tests(tests, NULL, NULL);
	failed += support_open_fds() != before;
	if (fs_remove_tree(dir, NULL) != 0)
		failed++;
	return failed;
}
