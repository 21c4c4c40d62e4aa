/* The diff of a plan: what it shows, what it hides, where it stops. Whole outputs are compared, ids of the engine left out. */
#include "base/fs.h"
#include "base/limits.h"
#include "base/text.h"
#include "plan/diff_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static char *diff_of(const char *json, size_t len)
{
	struct buf out = {0};
	struct err err = {0};
	if (plan_diff(json, len, &out, &err) != 0)
		fail_msg("%.200s: %s", json, err.msg);
	return buf_take(&out);
}

static char *diff_of_fixture(const char *name)
{
	CLEANUP_BUF struct buf bytes = {0};
	CLEANUP_FREE char *path = xasprintf("tests/fixtures/plan/%s.json", name);
	assert_int_equal(fs_read(path, 1u << 20, &bytes, NULL), 0);
	return diff_of(bytes.data, bytes.len);
}

/* One update of t.a with these sides. */
static char *diff_update(const char *before, const char *after, const char *marks)
{
	CLEANUP_FREE char *json = xasprintf("{\"format_version\":\"1.2\",\"resource_changes\":[{\"address\":\"t.a\",\"mode\":\"managed\",\"type\":\"t\","
					    "\"change\":{\"actions\":[\"update\"],\"before\":%s,\"after\":%s%s%s}}]}",
					    before, after, marks[0] != '\0' ? "," : "", marks);
	char *whole = diff_of(json, strlen(json));
	const char heading[] = "# t.a will be changed\n";
	assert_true(text_starts(whole, heading));
	memmove(whole, whole + sizeof(heading) - 1, strlen(whole) - sizeof(heading) + 2);
	return whole;
}

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
		{"{\"m\":{\"x\":1,\"y\":1}}", "{\"m\":{\"x\":2,\"z\":1}}", "", "!   m = {\n!     x = 1 -> 2\n-     y = 1\n+     z = 1\n    }\n"},
		{"{\"m\":{\"a b\":1}}", "{\"m\":{\"a b\":2}}", "", "!   m = {\n!     \"a b\" = 1 -> 2\n    }\n"},
		{"{\"m\":null}", "{\"m\":{\"x\":[1,2]}}", "", "+   m = {\n+     x = [1, 2]\n+   }\n"},
		{"{\"m\":{\"x\":1}}", "{\"m\":[1]}", "", "!   m = (1 attribute) -> (1 element)\n"},
		{"{\"l\":[1,2,3]}", "{\"l\":[1,3]}", "", "!   l = [1, 2, 3] -> [1, 3]\n"},
		{"{\"l\":[1,2,3,4,5,6,7,8,9]}", "{\"l\":[1,2,4,5,6,7,8,9,10]}", "",
		 "!   l = [\n-     3\n+     10\n      ... (8 elements unchanged)\n    ]\n"},
		{"{\"l\":[{\"p\":1,\"q\":1},{\"p\":2}]}", "{\"l\":[{\"p\":1,\"q\":2},{\"p\":2}]}", "",
		 "!   l = [\n!     {\n!       q = 1 -> 2\n      }\n      ... (1 element unchanged)\n    ]\n"},
		{"{\"l\":[{\"p\":1}]}", "{\"l\":[{\"p\":1},{\"p\":2}]}", "", "!   l = [\n+     {\n+       p = 2\n+     }\n      ... (1 element unchanged)\n    ]\n"},
		{"{\"l\":[1]}", "{}", "\"after_unknown\":{\"l\":true}", "!   l = (1 element) -> (known after apply)\n"},
		{"{\"l\":[\"a\",\"b\"]}", "{\"l\":[\"a\",null]}", "\"after_unknown\":{\"l\":[false,true]}",
		 "!   l = [\"a\", \"b\"] -> [\"a\", (known after apply)]\n"},
		{"{\"s\":\"a\\u0007b\"}", "{\"s\":\"c\"}", "", "!   s = \"a\\u0007b\" -> \"c\"\n"},
		{"{\"s\":\"a\\u202eb\"}", "{\"s\":\"ab\"}", "", "!   s = \"ab\" (control characters left out) -> \"ab\"\n"},
		{"{\"s\":\"x\\n\"}", "{\"s\":\"y\\n\"}", "", "!   s = \"x\\n\" -> \"y\\n\"\n"},
		{"{\"s\":\"1\\n2\"}", "{\"s\":\"1\\n3\"}", "", "!   s = (text)\n      1\n-     2\n+     3\n"},
		{"{\"s\":\"1\\r\\n2\"}", "{\"s\":\"1\\n2\"}", "", "!   s = (text)\n-     1  (control characters left out)\n+     1\n      2\n"},
		{"{\"s\":\"{\\\"a\\\":1}\"}", "{\"s\":\"{\\\"a\\\": 1}\"}", "", "!   s = (JSON document, only line ends or spaces differ)\n"},
		{"{\"s\":\"{\\\"a\\\":[]}\"}", "{\"s\":\"{\\\"a\\\":[1],\\\"b\\\":\\\"x, {\\\"}\"}", "",
		 "!   s = (JSON document)\n      {\n-       \"a\": []\n+       \"a\": [\n+         1\n+       ],\n+       \"b\": \"x, {\"\n      }\n"},
		{"{\"s\":\"[90071992547409931]\"}", "{\"s\":\"[90071992547409933]\"}", "",
		 "!   s = (JSON document)\n      [\n-       90071992547409931\n+       90071992547409933\n      ]\n"},
		{"{\"s\":\"{not json\"}", "{\"s\":\"{nor this\"}", "", "!   s = \"{not json\" -> \"{nor this\"\n"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_FREE char *got = diff_update(cases[i].before, cases[i].after, cases[i].marks);
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s -> %s gives\n%s\nwanted\n%s", cases[i].before, cases[i].after, got, cases[i].want);
	}
}

