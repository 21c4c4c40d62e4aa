/* Waiting behind another pull request, the place in that queue, and what is planned again after an apply. */
#include "plan/queue.h"

#include "base/clock.h"
#include "plan/lock_store.h"
#include "tests/support/store_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

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

/* An apply of a pull request that claimed a project, at work. */
static int64_t apply_job(int64_t pull, const char *project)
{
	int64_t run = store_run_at(c, RUN_APPLY, pull, "aaa", RUN_WORKING);
	store_must(lock_take(c, STORE_REPO, project, pull, run, &err), &err);
	return store_job(c, run, project, PHASE_APPLY, JOBS_RUNNING, NULL);
}

static int64_t plan_job(int64_t pull, const char *project, enum job_state state)
{
	return store_job(c, store_run_at(c, RUN_PLAN, pull, "bbb", state <= JOBS_RUNNING ? RUN_WORKING : RUN_DONE), project, PHASE_PLAN, state, NULL);
}

static void set_state(int64_t job, enum job_state state)
{
	store_must(db_run(c, &err, "UPDATE job SET state=?2 WHERE id=?1", "is", job, job_state_name(state)), &err);
}

static bool holds(int64_t job)
{
	struct job_row j;
	bool waits;
	store_must(job_get(c, job, &j, &err), &err);
	store_must(queue_hold(c, &j, &waits, &err), &err);
	job_row_free(&j);
	return waits;
}

/* "waiting behind 12, 2 of 3" */
static const char *place(int64_t job)
{
	static char text[100];
	struct job_row j;
	struct queue_place q;
	store_must(job_get(c, job, &j, &err), &err);
	store_must(queue_place(c, &j, &q, &err), &err);
	(void)snprintf(text, sizeof(text), "%s behind %lld%s, %lld of %lld", job_state_name(j.state), (long long)q.behind, q.unknown ? " (unknown)" : "",
		       (long long)q.place, (long long)q.of);
	job_row_free(&j);
	return text;
}

static void release(void) { store_must(queue_release(c, &err), &err); }

static void behind_and_free_again(void **state)
{
	(void)state;
	int64_t apply = apply_job(12, "db");
	int64_t first = plan_job(13, "db", JOBS_READY), second = plan_job(14, "db", JOBS_READY), again = plan_job(15, "db", JOBS_READY);
	int64_t other = plan_job(16, "net", JOBS_READY), own = plan_job(12, "db", JOBS_READY);
	assert_true(holds(first) && holds(second) && holds(again));
	assert_false(holds(other)); /* another project */
	assert_false(holds(own));   /* the holder's */
	assert_string_equal(place(first), "waiting behind 12, 1 of 3");
	assert_string_equal(place(second), "waiting behind 12, 2 of 3");
	assert_string_equal(place(again), "waiting behind 12, 3 of 3");
	assert_string_equal(place(other), "ready behind 0, 0 of 0");
	assert_int_equal(store_int(c, "SELECT count(*) FROM run WHERE dirty=1"), 3); /* their comments say so */
	int64_t n;
	store_must(queue_length(c, STORE_REPO, "db", &n, &err), &err);
	assert_int_equal(n, 3);
	release();
	assert_string_equal(place(first), "waiting behind 12, 1 of 3");
	store_exec(c, "UPDATE run SET dirty=0");
	set_state(apply, JOBS_DONE);
	release();
	assert_string_equal(place(first), "ready behind 0, 0 of 0");
	assert_string_equal(place(second), "ready behind 0, 0 of 0");
	assert_int_equal(store_int(c, "SELECT count(*) FROM run WHERE dirty=1"), 3);
	release(); /* and nothing more */
	assert_string_equal(store_text(c, "SELECT group_concat(json_extract(detail, '$.what')||' '||coalesce(pull, 0), '; ') FROM (SELECT * FROM audit WHERE"
				       " kind='lock' ORDER BY rowid)", NULL),
			    "claimed 12; waits 13; waits 14; waits 15; free 0");
}

