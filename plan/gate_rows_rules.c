/* Rows of the gate about reviews and about what the rules of the base branch ask for. */
#include "plan/gate_priv.h"

GATE_JUDGE(gate_judge_protected)
{
	if (f->base_protected == TRI_YES)
		return GATE_YES;
	if (f->base_protected == TRI_UNKNOWN)
		return gate_unread(f, w, GATE_READ_BRANCH, "whether the base branch is protected");
	buf_printf(w->brief, "`%s` is not protected", gate_base(f));
	return gate_say(GATE_NO, w, "",
			"`%s` is not a protected branch, and sluice applies only from one. An administrator of the repository protects it under "
			"Settings, Branches (or Rules), then comment `apply`.",
			gate_base(f));
}

GATE_JUDGE(gate_judge_rules)
{
	if (f->rules_read == TRI_YES)
		return GATE_YES;
	return gate_unread(f, w, f->read_failed[GATE_READ_CLASSIC] != NULL ? GATE_READ_CLASSIC : GATE_READ_RULES, "what the rules of the base "
			"branch ask for");
}

GATE_JUDGE(gate_judge_label)
{
	if (f->open == TRI_UNKNOWN)
		return gate_unread(f, w, GATE_READ_PULL, "which labels it has");
	if (!gate_said(f->label))
		return GATE_YES;
	buf_printf(w->brief, "the label `%s` blocks it", f->label);
	return gate_say(GATE_NO, w, "",
			"The pull request has the label `%s`, which blocks an apply (`blocked_by` in `sluice.yaml`). Who set it takes it off, then "
			"comment `apply`.",
			f->label);
}

GATE_JUDGE(gate_judge_changes)
{
	if (f->changes_requested > 0) {
		bool one = f->changes_requested == 1;
		buf_printf(w->brief, "%d review%s for changes", f->changes_requested, one ? " asks" : "s ask");
		return gate_say(GATE_NO, w, "",
				"%d %s changes. The author answers with a push, and %s again or a maintainer dismisses the review%s; then comment "
				"`apply`.",
				f->changes_requested, one ? "person asks for" : "people ask for",
				one ? "that person reviews" : "those people review", gate_s(f->changes_requested));
	}
	return f->reviews_read == TRI_YES ? GATE_YES : gate_unread(f, w, GATE_READ_REVIEWS, "whether somebody asks for changes");
}

/* Which request failed, of those that decide whether an approval counts. */
static enum gate_read approvals_from(const struct gate_facts *f)
{
	return f->read_failed[GATE_READ_PERMISSION] != NULL ? GATE_READ_PERMISSION : GATE_READ_COMMITS;
}

/* An approval that may count is not one that counts; but it is no reason to ask somebody else for one either. */
static enum gate_mark approvals_unsure(const struct gate_facts *f, const struct gate_words *w, int missing)
{
	enum gate_read from = approvals_from(f);
	buf_printf(w->brief, "%d approval%s not sure", missing, missing == 1 ? " is" : "s are");
	buf_printf(w->sentence, "%d of %d approvals are sure. %s", f->approvals > 0 ? f->approvals : 0, f->approvals_needed,
		   gate_said(f->not_counted) ? f->not_counted : "Whether the others count is not known.");
	if (f->read_failed[from] != NULL)
		buf_printf(w->sentence, " GitHub said: %s.", f->read_failed[from]);
	return gate_say(GATE_UNKNOWN, w, "",
			" Unknown is no. Comment `apply` again in a minute; when it stays so, another person with write permission, who has no "
			"commit here, approves the head commit, or its author pushes it once more.");
}

GATE_JUDGE(gate_judge_approved)
{
	if (f->reviews_read != TRI_YES)
		return gate_unread(f, w, GATE_READ_REVIEWS, "who approved");
	int missing = f->approvals_needed - (f->approvals > 0 ? f->approvals : 0);
	if (missing <= 0)
		return GATE_YES;
	if (missing <= f->approvals_unknown)
		return approvals_unsure(f, w, missing);
	bool one = missing == 1;
	buf_printf(w->brief, "%d approval%s missing", missing, one ? " is" : "s are");
	return gate_say(GATE_NO, w, "",
			"%d of %d approvals.%s%s %s with write permission and no commit here, not the author, approve%s the head commit; then "
			"comment `apply`.",
			f->approvals > 0 ? f->approvals : 0, f->approvals_needed, gate_said(f->not_counted) ? " " : "",
			gate_said(f->not_counted) ? f->not_counted : "", one ? "A person" : "People", one ? "s" : "");
}

static enum gate_mark codeowners_no(const struct gate_facts *f, const struct gate_words *w)
{
	if (gate_said(f->codeowners_unusable))
		return gate_say(GATE_NO, w, "CODEOWNERS cannot be used",
				"A code owner has to approve, and CODEOWNERS on `%s` cannot be used: %s. A maintainer mends the file there; then "
				"comment `plan`, and `apply`.",
				gate_base(f), f->codeowners_unusable);
	if (gate_said(f->codeowners_bad))
		return gate_say(GATE_NO, w, "CODEOWNERS has bad lines",
				"A code owner has to approve, and GitHub skips lines of CODEOWNERS on `%s`: %s. A maintainer mends them there; "
				"then comment `plan`, and `apply`.",
				gate_base(f), f->codeowners_bad);
	return gate_say(GATE_NO, w, "a code owner has not approved",
			"Nobody who owns it has approved %s. One owner of each approves the head commit; then comment `apply`.",
			gate_said(f->codeowners_missing) ? f->codeowners_missing : "some of the changed files");
}

