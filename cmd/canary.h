/* How well does this host hold a job in? `sluice canary` runs one job that looks (runner/tier.h) and prints what it found as JSON; the daemon starts
 * it as a child, so that its loop never waits, and takes no job up before it has answered. */
#ifndef CMD_CANARY_H
#define CMD_CANARY_H

#include "base/loop.h"
#include "runner/tier.h"

/* What the child answered; takes what the report owns. A child that fails, is late or talks nonsense is a host without a sandbox. */
typedef void (*canary_cb)(struct tier_report *host, void *arg);
struct canary;
struct canary *canary_start(struct loop *l, const char *program, canary_cb cb, void *arg);
void canary_close(struct canary *c); /* no callback any more; NULL: nothing to do. It is gone by itself after the callback */
/* One line for each thing that is not as it should be. */
void canary_log(const struct tier_report *host);

#endif
