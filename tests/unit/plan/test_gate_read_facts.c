/* From GitHub's answers to facts: rules joined, whose check a check is, what is required, deployments, commits, reviews. */
#include "plan/gate_read_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define T(s) ((char[]){s})

static const struct gate_self self = {.app_id = 77, .user_id = 500};

static void joined_to_the_strictest(void **state)
{
	char *types[] = {T("deletion"), T("workflows"), T("code_scanning"), T("workflows")}, *envs[] = {T("staging")};
	struct gh_required_check checks[] = {{T("unit"), 9}, {T("lint"), 0}, {T("unit"), 9}, {T("unit"), 0}};
	struct gh_rules a = {.found = true, .approvals = 2, .dismiss_stale = true, .environments = {envs, 1}, .checks = checks, .checks_n = 4, .methods = GH_ANY_METHOD};
	struct gh_rules b = {.classic = true, .found = true, .approvals = 1, .code_owners = true, .last_push = true, .threads_resolved = true, .strict = true,
			     .signatures = true, .locked = true, .merge_queue = true, .reviewers = true, .others = {types, 4}, .environments = {envs, 1}};
	struct gate_joined j = {0};
	struct gate_facts f = {0};
	struct gate_needs n = {0};
	(void)state;
	gate_rules_join(&a, &j, &f, &n);
	assert_int_equal(n.approvals, 2);
	assert_true(n.dismiss_stale && f.deployments_needed && !n.code_owners && !f.threads_needed && !f.locked_branch);
	gate_rules_join(&b, &j, &f, &n);
	assert_int_equal(n.approvals, 2);
	assert_true(n.code_owners && n.last_push && n.strict && f.threads_needed && f.signatures_needed && f.locked_branch && f.queue_required);
	assert_int_equal(j.checks_n, 3);
	assert_string_equal(j.checks[0].context, "lint");
	assert_int_equal(j.checks[1].app_id + j.checks[2].app_id, 9); /* the same name of two Apps is two checks */
	assert_int_equal(j.environments.n, 1);
	assert_int_equal(j.unseen.n, 3);
	assert_string_equal(j.unseen.v[0], "required_reviewers");
	assert_string_equal(j.unseen.v[1], "workflows");
	assert_string_equal(j.unseen.v[2], "code_scanning");
	gate_joined_free(&j);
}

static void whose(void **state)
{
	static const struct {
		int line;
		const char *name;
		bool run;
		int64_t app, creator;
		bool ours;
	} rows[] = {
		{__LINE__, "sluice", true, 77, 0, true},	  {__LINE__, "sluice/net", true, 77, 0, true},	{__LINE__, "sluice: net", true, 77, 0, true},
		{__LINE__, "sluice", true, 78, 0, false},	  {__LINE__, "sluice", true, 0, 0, false},	{__LINE__, "sluice", true, 0, 500, false},
		{__LINE__, "sluice", false, 0, 500, true},	  {__LINE__, "sluice/net", false, 0, 500, true}, {__LINE__, "sluice", false, 0, 501, false},
		{__LINE__, "sluice", false, 77, 0, false},	  {__LINE__, "sluicegate", true, 77, 0, false}, {__LINE__, "sluice-x", true, 77, 0, false},
		{__LINE__, "lint", true, 77, 0, false},		  {__LINE__, "Sluice", true, 77, 0, false},	{__LINE__, "x/sluice", true, 77, 0, false},
		{__LINE__, "sluice_", false, 0, 500, false},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct gh_check_row r = {.name = xstrdup(rows[i].name), .state = T("success"), .run = rows[i].run, .app_id = rows[i].app, .creator_id = rows[i].creator};
		if (gate_row_is_ours(&r, &self) != rows[i].ours)
			fail_msg("line %d", rows[i].line);
		assert_false(gate_row_is_ours(&r, &(struct gate_self){0})); /* who does not know itself has nothing */
		free(r.name);
	}
}

