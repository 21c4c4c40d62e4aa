/* Children of the loop: what they get, what we hear of them, and that none is left behind. */
#include "base/loop.h"

#include "base/fs.h"
#include "base/mem.h"
#include "tests/support/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct result {
	int calls, code, signum, err;
	char msg[ERR_MSG_MAX];
	struct buf out;
	bool done;
};

struct fixture {
	struct loop *l;
	char dir[64];
	int fds_before;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/sluice-process-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->fds_before = support_open_fds();
	f->l = loop_new();
	*state = f;
	return 0;
}

/* Every test ends without a handle, a descriptor or a child of ours. */
static int teardown(void **state)
{
	struct fixture *f = *state;
	loop_close(f->l);
	assert_int_equal(support_open_fds(), f->fds_before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	int rc = fs_remove_tree(f->dir, NULL);
	free(f);
	return rc;
}

static void on_exit_told(const struct loop_exit *e, void *arg)
{
	struct result *r = arg;
	r->calls++;
	r->code = e->code;
	r->signum = e->signum;
	r->err = e->err.code;
	(void)snprintf(r->msg, sizeof(r->msg), "%s", e->err.msg);
	buf_reset(&r->out);
	buf_add(&r->out, e->out, e->out_len);
	assert_int_equal(strlen(e->out), e->out_len);
	r->done = true;
}

enum { ARGS = 4 };

static struct loop_process *start(struct fixture *f, const struct loop_spawn *options, const char *script, struct result *r)
{
	char *argv[ARGS] = {xstrdup("sh"), xstrdup("-c"), xstrdup(script), NULL};
	struct loop_spawn s = *options;
	s.file = "/bin/sh";
	s.argv = argv;
	if (s.max_output == 0)
		s.max_output = 100000;
	*r = (struct result){0};
	struct loop_process *p = loop_process_start(f->l, &s, on_exit_told, r);
	assert_int_equal(r->calls, 0); /* never inside the call */
	for (int i = 0; i < ARGS; i++)
		free(argv[i]);
	return p;
}

static void run(struct fixture *f, const struct loop_spawn *options, const char *script, struct result *r)
{
	(void)start(f, options, script, r);
	assert_true(loop_run_until(f->l, &r->done, 10000));
	bool never = false;
	(void)loop_run_until(f->l, &never, 20);
	assert_int_equal(r->calls, 1);
}

static const struct loop_spawn plain = {0};

static void test_exits(void **state)
{
	static const struct {
		const char *script, *out;
		int code, signum;
	} cases[] = {
		{"exit 0", "", 0, 0},
		{"echo hello; exit 7", "hello\n", 7, 0},
		{"kill -9 $$", "", -1, SIGKILL},
		{"printf a; kill -15 $$", "a", -1, SIGTERM},
		{"exec >&-; exit 3", "", 3, 0},                      /* EOF first, exit later */
		{"(sleep 0.1; echo late) & echo early", "early\nlate\n", 0, 0}, /* exit first, EOF later */
		{"cat", "", 0, 0},                                   /* no input: /dev/null */
		{"env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD=", "", 1, 0}, /* an empty environment */
		{"ls /proc/self/fd | wc -l", "4\n", 0, 0},           /* 0, 1, 2 and ls's own */
	};
	struct fixture *f = *state;
	int leak = open("/dev/null", O_RDONLY); /* as if whoever started us had left it open */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct result r;
		run(f, &plain, cases[i].script, &r);
		if (r.code != cases[i].code || r.signum != cases[i].signum || r.err != 0 || strcmp(buf_str(&r.out), cases[i].out) != 0)
			fail_msg("%s gave %d %d %s: %s", cases[i].script, r.code, r.signum, r.msg, buf_str(&r.out));
		buf_free(&r.out);
	}
	(void)close(leak);
}

static void test_environment_and_default_signals(void **state)
{
	struct fixture *f = *state;
	char *env[] = {xstrdup("WORD=deep"), NULL};
	struct result r;
	/* Signals 1 to 28: the C library keeps 32 and 33 for itself, and make leaves them ignored in all that it starts. */
	run(f, &(struct loop_spawn){.envp = env}, "echo $WORD; sed -n 's/^SigIgn:.*\\(.......\\)$/\\1/p' /proc/self/status", &r);
	assert_string_equal(buf_str(&r.out), "deep\n0000000\n"); /* our ignored SIGPIPE is not theirs */
	buf_free(&r.out);
	free(env[0]);
}

