#include "cmd/schema.h"

#include "base/audit.h"
#include "base/mem.h"
#include "github/outbox.h"
#include "plan/lock_store.h"
#include "plan/run_store.h"
#include "webhooks/delivery_store.h"

#include <stdio.h>

const struct db_migration *schema_migrations(size_t *ret_n)
{
	static char first[16 * 1024], second[16 * 1024];
	static struct db_migration list[3];
	int n = snprintf(first, sizeof(first), "%s\n%s\n%s", DELIVERY_SCHEMA, OUTBOX_SCHEMA, PLAN_SCHEMA);
	ASSERT(n > 0 && (size_t)n < sizeof(first));
	n = snprintf(second, sizeof(second), "%s\n%s\n%s\n%s\n%s", DELIVERY_SCHEMA_2, OUTBOX_SCHEMA_2, PLAN_SCHEMA_2, LOCK_SCHEMA, AUDIT_SCHEMA);
	ASSERT(n > 0 && (size_t)n < sizeof(second));
	list[0] = (struct db_migration){1, first};
	list[1] = (struct db_migration){2, second};
	list[2] = (struct db_migration){3, PLAN_SCHEMA_3};
	*ret_n = 3;
	return list;
}
