/* The gate once more: after the merge, right before credentials would be handed out (state checking), and for every job right before its engine is
 * started. What a person took back in between counts. */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "plan/comment_view.h"
#include "plan/gate_own.h"
#include "plan/only.h"
#include "plan/runs_priv.h"

enum { SEEN_FRESH_MS = 2000 }; /* jobs that start together ask GitHub once */

int run_claimed_plans(struct db_conn *c, const struct run_row *row, struct job_list *ret, struct err *err)
{
	struct run_row whole = *row;
	struct job_list all = {0};
	whole.only = NULL;
	int rc = run_apply_selection(c, &whole, true, &all, err);
	for (size_t i = 0; rc == 0 && i < all.n; i++) {
		const struct job_row *j = &all.v[i];
		/* one that this run plans again right now, or that asks again, is not about to be applied */
		bool not_yet = j->run_id == row->id && (j->state != JOBS_DONE || j->error != NULL);
		if (not_yet || !text_has_line(row->only, j->project))
			continue;
		ret->v = xreallocarray(ret->v, ret->n + 1, sizeof(*ret->v));
		ret->v[ret->n++] = all.v[i];
		all.v[i] = (struct job_row){0};
	}
	job_list_free(&all);
	return rc;
}

int run_keep_verdict(struct db_conn *c, const struct run_row *row, const char *at, const struct gate_facts *f, const struct gate_own *own,
		     const struct gate_verdict *v, struct err *err)
{
	CLEANUP_BUF struct buf json = {0};
	comment_gate_write(v, &json);
	int rc = run_set_gate(c, row->id, buf_str(&json), err);
	return rc == 0 ? gate_audit(c, row, at, f, own, v, err) : rc;
}

/* After the merge: what GitHub says now, and our own rows; the verdict is kept. ret_why: NULL when it is open. */
static int evaluate(struct db_conn *c, const struct runs *m, const struct run_row *row, struct gate_seen *seen, const char *at,
		    char **ret_why, struct err *err)
{
	const struct gate_facts as_read = seen->facts; /* our own are added anew each time */
	struct job_list jobs = {0};
	struct gate_own own = {0};
	struct gate_verdict verdict = {0};
	int rc = run_claimed_plans(c, row, &jobs, err);
	if (rc == 0)
		rc = run_gate_facts(c, m, row, seen, &jobs, &own, err);
	*ret_why = NULL;
	if (rc == 0) {
		seen->facts.after_merge = true;
		gate_evaluate(&seen->facts, &verdict);
		rc = run_keep_verdict(c, row, at, &seen->facts, &own, &verdict, err);
		const char *no = gate_first_no(&verdict);
		*ret_why = verdict.open ? NULL : xstrdup(no != NULL ? no : "a condition does not hold any more");
	}
	seen->facts = as_read;
	gate_verdict_free(&verdict);
	gate_own_free(&own);
	job_list_free(&jobs);
	return rc;
}

struct gate_question run_gate_question(const struct runs *m, const struct run_row *row)
{
	struct only only;
	only_read(row->only, &only);
	bool destroys = row->kind == RUN_APPLY && only.destroy;
	only_free(&only);
	return (struct gate_question){.destroys = destroys, .gh = m->o.gh, .loop = m->o.loop, .config = m->o.config, .repo = row->repo, .pull = row->pull,
				      .asker = row->asker,
				      .owners = row->owners};
}

/* --- checking --- */

static void on_gate(struct gate_seen *seen, void *arg)
{
	struct run *r = arg;
	r->gate = NULL;
	gate_seen_free(&r->seen);
	r->seen = *seen;
	r->seen_mono_ms = clock_mono_ms();
	*seen = (struct gate_seen){0};
	run_wake(r);
}

void run_checking_enter(struct run *r)
{
	if (!r->has_prepared) { /* after a restart: what preparing found was in memory only */
		run_wake(r);
		return;
	}
	struct gate_question q = run_gate_question(r->m, &r->row);
	r->gate = gate_read_start(&q, on_gate, r);
}

void run_checking_drop(struct run *r)
{
	gate_read_cancel(r->gate);
	r->gate = NULL;
}

int run_checking_leave(struct db_conn *c, struct run *r, enum run_state *ret_next, struct err *err)
{
	if (!r->has_prepared) {
		*ret_next = RUN_PREPARING;
		return 0;
	}
	CLEANUP_FREE char *why = NULL;
	int rc = evaluate(c, r->m, &r->row, &r->seen, "credentials", &why, err);
	if (rc != 0)
		return rc;
	if (why == NULL) {
		*ret_next = RUN_WORKING;
		return run_create_apply_jobs(c, r, err);
	}
	*ret_next = RUN_REFUSED;
	CLEANUP_FREE char *text = xasprintf("apply: merged as %.7s, but the gate closed before anything was applied: %s. Comment `apply` when it is open"
					    " again", r->row.merge_sha, why);
	return run_end_with(c, r, text, err);
}

/* --- before each engine --- */

