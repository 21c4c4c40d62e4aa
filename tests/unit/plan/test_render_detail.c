/* What stands around the table: callouts, folds, next steps. Whole comments, byte for byte. */
#include "tests/support/plan_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct gate_facts gate_facts_good(void)
{
	return (struct gate_facts){
		.open = TRI_YES,
		.draft = TRI_NO,
		.merged = TRI_NO,
		.head_is_planned = TRI_YES,
		.base_protected = TRI_YES,
		.base_ref = "main",
		.mergeable = TRI_YES,
		.may_apply = TRI_YES,
		.reviews_read = TRI_YES,
		.approvals = 1,
		.approvals_needed = 1,
		.checks_ok = TRI_YES,
		.checks_needed = true,
		.up_to_date = TRI_YES,
		.up_to_date_needed = true,
		.projects = 4,
		.planned = 4,
	};
}

static void apply_refused(void **state)
{
	struct gate_facts f = gate_facts_good();
	struct gate_verdict gate;
	(void)state;
	f.asker = "bob";
	f.approvals = 0;
	f.stale_approvals = true;
	f.checks_ok = TRI_NO;
	f.checks_failing = "`unit`, `lint`";
	f.base_protected = TRI_UNKNOWN;
	f.failed_fact = "GET /repos/acme/infra/branches/main: 502";
	gate_evaluate(&f, &gate);
	struct view v = view_example(VIEW_APPLY_ASKED, view_done, 1);
	v.gate = &gate;
	v.refused = "apply asked by @bob: refused, 1 approval is missing";
	view_golden("apply_refused", &v);
	gate_verdict_free(&gate);
}

static void applying_and_applied(void **state)
{
	static const struct view_project running[] = {
		{.name = "network", .state = VIEW_APPLIED, .summary = &plan_network, .took_ms = 41000, .log_url = VIEW_LOG("5")},
		{.name = "db", .state = VIEW_APPLYING, .summary = &plan_db, .running_ms = 95000, .log_url = VIEW_LOG("6")},
		{.name = "web", .state = VIEW_QUEUED, .waiting_for = "db", .summary = &plan_web},
	};
	static const struct view_project done[] = {
		{.name = "network", .state = VIEW_APPLIED, .summary = &plan_network, .took_ms = 41000, .log_url = VIEW_LOG("5")},
		{.name = "db", .state = VIEW_APPLIED, .summary = &plan_db, .took_ms = 200000, .log_url = VIEW_LOG("6")},
		{.name = "web", .state = VIEW_APPLIED, .summary = &plan_web, .took_ms = 3000, .log_url = VIEW_LOG("7")},
		{.name = "same", .state = VIEW_PLANNED, .summary = &plan_none},
	};
	static const struct view_project failed[] = {
		{.name = "db",
		 .state = VIEW_APPLY_FAILED,
		 .summary = &plan_db,
		 .error = error_apply,
		 .took_ms = 12000,
		 .log_url = VIEW_LOG("6"),
		 .state_note = "2 of 3 changes were made before it; the state says so: serial 4 kept"},
		{.name = "network", .state = VIEW_APPLIED, .summary = &plan_network, .took_ms = 41000, .log_url = VIEW_LOG("5")},
		{.name = "web",
		 .state = VIEW_UNKNOWN,
		 .summary = &plan_web,
		 .log_url = VIEW_LOG("7"),
		 .state_note = "state: serial 9 kept"},
		{.name = "api", .state = VIEW_CANCELLED, .summary = &plan_network, .log_url = VIEW_LOG("8")},
	};
	(void)state;
	struct view v = view_example(VIEW_APPLYING_RUN, running, ARRAY_LEN(running));
	v.merge_sha = "9f8e7d6c5b4a39281706f5e4d3c2b1a001122334";
	view_golden("applying", &v);
	struct view d = view_example(VIEW_APPLY_DONE, done, ARRAY_LEN(done));
	d.merge_sha = v.merge_sha;
	view_golden("applied", &d);
	struct view f = view_example(VIEW_APPLY_DONE, failed, ARRAY_LEN(failed));
	f.merge_sha = v.merge_sha;
	view_golden("apply_failed", &f);
	struct view only_failed = view_example(VIEW_APPLY_DONE, failed, 1);
	only_failed.merge_sha = v.merge_sha;
	view_golden("apply_failed_one", &only_failed);
}

static void plan_done_quiet(void **state)
{
	static const struct view_project one[] = {
		{.name = "network", .state = VIEW_PLANNED, .summary = &plan_network, .diff = diff_network, .log_url = VIEW_LOG("1")}};
	static const struct view_project same[] = {
		{.name = "a", .state = VIEW_PLANNED, .summary = &plan_none, .log_url = VIEW_LOG("1")},
		{.name = "b", .state = VIEW_PLANNED, .summary = &plan_none, .log_url = VIEW_LOG("2")},
		{.name = "c", .state = VIEW_DELETED},
	};
	static const struct view_project drift[] = {
		{.name = "a", .state = VIEW_PLANNED, .summary = &plan_none, .log_url = VIEW_LOG("1")},
		{.name = "b",
		 .state = VIEW_PLANNED,
		 .summary = &plan_drifted,
		 .log_url = VIEW_LOG("2"),
		 .diff = "# aws_security_group.web was changed outside\n"},
	};
	struct gate_facts f = gate_facts_good();
	struct gate_verdict gate;
	(void)state;
	f.projects = f.planned = 1;
	gate_evaluate(&f, &gate);
	struct view v = view_example(VIEW_PLAN_DONE, one, ARRAY_LEN(one));
	v.gate = &gate;
	view_golden("plan_one", &v);
	struct view s = view_example(VIEW_PLAN_DONE, same, ARRAY_LEN(same));
	view_golden("plan_nothing", &s);
	struct view d = view_example(VIEW_PLAN_DONE, drift, ARRAY_LEN(drift));
	view_golden("plan_drift", &d);
	gate_verdict_free(&gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(apply_refused),
		cmocka_unit_test(applying_and_applied),
		cmocka_unit_test(plan_done_quiet),
	};
	return cmocka_run_group_tests_name("render_detail", tests, NULL, NULL);
}
