/* Which engine starts happen and what their failures say, with the real terraform in the real sandbox. */
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

struct heard {
	bool done;
	int64_t job_id;
	enum job_outcome outcome;
	char steps[64], error[1024];
};

/* A local module needs init although nobody said so; with needs_init it is one start less. */
static void init_when_needed(void **state)
{
	(void)state;
	struct scene s;
	scene_open(&s, NULL);
	scene_file(&s, "app/main.tf", "module \"m\" {\n  source = \"../modules/m\"\n}\n");
	scene_file(&s, "modules/m/main.tf", "resource \"terraform_data\" \"x\" {}\n");
	free(s.spec.dir);
	s.spec.dir = xstrdup("app");
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_OK, "show", 4);
	assert_string_equal(s.exit.summary, "module.m.terraform_data.x [\"create\"]; ");
	s.spec.needs_init = true;
	scene_next_job(&s);
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_OK, "show", 3);
	assert_string_equal(s.exit.summary, "module.m.terraform_data.x [\"create\"]; ");
	scene_then_apply(&s);
	s.spec.needs_init = false; /* a plan file carries its modules */
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_OK, "apply", 1);
	check_sealed_state(&s);
	scene_close(&s);
}

/* A local backend with a path of its own is still managed state. */
static void local_backend_has_its_state_managed(void **state)
{
	(void)state;
	struct scene s;
	scene_open(&s, NULL);
	scene_file(&s, "main.tf",
		   "terraform {\n  backend \"local\" {\n    path = \"sub/mine.tfstate\"\n  }\n}\nresource \"terraform_data\" \"a\" {}\n");
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_OK, "show", 4);
	scene_then_apply(&s);
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_OK, "apply", 1);
	check_sealed_state(&s);
	scene_keep_state(&s);
	s.spec.phase = PHASE_PLAN;
	s.spec.needs_init = true;
	scene_next_job(&s);
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_OK, "show", 3);
	assert_string_equal(s.exit.summary, "terraform_data.a [\"no-op\"]; ");
	scene_close(&s);
}

static void errors_name_file_and_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *step, *error;
		int64_t starts;
	} cases[] = {
		{"resource \"terraform_data\" \"a\" {\n  inputt = 1\n}\n", "plan",
		 "live/app/main.tf:2: Unsupported argument: An argument named \"inputt\" is not expected here. Did you mean \"input\"?", 1},
		{"output \"x\" {\n  value = nothing.here\n}\noutput \"y\" {\n  value = nothing.there\n}\n", "plan",
		 "live/app/main.tf:2: Reference to undeclared resource: A managed resource \"nothing\" \"here\" has not been declared in "
		 "the root module. "
		 "(and 1 more error, see the log)",
		 1},
		{"locals {\n", "plan",
		 "live/app/main.tf:1: Unclosed configuration block: There is no closing brace for this block before the end of the file. "
		 "This may be caused by incorrect brace nesting elsewhere in this file.",
		 1},
		{"data \"external\" \"x\" { program = [\"/bin/sh\"] }\n", "init",
		 "Failed to query available provider packages: Could not retrieve the list of available versions for "
		 "provider hashicorp/external: "
		 "cannot search /nonexistent: lstat /nonexistent: no such file or directory",
		 2},
	};
	struct scene s;
	scene_open(&s, NULL);
	free(s.spec.dir);
	s.spec.dir = xstrdup("live/app");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		scene_file(&s, "live/app/main.tf", cases[i].text);
		scene_next_job(&s);
		assert_int_equal(scene_run(&s), 0);
		expect(&s, JOB_FAILED, cases[i].step, cases[i].starts);
		assert_int_equal(s.exit.exit_code, 1);
		if (strncmp(s.error, cases[i].error, strlen(cases[i].error)) != 0)
			assert_string_equal(s.error, cases[i].error);
		has_no_file(&s, "plan.enc");
	}
	assert_non_null(strstr(s.error, "only the providers of its own mirror"));
	scene_close(&s);
}

/* Init takes a provider from the mirror (it looks at the file, it does not start it) and from nowhere else. */
static void providers_come_from_the_mirror(void **state)
{
	(void)state;
	static const char block[] = "terraform {\n  required_providers {\n    null = { source = \"hashicorp/null\" }\n  }\n}\n"
				    "resource \"null_resource\" \"x\" {}\n";
	struct scene s;
	struct err err = {0};
	scene_open(&s, NULL);
	scene_file(&s, "main.tf", block);
	s.spec.mirror_dir = fs_join(s.root, "mirror");
	CLEANUP_FREE char *dir = fs_join(s.spec.mirror_dir, "registry.terraform.io/hashicorp/null/3.2.0/linux_amd64");
	CLEANUP_FREE char *file = fs_join(dir, "terraform-provider-null_v3.2.0_x5");
	assert_int_equal(fs_mkdir_p(s.spec.mirror_dir, 0755, &err), 0);
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_FAILED, "init", 2);
	assert_non_null(strstr(s.error, "hashicorp/null"));
	assert_non_null(strstr(s.error, "only the providers of its own mirror"));
	assert_int_equal(fs_mkdir_p(dir, 0755, &err), 0);
	assert_int_equal(fs_write_fast(file, "not a program", 13, 0755, &err), 0);
	scene_next_job(&s);
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_FAILED, "plan", 3); /* installed, locked, and only then found to be no program */
	CLEANUP_FREE char *log = scene_read(&s, "log");
	assert_non_null(strstr(log, "Installing hashicorp/null v3.2.0"));
	scene_file(&s, ".terraform.lock.hcl", "provider \"registry.terraform.io/hashicorp/null\" {\n  version = \"3.1.0\"\n}\n");
	s.spec.needs_init = true; /* the lock file of the commit counts, and is not rewritten */
	scene_next_job(&s);
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_FAILED, "init", 1);
	assert_non_null(strstr(s.error, "3.1.0"));
	scene_close(&s);
}

