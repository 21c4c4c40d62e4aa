/* Values of sluice.yaml that are more than a scalar, those that later versions act on among them. */
#include "tests/unit/plan/test_config.h"

static const struct refusal refusals[] = {
	/* version */
	{"version: 2\n", "1:10: version: this sluice reads version 1 only; write \"version: 1\"\n"},
	{"version: \"1\"\n", "1:10: version: this sluice reads version 1 only; write \"version: 1\"\n"},
	/* requires */
	{HEAD "{ dir: x, requires: approved }\n", "3:25: requires: expected a list, found text\n"},
	{HEAD "{ dir: x, requires: [aproved] }\n", "3:26: requires: unknown word \"aproved\", did you mean \"approved\"?\n"},
	{HEAD "{ dir: x, requires: [luck] }\n", "3:26: requires: unknown word \"luck\", expected approved, checks or up_to_date\n"},
	/* keys of later versions */
	{HEAD "{ dir: x, identity: { plan: a } }\n", "3:33: plan: expected a map, found text\n"},
	{HEAD "{ dir: x, identity: { deploy: {} } }\n", "3:27: unknown key \"deploy\"; known here: plan, apply\n"},
	{HEAD "{ dir: x, identity: { plan: { aws: { role: 5 } } } }\n", "3:48: role: expected text, found a number; put it in quotes\n"},
	{HEAD "{ dir: x, cost: { max_increase_usd: lots } }\n", "3:41: max_increase_usd: expected an amount such as 500 or 12.50\n"},
	{HEAD "{ dir: x, cost: { max_increase_usd: -5 } }\n", "3:41: max_increase_usd: expected an amount such as 500 or 12.50\n"},
	{HEAD "{ dir: x, env: { 1A: b } }\n", "3:22: env: \"1A\" is no variable name; letters, digits and _ only, no digit first\n"},
	{HEAD "{ dir: x, env: { AWS_PROFILE: p } }\n", "3:22: env: a repository sets TF_VAR_NAME only; AWS_PROFILE is the operator's, under defaults: or "
							"overrides: of the server's file\n"},
	{HEAD "{ dir: x, env: { LD_PRELOAD: p } }\n", "3:22: env: LD_PRELOAD cannot be set: it would change what the engine is or whom it trusts\n"},
	{HEAD "{ dir: x, env: { TF_CLI_ARGS_plan: -destroy } }\n", "3:22: env: TF_CLI_ARGS_plan cannot be set: it would change what the engine is or whom it trusts\n"},
	{HEAD "{ dir: x, env: { Https_Proxy: p } }\n", "3:22: env: Https_Proxy cannot be set: it would change what the engine is or whom it trusts\n"},
	{HEAD "{ dir: x, env: { TF_VAR_a: 1 } }\n", "3:32: TF_VAR_a: expected text, found a number; put it in quotes\n"},
	{"version: 1\nchecks: [{ name: opa }]\n", "2:10: run is missing: what to run\n"},
	{"version: 1\nchecks: [{ name: opa, run: x, polcy: y }]\n", "2:31: unknown key \"polcy\", did you mean \"policy\"?\n"},
	{"version: 1\ntools: { \"\": a }\n", "2:10: tools: a name must not be empty\n"},
	{"version: 1\ntools: { \"a b\": a }\n", "2:10: tools: \"a b\" may only have letters, digits and . _ - /\n"},
	{"version: 1\ntools: { terraform: 1.11 }\n", "2:21: terraform: expected text, found a number; put it in quotes\n"},
};

static void refused(void **state)
{
	(void)state;
	config_refused(false, refusals, ARRAY_LEN(refusals));
}

static void accepted(void **state)
{
	static const char *const texts[] = {
		HEAD "{ dir: x, cost: { max_increase_usd: 0 } }\n",
		HEAD "{ dir: x, cost: { max_increase_usd: 999999999.99 } }\n",
		HEAD "{ dir: x, env: { TF_VAR_A1: 'b', TF_VAR_EMPTY: '' } }\n",
		HEAD "{ dir: x, env: {}, identity: {}, approvals: {}, cost: {} }\n",
		HEAD "{ dir: x, env: , identity: ~, approvals: null, requires: , when_modified: }\n",
		HEAD "{ dir: x, identity: { plan: { aws: { role: r, tags: { a: b } }, vault: {} } } }\n",
		"version: 1\nchecks: []\ntools: {}\n",
		"version: 1\nchecks: [{ name: a, run: b }, { name: opa, run: conftest, policy: ./policy/ }]\ntools: { opentofu: \"1.10\", tflint: v0.50.0 }\n",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct repo_config c;
		struct config_errors errors = {0};
		if (repo_config_parse("f.yaml", texts[i], strlen(texts[i]), NULL, &c, &errors) != 0)
			fail_msg("%s: %s", texts[i], errors.v[0].msg);
		if (c.projects_n > 0)
			assert_true(c.projects[0].requires_approved && c.projects[0].approvals == 1);
		repo_config_free(&c);
	}
}

static void requires_words(void **state)
{
	static const struct {
		const char *list;
		bool approved, checks, up_to_date;
	} rows[] = {
		{"[]", false, false, false}, {"[approved]", true, false, false}, {"[checks]", false, true, false},
		{"[up_to_date, up_to_date]", false, false, true}, {"[up_to_date, checks, approved]", true, true, true},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *text = xasprintf(HEAD "{ dir: x, requires: %s }\n", rows[i].list);
		struct repo_config c;
		assert_int_equal(repo_config_parse("f.yaml", text, strlen(text), NULL, &c, NULL), 0);
		assert_int_equal(c.projects[0].requires_approved, rows[i].approved);
		assert_int_equal(c.projects[0].requires_checks, rows[i].checks);
		assert_int_equal(c.projects[0].requires_up_to_date, rows[i].up_to_date);
		repo_config_free(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(refused), cmocka_unit_test(accepted), cmocka_unit_test(requires_words)};
	return cmocka_run_group_tests_name("configuration values", tests, NULL, NULL);
}
