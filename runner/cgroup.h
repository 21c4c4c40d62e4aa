/* Step 7. The control group of one job: memory, processes and CPU time of everything in the box together, and one way to end all of it.
 *
 * cgroup v2 where a subtree is delegated to us (systemd: Delegate=memory pids cpu), v1 where that is what the host has and we may make
 * directories in it; neither: the caller bounds a job by other means and says so (tier "bounded"). A group is a directory sluice-NAME.PID
 * below our own, PID being who made it; an empty one costs nothing, and cgroup_sweep removes those that a crash left. Linux 5.7 and later.
 *
 *   GROUP/            ours: delegated, without processes of its own
 *   GROUP/daemon/     the daemon and its runners (v2; cgroup_move_self), those of an earlier daemon, too
 *   GROUP/sluice-.../ one per job
 *
 * systemd cannot start a unit whose group is divided: deploy/sluice.service switches the controllers of GROUP off when the daemon has ended, and
 * with them the limits of jobs that outlive it. The new daemon switches them on in cgroup_move_self, and each runner's next cgroup_read puts
 * its limits back; between the two, `limited` is false, and the runner watches from outside (runner/watch.h). */
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
	int64_t oom_kills;      /* times something in it was killed for lack of memory; v2 may count one process twice */
	int64_t process_refusals; /* times a fork was refused */
	bool limited;   /* false: the controllers are switched off at the moment, see above; memory_now is 0 then */
};

struct cgroup;

/* What this process may use, looked up each time; why (NULL allowed): a sentence when it is CGROUP_NONE, with the way out. */
enum cgroup_kind cgroup_here(char **ret_why);
/* The memory that this process and its ancestors' groups may use at most, of any version; 0: no group sets a limit. */
int64_t cgroup_memory_ceiling(void);
/* The daemon calls it once at start, before it starts anything: in v2 a group with processes of its own can have no groups below that limit
 * anything, so the daemon moves itself (and what an earlier version left beside it) into a leaf. Nothing happens where there is nothing to do,
 * or where the group was not delegated to us. After an error there are no groups; the daemon can do without. */
int cgroup_move_self(struct err *err) MUST_CHECK;
/* Makes the group. ERR_UNSUPPORTED-like ERR_UNAVAILABLE with cgroup_here's sentence when there is none to be had. name: [a-z0-9-]+ */
int cgroup_open(const char *name, const struct cgroup_limits *limits, struct cgroup **ret, struct err *err) MUST_CHECK;
/* fork() whose child is born in the group (v2: clone3 with CLONE_INTO_CGROUP), or enters it before this returns in it (v1: by the thread's own
 * write to `tasks`, which does not wait for a grace period of RCU, as a write to cgroup.procs would for 11 ms). cg may be NULL: plain fork.
 * A child that cannot enter ends with status 127. -1: errno. */
pid_t cgroup_fork(struct cgroup *cg);
/* SIGKILL to everything in it. Where the kernel has no single call for that, nothing in it can fork any more, and we return when all is gone. */
void cgroup_kill(struct cgroup *cg);
int cgroup_read(struct cgroup *cg, struct cgroup_use *ret, struct err *err) MUST_CHECK;
/* A descriptor that becomes ready (poll for ret_events) when memory ran out, and stays so until the next cgroup_read, which tells whether it
 * did: v2 reports other events of memory on it, too. -1: none, look again now and then. Owned by the group. */
int cgroup_oom_fd(const struct cgroup *cg, short *ret_events);
/* Kills what is left, waits for it, removes the directory, frees. */
void cgroup_close(struct cgroup *cg);
/* Removes groups below ours whose makers are dead, and ends what they left in them. */
void cgroup_sweep(void);

#endif
