/* Reading the gate's facts from GitHub: each fact as it is, and unknown with a reason when it cannot be read. */
#include "plan/gate_read.h"

#include "plan/codeowners.h"
#include "plan/gate_own.h"
#include "tests/component/world.h"

struct seen {
	bool done;
	struct gate_seen s;
};

static void on_seen(struct gate_seen *s, void *arg)
{
	struct seen *k = arg;
	assert_false(k->done);
	k->done = true;
	k->s = *s;
	*s = (struct gate_seen){0};
}

static void nothing_failed(const struct gate_facts *f)
{
	for (size_t i = 0; i < GATE_READS; i++)
		if (f->read_failed[i] != NULL)
			fail_msg("%s: %s", gate_read_name((enum gate_read)i), f->read_failed[i]);
}

static const char *owners; /* of the plans */

static void read_gate(struct world *w, const char *asker, struct seen *k)
{
	struct gate_question q = {.gh = w->r.gh, .loop = w->l, .config = &w->r.config, .repo = REPO, .pull = w->pull, .asker = asker, .owners = owners};
	*k = (struct seen){0};
	(void)gate_read_start(&q, on_seen, k); /* gone when it is answered */
	assert_true(loop_run_until(w->l, &k->done, 20000));
}

/* The reviews that are kept: login, + or - for what they say, ! who may write, ? who may not, * nobody knows. */
static void said(const struct seen *k, const char *want)
{
	const struct review_list *l = &k->s.heard->reviews;
	CLEANUP_BUF struct buf b = {0};
	for (size_t i = 0; i < l->n; i++)
		buf_printf(&b, "%s%s%c%c", i != 0 ? " " : "", l->v[i].login, l->v[i].approves ? '+' : '-', "*?!"[l->v[i].writes]);
	assert_string_equal(buf_str(&b), want);
}

static void review(struct world *w, const char *who, const char *event)
{
	struct err err = {0};
	sim_must(sim_review(w->sim, REPO, w->pull, who, event, "words", &err), &err);
}

static void all_is_read(void **state)
{
	struct world *w = *state;
	struct seen k;
	world_approve(w, w->pull);
	read_gate(w, "alice", &k);
	const struct gate_facts *f = &k.s.facts;
	assert_int_equal(f->open, TRI_YES);
	assert_int_equal(f->draft, TRI_NO);
	assert_int_equal(f->merged, TRI_NO);
	assert_int_equal(f->base_protected, TRI_YES);
	assert_int_equal(f->mergeable, TRI_YES);
	assert_int_equal(f->may_apply, TRI_YES);
	assert_int_equal(f->reviews_read, TRI_YES);
	assert_int_equal(f->checks_ok, TRI_YES);
	assert_int_equal(f->rules_read, TRI_YES);
	assert_int_equal(f->signed_all, TRI_NO);
	assert_false(f->required_any || f->threads_needed || f->signatures_needed || f->deployments_needed || f->queue_required || f->locked_branch);
	assert_string_equal(f->base_ref, "main");
	assert_string_equal(f->asker, "alice");
	nothing_failed(f);
	const struct gate_heard *h = f->heard;
	assert_int_equal(h->reviews.n, 1);
	assert_string_equal(h->reviews.v[0].login, "bob");
	assert_string_equal(h->reviews.v[0].commit_id, w->head);
	assert_int_equal(h->reviews.v[0].writes, TRI_YES);
	assert_true(h->reviews.v[0].approves && h->reviews.v[0].submitted_ms > 1000000000000 && !h->reviews.v[0].bot);
	assert_int_equal(h->needs.approvals, 1);
	assert_false(h->needs.dismiss_stale || h->needs.code_owners || h->needs.last_push || h->needs.strict);
	assert_int_equal(h->committers_read, TRI_YES);
	assert_int_equal(h->labels.n, 0);
	assert_null(h->owners_id);
	assert_int_equal(strlen(h->base_tip), 40);
	assert_int_equal(h->plan_expiry_ms, w->r.config.plan_expiry_ms);
	assert_string_equal(k.s.head_sha, w->head);
	assert_null(k.s.merge_sha);
	gate_seen_free(&k.s);
	read_gate(w, NULL, &k); /* a merge by a person: who could merge may apply */
	assert_int_equal(k.s.facts.may_apply, TRI_YES);
	assert_null(k.s.facts.asker);
	gate_seen_free(&k.s);
}

