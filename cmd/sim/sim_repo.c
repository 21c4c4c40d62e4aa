/* New repositories, from a tree on disk or from a list. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "cmd/sim/sim_app.h"
#include "cmd/sim/sim_gate.h"

#include <fts.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TREE_FILES_MAX = 200000, TREE_FILE_MAX = 16 * 1024 * 1024, TREE_DEPTH_MAX = 64 };

struct tree {
	struct sim_file *v;
	size_t n;
};

static void tree_free(struct tree *t)
{
	for (size_t i = 0; i < t->n; i++) {
		char *content = NULL, *path = NULL;
		memcpy(&content, &t->v[i].content, sizeof(content)); /* ours, though sim_file calls it const */
		memcpy(&path, &t->v[i].path, sizeof(path));
		free(content);
		free(path);
	}
	free(t->v);
}

static int add_file(struct tree *t, const char *path, const FTSENT *e, struct err *err)
{
	struct buf b = {0};
	const char *mode = (e->fts_statp->st_mode & S_IXUSR) != 0 ? "100755" : "100644";
	if (e->fts_info == FTS_F) {
		int rc = fs_read(e->fts_accpath, TREE_FILE_MAX, &b, err);
		if (rc != 0)
			return rc;
	} else {
		char target[4096];
		ssize_t n = readlink(e->fts_accpath, target, sizeof(target));
		if (n < 0)
			return err_sys(err, "read link %s", e->fts_path);
		buf_add(&b, target, (size_t)n);
		mode = "120000";
	}
	t->v = xreallocarray(t->v, t->n + 1, sizeof(*t->v));
	size_t len = b.len;
	t->v[t->n++] = (struct sim_file){.path = xstrdup(path), .content = buf_take(&b), .len = len, .mode = mode};
	return 0;
}

static int read_tree(const char *dir, struct tree *t, struct err *err)
{
	CLEANUP_FREE char *root = xstrdup(dir);
	char *roots[] = {root, NULL};
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	if (walk == NULL)
		return err_sys(err, "read the tree %s", dir);
	int rc = 0;
	for (FTSENT *e; rc == 0 && (e = fts_read(walk)) != NULL;) {
		const char *path = e->fts_path + strlen(root) + (e->fts_path[strlen(root)] == '/');
		if (e->fts_info == FTS_D && (strcmp(e->fts_name, ".git") == 0 || e->fts_level > TREE_DEPTH_MAX))
			(void)fts_set(walk, e, FTS_SKIP);
		else if (e->fts_info == FTS_F || e->fts_info == FTS_SL || e->fts_info == FTS_SLNONE)
			rc = add_file(t, path, e, err);
		else if (e->fts_info == FTS_ERR || e->fts_info == FTS_DNR || e->fts_info == FTS_NS)
			rc = err_set(err, ERR_IO, "read %s: %s", e->fts_path, strerror(e->fts_errno));
		if (rc == 0 && t->n > TREE_FILES_MAX)
			rc = err_set(err, ERR_LIMIT, "%s has more than %d files", dir, TREE_FILES_MAX);
	}
	(void)fts_close(walk);
	if (rc == 0 && t->n == 0)
		rc = err_set(err, ERR_NOT_FOUND, "%s has no files for a first commit", dir);
	return rc;
}

static bool name_is_fine(const char *full_name)
{
	size_t owner = strcspn(full_name, "/");
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	if (owner == 0 || full_name[owner] != '/' || full_name[0] == '.' || full_name[0] == '_' || full_name[owner + 1] == '.')
		return false;
	const char *name = full_name + owner + 1;
	return strspn(full_name, letters) == owner && name[0] != '\0' && strspn(name, letters) == strlen(name) && !text_ends(name, ".git");
}

static struct sim_repo *new_repo(struct sim *s, const struct sim_repo_new *n)
{
	struct sim_repo *r = xcalloc(1, sizeof(*r));
	const char *slash = strchr(n->full_name, '/');
	r->id = 5000000000 + (int64_t)s->repos_n * 10; /* beyond 32 bits; what fits between is for forks */
	r->full_name = xstrdup(n->full_name);
	r->owner = xstrndup(n->full_name, (size_t)(slash - n->full_name));
	r->name = xstrdup(slash + 1);
	r->default_branch = xstrdup(n->default_branch != NULL ? n->default_branch : "main");
	r->git_dir = xasprintf("%s/%s.git", s->dir, n->full_name);
	r->allow_merge = !n->no_merge_commits;
	r->allow_squash = true;
	r->allow_rebase = n->rebase;
	r->sim = s;
	r->created_ms = r->pushed_ms = clock_wall_ms();
	s->repos = xreallocarray(s->repos, s->repos_n + 1, sizeof(struct sim_repo *));
	s->repos[s->repos_n++] = r;
	return r;
}

static int first_commit(struct sim *s, struct sim_repo *r, const struct sim_repo_new *n, struct sim_user *u, struct err *err)
{
	static const struct sim_file readme = {.path = "README.md", .content = "# A repository of the simulated GitHub\n"};
	struct tree t = {0};
	char sha[SIM_SHA_SIZE];
	CLEANUP_FREE char *ref = xasprintf("refs/heads/%s", r->default_branch);
	int rc = sim_git_init(s, r, err);
	if (rc == 0 && n->dir != NULL)
		rc = read_tree(n->dir, &t, err);
	const struct sim_file *files = n->dir != NULL ? t.v : n->files_n > 0 ? n->files : &readme;
	size_t files_n = n->dir != NULL ? t.n : n->files_n > 0 ? n->files_n : 1;
	if (rc == 0)
		rc = sim_git_commit(s, r, ref, NULL, u, "First commit", files, files_n, sha, err);
	if (rc == 0)
		sim_ref_set(r, ref, sha);
	tree_free(&t);
	return rc;
}

int sim_repo_create(struct sim *s, const struct sim_repo_new *n, struct err *err)
{
	if (!name_is_fine(n->full_name))
		return err_set(err, ERR_USAGE, "repository name %s: write owner/name with letters, digits, - _ .", n->full_name);
	if (sim_repo_find(s, n->full_name, strlen(n->full_name)) != NULL)
		return err_set(err, ERR_CONFLICT, "repository %s exists already", n->full_name);
	struct sim_repo *r = new_repo(s, n);
	CLEANUP_FREE char *old = xstrdup(r->git_dir);
	int rc = fs_remove_tree(old, err); /* of an earlier life of this directory: state in memory would not know it */
	if (rc == 0)
		rc = first_commit(s, r, n, sim_user(s, n->user), err);
	if (rc == 0)
		rc = sim_permission(s, n->full_name, n->user, "admin", err);
	for (size_t i = 0; rc == 0 && i < s->tokens_n; i++) /* a bot with a token is an installed app */
		if (s->tokens[i].user->bot)
			rc = sim_permission(s, n->full_name, s->tokens[i].user->login, "write", err);
	if (rc == 0)
		sim_apps_new_repo(s, r);
	if (rc == 0 && n->protect != SIM_OPEN)
		rc = sim_protect(s, n->full_name, r->default_branch, n->protect, n->reviews, err);
	sim_changed(s);
	return rc == 0 ? 0 : err_wrap(err, "create %s", n->full_name);
}
