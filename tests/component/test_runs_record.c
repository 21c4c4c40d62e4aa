/* Plans whose rows, records or signatures were changed between the plan and the apply: none of them reaches an engine, and the comment names
 * what differs. Projects a and b; only b is tampered with, unless the gate refuses the apply as a whole. */
#include "tests/component/world.h"

static const struct rig_project two[] = {{.name = "a", .managed = true}, {.name = "b", .managed = true}};

/* b's plan, wherever it stands. */
#define OF_B " WHERE project='b' AND phase='plan'"

static const struct {
	const char *sql;
	const char *says; /* in the comment */
	bool a_goes_on;   /* only b is refused */
} cases[] = {
	{"UPDATE job SET record=NULL" OF_B, "`b`: it has no signed record", false},
	{"UPDATE job SET signature=NULL" OF_B, "`b`: it has no signed record", false},
	{"UPDATE job SET signature=zeroblob(64)" OF_B, "`b`: the plan record was not signed by this server, or was changed since", false},
	{"UPDATE job SET signature=x'00'" OF_B, "`b`: it has no signed record", false},
	{"UPDATE job SET record=replace(record, '\"tier\":1', '\"tier\":2')" OF_B, "`b`: the plan record was not signed by this server", false},
	{"UPDATE job SET record=record||' '" OF_B, "`b`: the plan record was not signed by this server", false},
	{"UPDATE job SET record='{}'" OF_B, "`b`: the plan record was not signed by this server", false},
	{"UPDATE job SET record=(SELECT record FROM job WHERE project='a')" OF_B, "`b`: the plan record was not signed by this server", false},
	{"UPDATE job SET (record, signature)=(SELECT record, signature FROM job WHERE project='a')" OF_B, "the plan of `b` was made for another project", true},
	{"UPDATE job SET plan_sha256='0bad'" OF_B, "the plan of `b` is not the plan file that was reviewed", true},
	{"UPDATE job SET changes='0bad'" OF_B, "the plan of `b` has other changes than those that were reviewed", true},
	{"INSERT INTO state_version(repo_id,project,workspace,lineage,serial,sha256,bytes,path,aad,key_wrapped,key_context,run_id,job_id,created_ms)"
	 " SELECT repo_id,'b',workspace,'L',9,'00',1,'x','x',zeroblob(60),'x',run_id,id,1 FROM job" OF_B, "the plan of `b` was made against", true},
};

static bool applied(struct world *w, const char *project)
{
	const struct rig_job *j = rig_job(&w->r, project, PHASE_APPLY);
	return j != NULL && j->starts > 0;
}

static void ready(struct world *w)
{
	rig_prepared(&w->r, two, 2);
	world_plan(w, w->pull);
	world_approve(w, w->pull);
}

static void tampered_plans_are_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(world_setup(state), 0);
		struct world *w = *state;
		ready(w);
		assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM job WHERE record IS NOT NULL AND length(signature)=64"), 2);
		rig_exec(&w->r, cases[i].sql);
		is_in_state(rig_over(&w->r, rig_run(&w->r, RUN_APPLY, w->pull, "alice")), cases[i].a_goes_on ? RUN_DONE : RUN_REFUSED);
		if (applied(w, "b") || applied(w, "a") != cases[i].a_goes_on)
			fail_msg("%s: a %d b %d", cases[i].sql, applied(w, "a"), applied(w, "b"));
		if (strstr(world_owed(w), cases[i].says) == NULL)
			fail_msg("%s:\n%s", cases[i].sql, world_owed(w));
		assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM job WHERE project='b' AND used_by<>0"), 0); /* nothing was spent */
		assert_int_equal(world_teardown(state), 0);
	}
}

/* What changed outside of the rows. */
static void another_server_file(void **state)
{
	struct world *w = *state;
	ready(w);
	w->r.config.digest[0] ^= 1;
	is_in_state(rig_over(&w->r, rig_run(&w->r, RUN_APPLY, w->pull, "alice")), RUN_DONE);
	assert_false(applied(w, "a") || applied(w, "b"));
	says(world_owed(w), "the plan of `a` was made under another configuration of the server: plan again");
}

/* A plan is used once: the second apply finds nothing, also when somebody makes it look unused. */
static void replayed(void **state)
{
	struct world *w = *state;
	ready(w);
	is_in_state(rig_over(&w->r, rig_run(&w->r, RUN_APPLY, w->pull, "alice")), RUN_DONE);
	assert_true(applied(w, "a") && applied(w, "b"));
	is_in_state(rig_over(&w->r, rig_run(&w->r, RUN_APPLY, w->pull, "alice")), RUN_REFUSED);
	int starts = rig_job(&w->r, "b", PHASE_APPLY)->starts;
	rig_exec(&w->r, "UPDATE job SET used_by=0");
	(void)rig_over(&w->r, rig_run(&w->r, RUN_APPLY, w->pull, "alice"));
	assert_int_equal(rig_job(&w->r, "b", PHASE_APPLY)->starts, starts);
	assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM state_version WHERE project='b'"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(tampered_plans_are_refused), WT(another_server_file), WT(replayed)};
	return cmocka_run_group_tests_name("tampered plans", tests, rig_warm_up, rig_cool_down);
}
