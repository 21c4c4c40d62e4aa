/* GraphQL of the simulated GitHub: what a query selects is what comes, and what is wrong is refused inside a 200. */
#include "tests/component/sim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void must(struct sim_fixture *f, int rc)
{
	if (rc != 0)
		fail_msg("%s", f->err.msg);
}

/* query and variables as JSON; variables NULL: none */
static void ask_as(struct sim_fixture *f, const char *token, const char *query, const char *variables)
{
	struct buf b = {0};
	buf_adds(&b, "{\"query\":\"");
	for (const char *p = query; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			buf_addc(&b, '\\');
		buf_addc(&b, *p);
	}
	buf_printf(&b, "\",\"variables\":%s}", variables != NULL ? variables : "{}");
	if (sim_fixture_call_as(f, token, "POST", "/graphql", buf_str(&b)) != 200)
		fail_msg("%d: %s", f->status, buf_str(&f->body));
	buf_free(&b);
}

static void ask(struct sim_fixture *f, const char *query, const char *variables) { ask_as(f, "bot-token", query, variables); }

#define VARS "{\"owner\":\"acme\",\"name\":\"infra\",\"number\":1}"
#define PULL "query Q($owner:String!,$name:String!,$number:Int!){repository(owner:$owner,name:$name){pullRequest(number:$number)"

/* ---- selecting ---- */

static void what_is_selected_comes(void **state)
{
	/* a comment would end at the end of its line, which a JSON string has as \n */
	static const char query[] = "query($owner: String!, $name: String!) { repository(owner: $owner, name: $name) { id: databaseId, pullRequest(number: 1) "
				    "{ __typename headRefOid isDraft author { login __typename } mergeQueueEntry { state position } } } }";
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	CLEANUP_FREE char *want = xasprintf("{\"data\":{\"repository\":{\"id\":5000000000,\"pullRequest\":{\"__typename\":\"PullRequest\",\"headRefOid\":\"%s\","
					    "\"isDraft\":false,\"author\":{\"login\":\"alice\",\"__typename\":\"User\"},\"mergeQueueEntry\":null}}}}", f.head);
	ask(&f, query, "{\"owner\":\"acme\",\"name\":\"infra\"}");
	assert_string_equal(buf_str(&f.body), want);
	sim_fixture_stop(&f);
}

