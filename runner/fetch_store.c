/* The store: one who fetches a thing at a time, half done only in staging, then renamed. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/text.h"
#include "runner/fetch_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_LOOK_MS = 50 };

/* The lock file stays: removing one that somebody else waits for would make two of them. */
static int take_lock(const char *path, const char *what, int64_t deadline_ms, int *ret, struct err *err)
{
	CLEANUP_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(err, "open %s", path);
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(err, "lock %s", path);
		if (clock_mono_ms() >= deadline_ms)
			return err_set(err, ERR_TIMEOUT, "%s is being fetched for another job, and that takes too long: try again later", what);
		const struct timespec t = {.tv_nsec = LOCK_LOOK_MS * 1000000L};
		(void)nanosleep(&t, NULL);
	}
	*ret = fd;
	fd = -1;
	return 0;
}

/* What processes left that are gone. Names are N.PID; a number that lives again only keeps its directory for longer. */
static void sweep(const char *staging)
{
	DIR *d = opendir(staging);
	for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		const char *dot = strrchr(e->d_name, '.');
		int64_t pid = 0;
		if (dot == NULL || text_int(dot + 1, 1, INT32_MAX, &pid, NULL) != 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH)
			continue;
		CLEANUP_FREE char *path = fs_join(staging, e->d_name);
		if (fs_remove_tree(path, NULL) != 0)
			continue; /* next time */
	}
	if (d != NULL)
		(void)closedir(d);
}

static int make_dirs(const struct fetch_order *o, struct err *err)
{
	static const char *const names[] = {"fetch/locks", "fetch/staging", "fetch/packages", "fetch/modules"};
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(names); i++) {
		CLEANUP_FREE char *path = fs_join(o->data_dir, names[i]);
		rc = fs_mkdir_p(path, 0700, err);
	}
	return rc;
}

int fetch_stage_open(const struct fetch_order *o, const char *key, const char *what, int64_t deadline_ms, struct fetch_stage *ret, struct err *err)
{
	static unsigned number;
	CLEANUP_FREE char *staging = xasprintf("%s/fetch/staging", o->data_dir), *lock = xasprintf("%s/fetch/locks/%s", o->data_dir, key);
	struct fetch_stage s = {.lock_fd = -1};
	int rc = make_dirs(o, err);
	if (rc == 0)
		rc = take_lock(lock, what, deadline_ms, &s.lock_fd, err);
	if (rc != 0)
		return rc;
	sweep(staging);
	s.dir = xasprintf("%s/%u.%d", staging, ++number, (int)getpid());
	rc = fs_remove_tree(s.dir, err); /* of a process that had our number */
	if (rc == 0)
		rc = fs_mkdir_p(s.dir, 0700, err);
	if (rc != 0) {
		fetch_stage_close(&s);
		return rc;
	}
	*ret = s;
	return 0;
}

void fetch_stage_close(struct fetch_stage *s)
{
	if (s->dir != NULL && fs_remove_tree(s->dir, NULL) != 0)
		(void)0; /* swept when this process is gone */
	free(TAKE(s->dir));
	mem_close_fd(&s->lock_fd);
}

int fetch_stage_dir(const struct fetch_stage *s, const char *name, char **ret_path, struct err *err)
{
	CLEANUP_FREE char *path = fs_join(s->dir, name);
	if (mkdir(path, 0755) != 0 || chmod(path, 0755) != 0) /* the user of a box reads it, whatever our umask */
		return err_sys(err, "make %s", path);
	*ret_path = TAKE(path);
	return 0;
}

/* Each directory of ours on the way is open to the user of a box. */
static int make_parents(const char *path, struct err *err)
{
	CLEANUP_FREE char *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	mode_t before = umask(022);
	int rc = fs_mkdir_p(parent, 0755, err);
	(void)umask(before);
	return rc;
}

int fetch_publish(const char *from, const char *to, struct err *err)
{
	CLEANUP_FD int fd = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || syncfs(fd) != 0)
		return err_sys(err, "write %s", from);
	int rc = make_parents(to, err);
	if (rc != 0)
		return rc;
	if (rename(from, to) != 0)
		return err_sys(err, "put %s in place", to);
	CLEANUP_FREE char *parent = xstrndup(to, (size_t)(strrchr(to, '/') - to));
	CLEANUP_FD int dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir >= 0 && fsync(dir) == 0 ? 0 : err_sys(err, "sync %s", parent);
}

/* ---- what nobody uses any more ---- */

void fetch_touch(const char *dir)
{
	if (utimensat(AT_FDCWD, dir, NULL, AT_SYMLINK_NOFOLLOW) != 0)
		return; /* it is gone, or another user's: it only goes earlier than it would */
}

static bool is_unused(const char *path)
{
	struct stat st;
	int64_t before = clock_wall_ms() / 1000 - (int64_t)LIMIT_FETCHED_DAYS * 86400;
	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_mtim.tv_sec < before;
}

/* Out of the way first: what is seen in its place is whole. A job that took it at this very moment gets it back. */
static void forget(const char *staging, const char *path)
{
	static unsigned number;
	CLEANUP_FREE char *aside = xasprintf("%s/old%u.%d", staging, ++number, (int)getpid());
	if (rename(path, aside) != 0)
		return;
	if (is_unused(aside) || rename(aside, path) != 0)
		if (fs_remove_tree(aside, NULL) != 0)
			return; /* swept later */
}

/* Directories of the last level below at, each level being one of names. */
static void forget_level(const char *staging, const char *at, int levels)
{
	struct strlist todo = {0};
	strlist_add(&todo, at);
	for (int level = 0; level < levels; level++) {
		struct strlist next = {0};
		for (size_t i = 0; i < todo.n; i++) {
			DIR *d = opendir(todo.v[i]);
			for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
				if (e->d_name[0] != '.')
					strlist_take(&next, fs_join(todo.v[i], e->d_name));
			if (d != NULL)
				(void)closedir(d);
		}
		strlist_free(&todo);
		todo = next;
	}
	for (size_t i = 0; i < todo.n; i++)
		if (is_unused(todo.v[i]))
			forget(staging, todo.v[i]);
	strlist_free(&todo);
}

void fetch_forget_unused(const struct fetch_order *o)
{
	CLEANUP_FREE char *staging = fs_join(o->data_dir, "fetch/staging"), *packages = fs_join(o->data_dir, "providers");
	CLEANUP_FREE char *modules = fs_join(o->data_dir, "modules");
	forget_level(staging, packages, 5); /* host, namespace, type, version, platform */
	forget_level(staging, modules, 1);
}
