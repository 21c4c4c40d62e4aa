/* The life of an App's tokens: asked for once, shared, renewed, refused, given back; and what people are told when there is none. */
#include "base/clock.h"
#include "base/limits.h"
#include "github/auth_grant.h"
#include "tests/support/app_github.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NOW INT64_C(1800000000000)
#define LOOK(jwt) "GET /repos/acme/infra/installation " jwt "\n"
#define MINT(jwt) "POST /app/installations/77/access_tokens " jwt "\n"
#define READ_ALL                                                                                                                           \
	"\"metadata\":\"read\",\"contents\":\"read\",\"pull_requests\":\"read\",\"checks\":\"read\",\"statuses\":\"read\",\"members\":\"read\","   \
	"\"deployments\":\"read\",\"merge_queues\":\"read\",\"administration\":\"read\""

static void open_bench(struct app_github *g)
{
	app_github_open(g);
	clock_fake_set(NOW);
}

static void close_bench(struct app_github *g)
{
	app_github_close(g);
	clock_fake_off();
}

/* One read of acme/infra, told as "CODE/STATUS". */
static void read_repo(struct app_github *g, const char *repo, int code)
{
	struct app_told t = {0};
	gh_get_repo(g->gh, repo, app_told_cb, &t);
	assert_false(t.done);
	app_wait(g, &t);
	assert_int_equal(t.code, code);
	app_told_free(&t);
}

static void expect_log(struct app_github *g, const char *want)
{
	assert_string_equal(buf_str(&g->log), want);
	buf_reset(&g->log);
}

static void settle(struct app_github *g)
{
	const bool never = false;
	for (int i = 0; i < 100 && gh_giving_back(g->gh); i++)
		(void)loop_run_until(g->loop, &never, 5); /* false as it must be */
	assert_false(gh_giving_back(g->gh));
}

static void test_minted_once_and_shared(void **state)
{
	(void)state;
	struct app_github g;
	struct app_told a = {0}, b = {0}, c = {0};
	open_bench(&g);
	assert_true(gh_is_app(g.gh));
	gh_get_repo(g.gh, "acme/infra", app_told_cb, &a);
	gh_get_repo(g.gh, "ACME/Infra", app_told_cb, &b); /* names of repositories ignore case */
	app_wait(&g, &a);
	app_wait(&g, &b);
	assert_int_equal(a.code + b.code, 0);
	expect_log(&g, LOOK("jwt1") MINT("jwt1") "GET /repos/acme/infra t1\nGET /repos/ACME/Infra t1\n");
	assert_string_equal(buf_str(&g.bodies), "{\"repositories\":[\"infra\"],\"permissions\":{" READ_ALL "}}\n");
	assert_string_equal(buf_str(&g.audit), "+read acme/infra\n");
	/* what we say has its own token; the installation is known by now */
	buf_reset(&g.bodies);
	gh_post_status(g.gh, "acme/infra", SHA_A, "c", "success", NULL, NULL, app_told_cb, &c);
	app_wait(&g, &c);
	expect_log(&g, MINT("jwt1") "POST /repos/acme/infra/statuses/" SHA_A " t2\n");
	assert_string_equal(buf_str(&g.bodies), "{\"repositories\":[\"infra\"],\"permissions\":{\"pull_requests\":\"write\",\"issues\":\"write\","
						"\"checks\":\"write\",\"statuses\":\"write\"}}\n");
	close_bench(&g);
}

