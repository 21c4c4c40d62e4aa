/* Writing what was listed. Inflating a file and making it in the file system cost about the same, and both keep a processor busy: with many
 * files several threads do it, a few files of one directory at a time. */
#include "plan/export_priv.h"

#include "base/fs.h"
#include "base/limits.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	BATCH = 32,         /* files handed to a thread at once */
	QUEUE = 64,         /* batches that wait; bounds the open directories */
	HELPERS_MAX = 3,    /* threads beside the caller */
	HELPERS_FROM = 100, /* files: fewer are written before a thread has started */
};

/* An open directory, closed when its last batch is done. */
struct held {
	int fd;
	atomic_int users;
};

struct batch {
	struct held *dir;
	size_t first, n; /* entries, by their `next` */
};

struct writer {
	struct git_repo *repo;
	const struct export_list *list;
	pthread_mutex_t lock; /* over what follows */
	pthread_cond_t more;
	struct batch queue[QUEUE];
	size_t head, waiting;
	bool complete;
	atomic_size_t failed_at; /* the entry whose error is told; EXPORT_NONE */
	struct err err;
	pthread_t helpers[HELPERS_MAX];
	size_t helpers_n;
};

static void drop(struct held *h)
{
	if (atomic_fetch_sub(&h->users, 1) != 1)
		return;
	mem_close_fd(&h->fd);
	free(h);
}

/* ---- one file ---- */

static int write_new(int dir, const struct export_entry *x, const char *bytes, size_t len, struct err *err)
{
	CLEANUP_FD int fd = openat(dir, x->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, x->executable ? 0555 : 0444);
	if (fd < 0)
		return errno == EEXIST ? ERR_CONFLICT : err_sys(err, "create");
	return fs_write_all(fd, bytes, len, err);
}

/* A file that is there was written for this commit, by us or by a process that was killed meanwhile: then it is shorter, and nobody reads
 * it, for no marker says that a project is complete. A shorter one is replaced. */
