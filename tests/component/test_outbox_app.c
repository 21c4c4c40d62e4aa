/* The outbox of an App: a lane for each installation, check runs, and random faults between the real client and a GitHub of a few lines. The wall
 * clock is ours and runs fast. */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "github/outbox_priv.h"
#include "tests/support/app_github.h"
#include "tests/support/small_github.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW INT64_C(1800000000000)

enum { TICK_MS = 2, TICK_WALL_MS = 1000, SEEDS = 50, ROUNDS = 5 };

struct bench {
	struct app_github app;
	struct small_github github;
	struct db *db;
	struct outbox *o;
	struct loop_timer *tick;
	char path[64];
	bool flag;
	int64_t n;
};

static struct bench *b;

static void tick(void *arg)
{
	(void)arg;
	clock_fake_advance(TICK_WALL_MS);
	if (b->o != NULL)
		outbox_wake(b->o);
}

static void start(void)
{
	const struct db_migration m[] = {{1, OUTBOX_SCHEMA}, {2, OUTBOX_SCHEMA_2}};
	struct err err = {0};
	if (db_open(b->app.loop, b->path, m, 2, &b->db, &err) != 0)
		fail_msg("%s", err.msg);
	b->o = outbox_new(b->app.loop, b->db, b->app.gh);
}

/* As a crash would leave it: what is under way is never recorded. */
static void stop(void)
{
	outbox_close(b->o);
	b->o = NULL;
	db_close(b->db);
}

static void drop_log(const char *line, void *arg)
{
	(void)line;
	(void)arg;
}

static int setup(void **state)
{
	(void)state;
	b = xcalloc(1, sizeof(*b));
	(void)snprintf(b->path, sizeof(b->path), "/tmp/sluice-outbox-app-%d.db", (int)getpid());
	log_set_sink(drop_log, NULL);
	clock_fake_set(NOW);
	app_github_open(&b->app);
	b->app.other = small_github_serve;
	b->app.arg = &b->github;
	b->tick = loop_timer_new(b->app.loop, tick, NULL);
	loop_timer_start(b->tick, TICK_MS, TICK_MS);
	start();
	return 0;
}

static int teardown(void **state)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	(void)state;
	stop();
	loop_timer_close(b->tick);
	app_github_close(&b->app);
	small_github_free(&b->github);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		char name[80];
		(void)snprintf(name, sizeof(name), "%s%s", b->path, ends[i]);
		(void)unlink(name); /* not all of them exist */
	}
	free(b);
	clock_fake_off();
	log_set_sink(NULL, NULL);
	return 0;
}

static int set_work(struct db_conn *c, void *arg, struct err *err) { return outbox_set(c, arg, err); }

static void set_done(int rc, const struct err *err, void *arg)
{
	(void)arg;
	if (rc != 0)
		fail_msg("%s", err->msg);
	outbox_wake(b->o);
	b->flag = true;
}

static void set(struct effect *e)
{
	b->flag = false;
	db_submit(b->db, set_work, set_done, e);
	assert_true(loop_run_until(b->app.loop, &b->flag, 5000));
}

static void set_comment(const char *repo, const char *slot, const char *body)
{
	struct effect e = {.kind = EFFECT_COMMENT, .slot = slot, .repo_id = 5, .repo = repo, .pull = 7, .body = body};
	set(&e);
}

static void set_check(const char *repo, const char *name, int run, const char *conclusion, int annotations)
{
	char id[32];
	CLEANUP_BUF struct buf lines = {0};
	CLEANUP_FREE char *slot = xasprintf("check/5/abc/%s", name);
	(void)snprintf(id, sizeof(id), "run %d", run);
	for (int i = 0; i < annotations; i++)
		buf_printf(&lines, "{\"path\":\"a.tf\",\"start_line\":%d}\n", i + 1);
	const struct gh_check k = {.name = name, .head_sha = "abc", .external_id = id, .status = conclusion != NULL ? "completed" : "in_progress",
				   .conclusion = conclusion, .title = "t", .summary = "s", .actions = "[]"};
	struct effect e = {.kind = EFFECT_CHECK, .slot = slot, .repo_id = 5, .repo = repo, .check = &k, .annotations = buf_str(&lines)};
	set(&e);
}

static void counted(int64_t n, void *arg)
{
	(void)arg;
	b->n = n;
	b->flag = true;
}

static int64_t pending(void)
{
	b->flag = false;
	outbox_pending(b->o, counted, NULL);
	assert_true(loop_run_until(b->app.loop, &b->flag, 5000));
	return b->n;
}

static void a_moment(void)
{
	b->flag = false;
	(void)loop_run_until(b->app.loop, &b->flag, 1);
}

static void settle(void)
{
	for (int i = 0; i < 10000; i++) {
		if (pending() == 0)
			return;
		a_moment();
	}
	fail_msg("still owed: %lld, log %s", (long long)b->n, buf_str(&b->github.log));
}

/* Exactly one comment of ours for the slot, and what it says. */
static void assert_comment(const char *slot, const char *body)
{
	CLEANUP_FREE char *want = xasprintf("<!-- sluice slot=%s -->\n%s", slot, body), *marker = xasprintf("<!-- sluice slot=%s -->", slot);
	int n = 0;
	for (size_t i = 0; i < b->github.comments_n; i++) {
		const struct comment *c = &b->github.comments[i];
		if (c->gone || !text_starts(c->body, marker))
			continue;
		assert_string_equal(c->body, want);
		n++;
	}
	if (n != 1)
		fail_msg("%d comments of %s, log %s", n, slot, buf_str(&b->github.log));
}

