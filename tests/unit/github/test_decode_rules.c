/* What a branch asks for, from rulesets and from classic protection. */
#include "base/limits.h"
#include "github/gh_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define PULL(count, stale, owners, last, threads, more)                                                                                    \
	"{\"type\":\"pull_request\",\"parameters\":{\"required_approving_review_count\":" #count ",\"dismiss_stale_reviews_on_push\":" #stale  \
	",\"require_code_owner_review\":" #owners ",\"require_last_push_approval\":" #last ",\"required_review_thread_resolution\":" #threads   \
	more "}}"
#define METHODS(list) ",\"allowed_merge_methods\":[" list "]"
#define CHECKS(strict, list)                                                                                                               \
	"{\"type\":\"required_status_checks\",\"parameters\":{\"strict_required_status_checks_policy\":" #strict                               \
	",\"required_status_checks\":[" list "]}}"

/* Everything that is set, as text. */
static char *words_of(const struct gh_rules *r)
{
	struct buf out = {0};
	const struct {
		bool set;
		const char *word;
	} flags[] = {
		{r->classic, "classic"}, {r->found, "found"}, {r->pull_request, "pull_request"}, {r->dismiss_stale, "stale"}, {r->code_owners, "owners"},
		{r->last_push, "last_push"}, {r->threads_resolved, "threads"}, {r->reviewers, "reviewers"}, {r->strict, "strict"},
		{r->signatures, "signatures"}, {r->linear, "linear"}, {r->locked, "locked"}, {r->merge_queue, "queue"}, {r->admins_too, "admins"},
	};
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (flags[i].set)
			buf_printf(&out, "%s ", flags[i].word);
	if (r->approvals != 0)
		buf_printf(&out, "approvals=%lld ", (long long)r->approvals);
	for (size_t i = 0; i < r->checks_n; i++)
		buf_printf(&out, "check=%s/%lld ", r->checks[i].context, (long long)r->checks[i].app_id);
	for (size_t i = 0; i < r->environments.n; i++)
		buf_printf(&out, "env=%s ", r->environments.v[i]);
	for (size_t i = 0; i < r->others.n; i++)
		buf_printf(&out, "other=%s ", r->others.v[i]);
	if (r->queue_method != NULL)
		buf_printf(&out, "method=%s ", r->queue_method);
	buf_printf(&out, "%s%s%s", r->methods & GH_METHOD_MERGE ? "M" : "", r->methods & GH_METHOD_SQUASH ? "S" : "",
		   r->methods & GH_METHOD_REBASE ? "R" : "");
	return buf_take(&out);
}

struct row {
	const char *body;
	int code;
	const char *want; /* or the beginning of the sentence */
};

static void check_rows(const struct row *rows, size_t n, bool classic)
{
	for (size_t i = 0; i < n; i++) {
		struct gh_rules r = {0};
		struct err err = {0};
		gh_rules_init(&r, classic);
		int rc = classic ? gh_decode_classic(rows[i].body, strlen(rows[i].body), &r, &err) : gh_decode_rules(rows[i].body, strlen(rows[i].body), &r, &err);
		CLEANUP_FREE char *got = rc == 0 ? words_of(&r) : xstrdup(err.msg);
		bool same = rc == 0 ? strcmp(got, rows[i].want) == 0 : strncmp(got, rows[i].want, strlen(rows[i].want)) == 0;
		if (rc != rows[i].code || !same)
			fail_msg("%s\ngave %d \"%s\", expected %d \"%s\"", rows[i].body, rc, got, rows[i].code, rows[i].want);
		gh_rules_free(&r);
	}
}

