/* What GitHub said, between reading and showing. */
#include "plan/gate_own.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct gate_seen all(void)
{
	struct gate_seen s = {
		.facts = {.open = TRI_YES, .draft = TRI_NO, .merged = TRI_NO, .base_protected = TRI_YES, .mergeable = TRI_UNKNOWN, .reviews_read = TRI_YES,
			  .checks_ok = TRI_NO, .rules_read = TRI_YES, .required_ok = TRI_NO, .required_any = true, .threads_needed = true, .threads_open = 4,
			  .threads_resolved = TRI_NO, .signatures_needed = true, .signed_all = TRI_NO, .deployments_needed = true, .deployed = TRI_NO,
			  .locked_branch = true, .queue_required = true, .may_apply = TRI_YES},
		.head_sha = xstrdup("abc"), .base_ref = xstrdup("main"), .author = xstrdup("alice"), .mergeable_state = xstrdup("blocked"), .failing = xstrdup("`lint`"),
		.required_missing = xstrdup("`unit`"), .unsigned_commits = xstrdup("`c1`"), .deployments_missing = xstrdup("`staging`"),
		.rules_unseen = xstrdup("`workflows`"), .heard = xcalloc(1, sizeof(*s.heard)),
	};
	struct gate_heard *h = s.heard;
	*h = (struct gate_heard){.author_id = 5, .committers_read = TRI_YES, .owners_id = xstrdup("0a"), .base_tip = xstrdup("tip"), .plan_expiry_ms = 1000,
				 .needs = {.approvals = 2, .dismiss_stale = true, .code_owners = true, .last_push = true, .strict = true}};
	struct review *r = review_list_add(&h->reviews, 7, "bob");
	r->approves = true;
	r->writes = TRI_YES;
	r->commit_id = xstrdup("abc");
	r->submitted_ms = 1700000000000;
	review_list_add(&h->reviews, 8, "robot[bot]")->bot = true;
	person_list_add(&h->committers, 9, "dan");
	strlist_add(&h->labels, "do not apply");
	gate_heard_add_member(h, "acme/net", "bob", TRI_UNKNOWN);
	s.failed[GATE_READ_TEAM] = xstrdup("GET /teams: 403");
	gate_seen_lend(&s);
	return s;
}

static void through_the_column(void **state)
{
	struct gate_seen seen = all(), back;
	CLEANUP_BUF struct buf b = {0}, again = {0};
	(void)state;
	gate_facts_write(&seen, &b);
	assert_true(gate_facts_read(buf_str(&b), &back));
	gate_facts_write(&back, &again);
	assert_string_equal(buf_str(&b), buf_str(&again));
	const struct gate_facts *f = &back.facts;
	assert_int_equal(f->open, TRI_YES);
	assert_int_equal(f->draft, TRI_NO);
	assert_int_equal(f->mergeable, TRI_UNKNOWN);
	assert_int_equal(f->may_apply, TRI_UNKNOWN); /* of a person, not of the pull request */
	assert_true(f->required_any && f->threads_needed && f->signatures_needed && f->deployments_needed && f->locked_branch && f->queue_required);
	assert_int_equal(f->threads_open, 4);
	assert_string_equal(f->base_ref, "main");
	assert_string_equal(f->mergeable_state, "blocked");
	assert_string_equal(f->checks_failing, "`lint`");
	assert_string_equal(f->required_missing, "`unit`");
	assert_string_equal(f->unsigned_commits, "`c1`");
	assert_string_equal(f->deployments_missing, "`staging`");
	assert_string_equal(f->rules_unseen, "`workflows`");
	assert_string_equal(f->read_failed[GATE_READ_TEAM], "GET /teams: 403");
	assert_null(f->read_failed[GATE_READ_PULL]);
	const struct gate_heard *h = f->heard;
	assert_int_equal(h->author_id, 5);
	assert_int_equal(h->reviews.n, 2);
	assert_int_equal(h->reviews.v[0].submitted_ms, 1700000000000);
	assert_true(h->reviews.v[1].bot && !h->reviews.v[1].approves && h->reviews.v[1].commit_id == NULL);
	assert_int_equal(h->reviews.v[1].writes, TRI_UNKNOWN);
	assert_int_equal(h->members[0].active, TRI_UNKNOWN);
	assert_string_equal(h->labels.v[0], "do not apply");
	assert_true(h->needs.dismiss_stale && h->needs.code_owners && h->needs.last_push && h->needs.strict && h->needs.approvals == 2);
	gate_seen_free(&back);
	gate_seen_free(&seen);
}

/* Nothing but the pull request was asked, and it failed. */
static void of_a_failure(void **state)
{
	struct gate_seen seen = {.failed = {[GATE_READ_PULL] = xstrdup("GET /pulls/7: 500")}}, back;
	CLEANUP_BUF struct buf b = {0};
	(void)state;
	gate_facts_write(&seen, &b);
	assert_true(gate_facts_read(buf_str(&b), &back));
	assert_int_equal(back.facts.open, TRI_UNKNOWN);
	assert_null(back.facts.heard);
	assert_string_equal(back.facts.read_failed[GATE_READ_PULL], "GET /pulls/7: 500");
	gate_seen_free(&back);
	gate_seen_free(&seen);
}

/* A byte changed or cut off somewhere never crashes, and mostly is worthless; what is read is complete. */
static void damaged(void **state)
{
	static const char *const rows[] = {NULL, "", "{", "[]", "{}", "{\"open\":7}", "7"};
	struct gate_seen seen = all(), back;
	CLEANUP_BUF struct buf b = {0};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_false(gate_facts_read(rows[i], &back));
		gate_seen_free(&back);
	}
	gate_facts_write(&seen, &b);
	for (size_t i = 0; i + 1 < b.len; i++) {
		CLEANUP_FREE char *cut = xstrndup(buf_str(&b), i), *changed = xstrdup(buf_str(&b));
		assert_false(gate_facts_read(cut, &back));
		gate_seen_free(&back);
		changed[i] = 'x';
		(void)gate_facts_read(changed, &back); /* a letter of a text may differ */
		gate_seen_free(&back);
	}
	gate_seen_free(&seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(through_the_column), cmocka_unit_test(of_a_failure), cmocka_unit_test(damaged)};
	return cmocka_run_group_tests_name("gate_facts", tests, NULL, NULL);
}
