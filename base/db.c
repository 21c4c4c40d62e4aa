/* The queue in front of the one writer thread. Two threads meet here: the loop submits and is told, the writer works and commits. */
#include "base/db.h"

#include "base/db_priv.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <unistd.h>

struct request {
	db_work work;
	db_done done;
	void *arg;
	int rc;
	struct err err;
	struct request *next;
};

struct queue {
	struct request *first, **last;
	size_t n;
};

struct db {
	struct loop *loop;
	struct loop_async *wake;
	pthread_t writer;
	pthread_mutex_t mutex; /* over what follows */
	pthread_cond_t more;
	struct queue waiting; /* submitted, not yet taken */
	struct queue finished; /* committed, done not yet called */
	size_t outstanding;   /* submitted, done not yet called */
	bool stop;
	struct db_conn *conn; /* the writer's alone */
};

static void queue_init(struct queue *q) { *q = (struct queue){.last = &q->first}; }

static void queue_push(struct queue *q, struct request *r)
{
	r->next = NULL;
	*q->last = r;
	q->last = &r->next;
	q->n++;
}

static struct request *queue_take_all(struct queue *q)
{
	struct request *all = q->first;
	queue_init(q);
	return all;
}

static struct request *queue_pop(struct queue *q)
{
	struct request *r = q->first;
	q->first = r->next;
	if (q->first == NULL)
		q->last = &q->first;
	q->n--;
	return r;
}

/* A database that does not keep what it promised: stop here, recovery reads the file again. */
static void die(const struct err *err) __attribute__((noreturn));

static void die(const struct err *err)
{
	log_err("db.fatal", "error=%s", log_value(err->msg));
	_exit(3);
}

/* One closure in its own savepoint. False when the driver gave the whole transaction up with it (a full disk, a failing device). */
static bool run_one(struct db *db, struct request *r)
{
	struct err err = {0};
	if (db_exec(db->conn, "SAVEPOINT one", &err) != 0)
		die(&err);
	db_conn_in_closure(db->conn, true);
	r->rc = r->work(db->conn, r->arg, &r->err);
	db_conn_in_closure(db->conn, false);
	if (!db_conn_in_transaction(db->conn))
		return false;
	if (r->rc != 0 && db_exec(db->conn, "ROLLBACK TO one", &err) != 0)
		die(&err);
	if (db_exec(db->conn, "RELEASE one", &err) != 0)
		die(&err);
	return true;
}

/* Nothing of a batch is on disk, and nobody may believe that it is. */
static void fail_batch(struct request *batch, const char *why)
{
	for (struct request *r = batch; r != NULL; r = r->next)
		r->rc = err_set(&r->err, ERR_UNAVAILABLE, "%s", why);
}

/* Runs a batch in one transaction and commits it. When the transaction is given up, or the disk has no room for the commit, all of it is
 * told as failed. */
static void run_batch(struct db *db, struct request *batch)
{
	struct err err = {0};
	if (db_exec(db->conn, "BEGIN IMMEDIATE", &err) != 0)
		die(&err);
	for (struct request *r = batch; r != NULL; r = r->next)
		if (!run_one(db, r)) {
			log_err("db.given_up", "error=%s", log_value(r->err.msg));
			fail_batch(batch, "database: the transaction was given up, the disk may be full: free space in the data directory");
			return;
		}
	if (db_exec(db->conn, "COMMIT", &err) == 0)
		return;
	if (err.code != ERR_UNAVAILABLE)
		die(&err);
	if (db_conn_in_transaction(db->conn) && db_exec(db->conn, "ROLLBACK", &err) != 0)
		die(&err);
	fail_batch(batch, "database: the disk is full: free space in the data directory");
}

