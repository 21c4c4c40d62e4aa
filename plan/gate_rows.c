/* Rows of the gate about the pull request, the person and the plans. */
#include "plan/gate_priv.h"

GATE_JUDGE(gate_judge_open)
{
	if (f->merged == TRI_YES)
		return gate_say(GATE_NO, w, "the pull request is already merged",
				"The pull request is already merged. A further change needs a new pull request.");
	if (f->open == TRI_NO)
		return gate_say(GATE_NO, w, "the pull request is closed",
				"The pull request is closed. Its author or a maintainer reopens it, then comment `apply`.");
	if (f->open == TRI_UNKNOWN || f->merged == TRI_UNKNOWN)
		return gate_unread(f, w, GATE_READ_PULL, "whether the pull request is open");
	return GATE_YES;
}

GATE_JUDGE(gate_judge_draft)
{
	if (f->draft == TRI_YES)
		return gate_say(GATE_NO, w, "the pull request is a draft",
				"The pull request is a draft. Its author presses \"Ready for review\", then comment `apply`.");
	return f->draft == TRI_NO ? GATE_YES : gate_unread(f, w, GATE_READ_PULL, "whether the pull request is a draft");
}

GATE_JUDGE(gate_judge_role)
{
	if (f->may_apply == TRI_YES)
		return GATE_YES;
	if (f->may_apply == TRI_UNKNOWN)
		return gate_unread(f, w, GATE_READ_ROLE, "the role of the person who asks");
	if (f->destroys) {
		buf_printf(w->brief, "`@%s` may not destroy here", f->asker);
		return gate_say(GATE_NO, w, "",
				"`@%s` does not have the role admin, which `--destroy` needs. A person who has it comments the same, or the operator of this "
				"server gives the role under `roles:` in `sluice-server.yaml`; then comment `apply` again.",
				f->asker);
	}
	buf_printf(w->brief, "`@%s` may not apply here", f->asker);
	return gate_say(GATE_NO, w, "",
			"`@%s` does not have the role apply. A person who has it comments `apply`, or the operator of this server gives the role "
			"under `roles:` in `sluice-server.yaml`.",
			f->asker);
}

GATE_JUDGE(gate_judge_head)
{
	if (f->head_is_planned == TRI_NO)
		return gate_say(GATE_NO, w, "the plans are of an older commit",
				"The plans are of an older commit than the head of the pull request. Comment `plan`, read the new plans, then "
				"comment `apply`.");
	if (f->planned_base != NULL && f->base_ref != NULL && strcmp(f->planned_base, f->base_ref) != 0)
		return gate_say(GATE_NO, w, "the plans are for another base branch",
				"The plans were made for `%s`, and the pull request goes into `%s`, which has a configuration of its own. Comment "
				"`plan`, read the new plans, then comment `apply`.",
				f->planned_base, f->base_ref);
	return f->head_is_planned == TRI_YES ? GATE_YES : gate_unread(f, w, GATE_READ_PULL, "which commit is the head");
}

/* No plan at all, a failed, a running and a forgotten one are four ways of not being planned. */
GATE_JUDGE(gate_judge_planned)
{
	const char *names = gate_said(f->unplanned) ? f->unplanned : "some projects";
	if (f->projects <= 0 && gate_said(f->gone))
		return gate_say(GATE_NO, w, "only what is gone is planned",
				"Nothing is planned but to destroy what is gone: %s. An admin comments `apply -p NAME --destroy`, or merges by "
				"hand when it shall stay.",
				f->gone);
	if (f->projects <= 0)
		return gate_say(GATE_NO, w, "nothing is planned", "There is no plan to apply: no project is planned. Comment `plan` first.");
	if (f->failed > 0) {
		buf_printf(w->brief, "%lld plan%s failed", (long long)f->failed, gate_s(f->failed));
		return gate_say(GATE_NO, w, "",
				"Not every project has a plan: %s. Push a commit that mends the error, or comment `plan` when the cause was "
				"outside; then comment `apply`.",
				names);
	}
	if (f->running > 0) {
		buf_printf(w->brief, "%lld plan%s still running", (long long)f->running, f->running == 1 ? " is" : "s are");
		return gate_say(GATE_NO, w, "", "Plans are still running: %s. Comment `apply` when they are done.", names);
	}
	if (f->planned < f->projects) {
		buf_printf(w->brief, "%lld of %lld projects planned", (long long)(f->planned < 0 ? 0 : f->planned), (long long)f->projects);
		return gate_say(GATE_NO, w, "", "Not every project has a plan: %s. Comment `plan`, then `apply`.", names);
	}
	if (f->planned > f->projects) {
		buf_printf(w->brief, "%lld plans for %lld projects", (long long)f->planned, (long long)f->projects);
		return gate_say(GATE_NO, w, "", "There are more plans than projects, so some are of another run. Comment `plan`, then `apply`.");
	}
	return GATE_YES;
}

GATE_JUDGE(gate_judge_partial)
{
	if (!gate_said(f->partial))
		return GATE_YES;
	return gate_say(GATE_NO, w, "a plan is not a whole one",
			"The plan leaves a part of the project out: %s. It shows what a part would do, and what nobody planned is not left behind by an "
			"apply. Comment `plan`, read the whole plan, then comment `apply`.",
			f->partial);
}

