/* Which parts of the kernel a program in the box can talk to. Arguments are such that a kernel that is reached at all refuses them, or gives
 * something that is closed again at once. */
#include "runner/job_battery.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define SCRATCH "/tmp/.battery"

static void call(char *value, size_t size, long rc) { battery_answer(value, size, rc); }

static void descriptor(char *value, size_t size, long fd)
{
	call(value, size, fd);
	if (fd >= 0)
		(void)close((int)fd);
}

/* ---- namespaces ---- */

/* In a child: whoever succeeds is somewhere else afterwards. */
static void nested_unshare(char *value, size_t size)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) == 0 ? 0 : errno);
	int status = 0;
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
		battery_say(value, size, "no answer");
		return;
	}
	errno = WEXITSTATUS(status);
	call(value, size, errno == 0 ? 0 : -1);
}

static void nested_clone(char *value, size_t size)
{
	long pid = syscall(SYS_clone, (unsigned long)CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(0);
	call(value, size, pid);
	if (pid > 0)
		(void)waitpid((pid_t)pid, NULL, 0);
}

static void nested_clone3(char *value, size_t size)
{
	uint64_t args[8] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
	long pid = syscall(SYS_clone3, args, sizeof(args));
	if (pid == 0)
		_exit(0);
	call(value, size, pid);
	if (pid > 0)
		(void)waitpid((pid_t)pid, NULL, 0);
}

static void enter(char *value, size_t size) { call(value, size, setns(0, CLONE_NEWNS)); }

/* ---- mounts ---- */

/* Of a kind that does not exist: whoever may mount gets ENODEV. */
static void mount_something(char *value, size_t size) { call(value, size, mount("none", "/tmp", "battery", 0, "")); }
static void unmount(char *value, size_t size) { call(value, size, umount2("/nothing", 0)); }
static void pivot(char *value, size_t size) { call(value, size, syscall(SYS_pivot_root, "/nothing", "/nothing")); }
static void change_root(char *value, size_t size) { call(value, size, chroot("/nothing")); }
static void open_tree_of(char *value, size_t size) { descriptor(value, size, syscall(SYS_open_tree, -100, "/tmp", 1)); }
static void file_system(char *value, size_t size) { descriptor(value, size, syscall(SYS_fsopen, "tmpfs", 0)); }

static void file_handle(char *value, size_t size)
{
	uint32_t handle[40] = {128};
	int id;
	call(value, size, syscall(SYS_name_to_handle_at, -100, "/tmp", handle, &id, 0));
}

static void device(char *value, size_t size)
{
	int rc = mknod(SCRATCH "-device", S_IFCHR | 0600, makedev(1, 3));
	call(value, size, rc);
	(void)unlink(SCRATCH "-device");
}

static void set_user_id(char *value, size_t size)
{
	int fd = open(SCRATCH "-suid", O_CREAT | O_WRONLY | O_CLOEXEC, 0700);
	call(value, size, fd < 0 ? -1 : fchmod(fd, 04755));
	if (fd >= 0)
		(void)close(fd);
	(void)unlink(SCRATCH "-suid");
}

/* ---- parts of the kernel ---- */

static void io_uring(char *value, size_t size)
{
	uint8_t params[120] = {0};
	descriptor(value, size, syscall(SYS_io_uring_setup, 1, params));
}

static void userfault(char *value, size_t size) { descriptor(value, size, syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* user mode only */)); }
static void keyctl(char *value, size_t size) { call(value, size, syscall(SYS_keyctl, 0, -3, 0)); }
static void add_key(char *value, size_t size) { call(value, size, syscall(SYS_add_key, "user", "battery", "x", 1, -2)); }
static void bpf(char *value, size_t size) { call(value, size, syscall(SYS_bpf, 0, NULL, 0)); }

static void perf(char *value, size_t size)
{
	uint32_t attr[32] = {1 /* software */, sizeof(attr)};
	descriptor(value, size, syscall(SYS_perf_event_open, attr, 0, -1, -1, 0));
}

