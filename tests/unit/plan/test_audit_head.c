/* The signed head of the audit log: what the chain alone cannot tell. With a real key agent. */
#include "plan/audit_head.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/text.h"
#include "plan/job_plan.h"
#include "plan/lock_store.h"
#include "tests/support/store_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct agent *agent;
static uint8_t pub[AGENT_PUBLIC_SIZE];
static char dir[] = "/tmp/test-audit-head-XXXXXX";
static struct db_conn *c;

static void add(int n)
{
	struct err err = {0};
	for (int i = 0; i < n; i++)
		store_must(audit_add(c, &(struct audit){.kind = "gate", .actor = "alice"}, &err), &err);
}

static void sign(void)
{
	struct err err = {0};
	store_must(audit_sign_head(c, agent, &err), &err);
}

/* A log of 5 rows, signed; the key is there before the first row. */
static int open_log(void **state)
{
	(void)state;
	c = store_open();
	store_exec(c, "DROP TRIGGER audit_not_changed");
	store_exec(c, "DROP TRIGGER audit_not_removed");
	sign();
	add(5);
	clock_fake_advance(1500);
	sign();
	return 0;
}

static int close_log(void **state)
{
	(void)state;
	store_close(c);
	return 0;
}

/* "" or the sentence. */
static const char *verdict(struct audit_verdict *v)
{
	static struct err err;
	struct audit_verdict unused;
	err = (struct err){0};
	int rc = audit_verify(c, pub, v != NULL ? v : &unused, &err);
	assert_true(rc == 0 || rc == ERR_REFUSED);
	return rc == 0 ? "" : err.msg;
}

static void a_good_log(void **state)
{
	(void)state;
	struct audit_verdict v;
	assert_string_equal(verdict(&v), "");
	assert_int_equal(v.chain.rows, 5);
	assert_int_equal(v.signed_seq, 5);
	assert_int_equal(v.signed_ms, STORE_NOW + 1500);
	assert_string_equal(v.signed_hash, v.chain.last_hash);
	assert_string_equal(store_text(c, "SELECT count(*) FROM audit_head", NULL), "1");
	char *before = xstrdup(store_text(c, "SELECT hex(signature) FROM audit_head", NULL));
	clock_fake_advance(1000);
	sign(); /* nothing new: nothing signed */
	assert_string_equal(store_text(c, "SELECT hex(signature) FROM audit_head", NULL), before);
	add(2);
	assert_string_equal(verdict(&v), ""); /* not signed yet */
	assert_int_equal(v.chain.rows, 7);
	assert_int_equal(v.signed_seq, 5);
	sign();
	assert_string_not_equal(store_text(c, "SELECT hex(signature) FROM audit_head", NULL), before);
	free(before);
	assert_string_equal(verdict(&v), "");
	assert_int_equal(v.signed_seq, 7);
}

static void an_empty_log(void **state)
{
	(void)state;
	struct audit_verdict v;
	store_close(c);
	c = store_open();
	assert_string_equal(verdict(&v), ""); /* no server has run */
	sign();
	assert_string_equal(verdict(&v), "");
	assert_int_equal(v.signed_seq, 0);
	add(3);
	assert_string_equal(verdict(&v), "");
}

