/* Step 7. The arguments of bubblewrap for one job, and the orders of the launcher before it. Private to box*.c. */
#ifndef RUNNER_BOX_ARGS_H
#define RUNNER_BOX_ARGS_H

#include "base/buf.h"
#include "runner/box.h"
#include "runner/job_launch.h"

/* Files of the project that bubblewrap copies: their descriptors keep their numbers in the child. */
struct box_copies {
	int *fd;
	size_t n;
	int64_t bytes;
};
void box_copies_close(struct box_copies *c);

/* Fills args (each becomes one NUL-terminated string of --args) and copies, also on failure. */
int box_args(const struct box_order *o, struct strlist *args, struct box_copies *copies, struct err *err) MUST_CHECK;
/* The orders of job_launch.h. uid: as which user the job runs when we are root. */
void box_launch_orders(const struct box_order *o, const char *bwrap, pid_t parent, uid_t uid, struct buf *out);
/* The engine's command line configuration: providers from the mirrors, from nowhere else; of the fetch step: from the registries. */
void box_engine_rc(const struct job_spec *spec, struct buf *out);

#endif