static void *writer_main(void *arg)
{
	struct db *db = arg;
	(void)pthread_mutex_lock(&db->mutex); /* cannot fail on a default mutex */
	for (;;) {
		while (db->waiting.n == 0 && !db->stop)
			(void)pthread_cond_wait(&db->more, &db->mutex);
		if (db->waiting.n == 0)
			break;
		struct queue batch;
		queue_init(&batch);
		while (db->waiting.n != 0 && batch.n < LIMIT_DB_BATCH)
			queue_push(&batch, queue_pop(&db->waiting));
		(void)pthread_mutex_unlock(&db->mutex);
		run_batch(db, batch.first);
		(void)pthread_mutex_lock(&db->mutex);
		for (struct request *r = batch.first, *next; r != NULL; r = next) {
			next = r->next;
			queue_push(&db->finished, r);
		}
		loop_async_send(db->wake);
	}
	(void)pthread_mutex_unlock(&db->mutex);
	return NULL;
}

static void tell_finished(void *arg)
{
	struct db *db = arg;
	(void)pthread_mutex_lock(&db->mutex);
	struct request *all = queue_take_all(&db->finished);
	(void)pthread_mutex_unlock(&db->mutex);
	for (struct request *r = all, *next; r != NULL; r = next) {
		next = r->next;
		db->outstanding--;
		if (r->done != NULL)
			r->done(r->rc, &r->err, r->arg);
		else if (r->rc != 0)
			log_err("db.write", "error=%s", log_value(r->err.msg));
		free(r);
	}
}

int db_open(struct loop *l, const char *path, const struct db_migration *migrations, size_t n, struct db **ret, struct err *err)
{
	struct db_conn *conn;
	int rc = db_conn_open(path, migrations, n, &conn, err);
	if (rc != 0)
		return rc;
	struct db *db = xcalloc(1, sizeof(*db));
	db->loop = l;
	db->conn = conn;
	queue_init(&db->waiting);
	queue_init(&db->finished);
	db->wake = loop_async_new(l, tell_finished, db);
	(void)pthread_mutex_init(&db->mutex, NULL); /* cannot fail with default attributes */
	(void)pthread_cond_init(&db->more, NULL);
	pthread_attr_t attr;
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, 256 * 1024);
	if (pthread_create(&db->writer, &attr, writer_main, db) != 0) {
		db_conn_close(conn);
		loop_async_close(db->wake);
		free(db);
		return err_set(err, ERR_IO, "database: cannot start the writer thread");
	}
	(void)pthread_attr_destroy(&attr);
	*ret = db;
	return 0;
}

void db_submit(struct db *db, db_work work, db_done done, void *arg)
{
	struct request *r = xcalloc(1, sizeof(*r));
	*r = (struct request){.work = work, .done = done, .arg = arg};
	db->outstanding++;
	(void)pthread_mutex_lock(&db->mutex);
	ASSERT(!db->stop);
	if (db->waiting.n >= LIMIT_DB_QUEUE) {
		r->rc = err_set(&r->err, ERR_LIMIT, "database: more than %u requests are waiting", LIMIT_DB_QUEUE);
		queue_push(&db->finished, r);
		loop_async_send(db->wake);
	} else {
		queue_push(&db->waiting, r);
		(void)pthread_cond_signal(&db->more);
	}
	(void)pthread_mutex_unlock(&db->mutex);
}

size_t db_waiting(const struct db *db) { return db->outstanding; }

void db_close(struct db *db)
{
	if (db == NULL)
		return;
	(void)pthread_mutex_lock(&db->mutex);
	db->stop = true;
	(void)pthread_cond_signal(&db->more);
	(void)pthread_mutex_unlock(&db->mutex);
	(void)pthread_join(db->writer, NULL); /* it leaves when the queue is empty */
	tell_finished(db);
	ASSERT(db->outstanding == 0);
	loop_async_close(db->wake);
	db_conn_close(db->conn);
	(void)pthread_cond_destroy(&db->more);
	(void)pthread_mutex_destroy(&db->mutex);
	free(db);
}
