#include "runner/cgroup_priv.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ENTER_FAILED = 127, NAME_TRIES = 100 };
static const char PREFIX[] = "sluice-";

/* A count of the kernel's that begins at zero again when a controller was switched off and on. */
struct count {
	int64_t before, last;
};

struct cgroup {
	enum cgroup_kind kind;
	char *dir[CG_DIRS]; /* v1: in each hierarchy; v2: one */
	int enter[CG_DIRS]; /* v1: their `tasks`, for the child to write to; v2: the directory, for clone3 */
	int oom_fd;         /* v1: an eventfd; v2: memory.events */
	struct cgroup_limits limits;
	struct count oom_kills, refusals;
	int64_t memory_peak;
	bool out_of_memory; /* v1: the kernel said so; its count may follow a moment later */
	bool unlimited;     /* v2: its controllers were switched off */
	bool killed;        /* limits are not put back any more */
};

/* ---- making one ---- */

static struct cgroup *group_new(enum cgroup_kind kind, const struct cgroup_limits *limits)
{
	struct cgroup *cg = xcalloc(1, sizeof(*cg));
	*cg = (struct cgroup){.kind = kind, .enter = {-1, -1, -1, -1}, .oom_fd = -1, .limits = *limits};
	return cg;
}

static void group_free(struct cgroup *cg)
{
	for (size_t i = 0; i < CG_DIRS; i++) {
		free(cg->dir[i]);
		mem_close_fd(&cg->enter[i]);
	}
	mem_close_fd(&cg->oom_fd);
	free(cg);
}

static int put_number(const char *dir, const char *file, int64_t value, struct err *err)
{
	char text[24];
	(void)snprintf(text, sizeof(text), "%lld", (long long)value); /* fits */
	return cgroup_put(dir, file, text) == 0 ? 0 : err_sys(err, "set %s/%s to %s", dir, file, text);
}

static int limit_v2(const struct cgroup *cg, struct err *err)
{
	const char *dir = cg->dir[0];
	int rc = put_number(dir, "memory.max", cg->limits.memory, err);
	if (rc == 0)
		rc = put_number(dir, "pids.max", cg->limits.processes, err);
	if (rc != 0)
		return rc;
	(void)cgroup_put(dir, "memory.swap.max", "0"); /* not there: no swap is accounted, or none exists */
	(void)cgroup_put(dir, "memory.oom.group", "1"); /* all of it, not the largest part; cgroup_kill follows anyway */
	return 0;
}

static int limit_v1(const struct cgroup *cg, struct err *err)
{
	int rc = put_number(cg->dir[CG_MEMORY], "memory.limit_in_bytes", cg->limits.memory, err);
	if (rc == 0)
		rc = put_number(cg->dir[CG_PIDS], "pids.max", cg->limits.processes, err);
	if (rc == 0) /* with swap; after the other, which it may not be below; not there without accounting of swap */
		(void)put_number(cg->dir[CG_MEMORY], "memory.memsw.limit_in_bytes", cg->limits.memory, NULL);
	return rc;
}

/* The kernel writes to an eventfd when memory of the group runs out. */
static int oom_fd_v1(const char *dir)
{
	CLEANUP_FREE char *path = xasprintf("%s/memory.oom_control", dir);
	CLEANUP_FD int control = open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP_FD int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (control < 0 || fd < 0)
		return -1;
	char line[32];
	(void)snprintf(line, sizeof(line), "%d %d", fd, control); /* fits */
	if (cgroup_put(dir, "cgroup.event_control", line) != 0)
		return -1;
	int got = fd;
	fd = -1;
	return got;
}

static int open_at(const char *dir, const char *file, int flags)
{
	CLEANUP_FREE char *path = xasprintf("%s/%s", dir, file);
	return open(path, flags | O_CLOEXEC);
}

