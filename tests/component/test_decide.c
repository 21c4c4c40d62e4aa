/* Deliveries and what becomes of them: runs, commands, answers, silence; in order, once, over restarts and failing writes. */
#include "tests/component/world.h"
#include "webhooks/decide.h"
#include "webhooks/delivery_store.h"

#include <time.h>

struct scene {
	struct world *w;
	struct decide *d;
	size_t inflight;
	int64_t comments; /* ids handed out */
	int64_t sent;
};

#define SHA "0123456789abcdef0123456789abcdef01234567"

static size_t inflight(void *arg) { return ((struct scene *)arg)->inflight; }

static void start(struct scene *s)
{
	struct rig *r = &s->w->r;
	struct decide_options o = {.loop = r->l, .db = r->db, .gh = r->gh, .outbox = r->outbox, .runs = r->runs, .config = &r->config,
				   .server_file = r->server_file, .program = r->program, .version = "1.2.3", .intake_inflight = inflight, .arg = s};
	s->d = decide_new(&o);
}

static void stop(struct scene *s)
{
	rig_settle(&s->w->r);
	decide_close(s->d);
	s->d = NULL;
	rig_stop(&s->w->r);
}

static int setup(void **state)
{
	struct scene *s = xcalloc(1, sizeof(*s));
	struct err err = {0};
	s->w = world_open(NULL);
	s->comments = 900;
	sim_must(sim_permission(s->w->sim, REPO, "carol", "read", &err), &err);
	start(s);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;
	stop(s);
	world_close(s->w);
	free(s);
	return 0;
}

/* ---- deliveries ---- */

struct arrival {
	const char *guid, *event;
	char *body;
	bool done;
};

static int store(struct db_conn *c, void *arg, struct err *err)
{
	const struct arrival *a = arg;
	bool is_new;
	return delivery_insert(c, a->guid, a->event, 1, a->body, strlen(a->body), &is_new, err);
}

static void stored(int rc, const struct err *err, void *arg)
{
	sim_must(rc, err);
	((struct arrival *)arg)->done = true;
}

/* Stores a delivery; takes body. Its id is the number of deliveries so far. */
static void arrive(struct scene *s, const char *event, char *body)
{
	CLEANUP_FREE char *guid = xasprintf("guid-%lld", (long long)++s->sent);
	struct arrival a = {.guid = guid, .event = event, .body = body};
	db_submit(s->w->r.db, store, stored, &a);
	assert_true(loop_run_until(s->w->l, &a.done, 10000));
	free(body);
}

static char *pull_body(struct scene *s, const char *repo, int64_t pull, const char *action, const char *more)
{
	long long id = (long long)s->w->r.repo_id;
	return xasprintf("{\"action\":\"%s\",\"repository\":{\"id\":%lld,\"full_name\":\"%s\",\"default_branch\":\"main\"},\"sender\":{\"login\":\"alice\","
			 "\"id\":7,\"type\":\"User\"},\"pull_request\":{\"number\":%lld,\"head\":{\"sha\":\"" SHA "\",\"repo\":{\"id\":%lld}},"
			 "\"base\":{\"ref\":\"main\"}%s}}",
			 action, id, repo, (long long)pull, id, more);
}

static void pull_event(struct scene *s, const char *action, const char *more) { arrive(s, "pull_request", pull_body(s, REPO, s->w->pull, action, more)); }

static char *comment_body(struct scene *s, const char *who, const char *type, const char *text, bool on_pull)
{
	return xasprintf("{\"action\":\"created\",\"repository\":{\"id\":%lld,\"full_name\":\"" REPO "\",\"default_branch\":\"main\"},\"sender\":{\"login\":\"%s\","
			 "\"id\":7,\"type\":\"%s\"},\"issue\":{\"number\":%lld%s},\"comment\":{\"id\":%lld,\"body\":\"%s\"}}",
			 (long long)s->w->r.repo_id, who, type, (long long)s->w->pull, on_pull ? ",\"pull_request\":{}" : "", (long long)++s->comments, text);
}

static void comment(struct scene *s, const char *who, const char *text) { arrive(s, "issue_comment", comment_body(s, who, "User", text, true)); }

static void push_event(struct scene *s, const char *ref, bool deleted)
{
	arrive(s, "push", xasprintf("{\"repository\":{\"id\":%lld,\"full_name\":\"" REPO "\",\"default_branch\":\"main\"},\"sender\":{\"login\":\"alice\",\"id\":7,"
				    "\"type\":\"User\"},\"ref\":\"%s\",\"before\":\"" SHA "\",\"after\":\"" SHA "\",\"deleted\":%s}",
				    (long long)s->w->r.repo_id, ref, deleted ? "true" : "false"));
}