static void test_renewed_and_given_back(void **state)
{
	(void)state;
	struct app_github g;
	open_bench(&g);
	read_repo(&g, "acme/infra", 0);
	expect_log(&g, LOOK("jwt1") MINT("jwt1") "GET /repos/acme/infra t1\n");
	clock_fake_advance(54 * 60 * 1000);
	read_repo(&g, "acme/infra", 0);
	expect_log(&g, "GET /repos/acme/infra t1\n");
	clock_fake_advance(61 * 1000); /* its last five minutes; the JWT ended long ago */
	read_repo(&g, "acme/infra", 0);
	expect_log(&g, MINT("jwt2") "GET /repos/acme/infra t2\n");
	clock_fake_advance(59 * 1000);
	gh_auth_sweep(g.gh->auth);
	assert_false(gh_giving_back(g.gh));
	clock_fake_advance(2 * 1000);
	gh_auth_sweep(g.gh->auth);
	assert_true(gh_giving_back(g.gh));
	settle(&g);
	expect_log(&g, "DELETE /installation/token t2\n");
	assert_string_equal(buf_str(&g.audit), "+read acme/infra\n+read acme/infra\n-read acme/infra\n");
	read_repo(&g, "acme/infra", 0); /* the installation is still known */
	expect_log(&g, MINT("jwt2") "GET /repos/acme/infra t3\n");
	/* after an hour of silence that is forgotten, too */
	clock_fake_advance(61 * 60 * 1000);
	gh_auth_sweep(g.gh->auth);
	expect_log(&g, ""); /* a token that ended by itself needs no giving back */
	gh_auth_sweep(g.gh->auth);
	read_repo(&g, "acme/infra", 0);
	expect_log(&g, LOOK("jwt3") MINT("jwt3") "GET /repos/acme/infra t4\n");
	close_bench(&g);
}

static void test_refused_token_is_replaced_once(void **state)
{
	(void)state;
	struct app_github g;
	struct app_told t = {0};
	open_bench(&g);
	read_repo(&g, "acme/infra", 0);
	buf_reset(&g.log);
	g.tokens[0].dead = true;
	read_repo(&g, "acme/infra", 0);
	expect_log(&g, "GET /repos/acme/infra t1\n" LOOK("jwt1") MINT("jwt1") "GET /repos/acme/infra t2\n");
	/* a write, too: a 401 did nothing there */
	gh_post_comment(g.gh, "acme/infra", 7, "x", app_told_cb, &t);
	app_wait(&g, &t);
	buf_reset(&g.log);
	app_told_free(&t);
	g.tokens[2].dead = true;
	gh_post_comment(g.gh, "acme/infra", 7, "x", app_told_cb, &t);
	app_wait(&g, &t);
	assert_int_equal(t.code, 0);
	app_told_free(&t);
	expect_log(&g, "POST /repos/acme/infra/issues/7/comments t3\n" LOOK("jwt1") MINT("jwt1") "POST /repos/acme/infra/issues/7/comments t4\n");
	/* a JWT that is refused is signed again */
	g.jwt_refused = 1;
	g.tokens[1].dead = true;
	read_repo(&g, "acme/infra", 0);
	expect_log(&g, "GET /repos/acme/infra t2\n" LOOK("jwt1") LOOK("jwt2") MINT("jwt2") "GET /repos/acme/infra t5\n");
	close_bench(&g);
}

static void always_401(const struct double_request *rq, struct double_answer *ret, void *arg)
{
	(void)rq, (void)arg;
	ret->status = 401;
}

static void test_refused_twice_is_told(void **state)
{
	(void)state;
	struct app_github g;
	open_bench(&g);
	g.other = always_401;
	read_repo(&g, "acme/infra", ERR_REFUSED);
	expect_log(&g, LOOK("jwt1") MINT("jwt1") "GET /repos/acme/infra t1\n" LOOK("jwt1") MINT("jwt1") "GET /repos/acme/infra t2\n");
	close_bench(&g);
}

