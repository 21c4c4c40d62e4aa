/* The Nth request goes wrong, for every N and in every way: each call is answered once, what was begun goes on, and no token stays behind. */
#include "base/clock.h"
#include "tests/support/app_github.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NOW INT64_C(1800000000000)

enum { CALLS = 8 };

static void answers(const struct double_request *rq, struct double_answer *ret, void *arg)
{
	(void)arg;
	if (strcmp(rq->path, "/app") == 0)
		buf_adds(&ret->body, "{\"id\":4711,\"slug\":\"s\"}");
	else if (strcmp(rq->path, "/graphql") == 0)
		buf_adds(&ret->body, "{\"data\":{\"repository\":{\"pullRequest\":{\"headRefOid\":\"" SHA_A "\",\"reviewThreads\":{\"nodes\":[],\"pageInfo\":{\"hasNextPage\":false}}}}}}");
	else if (strstr(rq->path, "/users/") != NULL)
		buf_adds(&ret->body, "{\"id\":99,\"login\":\"s[bot]\"}");
	else if (strstr(rq->path, "/merge") != NULL)
		buf_adds(&ret->body, "{\"sha\":\"" SHA_A "\"}");
	else if (strstr(rq->path, "/deployments?") != NULL)
		buf_adds(&ret->body, "[{\"id\":1,\"environment\":\"test\"}]");
	else if (strstr(rq->path, "/statuses?") != NULL || strstr(rq->path, "/rules/") != NULL)
		buf_adds(&ret->body, "[]");
	else
		buf_adds(&ret->body, "{\"id\":5,\"full_name\":\"R\"}");
	ret->headers = strcmp(rq->method, "GET") == 0 ? "ETag: \"e\"\r\n" : NULL;
}

static void start_everything(struct app_github *g, struct app_told t[CALLS])
{
	gh_get_repo(g->gh, "acme/infra", app_told_cb, &t[0]);
	gh_get_self(g->gh, app_told_cb, &t[1]);
	gh_post_comment(g->gh, "acme/infra", 7, "x", app_told_cb, &t[2]);
	gh_merge(g->gh, "acme/infra", 7, SHA_A, NULL, GH_ANY_METHOD, app_told_cb, &t[3]);
	gh_get_token(g->gh, "acme/infra", GH_FOR_CLONE, app_told_cb, &t[4]);
	gh_get_deployments(g->gh, "else/infra", SHA_A, app_told_cb, &t[5]);
	gh_get_threads(g->gh, "acme/infra", 7, app_told_cb, &t[6]);
	gh_get_rules(g->gh, "else/infra", "main", app_told_cb, &t[7]);
}

/* All kinds of calls at once, in two repositories, and a clone that ends. */
static void do_everything(struct app_github *g, struct app_told t[CALLS])
{
	start_everything(g, t);
	for (int i = 0; i < CALLS; i++)
		app_wait(g, &t[i]);
	gh_revoke_token(g->gh, t[4].token); /* NULL when there was none */
}

static void settle(struct app_github *g)
{
	const bool never = false;
	for (int i = 0; i < 800 && g->gh->flows != NULL; i++) /* a token that was given up may still be on its way to us, and back */
		(void)loop_run_until(g->loop, &never, 1); /* false as it must be */
	assert_null(g->gh->flows);
	assert_false(gh_giving_back(g->gh));
}

/* False: the request that was to go wrong was never reached. */
static bool one(enum app_fault fault, size_t at)
{
	struct app_github g;
	struct app_told t[CALLS] = {{0}}, again = {0};
	app_github_open(&g);
	clock_fake_set(NOW);
	g.other = answers;
	g.fault = fault;
	g.fault_at = at;
	do_everything(&g, t);
	bool reached = g.requests >= at;
	clock_fake_advance(2000); /* whatever pause was asked for is over */
	gh_get_repo(g.gh, "acme/infra", app_told_cb, &again);
	app_wait(&g, &again);
	if (again.code != 0)
		fail_msg("fault %d at %zu: the next read fails: %s", (int)fault, at, again.err.msg);
	settle(&g);
	gh_give_back(g.gh);
	settle(&g);
	size_t alive = 0;
	for (size_t i = 0; i < g.tokens_n; i++)
		alive += !g.tokens[i].dead && !g.tokens[i].unknown;
	/* giving back may fail for good, too: then that one token ends by itself */
	if (alive > (fault != APP_RESET && fault != APP_LOST && fault != APP_502 && g.requests >= at ? 1 : 0))
		fail_msg("fault %d at %zu leaves %zu tokens:\n%s", (int)fault, at, alive, buf_str(&g.log));
	assert_int_equal(g.gh->on_wire, 0);
	assert_null(g.gh->flows);
	for (int i = 0; i < CALLS; i++)
		app_told_free(&t[i]);
	app_told_free(&again);
	app_github_close(&g);
	clock_fake_off();
	return reached;
}

