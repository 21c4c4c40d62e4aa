/* Exporting: the inputs of projects as files, one read-only tree per commit that all its jobs share. Step 4, in the child process.
 *
 * trees_dir/COMMIT/ holds what the exported projects need and nothing else; trees_dir/COMMIT.done/INPUTS says that a project's inputs are
 * complete there; only then it is read. Files are 0444 or 0555, directories 0755; one process at a time exports for a repository
 * (trees_dir/lock). Trees of an earlier boot are made again: nothing here is fsynced.
 *
 * Refused, as the project's error and before anything is written: links that point out of the repository, submodules, names that would change
 * what the engine does, that hold state, that a file system takes for git's directory or that cannot be shown (export_refused_name), and what
 * passes a ceiling. Beside the directories of a project and its modules, such names and submodules are left out. */
#ifndef PLAN_EXPORT_H
#define PLAN_EXPORT_H

#include "plan/affected.h"

/* The inputs of one project: what is exported and what its digest is made of. */
struct inputs {
	struct input {
		char *path; /* "." is the root */
		enum git_entry_type type;
		char oid[GIT_OID_HEX + 1];
		bool is_module; /* the project's directory or a module's: refused names are looked for */
	} * v;                  /* in path order, each once */
	size_t n, cap;
	char digest[65]; /* sha256 over "path oid\n" */
};
void inputs_free(struct inputs *in);
/* The project's directory, its local modules, what their files name outside, and the plain beginnings of its globs; what does not exist at
 * tree is left out. */
int inputs_find(struct git_repo *repo, const char *tree, const struct index *index, const struct project *p, struct inputs *ret,
		struct err *err) MUST_CHECK;

struct exporter;
/* Holds the lock until it is closed. */
int exporter_open(struct git_repo *repo, const struct index *index, const char *tree, const char *trees_dir, const char *commit,
		  struct exporter **ret, struct err *err) MUST_CHECK;
/* ret_digest: that of in, and of what symbolic links found on the way point at; equal digests, equal plan. ERR_REFUSED and ERR_LIMIT are the
 * project's own (a sentence for people); anything else is ours. */
int exporter_project(struct exporter *e, const char *dir, const struct inputs *in, char ret_digest[65], struct err *err) MUST_CHECK;
/* Trees of this repository that nobody opened since before_ms (wall) go, a few at a time; a tree is as old as its last exporter_open. */
void exporter_sweep(const struct exporter *e, const char *trees_dir, int64_t before_ms);
void exporter_close(struct exporter *e);

#endif
