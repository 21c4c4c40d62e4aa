/* The chain of the audit log: how rows hang together, and what is said of each way to change them. */
#include "base/audit.h"
#include "base/clock.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct db_migration schema = {1, AUDIT_SCHEMA};
static struct db_conn *c;

static void must(int rc, const struct err *err)
{
	if (rc < 0)
		fail_msg("%s", err->msg);
}

static void run(const char *sql)
{
	struct err err = {0};
	must(db_exec(c, sql, &err), &err);
}

static int open_log(void **state)
{
	(void)state;
	struct err err = {0};
	clock_fake_set(1000);
	must(db_conn_open(":memory:", &schema, 1, &c, &err), &err);
	for (int i = 1; i <= 6; i++) {
		CLEANUP_FREE char *detail = xasprintf("{\"n\":%d}", i);
		must(audit_add(c, &(struct audit){.kind = "run.state", .actor = i % 2 == 0 ? "alice" : NULL, .repo_id = 7, .pull = i, .run_id = i,
						  .job_id = 10 * i, .detail = i == 3 ? NULL : detail}, &err), &err);
		clock_fake_advance(10);
	}
	return 0;
}

static int close_log(void **state)
{
	(void)state;
	db_conn_close(c);
	clock_fake_off();
	return 0;
}

static int take(const struct audit_row *r, void *arg, struct err *err)
{
	struct buf *out = arg;
	char hash[AUDIT_HASH_HEX + 1];
	audit_hash(r, hash);
	assert_string_equal(hash, r->hash);
	buf_printf(out, "%lld@%lld %s %s %lld#%lld %lld/%lld %s\n", (long long)r->seq, (long long)r->at_ms, r->kind, r->actor, (long long)r->repo_id,
		   (long long)r->pull, (long long)r->run_id, (long long)r->job_id, r->detail);
	return r->seq == 5 ? err_set(err, ERR_CANCELLED, "enough") : 0;
}

static void rows_are_chained(void **state)
{
	(void)state;
	struct err err = {0};
	struct db_stmt *s;
	CLEANUP_BUF struct buf out = {0};
	assert_int_equal(audit_each(c, 1, take, &out, &err), ERR_CANCELLED);
	assert_string_equal(buf_str(&out), "2@1010 run.state alice 7#2 2/20 {\"n\":2}\n3@1020 run.state sluice 7#3 3/30 {}\n"
					   "4@1030 run.state alice 7#4 4/40 {\"n\":4}\n5@1040 run.state sluice 7#5 5/50 {\"n\":5}\n");
	must(db_query(c, &s, &err, "SELECT count(*) FROM audit AS a JOIN audit AS b ON b.seq=a.seq+1 AND b.prev=a.hash", ""), &err);
	int64_t links = 0, seq = 0;
	must(db_number(s, &links, &err), &err);
	assert_int_equal(links, 5);
	char hash[AUDIT_HASH_HEX + 1], same[AUDIT_HASH_HEX + 1];
	must(audit_last(c, &seq, hash, &err), &err);
	assert_int_equal(seq, 6);
	must(audit_hash_of(c, 6, same, &err), &err);
	assert_string_equal(hash, same);
	must(audit_hash_of(c, 7, same, &err), &err);
	assert_string_equal(same, "");
	struct audit_chain chain;
	must(audit_check_chain(c, &chain, &err), &err);
	assert_int_equal(chain.bad_seq, 0);
	assert_int_equal(chain.rows, 6);
	assert_int_equal(chain.last_seq, 6);
	assert_int_equal(chain.last_ms, 1050);
	assert_string_equal(chain.last_hash, hash);
}

/* Our own statements cannot do it, whatever retention comes to think of. */
static void the_database_refuses(void **state)
{
	(void)state;
	static const char *const statements[] = {"DELETE FROM audit WHERE seq=2", "DELETE FROM audit", "UPDATE audit SET actor='eve' WHERE seq=2",
						 "UPDATE audit SET detail='{}'"};
	for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
		struct err err = {0};
		assert_int_not_equal(db_exec(c, statements[i], &err), 0);
		assert_non_null(strstr(err.msg, "audit rows are not"));
	}
	struct err err = {0};
	struct audit_chain chain;
	must(audit_check_chain(c, &chain, &err), &err);
	assert_int_equal(chain.rows, 6);
}

