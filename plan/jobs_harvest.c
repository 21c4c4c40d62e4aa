/* What a job brings home: its files are moved to where they stay, then one transaction takes the result in, lets go of its lock, releases
 * the jobs that waited for it, ends the run with its last job, and owes the comment and the statuses. Files first: after a crash between
 * the two the job is adopted again and finds them moved. */
#include "base/clock.h"
#include "base/crash.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "github/outbox.h"
#include "plan/job_box_kept.h"
#include "plan/job_plan.h"
#include "plan/jobs_priv.h"
#include "plan/queue.h"
#include "plan/replan.h"
#include "plan/resolve.h"
#include "plan/state_store.h"
#include "plan/summary.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

enum { ATTEMPTS_MAX = 3 };

struct harvest {
	struct jobs *jobs;
	int64_t job_id, run_id;
	enum exec_end end;
	bool past_point;
	struct job_exit record; /* EXEC_RECORD; of a lost apply: the state facts that were left */
	struct err why;
	struct buf tail;       /* of its log, when its outcome may be unknown */
	int64_t serial_before; /* of the managed state, -1: none */
	bool run_over, again, applied; /* results of the transaction */
	struct harvest *next; /* of those that come late */
};

int jobs_finish_run(struct db_conn *c, const struct comment_context *ctx, int64_t run_id, struct err *err)
{
	struct run_row run;
	int rc = run_get(c, run_id, &run, err);
	if (rc != 0)
		return rc;
	if (!run_state_is_over(run.state)) {
		rc = run_move(c, run_id, run.state, RUN_DONE, err);
		run.state = RUN_DONE;
		if (rc == 0)
			rc = comment_refresh(c, ctx, run.repo_id, run.pull, 0, err);
		if (rc == 0)
			rc = comment_rollup(c, ctx, &run, err);
	}
	run_row_free(&run);
	return rc;
}

/* Each job's status, too: those that never started were pending. A newer plan of the pull request speaks for itself. */
int jobs_tell_cancelled(struct db_conn *c, const struct comment_context *ctx, int64_t run_id, struct err *err)
{
	static const char before_jobs[] = "cancelled before it had found out which projects to plan";
	struct run_row run = {0}, newest = {0};
	struct job_list jobs = {0};
	int64_t open = 0;
	int rc = run_get(c, run_id, &run, err);
	if (rc == 0)
		rc = run_newest(c, run.repo_id, run.pull, RUN_PLAN, NULL, &newest, err);
	if (rc == 0)
		rc = job_count_open(c, run_id, &open, err);
	bool tell = rc == 0 && run.state == RUN_CANCELLED && newest.id == run_id && open == 0;
	if (tell)
		rc = job_list_of_run(c, run_id, &jobs, err);
	if (rc == 0 && tell && jobs.n == 0) {
		run.error = run.error != NULL ? run.error : xstrdup(before_jobs);
		rc = run_set_error(c, run_id, run.error, err);
	}
	for (size_t i = 0; rc == 0 && jobs.n <= LIMIT_RUN_STATUSES && i < jobs.n; i++)
		rc = comment_job_status(c, ctx, &run, &jobs.v[i], err);
	if (rc == 0 && tell)
		rc = comment_refresh(c, ctx, run.repo_id, run.pull, 0, err);
	if (rc == 0 && tell)
		rc = comment_rollup(c, ctx, &run, err);
	job_list_free(&jobs);
	run_row_free(&newest);
	run_row_free(&run);
	return rc;
}

static void move_file(const char *dir, const char *name, const char *to)
{
	CLEANUP_FREE char *from = fs_join(dir, name);
	if (rename(from, to) != 0 && errno != ENOENT)
		log_err("job.keep", "file=%s errno=%d", log_value(from), errno);
}

