/* The run machine with plans: every state x what can happen there, against the simulated GitHub, with an executor and a preparation that do
 * what the test says. */
#include "base/limits.h"
#include "tests/component/world.h"

static void a_plan(void **state)
{
	struct world *w = *state;
	int64_t run = world_plan(w, w->pull);
	says(world_owed(w), "1 to add");
	says(world_owed(w), "+ one");
	says(world_status(w), "success: ");
	assert_string_equal(rig_text(&w->r, "SELECT state||' '||step||' '||attempts FROM job"), "done plan 1");
	const struct rig_job *j = rig_job(&w->r, "net", PHASE_PLAN);
	CLEANUP_FREE char *log = xasprintf("%s/logs/%lld.log", w->r.config.data_dir, (long long)j->id),
			  *plan = xasprintf("%s/plans/%lld.enc", w->r.config.data_dir, (long long)j->id);
	assert_true(fs_exists(log) && fs_exists(plan)); /* what a job brings home is kept, its directory goes */
	assert_false(fs_exists(j->job_dir));
	assert_int_equal(runs_active(w->r.runs), 0);
	for (int i = 0; i < 400 && sim_comment_body(w->sim, REPO, w->pull, BOT) == NULL; i++)
		rig_pass(&w->r, 5);
	says(sim_comment_body(w->sim, REPO, w->pull, BOT), "net");
	assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM held"), 0);
	(void)run;
}

/* How a job of a plan ends -> its state, the run's state, the roll-up. */
static void ends_of_a_job(void **state)
{
	static const struct {
		enum rig_play how;
		int times;
		const char *job, *status, *says;
	} rows[] = {
		{PLAY_OK, 0, "done", "success", "1 to add"}, {PLAY_NOTHING, 0, "done", "success", "no changes"}, {PLAY_FAIL, 0, "failed", "failure", "it went wrong"},
		{PLAY_TIMEOUT, 0, "failed", "failure", "too long"}, {PLAY_BROKEN, 0, "failed", "failure", "it went wrong"},
		{PLAY_CANCELLED, 0, "cancelled", "failure", "cancelled"}, {PLAY_NOT_STARTED, 0, "failed", "failure", "no process could be made"},
		{PLAY_LOST, 0, "failed", "failure", "killed three times"}, {PLAY_LOST, 1, "done", "success", "1 to add"},
		{PLAY_LOST, 2, "done", "success", "1 to add"},
	};
	struct world *w = *state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		w->r.odd = "net";
		w->r.odd_play = rows[i].how;
		w->r.odd_times = rows[i].times;
		world_plan(w, w->pull);
		assert_string_equal(rig_text(&w->r, "SELECT state FROM job ORDER BY id DESC LIMIT 1"), rows[i].job);
		says(world_status(w), rows[i].status);
		says(world_owed(w), rows[i].says);
		int starts = rows[i].how != PLAY_LOST ? 1 : rows[i].times == 0 ? 3 : rows[i].times + 1;
		assert_int_equal(rig_job(&w->r, "net", PHASE_PLAN)->starts, starts);
	}
}

static void dependencies(void **state)
{
	static const struct rig_project three[] = {{.name = "a"}, {.name = "b", .depends_on = "a"}, {.name = "c", .depends_on = "b"}};
	struct world *w = *state;
	rig_prepared(&w->r, three, 3);
	world_plan(w, w->pull);
	assert_string_equal(rig_text(&w->r, "SELECT group_concat(project||'='||state, ' ') FROM (SELECT * FROM job ORDER BY started_ms, id)"), "a=done b=done c=done");
	w->r.odd = "a";
	w->r.odd_play = PLAY_FAIL;
	world_plan(w, w->pull);
	assert_string_equal(rig_text(&w->r, "SELECT group_concat(project||'='||state, ' ') FROM job WHERE run_id=2"), "a=failed b=refused c=refused");
	says(world_owed(w), "which it depends on, did not succeed");
}

/* What the preparation says -> where the run goes. */
static void ends_of_preparing(void **state)
{
	static const struct {
		const char *answer;
		enum run_state state;
		const char *says;
	} rows[] = {
		{"{\"ok\":false,\"code\":-4,\"error\":\"the commit is gone\"}", RUN_FAILED, "the commit is gone"},
		{"{\"ok\":false,\"code\":-3,\"error\":\"the tree is too large\"}", RUN_FAILED, "the tree is too large"},
		{"", RUN_FAILED, "answer of the preparation"},
		{"{\"ok\":tru", RUN_FAILED, "answer of the preparation"},
		{"{\"ok\":false,\"code\":7,\"error\":\"x\"}", RUN_FAILED, "answer of the preparation"},
	};
	struct world *w = *state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		rig_prepare_says(&w->r, rows[i].answer);
		int64_t run = rig_run(&w->r, RUN_PLAN, w->pull, NULL);
		is_in_state(rig_over(&w->r, run), rows[i].state);
		says(world_owed(w), rows[i].says);
		says(world_status(w), "failure: "); /* it was told to be pending: nobody waits for ever */
	}
	assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM job"), 0);
}

