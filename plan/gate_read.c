#include "plan/gate_read_priv.h"

#include "plan/codeowners.h"

#include "base/text.h"

/* GitHub computes mergeability after it is asked: these are the waits between the questions. */
static const int64_t patience_ms[] = {300, 1000, 3000, 7000};

enum {
	AT_ONCE = 6,        /* requests side by side */
	PEOPLE_MAX = 60,    /* reviewers whose permission is asked for; the others stay unknown */
	MEMBERS_MAX = 120,  /* questions about a person and a team */
};

/* One request: waiting, under way, or over. */
struct ask {
	struct gate_reader *r;
	struct ask *next;
	enum gate_read what;
	bool sent, over;
	size_t at;  /* permission: of the review; owners: of the place */
	char *team, *login;
};

struct gate_reader {
	struct gate_question q;
	char *repo;
	bool wants_owners;
	gate_read_cb cb;
	void *arg;
	struct gate_seen seen;
	struct owners owners;
	struct gate_self self;
	struct gate_joined joined;
	struct gh_check_row *rows;
	size_t rows_n;
	struct ask *asks, **tail;
	size_t under_way;
	bool read[GATE_READS]; /* answered with what was asked for */
	bool no_rulesets;      /* the server does not know them */
	unsigned rules_seen;   /* of the two kinds of rules, answered or failed */
	size_t waits;
	struct loop_timer *timer;
	struct role_lookup *role;
};

static void reader_free(struct gate_reader *r)
{
	for (struct ask *a = r->asks, *next; a != NULL; a = next) {
		next = a->next;
		free(a->team);
		free(a->login);
		free(a);
	}
	for (size_t i = 0; i < r->rows_n; i++) {
		free(r->rows[i].name);
		free(r->rows[i].state);
	}
	free(r->rows);
	gate_joined_free(&r->joined);
	owners_free(&r->owners);
	gate_seen_free(&r->seen);
	loop_timer_close(r->timer);
	free(r->repo);
	free(r);
}

static void note_failure(struct gate_reader *r, enum gate_read what, const char *msg)
{
	if (r->seen.failed[what] == NULL)
		r->seen.failed[what] = xstrdup(msg);
}

static bool answered(struct ask *k, const struct gh_answer *a)
{
	if (a->r.err.code != 0)
		note_failure(k->r, k->what, a->r.err.msg);
	else
		k->r->read[k->what] = true;
	return a->r.err.code == 0;
}

static struct ask *ask(struct gate_reader *r, enum gate_read what)
{
	struct ask *k = xcalloc(1, sizeof(*k));
	*k = (struct ask){.r = r, .what = what};
	*r->tail = k;
	r->tail = &k->next;
	return k;
}

/* --- what each answer brings --- */

static char *taken(struct buf *b)
{
	char *s = b->len != 0 ? buf_take(b) : NULL;
	buf_free(b);
	return s;
}

static void ask_people(struct gate_reader *r)
{
	const struct review_list *l = &r->seen.heard->reviews;
	for (size_t i = 0; i < l->n && i < PEOPLE_MAX; i++)
		ask(r, GATE_READ_PERMISSION)->at = i;
}

/* Every team that owns a changed path, about everybody who approves. */
static void ask_teams(struct gate_reader *r)
{
	struct strlist teams = {0};
	const struct review_list *l = &r->seen.heard->reviews;
	size_t asked = 0;
	for (size_t i = 0; i < r->owners.sets_n; i++)
		for (size_t k = 0; k < r->owners.sets[i].owners.n; k++) {
			const char *owner = r->owners.sets[i].owners.v[k];
			if (codeowners_kind(owner) == OWNER_TEAM && !strlist_has(&teams, owner + 1))
				strlist_add(&teams, owner + 1);
		}
	for (size_t i = 0; i < teams.n; i++)
		for (size_t k = 0; k < l->n; k++) {
			if (!l->v[k].approves || asked++ >= MEMBERS_MAX)
				continue;
			struct ask *q = ask(r, GATE_READ_TEAM);
			q->team = xstrdup(teams.v[i]);
			q->login = xstrdup(l->v[k].login);
		}
	if (asked > MEMBERS_MAX)
		note_failure(r, GATE_READ_TEAM, "there are too many teams and approvals to ask about each");
	strlist_free(&teams);
}

