/* After the merge: the gate once more, plans made again on the base branch, waves of projects that depend on each other. */
#include "tests/component/world.h"

static const struct rig_project net[] = {{.name = "net", .managed = true}};
static const struct rig_project net_moved[] = {{.name = "net", .managed = true, .inputs = "other"}};
static const struct rig_project chain[] = {
	{.name = "a", .managed = true}, {.name = "b", .depends_on = "a", .managed = true}, {.name = "c", .depends_on = "b", .managed = true},
};

static void ready(struct world *w, const struct rig_project *projects, size_t n)
{
	rig_prepared(&w->r, projects, n);
	world_plan(w, w->pull);
	world_approve(w, w->pull);
}

static enum run_state apply(struct world *w) { return rig_over(&w->r, rig_run(&w->r, RUN_APPLY, w->pull, "alice")); }

static const char *jobs_of_newest(struct world *w)
{
	return rig_text(&w->r, "SELECT group_concat(project||':'||phase||'='||state, ' ') FROM (SELECT * FROM job WHERE run_id=(SELECT max(id) FROM run)"
			       " ORDER BY project, id)");
}

static void review(struct world *w, const char *event)
{
	struct err err = {0};
	sim_must(sim_review(w->sim, REPO, w->pull, "bob", event, "see there", &err), &err);
}

/* The merge changed the files; the plan made again says the same, and goes on with that one. */
static void the_same_plan_again(void **state)
{
	struct world *w = *state;
	ready(w, net, 1);
	rig_prepared(&w->r, net_moved, 1);
	is_in_state(apply(w), RUN_DONE);
	assert_string_equal(jobs_of_newest(w), "net:plan=done net:apply=done");
	says(world_owed(w), "applied 1 of 1");
	assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM job WHERE phase='apply' AND plan_job=(SELECT max(id) FROM job WHERE phase='plan')"), 1);
	assert_int_equal(rig_int(&w->r, "SELECT used_by FROM job ORDER BY id LIMIT 1"), 0); /* the reviewed one was not used, and is too old for ever */
	is_in_state(apply(w), RUN_REFUSED);
	says(world_owed(w), "nothing to apply");
}

static void another_plan_asks_again(void **state)
{
	struct world *w = *state;
	ready(w, net, 1);
	rig_prepared(&w->r, net_moved, 1);
	rig_pass(&w->r, 1100); /* GitHub's clock has whole seconds */
	w->r.changed = "net";
	is_in_state(apply(w), RUN_DONE);
	assert_string_equal(jobs_of_newest(w), "net:plan=done");
	assert_null(rig_job(&w->r, "net", PHASE_APPLY));
	says(world_owed(w), "is not the one that was reviewed");
	assert_string_equal(rig_text(&w->r, "SELECT status FROM effect WHERE context='sluice'"), "failure");
	/* the approval was of the other plan */
	is_in_state(apply(w), RUN_REFUSED);
	says(world_owed(w), "approv");
	rig_pass(&w->r, 1100);
	review(w, "APPROVE");
	is_in_state(apply(w), RUN_DONE);
	assert_string_equal(jobs_of_newest(w), "net:apply=done"); /* made on the base branch already: not again */
}

/* A failed plan on the base branch applies nothing. */
static void the_plan_fails(void **state)
{
	struct world *w = *state;
	ready(w, net, 1);
	rig_prepared(&w->r, net_moved, 1);
	w->r.plan_play = PLAY_FAIL;
	is_in_state(apply(w), RUN_DONE);
	assert_string_equal(jobs_of_newest(w), "net:plan=failed");
	assert_null(rig_job(&w->r, "net", PHASE_APPLY));
}

static void nothing_is_left_to_do(void **state)
{
	struct world *w = *state;
	ready(w, net, 1);
	rig_prepared(&w->r, net_moved, 1);
	w->r.plan_play = PLAY_NOTHING;
	is_in_state(apply(w), RUN_DONE);
	assert_string_equal(jobs_of_newest(w), "net:plan=done");
	assert_null(rig_job(&w->r, "net", PHASE_APPLY));
}

