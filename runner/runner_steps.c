#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "runner/engine_error.h"
#include "runner/project_look.h"
#include "runner/provider_rule.h"
#include "runner/runner_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* The sequence of engine starts of one phase, top to bottom. Each start costs about 50 ms, so none happens that is not needed: `init` only
 * where the configuration asks for it, and once more only where the engine says that it should have been. */

const char *runner_step_name(enum step_id id)
{
	static const char *const names[STEPS] = {[STEP_INIT] = "init", [STEP_PLAN] = "plan", [STEP_SHOW] = "show", [STEP_APPLY] = "apply",
						  [STEP_VERSION] = "version", [STEP_COMMAND] = "command"};
	return names[id];
}

void runner_broken(struct runner *r, const struct err *err)
{
	if (r->exit.error != NULL)
		return;
	if (r->stop != STOP_NONE) {
		limits_say(r);
		return;
	}
	r->exit.outcome = JOB_BROKEN;
	r->exit.error = xstrdup(err->msg);
}

/* ---- the outcome of one step ---- */

static void say_failed(struct runner *r)
{
	CLEANUP_BUF struct buf out = {0};
	const struct engine *row = engine_row(r->spec.engine);
	r->exit.outcome = JOB_FAILED;
	if (!engine_error_sentence(buf_str(&r->step.err), r->step.err.len, r->spec.dir, &out)) {
		if (WIFSIGNALED(r->step.status))
			buf_printf(&out, "%s was killed by signal %d during %s%s", row->label, WTERMSIG(r->step.status), r->exit.step,
				   WTERMSIG(r->step.status) == SIGKILL ? ", perhaps for lack of memory" : "");
		else
			buf_printf(&out, "%s %s ended with status %d and no error message, see the log", row->program, r->exit.step,
				   WEXITSTATUS(r->step.status));
	}
	r->exit.error = buf_take(&out);
}

static bool step_ok(const struct runner *r) { return WIFEXITED(r->step.status) && WEXITSTATUS(r->step.status) == 0; }

/* Writes down how the job ended; the stop that was asked for explains a failure, an engine that finished all the same did finish. */
static void fail(struct runner *r)
{
	if (r->exit.error != NULL)
		return;
	if (r->stop != STOP_NONE)
		limits_say(r);
	else
		say_failed(r);
}

/* ---- arguments ---- */

static void base_args(const struct runner *r, struct strlist *argv, const char *command)
{
	strlist_take(argv, box_program(&r->spec));
	strlist_add(argv, command);
}

static void init_args(const struct runner *r, struct strlist *argv)
{
	base_args(r, argv, "init");
	strlist_add(argv, "-input=false");
	strlist_add(argv, "-no-color");
	strlist_add(argv, "-reconfigure"); /* where a state was once read from is not asked, and nothing is migrated */
	if (r->spec.lock_file != NULL || project_has_lock_file(&r->spec))
		strlist_add(argv, "-lockfile=readonly");
	if (r->spec.managed_state && project_names_local_backend(&r->spec)) { /* a path of its own would be out of our sight */
		strlist_add(argv, "-backend-config=path=terraform.tfstate");
		strlist_add(argv, "-backend-config=workspace_dir=terraform.tfstate.d");
	}
}

/* A plan that is killed must not leave a lock behind for everybody: who plans and who applies is kept apart by the daemon. */
static void plan_args(const struct runner *r, struct strlist *argv)
{
	strlist_add(argv, "-lock=false");
	if (r->spec.destroy)
		strlist_add(argv, "-destroy");
	text_split_lines(r->spec.args, argv);
}

static void step_args(const struct runner *r, enum step_id id, struct strlist *argv)
{
	if (id == STEP_INIT) {
		init_args(r, argv);
		return;
	}
	base_args(r, argv, runner_step_name(id));
	if (id == STEP_SHOW || id == STEP_VERSION) {
		strlist_add(argv, "-json");
		if (id == STEP_SHOW)
			strlist_add(argv, BOX_PLAN_OUT);
		return;
	}
	strlist_add(argv, "-input=false");
	strlist_add(argv, "-no-color");
	if (id == STEP_PLAN)
		plan_args(r, argv);
	strlist_add(argv, id == STEP_PLAN ? "-out=" BOX_PLAN_OUT : BOX_PLAN_IN);
}

