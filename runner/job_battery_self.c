/* What a program in the box has and who it is. */
#include "runner/job_battery.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <sys/ptrace.h>

enum { DESCRIPTORS_MAX = 65536, CAPABILITIES_MAX = 64, PIDS_BESIDE = 64, PIDS_MAX = 65536 };

static const char *kind_of(mode_t mode)
{
	if (S_ISDIR(mode))
		return "directory";
	if (S_ISSOCK(mode))
		return "socket";
	return S_ISREG(mode) ? "file" : S_ISFIFO(mode) ? "pipe" : "other";
}

static void descriptors(char *value, size_t size)
{
	size_t len = 0;
	struct stat st;
	battery_say(value, size, "none");
	for (int fd = 3; fd < DESCRIPTORS_MAX && len + 1 < size; fd++) {
		if (fstat(fd, &st) != 0)
			continue;
		battery_say(value + len, size - len, "%s%d:%s", len > 0 ? " " : "", fd, kind_of(st.st_mode));
		len = strlen(value);
	}
}

/* Names only. */
static void environment(char *value, size_t size)
{
	size_t len = 0;
	for (char **e = environ; *e != NULL && len + 1 < size; e++) {
		battery_say(value + len, size - len, "%s%.*s", len > 0 ? " " : "", (int)strcspn(*e, "="), *e);
		len = strlen(value);
	}
}

static void user(char *value, size_t size)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;
	if (getresuid(&r, &e, &s) != 0 || getresgid(&rg, &eg, &sg) != 0 || r != e || e != s || rg != eg || eg != sg)
		battery_say(value, size, "mixed");
	else
		battery_say(value, size, "%u:%u", r, rg);
}

/* Who owns what root owns outside? Nobody that is known here, when this is another user namespace. */
static void owner_of_devices(char *value, size_t size)
{
	struct stat st;
	if (stat("/dev/null", &st) != 0)
		battery_answer(value, size, -1);
	else
		battery_say(value, size, "%u", st.st_uid);
}

static void become_root(char *value, size_t size) { battery_answer(value, size, setresuid(0, 0, 0)); }

static void capabilities(char *value, size_t size)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};
	if (syscall(SYS_capget, &head, data) != 0) {
		battery_answer(value, size, -1);
		return;
	}
	uint32_t any = 0;
	for (int i = 0; i < 2; i++)
		any |= data[i].effective | data[i].permitted | data[i].inheritable;
	if (any == 0)
		battery_say(value, size, "none");
	else
		battery_say(value, size, "effective %08x%08x permitted %08x%08x inheritable %08x%08x", data[1].effective, data[0].effective,
			    data[1].permitted, data[0].permitted, data[1].inheritable, data[0].inheritable);
}

static void bounding(char *value, size_t size)
{
	int n = 0;
	for (unsigned long c = 0; c < CAPABILITIES_MAX; c++)
		n += prctl(PR_CAPBSET_READ, c, 0, 0, 0) == 1 || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, c, 0, 0) == 1;
	battery_say(value, size, "%d", n);
}

