/* The canary for real: on this host as it is, and on hosts that keep a part of the box from standing. */
#include "base/fs.h"
#include "runner/cgroup.h"
#include "runner/runner_priv.h"
#include "runner/tier.h"
#include "tests/support/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <netinet/in.h>

static char *job_init;

enum { CANNOT = 77 /* this user may not make such a host */ };

static void tell(const struct tier_report *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (!r->v[i].ok)
			print_message("# %s: %s (%s)\n", r->v[i].name, r->v[i].seen, r->v[i].fix);
}

static const struct tier_finding *bad_finding(const struct tier_report *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (!r->v[i].ok)
			return &r->v[i];
	return NULL;
}

static bool host_has_namespaces(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
	int status = 1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

/* Everything holds here but for the control group, which is a matter of who runs the test. */
static void box_of_this_host(void **state)
{
	(void)state;
	struct tier_report r;
	if (!host_has_namespaces()) {
		print_message("skipped: this host has no user namespaces\n");
		skip();
	}
	int fds = support_open_fds();
	tier_probe(job_init, &r);
	tell(&r);
	assert_int_equal(r.tier, cgroup_here(NULL) == CGROUP_NONE ? TIER_BOUNDED : TIER_FULL);
	const struct tier_finding *bad = bad_finding(&r);
	if (bad != NULL)
		assert_string_equal(bad->name, "control group");
	assert_true(r.n > 15);
	assert_int_equal(support_open_fds(), fds);
	assert_null(getenv("SLUICE_CANARY_BAIT")); /* baits stay with the child that laid them */
	tier_report_free(&r);
}

/* ---- without a box: the probes find what there is to find ---- */

static int listen_on(const void *address, socklen_t len)
{
	const struct sockaddr *a = address;
	int fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, a, len), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

struct bait_set {
	char dir[40], tcp[16], abstract[48], socket[64], file[64], pid[24];
	int fds[3];
};

static void lay(struct bait_set *b)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un un = {.sun_family = AF_UNIX}, hidden = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(in);
	(void)snprintf(b->dir, sizeof(b->dir), "/tmp/test-tier-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	assert_int_equal(chmod(b->dir, 0755), 0);
	b->fds[0] = listen_on(&in, len);
	assert_int_equal(getsockname(b->fds[0], (struct sockaddr *)&in, &len), 0);
	(void)snprintf(b->tcp, sizeof(b->tcp), "tcp=%d", ntohs(in.sin_port));
	(void)snprintf(b->abstract, sizeof(b->abstract), "abstract=test-tier-%d", getpid());
	const char *name = strchr(b->abstract, '=') + 1;
	memcpy(hidden.sun_path + 1, name, strlen(name));
	b->fds[1] = listen_on(&hidden, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)));
	(void)snprintf(b->socket, sizeof(b->socket), "socket=%s/s", b->dir);
	(void)snprintf(un.sun_path, sizeof(un.sun_path), "%s/s", b->dir);
	b->fds[2] = listen_on(&un, sizeof(un));
	assert_int_equal(chmod(un.sun_path, 0777), 0);
	(void)snprintf(b->file, sizeof(b->file), "file=%s/f", b->dir);
	assert_int_equal(fs_write_fast(b->file + 5, "x", 1, 0644, NULL), 0);
	(void)snprintf(b->pid, sizeof(b->pid), "pid=%d", getpid());
}

/* As an ordinary user in any case: it tries to write everywhere. */
static void run_unboxed(const struct bait_set *b, struct buf *out)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char program[] = "sluice-job-init", battery[] = "battery", variable[] = "SLUICE_CANARY_BAIT=x";
		struct bait_set c = *b;
		char *argv[] = {program, battery, c.tcp, c.abstract, c.socket, c.file, c.pid, NULL}, *envp[] = {variable, NULL};
		int fd = open(job_init, O_RDONLY | O_CLOEXEC);
		if (dup2(ends[1], 1) < 0 || dup2(open("/", O_RDONLY | O_CLOEXEC), 50) < 0 ||
		    (geteuid() == 0 &&
		     (setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)))
			_exit(1);
		(void)fexecve(fd, argv, envp);
		_exit(1);
	}
	(void)close(ends[1]);
	char chunk[4096];
	for (ssize_t n; (n = read(ends[0], chunk, sizeof(chunk))) > 0;)
		buf_add(out, chunk, (size_t)n);
	(void)close(ends[0]);
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void without_a_box_everything_is_found(void **state)
{
	(void)state;
	static const char *const bad[] = {"descriptors", "environment",  "processes", "host files", "network",
					  "namespaces",  "system calls", "programs",  "landlock",   "limits"};
	static const char *const lines[] = {"50:directory",       "environment=SLUICE_CANARY_BAIT",
					    "bait_file=yes",      "bait_abstract=yes",
					    "bait_socket=yes",    "seccomp=0",
					    "execute_tmp=ENOEXEC"};
	struct bait_set b;
	struct tier_report r;
	CLEANUP_BUF struct buf out = {0};
	lay(&b);
	run_unboxed(&b, &out);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (strstr(buf_str(&out), lines[i]) == NULL)
			fail_msg("no %s in\n%s", lines[i], buf_str(&out));
	buf_adds(&out, "outside_control_group=v2\noutside_isolation=full\nbox=stands\n");
	tier_judge(buf_str(&out), &r);
	assert_int_equal(r.tier, TIER_NONE);
	for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
		bool found = false;
		for (size_t i = 0; i < r.n; i++)
			found = found || (strcmp(r.v[i].name, bad[k]) == 0 && !r.v[i].ok);
		if (!found)
			fail_msg("%s is fine, in\n%s", bad[k], buf_str(&out));
	}
	tier_report_free(&r);
	for (size_t i = 0; i < ARRAY_LEN(b.fds); i++)
		(void)close(b.fds[i]);
	assert_int_equal(fs_remove_tree(b.dir, NULL), 0);
}

