#include "plan/export.h"

#include "base/crypto.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SWEEP_MAX = 4 }; /* trees: a plan waits for it */

/* One input that this process exported, and where the links in it point: what a later project that shares it needs to know too. */
struct finished {
	char *key;
	struct strlist links;
};

struct exporter {
	struct git_repo *repo;
	const struct index *index;
	const char *tree;
	char *root_dir, *done_dir;
	int lock, root, done;
	mode_t umask_before;
	struct finished *finished;
	size_t finished_n, finished_cap;
	struct pathmap by_key; /* key -> position in finished */
	struct strlist links;  /* targets of symbolic links of this project, to be exported too */
	size_t entries;
	uint64_t bytes;
	struct buf blob;
};

/* Where the walk is. */
struct place {
	struct exporter *e;
	int fd;
	const char *dir; /* repository path of fd; "." is the root */
	unsigned depth;
	bool own; /* refused names are errors here; below another engine directory they are left out */
};

/* Names that must not come from a repository: what an engine would take for its own (installed providers and modules, its settings, state,
 * plans) and git's directory. Returns why, NULL for others. */
static const char *refused_name(const char *name)
{
	if (text_same_case(name, ".git"))
		return "is a git directory inside the repository: remove it";
	if (strcmp(name, ".terraform") == 0)
		return "is tracked in git, and the engine would take it for what it installed itself: remove it from the repository";
	if (strcmp(name, "terraform.d") == 0)
		return "is tracked in git, and the engine would take plugins from it: remove it from the repository";
	if (strcmp(name, ".terraformrc") == 0 || strcmp(name, "terraform.rc") == 0)
		return "is tracked in git, and engine settings are the server's: remove it from the repository";
	if (text_ends(name, ".tfplan"))
		return "is a plan file tracked in git, and plans may hold secrets: remove it from the repository";
	if (text_starts(name, "terraform.tfstate"))
		return "is tracked in git; state has a home in sluice (managed state): remove it from the repository";
	return NULL;
}

static char *below(const char *dir, const char *name) { return strcmp(dir, ".") == 0 ? xstrdup(name) : xasprintf("%s/%s", dir, name); }

static int count_entry(struct exporter *e, const char *path, struct err *err)
{
	if (++e->entries > LIMIT_TREE_ENTRIES)
		return err_set(err, ERR_LIMIT, "%s: more than %u files and directories to export; name smaller directories", path,
			       LIMIT_TREE_ENTRIES);
	return 0;
}

static int write_new(int dir, const char *name, const struct buf *bytes, bool executable, const char *path, struct err *err)
{
	CLEANUP_FD int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, executable ? 0555 : 0444);
	if (fd < 0)
		return errno == EEXIST ? ERR_CONFLICT : err_sys(err, "create %s", path);
	int rc = fs_write_all(fd, buf_str(bytes), bytes->len, err);
	return rc == 0 ? 0 : err_wrap(err, "%s", path);
}

/* A file that is there was written for this commit, by us or by a process that was killed meanwhile: then it is shorter, and nobody reads
 * it, for no marker says that a project is complete. A shorter one is replaced. */
static int write_file(struct exporter *e, int dir, const char *name, const char *path, bool executable, struct err *err)
{
	struct stat st;
	int rc = write_new(dir, name, &e->blob, executable, path, err);
	if (rc != ERR_CONFLICT)
		return rc;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return err_sys(err, "stat %s", path);
	if (S_ISREG(st.st_mode) && st.st_size == (off_t)e->blob.len)
		return 0;
	if (unlinkat(dir, name, 0) != 0)
		return err_sys(err, "remove %s", path);
	rc = write_new(dir, name, &e->blob, executable, path, err);
	return rc == ERR_CONFLICT ? err_set(err, rc, "%s: somebody else writes in the exported tree", path) : rc;
}

/* What git has of a file that is kept in LFS. An engine would take it for the file. */
static bool is_lfs_pointer(const struct buf *b) { return b->len < 1024 && text_starts(buf_str(b), "version https://git-lfs.github.com/spec/"); }

