/* What GitHub did not tell: open pull requests without a plan, pull requests that were closed meanwhile, and the App's log of deliveries. */
#include "tests/component/inbox.h"
#include "tests/component/sim_jwt.h"
#include "webhooks/reconcile.h"

enum { EVERY_MS = 40 };

struct bench {
	struct inbox *s;
	struct reconcile *rc;
	struct gh *app; /* NULL: with the token of the rig */
	void (*jwt_done)(const char *jwt, const struct err *err, void *arg);
	void *jwt_arg;
	int64_t before; /* rounds */
};

/* ---- the App ---- */

static void sign(void *arg)
{
	struct bench *b = arg;
	struct err fine = {0};
	CLEANUP_FREE char *jwt = sim_jwt("\"123456\"", -60, 480);
	b->jwt_done(jwt, &fine, b->jwt_arg);
}

static void jwt(void *self, void (*done)(const char *jwt, const struct err *err, void *arg), void *arg)
{
	struct bench *b = self;
	b->jwt_done = done;
	b->jwt_arg = arg;
	loop_post(b->s->w->l, sign, b);
}

static void minted(void *self, const char *repo, const char *purpose, const char *permissions, bool revoked)
{
	(void)self;
	(void)purpose;
	(void)permissions;
	(void)revoked;
	assert_string_equal(repo, REPO);
}

static void be_an_app(struct bench *b)
{
	struct err err = {0};
	struct sim_app app = sim_jwt_app();
	sim_must(sim_app_add(b->s->w->sim, &app, &err), &err);
	sim_set_webhook(b->s->w->sim, "http://127.0.0.1:9/nobody", "x"); /* every delivery is lost */
	struct gh_app ours = {.id = "123456", .jwt = jwt, .minted = minted, .self = b};
	b->app = gh_new(b->s->w->l, &(struct gh_options){.api_url = sim_url(b->s->w->sim), .app = &ours});
}

/* ---- rounds ---- */

static int setup(void **state)
{
	struct bench *b = xcalloc(1, sizeof(*b));
	b->s = inbox_open(NULL);
	b->s->w->r.config.reconcile_ms = EVERY_MS;
	*state = b;
	return 0;
}

static int setup_app(void **state)
{
	int rc = setup(state);
	be_an_app(*state);
	return rc;
}

static void begin(struct bench *b)
{
	struct rig *r = &b->s->w->r;
	struct reconcile_options o = {.loop = r->l, .db = r->db, .gh = b->app != NULL ? b->app : r->gh, .outbox = r->outbox, .runs = r->runs, .decide = b->s->d,
				      .config = &r->config};
	b->rc = reconcile_new(&o);
}

static int teardown(void **state)
{
	struct bench *b = *state;
	rig_settle(&b->s->w->r);
	reconcile_close(b->rc);
	if (b->app != NULL) {
		decided(b->s);
		quiet(b->s);
		gh_close(b->app);
	}
	inbox_close(b->s);
	free(b);
	return 0;
}

/* n whole rounds from now on, and whatever they started is over. */
static void rounds(struct bench *b, uint64_t n)
{
	uint64_t until = reconcile_counts(b->rc)->rounds + n + 1; /* one may be under way */
	for (int i = 0; i < 2000 && reconcile_counts(b->rc)->rounds < until; i++)
		rig_pass(&b->s->w->r, 5);
	assert_true(reconcile_counts(b->rc)->rounds >= until);
	quiet(b->s);
}

static void plan_it(struct bench *b)
{
	pull_event(b->s, "opened", "");
	decided(b->s);
	quiet(b->s);
}

static const char *runs_of(struct bench *b)
{
	return rig_text(&b->s->w->r, "SELECT coalesce(group_concat(pull||' '||kind||' '||state, '; '), '') FROM (SELECT * FROM run ORDER BY id)");
}

/* ---- open pull requests ---- */

