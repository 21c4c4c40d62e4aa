/* The canary for real: on this host as it is, and on hosts that keep a part of the box from standing. */
#include "base/fs.h"
#include "runner/cgroup.h"
#include "runner/runner_priv.h"
#include "runner/tier.h"
#include "tests/support/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

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

static int take_namespaces_away(void)
{
	return unshare(CLONE_NEWUSER) == 0 ? write_line("/proc/sys/user/max_user_namespaces", "0") : -1;
}

static int own_mounts(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0)
		return -1;
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static int take_bwrap_away(void)
{
	return own_mounts() == 0 ? mount("none", "/usr/bin", "tmpfs", 0, "") : -1;
}

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
		cmocka_unit_test(host_without_namespaces),
		cmocka_unit_test(host_without_bubblewrap),
		cmocka_unit_test(installation_without_job_init),
		cmocka_unit_test(host_with_a_masked_proc),
	};
	int rc = cmocka_run_group_tests_name("tier", tests, NULL, NULL);
	free(job_init);
	return rc;
}