/* All that the gate may want to know in one round trip. */
static void the_gate_in_one_query(void **state)
{
	static const char query[] =
		PULL "{databaseId state isCrossRepository merged locked changedFiles headRefName baseRefOid baseRefName headRepository{databaseId nameWithOwner}"
		     " reviewDecision mergeable mergeStateStatus viewerCanMergeAsAdmin isInMergeQueue"
		     " latestOpinionatedReviews(first:100){pageInfo{hasNextPage endCursor} nodes{state submittedAt authorCanPushToRepository commit{oid}"
		     " author{login} onBehalfOf(first:10){nodes{slug}}}}"
		     " baseRef{name branchProtectionRule{requiredApprovingReviewCount requiredStatusChecks{context app{databaseId}}}"
		     " rules(first:100){nodes{type repositoryRuleset{databaseId enforcement} parameters{__typename"
		     " ... on RequiredStatusChecksParameters{strictRequiredStatusChecksPolicy requiredStatusChecks{context integrationId}}"
		     " ... on PullRequestParameters{requiredApprovingReviewCount}}}}}"
		     " commits(last:1){nodes{commit{oid checkSuites(first:50){nodes{createdAt app{databaseId}}}"
		     " statusCheckRollup{state contexts(first:100){nodes{__typename ... on CheckRun{name status conclusion checkSuite{app{databaseId}}}"
		     " ... on StatusContext{context state creator{login}}}}}}}}}}rateLimit{cost remaining resetAt}viewer{login}}";
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	const struct sim_required checks[] = {{"ci", 0}, {"lint", 77}};
	must(&f, sim_protect_with(f.s, REPO, "main", &(struct sim_rules){.how = SIM_RULESET, .reviews = 1, .checks = checks, .checks_n = 2, .also = true}, NULL,
				  &f.err));
	must(&f, sim_review(f.s, REPO, 1, "bob", "APPROVE", NULL, &f.err));
	must(&f, sim_check_by(f.s, REPO, f.head, "lint", "failure", 77, &f.err));
	CLEANUP_FREE char *path = xasprintf("/repos/" REPO "/statuses/%s", f.head);
	assert_int_equal(sim_fixture_call(&f, "POST", path, "{\"state\":\"success\",\"context\":\"ci\"}"), 201);
	ask(&f, query, VARS);
	static const char *const want[][2] = {
		{"state", "\"OPEN\""},
		{"reviewDecision", "\"APPROVED\""},
		{"mergeable", "\"MERGEABLE\""},
		{"mergeStateStatus", "\"BLOCKED\""},
		{"headRepository.nameWithOwner", "\"acme/infra\""},
		{"latestOpinionatedReviews.nodes.0.author.login", "\"bob\""},
		{"latestOpinionatedReviews.nodes.0.authorCanPushToRepository", "true"},
		{"latestOpinionatedReviews.pageInfo", "{\"hasNextPage\":false,\"endCursor\":\"cursor:1\"}"},
		{"baseRef.branchProtectionRule", "{\"requiredApprovingReviewCount\":1,\"requiredStatusChecks\":[]}"},
		{"baseRef.rules.nodes.0.parameters", "null"},
		{"baseRef.rules.nodes.1.parameters", "{\"__typename\":\"PullRequestParameters\",\"requiredApprovingReviewCount\":1}"},
		{"baseRef.rules.nodes.3.parameters.requiredStatusChecks",
		 "[{\"context\":\"ci\",\"integrationId\":null},{\"context\":\"lint\",\"integrationId\":77}]"},
		{"commits.nodes.0.commit.statusCheckRollup.state", "\"FAILURE\""},
		{"commits.nodes.0.commit.statusCheckRollup.contexts.nodes.0",
		 "{\"__typename\":\"CheckRun\",\"name\":\"lint\",\"status\":\"COMPLETED\",\"conclusion\":\"FAILURE\",\"checkSuite\":{\"app\":{\"databaseId\":77}}}"},
		{"commits.nodes.0.commit.statusCheckRollup.contexts.nodes.1",
		 "{\"__typename\":\"StatusContext\",\"context\":\"ci\",\"state\":\"SUCCESS\",\"creator\":{\"login\":\"sluice\"}}"},
		{"commits.nodes.0.commit.checkSuites.nodes.0.app.databaseId", "15368"},
	};
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		CLEANUP_FREE char *member = xasprintf("data.repository.pullRequest.%s", want[i][0]);
		assert_string_equal(sim_fixture_member(&f, member), want[i][1]);
	}
	assert_string_equal(sim_fixture_member(&f, "data.rateLimit.cost"), "1");
	assert_string_equal(sim_fixture_member(&f, "data.viewer.login"), "\"sluice[bot]\"");
	sim_fixture_stop(&f);
}

static void lists_have_pages(void **state)
{
	static const char query[] = "query($after:String){repository(owner:\"acme\",name:\"infra\"){pullRequest(number:1){"
				    "reviewThreads(first:2,after:$after){totalCount pageInfo{hasNextPage endCursor} nodes{isResolved isOutdated}}}}}";
	static const char at[] = "data.repository.pullRequest.reviewThreads";
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	must(&f, sim_threads(f.s, REPO, 1, 2, 1, &f.err));
	ask(&f, query, NULL);
	assert_string_equal(sim_fixture_member(&f, at), "{\"totalCount\":3,\"pageInfo\":{\"hasNextPage\":true,\"endCursor\":\"cursor:2\"},\"nodes\":["
							"{\"isResolved\":false,\"isOutdated\":false},{\"isResolved\":false,\"isOutdated\":false}]}");
	ask(&f, query, "{\"after\":\"cursor:2\"}");
	assert_string_equal(sim_fixture_member(&f, at), "{\"totalCount\":3,\"pageInfo\":{\"hasNextPage\":false,\"endCursor\":\"cursor:3\"},\"nodes\":["
							"{\"isResolved\":true,\"isOutdated\":false}]}");
	ask(&f, query, "{\"after\":\"cursor:3\"}");
	assert_string_equal(sim_fixture_member(&f, at), "{\"totalCount\":3,\"pageInfo\":{\"hasNextPage\":false,\"endCursor\":null},\"nodes\":[]}");
	sim_fixture_stop(&f);
}