/* Each dependent is planned again after what it depends on was applied. */
static void waves(void **state)
{
	struct world *w = *state;
	ready(w, chain, 3);
	is_in_state(apply(w), RUN_DONE);
	assert_string_equal(jobs_of_newest(w), "a:apply=done b:plan=done b:apply=done c:plan=done c:apply=done");
	assert_int_equal(rig_int(&w->r, "SELECT (SELECT min(started_ms) FROM job WHERE project='b' AND run_id=2)>=(SELECT finished_ms FROM job WHERE project='a'"
					" AND phase='apply')"), 1);
	says(world_owed(w), "applied 3 of 3");
}

static void a_wave_that_differs_stops_what_follows(void **state)
{
	struct world *w = *state;
	ready(w, chain, 3);
	w->r.changed = "b";
	is_in_state(apply(w), RUN_DONE);
	assert_string_equal(jobs_of_newest(w), "a:apply=done b:plan=done c:plan=refused");
	says(world_owed(w), "is not the one that was reviewed");
}

/* --- the gate closes behind the merge --- */

static void closes_before_credentials(void **state)
{
	struct world *w = *state;
	CLEANUP_FREE char *wait = fs_join(w->r.dir, "wait");
	struct err err = {0};
	ready(w, net, 1);
	sim_must(fs_write_fast(wait, "", 0, 0600, &err), &err);
	rig_listen(&w->r, "kind=apply state=preparing");
	int64_t run = rig_run(&w->r, RUN_APPLY, w->pull, "alice");
	assert_true(rig_hears(&w->r, w->r.wait_for));
	review(w, "REQUEST_CHANGES");
	(void)unlink(wait); /* it is there */
	is_in_state(rig_over(&w->r, run), RUN_REFUSED);
	says(world_owed(w), "the gate closed before anything was applied");
	assert_null(rig_job(&w->r, "net", PHASE_APPLY));
	assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM job WHERE phase='apply' OR used_by<>0"), 0);
}

static void closes_before_the_next_engine(void **state)
{
	struct world *w = *state;
	ready(w, chain, 3);
	w->r.odd = "a";
	w->r.odd_play = PLAY_HOLD;
	w->r.plan_play = PLAY_OK;
	w->r.apply_play = PLAY_OK;
	int64_t run = rig_run(&w->r, RUN_APPLY, w->pull, "alice");
	assert_true(rig_started(&w->r, "a", PHASE_APPLY));
	review(w, "REQUEST_CHANGES");
	rig_pass(&w->r, 2100); /* what GitHub said is good for two seconds */
	rig_end(&w->r, "a", PHASE_APPLY, PLAY_OK);
	is_in_state(rig_over(&w->r, run), RUN_DONE);
	assert_string_equal(jobs_of_newest(w), "a:apply=done b:plan=done b:apply=refused c:plan=refused");
	says(world_owed(w), "the gate closed before it started");
	assert_null(rig_job(&w->r, "b", PHASE_APPLY));
	assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM job WHERE project='b' AND used_by<>0"), 0); /* its plan was given back */
}

static void restarted_while_checking(void **state)
{
	struct world *w = *state;
	ready(w, net, 1);
	rig_listen(&w->r, "kind=apply state=checking");
	int64_t run = rig_run(&w->r, RUN_APPLY, w->pull, "alice");
	assert_true(rig_hears(&w->r, w->r.wait_for));
	size_t before = rig_prepare_count(&w->r);
	rig_stop(&w->r);
	rig_start(&w->r);
	is_in_state(rig_over(&w->r, run), RUN_DONE);
	assert_string_equal(jobs_of_newest(w), "net:apply=done");
	assert_int_equal(rig_prepare_count(&w->r), before + 1);
	assert_int_equal(rig_job(&w->r, "net", PHASE_APPLY)->starts, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WT(the_same_plan_again), WT(another_plan_asks_again), WT(the_plan_fails), WT(nothing_is_left_to_do), WT(waves),
		WT(a_wave_that_differs_stops_what_follows), WT(closes_before_credentials), WT(closes_before_the_next_engine), WT(restarted_while_checking),
	};
	return cmocka_run_group_tests(tests, rig_warm_up, rig_cool_down);
}
