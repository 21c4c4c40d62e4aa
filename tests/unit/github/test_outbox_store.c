#include "base/clock.h"
#include "base/limits.h"
#include "github/outbox_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

/* The store alone, on a real file and a clock of ours: each test walks set, take, outcome, as the dispatcher would. */

#define NOW INT64_C(1800000000000)

struct bench {
	struct db_conn *c;
	struct outbox_item item;
	int64_t wait;
	char path[64];
};

static void must(int rc, const struct err *err)
{
	if (rc != 0)
		fail_msg("%s", err->msg);
}

static int setup(void **state)
{
	struct bench *b = xcalloc(1, sizeof(*b));
	struct err err = {0};
	const struct db_migration m[] = {{1, OUTBOX_SCHEMA}, {2, OUTBOX_SCHEMA_2}};
	(void)snprintf(b->path, sizeof(b->path), "/tmp/sluice-store-%d.db", (int)getpid());
	clock_fake_set(NOW);
	must(db_conn_open(b->path, m, 2, &b->c, &err), &err);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	outbox_item_free(&b->item);
	db_conn_close(b->c);
	for (size_t i = 0; i < 3; i++) {
		static const char *const ENDS[] = {"", "-wal", "-shm"};
		char name[80];
		(void)snprintf(name, sizeof(name), "%s%s", b->path, ENDS[i]);
		(void)unlink(name); /* not all of them exist */
	}
	free(b);
	clock_fake_off();
	return 0;
}

static void set(struct bench *b, const struct effect *e)
{
	struct err err = {0};
	must(outbox_set(b->c, e, &err), &err);
}

static void set_comment(struct bench *b, const char *body)
{
	set(b, &(struct effect){.kind = EFFECT_COMMENT, .slot = "comment/5/7", .repo_id = 5, .repo = "acme/infra", .pull = 7, .body = body});
}

static void set_status(struct bench *b, const char *context, const char *status)
{
	CLEANUP_FREE char *slot = xasprintf("status/5/abc/%s", context);
	set(b, &(struct effect){.kind = EFFECT_STATUS, .slot = slot, .repo_id = 5, .repo = "acme/infra", .sha = "abc", .context = context,
				.state = status, .description = "d"});
}

static void step(struct bench *b, const struct outbox_outcome *o)
{
	struct err err = {0};
	outbox_item_free(&b->item);
	must(outbox_store_step(b->c, "", o, clock_wall_ms(), &b->item, &b->wait, &err), &err);
}

static void take(struct bench *b) { step(b, &(struct outbox_outcome){0}); }

/* Tells what came of the taken item and takes the next. */
static void tell(struct bench *b, enum outbox_verdict v, int64_t remote_id, bool refused)
{
	struct outbox_outcome o = {.item_id = b->item.id, .op = b->item.op, .verdict = v, .rev = b->item.rev, .remote_id = remote_id,
				   .refused = refused, .error = "why"};
	o.next_ms = v == OUTBOX_DELIVERED ? 0 : clock_wall_ms() + outbox_backoff_ms(b->item.tries + 1);
	(void)snprintf(o.digest, sizeof(o.digest), "%s", b->item.digest);
	step(b, &o);
}

static int64_t pending(struct bench *b)
{
	struct err err = {0};
	int64_t n = -1;
	must(outbox_store_pending(b->c, &n, &err), &err);
	return n;
}

static int64_t remote_id(struct bench *b)
{
	struct err err = {0};
	int64_t id = -1;
	must(outbox_remote_id(b->c, "comment/5/7", &id, &err), &err);
	return id;
}

static void assert_taken(const struct bench *b, enum outbox_op op, const char *text)
{
	assert_true(b->item.id != 0);
	assert_int_equal(b->item.op, op);
	assert_string_equal(b->item.kind == EFFECT_STATUS ? b->item.context : b->item.body, text);
}

static void test_post_then_edit(void **state)
{
	struct bench *b = *state;
	assert_int_equal(remote_id(b), 0);
	set_comment(b, "one");
	set_comment(b, "two"); /* replaced before it was sent */
	assert_int_equal(pending(b), 1);
	take(b);
	assert_taken(b, OUTBOX_POST, "two");
	assert_int_equal(b->item.rev, 2);
	assert_int_equal(b->item.pull, 7);
	assert_string_equal(b->item.repo, "acme/infra");
	tell(b, OUTBOX_DELIVERED, 900, false);
	assert_int_equal(b->item.id, 0);
	assert_int_equal(b->wait, 0);
	assert_int_equal(remote_id(b), 900);
	assert_int_equal(pending(b), 0);
	set_comment(b, "two"); /* GitHub has that */
	assert_int_equal(pending(b), 0);
	set_comment(b, "three");
	take(b);
	assert_taken(b, OUTBOX_EDIT, "three");
	assert_int_equal(b->item.remote_id, 900);
	set_comment(b, "four"); /* while three is on its way */
	tell(b, OUTBOX_DELIVERED, 900, false);
	assert_taken(b, OUTBOX_EDIT, "four");
	tell(b, OUTBOX_DELIVERED, 900, false);
	assert_int_equal(pending(b), 0);
}

