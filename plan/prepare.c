#include "plan/prepare.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/text.h"
#include "plan/prepare_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#define CONFIG_FILE "sluice.yaml"
enum { FETCH_TIMEOUT_MS = 5 * 60 * 1000 };

/* --- the mirror --- */

static int check_request(const struct prepare_request *r, struct err *err)
{
	if (r->mirror_dir == NULL || r->clone_url == NULL || r->base_ref == NULL)
		return err_set(err, ERR_USAGE, "mirror_dir, clone_url and base_ref are required");
	if (!r->fetch_only && (r->trees_dir == NULL || (r->head_sha == NULL && r->merge_sha == NULL)))
		return err_set(err, ERR_USAGE, "trees_dir and one of head_sha and merge_sha are required");
	return 0;
}

/* Beside the mirror, so that it is there before the mirror is. Held for fetch and index: both write in the mirror. */
static int lock_mirror(struct prep *p, struct err *err)
{
	CLEANUP_FREE char *parent = xstrndup(p->req->mirror_dir, path_dir_len(p->req->mirror_dir, strlen(p->req->mirror_dir)));
	CLEANUP_FREE char *file = xasprintf("%s.lock", p->req->mirror_dir);
	int rc = parent[0] != '\0' ? fs_mkdir_p(parent, 0700, err) : 0;
	if (rc != 0)
		return rc;
	p->lock = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (p->lock < 0)
		return err_sys(err, "open %s", file);
	while (flock(p->lock, LOCK_EX) != 0)
		if (errno != EINTR)
			return err_sys(err, "lock %s", file);
	return 0;
}

/* One fetch for base branch and pull request, always: where that branch stands now, nobody but the server knows. */
static int fetch(struct prep *p, const char *base_ref, struct err *err)
{
	const struct prepare_request *r = p->req;
	CLEANUP_FREE char *base = xasprintf("+%s:%s", base_ref, base_ref);
	CLEANUP_FREE char *pull = xasprintf("+refs/pull/%lld/head:refs/pull/%lld/head", (long long)r->pull_number,
					    (long long)r->pull_number);
	const char *specs[] = {base, pull};
	struct git_fetch f = {
		.url = r->clone_url,
		.user = r->token != NULL ? "x-access-token" : NULL,
		.password = r->token,
		.refspecs = specs,
		.refspecs_n = r->pull_number > 0 && !prep_is_apply(p) ? 2 : 1,
		.timeout_ms = FETCH_TIMEOUT_MS,
	};
	return git_mirror_fetch(p->repo, &f, &p->ret->fetched_bytes, err);
}

/* A fetch is content with refs that are there already, whether or not their commits are. */
static int check_mirror(struct prep *p, const char *base_ref, struct err *err)
{
	char oid[GIT_OID_HEX + 1], tree[GIT_OID_HEX + 1];
	CLEANUP_FREE char *pull = xasprintf("refs/pull/%lld/head", (long long)p->req->pull_number);
	const char *refs[] = {base_ref, pull};
	int rc = 0;
	for (size_t i = 0; rc != ERR_IO && i < ARRAY_LEN(refs); i++) {
		rc = git_resolve(p->repo, refs[i], oid, err);
		if (rc == 0 && git_tree_of(p->repo, oid, tree, err) != 0)
			rc = ERR_IO;
	}
	return rc == ERR_IO ? rc : 0; /* a ref that does not exist is told later */
}

/* A mirror holds nothing that cannot be fetched again: one that a power failure damaged is made anew, once. */
static int open_and_fetch(struct prep *p, const char *base_ref, struct err *err)
{
	const char *dir = p->req->mirror_dir;
	int rc = git_mirror_open(dir, &p->repo, err);
	if (rc == 0)
		rc = fetch(p, base_ref, err);
	if (rc == 0)
		rc = check_mirror(p, base_ref, err);
	if (rc != ERR_IO)
		return rc;
	git_repo_close_ptr(&p->repo);
	rc = fs_remove_tree(dir, err);
	if (rc == 0)
		rc = git_mirror_open(dir, &p->repo, err);
	return rc == 0 ? fetch(p, base_ref, err) : rc;
}

static int bring_mirror(struct prep *p, struct err *err)
{
	const struct prepare_request *r = p->req;
	CLEANUP_FREE char *base_ref = xasprintf("refs/heads/%s", r->base_ref);
	int rc = lock_mirror(p, err);
	if (rc == 0)
		rc = open_and_fetch(p, base_ref, err);
	if (rc == 0 && git_resolve(p->repo, base_ref, p->tip, NULL) != 0)
		rc = err_set(err, ERR_NOT_FOUND, "there is no branch %s at %s", r->base_ref, r->clone_url);
	if (rc != 0 || r->fetch_only)
		return rc;
	if (prep_is_apply(p) && !git_is_ancestor(p->repo, r->merge_sha, p->tip))
		return err_set(err, ERR_REFUSED, "commit %.12s is not on the branch %s: nothing is applied from elsewhere", r->merge_sha,
			       r->base_ref);
	if (!prep_is_apply(p) && !git_has_commit(p->repo, r->head_sha))
		return err_set(err, ERR_NOT_FOUND, "commit %.12s of pull request %lld is gone from %s: it was pushed over", r->head_sha,
			       (long long)r->pull_number, r->clone_url);
	return 0;
}

