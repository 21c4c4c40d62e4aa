#include "runner/job_launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BINDS_MAX = 32, MAKES_MAX = 32, ARGS_MAX = 8, NAME_MAX_BYTES = 256 };

struct bind {
	const char *name, *path;
	int fd; /* the mount, taken off its place before anything is laid over it */
};

/* A directory, link or file of the job's file system. */
struct make {
	char kind; /* 'd', 'l', 'f' */
	const char *name, *of;
};

struct orders {
	struct make makes[MAKES_MAX];
	size_t makes_n;
	const char *bwrap, *size, *inodes, *nested;
	char *args[ARGS_MAX];
	size_t args_n;
	struct bind binds[BINDS_MAX];
	size_t binds_n;
	long parent, uid; /* uid 0: stay who we are */
};

static char text[LAUNCH_ORDERS_MAX];

/* One line for the runner, which shows it to people. */
static _Noreturn void fail(const char *what, const char *of, const char *hint)
{
	(void)fprintf(stderr, "%s%s%s: %s%s\n", what, of[0] != '\0' ? " " : "", of, strerror(errno), hint);
	_exit(LAUNCH_FAILED);
}

static const char user_namespaces[] = "; sluice needs user namespaces without privilege: check the settings user.max_user_namespaces (not 0), "
				      "kernel.unprivileged_userns_clone (1) and kernel.apparmor_restrict_unprivileged_userns (0) of sysctl";

static size_t read_orders(void)
{
	size_t len = 0;
	for (;;) {
		ssize_t n = read(BOX_FD_LAUNCH, text + len, sizeof(text) - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			fail("read orders", "", "");
		if (n == 0)
			return len;
		len += (size_t)n;
	}
}

/* Digits only, as the runner writes them; 0 of anything else, which no order means. */
static long number(const char *digits)
{
	long n = 0;
	for (; *digits >= '0' && *digits <= '9' && n < 1000000000; digits++)
		n = n * 10 + (*digits - '0');
	return *digits == '\0' ? n : 0;
}

static char *split(char *value)
{
	char *colon = strchr(value, ':');
	if (colon == NULL || colon - value >= NAME_MAX_BYTES) {
		errno = EINVAL;
		fail("order", value, "");
	}
	*colon = '\0';
	return colon + 1;
}

static void take_bind(struct orders *o, char *value)
{
	if (o->binds_n == BINDS_MAX) {
		errno = E2BIG;
		fail("bind", value, "");
	}
	const char *path = split(value);
	o->binds[o->binds_n++] = (struct bind){value, path, -1};
}

static void take_make(struct orders *o, char kind, char *value)
{
	if (o->makes_n == MAKES_MAX || strlen(value) >= LAUNCH_ORDERS_MAX) {
		errno = E2BIG;
		fail("make", value, "");
	}
	const char *of = kind == 'd' ? "" : split(value);
	o->makes[o->makes_n++] = (struct make){kind, value, of};
}

static void take(struct orders *o, char *order)
{
	char *value = strchr(order, '=');
	if (value == NULL) {
		errno = EINVAL;
		fail("order", order, "");
	}
	*value++ = '\0';
	if (strcmp(order, "parent") == 0) {
		o->parent = number(value);
	} else if (strcmp(order, "bwrap") == 0) {
		o->bwrap = value;
	} else if (strcmp(order, "uid") == 0) {
		o->uid = number(value);
	} else if (strcmp(order, "size") == 0) {
		o->size = value;
	} else if (strcmp(order, "nested") == 0) {
		o->nested = value;
	} else if (strcmp(order, "inodes") == 0) {
		o->inodes = value;
	} else if (strcmp(order, "bind") == 0) {
		take_bind(o, value);
	} else if (strcmp(order, "dir") == 0 || strcmp(order, "link") == 0 || strcmp(order, "file") == 0) {
		take_make(o, order[0], value);
	} else if (strcmp(order, "arg") == 0 && o->args_n + 1 < ARGS_MAX) {
		o->args[o->args_n++] = value;
	} else {
		errno = EINVAL;
		fail("order", order, "");
	}
}

static void write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) != (ssize_t)strlen(value))
		fail("write", path, user_namespaces);
	(void)close(fd);
}

