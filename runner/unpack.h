/* Step 7. A tar stream written below a directory while every file is hashed. Only creates: a name that is there already is refused. Files become
 * 0444, or 0555 where the archive says executable, directories 0755; owner and times are ours. No name is ever looked up through a link. */
#ifndef RUNNER_UNPACK_H
#define RUNNER_UNPACK_H

#include "runner/dirhash.h"
#include "runner/untar.h"

struct unpack;

/* dir_fd: an empty directory of ours; borrowed. always_executable: files whose name begins so are, whatever the archive says (NULL: none): zip
 * archives made on other systems have no modes. */
struct unpack *unpack_begin(int dir_fd, const struct untar_limits *limits, const char *always_executable);
/* After an error everything that is fed is ignored, and unpack_end tells it. */
void unpack_feed(struct unpack *u, const char *bytes, size_t len);
/* Is it whole? Frees. ret: one entry per file, and per link one whose digest is that of "link TARGET"; free it with dirhash_free. */
int unpack_end(struct unpack *u, struct dirhash *ret, struct err *err) MUST_CHECK;
void unpack_drop(struct unpack *u); /* NULL is fine */

#endif