static void test_every_request_every_way(void **state)
{
	(void)state;
	for (int fault = 0; fault < APP_FAULTS; fault++) {
		size_t at = 1;
		while (one((enum app_fault)fault, at))
			at++;
		print_message("fault %d: %zu requests\n", fault, at - 1);
		assert_true(at > 15);
	}
}

/* --- leaving at the Nth request -------------------------------------------------------------------------------------------------------- */

struct leaving {
	struct app_told t[CALLS];
	size_t at;
	int which; /* call that is cancelled; CALLS: the client is closed */
};

static struct leaving *leaving; /* of this test; the double knows only its own struct */

static void leave(struct app_github *g)
{
	if (g->requests != leaving->at || g->gh == NULL)
		return;
	if (leaving->which < CALLS) {
		gh_cancel(g->gh, &leaving->t[leaving->which]);
		return;
	}
	gh_close(g->gh);
	g->gh = NULL;
}

static bool all_done(const struct leaving *l)
{
	for (int i = 0; i < CALLS; i++)
		if (!l->t[i].done && i != l->which)
			return false;
	return true;
}

static bool leave_at(size_t at, int which)
{
	struct app_github g;
	struct leaving l = {.at = at, .which = which};
	const bool never = false;
	app_github_open(&g);
	g.other = answers;
	g.on_request = leave;
	leaving = &l;
	start_everything(&g, l.t);
	for (int i = 0; i < 2000 && g.gh != NULL && !all_done(&l); i++)
		(void)loop_run_until(g.loop, &never, 1); /* false as it must be */
	assert_true(g.gh == NULL || all_done(&l)); /* the others do not mind */
	g.on_request = NULL;
	if (g.gh != NULL) {
		gh_revoke_token(g.gh, l.t[4].token);
		settle(&g);
		gh_give_back(g.gh);
		settle(&g);
		assert_null(g.gh->flows);
		for (size_t i = 0; i < g.tokens_n; i++)
			assert_true(g.tokens[i].dead);
	}
	for (int i = 0; i < CALLS; i++)
		app_told_free(&l.t[i]);
	bool reached = g.requests >= at;
	app_github_close(&g);
	return reached;
}

static void test_leaving_at_every_request(void **state)
{
	(void)state;
	static const int whiches[] = {0, 3, 4, CALLS}; /* a shared token, a merge's own, a clone's, and the end of the client */
	for (size_t i = 0; i < ARRAY_LEN(whiches); i++) {
		size_t at = 1;
		while (leave_at(at, whiches[i]))
			at++;
		assert_true(at > 10);
	}
}

/* --- anything at any time ---------------------------------------------------------------------------------------------------------------- */

static void soak(uint64_t seed)
{
	struct app_github g;
	struct app_told t[3][CALLS] = {{{0}}};
	app_github_open(&g);
	clock_fake_set(NOW);
	g.other = answers;
	g.seed = seed;
	g.gh->wire_max = 1 + (unsigned)(app_github_dice(&g) % 4);
	for (int round = 0; round < 3; round++) {
		start_everything(&g, t[round]);
		int gone = (int)(app_github_dice(&g) % CALLS);
		gh_cancel(g.gh, &t[round][gone]);
		for (int i = 0; i < CALLS; i++)
			if (i != gone)
				app_wait(&g, &t[round][i]);
		gh_revoke_token(g.gh, t[round][4].token);
		clock_fake_advance((int64_t)(app_github_dice(&g) % 3) * 30 * 60 * 1000); /* renewed, swept, or neither */
		gh_auth_sweep(g.gh->auth);
	}
	settle(&g);
	gh_give_back(g.gh);
	settle(&g);
	assert_int_equal(g.gh->on_wire, 0);
	assert_null(g.gh->turn_first);
	assert_null(g.gh->flows);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < CALLS; i++)
			app_told_free(&t[round][i]);
	app_github_close(&g);
	clock_fake_off();
}

static void test_many_seeds(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++)
		soak(seed * UINT64_C(0x9e3779b97f4a7c15));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_request_every_way), cmocka_unit_test(test_leaving_at_every_request),
					  cmocka_unit_test(test_many_seeds)};
	return cmocka_run_group_tests_name("github/gh_faults", tests, NULL, NULL);
}