/* Only the latest word of each person on this head counts, of people who may write, and never the author's. */
static void reviews(void **state)
{
	struct world *w = *state;
	struct err err = {0};
	struct seen k;
	sim_must(sim_permission(w->sim, REPO, "carol", "write", &err), &err);
	sim_must(sim_permission(w->sim, REPO, "rita", "read", &err), &err);
	review(w, "rita", "APPROVE");
	review(w, "carol", "REQUEST_CHANGES");
	world_approve(w, w->pull);
	review(w, "bob", "COMMENT"); /* says nothing about approval */
	review(w, "alice", "COMMENT");
	static const char *const steps[] = {
		"rita+? carol-! bob+!", /* ? may not write */
	};
	read_gate(w, "alice", &k);
	said(&k, steps[0]);
	gate_seen_free(&k.s);
	review(w, "carol", "APPROVE");
	review(w, "bob", "REQUEST_CHANGES");
	read_gate(w, "alice", &k);
	said(&k, "rita+? carol+! bob-!");
	gate_seen_free(&k.s);
	sim_must(sim_review_act(w->sim, REPO, w->pull, "olivia", "bob", NULL, &err), &err); /* dismissed: bob says nothing */
	read_gate(w, "alice", &k);
	said(&k, "rita+? carol+!");
	gate_seen_free(&k.s);
	sim_must(sim_ghost(w->sim, "carol", &err), &err);
	read_gate(w, "alice", &k);
	said(&k, "rita+?");
	gate_seen_free(&k.s);
}

static void checks(void **state)
{
	struct world *w = *state;
	struct err err = {0};
	struct seen k;
	sim_must(sim_check(w->sim, REPO, w->head, "lint", "failure", &err), &err);
	read_gate(w, "alice", &k);
	assert_int_equal(k.s.facts.checks_ok, TRI_NO);
	says(k.s.facts.checks_failing, "lint");
	gate_seen_free(&k.s);
	sim_must(sim_check(w->sim, REPO, w->head, "lint", "success", &err), &err);
	read_gate(w, "alice", &k);
	assert_int_equal(k.s.facts.checks_ok, TRI_YES);
	gate_seen_free(&k.s);
}

/* What we said ourselves of a plan that failed stands on the head, and is nobody else's check. */
static void our_own_checks(void **state)
{
	struct world *w = *state;
	struct seen k;
	w->r.plan_play = PLAY_FAIL;
	int64_t run = rig_run(&w->r, RUN_PLAN, w->pull, NULL);
	(void)rig_over(&w->r, run);
	const char *status = NULL;
	for (int i = 0; i < 300 && (status == NULL || strcmp(status, "failure") != 0); i++) {
		rig_pass(&w->r, 20);
		status = sim_status(w->sim, REPO, w->head, "sluice/net", NULL);
	}
	assert_string_equal(status, "failure");
	read_gate(w, "alice", &k);
	assert_int_equal(k.s.facts.checks_ok, TRI_YES);
	assert_null(k.s.facts.checks_failing);
	nothing_failed(&k.s.facts);
	gate_seen_free(&k.s);
}

static void not_protected(void **state)
{
	struct world *w = *state;
	struct err err = {0};
	struct seen k;
	sim_must(sim_protect(w->sim, REPO, "main", SIM_OPEN, 0, &err), &err);
	read_gate(w, "alice", &k);
	assert_int_equal(k.s.facts.base_protected, TRI_NO);
	gate_seen_free(&k.s);
	sim_must(sim_protect(w->sim, REPO, "main", SIM_RULESET, 1, &err), &err);
	read_gate(w, "alice", &k);
	assert_int_equal(k.s.facts.base_protected, TRI_YES);
	gate_seen_free(&k.s);
}

