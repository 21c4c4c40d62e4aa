/* The client as an App against the simulated GitHub, which verifies every JWT and lets a token do only what it was minted for. */
#include "github/gh_priv.h"
#include "tests/component/sim_fixture.h"
#include "tests/component/sim_jwt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct bench {
	struct sim_fixture f;
	struct gh *gh;
	void (*jwt_done)(const char *jwt, const struct err *err, void *arg);
	void *jwt_arg;
	struct buf audit; /* "+read -say ..." */
	bool done;
	struct buf told;
	char *token;
	int64_t id; /* of the last check or delivery */
};

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
	loop_post(b->f.l, sign, b);
}

static void minted(void *self, const char *repo, const char *purpose, const char *permissions, bool revoked)
{
	struct bench *b = self;
	assert_string_equal(repo, REPO);
	assert_non_null(permissions);
	buf_printf(&b->audit, "%c%s ", revoked ? '-' : '+', purpose);
}

static void start(struct bench *b)
{
	struct sim_app app = sim_jwt_app();
	*b = (struct bench){0};
	sim_fixture_start(&b->f, &(struct sim_options){.apps = &app, .apps_n = 1});
	struct gh_app ours = {.id = "123456", .jwt = jwt, .minted = minted, .self = b};
	b->gh = gh_new(b->f.l, &(struct gh_options){.api_url = sim_url(b->f.s), .app = &ours});
}

static void stop(struct bench *b)
{
	gh_close(b->gh);
	buf_free(&b->audit);
	buf_free(&b->told);
	free(b->token);
	sim_fixture_stop(&b->f);
}

static void on_answer(const struct gh_answer *a, void *arg)
{
	struct bench *b = arg;
	b->done = true;
	buf_reset(&b->told);
	buf_printf(&b->told, "%d/%d", a->r.err.code, a->r.status);
	if (a->r.err.code != 0)
		print_message("  %s\n", a->r.err.msg);
	if (a->user != NULL)
		buf_printf(&b->told, " %s", a->user->login);
	if (a->slug != NULL)
		buf_printf(&b->told, " %s", a->slug);
	if (a->rules != NULL)
		buf_printf(&b->told, " approvals=%lld", (long long)a->rules->approvals);
	if (a->threads != NULL)
		buf_printf(&b->told, " threads=%lld", (long long)a->threads->total);
	if (a->deliveries != NULL)
		buf_printf(&b->told, " deliveries=%zu", a->deliveries->n);
	if (a->delivery != NULL)
		buf_printf(&b->told, " %s %s", a->delivery->event, strstr(a->delivery->payload, "\"number\":1") != NULL ? "#1" : "?");
	b->id = a->deliveries != NULL && a->deliveries->n > 0 ? a->deliveries->v[0].id : a->id;
	if (a->token != NULL)
		b->token = xstrdup(a->token);
}

static void expect(struct bench *b, const char *want)
{
	assert_true(loop_run_until(b->f.l, &b->done, 10000));
	assert_string_equal(buf_str(&b->told), want);
	b->done = false;
}

static void settle(struct bench *b)
{
	const bool never = false;
	for (int i = 0; i < 400 && b->gh->flows != NULL; i++)
		(void)loop_run_until(b->f.l, &never, 2); /* false as it must be */
	assert_null(b->gh->flows);
}

/* Everything the gate reads, everything we say and a merge, each with a token that may do no more. */
static void permissions_are_enough(void **state)
{
	struct bench b;
	(void)state;
	start(&b);
	gh_get_app(b.gh, on_answer, &b);
	expect(&b, "0/200 our-app");
	gh_get_pull(b.gh, REPO, 1, on_answer, &b);
	expect(&b, "0/200");
	gh_get_self(b.gh, on_answer, &b);
	expect(&b, "0/200 our-app[bot]");
	gh_get_reviews(b.gh, REPO, 1, on_answer, &b);
	expect(&b, "0/200");
	gh_get_commits(b.gh, REPO, 1, on_answer, &b);
	expect(&b, "0/200");
	gh_get_rules(b.gh, REPO, "main", on_answer, &b);
	expect(&b, "0/200 approvals=0");
	gh_get_classic(b.gh, REPO, "main", on_answer, &b);
	expect(&b, "0/200 approvals=1");
	gh_get_protection(b.gh, REPO, "main", on_answer, &b);
	expect(&b, "0/200");
	gh_get_checks(b.gh, REPO, b.f.head, "sluice", on_answer, &b);
	expect(&b, "0/200");
	gh_get_deployments(b.gh, REPO, b.f.head, on_answer, &b);
	expect(&b, "0/200");
	gh_get_permission(b.gh, REPO, "alice", on_answer, &b);
	expect(&b, "0/200");
	gh_get_threads(b.gh, REPO, 1, on_answer, &b);
	expect(&b, "0/200 threads=0");
	assert_string_equal(buf_str(&b.audit), "+read ");
	gh_post_comment(b.gh, REPO, 1, "hello", on_answer, &b);
	expect(&b, "0/201 our-app[bot]");
	gh_post_status(b.gh, REPO, b.f.head, "sluice/a", "success", NULL, NULL, on_answer, &b);
	expect(&b, "0/201");
	assert_string_equal(buf_str(&b.audit), "+read +say ");
	assert_int_equal(sim_review(b.f.s, REPO, 1, "bob", "APPROVE", NULL, &b.f.err), 0);
	gh_merge(b.gh, REPO, 1, b.f.head, NULL, GH_ANY_METHOD, on_answer, &b);
	expect(&b, "0/200");
	settle(&b);
	assert_string_equal(buf_str(&b.audit), "+read +say +merge -merge ");
	gh_give_back(b.gh);
	settle(&b);
	assert_int_equal(strlen(buf_str(&b.audit)), strlen("+read +say +merge -merge -say -read "));
	stop(&b);
}

