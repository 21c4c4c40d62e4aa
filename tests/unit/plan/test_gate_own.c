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

/* A claim of an apply that is not over, or an outcome that nobody has resolved. */
static void locks(void **state)
{
	struct job_row rows[] = {{.project = (char[]){"a"}, .state = JOBS_DONE}, {.project = (char[]){"b"}, .state = JOBS_DONE}};
	struct job_list jobs = {rows, 2};
	static const struct {
		int64_t pull;
		const char *project, *holder;
		bool unknown;
	} table[] = {
		{12, "a", NULL, false}, {13, "a", "#13", false}, {12, "a", "#12", true}, {13, "z", NULL, false}, {14, "b", "#14", true},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct gate_facts f = {0};
		struct gate_own own = {0};
		store_exec(c, "DELETE FROM job");
		store_exec(c, "DELETE FROM claim");
		store_exec(c, "DELETE FROM run");
		int64_t run = store_run_at(c, RUN_APPLY, table[i].pull, "abc", RUN_WORKING);
		store_must(lock_take(c, STORE_REPO, table[i].project, table[i].pull, run, &err), &err);
		if (table[i].unknown)
			(void)store_job(c, run, table[i].project, PHASE_APPLY, JOBS_UNKNOWN, NULL);
		store_must(gate_own_add(c, NULL, STORE_REPO, 12, &jobs, &f, &own, &err), &err);
		if (table[i].holder == NULL) {
			assert_null(f.lock_holder);
			assert_null(f.lock_project);
		} else {
			assert_string_equal(f.lock_holder, table[i].holder);
			assert_string_equal(f.lock_project, table[i].project);
			assert_int_equal(f.lock_unknown, table[i].unknown);
			assert_int_equal(f.lock_run, run);
		}
		gate_own_free(&own);
	}
}

/* --- approvals over the history of the plans --- */

struct step {
	const char *head, *changes, *inputs;
};

/* Plans of "net" one after the other, as a run and its harvest leave them; since_ms as job_plan_done keeps it. */
static void plan_all(const struct step *steps, size_t n)
{
	CLEANUP_FREE char *work = summary(true);
	store_exec(c, "DELETE FROM job");
	store_exec(c, "DELETE FROM run");
	int64_t since = 0;
	for (size_t i = 0; i < n; i++) {
		int64_t run = store_run_at(c, RUN_PLAN, 12, steps[i].head, RUN_DONE), job = store_job(c, run, "net", PHASE_PLAN, JOBS_DONE, NULL);
		if (i == 0 || strcmp(steps[i].changes, steps[i - 1].changes) != 0)
			since = (int64_t)(i + 1) * 10000;
		store_must(db_run(c, &err, "UPDATE job SET changes=?2, since_ms=?3, inputs=?4, summary=?5, finished_ms=?6 WHERE id=?1", "isissi", job, steps[i].changes, since,
				  steps[i].inputs, work, STORE_NOW), &err);
	}
}

/* bob's approval of one commit at one second, after all plans. Counted: 1, and why not otherwise. */
static int counted(const char *commit, int64_t second, struct gate_own *own, struct gate_facts *ret)
{
	struct gate_heard h = {.author_id = 1, .committers_read = TRI_YES};
	struct run_row plan = {0};
	struct job_list jobs = {0};
	struct review *r = review_list_add(&h.reviews, 2, "bob");
	r->approves = true;
	r->writes = TRI_YES;
	r->commit_id = xstrdup(commit);
	r->submitted_ms = second * 1000;
	*ret = (struct gate_facts){.heard = &h};
	store_must(run_newest(c, STORE_REPO, 12, RUN_PLAN, NULL, &plan, &err), &err);
	store_must(job_list_of_head(c, STORE_REPO, 12, plan.head_sha, &jobs, &err), &err);
	store_must(gate_own_add(c, &plan, STORE_REPO, 12, &jobs, ret, own, &err), &err);
	run_row_free(&plan);
	job_list_free(&jobs);
	review_list_free(&h.reviews);
	ret->heard = NULL;
	return ret->approvals;
}

