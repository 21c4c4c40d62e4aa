/* A tree of real children, looked at from outside. */
#include "runner/watch_priv.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1024 * 1024, TIMES = 100 };

static int ready[2], go[2];

static void say_ready(void)
{
	if (write(ready[1], "x", 1) != 1)
		_exit(9);
}

static void await(int n)
{
	char c;
	for (int i = 0; i < n; i++)
		assert_int_equal(read(ready[0], &c, 1), 1);
}

static _Noreturn void sleep_on(void)
{
	say_ready();
	for (;;)
		(void)pause();
}

/* A child in a session of its own, so that the tree has one name to be killed by. */
static pid_t root_of(void (*body)(void))
{
	assert_int_equal(pipe2(ready, O_CLOEXEC) + pipe2(go, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)setpgid(0, 0);
		body();
		_exit(0);
	}
	return pid;
}

static void end(pid_t pid)
{
	(void)kill(-pid, SIGKILL);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	for (int i = 0; i < 2; i++)
		assert_int_equal(close(ready[i]) + close(go[i]), 0);
}

static struct watch_use used(pid_t pid)
{
	struct watch_use use = {0};
	assert_int_equal(watch_tree(pid, &use), 0);
	return use;
}

static char *touched(size_t bytes, int flags)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		_exit(8);
	for (size_t i = 0; i < bytes; i += 4096)
		p[i] = 1;
	return p;
}

/* ---- who belongs ---- */

static void generations(void)
{
	for (int i = 0; i < 3; i++)
		if (fork() == 0) {
			for (int k = 0; k < 2; k++)
				if (fork() == 0)
					sleep_on();
			sleep_on();
		}
	sleep_on();
}

static void the_whole_tree_counts_and_nobody_else(void **state)
{
	(void)state;
	pid_t other = fork(); /* a brother of the root */
	if (other == 0) {
		(void)touched((size_t)64 * MIB, MAP_PRIVATE);
		for (;;)
			(void)pause();
	}
	struct watch_use small = used(getpid());
	pid_t pid = root_of(generations);
	await(10);
	assert_int_equal(used(pid).threads, 10);
	assert_true(used(getpid()).threads >= small.threads + 10);
	end(pid);
	assert_int_equal(kill(other, SIGKILL), 0);
	assert_int_equal(waitpid(other, NULL, 0), other);
}

static void daemons(void)
{
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid_t root = getpid(), first = fork();
	if (first == 0) {
		for (int i = 0; i < 4; i++)
			if (fork() == 0) {
				(void)setsid();
				while (getppid() != root)
					(void)poll(NULL, 0, 1);
				(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* of the one that took it */
				sleep_on();
			}
		_exit(0);
	}
	(void)waitpid(first, NULL, 0);
	sleep_on();
}

static void orphans_count_below_who_takes_them(void **state)
{
	(void)state;
	pid_t pid = root_of(daemons);
	await(5);
	assert_int_equal(used(pid).threads, 5);
	end(pid);
}

static void *thread(void *arg)
{
	(void)arg;
	sleep_on();
	return NULL;
}

static void threads(void)
{
	pthread_t t;
	for (int i = 0; i < 7; i++)
		if (pthread_create(&t, NULL, thread, NULL) != 0)
			_exit(1);
	sleep_on();
}

static void threads_count(void **state)
{
	(void)state;
	pid_t pid = root_of(threads);
	await(8);
	assert_in_range(used(pid).threads, 8, 9); /* a sanitizer may have one of its own */
	end(pid);
}

static void hidden(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)prctl(PR_SET_NAME, "a) R 1 2 (");
	(void)touched((size_t)20 * MIB, MAP_PRIVATE);
	if (fork() == 0)
		sleep_on();
	sleep_on();
}

/* What a process does to hide: it may not be read, and its name looks like the fields that follow it. */
static void a_process_that_hides_is_seen(void **state)
{
	(void)state;
	pid_t pid = root_of(hidden);
	await(2);
	assert_int_equal(used(pid).threads, 2);
	assert_true(used(pid).memory >= 20 * MIB);
	end(pid);
}

