/* Deliveries and what becomes of them: runs, commands, answers, silence; in order, once, over restarts and failing writes. */
#include "tests/component/inbox.h"

#include <time.h>

/* ---- tests ---- */

static void what_is_ignored(void **state)
{
	struct inbox *s = *state;
	arrive(s, "check_suite", xstrdup("{\"action\":\"requested\"}"));
	assert_string_equal(last(s), "ignored: nothing to do for this action");
	pull_event(s, "assigned", "");
	assert_string_equal(last(s), "ignored: nothing to do for this action");
	arrive(s, "pull_request", pull_body(s, "elsewhere/infra", 1, "opened", ""));
	assert_string_equal(last(s), "ignored: the repository is not served");
	arrive(s, "pull_request", xstrdup("{\"action\":\"opened\"}"));
	assert_string_equal(last(s), "ignored: its payload lacks what the event needs");
	arrive(s, "issue_comment", comment_body(s, "alice", "User", "sluice plan", false));
	assert_string_equal(last(s), "ignored: a comment on an issue");
	arrive(s, "issue_comment", comment_body(s, "robot[bot]", "Bot", "sluice plan", true));
	assert_string_equal(last(s), "ignored: a bot's comment");
	comment(s, "alice", "looks good to me");
	assert_string_equal(last(s), "ignored: no command");
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM run"), 0);
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM effect"), 0);
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM delivery WHERE body IS NOT NULL"), 0);
}

static void what_is_planned(void **state)
{
	static const struct {
		const char *action, *more;
		bool plans;
	} rows[] = {{"opened", "", true}, {"synchronize", "", true}, {"reopened", "", true}, {"ready_for_review", "", true}, {"edited", "", false}, {"assigned", "", false}};
	struct inbox *s = *state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t before = rig_int(&s->w->r, "SELECT count(*) FROM run");
		pull_event(s, rows[i].action, rows[i].more);
		const char *what = last(s);
		assert_int_equal(strncmp(what, "run ", 4) == 0, rows[i].plans);
		assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM run") - before, rows[i].plans);
		quiet(s);
	}
	says(world_owed(s->w), "1 to add");
}

/* verb x role: who may. */
static void commands(void **state)
{
	static const struct {
		const char *who, *text, *disposition, *reply; /* reply NULL: none */
	} rows[] = {
		{"carol", "sluice plan", "refused: carol has the role read", "needs the role `plan`"},
		{"dave", "sluice plan", "refused: dave has the role none", "has `none`"},
		{"alice", "sluice plan", "run ", NULL},
		{"carol", "sluice unlock", "refused: carol has the role read", "needs the role `apply`"},
		{"alice", "sluice unlock", "unlock", "holds no lock"},
		{"alice", "sluice unlock -p net", "unlock", "cannot be narrowed"},
		{"alice", "sluice resolve 7 --as applied", "refused: alice has the role apply", "needs the role `admin`"},
		{"alice", "sluice apply -p net --destroy", "refused: alice has the role apply", "needs the role `admin`"},
		{"alice", "sluice import a.b c", "refused: import is not served", "is not done by this version"},
		{"carol", "sluice cancel", "refused: carol has the role read", "`cancel` was not done"},
		{"alice", "sluice cancel", "cancel", NULL},
		{"carol", "sluice help", "help", "apply"},
		{"dave", "sluice version", "version", "sluice 1.2.3"},
		{"alice", "sluice plam", "help", "plam"},
	};
	struct inbox *s = *state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		rig_exec(&s->w->r, "DELETE FROM effect");
		comment(s, rows[i].who, rows[i].text);
		const char *what = last(s);
		if (strncmp(what, rows[i].disposition, strlen(rows[i].disposition)) != 0)
			fail_msg("%s by %s: %s", rows[i].text, rows[i].who, what);
		if (rows[i].reply != NULL)
			says(reply(s), rows[i].reply);
		else
			assert_string_equal(reply(s), "");
		quiet(s);
	}
	assert_null(strstr(reply(s), "@carol")); /* nobody is called */
}

static void role_not_known(void **state)
{
	struct inbox *s = *state;
	world_faults(s->w, "permission=status:500");
	comment(s, "alice", "sluice unlock");
	assert_string_equal(last(s), "refused: alice has the role none");
	says(reply(s), "unknown is no");
	world_faults(s->w, "");
}