static void test_rules(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"[]", 0, "MSR"},
		{"[{\"type\":\"deletion\"},{\"type\":\"non_fast_forward\"},{\"type\":\"creation\"}]", 0, "found MSR"},
		{"[" PULL(2, true, true, true, true, "") "]", 0, "found pull_request stale owners last_push threads approvals=2 MSR"},
		/* several rulesets: the strictest of each */
		{"[" PULL(3, false, true, false, false, "") "," PULL(1, true, false, false, true, "") "]", 0,
		 "found pull_request stale owners threads approvals=3 MSR"},
		{"[" PULL(0, false, false, false, false, METHODS("\"squash\",\"rebase\"")) "," PULL(0, false, false, false, false, METHODS("\"merge\",\"squash\"")) "]", 0,
		 "found pull_request S"},
		{"[" PULL(0, false, false, false, false, METHODS("")) "]", 0, "found pull_request "},
		{"[" PULL(0, false, false, false, false, METHODS("\"octopus\"")) "]", 0, "found pull_request "},
		{"[" PULL(0, false, false, false, false, ",\"required_reviewers\":[{\"reviewer\":{\"id\":1}}]") "]", 0, "found pull_request reviewers MSR"},
		{"[" PULL(0, false, false, false, false, ",\"required_reviewers\":[]") "]", 0, "found pull_request MSR"},
		{"[" CHECKS(true, "{\"context\":\"ci\",\"integration_id\":15368},{\"context\":\"ci\"},{\"context\":\"lint\",\"integration_id\":null}") ","
		     CHECKS(false, "{\"context\":\"lint\"},{\"context\":\"ci\",\"integration_id\":-1}") "]", 0,
		 "found strict check=ci/15368 check=ci/0 check=lint/0 MSR"},
		{"[{\"type\":\"merge_queue\",\"parameters\":{\"merge_method\":\"SQUASH\",\"grouping_strategy\":\"ALLGREEN\"}}]", 0,
		 "found queue method=SQUASH MSR"},
		{"[{\"type\":\"required_deployments\",\"parameters\":{\"required_deployment_environments\":[\"test\",\"prod\",\"test\"]}}]", 0,
		 "found env=test env=prod MSR"},
		{"[{\"type\":\"required_signatures\"},{\"type\":\"required_linear_history\"}]", 0, "found signatures linear SR"},
		/* what we do not know is named, once */
		{"[{\"type\":\"workflows\",\"parameters\":{}},{\"type\":\"code_scanning\"},{\"type\":\"workflows\"},{\"type\":\"update\"}]", 0,
		 "found other=workflows other=code_scanning other=update MSR"},
		/* a member that decides must be there: missing is not "no" */
		{"[{\"type\":\"pull_request\"}]", ERR_PARSE, "[0].parameters: missing"},
		{"[{\"type\":\"pull_request\",\"parameters\":{}}]", ERR_PARSE, "[0].parameters.required_approving_review_count: missing"},
		{"[{\"type\":\"pull_request\",\"parameters\":{\"required_approving_review_count\":1}}]", ERR_PARSE, "[0].parameters.dismiss_stale"},
		{"[" PULL(-1, false, false, false, false, "") "]", ERR_PARSE, "[0].parameters.required_approving"},
		{"[" PULL([2], false, false, false, false, "") "]", ERR_PARSE, "[0].parameters.required_approving"},
		{"[" PULL(1, false, null, false, false, "") "]", ERR_PARSE, "[0].parameters.require_code_owner_review"},
		{"[" CHECKS(null, "") "]", ERR_PARSE, "[0].parameters.strict"},
		{"[" CHECKS(true, "{\"integration_id\":1}") "]", ERR_PARSE, "[0].parameters.required_status_checks[0].context: missing"},
		{"[" CHECKS(true, "{\"context\":\"a\",\"integration_id\":\"1\"}") "]", ERR_PARSE, "[0].parameters.required_status_checks[0].integration_id"},
		{"[{\"type\":\"merge_queue\",\"parameters\":{}}]", ERR_PARSE, "[0].parameters.merge_method"},
		{"[{\"type\":\"required_deployments\",\"parameters\":{\"required_deployment_environments\":[1]}}]", ERR_PARSE, "[0].parameters.required_deployment"},
		{"[{}]", ERR_PARSE, "[0].type: missing"},
		{"{}", ERR_PARSE, "expected an array"},
	};
	check_rows(rows, ARRAY_LEN(rows), false);
}

#define REVIEWS(count) "\"required_pull_request_reviews\":{\"dismiss_stale_reviews\":true,\"require_code_owner_reviews\":true" count "}"

