#include "base/limits.h"
#include "github/outbox_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define NOW INT64_C(1800000000000)

static void test_judge(void **state)
{
	(void)state;
	static const struct {
		enum outbox_op op;
		struct gh_result r;
		int64_t found;
		unsigned refusals;
		enum outbox_verdict want;
	} rows[] = {
		{OUTBOX_POST, {.status = 201}, 5, 0, OUTBOX_DELIVERED},
		{OUTBOX_EDIT, {.status = 200}, 5, 0, OUTBOX_DELIVERED},
		{OUTBOX_STATUS, {.status = 201}, 0, 0, OUTBOX_DELIVERED},
		{OUTBOX_LOOK, {.status = 200}, 5, 0, OUTBOX_DELIVERED},
		{OUTBOX_LOOK, {.status = 200}, 0, 0, OUTBOX_ABSENT},
		/* may have happened */
		{OUTBOX_POST, {.err.code = ERR_IO, .ambiguous = true}, 0, 0, OUTBOX_UNSURE},
		{OUTBOX_POST, {.err.code = ERR_UNAVAILABLE, .status = 502, .ambiguous = true}, 0, 40, OUTBOX_UNSURE},
		{OUTBOX_EDIT, {.err.code = ERR_TIMEOUT, .ambiguous = true}, 0, 0, OUTBOX_UNSURE},
		/* time or an operator mends it, however often it failed */
		{OUTBOX_POST, {.err.code = ERR_IO}, 0, 40, OUTBOX_AGAIN},
		{OUTBOX_STATUS, {.err.code = ERR_REFUSED, .status = 401}, 0, 40, OUTBOX_AGAIN},
		{OUTBOX_LOOK, {.err.code = ERR_UNAVAILABLE, .status = 500}, 0, 40, OUTBOX_AGAIN},
		{OUTBOX_STATUS, {.err.code = ERR_UNAVAILABLE, .status = 403, .retry_at_ms = NOW}, 0, 40, OUTBOX_AGAIN},
		{OUTBOX_POST, {.err.code = ERR_UNAVAILABLE, .status = 0, .retry_at_ms = NOW}, 0, 40, OUTBOX_AGAIN},
		/* refusals count */
		{OUTBOX_POST, {.err.code = ERR_REFUSED, .status = 403}, 0, 0, OUTBOX_AGAIN},
		{OUTBOX_POST, {.err.code = ERR_REFUSED, .status = 403}, 0, LIMIT_GITHUB_TRIES - 2, OUTBOX_AGAIN},
		{OUTBOX_POST, {.err.code = ERR_REFUSED, .status = 403}, 0, LIMIT_GITHUB_TRIES - 1, OUTBOX_HOPELESS},
		{OUTBOX_POST, {.err.code = ERR_NOT_FOUND, .status = 404}, 0, 0, OUTBOX_AGAIN},
		{OUTBOX_STATUS, {.err.code = ERR_NOT_FOUND, .status = 404}, 0, LIMIT_GITHUB_TRIES - 1, OUTBOX_HOPELESS},
		{OUTBOX_EDIT, {.err.code = ERR_NOT_FOUND, .status = 404}, 0, 0, OUTBOX_GONE},
		{OUTBOX_EDIT, {.err.code = ERR_NOT_FOUND, .status = 404}, 0, LIMIT_GITHUB_TRIES - 1, OUTBOX_HOPELESS},
		/* perhaps somebody else's comment: not held on to */
		{OUTBOX_EDIT, {.err.code = ERR_REFUSED, .status = 403}, 0, 0, OUTBOX_GONE},
		{OUTBOX_EDIT, {.err.code = ERR_REFUSED, .status = 403}, 0, LIMIT_GITHUB_TRIES - 1, OUTBOX_HOPELESS},
		/* closed for good, which only the words tell */
		{OUTBOX_POST, {.err = {ERR_REFUSED, "POST /x: 403 Unable to create comment because issue is locked"}, .status = 403}, 0, 0, OUTBOX_HOPELESS},
		{OUTBOX_EDIT, {.err = {ERR_REFUSED, "PATCH /x: 403 Repository was archived so is read-only"}, .status = 403}, 0, 0, OUTBOX_HOPELESS},
		{OUTBOX_EDIT, {.err = {ERR_UNAVAILABLE, "issue is locked"}, .status = 403, .retry_at_ms = NOW}, 0, 0, OUTBOX_AGAIN},
		/* never */
		{OUTBOX_POST, {.err.code = ERR_REFUSED, .status = 422}, 0, 0, OUTBOX_HOPELESS},
		{OUTBOX_EDIT, {.err.code = ERR_NOT_FOUND, .status = 410}, 0, 0, OUTBOX_HOPELESS},
		{OUTBOX_POST, {.err.code = ERR_USAGE}, 0, 0, OUTBOX_HOPELESS},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum outbox_verdict v = outbox_judge(rows[i].op, &rows[i].r, rows[i].found, rows[i].refusals);
		if (v != rows[i].want)
			fail_msg("row %zu: %d, expected %d", i, (int)v, (int)rows[i].want);
	}
}