static void an_apply(void **state)
{
	struct inbox *s = *state;
	pull_event(s, "opened", "");
	decided(s);
	quiet(s);
	world_approve(s->w, s->w->pull);
	rig_pass(&s->w->r, 1100); /* a comment in the very second of a push might be about the commit before it */
	s->w->r.apply_play = PLAY_HOLD;
	comment(s, "alice", "sluice apply");
	says(last(s), "run ");
	assert_true(rig_started(&s->w->r, "net", PHASE_APPLY));
	comment(s, "alice", "sluice apply");
	assert_string_equal(last(s), "ignored: an apply is under way");
	says(reply(s), "is under way");
	comment(s, "alice", "sluice unlock");
	assert_string_equal(last(s), "unlock");
	says(reply(s), "UTC. Comment `cancel` to stop it.");
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM held"), 1);
	/* the merge that we made comes back as an event: nothing more is started */
	CLEANUP_FREE char *sha = xstrdup(rig_text(&s->w->r, "SELECT merge_sha FROM run WHERE kind='apply'"));
	CLEANUP_FREE char *more = xasprintf(",\"merged\":true,\"merge_commit_sha\":\"%s\"", sha);
	pull_event(s, "closed", more);
	assert_string_equal(last(s), "merged");
	rig_end(&s->w->r, "net", PHASE_APPLY, PLAY_LOST_PAST);
	quiet(s);
	pull_event(s, "closed", more); /* also when it comes late, or twice */
	assert_string_equal(last(s), "merged");
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM run WHERE kind='apply'"), 1);
	comment(s, "alice", "sluice unlock");
	says(last(s), "unlock");
	says(reply(s), "Still held by this pull request");
	says(reply(s), "the outcome of its apply is unknown");
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM held WHERE unknown=1"), 1);
}

static void closed(void **state)
{
	struct inbox *s = *state;
	s->w->r.plan_play = PLAY_HOLD;
	pull_event(s, "opened", "");
	decided(s);
	assert_true(rig_started(&s->w->r, "net", PHASE_PLAN));
	pull_event(s, "closed", "");
	assert_string_equal(last(s), "closed");
	quiet(s);
	assert_string_equal(rig_text(&s->w->r, "SELECT state FROM run"), "cancelled");
	assert_int_equal(rig_job(&s->w->r, "net", PHASE_PLAN)->cancels, 1);
	pull_event(s, "closed", ",\"merged\":true,\"merge_commit_sha\":\"" SHA "\""); /* by a person: looks what applies on merge */
	assert_string_equal(last(s), "merged");
	assert_string_equal(rig_text(&s->w->r, "SELECT kind||' '||after_merge||' '||merge_sha FROM run ORDER BY id DESC LIMIT 1"), "apply 1 " SHA);
}

static void pushes(void **state)
{
	struct inbox *s = *state;
	struct err err = {0};
	push_event(s, "refs/heads/main", false);
	assert_string_equal(last(s), "push: noted"); /* nothing is known of the repository */
	pull_event(s, "opened", "");
	decided(s);
	quiet(s);
	size_t before = rig_prepare_count(&s->w->r);
	CLEANUP_FREE char *mirror = xasprintf("%s/mirrors/%lld.git", s->w->r.config.data_dir, (long long)s->w->r.repo_id);
	sim_must(fs_mkdir_p(mirror, 0700, &err), &err);
	push_event(s, "refs/tags/v1", false);
	assert_string_equal(last(s), "push: noted");
	push_event(s, "refs/heads/gone", true);
	assert_string_equal(last(s), "push: noted");
	push_event(s, "refs/heads/main", false);
	assert_string_equal(last(s), "push: fetch");
	for (int i = 0; i < 400 && rig_prepare_count(&s->w->r) == before; i++)
		rig_pass(&s->w->r, 5);
	rig_pass(&s->w->r, 50);
	assert_int_equal(rig_prepare_count(&s->w->r), before + 1);
}

/* A push joins the plan that has not begun; commands keep their own runs. */
static void joins(void **state)
{
	struct inbox *s = *state;
	for (int i = 0; i < 5; i++)
		pull_event(s, "synchronize", "");
	decided(s);
	assert_string_equal(rig_text(&s->w->r, "SELECT group_concat(disposition, '; ') FROM (SELECT * FROM delivery ORDER BY id)"),
			    "run 1; run 1 (joined); run 1 (joined); run 1 (joined); run 1 (joined)");
	quiet(s);
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM run"), 1);
}

