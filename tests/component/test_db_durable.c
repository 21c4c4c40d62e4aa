/* The database when the process is killed and when the disk is full: nothing that was told as done is lost. */
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tests/support/db_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

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

static void burst_child(const struct db_fixture *f, int out)
{
	struct loop *l = loop_new();
	struct burst b = {.pipe = out, .next = 1};
	static struct burst_one ones[40];
	struct err err = {0};
	if (db_open(l, f->path, db_fixture_migrations, 1, &b.db, &err) != 0)
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
	struct db_fixture *f = *state;
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
		assert_int_equal(db_conn_open(f->path, db_fixture_migrations, 1, &c, &err), 0);
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

static void fill(struct db_fixture *f, int *ret_refused)
{
	static char big[20001];
	int stored = 0;
	memset(big, 'b', sizeof(big) - 1);
	for (int i = 0; i < 400; i++) {
		char tail[16];
		(void)snprintf(tail, sizeof(tail), "%d", i);
		memcpy(big, tail, strlen(tail));
		struct db_job j = {.word = big};
		if (db_fixture_run(f, &j) == 0) {
			stored++;
			assert_true(db_fixture_has(f, big));
			continue;
		}
		assert_int_equal(j.rc, ERR_UNAVAILABLE);
		assert_non_null(strstr(j.msg, "full"));
		assert_false(db_fixture_has(f, big));
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
	struct db_fixture *f = *state;
	static char few[] = "PRAGMA max_page_count=100", many[] = "PRAGMA max_page_count=100000";
	int refused = 0;
	db_submit(f->db, set_pages, set_done, few);
	fill(f, &refused);
	struct db_job a = {.word = "a"}, big = {.word = "b"};
	struct db_job jobs[] = {a, big};
	db_fixture_run_together(f, jobs, 2); /* small ones may fit or not: none is told as done and lost */
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(jobs[i].rc == 0, db_fixture_has(f, jobs[i].word));
	db_submit(f->db, set_pages, set_done, many);
	struct db_job later = {.word = "later"};
	assert_int_equal(db_fixture_run(f, &later), 0); /* space again: it goes on */
	assert_true(db_fixture_has(f, "later"));
}

static void full_disk(void **state)
{
	struct db_fixture *f = *state;
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
	db_fixture_open_db(f);
	int refused = 0;
	fill(f, &refused);
	db_close(f->db);
	f->db = NULL;
	db_fixture_open_db(f); /* a file that was full opens again and has all that was told */
	db_close(f->db);
	f->db = NULL;
	assert_int_equal(umount(mnt), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, db_fixture_setup, db_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(kill_loses_nothing), T(full_database), T(full_disk)};
	return cmocka_run_group_tests(tests, db_fixture_warm_up, NULL);
}
