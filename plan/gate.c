#include "plan/gate.h"

#include <string.h>

/* One row of the gate. judge() looks at facts only; for NO and UNKNOWN it writes the brief and the sentence. */
struct row {
	const char *name;
	bool (*applies)(const struct gate_facts *f); /* NULL: always */
	enum gate_mark (*judge)(const struct gate_facts *f, struct buf *brief, struct buf *sentence);
};

static enum gate_mark say(enum gate_mark mark, struct buf *brief, struct buf *sentence, const char *what, const char *fmt, ...)
	PRINTF_LIKE(5, 6);
static enum gate_mark say(enum gate_mark mark, struct buf *brief, struct buf *sentence, const char *what, const char *fmt, ...)
{
	va_list ap;
	buf_adds(brief, what);
	va_start(ap, fmt);
	buf_vprintf(sentence, fmt, ap);
	va_end(ap);
	return mark;
}

/* "GitHub did not say X": the same way out for each fact that could not be read. */
static enum gate_mark unread(const struct gate_facts *f, struct buf *brief, struct buf *sentence, const char *what)
{
	buf_printf(brief, "%s is not known", what);
	buf_printf(sentence, "GitHub did not tell sluice %s", what);
	if (f->failed_fact != NULL)
		buf_printf(sentence, " (%s)", f->failed_fact);
	buf_adds(sentence,
		 ", and unknown is no. Comment `apply` again in a minute; when it stays so, the operator of this server checks the "
		 "permissions of the GitHub App.");
	return GATE_UNKNOWN;
}

static const char *base(const struct gate_facts *f) { return f->base_ref != NULL ? f->base_ref : "the base branch"; }

/* What concerns merging is past once a person has merged. */
static bool applies_to_merge(const struct gate_facts *f) { return !f->after_merge; }

static enum gate_mark judge_open(const struct gate_facts *f, struct buf *brief, struct buf *sentence)
{
	if (f->merged == TRI_YES)
		return say(GATE_NO, brief, sentence, "the pull request is already merged",
			   "The pull request is already merged. A further change needs a new pull request.");
	if (f->open == TRI_NO)
		return say(GATE_NO, brief, sentence, "the pull request is closed",
			   "The pull request is closed. Its author or a maintainer reopens it, then comment `apply`.");
	if (f->open == TRI_UNKNOWN || f->merged == TRI_UNKNOWN)
		return unread(f, brief, sentence, "whether the pull request is open");
	return GATE_YES;
}

static enum gate_mark judge_draft(const struct gate_facts *f, struct buf *brief, struct buf *sentence)
{
	if (f->draft == TRI_YES)
		return say(GATE_NO, brief, sentence, "the pull request is a draft",
			   "The pull request is a draft. Its author presses \"Ready for review\", then comment `apply`.");
	return f->draft == TRI_NO ? GATE_YES : unread(f, brief, sentence, "whether the pull request is a draft");
}

static enum gate_mark judge_head(const struct gate_facts *f, struct buf *brief, struct buf *sentence)
{
	if (f->head_is_planned == TRI_NO)
		return say(GATE_NO, brief, sentence, "the plans are of an older commit",
			   "The plans are of an older commit than the head of the pull request. Comment `plan`, read the new plans, then "
			   "comment `apply`.");
	if (f->planned_base != NULL && f->base_ref != NULL && strcmp(f->planned_base, f->base_ref) != 0)
		return say(GATE_NO, brief, sentence, "the plans are for another base branch",
			   "The plans were made for `%s`, and the pull request goes into `%s`, which has a configuration of its own. Comment `plan`, read "
			   "the new plans, then comment `apply`.",
			   f->planned_base, f->base_ref);
	return f->head_is_planned == TRI_YES ? GATE_YES : unread(f, brief, sentence, "which commit is the head");
}

static const char *were(int64_t n) { return n == 1 ? "" : "s"; }

/* No plan at all, a failed, a running and a forgotten one are four ways of not being planned. */
static enum gate_mark judge_planned(const struct gate_facts *f, struct buf *brief, struct buf *sentence)
{
	const char *names = f->unplanned != NULL && f->unplanned[0] != '\0' ? f->unplanned : "some projects";
	if (f->projects <= 0)
		return say(GATE_NO, brief, sentence, "nothing is planned",
			   "There is no plan to apply: no project is planned. Comment `plan` first.");
	if (f->failed > 0) {
		buf_printf(brief, "%lld plan%s failed", (long long)f->failed, were(f->failed));
		return say(GATE_NO, brief, sentence, "",
			   "Not every project has a plan: %s. Push a commit that mends the error, or comment `plan` when the cause was "
			   "outside; "
			   "then comment `apply`.",
			   names);
	}
	if (f->running > 0) {
		buf_printf(brief, "%lld plan%s still running", (long long)f->running, f->running == 1 ? " is" : "s are");
		return say(GATE_NO, brief, sentence, "", "Plans are still running: %s. Comment `apply` when they are done.", names);
	}
	if (f->planned < f->projects) {
		buf_printf(brief, "%lld of %lld projects planned", (long long)(f->planned < 0 ? 0 : f->planned), (long long)f->projects);
		return say(GATE_NO, brief, sentence, "", "Not every project has a plan: %s. Comment `plan`, then `apply`.", names);
	}
	if (f->planned > f->projects) {
		buf_printf(brief, "%lld plans for %lld projects", (long long)f->planned, (long long)f->projects);
		return say(GATE_NO, brief, sentence, "",
			   "There are more plans than projects, so some are of another run. Comment `plan`, then `apply`.");
	}
	return GATE_YES;
}

