/* Time: texts both ways, the fake clock, and that the real one moves. */
#include "base/clock.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

static void texts(void **state)
{
	static const struct {
		int64_t ms;
		const char *iso, *people;
	} rows[] = {
		{0, "1970-01-01T00:00:00Z", "1970-01-01 00:00 UTC"},
		{1764079387123, "2025-11-25T14:03:07Z", "2025-11-25 14:03 UTC"},
		{951782400000, "2000-02-29T00:00:00Z", "2000-02-29 00:00 UTC"},
		{4102444799999, "2099-12-31T23:59:59Z", "2099-12-31 23:59 UTC"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char out[CLOCK_ISO_SIZE];
		assert_string_equal(clock_iso(rows[i].ms, out), rows[i].iso);
		assert_string_equal(clock_people(rows[i].ms, out), rows[i].people);
	}
	char out[CLOCK_ISO_SIZE];
	assert_string_equal(clock_iso(INT64_MAX, out), "292278994-08-17T07:12:55Z"); /* the largest there is fits */
}

static void fake(void **state)
{
	(void)state;
	clock_fake_set(5000);
	int64_t began = clock_mono_ms();
	assert_int_equal(clock_wall_ms(), 5000);
	clock_fake_advance(250);
	assert_int_equal(clock_wall_ms(), 5250);
	assert_int_equal(clock_mono_ms(), began + 250);
	assert_int_equal(clock_mono_ns(), (began + 250) * 1000000);
	clock_fake_set(100); /* the wall may be set back; time passed stays */
	assert_int_equal(clock_wall_ms(), 100);
	assert_int_equal(clock_mono_ms(), began + 250);
	clock_fake_off();
	assert_true(clock_wall_ms() > 1600000000000);
}

static void real(void **state)
{
	struct timespec nap = {.tv_nsec = 3000000};
	(void)state;
	int64_t before = clock_mono_ns(), wall = clock_wall_ms();
	assert_int_equal(nanosleep(&nap, NULL), 0);
	assert_true(clock_mono_ns() - before >= 3000000);
	assert_true(clock_wall_ms() >= wall);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(texts), cmocka_unit_test(fake), cmocka_unit_test(real)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
