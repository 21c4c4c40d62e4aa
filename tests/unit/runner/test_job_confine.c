/* What closes sluice-job-init in, for real: around children of this test, and around engines. */
#include "runner/job_confine.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <netinet/in.h>

static char root[] = "/tmp/test-confine-XXXXXX";

static bool has_landlock(void) { return syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* version */) > 0; }

static int landlock_version(void) { return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1); }

static void confine(bool compat, const char *engine)
{
	struct confine_applied applied;
	struct confine_paths paths = {.engine = engine, .compat = compat};
	int rc = confine_landlock(&paths, &applied);
	if (rc != 0 && has_landlock())
		_exit(100);
	if (confine_seccomp(compat) != 0)
		_exit(101);
}

/* Carries out `what` in a confined child: 0 when it could, else its errno. */
static int in_child(bool compat, int (*what)(void))
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		confine(compat, "/nonexistent");
		errno = 0;
		_exit(what() < 0 ? errno : 0);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static char path[200];
static int port_open;
static pid_t watcher;

static int try_write_root(void) { return open("/sluice-test-write", O_CREAT | O_WRONLY, 0600); }
static int try_write_tmp(void)
{
	(void)snprintf(path, sizeof(path), "%s/new", root);
	return open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
}
static int try_write_null(void) { return open("/dev/null", O_WRONLY); }
static int try_read_passwd(void) { return open("/etc/passwd", O_RDONLY); }
static int try_list_root(void) { return open("/", O_RDONLY | O_DIRECTORY); }
/* Has no meaning as a program: ENOEXEC says that the kernel would have started it. */
static int try_execute_own_file(void)
{
	(void)snprintf(path, sizeof(path), "%s/program", root);
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0700);
	if (fd < 0 || write(fd, "no program", 10) != 10)
		_exit(102);
	(void)close(fd);
	char *argv[] = {path, NULL};
	return execv(path, argv);
}
static int try_execute_host(void)
{
	static char name[] = "/usr/bin/true";
	char *argv[] = {name, NULL};
	return execv(name, argv);
}
static int try_execute_memory(void)
{
	static char name[] = "x";
	char *argv[] = {name, NULL};
	int fd = (int)syscall(SYS_memfd_create, "x", 0);
	if (fd < 0)
		return -1;
	return (int)syscall(SYS_execveat, fd, "", argv, argv + 1, 0x1000 /* AT_EMPTY_PATH */);
}
static int try_connect(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&a, sizeof(a));
}
static int try_connect_open_port(void) { return try_connect(port_open); }
static int try_connect_proxy_port(void) { return try_connect(3128); }
static int try_listen(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : bind(fd, (struct sockaddr *)&a, sizeof(a));
}
static int try_udp(void) { return socket(AF_INET, SOCK_DGRAM, 0); }
static int try_abstract(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "\0sluice-test-confine"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 20));
}
static int try_signal_outside(void) { return kill(watcher, 0); }
static int try_signal_child(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	int rc = kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return rc;
}
/* A step: its parent is out of reach, its children are not, and the parent reaches it. */
static int try_signal_from_a_step(void)
{
	int ready[2];
	char byte = 0;
	if (pipe(ready) != 0)
		_exit(102);
	pid_t pid = fork();
	if (pid == 0) {
		int rc = confine_step();
		bool held = kill(getppid(), 0) != 0 && errno == EPERM && try_signal_child() == 0;
		if (rc != 0 || !held || write(ready[1], "r", 1) != 1)
			_exit(0);
		(void)pause();
	}
	(void)close(ready[1]);
	bool held = read(ready[0], &byte, 1) == 1 && kill(pid, SIGKILL) == 0;
	(void)waitpid(pid, NULL, 0);
	errno = EBADE; /* as no system call answers */
	return held ? 0 : -1;
}
static int try_namespace(void) { return unshare(CLONE_NEWUSER); }
static int try_set_uid_bit(void)
{
	(void)snprintf(path, sizeof(path), "%s/suid", root);
	int fd = open(path, O_CREAT | O_WRONLY, 0700);
	return fd < 0 ? -1 : fchmod(fd, 04755);
}
static int try_device_ioctl(void)
{
	int n, fd = open("/dev/zero", O_RDONLY);
	return ioctl(fd, FIONREAD, &n);
}
static int try_mknod_fifo(void)
{
	(void)snprintf(path, sizeof(path), "%s/fifo", root);
	(void)unlink(path);
	return mknod(path, S_IFIFO | 0600, 0);
}