static void approvals_follow_plans(void **state)
{
	static const struct {
		int line;
		struct step steps[3];
		size_t n;
		const char *commit;
		int64_t second;
		const char *why; /* NULL: counts */
	} rows[] = {
		{__LINE__, {{"h1", "A", "i1"}}, 1, "h1", 10, NULL},
		{__LINE__, {{"h1", "A", "i1"}}, 1, "h1", 9, "`@bob` approved before the plan of `net` was made."},
		{__LINE__, {{"h1", "A", "i1"}, {"h1", "A", "i1"}}, 2, "h1", 10, NULL},						    /* planned again: the same */
		{__LINE__, {{"h1", "A", "i1"}, {"h1", "B", "i1"}}, 2, "h1", 15, "`@bob` approved before the plan of `net` was made."}, /* something else now */
		{__LINE__, {{"h1", "A", "i1"}, {"h1", "B", "i1"}}, 2, "h1", 20, NULL},
		{__LINE__, {{"h1", "A", "i1"}, {"h2", "A", "i1"}}, 2, "h1", 12, NULL}, /* a push that leaves the project alone */
		{__LINE__, {{"h1", "A", "i1"}, {"h2", "A", "i2"}}, 2, "h1", 12, "`@bob` approved an older commit whose plan of `net` differs."}, /* other files */
		{__LINE__, {{"h1", "A", "i1"}, {"h2", "B", "i2"}}, 2, "h1", 30, "`@bob` approved an older commit whose plan of `net` differs."},
		{__LINE__, {{"h1", "A", "i1"}, {"h2", "B", "i2"}, {"h3", "A", "i1"}}, 3, "h1", 12, "`@bob` approved before the plan of `net` was made."},
		{__LINE__, {{"h1", "A", "i1"}, {"h2", "B", "i2"}, {"h3", "A", "i1"}}, 3, "h1", 30, NULL},
		{__LINE__, {{"h1", "A", "i1"}, {"h2", "B", "i2"}, {"h3", "A", "i1"}}, 3, "h2", 40, "`@bob` approved an older commit whose plan of `net` differs."},
		{__LINE__, {{"h1", "A", "i1"}}, 1, "elsewhere", 20, "`@bob` approved an older commit whose plan of `net` differs."},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct gate_own own = {0};
		struct gate_facts f;
		plan_all(rows[i].steps, rows[i].n);
		int n = counted(rows[i].commit, rows[i].second, &own, &f);
		const char *why = f.not_counted != NULL ? f.not_counted : "";
		if (n != (rows[i].why == NULL) || strcmp(why, rows[i].why != NULL ? rows[i].why : "") != 0)
			fail_msg("line %d: %d <%s>", rows[i].line, n, why);
		gate_own_free(&own);
	}
}

/* The apply that asks has taken the plan already when it is asked for the last time: the plan's approvals are still the plan's. */
static void a_plan_in_use(void **state)
{
	static const struct step two[] = {{"h1", "A", "i1"}, {"h2", "A", "i1"}};
	struct gate_own own = {0};
	struct gate_facts f;
	(void)state;
	plan_all(two, 2);
	store_exec(c, "UPDATE job SET used_by=99");
	assert_int_equal(counted("h1", 20, &own, &f), 1);
	assert_int_equal(own.work, 0);
	gate_own_free(&own);
}

/* Who pushed the head, as the event told it. */
static void the_pusher(void **state)
{
	static const struct step one[] = {{"h1", "A", "i1"}};
	struct gate_own own = {0};
	struct gate_facts f;
	(void)state;
	plan_all(one, 1);
	store_must(db_run(c, &err, "INSERT INTO head_push(repo_id, sha, user_id, login, at_ms) VALUES(?,?,2,'bob',0)", "is", (int64_t)STORE_REPO, "h1"), &err);
	assert_int_equal(counted("h1", 20, &own, &f), 0);
	assert_string_equal(f.not_counted, "`@bob` pushed the head.");
	gate_own_free(&own);
	static const struct step two[] = {{"h1", "A", "i1"}, {"h2", "A", "i1"}};
	plan_all(two, 2); /* an earlier head of the same pull request: its commits may name anybody as their author */
	assert_int_equal(counted("h2", 20, &own, &f), 0);
	assert_string_equal(f.not_counted, "`@bob` is a committer.");
	gate_own_free(&own);
	plan_all(one, 1);
	store_must(db_run(c, &err, "UPDATE head_push SET repo_id=?", "i", (int64_t)STORE_REPO + 1), &err); /* another repository's */
	assert_int_equal(counted("h1", 20, &own, &f), 1);
	gate_own_free(&own);
}

