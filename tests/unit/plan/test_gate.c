/* The gate: one case a row, each changing one or two facts of a pull request that may be applied. */
#include "base/buf.h"
#include "plan/gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct gate_facts good(void)
{
	return (struct gate_facts){
		.open = TRI_YES,
		.draft = TRI_NO,
		.merged = TRI_NO,
		.head_is_planned = TRI_YES,
		.base_protected = TRI_YES,
		.base_ref = "main",
		.mergeable = TRI_YES,
		.mergeable_state = "clean",
		.may_apply = TRI_YES,
		.asker = "alice",
		.rules_read = TRI_YES,
		.reviews_read = TRI_YES,
		.approvals = 1,
		.approvals_needed = 1,
		.checks_ok = TRI_YES,
		.checks_needed = true,
		.required_ok = TRI_YES,
		.required_any = true,
		.codeowners_needed = true,
		.codeowners = TRI_YES,
		.codeowners_same = TRI_YES,
		.threads_needed = true,
		.threads_resolved = TRI_YES,
		.signatures_needed = true,
		.signed_all = TRI_YES,
		.deployments_needed = true,
		.deployed = TRI_YES,
		.told = TRI_YES,
		.policies = TRI_YES,
		.up_to_date = TRI_YES,
		.up_to_date_needed = true,
		.projects = 2,
		.planned = 2,
	};
}

/* The items that are not yes: "name NO brief" lines. */
static char *missing(const struct gate_verdict *v)
{
	struct buf out = {0};
	for (size_t i = 0; i < v->n; i++)
		if (v->items[i].mark != GATE_YES)
			buf_printf(&out, "%s%s%s %s", out.len > 0 ? " | " : "", v->items[i].name, v->items[i].mark == GATE_NO ? "!" : "?",
				   v->items[i].brief);
	return buf_take(&out);
}

#define CASE(change, want)             \
	{                              \
		__LINE__, change, want \
	}
#define FACT(name, code) \
	static void name(struct gate_facts *f) { code }