static int find_commits(struct prep *p, struct err *err)
{
	struct prepare_result *ret = p->ret;
	const char *base = prep_is_apply(p) ? p->req->merge_sha : p->tip;
	(void)snprintf(p->target, sizeof(p->target), "%s", prep_is_apply(p) ? p->req->merge_sha : p->req->head_sha);
	(void)snprintf(ret->base_sha, sizeof(ret->base_sha), "%s", base);
	(void)snprintf(ret->head_sha, sizeof(ret->head_sha), "%s", p->req->head_sha != NULL ? p->req->head_sha : p->target);
	int rc = git_merge_base_of(p->repo, base, p->target, ret->merge_base, err);
	if (rc == 0)
		rc = git_tree_of(p->repo, p->tip, p->base_tree, err);
	if (rc == 0)
		rc = git_tree_of(p->repo, p->target, p->target_tree, err);
	if (rc == 0)
		rc = git_tree_of(p->repo, ret->merge_base, p->merge_base_tree, err);
	ret->base_moved = strcmp(ret->base_sha, ret->merge_base) != 0;
	return rc;
}

/* The stored index follows the tip of the base branch: the next pull request starts near it. */
static int bring_index(struct prep *p, struct err *err)
{
	CLEANUP_FREE char *file = fs_join(p->req->mirror_dir, "sluice-index");
	index_load(&p->index, file);
	bool stale = strcmp(p->index.tree, p->base_tree) != 0;
	int rc = index_advance(&p->index, p->repo, p->base_tree, err);
	if (rc != 0) /* it may describe a tree that this mirror does not have; it is empty now */
		rc = index_advance(&p->index, p->repo, p->base_tree, err);
	if (rc == 0 && stale)
		rc = index_store(&p->index, file, err);
	if (rc != 0)
		return rc;
	mem_close_fd(&p->lock); /* nothing below writes in the mirror */
	p->lock = -1;
	index_mark(&p->index);
	return index_advance(&p->index, p->repo, p->target_tree, err);
}

/* --- configuration --- */

static enum dir_state look_at_dir(const char *dir, bool at_base, void *arg)
{
	const struct prep *p = arg;
	const char *tree = at_base ? p->base_tree : p->target_tree;
	enum git_entry_type type = GIT_DIR;
	char oid[GIT_OID_HEX + 1];
	size_t len = strlen(dir);
	for (size_t n = 0; strcmp(dir, ".") != 0 && n < len; n++) {
		n += strcspn(dir + n, "/");
		CLEANUP_FREE char *part = xstrndup(dir, n);
		if (git_tree_path(p->repo, tree, part, &type, oid, NULL) != 0)
			return DIR_MISSING;
		if (type != GIT_DIR)
			return type == GIT_SYMLINK ? DIR_LINK : DIR_MISSING;
	}
	return DIR_THERE;
}

static int load_server(struct prep *p, struct err *err)
{
	if (p->req->server_file == NULL)
		return 0;
	struct config_errors errors = {0};
	int rc = server_config_load(p->req->server_file, &p->server, &errors, err);
	if (rc != 0 && errors.n > 0)
		rc = err_set(err, rc, "%s:%d:%d: %s", errors.v[0].file, errors.v[0].line, errors.v[0].column, errors.v[0].msg);
	config_errors_free(&errors);
	p->has_server = rc == 0;
	p->rules = rc == 0 ? text_join_lines(&p->server.provider_allow) : NULL;
	return rc;
}