static void test_backoff(void **state)
{
	(void)state;
	static const int64_t want[] = {1000, 1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000, 256000, 300000, 300000};
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		assert_int_equal(outbox_backoff_ms((unsigned)i), want[i]);
	assert_int_equal(outbox_backoff_ms(4000000000u), 300000);
}

/* Writes as fast as allowed: a burst, then one a second. */
static void test_rate(void **state)
{
	(void)state;
	struct outbox_rate r = {0};
	int64_t now = NOW;
	for (unsigned i = 0; i < LIMIT_WRITES_BURST + 10; i++) {
		int64_t when = outbox_rate_when(&r, now);
		if (i < LIMIT_WRITES_BURST) {
			assert_int_equal(when, 0);
		} else {
			assert_int_equal(when, now + 1000);
			now = when;
		}
		outbox_rate_spend(&r, now);
	}
	/* two seconds of rest give two writes */
	assert_int_equal(outbox_rate_when(&r, now + 2000), 0);
	outbox_rate_spend(&r, now + 2000);
	assert_int_equal(outbox_rate_when(&r, now + 2000), 0);
	outbox_rate_spend(&r, now + 2000);
	assert_int_equal(outbox_rate_when(&r, now + 2000), now + 3000);
	/* a clock set back by a day does not stop writes for a day */
	assert_int_equal(outbox_rate_when(&r, now - 86400000), now - 86400000 + 1000);
}

static void test_rate_outside(void **state)
{
	(void)state;
	struct outbox_rate r = {.blocked_until_ms = NOW + 5000};
	assert_int_equal(outbox_rate_when(&r, NOW), NOW + 5000);
	assert_int_equal(outbox_rate_when(&r, NOW + 5000), 0);
	r = (struct outbox_rate){.hour_ago_ms = NOW - 3599000};
	assert_int_equal(outbox_rate_when(&r, NOW), NOW + 1000);
	r.hour_ago_ms = NOW - 3600000;
	assert_int_equal(outbox_rate_when(&r, NOW), 0);
	r.hour_ago_ms = NOW + 10; /* from a clock that was ahead: not believed */
	assert_int_equal(outbox_rate_when(&r, NOW), 0);
}

/* Whatever arrives when, and however often the process starts anew: never more than 80 writes in any minute, nor 500 in any hour. Arrivals come in
 * bursts and pauses; a restart keeps the row and pays for the write that may have been under way. */