static void test_input(void **state)
{
	struct fixture *f = *state;
	size_t len = 300000; /* more than a pipe holds */
	char *input = xmalloc(len);
	memset(input, 'i', len);
	struct result r;
	run(f, &(struct loop_spawn){.input = input, .input_len = len, .max_output = len}, "cat", &r);
	assert_int_equal(r.out.len, len);
	assert_memory_equal(r.out.data, input, len);
	buf_free(&r.out);
	run(f, &(struct loop_spawn){.input = input, .input_len = len}, "head -c 10", &r); /* does not read it all */
	assert_string_equal(buf_str(&r.out), "iiiiiiiiii");
	assert_int_equal(r.code, 0);
	buf_free(&r.out);
	run(f, &(struct loop_spawn){.input = "secret", .input_len = 6}, "cat /dev/stdin", &r); /* a real pipe, not a socket */
	assert_string_equal(buf_str(&r.out), "secret");
	buf_free(&r.out);
	free(input);
}

static void test_output_limit(void **state)
{
	struct fixture *f = *state;
	struct result r;
	run(f, &(struct loop_spawn){.max_output = 1000}, "head -c 1000 /dev/zero | tr '\\0' x", &r);
	assert_int_equal(r.err, 0);
	assert_int_equal(r.out.len, 1000);
	buf_free(&r.out);
	run(f, &(struct loop_spawn){.max_output = 1000}, "yes", &r);
	assert_int_equal(r.err, ERR_LIMIT);
	assert_string_equal(r.msg, "its output is larger than 1000 bytes");
	assert_int_equal(r.signum, SIGKILL);
	buf_free(&r.out);
}

static void test_timeout(void **state)
{
	struct fixture *f = *state;
	struct result r;
	run(f, &(struct loop_spawn){.timeout_ms = 50}, "echo begun; sleep 100", &r);
	assert_int_equal(r.err, ERR_TIMEOUT);
	assert_int_equal(r.signum, SIGKILL);
	assert_string_equal(buf_str(&r.out), "begun\n");
	buf_free(&r.out);
	/* the leader is gone, somebody of another session holds stdout: the deadline ends that, too */
	run(f, &(struct loop_spawn){.timeout_ms = 200}, "setsid sleep 1 & exit 5", &r);
	assert_int_equal(r.err, ERR_TIMEOUT);
	assert_int_equal(r.code, 5);
	buf_free(&r.out);
}

static void test_messages_go_to_a_file(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *path = fs_join(f->dir, "stderr");
	struct result r;
	for (int i = 0; i < 2; i++) {
		run(f, &(struct loop_spawn){.stderr_path = path}, "echo trouble >&2; echo fine", &r);
		assert_string_equal(buf_str(&r.out), "fine\n");
		buf_free(&r.out);
	}
	CLEANUP_BUF struct buf text = {0};
	assert_int_equal(fs_read(path, 1000, &text, NULL), 0);
	assert_string_equal(buf_str(&text), "trouble\ntrouble\n");
}

static void test_failed_starts(void **state)
{
	struct fixture *f = *state;
	char *argv[] = {xstrdup("x"), NULL};
	static const struct loop_spawn cases[] = {
		{.file = "/nonexistent/program"},
		{.file = "/etc/passwd"},
		{.file = "/bin/sh", .stderr_path = "/nonexistent/dir/file"},
		{.file = "/nonexistent/program", .input = "secret", .input_len = 6},
		{.file = "/nonexistent/program", .detached = true},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct loop_spawn s = cases[i];
		struct result r = {0};
		s.argv = argv;
		struct loop_process *p = loop_process_start(f->l, &s, on_exit_told, &r);
		assert_int_equal(r.calls, 0);
		assert_int_equal(loop_process_pid(p), 0);
		loop_process_kill(p, SIGTERM); /* nobody to hit */
		assert_true(loop_run_until(f->l, &r.done, 2000));
		assert_int_equal(r.err, ERR_IO);
		assert_int_equal(r.code, -1);
		assert_non_null(strstr(r.msg, cases[i].file));
		/* forgotten before it could be told */
		p = loop_process_start(f->l, &s, on_exit_told, &r);
		loop_process_close(p);
		bool never = false;
		(void)loop_run_until(f->l, &never, 20);
		assert_int_equal(r.calls, 1);
		buf_free(&r.out);
	}
	free(argv[0]);
}

/* Waits until the process has gone, as seen from outside. */
static bool gone(struct fixture *f, pid_t pid)
{
	bool never = false;
	for (int i = 0; i < 100 && kill(pid, 0) == 0; i++)
		(void)loop_run_until(f->l, &never, 20);
	return kill(pid, 0) != 0;
}

static pid_t read_pid(const char *path)
{
	CLEANUP_BUF struct buf text = {0};
	for (int i = 0; i < 100 && (fs_read(path, 100, &text, NULL) != 0 || text.len < 2); i++)
		(void)usleep(20000);
	pid_t pid = 0;
	for (size_t i = 0; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++)
		pid = pid * 10 + (text.data[i] - '0');
	assert_true(pid > 1);
	return pid;
}

