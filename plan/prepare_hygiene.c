/* Part of a preparation: reads what hygiene.h asks about, on the base branch and in the change, and writes the dependency lock file that is in
 * force. What is wrong with one project is its own error and not the run's. */
#include "base/fs.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "plan/hygiene.h"
#include "plan/prepare_priv.h"
#include "runner/provider_rule.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SWEEP_MAX = 64, TOLD_ALL_MAX = 2000, TOLD_CUT = 10, LINKS_MAX = 8 };
static const char LOCK_NAME[] = ".terraform.lock.hcl";

struct hygiene {
	struct prep *p;
	const char *tree; /* what is run: the change, the merge commit, or the merge base of a directory that is gone */
	bool compare;     /* it is a change of the base branch */
	const struct project *project;
	const struct inputs *in;
	struct prepared_project *out;
	struct prep_bound *bound;
	struct told_list told;
	char *why; /* refused */
};

/* ---- reading ---- */

static char *below(const char *dir, const char *name) { return strcmp(dir, ".") == 0 ? xstrdup(name) : xasprintf("%s/%s", dir, name); }

/* The object at a path; false: nothing there, or no file. */
static bool find_file(const struct prep *p, const char *tree, const char *path, enum git_entry_type *ret_type, char oid[GIT_OID_HEX + 1])
{
	*ret_type = GIT_SUBMODULE;
	oid[0] = '\0';
	if (git_tree_path(p->repo, tree, path, ret_type, oid, NULL) != 0 || (*ret_type != GIT_FILE && *ret_type != GIT_EXEC)) {
		oid[0] = '\0';
		return false;
	}
	return true;
}

/* What stands at path, links followed as the engines follow them. False: nothing that could be found by names alone. */
static bool follow(const struct prep *p, const char *tree, const char *path, enum git_entry_type *ret_type, char oid[GIT_OID_HEX + 1])
{
	CLEANUP_FREE char *at = xstrdup(path);
	for (int i = 0; i <= LINKS_MAX; i++) {
		CLEANUP_BUF struct buf target = {0};
		if (git_tree_path(p->repo, tree, strcmp(at, ".") == 0 ? "" : at, ret_type, oid, NULL) != 0)
			return false;
		if (*ret_type != GIT_SYMLINK)
			return true;
		if (git_blob_read(p->repo, oid, LIMIT_PATH_BYTES, &target, NULL) != 0)
			return false;
		size_t dir = path_dir_len(at, strlen(at));
		CLEANUP_FREE char *from = dir > 0 ? xstrndup(at, dir) : xstrdup(".");
		char *next = path_resolve(from, buf_str(&target));
		free(at);
		at = next;
		if (at == NULL)
			return false;
	}
	return false;
}

struct dir_walk {
	struct prep *p;
	const char *tree, *dir;
	struct tf_dir *ret;
	char *lost; /* a link with the name of a configuration file that leads nowhere */
	struct buf bytes;
};

static int on_entry(const char *name, enum git_entry_type type, const char *oid, void *arg, struct err *err)
{
	struct dir_walk *w = arg;
	char there[GIT_OID_HEX + 1];
	if (tf_name_read(name).kind == TF_OTHER || (type != GIT_FILE && type != GIT_EXEC && type != GIT_SYMLINK))
		return 0;
	CLEANUP_FREE char *path = below(w->dir, name);
	bool link = type == GIT_SYMLINK;
	bool found = !link || follow(w->p, w->tree, path, &type, there);
	if (!found || (type != GIT_FILE && type != GIT_EXEC)) {
		xstrset(&w->lost, path);
		return 0;
	}
	int rc = git_blob_read(w->p->repo, link ? there : oid, LIMIT_HCL_FILE_BYTES, &w->bytes, err);
	if (rc == ERR_LIMIT)
		return err_set(err, ERR_LIMIT, "%s: larger than %u MiB, the limit for one file of configuration", path, LIMIT_HCL_FILE_BYTES >> 20);
	if (rc == 0)
		tf_dir_add(w->ret, path, buf_str(&w->bytes), w->bytes.len);
	return rc;
}

