/* The job runner with the real engines in the real sandbox: plan, apply, state, time, and the executor around it. */
#include "base/clock.h"
#include "base/fs.h"
#include "runner/exec.h"
#include "runner/state_facts.h"
#include "tests/support/runner_support.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char two_resources[] = "variable \"n\" { default = \"x\" }\n"
				    "resource \"terraform_data\" \"a\" { input = var.n }\n"
				    "resource \"terraform_data\" \"b\" { input = terraform_data.a.output }\n"
				    "output \"o\" { value = terraform_data.b.output }\n";

static void expect(const struct scene *s, enum job_outcome outcome, const char *step, int64_t starts)
{
	if (s->exit.outcome != outcome || strcmp(s->exit.step != NULL ? s->exit.step : "-", step) != 0 || s->exit.engine_starts != starts) {
		CLEANUP_FREE char *log = scene_read(s, "log");
		fail_msg("%s at %s after %lld starts: %s\n%s", job_outcome_name(s->exit.outcome), s->exit.step,
			 (long long)s->exit.engine_starts, s->error, log);
	}
}

static void has_no_file(const struct scene *s, const char *name)
{
	CLEANUP_FREE char *path = scene_job_file(s, name);
	assert_false(fs_exists(path));
}

static void plan_of(struct scene *s, const char *summary)
{
	assert_int_equal(scene_run(s), 0);
	expect(s, JOB_OK, "show", 2);
	assert_string_equal(s->exit.summary, summary);
	assert_string_equal(s->exit.diff, "diff");
	assert_int_equal(s->exit.exit_code, 0);
	assert_null(s->exit.error);
	assert_false(s->exit.has_state);
	has_no_file(s, "point");
}

/* No file of the job but the sealed ones may hold the plan or the state. */
static void nothing_in_clear(const struct scene *s, const char *needle)
{
	static const char *const names[] = {"plan.enc", "state.enc", "state.json", "spec.json"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct err err;
		CLEANUP_BUF struct buf b = {0};
		CLEANUP_FREE char *path = scene_job_file(s, names[i]);
		if (fs_read(path, 64u << 20, &b, &err) != 0)
			continue;
		assert_null(memmem(b.data, b.len, needle, strlen(needle)));
		assert_null(memmem(b.data, b.len, "PK\003\004", 4)); /* a plan file is a zip */
	}
}

static void check_sealed_plan(const struct scene *s)
{
	CLEANUP_BUF struct buf plan = {0};
	char hex[2 * SHA256_SIZE + 1];
	scene_unseal(s, "plan.enc", "plan", &plan);
	crypto_sha256_hex(plan.data, plan.len, hex);
	assert_string_equal(hex, s->exit.plan_sha256);
	assert_int_equal(plan.len, s->exit.plan_bytes);
	assert_memory_equal(plan.data, "PK", 2);
}

static void check_sealed_state(const struct scene *s)
{
	CLEANUP_BUF struct buf state = {0};
	struct state_facts f = {0};
	struct err err = {0};
	char hex[2 * SHA256_SIZE + 1];
	assert_true(s->exit.has_state);
	scene_unseal(s, "state.enc", "state", &state);
	assert_int_equal(state_facts_read(buf_str(&state), state.len, &f, &err), 0);
	assert_int_equal(f.serial, s->exit.state_serial);
	assert_string_equal(f.lineage, s->exit.state_lineage);
	crypto_sha256_hex(state.data, state.len, hex);
	assert_string_equal(hex, s->exit.state_sha256);
	assert_int_equal(state.len, s->exit.state_bytes);
	CLEANUP_FREE char *facts = scene_read(s, "state.json");
	CLEANUP_FREE char *want = xasprintf("{\"serial\":%lld,\"lineage\":\"%s\",\"sha256\":\"%s\",\"bytes\":%zu}", (long long)f.serial,
					    f.lineage, hex, state.len);
	assert_string_equal(facts, want);
}

