/* From rows to what is owed to GitHub: the comment in each phase, the statuses, and when there is nothing to say. */
#include "plan/comment.h"

#include "base/clock.h"
#include "plan/comment_view.h"
#include "plan/gate_own.h"
#include "tests/support/store_support.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct db_conn *c;
static struct err err;
static const struct comment_context ctx = {.public_url = "https://sluice.example.com", .sandbox = "bubblewrap, no network"};

static const struct comment_context app = {.public_url = "https://sluice.example.com", .sandbox = "bubblewrap, no network", .checks = true};

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

/* The comment of #1 as it is owed; "" when none is. */
static const char *comment(void)
{
	store_must(comment_refresh(c, &ctx, STORE_REPO, 1, 0, &err), &err);
	return store_text(c, "SELECT body FROM effect WHERE slot='comment/77/1'", NULL);
}

static void says(const char *body, const char *wanted)
{
	if (strstr(body, wanted) == NULL)
		fail_msg("\"%s\" is not in:\n%s", wanted, body);
}

static void says_not(const char *body, const char *unwanted)
{
	if (strstr(body, unwanted) != NULL)
		fail_msg("\"%s\" is in:\n%s", unwanted, body);
}

static const char *status(const char *context)
{
	return store_text(c, "SELECT status||': '||description FROM effect WHERE context=?", context);
}

static void finish(int64_t job, enum job_state state, const char *error, int64_t create)
{
	struct plan_summary s = {.create = create, .applyable = create != 0};
	CLEANUP_BUF struct buf b = {0};
	plan_summary_write(&s, &b);
	CLEANUP_FREE char *why = xstrdup(error), *summary = state == JOBS_DONE ? xstrdup(buf_str(&b)) : NULL, *diff = xasprintf("+   job = %lld\n", (long long)job);
	struct job_row j = {.id = job, .state = state, .error = why, .summary = summary, .diff = state == JOBS_DONE ? diff : NULL};
	store_must(job_finish(c, &j, store_job_state(c, job), &err), &err);
}

static void start(int64_t job)
{
	struct job_row j = {.id = job, .started_ms = clock_wall_ms(), .engine_version = (char[]){"terraform 1.11.4"}, .log = (char[]){"/logs/1.log"}};
	store_must(job_start(c, &j, &err), &err);
}

static void nothing_to_say(void **state)
{
	(void)state;
	assert_string_equal(comment(), ""); /* no run */
	for (int s = 0; s < RUN_STATES; s++) {
		store_exec(c, "DELETE FROM effect; DELETE FROM run");
		store_run_at(c, RUN_PLAN, 1, "abcdef0123", (enum run_state)s);
		bool quiet = s == RUN_QUEUED || s >= RUN_DONE;
		assert_int_equal(comment()[0] == '\0', quiet);
	}
	/* a comment that stands is kept up to date, whatever there is to say */
	store_exec(c, "DELETE FROM effect; DELETE FROM run");
	int64_t run = store_run_at(c, RUN_PLAN, 1, "abcdef0123", RUN_PREPARING);
	says(comment(), "`abcdef0`");
	store_exec(c, "UPDATE effect SET remote_id=5, state='done'");
	store_must(run_move(c, run, RUN_PREPARING, RUN_DONE, &err), &err);
	says(comment(), "no project");
	assert_int_equal(store_int(c, "SELECT count(*) FROM effect WHERE state='due'"), 1);
	/* an error or a broken configuration is always said */
	store_exec(c, "DELETE FROM effect");
	store_must(run_set_error(c, run, "the fetch failed: no route", &err), &err);
	says(comment(), "the fetch failed: no route");
}

static void waits_when_it_may(void **state)
{
	(void)state;
	store_run_at(c, RUN_PLAN, 1, "abcdef0123", RUN_PREPARING);
	store_must(comment_refresh(c, &ctx, STORE_REPO, 1, STORE_NOW + 500, &err), &err);
	assert_int_equal(store_int(c, "SELECT count(*) FROM effect"), 0); /* preparing alone may be over by then */
}