/* The configuration files of one directory; nothing when there is none. ret_lost: NULL when such links are of no interest. */
static int read_dir(struct prep *p, const char *tree, const char *dir, struct tf_dir *ret, char **ret_lost, struct err *err)
{
	enum git_entry_type type = GIT_DIR;
	char oid[GIT_OID_HEX + 1];
	struct dir_walk w = {.p = p, .tree = tree, .dir = dir, .ret = ret};
	if (!follow(p, tree, dir, &type, oid) || type != GIT_DIR)
		return 0;
	int rc = git_tree_each(p->repo, oid, on_entry, &w, err);
	if (ret_lost != NULL && *ret_lost == NULL && w.lost != NULL)
		*ret_lost = xasprintf("%s is a symbolic link that sluice cannot follow: replace it by the file", w.lost);
	free(w.lost);
	buf_free(&w.bytes);
	return rc;
}

/* ---- providers ---- */

/* What a source without host means: both registries while nobody has named the engine. */
static size_t registries_of(enum engine_kind kind, const char **ret)
{
	size_t n = 0;
	if (kind != ENGINE_OPENTOFU)
		ret[n++] = PROVIDER_REGISTRY_TERRAFORM;
	if (kind != ENGINE_TERRAFORM)
		ret[n++] = PROVIDER_REGISTRY_OPENTOFU;
	return n;
}

static int check_providers(struct hygiene *h, const struct dep_lock *lock, const char *lock_path, struct err *err)
{
	struct provider_needs needs = {0};
	const char *registries[2];
	size_t n = registries_of(h->out->engine, registries);
	int rc = 0;
	if (h->p->rules == NULL)
		return 0;
	for (size_t i = 0; rc == 0 && i < h->in->n; i++) {
		struct tf_dir d = {0};
		if (!h->in->v[i].is_module)
			continue;
		rc = read_dir(h->p, h->tree, h->in->v[i].path, &d, &h->why, err);
		provider_needs_read(&d, &needs);
		tf_dir_free(&d);
	}
	if (rc == 0 && h->why == NULL)
		h->why = hygiene_providers(&needs, registries, n, h->p->rules);
	if (rc == 0 && h->why == NULL)
		h->why = hygiene_lock_pins(lock, lock_path, &needs, registries, n, h->p->rules);
	provider_needs_free(&needs);
	return rc;
}

/* ---- the lock file ---- */

struct lock_side {
	char oid[GIT_OID_HEX + 1]; /* "": none */
	struct buf bytes;
	struct dep_lock lock;
};

static void lock_side_free(struct lock_side *s)
{
	buf_free(&s->bytes);
	dep_lock_free(&s->lock);
}

static int read_side(struct hygiene *h, const char *tree, const char *path, struct lock_side *ret, struct err *err)
{
	enum git_entry_type type;
	if (!find_file(h->p, tree, path, &type, ret->oid)) {
		if (type == GIT_SYMLINK && h->why == NULL)
			h->why = xasprintf("%s is a symbolic link: replace it by the file", path);
		return 0;
	}
	int rc = git_blob_read(h->p->repo, ret->oid, LIMIT_LOCK_FILE_BYTES, &ret->bytes, err);
	if (rc == 0)
		dep_lock_read(buf_str(&ret->bytes), ret->bytes.len, &ret->lock);
	if (rc == ERR_LIMIT && h->why == NULL) {
		h->why = xasprintf("%s is larger than %u KiB, the limit for a lock file", path, LIMIT_LOCK_FILE_BYTES >> 10);
		rc = 0;
	}
	return rc;
}

