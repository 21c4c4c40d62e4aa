/* Step 7. What a state says about itself. Private to runner/. */
#ifndef RUNNER_STATE_FACTS_H
#define RUNNER_STATE_FACTS_H

#include "base/buf.h"
#include "base/mem.h"

#include <stdint.h>

struct state_facts {
	int64_t serial;
	char lineage[257];
};

/* Reads version, serial and lineage of a state of format 4. ERR_PARSE also for a file the engine is still writing. */
int state_facts_read(const char *json, size_t len, struct state_facts *ret, struct err *err) MUST_CHECK;
/* Addresses of the managed resources in a state that state_facts_read took, one a line, at most max bytes (whole lines). */
void state_facts_addresses(const char *json, size_t len, size_t max, struct buf *out);

#endif
