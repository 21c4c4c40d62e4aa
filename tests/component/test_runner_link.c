/* Jobs that lose their daemon or their runner, with an engine double in the real sandbox. */
#include "base/clock.h"
#include "base/frame.h"
#include "base/fs.h"
#include "tests/support/runner_support.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void open_double(struct scene *s, const char *mode)
{
	scene_open(s, runner_support_double());
	scene_file(s, "mode", mode);
}

static void run_mode(struct scene *s, const char *mode, enum job_outcome outcome, const char *step)
{
	scene_file(s, "mode", mode);
	assert_int_equal(scene_run(s), 0);
	if (s->exit.outcome != outcome)
		fail_msg("%s: %s, %s", mode, job_outcome_name(s->exit.outcome), s->error);
	assert_string_equal(s->exit.step, step);
}

/* An apply needs a plan: makes one, then changes the mode. */
static void to_apply(struct scene *s, const char *mode)
{
	free(s->spec.plan_in);
	s->spec.plan_in = NULL;
	s->spec.phase = PHASE_PLAN;
	scene_next_job(s);
	run_mode(s, "plain", JOB_OK, "show");
	scene_then_apply(s);
	scene_file(s, "mode", mode);
}

/* A snapshot is on disk while the apply still runs, so that a machine that dies leaves it behind. */
static void snapshots_while_it_runs_and_kill_leaves_nothing(void **state)
{
	(void)state;
	struct scene s;
	open_double(&s, "plain");
	to_apply(&s, "apply-hang");
	pid_t pid = scene_start(&s);
	CLEANUP_FREE char *facts = scene_job_file(&s, "state.json"), *point = scene_job_file(&s, "point"),
			  *record = scene_job_file(&s, "exit.json");
	for (int64_t end = clock_mono_ms() + 10000; !fs_exists(facts) && clock_mono_ms() < end; (void)usleep(10000))
		continue;
	assert_true(fs_exists(facts) && fs_exists(point));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_true(WIFSIGNALED(scene_wait(&s, pid)));
	assert_true(runner_support_no_orphans() >= 1); /* bubblewrap at least outlived its parent, for a moment */
	assert_false(fs_exists(record));
	CLEANUP_BUF struct buf clear = {0};
	scene_unseal(&s, "state.enc", "state", &clear);
	assert_non_null(strstr(buf_str(&clear), "\"serial\":1,"));
	assert_int_not_equal(scene_run(&s), 0); /* it passed the point: never again */
	assert_false(fs_exists(record));
	scene_close(&s);
}

static int listen_unix(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	(void)unlink(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static void hears(int fd, const char *want)
{
	struct err err = {0};
	CLEANUP_BUF struct buf f = {0};
	if (frame_read(fd, 4096, &f, &err) != 0)
		fail_msg("%s instead of %s", err.msg, want);
	assert_string_equal(buf_str(&f), want);
}

static void daemon_comes_and_goes(void **state)
{
	(void)state;
	static const char cancel[] = "{\"type\":\"cancel\"}";
	struct scene s;
	struct err err = {0};
	open_double(&s, "hang");
	s.spec.socket_path = fs_join(s.root, "sock");
	pid_t pid = scene_start(&s); /* nobody listens yet */
	assert_true(scene_log_has(&s, "hanging"));
	int server = listen_unix(s.spec.socket_path);
	int c = accept(server, NULL, NULL);
	hears(c, "{\"type\":\"hello\",\"job\":1}");
	hears(c, "{\"type\":\"step\",\"job\":1,\"step\":\"plan\"}");
	(void)close(c);
	(void)close(server);
	(void)usleep(300000); /* away */
	server = listen_unix(s.spec.socket_path);
	c = accept(server, NULL, NULL);
	hears(c, "{\"type\":\"hello\",\"job\":1}");
	hears(c, "{\"type\":\"step\",\"job\":1,\"step\":\"plan\"}");
	assert_int_equal(frame_write(c, "not json", 8, &err), 0); /* harmless */
	assert_int_equal(frame_write(c, cancel, sizeof(cancel) - 1, &err), 0);
	hears(c, "{\"type\":\"exit\",\"job\":1}");
	CLEANUP_FREE char *record = scene_job_file(&s, "exit.json");
	assert_true(fs_exists(record));
	assert_int_equal(scene_wait(&s, pid), 0);
	assert_int_equal(s.exit.outcome, JOB_CANCELLED);
	(void)close(c);
	(void)close(server);
	scene_close(&s);
}

static void two_runners_of_one_job(void **state)
{
	(void)state;
	struct scene s;
	open_double(&s, "hang");
	pid_t pid = scene_start(&s);
	assert_true(scene_log_has(&s, "hanging"));
	assert_int_equal(WEXITSTATUS(scene_run(&s)), 3); /* the lock is held */
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(scene_wait(&s, pid), 0);
	assert_int_equal(s.exit.outcome, JOB_CANCELLED);
	assert_int_equal(WEXITSTATUS(scene_run(&s)), 3); /* there is a record */
	scene_close(&s);
}

static void twenty_jobs_leave_no_process(void **state)
{
	(void)state;
	struct scene s;
	pid_t pids[20];
	open_double(&s, "orphan");
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 5; i++) {
			scene_next_job(&s);
			pids[i] = scene_start(&s);
		}
		for (int i = 0; i < 5; i++) {
			int status = -1;
			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			assert_int_equal(status, 0);
		}
	}
	(void)runner_support_no_orphans(); /* only that it comes to its end counts */
	scene_close(&s);
}

int main(int argc, char **argv)
{
	runner_support_role(argc, argv);
	if (!fs_exists("/usr/bin/bwrap")) {
		print_message("skipped: bubblewrap is not installed\n");
		return 0;
	}
	runner_support_adopt_orphans();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(snapshots_while_it_runs_and_kill_leaves_nothing),
		cmocka_unit_test(daemon_comes_and_goes),
		cmocka_unit_test(two_runners_of_one_job),
		cmocka_unit_test(twenty_jobs_leave_no_process),
	};
	return cmocka_run_group_tests_name("runner_link", tests, NULL, NULL);
}