/* Of equal content there is one file. Its age is that of its last use. */
static int keep_lock(struct prep *p, const struct lock_side *s, struct err *err)
{
	CLEANUP_FREE char *dir = fs_join(p->req->trees_dir, "locks");
	CLEANUP_FREE char *file = fs_join(dir, s->oid);
	struct stat st;
	int rc = fs_mkdir_p(dir, 0755, err);
	if (rc != 0)
		return rc;
	if (lstat(file, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == (off_t)s->bytes.len && utimensat(AT_FDCWD, file, NULL, 0) == 0)
		return 0;
	return fs_write_fast(file, buf_str(&s->bytes), s->bytes.len, 0444, err);
}

/* In force is what the base branch has; a change of it counts as far as each part of it is allowed. *ret: the side that is in force. */
static int choose_lock(struct hygiene *h, const char *path, struct lock_side *base, struct lock_side *head, struct lock_side **ret, struct err *err)
{
	enum git_entry_type type;
	char fork[GIT_OID_HEX + 1];
	*ret = head;
	int rc = read_side(h, h->tree, path, head, err);
	if (rc != 0 || !h->compare)
		return rc;
	rc = read_side(h, h->p->base_tree, path, base, err);
	if (rc != 0 || base->oid[0] == '\0' || strcmp(base->oid, head->oid) == 0)
		return rc;
	(void)find_file(h->p, h->p->merge_base_tree, path, &type, fork);
	if (strcmp(fork, head->oid) == 0) /* the change leaves it alone, and the branch is behind */
		*ret = base;
	else if (h->why == NULL)
		h->why = hygiene_lock_changed(&base->lock, &head->lock, path, h->p->rules, &h->told);
	return 0;
}

static int check_lock(struct hygiene *h, struct err *err)
{
	CLEANUP_FREE char *path = below(h->project->dir, LOCK_NAME);
	struct lock_side base = {0}, head = {0}, *used = &head;
	int rc = choose_lock(h, path, &base, &head, &used, err);
	if (rc == 0 && h->why == NULL)
		h->why = hygiene_lock_allowed(&used->lock, path, h->p->rules);
	if (rc == 0)
		rc = check_providers(h, &used->lock, path, err);
	if (rc == 0 && h->why == NULL && used->oid[0] != '\0') {
		h->out->lock_id = xstrdup(used->oid);
		rc = keep_lock(h->p, used, err);
	}
	lock_side_free(&base);
	lock_side_free(&head);
	return rc;
}

/* ---- where the state is ---- */

/* OpenTofu's own files count when it is the engine: as the rule says, or because there are some. */
static bool is_tofu(const struct hygiene *h, const struct tf_dir *d)
{
	enum engine_kind said = h->project->rule->dir != NULL ? h->project->rule->engine : ENGINE_NONE;
	bool has = h->project->rule->engine == ENGINE_OPENTOFU;
	for (size_t i = 0; i < d->n; i++)
		has = has || d->v[i].name.tofu;
	return said != ENGINE_NONE ? said == ENGINE_OPENTOFU : has;
}

static bool is_managed(const struct backend_place *p) { return p->type == NULL || strcmp(p->type, "local") == 0; }

static void judge_move(struct hygiene *h, const struct backend_place *base, const struct backend_place *head)
{
	CLEANUP_FREE char *differs = is_managed(base) && is_managed(head) ? NULL : backend_place_differs(base, head);
	const char *file = head->file != NULL ? head->file : base->file;
	int line = head->file != NULL ? head->line : 0;
	if (differs == NULL || h->why != NULL)
		return;
	if (h->p->req->admin) {
		told_add(&h->told, file, line, "backend", "reads the state from another place than the base branch (%s), as an admin allowed", differs);
		return;
	}
	h->why = xasprintf("%s:%d: with this change the state would be read from another place than on `%s` (%s). Bring the branch up to date when that is "
			   "where it has moved to; when the move is meant, a person with the role admin reads this and comments `plan`",
			   file, line, h->p->req->base_ref, differs);
}

static int read_place(struct hygiene *h, const char *tree, struct backend_place *ret, bool *ret_there, struct err *err)
{
	struct tf_dir d = {0};
	int rc = read_dir(h->p, tree, h->project->dir, &d, tree == h->tree ? &h->why : NULL, err);
	if (rc == 0)
		backend_place_read(&d, is_tofu(h, &d), ret);
	*ret_there = d.n > 0;
	tf_dir_free(&d);
	return rc;
}

static bool same_dir(const struct hygiene *h)
{
	enum git_entry_type type;
	char base[GIT_OID_HEX + 1], head[GIT_OID_HEX + 1];
	const char *dir = strcmp(h->project->dir, ".") == 0 ? "" : h->project->dir;
	return git_tree_path(h->p->repo, h->p->base_tree, dir, &type, base, NULL) == 0 && git_tree_path(h->p->repo, h->tree, dir, &type, head, NULL) == 0 &&
	       strcmp(base, head) == 0;
}

static int check_backend(struct hygiene *h, struct err *err)
{
	struct backend_place head = {0}, base = {0};
	bool there = false, was_there = false, look = h->compare && !same_dir(h);
	if (!look && h->out->managed_state)
		return 0;
	int rc = read_place(h, h->tree, &head, &there, err);
	if (rc == 0 && look)
		rc = read_place(h, h->p->base_tree, &base, &was_there, err);
	if (rc == 0 && head.unclear != NULL && h->why == NULL && !is_managed(&head))
		h->why = xstrdup(head.unclear);
	if (rc == 0 && was_there)
		judge_move(h, &base, &head);
	if (rc == 0 && !is_managed(&head))
		backend_place_digest(&head, h->bound->backend);
	backend_place_free(&head);
	backend_place_free(&base);
	return rc;
}

/* ---- all of it ---- */

/* All projects of a change together have to fit into one answer: the later ones keep less. */
static void take_told(struct hygiene *h)
{
	CLEANUP_BUF struct buf json = {0};
	if (h->told.n == 0)
		return;
	told_sort(&h->told);
	if (h->p->told_kept + h->told.n > TOLD_ALL_MAX)
		told_cut(&h->told, TOLD_CUT);
	h->p->told_kept += h->told.n;
	told_write(&h->told, &json);
	h->out->told = xstrdup(buf_str(&json));
}

int prep_hygiene(struct prep *p, const char *tree, const struct project *project, const struct inputs *in, struct prepared_project *out,
		 struct prep_bound *bound, struct err *err)
{
	*bound = (struct prep_bound){0};
	if (out->engine == ENGINE_PULUMI)
		return 0;
	struct hygiene h = {.p = p, .tree = tree, .compare = !prep_is_apply(p) && tree == p->target_tree, .project = project, .in = in, .out = out,
			    .bound = bound};
	int rc = check_lock(&h, err);
	if (rc == 0)
		rc = check_backend(&h, err);
	if (rc == 0 && h.compare)
		rc = prep_tell(p, in, &h.told, err);
	(void)snprintf(bound->lock, sizeof(bound->lock), "%s", out->lock_id != NULL ? out->lock_id : ""); /* an id fits */
	take_told(&h);
	told_free(&h.told);
	if (rc == ERR_LIMIT) {
		h.why = h.why != NULL ? h.why : xstrdup(err->msg);
		rc = 0;
	}
	out->error = out->error != NULL ? out->error : TAKE(h.why);
	free(h.why);
	return rc;
}

/* Those that nobody used since before_ms (wall), some at a time. */
void prep_sweep_locks(const char *trees_dir, int64_t before_ms)
{
	CLEANUP_FREE char *dir = fs_join(trees_dir, "locks");
	DIR *d = opendir(dir);
	int swept = 0;
	for (const struct dirent *e; d != NULL && swept < SWEEP_MAX && (e = readdir(d)) != NULL;) {
		struct stat st;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode) || st.st_mtim.tv_sec * INT64_C(1000) >= before_ms)
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) != 0)
			log_warn("locks.sweep", "file=%s error=%s", log_value(e->d_name), log_value(strerror(errno)));
		swept++;
	}
	if (d != NULL)
		(void)closedir(d); /* only read */
}