/* One check run of this name and run; every other of the name has ended. */
static void assert_check(const char *name, int run, const char *conclusion, size_t annotations)
{
	char id[32];
	int n = 0;
	(void)snprintf(id, sizeof(id), "run %d", run);
	for (size_t i = 0; i < b->github.checks_n; i++) {
		const struct check *c = &b->github.checks[i];
		if (strcmp(c->name, name) != 0)
			continue;
		assert_string_equal(c->status, "completed");
		if (strcmp(c->external_id, id) != 0)
			continue;
		assert_string_equal(c->conclusion, conclusion);
		assert_int_equal(c->annotations, annotations);
		n++;
	}
	if (n != 1)
		fail_msg("%d check runs of %s %s, log %s", n, name, id, buf_str(&b->github.log));
}

static void test_check(void **state)
{
	(void)state;
	set_check("acme/infra", "sluice", 1, NULL, 0);
	settle();
	assert_string_equal(b->github.checks[0].status, "in_progress");
	set_check("acme/infra", "sluice", 1, "success", 0);
	settle();
	assert_check("sluice", 1, "success", 0);
	set_check("acme/infra", "sluice", 2, "failure", 120);
	settle();
	assert_check("sluice", 2, "failure", 120);
	assert_int_equal(b->github.checks_n, 2);
	assert_string_equal(buf_str(&b->github.log), "POST PATCH POST PATCH PATCH ");
	assert_non_null(strstr(buf_str(&b->app.bodies), "\"checks\":\"write\"")); /* with a token that may */
}

/* Done but not heard of, at each of the four requests that 120 annotations take: none is doubled, none is left out. */
static void test_annotations_in_doubt(void **state)
{
	static const enum fault faults[] = {FAULT_RESET_AFTER, FAULT_RESET_BEFORE, FAULT_502_AFTER, FAULT_CUT};
	(void)state;
	for (int i = 0; i < 3 * (int)ARRAY_LEN(faults); i++) {
		char name[32];
		int at = b->github.writes + i / (int)ARRAY_LEN(faults);
		(void)snprintf(name, sizeof(name), "sluice/%d", i);
		if (at == b->github.writes)
			b->github.next_fault = faults[i % (int)ARRAY_LEN(faults)];
		set_check("acme/infra", name, 1, "failure", 120);
		for (int k = 0; k < 3000 && b->github.writes < at; k++)
			a_moment();
		if (i >= (int)ARRAY_LEN(faults))
			b->github.next_fault = faults[i % (int)ARRAY_LEN(faults)];
		settle();
		b->github.next_fault = FAULT_NONE;
		assert_check(name, 1, "failure", 120);
	}
}

/* What GitHub tells one installation to wait for, or what it lacks, holds up no other. */
static void test_side_by_side(void **state)
{
	(void)state;
	loop_timer_stop(b->tick); /* time stands still: nobody's pause ends */
	b->github.next_fault = FAULT_LIMIT;
	set_comment("other/x", "comment/9/1", "other");
	for (int i = 0; i < 3000 && b->github.writes < 1; i++)
		a_moment();
	assert_int_equal(b->github.comments_n, 0);
	set_comment("acme/infra", "comment/5/1", "one");
	set_comment("Acme/infra", "comment/5/2", "two");
	for (int i = 0; i < 3000 && pending() > 1; i++)
		a_moment();
	assert_int_equal(pending(), 1);
	assert_comment("comment/5/1", "one");
	assert_comment("comment/5/2", "two");
	assert_int_equal(b->github.writes, 3);
	stop(); /* and after a restart the pause is still there, and only that one */
	start();
	set_comment("acme/infra", "comment/5/1", "three");
	for (int i = 0; i < 3000 && pending() > 1; i++)
		a_moment();
	assert_int_equal(pending(), 1);
	assert_comment("comment/5/1", "three");
	loop_timer_start(b->tick, TICK_MS, TICK_MS);
	settle();
	assert_comment("comment/9/1", "other");
}

static void one_round(uint64_t seed, int round)
{
	static const char *const repos[] = {"acme/infra", "other/x"};
	for (int i = 0; i < 2; i++) {
		char slot[32], name[32], text[32];
		bool last = round == ROUNDS - 1;
		(void)snprintf(slot, sizeof(slot), "comment/%llu/%d", (unsigned long long)seed, i);
		(void)snprintf(name, sizeof(name), "%llu/%d", (unsigned long long)seed, i);
		(void)snprintf(text, sizeof(text), "round %d", round);
		set_comment(repos[i], slot, text);
		set_check(repos[i], name, round / 2, last ? "failure" : round % 2 == 1 ? "success" : NULL, last ? 70 : 0);
	}
}

static void test_seeds(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		if (seed % 12 == 0)
			clock_fake_advance(INT64_C(3600) * 1000); /* or the hour's budget ends the test */
		b->github.seed = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
		for (int round = 0; round < ROUNDS; round++) {
			one_round(seed, round);
			for (uint64_t n = small_github_dice(&b->github) % 12; n > 0; n--)
				a_moment();
			if (small_github_dice(&b->github) % 3 == 0) {
				stop();
				start();
			}
		}
		settle();
		b->github.seed = 0;
		for (int i = 0; i < 2; i++) {
			char slot[32];
			(void)snprintf(slot, sizeof(slot), "comment/%llu/%d", (unsigned long long)seed, i);
			assert_comment(slot, "round 4");
			(void)snprintf(slot, sizeof(slot), "%llu/%d", (unsigned long long)seed, i);
			assert_check(slot, 2, "failure", 70);
		}
	}
	print_message("  %d seeds, %d writes\n", SEEDS, b->github.writes);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {TEST(test_check), TEST(test_annotations_in_doubt), TEST(test_side_by_side), TEST(test_seeds)};
	return cmocka_run_group_tests_name("github/outbox of an App", tests, NULL, NULL);
}
