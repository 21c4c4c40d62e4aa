/* exit.json: what is written comes back, what does not fit is refused by name. */
#include "base/fs.h"
#include "runner/spec.h"
#include "runner/state_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/test-spec-XXXXXX";
static char *path;

static void texts_that_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int code;
	} cases[] = {{"", ERR_PARSE},
		     {"{", ERR_PARSE},
		     {"[]", ERR_PARSE},
		     {"{\"job_id\":\"1\"}", ERR_PARSE},
		     {"{\"job_id\":1.5}", ERR_PARSE}};
	struct err err = {0};
	struct job_spec b = {0};
	struct job_exit e = {0};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(fs_write_fast(path, cases[i].text, strlen(cases[i].text), 0600, &err), 0);
		assert_int_equal(job_spec_read(path, &b, &err), cases[i].code);
		assert_int_equal(job_exit_read(path, &e, &err), cases[i].code);
	}
	assert_int_equal(unlink(path), 0);
	assert_int_equal(job_spec_read(path, &b, &err), ERR_NOT_FOUND);
	assert_int_equal(job_exit_read(path, &e, &err), ERR_NOT_FOUND);
}

static void record_comes_back(void **state)
{
	(void)state;
	struct err err = {0};
	struct job_exit b = {0};
	struct job_exit a = {
		.job_id = 9,
		.outcome = JOB_TIMEOUT,
		.exit_code = -1,
		.step = xstrdup("apply"),
		.error = xstrdup("a: \"b\"\n<c>"),
		.plan_sha256 = xstrdup("ff"),
		.plan_bytes = 12,
		.summary = xstrdup("{\"create\":1}"),
		.diff = xstrdup("+ x\n\\"),
		.changes = xstrdup("c0ffee"),
		.has_state = true,
		.state_serial = 4,
		.state_lineage = xstrdup("l"),
		.state_sha256 = xstrdup("00"),
		.state_bytes = 5,
		.started_ms = 1795574881724,
		.finished_ms = 1795574881797,
		.engine_starts = 3,
	};
	assert_int_equal(job_exit_write(&a, path, &err), 0);
	assert_int_equal(job_exit_read(path, &b, &err), 0);
	assert_true(a.job_id == b.job_id && a.outcome == b.outcome && b.exit_code == -1 && a.plan_bytes == b.plan_bytes && b.has_state);
	assert_true(b.state_serial == 4 && b.state_bytes == 5 && a.started_ms == b.started_ms && a.finished_ms == b.finished_ms &&
		    b.engine_starts == 3);
	const char *const texts[][2] = {{a.step, b.step},
					{a.error, b.error},
					{a.plan_sha256, b.plan_sha256},
					{a.summary, b.summary},
					{a.diff, b.diff},
					{a.changes, b.changes},
					{a.state_lineage, b.state_lineage},
					{a.state_sha256, b.state_sha256}};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_string_equal(texts[i][0], texts[i][1]);
	job_exit_free(&a);
	job_exit_free(&b);
}

int main(void)
{
	if (mkdtemp(dir) == NULL)
		return 1;
	path = fs_join(dir, "f.json");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_that_are_refused),
		cmocka_unit_test(record_comes_back),
	};
	int rc = cmocka_run_group_tests_name("record", tests, NULL, NULL);
	struct err err;
	free(path);
	return fs_remove_tree(dir, &err) != 0 ? 1 : rc;
}
