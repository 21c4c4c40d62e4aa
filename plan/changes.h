/* The normalised change set of a plan as one digest: equal digests, equal changes. Step 8. Pure; in the job's process, where the plan JSON is.
 *
 * What counts, of every resource that changes and every output that does: address, deposed key, actions, provider, replaced paths, import,
 * where it was moved from, reason, every value before and after, what is unknown until apply and what is sensitive; actions that are invoked,
 * and what is deferred. What does not: order, objects without a change, drift that leads to none, the time of planning (a text that holds it
 * counts as one that holds the word), the engine's version, and `false` or `{}` where an engine says that nothing is marked. */
#ifndef PLAN_CHANGES_H
#define PLAN_CHANGES_H

#include "base/err.h"

#include <stddef.h>

enum { CHANGES_HEX = 64 };

/* Lower-case hex and NUL. Errors as of plan_summary_read. */
int plan_changes_digest(const char *plan_json, size_t len, char ret[CHANGES_HEX + 1], struct err *err) MUST_CHECK;

#endif
