/* A push that leaves a project's inputs alone keeps its plan, and what it costs otherwise. */
#include "tests/component/world.h"

enum { WEEK_MS = 7 * 24 * 3600 * 1000 };

static const struct rig_project before[] = {{.name = "db"}, {.name = "net"}};
static const struct rig_project db_moved[] = {{.name = "db", .inputs = "other"}, {.name = "net"}};

static void push(struct world *w, const char *text)
{
	world_push(w, "change", text);
	rig_pass(&w->r, 20);
}

static void kept_over_a_push(void **state)
{
	struct world *w = *state;
	w->r.config.plan_expiry_ms = WEEK_MS;
	rig_prepared(&w->r, before, 2);
	world_plan(w, w->pull);
	assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM job WHERE plan_file=id"), 2);
	push(w, "two");
	rig_prepared(&w->r, db_moved, 2);
	world_plan(w, w->pull);
	assert_int_equal(rig_job(&w->r, "net", PHASE_PLAN)->starts, 1);
	assert_string_equal(rig_text(&w->r, "SELECT group_concat(project||':'||(plan_file=id)||state, ' ') FROM job WHERE run_id=(SELECT max(id) FROM run)"),
			    "db:1done net:0done");
	says(world_owed(w), "dropped for `db`; `net` unchanged since");
	says(world_owed(w), "1 to add");
	/* who asks gets a new one */
	int64_t run = rig_run(&w->r, RUN_PLAN, w->pull, "alice");
	is_in_state(rig_over(&w->r, run), RUN_DONE);
	assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM job WHERE plan_file=id AND run_id=(SELECT max(id) FROM run)"), 2);
}

/* What must not be kept: each row changes one thing between two pushes. */
static void not_kept(void **state)
{
	static const char by_another[] =
		"INSERT INTO job(run_id,repo_id,pull,phase,state,project,dir,workspace,engine,apply,needs_init,managed_state,deleted,requires,approvals)"
		" SELECT run_id,repo_id,99,'apply','done',project,dir,workspace,engine,apply,0,0,0,0,0 FROM job WHERE id=(SELECT max(id) FROM job)";
	static const char *const changes[] = {
		"UPDATE job SET used_by=99",
		"UPDATE job SET error='something'",
		"UPDATE job SET finished_ms=finished_ms-7*24*3600*1000",
		"UPDATE job SET workspace='blue'",
		"UPDATE job SET destroy=1",
		"UPDATE job SET plan_file=0",
		"UPDATE run SET base_ref='dev'",
		"UPDATE run SET config_id='f00'",
		"UPDATE job SET managed_state=1, state_lineage='l', state_serial=3",
		by_another,
	};
	struct world *w = *state;
	w->r.config.plan_expiry_ms = WEEK_MS;
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		static const struct rig_project net[] = {{.name = "net"}};
		rig_prepared(&w->r, net, 1);
		int64_t run = rig_run(&w->r, RUN_PLAN, w->pull, "alice");
		is_in_state(rig_over(&w->r, run), RUN_DONE);
		rig_exec(&w->r, changes[i]);
		world_plan(w, w->pull);
		assert_int_equal(rig_int(&w->r, "SELECT plan_file=id FROM job WHERE run_id=(SELECT max(id) FROM run)"), 1);
		rig_exec(&w->r, "DELETE FROM job WHERE phase='apply'");
		world_plan(w, w->pull);
		assert_int_equal(rig_int(&w->r, "SELECT plan_file=id FROM job WHERE run_id=(SELECT max(id) FROM run)"), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {WT(kept_over_a_push), WT(not_kept)};
	return cmocka_run_group_tests(tests, rig_warm_up, rig_cool_down);
}
