#include "runner/dirhash.h"

#include "base/limits.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void dirhash_add(struct dirhash *d, const char *path, const uint8_t sha256[SHA256_SIZE])
{
	if (d->n == d->cap) {
		d->cap = d->cap != 0 ? 2 * d->cap : 16;
		d->v = xreallocarray(d->v, d->cap, sizeof(d->v[0]));
	}
	struct dirhash_file *f = &d->v[d->n++];
	f->path = xstrdup(path);
	memcpy(f->sha256, sha256, SHA256_SIZE);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct dirhash_file *)a)->path, ((const struct dirhash_file *)b)->path);
}

int dirhash_end(struct dirhash *d, char ret[DIRHASH_SIZE], struct err *err)
{
	uint8_t digest[SHA256_SIZE];
	CLEANUP_BUF struct buf out = {0};
	struct crypto_sha256_stream *all = crypto_sha256_begin();
	if (d->n > 1)
		qsort(d->v, d->n, sizeof(d->v[0]), by_path);
	for (size_t i = 0; i < d->n; i++) {
		const char *path = d->v[i].path;
		if (strchr(path, '\n') != NULL || (i > 0 && strcmp(path, d->v[i - 1].path) == 0)) {
			crypto_sha256_drop(all);
			return err_set(err, ERR_REFUSED, "two files are called %.*s", (int)strcspn(path, "\n"), path);
		}
		buf_reset(&out);
		text_hex(&out, d->v[i].sha256, SHA256_SIZE);
		buf_printf(&out, "  %s\n", path);
		crypto_sha256_add(all, out.data, out.len);
	}
	crypto_sha256_end(all, digest);
	buf_reset(&out);
	buf_adds(&out, "h1:");
	text_base64url(&out, digest, sizeof(digest));
	buf_addc(&out, '=');
	for (size_t i = 3; i < out.len; i++)
		out.data[i] = out.data[i] == '-' ? '+' : out.data[i] == '_' ? '/' : out.data[i];
	ASSERT(out.len == DIRHASH_SIZE - 1);
	memcpy(ret, out.data, DIRHASH_SIZE);
	return 0;
}

void dirhash_free(struct dirhash *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->v[i].path);
	free(d->v);
	*d = (struct dirhash){0};
}

/* ---- from disk ---- */

static int hash_file(int fd, const char *path, uint8_t ret[SHA256_SIZE], struct err *err)
{
	static char chunk[1 << 18];
	struct crypto_sha256_stream *s = crypto_sha256_begin();
	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			crypto_sha256_drop(s);
			return err_sys(err, "read %s", path);
		}
		if (n == 0)
			break;
		crypto_sha256_add(s, chunk, (size_t)n);
	}
	crypto_sha256_end(s, ret);
	return 0;
}

static void close_dir(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

/* One directory; the directories in it go to the end of the list, so that a deep tree needs no stack. */
static int hash_one(int top, const char *at, struct dirhash *d, struct strlist *todo, struct err *err)
{
	int fd = openat(top, at, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	CLEANUP(close_dir) DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (dir == NULL)
		return err_sys(err, "read directory %s", at);
	for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
		struct stat st;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		CLEANUP_FREE char *path = strcmp(at, ".") == 0 ? xstrdup(e->d_name) : xasprintf("%s/%s", at, e->d_name);
		CLEANUP_FD int file = openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
		if (file < 0 || fstat(file, &st) != 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
			return err_set(err, ERR_REFUSED, "%s: neither a file nor a directory", path);
		if (todo->n + d->n >= LIMIT_TREE_ENTRIES)
			return err_set(err, ERR_LIMIT, "more than %u files and directories", LIMIT_TREE_ENTRIES);
		if (S_ISDIR(st.st_mode)) {
			strlist_take(todo, TAKE(path));
			continue;
		}
		uint8_t digest[SHA256_SIZE];
		int rc = hash_file(file, path, digest, err);
		if (rc != 0)
			return rc;
		dirhash_add(d, path, digest);
	}
	return 0;
}

int dirhash_of(const char *path, char ret[DIRHASH_SIZE], struct err *err)
{
	struct strlist todo = {0};
	CLEANUP(dirhash_free) struct dirhash d = {0};
	CLEANUP_FD int top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return err_sys(err, "open %s", path);
	int rc = 0;
	strlist_add(&todo, ".");
	for (size_t i = 0; rc == 0 && i < todo.n; i++)
		rc = hash_one(top, todo.v[i], &d, &todo, err);
	strlist_free(&todo);
	return rc == 0 ? dirhash_end(&d, ret, err) : err_wrap(err, "hash of %s", path);
}
