/* Steps of the store that are about installations, checks, and comments that people delete. A database in memory and a clock of ours. */
#include "base/clock.h"
#include "base/limits.h"
#include "github/outbox_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define NOW INT64_C(1800000000000)

static struct db_conn *c;
static struct outbox_item item;
static int64_t wait_ms;
static struct err err;

static void must(int rc)
{
	if (rc != 0)
		fail_msg("%s", err.msg);
}

static int setup(void **state)
{
	const struct db_migration m[] = {{1, OUTBOX_SCHEMA}, {2, OUTBOX_SCHEMA_2}};
	(void)state;
	clock_fake_set(NOW);
	must(db_conn_open(":memory:", m, 2, &c, &err));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	outbox_item_free(&item);
	db_conn_close(c);
	clock_fake_off();
	return 0;
}

static int64_t number(const char *sql)
{
	struct db_stmt *s;
	int64_t n = -1;
	must(db_query(c, &s, &err, sql, ""));
	must(db_number(s, &n, &err));
	return n;
}

static void step(const char *key, const struct outbox_outcome *o)
{
	outbox_item_free(&item);
	must(outbox_store_step(c, key, o, clock_wall_ms(), &item, &wait_ms, &err));
}

static void take(const char *key) { step(key, &(struct outbox_outcome){0}); }

static void tell(const char *key, enum outbox_verdict v, int64_t remote_id, int64_t annotations)
{
	struct outbox_outcome o = {.item_id = item.id, .op = item.op, .verdict = v, .rev = item.rev, .remote_id = remote_id, .annotations = annotations,
				   .error = "why"};
	o.next_ms = v == OUTBOX_DELIVERED ? 0 : clock_wall_ms() + 1000;
	(void)snprintf(o.digest, sizeof(o.digest), "%s", item.digest);
	step(key, &o);
}

static void delivered(const char *key, int64_t remote_id) { tell(key, OUTBOX_DELIVERED, remote_id, item.chunk_n); }

static void set_comment(const char *repo, int64_t pull, const char *body)
{
	CLEANUP_FREE char *slot = xasprintf("comment/%s/%lld", repo, (long long)pull);
	must(outbox_set(c, &(struct effect){.kind = EFFECT_COMMENT, .slot = slot, .repo_id = 5, .repo = repo, .pull = pull, .body = body}, &err));
}

static void set_check(const char *run, const char *status, const char *conclusion, const char *title, int annotations)
{
	CLEANUP_BUF struct buf lines = {0};
	for (int i = 0; i < annotations; i++)
		buf_printf(&lines, "{\"n\":%d,\"of\":\"%s\"}\n", i, title);
	const struct gh_check k = {.name = "sluice", .head_sha = "abc", .external_id = run, .status = status, .conclusion = conclusion, .title = title,
				   .summary = "s", .text = "t", .details_url = "u", .actions = "[]"};
	must(outbox_set(c, &(struct effect){.kind = EFFECT_CHECK, .slot = "check/5/abc/sluice", .repo_id = 5, .repo = "acme/infra", .check = &k,
					    .annotations = buf_str(&lines)}, &err));
}

static void assert_check(enum outbox_op op, const char *run, const char *status, const char *title, int64_t chunk)
{
	assert_true(item.id != 0);
	assert_int_equal(item.op, op);
	assert_string_equal(item.external_id, run);
	assert_string_equal(item.status, status);
	assert_string_equal(item.description, title);
	assert_int_equal(item.chunk_n, chunk);
}

/* --- installations -------------------------------------------------------------------------------------------------------------------- */

