/* The index: every directory of a tree that holds engine files, and what those files say about their surroundings. Step 4.
 *
 * Kept in one file beside the mirror and brought from tree to tree by a tree diff, so that finding the projects of a repository of a
 * hundred thousand files costs what the change costs. A missing, damaged or older file is an empty index: the next advance walks everything.
 * Strings live as long as the index. Only a child process uses it, under the mirror's lock. */
#ifndef PLAN_INDEX_H
#define PLAN_INDEX_H

#include "base/git.h"
#include "plan/hcl.h"
#include "plan/pathmap.h"
#include "runner/engine.h"

struct index_dir {
	const char *dir;
	const char *backend;   /* NULL: none named */
	const char *modules;   /* packed list of repository paths of local modules: each NUL-terminated, an empty one ends it */
	const char *paths;     /* packed list of repository paths outside dir that its files name */
	enum engine_kind hint; /* ENGINE_OPENTOFU (*.tofu), ENGINE_PULUMI (Pulumi.yaml), ENGINE_NONE */
	bool needs_init;
	bool has_links;          /* engine files that are symbolic links: looked at again when a target changes */
	bool live;               /* it holds engine files now */
	bool was_live;           /* and at the last index_mark() */
	const char *was_modules; /* modules at the last mark */
};
/* for (const char *s = d->modules; *s != '\0'; s = index_next(s)) */
static inline const char *index_next(const char *s) { return s + strlen(s) + 1; }

struct index_chunk;
struct index {
	char tree[GIT_OID_HEX + 1]; /* what it describes; "" while empty */
	struct index_dir *dirs;
	size_t n, cap;
	struct pathmap by_dir; /* dir -> position in dirs */
	struct index_chunk *chunks;
};

void index_load(struct index *x, const char *file); /* x zeroed; never fails: see above */
int index_store(const struct index *x, const char *file, struct err *err) MUST_CHECK;
/* Describes tree afterwards. On failure the index is empty. */
int index_advance(struct index *x, struct git_repo *repo, const char *tree, struct err *err) MUST_CHECK;
/* Remembers the present state as the one that was_live and was_modules speak of. */
void index_mark(struct index *x);
const struct index_dir *index_find(const struct index *x, const char *dir, size_t len); /* live or not; NULL */
void index_free(struct index *x);

/* Puts one directory; facts as the scanner gave them (relative to dir). For index_advance and tests. */
void index_put(struct index *x, const char *dir, enum engine_kind hint, bool has_links, const struct hcl_facts *facts);
bool index_is_engine_file(const char *name);

#endif
