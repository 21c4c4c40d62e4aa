/* The system call filters of the box as a table: their instructions are carried out here, over calls that nobody makes. */
#include "base/mem.h"
#include "runner/seccomp_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include <netinet/in.h>

#if defined(__x86_64__)
#define ARCH ((uint32_t)AUDIT_ARCH_X86_64)
#else
#define ARCH ((uint32_t)AUDIT_ARCH_AARCH64)
#endif

enum { YES = SECCOMP_RET_ALLOW, KILL = (int)SECCOMP_RET_KILL_PROCESS };
#define NO(e) ((int)(SECCOMP_RET_ERRNO | (e)))

static uint32_t word_at(const struct seccomp_data *d, uint32_t offset)
{
	uint32_t v;
	assert_true(offset % 4 == 0 && offset + 4 <= sizeof(*d));
	memcpy(&v, (const char *)d + offset, sizeof(v));
	return v;
}

static int run(const struct sock_filter *code, size_t n, const struct seccomp_data *d)
{
	uint32_t a = 0;
	for (size_t at = 0; at < n; at++) {
		const struct sock_filter *i = &code[at];
		bool yes = false;
		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS: a = word_at(d, i->k); continue;
		case BPF_ALU | BPF_AND | BPF_K: a &= i->k; continue;
		case BPF_JMP | BPF_JA: at += i->k; continue;
		case BPF_RET | BPF_K: return (int)i->k;
		case BPF_JMP | BPF_JEQ | BPF_K: yes = a == i->k; break;
		case BPF_JMP | BPF_JGT | BPF_K: yes = a > i->k; break;
		case BPF_JMP | BPF_JGE | BPF_K: yes = a >= i->k; break;
		case BPF_JMP | BPF_JSET | BPF_K: yes = (a & i->k) != 0; break;
		default: fail_msg("instruction %zu: 0x%02x", at, i->code);
		}
		at += yes ? i->jt : i->jf;
	}
	fail_msg("the filter has no end");
	return 0;
}

static int strict_says(uint32_t arch, int nr, const uint64_t *args)
{
	struct seccomp_data d = {.nr = nr, .arch = arch};
	memcpy(d.args, args, sizeof(d.args));
	return run(seccomp_strict, ARRAY_LEN(seccomp_strict), &d);
}

static int compat_says(uint32_t arch, int nr, const uint64_t *args)
{
	struct seccomp_data d = {.nr = nr, .arch = arch};
	memcpy(d.args, args, sizeof(d.args));
	return run(seccomp_compat, ARRAY_LEN(seccomp_compat), &d);
}

