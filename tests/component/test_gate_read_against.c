/* Our gate against the simulated GitHub's own idea of what may be merged: the two were written apart, and where ours is open GitHub must not
 * refuse. Chance makes the rules, the reviews, the checks and the pushes. */
#include "cmd/sim/sim_gate.h"
#include "plan/codeowners.h"
#include "plan/gate_own.h"
#include "tests/component/world.h"

enum { CASES = 40, BUILD_APP = 77 };

/* ---- chance ---- */

static uint64_t dice = 1181783497276652981u;

static size_t roll(size_t n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (size_t)(dice % n);
}

static bool percent(size_t n) { return roll(100) < n; }

/* ---- one case ---- */

struct story { /* what of it our own database would know */
	char head[SIM_SHA_SIZE];
	const char *pusher;
	bool base_moved;
	struct buf told; /* for the failure message */
};

static const char owners_text[] = "/net/ @bob @acme/net\n";

static void random_rules(struct world *w, struct story *t, bool also)
{
	struct err err = {0};
	struct sim_required checks[] = {{"ci", 0}, {"lint", BUILD_APP}};
	bool classic = percent(40);
	struct sim_rules r = {.how = classic ? SIM_CLASSIC : SIM_RULESET, .reviews = (int)roll(3), .dismiss_stale = percent(30), .code_owners = percent(30),
			      .conversations = percent(30), .signatures = percent(20), .last_push = percent(30), .strict = percent(30), .admins = true,
			      .also = also, .checks = checks, .checks_n = roll(3), .deployments = !classic && percent(30) ? "staging" : NULL};
	buf_printf(&t->told, "%s reviews=%d%s%s%s%s%s%s checks=%zu%s; ", classic ? "classic" : "ruleset", r.reviews, r.dismiss_stale ? " stale" : "",
		   r.code_owners ? " owners" : "", r.conversations ? " threads" : "", r.signatures ? " signed" : "", r.last_push ? " last_push" : "",
		   r.strict ? " strict" : "", r.checks_n, r.deployments != NULL ? " deployment" : "");
	sim_must(sim_protect_with(w->sim, REPO, "main", &r, NULL, &err), &err);
}

static void push(struct world *w, struct story *t, const char *branch, size_t i, size_t k)
{
	struct err err = {0};
	CLEANUP_FREE char *text = xasprintf("case %zu push %zu", i, k), *path = xasprintf("net/%zu.tf", i);
	struct sim_file f = {.path = path, .content = text};
	static const char *const pushers[] = {"alice", "alice", "bob", "dave"};
	t->pusher = pushers[roll(4)];
	struct sim_commit_new n = {.repo = REPO, .branch = branch, .user = t->pusher, .message = "Change", .files = &f, .files_n = 1,
				   .author = percent(20) ? "carol" : NULL, .verified = percent(80)};
	buf_printf(&t->told, "%s pushes%s%s; ", t->pusher, n.author != NULL ? " carol's" : "", n.verified ? " signed" : "");
	sim_must(sim_commit_with(w->sim, &n, t->head, &err), &err);
}

static void random_reviews(struct world *w, struct story *t, int64_t pull)
{
	static const char *const people[] = {"bob", "carol", "olivia", "rita"};
	static const char *const events[] = {"APPROVE", "APPROVE", "APPROVE", "COMMENT", "REQUEST_CHANGES"};
	struct err err = {0};
	for (size_t i = 0; i < ARRAY_LEN(people); i++) {
		const char *event = events[roll(ARRAY_LEN(events))];
		if (percent(30))
			continue;
		buf_printf(&t->told, "%s %s; ", people[i], event);
		sim_must(sim_review(w->sim, REPO, pull, people[i], event, "words", &err), &err);
		if (percent(8) && strcmp(event, "COMMENT") != 0)
			sim_must(sim_review_act(w->sim, REPO, pull, "olivia", people[i], NULL, &err), &err);
	}
}

static void random_facts(struct world *w, struct story *t, int64_t pull)
{
	struct err err = {0};
	const char *ci = percent(85) ? "success" : percent(50) ? "failure" : NULL, *deployment = percent(85) ? "success" : "failure";
	int64_t app = percent(85) ? BUILD_APP : BUILD_APP + 1, open = percent(20);
	buf_printf(&t->told, "ci=%s lint by %lld deployment=%s threads=%lld; ", ci != NULL ? ci : "running", (long long)app, deployment, (long long)open);
	sim_must(sim_check(w->sim, REPO, t->head, "ci", ci, &err), &err);
	sim_must(sim_check_by(w->sim, REPO, t->head, "lint", "success", app, &err), &err);
	sim_must(sim_deploy(w->sim, REPO, "dora", t->head, "staging", deployment, &err), &err);
	sim_must(sim_threads(w->sim, REPO, pull, open, 1, &err), &err);
}