static void what_is_found(void **state)
{
	static const struct {
		const char *sql, *says;
	} cases[] = {
		{"UPDATE audit SET actor='eve' WHERE seq=2", "row 2 was changed after it was written"},
		{"DELETE FROM audit WHERE seq=2", "row 2 was removed"},
		{"DELETE FROM audit WHERE seq=5", "rows 5 to 5 were removed: the signed head is row 5"},
		{"DELETE FROM audit WHERE seq>3", "rows 4 to 5 were removed: the signed head is row 5"},
		{"DELETE FROM audit", "rows 1 to 5 were removed: the signed head is row 5"},
		{"DELETE FROM audit_head", "there are 5 rows and no signed head: it was removed, or no server has run since"},
		{"UPDATE audit_head SET seq=4", "the signed head (row 4) was not signed with this key, or was changed since"},
		{"UPDATE audit_head SET seq=4, hash=(SELECT hash FROM audit WHERE seq=4)",
		 "the signed head (row 4) was not signed with this key, or was changed since"},
		{"UPDATE audit_head SET hash='00'", "the signed head (row 5) was not signed with this key, or was changed since"},
		{"UPDATE audit_head SET at_ms=at_ms+1", "the signed head (row 5) was not signed with this key, or was changed since"},
		{"UPDATE audit_head SET signature=zeroblob(64)", "the signed head (row 5) was not signed with this key, or was changed since"},
		{"UPDATE audit_head SET signature=x'00'", "the signed head (row 5) was not signed with this key, or was changed since"},
		{"UPDATE audit_head SET signature=substr(signature, 1, 63)||x'00'", "the signed head (row 5) was not signed with this key, or was changed since"},
		{"DELETE FROM audit WHERE seq>3; UPDATE audit_head SET seq=3, hash=(SELECT hash FROM audit WHERE seq=3)",
		 "the signed head (row 3) was not signed with this key, or was changed since"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		(void)close_log(state);
		(void)open_log(state);
		struct err err = {0};
		store_must(db_exec(c, cases[i].sql, &err), &err);
		if (strcmp(verdict(NULL), cases[i].says) != 0)
			fail_msg("%s: %s", cases[i].sql, verdict(NULL));
	}
}

/* All rows made anew, right in themselves: other hashes than the signed one. */
static void the_whole_chain_made_anew(void **state)
{
	(void)state;
	struct err err = {0};
	store_exec(c, "DELETE FROM audit");
	add(5); /* at another time */
	assert_string_equal(verdict(NULL), "the log was made anew: row 5 is not the one that was signed");
	add(1);
	assert_int_equal(audit_sign_head(c, agent, &err), ERR_REFUSED); /* the evidence stays */
	assert_string_equal(err.msg, "the audit log was changed: its row 5 is not the one that was signed; look with `sluice audit verify`");
	assert_string_equal(verdict(NULL), "the log was made anew: row 5 is not the one that was signed");
}

/* The end cut off while nobody looked, and the server went on writing. */
static void the_end_cut_off_and_written_over(void **state)
{
	(void)state;
	struct err err = {0};
	store_exec(c, "DELETE FROM audit WHERE seq>3");
	assert_int_equal(audit_sign_head(c, agent, &err), ERR_REFUSED);
	add(4);
	assert_int_equal(audit_sign_head(c, agent, &err), ERR_REFUSED);
	assert_string_equal(verdict(NULL), "the log was made anew: row 5 is not the one that was signed");
}

/* The head taken away: a server signs again, and the log says for ever that it found none. */
static void a_missing_head_leaves_a_row(void **state)
{
	(void)state;
	store_exec(c, "DELETE FROM audit_head");
	sign();
	assert_string_equal(verdict(NULL), "");
	assert_string_equal(store_text(c, "SELECT kind||' '||actor||' '||detail FROM audit WHERE seq=6", NULL), "audit.head sluice {\"missing\":true,\"rows\":5}");
}

/* An older head put back after the rows behind it were kept: they were never signed again. */
static void an_older_head_put_back(void **state)
{
	(void)state;
	store_exec(c, "CREATE TABLE kept AS SELECT * FROM audit_head");
	add(1);
	clock_fake_advance(61 * 1000);
	add(1);
	sign();
	assert_string_equal(verdict(NULL), "");
	store_exec(c, "DELETE FROM audit_head");
	store_exec(c, "INSERT INTO audit_head SELECT * FROM kept");
	assert_true(text_starts(verdict(NULL), "rows 6 to 7 are not signed, and they are of more than 60 s"));
}

static void another_key(void **state)
{
	(void)state;
	pub[0] ^= 1;
	assert_string_equal(verdict(NULL), "the signed head (row 5) was not signed with this key, or was changed since");
	pub[0] ^= 1;
	/* signed for another purpose */
	struct err err = {0};
	uint8_t sig[AGENT_SIG_SIZE];
	CLEANUP_FREE char *text = xasprintf("{\"seq\":5,\"hash\":\"%s\",\"at_ms\":%lld}", store_text(c, "SELECT hash FROM audit WHERE seq=5", NULL),
					    (long long)STORE_NOW + 1500);
	store_must(agent_sign(agent, AGENT_AUDIT_HEAD, text, strlen(text), sig, &err), &err);
	store_must(db_run(c, &err, "UPDATE audit_head SET signature=?", "b", sig, sizeof(sig)), &err);
	assert_string_equal(verdict(NULL), "");
	store_must(agent_sign(agent, AGENT_PLAN_RECORD, text, strlen(text), sig, &err), &err);
	store_must(db_run(c, &err, "UPDATE audit_head SET signature=?", "b", sig, sizeof(sig)), &err);
	assert_string_equal(verdict(NULL), "the signed head (row 5) was not signed with this key, or was changed since");
}

/* What runs and jobs do is in the log, in the transaction that did it. */
static void states_are_rows(void **state)
{
	(void)state;
	struct err err = {0};
	int64_t old = store_run(c, RUN_PLAN, 7), job = store_job(c, old, "net", PHASE_PLAN, JOBS_WAITING, NULL), run = store_run(c, RUN_PLAN, 7);
	store_must(run_move(c, run, RUN_QUEUED, RUN_READING, &err), &err);
	assert_int_equal(run_move(c, run, RUN_QUEUED, RUN_READING, &err), ERR_CONFLICT);
	int64_t apply = store_run(c, RUN_APPLY, 7);
	static const char want[] =
		"run.state old sluice {\"kind\":\"plan\",\"from\":null,\"to\":\"queued\"}\n"
		"run.state new sluice {\"kind\":\"plan\",\"from\":null,\"to\":\"queued\"}\n"
		"job.state old sluice {\"project\":\"net\",\"phase\":\"plan\",\"from\":\"waiting\",\"to\":\"cancelled\"}\n"
		"run.state old sluice {\"kind\":\"plan\",\"from\":\"queued\",\"to\":\"superseded\"}\n"
		"run.state new sluice {\"kind\":\"plan\",\"from\":\"queued\",\"to\":\"reading\"}\n"
		"run.state apply alice {\"kind\":\"apply\",\"from\":null,\"to\":\"queued\"}\n";
	assert_true(old == 1 && run == 2 && apply == 3 && job == 1);
	assert_string_equal(store_text(c, "SELECT group_concat(kind||CASE run_id WHEN 1 THEN ' old ' WHEN 2 THEN ' new ' ELSE ' apply ' END||actor||' '||detail||char(10), '') FROM"
					  " (SELECT * FROM audit WHERE kind IN('run.state','job.state') ORDER BY seq)", NULL), want);
	assert_string_equal(verdict(NULL), "");
}

static void states_of_jobs_are_rows(void **state)
{
	(void)state;
	struct err err = {0};
	int64_t run = store_run(c, RUN_PLAN, 7), id = store_job(c, run, "net", PHASE_PLAN, JOBS_READY, NULL);
	struct job_row j;
	store_must(job_get(c, id, &j, &err), &err);
	xstrset(&j.engine_version, "1.9.0");
	store_must(job_start(c, &j, &err), &err);
	store_must(job_again(c, id, &err), &err);
	store_must(job_start(c, &j, &err), &err);
	xstrset(&j.plan_sha256, "5ea1");
	j.state = JOBS_DONE;
	store_must(job_finish(c, &j, JOBS_RUNNING, &err), &err);
	assert_int_equal(job_finish(c, &j, JOBS_RUNNING, &err), ERR_CONFLICT);
	job_row_free(&j);
	assert_string_equal(store_text(c, "SELECT group_concat((detail->>'from')||'>'||(detail->>'to')||' '||coalesce(detail->>'plan','')||char(10), '') FROM"
					  " (SELECT * FROM audit WHERE kind='job.state' ORDER BY seq)", NULL),
			    "ready>running \nrunning>ready \nready>running \nrunning>done 5ea1\n");
}

static void plans_and_locks_are_rows(void **state)
{
	(void)state;
	struct err err = {0};
	int64_t run = store_run(c, RUN_PLAN, 7), plan = store_job(c, run, "net", PHASE_PLAN, JOBS_DONE, NULL), apply = store_run(c, RUN_APPLY, 7);
	store_must(job_use_plan(c, plan, 5, &err), &err);
	store_must(job_unuse_plan(c, plan, 6, &err), &err); /* another one's: nothing happens */
	store_must(job_unuse_plan(c, plan, 5, &err), &err);
	store_must(lock_take(c, STORE_REPO, "net", 7, apply, &err), &err);
	store_must(lock_take(c, STORE_REPO, "net", 7, apply, &err), &err); /* it has it */
	assert_string_equal(store_text(c, "SELECT group_concat(kind||' '||run_id||'/'||job_id||' '||detail||char(10), '') FROM"
					  " (SELECT * FROM audit WHERE kind IN('plan','lock') ORDER BY seq)", NULL),
			    "plan 1/1 {\"project\":\"net\",\"used_by\":5,\"plan\":null,\"changes\":null}\n"
			    "plan 1/1 {\"project\":\"net\",\"given_back_by\":5,\"plan\":null,\"changes\":null}\n"
			    "lock 2/0 {\"project\":\"net\",\"what\":\"claimed\",\"holder\":7}\n");
	store_must(run_set_merge(c, apply, "feed", true, &err), &err);
	assert_string_equal(store_text(c, "SELECT actor||' '||run_id||' '||detail FROM audit WHERE kind='merge'", NULL),
			    "alice 2 {\"commit\":\"feed\",\"head\":null,\"base\":null,\"by_us\":true}");
}

/* ---- on a loop, as in a daemon ---- */

static int add_tx(struct db_conn *conn, void *arg, struct err *err)
{
	(void)arg;
	return audit_add(conn, &(struct audit){.kind = "gate"}, err);
}

static int cut_tx(struct db_conn *conn, void *arg, struct err *err)
{
	(void)arg;
	return db_exec(conn, "DROP TRIGGER audit_not_removed; DELETE FROM audit; DELETE FROM audit_head", err);
}

struct look {
	int64_t seq; /* of the signed head; -1: none */
	bool done;
};

static int look_tx(struct db_conn *conn, void *arg, struct err *err)
{
	struct look *k = arg;
	struct db_stmt *s;
	int rc = db_query(conn, &s, err, "SELECT coalesce((SELECT seq FROM audit_head), -1)", "");
	return rc == 0 ? db_number(s, &k->seq, err) : rc;
}

static void look_done(int rc, const struct err *err, void *arg)
{
	struct look *k = arg;
	store_must(rc, err);
	k->done = true;
}

/* What the head says once everything before is done. */
static int64_t head_of(struct loop *l, struct db *db)
{
	struct look k = {0};
	db_submit(db, look_tx, look_done, &k);
	assert_true(loop_run_until(l, &k.done, 5000));
	return k.seq;
}

static void signed_by_the_daemon(void **state)
{
	(void)state;
	struct err err = {0};
	struct db *db = NULL;
	clock_fake_off();
	CLEANUP_FREE char *path = fs_join(dir, "head.db");
	struct loop *l = loop_new();
	store_must(db_open(l, path, store_schema(), 1, &db, &err), &err);
	struct audit_head *h = audit_head_new(l, db, agent);
	assert_int_equal(head_of(l, db), 0); /* the beginning, before anything is written */
	db_submit(db, add_tx, NULL, NULL);
	assert_int_equal(head_of(l, db), 0);
	const bool never = false;
	for (int i = 0; i < 30 && head_of(l, db) == 0; i++)
		(void)loop_run_until(l, &never, 100); /* time passes */
	assert_int_equal(head_of(l, db), 1);
	db_submit(db, add_tx, NULL, NULL);
	audit_head_close(h); /* and the last row */
	assert_int_equal(head_of(l, db), 2);

	h = audit_head_new(l, db, agent);
	assert_int_equal(head_of(l, db), 2);
	log_set_level(LOG_ERR);
	db_submit(db, cut_tx, NULL, NULL); /* rows and head: the process remembers what it signed */
	db_submit(db, add_tx, NULL, NULL);
	audit_head_close(h);
	assert_int_equal(head_of(l, db), -1);
	db_close(db);
	loop_close(l);
	clock_fake_set(STORE_NOW); /* the teardown's */
}

int main(void)
{
	struct err err = {0};
	if (mkdtemp(dir) == NULL || agent_start(&(struct agent_options){.data_dir = dir}, &agent, &err) != 0)
		return 1;
	agent_verify_key(agent, pub);
#define WITH_LOG(f) cmocka_unit_test_setup_teardown(f, open_log, close_log)
	const struct CMUnitTest tests[] = {
		WITH_LOG(a_good_log), WITH_LOG(an_empty_log), WITH_LOG(what_is_found), WITH_LOG(the_whole_chain_made_anew),
		WITH_LOG(the_end_cut_off_and_written_over), WITH_LOG(a_missing_head_leaves_a_row), WITH_LOG(an_older_head_put_back), WITH_LOG(another_key),
		WITH_LOG(states_are_rows), WITH_LOG(states_of_jobs_are_rows), WITH_LOG(plans_and_locks_are_rows), WITH_LOG(signed_by_the_daemon),
	};
	int rc = cmocka_run_group_tests_name("audit head", tests, NULL, NULL);
	agent_stop(agent);
	return fs_remove_tree(dir, &err) != 0 ? 1 : rc;
}
