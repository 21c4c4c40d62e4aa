/* Runs while building, on the builder: writes the system call filters of the box as a C header. Two arrays of BPF instructions, `strict` for
 * boxes that hold an engine and providers, `compat` for those that hold language runtimes. sluice-job-init compiles them in, so that nothing of
 * libseccomp is there at run time. The filter is for the machine that builds: x86_64 or aarch64.
 *
 * What no line names is answered with ENOSYS, as if the kernel were older: programs know how to live with that. What a program might take for a
 * passing fault is answered with EPERM. Another architecture's numbers end the process. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <netinet/in.h>

/* Newer than the libseccomp of the oldest system that we build on: by number, which from 424 on is the same everywhere. */
static const struct {
	const char *name;
	int nr;
} numbers[] = {
	{"fchmodat2", 452}, {"mseal", 462}, {"setxattrat", 463}, {"removexattrat", 466}, {"open_tree_attr", 467}, {"file_setattr", 469},
};

/* Words are separated by white space. Those that an architecture does not have are passed over; those that nobody has are an error. */
static const char allowed[] =
	/* files by descriptor */
	" read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 close close_range lseek fstat fsync fdatasync"
	" sync_file_range fallocate ftruncate fadvise64 readahead copy_file_range sendfile splice tee flock fcntl dup dup2 dup3 getdents"
	" getdents64 fstatfs fchdir fchown syncfs"
	/* files by name */
	" open openat openat2 creat stat lstat newfstatat statx access faccessat faccessat2 truncate rename renameat renameat2 link linkat symlink"
	" symlinkat unlink unlinkat mkdir mkdirat rmdir readlink readlinkat chdir getcwd chown lchown fchownat utime utimes futimesat"
	" utimensat statfs umask sync getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr"
	" inotify_init inotify_init1 inotify_add_watch inotify_rm_watch"
	/* memory */
	" brk mmap munmap mremap mprotect madvise msync mincore mlock mlock2 munlock mlockall munlockall pkey_alloc pkey_free pkey_mprotect"
	" mseal membarrier"
	/* processes and threads */
	" fork vfork execve exit exit_group wait4 waitid kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal getpid"
	" getppid gettid getpgid getpgrp setpgid getsid setsid set_tid_address set_robust_list get_robust_list futex futex_waitv rseq prctl"
	" arch_prctl getcpu sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_setparam sched_getscheduler sched_setscheduler"
	" sched_get_priority_max sched_get_priority_min sched_rr_get_interval sched_getattr getpriority setpriority ioprio_get getrlimit"
	" setrlimit prlimit64 getrusage times uname sysinfo restart_syscall"
	/* who we are; without a capability this leads nowhere else */
	" getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid"
	" setfsgid capget capset"
	/* signals and time */
	" rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack signalfd signalfd4 pause alarm"
	" getitimer setitimer nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time timer_create timer_settime timer_gettime"
	" timer_getoverrun timer_delete timerfd_create timerfd_settime timerfd_gettime"
	/* waiting */
	" poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2 pipe pipe2"
	/* sockets; which ones there can be is said below */
	" connect bind listen accept accept4 getsockname getpeername getsockopt setsockopt shutdown sendto sendmsg sendmmsg recvfrom recvmsg"
	" recvmmsg"
	/* a program may close itself in further */
	" getrandom landlock_create_ruleset landlock_add_rule landlock_restrict_self";

/* Language runtimes want these; where only named files may be executed they would be a way around that. */
static const char allowed_compat[] = " memfd_create execveat";

static const char refused[] =
	/* other processes */
	" ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp process_madvise process_mrelease"
	/* namespaces and mounts */
	" unshare setns mount umount2 pivot_root chroot fsopen fsconfig fsmount fspick move_mount open_tree open_tree_attr mount_setattr"
	" name_to_handle_at open_by_handle_at fanotify_init fanotify_mark quotactl quotactl_fd"
	/* kernel surface that no engine needs */
	" bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register add_key request_key keyctl modify_ldt vmsplice"
	" memfd_secret mbind set_mempolicy set_mempolicy_home_node migrate_pages move_pages lookup_dcookie"
	/* the machine */
	" init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff acct syslog settimeofday clock_settime"
	" clock_adjtime adjtimex sethostname setdomainname vhangup iopl ioperm nfsservctl";

