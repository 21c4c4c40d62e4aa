/* What is pressed on checks, merge groups, an App that is shut out, new names, and what webhooks echo of our own doing. */
#include "tests/component/inbox.h"

#define OUR_APP 77
#define GROUP "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ABOVE "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static int setup(void **state)
{
	struct inbox *s = inbox_open(NULL);
	s->w->r.config.app_id = OUR_APP; /* beside a token: checks are told as statuses, and buttons are ours */
	*state = s;
	return 0;
}

/* A body with the repository and its sender around it. */
static char *body_of(struct inbox *s, const char *repo, const char *who, const char *type, char *members)
{
	char *b = xasprintf("{%s,\"repository\":{\"id\":%lld,\"full_name\":\"%s\",\"default_branch\":\"main\"},\"sender\":{\"login\":\"%s\",\"id\":7,\"type\":\"%s\"}}",
			    members, (long long)s->w->r.repo_id, repo, who, type);
	free(members);
	return b;
}

static char *by_alice(struct inbox *s, char *members) { return body_of(s, REPO, "alice", "User", members); }

static void press(struct inbox *s, const char *who, const char *button, const char *sha, int app)
{
	bool again = strcmp(button, "rerequested") == 0;
	char *m = xasprintf("\"action\":\"%s\",\"check_run\":{\"id\":1,\"name\":\"sluice\",\"head_sha\":\"%s\",\"app\":{\"id\":%d}}%s%s%s",
			    again ? button : "requested_action", sha, app, again ? "" : ",\"requested_action\":{\"identifier\":\"", again ? "" : button,
			    again ? "" : "\"}");
	arrive(s, "check_run", body_of(s, REPO, who, strstr(who, "[bot]") != NULL ? "Bot" : "User", m));
}

static void plan_it(struct inbox *s)
{
	pull_event(s, "opened", "");
	decided(s);
	quiet(s);
}

static int64_t runs_n(struct inbox *s) { return rig_int(&s->w->r, "SELECT count(*) FROM run"); }

/* ---- buttons ---- */