/* ---- refusing ---- */

static void wrong_questions(void **state)
{
	static const struct {
		const char *query, *variables, *message;
	} rows[] = {
		{"query{repository(owner:\"acme\",name:\"infra\"){secrets}}", NULL, "Field 'secrets' doesn't exist on type 'Repository'"},
		{"query{repositories{name}}", NULL, "Field 'repositories' doesn't exist on type 'Query'"},
		{"mutation{repository(owner:\"acme\",name:\"infra\"){name}}", NULL, "Field 'repository' doesn't exist on type 'Mutation'"},
		{"query{repository(owner:\"acme\",name:\"infra\",id:1){name}}", NULL, "Field 'repository' doesn't accept argument 'id'"},
		{"query{repository(owner:\"acme\",name:\"infra\"){name(x:1)}}", NULL, "Field 'name' doesn't accept argument 'x'"},
		{"query{repository(owner:\"acme\",name:\"infra\"){name{x}}}", NULL, "Selections can't be made on scalars (field 'name' has selections)"},
		{"query{repository(owner:\"acme\",name:\"infra\")}", NULL, "Field must have selections (field 'repository' has none)"},
		{"query{repository(owner:\"acme\",name:\"infra\"){defaultBranchRef}}", NULL,
		 "Field must have selections (field 'defaultBranchRef' returns Ref but has no selections. Did you mean 'defaultBranchRef { ... }'?)"},
		{"query{repository(owner:\"acme\",name:\"infra\"){pullRequest(number:1){labels{nodes{name}}}}}", NULL,
		 "You must provide a `first` or `last` value to properly paginate the `labels` connection."},
		{"query{repository(owner:\"acme\",name:\"infra\"){pullRequest(number:1){labels(first:101){nodes{name}}}}}", NULL,
		 "Requesting 101 records on the `labels` connection exceeds the `first` limit of 100 records."},
		{"query{repository(owner:\"acme\",name:\"infra\"){pullRequest(number:1){labels(first:1,after:\"x\"){nodes{name}}}}}", NULL,
		 "`x` does not appear to be a valid cursor."},
		{PULL "{id}}}", "{\"owner\":\"acme\",\"name\":\"infra\"}", "Variable $number of type Int! was provided invalid value"},
		{PULL "{id}}}", "{\"owner\":\"acme\",\"name\":\"infra\",\"number\":\"1\"}", "Variable $number of type Int! was provided invalid value"},
		{PULL "{id}}}", "{\"owner\":\"acme\",\"name\":\"infra\",\"number\":1,\"more\":1}", "Variable $more is given and not declared"},
		{"query($x:Int){viewer{login}}", NULL, "Variable $x is declared by anonymous operation but not used"},
		{"query{repository(owner:$owner,name:\"x\"){name}}", NULL, "Variable $owner is used but not declared"},
		{"mutation($h:GitObjectID!){enqueuePullRequest(input:{pullRequestId:\"x\",expectedHeadOid:$h}){clientMutationId}}", "{\"h\":\"abc\"}",
		 "Variable $h of type GitObjectID! was provided invalid value"},
		{"mutation{enqueuePullRequest(input:{pullRequestId:\"x\",head:\"y\"}){clientMutationId}}", NULL, "InputObject doesn't accept argument 'head'"},
		{"query{viewer{login}", NULL, "Expected a name, actual: EOF"},
		{"query{viewer{login}} query{viewer{login}}", NULL, "Expected the end: one operation at a time, actual: \\\"query{viewer{login}}\\\""},
		{"subscription{viewer{login}}", NULL, "Expected query or mutation, actual: subscription"},
		{"query{viewer{}}", NULL, "Expected a selection, actual: \\\"}\\\""},
		{"query{viewer{...name}}", NULL, "named fragments are not understood here: write ... on Type { }"},
		{"{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a}}}}}}}}}}}}}}}}}}}}}}}}}}", NULL, "deeper than 24"},
	};
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CLEANUP_FREE char *quoted = xasprintf("\"%s\"", rows[i].message);
		ask(&f, rows[i].query, rows[i].variables);
		assert_string_equal(sim_fixture_member(&f, "errors.0.message"), quoted);
		assert_string_equal(sim_fixture_member(&f, "data"), "missing");
	}
	assert_int_equal(sim_fixture_call(&f, "POST", "/graphql", "{\"query\":"), 400);
	assert_int_equal(sim_fixture_call_as(&f, "wrong", "POST", "/graphql", "{\"query\":\"{viewer{login}}\"}"), 401);
	assert_int_equal(sim_fixture_call(&f, "POST", "/graphql", "{\"variables\":{}}"), 200);
	assert_string_equal(sim_fixture_member(&f, "errors.0.message"), "\"A query attribute must be specified and must be a string.\"");
	sim_fixture_stop(&f);
}

