/* The run machine with applies: the gate, the merge, locks, and what is left when something ends half way. */
#include "base/limits.h"
#include "tests/component/world.h"

static const struct rig_project three[] = {
	{.name = "a", .managed = true}, {.name = "b", .depends_on = "a", .managed = true}, {.name = "c", .depends_on = "b", .managed = true},
};

/* Planned and approved: an apply would be let through. */
static void ready(struct world *w, const struct rig_project *projects, size_t n)
{
	if (n != 0)
		rig_prepared(&w->r, projects, n);
	world_plan(w, w->pull);
	world_approve(w, w->pull);
}

static size_t merges(struct world *w) { return sim_writes(w->sim, BOT, "merge"); }

static bool merged(struct world *w)
{
	struct sim_pr_view v;
	return sim_pr_view(w->sim, REPO, w->pull, &v) && v.merged;
}

static enum run_state apply(struct world *w) { return rig_over(&w->r, rig_run(&w->r, RUN_APPLY, w->pull, "alice")); }

static const char *locks(struct world *w) { return rig_text(&w->r, "SELECT group_concat(project||'='||iif(unknown,'outcome unknown','apply'), ' ') FROM held"); }
static const char *apply_jobs(struct world *w)
{
	return rig_text(&w->r, "SELECT group_concat(project||'='||state, ' ') FROM (SELECT * FROM job AS j WHERE run_id IN(SELECT id FROM run WHERE kind='apply') AND id="
			       "(SELECT max(id) FROM job AS k WHERE k.run_id=j.run_id AND k.project=j.project) ORDER BY project, id)");
}

static void an_apply(void **state)
{
	struct world *w = *state;
	ready(w, three, 3);
	is_in_state(apply(w), RUN_DONE);
	assert_true(merged(w));
	assert_int_equal(merges(w), 1);
	assert_string_equal(apply_jobs(w), "a=done b=done c=done");
	assert_string_equal(locks(w), "");
	says(world_owed(w), "applied 3 of 3");
	assert_true(rig_job(&w->r, "c", PHASE_APPLY)->has_plan_in);
	assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM state_version"), 3);
	assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM job WHERE phase='plan' AND used_by<>0"), 3);
	/* nothing is left to apply, and it says so */
	is_in_state(apply(w), RUN_REFUSED);
	says(world_owed(w), "nothing to apply");
	assert_int_equal(w->r.jobs_n, 8); /* b and c were planned again after what they depend on */
}

static void the_gate_is_shut(void **state)
{
	struct world *w = *state;
	struct err err = {0};
	world_plan(w, w->pull);
	is_in_state(apply(w), RUN_REFUSED);
	says(world_owed(w), "approval");
	world_approve(w, w->pull);
	sim_must(sim_permission(w->sim, REPO, "alice", "read", &err), &err);
	is_in_state(apply(w), RUN_REFUSED);
	says(world_owed(w), "alice");
	sim_must(sim_permission(w->sim, REPO, "alice", "write", &err), &err);
	rig_exec(&w->r, "INSERT INTO job(run_id,repo_id,pull,phase,state,project,dir,workspace,engine,apply,needs_init,managed_state,deleted,requires,"
			"approvals) SELECT run_id,repo_id,99,'apply','unknown',project,dir,workspace,engine,apply,0,0,0,0,0 FROM job WHERE phase='plan' LIMIT 1");
	is_in_state(apply(w), RUN_REFUSED);
	says(world_owed(w), "#99");
	rig_exec(&w->r, "UPDATE job SET resolution='failed' WHERE state='unknown'");
	world_push(w, "change", "newer than the plan");
	world_approve(w, w->pull);
	is_in_state(apply(w), RUN_REFUSED);
	assert_int_equal(merges(w), 0);
	assert_false(merged(w));
	assert_string_equal(locks(w), "");
	assert_null(rig_job(&w->r, "net", PHASE_APPLY));
}

static void a_push_between_gate_and_merge(void **state)
{
	struct world *w = *state;
	ready(w, NULL, 0);
	rig_listen(&w->r, "state=merging");
	int64_t run = rig_run(&w->r, RUN_APPLY, w->pull, "alice");
	assert_true(rig_hears(&w->r, w->r.wait_for));
	world_push(w, "change", "sneaked in");
	is_in_state(rig_over(&w->r, run), RUN_REFUSED);
	says(world_owed(w), "nothing was applied");
	assert_false(merged(w));
	assert_string_equal(locks(w), "");
}