static int write_file(int dir, const struct export_entry *x, const char *bytes, size_t len, struct err *err)
{
	struct stat st;
	int rc = write_new(dir, x, bytes, len, err);
	if (rc != ERR_CONFLICT)
		return rc;
	if (fstatat(dir, x->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return err_sys(err, "stat");
	if (S_ISREG(st.st_mode) && st.st_size == (off_t)len)
		return 0;
	if (unlinkat(dir, x->name, 0) != 0)
		return err_sys(err, "remove");
	rc = write_new(dir, x, bytes, len, err);
	return rc == ERR_CONFLICT ? err_set(err, rc, "somebody else writes in the exported tree") : rc;
}

/* What git has of a file that is kept in LFS. An engine would take it for the file. */
static bool is_lfs_pointer(const char *bytes, size_t len)
{
	static const char begins[] = "version https://git-lfs.github.com/spec/";
	return len < 1024 && len >= sizeof(begins) - 1 && strncmp(bytes, begins, sizeof(begins) - 1) == 0;
}

struct target {
	int dir;
	const struct export_entry *x;
};

static int on_blob(const char *bytes, size_t len, void *arg, struct err *err)
{
	const struct target *t = arg;
	return is_lfs_pointer(bytes, len) ? ERR_REFUSED : write_file(t->dir, t->x, bytes, len, err);
}

static int write_entry(struct git_repo *repo, int dir, const struct export_entry *x, struct err *err)
{
	struct target t = {.dir = dir, .x = x};
	if (x->target != NULL)
		return symlinkat(x->target, dir, x->name) == 0 || errno == EEXIST ? 0 : err_sys(err, "make symbolic link");
	return git_blob_use(repo, x->oid, on_blob, &t, err);
}

/* ---- batches ---- */

/* Of several errors the one that a single thread would have met first, so that a run is told the same each time. */
static void note_error(struct writer *w, size_t at, int rc, const struct err *err)
{
	CLEANUP_FREE char *path = export_path(w->list, &w->list->entries[at]);
	(void)pthread_mutex_lock(&w->lock); /* cannot fail on a default mutex */
	if (at < w->failed_at) {
		w->failed_at = at;
		w->err = *err;
		if (rc == ERR_REFUSED)
			(void)err_set(
				&w->err, rc,
				"%s is a Git LFS pointer, and sluice does not fetch from LFS: put the file itself into git, or move it "
				"out of the directories that projects use",
				path);
		else
			(void)err_wrap(&w->err, "%s", path);
	}
	(void)pthread_mutex_unlock(&w->lock);
}

static void do_batch(struct writer *w, struct git_repo *repo, const struct batch *b)
{
	size_t at = b->first;
	for (size_t i = 0; i < b->n && at < w->failed_at; i++) {
		const struct export_entry *x = &w->list->entries[at];
		struct err err = {0};
		int rc = write_entry(repo, b->dir->fd, x, &err);
		if (rc != 0)
			note_error(w, at, rc, &err);
		at = x->next;
	}
	drop(b->dir);
}

static bool take_batch(struct writer *w, bool wait, struct batch *ret)
{
	(void)pthread_mutex_lock(&w->lock); /* as above */
	while (wait && w->waiting == 0 && !w->complete)
		(void)pthread_cond_wait(&w->more, &w->lock);
	bool any = w->waiting > 0;
	if (any) {
		*ret = w->queue[w->head];
		w->head = (w->head + 1) % QUEUE;
		w->waiting--;
	}
	(void)pthread_mutex_unlock(&w->lock);
	return any;
}

static void drain(struct writer *w, struct git_repo *repo, bool wait)
{
	struct batch b;
	while (take_batch(w, wait, &b))
		do_batch(w, repo, &b);
}

static void *helper(void *arg)
{
	struct writer *w = arg;
	struct err err;
	CLEANUP(git_repo_close_ptr) struct git_repo *repo = NULL;
	if (git_mirror_again(w->repo, &repo, &err) == 0)
		drain(w, repo, true);
	return NULL; /* else the others do it all */
}

static void put_batch(struct writer *w, const struct batch *b)
{
	(void)pthread_mutex_lock(&w->lock); /* as above */
	bool full = w->waiting == QUEUE;
	if (!full)
		w->queue[(w->head + w->waiting++) % QUEUE] = *b;
	(void)pthread_cond_signal(&w->more);
	(void)pthread_mutex_unlock(&w->lock);
	if (full)
		do_batch(w, w->repo, b);
}

static void put_dir(struct writer *w, const struct export_dir *d, struct held *h)
{
	for (size_t at = d->first; at != EXPORT_NONE;) {
		struct batch b = {.dir = h, .first = at};
		for (; b.n < BATCH && at != EXPORT_NONE; b.n++)
			at = w->list->entries[at].next;
		(void)atomic_fetch_add(&h->users, 1);
		put_batch(w, &b);
	}
}

/* ---- directories ---- */

/* Opens a directory of the exported tree, made when it is not there; never through a link. */
static int enter(int fd, const char *name, const char *path, struct err *err)
{
	if (mkdirat(fd, name, 0755) != 0 && errno != EEXIST)
		return err_sys(err, "create directory %s", path);
	int sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return sub >= 0 ? sub : err_sys(err, "open directory %s", path);
}

/* The first directory of a list, made on the way from root. A descriptor the caller closes. */
static int enter_path(int root, const char *path, struct err *err)
{
	int fd = fcntl(root, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(err, "open directory %s", path);
	for (const char *at = path; fd >= 0 && *at != '\0' && strcmp(path, ".") != 0;) {
		size_t n = strcspn(at, "/");
		CLEANUP_FREE char *name = xstrndup(at, n);
		int sub = enter(fd, name, path, err);
		(void)close(fd);
		fd = sub;
		at += n + (at[n] == '/');
	}
	return fd;
}

static struct held *hold(int fd)
{
	struct held *h = xcalloc(1, sizeof(*h));
	h->fd = fd;
	atomic_init(&h->users, 1);
	return h;
}

/* From above to below; `open` has the directories that lead to the one that is worked on. */
static int put_dirs(struct writer *w, int root, struct err *err)
{
	struct held *open[LIMIT_TREE_DEPTH + 1];
	size_t n = 0;
	int rc = 0;
	for (size_t i = 0; i < w->list->dirs_n && rc == 0; i++) {
		const struct export_dir *d = &w->list->dirs[i];
		while (n > d->depth)
			drop(open[--n]);
		int fd = n == 0 ? enter_path(root, d->path, err) : enter(open[n - 1]->fd, d->path + d->name_at, d->path, err);
		if (fd < 0) {
			rc = ERR_IO;
			break;
		}
		open[n++] = hold(fd);
		put_dir(w, d, open[n - 1]);
	}
	while (n > 0)
		drop(open[--n]);
	return rc;
}

static void start_helpers(struct writer *w)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	while (w->list->entries_n >= HELPERS_FROM && w->helpers_n < HELPERS_MAX && (long)w->helpers_n + 1 < processors)
		if (pthread_create(&w->helpers[w->helpers_n], NULL, helper, w) == 0)
			w->helpers_n++;
		else
			return; /* as in helper() */
}

int export_write(struct git_repo *repo, int root, const struct export_list *l, struct err *err)
{
	struct writer w = {.repo = repo, .list = l, .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};
	atomic_init(&w.failed_at, EXPORT_NONE);
	start_helpers(&w);
	int rc = put_dirs(&w, root, err);
	(void)pthread_mutex_lock(&w.lock); /* as above */
	w.complete = true;
	(void)pthread_cond_broadcast(&w.more);
	(void)pthread_mutex_unlock(&w.lock);
	drain(&w, repo, false);
	for (size_t i = 0; i < w.helpers_n; i++)
		(void)pthread_join(w.helpers[i], NULL); /* cannot fail: they are ours and joined once */
	if (rc != 0 || w.failed_at == EXPORT_NONE)
		return rc;
	if (err != NULL)
		*err = w.err;
	return w.err.code;
}