/* ---- running ---- */

static void start(struct runner *r, enum step_id id)
{
	struct strlist argv = {0};
	step_args(r, id, &argv);
	free(r->exit.step);
	r->exit.step = xstrdup(runner_step_name(id));
	r->exit.engine_starts++;
	link_tell_step(r);
	runner_step_start(r, id, &argv, id == STEP_SHOW || id == STEP_VERSION);
	strlist_free(&argv);
}

/* Waits for the step; false when the job is over with it. */
static bool finish(struct runner *r)
{
	struct err err = {0};
	if (runner_step_wait(r, &err) != 0) {
		runner_broken(r, &err);
		r->exit.exit_code = -1; /* not that of the step before */
		return false;
	}
	r->exit.exit_code = WIFEXITED(r->step.status) ? WEXITSTATUS(r->step.status) : 128 + WTERMSIG(r->step.status);
	return step_ok(r);
}

static bool run(struct runner *r, enum step_id id)
{
	if (r->stop != STOP_NONE)
		return false;
	start(r, id);
	return finish(r);
}

/* What the engine says that it selected, once more against the rules: remote modules ask for providers that nobody could read before. */
static int judge_selections(const struct runner *r, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root, selected;
	int rc = buf_failed(&r->step.out) ? err_set(err, ERR_LIMIT, "too long") : json_parse(buf_str(&r->step.out), r->step.out.len, NULL, &doc, &root, err);
	if (rc == 0)
		rc = json_obj(&root, "provider_selections", &selected, err);
	if (rc != 0)
		return err_wrap(err, "which providers the engine selected");
	for (struct json e = json_first(&selected); json_ok(&e); e = json_next(&e)) {
		const char *version = json_text(&e);
		if (provider_rules_verdict(r->spec.provider_allow, json_key(&e), version, NULL) != PROVIDER_ALLOWED)
			return err_set(err, ERR_REFUSED,
				       "the engine selected the provider %.200s %.60s, which is not allowed on this server: lock another one, or its operator "
				       "adds a rule that names it to `providers.allow`",
				       json_key(&e), version != NULL ? version : "");
	}
	return 0;
}

static bool initialise(struct runner *r)
{
	struct err err = {0};
	if (!run(r, STEP_INIT))
		return false;
	if (r->spec.provider_allow == NULL)
		return true;
	if (!run(r, STEP_VERSION))
		return false;
	int rc = judge_selections(r, &err);
	if (rc == ERR_REFUSED) {
		r->exit.outcome = JOB_FAILED;
		r->exit.error = xstrdup(err.msg);
	} else if (rc != 0) {
		runner_broken(r, &err);
	}
	return rc == 0;
}

/* The engine refused at the door and says that it has to be initialised. After the first word on its stdout that is not certain any more:
 * an apply is then never started a second time. */
static bool refused_for_init(const struct runner *r)
{
	return !r->spec.needs_init && r->exit.error == NULL && r->stop == STOP_NONE && (r->step.id == STEP_PLAN || !r->step.printed) &&
	       engine_error_wants_init(buf_str(&r->step.err), r->step.err.len);
}

/* Runs a step that may turn out to need `init` first, although we thought it would not. */
static bool run_initialised(struct runner *r, enum step_id id)
{
	if (run(r, id))
		return true;
	return refused_for_init(r) && initialise(r) && run(r, id);
}

/* ---- plan ---- */

static bool fits(char *const text) { return text == NULL || strlen(text) <= LIMIT_SUMMARY_BYTES; }

