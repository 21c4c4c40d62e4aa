/* The database behind its queue: a real file, the real writer thread. What is told as done is on disk: after a closure that failed, after
 * a full disk, after kill -9. */
#include "base/db.h"

#include "base/fs.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "tests/support/fds.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const char SCHEMA[] = "CREATE TABLE t(id INTEGER PRIMARY KEY, word TEXT UNIQUE CHECK(length(word)>0), parent INTEGER REFERENCES t(id), bytes BLOB);"
			     "CREATE TRIGGER give_up BEFORE INSERT ON t WHEN new.word='give up' BEGIN SELECT RAISE(ROLLBACK, 'given up'); END;";
static const struct db_migration migrations[] = {{1, SCHEMA}};

struct fixture {
	char dir[64];
	char *path;
	struct loop *l;
	struct db *db;
	int fds_before;
};

static void open_db(struct fixture *f)
{
	struct err err = {0};
	if (db_open(f->l, f->path, migrations, ARRAY_LEN(migrations), &f->db, &err) != 0)
		fail_msg("%s", err.msg);
}

static void quiet(const char *line, void *arg)
{
	(void)line;
	(void)arg;
}

/* What libuv opens once a process. */
static int warm_up(void **state)
{
	(void)state;
	loop_close(loop_new());
	return 0;
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	f->fds_before = support_open_fds();
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/sluice-db-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->path = fs_join(f->dir, "sluice.db");
	f->l = loop_new();
	open_db(f);
	log_set_sink(quiet, NULL);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	db_close(f->db);
	loop_close(f->l);
	log_set_sink(NULL, NULL);
	assert_int_equal(support_open_fds(), f->fds_before);
	CLEANUP_FREE char *mnt = fs_join(f->dir, "tiny");
	(void)umount2(mnt, MNT_DETACH); /* only full_disk mounts, and only a failure leaves it */
	int rc = fs_remove_tree(f->dir, NULL);
	free(f->path);
	free(f);
	return rc;
}

/* ---- closures ---- */

struct job {
	struct fixture *f;
	const char *word;
	int64_t id, parent; /* parent 0: none */
	int refuse;         /* returned after the insert */
	sem_t *wait;        /* the writer stands still until it is posted */
	struct db_conn *look; /* counts what others can see, on the writer thread */
	int64_t seen;
	int rc, order;
	bool done;
	char msg[ERR_MSG_MAX];
};

static int dones;

static int64_t count_in(struct db_conn *c)
{
	struct db_stmt *s;
	struct err err = {0};
	if (db_query(c, &s, &err, "SELECT count(*) FROM t", "") != 0 || db_step(s, &err) != 1)
		fail_msg("%s", err.msg);
	int64_t n = db_int(s, 0);
	db_reset(s);
	return n;
}

static int work(struct db_conn *c, void *arg, struct err *err)
{
	struct job *j = arg;
	if (j->wait != NULL)
		(void)sem_wait(j->wait);
	if (j->look != NULL)
		j->seen = count_in(j->look);
	int rc = j->parent == 0 ? db_run(c, err, "INSERT INTO t(word) VALUES(?)", "s", j->word)
				: db_run(c, err, "INSERT INTO t(word, parent) VALUES(?,?)", "si", j->word, j->parent);
	if (rc != 0)
		return rc;
	j->id = db_last_id(c);
	return j->refuse == 0 ? 0 : err_set(err, j->refuse, "told to fail");
}

static void done(int rc, const struct err *err, void *arg)
{
	struct job *j = arg;
	assert_false(j->done); /* once */
	j->done = true;
	j->rc = rc;
	j->order = dones++;
	(void)snprintf(j->msg, sizeof(j->msg), "%s", err->msg);
}

static void submit(struct fixture *f, struct job *j)
{
	j->f = f;
	db_submit(f->db, work, done, j);
}

