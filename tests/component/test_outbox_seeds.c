/* The outbox under thousands of random histories: desired states of several slots and installations, answers that are lost before or after their
 * effect, limits, refusals, deleted and forged comments, and a crash between any two steps. The store, the policy and the calls are the real ones;
 * GitHub is a few arrays, the clock is ours, and there is no socket and no thread. After each history GitHub must show what was desired last, once.
 *
 * SEEDS=N changes their number, SEED=N plays one alone. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "tests/support/array_github.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#ifdef __SANITIZE_ADDRESS__ /* several times slower */
enum { SEEDS = 2000 };
#else
enum { SEEDS = 10000 };
#endif

enum { STEPS_TO_END = 3000 };

/* --- the process -------------------------------------------------------------------------------------------------------------------- */

static void must(int rc, const struct err *err)
{
	if (rc != 0)
		fail_msg("seed %llu: %s", (unsigned long long)w.seed, err->msg);
}

static void crash(void)
{
	struct err err = {0};
	all.crashes++;
	for (int i = 0; i < OWNERS; i++) {
		outbox_item_free(&w.lanes[i].item);
		w.lanes[i].outcome = (struct outbox_outcome){0};
	}
	must(outbox_store_recover(w.c, true, w.now, &err), &err);
}

static void answered(const struct gh_answer *a, void *arg)
{
	struct lane *l = arg;
	outbox_outcome_of(&l->item, a, w.now, &l->outcome);
}

/* One turn of an installation's circle: the request, then the transaction; a crash may come before and after each. */
static void turn(struct lane *l)
{
	struct err err = {0};
	if (l->item.id != 0) {
		outbox_call(&array_github, NULL, SELF, &l->item, answered, l);
		if (!w.calm && dice(w.hurry ? 3000 : 12) == 0) {
			crash();
			return;
		}
	}
	outbox_item_free(&l->item);
	must(outbox_store_step(w.c, l->key, &l->outcome, w.now, &l->item, &l->wait_ms, &err), &err);
	l->outcome = (struct outbox_outcome){0};
	if (!w.calm && dice(w.hurry ? 3000 : 25) == 0)
		crash();
}

static void pass(int64_t ms)
{
	w.now += ms;
	clock_fake_set(w.now);
}

/* --- what is desired -------------------------------------------------------------------------------------------------------------------- */

static void set_check(struct slot *s, struct effect *e, const char *title)
{
	static const char *const ends[] = {"success", "failure", "action_required"};
	static char external[16], lines[ANNOTATIONS * 12];
	static struct gh_check k;
	if (s->completed && dice(2) == 0) { /* another run of the same commit */
		s->run++;
		s->completed = false;
		s->annotations = 0;
	} else if (!s->completed && dice(8) == 0) {
		s->run++; /* before the last one was over */
	}
	lines[0] = '\0';
	if (!s->completed && (w.calm || dice(2) == 0)) {
		s->completed = true;
		s->annotations = (int[]){0, 0, 7, 50, 120}[dice(5)];
		s->conclusion = ends[dice(3)];
	}
	for (int i = 0, n = 0; s->completed && i < s->annotations; i++)
		n += snprintf(lines + n, sizeof(lines) - (size_t)n, "{\"n\":%d}\n", i);
	(void)snprintf(external, sizeof(external), "run %d", s->run);
	k = (struct gh_check){.name = s->name, .head_sha = "abc", .external_id = external, .status = s->completed ? "completed" : "in_progress",
			      .conclusion = s->completed ? s->conclusion : NULL, .title = title, .summary = title};
	e->check = &k;
	e->annotations = lines;
}

/* A late word of a run that is over: it changes nothing. */
static void desire_late(const struct slot *s)
{
	struct err err = {0};
	char external[16];
	(void)snprintf(external, sizeof(external), "run %d", s->run);
	const struct gh_check k = {.name = s->name, .head_sha = "abc", .external_id = external, .status = "in_progress", .title = "late"};
	must(outbox_set(w.c, &(struct effect){.kind = s->kind, .slot = s->name, .repo_id = 1, .repo = s->owner == 0 ? "a0/infra" : "a1/infra", .pull = 7,
					      .check = &k}, &err), &err);
}