static void test_back_to_what_is_there(void **state)
{
	struct bench *b = *state;
	set_comment(b, "one");
	take(b);
	tell(b, OUTBOX_DELIVERED, 900, false);
	set_comment(b, "two");
	set_comment(b, "one");
	take(b);
	assert_int_equal(b->item.id, 0); /* no write */
	assert_int_equal(pending(b), 0);
	/* but when two may be there, one has to be written */
	set_comment(b, "two");
	take(b);
	set_comment(b, "one");
	tell(b, OUTBOX_UNSURE, 0, false);
	clock_fake_advance(1000);
	take(b);
	assert_taken(b, OUTBOX_EDIT, "one");
}

static void test_unsure_post(void **state)
{
	struct bench *b = *state;
	set_comment(b, "one");
	take(b);
	tell(b, OUTBOX_UNSURE, 0, false);
	assert_int_equal(b->item.id, 0);
	assert_int_equal(b->wait, NOW + OUTBOX_SETTLE_MS); /* longer than the backoff */
	set_comment(b, "two");
	clock_fake_advance(OUTBOX_SETTLE_MS);
	take(b);
	assert_taken(b, OUTBOX_LOOK, "two");
	tell(b, OUTBOX_ABSENT, 0, false);
	assert_taken(b, OUTBOX_POST, "two"); /* at once, not a second look */
	tell(b, OUTBOX_UNSURE, 0, false);
	clock_fake_advance(OUTBOX_SETTLE_MS);
	take(b);
	assert_taken(b, OUTBOX_LOOK, "two");
	tell(b, OUTBOX_DELIVERED, 901, false); /* found */
	assert_int_equal(remote_id(b), 901);
	assert_taken(b, OUTBOX_EDIT, "two"); /* it may hold what was said earlier */
	tell(b, OUTBOX_DELIVERED, 901, false);
	assert_int_equal(pending(b), 0);
}

/* A crash after the mark and before the record looks like no outcome at all. */
static void test_crash_after_post(void **state)
{
	struct bench *b = *state;
	struct err err = {0};
	set_comment(b, "one");
	take(b);
	assert_taken(b, OUTBOX_POST, "one");
	must(outbox_store_recover(b->c, false, clock_wall_ms(), &err), &err);
	take(b);
	assert_int_equal(b->item.id, 0);
	clock_fake_advance(OUTBOX_SETTLE_MS);
	take(b);
	assert_taken(b, OUTBOX_LOOK, "one");
	tell(b, OUTBOX_AGAIN, 0, false); /* GitHub is down: the doubt stays */
	clock_fake_advance(1000);
	take(b);
	assert_taken(b, OUTBOX_LOOK, "one");
}

static void test_crash_after_edit(void **state)
{
	struct bench *b = *state;
	struct err err = {0};
	set_comment(b, "one");
	take(b);
	tell(b, OUTBOX_DELIVERED, 900, false);
	set_comment(b, "two");
	take(b);                /* sent, then we died */
	set_comment(b, "one");  /* and went back to what was there */
	must(outbox_store_recover(b->c, false, clock_wall_ms(), &err), &err);
	take(b);
	assert_taken(b, OUTBOX_EDIT, "one");
}

static void test_reply_is_said_once(void **state)
{
	struct bench *b = *state;
	struct effect e = {.kind = EFFECT_REPLY, .slot = "reply/5/7/1", .repo_id = 5, .repo = "acme/infra", .pull = 7, .body = "no"};
	set(b, &e);
	take(b);
	assert_taken(b, OUTBOX_POST, "no");
	tell(b, OUTBOX_UNSURE, 0, false);
	e.body = "no, really";
	set(b, &e);
	clock_fake_advance(OUTBOX_SETTLE_MS);
	take(b);
	assert_taken(b, OUTBOX_LOOK, "no");
	tell(b, OUTBOX_DELIVERED, 77, false);
	assert_int_equal(b->item.id, 0); /* found: no edit */
	assert_int_equal(pending(b), 0);
	set(b, &e);
	assert_int_equal(pending(b), 0);
}