static int run(struct fixture *f, struct job *j)
{
	submit(f, j);
	assert_false(j->done); /* never inside the call */
	assert_true(loop_run_until(f->l, &j->done, 10000));
	return j->rc;
}

static bool has(struct fixture *f, const char *word)
{
	struct db_conn *c;
	struct db_stmt *s;
	struct err err = {0};
	if (db_conn_open(f->path, migrations, ARRAY_LEN(migrations), &c, &err) != 0 ||
	    db_query(c, &s, &err, "SELECT 1 FROM t WHERE word=?", "s", word) != 0)
		fail_msg("%s", err.msg);
	int rc = db_step(s, &err);
	assert_true(rc >= 0);
	db_conn_close(c);
	return rc == 1;
}

/* ---- tests ---- */

static void group_commit(void **state)
{
	enum { N = LIMIT_DB_BATCH + 50 };
	struct fixture *f = *state;
	static struct job jobs[N];
	static char words[N][16];
	struct db_conn *look;
	struct err err = {0};
	sem_t go;
	memset(jobs, 0, sizeof(jobs));
	assert_int_equal(sem_init(&go, 0, 0), 0);
	assert_int_equal(db_conn_open(f->path, migrations, 1, &look, &err), 0);
	struct job first = {.word = "first", .wait = &go};
	submit(f, &first);
	while (db_waiting(f->db) != 1) /* it is the writer's before the others come */
		;
	(void)usleep(20000);
	dones = 0;
	for (int i = 0; i < N; i++) {
		(void)snprintf(words[i], sizeof(words[i]), "%d", i);
		jobs[i] = (struct job){.word = words[i], .look = look};
		submit(f, &jobs[i]);
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

/* Closures that wait together share a transaction: `go` lets them start as one batch. */
static void run_together(struct fixture *f, struct job *jobs, size_t n)
{
	sem_t go;
	assert_int_equal(sem_init(&go, 0, 0), 0);
	struct job gate = {.word = "gate", .wait = &go};
	submit(f, &gate);
	(void)usleep(20000);
	for (size_t i = 0; i < n; i++)
		submit(f, &jobs[i]);
	assert_int_equal(sem_post(&go), 0);
	assert_true(loop_run_until(f->l, &jobs[n - 1].done, 10000));
	(void)sem_destroy(&go);
}

static void one_failure_undoes_itself(void **state)
{
	struct fixture *f = *state;
	struct job jobs[] = {
		{.word = "a"}, {.word = "b", .refuse = ERR_REFUSED}, {.word = "c"}, {.word = "a"}, {.word = "d", .parent = 999}, {.word = ""}, {.word = "e"},
	};
	static const int want[] = {0, ERR_REFUSED, 0, ERR_CONFLICT, ERR_CONFLICT, ERR_CONFLICT, 0};
	static const bool kept[] = {true, false, true, true, false, false, true};
	run_together(f, jobs, ARRAY_LEN(jobs));
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		assert_int_equal(jobs[i].rc, want[i]);
		assert_int_equal(has(f, jobs[i].word), kept[i]);
	}
	assert_string_equal(jobs[1].msg, "told to fail");
	assert_non_null(strstr(jobs[3].msg, "UNIQUE"));
}

/* A statement may end the whole transaction (a full disk, a failing device, ROLLBACK in a trigger): those before it in the batch were undone
 * with it and must not be told as done. */
static void whole_batch_given_up(void **state)
{
	struct fixture *f = *state;
	struct job jobs[] = {{.word = "a"}, {.word = "b"}, {.word = "give up"}, {.word = "c"}};
	run_together(f, jobs, ARRAY_LEN(jobs));
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		if (jobs[i].rc == 0 && !has(f, jobs[i].word))
			fail_msg("%s was told as done and is not on disk", jobs[i].word);
		if (jobs[i].rc != 0 && has(f, jobs[i].word))
			fail_msg("%s was told as failed and is on disk", jobs[i].word);
	}
	assert_true(jobs[2].rc < 0);
	struct job after = {.word = "after"};
	assert_int_equal(run(f, &after), 0);
	assert_true(has(f, "after"));
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
	struct fixture *f = *state;
	struct job j = {.f = f};
	db_submit(f->db, goes_on, done, &j);
	assert_true(loop_run_until(f->l, &j.done, 10000));
	assert_int_equal(j.rc, ERR_UNAVAILABLE);
	assert_false(has(f, "after the end"));
}