static void test_budget_of_each(void **state)
{
	(void)state;
	for (int64_t i = 1; i <= 8; i++) {
		set_comment("Acme/infra", i, "hello");
		set_comment("other/x", i, "hello");
	}
	take("acme");
	for (unsigned i = 0; i < LIMIT_WRITES_BURST; i++) {
		assert_string_equal(item.repo, "Acme/infra"); /* owners are compared without case */
		delivered("acme", 100 + (int64_t)i);
	}
	assert_int_equal(item.id, 0);
	assert_int_equal(wait_ms, NOW + 1000);
	take("other"); /* has its own */
	assert_string_equal(item.repo, "other/x");
	struct outbox_outcome limited = {.item_id = item.id, .op = item.op, .verdict = OUTBOX_AGAIN, .next_ms = NOW + 60000, .blocked_until_ms = NOW + 60000};
	step("other", &limited);
	assert_int_equal(item.id, 0);
	assert_int_equal(wait_ms, NOW + 60000);
	clock_fake_advance(1000);
	take("acme"); /* GitHub's advice was for the other */
	assert_string_equal(item.repo, "Acme/infra");
	outbox_item_free(&item);
	take("");
	assert_true(item.id != 0); /* an account has one budget for all, and so far nothing was paid from it */
	struct strlist owners = {0};
	must(outbox_store_owners(c, &owners, &err));
	assert_int_equal(owners.n, 2);
	assert_string_equal(owners.v[0], "acme");
	assert_string_equal(owners.v[1], "other");
	strlist_free(&owners);
}

/* The write that was under way at the end of the process is paid for, by each installation that is owed something. */
static void test_recover_pays(void **state)
{
	struct outbox_rate r;
	int64_t writes;
	(void)state;
	set_comment("acme/infra", 1, "hello");
	set_comment("other/x", 1, "hello");
	take("acme");
	must(outbox_store_recover(c, true, NOW + 500, &err));
	must(outbox_rate_load(c, "acme", &r, &writes, &err));
	assert_int_equal(writes, 1);
	assert_int_equal(r.full_at_ms, NOW + 1500);
	must(outbox_rate_load(c, "other", &r, &writes, &err));
	assert_int_equal(writes, 1);
	must(outbox_rate_load(c, "", &r, &writes, &err));
	assert_int_equal(writes, 0);
	must(outbox_store_recover(c, false, NOW + 500, &err));
	must(outbox_rate_load(c, "", &r, &writes, &err));
	assert_int_equal(writes, 1);
	assert_int_equal(number("SELECT posting_ms FROM effect WHERE owner='acme'"), NOW + 500); /* its time to show up begins now */
}

/* Of version 1: one row, whose budget and writes stay those of the account. */
static void test_migration(void **state)
{
	const struct db_migration first = {1, OUTBOX_SCHEMA};
	const struct db_migration both[] = {{1, OUTBOX_SCHEMA}, {2, OUTBOX_SCHEMA_2}};
	struct outbox_rate r;
	int64_t writes;
	(void)state;
	(void)remove("/tmp/sluice-outbox-step.db");
	db_conn_close(c);
	must(db_conn_open("/tmp/sluice-outbox-step.db", &first, 1, &c, &err));
	must(db_exec(c, "UPDATE outbox_rate SET full_at_ms=77, blocked_until_ms=88, writes=501; INSERT INTO outbox_sent VALUES(1, 99);"
			"INSERT INTO effect(slot,kind,repo_id,repo,pull,body,digest,not_before_ms,since_ms,state) VALUES('s',0,5,'Acme/infra',7,'b','d',0,0,'due')",
		     &err));
	db_conn_close(c);
	must(db_conn_open("/tmp/sluice-outbox-step.db", both, 2, &c, &err));
	must(outbox_rate_load(c, "", &r, &writes, &err));
	assert_int_equal(r.full_at_ms, 77);
	assert_int_equal(r.blocked_until_ms, 88);
	assert_int_equal(r.hour_ago_ms, 99);
	assert_int_equal(writes, 501);
	take("acme");
	assert_string_equal(item.body, "b");
	(void)remove("/tmp/sluice-outbox-step.db");
	(void)remove("/tmp/sluice-outbox-step.db-wal"); /* not all of them exist */
	(void)remove("/tmp/sluice-outbox-step.db-shm");
}

/* --- checks ------------------------------------------------------------------------------------------------------------------------------ */