/* Attributes that could outlive the box, or mean something to the kernel. Whoever copies a file with all it has lives with a file system that
 * has none of them. */
static const char unsupported[] =
	" setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat file_setattr";

/* Exact values: the kernel looks at 32 bits of the 64 that a program hands over, so "everything but TIOCSTI" would not hold TIOCSTI. */
static const uint64_t ioctls[] = {
	TCGETS,
	0x802c542a /* TCGETS2 */,
	TIOCGWINSZ,
	TIOCGPGRP,
	TIOCSPGRP,
	TIOCOUTQ,
	FIONREAD,
	FIONBIO,
	FIOASYNC,
	FIOCLEX,
	FIONCLEX,
	0x8910 /* SIOCGIFNAME */,
	0x8933 /* SIOCGIFINDEX */,
};

static const uint64_t new_namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
				       CLONE_NEWNET;
static const uint64_t set_id_bits = S_ISUID | S_ISGID;
static const uint64_t socket_flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
static const uint32_t eperm = SCMP_ACT_ERRNO(EPERM), eacces = SCMP_ACT_ERRNO(EACCES);

static scmp_filter_ctx filter;

__attribute__((noreturn)) static void die(const char *what, const char *object, int rc)
{
	(void)fprintf(stderr, "seccomp_gen: %s %s: %s\n", what, object, strerror(rc < 0 ? -rc : rc));
	exit(1);
}

/* Negative: this architecture has no such call. */
static int number_of(const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);
	for (size_t i = 0; nr == __NR_SCMP_ERROR && i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strcmp(name, numbers[i].name) == 0)
			return numbers[i].nr;
	if (nr == __NR_SCMP_ERROR)
		die("unknown system call", name, EINVAL);
	return nr;
}

/* Every comparison on another argument: with two on one, libseccomp 2.5 refuses the rule. */
static void rule_of(const char *name, uint32_t action, unsigned n, const struct scmp_arg_cmp *args)
{
	int nr = number_of(name);
	if (nr < 0)
		return;
	int rc = seccomp_rule_add_exact_array(filter, action, nr, n, args);
	if (rc != 0)
		die("rule for", name, rc);
}

static void rule(const char *name, uint32_t action) { rule_of(name, action, 0, NULL); }

/* Argument `arg`, all 64 bits of it. */
static struct scmp_arg_cmp equal(unsigned arg, uint64_t value)
{
	return (struct scmp_arg_cmp){.arg = arg, .op = SCMP_CMP_EQ, .datum_a = value};
}