static void reads_see_commits(void **state)
{
	struct fixture *f = *state;
	struct job a = {.word = "a"};
	assert_int_equal(run(f, &a), 0);
	struct job b = {.word = "b", .parent = a.id};
	assert_int_equal(run(f, &b), 0);
	assert_int_equal(b.id, a.id + 1);
	assert_true(has(f, "a") && has(f, "b"));
}

static int without_done(struct db_conn *c, void *arg, struct err *err)
{
	(void)arg;
	return db_run(c, err, "INSERT INTO t(word) VALUES('quiet')", "");
}

static void close_finishes(void **state)
{
	struct fixture *f = *state;
	struct job jobs[20] = {{0}};
	static char words[20][16];
	db_submit(f->db, without_done, NULL, NULL);
	db_submit(f->db, without_done, NULL, NULL); /* fails on the unique word: logged, nobody is told */
	for (int i = 0; i < 20; i++) {
		(void)snprintf(words[i], sizeof(words[i]), "%d", i);
		jobs[i].word = words[i];
		submit(f, &jobs[i]);
	}
	db_close(f->db);
	for (int i = 0; i < 20; i++) {
		assert_true(jobs[i].done);
		assert_int_equal(jobs[i].rc, 0);
		assert_true(has(f, words[i]));
	}
	assert_true(has(f, "quiet"));
	open_db(f);
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
	struct fixture *f = *state;
	struct tally t = {0};
	sem_t go;
	assert_int_equal(sem_init(&go, 0, 0), 0);
	struct job gate = {.word = "gate", .wait = &go};
	submit(f, &gate);
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

static int open_with(struct fixture *f, const struct db_migration *m, size_t n, struct err *err)
{
	struct db_conn *c;
	int rc = db_conn_open(f->path, m, n, &c, err);
	if (rc == 0)
		db_conn_close(c);
	return rc;
}

static void migrations_run_once(void **state)
{
	struct fixture *f = *state;
	struct job a = {.word = "kept"};
	struct err err = {0};
	assert_int_equal(run(f, &a), 0);
	db_close(f->db);
	f->db = NULL;
	static const struct db_migration two[] = {{1, SCHEMA}, {2, "ALTER TABLE t ADD COLUMN extra TEXT; CREATE TABLE u(x)"}};
	static const struct db_migration broken[] = {{1, SCHEMA}, {2, ""}, {3, "CREATE TABLE v(x); CREATE TABLE v(x)"}};
	assert_int_equal(open_with(f, two, 2, &err), 0);
	assert_int_equal(open_with(f, two, 2, &err), 0); /* not a second time */
	assert_int_equal(open_with(f, broken, 3, &err), ERR_IO);
	assert_non_null(strstr(err.msg, "migration 3"));
	assert_non_null(strstr(err.msg, f->path));
	static const struct db_migration mended[] = {{1, SCHEMA}, {2, ""}, {3, "CREATE TABLE v(x)"}};
	assert_int_equal(open_with(f, mended, 3, &err), 0); /* nothing of the broken one was left */
	assert_int_equal(open_with(f, migrations, 1, &err), ERR_REFUSED);
	assert_non_null(strstr(err.msg, "newer sluice (version 3, this one knows 1)"));
	struct loop *l = loop_new();
	struct db *db = NULL;
	assert_int_equal(db_open(l, f->path, migrations, 1, &db, &err), ERR_REFUSED);
	assert_null(db);
	loop_close(l);
	struct db_conn *c;
	assert_int_equal(db_conn_open(f->path, mended, 3, &c, &err), 0);
	assert_int_equal(count_in(c), 1);
	assert_int_equal(db_run(c, &err, "INSERT INTO u VALUES(1)", ""), 0);
	db_conn_close(c);
}

static void cannot_be_opened(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};
	struct db_conn *c = NULL;
	CLEANUP_FREE char *none = fs_join(f->dir, "none/sluice.db"), *text = fs_join(f->dir, "text.db");
	assert_int_equal(db_conn_open(none, migrations, 1, &c, &err), ERR_IO);
	assert_non_null(strstr(err.msg, none));
	assert_int_equal(db_conn_open(f->dir, migrations, 1, &c, &err), ERR_IO);
	CLEANUP_FREE char *words = xmalloc(8192);
	memset(words, 'x', 8192);
	assert_int_equal(fs_write_fast(text, words, 8192, 0600, &err), 0);
	assert_int_equal(db_conn_open(text, migrations, 1, &c, &err), ERR_IO);
	assert_null(c);
}