/* Nobody could read before what a remote module would ask for: what the engine selected is looked at before anything of it is started. */
static void selections_are_held_against_the_rules(void **state)
{
	(void)state;
	struct scene s;
	struct err err = {0};
	scene_open(&s, NULL);
	scene_file(&s, "main.tf", "resource \"null_resource\" \"x\" {}\n");
	s.spec.mirror_dir = fs_join(s.root, "mirror");
	s.spec.needs_init = true;
	CLEANUP_FREE char *dir = fs_join(s.spec.mirror_dir, "registry.terraform.io/hashicorp/null/3.2.0/linux_amd64");
	CLEANUP_FREE char *file = fs_join(dir, "terraform-provider-null_v3.2.0_x5");
	assert_int_equal(fs_mkdir_p(dir, 0755, &err), 0);
	assert_int_equal(fs_write_fast(file, "not a program", 13, 0755, &err), 0);
	static const struct {
		const char *rules, *step, *error;
		int64_t starts;
	} cases[] = {
		{"hashicorp/* >= 4", "version", "the engine selected the provider registry.terraform.io/hashicorp/null 3.2.0, which is not allowed on this server", 2},
		{"hashicorp/null >= 3, < 4", "plan", "", 3}, /* it is no program */
		{"hashicorp/aws", "init", "hashicorp/null", 1},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		free(s.spec.provider_allow);
		s.spec.provider_allow = xstrdup(cases[i].rules);
		scene_next_job(&s);
		assert_int_equal(scene_run(&s), 0);
		expect(&s, JOB_FAILED, cases[i].step, cases[i].starts);
		if (strstr(s.exit.error, cases[i].error) == NULL)
			fail_msg("%s", s.exit.error);
	}
	scene_close(&s);
}

/* A killed plan leaves no lock behind, and what a person asked for beyond it reaches the engine. */
static void flags_of_a_plan(void **state)
{
	(void)state;
	struct scene s;
	scene_open(&s, NULL);
	scene_file(&s, "main.tf", "resource \"terraform_data\" \"a\" {}\nresource \"terraform_data\" \"b\" {}\n");
	s.spec.args = xstrdup("-target=terraform_data.b\n-parallelism=2");
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_OK, "show", 2);
	assert_string_equal(s.exit.summary, "terraform_data.b [\"create\"]; ");
	scene_close(&s);
}

/* What the commit must not smuggle in: the engine's own memory, links to host files, a state. */
static void tool_state_of_the_commit_is_not_shown(void **state)
{
	(void)state;
	struct scene s;
	scene_open(&s, NULL);
	scene_file(&s, "main.tf",
		   "module \"m\" {\n  source = \"./m\"\n}\noutput \"shadow\" {\n  value = fileexists(\"${path.module}/evil\")\n}\n");
	scene_file(&s, "m/main.tf", "resource \"terraform_data\" \"reviewed\" {}\n");
	scene_file(&s, "hidden/main.tf", "resource \"terraform_data\" \"smuggled\" {}\n");
	scene_file(&s, ".terraform/modules/modules.json",
		   "{\"Modules\":[{\"Key\":\"\",\"Source\":\"\",\"Dir\":\".\"},{\"Key\":\"m\",\"Source\":\"./m\",\"Dir\":\"hidden\"}]}");
	scene_file(&s, "terraform.tfstate", "{\"version\":4,\"serial\":99,\"lineage\":\"smuggled\",\"outputs\":{},\"resources\":[]}");
	CLEANUP_FREE char *evil = fs_join(s.tree, "evil");
	assert_int_equal(symlink("/etc/shadow", evil), 0);
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_OK, "show", 4);
	assert_string_equal(s.exit.summary, "module.m.terraform_data.reviewed [\"create\"]; ");
	scene_then_apply(&s);
	s.spec.needs_init = true;
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_OK, "apply", 2);
	CLEANUP_BUF struct buf clear = {0};
	scene_unseal(&s, "state.enc", "state", &clear);
	assert_non_null(strstr(buf_str(&clear), "\"shadow\": {\n      \"value\": false"));
	assert_true(s.exit.state_serial < 99);
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
		cmocka_unit_test(init_when_needed),
		cmocka_unit_test(local_backend_has_its_state_managed),
		cmocka_unit_test(errors_name_file_and_line),
		cmocka_unit_test(providers_come_from_the_mirror),
		cmocka_unit_test(selections_are_held_against_the_rules),
		cmocka_unit_test(flags_of_a_plan),
		cmocka_unit_test(tool_state_of_the_commit_is_not_shown),
	};
	return cmocka_run_group_tests_name("runner_steps", tests, NULL, NULL);
}
