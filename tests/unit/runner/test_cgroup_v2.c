/* The ways of cgroup v2 that need no controllers: on hosts that have both versions its tree is there, too. And limits that come and go. */
#include "base/fs.h"
#include "runner/cgroup_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1024 * 1024 };

static struct cgroup_use used(struct cgroup *cg)
{
	struct cgroup_use use;
	struct err err = {0};
	if (cgroup_read(cg, &use, &err) != 0)
		fail_msg("%s", err.msg);
	return use;
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

static struct cgroup *unified(char **ret_dir)
{
	static const char *const tops[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};
	for (size_t i = 0; i < ARRAY_LEN(tops); i++) {
		CLEANUP_FREE char *mark = xasprintf("%s/cgroup.controllers", tops[i]);
		CLEANUP_FREE char *dir = xasprintf("%s/sluice-test-unified.%d", tops[i], (int)getpid());
		if (!fs_exists(mark) || mkdir(dir, 0755) != 0)
			continue;
		struct cgroup *cg = cgroup_adopt(dir, &(struct cgroup_limits){.memory = 64 * MIB, .processes = 16});
		assert_non_null(cg);
		*ret_dir = TAKE(dir);
		return cg;
	}
	print_message("no group of v2 can be made here\n");
	skip();
	return NULL;
}

static void v2_children_are_born_in_the_group(void **state)
{
	(void)state;
	CLEANUP_FREE char *dir = NULL;
	struct cgroup *cg = unified(&dir);
	pid_t pid = cgroup_fork(cg);
	assert_true(pid >= 0);
	if (pid == 0) {
		char text[CGROUP_TEXT];
		_exit(cgroup_text("/proc/self", "cgroup", text) && strstr(text, "/sluice-test-unified.") != NULL ? 0 : 1);
	}
	assert_int_equal(status_of(pid), 0);
	cgroup_close(cg);
	assert_false(fs_is_dir(dir));
}

static void v2_kills_with_one_word(void **state)
{
	(void)state;
	CLEANUP_FREE char *dir = NULL;
	struct cgroup *cg = unified(&dir);
	int ready[2];
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = cgroup_fork(cg);
	assert_true(pid >= 0);
	if (pid == 0) {
		for (int i = 0; i < 20; i++)
			if (fork() == 0 && setsid() > 0)
				(void)pause();
		(void)!write(ready[1], "x", 1);
		(void)pause();
		_exit(0);
	}
	char c;
	assert_int_equal(read(ready[0], &c, 1), 1);
	cgroup_kill(cg);
	int status = status_of(pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	cgroup_close(cg);
	assert_false(fs_is_dir(dir));
	assert_int_equal(close(ready[0]) + close(ready[1]), 0);
}

/* ---- files of a group of v2, made by hand: what is read, and what is done when its controllers come and go ---- */

static char fake[] = "/tmp/test-cgroup-XXXXXX";

static void put(const char *file, const char *text)
{
	struct err err = {0};
	CLEANUP_FREE char *path = fs_join(fake, file);
	if (fs_write_fast(path, text, strlen(text), 0644, &err) != 0)
		fail_msg("%s", err.msg);
}

static void is(const char *file, const char *text)
{
	char now[CGROUP_TEXT];
	assert_true(cgroup_text(fake, file, now));
	assert_string_equal(now, text);
}

static void gone(const char *file)
{
	CLEANUP_FREE char *path = fs_join(fake, file);
	assert_int_equal(unlink(path), 0);
}

static void controllers(const char *max)
{
	put("memory.max", max);
	put("memory.swap.max", max);
	put("memory.oom.group", "0\n");
	put("pids.max", max);
	put("memory.current", "5000000\n");
	put("memory.events", "low 0\nhigh 0\nmax 4\noom 1\noom_kill 2\noom_group_kill 0\n");
	put("pids.events", "max 7\n");
}

static void limits_that_were_switched_off_are_put_back(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(fake));
	controllers("67108864");
	put("cpu.stat", "usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\n");
	struct cgroup *cg = cgroup_adopt(fake, &(struct cgroup_limits){.memory = 64 * MIB, .processes = 16});
	assert_non_null(cg);
	short events = 0;
	int fd = cgroup_oom_fd(cg, &events);
	assert_int_equal(events, POLLPRI);
	struct cgroup_use use = used(cg);
	assert_true(use.limited);
	assert_int_equal(use.oom_kills, 2);
	assert_int_equal(use.process_refusals, 7);
	assert_int_equal(use.memory_now, 5000000);
	assert_int_equal(use.memory_peak, 5000000); /* without memory.peak: the most that was seen */
	assert_int_equal(use.cpu_ms, 1234);
	put("memory.peak", "6000000\n");
	assert_int_equal(used(cg).memory_peak, 6000000);

	static const char *const files[] = {"memory.max",     "memory.swap.max", "memory.oom.group", "pids.max",
					    "memory.current", "memory.events",   "pids.events",      "memory.peak"};
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		gone(files[i]);
	use = used(cg);
	assert_false(use.limited);
	assert_int_equal(use.memory_now, 0);
	assert_int_equal(use.memory_peak, 6000000);
	assert_int_equal(use.process_refusals, 7);
	assert_int_equal(cgroup_oom_fd(cg, &events), fd);
	assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = events}, 1, 0), 0);

	controllers("max\n");
	put("memory.events", "oom_kill 0\n");
	put("pids.events", "max 1\n");
	use = used(cg);
	assert_true(use.limited);
	is("memory.max", "67108864");
	is("pids.max", "16");
	is("memory.swap.max", "0");
	is("memory.oom.group", "1");
	assert_int_equal(use.process_refusals, 8); /* those before count */
	assert_int_equal(cgroup_oom_fd(cg, &events), fd);
	cgroup_close(cg);
	struct err err = {0};
	assert_int_equal(fs_remove_tree(fake, &err), 0); /* these files are no kernel's */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(v2_children_are_born_in_the_group),
		cmocka_unit_test(v2_kills_with_one_word),
		cmocka_unit_test(limits_that_were_switched_off_are_put_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