static void walls_hold(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int (*what)(void);
		int strict, compat;
		int since; /* version of Landlock, 0: the filter alone */
	} cases[] = {
		{"write below /", try_write_root, EACCES, EACCES, 1},
		{"write below /tmp", try_write_tmp, 0, 0, 0},
		{"write to /dev/null", try_write_null, 0, 0, 0},
		{"read /etc/passwd", try_read_passwd, 0, 0, 0},
		{"list /", try_list_root, 0, 0, 0},
		{"execute what it wrote", try_execute_own_file, EACCES, ENOEXEC, 1},
		{"execute a host program", try_execute_host, EACCES, 0, 1},
		{"execute memory", try_execute_memory, ENOSYS, ENOEXEC, 0},
		{"connect to another port", try_connect_open_port, EACCES, EACCES, 4},
		{"connect to the proxy's port", try_connect_proxy_port, ECONNREFUSED, ECONNREFUSED, 0},
		{"listen", try_listen, EACCES, EACCES, 4},
		{"udp", try_udp, EACCES, 0, 0},
		{"abstract socket", try_abstract, EPERM, EPERM, 6},
		{"signal outside", try_signal_outside, EPERM, EPERM, 6},
		{"signal to a child", try_signal_child, 0, 0, 0},
		{"signal from a step", try_signal_from_a_step, 0, 0, 6},
		{"namespace", try_namespace, EPERM, EPERM, 0},
		{"set-user-id bit", try_set_uid_bit, ENOSYS, ENOSYS, 0},
		{"ioctl on a device", try_device_ioctl, EACCES, EACCES, 5},
		{"fifo", try_mknod_fifo, 0, 0, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (cases[i].since > landlock_version() && cases[i].since > 0) {
			print_message("# %s: not looked at, this kernel has version %d of Landlock\n", cases[i].name, landlock_version());
			continue;
		}
		int strict = in_child(false, cases[i].what), compat = in_child(true, cases[i].what);
		if (strict != cases[i].strict || compat != cases[i].compat)
			fail_msg("%s: strict %d (%s), compat %d (%s)", cases[i].name, strict, strerror(strict), compat, strerror(compat));
	}
}

static void applied_is_told(void **state)
{
	(void)state;
	int version = landlock_version();
	int out[2];
	assert_int_equal(pipe(out), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct confine_applied a;
		int rc = confine_landlock(&(struct confine_paths){.engine = NULL}, &a);
		_exit(write(out[1], &a, sizeof(a)) == (ssize_t)sizeof(a) ? -rc : 103);
	}
	struct confine_applied a;
	int status = -1;
	assert_int_equal(read(out[0], &a, sizeof(a)), sizeof(a));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)close(out[0]);
	(void)close(out[1]);
	assert_int_equal(a.landlock_abi, version < 0 ? 0 : version);
	assert_int_equal(WEXITSTATUS(status) != 0, version < 0);
	assert_int_equal(a.handled_net, version >= 4 ? 3 : 0);
	assert_int_equal(a.scoped, version >= 6 ? 3 : 0);
	if (version >= 5)
		assert_int_equal(a.handled_fs, 0xffff);
}

