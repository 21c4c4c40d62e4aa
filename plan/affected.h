/* Which projects there are, and which of them a change touches. Step 4; pure: an index, a configuration and changed paths in, a list out.
 *
 * A project is touched by a changed path that lies in its directory (not in another project's directory below it, *.md left out; where
 * when_modified is said, its globs decide instead), in a local module it uses, however indirectly, or in a path outside that its files
 * or its modules' files name. Work grows with projects plus changed paths, never with their product, but for globs that climb (`../`). */
#ifndef PLAN_AFFECTED_H
#define PLAN_AFFECTED_H

#include "plan/config.h"
#include "plan/index.h"

struct project {
	char *name, *dir;
	const char *workspace;           /* borrowed from the rule */
	const struct project_rule *rule; /* of the repo_config, which must outlive this */
	const struct index_dir *at;      /* of the index; NULL: no engine files in it now */
	bool deleted;                    /* its directory was there at the last index_mark() and is gone */
	char *reason;                    /* NULL: untouched */
};

struct project_set {
	struct project *v; /* in name order */
	size_t n, cap;
};
void project_set_free(struct project_set *s);

enum dir_state { DIR_MISSING, DIR_THERE, DIR_LINK /* it, or a directory above it, is a symbolic link */ };
/* Asked for exact directories that the index does not know: at head, or at base. */
typedef enum dir_state (*dir_state_cb)(const char *dir, bool at_base, void *arg);

/* Applies the rules, or discovery. ERR_PARSE when errors were added (two projects of one name, a directory that does not exist, a
 * dependency without a project, a ring of dependencies), ERR_LIMIT above LIMIT_PROJECTS. */
int projects_find(const struct index *index, const struct repo_config *config, const char *file, dir_state_cb look, void *arg,
		  struct project_set *ret, struct config_errors *errors, struct err *err) MUST_CHECK;

/* Sets reason on the touched ones. changed: sorted. */
void projects_touch(struct project_set *set, const struct index *index, const struct strlist *changed);

/* Every directory whose local modules dir uses, itself first, each once; the caller frees the list. ERR_LIMIT: deeper than
 * LIMIT_MODULE_DEPTH. dir need not be in the index. */
int modules_closure(const struct index *index, const char *dir, struct strlist *ret, struct err *err) MUST_CHECK;

#endif
