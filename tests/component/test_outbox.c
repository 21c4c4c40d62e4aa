/* The outbox with a real loop, a real database file, the real client, and a GitHub of a few lines that can be told to fail. The wall clock
 * is ours and runs fast, so that backoffs of seconds cost nothing. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "github/gh_priv.h"
#include "github/outbox_priv.h"
#include "tests/support/github_double.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define SELF 9
#define REPO_ID 5
#define NOW INT64_C(1800000000000)

enum { COMMENTS_MAX = 64, TICK_MS = 2, TICK_WALL_MS = 250 };

struct comment {
	int64_t id, author;
	bool gone;
	char *body;
};

enum fault { FAULT_NONE, FAULT_RESET_BEFORE, FAULT_RESET_AFTER, FAULT_502_BEFORE, FAULT_502_AFTER, FAULT_LIMIT, FAULT_CUT, FAULTS };

struct bench {
	struct loop *loop;
	struct gh_double *server;
	struct gh *gh;
	struct db *db;
	struct outbox *o;
	struct loop_timer *tick;
	char path[64];

	/* GitHub */
	struct comment comments[COMMENTS_MAX];
	size_t comments_n;
	struct buf statuses; /* "CONTEXT=STATE " in the order received */
	struct buf log;      /* "POST PATCH GET ..." */
	int writes;
	enum fault next_fault; /* of the next request */
	uint64_t seed;         /* 0: no faults but next_fault */
	int refuse_status;     /* answers every write with it */

	bool flag;
	int64_t n;
};

/* --- a small GitHub ---------------------------------------------------------------------------------------------------------------- */

static uint64_t dice(struct bench *b)
{
	b->seed ^= b->seed << 13;
	b->seed ^= b->seed >> 7;
	b->seed ^= b->seed << 17;
	return b->seed;
}

static char *body_of(const struct double_request *rq, const char *key)
{
	char *text = NULL;
	struct err err = {0};
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	const char *s;
	assert_int_equal(json_parse(rq->body, strlen(rq->body), NULL, &doc, &root, &err), 0);
	assert_int_equal(json_str(&root, key, 1 << 20, &s, &err), 0);
	text = xstrdup(s);
	return text;
}

static void add_comment(struct bench *b, int64_t author, char *body)
{
	assert_true(b->comments_n < COMMENTS_MAX);
	b->comments[b->comments_n] = (struct comment){.id = 3000000000 + (int64_t)b->comments_n, .author = author, .body = body};
	b->comments_n++;
}

static void print_comment(struct json_writer *w, const struct comment *c)
{
	jw_open(w, NULL);
	jw_int(w, "id", c->id);
	jw_str(w, "body", c->body);
	jw_open(w, "user");
	jw_int(w, "id", c->author);
	jw_str(w, "login", "x");
	jw_close(w);
	jw_close(w);
}

static struct comment *comment_at(struct bench *b, const char *path)
{
	int64_t id;
	assert_int_equal(text_int(strrchr(path, '/') + 1, 1, INT64_MAX, &id, NULL), 0);
	struct comment *c = &b->comments[id - 3000000000];
	return c->gone ? NULL : c;
}

static void apply(struct bench *b, const struct double_request *rq, struct double_answer *ret)
{
	struct json_writer w = json_writer(&ret->body);
	if (strcmp(rq->path, "/user") == 0) {
		buf_printf(&ret->body, "{\"id\":%d,\"login\":\"sluice\"}", SELF);
	} else if (strstr(rq->path, "/statuses/") != NULL) {
		CLEANUP_FREE char *context = body_of(rq, "context");
		CLEANUP_FREE char *status = body_of(rq, "state");
		buf_printf(&b->statuses, "%s=%s ", context, status);
		ret->status = 201;
		buf_adds(&ret->body, "{}");
	} else if (strcmp(rq->method, "POST") == 0) {
		add_comment(b, SELF, body_of(rq, "body"));
		ret->status = 201;
		print_comment(&w, &b->comments[b->comments_n - 1]);
	} else if (strcmp(rq->method, "PATCH") == 0) {
		struct comment *c = comment_at(b, rq->path);
		if (c == NULL) {
			ret->status = 404;
			return;
		}
		free(c->body);
		c->body = body_of(rq, "body");
		print_comment(&w, c);
	} else {
		jw_open_arr(&w, NULL);
		for (size_t i = 0; i < b->comments_n; i++)
			if (!b->comments[i].gone)
				print_comment(&w, &b->comments[i]);
		jw_close_arr(&w);
	}
}

static void serve(const struct double_request *rq, struct double_answer *ret, void *arg)
{
	struct bench *b = arg;
	bool write = strcmp(rq->method, "GET") != 0;
	enum fault f = b->next_fault;
	b->next_fault = FAULT_NONE;
	if (b->seed != 0 && dice(b) % 3 == 0)
		f = (enum fault)(dice(b) % FAULTS);
	buf_printf(&b->log, "%s ", rq->method);
	b->writes += write;
	if (f == FAULT_RESET_BEFORE || f == FAULT_502_BEFORE || f == FAULT_LIMIT || (write && b->refuse_status != 0)) {
		ret->reset = f == FAULT_RESET_BEFORE;
		ret->status = f == FAULT_LIMIT ? 403 : f == FAULT_502_BEFORE ? 502 : b->refuse_status;
		ret->headers = f == FAULT_LIMIT ? "Retry-After: 5\r\n" : NULL;
		return;
	}
	apply(b, rq, ret);
	if (f == FAULT_502_AFTER)
		ret->status = 502;
	ret->reset = f == FAULT_RESET_AFTER;
	if (f == FAULT_CUT) /* an answer that is no JSON any more */
		buf_truncate(&ret->body, ret->body.len / 2);
}

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
	static const struct db_migration M = {1, OUTBOX_SCHEMA};
	struct err err = {0};
	if (db_open(b->loop, b->path, &M, 1, &b->db, &err) != 0)
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
	b->server = double_start(b->loop, serve, b);
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
	for (size_t i = 0; i < b->comments_n; i++)
		free(b->comments[i].body);
	buf_free(&b->statuses);
	buf_free(&b->log);
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
	fail_msg("still owed: %lld, log %s", (long long)b->n, buf_str(&b->log));
}