/* The log, the sealed plan and the sealed state leave the job's directory; what is not there was moved before or never was. */
static void keep_files(const struct jobs *j, int64_t job_id)
{
	CLEANUP_FREE char *dir = jobs_dir_of(j->o.config, job_id);
	CLEANUP_FREE char *log = jobs_log_path(j->o.config, job_id);
	CLEANUP_FREE char *plan = jobs_plan_path(j->o.config, job_id);
	CLEANUP_FREE char *state = jobs_state_path(j->o.config, job_id);
	move_file(dir, "log", log);
	move_file(dir, "plan.enc", plan);
	move_file(dir, "state.enc", state);
	CLEANUP_FREE char *egress = jobs_egress_path(j->o.config, job_id);
	move_file(dir, "egress", egress);
}

/* A runner that was killed during an apply leaves the newest state it saw, and its facts beside it. */
static void read_left_state(const struct jobs *j, struct harvest *h)
{
	CLEANUP_FREE char *dir = jobs_dir_of(j->o.config, h->job_id);
	CLEANUP_FREE char *path = fs_join(dir, "state.json");
	CLEANUP_BUF struct buf b = {0};
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	const char *lineage, *sha256;
	if (fs_read(path, 65536, &b, NULL) != 0 || json_parse(buf_str(&b), b.len, NULL, &doc, &root, NULL) != 0)
		return; /* none was written yet */
	if (json_str(&root, "lineage", 256, &lineage, NULL) != 0 || json_str(&root, "sha256", 64, &sha256, NULL) != 0 ||
	    json_int(&root, "serial", 0, INT64_MAX, &h->record.state_serial, NULL) != 0 ||
	    json_int(&root, "bytes", 0, INT64_MAX, &h->record.state_bytes, NULL) != 0)
		return;
	h->record.state_lineage = xstrdup(lineage);
	h->record.state_sha256 = xstrdup(sha256);
	h->record.has_state = true;
}

/* After an apply that failed half-way: what of the plan the state shows as done. Changes in place cannot be seen there and are not claimed. */
static char *done_before(const struct job_row *job, const char *addresses)
{
	struct plan_summary s;
	if (job->summary == NULL || addresses == NULL || plan_summary_parse(job->summary, strlen(job->summary), &s, NULL) != 0)
		return NULL;
	CLEANUP_BUF struct buf names = {0};
	size_t done = 0;
	for (size_t i = 0; i < s.changes_n; i++) {
		bool there = text_has_line(addresses, s.changes[i].address);
		bool is_done = (s.changes[i].kind == CHANGE_CREATE && there) || (s.changes[i].kind == CHANGE_DESTROY && !there);
		if (!is_done)
			continue;
		if (done++ < 8)
			buf_printf(&names, "%s`%s`", names.len != 0 ? ", " : "", s.changes[i].address);
	}
	char *text = xasprintf("%zu of %zu changes were done before it%s%s%s", done, s.changes_n, done != 0 ? ": " : "", buf_str(&names),
			       done > 8 ? " and others" : "");
	plan_summary_free(&s);
	return text;
}

/* The verdict of a job from how it ended. */
static void judge(const struct harvest *h, struct job_row *job)
{
	const struct job_exit *r = &h->record;
	if (h->end == EXEC_NOT_STARTED) {
		job->state = h->why.code == ERR_REFUSED ? JOBS_REFUSED : h->why.code == ERR_CANCELLED ? JOBS_CANCELLED : JOBS_FAILED;
		xstrset(&job->error, h->why.msg);
		return;
	}
	if (h->end == EXEC_LOST) {
		job->state = h->past_point ? JOBS_UNKNOWN : JOBS_FAILED;
		free(job->error);
		job->error = h->past_point ? resolve_sentence(job->run_id, "its runner was killed")
					   : xstrdup("The job's runner was killed three times before the engine could finish. The server's log says more.");
		return;
	}
	static const enum job_state states[] = {
		[JOB_OK] = JOBS_DONE, [JOB_FAILED] = JOBS_FAILED, [JOB_CANCELLED] = JOBS_CANCELLED, [JOB_TIMEOUT] = JOBS_FAILED, [JOB_BROKEN] = JOBS_FAILED,
	};
	job->state = states[r->outcome];
	if (job->phase == PHASE_APPLY && h->past_point && (r->outcome == JOB_TIMEOUT || r->outcome == JOB_CANCELLED))
		job->state = JOBS_FAILED; /* it may have changed things: the comment tells what the state says */
	xstrset(&job->error, r->error);
	xstrset(&job->step, r->step);
	job_box_take(r, job);
	bool killed = r->exit_code > 128 || r->exit_code < 0; /* the engine, in the middle of its work */
	if (job->phase == PHASE_APPLY && h->past_point && (r->outcome == JOB_BROKEN || (r->outcome != JOB_OK && killed))) {
		/* nobody saw how far it came */
		job->state = JOBS_UNKNOWN;
		free(job->error);
		job->error = resolve_sentence(job->run_id, r->error != NULL ? r->error : "the sandbox ended");
	}
	if (job->phase == PHASE_APPLY && job->state == JOBS_FAILED)
		job->done = done_before(job, r->state_addresses);
	if (job->phase == PHASE_PLAN) {
		xstrset(&job->summary, r->summary);
		xstrset(&job->diff, r->diff);
		xstrset(&job->plan_sha256, r->plan_sha256);
		xstrset(&job->changes, r->changes);
	}
}

