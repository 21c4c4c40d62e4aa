/* Step 7. What a tree of processes uses, looked at from outside, for hosts without a control group (tier "bounded"). It is a look, not a
 * wall: between two looks a tree may grow. Called by the runner, which is the parent of the root, so that the root's number stays its own.
 *
 * A process is in the tree when its parent is, at one moment; a number that was given to another process meanwhile is not followed. Those
 * whose parents ended are found where the kernel put them: in a pid namespace below its first process, else below the nearest ancestor that
 * asked for them (PR_SET_CHILD_SUBREAPER), which the runner has to do for a tree without a namespace. */
#ifndef RUNNER_WATCH_H
#define RUNNER_WATCH_H

#include "base/mem.h"

#include <stdint.h>
#include <sys/types.h>

struct watch_use {
	int64_t memory;    /* bytes of their own: without mapped files, with shared memory; without files of a tmpfs that nobody has mapped */
	int64_t cpu_ms;    /* theirs and that of the ended they waited for. What ended unwaited is missing: keep the most that was seen */
	int64_t threads;
};

/* ERR_NOT_FOUND: the root is gone. Pages that processes share count once for each: never too little. */
int watch_tree(pid_t root, struct watch_use *ret) MUST_CHECK;
/* Its memory with shared pages divided by who shares them: what to ask before a job is ended for it. Walks page tables: a millisecond for 100 MiB
 * and more. -1: it may not be asked of one of them. */
int64_t watch_memory(pid_t root);

struct watch_machine {
	int64_t total;     /* bytes that we may use: the machine's, or fewer by the control groups that we are in; 0: not known */
	int64_t available; /* of the machine's, without taking anything from anybody; -1: not known */
};
/* Two files and some of the control groups' are read: 0.1 ms. */
void watch_machine(struct watch_machine *ret);
/* Pure: of the text of /proc/meminfo, and the lowest limit of a group (0: none). */
void watch_machine_read(const char *meminfo, int64_t ceiling, struct watch_machine *ret);

#endif
