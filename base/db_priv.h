/* Between the queue (db.c) and the driver (db_sqlite.c): what the queue asks beyond base/db.h. */
#ifndef BASE_DB_PRIV_H
#define BASE_DB_PRIV_H

#include "base/db.h"

/* False after the driver itself rolled a transaction back (disk full, I/O error). */
bool db_conn_in_transaction(struct db_conn *c);
/* While a closure runs, statements need a transaction: when the driver gave it up, the rest of them fail with ERR_UNAVAILABLE. */
void db_conn_in_closure(struct db_conn *c, bool yes);

#endif
