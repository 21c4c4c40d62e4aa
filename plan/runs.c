#include "plan/runs.h"

#include "base/crash.h"
#include "base/log.h"
#include "plan/job_box.h"
#include "plan/retention.h"
#include "plan/runs_priv.h"

enum { POKE_MS = 500 };
static const int64_t again_after_ms[] = {1000, 5000, 20000};

/* Working has no operation of its own: its wake-up is the end of its last job, and jobs_finish_run() has then moved it on. */
static void working_enter(struct run *r)
{
	if (r->row.kind == RUN_PLAN)
		run_facts_start(r);
	else
		run_check_keep(r);
	jobs_kick(r->m->jobs);
}

static void working_drop(struct run *r) { jobs_cancel_run(r->m->jobs, r->row.id); }

/* In execution order. A state without a row is over. */
static const struct run_step steps[RUN_STATES] = {
	[RUN_QUEUED] = {run_queued_enter, run_queued_leave, NULL},
	[RUN_READING] = {run_reading_enter, run_reading_leave, run_reading_drop},
	[RUN_GATING] = {run_gating_enter, run_gating_leave, run_gating_drop},
	[RUN_MERGING] = {run_merging_enter, run_merging_leave, run_merging_drop},
	[RUN_ENQUEUED] = {run_enqueued_enter, run_enqueued_leave, run_merging_drop},
	[RUN_PREPARING] = {run_preparing_enter, run_preparing_leave, run_preparing_drop},
	[RUN_CHECKING] = {run_checking_enter, run_checking_leave, run_checking_drop},
	[RUN_WORKING] = {working_enter, NULL, working_drop},
};

static void enter(struct run *r);

void seen_pull_take(struct seen_pull *s, const struct gh_pull *p)
{
	seen_pull_free(s);
	*s = (struct seen_pull){.open = p->open, .draft = p->draft, .merged = p->merged, .fork = p->fork, .repo = xstrdup(p->full_name),
				.clone_url = xstrdup(p->clone_url), .head_sha = xstrdup(p->head_sha), .base_ref = xstrdup(p->base_ref),
				.author = xstrdup(p->author.login),
				.merge_sha = p->merged ? xstrdup(p->merge_commit_sha) : NULL};
}

void seen_pull_free(struct seen_pull *s)
{
	free(s->repo);
	free(s->clone_url);
	free(s->head_sha);
	free(s->base_ref);
	free(s->merge_sha);
	free(s->author);
	*s = (struct seen_pull){0};
}

static void enter_again(void *arg) { enter(arg); }

static void run_free(struct run *r)
{
	for (struct run **p = &r->m->open; *p != NULL; p = &(*p)->next)
		if (*p == r) {
			*p = r->next;
			break;
		}
	loop_timer_close(r->timer);
	loop_timer_close(r->slow);
	seen_pull_free(&r->pull);
	gate_seen_free(&r->seen);
	if (r->has_prepared)
		prepare_result_free(&r->prepared);
	run_give_back_token(r);
	run_row_free(&r->row);
	free(r);
}

bool run_try_again(struct run *r)
{
	if ((size_t)r->tries >= ARRAY_LEN(again_after_ms))
		return false;
	loop_timer_start(r->timer, again_after_ms[r->tries++], 0);
	return true;
}

bool run_pull_answered(struct run *r, const struct gh_answer *a)
{
	if (a->r.err.code == 0) {
		seen_pull_take(&r->pull, a->pull);
		return true;
	}
	/* ERR_PARSE: half an answer */
	if ((a->r.err.code == ERR_UNAVAILABLE || a->r.err.code == ERR_PARSE) && run_try_again(r))
		return false;
	r->failure = a->r.err;
	run_wake(r);
	return false;
}