static void a_plan_in_its_phases(void **state)
{
	(void)state;
	int64_t run = store_run_at(c, RUN_PLAN, 1, "abcdef0123", RUN_WORKING);
	int64_t dns = store_job(c, run, "dns", PHASE_PLAN, JOBS_WAITING, "network"), net = store_job(c, run, "network", PHASE_PLAN, JOBS_READY, NULL);
	const char *body = comment();
	says(body, "`network`");
	says(body, "`dns`");
	says(body, "`abcdef0` into `main`");
	start(net);
	clock_fake_advance(12000);
	body = comment();
	says(body, "12 s");
	finish(net, JOBS_DONE, NULL, 2);
	store_must(job_release_waiting(c, run, &err), &err);
	body = comment();
	says(body, "2 to add");
	says(body, "+   job = ");
	start(dns);
	finish(dns, JOBS_FAILED, "dns/main.tf:14 Unsupported argument", 0);
	store_must(run_move(c, run, RUN_WORKING, RUN_DONE, &err), &err);
	store_must(run_add_note(c, run, "This pull request changes `sluice.yaml`: that takes effect after the merge.", &err), &err);
	body = comment();
	says(body, "Unsupported argument");
	says(body, "takes effect after the merge");
	says(body, "1 failed");
	says(body, "terraform 1.11.4");
	says(body, "bubblewrap, no network");
	CLEANUP_FREE char *token = xstrdup(store_text(c, "SELECT token FROM run", NULL)), *link = xasprintf("https://sluice.example.com/runs/%lld?k=%s", (long long)run, token);
	says(comment(), link);
	says_not(body, "To apply"); /* GitHub's facts are not there yet */
	struct gate_seen seen = {.facts = {.open = TRI_YES, .draft = TRI_NO, .merged = TRI_NO, .base_protected = TRI_YES, .mergeable = TRI_YES,
					   .reviews_read = TRI_YES, .checks_ok = TRI_YES}, .base_ref = (char[]){"main"}, .head_sha = (char[]){"abcdef0123"}};
	CLEANUP_BUF struct buf facts = {0};
	gate_facts_write(&seen, &facts);
	store_must(run_set_facts(c, run, buf_str(&facts), &err), &err);
	body = comment();
	says(body, "`dns`");
	says(body, "pply"); /* and what an apply needs */
}

/* An apply beside its plans: asked, refused, at work, over. */
static void an_apply_in_its_phases(void **state)
{
	(void)state;
	int64_t plan = store_run_at(c, RUN_PLAN, 1, "abcdef0123", RUN_WORKING), net = store_job(c, plan, "network", PHASE_PLAN, JOBS_READY, NULL);
	start(net);
	finish(net, JOBS_DONE, NULL, 2);
	store_must(run_move(c, plan, RUN_WORKING, RUN_DONE, &err), &err);
	int64_t apply = store_run_at(c, RUN_APPLY, 1, "abcdef0123", RUN_GATING);
	says(comment(), "2 to add"); /* the plans stay what people look at */
	store_must(run_set_gate(c, apply, "[{\"mark\":1,\"name\":\"approved\",\"brief\":\"1 approval is missing\",\"sentence\":\"1 approval is missing.\"}]", &err), &err);
	store_must(run_set_error(c, apply, "apply asked by @alice: refused, 1 approval is missing", &err), &err);
	store_must(run_move(c, apply, RUN_GATING, RUN_REFUSED, &err), &err);
	const char *body = comment();
	says(body, "refused, 1 approval is missing");
	says(body, "2 to add");
	says_not(body, "@alice"); /* nobody is called by a comment of ours */

	apply = store_run_at(c, RUN_APPLY, 1, "abcdef0123", RUN_WORKING);
	store_must(run_set_merge(c, apply, "feed0123456", true, &err), &err);
	int64_t job = store_job(c, apply, "network", PHASE_APPLY, JOBS_READY, NULL);
	start(job);
	body = comment();
	says(body, "applying");
	says(body, "`feed012`");
	finish(job, JOBS_DONE, NULL, 2);
	store_must(run_move(c, apply, RUN_WORKING, RUN_DONE, &err), &err);
	body = comment();
	says(body, "applied 1 of 1");
	says(body, "2 added");
	/* a plan made later says more */
	store_run_at(c, RUN_PLAN, 1, "0011223344", RUN_PREPARING);
	body = comment();
	says(body, "`0011223`");
	says_not(body, "applied 1 of 1");
}