#define HIGH (UINT64_C(1) << 32)
#define CALL(name) #name, SYS_##name
static const struct call {
	const char *name;
	int nr;
	uint64_t args[6];
	int strict, compat;
} calls[] = {
	{CALL(read), {0}, YES, YES},
	{CALL(openat), {0}, YES, YES},
	{CALL(execve), {0}, YES, YES},
	{"openat2", 437, {0}, YES, YES},
	{"close_range", 436, {0}, YES, YES},
	{"pidfd_open", 434, {0}, YES, YES},
	{"mseal", 462, {0}, YES, YES},
	{CALL(memfd_create), {0}, NO(ENOSYS), YES},
	{CALL(execveat), {0}, NO(ENOSYS), YES},
	{"clone3", 435, {0}, NO(ENOSYS), NO(ENOSYS)},
	{"statmount", 457, {0}, NO(ENOSYS), NO(ENOSYS)},
	{"nothing yet", 999, {0}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(seccomp), {0}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(io_submit), {0}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(shmget), {0}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(ptrace), {0}, NO(EPERM), NO(EPERM)},
	{CALL(unshare), {CLONE_NEWUSER}, NO(EPERM), NO(EPERM)},
	{CALL(setns), {0}, NO(EPERM), NO(EPERM)},
	{CALL(mount), {0}, NO(EPERM), NO(EPERM)},
	{CALL(umount2), {0}, NO(EPERM), NO(EPERM)},
	{CALL(pivot_root), {0}, NO(EPERM), NO(EPERM)},
	{CALL(chroot), {0}, NO(EPERM), NO(EPERM)},
	{CALL(bpf), {0}, NO(EPERM), NO(EPERM)},
	{CALL(perf_event_open), {0}, NO(EPERM), NO(EPERM)},
	{CALL(userfaultfd), {0}, NO(EPERM), NO(EPERM)},
	{CALL(keyctl), {0}, NO(EPERM), NO(EPERM)},
	{CALL(process_vm_readv), {0}, NO(EPERM), NO(EPERM)},
	{CALL(open_by_handle_at), {0}, NO(EPERM), NO(EPERM)},
	{"io_uring_setup", 425, {0}, NO(EPERM), NO(EPERM)},
	{"pidfd_getfd", 438, {0}, NO(EPERM), NO(EPERM)},
	{"memfd_secret", 447, {0}, NO(EPERM), NO(EPERM)},
	{"open_tree_attr", 467, {0}, NO(EPERM), NO(EPERM)},
	{"setxattrat", 463, {0}, NO(EOPNOTSUPP), NO(EOPNOTSUPP)},
	{CALL(fsetxattr), {0}, NO(EOPNOTSUPP), NO(EOPNOTSUPP)},
	{CALL(clone), {SIGCHLD}, YES, YES},
	{CALL(clone), {CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD}, YES, YES}, /* Go */
	{CALL(clone), {CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS}, YES, YES},
	{CALL(clone), {CLONE_NEWUSER | SIGCHLD}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(clone), {CLONE_NEWNS | SIGCHLD}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(clone), {CLONE_NEWPID}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(clone), {CLONE_NEWNET}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(clone), {CLONE_NEWIPC}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(clone), {CLONE_NEWUTS}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(clone), {CLONE_NEWCGROUP}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(clone), {HIGH | CLONE_NEWUSER}, NO(ENOSYS), NO(ENOSYS)}, /* the kernel drops the high half */
	{CALL(socket), {AF_UNIX, SOCK_STREAM, 0}, YES, YES},
	{CALL(socket), {AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0}, YES, YES},
	{CALL(socket), {AF_INET, SOCK_STREAM, 0}, YES, YES},
	{CALL(socket), {AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP}, YES, YES},
	{CALL(socket), {AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0}, YES, YES},
	{CALL(socket), {AF_INET, SOCK_STREAM, IPPROTO_SCTP}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(socket), {AF_INET, SOCK_STREAM, IPPROTO_MPTCP}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(socket), {AF_INET, SOCK_DGRAM, 0}, NO(EACCES), YES},
	{CALL(socket), {AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP}, NO(EACCES), YES},
	{CALL(socket), {AF_INET, SOCK_RAW, IPPROTO_ICMP}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(socket), {HIGH | AF_INET, SOCK_DGRAM, 0}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(socket), {AF_INET, HIGH | SOCK_DGRAM, 0}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(socket), {AF_INET, HIGH | SOCK_STREAM, 0}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(socket), {AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0 /* ROUTE */}, YES, YES},
	{CALL(socket), {AF_NETLINK, SOCK_RAW, 6 /* XFRM */}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(socket), {AF_NETLINK, SOCK_RAW, 12 /* NETFILTER */}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(socket), {AF_NETLINK, SOCK_RAW, HIGH}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(socket), {AF_PACKET, SOCK_RAW, 0}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(socket), {40 /* VSOCK */, SOCK_STREAM, 0}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(socket), {38 /* ALG */, SOCK_SEQPACKET, 0}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(socketpair), {AF_UNIX, SOCK_STREAM, 0}, YES, YES},
	{CALL(socketpair), {AF_INET, SOCK_STREAM, 0}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(fchmod), {0, 0755}, YES, YES},
	{CALL(fchmod), {0, 01777}, YES, YES},
	{CALL(fchmod), {0, 04755}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(fchmod), {0, 02755}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(fchmod), {0, HIGH | 04755}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(fchmodat), {0, 0, 0644}, YES, YES},
	{CALL(fchmodat), {0, 0, 06755}, NO(ENOSYS), NO(ENOSYS)},
	{"fchmodat2", 452, {0, 0, 0644}, YES, YES},
	{"fchmodat2", 452, {0, 0, 04755}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(mknodat), {0, 0, 0600}, YES, YES},
	{CALL(mknodat), {0, 0, S_IFREG | 0600}, YES, YES},
	{CALL(mknodat), {0, 0, S_IFIFO | 0600}, YES, YES},
	{CALL(mknodat), {0, 0, S_IFSOCK | 0600}, YES, YES},
	{CALL(mknodat), {0, 0, S_IFCHR | 0600}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(mknodat), {0, 0, S_IFBLK | 0600}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(mknodat), {0, 0, S_IFREG | 04755}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(mknodat), {0, 0, HIGH | S_IFCHR}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(ioctl), {0, TCGETS}, YES, YES},
	{CALL(ioctl), {0, FIONREAD}, YES, YES},
	{CALL(ioctl), {0, FIOCLEX}, YES, YES},
	{CALL(ioctl), {0, TIOCSTI}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(ioctl), {0, HIGH | TIOCSTI}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(ioctl), {0, HIGH | TCGETS}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(ioctl), {0, 0x541c /* TIOCLINUX */}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(personality), {0}, YES, YES},
	{CALL(personality), {0xffffffff}, YES, YES},
	{CALL(personality), {0x0040000 /* ADDR_NO_RANDOMIZE */}, NO(ENOSYS), NO(ENOSYS)},
#ifdef SYS_chmod
	{CALL(chmod), {0, 0644}, YES, YES},
	{CALL(chmod), {0, 04755}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(mknod), {0, S_IFCHR | 0600}, NO(ENOSYS), NO(ENOSYS)},
	{CALL(open), {0}, YES, YES},
	{CALL(modify_ldt), {0}, NO(EPERM), NO(EPERM)},
	{CALL(iopl), {0}, NO(EPERM), NO(EPERM)},
#endif
};

