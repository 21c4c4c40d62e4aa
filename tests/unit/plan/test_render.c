/* The comment: whole comments byte for byte (tests/fixtures/comment/, made anew with UPDATE_GOLDEN=1), forgery, and what always fits. */
#include "base/limits.h"
#include "base/text.h"
#include "plan/trust.h"
#include "tests/support/plan_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

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
		.rules_read = TRI_YES,
		.told = TRI_YES,
		.policies = TRI_YES,
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

static double ms_now(void)
{
	struct timespec t;
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void a_fork_waits(void **state)
{
	(void)state;
	struct view v = view_example(VIEW_PLAN_DONE, NULL, 0);
	v.waits = true;
	v.engines = NULL;
	v.error = TRUST_WAITS_SAYS "nothing of it runs here until a person with the role `apply` has read its changes and comments"
				   " `ok-to-plan 9f2c1ab0c4d5e6f708192a3b4c5d6e7f80919f2c`. Then this commit is planned; each further push needs that again";
	view_golden("fork_waits", &v);
}

static void planning(void **state)
{
	static const struct view_project projects[] = {
		{.name = "network",
		 .state = VIEW_PLANNED,
		 .summary = &plan_network,
		 .diff = diff_network,
		 .log_url = VIEW_LOG("1"),
		 .reason = "`network/main.tf` changed"},
		{.name = "db", .state = VIEW_RUNNING, .running_ms = 12000},
		{.name = "web", .state = VIEW_QUEUED, .waiting_for = "network"},
		{.name = "api", .state = VIEW_QUEUED},
	};
	(void)state;
	struct view v = view_example(VIEW_PLANNING, projects, ARRAY_LEN(projects));
	v.untouched = 36;
	view_golden("planning", &v);
	struct view first = view_example(VIEW_PLANNING, NULL, 0);
	first.engines = NULL;
	view_golden("planning_first", &first);
}

static void plan_done(void **state)
{
	struct gate_facts f = gate_facts_good();
	struct gate_verdict gate;
	(void)state;
	f.approvals = 0;
	f.failed = 1;
	f.planned = 3;
	f.unplanned = "`dns`";
	gate_evaluate(&f, &gate);
	const char *const notes[] = {"Plans of `b2c3d4e` dropped for `db`; `network` unchanged, plan kept.",
				     "`sluice.yaml` is changed by this pull request: takes effect after merge."};
	struct view v = view_example(VIEW_PLAN_DONE, view_done, ARRAY_LEN(view_done));
	v.untouched = 36;
	v.gate = &gate;
	v.notes = notes;
	v.notes_n = ARRAY_LEN(notes);
	v.expires = "2026-11-23 14:00 UTC";
	view_golden("plan_done", &v);
	gate_verdict_free(&gate);
}

static void without_projects(void **state)
{
	(void)state;
	struct view v = view_example(VIEW_PLAN_DONE, NULL, 0);
	v.config_errors =
		"sluice.yaml:3:5: unknown key \"projectz\", did you mean \"projects\"?\nsluice.yaml:9:1: depends_on: \"netwrk\" is no project\n";
	view_golden("config_errors", &v);
	v.config_errors = NULL;
	v.error = "GitHub did not give the commit `a1b2c3d`: 502 Bad Gateway, 12 times";
	view_golden("run_error", &v);
	v.error = NULL;
	v.untouched = 40;
	view_golden("untouched", &v);
}

/* What an engine, a branch or a project may be called to make the comment say something else. */
static void forgery(void **state)
{
	static const struct view_project projects[] = {
		{.name = "a`|\n## forged @acme/all",
		 .state = VIEW_FAILED,
		 .log_url = "javascript:alert(1)",
		 .error = "Error: <img src=x> @admin ![x](https://evil.example/x.png) | forged | #1 :tada:\n```\n</details>\n### forged\n"},
		{.name = "</summary>",
		 .state = VIEW_PLANNED,
		 .summary = &plan_web,
		 .diff = "+ x\n````\n# <b>\n\x1b[31mred\xe2\x80\xae\n",
		 .log_url = "https://x.example/)|(",
		 .reason = "**bold** [link](https://evil.example) <!-- sluice:812 -->"},
		{.name = "w", .state = VIEW_QUEUED, .waiting_for = "x` | y"},
	};
	(void)state;
	struct view v = view_example(VIEW_PLAN_DONE, projects, ARRAY_LEN(projects));
	v.base_ref = "main` @all";
	v.engines = "terraform <b>1</b>";
	const char *const notes[] = {"Plans of `x` <!-- m --> @all ` odd"};
	v.notes = notes;
	v.notes_n = 1;
	view_golden("forgery", &v);
}

/* 100 projects with diffs of 256 KB each: fits, shows what hurts first, and takes no time to speak of. */
static void large_diffs(void **state)
{
	struct crowd c;
	struct buf large = {0};
	(void)state;
	while (large.len < LIMIT_DIFF_BYTES - 100)
		buf_adds(&large, "+   name = \"\xc3\xa9t\xc3\xa9 @all ``` </details>\"\n");
	crowd_make(&c, 100);
	for (size_t i = 0; i < c.n; i++) {
		c.v[i].summary = i == 50 ? &plan_db : &plan_network;
		c.v[i].diff = large.data;
	}
	struct view v = view_example(VIEW_PLAN_DONE, c.v, c.n);
	double best = 1e9;
	for (int i = 0; i < 5; i++) {
		double start = ms_now();
		CLEANUP_FREE char *got = view_comment(&v);
		double took = ms_now() - start;
		best = took < best ? took : best;
		size_t chars = text_chars(got, strlen(got));
		assert_true(chars > LIMIT_COMMENT_BYTES * 8 / 10); /* the room is used */
		const char *first = strstr(got, "<details><summary><b>");
		assert_non_null(first);
		assert_true(text_starts(first, "<details><summary><b>live/prod/project-0050</b>"));
		assert_non_null(strstr(got, "Cut here: [the whole text is in the log]("));
		assert_non_null(strstr(got, "Not shown here for want of room: "));
		assert_non_null(strstr(got, "**To apply**: comment `apply`."));
	}
	print_message("100 projects with large diffs: %.2f ms\n", best);
	assert_true(best < 100); /* generous: sanitizers; the release build takes a few ms */
	buf_free(&large);
	crowd_free(&c);
}

/* Everything as long as it can be: still a verdict, a table and a link. */
static void absurd_lengths(void **state)
{
	struct crowd c;
	struct buf long_text = {0};
	const char *notes[20];
	(void)state;
	while (long_text.len < 100000)
		buf_adds(&long_text, "<@&`|");
	crowd_make(&c, 300);
	static char *address, type[] = "aws_db_instance";
	struct plan_change change = {.kind = CHANGE_REPLACE, .type = type, .create_before_destroy = true};
	address = change.address = long_text.data;
	struct plan_summary s = {.replace = 1, .changes = &change, .changes_n = 1, .drift = 1, .drifted = {&address, 1}, .applyable = true};
	for (size_t i = 0; i < c.n; i++) {
		c.v[i] = (struct view_project){.name = long_text.data,
					       .state = (enum view_state)(i % (VIEW_DELETED + 1)),
					       .summary = &s,
					       .diff = long_text.data,
					       .error = long_text.data,
					       .waiting_for = long_text.data,
					       .log_url = "https://x.example/((((((((((((((((((((((",
					       .reason = long_text.data,
					       .state_note = long_text.data};
	}
	for (size_t i = 0; i < ARRAY_LEN(notes); i++)
		notes[i] = long_text.data;
	for (int phase = VIEW_PLANNING; phase <= VIEW_APPLY_DONE; phase++) {
		struct gate_facts f = {.asker = long_text.data,
				       .checks_failing = long_text.data,
				       .checks_ok = TRI_NO,
				       .checks_needed = true,
				       .unplanned = long_text.data,
				       .failed = 1,
				       .projects = 2,
				       .lock_holder = long_text.data};
		struct gate_verdict gate;
		gate_evaluate(&f, &gate);
		struct view v = view_example((enum view_phase)phase, c.v, c.n);
		v.notes = notes;
		v.notes_n = ARRAY_LEN(notes);
		v.gate = &gate;
		v.refused = v.base_ref = v.merge_sha = v.engines = v.sandbox = v.expires = long_text.data;
		CLEANUP_FREE char *got = view_comment(&v);
		assert_true(text_starts(got, "### sluice "));
		assert_non_null(strstr(got, "\n| project | "));
		v.config_errors = long_text.data;
		CLEANUP_FREE char *config = view_comment(&v);
		assert_non_null(strstr(config, "the configuration has errors"));
		gate_verdict_free(&gate);
	}
	buf_free(&long_text);
	crowd_free(&c);
}

static void same_twice(void **state)
{
	(void)state;
	struct view v = view_example(VIEW_PLAN_DONE, view_done, ARRAY_LEN(view_done));
	CLEANUP_FREE char *a = view_comment(&v), *b = view_comment(&v);
	assert_string_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fork_waits), cmocka_unit_test(planning),   cmocka_unit_test(plan_done),   cmocka_unit_test(without_projects),
		cmocka_unit_test(forgery),    cmocka_unit_test(large_diffs), cmocka_unit_test(absurd_lengths),
		cmocka_unit_test(same_twice),
	};
	return cmocka_run_group_tests_name("render", tests, NULL, NULL);
}
