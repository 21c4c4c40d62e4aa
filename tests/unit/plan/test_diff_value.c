/* Values of attributes in a diff. */
#include "base/text.h"
#include "tests/support/plan_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void values(void **state)
{
	static const struct {
		const char *before, *after, *marks, *want;
	} cases[] = {
		{"{\"n\":1}", "{\"n\":2}", "", "!   n = 1 -> 2\n"},
		{"{\"n\":1,\"same\":true}", "{\"n\":1.5,\"same\":true}", "", "!   n = 1 -> 1.5\n"},
		{"{\"b\":true}", "{\"b\":false}", "", "!   b = true -> false\n"},
		{"{\"s\":\"a\"}", "{\"s\":\"b\"}", "", "!   s = \"a\" -> \"b\"\n"},
		{"{\"s\":null}", "{\"s\":\"b\"}", "", "+   s = \"b\"\n"},
		{"{\"s\":\"a\"}", "{\"s\":null}", "", "-   s = \"a\"\n"},
		{"{}", "{\"s\":\"b\"}", "", "+   s = \"b\"\n"},
		{"{\"s\":\"a\"}", "{}", "", "-   s = \"a\"\n"},
		{"{\"s\":1}", "{\"s\":\"1\"}", "", "!   s = 1 -> \"1\"\n"},
		{"{\"s\":null,\"l\":[],\"m\":{}}", "{\"s\":null,\"l\":null,\"m\":null}", "", ""},
		{"{\"id\":\"x\"}", "{}", "\"after_unknown\":{\"id\":true}", "!   id = \"x\" -> (known after apply)\n"},
		{"{}", "{}", "\"after_unknown\":{\"id\":true}", "+   id = (known after apply)\n"},
		{"{\"a\":1,\"long_name\":1}", "{\"a\":2,\"long_name\":2}", "", "!   a         = 1 -> 2\n!   long_name = 1 -> 2\n"},
		{"{\"m\":{\"x\":1,\"y\":1}}", "{\"m\":{\"x\":2,\"z\":1}}", "",
		 "!   m = {\n!     x = 1 -> 2\n-     y = 1\n+     z = 1\n    }\n"},
		{"{\"m\":{\"a b\":1}}", "{\"m\":{\"a b\":2}}", "", "!   m = {\n!     \"a b\" = 1 -> 2\n    }\n"},
		{"{\"m\":null}", "{\"m\":{\"x\":[1,2]}}", "", "+   m = {\n+     x = [1, 2]\n+   }\n"},
		{"{\"m\":{\"x\":1}}", "{\"m\":[1]}", "", "!   m = (1 attribute) -> (1 element)\n"},
		{"{\"l\":[1,2,3]}", "{\"l\":[1,3]}", "", "!   l = [1, 2, 3] -> [1, 3]\n"},
		{"{\"l\":[1,2,3,4,5,6,7,8,9]}", "{\"l\":[1,2,4,5,6,7,8,9,10]}", "",
		 "!   l = [\n-     3\n+     10\n      ... (8 elements unchanged)\n    ]\n"},
		{"{\"l\":[{\"p\":1,\"q\":1},{\"p\":2}]}", "{\"l\":[{\"p\":1,\"q\":2},{\"p\":2}]}", "",
		 "!   l = [\n!     {\n!       q = 1 -> 2\n      }\n      ... (1 element unchanged)\n    ]\n"},
		{"{\"l\":[{\"p\":1}]}", "{\"l\":[{\"p\":1},{\"p\":2}]}", "",
		 "!   l = [\n+     {\n+       p = 2\n+     }\n      ... (1 element unchanged)\n    ]\n"},
		{"{\"l\":[1]}", "{}", "\"after_unknown\":{\"l\":true}", "!   l = (1 element) -> (known after apply)\n"},
		{"{\"l\":[\"a\",\"b\"]}", "{\"l\":[\"a\",null]}", "\"after_unknown\":{\"l\":[false,true]}",
		 "!   l = [\"a\", \"b\"] -> [\"a\", (known after apply)]\n"},
		{"{\"s\":\"a\\u0007b\"}", "{\"s\":\"c\"}", "", "!   s = \"a\\u0007b\" -> \"c\"\n"},
		{"{\"s\":\"a\\u202eb\"}", "{\"s\":\"ab\"}", "", "!   s = \"a<U+202E>b\" (has control or hidden characters) -> \"ab\"\n"},
		{"{\"s\":\"x\\n\"}", "{\"s\":\"y\\n\"}", "", "!   s = \"x\\n\" -> \"y\\n\"\n"},
		{"{\"s\":\"1\\n2\"}", "{\"s\":\"1\\n3\"}", "", "!   s = (text)\n      1\n-     2\n+     3\n"},
		{"{\"s\":\"1\\r\\n2\"}", "{\"s\":\"1\\n2\"}", "",
		 "!   s = (text)\n-     1  (has control or hidden characters)\n+     1\n      2\n"},
		{"{\"s\":\"{\\\"a\\\":1}\"}", "{\"s\":\"{\\\"a\\\": 1}\"}", "",
		 "!   s = (JSON document, only line ends or spaces differ)\n"},
		{"{\"s\":\"{\\\"a\\\":[]}\"}", "{\"s\":\"{\\\"a\\\":[1],\\\"b\\\":\\\"x, {\\\"}\"}", "",
		 "!   s = (JSON document)\n      {\n-       \"a\": []\n+       \"a\": [\n+         1\n+       ],\n+       \"b\": \"x, {\"\n      }\n"},
		{"{\"s\":\"[90071992547409931]\"}", "{\"s\":\"[90071992547409933]\"}", "",
		 "!   s = (JSON document)\n      [\n-       90071992547409931\n+       90071992547409933\n      ]\n"},
		{"{\"s\":\"{not json\"}", "{\"s\":\"{nor this\"}", "", "!   s = \"{not json\" -> \"{nor this\"\n"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_FREE char *got = plan_diff_update(cases[i].before, cases[i].after, cases[i].marks);
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s -> %s gives\n%s\nwanted\n%s", cases[i].before, cases[i].after, got, cases[i].want);
	}
}

static void depth_is_capped(void **state)
{
	(void)state;
	struct buf before = {0}, after = {0};
	for (int i = 0; i < 40; i++) {
		buf_adds(&before, "{\"x\":");
		buf_adds(&after, "{\"x\":");
	}
	buf_adds(&before, "1");
	buf_adds(&after, "2");
	for (int i = 0; i < 40; i++) {
		buf_addc(&before, '}');
		buf_addc(&after, '}');
	}
	CLEANUP_FREE char *got = plan_diff_update(buf_str(&before), buf_str(&after), "");
	assert_non_null(strstr(got, "x = (1 attribute) -> (1 attribute)\n"));
	assert_null(strstr(got, "1 -> 2"));
	buf_free(&before);
	buf_free(&after);
}

static void forcing_path_in_a_list(void **state)
{
	static const char json[] =
		"{\"format_version\":\"1.2\",\"resource_changes\":[{\"address\":\"t.a\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":"
		"[\"delete\",\"create\"],\"replace_paths\":[[\"disk\",1,\"size\"]],\"before\":{\"disk\":[{\"size\":1},{\"size\":1}]},\"after\":{\"disk\":"
		"[{\"size\":1},{\"size\":2}]}}}]}";
	(void)state;
	CLEANUP_FREE char *got = plan_diff_text(json, sizeof(json) - 1);
	assert_string_equal(
		got, "# t.a will be replaced (disk[1].size forces it)\n!   disk = [\n!     {\n!       size = 1 -> 2  # forces replacement\n"
		     "      }\n      ... (1 element unchanged)\n    ]\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(depth_is_capped),
		cmocka_unit_test(forcing_path_in_a_list),
	};
	return cmocka_run_group_tests_name("diff_value", tests, NULL, NULL);
}
