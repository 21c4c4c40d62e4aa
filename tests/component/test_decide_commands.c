/* Commands that change what others wait for: who may resolve, cancel and destroy, in which order comments are decided, how many jobs a person may
 * have, and a pull request that waits for another one. */
#include "tests/component/inbox.h"

#define ROLES "roles: { \"acme/*\": { \"user:olivia\": admin, \"user:alice\": apply, \"user:bob\": apply, \"user:pat\": plan, \"*\": none } }\n"

static int setup(void **state)
{
	*state = inbox_open(ROLES "limits: { queued_per_person: 1 }\n");
	return 0;
}

static void plan_it(struct inbox *s)
{
	pull_event(s, "opened", "");
	decided(s);
	quiet(s);
	world_approve(s->w, s->w->pull);
	rig_pass(&s->w->r, 1100); /* a comment of the second of a push is one that came before it */
}

static void hold_apply(struct inbox *s)
{
	plan_it(s);
	s->w->r.apply_play = PLAY_HOLD;
	comment(s, "alice", "sluice apply");
	says(last(s), "run ");
	assert_true(rig_started(&s->w->r, "net", PHASE_APPLY));
}

static void resolve(void **state)
{
	struct inbox *s = *state;
	hold_apply(s);
	comment(s, "olivia", "sluice resolve 2 --as applied");
	assert_string_equal(last(s), "refused: nothing to resolve"); /* it is at work */
	rig_end(&s->w->r, "net", PHASE_APPLY, PLAY_LOST_PAST);
	quiet(s);
	says(world_owed(s->w), "resolve 2 --as applied");
	says(world_owed(s->w), "exit record: none");
	comment(s, "alice", "sluice resolve 2 --as applied");
	assert_string_equal(last(s), "refused: alice has the role apply");
	says(reply(s), "needs the role `admin`");
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM held WHERE unknown=1"), 1);
	comment(s, "olivia", "sluice resolve -p net --as failed");
	assert_string_equal(last(s), "resolve");
	says(reply(s), "Run 2: `net` resolved as failed");
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM held"), 0);
	says(world_owed(s->w), "interrupted, resolved as failed by olivia");
	assert_string_equal(rig_text(&s->w->r, "SELECT actor||' '||json_extract(detail, '$.as')||' '||run_id FROM audit WHERE kind='resolve'"), "olivia failed 2");
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM run WHERE kind='apply'"), 1);
	assert_int_equal(rig_job(&s->w->r, "net", PHASE_APPLY)->starts, 1); /* never again by itself */
}

/* Each command leaves a row, done or not. */
static void audited(void **state)
{
	struct inbox *s = *state;
	plan_it(s);
	comment(s, "pat", "sluice apply");
	decided(s);
	comment(s, "pat", "sluice help");
	decided(s);
	comment(s, "alice", "sluice unlock");
	decided(s);
	assert_string_equal(rig_text(&s->w->r, "SELECT group_concat(actor||':'||json_extract(detail, '$.verb')||':'||json_extract(detail, '$.disposition'), '; ')"
					       " FROM (SELECT * FROM audit WHERE kind='command' ORDER BY rowid)"),
			    "pat:apply:refused: pat has the role plan; alice:unlock:unlock");
}

/* who: cancels an apply that alice asked for? */
static void cancel_of_an_apply(void **state)
{
	static const struct {
		const char *who;
		bool stops;
	} rows[] = {{"pat", false}, {"mallory", false}, {"bob", true}};
	struct inbox *s = *state;
	hold_apply(s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		comment(s, rows[i].who, "sluice cancel");
		const char *what = last(s);
		if (rows[i].stops)
			assert_string_equal(what, "cancel");
		else
			says(what, "refused: ");
		rig_pass(&s->w->r, 30);
		assert_int_equal(rig_job(&s->w->r, "net", PHASE_APPLY)->cancels, rows[i].stops);
	}
	quiet(s);
}

static void cancel_of_a_plan(void **state)
{
	struct inbox *s = *state;
	s->w->r.plan_play = PLAY_HOLD;
	pull_event(s, "opened", "");
	decided(s);
	assert_true(rig_started(&s->w->r, "net", PHASE_PLAN));
	comment(s, "pat", "sluice cancel"); /* a plan: whoever may plan */
	assert_string_equal(last(s), "cancel");
	quiet(s);
	assert_int_equal(rig_job(&s->w->r, "net", PHASE_PLAN)->cancels, 1);
}

static void cancel_of_ones_own_apply(void **state)
{
	struct inbox *s = *state;
	hold_apply(s);
	comment(s, "alice", "sluice cancel");
	assert_string_equal(last(s), "cancel");
	quiet(s);
	assert_int_equal(rig_job(&s->w->r, "net", PHASE_APPLY)->cancels, 1);
}