static void decided(struct scene *s)
{
	decide_wake(s->d);
	for (int i = 0; i < 2000; i++) {
		if (rig_int(&s->w->r, "SELECT count(*) FROM delivery WHERE disposition IS NULL") == 0) {
			rig_settle(&s->w->r);
			return;
		}
		rig_pass(&s->w->r, 5);
	}
	fail_msg("not decided; the log:\n%s", buf_str(&s->w->r.log));
}

static const char *last(struct scene *s)
{
	decided(s);
	return rig_text(&s->w->r, "SELECT disposition FROM delivery ORDER BY id DESC LIMIT 1");
}

static const char *reply(struct scene *s) { return rig_text(&s->w->r, "SELECT body FROM effect WHERE kind=1 ORDER BY id DESC LIMIT 1"); }

static void quiet(struct scene *s)
{
	for (int i = 0; i < 1000 && runs_active(s->w->r.runs) != 0; i++)
		rig_pass(&s->w->r, 5);
	assert_int_equal(runs_active(s->w->r.runs), 0);
	rig_settle(&s->w->r);
}

/* ---- tests ---- */

static void what_is_ignored(void **state)
{
	struct scene *s = *state;
	arrive(s, "check_suite", xstrdup("{\"action\":\"requested\"}"));
	assert_string_equal(last(s), "ignored: nothing to do for this action");
	pull_event(s, "labeled", "");
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
	struct scene *s = *state;
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
		{"carol", "sluice cancel", "refused: carol has the role read", "`cancel` was not done"},
		{"alice", "sluice cancel", "cancel", NULL},
		{"carol", "sluice help", "help", "apply"},
		{"dave", "sluice version", "version", "sluice 1.2.3"},
		{"alice", "sluice plam", "help", "plam"},
	};
	struct scene *s = *state;
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
	struct scene *s = *state;
	world_faults(s->w, "permission=status:500");
	comment(s, "alice", "sluice unlock");
	assert_string_equal(last(s), "refused: alice has the role none");
	says(reply(s), "unknown is no");
	world_faults(s->w, "");
}

static void an_apply(void **state)
{
	struct scene *s = *state;
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
	says(reply(s), "its locks stay");
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
	says(reply(s), "Released 1 lock");
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM held"), 0);
}

static void closed(void **state)
{
	struct scene *s = *state;
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
	struct scene *s = *state;
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
	struct scene *s = *state;
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
	struct scene *s = *state;
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
	struct scene *s = *state;
	pull_event(s, "opened", "");
	comment(s, "dave", "sluice version");
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM delivery WHERE disposition IS NULL"), 2); /* nobody woke it */
	stop(s);
	rig_start(&s->w->r);
	start(s);
	decided(s);
	assert_string_equal(rig_text(&s->w->r, "SELECT group_concat(disposition, '; ') FROM (SELECT * FROM delivery ORDER BY id)"), "run 1; version");
	quiet(s);
	says(reply(s), "sluice 1.2.3");
}

static void stopped_while_it_asks(void **state)
{
	struct scene *s = *state;
	world_faults(s->w, "permission=delay:400,times=1");
	comment(s, "alice", "sluice version");
	decide_wake(s->d);
	rig_pass(&s->w->r, 60);
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM delivery WHERE disposition IS NULL"), 1);
	stop(s);
	rig_start(&s->w->r);
	start(s);
	assert_string_equal(last(s), "version");
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM effect WHERE kind=1"), 1);
}

static void stopped_while_it_yields(void **state)
{
	struct scene *s = *state;
	s->inflight = 100;
	pull_event(s, "opened", "");
	decide_wake(s->d); /* waits for a quiet turn */
	decide_close(s->d);
	rig_pass(&s->w->r, 5);
	s->inflight = 0;
	start(s);
	assert_string_equal(last(s), "run 1");
}

static void written_later(void **state)
{
	struct scene *s = *state;
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
	struct scene *s = *state;
	rig_exec(&s->w->r, "CREATE TEMP TRIGGER fault BEFORE UPDATE ON delivery WHEN new.id=2 BEGIN SELECT RAISE(ABORT, 'never'); END");
	for (int i = 0; i < 5; i++)
		push_event(s, "refs/heads/main", false);
	decide_wake(s->d);
	rig_pass(&s->w->r, 200);
	rig_settle(&s->w->r);
	assert_int_equal(rig_int(&s->w->r, "SELECT count(*) FROM delivery WHERE disposition IS NULL"), 1);
	assert_int_equal(rig_int(&s->w->r, "SELECT max(id) FROM delivery WHERE disposition IS NULL"), 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_ignored), T(what_is_planned), T(commands), T(role_not_known), T(an_apply), T(closed), T(pushes), T(joins), T(burst), T(replayed),
		T(stopped_while_it_asks), T(stopped_while_it_yields), T(written_later), T(one_that_cannot),
	};
	return cmocka_run_group_tests(tests, rig_warm_up, rig_cool_down);
}
