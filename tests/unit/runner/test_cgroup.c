/* Control groups for real, where this machine lets us make them; else those tests are skipped. The hogs are children of this program. */
#include "base/clock.h"
#include "base/fs.h"
#include "runner/cgroup_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1024 * 1024, TIMES = 200 };

static struct cgroup *open_group(const char *name, int64_t memory, int64_t processes)
{
	char *why = NULL;
	if (cgroup_here(&why) == CGROUP_NONE) {
		assert_non_null(why);
		print_message("no control group to be had here: %s\n", why);
		free(why); /* skip does not return */
		skip();
	}
	assert_null(why);
	struct cgroup *cg = NULL;
	struct err err = {0};
	if (cgroup_open(name, &(struct cgroup_limits){.memory = memory, .processes = processes}, &cg, &err) != 0)
		fail_msg("%s", err.msg);
	return cg;
}

static struct cgroup_use used(struct cgroup *cg)
{
	struct cgroup_use use;
	struct err err = {0};
	if (cgroup_read(cg, &use, &err) != 0)
		fail_msg("%s", err.msg);
	return use;
}

/* Directories of ours that are left in any hierarchy. */
static size_t left(void)
{
	struct cgroup_base base;
	cgroup_base_find("", &base);
	CLEANUP_FREE char *end = xasprintf(".%d", (int)getpid());
	size_t n = 0;
	for (size_t i = 0; i < CG_DIRS; i++) {
		DIR *d = base.dir[i] != NULL ? opendir(base.dir[i]) : NULL;
		const struct dirent *e;
		while (d != NULL && (e = readdir(d)) != NULL) {
			size_t len = strlen(e->d_name), tail = strlen(end);
			n += strncmp(e->d_name, "sluice-", 7) == 0 && len > tail && strcmp(e->d_name + len - tail, end) == 0;
		}
		if (d != NULL)
			(void)closedir(d);
	}
	cgroup_base_free(&base);
	return n;
}

static int status_of(pid_t pid)
{
	int status = 0;
	pid_t got;
	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	assert_int_equal(got, pid);
	return status;
}

static void a_child_is_in_the_group_when_it_begins(void **state)
{
	(void)state;
	struct cgroup *cg = open_group("test-in", 64 * MIB, 64);
	pid_t pid = cgroup_fork(cg);
	assert_true(pid >= 0);
	if (pid == 0) {
		char text[CGROUP_TEXT];
		_exit(cgroup_text("/proc/self", "cgroup", text) && strstr(text, "/sluice-test-in.") != NULL ? 0 : 1);
	}
	assert_int_equal(status_of(pid), 0);
	struct cgroup_use use = used(cg);
	assert_true(use.limited);
	assert_int_equal(use.oom_kills, 0);
	assert_int_equal(use.process_refusals, 0);
	assert_true(use.memory_peak >= use.memory_now);
	assert_int_equal(left() > 0, 1);
	cgroup_close(cg);
	assert_int_equal(left(), 0);
}

static void memory_has_an_end_and_is_told(void **state)
{
	(void)state;
	struct cgroup *cg = open_group("test-memory", 48 * MIB, 64);
	pid_t pid = cgroup_fork(cg);
	assert_true(pid >= 0);
	if (pid == 0) {
		char *p = mmap(NULL, (size_t)512 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (size_t i = 0; p != MAP_FAILED && i < (size_t)512 * MIB; i += 4096)
			p[i] = 1;
		_exit(0);
	}
	short events = 0;
	int fd = cgroup_oom_fd(cg, &events);
	assert_true(fd >= 0);
	int64_t until = clock_mono_ms() + 20000;
	struct cgroup_use use = {0};
	while (use.oom_kills == 0 && clock_mono_ms() < until) {
		assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = events}, 1, 20000), 1);
		use = used(cg);
	}
	int status = status_of(pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	use = used(cg);
	assert_in_range(use.oom_kills, 1, cgroup_here(NULL) == CGROUP_V2 ? 2 : 1); /* v2: once, and once more with its group */
	assert_in_range(use.memory_peak, 40 * MIB, 48 * MIB);
	assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = events}, 1, 0) > 0 && events == POLLIN, 0); /* told once */
	cgroup_close(cg);
	assert_int_equal(left(), 0);
}