static void test_gone(void **state)
{
	struct bench *b = *state;
	set_comment(b, "one");
	take(b);
	tell(b, OUTBOX_DELIVERED, 900, false);
	set_comment(b, "two");
	take(b);
	tell(b, OUTBOX_GONE, 0, true); /* somebody deleted it, or a replica lags */
	assert_int_equal(remote_id(b), 0);
	clock_fake_advance(1000);
	take(b);
	assert_taken(b, OUTBOX_LOOK, "two");
	tell(b, OUTBOX_ABSENT, 0, false);
	assert_taken(b, OUTBOX_POST, "two");
	tell(b, OUTBOX_DELIVERED, 902, false);
	assert_int_equal(remote_id(b), 902);
	assert_int_equal(pending(b), 0);
}

/* Found by the look, gone for the edit, for ever: the refusals add up and the writes do not. */
static void test_gone_for_ever(void **state)
{
	struct bench *b = *state;
	unsigned edits = 0;
	set_comment(b, "one");
	take(b);
	tell(b, OUTBOX_DELIVERED, 900, false);
	set_comment(b, "two");
	take(b);
	for (; b->item.id != 0 && edits < 50; edits++) {
		const struct gh_result gone = {.status = 404, .err.code = ERR_NOT_FOUND};
		assert_taken(b, OUTBOX_EDIT, "two");
		assert_int_equal(b->item.refusals, edits);
		tell(b, outbox_judge(OUTBOX_EDIT, &gone, 0, b->item.refusals), 0, true);
		clock_fake_advance(OUTBOX_BACKOFF_MAX_MS);
		take(b);
		if (b->item.id != 0)
			tell(b, OUTBOX_DELIVERED, 900, false);
	}
	assert_int_equal(edits, LIMIT_GITHUB_TRIES);
	assert_int_equal(pending(b), 0);
}

static void test_order(void **state)
{
	struct bench *b = *state;
	static const char *const want[] = {"body", "reply", "two", "four", "one", "three"};
	set_status(b, "one", "pending");
	set_status(b, "two", "success");
	set_status(b, "three", "pending");
	set_status(b, "four", "failure");
	set(b, &(struct effect){.kind = EFFECT_REPLY, .slot = "reply/5/7/1", .repo_id = 5, .repo = "acme/infra", .pull = 7, .body = "reply"});
	set_comment(b, "body");
	take(b);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_taken(b, i < 2 ? OUTBOX_POST : OUTBOX_STATUS, want[i]);
		clock_fake_advance(500); /* keeps the rate out of it */
		tell(b, OUTBOX_DELIVERED, i < 2 ? 900 : 0, false);
	}
	assert_int_equal(b->item.id, 0);
	assert_int_equal(pending(b), 0);
}

static void test_nothing_starves(void **state)
{
	struct bench *b = *state;
	set_status(b, "old", "pending");
	clock_fake_advance(OUTBOX_AGED_MS);
	set_comment(b, "new");
	take(b);
	assert_taken(b, OUTBOX_STATUS, "old");
}

static void test_not_before(void **state)
{
	struct bench *b = *state;
	struct effect e = {.kind = EFFECT_COMMENT, .slot = "comment/5/7", .repo_id = 5, .repo = "acme/infra", .pull = 7, .body = "one",
			   .not_before_ms = NOW + 2000};
	set(b, &e);
	take(b);
	assert_int_equal(b->item.id, 0);
	assert_int_equal(b->wait, NOW + 2000);
	e.body = "two";
	e.not_before_ms = NOW + 9000; /* does not push the promise back */
	set(b, &e);
	take(b);
	assert_int_equal(b->wait, NOW + 2000);
	e.not_before_ms = NOW + 1000; /* the same content, sooner */
	set(b, &e);
	take(b);
	assert_int_equal(b->wait, NOW + 1000);
	clock_fake_advance(1000);
	take(b);
	assert_taken(b, OUTBOX_POST, "two");
}

static void test_rate(void **state)
{
	struct bench *b = *state;
	for (int i = 0; i < 12; i++) {
		char name[16];
		(void)snprintf(name, sizeof(name), "c%02d", i);
		set_status(b, name, "pending");
	}
	take(b);
	for (unsigned i = 0; i < LIMIT_WRITES_BURST; i++) {
		assert_int_equal(b->item.op, OUTBOX_STATUS);
		tell(b, OUTBOX_DELIVERED, 0, false);
	}
	assert_int_equal(b->item.id, 0);
	assert_int_equal(b->wait, NOW + 1000);
	/* the rate is in the file: a restart does not begin with a new burst */
	struct err err = {0};
	const struct db_migration m[] = {{1, OUTBOX_SCHEMA}, {2, OUTBOX_SCHEMA_2}};
	db_conn_close(b->c);
	must(db_conn_open(b->path, m, 2, &b->c, &err), &err);
	take(b);
	assert_int_equal(b->wait, NOW + 1000);
	clock_fake_advance(1000);
	take(b);
	assert_true(b->item.id != 0);
}

