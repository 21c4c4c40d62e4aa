/* The client's reads for the gate, and its way into the merge queue, against the simulated GitHub: two readers of GitHub's rules that were
 * written apart must understand each other. */
#include "github/gh.h"
#include "tests/component/sim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct bench {
	struct sim_fixture f;
	struct gh *gh;
	bool done;
	struct buf told;
};

static void must(struct bench *b, int rc)
{
	if (rc != 0)
		fail_msg("%s", b->f.err.msg);
}

static void tell_rules(struct buf *out, const struct gh_rules *r)
{
	buf_printf(out, "%s%s approvals=%lld%s%s%s%s%s%s%s%s methods=%u", r->classic ? "classic" : "rules", r->found ? "" : " none", (long long)r->approvals,
		   r->dismiss_stale ? " stale" : "", r->code_owners ? " owners" : "", r->last_push ? " last_push" : "",
		   r->threads_resolved ? " threads" : "", r->strict ? " strict" : "", r->signatures ? " signatures" : "", r->admins_too ? " admins" : "",
		   r->merge_queue ? " queue" : "", r->methods);
	for (size_t i = 0; i < r->checks_n; i++)
		buf_printf(out, " check=%s/%lld", r->checks[i].context, (long long)r->checks[i].app_id);
	for (size_t i = 0; i < r->environments.n; i++)
		buf_printf(out, " env=%s", r->environments.v[i]);
	for (size_t i = 0; i < r->others.n; i++)
		buf_printf(out, " other=%s", r->others.v[i]);
}

static void on_answer(const struct gh_answer *a, void *arg)
{
	struct bench *b = arg;
	b->done = true;
	buf_reset(&b->told);
	if (a->r.err.code != 0) {
		print_message("  %s\n", a->r.err.msg);
		buf_printf(&b->told, "error %d/%d", a->r.err.code, a->r.status);
		return;
	}
	if (a->rules != NULL)
		tell_rules(&b->told, a->rules);
	for (size_t i = 0; a->commits != NULL && i < a->commits->n; i++)
		buf_printf(&b->told, "%s/%s%s ", a->commits->v[i].author.login, a->commits->v[i].committer.login,
			   a->commits->v[i].verified ? " verified" : "");
	for (size_t i = 0; a->reviews != NULL && i < a->reviews->n; i++)
		buf_printf(&b->told, "%s %s %s%s ", a->reviews->v[i].user.login, a->reviews->v[i].state, a->reviews->v[i].association,
			   a->reviews->v[i].id > 0 && a->reviews->v[i].submitted_ms > INT64_C(1700000000000) ? "" : " undated");
	for (size_t i = 0; a->deployments != NULL && i < a->deployments->n; i++)
		buf_printf(&b->told, "%s=%s ", a->deployments->v[i].environment, a->deployments->v[i].state);
	for (size_t i = 0; a->open_pulls != NULL && i < a->open_pulls->n; i++)
		buf_printf(&b->told, "#%lld %s%s ", (long long)a->open_pulls->v[i].number, a->open_pulls->v[i].base_ref, a->open_pulls->v[i].draft ? " draft" : "");
	for (size_t i = 0; i < a->checks_n; i++)
		buf_printf(&b->told, "%s=%s/%lld ", a->checks[i].name, a->checks[i].state, (long long)a->checks[i].app_id);
	if (a->threads != NULL)
		buf_printf(&b->told, "%lld of %lld%s%s", (long long)a->threads->unresolved, (long long)a->threads->total, a->threads->queued ? " " : "",
			   a->threads->queued ? a->threads->queue_state : "");
	if (a->pull != NULL)
		for (size_t i = 0; i < a->pull->labels.n; i++)
			buf_printf(&b->told, "[%s]", a->pull->labels.v[i]);
	if (a->pull != NULL)
		buf_printf(&b->told, " %lld commits", (long long)a->pull->commits);
	else if (a->sha != NULL)
		buf_adds(&b->told, strlen(a->sha) == 40 ? "a blob" : "?");
}

static void expect(struct bench *b, const char *want)
{
	assert_true(loop_run_until(b->f.l, &b->done, 10000));
	assert_string_equal(buf_str(&b->told), want);
	b->done = false;
}

static void start(struct bench *b)
{
	*b = (struct bench){0};
	sim_fixture_start(&b->f, NULL);
	must(b, sim_permission(b->f.s, REPO, "sluice[bot]", "admin", &b->f.err));
	b->gh = gh_new(b->f.l, &(struct gh_options){.api_url = sim_url(b->f.s), .token = "bot-token"});
}

static void stop(struct bench *b)
{
	gh_close(b->gh);
	buf_free(&b->told);
	sim_fixture_stop(&b->f);
}