static uint64_t dice(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

enum { PROPERTY_WRITES = 1200, MINUTE_MS = 60 * 1000, HOUR_MS = 3600 * 1000 };

static void test_rate_property(void **state)
{
	static int64_t at[PROPERTY_WRITES], ring[OUTBOX_HOUR_WRITES];
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		uint64_t d = seed * UINT64_C(0x9E3779B97F4A7C15);
		struct outbox_rate r = {0};
		int64_t now = NOW, most_minute = 0;
		size_t paid = 0;
		memset(ring, 0, sizeof(ring));
		for (size_t n = 0; n < PROPERTY_WRITES;) {
			if (dice(&d) % 8 == 0)
				now += (int64_t)(dice(&d) % (seed % 4 == 0 ? 20000 : 300)); /* nothing is owed for a while */
			r.hour_ago_ms = ring[paid % OUTBOX_HOUR_WRITES];
			int64_t when = outbox_rate_when(&r, now);
			if (when != 0) {
				now = when;
				continue;
			}
			at[n++] = now;
			if (dice(&d) % 16 == 0)
				now += (int64_t)(dice(&d) % 1500); /* the answer takes its time, or we died and start again */
			outbox_rate_spend(&r, now);
			ring[paid++ % OUTBOX_HOUR_WRITES] = now;
		}
		for (size_t i = 0, minute = 0, hour = 0; i < PROPERTY_WRITES; i++) {
			while (at[i] - at[minute] >= MINUTE_MS)
				minute++;
			while (at[i] - at[hour] >= HOUR_MS)
				hour++;
			most_minute = (int64_t)(i - minute + 1) > most_minute ? (int64_t)(i - minute + 1) : most_minute;
			assert_true(i - hour + 1 <= OUTBOX_HOUR_WRITES);
		}
		assert_true(most_minute <= 80);
		assert_true(seed % 4 == 0 || most_minute >= 50); /* and the budget is used */
	}
}

static void test_chunk(void **state)
{
	(void)state;
	CLEANUP_BUF struct buf lines = {0};
	for (int i = 0; i < 120; i++)
		buf_printf(&lines, "{\"n\":%d}\n", i);
	static const struct {
		int64_t from, n;
		const char *begins, *ends;
	} rows[] = {{0, 50, "[{\"n\":0},", "{\"n\":49}]"}, {50, 50, "[{\"n\":50},", "{\"n\":99}]"}, {100, 20, "[{\"n\":100},", "{\"n\":119}]"}, {119, 1, "[{\"n\":119}]", "]"}};
	int64_t n;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *got = outbox_chunk(buf_str(&lines), rows[i].from, &n);
		assert_int_equal(n, rows[i].n);
		assert_int_equal(strncmp(got, rows[i].begins, strlen(rows[i].begins)), 0);
		assert_string_equal(got + strlen(got) - strlen(rows[i].ends), rows[i].ends);
	}
	assert_null(outbox_chunk(buf_str(&lines), 120, &n));
	assert_int_equal(n, 0);
	assert_null(outbox_chunk(NULL, 0, &n));
	assert_null(outbox_chunk("\n\n", 0, &n));
}

static void test_marker(void **state)
{
	(void)state;
	static const struct {
		const char *slot, *want;
	} rows[] = {
		{"comment/5/7", "<!-- sluice slot=comment/5/7 -->\n"},
		{"reply/5/7/3000000001", "<!-- sluice slot=reply/5/7/3000000001 -->\n"},
		{"a-->b", "<!-- sluice slot=a%2D%2D%3Eb -->\n"},
		{"a\nb \xc3\xbc", "<!-- sluice slot=a%0Ab%20%C3%BC -->\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_BUF struct buf b = {0};
		outbox_marker(&b, rows[i].slot);
		assert_string_equal(buf_str(&b), rows[i].want);
	}
}

static void test_digest(void **state)
{
	(void)state;
	const struct effect base = {.kind = EFFECT_STATUS, .sha = "a", .context = "b", .state = "pending", .description = "d", .target_url = "u"};
	char first[OUTBOX_DIGEST_SIZE], other[OUTBOX_DIGEST_SIZE];
	outbox_digest(&base, first);
	struct effect same = base;
	same.repo = "renamed/repo"; /* where it goes, not what it says */
	same.not_before_ms = 7;
	outbox_digest(&same, other);
	assert_string_equal(first, other);
	struct effect moved[] = {base, base, base, base};
	moved[0].state = "success";
	moved[1].description = "du";
	moved[1].target_url = "";
	moved[2].target_url = NULL;
	moved[3].sha = "ab";
	moved[3].context = "";
	for (size_t i = 0; i < ARRAY_LEN(moved); i++) {
		outbox_digest(&moved[i], other);
		assert_string_not_equal(first, other);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),	     cmocka_unit_test(test_backoff), cmocka_unit_test(test_rate),
		cmocka_unit_test(test_rate_outside), cmocka_unit_test(test_rate_property), cmocka_unit_test(test_chunk), cmocka_unit_test(test_marker),  cmocka_unit_test(test_digest),
	};
	return cmocka_run_group_tests_name("github/outbox policy", tests, NULL, NULL);
}
