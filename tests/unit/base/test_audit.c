#include "base/audit.h"
#include "base/clock.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void add(struct db_conn *c, const char *kind)
{
	struct err err = {0};
	if (audit_add(c, &(struct audit){.kind = kind, .actor = "alice", .pull = 7}, &err) != 0)
		fail_msg("%s", err.msg);
}

static void test_rows_are_chained(void **state)
{
	(void)state;
	const struct db_migration m = {1, AUDIT_SCHEMA};
	struct db_conn *c;
	struct db_stmt *s;
	struct err err = {0};
	clock_fake_set(1000);
	assert_int_equal(db_conn_open(":memory:", &m, 1, &c, &err), 0);
	add(c, "one");
	add(c, "two");
	assert_int_equal(db_query(c, &s, &err, "SELECT a.hash=b.prev, length(a.hash), a.hash<>b.hash FROM audit a, audit b WHERE a.seq=1 AND b.seq=2", ""), 0);
	assert_int_equal(db_one(s, &err, "no rows"), 0);
	assert_int_equal(db_int(s, 0), 1);
	assert_int_equal(db_int(s, 1), 64);
	assert_int_equal(db_int(s, 2), 1);
	db_reset(s);
	db_conn_close(c);
	clock_fake_off();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows_are_chained)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