static void statements(void **state)
{
	struct fixture *f = *state;
	struct db_conn *c;
	struct db_stmt *s, *again;
	struct err err = {0};
	static const int64_t numbers[] = {0, -1, INT64_MAX, INT64_MIN, 5000000000};
	static const char ECHO[] = "SELECT ?1, ?2, ?3, ?4, ?5";
	assert_int_equal(db_conn_open(f->path, migrations, 1, &c, &err), 0);
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

/* ---- power cuts ---- */

struct burst {
	int pipe;
	int64_t next;
	struct db *db;
};

struct burst_one {
	struct burst *b;
	int64_t n;
};

static int burst_work(struct db_conn *c, void *arg, struct err *err)
{
	const struct burst_one *o = arg;
	return db_run(c, err, "INSERT INTO t(id, word) VALUES(?1, 'w'||?1)", "i", o->n);
}

static void burst_done(int rc, const struct err *err, void *arg)
{
	struct burst_one *o = arg;
	struct burst *b = o->b;
	(void)err;
	if (rc == 0 && write(b->pipe, &o->n, sizeof(o->n)) != sizeof(o->n))
		_exit(9);
	o->n = b->next++;
	db_submit(b->db, burst_work, burst_done, o);
}

static void burst_child(const struct fixture *f, int out)
{
	struct loop *l = loop_new();
	struct burst b = {.pipe = out, .next = 1};
	static struct burst_one ones[40];
	struct err err = {0};
	if (db_open(l, f->path, migrations, ARRAY_LEN(migrations), &b.db, &err) != 0)
		_exit(8);
	for (size_t i = 0; i < ARRAY_LEN(ones); i++) {
		ones[i] = (struct burst_one){&b, b.next++};
		db_submit(b.db, burst_work, burst_done, &ones[i]);
	}
	loop_run(l);
	_exit(7);
}

static void kill_loses_nothing(void **state)
{
	struct fixture *f = *state;
	db_close(f->db);
	f->db = NULL;
	int64_t told = 0;
	for (int round = 0; round < 4; round++) {
		assert_int_equal(unlink(f->path) != 0 && errno != ENOENT, 0);
		CLEANUP_FREE char *wal = xasprintf("%s-wal", f->path), *shm = xasprintf("%s-shm", f->path);
		(void)unlink(wal); /* may not be there */
		(void)unlink(shm);
		int fds[2];
		assert_int_equal(pipe(fds), 0);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			(void)close(fds[0]);
			burst_child(f, fds[1]);
		}
		assert_int_equal(close(fds[1]), 0);
		static bool acknowledged[1000000];
		memset(acknowledged, 0, sizeof(acknowledged));
		int64_t n = 0, mine = 0;
		while (mine < 100 + round * 37 && read(fds[0], &n, sizeof(n)) == sizeof(n)) {
			acknowledged[n] = true;
			mine++;
		}
		assert_int_equal(kill(pid, SIGKILL), 0);
		while (read(fds[0], &n, sizeof(n)) == sizeof(n)) /* told before it died */
			acknowledged[n] = true;
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(close(fds[0]), 0);
		struct db_conn *c;
		struct db_stmt *s;
		struct err err = {0};
		assert_int_equal(db_conn_open(f->path, migrations, 1, &c, &err), 0);
		for (n = 0; n < (int64_t)ARRAY_LEN(acknowledged); n++) {
			if (!acknowledged[n])
				continue;
			told++;
			assert_int_equal(db_query(c, &s, &err, "SELECT word FROM t WHERE id=?", "i", n), 0);
			if (db_step(s, &err) != 1)
				fail_msg("round %d: %lld was told as done and is gone", round, (long long)n);
			db_reset(s);
		}
		db_conn_close(c);
	}
	assert_true(told >= 4 * 100);
}