static void what_the_plan_kept(void **state)
{
	static const struct step one[] = {{"h1", "A", "i1"}};
	struct gate_own own = {0};
	struct gate_facts f;
	(void)state;
	plan_all(one, 1);
	(void)counted("h1", 20, &own, &f);
	assert_int_equal(f.codeowners_same, TRI_UNKNOWN); /* a plan that did not look */
	assert_int_equal(f.codeowners, TRI_UNKNOWN);
	gate_own_free(&own);
	store_exec(c, "UPDATE run SET owners='{\"file\":null,\"sets\":[{\"owners\":[\"@bob\"],\"path\":\"x\",\"line\":1}],\"bad\":[],\"bots\":[],\"blocked_by\":[]}'");
	(void)counted("h1", 20, &own, &f);
	assert_int_equal(f.codeowners, TRI_YES);
	gate_own_free(&own);
	store_exec(c, "UPDATE run SET owners='{'"); /* damaged */
	(void)counted("h1", 20, &own, &f);
	assert_int_equal(f.codeowners, TRI_UNKNOWN);
	gate_own_free(&own);
}

static void expiry(void **state)
{
	static const struct {
		int64_t age_ms, expiry_ms;
		bool work, expired;
	} rows[] = {{999, 1000, true, false}, {1000, 1000, true, true}, {5000, 1000, true, true}, {5000, 1000, false, false}, {5000, 0, true, false}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *s = summary(rows[i].work);
		struct job_row j = {.project = (char[]){"net"}, .workspace = (char[]){"default"}, .state = JOBS_DONE, .summary = s, .finished_ms = STORE_NOW - rows[i].age_ms};
		struct job_list jobs = {&j, 1};
		struct gate_heard h = {.plan_expiry_ms = rows[i].expiry_ms};
		struct gate_facts f = {.heard = &h};
		struct gate_own own = {0};
		store_must(gate_own_add(c, NULL, STORE_REPO, 12, &jobs, &f, &own, &err), &err);
		if (rows[i].expired)
			assert_string_equal(f.expired, "`net`");
		else
			assert_null(f.expired);
		gate_own_free(&own);
	}
}

static void flags_that_leave_something_out(void **state)
{
	static const char *const args[] = {NULL, "-refresh=false\n-replace=a.b", "-target=a.b", "-parallelism=2\n-target=a.b"};
	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(args); i++) {
		CLEANUP_FREE char *s = summary(i % 2 == 0), *said = xstrdup(args[i / 2]);
		struct job_row j = {.project = (char[]){"net"}, .workspace = (char[]){"default"}, .state = JOBS_DONE, .summary = s, .args = said};
		struct gate_facts f = {0};
		struct gate_own own = {0};
		store_must(gate_own_add(c, NULL, STORE_REPO, 12, &(struct job_list){&j, 1}, &f, &own, &err), &err);
		assert_int_equal(f.partial != NULL, i >= 4 && i % 2 == 0); /* a plan without changes is in nobody's way */
		gate_own_free(&own);
	}
}

/* A commit on the base branch since the plan: GitHub told its tip. */
static void the_base_moves(void **state)
{
	static const struct {
		const char *tip, *planned;
		enum tri want;
	} rows[] = {{"b1", "b1", TRI_YES}, {"b2", "b1", TRI_NO}, {NULL, "b1", TRI_YES}, {"b1", NULL, TRI_YES}};
	struct job_list none = {0};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *tip = xstrdup(rows[i].tip), *planned = xstrdup(rows[i].planned);
		struct gate_heard h = {.base_tip = tip};
		struct gate_facts f = {.heard = &h};
		struct gate_own own = {0};
		struct run_row plan = {.state = RUN_DONE, .base_sha = planned};
		store_must(gate_own_add(c, &plan, STORE_REPO, 12, &none, &f, &own, &err), &err);
		assert_int_equal(f.up_to_date, rows[i].want);
		gate_own_free(&own);
	}
}

static void who_merged(void **state)
{
	struct job_list none = {0};
	(void)state;
	static const char *const sql[] = {"UPDATE run SET merge_sha='m'", "UPDATE run SET merge_sha='m', merged_by_us=1", "UPDATE run SET merge_sha=NULL"};
	for (size_t i = 0; i < ARRAY_LEN(sql); i++) {
		struct gate_facts f = {.merged = TRI_YES};
		struct gate_own own = {0};
		store_exec(c, "DELETE FROM run");
		(void)store_run_at(c, RUN_APPLY, 12, "h1", RUN_WORKING);
		store_exec(c, sql[i]);
		store_must(gate_own_add(c, NULL, STORE_REPO, 12, &none, &f, &own, &err), &err);
		assert_int_equal(f.merged_by_us, i == 1);
		gate_own_free(&own);
	}
}

