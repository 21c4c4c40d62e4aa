/* Jobs and the host that is to hold them: they wait until it is known how well it does, and below the floor they are refused with a sentence. What
 * the box was and used is kept with the job. */
#include "plan/jobs.h"
#include "tests/component/world.h"

static struct world *open_with(enum tier host, bool later, const char *more)
{
	struct world *w = world_open(more);
	rig_stop(&w->r);
	w->r.host = host;
	w->r.host_later = later;
	rig_start(&w->r);
	return w;
}

static void jobs_wait_for_the_canary(void **state)
{
	struct world *w = open_with(TIER_FULL, true, NULL);
	(void)state;
	int64_t run = rig_run(&w->r, RUN_PLAN, w->pull, NULL);
	rig_pass(&w->r, 400);
	assert_null(rig_job(&w->r, "net", PHASE_PLAN));
	assert_string_equal(rig_text(&w->r, "SELECT state FROM job"), "ready");
	assert_null(runs_host(w->r.runs));
	runs_set_host(w->r.runs, &(struct tier_report){.tier = TIER_BOUNDED, .why = xstrdup("no control group")});
	is_in_state(rig_over(&w->r, run), RUN_DONE);
	assert_int_equal(rig_job(&w->r, "net", PHASE_PLAN)->starts, 1);
	assert_int_equal(rig_job(&w->r, "net", PHASE_PLAN)->least, TIER_BOUNDED);
	assert_int_equal(rig_job(&w->r, "net", PHASE_PLAN)->profile, PROFILE_PLAN);
	says(world_owed(w), "sandbox: bounded: no control group");
	assert_int_equal(runs_host(w->r.runs)->tier, TIER_BOUNDED);
	world_close(w);
}

static void below_the_floor(void **state)
{
	static const struct {
		enum tier host;
		const char *more, *says; /* NULL: it runs */
	} rows[] = {
		{TIER_NONE, NULL, "no sandbox stands on this server, and nothing runs without one"},
		{TIER_NONE, "sandbox: { floor: reduced, below_floor: [\"acme/*\"] }\n", "no sandbox stands on this server, and nothing runs without one"},
		{TIER_REDUCED, NULL, "the sandbox of this server is only `reduced`, and jobs of pull requests need `bounded` (`sandbox.floor`)"},
		{TIER_BOUNDED, "sandbox: { floor: full }\n", "need `full` (`sandbox.floor`)"},
		{TIER_REDUCED, "sandbox: { below_floor: [\"acme/*\"] }\n", NULL},
		{TIER_REDUCED, "sandbox: { floor: reduced }\n", NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = open_with(rows[i].host, false, rows[i].more);
		is_in_state(rig_over(&w->r, rig_run(&w->r, RUN_PLAN, w->pull, NULL)), RUN_DONE);
		const struct rig_job *j = rig_job(&w->r, "net", PHASE_PLAN);
		if ((j != NULL) != (rows[i].says == NULL))
			fail_msg("row %zu: %s", i, j != NULL ? "it ran" : "it did not run");
		assert_string_equal(rig_text(&w->r, "SELECT state FROM job"), j != NULL ? "done" : "refused");
		if (rows[i].says != NULL)
			says(world_owed(w), rows[i].says);
		else
			assert_int_equal(j->least, TIER_REDUCED);
		assert_true(rows[i].says == NULL || strstr(world_status(w), "success") == NULL);
		world_close(w);
	}
}

static void what_is_kept(void **state)
{
	const struct job_exit held = {.isolation = (char[]){"bounded"}, .breach = (char[]){"memory"}, .peak_memory = 5 << 20, .cpu_ms = 1500,
					     .connections = 2, .connections_refused = 1, .bytes_out = 7, .bytes_in = 9, .modules = (char[]){"d1"}, .refusals = (char[]){"evil.example:443 is not listed\n"}};
	struct world *w = open_with(TIER_FULL, false, "egress: { plan: [\"sts.example.com:443\"], apply: [\"*.example.com:443\"] }\n");
	(void)state;
	w->r.held = &held;
	w->r.plan_play = PLAY_FAIL;
	is_in_state(rig_over(&w->r, rig_run(&w->r, RUN_PLAN, w->pull, NULL)), RUN_DONE);
	assert_string_equal(rig_job(&w->r, "net", PHASE_PLAN)->egress, "sts.example.com:443");
	assert_string_equal(rig_text(&w->r, "SELECT isolation||' '||breach||' '||peak_memory||' '||cpu_ms||' '||connections||' '||connections_refused FROM job"),
			    "bounded memory 5242880 1500 2 1");
	assert_string_equal(rig_text(&w->r, "SELECT json_extract(detail, '$.connections')||' '||json_extract(detail, '$.refused')||' '||"
					    "json_extract(detail, '$.bytes_out')||' '||length(json_extract(detail, '$.log_sha256')) FROM audit WHERE kind='egress'"),
			    "2 1 7 64");
	assert_string_equal(rig_text(&w->r, "SELECT modules FROM job"), "d1");
	CLEANUP_FREE char *lines = jobs_egress_path(&w->r.config, rig_int(&w->r, "SELECT id FROM job"));
	assert_true(fs_size(lines) > 0);
	const struct jobs_counts *n = runs_jobs_counts(w->r.runs);
	assert_int_equal(n->breaches[BREACH_MEMORY], 1);
	assert_int_equal(n->connections_refused, 1);
	world_close(w);
}

/* Each may take all that it may have: the second waits until the first is over. */
static void memory_is_waited_for(void **state)
{
	static const struct rig_project two[] = {{.name = "a", .managed = true}, {.name = "b", .managed = true}};
	struct world *w = open_with(TIER_FULL, false, "limits: { jobs: 4, jobs_per_repository: 4, memory: 1GiB, memory_total: 1536MiB }\n");
	(void)state;
	rig_prepared(&w->r, two, 2);
	w->r.plan_play = PLAY_HOLD;
	int64_t run = rig_run(&w->r, RUN_PLAN, w->pull, NULL);
	assert_true(rig_started(&w->r, "a", PHASE_PLAN));
	rig_pass(&w->r, 200);
	assert_null(rig_job(&w->r, "b", PHASE_PLAN));
	rig_end(&w->r, "a", PHASE_PLAN, PLAY_OK);
	assert_true(rig_started(&w->r, "b", PHASE_PLAN));
	rig_end(&w->r, "b", PHASE_PLAN, PLAY_OK);
	is_in_state(rig_over(&w->r, run), RUN_DONE);
	world_close(w);
}

static void flags_reach_the_engine(void **state)
{
	struct world *w = open_with(TIER_FULL, true, NULL);
	(void)state;
	int64_t run = rig_run(&w->r, RUN_PLAN, w->pull, "alice");
	rig_pass(&w->r, 300);
	assert_string_equal(rig_text(&w->r, "SELECT state FROM job"), "ready");
	rig_exec(&w->r, "UPDATE job SET args='-target=a.b' || char(10) || '-refresh=false'");
	runs_set_host(w->r.runs, &(struct tier_report){.tier = TIER_FULL});
	is_in_state(rig_over(&w->r, run), RUN_DONE);
	assert_string_equal(rig_job(&w->r, "net", PHASE_PLAN)->args, "-target=a.b\n-refresh=false");
	world_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(jobs_wait_for_the_canary), cmocka_unit_test(below_the_floor), cmocka_unit_test(what_is_kept),
					   cmocka_unit_test(memory_is_waited_for), cmocka_unit_test(flags_reach_the_engine)};
	return cmocka_run_group_tests(tests, rig_warm_up, rig_cool_down);
}
