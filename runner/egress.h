/* Step 7. The network of a job: a CONNECT proxy in a process of its own, started by the job runner before it holds any key.
 *
 * The box has a network namespace with nothing in it but loopback. sluice-job-init, before anything foreign runs, opens 127.0.0.1:3128 there,
 * hands the listening socket out over a UNIX socket and forgets it: the kernel is the relay, and there is no socket inside that a program could
 * find. What connects inside is accepted outside, in the proxy.
 *
 * A rule is HOST:PORT. HOST is a DNS name; `*` stands for exactly one label. Letters of either case are the same. A rule may pin:
 *   HOST:PORT=CIDR            the addresses of HOST have to be in it: the only way to a non-public address by name
 *   HOST:PORT=ADDRESS:PORT    no look-up: this is where the connection goes (IPv6 in brackets)
 * Without a pin, addresses that are not public (RFC 6890 and its updates: private, loopback, link-local, carrier, mapped, translated ...) are
 * refused after the look-up, and the connection goes to the address that was looked at. The first TLS record has to be a ClientHello whose
 * server name is HOST and that does not ask for an encrypted one. Everything is counted, and each connection leaves one JSON line. */
#ifndef RUNNER_EGRESS_H
#define RUNNER_EGRESS_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define EGRESS_ADDRESS "127.0.0.1"
#define EGRESS_URL "http://127.0.0.1:3128"
enum { EGRESS_PORT = 3128 };

/* Does a rule parse? The sentence names what is wrong with it. Pure; for configuration files. */
int egress_rule_check(const char *rule, struct err *err) MUST_CHECK;

/* Does `wanted` ask for nothing that `allowed` does not give? Equal rules, or a name without pin that the allowed name covers. Pure. */
bool egress_rule_covers(const char *allowed, const char *wanted);
/* The rule that holds then: the wanted name with the pin of the allowed one. NULL: not covered. The caller frees. */
char *egress_rule_narrow(const char *allowed, const char *wanted);

struct egress_order {
	const char *rules;   /* one a line */
	const char *key;     /* what the rules are called in the server's file, for sentences: "egress.plan"; NULL: "egress" */
	int channel;         /* UNIX socket over which the listening socket comes, with 1 to 16 bytes; like the next, the caller closes its copy */
	int log_fd;          /* one JSON line per connection goes here: a file, as a full pipe would hold the proxy up */
	const char *deny;    /* addresses ADDRESS:PORT that no rule opens, one a line: our own listeners; NULL: none */
	int64_t bytes_max;   /* of one job, both directions together; 0: EGRESS_BYTES_MAX of base/limits.h */
};

struct egress;
struct egress_totals {
	int64_t connections, refused;
	int64_t bytes_out, bytes_in; /* as seen from the job */
	int64_t unlogged;            /* connections whose line did not fit the log's ceiling any more */
	bool broke;                  /* the proxy ended before it was told to, or did not listen: the rest may be short */
	char refusals[2048];         /* what was refused and why, one sentence a line, each once; cut. ASCII */
};

/* Forks the proxy. It ends with the thread that called this, or when told to. */
int egress_start(const struct egress_order *o, struct egress **ret, struct err *err) MUST_CHECK;
/* Ends it, reaps it, and reads what it counted. */
void egress_end(struct egress *e, struct egress_totals *ret);

#endif