/* The bits of `mask`, no others. */
static struct scmp_arg_cmp masked(unsigned arg, uint64_t mask, uint64_t value)
{
	return (struct scmp_arg_cmp){.arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

static void rule_if(const char *name, struct scmp_arg_cmp a) { rule_of(name, SCMP_ACT_ALLOW, 1, &a); }

static void rules(const char *names, uint32_t action)
{
	while (*names != '\0') {
		char name[64];
		names += strspn(names, " ");
		size_t n = strcspn(names, " ");
		if (n >= sizeof(name))
			die("a name that is too long", names, EINVAL);
		if (n == 0)
			break;
		memcpy(name, names, n);
		name[n] = '\0';
		names += n;
		rule(name, action);
	}
}

static void rules_of_sockets(bool compat)
{
	static const uint64_t families[] = {AF_INET, AF_INET6};
	static const uint64_t protocols[] = {0, IPPROTO_TCP}; /* no other stream: SCTP, MPTCP and SMC pass by the rules for TCP ports */
	rule_if("socket", equal(0, AF_UNIX));
	rule_if("socketpair", equal(0, AF_UNIX));
	const struct scmp_arg_cmp route[] = {equal(0, AF_NETLINK), equal(2, NETLINK_ROUTE)};
	rule_of("socket", SCMP_ACT_ALLOW, 2, route);
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		for (size_t p = 0; p < sizeof(protocols) / sizeof(protocols[0]); p++) {
			const struct scmp_arg_cmp stream[] = {
				equal(0, families[f]),
				masked(1, ~socket_flags, SOCK_STREAM),
				equal(2, protocols[p]),
			};
			rule_of("socket", SCMP_ACT_ALLOW, 3, stream);
		}
		const struct scmp_arg_cmp datagram[] = {
			equal(0, families[f]),
			masked(1, ~socket_flags, SOCK_DGRAM),
		};
		rule_of("socket", compat ? SCMP_ACT_ALLOW : eacces, 2, datagram); /* EACCES: what a resolver says of it can be understood */
	}
}

static void rules_by_argument(bool compat)
{
	static const uint64_t kinds[] = {0, S_IFREG, S_IFIFO, S_IFSOCK};
	static const uint64_t personalities[] = {PER_LINUX, 0xffffffff, UINT64_MAX}; /* the last two only ask */
	rule_if("clone", masked(0, new_namespaces, 0)); /* clone3 hides its flags in memory: ENOSYS, and libraries fall back */
	rule_if("chmod", masked(1, set_id_bits, 0));
	rule_if("fchmod", masked(1, set_id_bits, 0));
	rule_if("fchmodat", masked(2, set_id_bits, 0));
	rule_if("fchmodat2", masked(2, set_id_bits, 0));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		rule_if("mknod", masked(1, S_IFMT | set_id_bits, kinds[i]));
		rule_if("mknodat", masked(2, S_IFMT | set_id_bits, kinds[i]));
	}
	for (size_t i = 0; i < sizeof(personalities) / sizeof(personalities[0]); i++)
		rule_if("personality", equal(0, personalities[i]));
	for (size_t i = 0; i < sizeof(ioctls) / sizeof(ioctls[0]); i++)
		rule_if("ioctl", equal(1, ioctls[i]));
	rules_of_sockets(compat);
}

static void attribute(enum scmp_filter_attr what, uint32_t value, const char *name)
{
	int rc = seccomp_attr_set(filter, what, value);
	if (rc != 0)
		die("set", name, rc);
}

static void print_program(const char *name, int fd)
{
	static struct sock_filter code[BPF_MAXINSNS];
	ssize_t len = pread(fd, code, sizeof(code), 0);
	if (len <= 0 || (size_t)len % sizeof(code[0]) != 0 || (size_t)len == sizeof(code))
		die("read back", name, EIO);
	size_t n = (size_t)len / sizeof(code[0]);
	(void)printf("static const struct sock_filter seccomp_%s[%zu] = {\n", name, n);
	for (size_t i = 0; i < n; i++)
		(void)printf("\t{0x%02x, %u, %u, 0x%08x},\n", code[i].code, code[i].jt, code[i].jf, code[i].k);
	(void)printf("};\n");
}

static void make(const char *name, bool compat)
{
	filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (filter == NULL)
		die("seccomp_init", name, ENOMEM);
	attribute(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS, "the answer to another architecture");
	attribute(SCMP_FLTATR_CTL_OPTIMIZE, 2, "the binary tree");
	rules(allowed, SCMP_ACT_ALLOW);
	if (compat)
		rules(allowed_compat, SCMP_ACT_ALLOW);
	rules(refused, eperm);
	rules(unsupported, SCMP_ACT_ERRNO(EOPNOTSUPP));
	rules_by_argument(compat);
	int fd = memfd_create(name, MFD_CLOEXEC);
	if (fd < 0)
		die("memfd", name, errno);
	int rc = seccomp_export_bpf(filter, fd);
	if (rc != 0)
		die("export", name, rc);
	print_program(name, fd);
	(void)close(fd);
	seccomp_release(filter);
}

int main(void)
{
	(void)printf("/* Made by runner/seccomp_gen.c, where the policy is. */\n#include <linux/filter.h>\n\n");
	make("strict", false);
	make("compat", true);
	return ferror(stdout) != 0 || fflush(stdout) != 0;
}
