/* Is a command still about what its writer saw? A push that arrives together with `apply` would otherwise be merged unread. Step 4. On the writer
 * thread. A command is bound to the commit that it names (`apply 1a2b3c4`), or else to the head at the time when its comment was written; an
 * `ok-to-plan` with less than the whole name of a commit to both. */
#ifndef PLAN_ASK_H
#define PLAN_ASK_H

#include "plan/run_store.h"

/* *ret_why: the sentence when the head is not what the comment was about, NULL when it is; the caller frees. Times are GitHub's, in whole
 * seconds: a push of the same second counts as one that came later. A run that no comment asked for is never stale. */
int ask_is_stale(struct db_conn *c, const struct run_row *run, const char *head, char **ret_why, struct err *err) MUST_CHECK;

#endif