static int64_t random_case(struct world *w, struct story *t, size_t i)
{
	struct err err = {0};
	CLEANUP_FREE char *branch = xasprintf("case-%zu", i), *elsewhere = xasprintf("elsewhere/%zu", i);
	struct sim_file other = {.path = elsewhere, .content = "1"};
	int64_t pull = 0;
	random_rules(w, t, false);
	if (percent(25))
		random_rules(w, t, true);
	push(w, t, branch, i, 1);
	struct sim_pr_new p = {.repo = REPO, .user = "alice", .head = branch};
	sim_must(sim_pr_open(w->sim, &p, &pull, &err), &err);
	random_reviews(w, t, pull);
	if (percent(25)) {
		push(w, t, branch, i, 2);
		if (percent(70))
			random_reviews(w, t, pull);
	}
	random_facts(w, t, pull);
	t->base_moved = percent(20);
	if (t->base_moved)
		sim_must(sim_commit(w->sim, REPO, "main", "olivia", "Elsewhere", &other, 1, NULL, &err), &err);
	return pull;
}

/* ---- both answers ---- */

struct seen {
	bool done;
	struct gate_seen s;
};

static void on_seen(struct gate_seen *s, void *arg)
{
	struct seen *k = arg;
	k->done = true;
	k->s = *s;
	*s = (struct gate_seen){0};
}

/* What a run that planned this head would have kept. */
static void add_own(struct world *w, const struct story *t, struct gate_facts *f, struct gate_own *own)
{
	struct strlist paths = {0};
	struct gate_history history = {.head = t->head, .pusher_id = sim_user(w->sim, t->pusher)->id};
	strlist_add(&paths, "net/1.tf");
	codeowners_find(owners_text, strlen(owners_text), &paths, &own->owners);
	xstrset(&own->owners.id, f->heard->owners_id);
	own->owners_read = true;
	f->head_is_planned = f->told = f->policies = TRI_YES;
	f->planned_base = "main";
	f->projects = f->planned = 1;
	f->up_to_date = t->base_moved ? TRI_NO : TRI_YES;
	gate_reviews_add(f->heard, &history, f, own);
	strlist_free(&paths);
}

static bool ours(struct world *w, const struct story *t, int64_t pull, struct buf *why)
{
	CLEANUP_BUF struct buf json = {0};
	struct owners o = {0};
	struct strlist paths = {0};
	strlist_add(&paths, "net/1.tf");
	codeowners_find(owners_text, strlen(owners_text), &paths, &o);
	owners_write(&o, &json);
	owners_free(&o);
	strlist_free(&paths);
	struct gate_question q = {.gh = w->r.gh, .loop = w->l, .config = &w->r.config, .repo = REPO, .pull = pull, .asker = "alice", .owners = buf_str(&json)};
	struct seen k = {0};
	struct gate_own own = {0};
	struct gate_verdict v = {0};
	(void)gate_read_start(&q, on_seen, &k); /* gone when it is answered */
	assert_true(loop_run_until(w->l, &k.done, 20000));
	assert_non_null(k.s.facts.heard);
	add_own(w, t, &k.s.facts, &own);
	gate_evaluate(&k.s.facts, &v);
	for (size_t i = 0; i < v.n; i++) {
		if (v.items[i].mark == GATE_UNKNOWN)
			fail_msg("%s\n%s is unknown: %s", buf_str(&t->told), v.items[i].name, v.items[i].sentence);
		if (v.items[i].mark == GATE_NO)
			buf_printf(why, "%s%s", why->len > 0 ? ", " : "", v.items[i].name);
	}
	bool open = v.open;
	gate_verdict_free(&v);
	gate_own_free(&own);
	gate_seen_free(&k.s);
	return open;
}

static const char *theirs(struct world *w, int64_t pull)
{
	struct sim_repo *r = sim_repo_find(w->sim, REPO, strlen(REPO));
	return sim_merge_obstacle(w->sim, r, sim_pull_find(r, pull), sim_user(w->sim, BOT), "merge");
}

static void where_ours_is_open_github_merges(void **state)
{
	struct world *w = *state;
	struct err err = {0};
	size_t open = 0, refused = 0, stricter = 0;
	struct sim_file f = {.path = "CODEOWNERS", .content = owners_text};
	sim_must(sim_permission(w->sim, REPO, "carol", "write", &err), &err);
	sim_must(sim_permission(w->sim, REPO, "dave", "write", &err), &err);
	sim_team(w->sim, "acme", "net", "carol", "active");
	sim_must(sim_commit(w->sim, REPO, "main", "olivia", "Owners", &f, 1, NULL, &err), &err);
	for (size_t i = 0; i < CASES; i++) {
		struct story t = {0};
		struct buf why CLEANUP_BUF = {0};
		int64_t pull = random_case(w, &t, i);
		bool yes = ours(w, &t, pull, &why);
		const char *no = theirs(w, pull);
		if (yes && no != NULL)
			fail_msg("case %zu: %s\nour gate is open, and GitHub says: %s", i, buf_str(&t.told), no);
		open += yes;
		refused += no != NULL;
		stricter += !yes && no == NULL;
		buf_free(&t.told);
	}
	/* all of it happened */
	if (open < 3 || refused < CASES / 4 || stricter < 1)
		fail_msg("%zu open, %zu refused by GitHub, %zu by us alone: the dice are not fair", open, refused, stricter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {WT(where_ours_is_open_github_merges)};
	return cmocka_run_group_tests(tests, rig_warm_up, rig_cool_down);
}