static void rules(void **state)
{
	static const struct sim_required needed[] = {{"ci", SIM_APP_ACTIONS}, {"lint", 0}};
	struct bench b;
	(void)state;
	start(&b);
	gh_get_classic(b.gh, REPO, "main", on_answer, &b);
	expect(&b, "classic approvals=1 methods=7");
	gh_get_classic(b.gh, REPO, "change", on_answer, &b);
	expect(&b, "classic none approvals=0 methods=7");
	gh_get_classic(b.gh, REPO, "gone", on_answer, &b);
	expect(&b, "error -4/404"); /* no such branch: unknown, not "no protection" */
	gh_get_rules(b.gh, REPO, "main", on_answer, &b);
	expect(&b, "rules none approvals=0 methods=7");
	const struct sim_rules classic = {.how = SIM_CLASSIC, .reviews = 2, .dismiss_stale = true, .code_owners = true, .conversations = true, .signatures = true,
					  .last_push = true, .strict = true, .admins = true, .checks = needed, .checks_n = 2};
	const struct sim_rules ruleset = {.how = SIM_RULESET, .reviews = 1, .also = true, .methods = "squash,rebase", .deployments = "staging,production",
					  .queue = "SQUASH", .checks = needed, .checks_n = 1};
	const struct sim_rules more = {.how = SIM_RULESET, .reviews = 3, .also = true, .methods = "squash,merge", .dismiss_stale = true, .conversations = true};
	must(&b, sim_protect_with(b.f.s, REPO, "main", &classic, NULL, &b.f.err));
	must(&b, sim_protect_with(b.f.s, REPO, "main", &ruleset, NULL, &b.f.err));
	must(&b, sim_protect_with(b.f.s, REPO, "main", &more, NULL, &b.f.err));
	gh_get_classic(b.gh, REPO, "main", on_answer, &b);
	expect(&b, "classic approvals=2 stale owners last_push threads strict signatures admins methods=7 check=ci/15368 check=lint/0");
	gh_get_rules(b.gh, REPO, "main", on_answer, &b);
	expect(&b, "rules approvals=3 stale threads queue methods=2 check=ci/15368 env=staging env=production");
	stop(&b);
}

static void facts(void **state)
{
	struct bench b;
	const struct sim_file owners = {.path = "docs/CODEOWNERS", .content = "* @olivia\n"};
	(void)state;
	start(&b);
	const struct sim_commit_new signed_one = {.repo = REPO, .branch = "change", .user = "alice", .message = "More", .files = &owners, .files_n = 1,
						  .author = "bob", .committer = "Nobody <nobody@example.com>", .verified = true};
	must(&b, sim_commit_with(b.f.s, &signed_one, b.f.head, &b.f.err));
	gh_get_commits(b.gh, REPO, 1, on_answer, &b);
	expect(&b, "alice/alice bob/ghost verified ");
	must(&b, sim_review(b.f.s, REPO, 1, "bob", "APPROVE", NULL, &b.f.err));
	gh_get_reviews(b.gh, REPO, 1, on_answer, &b);
	assert_true(loop_run_until(b.f.l, &b.done, 10000));
	assert_true(strncmp(buf_str(&b.told), "bob APPROVED ", 13) == 0 && strstr(buf_str(&b.told), "undated") == NULL);
	b.done = false;
	must(&b, sim_label(b.f.s, REPO, 1, "bob", "do not apply", true, &b.f.err));
	gh_get_pull(b.gh, REPO, 1, on_answer, &b);
	expect(&b, "[do not apply] 2 commits");
	must(&b, sim_deploy(b.f.s, REPO, "bob", "change", "staging", "success", &b.f.err));
	must(&b, sim_deploy(b.f.s, REPO, "bob", "change", "staging", "failure", &b.f.err));
	must(&b, sim_deploy(b.f.s, REPO, "bob", "change", "production", NULL, &b.f.err));
	gh_get_deployments(b.gh, REPO, b.f.head, on_answer, &b);
	assert_true(loop_run_until(b.f.l, &b.done, 10000));
	assert_non_null(strstr(buf_str(&b.told), "staging=failure "));
	assert_non_null(strstr(buf_str(&b.told), "production=pending "));
	b.done = false;
	must(&b, sim_check(b.f.s, REPO, b.f.head, "ci", "success", &b.f.err));
	must(&b, sim_check(b.f.s, REPO, b.f.head, "slow", NULL, &b.f.err));
	gh_get_checks(b.gh, REPO, b.f.head, "sluice", on_answer, &b);
	expect(&b, "ci=success/15368 slow=pending/15368 ");
	gh_list_open_pulls(b.gh, REPO, on_answer, &b);
	expect(&b, "#1 main ");
	gh_get_contents_id(b.gh, REPO, "docs/CODEOWNERS", "change", on_answer, &b);
	expect(&b, "a blob");
	gh_get_contents_id(b.gh, REPO, "docs/CODEOWNERS", "main", on_answer, &b);
	expect(&b, "");
	gh_get_contents_id(b.gh, REPO, "docs", "change", on_answer, &b);
	expect(&b, "error -5/200");
	must(&b, sim_threads(b.f.s, REPO, 1, 3, 130, &b.f.err)); /* two pages */
	gh_get_threads(b.gh, REPO, 1, on_answer, &b);
	expect(&b, "3 of 133");
	gh_get_threads(b.gh, REPO, 99, on_answer, &b);
	expect(&b, "error -4/200");
	stop(&b);
}

static void queue(void **state)
{
	struct bench b;
	(void)state;
	start(&b);
	const struct sim_rules rules = {.how = SIM_RULESET, .reviews = 1, .queue = "MERGE"};
	must(&b, sim_protect_with(b.f.s, REPO, "main", &rules, NULL, &b.f.err));
	must(&b, sim_review(b.f.s, REPO, 1, "bob", "APPROVE", NULL, &b.f.err));
	gh_enqueue(b.gh, REPO, 1, b.f.main, on_answer, &b); /* not the head */
	assert_true(loop_run_until(b.f.l, &b.done, 10000));
	assert_true(strncmp(buf_str(&b.told), "error ", 6) == 0);
	b.done = false;
	gh_get_threads(b.gh, REPO, 1, on_answer, &b);
	expect(&b, "0 of 0");
	gh_enqueue(b.gh, REPO, 1, b.f.head, on_answer, &b);
	assert_true(loop_run_until(b.f.l, &b.done, 10000));
	assert_true(strncmp(buf_str(&b.told), "0 of 0 ", 7) == 0); /* and its state */
	stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rules), cmocka_unit_test(facts), cmocka_unit_test(queue)};
	return cmocka_run_group_tests_name("github against cmd/sim", tests, sim_fixture_warm_up, NULL);
}