/* ---- what it uses ---- */

static void memory(void)
{
	(void)touched((size_t)30 * MIB, MAP_PRIVATE);
	(void)touched((size_t)10 * MIB, MAP_SHARED);
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	static char sink[4096];
	const char *p = mmap(NULL, sizeof(sink), PROT_READ, MAP_PRIVATE, fd, 0); /* a mapped file is nobody's */
	sink[0] = p != MAP_FAILED ? p[0] : 0;
	if (fork() == 0)
		sleep_on();
	sleep_on();
}

static void memory_is_counted_and_shared_memory_once_when_asked_exactly(void **state)
{
	(void)state;
	pid_t pid = root_of(memory);
	await(2);
	int64_t most = used(pid).memory, exact = watch_memory(pid);
	assert_true(most >= 70 * MIB); /* both show all of it (the forked one maps shared pages when it touches them) */
	if (exact >= 0)
		assert_in_range(exact, 30 * MIB, 75 * MIB);
	else
		print_message("smaps_rollup may not be read here\n");
	assert_true(exact < most);
	end(pid);
}

static void burn(void)
{
	for (int i = 0; i < 2; i++)
		if (fork() == 0) {
			struct rusage r = {0};
			while (r.ru_utime.tv_usec + r.ru_stime.tv_usec < 200000)
				(void)getrusage(RUSAGE_SELF, &r);
			_exit(0);
		}
	(void)wait(NULL);
	(void)wait(NULL);
	sleep_on();
}

static void the_time_of_the_ended_counts(void **state)
{
	(void)state;
	pid_t pid = root_of(burn);
	await(1);
	assert_int_equal(used(pid).threads, 1);
	assert_in_range(used(pid).cpu_ms, 380, 5000);
	end(pid);
}

static void quit(void) { say_ready(); }

static void one_that_ended_uses_nothing(void **state)
{
	(void)state;
	pid_t pid = root_of(quit);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(used(pid).memory, 0);
	assert_int_equal(watch_memory(pid), 0);
	end(pid);
	struct watch_use use = {.threads = 77};
	assert_int_equal(watch_tree(pid, &use), ERR_NOT_FOUND);
	assert_int_equal(use.threads, 77);
	assert_int_equal(watch_memory(pid), -1);
	assert_int_equal(watch_tree(0, &use), ERR_NOT_FOUND);
	assert_int_equal(watch_tree(-1, &use), ERR_NOT_FOUND);
}

static void churn(void)
{
	for (int i = 0; i < 4; i++)
		if (fork() == 0) {
			say_ready();
			for (;;) {
				pid_t pid = fork();
				if (pid == 0)
					_exit(0);
				(void)waitpid(pid, NULL, 0);
			}
		}
	sleep_on();
}