static void enter(struct run *r)
{
	if (r->ended) {
		run_free(r);
		return;
	}
	CRASH_POINT("run.enter");
	r->failure = (struct err){0};
	r->parked = r->poked = false;
	r->again_ms = 0;
	log_info("run.enter", "run=%lld repo=%s pull=%lld kind=%s state=%s", (long long)r->row.id, log_value(r->row.repo), (long long)r->row.pull,
		 r->row.kind == RUN_PLAN ? "plan" : "apply", run_state_name(r->row.state));
	steps[r->row.state].enter(r);
}

/* ERR_CANCELLED when the run was superseded or cancelled while its operation was under way: nothing of it is wanted. */
static int still_there(struct db_conn *c, const struct run *r, struct err *err)
{
	struct run_row now = {0};
	int rc = run_get(c, r->row.id, &now, err);
	if (rc == 0 && now.state != r->row.state)
		rc = err_set(err, ERR_CANCELLED, "run %lld is %s", (long long)r->row.id, run_state_name(now.state));
	run_row_free(&now);
	return rc;
}

/* What leave could not write however often it tried ends the run. */
static int leave_broken(struct db_conn *c, struct run *r, enum run_state *ret_next, struct err *err)
{
	*ret_next = RUN_FAILED;
	return run_end_with(c, r, r->broken.msg, err);
}

/* Failed or refused: the person hears of it here, and a status that was told to be pending says so, too. */
static int tell_end(struct db_conn *c, const struct run *r, struct err *err)
{
	struct run_row over = {0};
	int rc = run_get(c, r->row.id, &over, err);
	if (rc == 0)
		rc = comment_refresh(c, &r->m->comment, over.repo_id, over.pull, 0, err);
	if (rc == 0 && over.kind == RUN_PLAN && (r->row.state >= RUN_PREPARING || r->untrusted))
		rc = comment_rollup(c, &r->m->comment, &over, err);
	run_row_free(&over);
	return rc;
}

static int leave_tx(struct db_conn *c, void *arg, struct err *err)
{
	struct run *r = arg;
	enum run_state next = r->row.state;
	int rc = still_there(c, r, err);
	if (rc == 0)
		rc = r->broken.code != 0 ? leave_broken(c, r, &next, err) : steps[r->row.state].leave(c, r, &next, err);
	if (rc == 0 && next != r->row.state)
		rc = run_move(c, r->row.id, r->row.state, next, err);
	if (rc == 0 && next == RUN_WORKING) { /* nothing to wait for: each job was refused */
		int64_t open = 0;
		rc = job_release_waiting(c, r->row.id, err);
		if (rc == 0)
			rc = job_count_open(c, r->row.id, &open, err);
		if (rc == 0 && open == 0) {
			rc = jobs_finish_run(c, &r->m->comment, r->row.id, err);
			next = RUN_DONE;
		} else if (rc == 0) {
			rc = comment_refresh(c, &r->m->comment, r->row.repo_id, r->row.pull, 0, err);
		}
	}
	if (rc == 0 && next != r->row.state && run_state_is_over(next) && next != RUN_DONE)
		rc = tell_end(c, r, err);
	r->goes_to = next;
	return rc;
}

static void leave_done(int rc, const struct err *err, void *arg)
{
	struct run *r = arg;
	struct runs *m = r->m;
	r->leaving = false;
	CRASH_POINT("run.left");
	outbox_wake(m->o.outbox);
	if (rc == ERR_CANCELLED || r->ended) {
		run_free(r);
		runs_look(m);
		return;
	}
	if (rc != 0) {
		log_err("run.leave", "run=%lld state=%s error=%s", (long long)r->row.id, run_state_name(r->row.state), log_value(err->msg));
		if (rc != ERR_UNAVAILABLE && rc != ERR_IO && r->broken.code == 0) { /* trying again would find the same */
			r->broken = *err;
			run_wake(r);
			return;
		}
		r->tries = 0;
		loop_timer_start(r->timer, again_after_ms[0], 0);
		return;
	}
	if (r->goes_to == r->row.state) {
		r->parked = r->again_ms == 0;
		if (!r->parked)
			loop_timer_start(r->timer, r->again_ms, 0);
		return;
	}
	r->row.state = r->goes_to;
	r->tries = 0;
	if (run_state_is_over(r->row.state)) {
		log_info("run.over", "run=%lld state=%s", (long long)r->row.id, run_state_name(r->row.state));
		run_free(r);
		runs_look(m);
		return;
	}
	enter(r);
}

