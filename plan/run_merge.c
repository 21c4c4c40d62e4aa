/* The steps of an apply between the gate and preparing: merging, or waiting in the merge queue. */
#include "base/crash.h"
#include "plan/runs_priv.h"

enum {
	QUEUE_LOOK_MS = 15 * 1000, /* events come sooner; this is for those that were lost */
	QUEUE_GONE_MS = 2 * 1000,
	QUEUE_PATIENCE = 3,
};

/* merging: looked at first, since a crash or a lost answer may have left it done. */

/* GitHub said no: because it was merged the moment before, by an answer of ours that was lost on its way, or by a person? */
static void on_second_look(const struct gh_answer *a, void *arg)
{
	struct run *r = arg;
	if (a->r.err.code == 0 && a->pull->merged && strcmp(a->pull->head_sha, r->row.head_sha) == 0) {
		r->failure = (struct err){0};
		seen_pull_take(&r->pull, a->pull);
	}
	run_wake(r);
}

/* The queue said no: because it has the pull request already, from before a crash? */
static void on_queue_look(const struct gh_answer *a, void *arg)
{
	struct run *r = arg;
	if (a->r.err.code == 0 && a->threads->queued && a->threads->head_sha != NULL && strcmp(a->threads->head_sha, r->row.head_sha) == 0) {
		r->failure = (struct err){0};
		r->queued = true;
	}
	run_wake(r);
}

static void on_queued(const struct gh_answer *a, void *arg)
{
	struct run *r = arg;
	if (a->r.err.code == 0) {
		r->failure = (struct err){0};
		r->queued = true;
		run_wake(r);
		return;
	}
	if (a->r.err.code == ERR_UNAVAILABLE && run_try_again(r))
		return;
	r->failure = a->r.err;
	gh_get_threads(r->m->o.gh, r->row.repo, r->row.pull, on_queue_look, r);
}

static void on_merged(const struct gh_answer *a, void *arg)
{
	struct run *r = arg;
	CRASH_POINT("run.merged");
	if (a->r.err.code == 0) {
		seen_pull_free(&r->pull);
		r->pull.merged = true;
		r->pull.merge_sha = xstrdup(a->sha);
		run_wake(r);
		return;
	}
	if ((a->r.ambiguous || a->r.err.code == ERR_UNAVAILABLE) && run_try_again(r))
		return;
	r->failure = a->r.err;
	gh_get_pull(r->m->o.gh, r->row.repo, r->row.pull, on_second_look, r);
}

/* By a method that the rules allow, or into the queue where one is required. A server without rulesets has no queue and allows what the
 * repository does. */
static void on_rules(const struct gh_answer *a, void *arg)
{
	struct run *r = arg;
	if (a->r.err.code != 0 && a->r.err.code != ERR_NOT_FOUND) {
		if ((a->r.err.code == ERR_UNAVAILABLE || a->r.err.code == ERR_PARSE) && run_try_again(r))
			return;
		r->failure = a->r.err;
		run_wake(r);
		return;
	}
	unsigned methods = a->r.err.code == 0 ? a->rules->methods : GH_ANY_METHOD;
	if (a->r.err.code == 0 && a->rules->merge_queue)
		gh_enqueue(r->m->o.gh, r->row.repo, r->row.pull, r->row.head_sha, on_queued, r);
	else
		gh_merge(r->m->o.gh, r->row.repo, r->row.pull, r->row.head_sha, NULL, methods, on_merged, r);
}

static void on_look(const struct gh_answer *a, void *arg)
{
	struct run *r = arg;
	if (!run_pull_answered(r, a))
		return;
	if (r->pull.merged) {
		run_wake(r);
		return;
	}
	if (!r->pull.open) {
		err_set(&r->failure, ERR_REFUSED, "the pull request was closed between the gate and the merge: reopen it, then comment `apply`");
		run_wake(r);
		return;
	}
	if (strcmp(r->pull.head_sha, r->row.head_sha) != 0) {
		err_set(&r->failure, ERR_REFUSED, "a push came between the gate and the merge: the plans are of `%.7s`, the head is `%.7s`", r->row.head_sha,
			r->pull.head_sha);
		run_wake(r);
		return;
	}
	gh_get_rules(r->m->o.gh, r->row.repo, r->row.base_ref, on_rules, r);
}

void run_merging_enter(struct run *r) { gh_get_pull(r->m->o.gh, r->row.repo, r->row.pull, on_look, r); }

void run_merging_drop(struct run *r) { gh_cancel(r->m->o.gh, r); }

/* Merged, or not: the same for both ways. */
static int merge_leave(struct db_conn *c, struct run *r, enum run_state *ret_next, struct err *err)
{
	if (r->failure.code == 0 && r->pull.merge_sha == NULL)
		err_set(&r->failure, ERR_UNAVAILABLE, "GitHub says merged and names no merge commit");
	if (r->failure.code != 0) {
		bool unknown = r->failure.code == ERR_UNAVAILABLE || r->failure.code == ERR_TIMEOUT;
		CLEANUP_FREE char *why =
			xasprintf("apply: %s, nothing was applied: %s%s", unknown ? "GitHub did not say whether it merged" : "not merged",
				  r->failure.msg, unknown ? ". Look at the pull request, then comment `apply` again" : "");
		*ret_next = RUN_REFUSED;
		return run_end_with(c, r, why, err);
	}
	xstrset(&r->row.merge_sha, r->pull.merge_sha);
	*ret_next = RUN_PREPARING;
	return run_set_merge(c, r->row.id, r->row.merge_sha, true, err);
}

int run_merging_leave(struct db_conn *c, struct run *r, enum run_state *ret_next, struct err *err)
{
	if (r->failure.code == 0 && r->queued) {
		*ret_next = RUN_ENQUEUED;
		return 0;
	}
	return merge_leave(c, r, ret_next, err);
}

/* enqueued: GitHub merges when the checks of the queue's own commit are green. Looked at from time to time, since an event may be lost. */

static void look_again(struct run *r) { loop_timer_start(r->timer, QUEUE_LOOK_MS, 0); }

static void on_entry(const struct gh_answer *a, void *arg)
{
	struct run *r = arg;
	if (a->r.err.code != 0 || a->threads->queued) {
		r->tries = 0;
		look_again(r);
	} else if (r->tries < QUEUE_PATIENCE) { /* it may be merging this very moment */
		r->tries++;
		loop_timer_start(r->timer, QUEUE_GONE_MS, 0);
	} else {
		err_set(&r->failure, ERR_REFUSED, "the merge queue let go of it: a check failed there, or somebody took it out");
		run_wake(r);
	}
}

static void on_queue_pull(const struct gh_answer *a, void *arg)
{
	struct run *r = arg;
	if (a->r.err.code != 0) {
		look_again(r);
		return;
	}
	seen_pull_take(&r->pull, a->pull);
	if (r->pull.merged) {
		run_wake(r);
	} else if (!r->pull.open || strcmp(r->pull.head_sha, r->row.head_sha) != 0) {
		err_set(&r->failure, ERR_REFUSED, "%s",
			r->pull.open ? "a push took it out of the merge queue" : "it was closed while it waited in the merge queue");
		run_wake(r);
	} else {
		gh_get_threads(r->m->o.gh, r->row.repo, r->row.pull, on_entry, r);
	}
}

void run_enqueued_enter(struct run *r) { gh_get_pull(r->m->o.gh, r->row.repo, r->row.pull, on_queue_pull, r); }

int run_enqueued_leave(struct db_conn *c, struct run *r, enum run_state *ret_next, struct err *err) { return merge_leave(c, r, ret_next, err); }