static void buttons(void **state)
{
	struct inbox *s = *state;
	plan_it(s);
	const struct {
		const char *who, *button, *sha;
		int app;
		const char *disposition, *reply; /* reply NULL: none */
	} rows[] = {
		{"alice", "plan", s->w->head, OUR_APP + 1, "ignored: a check of another App", NULL},
		{"robot[bot]", "plan", s->w->head, OUR_APP, "ignored: a bot's button", NULL},
		{"alice", "explode", s->w->head, OUR_APP, "ignored: an unknown button", NULL},
		{"alice", "plan", SHA, OUR_APP, "ignored: a check of a commit that was never planned", NULL},
		{"carol", "plan", s->w->head, OUR_APP, "refused: carol has the role read", "needs the role `plan`"},
		{"carol", "apply", s->w->head, OUR_APP, "refused: carol has the role read", "needs the role `apply`"},
		{"carol", "cancel", s->w->head, OUR_APP, "refused: carol has the role read", "`cancel` was not done"},
		{"carol", "rerequested", s->w->head, OUR_APP, "refused: carol has the role read", "needs the role `plan`"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		rig_exec(&s->w->r, "DELETE FROM effect");
		press(s, rows[i].who, rows[i].button, rows[i].sha, rows[i].app);
		assert_string_equal(last(s), rows[i].disposition);
		if (rows[i].reply != NULL)
			says(reply(s), rows[i].reply);
		else
			assert_string_equal(reply(s), "");
	}
	assert_int_equal(runs_n(s), 1);
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM audit WHERE kind='command' AND actor='carol'"), 4);
}

static void buttons_that_do(void **state)
{
	struct inbox *s = *state;
	plan_it(s);
	press(s, "alice", "rerequested", s->w->head, OUR_APP);
	assert_string_equal(last(s), "run 2");
	quiet(s);
	press(s, "alice", "plan", s->w->head, OUR_APP);
	assert_string_equal(last(s), "run 3");
	quiet(s);
	assert_string_equal(rig_text(&s->w->r, "SELECT group_concat(kind||' '||state||' '||coalesce(asker,'-'), '; ') FROM run"),
			    "plan done -; plan done alice; plan done alice");
	char *suite = xasprintf("\"action\":\"rerequested\",\"check_suite\":{\"id\":1,\"head_sha\":\"%s\",\"app\":{\"id\":%d}}", s->w->head, OUR_APP);
	arrive(s, "check_suite", by_alice(s, suite));
	assert_string_equal(last(s), "run 4");
	quiet(s);
	world_approve(s->w, s->w->pull);
	press(s, "alice", "apply", s->w->head, OUR_APP);
	assert_string_equal(last(s), "run 5");
	quiet(s);
	says(world_owed(s->w), "applied 1 of 1");
	press(s, "alice", "cancel", s->w->head, OUR_APP);
	assert_string_equal(last(s), "cancel");
}

static void a_button_of_an_older_commit(void **state)
{
	struct inbox *s = *state;
	char old[SIM_SHA_SIZE];
	plan_it(s);
	(void)snprintf(old, sizeof(old), "%s", s->w->head);
	world_push(s->w, "change", "another text");
	pull_event(s, "synchronize", "");
	decided(s);
	quiet(s);
	press(s, "alice", "apply", old, OUR_APP);
	assert_string_equal(last(s), "refused: the check is of an older commit");
	CLEANUP_FREE char *wanted = xasprintf("that check is of the commit `%.7s`, and this pull request is at `%.7s` now", old, s->w->head);
	says(reply(s), wanted);
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM run WHERE kind='apply'"), 0);
}

/* ---- merge groups ---- */

static void group(struct inbox *s, const char *head, const char *base, long long pull)
{
	char *m = xasprintf("\"action\":\"checks_requested\",\"merge_group\":{\"head_sha\":\"%s\",\"base_sha\":\"%s\","
			    "\"head_ref\":\"refs/heads/gh-readonly-queue/main/pr-%lld-%s\"}", head, base, pull, SHA);
	arrive(s, "merge_group", by_alice(s, m));
}

#define SAID_OF(s, sha) rig_text(&(s)->w->r, "SELECT status||': '||description FROM effect WHERE context='sluice' AND sha='" sha "'")

static void groups(void **state)
{
	struct inbox *s = *state;
	plan_it(s);
	group(s, GROUP, SHA, 0);
	assert_string_equal(last(s), "merge group: failure");
	assert_string_equal(SAID_OF(s, GROUP), "failure: The pull request of this merge group cannot be told from its branch.");
	group(s, GROUP, SHA, (long long)s->w->pull);
	assert_string_equal(last(s), "merge group: failure");
	assert_string_equal(SAID_OF(s, GROUP), "failure: #1 did not come through the gate: comment `apply` there.");
	/* a run is in this state through an open gate only; the machine does not know of this one */
	rig_exec(&s->w->r, "INSERT INTO run(id,token,repo_id,repo,pull,kind,state,created_ms) SELECT 900,'t',repo_id,repo,2,'apply','enqueued',1 FROM run LIMIT 1");
	group(s, ABOVE, GROUP, 2);
	assert_string_equal(last(s), "merge group: failure");
	assert_string_equal(SAID_OF(s, ABOVE), "failure: It stands on #1, which may not be merged.");
	group(s, ABOVE, SHA, 2);
	assert_string_equal(last(s), "merge group: success");
	assert_string_equal(SAID_OF(s, ABOVE), "success: The gate of #2 is open, and it is applied after the merge.");
	rig_exec(&s->w->r, "UPDATE run SET state='done', finished_ms=1 WHERE id=900");
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM merge_group"), 2);
}

static void a_group_without_projects(void **state)
{
	struct inbox *s = *state;
	rig_prepared(&s->w->r, NULL, 0);
	plan_it(s);
	group(s, GROUP, SHA, (long long)s->w->pull);
	assert_string_equal(last(s), "merge group: success");
	assert_string_equal(SAID_OF(s, GROUP), "success: #1 touches no project.");
	group(s, ABOVE, GROUP, 99); /* on top of a good one, and never heard of */
	assert_string_equal(last(s), "merge group: failure");
}

/* ---- shut out ---- */

static void installation(struct inbox *s, const char *action, const char *account)
{
	arrive(s, "installation", by_alice(s, xasprintf("\"action\":\"%s\",\"installation\":{\"id\":1,\"account\":{\"login\":\"%s\"}}", action, account)));
}

static void repositories(struct inbox *s, const char *action)
{
	arrive(s, "installation_repositories", by_alice(s, xasprintf("\"action\":\"%s\",\"repositories_%s\":[{\"id\":%lld,\"full_name\":\"" REPO "\"}]", action,
								     action, (long long)s->w->r.repo_id)));
}

static void suspended(void **state)
{
	struct inbox *s = *state;
	plan_it(s);
	/* waiting, and not taken up by the machine */
	rig_exec(&s->w->r, "INSERT INTO run(id,token,repo_id,repo,pull,kind,state,created_ms) SELECT 900+n,'t'||n,repo_id+n,CASE n WHEN 3 THEN 'other/x' ELSE"
			   " 'Acme/y' END,50+n,CASE n WHEN 2 THEN 'apply' ELSE 'plan' END,'queued',1 FROM run, (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3)");
	installation(s, "suspend", "ACME");
	assert_string_equal(last(s), "access: suspended");
	assert_string_equal(rig_text(&s->w->r, "SELECT group_concat(id) FROM run WHERE id>900 AND state='cancelled'"), "901,902"); /* not of other owners */
	assert_string_equal(rig_text(&s->w->r, "SELECT DISTINCT error FROM run WHERE id IN(901,902)"),
			    "it had not begun when GitHub said that the App's installation is suspended: comment it again when the App is back");
	quiet(s);
	int64_t before = runs_n(s);
	static const char *const texts[] = {"sluice plan", "sluice apply"};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		comment(s, "alice", texts[i]);
		assert_string_equal(last(s), "ignored: the App's installation is suspended");
	}
	press(s, "alice", "plan", s->w->head, OUR_APP);
	assert_string_equal(last(s), "ignored: the App's installation is suspended");
	pull_event(s, "synchronize", "");
	assert_string_equal(last(s), "ignored: the App's installation is suspended");
	assert_int_equal(runs_n(s), before);
	installation(s, "unsuspend", "acme");
	assert_string_equal(last(s), "access: given");
	comment(s, "alice", "sluice plan");
	says(last(s), "run ");
	quiet(s);
}

