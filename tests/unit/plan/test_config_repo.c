/* sluice.yaml: every key, names and dependencies of the whole file, and the order of the layers. */
#include "tests/unit/plan/test_config.h"

#include <time.h>

static void parse(const char *text, const struct server_config *server, struct repo_config *ret)
{
	struct config_errors errors = {0};
	if (repo_config_parse("sluice.yaml", text, strlen(text), server, ret, &errors) != 0) {
		CLEANUP_BUF struct buf out = {0};
		config_errors_print(&errors, &out);
		fail_msg("%s", buf_str(&out));
	}
	assert_int_equal(errors.n, 0);
}

static const char every[] = "version: 1\n"
			   "projects:\n"
			   "  - name: network\n"
			   "    dir: ./live//prod/network/\n"
			   "    engine: opentofu\n"
			   "    workspace: blue\n"
			   "    when_modified: [\"**/*.tf\", \"../../../modules/**\", \"!*.md\"]\n"
			   "    depends_on: [account]\n"
			   "    apply: on_merge\n"
			   "    identity: { plan: { aws: { role: \"arn:plan\" } }, apply: { aws: { role: \"arn:apply\" } } }\n"
			   "    requires: [checks, up_to_date]\n"
			   "    approvals: { count: 2, codeowners: true, bots: [\"release-please[bot]\", other] }\n"
			   "    blocked_by: [\"on hold\", \"[wip]\"]\n"
			   "    cost: { max_increase_usd: 12.50 }\n"
			   "    env: { TF_VAR_region: eu-west-1, TF_VAR_EMPTY: \"\" }\n"
			   "  - { name: account, dir: live/account, engine: pulumi, stack: org/prod }\n"
			   "  - dir: .\n"
			   "checks:\n"
			   "  - { name: opa, run: conftest, policy: policy/ }\n"
			   "tools: { terraform: \"1.11.4\" }\n"
			   "cost: { max_increase_usd: 500 }\n";

static void every_key(void **state)
{
	struct repo_config c;
	(void)state;
	parse(every, NULL, &c);
	assert_true(c.present);
	assert_int_equal(c.projects_n, 3);
	const struct project_rule *p = &c.projects[0];
	assert_string_equal(p->name, "network");
	assert_string_equal(p->dir, "live/prod/network");
	assert_false(p->dir_is_glob);
	assert_int_equal(p->engine, ENGINE_OPENTOFU);
	assert_string_equal(p->workspace, "blue");
	assert_int_equal(p->env.n, 2);
	assert_string_equal(p->env.v[0], "TF_VAR_region=eu-west-1");
	assert_string_equal(p->env.v[1], "TF_VAR_EMPTY=");
	assert_int_equal(p->when_modified.n, 3);
	assert_string_equal(p->when_modified.v[1], "../../../modules/**");
	assert_int_equal(p->depends_on.n, 1);
	assert_string_equal(p->depends_on.v[0], "account");
	assert_int_equal(p->apply, APPLY_ON_MERGE);
	assert_false(p->requires_approved);
	assert_true(p->requires_checks && p->requires_up_to_date);
	assert_int_equal(p->approvals, 2);
	assert_true(p->codeowners);
	assert_int_equal(p->bots.n, 2);
	assert_string_equal(p->bots.v[0], "release-please[bot]");
	assert_int_equal(p->blocked_by.n, 2);
	assert_string_equal(p->blocked_by.v[1], "[wip]");
	assert_int_equal(c.projects[1].blocked_by.n, 2); /* built in */
	assert_string_equal(c.projects[1].blocked_by.v[0], "do not apply");
	assert_int_equal(c.projects[1].bots.n, 0);
	assert_int_equal(p->line, 3);
	assert_int_equal(p->column, 5);
	p = &c.projects[1];
	assert_int_equal(p->engine, ENGINE_PULUMI);
	assert_string_equal(p->workspace, "org/prod");
	p = &c.projects[2]; /* all built in */
	assert_null(p->name);
	assert_string_equal(p->dir, ".");
	assert_null(p->workspace);
	assert_int_equal(p->engine, ENGINE_NONE);
	assert_int_equal(p->apply, APPLY_ON_COMMENT);
	assert_true(p->requires_approved && !p->requires_checks && !p->requires_up_to_date);
	assert_int_equal(p->approvals, 1);
	assert_false(p->codeowners);
	assert_int_equal(p->when_modified.n, 0);
	repo_config_free(&c);
}

static void no_file_and_no_projects(void **state)
{
	struct repo_config c;
	struct config_errors errors = {0};
	(void)state;
	assert_int_equal(repo_config_parse("sluice.yaml", NULL, 0, NULL, &c, &errors), 0);
	assert_false(c.present);
	assert_int_equal(c.projects_n, 0);
	assert_true(c.dflt.requires_approved);
	assert_int_equal(c.dflt.approvals, 1);
	repo_config_free(&c);
	parse("version: 1\nprojects:\n", NULL, &c);
	assert_true(c.present);
	assert_int_equal(c.projects_n, 0);
	repo_config_free(&c);
}

