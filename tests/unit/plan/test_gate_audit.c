/* What the gate decides is in the audit log: each review that was considered, then the verdict. */
#include "base/audit.h"
#include "plan/gate_own.h"
#include "tests/support/store_support.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void rows_of_a_decision(void **state)
{
	struct db_conn *c = store_open();
	struct err err = {0};
	struct gate_heard h = {.author_id = 1, .committers_read = TRI_YES};
	struct gate_facts f = {.heard = &h, .approvals_needed = 1, .asker = "alice"};
	struct gate_own own = {0};
	struct gate_verdict v;
	struct run_row run = {.id = 5, .repo_id = STORE_REPO, .pull = 12, .asker = (char[]){"alice"}};
	(void)state;
	static const struct {
		int64_t id;
		const char *login, *commit;
		bool approves;
		enum tri writes;
	} reviews[] = {{1, "alice", "h1", true, TRI_YES}, {2, "bob", "h1", true, TRI_YES}, {3, "carol", "h0", true, TRI_YES}, {4, "dan", "h1", false, TRI_YES},
		       {5, "erin", "h1", true, TRI_UNKNOWN}};
	for (size_t i = 0; i < ARRAY_LEN(reviews); i++) {
		struct review *r = review_list_add(&h.reviews, reviews[i].id, reviews[i].login);
		r->approves = reviews[i].approves;
		r->writes = reviews[i].writes;
		r->commit_id = xstrdup(reviews[i].commit);
		r->submitted_ms = 7000;
	}
	gate_reviews_add(&h, &(struct gate_history){.head = "h1"}, &f, &own);
	gate_evaluate(&f, &v);
	store_must(gate_audit(c, &run, "asked", &f, &own, &v, &err), &err);
	assert_string_equal(store_text(c, "SELECT group_concat(kind||' '||ifnull(json_extract(detail,'$.login')||' '||json_extract(detail,'$.says')||' '"
					  "||ifnull(json_extract(detail,'$.is'),'-'),''),'; ') FROM audit WHERE run_id=5 AND kind='approval'", NULL),
			    "approval alice approve author; approval bob approve counts; approval carol approve older commit; approval dan changes -; "
			    "approval erin approve permission unknown");
	assert_string_equal(store_text(c, "SELECT actor||' '||json_extract(detail,'$.at')||' '||json_extract(detail,'$.open')||' '||json_extract(detail,'$.approvals')||' '"
					  "||json_extract(detail,'$.rows.\"no changes requested\"')||' '||json_extract(detail,'$.rows.rules')||' '||json_extract(detail,'$.because')"
					  " FROM audit WHERE kind='gate'", NULL),
			    "alice asked 0 1 no unknown nothing is planned");
	struct audit_chain chain = {0};
	store_must(audit_check_chain(c, &chain, &err), &err);
	assert_int_equal(chain.rows, 6);
	assert_int_equal(chain.bad_seq, 0);
	gate_verdict_free(&v);
	gate_own_free(&own);
	review_list_free(&h.reviews);
	store_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rows_of_a_decision)};
	return cmocka_run_group_tests_name("gate_audit", tests, NULL, NULL);
}