static void taken_away(void **state)
{
	struct inbox *s = *state;
	repositories(s, "removed");
	assert_string_equal(last(s), "access: removed");
	pull_event(s, "opened", "");
	assert_string_equal(last(s), "ignored: the App's installation is removed");
	installation(s, "unsuspend", "acme"); /* says nothing of this repository */
	pull_event(s, "opened", "");
	assert_string_equal(last(s), "ignored: the App's installation is removed");
	arrive(s, "installation", by_alice(s, xasprintf("\"action\":\"created\",\"installation\":{\"id\":1,\"account\":{\"login\":\"acme\"}},"
							"\"repositories\":[{\"id\":%lld,\"full_name\":\"" REPO "\"}]", (long long)s->w->r.repo_id)));
	assert_string_equal(last(s), "access: given");
	plan_it(s);
	assert_int_equal(runs_n(s), 1);
	repositories(s, "removed");
	repositories(s, "added");
	assert_string_equal(last(s), "access: given");
	pull_event(s, "synchronize", "");
	says(last(s), "run ");
	quiet(s);
}

/* ---- new names ---- */

static void renamed(void **state)
{
	struct inbox *s = *state;
	struct err err = {0};
	plan_it(s);
	sim_must(sim_move(s->w->sim, REPO, "estate", "olivia", &err), &err);
	arrive(s, "repository", body_of(s, "acme/estate", "olivia", "User", xstrdup("\"action\":\"renamed\"")));
	assert_string_equal(last(s), "renamed: acme/estate");
	assert_string_equal(rig_text(&s->w->r, "SELECT repo FROM run"), "acme/estate");
	arrive(s, "pull_request", pull_body(s, "acme/estate", s->w->pull, "synchronize", ""));
	assert_string_equal(last(s), "run 2"); /* of the same repository */
	quiet(s);
	assert_string_equal(rig_text(&s->w->r, "SELECT repo||' '||state FROM run WHERE id=2"), "acme/estate done");
	assert_int_equal(rig_int(&s->w->r, "SELECT count(DISTINCT repo_id) FROM run"), 1);
	arrive(s, "repository", body_of(s, "elsewhere/estate", "olivia", "User", xstrdup("\"action\":\"transferred\"")));
	assert_string_equal(last(s), "ignored: the repository is not served");
	arrive(s, "repository", body_of(s, "acme/estate2", "olivia", "User", xstrdup("\"action\":\"transferred\"")));
	assert_string_equal(last(s), "renamed: acme/estate2");
}

