/* What leaves the disk after 90 days, and what stays: a real database file, real files. */
#include "plan/retention.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "plan/jobs.h"
#include "tests/support/store_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

enum { DAY_MS = 86400 * 1000 };

static char dir[] = "/tmp/test-retention-XXXXXX";

static void put(char *path)
{
	struct err err = {0};
	if (fs_write_fast(path, "x", 1, 0600, &err) != 0)
		fail_msg("%s", err.msg);
	free(path);
}

static bool there(char *path)
{
	bool yes = fs_exists(path);
	free(path);
	return yes;
}

/* A job that ended so long ago (0: it still runs), with its log, its plan and its state on disk. */
static int64_t job(struct db_conn *c, const struct server_config *config, const char *project, int64_t days)
{
	struct err err = {0};
	int64_t run = store_run(c, RUN_PLAN, 9);
	int64_t id = store_job(c, run, project, PHASE_PLAN, days != 0 ? JOBS_DONE : JOBS_RUNNING, NULL);
	int64_t ended = days != 0 ? clock_wall_ms() - days * DAY_MS : 0;
	store_must(db_run(c, &err, "UPDATE job SET finished_ms=?2, log='logs/x', diff='d' WHERE id=?1", "ii", id, ended), &err);
	put(jobs_log_path(config, id));
	put(jobs_plan_path(config, id));
	put(jobs_state_path(config, id));
	return id;
}

static void old_logs_and_plans_go(void **state)
{
	(void)state;
	struct server_config config = {.data_dir = dir};
	struct err err = {0};
	struct db *db;
	struct db_conn *c;
	CLEANUP_FREE char *path = fs_join(dir, "sluice.db");
	store_must(db_conn_open(path, store_schema(), 1, &c, &err), &err);
	int64_t old = job(c, &config, "old", 91), young = job(c, &config, "young", 89), running = job(c, &config, "running", 0);
	int64_t unknown = job(c, &config, "unknown", 91), resolved = job(c, &config, "resolved", 91);
	store_exec(c, "UPDATE job SET phase='apply', state='unknown' WHERE project IN('unknown','resolved')");
	store_exec(c, "UPDATE job SET resolution='failed' WHERE project='resolved'");
	db_conn_close(c);

	struct loop *l = loop_new();
	store_must(db_open(l, path, store_schema(), 1, &db, &err), &err);
	struct retention *r = retention_new(l, db, &config);
	retention_run(r);
	bool never = false;
	while (db_waiting(db) != 0)
		(void)loop_run_until(l, &never, 5);
	assert_false(there(jobs_log_path(&config, old)));
	assert_false(there(jobs_plan_path(&config, old)));
	assert_true(there(jobs_state_path(&config, old))); /* states are never forgotten */
	assert_true(there(jobs_log_path(&config, young)));
	assert_true(there(jobs_plan_path(&config, young)));
	assert_true(there(jobs_log_path(&config, running)));
	assert_true(there(jobs_log_path(&config, unknown))); /* evidence, until a person has looked */
	assert_false(there(jobs_log_path(&config, resolved)));
	retention_close(r);
	retention_close(NULL);
	db_close(db);
	loop_close(l);

	store_must(db_conn_open(path, store_schema(), 1, &c, &err), &err);
	assert_int_equal(store_int(c, "SELECT count(*) FROM job WHERE log IS NULL AND diff IS NULL"), 2);
	assert_int_equal(store_int(c, "SELECT count(*) FROM job"), 5); /* rows stay */
	db_conn_close(c);
}

int main(void)
{
	struct err err = {0};
	if (mkdtemp(dir) == NULL)
		return 1;
	static const char *const below[] = {"logs", "plans", "states"};
	for (size_t i = 0; i < ARRAY_LEN(below); i++) {
		CLEANUP_FREE char *sub = fs_join(dir, below[i]);
		if (fs_mkdir_p(sub, 0700, &err) != 0)
			return 1;
	}
	const struct CMUnitTest tests[] = {cmocka_unit_test(old_logs_and_plans_go)};
	int rc = cmocka_run_group_tests_name("retention", tests, NULL, NULL);
	return fs_remove_tree(dir, &err) != 0 ? 1 : rc;
}
