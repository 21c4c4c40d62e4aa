#include "plan/gate_read.h"

/* GitHub computes mergeability after it is asked: these are the waits between the questions. */
static const int64_t patience_ms[] = {300, 1000, 3000, 7000};

struct gate_reader {
	struct gate_question q;
	char *repo;
	gate_read_cb cb;
	void *arg;
	struct gate_seen seen;
	size_t checked;
	size_t waits;
	struct loop_timer *timer;
	struct role_lookup *role;
};

static void reader_free(struct gate_reader *r)
{
	gate_seen_free(&r->seen);
	loop_timer_close(r->timer);
	free(r->repo);
	free(r);
}

static void finish(struct gate_reader *r)
{
	gate_seen_lend(&r->seen);
	r->cb(&r->seen, r->arg);
	reader_free(r);
}

static void note_failure(struct gate_reader *r, enum gate_read what, const char *msg)
{
	if (r->seen.failed[what] == NULL)
		r->seen.failed[what] = xstrdup(msg);
}

static bool answered(struct gate_reader *r, enum gate_read what, const struct gh_answer *a)
{
	if (a->r.err.code != 0)
		note_failure(r, what, a->r.err.msg);
	return a->r.err.code == 0;
}

static void on_role(enum role role, const char *failed, void *arg)
{
	struct gate_reader *r = arg;
	r->role = NULL;
	if (failed != NULL)
		note_failure(r, GATE_READ_ROLE, failed);
	else
		r->seen.facts.may_apply = role >= ROLE_APPLY ? TRI_YES : TRI_NO;
	finish(r);
}

static void on_checks(const struct gh_answer *a, void *arg)
{
	struct gate_reader *r = arg;
	if (answered(r, GATE_READ_CHECKS, a)) {
		r->seen.facts.checks_ok = a->yes == 1 ? TRI_YES : TRI_NO;
		r->seen.failing = xstrdup(a->names);
	}
	if (r->q.asker == NULL) {
		r->seen.facts.may_apply = TRI_YES; /* who could merge asked for it by merging */
		finish(r);
		return;
	}
	r->seen.asker = xstrdup(r->q.asker);
	r->role = role_lookup_start(r->q.gh, r->q.config, r->repo, r->q.asker, on_role, r);
}

static void on_protection(const struct gh_answer *a, void *arg)
{
	struct gate_reader *r = arg;
	if (answered(r, GATE_READ_BRANCH, a)) {
		r->seen.facts.base_protected = a->yes == 1 ? TRI_YES : TRI_NO;
		r->seen.facts.rules_read = TRI_YES;
	}
	gh_get_checks(r->q.gh, r->repo, r->seen.head_sha, "sluice", on_checks, r);
}

static void next_approver(struct gate_reader *r);

static void on_approver(const struct gh_answer *a, void *arg)
{
	struct gate_reader *r = arg;
	bool writes = a->r.err.code == 0 && a->permission != NULL && (strcmp(a->permission, "admin") == 0 || strcmp(a->permission, "write") == 0);
	bool known = a->r.status == 404 || answered(r, GATE_READ_PERMISSION, a);
	r->seen.heard->reviews.v[r->checked++].writes = !known ? TRI_UNKNOWN : writes ? TRI_YES : TRI_NO;
	next_approver(r);
}

static void next_approver(struct gate_reader *r)
{
	if (r->checked < r->seen.heard->reviews.n)
		gh_get_permission(r->q.gh, r->repo, r->seen.heard->reviews.v[r->checked].login, on_approver, r);
	else
		gh_get_protection(r->q.gh, r->repo, r->seen.base_ref, on_protection, r);
}

/* Is there a later review by the same person that says something? Comments say nothing about approval. */
static bool is_latest(const struct gh_reviews *all, size_t at)
{
	for (size_t i = at + 1; i < all->n; i++)
		if (all->v[i].user.id == all->v[at].user.id && strcmp(all->v[i].state, "COMMENTED") != 0 && strcmp(all->v[i].state, "PENDING") != 0)
			return false;
	return true;
}

static void keep_review(struct gate_heard *h, const struct gh_review *v)
{
	struct review *k = review_list_add(&h->reviews, v->user.id, v->user.login);
	k->bot = v->user.bot;
	k->approves = strcmp(v->state, "APPROVED") == 0;
	k->commit_id = xstrdup(v->commit_id);
	k->submitted_ms = v->submitted_ms;
}

static void on_reviews(const struct gh_answer *a, void *arg)
{
	struct gate_reader *r = arg;
	if (answered(r, GATE_READ_REVIEWS, a)) {
		r->seen.facts.reviews_read = TRI_YES;
		r->seen.heard->committers_read = TRI_YES;
		for (size_t i = 0; i < a->reviews->n; i++) {
			const struct gh_review *v = &a->reviews->v[i];
			bool says = strcmp(v->state, "CHANGES_REQUESTED") == 0 || strcmp(v->state, "APPROVED") == 0;
			if (says && v->user.id != 0 && is_latest(a->reviews, i))
				keep_review(r->seen.heard, v);
		}
	}
	next_approver(r);
}

static void ask_pull(void *arg);

static void on_pull(const struct gh_answer *a, void *arg)
{
	struct gate_reader *r = arg;
	struct gate_facts *f = &r->seen.facts;
	if (!answered(r, GATE_READ_PULL, a)) {
		finish(r); /* everything else hangs on it */
		return;
	}
	const struct gh_pull *p = a->pull;
	if (p->open && !p->merged && p->mergeable < 0 && r->waits < ARRAY_LEN(patience_ms)) {
		loop_timer_start(r->timer, patience_ms[r->waits++], 0);
		return;
	}
	f->open = p->open ? TRI_YES : TRI_NO;
	f->draft = p->draft ? TRI_YES : TRI_NO;
	f->merged = p->merged ? TRI_YES : TRI_NO;
	f->mergeable = p->mergeable < 0 ? TRI_UNKNOWN : p->mergeable != 0 ? TRI_YES : TRI_NO;
	r->seen.head_sha = xstrdup(p->head_sha);
	r->seen.base_ref = xstrdup(p->base_ref);
	r->seen.author = xstrdup(p->author.login);
	r->seen.heard->author_id = p->author.id;
	strlist_copy(&r->seen.heard->labels, &p->labels);
	r->seen.mergeable_state = xstrdup(p->mergeable_state);
	r->seen.merge_sha = p->merged ? xstrdup(p->merge_commit_sha) : NULL;
	gh_get_reviews(r->q.gh, r->repo, r->q.pull, on_reviews, r);
}

static void ask_pull(void *arg)
{
	struct gate_reader *r = arg;
	gh_get_pull(r->q.gh, r->repo, r->q.pull, on_pull, r);
}

struct gate_reader *gate_read_start(const struct gate_question *q, gate_read_cb cb, void *arg)
{
	struct gate_reader *r = xcalloc(1, sizeof(*r));
	r->q = *q;
	r->repo = xstrdup(q->repo);
	r->cb = cb;
	r->arg = arg;
	r->seen.heard = xcalloc(1, sizeof(*r->seen.heard));
	r->seen.heard->plan_expiry_ms = q->config->plan_expiry_ms;
	r->timer = loop_timer_new(q->loop, ask_pull, r);
	ask_pull(r);
	return r;
}

void gate_read_cancel(struct gate_reader *r)
{
	if (r == NULL)
		return;
	gh_cancel(r->q.gh, r);
	role_lookup_cancel(r->role);
	reader_free(r);
}
