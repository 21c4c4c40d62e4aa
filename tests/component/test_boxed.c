/* Programs in a real box: what they print arrives, and each ceiling ends them within a second with its name, as the user that runs the tests. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "runner/boxed.h"
#include "runner/cgroup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char *job_init;

struct outcome {
	struct buf out, err;
	struct boxed_result result;
	int64_t took_ms;
};

static void on_output(bool is_err, const char *bytes, size_t len, void *arg)
{
	struct outcome *o = arg;
	buf_add(is_err ? &o->err : &o->out, bytes, len);
}

/* `sh -c script` in the box with the host's programs; the caller frees with done(). */
static struct outcome run(struct job_spec *spec, const char *script)
{
	struct outcome o = {0};
	struct err err = {0};
	struct strlist argv = {0};
	strlist_add(&argv, "/bin/sh");
	strlist_add(&argv, "-c");
	strlist_add(&argv, script);
	struct boxed_order order = {.spec = spec, .argv = &argv, .job_init = job_init, .on_output = on_output, .arg = &o};
	o.took_ms = clock_mono_ms();
	if (boxed_run(&order, &o.result, &err) != 0)
		fail_msg("%s", err.msg);
	o.took_ms = clock_mono_ms() - o.took_ms;
	strlist_free(&argv);
	return o;
}

static void done(struct outcome *o)
{
	buf_free(&o->out);
	buf_free(&o->err);
	job_exit_free(&o->result.exit);
}

static struct job_spec compat(void)
{
	struct job_spec s;
	boxed_spec_default(&s);
	s.profile = PROFILE_COMPAT;
	return s;
}

static void bytes_and_status_come_out(void **state)
{
	(void)state;
	struct job_spec spec = compat();
	struct outcome o = run(&spec, "echo out; echo err >&2; exit 7");
	assert_string_equal(buf_str(&o.out), "out\n");
	assert_string_equal(buf_str(&o.err), "err\n");
	assert_true(o.result.started && WIFEXITED(o.result.status) && WEXITSTATUS(o.result.status) == 7);
	assert_int_equal(o.result.exit.exit_code, 7);
	assert_null(o.result.exit.breach);
	assert_non_null(o.result.exit.isolation);
	done(&o);
	job_spec_free(&spec);
}

struct ceiling {
	const char *script, *breach;
	int64_t *(*of)(struct job_spec *s);
	int64_t value;
};

static int64_t *memory_of(struct job_spec *s) { return &s->memory_max; }
static int64_t *cpu_of(struct job_spec *s) { return &s->cpu_ms_max; }
static int64_t *processes_of(struct job_spec *s) { return &s->processes_max; }
static int64_t *files_of(struct job_spec *s) { return &s->files_max; }
static int64_t *workspace_of(struct job_spec *s) { return &s->workspace_max; }
static int64_t *output_of(struct job_spec *s) { return &s->output_max; }
static int64_t *time_of(struct job_spec *s) { return &s->timeout_ms; }
static int64_t *silence_of(struct job_spec *s) { return &s->silence_ms; }

static const struct ceiling ceilings[] = {
	{"x=a; while :; do x=$x$x; done", "memory", memory_of, 48 << 20},
	{"while :; do :; done", "cpu", cpu_of, 300},
	{"while :; do sleep 9 & done", "processes", processes_of, 40},
	{"i=0; while :; do : >$i; i=$((i+1)); done", "files", files_of, 300},
	{"head -c 4000000 /dev/zero >x; sleep 9", "workspace", workspace_of, 1 << 20},
	{"yes", "output", output_of, 4096},
	{"sleep 9", "time", time_of, 400},
	{"sleep 9", "silence", silence_of, 400},
};

/* How long a program needs to reach a ceiling is its own business; sleeping ones have none. */
static void ceiling_is_the_verdict(void **state)
{
	const struct ceiling *c = *state;
	struct job_spec spec = compat();
	*c->of(&spec) = c->value;
	struct outcome o = run(&spec, c->script);
	if (o.result.exit.breach == NULL || strcmp(o.result.exit.breach, c->breach) != 0)
		fail_msg("%s: %s, %s", c->breach, o.result.exit.breach != NULL ? o.result.exit.breach : "no breach",
			 o.result.exit.error != NULL ? o.result.exit.error : "no error");
	assert_non_null(o.result.exit.error);
	if (c->of == time_of || c->of == silence_of)
		assert_true(o.took_ms >= 400 && o.took_ms < 1400);
	assert_true(o.took_ms < 9000);
	done(&o);
	job_spec_free(&spec);
}

