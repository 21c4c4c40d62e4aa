/* What a command is about, from the comment to the column and back. */
#include "plan/only.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void there_and_back(void **state)
{
	static const struct {
		const char *comment, *json;
		bool narrow;
		const char *named; /* of a/x/default, b/y/default, b/y/prod, one a word */
	} rows[] = {
		{"plan", "{\"projects\":[],\"dirs\":[],\"workspace\":null}", false, "a/x/default b/y/default b/y/prod "},
		{"plan -p a", "{\"projects\":[\"a\"],\"dirs\":[],\"workspace\":null}", true, "a/x/default "},
		{"plan -d y", "{\"projects\":[],\"dirs\":[\"y\"],\"workspace\":null}", true, "b/y/default b/y/prod "},
		{"plan -p a -d y", "{\"projects\":[\"a\"],\"dirs\":[\"y\"],\"workspace\":null}", true, "a/x/default b/y/default b/y/prod "},
		{"plan -w prod", "{\"projects\":[],\"dirs\":[],\"workspace\":\"prod\"}", true, "b/y/prod "},
		{"plan -d y -w default", "{\"projects\":[],\"dirs\":[\"y\"],\"workspace\":\"default\"}", true, "b/y/default "},
		{"apply -p a --destroy", "{\"projects\":[\"a\"],\"dirs\":[],\"workspace\":null,\"destroy\":true}", true, "a/x/default "},
		{"plan -p c", "{\"projects\":[\"c\"],\"dirs\":[],\"workspace\":null}", true, ""},
	};
	static const char *const projects[][3] = {{"a", "x", "default"}, {"b", "y", "default"}, {"b", "y", "prod"}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct command c;
		struct only o;
		CLEANUP_BUF struct buf json = {0}, named = {0};
		command_parse(rows[i].comment, strlen(rows[i].comment), &c);
		assert_int_equal(c.verb, text_starts(rows[i].comment, "plan") ? COMMAND_PLAN : COMMAND_APPLY);
		assert_int_equal(only_is_narrow(&c), rows[i].narrow);
		only_write(&c, &json);
		assert_string_equal(buf_str(&json), rows[i].json);
		only_read(buf_str(&json), &o);
		assert_int_equal(o.destroy, c.destroy);
		for (size_t k = 0; k < ARRAY_LEN(projects); k++)
			if (only_names(&o, projects[k][0], projects[k][1], projects[k][2]))
				buf_printf(&named, "%s/%s/%s ", projects[k][0], projects[k][1], projects[k][2]);
		assert_string_equal(buf_str(&named), rows[i].named);
		only_free(&o);
		only_free(&o); /* a freed one is empty */
		command_free(&c);
	}
}

static void names_everything(void **state)
{
	static const char *const rows[] = {NULL, "{}", "{", "{\"projects\":[7,null]}", "{\"projects\":\"a\",\"workspace\":3}"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct only o;
		only_read(rows[i], &o);
		assert_true(only_names(&o, "a", "x", "default"));
		only_free(&o);
	}
}

static void names_of_an_apply(void **state)
{
	struct only o;
	(void)state;
	only_read("a\nb c", &o);
	assert_true(only_names(&o, "a", "x", "default") && only_names(&o, "b c", "y", "prod"));
	assert_false(only_names(&o, "b", "a", "default") || only_names(&o, "", "", ""));
	only_free(&o);
	only_read("", &o);
	assert_false(only_names(&o, "a", "x", "default"));
	only_free(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back), cmocka_unit_test(names_everything), cmocka_unit_test(names_of_an_apply)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
