/* What is kept, and how long: logs and plan files of jobs leave the disk after 90 days, a few hundred an hour so that nobody waits for it.
 * Rows, managed states and what was said stay. Exported trees stay.
 * After step 9; in the daemon. */
#ifndef PLAN_RETENTION_H
#define PLAN_RETENTION_H

#include "base/db.h"
#include "plan/config.h"

struct retention;

struct retention *retention_new(struct loop *l, struct db *db, const struct server_config *config);
void retention_close(struct retention *r); /* NULL is fine */
/* One round now; for tests and the timer. */
void retention_run(struct retention *r);

#endif