static int export_file(struct exporter *e, int dir, const char *name, const char *path, bool executable, const char *oid, struct err *err)
{
	int rc = git_blob_read(e->repo, oid, LIMIT_BLOB_BYTES, &e->blob, err);
	if (rc == ERR_LIMIT)
		return err_set(err, ERR_LIMIT, "%s: larger than %u MiB, the limit for one file", path, LIMIT_BLOB_BYTES >> 20);
	if (rc != 0)
		return err_wrap(err, "%s", path);
	if (is_lfs_pointer(&e->blob))
		return err_set(err, ERR_REFUSED, "%s is a Git LFS pointer, and sluice does not fetch from LFS: put the file itself into git, or move "
			       "it out of the directories that projects use", path);
	e->bytes += e->blob.len;
	if (e->bytes > LIMIT_TREE_BYTES)
		return err_set(err, ERR_LIMIT, "%s: more than %u MiB to export; name smaller directories", path, LIMIT_TREE_BYTES >> 20);
	return write_file(e, dir, name, path, executable, err);
}

/* "../" only in front: a later one could climb out through another link. */
static bool climbs_late(const char *target)
{
	while (text_starts(target, "../") || text_starts(target, "./"))
		target += target[1] == '.' ? 3 : 2;
	return strcmp(target, "..") != 0 && (strstr(target, "/../") != NULL || text_ends(target, "/.."));
}

static int export_link(struct exporter *e, int fd, const char *dir, const char *name, const char *oid, struct err *err)
{
	CLEANUP_FREE char *path = below(dir, name);
	int rc = git_blob_read(e->repo, oid, LIMIT_PATH_BYTES, &e->blob, err);
	if (rc != 0)
		return err_wrap(err, "symbolic link %s", path);
	const char *target = buf_str(&e->blob);
	CLEANUP_FREE char *resolved = strlen(target) == e->blob.len && !climbs_late(target) ? path_resolve(dir, target) : NULL;
	if (resolved == NULL || *target == '\0')
		return err_set(err, ERR_REFUSED, "%s is a symbolic link that points out of the repository (%.100s): replace it by the file",
			       path, target);
	if (symlinkat(target, fd, name) != 0 && errno != EEXIST)
		return err_sys(err, "make symbolic link %s", path);
	strlist_take(&e->links, TAKE(resolved));
	return 0;
}

static int export_dir(struct place *p, const char *tree, struct err *err);

/* Opens a directory of the exported tree, made when it is not there; never through a link. */
static int enter(int fd, const char *name, const char *path, struct err *err)
{
	if (mkdirat(fd, name, 0755) != 0 && errno != EEXIST)
		return err_sys(err, "create directory %s", path);
	int sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return sub >= 0 ? sub : err_sys(err, "open directory %s", path);
}

static int export_subdir(struct place *p, const char *name, const char *path, const char *oid, struct err *err)
{
	if (p->depth >= LIMIT_TREE_DEPTH)
		return err_set(err, ERR_LIMIT, "%s: directories nested deeper than %u", path, LIMIT_TREE_DEPTH);
	const struct index_dir *engine = index_find(p->e->index, path, strlen(path));
	CLEANUP_FD int fd = enter(p->fd, name, path, err);
	if (fd < 0)
		return fd;
	struct place sub = {.e = p->e, .fd = fd, .dir = path, .depth = p->depth + 1, .own = p->own && (engine == NULL || !engine->live)};
	return export_dir(&sub, oid, err);
}