/* The digest of a change set covers sensitive values: what is kept of it must be no help in guessing a short one. */
static int blind_changes(const struct harvest *h, struct job_row *job, struct err *err)
{
	char blinded[AGENT_DIGEST_HEX + 1];
	if (job->phase != PHASE_PLAN || job->changes == NULL)
		return 0;
	int rc = agent_blind(h->jobs->o.agent, job->changes, blinded, err);
	if (rc == 0)
		xstrset(&job->changes, blinded);
	return rc;
}

/* Takes a new state version in. One that may not replace the one in force is kept on disk and told; it never fails the harvest. */
static int put_state(struct db_conn *c, const struct harvest *h, struct job_row *job, struct err *err)
{
	const struct job_exit *r = &h->record;
	if (!job->managed_state || !r->has_state || job->phase != PHASE_APPLY || r->state_lineage == NULL)
		return 0;
	struct state_version v = {
		.repo_id = job->repo_id, .project = job->project, .workspace = job->workspace, .lineage = r->state_lineage, .serial = r->state_serial,
		.sha256 = r->state_sha256, .bytes = r->state_bytes, .run_id = job->run_id, .job_id = job->id,
		.path = xasprintf("states/%lld.enc", (long long)job->id), .aad = xasprintf("sluice job %lld state", (long long)job->id),
		.key_context = xasprintf("job %lld", (long long)job->id),
	};
	memcpy(v.key_wrapped, job->key_wrapped, sizeof(v.key_wrapped));
	int rc = state_put(c, &v, err);
	if (rc == ERR_REFUSED) {
		log_err("state.refused", "job=%lld file=%s error=%s", (long long)job->id, log_value(v.path), log_value(err->msg));
		job->state = JOBS_UNKNOWN;
		free(job->error);
		job->error = xasprintf("%s; what the engine wrote is kept sealed as `%s` in the data directory", err->msg, v.path);
		rc = 0;
	} else if (rc == 0) {
		job->state_serial = r->state_serial;
	}
	free(v.path);
	free(v.aad);
	free(v.key_context);
	return rc;
}

/* An apply whose outcome nobody knows leaves what was seen of it; one that is over may have made other pull requests' plans stale. */
static int settle_apply(struct db_conn *c, struct harvest *h, const struct job_row *job, struct err *err)
{
	h->applied = job->phase == PHASE_APPLY;
	if (!h->applied)
		return 0;
	struct resolve_seen seen = {.log = h->tail.len != 0 ? buf_str(&h->tail) : NULL, .has_record = h->end == EXEC_RECORD,
				    .exit_code = h->record.exit_code, .step = h->record.step, .serial_before = h->serial_before};
	if (job->state == JOBS_UNKNOWN)
		return resolve_keep(c, job, &seen, err);
	return job->state == JOBS_DONE || (job->state == JOBS_FAILED && h->past_point) ? queue_after_apply(c, job, err) : 0;
}

