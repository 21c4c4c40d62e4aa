/* Step 7. A person's directory as a job would see a commit: for `sluice sandbox` and the commands on a working tree. What git export would refuse
 * or leave out is left out here: .git, the engine's own state (.terraform, terraform.tfstate ...), links that lead out, anything that is neither
 * file, directory nor link. Ceilings as for exports (base/limits.h). */
#ifndef RUNNER_TREE_COPY_H
#define RUNNER_TREE_COPY_H

#include "base/mem.h"

/* to: a new directory, made here with mode 0755. left_out: names that were not copied. */
int tree_copy(const char *from, const char *to, struct strlist *left_out, struct err *err) MUST_CHECK;

#endif