static void what_is_not_there(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	ask(&f, PULL "{id}}}", "{\"owner\":\"acme\",\"name\":\"none\",\"number\":1}");
	assert_string_equal(sim_fixture_member(&f, "data"), "{\"repository\":null}");
	assert_string_equal(sim_fixture_member(&f, "errors.0.type"), "\"NOT_FOUND\"");
	assert_string_equal(sim_fixture_member(&f, "errors.0.path"), "[\"repository\"]");
	ask(&f, PULL "{id}}}", "{\"owner\":\"acme\",\"name\":\"infra\",\"number\":9}");
	assert_string_equal(sim_fixture_member(&f, "data"), "{\"repository\":{\"pullRequest\":null}}");
	assert_string_equal(sim_fixture_member(&f, "errors.0.path"), "[\"repository\",\"pullRequest\"]");
	assert_string_equal(sim_fixture_member(&f, "errors.0.message"), "\"Could not resolve to a PullRequest with the number of 9.\"");
	ask(&f, "mutation{dequeuePullRequest(input:{id:\"PR_sim1\"}){clientMutationId}}", NULL);
	assert_string_equal(sim_fixture_member(&f, "data"), "{\"dequeuePullRequest\":null}");
	assert_string_equal(sim_fixture_member(&f, "errors.0.type"), "\"NOT_FOUND\"");
	ask(&f, PULL "{id}}}", VARS);
	CLEANUP_FREE char *id = xstrdup(sim_fixture_member(&f, "data.repository.pullRequest.id"));
	CLEANUP_FREE char *query = xasprintf("mutation{enqueuePullRequest(input:{pullRequestId:%s}){clientMutationId}}", id);
	ask_as(&f, "mallory-token", query, NULL);
	assert_string_equal(sim_fixture_member(&f, "errors.0.type"), "\"FORBIDDEN\"");
	ask(&f, query, NULL);
	assert_string_equal(sim_fixture_member(&f, "errors.0.type"), "\"UNPROCESSABLE\"");
	assert_string_equal(sim_fixture_member(&f, "errors.0.message"), "\"Branch main does not use a merge queue\"");
	sim_fixture_stop(&f);
}

static void faults_inside_a_200(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	must(&f, sim_set_faults(f.s, "graphql=rate_limited,times=1;graphql=forbidden,times=1;graphql=status:502,times=1", &f.err));
	ask(&f, "{viewer{login}}", NULL);
	assert_string_equal(sim_fixture_member(&f, "errors.0.type"), "\"RATE_LIMITED\"");
	ask(&f, "{viewer{login}}", NULL);
	assert_string_equal(sim_fixture_member(&f, "errors.0.type"), "\"FORBIDDEN\"");
	assert_int_equal(sim_fixture_call(&f, "POST", "/graphql", "{\"query\":\"{viewer{login}}\"}"), 502);
	ask(&f, "{viewer{login}}", NULL);
	assert_string_equal(buf_str(&f.body), "{\"data\":{\"viewer\":{\"login\":\"sluice[bot]\"}}}");
	assert_int_equal(sim_set_faults(f.s, "pull=rate_limited", &f.err), ERR_USAGE);
	sim_fixture_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_selected_comes),
		cmocka_unit_test(the_gate_in_one_query),
		cmocka_unit_test(lists_have_pages),
		cmocka_unit_test(wrong_questions),
		cmocka_unit_test(what_is_not_there),
		cmocka_unit_test(faults_inside_a_200),
	};
	return cmocka_run_group_tests_name("sim_graphql", tests, sim_fixture_warm_up, NULL);
}
