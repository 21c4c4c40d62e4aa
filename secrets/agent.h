/* Step 7. The key agent: a process of its own, forked by the daemon before it opens a socket, that alone holds the master key of the encrypted
 * store (data_dir/master.key, made on first start). Not dumpable, no network, no parser of outside bytes: one socketpair, a typed request
 * table of fixed-size records.
 *
 * Envelope keys: each job gets a data key; the daemon keeps it only while handing it over, and stores it wrapped. */
#ifndef SECRETS_AGENT_H
#define SECRETS_AGENT_H

#include "base/mem.h"

#include <stdint.h>

enum { AGENT_KEY_SIZE = 32, AGENT_WRAPPED_SIZE = 32 + 28 };

struct agent;

/* Forks. Call before threads and sockets exist. */
int agent_start(const char *data_dir, struct agent **ret, struct err *err) MUST_CHECK;
void agent_stop(struct agent *a);
/* A new data key for context (for instance "job 12"); both forms. Round trip about 50 us; waits at most 2 s. */
int agent_new_key(struct agent *a, const char *context, uint8_t ret_key[AGENT_KEY_SIZE], uint8_t ret_wrapped[AGENT_WRAPPED_SIZE], struct err *err) MUST_CHECK;
/* ERR_REFUSED when wrapped under another master key or context. */
int agent_unwrap(struct agent *a, const char *context, const uint8_t wrapped[AGENT_WRAPPED_SIZE], uint8_t ret_key[AGENT_KEY_SIZE], struct err *err) MUST_CHECK;

#endif
