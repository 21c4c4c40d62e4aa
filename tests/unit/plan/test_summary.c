/* Plan JSON to summary: counts and words. */
#include "tests/support/plan_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void fixtures(void **state)
{
	static const struct {
		const char *name, *words;
		bool applyable;
		const char *changes; /* NULL: too many to write down */
	} cases[] = {
		{"none", "no changes", false, ""},
		{"destroy", "1 to destroy, 1 output changes", true, "destroy terraform_data.same\n"},
		{"create", "20 to add, 3 outputs change", true, NULL},
		{"moves", "2 to change, 2 to import, 2 to move, 1 to forget", true,
		 "forget terraform_data.released (was removed from the configuration)\n"
		 "update terraform_data.adopted_and_changed import=other-id\n"
		 "update terraform_data.new_and_changed from=terraform_data.old_and_changed\n"
		 "import terraform_data.adopted import=adopted-id\n"
		 "move terraform_data.new from=terraform_data.old\n"},
		{"sensitive", "3 to change, 1 to destroy, 1 output changes", true,
		 "destroy terraform_data.dies (was removed from the configuration)\n"
		 "update terraform_data.all\nupdate terraform_data.becomes\nupdate terraform_data.part\n"},
		{"change", "1 to add, 3 to change, 2 to replace, 4 to destroy, 2 outputs change", true,
		 "replace terraform_data.gentle [triggers_replace] create-first\n"
		 "replace terraform_data.replace [triggers_replace]\n"
		 "destroy terraform_data.counted[1] (its index is beyond count)\n"
		 "destroy terraform_data.counted[2] (its index is beyond count)\n"
		 "destroy terraform_data.keyed[\"gone\"] (its key is no longer in for_each)\n"
		 "destroy terraform_data.removed (was removed from the configuration)\n"
		 "update terraform_data.document\nupdate terraform_data.script\nupdate terraform_data.update\n"
		 "create terraform_data.keyed[\"new\"]\n"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct plan_summary s;
		plan_fixture_summary(cases[i].name, &s);
		CLEANUP_FREE char *got_words = plan_words(&s), *got_changes = plan_changes(&s);
		assert_string_equal(got_words, cases[i].words);
		assert_int_equal(s.applyable, cases[i].applyable);
		if (cases[i].changes != NULL)
			assert_string_equal(got_changes, cases[i].changes);
		assert_string_equal(s.engine_version, "1.11.4");
		assert_int_equal(s.drift, 0);
		plan_summary_free(&s);
	}
}

/* Data sources count for nothing; outputs alone are something to apply; the engine's own word is believed when it says yes. */
static void beside_resources(void **state)
{
	static const struct {
		const char *json, *words;
		bool applyable;
		size_t changes_n;
	} cases[] = {
		{"{\"format_version\":\"1.0\"}", "no changes", false, 0},
		{"{\"format_version\":\"1.2\",\"applyable\":true}", "no changes", true, 0},
		{"{\"format_version\":\"1.2\",\"applyable\":false}", "no changes", false, 0},
		{"{\"format_version\":\"1.2\",\"output_changes\":{\"a\":{\"actions\":[\"no-op\"]},\"b\":{\"actions\":[\"update\"]}}}",
		 "1 output changes", true, 0},
		{"{\"format_version\":\"1.2\",\"resource_changes\":[{\"address\":\"data.t.a\",\"mode\":\"data\",\"type\":\"t\",\"change\":{\"actions\":"
		 "[\"read\"]}},{\"address\":\"data.t.b\",\"mode\":\"data\",\"type\":\"t\",\"change\":{\"actions\":[\"no-op\"]}}]}",
		 "no changes", false, 1},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct plan_summary s;
		assert_int_equal(plan_summary_read(cases[i].json, strlen(cases[i].json), &s, NULL), 0);
		CLEANUP_FREE char *got = plan_words(&s);
		assert_string_equal(got, cases[i].words);
		assert_int_equal(s.applyable, cases[i].applyable);
		assert_int_equal(s.changes_n, cases[i].changes_n);
		plan_summary_free(&s);
	}
}

static void every_count_in_words(void **state)
{
	struct plan_summary s =
		{.create = 1, .update = 2, .replace = 3, .destroy = 4, .import = 5, .move = 6, .forget = 7, .outputs = 8, .drift = 9};
	(void)state;
	CLEANUP_FREE char *got = plan_words(&s);
	assert_string_equal(got,
			    "1 to add, 2 to change, 3 to replace, 4 to destroy, 5 to import, 6 to move, 7 to forget, 8 outputs change");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixtures),
		cmocka_unit_test(beside_resources),
		cmocka_unit_test(every_count_in_words),
	};
	return cmocka_run_group_tests_name("summary", tests, NULL, NULL);
}