/* A plan that nobody could read is not applied. */
static void told(void **state)
{
	static const struct {
		const char *state, *why;
		int64_t delivered_ms, finished_ms;
		enum tri want;
	} rows[] = {
		{"done", NULL, 900, 1000, TRI_YES}, /* GitHub has what there is to say */
		{"due", NULL, 900, 1000, TRI_NO},   {"due", NULL, 1000, 1000, TRI_YES}, {"due", NULL, 2000, 1000, TRI_YES},
		{"due", NULL, 0, 1000, TRI_NO},	    {"dead", "locked", 900, 1000, TRI_NO}, {"dead", NULL, 0, 1000, TRI_NO},
		{"dead", "locked", 1500, 1000, TRI_YES}, {"due", NULL, 0, 0, TRI_YES} /* not over yet */, {NULL, NULL, 0, 1000, TRI_NO},
	};
	struct job_list none = {0};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct gate_facts f = {0};
		struct gate_own own = {0};
		struct run_row plan = {.state = RUN_DONE, .finished_ms = rows[i].finished_ms};
		store_exec(c, "DELETE FROM effect");
		if (rows[i].state != NULL)
			store_must(db_run(c, &err,
					  "INSERT INTO effect(slot, kind, repo_id, repo, pull, digest, not_before_ms, since_ms, state, delivered_ms, last_error)"
					  " VALUES('comment/77/12', 0, 77, 'acme/infra', 12, '', 0, 0, ?, ?, ?)",
					  "sis", rows[i].state, rows[i].delivered_ms, rows[i].why), &err);
		store_must(gate_own_add(c, &plan, 77, 12, &none, &f, &own, &err), &err);
		if (f.told != rows[i].want)
			fail_msg("row %zu: %d", i, (int)f.told);
		if (rows[i].want == TRI_NO && rows[i].state != NULL && strcmp(rows[i].state, "dead") == 0)
			assert_string_equal(f.told_why, rows[i].why != NULL ? rows[i].why : "it does not say why");
		else
			assert_null(f.told_why);
		gate_own_free(&own);
	}
}

/* The same for the gate check of an App, whose comment stands. */
static void a_check_that_is_not_taken(void **state)
{
	char head[] = "aaa";
	struct run_row plan = {.repo_id = 77, .state = RUN_DONE, .finished_ms = 1000, .head_sha = head};
	struct job_list none = {0};
	(void)state;
	for (int dead = 0; dead < 2; dead++) {
		struct gate_facts f = {0};
		struct gate_own own = {0};
		store_exec(c, "DELETE FROM effect");
		store_must(db_run(c, &err,
				  "INSERT INTO effect(slot, kind, repo_id, repo, pull, digest, not_before_ms, since_ms, state, delivered_ms, last_error)"
				  " VALUES('comment/77/12', 0, 77, 'a/b', 12, '', 0, 0, 'done', 2000, NULL), ('check/77/aaa/sluice', 3, 77, 'a/b', 12, '', 0, 0, ?, 0,"
				  " 'no permission')", "s", dead != 0 ? "dead" : "due"), &err);
		store_must(gate_own_add(c, &plan, 77, 12, &none, &f, &own, &err), &err);
		assert_int_equal(f.told, dead != 0 ? TRI_NO : TRI_YES);
		if (dead != 0)
			assert_string_equal(f.told_why, "the check `sluice`: no permission");
		gate_own_free(&own);
	}
}

/* What goes with its directory asks for approvals like any other, and is in nobody's way when it cannot be planned. */
static void a_directory_that_is_gone(void **state)
{
	CLEANUP_FREE char *work = summary(true);
	struct job_row rows[] = {
		{.project = (char[]){"gone"}, .workspace = (char[]){"default"}, .state = JOBS_DONE, .deleted = true, .requires_approved = true, .approvals = 5, .summary = work},
		{.project = (char[]){"going"}, .workspace = (char[]){"default"}, .state = JOBS_FAILED, .deleted = true, .destroy = true, .requires_approved = true, .approvals = 2},
	};
	struct job_list jobs = {rows, 2};
	struct gate_facts f = {0};
	struct gate_own own = {0};
	(void)state;
	store_must(gate_own_add(c, NULL, STORE_REPO, 12, &jobs, &f, &own, &err), &err);
	assert_int_equal(f.approvals_needed, 2);
	assert_true(f.projects == 0 && f.failed == 0 && f.unplanned == NULL);
	gate_own_free(&own);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(has_work), T(adds_up), T(of_the_run), T(a_part_is_not_the_whole), T(merging_requires_for_all), T(locks), T(approvals_follow_plans), T(a_plan_in_use), T(the_pusher),
					   T(what_the_plan_kept), T(expiry), T(flags_that_leave_something_out), T(the_base_moves), T(who_merged), T(told), T(a_check_that_is_not_taken), T(a_directory_that_is_gone)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