static void an_unknown_outcome(void **state)
{
	(void)state;
	int64_t apply = store_run_at(c, RUN_APPLY, 1, "abcdef0123", RUN_WORKING), job = store_job(c, apply, "network", PHASE_APPLY, JOBS_READY, NULL);
	start(job);
	finish(job, JOBS_UNKNOWN, "The apply was interrupted and its outcome is unknown.", 0);
	store_must(run_move(c, apply, RUN_WORKING, RUN_DONE, &err), &err);
	const char *body = comment();
	says(body, "outcome");
	says(body, "unknown");
	says_not(body, "applied 1 of 1");
}

static void job_statuses(void **state)
{
	static const struct {
		enum job_state job;
		enum run_state run;
		const char *want; /* its beginning */
		int64_t wait;
	} rows[] = {
		{JOBS_WAITING, RUN_WORKING, "pending: ", 2000}, {JOBS_READY, RUN_WORKING, "pending: ", 2000}, {JOBS_RUNNING, RUN_WORKING, "pending: ", 2000},
		{JOBS_DONE, RUN_WORKING, "success: ", 1000},    {JOBS_FAILED, RUN_WORKING, "failure: ", 1000}, {JOBS_DONE, RUN_DONE, "success: ", 0},
		{JOBS_FAILED, RUN_DONE, "failure: ", 0},        {JOBS_REFUSED, RUN_DONE, "failure: ", 0},      {JOBS_UNKNOWN, RUN_DONE, "failure: ", 0},
		{JOBS_CANCELLED, RUN_DONE, "failure: ", 0},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run_row run = {.id = 5, .token = (char[]){"t"}, .repo_id = STORE_REPO, .repo = (char[]){"acme/infra"}, .pull = 1, .state = rows[i].run,
				      .head_sha = (char[]){"abc"}};
		struct job_row job = {.project = (char[]){"net"}, .state = rows[i].job};
		store_exec(c, "DELETE FROM effect");
		store_must(comment_job_status(c, &ctx, &run, &job, &err), &err);
		says(status("sluice/net"), rows[i].want);
		assert_int_equal(store_int(c, "SELECT max(not_before_ms) FROM effect"), rows[i].wait != 0 ? STORE_NOW + rows[i].wait : 0);
		assert_string_equal(store_text(c, "SELECT target_url FROM effect", NULL), "https://sluice.example.com/runs/5?k=t");
		assert_string_equal(store_text(c, "SELECT slot FROM effect", NULL), "status/77/abc/sluice/net");
	}
}

