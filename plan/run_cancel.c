/* `cancel` of a pull request: ends its plans in the database first, then asks what runs to stop; an apply at work gets one SIGINT. */
#include "base/log.h"
#include "plan/runs_priv.h"

struct cancel {
	struct runs *m;
	int64_t repo_id, pull;
	struct id_list applying;
	struct cancel *next;
};

static int cancel_tx(struct db_conn *c, void *arg, struct err *err)
{
	struct cancel *x = arg;
	struct run_row plan = {0}, apply = {0};
	int rc = run_supersede(c, x->repo_id, x->pull, 0, RUN_CANCELLED, err);
	if (rc == 0 && run_newest(c, x->repo_id, x->pull, RUN_PLAN, NULL, &plan, NULL) == 0 && plan.state == RUN_CANCELLED)
		rc = jobs_tell_cancelled(c, &x->m->comment, plan.id, err);
	run_row_free(&plan);
	if (rc == 0 && run_newest(c, x->repo_id, x->pull, RUN_APPLY, NULL, &apply, NULL) == 0 && apply.state == RUN_WORKING) {
		int64_t open = 0;
		id_list_add(&x->applying, apply.id);
		rc = job_end_open(c, apply.id, JOBS_CANCELLED, "cancelled before it started", err);
		if (rc == 0)
			rc = job_count_open(c, apply.id, &open, err);
		if (rc == 0 && open == 0) /* none was at work whose end would end the run */
			rc = jobs_finish_run(c, &x->m->comment, apply.id, err);
	}
	if (rc == 0 && apply.id != 0 && apply.state < RUN_MERGING) { /* nothing was merged yet */
		rc = run_move(c, apply.id, apply.state, RUN_REFUSED, err);
		if (rc == 0)
			rc = run_set_error(c, apply.id, "apply: cancelled before anything was merged", err);
	}
	run_row_free(&apply);
	return rc == 0 ? comment_refresh(c, &x->m->comment, x->repo_id, x->pull, 0, err) : rc;
}

static void cancel_done(int rc, const struct err *err, void *arg)
{
	struct cancel *x = arg;
	if (rc != 0) {
		log_err("run.cancel", "error=%s", log_value(err->msg));
		id_list_free(&x->applying);
		x->next = x->m->late_cancels;
		x->m->late_cancels = x;
		return;
	}
	for (size_t i = 0; i < x->applying.n; i++)
		jobs_cancel_run(x->m->jobs, x->applying.v[i]);
	id_list_free(&x->applying);
	outbox_wake(x->m->o.outbox);
	runs_look(x->m);
	free(x);
}

void run_cancel_late(struct runs *m)
{
	for (struct cancel *x = TAKE(m->late_cancels), *next; x != NULL; x = next) {
		next = x->next;
		db_submit(m->o.db, cancel_tx, cancel_done, x);
	}
}

void runs_cancel(struct runs *m, int64_t repo_id, int64_t pull)
{
	struct cancel *x = xcalloc(1, sizeof(*x));
	*x = (struct cancel){.m = m, .repo_id = repo_id, .pull = pull};
	db_submit(m->o.db, cancel_tx, cancel_done, x);
}

void run_cancels_close(struct runs *m)
{
	for (struct cancel *x = TAKE(m->late_cancels), *next; x != NULL; x = next) {
		next = x->next;
		free(x);
	}
}
