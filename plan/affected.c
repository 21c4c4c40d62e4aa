#include "plan/affected.h"

#include "base/glob.h"
#include "base/limits.h"
#include "base/text.h"

/* For each directory the first changed path that counts for it, as positions in the sorted list. */
struct changes {
	const struct strlist *paths;
	const struct index *index;
	struct pathmap below;   /* every directory above a changed path, and the path itself */
	struct pathmap engine;  /* the nearest directory with engine files; *.md left out */
	struct pathmap project; /* the nearest directory of a project; *.md left out */
	struct pathmap is_project;
	struct pathmap globs; /* base directory + '\n' + glob -> first match, or NONE */
	struct strlist glob_keys;
};

enum { NONE = 0x7fffffff };

static bool first_of(const struct pathmap *m, const char *dir, uint32_t *ret) { return pathmap_get(m, dir, strlen(dir), ret); }

static bool is_engine_dir(const struct changes *c, const char *dir, size_t len) { return index_find(c->index, dir, len) != NULL; }

/* Walks from a changed path up to the root: what lies above it, and whose it is. */
static void place(struct changes *c, uint32_t at)
{
	const char *path = c->paths->v[at];
	size_t len = strlen(path);
	bool counts = !text_ends(path, ".md") && strcmp(path, "sluice.yaml") != 0;
	bool engine = !counts, project = !counts;
	uint32_t ignored = 0;
	(void)pathmap_add(&c->below, path, len, at); /* the first one stays */
	for (bool top = false; !top;) {
		len = path_dir_len(path, len);
		top = len == 0;
		const char *dir = top ? "." : path;
		size_t n = top ? 1 : len;
		(void)pathmap_add(&c->below, dir, n, at);
		if (!engine && is_engine_dir(c, dir, n)) {
			(void)pathmap_add(&c->engine, dir, n, at);
			engine = true;
		}
		if (!project && pathmap_get(&c->is_project, dir, n, &ignored)) {
			(void)pathmap_add(&c->project, dir, n, at);
			project = true;
		}
	}
}

/* Past "./" and "../" of a glob; the directory it starts from, or NULL when it leaves the repository. The caller frees. */
static char *glob_base(const char *dir, const char **glob)
{
	char *base = xstrdup(dir);
	for (;;) {
		if (text_starts(*glob, "./")) {
			*glob += 2;
		} else if (text_starts(*glob, "../")) {
			*glob += 3;
			char *up = path_resolve(base, "..");
			free(base);
			base = up;
			if (base == NULL)
				return NULL;
		} else {
			return base;
		}
	}
}

static bool glob_hits(const char *base, const char *glob, const char *path)
{
	if (!path_is_below(path, base))
		return false;
	return glob_match(glob, strcmp(base, ".") == 0 ? path : path + strlen(base) + (path[strlen(base)] == '/'), 0);
}

/* Where the glob's matches must lie. The caller frees. */
static char *glob_prefix(const char *base, const char *glob)
{
	size_t plain = strcspn(glob, "*?[\\");
	if (glob[plain] != '\0')
		plain = path_dir_len(glob, plain);
	CLEANUP_FREE char *head = xstrndup(glob, plain);
	return path_resolve(base, head);
}

/* One glob of one project, answered from memory when another project asked the same. */
static uint32_t glob_first(struct changes *c, const char *dir, const char *glob)
{
	CLEANUP_FREE char *base = glob_base(dir, &glob);
	CLEANUP_FREE char *prefix = base != NULL ? glob_prefix(base, glob) : NULL;
	uint32_t at = 0, first = NONE;
	if (prefix == NULL || !first_of(&c->below, prefix, &at))
		return NONE;
	CLEANUP_FREE char *key = xasprintf("%s\n%s", base, glob);
	if (first_of(&c->globs, key, &first))
		return first;
	first = NONE;
	for (size_t i = at; i < c->paths->n && first == NONE; i++)
		if (glob_hits(base, glob, c->paths->v[i]))
			first = (uint32_t)i;
	strlist_take(&c->glob_keys, TAKE(key));
	const char *kept = c->glob_keys.v[c->glob_keys.n - 1];
	(void)pathmap_add(&c->globs, kept, strlen(kept), first); /* it was not there */
	return first;
}

