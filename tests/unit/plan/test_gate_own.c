/* The gate's facts from our own rows, and those of GitHub between reading and showing. */
#include "plan/gate_own.h"

#include "plan/lock_store.h"
#include "plan/summary.h"
#include "tests/support/store_support.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct db_conn *c;
static struct err err;

static int setup(void **state)
{
	(void)state;
	c = store_open();
	err = (struct err){0};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_close(c);
	return 0;
}

static char *summary(bool applyable)
{
	struct plan_summary s = {.create = applyable ? 1 : 0, .applyable = applyable};
	struct buf b = {0};
	plan_summary_write(&s, &b);
	return buf_take(&b);
}

static void has_work(void **state)
{
	CLEANUP_FREE char *yes = summary(true), *no = summary(false);
	const struct {
		enum job_state state;
		int64_t used_by;
		char *summary;
		bool want;
	} rows[] = {
		{JOBS_DONE, 0, yes, true}, {JOBS_DONE, 0, no, false}, {JOBS_DONE, 7, yes, false}, {JOBS_DONE, 0, NULL, false},
		{JOBS_DONE, 0, (char[]){"{"}, false}, {JOBS_FAILED, 0, yes, false}, {JOBS_RUNNING, 0, yes, false}, {JOBS_REFUSED, 0, yes, false},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct job_row j = {.state = rows[i].state, .used_by = rows[i].used_by, .summary = rows[i].summary};
		assert_int_equal(gate_own_has_work(&j), rows[i].want);
	}
}

static void adds_up(void **state)
{
	CLEANUP_FREE char *work = summary(true), *none = summary(false);
	struct job_row rows[] = {
		{.project = (char[]){"a"}, .state = JOBS_DONE, .summary = work, .requires_approved = true},
		{.project = (char[]){"b"}, .state = JOBS_DONE, .summary = none, .requires_approved = true, .approvals = 2},
		{.project = (char[]){"c"}, .state = JOBS_FAILED, .requires_checks = true},
		{.project = (char[]){"d"}, .state = JOBS_RUNNING, .approvals = 9 /* not required */},
		{.project = (char[]){"e"}, .state = JOBS_WAITING, .requires_up_to_date = true},
		{.project = (char[]){"f"}, .state = JOBS_UNKNOWN},
	};
	struct job_list jobs = {rows, ARRAY_LEN(rows)};
	struct run_row plan = {.state = RUN_DONE};
	struct gate_facts f = {0};
	struct gate_own own = {0};
	(void)state;
	store_must(gate_own_add(c, &plan, 1, 12, &jobs, &f, &own, &err), &err);
	assert_int_equal(f.projects, 6);
	assert_int_equal(f.planned, 2);
	assert_int_equal(f.running, 2);
	assert_int_equal(f.failed, 2);
	assert_int_equal(f.approvals_needed, 2);
	assert_true(f.checks_needed && f.up_to_date_needed);
	assert_string_equal(f.unplanned, "`c`, `d`, `e`, `f`");
	assert_int_equal(own.work, 1);
	assert_int_equal(f.up_to_date, TRI_YES);
	assert_null(f.lock_holder);
	gate_own_free(&own);
}

