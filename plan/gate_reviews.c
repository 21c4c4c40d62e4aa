/* What the reviews are worth: approvals that count for the plans, and the owners who have to be among them. Pure. */
#include "base/json.h"
#include "base/text.h"
#include "plan/gate_own.h"

enum { OWNERS_TOLD = 3 }; /* owner sets named in one sentence */

const char *gate_blocking_label(const struct strlist *labels, const struct strlist *blocked_by)
{
	for (size_t i = 0; i < labels->n; i++)
		for (size_t k = 0; k < blocked_by->n; k++)
			if (text_same_case(labels->v[i], blocked_by->v[k]))
				return labels->v[i];
	return NULL;
}

static bool has_login(const struct strlist *l, const char *login)
{
	for (size_t i = 0; i < l->n; i++)
		if (text_same_case(l->v[i], login))
			return true;
	return false;
}

/* Is one of these people an active member of a team ("acme/platform")? Unknown when that of one could not be read. */
static enum tri any_member(const struct gate_heard *h, const char *team, const struct strlist *people)
{
	enum tri answer = TRI_NO;
	for (size_t i = 0; i < people->n; i++) {
		enum tri one = TRI_UNKNOWN;
		for (size_t k = 0; k < h->members_n; k++)
			if (text_same_case(h->members[k].team, team) && text_same_case(h->members[k].login, people->v[i]))
				one = h->members[k].active;
		if (one == TRI_YES)
			return TRI_YES;
		if (one == TRI_UNKNOWN)
			answer = TRI_UNKNOWN;
	}
	return answer;
}

static enum tri owner_in(const struct gate_heard *h, const char *owner, const struct strlist *people)
{
	switch (codeowners_kind(owner)) {
	case OWNER_USER: return has_login(people, owner + 1) ? TRI_YES : TRI_NO;
	case OWNER_TEAM: return any_member(h, owner + 1, people);
	case OWNER_EMAIL: return people->n != 0 ? TRI_UNKNOWN : TRI_NO; /* GitHub tells nobody's address */
	case OWNER_BAD: break;
	}
	return TRI_NO;
}

/* One owner is enough; an approval that is not sure makes at most an unknown. */
static enum tri judge_set(const struct gate_heard *h, const struct owner_set *s, const struct approval_result *approvals)
{
	enum tri answer = TRI_NO;
	for (size_t i = 0; i < s->owners.n; i++) {
		enum tri sure = owner_in(h, s->owners.v[i], &approvals->by);
		if (sure == TRI_YES)
			return TRI_YES;
		if (sure == TRI_UNKNOWN || owner_in(h, s->owners.v[i], &approvals->maybe) != TRI_NO)
			answer = TRI_UNKNOWN;
	}
	return answer;
}

static void name_set(struct buf *out, const struct owner_set *s)
{
	buf_printf(out, "%s`%s` (line %d:", out->len != 0 ? ", " : "", s->path, s->line);
	for (size_t i = 0; i < s->owners.n; i++)
		buf_printf(out, "%s `%s`", i != 0 ? " or" : "", s->owners.v[i]);
	buf_addc(out, ')');
}

/* Sets that nobody approved are told; when there is none, those that are not sure. */
static enum tri judge_sets(const struct gate_heard *h, const struct owners *o, const struct approval_result *approvals, struct buf *missing)
{
	size_t counts[TRI_YES + 1] = {0};
	CLEANUP_FREE enum tri *answers = xcalloc(o->sets_n + 1, sizeof(*answers));
	for (size_t i = 0; i < o->sets_n; i++)
		counts[answers[i] = judge_set(h, &o->sets[i], approvals)]++;
	enum tri tell = counts[TRI_NO] != 0 ? TRI_NO : counts[TRI_UNKNOWN] != 0 ? TRI_UNKNOWN : TRI_YES;
	for (size_t i = 0, told = 0; tell != TRI_YES && i < o->sets_n; i++)
		if (answers[i] == tell && told++ < OWNERS_TOLD)
			name_set(missing, &o->sets[i]);
	if (tell != TRI_YES && counts[tell] > OWNERS_TOLD)
		buf_printf(missing, " and %zu more", counts[tell] - OWNERS_TOLD);
	return tell;
}

