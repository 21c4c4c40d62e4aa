/* Deliveries as received: step 3 of the flow keeps them, step 4 decides what each one asks for and writes that down. On the writer thread.
 *
 * A row is undecided while its disposition is null; deciding drops the body, which is needed no more. The delivery id (guid) stays until
 * the row is pruned, so that the same delivery sent again is recognised. */
#ifndef WEBHOOKS_DELIVERY_STORE_H
#define WEBHOOKS_DELIVERY_STORE_H

#include "base/db.h"

extern const char DELIVERY_SCHEMA[];   /* part of migration 1 */
extern const char DELIVERY_SCHEMA_2[]; /* part of migration 2 */

struct delivery {
	int64_t id; /* grows in the order of arrival */
	char *guid, *event;
	int64_t received_ms;
	char *body; /* NUL-terminated */
	size_t body_len;
};

void delivery_free(struct delivery *d); /* what it points to, not d */

/* ret_new: false when this guid is known already, and then nothing was stored. */
int delivery_insert(struct db_conn *c, const char *guid, const char *event, int64_t received_ms, const void *body, size_t len, bool *ret_new,
		    struct err *err) MUST_CHECK;
/* The oldest undecided ones with an id above `after`, at most `max` into ret; the caller frees each. */
int delivery_next(struct db_conn *c, int64_t after, size_t max, struct delivery *ret, size_t *ret_n, struct err *err) MUST_CHECK;
/* Writes down what became of it ("run 12", "ignored: a bot", ...) and drops the body. ERR_NOT_FOUND when it is decided or unknown. */
int delivery_decide(struct db_conn *c, int64_t id, const char *disposition, struct err *err) MUST_CHECK;
/* Removes decided ones received before that time, at most DELIVERY_PRUNE_MAX a call so that the writer stays free for intake. */
enum { DELIVERY_PRUNE_MAX = 1000 };
int delivery_prune(struct db_conn *c, int64_t before_ms, int *ret_removed, struct err *err) MUST_CHECK;

#endif
