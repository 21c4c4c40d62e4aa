/* Jobs as rows: order and limits, dependencies, results, and a plan that is used once. */
#include "base/clock.h"
#include "plan/job_plan.h"
#include "tests/support/store_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static struct db_conn *c;
static struct err err;

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

static void a_row_comes_back(void **state)
{
	int64_t run = store_run(c, RUN_PLAN, 9), id;
	struct job_row j = {.run_id = run, .repo_id = 5000000000, .pull = 9, .phase = PHASE_APPLY, .state = JOBS_READY, .project = (char[]){"a"},
			    .dir = (char[]){"."}, .workspace = (char[]){"w"}, .backend = (char[]){"s3"}, .reason = (char[]){"r"}, .inputs = (char[]){"i"},
			    .error = (char[]){"e"}, .engine = ENGINE_OPENTOFU, .apply = APPLY_ON_MERGE, .needs_init = true, .managed_state = true,
			    .deleted = true, .requires_approved = true, .requires_up_to_date = true, .approvals = 2, .depends_on = (char[]){"x\ny"},
			    .plan_job = 5, .plan_sha256 = (char[]){"p"}, .summary = (char[]){"{}"}};
	struct job_row r;
	(void)state;
	store_must(job_create(c, &j, &id, &err), &err);
	assert_int_equal(job_create(c, &j, &id, &err), ERR_CONFLICT); /* a project once in a run */
	store_must(job_get(c, id, &r, &err), &err);
	assert_int_equal(r.repo_id, 5000000000);
	assert_int_equal(r.phase, PHASE_APPLY);
	assert_int_equal(r.engine, ENGINE_OPENTOFU);
	assert_int_equal(r.apply, APPLY_ON_MERGE);
	assert_true(r.needs_init && r.managed_state && r.deleted && r.requires_approved && r.requires_up_to_date && !r.requires_checks);
	assert_int_equal(r.approvals, 2);
	assert_int_equal(r.plan_job, 5);
	assert_int_equal(r.used_by + r.started_ms + r.finished_ms + r.attempts + r.state_serial, 0);
	assert_false(r.has_key);
	const struct {
		const char *got, *want;
	} rows[] = {{r.project, "a"}, {r.dir, "."}, {r.workspace, "w"}, {r.backend, "s3"}, {r.reason, "r"}, {r.inputs, "i"}, {r.error, "e"},
		    {r.depends_on, "x\ny"}, {r.plan_sha256, "p"}, {r.summary, "{}"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(rows[i].got, rows[i].want);
	assert_null(r.step);
	job_row_free(&r);
	assert_int_equal(job_get(c, 999, &r, &err), ERR_NOT_FOUND);
	struct job_row stray = {.run_id = 999, .project = (char[]){"a"}, .dir = (char[]){"a"}, .workspace = (char[]){"d"}};
	assert_int_equal(job_create(c, &stray, &id, &err), ERR_CONFLICT); /* of no run */
	for (int s = 0; s < JOBS_STATES; s++)
		assert_non_null(job_state_name((enum job_state)s));
}

static void start(int64_t id, const char *version)
{
	struct job_row j = {.id = id, .started_ms = STORE_NOW, .engine_version = xstrdup(version), .log = (char[]){"/logs/1.log"}, .engine = ENGINE_TERRAFORM};
	memset(j.key_wrapped, 7, sizeof(j.key_wrapped));
	store_must(job_start(c, &j, &err), &err);
	assert_int_equal(job_start(c, &j, &err), ERR_CONFLICT);
	free(j.engine_version);
}

/* What is known of its box: the first half when it is made, the other when it has ended. */
static void a_box_comes_back(void **state)
{
	int64_t run = store_run(c, RUN_PLAN, 9), id;
	struct job_row j = {.run_id = run, .repo_id = 1, .pull = 9, .phase = PHASE_PLAN, .state = JOBS_READY, .project = (char[]){"a"},
			    .dir = (char[]){"."}, .workspace = (char[]){"w"}, .engine = ENGINE_NONE, .sandbox = (char[]){"compat"},
			    .egress_plan = (char[]){"a:443\nb:443"}, .egress_apply = (char[]){""}, .args = (char[]){"-refresh-only"},
			    .told = (char[]){"[]"}, .lock_id = (char[]){"l"}, .modules = (char[]){"m"}};
	struct job_row r;
	(void)state;
	store_must(job_create(c, &j, &id, &err), &err);
	start(id, "terraform 1.11.4");
	struct job_row end = {.id = id, .state = JOBS_FAILED, .isolation = (char[]){"full"}, .breach = (char[]){"memory"}, .peak_memory = 5000000000,
			      .cpu_ms = 7, .connections = 8, .connections_refused = 9, .modules = (char[]){"fetched"}};
	store_must(job_finish(c, &end, JOBS_RUNNING, &err), &err);
	store_must(job_get(c, id, &r, &err), &err);
	const struct {
		const char *got, *want;
	} rows[] = {{r.sandbox, "compat"}, {r.egress_plan, "a:443\nb:443"}, {r.egress_apply, ""}, {r.args, "-refresh-only"}, {r.told, "[]"},
		    {r.lock_id, "l"}, {r.modules, "fetched"}, {r.isolation, "full"}, {r.breach, "memory"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(rows[i].got, rows[i].want);
	assert_int_equal(r.peak_memory, 5000000000);
	assert_int_equal(r.cpu_ms + 10 * r.connections + 100 * r.connections_refused, 987);
	job_row_free(&r);
	id = store_job(c, run, "b", PHASE_PLAN, JOBS_READY, NULL);
	store_must(job_get(c, id, &r, &err), &err);
	assert_string_equal(r.sandbox, "strict");
	assert_true(r.egress_plan == NULL && r.told == NULL && r.breach == NULL);
	job_row_free(&r);
}

static void a_life(void **state)
{
	int64_t id = store_job(c, store_run(c, RUN_PLAN, 1), "a", PHASE_PLAN, JOBS_READY, NULL);
	struct job_row r;
	(void)state;
	start(id, "terraform 1.11.4");
	store_must(job_again(c, id, &err), &err); /* its runner was lost */
	assert_int_equal(job_again(c, id, &err), ERR_CONFLICT);
	start(id, "terraform 1.11.4");
	store_must(job_get(c, id, &r, &err), &err);
	assert_int_equal(r.attempts, 2);
	assert_int_equal(r.engine, ENGINE_TERRAFORM);
	assert_true(r.has_key && r.key_wrapped[59] == 7);
	assert_string_equal(r.engine_version, "terraform 1.11.4");
	job_row_free(&r);
	clock_fake_advance(1500);
	struct job_row end = {.id = id, .state = JOBS_DONE, .step = (char[]){"show"}, .summary = (char[]){"{\"v\":1}"}, .diff = (char[]){"+ a\n+ b\n"},
			      .plan_sha256 = (char[]){"sha"}, .state_serial = 3};
	store_must(job_finish(c, &end, JOBS_RUNNING, &err), &err);
	assert_int_equal(job_finish(c, &end, JOBS_RUNNING, &err), ERR_CONFLICT);
	store_must(job_get(c, id, &r, &err), &err);
	assert_int_equal(r.state, JOBS_DONE);
	assert_int_equal(r.finished_ms, STORE_NOW + 1500);
	assert_int_equal(r.state_serial, 3);
	assert_string_equal(r.step, "show");
	assert_string_equal(r.summary, "{\"v\":1}");
	assert_null(r.diff); /* only when it is asked for */
	job_row_free(&r);
	static const struct {
		size_t max;
		const char *want;
	} rows[] = {{100, "+ a\n+ b\n"}, {3, "+ a"}, {0, ""}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *diff = NULL;
		store_must(job_diff(c, id, rows[i].max, &diff, &err), &err);
		assert_string_equal(diff, rows[i].want);
	}
	CLEANUP_FREE char *none = (char *)1;
	store_must(job_diff(c, 999, 100, &none, &err), &err);
	assert_null(none);
}

/* Jobs are named by pull and phase; the picks follow from what runs already. */
static void order_and_limits(void **state)
{
	struct job_row r;
	(void)state;
	store_exec(c, "INSERT INTO run(id,token,repo_id,repo,pull,kind,state,created_ms) VALUES(1,'t',1,'a/a',1,'plan','working',1),"
		      "(2,'t',2,'b/b',1,'plan','working',1)");
	static const char *const jobs[] = {"(10,1,1,1,'plan','ready','a'", "(11,1,1,1,'plan','ready','b'", "(12,2,2,1,'plan','ready','a'",
					   "(13,1,1,1,'apply','ready','c'", "(14,2,2,1,'apply','waiting','d'", "(15,2,2,1,'plan','ready','e'"};
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		CLEANUP_FREE char *sql = xasprintf("INSERT INTO job(id,run_id,repo_id,pull,phase,state,project,dir,workspace,engine,apply,needs_init,"
						   "managed_state,deleted,requires,approvals,rank) VALUES%s,'.','default','','on_comment',0,0,0,0,0,%d)",
						   jobs[i], strstr(jobs[i], "apply") == NULL);
		store_exec(c, sql);
	}
	/* an apply first; then the repository with less at work, then the older */
	static const int64_t want[] = {13, 12, 10, 15, 11, 0};
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		int rc = job_next_ready(c, 100, 100, &r, &err);
		assert_int_equal(rc, want[i] != 0 ? 0 : ERR_NOT_FOUND);
		if (rc != 0)
			break;
		assert_int_equal(r.id, want[i]);
		job_row_free(&r);
		start(want[i], "v");
	}
	int64_t n;
	store_must(job_count_in_state(c, 0, JOBS_RUNNING, &n, &err), &err);
	assert_int_equal(n, 5);
	store_must(job_count_in_state(c, 2, JOBS_RUNNING, &n, &err), &err);
	assert_int_equal(n, 2);
	store_must(job_count_open(c, 2, &n, &err), &err);
	assert_int_equal(n, 3);
	store_exec(c, "UPDATE job SET state='ready' WHERE id IN(10,12)"); /* now 2 run in repository 1 and 1 in the other */
	assert_int_equal(job_next_ready(c, 1, 100, &r, &err), ERR_NOT_FOUND);
	store_must(job_next_ready(c, 2, 100, &r, &err), &err);
	assert_int_equal(r.id, 12);
	job_row_free(&r);
	struct job_list running = {0};
	store_must(job_list_in_state(c, JOBS_RUNNING, &running, &err), &err);
	assert_int_equal(running.n, 3);
	assert_int_equal(running.v[0].id, 11);
	job_list_free(&running);
}

/* n ready jobs of a person in a repository; its run has the id of the repository. */
static void queue(int64_t repo, const char *person, int n, int rank)
{
	store_must(db_run(c, &err, "INSERT OR IGNORE INTO run(id,token,repo_id,repo,pull,kind,state,created_ms) VALUES(?1,'t',?1,'a/a',1,'plan','working',1)",
			  "i", repo), &err);
	store_must(db_run(c, &err,
			  "WITH RECURSIVE n(i) AS(SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<?3) INSERT INTO job(run_id,repo_id,pull,phase,state,project,dir,"
			  "workspace,engine,apply,needs_init,managed_state,deleted,requires,approvals,rank,asker) SELECT ?1,?1,1,'plan','ready',"
			  "coalesce(?2,'')||?4||'-'||i,'.','default','','on_comment',0,0,0,0,0,?4,coalesce(?2,'') FROM n",
			  "isii", repo, person, (int64_t)n, (int64_t)rank), &err);
}

/* Starts the next job; "REPOSITORY PERSON", "" when none may start. */
static const char *next(int64_t per_repository, int64_t per_person, int64_t *ret_id)
{
	static char text[64];
	struct job_row r = {0};
	int rc = job_next_ready(c, per_repository, per_person, &r, &err);
	if (rc == ERR_NOT_FOUND)
		return "";
	store_must(rc, &err);
	clock_fake_advance(5);
	r.started_ms = clock_wall_ms();
	store_must(job_start(c, &r, &err), &err);
	(void)snprintf(text, sizeof(text), "%lld %s", (long long)r.repo_id, r.asker != NULL ? r.asker : "-");
	*ret_id = r.id;
	job_row_free(&r);
	return text;
}

static void end(int64_t id) { store_must(db_run(c, &err, "UPDATE job SET state='done' WHERE id=?", "i", id), &err); }

/* Who starts when, slot by slot: one job ends before the next may start. */
static void one_slot(const char *const *want, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int64_t id = 0;
		assert_string_equal(next(100, 100, &id), want[i]);
		end(id);
	}
}

/* A thousand jobs of one repository, or of one person, do not hold up the one job of another. */
static void fair(void **state)
{
	int64_t id;
	(void)state;
	queue(1, "alice", 1000, 1);
	assert_string_equal(next(100, 100, &id), "1 alice");
	queue(2, "bob", 1, 1);
	assert_string_equal(next(100, 100, &id), "2 bob"); /* beside one at work */
	store_exec(c, "UPDATE job SET state='done' WHERE state='running'");
	queue(3, "carol", 1, 1);
	queue(1, "dave", 2, 1);
	/* one slot: a repository that never had a turn, then the one whose turn is longest ago; in it, the person likewise */
	static const char *const want[] = {"3 carol", "1 dave", "1 alice", "1 dave", "1 alice", "1 alice"};
	one_slot(want, ARRAY_LEN(want));
	queue(4, "erin", 3, 2);
	queue(4, "erin", 1, 0);
	queue(5, "frank", 1, 2);
	static const char *const ranked[] = {"4 erin", "1 alice", "1 alice"}; /* an apply first; a drift check last */
	one_slot(ranked, ARRAY_LEN(ranked));
	store_exec(c, "UPDATE job SET state='done' WHERE rank=1");
	static const char *const drift[] = {"5 frank", "4 erin", "4 erin", "4 erin"};
	one_slot(drift, ARRAY_LEN(drift));
	assert_string_equal(next(100, 100, &id), "");
}

/* No order of ends and starts lets anybody wait for longer than everybody else has had a turn. */
static void nobody_starves(void **state)
{
	enum { REPOS = 5, PEOPLE = 4, SLOTS = 3, TURNS = 400 };
	static const char *const people[PEOPLE] = {"a", "b", "c", "d"};
	int64_t slots[SLOTS] = {0};
	int had[REPOS + 1] = {0}, of[PEOPLE] = {0};
	unsigned seed = 7;
	(void)state;
	for (int r = 1; r <= REPOS; r++)
		for (int p = 0; p < PEOPLE; p++)
			queue(r, people[p], r == 1 ? 300 : 40, 1);
	for (int turn = 0; turn < TURNS; turn++) {
		seed = seed * 1103515245 + 12345;
		int64_t *slot = &slots[(seed >> 16) % SLOTS];
		if (*slot != 0)
			end(*slot);
		*slot = 0;
		const char *who = next(2, 2, slot);
		if (who[0] == '\0')
			continue; /* everybody who waits is at a limit */
		had[who[0] - '0']++;
		of[who[2] - 'a']++;
	}
	for (int r = 1; r <= REPOS; r++)
		assert_in_range(had[r], TURNS / REPOS - 5, TURNS / REPOS + 5);
	for (int p = 0; p < PEOPLE; p++)
		assert_in_range(of[p], TURNS / PEOPLE - 20, TURNS / PEOPLE + 20);
}

static void limits_of_people(void **state)
{
	int64_t id, first;
	(void)state;
	queue(1, "alice", 5, 1);
	queue(2, "alice", 5, 1);
	assert_string_equal(next(9, 2, &first), "1 alice");
	assert_string_equal(next(9, 2, &id), "2 alice");
	assert_string_equal(next(9, 2, &id), ""); /* two at work, in whichever repositories */
	queue(1, "bob", 1, 1);
	queue(1, NULL, 2, 1); /* nobody's: only the repository's limit holds */
	assert_string_equal(next(9, 2, &id), "1 bob");
	assert_string_equal(next(9, 2, &id), "1 -");
	assert_string_equal(next(9, 2, &id), "1 -");
	assert_string_equal(next(9, 2, &id), "");
	end(first);
	assert_string_equal(next(3, 2, &id), "2 alice"); /* repository 1 is at its limit of three */
}

static double now_ms(void)
{
	struct timespec t;
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Ten thousand that are ready: the figure is printed, and the ceiling leaves room for sanitizers and a busy machine. */
static void many(void **state)
{
	struct job_row r;
	(void)state;
	store_exec(c, "BEGIN");
	for (int repo = 1; repo <= 100; repo++)
		for (int person = 0; person < 4; person++) {
			char name[16];
			(void)snprintf(name, sizeof(name), "p%d", (repo * 7 + person * 13) % 200);
			queue(repo, name, 25, 1);
		}
	store_exec(c, "UPDATE job SET state='done', started_ms=id WHERE id%20=0 AND state='ready'");
	for (int i = 0; i < 8; i++) {
		int64_t id;
		assert_true(next(2, 2, &id)[0] != '\0');
	}
	double best = 1e9;
	for (int i = 0; i < 20; i++) {
		double from = now_ms();
		store_must(job_next_ready(c, 2, 2, &r, &err), &err);
		double took = now_ms() - from;
		best = took < best ? took : best;
		job_row_free(&r);
	}
	store_exec(c, "COMMIT");
	assert_int_equal(store_int(c, "SELECT count(*) FROM job WHERE state='ready'"), 9500 - 8);
	print_message("the next of 9,492 ready jobs is found in %.2f ms\n", best);
	assert_true(best < 20);
}

struct node {
	const char *name, *depends;
	enum job_state is, becomes;
	const char *error; /* a part of it */
};

static void release(const struct node *nodes, size_t n)
{
	int64_t run = store_run(c, RUN_PLAN, 1), ids[8];
	for (size_t i = 0; i < n; i++)
		ids[i] = store_job(c, run, nodes[i].name, PHASE_PLAN, nodes[i].is, nodes[i].depends);
	store_must(job_release_waiting(c, run, &err), &err);
	for (size_t i = 0; i < n; i++) {
		struct job_row r;
		store_must(job_get(c, ids[i], &r, &err), &err);
		if (r.state != nodes[i].becomes)
			fail_msg("%s is %s", r.project, job_state_name(r.state));
		if (nodes[i].error != NULL)
			assert_non_null(strstr(r.error, nodes[i].error));
		assert_int_equal(r.finished_ms != 0, nodes[i].error != NULL);
		job_row_free(&r);
	}
}
#define RELEASE(...)                                                                                                                       \
	do {                                                                                                                               \
		static const struct node nodes[] = {__VA_ARGS__};                                                                          \
		release(nodes, ARRAY_LEN(nodes));                                                                                          \
	} while (0)

static void dependencies(void **state)
{
	(void)state;
	RELEASE({"a", NULL, JOBS_DONE, JOBS_DONE, NULL}, {"b", "a", JOBS_WAITING, JOBS_READY, NULL});
	RELEASE({"a", NULL, JOBS_RUNNING, JOBS_RUNNING, NULL}, {"b", "a", JOBS_WAITING, JOBS_WAITING, NULL});
	RELEASE({"a", NULL, JOBS_DONE, JOBS_DONE, NULL}, {"b", NULL, JOBS_READY, JOBS_READY, NULL}, {"c", "a\nb", JOBS_WAITING, JOBS_WAITING, NULL});
	RELEASE({"b", "elsewhere", JOBS_WAITING, JOBS_READY, NULL}); /* not part of the run */
	RELEASE({"a1", NULL, JOBS_RUNNING, JOBS_RUNNING, NULL}, {"b", "a", JOBS_WAITING, JOBS_READY, NULL}); /* whole names */
	/* a chain behind a failure, whatever its order by name */
	RELEASE({"a", "b", JOBS_WAITING, JOBS_REFUSED, "`b`"}, {"b", "c", JOBS_WAITING, JOBS_REFUSED, "`c`"},
		{"c", "d", JOBS_WAITING, JOBS_REFUSED, "`d`, which it depends on, did not succeed"}, {"d", NULL, JOBS_FAILED, JOBS_FAILED, NULL},
		{"e", "d\nf", JOBS_WAITING, JOBS_WAITING, NULL}, {"f", NULL, JOBS_RUNNING, JOBS_RUNNING, NULL});
	RELEASE({"a", "b", JOBS_WAITING, JOBS_WAITING, NULL}, {"b", "c", JOBS_WAITING, JOBS_READY, NULL}, {"c", NULL, JOBS_DONE, JOBS_DONE, NULL});
	static const enum job_state bad[] = {JOBS_FAILED, JOBS_CANCELLED, JOBS_REFUSED, JOBS_UNKNOWN};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct node nodes[] = {{"a", NULL, bad[i], bad[i], NULL}, {"b", "a", JOBS_WAITING, JOBS_REFUSED, "`a`"}};
		release(nodes, 2);
	}
}

static void ends_what_is_open(void **state)
{
	int64_t run = store_run(c, RUN_APPLY, 1), ids[JOBS_STATES];
	(void)state;
	for (int s = 0; s < JOBS_STATES; s++)
		ids[s] = store_job(c, run, job_state_name((enum job_state)s), PHASE_APPLY, (enum job_state)s, NULL);
	store_must(job_end_open(c, run, JOBS_CANCELLED, "why", &err), &err);
	for (int s = 0; s < JOBS_STATES; s++) {
		bool ended = s == JOBS_WAITING || s == JOBS_READY;
		assert_int_equal(store_job_state(c, ids[s]), ended ? JOBS_CANCELLED : (enum job_state)s);
	}
	assert_int_equal(store_int(c, "SELECT count(*) FROM job WHERE error='why'"), 2);
	struct job_list l = {0};
	store_must(job_list_of_run(c, run, &l, &err), &err);
	assert_int_equal(l.n, JOBS_STATES);
	for (size_t i = 1; i < l.n; i++)
		assert_true(strcmp(l.v[i - 1].project, l.v[i].project) < 0); /* by name */
	job_list_free(&l);
}

static void newest_of_a_head(void **state)
{
	struct job_list l = {0};
	(void)state;
	int64_t first = store_run_at(c, RUN_PLAN, 1, "aaa", RUN_DONE);
	store_job(c, first, "a", PHASE_PLAN, JOBS_DONE, NULL);
	int64_t b = store_job(c, first, "b", PHASE_PLAN, JOBS_FAILED, NULL);
	int64_t second = store_run_at(c, RUN_PLAN, 1, "aaa", RUN_DONE);
	int64_t a = store_job(c, second, "a", PHASE_PLAN, JOBS_DONE, NULL); /* `plan -p a` */
	store_job(c, store_run_at(c, RUN_PLAN, 1, "bbb", RUN_DONE), "b", PHASE_PLAN, JOBS_DONE, NULL);
	store_job(c, store_run_at(c, RUN_APPLY, 1, "aaa", RUN_DONE), "a", PHASE_APPLY, JOBS_DONE, NULL);
	store_job(c, store_run_at(c, RUN_PLAN, 2, "aaa", RUN_DONE), "a", PHASE_PLAN, JOBS_DONE, NULL);
	store_must(job_list_of_head(c, STORE_REPO, 1, "aaa", &l, &err), &err);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.v[0].id, a);
	assert_int_equal(l.v[1].id, b);
	job_list_free(&l);
}

