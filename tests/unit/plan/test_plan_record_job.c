/* Plan records from rows, and the check of a stored one. */
#include "plan/plan_record_job.h"

#include "base/fs.h"
#include "base/text.h"
#include "plan/job_plan.h"
#include "tests/support/store_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct agent *agent;
static uint8_t pub[AGENT_PUBLIC_SIZE];
static char dir[] = "/tmp/test-record-job-XXXXXX";

#define BOUND "{\"inputs\":[[\"modules/vpc\",\"bbbb\",true],[\"live/db\",\"aaaa\",true],[\"../x.tfvars\",\"cccc\",false]],\"lock\":\"10c\"}"
static const struct record_extra extra = {.server_digest = "5e", .engine_sha256 = "e0", .policies = "opa ok", .cost = "+$3", .tier = 1,
					  .planned_ms = 1000, .expires_ms = 5000};

/* Rows that point to constants: not to be freed. */
static struct run_row a_run(void)
{
	static char repo[] = "acme/infra", head[] = "1111", ref[] = "main", base[] = "2222", config[] = "c0";
	return (struct run_row){.id = 3, .repo_id = 77, .pull = 12, .repo = repo, .head_sha = head, .base_ref = ref, .base_sha = base, .config_id = config};
}

static struct job_row a_job(void)
{
	static char project[] = "db", where[] = "live/db", workspace[] = "default", inputs[] = "1f", version[] = "1.9.0", lineage[] = "L", plan[] = "ab",
		    changes[] = "cd", bound[] = BOUND, modules[] = "m0", args[] = "-refresh-only";
	return (struct job_row){.id = 9, .run_id = 3, .repo_id = 77, .pull = 12, .phase = PHASE_PLAN, .state = JOBS_DONE, .project = project, .dir = where,
				.workspace = workspace, .inputs = inputs, .engine = ENGINE_OPENTOFU, .engine_version = version, .managed_state = true,
				.state_lineage = lineage, .state_serial = 4, .plan_sha256 = plan, .changes = changes, .bound = bound, .modules = modules, .args = args};
}

static void make(const struct run_row *run, const struct job_row *job, struct plan_record *ret)
{
	struct err err = {0};
	if (plan_record_from_job(run, job, &extra, ret, &err) != 0)
		fail_msg("%s", err.msg);
}

static void every_field_comes_from_somewhere(void **state)
{
	(void)state;
	struct run_row run = a_run();
	struct job_row job = a_job();
	struct plan_record r;
	CLEANUP_BUF struct buf text = {0};
	make(&run, &job, &r);
	plan_record_write(&r, &text);
	assert_string_equal(buf_str(&text),
			    "{\"format\":\"sluice plan record 1\",\"repo_id\":77,\"repo\":\"acme/infra\",\"pull\":12,\"project\":\"db\",\"dir\":\"live/db\","
			    "\"workspace\":\"default\",\"head_sha\":\"1111\",\"base_ref\":\"main\",\"base_sha\":\"2222\",\"inputs_each\":"
			    "[[\"../x.tfvars\",\"cccc\",false],[\"live/db\",\"aaaa\",true],[\"modules/vpc\",\"bbbb\",true]],\"inputs\":\"1f\","
			    "\"lock_id\":\"10c\",\"modules\":\"m0\",\"args\":\"-refresh-only\",\"config_id\":\"c0\",\"server_digest\":\"5e\",\"engine\":\"opentofu\",\"engine_version\":\"1.9.0\","
			    "\"engine_sha256\":\"e0\",\"backend\":\"managed\",\"state_lineage\":\"L\",\"state_serial\":4,\"policies\":\"opa ok\","
			    "\"cost\":\"+$3\",\"plan_sha256\":\"ab\",\"changes\":\"cd\",\"tier\":1,\"destroy\":false,\"planned_ms\":1000,"
			    "\"expires_ms\":5000}");
	plan_record_free(&r);
}

static void backends(void **state)
{
	(void)state;
	static char s3[] = "s3", local[] = "local";
	const struct {
		bool managed;
		char *type;
		const char *digest, *want;
	} cases[] = {{true, NULL, NULL, "managed"}, {true, local, NULL, "managed"}, {false, NULL, NULL, "managed"}, {false, s3, NULL, "s3"}, {false, s3, "d1", "s3 d1"}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct run_row run = a_run();
		struct job_row job = a_job();
		struct plan_record r;
		struct err err = {0};
		job.managed_state = cases[i].managed;
		job.backend = cases[i].type;
		CLEANUP_FREE char *bound = xasprintf("{\"inputs\":[],\"lock\":\"\"%s%s%s}", cases[i].digest != NULL ? ",\"backend\":\"" : "",
						     cases[i].digest != NULL ? cases[i].digest : "", cases[i].digest != NULL ? "\"" : "");
		job.bound = bound;
		assert_int_equal(plan_record_from_job(&run, &job, &extra, &r, &err), 0);
		assert_string_equal(r.backend, cases[i].want);
		plan_record_free(&r);
	}
}

