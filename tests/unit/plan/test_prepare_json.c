#include "plan/prepare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void test_request(void **state)
{
	(void)state;
	struct prepare_request r = {.mirror_dir = xstrdup("/m"), .token = xstrdup("t\"x"), .pull_number = 7, .fetch_only = true},
			       back = {0};
	strlist_add(&r.only_projects, "a");
	strlist_add(&r.only_dirs, "b/c");
	CLEANUP_BUF struct buf b = {0};
	assert_int_equal(prepare_request_write(&r, &b), 0);
	assert_int_equal(prepare_request_read(b.data, b.len, &back, NULL), 0);
	assert_string_equal(back.mirror_dir, "/m");
	assert_string_equal(back.token, "t\"x");
	assert_null(back.head_sha);
	assert_int_equal(back.pull_number, 7);
	assert_true(back.fetch_only);
	assert_int_equal(back.only_projects.n, 1);
	assert_string_equal(back.only_dirs.v[0], "b/c");
	prepare_request_free(&r);
	prepare_request_free(&back);
	assert_null(back.token);
}

static void test_request_errors(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"{\"pull_number\":\"x\"}", "pull_number: expected a number, found a string"},
		{"{\"pull_number\":-1}", "pull_number"},
		{"{\"mirror_dir\":5}", "mirror_dir: expected a string, found a number"},
		{"{\"only_dirs\":[1]}", "expected a string, found a number"},
		{"[]", "preparation request: "},
		{"", "preparation request: "},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = {0};
		struct prepare_request r = {0};
		assert_int_not_equal(prepare_request_read(rows[i].text, strlen(rows[i].text), &r, &err), 0);
		if (strstr(err.msg, rows[i].want) == NULL)
			fail_msg("row %zu: %s", i, err.msg);
	}
}

#define A40 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
/* Everything that a result can hold, as it is written. */
static const char full[] =
	"{\"base_sha\":\"" A40
	"\",\"head_sha\":\"b\",\"merge_base\":\"\",\"base_moved\":true,\"config_present\":false,\"config_changed\":true,"
	"\"config_errors\":[{\"file\":\"f\",\"line\":1,\"column\":2,\"message\":\"50% m\"}],"
	"\"head_errors\":[{\"file\":\"g\",\"line\":3,\"column\":4,\"message\":\"n\"}],\"tree_dir\":\"/t\",\"projects\":["
	"{\"name\":\"n\",\"dir\":\"d\",\"workspace\":\"w\",\"backend\":\"s3\",\"reason\":\"r\",\"inputs\":\"i\",\"error\":\"e\","
	"\"requires_approved\":true,\"requires_checks\":false,\"requires_up_to_date\":true,\"deleted\":true,\"needs_init\":true,"
	"\"managed_state\":false,\"codeowners\":true,\"engine\":\"opentofu\",\"apply_on_merge\":true,\"approvals\":2,\"depends_on\":[\"x\",\"y\"]},"
	"{\"name\":\"m\",\"dir\":\".\",\"workspace\":\"default\",\"requires_approved\":false,\"requires_checks\":true,"
	"\"requires_up_to_date\":false,\"deleted\":false,\"needs_init\":false,\"managed_state\":true,\"codeowners\":false,"
	"\"apply_on_merge\":false,\"approvals\":0,"
	"\"depends_on\":[]}],\"untouched\":9,\"unknown\":[\"u\"],\"fetched_bytes\":8589934592,\"took_ms\":17}";

static void test_result(void **state)
{
	(void)state;
	struct prepare_result r = {0};
	struct err err = {0};
	CLEANUP_BUF struct buf b = {0};
	if (prepare_result_read(full, strlen(full), &r, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(r.base_sha, A40);
	assert_true(r.base_moved);
	assert_false(r.config_present);
	assert_string_equal(r.config_errors.v[0].msg, "50% m");
	assert_int_equal(r.head_errors.v[0].line, 3);
	assert_int_equal(r.projects_n, 2);
	assert_int_equal(r.projects[0].engine, ENGINE_OPENTOFU);
	assert_int_equal(r.projects[0].apply, APPLY_ON_MERGE);
	assert_int_equal(r.projects[0].approvals, 2);
	assert_string_equal(r.projects[0].depends_on.v[1], "y");
	assert_int_equal(r.projects[1].engine, ENGINE_NONE);
	assert_null(r.projects[1].error);
	assert_true(r.projects[1].managed_state);
	assert_int_equal(r.fetched_bytes, 8589934592);
	assert_int_equal(prepare_result_write(&r, &b), 0);
	assert_string_equal(b.data, full);
	prepare_result_free(&r);
}

/* Every prefix is refused, and nothing leaks. */
static void test_cut_result(void **state)
{
	(void)state;
	for (size_t n = 0; n < strlen(full); n++) {
		struct prepare_result r = {0};
		assert_int_not_equal(prepare_result_read(full, n, &r, NULL), 0);
		assert_null(r.projects);
	}
}

static void test_answer(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int code;
		const char *want;
	} rows[] = {
		{"{\"ok\":false,\"code\":-8,\"error\":\"down\"}", ERR_UNAVAILABLE, "down"},
		{"{\"ok\":false,\"code\":-99,\"error\":\"x\"}", ERR_PARSE, NULL},
		{"{\"ok\":false,\"code\":0,\"error\":\"x\"}", ERR_PARSE, NULL},
		{"{\"ok\":false}", ERR_PARSE, NULL},
		{"{\"ok\":true}", ERR_PARSE, NULL},
		{"{\"ok\":true,\"result\":{}}", ERR_PARSE, NULL},
		{"", ERR_PARSE, NULL},
		{"Segmentation fault", ERR_PARSE, NULL},
	};
	struct prepare_result r = {0};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = {0};
		assert_int_equal(prepare_answer_read(rows[i].text, strlen(rows[i].text), &r, &err), rows[i].code);
		if (rows[i].want != NULL)
			assert_string_equal(err.msg, rows[i].want);
	}
	CLEANUP_BUF struct buf b = {0};
	buf_printf(&b, "{\"ok\":true,\"result\":%s}", full);
	assert_int_equal(prepare_answer_read(b.data, b.len, &r, NULL), 0);
	assert_int_equal(r.projects_n, 2);
	prepare_result_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),    cmocka_unit_test(test_request_errors), cmocka_unit_test(test_result),
		cmocka_unit_test(test_cut_result), cmocka_unit_test(test_answer),
	};
	return cmocka_run_group_tests_name("plan/prepare_json", tests, NULL, NULL);
}