static void a_head_is_planned_once(void **state)
{
	struct bench *b = *state;
	plan_it(b);
	int64_t second = world_pull(b->s->w, "second", false), draft = world_pull(b->s->w, "third", true);
	begin(b);
	rounds(b, 1);
	assert_string_equal(runs_of(b), "1 plan done; 2 plan done");
	assert_int_equal(second, 2);
	assert_int_equal(draft, 3);
	world_push(b->s->w, "change", "pushed while nobody listened");
	rounds(b, 1);
	assert_string_equal(runs_of(b), "1 plan done; 2 plan done; 1 plan done");
	rounds(b, 5);
	assert_string_equal(runs_of(b), "1 plan done; 2 plan done; 1 plan done");
	assert_int_equal(reconcile_counts(b->rc)->plans, 2);
	assert_int_equal(reconcile_counts(b->rc)->closed, 0);
}

/* Whatever became of the plan of a head: the head has had its plan. */
static void in_every_state(void **state)
{
	static const char *const states[] = {"done", "failed", "refused", "superseded", "cancelled"};
	struct bench *b = *state;
	plan_it(b);
	begin(b);
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		CLEANUP_FREE char *sql = xasprintf("UPDATE run SET state='%s'", states[i]);
		rig_exec(&b->s->w->r, sql);
		rounds(b, 2);
		assert_int_equal(rig_int(&b->s->w->r, "SELECT count(*) FROM run"), 1);
	}
	assert_int_equal(reconcile_counts(b->rc)->plans, 0);
}

/* It never learned its head: again after an hour, three times in a row at most. */
static void without_a_head(void **state)
{
	struct bench *b = *state;
	struct rig *r = &b->s->w->r;
	plan_it(b);
	rig_exec(r, "UPDATE run SET head_sha=NULL, state='failed'");
	begin(b);
	rounds(b, 2);
	assert_string_equal(runs_of(b), "1 plan failed");
	rig_exec(r, "INSERT INTO run(id,token,repo_id,repo,pull,kind,state,created_ms,finished_ms) SELECT 900+n,'t'||n,repo_id,repo,pull,kind,state,1,1"
		    " FROM run, (SELECT 1 AS n UNION SELECT 2)");
	rig_exec(r, "UPDATE run SET created_ms=created_ms-3700000");
	rounds(b, 2);
	assert_string_equal(runs_of(b), "1 plan failed; 1 plan failed; 1 plan failed");
	rig_exec(r, "DELETE FROM run WHERE id=902");
	rounds(b, 2);
	assert_string_equal(runs_of(b), "1 plan failed; 1 plan failed; 1 plan done");
}

/* ---- closed without a word ---- */

static void closed(void **state)
{
	struct bench *b = *state;
	struct err err = {0};
	plan_it(b);
	sim_must(sim_pr_act(b->s->w->sim, REPO, b->s->w->pull, "alice", "closed", &err), &err);
	begin(b);
	rounds(b, 3);
	assert_int_equal(reconcile_counts(b->rc)->closed, 1);
	assert_int_equal(rig_int(&b->s->w->r, "SELECT closed FROM run"), 1);
	assert_string_equal(runs_of(b), "1 plan done");
	sim_must(sim_pr_act(b->s->w->sim, REPO, b->s->w->pull, "alice", "reopened", &err), &err);
	rounds(b, 3);
	assert_string_equal(runs_of(b), "1 plan done; 1 plan done"); /* and that, too, once */
	assert_int_equal(reconcile_counts(b->rc)->closed, 1);
}

static void merged(void **state)
{
	struct bench *b = *state;
	struct err err = {0};
	plan_it(b);
	world_approve(b->s->w, b->s->w->pull);
	sim_must(sim_merge(b->s->w->sim, REPO, b->s->w->pull, "bob", "merge", &err), &err);
	begin(b);
	rounds(b, 4);
	assert_int_equal(reconcile_counts(b->rc)->closed, 1);
	assert_int_equal(rig_int(&b->s->w->r, "SELECT count(*) FROM run WHERE kind='apply' AND after_merge=1 AND merge_sha IS NOT NULL"), 1);
	assert_int_equal(rig_int(&b->s->w->r, "SELECT count(*) FROM run"), 2);
}