static void preparing_again(void **state)
{
	struct world *w = *state;
	CLEANUP_FREE char *path = fs_join(w->r.dir, "answer");
	CLEANUP_BUF struct buf good = {0};
	struct err err = {0};
	assert_int_equal(fs_read(path, 1 << 20, &good, &err), 0);
	rig_prepare_says(&w->r, "{\"ok\":false,\"code\":-8,\"error\":\"no route to host\"}");
	int64_t run = rig_run(&w->r, RUN_PLAN, w->pull, NULL);
	assert_true(rig_hears(&w->r, "again=yes"));
	rig_prepare_says(&w->r, buf_str(&good));
	is_in_state(rig_over(&w->r, run), RUN_DONE);
	assert_int_equal(rig_prepare_count(&w->r), 2);
}

static void projects_that_do_not_run(void **state)
{
	static const struct rig_project rows[] = {{.name = "gone", .deleted = true}, {.name = "linked", .error = "its directory is a symbolic link"}};
	struct world *w = *state;
	rig_prepared(&w->r, rows, 2);
	world_plan(w, w->pull); /* nothing to wait for: it ends at once */
	assert_string_equal(rig_text(&w->r, "SELECT group_concat(project||'='||state, ' ') FROM job"), "gone=done linked=refused");
	says(world_owed(w), "symbolic link");
	says(world_status(w), "failure");
	assert_int_equal(w->r.jobs_n, 0);
	rig_prepared(&w->r, NULL, 0);
	world_push(w, "change", "another head");
	world_plan(w, w->pull);
	says(world_status(w), "success: no project is touched by this change");
}

/* Two projects of one name: an error of the run, not a race that is run again and again. */
static void the_same_name_twice(void **state)
{
	static const struct rig_project rows[] = {{.name = "net"}, {.name = "net"}};
	struct world *w = *state;
	rig_prepared(&w->r, rows, 2);
	int64_t run = rig_run(&w->r, RUN_PLAN, w->pull, NULL);
	is_in_state(rig_over(&w->r, run), RUN_FAILED);
	assert_int_equal(rig_prepare_count(&w->r), 1);
	says(world_owed(w), "UNIQUE");
}

