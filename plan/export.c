#include "plan/export_priv.h"

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
	struct export_spent spent;
	struct buf blob;
};

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
	CLEANUP(export_list_free) struct export_list list = {0};
	struct export_walk w = {.repo = e->repo, .index = e->index, .spent = &e->spent, .links = &e->links, .list = &list};
	int rc = is_project && in->type == GIT_DIR ? check_width(e, in, err) : 0;
	if (rc == 0)
		rc = export_walk(&w, in, err);
	return rc == 0 ? export_write(e->repo, e->root, &list, err) : rc;
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
	e->spent = (struct export_spent){0};
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
