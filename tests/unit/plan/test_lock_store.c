/* Locks: one pull request holds a project; an unknown outcome is held until a person lets go. */
#include "plan/lock_store.h"

#include "base/clock.h"
#include "tests/support/store_support.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct db_conn *c;
static struct err err;

static int setup(void **state)
{
	(void)state;
	c = store_open();
	err = (struct err){0};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_close(c);
	return 0;
}

static bool is_free(const char *project)
{
	struct lock_row l;
	int rc = lock_get(c, 1, project, &l, &err);
	assert_true(rc == 0 || rc == ERR_NOT_FOUND);
	return rc != 0;
}

static void one_holder(void **state)
{
	struct lock_row l;
	(void)state;
	assert_true(is_free("net"));
	store_must(lock_take(c, 1, "net", 12, 100, &err), &err);
	assert_int_equal(lock_take(c, 1, "net", 13, 101, &err), ERR_CONFLICT);
	assert_string_equal(err.msg, "`net` is locked by #12 (apply): wait for it, or comment `unlock` there");
	store_must(lock_take(c, 2, "net", 13, 101, &err), &err); /* another repository */
	store_must(lock_take(c, 1, "dns", 13, 101, &err), &err); /* another project */
	clock_fake_advance(50);
	store_must(lock_take(c, 1, "net", 12, 102, &err), &err); /* the same pull request: its newer run */
	store_must(lock_get(c, 1, "net", &l, &err), &err);
	assert_int_equal(l.pull, 12);
	assert_int_equal(l.run_id, 102);
	assert_int_equal(l.created_ms, STORE_NOW);
	assert_string_equal(l.project, "net");
	assert_string_equal(l.reason, "apply");
}

static void let_go(void **state)
{
	(void)state;
	store_must(lock_take(c, 1, "net", 12, 100, &err), &err);
	store_must(lock_release_job(c, 1, "net", 99, &err), &err); /* of another run */
	assert_false(is_free("net"));
	store_must(lock_release_job(c, 1, "dns", 100, &err), &err); /* nothing there */
	store_must(lock_release_job(c, 1, "net", 100, &err), &err);
	assert_true(is_free("net"));
}

static void unknown_outcome_stays(void **state)
{
	int64_t n = 99;
	(void)state;
	store_must(lock_take(c, 1, "net", 12, 100, &err), &err);
	store_must(lock_take(c, 1, "dns", 12, 100, &err), &err);
	store_must(lock_take(c, 1, "web", 13, 101, &err), &err);
	store_must(lock_set_reason(c, 1, "net", "outcome unknown", &err), &err);
	store_must(lock_release_job(c, 1, "net", 100, &err), &err);
	assert_false(is_free("net"));
	assert_int_equal(lock_take(c, 1, "net", 12, 102, &err), ERR_CONFLICT); /* not even its own pull request */
	assert_non_null(strstr(err.msg, "outcome unknown"));
	store_must(lock_release_run(c, 1, 100, &err), &err); /* what the run took and whose outcome is known */
	assert_true(is_free("dns"));
	assert_false(is_free("net"));
	assert_false(is_free("web"));
	store_must(lock_release_pull(c, 2, 12, &n, &err), &err);
	assert_int_equal(n, 0);
	store_must(lock_release_pull(c, 1, 12, &n, &err), &err); /* `unlock` */
	assert_int_equal(n, 1);
	assert_true(is_free("net"));
	assert_false(is_free("web"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(one_holder), T(let_go), T(unknown_outcome_stays)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