/* Plan, apply, plan again without changes, change, apply: serial grows, lineage stays. */
static void life_of_a_project(struct scene *s)
{
	plan_of(s, "terraform_data.a [\"create\"]; terraform_data.b [\"create\"]; ");
	check_sealed_plan(s);
	scene_then_apply(s);
	assert_int_equal(scene_run(s), 0);
	expect(s, JOB_OK, "apply", 1);
	check_sealed_state(s);
	nothing_in_clear(s, "terraform_data");
	int64_t serial = s->exit.state_serial;
	CLEANUP_FREE char *lineage = xstrdup(s->exit.state_lineage);
	assert_true(serial >= 1);

	scene_keep_state(s);
	s->spec.phase = PHASE_DRIFT;
	scene_next_job(s);
	plan_of(s, "terraform_data.a [\"no-op\"]; terraform_data.b [\"no-op\"]; ");
	s->spec.phase = PHASE_PLAN;

	scene_file(s, strcmp(s->spec.dir, ".") == 0 ? "terraform.tfvars" : "live/app/terraform.tfvars", "n = \"y\"\n");
	scene_next_job(s);
	plan_of(s, "terraform_data.a [\"update\"]; terraform_data.b [\"update\"]; ");
	scene_then_apply(s);
	assert_int_equal(scene_run(s), 0);
	expect(s, JOB_OK, "apply", 1);
	check_sealed_state(s);
	assert_true(s->exit.state_serial > serial);
	assert_string_equal(s->exit.state_lineage, lineage);
}

static void plan_and_apply_at_the_root(void **state)
{
	(void)state;
	struct scene s;
	scene_open(&s, NULL);
	scene_file(&s, "main.tf", two_resources);
	life_of_a_project(&s);
	scene_close(&s);
}

static void plan_and_apply_in_a_workspace_below(void **state)
{
	(void)state;
	struct scene s;
	scene_open(&s, NULL);
	scene_file(&s, "live/app/main.tf", two_resources);
	free(s.spec.dir);
	free(s.spec.workspace);
	s.spec.dir = xstrdup("live/app");
	s.spec.workspace = xstrdup("prod");
	life_of_a_project(&s);
	scene_close(&s);
}

/* The other engine of the table, where `make parts` or the machine brings it. */
static void opentofu_lives_the_same_life(void **state)
{
	(void)state;
	struct scene s;
	struct err err = {0};
	struct engine_binary b = {0};
	scene_open(&s, NULL);
	if (engine_find(ENGINE_OPENTOFU, "parts/bin", s.root, &b, &err) != 0) {
		scene_close(&s);
		print_message("skipped: %s\n", err.msg);
		skip();
	}
	free(s.spec.engine_path);
	free(s.spec.engine_version);
	s.spec.engine = ENGINE_OPENTOFU;
	s.spec.engine_path = TAKE(b.path);
	s.spec.engine_version = TAKE(b.version);
	engine_binary_free(&b); /* what is left of it */
	scene_file(&s, "main.tf", two_resources);
	life_of_a_project(&s);
	scene_file(&s, "main.tf", "module \"m\" {\n  source = \"./m\"\n}\n");
	scene_file(&s, "m/main.tf", "resource \"terraform_data\" \"x\" {}\n");
	s.spec.phase = PHASE_PLAN;
	scene_next_job(&s);
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_OK, "show", 4);
	scene_file(&s, "main.tf", "resource \"terraform_data\" \"a\" {\n  inputt = 1\n}\n");
	scene_next_job(&s);
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_FAILED, "plan", 1);
	assert_int_equal(strncmp(s.error, "main.tf:2: Unsupported argument: ", 33), 0);
	scene_close(&s);
}

struct heard {
	bool done;
	int64_t job_id;
	enum job_outcome outcome;
	char steps[64], error[1024];
};

static void on_step(int64_t job_id, const char *step, void *arg)
{
	struct heard *h = arg;
	size_t n = strlen(h->steps);
	h->job_id = job_id;
	(void)snprintf(h->steps + n, sizeof(h->steps) - n, "%s ", step);
}

static void on_exit_event(int64_t job_id, enum exec_end end, const struct job_exit *record, bool past_point, const struct err *err,
			  void *arg)
{
	struct heard *h = arg;
	assert_int_equal(end, EXEC_RECORD);
	assert_false(past_point);
	assert_null(err);
	assert_int_equal(job_id, record->job_id);
	h->outcome = record->outcome;
	(void)snprintf(h->error, sizeof(h->error), "%s", record->error != NULL ? record->error : "");
	h->done = true;
}

static void through_the_executor(void **state)
{
	(void)state;
	struct scene s;
	struct err err = {0};
	struct heard h = {0};
	struct executor x;
	scene_open(&s, NULL);
	scene_file(&s, "main.tf", two_resources);
	s.spec.socket_path = fs_join(s.root, "sock");
	CLEANUP_FREE char *self = realpath("/proc/self/exe", NULL);
	struct loop *l = loop_new();
	struct exec_events events = {.on_step = on_step, .on_exit = on_exit_event, .arg = &h};
	assert_int_equal(exec_local_new(l, self, s.spec.socket_path, &events, &x, &err), 0);
	struct exec_keys keys = {.job = s.key};
	x.start(x.self, &s.spec, &keys);
	assert_true(loop_run_until(l, &h.done, 20000));
	assert_string_equal(h.error, "");
	assert_int_equal(h.outcome, JOB_OK);
	assert_string_equal(h.steps, "plan show ");
	assert_int_equal(h.job_id, s.spec.job_id);
	CLEANUP_BUF struct buf plan = {0};
	scene_unseal(&s, "plan.enc", "plan", &plan);
	assert_memory_equal(plan.data, "PK", 2);
	x.close(x.self);
	loop_close(l);
	scene_close(&s);
}