static void sensitive_values(void **state)
{
	static const struct {
		const char *before, *after, *marks, *want;
	} cases[] = {
		{"{\"p\":\"one-secret\"}", "{\"p\":\"two-secret\"}", "\"before_sensitive\":{\"p\":true},\"after_sensitive\":{\"p\":true}",
		 "!   p = (sensitive)\n"},
		{"{\"p\":\"secret\"}", "{\"p\":\"secret\"}", "\"before_sensitive\":{\"p\":true},\"after_sensitive\":{\"p\":true}", ""},
		/* marked on one side only: the same value may stand on the other */
		{"{\"p\":\"the-secret\"}", "{\"p\":\"the-secret\"}", "\"before_sensitive\":false,\"after_sensitive\":{\"p\":true}", "!   p = (sensitive)\n"},
		{"{\"p\":\"the-secret\"}", "{\"p\":\"other\"}", "\"before_sensitive\":{\"p\":true},\"after_sensitive\":{}", "!   p = (sensitive)\n"},
		{"{\"p\":null}", "{\"p\":\"the-secret\"}", "\"after_sensitive\":{\"p\":true}", "+   p = (sensitive)\n"},
		{"{\"p\":\"the-secret\"}", "{}", "\"before_sensitive\":{\"p\":true}", "-   p = (sensitive)\n"},
		{"{\"m\":{\"a\":\"the-secret\",\"b\":1}}", "{\"m\":{\"a\":\"new-secret\",\"b\":2}}",
		 "\"before_sensitive\":{\"m\":{\"a\":true}},\"after_sensitive\":{\"m\":{\"a\":true}}", "!   m = {\n!     a = (sensitive)\n!     b = 1 -> 2\n    }\n"},
		/* the marks of a list differ: none of it is shown */
		{"{\"l\":[\"the-secret\",\"x\"]}", "{\"l\":[\"y\",\"the-secret\"]}",
		 "\"before_sensitive\":{\"l\":[false,false]},\"after_sensitive\":{\"l\":[false,true]}", "!   l = (sensitive)\n"},
		{"{\"l\":[\"the-secret\",\"x\"]}", "{\"l\":[\"the-secret\",\"y\"]}",
		 "\"before_sensitive\":{\"l\":[true,false]},\"after_sensitive\":{\"l\":[true,false]}", "!   l = [(sensitive), \"x\"] -> [(sensitive), \"y\"]\n"},
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
		CLEANUP_FREE char *got = diff_update(cases[i].before, cases[i].after, cases[i].marks);
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
		CLEANUP_FREE char *got = diff_of_fixture(names[i]);
		assert_non_null(strstr(got, "(sensitive)"));
		for (size_t k = 0; k < ARRAY_LEN(never); k++)
			assert_null(strstr(got, never[k]));
	}
}