static void closed(void **state)
{
	struct world *w = *state;
	struct err err = {0};
	struct seen k;
	world_approve(w, w->pull);
	sim_must(sim_merge(w->sim, REPO, w->pull, "bob", NULL, &err), &err);
	read_gate(w, "carol", &k);
	assert_int_equal(k.s.facts.merged, TRI_YES);
	assert_int_equal(k.s.facts.open, TRI_NO);
	assert_int_equal(k.s.facts.may_apply, TRI_NO);
	assert_int_equal(strlen(k.s.merge_sha), 40);
	gate_seen_free(&k.s);
}

/* --- rules --- */

static void protect(struct world *w, const struct sim_rules *rules)
{
	struct err err = {0};
	sim_must(sim_protect_with(w->sim, REPO, "main", rules, NULL, &err), &err);
}

/* Rulesets and classic protection are joined to the strictest. */
static void rules_are_joined(void **state)
{
	struct world *w = *state;
	struct seen k;
	static const struct sim_required lint = {"lint", 0}, unit = {"unit", SIM_APP_ACTIONS};
	protect(w, &(struct sim_rules){.how = SIM_CLASSIC, .reviews = 2, .dismiss_stale = true, .conversations = true, .checks = &lint, .checks_n = 1, .admins = true});
	protect(w, &(struct sim_rules){.how = SIM_RULESET, .reviews = 1, .code_owners = true, .last_push = true, .strict = true, .signatures = true, .checks = &unit,
				       .checks_n = 1, .deployments = "staging", .also = true});
	read_gate(w, "alice", &k);
	const struct gate_facts *f = &k.s.facts;
	const struct gate_needs *n = &f->heard->needs;
	assert_int_equal(f->rules_read, TRI_YES);
	assert_int_equal(n->approvals, 2);
	assert_true(n->dismiss_stale && n->code_owners && n->last_push && n->strict);
	assert_true(f->threads_needed && f->signatures_needed && f->deployments_needed && f->required_any);
	assert_false(f->queue_required);
	assert_int_equal(f->required_ok, TRI_NO);
	assert_string_equal(f->required_missing, "`lint` is missing, `unit` is missing");
	assert_int_equal(f->signed_all, TRI_NO);
	says(f->unsigned_commits, "`");
	assert_int_equal(f->deployed, TRI_NO);
	assert_string_equal(f->deployments_missing, "`staging`");
	assert_int_equal(f->threads_resolved, TRI_YES);
	nothing_failed(f);
	gate_seen_free(&k.s);
	protect(w, &(struct sim_rules){.how = SIM_RULESET, .reviews = 1, .queue = "SQUASH"});
	read_gate(w, "alice", &k);
	assert_true(k.s.facts.queue_required && !k.s.facts.threads_needed && k.s.heard->needs.approvals == 1);
	gate_seen_free(&k.s);
}

