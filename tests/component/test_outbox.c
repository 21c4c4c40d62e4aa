/* The outbox with a real loop, a real database file, the real client, and a GitHub of a few lines that can be told to fail. The wall clock
 * is ours and runs fast, so that backoffs of seconds cost nothing. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "github/gh_priv.h"
#include "github/outbox_priv.h"
#include "tests/support/small_github.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define REPO_ID 5
#define NOW INT64_C(1800000000000)

enum { TICK_MS = 2, TICK_WALL_MS = 250 };

struct bench {
	struct loop *loop;
	struct gh_double *server;
	struct gh *gh;
	struct db *db;
	struct outbox *o;
	struct loop_timer *tick;
	char path[64];
	struct small_github github;

	bool flag;
	int64_t n;
};

/* --- the bench --------------------------------------------------------------------------------------------------------------------- */

static void tick(void *arg)
{
	struct bench *b = arg;
	clock_fake_advance(TICK_WALL_MS);
	if (b->o != NULL)
		outbox_wake(b->o);
}

static void start(struct bench *b)
{
	const struct db_migration m[] = {{1, OUTBOX_SCHEMA}, {2, OUTBOX_SCHEMA_2}};
	struct err err = {0};
	if (db_open(b->loop, b->path, m, 2, &b->db, &err) != 0)
		fail_msg("%s", err.msg);
	b->gh = gh_new(b->loop, &(struct gh_options){.api_url = double_url(b->server), .token = "t"});
	for (size_t i = 0; i < GH_RETRIES; i++)
		b->gh->backoff_ms[i] = 1;
	b->o = outbox_new(b->loop, b->db, b->gh);
}

/* As a crash would leave it: what is under way is never recorded. */
static void stop(struct bench *b)
{
	outbox_close(b->o);
	b->o = NULL;
	gh_close(b->gh);
	db_close(b->db);
}

static void drop_log(const char *line, void *arg)
{
	(void)line;
	(void)arg;
}

static int setup(void **state)
{
	struct bench *b = xcalloc(1, sizeof(*b));
	(void)snprintf(b->path, sizeof(b->path), "/tmp/sluice-outbox-%d.db", (int)getpid());
	log_set_sink(drop_log, NULL);
	clock_fake_set(NOW);
	b->loop = loop_new();
	b->server = double_start(b->loop, small_github_serve, &b->github);
	b->tick = loop_timer_new(b->loop, tick, b);
	loop_timer_start(b->tick, TICK_MS, TICK_MS);
	start(b);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	static const char *const ENDS[] = {"", "-wal", "-shm"};
	stop(b);
	loop_timer_close(b->tick);
	double_close(b->server);
	loop_close(b->loop);
	small_github_free(&b->github);
	for (size_t i = 0; i < ARRAY_LEN(ENDS); i++) {
		char name[80];
		(void)snprintf(name, sizeof(name), "%s%s", b->path, ENDS[i]);
		(void)unlink(name); /* not all of them exist */
	}
	free(b);
	clock_fake_off();
	log_set_sink(NULL, NULL);
	return 0;
}

struct setting {
	struct bench *b;
	const struct effect *e;
	size_t n;
};

