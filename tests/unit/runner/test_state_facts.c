/* What a state says about itself. */
#include "runner/state_facts.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void state_facts(void **state)
{
	(void)state;
	static const struct {
		const char *text, *error; /* NULL: read */
	} cases[] = {
		{"{\"version\":4,\"serial\":12,\"lineage\":\"abc\",\"resources\":[]}", NULL},
		{"{\"version\":3,\"serial\":12,\"lineage\":\"abc\"}", "state: format version 3, 4 is understood"},
		{"{\"version\":4,\"serial\":-1,\"lineage\":\"abc\"}", "serial"},
		{"{\"version\":4,\"serial\":\"1\",\"lineage\":\"abc\"}", "serial"},
		{"{\"version\":4,\"serial\":1}", "lineage"},
		{"{\"version\":4,\"serial\":12,\"line", "state: "},
		{"", "state: "},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		struct state_facts f = {0};
		int rc = state_facts_read(cases[i].text, strlen(cases[i].text), &f, &err);
		assert_int_equal(rc, cases[i].error == NULL ? 0 : ERR_PARSE);
		if (cases[i].error != NULL && strstr(err.msg, cases[i].error) == NULL)
			fail_msg("%s", err.msg);
		assert_int_equal(f.serial, cases[i].error == NULL ? 12 : 0);
		assert_string_equal(f.lineage, cases[i].error == NULL ? "abc" : "");
	}
}

static void addresses(void **state)
{
	(void)state;
	static const char json[] = "{\"version\":4,\"serial\":1,\"lineage\":\"l\",\"resources\":["
				   "{\"mode\":\"managed\",\"type\":\"t\",\"name\":\"a\",\"instances\":[{}]},"
				   "{\"mode\":\"data\",\"type\":\"t\",\"name\":\"d\",\"instances\":[{}]},"
				   "{\"module\":\"module.m\",\"mode\":\"managed\",\"type\":\"t\",\"name\":\"b\","
				   "\"instances\":[{\"index_key\":0},{\"index_key\":\"x\"}]}]}";
	CLEANUP_BUF struct buf all = {0}, cut = {0};
	state_facts_addresses(json, strlen(json), 1000, &all);
	assert_string_equal(buf_str(&all), "t.a\nmodule.m.t.b[0]\nmodule.m.t.b[\"x\"]");
	state_facts_addresses(json, strlen(json), 6, &cut);
	assert_string_equal(buf_str(&cut), "t.a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(state_facts),
		cmocka_unit_test(addresses),
	};
	return cmocka_run_group_tests_name("state_facts", tests, NULL, NULL);
}
