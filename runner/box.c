#include "runner/box.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/log.h"
#include "runner/box_args.h"
#include "runner/job_proto.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

_Static_assert((int)BOX_FD_CONTROL == (int)JOB_CONTROL_FD && (int)BOX_FD_RESULT == (int)JOB_RESULT_FD && (int)BOX_FD_NET == (int)JOB_NET_FD,
	       "job-init expects its pipes there");

/* As root each job runs as a user of its own, far above those of people and services. Ids repeat after a while: never among jobs at work. */
enum { UID_FIRST = 200000, UID_COUNT = 60000 };

static const char passwd[] = "job:x:65534:65534::/home:/sbin/nologin\n";

/* Descriptors on their way into the child, by their number there. */
struct ends {
	int fd[BOX_FD_END];
	int errors;
	struct box_copies copies;
};

static void ends_close(struct ends *e)
{
	for (size_t i = 0; i < BOX_FD_END; i++)
		mem_close_fd(&e->fd[i]);
	mem_close_fd(&e->errors);
	box_copies_close(&e->copies);
}

/* Bytes as a descriptor: memory, never a file on disk. */
static int memory_file(const char *name, const void *bytes, size_t len, int *ret, struct err *err)
{
	CLEANUP_FD int fd = memfd_create(name, MFD_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "start the sandbox: memfd %s", name);
	int rc = fs_write_all(fd, bytes, len, err);
	if (rc != 0)
		return err_wrap(err, "start the sandbox: %s", name);
	if (lseek(fd, 0, SEEK_SET) != 0)
		return err_sys(err, "start the sandbox: rewind %s", name);
	*ret = fd;
	fd = -1;
	return 0;
}

static int prepare_data(const struct box_order *o, const char *bwrap, struct ends *e, struct err *err)
{
	CLEANUP_BUF struct buf orders = {0};
	uid_t uid = geteuid() != 0 ? 0 : UID_FIRST + (uid_t)((o->spec->job_id != 0 ? o->spec->job_id : getpid()) % UID_COUNT);
	struct strlist args = {0};
	CLEANUP_BUF struct buf joined = {0};
	int rc = box_args(o, &args, &e->copies, err);
	for (size_t i = 0; i < args.n; i++)
		buf_add(&joined, args.v[i], strlen(args.v[i]) + 1);
	strlist_free(&args);
	if (rc == 0)
		rc = memory_file("args", joined.data, joined.len, &e->fd[BOX_FD_ARGS], err);
	box_launch_orders(o, bwrap, getpid(), uid, &orders);
	if (rc == 0 && orders.len > LAUNCH_ORDERS_MAX - 1)
		rc = err_set(err, ERR_LIMIT, "start the sandbox: paths too long");
	if (rc == 0)
		rc = memory_file("launch", orders.data, orders.len, &e->fd[BOX_FD_LAUNCH], err);
	if (rc == 0)
		rc = memory_file("passwd", passwd, sizeof(passwd) - 1, &e->fd[BOX_FD_PASSWD], err);
	CLEANUP_BUF struct buf engine_rc = {0};
	box_engine_rc(o->spec, &engine_rc);
	if (rc == 0)
		rc = memory_file("rc", engine_rc.data, engine_rc.len, &e->fd[BOX_FD_RC], err);
	if (rc == 0 && o->state != NULL && o->spec->managed_state)
		rc = memory_file("state", o->state, o->state_len, &e->fd[BOX_FD_STATE], err);
	if (rc == 0 && o->plan != NULL)
		rc = memory_file("plan", o->plan, o->plan_len, &e->fd[BOX_FD_PLAN], err);
	return rc;
}

static int pipe_pair(int *ret_read, int *ret_write, struct err *err)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) != 0)
		return err_sys(err, "start the sandbox: pipe");
	*ret_read = fds[0];
	*ret_write = fds[1];
	return 0;
}

/* When memory runs out the kernel takes the job and not the daemon: the child is born with a high score, ours goes back to what it was, which
 * needs no privilege. A host without this file has no such choice to offer. */
static pid_t fork_for_oom_killer(const struct box_order *o)
{
	static const char high[] = "800";
	bool raised = o->oom_fd >= 0 && pwrite(o->oom_fd, high, sizeof(high) - 1, 0) > 0;
	pid_t pid = cgroup_fork(o->group);
	if (pid != 0 && raised && pwrite(o->oom_fd, o->oom_was, strlen(o->oom_was), 0) < 0)
		log_warn("runner.oom", "errno=%d", errno);
	return pid;
}

