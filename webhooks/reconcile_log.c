/* The App's own log of deliveries: what we never stored is fetched and stored as if it had arrived. Beside step 3; in the daemon, on the loop. */
#include "base/clock.h"
#include "base/log.h"
#include "webhooks/intake.h"
#include "webhooks/reconcile_priv.h"

/* Deliveries are looked for this much further back than the newest one that was seen: some take minutes. */
enum { OVERLAP_MS = 10 * 60 * 1000, KEPT_MS = 3 * 86400 * 1000, GUID_MAX = 64 };

void reconcile_log_drop(struct reconcile *r)
{
	for (size_t i = 0; i < r->log_n; i++) {
		free(r->log[i].guid);
		free(r->log[i].event);
	}
	free(TAKE(r->log));
	free(TAKE(r->payload));
	r->log_n = r->log_at = 0;
}

static void next_delivery(struct reconcile *r);

static int keep_delivery(struct db_conn *c, void *arg, struct err *err)
{
	struct reconcile *r = arg;
	const struct wanted *w = &r->log[r->log_at];
	bool is_new = false;
	int rc = delivery_insert(c, w->guid, w->event, clock_wall_ms(), r->payload, r->payload_len, &is_new, err);
	r->found = rc == 0 && is_new;
	return rc;
}

static void delivery_kept(int rc, const struct err *err, void *arg)
{
	struct reconcile *r = arg;
	free(TAKE(r->payload));
	if (rc != 0) {
		reconcile_db_failed(r, err);
		return;
	}
	log_info("reconcile.delivery", "delivery=%s event=%s", log_value(r->log[r->log_at].guid), log_value(r->log[r->log_at].event));
	r->counts.deliveries += r->found;
	decide_wake(r->o.decide);
	r->log_at++;
	next_delivery(r);
}

static void on_delivery(const struct gh_answer *a, void *arg)
{
	struct reconcile *r = arg;
	if (reconcile_failed("delivery", a) || a->delivery->payload == NULL) {
		if (reconcile_not_now(a)) {
			reconcile_end_round(r, false);
			return;
		}
		r->log_at++; /* one that cannot be had must not keep the others: open pull requests are looked at all the same */
		next_delivery(r);
		return;
	}
	r->payload = xstrndup(a->delivery->payload, a->delivery->payload_len);
	r->payload_len = a->delivery->payload_len;
	db_submit(r->o.db, keep_delivery, delivery_kept, r);
}

static const char SQL_SEEN[] = "INSERT INTO delivery_log(id, seen_ms) VALUES(1, ?) ON CONFLICT(id) DO UPDATE SET seen_ms=max(seen_ms, excluded.seen_ms)";
static const char SQL_SEEN_MS[] = "SELECT coalesce(max(seen_ms), 0) FROM delivery_log";
static const char SQL_KNOWN[] = "SELECT count(*) FROM delivery WHERE guid=?";

static int keep_seen(struct db_conn *c, void *arg, struct err *err)
{
	const struct reconcile *r = arg;
	return db_run(c, err, SQL_SEEN, "i", r->newest_ms);
}

static void seen_kept(int rc, const struct err *err, void *arg)
{
	struct reconcile *r = arg;
	if (rc != 0)
		reconcile_db_failed(r, err);
	else
		reconcile_repos(r);
}

static void next_delivery(struct reconcile *r)
{
	if (r->log_at == r->log_n)
		db_submit(r->o.db, keep_seen, seen_kept, r); /* only now: a round that was cut short looks at them again */
	else if (reconcile_may_call(r))
		gh_get_delivery(r->o.gh, r->log[r->log_at].id, on_delivery, r);
}

/* Those that are on our disk already go. */
static int sift_log(struct db_conn *c, void *arg, struct err *err)
{
	struct reconcile *r = arg;
	for (size_t i = 0; i < r->log_n; i++) {
		struct db_stmt *s;
		int64_t n = 0;
		int rc = db_query(c, &s, err, SQL_KNOWN, "s", r->log[i].guid);
		if (rc == 0)
			rc = db_number(s, &n, err);
		if (rc != 0)
			return rc;
		if (n != 0)
			r->log[i].id = 0;
	}
	return 0;
}

static void log_sifted(int rc, const struct err *err, void *arg)
{
	struct reconcile *r = arg;
	size_t kept = 0;
	if (rc != 0) {
		reconcile_db_failed(r, err);
		return;
	}
	for (size_t i = 0; i < r->log_n; i++) {
		if (r->log[i].id != 0) {
			r->log[kept++] = r->log[i];
			continue;
		}
		free(r->log[i].guid);
		free(r->log[i].event);
	}
	r->log_n = kept;
	next_delivery(r);
}

static bool is_listed(const struct reconcile *r, const char *guid)
{
	for (size_t i = 0; i < r->log_n; i++)
		if (strcmp(r->log[i].guid, guid) == 0)
			return true;
	return false;
}

/* GitHub lists the newest first; they are taken up in the order in which they happened. */
static void on_log(const struct gh_answer *a, void *arg)
{
	struct reconcile *r = arg;
	(void)reconcile_failed("deliveries", a); /* told: none, or not all of them; the pull requests are looked at all the same */
	if (a->deliveries == NULL) {
		reconcile_repos(r);
		return;
	}
	r->log = xcalloc(a->deliveries->n != 0 ? a->deliveries->n : 1, sizeof(*r->log));
	for (size_t i = a->deliveries->n; i-- > 0;) {
		const struct gh_delivery *d = &a->deliveries->v[i];
		if (d->delivered_ms > r->newest_ms)
			r->newest_ms = d->delivered_ms;
		if (d->id == 0 || d->guid == NULL || d->event == NULL || strlen(d->guid) > GUID_MAX || !intake_keeps(d->event) ||
		    is_listed(r, d->guid))
			continue;
		r->log[r->log_n++] = (struct wanted){.id = d->id, .guid = xstrdup(d->guid), .event = xstrdup(d->event)};
	}
	db_submit(r->o.db, sift_log, log_sifted, r);
}

static int read_seen(struct db_conn *c, void *arg, struct err *err)
{
	struct reconcile *r = arg;
	struct db_stmt *s;
	int rc = db_query(c, &s, err, SQL_SEEN_MS, "");
	return rc == 0 ? db_number(s, &r->seen_ms, err) : rc;
}

/* A server that starts for the first time has missed nothing: what was commented before it was there is not its to do. */
static void seen_read(int rc, const struct err *err, void *arg)
{
	struct reconcile *r = arg;
	int64_t now = clock_wall_ms(), since = r->seen_ms - OVERLAP_MS;
	if (rc != 0) {
		reconcile_db_failed(r, err);
		return;
	}
	r->newest_ms = r->seen_ms != 0 ? r->seen_ms : now;
	if (r->seen_ms == 0)
		db_submit(r->o.db, keep_seen, seen_kept, r);
	else if (reconcile_may_call(r))
		gh_list_deliveries(r->o.gh, since > now - KEPT_MS ? since : now - KEPT_MS, on_log, r);
}

void reconcile_log(struct reconcile *r) { db_submit(r->o.db, read_seen, seen_read, r); }
