#include "plan/jobs.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/crypto.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/text.h"
#include "github/outbox.h"
#include "plan/admission.h"
#include "plan/job_plan.h"
#include "plan/jobs_priv.h"
#include "plan/lock_store.h"
#include "plan/queue.h"
#include "plan/state_store.h"

#include <stdio.h>

/* One round of picking: a transaction, then the starts. */
struct pick {
	struct jobs *jobs;
	struct launch *first, **last;
	bool more; /* a start failed inside; look again */
	struct id_list over; /* runs that ended with it */
};

char *jobs_dir_of(const struct server_config *config, int64_t id) { return xasprintf("%s/jobs/%lld", config->data_dir, (long long)id); }

char *jobs_plan_path(const struct server_config *config, int64_t id) { return xasprintf("%s/plans/%lld.enc", config->data_dir, (long long)id); }

char *jobs_state_path(const struct server_config *config, int64_t id) { return xasprintf("%s/states/%lld.enc", config->data_dir, (long long)id); }

char *jobs_log_path(const struct server_config *config, int64_t id) { return xasprintf("%s/logs/%lld.log", config->data_dir, (long long)id); }

char *jobs_egress_path(const struct server_config *config, int64_t id) { return xasprintf("%s/logs/%lld.egress", config->data_dir, (long long)id); }

const struct jobs_counts *jobs_counts(const struct jobs *j) { return &j->counts; }

const struct tier_report *jobs_host(const struct jobs *j) { return j->host_known ? &j->host : NULL; }

void jobs_forget_running(struct jobs *j, int64_t job_id)
{
	for (struct running **p = &j->running; *p != NULL; p = &(*p)->next)
		if ((*p)->job_id == job_id) {
			struct running *gone = *p;
			*p = gone->next;
			free(gone);
			return;
		}
}

static void remember_running(struct jobs *j, int64_t job_id, int64_t run_id)
{
	struct running *r = xcalloc(1, sizeof(*r));
	*r = (struct running){.job_id = job_id, .run_id = run_id, .next = j->running};
	j->running = r;
}

int jobs_keep_plan(struct jobs *j, struct db_conn *c, int64_t job_id, int64_t kept_id, struct err *err)
{
	struct record_context x = jobs_record_context(j);
	struct job_row kept = {0};
	int rc = job_plan_keep(c, job_id, kept_id, err);
	if (rc == 0)
		rc = job_get(c, kept_id, &kept, err);
	if (rc == 0)
		rc = job_record_sign(c, &x, job_id, kept.finished_ms, err);
	job_row_free(&kept);
	return rc;
}

/* A job that may not start is over, with the reason; its run may be over with it. */
static int refuse_job(struct db_conn *c, struct pick *p, struct job_row *job, const struct err *why, struct err *err)
{
	const struct jobs *j = p->jobs;
	job->state = JOBS_REFUSED;
	xstrset(&job->error, why->msg);
	int64_t open = 0;
	int rc = job_finish(c, job, JOBS_READY, err);
	if (rc == 0)
		rc = job_release_waiting(c, job->run_id, err);
	if (rc == 0)
		rc = job_count_open(c, job->run_id, &open, err);
	if (rc == 0 && open == 0) {
		id_list_add(&p->over, job->run_id);
		rc = jobs_finish_run(c, j->o.comment, job->run_id, err);
	}
	return rc;
}

/* Told once, until one starts again. What ends it kicks us: a job's end. */
static bool memory_is_short(struct jobs *j, int64_t running, int64_t starting)
{
	struct admission a = {.running = running, .starting = starting, .job_bytes = j->o.config->memory_bytes};
	if (running > 0)
		watch_machine(&a.machine);
	CLEANUP_FREE char *why = admission_refusal(&a);
	if (why != NULL && !j->memory_short)
		log_warn("job.waits", "why=%s", log_value(why));
	j->memory_short = why != NULL;
	return j->memory_short;
}

static int pick_tx(struct db_conn *c, void *arg, struct err *err)
{
	struct pick *p = arg;
	struct jobs *j = p->jobs;
	int64_t running = 0, starting = 0;
	int rc = queue_release(c, err);
	if (rc == 0)
		rc = job_count_in_state(c, 0, JOBS_RUNNING, &running, err);
	while (rc == 0 && running < j->at_once) {
		struct launch *l = xcalloc(1, sizeof(*l));
		bool waits = false;
		rc = job_next_ready(c, j->o.config->jobs_per_repository, j->o.config->jobs_per_person, &l->job, err);
		if (rc == 0)
			rc = queue_hold(c, &l->job, &waits, err);
		if (rc != 0 || waits)
			jobs_launch_free(l);
		if (rc != 0)
			return rc == ERR_NOT_FOUND ? 0 : rc;
		if (waits)
			continue;
		if (memory_is_short(j, running, starting)) {
			jobs_launch_free(l);
			return 0;
		}
		struct err why = {0};
		rc = jobs_prepare_launch(c, j, l, &why);
		if (rc == ERR_UNAVAILABLE || rc == ERR_IO) { /* nobody's fault, and not for ever */
			jobs_launch_free(l);
			return err_set(err, rc, "%s", why.msg);
		}
		if (rc != 0) {
			rc = refuse_job(c, p, &l->job, &why, err);
			jobs_launch_free(l);
			p->more = true;
			continue;
		}
		*p->last = l;
		p->last = &l->next;
		running++;
		starting++;
	}
	return rc;
}