FACT(all_good, (void)f;)
FACT(closed, f->open = TRI_NO;)
FACT(merged, f->merged = TRI_YES;)
FACT(merged_and_closed, f->open = TRI_NO; f->merged = TRI_YES;)
FACT(open_unknown, f->open = TRI_UNKNOWN;)
FACT(merged_unknown, f->merged = TRI_UNKNOWN;)
FACT(draft, f->draft = TRI_YES;)
FACT(draft_unknown, f->draft = TRI_UNKNOWN;)
FACT(old_head, f->head_is_planned = TRI_NO;)
FACT(other_base, f->planned_base = "dev";)
FACT(same_base, f->planned_base = "main";)
FACT(base_not_told, f->planned_base = "dev"; f->base_ref = NULL;)
FACT(head_unknown, f->head_is_planned = TRI_UNKNOWN;)
FACT(no_projects, f->projects = 0; f->planned = 0;)
FACT(negative_projects, f->projects = -1;)
FACT(one_failed, f->failed = 1; f->planned = 1; f->unplanned = "`dns`";)
FACT(two_failed, f->failed = 2; f->planned = 0; f->unplanned = "`dns`, `web`";)
FACT(one_running, f->running = 1; f->planned = 1; f->unplanned = "`dns`";)
FACT(all_running, f->running = 2; f->planned = 0;)
FACT(failed_though_planned, f->failed = 1;)
FACT(running_though_planned, f->running = 1;)
FACT(one_forgotten, f->planned = 1; f->unplanned = "`dns`";)
FACT(none_planned, f->planned = 0;)
FACT(negative_planned, f->planned = -3;)
FACT(more_planned, f->planned = 3;)
FACT(unprotected, f->base_protected = TRI_NO;)
FACT(unprotected_nameless, f->base_protected = TRI_NO; f->base_ref = NULL;)
FACT(protection_unknown, f->base_protected = TRI_UNKNOWN; f->read_failed[GATE_READ_BRANCH] = "GET /branches/main: 403";)
FACT(rules_unknown, f->rules_read = TRI_UNKNOWN; f->read_failed[GATE_READ_RULES] = "GET /rules: 500";)
FACT(classic_unknown, f->rules_read = TRI_UNKNOWN; f->read_failed[GATE_READ_CLASSIC] = "GET /protection: 403";)
FACT(pull_unread, f->base_protected = TRI_UNKNOWN; f->read_failed[GATE_READ_PULL] = "GET /pulls/7: 404";)
FACT(labelled, f->label = "do not apply";)
FACT(labels_unknown, f->open = TRI_UNKNOWN;)
FACT(expired, f->expired = "`db`";)
FACT(partial, f->partial = "`db`";)
FACT(bad_record, f->bad_record = "`db`: the signature does not fit";)
FACT(not_told_yet, f->told = TRI_NO;)
FACT(told_unknown, f->told = TRI_UNKNOWN;)
FACT(never_told, f->told = TRI_NO; f->told_why = "POST /comments: 403 locked";)
FACT(policy_failed, f->policies = TRI_NO; f->policies_failed = "`opa` on `db`";)
FACT(policy_failed_nameless, f->policies = TRI_NO;)
FACT(policy_unknown, f->policies = TRI_UNKNOWN;)
FACT(conflicts, f->mergeable = TRI_NO; f->mergeable_state = "dirty";)
FACT(blocked_but_mergeable, f->mergeable_state = "blocked";)
FACT(blocked_by_the_unseen, f->mergeable_state = "blocked"; f->rules_unseen = "`workflows`";)
FACT(unseen_but_clean, f->rules_unseen = "`workflows`";)
FACT(locked_branch, f->locked_branch = true;)
FACT(queue, f->queue_required = true;)
FACT(behind, f->mergeable = TRI_NO; f->mergeable_state = "behind";)
FACT(blocked, f->mergeable = TRI_NO; f->mergeable_state = "blocked";)
FACT(unmergeable, f->mergeable = TRI_NO; f->mergeable_state = "odd";)
FACT(unmergeable_nameless, f->mergeable = TRI_NO; f->mergeable_state = NULL;)
FACT(computing, f->mergeable = TRI_UNKNOWN;)
FACT(merge_unread, f->mergeable = TRI_UNKNOWN; f->read_failed[GATE_READ_PULL] = "GET /pulls/7: 502";)
FACT(stranger, f->may_apply = TRI_NO; f->asker = "bob";)
FACT(destroyer, f->may_apply = TRI_NO; f->asker = "bob"; f->destroys = true;)
FACT(role_unknown, f->may_apply = TRI_UNKNOWN;)
FACT(nobody_asks, f->asker = NULL; f->may_apply = TRI_UNKNOWN;)
FACT(nobody_asks_but_may, f->asker = NULL;)
FACT(no_approval, f->approvals = 0;)
FACT(negative_approvals, f->approvals = -1;)
FACT(one_of_two, f->approvals_needed = 2;)
FACT(none_of_three, f->approvals = 0; f->approvals_needed = 3;)
FACT(more_than_needed, f->approvals = 3;)
FACT(stale, f->approvals = 0; f->not_counted = "`@bob` approved an older commit whose plan of `db` differs.";)
FACT(one_unsure, f->approvals = 0; f->approvals_unknown = 1; f->read_failed[GATE_READ_PERMISSION] = "GET /permission: 403";
     f->not_counted = "`@bob` approved, but whether that person has write permission is not known.";)
