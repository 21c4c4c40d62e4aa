/* Step 7. What sluice-job-init takes away from itself, and so from everything that it starts: Landlock first, then the system call filter of
 * runner/seccomp_gen.c. Inside the box, without any privilege; the box's own namespaces and mounts stand already, this is the second wall.
 * Neither can be undone. Static, no library: returns 0 or -errno and says nothing by itself. */
#ifndef RUNNER_JOB_CONFINE_H
#define RUNNER_JOB_CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct confine_paths {
	const char *engine; /* the one file that may be executed, NULL: none; a box with language runtimes: together with the lists below */
	bool compat;        /* /usr, /bin, /sbin, /lib* and the work directories may be executed from, too */
};

/* What the kernel took. A kernel without a part of it leaves that part zero; the tier says so. */
struct confine_applied {
	int landlock_abi;     /* best version the kernel has, 0: no Landlock (errno is returned) */
	uint64_t handled_fs;  /* rights that are denied but where granted (CONFINE_FS_*) */
	uint64_t handled_net; /* TCP bind and connect, from version 4 */
	uint64_t scoped;      /* abstract UNIX sockets and signals, from version 6 */
};

/* Everything can be read; /work, /tmp, /home and /dev/shm can be written, and the harmless devices; providers (/plugins) and what is named above can be
 * executed; TCP connects to EGRESS_PORT only and binds nowhere (version 4 and later), no ioctl on devices (5), no abstract UNIX socket and no signal
 * leaves the domain (6). -ENOSYS, -EOPNOTSUPP: this kernel has no Landlock, or it is switched off; nothing was changed, but for no_new_privs. */
int confine_landlock(const struct confine_paths *p, struct confine_applied *ret);
/* After confine_landlock: the filter closes the door behind it. -EINVAL: a kernel without CONFIG_SECCOMP_FILTER. */
int confine_seccomp(bool compat);
/* For the child that becomes a step, after both: it cannot signal sluice-job-init then, which is of the same user. Negative: a kernel
 * whose Landlock does not know signals (before version 6). */
int confine_step(void);

#endif
