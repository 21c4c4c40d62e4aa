#include "runner/job_confine.h"

#include "runner/egress.h"
#include "runner/seccomp_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Landlock by numbers: headers of the systems we build on end before what their kernels know. */
enum { RULE_PATH_BENEATH = 1, RULE_NET_PORT = 2, ASK_VERSION = 1 };
#define FS(bit) (UINT64_C(1) << (bit))
static const uint64_t fs_execute = FS(0), fs_write_file = FS(1), fs_read_file = FS(2), fs_read_dir = FS(3), fs_make_char = FS(6),
		      fs_make_block = FS(11), fs_refer = FS(13), fs_truncate = FS(14), fs_ioctl_dev = FS(15), fs_first_version = FS(13) - 1;
static const uint64_t net_bind_tcp = 1, net_connect_tcp = 2, scope_abstract_unix = 1, scope_signal = 2;

struct ruleset {
	uint64_t handled_fs, handled_net, scoped;
};
struct rule_path {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));
struct rule_port {
	uint64_t allowed, port;
};

static const char *const writable[] = {"/work", "/tmp", "/home", "/dev/shm", NULL};
static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", NULL};
static const char *const programs[] = {"/plugins", "/store", NULL};
/* In a box with language runtimes a program of the job's own is as good as a script of the job's own. */
static const char *const programs_compat[] = {"/usr",    "/bin",  "/sbin", "/lib",  "/lib32", "/lib64",
					      "/libx32", "/work", "/tmp",  "/home", NULL};

/* A place that this box does not have needs no rule. */
static int allow_path(int ruleset, const char *path, uint64_t allowed)
{
	struct stat st;
	int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	static const uint64_t of_files = FS(0) | FS(1) | FS(2) | FS(14) | FS(15);
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		allowed &= of_files;
	struct rule_path rule = {.allowed = allowed, .parent = fd};
	int rc = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) == 0 ? 0 : -errno;
	(void)close(fd);
	return rc;
}

static int allow_paths(int ruleset, const char *const *paths, uint64_t allowed)
{
	int rc = 0;
	for (; rc == 0 && *paths != NULL; paths++)
		rc = allow_path(ruleset, *paths, allowed);
	return rc;
}

static int allow_files(int ruleset, const struct confine_paths *p, uint64_t handled)
{
	uint64_t read = fs_read_file | fs_read_dir;
	uint64_t change = handled & ~(fs_execute | fs_make_char | fs_make_block | fs_ioctl_dev);
	int rc = allow_path(ruleset, "/", read);
	if (rc == 0)
		rc = allow_paths(ruleset, writable, change);
	if (rc == 0)
		rc = allow_paths(ruleset, devices, handled & (fs_read_file | fs_write_file | fs_truncate));
	if (rc == 0)
		rc = allow_paths(ruleset, programs, fs_execute);
	if (rc == 0 && p->engine != NULL)
		rc = allow_path(ruleset, p->engine, fs_execute);
	if (rc == 0 && p->compat)
		rc = allow_paths(ruleset, programs_compat, fs_execute);
	return rc;
}

static struct ruleset handled_by(int abi)
{
	struct ruleset r = {.handled_fs = fs_first_version};
	if (abi >= 2)
		r.handled_fs |= fs_refer;
	if (abi >= 3)
		r.handled_fs |= fs_truncate;
	if (abi >= 4)
		r.handled_net = net_bind_tcp | net_connect_tcp;
	if (abi >= 5)
		r.handled_fs |= fs_ioctl_dev;
	if (abi >= 6)
		r.scoped = scope_abstract_unix | scope_signal;
	return r;
}

/* An older kernel takes a longer structure as long as what it does not know is zero. */
static int restrict_self(const struct confine_paths *p, const struct ruleset *r)
{
	int fd = (int)syscall(SYS_landlock_create_ruleset, r, sizeof(*r), 0);
	if (fd < 0)
		return -errno;
	int rc = allow_files(fd, p, r->handled_fs);
	struct rule_port port = {.allowed = net_connect_tcp, .port = EGRESS_PORT};
	if (rc == 0 && r->handled_net != 0 && syscall(SYS_landlock_add_rule, fd, RULE_NET_PORT, &port, 0) != 0)
		rc = -errno;
	if (rc == 0 && syscall(SYS_landlock_restrict_self, fd, 0) != 0)
		rc = -errno;
	(void)close(fd);
	return rc;
}

int confine_landlock(const struct confine_paths *p, struct confine_applied *ret)
{
	*ret = (struct confine_applied){0};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, ASK_VERSION);
	if (abi <= 0)
		return abi == 0 ? -ENOSYS : -errno;
	struct ruleset r = handled_by(abi);
	int rc = restrict_self(p, &r);
	if (rc == 0)
		*ret = (struct confine_applied){
			.landlock_abi = abi,
			.handled_fs = r.handled_fs,
			.handled_net = r.handled_net,
			.scoped = r.scoped,
		};
	return rc;
}

/* A second domain inside the first: signals go down into it, none comes up. */
int confine_step(void)
{
	const struct ruleset r = {.scoped = scope_signal};
	int fd = (int)syscall(SYS_landlock_create_ruleset, &r, sizeof(r), 0);
	if (fd < 0)
		return -errno;
	int rc = syscall(SYS_landlock_restrict_self, fd, 0) == 0 ? 0 : -errno;
	(void)close(fd);
	return rc;
}

static int load(const struct sock_filter *code, size_t n)
{
	/* The kernel does not write to it. */
	const struct sock_fprog program = {.len = (unsigned short)n, .filter = (struct sock_filter *)(uintptr_t)code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 ? 0 : -errno;
}

int confine_seccomp(bool compat)
{
	if (compat)
		return load(seccomp_compat, sizeof(seccomp_compat) / sizeof(seccomp_compat[0]));
	return load(seccomp_strict, sizeof(seccomp_strict) / sizeof(seccomp_strict[0]));
}