FACT(one_unsure_of_three, f->approvals_unknown = 1; f->approvals_needed = 3;)
FACT(pusher_unsure, f->approvals = 1; f->approvals_needed = 2; f->approvals_unknown = 1;)
FACT(none_needed, f->approvals = 0; f->approvals_needed = 0;)
FACT(reviews_unread, f->reviews_read = TRI_UNKNOWN;)
FACT(reviews_refused, f->reviews_read = TRI_NO;)
FACT(reviews_unread_none_needed, f->reviews_read = TRI_UNKNOWN; f->approvals_needed = 0;)
FACT(changes_asked, f->changes_requested = 1;)
FACT(changes_asked_twice, f->changes_requested = 2;)
FACT(changes_asked_without_approvals, f->changes_requested = 1; f->approvals_needed = 0;)
FACT(red, f->checks_ok = TRI_NO; f->checks_failing = "`unit`";)
FACT(checks_unknown, f->checks_ok = TRI_UNKNOWN;)
FACT(red_not_needed, f->checks_ok = TRI_NO; f->checks_needed = false;)
FACT(owner_missing, f->codeowners = TRI_NO; f->codeowners_missing = "`net/main.tf` (line 3: `@acme/net`)";)
FACT(owner_missing_nameless, f->codeowners = TRI_NO;)
FACT(owner_unknown, f->codeowners = TRI_UNKNOWN; f->read_failed[GATE_READ_TEAM] = "GET /teams: 403";)
FACT(owners_changed, f->codeowners_same = TRI_NO; f->codeowners = TRI_NO;)
FACT(owners_not_read, f->codeowners_same = TRI_UNKNOWN; f->read_failed[GATE_READ_OWNERS] = "GET /contents: 500";)
FACT(owners_bad, f->codeowners = TRI_NO; f->codeowners_bad = "line 4: `[ ]` has no meaning in CODEOWNERS";)
FACT(owners_unusable, f->codeowners = TRI_NO; f->codeowners_unusable = "it has 3 MB or more, which GitHub does not read";)
FACT(owners_not_needed, f->codeowners_needed = false; f->codeowners = TRI_NO; f->codeowners_same = TRI_NO;)
FACT(required_missing, f->required_ok = TRI_NO; f->required_missing = "`unit` is missing";)
FACT(required_nameless, f->required_ok = TRI_NO;)
FACT(required_unknown, f->required_ok = TRI_UNKNOWN; f->read_failed[GATE_READ_CHECKS] = "GET /status: 403";)
FACT(required_whose, f->required_ok = TRI_UNKNOWN; f->required_missing = "`unit`";)
FACT(required_not_needed, f->required_ok = TRI_UNKNOWN; f->required_any = false;)
FACT(self_unknown, f->required_ok = f->checks_ok = TRI_UNKNOWN; f->read_failed[GATE_READ_SELF] = "GET /user: 500";)
FACT(one_thread, f->threads_resolved = TRI_NO; f->threads_open = 1;)
FACT(three_threads, f->threads_resolved = TRI_NO; f->threads_open = 3;)
FACT(threads_unknown, f->threads_resolved = TRI_UNKNOWN;)
FACT(threads_not_needed, f->threads_needed = false; f->threads_resolved = TRI_NO;)
FACT(not_signed, f->signed_all = TRI_NO; f->unsigned_commits = "`abc1234`";)
FACT(signed_unknown, f->signed_all = TRI_UNKNOWN;)
FACT(signed_not_needed, f->signatures_needed = false; f->signed_all = TRI_NO;)
FACT(not_deployed, f->deployed = TRI_NO; f->deployments_missing = "`staging`";)
FACT(deployed_unknown, f->deployed = TRI_UNKNOWN;)
FACT(deployed_not_needed, f->deployments_needed = false; f->deployed = TRI_NO;)
FACT(merged_in_order, f->after_merge = true; f->merged = TRI_YES; f->open = TRI_NO; f->mergeable = TRI_NO; f->draft = TRI_YES; f->up_to_date = TRI_NO;)
FACT(merged_past, f->after_merge = true; f->merged = TRI_YES; f->approvals = 0;)
FACT(merged_past_checks, f->after_merge = true; f->merged = TRI_YES; f->required_ok = TRI_NO; f->checks_ok = TRI_NO;)
FACT(merged_by_us, f->after_merge = true; f->merged = TRI_YES; f->merged_by_us = true; f->approvals = 0;)
FACT(merged_and_unknown, f->after_merge = true; f->merged = TRI_YES; f->rules_read = TRI_UNKNOWN;)
FACT(merged_and_locked, f->after_merge = true; f->merged = TRI_YES; f->lock_holder = "#12";)
FACT(moved_on, f->up_to_date = TRI_NO;)
FACT(up_to_date_unknown, f->up_to_date = TRI_UNKNOWN;)
FACT(moved_on_not_needed, f->up_to_date = TRI_NO; f->up_to_date_needed = false;)
FACT(locked, f->lock_holder = "#12"; f->lock_project = "db";)
FACT(locked_unknown, f->lock_holder = "#12"; f->lock_project = "db"; f->lock_unknown = true; f->lock_run = 40;)
FACT(locked_nameless, f->lock_holder = "#12";)
FACT(draft_without_approval, f->draft = TRI_YES; f->approvals = 0;)
FACT(nothing_known, *f = (struct gate_facts){0};)

