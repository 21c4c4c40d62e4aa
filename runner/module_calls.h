/* Step 7. Which remote modules a directory's configuration calls, itself or through local modules: what decides whether the fetch step has to run, and what
 * a fetched set belongs to. Not a parser: it looks for lines that begin a `module` block and for its `source` and `version`. Nothing is decided by it
 * but whether the engine is asked to fetch: a call too many costs a start of the engine, a call too few ends in the engine's own sentence at `init`.
 *
 * A source that is not plain text counts as a remote call, and so does a *.tf.json or *.tofu.json that says "module". Bytes from outside; files are
 * opened below the tree without following a link. */
#ifndef RUNNER_MODULE_CALLS_H
#define RUNNER_MODULE_CALLS_H

#include "base/buf.h"
#include "base/mem.h"

#include <stdbool.h>

struct module_calls {
	struct strlist all;  /* "DIR NAME SOURCE VERSION" with tabs between, sorted; of an unknown call NAME is "?" and SOURCE a digest */
	struct strlist dirs; /* the closure, below the tree */
	size_t remote;       /* how many of all are not local */
	bool floating;       /* one of them may mean something else tomorrow */
};

/* One file's bytes. dir: where it stands, below the tree. */
void module_calls_scan(const char *dir, const char *bytes, size_t len, bool is_json, struct module_calls *calls);
/* The whole closure of dir below the open tree. ERR_LIMIT. */
int module_calls_of(int tree_fd, const char *dir, struct module_calls *ret, struct err *err) MUST_CHECK;
void module_calls_free(struct module_calls *c);

/* Does a source with a version (NULL: none) say exactly what it means: a registry's version, or a git reference that is a whole commit or looks
 * like a version's tag? */
bool module_source_is_fixed(const char *source, const char *version);

#endif
