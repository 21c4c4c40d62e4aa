/* Steps 1 to 3 of the flow: bytes arrive, they are GitHub's, they are kept. In the daemon, on the loop's thread; the insert alone runs on
 * the writer's.
 *
 * In this order, since each step costs more and trusts more: method, content type and headers before the body is read; the signature over
 * the raw bytes; the JSON syntax and its ceilings; the event; the store. What is answered:
 *   202 stored and on disk · 200 known already, ignored event, or ping · 400 broken headers or JSON · 401 no or wrong signature
 *   405 not POST · 413 too large · 415 not JSON · 503 the database is behind or failing: send again
 *
 * One instance serves one route; the server's table calls intake_on_head and intake_on_request with it as arg. Close the HTTP server and
 * the database before intake_free. */
#ifndef WEBHOOKS_INTAKE_H
#define WEBHOOKS_INTAKE_H

#include "base/db.h"
#include "base/http_server.h"
#include "secrets/secret.h"

struct intake;

struct intake_options {
	struct loop *l;
	struct db *db;
	const struct secret *secrets; /* one, or two while rotating; the caller's, must outlive the intake */
	size_t secrets_n;
	void (*on_stored)(void *arg); /* new deliveries are on disk; once for many */
	void *arg;
};

struct intake *intake_new(const struct intake_options *o);
void intake_free(struct intake *in);

int intake_on_head(const struct http_exchange *x, size_t *ret_max_body, void *intake);
void intake_on_request(struct http_exchange *x, void *intake);

struct intake_counts {
	uint64_t stored, repeated, ignored, pings, refused, failed;
};
const struct intake_counts *intake_counts(const struct intake *in);
/* Is it one of the events that are stored, or is it acknowledged and forgotten? */
bool intake_keeps(const char *event);

#endif
