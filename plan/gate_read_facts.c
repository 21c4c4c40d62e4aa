#include "plan/gate_read_priv.h"

#include "base/text.h"

enum { NAMES_TOLD = 20 }; /* names in one sentence; the rest is counted */

/* --- rules --- */

void gate_joined_free(struct gate_joined *j)
{
	for (size_t i = 0; i < j->checks_n; i++)
		free(j->checks[i].context);
	free(j->checks);
	strlist_free(&j->environments);
	strlist_free(&j->unseen);
	*j = (struct gate_joined){0};
}

/* Rules that have nothing to say about the merge of a pull request. */
static bool is_harmless(const char *type)
{
	static const char *const types[] = {"creation", "deletion", "non_fast_forward", "required_linear_history"};
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(types[i], type) == 0)
			return true;
	return false;
}

static void add_once(struct strlist *l, const char *s)
{
	if (!strlist_has(l, s))
		strlist_add(l, s);
}

/* By name, whichever kind of rule answered first; each once. */
static void add_check(struct gate_joined *j, const char *context, int64_t app_id)
{
	size_t at = 0;
	while (at < j->checks_n && strcmp(j->checks[at].context, context) < 0)
		at++;
	for (size_t i = at; i < j->checks_n && strcmp(j->checks[i].context, context) == 0; i++)
		if (j->checks[i].app_id == app_id)
			return;
	j->checks = xreallocarray(j->checks, j->checks_n + 1, sizeof(*j->checks));
	memmove(&j->checks[at + 1], &j->checks[at], (j->checks_n++ - at) * sizeof(*j->checks));
	j->checks[at] = (struct gate_required){xstrdup(context), app_id};
}

void gate_rules_join(const struct gh_rules *rules, struct gate_joined *j, struct gate_facts *f, struct gate_needs *needs)
{
	if (needs->approvals < (int)rules->approvals)
		needs->approvals = (int)rules->approvals;
	needs->dismiss_stale |= rules->dismiss_stale;
	needs->code_owners |= rules->code_owners;
	needs->last_push |= rules->last_push;
	needs->strict |= rules->strict;
	f->threads_needed |= rules->threads_resolved;
	f->signatures_needed |= rules->signatures;
	f->locked_branch |= rules->locked;
	f->queue_required |= rules->merge_queue;
	f->deployments_needed |= rules->environments.n != 0;
	for (size_t i = 0; i < rules->environments.n; i++)
		add_once(&j->environments, rules->environments.v[i]);
	if (rules->reviewers)
		add_once(&j->unseen, "required_reviewers");
	for (size_t i = 0; i < rules->others.n; i++)
		if (!is_harmless(rules->others.v[i]))
			add_once(&j->unseen, rules->others.v[i]);
	for (size_t i = 0; i < rules->checks_n; i++)
		add_check(j, rules->checks[i].context, rules->checks[i].app_id);
}

/* --- checks --- */

bool gate_name_is_ours(const char *name)
{
	static const char ours[] = "sluice";
	if (!text_starts(name, ours))
		return false;
	char next = name[sizeof(ours) - 1];
	return next == '\0' || next == '/' || next == ' ' || next == ':';
}

/* Anybody with write permission can post a status under any name, so the name alone makes nothing ours. */
bool gate_row_is_ours(const struct gh_check_row *row, const struct gate_self *self)
{
	if (!gate_name_is_ours(row->name))
		return false;
	if (row->run)
		return self->app_id != 0 && row->app_id == self->app_id;
	return self->user_id != 0 && row->creator_id == self->user_id;
}

/* GitHub adds words: what is not known to be fine is not fine. */
static bool is_green(const struct gh_check_row *row)
{
	if (strcmp(row->state, "success") == 0)
		return true;
	return row->run && (strcmp(row->state, "neutral") == 0 || strcmp(row->state, "skipped") == 0);
}

static void add_name(struct buf *out, size_t *told, const char *name, const char *how)
{
	if ((*told)++ < NAMES_TOLD)
		buf_printf(out, "%s`%s`%s", out->len != 0 ? ", " : "", name, how);
}

static void add_rest(struct buf *out, size_t told)
{
	if (told > NAMES_TOLD)
		buf_printf(out, " and %zu more", told - NAMES_TOLD);
}

enum tri gate_checks_judge(const struct gh_check_row *rows, size_t n, const struct gate_self *self, struct buf *failing)
{
	size_t told = 0;
	for (size_t i = 0; i < n; i++)
		if (!gate_row_is_ours(&rows[i], self) && !is_green(&rows[i]))
			add_name(failing, &told, rows[i].name, strcmp(rows[i].state, "pending") == 0 ? " is running" : "");
	add_rest(failing, told);
	return told == 0 ? TRI_YES : TRI_NO;
}

