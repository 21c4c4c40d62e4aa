/* A database file behind its queue, and closures that insert a word, wait, look or fail as they are told. For tests of base/db.c. */
#ifndef TESTS_SUPPORT_DB_FIXTURE_H
#define TESTS_SUPPORT_DB_FIXTURE_H

#include "base/db.h"

#include <semaphore.h>

extern const struct db_migration db_fixture_migrations[1]; /* the text is SCHEMA of db_fixture.c; a word 'give up' ends the transaction */

struct db_fixture {
	char dir[64];
	char *path;
	struct loop *l;
	struct db *db;
	int fds_before;
};

struct db_job {
	struct db_fixture *f;
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

extern int db_fixture_dones; /* counts them, for their order */

int db_fixture_warm_up(void **state); /* what libuv opens once a process */
int db_fixture_setup(void **state);
int db_fixture_teardown(void **state);
void db_fixture_open_db(struct db_fixture *f);
void db_fixture_submit(struct db_fixture *f, struct db_job *j);
int db_fixture_run(struct db_fixture *f, struct db_job *j); /* and waits */
void db_fixture_done(int rc, const struct err *err, void *job);
/* Closures that wait together share a transaction: they start as one batch. */
void db_fixture_run_together(struct db_fixture *f, struct db_job *jobs, size_t n);
bool db_fixture_has(struct db_fixture *f, const char *word); /* on disk, seen by another connection */
int64_t db_fixture_count(struct db_conn *c);

#endif