static void got_reviews(struct ask *k, const struct gh_answer *a)
{
	struct gate_reader *r = k->r;
	if (!answered(k, a))
		return;
	r->seen.facts.reviews_read = TRI_YES;
	gate_reviews_keep(a->reviews, &r->seen.heard->reviews);
	ask_people(r);
	ask_teams(r);
}

static void got_permission(struct ask *k, const struct gh_answer *a)
{
	struct review *v = &k->r->seen.heard->reviews.v[k->at];
	if (a->r.status == 404) /* no collaborator */
		v->writes = TRI_NO;
	else if (answered(k, a) && a->permission != NULL)
		v->writes = strcmp(a->permission, "admin") == 0 || strcmp(a->permission, "write") == 0 ? TRI_YES : TRI_NO;
}

static void got_commits(struct ask *k, const struct gh_answer *a)
{
	struct buf unsigned_commits = {0};
	struct gate_seen *s = &k->r->seen;
	if (!answered(k, a))
		return;
	s->heard->committers_read = TRI_YES;
	s->facts.signed_all = gate_commits_judge(a->commits, &s->heard->committers, &unsigned_commits);
	s->unsigned_commits = taken(&unsigned_commits);
}

/* Both kinds of rules are known, or known not to be: what they make necessary is asked. */
static void rules_joined(struct gate_reader *r)
{
	if (++r->rules_seen < 2)
		return;
	if (r->seen.facts.threads_needed)
		(void)ask(r, GATE_READ_THREADS);
	if (r->seen.facts.deployments_needed)
		(void)ask(r, GATE_READ_DEPLOYMENTS);
}

static void got_rules(struct ask *k, const struct gh_answer *a)
{
	struct gate_reader *r = k->r;
	r->no_rulesets = k->what == GATE_READ_RULES && a->r.err.code == ERR_NOT_FOUND;
	if (!r->no_rulesets && answered(k, a))
		gate_rules_join(a->rules, &r->joined, &r->seen.facts, &r->seen.heard->needs);
	rules_joined(r);
}

static void got_branch(struct ask *k, const struct gh_answer *a)
{
	if (!answered(k, a))
		return;
	k->r->seen.facts.base_protected = a->yes == 1 ? TRI_YES : TRI_NO;
	k->r->seen.heard->base_tip = xstrdup(a->sha);
}

/* Kept until it is known who we are and what is required. */
static void got_checks(struct ask *k, const struct gh_answer *a)
{
	struct gate_reader *r = k->r;
	if (!answered(k, a))
		return;
	r->rows = xcalloc(a->checks_n + 1, sizeof(*r->rows));
	r->rows_n = a->checks_n;
	for (size_t i = 0; i < a->checks_n; i++) {
		r->rows[i] = a->checks[i];
		r->rows[i].name = xstrdup(a->checks[i].name);
		r->rows[i].state = xstrdup(a->checks[i].state);
	}
}

static void got_self(struct ask *k, const struct gh_answer *a)
{
	if (answered(k, a))
		k->r->self.user_id = a->user->id;
}

static void got_threads(struct ask *k, const struct gh_answer *a)
{
	struct gate_facts *f = &k->r->seen.facts;
	if (!answered(k, a))
		return;
	f->threads_open = a->threads->unresolved;
	f->threads_resolved = a->threads->unresolved == 0 ? TRI_YES : TRI_NO;
}

static void got_deployments(struct ask *k, const struct gh_answer *a)
{
	struct buf missing = {0};
	if (!answered(k, a))
		return;
	k->r->seen.facts.deployed = gate_deployments_judge(&k->r->joined.environments, a->deployments, &missing);
	k->r->seen.deployments_missing = taken(&missing);
}

/* The first place that has the file decides, as when it was planned. */
static void got_owners(struct ask *k, const struct gh_answer *a)
{
	struct gate_reader *r = k->r;
	if (!answered(k, a))
		return;
	if (a->sha != NULL)
		r->seen.heard->owners_id = xstrdup(a->sha);
	else if (k->at + 1 < CODEOWNERS_PLACES)
		ask(r, GATE_READ_OWNERS)->at = k->at + 1;
	else
		r->seen.heard->owners_id = xstrdup("");
}

static void got_team(struct ask *k, const struct gh_answer *a)
{
	bool known = a->r.status == 404 || answered(k, a);
	enum tri active = !known ? TRI_UNKNOWN : a->r.err.code == 0 && a->yes == 1 ? TRI_YES : TRI_NO;
	gate_heard_add_member(k->r->seen.heard, k->team, k->login, active);
}

