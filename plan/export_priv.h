/* Between the files of the exporter: first everything is listed and judged (export_walk.c), then it is written (export_write.c), so that what
 * is refused costs no file. Private to plan/export*.c. */
#ifndef PLAN_EXPORT_PRIV_H
#define PLAN_EXPORT_PRIV_H

#include "plan/export.h"

/* What is to be written: directories from above to below, and what is directly in each. */
struct export_list {
	struct export_dir {
		char *path;         /* in the repository; "." is the root */
		size_t name_at;     /* of its last part in path */
		unsigned depth;     /* below the first directory of the list */
		size_t first, last; /* of its entries, EXPORT_NONE: none */
	} * dirs;
	size_t dirs_n, dirs_cap;
	struct export_entry {
		char *name;
		char *target; /* of a symbolic link; NULL: a file */
		char oid[GIT_OID_HEX + 1];
		bool executable;
		size_t dir, next; /* next in the same directory */
	} * entries;
	size_t entries_n, entries_cap;
};

#define EXPORT_NONE SIZE_MAX

void export_list_free(struct export_list *l);
/* The caller frees. */
char *export_path(const struct export_list *l, const struct export_entry *x);

/* What a project has used up of its ceilings. */
struct export_spent {
	size_t entries;
	uint64_t bytes;
};

struct export_walk {
	struct git_repo *repo;
	const struct index *index;
	struct export_spent *spent;
	struct strlist *links; /* targets of symbolic links, as paths in the repository */
	struct export_list *list;
};
/* Lists one input: a directory with all below it, or one file or link with the directory that holds it. ERR_REFUSED and ERR_LIMIT are
 * sentences for people. */
int export_walk(const struct export_walk *w, const struct input *in, struct err *err) MUST_CHECK;
/* Why a name must not come from a repository into a project; NULL when it may. */
const char *export_refused_name(const char *name);

/* Writes a list below root, where a part of it may stand already. The first error in the order of the list is told. */
int export_write(struct git_repo *repo, int root, const struct export_list *l, struct err *err) MUST_CHECK;

#endif
