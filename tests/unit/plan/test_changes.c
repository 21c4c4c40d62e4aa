/* The digest of a change set: what makes no difference, and each kind of difference. */
#include "plan/changes.h"
#include "tests/support/plan_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void digest(const char *json, char hex[CHANGES_HEX + 1])
{
	struct err err = {0};
	if (plan_changes_digest(json, strlen(json), hex, &err) != 0)
		fail_msg("%s\n%s", err.msg, json);
}

/* A document with two resources, an output and a time. Every case below replaces one piece of it. */
static const char *const pieces[] = {
	"{\"format_version\":\"1.2\",\"terraform_version\":\"1.9.0\",", "\"timestamp\":\"2026-11-25T06:00:00Z\",", "\"resource_changes\":[",
	"{\"address\":\"t.a\",\"mode\":\"managed\",\"type\":\"t\",\"name\":\"a\",\"provider_name\":\"p/t\",", "\"change\":{\"actions\":[\"delete\",\"create\"],",
	"\"before\":{\"size\":1,\"tags\":{\"x\":\"1\",\"y\":\"2\"}},", "\"after\":{\"size\":2,\"tags\":{\"x\":\"1\",\"y\":\"2\"},\"at\":\"made 2026-11-25T06:00:00Z\"},",
	"\"after_unknown\":{\"id\":true},", "\"before_sensitive\":{},", "\"after_sensitive\":{\"tags\":{}},", "\"replace_paths\":[[\"size\"],[\"tags\",\"x\"]]}},",
	"{\"address\":\"t.b\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"create\"],\"before\":null,\"after\":{\"n\":[1,2]}}}",
	"],", "\"output_changes\":{\"o\":{\"actions\":[\"update\"],\"before\":\"1\",\"after\":\"2\"}}", "}",
};
enum { VERSION, TIME, OPEN, FIRST, ACTIONS, BEFORE, AFTER, UNKNOWN, BEFORE_MARKS, AFTER_MARKS, PATHS, SECOND, SHUT, OUTPUTS, END };

static char *document(int at, const char *instead)
{
	struct buf b = {0};
	for (int i = 0; i < (int)ARRAY_LEN(pieces); i++)
		buf_adds(&b, i == at ? instead : pieces[i]);
	return buf_take(&b);
}

struct piece {
	int at;
	const char *text;
};

static void compare(const struct piece *cases, size_t n, bool same)
{
	char want[CHANGES_HEX + 1], got[CHANGES_HEX + 1];
	CLEANUP_FREE char *base = document(-1, "");
	digest(base, want);
	for (size_t i = 0; i < n; i++) {
		CLEANUP_FREE char *json = document(cases[i].at, cases[i].text);
		digest(json, got);
		if ((strcmp(want, got) == 0) != same)
			fail_msg("%s: %s", same ? "a difference that is none" : "a difference that is not seen", cases[i].text);
	}
}

static void what_makes_no_difference(void **state)
{
	(void)state;
	static const struct piece cases[] = {
		{VERSION, "{\"format_version\":\"1.3\",\"terraform_version\":\"1.10.1\",\"applyable\":true,"},
		{FIRST, "{\"mode\":\"managed\",\"address\":\"t.a\",\"type\":\"t\",\"provider_name\":\"p/t\",\"name\":\"a\",\"previous_address\":\"t.a\","},
		{BEFORE, "\"before\":{\"tags\":{\"y\":\"2\",\"x\":\"1\"},\"size\":1},"},
		{UNKNOWN, "\"after_unknown\":{\"tags\":{},\"size\":false,\"id\":true},"},
		{BEFORE_MARKS, "\"before_sensitive\":false,"},
		{AFTER_MARKS, "\"after_sensitive\":{\"tags\":{\"x\":false},\"list\":[{},{}]},"},
		{PATHS, "\"replace_paths\":[[\"tags\",\"x\"],[\"size\"]]}},"},
		/* what does not change is not there */
		{SECOND, "{\"address\":\"t.b\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"create\"],\"before\":null,\"after\":{\"n\":[1,2]}}},"
			 "{\"address\":\"t.c\",\"type\":\"t\",\"change\":{\"actions\":[\"no-op\"],\"before\":{\"q\":1},\"after\":{\"q\":1}}}"},
		{SHUT, "],\"resource_drift\":[{\"address\":\"t.z\",\"type\":\"t\",\"change\":{\"actions\":[\"update\"],\"before\":{\"a\":1},\"after\":{\"a\":2}}}],"},
		{OUTPUTS, "\"output_changes\":{\"still\":{\"actions\":[\"no-op\"],\"before\":\"1\",\"after\":\"1\"},"
			  "\"o\":{\"after\":\"2\",\"before\":\"1\",\"actions\":[\"update\"],\"after_unknown\":false}}"},
	};
	compare(cases, ARRAY_LEN(cases), true);
}