/* The next holder may be one of those who waited: it goes on, the others wait behind it. */
static void the_holder_changes(void **state)
{
	(void)state;
	int64_t apply = apply_job(12, "db"), first = plan_job(13, "db", JOBS_READY), second = plan_job(14, "db", JOBS_READY);
	assert_true(holds(first) && holds(second));
	set_state(apply, JOBS_UNKNOWN);
	release();
	assert_string_equal(place(second), "waiting behind 12 (unknown), 2 of 2");
	store_exec(c, "UPDATE job SET resolution='failed' WHERE state='unknown'");
	(void)apply_job(13, "db");
	release();
	assert_string_equal(place(first), "ready behind 0, 0 of 0");
	assert_string_equal(place(second), "waiting behind 13, 1 of 1");
}

static void what_does_not_wait(void **state)
{
	(void)state;
	(void)apply_job(12, "db");
	int64_t apply = store_job(c, store_run_at(c, RUN_APPLY, 13, "bbb", RUN_WORKING), "db", PHASE_APPLY, JOBS_READY, NULL);
	assert_false(holds(apply)); /* taking the lock refuses it, with the reason */
	int64_t again = store_job(c, store_run_at(c, RUN_APPLY, 14, "bbb", RUN_WORKING), "db", PHASE_PLAN, JOBS_READY, NULL);
	store_must(db_run(c, &err, "UPDATE job SET plan_job=7 WHERE id=?", "i", again), &err);
	assert_false(holds(again)); /* planned again by an apply */
	int64_t late = plan_job(15, "db", JOBS_READY);
	assert_true(holds(late));
	struct job_row j;
	bool waits;
	store_must(job_get(c, late, &j, &err), &err);
	assert_int_equal(queue_hold(c, &j, &waits, &err), ERR_CONFLICT); /* it is not ready any more */
	job_row_free(&j);
	/* a pull request that waits twice has one place; one that was cancelled has none */
	int64_t twice = plan_job(15, "db", JOBS_READY);
	assert_true(holds(twice));
	assert_string_equal(place(twice), "waiting behind 12, 1 of 1");
	set_state(late, JOBS_CANCELLED);
	set_state(twice, JOBS_CANCELLED);
	release();
	assert_int_equal(store_job_state(c, late), JOBS_CANCELLED);
}

/* A waiting job whose project is held is not released by its dependencies. */
static void dependencies_do_not_release(void **state)
{
	(void)state;
	(void)apply_job(12, "db");
	int64_t run = store_run_at(c, RUN_PLAN, 13, "bbb", RUN_WORKING);
	store_job(c, run, "net", PHASE_PLAN, JOBS_DONE, NULL);
	int64_t db = store_job(c, run, "db", PHASE_PLAN, JOBS_WAITING, "net");
	store_must(job_release_waiting(c, run, &err), &err);
	assert_int_equal(store_job_state(c, db), JOBS_READY);
	assert_true(holds(db));
	store_must(job_release_waiting(c, run, &err), &err);
	assert_int_equal(store_job_state(c, db), JOBS_WAITING);
	int64_t open;
	store_must(job_count_open(c, run, &open, &err), &err);
	assert_int_equal(open, 1);
}

/* ---- planned again ---- */

static void after(int64_t apply, enum job_state how)
{
	struct job_row j;
	set_state(apply, how);
	store_must(job_get(c, apply, &j, &err), &err);
	store_must(queue_after_apply(c, &j, &err), &err);
	job_row_free(&j);
}

/* "13 14", the pull requests that got a new run since the marked one */
static const char *planned_again(int64_t mark)
{
	static char text[200];
	struct db_stmt *s;
	store_must(db_query(c, &s, &err, "SELECT coalesce(group_concat(pull, ' '), '') FROM (SELECT pull FROM run WHERE id>?1 AND kind='plan' ORDER BY pull)", "i",
			    mark), &err);
	assert_int_equal(db_step(s, &err), 1);
	(void)snprintf(text, sizeof(text), "%s", db_text(s, 0));
	db_reset(s);
	return text;
}

static int64_t newest_run(void) { return store_int(c, "SELECT max(id) FROM run"); }