/* A kernel without Landlock answers ENOSYS; so does one behind a filter that does not know it. */
static void kernel_without_landlock_is_told(void **state)
{
	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		struct sock_filter code[] = {
			BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		};
		struct sock_fprog program = {.len = ARRAY_LEN(code), .filter = code};
		struct confine_applied a = {.landlock_abi = 9};
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
			_exit(100);
		if (confine_landlock(&(struct confine_paths){.engine = NULL}, &a) != -ENOSYS || a.landlock_abi != 0)
			_exit(101);
		_exit(confine_seccomp(false) == 0 && open("/tmp", O_RDONLY) >= 0 ? 0 : 102);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- engines ---- */

static int engine(const char *program, const char *const *args, struct buf *ret)
{
	int out[2];
	assert_int_equal(pipe(out), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char *argv[8] = {xstrdup(program)};
		for (size_t i = 0; args[i] != NULL && i < 6; i++)
			argv[i + 1] = xstrdup(args[i]);
		char *home = xasprintf("HOME=%s", root), *data = xasprintf("TF_DATA_DIR=%s/data", root),
		     *plan = xstrdup("CHECKPOINT_DISABLE=1");
		char *envp[] = {home, data, plan, NULL};
		int null = open("/dev/null", O_RDONLY);
		if (chdir(root) != 0 || dup2(null, 0) < 0 || dup2(out[1], 1) < 0 || dup2(out[1], 2) < 0)
			_exit(104);
		(void)close_range(3, ~0u, 0);
		confine(false, program);
		(void)execve(program, argv, envp);
		_exit(105);
	}
	(void)close(out[1]);
	char chunk[4096];
	for (ssize_t n; (n = read(out[0], chunk, sizeof(chunk))) > 0;)
		buf_add(ret, chunk, (size_t)n);
	(void)close(out[0]);
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void plans_with(const char *program)
{
	static const char *const version[] = {"version", NULL}, *const init[] = {"init", "-no-color", NULL},
				 *const plan[] = {"plan", "-no-color", "-out=plan.bin", NULL},
				 *const apply[] = {"apply", "-no-color", "plan.bin", NULL};
	static const char *const *const steps[] = {version, init, plan, apply};
	static const char *const says[] = {"v1.", "successfully initialized", "1 to add", "1 added"};
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		CLEANUP_BUF struct buf out = {0};
		int rc = engine(program, steps[i], &out);
		if (rc != 0 || strstr(buf_str(&out), says[i]) == NULL)
			fail_msg("%s %s: %d\n%s", program, steps[i][0], rc, buf_str(&out));
	}
}

static void engines_work(void **state)
{
	(void)state;
	struct err err = {0};
	CLEANUP_FREE char *config = fs_join(root, "main.tf"), *written = fs_join(root, "terraform.tfstate");
	static const char text[] = "resource \"terraform_data\" \"a\" {\n  input = join(\",\", fileset(\"/etc\", \"passwd\"))\n}\n";
	char *engines[] = {fs_which("terraform"), fs_which("tofu")};
	bool some = false;
	for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
		if (engines[i] == NULL)
			continue;
		some = true;
		(void)unlink(written);
		assert_int_equal(fs_write_fast(config, text, sizeof(text) - 1, 0600, &err), 0);
		plans_with(engines[i]);
		assert_true(fs_exists(written));
		free(engines[i]);
	}
	if (!some)
		skip();
}

static void cost_is_told(void **state)
{
	(void)state;
	enum { TIMES = 50 };
	int out[2];
	int64_t us[2] = {0};
	assert_int_equal(pipe(out), 0);
	for (int i = 0; i < TIMES; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			struct timespec t[3];
			struct confine_applied a;
			(void)clock_gettime(CLOCK_MONOTONIC, &t[0]);
			int rc = confine_landlock(&(struct confine_paths){.engine = "/usr/bin/true"}, &a);
			(void)clock_gettime(CLOCK_MONOTONIC, &t[1]);
			rc = confine_seccomp(false) | (has_landlock() ? rc : 0);
			(void)clock_gettime(CLOCK_MONOTONIC, &t[2]);
			int64_t took[2];
			for (int k = 0; k < 2; k++)
				took[k] = (t[k + 1].tv_sec - t[k].tv_sec) * 1000000 + (t[k + 1].tv_nsec - t[k].tv_nsec) / 1000;
			_exit(rc == 0 && write(out[1], took, sizeof(took)) == (ssize_t)sizeof(took) ? 0 : 1);
		}
		int status = -1;
		int64_t took[2];
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		assert_int_equal(read(out[0], took, sizeof(took)), sizeof(took));
		us[0] += took[0];
		us[1] += took[1];
	}
	(void)close(out[0]);
	(void)close(out[1]);
	print_message("# closing in takes: Landlock %lld us, system call filter %lld us (mean of %d)\n", (long long)us[0] / TIMES,
		      (long long)us[1] / TIMES, TIMES);
	assert_true(us[0] + us[1] < (int64_t)TIMES * 100000); /* 0.3 ms here, 15 ms in an emulator */
}

static int set_up(void **state)
{
	static struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0sluice-test-confine"};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	(void)state;
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), un = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	watcher = getpid();
	if (mkdtemp(root) == NULL || bind(tcp, (struct sockaddr *)&a, len) != 0 || listen(tcp, 8) != 0 ||
	    getsockname(tcp, (struct sockaddr *)&a, &len) != 0)
		return -1;
	port_open = ntohs(a.sin_port);
	return bind(un, (struct sockaddr *)&name, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 20)) == 0 ? listen(un, 8) : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return fs_remove_tree(root, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walls_hold),   cmocka_unit_test(applied_is_told), cmocka_unit_test(kernel_without_landlock_is_told),
		cmocka_unit_test(engines_work), cmocka_unit_test(cost_is_told),
	};
	return cmocka_run_group_tests_name("job_confine", tests, set_up, tear_down);
}