static void every_kind_of_difference(void **state)
{
	(void)state;
	static const struct piece cases[] = {
		{FIRST, "{\"address\":\"t.c\",\"mode\":\"managed\",\"type\":\"t\",\"name\":\"a\",\"provider_name\":\"p/t\","},
		{FIRST, "{\"address\":\"t.a\",\"mode\":\"managed\",\"type\":\"t\",\"name\":\"a\",\"provider_name\":\"evil/t\","},
		{FIRST, "{\"address\":\"t.a\",\"mode\":\"data\",\"type\":\"t\",\"name\":\"a\",\"provider_name\":\"p/t\","},
		{FIRST, "{\"address\":\"t.a\",\"mode\":\"managed\",\"type\":\"t\",\"provider_name\":\"p/t\",\"deposed\":\"0a1b2c3d\","},
		{FIRST, "{\"address\":\"t.a\",\"mode\":\"managed\",\"type\":\"t\",\"provider_name\":\"p/t\",\"previous_address\":\"t.old\","},
		{FIRST, "{\"address\":\"t.a\",\"mode\":\"managed\",\"type\":\"t\",\"provider_name\":\"p/t\",\"action_reason\":\"replace_because_tainted\","},
		{ACTIONS, "\"change\":{\"actions\":[\"create\",\"delete\"],"},
		{ACTIONS, "\"change\":{\"actions\":[\"update\"],"},
		{ACTIONS, "\"change\":{\"actions\":[\"delete\"],"},
		{ACTIONS, "\"change\":{\"actions\":[\"forget\"],"},
		{ACTIONS, "\"change\":{\"importing\":{\"id\":\"i-1\"},\"actions\":[\"delete\",\"create\"],"},
		{BEFORE, "\"before\":{\"size\":3,\"tags\":{\"x\":\"1\",\"y\":\"2\"}},"},
		{BEFORE, "\"before\":{\"size\":1,\"tags\":{\"x\":\"1\"}},"},
		{AFTER, "\"after\":{\"size\":\"2\",\"tags\":{\"x\":\"1\",\"y\":\"2\"},\"at\":\"made 2026-11-25T06:00:00Z\"},"},
		{AFTER, "\"after\":{\"size\":2,\"tags\":{\"x\":\"1\",\"y\":\"2\"},\"at\":\"made 2026-11-25T06:00:01Z\"},"},
		{AFTER, "\"after\":{\"size\":2,\"tags\":{\"x\":\"2\",\"y\":\"1\"},\"at\":\"made 2026-11-25T06:00:00Z\"},"},
		{UNKNOWN, "\"after_unknown\":{\"id\":true,\"size\":true},"},
		{UNKNOWN, "\"after_unknown\":true,"},
		{BEFORE_MARKS, "\"before_sensitive\":{\"size\":true},"},
		{AFTER_MARKS, "\"after_sensitive\":{\"tags\":{\"x\":true}},"},
		{AFTER_MARKS, "\"after_sensitive\":true,"},
		{PATHS, "\"replace_paths\":[[\"size\"]]}},"},
		{PATHS, "\"replace_paths\":[[\"size\"],[\"tags\",\"y\"]]}},"},
		{SECOND, "{\"address\":\"t.b\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"create\"],\"before\":null,\"after\":{\"n\":[2,1]}}}"},
		{SECOND, "{\"address\":\"t.b\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"create\"],\"before\":null,\"after\":{\"n\":[1,2,null]}}}"},
		{SECOND, "{\"address\":\"t.b\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"no-op\"],\"before\":{},\"after\":{}}}"},
		{OUTPUTS, "\"output_changes\":{\"p\":{\"actions\":[\"update\"],\"before\":\"1\",\"after\":\"2\"}}"},
		{OUTPUTS, "\"output_changes\":{\"o\":{\"actions\":[\"update\"],\"before\":\"1\",\"after\":\"3\"}}"},
		{OUTPUTS, "\"output_changes\":{\"o\":{\"actions\":[\"delete\"],\"before\":\"1\",\"after\":null}}"},
		{OUTPUTS, "\"output_changes\":{\"o\":{\"actions\":[\"update\"],\"before\":\"1\",\"after\":\"2\",\"after_sensitive\":true}}"},
		{OUTPUTS, "\"output_changes\":{}"},
		{SHUT, "],\"action_invocations\":[{\"address\":\"action.a\"}],"},
		{SHUT, "],\"deferred_changes\":[{\"reason\":\"instance_count_unknown\"}],"},
	};
	compare(cases, ARRAY_LEN(cases), false);
}

