/* What a project is made of at one commit: paths and their git ids. Equal inputs, equal plan. */
#include "plan/export.h"

#include "base/crypto.h"
#include "base/text.h"

void inputs_free(struct inputs *in)
{
	for (size_t i = 0; i < in->n; i++)
		free(in->v[i].path);
	free(in->v);
	*in = (struct inputs){0};
}

struct collector {
	struct git_repo *repo;
	const char *tree;
	struct inputs *in;
};

/* Adds what is at path; nothing there is no error: the engine will say it better. */
static int add(struct collector *c, const char *path, bool is_module, struct err *err)
{
	struct inputs *in = c->in;
	struct input found = {.is_module = is_module};
	struct err why;
	int rc = git_tree_path(c->repo, c->tree, strcmp(path, ".") == 0 ? "" : path, &found.type, found.oid, &why);
	if (rc == ERR_NOT_FOUND)
		return 0;
	if (rc != 0)
		return err_set(err, rc, "%s", why.msg);
	if (in->n == in->cap) {
		in->cap = in->cap == 0 ? 8 : in->cap * 2;
		in->v = xreallocarray(in->v, in->cap, sizeof(*in->v));
	}
	found.path = xstrdup(path);
	in->v[in->n++] = found;
	return 0;
}

static int add_modules(struct collector *c, const struct index *index, const char *dir, struct err *err)
{
	struct strlist used = {0};
	int rc = modules_closure(index, dir, &used, err);
	for (size_t i = 0; rc == 0 && i < used.n; i++) {
		rc = add(c, used.v[i], true, err);
		const struct index_dir *d = index_find(index, used.v[i], strlen(used.v[i]));
		for (const char *s = d != NULL && d->live ? d->paths : ""; rc == 0 && *s != '\0'; s = index_next(s))
			rc = add(c, s, false, err);
	}
	strlist_free(&used);
	return rc;
}

/* The plain beginning of a glob that climbs: "../../modules/net*.tf" needs ../../modules. */
static int add_glob(struct collector *c, const char *dir, const char *glob, struct err *err)
{
	size_t plain = strcspn(glob, "*?[\\");
	if (glob[0] == '!')
		return 0;
	if (glob[plain] != '\0')
		plain = path_dir_len(glob, plain);
	CLEANUP_FREE char *head = xstrndup(glob, plain);
	CLEANUP_FREE char *path = path_resolve(dir, head);
	return path == NULL || path_is_below(path, dir) || path_is_below(dir, path) ? 0 : add(c, path, false, err);
}

static int by_path(const void *a, const void *b)
{
	const struct input *x = a, *y = b;
	int c = strcmp(x->path, y->path);
	return c != 0 ? c : (int)y->is_module - (int)x->is_module;
}

static void sort_unique(struct inputs *in)
{
	size_t kept = 0;
	if (in->n > 1)
		qsort(in->v, in->n, sizeof(*in->v), by_path);
	for (size_t i = 0; i < in->n; i++) {
		if (kept > 0 && strcmp(in->v[kept - 1].path, in->v[i].path) == 0)
			free(in->v[i].path);
		else
			in->v[kept++] = in->v[i];
	}
	in->n = kept;
}

int inputs_find(struct git_repo *repo, const char *tree, const struct index *index, const struct project *p, struct inputs *ret,
		struct err *err)
{
	struct collector c = {.repo = repo, .tree = tree, .in = ret};
	int rc = add_modules(&c, index, p->dir, err);
	for (size_t i = 0; rc == 0 && i < p->rule->when_modified.n; i++)
		rc = add_glob(&c, p->dir, p->rule->when_modified.v[i], err);
	if (rc != 0)
		return rc;
	sort_unique(ret);
	CLEANUP_BUF struct buf lines = {0};
	for (size_t i = 0; i < ret->n; i++)
		buf_printf(&lines, "%s %s\n", ret->v[i].path, ret->v[i].oid);
	crypto_sha256_hex(buf_str(&lines), lines.len, ret->digest);
	return 0;
}