static void fixture_change(void **state)
{
	(void)state;
	CLEANUP_FREE char *got = diff_of_fixture("change");
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
	CLEANUP_FREE char *got = diff_of_fixture("moves");
	assert_string_equal(got, "# terraform_data.released will be forgotten: it stays alive outside of the state (was removed from the configuration)\n\n"
				 "# terraform_data.adopted_and_changed will be imported and changed, id other-id\n+   input  = \"set\"\n"
				 "+   output = (known after apply)\n\n"
				 "# terraform_data.new_and_changed will be changed, moved from terraform_data.old_and_changed\n"
				 "!   input  = \"one\" -> \"two\"\n!   output = \"one\" -> (known after apply)\n\n"
				 "# terraform_data.adopted will be imported, id adopted-id\n\n# terraform_data.new will be moved from terraform_data.old\n");
	CLEANUP_FREE char *none = diff_of_fixture("none");
	assert_string_equal(none, "");
}

static void drift_has_its_own_heading(void **state)
{
	static const char json[] =
		"{\"format_version\":\"1.2\",\"resource_drift\":["
		"{\"address\":\"t.b\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"update\"],\"before\":{\"n\":1},\"after\":{\"n\":2}}},"
		"{\"address\":\"t.gone\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"delete\"],\"before\":{\"n\":1},\"after\":null}}]}";
	(void)state;
	CLEANUP_FREE char *got = diff_of(json, sizeof(json) - 1);
	assert_string_equal(got, "# Changed outside, since the state was written:\n# t.gone was deleted outside\n\n# t.b was changed outside\n"
				 "!   n = 1 -> 2\n");
}

/* Names and addresses cannot begin a line of their own or carry control characters. */
static void hostile_names(void **state)
{
	static const char json[] = "{\"format_version\":\"1.2\",\"resource_changes\":[{\"address\":\"t.a\\n+ forged\\u001b[31m\",\"mode\":\"managed\",\"type\":\"t\","
				   "\"change\":{\"actions\":[\"create\"],\"before\":null,\"after\":{\"k\\n- x\":\"v\",\"m\":{\"\\u202e\":1}}}}]}";
	(void)state;
	CLEANUP_FREE char *got = diff_of(json, sizeof(json) - 1);
	assert_string_equal(got, "# t.a + forged will be created\n+   \"k\\n- x\" = \"v\"\n+   m        = {\n+     \"\" = 1\n+   }\n");
}

static void long_strings_are_windowed(void **state)
{
	(void)state;
	CLEANUP_FREE char *before = xasprintf("{\"s\":\"%0300dA%0300d\"}", 0, 0), *after = xasprintf("{\"s\":\"%0300dB%0300d\"}", 0, 0);
	CLEANUP_FREE char *got = diff_update(before, after, "");
	CLEANUP_FREE char *want = xasprintf("-   s = ...\"%040dA%0119d\"... (601 bytes)\n+   s = ...\"%040dB%0119d\"... (601 bytes)\n", 0, 0, 0, 0);
	assert_string_equal(got, want);
}

/* Many large changes end with a sentence, below the limit, at the end of a line. */
static void the_limit(void **state)
{
	struct buf json = {.max = 64u << 20};
	(void)state;
	buf_adds(&json, "{\"format_version\":\"1.2\",\"resource_changes\":[");
	for (int i = 0; i < 20000; i++)
		buf_printf(&json, "%s{\"address\":\"t.a[%d]\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"create\"],\"after\":{\"n\":%d}}}",
			   i > 0 ? "," : "", i, i);
	buf_adds(&json, "]}");
	CLEANUP_FREE char *got = diff_of(json.data, json.len);
	size_t len = strlen(got);
	assert_true(len < LIMIT_DIFF_BYTES && len > LIMIT_DIFF_BYTES - 4096);
	const char *last = strstr(got, "# The diff ends here, at its limit of 262144 bytes: ");
	assert_non_null(last);
	assert_int_equal(last[-1], '\n');
	assert_non_null(strstr(last, " of 20000 changes are left out. The log has all of it.\n"));
	buf_free(&json);
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
	CLEANUP_FREE char *got = diff_update(buf_str(&before), buf_str(&after), "");
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
	CLEANUP_FREE char *got = diff_of(json, sizeof(json) - 1);
	assert_string_equal(got, "# t.a will be replaced (disk[1].size forces it)\n!   disk = [\n!     {\n!       size = 1 -> 2  # forces replacement\n"
				 "      }\n      ... (1 element unchanged)\n    ]\n");
}

