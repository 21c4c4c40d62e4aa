/* The plain pages beside the webhook: /runs/ID with the logs of a run, opened only by the token in the comment's link; /healthz, /readyz,
 * /metrics. Until the console brings sign-in. Beside step 9; in the daemon, on the loop; reads rows on the writer thread. */
#ifndef WEBHOOKS_PAGES_H
#define WEBHOOKS_PAGES_H

#include "base/db.h"
#include "base/http_server.h"
#include "github/outbox.h"
#include "plan/runs.h"
#include "webhooks/intake.h"
#include "webhooks/reconcile.h"

struct pages;

struct pages_options {
	struct db *db;
	struct runs *runs;
	struct intake *intake;
	struct outbox *outbox;
	const char *data_dir;
	const struct reconcile_counts *reconcile; /* NULL: not told */
};

struct pages *pages_new(const struct pages_options *o);
void pages_free(struct pages *p);
int pages_on_head(const struct http_exchange *x, size_t *ret_max_body, struct pages *p);
void pages_on_request(struct http_exchange *x, struct pages *p);

#endif
