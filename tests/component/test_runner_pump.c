/* The runner around engines and boxes that hang, flood, crash or lie. */
#include "base/clock.h"
#include "base/fs.h"
#include "tests/support/runner_support.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void open_double(struct scene *s, const char *mode)
{
	scene_open(s, runner_support_double());
	scene_file(s, "mode", mode);
}

static void run_mode(struct scene *s, const char *mode, enum job_outcome outcome, const char *step)
{
	scene_file(s, "mode", mode);
	assert_int_equal(scene_run(s), 0);
	if (s->exit.outcome != outcome)
		fail_msg("%s: %s, %s", mode, job_outcome_name(s->exit.outcome), s->error);
	assert_string_equal(s->exit.step, step);
}

static void engines_that_misbehave(void **state)
{
	(void)state;
	static const struct {
		const char *mode, *step, *error;
		enum job_outcome outcome;
	} cases[] = {
		{"silent", "plan", "terraform plan ended with status 9 and no error message, see the log", JOB_FAILED},
		{"crash", "plan", "Terraform was killed by signal 6 during plan", JOB_FAILED},
		{"noplan", "show", "the engine left no plan file", JOB_BROKEN},
		{"fifo", "show", "the plan file could not be read out of the sandbox", JOB_BROKEN},
		{"link", "show", "the plan file could not be read out of the sandbox", JOB_BROKEN},
		{"show-large", "show", "the plan as JSON is larger than 2097152 bytes: split the project", JOB_BROKEN},
		{"show-huge", "show", "the summary of the plan is larger than 16777216 bytes: split the project", JOB_BROKEN},
		{"orphan", "show", "", JOB_OK},
		{"init-needed", "show", "", JOB_OK},
	};
	struct scene s;
	open_double(&s, "plain");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		scene_next_job(&s);
		int64_t t = clock_mono_ms();
		run_mode(&s, cases[i].mode, cases[i].outcome, cases[i].step);
		assert_string_equal(s.error, cases[i].error);
		assert_true(clock_mono_ms() - t < 5000); /* nothing waits for what was left behind */
	}
	assert_int_equal(s.exit.engine_starts, 4);
	scene_close(&s);
}

static void log_has_a_ceiling(void **state)
{
	(void)state;
	struct scene s;
	open_double(&s, "flood");
	s.spec.output_max = 1000000;
	assert_int_equal(scene_run(&s), 0);
	assert_int_equal(s.exit.outcome, JOB_OK);
	CLEANUP_FREE char *log = scene_read(&s, "log");
	assert_true(strlen(log) > 1000000 && strlen(log) < 1000000 + 100);
	assert_non_null(strstr(log, "the log is cut here"));
	scene_close(&s);
}

/* Nothing of a plan is worth waiting for. SIGTERM is a cancel too. */
static void cancel_of_a_plan_is_at_once(void **state)
{
	(void)state;
	static const struct {
		const char *mode;
		int64_t at_least_ms, at_most_ms;
		int exit_code;
	} cases[] = {{"hang", 0, 1000, -1}, {"stubborn", 0, 1000, -1}};
	struct scene s;
	open_double(&s, "hang");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		scene_file(&s, "mode", cases[i].mode);
		scene_next_job(&s);
		pid_t pid = scene_start(&s);
		assert_true(scene_log_has(&s, "hanging"));
		int64_t t = clock_mono_ms();
		assert_int_equal(kill(pid, SIGTERM), 0);
		assert_int_equal(scene_wait(&s, pid), 0);
		t = clock_mono_ms() - t;
		assert_true(t >= cases[i].at_least_ms && t < cases[i].at_most_ms);
		assert_int_equal(s.exit.outcome, JOB_CANCELLED);
		assert_string_equal(s.error, "cancelled during plan");
		assert_int_equal(s.exit.exit_code, cases[i].exit_code);
	}
	scene_close(&s);
}