GATE_JUDGE(gate_judge_expired)
{
	if (!gate_said(f->expired))
		return GATE_YES;
	return gate_say(GATE_NO, w, "a plan has expired",
			"The plan is too old to be applied: %s. Comment `plan`, read the new plan, then comment `apply`. The operator of this "
			"server sets the age under `limits.plan_expiry`.",
			f->expired);
}

GATE_JUDGE(gate_judge_record)
{
	if (!gate_said(f->bad_record))
		return GATE_YES;
	return gate_say(GATE_NO, w, "a plan record is not valid",
			"The signed record of a plan does not hold: %s. Nothing is applied from it. Comment `plan`, read the new plan, then "
			"comment `apply`; when it happens again, the operator of this server looks at who can write in `data_dir`.",
			f->bad_record);
}

GATE_JUDGE(gate_judge_told)
{
	if (f->told == TRI_YES)
		return GATE_YES;
	if (f->told == TRI_NO && gate_said(f->told_why))
		return gate_say(GATE_NO, w, "GitHub does not take the comment with the plans",
				"What nobody could read is not applied: GitHub does not take the comment with the plans (%s). When the cause is "
				"gone, comment `plan`, read the new plans, then comment `apply`.",
				f->told_why);
	return gate_say(f->told == TRI_NO ? GATE_NO : GATE_UNKNOWN, w, "the comment with the plans is not on GitHub yet",
			"The comment with these plans is not on GitHub yet, and what nobody could read is not applied. Comment `apply` again when "
			"it is there.");
}

GATE_JUDGE(gate_judge_policies)
{
	if (f->policies == TRI_YES)
		return GATE_YES;
	if (f->policies == TRI_NO)
		return gate_say(GATE_NO, w, "a policy failed",
				"A policy does not allow this plan: %s. Push a commit that mends it; then comment `apply`.",
				gate_said(f->policies_failed) ? f->policies_failed : "see the plan");
	return gate_say(GATE_UNKNOWN, w, "the verdict of a policy is not known",
			"A policy has no verdict on this plan%s%s, and unknown is no. Comment `plan`, then `apply`.",
			gate_said(f->policies_failed) ? ": " : "",
			gate_said(f->policies_failed) ? f->policies_failed : "");
}

GATE_JUDGE(gate_judge_lock)
{
	if (f->lock_holder == NULL)
		return GATE_YES;
	const char *project = f->lock_project != NULL ? f->lock_project : "a project";
	buf_printf(w->brief, "`%s` is locked by `%s`", project, f->lock_holder);
	if (f->lock_unknown)
		return gate_say(GATE_NO, w, "",
				"An apply of `%s` by pull request `%s` was interrupted, and its outcome is unknown. An admin looks at what exists, "
				"then comments `resolve %lld --as applied`, `failed` or `replan` there; then comment `apply`.",
				project, f->lock_holder, (long long)f->lock_run);
	return gate_say(GATE_NO, w, "",
			"`%s` is being applied by pull request `%s`. When that is over, it is planned again here by itself; then comment `apply`.", project,
			f->lock_holder);
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

/* "blocked" is GitHub's word also while our own check waits for this very decision: each rule has a row of its own, and only rules that
 * sluice cannot evaluate are taken from that word. */
static enum gate_mark judge_state(const struct gate_facts *f, const struct gate_words *w)
{
	const char *state = f->mergeable_state != NULL ? f->mergeable_state : "";
	if (strcmp(state, "blocked") == 0 && gate_said(f->rules_unseen))
		return gate_say(GATE_UNKNOWN, w, "the branch has rules that only GitHub evaluates",
				"GitHub blocks the merge, and `%s` has rules that sluice cannot evaluate: %s. Their owners make them pass, or an "
				"administrator of the repository asks for the same as a required check; then comment `apply`.",
				gate_base(f), f->rules_unseen);
	return GATE_YES;
}

GATE_JUDGE(gate_judge_mergeable)
{
	if (f->mergeable == TRI_UNKNOWN)
		return f->read_failed[GATE_READ_PULL] != NULL
			       ? gate_unread(f, w, GATE_READ_PULL, "whether it can be merged")
			       : gate_say(GATE_UNKNOWN, w, "GitHub is still computing whether it can be merged",
					  "GitHub is still computing whether the pull request can be merged. Comment `apply` again in a minute.");
	if (f->locked_branch)
		return gate_say(GATE_NO, w, "the base branch is locked",
				"`%s` is locked for everybody by its rules. An administrator of the repository unlocks it under Settings, Branches "
				"(or Rules), then comment `apply`.",
				gate_base(f));
	if (f->mergeable == TRI_YES)
		return judge_state(f, w);
	for (size_t i = 0; f->mergeable_state != NULL && i < ARRAY_LEN(merge_reasons); i++)
		if (strcmp(f->mergeable_state, merge_reasons[i].state) == 0)
			return gate_say(GATE_NO, w, merge_reasons[i].brief, "%s", merge_reasons[i].sentence);
	return gate_say(GATE_NO, w, "GitHub says that it cannot be merged",
			"GitHub says that the pull request cannot be merged (`%s`). Its author looks at the box at the end of this page and mends "
			"what it names; then comment `apply`.",
			f->mergeable_state != NULL ? f->mergeable_state : "no reason given");
}