static void test_hour(void **state)
{
	struct bench *b = *state;
	int sent = 0;
	for (; sent < 2 * OUTBOX_HOUR_WRITES; sent++) {
		set_status(b, "c", sent % 2 == 0 ? "pending" : "success");
		take(b);
		if (b->item.id == 0)
			break;
		tell(b, OUTBOX_DELIVERED, 0, false);
		clock_fake_advance(1000);
	}
	assert_int_equal(sent, OUTBOX_HOUR_WRITES);
	assert_int_equal(b->wait, NOW + 3600 * 1000); /* when the first of them is an hour old */
}

static void test_blocked(void **state)
{
	struct bench *b = *state;
	set_status(b, "a", "pending");
	set_status(b, "b", "pending");
	take(b);
	struct outbox_outcome o = {.item_id = b->item.id, .op = OUTBOX_STATUS, .verdict = OUTBOX_AGAIN, .next_ms = NOW + 30000,
				   .blocked_until_ms = NOW + 30000, .error = "limited"};
	step(b, &o);
	assert_int_equal(b->item.id, 0); /* b has to wait as well */
	assert_int_equal(b->wait, NOW + 30000);
	clock_fake_advance(30000);
	take(b);
	assert_taken(b, OUTBOX_STATUS, "a");
}

static void test_dead_and_revived(void **state)
{
	struct bench *b = *state;
	set_comment(b, "one");
	take(b);
	set_comment(b, "two");
	tell(b, OUTBOX_HOPELESS, 0, false); /* that was about one */
	assert_int_equal(pending(b), 1);
	clock_fake_advance(1000);
	take(b);
	assert_taken(b, OUTBOX_POST, "two");
	tell(b, OUTBOX_HOPELESS, 0, false);
	assert_int_equal(pending(b), 0);
	set_comment(b, "two"); /* wanted again: one more attempt, at once */
	take(b);
	assert_taken(b, OUTBOX_POST, "two");
	assert_int_equal(b->item.tries, 0);
}

static void test_too_long(void **state)
{
	struct bench *b = *state;
	CLEANUP_FREE char *body = xmalloc(LIMIT_COMMENT_BYTES + 1);
	struct err err = {0};
	struct effect e = {.kind = EFFECT_COMMENT, .slot = "comment/5/7", .repo_id = 5, .repo = "acme/infra", .pull = 7, .body = body};
	memset(body, 'x', LIMIT_COMMENT_BYTES);
	body[LIMIT_COMMENT_BYTES - OUTBOX_MARKER_MAX] = '\0';
	assert_int_equal(outbox_set(b->c, &e, &err), 0);
	body[LIMIT_COMMENT_BYTES - OUTBOX_MARKER_MAX] = 'x';
	body[LIMIT_COMMENT_BYTES] = '\0';
	assert_int_equal(outbox_set(b->c, &e, &err), ERR_LIMIT);
	assert_non_null(strstr(err.msg, "comment/5/7: 65569 characters"));
}

static void test_forgets_old_statuses(void **state)
{
	struct bench *b = *state;
	struct err err = {0};
	int64_t id;
	set_status(b, "a", "success");
	set_comment(b, "one");
	take(b);
	tell(b, OUTBOX_DELIVERED, 900, false);
	tell(b, OUTBOX_DELIVERED, 0, false);
	must(outbox_store_recover(b->c, false, NOW + INT64_C(31) * 24 * 3600 * 1000, &err), &err);
	assert_int_equal(remote_id(b), 900);
	set_status(b, "a", "success"); /* a new row, so it is owed again */
	assert_int_equal(pending(b), 1);
	must(outbox_remote_id(b->c, "no such slot", &id, &err), &err);
	assert_int_equal(id, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_post_then_edit), TEST(test_back_to_what_is_there), TEST(test_unsure_post), TEST(test_crash_after_post),
		TEST(test_crash_after_edit), TEST(test_reply_is_said_once), TEST(test_gone), TEST(test_gone_for_ever), TEST(test_order),
		TEST(test_nothing_starves), TEST(test_not_before), TEST(test_rate), TEST(test_hour), TEST(test_blocked),
		TEST(test_dead_and_revived), TEST(test_too_long), TEST(test_forgets_old_statuses),
	};
	return cmocka_run_group_tests_name("github/outbox store", tests, NULL, NULL);
}