static void desire(struct slot *s)
{
	static const char *const repos[] = {"a0/infra", "a1/infra"};
	struct err err = {0};
	char text[16];
	s->version++;
	(void)snprintf(text, sizeof(text), "v%d", s->version);
	struct effect e = {.kind = s->kind, .slot = s->name, .repo_id = s->owner + 1, .repo = repos[s->owner], .pull = 7};
	if (s->kind == EFFECT_CHECK) {
		set_check(s, &e, text);
	} else if (s->kind == EFFECT_STATUS) {
		e.sha = "abc";
		e.context = s->name;
		e.description = text;
		e.state = s->conclusion = dice(2) == 0 ? "pending" : "success";
	} else {
		e.body = text;
	}
	e.not_before_ms = !w.calm && dice(4) == 0 ? w.now + (int64_t)dice(3000) : 0;
	must(outbox_set(w.c, &e, &err), &err);
}

/* A person deletes our comment; GitHub's event of it comes through or not. Or somebody writes what looks like ours. */
static void meddle(void)
{
	struct err err = {0};
	if (w.things_n > 0 && dice(2) == 0) {
		size_t i = dice(w.things_n);
		struct thing *t = &w.things[i];
		if (!t->check && !t->gone && w.slots[t->slot].kind == EFFECT_COMMENT) {
			all.deleted++;
			t->gone = true;
			if (dice(2) == 0)
				must(outbox_comment_deleted(w.c, t->owner + 1, (int64_t)i + 1, &err), &err);
		}
	} else {
		int slot = (int)dice(SLOTS);
		if (w.slots[slot].kind == EFFECT_CHECK && w.slots[slot].completed)
			desire_late(&w.slots[slot]);
		if (w.slots[slot].kind == EFFECT_COMMENT)
			thing_new(false, w.slots[slot].owner, SELF + 1, slot)->version = -1;
	}
}

/* --- what must hold ----------------------------------------------------------------------------------------------------------------- */

static void check_comments(int slot)
{
	const struct slot *s = &w.slots[slot];
	int ours = 0;
	for (size_t i = 0; i < w.things_n; i++) {
		const struct thing *t = &w.things[i];
		if (t->check || t->slot != slot || t->gone)
			continue;
		EXPECT(t->author == SELF || t->version == -1);
		if (t->author != SELF)
			continue;
		ours++;
		EXPECT(s->kind == EFFECT_REPLY ? t->version == 1 : t->version == s->version);
	}
	EXPECT(ours == 1);
}

static void check_runs(int slot)
{
	const struct slot *s = &w.slots[slot];
	int of_run[64] = {0};
	const struct thing *newest = NULL;
	for (size_t i = 0; i < w.things_n; i++) {
		const struct thing *t = &w.things[i];
		int64_t run;
		if (!t->check || t->slot != slot)
			continue;
		EXPECT(text_int(t->external_id + 4, 0, 63, &run, NULL) == 0);
		EXPECT(++of_run[run] == 1);                      /* each run once ... */
		EXPECT(strcmp(t->status, "completed") == 0);     /* ... and none is left at work */
		newest = t;
		if (run != s->run)
			continue;
		EXPECT(strcmp(t->conclusion, s->conclusion) == 0);
		EXPECT(t->version == s->version);
		EXPECT(t->annotations == s->annotations);
	}
	char external[16];
	(void)snprintf(external, sizeof(external), "run %d", s->run);
	EXPECT(newest != NULL && strcmp(newest->external_id, external) == 0); /* GitHub shows the newest of a name */
}

static void check_windows(int owner)
{
	const int64_t *at = w.writes[owner];
	for (size_t i = 0, minute = 0, hour = 0; i < w.writes_n[owner]; i++) {
		while (at[i] - at[minute] >= 60 * 1000)
			minute++;
		while (at[i] - at[hour] >= 3600 * 1000)
			hour++;
		int64_t in_minute = (int64_t)(i - minute) + 1, in_hour = (int64_t)(i - hour) + 1;
		EXPECT(in_minute <= 80 && in_hour <= OUTBOX_HOUR_WRITES);
		all.most_in_a_minute = in_minute > all.most_in_a_minute ? in_minute : all.most_in_a_minute;
		all.most_in_an_hour = in_hour > all.most_in_an_hour ? in_hour : all.most_in_an_hour;
	}
}

static void check_all(void)
{
	for (int i = 0; i < SLOTS; i++) {
		const struct slot *s = &w.slots[i];
		if (s->kind == EFFECT_STATUS) {
			char want[16];
			(void)snprintf(want, sizeof(want), "v%d %s", s->version, s->conclusion);
			EXPECT(strcmp(w.statuses[i], want) == 0);
		} else if (s->kind == EFFECT_CHECK) {
			check_runs(i);
		} else {
			check_comments(i);
		}
	}
	for (int i = 0; i < OWNERS; i++)
		check_windows(i);
}

/* --- a history ------------------------------------------------------------------------------------------------------------------------ */