static void closed_between_gate_and_merge(void **state)
{
	struct world *w = *state;
	struct err err;
	ready(w, NULL, 0);
	rig_listen(&w->r, "state=merging");
	int64_t run = rig_run(&w->r, RUN_APPLY, w->pull, "alice");
	assert_true(rig_hears(&w->r, w->r.wait_for));
	assert_int_equal(sim_pr_act(w->sim, "acme/infra", w->pull, "alice", "closed", &err), 0);
	is_in_state(rig_over(&w->r, run), RUN_REFUSED);
	assert_int_equal(merges(w), 0);
	says(world_owed(w), "not merged, nothing was applied: the pull request was closed between the gate and the merge");
}

/* What GitHub answers to the merge -> what becomes of the run. */
static void ends_of_merging(void **state)
{
	static const struct {
		const char *faults;
		enum run_state state;
		bool merged;
	} rows[] = {
		{"merge=status:405,times=1", RUN_REFUSED, false}, {"merge=status:409,times=1", RUN_REFUSED, false},
		{"merge=status:403,times=1", RUN_REFUSED, false}, {"merge=lost,times=1", RUN_DONE, true}, /* done, and looked at */
	};
	struct world *w = *state;
	ready(w, NULL, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		world_faults(w, rows[i].faults);
		enum run_state got = apply(w);
		if (got != rows[i].state)
			fail_msg("%s: %s\n%s", rows[i].faults, run_state_name(got), world_owed(w));
		assert_int_equal(merged(w), rows[i].merged);
		assert_string_equal(locks(w), "");
		says(world_owed(w), rows[i].merged ? "applied 1 of 1" : "not merged, nothing was applied");
	}
	assert_int_equal(merges(w), 1);
	assert_int_equal(rig_job(&w->r, "net", PHASE_APPLY)->starts, 1);
}

