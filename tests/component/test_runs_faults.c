/* The run machine when the database cannot keep something (a full disk gives a whole transaction up): every kind of write fails once, or for
 * a while, in the middle of a plan or an apply. Then the machine tries again, nothing is done twice, and everything ends as if nothing had
 * happened. */
#include "tests/component/world.h"

static const char given_up[] = "db.given_up"; /* in the log */

struct fault {
	const char *name, *sql; /* a trigger that gives the transaction up */
};
#define FAULT(name, when) {name, "CREATE TEMP TRIGGER fault " when " BEGIN SELECT RAISE(ROLLBACK, 'the disk is full'); END"}
#define MOVE(kind, state)                                                                                                                  \
	FAULT(kind " to " state, "BEFORE UPDATE OF state ON run WHEN new.kind='" kind "' AND new.state='" state "'")

static const struct fault plan_faults[] = {
	MOVE("plan", "reading"),
	MOVE("plan", "preparing"),
	MOVE("plan", "working"),
	MOVE("plan", "done"),
	FAULT("job made", "BEFORE INSERT ON job"),
	FAULT("job started", "BEFORE UPDATE ON job WHEN new.state='running'"),
	FAULT("job ended", "BEFORE UPDATE ON job WHEN new.state='done'"),
	FAULT("comment owed", "BEFORE INSERT ON effect WHEN new.kind=0"),
	FAULT("status owed", "BEFORE INSERT ON effect WHEN new.kind=2"),
	FAULT("comment edited", "BEFORE UPDATE OF body ON effect WHEN new.kind=0"),
	FAULT("facts kept", "BEFORE UPDATE OF facts ON run"),
};

static const struct fault apply_faults[] = {
	MOVE("apply", "reading"),
	MOVE("apply", "gating"),
	MOVE("apply", "merging"),
	MOVE("apply", "preparing"),
	MOVE("apply", "working"),
	MOVE("apply", "done"),
	FAULT("gate kept", "BEFORE UPDATE OF gate ON run"),
	FAULT("merge kept", "BEFORE UPDATE OF merge_sha ON run"),
	FAULT("lock taken", "BEFORE INSERT ON claim"),
	FAULT("job made", "BEFORE INSERT ON job"),
	FAULT("plan used", "BEFORE UPDATE OF used_by ON job"),
	FAULT("job started", "BEFORE UPDATE ON job WHEN new.state='running'"),
	FAULT("job ended", "BEFORE UPDATE ON job WHEN new.state='done'"),
	FAULT("state kept", "BEFORE INSERT ON state_version"),
	FAULT("comment edited", "BEFORE UPDATE OF body ON effect WHEN new.kind=0"),
};

/* Runs until the fault has struck, mends it, and waits for the end. False when it never struck. */
static bool strike(struct world *w, const struct fault *f, enum run_kind kind, int for_ms)
{
	rig_exec(&w->r, f->sql);
	rig_listen(&w->r, given_up);
	int64_t run = rig_run(&w->r, kind, w->pull, kind == RUN_APPLY ? "alice" : NULL);
	bool struck = rig_hears(&w->r, given_up);
	if (struck)
		rig_pass(&w->r, for_ms);
	rig_exec(&w->r, "DROP TRIGGER fault");
	enum run_state end = rig_over(&w->r, run);
	if (end != RUN_DONE)
		fail_msg("%s: the run is %s\n%s", f->name, run_state_name(end), buf_str(&w->r.log));
	return struck;
}

static void all_is_well(struct world *w, const struct fault *f, enum job_phase phase)
{
	for (int i = 0; i < 400 && runs_active(w->r.runs) != 0; i++)
		rig_pass(&w->r, 10);
	rig_settle(&w->r);
	if (runs_active(w->r.runs) != 0)
		fail_msg("%s: something is under way for ever", f->name);
	if (rig_job(&w->r, "net", phase)->starts != 1)
		fail_msg("%s: the job was started %d times", f->name, rig_job(&w->r, "net", phase)->starts);
	assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM job WHERE state<>'done'"), 0);
	assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM held"), 0);
	says(world_owed(w), phase == PHASE_PLAN ? "1 to add" : "applied 1 of 1");
	says(world_status(w), "success");
}

static void plans(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(plan_faults); i++) {
		struct world *w = world_open(NULL);
		if (!strike(w, &plan_faults[i], RUN_PLAN, 0))
			fail_msg("%s was never reached", plan_faults[i].name);
		all_is_well(w, &plan_faults[i], PHASE_PLAN);
		world_close(w);
	}
}

static void applies(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(apply_faults); i++) {
		struct world *w = world_open(NULL);
		world_plan(w, w->pull);
		world_approve(w, w->pull);
		if (!strike(w, &apply_faults[i], RUN_APPLY, 0))
			fail_msg("%s was never reached", apply_faults[i].name);
		all_is_well(w, &apply_faults[i], PHASE_APPLY);
		assert_int_equal(sim_writes(w->sim, BOT, "merge"), 1);
		world_close(w);
	}
}

/* The same for longer than one try. */
static void for_a_while(void **state)
{
	(void)state;
	static const size_t some[] = {2, 4, 12, 13};
	for (size_t i = 0; i < ARRAY_LEN(some); i++) {
		struct world *w = world_open(NULL);
		world_plan(w, w->pull);
		world_approve(w, w->pull);
		assert_true(strike(w, &apply_faults[some[i]], RUN_APPLY, 2500));
		all_is_well(w, &apply_faults[some[i]], PHASE_APPLY);
		world_close(w);
	}
}

/* `cancel` that cannot be written at first is done later. */
static void cancel(void **state)
{
	struct world *w = *state;
	w->r.plan_play = PLAY_HOLD;
	int64_t run = rig_run(&w->r, RUN_PLAN, w->pull, NULL);
	assert_true(rig_started(&w->r, "net", PHASE_PLAN));
	rig_exec(&w->r, "CREATE TEMP TRIGGER fault BEFORE UPDATE OF state ON run BEGIN SELECT RAISE(ROLLBACK, 'the disk is full'); END");
	rig_listen(&w->r, given_up);
	runs_cancel(w->r.runs, w->r.repo_id, w->pull);
	assert_true(rig_hears(&w->r, given_up));
	rig_exec(&w->r, "DROP TRIGGER fault");
	is_in_state(rig_over(&w->r, run), RUN_CANCELLED);
}

/* A job that is refused when it should start ends its run, in memory as on disk. */
static void refused_at_its_start(void **state)
{
	struct world *w = *state;
	world_plan(w, w->pull);
	world_approve(w, w->pull);
	rig_exec(&w->r, "UPDATE job SET key_wrapped=NULL");
	int64_t run = rig_run(&w->r, RUN_APPLY, w->pull, "alice");
	is_in_state(rig_over(&w->r, run), RUN_DONE);
	assert_string_equal(rig_text(&w->r, "SELECT state||': '||error FROM job WHERE phase='apply'"), "refused: the plan of net was not kept: plan again");
	assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM held"), 0);
	rig_pass(&w->r, 20);
	rig_settle(&w->r);
	assert_int_equal(runs_active(w->r.runs), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans), cmocka_unit_test(applies), cmocka_unit_test(for_a_while), WT(cancel), WT(refused_at_its_start),
	};
	return cmocka_run_group_tests(tests, rig_warm_up, rig_cool_down);
}