static int on_export_entry(const char *name, enum git_entry_type type, const char *oid, void *arg, struct err *err)
{
	struct place *p = arg;
	CLEANUP_FREE char *path = below(p->dir, name);
	const char *why = refused_name(name);
	if (why != NULL)
		return p->own ? err_set(err, ERR_REFUSED, "%s %s", path, why) : 0;
	int rc = count_entry(p->e, path, err);
	if (rc != 0)
		return rc;
	switch (type) {
	case GIT_DIR: return export_subdir(p, name, path, oid, err);
	case GIT_SYMLINK: return export_link(p->e, p->fd, p->dir, name, oid, err);
	case GIT_FILE:
	case GIT_EXEC: return export_file(p->e, p->fd, name, path, type == GIT_EXEC, oid, err);
	case GIT_SUBMODULE:
	default: return 0;
	}
}

static int export_dir(struct place *p, const char *tree, struct err *err)
{
	return git_tree_each(p->e->repo, tree, on_export_entry, p, err);
}

/* The directory of the exported tree that holds path, made on the way; sets *ret_name to the last part. A descriptor the caller closes. */
static int enter_parent(struct exporter *e, const char *path, const char **ret_name, struct err *err)
{
	int fd = fcntl(e->root, F_DUPFD_CLOEXEC, 0);
	while (fd >= 0) {
		size_t n = strcspn(path, "/");
		if (path[n] == '\0')
			break;
		CLEANUP_FREE char *name = xstrndup(path, n);
		int sub = enter(fd, name, path, err);
		(void)close(fd);
		fd = sub;
		path += n + 1;
	}
	*ret_name = path;
	return fd;
}

static int on_count(const char *name, enum git_entry_type type, const char *oid, void *arg, struct err *err)
{
	(void)name;
	(void)type;
	(void)oid;
	unsigned *left = arg;
	return (*left)-- > 0 ? 0 : err_set(err, ERR_LIMIT, "too many");
}

/* Before anything of it is written. */
static int check_width(struct exporter *e, const struct input *in, struct err *err)
{
	unsigned left = LIMIT_PROJECT_ENTRIES;
	int rc = git_tree_each(e->repo, in->oid, on_count, &left, err);
	if (rc != ERR_LIMIT)
		return rc;
	return err_set(err, ERR_LIMIT,
		       "%s has more than %u files and directories in it, the limit for a project: move some into a subdirectory", in->path,
		       LIMIT_PROJECT_ENTRIES);
}

static void add_finished(struct exporter *e, char *key, size_t links_from)
{
	if (e->finished_n == e->finished_cap) {
		e->finished_cap = e->finished_cap == 0 ? 64 : e->finished_cap * 2;
		e->finished = xreallocarray(e->finished, e->finished_cap, sizeof(*e->finished));
	}
	struct finished *f = &e->finished[e->finished_n];
	*f = (struct finished){.key = key};
	for (size_t i = links_from; i < e->links.n; i++)
		strlist_add(&f->links, e->links.v[i]);
	(void)pathmap_add(&e->by_key, key, strlen(key), (uint32_t)e->finished_n++); /* it was not there */
}

static int write_input(struct exporter *e, const struct input *in, bool is_project, struct err *err)
{
	int rc = is_project && in->type == GIT_DIR ? check_width(e, in, err) : 0;
	if (rc != 0)
		return rc;
	const char *name = ".";
	CLEANUP_FD int parent = enter_parent(e, in->path, &name, err);
	if (parent < 0)
		return parent;
	if (in->type == GIT_DIR) {
		CLEANUP_FD int fd = strcmp(in->path, ".") == 0 ? fcntl(parent, F_DUPFD_CLOEXEC, 0) : enter(parent, name, in->path, err);
		struct place p = {.e = e, .fd = fd, .dir = in->path, .own = in->is_module};
		rc = fd >= 0 ? export_dir(&p, in->oid, err) : err_wrap(err, "export");
	} else if (in->type == GIT_SYMLINK) {
		CLEANUP_FREE char *dir = path_resolve(in->path, "..");
		rc = export_link(e, parent, dir, name, in->oid, err);
	} else if (in->type != GIT_SUBMODULE && refused_name(name) == NULL) {
		rc = export_file(e, parent, name, in->path, in->type == GIT_EXEC, in->oid, err);
	}
	return rc;
}