/* Exactly one comment of ours for the slot, and what it says. */
static void assert_comment(const struct bench *b, const char *slot, const char *body)
{
	CLEANUP_FREE char *want = xasprintf("<!-- sluice slot=%s -->\n%s", slot, body);
	CLEANUP_FREE char *marker = xasprintf("<!-- sluice slot=%s -->", slot);
	int n = 0;
	for (size_t i = 0; i < b->comments_n; i++) {
		const struct comment *c = &b->comments[i];
		if (c->author != SELF || c->gone || !text_starts(c->body, marker))
			continue;
		assert_string_equal(c->body, want);
		n++;
	}
	if (n != 1)
		fail_msg("%d comments of %s, log %s", n, slot, buf_str(&b->log));
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
	assert_string_equal(buf_str(&b->statuses), "sluice=pending sluice/net=pending sluice=success sluice/net=success ");
	assert_string_equal(buf_str(&b->log), "POST POST POST PATCH POST POST "); /* six writes, the comment first each time */
	set(b, last, 3);
	settle(b);
	assert_int_equal(b->writes, 6); /* the same again costs nothing */
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
		buf_reset(&b->log);
		b->next_fault = rows[i].fault;
		set(b, &e, 1);
		settle(b);
		assert_comment(b, slot, "hello");
		if (strcmp(buf_str(&b->log), rows[i].log) != 0)
			fail_msg("row %zu: %s, expected %s", i, buf_str(&b->log), rows[i].log);
	}
}

/* A marker in somebody else's comment is just text. */
static void test_forged_marker(void **state)
{
	struct bench *b = *state;
	struct effect e = comment("ours");
	add_comment(b, 666, xstrdup("<!-- sluice slot=comment/5/7 -->\nforged"));
	b->next_fault = FAULT_RESET_BEFORE;
	set(b, &e, 1);
	settle(b);
	assert_string_equal(buf_str(&b->log), "POST GET GET POST ");
	assert_comment(b, "comment/5/7", "ours");
	assert_string_equal(b->comments[0].body, "<!-- sluice slot=comment/5/7 -->\nforged");
}

static void test_deleted_comment(void **state)
{
	struct bench *b = *state;
	struct effect e = comment("one");
	set(b, &e, 1);
	settle(b);
	b->comments[0].gone = true;
	e.body = "two";
	set(b, &e, 1);
	settle(b);
	assert_int_equal(b->comments_n, 2);
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
	b->seed = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
	for (int round = 0; round < 6; round++) {
		for (size_t i = 0; i < ARRAY_LEN(slots); i++) {
			(void)snprintf(slots[i], sizeof(slots[i]), "%s/%llu/%zu", i == 2 ? "reply" : "comment", (unsigned long long)seed, i);
			(void)snprintf(text, sizeof(text), "round %d", i == 2 ? 0 : round);
			struct effect e[] = {comment(text), status(text, text, "pending")};
			e[0].slot = slots[i];
			e[0].kind = i == 2 ? EFFECT_REPLY : EFFECT_COMMENT;
			set(b, e, 2);
		}
		if (dice(b) % 2 == 0) {
			stop(b);
			start(b);
		}
	}
	settle(b);
	b->seed = 0;
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
		b->refuse_status = rows[i].status;
		b->writes = 0;
		set(b, &e, 1);
		for (int j = 0; j < 10000 && (j == 0 || b->n != 0); j++) { /* 12 tries are 20 minutes of our clock */
			b->flag = false;
			clock_fake_advance(20000);
			outbox_pending(b->o, counted, b);
			assert_true(loop_run_until(b->loop, &b->flag, 5000));
		}
		assert_int_equal(b->n, 0);
		assert_int_equal(b->writes, rows[i].writes);
		assert_int_equal(b->comments_n, i);
		b->refuse_status = 0;
		set(b, &e, 1); /* wanted again */
		settle(b);
		assert_comment(b, slot, "hello");
	}
}

/* Many sets in a row become few writes: the newest content goes, what was overtaken never does. */
static void test_coalesced(void **state)
{
	struct bench *b = *state;
	char text[32];
	for (int i = 0; i < 200; i++) {
		(void)snprintf(text, sizeof(text), "version %d", i);
		struct effect e = comment(text);
		e.not_before_ms = clock_wall_ms() + 2000;
		set(b, &e, 1);
	}
	settle(b);
	assert_comment(b, "comment/5/7", "version 199");
	assert_true(b->writes < 100);
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
	while (b->writes < 2 && clock_mono_ns() - from < INT64_C(2000000000)) {
		b->flag = false;
		(void)loop_run_until(b->loop, &b->flag, 1);
	}
	print_message("  set to PATCH: %lld us\n", (long long)(clock_mono_ns() - from) / 1000);
	assert_true(clock_mono_ns() - from < INT64_C(250000000));
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
