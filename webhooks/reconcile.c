#include "webhooks/reconcile.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "webhooks/reconcile_priv.h"

/* A plan that ended before it learned its head is tried again after HEADLESS_MS, and HEADLESS_MAX times in a row at most: what GitHub refuses us
 * for good must not be asked for ever. */
enum { FIRST_MS = 2000, HEADLESS_MS = 3600 * 1000, HEADLESS_MAX = 3, REPOS_MAX = 1000 };

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

static void drop_repos(struct reconcile *r)
{
	for (size_t i = 0; i < r->repos_n; i++)
		free(r->repos[i].name);
	free(TAKE(r->repos));
	r->repos_n = r->repo_at = 0;
}

void reconcile_end_round(struct reconcile *r, bool whole)
{
	if (whole)
		r->after_repo = 0;
	reconcile_log_drop(r);
	drop_pulls(r);
	drop_repos(r);
	r->counts.rounds++;
	loop_timer_start(r->timer, r->o.config->reconcile_ms, 0);
}

/* False: the round is over. */
bool reconcile_may_call(struct reconcile *r)
{
	if (r->left == 0) {
		reconcile_end_round(r, false);
		return false;
	}
	r->left--;
	r->counts.calls++;
	return true;
}

bool reconcile_failed(const char *what, const struct gh_answer *a)
{
	if (a->r.err.code == 0)
		return false;
	log_warn("reconcile", "what=%s error=%s", what, log_value(a->r.err.msg));
	return true;
}

bool reconcile_not_now(const struct gh_answer *a) { return a->r.err.code == ERR_UNAVAILABLE; }

void reconcile_db_failed(struct reconcile *r, const struct err *err)
{
	log_warn("reconcile", "error=%s", log_value(err->msg));
	reconcile_end_round(r, false);
}

static void next_repo(struct reconcile *r);

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
		reconcile_db_failed(r, err);
	else
		next_repo(r);
}

void reconcile_repos(struct reconcile *r) { db_submit(r->o.db, read_repos, repos_read, r); }

/* Not planned at this head, closed or never. What was planned since the list was asked for knows better than the list. */
static const char SQL_PLANNED[] =
	"SELECT count(*) FROM run WHERE repo_id=?1 AND pull=?2 AND kind='plan' AND ((head_sha=?3 AND closed=0) OR created_ms>=?4"
	" OR (head_sha IS NULL AND created_ms>=?5) OR finished_ms=0)";
static const char SQL_HEADLESS[] =
	"SELECT count(*) FROM run WHERE repo_id=?1 AND pull=?2 AND kind='plan' AND head_sha IS NULL AND id>(SELECT coalesce(max(id), 0) FROM run"
	" WHERE repo_id=?1 AND pull=?2 AND kind='plan' AND head_sha IS NOT NULL)";
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
	rc = db_query(c, &s, err, SQL_HEADLESS, "ii", repo->id, p->number);
	if (rc == 0)
		rc = db_number(s, &n, err);
	if (rc != 0 || n >= HEADLESS_MAX)
		return rc;
	rc = decide_start_plan(c, &e, &what, err);
	if (rc != 0)
		return rc;
	if (!text_starts(what, "run ")) /* shut out */
		return 0;
	r->found++;
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
	r->found = 0;
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
		reconcile_db_failed(r, err);
		return;
	}
	r->counts.plans += r->found;
	runs_look(r->o.runs);
	next_missing(r);
}

/* The next round begins behind this repository, and comes to it when it has been at all the others: one that never answers holds up nobody. */
static void end_behind(struct reconcile *r)
{
	r->after_repo = r->repos[r->repo_at].id;
	reconcile_end_round(r, false);
}

static void on_open_pulls(const struct gh_answer *a, void *arg)
{
	struct reconcile *r = arg;
	if (reconcile_failed("pulls", a)) {
		if (reconcile_not_now(a)) {
			end_behind(r);
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
		reconcile_end_round(r, r->repos_n < REPOS_MAX);
		return;
	}
	if (!reconcile_may_call(r))
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
		reconcile_db_failed(r, err);
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
	if (reconcile_failed("pull", a) && reconcile_not_now(a)) {
		end_behind(r);
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
		if (reconcile_may_call(r))
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
	r->left = RECONCILE_CALLS;
	if (gh_is_app(r->o.gh))
		reconcile_log(r);
	else
		reconcile_repos(r);
}

struct reconcile *reconcile_new(const struct reconcile_options *o)
{
	struct reconcile *r = xcalloc(1, sizeof(*r));
	r->o = *o;
	r->timer = loop_timer_new(o->loop, begin, r);
	loop_timer_start(r->timer, o->config->reconcile_ms < FIRST_MS ? o->config->reconcile_ms : FIRST_MS, 0);
	return r;
}

const struct reconcile_counts *reconcile_counts(const struct reconcile *r) { return &r->counts; }

void reconcile_close(struct reconcile *r)
{
	if (r == NULL)
		return;
	gh_cancel(r->o.gh, r);
	loop_timer_close(r->timer);
	reconcile_log_drop(r);
	drop_pulls(r);
	drop_repos(r);
	free(r->gone.merge_sha);
	free(r);
}
