#include "tests/support/db_fixture.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "tests/support/fds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

static const char SCHEMA[] = "CREATE TABLE t(id INTEGER PRIMARY KEY, word TEXT UNIQUE CHECK(length(word)>0), parent INTEGER REFERENCES t(id), bytes BLOB);"
			     "CREATE TRIGGER give_up BEFORE INSERT ON t WHEN new.word='give up' BEGIN SELECT RAISE(ROLLBACK, 'given up'); END;";
const struct db_migration db_fixture_migrations[1] = {{1, SCHEMA}};

void db_fixture_open_db(struct db_fixture *f)
{
	struct err err = {0};
	if (db_open(f->l, f->path, db_fixture_migrations, 1, &f->db, &err) != 0)
		fail_msg("%s", err.msg);
}

static void quiet(const char *line, void *arg)
{
	(void)line;
	(void)arg;
}

/* What libuv opens once a process. */
int db_fixture_warm_up(void **state)
{
	(void)state;
	loop_close(loop_new());
	return 0;
}

int db_fixture_setup(void **state)
{
	struct db_fixture *f = xcalloc(1, sizeof(*f));
	f->fds_before = support_open_fds();
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/sluice-db-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->path = fs_join(f->dir, "sluice.db");
	f->l = loop_new();
	db_fixture_open_db(f);
	log_set_sink(quiet, NULL);
	*state = f;
	return 0;
}

int db_fixture_teardown(void **state)
{
	struct db_fixture *f = *state;
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

int db_fixture_dones;

int64_t db_fixture_count(struct db_conn *c)
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
	struct db_job *j = arg;
	if (j->wait != NULL)
		(void)sem_wait(j->wait);
	if (j->look != NULL)
		j->seen = db_fixture_count(j->look);
	int rc = j->parent == 0 ? db_run(c, err, "INSERT INTO t(word) VALUES(?)", "s", j->word)
				: db_run(c, err, "INSERT INTO t(word, parent) VALUES(?,?)", "si", j->word, j->parent);
	if (rc != 0)
		return rc;
	j->id = db_last_id(c);
	return j->refuse == 0 ? 0 : err_set(err, j->refuse, "told to fail");
}

void db_fixture_done(int rc, const struct err *err, void *arg)
{
	struct db_job *j = arg;
	assert_false(j->done); /* once */
	j->done = true;
	j->rc = rc;
	j->order = db_fixture_dones++;
	(void)snprintf(j->msg, sizeof(j->msg), "%s", err->msg);
}

void db_fixture_submit(struct db_fixture *f, struct db_job *j)
{
	j->f = f;
	db_submit(f->db, work, db_fixture_done, j);
}

int db_fixture_run(struct db_fixture *f, struct db_job *j)
{
	db_fixture_submit(f, j);
	assert_false(j->done); /* never inside the call */
	assert_true(loop_run_until(f->l, &j->done, 10000));
	return j->rc;
}

bool db_fixture_has(struct db_fixture *f, const char *word)
{
	struct db_conn *c;
	struct db_stmt *s = NULL;
	struct err err = {0};
	if (db_conn_open(f->path, db_fixture_migrations, 1, &c, &err) != 0 ||
	    db_query(c, &s, &err, "SELECT 1 FROM t WHERE word=?", "s", word) != 0)
		fail_msg("%s", err.msg);
	int rc = db_step(s, &err);
	assert_true(rc >= 0);
	db_conn_close(c);
	return rc == 1;
}

/* Closures that wait together share a transaction: `go` lets them start as one batch. */
void db_fixture_run_together(struct db_fixture *f, struct db_job *jobs, size_t n)
{
	sem_t go;
	assert_int_equal(sem_init(&go, 0, 0), 0);
	struct db_job gate = {.word = "gate", .wait = &go};
	db_fixture_submit(f, &gate);
	(void)usleep(20000);
	for (size_t i = 0; i < n; i++)
		db_fixture_submit(f, &jobs[i]);
	assert_int_equal(sem_post(&go), 0);
	assert_true(loop_run_until(f->l, &jobs[n - 1].done, 10000));
	(void)sem_destroy(&go);
}