static void no_new_privs(char *value, size_t size) { battery_say(value, size, "%d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)); }
static void seccomp(char *value, size_t size) { battery_say(value, size, "%d", prctl(PR_GET_SECCOMP, 0, 0, 0, 0)); }

static void hostname(char *value, size_t size)
{
	if (gethostname(value, size) != 0)
		battery_answer(value, size, -1);
}

static void tty(char *value, size_t size)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
	battery_answer(value, size, fd);
	if (fd >= 0)
		(void)close(fd);
}

/* ---- other processes ---- */

static void pid(char *value, size_t size) { battery_say(value, size, "%d", getpid()); }

/* Without /proc: every number up to ours and a few more, asked for. */
static void processes(char *value, size_t size)
{
	int n = 0;
	pid_t self = getpid(), last = self + PIDS_BESIDE < PIDS_MAX ? self + PIDS_BESIDE : PIDS_MAX;
	for (pid_t p = 1; p <= last; p++)
		n += p != self && (kill(p, 0) == 0 || errno != ESRCH);
	battery_say(value, size, "%d", n);
}

static void processes_in_proc(char *value, size_t size)
{
	int n = 0;
	DIR *d = opendir("/proc");
	if (d == NULL) {
		battery_answer(value, size, -1);
		return;
	}
	for (const struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] >= '1' && e->d_name[0] <= '9';
	(void)closedir(d);
	battery_say(value, size, "%d", n);
}

static void bait_process(char *value, size_t size)
{
	const char *bait = battery_bait("pid");
	if (bait == NULL)
		battery_say(value, size, "no bait");
	else
		battery_answer(value, size, kill((pid_t)strtoul(bait, NULL, 10), 0));
}

/* The first process is outside the domain of our parent, where there is one. */
static void signal_first(char *value, size_t size) { battery_answer(value, size, kill(1, 0)); }

static void signal_parent(char *value, size_t size) { battery_answer(value, size, kill(getppid(), 0)); }

static void bytes_of(const char *path, char *value, size_t size)
{
	char byte[4096];
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, byte, sizeof(byte));
	if (n < 0)
		battery_answer(value, size, -1);
	else
		battery_say(value, size, "%zd bytes", n);
	if (fd >= 0)
		(void)close(fd);
}

static void environ_first(char *value, size_t size) { bytes_of("/proc/1/environ", value, size); }

static void environ_parent(char *value, size_t size)
{
	char path[64];
	battery_say(path, sizeof(path), "/proc/%d/environ", getppid());
	bytes_of(path, value, size);
}

static void memory_first(char *value, size_t size)
{
	int fd = open("/proc/1/mem", O_RDONLY | O_CLOEXEC);
	battery_answer(value, size, fd);
	if (fd >= 0)
		(void)close(fd);
}

static void trace_parent(char *value, size_t size) { battery_answer(value, size, ptrace(PTRACE_SEIZE, getppid(), 0, 0)); }

static void read_parent(char *value, size_t size)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {&byte, 1};
	battery_answer(value, size, process_vm_readv(getppid(), &here, 1, &there, 1, 0));
}

/* ---- limits ---- */

static void limit_of(__rlimit_resource_t what, char *value, size_t size)
{
	struct rlimit r;
	if (getrlimit(what, &r) != 0)
		battery_answer(value, size, -1);
	else if (r.rlim_max == RLIM_INFINITY)
		battery_say(value, size, "none");
	else
		battery_say(value, size, "%llu", (unsigned long long)r.rlim_max);
}

static void limit_core(char *value, size_t size) { limit_of(RLIMIT_CORE, value, size); }
static void limit_files(char *value, size_t size) { limit_of(RLIMIT_NOFILE, value, size); }
static void limit_processes(char *value, size_t size) { limit_of(RLIMIT_NPROC, value, size); }
static void limit_file_size(char *value, size_t size) { limit_of(RLIMIT_FSIZE, value, size); }

static const struct battery_row rows[] = {
	{"descriptors", descriptors},
	{"environment", environment},
	{"user", user},
	{"owner_of_devices", owner_of_devices},
	{"become_root", become_root},
	{"capabilities", capabilities},
	{"bounding", bounding},
	{"no_new_privs", no_new_privs},
	{"seccomp", seccomp},
	{"hostname", hostname},
	{"tty", tty},
	{"pid", pid},
	{"processes", processes},
	{"processes_in_proc", processes_in_proc},
	{"bait_process", bait_process},
	{"signal_first", signal_first},
	{"signal_parent", signal_parent},
	{"environ_first", environ_first},
	{"environ_parent", environ_parent},
	{"memory_first", memory_first},
	{"trace_parent", trace_parent},
	{"read_parent", read_parent},
	{"limit_core", limit_core},
	{"limit_files", limit_files},
	{"limit_processes", limit_processes},
	{"limit_file_size", limit_file_size},
};

struct battery_rows battery_self(void) { return (struct battery_rows){rows, sizeof(rows) / sizeof(rows[0])}; }