/* The configuration at one tree and the projects it makes. Errors of the file go to errors, and the answer is ERR_PARSE. */
static int read_config(struct prep *p, const char *tree, struct repo_config *config, struct project_set *set, struct config_errors *errors,
		       struct err *err)
{
	enum git_entry_type type = GIT_FILE;
	char oid[GIT_OID_HEX + 1];
	CLEANUP_BUF struct buf bytes = {0};
	int rc = git_tree_path(p->repo, tree, CONFIG_FILE, &type, oid, err);
	bool there = rc == 0;
	if (config == &p->config)
		xstrset(&p->ret->config_id, there ? oid : "");
	if (there && type != GIT_FILE && type != GIT_EXEC) {
		config_errors_add(errors, CONFIG_FILE, 1, 1, "is not a regular file");
		return ERR_PARSE;
	}
	if (there)
		rc = git_blob_read(p->repo, oid, LIMIT_CONFIG_BYTES, &bytes, err);
	if (rc == ERR_LIMIT) {
		config_errors_add(errors, CONFIG_FILE, 1, 1, "larger than %u KiB", LIMIT_CONFIG_BYTES >> 10);
		return ERR_PARSE;
	}
	if (rc != 0 && rc != ERR_NOT_FOUND)
		return rc;
	rc = repo_config_parse(CONFIG_FILE, there ? buf_str(&bytes) : NULL, bytes.len, p->has_server ? &p->server : NULL, config, errors);
	if (rc == 0)
		rc = projects_find(&p->index, config, CONFIG_FILE, look_at_dir, p, set, errors, err);
	return rc;
}

/* What the pull request's own version would say: only its errors are told, for it takes effect after the merge. */
static int read_head_config(struct prep *p, struct err *err)
{
	enum git_entry_type type;
	char before[GIT_OID_HEX + 1] = "", after[GIT_OID_HEX + 1] = "";
	bool was = git_tree_path(p->repo, p->merge_base_tree, CONFIG_FILE, &type, before, NULL) == 0;
	bool is = git_tree_path(p->repo, p->target_tree, CONFIG_FILE, &type, after, NULL) == 0;
	p->ret->config_changed = was != is || strcmp(before, after) != 0;
	if (!p->ret->config_changed || !is)
		return 0;
	struct repo_config config = {0};
	struct project_set set = {0};
	int rc = read_config(p, p->target_tree, &config, &set, &p->ret->head_errors, err);
	project_set_free(&set);
	repo_config_free(&config);
	return rc == ERR_PARSE ? 0 : rc;
}

/* --- which projects --- */

static int on_change(const char *old_path, const char *new_path, void *arg, struct err *err)
{
	struct strlist *l = arg;
	if (l->n > LIMIT_TREE_ENTRIES)
		return err_set(err, ERR_LIMIT, "the pull request changes more than %u files: split it", LIMIT_TREE_ENTRIES);
	if (old_path != NULL)
		strlist_add(l, old_path);
	if (new_path != NULL && new_path != old_path)
		strlist_add(l, new_path);
	return 0;
}

static int touch(struct prep *p, struct err *err)
{
	int rc = prep_is_apply(p) ? 0 : git_tree_diff(p->repo, p->merge_base_tree, p->target_tree, true, on_change, &p->changed, err);
	if (rc != 0)
		return rc;
	strlist_sort(&p->changed);
	if (!prep_is_apply(p))
		projects_touch(&p->set, &p->index, &p->changed);
	for (size_t i = 0; i < p->set.n; i++)
		p->ret->untouched += p->set.v[i].reason == NULL && !p->set.v[i].deleted;
	return 0;
}

static int work(struct prep *p, struct err *err)
{
	int rc = find_commits(p, err);
	if (rc == 0)
		rc = bring_index(p, err);
	if (rc == 0)
		rc = load_server(p, err);
	if (rc == 0 && !prep_is_apply(p))
		rc = read_head_config(p, err);
	if (rc != 0)
		return rc;
	rc = read_config(p, prep_is_apply(p) ? p->target_tree : p->base_tree, &p->config, &p->set, &p->ret->config_errors, err);
	p->ret->config_present = p->config.present || p->ret->config_errors.n > 0;
	if (rc == ERR_PARSE && p->ret->config_errors.n > 0)
		return 0; /* told in the result */
	if (rc == 0)
		rc = touch(p, err);
	if (rc == 0)
		rc = prep_select(p, err);
	return rc == 0 && !prep_is_apply(p) ? prep_owners(p, err) : rc;
}

int prepare_run(const struct prepare_request *req, struct prepare_result *ret, struct err *err)
{
	int64_t began = clock_mono_ms();
	struct prepare_result result = {0};
	struct prep p = {.req = req, .ret = &result, .lock = -1};
	int rc = check_request(req, err);
	if (rc == 0)
		rc = bring_mirror(&p, err);
	if (rc == 0 && req->fetch_only)
		(void)snprintf(result.base_sha, sizeof(result.base_sha), "%s", p.tip);
	else if (rc == 0)
		rc = work(&p, err);
	project_set_free(&p.set);
	repo_config_free(&p.config);
	if (p.has_server)
		server_config_free(&p.server);
	strlist_free(&p.changed);
	free(p.rules);
	index_free(&p.index);
	git_repo_close(p.repo);
	mem_close_fd(&p.lock);
	result.took_ms = clock_mono_ms() - began;
	if (rc == 0)
		*ret = result;
	else
		prepare_result_free(&result);
	return rc;
}
