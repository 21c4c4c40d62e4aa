/* Memory that is left, and the jobs that want some. */
#include "plan/admission.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const int64_t MIB = 1024 * 1024;

static void who_starts(void **state)
{
	static const struct {
		int64_t running, starting, job_mib, available_mib; /* available -1: not known */
		const char *why;
	} rows[] = {
		{0, 0, 1024, 0, NULL}, /* the only one runs wherever it can */
		{0, 0, 1024, 8000, NULL},
		{1, 0, 1024, 8000, NULL},
		{1, 0, 1024, 512, NULL},
		{1, 0, 1024, 511,
		 "511 MiB of memory are free on this machine, and a job begins with half of limits.memory, 512 MiB: it waits until one of the 1 at work has ended"},
		{7, 0, 4096, 2000,
		 "2000 MiB of memory are free on this machine, and a job begins with half of limits.memory, 2048 MiB: it waits until one of the 7 at work has ended"},
		{3, 3, 1024, 2048, NULL}, /* three that start in the same moment have not taken theirs yet */
		{3, 3, 1024, 2047,
		 "511 MiB of memory are free on this machine, and a job begins with half of limits.memory, 512 MiB: it waits until one of the 3 at work has ended"},
		{3, 3, 1024, 100,
		 "0 MiB of memory are free on this machine, and a job begins with half of limits.memory, 512 MiB: it waits until one of the 3 at work has ended"},
		{7, 7, 4096, -1, NULL},
		{7, 0, 0, 0, NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t available = rows[i].available_mib < 0 ? -1 : rows[i].available_mib * MIB;
		struct admission a = {.running = rows[i].running, .starting = rows[i].starting, .job_bytes = rows[i].job_mib * MIB,
				      .machine = {.available = available}};
		CLEANUP_FREE char *why = admission_refusal(&a);
		if ((why == NULL) != (rows[i].why == NULL) || (why != NULL && strcmp(why, rows[i].why) != 0))
			fail_msg("row %zu: %s", i, why != NULL ? why : "starts");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(who_starts)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