static void test_classic(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"{}", 0, "classic found MSR"},
		{"{\"enforce_admins\":{\"enabled\":true},\"required_signatures\":{\"enabled\":true},\"required_linear_history\":{\"enabled\":true},"
		 "\"required_conversation_resolution\":{\"enabled\":true},\"lock_branch\":{\"enabled\":true},\"allow_force_pushes\":{\"enabled\":true}}", 0,
		 "classic found threads signatures linear locked admins SR"},
		{"{\"enforce_admins\":{\"enabled\":false},\"lock_branch\":{\"enabled\":false}}", 0, "classic found MSR"},
		{"{" REVIEWS(",\"required_approving_review_count\":2,\"require_last_push_approval\":true") "}", 0,
		 "classic found pull_request stale owners last_push approvals=2 MSR"},
		{"{" REVIEWS(",\"required_approving_review_count\":0") "}", 0, "classic found pull_request stale owners MSR"},
		{"{" REVIEWS("") "}", 0, "classic found pull_request stale owners approvals=1 MSR"},
		{"{\"required_status_checks\":{\"strict\":true,\"contexts\":[\"ci\"],\"checks\":[{\"context\":\"ci\",\"app_id\":15368},"
		 "{\"context\":\"x\",\"app_id\":null}]}}", 0, "classic found strict check=ci/15368 check=x/0 MSR"},
		{"{\"required_status_checks\":{\"strict\":false,\"contexts\":[\"ci\",\"ci\",\"x\"]}}", 0, "classic found check=ci/0 check=x/0 MSR"},
		{"{\"required_status_checks\":null,\"required_pull_request_reviews\":null}", 0, "classic found MSR"},
		{"{\"required_status_checks\":{\"strict\":true}}", ERR_PARSE, "required_status_checks.contexts: missing"},
		{"{\"required_status_checks\":{\"strict\":1,\"contexts\":[]}}", ERR_PARSE, "required_status_checks.strict"},
		{"{\"required_pull_request_reviews\":{\"dismiss_stale_reviews\":true}}", ERR_PARSE, "required_pull_request_reviews.require_code_owner_reviews: missing"},
		{"{\"required_pull_request_reviews\":true}", ERR_PARSE, "required_pull_request_reviews"},
		{"{\"required_signatures\":{}}", ERR_PARSE, "required_signatures.enabled: missing"},
		{"{\"lock_branch\":true}", ERR_PARSE, "lock_branch"},
		{"[]", ERR_PARSE, "expected an object"},
	};
	check_rows(rows, ARRAY_LEN(rows), true);
}

/* Pages add up; a list without end does not. */
static void test_pages_and_ceilings(void **state)
{
	(void)state;
	struct gh_rules r = {0};
	struct err err = {0};
	CLEANUP_BUF struct buf list = {0};
	static const char PAGE1[] = "[{\"type\":\"required_signatures\"}]", PAGE2[] = "[" PULL(1, false, false, false, false, "") "]";
	gh_rules_init(&r, false);
	assert_int_equal(gh_decode_rules(PAGE1, sizeof(PAGE1) - 1, &r, &err), 0);
	assert_int_equal(gh_decode_rules(PAGE2, sizeof(PAGE2) - 1, &r, &err), 0);
	assert_true(r.signatures && r.pull_request && r.approvals == 1);
	for (unsigned i = 0; i <= LIMIT_GITHUB_REQUIRED; i++)
		buf_printf(&list, "%s{\"context\":\"c%u\"}", i > 0 ? "," : "", i);
	CLEANUP_FREE char *body = xasprintf("[" CHECKS(true, "%s") "]", buf_str(&list));
	assert_int_equal(gh_decode_rules(body, strlen(body), &r, &err), ERR_LIMIT);
	assert_int_equal(r.checks_n, LIMIT_GITHUB_REQUIRED);
	buf_reset(&list);
	for (unsigned i = 0; i <= LIMIT_GITHUB_REQUIRED; i++)
		buf_printf(&list, "%s{\"type\":\"t%u\"}", i > 0 ? "," : "[", i);
	buf_adds(&list, "]");
	assert_int_equal(gh_decode_rules(buf_str(&list), list.len, &r, &err), ERR_LIMIT);
	buf_reset(&list);
	for (unsigned i = 0; i <= LIMIT_GITHUB_REQUIRED; i++)
		buf_printf(&list, "%s\"e%u\"", i > 0 ? "," : "", i);
	CLEANUP_FREE char *deploy = xasprintf("[{\"type\":\"required_deployments\",\"parameters\":{\"required_deployment_environments\":[%s]}}]", buf_str(&list));
	assert_int_equal(gh_decode_rules(deploy, strlen(deploy), &r, &err), ERR_LIMIT);
	gh_rules_free(&r);
	gh_rules_free(&r); /* a freed one is empty */
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rules), cmocka_unit_test(test_classic), cmocka_unit_test(test_pages_and_ceilings)};
	return cmocka_run_group_tests_name("github/decode_rules", tests, NULL, NULL);
}