/* A required check is the one of the App that the rule names; a name of ours makes nothing ours. */
static void required_checks(void **state)
{
	static const struct sim_required lint = {"lint", SIM_APP_ACTIONS}, ours = {"sluice", 0};
	static const struct {
		const char *name, *conclusion;
		int64_t app;
		enum tri checks, required;
		const char *missing;
	} steps[] = {
		{"lint", "success", 99, TRI_YES, TRI_NO, "`lint` is missing"}, /* another App's */
		{"lint", NULL, SIM_APP_ACTIONS, TRI_NO, TRI_NO, "`lint` is running"},
		{"lint", "failure", SIM_APP_ACTIONS, TRI_NO, TRI_NO, "`lint` failed"},
		{"lint", "neutral", SIM_APP_ACTIONS, TRI_YES, TRI_YES, NULL},
		{"sluice", "failure", 99, TRI_NO, TRI_YES, NULL}, /* somebody else's under our name: seen, and no answer for ours */
		{"sluice", "success", 99, TRI_YES, TRI_YES, NULL},
	};
	struct world *w = *state;
	struct err err = {0};
	protect(w, &(struct sim_rules){.how = SIM_RULESET, .reviews = 1, .checks = &lint, .checks_n = 1});
	protect(w, &(struct sim_rules){.how = SIM_RULESET, .reviews = 1, .checks = &ours, .checks_n = 1, .also = true});
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct seen k;
		sim_must(sim_check_by(w->sim, REPO, w->head, steps[i].name, steps[i].conclusion, steps[i].app, &err), &err);
		read_gate(w, "alice", &k);
		if (k.s.facts.checks_ok != steps[i].checks || k.s.facts.required_ok != steps[i].required)
			fail_msg("step %zu: checks %d (%s), required %d (%s)", i, (int)k.s.facts.checks_ok, k.s.failing, (int)k.s.facts.required_ok,
				 k.s.required_missing);
		if (steps[i].missing != NULL)
			assert_string_equal(k.s.facts.required_missing, steps[i].missing);
		assert_true(k.s.facts.required_any);
		gate_seen_free(&k.s);
	}
}

static void what_rules_ask_is_there(void **state)
{
	struct world *w = *state;
	struct err err = {0};
	struct seen k;
	char sha[SIM_SHA_SIZE];
	struct sim_file f = {.path = "net/main.tf", .content = "signed"};
	struct sim_commit_new n = {.repo = REPO, .branch = "signed", .user = "alice", .message = "Signed", .files = &f, .files_n = 1, .author = "dan", .verified = true};
	protect(w, &(struct sim_rules){.how = SIM_RULESET, .reviews = 1, .signatures = true, .conversations = true, .deployments = "staging,production"});
	sim_must(sim_commit_with(w->sim, &n, sha, &err), &err);
	struct sim_pr_new p = {.repo = REPO, .user = "alice", .title = "Signed", .head = "signed"};
	sim_must(sim_pr_open(w->sim, &p, &w->pull, &err), &err);
	sim_must(sim_deploy(w->sim, REPO, "dora", sha, "staging", "success", &err), &err);
	sim_must(sim_deploy(w->sim, REPO, "dora", sha, "production", "failure", &err), &err);
	sim_must(sim_label(w->sim, REPO, w->pull, "bob", "do not apply", true, &err), &err);
	sim_must(sim_threads(w->sim, REPO, w->pull, 2, 3, &err), &err);
	read_gate(w, "alice", &k);
	const struct gate_facts *g = &k.s.facts;
	assert_int_equal(g->signed_all, TRI_YES);
	assert_int_equal(g->deployed, TRI_NO);
	assert_string_equal(g->deployments_missing, "`production` did not succeed");
	assert_int_equal(g->threads_resolved, TRI_NO);
	assert_int_equal(g->threads_open, 2);
	assert_int_equal(g->heard->labels.n, 1);
	assert_string_equal(g->heard->labels.v[0], "do not apply");
	assert_int_equal(g->heard->committers.n, 2);
	nothing_failed(g);
	gate_seen_free(&k.s);
	sim_must(sim_deploy(w->sim, REPO, "dora", sha, "production", "success", &err), &err);
	sim_must(sim_threads(w->sim, REPO, w->pull, 0, 5, &err), &err);
	read_gate(w, "alice", &k);
	assert_int_equal(g->deployed, TRI_YES);
	assert_int_equal(g->threads_resolved, TRI_YES);
	gate_seen_free(&k.s);
}

/* --- code owners --- */

static char *owners_json(const char *text)
{
	struct owners o = {0};
	struct strlist paths = {0};
	struct buf b = {0};
	strlist_add(&paths, "net/main.tf");
	codeowners_find(text, strlen(text), &paths, &o);
	owners_write(&o, &b);
	owners_free(&o);
	strlist_free(&paths);
	return buf_take(&b);
}