static const struct {
	int line;
	void (*change)(struct gate_facts *f);
	const char *want; /* empty: open */
} cases[] = {
	CASE(all_good, ""),
	CASE(closed, "open! the pull request is closed"),
	CASE(merged, "open! the pull request is already merged"),
	CASE(merged_and_closed, "open! the pull request is already merged"),
	CASE(open_unknown, "open? whether the pull request is open is not known | labels? which labels it has is not known"),
	CASE(merged_unknown, "open? whether the pull request is open is not known"),
	CASE(draft, "ready for review! the pull request is a draft"),
	CASE(draft_unknown, "ready for review? whether the pull request is a draft is not known"),
	CASE(old_head, "head! the plans are of an older commit"),
	CASE(other_base, "head! the plans are for another base branch"),
	CASE(same_base, ""),
	CASE(base_not_told, ""),
	CASE(head_unknown, "head? which commit is the head is not known"),
	CASE(no_projects, "planned! nothing is planned"),
	CASE(negative_projects, "planned! nothing is planned"),
	CASE(one_failed, "planned! 1 plan failed"),
	CASE(two_failed, "planned! 2 plans failed"),
	CASE(one_running, "planned! 1 plan is still running"),
	CASE(all_running, "planned! 2 plans are still running"),
	CASE(failed_though_planned, "planned! 1 plan failed"),
	CASE(running_though_planned, "planned! 1 plan is still running"),
	CASE(one_forgotten, "planned! 1 of 2 projects planned"),
	CASE(none_planned, "planned! 0 of 2 projects planned"),
	CASE(negative_planned, "planned! 0 of 2 projects planned"),
	CASE(more_planned, "planned! 3 plans for 2 projects"),
	CASE(unprotected, "protected! `main` is not protected"),
	CASE(unprotected_nameless, "protected! `the base branch` is not protected"),
	CASE(protection_unknown, "protected? whether the base branch is protected is not known"),
	CASE(rules_unknown, "rules? what the rules of the base branch ask for is not known"),
	CASE(classic_unknown, "rules? what the rules of the base branch ask for is not known"),
	CASE(pull_unread, "protected? whether the base branch is protected is not known"),
	CASE(labelled, "labels! the label `do not apply` blocks it"),
	CASE(labels_unknown, "open? whether the pull request is open is not known | labels? which labels it has is not known"),
	CASE(expired, "fresh! a plan has expired"),
	CASE(partial, "whole plan! a plan is not a whole one"),
	CASE(bad_record, "plan record! a plan record is not valid"),
	CASE(not_told_yet, "told! the comment with the plans is not on GitHub yet"),
	CASE(told_unknown, "told? the comment with the plans is not on GitHub yet"),
	CASE(never_told, "told! GitHub does not take the comment with the plans"),
	CASE(policy_failed, "policies! a policy failed"),
	CASE(policy_failed_nameless, "policies! a policy failed"),
	CASE(policy_unknown, "policies? the verdict of a policy is not known"),
	CASE(blocked_but_mergeable, ""),
	CASE(blocked_by_the_unseen, "mergeable? the branch has rules that only GitHub evaluates"),
	CASE(unseen_but_clean, ""),
	CASE(locked_branch, "mergeable! the base branch is locked"),
	CASE(queue, ""),
	CASE(conflicts, "mergeable! it conflicts with its base branch"),
	CASE(behind, "mergeable! it is behind its base branch"),
	CASE(blocked, "mergeable! branch protection blocks the merge"),
	CASE(unmergeable, "mergeable! GitHub says that it cannot be merged"),
	CASE(unmergeable_nameless, "mergeable! GitHub says that it cannot be merged"),
	CASE(computing, "mergeable? GitHub is still computing whether it can be merged"),
	CASE(merge_unread, "mergeable? whether it can be merged is not known"),
	CASE(stranger, "role! `@bob` may not apply here"),
	CASE(destroyer, "role! `@bob` may not destroy here"),
	CASE(role_unknown, "role? the role of the person who asks is not known"),
	CASE(nobody_asks_but_may, ""),
	CASE(no_approval, "approved! 1 approval is missing"),
	CASE(negative_approvals, "approved! 1 approval is missing"),
	CASE(one_of_two, "approved! 1 approval is missing"),
	CASE(none_of_three, "approved! 3 approvals are missing"),
	CASE(more_than_needed, ""),
	CASE(stale, "approved! 1 approval is missing"),
	CASE(none_needed, ""),
	CASE(reviews_unread, "no changes requested? whether somebody asks for changes is not known | approved? who approved is not known"),
	CASE(reviews_refused, "no changes requested? whether somebody asks for changes is not known | approved? who approved is not known"),
	CASE(reviews_unread_none_needed, "no changes requested? whether somebody asks for changes is not known"),
	CASE(changes_asked, "no changes requested! 1 review asks for changes"),
	CASE(changes_asked_twice, "no changes requested! 2 reviews ask for changes"),
	CASE(changes_asked_without_approvals, "no changes requested! 1 review asks for changes"),
	CASE(red, "checks! other checks are not green"),
	CASE(checks_unknown, "checks? the state of the checks is not known"),
	CASE(red_not_needed, ""),
	CASE(owner_missing, "code owners! a code owner has not approved"),
	CASE(owner_missing_nameless, "code owners! a code owner has not approved"),
	CASE(owner_unknown, "code owners? whether a code owner approved is not known"),
	CASE(owners_changed, "code owners! CODEOWNERS changed on `main` since the plan"),
	CASE(owners_not_read, "code owners? whether CODEOWNERS is still the one of the plan is not known"),
	CASE(owners_bad, "code owners! CODEOWNERS has bad lines"),
	CASE(owners_unusable, "code owners! CODEOWNERS cannot be used"),
	CASE(owners_not_needed, ""),
	CASE(required_missing, "required checks! a required check has not passed"),
	CASE(required_nameless, "required checks! a required check has not passed"),
	CASE(required_unknown, "required checks? the state of the required checks is not known"),
	CASE(required_whose, "required checks? who set a required check is not known"),
	CASE(required_not_needed, ""),
	CASE(self_unknown, "checks? the state of the checks is not known | required checks? the state of the required checks is not known"),
	CASE(one_thread, "conversations! 1 conversation is open"),
	CASE(three_threads, "conversations! 3 conversations are open"),
	CASE(threads_unknown, "conversations? whether all conversations are resolved is not known"),
	CASE(threads_not_needed, ""),
	CASE(not_signed, "signatures! commits without a verified signature"),
	CASE(signed_unknown, "signatures? whether every commit is signed is not known"),
	CASE(signed_not_needed, ""),
	CASE(not_deployed, "deployments! a required deployment is missing"),
	CASE(deployed_unknown, "deployments? where the head commit is deployed is not known"),
	CASE(deployed_not_needed, ""),
	CASE(one_unsure, "approved? 1 approval is not sure"),
	CASE(one_unsure_of_three, "approved! 2 approvals are missing"),
	CASE(pusher_unsure, "approved? 1 approval is not sure"),
	CASE(merged_in_order, ""),
	CASE(merged_past, "merged through the gate! merged past the gate: 1 approval is missing | approved! 1 approval is missing"),
	CASE(merged_past_checks, "merged through the gate! merged past the gate: other checks are not green | checks! other checks are not green | "
				 "required checks! a required check has not passed"),
	CASE(merged_by_us, "approved! 1 approval is missing"),
	CASE(merged_and_unknown, "rules? what the rules of the base branch ask for is not known"),
	CASE(merged_and_locked, "unlocked! `a project` is locked by `#12`"),
	CASE(moved_on, "up to date! `main` has moved on"),
	CASE(up_to_date_unknown, "up to date? whether the branch is up to date is not known"),
	CASE(moved_on_not_needed, ""),
	CASE(locked, "unlocked! `db` is locked by `#12`"),
	CASE(locked_unknown, "unlocked! `db` is locked by `#12`"),
	CASE(locked_nameless, "unlocked! `a project` is locked by `#12`"),
	CASE(draft_without_approval, "ready for review! the pull request is a draft | approved! 1 approval is missing"),
};

