/* Which approvals count: one review and one plan a row, then whole pull requests. */
#include "plan/approvals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define HEAD "head"
enum { AUTHOR = 1, BOB = 2, CAROL = 3, PUSHER = 4, COMMITTER = 5, MADE_MS = 5000500 };

static struct strlist bots, same;
static struct person_list committers;

static int setup(void **state)
{
	(void)state;
	strlist_add(&bots, "Release[bot]");
	strlist_add(&same, HEAD);
	strlist_add(&same, "kept");
	person_list_add(&committers, COMMITTER, "dan");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	strlist_free(&bots);
	strlist_free(&same);
	person_list_free(&committers);
	return 0;
}

static struct approval_question question(const struct review_list *l)
{
	return (struct approval_question){.reviews = l, .head = HEAD, .author_id = AUTHOR, .committers = &committers, .committers_read = TRI_YES,
					  .pusher_id = PUSHER, .bots = &bots};
}

static void one_review(void **state)
{
	(void)state;
	const struct approval_project db = {.name = "db", .since_ms = MADE_MS, .same = same}, old = {.name = "db", .since_ms = 0, .same = same};
	const struct {
		int line;
		struct review r;
		const struct approval_project *p;
		enum approval_why want;
		bool last_push, head_only, no_pusher;
		enum tri committers_read;
	} rows[] = {
#define R(id, who, sha, ms, w) {.user_id = (id), .login = (char[]){who}, .approves = true, .commit_id = (char[]){sha}, .submitted_ms = (ms), .writes = (w)}
		{__LINE__, R(BOB, "bob", HEAD, MADE_MS, TRI_YES), &db, APPROVAL_COUNTS, .committers_read = TRI_YES},
		{__LINE__, R(BOB, "bob", HEAD, 5001000, TRI_YES), &db, APPROVAL_COUNTS, .committers_read = TRI_YES},
		{__LINE__, R(BOB, "bob", HEAD, 5000000, TRI_YES), &db, APPROVAL_COUNTS, .committers_read = TRI_YES}, /* the same second */
		{__LINE__, R(BOB, "bob", HEAD, 4999999, TRI_YES), &db, APPROVAL_TOO_EARLY, .committers_read = TRI_YES},
		{__LINE__, R(BOB, "bob", HEAD, MADE_MS, TRI_YES), &old, APPROVAL_TOO_EARLY, .committers_read = TRI_YES}, /* not known since when */
		{__LINE__, R(BOB, "bob", HEAD, 1, TRI_YES), NULL, APPROVAL_COUNTS, .committers_read = TRI_YES},
		{__LINE__, R(BOB, "bob", "kept", MADE_MS, TRI_YES), &db, APPROVAL_COUNTS, .committers_read = TRI_YES},
		{__LINE__, R(BOB, "bob", "kept", MADE_MS, TRI_YES), &db, APPROVAL_OLD_COMMIT, .head_only = true, .committers_read = TRI_YES},
		{__LINE__, R(BOB, "bob", "kept", MADE_MS, TRI_YES), NULL, APPROVAL_OLD_COMMIT, .committers_read = TRI_YES},
		{__LINE__, R(BOB, "bob", "older", MADE_MS, TRI_YES), &db, APPROVAL_OTHER_PLAN, .committers_read = TRI_YES},
		{__LINE__, R(BOB, "bob", "older", 1, TRI_YES), &db, APPROVAL_OTHER_PLAN, .committers_read = TRI_YES},
		{__LINE__, R(AUTHOR, "alice", HEAD, MADE_MS, TRI_YES), &db, APPROVAL_OF_AUTHOR, .committers_read = TRI_YES},
		{__LINE__, R(PUSHER, "paul", HEAD, MADE_MS, TRI_YES), &db, APPROVAL_OF_PUSHER, .committers_read = TRI_YES},
		{__LINE__, R(COMMITTER, "dan", HEAD, MADE_MS, TRI_YES), &db, APPROVAL_OF_COMMITTER, .committers_read = TRI_YES},
		{__LINE__, R(BOB, "bob", HEAD, MADE_MS, TRI_NO), &db, APPROVAL_NO_WRITE, .committers_read = TRI_YES},
		{__LINE__, R(BOB, "bob", HEAD, MADE_MS, TRI_UNKNOWN), &db, APPROVAL_UNKNOWN_WRITE, .committers_read = TRI_YES},
		{__LINE__, R(BOB, "bob", HEAD, MADE_MS, TRI_YES), &db, APPROVAL_UNKNOWN_COMMITTERS, .committers_read = TRI_UNKNOWN},
		{__LINE__, R(BOB, "bob", HEAD, MADE_MS, TRI_YES), &db, APPROVAL_UNKNOWN_PUSHER, .last_push = true, .no_pusher = true, .committers_read = TRI_YES},
		{__LINE__, R(BOB, "bob", HEAD, MADE_MS, TRI_YES), &db, APPROVAL_COUNTS, .last_push = true, .committers_read = TRI_YES},
		{__LINE__, R(BOB, "bob", HEAD, MADE_MS, TRI_YES), &db, APPROVAL_COUNTS, .no_pusher = true, .committers_read = TRI_YES}, /* nobody asks for it */
		/* what is known to be no comes before what is not known */
		{__LINE__, R(AUTHOR, "alice", HEAD, MADE_MS, TRI_UNKNOWN), &db, APPROVAL_OF_AUTHOR, .committers_read = TRI_UNKNOWN},
		{__LINE__, R(BOB, "bob", "older", MADE_MS, TRI_UNKNOWN), &db, APPROVAL_OTHER_PLAN, .committers_read = TRI_YES},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct approval_question q = question(NULL);
		q.last_push = rows[i].last_push;
		q.head_only = rows[i].head_only;
		q.pusher_id = rows[i].no_pusher ? 0 : PUSHER;
		q.committers_read = rows[i].committers_read;
		enum approval_why got = approval_judge(&q, &rows[i].r, rows[i].p);
		if (got != rows[i].want)
			fail_msg("line %d: %d, wanted %d", rows[i].line, (int)got, (int)rows[i].want);
	}
}