static void rollup(void **state)
{
	static const struct {
		enum run_state run;
		enum job_state jobs[3];
		size_t n;
		const char *want;
	} rows[] = {
		{RUN_PREPARING, {0}, 0, "pending: "},
		{RUN_WORKING, {JOBS_DONE, JOBS_RUNNING}, 2, "pending: "},
		{RUN_DONE, {JOBS_DONE, JOBS_DONE}, 2, "success: "},
		{RUN_DONE, {JOBS_DONE, JOBS_FAILED, JOBS_DONE}, 3, "failure: "},
		{RUN_DONE, {JOBS_REFUSED}, 1, "failure: "},
		{RUN_DONE, {JOBS_CANCELLED}, 1, "failure: "},
		{RUN_DONE, {JOBS_UNKNOWN}, 1, "failure: "},
		{RUN_DONE, {0}, 0, "success: no project is touched by this change"},
		{RUN_FAILED, {0}, 0, "failure: "},
		{RUN_CANCELLED, {0}, 0, "failure: "},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		store_exec(c, "DELETE FROM effect; DELETE FROM job; DELETE FROM run");
		int64_t id = store_run_at(c, RUN_PLAN, 1, "abcdef0123", rows[i].run);
		for (size_t k = 0; k < rows[i].n; k++)
			store_job(c, id, (const char *const[]){"a", "b", "c"}[k], PHASE_PLAN, rows[i].jobs[k], NULL);
		struct run_row run;
		store_must(run_get(c, id, &run, &err), &err);
		store_must(comment_rollup(c, &ctx, &run, &err), &err);
		says(status("sluice"), rows[i].want);
		assert_int_equal(store_int(c, "SELECT max(not_before_ms) FROM effect"), 0);
		run_row_free(&run);
	}
	struct run_row unread = {.id = 1, .state = RUN_FAILED}; /* no commit to say it of */
	store_exec(c, "DELETE FROM effect");
	store_must(comment_rollup(c, &ctx, &unread, &err), &err);
	assert_int_equal(store_int(c, "SELECT count(*) FROM effect"), 0);
}

/* "STATUS CONCLUSION EXTERNAL_ID: TITLE" of a check as it is owed. */
static const char *check(const char *name)
{
	return store_text(c, "SELECT status||' '||coalesce(conclusion,'-')||' '||external_id||': '||description FROM effect WHERE kind=3 AND context=?", name);
}