static void add_owners(const struct gate_heard *h, const struct approval_result *approvals, struct gate_facts *f, struct gate_own *own)
{
	const struct owners *o = &own->owners;
	f->codeowners_needed = f->codeowners_needed || h->needs.code_owners;
	f->codeowners_same = !own->owners_read || h->owners_id == NULL ? TRI_UNKNOWN
			     : strcmp(h->owners_id, o->id != NULL ? o->id : "") == 0 ? TRI_YES
										      : TRI_NO;
	for (size_t i = 0; i < o->bad_n; i++)
		buf_printf(&own->owners_bad, "%sline %d: %s", i != 0 ? "; " : "", o->bad[i].line, o->bad[i].why);
	f->codeowners_unusable = o->unusable;
	f->codeowners_bad = own->owners_bad.len != 0 ? buf_str(&own->owners_bad) : NULL;
	f->codeowners = !own->owners_read ? TRI_UNKNOWN : judge_sets(h, o, approvals, &own->owners_missing);
	if (o->unusable != NULL || o->bad_n != 0)
		f->codeowners = TRI_NO;
	f->codeowners_missing = own->owners_missing.len != 0 ? buf_str(&own->owners_missing) : NULL;
}

static void note_considered(const struct review_list *l, const struct approval_result *result, struct gate_own *own)
{
	for (size_t i = 0; i < l->n; i++) {
		struct buf b = {0};
		struct json_writer w = json_writer(&b);
		jw_open(&w, NULL);
		jw_str(&w, "login", l->v[i].login);
		jw_int(&w, "user", l->v[i].user_id);
		jw_str(&w, "says", l->v[i].approves ? "approve" : "changes");
		jw_str(&w, "commit", l->v[i].commit_id);
		jw_int(&w, "submitted_ms", l->v[i].submitted_ms);
		if (l->v[i].approves)
			jw_str(&w, "is", approval_why_name(result->why[i]));
		jw_close(&w);
		strlist_take(&own->considered, buf_take(&b));
		buf_free(&b);
	}
}

void gate_reviews_add(const struct gate_heard *heard, const struct gate_history *history, struct gate_facts *f, struct gate_own *own)
{
	struct approval_result result;
	const struct approval_question q = {
		.reviews = &heard->reviews,
		.head = history->head != NULL ? history->head : "",
		.author_id = heard->author_id,
		.committers = &heard->committers,
		.committers_read = heard->committers_read,
		.pusher_id = history->pusher_id,
		.pushers = history->pushers,
		.last_push = heard->needs.last_push,
		.head_only = heard->needs.dismiss_stale,
		.bots = &own->owners.bots,
		.projects = history->projects,
		.projects_n = history->projects_n,
	};
	approval_count(&q, &result);
	if (f->approvals_needed < heard->needs.approvals)
		f->approvals_needed = heard->needs.approvals;
	if (heard->needs.last_push && f->approvals_needed == 0)
		f->approvals_needed = 1; /* somebody else than the pusher */
	f->approvals = result.counted;
	f->approvals_unknown = result.unknown;
	f->changes_requested = result.changes_requested;
	own->not_counted = result.why_not;
	result.why_not = (struct buf){0};
	f->not_counted = own->not_counted.len != 0 ? buf_str(&own->not_counted) : NULL;
	note_considered(&heard->reviews, &result, own);
	add_owners(heard, &result, f, own);
	xstrset(&own->label, gate_blocking_label(&heard->labels, &own->owners.blocked_by));
	f->label = own->label;
	f->up_to_date_needed = f->up_to_date_needed || heard->needs.strict;
	approval_result_free(&result);
}
