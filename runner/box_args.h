/* Step 7. The arguments of bubblewrap for one job. Private to box*.c. */
#ifndef RUNNER_BOX_ARGS_H
#define RUNNER_BOX_ARGS_H

#include "base/buf.h"
#include "runner/box.h"

/* Descriptors of the child that becomes bubblewrap; the first two are left to job-init, the others bubblewrap reads and closes. */
enum { BOX_FD_CONTROL = 3, BOX_FD_RESULT = 4, BOX_FD_ARGS = 5, BOX_FD_RC = 6, BOX_FD_STATE = 7, BOX_FD_PLAN = 8, BOX_FD_END = 9 };

/* Files of the project that bubblewrap copies: their descriptors keep their numbers in the child. */
struct box_copies {
	int *fd;
	size_t n;
	int64_t bytes;
};
void box_copies_close(struct box_copies *c);

/* Fills args (each becomes one NUL-terminated string of --args) and copies, also on failure. */
int box_args(const struct box_order *o, struct strlist *args, struct box_copies *copies, struct err *err) MUST_CHECK;
/* The engine's command line configuration: providers from the mirror, from nowhere else. */
void box_engine_rc(const struct job_spec *spec, struct buf *out);

#endif