/* Retargeted: what another branch's configuration called for is not what this one's does. */
static void plans_for_another_base(void **state)
{
	struct job_list l = {0};
	(void)state;
	int64_t dev = store_run_at(c, RUN_PLAN, 1, "aaa", RUN_DONE);
	store_must(db_run(c, &err, "UPDATE run SET base_ref='dev' WHERE id=?", "i", dev), &err);
	store_job(c, dev, "a", PHASE_PLAN, JOBS_DONE, NULL);
	store_job(c, dev, "only-there", PHASE_PLAN, JOBS_DONE, NULL);
	int64_t a = store_job(c, store_run_at(c, RUN_PLAN, 1, "aaa", RUN_DONE), "a", PHASE_PLAN, JOBS_DONE, NULL);
	store_must(job_list_of_head(c, STORE_REPO, 1, "aaa", &l, &err), &err);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.v[0].id, a);
	job_list_free(&l);
}

static void a_plan_is_used_once(void **state)
{
	int64_t plan = store_job(c, store_run(c, RUN_PLAN, 1), "a", PHASE_PLAN, JOBS_DONE, NULL);
	(void)state;
	store_must(job_use_plan(c, plan, 10, &err), &err);
	store_must(job_use_plan(c, plan, 10, &err), &err); /* the same job, started again before its point */
	assert_int_equal(job_use_plan(c, plan, 11, &err), ERR_CONFLICT);
	assert_string_equal(err.msg, "this plan was applied before: plan again");
	assert_int_equal(job_use_plan(c, 999, 11, &err), ERR_CONFLICT);
}

