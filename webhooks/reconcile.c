#include "webhooks/reconcile.h"

#include "base/clock.h"
#include "base/log.h"
#include "webhooks/decide_priv.h"
#include "webhooks/intake.h"

/* Deliveries are looked for this much further back than the newest one that was seen: some take minutes. */
enum { FIRST_MS = 2000, OVERLAP_MS = 10 * 60 * 1000, KEPT_MS = 3 * 86400 * 1000, HEADLESS_MS = 3600 * 1000, REPOS_MAX = 1000, GUID_MAX = 64 };

struct wanted {
	int64_t id;
	char *guid, *event;
};
struct known_repo {
	int64_t id;
	char *name;
};

struct reconcile {
	struct reconcile_options o;
	struct reconcile_counts counts;
	struct loop_timer *timer;
	bool busy;
	unsigned left; /* calls of this round */

	/* the log */
	struct wanted *log;
	size_t log_n, log_at;
	int64_t seen_ms, newest_ms;
	char *payload;
	size_t payload_len;

	/* repositories, and the open pull requests of the one at hand */
	struct known_repo *repos;
	size_t repos_n, repo_at;
	int64_t after_repo; /* where a round that was cut short stopped */
	int64_t asked_ms;   /* when its list was asked for */
	struct gh_open_pull *pulls;
	size_t pulls_n;
	int64_t *missing;   /* pull requests that we take for open and GitHub does not */
	size_t missing_n, missing_at;
	struct gh_event gone; /* one of them, as it is */
};

/* --- the round --------------------------------------------------------------------------------------------------------------------- */

static void drop_pulls(struct reconcile *r)
{
	for (size_t i = 0; i < r->pulls_n; i++) {
		free(r->pulls[i].head_sha);
		free(r->pulls[i].base_ref);
	}
	free(TAKE(r->pulls));
	free(TAKE(r->missing));
	r->pulls_n = r->missing_n = r->missing_at = 0;
}

static void drop_log(struct reconcile *r)
{
	for (size_t i = 0; i < r->log_n; i++) {
		free(r->log[i].guid);
		free(r->log[i].event);
	}
	free(TAKE(r->log));
	free(TAKE(r->payload));
	r->log_n = r->log_at = 0;
}

static void drop_repos(struct reconcile *r)
{
	for (size_t i = 0; i < r->repos_n; i++)
		free(r->repos[i].name);
	free(TAKE(r->repos));
	r->repos_n = r->repo_at = 0;
}

static void end_round(struct reconcile *r, bool whole)
{
	if (whole)
		r->after_repo = 0;
	drop_log(r);
	drop_pulls(r);
	drop_repos(r);
	r->busy = false;
	r->counts.rounds++;
	loop_timer_start(r->timer, r->o.config->reconcile_ms, 0);
}

/* False: the round is over. */
static bool may_call(struct reconcile *r)
{
	if (r->left == 0) {
		end_round(r, false);
		return false;
	}
	r->left--;
	r->counts.calls++;
	return true;
}

static bool failed(const char *what, const struct gh_answer *a)
{
	if (a->r.err.code == 0)
		return false;
	log_warn("reconcile", "what=%s error=%s", what, log_value(a->r.err.msg));
	return true;
}

static bool not_now(const struct gh_answer *a) { return a->r.err.code == ERR_UNAVAILABLE; }

static void db_failed(struct reconcile *r, const struct err *err)
{
	log_warn("reconcile", "error=%s", log_value(err->msg));
	end_round(r, false);
}

static void next_repo(struct reconcile *r);
static void list_repos(struct reconcile *r);

/* --- the App's log of deliveries --------------------------------------------------------------------------------------------------- */

static void next_delivery(struct reconcile *r);

static int keep_delivery(struct db_conn *c, void *arg, struct err *err)
{
	struct reconcile *r = arg;
	const struct wanted *w = &r->log[r->log_at];
	bool is_new = false;
	int rc = delivery_insert(c, w->guid, w->event, clock_wall_ms(), r->payload, r->payload_len, &is_new, err);
	if (rc == 0 && is_new)
		r->counts.deliveries++;
	return rc;
}

static void delivery_kept(int rc, const struct err *err, void *arg)
{
	struct reconcile *r = arg;
	free(TAKE(r->payload));
	if (rc != 0) {
		db_failed(r, err);
		return;
	}
	log_info("reconcile.delivery", "delivery=%s event=%s", log_value(r->log[r->log_at].guid), log_value(r->log[r->log_at].event));
	decide_wake(r->o.decide);
	r->log_at++;
	next_delivery(r);
}

