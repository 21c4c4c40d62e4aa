/* The diff of a plan, resource by resource. Ids that the engine made up are left out. */
#include "base/limits.h"
#include "tests/support/plan_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void fixture_change(void **state)
{
	(void)state;
	CLEANUP_FREE char *got = plan_diff_fixture("change");
	static const char *const parts[] = {
		"# terraform_data.gentle will be replaced (triggers_replace forces it; the new one is created first)\n"
		"!   triggers_replace = \"one\" -> \"two\"  # forces replacement\n!   id = (known after apply)\n\n",
		"# terraform_data.replace will be replaced (triggers_replace forces it)\n"
		"!   triggers_replace = {  # forces replacement\n!     version = \"14.1\" -> \"15.2\"\n    }\n!   id, output = (known after apply)\n\n",
		"# terraform_data.counted[1] will be destroyed (its index is beyond count)\n",
		"# terraform_data.document will be changed\n!   input  = (JSON document)\n      {\n-       \"Account\": 123456789012345678,\n"
		"+       \"Account\": 123456789012345679,\n        \"Statement\": [\n          {\n            \"Action\": [\n"
		"-             \"s3:GetObject\"\n+             \"s3:GetObject\",\n+             \"s3:PutObject\"\n            ],\n"
		"            \"Effect\": \"Allow\"\n      ... (4 lines unchanged)\n!   output = (JSON document) -> (known after apply)\n\n",
		"!   input  = (text)\n      ... (4 lines unchanged)\n      three\n      four\n-     echo old\n+     echo new\n      five\n      six\n"
		"      ... (2 lines unchanged)\n!   output = (text) -> (known after apply)\n\n",
		"!     rules = [\n!       {\n!         from = \"office\" -> \"vpn\"\n        }\n        ... (1 element unchanged)\n      ]\n"
		"!     size  = 10 -> 20\n!     zones = [\"a\", \"b\", \"c\"] -> [\"a\", \"c\", \"d\"]\n    }\n",
		"# terraform_data.keyed[\"new\"] will be created\n+   input = \"new\"\n+   id, output = (known after apply)\n\n"
		"# Outputs\n-   gone = \"bye\"\n!   size = 10 -> 20\n",
	};
	const char *at = got;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		const char *found = strstr(at, parts[i]);
		if (found == NULL)
			fail_msg("not found, or not in order:\n%s\nin\n%s", parts[i], at);
		at = found + strlen(parts[i]);
	}
	assert_string_equal(at, "");
}

static void fixture_moves(void **state)
{
	(void)state;
	CLEANUP_FREE char *got = plan_diff_fixture("moves");
	assert_string_equal(
		got,
		"# terraform_data.released will be forgotten: it stays alive outside of the state (was removed from the configuration)\n\n"
		"# terraform_data.adopted_and_changed will be imported and changed, id other-id\n+   input  = \"set\"\n"
		"+   output = (known after apply)\n\n"
		"# terraform_data.new_and_changed will be changed, moved from terraform_data.old_and_changed\n"
		"!   input  = \"one\" -> \"two\"\n!   output = \"one\" -> (known after apply)\n\n"
		"# terraform_data.adopted will be imported, id adopted-id\n\n# terraform_data.new will be moved from terraform_data.old\n");
	CLEANUP_FREE char *none = plan_diff_fixture("none");
	assert_string_equal(none, "");
}

static void drift_has_its_own_heading(void **state)
{
	static const char json[] =
		"{\"format_version\":\"1.2\",\"resource_drift\":["
		"{\"address\":\"t.b\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"update\"],\"before\":{\"n\":1},\"after\":{\"n\":2}}},"
		"{\"address\":\"t.gone\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"delete\"],\"before\":{\"n\":1},\"after\":null}}]}";
	(void)state;
	CLEANUP_FREE char *got = plan_diff_text(json, sizeof(json) - 1);
	assert_string_equal(got,
			    "# Changed outside, since the state was written:\n# t.gone was deleted outside\n\n# t.b was changed outside\n"
			    "!   n = 1 -> 2\n");
}

/* Names and addresses cannot begin a line of their own or carry control characters. */
static void hostile_names(void **state)
{
	static const char json[] =
		"{\"format_version\":\"1.2\",\"resource_changes\":[{\"address\":\"t.a\\n+ forged\\u001b[31m\",\"mode\":\"managed\",\"type\":\"t\","
		"\"change\":{\"actions\":[\"create\"],\"before\":null,\"after\":{\"k\\n- x\":\"v\",\"m\":{\"\\u202e\":1}}}}]}";
	(void)state;
	CLEANUP_FREE char *got = plan_diff_text(json, sizeof(json) - 1);
	assert_string_equal(got, "# t.a + forged will be created\n+   \"k\\n- x\" = \"v\"\n+   m        = {\n+     \"<U+202E>\" = 1\n+   }\n");
}

/* Many large changes end with a sentence, below the limit, at the end of a line. */
static void the_limit(void **state)
{
	struct buf json = {.max = 64u << 20};
	(void)state;
	buf_adds(&json, "{\"format_version\":\"1.2\",\"resource_changes\":[");
	for (int i = 0; i < 20000; i++)
		buf_printf(
			&json,
			"%s{\"address\":\"t.a[%d]\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"create\"],\"after\":{\"n\":%d}}}",
			i > 0 ? "," : "", i, i);
	buf_adds(&json, "]}");
	CLEANUP_FREE char *got = plan_diff_text(json.data, json.len);
	size_t len = strlen(got);
	assert_true(len < LIMIT_DIFF_BYTES && len > LIMIT_DIFF_BYTES - 4096);
	const char *last = strstr(got, "# The diff ends here, at its limit of 262144 bytes: ");
	assert_non_null(last);
	assert_int_equal(last[-1], '\n');
	assert_non_null(strstr(last, " of 20000 changes are left out. The log has all of it.\n"));
	buf_free(&json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixture_change), cmocka_unit_test(fixture_moves), cmocka_unit_test(drift_has_its_own_heading),
		cmocka_unit_test(hostile_names),  cmocka_unit_test(the_limit),
	};
	return cmocka_run_group_tests_name("diff", tests, NULL, NULL);
}
