/* A job whose init needs what has to be fetched first: the real runner, its real box and terraform; a double stands where the boxes of the fetch step are.
 * What it prints lies in the data directory as "modules.tar"; "modules.sleep" makes it slow. */
#include "base/clock.h"
#include "base/fs.h"
#include "runner/fetch_priv.h"
#include "tests/support/runner_support.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int double_run(const struct fetch_run *run, struct err *err)
{
	CLEANUP_BUF struct buf b = {0};
	CLEANUP_FREE char *path = fs_join(run->order->data_dir, "modules.tar"), *slow = fs_join(run->order->data_dir, "modules.sleep");
	static const char words[] = "the double speaks \033[31mred\033[0m\n";
	(void)!write(STDERR_FILENO, words, sizeof(words) - 1);
	if (fs_exists(slow))
		(void)sleep(20);
	if (fs_read(path, 1 << 20, &b, NULL) != 0)
		return err_set(err, ERR_UNAVAILABLE, "nobody answers");
	run->on_bytes(b.data, b.len, run->on_bytes_arg);
	return 0;
}

static void expect(const struct scene *s, enum job_outcome outcome, const char *step)
{
	if (s->exit.outcome == outcome && strcmp(s->exit.step != NULL ? s->exit.step : "-", step) == 0)
		return;
	CLEANUP_FREE char *log = scene_read(s, "log");
	fail_msg("%s at %s: %s\n%s", job_outcome_name(s->exit.outcome), s->exit.step, s->error, log);
}

/* A project that calls one remote module with one resource in it. */
static void open_project(struct scene *s)
{
	scene_open(s, NULL);
	scene_file(s, "main.tf", "module \"a\" {\n  source = \"git::https://h.example/r.git//sub?ref=v1.0.0\"\n}\n");
	s->spec.needs_init = true;
	s->spec.fetch_egress = xstrdup("h.example:443");
}

static void put_modules(const struct scene *s)
{
	CLEANUP_FREE char *line = xasprintf("cd %s && mkdir -p m/a/sub && echo 'resource \"terraform_data\" \"x\" { input = file(\"${path.module}/text\") }' >m/a/sub/main.tf && "
					    "echo hello >m/a/sub/text && "
					    "echo '{\"Modules\":[{\"Key\":\"\",\"Source\":\"\",\"Dir\":\".\"},{\"Key\":\"a\",\"Source\":"
					    "\"git::https://h.example/r.git//sub?ref=v1.0.0\",\"Dir\":\"/tmp/tfdata/modules/a/sub\"}]}' >m/modules.json && "
					    "tar --format=gnu -C m -cf modules.tar .", s->root);
	if (system(line) != 0)
		fail_msg("%s", line);
}

static void plan_and_apply_with_fetched_modules(void **state)
{
	(void)state;
	struct scene s;
	open_project(&s);
	put_modules(&s);
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_OK, "show");
	assert_string_equal(s.exit.summary, "module.a.terraform_data.x [\"create\"]; ");
	assert_int_equal(strlen(s.exit.modules), 64);
	CLEANUP_FREE char *log = scene_read(&s, "log"), *set = xasprintf("%s/modules/%s", s.root, s.exit.modules), *tar = fs_join(s.root, "modules.tar");
	assert_non_null(strstr(log, "the double speaks"));
	assert_true(fs_is_dir(set));
	assert_int_equal(unlink(tar), 0); /* nobody asks again */
	scene_next_job(&s);
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_OK, "show");
	scene_then_apply(&s);
	s.spec.modules_dir = xstrdup(set);
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_OK, "apply");
	assert_string_equal(s.exit.state_addresses, "module.a.terraform_data.x");
	scene_close(&s);
}

static void an_apply_without_the_modules_of_its_plan(void **state)
{
	(void)state;
	struct scene s;
	open_project(&s);
	put_modules(&s);
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_OK, "show");
	scene_then_apply(&s);
	s.spec.modules_dir = xasprintf("%s/modules/%064d", s.root, 1);
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_FAILED, "fetch");
	assert_non_null(strstr(s.error, "plan again"));
	CLEANUP_FREE char *point = scene_job_file(&s, "point");
	assert_false(fs_exists(point));
	scene_close(&s);
}

static void nobody_answers(void **state)
{
	(void)state;
	struct scene s;
	open_project(&s);
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_FAILED, "fetch");
	assert_string_equal(s.error, "the remote modules of . could not be fetched: nobody answers");
	assert_int_equal(s.exit.engine_starts, 0);
	scene_close(&s);
}

static void cancelled_meanwhile(void **state)
{
	(void)state;
	struct scene s;
	open_project(&s);
	CLEANUP_FREE char *slow = fs_join(s.root, "modules.sleep");
	assert_int_equal(fs_write_fast(slow, "", 0, 0600, NULL), 0);
	pid_t pid = scene_start(&s);
	assert_true(scene_log_has(&s, "the double speaks"));
	int64_t began = clock_mono_ms();
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(scene_wait(&s, pid), 0);
	assert_true(clock_mono_ms() - began < 3000);
	expect(&s, JOB_CANCELLED, "fetch");
	scene_close(&s);
}

static void its_time_ends(void **state)
{
	(void)state;
	struct scene s;
	open_project(&s);
	CLEANUP_FREE char *slow = fs_join(s.root, "modules.sleep");
	assert_int_equal(fs_write_fast(slow, "", 0, 0600, NULL), 0);
	s.spec.timeout_ms = 1000;
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_TIMEOUT, "fetch");
	assert_string_equal(s.exit.breach, "time");
	scene_close(&s);
}

static void nothing_to_fetch(void **state)
{
	(void)state;
	struct scene s;
	open_project(&s);
	scene_file(&s, "main.tf", "module \"m\" {\n  source = \"./m\"\n}\n");
	scene_file(&s, "m/main.tf", "resource \"terraform_data\" \"y\" {}\n");
	assert_int_equal(scene_run(&s), 0);
	expect(&s, JOB_OK, "show");
	assert_null(s.exit.modules);
	CLEANUP_FREE char *log = scene_read(&s, "log"), *fetched = fs_join(s.root, "fetch");
	assert_null(strstr(log, "the double speaks"));
	assert_false(fs_exists(fetched));
	scene_close(&s);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "fetch") == 0) {
		fetch_run_with = double_run;
		return fetch_main();
	}
	runner_support_role(argc, argv);
	if (!fs_exists("/usr/bin/bwrap")) {
		print_message("skipped: bubblewrap is not installed\n");
		return 0;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_and_apply_with_fetched_modules),
		cmocka_unit_test(an_apply_without_the_modules_of_its_plan),
		cmocka_unit_test(nobody_answers),
		cmocka_unit_test(cancelled_meanwhile),
		cmocka_unit_test(its_time_ends),
		cmocka_unit_test(nothing_to_fetch),
	};
	runner_support_adopt_orphans();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)runner_support_no_orphans(); /* those that are dying are waited for, others are a failure */
	return failed;
}
