/* Sides of values: what state they are in, what their marks say, names and labels. */
#include "plan/diff_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct diff_secrets none;

/* {"v":VALUE,"u":UNKNOWN,"s":SENSITIVE} */
static struct side side_read(const char *json, struct json_doc **ret_doc)
{
	struct json root;
	assert_int_equal(json_parse(json, strlen(json), NULL, ret_doc, &root, NULL), 0);
	return (struct side){json_member(&root, "v"), json_member(&root, "u"), json_member(&root, "s"), &none};
}

static void states(void **state)
{
	static const struct {
		const char *json;
		enum side_state want;
		bool composite, boring, boring_strings;
	} cases[] = {
		{"{}", SIDE_ABSENT, false, true, true},
		{"{\"s\":true}", SIDE_ABSENT, false, true, true},
		{"{\"v\":null}", SIDE_ABSENT, false, true, true},
		{"{\"v\":null,\"s\":true}", SIDE_SENSITIVE, false, false, false},
		{"{\"v\":1,\"s\":true}", SIDE_SENSITIVE, false, false, false},
		{"{\"v\":1,\"s\":false}", SIDE_KNOWN, false, false, false},
		{"{\"v\":1,\"s\":{}}", SIDE_KNOWN, false, false, false},
		{"{\"u\":true}", SIDE_UNKNOWN, false, false, false},
		{"{\"v\":null,\"u\":true}", SIDE_UNKNOWN, false, false, false},
		{"{\"v\":null,\"u\":true,\"s\":true}", SIDE_SENSITIVE, false, false, false},
		{"{\"v\":\"\"}", SIDE_KNOWN, false, false, true},
		{"{\"v\":\"a\"}", SIDE_KNOWN, false, false, false},
		{"{\"v\":[]}", SIDE_KNOWN, false, true, true},
		{"{\"v\":{}}", SIDE_KNOWN, false, true, true},
		{"{\"v\":{},\"u\":{\"a\":true}}", SIDE_KNOWN, true, false, false},
		{"{\"v\":{},\"u\":{\"a\":false}}", SIDE_KNOWN, false, true, true},
		{"{\"v\":[0]}", SIDE_KNOWN, true, false, false},
		{"{\"v\":{\"a\":1}}", SIDE_KNOWN, true, false, false},
		{"{\"v\":false}", SIDE_KNOWN, false, false, false},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_JSON struct json_doc *doc = NULL;
		struct side s = side_read(cases[i].json, &doc);
		if (side_state(&s) != cases[i].want || side_is_composite(&s) != cases[i].composite ||
		    side_is_boring(&s, false) != cases[i].boring || side_is_boring(&s, true) != cases[i].boring_strings)
			fail_msg("%s: state %d composite %d boring %d %d", cases[i].json, side_state(&s), side_is_composite(&s),
				 side_is_boring(&s, false), side_is_boring(&s, true));
	}
}

static void sameness(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{"{\"v\":1}", "{\"v\":1}", true},
		{"{\"v\":1}", "{\"v\":2}", false},
		{"{}", "{\"v\":null}", true},
		{"{}", "{\"v\":[]}", true},
		{"{\"v\":{}}", "{\"v\":null}", true},
		{"{}", "{\"v\":\"\"}", false},
		{"{\"v\":1}", "{\"v\":1,\"s\":true}", false},
		{"{\"v\":1,\"s\":true}", "{\"v\":1,\"s\":true}", true},
		{"{\"v\":1,\"s\":true}", "{\"v\":2,\"s\":true}", false},
		{"{\"v\":1}", "{\"v\":1,\"s\":{\"a\":false}}", true},
		{"{\"v\":1}", "{\"u\":true}", false},
		{"{\"v\":{\"a\":1}}", "{\"v\":{\"a\":1},\"u\":{\"b\":true}}", false},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_JSON struct json_doc *da = NULL, *db = NULL;
		struct side a = side_read(cases[i].a, &da), b = side_read(cases[i].b, &db);
		if (side_same(&a, &b) != cases[i].same || side_same(&b, &a) != cases[i].same)
			fail_msg("%s and %s", cases[i].a, cases[i].b);
	}
}

/* A mark on the whole holds for each member. */
static void members(void **state)
{
	CLEANUP_JSON struct json_doc *doc = NULL, *other = NULL;
	(void)state;
	struct side whole = side_read("{\"v\":{\"a\":1,\"b\":2},\"s\":true}", &doc);
	struct side a = side_member(&whole, "a"), missing = side_member(&whole, "z");
	assert_int_equal(side_state(&a), SIDE_SENSITIVE);
	assert_int_equal(side_state(&missing), SIDE_ABSENT);
	struct side part = side_read("{\"v\":{\"a\":1,\"b\":2},\"s\":{\"a\":true},\"u\":{\"c\":true}}", &other);
	struct side pa = side_member(&part, "a"), pb = side_member(&part, "b"), pc = side_member(&part, "c");
	assert_int_equal(side_state(&pa), SIDE_SENSITIVE);
	assert_int_equal(side_state(&pb), SIDE_KNOWN);
	assert_int_equal(side_state(&pc), SIDE_UNKNOWN);
	assert_true(side_any_mark(&part.sensitive, 0));
	assert_true(side_any_mark(&part.sensitive, DIFF_DEPTH_MAX)); /* not looked into: taken as marked */
}

static void labels(void **state)
{
	static const struct {
		const char *name;
		size_t width;
		const char *want;
	} cases[] = {
		{"a", 0, "a = "},         {"a", 4, "a    = "},      {"abcdef", 4, "abcdef = "},
		{"a b", 0, "\"a b\" = "}, {"a.b", 0, "\"a.b\" = "}, {NULL, 4, ""},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_FREE char *got = diff_label(cases[i].name, cases[i].width);
		assert_string_equal(got, cases[i].want);
	}
	assert_int_equal(diff_name_width("abc", 2), 3);
	assert_int_equal(diff_name_width("abc", 7), 7);
	assert_int_equal(diff_name_width("a b", 0), 5);
	assert_int_equal(diff_name_width("a_name_that_is_so_long_that_nothing_lines_up_with_it", 7), 7);
}

static void keys(void **state)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct strlist all = {0};
	(void)state;
	struct side s = side_read("{\"v\":{\"b\":1,\"a\":2},\"u\":{\"c\":true,\"a\":true},\"s\":[1]}", &doc);
	diff_keys_collect(&s.value, &all);
	diff_keys_collect(&s.unknown, &all);
	diff_keys_collect(&s.sensitive, &all); /* no object: no keys */
	diff_keys_once(&all);
	assert_int_equal(all.n, 3);
	assert_string_equal(all.v[0], "a");
	assert_string_equal(all.v[1], "b");
	assert_string_equal(all.v[2], "c");
	strlist_free(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states), cmocka_unit_test(sameness), cmocka_unit_test(members),
		cmocka_unit_test(labels), cmocka_unit_test(keys),
	};
	return cmocka_run_group_tests_name("diff_side", tests, NULL, NULL);
}