/* The last glob that matches a path decides about it: only lists with a "!" need every path looked at. */
static bool list_hits(const struct strlist *globs, const char *dir, const char *path)
{
	bool hit = false;
	for (size_t i = 0; i < globs->n; i++) {
		const char *glob = globs->v[i];
		bool excludes = *glob == '!';
		glob += excludes;
		CLEANUP_FREE char *base = glob_base(dir, &glob);
		if (base != NULL && glob_hits(base, glob, path))
			hit = !excludes;
	}
	return hit;
}

static uint32_t globs_first(struct changes *c, const char *dir, const struct strlist *globs)
{
	uint32_t first = NONE;
	bool excludes = false;
	for (size_t i = 0; i < globs->n; i++) {
		uint32_t at = *globs->v[i] == '!' ? NONE : glob_first(c, dir, globs->v[i]);
		excludes |= *globs->v[i] == '!';
		first = at < first ? at : first;
	}
	if (!excludes || first == NONE)
		return first;
	for (size_t i = first; i < c->paths->n; i++)
		if (list_hits(globs, dir, c->paths->v[i]))
			return (uint32_t)i;
	return NONE;
}

/* Local modules are followed level by level; a directory is taken once, so rings end. */
int modules_closure(const struct index *index, const char *dir, struct strlist *ret, struct err *err)
{
	size_t from = ret->n;
	strlist_add(ret, dir);
	for (unsigned depth = 0; from < ret->n; depth++) {
		if (ret->n > LIMIT_DIR_REFERENCES)
			return err_set(err, ERR_LIMIT, "%s: uses more than %u local modules", dir, LIMIT_DIR_REFERENCES);
		if (depth > LIMIT_MODULE_DEPTH)
			return err_set(err, ERR_LIMIT, "%s: local modules call each other more than %u levels deep", dir,
				       LIMIT_MODULE_DEPTH);
		size_t level_end = ret->n;
		for (; from < level_end; from++) {
			const struct index_dir *d = index_find(index, ret->v[from], strlen(ret->v[from]));
			for (const char *s = d != NULL && d->live ? d->modules : ""; *s != '\0'; s = index_next(s))
				if (!strlist_has(ret, s))
					strlist_add(ret, s);
		}
	}
	return 0;
}

static char *by_modules(struct changes *c, const char *dir, const struct strlist *used)
{
	uint32_t at = 0;
	for (size_t i = 0; i < used->n; i++) {
		const char *module = used->v[i];
		const struct index_dir *d = index_find(c->index, module, strlen(module));
		if (i > 0 && first_of(d != NULL ? &c->engine : &c->below, module, &at))
			return xasprintf("%s changed (module %s)", c->paths->v[at], module);
		for (const char *s = d != NULL && d->live ? d->paths : ""; *s != '\0'; s = index_next(s))
			if (first_of(&c->below, s, &at))
				return xasprintf("%s changed (read by %s)", c->paths->v[at], i == 0 ? dir : module);
	}
	return NULL;
}

static char *reason_for(struct changes *c, const struct project *p)
{
	uint32_t at = NONE;
	if (p->rule->when_modified.n > 0)
		at = globs_first(c, p->dir, &p->rule->when_modified);
	else
		(void)first_of(&c->project, p->dir, &at); /* stays NONE */
	if (at != NONE)
		return xasprintf("%s changed", c->paths->v[at]);
	struct strlist used = {0};
	char *reason = modules_closure(c->index, p->dir, &used, NULL) == 0 ? by_modules(c, p->dir, &used)
									   : xstrdup("its local modules call each other without end");
	strlist_free(&used);
	return reason;
}

void projects_touch(struct project_set *set, const struct index *index, const struct strlist *changed)
{
	struct changes c = {.paths = changed, .index = index};
	for (size_t i = 0; i < set->n; i++)
		(void)pathmap_add(&c.is_project, set->v[i].dir, strlen(set->v[i].dir), 0); /* several workspaces share one */
	for (size_t i = 0; i < changed->n; i++)
		place(&c, (uint32_t)i);
	for (size_t i = 0; i < set->n; i++)
		set->v[i].reason = reason_for(&c, &set->v[i]);
	pathmap_free(&c.below);
	pathmap_free(&c.engine);
	pathmap_free(&c.project);
	pathmap_free(&c.is_project);
	pathmap_free(&c.globs);
	strlist_free(&c.glob_keys);
}