static void files_in_memory_count(void **state)
{
	(void)state;
	struct cgroup *cg = open_group("test-files", 48 * MIB, 64);
	pid_t pid = cgroup_fork(cg);
	assert_true(pid >= 0);
	if (pid == 0) {
		static char block[MIB];
		int fd = (int)memfd_create("file", MFD_CLOEXEC);
		for (int i = 0; i < 20; i++)
			if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
				_exit(1);
		_exit(0);
	}
	assert_int_equal(status_of(pid), 0);
	assert_true(used(cg).memory_peak >= 20 * MIB);
	assert_int_equal(used(cg).oom_kills, 0);
	cgroup_close(cg);
}

static void processes_have_an_end_and_are_told(void **state)
{
	(void)state;
	struct cgroup *cg = open_group("test-processes", 256 * MIB, 6);
	pid_t pid = cgroup_fork(cg);
	assert_true(pid >= 0);
	if (pid == 0) {
		int born = 0;
		for (int i = 0; i < 8; i++) {
			pid_t child = fork();
			if (child == 0) {
				(void)pause();
				_exit(0);
			}
			born += child > 0;
		}
		_exit(born);
	}
	int status = status_of(pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 5);
	assert_int_equal(used(cg).process_refusals > 0, 1);
	cgroup_close(cg); /* five that sleep */
	assert_int_equal(left(), 0);
}

static void bomb(void)
{
	for (;;)
		if (fork() == 0 && setsid() < 0)
			_exit(1); /* never: a child is no leader of a group */
}

static void a_fork_bomb_of_daemons_is_ended(void **state)
{
	(void)state;
	struct cgroup *cg = open_group("test-bomb", 512 * MIB, 64);
	pid_t pid = cgroup_fork(cg);
	assert_true(pid >= 0);
	if (pid == 0)
		bomb();
	int64_t until = clock_mono_ms() + 10000;
	while (used(cg).process_refusals == 0 && clock_mono_ms() < until)
		(void)poll(NULL, 0, 1);
	assert_true(used(cg).process_refusals > 0);
	int64_t began = clock_mono_ns();
	cgroup_close(cg);
	print_message("a fork bomb of 64 was gone after %.1f ms\n", (double)(clock_mono_ns() - began) / 1e6);
	assert_int_equal(left(), 0); /* a directory with something alive in it cannot be removed */
	int status = status_of(pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void cpu_time_is_counted(void **state)
{
	(void)state;
	struct cgroup *cg = open_group("test-cpu", 256 * MIB, 64);
	pid_t pid = cgroup_fork(cg);
	assert_true(pid >= 0);
	if (pid == 0) {
		pid_t child = fork();
		struct rusage r = {0};
		while (r.ru_utime.tv_usec + r.ru_stime.tv_usec < 150000)
			if (getrusage(RUSAGE_SELF, &r) != 0)
				_exit(1);
		if (child > 0)
			(void)waitpid(child, NULL, 0);
		_exit(0);
	}
	assert_int_equal(status_of(pid), 0);
	int64_t cpu_ms = used(cg).cpu_ms; /* of a tree that is gone already */
	assert_in_range(cpu_ms, 280, 3000);
	cgroup_close(cg);
}

static void a_hundred_leave_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		struct cgroup *cg = open_group("test-many", 64 * MIB, 16);
		pid_t pid = cgroup_fork(cg);
		assert_true(pid >= 0);
		if (pid == 0) {
			if (fork() == 0)
				(void)pause();
			_exit(0);
		}
		assert_int_equal(status_of(pid), 0);
		cgroup_close(cg);
	}
	assert_int_equal(left(), 0);
}

static void two_of_one_name_live_beside_each_other(void **state)
{
	(void)state;
	struct cgroup *a = open_group("test-twin", 64 * MIB, 16);
	struct cgroup *b = open_group("test-twin", 64 * MIB, 16);
	assert_true(left() > 0);
	cgroup_sweep(); /* both are empty, and their maker lives */
	pid_t pid = cgroup_fork(b);
	if (pid == 0)
		_exit(3);
	assert_int_equal(WEXITSTATUS(status_of(pid)), 3);
	cgroup_close(a);
	assert_true(left() > 0);
	cgroup_close(b);
	assert_int_equal(left(), 0);
}

/* Ended, but nobody of this test is its parent. */
static bool is_zombie(pid_t pid)
{
	CLEANUP_BUF struct buf b = {0};
	CLEANUP_FREE char *path = xasprintf("/proc/%d/stat", (int)pid);
	return fs_read(path, 4096, &b, NULL) == 0 && strstr(buf_str(&b), ") Z ") != NULL;
}

