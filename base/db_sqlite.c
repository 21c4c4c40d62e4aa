/* The only file that knows SQLite. Runs on the writer thread (or on the one thread of a command). */
#include "base/db.h"
#include "base/db_priv.h"

#include "base/log.h"
#include "base/mem.h"

#include <sqlite3.h>
#include <stdio.h>

enum { CACHE_SLOTS = 256 };

struct db_stmt {
	sqlite3_stmt *st;
	const char *sql; /* by address: string constants */
	struct db_conn *conn;
};

struct db_conn {
	sqlite3 *sq;
	bool in_closure; /* there must be a transaction */
	struct db_stmt cache[CACHE_SLOTS];
};

/* WAL with FULL: a commit is on disk when it returns. One connection writes and checkpoints, so the WAL-reset fault of SQLite before
 * 3.51.3 (two connections checkpointing at once) cannot happen here. */
static const char SETUP[] = "PRAGMA journal_mode=WAL;"
			    "PRAGMA synchronous=FULL;"
			    "PRAGMA wal_autocheckpoint=1000;"
			    "PRAGMA journal_size_limit=67108864;"
			    "PRAGMA foreign_keys=ON;"
			    "PRAGMA temp_store=MEMORY;"
			    "PRAGMA cache_size=-1024;"
			    "PRAGMA trusted_schema=OFF;";

static int fail(struct db_conn *c, struct err *err, const char *what)
{
	int rc = sqlite3_errcode(c->sq);
	int code = ERR_IO;
	if (rc == SQLITE_CONSTRAINT)
		code = ERR_CONFLICT;
	else if (rc == SQLITE_FULL)
		code = ERR_UNAVAILABLE;
	return err_set(err, code, "database: %s: %s", what, sqlite3_errmsg(c->sq));
}

/* SQLite would run what a closure still has to say outside of any transaction, and keep it. */
static bool given_up(const struct db_conn *c) { return c->in_closure && sqlite3_get_autocommit(c->sq) != 0; }