static void members(const struct seen *k, const char *want)
{
	CLEANUP_BUF struct buf b = {0};
	for (size_t i = 0; i < k->s.heard->members_n; i++)
		buf_printf(&b, "%s%s %s%c", i != 0 ? ", " : "", k->s.heard->members[i].team, k->s.heard->members[i].login, "*?!"[k->s.heard->members[i].active]);
	assert_string_equal(buf_str(&b), want);
}

static void code_owners(void **state)
{
	struct world *w = *state;
	struct err err = {0};
	struct seen k;
	CLEANUP_FREE char *json = owners_json("* @acme/net @acme/gone @alice\n");
	owners = json;
	sim_team(w->sim, "acme", "net", "bob", "active");
	sim_team(w->sim, "acme", "net", "carol", "pending");
	sim_must(sim_permission(w->sim, REPO, "carol", "write", &err), &err);
	world_approve(w, w->pull);
	review(w, "carol", "APPROVE");
	read_gate(w, "alice", &k);
	assert_string_equal(k.s.heard->owners_id, ""); /* there is none on main */
	members(&k, "acme/net bob!, acme/net carol?, acme/gone bob?, acme/gone carol?");
	gate_seen_free(&k.s);
	struct sim_file f = {.path = "docs/CODEOWNERS", .content = "* @acme/net\n"};
	sim_must(sim_commit(w->sim, REPO, "main", "olivia", "Owners", &f, 1, NULL, &err), &err);
	read_gate(w, "alice", &k);
	assert_string_equal(k.s.heard->owners_id, "4aeff7ae058b3cfb5f4ad366c7e35903c0e31828");
	gate_seen_free(&k.s);
	struct sim_file g = {.path = "CODEOWNERS", .content = "* @bob\n"}; /* goes before docs/ */
	sim_must(sim_commit(w->sim, REPO, "main", "olivia", "Owners", &g, 1, NULL, &err), &err);
	read_gate(w, "alice", &k);
	assert_string_equal(k.s.heard->owners_id, "a0c9539c0d79ac56f319b1df4369b95dd2c7557d");
	gate_seen_free(&k.s);
	owners = NULL;
}

/* --- what cannot be read --- */

static const struct sim_rules everything = {.how = SIM_RULESET, .reviews = 1, .signatures = true, .conversations = true, .deployments = "staging"};

/* The facts that are unknown, by name. */
static void unknown(const struct gate_facts *f, struct buf *out)
{
	const struct gate_heard *h = f->heard;
	const struct {
		const char *name;
		enum tri got;
	} facts[] = {
		{"open", f->open}, {"reviews", f->reviews_read}, {"writes", h->reviews.n != 0 ? h->reviews.v[0].writes : TRI_NO}, {"committers", h->committers_read},
		{"signed", f->signed_all}, {"rules", f->rules_read}, {"protected", f->base_protected}, {"checks", f->checks_ok}, {"required", f->required_ok},
		{"threads", f->threads_needed ? f->threads_resolved : TRI_NO}, {"deployed", f->deployments_needed ? f->deployed : TRI_NO},
		{"owners", h->owners_id != NULL ? TRI_YES : TRI_UNKNOWN}, {"member", h->members_n != 0 ? h->members[0].active : TRI_NO}, {"role", f->may_apply},
	};
	for (size_t i = 0; i < ARRAY_LEN(facts); i++)
		if (facts[i].got == TRI_UNKNOWN)
			buf_printf(out, "%s%s", out->len != 0 ? " " : "", facts[i].name);
}

