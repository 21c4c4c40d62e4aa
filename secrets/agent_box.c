/* What the key agent takes away from itself. Runs in the agent's process, as the daemon's user; nothing here needs a privilege, and the network
 * namespace is an addition where it is allowed. */
#include "base/fs.h"
#include "secrets/agent_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH ((uint32_t)AUDIT_ARCH_X86_64)
#elif defined(__aarch64__)
#define ARCH ((uint32_t)AUDIT_ARCH_AARCH64)
#else
#error "the system call filter of the key agent knows x86_64 and aarch64"
#endif
enum { OTHER_NUMBERS = 0x40000000 }; /* from here on x86_64 means x32: the same calls under other numbers */

/* What serving needs: packets, memory, random bytes, time, and how a C library locks and ends. */
static const uint32_t allowed[] = {
	SYS_recvfrom, SYS_sendto, SYS_read, SYS_write, SYS_getrandom, SYS_clock_gettime, SYS_gettimeofday, SYS_futex, SYS_sched_yield,
	SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise, SYS_getpid, SYS_gettid, SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_restart_syscall,
	SYS_exit, SYS_exit_group,
#ifdef __SANITIZE_ADDRESS__
	SYS_sigaltstack, /* asked for by the run-time part before every function that does not return */
#endif
};
/* Memory, but none that holds code: the protection is the third argument of both. */
static const uint32_t memory[] = {SYS_mmap, SYS_mprotect};

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define WHEN(test, value, skip) BPF_JUMP(BPF_JMP | (test) | BPF_K, value, 0, skip) /* else over the next `skip` */
#define END(how) BPF_STMT(BPF_RET | BPF_K, how)

static int lower_limit(int what, struct err *err)
{
	const struct rlimit none = {0, 0};
	return setrlimit((__rlimit_resource_t)what, &none) == 0 ? 0 : err_sys(err, "key agent: lower a limit");
}

static int only_socket(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, 0) != 0 || dup2(null, 1) != 1 || dup2(fd, 3) != 3)
		return -1;
	fs_close_from(4);
	return 0;
}

int agent_box_enter(int fd, pid_t parent, struct err *err)
{
	(void)setsid();
	(void)prctl(PR_SET_NAME, "sluice-keys");
	(void)signal(SIGINT, SIG_IGN); /* ends with its socket, after the daemon's last request */
	(void)signal(SIGTERM, SIG_IGN);
	if (prctl(PR_SET_DUMPABLE, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_sys(err, "key agent: prctl");
	if (getppid() != parent)
		return err_set(err, ERR_CANCELLED, "key agent: the daemon is gone");
	(void)unshare(CLONE_NEWNET); /* not everybody may; without it the filter still refuses every socket */
	int rc = lower_limit(RLIMIT_CORE, err);
	if (rc == 0 && only_socket(fd) != 0)
		rc = err_sys(err, "key agent: close descriptors");
	return rc;
}

/* Straight down, one test after the other; what reaches the end is not allowed. */
static size_t write_filter(struct sock_filter *code)
{
	const struct sock_filter head[] = {
		LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0), END(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),   WHEN(BPF_JGE, OTHER_NUMBERS, 1),                 END(SECCOMP_RET_KILL_PROCESS),
	};
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(head); i++)
		code[n++] = head[i];
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		code[n++] = (struct sock_filter)WHEN(BPF_JEQ, allowed[i], 1);
		code[n++] = (struct sock_filter)END(SECCOMP_RET_ALLOW);
	}
	for (size_t i = 0; i < ARRAY_LEN(memory); i++) {
		code[n++] = (struct sock_filter)WHEN(BPF_JEQ, memory[i], 4);
		code[n++] = (struct sock_filter)LOAD(args[2]);
		code[n++] = (struct sock_filter)WHEN(BPF_JSET, PROT_EXEC, 1);
		code[n++] = (struct sock_filter)END(SECCOMP_RET_KILL_PROCESS);
		code[n++] = (struct sock_filter)END(SECCOMP_RET_ALLOW);
	}
	code[n++] = (struct sock_filter)END(SECCOMP_RET_KILL_PROCESS);
	return n;
}

int agent_box_close(struct err *err)
{
	struct sock_filter code[8 + 2 * ARRAY_LEN(allowed) + 5 * ARRAY_LEN(memory)];
	struct sock_fprog program = {.len = (unsigned short)write_filter(code), .filter = code};
	int rc = lower_limit(RLIMIT_NOFILE, err);
	if (rc == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		rc = err_sys(err, "key agent: this kernel does not take its system call filter (CONFIG_SECCOMP_FILTER)");
	return rc;
}