static void directory_globs(void **state)
{
	struct repo_config c;
	(void)state;
	parse("version: 1\nprojects:\n  - { dir: live/*/network, depends_on: [live/prod/account], when_modified: [\"../../../m/**\"] }\n"
	      "  - { dir: live/*/account }\n  - { dir: \"env/**\", workspace: blue }\n  - { name: last, dir: x, depends_on: [env/a/b/blue] }\n",
	      NULL, &c);
	assert_true(c.projects[0].dir_is_glob);
	assert_string_equal(c.projects[0].dir, "live/*/network");
	repo_config_free(&c);
}

static const struct refusal refusals[] = {
	/* names */
	{HEAD "{ dir: x, name: '' }\n", "3:21: name: must not be empty\n"},
	{HEAD "{ dir: x, name: a b }\n", "3:21: name: \"a b\" may only have letters, digits and . _ - /\n"},
	{HEAD "{ dir: x, name: -p }\n", "3:21: name: \"-p\" must not begin with -\n"},
	{HEAD "{ dir: x, name: a//b }\n", "3:21: name: \"a//b\" must not begin or end with / or have two together\n"},
	{HEAD "{ dir: x, name: a/./b }\n", "3:21: name: \"a/./b\" must not have . or .. for a name\n"},
	{HEAD "{ dir: x, name: .. }\n", "3:21: name: \"..\" must not have . or .. for a name\n"},
	{HEAD "{ dir: x, name: a/.. }\n", "3:21: name: \"a/..\" must not have . or .. for a name\n"},
	{HEAD "{ dir: x, name: /a }\n", "3:21: name: \"/a\" must not begin or end with / or have two together\n"},
	{HEAD "{ dir: x, workspace: ../../etc }\n", "3:26: workspace: \"../../etc\" must not have . or .. for a name\n"},
	{HEAD "{ dir: x, workspace: \"a;b\" }\n", "3:26: workspace: \"a;b\" may only have letters, digits and . _ - /\n"},
	{HEAD "{ dir: 'x/*', name: n }\n", "3:25: name: the glob \"x/*\" makes one project per directory, which cannot all be called \"n\"; leave name "
					    "out and each is called by its directory\n"},
	{HEAD "{ dir: x, stack: s }\n", "3:22: stack is for Pulumi; write workspace, or engine: pulumi\n"},
	{HEAD "{ dir: x, engine: pulumi, stack: s, workspace: w }\n", "3:38: stack and workspace are the same; keep one\n"},
	/* globs */
	{HEAD "{ dir: a/b, when_modified: ['[a'] }\n", "3:33: when_modified: glob \"[a\", character 1: [ without ]\n"},
	{HEAD "{ dir: a/b, when_modified: ['../../../x'] }\n",
	 "3:32: when_modified: \"../../../x\" leaves the repository: \"a/b\" is only 2 deep\n"},
	{HEAD "{ dir: ., when_modified: ['../x'] }\n", "3:30: when_modified: \"../x\" leaves the repository: \".\" is only 0 deep\n"},
	{HEAD "{ dir: \"a/**\", when_modified: ['../../x'] }\n", "3:35: when_modified: \"../../x\" leaves the repository: \"a/**\" is only 1 deep\n"},
	{HEAD "{ dir: a/b, when_modified: [/x] }\n", "3:32: when_modified: \"/x\" is absolute; write it as seen from dir\n"},
	{HEAD "{ dir: a/b, when_modified: [x/../y] }\n",
	 "3:32: when_modified: \"x/../y\" may have ../ at its beginning only, and no ./\n"},
	/* the whole file */
	{HEAD "{ name: a, dir: x }\n  - { name: a, dir: y }\n", "4:5: a second project is called \"a\", first on line 3; names must differ\n"},
	{HEAD "{ dir: x }\n  - { name: x, dir: y }\n", "4:5: a second project is called \"x\", first on line 3; names must differ\n"},
	{HEAD "{ dir: x, workspace: w }\n  - { dir: x/w }\n", "4:5: a second project is called \"x/w\", first on line 3; names must differ\n"},
	{HEAD "{ name: alpha, dir: x, depends_on: [alpah] }\n", "3:5: depends_on: unknown project \"alpah\", did you mean \"alpha\"?\n"},
	{HEAD "{ name: alpha, dir: x, depends_on: [zzz] }\n", "3:5: depends_on: unknown project \"zzz\", which no project is called\n"},
	{HEAD "{ dir: 'x/*' }\n  - { name: b, dir: y, depends_on: [x/a/b] }\n", "4:5: depends_on: unknown project \"x/a/b\", which no project is called\n"},
	{HEAD "{ name: a, dir: x, depends_on: [a] }\n", "3:5: depends_on goes in a circle: a -> a\n"},
	{HEAD "{ name: a, dir: x, depends_on: [b] }\n  - { name: b, dir: y, depends_on: [c] }\n  - { name: c, dir: z, depends_on: [d, b] }\n"
	      "  - { name: d, dir: w }\n",
	 "4:5: depends_on goes in a circle: b -> c -> b\n"},
};