static void test_check_life(void **state)
{
	int64_t ms = -1;
	(void)state;
	set_check("run 1", "in_progress", NULL, "planning", 0);
	take("acme");
	assert_check(OUTBOX_POST, "run 1", "in_progress", "planning", 0);
	assert_string_equal(item.context, "sluice");
	assert_string_equal(item.sha, "abc");
	assert_string_equal(item.body, "s");
	assert_string_equal(item.details, "t");
	assert_string_equal(item.target_url, "u");
	assert_string_equal(item.actions, "[]");
	assert_null(item.conclusion);
	must(outbox_delivered_ms(c, "check/5/abc/sluice", &ms, &err));
	assert_int_equal(ms, 0);
	delivered("acme", 40);
	must(outbox_delivered_ms(c, "check/5/abc/sluice", &ms, &err));
	assert_int_equal(ms, NOW);
	set_check("run 1", "completed", "success", "done", 0);
	set_check("run 1", "in_progress", NULL, "a late word", 0); /* never back */
	take("acme");
	assert_check(OUTBOX_EDIT, "run 1", "completed", "done", 0);
	assert_string_equal(item.conclusion, "success");
	assert_int_equal(item.remote_id, 40);
	clock_fake_advance(3000);
	delivered("acme", 40);
	set_check("run 1", "in_progress", NULL, "a late word", 0);
	assert_int_equal(number("SELECT count(*) FROM effect WHERE state='due'"), 0);
	must(outbox_delivered_ms(c, "check/5/abc/sluice", &ms, &err));
	assert_int_equal(ms, NOW + 3000);
	set_check("run 2", "queued", NULL, "again", 0); /* another run: another check run */
	take("acme");
	assert_check(OUTBOX_POST, "run 2", "queued", "again", 0);
	must(outbox_delivered_ms(c, "check/5/abc/sluice", &ms, &err));
	assert_int_equal(ms, 0);
	delivered("acme", 41);
	assert_int_equal(number("SELECT count(*) FROM effect"), 1);
}

/* A newer run takes over while the older one is at work on GitHub: that one ends there. */
static void test_check_taken_over(void **state)
{
	(void)state;
	set_check("run 1", "in_progress", NULL, "planning", 0);
	take("acme");
	set_check("run 2", "in_progress", NULL, "planning anew", 0); /* while the first one is on its way */
	delivered("acme", 40);
	assert_check(OUTBOX_POST, "run 2", "in_progress", "planning anew", 0); /* what is at work matters more */
	delivered("acme", 41);
	assert_check(OUTBOX_EDIT, "run 1", "completed", "a newer run took over", 0);
	assert_string_equal(item.conclusion, "cancelled");
	assert_int_equal(item.remote_id, 40);
	delivered("acme", 40);
	assert_int_equal(item.id, 0);
	assert_int_equal(wait_ms, 0);
	set_check("run 2", "completed", "failure", "broken", 0);
	set_check("run 3", "in_progress", NULL, "and again", 0); /* the verdict is still owed, and is delivered */
	take("acme");
	delivered("acme", 42);
	assert_check(OUTBOX_EDIT, "run 2", "completed", "broken", 0);
	assert_string_equal(item.conclusion, "failure");
}

static void test_check_never_sent(void **state)
{
	(void)state;
	set_check("run 1", "in_progress", NULL, "planning", 0);
	set_check("run 2", "in_progress", NULL, "planning anew", 0);
	assert_int_equal(number("SELECT count(*) FROM effect"), 1);
	take("acme");
	assert_check(OUTBOX_POST, "run 2", "in_progress", "planning anew", 0);
	set_check("run 3", "in_progress", NULL, "third", 0);
	tell("acme", OUTBOX_AGAIN, 0, 0); /* the second was refused, so there is nothing to end */
	assert_check(OUTBOX_POST, "run 3", "in_progress", "third", 0);
	assert_int_equal(number("SELECT count(*) FROM effect WHERE state='due'"), 1);
}