static void start_one(struct jobs *j, struct launch *l)
{
	struct job_spec spec;
	struct err err = {0};
	jobs_fill_spec(j, l, &spec);
	struct exec_keys keys = {.job = l->key, .state_in = l->state.id != 0 ? l->state_key : NULL, .plan_in = l->plan_job != 0 ? l->plan_key : NULL};
	int rc = fs_remove_tree(spec.job_dir, &err); /* of an attempt that was lost */
	CRASH_POINT("job.spec");
	log_info("job.start", "job=%lld run=%lld project=%s phase=%s", (long long)l->job.id, (long long)l->job.run_id, log_value(l->job.project),
		 job_phase_name(l->job.phase));
	if (rc == 0)
		j->executor.start(j->executor.self, &spec, &keys);
	else
		jobs_harvest(j, l->job.id, EXEC_NOT_STARTED, NULL, false, &err);
	CRASH_POINT("job.started");
	job_spec_free(&spec);
}

static void may_start(const struct err *no, void *arg)
{
	struct launch *l = arg;
	struct jobs *j = l->jobs;
	struct err why = *no;
	for (struct launch **p = &j->asking; *p != NULL; p = &(*p)->next)
		if (*p == l) {
			*p = l->next;
			break;
		}
	if (l->cancelled)
		err_set(&why, ERR_CANCELLED, "cancelled before it started");
	if (why.code == 0)
		start_one(j, l);
	else
		jobs_harvest(j, l->job.id, EXEC_NOT_STARTED, NULL, false, &why);
	jobs_launch_free(l);
}

/* The keys stay here until the gate was found open once more. */
static void ask_then_start(struct jobs *j, struct launch *l)
{
	l->jobs = j;
	l->next = j->asking;
	j->asking = l;
	remember_running(j, l->job.id, l->job.run_id);
	j->o.may_start(l->job.run_id, may_start, l, j->o.arg);
}

static void pick_done(int rc, const struct err *err, void *arg)
{
	struct pick *p = arg;
	struct jobs *j = p->jobs;
	j->picking = false;
	if (rc != 0) {
		log_err("job.pick", "error=%s", log_value(err->msg));
		loop_timer_start(j->again, JOBS_AGAIN_MS, 0);
	}
	CRASH_POINT("job.picked");
	for (struct launch *l = p->first, *next; l != NULL; l = next) {
		next = l->next;
		if (rc == 0 && l->job.phase == PHASE_APPLY) {
			ask_then_start(j, l);
			continue;
		}
		if (rc == 0) {
			remember_running(j, l->job.id, l->job.run_id);
			start_one(j, l);
		}
		jobs_launch_free(l);
	}
	bool again = j->pick_again || (p->more && rc == 0);
	if (p->more)
		outbox_wake(j->o.outbox);
	j->pick_again = false;
	if (again)
		jobs_kick(j);
	for (size_t i = 0; rc == 0 && i < p->over.n; i++)
		j->o.on_run_over(p->over.v[i], j->o.arg);
	id_list_free(&p->over);
	free(p);
}

void jobs_set_host(struct jobs *j, struct tier_report *host)
{
	ASSERT(!j->host_known);
	j->host = *host;
	*host = (struct tier_report){0};
	j->host_known = true;
	jobs_kick(j);
}

void jobs_kick(struct jobs *j)
{
	if (!j->host_known)
		return; /* jobs_set_host asks again */
	if (j->picking) {
		j->pick_again = true;
		return;
	}
	j->picking = true;
	struct pick *p = xcalloc(1, sizeof(*p));
	p->jobs = j;
	p->last = &p->first;
	db_submit(j->o.db, pick_tx, pick_done, p);
}

void jobs_cancel_run(struct jobs *j, int64_t run_id)
{
	for (struct launch *l = j->asking; l != NULL; l = l->next)
		l->cancelled = l->cancelled || l->job.run_id == run_id;
	for (struct running *r = j->running; r != NULL; r = r->next)
		if (r->run_id == run_id)
			j->executor.cancel(j->executor.self, r->job_id);
}

size_t jobs_running(const struct jobs *j)
{
	size_t n = 0;
	for (const struct running *r = j->running; r != NULL; r = r->next)
		n++;
	return n;
}