static void time_limit_ends_a_plan(void **state)
{
	(void)state;
	struct scene s;
	open_double(&s, "hang");
	s.spec.timeout_ms = 1000;
	int64_t t = clock_mono_ms();
	assert_int_equal(scene_run(&s), 0);
	t = clock_mono_ms() - t;
	assert_true(t >= 1000 && t < 1000 + RUNNER_SUPPORT_GRACE_MS);
	assert_int_equal(s.exit.outcome, JOB_TIMEOUT);
	assert_string_equal(s.error, "stopped after 1 s, the time limit of this phase (`limits.plan_timeout`) during plan");
	scene_close(&s);
}

/* Each ceiling ends the job within a second, is the verdict, and leaves nothing behind. */
static void ceilings_are_verdicts(void **state)
{
	(void)state;
	struct scene s;
	open_double(&s, "flood");
	s.spec.output_max = 100000;
	assert_int_equal(scene_run(&s), 0);
	assert_int_equal(s.exit.outcome, JOB_FAILED);
	assert_string_equal(s.exit.breach, "output");
	assert_string_equal(s.error, "exceeded 1600000 bytes of output, 16 times `limits.output` during plan");
	scene_file(&s, "mode", "hang");
	scene_next_job(&s);
	s.spec.output_max = 1 << 20;
	s.spec.silence_ms = 400;
	int64_t t = clock_mono_ms();
	assert_int_equal(scene_run(&s), 0);
	t = clock_mono_ms() - t;
	assert_true(t >= 400 && t < 1400);
	assert_int_equal(s.exit.outcome, JOB_TIMEOUT);
	assert_string_equal(s.exit.breach, "silence");
	assert_string_equal(s.error, "stopped after 400 ms without output (`limits.silence`) during plan");
	scene_file(&s, "mode", "show-fills"); /* in the last step, which goes on and ends well */
	scene_next_job(&s);
	s.spec.silence_ms = 0;
	s.spec.files_max = 300;
	assert_int_equal(scene_run(&s), 0);
	assert_string_equal(s.exit.breach, "files");
	assert_int_equal(s.exit.outcome, JOB_FAILED);
	assert_string_equal(s.error, "exceeded 300 files (`limits.files`) during show");
	scene_close(&s);
}

/* Whatever comes out of the box instead of the protocol: the job is over, the runner is not. */
static void boxes_that_lie(void **state)
{
	(void)state;
	static const char nonsense[] = "the sandbox answered what it was not asked and was killed",
			  late[] = "stopped after 3 s, the time limit of this phase (`limits.plan_timeout`) during plan";
	static const struct {
		const char *mode, *error;
		enum job_outcome outcome;
	} cases[] = {
		{"evil-exit", "the sandbox does not start: no reason given", JOB_BROKEN},
		{"evil-length", "the sandbox does not start: no reason given", JOB_BROKEN},
		{"evil-type", nonsense, JOB_BROKEN},
		{"evil-step", nonsense, JOB_BROKEN},
		{"evil-export", nonsense, JOB_BROKEN},
		{"evil-short", nonsense, JOB_BROKEN},
		{"evil-twice", nonsense, JOB_BROKEN},
		{"evil-status", nonsense, JOB_BROKEN},
		{"evil-silent", late, JOB_TIMEOUT},
		{"evil-flood", late, JOB_TIMEOUT},
	};
	struct scene s;
	open_double(&s, "plain");
	s.spec.timeout_ms = 3000;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		scene_next_job(&s);
		CLEANUP_FREE char *job_init = scene_job_file(&s, "job-init");
		assert_int_equal(symlink(runner_support_double(), job_init), 0);
		scene_file(&s, "mode", cases[i].mode);
		assert_int_equal(scene_run(&s), 0);
		if (s.exit.outcome != cases[i].outcome || strcmp(s.error, cases[i].error) != 0)
			fail_msg("%s: %s, %s", cases[i].mode, job_outcome_name(s.exit.outcome), s.error);
	}
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
		cmocka_unit_test(engines_that_misbehave), cmocka_unit_test(log_has_a_ceiling), cmocka_unit_test(cancel_of_a_plan_is_at_once),
		cmocka_unit_test(time_limit_ends_a_plan), cmocka_unit_test(ceilings_are_verdicts), cmocka_unit_test(boxes_that_lie),
	};
	return cmocka_run_group_tests_name("runner_pump", tests, NULL, NULL);
}
