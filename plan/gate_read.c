#include "plan/gate_read.h"

/* GitHub computes mergeability after it is asked: these are the waits between the questions. */
static const int64_t patience_ms[] = {300, 1000, 3000, 7000};

struct gate_reader {
	struct gate_question q;
	char *repo;
	gate_read_cb cb;
	void *arg;
	struct gate_seen seen;
	struct strlist approvers; /* logins whose latest review approves the head */
	size_t checked;
	size_t waits;
	struct loop_timer *timer;
	struct role_lookup *role;
};

void gate_seen_free(struct gate_seen *s)
{
	char **owned[] = {&s->head_sha, &s->base_ref, &s->merge_sha, &s->author, &s->mergeable_state, &s->failing, &s->failed, &s->asker};
	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		free(*owned[i]);
	*s = (struct gate_seen){0};
}

static void reader_free(struct gate_reader *r)
{
	gate_seen_free(&r->seen);
	strlist_free(&r->approvers);
	loop_timer_close(r->timer);
	free(r->repo);
	free(r);
}

static void finish(struct gate_reader *r)
{
	struct gate_facts *f = &r->seen.facts;
	f->base_ref = r->seen.base_ref;
	f->mergeable_state = r->seen.mergeable_state;
	f->checks_failing = r->seen.failing;
	f->failed_fact = r->seen.failed;
	f->asker = r->seen.asker;
	r->cb(&r->seen, r->arg);
	reader_free(r);
}

static void note_failure(struct gate_reader *r, const char *msg)
{
	if (r->seen.failed == NULL)
		r->seen.failed = xstrdup(msg);
}

static bool answered(struct gate_reader *r, const struct gh_answer *a)
{
	if (a->r.err.code != 0)
		note_failure(r, a->r.err.msg);
	return a->r.err.code == 0;
}

static void on_role(enum role role, const char *failed, void *arg)
{
	struct gate_reader *r = arg;
	r->role = NULL;
	if (failed != NULL)
		note_failure(r, failed);
	else
		r->seen.facts.may_apply = role >= ROLE_APPLY ? TRI_YES : TRI_NO;
	finish(r);
}

static void on_checks(const struct gh_answer *a, void *arg)
{
	struct gate_reader *r = arg;
	if (answered(r, a)) {
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
	if (answered(r, a))
		r->seen.facts.base_protected = a->yes == 1 ? TRI_YES : TRI_NO;
	gh_get_checks(r->q.gh, r->repo, r->seen.head_sha, "sluice", on_checks, r);
}

static void next_approver(struct gate_reader *r);

static void on_approver(const struct gh_answer *a, void *arg)
{
	struct gate_reader *r = arg;
	bool writes = a->r.err.code == 0 && a->permission != NULL && (strcmp(a->permission, "admin") == 0 || strcmp(a->permission, "write") == 0);
	if (writes)
		r->seen.facts.approvals++;
	else if (a->r.status != 404 && !answered(r, a))
		r->seen.facts.reviews_read = TRI_UNKNOWN;
	r->checked++;
	next_approver(r);
}

static void next_approver(struct gate_reader *r)
{
	if (r->checked < r->approvers.n)
		gh_get_permission(r->q.gh, r->repo, r->approvers.v[r->checked], on_approver, r);
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

static void on_reviews(const struct gh_answer *a, void *arg)
{
	struct gate_reader *r = arg;
	struct gate_facts *f = &r->seen.facts;
	if (answered(r, a)) {
		f->reviews_read = TRI_YES;
		for (size_t i = 0; i < a->reviews->n; i++) {
			const struct gh_review *v = &a->reviews->v[i];
			if (v->user.id == 0 || v->user.bot || strcmp(v->user.login, r->seen.author) == 0 || !is_latest(a->reviews, i))
				continue;
			if (strcmp(v->state, "CHANGES_REQUESTED") == 0)
				f->changes_requested++;
			else if (strcmp(v->state, "APPROVED") == 0 && v->commit_id != NULL && strcmp(v->commit_id, r->seen.head_sha) == 0)
				strlist_add(&r->approvers, v->user.login);
			else if (strcmp(v->state, "APPROVED") == 0)
				f->stale_approvals = true;
		}
	}
	next_approver(r);
}

static void ask_pull(void *arg);

static void on_pull(const struct gh_answer *a, void *arg)
{
	struct gate_reader *r = arg;
	struct gate_facts *f = &r->seen.facts;
	if (!answered(r, a)) {
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
