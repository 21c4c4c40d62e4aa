/* Plan JSON: kinds of changes, reasons, order, drift, what is refused. */
#include "plan/plan_json.h"
#include "tests/support/plan_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void kinds(void **state)
{
	static const struct {
		const char *change, *more, *words, *changes;
	} cases[] = {
		{"\"actions\":[\"no-op\"]", "", "no changes", ""},
		{"\"actions\":[\"create\"]", "", "1 to add", "create t.a\n"},
		{"\"actions\":[\"update\"]", "", "1 to change", "update t.a\n"},
		{"\"actions\":[\"delete\"]", "", "1 to destroy", "destroy t.a\n"},
		{"\"actions\":[\"forget\"]", "", "1 to forget", "forget t.a\n"},
		{"\"actions\":[\"read\"]", "", "no changes", "read t.a\n"},
		{"\"actions\":[\"delete\",\"create\"]", "", "1 to replace", "replace t.a\n"},
		{"\"actions\":[\"create\",\"delete\"]", "", "1 to replace", "replace t.a create-first\n"},
		{"\"actions\":[\"create\",\"forget\"]", "", "1 to add, 1 to forget",
		 "create t.a (the old object stays alive and is forgotten)\n"},
		{"\"actions\":[\"forget\",\"create\"]", "", "1 to add, 1 to forget",
		 "create t.a (the old object stays alive and is forgotten)\n"},
		{"\"actions\":[\"no-op\"],\"importing\":{\"id\":\"i-1\"}", "", "1 to import", "import t.a import=i-1\n"},
		{"\"actions\":[\"update\"],\"importing\":{\"unknown\":true}", "", "1 to change, 1 to import", "update t.a import=?\n"},
		{"\"actions\":[\"no-op\"]", ",\"previous_address\":\"t.b\"", "1 to move", "move t.a from=t.b\n"},
		{"\"actions\":[\"no-op\"]", ",\"previous_address\":\"t.a\"", "no changes", ""},
		{"\"actions\":[\"update\"]", ",\"previous_address\":\"t.b\"", "1 to change, 1 to move", "update t.a from=t.b\n"},
		{"\"actions\":[\"delete\",\"create\"],\"replace_paths\":[[\"disk\",0,\"size\"],[\"ami\"],[\"tags\",\"a b\"]]", "",
		 "1 to replace", "replace t.a [ami] [disk[0].size] [tags[\"a b\"]]\n"},
		{"\"actions\":[\"delete\",\"create\"]", ",\"action_reason\":\"replace_because_tainted\"", "1 to replace",
		 "replace t.a (is tainted: its creation or a provisioner failed)\n"},
		{"\"actions\":[\"delete\",\"create\"]", ",\"action_reason\":\"replace_because_cannot_update\"", "1 to replace",
		 "replace t.a\n"},
		{"\"actions\":[\"delete\"]", ",\"action_reason\":\"some_later_reason\"", "1 to destroy",
		 "destroy t.a (some_later_reason)\n"},
		{"\"actions\":[\"delete\"]", ",\"deposed\":\"0a1b2c3d\"", "1 to destroy",
		 "destroy t.a (deposed object 0a1b2c3d, left by an earlier replacement)\n"},
		{"\"actions\":[\"delete\"]", ",\"deposed\":\"0a1b2c3d\",\"action_reason\":\"delete_because_no_module\"", "1 to destroy",
		 "destroy t.a (deposed object 0a1b2c3d, left by an earlier replacement; its module was removed from the configuration)\n"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_FREE char *json = plan_document(cases[i].change, cases[i].more);
		struct plan_summary s;
		struct err err = {0};
		if (plan_summary_read(json, strlen(json), &s, &err) != 0)
			fail_msg("%s: %s", json, err.msg);
		CLEANUP_FREE char *got_words = plan_words(&s), *got_changes = plan_changes(&s);
		assert_string_equal(got_words, cases[i].words);
		assert_string_equal(got_changes, cases[i].changes);
		assert_int_equal(s.applyable, strcmp(cases[i].words, "no changes") != 0);
		plan_summary_free(&s);
	}
}

/* counted[2] stands before counted[10], and modules are named. */
static void order_of_addresses(void **state)
{
	struct plan_summary s;
	(void)state;
	plan_fixture_summary("create", &s);
	assert_int_equal(s.changes_n, 20);
	assert_string_equal(s.changes[0].address, "module.queue.module.inner.terraform_data.leaf[0]");
	assert_string_equal(s.changes[4].address, "terraform_data.counted[2]");
	assert_string_equal(s.changes[12].address, "terraform_data.counted[10]");
	plan_summary_free(&s);
	assert_true(plan_address_compare("x[2]", "x[10]") < 0);
	assert_true(plan_address_compare("x[10]", "x[2]") > 0);
	assert_int_equal(plan_address_compare("x[10]", "x[10]"), 0);
	assert_true(plan_address_compare("x", "x[0]") < 0);
	assert_true(plan_address_compare("a9", "b1") < 0);
	assert_true(plan_address_compare("x1a", "x1b") < 0);
}

static void drift(void **state)
{
	static const char json[] =
		"{\"format_version\":\"1.2\",\"resource_drift\":["
		"{\"address\":\"t.b\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"update\"],\"before\":{\"n\":1},\"after\":{\"n\":2}}},"
		"{\"address\":\"t.gone\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"delete\"],\"before\":{\"n\":1},\"after\":null}},"
		"{\"address\":\"t.same\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"no-op\"],\"before\":{},\"after\":{}}},"
		"{\"address\":\"t.empty\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"update\"],\"before\":{\"tags\":null,\"l\":[]},"
		"\"after\":{\"tags\":{},\"l\":null}}},"
		"{\"address\":\"t.grown\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"update\"],\"before\":{},\"after\":{\"n\":1}}},"
		"{\"address\":\"data.t.d\",\"mode\":\"data\",\"type\":\"t\",\"change\":{\"actions\":[\"update\"],\"before\":{\"n\":1},\"after\":{\"n\":2}}}]}";
	struct plan_summary s;
	(void)state;
	assert_int_equal(plan_summary_read(json, sizeof(json) - 1, &s, NULL), 0);
	assert_int_equal(s.drift, 3);
	assert_int_equal(s.drifted.n, 3);
	assert_string_equal(s.drifted.v[0], "t.gone");
	assert_string_equal(s.drifted.v[1], "t.b");
	assert_string_equal(s.drifted.v[2], "t.grown");
	assert_false(s.applyable);
	plan_summary_free(&s);
}

static void refusals(void **state)
{
	static const struct {
		const char *json, *sentence;
	} cases[] = {
		{"", "plan JSON"},
		{"{", "plan JSON"},
		{"[]", "no format_version"},
		{"{}", "no format_version; it must be what `show -json` prints"},
		{"{\"format_version\":1}", "no format_version"},
		{"{\"format_version\":\"2.0\"}",
		 "has format_version \"2.0\" and sluice reads 1.x: use an engine version that writes it, or a newer sluice"},
		{"{\"format_version\":\"10.0\"}", "has format_version \"10.0\""},
		{"{\"format_version\":\"1.2\",\"errored\":true}", "is marked as errored"},
		{"{\"format_version\":\"1.2\",\"resource_changes\":[{}]}", "no address or type"},
		{"{\"format_version\":\"1.2\",\"resource_changes\":[{\"address\":\"a\",\"type\":\"t\"}]}",
		 "a: actions (none) are not known"},
		{"{\"format_version\":\"1.2\",\"resource_changes\":[{\"address\":\"a\",\"type\":\"t\",\"change\":{\"actions\":[\"explode\"]}}]}",
		 "a: actions [\"explode\"] are not known to this version of sluice"},
		{"{\"format_version\":\"1.2\",\"resource_changes\":[{\"address\":\"a\",\"type\":\"t\",\"change\":{\"actions\":[\"create\",\"delete\",\"read\"]}}]}",
		 "are not known"},
		{"{\"format_version\":\"1.2\",\"resource_drift\":[{\"address\":\"a\",\"type\":\"t\",\"change\":{\"actions\":[]}}]}",
		 "are not known"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct plan_summary s = {.create = 77};
		struct err err = {0};
		assert_int_equal(plan_summary_read(cases[i].json, strlen(cases[i].json), &s, &err), ERR_PARSE);
		if (strstr(err.msg, cases[i].sentence) == NULL)
			fail_msg("<%s> says <%s>, wanted <%s>", cases[i].json, err.msg, cases[i].sentence);
		assert_int_equal(s.create, 77); /* untouched */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),
		cmocka_unit_test(order_of_addresses),
		cmocka_unit_test(drift),
		cmocka_unit_test(refusals),
	};
	return cmocka_run_group_tests_name("plan_json", tests, NULL, NULL);
}
