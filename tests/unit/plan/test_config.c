/* The reader of both files: places, unknown keys, wrong types, directories, and that all errors are told, up to a ceiling. */
#include "tests/unit/plan/test_config.h"

static const struct refusal refusals[] = {
	/* the document */
	{"", "1:1: version is missing: the version of this file's format, 1\n"},
	{"- a\n", "1:1: expected keys and values, found a list\n"},
	{"just text\n", "1:1: expected keys and values, found text\n"},
	{"version: 1\nversion: 1\n", "2:1: the key \"version\" stands twice, first on line 1; remove one\n"},
	{"version: 1\n  x: [\n", "1:10: invalid multiline plain key\n"},
	/* keys */
	{"version: 1\nproject: []\n", "2:1: unknown key \"project\", did you mean \"projects\"?\n"},
	{"version: 1\n\"x\\e[31m\\n::error::y\\u202e\": 1\n", "2:1: unknown key \"x ::error::y<U+202E>\"; known here: version, projects, checks, tools, cost\n"},
	{"version: 1\nzebra: 1\n", "2:1: unknown key \"zebra\"; known here: version, projects, checks, tools, cost\n"},
	{HEAD "dri: x\n", "3:5: unknown key \"dri\", did you mean \"dir\"?\n"
			  "3:5: dir is missing: its directory, from the root of the repository; a glob makes one project per matching directory\n"},
	{HEAD "{ dir: x, approvals: { counts: 1 } }\n", "3:28: unknown key \"counts\", did you mean \"count\"?\n"},
	{HEAD "{ dir: x, cost: { max: 1 } }\n", "3:23: unknown key \"max\"; known here: max_increase_usd\n"},
	/* types */
	{"version: 1\nprojects: {}\n", "2:11: projects: expected a list, found a map\n"},
	{"version: 1\nprojects: []\n",
	 "2:11: projects: an empty list; leave the key out to have every directory with *.tf, *.tofu or Pulumi.yaml\n"},
	{HEAD "network\n", "3:5: projects: expected a map, found text\n"},
	{HEAD "{ dir: 5 }\n", "3:12: dir: expected text, found a number; put it in quotes\n"},
	{HEAD "{ dir: [x] }\n", "3:12: dir: expected text, found a list\n"},
	{HEAD "{ dir: x, name: true }\n", "3:21: name: expected text, found true or false; put it in quotes\n"},
	{HEAD "{ dir: x, workspace: 1e3 }\n", "3:26: workspace: expected text, found a number; put it in quotes\n"},
	{HEAD "{ dir: x, workspace: 0x1F }\n", "3:26: workspace: expected text, found a number; put it in quotes\n"},
	{HEAD "{ dir: x, when_modified: a }\n", "3:30: when_modified: expected a list, found text\n"},
	{HEAD "{ dir: x, when_modified: [1] }\n", "3:31: when_modified: expected text, found a number; put it in quotes\n"},
	{HEAD "{ dir: x, approvals: 2 }\n", "3:26: approvals: expected a map, found a number\n"},
	{HEAD "{ dir: x, approvals: { count: two } }\n", "3:35: count: expected a whole number, found text\n"},
	{HEAD "{ dir: x, approvals: { count: \"2\" } }\n", "3:35: count: expected a whole number, found text\n"},
	{HEAD "{ dir: x, approvals: { count: 1.5 } }\n", "3:35: count: expected a whole number, found \"1.5\"\n"},
	{HEAD "{ dir: x, approvals: { count: 11 } }\n", "3:35: count: 11 is not between 0 and 10\n"},
	{HEAD "{ dir: x, approvals: { count: -1 } }\n", "3:35: count: -1 is not between 0 and 10\n"},
	{HEAD "{ dir: x, approvals: { codeowners: yes } }\n", "3:40: codeowners: expected true or false, found text\n"},
	{HEAD "{ dir: x, engine: terrafrom }\n", "3:23: engine: unknown word \"terrafrom\", did you mean \"terraform\"?\n"},
	{HEAD "{ dir: x, engine: bicep }\n", "3:23: engine: unknown word \"bicep\", expected terraform, opentofu or pulumi\n"},
	{HEAD "{ dir: x, apply: on_push }\n", "3:22: apply: unknown word \"on_push\", expected on_comment or on_merge\n"},
	/* directories */
	{HEAD "dir: ../x\n", "3:10: dir: \"../x\" must not have .. in it\n"},
	{HEAD "dir: a/../b\n", "3:10: dir: \"a/../b\" must not have .. in it\n"},
	{HEAD "dir: a/..\n", "3:10: dir: \"a/..\" must not have .. in it\n"},
	{HEAD "dir: /etc\n", "3:10: dir: \"/etc\" is absolute; write it relative to the repository's root\n"},
	{HEAD "dir: ''\n", "3:10: dir: must not be empty\n"},
	{HEAD "dir: \"a\\nb\"\n", "3:10: dir: control characters, hidden characters and line breaks are not allowed\n"},
	{HEAD "dir: \"a\\u200bb\"\n", "3:10: dir: control characters, hidden characters and line breaks are not allowed\n"},
	{HEAD "dir: \"a\\u009b1mb\"\n", "3:10: dir: control characters, hidden characters and line breaks are not allowed\n"},
	{HEAD "dir: 'a[b'\n", "3:10: dir: glob \"a[b\", character 2: [ without ]\n"},
	{HEAD "dir: a/***\n", "3:10: dir: glob \"a/***\", character 3: *** means nothing, write ** or *\n"},
	/* all errors, not only the first */
	{HEAD "{ dir: /a, engine: x1 }\n  - { dir: ../b }\nfoo: 1\n",
	 "3:12: dir: \"/a\" is absolute; write it relative to the repository's root\n"
	 "3:24: engine: unknown word \"x1\", expected terraform, opentofu or pulumi\n"
	 "4:12: dir: \"../b\" must not have .. in it\n"
	 "5:1: unknown key \"foo\"; known here: version, projects, checks, tools, cost\n"},
};

static void refused(void **state)
{
	(void)state;
	config_refused(false, refusals, ARRAY_LEN(refusals));
}

static void errors_are_capped(void **state)
{
	CLEANUP_BUF struct buf text = {0};
	struct config_errors errors = {0};
	struct repo_config c;
	(void)state;
	buf_adds(&text, "version: 1\n");
	for (int i = 0; i < 5000; i++)
		buf_printf(&text, "key%d: 1\n", i);
	assert_int_equal(repo_config_parse("sluice.yaml", text.data, text.len, NULL, &c, &errors), ERR_PARSE);
	assert_int_equal(errors.n, 101);
	assert_string_equal(errors.v[100].msg, "more errors follow; mend these first");
	config_errors_free(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(refused), cmocka_unit_test(errors_are_capped)};
	return cmocka_run_group_tests_name("configuration", tests, NULL, NULL);
}
