/* Step 7. How well this host holds a job in. Found by running a job: the canary (runner/tier.c) looks from inside the box at what a stranger's
 * code would see, once when the daemon starts and whenever `sluice doctor` is asked. Not to be confused with the trust tiers of a pull request.
 *
 *   full      own namespaces, mounts and network, Landlock, seccomp, and a control group that holds memory, processes and CPU time together
 *   bounded   the same without a control group: memory is watched from outside every WATCH_MS and each process has limits of its own
 *   reduced   the box stands, but one of its walls is weaker than sluice wants (an old kernel without Landlock, nested user namespaces)
 *   none      no box: nothing is run at all, whatever the configuration says */
#ifndef RUNNER_TIER_H
#define RUNNER_TIER_H

#include "base/buf.h"
#include "base/mem.h"

#include <stdbool.h>

enum tier { TIER_NONE, TIER_REDUCED, TIER_BOUNDED, TIER_FULL, TIERS };
const char *tier_name(enum tier t);

/* One thing that the canary looked at. */
struct tier_finding {
	char *name; /* "descriptors", "seccomp", ... */
	bool ok;
	enum tier at_most; /* what is left when it is not ok */
	char *seen;        /* what was seen, for people */
	char *fix;         /* what the operator can do about it; NULL when ok */
};

struct tier_report {
	enum tier tier;
	struct tier_finding *v;
	size_t n;
	char *why; /* one sentence: what keeps it from being full; NULL when it is */
};

/* Runs the canary on this host; takes about 20 ms. Never fails: what could not be looked at is not ok. job_init NULL: beside this program. */
void tier_probe(const char *job_init, struct tier_report *ret);
void tier_report_free(struct tier_report *r);
/* The judge alone: the lines of the battery (runner/job_battery.h) and those that tier_probe adds about the outside. Pure. */
void tier_judge(const char *text, struct tier_report *ret);
int tier_report_write(const struct tier_report *r, struct buf *out) MUST_CHECK; /* JSON */
int tier_report_read(const char *bytes, size_t len, struct tier_report *ret, struct err *err) MUST_CHECK;

#endif