static void got_pull(struct ask *k, const struct gh_answer *a);
static void on_role(enum role role, const char *failed, void *arg);

/* --- one row for each kind of request --- */

static void on_answer(const struct gh_answer *a, void *arg);

static void send(struct ask *k)
{
	struct gate_reader *r = k->r;
	const struct gate_seen *s = &r->seen;
	struct gh *g = r->q.gh;
	switch (k->what) {
	case GATE_READ_PULL: gh_get_pull(g, r->repo, r->q.pull, on_answer, k); break;
	case GATE_READ_REVIEWS: gh_get_reviews(g, r->repo, r->q.pull, on_answer, k); break;
	case GATE_READ_PERMISSION: gh_get_permission(g, r->repo, s->heard->reviews.v[k->at].login, on_answer, k); break;
	case GATE_READ_COMMITS: gh_get_commits(g, r->repo, r->q.pull, on_answer, k); break;
	case GATE_READ_RULES: gh_get_rules(g, r->repo, s->base_ref, on_answer, k); break;
	case GATE_READ_CLASSIC: gh_get_classic(g, r->repo, s->base_ref, on_answer, k); break;
	case GATE_READ_BRANCH: gh_get_protection(g, r->repo, s->base_ref, on_answer, k); break;
	case GATE_READ_CHECKS: gh_get_checks(g, r->repo, s->head_sha, "", on_answer, k); break;
	case GATE_READ_SELF: gh_get_self(g, on_answer, k); break;
	case GATE_READ_THREADS: gh_get_threads(g, r->repo, r->q.pull, on_answer, k); break;
	case GATE_READ_DEPLOYMENTS: gh_get_deployments(g, r->repo, s->head_sha, on_answer, k); break;
	case GATE_READ_OWNERS: gh_get_contents_id(g, r->repo, codeowners_places[k->at], s->base_ref, on_answer, k); break;
	case GATE_READ_TEAM: {
		CLEANUP_FREE char *org = xstrndup(k->team, strcspn(k->team, "/"));
		gh_get_team_member(g, org, k->team + strlen(org) + 1, k->login, on_answer, k);
		break;
	}
	case GATE_READ_ROLE: r->role = role_lookup_start(g, r->q.config, r->repo, r->q.asker, on_role, k); break;
	case GATE_READS: break;
	}
}

static void (*const got[GATE_READS])(struct ask *k, const struct gh_answer *a) = {
	[GATE_READ_PULL] = got_pull,       [GATE_READ_REVIEWS] = got_reviews, [GATE_READ_PERMISSION] = got_permission,
	[GATE_READ_COMMITS] = got_commits, [GATE_READ_RULES] = got_rules,     [GATE_READ_CLASSIC] = got_rules,
	[GATE_READ_BRANCH] = got_branch,   [GATE_READ_CHECKS] = got_checks,   [GATE_READ_SELF] = got_self,
	[GATE_READ_THREADS] = got_threads, [GATE_READ_DEPLOYMENTS] = got_deployments,
	[GATE_READ_OWNERS] = got_owners,   [GATE_READ_TEAM] = got_team,
};

/* --- the end --- */

static void settle_checks(struct gate_reader *r)
{
	struct gate_seen *s = &r->seen;
	struct buf failing = {0}, missing = {0};
	bool known = r->read[GATE_READ_CHECKS] && r->read[GATE_READ_SELF];
	enum tri ok = gate_checks_judge(r->rows, r->rows_n, &r->self, &failing);
	enum tri required = gate_required_judge(&r->joined, r->rows, r->rows_n, &r->self, &s->facts.required_any, &missing);
	if (known) {
		s->facts.checks_ok = ok;
		s->failing = taken(&failing);
		s->facts.required_ok = required;
		s->required_missing = taken(&missing);
	}
	buf_free(&failing);
	buf_free(&missing);
}

static void settle_rules(struct gate_reader *r)
{
	struct gate_seen *s = &r->seen;
	struct buf unseen = {0};
	/* a server without rulesets answers as if there were no such thing; the branch itself was there */
	bool rulesets = r->read[GATE_READ_RULES] || (r->no_rulesets && r->read[GATE_READ_BRANCH]);
	if (r->no_rulesets && !rulesets)
		note_failure(r, GATE_READ_RULES, "the rules of the branch were not found");
	s->facts.rules_read = rulesets && r->read[GATE_READ_CLASSIC] ? TRI_YES : TRI_UNKNOWN;
	for (size_t i = 0; i < r->joined.unseen.n; i++)
		buf_printf(&unseen, "%s`%s`", i != 0 ? ", " : "", r->joined.unseen.v[i]);
	s->rules_unseen = taken(&unseen);
}

