/* The database behind its queue: a real file, the real writer thread. What is told as done is on disk, and a closure that failed undoes
 * itself alone. */
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tests/support/db_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void group_commit(void **state)
{
	enum { N = LIMIT_DB_BATCH + 50 };
	struct db_fixture *f = *state;
	static struct db_job jobs[N];
	static char words[N][16];
	struct db_conn *look;
	struct err err = {0};
	sem_t go;
	memset(jobs, 0, sizeof(jobs));
	assert_int_equal(sem_init(&go, 0, 0), 0);
	assert_int_equal(db_conn_open(f->path, db_fixture_migrations, 1, &look, &err), 0);
	struct db_job first = {.word = "first", .wait = &go};
	db_fixture_submit(f, &first);
	while (db_waiting(f->db) != 1) /* it is the writer's before the others come */
		;
	(void)usleep(20000);
	db_fixture_dones = 0;
	for (int i = 0; i < N; i++) {
		(void)snprintf(words[i], sizeof(words[i]), "%d", i);
		jobs[i] = (struct db_job){.word = words[i], .look = look};
		db_fixture_submit(f, &jobs[i]);
	}
	assert_int_equal(db_waiting(f->db), N + 1);
	assert_int_equal(sem_post(&go), 0);
	assert_true(loop_run_until(f->l, &jobs[N - 1].done, 20000));
	assert_int_equal(first.rc, 0);
	for (int i = 0; i < N; i++) {
		assert_int_equal(jobs[i].rc, 0);
		assert_int_equal(jobs[i].order, i + 1); /* in the order of submission, behind the first */
		assert_int_equal(jobs[i].seen, i < (int)LIMIT_DB_BATCH ? 1 : 1 + LIMIT_DB_BATCH); /* two commits for all of them */
	}
	assert_int_equal(db_waiting(f->db), 0);
	db_conn_close(look);
	(void)sem_destroy(&go);
}

static void one_failure_undoes_itself(void **state)
{
	struct db_fixture *f = *state;
	struct db_job jobs[] = {
		{.word = "a"}, {.word = "b", .refuse = ERR_REFUSED}, {.word = "c"}, {.word = "a"}, {.word = "d", .parent = 999}, {.word = ""}, {.word = "e"},
	};
	static const int want[] = {0, ERR_REFUSED, 0, ERR_CONFLICT, ERR_CONFLICT, ERR_CONFLICT, 0};
	static const bool kept[] = {true, false, true, true, false, false, true};
	db_fixture_run_together(f, jobs, ARRAY_LEN(jobs));
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		assert_int_equal(jobs[i].rc, want[i]);
		assert_int_equal(db_fixture_has(f, jobs[i].word), kept[i]);
	}
	assert_string_equal(jobs[1].msg, "told to fail");
	assert_non_null(strstr(jobs[3].msg, "UNIQUE"));
}

/* A statement may end the whole transaction (a full disk, a failing device, ROLLBACK in a trigger): those before it in the batch were undone
 * with it and must not be told as done. */
static void whole_batch_given_up(void **state)
{
	struct db_fixture *f = *state;
	struct db_job jobs[] = {{.word = "a"}, {.word = "b"}, {.word = "give up"}, {.word = "c"}};
	db_fixture_run_together(f, jobs, ARRAY_LEN(jobs));
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		if (jobs[i].rc == 0 && !db_fixture_has(f, jobs[i].word))
			fail_msg("%s was told as done and is not on disk", jobs[i].word);
		if (jobs[i].rc != 0 && db_fixture_has(f, jobs[i].word))
			fail_msg("%s was told as failed and is on disk", jobs[i].word);
	}
	assert_true(jobs[2].rc < 0);
	struct db_job after = {.word = "after"};
	assert_int_equal(db_fixture_run(f, &after), 0);
	assert_true(db_fixture_has(f, "after"));
}

static int goes_on(struct db_conn *c, void *arg, struct err *err)
{
	(void)arg;
	if (db_run(c, NULL, "INSERT INTO t(word) VALUES('give up')", "") == 0)
		return err_set(err, ERR_INTERNAL, "the trigger should have given up");
	assert_int_equal(db_exec(c, "INSERT INTO t(word) VALUES('after the end')", NULL), ERR_UNAVAILABLE);
	return db_run(c, err, "INSERT INTO t(word) VALUES('after the end')", ""); /* outside of any transaction it would stay */
}

/* A closure that goes on after its transaction was given up leaves nothing behind. */
static void nothing_after_the_end(void **state)
{
	struct db_fixture *f = *state;
	struct db_job j = {.f = f};
	db_submit(f->db, goes_on, db_fixture_done, &j);
	assert_true(loop_run_until(f->l, &j.done, 10000));
	assert_int_equal(j.rc, ERR_UNAVAILABLE);
	assert_false(db_fixture_has(f, "after the end"));
}