static bool place(int from, int to) { return from < 0 || dup2(from, to) == to; }

/* In the child, which still is us: gives up every descriptor but the listed ones and the whole environment, then becomes the launcher. An
 * open directory would be a way out of the mount namespace; an environment stays readable in /proc/1/environ. */
static void become_launcher(const char *launcher, struct ends *e)
{
	static char name[] = "sluice-job-init", role[] = "launch";
	char *argv[] = {name, role, NULL};
	char *envp[] = {NULL};
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)setsid();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < BOX_FD_END; i++) /* out of the way of the numbers they go to */
		if (e->fd[i] >= 0)
			e->fd[i] = fcntl(e->fd[i], F_DUPFD, 64);
	int null = open("/dev/null", O_RDONLY);
	int errors = fcntl(e->errors, F_DUPFD, 64);
	bool ok = null >= 0 && errors >= 0 && place(null, 0) && place(errors, 1) && place(errors, 2);
	for (int i = BOX_FD_CONTROL; i < BOX_FD_END; i++) {
		ok = ok && place(e->fd[i], i);
		if (e->fd[i] < 0)
			(void)close(i);
	}
	ok = ok && (e->fd[BOX_FD_NET] >= 0 || place(null, BOX_FD_NET));
	ok = ok && close_range(BOX_FD_END, ~0u, CLOSE_RANGE_CLOEXEC) == 0;
	for (size_t i = 0; i < e->copies.n; i++)
		ok = ok && fcntl(e->copies.fd[i], F_SETFD, 0) == 0;
	if (ok)
		(void)execve(launcher, argv, envp);
	_exit(127);
}

static char *find_bwrap(void) { return fs_exists("/usr/bin/bwrap") ? xstrdup("/usr/bin/bwrap") : fs_which("bwrap"); }

int box_start(const struct box_order *o, struct box *ret, struct err *err)
{
	CLEANUP_FREE char *bwrap = find_bwrap();
	if (bwrap == NULL)
		return err_set(err, ERR_NOT_FOUND, "the sandbox needs bubblewrap, which is not installed: apt-get install bubblewrap");
	if (!fs_exists(o->job_init) || !fs_exists(o->launcher))
		return err_set(err, ERR_NOT_FOUND, "%s is missing: it belongs beside the sluice binary", o->job_init);
	CLEANUP(ends_close) struct ends e = {.errors = -1};
	for (size_t i = 0; i < BOX_FD_END; i++)
		e.fd[i] = -1;
	struct box b = {.control = -1, .result = -1, .errors = -1};
	int rc = prepare_data(o, bwrap, &e, err);
	if (rc == 0 && o->net >= 0 && (e.fd[BOX_FD_NET] = fcntl(o->net, F_DUPFD_CLOEXEC, 3)) < 0)
		rc = err_sys(err, "start the sandbox: network");
	if (rc == 0)
		rc = pipe_pair(&e.fd[BOX_FD_CONTROL], &b.control, err);
	if (rc == 0)
		rc = pipe_pair(&b.result, &e.fd[BOX_FD_RESULT], err);
	if (rc == 0)
		rc = pipe_pair(&b.errors, &e.errors, err);
	if (rc == 0) {
		b.pid = fork_for_oom_killer(o);
		if (b.pid == 0)
			become_launcher(o->launcher, &e);
		if (b.pid < 0) {
			b.pid = 0;
			rc = err_sys(err, "start the sandbox: fork");
		}
	}
	if (rc != 0) {
		box_end(&b);
		return rc;
	}
	*ret = b;
	return 0;
}

void box_kill(const struct box *b)
{
	if (b->pid <= 0)
		return;
	(void)kill(b->pid, SIGKILL); /* ESRCH cannot be: it is not reaped before box_end */
	/* Its child is not yet tied to it while it waits to be mapped to a user, and would wait for ever. Not there before setsid() */
	(void)kill(-b->pid, SIGKILL);
}

void box_end(struct box *b)
{
	mem_close_fd(&b->control);
	mem_close_fd(&b->result);
	mem_close_fd(&b->errors);
	box_kill(b);
	while (b->pid > 0 && waitpid(b->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	*b = (struct box){.control = -1, .result = -1, .errors = -1};
}