static void all_checks(void **state)
{
	const struct {
		int line;
		struct gh_check_row rows[3];
		size_t n;
		enum tri want;
		const char *failing;
	} cases[] = {
#define RUN(n, s, a) {.name = (char[]){n}, .state = (char[]){s}, .run = true, .app_id = (a)}
#define STATUS(n, s, c) {.name = (char[]){n}, .state = (char[]){s}, .creator_id = (c)}
		{__LINE__, {{0}}, 0, TRI_YES, ""},
		{__LINE__, {RUN("a", "success", 1), RUN("b", "neutral", 1), RUN("c", "skipped", 1)}, 3, TRI_YES, ""},
		{__LINE__, {STATUS("a", "success", 1)}, 1, TRI_YES, ""},
		{__LINE__, {STATUS("a", "neutral", 1)}, 1, TRI_NO, "`a`"}, /* no word of a status */
		{__LINE__, {RUN("a", "failure", 1), STATUS("b", "pending", 1), RUN("c", "stale", 1)}, 3, TRI_NO, "`a`, `b` is running, `c`"},
		{__LINE__, {RUN("a", "brand_new_word", 1)}, 1, TRI_NO, "`a`"},
		{__LINE__, {RUN("sluice", "pending", 77), STATUS("sluice/net", "pending", 500)}, 2, TRI_YES, ""}, /* ours waits for the gate */
		{__LINE__, {RUN("sluice", "failure", 78), STATUS("sluice/net", "error", 501)}, 2, TRI_NO, "`sluice`, `sluice/net`"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf failing = {0};
		enum tri got = gate_checks_judge(cases[i].rows, cases[i].n, &self, &failing);
		if (got != cases[i].want || strcmp(buf_str(&failing), cases[i].failing) != 0)
			fail_msg("line %d: %d <%s>", cases[i].line, (int)got, buf_str(&failing));
		buf_free(&failing);
	}
}

static void required(void **state)
{
	const struct {
		int line;
		const char *context;
		int64_t app;
		struct gh_check_row rows[2];
		size_t n;
		enum tri want;
		bool any;
		const char *missing;
	} cases[] = {
		{__LINE__, "lint", 0, {{0}}, 0, TRI_NO, true, "`lint` is missing"},
		{__LINE__, "lint", 0, {RUN("lint", "success", 1)}, 1, TRI_YES, true, ""},
		{__LINE__, "lint", 0, {RUN("lint", "skipped", 1)}, 1, TRI_YES, true, ""},
		{__LINE__, "lint", 0, {STATUS("LINT", "success", 1)}, 1, TRI_YES, true, ""},
		{__LINE__, "lint", 0, {RUN("lint", "success", 1), STATUS("lint", "failure", 1)}, 2, TRI_NO, true, "`lint` failed"}, /* both are required */
		{__LINE__, "lint", 0, {RUN("lint", "pending", 1)}, 1, TRI_NO, true, "`lint` is running"},
		{__LINE__, "lint", 9, {RUN("lint", "success", 9)}, 1, TRI_YES, true, ""},
		{__LINE__, "lint", 9, {RUN("lint", "success", 1)}, 1, TRI_NO, true, "`lint` is missing"},
		{__LINE__, "lint", 9, {RUN("lint", "failure", 1), RUN("lint", "success", 9)}, 2, TRI_YES, true, ""},
		{__LINE__, "lint", 9, {STATUS("lint", "success", 1)}, 1, TRI_UNKNOWN, true, "`lint`"}, /* whose App's is not told */
		{__LINE__, "lint", 9, {STATUS("lint", "failure", 1)}, 1, TRI_NO, true, "`lint` failed"},
		{__LINE__, "lint", 9, {STATUS("lint", "success", 1), RUN("lint", "success", 9)}, 2, TRI_YES, true, ""},
		{__LINE__, "sluice", 0, {{0}}, 0, TRI_YES, false, ""},
		{__LINE__, "sluice", 77, {RUN("sluice", "pending", 77)}, 1, TRI_YES, false, ""},
		{__LINE__, "sluice", 0, {RUN("sluice", "failure", 78)}, 1, TRI_YES, false, ""}, /* told under the other checks */
		{__LINE__, "sluice", 78, {RUN("sluice", "success", 77)}, 1, TRI_NO, true, "`sluice` is missing"}, /* pinned to another App */
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct gate_required q = {xstrdup(cases[i].context), cases[i].app};
		struct gate_joined j = {.checks = &q, .checks_n = 1};
		struct buf missing = {0};
		bool any;
		enum tri got = gate_required_judge(&j, cases[i].rows, cases[i].n, &self, &any, &missing);
		if (got != cases[i].want || any != cases[i].any || strcmp(buf_str(&missing), cases[i].missing) != 0)
			fail_msg("line %d: %d %d <%s>", cases[i].line, (int)got, any, buf_str(&missing));
		buf_free(&missing);
		free(q.context);
	}
}

static void deployments(void **state)
{
	struct gh_deployment v[] = {{1, T("staging"), T("success")}, {2, T("production"), T("failure")}, {3, T("production"), T("success")}};
	struct gh_deployments d = {v, 3};
	struct strlist want = {0};
	struct buf missing = {0};
	(void)state;
	assert_int_equal(gate_deployments_judge(&want, &d, &missing), TRI_YES);
	strlist_add(&want, "staging");
	assert_int_equal(gate_deployments_judge(&want, &d, &missing), TRI_YES);
	strlist_add(&want, "production");
	strlist_add(&want, "moon");
	assert_int_equal(gate_deployments_judge(&want, &d, &missing), TRI_NO);
	assert_string_equal(buf_str(&missing), "`production` did not succeed, `moon`");
	buf_free(&missing);
	strlist_free(&want);
}

static void commits(void **state)
{
	struct gh_commit v[] = {
		{T("aaaaaaaaaa"), {1, T("alice"), false}, {2, T("web-flow"), false}, true, 1},
		{T("bbbbbbbbbb"), {1, T("alice"), false}, {0, T("ghost"), false}, false, 1},
		{T("ccc"), {3, T("carol"), false}, {3, T("carol"), false}, true, 2},
	};
	struct gh_commits c = {v, 3};
	struct person_list people = {0};
	struct buf b = {0};
	(void)state;
	assert_int_equal(gate_commits_judge(&c, &people, &b), TRI_NO);
	assert_string_equal(buf_str(&b), "`bbbbbbb`");
	assert_int_equal(people.n, 3);
	assert_true(person_list_has(&people, 1) && person_list_has(&people, 2) && person_list_has(&people, 3));
	c.n = 1;
	buf_free(&b);
	assert_int_equal(gate_commits_judge(&c, &people, &b), TRI_YES);
	buf_free(&b);
	person_list_free(&people);
}

static void latest_words(void **state)
{
#define REV(id, who, st, isbot) {.user = {id, T(who), isbot}, .submitted_ms = 1, .state = T(st), .commit_id = T("c"), .association = T("NONE")}
	struct gh_review v[] = {
		REV(1, "ann", "APPROVED", false),  REV(1, "ann", "COMMENTED", false), REV(2, "bob", "APPROVED", false), REV(2, "bob", "CHANGES_REQUESTED", false),
		REV(3, "cat", "APPROVED", false),  REV(3, "cat", "DISMISSED", false), REV(0, "ghost", "APPROVED", false), REV(4, "dot", "PENDING", false),
		REV(5, "eve", "CHANGES_REQUESTED", false), REV(5, "eve", "APPROVED", false), REV(6, "bot", "APPROVED", true), REV(7, "fay", "NEW_WORD", false),
		REV(8, "gil", "APPROVED", false), REV(8, "gil", "PENDING", false),
	};
	struct gh_reviews all = {v, ARRAY_LEN(v)};
	struct review_list l = {0};
	struct buf b = {0};
	(void)state;
	gate_reviews_keep(&all, &l);
	for (size_t i = 0; i < l.n; i++)
		buf_printf(&b, "%s%s%s ", l.v[i].login, l.v[i].approves ? "+" : "-", l.v[i].bot ? "b" : "");
	assert_string_equal(buf_str(&b), "ann+ bob- eve+ bot+b gil+ ");
	assert_int_equal(l.v[0].writes, TRI_UNKNOWN);
	buf_free(&b);
	review_list_free(&l);
}

static void long_lists_are_counted(void **state)
{
	struct strlist want = {0};
	struct gh_deployments none = {0};
	struct buf b = {0};
	(void)state;
	for (int i = 0; i < 25; i++)
		strlist_add(&want, "e");
	(void)gate_deployments_judge(&want, &none, &b);
	assert_non_null(strstr(buf_str(&b), " and 5 more"));
	buf_free(&b);
	strlist_free(&want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joined_to_the_strictest), cmocka_unit_test(whose),	    cmocka_unit_test(all_checks),   cmocka_unit_test(required),
		cmocka_unit_test(deployments),		   cmocka_unit_test(commits), cmocka_unit_test(latest_words), cmocka_unit_test(long_lists_are_counted),
	};
	return cmocka_run_group_tests_name("gate_read_facts", tests, NULL, NULL);
}