/* Recovery: what the database calls running is adopted. */
struct adopt {
	struct jobs *jobs;
	struct job_list list;
};

static int adopt_tx(struct db_conn *c, void *arg, struct err *err)
{
	struct adopt *a = arg;
	return job_list_in_state(c, JOBS_RUNNING, &a->list, err);
}

static void adopt_done(int rc, const struct err *err, void *arg)
{
	struct adopt *a = arg;
	struct jobs *j = a->jobs;
	if (rc != 0)
		log_err("job.adopt", "error=%s", log_value(err->msg));
	for (size_t i = 0; i < a->list.n; i++) {
		const struct job_row *job = &a->list.v[i];
		CLEANUP_FREE char *dir = jobs_dir_of(j->o.config, job->id);
		remember_running(j, job->id, job->run_id);
		log_info("job.adopt", "job=%lld run=%lld", (long long)job->id, (long long)job->run_id);
		j->executor.adopt(j->executor.self, job->id, dir);
	}
	if (rc == 0)
		jobs_clean_left(j, &a->list);
	job_list_free(&a->list);
	free(a);
	jobs_kick(j);
}

void jobs_recover(struct jobs *j)
{
	struct adopt *a = xcalloc(1, sizeof(*a));
	a->jobs = j;
	db_submit(j->o.db, adopt_tx, adopt_done, a);
}

static void on_step(int64_t job_id, const char *step, void *arg)
{
	(void)arg;
	log_debug("job.step", "job=%lld step=%s", (long long)job_id, step);
}

static void on_exit_event(int64_t job_id, enum exec_end end, const struct job_exit *record, bool past_point, const struct err *err, void *arg)
{
	jobs_harvest(arg, job_id, end, record, past_point, err);
}

static int find_engines(struct jobs *j, struct err *err)
{
	int found = 0;
	for (int k = 0; k < ENGINE_KINDS; k++) {
		struct err why = {0};
		if (engine_find((enum engine_kind)k, j->o.config->engine_dir, j->o.config->data_dir, &j->engines[k], &why) == 0)
			found++;
		else
			j->engine_missing[k] = xstrdup(why.msg);
	}
	if (found == 0)
		return err_set(err, ERR_NOT_FOUND, "no engine: neither terraform nor tofu is on PATH or under engines.dir");
	return 0;
}

static int make_dirs(const struct server_config *config, struct err *err)
{
	static const char *const names[] = {"jobs", "plans", "states", "logs", "mirrors", "trees"};
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(names) && rc == 0; i++) {
		CLEANUP_FREE char *dir = fs_join(config->data_dir, names[i]);
		rc = fs_mkdir_p(dir, 0700, err);
	}
	return rc;
}

static void on_again(void *arg)
{
	struct jobs *j = arg;
	jobs_harvest_late(j);
	jobs_kick(j);
}

int jobs_new(const struct jobs_options *o, struct jobs **ret, struct err *err)
{
	struct jobs *j = xcalloc(1, sizeof(*j));
	j->o = *o;
	j->again = loop_timer_new(o->loop, on_again, j);
	struct watch_machine machine;
	watch_machine(&machine);
	j->at_once = job_box_at_once(o->config, machine.total);
	if (j->at_once < o->config->jobs)
		log_warn("jobs.memory", "at_once=%lld jobs=%lld hint=%s", (long long)j->at_once, (long long)o->config->jobs,
			 log_value("so many fit into limits.memory_total; the others wait"));
	CLEANUP_FREE char *socket_path = xasprintf("%s/jobs.sock", o->config->data_dir);
	struct exec_events events = {.on_step = on_step, .on_exit = on_exit_event, .arg = j};
	int rc = make_dirs(o->config, err);
	if (rc == 0)
		rc = find_engines(j, err);
	if (rc == 0)
		rc = (o->executor_new != NULL ? o->executor_new : exec_local_new)(o->loop, o->program, socket_path, &events, &j->executor, err);
	if (rc != 0) {
		jobs_close(j);
		return rc;
	}
	*ret = j;
	return 0;
}

void jobs_close(struct jobs *j)
{
	if (j == NULL)
		return;
	if (j->executor.close != NULL)
		j->executor.close(j->executor.self);
	for (struct launch *l = TAKE(j->asking), *next; l != NULL; l = next) {
		next = l->next;
		jobs_launch_free(l);
	}
	while (j->running != NULL)
		jobs_forget_running(j, j->running->job_id);
	jobs_forget_late(j);
	loop_timer_close(j->again);
	tier_report_free(&j->host);
	for (int k = 0; k < ENGINE_KINDS; k++) {
		engine_binary_free(&j->engines[k]);
		free(j->engine_missing[k]);
	}
	free(j);
}