/* ---- hosts that are in the way ---- */

/* On a host changed by `change`: there is no box, and the fix is this. */
static void no_box_on(int (*change)(void), const char *fix)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct tier_report r;
		if (change() != 0)
			_exit(CANNOT);
		tier_probe(job_init, &r);
		tell(&r);
		bool right = r.tier == TIER_NONE && r.n == 1 && strcmp(r.v[0].name, "box") == 0 && strstr(r.v[0].fix, fix) != NULL &&
			     r.why != NULL && strstr(r.why, fix) != NULL;
		tier_report_free(&r);
		_exit(right ? 0 : 1);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT) {
		print_message("skipped: this user may not make such a host\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static int write_line(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int rc = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
	mem_close_fd(&fd);
	return rc;
}

static int take_namespaces_away(void) { return unshare(CLONE_NEWUSER) == 0 ? write_line("/proc/sys/user/max_user_namespaces", "0") : -1; }

static int own_mounts(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0)
		return -1;
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static int take_bwrap_away(void) { return own_mounts() == 0 ? mount("none", "/usr/bin", "tmpfs", 0, "") : -1; }

static void host_without_namespaces(void **state)
{
	(void)state;
	no_box_on(take_namespaces_away, "sysctl -w user.max_user_namespaces=");
}

static void host_without_bubblewrap(void **state)
{
	(void)state;
	no_box_on(take_bwrap_away, "apt-get install bubblewrap");
}

static void installation_without_job_init(void **state)
{
	(void)state;
	struct tier_report r;
	const char *launcher = runner_tuning.launcher, *inside = runner_tuning.job_init;
	runner_tuning.launcher = runner_tuning.job_init = "/nonexistent/sluice-job-init";
	tier_probe("/nonexistent/sluice-job-init", &r);
	runner_tuning.launcher = launcher;
	runner_tuning.job_init = inside;
	assert_int_equal(r.tier, TIER_NONE);
	assert_int_equal(r.n, 1);
	assert_non_null(strstr(r.why, "make install"));
	tier_report_free(&r);
}

/* Parts of /proc are masked in containers: the strict box has none, so nothing is lost; what bubblewrap cannot switch off there is told. */
static void host_with_a_masked_proc(void **state)
{
	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		struct tier_report r;
		if (own_mounts() != 0 || mount("/proc/sys", "/proc/sys", NULL, MS_BIND, NULL) != 0 ||
		    mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) != 0)
			_exit(CANNOT);
		tier_probe(job_init, &r);
		tell(&r);
		const struct tier_finding *bad = bad_finding(&r);
		bool told = bad != NULL && strcmp(bad->name, "nested namespaces") == 0;
		bool right = r.tier == TIER_FULL || r.tier == TIER_BOUNDED || (r.tier == TIER_REDUCED && told);
		tier_report_free(&r);
		_exit(right ? 0 : 1);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT) {
		print_message("skipped: this user may not make such a host\n");
		skip();
	}
	assert_int_equal(status, 0);
}

int main(void)
{
	job_init = xasprintf("%s/../../sluice-job-init", fs_self_dir());
	runner_tuning.job_init = runner_tuning.launcher = job_init;
	if (!fs_exists("/usr/bin/bwrap")) {
		print_message("skipped: bubblewrap is not installed\n");
		return 0;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(box_of_this_host),
		cmocka_unit_test(without_a_box_everything_is_found),
		cmocka_unit_test(host_without_namespaces),
		cmocka_unit_test(host_without_bubblewrap),
		cmocka_unit_test(installation_without_job_init),
		cmocka_unit_test(host_with_a_masked_proc),
	};
	int rc = cmocka_run_group_tests_name("tier", tests, NULL, NULL);
	free(job_init);
	return rc;
}
