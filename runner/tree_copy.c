#include "runner/tree_copy.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct copier {
	struct strlist *left_out;
	unsigned entries;
	uint64_t bytes;
};

static const char *const not_ours[] = {".git", ".terraform", "terraform.tfstate", "terraform.tfstate.backup",
					"terraform.tfstate.d", ".terraform.tfstate.lock.info"};

static bool is_left_out(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(not_ours); i++)
		if (strcmp(name, not_ours[i]) == 0)
			return true;
	return false;
}

static int copy_bytes(struct copier *c, int from, int to, const char *path, struct err *err)
{
	static char chunk[256 * 1024];
	for (;;) {
		ssize_t n = read(from, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read %s", path);
		if (n == 0)
			return 0;
		c->bytes += (uint64_t)n;
		if (c->bytes > LIMIT_TREE_BYTES)
			return err_set(err, ERR_LIMIT, "%s: more than %u MiB to copy; name a smaller directory", path, LIMIT_TREE_BYTES >> 20);
		int rc = fs_write_all(to, chunk, (size_t)n, err);
		if (rc != 0)
			return rc;
	}
}

static int copy_file(struct copier *c, int from_dir, int to_dir, const char *name, const char *path, struct err *err)
{
	struct stat st;
	CLEANUP_FD int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (from < 0 || fstat(from, &st) != 0)
		return err_sys(err, "open %s", path);
	CLEANUP_FD int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (st.st_mode & 0111) != 0 ? 0555 : 0444);
	return to < 0 ? err_sys(err, "create the copy of %s", path) : copy_bytes(c, from, to, path, err);
}

/* Only links that stay inside whatever other links there are: no absolute ones, "../" not more often than the path is deep. */
static int copy_link(struct copier *c, int from_dir, int to_dir, const char *name, const char *path, struct err *err)
{
	char target[LIMIT_PATH_BYTES + 1];
	unsigned depth = 0, ups = 0;
	ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);
	if (n < 0)
		return err_sys(err, "read the symbolic link %s", path);
	target[n] = '\0';
	for (const char *p = path; *p != '\0'; p++)
		depth += *p == '/';
	const char *rest = target;
	for (; text_starts(rest, "../"); rest += 3)
		ups++;
	if ((size_t)n == sizeof(target) - 1 || target[0] == '/' || ups > depth || strstr(rest, "..") != NULL) {
		strlist_add(c->left_out, path);
		return 0;
	}
	return symlinkat(target, to_dir, name) == 0 ? 0 : err_sys(err, "copy the symbolic link %s", path);
}

static int copy_dir(struct copier *c, int from, int to, const char *dir, unsigned depth, struct err *err);

static int copy_subdir(struct copier *c, int from_dir, int to_dir, const char *name, const char *path, unsigned depth, struct err *err)
{
	if (depth >= LIMIT_TREE_DEPTH)
		return err_set(err, ERR_LIMIT, "%s: directories nested deeper than %u", path, LIMIT_TREE_DEPTH);
	int from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0)
		return err_sys(err, "open %s", path);
	CLEANUP_FD int to = mkdirat(to_dir, name, 0755) == 0 ? openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (to < 0) {
		(void)close(from);
		return err_sys(err, "create the copy of %s", path);
	}
	return copy_dir(c, from, to, path, depth + 1, err);
}

static int copy_entry(struct copier *c, int from, int to, const char *dir, const char *name, unsigned depth, struct err *err)
{
	struct stat st;
	CLEANUP_FREE char *path = dir[0] == '\0' ? xstrdup(name) : fs_join(dir, name);
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return err_sys(err, "look at %s", path);
	if (++c->entries > LIMIT_TREE_ENTRIES)
		return err_set(err, ERR_LIMIT, "%s: more than %u files and directories to copy; name a smaller directory", path, LIMIT_TREE_ENTRIES);
	if (S_ISREG(st.st_mode))
		return copy_file(c, from, to, name, path, err);
	if (S_ISDIR(st.st_mode))
		return copy_subdir(c, from, to, name, path, depth, err);
	if (S_ISLNK(st.st_mode))
		return copy_link(c, from, to, name, path, err);
	strlist_add(c->left_out, path);
	return 0;
}

/* Takes `from` over. */
static int copy_dir(struct copier *c, int from, int to, const char *dir, unsigned depth, struct err *err)
{
	DIR *d = fdopendir(from);
	int rc = 0;
	if (d == NULL) {
		(void)close(from);
		return err_sys(err, "read %s", dir);
	}
	for (const struct dirent *e; rc == 0 && (e = readdir(d)) != NULL;) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (is_left_out(e->d_name))
			strlist_take(c->left_out, dir[0] == '\0' ? xstrdup(e->d_name) : fs_join(dir, e->d_name));
		else
			rc = copy_entry(c, dirfd(d), to, dir, e->d_name, depth, err);
	}
	(void)closedir(d);
	return rc;
}

int tree_copy(const char *from, const char *to, struct strlist *left_out, struct err *err)
{
	struct copier c = {.left_out = left_out};
	int source = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (source < 0)
		return err_sys(err, "open %s", from);
	mode_t before = umask(022);
	CLEANUP_FD int target = mkdir(to, 0755) == 0 ? open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int rc;
	if (target < 0) {
		(void)close(source);
		rc = err_sys(err, "create %s", to);
	} else {
		rc = copy_dir(&c, source, target, "", 0, err);
	}
	(void)umask(before);
	return rc;
}