static void refused(void **state)
{
	(void)state;
	config_refused(false, refusals, ARRAY_LEN(refusals));
}

static void too_many_projects(void **state)
{
	CLEANUP_BUF struct buf text = {0};
	struct config_errors errors = {0};
	struct repo_config c;
	(void)state;
	buf_adds(&text, "version: 1\nprojects:\n");
	for (int i = 0; i < 20000; i++)
		buf_printf(&text, "- {dir: d%d, depends_on: [d%d]}\n", i, i + 1 < 20000 ? i + 1 : i - 9);
	clock_t start = clock();
	assert_int_equal(repo_config_parse("sluice.yaml", text.data, text.len, NULL, &c, &errors), ERR_PARSE);
	assert_true(clock() - start < 10 * CLOCKS_PER_SEC);
	assert_int_equal(errors.n, 1); /* one circle of ten, at the end of a chain of 20,000 */
	assert_string_equal(errors.v[0].msg, "depends_on goes in a circle: d19990 -> d19991 -> d19992 -> d19993 -> d19994 -> d19995 -> d19996 -> "
					     "d19997 -> d19998 -> d19999 -> d19990");
	config_errors_free(&errors);
	buf_adds(&text, "- {dir: one-too-many}\n");
	assert_int_equal(repo_config_parse("sluice.yaml", text.data, text.len, NULL, &c, &errors), ERR_PARSE);
	assert_string_equal(errors.v[0].msg, "projects: more than 20000");
	config_errors_free(&errors);
}

static void layers(void **state)
{
	struct server_config server;
	struct repo_config c;
	(void)state;
	config_server(SMALL "defaults: { engine: opentofu, workspace: dw, requires: [checks], approvals: { count: 3, codeowners: true }, "
		    "when_modified: [d], depends_on: [one] }\n"
		    "overrides: { apply: on_merge, approvals: { count: 5 }, requires: [approved, up_to_date] }\n",
		    &server);
	parse("version: 1\nprojects:\n"
	      "  - { name: one, dir: a, engine: terraform, depends_on: [], apply: on_comment, approvals: { count: 0, codeowners: false } }\n"
	      "  - { name: two, dir: b, requires: [], when_modified: [r] }\n",
	      &server, &c);
	const struct project_rule *p = &c.projects[0];
	assert_int_equal(p->engine, ENGINE_TERRAFORM);          /* the repository over defaults */
	assert_string_equal(p->workspace, "dw");                /* defaults where it is silent */
	assert_int_equal(p->apply, APPLY_ON_MERGE);             /* overrides over the repository */
	assert_int_equal(p->approvals, 5);                      /* ... key by key: */
	assert_false(p->codeowners);                            /* the repository's stays */
	assert_true(p->requires_approved && !p->requires_checks && p->requires_up_to_date);
	assert_int_equal(p->depends_on.n, 0);                   /* an empty list is not silence */
	assert_string_equal(p->when_modified.v[0], "d");
	p = &c.projects[1];
	assert_int_equal(p->engine, ENGINE_OPENTOFU);
	assert_true(p->codeowners);
	assert_int_equal(p->when_modified.n, 1);
	assert_string_equal(p->when_modified.v[0], "r");
	assert_string_equal(p->depends_on.v[0], "one");
	p = &c.dflt; /* discovery */
	assert_int_equal(p->engine, ENGINE_OPENTOFU);
	assert_string_equal(p->workspace, "dw");
	assert_int_equal(p->apply, APPLY_ON_MERGE);
	assert_int_equal(p->approvals, 5);
	assert_true(p->codeowners && p->requires_approved);
	repo_config_free(&c);
	assert_int_equal(repo_config_parse("sluice.yaml", NULL, 0, &server, &c, NULL), 0);
	assert_false(c.present);
	assert_int_equal(c.dflt.approvals, 5);
	repo_config_free(&c);
	server_config_free(&server);
}

static void default_names(void **state)
{
	static const struct {
		const char *dir, *workspace, *name;
	} rows[] = {
		{"live/prod/network", NULL, "live/prod/network"}, {"live/prod", "default", "live/prod"}, {"live", "blue", "live/blue"},
		{".", NULL, "root"}, {".", "blue", "root/blue"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *name = project_default_name(rows[i].dir, rows[i].workspace);
		assert_string_equal(name, rows[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key),	     cmocka_unit_test(no_file_and_no_projects), cmocka_unit_test(directory_globs),
		cmocka_unit_test(refused),	     cmocka_unit_test(too_many_projects),
		cmocka_unit_test(layers),	     cmocka_unit_test(default_names),
	};
	return cmocka_run_group_tests_name("sluice.yaml", tests, NULL, NULL);
}