static void checks(void **state)
{
	struct bench b;
	struct gh_check c = {.name = "sluice", .external_id = "r9", .status = "in_progress", .title = "Planning", .summary = "s"};
	(void)state;
	start(&b);
	c.head_sha = b.f.head;
	gh_find_check(b.gh, REPO, b.f.head, "sluice", "r9", on_answer, &b);
	expect(&b, "0/200");
	assert_int_equal(b.id, 0);
	gh_post_check(b.gh, REPO, &c, on_answer, &b);
	expect(&b, "0/201");
	int64_t made = b.id;
	gh_find_check(b.gh, REPO, b.f.head, "sluice", "r9", on_answer, &b);
	expect(&b, "0/200");
	assert_true(made > 0 && b.id == made);
	gh_find_check(b.gh, REPO, b.f.head, "sluice", "r10", on_answer, &b);
	expect(&b, "0/200");
	assert_int_equal(b.id, 0);
	c.status = "completed";
	c.conclusion = "success";
	gh_edit_check(b.gh, REPO, made, &c, on_answer, &b);
	expect(&b, "0/200");
	assert_int_equal(b.id, made);
	stop(&b);
}

static void the_delivery_log(void **state)
{
	struct bench b;
	(void)state;
	start(&b);
	gh_list_deliveries(b.gh, 0, on_answer, &b);
	assert_true(loop_run_until(b.f.l, &b.done, 10000));
	assert_true(strncmp(buf_str(&b.told), "0/200 deliveries=", 17) == 0 && b.id > 0);
	b.done = false;
	gh_get_delivery(b.gh, b.id, on_answer, &b);
	expect(&b, "0/200 pull_request #1");
	stop(&b);
}

static void clone_tokens_only_read(void **state)
{
	struct bench b;
	(void)state;
	start(&b);
	gh_get_token(b.gh, REPO, GH_FOR_CLONE, on_answer, &b);
	expect(&b, "0/0");
	assert_non_null(b.token);
	assert_true(sim_fixture_call_as(&b.f, b.token, "POST", "/repos/" REPO "/issues/1/comments", "{\"body\":\"x\"}") == 403);
	assert_int_equal(sim_fixture_clone(&b.f, b.token, "git log --oneline | wc -l"), 0);
	gh_revoke_token(b.gh, b.token);
	settle(&b);
	assert_int_equal(sim_fixture_call_as(&b.f, b.token, "GET", "/repos/" REPO, NULL), 401);
	stop(&b);
}

static void tokens_that_end_are_renewed(void **state)
{
	struct bench b;
	(void)state;
	start(&b);
	sim_token_life(b.f.s, 1); /* the client believes in two minutes at least and meets a 401 */
	gh_get_pull(b.gh, REPO, 1, on_answer, &b);
	assert_true(loop_run_until(b.f.l, &b.done, 10000));
	b.done = false;
	sim_token_life(b.f.s, 3600 * 1000);
	gh_get_pull(b.gh, REPO, 1, on_answer, &b);
	expect(&b, "0/200");
	stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(permissions_are_enough), cmocka_unit_test(checks), cmocka_unit_test(the_delivery_log),
					   cmocka_unit_test(clone_tokens_only_read),
					   cmocka_unit_test(tokens_that_end_are_renewed)};
	return cmocka_run_group_tests_name("the App against cmd/sim", tests, sim_fixture_warm_up, NULL);
}