/* Two thousand pushes to one pull request that are on disk before anybody looks. */
static void burst(void **state)
{
	struct inbox *s = *state;
	struct rig *r = &s->w->r;
	s->inflight = 100;
	for (int i = 0; i < 2000; i++)
		pull_event(s, "synchronize", "");
	decide_wake(s->d); /* while requests are in flight */
	rig_pass(r, 20);
	s->inflight = 0;
	decided(s);
	quiet(s);
	assert_int_equal(rig_int(r, "SELECT count(*) FROM delivery WHERE disposition LIKE 'run %'"), 2000);
	int64_t runs = rig_int(r, "SELECT count(*) FROM run"), jobs = rig_int(r, "SELECT count(*) FROM job");
	if (runs > 2000 / 32 + 1 || jobs > 3) /* one a batch at most, and few of those come as far as a job */
		fail_msg("2,000 deliveries made %lld runs and %lld jobs", (long long)runs, (long long)jobs);
	assert_string_equal(rig_text(r, "SELECT state FROM run ORDER BY id DESC LIMIT 1"), "done");
	assert_int_equal(rig_int(r, "SELECT count(*) FROM run WHERE state NOT IN('done','superseded')"), 0);
}

/* ---- restarts and failing writes ---- */

static void replayed(void **state)
{
	struct inbox *s = *state;
	pull_event(s, "opened", "");
	comment(s, "dave", "sluice version");
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM delivery WHERE disposition IS NULL"), 2); /* nobody woke it */
	inbox_stop(s);
	rig_start(&s->w->r);
	inbox_start(s);
	decided(s);
	assert_string_equal(rig_text(&s->w->r, "SELECT group_concat(disposition, '; ') FROM (SELECT * FROM delivery ORDER BY id)"), "run 1; version");
	quiet(s);
	says(reply(s), "sluice 1.2.3");
}

static void stopped_while_it_asks(void **state)
{
	struct inbox *s = *state;
	world_faults(s->w, "permission=delay:400,times=1");
	comment(s, "alice", "sluice version");
	decide_wake(s->d);
	rig_pass(&s->w->r, 60);
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM delivery WHERE disposition IS NULL"), 1);
	inbox_stop(s);
	rig_start(&s->w->r);
	inbox_start(s);
	assert_string_equal(last(s), "version");
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM effect WHERE kind=1"), 1);
}

static void stopped_while_it_yields(void **state)
{
	struct inbox *s = *state;
	s->inflight = 100;
	pull_event(s, "opened", "");
	decide_wake(s->d); /* waits for a quiet turn */
	decide_close(s->d);
	rig_pass(&s->w->r, 5);
	s->inflight = 0;
	inbox_start(s);
	assert_string_equal(last(s), "run 1");
}

static void written_later(void **state)
{
	struct inbox *s = *state;
	rig_exec(&s->w->r, "CREATE TEMP TRIGGER fault BEFORE UPDATE ON delivery BEGIN SELECT RAISE(ROLLBACK, 'the disk is full'); END");
	rig_listen(&s->w->r, "db.given_up");
	for (int i = 0; i < 40; i++)
		pull_event(s, "synchronize", "");
	push_event(s, "refs/heads/main", false);
	comment(s, "alice", "sluice version");
	decide_wake(s->d);
	assert_true(rig_hears(&s->w->r, s->w->r.wait_for));
	rig_pass(&s->w->r, 100);
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM run"), 0);
	rig_exec(&s->w->r, "DROP TRIGGER fault");
	assert_string_equal(last(s), "version");
	quiet(s);
	assert_true(rig_int(&s->w->r, "SELECT count(*) FROM run") <= 3);
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM effect WHERE kind=1"), 1);
}

/* One delivery that can never be written down does not hold up the others. */
static void one_that_cannot(void **state)
{
	struct inbox *s = *state;
	rig_exec(&s->w->r, "CREATE TEMP TRIGGER fault BEFORE UPDATE ON delivery WHEN new.id=2 BEGIN SELECT RAISE(ABORT, 'never'); END");
	for (int i = 0; i < 5; i++)
		push_event(s, "refs/heads/main", false);
	decide_wake(s->d);
	rig_pass(&s->w->r, 200);
	rig_settle(&s->w->r);
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM delivery WHERE disposition IS NULL"), 1);
	assert_int_equal(rig_int(&s->w->r, "SELECT max(id) FROM delivery WHERE disposition IS NULL"), 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, inbox_setup, inbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_ignored), T(what_is_planned), T(commands), T(role_not_known), T(an_apply), T(closed), T(pushes), T(joins), T(burst), T(replayed),
		T(stopped_while_it_asks), T(stopped_while_it_yields), T(written_later), T(one_that_cannot),
	};
	return cmocka_run_group_tests(tests, rig_warm_up, rig_cool_down);
}