GATE_JUDGE(gate_judge_codeowners)
{
	if (f->codeowners_same == TRI_NO) {
		buf_printf(w->brief, "CODEOWNERS changed on `%s` since the plan", gate_base(f));
		return gate_say(GATE_NO, w, "", "CODEOWNERS changed on `%s` since the plan: comment `plan`, then `apply`.", gate_base(f));
	}
	if (f->codeowners == TRI_NO)
		return codeowners_no(f, w);
	if (f->codeowners_same == TRI_UNKNOWN)
		return gate_unread(f, w, GATE_READ_OWNERS, "whether CODEOWNERS is still the one of the plan");
	if (f->codeowners == TRI_YES)
		return GATE_YES;
	buf_adds(w->brief, "whether a code owner approved is not known");
	buf_printf(w->sentence, "Whether a code owner has approved %s is not known",
		   gate_said(f->codeowners_missing) ? f->codeowners_missing : "each of the changed files");
	if (f->read_failed[GATE_READ_TEAM] != NULL)
		buf_printf(w->sentence, " (%s)", f->read_failed[GATE_READ_TEAM]);
	return gate_say(GATE_UNKNOWN, w, "",
			", and unknown is no. Comment `apply` again in a minute; when it stays so, an owner who is named by login approves, or the "
			"operator of this server gives the GitHub App the permission \"Members: read\". Addresses of mail cannot be matched with "
			"an account.");
}

GATE_JUDGE(gate_judge_checks)
{
	if (f->checks_ok == TRI_YES)
		return GATE_YES;
	if (f->checks_ok == TRI_UNKNOWN)
		return gate_unread(f, w, f->read_failed[GATE_READ_SELF] != NULL ? GATE_READ_SELF : GATE_READ_CHECKS, "the state of the checks");
	return gate_say(GATE_NO, w, "other checks are not green",
			"Other checks on the head commit are not green: %s. Their owners mend or rerun them; then comment `apply`.",
			gate_said(f->checks_failing) ? f->checks_failing : "see the list at the end of this page");
}

GATE_JUDGE(gate_judge_required)
{
	if (f->required_ok == TRI_YES)
		return GATE_YES;
	if (f->required_ok == TRI_NO)
		return gate_say(GATE_NO, w, "a required check has not passed",
				"The rules of `%s` ask for checks that have not passed on the head commit: %s. Their owners run or mend them; then "
				"comment `apply`.",
				gate_base(f), gate_said(f->required_missing) ? f->required_missing : "see the list at the end of this page");
	if (gate_said(f->required_missing))
		return gate_say(GATE_UNKNOWN, w, "who set a required check is not known",
				"The rules of `%s` take some checks from one App only, and GitHub does not tell whose these are: %s. An "
				"administrator of the repository takes the App out of the rule, or the App reports as a check run; then comment "
				"`apply`.",
				gate_base(f), f->required_missing);
	return gate_unread(f, w, f->read_failed[GATE_READ_SELF] != NULL ? GATE_READ_SELF : GATE_READ_CHECKS, "the state of the required checks");
}

GATE_JUDGE(gate_judge_threads)
{
	if (f->threads_resolved == TRI_YES)
		return GATE_YES;
	if (f->threads_resolved == TRI_UNKNOWN)
		return gate_unread(f, w, GATE_READ_THREADS, "whether all conversations are resolved");
	bool one = f->threads_open == 1;
	buf_printf(w->brief, "%lld conversation%s open", (long long)f->threads_open, one ? " is" : "s are");
	return gate_say(GATE_NO, w, "",
			"The rules of `%s` want every conversation resolved, and %lld %s. Who takes part in %s presses \"Resolve conversation\"; "
			"then comment `apply`.",
			gate_base(f), (long long)f->threads_open, one ? "is open" : "are open", one ? "it" : "them");
}

GATE_JUDGE(gate_judge_signatures)
{
	if (f->signed_all == TRI_YES)
		return GATE_YES;
	if (f->signed_all == TRI_UNKNOWN)
		return gate_unread(f, w, GATE_READ_COMMITS, "whether every commit is signed");
	return gate_say(GATE_NO, w, "commits without a verified signature",
			"The rules of `%s` want verified signatures, and these commits have none: %s. Their author signs them and pushes; sluice "
			"then plans again.",
			gate_base(f), gate_said(f->unsigned_commits) ? f->unsigned_commits : "see the list of commits");
}

GATE_JUDGE(gate_judge_deployments)
{
	if (f->deployed == TRI_YES)
		return GATE_YES;
	if (f->deployed == TRI_UNKNOWN)
		return gate_unread(f, w, GATE_READ_DEPLOYMENTS, "where the head commit is deployed");
	return gate_say(GATE_NO, w, "a required deployment is missing",
			"The rules of `%s` want the head commit deployed first, and it is not: %s. Who deploys there does so; then comment `apply`.",
			gate_base(f),
			gate_said(f->deployments_missing) ? f->deployments_missing : "see the list at the end of this page");
}

GATE_JUDGE(gate_judge_up_to_date)
{
	if (f->up_to_date == TRI_YES)
		return GATE_YES;
	if (f->up_to_date == TRI_UNKNOWN)
		return gate_unread(f, w, GATE_READ_BRANCH, "whether the branch is up to date");
	buf_printf(w->brief, "`%s` has moved on", gate_base(f));
	return gate_say(GATE_NO, w, "", "`%s` has commits that this branch lacks. Its author presses \"Update branch\" or rebases; sluice then "
			"plans again.",
			gate_base(f));
}