static enum gate_mark judge_protected(const struct gate_facts *f, struct buf *brief, struct buf *sentence)
{
	if (f->base_protected == TRI_NO) {
		buf_printf(brief, "`%s` is not protected", base(f));
		return say(GATE_NO, brief, sentence, "",
			   "`%s` is not a protected branch, and sluice applies only from one. An administrator of the repository protects "
			   "it under "
			   "Settings, Branches (or Rules), then comment `apply`.",
			   base(f));
	}
	return f->base_protected == TRI_YES ? GATE_YES : unread(f, brief, sentence, "whether the base branch is protected");
}

/* What GitHub's mergeable_state means, and who can change it. */
static const struct merge_reason {
	const char *state, *brief, *sentence;
} merge_reasons[] = {
	{"dirty", "it conflicts with its base branch",
	 "The pull request conflicts with its base branch. Its author resolves the conflicts and pushes; sluice then plans again."},
	{"behind", "it is behind its base branch",
	 "Branch protection wants the branch up to date. Its author presses \"Update branch\"; sluice then plans again."},
	{"blocked", "branch protection blocks the merge",
	 "Branch protection blocks the merge. The box at the end of this page lists what it still wants; then comment `apply`."},
	{"draft", "the pull request is a draft",
	 "The pull request is a draft. Its author presses \"Ready for review\", then comment `apply`."},
};

static enum gate_mark judge_mergeable(const struct gate_facts *f, struct buf *brief, struct buf *sentence)
{
	if (f->mergeable == TRI_YES)
		return GATE_YES;
	if (f->mergeable == TRI_UNKNOWN)
		return f->failed_fact != NULL ? unread(f, brief, sentence, "whether it can be merged")
					      : say(GATE_UNKNOWN, brief, sentence, "GitHub is still computing whether it can be merged",
						    "GitHub is still computing whether the pull request can be merged. Comment `apply` "
						    "again in a minute.");
	for (size_t i = 0; f->mergeable_state != NULL && i < sizeof(merge_reasons) / sizeof(merge_reasons[0]); i++)
		if (strcmp(f->mergeable_state, merge_reasons[i].state) == 0)
			return say(GATE_NO, brief, sentence, merge_reasons[i].brief, "%s", merge_reasons[i].sentence);
	return say(GATE_NO, brief, sentence, "GitHub says that it cannot be merged",
		   "GitHub says that the pull request cannot be merged (`%s`). Its author looks at the box at the end of this page and "
		   "mends what it "
		   "names; then comment `apply`.",
		   f->mergeable_state != NULL ? f->mergeable_state : "no reason given");
}

static bool applies_role(const struct gate_facts *f) { return f->asker != NULL; }

static enum gate_mark judge_role(const struct gate_facts *f, struct buf *brief, struct buf *sentence)
{
	if (f->may_apply == TRI_YES)
		return GATE_YES;
	if (f->may_apply == TRI_UNKNOWN)
		return unread(f, brief, sentence, "the role of the person who asks");
	buf_printf(brief, "`@%s` may not apply here", f->asker);
	return say(GATE_NO, brief, sentence, "",
		   "`@%s` does not have the role apply. A person who has it comments `apply`, or the operator of this server gives the "
		   "role under "
		   "`roles:` in `sluice-server.yaml`.",
		   f->asker);
}

static bool applies_approved(const struct gate_facts *f) { return f->approvals_needed > 0; }

static enum gate_mark judge_approved(const struct gate_facts *f, struct buf *brief, struct buf *sentence)
{
	if (f->reviews_read != TRI_YES)
		return unread(f, brief, sentence, "who approved");
	int missing = f->approvals_needed - (f->approvals > 0 ? f->approvals : 0);
	if (missing <= 0)
		return GATE_YES;
	buf_printf(brief, "%d approval%s missing", missing, missing == 1 ? " is" : "s are");
	return say(GATE_NO, brief, sentence, "",
		   "%d of %d approvals.%s %s with write permission, not the author, approve%s the head commit; then comment `apply`.",
		   f->approvals > 0 ? f->approvals : 0, f->approvals_needed,
		   f->stale_approvals ? " An approval of an older commit does not count." : "", missing == 1 ? "A person" : "People",
		   missing == 1 ? "s" : "");
}

static enum gate_mark judge_changes(const struct gate_facts *f, struct buf *brief, struct buf *sentence)
{
	if (f->changes_requested > 0) {
		bool one = f->changes_requested == 1;
		buf_printf(brief, "%d review%s for changes", f->changes_requested, one ? " asks" : "s ask");
		return say(GATE_NO, brief, sentence, "",
			   "%d %s changes. The author answers with a push, and %s again or a maintainer dismisses the review%s; then "
			   "comment `apply`.",
			   f->changes_requested, one ? "person asks for" : "people ask for",
			   one ? "that person reviews" : "those people review", were(f->changes_requested));
	}
	return f->reviews_read == TRI_YES ? GATE_YES : unread(f, brief, sentence, "whether somebody asks for changes");
}

