/* An unknown outcome: what was seen of it, and what a person's answer does. */
#include "plan/resolve.h"

#include "base/fs.h"
#include "plan/lock_store.h"
#include "plan/state_store.h"
#include "tests/support/store_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static struct db_conn *c;
static struct err err;
static const struct comment_context ctx = {.public_url = "http://sluice.test", .sandbox = "none"};

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

static int64_t unknown_job(int64_t run, const char *project)
{
	int64_t id = store_job(c, run, project, PHASE_APPLY, JOBS_UNKNOWN, NULL);
	store_must(db_run(c, &err, "UPDATE job SET error='interrupted', finished_ms=1 WHERE id=?", "i", id), &err);
	return id;
}

static int64_t apply_run(int64_t pull) { return store_run_at(c, RUN_APPLY, pull, "bbb", RUN_DONE); }

/* ---- evidence ---- */

static void shown(int64_t id, const struct resolve_seen *seen, const char *want)
{
	struct job_row j;
	CLEANUP_BUF struct buf out = {0};
	store_must(job_get(c, id, &j, &err), &err);
	if (seen != NULL)
		store_must(resolve_keep(c, &j, seen, &err), &err);
	job_row_free(&j);
	store_must(job_get(c, id, &j, &err), &err);
	store_must(resolve_show(c, &j, &out, &err), &err);
	assert_string_equal(buf_str(&out), want);
	job_row_free(&j);
}

static void put_state(int64_t serial)
{
	struct state_version v = {.repo_id = STORE_REPO, .project = (char[]){"db"}, .workspace = (char[]){"default"}, .lineage = (char[]){"l"}, .serial = serial,
				  .sha256 = xasprintf("%lld", (long long)serial), .bytes = 2, .path = (char[]){"states/1.enc"}, .aad = (char[]){"a"},
				  .key_context = (char[]){"job 1"}, .run_id = 1, .job_id = 1};
	store_must(state_put(c, &v, &err), &err);
	free(v.sha256);
}

static void evidence(void **state)
{
	(void)state;
	int64_t id = unknown_job(apply_run(12), "db");
	store_exec(c, "UPDATE job SET backend='s3'");
	shown(id, NULL, "");
	shown(id, &(struct resolve_seen){.serial_before = -1},
	      "unknown since: 2025-11-25 14:03 UTC\nexit record: none, the runner was killed before it could write one\n"
	      "state: kept by the backend `s3`, not known here\n");
	store_exec(c, "UPDATE job SET managed_state=1");
	shown(id, &(struct resolve_seen){.serial_before = -1, .has_record = true, .exit_code = 137, .step = "apply", .log = "one\ntwo\n\n"},
	      "unknown since: 2025-11-25 14:03 UTC\nexit record: the engine ended with 137 in apply\nstate: none before, none now\n"
	      "the last lines of its log:\n\none\ntwo\n");
	put_state(4);
	shown(id, &(struct resolve_seen){.serial_before = 3, .log = "\033[31mred\033[0m \xff @alice ``` <b>\n\342\224\202 Lock Info:\n\342\224\202   ID:        9db590f1-b6fe\n"
								"\342\224\202   Who:       ci@host\n\342\224\202   Created:   2026-11-25 05:00:00 UTC\n"},
	      "unknown since: 2025-11-25 14:03 UTC\nexit record: none, the runner was killed before it could write one\nstate: serial 3 before, serial 4 now\n"
	      "state lock: 9db590f1-b6fe, held by ci@host since 2026-11-25 05:00:00 UTC\nthe last lines of its log:\n\nred \357\277\275 @alice ``` <b>\n"
	      "\342\224\202 Lock Info:\n\342\224\202   ID:        9db590f1-b6fe\n\342\224\202   Who:       ci@host\n\342\224\202   Created:   2026-11-25 05:00:00 UTC\n");
	store_exec(c, "UPDATE job SET evidence='{'"); /* damaged */
	shown(id, NULL, "");
}

static void only_the_end_of_a_log(void **state)
{
	char path[] = "/tmp/resolve-test-XXXXXX";
	CLEANUP_BUF struct buf text = {0}, tail = {0};
	(void)state;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	for (int i = 0; i < 4000; i++)
		buf_printf(&text, "line %d\n", i);
	buf_add(&text, "a\0b\n", 4);
	store_must(fs_write_atomic(path, text.data, text.len, 0600, &err), &err);
	resolve_read_tail(path, &tail);
	assert_int_equal(tail.len, 16 * 1024);
	assert_string_equal(buf_str(&tail) + tail.len - 14, "line 3999\na b\n");
	int64_t id = unknown_job(apply_run(12), "db");
	struct job_row j;
	store_must(job_get(c, id, &j, &err), &err);
	store_must(resolve_keep(c, &j, &(struct resolve_seen){.log = buf_str(&tail), .serial_before = -1}, &err), &err);
	job_row_free(&j);
	const char *kept = store_text(c, "SELECT evidence FROM job", NULL);
	assert_null(strstr(kept, "line 3980"));
	assert_non_null(strstr(kept, "line 3981\\n"));
	CLEANUP_BUF struct buf none = {0};
	assert_int_equal(unlink(path), 0);
	resolve_read_tail(path, &none);
	assert_int_equal(none.len, 0);
	resolve_read_tail("/tmp", &none);
	assert_int_equal(none.len, 0);
}

