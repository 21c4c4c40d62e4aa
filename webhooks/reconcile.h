/* What GitHub did not tell, or told while we were away: at the start and every few minutes. Beside step 3 and 4; in the daemon, on the loop.
 *
 *   as an App      the App's own log of deliveries: what we never stored is fetched and stored as if it had arrived
 *   in any case    for each repository of ours, its open pull requests: a head that was never planned is planned; pull requests of ours that
 *                  are closed by now are closed here, too, and merged ones get the look that every merge gets
 *
 * One call at a time, at most RECONCILE_CALLS in a round; what is left is where the next round begins. An answer that says "not now" ends the
 * round. Everything that is found goes the way that a webhook goes. */
#ifndef WEBHOOKS_RECONCILE_H
#define WEBHOOKS_RECONCILE_H

#include "plan/runs.h"
#include "webhooks/decide.h"

enum { RECONCILE_CALLS = 100 };

struct reconcile_options {
	struct loop *loop;
	struct db *db;
	struct gh *gh;
	struct outbox *outbox;
	struct runs *runs;
	struct decide *decide;
	const struct server_config *config; /* outlives this */
};
struct reconcile_counts {
	uint64_t rounds, calls, deliveries, plans, closed;
};

struct reconcile;
struct reconcile *reconcile_new(const struct reconcile_options *o);
const struct reconcile_counts *reconcile_counts(const struct reconcile *r);
/* Before runs_close and gh_close, while nothing waits for the database. NULL is fine. */
void reconcile_close(struct reconcile *r);

#endif