/* After the job's row is final: what it means for its run. */
static int settle_run(struct db_conn *c, struct harvest *h, const struct job_row *job, struct err *err)
{
	const struct comment_context *ctx = h->jobs->o.comment;
	struct run_row run;
	int64_t open = 0;
	int rc = run_get(c, job->run_id, &run, err);
	if (rc != 0)
		return rc;
	h->run_over = run_state_is_over(run.state); /* superseded or cancelled meanwhile */
	if (run.state == RUN_CANCELLED) {
		rc = jobs_tell_cancelled(c, ctx, run.id, err);
	} else if (!h->run_over) {
		rc = job_release_waiting(c, job->run_id, err);
		if (rc == 0)
			rc = job_count_open(c, job->run_id, &open, err);
		struct job_list all = {0};
		if (rc == 0)
			rc = job_list_of_run(c, job->run_id, &all, err);
		if (rc == 0 && open == 0) {
			rc = jobs_finish_run(c, ctx, job->run_id, err);
			h->run_over = true;
			run.state = RUN_DONE;
		} else if (rc == 0) {
			rc = run_set_dirty(c, job->run_id, true, err);
		}
		if (rc == 0 && all.n <= LIMIT_RUN_STATUSES)
			rc = comment_job_status(c, ctx, &run, job, err);
		job_list_free(&all);
	}
	run_row_free(&run);
	return rc;
}