/* One list that never comes holds up no other repository. */
static void one_that_never_answers(void **state)
{
	struct bench *b = *state;
	struct rig *r = &b->s->w->r;
	plan_it(b);
	/* of an id before ours, so that it is asked first; its name leads nowhere */
	rig_exec(r, "INSERT INTO run(id,token,repo_id,repo,pull,kind,state,created_ms,finished_ms,closed) VALUES(900,'t',1,'acme/nowhere',1,'plan','done',1,1,1)");
	world_push(b->s->w, "change", "pushed while nobody listened");
	world_faults(b->s->w, "pulls=status:502");
	begin(b);
	for (int i = 0; i < 400 && reconcile_counts(b->rc)->rounds == 0; i++)
		rig_pass(r, 2);
	world_faults(b->s->w, "");
	for (int i = 0; i < 400 && reconcile_counts(b->rc)->plans == 0; i++)
		rig_pass(r, 2);
	assert_int_equal(reconcile_counts(b->rc)->calls, 2); /* the other one at once */
	rounds(b, 3);
	assert_int_equal(reconcile_counts(b->rc)->plans, 1);
}

static void stopped_at_work(void **state)
{
	struct bench *b = *state;
	plan_it(b);
	begin(b);
	rounds(b, 0);
	world_faults(b->s->w, "pulls=delay:300");
	for (int i = 0; i < 30; i++)
		rig_pass(&b->s->w->r, 5); /* a list is on its way */
	rig_settle(&b->s->w->r);
	reconcile_close(b->rc);
	b->rc = NULL;
	world_faults(b->s->w, "");
	rig_pass(&b->s->w->r, 400);
}

/* ---- the App's log ---- */

static void the_log(void **state)
{
	struct bench *b = *state;
	struct rig *r = &b->s->w->r;
	struct err err = {0};
	begin(b);
	rounds(b, 1); /* nothing was missed by a server that has just begun */
	assert_int_equal(rig_int(r, "SELECT count(*) FROM delivery_log"), 1);
	assert_int_equal(reconcile_counts(b->rc)->deliveries, 0);
	plan_it(b);
	rig_pass(r, 1100); /* a second on: the log has whole seconds */
	int64_t id = 0;
	sim_must(sim_comment(b->s->w->sim, REPO, b->s->w->pull, "alice", "sluice version", &id, &err), &err);
	for (int i = 0; i < 400 && reconcile_counts(b->rc)->deliveries == 0; i++)
		rig_pass(r, 10);
	rounds(b, 1);
	decided(b->s);
	assert_int_equal(rig_int(r, "SELECT count(*) FROM delivery WHERE disposition='version'"), 1);
	says(reply(b->s), "sluice 1.2.3");
	uint64_t n = reconcile_counts(b->rc)->deliveries, calls = reconcile_counts(b->rc)->calls, then = reconcile_counts(b->rc)->rounds;
	rounds(b, 3); /* the log still has it; it is on our disk */
	assert_int_equal(rig_int(r, "SELECT count(*) FROM delivery WHERE event='issue_comment' AND disposition='version'"), 1);
	assert_int_equal(rig_int(r, "SELECT count(*) FROM delivery"), b->s->sent + (int64_t)reconcile_counts(b->rc)->deliveries);
	assert_true(reconcile_counts(b->rc)->deliveries <= n + 3); /* what was said meanwhile */
	n = reconcile_counts(b->rc)->deliveries - n;
	assert_true(reconcile_counts(b->rc)->calls - calls <= 2 * (reconcile_counts(b->rc)->rounds - then + 1) + n); /* two lists a round, and each once */
	assert_true(rig_int(r, "SELECT seen_ms FROM delivery_log") > 0);
}

static void a_log_that_does_not_come(void **state)
{
	struct bench *b = *state;
	plan_it(b);
	rig_exec(&b->s->w->r, "INSERT INTO delivery_log(id, seen_ms) VALUES(1, 1)");
	world_push(b->s->w, "change", "pushed while nobody listened");
	world_faults(b->s->w, "deliveries=status:403");
	begin(b);
	rounds(b, 1);
	assert_int_equal(reconcile_counts(b->rc)->plans, 1); /* the pull requests are looked at all the same */
	assert_int_equal(reconcile_counts(b->rc)->deliveries, 0);
	world_faults(b->s->w, "");
}

#define T(f, setup) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_head_is_planned_once, setup), T(in_every_state, setup), T(without_a_head, setup), T(closed, setup), T(merged, setup),
		T(one_that_never_answers, setup), T(stopped_at_work, setup), T(the_log, setup_app), T(a_log_that_does_not_come, setup_app),
	};
	return cmocka_run_group_tests(tests, rig_warm_up, rig_cool_down);
}
