/* What changed between two trees: both are listed in git's order and walked side by side; equal ids are never opened, so that the cost
 * grows with the change and not with the repository. (libgit2's own diff expands both trees.) */
#include "base/git.h"
#include "base/limits.h"

struct entry {
	char *name;
	enum git_entry_type type;
	char oid[GIT_OID_HEX + 1];
};

struct listing {
	struct entry *v;
	size_t n, cap;
	size_t *seen; /* of the whole comparison */
};

/* One file that exists on one side only, kept until all are known: it may be half of a rename. */
struct lone {
	char *path;
	char oid[GIT_OID_HEX + 1];
};

struct lones {
	struct lone *v;
	size_t n, cap;
};

struct differ {
	struct git_repo *repo;
	bool find_renames;
	git_change_cb fn;
	void *arg;
	struct buf path;
	size_t seen;
	struct lones gone, born;
};

static void listing_free(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].name);
	free(l->v);
}

static int on_entry(const char *name, enum git_entry_type type, const char *oid, void *arg, struct err *err)
{
	struct listing *l = arg;
	if (++*l->seen > LIMIT_DIFF_ENTRIES)
		return err_set(err, ERR_LIMIT, "more than %u files and directories to look at: the repository is too large, or made to be", LIMIT_DIFF_ENTRIES);
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 32 : l->cap * 2;
		l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
	}
	struct entry *e = &l->v[l->n++];
	*e = (struct entry){.name = xstrdup(name), .type = type};
	memcpy(e->oid, oid, sizeof(e->oid));
	return 0;
}

/* Git sorts a directory as if its name ended in a slash. */
static int compare(const struct entry *a, const struct entry *b)
{
	size_t na = strlen(a->name), nb = strlen(b->name), n = na < nb ? na : nb;
	int c = memcmp(a->name, b->name, n);
	if (c != 0)
		return c;
	unsigned char ca = na > n ? (unsigned char)a->name[n] : a->type == GIT_DIR ? '/' : '\0';
	unsigned char cb = nb > n ? (unsigned char)b->name[n] : b->type == GIT_DIR ? '/' : '\0';
	return (int)ca - (int)cb;
}

static void lones_add(struct lones *l, const char *path, const char *oid)
{
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 32 : l->cap * 2;
		l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
	}
	struct lone *e = &l->v[l->n++];
	e->path = xstrdup(path);
	memcpy(e->oid, oid, sizeof(e->oid));
}

static void lones_free(struct lones *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].path);
	free(l->v);
}

static int diff_level(struct differ *d, const char *old_tree, const char *new_tree, unsigned depth, struct err *err);

static int one_side(struct differ *d, const struct entry *e, bool is_old, unsigned depth, struct err *err)
{
	if (e->type == GIT_DIR)
		return diff_level(d, is_old ? e->oid : NULL, is_old ? NULL : e->oid, depth + 1, err);
	if (d->find_renames) {
		lones_add(is_old ? &d->gone : &d->born, d->path.data, e->oid);
		return 0;
	}
	return d->fn(is_old ? d->path.data : NULL, is_old ? NULL : d->path.data, d->arg, err);
}

static int both_sides(struct differ *d, const struct entry *old, const struct entry *new, unsigned depth, struct err *err)
{
	if (strcmp(old->oid, new->oid) == 0 && old->type == new->type)
		return 0;
	if (old->type == GIT_DIR)
		return diff_level(d, old->oid, new->oid, depth + 1, err);
	return d->fn(d->path.data, d->path.data, d->arg, err);
}

static int diff_level(struct differ *d, const char *old_tree, const char *new_tree, unsigned depth, struct err *err)
{
	CLEANUP(listing_free) struct listing a = {.seen = &d->seen}, b = {.seen = &d->seen};
	if (depth > LIMIT_TREE_DEPTH)
		return err_set(err, ERR_LIMIT, "%s: directories nested deeper than %u", buf_str(&d->path), LIMIT_TREE_DEPTH);
	int rc = old_tree != NULL ? git_tree_each(d->repo, old_tree, on_entry, &a, err) : 0;
	if (rc == 0 && new_tree != NULL)
		rc = git_tree_each(d->repo, new_tree, on_entry, &b, err);
	size_t at = d->path.len;
	for (size_t i = 0, j = 0; rc == 0 && (i < a.n || j < b.n);) {
		int c = i == a.n ? 1 : j == b.n ? -1 : compare(&a.v[i], &b.v[j]);
		if (at > 0)
			buf_addc(&d->path, '/');
		buf_adds(&d->path, c <= 0 ? a.v[i].name : b.v[j].name);
		if (c == 0)
			rc = both_sides(d, &a.v[i], &b.v[j], depth, err);
		else
			rc = one_side(d, c < 0 ? &a.v[i] : &b.v[j], c < 0, depth, err);
		buf_truncate(&d->path, at);
		i += c <= 0;
		j += c >= 0;
	}
	return rc;
}

static int by_oid(const void *x, const void *y)
{
	const struct lone *a = x, *b = y;
	int c = strcmp(a->oid, b->oid);
	return c != 0 ? c : strcmp(a->path, b->path);
}

/* A rename is the same content under another path; a moved file that was edited too counts as one deletion and one addition, which for
 * "which projects are touched" says the same. */
static int tell_lones(struct differ *d, struct err *err)
{
	struct lones *g = &d->gone, *b = &d->born;
	if (g->n > 1)
		qsort(g->v, g->n, sizeof(*g->v), by_oid);
	if (b->n > 1)
		qsort(b->v, b->n, sizeof(*b->v), by_oid);
	int rc = 0;
	for (size_t i = 0, j = 0; rc == 0 && (i < g->n || j < b->n);) {
		int c = i == g->n ? 1 : j == b->n ? -1 : strcmp(g->v[i].oid, b->v[j].oid);
		rc = d->fn(c <= 0 ? g->v[i].path : NULL, c >= 0 ? b->v[j].path : NULL, d->arg, err);
		i += c <= 0;
		j += c >= 0;
	}
	return rc;
}

int git_tree_diff(struct git_repo *r, const char *old_tree, const char *new_tree, bool find_renames, git_change_cb fn, void *arg,
		  struct err *err)
{
	if (old_tree != NULL && new_tree != NULL && strcmp(old_tree, new_tree) == 0)
		return 0;
	struct differ d = {.repo = r, .find_renames = find_renames, .fn = fn, .arg = arg};
	int rc = diff_level(&d, old_tree, new_tree, 0, err);
	if (rc == 0)
		rc = tell_lones(&d, err);
	buf_free(&d.path);
	lones_free(&d.gone);
	lones_free(&d.born);
	return rc;
}