static void table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct gate_facts f = good();
		struct gate_verdict v;
		cases[i].change(&f);
		gate_evaluate(&f, &v);
		CLEANUP_FREE char *got = missing(&v);
		if (strcmp(got, cases[i].want) != 0 || v.open != (cases[i].want[0] == '\0'))
			fail_msg("line %d: open %d, <%s>, wanted <%s>", cases[i].line, v.open, got, cases[i].want);
		assert_int_equal(gate_first_no(&v) == NULL, v.open);
		gate_verdict_free(&v);
	}
}

/* Rule of every refusal: a whole sentence that says what to type or what happens next, and no half-open back-tick. */
static void sentences(void **state)
{
	static const char *const ways_out[] = {"`apply`", "`plan`", "new pull request", "sluice then plans again"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct gate_facts f = good();
		struct gate_verdict v;
		cases[i].change(&f);
		gate_evaluate(&f, &v);
		for (size_t k = 0; k < v.n; k++) {
			const char *s = v.items[k].sentence;
			size_t n = strlen(s), ticks = 0, found = 0;
			if (v.items[k].mark == GATE_YES) {
				assert_string_equal(s, "");
				assert_string_equal(v.items[k].brief, v.items[k].name);
				continue;
			}
			for (size_t w = 0; w < ARRAY_LEN(ways_out); w++)
				found += strstr(s, ways_out[w]) != NULL;
			for (size_t c = 0; c < n; c++)
				ticks += s[c] == '`';
			if (n == 0 || s[n - 1] != '.' || found == 0 || ticks % 2 != 0)
				fail_msg("line %d: <%s>", cases[i].line, s);
		}
		gate_verdict_free(&v);
	}
}