/* A maker that was killed: what it left goes, and what still lives in it. */
static void what_a_crash_left_is_swept(void **state)
{
	(void)state;
	cgroup_close(open_group("test-crash", 64 * MIB, 16));
	int to_us[2];
	assert_int_equal(pipe2(to_us, O_CLOEXEC), 0);
	pid_t maker = fork();
	if (maker == 0) {
		struct cgroup *full = NULL, *empty = NULL;
		struct cgroup_limits limits = {.memory = 64 * MIB, .processes = 16};
		if (cgroup_open("test-full", &limits, &full, NULL) != 0 || cgroup_open("test-empty", &limits, &empty, NULL) != 0)
			_exit(1);
		pid_t pid = cgroup_fork(full);
		if (pid == 0) {
			(void)pause();
			_exit(0);
		}
		if (write(to_us[1], &pid, sizeof(pid)) != (ssize_t)sizeof(pid))
			_exit(1);
		(void)raise(SIGKILL);
	}
	pid_t lives = 0;
	assert_int_equal(read(to_us[0], &lives, sizeof(lives)), sizeof(lives));
	assert_true(WIFSIGNALED(status_of(maker)));
	struct cgroup_base base;
	cgroup_base_find("", &base);
	CLEANUP_FREE char *full = xasprintf("%s/sluice-test-full.%d", base.dir[0], (int)maker);
	CLEANUP_FREE char *empty = xasprintf("%s/sluice-test-empty.%d", base.dir[0], (int)maker);
	assert_true(fs_is_dir(full) && fs_is_dir(empty));
	cgroup_sweep();
	assert_false(fs_is_dir(full) || fs_is_dir(empty));
	int64_t until = clock_mono_ms() + 5000; /* it leaves its group before it is gone */
	while (kill(lives, 0) == 0 && !is_zombie(lives) && clock_mono_ms() < until)
		(void)usleep(1000);
	assert_true(kill(lives, 0) != 0 || is_zombie(lives));
	cgroup_base_free(&base);
	assert_int_equal(close(to_us[0]) + close(to_us[1]), 0);
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void report(const char *what, int64_t *ns)
{
	qsort(ns, TIMES, sizeof(*ns), by_size);
	print_message("%s: median %.3f ms, of ten the slowest %.3f ms\n", what, (double)ns[TIMES / 2] / 1e6, (double)ns[TIMES * 9 / 10] / 1e6);
}

static void what_it_costs(void **state)
{
	(void)state;
	static int64_t opened[TIMES], forked[TIMES], plain[TIMES], looked[TIMES], closed[TIMES];
	for (int i = 0; i < TIMES; i++) {
		int64_t t0 = clock_mono_ns();
		struct cgroup *cg = open_group("test-cost", 64 * MIB, 16);
		int64_t t1 = clock_mono_ns();
		pid_t pid = cgroup_fork(cg);
		if (pid == 0)
			_exit(0);
		assert_int_equal(status_of(pid), 0);
		int64_t t2 = clock_mono_ns();
		pid = cgroup_fork(NULL);
		if (pid == 0)
			_exit(0);
		assert_int_equal(status_of(pid), 0);
		int64_t t3 = clock_mono_ns();
		(void)used(cg);
		int64_t t4 = clock_mono_ns();
		cgroup_close(cg);
		opened[i] = t1 - t0;
		forked[i] = t2 - t1;
		plain[i] = t3 - t2;
		looked[i] = t4 - t3;
		closed[i] = clock_mono_ns() - t4;
	}
	report("open", opened);
	report("fork into it, and wait", forked);
	report("plain fork, and wait", plain);
	report("read", looked);
	report("close", closed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_is_in_the_group_when_it_begins),
		cmocka_unit_test(memory_has_an_end_and_is_told),
		cmocka_unit_test(files_in_memory_count),
		cmocka_unit_test(processes_have_an_end_and_are_told),
		cmocka_unit_test(a_fork_bomb_of_daemons_is_ended),
		cmocka_unit_test(cpu_time_is_counted),
		cmocka_unit_test(a_hundred_leave_nothing),
		cmocka_unit_test(two_of_one_name_live_beside_each_other),
		cmocka_unit_test(what_a_crash_left_is_swept),
		cmocka_unit_test(what_it_costs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