static void test_kill_reaches_the_group(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *path = fs_join(f->dir, "pid");
	CLEANUP_FREE char *script = xasprintf("sleep 100 & echo $! >%s; wait", path);
	struct result r;
	struct loop_process *p = start(f, &plain, script, &r);
	assert_int_equal(getsid(loop_process_pid(p)), loop_process_pid(p));
	pid_t grandchild = read_pid(path);
	loop_process_kill(p, SIGTERM);
	assert_true(loop_run_until(f->l, &r.done, 5000));
	assert_int_equal(r.signum, SIGTERM);
	assert_int_equal(r.err, 0); /* not one of our own reasons */
	assert_true(gone(f, grandchild));
	buf_free(&r.out);
}

static void test_close_kills_silently(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *path = fs_join(f->dir, "pid");
	CLEANUP_FREE char *script = xasprintf("sleep 100 & echo $! >%s; wait", path);
	struct result r;
	struct loop_process *p = start(f, &plain, script, &r);
	pid_t leader = loop_process_pid(p), grandchild = read_pid(path);
	loop_process_close(p);
	assert_true(gone(f, leader)); /* reaped: no zombie */
	assert_true(gone(f, grandchild));
	assert_int_equal(r.calls, 0);
	loop_process_close(NULL);
}

static void test_close_waits_for_the_dying(void **state)
{
	struct fixture *f = *state;
	struct result r;
	for (int i = 0; i < 5; i++)
		loop_process_close(start(f, &plain, "sleep 100", &r));
}

static void close_in_callback(const struct loop_exit *e, void *arg)
{
	struct loop_process **p = arg;
	assert_int_equal(e->code, 0);
	loop_process_close(*p); /* already ending: nothing happens */
	*p = NULL;
}

static void test_close_in_the_callback(void **state)
{
	struct fixture *f = *state;
	char *argv[] = {xstrdup("true"), NULL};
	struct loop_spawn s = {.file = "/bin/true", .argv = argv, .max_output = 10};
	struct loop_process *p = loop_process_start(f->l, &s, close_in_callback, &p);
	bool never = false;
	for (int i = 0; i < 200 && p != NULL; i++)
		(void)loop_run_until(f->l, &never, 10);
	assert_null(p);
	free(argv[0]);
}

static void test_detached_tells_its_exit(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *path = fs_join(f->dir, "out");
	CLEANUP_FREE char *script = xasprintf("cat >%s; exit 4", path);
	struct result r;
	run(f, &(struct loop_spawn){.detached = true, .input = "spec", .input_len = 4}, script, &r);
	assert_int_equal(r.code, 4);
	assert_int_equal(r.out.len, 0);
	CLEANUP_BUF struct buf text = {0};
	assert_int_equal(fs_read(path, 100, &text, NULL), 0);
	assert_string_equal(buf_str(&text), "spec");
	buf_free(&r.out);
}

static void test_detached_goes_on_without_us(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *path = fs_join(f->dir, "pid");
	CLEANUP_FREE char *script = xasprintf("echo $$ >%s; sleep 100", path);
	struct result r;
	struct loop_process *p = start(f, &(struct loop_spawn){.detached = true}, script, &r);
	pid_t pid = read_pid(path);
	assert_int_equal(pid, loop_process_pid(p));
	loop_process_close(p);
	loop_close(f->l);
	assert_int_equal(kill(pid, 0), 0);
	assert_int_equal(kill(-pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(r.calls, 0);
	f->l = loop_new();
}

static void count_done(const struct loop_exit *e, void *arg)
{
	struct result *r = arg;
	assert_int_equal(e->code, 0);
	r->done = ++r->calls == 40;
}

static void test_many_at_once(void **state)
{
	struct fixture *f = *state;
	char *argv[] = {xstrdup("true"), NULL};
	struct loop_spawn s = {.file = "/bin/true", .argv = argv, .max_output = 10, .timeout_ms = 20000};
	struct result r = {0};
	for (int i = 0; i < 40; i++)
		(void)loop_process_start(f->l, &s, count_done, &r);
	assert_true(loop_run_until(f->l, &r.done, 20000));
	free(argv[0]);
}

int main(void)
{
	loop_close(loop_new()); /* libuv opens its signal pipe once a process: before descriptors are counted */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_exits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_environment_and_default_signals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_input, setup, teardown),
		cmocka_unit_test_setup_teardown(test_output_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_messages_go_to_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failed_starts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kill_reaches_the_group, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_kills_silently, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_waits_for_the_dying, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_in_the_callback, setup, teardown),
		cmocka_unit_test_setup_teardown(test_detached_tells_its_exit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_detached_goes_on_without_us, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_at_once, setup, teardown),
	};
	return cmocka_run_group_tests_name("loop_process", tests, NULL, NULL);
}