static int set_work(struct db_conn *c, void *arg, struct err *err)
{
	struct setting *s = arg;
	for (size_t i = 0; i < s->n; i++) {
		int rc = outbox_set(c, &s->e[i], err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static void set_done(int rc, const struct err *err, void *arg)
{
	struct setting *s = arg;
	if (rc != 0)
		fail_msg("%s", err->msg);
	outbox_wake(s->b->o);
	s->b->flag = true;
}

static void set(struct bench *b, const struct effect *e, size_t n)
{
	struct setting s = {b, e, n};
	b->flag = false;
	db_submit(b->db, set_work, set_done, &s);
	assert_true(loop_run_until(b->loop, &b->flag, 5000));
}

static struct effect comment(const char *body)
{
	return (struct effect){.kind = EFFECT_COMMENT, .slot = "comment/5/7", .repo_id = REPO_ID, .repo = "acme/infra", .pull = 7, .body = body};
}

static struct effect status(const char *slot, const char *context, const char *word)
{
	return (struct effect){.kind = EFFECT_STATUS, .slot = slot, .repo_id = REPO_ID, .repo = "acme/infra", .sha = "abc", .context = context,
			       .state = word, .description = "d"};
}

static void counted(int64_t n, void *arg)
{
	struct bench *b = arg;
	b->n = n;
	b->flag = true;
}

static void settle(struct bench *b)
{
	for (int i = 0; i < 5000; i++) {
		b->flag = false;
		outbox_pending(b->o, counted, b);
		assert_true(loop_run_until(b->loop, &b->flag, 5000));
		if (b->n == 0)
			return;
		b->flag = false;
		(void)loop_run_until(b->loop, &b->flag, 1);
	}
	fail_msg("still owed: %lld, log %s", (long long)b->n, buf_str(&b->github.log));
}

/* Exactly one comment of ours for the slot, and what it says. */
static void assert_comment(const struct bench *b, const char *slot, const char *body)
{
	CLEANUP_FREE char *want = xasprintf("<!-- sluice slot=%s -->\n%s", slot, body);
	CLEANUP_FREE char *marker = xasprintf("<!-- sluice slot=%s -->", slot);
	int n = 0;
	for (size_t i = 0; i < b->github.comments_n; i++) {
		const struct comment *c = &b->github.comments[i];
		if (c->author != SMALL_GITHUB_SELF || c->gone || !text_starts(c->body, marker))
			continue;
		assert_string_equal(c->body, want);
		n++;
	}
	if (n != 1)
		fail_msg("%d comments of %s, log %s", n, slot, buf_str(&b->github.log));
}

/* --- tests ------------------------------------------------------------------------------------------------------------------------- */

static void test_one_run(void **state)
{
	struct bench *b = *state;
	const struct effect first[] = {status("s/1", "sluice", "pending"), status("s/2", "sluice/net", "pending"), comment("planning")};
	const struct effect last[] = {status("s/1", "sluice", "success"), status("s/2", "sluice/net", "success"), comment("done")};
	set(b, first, 3);
	settle(b);
	set(b, last, 3);
	settle(b);
	assert_comment(b, "comment/5/7", "done");
	assert_string_equal(buf_str(&b->github.statuses), "sluice=pending sluice/net=pending sluice=success sluice/net=success ");
	assert_string_equal(buf_str(&b->github.log), "POST POST POST POST PATCH POST "); /* six writes; the verdict of the gate goes before all */
	set(b, last, 3);
	settle(b);
	assert_int_equal(b->github.writes, 6); /* the same again costs nothing */
}

static void test_lost_answer(void **state)
{
	struct bench *b = *state;
	static const struct {
		enum fault fault;
		const char *log;
	} rows[] = {
		{FAULT_RESET_AFTER, "POST GET GET PATCH "}, /* done but not heard: found, then brought up to date */
		{FAULT_502_AFTER, "POST GET PATCH "},	    /* who we are is known by now */
		{FAULT_CUT, "POST GET PATCH "},
		{FAULT_RESET_BEFORE, "POST GET POST "},
		{FAULT_502_BEFORE, "POST GET POST "},
		{FAULT_LIMIT, "POST POST "}, /* surely not done: no look */
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *slot = xasprintf("comment/5/%zu", i + 20);
		struct effect e = comment("hello");
		e.slot = slot;
		buf_reset(&b->github.log);
		b->github.next_fault = rows[i].fault;
		set(b, &e, 1);
		settle(b);
		assert_comment(b, slot, "hello");
		if (strcmp(buf_str(&b->github.log), rows[i].log) != 0)
			fail_msg("row %zu: %s, expected %s", i, buf_str(&b->github.log), rows[i].log);
	}
}

/* A marker in somebody else's comment is just text. */
static void test_forged_marker(void **state)
{
	struct bench *b = *state;
	struct effect e = comment("ours");
	small_github_add_comment(&b->github, 666, xstrdup("<!-- sluice slot=comment/5/7 -->\nforged"));
	b->github.next_fault = FAULT_RESET_BEFORE;
	set(b, &e, 1);
	settle(b);
	assert_string_equal(buf_str(&b->github.log), "POST GET GET POST ");
	assert_comment(b, "comment/5/7", "ours");
	assert_string_equal(b->github.comments[0].body, "<!-- sluice slot=comment/5/7 -->\nforged");
}

static void test_deleted_comment(void **state)
{
	struct bench *b = *state;
	struct effect e = comment("one");
	set(b, &e, 1);
	settle(b);
	b->github.comments[0].gone = true;
	e.body = "two";
	set(b, &e, 1);
	settle(b);
	assert_int_equal(b->github.comments_n, 2);
	assert_comment(b, "comment/5/7", "two");
}

static void test_crash_in_every_request(void **state)
{
	struct bench *b = *state;
	/* Stops after 0, 1, 2 ... ticks of a run, starts again and lets it end. */
	for (int ticks = 0; ticks < 14; ticks++) {
		CLEANUP_FREE char *slot = xasprintf("comment/5/%d", ticks + 100);
		CLEANUP_FREE char *reply_slot = xasprintf("reply/5/%d/1", ticks + 100);
		struct effect e[] = {comment("one"), comment("no")};
		e[0].slot = slot;
		e[1].kind = EFFECT_REPLY;
		e[1].slot = reply_slot;
		set(b, e, 2);
		for (int i = 0; i < ticks; i++) {
			b->flag = false;
			(void)loop_run_until(b->loop, &b->flag, 1);
		}
		stop(b);
		start(b);
		e[0].body = "two";
		set(b, e, 1);
		settle(b);
		assert_comment(b, slot, "two");
		assert_comment(b, reply_slot, "no");
	}
}

/* Every third request fails in some way, and the process now and then; whatever happens, one comment of each, with the last words. */
static void one_seed(struct bench *b, uint64_t seed)
{
	char slots[3][32];
	char text[32];
	b->github.seed = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
	for (int round = 0; round < 6; round++) {
		for (size_t i = 0; i < ARRAY_LEN(slots); i++) {
			(void)snprintf(slots[i], sizeof(slots[i]), "%s/%llu/%zu", i == 2 ? "reply" : "comment", (unsigned long long)seed, i);
			(void)snprintf(text, sizeof(text), "round %d", i == 2 ? 0 : round);
			struct effect e[] = {comment(text), status(text, text, "pending")};
			e[0].slot = slots[i];
			e[0].kind = i == 2 ? EFFECT_REPLY : EFFECT_COMMENT;
			set(b, e, 2);
		}
		if (small_github_dice(&b->github) % 2 == 0) {
			stop(b);
			start(b);
		}
	}
	settle(b);
	b->github.seed = 0;
	assert_comment(b, slots[0], "round 5");
	assert_comment(b, slots[1], "round 5");
	assert_comment(b, slots[2], "round 0");
}

static void test_seeds(void **state)
{
	struct bench *b = *state;
	for (uint64_t seed = 1; seed <= 12; seed++)
		one_seed(b, seed);
}

static void test_dead(void **state)
{
	struct bench *b = *state;
	static const struct {
		int status, writes;
	} rows[] = {{422, 1}, {410, 1}, {403, LIMIT_GITHUB_TRIES}, {404, LIMIT_GITHUB_TRIES}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct effect e = comment("hello");
		CLEANUP_FREE char *slot = xasprintf("comment/5/%zu", i + 20);
		e.slot = slot;
		b->github.refuse_status = rows[i].status;
		b->github.writes = 0;
		set(b, &e, 1);
		for (int j = 0; j < 10000 && (j == 0 || b->n != 0); j++) { /* 12 tries are 20 minutes of our clock */
			b->flag = false;
			clock_fake_advance(20000);
			outbox_pending(b->o, counted, b);
			assert_true(loop_run_until(b->loop, &b->flag, 5000));
		}
		assert_int_equal(b->n, 0);
		assert_int_equal(b->github.writes, rows[i].writes);
		assert_int_equal(b->github.comments_n, i);
		b->github.refuse_status = 0;
		set(b, &e, 1); /* wanted again */
		settle(b);
		assert_comment(b, slot, "hello");
	}
}

/* Many sets in a row become one write: the newest content goes, what was overtaken never does. */
static void test_coalesced(void **state)
{
	struct bench *b = *state;
	char text[32];
	loop_timer_stop(b->tick); /* time stands still */
	for (int i = 0; i < 200; i++) {
		(void)snprintf(text, sizeof(text), "version %d", i);
		struct effect e = comment(text);
		e.not_before_ms = clock_wall_ms() + 2000;
		set(b, &e, 1);
	}
	loop_timer_start(b->tick, TICK_MS, TICK_MS);
	settle(b);
	assert_comment(b, "comment/5/7", "version 199");
	assert_int_equal(b->github.writes, 1);
}

/* From "set" to the request at the server, on an idle machine: what the first half second of a pull request is made of. */
static void test_no_delay(void **state)
{
	struct bench *b = *state;
	struct effect e = comment("one");
	loop_timer_stop(b->tick); /* nobody helps with a wake */
	clock_fake_off();
	set(b, &e, 1);
	settle(b);
	e.body = "two";
	int64_t from = clock_mono_ns();
	set(b, &e, 1);
	while (b->github.writes < 2 && clock_mono_ns() - from < INT64_C(2000000000)) {
		b->flag = false;
		(void)loop_run_until(b->loop, &b->flag, 1);
	}
	print_message("  set to PATCH: %lld us\n", (long long)(clock_mono_ns() - from) / 1000);
	assert_true(clock_mono_ns() - from < INT64_C(900000000));
	settle(b);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_one_run),    TEST(test_lost_answer), TEST(test_forged_marker), TEST(test_deleted_comment), TEST(test_crash_in_every_request),
		TEST(test_seeds),      TEST(test_dead),	       TEST(test_coalesced),	 TEST(test_no_delay),
	};
	return cmocka_run_group_tests_name("github/outbox", tests, NULL, NULL);
}