int db_exec(struct db_conn *c, const char *sql, struct err *err)
{
	if (given_up(c))
		return err_set(err, ERR_UNAVAILABLE, "database: the transaction was given up");
	return sqlite3_exec(c->sq, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(c, err, sql);
}

static int user_version(struct db_conn *c, int *ret, struct err *err)
{
	struct db_stmt *s;
	int64_t version = 0;
	int rc = db_query(c, &s, err, "PRAGMA user_version", "");
	if (rc == 0)
		rc = db_number(s, &version, err);
	if (rc == 0)
		*ret = (int)version;
	return rc;
}

static int migrate_one(struct db_conn *c, const struct db_migration *m, struct err *err)
{
	int rc = db_exec(c, "BEGIN IMMEDIATE", err);
	if (rc != 0)
		return rc;
	char bump[64];
	(void)snprintf(bump, sizeof(bump), "PRAGMA user_version=%d", m->version); /* fits */
	rc = db_exec(c, m->sql, err);
	if (rc == 0)
		rc = db_exec(c, bump, err);
	if (rc == 0)
		rc = db_exec(c, "COMMIT", err);
	if (rc != 0 && sqlite3_get_autocommit(c->sq) == 0 && db_exec(c, "ROLLBACK", NULL) != 0)
		log_warn("db.rollback", "error=%s", log_value(sqlite3_errmsg(c->sq)));
	return rc == 0 ? 0 : err_wrap(err, "migration %d", m->version);
}

static int migrate(struct db_conn *c, const struct db_migration *migrations, size_t n, struct err *err)
{
	int have = 0;
	int rc = user_version(c, &have, err);
	if (rc != 0)
		return rc;
	int newest = n != 0 ? migrations[n - 1].version : 0;
	if (have > newest)
		return err_set(err, ERR_REFUSED, "the database was written by a newer sluice (version %d, this one knows %d): run that one", have, newest);
	for (size_t i = 0; i < n && rc == 0; i++)
		if (migrations[i].version > have)
			rc = migrate_one(c, &migrations[i], err);
	return rc;
}

int db_conn_open(const char *path, const struct db_migration *migrations, size_t n, struct db_conn **ret, struct err *err)
{
	struct db_conn *c = xcalloc(1, sizeof(*c));
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	int rc = 0;
	if (sqlite3_open_v2(path, &c->sq, flags, NULL) != SQLITE_OK)
		rc = err_set(err, ERR_IO, "database %s: %s", path, c->sq != NULL ? sqlite3_errmsg(c->sq) : "no memory");
	if (rc == 0) {
		(void)sqlite3_busy_timeout(c->sq, 5000); /* only a command beside the daemon ever waits */
		rc = db_exec(c, SETUP, err);
	}
	if (rc == 0)
		rc = migrate(c, migrations, n, err);
	if (rc != 0) {
		db_conn_close(c);
		return err_wrap(err, "%s", path);
	}
	*ret = c;
	return 0;
}

int db_conn_open_reader(const char *path, int version, struct db_conn **ret, struct err *err)
{
	struct db_conn *c = xcalloc(1, sizeof(*c));
	int have = 0, rc = 0;
	if (sqlite3_open_v2(path, &c->sq, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		rc = err_set(err, ERR_IO, "database: %s", c->sq != NULL ? sqlite3_errmsg(c->sq) : "no memory");
	if (rc == 0) {
		(void)sqlite3_busy_timeout(c->sq, 5000); /* cannot fail on an open connection */
		rc = user_version(c, &have, err);
	}
	if (rc == 0 && have != version)
		rc = err_set(err, ERR_REFUSED, "the database has version %d and this sluice reads %d: use the binary that the server runs", have, version);
	if (rc != 0) {
		db_conn_close(c);
		return err_wrap(err, "%s", path);
	}
	*ret = c;
	return 0;
}

void db_conn_close(struct db_conn *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < CACHE_SLOTS; i++)
		(void)sqlite3_finalize(c->cache[i].st); /* repeats the last step's error */
	(void)sqlite3_close(c->sq); /* nothing is left open */
	free(c);
}

/* Open addressing by the address of the text; statements are few and constant. */
static struct db_stmt *slot_for(struct db_conn *c, const char *sql)
{
	size_t at = ((uintptr_t)sql >> 3) % CACHE_SLOTS;
	for (size_t i = 0; i < CACHE_SLOTS; i++, at = (at + 1) % CACHE_SLOTS)
		if (c->cache[at].sql == NULL || c->cache[at].sql == sql)
			return &c->cache[at];
	ASSERT(!"more statements than CACHE_SLOTS");
	return NULL;
}

static int bind_values(struct db_stmt *s, const char *format, va_list ap)
{
	int rc = SQLITE_OK;
	for (int i = 1; *format != '\0' && rc == SQLITE_OK; format++, i++) {
		if (*format == 'i') {
			rc = sqlite3_bind_int64(s->st, i, va_arg(ap, int64_t));
		} else if (*format == 's') {
			rc = sqlite3_bind_text(s->st, i, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
		} else if (*format == 'b') {
			const void *bytes = va_arg(ap, const void *);
			size_t len = va_arg(ap, size_t);
			rc = sqlite3_bind_blob64(s->st, i, bytes, len, SQLITE_STATIC); /* read before the caller's step returns */
		} else {
			ASSERT(*format == 'n');
			rc = sqlite3_bind_null(s->st, i);
		}
	}
	return rc;
}

static int query(struct db_conn *c, struct db_stmt **ret, struct err *err, const char *sql, const char *format, va_list ap)
{
	struct db_stmt *s = slot_for(c, sql);
	if (given_up(c))
		return err_set(err, ERR_UNAVAILABLE, "database: the transaction was given up");
	if (s->sql == NULL) {
		if (sqlite3_prepare_v3(c->sq, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->st, NULL) != SQLITE_OK)
			return fail(c, err, sql);
		s->sql = sql;
		s->conn = c;
	}
	(void)sqlite3_reset(s->st); /* repeats the last step's error */
	if (bind_values(s, format, ap) != SQLITE_OK)
		return fail(c, err, sql);
	*ret = s;
	return 0;
}

int db_query(struct db_conn *c, struct db_stmt **ret, struct err *err, const char *sql, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int rc = query(c, ret, err, sql, format, ap);
	va_end(ap);
	return rc;
}

int db_step(struct db_stmt *s, struct err *err)
{
	int rc = sqlite3_step(s->st);
	if (rc == SQLITE_ROW)
		return 1;
	int code = rc == SQLITE_DONE ? 0 : fail(s->conn, err, s->sql);
	(void)sqlite3_reset(s->st); /* repeats the error just told */
	return code;
}

int db_one(struct db_stmt *s, struct err *err, const char *missing, ...)
{
	int rc = db_step(s, err);
	if (rc != 0)
		return rc == 1 ? 0 : rc;
	char sentence[ERR_MSG_MAX];
	va_list ap;
	va_start(ap, missing);
	(void)vsnprintf(sentence, sizeof(sentence), missing, ap); /* cut where err_set would cut it */
	va_end(ap);
	return err_set(err, ERR_NOT_FOUND, "%s", sentence);
}

int db_number(struct db_stmt *s, int64_t *ret, struct err *err)
{
	int rc = db_step(s, err);
	if (rc < 0)
		return rc;
	*ret = rc == 1 ? db_int(s, 0) : 0;
	db_reset(s);
	return 0;
}

void db_reset(struct db_stmt *s)
{
	(void)sqlite3_reset(s->st); /* the row was read */
}

int64_t db_int(struct db_stmt *s, int column) { return sqlite3_column_int64(s->st, column); }

const char *db_text(struct db_stmt *s, int column) { return (const char *)sqlite3_column_text(s->st, column); }

char *db_text_copy(struct db_stmt *s, int column) { return xstrdup(db_text(s, column)); }

const void *db_blob(struct db_stmt *s, int column, size_t *ret_len)
{
	const void *bytes = sqlite3_column_blob(s->st, column);
	*ret_len = (size_t)sqlite3_column_bytes(s->st, column);
	return bytes;
}

int db_run(struct db_conn *c, struct err *err, const char *sql, const char *format, ...)
{
	struct db_stmt *s;
	va_list ap;
	va_start(ap, format);
	int rc = query(c, &s, err, sql, format, ap);
	va_end(ap);
	while (rc == 0 && (rc = db_step(s, err)) == 1)
		rc = 0;
	return rc;
}

int db_changes(struct db_conn *c) { return sqlite3_changes(c->sq); }

int db_library_version(void) { return sqlite3_libversion_number(); }

int64_t db_last_id(struct db_conn *c) { return sqlite3_last_insert_rowid(c->sq); }

bool db_conn_in_transaction(struct db_conn *c) { return sqlite3_get_autocommit(c->sq) == 0; }

void db_conn_in_closure(struct db_conn *c, bool yes) { c->in_closure = yes; }
