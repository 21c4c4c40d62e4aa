/* Memory helpers: copies, lists, cleanup; what cannot be allocated and what does not hold ends the process. */
#include "base/mem.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void allocation(void **state)
{
	(void)state;
	CLEANUP_FREE char *none = xmalloc(0);
	CLEANUP_FREE char *zero = xcalloc(0, 0);
	CLEANUP_FREE int *many = xcalloc(3, sizeof(int));
	assert_non_null(none);
	assert_non_null(zero);
	assert_int_equal(many[0] | many[1] | many[2], 0);
	many[2] = 7;
	many = xreallocarray(many, 100, sizeof(int));
	assert_int_equal(many[2], 7);
	none = xrealloc(none, 0);
	assert_non_null(none);
}

static void strings(void **state)
{
	(void)state;
	CLEANUP_FREE char *copy = xstrdup("abc"), *part = xstrndup("abcdef", 2), *empty = xstrndup("x", 0), *zeros = xstrndup("a\0b", 3);
	CLEANUP_FREE char *text = xasprintf("%s-%d", "n", 5);
	assert_null(xstrdup(NULL));
	assert_string_equal(copy, "abc");
	assert_string_equal(part, "ab");
	assert_string_equal(empty, "");
	assert_memory_equal(zeros, "a\0b\0", 4);
	assert_string_equal(text, "n-5");
	char *taken = TAKE(copy);
	assert_null(copy);
	assert_string_equal(taken, "abc");
	xstrset(&taken, taken + 1);
	assert_string_equal(taken, "bc");
	xstrset(&taken, NULL);
	assert_null(taken);
}

static void descriptors(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), none = -1, copy = fd;
	(void)state;
	assert_true(fd >= 0);
	mem_close_fd(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(fcntl(copy, F_GETFD), -1);
	mem_close_fd(&none);
	assert_int_equal(none, -1);
}

static void lists(void **state)
{
	struct strlist l = {0}, copy = {0};
	(void)state;
	strlist_sort(&l);
	assert_false(strlist_has(&l, "x"));
	for (int i = 0; i < 100; i++) { /* over each power of two */
		CLEANUP_FREE char *s = xasprintf("%03d", (i * 37) % 100);
		strlist_add(&l, s);
		assert_int_equal(l.n, (size_t)i + 1);
	}
	strlist_add_n(&l, "zzz tail", 3);
	strlist_take(&l, xstrdup("yyy"));
	strlist_sort(&l);
	for (int i = 0; i < 100; i++) {
		CLEANUP_FREE char *s = xasprintf("%03d", i);
		assert_string_equal(l.v[i], s);
	}
	assert_string_equal(l.v[100], "yyy");
	assert_string_equal(l.v[101], "zzz");
	assert_true(strlist_has(&l, "042"));
	assert_false(strlist_has(&l, "42"));
	strlist_copy(&copy, &l);
	assert_int_equal(copy.n, l.n);
	assert_ptr_not_equal(copy.v[5], l.v[5]);
	assert_string_equal(copy.v[5], l.v[5]);
	strlist_free(&l);
	strlist_free(&l);
	assert_int_equal(l.n, 0);
	assert_null(l.v);
	strlist_free(&copy);
}

/* Signal that ended a child doing `what`; 0: it went on. */
static int ends_by(void (*what)(void))
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit none = {0, 0};
		(void)setrlimit(RLIMIT_CORE, &none); /* a core file is a nuisance, no more */
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		(void)dup2(null, STDERR_FILENO);
		(void)signal(SIGABRT, SIG_DFL);
		what();
		_exit(0);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void multiplies_too_far(void) { free(xreallocarray(NULL, SIZE_MAX / 2, 3)); }
static void breaks_an_invariant(void) { ASSERT(getpid() < 0); }
static void keeps_an_invariant(void) { ASSERT(getpid() > 0); }

static void no_way_on(void **state)
{
	(void)state;
	assert_int_equal(ends_by(multiplies_too_far), SIGABRT);
	assert_int_equal(ends_by(breaks_an_invariant), SIGABRT);
	assert_int_equal(ends_by(keeps_an_invariant), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocation), cmocka_unit_test(strings), cmocka_unit_test(descriptors), cmocka_unit_test(lists), cmocka_unit_test(no_way_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