static void job_checks(void **state)
{
	static const struct {
		enum job_state job;
		const char *error, *want;
	} rows[] = {
		{JOBS_WAITING, NULL, "queued - job 9: queued"},
		{JOBS_READY, NULL, "queued - job 9: queued"},
		{JOBS_RUNNING, NULL, "in_progress - job 9: running"},
		{JOBS_DONE, NULL, "completed success job 9: planned"},
		{JOBS_FAILED, "a.tf:3: broken", "completed failure job 9: failed"},
		{JOBS_FAILED, "stopped after 600 s, the time limit of this phase", "completed timed_out job 9: failed"},
		{JOBS_REFUSED, "no", "completed action_required job 9: refused"},
		{JOBS_UNKNOWN, "lost", "completed failure job 9: interrupted: outcome unknown"},
		{JOBS_CANCELLED, NULL, "completed cancelled job 9: cancelled"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run_row run = {.id = 5, .token = (char[]){"t"}, .repo_id = STORE_REPO, .repo = (char[]){"acme/infra"}, .pull = 1, .state = RUN_WORKING,
				      .head_sha = (char[]){"abc"}};
		CLEANUP_FREE char *error = rows[i].error != NULL ? xstrdup(rows[i].error) : NULL;
		struct job_row job = {.id = 9, .project = (char[]){"net"}, .state = rows[i].job, .error = error};
		store_exec(c, "DELETE FROM effect");
		store_must(comment_job_status(c, &app, &run, &job, &err), &err);
		if (strncmp(check("sluice/net"), rows[i].want, strlen(rows[i].want)) != 0)
			fail_msg("row %zu: %s", i, check("sluice/net"));
		assert_string_equal(store_text(c, "SELECT slot FROM effect", NULL), "check/77/abc/sluice/net");
		assert_string_equal(store_text(c, "SELECT target_url FROM effect", NULL), "https://sluice.example.com/runs/5?k=t");
		bool waits = rows[i].job <= JOBS_RUNNING;
		assert_int_equal(store_int(c, "SELECT not_before_ms FROM effect"), STORE_NOW + (waits ? 2000 : 1000));
		assert_int_equal(store_int(c, "SELECT annotations_n FROM effect"), i == 4);
	}
}

/* The diff of a finished plan stands in its own check. */
static void a_check_has_its_diff(void **state)
{
	(void)state;
	int64_t id = store_run_at(c, RUN_PLAN, 1, "abcdef0123", RUN_WORKING), net = store_job(c, id, "network", PHASE_PLAN, JOBS_READY, NULL);
	start(net);
	finish(net, JOBS_DONE, NULL, 2);
	struct run_row run;
	struct job_row job;
	store_must(run_get(c, id, &run, &err), &err);
	store_must(job_get(c, net, &job, &err), &err);
	store_must(comment_job_status(c, &app, &run, &job, &err), &err);
	says(store_text(c, "SELECT details FROM effect", NULL), "+   job = ");
	says(store_text(c, "SELECT body FROM effect", NULL), "| `network` | 2 to add |");
	says(store_text(c, "SELECT actions FROM effect", NULL), "\"identifier\":\"plan\"");
	job_row_free(&job);
	run_row_free(&run);
}

static void rollup_checks(void **state)
{
	static const struct {
		enum run_kind kind;
		enum run_state run;
		enum job_state jobs[3];
		size_t n;
		const char *only;
		bool after_merge;
		const char *want; /* its beginning; "" for nothing said */
	} rows[] = {
		{RUN_PLAN, RUN_READING, {0}, 0, NULL, false, "queued - run "},
		{RUN_PLAN, RUN_PREPARING, {0}, 0, NULL, false, "in_progress - run "},
		{RUN_PLAN, RUN_WORKING, {JOBS_DONE, JOBS_RUNNING}, 2, NULL, false, "in_progress - run "},
		{RUN_PLAN, RUN_DONE, {JOBS_DONE, JOBS_DONE}, 2, NULL, false, "completed success run "},
		{RUN_PLAN, RUN_DONE, {JOBS_DONE, JOBS_FAILED, JOBS_REFUSED}, 3, NULL, false, "completed failure run "},
		{RUN_PLAN, RUN_DONE, {JOBS_REFUSED, JOBS_DONE}, 2, NULL, false, "completed action_required run "},
		{RUN_PLAN, RUN_DONE, {JOBS_CANCELLED}, 1, NULL, false, "completed cancelled run "},
		{RUN_PLAN, RUN_DONE, {0}, 0, NULL, false, "completed success run 1: no project is touched by this change"},
		{RUN_PLAN, RUN_DONE, {JOBS_DONE}, 1, "{\"projects\":[\"a\"]}", false, "in_progress - run 1: some projects are not planned: comment plan"},
		{RUN_PLAN, RUN_DONE, {JOBS_FAILED}, 1, "{\"projects\":[\"a\"]}", false, "completed failure run "},
		{RUN_PLAN, RUN_FAILED, {0}, 0, NULL, false, "completed failure run "},
		{RUN_PLAN, RUN_REFUSED, {0}, 0, NULL, false, "completed action_required run "},
		{RUN_PLAN, RUN_CANCELLED, {0}, 0, NULL, false, "completed cancelled run "},
		{RUN_PLAN, RUN_SUPERSEDED, {0}, 0, NULL, false, "completed cancelled run 1: superseded: a newer commit is planned instead"},
		{RUN_APPLY, RUN_WORKING, {JOBS_RUNNING}, 1, NULL, false, "in_progress - run "},
		{RUN_APPLY, RUN_DONE, {JOBS_DONE, JOBS_DONE}, 2, NULL, false, "completed success run 1: applied "},
		{RUN_APPLY, RUN_DONE, {JOBS_DONE, JOBS_UNKNOWN}, 2, NULL, false, "completed failure run 1: 1 apply interrupted: outcome unknown"},
		{RUN_APPLY, RUN_DONE, {0}, 0, NULL, false, "completed action_required run 1: nothing was applied: no plan stands for this commit"},
		{RUN_APPLY, RUN_DONE, {0}, 0, NULL, true, ""},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		store_exec(c, "DELETE FROM effect; DELETE FROM job; DELETE FROM run; DELETE FROM sqlite_sequence");
		int64_t id = store_run_at(c, rows[i].kind, 1, "abcdef0123", rows[i].run);
		for (size_t k = 0; k < rows[i].n; k++)
			store_job(c, id, (const char *const[]){"a", "b", "c"}[k], rows[i].kind == RUN_PLAN ? PHASE_PLAN : PHASE_APPLY, rows[i].jobs[k], NULL);
		store_must(run_set_only(c, id, rows[i].only, &err), &err);
		struct run_row run;
		store_must(run_get(c, id, &run, &err), &err);
		run.after_merge = rows[i].after_merge;
		store_must(comment_rollup(c, &app, &run, &err), &err);
		if (strncmp(check("sluice"), rows[i].want, strlen(rows[i].want)) != 0 || (rows[i].want[0] == '\0' && check("sluice")[0] != '\0'))
			fail_msg("row %zu: %s", i, check("sluice"));
		run_row_free(&run);
	}
}

/* A push while a plan is at work: everything that the old commit was told to be pending ends, what was finished stays. */
static void superseded_ends(void **state)
{
	(void)state;
	for (int checks = 0; checks < 2; checks++) {
		const struct comment_context *how = checks ? &app : &ctx;
		store_exec(c, "DELETE FROM effect; DELETE FROM job; DELETE FROM run; DELETE FROM sqlite_sequence");
		int64_t old = store_run_at(c, RUN_PLAN, 1, "aaaa", RUN_WORKING);
		int64_t done = store_job(c, old, "done", PHASE_PLAN, JOBS_READY, NULL);
		start(done);
		finish(done, JOBS_DONE, NULL, 2);
		store_job(c, old, "ready", PHASE_PLAN, JOBS_READY, NULL);
		start(store_job(c, old, "running", PHASE_PLAN, JOBS_READY, NULL));
		struct run_row run;
		struct job_list jobs;
		store_must(run_get(c, old, &run, &err), &err);
		store_must(job_list_of_run(c, old, &jobs, &err), &err);
		for (size_t i = 0; i < jobs.n; i++)
			store_must(comment_job_status(c, how, &run, &jobs.v[i], &err), &err);
		store_must(comment_rollup(c, how, &run, &err), &err);
		store_must(comment_end_superseded(c, how, &run, &err), &err); /* it is at work: nothing ends */
		assert_int_equal(store_int(c, "SELECT count(*) FROM effect WHERE status IN('pending','queued','in_progress')"), 3);
		job_list_free(&jobs);
		run_row_free(&run);
		int64_t new = store_run_at(c, RUN_PLAN, 1, "bbbb", RUN_PREPARING);
		store_must(run_get(c, new, &run, &err), &err);
		store_must(comment_end_older(c, how, STORE_REPO, 1, &run, &err), &err);
		assert_int_equal(store_int(c, "SELECT count(*) FROM effect WHERE status IN('pending','queued','in_progress')"), 0);
		assert_int_equal(store_int(c, "SELECT count(*) FROM effect WHERE description='superseded: a newer commit is planned instead'"), 3);
		assert_string_equal(store_text(c, "SELECT group_concat(context, ' ') FROM (SELECT context FROM effect WHERE status='success' OR"
						  " conclusion='success' ORDER BY context)", NULL), "sluice/done");
		store_exec(c, "UPDATE effect SET state='done'");
		store_must(comment_end_older(c, how, STORE_REPO, 1, &run, &err), &err); /* once */
		assert_int_equal(store_int(c, "SELECT count(*) FROM effect WHERE state='due'"), 0);
		run_row_free(&run);
	}
}

/* `plan` again on the same commit: the newer run speaks in the same slots, so the older one stays silent. */
static void the_same_commit_is_spoken_for(void **state)
{
	(void)state;
	struct run_row run;
	int64_t old = store_run_at(c, RUN_PLAN, 1, "aaaa", RUN_WORKING);
	store_must(run_get(c, old, &run, &err), &err);
	store_must(comment_rollup(c, &app, &run, &err), &err);
	run_row_free(&run);
	int64_t new = store_run_at(c, RUN_PLAN, 1, "aaaa", RUN_PREPARING);
	store_must(run_get(c, new, &run, &err), &err);
	store_must(comment_end_older(c, &app, STORE_REPO, 1, &run, &err), &err);
	says(check("sluice"), "in_progress");
	run_row_free(&run);
	/* closed: both end */
	store_must(run_supersede(c, STORE_REPO, 1, 0, RUN_CANCELLED, &err), &err);
	store_must(comment_end_older(c, &app, STORE_REPO, 1, NULL, &err), &err);
	says(check("sluice"), "completed cancelled");
}

/* `plan -p a` while a plan of everything is under way: what that one did not get to is not left pending. */
static void leftovers(void **state)
{
	(void)state;
	struct run_row run;
	struct job_row job;
	int64_t old = store_run_at(c, RUN_PLAN, 1, "aaaa", RUN_WORKING), b = store_job(c, old, "b", PHASE_PLAN, JOBS_READY, NULL);
	store_must(run_get(c, old, &run, &err), &err);
	store_must(job_get(c, b, &job, &err), &err);
	store_must(comment_job_status(c, &app, &run, &job, &err), &err);
	says(check("sluice/b"), "queued");
	job_row_free(&job);
	run_row_free(&run);
	int64_t new = store_run_at(c, RUN_PLAN, 1, "aaaa", RUN_DONE);
	store_job(c, new, "a", PHASE_PLAN, JOBS_DONE, NULL);
	store_must(run_set_only(c, new, "{\"projects\":[\"a\"]}", &err), &err);
	store_must(run_supersede(c, STORE_REPO, 1, new, RUN_SUPERSEDED, &err), &err);
	store_must(run_get(c, new, &run, &err), &err);
	store_must(comment_rollup(c, &app, &run, &err), &err);
	says(check("sluice/b"), "completed cancelled");
	run_row_free(&run);
}

static void replies_once(void **state)
{
	(void)state;
	store_must(comment_reply(c, STORE_REPO, "acme/infra", 1, 900, "Released.", &err), &err);
	store_must(comment_reply(c, STORE_REPO, "acme/infra", 1, 900, "Other words.", &err), &err);
	store_must(comment_reply(c, STORE_REPO, "acme/infra", 1, 901, "Second.", &err), &err);
	assert_string_equal(store_text(c, "SELECT group_concat(slot||'='||body, ' ') FROM effect", NULL), "reply/77/900=Released. reply/77/901=Second.");
}

static void the_gate_column(void **state)
{
	struct gate_facts f = {.open = TRI_YES, .draft = TRI_NO, .approvals_needed = 1};
	struct gate_verdict v, back;
	CLEANUP_BUF struct buf b = {0};
	(void)state;
	gate_evaluate(&f, &v);
	comment_gate_write(&v, &b);
	comment_gate_read(buf_str(&b), &back);
	assert_int_equal(back.n, v.n);
	assert_int_equal(back.open, v.open);
	for (size_t i = 0; i < v.n; i++) {
		assert_int_equal(back.items[i].mark, v.items[i].mark);
		assert_string_equal(back.items[i].name, v.items[i].name);
		if (v.items[i].sentence != NULL)
			assert_string_equal(back.items[i].sentence, v.items[i].sentence);
	}
	gate_verdict_free(&v);
	gate_verdict_free(&back);
	static const char *const damaged[] = {"", "{", "[{}]", "[{\"mark\":9,\"name\":\"x\"}]", "[1]"};
	for (size_t i = 0; i < ARRAY_LEN(damaged); i++) {
		comment_gate_read(damaged[i], &back);
		assert_int_equal(back.n, 0);
		gate_verdict_free(&back);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_to_say), T(waits_when_it_may), T(a_plan_in_its_phases), T(an_apply_in_its_phases), T(an_unknown_outcome), T(job_statuses), T(rollup),
		T(job_checks), T(a_check_has_its_diff), T(rollup_checks), T(superseded_ends), T(leftovers), T(the_same_commit_is_spoken_for),
		T(replies_once), T(the_gate_column),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
