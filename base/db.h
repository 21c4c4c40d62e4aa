/* The database: one narrow seam. Behind it SQLite today (base/db_sqlite.c, the only file that knows it).
 *
 * One writer thread owns the only connection. Work is a closure that runs on that thread inside a transaction; closures that wait together
 * share one commit (group commit, at most LIMIT_DB_BATCH), each in its own savepoint so that one failure undoes only itself. `done` runs
 * on the loop after COMMIT (synchronous=FULL): what it is told is on disk. Reads go the same way and see all that was committed.
 *
 * A failed COMMIT or fsync is not retried: the process logs and exits, and recovery reads the file again. */
#ifndef BASE_DB_H
#define BASE_DB_H

#include "base/loop.h"

struct db;      /* the queue and its thread */
struct db_conn; /* the connection, on the writer thread only */
struct db_stmt;

struct db_migration {
	int version; /* 1, 2, 3 ... */
	const char *sql;
};

/* Opens (creates, migrates) path and starts the writer. A file of a newer version is refused. */
int db_open(struct loop *l, const char *path, const struct db_migration *migrations, size_t n, struct db **ret, struct err *err) MUST_CHECK;
void db_close(struct db *db); /* finishes what was submitted; its done callbacks have run when this returns */

typedef int (*db_work)(struct db_conn *c, void *arg, struct err *err);
typedef void (*db_done)(int rc, const struct err *err, void *arg);

/* Queues work. ERR_LIMIT arrives in done when LIMIT_DB_QUEUE are waiting. done may be NULL. */
void db_submit(struct db *db, db_work work, db_done done, void *arg);
size_t db_waiting(const struct db *db);

/* For commands without a loop (sluice state ...): the connection itself, same rules. */
int db_conn_open(const char *path, const struct db_migration *migrations, size_t n, struct db_conn **ret, struct err *err) MUST_CHECK;
/* Reads beside a running daemon: never writes, migrates or checkpoints. A file of another version is refused. */
int db_conn_open_reader(const char *path, int version, struct db_conn **ret, struct err *err) MUST_CHECK;
void db_conn_close(struct db_conn *c);
int db_exec(struct db_conn *c, const char *sql, struct err *err) MUST_CHECK;

/* Statements: prepared once per connection and text (cached by the address of sql, so pass string constants), bound by format:
 * i int64_t, s const char* (NULL = null), b const void* + size_t, n null. */
int db_query(struct db_conn *c, struct db_stmt **ret, struct err *err, const char *sql, const char *format, ...) MUST_CHECK;
/* 1: a row, 0: no more (the statement is reset), negative: an error. */
int db_step(struct db_stmt *s, struct err *err) MUST_CHECK;
/* For a statement that finds one row: 0, and the row stands until db_reset; without a row ERR_NOT_FOUND and the sentence. */
int db_one(struct db_stmt *s, struct err *err, const char *missing, ...) MUST_CHECK PRINTF_LIKE(3, 4);
/* For a statement that finds one number and nothing else; no row is 0. Resets. */
int db_number(struct db_stmt *s, int64_t *ret, struct err *err) MUST_CHECK;
void db_reset(struct db_stmt *s); /* needed when leaving before db_step gave 0 */
int64_t db_int(struct db_stmt *s, int column);
const char *db_text(struct db_stmt *s, int column); /* NULL for null; until the next step */
char *db_text_copy(struct db_stmt *s, int column);   /* the same; the caller frees */
const void *db_blob(struct db_stmt *s, int column, size_t *ret_len);
/* db_query + step to the end; for writes. ERR_CONFLICT for a unique or foreign key violation. */
int db_run(struct db_conn *c, struct err *err, const char *sql, const char *format, ...) MUST_CHECK;
int db_changes(struct db_conn *c);
int db_library_version(void); /* of the library as it runs: 3040001 is SQLite 3.40.1 */
int64_t db_last_id(struct db_conn *c);

#endif