/* What GitHub says of the pull request -> whether it is planned, and whether anybody hears of it. */
static void reasons_not_to_plan(void **state)
{
	struct world *w = *state;
	struct err err = {0};
	int64_t draft = world_pull(w, "draft", true), closed = world_pull(w, "closed", false);
	sim_must(sim_pr_act(w->sim, REPO, closed, "alice", "closed", &err), &err);
	const struct {
		int64_t pull;
		const char *asker;
		enum run_state state;
		const char *says; /* NULL: silence */
	} rows[] = {
		{draft, NULL, RUN_REFUSED, NULL}, {draft, "alice", RUN_DONE, "1 to add"}, {closed, NULL, RUN_REFUSED, NULL}, {closed, "alice", RUN_REFUSED, NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		rig_exec(&w->r, "DELETE FROM effect");
		int64_t run = rig_run(&w->r, RUN_PLAN, rows[i].pull, rows[i].asker);
		is_in_state(rig_over(&w->r, run), rows[i].state);
		if (rows[i].says != NULL)
			says(world_owed(w), rows[i].says);
		else
			assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM effect"), 0);
	}
}

static void another_repository(void **state)
{
	struct world *w = *state;
	w->r.repo_id++;
	int64_t run = rig_run(&w->r, RUN_PLAN, w->pull, NULL);
	is_in_state(rig_over(&w->r, run), RUN_FAILED);
	says(world_owed(w), "is another repository now");
}

static void github_is_down(void **state)
{
	struct world *w = *state;
	world_faults(w, "pull=status:502,times=1");
	world_plan(w, w->pull);
	world_faults(w, "");
}

/* What GitHub says of the gate is read beside the plan: nobody waits for it, and the comment is edited once more when it comes. */
static void facts_beside_a_plan(void **state)
{
	struct world *w = *state;
	world_faults(w, "reviews=delay:400");
	world_plan(w, w->pull);
	says(world_owed(w), "1 to add");
	assert_string_equal(rig_text(&w->r, "SELECT facts FROM run"), "");
	for (int i = 0; i < 400 && rig_text(&w->r, "SELECT facts FROM run")[0] == '\0'; i++)
		rig_pass(&w->r, 5);
	rig_settle(&w->r);
	says(world_owed(w), "approval");
	world_plan(w, w->pull);
	rig_pass(&w->r, 50); /* and stopped while it reads */
	rig_stop(&w->r);
	world_faults(w, "");
	rig_start(&w->r);
	rig_pass(&w->r, 50);
	assert_int_equal(runs_active(w->r.runs), 0);
}

/* ---- every state x superseded, cancelled, restarted ---- */

static const char *const plan_states[] = {"state=queued", "state=reading", "state=preparing", "state=working"};

static void hold(struct world *w, bool on)
{
	CLEANUP_FREE char *wait = fs_join(w->r.dir, "wait");
	struct err err = {0};
	w->r.plan_play = on ? PLAY_HOLD : PLAY_OK;
	if (on)
		sim_must(fs_write_fast(wait, "", 0, 0600, &err), &err);
	else
		(void)unlink(wait); /* may be gone */
}

/* Starts a plan that stands still in a state. */
static int64_t stand_in(struct world *w, size_t at)
{
	hold(w, true);
	if (at == 3) {
		CLEANUP_FREE char *wait = fs_join(w->r.dir, "wait");
		(void)unlink(wait);
	}
	rig_listen(&w->r, plan_states[at]);
	int64_t run = rig_run(&w->r, RUN_PLAN, w->pull, NULL);
	assert_true(rig_hears(&w->r, plan_states[at]));
	if (at == 3)
		assert_true(rig_started(&w->r, "net", PHASE_PLAN));
	return run;
}

static void superseded(void **state)
{
	struct world *w = *state;
	for (size_t i = 0; i < ARRAY_LEN(plan_states); i++) {
		int64_t old = stand_in(w, i);
		hold(w, false);
		int64_t run = rig_run(&w->r, RUN_PLAN, w->pull, NULL);
		is_in_state(rig_over(&w->r, run), RUN_DONE);
		is_in_state(rig_over(&w->r, old), RUN_SUPERSEDED);
		rig_settle(&w->r);
		assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM job WHERE state IN('waiting','ready','running')"), 0);
		says(world_owed(w), "1 to add");
		says(world_status(w), "success");
		assert_int_equal(runs_active(w->r.runs), 0);
	}
	assert_int_equal(rig_job(&w->r, "net", PHASE_PLAN)->cancels, 0);
	assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM job WHERE state='cancelled'"), 1); /* the one at work was told to stop */
}

static void cancelled(void **state)
{
	struct world *w = *state;
	for (size_t i = 0; i < ARRAY_LEN(plan_states); i++) {
		int64_t run = stand_in(w, i);
		runs_cancel(w->r.runs, w->r.repo_id, w->pull);
		is_in_state(rig_over(&w->r, run), RUN_CANCELLED);
		rig_pass(&w->r, 20);
		rig_settle(&w->r);
		assert_int_equal(runs_active(w->r.runs), 0);
		assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM job WHERE state IN('waiting','ready','running')"), 0);
		if (i >= 2)
			says(world_status(w), "failure: "); /* pending no more */
		hold(w, false);
		world_plan(w, w->pull); /* and the pull request is free for the next */
	}
}

static void restarted(void **state)
{
	struct world *w = *state;
	for (size_t i = 0; i < ARRAY_LEN(plan_states); i++)
		for (int how = PLAY_OK; how <= PLAY_LOST; how += PLAY_LOST) { /* the runner has ended meanwhile, or is gone */
			int64_t run = stand_in(w, i);
			w->r.adopt_play = (enum rig_play)how;
			rig_stop(&w->r);
			hold(w, false);
			rig_start(&w->r);
			is_in_state(rig_over(&w->r, run), RUN_DONE);
			const struct rig_job *j = rig_job(&w->r, "net", PHASE_PLAN);
			assert_int_equal(j->adopts, i == 3);
			assert_int_equal(j->starts, i == 3 && how == PLAY_LOST ? 2 : 1);
			says(world_status(w), "success");
			assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM effect WHERE kind=0"), 1);
		}
}

/* The ceilings of jobs at work, of the server and of a repository. */
static void limits(void **state)
{
	static const struct rig_project six[] = {{.name = "a"}, {.name = "b"}, {.name = "c"}, {.name = "d"}, {.name = "e"}, {.name = "f"}};
	(void)state;
	struct world *w = world_open("limits: { jobs: 3, jobs_per_repository: 2 }\n");
	rig_prepared(&w->r, six, 6);
	w->r.plan_play = PLAY_HOLD;
	int64_t run = rig_run(&w->r, RUN_PLAN, w->pull, NULL);
	for (size_t done = 0; done < 6; done++) {
		size_t want = 6 - done < 2 ? 6 - done : 2;
		for (int i = 0; i < 400 && w->r.jobs_n < done + want; i++)
			rig_pass(&w->r, 5);
		rig_pass(&w->r, 20);
		assert_int_equal(rig_int(&w->r, "SELECT count(*) FROM job WHERE state='running'"), (int64_t)want);
		assert_int_equal(w->r.jobs_n, done + want);
		rig_end(&w->r, (const char *const[]){"a", "b", "c", "d", "e", "f"}[done], PHASE_PLAN, PLAY_OK);
	}
	is_in_state(rig_over(&w->r, run), RUN_DONE);
	world_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WT(a_plan), WT(ends_of_a_job), WT(dependencies), WT(ends_of_preparing), WT(preparing_again), WT(projects_that_do_not_run),
		WT(the_same_name_twice), WT(reasons_not_to_plan), WT(another_repository), WT(github_is_down), WT(facts_beside_a_plan), WT(superseded), WT(cancelled), WT(restarted),
		cmocka_unit_test(limits),
	};
	return cmocka_run_group_tests(tests, rig_warm_up, rig_cool_down);
}