/* 120 annotations: fifty at a time, and after every doubt GitHub's own number counts. */
static void test_annotations(void **state)
{
	(void)state;
	set_check("run 1", "completed", "failure", "broken", 120);
	take("acme");
	assert_check(OUTBOX_POST, "run 1", "completed", "broken", 50);
	assert_int_equal(strncmp(item.chunk, "[{\"n\":0,", 8), 0);
	tell("acme", OUTBOX_UNSURE, 0, 0);
	clock_fake_advance(OUTBOX_SETTLE_MS);
	take("acme");
	assert_check(OUTBOX_LOOK, "run 1", "completed", "broken", 0);
	tell("acme", OUTBOX_DELIVERED, 40, 50); /* it was there */
	assert_check(OUTBOX_EDIT, "run 1", "completed", "broken", 50);
	assert_int_equal(strncmp(item.chunk, "[{\"n\":50,", 9), 0);
	must(outbox_store_recover(c, true, clock_wall_ms(), &err)); /* a crash: nobody knows whether these arrived */
	clock_fake_advance(OUTBOX_SETTLE_MS);
	take("acme");
	assert_check(OUTBOX_LOOK, "run 1", "completed", "broken", 0);
	tell("acme", OUTBOX_DELIVERED, 40, 50); /* they did not */
	assert_check(OUTBOX_EDIT, "run 1", "completed", "broken", 50);
	delivered("acme", 40);
	assert_int_equal(number("SELECT delivered_ms FROM effect"), 0); /* not whole yet */
	assert_check(OUTBOX_EDIT, "run 1", "completed", "broken", 20);
	set_check("run 1", "completed", "failure", "other words", 7); /* what was sent cannot be taken back: the old list stays */
	delivered("acme", 40);
	assert_check(OUTBOX_EDIT, "run 1", "completed", "other words", 0);
	delivered("acme", 40);
	assert_int_equal(item.id, 0);
	assert_int_equal(number("SELECT annotated FROM effect"), 120);
	assert_true(number("SELECT delivered_ms FROM effect") > NOW);
}

/* The operator went back to a token: an account may not write check runs, so none is tried. */
static void test_no_app_any_more(void **state)
{
	(void)state;
	set_check("run 1", "in_progress", NULL, "planning", 0);
	set_comment("acme/infra", 1, "hello");
	must(outbox_store_recover(c, false, NOW, &err));
	take("");
	assert_string_equal(item.body, "hello");
	delivered("", 70);
	assert_int_equal(item.id, 0);
	assert_int_equal(wait_ms, 0);
	must(outbox_store_recover(c, true, NOW, &err));
	set_check("run 1", "completed", "success", "done", 0); /* and an App again */
	take("acme");
	assert_check(OUTBOX_POST, "run 1", "completed", "done", 0);
}

/* A check that is not there any more is made anew, with all that belongs to it. */
static void test_check_gone(void **state)
{
	(void)state;
	set_check("run 1", "completed", "failure", "broken", 60);
	take("acme");
	delivered("acme", 40);
	assert_check(OUTBOX_EDIT, "run 1", "completed", "broken", 10);
	tell("acme", OUTBOX_GONE, 0, 0);
	clock_fake_advance(1000);
	take("acme");
	assert_check(OUTBOX_LOOK, "run 1", "completed", "broken", 0);
	tell("acme", OUTBOX_ABSENT, 0, 0);
	assert_check(OUTBOX_POST, "run 1", "completed", "broken", 50);
	delivered("acme", 44);
	assert_check(OUTBOX_EDIT, "run 1", "completed", "broken", 10);
}

static void test_check_too_long(void **state)
{
	CLEANUP_FREE char *text = xmalloc(LIMIT_CHECK_TEXT_CHARS + 2);
	(void)state;
	memset(text, 'x', LIMIT_CHECK_TEXT_CHARS + 1);
	text[LIMIT_CHECK_TEXT_CHARS + 1] = '\0';
	struct gh_check k = {.name = "sluice", .head_sha = "abc", .external_id = "run 1", .status = "queued", .title = "t", .summary = text};
	struct effect e = {.kind = EFFECT_CHECK, .slot = "check/5/abc/sluice", .repo_id = 5, .repo = "acme/infra", .check = &k};
	assert_int_equal(outbox_set(c, &e, &err), ERR_LIMIT);
	assert_string_equal(err.msg, "check/5/abc/sluice: its summary has 65536 characters, GitHub takes 65535; shorten it");
	k.text = text;
	k.summary = NULL;
	assert_int_equal(outbox_set(c, &e, &err), ERR_LIMIT);
	text[LIMIT_CHECK_TEXT_CHARS] = '\0';
	must(outbox_set(c, &e, &err));
}

static void test_order(void **state)
{
	static const char *const want[] = {"gate", "now", "project", "may wait", "at work"};
	(void)state;
	static const struct {
		const char *name, *status, *title;
	} checks[] = {{"sluice/b", "in_progress", "at work"}, {"sluice/a", "completed", "project"}, {"sluice", "completed", "gate"}};
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		const struct gh_check k = {.name = checks[i].name, .head_sha = "abc", .external_id = "x", .status = checks[i].status, .title = checks[i].title};
		must(outbox_set(c, &(struct effect){.kind = EFFECT_CHECK, .slot = checks[i].name, .repo_id = 5, .repo = "acme/infra", .check = &k}, &err));
	}
	must(outbox_set(c, &(struct effect){.kind = EFFECT_COMMENT, .slot = "c/2", .repo_id = 5, .repo = "acme/infra", .pull = 2, .body = "may wait",
					    .not_before_ms = NOW - 1}, &err));
	set_comment("acme/infra", 1, "now");
	take("acme");
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_string_equal(item.kind == EFFECT_CHECK ? item.description : item.body, want[i]);
		delivered("acme", 50 + (int64_t)i);
	}
	assert_int_equal(item.id, 0);
}

