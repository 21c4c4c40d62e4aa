/* The real sandbox, looked at from inside by an engine double: only the job is there. */
#include "base/clock.h"
#include "base/fs.h"
#include "runner/box.h"
#include "tests/support/runner_support.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void open_double(struct scene *s, const char *mode)
{
	scene_open(s, runner_support_double());
	scene_file(s, "mode", mode);
}

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
		"processes:",
		"uid 65534 gid 65534",
		"network no",
		"environ of 1: -1",
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

/* With the host's programs comes a /proc, of the job's own processes. */
static void compat_shows_no_more_than_it_says(void **state)
{
	(void)state;
	struct scene s;
	open_double(&s, "probe 1");
	s.spec.profile = PROFILE_COMPAT;
	assert_int_equal(scene_run(&s), 0);
	CLEANUP_FREE char *log = scene_read(&s, "log");
	static const char *const lines[] = {"fds: 0 1 2", "memory of job-init: no", "trace job-init: no", "shadow no", "shell yes",
					    "write outside no", "mount no", "oom score 800", "nested namespace no", "network no"};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		has_line(log, lines[i]);
	if (strstr(log, "\nenviron of 1: 0\n") == NULL && strstr(log, "\nenviron of 1: -1\n") == NULL) /* empty, or not to be read */
		fail_msg("%s", log);
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

/* A host that masks parts of /proc does not let anybody mount a new one: the job runs without, and the log says so. */
static void masked_proc_is_lived_with(void **state)
{
	(void)state;
	struct scene s;
	open_double(&s, "probe 1");
	s.spec.profile = PROFILE_COMPAT;
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
	if (status != 0)
		fail_msg("status %d", status);
	CLEANUP_FREE char *log = scene_read(&s, "log"), *record = scene_read(&s, "exit.json");
	assert_non_null(strstr(log, "sluice: this host does not allow a /proc in the sandbox, running without one\n"));
	if (strstr(log, "environ of 1: -1") == NULL)
		fail_msg("%s", record);
	has_line(log, "processes:");
	if (strstr(record, "\"outcome\":\"ok\"") == NULL)
		fail_msg("%s\n%s", record, log);
	scene_close(&s);
}

/* What bubblewrap has started and not yet tied to itself when it is killed. */
static void nothing_of_a_box_survives_its_end(void **state)
{
	(void)state;
	struct scene s;
	struct box b;
	struct err err = {0};
	char word[4] = "";
	scene_open(&s, runner_support_double());
	scene_file(&s, "launcher", "#!/bin/sh\n/bin/sleep 1000 &\necho up >&4\nwait\n");
	CLEANUP_FREE char *launcher = fs_join(s.tree, "launcher");
	assert_int_equal(chmod(launcher, 0755), 0);
	const struct box_order o = {.spec = &s.spec, .job_init = launcher, .launcher = launcher, .net = -1, .oom_fd = -1};
	assert_int_equal(box_start(&o, &b, &err), 0);
	CLEANUP_FD int result = dup(b.result);
	assert_int_equal(read(result, word, 3), 3);
	assert_string_equal(word, "up\n");
	box_end(&b);
	struct pollfd p = {.fd = result, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 5000), 1); /* its end: nobody holds the other end any more */
	assert_int_equal(read(result, word, 1), 0);
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
		cmocka_unit_test(compat_shows_no_more_than_it_says),
		cmocka_unit_test(project_below_sees_the_tree_read_only),
		cmocka_unit_test(directories_that_are_refused),
		cmocka_unit_test(masked_proc_is_lived_with),
		cmocka_unit_test(nothing_of_a_box_survives_its_end),
	};
	return cmocka_run_group_tests_name("box", tests, NULL, NULL);
}
