#include "base/fs.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int fs_read(const char *path, size_t max, struct buf *ret, struct err *err)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? err_set(err, ERR_NOT_FOUND, "%s: no such file", path) : err_sys(err, "open %s", path);
	struct stat st;
	if (fstat(fd, &st) != 0)
		return err_sys(err, "stat %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_IO, "%s: not a regular file", path);
	buf_reset(ret);
	buf_reserve(ret, st.st_size > 0 && (size_t)st.st_size <= max ? (size_t)st.st_size : 4096);
	for (;;) {
		char chunk[65536];
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read %s", path);
		if (n == 0)
			return 0;
		if (ret->len + (size_t)n > max)
			return err_set(err, ERR_LIMIT, "%s: larger than %zu bytes", path, max);
		buf_add(ret, chunk, (size_t)n);
	}
}

int fs_write_all(int fd, const void *bytes, size_t len, struct err *err)
{
	const char *p = bytes;
	while (len > 0) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "write");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int sync_directory_of(const char *path, struct err *err)
{
	CLEANUP_FREE char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');
	if (slash == NULL)
		(void)snprintf(dir, strlen(dir) + 1, ".");
	else
		slash[slash == dir ? 1 : 0] = '\0';
	CLEANUP_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		return err_sys(err, "sync directory %s", dir);
	return 0;
}

static int write_beside(const char *path, const void *bytes, size_t len, mode_t mode, bool sync, struct err *err)
{
	CLEANUP_FREE char *beside = xasprintf("%s.new.%d", path, (int)getpid());
	(void)unlink(beside); /* a leftover of a crash */
	CLEANUP_FD int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return err_sys(err, "create %s", beside);
	int rc = fs_write_all(fd, bytes, len, err);
	if (rc != 0) {
		(void)unlink(beside);
		return err_wrap(err, "%s", beside);
	}
	if ((sync && fsync(fd) != 0) || rename(beside, path) != 0) {
		rc = err_sys(err, "put %s in place", path);
		(void)unlink(beside);
		return rc;
	}
	return sync ? sync_directory_of(path, err) : 0;
}

int fs_write_atomic(const char *path, const void *bytes, size_t len, mode_t mode, struct err *err)
{
	return write_beside(path, bytes, len, mode, true, err);
}

int fs_write_fast(const char *path, const void *bytes, size_t len, mode_t mode, struct err *err)
{
	return write_beside(path, bytes, len, mode, false, err);
}

int fs_mkdir_p(const char *path, mode_t mode, struct err *err)
{
	CLEANUP_FREE char *p = xstrdup(path);
	for (char *s = p + 1; *s != '\0'; s++) {
		if (*s != '/')
			continue;
		*s = '\0';
		if (mkdir(p, mode) != 0 && errno != EEXIST)
			return err_sys(err, "create directory %s", p);
		*s = '/';
	}
	if (mkdir(p, mode) != 0 && errno != EEXIST)
		return err_sys(err, "create directory %s", p);
	return 0;
}

/* Empties the directory open at fd (consumed), keeping to one level of C stack per level on disk; depth is bounded by the kernel's PATH_MAX
 * for trees that were made by path and by `depth` here for others. */
static int empty_directory(int fd, int depth, struct err *err)
{
	DIR *d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return err_sys(err, "read directory");
	}
	int rc = 0;
	for (const struct dirent *e; rc == 0 && (e = readdir(d)) != NULL;) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) == 0)
			continue;
		if (errno != EISDIR && errno != EPERM) {
			rc = errno == ENOENT ? 0 : err_sys(err, "remove %s", e->d_name);
			continue;
		}
		if (depth == 0) {
			rc = err_set(err, ERR_LIMIT, "remove %s: nested too deep", e->d_name);
			continue;
		}
		if (fchmodat(dirfd(d), e->d_name, 0700, 0) != 0) /* exported trees are read-only */
			rc = err_sys(err, "chmod %s", e->d_name);
		int sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0)
			rc = err_sys(err, "open %s", e->d_name);
		else
			rc = empty_directory(sub, depth - 1, err);
		if (rc == 0 && unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) != 0 && errno != ENOENT)
			rc = err_sys(err, "remove %s", e->d_name);
	}
	(void)closedir(d);
	return rc;
}

int fs_remove_tree(const char *path, struct err *err)
{
	if (unlink(path) == 0 || errno == ENOENT)
		return 0;
	(void)chmod(path, 0700); /* it may be read-only; the open below tells if that failed */
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, "open %s", path);
	int rc = empty_directory(fd, 256, err);
	if (rc == 0 && rmdir(path) != 0 && errno != ENOENT)
		rc = err_sys(err, "remove %s", path);
	return rc;
}

bool fs_exists(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

bool fs_is_dir(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int64_t fs_size(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

char *fs_join(const char *a, const char *b)
{
	if (b[0] == '/' || a[0] == '\0')
		return xstrdup(b);
	size_t n = strlen(a);
	return xasprintf("%s%s%s", a, a[n - 1] == '/' ? "" : "/", b);
}

const char *fs_self_dir(void)
{
	static char dir[PATH_MAX];
	if (dir[0] != '\0')
		return dir;
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	if (n <= 0)
		return ".";
	dir[n] = '\0';
	char *slash = strrchr(dir, '/');
	if (slash != NULL && slash != dir)
		*slash = '\0';
	return dir;
}

char *fs_which(const char *name)
{
	const char *path = getenv("PATH");
	if (path == NULL)
		path = "/usr/local/bin:/usr/bin:/bin";
	while (*path != '\0') {
		size_t n = strcspn(path, ":");
		if (n > 0) {
			char *full = xasprintf("%.*s/%s", (int)n, path, name);
			struct stat st;
			if (stat(full, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0)
				return full;
			free(full);
		}
		path += n + (path[n] == ':');
	}
	return NULL;
}

void fs_close_from(int lowest)
{
	if (close_range((unsigned)lowest, ~0U, 0) == 0)
		return;
	for (int fd = lowest; fd < 65536; fd++)
		(void)close(fd); /* old kernels; most are not open */
}