static void reads_see_commits(void **state)
{
	struct db_fixture *f = *state;
	struct db_job a = {.word = "a"};
	assert_int_equal(db_fixture_run(f, &a), 0);
	struct db_job b = {.word = "b", .parent = a.id};
	assert_int_equal(db_fixture_run(f, &b), 0);
	assert_int_equal(b.id, a.id + 1);
	assert_true(db_fixture_has(f, "a") && db_fixture_has(f, "b"));
}

static int without_done(struct db_conn *c, void *arg, struct err *err)
{
	(void)arg;
	return db_run(c, err, "INSERT INTO t(word) VALUES('quiet')", "");
}

static void close_finishes(void **state)
{
	struct db_fixture *f = *state;
	struct db_job jobs[20] = {{0}};
	static char words[20][16];
	db_submit(f->db, without_done, NULL, NULL);
	db_submit(f->db, without_done, NULL, NULL); /* fails on the unique word: logged, nobody is told */
	for (int i = 0; i < 20; i++) {
		(void)snprintf(words[i], sizeof(words[i]), "%d", i);
		jobs[i].word = words[i];
		db_fixture_submit(f, &jobs[i]);
	}
	db_close(f->db);
	for (int i = 0; i < 20; i++) {
		assert_true(jobs[i].done);
		assert_int_equal(jobs[i].rc, 0);
		assert_true(db_fixture_has(f, words[i]));
	}
	assert_true(db_fixture_has(f, "quiet"));
	db_fixture_open_db(f);
}

static int nothing(struct db_conn *c, void *arg, struct err *err)
{
	(void)c;
	(void)arg;
	(void)err;
	return 0;
}

struct tally {
	int ok, limit, other;
	bool all;
};

static void count_done(int rc, const struct err *err, void *arg)
{
	struct tally *t = arg;
	t->ok += rc == 0;
	t->limit += rc == ERR_LIMIT && strstr(err->msg, "waiting") != NULL;
	t->other += rc != 0 && rc != ERR_LIMIT;
	t->all = t->ok + t->limit + t->other == LIMIT_DB_QUEUE + 10;
}

static void queue_limit(void **state)
{
	struct db_fixture *f = *state;
	struct tally t = {0};
	sem_t go;
	assert_int_equal(sem_init(&go, 0, 0), 0);
	struct db_job gate = {.word = "gate", .wait = &go};
	db_fixture_submit(f, &gate);
	(void)usleep(20000); /* the writer has it: the queue is empty */
	for (unsigned i = 0; i < LIMIT_DB_QUEUE + 10; i++)
		db_submit(f->db, nothing, count_done, &t);
	assert_int_equal(db_waiting(f->db), LIMIT_DB_QUEUE + 11);
	assert_int_equal(t.ok + t.limit + t.other, 0); /* never inside the call, not even a refusal */
	assert_int_equal(sem_post(&go), 0);
	assert_true(loop_run_until(f->l, &t.all, 20000));
	assert_int_equal(t.limit, 10);
	assert_int_equal(t.ok, LIMIT_DB_QUEUE);
	(void)sem_destroy(&go);
}

/* ---- opening ---- */

static int open_with(struct db_fixture *f, const struct db_migration *m, size_t n, struct err *err)
{
	struct db_conn *c;
	int rc = db_conn_open(f->path, m, n, &c, err);
	if (rc == 0)
		db_conn_close(c);
	return rc;
}

static void migrations_run_once(void **state)
{
	struct db_fixture *f = *state;
	struct db_job a = {.word = "kept"};
	struct err err = {0};
	assert_int_equal(db_fixture_run(f, &a), 0);
	db_close(f->db);
	f->db = NULL;
	static const struct db_migration two[] = {{1, ""}, {2, "ALTER TABLE t ADD COLUMN extra TEXT; CREATE TABLE u(x)"}};
	static const struct db_migration broken[] = {{1, ""}, {2, ""}, {3, "CREATE TABLE v(x); CREATE TABLE v(x)"}};
	assert_int_equal(open_with(f, two, 2, &err), 0);
	assert_int_equal(open_with(f, two, 2, &err), 0); /* not a second time */
	assert_int_equal(open_with(f, broken, 3, &err), ERR_IO);
	assert_non_null(strstr(err.msg, "migration 3"));
	assert_non_null(strstr(err.msg, f->path));
	static const struct db_migration mended[] = {{1, ""}, {2, ""}, {3, "CREATE TABLE v(x)"}};
	assert_int_equal(open_with(f, mended, 3, &err), 0); /* nothing of the broken one was left */
	assert_int_equal(open_with(f, db_fixture_migrations, 1, &err), ERR_REFUSED);
	assert_non_null(strstr(err.msg, "newer sluice (version 3, this one knows 1)"));
	struct loop *l = loop_new();
	struct db *db = NULL;
	assert_int_equal(db_open(l, f->path, db_fixture_migrations, 1, &db, &err), ERR_REFUSED);
	assert_null(db);
	loop_close(l);
	struct db_conn *c;
	assert_int_equal(db_conn_open(f->path, mended, 3, &c, &err), 0);
	assert_int_equal(db_fixture_count(c), 1);
	assert_int_equal(db_run(c, &err, "INSERT INTO u VALUES(1)", ""), 0);
	db_conn_close(c);
}