/* Planned again a day later: other times, other order, the same changes. */
static void planned_again(void **state)
{
	(void)state;
	char first[CHANGES_HEX + 1], second[CHANGES_HEX + 1];
	CLEANUP_FREE char *base = document(-1, "");
	CLEANUP_BUF struct buf again = {0};
	buf_printf(&again, "%s\"timestamp\":\"2026-11-26T07:01:02Z\",%s,%s%s%s%s%s", pieces[VERSION], pieces[OUTPUTS], "\"resource_changes\":[",
		   pieces[SECOND], ",", pieces[FIRST], pieces[ACTIONS]);
	buf_printf(&again, "%s\"after\":{\"size\":2,\"tags\":{\"x\":\"1\",\"y\":\"2\"},\"at\":\"made 2026-11-26T07:01:02Z\"},%s%s%s%s", pieces[BEFORE],
		   pieces[UNKNOWN], pieces[BEFORE_MARKS], pieces[AFTER_MARKS], pieces[PATHS]);
	buf_truncate(&again, again.len - 1); /* the comma before the second resource */
	buf_adds(&again, "]}");
	digest(base, first);
	digest(buf_str(&again), second);
	assert_string_equal(first, second);
}

/* Two documents that the engine made, and themselves: an anchor against a change of the format by accident. */
static void real_documents(void **state)
{
	(void)state;
	static const char *const names[] = {"create", "change", "destroy", "moves", "sensitive", "none"};
	char hex[ARRAY_LEN(names)][CHANGES_HEX + 1];
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP_BUF struct buf b = {0};
		plan_fixture_read(names[i], &b);
		digest(buf_str(&b), hex[i]);
		assert_int_equal(strlen(hex[i]), CHANGES_HEX);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(hex[i], hex[k]);
	}
	char nothing[CHANGES_HEX + 1];
	digest("{\"format_version\":\"1.0\"}", nothing);
	assert_string_equal(nothing, hex[5]);
	assert_string_equal(nothing, "f9c77e4e3b1d45835074d476d3c850832b437425befa7d82e4465e00cb398898");
}

static void what_is_refused(void **state)
{
	(void)state;
	char hex[CHANGES_HEX + 1];
	struct err err = {0};
	static const char *const bad[] = {"", "{}", "{\"format_version\":\"2.0\"}", "{\"format_version\":\"1.0\",\"errored\":true}",
					  "{\"format_version\":\"1.0\",\"resource_changes\":[{\"address\":\"a\",\"type\":\"t\",\"change\":{\"actions\":[\"explode\"]}}]}"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(plan_changes_digest(bad[i], strlen(bad[i]), hex, &err), ERR_PARSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_makes_no_difference), cmocka_unit_test(every_kind_of_difference), cmocka_unit_test(planned_again),
		cmocka_unit_test(real_documents),           cmocka_unit_test(what_is_refused),
	};
	return cmocka_run_group_tests_name("changes", tests, NULL, NULL);
}