/* The one way on from an operation: it decides nothing. */
void run_wake(struct run *r)
{
	ASSERT(!r->leaving);
	if (r->ended) {
		run_free(r);
		return;
	}
	r->leaving = true;
	db_submit(r->m->o.db, leave_tx, leave_done, r);
}

/* Looking: the database says which runs are open; memory follows. */
struct look {
	struct runs *m;
	struct run_row *rows;
	size_t n;
};

static int look_tx(struct db_conn *c, void *arg, struct err *err)
{
	struct look *k = arg;
	struct id_list ids = {0};
	int rc = run_list_open(c, &ids, err);
	k->rows = xcalloc(ids.n, sizeof(*k->rows));
	for (size_t i = 0; rc == 0 && i < ids.n; i++) {
		rc = run_get(c, ids.v[i], &k->rows[i], err);
		k->n = rc == 0 ? i + 1 : i;
	}
	id_list_free(&ids);
	return rc;
}

static struct run *find_run(const struct runs *m, int64_t id)
{
	for (struct run *r = m->open; r != NULL; r = r->next)
		if (r->row.id == id)
			return r;
	return NULL;
}

static void end_run(struct run *r)
{
	r->ended = true;
	if (r->leaving)
		return; /* leave_done lets go of it */
	if (steps[r->row.state].drop != NULL)
		steps[r->row.state].drop(r);
	run_free(r);
}

static void add_run(struct runs *m, struct run_row *row)
{
	struct run *r = xcalloc(1, sizeof(*r));
	r->m = m;
	r->row = *row;
	*row = (struct run_row){0};
	r->timer = loop_timer_new(m->o.loop, enter_again, r);
	r->next = m->open;
	m->open = r;
	enter(r);
}

static bool listed(const struct look *k, int64_t id)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->rows[i].id == id)
			return true;
	return false;
}

static void look_done(int rc, const struct err *err, void *arg)
{
	struct look *k = arg;
	struct runs *m = k->m;
	m->looking = false;
	if (rc != 0)
		log_err("run.look", "error=%s", log_value(err->msg));
	m->look_late = rc != 0;
	for (struct run *r = m->open, *next; rc == 0 && r != NULL; r = next) {
		next = r->next;
		if (!listed(k, r->row.id))
			end_run(r);
		else if (r->parked)
			enter(r);
		else if (r->row.state == RUN_ENQUEUED && !r->poked && loop_timer_active(r->timer)) {
			r->poked = true; /* something happened: perhaps the queue merged */
			loop_timer_start(r->timer, POKE_MS, 0);
		}
	}
	for (size_t i = 0; i < k->n; i++) {
		if (rc == 0 && find_run(m, k->rows[i].id) == NULL)
			add_run(m, &k->rows[i]);
		run_row_free(&k->rows[i]);
	}
	free(k->rows);
	free(k);
	if (m->look_again) {
		m->look_again = false;
		runs_look(m);
	}
}

void runs_look(struct runs *m)
{
	if (m->looking) {
		m->look_again = true;
		return;
	}
	m->looking = true;
	struct look *k = xcalloc(1, sizeof(*k));
	k->m = m;
	db_submit(m->o.db, look_tx, look_done, k);
}

/* Progress: comments of runs at work are edited at most every two seconds, and only when something changed. */
static int edit_tx(struct db_conn *c, void *arg, struct err *err)
{
	struct runs *m = arg;
	struct id_list ids = {0};
	int rc = run_list_to_edit(c, &ids, err);
	for (size_t i = 0; rc == 0 && i < ids.n; i++) {
		struct run_row row = {0};
		rc = run_get(c, ids.v[i], &row, err);
		if (rc == 0)
			rc = run_count_edit(c, row.id, err);
		if (rc == 0)
			rc = comment_refresh(c, &m->comment, row.repo_id, row.pull, 0, err);
		run_row_free(&row);
	}
	id_list_free(&ids);
	return rc;
}

