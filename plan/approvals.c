#include "plan/approvals.h"

#include "base/text.h"

enum { WHY_NOT_MAX = 10 }; /* people named; a list of a hundred helps nobody */

struct review *review_list_add(struct review_list *l, int64_t user_id, const char *login)
{
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	struct review *r = &l->v[l->n++];
	*r = (struct review){.user_id = user_id, .login = xstrdup(login)};
	return r;
}

void review_list_free(struct review_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].login);
		free(l->v[i].commit_id);
	}
	free(l->v);
	*l = (struct review_list){0};
}

void person_list_add(struct person_list *l, int64_t id, const char *login)
{
	if (id == 0 || person_list_has(l, id))
		return;
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = (struct person){id, xstrdup(login)};
}

bool person_list_has(const struct person_list *l, int64_t id)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].id == id)
			return true;
	return false;
}

void person_list_free(struct person_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].login);
	free(l->v);
	*l = (struct person_list){0};
}

static bool bot_may(const struct approval_question *q, const char *login)
{
	for (size_t i = 0; q->bots != NULL && i < q->bots->n; i++)
		if (text_same_case(q->bots->v[i], login))
			return true;
	return false;
}

/* Who the person is, whatever was planned. What is known to be no comes before what is not known. */
static enum approval_why judge_person(const struct approval_question *q, const struct review *r)
{
	if (r->user_id == q->author_id)
		return APPROVAL_OF_AUTHOR;
	if (r->bot && !bot_may(q, r->login))
		return APPROVAL_OF_BOT;
	if (q->pusher_id != 0 && r->user_id == q->pusher_id)
		return APPROVAL_OF_PUSHER;
	if (person_list_has(q->committers, r->user_id) || (q->pushers != NULL && person_list_has(q->pushers, r->user_id)))
		return APPROVAL_OF_COMMITTER;
	return r->writes == TRI_NO ? APPROVAL_NO_WRITE : APPROVAL_COUNTS;
}

static enum approval_why judge_unknown(const struct approval_question *q, const struct review *r)
{
	if (r->writes != TRI_YES)
		return APPROVAL_UNKNOWN_WRITE;
	if (q->committers_read != TRI_YES)
		return APPROVAL_UNKNOWN_COMMITTERS;
	return q->last_push && q->pusher_id == 0 ? APPROVAL_UNKNOWN_PUSHER : APPROVAL_COUNTS;
}

/* A review is told with whole seconds: one of the second in which the plan was made may have seen it. */
static enum approval_why judge_plan(const struct approval_question *q, const struct review *r, const struct approval_project *p)
{
	bool of_head = r->commit_id != NULL && strcmp(r->commit_id, q->head) == 0;
	if (!of_head && (q->head_only || p == NULL))
		return APPROVAL_OLD_COMMIT;
	if (!of_head && (r->commit_id == NULL || !strlist_has(&p->same, r->commit_id)))
		return APPROVAL_OTHER_PLAN;
	if (p != NULL && (p->since_ms <= 0 || r->submitted_ms / 1000 < p->since_ms / 1000))
		return APPROVAL_TOO_EARLY;
	return APPROVAL_COUNTS;
}

enum approval_why approval_judge(const struct approval_question *q, const struct review *r, const struct approval_project *project)
{
	enum approval_why why = judge_person(q, r);
	if (why == APPROVAL_COUNTS)
		why = judge_plan(q, r, project);
	return why == APPROVAL_COUNTS ? judge_unknown(q, r) : why;
}

const char *approval_why_name(enum approval_why w)
{
	static const char *const names[] = {
		[APPROVAL_COUNTS] = "counts",
		[APPROVAL_OF_AUTHOR] = "author",
		[APPROVAL_OF_PUSHER] = "pusher",
		[APPROVAL_OF_COMMITTER] = "committer",
		[APPROVAL_OF_BOT] = "bot",
		[APPROVAL_NO_WRITE] = "no write permission",
		[APPROVAL_OLD_COMMIT] = "older commit",
		[APPROVAL_OTHER_PLAN] = "other plan",
		[APPROVAL_TOO_EARLY] = "before the plan",
		[APPROVAL_UNKNOWN_WRITE] = "permission unknown",
		[APPROVAL_UNKNOWN_PUSHER] = "pusher unknown",
		[APPROVAL_UNKNOWN_COMMITTERS] = "committers unknown",
	};
	return names[w];
}

