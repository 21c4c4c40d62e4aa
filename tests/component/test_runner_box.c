/* The job runner with an engine double in the real sandbox: what hangs, floods, crashes, lies, or looks around. */
#include "base/clock.h"
#include "base/fs.h"
#include "tests/support/runner_support.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
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

/* ---- what the box shows ---- */

static void has_line(const char *log, const char *line)
{
	CLEANUP_FREE char *whole = xasprintf("\n%s\n", line);
	if (strstr(log, whole) == NULL)
		fail_msg("no line \"%s\" in:\n%s", line, log);
}

static int listen_on_loopback(int *ret_port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static void box_shows_only_the_job(void **state)
{
	(void)state;
	struct scene s;
	int port = 0;
	CLEANUP_FD int server = listen_on_loopback(&port);
	assert_true(server >= 0);
	CLEANUP_FREE char *mode = xasprintf("probe %d", port);
	open_double(&s, mode);
	scene_file(&s, "other/secret.txt", "x");
	CLEANUP_FREE char *evil = fs_join(s.tree, "evil"), *out = fs_join(s.tree, "out");
	assert_int_equal(symlink("/etc/shadow", evil), 0);
	assert_int_equal(symlink("../../../../..", out), 0);
	assert_int_equal(setenv("SECRET_TOKEN", "leak", 1), 0);
	assert_true(dup2(open("/", O_RDONLY), 77) == 77); /* without O_CLOEXEC: reaches the runner, must not reach the box */
	assert_int_equal(scene_run(&s), 0);
	(void)close(77);
	CLEANUP_FREE char *log = scene_read(&s, "log");
	static const char *const lines[] = {
		"fds: 0 1 2",
		"uid 65534 gid 65534",
		"network no",
		"environ of 1: 0",
		"memory of job-init: no",
		"trace job-init: no",
		"shadow no",
		"escape no",
		"shell no",
		"change input yes",
		"remove input yes",
		"write beside yes",
		"write outside no",
		"write home yes",
		"mount no",
		"oom score 800",
		"nested namespace no",
		"env PATH=/bin",
		"env HOME=/home",
		"env TMPDIR=/tmp",
		"env LANG=C.UTF-8",
		"env TF_IN_AUTOMATION=1",
		"env TF_INPUT=0",
		"env CHECKPOINT_DISABLE=1",
		"env TF_DATA_DIR=/tmp/tfdata",
		"env TF_CLI_CONFIG_FILE=/etc/tfrc",
		"env SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
	};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		has_line(log, lines[i]);
	assert_null(strstr(log, "SECRET_TOKEN"));
	size_t env = 0;
	for (const char *p = log; (p = strstr(p, "\nenv ")) != NULL; p++)
		env++;
	assert_int_equal(env, 11); /* the ten, and PWD of bubblewrap's --chdir */
	scene_close(&s);
}

static void project_below_sees_the_tree_read_only(void **state)
{
	(void)state;
	struct scene s;
	scene_open(&s, runner_support_double());
	scene_file(&s, "a/b/mode", "probe 1");
	scene_file(&s, "other.txt", "x");
	free(s.spec.dir);
	s.spec.dir = xstrdup("a/b");
	assert_int_equal(scene_run(&s), 0);
	CLEANUP_FREE char *log = scene_read(&s, "log");
	has_line(log, "change tree no");
	has_line(log, "change input yes"); /* of its own copy */
	CLEANUP_FREE char *input = fs_join(s.tree, "a/b/mode");
	assert_int_equal(fs_size(input), 7);
	has_line(log, "write beside yes");
	CLEANUP_FREE char *beside = fs_join(s.tree, "a/b/beside");
	assert_false(fs_exists(beside));
	scene_close(&s);
}

static void directories_that_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *dir, *workspace, *error;
	} cases[] = {
		{"nowhere", "default", "project directory nowhere does not exist in this commit"},
		{"mode", "default", "project directory mode does not exist in this commit"},
		{"link", "default", "leads through a symbolic link or out of the repository"},
		{"link/sub", "default", "leads through a symbolic link or out of the repository"},
		{"..", "default", "leads through a symbolic link or out of the repository"},
		{"real/../..", "default", "leads through a symbolic link or out of the repository"},
		{".", "../x", "a workspace name has no slash"},
		{".", "..", "a workspace name has no slash"},
	};
	struct scene s;
	open_double(&s, "plain");
	scene_file(&s, "real/sub/mode", "plain");
	CLEANUP_FREE char *link = fs_join(s.tree, "link");
	assert_int_equal(symlink("real", link), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		free(s.spec.dir);
		free(s.spec.workspace);
		s.spec.dir = xstrdup(cases[i].dir);
		s.spec.workspace = xstrdup(cases[i].workspace);
		scene_next_job(&s);
		assert_int_equal(scene_run(&s), 0);
		assert_int_equal(s.exit.outcome, JOB_BROKEN);
		assert_int_equal(s.exit.engine_starts, 0);
		if (strstr(s.error, cases[i].error) == NULL)
			fail_msg("%s: %s", cases[i].dir, s.error);
	}
	scene_close(&s);
}

