/* Locks, read from history: held while an apply is under way and while an outcome is unknown; free without anybody letting go. */
#include "plan/lock_store.h"

#include "base/audit.h"
#include "base/clock.h"
#include "github/outbox.h"
#include "tests/support/store_support.h"
#include "webhooks/delivery_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

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

/* "#12 apply", "" when it is free. */
static const char *holder(const char *project)
{
	static char text[100];
	struct lock_row l;
	int rc = lock_get(c, STORE_REPO, project, &l, &err);
	assert_true(rc == 0 || rc == ERR_NOT_FOUND);
	text[0] = '\0';
	if (rc == 0)
		(void)snprintf(text, sizeof(text), "#%lld %s", (long long)l.pull, l.reason);
	return text;
}

static int64_t apply_of(int64_t pull) { return store_run_at(c, RUN_APPLY, pull, "aaa", RUN_WORKING); }

static void take(int64_t run, int64_t pull, const char *project) { store_must(lock_take(c, STORE_REPO, project, pull, run, &err), &err); }

static void one_holder(void **state)
{
	struct lock_row l;
	(void)state;
	int64_t first = apply_of(12), second = apply_of(13);
	assert_string_equal(holder("net"), "");
	take(first, 12, "net");
	take(first, 12, "net"); /* said twice is said */
	assert_int_equal(lock_take(c, STORE_REPO, "net", 13, second, &err), ERR_CONFLICT);
	assert_string_equal(err.msg, "`net` is held by the apply of #12: wait until that is over");
	store_must(lock_take(c, 99, "net", 13, second, &err), &err); /* another repository */
	take(second, 13, "dns");                                     /* another project */
	clock_fake_advance(50);
	store_must(lock_get(c, STORE_REPO, "net", &l, &err), &err);
	assert_int_equal(l.pull, 12);
	assert_int_equal(l.run_id, first);
	assert_int_equal(l.created_ms, STORE_NOW);
	assert_false(l.unknown);
	assert_string_equal(l.project, "net");
	assert_string_equal(l.reason, "apply");
	assert_string_equal(l.asker, "alice");
	assert_int_equal(lock_get(c, STORE_REPO, "web", &l, &err), ERR_NOT_FOUND);
}

/* Every state of the run and of its job: who holds the project. */
static void read_from_history(void **state)
{
	(void)state;
	for (int r = 0; r < RUN_STATES; r++)
		for (int j = -1; j < JOBS_STATES; j++) {
			c = (store_close(c), store_open());
			int64_t run = store_run_at(c, RUN_APPLY, 12, "aaa", (enum run_state)r);
			take(run, 12, "net");
			if (j >= 0)
				store_job(c, run, "net", PHASE_APPLY, (enum job_state)j, NULL);
			bool over = run_state_is_over((enum run_state)r);
			bool open = j < 0 || j <= JOBS_RUNNING;
			const char *want = j == JOBS_UNKNOWN ? "#12 outcome unknown" : (!over && open) || j == JOBS_RUNNING ? "#12 apply" : "";
			if (strcmp(holder("net"), want) != 0)
				fail_msg("run %s, job %s: %s", run_state_name((enum run_state)r), j < 0 ? "none" : job_state_name((enum job_state)j), holder("net"));
		}
}

/* A plan of the same run, made again, neither holds nor frees. */
static void a_plan_in_an_apply(void **state)
{
	(void)state;
	int64_t run = apply_of(12);
	take(run, 12, "net");
	store_job(c, run, "net", PHASE_PLAN, JOBS_DONE, NULL);
	assert_string_equal(holder("net"), "#12 apply");
	store_job(c, run, "net", PHASE_APPLY, JOBS_DONE, NULL);
	assert_string_equal(holder("net"), "");
	int64_t plan = store_run_at(c, RUN_PLAN, 12, "aaa", RUN_WORKING);
	store_job(c, plan, "net", PHASE_PLAN, JOBS_RUNNING, NULL);
	assert_string_equal(holder("net"), ""); /* plans take no lock */
}

static void unknown_outcome(void **state)
{
	struct lock_row l;
	bool held;
	(void)state;
	int64_t run = apply_of(12), other = apply_of(13), again = apply_of(12);
	take(run, 12, "net");
	store_job(c, run, "net", PHASE_APPLY, JOBS_UNKNOWN, NULL);
	store_must(run_move(c, run, RUN_WORKING, RUN_DONE, &err), &err);
	for (int64_t pull = 12; pull <= 13; pull++) {
		store_must(lock_in_way(c, STORE_REPO, "net", pull, &l, &held, &err), &err);
		assert_true(held && l.unknown); /* not even its own pull request */
		assert_int_equal(lock_take(c, STORE_REPO, "net", pull, pull == 12 ? again : other, &err), ERR_CONFLICT);
		assert_non_null(strstr(err.msg, "the outcome of its apply by #12 is unknown"));
		assert_non_null(strstr(err.msg, "`resolve 1 --as applied`"));
	}
	store_must(db_run(c, &err, "UPDATE job SET resolution='failed'", ""), &err);
	take(other, 13, "net");
	store_must(lock_in_way(c, STORE_REPO, "net", 13, &l, &held, &err), &err);
	assert_false(held);
	store_must(lock_in_way(c, STORE_REPO, "net", 12, &l, &held, &err), &err);
	assert_true(held && !l.unknown && l.pull == 13);
}