/* Descriptors that are needed later: for entering, and to hear of memory. */
static int open_parts(struct cgroup *cg, struct err *err)
{
	if (cg->kind == CGROUP_V2) {
		cg->enter[0] = open(cg->dir[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		cg->oom_fd = open_at(cg->dir[0], "memory.events", O_RDONLY);
		return cg->enter[0] >= 0 ? 0 : err_sys(err, "open %s", cg->dir[0]);
	}
	for (size_t i = 0; i < CG_DIRS && cg->dir[i] != NULL; i++) {
		cg->enter[i] = open_at(cg->dir[i], "tasks", O_WRONLY);
		if (cg->enter[i] < 0)
			return err_sys(err, "open %s/tasks", cg->dir[i]);
	}
	cg->oom_fd = oom_fd_v1(cg->dir[CG_MEMORY]);
	return 0;
}

/* A directory of that name in each hierarchy. One that is there already was left by a dead process with our number: another name, then. */
static int make_dirs(struct cgroup *cg, const struct cgroup_base *base, const char *name, struct err *err)
{
	for (int attempt = 0; attempt < NAME_TRIES; attempt++) {
		CLEANUP_FREE char *suffix = attempt > 0 ? xasprintf("-%d", attempt) : xstrdup("");
		size_t made = 0;
		for (; made < CG_DIRS && base->dir[made] != NULL; made++) {
			CLEANUP_FREE char *dir = xasprintf("%s/%s%s%s.%lld", base->dir[made], PREFIX, name, suffix, (long long)getpid());
			if (mkdir(dir, 0755) != 0)
				break;
			cg->dir[made] = TAKE(dir);
		}
		if (made == CG_DIRS || base->dir[made] == NULL)
			return 0;
		int saved = errno;
		while (made > 0) {
			made--;
			(void)rmdir(cg->dir[made]);
			xstrset(&cg->dir[made], NULL);
		}
		errno = saved;
		if (errno != EEXIST)
			break;
	}
	return err_sys(err, "make the control group %s%s below %s", PREFIX, name, base->dir[0]);
}

static int group_make(const struct cgroup_base *base, const char *name, struct cgroup *cg, struct err *err)
{
	if (base->kind == CGROUP_V2 && !base->enabled && cgroup_put(base->dir[0], "cgroup.subtree_control", "+memory +pids") != 0)
		return err_sys(err, "switch memory and pids on below the control group %s", base->dir[0]);
	int rc = make_dirs(cg, base, name, err);
	if (rc == 0)
		rc = cg->kind == CGROUP_V2 ? limit_v2(cg, err) : limit_v1(cg, err);
	return rc == 0 ? open_parts(cg, err) : rc;
}

int cgroup_open(const char *name, const struct cgroup_limits *limits, struct cgroup **ret, struct err *err)
{
	ASSERT(name[0] != '\0' && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0');
	struct cgroup_base base;
	cgroup_base_find("", &base);
	if (base.kind == CGROUP_NONE) {
		err_set(err, ERR_UNAVAILABLE, "%s", base.why);
		cgroup_base_free(&base);
		return ERR_UNAVAILABLE;
	}
	struct cgroup *cg = group_new(base.kind, limits);
	int rc = group_make(&base, name, cg, err);
	cgroup_base_free(&base);
	if (rc == 0)
		*ret = cg;
	else
		cgroup_close(cg);
	return rc;
}

struct cgroup *cgroup_adopt(const char *dir, const struct cgroup_limits *limits)
{
	struct cgroup *cg = group_new(CGROUP_V2, limits);
	cg->dir[0] = xstrdup(dir);
	if (open_parts(cg, NULL) == 0)
		return cg;
	group_free(cg);
	return NULL;
}

/* ---- its processes ---- */

/* In the child. One thread that moves itself waits for nobody; a pid written to cgroup.procs waits for all processors. */
static void enter_by_tasks(const struct cgroup *cg)
{
	for (size_t i = 0; i < CG_DIRS && cg->dir[i] != NULL; i++)
		if (write(cg->enter[i], "0", 1) != 1 && i != CG_SHARE) /* which takes no process of real-time priority */
			_exit(ENTER_FAILED);
}

/* Where clone3 may not be used (a filter of system calls that cannot look into its argument): slower, but the same. */
static pid_t fork_and_enter(const struct cgroup *cg)
{
	pid_t pid = fork();
	if (pid == 0 && cgroup_put(cg->dir[0], "cgroup.procs", "0") != 0)
		_exit(ENTER_FAILED);
	return pid;
}

static pid_t fork_into(const struct cgroup *cg)
{
	struct clone_args args = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (__u64)cg->enter[0]};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	return pid < 0 && (errno == ENOSYS || errno == EPERM) ? fork_and_enter(cg) : pid;
}

pid_t cgroup_fork(struct cgroup *cg)
{
	if (cg != NULL && cg->kind == CGROUP_V2)
		return fork_into(cg);
	pid_t pid = fork();
	if (pid == 0 && cg != NULL)
		enter_by_tasks(cg);
	return pid;
}

/* SIGKILL to all that are listed; how many those were. A list that cannot be read is empty: its directory is gone. */
static size_t kill_listed(const char *dir)
{
	CLEANUP_FREE char *path = xasprintf("%s/cgroup.procs", dir);
	CLEANUP_BUF struct buf list = {0};
	if (fs_read(path, LIMIT_PROC_BYTES, &list, NULL) != 0 || list.len == 0)
		return 0;
	size_t n = 0;
	char *save = NULL;
	for (char *p = strtok_r(list.data, "\n", &save); p != NULL; p = strtok_r(NULL, "\n", &save), n++) {
		int64_t pid = cgroup_number(p); /* 0: of a pid namespace that we cannot see into */
		if (pid > 1 && pid <= INT32_MAX && pid != getpid())
			(void)kill((pid_t)pid, SIGKILL);
	}
	return n;
}

enum { SWEEP_TRIES = 200 }; /* of a tenth of a millisecond */

static void wait_a_little(void) { (void)nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL); }

void cgroup_kill(struct cgroup *cg)
{
	const char *dir = cg->kind == CGROUP_V2 ? cg->dir[0] : cg->dir[CG_PIDS];
	cg->killed = true;
	if (dir == NULL)
		return;
	(void)cgroup_put(dir, "pids.max", "0"); /* nothing is born any more: the second look sees all that the first missed */
	if (cg->kind == CGROUP_V2 && cgroup_put(dir, "cgroup.kill", "1") == 0)
		return;
	int64_t until = clock_mono_ms() + LIMIT_CGROUP_END_MS;
	while (kill_listed(dir) > 0 && clock_mono_ms() < until)
		wait_a_little();
}

/* ---- what it used ---- */

static int64_t count_now(struct count *c, int64_t now)
{
	if (now >= 0) {
		if (now < c->last)
			c->before += c->last;
		c->last = now;
	}
	return c->before + c->last;
}

static int64_t number_in(const char *dir, const char *file)
{
	char text[CGROUP_TEXT];
	return cgroup_text(dir, file, text) ? cgroup_number(text) : -1;
}

static int64_t field_in(const char *dir, const char *file, const char *key)
{
	char text[CGROUP_TEXT];
	return cgroup_text(dir, file, text) ? cgroup_field(text, key) : -1;
}

/* Under the number that the caller polls. */
static void hear_from(struct cgroup *cg, int fd)
{
	if (fd >= 0 && cg->oom_fd >= 0)
		(void)dup3(fd, cg->oom_fd, O_CLOEXEC);
	mem_close_fd(&fd);
}

/* false: the controllers are off. When they were off and are on again, the group is like a new one, without limits. */
static bool limited_again(struct cgroup *cg)
{
	int64_t max = number_in(cg->dir[0], "memory.max");
	if (max < 0 && !cg->unlimited)
		hear_from(cg, eventfd(0, EFD_CLOEXEC)); /* silent; the file that is gone would be ready for ever */
	if (max < 0)
		cg->unlimited = true;
	if (max != INT64_MAX || cg->killed)
		return max >= 0;
	if (limit_v2(cg, NULL) != 0)
		return false;
	cg->unlimited = false;
	hear_from(cg, open_at(cg->dir[0], "memory.events", O_RDONLY));
	return true;
}

static void read_v2(struct cgroup *cg, struct cgroup_use *use)
{
	const char *dir = cg->dir[0];
	char events[CGROUP_TEXT] = "";
	use->limited = limited_again(cg);
	if (cg->oom_fd >= 0) { /* by this descriptor: its readiness ends with that */
		ssize_t n = pread(cg->oom_fd, events, sizeof(events) - 1, 0);
		events[n > 0 ? n : 0] = '\0';
	}
	use->oom_kills = count_now(&cg->oom_kills, cgroup_field(events, "oom_kill"));
	use->process_refusals = count_now(&cg->refusals, field_in(dir, "pids.events", "max"));
	use->memory_now = number_in(dir, "memory.current");
	use->memory_peak = number_in(dir, "memory.peak"); /* Linux 5.19 */
	use->cpu_ms = field_in(dir, "cpu.stat", "usage_usec") / 1000;
}

static void read_v1(struct cgroup *cg, struct cgroup_use *use)
{
	uint64_t fired = 0;
	if (cg->oom_fd >= 0 && read(cg->oom_fd, &fired, sizeof(fired)) == (ssize_t)sizeof(fired) && fired > 0 && !cg->killed)
		cg->out_of_memory = true;
	use->limited = true;
	use->oom_kills = count_now(&cg->oom_kills, field_in(cg->dir[CG_MEMORY], "memory.oom_control", "oom_kill"));
	if (use->oom_kills == 0 && cg->out_of_memory)
		use->oom_kills = 1;
	use->process_refusals = count_now(&cg->refusals, field_in(cg->dir[CG_PIDS], "pids.events", "max"));
	use->memory_now = number_in(cg->dir[CG_MEMORY], "memory.usage_in_bytes");
	use->memory_peak = number_in(cg->dir[CG_MEMORY], "memory.max_usage_in_bytes");
	use->cpu_ms = number_in(cg->dir[CG_CPU], "cpuacct.usage") / 1000000;
}

int cgroup_read(struct cgroup *cg, struct cgroup_use *ret, struct err *err)
{
	struct cgroup_use use = {0};
	if (!fs_is_dir(cg->dir[0]))
		return err_set(err, ERR_IO, "the control group %s is gone: somebody removed it", cg->dir[0]);
	if (cg->kind == CGROUP_V2)
		read_v2(cg, &use);
	else
		read_v1(cg, &use);
	use.memory_now = use.memory_now > 0 ? use.memory_now : 0;
	int64_t seen = use.memory_peak > use.memory_now ? use.memory_peak : use.memory_now;
	cg->memory_peak = seen > cg->memory_peak ? seen : cg->memory_peak;
	use.memory_peak = cg->memory_peak;
	use.cpu_ms = use.cpu_ms > 0 ? use.cpu_ms : 0;
	*ret = use;
	return 0;
}

int cgroup_oom_fd(const struct cgroup *cg, short *ret_events)
{
	*ret_events = cg->kind == CGROUP_V1 ? POLLIN : POLLPRI;
	return cg->oom_fd;
}

/* ---- its end ---- */

/* A group can be removed when its last process has ended, which takes a moment after the signal. Killed again all the while: the kernel may miss
 * one that was being born. */
static void remove_all(struct cgroup *cg)
{
	int64_t until = clock_mono_ms() + LIMIT_CGROUP_END_MS;
	for (size_t i = 0; i < CG_DIRS; i++)
		while (cg->dir[i] != NULL && rmdir(cg->dir[i]) != 0 && errno == EBUSY && clock_mono_ms() < until) {
			wait_a_little();
			cgroup_kill(cg);
		}
}

void cgroup_close(struct cgroup *cg)
{
	if (cg == NULL)
		return;
	cgroup_kill(cg);
	mem_close_fd(&cg->oom_fd);
	remove_all(cg);
	group_free(cg);
}

/* What still lives in it was orphaned when its maker was killed: it belongs to no job any more. */
static void remove_orphaned(const char *path)
{
	for (int tries = 0; rmdir(path) != 0 && errno == EBUSY && tries < SWEEP_TRIES; tries++) {
		(void)kill_listed(path);
		wait_a_little();
	}
}

/* The maker of a group is in its name; while it lives the group is its own. */
void cgroup_sweep_dir(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	while (d != NULL && (e = readdir(d)) != NULL) {
		const char *dot = strrchr(e->d_name, '.');
		int64_t pid = text_starts(e->d_name, PREFIX) && dot != NULL ? cgroup_number(dot + 1) : -1;
		if (pid <= 0 || pid > INT32_MAX || kill((pid_t)pid, 0) == 0 || errno != ESRCH)
			continue;
		CLEANUP_FREE char *path = xasprintf("%s/%s", dir, e->d_name);
		remove_orphaned(path);
	}
	if (d != NULL)
		(void)closedir(d);
}

void cgroup_sweep(void)
{
	struct cgroup_base base;
	cgroup_base_find("", &base);
	for (size_t i = 0; base.kind != CGROUP_NONE && i < CG_DIRS; i++)
		if (base.dir[i] != NULL)
			cgroup_sweep_dir(base.dir[i]);
	cgroup_base_free(&base);
}