static void bots_as_configured(void **state)
{
	(void)state;
	struct review_list none = {0};
	struct approval_question q = question(&none);
	struct review r = {.user_id = 9, .login = (char[]){"release[bot]"}, .bot = true, .commit_id = (char[]){HEAD}, .writes = TRI_YES};
	assert_int_equal(approval_judge(&q, &r, NULL), APPROVAL_COUNTS);
	r.login = (char[]){"other[bot]"};
	assert_int_equal(approval_judge(&q, &r, NULL), APPROVAL_OF_BOT);
	q.bots = NULL;
	r.login = (char[]){"release[bot]"};
	assert_int_equal(approval_judge(&q, &r, NULL), APPROVAL_OF_BOT);
	r.commit_id = NULL;
	r.bot = false;
	assert_int_equal(approval_judge(&q, &r, NULL), APPROVAL_OLD_COMMIT); /* GitHub does not say what was looked at */
}

static struct review *add(struct review_list *l, int64_t id, const char *login, const char *sha, int64_t ms)
{
	struct review *r = review_list_add(l, id, login);
	r->approves = true;
	r->commit_id = xstrdup(sha);
	r->submitted_ms = ms;
	r->writes = TRI_YES;
	return r;
}

/* Every project needs its approvals: the one with the fewest decides, and the reasons name it. */
static void over_projects(void **state)
{
	struct review_list l = {0};
	struct approval_result got;
	struct strlist only_head = {0};
	(void)state;
	strlist_add(&only_head, HEAD);
	const struct approval_project projects[] = {{.name = "net", .since_ms = 1000, .same = same}, {.name = "db", .since_ms = 9000, .same = only_head}};
	struct approval_question q = question(&l);
	q.projects = projects;
	q.projects_n = 2;
	(void)add(&l, BOB, "bob", "kept", 9500);
	(void)add(&l, CAROL, "carol", HEAD, 9500);
	(void)add(&l, 7, "erin", HEAD, 3000);
	(void)add(&l, AUTHOR, "alice", HEAD, 9500);
	(void)add(&l, 8, "fred", HEAD, 9500);
	l.v[4].writes = TRI_UNKNOWN;
	struct review *r = review_list_add(&l, 10, "gus");
	r->writes = TRI_YES;
	r = review_list_add(&l, 11, "robot");
	r->bot = true; /* nobody counts its word */
	approval_count(&q, &got);
	assert_int_equal(got.counted, 1);
	assert_int_equal(got.unknown, 1);
	assert_int_equal(got.changes_requested, 1);
	assert_int_equal(got.by.n, 1);
	assert_string_equal(got.by.v[0], "carol");
	assert_int_equal(got.maybe.n, 1);
	assert_string_equal(got.maybe.v[0], "fred");
	assert_string_equal(buf_str(&got.why_not),
			    "`@bob` approved an older commit whose plan of `db` differs. `@erin` approved before the plan of `db` was made. `@alice` is the author. "
			    "`@fred` approved, but whether that person has write permission is not known.");
	approval_result_free(&got);
	q.projects_n = 1; /* of net alone */
	approval_count(&q, &got);
	assert_int_equal(got.counted, 3);
	approval_result_free(&got);
	review_list_free(&l);
	strlist_free(&only_head);
}