/* Roles are looked up side by side and take as long as they like; what was written first is decided first. */
static void in_order(void **state)
{
	struct inbox *s = *state;
	inbox_close(s);
	s = *state = inbox_open(NULL); /* the look-ups go to GitHub */
	world_faults(s->w, "permission=delay:300,times=1");
	comment(s, "alice", "sluice plan");
	comment(s, "alice", "sluice cancel");
	comment(s, "dave", "sluice version");
	decided(s);
	quiet(s);
	assert_string_equal(rig_text(&s->w->r, "SELECT group_concat(disposition, '; ') FROM (SELECT * FROM delivery ORDER BY id)"), "run 1; cancel; version");
	assert_string_equal(rig_text(&s->w->r, "SELECT state FROM run"), "cancelled");
	world_faults(s->w, "");
}

static void too_many(void **state)
{
	struct inbox *s = *state;
	rig_exec(&s->w->r, "INSERT INTO run(id,token,repo_id,repo,pull,kind,state,created_ms) VALUES(900,'t',1,'b/b',1,'plan','working',1)");
	rig_exec(&s->w->r, "INSERT INTO job(run_id,repo_id,pull,phase,state,project,dir,workspace,engine,apply,needs_init,managed_state,deleted,requires,approvals,"
			   "asker) VALUES(900,1,1,'plan','waiting','x','.','default','','on_comment',0,0,0,0,0,'alice')");
	comment(s, "alice", "sluice plan");
	assert_string_equal(last(s), "refused: too many jobs wait");
	says(reply(s), "1 jobs that @");
	says(reply(s), "`limits.queued_per_person`");
	comment(s, "bob", "sluice plan");
	says(last(s), "run ");
	rig_exec(&s->w->r, "DELETE FROM job WHERE run_id=900");
	rig_exec(&s->w->r, "UPDATE run SET finished_ms=1, state='done' WHERE id=900");
	quiet(s);
	comment(s, "alice", "sluice plan");
	says(last(s), "run ");
	quiet(s);
}

/* A comment of the very second in which its head was pushed is about the commit before it. */
static void beside_a_push(void **state)
{
	struct inbox *s = *state;
	plan_it(s);
	rig_exec(&s->w->r, "INSERT OR REPLACE INTO head_push(repo_id, sha, user_id, login, at_ms) SELECT repo_id, head_sha, 1, 'alice', 32503680000000 FROM run"); /* the year 3000 */
	comment(s, "alice", "sluice apply");
	says(last(s), "run ");
	quiet(s);
	says(world_owed(s->w), "a push came at the same time as this comment");
	CLEANUP_FREE char *other = xstrdup("sluice apply 0123456");
	comment(s, "alice", other);
	decided(s);
	quiet(s);
	says(world_owed(s->w), "and not '0123456'");
	CLEANUP_FREE char *named = xasprintf("sluice apply %.7s", s->w->head);
	comment(s, "alice", named);
	decided(s);
	quiet(s);
	says(world_owed(s->w), "applied 1 of 1");
}

/* #2 waits for the project that #1's apply holds, and goes on by itself. */
static void behind_another(void **state)
{
	struct inbox *s = *state;
	struct rig *r = &s->w->r;
	hold_apply(s);
	world_push(s->w, "second", "two");
	int64_t first = s->w->pull, second = world_pull(s->w, "second", false);
	s->w->pull = second;
	pull_event(s, "opened", "");
	decided(s);
	for (int i = 0; i < 400 && rig_int(r, "SELECT count(*) FROM job WHERE behind<>0 AND state='waiting'") == 0; i++)
		rig_pass(r, 5);
	assert_string_equal(rig_text(r, "SELECT pull||' waits for '||behind FROM job WHERE behind<>0"), "2 waits for 1");
	rig_pass(r, 2500); /* progress is written every two seconds */
	says(rig_text(r, "SELECT body FROM effect WHERE slot LIKE 'comment/%/2'"), "queued behind #1");
	s->w->pull = first;
	rig_end(r, "net", PHASE_APPLY, PLAY_OK);
	quiet(s);
	assert_int_equal(rig_int(r, "SELECT count(*) FROM job WHERE behind<>0"), 0);
	assert_string_equal(rig_text(r, "SELECT state FROM job WHERE pull=2"), "done");
	assert_int_equal(rig_int(r, "SELECT count(*) FROM run WHERE pull=2"), 1); /* it saw the new state: nothing to plan again */
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, inbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(resolve), T(audited), T(cancel_of_an_apply), T(cancel_of_a_plan), T(cancel_of_ones_own_apply), T(in_order), T(too_many), T(beside_a_push),
					   T(behind_another)};
	return cmocka_run_group_tests(tests, rig_warm_up, rig_cool_down);
}