/* How the job in the middle ends -> states, locks, comment. */
static void ends_of_a_job(void **state)
{
	static const struct {
		enum rig_play how;
		int times;
		const char *jobs, *locks, *says;
	} rows[] = {
		{PLAY_FAIL, 0, "a=done b=failed c=refused", "", "it went wrong"},
		{PLAY_TIMEOUT, 0, "a=done b=failed c=refused", "", "too long"},
		{PLAY_NOT_STARTED, 0, "a=done b=failed c=refused", "", "no process could be made"},
		{PLAY_LOST, 0, "a=done b=failed c=refused", "", "killed three times"},
		{PLAY_LOST, 1, "a=done b=done c=done", "", "applied 3 of 3"},
		{PLAY_LOST_PAST, 0, "a=done b=unknown c=refused", "b=outcome unknown", "resolve"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = world_open(NULL);
		ready(w, three, 3);
		w->r.odd = "b";
		w->r.odd_applies = true;
		w->r.odd_play = rows[i].how;
		w->r.odd_times = rows[i].times;
		is_in_state(apply(w), RUN_DONE);
		assert_string_equal(apply_jobs(w), rows[i].jobs);
		assert_string_equal(locks(w), rows[i].locks);
		says(world_owed(w), rows[i].says);
		assert_int_equal(merges(w), 1);
		int starts = rows[i].how == PLAY_LOST ? (rows[i].times == 0 ? 3 : 2) : 1;
		assert_int_equal(rig_job(&w->r, "b", PHASE_APPLY)->starts, starts);
		assert_int_equal(runs_active(w->r.runs), 0);
		world_close(w);
	}
}

/* The base branch has other files by now than the merge commit: what was merged since must not be undone. */
static void other_inputs(void **state)
{
	static const struct rig_project other[] = {{.name = "net", .managed = true, .inputs = "-"}};
	struct world *w = *state;
	ready(w, NULL, 0);
	rig_prepared(&w->r, other, 1);
	is_in_state(apply(w), RUN_DONE);
	assert_string_equal(apply_jobs(w), "net=refused");
	assert_string_equal(locks(w), "");
	says(world_owed(w), "not the files that were planned");
	assert_null(rig_job(&w->r, "net", PHASE_APPLY));
}

/* An apply that cannot be prepared lets go of what it took, and of nothing that an earlier one left in doubt. */
static void not_prepared(void **state)
{
	static const struct rig_project two[] = {{.name = "a", .managed = true}, {.name = "b", .managed = true}};
	struct world *w = *state;
	ready(w, two, 2);
	rig_exec(&w->r, "INSERT INTO job(run_id,repo_id,pull,phase,state,project,dir,workspace,engine,apply,needs_init,managed_state,deleted,requires,"
			"approvals) SELECT run_id,repo_id,pull,'apply','unknown','elsewhere',dir,workspace,engine,apply,0,0,0,0,0 FROM job LIMIT 1");
	rig_prepare_says(&w->r, "{\"ok\":false,\"code\":-4,\"error\":\"the merge commit is gone\"}");
	is_in_state(apply(w), RUN_FAILED);
	says(world_owed(w), "the merge commit is gone");
	assert_string_equal(locks(w), "elsewhere=outcome unknown");
	rig_prepared(&w->r, two, 2);
	is_in_state(apply(w), RUN_DONE); /* merged already: it goes on from there */
	assert_string_equal(apply_jobs(w), "a=done b=done");
	assert_string_equal(locks(w), "elsewhere=outcome unknown");
	assert_int_equal(merges(w), 1);
}

/* `cancel`: the one at work gets its signal, those that wait never start, and nothing stays locked. */
static void cancel_at_work(void **state)
{
	struct world *w = *state;
	ready(w, three, 3);
	w->r.apply_play = PLAY_HOLD;
	int64_t run = rig_run(&w->r, RUN_APPLY, w->pull, "alice");
	assert_true(rig_started(&w->r, "a", PHASE_APPLY));
	runs_cancel(w->r.runs, w->r.repo_id, w->pull);
	is_in_state(rig_over(&w->r, run), RUN_DONE);
	assert_int_equal(rig_job(&w->r, "a", PHASE_APPLY)->cancels, 1);
	assert_string_equal(apply_jobs(w), "a=failed b=cancelled c=cancelled"); /* it may have changed things */
	assert_string_equal(locks(w), "");
}

/* The same while all of its jobs wait for another pull request's: there is nobody whose end would end the run. */
static void cancel_in_the_queue(void **state)
{
	(void)state;
	struct world *w = world_open("limits: { jobs: 1, jobs_per_repository: 1 }\n");
	static const struct rig_project other[] = {{.name = "other"}};
	ready(w, NULL, 0);
	int64_t second = world_pull(w, "second", false);
	rig_prepared(&w->r, other, 1);
	w->r.odd = "other";
	w->r.odd_play = PLAY_HOLD;
	int64_t busy = rig_run(&w->r, RUN_PLAN, second, NULL);
	assert_true(rig_started(&w->r, "other", PHASE_PLAN));
	static const struct rig_project net[] = {{.name = "net", .managed = true}};
	rig_prepared(&w->r, net, 1);
	rig_listen(&w->r, "kind=apply state=working");
	int64_t run = rig_run(&w->r, RUN_APPLY, w->pull, "alice");
	assert_true(rig_hears(&w->r, w->r.wait_for));
	runs_cancel(w->r.runs, w->r.repo_id, w->pull);
	is_in_state(rig_over(&w->r, run), RUN_DONE);
	assert_string_equal(apply_jobs(w), "net=cancelled");
	assert_string_equal(locks(w), "");
	rig_end(&w->r, "other", PHASE_PLAN, PLAY_OK);
	is_in_state(rig_over(&w->r, busy), RUN_DONE);
	world_close(w);
}

static void after_a_merge_by_a_person(void **state)
{
	struct world *w = *state;
	struct err err = {0};
	ready(w, NULL, 0);
	sim_must(sim_merge(w->sim, REPO, w->pull, "bob", NULL, &err), &err);
	int64_t silent = rig_run(&w->r, RUN_APPLY, w->pull, NULL);
	is_in_state(rig_over(&w->r, silent), RUN_REFUSED); /* no project applies on merge, nothing was asked: told */
	says(world_owed(w), "and not applied yet");
	assert_null(rig_job(&w->r, "net", PHASE_APPLY));
	is_in_state(apply(w), RUN_DONE);
	assert_string_equal(apply_jobs(w), "net=done");
	assert_int_equal(merges(w), 0);
	rig_exec(&w->r, "DELETE FROM state_version");
	rig_exec(&w->r, "UPDATE job SET apply='on_merge', used_by=0");
	int64_t run = rig_run(&w->r, RUN_APPLY, w->pull, NULL);
	is_in_state(rig_over(&w->r, run), RUN_DONE);
	assert_string_equal(apply_jobs(w), "net=done net=done");
}

/* A plan that comes while an apply runs waits for it. */
static void a_plan_behind_an_apply(void **state)
{
	struct world *w = *state;
	ready(w, NULL, 0);
	w->r.apply_play = PLAY_HOLD;
	int64_t run = rig_run(&w->r, RUN_APPLY, w->pull, "alice");
	assert_true(rig_started(&w->r, "net", PHASE_APPLY));
	int64_t plan = rig_run(&w->r, RUN_PLAN, w->pull, "alice");
	rig_pass(&w->r, 50);
	assert_string_equal(rig_text(&w->r, "SELECT state FROM run ORDER BY id DESC LIMIT 1"), "queued");
	rig_end(&w->r, "net", PHASE_APPLY, PLAY_OK);
	is_in_state(rig_over(&w->r, run), RUN_DONE);
	is_in_state(rig_over(&w->r, plan), RUN_REFUSED); /* merged meanwhile */
}

/* ---- every state x a restart ---- */

static void restarted(void **state)
{
	static const char *const states[] = {
		"kind=apply state=queued", "kind=apply state=reading", "kind=apply state=gating", "kind=apply state=merging", "kind=apply state=preparing",
		"kind=apply state=working",
	};
	static const struct {
		enum rig_play adopt;
		const char *jobs, *locks;
	} ends[] = {{PLAY_OK, "net=done", ""}, {PLAY_LOST, "net=done", ""}, {PLAY_LOST_PAST, "net=unknown", "net=outcome unknown"}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		for (size_t k = 0; k < (i == 5 ? ARRAY_LEN(ends) : 1); k++) {
			struct world *w = world_open(NULL);
			ready(w, NULL, 0);
			w->r.apply_play = PLAY_HOLD;
			rig_listen(&w->r, states[i]);
			int64_t run = rig_run(&w->r, RUN_APPLY, w->pull, "alice");
			assert_true(rig_hears(&w->r, states[i]));
			if (i == 5)
				assert_true(rig_started(&w->r, "net", PHASE_APPLY));
			w->r.adopt_play = ends[k].adopt;
			rig_stop(&w->r);
			w->r.apply_play = PLAY_OK;
			rig_start(&w->r);
			is_in_state(rig_over(&w->r, run), RUN_DONE);
			assert_string_equal(apply_jobs(w), ends[k].jobs);
			assert_string_equal(locks(w), ends[k].locks);
			assert_int_equal(merges(w), 1);
			assert_int_equal(rig_job(&w->r, "net", PHASE_APPLY)->starts, i == 5 && ends[k].adopt == PLAY_LOST ? 2 : 1);
			world_close(w);
		}
}

/* Stopped while GitHub merges: the answer is never read. */
static void restarted_in_the_merge(void **state)
{
	struct world *w = *state;
	ready(w, NULL, 0);
	world_faults(w, "merge=delay:300,times=1");
	int64_t run = rig_run(&w->r, RUN_APPLY, w->pull, "alice");
	for (int i = 0; i < 1000 && !merged(w); i++)
		rig_pass(&w->r, 5);
	assert_true(merged(w));
	rig_stop(&w->r);
	rig_pass(&w->r, 20);
	rig_start(&w->r);
	is_in_state(rig_over(&w->r, run), RUN_DONE);
	assert_int_equal(merges(w), 1);
	assert_string_equal(apply_jobs(w), "net=done");
	says(world_owed(w), "applied 1 of 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WT(an_apply), WT(the_gate_is_shut), WT(a_push_between_gate_and_merge), WT(closed_between_gate_and_merge), WT(ends_of_merging), cmocka_unit_test(ends_of_a_job), WT(other_inputs),
		WT(not_prepared), WT(cancel_at_work), cmocka_unit_test(cancel_in_the_queue), WT(after_a_merge_by_a_person), WT(a_plan_behind_an_apply),
		cmocka_unit_test(restarted), WT(restarted_in_the_merge),
	};
	return cmocka_run_group_tests(tests, rig_warm_up, rig_cool_down);
}
