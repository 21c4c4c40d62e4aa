#include "runner/unpack.h"

#include "base/fs.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct unpack {
	int top, parent, file; /* parent: of the last entry; -1: none is open */
	char *parent_path;
	const char *always_executable;
	struct untar tar;
	struct dirhash hashes;
	struct crypto_sha256_stream *sum;
	char *path; /* of the open file */
	struct err failed; /* code 0: none */
};

static int open_beneath(int dir, const char *name, uint64_t flags, mode_t mode)
{
	struct open_how how = {.flags = flags | O_CLOEXEC | O_NOFOLLOW, .mode = mode, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

/* Opens the directory path, making what is missing of it. */
static int open_dir(struct unpack *u, const char *path, size_t len, int *ret, struct err *err)
{
	CLEANUP_FD int at = fcntl(u->top, F_DUPFD_CLOEXEC, 0);
	for (size_t i = 0; at >= 0 && i < len;) {
		size_t n = strcspn(path + i, "/");
		n = n < len - i ? n : len - i;
		CLEANUP_FREE char *name = xstrndup(path + i, n);
		bool made = mkdirat(at, name, 0755) == 0;
		if (!made && errno != EEXIST)
			return err_sys(err, "make directory %.*s", (int)len, path);
		int next = open_beneath(at, name, O_RDONLY | O_DIRECTORY, 0);
		if (next >= 0 && made && fchmod(next, 0755) != 0) {
			(void)close(next);
			next = -1;
		}
		mem_close_fd(&at);
		at = next;
		i += n + 1;
	}
	if (at < 0)
		return err_set(err, ERR_REFUSED, "\"%.*s\" in the archive is no directory", (int)len, path);
	*ret = at;
	at = -1;
	return 0;
}

/* The directory that the entry goes to stays open for the next one. */
static int enter_parent(struct unpack *u, const char *path, const char **ret_name, struct err *err)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash != NULL ? (size_t)(slash - path) : 0;
	*ret_name = slash != NULL ? slash + 1 : path;
	if (u->parent_path != NULL && strlen(u->parent_path) == len && strncmp(u->parent_path, path, len) == 0)
		return 0;
	mem_close_fd(&u->parent);
	free(TAKE(u->parent_path));
	int rc = open_dir(u, path, len, &u->parent, err);
	if (rc == 0)
		u->parent_path = xstrndup(path, len);
	return rc;
}

static int cannot(const char *path, struct err *err)
{
	if (errno == EEXIST || errno == ELOOP)
		return err_set(err, ERR_REFUSED, "\"%s\" is in the archive twice", path);
	return err_sys(err, "create %s", path);
}

static int put_link(struct unpack *u, const struct untar_entry *e, const char *name, struct err *err)
{
	uint8_t digest[SHA256_SIZE];
	CLEANUP_FREE char *text = xasprintf("link %s", e->target);
	if (symlinkat(e->target, u->parent, name) != 0)
		return cannot(e->path, err);
	crypto_sha256(text, strlen(text), digest);
	dirhash_add(&u->hashes, e->path, digest);
	return 0;
}

static int on_entry(const struct untar_entry *e, void *arg, struct err *err)
{
	struct unpack *u = arg;
	const char *name;
	if (e->kind == UNTAR_DIR) {
		CLEANUP_FD int dir = -1;
		return open_dir(u, e->path, strlen(e->path), &dir, err);
	}
	int rc = enter_parent(u, e->path, &name, err);
	if (rc != 0)
		return rc;
	if (e->kind == UNTAR_LINK)
		return put_link(u, e, name, err);
	u->file = open_beneath(u->parent, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (u->file < 0)
		return cannot(e->path, err);
	bool executable = e->executable || (u->always_executable != NULL && text_starts(name, u->always_executable));
	if (fchmod(u->file, executable ? 0555 : 0444) != 0)
		return err_sys(err, "set the mode of %s", e->path);
	u->path = xstrdup(e->path);
	u->sum = crypto_sha256_begin();
	return 0;
}

static int on_data(const char *bytes, size_t len, void *arg, struct err *err)
{
	struct unpack *u = arg;
	crypto_sha256_add(u->sum, bytes, len);
	int rc = fs_write_all(u->file, bytes, len, err);
	return rc == 0 ? 0 : err_wrap(err, "%s", u->path);
}

static int on_end(void *arg, struct err *err)
{
	struct unpack *u = arg;
	uint8_t digest[SHA256_SIZE];
	crypto_sha256_end(TAKE(u->sum), digest);
	dirhash_add(&u->hashes, u->path, digest);
	int rc = close(u->file) == 0 ? 0 : err_sys(err, "write %s", u->path);
	u->file = -1;
	free(TAKE(u->path));
	return rc;
}

struct unpack *unpack_begin(int dir_fd, const struct untar_limits *limits, const char *always_executable)
{
	struct unpack *u = xcalloc(1, sizeof(*u));
	u->top = dir_fd;
	u->parent = u->file = -1;
	u->always_executable = always_executable;
	const struct untar_sink sink = {on_entry, on_data, on_end, u};
	untar_init(&u->tar, limits, &sink);
	return u;
}

void unpack_feed(struct unpack *u, const char *bytes, size_t len)
{
	struct err err = {0};
	if (u->failed.code == 0 && untar_feed(&u->tar, bytes, len, &err) != 0)
		u->failed = err;
}

int unpack_end(struct unpack *u, struct dirhash *ret, struct err *err)
{
	int rc = u->failed.code != 0 ? err_set(err, u->failed.code, "%s", u->failed.msg) : untar_end(&u->tar, err);
	if (rc == 0) {
		*ret = u->hashes;
		u->hashes = (struct dirhash){0};
	}
	unpack_drop(u);
	return rc;
}

void unpack_drop(struct unpack *u)
{
	if (u == NULL)
		return;
	mem_close_fd(&u->parent);
	mem_close_fd(&u->file);
	free(u->parent_path);
	free(u->path);
	crypto_sha256_drop(u->sum);
	dirhash_free(&u->hashes);
	untar_free(&u->tar);
	free(u);
}