/* ---- edit scripts ---- */

static char *script(const char *a, const char *b)
{
	struct spans x, y;
	struct edits e;
	struct buf out = {0};
	spans_split(a, strlen(a), &x);
	spans_split(b, strlen(b), &y);
	edits_make(&x, &y, &e);
	for (size_t i = 0; i < e.n; i++) {
		const struct span *s = e.v[i].kind == EDIT_ADD ? &y.v[e.v[i].b] : &x.v[e.v[i].a];
		buf_addc(&out, e.v[i].kind == EDIT_KEEP ? ' ' : e.v[i].kind == EDIT_ADD ? '+' : '-');
		buf_add(&out, s->p, s->n);
	}
	edits_free(&e);
	spans_free(&x);
	spans_free(&y);
	return buf_take(&out);
}

static void edit_scripts(void **state)
{
	static const struct {
		const char *a, *b, *want;
	} cases[] = {
		{"", "", ""},
		{"", "a", "+a"},
		{"a", "", "-a"},
		{"a\nb\nc", "a\nb\nc", " a b c"},
		{"a\nb\nc", "a\nx\nc", " a-b+x c"},
		{"a\nb", "b\na", "-a b+a"},
		{"a\nb\nc\na\nb\nb\na", "c\nb\na\nb\na\nc", "-a-b c+b a b-b a+c"},
		{"a\na\na", "a\na", " a a-a"},
		{"a\na", "a\na\na", " a a+a"},
		{"a\nb\nc\nd", "w\nx\ny\nz", "-a-b-c-d+w+x+y+z"},
		{"a\n", "a\n\n", " a+"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_FREE char *got = script(cases[i].a, cases[i].b);
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s to %s: <%s>, wanted <%s>", cases[i].a, cases[i].b, got, cases[i].want);
	}
}

/* Whatever the lists, applying the script to the old one gives the new one. */
static void edit_scripts_are_true(void **state)
{
	unsigned seed = 1;
	(void)state;
	for (int round = 0; round < 3000; round++) {
		char a[64] = "", b[64] = "";
		size_t n[2];
		char *both[2] = {a, b};
		for (int s = 0; s < 2; s++) {
			seed = seed * 1103515245u + 12345u;
			n[s] = (seed >> 16) % 12;
			for (size_t i = 0; i < n[s]; i++) {
				seed = seed * 1103515245u + 12345u;
				both[s][2 * i] = (char)('a' + (seed >> 16) % 4);
				both[s][2 * i + 1] = '\n';
				both[s][2 * i + 2] = '\0';
			}
		}
		CLEANUP_FREE char *got = script(a, b);
		char old[64] = "", new[64] = "";
		size_t no = 0, nn = 0;
		for (size_t i = 0; got[i] != '\0'; i += 2) {
			if (got[i] != '+') {
				old[no++] = got[i + 1];
				old[no++] = '\n';
			}
			if (got[i] != '-') {
				new[nn++] = got[i + 1];
				new[nn++] = '\n';
			}
		}
		assert_string_equal(old, a);
		assert_string_equal(new, b);
	}
}

static void very_different_texts(void **state)
{
	struct buf a = {0}, b = {0};
	(void)state;
	for (int i = 0; i < 3000; i++) {
		buf_printf(&a, "a%d\n", i);
		buf_printf(&b, "b%d\n", i);
	}
	CLEANUP_FREE char *got = script(buf_str(&a), buf_str(&b));
	assert_true(text_starts(got, "-a0-a1-a2"));
	assert_true(text_ends(got, "+b2998+b2999"));
	buf_free(&a);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(sensitive_values),
		cmocka_unit_test(sensitive_fixture),
		cmocka_unit_test(fixture_change),
		cmocka_unit_test(fixture_moves),
		cmocka_unit_test(drift_has_its_own_heading),
		cmocka_unit_test(hostile_names),
		cmocka_unit_test(long_strings_are_windowed),
		cmocka_unit_test(the_limit),
		cmocka_unit_test(depth_is_capped),
		cmocka_unit_test(forcing_path_in_a_list),
		cmocka_unit_test(edit_scripts),
		cmocka_unit_test(edit_scripts_are_true),
		cmocka_unit_test(very_different_texts),
	};
	return cmocka_run_group_tests_name("diff", tests, NULL, NULL);
}
