/* The delivery table: stored once, read in order, decided once, pruned. */
#include "webhooks/delivery_store.h"

#include "base/fs.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static const struct db_migration migrations[] = {{1, DELIVERY_SCHEMA}};

struct fixture {
	char dir[64];
	struct db_conn *c;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/sluice-delivery-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	CLEANUP_FREE char *path = fs_join(f->dir, "db");
	struct err err = {0};
	if (db_conn_open(path, migrations, 1, &f->c, &err) != 0)
		fail_msg("%s", err.msg);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	db_conn_close(f->c);
	int rc = fs_remove_tree(f->dir, NULL);
	free(f);
	return rc;
}

static bool insert(struct fixture *f, const char *guid, const char *body)
{
	bool is_new = false;
	struct err err = {0};
	if (delivery_insert(f->c, guid, "push", 1000, body, strlen(body), &is_new, &err) != 0)
		fail_msg("%s", err.msg);
	return is_new;
}

static size_t next(struct fixture *f, int64_t after, size_t max, struct delivery *ret)
{
	size_t n = 99;
	struct err err = {0};
	if (delivery_next(f->c, after, max, ret, &n, &err) != 0)
		fail_msg("%s", err.msg);
	return n;
}

static void test_a_guid_is_stored_once(void **state)
{
	struct fixture *f = *state;
	struct delivery d[4];
	assert_true(insert(f, "a", "{\"first\":1}"));
	assert_false(insert(f, "a", "{\"second\":2}"));
	assert_int_equal(next(f, 0, 4, d), 1);
	assert_string_equal(d[0].guid, "a");
	assert_string_equal(d[0].event, "push");
	assert_int_equal(d[0].received_ms, 1000);
	assert_string_equal(d[0].body, "{\"first\":1}");
	assert_int_equal(d[0].body_len, 11);
	delivery_free(&d[0]);
	assert_null(d[0].guid);
}

static void test_next_is_in_order_and_bounded(void **state)
{
	struct fixture *f = *state;
	struct delivery d[8];
	char guid[24];
	for (int i = 0; i < 7; i++) {
		(void)snprintf(guid, sizeof(guid), "g%d", i);
		assert_true(insert(f, guid, ""));
	}
	assert_int_equal(next(f, 0, 3, d), 3);
	int64_t last = d[2].id;
	for (int i = 0; i < 3; i++) {
		(void)snprintf(guid, sizeof(guid), "g%d", i);
		assert_string_equal(d[i].guid, guid);
		assert_string_equal(d[i].body, "");
		delivery_free(&d[i]);
	}
	assert_int_equal(next(f, last, 8, d), 4);
	assert_string_equal(d[0].guid, "g3");
	assert_string_equal(d[3].guid, "g6");
	for (int i = 0; i < 4; i++)
		delivery_free(&d[i]);
	assert_int_equal(next(f, last + 100, 8, d), 0);
}

static void test_a_decision_is_made_once(void **state)
{
	struct fixture *f = *state;
	struct delivery d[4];
	assert_true(insert(f, "a", "{}"));
	assert_true(insert(f, "b", "{}"));
	assert_int_equal(next(f, 0, 1, d), 1);
	struct err err = {0};
	assert_int_equal(delivery_decide(f->c, d[0].id, "run 12", &err), 0);
	assert_int_equal(delivery_decide(f->c, d[0].id, "run 13", &err), ERR_NOT_FOUND);
	assert_string_equal(err.msg, "delivery 1 is unknown or already decided");
	assert_int_equal(delivery_decide(f->c, 77, "run 13", &err), ERR_NOT_FOUND);
	delivery_free(&d[0]);
	struct db_stmt *s;
	assert_int_equal(db_query(f->c, &s, &err, "SELECT disposition, body FROM delivery WHERE guid = 'a'", ""), 0);
	assert_int_equal(db_step(s, &err), 1);
	assert_string_equal(db_text(s, 0), "run 12");
	assert_null(db_text(s, 1));
	db_reset(s);
	assert_int_equal(next(f, 0, 4, d), 1);
	assert_string_equal(d[0].guid, "b");
	delivery_free(&d[0]);
	assert_false(insert(f, "a", "{}")); /* still known */
}

static void test_prune(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};
	int removed = -1;
	char guid[24];
	for (int i = 0; i < DELIVERY_PRUNE_MAX + 5; i++) {
		(void)snprintf(guid, sizeof(guid), "g%d", i);
		assert_true(insert(f, guid, "{}"));
	}
	assert_int_equal(delivery_prune(f->c, 5000, &removed, &err), 0);
	assert_int_equal(removed, 0); /* none is decided */
	assert_int_equal(db_run(f->c, &err, "UPDATE delivery SET disposition = 'ignored' WHERE guid <> 'g3'", ""), 0);
	assert_int_equal(delivery_prune(f->c, 1000, &removed, &err), 0);
	assert_int_equal(removed, 0); /* none is older */
	assert_int_equal(delivery_prune(f->c, 1001, &removed, &err), 0);
	assert_int_equal(removed, DELIVERY_PRUNE_MAX);
	assert_int_equal(delivery_prune(f->c, 1001, &removed, &err), 0);
	assert_int_equal(removed, 4);
	struct delivery d[2];
	assert_int_equal(next(f, 0, 2, d), 1);
	assert_string_equal(d[0].guid, "g3");
	delivery_free(&d[0]);
}

static void test_without_the_table(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};
	struct delivery d;
	size_t n;
	int removed;
	bool is_new;
	assert_int_equal(db_exec(f->c, "DROP TABLE delivery", &err), 0);
	assert_true(delivery_insert(f->c, "a", "push", 1, "", 0, &is_new, &err) < 0);
	assert_non_null(strstr(err.msg, "store delivery a: "));
	assert_true(delivery_next(f->c, 0, 1, &d, &n, &err) < 0);
	assert_true(delivery_decide(f->c, 1, "x", &err) < 0);
	assert_true(delivery_prune(f->c, 1, &removed, &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_guid_is_stored_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_next_is_in_order_and_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_decision_is_made_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prune, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_the_table, setup, teardown),
	};
	return cmocka_run_group_tests_name("delivery_store", tests, NULL, NULL);
}
