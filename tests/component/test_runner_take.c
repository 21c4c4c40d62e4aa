/* States of applies that fail, and inputs that do not fit, with an engine double in the real sandbox. */
#include "base/clock.h"
#include "base/frame.h"
#include "base/fs.h"
#include "tests/support/runner_support.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
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

/* An apply needs a plan: makes one, then changes the mode. */
static void to_apply(struct scene *s, const char *mode)
{
	free(s->spec.plan_in);
	s->spec.plan_in = NULL;
	s->spec.phase = PHASE_PLAN;
	scene_next_job(s);
	run_mode(s, "plain", JOB_OK, "show");
	scene_then_apply(s);
	scene_file(s, "mode", mode);
}

static void state_is(const struct scene *s, int64_t serial)
{
	CLEANUP_BUF struct buf clear = {0};
	CLEANUP_FREE char *want = xasprintf("{\"version\":4,\"serial\":%lld,\"lineage\":\"double\",\"outputs\":{}}", (long long)serial);
	assert_true(s->exit.has_state);
	assert_int_equal(s->exit.state_serial, serial);
	assert_string_equal(s->exit.state_lineage, "double");
	scene_unseal(s, "state.enc", "state", &clear);
	assert_string_equal(buf_str(&clear), want);
}

static void state_comes_out_whatever_happens(void **state)
{
	(void)state;
	struct scene s;
	open_double(&s, "plain");
	to_apply(&s, "plain");
	run_mode(&s, "plain", JOB_OK, "apply");
	state_is(&s, 3);

	to_apply(&s, "apply-crash");
	run_mode(&s, "apply-crash", JOB_FAILED, "apply");
	assert_string_equal(s.error, "Terraform was killed by signal 6 during apply");
	state_is(&s, 7);

	to_apply(&s, "apply-torn"); /* the last whole one is kept, and the loss is told */
	run_mode(&s, "apply-torn", JOB_BROKEN, "apply");
	assert_non_null(strstr(s.error, "killed by signal 6 during apply; the state after this apply could not be kept: state: "));
	state_is(&s, 1);

	to_apply(&s, "apply-hang");
	s.spec.timeout_ms = 1500;
	run_mode(&s, "apply-hang", JOB_TIMEOUT, "apply");
	state_is(&s, 1);
	s.spec.timeout_ms = 60000;

	to_apply(&s, "apply-nostate");
	run_mode(&s, "apply-nostate", JOB_BROKEN, "apply");
	assert_non_null(strstr(s.error, "the engine left none at its usual place"));

	to_apply(&s, "apply-init");
	run_mode(&s, "apply-init", JOB_OK, "apply");
	assert_int_equal(s.exit.engine_starts, 3);
	to_apply(&s, "apply-late-init"); /* it had begun: never twice */
	run_mode(&s, "apply-late-init", JOB_FAILED, "apply");
	assert_int_equal(s.exit.engine_starts, 1);
	assert_false(s.exit.has_state);
	scene_close(&s);
}

static void older_serial_never_replaces(void **state)
{
	(void)state;
	struct scene s;
	open_double(&s, "plain");
	to_apply(&s, "plain");
	run_mode(&s, "plain", JOB_OK, "apply"); /* leaves serial 3 */
	scene_keep_state(&s);
	to_apply(&s, "apply-older");
	run_mode(&s, "apply-older", JOB_BROKEN, "apply");
	assert_non_null(strstr(s.error, "serial 2 came out after 3"));
	assert_false(s.exit.has_state);
	scene_close(&s);
}

static void inputs_that_do_not_fit_are_refused(void **state)
{
	(void)state;
	struct scene s;
	open_double(&s, "plain");
	to_apply(&s, "plain");
	CLEANUP_FREE char *sha = xstrdup(s.spec.plan_in_sha256);
	s.spec.plan_in_sha256[0] = s.spec.plan_in_sha256[0] == '0' ? '1' : '0';
	assert_int_equal(scene_run(&s), 0);
	assert_int_equal(s.exit.outcome, JOB_BROKEN);
	assert_string_equal(s.error, "the stored plan is not the one that was reviewed (SHA-256 differs): plan again");
	memcpy(s.spec.plan_in_sha256, sha, strlen(sha));
	s.plan_key[0] ^= 1;
	scene_next_job(&s);
	assert_int_equal(scene_run(&s), 0);
	assert_string_equal(s.error, "the reviewed plan: open sealed bytes: wrong key, wrong context or changed bytes");
	s.plan_key[0] ^= 1;
	s.spec.plan_in_aad[0] = 'S';
	scene_next_job(&s);
	assert_int_equal(scene_run(&s), 0);
	assert_int_equal(s.exit.outcome, JOB_BROKEN);
	assert_int_equal(s.exit.engine_starts, 0);
	CLEANUP_FREE char *point = scene_job_file(&s, "point");
	assert_false(fs_exists(point));
	scene_close(&s);
}

int main(int argc, char **argv)
{
	runner_support_role(argc, argv);
	if (!fs_exists("/usr/bin/bwrap")) {
		print_message("skipped: bubblewrap is not installed\n");
		return 0;
	}
	runner_support_adopt_orphans();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(state_comes_out_whatever_happens),
		cmocka_unit_test(older_serial_never_replaces),
		cmocka_unit_test(inputs_that_do_not_fit_are_refused),
	};
	return cmocka_run_group_tests_name("runner_take", tests, NULL, NULL);
}
