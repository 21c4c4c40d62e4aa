/* May one more job start, as far as memory goes? Step 5. Pure.
 *
 * What jobs may take together is bounded by their number (job_box_at_once): limits.memory_total, or three quarters of the machine. Most take far
 * less than they may, so that a machine which is ours alone never stands idle for it. Others may be on it, too: a job waits while less is left
 * than a part of its ceiling. One job may run in any case: waiting for others to leave is no way on. */
#ifndef PLAN_ADMISSION_H
#define PLAN_ADMISSION_H

#include "runner/watch.h"

/* Half: a plan with the provider of a large cloud takes 350 MiB at its most, and limits.memory is 1 GiB when nobody says otherwise. */
enum { ADMISSION_PART = 2 };

struct admission {
	int64_t running;   /* jobs at work, those that start now among them */
	int64_t starting;  /* these: they have taken nothing yet */
	int64_t job_bytes; /* limits.memory; 0: none */
	struct watch_machine machine;
};

/* NULL: it may start. Else why not, for the log; the caller frees. It is worth asking again when a job has ended. */
char *admission_refusal(const struct admission *a);

#endif
