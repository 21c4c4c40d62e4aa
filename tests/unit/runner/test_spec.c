/* spec.json: what is written comes back, what does not fit is refused by name. */
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

static struct job_spec sample(void)
{
	return (struct job_spec){
		.job_id = (int64_t)1 << 40,
		.run_id = 7,
		.phase = PHASE_APPLY,
		.project = xstrdup("net \"work\"\n"),
		.dir = xstrdup("live/ä"),
		.workspace = xstrdup("prod"),
		.engine = ENGINE_OPENTOFU,
		.engine_path = xstrdup("/bin/tofu"),
		.engine_version = xstrdup("1.8.0"),
		.tree_dir = xstrdup("/t"),
		.job_dir = xstrdup("/j"),
		.needs_init = true,
		.managed_state = true,
		.destroy = true,
		.state_in = xstrdup("/s"),
		.state_in_aad = xstrdup("sluice job 1 state"),
		.plan_in = xstrdup("/p"),
		.plan_in_aad = xstrdup("sluice job 1 plan"),
		.plan_in_sha256 = xstrdup("ab"),
		.timeout_ms = 1,
		.output_max = 2,
		.memory_max = 3,
		.cpu_ms_max = 4,
		.processes_max = 5,
		.files_max = 6,
		.workspace_max = 7,
		.silence_ms = 8,
		.profile = PROFILE_COMPAT,
		.isolation_min = TIER_BOUNDED,
		.egress = xstrdup("a.example:443"),
		.lock_file = xstrdup("/locks/1"),
		.store_dir = xstrdup("/store"),
		.modules_dir = xstrdup("/modules"),
		.args = xstrdup("-target=a.b"),
	};
}

static void spec_comes_back(void **state)
{
	(void)state;
	struct err err = {0};
	struct job_spec a = sample(), b = {0};
	struct stat st;
	assert_int_equal(job_spec_write(&a, path, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	if (job_spec_read(path, &b, &err) != 0)
		fail_msg("%s", err.msg);
	assert_true(a.job_id == b.job_id && a.run_id == b.run_id && a.phase == b.phase && a.engine == b.engine);
	assert_true(b.needs_init && b.managed_state && b.destroy && b.timeout_ms == 1 && b.output_max == 2 && b.memory_max == 3);
	assert_true(b.cpu_ms_max == 4 && b.processes_max == 5 && b.files_max == 6 && b.workspace_max == 7 && b.silence_ms == 8);
	assert_true(b.profile == PROFILE_COMPAT && b.isolation_min == TIER_BOUNDED);
	assert_string_equal(b.egress, "a.example:443");
	assert_string_equal(b.lock_file, "/locks/1");
	assert_string_equal(b.store_dir, "/store");
	assert_string_equal(b.modules_dir, "/modules");
	assert_string_equal(b.args, "-target=a.b");
	const char *const texts[][2] = {
		{a.project, b.project},
		{a.dir, b.dir},
		{a.workspace, b.workspace},
		{a.engine_path, b.engine_path},
		{a.engine_version, b.engine_version},
		{a.tree_dir, b.tree_dir},
		{a.job_dir, b.job_dir},
		{a.state_in, b.state_in},
		{a.state_in_aad, b.state_in_aad},
		{a.plan_in, b.plan_in},
		{a.plan_in_aad, b.plan_in_aad},
		{a.plan_in_sha256, b.plan_in_sha256},
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_string_equal(texts[i][0], texts[i][1]);
	assert_null(b.mirror_dir);
	assert_null(b.socket_path);
	job_spec_free(&a);
	job_spec_free(&b);
	assert_null(b.project);
}

/* Reads the sample with one member changed by fn; the sentence must hold want. */
static void refuses(void (*change)(struct job_spec *s), int code, const char *want)
{
	struct err err = {0};
	struct job_spec a = sample(), b = {0};
	change(&a);
	assert_int_equal(job_spec_write(&a, path, &err), 0);
	assert_int_equal(job_spec_read(path, &b, &err), code);
	if (strstr(err.msg, want) == NULL || strstr(err.msg, path) == NULL)
		fail_msg("%s", err.msg);
	assert_null(b.project);
	job_spec_free(&a);
}

static void no_id(struct job_spec *s) { s->job_id = 0; }
static void no_time(struct job_spec *s) { s->timeout_ms = 0; }
static void negative_output(struct job_spec *s) { s->output_max = -1; }
static void no_memory(struct job_spec *s) { s->memory_max = 0; }
static void no_cpu(struct job_spec *s) { s->cpu_ms_max = 0; }
static void no_files(struct job_spec *s) { s->files_max = -1; }
static void negative_silence(struct job_spec *s) { s->silence_ms = -1; }

static void no_plan(struct job_spec *s)
{
	free(s->plan_in);
	s->plan_in = NULL;
}

static void no_sha(struct job_spec *s)
{
	free(s->plan_in_sha256);
	s->plan_in_sha256 = NULL;
}

static void no_aad(struct job_spec *s)
{
	free(s->state_in_aad);
	s->state_in_aad = NULL;
}

static void no_project(struct job_spec *s)
{
	free(s->project);
	s->project = NULL;
}

static void long_dir(struct job_spec *s)
{
	free(s->dir);
	s->dir = xmalloc(2000);
	memset(s->dir, 'a', 1999);
	s->dir[1999] = '\0';
}

static void specs_that_are_refused(void **state)
{
	(void)state;
	refuses(no_id, ERR_PARSE, "job_id must be positive");
	refuses(no_time, ERR_PARSE, "every ceiling must be positive");
	refuses(negative_output, ERR_PARSE, "must be positive");
	refuses(no_memory, ERR_PARSE, "must be positive");
	refuses(no_cpu, ERR_PARSE, "every ceiling must be positive");
	refuses(no_files, ERR_PARSE, "every ceiling must be positive");
	refuses(negative_silence, ERR_PARSE, "must not be negative");
	refuses(no_plan, ERR_PARSE, "an apply needs plan_in");
	refuses(no_sha, ERR_PARSE, "plan_in_sha256");
	refuses(no_aad, ERR_PARSE, "state_in needs state_in_aad");
	refuses(no_project, ERR_PARSE, "project");
	refuses(long_dir, ERR_PARSE, "dir");
}

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

static void words_both_ways(void **state)
{
	(void)state;
	struct err err = {0};
	for (int i = PHASE_PLAN; i <= PHASE_DRIFT; i++) {
		enum job_phase p;
		assert_int_equal(job_phase_parse(job_phase_name((enum job_phase)i), &p, &err), 0);
		assert_int_equal(p, i);
	}
	enum job_phase p;
	assert_int_equal(job_phase_parse("Plan", &p, &err), ERR_PARSE);
	assert_string_equal(err.msg, "phase \"Plan\" is not one of plan, apply, drift");
}

int main(void)
{
	if (mkdtemp(dir) == NULL)
		return 1;
	path = fs_join(dir, "f.json");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spec_comes_back),
		cmocka_unit_test(specs_that_are_refused),
		cmocka_unit_test(texts_that_are_refused),
		cmocka_unit_test(words_both_ways),
	};
	int rc = cmocka_run_group_tests_name("spec", tests, NULL, NULL);
	struct err err;
	free(path);
	return fs_remove_tree(dir, &err) != 0 ? 1 : rc;
}