/* A required check of ours waits for this very decision. One that is pinned to another App is that App's, whatever its name. */
static bool requires_us(const struct gate_required *q, const struct gate_self *self)
{
	return gate_name_is_ours(q->context) && (q->app_id == 0 || (self->app_id != 0 && q->app_id == self->app_id));
}

/* One required check: every row of that name counts, from the App that the rule names. A status does not tell its App. */
static enum tri judge_one(const struct gate_required *q, const struct gh_check_row *rows, size_t n, const char **ret_how)
{
	bool found = false, unsure = false;
	*ret_how = " is missing";
	for (size_t i = 0; i < n; i++) {
		const struct gh_check_row *row = &rows[i];
		if (!text_same_case(row->name, q->context) || (q->app_id != 0 && row->run && row->app_id != q->app_id))
			continue;
		if (!is_green(row)) {
			*ret_how = strcmp(row->state, "pending") == 0 ? " is running" : " failed";
			return TRI_NO;
		}
		found |= q->app_id == 0 || row->run;
		unsure |= q->app_id != 0 && !row->run;
	}
	if (found)
		return TRI_YES;
	*ret_how = unsure ? "" : " is missing";
	return unsure ? TRI_UNKNOWN : TRI_NO;
}

enum tri gate_required_judge(const struct gate_joined *j, const struct gh_check_row *rows, size_t n, const struct gate_self *self, bool *ret_any,
			     struct buf *missing)
{
	struct buf unsure = {0};
	size_t told = 0, doubts = 0;
	*ret_any = false;
	for (size_t i = 0; i < j->checks_n; i++) {
		const char *how;
		if (requires_us(&j->checks[i], self))
			continue;
		*ret_any = true;
		enum tri one = judge_one(&j->checks[i], rows, n, &how);
		if (one == TRI_NO)
			add_name(missing, &told, j->checks[i].context, how);
		else if (one == TRI_UNKNOWN)
			add_name(&unsure, &doubts, j->checks[i].context, how);
	}
	add_rest(missing, told);
	add_rest(&unsure, doubts);
	if (told == 0)
		buf_adds(missing, buf_str(&unsure));
	buf_free(&unsure);
	return told != 0 ? TRI_NO : doubts != 0 ? TRI_UNKNOWN : TRI_YES;
}

/* --- the rest --- */

enum tri gate_deployments_judge(const struct strlist *environments, const struct gh_deployments *d, struct buf *missing)
{
	size_t told = 0;
	for (size_t i = 0; i < environments->n; i++) {
		const char *state = NULL;
		for (size_t k = 0; k < d->n && state == NULL; k++)
			if (strcmp(d->v[k].environment, environments->v[i]) == 0)
				state = d->v[k].state;
		if (state == NULL || strcmp(state, "success") != 0)
			add_name(missing, &told, environments->v[i], state == NULL ? "" : " did not succeed");
	}
	add_rest(missing, told);
	return told == 0 ? TRI_YES : TRI_NO;
}

enum tri gate_commits_judge(const struct gh_commits *commits, struct person_list *people, struct buf *unsigned_commits)
{
	size_t told = 0;
	for (size_t i = 0; i < commits->n; i++) {
		const struct gh_commit *c = &commits->v[i];
		person_list_add(people, c->author.id, c->author.login);
		person_list_add(people, c->committer.id, c->committer.login);
		CLEANUP_FREE char *name = xstrndup(c->sha, strlen(c->sha) < 7 ? strlen(c->sha) : 7);
		if (!c->verified)
			add_name(unsigned_commits, &told, name, "");
	}
	add_rest(unsigned_commits, told);
	return told == 0 ? TRI_YES : TRI_NO;
}

static bool says_something(const struct gh_review *v) { return strcmp(v->state, "COMMENTED") != 0 && strcmp(v->state, "PENDING") != 0; }

static bool is_latest(const struct gh_reviews *all, size_t at)
{
	for (size_t i = at + 1; i < all->n; i++)
		if (all->v[i].user.id == all->v[at].user.id && says_something(&all->v[i]))
			return false;
	return true;
}

void gate_reviews_keep(const struct gh_reviews *all, struct review_list *ret)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct gh_review *v = &all->v[i];
		bool approves = strcmp(v->state, "APPROVED") == 0;
		if (v->user.id == 0 || (!approves && strcmp(v->state, "CHANGES_REQUESTED") != 0) || !is_latest(all, i))
			continue;
		struct review *k = review_list_add(ret, v->user.id, v->user.login);
		k->bot = v->user.bot;
		k->approves = approves;
		k->commit_id = xstrdup(v->commit_id);
		k->submitted_ms = v->submitted_ms;
	}
}
