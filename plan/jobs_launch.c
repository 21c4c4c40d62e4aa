/* What a job that was picked takes along: its engine, its state, its plan, its keys; and the spec that its runner reads. On the writer thread,
 * but for the spec. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/fs.h"
#include "base/text.h"
#include "plan/job_plan.h"
#include "plan/jobs_priv.h"
#include "plan/lock_store.h"

#include <stdio.h>

void jobs_launch_free(struct launch *l)
{
	crypto_wipe(l->key, sizeof(l->key));
	crypto_wipe(l->state_key, sizeof(l->state_key));
	crypto_wipe(l->plan_key, sizeof(l->plan_key));
	job_row_free(&l->job);
	state_version_free(&l->state);
	free(l->tree_dir);
	job_box_free(&l->box);
	free(l);
}

/* A project that names no engine gets the one this server has: terraform first, then OpenTofu. */
static enum engine_kind engine_of(const struct jobs *j, const struct job_row *job)
{
	if (job->engine != ENGINE_NONE)
		return job->engine;
	return j->engines[ENGINE_TERRAFORM].path == NULL && j->engines[ENGINE_OPENTOFU].path != NULL ? ENGINE_OPENTOFU : ENGINE_TERRAFORM;
}

static int load_state(struct db_conn *c, const struct job_row *job, struct state_version *ret, struct err *err)
{
	int rc = state_current(c, job->repo_id, job->project, job->workspace, ret, err);
	return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* What goes in: the state in force, and for an apply the plan that was reviewed. */
static int gather_inputs(struct db_conn *c, struct jobs *j, struct launch *l, struct err *err)
{
	struct job_row *job = &l->job;
	int rc = 0;
	if (l->state.id != 0)
		rc = agent_unwrap(j->o.agent, l->state.key_context, l->state.key_wrapped, l->state_key, err);
	if (rc != 0 || job->phase != PHASE_APPLY)
		return rc;
	struct job_row plan;
	rc = job_get(c, job->plan_job, &plan, err);
	if (rc != 0)
		return rc;
	char context[40];
	l->plan_file = plan.plan_file != 0 ? plan.plan_file : plan.id;
	(void)snprintf(context, sizeof(context), "job %lld", (long long)l->plan_file); /* fits */
	if (!plan.has_key)
		rc = err_set(err, ERR_NOT_FOUND, "the plan of %s was not kept: plan again", plan.project);
	else
		rc = agent_unwrap(j->o.agent, context, plan.key_wrapped, l->plan_key, err);
	l->plan_job = plan.id;
	job_row_free(&plan);
	return rc;
}

struct record_context jobs_record_context(const struct jobs *j)
{
	return (struct record_context){.agent = j->o.agent, .config = j->o.config, .engines = j->engines};
}

int jobs_prepare_launch(struct db_conn *c, struct jobs *j, struct launch *l, struct err *err)
{
	struct job_row *job = &l->job;
	enum engine_kind kind = engine_of(j, job);
	const struct engine_binary *engine = &j->engines[kind];
	if (engine->path == NULL)
		return err_set(err, ERR_REFUSED, "%s", j->engine_missing[kind]);
	free(job->engine_version);
	job->engine_version = xasprintf("%s %s", engine_row(kind)->name, engine->version);
	job->engine = kind;
	struct run_row run;
	int rc = run_get(c, job->run_id, &run, err);
	if (rc != 0)
		return rc;
	l->tree_dir = xstrdup(run.tree_dir);
	rc = job_box_make(j->o.config, &j->host, run.repo, job, &l->box, err);
	run_row_free(&run);
	if (rc == 0 && job->phase == PHASE_APPLY)
		rc = lock_take(c, job->repo_id, job->project, job->pull, job->run_id, err);
	if (rc == 0 && job->managed_state)
		rc = load_state(c, job, &l->state, err);
	if (rc == 0 && job->phase == PHASE_APPLY) { /* before any key: what was reviewed is what is applied */
		struct record_context x = jobs_record_context(j);
		rc = job_record_check(c, &x, job, &l->state, err);
	}
	if (rc == 0)
		rc = gather_inputs(c, j, l, err);
	char context[40];
	(void)snprintf(context, sizeof(context), "job %lld", (long long)job->id); /* fits */
	if (rc == 0)
		rc = agent_new_key(j->o.agent, context, l->key, job->key_wrapped, err);
	free(job->log);
	job->log = xasprintf("logs/%lld.log", (long long)job->id);
	job->started_ms = clock_wall_ms();
	if (rc == 0 && l->plan_job != 0) /* last: a job that is refused above leaves its plan to be applied another time */
		rc = job_use_plan(c, l->plan_job, job->id, err);
	if (rc == 0 && job->phase == PHASE_PLAN)
		rc = job_plan_state(c, job->id, l->state.lineage, l->state.serial, err);
	return rc != 0 ? rc : job_start(c, job, err);
}

static char *job_text(const char *what, int64_t id) { return xasprintf("sluice job %lld %s", (long long)id, what); }

/* Where jobs must not connect to, whatever the rules say: ourselves. */
static char *own_listener(const struct server_config *config)
{
	int port = config->listen_port;
	if (port == 0) /* whichever is free: only in tests */
		return NULL;
	if (text_same_case(config->listen_host, "localhost"))
		return xasprintf("127.0.0.1:%d\n[::1]:%d", port, port);
	return strchr(config->listen_host, ':') != NULL ? xasprintf("[%s]:%d", config->listen_host, port) : xasprintf("%s:%d", config->listen_host, port);
}

void jobs_fill_spec(const struct jobs *j, const struct launch *l, struct job_spec *s)
{
	const struct job_row *job = &l->job;
	const struct server_config *config = j->o.config;
	*s = (struct job_spec){
		.job_id = job->id,
		.run_id = job->run_id,
		.phase = job->phase,
		.project = xstrdup(job->project),
		.dir = xstrdup(job->dir),
		.workspace = xstrdup(job->workspace),
		.engine = job->engine,
		.engine_path = xstrdup(j->engines[job->engine].path),
		.engine_version = xstrdup(j->engines[job->engine].version),
		.tree_dir = xstrdup(job->tree_dir != NULL ? job->tree_dir : l->tree_dir),
		.job_dir = jobs_dir_of(config, job->id),
		.socket_path = xasprintf("%s/jobs.sock", config->data_dir),
		.needs_init = job->needs_init,
		.managed_state = job->managed_state,
		.destroy = job->destroy && job->phase == PHASE_PLAN,
		.profile = l->box.profile,
		.isolation_min = l->box.least,
		.egress = xstrdup(l->box.egress),
		.egress_deny = own_listener(config),
		.fetch_egress = text_join_lines(&config->egress_fetch),
		.fetch_providers = config->provider_download,
		.env = xstrdup(job->env),
		.args = job->phase == PHASE_PLAN ? xstrdup(job->args) : NULL,
	};
	job_box_common(config, s);
	if (job->lock_id != NULL)
		s->lock_file = xasprintf("%s/trees/%lld/locks/%s", config->data_dir, (long long)job->repo_id, job->lock_id);
	if (job->modules != NULL)
		s->modules_dir = xasprintf("%s/modules/%s", config->data_dir, job->modules);
	if (l->state.id != 0) {
		s->state_in = fs_join(config->data_dir, l->state.path);
		s->state_in_aad = xstrdup(l->state.aad);
	}
	if (l->plan_job != 0) {
		s->plan_in = jobs_plan_path(config, l->plan_file);
		s->plan_in_aad = job_text("plan", l->plan_file);
		s->plan_in_sha256 = xstrdup(job->plan_sha256);
	}
}