static void stale_plan_is_refused_by_the_engine(void **state)
{
	(void)state;
	struct scene s;
	scene_open(&s, NULL);
	scene_file(&s, "main.tf", two_resources);
	plan_of(&s, "terraform_data.a [\"create\"]; terraform_data.b [\"create\"]; ");
	scene_then_apply(&s);
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_OK, "apply", 1);
	scene_keep_state(&s); /* the same plan again, on the state that came of it */
	scene_next_job(&s);
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_FAILED, "apply", 1);
	assert_non_null(strstr(s.error, "Saved plan is stale"));
	assert_non_null(strstr(s.error, "plan again"));
	CLEANUP_FREE char *point = scene_job_file(&s, "point");
	assert_true(fs_exists(point));
	scene_close(&s);
}

/* A failing apply: what was created before is in the state that comes out. */
static void half_an_apply_keeps_its_state(void **state)
{
	(void)state;
	struct scene s;
	scene_open(&s, NULL);
	scene_file(&s, "main.tf",
		   "resource \"terraform_data\" \"a\" {}\n"
		   "resource \"terraform_data\" \"b\" {\n  input = terraform_data.a.id\n  lifecycle {\n    postcondition {\n"
		   "      condition     = self.output == \"never\"\n      error_message = \"not today\"\n    }\n  }\n}\n");
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_OK, "show", 2);
	scene_then_apply(&s);
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_FAILED, "apply", 1);
	assert_string_equal(s.error, "main.tf:6: Resource postcondition failed: not today");
	check_sealed_state(&s);
	CLEANUP_BUF struct buf clear = {0};
	scene_unseal(&s, "state.enc", "state", &clear);
	assert_non_null(strstr(buf_str(&clear), "\"name\": \"a\""));
	scene_close(&s);
}

/* Runner and box around the engine: told, not judged, because this machine does other things too. */
static void overhead_is_told(void **state)
{
	(void)state;
	struct scene s;
	scene_open(&s, NULL);
	scene_file(&s, "main.tf", two_resources);
	int64_t best = INT64_MAX, best_alone = INT64_MAX;
	CLEANUP_FREE char *command =
		xasprintf("cd %s && export CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1 TF_DATA_DIR=%s/data TF_CLI_CONFIG_FILE=/dev/null; "
			  "%s plan -input=false -no-color -out=%s/p >/dev/null && %s show -json %s/p >/dev/null",
			  s.tree, s.root, s.spec.engine_path, s.root, s.spec.engine_path, s.root);
	for (int i = 0; i < 7; i++) {
		int64_t t = clock_mono_ns();
		assert_int_equal(scene_run(&s), 0);
		t = clock_mono_ns() - t;
		best = t < best ? t : best;
		expect(&s, JOB_OK, "show", 2);
		scene_next_job(&s);
		t = clock_mono_ns();
		pid_t pid = fork();
		if (pid == 0) {
			(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
			_exit(127);
		}
		int status = -1;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		t = clock_mono_ns() - t;
		best_alone = t < best_alone ? t : best_alone;
	}
	print_message("plan and show: in the runner %.1f ms, engine alone %.1f ms (best of 7)\n", (double)best / 1e6,
		      (double)best_alone / 1e6);
	scene_close(&s);
}

int main(int argc, char **argv)
{
	runner_support_role(argc, argv);
	if (!fs_exists("/usr/bin/bwrap")) {
		print_message("skipped: bubblewrap is not installed\n");
		return 0;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_and_apply_at_the_root),
		cmocka_unit_test(plan_and_apply_in_a_workspace_below),
		cmocka_unit_test(opentofu_lives_the_same_life),
		cmocka_unit_test(through_the_executor),
		cmocka_unit_test(stale_plan_is_refused_by_the_engine),
		cmocka_unit_test(half_an_apply_keeps_its_state),
		cmocka_unit_test(overhead_is_told),
	};
	return cmocka_run_group_tests_name("runner", tests, NULL, NULL);
}