static void each_call_has_its_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		const struct call *c = &calls[i];
		int strict = strict_says(ARCH, c->nr, c->args), compat = compat_says(ARCH, c->nr, c->args);
		if (strict != c->strict || compat != c->compat)
			fail_msg("%s(%#llx, %#llx, %#llx): strict %#x, compat %#x", c->name, (unsigned long long)c->args[0],
				 (unsigned long long)c->args[1], (unsigned long long)c->args[2], (unsigned)strict, (unsigned)compat);
	}
}

static void other_numbers_end_the_process(void **state)
{
	(void)state;
	static const uint64_t none[6];
	static const uint32_t others[] = {AUDIT_ARCH_I386, AUDIT_ARCH_ARM, AUDIT_ARCH_S390X, 0};
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		assert_int_equal(strict_says(others[i], SYS_read, none), KILL);
		assert_int_equal(compat_says(others[i], SYS_read, none), KILL);
	}
#ifdef __x86_64__
	assert_int_equal(strict_says(ARCH, 0x40000000, none), KILL); /* x32 */
	assert_int_equal(compat_says(ARCH, 0x40000000 + SYS_ptrace, none), KILL);
#endif
}

/* Whatever the number, the answer is one of four, and compat differs from strict in what it is meant to. */
static void every_number_has_an_answer(void **state)
{
	(void)state;
	static const uint64_t none[6];
	unsigned count[4] = {0};
	for (int nr = 0; nr < 1000; nr++) {
		int strict = strict_says(ARCH, nr, none), compat = compat_says(ARCH, nr, none);
		if (strict != YES && strict != NO(EPERM) && strict != NO(ENOSYS) && strict != NO(EOPNOTSUPP))
			fail_msg("call %d: %#x", nr, (unsigned)strict);
		if (strict != compat && nr != SYS_memfd_create && nr != SYS_execveat)
			fail_msg("call %d: strict %#x, compat %#x", nr, (unsigned)strict, (unsigned)compat);
		count[strict == YES ? 0 : strict == NO(EPERM) ? 1 : strict == NO(ENOSYS) ? 2 : 3]++;
	}
	print_message("# %u calls allowed, %u refused, %u unknown, %u not supported; %zu instructions\n", count[0], count[1], count[2],
		      count[3], ARRAY_LEN(seccomp_strict));
	assert_in_range(count[0], 190, 260); /* fewer where there are no calls from before 2008 */
	assert_in_range(count[1], 50, 90);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_has_its_answer),
		cmocka_unit_test(other_numbers_end_the_process),
		cmocka_unit_test(every_number_has_an_answer),
	};
	return cmocka_run_group_tests_name("seccomp_gen", tests, NULL, NULL);
}