static const char *sentence_of(struct gate_verdict *v, const struct gate_facts *f)
{
	gate_evaluate(f, v);
	for (size_t i = 0; i < v->n; i++)
		if (v->items[i].mark != GATE_YES)
			return v->items[i].sentence;
	return "";
}

static void sentences_word_for_word(void **state)
{
	static const struct {
		void (*change)(struct gate_facts *f);
		const char *want;
	} exact[] = {
		{stale,
		 "0 of 1 approvals. `@bob` approved an older commit whose plan of `db` differs. A person with write permission and no commit here, not the "
		 "author, approves the head commit; then comment `apply`."},
		{none_of_three,
		 "0 of 3 approvals. People with write permission and no commit here, not the author, approve the head commit; then comment "
		 "`apply`."},
		{one_unsure,
		 "0 of 1 approvals are sure. `@bob` approved, but whether that person has write permission is not known. GitHub said: GET /permission: 403. "
		 "Unknown is no. Comment `apply` again in a minute; when it stays so, another person with write permission, who has no commit here, approves "
		 "the head commit, or its author pushes it once more."},
		{owner_missing,
		 "Nobody who owns it has approved `net/main.tf` (line 3: `@acme/net`). One owner of each approves the head commit; then comment `apply`."},
		{locked_unknown,
		 "An apply of `db` by pull request `#12` was interrupted, and its outcome is unknown. An admin looks at what exists, then comments `resolve 40 --as "
		 "applied`, `failed` or `replan` there; then comment `apply`."},
		{owners_changed, "CODEOWNERS changed on `main` since the plan: comment `plan`, then `apply`."},
		{owners_bad,
		 "A code owner has to approve, and GitHub skips lines of CODEOWNERS on `main`: line 4: `[ ]` has no meaning in CODEOWNERS. A maintainer mends them "
		 "there; then comment `plan`, and `apply`."},
		{classic_unknown,
		 "GitHub did not tell sluice what the rules of the base branch ask for (GET /protection: 403), and unknown is no. Comment `apply` again in a minute; "
		 "when it stays so, the operator of this server gives the GitHub App, or the account of the token, the permission \"Administration: read\"."},
		{pull_unread,
		 "GitHub did not tell sluice whether the base branch is protected (GET /pulls/7: 404), and unknown is no. Comment `apply` again in a minute; when it "
		 "stays so, the operator of this server gives the GitHub App, or the account of the token, the permission \"Pull requests: read\"."},
		{merged_past,
		 "The pull request was merged by hand while the gate was shut (1 approval is missing), so nothing of it is applied by itself. What is missing can "
		 "still be given on the merged pull request by those who could before; then comment `apply`. To take the change back, open a new pull request "
		 "that reverts it."},
		{never_told,
		 "What nobody could read is not applied: GitHub does not take the comment with the plans (POST /comments: 403 locked). When the cause is gone, "
		 "comment `plan`, read the new plans, then comment `apply`."},
		{three_threads,
		 "The rules of `main` want every conversation resolved, and 3 are open. Who takes part in them presses \"Resolve conversation\"; then comment "
		 "`apply`."},
		{stranger,
		 "`@bob` does not have the role apply. A person who has it comments `apply`, or the operator of this server gives the role under "
		 "`roles:` in `sluice-server.yaml`."},
		{one_failed,
		 "Not every project has a plan: `dns`. Push a commit that mends the error, or comment `plan` when the cause was outside; then "
		 "comment `apply`."},
		{changes_asked,
		 "1 person asks for changes. The author answers with a push, and that person reviews again or a maintainer dismisses the "
		 "review; then comment `apply`."},
		{red, "Other checks on the head commit are not green: `unit`. Their owners mend or rerun them; then comment `apply`."},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(exact); i++) {
		struct gate_facts f = good();
		struct gate_verdict v;
		exact[i].change(&f);
		assert_string_equal(sentence_of(&v, &f), exact[i].want);
		gate_verdict_free(&v);
	}
}

/* Nobody asks yet: the list is shown under the plans, without a row about a person, and is not open. */
static void without_an_asker(void **state)
{
	struct gate_facts f = good();
	struct gate_verdict v;
	(void)state;
	nobody_asks(&f);
	gate_evaluate(&f, &v);
	assert_false(v.open);
	assert_null(gate_first_no(&v));
	for (size_t i = 0; i < v.n; i++)
		assert_string_not_equal(v.items[i].name, "role");
	gate_verdict_free(&v);
}

static void nothing_known_is_no(void **state)
{
	struct gate_facts f;
	struct gate_verdict v;
	(void)state;
	nothing_known(&f);
	gate_evaluate(&f, &v);
	assert_false(v.open);
	assert_string_equal(gate_first_no(&v), "nothing is planned");
	gate_verdict_free(&v);
	assert_int_equal(v.n, 0);
	assert_null(gate_first_no(&v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(sentences),
		cmocka_unit_test(sentences_word_for_word),
		cmocka_unit_test(without_an_asker),
		cmocka_unit_test(nothing_known_is_no),
	};
	return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
