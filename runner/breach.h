/* Step 7. The ceilings of a job, and how a breach is told. One word per ceiling for records and metrics, one sentence for people. */
#ifndef RUNNER_BREACH_H
#define RUNNER_BREACH_H

#include "base/buf.h"
#include "runner/spec.h"

enum breach {
	BREACH_NONE,
	BREACH_MEMORY,
	BREACH_CPU,
	BREACH_PROCESSES,
	BREACH_FILES,
	BREACH_WORKSPACE,
	BREACH_OUTPUT,
	BREACH_TIME,
	BREACH_SILENCE,
	BREACHES
};

const char *breach_name(enum breach b); /* "memory"; "" of none */
/* "exceeded 1 GiB of memory (`limits.memory`)". */
void breach_sentence(enum breach b, const struct job_spec *spec, struct buf *out);

#endif