/* What people read when there is no token: one sentence with the way out, and nothing was sent. */
static void test_no_token(void **state)
{
	(void)state;
	static const struct {
		bool gone, suspended, suspended_late, broken, jwt_fails, renamed;
		const char *lacks, *told;
		size_t bytes;
		int code;
		const char *says;
	} rows[] = {
		{.gone = true, .code = ERR_NOT_FOUND, .says = "GET /repos/acme/infra: not sent: the GitHub App is not installed on acme/infra; install it there"},
		{.suspended = true, .code = ERR_REFUSED, .says = "the installation of the GitHub App for acme/infra is suspended; an owner"},
		{.suspended_late = true, .code = ERR_REFUSED, .says = "the installation of the GitHub App for acme/infra is suspended; an owner"},
		{.broken = true, .code = ERR_PARSE, .says = "token: not something that can stand in a header"},
		{.jwt_fails = true, .code = ERR_IO, .says = "sign in as the GitHub App: the key agent is gone"},
		{.lacks = "contents", .code = ERR_REFUSED, .says = "lacks one of its permissions (metadata:read, contents:read, pull_requests:read, "
								    "checks:read, statuses:read); add it"},
		{.renamed = true, .code = ERR_NOT_FOUND, .says = "does not include a repository named acme/infra; add it"},
		{.bytes = LIMIT_GITHUB_TOKEN_BYTES + 1, .code = ERR_PARSE, .says = "token: "},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct app_github g;
		struct app_told t = {0};
		open_bench(&g);
		g.gone = rows[i].gone;
		g.suspended = rows[i].suspended;
		g.suspended_late = rows[i].suspended_late;
		g.mint_broken = rows[i].broken;
		g.jwt_fails = rows[i].jwt_fails;
		g.renamed = rows[i].renamed;
		g.lacks = rows[i].lacks;
		g.token_bytes = rows[i].bytes;
		gh_get_repo(g.gh, "acme/infra", app_told_cb, &t);
		app_wait(&g, &t);
		assert_int_equal(t.code, rows[i].code);
		assert_int_equal(t.status, 0);
		if (strstr(t.err.msg, rows[i].says) == NULL)
			fail_msg("row %zu: \"%s\" does not say \"%s\"", i, t.err.msg, rows[i].says);
		assert_null(strstr(buf_str(&g.log), "GET /repos/acme/infra t"));
		/* and once it is mended, it goes on */
		g.gone = g.suspended = g.suspended_late = g.mint_broken = g.jwt_fails = g.renamed = false;
		g.lacks = NULL;
		g.token_bytes = 0;
		read_repo(&g, "acme/infra", 0);
		app_told_free(&t);
		close_bench(&g);
	}
}

static void test_long_tokens(void **state)
{
	(void)state;
	static const size_t sizes[] = {40, 520, 4000, LIMIT_GITHUB_TOKEN_BYTES};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct app_github g;
		open_bench(&g);
		g.token_bytes = sizes[i];
		read_repo(&g, "acme/infra", 0); /* the double knows only whole tokens */
		close_bench(&g);
	}
}

static void classic_none(const struct double_request *rq, struct double_answer *ret, void *arg)
{
	(void)arg;
	ret->status = strstr(rq->path, "/protection") != NULL ? 404 : 200;
	buf_adds(&ret->body, strstr(rq->path, "/protection") != NULL ? "{\"message\":\"Branch not protected\"}" : "{\"id\":5,\"full_name\":\"R\"}");
}