static void edit_done(int rc, const struct err *err, void *arg)
{
	struct runs *m = arg;
	m->editing = false;
	if (rc != 0)
		log_err("run.edit", "error=%s", log_value(err->msg));
	outbox_wake(m->o.outbox);
}

static void on_progress(void *arg)
{
	struct runs *m = arg;
	run_cancel_late(m);
	if (m->look_late)
		runs_look(m);
	if (m->open == NULL || m->editing)
		return;
	m->editing = true;
	db_submit(m->o.db, edit_tx, edit_done, m);
}

static void on_run_over(int64_t run_id, void *arg)
{
	struct runs *m = arg;
	run_check_forget(m, run_id);
	struct run *r = find_run(m, run_id);
	if (r != NULL && !r->leaving) {
		log_info("run.over", "run=%lld state=done", (long long)run_id);
		run_free(r);
	}
	runs_look(m);
}

static void on_new_runs(void *arg) { runs_look(arg); }

int runs_new(const struct runs_options *o, struct runs **ret, struct err *err)
{
	struct runs *m = xcalloc(1, sizeof(*m));
	m->o = *o;
	m->comment = (struct comment_context){.public_url = o->config->public_url, .checks = gh_is_app(o->gh)};
	struct jobs_options jo = {.loop = o->loop, .db = o->db, .outbox = o->outbox, .agent = o->agent, .config = o->config, .comment = &m->comment,
				  .program = o->program, .executor_new = o->executor_new, .may_start = run_may_start, .on_run_over = on_run_over,
				  .on_new_runs = on_new_runs, .arg = m};
	int rc = jobs_new(&jo, &m->jobs, err);
	if (rc != 0) {
		free(m);
		return rc;
	}
	m->retention = retention_new(o->loop, o->db, o->config);
	m->progress = loop_timer_new(o->loop, on_progress, m);
	loop_timer_start(m->progress, 500, 500);
	*ret = m;
	return 0;
}

/* Comments are made on the writer thread, so that is where the words change. */
static int say_host_tx(struct db_conn *c, void *arg, struct err *err)
{
	struct runs *m = arg;
	(void)c;
	(void)err;
	m->comment.sandbox = m->sandbox;
	return 0;
}

void runs_set_host(struct runs *m, struct tier_report *host)
{
	m->sandbox = job_box_words(host);
	db_submit(m->o.db, say_host_tx, NULL, m);
	jobs_set_host(m->jobs, host);
}

const struct jobs_counts *runs_jobs_counts(const struct runs *m) { return jobs_counts(m->jobs); }

const struct tier_report *runs_host(const struct runs *m) { return jobs_host(m->jobs); }

void runs_recover(struct runs *m)
{
	jobs_recover(m->jobs);
	runs_look(m);
}

void runs_kick(struct runs *m) { jobs_kick(m->jobs); }

const struct comment_context *runs_comment(const struct runs *m) { return &m->comment; }

size_t runs_active(const struct runs *m)
{
	size_t n = jobs_running(m->jobs);
	for (const struct run *r = m->open; r != NULL; r = r->next)
		n++;
	return n;
}

void runs_close(struct runs *m)
{
	if (m == NULL)
		return;
	loop_timer_close(m->progress);
	run_cancels_close(m);
	run_facts_close(m);
	run_checks_close(m);
	retention_close(m->retention);
	jobs_close(m->jobs);
	m->jobs = NULL;
	for (struct run *r = m->open, *next; r != NULL; r = next) {
		next = r->next;
		if (steps[r->row.state].drop != NULL && r->row.state != RUN_WORKING)
			steps[r->row.state].drop(r); /* jobs go on: their runners outlive us */
		run_free(r);
	}
	free(m->sandbox);
	free(m);
}