/* A plan that comes back after another one is a new plan: since_ms says so, and an approval from before does not return with it. */
static void a_plan_that_came_back(void **state)
{
	struct review_list l = {0};
	struct approval_result got;
	(void)state;
	const struct approval_project p = {.name = "net", .since_ms = 20000, .same = same};
	struct approval_question q = question(&l);
	q.projects = &p;
	q.projects_n = 1;
	(void)add(&l, BOB, "bob", "kept", 10000);
	approval_count(&q, &got);
	assert_int_equal(got.counted, 0);
	assert_string_equal(buf_str(&got.why_not), "`@bob` approved before the plan of `net` was made.");
	approval_result_free(&got);
	review_list_free(&l);
}

static void changes_requested(void **state)
{
	struct review_list l = {0};
	struct approval_result got;
	(void)state;
	struct approval_question q = question(&l);
	review_list_add(&l, BOB, "bob")->writes = TRI_YES;
	review_list_add(&l, CAROL, "carol")->writes = TRI_UNKNOWN; /* may well */
	review_list_add(&l, 9, "stranger")->writes = TRI_NO;
	approval_count(&q, &got);
	assert_int_equal(got.changes_requested, 2);
	assert_int_equal(got.counted, 0);
	assert_int_equal(got.why_not.len, 0);
	approval_result_free(&got);
	review_list_free(&l);
}

static void a_crowd_is_cut_short(void **state)
{
	struct review_list l = {0};
	struct approval_result got;
	(void)state;
	struct approval_question q = question(&l);
	for (int i = 0; i < 50; i++)
		(void)add(&l, 100 + i, "x", "older", 1);
	approval_count(&q, &got);
	assert_int_equal(got.counted, 0);
	assert_true(got.why_not.len < 500);
	approval_result_free(&got);
	review_list_free(&l);
}

static void people(void **state)
{
	struct person_list l = {0};
	(void)state;
	person_list_add(&l, 0, "ghost");
	person_list_add(&l, 3, "a");
	person_list_add(&l, 3, "b");
	assert_int_equal(l.n, 1);
	assert_string_equal(l.v[0].login, "a");
	assert_true(person_list_has(&l, 3) && !person_list_has(&l, 0));
	person_list_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_review),	       cmocka_unit_test(bots_as_configured), cmocka_unit_test(over_projects),
		cmocka_unit_test(a_plan_that_came_back), cmocka_unit_test(changes_requested),  cmocka_unit_test(a_crowd_is_cut_short),
		cmocka_unit_test(people),
	};
	return cmocka_run_group_tests_name("approvals", tests, setup, teardown);
}
