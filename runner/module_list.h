/* Step 7. The list of installed modules that an engine keeps, modules/modules.json: read from the box that fetched them, checked, and written anew for
 * the boxes of jobs, which see the fetched files read-only at BOX_MODULES and get this list as a file they may write.
 *
 * A directory is either one of the fetched ones or a plain path inside the commit's tree; nothing else is written. A list that stands in a
 * repository never counts. Bytes from outside; pure. */
#ifndef RUNNER_MODULE_LIST_H
#define RUNNER_MODULE_LIST_H

#include "base/buf.h"

#include <stdbool.h>

#define BOX_MODULES "/modules"

/* fetched_at: where the box had the fetched modules ("/tmp/tfdata/modules"). dir: the project's directory below the tree. Appends the new list to out,
 * sorted by key, so that the same modules give the same bytes. ret_n: how many of them were fetched. has: is there such a directory among the
 * fetched ones? ERR_PARSE, ERR_LIMIT, ERR_REFUSED with the module's name. */
int module_list_rewrite(const char *json, size_t len, const char *fetched_at, const char *dir, bool (*has)(const char *path, void *arg), void *arg,
			struct buf *out, size_t *ret_n, struct err *err) MUST_CHECK;

#endif