/* A project with more inputs than can be signed one by one is bound by their digest. */
static void many_inputs(void **state)
{
	(void)state;
	struct err err = {0};
	for (size_t n = RECORD_INPUTS_MAX - 1; n <= RECORD_INPUTS_MAX + 1; n++)
		for (size_t width = 1; width <= 1000; width += 999) {
			struct run_row run = a_run();
			struct job_row job = a_job();
			struct plan_record r;
			uint8_t sig[AGENT_SIG_SIZE];
			CLEANUP_BUF struct buf b = {0};
			buf_adds(&b, "{\"inputs\":[");
			for (size_t i = 0; i < n; i++)
				buf_printf(&b, "%s[\"%0*zu\",\"id\",true]", i > 0 ? "," : "", (int)width + 3, i);
			buf_adds(&b, "],\"lock\":\"\"}");
			job.bound = b.data;
			make(&run, &job, &r);
			assert_true(n > RECORD_INPUTS_MAX ? r.each.n == 0 : width == 1 ? r.each.n == n : r.each.n < n);
			CLEANUP_FREE char *text = NULL;
			assert_int_equal(plan_record_sign(agent, &r, &text, sig, &err), 0);
			plan_record_free(&r);
		}
	static char bad[] = "{\"inputs\":[[1]]}", worse[] = "{";
	char *const texts[] = {bad, worse};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct run_row run = a_run();
		struct job_row job = a_job();
		struct plan_record r;
		job.bound = texts[i];
		assert_int_equal(plan_record_from_job(&run, &job, &extra, &r, &err), ERR_PARSE);
		assert_true(text_starts(err.msg, "what the plan of `db` is bound to: "));
	}
}

/* Signed, stored, read back, checked. */
static void stored_and_checked(void **state)
{
	(void)state;
	struct db_conn *c = store_open();
	struct err err = {0};
	uint8_t sig[AGENT_SIG_SIZE];
	int64_t run_id = store_run(c, RUN_PLAN, 12), id = store_job(c, run_id, "db", PHASE_PLAN, JOBS_DONE, NULL);
	struct run_row run = a_run();
	struct job_row job = a_job(), stored;
	struct plan_record was, now;
	make(&run, &job, &was);
	make(&run, &job, &now);
	now.planned_ms = now.expires_ms = 0; /* nobody derives them */
	CLEANUP_FREE char *text = NULL;
	store_must(job_get(c, id, &stored, &err), &err);
	assert_int_equal(plan_record_check(pub, &stored, &now, RECORD_BEFORE_MERGE, 4999, &err), ERR_REFUSED);
	assert_string_equal(err.msg, "the plan of `db` has no signed record: plan again");
	job_row_free(&stored);
	store_must(plan_record_sign(agent, &was, &text, sig, &err), &err);
	store_must(job_set_record(c, id, text, sig, &err), &err);
	store_must(job_get(c, id, &stored, &err), &err);
	assert_string_equal(stored.record, text);
	store_must(plan_record_check(pub, &stored, &now, RECORD_BEFORE_MERGE, 4999, &err), &err);
	assert_int_equal(plan_record_check(pub, &stored, &now, RECORD_BEFORE_MERGE, 5000, &err), ERR_REFUSED);
	assert_true(text_starts(err.msg, "the plan of `db` expired "));
	assert_int_equal(plan_record_check(pub, &stored, &now, RECORD_BEFORE_MERGE, 5000 + 7260000, &err), ERR_REFUSED);
	assert_string_equal(err.msg, "the plan of `db` expired 2 h 1 min ago: plan again");
	xstrset(&now.base_sha, "3333");
	assert_int_equal(plan_record_check(pub, &stored, &now, RECORD_BEFORE_MERGE, 4999, &err), ERR_REFUSED);
	assert_string_equal(err.msg, "the plan of `db` was made for another base commit: plan again");
	store_must(plan_record_check(pub, &stored, &now, RECORD_AFTER_MERGE, 4999, &err), &err);
	now.state_serial++;
	assert_int_equal(plan_record_check(pub, &stored, &now, RECORD_AFTER_MERGE, 4999, &err), ERR_REFUSED);
	assert_string_equal(err.msg, "the plan of `db` was made against another version of the state: plan again");
	stored.record[40] ^= 1;
	assert_int_equal(plan_record_check(pub, &stored, &was, RECORD_BEFORE_MERGE, 4999, &err), ERR_REFUSED);
	assert_string_equal(err.msg, "the plan of `db`: the plan record was not signed by this server, or was changed since: plan again");
	xstrset(&stored.signature_hex, "abc");
	assert_int_equal(plan_record_check(pub, &stored, &was, RECORD_BEFORE_MERGE, 4999, &err), ERR_REFUSED);
	plan_record_free(&was);
	plan_record_free(&now);
	job_row_free(&stored);
	store_close(c);
}

/* What the merge took away: without inputs nothing is applied. */
static void without_inputs(void **state)
{
	(void)state;
	struct run_row run = a_run();
	struct job_row job = a_job();
	struct plan_record was, now;
	struct err err = {0};
	const char *field = NULL;
	make(&run, &job, &was);
	job.inputs = NULL;
	make(&run, &job, &now);
	assert_int_equal(plan_record_compare(&was, &now, RECORD_AFTER_MERGE, &field, &err), ERR_REFUSED);
	assert_string_equal(field, "inputs");
	plan_record_free(&was);
	plan_record_free(&now);
}

int main(void)
{
	struct err err = {0};
	if (mkdtemp(dir) == NULL || agent_start(&(struct agent_options){.data_dir = dir}, &agent, &err) != 0)
		return 1;
	agent_verify_key(agent, pub);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_comes_from_somewhere), cmocka_unit_test(backends), cmocka_unit_test(many_inputs),
		cmocka_unit_test(stored_and_checked),               cmocka_unit_test(without_inputs),
	};
	int rc = cmocka_run_group_tests_name("plan record of a job", tests, NULL, NULL);
	agent_stop(agent);
	return fs_remove_tree(dir, &err) != 0 ? 1 : rc;
}