static bool understand(struct runner *r)
{
	struct err err = {0};
	struct runner_understood found = {0};
	int rc = 0;
	if (buf_failed(&r->step.out))
		rc = err_set(&err, ERR_LIMIT, "the plan as JSON is larger than %zu bytes: split the project", runner_tuning.plan_json_max);
	if (rc == 0)
		rc = r->understand(buf_str(&r->step.out), r->step.out.len, &found, &err);
	r->exit.summary = found.summary;
	r->exit.diff = found.diff;
	r->exit.changes = found.changes;
	if (rc == 0 && (!fits(r->exit.summary) || !fits(r->exit.diff))) { /* else the record could be written but not read */
		free(TAKE(r->exit.summary));
		free(TAKE(r->exit.diff));
		free(TAKE(r->exit.changes));
		rc = err_set(&err, ERR_LIMIT, "the summary of the plan is larger than %u bytes: split the project", LIMIT_SUMMARY_BYTES);
	}
	if (rc != 0)
		runner_broken(r, &err);
	return rc == 0;
}

static void plan_phase(struct runner *r)
{
	struct err err = {0};
	if ((r->spec.needs_init && !initialise(r)) || !run_initialised(r, STEP_PLAN) || r->stop != STOP_NONE) {
		fail(r);
		return;
	}
	start(r, STEP_SHOW); /* the plan file comes out and is sealed meanwhile */
	runner_ask_export(r, EXPORT_PLAN, BOX_PLAN_OUT, LIMIT_PLAN_BYTES, false);
	if (!finish(r)) {
		fail(r);
		return;
	}
	int rc = runner_export_wait(r, EXPORT_PLAN, &err);
	if (rc != 0 || r->take_err.code != 0) {
		runner_broken(r, rc != 0 ? &err : &r->take_err);
		return;
	}
	if (r->stop == STOP_BREACH) { /* seen when the last step had ended */
		fail(r);
		return;
	}
	if (understand(r))
		r->exit.outcome = JOB_OK;
}

/* ---- apply ---- */

/* From here on the world may change: whoever finds this file after a crash must not run the plan again. */
static int pass_point(const struct runner *r, struct err *err)
{
	CLEANUP_FREE char *path = fs_join(r->job_dir, "point");
	return fs_write_atomic(path, "", 0, 0600, err);
}

static bool apply_step(struct runner *r)
{
	struct err err = {0};
	if (r->spec.needs_init && !initialise(r))
		return false;
	if (r->stop != STOP_NONE)
		return false;
	if (pass_point(r, &err) != 0) {
		runner_broken(r, &err);
		return false;
	}
	return run_initialised(r, STEP_APPLY);
}

/* Adds to what is already wrong. */
static void state_lost(struct runner *r, const char *why)
{
	r->exit.outcome = JOB_BROKEN;
	char *both = xasprintf("%s%sthe state after this apply could not be kept: %s", r->exit.error != NULL ? r->exit.error : "",
			       r->exit.error != NULL ? "; " : "", why);
	free(r->exit.error);
	r->exit.error = both;
}

/* The state is taken out whatever the engine said, and what it did is not undone by a state that cannot be read: that is told. An engine
 * that applied without error always writes one. */
static void take_state_out(struct runner *r, const char *path)
{
	struct err err = {0};
	if (r->box_gone) {
		state_lost(r, "the sandbox was gone before");
		return;
	}
	r->take_err = (struct err){0};
	runner_ask_export(r, EXPORT_STATE, path, LIMIT_STATE_BYTES, false);
	int rc = runner_export_wait(r, EXPORT_STATE, &err);
	if (rc != 0 || r->take_err.code != 0)
		state_lost(r, rc != 0 ? err.msg : r->take_err.msg);
	else if (r->exit.outcome == JOB_OK && !r->exit.has_state)
		state_lost(r, "the engine left none at its usual place; does the configuration name another path for it?");
}

static void apply_phase(struct runner *r)
{
	CLEANUP_FREE char *state = box_state_path(&r->spec);
	if (r->spec.managed_state)
		runner_ask_export(r, EXPORT_STATE, state, LIMIT_STATE_BYTES, true);
	if (apply_step(r))
		r->exit.outcome = JOB_OK;
	else
		fail(r);
	if (r->spec.managed_state)
		take_state_out(r, state);
}

void runner_run_phase(struct runner *r)
{
	if (r->spec.phase == PHASE_APPLY)
		apply_phase(r);
	else
		plan_phase(r); /* drift is a plan that nobody will apply */
}