static void finish(struct gate_reader *r)
{
	if (r->read[GATE_READ_PULL]) {
		settle_rules(r);
		settle_checks(r);
	}
	gate_seen_lend(&r->seen);
	r->cb(&r->seen, r->arg);
	reader_free(r);
}

/* Sends what may be sent. The reader is gone when nothing is left. */
static void pump(struct gate_reader *r)
{
	for (struct ask *k = r->asks; k != NULL && r->under_way < AT_ONCE; k = k->next) {
		if (k->sent)
			continue;
		k->sent = true;
		r->under_way++;
		send(k);
	}
	if (r->under_way == 0)
		finish(r);
}

static void over(struct ask *k)
{
	k->over = true;
	k->r->under_way--;
	pump(k->r);
}

static void on_answer(const struct gh_answer *a, void *arg)
{
	struct ask *k = arg;
	got[k->what](k, a);
	over(k);
}

static void on_role(enum role role, const char *failed, void *arg)
{
	struct ask *k = arg;
	k->r->role = NULL;
	if (failed != NULL)
		note_failure(k->r, GATE_READ_ROLE, failed);
	else
		k->r->seen.facts.may_apply = role >= (k->r->q.destroys ? ROLE_ADMIN : ROLE_APPLY) ? TRI_YES : TRI_NO;
	over(k);
}

/* --- the beginning --- */

static void ask_the_rest(struct gate_reader *r)
{
	static const enum gate_read first[] = {GATE_READ_REVIEWS, GATE_READ_RULES,  GATE_READ_CLASSIC, GATE_READ_COMMITS,
					       GATE_READ_BRANCH,  GATE_READ_CHECKS, GATE_READ_SELF};
	for (size_t i = 0; i < ARRAY_LEN(first); i++)
		(void)ask(r, first[i]);
	if (r->wants_owners)
		(void)ask(r, GATE_READ_OWNERS);
	if (r->q.asker != NULL)
		(void)ask(r, GATE_READ_ROLE);
	else
		r->seen.facts.may_apply = TRI_YES; /* who could merge asked for it by merging */
}

static void ask_again(void *arg)
{
	struct gate_reader *r = arg;
	(void)ask(r, GATE_READ_PULL);
	r->under_way--; /* the wait is over */
	pump(r);
}

static void got_pull(struct ask *k, const struct gh_answer *a)
{
	struct gate_reader *r = k->r;
	struct gate_facts *f = &r->seen.facts;
	if (!answered(k, a))
		return; /* everything else hangs on it */
	const struct gh_pull *p = a->pull;
	if (p->open && !p->merged && p->mergeable < 0 && r->waits < ARRAY_LEN(patience_ms)) {
		r->under_way++; /* the wait */
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
	r->seen.heard->author_id = p->author.id;
	strlist_copy(&r->seen.heard->labels, &p->labels);
	ask_the_rest(r);
}

struct gate_reader *gate_read_start(const struct gate_question *q, gate_read_cb cb, void *arg)
{
	struct gate_reader *r = xcalloc(1, sizeof(*r));
	*r = (struct gate_reader){.q = *q, .repo = xstrdup(q->repo), .wants_owners = q->owners != NULL, .cb = cb, .arg = arg};
	r->self.app_id = q->config->app_id;
	r->tail = &r->asks;
	r->seen.asker = xstrdup(q->asker);
	r->q.asker = r->seen.asker; /* the caller's may be gone by then */
	r->seen.heard = xcalloc(1, sizeof(*r->seen.heard));
	r->seen.heard->plan_expiry_ms = q->config->plan_expiry_ms;
	if (owners_read(q->owners, &r->owners, NULL) != 0)
		r->owners = (struct owners){0}; /* the writer thread says so */
	r->timer = loop_timer_new(q->loop, ask_again, r);
	r->seen.facts.destroys = q->destroys;
	r->q.owners = NULL; /* the caller's */
	(void)ask(r, GATE_READ_PULL);
	pump(r);
	return r;
}

void gate_read_cancel(struct gate_reader *r)
{
	if (r == NULL)
		return;
	for (struct ask *k = r->asks; k != NULL; k = k->next)
		if (k->sent && !k->over)
			gh_cancel(r->q.gh, k);
	role_lookup_cancel(r->role);
	reader_free(r);
}