/* An approval counts from the first plan of one change set into one branch. */
static void since_when_a_plan_stands(void **state)
{
	static const struct {
		const char *base, *changes;
		bool as_before;
	} steps[] = {{"main", "x", false}, {"main", "x", true}, {"main", "y", false}, {"dev", "y", false}, {"dev", "y", true}, {"main", "y", false}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		int64_t run = store_run(c, RUN_PLAN, 1), long_ago = 1000 + (int64_t)i;
		store_must(db_run(c, &err, "UPDATE run SET base_ref=?2 WHERE id=?1", "is", run, steps[i].base), &err);
		struct job_row j = {0};
		store_must(job_get(c, store_job(c, run, "a", PHASE_PLAN, JOBS_DONE, NULL), &j, &err), &err);
		free(j.changes);
		j.changes = xstrdup(steps[i].changes);
		store_must(job_plan_done(c, &j, &err), &err);
		assert_int_equal(j.since_ms == long_ago - 1, steps[i].as_before);
		store_must(db_run(c, &err, "UPDATE job SET since_ms=?2 WHERE id=?1", "ii", j.id, long_ago), &err);
		job_row_free(&j);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_row_comes_back), T(a_box_comes_back), T(a_life), T(order_and_limits), T(fair), T(nobody_starves), T(limits_of_people), T(many), T(dependencies), T(ends_what_is_open), T(newest_of_a_head), T(plans_for_another_base), T(a_plan_is_used_once),
		T(since_when_a_plan_stands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