static int export_input(struct exporter *e, const struct input *in, bool is_project, struct err *err)
{
	uint32_t at = 0;
	size_t links_from = e->links.n;
	CLEANUP_FREE char *key = xasprintf("%c%s", is_project ? 'p' : in->is_module ? 'm' : '-', in->path);
	if (pathmap_get(&e->by_key, key, strlen(key), &at)) {
		strlist_copy(&e->links, &e->finished[at].links);
		return 0;
	}
	int rc = write_input(e, in, is_project, err);
	if (rc == 0)
		add_finished(e, TAKE(key), links_from);
	return rc;
}

/* What links point at, and what links there point at; one line each for the digest. A target that does not exist is a dangling link, as in a
 * checkout, and is an input too: it may come into being. */
static int export_links(struct exporter *e, struct strlist *ret_lines, struct err *err)
{
	int rc = 0;
	struct pathmap seen = {0};
	for (size_t i = 0; rc == 0 && i < e->links.n; i++) { /* grows on the way */
		struct input in = {.path = e->links.v[i], .oid = "absent"};
		if (!pathmap_add(&seen, in.path, strlen(in.path), 0))
			continue;
		const char *path = strcmp(in.path, ".") == 0 ? "" : in.path;
		if (git_tree_path(e->repo, e->tree, path, &in.type, in.oid, NULL) == 0)
			rc = export_input(e, &in, false, err);
		strlist_take(ret_lines, xasprintf("%s %s\n", in.path, in.oid));
	}
	pathmap_free(&seen);
	strlist_free(&e->links);
	return rc;
}

static void full_digest(const char *digest, struct strlist *lines, char ret[65])
{
	CLEANUP_BUF struct buf b = {0};
	buf_printf(&b, "%s\n", digest);
	strlist_sort(lines);
	for (size_t i = 0; i < lines->n; i++)
		buf_adds(&b, lines->v[i]);
	if (lines->n > 0)
		crypto_sha256_hex(b.data, b.len, ret);
	else
		(void)snprintf(ret, 65, "%s", digest);
}

int exporter_project(struct exporter *e, const char *dir, const struct inputs *in, char ret_digest[65], struct err *err)
{
	struct strlist lines = {0};
	CLEANUP_FREE char *marker = fs_join(e->done_dir, in->digest);
	if (fs_read(marker, 64, &e->blob, NULL) == 0 && e->blob.len == 64) {
		(void)snprintf(ret_digest, 65, "%s", e->blob.data);
		return 0;
	}
	e->entries = 0;
	e->bytes = 0;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < in->n; i++)
		rc = export_input(e, &in->v[i], strcmp(in->v[i].path, dir) == 0, err);
	if (rc == 0)
		rc = export_links(e, &lines, err);
	strlist_free(&e->links);
	full_digest(in->digest, &lines, ret_digest);
	strlist_free(&lines);
	return rc == 0 ? fs_write_fast(marker, ret_digest, 64, 0444, err) : rc;
}

/* --- the tree's directories --- */

static int boot_id(struct buf *ret, struct err *err) { return fs_read("/proc/sys/kernel/random/boot_id", 64, ret, err); }

/* After a power failure a marker can be there while the bytes are not. */
static int drop_older_boot(struct exporter *e, const struct buf *boot, struct err *err)
{
	CLEANUP_BUF struct buf known = {0};
	CLEANUP_FREE char *file = fs_join(e->done_dir, "boot");
	if (fs_read(file, 64, &known, NULL) == 0 && strcmp(buf_str(&known), buf_str(boot)) == 0)
		return 0;
	int rc = fs_remove_tree(e->root_dir, err);
	return rc == 0 ? fs_remove_tree(e->done_dir, err) : rc;
}

static int open_dir(const char *path, int *ret, struct err *err)
{
	int rc = fs_mkdir_p(path, 0755, err);
	if (rc != 0)
		return rc;
	*ret = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret >= 0 ? 0 : err_sys(err, "open %s", path);
}