static void begin(uint64_t seed)
{
	static const enum effect_kind kinds[KINDS] = {EFFECT_COMMENT, EFFECT_REPLY, EFFECT_STATUS, EFFECT_CHECK, EFFECT_CHECK};
	struct err err = {0};
	struct db_conn *c = w.c;
	memset(&w, 0, sizeof(w));
	w.c = c;
	w.seed = seed;
	w.dice = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
	w.now = WORLD_NOW;
	clock_fake_set(WORLD_NOW);
	must(db_exec(c, "BEGIN; DELETE FROM effect; DELETE FROM outbox_rate; DELETE FROM outbox_sent", &err), &err);
	for (int i = 0; i < SLOTS; i++) {
		struct slot *s = &w.slots[i];
		*s = (struct slot){.kind = kinds[i % KINDS], .owner = i / KINDS};
		(void)snprintf(s->name, sizeof(s->name), "%d/%d", s->owner, i);
	}
	for (int i = 0; i < OWNERS; i++)
		(void)snprintf(w.lanes[i].key, sizeof(w.lanes[i].key), "a%d", i);
}

/* Everything is desired once more, and nothing fails any more, until nothing is owed. */
static void end(void)
{
	struct err err = {0};
	int64_t owed = 1;
	w.calm = true;
	for (int i = 0; i < SLOTS; i++)
		desire(&w.slots[i]);
	for (int n = 0; owed != 0; n++) {
		EXPECT(n < STEPS_TO_END);
		int64_t wait = INT64_MAX;
		for (int i = 0; i < OWNERS; i++) {
			turn(&w.lanes[i]);
			int64_t next = w.lanes[i].item.id != 0 ? w.now : w.lanes[i].wait_ms != 0 ? w.lanes[i].wait_ms : INT64_MAX;
			wait = next < wait ? next : wait;
		}
		must(outbox_store_pending(w.c, &owed, &err), &err);
		if (wait != INT64_MAX && wait > w.now)
			pass(wait - w.now);
	}
}

/* Much to say for a long time: what a budget is for. */
static void hurry(int steps)
{
	for (int i = 0; i < steps; i++) {
		for (int k = 0; k < OWNERS; k++) {
			desire(&w.slots[KINDS * k + 2]);
			turn(&w.lanes[k]);
		}
		pass((int64_t)dice(400));
	}
}

static void play(uint64_t seed)
{
	struct err err = {0};
	begin(seed);
	w.hurry = seed % 100 == 0;
	if (w.hurry)
		hurry(seed % 2000 == 0 ? 3600 : 200);
	for (int i = 12 + (int)dice(24); !w.hurry && i > 0; i--) {
		if (dice(3) == 0)
			desire(&w.slots[dice(SLOTS)]);
		if (dice(6) == 0)
			meddle();
		turn(&w.lanes[dice(OWNERS)]);
		pass((int64_t)dice(2500));
	}
	end();
	check_all();
	must(db_exec(w.c, "COMMIT", &err), &err); /* one transaction a history: a crash comes between steps, which are whole */
	for (int i = 0; i < OWNERS; i++)
		outbox_item_free(&w.lanes[i].item);
}

static void drop_log(const char *line, void *arg)
{
	(void)line;
	(void)arg;
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);
	int64_t n;
	return s != NULL && text_int(s, 1, INT32_MAX, &n, NULL) == 0 ? (uint64_t)n : otherwise;
}

static void seeds(void **state)
{
	const struct db_migration m[] = {{1, OUTBOX_SCHEMA}, {2, OUTBOX_SCHEMA_2}};
	struct err err = {0};
	(void)state;
	uint64_t one = number_of("SEED", 0), n = number_of("SEEDS", SEEDS);
	log_set_sink(drop_log, NULL);
	must(db_conn_open(":memory:", m, 2, &w.c, &err), &err);
	for (uint64_t seed = one != 0 ? one : 1; seed <= (one != 0 ? one : n); seed++)
		play(seed);
	print_message("  %llu seeds: %lld requests, %lld of them writes, %lld faults, %lld crashes, %lld comments deleted;"
		      " at most %lld writes in a minute and %lld in an hour\n",
		      (unsigned long long)(one != 0 ? 1 : n), (long long)all.requests, (long long)all.writes,
		      (long long)all.faults, (long long)all.crashes, (long long)all.deleted, (long long)all.most_in_a_minute, (long long)all.most_in_an_hour);
	db_conn_close(w.c);
	clock_fake_off();
	log_set_sink(NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(seeds)};
	return cmocka_run_group_tests_name("github/outbox seeds", tests, NULL, NULL);
}