static void ldt(char *value, size_t size)
{
#ifdef SYS_modify_ldt
	uint8_t entry[16];
	call(value, size, syscall(SYS_modify_ldt, 0, entry, sizeof(entry)));
#else
	battery_say(value, size, "ENOSYS");
#endif
}

/* One of its own, gone at once. */
static void message_queue(char *value, size_t size)
{
	int id = msgget(IPC_PRIVATE, 0600);
	call(value, size, id);
	if (id >= 0)
		(void)msgctl(id, IPC_RMID, NULL);
}

static void kcmp(char *value, size_t size) { call(value, size, syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0)); }
static void memory_secret(char *value, size_t size) { descriptor(value, size, syscall(447, 0)); }

static void vsock(char *value, size_t size) { descriptor(value, size, socket(AF_VSOCK, SOCK_STREAM, 0)); }
static void packet(char *value, size_t size) { descriptor(value, size, socket(AF_PACKET, SOCK_DGRAM, 0)); }
static void raw(char *value, size_t size) { descriptor(value, size, socket(AF_INET, SOCK_RAW, 1)); }
static void alg(char *value, size_t size) { descriptor(value, size, socket(AF_ALG, SOCK_SEQPACKET, 0)); }
static void netfilter(char *value, size_t size) { descriptor(value, size, socket(AF_NETLINK, SOCK_RAW, 12)); }
static void xfrm(char *value, size_t size) { descriptor(value, size, socket(AF_NETLINK, SOCK_RAW, 6)); }
static void sctp(char *value, size_t size) { descriptor(value, size, socket(AF_INET, SOCK_STREAM, 132)); }
static void mptcp(char *value, size_t size) { descriptor(value, size, socket(AF_INET, SOCK_STREAM, 262)); }

/* On a pipe, which no driver of terminals ever sees. */
static void push_input(char *value, size_t size, uint64_t command)
{
	int ends[2];
	char byte = 'x';
	if (pipe(ends) != 0) {
		battery_say(value, size, "no pipe");
		return;
	}
	call(value, size, syscall(SYS_ioctl, ends[0], command, &byte));
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void push(char *value, size_t size) { push_input(value, size, TIOCSTI); }
static void push_high(char *value, size_t size) { push_input(value, size, TIOCSTI | UINT64_C(1) << 32); }

static void landlock(char *value, size_t size)
{
	battery_say(value, size, "%ld", syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION));
}

/* The filter of system calls lets this command through; from version 5 on Landlock does not, on a device. */
static void device_command(char *value, size_t size)
{
	int n, fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	call(value, size, fd < 0 ? -1 : ioctl(fd, FIONREAD, &n));
	if (fd >= 0)
		(void)close(fd);
}

static const struct battery_row rows[] = {
	{"nested_unshare", nested_unshare},
	{"nested_clone", nested_clone},
	{"nested_clone3", nested_clone3},
	{"setns", enter},
	{"mount", mount_something},
	{"umount", unmount},
	{"pivot_root", pivot},
	{"chroot", change_root},
	{"open_tree", open_tree_of},
	{"fsopen", file_system},
	{"file_handle", file_handle},
	{"device", device},
	{"set_user_id", set_user_id},
	{"io_uring", io_uring},
	{"userfaultfd", userfault},
	{"keyctl", keyctl},
	{"add_key", add_key},
	{"bpf", bpf},
	{"perf", perf},
	{"modify_ldt", ldt},
	{"message_queue", message_queue},
	{"kcmp", kcmp},
	{"memfd_secret", memory_secret},
	{"vsock", vsock},
	{"packet", packet},
	{"raw", raw},
	{"alg", alg},
	{"netfilter", netfilter},
	{"xfrm", xfrm},
	{"sctp", sctp},
	{"mptcp", mptcp},
	{"tiocsti", push},
	{"tiocsti_high", push_high},
	{"landlock", landlock},
	{"device_command", device_command},
};

struct battery_rows battery_kernel(void) { return (struct battery_rows){rows, sizeof(rows) / sizeof(rows[0])}; }