static void explain(struct buf *out, const struct review *r, enum approval_why why, const char *project)
{
	static const char *const words[] = {
		[APPROVAL_OF_AUTHOR] = "is the author",
		[APPROVAL_OF_PUSHER] = "pushed the head",
		[APPROVAL_OF_COMMITTER] = "is a committer",
		[APPROVAL_OF_BOT] = "is a bot that `approvals.bots` does not name",
		[APPROVAL_NO_WRITE] = "has no write permission now",
		[APPROVAL_OLD_COMMIT] = "approved an older commit",
		[APPROVAL_UNKNOWN_WRITE] = "approved, but whether that person has write permission is not known",
		[APPROVAL_UNKNOWN_PUSHER] = "approved, but who pushed the head is not known",
		[APPROVAL_UNKNOWN_COMMITTERS] = "approved, but who wrote the commits is not known",
	};
	buf_printf(out, "%s`@%s` ", out->len != 0 ? " " : "", r->login);
	if (why == APPROVAL_OTHER_PLAN)
		buf_printf(out, "approved an older commit whose plan of `%s` differs", project);
	else if (why == APPROVAL_TOO_EARLY)
		buf_printf(out, "approved before the plan of `%s` was made", project);
	else
		buf_adds(out, words[why]);
	buf_addc(out, '.');
}

/* One review over all projects: the worst answer stands for the person. Adds to the counts of each project. */
static enum approval_why weigh(const struct approval_question *q, const struct review *r, int *counted, int *unknown, const char **ret_project)
{
	enum approval_why worst = APPROVAL_COUNTS;
	for (size_t i = 0; i < q->projects_n || i == 0; i++) {
		const struct approval_project *p = q->projects_n != 0 ? &q->projects[i] : NULL;
		enum approval_why why = approval_judge(q, r, p);
		counted[i] += why == APPROVAL_COUNTS;
		unknown[i] += approval_is_unknown(why);
		bool no = why != APPROVAL_COUNTS && !approval_is_unknown(why);
		if (worst == APPROVAL_COUNTS ? why == APPROVAL_COUNTS : !approval_is_unknown(worst) || !no)
			continue; /* not worse */
		worst = why;
		*ret_project = p != NULL ? p->name : NULL;
	}
	return worst;
}

void approval_count(const struct approval_question *q, struct approval_result *ret)
{
	size_t n = q->projects_n != 0 ? q->projects_n : 1, told = 0;
	CLEANUP_FREE int *counted = xcalloc(n, sizeof(*counted)), *unknown = xcalloc(n, sizeof(*unknown));
	*ret = (struct approval_result){.why = xcalloc(q->reviews->n + 1, sizeof(*ret->why))};
	for (size_t i = 0; i < q->reviews->n; i++) {
		const struct review *r = &q->reviews->v[i];
		const char *project = NULL;
		if (!r->approves) {
			ret->changes_requested += r->writes != TRI_NO && (!r->bot || bot_may(q, r->login));
			continue;
		}
		enum approval_why why = ret->why[i] = weigh(q, r, counted, unknown, &project);
		if (why == APPROVAL_COUNTS)
			strlist_add(&ret->by, r->login);
		else if (approval_is_unknown(why))
			strlist_add(&ret->maybe, r->login);
		if (why != APPROVAL_COUNTS && told++ < WHY_NOT_MAX)
			explain(&ret->why_not, r, why, project);
	}
	size_t least = 0;
	for (size_t i = 1; i < n; i++)
		if (counted[i] < counted[least] || (counted[i] == counted[least] && unknown[i] < unknown[least]))
			least = i;
	ret->counted = counted[least];
	ret->unknown = unknown[least];
}

void approval_result_free(struct approval_result *r)
{
	strlist_free(&r->by);
	strlist_free(&r->maybe);
	free(r->why);
	buf_free(&r->why_not);
	*r = (struct approval_result){0};
}
