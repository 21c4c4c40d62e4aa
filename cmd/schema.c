#include "cmd/schema.h"

#include "base/mem.h"
#include "github/outbox.h"
#include "plan/run_store.h"
#include "webhooks/delivery_store.h"

#include <stdio.h>

const struct db_migration *schema_migrations(size_t *ret_n)
{
	static char first[16 * 1024];
	static struct db_migration list[1];
	int n = snprintf(first, sizeof(first), "%s\n%s\n%s", DELIVERY_SCHEMA, OUTBOX_SCHEMA, PLAN_SCHEMA);
	ASSERT(n > 0 && (size_t)n < sizeof(first));
	list[0] = (struct db_migration){1, first};
	*ret_n = 1;
	return list;
}
