/* Step 7. The control group of one job: memory, processes and CPU time of everything in the box together, and one way to end all of it.
 *
 * cgroup v2 where a subtree is delegated to us (systemd: Delegate=memory pids cpu), v1 where that is what the host has and we may make
 * directories in it; neither: the caller bounds a job by other means and says so (tier "bounded"). A group is a directory SLUICE_GROUP/NAME
 * below our own; an empty one costs nothing, and cgroup_sweep removes those that a crash left. Linux 5.7 and later. */
#ifndef RUNNER_CGROUP_H
#define RUNNER_CGROUP_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum cgroup_kind { CGROUP_NONE, CGROUP_V1, CGROUP_V2 };

struct cgroup_limits {
	int64_t memory;    /* bytes, without swap */
	int64_t processes; /* threads count */
};

struct cgroup_use {
	int64_t memory_peak, memory_now; /* bytes; memory_now counts what the kernel could give back at once, too */
	int64_t cpu_ms;
	int64_t oom_kills;      /* times something in it was killed for lack of memory */
	int64_t process_refusals; /* times a fork was refused */
};

struct cgroup;

/* What this process may use, looked up each time; why (NULL allowed): a sentence when it is CGROUP_NONE, with the way out. */
enum cgroup_kind cgroup_here(char **ret_why);
/* The daemon calls it once at start, before it starts anything: in v2 a group with processes of its own can have no groups below that limit
 * anything, so the daemon moves itself into a leaf. Nothing happens where there is nothing to do. */
int cgroup_move_self(struct err *err) MUST_CHECK;
/* Makes the group. ERR_UNSUPPORTED-like ERR_UNAVAILABLE with cgroup_here's sentence when there is none to be had. name: [a-z0-9-]+ */
int cgroup_open(const char *name, const struct cgroup_limits *limits, struct cgroup **ret, struct err *err) MUST_CHECK;
/* fork() whose child is born in the group (v2: clone3 with CLONE_INTO_CGROUP), or enters it before this returns in it (v1: by the thread's own
 * write to `tasks`, which does not wait for a grace period of RCU, as a write to cgroup.procs would for 11 ms). cg may be NULL: plain fork.
 * A child that cannot enter ends with status 127. -1: errno. */
pid_t cgroup_fork(struct cgroup *cg);
void cgroup_kill(struct cgroup *cg);                      /* SIGKILL to everything in it, now */
int cgroup_read(struct cgroup *cg, struct cgroup_use *ret, struct err *err) MUST_CHECK;
/* A descriptor that becomes readable (POLLIN or POLLPRI, see ret_events) when memory ran out; -1: none, look again now and then. */
int cgroup_oom_fd(const struct cgroup *cg, short *ret_events);
/* Kills what is left, waits for it, removes the directory, frees. */
void cgroup_close(struct cgroup *cg);
/* Removes groups below ours in which nothing lives any more. */
void cgroup_sweep(void);

#endif