static void listed(void **state)
{
	struct lock_list l = {0};
	(void)state;
	int64_t run = apply_of(12), other = apply_of(13);
	take(run, 12, "web");
	take(run, 12, "net");
	take(other, 13, "dns");
	store_job(c, run, "web", PHASE_APPLY, JOBS_UNKNOWN, NULL);
	store_must(lock_list_of_pull(c, STORE_REPO, 12, &l, &err), &err);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.v[0].project, "net");
	assert_string_equal(l.v[1].project, "web");
	assert_true(!l.v[0].unknown && l.v[1].unknown);
	lock_list_free(&l);
	store_must(lock_list_of_pull(c, 99, 12, &l, &err), &err);
	assert_int_equal(l.n, 0);
}

static void given_back(void **state)
{
	int64_t back;
	(void)state;
	int64_t run = apply_of(12);
	take(run, 12, "net");
	int64_t first = store_job(c, run, "net", PHASE_APPLY, JOBS_READY, NULL), second = store_job(c, run, "web", PHASE_APPLY, JOBS_WAITING, "net");
	store_must(lock_give_back(c, STORE_REPO, 13, &back, &err), &err);
	assert_int_equal(back, 0);
	store_exec(c, "UPDATE job SET attempts=1 WHERE project='net'"); /* it began once */
	store_must(lock_give_back(c, STORE_REPO, 12, &back, &err), &err);
	assert_int_equal(back, 0);
	assert_int_equal(store_job_state(c, first), JOBS_READY);
	store_exec(c, "UPDATE job SET attempts=0");
	store_must(lock_give_back(c, STORE_REPO, 12, &back, &err), &err);
	assert_int_equal(back, run);
	assert_int_equal(store_job_state(c, first), JOBS_CANCELLED);
	assert_int_equal(store_job_state(c, second), JOBS_CANCELLED);
	assert_string_equal(holder("net"), "");
}

/* From the first version: what was locked by an unknown outcome stays so, what `unlock` had forgotten does not come back, and applies that were
 * at work keep their claims. */
static void from_version_one(void **state)
{
	static char first[32 * 1024], second[32 * 1024];
	static const struct db_migration list[] = {{1, first}, {2, second}};
	char path[] = "/tmp/lock-test-XXXXXX";
	(void)state;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	(void)snprintf(first, sizeof(first), "%s%s%s", DELIVERY_SCHEMA, OUTBOX_SCHEMA, PLAN_SCHEMA);
	(void)snprintf(second, sizeof(second), "%s%s%s%s%s", DELIVERY_SCHEMA_2, OUTBOX_SCHEMA_2, PLAN_SCHEMA_2, LOCK_SCHEMA, AUDIT_SCHEMA);
	store_close(c);
	store_must(db_conn_open(path, list, 1, &c, &err), &err);
	store_exec(c, "INSERT INTO run(id,token,repo_id,repo,pull,kind,state,created_ms,finished_ms,asker) VALUES(1,'t',77,'a/a',12,'apply','done',1,1,'alice'),"
		      "(2,'t',77,'a/a',13,'apply','working',1,0,'bob')");
	static const char *const jobs[] = {"1,12,'unknown','kept'", "1,12,'unknown','forgotten'", "2,13,'running','works'", "2,13,'waiting','queued'"};
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		CLEANUP_FREE char *sql = xasprintf("INSERT INTO job(run_id,pull,state,project,repo_id,phase,dir,workspace,engine,apply,needs_init,managed_state,"
						   "deleted,requires,approvals) VALUES(%s,77,'apply','.','default','','on_comment',0,0,0,0,0)", jobs[i]);
		store_exec(c, sql);
	}
	store_exec(c, "INSERT INTO lock VALUES(77,'kept',12,1,'outcome unknown',5),(77,'works',13,2,'apply',6),(77,'queued',13,2,'apply',6),"
		      "(77,'of no run',14,99,'apply',7)");
	db_conn_close(c);
	store_must(db_conn_open(path, list, 2, &c, &err), &err);
	assert_string_equal(holder("kept"), "#12 outcome unknown");
	assert_string_equal(holder("forgotten"), "");
	assert_string_equal(holder("works"), "#13 apply");
	assert_string_equal(holder("queued"), "#13 apply");
	assert_string_equal(holder("of no run"), "");
	assert_string_equal(store_text(c, "SELECT group_concat(project||' '||asker||' '||rank, '; ') FROM (SELECT * FROM job ORDER BY id)", NULL),
			    "kept alice 0; forgotten alice 0; works bob 0; queued bob 0");
	assert_int_equal(unlink(path), 0);
	CLEANUP_FREE char *wal = xasprintf("%s-wal", path), *shm = xasprintf("%s-shm", path);
	(void)unlink(wal); /* gone with the last connection, or not made */
	(void)unlink(shm);
}

/* A long history costs nothing: each part of the question is answered from an index of what is open. */
static void a_long_history(void **state)
{
	(void)state;
	store_exec(c, "WITH RECURSIVE n(i) AS(SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<20000) INSERT INTO run(id,token,repo_id,repo,pull,kind,state,"
		      "created_ms,finished_ms) SELECT i,'t',77,'a/a',12,'apply','done',1,1 FROM n");
	store_exec(c, "INSERT INTO claim SELECT id, 77, 'net', 12, 1 FROM run");
	clock_fake_off();
	int64_t from = clock_mono_ns();
	for (int i = 0; i < 100; i++)
		assert_string_equal(holder("net"), "");
	int64_t took = clock_mono_ns() - from;
	clock_fake_set(STORE_NOW);
	if (took > INT64_C(100000000)) /* a scan of twenty thousand takes more for one */
		fail_msg("100 questions took %lld ms", (long long)(took / 1000000));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(one_holder), T(read_from_history), T(a_plan_in_an_apply), T(unknown_outcome), T(listed), T(given_back), T(from_version_one),
					   T(a_long_history)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