/* ---- ends ---- */

static void engines_that_misbehave(void **state)
{
	(void)state;
	static const struct {
		const char *mode, *step, *error;
		enum job_outcome outcome;
	} cases[] = {
		{"silent", "plan", "terraform plan ended with status 9 and no error message, see the log", JOB_FAILED},
		{"crash", "plan", "Terraform was killed by signal 6 during plan", JOB_FAILED},
		{"noplan", "show", "the engine left no plan file", JOB_BROKEN},
		{"fifo", "show", "the plan file could not be read out of the sandbox", JOB_BROKEN},
		{"link", "show", "the plan file could not be read out of the sandbox", JOB_BROKEN},
		{"show-large", "show", "the plan as JSON is larger than 2097152 bytes: split the project", JOB_BROKEN},
		{"show-huge", "show", "the summary of the plan is larger than 16777216 bytes: split the project", JOB_BROKEN},
		{"orphan", "show", "", JOB_OK},
		{"init-needed", "show", "", JOB_OK},
	};
	struct scene s;
	open_double(&s, "plain");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		scene_next_job(&s);
		int64_t t = clock_mono_ms();
		run_mode(&s, cases[i].mode, cases[i].outcome, cases[i].step);
		assert_string_equal(s.error, cases[i].error);
		assert_true(clock_mono_ms() - t < 5000); /* nothing waits for what was left behind */
	}
	assert_int_equal(s.exit.engine_starts, 4);
	scene_close(&s);
}

static void log_has_a_ceiling(void **state)
{
	(void)state;
	struct scene s;
	open_double(&s, "flood");
	s.spec.output_max = 100000;
	assert_int_equal(scene_run(&s), 0);
	assert_int_equal(s.exit.outcome, JOB_OK);
	CLEANUP_FREE char *log = scene_read(&s, "log");
	assert_true(strlen(log) > 100000 && strlen(log) < 100000 + 100);
	assert_non_null(strstr(log, "the log is cut here"));
	scene_close(&s);
}

/* SIGTERM is a cancel too. */
static void cancel_is_gentle_then_firm(void **state)
{
	(void)state;
	static const struct {
		const char *mode;
		int64_t at_least_ms, at_most_ms;
		int exit_code;
	} cases[] = {{"hang", 0, RUNNER_SUPPORT_GRACE_MS, 1},
		     {"stubborn", RUNNER_SUPPORT_GRACE_MS, RUNNER_SUPPORT_GRACE_MS + 1500, 128 + SIGKILL}};
	struct scene s;
	open_double(&s, "hang");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		scene_file(&s, "mode", cases[i].mode);
		scene_next_job(&s);
		pid_t pid = scene_start(&s);
		assert_true(scene_log_has(&s, "hanging"));
		int64_t t = clock_mono_ms();
		assert_int_equal(kill(pid, SIGTERM), 0);
		assert_int_equal(scene_wait(&s, pid), 0);
		t = clock_mono_ms() - t;
		assert_true(t >= cases[i].at_least_ms && t < cases[i].at_most_ms);
		assert_int_equal(s.exit.outcome, JOB_CANCELLED);
		assert_string_equal(s.error, "cancelled during plan");
		assert_int_equal(s.exit.exit_code, cases[i].exit_code);
	}
	scene_close(&s);
}

