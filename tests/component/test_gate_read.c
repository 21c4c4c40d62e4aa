/* Reading the gate's facts from GitHub: each fact as it is, and unknown with a reason when it cannot be read. */
#include "plan/gate_read.h"

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

static void read_gate(struct world *w, const char *asker, struct seen *k)
{
	struct gate_question q = {.gh = w->r.gh, .loop = w->l, .config = &w->r.config, .repo = REPO, .pull = w->pull, .asker = asker};
	*k = (struct seen){0};
	(void)gate_read_start(&q, on_seen, k); /* gone when it is answered */
	assert_true(loop_run_until(w->l, &k->done, 20000));
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
	assert_int_equal(f->approvals, 1);
	assert_string_equal(f->base_ref, "main");
	assert_string_equal(f->asker, "alice");
	assert_null(f->failed_fact);
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
	read_gate(w, "alice", &k);
	assert_int_equal(k.s.facts.approvals, 1);
	assert_int_equal(k.s.facts.changes_requested, 1);
	assert_false(k.s.facts.stale_approvals);
	gate_seen_free(&k.s);
	review(w, "carol", "APPROVE");
	review(w, "bob", "REQUEST_CHANGES");
	read_gate(w, "alice", &k);
	assert_int_equal(k.s.facts.approvals, 1);
	assert_int_equal(k.s.facts.changes_requested, 1);
	gate_seen_free(&k.s);
	review(w, "bob", "APPROVE");
	world_push(w, "change", "after the approvals");
	read_gate(w, "alice", &k);
	assert_int_equal(k.s.facts.approvals, 0);
	assert_true(k.s.facts.stale_approvals);
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

/* What cannot be read -> which facts stay unknown. The first failure is named. */
static void unknown_stays_unknown(void **state)
{
	static const struct {
		const char *faults;
		bool pull, reviews, protection, checks, role;
	} rows[] = {
		{"pull=status:403", true, true, true, true, true},
		{"reviews=status:403", false, true, false, false, false},
		{"branch=status:403", false, false, true, false, false},
		{"check_runs=status:403", false, false, false, true, false},
		{"status_list=status:403", false, false, false, true, false},
		{"permission=status:403", false, true, false, false, true},
	};
	struct world *w = *state;
	world_approve(w, w->pull);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct seen k;
		world_faults(w, rows[i].faults);
		read_gate(w, "alice", &k);
		const struct gate_facts *f = &k.s.facts;
		const struct {
			const char *name;
			enum tri got;
			bool unknown;
		} facts[] = {
			{"open", f->open, rows[i].pull}, {"reviews", f->reviews_read, rows[i].reviews}, {"protected", f->base_protected, rows[i].protection},
			{"checks", f->checks_ok, rows[i].checks}, {"may apply", f->may_apply, rows[i].role},
		};
		for (size_t n = 0; n < ARRAY_LEN(facts); n++)
			if ((facts[n].got == TRI_UNKNOWN) != facts[n].unknown)
				fail_msg("%s: %s is %d", rows[i].faults, facts[n].name, (int)facts[n].got);
		assert_non_null(f->failed_fact);
		says(f->failed_fact, "403");
		gate_seen_free(&k.s);
	}
	world_faults(w, "");
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
		WT(all_is_read), WT(reviews), WT(checks), WT(not_protected), WT(closed), WT(unknown_stays_unknown), WT(given_up),
	};
	return cmocka_run_group_tests(tests, rig_warm_up, rig_cool_down);
}