static void what_is_found(void **state)
{
	static const struct {
		const char *sql;
		int64_t at; /* 0: nothing is found */
		const char *says;
	} cases[] = {
		{"UPDATE audit SET at_ms=at_ms+1 WHERE seq=3", 3, "row 3 was changed after it was written"},
		{"UPDATE audit SET kind='gate' WHERE seq=3", 3, "row 3 was changed after it was written"},
		{"UPDATE audit SET actor='eve' WHERE seq=2", 2, "row 2 was changed after it was written"},
		{"UPDATE audit SET repo_id=8 WHERE seq=1", 1, "row 1 was changed after it was written"},
		{"UPDATE audit SET pull=8 WHERE seq=1", 1, "row 1 was changed after it was written"},
		{"UPDATE audit SET run_id=8 WHERE seq=1", 1, "row 1 was changed after it was written"},
		{"UPDATE audit SET job_id=8 WHERE seq=6", 6, "row 6 was changed after it was written"},
		{"UPDATE audit SET detail='{\"n\":5}' WHERE seq=4", 4, "row 4 was changed after it was written"},
		{"UPDATE audit SET detail=detail||' ' WHERE seq=4", 4, "row 4 was changed after it was written"},
		{"UPDATE audit SET prev='' WHERE seq=4", 4, "row 4 was changed after it was written"},
		{"UPDATE audit SET hash=prev WHERE seq=4", 4, "row 4 was changed after it was written"},
		{"UPDATE audit SET hash='' WHERE seq=4", 4, "row 4 was changed after it was written"},
		/* texts that run into each other */
		{"UPDATE audit SET kind='run.statea', actor='lice' WHERE seq=2", 2, "row 2 was changed after it was written"},
		{"DELETE FROM audit WHERE seq=1", 1, "row 1 was removed"},
		{"DELETE FROM audit WHERE seq=4", 4, "row 4 was removed"},
		{"DELETE FROM audit WHERE seq IN(3,4,5)", 3, "rows 3 to 5 were removed"},
		{"DELETE FROM audit WHERE seq=4; UPDATE audit SET seq=seq-1 WHERE seq>4", 4, "row 4 was changed after it was written"},
		{"UPDATE audit SET seq=100 WHERE seq=2; UPDATE audit SET seq=2 WHERE seq=3; UPDATE audit SET seq=3 WHERE seq=100", 2,
		 "row 2 was changed after it was written"},
		{"INSERT INTO audit SELECT -1, at_ms, kind, actor, repo_id, pull, run_id, job_id, detail, prev, hash FROM audit WHERE seq=1", -1,
		 "row -1 was put in front of the first"},
		{"INSERT INTO audit SELECT 9, at_ms, kind, actor, repo_id, pull, run_id, job_id, detail, prev, hash FROM audit WHERE seq=1", 7,
		 "rows 7 to 8 were removed"},
		/* the end: only a signature can tell (plan/audit_head.h) */
		{"DELETE FROM audit WHERE seq>4", 0, ""},
		{"DELETE FROM audit", 0, ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		struct audit_chain chain;
		(void)close_log(state);
		(void)open_log(state);
		run("DROP TRIGGER audit_not_changed");
		run("DROP TRIGGER audit_not_removed");
		run(cases[i].sql);
		must(audit_check_chain(c, &chain, &err), &err);
		if (chain.bad_seq != cases[i].at || strcmp(chain.bad, cases[i].says) != 0)
			fail_msg("%s: %lld %s", cases[i].sql, (long long)chain.bad_seq, chain.bad);
	}
}

/* A row of another log, right in itself, between rows that do not know it. */
static void a_row_with_a_hash_of_its_own(void **state)
{
	(void)state;
	struct err err = {0};
	char prev[AUDIT_HASH_HEX + 1], hash[AUDIT_HASH_HEX + 1];
	run("DROP TRIGGER audit_not_changed");
	must(audit_hash_of(c, 3, prev, &err), &err);
	struct audit_row r = {.seq = 4, .at_ms = 1030, .repo_id = 7, .pull = 4, .run_id = 4, .job_id = 40, .kind = "run.state", .actor = "eve", .detail = "{}",
			      .prev = prev};
	audit_hash(&r, hash);
	must(db_run(c, &err, "UPDATE audit SET actor='eve', detail='{}', hash=? WHERE seq=4", "s", hash), &err);
	struct audit_chain chain;
	must(audit_check_chain(c, &chain, &err), &err);
	assert_int_equal(chain.bad_seq, 5);
	assert_string_equal(chain.bad, "row 5 does not follow row 4: one of them was put there later");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rows_are_chained, open_log, close_log),
		cmocka_unit_test_setup_teardown(the_database_refuses, open_log, close_log),
		cmocka_unit_test_setup_teardown(what_is_found, open_log, close_log),
		cmocka_unit_test_setup_teardown(a_row_with_a_hash_of_its_own, open_log, close_log),
	};
	return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
