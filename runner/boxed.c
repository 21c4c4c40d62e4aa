#include "runner/boxed.h"

#include "base/clock.h"
#include "base/limits.h"
#include "runner/job_proto.h"
#include "runner/runner_priv.h"

#include <sys/wait.h>

void boxed_spec_default(struct job_spec *ret)
{
	*ret = (struct job_spec){
		.engine = ENGINE_NONE,
		.dir = xstrdup("."),
		.workspace = xstrdup("default"),
		.timeout_ms = INT64_C(10) * 60 * 1000,
		.output_max = INT64_C(4) << 20,
		.memory_max = INT64_C(1) << 30,
		.cpu_ms_max = INT64_C(30) * 60 * 1000,
		.processes_max = 1024,
		.files_max = 100000,
		.workspace_max = INT64_C(512) << 20,
		.silence_ms = INT64_C(15) * 60 * 1000,
	};
}

static void run_one(struct runner *r, const struct boxed_order *o, struct boxed_result *ret)
{
	struct err gone = {0};
	struct strlist argv = {0};
	if (r->spec.engine == ENGINE_NONE)
		strlist_take(&argv, box_program(&r->spec));
	for (size_t i = argv.n; i < o->argv->n; i++)
		strlist_add(&argv, o->argv->v[i]);
	runner_step_start(r, STEP_COMMAND, &argv, false);
	strlist_free(&argv);
	int rc = runner_step_wait(r, &gone);
	ret->status = rc == 0 ? r->step.status : -1;
	if (r->stop != STOP_NONE)
		limits_say(r);
	else if (rc != 0)
		runner_broken(r, &gone);
	else
		r->exit.outcome = WIFEXITED(r->step.status) && WEXITSTATUS(r->step.status) == 0 ? JOB_OK : JOB_FAILED;
	r->exit.exit_code = rc != 0 ? -1 : WIFEXITED(r->step.status) ? WEXITSTATUS(r->step.status) : 128 + WTERMSIG(r->step.status);
}

/* What one frame to the box carries. */
static int check_arguments(const struct strlist *argv, struct err *err)
{
	enum { ROOM = JOB_CONTROL_FRAME_MAX - LIMIT_PATH_BYTES - 16 };
	size_t bytes = 0;
	for (size_t i = 0; i < argv->n; i++)
		bytes += strlen(argv->v[i]) + 1;
	if (argv->n <= JOB_ARGS_MAX && bytes <= ROOM)
		return 0;
	return err_set(err, ERR_LIMIT, "the command has %zu arguments of %zu bytes: at most %d, of %d bytes, go into a box", argv->n, bytes, (int)JOB_ARGS_MAX,
		       (int)ROOM);
}

int boxed_run(const struct boxed_order *o, struct boxed_result *ret, struct err *err)
{
	struct runner r = {
		.spec = *o->spec, /* borrowed */
		.lock_fd = -1,
		.log_fd = -1,
		.signal_fd = -1,
		.oom_fd = -1,
		.net = -1,
		.link = {.fd = -1},
		.box = {.control = -1, .result = -1, .errors = -1},
		.on_output = o->on_output,
		.on_output_arg = o->arg,
		.job_init = o->job_init,
		.job_dir = o->spec->job_dir, /* for the lines about connections */
		.exit = {.outcome = JOB_BROKEN, .exit_code = -1, .started_ms = clock_wall_ms()},
		.deadline_ms = clock_mono_ms() + o->spec->timeout_ms,
	};
	*ret = (struct boxed_result){.status = -1};
	runner_files_raise();
	if (r.spec.engine == ENGINE_NONE)
		r.spec.engine_path = o->argv->v[0];
	int rc = check_arguments(o->argv, err);
	if (rc == 0)
		rc = runner_signals_open(&r, err);
	if (rc == 0)
		rc = limits_open(&r, err);
	if (rc == 0)
		rc = runner_box_open(&r, err);
	if (rc == 0) {
		ret->started = true;
		run_one(&r, o, ret);
	}
	limits_last_look(&r);
	box_end(&r.box);
	limits_close(&r);
	mem_close_fd(&r.signal_fd);
	runner_wipe(&r);
	r.exit.finished_ms = clock_wall_ms();
	ret->exit = r.exit;
	ret->walls = r.walls;
	return rc;
}