static void test_lacking_permission_is_known(void **state)
{
	(void)state;
	static const struct {
		const char *told;  /* by the installation */
		const char *lacks; /* and refused */
		const char *bodies;
		int classic;
	} rows[] = {
		{"{\"metadata\":\"read\",\"members\":\"read\",\"deployments\":\"write\",\"merge_queues\":\"write\"}", "administration",
		 "{\"repositories\":[\"infra\"],\"permissions\":{\"metadata\":\"read\",\"contents\":\"read\",\"pull_requests\":\"read\",\"checks\":\"read\","
		 "\"statuses\":\"read\",\"members\":\"read\",\"deployments\":\"read\",\"merge_queues\":\"read\"}}\n", ERR_REFUSED},
		{NULL, "administration",
		 "{\"repositories\":[\"infra\"],\"permissions\":{" READ_ALL "}}\n"
		 "{\"repositories\":[\"infra\"],\"permissions\":{\"metadata\":\"read\",\"contents\":\"read\",\"pull_requests\":\"read\",\"checks\":\"read\","
		 "\"statuses\":\"read\",\"members\":\"read\",\"deployments\":\"read\",\"merge_queues\":\"read\"}}\n", ERR_REFUSED},
		{NULL, "members",
		 "{\"repositories\":[\"infra\"],\"permissions\":{" READ_ALL "}}\n"
		 "{\"repositories\":[\"infra\"],\"permissions\":{\"metadata\":\"read\",\"contents\":\"read\",\"pull_requests\":\"read\",\"checks\":\"read\","
		 "\"statuses\":\"read\",\"members\":\"read\",\"deployments\":\"read\",\"merge_queues\":\"read\"}}\n"
		 "{\"repositories\":[\"infra\"],\"permissions\":{\"metadata\":\"read\",\"contents\":\"read\",\"pull_requests\":\"read\",\"checks\":\"read\","
		 "\"statuses\":\"read\",\"members\":\"read\",\"deployments\":\"read\"}}\n"
		 "{\"repositories\":[\"infra\"],\"permissions\":{\"metadata\":\"read\",\"contents\":\"read\",\"pull_requests\":\"read\",\"checks\":\"read\","
		 "\"statuses\":\"read\",\"members\":\"read\"}}\n"
		 "{\"repositories\":[\"infra\"],\"permissions\":{\"metadata\":\"read\",\"contents\":\"read\",\"pull_requests\":\"read\",\"checks\":\"read\","
		 "\"statuses\":\"read\"}}\n", ERR_REFUSED},
		{NULL, NULL, "{\"repositories\":[\"infra\"],\"permissions\":{" READ_ALL "}}\n", 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct app_github g;
		struct app_told t = {0};
		open_bench(&g);
		g.told = rows[i].told;
		g.lacks = rows[i].lacks;
		g.other = classic_none;
		read_repo(&g, "acme/infra", 0);
		assert_string_equal(buf_str(&g.bodies), rows[i].bodies);
		gh_get_classic(g.gh, "acme/infra", "main", app_told_cb, &t);
		app_wait(&g, &t);
		assert_int_equal(t.code, rows[i].classic); /* unknown, never "no protection" */
		assert_int_equal(strstr(buf_str(&g.log), "/protection") != NULL, rows[i].classic == 0);
		app_told_free(&t);
		close_bench(&g);
	}
}

static void merge_answers(const struct double_request *rq, struct double_answer *ret, void *arg)
{
	(void)arg;
	buf_adds(&ret->body, strcmp(rq->method, "PUT") == 0 ? "{\"sha\":\"" SHA_A "\",\"merged\":true}"
							     : "{\"id\":5,\"full_name\":\"R\",\"allow_merge_commit\":true}");
}

static void test_own_tokens(void **state)
{
	(void)state;
	struct app_github g;
	struct app_told t = {0}, u = {0};
	open_bench(&g);
	g.other = merge_answers;
	gh_merge(g.gh, "acme/infra", 7, SHA_A, NULL, GH_ANY_METHOD, app_told_cb, &t);
	app_wait(&g, &t);
	assert_string_equal(t.text, SHA_A);
	settle(&g);
	expect_log(&g, LOOK("jwt1") MINT("jwt1") "GET /repos/acme/infra t1\nPUT /repos/acme/infra/pulls/7/merge t1\nDELETE /installation/token t1\n");
	assert_string_equal(buf_str(&g.bodies), "{\"repositories\":[\"infra\"],\"permissions\":{\"contents\":\"write\",\"pull_requests\":\"write\","
						"\"merge_queues\":\"write\"}}\n");
	app_told_free(&t);
	/* two clones at once do not share */
	buf_reset(&g.bodies);
	gh_get_token(g.gh, "acme/infra", GH_FOR_CLONE, app_told_cb, &t);
	gh_get_token(g.gh, "acme/infra", GH_FOR_CLONE, app_told_cb, &u);
	app_wait(&g, &t);
	app_wait(&g, &u);
	assert_string_equal(t.token, g.tokens[1].text);
	assert_string_equal(u.token, g.tokens[2].text);
	assert_string_equal(buf_str(&g.bodies), "{\"repositories\":[\"infra\"],\"permissions\":{\"contents\":\"read\"}}\n"
						"{\"repositories\":[\"infra\"],\"permissions\":{\"contents\":\"read\"}}\n");
	clock_fake_advance(10 * 60 * 1000);
	gh_auth_sweep(g.gh->auth); /* a long clone keeps its token */
	assert_false(g.tokens[1].dead || g.tokens[2].dead);
	gh_revoke_token(g.gh, u.token);
	settle(&g);
	assert_true(!g.tokens[1].dead && g.tokens[2].dead);
	gh_revoke_token(g.gh, u.token); /* once is enough */
	gh_revoke_token(g.gh, "ghs_somebody_elses");
	gh_revoke_token(g.gh, NULL);
	assert_false(gh_giving_back(g.gh));
	/* and the end of the daemon takes the other */
	gh_give_back(g.gh);
	settle(&g);
	assert_true(g.tokens[1].dead);
	app_told_free(&t);
	app_told_free(&u);
	close_bench(&g);
}

static void cancel_it(struct app_github *g) { gh_cancel(g->gh, g->arg); }

static void test_cancelled_while_minting(void **state)
{
	(void)state;
	struct app_github g;
	struct app_told t = {0};
	const bool never = false;
	open_bench(&g);
	g.on_mint = cancel_it;
	g.arg = &t;
	gh_get_token(g.gh, "acme/infra", GH_FOR_CLONE, app_told_cb, &t);
	for (int i = 0; i < 200 && (g.tokens_n == 0 || !g.tokens[0].dead); i++)
		(void)loop_run_until(g.loop, &never, 5); /* false as it must be */
	assert_false(t.done);
	assert_true(g.tokens[0].dead);
	assert_null(g.gh->flows);
	close_bench(&g);
}

static void close_in_callback(const struct gh_answer *a, void *arg)
{
	struct app_github *g = arg;
	assert_int_equal(a->r.err.code, 0);
	gh_close(g->gh);
	g->gh = NULL;
}

static void test_closed_at_any_time(void **state)
{
	(void)state;
	const bool never = false;
	for (int steps = 0; steps < 12; steps++) {
		struct app_github g;
		struct app_told t = {0}, u = {0};
		open_bench(&g);
		gh_get_repo(g.gh, "acme/infra", app_told_cb, &t);
		gh_get_token(g.gh, "acme/infra", GH_FOR_CLONE, app_told_cb, &u);
		for (int i = 0; i < steps; i++)
			(void)loop_run_until(g.loop, &never, 1); /* false as it must be */
		gh_close(g.gh);
		g.gh = NULL;
		(void)loop_run_until(g.loop, &never, 5); /* a JWT that comes now finds nobody */
		app_told_free(&t);
		app_told_free(&u);
		close_bench(&g);
	}
	struct app_github g;
	struct app_told t = {0};
	open_bench(&g);
	g.jwt_silent = true;
	gh_get_repo(g.gh, "acme/infra", app_told_cb, &t);
	gh_close(g.gh);
	g.gh = NULL;
	app_github_sign(&g);
	assert_false(t.done);
	close_bench(&g);
	open_bench(&g);
	g.jwt_silent = true; /* nobody signs: after a while that is told, and the next call asks again */
	gh_auth_patience(g.gh->auth, 20);
	gh_get_repo(g.gh, "acme/infra", app_told_cb, &t);
	app_wait(&g, &t);
	assert_int_equal(t.code, ERR_TIMEOUT);
	assert_non_null(strstr(t.err.msg, "the key agent did not answer"));
	app_told_free(&t);
	app_github_sign(&g); /* too late */
	g.jwt_silent = false;
	read_repo(&g, "acme/infra", 0);
	close_bench(&g);
	open_bench(&g);
	gh_get_token(g.gh, "acme/infra", GH_FOR_CLONE, close_in_callback, &g);
	while (g.gh != NULL)
		(void)loop_run_until(g.loop, &never, 5); /* false as it must be */
	close_bench(&g);
}

static void test_mint_is_tried_again(void **state)
{
	(void)state;
	struct app_github g;
	open_bench(&g);
	g.mint_502 = 2;
	read_repo(&g, "acme/infra", 0);
	expect_log(&g, LOOK("jwt1") MINT("jwt1") MINT("jwt1") MINT("jwt1") "GET /repos/acme/infra t1\n");
	/* a clock that is far off must not make a token for every call */
	g.life_ms = -3600 * 1000;
	clock_fake_advance(56 * 60 * 1000);
	read_repo(&g, "acme/infra", 0);
	read_repo(&g, "acme/infra", 0);
	assert_int_equal(g.tokens_n, 2);
	close_bench(&g);
}

static void self_answers(const struct double_request *rq, struct double_answer *ret, void *arg)
{
	(void)arg;
	const bool app = strcmp(rq->path, "/app") == 0, user = strstr(rq->path, "/users/") != NULL, team = strstr(rq->path, "/teams/") != NULL;
	buf_adds(&ret->body, app    ? "{\"id\":4711,\"slug\":\"sluice-acme\"}"
			     : user ? "{\"id\":99,\"login\":\"sluice-acme[bot]\",\"type\":\"Bot\"}"
			     : team ? "{\"state\":\"active\"}"
				    : "{\"id\":5,\"full_name\":\"R\"}");
}

static void test_who_we_are(void **state)
{
	(void)state;
	struct app_github g;
	struct app_told t = {0};
	open_bench(&g);
	g.other = self_answers;
	gh_get_app(g.gh, app_told_cb, &t);
	app_wait(&g, &t);
	assert_int_equal(t.id, 4711);
	assert_string_equal(t.text, "sluice-acme");
	app_told_free(&t);
	gh_get_self(g.gh, app_told_cb, &t);
	app_wait(&g, &t);
	assert_int_equal(t.id, 99);
	assert_string_equal(t.text, "sluice-acme[bot]");
	app_told_free(&t);
	gh_get_team_member(g.gh, "acme", "platform", "bob", app_told_cb, &t); /* nobody's token fits */
	app_wait(&g, &t);
	assert_int_equal(t.code, ERR_REFUSED);
	app_told_free(&t);
	expect_log(&g, "GET /app jwt1\nGET /app jwt1\nGET /users/sluice-acme%5Bbot%5D none\n");
	read_repo(&g, "acme/infra", 0);
	read_repo(&g, "other/infra", 0);
	buf_reset(&g.log);
	gh_get_self(g.gh, app_told_cb, &t);
	app_wait(&g, &t);
	app_told_free(&t);
	gh_get_team_member(g.gh, "acme", "platform", "bob", app_told_cb, &t);
	app_wait(&g, &t);
	assert_int_equal(t.code, 0);
	app_told_free(&t);
	expect_log(&g, "GET /app jwt1\nGET /users/sluice-acme%5Bbot%5D t2\nGET /orgs/acme/teams/platform/memberships/bob t1\n");
	close_bench(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_minted_once_and_shared), cmocka_unit_test(test_renewed_and_given_back),
		cmocka_unit_test(test_refused_token_is_replaced_once), cmocka_unit_test(test_refused_twice_is_told),
		cmocka_unit_test(test_no_token), cmocka_unit_test(test_long_tokens), cmocka_unit_test(test_lacking_permission_is_known),
		cmocka_unit_test(test_own_tokens), cmocka_unit_test(test_cancelled_while_minting), cmocka_unit_test(test_closed_at_any_time),
		cmocka_unit_test(test_mint_is_tried_again), cmocka_unit_test(test_who_we_are),
	};
	return cmocka_run_group_tests_name("github/gh_app", tests, NULL, NULL);
}
