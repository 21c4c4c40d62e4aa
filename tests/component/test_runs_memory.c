/* Jobs that would need more memory than the machine has left: one runs, the others wait for its end, and are told once. */
#include "base/log.h"
#include "tests/component/world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static size_t told;

static void sink(const char *line, void *arg)
{
	(void)arg;
	told += strstr(line, " job.waits ") != NULL && strstr(line, "a job begins with half of limits.memory") != NULL;
}

static void one_after_the_other(void **state)
{
	static const struct rig_project three[] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
	static const char *const names[] = {"a", "b", "c"};
	(void)state;
	/* no machine has a half of that left; the sum of all jobs is no bound here */
	struct world *w = world_open("limits: { jobs: 3, jobs_per_repository: 3, memory: 1024GiB, memory_total: 65536GiB }\n");
	log_set_sink(sink, NULL);
	rig_prepared(&w->r, three, 3);
	w->r.plan_play = PLAY_HOLD;
	int64_t run = rig_run(&w->r, RUN_PLAN, w->pull, NULL);
	for (size_t done = 0; done < 3; done++) {
		for (int i = 0; i < 400 && w->r.jobs_n < done + 1; i++)
			rig_pass(&w->r, 5);
		rig_pass(&w->r, 20);
		assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM job WHERE state='running'"), 1);
		assert_int_equal(w->r.jobs_n, done + 1);
		rig_end(&w->r, names[done], PHASE_PLAN, PLAY_OK);
	}
	assert_int_equal(rig_over(&w->r, run), RUN_DONE);
	assert_int_equal(told, 2); /* once while a ran, once while b ran; c was the last */
	log_set_sink(NULL, NULL);
	world_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(one_after_the_other)};
	return cmocka_run_group_tests(tests, rig_warm_up, rig_cool_down);
}