/* Children that come and go while we look: none is counted that was never there. */
static void a_restless_tree_is_looked_at(void **state)
{
	(void)state;
	pid_t pid = root_of(churn);
	await(5);
	for (int i = 0; i < 300; i++)
		assert_in_range(used(pid).threads, 5, 9);
	end(pid);
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void what_it_costs(void **state)
{
	(void)state;
	static int64_t looked[TIMES], exact[TIMES];
	pid_t pid = root_of(generations);
	await(10);
	for (int i = 0; i < TIMES; i++) {
		int64_t t0 = clock_mono_ns();
		(void)used(pid);
		int64_t t1 = clock_mono_ns();
		(void)watch_memory(pid);
		looked[i] = t1 - t0;
		exact[i] = clock_mono_ns() - t1;
	}
	end(pid);
	qsort(looked, TIMES, sizeof(*looked), by_size);
	qsort(exact, TIMES, sizeof(*exact), by_size);
	print_message("10 processes: median %.3f ms, of ten the slowest %.3f ms; exact %.3f ms\n", (double)looked[TIMES / 2] / 1e6,
		      (double)looked[TIMES * 9 / 10] / 1e6, (double)exact[TIMES / 2] / 1e6);
}

/* ---- text ---- */

#define REST " S 17 4 4 0 -1 4194560 100 0 0 0 7 5 3 2 20 0 9 0 123456 2703360 371 1844\n"

static void lines_of_the_kernel_are_read(void **state)
{
	(void)state;
	static const struct { const char *text; bool ok; } cases[] = {
		{"12 (terraform)" REST, true},
		{"12 (a) R 1 2 3 4 5 6 (b)" REST, true},
		{"12 ()" REST, true},
		{"12 (no end) S 17 4 4 0 -1 4194560 100 0 0 0 7 5 3 2 20 0 9 0\n", false},
		{"12 (x) S 17 4 4 0 -1 4194560 100 0 0 0 7 5 3 2 20 0 9 0 ", false},
		{"12 (x) S  17 4 4 0 -1 4194560 100 0 0 0 7 5 3 2 20 0 9 0 1", false},
		{"12 (x) S x 4 4 0 -1 4194560 100 0 0 0 7 5 3 2 20 0 9 0 1", false},
		{"12 (x) S 17 4 4 0 -1 4194560 100 0 0 0 9223372036854775807 9223372036854775807 3 2 20 0 9 0 1", false},
		{"12 x" REST, false},
		{"12 (x)", false},
		{")", false},
		{"", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct watch_stat s = {0};
		if (watch_read_stat(cases[i].text, &s) != cases[i].ok)
			fail_msg("%s", cases[i].text);
		if (cases[i].ok) {
			assert_int_equal(s.ppid, 17);
			assert_int_equal(s.ticks, 17);
			assert_int_equal(s.threads, 9);
			assert_int_equal(s.start, 123456);
		}
	}
	static const char status[] = "Name:\tRssAnon\nVmRSS:\t  99 kB\nRssAnon:\t     512 kB\nRssShmem:\t -1 kB\nBig: 99999999999999999999 kB\n";
	assert_int_equal(watch_read_kb(status, "RssAnon"), 512 * 1024);
	assert_int_equal(watch_read_kb(status, "RssShmem"), -1);
	assert_int_equal(watch_read_kb(status, "Big"), -1);
	assert_int_equal(watch_read_kb(status, "None"), -1);
	assert_int_equal(watch_read_kb("", "RssAnon"), -1);
}

static void the_machine_is_known(void **state)
{
	(void)state;
	static const struct { const char *meminfo; int64_t ceiling; struct watch_machine want; } rows[] = {
		{"MemTotal:       24684096 kB\nMemFree: 1 kB\nMemAvailable:   24216336 kB\n", 0, {24684096LL * 1024, 24216336LL * 1024}},
		{"MemTotal: 4096 kB\nMemAvailable: 1024 kB\n", 2 * MIB, {2 * MIB, MIB}}, /* a group holds less than the machine */
		{"MemTotal: 4096 kB\nMemAvailable: 1024 kB\n", 8 * MIB, {4 * MIB, MIB}},
		{"MemTotal: 4096 kB\n", 0, {4 * MIB, -1}},
		{"", 2 * MIB, {2 * MIB, -1}},
		{"", 0, {0, -1}},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct watch_machine m;
		watch_machine_read(rows[i].meminfo, rows[i].ceiling, &m);
		assert_int_equal(m.total, rows[i].want.total);
		assert_int_equal(m.available, rows[i].want.available);
	}
	struct watch_machine here;
	watch_machine(&here);
	assert_true(here.total > 16 * MIB && here.available > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_whole_tree_counts_and_nobody_else),
		cmocka_unit_test(orphans_count_below_who_takes_them),
		cmocka_unit_test(threads_count),
		cmocka_unit_test(a_process_that_hides_is_seen),
		cmocka_unit_test(memory_is_counted_and_shared_memory_once_when_asked_exactly),
		cmocka_unit_test(the_time_of_the_ended_counts),
		cmocka_unit_test(one_that_ended_uses_nothing),
		cmocka_unit_test(a_restless_tree_is_looked_at),
		cmocka_unit_test(what_it_costs),
		cmocka_unit_test(lines_of_the_kernel_are_read),
		cmocka_unit_test(the_machine_is_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