static void time_limit_ends_a_plan(void **state)
{
	(void)state;
	struct scene s;
	open_double(&s, "hang");
	s.spec.timeout_ms = 1000;
	int64_t t = clock_mono_ms();
	assert_int_equal(scene_run(&s), 0);
	t = clock_mono_ms() - t;
	assert_true(t >= 1000 && t < 1000 + RUNNER_SUPPORT_GRACE_MS);
	assert_int_equal(s.exit.outcome, JOB_TIMEOUT);
	assert_string_equal(s.error, "stopped after 1 s, the time limit of this phase during plan");
	scene_close(&s);
}

/* Whatever comes out of the box instead of the protocol: the job is over, the runner is not. */
static void boxes_that_lie(void **state)
{
	(void)state;
	static const char nonsense[] = "the sandbox answered what it was not asked and was killed",
			  late[] = "the sandbox did not end in time and was killed";
	static const struct {
		const char *mode, *error;
		enum job_outcome outcome;
	} cases[] = {
		{"evil-exit", "the sandbox does not start: no reason given", JOB_BROKEN},
		{"evil-length", "the sandbox does not start: no reason given", JOB_BROKEN},
		{"evil-type", nonsense, JOB_BROKEN},
		{"evil-step", nonsense, JOB_BROKEN},
		{"evil-export", nonsense, JOB_BROKEN},
		{"evil-short", nonsense, JOB_BROKEN},
		{"evil-twice", nonsense, JOB_BROKEN},
		{"evil-status", nonsense, JOB_BROKEN},
		{"evil-silent", late, JOB_TIMEOUT},
		{"evil-flood", late, JOB_TIMEOUT},
	};
	struct scene s;
	open_double(&s, "plain");
	s.spec.timeout_ms = 500;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		scene_next_job(&s);
		CLEANUP_FREE char *job_init = scene_job_file(&s, "job-init");
		assert_int_equal(symlink(runner_support_double(), job_init), 0);
		scene_file(&s, "mode", cases[i].mode);
		assert_int_equal(scene_run(&s), 0);
		if (s.exit.outcome != cases[i].outcome || strcmp(s.error, cases[i].error) != 0)
			fail_msg("%s: %s, %s", cases[i].mode, job_outcome_name(s.exit.outcome), s.error);
	}
	scene_close(&s);
}

/* A host that masks parts of /proc does not let anybody mount a new one: the job runs without, and the log says so. */
static void masked_proc_is_lived_with(void **state)
{
	(void)state;
	struct scene s;
	open_double(&s, "probe 1");
	pid_t pid = fork();
	if (pid == 0) { /* a mount namespace of its own, as a container would have */
		if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		    mount("/proc/sys", "/proc/sys", NULL, MS_BIND, NULL) != 0 ||
		    mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) != 0)
			_exit(77);
		_exit(scene_run(&s) == 0 ? 0 : 1);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WEXITSTATUS(status) == 77) {
		scene_close(&s);
		print_message("skipped: mounting needs root\n");
		skip();
	}
	assert_int_equal(status, 0);
	CLEANUP_FREE char *log = scene_read(&s, "log"), *record = scene_read(&s, "exit.json");
	assert_non_null(strstr(log, "sluice: this host does not allow a /proc in the sandbox, running without one\n"));
	if (strstr(log, "environ of 1: -1") == NULL)
		fail_msg("%s", record);
	has_line(log, "processes:");
	assert_non_null(strstr(record, "\"outcome\":\"ok\""));
	scene_close(&s);
}

int main(int argc, char **argv)
{
	runner_support_role(argc, argv);
	if (!fs_exists("/usr/bin/bwrap")) {
		print_message("skipped: bubblewrap is not installed\n");
		return 0;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(box_shows_only_the_job),
		cmocka_unit_test(project_below_sees_the_tree_read_only),
		cmocka_unit_test(directories_that_are_refused),
		cmocka_unit_test(engines_that_misbehave),
		cmocka_unit_test(log_has_a_ceiling),
		cmocka_unit_test(cancel_is_gentle_then_firm),
		cmocka_unit_test(time_limit_ends_a_plan),
		cmocka_unit_test(boxes_that_lie),
		cmocka_unit_test(masked_proc_is_lived_with),
	};
	return cmocka_run_group_tests_name("runner box", tests, NULL, NULL);
}
