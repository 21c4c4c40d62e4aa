/* Versions of managed state: what may follow what. */
#include "plan/state_store.h"

#include "tests/support/store_support.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct db_conn *c;
static struct err err;

static int setup(void **state)
{
	(void)state;
	c = store_open();
	err = (struct err){0};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_close(c);
	return 0;
}

static int put(int64_t repo, const char *project, const char *workspace, const char *lineage, int64_t serial, const char *sha)
{
	CLEANUP_FREE char *p = xstrdup(project), *w = xstrdup(workspace), *l = xstrdup(lineage), *s = xstrdup(sha);
	struct state_version v = {.repo_id = repo, .project = p, .workspace = w, .lineage = l, .serial = serial, .sha256 = s, .bytes = 100,
				  .path = (char[]){"/states/1.enc"}, .aad = (char[]){"aad"}, .key_context = (char[]){"job 1"}, .run_id = 3, .job_id = 4};
	memset(v.key_wrapped, 9, sizeof(v.key_wrapped));
	return state_put(c, &v, &err);
}

static void what_may_follow(void **state)
{
	static const struct {
		const char *lineage;
		int64_t serial;
		const char *sha;
		int rc;
		int64_t in_force;
	} rows[] = {
		{"L", 3, "s3", 0, 3},           {"L", 3, "s3", 0, 3},            {"L", 3, "other", ERR_REFUSED, 3}, {"L", 2, "s2", ERR_REFUSED, 3},
		{"M", 9, "s9", ERR_REFUSED, 3}, {"L", 4, "s4", 0, 4},            {"L", 7, "s7", 0, 7},              {"L", 4, "s4", ERR_REFUSED, 7},
		{"L", 7, "s7", 0, 7},           {"M", 7, "s7", ERR_REFUSED, 7},
	};
	(void)state;
	struct state_version v;
	assert_int_equal(state_current(c, 1, "net", "default", &v, &err), ERR_NOT_FOUND);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (put(1, "net", "default", rows[i].lineage, rows[i].serial, rows[i].sha) != rows[i].rc)
			fail_msg("row %zu", i);
		store_must(state_current(c, 1, "net", "default", &v, &err), &err);
		assert_int_equal(v.serial, rows[i].in_force);
		assert_string_equal(v.lineage, "L");
		state_version_free(&v);
	}
	assert_int_equal(store_int(c, "SELECT count(*) FROM state_version"), 3); /* the same again does nothing */
	assert_int_equal(put(1, "net", "default", "M", 8, "x"), ERR_REFUSED);
	assert_non_null(strstr(err.msg, "lineage M is not the lineage L in force"));
	assert_int_equal(put(1, "net", "default", "L", 6, "x"), ERR_REFUSED);
	assert_non_null(strstr(err.msg, "serial 6 does not follow serial 7"));
}

static void each_on_its_own(void **state)
{
	struct state_version v;
	(void)state;
	store_must(put(1, "net", "default", "L", 5, "a"), &err);
	store_must(put(1, "net", "prod", "M", 1, "b"), &err);
	store_must(put(2, "net", "default", "N", 2, "c"), &err);
	store_must(put(1, "dns", "default", "O", 3, "d"), &err);
	store_must(state_current(c, 1, "net", "prod", &v, &err), &err);
	assert_string_equal(v.lineage, "M");
	assert_string_equal(v.path, "/states/1.enc");
	assert_string_equal(v.aad, "aad");
	assert_string_equal(v.key_context, "job 1");
	assert_string_equal(v.sha256, "b");
	assert_int_equal(v.key_wrapped[59], 9);
	assert_int_equal(v.bytes, 100);
	assert_int_equal(v.run_id, 3);
	assert_int_equal(v.job_id, 4);
	assert_int_equal(v.created_ms, STORE_NOW);
	state_version_free(&v);
}

static void add(const struct state_version *v, void *arg)
{
	buf_printf(arg, "%lld/%s/%s@%lld ", (long long)v->repo_id, v->project, v->workspace, (long long)v->serial);
}

static void lists(void **state)
{
	static const struct {
		int64_t repo;
		const char *project, *workspace, *want;
	} rows[] = {
		{0, NULL, NULL, "1/dns/default@3 1/net/default@6 1/net/prod@1 2/net/default@2 "},
		{1, NULL, NULL, "1/dns/default@3 1/net/default@6 1/net/prod@1 "},
		{0, "net", NULL, "1/net/default@6 1/net/default@5 1/net/prod@1 2/net/default@2 "},
		{0, "net", "default", "1/net/default@6 1/net/default@5 2/net/default@2 "},
		{1, "net", "prod", "1/net/prod@1 "},
		{0, NULL, "prod", "1/net/prod@1 "},
		{0, "net", "x", ""},
		{2, "net", NULL, "2/net/default@2 "},
		{3, NULL, NULL, ""},
		{0, "web", NULL, ""},
	};
	(void)state;
	store_must(put(1, "net", "default", "L", 5, "a"), &err);
	store_must(put(1, "net", "default", "L", 6, "a6"), &err);
	store_must(put(1, "net", "prod", "M", 1, "b"), &err);
	store_must(put(2, "net", "default", "N", 2, "c"), &err);
	store_must(put(1, "dns", "default", "O", 3, "d"), &err);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_BUF struct buf b = {0};
		store_must(state_each(c, rows[i].repo, rows[i].project, rows[i].workspace, add, &b, &err), &err);
		assert_string_equal(buf_str(&b), rows[i].want);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(what_may_follow), T(each_on_its_own), T(lists)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
