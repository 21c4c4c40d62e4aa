/* Headlines and lines of projects. */
#include "base/limits.h"
#include "base/text.h"
#include "tests/support/plan_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void project_lines(void **state)
{
	static const struct {
		struct view_project p;
		const char *want;
	} cases[] = {
		{{.state = VIEW_QUEUED}, "queued"},
		{{.state = VIEW_QUEUED, .waiting_for = "network"}, "queued behind network"},
		{{.state = VIEW_RUNNING}, "running"},
		{{.state = VIEW_RUNNING, .running_ms = 12000}, "running, 12 s"},
		{{.state = VIEW_PLANNED}, "planned"},
		{{.state = VIEW_PLANNED, .summary = &plan_none}, "no changes"},
		{{.state = VIEW_PLANNED, .summary = &plan_network}, "2 to add, 1 to change"},
		{{.state = VIEW_PLANNED, .summary = &plan_drifted}, "no changes, 1 changed outside"},
		{{.state = VIEW_FAILED, .error = error_dns}, "failed: dns/main.tf:14 Unsupported argument"},
		{{.state = VIEW_FAILED}, "failed: no reason was given"},
		{{.state = VIEW_REFUSED, .error = "`x.tfstate` is tracked in git"}, "refused: 'x.tfstate' is tracked in git"},
		{{.state = VIEW_CANCELLED}, "cancelled"},
		{{.state = VIEW_APPLYING, .running_ms = 60000}, "applying, 1 min"},
		{{.state = VIEW_APPLIED}, "applied"},
		{{.state = VIEW_APPLIED, .summary = &plan_network}, "2 added, 1 changed"},
		{{.state = VIEW_APPLIED, .summary = &plan_none}, "nothing to do"},
		{{.state = VIEW_APPLY_FAILED, .error = "Error: x"}, "apply failed: x"},
		{{.state = VIEW_UNKNOWN}, "interrupted: outcome unknown"},
		{{.state = VIEW_UNKNOWN, .resolved = "failed by bob"}, "interrupted, resolved as failed by bob"},
		{{.state = VIEW_QUEUED, .behind = 12, .place = 1, .of = 1}, "queued behind #12"},
		{{.state = VIEW_QUEUED, .behind = 12, .place = 1, .of = 3}, "queued behind #12, 1st of 3"},
		{{.state = VIEW_QUEUED, .behind = 12, .place = 2, .of = 3}, "queued behind #12, 2nd of 3"},
		{{.state = VIEW_QUEUED, .behind = 12, .place = 3, .of = 3}, "queued behind #12, 3rd of 3"},
		{{.state = VIEW_QUEUED, .behind = 12, .place = 4, .of = 9}, "queued behind #12, 4th of 9"},
		{{.state = VIEW_QUEUED, .behind = 12, .place = 11, .of = 30}, "queued behind #12, 11th of 30"},
		{{.state = VIEW_QUEUED, .behind = 12, .place = 22, .of = 30}, "queued behind #12, 22nd of 30"},
		{{.state = VIEW_QUEUED, .behind = 12, .place = 112, .of = 130}, "queued behind #12, 112th of 130"},
		{{.state = VIEW_QUEUED, .behind = 12, .behind_unknown = true, .place = 1, .of = 1}, "queued behind #12, whose outcome is unknown"},
		{{.state = VIEW_DELETED}, "its directory is gone; nothing is planned"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = {0};
		render_project_line(&cases[i].p, &out);
		assert_string_equal(buf_str(&out), cases[i].want);
	}
	CLEANUP_FREE char *error = xasprintf("Error: %0200d", 0);
	CLEANUP_BUF struct buf out = {0};
	render_project_line(&(struct view_project){.state = VIEW_FAILED, .error = error}, &out);
	assert_int_equal(out.len, LIMIT_STATUS_DESCRIPTION);
	assert_true(text_ends(out.data, "000..."));
}

static void headlines(void **state)
{
	static const struct view_project db = {.name = "db", .state = VIEW_PLANNED, .summary = &plan_db};
	static const struct view_project mixed[] = {{.name = "a", .state = VIEW_PLANNED, .summary = &plan_network},
						    {.name = "b", .state = VIEW_CANCELLED},
						    {.name = "c", .state = VIEW_REFUSED},
						    {.name = "d", .state = VIEW_FAILED}};
	static const struct {
		struct view v;
		const char *want;
	} cases[] = {
		{{.phase = VIEW_PLANNING}, "looking for the projects that this change touches"},
		{{.phase = VIEW_PLANNING, .projects = view_done, .projects_n = 1}, "planning 1 project, 1 done"},
		{{.phase = VIEW_PLANNING, .projects = view_done, .projects_n = 4},
		 "planning 4 projects, 4 done, 2 need your eyes, 1 failed"},
		{{.phase = VIEW_PLANNING, .projects = mixed, .projects_n = 1, .untouched = 9}, "planning 1 of 10 projects, 1 done"},
		{{.phase = VIEW_PLAN_DONE}, "no project is touched by this change"},
		{{.phase = VIEW_PLAN_DONE, .projects = &db, .projects_n = 1}, "1 plan needs your eyes: 1 to replace"},
		{{.phase = VIEW_PLAN_DONE, .projects = view_done, .projects_n = 1}, "1 plan is ready: 2 to add, 1 to change"},
		{{.phase = VIEW_PLAN_DONE, .projects = &view_done[1], .projects_n = 1},
		 "1 plan failed: dns/main.tf:14 Unsupported argument"},
		{{.phase = VIEW_PLAN_DONE, .projects = mixed, .projects_n = 4}, "1 failed, 1 refused, 1 cancelled, 1 plan with changes"},
		{{.phase = VIEW_PLAN_DONE, .config_errors = "x"}, "the configuration has errors, nothing is planned"},
		{{.phase = VIEW_PLAN_DONE, .error = "no `git`"}, "the run failed: no 'git'"},
		{{.phase = VIEW_APPLY_ASKED}, "apply asked: merging first"},
		{{.phase = VIEW_APPLY_ASKED, .refused = "refused, 1 approval is missing"}, "refused, 1 approval is missing"},
		{{.phase = VIEW_APPLYING_RUN, .projects = view_done, .projects_n = 3}, "applying 3 projects, 0 done"},
		{{.phase = VIEW_APPLY_DONE}, "nothing to apply"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = {0};
		render_headline(&cases[i].v, &out);
		assert_string_equal(buf_str(&out), cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(project_lines),
		cmocka_unit_test(headlines),
	};
	return cmocka_run_group_tests_name("render_words", tests, NULL, NULL);
}