static void of_the_run(void **state)
{
	struct job_list none = {0};
	struct gate_own own = {0};
	(void)state;
	const struct {
		struct run_row plan;
		bool there;
		enum tri up_to_date;
		int64_t running;
	} rows[] = {
		{{.state = RUN_DONE}, true, TRI_YES, 0},
		{{.state = RUN_DONE, .base_moved = true}, true, TRI_NO, 0},
		{{.state = RUN_PREPARING}, true, TRI_YES, 1}, /* it may find more projects yet */
		{{.state = RUN_DONE}, false, TRI_UNKNOWN, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct gate_facts f = {0};
		store_must(gate_own_add(c, rows[i].there ? &rows[i].plan : NULL, 1, 12, &none, &f, &own, &err), &err);
		assert_int_equal(f.up_to_date, rows[i].up_to_date);
		assert_int_equal(f.running, rows[i].running);
		assert_null(f.unplanned);
	}
}

/* `plan -p a` looks at one project: what else the head touches is not planned by it, unless a plan of all of them is there. */
static void a_part_is_not_the_whole(void **state)
{
	static const struct {
		const char *only, *head, *base;
		enum run_state state;
		enum tri merged;
		int64_t projects;
	} rows[] = {
		{NULL, "aaa", "main", RUN_DONE, TRI_NO, 0},  {NULL, "aaa", "main", RUN_CANCELLED, TRI_NO, 1}, {NULL, "aaa", "main", RUN_SUPERSEDED, TRI_NO, 1},
		{"{}", "aaa", "main", RUN_DONE, TRI_NO, 1},  {NULL, "bbb", "main", RUN_DONE, TRI_NO, 1},      {NULL, "aaa", "dev", RUN_DONE, TRI_NO, 1},
		{"{}", "aaa", "main", RUN_DONE, TRI_YES, 0}, {NULL, "aaa", "main", RUN_FAILED, TRI_NO, 1},
	};
	struct job_list none = {0};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct gate_facts f = {.merged = rows[i].merged};
		struct gate_own own = {0};
		struct run_row part = {.repo_id = STORE_REPO, .pull = 1, .head_sha = (char[]){"aaa"}, .base_ref = (char[]){"main"}, .only = (char[]){"{}"},
				       .state = RUN_DONE};
		store_exec(c, "DELETE FROM run");
		int64_t id = store_run_at(c, RUN_PLAN, 1, rows[i].head, rows[i].state);
		store_must(run_set_only(c, id, rows[i].only, &err), &err);
		store_must(db_run(c, &err, "UPDATE run SET base_ref=?", "s", rows[i].base), &err);
		store_must(gate_own_add(c, &part, STORE_REPO, 1, &none, &f, &own, &err), &err);
		assert_int_equal(f.projects, rows[i].projects);
		assert_string_equal(f.planned_base, "main");
		gate_own_free(&own);
	}
}

static void merging_requires_for_all(void **state)
{
	struct gate_facts f = {0};
	const struct job_row rows[] = {
		{.requires_approved = true, .approvals = 3, .requires_checks = true, .requires_up_to_date = true, .deleted = true},
		{.requires_approved = true, .approvals = 2},
		{.requires_checks = true},
	};
	(void)state;
	gate_own_require(&rows[0], &f);
	assert_true(f.approvals_needed == 0 && !f.checks_needed && !f.up_to_date_needed);
	gate_own_require(&rows[1], &f);
	gate_own_require(&rows[2], &f);
	assert_true(f.approvals_needed == 2 && f.checks_needed && !f.up_to_date_needed);
	assert_int_equal(f.projects, 0);
}

static void locks(void **state)
{
	struct job_row rows[] = {{.project = (char[]){"a"}, .state = JOBS_DONE}, {.project = (char[]){"b"}, .state = JOBS_DONE}};
	struct job_list jobs = {rows, 2};
	static const struct {
		int64_t pull;
		const char *project, *reason, *holder;
	} table[] = {
		{12, "a", "apply", NULL}, {13, "a", "apply", "#13"}, {12, "a", "outcome unknown", "#12"}, {13, "z", "apply", NULL}, {14, "b", "outcome unknown", "#14"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct gate_facts f = {0};
		struct gate_own own = {0};
		store_exec(c, "DELETE FROM lock");
		store_must(lock_take(c, 1, table[i].project, table[i].pull, 5, &err), &err);
		store_must(lock_set_reason(c, 1, table[i].project, table[i].reason, &err), &err);
		store_must(gate_own_add(c, NULL, 1, 12, &jobs, &f, &own, &err), &err);
		if (table[i].holder == NULL) {
			assert_null(f.lock_holder);
			assert_null(f.lock_project);
		} else {
			assert_string_equal(f.lock_holder, table[i].holder);
			assert_string_equal(f.lock_project, table[i].project);
		}
		gate_own_free(&own);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(has_work), T(adds_up), T(of_the_run), T(a_part_is_not_the_whole), T(merging_requires_for_all), T(locks)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