static void the_sentence(void **state)
{
	(void)state;
	CLEANUP_FREE char *s = resolve_sentence(12, "its runner was killed");
	assert_string_equal(s, "The apply was interrupted and its outcome is unknown: its runner was killed. The project stays locked. An admin looks at what"
			       " exists, then comments `resolve 12 --as applied`, `--as failed` or `--as replan`.");
}

/* ---- answers ---- */

static char *ask(int64_t pull, int64_t run, const char *project, const char *as, bool done)
{
	struct strlist names = {0};
	char *text = NULL;
	bool is_done;
	if (project != NULL)
		strlist_add(&names, project);
	struct resolve_ask a = {.repo_id = STORE_REPO, .pull = pull, .repo = "acme/infra", .run_id = run, .projects = &names, .as = as, .who = "olivia"};
	store_must(resolve_outcome(c, &ctx, &a, &text, &is_done, &err), &err);
	strlist_free(&names);
	if (is_done != done)
		fail_msg("%s", text);
	return text;
}
#define ASK(pull, run, project, as, done, want)                                                                                            \
	do {                                                                                                                               \
		CLEANUP_FREE char *got = ask(pull, run, project, as, done);                                                                \
		assert_string_equal(got, want);                                                                                            \
	} while (0)

static bool is_free(const char *project)
{
	struct lock_row l;
	int rc = lock_get(c, STORE_REPO, project, &l, &err);
	assert_true(rc == 0 || rc == ERR_NOT_FOUND);
	return rc != 0;
}

static void answers(void **state)
{
	static const struct {
		const char *as, *says;
		int plans;
	} rows[] = {
		{"applied", "Run 1: `db`, `net` resolved as applied and no longer locked.", 0},
		{"failed", "Run 1: `db`, `net` resolved as failed and no longer locked. Nothing is applied again by itself: comment `plan` to see what is left to do.", 0},
		{"replan", "Run 1: `db`, `net` resolved as replan and no longer locked. A plan of what is left to do was started; nothing is applied before"
			   " somebody asks for it.", 1},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		c = (store_close(c), store_open());
		int64_t run = apply_run(12);
		assert_int_equal(run, 1);
		unknown_job(run, "db");
		unknown_job(run, "net");
		store_job(c, run, "web", PHASE_APPLY, JOBS_DONE, NULL);
		assert_false(is_free("db") || is_free("net"));
		ASK(12, run, NULL, rows[i].as, true, rows[i].says);
		assert_true(is_free("db") && is_free("net"));
		assert_int_equal(store_int(c, "SELECT count(*) FROM job WHERE state='unknown' AND resolved_by='olivia'"), 2);
		assert_int_equal(store_int(c, "SELECT count(*) FROM audit WHERE kind='resolve' AND actor='olivia' AND run_id=1"), 2);
		assert_int_equal(store_int(c, "SELECT count(*) FROM run WHERE kind='plan'"), rows[i].plans);
		assert_int_equal(store_int(c, "SELECT count(*) FROM run WHERE kind='apply'"), 1); /* nothing is applied again */
		if (rows[i].plans != 0)
			assert_string_equal(store_text(c, "SELECT asker||' '||only FROM run WHERE kind='plan'", NULL),
					    "olivia {\"projects\":[\"db\",\"net\"],\"dirs\":[],\"workspace\":null}");
		ASK(12, run, NULL, rows[i].as, false, "Run 1 has no unknown outcome of this pull request that waits for an answer. Nothing was changed.");
	}
}

static void which_one(void **state)
{
	(void)state;
	int64_t run = apply_run(12), other = apply_run(13);
	unknown_job(run, "db");
	unknown_job(run, "net");
	unknown_job(other, "web");
	ASK(12, other, NULL, "applied", false, "Run 2 has no unknown outcome of this pull request that waits for an answer. Nothing was changed.");
	ASK(12, 99, NULL, "applied", false, "Run 99 has no unknown outcome of this pull request that waits for an answer. Nothing was changed.");
	ASK(12, 0, "web", "applied", false, "This pull request has no unknown outcome of a project of that name that waits for an answer. Nothing was changed.");
	ASK(12, run, "web", "applied", false, "Run 1 has no unknown outcome of this pull request that waits for an answer by that name. Nothing was changed.");
	ASK(12, run, NULL, "done", false, "`resolve` is written `resolve RUN --as applied`, `--as failed` or `--as replan`. Nothing was changed.");
	assert_int_equal(store_int(c, "SELECT count(*) FROM job WHERE resolution IS NOT NULL"), 0);
	ASK(12, 0, "net", "failed", true, "Run 1: `net` resolved as failed and no longer locked. Nothing is applied again by itself: comment `plan` to see what is left to do.");
	assert_true(is_free("net"));
	assert_false(is_free("db") || is_free("web"));
	ASK(12, run, "db", "applied", true, "Run 1: `db` resolved as applied and no longer locked.");
	ASK(13, 0, NULL, "applied", true, "Run 2: `web` resolved as applied and no longer locked.");
}

/* The plan of another pull request saw the world before: it is made again. */
static void others_plan_again(void **state)
{
	(void)state;
	store_job(c, store_run_at(c, RUN_PLAN, 20, "ccc", RUN_DONE), "db", PHASE_PLAN, JOBS_DONE, NULL);
	int64_t run = apply_run(12);
	unknown_job(run, "db");
	free(ask(12, run, NULL, "applied", true));
	assert_string_equal(store_text(c, "SELECT pull||' '||notes FROM run ORDER BY id DESC LIMIT 1", NULL), "20 An apply of `db` by #12 ended: planned again.");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(evidence), T(only_the_end_of_a_log), T(the_sentence), T(answers), T(which_one), T(others_plan_again)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
