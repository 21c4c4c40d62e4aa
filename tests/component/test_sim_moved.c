/* Renamed and transferred repositories of the simulated GitHub, and answers that the sender has already. */
#include "tests/component/sim_fixture.h"
#include "tests/component/sim_jwt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void must(struct sim_fixture *f, int rc)
{
	if (rc != 0)
		fail_msg("%s", f->err.msg);
}

static const char *below(struct sim_fixture *f)
{
	assert_memory_equal(f->location, sim_url(f->s), strlen(sim_url(f->s)));
	return f->location + strlen(sim_url(f->s));
}

static void old_names_lead_to_the_new_place(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	must(&f, sim_move(f.s, REPO, "estate", "olivia", &f.err));
	sim_fixture_settle(&f, 3);
	assert_string_equal(f.events.v[2], "repository.renamed");
	assert_non_null(strstr(buf_str(&f.last_payload), "\"changes\":{\"repository\":{\"name\":{\"from\":\"infra\"}}}"));
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/acme/estate/pulls/1", NULL), 200);
	assert_int_equal(sim_fixture_raw(&f, "GET", "/repos/" REPO "/pulls/1"), 301);
	assert_string_equal(below(&f), "/repositories/5000000000/pulls/1");
	assert_int_equal(sim_fixture_call(&f, "GET", "/repositories/5000000000/pulls/1", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "base.repo.full_name"), "\"acme/estate\"");
	assert_int_equal(sim_fixture_raw(&f, "GET", "/repos/" REPO "/pulls?state=open&per_page=5"), 301);
	assert_string_equal(below(&f), "/repositories/5000000000/pulls?per_page=5&state=open");
	assert_int_equal(sim_fixture_raw(&f, "POST", "/repos/" REPO "/issues/1/comments"), 307);
	assert_string_equal(below(&f), "/repositories/5000000000/issues/1/comments");
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO, NULL), 200); /* a client that follows finds it */
	assert_string_equal(sim_fixture_member(&f, "full_name"), "\"acme/estate\"");
	assert_int_equal(sim_fixture_call(&f, "POST", "/repositories/5000000000/issues/1/comments", "{\"body\":\"x\"}"), 201);
	assert_int_equal(sim_fixture_call_as(&f, "wrong", "GET", "/repos/" REPO "/pulls/1", NULL), 401);
	assert_int_equal(sim_fixture_call(&f, "GET", "/repositories/77/pulls/1", NULL), 404);
	assert_int_equal(sim_fixture_clone(&f, "bot-token", "git log -1"), 0);
	sim_fixture_stop(&f);
}

/* Who takes the old name has it: nothing may be looked up by name. */
static void an_old_name_may_be_taken(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	must(&f, sim_move(f.s, REPO, "other/infra", "olivia", &f.err));
	must(&f, sim_repo_create(f.s, &(struct sim_repo_new){.full_name = REPO, .user = "mallory"}, &f.err));
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO, NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "id"), "5000000010");
	assert_int_equal(sim_fixture_call(&f, "GET", "/repositories/5000000000", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "full_name"), "\"other/infra\"");
	sim_fixture_stop(&f);
}

static void moving_refuses(void **state)
{
	static const struct {
		const char *repo, *to;
		enum err_code want;
	} rows[] = {{"acme/nothing", "x", ERR_NOT_FOUND}, {REPO, "infra", ERR_CONFLICT}, {REPO, "../x", ERR_USAGE}, {REPO, "a/b/c", ERR_USAGE},
		    {REPO, "", ERR_USAGE}, {REPO, "x.git", ERR_USAGE}};
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(sim_move(f.s, rows[i].repo, rows[i].to, "olivia", &f.err), rows[i].want);
	assert_int_equal(sim_fixture_call(&f, "POST", "/_sim/rename", "{\"repo\":\"acme/infra\",\"to\":\"b\"}"), 200);
	assert_int_equal(sim_fixture_call(&f, "POST", "/_sim/transfer", "{\"repo\":\"acme/b\",\"to\":\"mine/b\"}"), 200);
	assert_int_equal(sim_fixture_call(&f, "POST", "/_sim/transfer", "{\"repo\":\"acme/b\",\"to\":\"mine/c\"}"), 404);
	sim_fixture_settle(&f, 4);
	assert_string_equal(f.events.v[2], "repository.renamed");
	assert_string_equal(f.events.v[3], "repository.transferred");
	sim_fixture_stop(&f);
}

static void what_is_known_is_free(void **state)
{
	struct sim_fixture f;
	char etag[80], left[16];
	(void)state;
	sim_fixture_start(&f, NULL);
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/issues/1/comments", NULL), 200);
	(void)snprintf(etag, sizeof(etag), "%s", f.etag);
	(void)snprintf(left, sizeof(left), "%s", f.remaining);
	f.known = etag;
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/issues/1/comments", NULL), 304);
	assert_int_equal(f.body.len, 0);
	assert_string_equal(f.remaining, left);
	assert_string_not_equal(f.request_id, "");
	assert_int_equal(sim_fixture_call(&f, "POST", "/repos/" REPO "/issues/1/comments", "{\"body\":\"x\"}"), 201);
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/issues/1/comments", NULL), 200);
	assert_string_not_equal(f.etag, etag);
	sim_fixture_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_names_lead_to_the_new_place),
		cmocka_unit_test(an_old_name_may_be_taken),
		cmocka_unit_test(moving_refuses),
		cmocka_unit_test(what_is_known_is_free),
	};
	return cmocka_run_group_tests(tests, sim_fixture_warm_up, NULL);
}