static void on_delivery(const struct gh_answer *a, void *arg)
{
	struct reconcile *r = arg;
	if (failed("delivery", a) || a->delivery->payload == NULL) {
		if (not_now(a)) {
			end_round(r, false);
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
		db_failed(r, err);
	else
		list_repos(r);
}

static void next_delivery(struct reconcile *r)
{
	if (r->log_at == r->log_n)
		db_submit(r->o.db, keep_seen, seen_kept, r); /* only now: a round that was cut short looks at them again */
	else if (may_call(r))
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
		db_failed(r, err);
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
	if (a->deliveries == NULL) {
		(void)failed("deliveries", a); /* told; the pull requests are looked at all the same */
		list_repos(r);
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
		db_failed(r, err);
		return;
	}
	r->newest_ms = r->seen_ms != 0 ? r->seen_ms : now;
	if (r->seen_ms == 0)
		db_submit(r->o.db, keep_seen, seen_kept, r);
	else if (may_call(r))
		gh_list_deliveries(r->o.gh, since > now - KEPT_MS ? since : now - KEPT_MS, on_log, r);
}

/* --- open pull requests ------------------------------------------------------------------------------------------------------------ */

static const char SQL_REPOS[] = "SELECT repo_id, repo FROM run WHERE id IN(SELECT max(id) FROM run WHERE repo_id>? GROUP BY repo_id)"
				" ORDER BY repo_id LIMIT 1000";

static int read_repos(struct db_conn *c, void *arg, struct err *err)
{
	struct reconcile *r = arg;
	struct db_stmt *s;
	r->repos = xcalloc(REPOS_MAX, sizeof(*r->repos));
	int rc = db_query(c, &s, err, SQL_REPOS, "i", r->after_repo);
	while (rc == 0 && r->repos_n < REPOS_MAX && (rc = db_step(s, err)) == 1) {
		rc = 0;
		r->repos[r->repos_n++] = (struct known_repo){db_int(s, 0), db_text_copy(s, 1)};
		if (r->repos_n == REPOS_MAX)
			db_reset(s);
	}
	return rc;
}

static void repos_read(int rc, const struct err *err, void *arg)
{
	struct reconcile *r = arg;
	if (rc != 0)
		db_failed(r, err);
	else
		next_repo(r);
}

static void list_repos(struct reconcile *r) { db_submit(r->o.db, read_repos, repos_read, r); }

/* Not planned at this head, closed or never. What was planned since the list was asked for knows better than the list. */
static const char SQL_PLANNED[] =
	"SELECT count(*) FROM run WHERE repo_id=?1 AND pull=?2 AND kind='plan' AND ((head_sha=?3 AND closed=0) OR created_ms>=?4"
	" OR (head_sha IS NULL AND created_ms>=?5) OR finished_ms=0)";
static const char SQL_OPEN[] = "SELECT pull FROM run r WHERE repo_id=?1 AND kind='plan' AND closed=0 AND after_merge=0 AND created_ms<?2"
			       " AND id=(SELECT max(id) FROM run WHERE repo_id=r.repo_id AND pull=r.pull AND kind='plan') ORDER BY pull LIMIT 1000";

static int plan_missed(struct db_conn *c, struct reconcile *r, const struct gh_open_pull *p, struct err *err)
{
	struct known_repo *repo = &r->repos[r->repo_at];
	struct gh_event e = {.kind = GH_EVENT_PULL, .repo_id = repo->id, .repo = repo->name, .pull = p->number};
	CLEANUP_FREE char *what = NULL;
	struct db_stmt *s;
	int64_t n = 0;
	if (p->draft)
		return 0;
	int rc = db_query(c, &s, err, SQL_PLANNED, "iisii", repo->id, p->number, p->head_sha, r->asked_ms, r->asked_ms - HEADLESS_MS);
	if (rc == 0)
		rc = db_number(s, &n, err);
	if (rc != 0 || n != 0)
		return rc;
	rc = decide_start_plan(c, &e, &what, err);
	if (rc != 0)
		return rc;
	r->counts.plans++;
	log_info("reconcile.plan", "repo=%s pull=%lld what=%s", log_value(repo->name), (long long)p->number, log_value(what));
	return 0;
}

static bool is_open(const struct reconcile *r, int64_t pull)
{
	for (size_t i = 0; i < r->pulls_n; i++)
		if (r->pulls[i].number == pull)
			return true;
	return false;
}

static int compare(struct db_conn *c, void *arg, struct err *err)
{
	struct reconcile *r = arg;
	struct db_stmt *s;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < r->pulls_n; i++)
		rc = plan_missed(c, r, &r->pulls[i], err);
	if (rc == 0)
		rc = db_query(c, &s, err, SQL_OPEN, "ii", r->repos[r->repo_at].id, r->asked_ms);
	while (rc == 0 && (rc = db_step(s, err)) == 1) {
		rc = 0;
		int64_t pull = db_int(s, 0);
		if (is_open(r, pull))
			continue;
		r->missing = xreallocarray(r->missing, r->missing_n + 1, sizeof(int64_t));
		r->missing[r->missing_n++] = pull;
	}
	return rc;
}

static void next_missing(struct reconcile *r);

static void compared(int rc, const struct err *err, void *arg)
{
	struct reconcile *r = arg;
	if (rc != 0) {
		db_failed(r, err);
		return;
	}
	runs_look(r->o.runs);
	next_missing(r);
}

static void on_open_pulls(const struct gh_answer *a, void *arg)
{
	struct reconcile *r = arg;
	if (failed("pulls", a)) {
		if (not_now(a)) {
			end_round(r, false);
			return;
		}
		r->repo_at++; /* renamed, gone, or taken away from us: its own answer says so where it matters */
		next_repo(r);
		return;
	}
	r->pulls = xcalloc(a->open_pulls->n != 0 ? a->open_pulls->n : 1, sizeof(*r->pulls));
	for (size_t i = 0; i < a->open_pulls->n; i++) {
		r->pulls[i] = a->open_pulls->v[i];
		r->pulls[i].head_sha = xstrdup(a->open_pulls->v[i].head_sha);
		r->pulls[i].base_ref = xstrdup(a->open_pulls->v[i].base_ref);
		r->pulls_n++;
	}
	db_submit(r->o.db, compare, compared, r);
}

static void next_repo(struct reconcile *r)
{
	drop_pulls(r);
	while (r->repo_at < r->repos_n && !server_config_serves(r->o.config, r->repos[r->repo_at].name))
		r->repo_at++;
	if (r->repo_at == r->repos_n) {
		end_round(r, r->repos_n < REPOS_MAX);
		return;
	}
	if (!may_call(r))
		return;
	r->asked_ms = clock_wall_ms();
	gh_list_open_pulls(r->o.gh, r->repos[r->repo_at].name, on_open_pulls, r);
}

/* --- closed without a word --------------------------------------------------------------------------------------------------------- */

static int close_tx(struct db_conn *c, void *arg, struct err *err)
{
	struct reconcile *r = arg;
	CLEANUP_FREE char *what = NULL;
	return decide_close_pull(c, &r->gone, &what, err);
}

static void close_done(int rc, const struct err *err, void *arg)
{
	struct reconcile *r = arg;
	free(TAKE(r->gone.merge_sha));
	if (rc != 0) {
		db_failed(r, err);
		return;
	}
	r->counts.closed++;
	log_info("reconcile.closed", "repo=%s pull=%lld merged=%d", log_value(r->gone.repo), (long long)r->gone.pull, r->gone.merged);
	runs_look(r->o.runs);
	outbox_wake(r->o.outbox);
	r->missing_at++;
	next_missing(r);
}

static void on_gone(const struct gh_answer *a, void *arg)
{
	struct reconcile *r = arg;
	const struct known_repo *repo = &r->repos[r->repo_at];
	if (failed("pull", a) && not_now(a)) {
		end_round(r, false);
		return;
	}
	if (a->r.err.code != 0 || a->pull->open || a->pull->repo_id != repo->id) { /* opened again meanwhile, or the name is another's by now */
		r->missing_at++;
		next_missing(r);
		return;
	}
	r->gone = (struct gh_event){.kind = GH_EVENT_PULL, .repo_id = repo->id, .repo = repo->name, .pull = r->missing[r->missing_at],
				    .merged = a->pull->merged, .merge_sha = xstrdup(a->pull->merged ? a->pull->merge_commit_sha : NULL)};
	db_submit(r->o.db, close_tx, close_done, r);
}

static void next_missing(struct reconcile *r)
{
	if (r->missing_at < r->missing_n) {
		if (may_call(r))
			gh_get_pull(r->o.gh, r->repos[r->repo_at].name, r->missing[r->missing_at], on_gone, r);
		return;
	}
	r->after_repo = r->repos[r->repo_at].id;
	r->repo_at++;
	next_repo(r);
}

/* --- ------------------------------------------------------------------------------------------------------------------------------- */

static void begin(void *arg)
{
	struct reconcile *r = arg;
	r->busy = true;
	r->left = RECONCILE_CALLS;
	if (gh_is_app(r->o.gh))
		db_submit(r->o.db, read_seen, seen_read, r);
	else
		list_repos(r);
}

struct reconcile *reconcile_new(const struct reconcile_options *o)
{
	struct reconcile *r = xcalloc(1, sizeof(*r));
	r->o = *o;
	r->timer = loop_timer_new(o->loop, begin, r);
	loop_timer_start(r->timer, FIRST_MS, 0);
	return r;
}

const struct reconcile_counts *reconcile_counts(const struct reconcile *r) { return &r->counts; }

void reconcile_close(struct reconcile *r)
{
	if (r == NULL)
		return;
	gh_cancel(r->o.gh, r);
	loop_timer_close(r->timer);
	drop_log(r);
	drop_pulls(r);
	drop_repos(r);
	free(r->gone.merge_sha);
	free(r);
}