static void stale_plans(void **state)
{
	(void)state;
	plan_job(13, "db", JOBS_DONE);    /* stale */
	plan_job(14, "net", JOBS_DONE);   /* about something else */
	plan_job(15, "db", JOBS_FAILED);  /* nothing to go stale */
	plan_job(16, "db", JOBS_RUNNING); /* it saw the old world, too */
	plan_job(17, "db", JOBS_READY);   /* it will see the new one */
	plan_job(18, "db", JOBS_DONE);    /* closed since */
	store_must(run_set_closed(c, STORE_REPO, 18, &err), &err);
	plan_job(19, "db", JOBS_DONE); /* closed, and opened and planned again */
	store_must(run_set_closed(c, STORE_REPO, 19, &err), &err);
	plan_job(19, "db", JOBS_DONE);
	plan_job(20, "db", JOBS_DONE); /* merged */
	store_must(run_set_merge(c, store_run_at(c, RUN_APPLY, 20, "bbb", RUN_DONE), "mmm", true, &err), &err);
	plan_job(23, "db", JOBS_DONE); /* being applied itself: its comment is about that */
	store_run_at(c, RUN_APPLY, 23, "bbb", RUN_GATING);
	plan_job(24, "db", JOBS_DONE); /* an apply of it was refused */
	store_run_at(c, RUN_APPLY, 24, "bbb", RUN_REFUSED);
	plan_job(21, "db", JOBS_DONE); /* of a head that is gone: the newer one does not touch the project */
	store_run_at(c, RUN_PLAN, 21, "ccc", RUN_DONE);
	plan_job(22, "db", JOBS_DONE); /* a run has just begun, and its job with it */
	store_run(c, RUN_PLAN, 22);
	plan_job(12, "db", JOBS_DONE); /* its own */
	int64_t apply = apply_job(12, "db"), mark = newest_run();
	after(apply, JOBS_DONE);
	assert_string_equal(planned_again(mark), "13 16 19 24");
	assert_string_equal(store_text(c, "SELECT only||' '||notes||' '||state||' '||coalesce(asker, '-') FROM run ORDER BY id DESC LIMIT 1", NULL),
			    "{\"projects\":[\"db\"],\"dirs\":[],\"workspace\":null} `db` was applied by #12: planned again. queued -");
	assert_int_equal(store_int(c, "SELECT count(*) FROM run WHERE state='superseded'"), 0); /* the run at work goes on */
	mark = newest_run();
	after(apply, JOBS_DONE); /* the same again: those runs stand already */
	assert_string_equal(planned_again(mark), "");
}

static void other_ends(void **state)
{
	static const struct {
		enum job_state how;
		const char *again;
	} rows[] = {{JOBS_FAILED, "13"}, {JOBS_DONE, "13"}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		c = (store_close(c), store_open());
		plan_job(13, "db", JOBS_DONE);
		int64_t apply = apply_job(12, "db"), mark = newest_run();
		after(apply, rows[i].how);
		assert_string_equal(planned_again(mark), rows[i].again);
	}
	assert_int_equal(store_int(c, "SELECT count(*) FROM run WHERE notes LIKE '%was applied%'"), 1);
	int64_t mark = newest_run();
	after(plan_job(14, "db", JOBS_DONE), JOBS_DONE); /* a plan changes nothing */
	assert_string_equal(planned_again(mark + 1), "");
}

static void of_person(void **state)
{
	int64_t n;
	(void)state;
	plan_job(13, "a", JOBS_READY);
	plan_job(13, "b", JOBS_WAITING);
	plan_job(13, "c", JOBS_RUNNING);
	plan_job(13, "d", JOBS_READY);
	store_exec(c, "UPDATE job SET asker=CASE project WHEN 'd' THEN 'bob' ELSE 'alice' END, state=CASE WHEN state='cancelled' THEN 'ready' ELSE state END");
	store_exec(c, "UPDATE job SET state='waiting' WHERE project='b'");
	store_must(queue_of_person(c, "alice", &n, &err), &err);
	assert_int_equal(n, 2);
	store_must(queue_of_person(c, "carol", &n, &err), &err);
	assert_int_equal(n, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(behind_and_free_again), T(the_holder_changes), T(what_does_not_wait), T(dependencies_do_not_release),
					   T(stale_plans), T(other_ends), T(of_person)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