static int prepare_dirs(struct exporter *e, const char *trees_dir, struct err *err)
{
	CLEANUP_BUF struct buf boot = {0};
	CLEANUP_FREE char *lock = fs_join(trees_dir, "lock");
	CLEANUP_FREE char *boot_file = fs_join(e->done_dir, "boot");
	int rc = fs_mkdir_p(trees_dir, 0755, err);
	if (rc == 0)
		rc = boot_id(&boot, err);
	if (rc != 0)
		return rc;
	e->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (e->lock < 0 || flock(e->lock, LOCK_EX) != 0)
		return err_sys(err, "lock %s", lock);
	rc = drop_older_boot(e, &boot, err);
	if (rc == 0)
		rc = open_dir(e->root_dir, &e->root, err);
	if (rc == 0)
		rc = open_dir(e->done_dir, &e->done, err);
	return rc == 0 && !fs_exists(boot_file) ? fs_write_fast(boot_file, boot.data, boot.len, 0600, err) : rc;
}

int exporter_open(struct git_repo *repo, const struct index *index, const char *tree, const char *trees_dir, const char *commit,
		  struct exporter **ret, struct err *err)
{
	struct exporter *e = xcalloc(1, sizeof(*e));
	*e = (struct exporter){.repo = repo, .index = index, .tree = tree, .lock = -1, .root = -1, .done = -1};
	e->umask_before = umask(022); /* jobs may run as another user: modes are as said above */
	e->root_dir = fs_join(trees_dir, commit);
	e->done_dir = xasprintf("%s.done", e->root_dir);
	int rc = prepare_dirs(e, trees_dir, err);
	if (rc == 0 && futimens(e->done, NULL) != 0)
		rc = err_sys(err, "touch %s", e->done_dir);
	if (rc == 0)
		*ret = e;
	else
		exporter_close(e);
	return rc;
}

/* The marks go first: a tree without them is made again. */
static bool sweep_one(const struct exporter *e, const char *trees_dir, const char *name, size_t len, int64_t before_ms)
{
	struct stat st;
	CLEANUP_FREE char *done = fs_join(trees_dir, name);
	CLEANUP_FREE char *tree = xstrndup(done, strlen(done) - (strlen(name) - len));
	if (strcmp(done, e->done_dir) == 0 || lstat(done, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_mtim.tv_sec * INT64_C(1000) >= before_ms)
		return false;
	struct err why;
	if (fs_remove_tree(done, &why) != 0 || fs_remove_tree(tree, &why) != 0)
		log_warn("trees.sweep", "error=%s", log_value(why.msg));
	return true;
}

void exporter_sweep(const struct exporter *e, const char *trees_dir, int64_t before_ms)
{
	static const char suffix[] = ".done";
	size_t swept = 0;
	DIR *d = opendir(trees_dir);
	for (const struct dirent *entry; d != NULL && swept < SWEEP_MAX && (entry = readdir(d)) != NULL;) {
		size_t len = strlen(entry->d_name);
		if (len <= sizeof(suffix) - 1 || strcmp(entry->d_name + len - (sizeof(suffix) - 1), suffix) != 0)
			continue;
		swept += sweep_one(e, trees_dir, entry->d_name, len - (sizeof(suffix) - 1), before_ms);
	}
	if (d != NULL)
		(void)closedir(d); /* only read */
}

void exporter_close(struct exporter *e)
{
	if (e == NULL)
		return;
	(void)umask(e->umask_before);
	mem_close_fd(&e->root);
	mem_close_fd(&e->done);
	mem_close_fd(&e->lock);
	for (size_t i = 0; i < e->finished_n; i++) {
		free(e->finished[i].key);
		strlist_free(&e->finished[i].links);
	}
	free(e->finished);
	pathmap_free(&e->by_key);
	strlist_free(&e->links);
	buf_free(&e->blob);
	free(e->root_dir);
	free(e->done_dir);
	free(e);
}