struct waiter {
	struct waiter *next;
	jobs_may_start_cb cb;
	void *arg;
};

/* What GitHub said of a run that applies, and the jobs that wait for the answer. One per run, while it works. */
struct recheck {
	struct runs *m;
	struct recheck *next;
	struct run_row row;
	struct gate_reader *reader;
	struct gate_seen seen;
	int64_t seen_mono_ms; /* 0: nothing yet */
	struct waiter *waiters;
	char *why;
	bool destroys; /* directories that are gone: for admins */
	bool busy; /* a wake-up is owed */
	bool over; /* let go of it at that wake-up */
};

static void recheck_free(struct recheck *k)
{
	for (struct recheck **p = &k->m->rechecks; *p != NULL; p = &(*p)->next)
		if (*p == k) {
			*p = k->next;
			break;
		}
	for (struct waiter *w = k->waiters, *next; w != NULL; w = next) {
		next = w->next;
		free(w);
	}
	run_row_free(&k->row);
	gate_seen_free(&k->seen);
	free(k->why);
	free(k);
}

static struct recheck *recheck_of(struct runs *m, int64_t run_id)
{
	for (struct recheck *k = m->rechecks; k != NULL; k = k->next)
		if (k->row.id == run_id)
			return k;
	struct recheck *k = xcalloc(1, sizeof(*k));
	*k = (struct recheck){.m = m, .next = m->rechecks, .row.id = run_id};
	m->rechecks = k;
	return k;
}

static int judge_tx(struct db_conn *c, void *arg, struct err *err)
{
	struct recheck *k = arg;
	free(TAKE(k->why));
	return evaluate(c, k->m, &k->row, &k->seen, "exec", &k->why, err);
}

static void judged(int rc, const struct err *err, void *arg)
{
	struct recheck *k = arg;
	struct err no = {0};
	k->busy = false;
	if (rc != 0)
		no = *err;
	else if (k->why != NULL)
		err_set(&no, ERR_REFUSED, "the gate closed before it started: %s. Comment `apply` when it is open again", k->why);
	struct waiter *all = TAKE(k->waiters);
	if (k->over)
		recheck_free(k);
	for (struct waiter *w = all, *next; w != NULL; w = next) {
		next = w->next;
		w->cb(&no, w->arg);
		free(w);
	}
}

static void on_seen(struct gate_seen *seen, void *arg)
{
	struct recheck *k = arg;
	k->reader = NULL;
	gate_seen_free(&k->seen);
	k->seen = *seen;
	k->seen_mono_ms = clock_mono_ms();
	*seen = (struct gate_seen){0};
	db_submit(k->m->o.db, judge_tx, judged, k);
}

static int load_tx(struct db_conn *c, void *arg, struct err *err)
{
	struct recheck *k = arg;
	struct run_row row = {0};
	struct job_list plans = {0};
	int rc = run_get(c, k->row.id, &row, err);
	if (rc != 0)
		return rc;
	run_row_free(&k->row);
	k->row = row;
	rc = run_claimed_plans(c, &k->row, &plans, err);
	for (size_t i = 0; i < plans.n; i++)
		k->destroys = k->destroys || plans.v[i].destroy;
	job_list_free(&plans);
	return rc;
}

static void loaded(int rc, const struct err *err, void *arg)
{
	struct recheck *k = arg;
	if (rc != 0) {
		judged(rc, err, k);
		return;
	}
	if (k->seen_mono_ms != 0 && clock_mono_ms() - k->seen_mono_ms < SEEN_FRESH_MS) {
		db_submit(k->m->o.db, judge_tx, judged, k);
		return;
	}
	struct gate_question q = run_gate_question(k->m, &k->row);
	q.destroys = k->destroys;
	k->reader = gate_read_start(&q, on_seen, k);
}

void run_may_start(int64_t run_id, jobs_may_start_cb cb, void *cb_arg, void *arg)
{
	struct recheck *k = recheck_of(arg, run_id);
	struct waiter *w = xcalloc(1, sizeof(*w));
	*w = (struct waiter){.cb = cb, .arg = cb_arg, .next = k->waiters};
	k->waiters = w;
	if (!k->busy)
		db_submit(k->m->o.db, load_tx, loaded, k);
	k->busy = true;
}

void run_check_keep(struct run *r)
{
	struct recheck *k = recheck_of(r->m, r->row.id);
	if (k->busy)
		return;
	gate_seen_free(&k->seen);
	k->seen = r->seen;
	k->seen_mono_ms = r->seen_mono_ms;
	r->seen = (struct gate_seen){0};
}

void run_check_forget(struct runs *m, int64_t run_id)
{
	for (struct recheck *k = m->rechecks; k != NULL; k = k->next)
		if (k->row.id == run_id) {
			k->over = true;
			if (!k->busy)
				recheck_free(k);
			return;
		}
}

void run_checks_close(struct runs *m)
{
	while (m->rechecks != NULL) {
		gate_read_cancel(m->rechecks->reader);
		recheck_free(m->rechecks);
	}
}