static void cannot_be_opened(void **state)
{
	struct db_fixture *f = *state;
	struct err err = {0};
	struct db_conn *c = NULL;
	CLEANUP_FREE char *none = fs_join(f->dir, "none/sluice.db"), *text = fs_join(f->dir, "text.db");
	assert_int_equal(db_conn_open(none, db_fixture_migrations, 1, &c, &err), ERR_IO);
	assert_non_null(strstr(err.msg, none));
	assert_int_equal(db_conn_open(f->dir, db_fixture_migrations, 1, &c, &err), ERR_IO);
	CLEANUP_FREE char *words = xmalloc(8192);
	memset(words, 'x', 8192);
	assert_int_equal(fs_write_fast(text, words, 8192, 0600, &err), 0);
	assert_int_equal(db_conn_open(text, db_fixture_migrations, 1, &c, &err), ERR_IO);
	assert_null(c);
}

static void statements(void **state)
{
	struct db_fixture *f = *state;
	struct db_conn *c;
	struct db_stmt *s, *again;
	struct err err = {0};
	static const int64_t numbers[] = {0, -1, INT64_MAX, INT64_MIN, 5000000000};
	static const char ECHO[] = "SELECT ?1, ?2, ?3, ?4, ?5";
	assert_int_equal(db_conn_open(f->path, db_fixture_migrations, 1, &c, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		size_t len;
		assert_int_equal(db_query(c, &s, &err, ECHO, "isbns", numbers[i], "text", "a\0b", (size_t)3, NULL), 0);
		assert_int_equal(db_step(s, &err), 1);
		assert_int_equal(db_int(s, 0), numbers[i]);
		assert_string_equal(db_text(s, 1), "text");
		assert_memory_equal(db_blob(s, 2, &len), "a\0b", 3);
		assert_int_equal(len, 3);
		assert_true(db_text(s, 3) == NULL && db_text_copy(s, 4) == NULL);
		CLEANUP_FREE char *copy = db_text_copy(s, 1);
		assert_string_equal(copy, "text");
		assert_int_equal(db_query(c, &again, &err, ECHO, "isbns", (int64_t)7, "x", "", (size_t)0, NULL), 0); /* was not reset */
		assert_ptr_equal(s, again);
		assert_int_equal(db_step(again, &err), 1);
		assert_int_equal(db_int(again, 0), 7);
		assert_int_equal(db_step(again, &err), 0);
		assert_int_equal(db_step(again, &err), 1); /* 0 has reset it */
		db_reset(again);
	}
	int64_t n = -1;
	assert_int_equal(db_query(c, &s, &err, "SELECT 5 WHERE ?1", "i", (int64_t)1), 0);
	assert_true(db_number(s, &n, &err) == 0 && n == 5);
	assert_int_equal(db_query(c, &s, &err, "SELECT 5 WHERE ?1", "i", (int64_t)0), 0);
	assert_true(db_number(s, &n, &err) == 0 && n == 0);
	assert_int_equal(db_one(s, &err, "no %s like that", "row"), ERR_NOT_FOUND);
	assert_string_equal(err.msg, "no row like that");
	assert_int_equal(db_query(c, &s, &err, "SELECT 5 WHERE ?1", "i", (int64_t)1), 0);
	assert_int_equal(db_one(s, &err, "nothing"), 0);
	assert_int_equal(db_int(s, 0), 5);
	db_reset(s);
	assert_int_equal(db_query(c, &s, &err, "SELECT nonsense FROM nowhere", ""), ERR_IO);
	assert_non_null(strstr(err.msg, "no such table: nowhere"));
	assert_int_equal(db_exec(c, "INSERT INTO t(word) VALUES('x'),('y')", &err), 0);
	assert_int_equal(db_run(c, &err, "UPDATE t SET word=word||'!' WHERE word IN('x','y')", ""), 0);
	assert_int_equal(db_changes(c), 2);
	assert_int_equal(db_run(c, NULL, "INSERT INTO t(word) VALUES('x!')", ""), ERR_CONFLICT); /* also when nobody wants the sentence */
	assert_int_equal(db_run(c, &err, "INSERT INTO t(word) VALUES('z') RETURNING id", ""), 0);
	db_conn_close(c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, db_fixture_setup, db_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(group_commit), T(one_failure_undoes_itself), T(whole_batch_given_up), T(nothing_after_the_end), T(reads_see_commits), T(close_finishes), T(queue_limit),
		T(migrations_run_once), T(cannot_be_opened), T(statements),
	};
	return cmocka_run_group_tests(tests, db_fixture_warm_up, NULL);
}