/* A failed apply that leaves the state as it was did nothing: what the plan wanted may be in there from somebody else's. */
static int drop_old_state(struct db_conn *c, struct harvest *h, const struct job_row *job, struct err *err)
{
	struct state_version v = {0};
	int rc = state_current(c, job->repo_id, job->project, job->workspace, &v, err);
	h->serial_before = rc == 0 ? v.serial : -1;
	if (rc == 0 && h->record.state_sha256 != NULL && strcmp(v.sha256, h->record.state_sha256) == 0)
		xstrset(&h->record.state_addresses, NULL);
	state_version_free(&v);
	return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* A plan that stands is one that is signed. */
static int plan_done(struct db_conn *c, const struct jobs *j, struct job_row *job, struct err *err)
{
	struct record_context x = jobs_record_context(j);
	int rc = job_plan_done(c, job, err);
	return rc == 0 ? job_record_sign(c, &x, job->id, clock_wall_ms(), err) : rc;
}

static int harvest_tx(struct db_conn *c, void *arg, struct err *err)
{
	struct harvest *h = arg;
	struct job_row job;
	int rc = job_get(c, h->job_id, &job, err);
	if (rc != 0)
		return rc;
	h->run_id = job.run_id;
	if (job.state != JOBS_RUNNING) {
		job_row_free(&job);
		return 0; /* taken in before the crash that made us adopt it again */
	}
	if (h->end == EXEC_LOST && !h->past_point && job.attempts < ATTEMPTS_MAX) {
		h->again = true;
		rc = job_again(c, h->job_id, err);
	} else {
		rc = drop_old_state(c, h, &job, err);
		judge(h, &job);
		if (rc == 0)
			rc = blind_changes(h, &job, err);
		if (rc == 0)
			rc = put_state(c, h, &job, err);
		if (rc == 0)
			rc = job_finish(c, &job, JOBS_RUNNING, err);
		if (rc == 0)
			rc = job_box_note(c, h->jobs->o.config, &job, &h->record, err);
		if (rc == 0 && job.phase == PHASE_PLAN && job.state == JOBS_DONE)
			rc = plan_done(c, h->jobs, &job, err);
		if (rc == 0)
			rc = replan_done(c, &job, err);
		if (rc == 0 && h->end == EXEC_NOT_STARTED && job.phase == PHASE_APPLY) /* no engine saw the plan: it may be applied yet */
			rc = job_unuse_plan(c, job.plan_job, job.id, err);
		if (rc == 0)
			rc = settle_apply(c, h, &job, err);
		if (rc == 0)
			rc = settle_run(c, h, &job, err);
	}
	job_row_free(&job);
	return rc;
}

static void harvest_free(struct harvest *h)
{
	job_exit_free(&h->record);
	buf_free(&h->tail);
	free(h);
}

static void harvest_done(int rc, const struct err *err, void *arg)
{
	struct harvest *h = arg;
	struct jobs *j = h->jobs;
	CRASH_POINT("job.harvested");
	if (rc != 0) {
		/* the exit record is still there: at the latest the next start takes it in */
		log_err("job.harvest", "job=%lld error=%s", (long long)h->job_id, log_value(err->msg));
		if (rc == ERR_UNAVAILABLE || rc == ERR_IO) {
			h->next = j->late;
			j->late = h;
			loop_timer_start(j->again, JOBS_AGAIN_MS, 0);
			return;
		}
	} else {
		CLEANUP_FREE char *dir = jobs_dir_of(j->o.config, h->job_id);
		struct err why = {0};
		if (!h->again && fs_remove_tree(dir, &why) != 0)
			log_warn("job.clean", "job=%lld error=%s", (long long)h->job_id, log_value(why.msg));
		if (!h->again)
			job_box_count(&h->record, &j->counts);
		log_info("job.end", "job=%lld run=%lld outcome=%s", (long long)h->job_id, (long long)h->run_id,
			 h->end == EXEC_RECORD ? job_outcome_name(h->record.outcome) : h->again ? "again" : "lost");
	}
	int64_t run_id = h->run_id;
	bool over = rc == 0 && h->run_over;
	bool new_runs = rc == 0 && h->applied;
	harvest_free(h);
	outbox_wake(j->o.outbox);
	jobs_kick(j);
	if (over)
		j->o.on_run_over(run_id, j->o.arg);
	else if (new_runs)
		j->o.on_new_runs(j->o.arg);
}

void jobs_harvest_late(struct jobs *j)
{
	for (struct harvest *h = TAKE(j->late), *next; h != NULL; h = next) {
		next = h->next;
		h->run_over = h->again = h->applied = false;
		db_submit(j->o.db, harvest_tx, harvest_done, h);
	}
}

void jobs_forget_late(struct jobs *j)
{
	for (struct harvest *h = TAKE(j->late), *next; h != NULL; h = next) {
		next = h->next;
		harvest_free(h);
	}
}

/* The record belongs to the executor: what is needed of it is copied. */
static void copy_record(struct job_exit *to, const struct job_exit *from)
{
	*to = *from;
	char **owned[] = {&to->step, &to->error, &to->plan_sha256, &to->summary, &to->diff, &to->changes, &to->state_lineage, &to->state_sha256,
			  &to->state_addresses, &to->isolation, &to->breach, &to->modules, &to->refusals};
	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		*owned[i] = xstrdup(*owned[i]);
}

void jobs_harvest(struct jobs *j, int64_t job_id, enum exec_end end, const struct job_exit *record, bool past_point, const struct err *err)
{
	CRASH_POINT("job.exited");
	struct harvest *h = xcalloc(1, sizeof(*h));
	*h = (struct harvest){.jobs = j, .job_id = job_id, .end = end, .past_point = past_point};
	if (err != NULL)
		h->why = *err;
	if (record != NULL)
		copy_record(&h->record, record);
	else if (end == EXEC_LOST && past_point)
		read_left_state(j, h);
	if (end != EXEC_LOST || past_point)
		keep_files(j, job_id);
	if (past_point) {
		CLEANUP_FREE char *log = jobs_log_path(j->o.config, job_id);
		resolve_read_tail(log, &h->tail);
	}
	CRASH_POINT("job.kept");
	jobs_forget_running(j, job_id);
	db_submit(j->o.db, harvest_tx, harvest_done, h);
}

static bool is_listed(const struct job_list *l, int64_t id)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].id == id)
			return true;
	return false;
}

void jobs_clean_left(const struct jobs *j, const struct job_list *running)
{
	CLEANUP_FREE char *all = fs_join(j->o.config->data_dir, "jobs");
	DIR *d = opendir(all);
	for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		int64_t id;
		struct err err = {0};
		if (text_int(e->d_name, 1, INT64_MAX, &id, NULL) != 0 || is_listed(running, id))
			continue;
		CLEANUP_FREE char *dir = jobs_dir_of(j->o.config, id);
		if (fs_remove_tree(dir, &err) != 0)
			log_warn("job.clean", "job=%lld error=%s", (long long)id, log_value(err.msg));
	}
	if (d != NULL)
		(void)closedir(d); /* only read */
}
