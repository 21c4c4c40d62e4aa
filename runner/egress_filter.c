#include "runner/egress_priv.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define ARCH ((uint32_t)AUDIT_ARCH_X86_64)
#elif defined(__aarch64__)
#define ARCH ((uint32_t)AUDIT_ARCH_AARCH64)
#else
#error "the system call filter of the egress proxy knows x86_64 and aarch64"
#endif
enum { OTHER_NUMBERS = 0x40000000 }; /* from here on x86_64 means x32: the same calls under other numbers */

/* A list of what is refused, not of what is allowed: a look-up loads the host's name service modules, and they do what they like with files and
 * sockets. None of them starts a program, and nothing here looks into or changes another process or the kernel. */
static const uint32_t refused[] = {
	SYS_execve,
	SYS_execveat,
	SYS_ptrace,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_pidfd_getfd,
	SYS_kcmp,
	SYS_unshare,
	SYS_setns,
	SYS_mount,
	SYS_umount2,
	SYS_pivot_root,
	SYS_chroot,
	SYS_bpf,
	SYS_perf_event_open,
	SYS_userfaultfd,
	SYS_init_module,
	SYS_finit_module,
	SYS_delete_module,
	SYS_kexec_load,
	SYS_keyctl,
	SYS_add_key,
	SYS_request_key,
	SYS_open_by_handle_at,
	SYS_io_uring_setup,
	SYS_io_uring_enter,
	SYS_io_uring_register,
	SYS_personality,
	SYS_swapon,
	SYS_reboot,
};

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define UNLESS(test, value) BPF_JUMP(BPF_JMP | (test) | BPF_K, value, 0, 1)
#define END(how) BPF_STMT(BPF_RET | BPF_K, how)

int egress_filter_enter(void)
{
	struct sock_filter code[8 + 2 * ARRAY_LEN(refused)];
	size_t n = 0;
	const struct sock_filter head[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
		END(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		UNLESS(BPF_JGE, OTHER_NUMBERS),
		END(SECCOMP_RET_KILL_PROCESS),
	};
	for (size_t i = 0; i < ARRAY_LEN(head); i++)
		code[n++] = head[i];
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		code[n++] = (struct sock_filter)UNLESS(BPF_JEQ, refused[i]);
		code[n++] = (struct sock_filter)END(SECCOMP_RET_ERRNO | EPERM);
	}
	code[n++] = (struct sock_filter)END(SECCOMP_RET_ALLOW);
	const struct sock_fprog program = {.len = (unsigned short)n, .filter = code};
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