/* ---- a full disk ---- */

static void fill(struct fixture *f, int *ret_refused)
{
	static char big[20001];
	int stored = 0;
	memset(big, 'b', sizeof(big) - 1);
	for (int i = 0; i < 400; i++) {
		char tail[16];
		(void)snprintf(tail, sizeof(tail), "%d", i);
		memcpy(big, tail, strlen(tail));
		struct job j = {.word = big};
		if (run(f, &j) == 0) {
			stored++;
			assert_true(has(f, big));
			continue;
		}
		assert_int_equal(j.rc, ERR_UNAVAILABLE);
		assert_non_null(strstr(j.msg, "full"));
		assert_false(has(f, big));
		if (++*ret_refused == 3)
			break;
	}
	assert_true(stored > 3);
	assert_int_equal(*ret_refused, 3);
}

static int set_pages(struct db_conn *c, void *arg, struct err *err)
{
	return db_exec(c, arg, err);
}

static void set_done(int rc, const struct err *err, void *arg)
{
	(void)arg;
	if (rc != 0)
		fail_msg("%s", err->msg);
}

static void full_database(void **state)
{
	struct fixture *f = *state;
	static char few[] = "PRAGMA max_page_count=100", many[] = "PRAGMA max_page_count=100000";
	int refused = 0;
	db_submit(f->db, set_pages, set_done, few);
	fill(f, &refused);
	struct job a = {.word = "a"}, big = {.word = "b"};
	struct job jobs[] = {a, big};
	run_together(f, jobs, 2); /* small ones may fit or not: none is told as done and lost */
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(jobs[i].rc == 0, has(f, jobs[i].word));
	db_submit(f->db, set_pages, set_done, many);
	struct job later = {.word = "later"};
	assert_int_equal(run(f, &later), 0); /* space again: it goes on */
	assert_true(has(f, "later"));
}

static void full_disk(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *mnt = fs_join(f->dir, "tiny");
	struct err err = {0};
	assert_int_equal(fs_mkdir_p(mnt, 0700, &err), 0);
	if (mount("tmpfs", mnt, "tmpfs", 0, "size=1m") != 0) {
		print_message("a small file system cannot be mounted here: %s\n", strerror(errno));
		free(TAKE(mnt));
		skip();
	}
	db_close(f->db);
	free(f->path);
	f->path = fs_join(mnt, "sluice.db");
	open_db(f);
	int refused = 0;
	fill(f, &refused);
	db_close(f->db);
	f->db = NULL;
	open_db(f); /* a file that was full opens again and has all that was told */
	db_close(f->db);
	f->db = NULL;
	assert_int_equal(umount(mnt), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(group_commit), T(one_failure_undoes_itself), T(whole_batch_given_up), T(nothing_after_the_end), T(reads_see_commits), T(close_finishes), T(queue_limit),
		T(migrations_run_once), T(cannot_be_opened), T(statements), T(kill_loses_nothing), T(full_database), T(full_disk),
	};
	return cmocka_run_group_tests(tests, warm_up, NULL);
}