/* --- people -------------------------------------------------------------------------------------------------------------------------------- */

static void test_deleted_twice(void **state)
{
	(void)state;
	set_comment("acme/infra", 1, "one");
	take("acme");
	delivered("acme", 70);
	must(outbox_comment_deleted(c, 6, 70, &err)); /* of another repository */
	must(outbox_comment_deleted(c, 5, 71, &err)); /* not ours */
	assert_int_equal(number("SELECT count(*) FROM effect WHERE state='due'"), 0);
	must(outbox_comment_deleted(c, 5, 70, &err));
	take("acme");
	assert_int_equal(item.op, OUTBOX_LOOK);
	tell("acme", OUTBOX_ABSENT, 0, 0);
	assert_int_equal(item.op, OUTBOX_POST);
	delivered("acme", 71);
	must(outbox_comment_deleted(c, 5, 71, &err)); /* once more: somebody means it */
	take("acme");
	assert_int_equal(item.id, 0);
	set_comment("acme/infra", 1, "one");
	take("acme");
	assert_int_equal(item.id, 0);
	set_comment("acme/infra", 1, "news");
	take("acme");
	assert_int_equal(item.op, OUTBOX_POST);
	assert_string_equal(item.body, "news");
	delivered("acme", 72);
	must(outbox_comment_deleted(c, 5, 72, &err)); /* and news have their own second chance */
	take("acme");
	assert_int_equal(item.op, OUTBOX_LOOK);
}

/* Found gone by an edit, posted once more, and gone again for the next edit of the same words (an answer was lost in between). */
static void test_gone_twice(void **state)
{
	(void)state;
	set_comment("acme/infra", 1, "one");
	take("acme");
	delivered("acme", 70);
	set_comment("acme/infra", 1, "two");
	take("acme");
	tell("acme", OUTBOX_GONE, 0, 0);
	clock_fake_advance(1000);
	take("acme");
	tell("acme", OUTBOX_ABSENT, 0, 0);
	delivered("acme", 71);
	assert_int_equal(number("SELECT count(*) FROM effect WHERE state='done'"), 1);
	must(db_exec(c, "UPDATE effect SET state='due', applied_digest=''", &err)); /* as after a doubt */
	take("acme");
	assert_int_equal(item.op, OUTBOX_EDIT);
	tell("acme", OUTBOX_GONE, 0, 0);
	assert_int_equal(item.id, 0);
	assert_int_equal(number("SELECT count(*) FROM effect WHERE state='done' AND remote_id=0"), 1);
}

/* A locked conversation is news once. */
static void test_told_once(void **state)
{
	int64_t dead = -1;
	(void)state;
	set_comment("acme/infra", 1, "one");
	take("acme");
	assert_false(item.told);
	tell("acme", OUTBOX_HOPELESS, 0, 0);
	must(outbox_store_dead(c, &dead, &err));
	assert_int_equal(dead, 1);
	set_comment("acme/infra", 1, "two");
	take("acme");
	assert_true(item.told);
	delivered("acme", 70);
	must(outbox_store_dead(c, &dead, &err));
	assert_int_equal(dead, 0);
	set_comment("acme/infra", 1, "three");
	take("acme");
	assert_false(item.told);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_budget_of_each), TEST(test_recover_pays), TEST(test_migration), TEST(test_check_life), TEST(test_check_taken_over),
		TEST(test_check_never_sent), TEST(test_annotations), TEST(test_no_app_any_more), TEST(test_check_gone), TEST(test_check_too_long), TEST(test_order),
		TEST(test_deleted_twice), TEST(test_gone_twice), TEST(test_told_once),
	};
	return cmocka_run_group_tests_name("github/outbox step", tests, NULL, NULL);
}