/* ---- echoes ---- */

static void status(struct inbox *s, const char *context)
{
	arrive(s, "status", by_alice(s, xasprintf("\"sha\":\"%s\",\"context\":\"%s\",\"state\":\"success\"", s->w->head, context)));
}

static void check_done(struct inbox *s, const char *name, int app)
{
	arrive(s, "check_run", by_alice(s, xasprintf("\"action\":\"completed\",\"check_run\":{\"id\":1,\"name\":\"%s\",\"head_sha\":\"%s\",\"app\":{\"id\":%d}}", name,
						     s->w->head, app)));
}

static void changed(struct inbox *s, const char *action, const char *who, const char *type, const char *text)
{
	arrive(s, "issue_comment", body_of(s, REPO, who, type, xasprintf("\"action\":\"%s\",\"issue\":{\"number\":%lld,\"pull_request\":{}},\"comment\":{\"id\":5,"
									 "\"body\":\"%s\"}", action, (long long)s->w->pull, text)));
}

/* None of these starts anything, whoever sends it; and what others say starts no more than one look. */
static void echoes(void **state)
{
	struct inbox *s = *state;
	plan_it(s);
	int64_t before = runs_n(s);
	status(s, "sluice");
	assert_string_equal(last(s), "ignored: our own");
	status(s, "sluice/net");
	assert_string_equal(last(s), "ignored: our own");
	check_done(s, "sluice", 5);
	assert_string_equal(last(s), "ignored: our own");
	check_done(s, "any name", OUR_APP);
	assert_string_equal(last(s), "ignored: our own");
	changed(s, "created", "alice", "User", "<!-- sluice slot=comment/1/1 -->\\nsluice plan");
	assert_string_equal(last(s), "ignored: our own");
	changed(s, "edited", "alice", "User", "<!-- sluice slot=comment/1/1 -->\\nsluice plan");
	assert_string_equal(last(s), "ignored: our own");
	changed(s, "edited", "sluice-app[bot]", "Bot", "sluice plan");
	assert_string_equal(last(s), "ignored: our own");
	changed(s, "edited", "alice", "User", "sluice plan");
	assert_string_equal(last(s), "audited: a comment was edited");
	changed(s, "deleted", "alice", "User", "sluice plan");
	assert_string_equal(last(s), "audited: a comment was deleted");
	status(s, "ci/build");
	assert_string_equal(last(s), "gate: read again");
	check_done(s, "sluicegate", 5);
	assert_string_equal(last(s), "gate: read again");
	rig_pass(&s->w->r, 200);
	rig_settle(&s->w->r);
	assert_int_equal(runs_n(s), before);
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM delivery WHERE disposition IS NULL"), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, inbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(buttons), T(buttons_that_do), T(a_button_of_an_older_commit), T(groups), T(a_group_without_projects), T(suspended),
					   T(taken_away), T(renamed), T(echoes)};
	return cmocka_run_group_tests(tests, rig_warm_up, rig_cool_down);
}
