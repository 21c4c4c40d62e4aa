/* Sensitive values: hidden where they are marked, and where they are not. */
#include "plan/diff_internal.h"
#include "tests/support/plan_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void sensitive_values(void **state)
{
	static const struct {
		const char *before, *after, *marks, *want;
	} cases[] = {
		{"{\"p\":\"one-secret\"}", "{\"p\":\"two-secret\"}", "\"before_sensitive\":{\"p\":true},\"after_sensitive\":{\"p\":true}",
		 "!   p = (sensitive)\n"},
		{"{\"p\":\"secret\"}", "{\"p\":\"secret\"}", "\"before_sensitive\":{\"p\":true},\"after_sensitive\":{\"p\":true}", ""},
		/* marked on one side only: the same value may stand on the other */
		{"{\"p\":\"the-secret\"}", "{\"p\":\"the-secret\"}", "\"before_sensitive\":false,\"after_sensitive\":{\"p\":true}",
		 "!   p = (sensitive)\n"},
		{"{\"p\":\"the-secret\"}", "{\"p\":\"other\"}", "\"before_sensitive\":{\"p\":true},\"after_sensitive\":{}",
		 "!   p = (sensitive)\n"},
		{"{\"p\":null}", "{\"p\":\"the-secret\"}", "\"after_sensitive\":{\"p\":true}", "+   p = (sensitive)\n"},
		{"{\"p\":\"the-secret\"}", "{}", "\"before_sensitive\":{\"p\":true}", "-   p = (sensitive)\n"},
		{"{\"m\":{\"a\":\"the-secret\",\"b\":1}}", "{\"m\":{\"a\":\"new-secret\",\"b\":2}}",
		 "\"before_sensitive\":{\"m\":{\"a\":true}},\"after_sensitive\":{\"m\":{\"a\":true}}",
		 "!   m = {\n!     a = (sensitive)\n!     b = 1 -> 2\n    }\n"},
		/* the marks of a list differ: none of it is shown */
		{"{\"l\":[\"the-secret\",\"x\"]}", "{\"l\":[\"y\",\"the-secret\"]}",
		 "\"before_sensitive\":{\"l\":[false,false]},\"after_sensitive\":{\"l\":[false,true]}", "!   l = (sensitive)\n"},
		{"{\"l\":[\"the-secret\",\"x\"]}", "{\"l\":[\"the-secret\",\"y\"]}",
		 "\"before_sensitive\":{\"l\":[true,false]},\"after_sensitive\":{\"l\":[true,false]}",
		 "!   l = [(sensitive), \"x\"] -> [(sensitive), \"y\"]\n"},
		/* everything is marked */
		{"{\"p\":\"the-secret\"}", "{\"p\":\"new-secret\"}", "\"before_sensitive\":true,\"after_sensitive\":true", ""},
		/* a marked value inside an unmarked one */
		{"{\"p\":\"the-secret\",\"u\":\"a\"}", "{\"p\":\"the-secret\",\"u\":\"postgres://the-secret@h\"}",
		 "\"before_sensitive\":{\"p\":true},\"after_sensitive\":{\"p\":true}", "!   u = (sensitive)\n"},
		{"{\"p\":\"the-secret\",\"u\":\"a\"}", "{\"p\":\"the-secret\",\"u\":\"b\\nthe-secret\\nc\"}",
		 "\"before_sensitive\":{\"p\":true},\"after_sensitive\":{\"p\":true}", "!   u = (sensitive)\n"},
		/* short ones hide only what equals them */
		{"{\"p\":\"abc\",\"u\":\"abc\",\"v\":\"abcd\"}", "{\"p\":\"abc\",\"u\":\"d\",\"v\":\"e\"}",
		 "\"before_sensitive\":{\"p\":true},\"after_sensitive\":{\"p\":true}", "!   u = (sensitive)\n!   v = \"abcd\" -> \"e\"\n"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_FREE char *got = plan_diff_update(cases[i].before, cases[i].after, cases[i].marks);
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s -> %s gives\n%s\nwanted\n%s", cases[i].before, cases[i].after, got, cases[i].want);
	}
}

/* Real engine output in which a provider's computed copy of a secret carries no mark. */
static void sensitive_fixture(void **state)
{
	static const char *const never[] = {"old-secret-value", "new-secret-value", "public-then-secret", "hunter2"};
	static const char *const names[] = {"sensitive", "create"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP_FREE char *got = plan_diff_fixture(names[i]);
		assert_non_null(strstr(got, "(sensitive)"));
		for (size_t k = 0; k < ARRAY_LEN(never); k++)
			assert_null(strstr(got, never[k]));
	}
}

/* From every place that carries marks, each string once, nothing that is not marked. */
static void where_they_come_from(void **state)
{
	static const char json[] =
		"{\"resource_changes\":[{\"change\":{\"before\":{\"a\":\"before-secret\",\"b\":\"plain\"},\"before_sensitive\":{\"a\":true},"
		"\"after\":{\"a\":\"after-secret\",\"l\":[\"x-plain\",\"list-secret\"]},\"after_sensitive\":{\"a\":true,\"l\":[false,true]}}}],"
		"\"resource_drift\":[{\"change\":{\"after\":{\"m\":{\"k\":[\"deep-secret\"]}},\"after_sensitive\":{\"m\":true}}}],"
		"\"output_changes\":{\"o\":{\"after\":\"output-secret\",\"after_sensitive\":true},\"p\":{\"after\":\"shown\",\"after_sensitive\":false}},"
		"\"configuration\":{\"root_module\":{\"variables\":{\"v\":{\"sensitive\":true},\"w\":{}}}},"
		"\"variables\":{\"v\":{\"value\":{\"x\":\"variable-secret\",\"again\":\"after-secret\",\"n\":7,\"s\":\"ab\"}},\"w\":{\"value\":\"open\"}}}";
	static const char *const want[] = {"before-secret", "after-secret",  "list-secret",
					   "deep-secret",   "output-secret", "variable-secret"};
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	struct diff_secrets s;
	(void)state;
	assert_int_equal(json_parse(json, sizeof(json) - 1, NULL, &doc, &root, NULL), 0);
	diff_secrets_collect(&root, &s);
	assert_false(s.hide_all);
	assert_int_equal(s.v.n, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_string_equal(s.v.v[i], want[i]);
		assert_true(diff_secrets_touch(&s, want[i]));
	}
	assert_true(diff_secrets_touch(&s, "postgres://u:deep-secret@host"));
	assert_false(diff_secrets_touch(&s, "plain"));
	assert_false(diff_secrets_touch(&s, "deep-secre"));
	strlist_free(&s.v);
}

/* What is too deep or too much to know hides every string rather than one too few. */
static void when_unsure_all_is_hidden(void **state)
{
	struct buf deep = {0}, many = {0};
	(void)state;
	buf_adds(&deep, "{\"output_changes\":{\"o\":{\"after_sensitive\":true,\"after\":");
	buf_adds(&many, buf_str(&deep));
	for (int i = 0; i < 100; i++)
		buf_addc(&deep, '[');
	for (int i = 0; i < 100; i++)
		buf_addc(&deep, ']');
	for (int i = 0; i < 5000; i++)
		buf_printf(&many, "%s\"secret %d\"", i == 0 ? "[" : ",", i);
	buf_adds(&deep, "}}}");
	buf_adds(&many, "]}}}");
	static const struct json_limits limits = {.depth = 200};
	const struct buf *all[] = {&deep, &many};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		CLEANUP_JSON struct json_doc *doc = NULL;
		struct json root;
		struct diff_secrets s;
		assert_int_equal(json_parse(all[i]->data, all[i]->len, &limits, &doc, &root, NULL), 0);
		diff_secrets_collect(&root, &s);
		assert_true(s.hide_all);
		assert_true(diff_secrets_touch(&s, "anything"));
		strlist_free(&s.v);
	}
	buf_free(&deep);
	buf_free(&many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sensitive_values),
		cmocka_unit_test(sensitive_fixture),
		cmocka_unit_test(where_they_come_from),
		cmocka_unit_test(when_unsure_all_is_hidden),
	};
	return cmocka_run_group_tests_name("diff_secrets", tests, NULL, NULL);
}
