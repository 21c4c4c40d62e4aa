/* git: the door to libgit2. Bare mirrors, read as objects only: no work tree, no hooks, no filters, no submodules, no index.
 *
 * Runs in child processes only (blocking). Object ids are 40 hex characters. Owner validation is off by intent: mirrors are ours. */
#ifndef BASE_GIT_H
#define BASE_GIT_H

#include "base/buf.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum { GIT_OID_HEX = 40 };

struct git_repo;

/* Opens or creates a bare mirror. */
int git_mirror_open(const char *path, struct git_repo **ret, struct err *err) MUST_CHECK;
/* The same mirror once more, for another thread: libgit2 reads one object at a time of a store. */
int git_mirror_again(const struct git_repo *r, struct git_repo **ret, struct err *err) MUST_CHECK;
void git_repo_close(struct git_repo *r);
void git_repo_close_ptr(struct git_repo **r);

struct git_fetch {
	const char *url;
	const char *user, *password; /* NULL: none; HTTP basic */
	const char *const *refspecs;
	size_t refspecs_n;
	int64_t timeout_ms;
};
/* ERR_UNAVAILABLE: try again. ERR_TIMEOUT. ERR_REFUSED: our credentials, or an address that is not https, http or file. A refspec whose
 * source is gone removes the local ref. Uses SIGALRM of the process. */
int git_mirror_fetch(struct git_repo *r, const struct git_fetch *f, uint64_t *ret_bytes, struct err *err) MUST_CHECK;

bool git_has_commit(struct git_repo *r, const char *oid);
int git_resolve(struct git_repo *r, const char *rev, char ret_oid[GIT_OID_HEX + 1], struct err *err)
	MUST_CHECK; /* a full ref name or an id, to a commit; ERR_IO: the ref is there and its commit is not */
int git_merge_base_of(struct git_repo *r, const char *a, const char *b, char ret[GIT_OID_HEX + 1], struct err *err)
	MUST_CHECK; /* ERR_NOT_FOUND: none */
int git_tree_of(struct git_repo *r, const char *commit, char ret_tree[GIT_OID_HEX + 1], struct err *err) MUST_CHECK;
bool git_is_ancestor(struct git_repo *r, const char *ancestor, const char *commit);

enum git_entry_type { GIT_FILE, GIT_EXEC, GIT_SYMLINK, GIT_DIR, GIT_SUBMODULE };

/* One level of a tree. Return non-zero from fn to stop with that code. */
typedef int (*git_entry_cb)(const char *name, enum git_entry_type type, const char *oid, void *arg, struct err *err);
int git_tree_each(struct git_repo *r, const char *tree, git_entry_cb fn, void *arg, struct err *err) MUST_CHECK;
/* The object at a path below a tree: its type and id. ERR_NOT_FOUND. "" is the tree itself. */
int git_tree_path(struct git_repo *r, const char *tree, const char *path, enum git_entry_type *ret_type, char ret_oid[GIT_OID_HEX + 1],
		  struct err *err) MUST_CHECK;
/* Of a file, from its header alone. */
int git_blob_size(struct git_repo *r, const char *oid, uint64_t *ret, struct err *err) MUST_CHECK;
/* A file whose size is known to be bearable, given to fn in one piece that is gone when it returns. */
typedef int (*git_blob_cb)(const char *bytes, size_t len, void *arg, struct err *err);
int git_blob_use(struct git_repo *r, const char *oid, git_blob_cb fn, void *arg, struct err *err) MUST_CHECK;
int git_blob_read(struct git_repo *r, const char *oid, size_t max, struct buf *ret, struct err *err) MUST_CHECK;

/* Changed paths between two trees (either may be NULL = empty), submodules included; old_path and new_path are equal for a change in place,
 * both given and different for a rename (same content elsewhere, when find_renames); NULL where the side does not exist. Cost grows with
 * the difference, not with the trees. */
typedef int (*git_change_cb)(const char *old_path, const char *new_path, void *arg, struct err *err);
int git_tree_diff(struct git_repo *r, const char *old_tree, const char *new_tree, bool find_renames, git_change_cb fn, void *arg,
		  struct err *err) MUST_CHECK;

#endif
