/* ok-to-plan and what may happen beside it: a push or a change of base between the comment and its reading, a role that is taken away, a crash, and
 * what plans again by itself. */
#include "tests/component/inbox.h"

struct fork {
	struct inbox *s;
	char head[SIM_SHA_SIZE];
};

static void push(struct fork *f, const char *text)
{
	struct err err = {0};
	struct sim_file file = {.path = "net/main.tf", .content = text};
	sim_must(sim_commit(f->s->w->sim, REPO, "mallory:change", "mallory", "Change it", &file, 1, f->head, &err), &err);
}

static int setup(void **state)
{
	struct fork *f = xcalloc(1, sizeof(*f));
	struct err err = {0};
	f->s = inbox_open(NULL);
	sim_must(sim_permission(f->s->w->sim, REPO, "mallory", "read", &err), &err);
	push(f, "# one");
	struct sim_pr_new p = {.repo = REPO, .user = "mallory", .title = "Change", .head = "mallory:change"};
	sim_must(sim_pr_open(f->s->w->sim, &p, &f->s->w->pull, &err), &err);
	pull_event(f->s, "opened", "");
	decided(f->s);
	quiet(f->s);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fork *f = *state;
	inbox_close(f->s);
	free(f);
	return 0;
}

static void ok(struct fork *f, const char *who, const char *sha)
{
	CLEANUP_FREE char *text = xasprintf("ok-to-plan %s", sha);
	comment(f->s, who, text);
	decided(f->s);
}

static int64_t starts(struct fork *f) { return rig_int(&f->s->w->r, "SELECT count(*) FROM job"); }

/* The rows of plan_ok and of the audit log: never one without the other. */
static int64_t oks(struct fork *f)
{
	int64_t n = rig_int(&f->s->w->r, "SELECT count(*) FROM plan_ok");
	assert_int_equal(rig_int(&f->s->w->r, "SELECT count(DISTINCT json_extract(detail, '$.head')||json_extract(detail, '$.base')) FROM audit WHERE kind='ok-to-plan'"), n);
	return n;
}

static void opened(void **state)
{
	struct fork *f = *state;
	CLEANUP_FREE char *wanted = xasprintf("comments `ok-to-plan %s`", f->head);
	says(world_owed(f->s->w), wanted);
	says(world_owed(f->s->w), "from a fork, not planned: waits for an ok-to-plan");
	says(world_status(f->s->w), "failure: from a fork, not planned: waits for an ok-to-plan");
	assert_int_equal(rig_prepare_count(&f->s->w->r), 0); /* nothing was fetched */
	ok(f, "mallory", f->head);
	says(last(f->s), "refused: mallory has the role read");
	ok(f, "carol", f->head);
	says(reply(f->s), "`ok-to-plan` was not done: it needs the role `apply`");
	comment(f->s, "bob", "plan");
	quiet(f->s);
	assert_int_equal(starts(f) + oks(f), 0);
	ok(f, "bob", f->head);
	quiet(f->s);
	assert_int_equal(starts(f), 1);
	assert_int_equal(oks(f), 1);
	says(world_status(f->s->w), "success");
}

static void a_push_between_comment_and_reading(void **state)
{
	struct fork *f = *state;
	char read[SIM_SHA_SIZE];
	(void)snprintf(read, sizeof(read), "%s", f->head); /* as long */
	push(f, "# two");
	ok(f, "bob", read); /* its webhook comes before that of the push */
	quiet(f->s);
	assert_int_equal(starts(f) + oks(f), 0);
	CLEANUP_FREE char *wanted = xasprintf("read its changes, then comment `ok-to-plan %s`", f->head);
	says(world_owed(f->s->w), wanted);
	/* the first digits of the new head, which nobody could have read when the comment was written */
	CLEANUP_FREE char *few = xstrndup(f->head, 7);
	ok(f, "bob", few);
	quiet(f->s);
	assert_int_equal(starts(f), 0);
	assert_int_equal(oks(f), 0);
}

static void a_push_under_the_plan(void **state)
{
	struct fork *f = *state;
	f->s->w->r.plan_play = PLAY_HOLD;
	ok(f, "bob", f->head);
	assert_true(rig_started(&f->s->w->r, "net", PHASE_PLAN));
	push(f, "# two");
	pull_event(f->s, "synchronize", "");
	decided(f->s);
	quiet(f->s);
	assert_int_equal(starts(f), 1);
	assert_string_equal(rig_text(&f->s->w->r, "SELECT state FROM job"), "cancelled");
	CLEANUP_FREE char *wanted = xasprintf("comments `ok-to-plan %s`", f->head);
	says(world_owed(f->s->w), wanted);
}

static void a_role_that_is_gone_when_it_is_read(void **state)
{
	struct fork *f = *state;
	struct err err = {0};
	world_faults(f->s->w, "pull=delay:400"); /* the run reads the pull request, then the role */
	ok(f, "bob", f->head);
	sim_must(sim_permission(f->s->w->sim, REPO, "bob", "read", &err), &err);
	quiet(f->s);
	assert_int_equal(starts(f) + oks(f), 0);
	says(world_owed(f->s->w), "needs the role `apply`");
}

static void another_base(void **state)
{
	struct fork *f = *state;
	struct err err = {0};
	world_push(f->s->w, "release", "# release");
	ok(f, "bob", f->head);
	quiet(f->s);
	assert_int_equal(starts(f), 1);
	sim_must(sim_pr_edit(f->s->w->sim, REPO, f->s->w->pull, "mallory", NULL, "release", &err), &err);
	pull_event(f->s, "edited", ",\"x\":1");
	comment(f->s, "bob", "plan");
	decided(f->s);
	quiet(f->s);
	assert_int_equal(starts(f), 1);
	says(world_owed(f->s->w), "waits for an ok-to-plan");
	ok(f, "bob", f->head);
	quiet(f->s);
	assert_int_equal(starts(f), 2);
	assert_int_equal(oks(f), 2);
}

/* What begins by itself asks, too. */
static void planned_again_by_itself(void **state)
{
	struct fork *f = *state;
	ok(f, "bob", f->head);
	quiet(f->s);
	is_in_state(rig_over(&f->s->w->r, rig_run(&f->s->w->r, RUN_PLAN, f->s->w->pull, NULL)), RUN_DONE);
	assert_int_equal(starts(f), 2);
	push(f, "# two");
	is_in_state(rig_over(&f->s->w->r, rig_run(&f->s->w->r, RUN_PLAN, f->s->w->pull, NULL)), RUN_REFUSED);
	assert_int_equal(starts(f), 2);
	inbox_stop(f->s); /* a restart changes nothing */
	rig_start(&f->s->w->r);
	inbox_start(f->s);
	is_in_state(rig_over(&f->s->w->r, rig_run(&f->s->w->r, RUN_PLAN, f->s->w->pull, NULL)), RUN_REFUSED);
	assert_int_equal(starts(f), 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(opened), T(a_push_between_comment_and_reading), T(a_push_under_the_plan), T(a_role_that_is_gone_when_it_is_read),
					   T(another_base), T(planned_again_by_itself)};
	return cmocka_run_group_tests(tests, rig_warm_up, rig_cool_down);
}