/* A user namespace in which we are who we are. */
static void own_user_namespace(void)
{
	char map[64];
	uid_t uid = getuid();
	gid_t gid = getgid();
	if (unshare(CLONE_NEWUSER) != 0)
		fail("new user namespace", "", user_namespaces);
	(void)snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	write_file("/proc/self/uid_map", map);
	write_file("/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	write_file("/proc/self/gid_map", map);
}

/* Below ours there will be those of bubblewrap and no other. Where /proc/sys cannot be written the system call filter still refuses them. */
static void end_of_user_namespaces(const char *nested)
{
	int fd = open("/proc/sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, nested, strlen(nested)) < 0)
		errno = 0;
	if (fd >= 0)
		(void)close(fd);
}

/* Mounts need the right to mount: as root that of the host, in a mount namespace of our own; else that of a new user namespace. */
static void own_mounts(const struct orders *o)
{
	if (o->uid == 0)
		own_user_namespace();
	if (unshare(CLONE_NEWNS) != 0)
		fail("new mount namespace", "", user_namespaces);
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
		fail("separate mounts", "", user_namespaces);
}

/* Before the job's file system covers LAUNCH_DIR: some of them may lie there. */
static void take_off(struct orders *o)
{
	for (size_t i = 0; i < o->binds_n; i++) {
		struct bind *b = &o->binds[i];
		b->fd = open_tree(AT_FDCWD, b->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		if (b->fd < 0)
			fail("bind", b->path, "");
	}
}

static void own_file_system(const struct orders *o)
{
	static const char *const dirs[] = {LAUNCH_DIR "/work", LAUNCH_DIR "/tmp", LAUNCH_DIR "/home", LAUNCH_DIR "/shm"};
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "size", o->size, 0) != 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", o->inodes, 0) != 0 || fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0) != 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
		fail("file system of the job", "", user_namespaces);
	int mnt = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (mnt < 0 || move_mount(mnt, "", AT_FDCWD, LAUNCH_DIR, MOVE_MOUNT_F_EMPTY_PATH) != 0)
		fail("mount", LAUNCH_DIR, "");
	(void)close(mnt);
	(void)close(fs);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (mkdir(dirs[i], 0755) != 0 || (o->uid != 0 && chown(dirs[i], (uid_t)o->uid, (gid_t)o->uid) != 0))
			fail("make", dirs[i], "");
}

/* LAUNCH_DIR/NAME, its parents made. */
static void place_of(const char *name, char ret[static sizeof(LAUNCH_DIR) + NAME_MAX_BYTES + 1])
{
	int n = snprintf(ret, sizeof(LAUNCH_DIR) + NAME_MAX_BYTES + 1, "%s/%s", LAUNCH_DIR, name);
	if (n < 0 || (size_t)n > sizeof(LAUNCH_DIR) + NAME_MAX_BYTES) {
		errno = ENAMETOOLONG;
		fail("make", name, "");
	}
	for (char *p = ret + sizeof(LAUNCH_DIR); (p = strchr(p, '/')) != NULL; *p++ = '/') {
		*p = '\0';
		if (mkdir(ret, 0755) != 0 && errno != EEXIST)
			fail("make", ret, "");
	}
}

static void fill_file(const char *path, int from)
{
	char chunk[16 * 1024];
	int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0444);
	if (to < 0)
		fail("make", path, "");
	for (ssize_t n; (n = read(from, chunk, sizeof(chunk))) != 0;)
		if (n < 0 || write(to, chunk, (size_t)n) != n)
			fail("fill", path, "");
	(void)close(to);
	(void)close(from);
}

static void make(const struct make *m)
{
	char at[sizeof(LAUNCH_DIR) + NAME_MAX_BYTES + 1];
	place_of(m->name, at);
	if (m->kind == 'f')
		fill_file(at, (int)number(m->of));
	else if (m->kind == 'l' ? symlink(m->of, at) != 0 : mkdir(at, 0755) != 0 && errno != EEXIST)
		fail("make", at, "");
}

static void put(const struct bind *b)
{
	struct stat st;
	char to[sizeof(LAUNCH_DIR) + NAME_MAX_BYTES + 1];
	place_of(b->name, to);
	if (fstat(b->fd, &st) != 0)
		fail("look at", b->path, "");
	int made = S_ISDIR(st.st_mode) ? mkdir(to, 0755) : mknod(to, S_IFREG | 0444, 0);
	if ((made != 0 && errno != EEXIST) || move_mount(b->fd, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) != 0)
		fail("bind", b->path, "");
	(void)close(b->fd);
}

static void become_user(const struct orders *o)
{
	gid_t gid = (gid_t)o->uid;
	if (o->uid == 0)
		return;
	if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 || setresuid((uid_t)o->uid, (uid_t)o->uid, (uid_t)o->uid) != 0)
		fail("become the user of the job", "", "");
	if (prctl(PR_SET_DUMPABLE, 1) != 0) /* else our own files in /proc are root's */
		fail("become the user of the job", "", "");
	own_user_namespace();
}

int launch_main(void)
{
	static char name[] = "bwrap", option[] = "--args", number[8];
	static struct orders o;
	char *argv[ARGS_MAX + 4] = {name, option, number};
	char *envp[] = {NULL};
	size_t len = read_orders();
	for (size_t at = 0; at < len;) {
		size_t n = strlen(text + at) + 1; /* before it is split in place */
		take(&o, text + at);
		at += n;
	}
	if (o.bwrap == NULL || o.size == NULL || o.inodes == NULL || o.nested == NULL || o.args_n == 0) {
		errno = EINVAL;
		fail("orders", "", "");
	}
	(void)umask(022);
	own_mounts(&o);
	take_off(&o);
	own_file_system(&o);
	for (size_t i = 0; i < o.makes_n; i++)
		make(&o.makes[i]);
	for (size_t i = 0; i < o.binds_n; i++)
		put(&o.binds[i]);
	become_user(&o);
	end_of_user_namespaces(o.nested);
	/* changing the user took this back; whoever started us may be gone by now */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != (pid_t)o.parent)
		_exit(LAUNCH_FAILED);
	(void)snprintf(number, sizeof(number), "%d", (int)BOX_FD_ARGS);
	for (size_t i = 0; i < o.args_n; i++)
		argv[3 + i] = o.args[i];
	(void)close(BOX_FD_LAUNCH);
	(void)execve(o.bwrap, argv, envp);
	fail("start", o.bwrap, "");
}
