/* Runs as rows: made, moved by compare and set, superseded, waited for; what a row says comes back as it was written. */
#include "base/clock.h"
#include "base/limits.h"
#include "tests/support/store_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct db_conn *c;
static struct err err;

static int setup(void **state)
{
	(void)state;
	c = store_open();
	err = (struct err){0};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_close(c);
	return 0;
}

static void a_row_comes_back(void **state)
{
	struct run_new n = {.repo_id = 5000000000, .pull = 12, .repo = "acme/infra", .asker = "alice", .only = "{\"projects\":[\"a\"]}",
			    .kind = RUN_APPLY, .after_merge = true, .merge_sha = "m1", .asked_ms = 5000000001, .asked_sha = "1a2b3c4", .args = "-refresh-only", .by_admin = true};
	struct run_row r;
	int64_t id;
	(void)state;
	store_must(run_create(c, &n, &id, &err), &err);
	struct run_row set = {.id = id, .repo = (char[]){"acme/renamed"}, .clone_url = (char[]){"u"}, .head_sha = (char[]){"h"}, .base_ref = (char[]){"b"},
			      .base_sha = (char[]){"bs"}, .merge_base = (char[]){"mb"}, .tree_dir = (char[]){"/t"}, .untouched = 36,
			      .config_errors = (char[]){"sluice.yaml:1:1: no"}, .base_moved = true};
	store_must(run_set_pull(c, &set, &err), &err);
	store_must(run_set_prepared(c, &set, &err), &err);
	store_must(run_set_gate(c, id, "[1]", &err), &err);
	store_must(run_set_facts(c, id, "{}", &err), &err);
	store_must(run_set_error(c, id, "went wrong", &err), &err);
	store_must(run_add_note(c, id, "one", &err), &err);
	store_must(run_add_note(c, id, "two", &err), &err);
	store_must(run_get(c, id, &r, &err), &err);
	assert_int_equal(r.repo_id, 5000000000);
	assert_int_equal(r.pull, 12);
	assert_int_equal(r.kind, RUN_APPLY);
	assert_int_equal(r.state, RUN_QUEUED);
	assert_true(r.after_merge && r.base_moved && !r.dirty);
	assert_int_equal(r.untouched, 36);
	assert_int_equal(r.asked_ms, 5000000001);
	assert_int_equal(r.created_ms, STORE_NOW);
	assert_int_equal(r.finished_ms, 0);
	const struct {
		const char *got, *want;
	} rows[] = {{r.repo, "acme/renamed"}, {r.clone_url, "u"}, {r.head_sha, "h"}, {r.base_ref, "b"}, {r.base_sha, "bs"}, {r.merge_base, "mb"},
		    {r.tree_dir, "/t"}, {r.config_errors, "sluice.yaml:1:1: no"}, {r.asker, "alice"}, {r.only, "{\"projects\":[\"a\"]}"},
		    {r.merge_sha, "m1"}, {r.gate, "[1]"}, {r.facts, "{}"}, {r.error, "went wrong"}, {r.asked_sha, "1a2b3c4"}, {r.args, "-refresh-only"}, {r.notes, "one\ntwo"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(rows[i].got, rows[i].want);
	assert_int_equal(strlen(r.token), 48);
	run_row_free(&r);
	assert_null(r.token);
	assert_int_equal(run_get(c, 999, &r, &err), ERR_NOT_FOUND);
}

/* Plans beside others, closed pull requests, and the commit that one was merged as. */
static void beside_closed_merged(void **state)
{
	(void)state;
	int64_t wide = store_run_at(c, RUN_PLAN, 1, "aaa", RUN_WORKING), id;
	struct run_new n = {.repo_id = STORE_REPO, .pull = 1, .repo = "acme/infra", .kind = RUN_PLAN, .beside = true};
	store_must(run_create(c, &n, &id, &err), &err);
	assert_int_equal(store_run_state(c, wide), RUN_WORKING);
	n.beside = false;
	store_must(run_create(c, &n, &id, &err), &err);
	assert_int_equal(store_run_state(c, wide), RUN_SUPERSEDED);
	assert_int_equal(store_int(c, "SELECT count(*) FROM run WHERE state='superseded'"), 2);
	store_must(run_set_closed(c, STORE_REPO, 1, &err), &err);
	store_run(c, RUN_PLAN, 1); /* opened again */
	store_run(c, RUN_PLAN, 2);
	assert_int_equal(store_int(c, "SELECT count(*) FROM run WHERE closed=1 AND pull=1"), 3);
	assert_int_equal(store_int(c, "SELECT count(*) FROM run WHERE closed=0"), 2);
	CLEANUP_FREE char *none = (char *)1;
	store_must(run_merge_of(c, STORE_REPO, 1, &none, &err), &err);
	assert_null(none);
	store_must(run_set_merge(c, store_run(c, RUN_APPLY, 1), "m1", true, &err), &err);
	store_run(c, RUN_APPLY, 1); /* asked again, and refused */
	CLEANUP_FREE char *sha = NULL;
	store_must(run_merge_of(c, STORE_REPO, 1, &sha, &err), &err);
	assert_string_equal(sha, "m1");
}

static void moves(void **state)
{
	int64_t id = store_run(c, RUN_PLAN, 1);
	struct run_row r;
	(void)state;
	store_must(run_move(c, id, RUN_QUEUED, RUN_READING, &err), &err);
	assert_int_equal(run_move(c, id, RUN_QUEUED, RUN_READING, &err), ERR_CONFLICT);
	assert_int_equal(run_move(c, 999, RUN_QUEUED, RUN_READING, &err), ERR_CONFLICT);
	clock_fake_advance(500);
	store_must(run_move(c, id, RUN_READING, RUN_DONE, &err), &err);
	store_must(run_get(c, id, &r, &err), &err);
	assert_int_equal(r.finished_ms, STORE_NOW + 500);
	run_row_free(&r);
	for (int s = 0; s < RUN_STATES; s++) {
		assert_non_null(run_state_name((enum run_state)s));
		assert_int_equal(run_state_is_over((enum run_state)s), s >= RUN_DONE);
	}
}

/* Each state of an older run x each kind of a newer one. */
static void supersedes(void **state)
{
	(void)state;
	for (int s = 0; s < RUN_STATES; s++)
		for (int kind = RUN_PLAN; kind <= RUN_APPLY; kind++) {
			struct db_conn *keep = c;
			c = store_open();
			int64_t old = store_run(c, RUN_PLAN, 1), other = store_run(c, RUN_PLAN, 2), apply = store_run(c, RUN_APPLY, 1);
			if (s != RUN_QUEUED)
				store_must(run_move(c, old, RUN_QUEUED, (enum run_state)s, &err), &err);
			static const enum job_state jobs[] = {JOBS_WAITING, JOBS_READY, JOBS_RUNNING, JOBS_DONE, JOBS_FAILED, JOBS_REFUSED};
			int64_t ids[ARRAY_LEN(jobs)];
			for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
				char name[8];
				(void)snprintf(name, sizeof(name), "p%zu", i);
				ids[i] = store_job(c, old, name, PHASE_PLAN, jobs[i], NULL);
			}
			store_run(c, (enum run_kind)kind, 1);
			bool ends = kind == RUN_PLAN && s < RUN_DONE;
			assert_int_equal(store_run_state(c, old), ends ? RUN_SUPERSEDED : (enum run_state)s);
			assert_int_equal(store_run_state(c, other), RUN_QUEUED);
			assert_int_equal(store_run_state(c, apply), RUN_QUEUED); /* an apply is never superseded */
			for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
				assert_int_equal(store_job_state(c, ids[i]), ends && jobs[i] < JOBS_RUNNING ? JOBS_CANCELLED : jobs[i]);
			store_close(c);
			c = keep;
		}
	clock_fake_set(STORE_NOW);
}

static void cancels_all_plans(void **state)
{
	int64_t a = store_run(c, RUN_PLAN, 1), apply = store_run(c, RUN_APPLY, 1), b = store_run(c, RUN_PLAN, 1), other = store_run(c, RUN_PLAN, 2);
	(void)state;
	store_must(run_supersede(c, STORE_REPO, 1, 0, RUN_CANCELLED, &err), &err);
	assert_int_equal(store_run_state(c, a), RUN_SUPERSEDED);
	assert_int_equal(store_run_state(c, b), RUN_CANCELLED);
	assert_int_equal(store_run_state(c, apply), RUN_QUEUED);
	assert_int_equal(store_run_state(c, other), RUN_QUEUED);
	store_must(run_supersede(c, STORE_REPO + 1, 2, 0, RUN_CANCELLED, &err), &err);
	assert_int_equal(store_run_state(c, other), RUN_QUEUED); /* another repository's #2 */
}

static void newest(void **state)
{
	struct run_row r;
	(void)state;
	int64_t one = store_run_at(c, RUN_PLAN, 1, "aaa", RUN_DONE), two = store_run_at(c, RUN_PLAN, 1, "bbb", RUN_DONE),
		three = store_run(c, RUN_PLAN, 1), apply = store_run(c, RUN_APPLY, 1);
	store_run(c, RUN_PLAN, 2);
	const struct {
		enum run_kind kind;
		const char *head;
		int64_t want;
	} rows[] = {{RUN_PLAN, NULL, three}, {RUN_PLAN, "aaa", one}, {RUN_PLAN, "bbb", two}, {RUN_APPLY, NULL, apply}, {RUN_APPLY, "aaa", 0}, {RUN_PLAN, "ccc", 0}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int rc = run_newest(c, STORE_REPO, 1, rows[i].kind, rows[i].head, &r, &err);
		assert_int_equal(rc, rows[i].want != 0 ? 0 : ERR_NOT_FOUND);
		if (rc == 0) {
			assert_int_equal(r.id, rows[i].want);
			run_row_free(&r);
		}
	}
}

/* Only an older apply that is at work is waited for, whatever state it is in. */
static void is_behind(void **state)
{
	(void)state;
	for (int s = 0; s < RUN_STATES; s++) {
		store_exec(c, "DELETE FROM run");
		int64_t older = store_run(c, RUN_APPLY, 1);
		if (s != RUN_QUEUED)
			store_must(run_move(c, older, RUN_QUEUED, (enum run_state)s, &err), &err);
		struct run_row r = {.id = store_run(c, RUN_PLAN, 1), .repo_id = STORE_REPO, .pull = 1};
		bool behind;
		store_must(run_is_behind(c, &r, &behind, &err), &err);
		assert_int_equal(behind, s < RUN_DONE);
		r.pull = 2;
		store_must(run_is_behind(c, &r, &behind, &err), &err);
		assert_false(behind);
		r.pull = 1;
		r.id = older; /* not behind itself, nor behind younger ones */
		store_must(run_is_behind(c, &r, &behind, &err), &err);
		assert_false(behind);
	}
	store_exec(c, "DELETE FROM run");
	store_run(c, RUN_PLAN, 1);
	struct run_row apply = {.id = store_run(c, RUN_APPLY, 1), .repo_id = STORE_REPO, .pull = 1};
	bool behind;
	store_must(run_is_behind(c, &apply, &behind, &err), &err);
	assert_false(behind); /* the gate answers that */
}

static void open_ones(void **state)
{
	struct id_list l = {0};
	(void)state;
	int64_t want[RUN_STATES];
	size_t n = 0;
	for (int s = 0; s < RUN_STATES; s++) {
		int64_t id = store_run_at(c, RUN_PLAN, s + 1, "aaa", (enum run_state)s);
		if (s < RUN_DONE)
			want[n++] = id;
	}
	store_must(run_list_open(c, &l, &err), &err);
	assert_int_equal(l.n, n);
	assert_memory_equal(l.v, want, n * sizeof(want[0]));
	id_list_free(&l);
	assert_int_equal(l.n, 0);
}

static bool may_edit(int64_t id)
{
	struct id_list l = {0};
	store_must(run_list_to_edit(c, &l, &err), &err);
	assert_true(l.n <= 1);
	bool yes = l.n == 1 && l.v[0] == id;
	id_list_free(&l);
	return yes;
}

/* Every 2 s, then 10, then 60, and never more than the ceiling. */
static void edits_thin_out(void **state)
{
	int64_t id = store_run_at(c, RUN_PLAN, 1, "aaa", RUN_WORKING);
	(void)state;
	assert_false(may_edit(id)); /* nothing changed */
	store_must(run_set_dirty(c, id, true, &err), &err);
	assert_true(may_edit(id));
	for (unsigned edits = 1; edits <= LIMIT_RUN_EDITS; edits++) {
		store_must(run_count_edit(c, id, &err), &err);
		assert_false(may_edit(id)); /* clean again */
		store_must(run_set_dirty(c, id, true, &err), &err);
		int64_t wait = edits < 10 ? 2000 : edits < 20 ? 10000 : 60000;
		clock_fake_advance(wait - 1);
		assert_false(may_edit(id));
		clock_fake_advance(1);
		assert_int_equal(may_edit(id), edits < LIMIT_RUN_EDITS);
	}
	store_exec(c, "UPDATE run SET edits=0, state='done', finished_ms=1");
	assert_false(may_edit(id)); /* its end is told by the transaction that ends it */
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_row_comes_back), T(beside_closed_merged), T(moves), T(supersedes), T(cancels_all_plans), T(newest), T(is_behind), T(open_ones), T(edits_thin_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
