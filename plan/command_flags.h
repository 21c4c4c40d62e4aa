/* What stands behind `plan --`: flags of the engine, by a closed grammar. Step 4. Pure; fuzzed with plan/command.c.
 *
 *   -target=ADDRESS  -replace=ADDRESS  -refresh=false  -refresh-only  -parallelism=1 to 10
 *
 * Two hyphens and a value in the next word are understood as well. Everything else is refused: what sets variables, files, state, directories or
 * plug-ins would make a plan from something that nobody reviewed (-var, -var-file, -state, -chdir, -plugin-dir, -out, -generate-config-out ...), and
 * -destroy is another question. Whoever may plan may use them, since they only make a plan smaller or quicker, and what is applied is what the
 * comment shows. */
#ifndef PLAN_COMMAND_FLAGS_H
#define PLAN_COMMAND_FLAGS_H

#include "base/mem.h"

#include <stdbool.h>

/* The words from `from` on, each as the engine takes it, into ret. NULL, or the sentence about the first that is refused, which the caller frees. */
char *command_flags_read(const struct strlist *words, size_t from, struct strlist *ret);
/* Does a plan with these flags, one a line (NULL: none), look at the whole project? */
bool command_flags_are_whole(const char *args);

#endif
