/* The database's migrations, put together from the tables of each layer. */
#ifndef CMD_SCHEMA_H
#define CMD_SCHEMA_H

#include "base/db.h"

/* Static storage; the last one is the version this binary writes. */
const struct db_migration *schema_migrations(size_t *ret_n);

#endif