static bool applies_codeowners(const struct gate_facts *f) { return f->codeowners_needed; }

static enum gate_mark judge_codeowners(const struct gate_facts *f, struct buf *brief, struct buf *sentence)
{
	(void)f;
	return say(GATE_UNKNOWN, brief, sentence, "code owners are not read by this version",
		   "`approvals.codeowners` asks for an approval by a code owner. This version does not read CODEOWNERS, and unknown is no. Take the key "
		   "out of `sluice.yaml`, and let the branch protection of GitHub ask for code owners instead; then comment `apply`.");
}

static bool applies_checks(const struct gate_facts *f) { return f->checks_needed; }

static enum gate_mark judge_checks(const struct gate_facts *f, struct buf *brief, struct buf *sentence)
{
	if (f->checks_ok == TRI_YES)
		return GATE_YES;
	if (f->checks_ok == TRI_UNKNOWN)
		return unread(f, brief, sentence, "the state of the checks");
	return say(GATE_NO, brief, sentence, "other checks are not green",
		   "Other checks on the head commit are not green: %s. Their owners mend or rerun them; then comment `apply`.",
		   f->checks_failing != NULL && f->checks_failing[0] != '\0' ? f->checks_failing : "see the list at the end of this page");
}

static bool applies_up_to_date(const struct gate_facts *f) { return !f->after_merge && f->up_to_date_needed; }

static enum gate_mark judge_up_to_date(const struct gate_facts *f, struct buf *brief, struct buf *sentence)
{
	if (f->up_to_date == TRI_YES)
		return GATE_YES;
	if (f->up_to_date == TRI_UNKNOWN)
		return unread(f, brief, sentence, "whether the branch is up to date");
	buf_printf(brief, "`%s` has moved on", base(f));
	return say(GATE_NO, brief, sentence, "",
		   "`%s` has commits that this branch lacks. Its author presses \"Update branch\" or rebases; sluice then plans again.",
		   base(f));
}

static enum gate_mark judge_lock(const struct gate_facts *f, struct buf *brief, struct buf *sentence)
{
	if (f->lock_holder == NULL)
		return GATE_YES;
	const char *project = f->lock_project != NULL ? f->lock_project : "a project";
	buf_printf(brief, "`%s` is locked by `%s`", project, f->lock_holder);
	return say(GATE_NO, brief, sentence, "",
		   "`%s` is being applied by pull request `%s`. Comment `apply` when it is done; if it was interrupted, a person checks "
		   "the state and "
		   "comments `unlock` there.",
		   project, f->lock_holder);
}

static const struct row rows[] = {
	{"open", applies_to_merge, judge_open},
	{"ready for review", applies_to_merge, judge_draft},
	{"role", applies_role, judge_role},
	{"head", NULL, judge_head},
	{"planned", NULL, judge_planned},
	{"protected", NULL, judge_protected},
	{"no changes requested", NULL, judge_changes},
	{"approved", applies_approved, judge_approved},
	{"code owners", applies_codeowners, judge_codeowners},
	{"checks", applies_checks, judge_checks},
	{"up to date", applies_up_to_date, judge_up_to_date},
	{"mergeable", applies_to_merge, judge_mergeable},
	{"unlocked", NULL, judge_lock},
};

void gate_evaluate(const struct gate_facts *f, struct gate_verdict *ret)
{
	*ret = (struct gate_verdict){.open = f->asker != NULL || f->may_apply == TRI_YES};
	ret->items = xcalloc(ARRAY_LEN(rows), sizeof(*ret->items));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].applies != NULL && !rows[i].applies(f))
			continue;
		struct buf brief = {0}, sentence = {0};
		struct gate_item *item = &ret->items[ret->n++];
		item->mark = rows[i].judge(f, &brief, &sentence);
		item->name = xstrdup(rows[i].name);
		item->brief = item->mark == GATE_YES ? xstrdup(rows[i].name) : buf_take(&brief);
		item->sentence = item->mark == GATE_YES ? xstrdup("") : buf_take(&sentence);
		ret->open = ret->open && item->mark == GATE_YES;
		buf_free(&brief);
		buf_free(&sentence);
	}
}

void gate_verdict_free(struct gate_verdict *v)
{
	for (size_t i = 0; i < v->n; i++) {
		free(v->items[i].name);
		free(v->items[i].brief);
		free(v->items[i].sentence);
	}
	free(v->items);
	*v = (struct gate_verdict){0};
}

/* A plain no before an unknown: it is what a person can act on. */
const char *gate_first_no(const struct gate_verdict *v)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->items[i].mark == GATE_NO)
			return v->items[i].brief;
	for (size_t i = 0; i < v->n; i++)
		if (v->items[i].mark == GATE_UNKNOWN)
			return v->items[i].brief;
	return NULL;
}