/* What a job leaves running dies with it. */
static void nothing_is_left_behind(void **state)
{
	(void)state;
	struct job_spec spec = compat();
	CLEANUP_FREE char *script = xasprintf("setsid sleep 4321.%d & setsid nohup sh -c 'sleep 4321.%d' >/dev/null 2>&1 & echo started", getpid(), getpid());
	struct outcome o = run(&spec, script);
	assert_string_equal(buf_str(&o.out), "started\n");
	CLEANUP_FREE char *look = xasprintf("pgrep -f '^sleep 4321.%d' >/dev/null", getpid());
	assert_int_not_equal(system(look), 0);
	done(&o);
	job_spec_free(&spec);
}

static void files_go_in_as_they_are(void **state)
{
	(void)state;
	char root[] = "/tmp/test-boxed-XXXXXX";
	struct err err = {0};
	assert_non_null(mkdtemp(root));
	CLEANUP_FREE char *file = fs_join(root, "main.tf");
	assert_int_equal(chmod(root, 0755), 0);
	assert_int_equal(fs_write_fast(file, "hello", 5, 0444, &err), 0);
	struct job_spec spec = compat();
	spec.tree_dir = xstrdup(root);
	struct outcome o = run(&spec, "cat main.tf; echo changed >main.tf; rm main.tf; ls");
	assert_string_equal(buf_str(&o.out), "hello");
	CLEANUP_BUF struct buf after = {0};
	assert_int_equal(fs_read(file, 64, &after, &err), 0);
	assert_string_equal(buf_str(&after), "hello");
	done(&o);
	job_spec_free(&spec);
	assert_int_equal(fs_remove_tree(root, &err), 0);
}

static void what_cannot_start_says_why(void **state)
{
	(void)state;
	struct err err = {0};
	struct strlist argv = {0};
	struct boxed_result result;
	struct job_spec spec = compat();
	strlist_add(&argv, "/bin/sh");
	struct boxed_order order = {.spec = &spec, .argv = &argv, .job_init = "/nonexistent/sluice-job-init", .on_output = on_output};
	assert_int_equal(boxed_run(&order, &result, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, "belongs beside the sluice binary"));
	assert_false(result.started);
	job_exit_free(&result.exit);
	spec.isolation_min = TIER_FULL;
	order.job_init = job_init;
	int rc = boxed_run(&order, &result, &err);
	CLEANUP_FREE char *why = NULL;
	if (cgroup_here(&why) == CGROUP_NONE) {
		assert_int_equal(rc, ERR_REFUSED);
		assert_non_null(strstr(err.msg, "sandbox.floor"));
	} else {
		assert_int_equal(rc, 0);
		assert_string_equal(result.exit.isolation, "full");
	}
	job_exit_free(&result.exit);
	struct outcome said = {0};
	order.arg = &said;
	while (argv.n < 256)
		strlist_add(&argv, "x");
	spec.isolation_min = TIER_NONE;
	assert_int_equal(boxed_run(&order, &result, &err), 0);
	assert_int_equal(result.exit.exit_code, 2); /* sh cannot open x */
	job_exit_free(&result.exit);
	strlist_add(&argv, "x");
	assert_int_equal(boxed_run(&order, &result, &err), ERR_LIMIT);
	assert_string_equal(err.msg, "the command has 257 arguments of 520 bytes: at most 256, of 64496 bytes, go into a box");
	done(&said);
	job_exit_free(&result.exit);
	strlist_free(&argv);
	job_spec_free(&spec);
}

int main(void)
{
	if (!fs_exists("/usr/bin/bwrap")) {
		print_message("skipped: bubblewrap is not installed\n");
		return 0;
	}
	job_init = xasprintf("%s/../../sluice-job-init", fs_self_dir());
	struct CMUnitTest tests[4 + ARRAY_LEN(ceilings)] = {
		cmocka_unit_test(bytes_and_status_come_out), cmocka_unit_test(nothing_is_left_behind), cmocka_unit_test(files_go_in_as_they_are),
		cmocka_unit_test(what_cannot_start_says_why),
	};
	for (size_t i = 0; i < ARRAY_LEN(ceilings); i++)
		tests[4 + i] = (struct CMUnitTest){ceilings[i].breach, ceiling_is_the_verdict, NULL, NULL, (void *)(uintptr_t)&ceilings[i]};
	int rc = _cmocka_run_group_tests("boxed", tests, 4 + ARRAY_LEN(ceilings), NULL, NULL);
	free(job_init);
	return rc;
}
