/* Is a command about what its writer saw? Pushes and comments by the second, and commits that are named. */
#include "plan/ask.h"

#include "tests/support/store_support.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HEAD "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"

static void by_time(void **state)
{
	static const struct {
		int64_t pushed_ms, planned_ms, asked_ms; /* 0: not told */
		bool stale;
	} rows[] = {
		{5000, 0, 6000, false}, {5999, 0, 6000, false}, {6000, 0, 6000, true}, {6900, 0, 6000, true}, {6000, 0, 6900, true},
		{7000, 0, 6999, true},  {9000, 0, 6000, true},  {5000, 9000, 6000, false}, /* what GitHub told goes before what we did */
		{0, 5000, 6000, false}, {0, 6100, 6000, true},  {0, 0, 6000, false}, /* never planned: the gate says so */
		{5000, 0, 1, true},     /* a comment without a time */
		{9000, 0, 0, false},    /* no comment */
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct db_conn *c = store_open();
		struct err err = {0};
		char *why = NULL;
		if (rows[i].pushed_ms != 0)
			store_must(db_run(c, &err, "INSERT INTO head_push(repo_id, sha, user_id, login, at_ms) VALUES(77,?,1,'alice',?)", "si", HEAD,
					  rows[i].pushed_ms), &err);
		store_run_at(c, RUN_PLAN, 12, HEAD, RUN_DONE);
		store_must(db_run(c, &err, "UPDATE run SET created_ms=?, head_sha=CASE WHEN ?1=0 THEN 'other' ELSE head_sha END", "i", rows[i].planned_ms), &err);
		struct run_row run = {.repo_id = STORE_REPO, .pull = 12, .kind = RUN_APPLY, .asked_ms = rows[i].asked_ms};
		store_must(ask_is_stale(c, &run, HEAD, &why, &err), &err);
		if ((why != NULL) != rows[i].stale)
			fail_msg("row %zu: %s", i, why != NULL ? why : "not stale");
		if (why != NULL)
			assert_string_equal(why, "a push came at the same time as this comment; look at the new plan and comment `apply` again, or `apply "
						 "1a2b3c4`");
		free(why);
		run.kind = RUN_PLAN; /* a plan of the newest head is what everybody wants */
		store_must(ask_is_stale(c, &run, HEAD, &why, &err), &err);
		assert_null(why);
		store_close(c);
	}
}

static void by_name(void **state)
{
	static const struct {
		const char *sha;
		enum run_kind kind;
		const char *why;
	} rows[] = {
		{"1a2b3c4", RUN_APPLY, NULL},
		{"1A2B3C4D", RUN_APPLY, NULL},
		{HEAD, RUN_PLAN, NULL},
		{"1a2b3c5", RUN_APPLY, "the head is `1a2b3c4` now and not `1a2b3c5`: look at its plan, then comment `apply 1a2b3c4`"},
		{"5e6f708", RUN_PLAN, "the head is `1a2b3c4` now and not `5e6f708`: look at its plan, then comment `plan 1a2b3c4`"},
		{HEAD "0", RUN_APPLY, "the head is `1a2b3c4` now and not `1a2b3c4d5e6f`: look at its plan, then comment `apply 1a2b3c4`"},
	};
	(void)state;
	struct db_conn *c = store_open();
	struct err err = {0};
	/* the push is as new as can be: the name says more */
	store_must(db_run(c, &err, "INSERT INTO head_push(repo_id, sha, user_id, login, at_ms) VALUES(77,?,1,'alice',99000)", "s", HEAD), &err);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *why = NULL;
		struct run_row run = {.repo_id = STORE_REPO, .pull = 12, .kind = rows[i].kind, .asked_ms = 5000, .asked_sha = xstrdup(rows[i].sha)};
		store_must(ask_is_stale(c, &run, HEAD, &why, &err), &err);
		if (rows[i].why != NULL)
			assert_string_equal(why, rows[i].why);
		else
			assert_null(why);
		free(why);
		free(run.asked_sha);
	}
	store_close(c);
}

/* ok-to-plan: a short name is of the commit that was there to be read, the whole one of itself. */
static void by_name_of_a_stranger(void **state)
{
#define SHORT "`1a2b3c4` is too short a name for a commit that was pushed only now: read its changes, then comment `ok-to-plan " HEAD "`"
	static const struct {
		const char *sha, *before, *newest; /* heads of the runs that ended before the comment */
		int64_t ended_ms;
		const char *why;
	} rows[] = {
		{HEAD, NULL, NULL, 0, NULL}, /* never seen here, but nothing else has that name */
		{"1a2b3c5", HEAD, NULL, 3000, "the head is `1a2b3c4d5e6f` now and not `1a2b3c5`: read its changes, then comment `ok-to-plan " HEAD "`"},
		{"1a2b3c4", HEAD, NULL, 3000, NULL},
		{"1a2b3c4", "other", HEAD, 3000, NULL},
		{"1a2b3c4", HEAD, "1a2b3c4-another", 3000, SHORT}, /* what was read is another commit with these digits */
		{"1a2b3c4", "other", NULL, 3000, SHORT},
		{"1a2b3c4", NULL, NULL, 0, SHORT},
		{"1a2b3c4", HEAD, NULL, 5000, SHORT}, /* the second of the comment */
		{"1a2b3c4", HEAD, NULL, 4999, NULL},
		{"1a2b3c4", HEAD, NULL, 0, SHORT},    /* still being read */
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct db_conn *c = store_open();
		struct err err = {0};
		char *why = NULL;
		const char *const heads[] = {rows[i].before, rows[i].newest};
		for (size_t k = 0; k < ARRAY_LEN(heads); k++)
			if (heads[k] != NULL)
				(void)store_run_at(c, RUN_PLAN, 12, heads[k], RUN_DONE);
		store_must(db_run(c, &err, "UPDATE run SET finished_ms=?", "i", rows[i].ended_ms), &err);
		struct run_row run = {.repo_id = STORE_REPO, .pull = 12, .kind = RUN_PLAN, .ok_to_plan = true, .asked_ms = 5500,
				      .asked_sha = xstrdup(rows[i].sha)};
		store_must(ask_is_stale(c, &run, HEAD, &why, &err), &err);
		if ((why == NULL) != (rows[i].why == NULL) || (why != NULL && strcmp(why, rows[i].why) != 0))
			fail_msg("row %zu: %s", i, why != NULL ? why : "not stale");
		free(why);
		free(run.asked_sha);
		store_close(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(by_time), cmocka_unit_test(by_name), cmocka_unit_test(by_name_of_a_stranger)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