/* What cannot be read -> which facts stay unknown, and under which word the failure is told. */
static void unknown_stays_unknown(void **state)
{
	static const struct {
		const char *class, *unknown;
		enum gate_read what;
	} rows[] = {
		{"pull", "open reviews committers signed rules protected checks required owners role", GATE_READ_PULL},
		{"reviews", "reviews", GATE_READ_REVIEWS},
		{"permission", "writes role", GATE_READ_PERMISSION},
		{"pull_commits", "committers signed", GATE_READ_COMMITS},
		{"rules", "rules protected", GATE_READ_RULES} /* of a branch that only a ruleset protects */,
		{"protection", "rules", GATE_READ_CLASSIC},
		{"branch", "protected", GATE_READ_BRANCH},
		{"check_runs", "checks required", GATE_READ_CHECKS},
		{"statuses", "checks required", GATE_READ_CHECKS},
		{"user", "checks required", GATE_READ_SELF},
		{"graphql", "threads", GATE_READ_THREADS},
		{"deployments", "deployed", GATE_READ_DEPLOYMENTS},
		{"contents", "owners", GATE_READ_OWNERS},
		{"team", "member", GATE_READ_TEAM},
	};
	static const char *const faults[] = {"status:403", "status:500", "cut"};
	struct world *w = *state;
	CLEANUP_FREE char *json = owners_json("* @acme/net\n");
	owners = json;
	sim_team(w->sim, "acme", "net", "bob", "active");
	struct sim_file f = {.path = "CODEOWNERS", .content = "* @acme/net\n"};
	struct err err = {0};
	sim_must(sim_commit(w->sim, REPO, "main", "olivia", "Owners", &f, 1, NULL, &err), &err);
	world_approve(w, w->pull);
	protect(w, &everything);
	for (size_t i = 0; i < ARRAY_LEN(rows) * ARRAY_LEN(faults); i++) {
		struct seen k;
		CLEANUP_BUF struct buf got = {0};
		CLEANUP_FREE char *rule = xasprintf("%s=%s", rows[i / ARRAY_LEN(faults)].class, faults[i % ARRAY_LEN(faults)]);
		world_faults(w, rule);
		read_gate(w, "alice", &k);
		unknown(&k.s.facts, &got);
		if (strcmp(buf_str(&got), rows[i / ARRAY_LEN(faults)].unknown) != 0)
			fail_msg("%s: unknown are <%s>", rule, buf_str(&got));
		if (k.s.facts.read_failed[rows[i / ARRAY_LEN(faults)].what] == NULL)
			fail_msg("%s: the failure is not told", rule);
		gate_seen_free(&k.s);
	}
	world_faults(w, "");
	owners = NULL;
}

/* GitHub is still computing: asked again, and then said. */
static void patience(void **state)
{
	struct world *w = *state;
	struct err err = {0};
	struct seen k;
	sim_must(sim_mergeable_unknown(w->sim, REPO, w->pull, 2, &err), &err);
	read_gate(w, "alice", &k);
	assert_int_equal(k.s.facts.mergeable, TRI_YES);
	gate_seen_free(&k.s);
}

static void given_up(void **state)
{
	struct world *w = *state;
	struct seen k = {0};
	gate_read_cancel(NULL);
	for (int ms = 0; ms < 12; ms += 2) { /* in whatever question it is */
		struct gate_question q = {.gh = w->r.gh, .loop = w->l, .config = &w->r.config, .repo = REPO, .pull = w->pull, .asker = "alice"};
		struct gate_reader *r = gate_read_start(&q, on_seen, &k);
		rig_pass(&w->r, 1);
		for (int i = 0; i < ms && !k.done; i++)
			rig_pass(&w->r, 1);
		if (k.done)
			break;
		gate_read_cancel(r);
	}
	gate_seen_free(&k.s);
	k.done = false;
	rig_pass(&w->r, 100);
	assert_false(k.done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WT(all_is_read), WT(reviews), WT(checks), WT(our_own_checks), WT(not_protected), WT(closed), WT(rules_are_joined), WT(required_checks), WT(what_rules_ask_is_there),
		WT(code_owners), WT(unknown_stays_unknown), WT(patience), WT(given_up),
	};
	return cmocka_run_group_tests(tests, rig_warm_up, rig_cool_down);
}
