#include "plan/comment.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "github/outbox.h"
#include "plan/comment_view.h"
#include "plan/job_box_kept.h"
#include "plan/render.h"
#include "plan/replan.h"

#include <stdio.h>

/* Statuses of projects wait while their run works: a plan that is quicker than that never shows as pending and saves a write, and the
 * comment, which people look at, is never behind them in GitHub's budget. */
enum { PENDING_WAIT_MS = 2000, EARLY_WAIT_MS = 1000, OLDER_MAX = 50 /* ended in one transaction; the rest with the next */ };

#define SUPERSEDED "superseded: a newer commit is planned instead"

char *comment_run_url(const struct comment_context *ctx, const struct run_row *run)
{
	return xasprintf("%s/runs/%lld?k=%s", ctx->public_url, (long long)run->id, run->token);
}

/* True when there is nothing that anybody would want to read yet. */
static bool nothing_to_say(const struct comment_view *v, int64_t not_before_ms)
{
	const struct run_row *run = v->shown;
	if (v->jobs.n != 0 || run->error != NULL || run->config_errors != NULL)
		return false;
	return run_state_is_over(run->state) || run->state == RUN_QUEUED || not_before_ms != 0;
}

int comment_refresh(struct db_conn *c, const struct comment_context *ctx, int64_t repo_id, int64_t pull, int64_t not_before_ms, struct err *err)
{
	struct comment_view v = {0};
	int rc = comment_view_load(c, ctx, repo_id, pull, &v, err);
	if (rc != 0)
		return rc == ERR_NOT_FOUND ? 0 : rc;
	char slot[64];
	(void)snprintf(slot, sizeof(slot), "comment/%lld/%lld", (long long)repo_id, (long long)pull); /* fits */
	int64_t posted = 0;
	rc = outbox_remote_id(c, slot, &posted, err);
	if (rc == 0 && (posted != 0 || !nothing_to_say(&v, not_before_ms))) {
		CLEANUP_BUF struct buf body = {0};
		render_comment(&v.view, &body);
		struct effect e = {.kind = EFFECT_COMMENT, .slot = slot, .repo_id = repo_id, .repo = v.shown->repo, .pull = pull,
				   .body = buf_str(&body), .not_before_ms = not_before_ms};
		rc = outbox_set(c, &e, err);
	}
	comment_view_free(&v);
	return rc == 0 ? 0 : err_wrap(err, "comment of #%lld", (long long)pull);
}

/* --- checks and statuses ----------------------------------------------------------------------------------------------------------- */

/* Who says what about which commit. */
struct telling {
	const struct comment_context *ctx;
	const struct run_row *run;
	const char *name;
	const struct job_row *job; /* NULL: the roll-up */
	const struct view *view;
	const char *line;
	enum check_state state;
};

static int64_t moment_of(const struct telling *t)
{
	if (t->job == NULL || run_state_is_over(t->run->state))
		return 0;
	return clock_wall_ms() + (render_check_word(t->state)->conclusion == NULL ? PENDING_WAIT_MS : EARLY_WAIT_MS);
}

static int tell_status(struct db_conn *c, const struct telling *t, const char *url, struct err *err)
{
	const struct run_row *run = t->run;
	CLEANUP_FREE char *slot = xasprintf("status/%lld/%s/%s", (long long)run->repo_id, run->head_sha, t->name);
	struct effect e = {.kind = EFFECT_STATUS, .slot = slot, .repo_id = run->repo_id, .repo = run->repo, .pull = run->pull, .sha = run->head_sha,
			   .context = t->name, .state = render_check_word(t->state)->state, .description = t->line, .target_url = url,
			   .not_before_ms = moment_of(t)};
	return outbox_set(c, &e, err);
}

static int tell_check(struct db_conn *c, const struct telling *t, const char *url, struct err *err)
{
	const struct run_row *run = t->run;
	const struct check_word *word = render_check_word(t->state);
	CLEANUP_FREE char *slot = xasprintf("check/%lld/%s/%s", (long long)run->repo_id, run->head_sha, t->name);
	CLEANUP_FREE char *id = t->job != NULL ? xasprintf("job %lld", (long long)t->job->id) : xasprintf("run %lld", (long long)run->id);
	struct check_text text;
	render_check(t->view, t->state, t->line, t->job == NULL, &text);
	const struct gh_check check = {
		.name = t->name, .head_sha = run->head_sha, .external_id = id, .details_url = url, .status = word->status,
		.conclusion = word->conclusion, .title = buf_str(&text.title), .summary = buf_str(&text.summary),
		.text = text.text.len != 0 ? buf_str(&text.text) : NULL, .actions = buf_str(&text.actions),
	};
	struct effect e = {.kind = EFFECT_CHECK, .slot = slot, .repo_id = run->repo_id, .repo = run->repo, .pull = run->pull, .check = &check,
			   .annotations = text.annotations.len != 0 ? buf_str(&text.annotations) : NULL, .not_before_ms = moment_of(t)};
	int rc = outbox_set(c, &e, err);
	check_text_free(&text);
	return rc;
}

static int tell(struct db_conn *c, const struct telling *t, struct err *err)
{
	CLEANUP_FREE char *url = comment_run_url(t->ctx, t->run);
	return t->ctx->checks ? tell_check(c, t, url, err) : tell_status(c, t, url, err);
}

static bool is_timed_out(const struct job_row *job) { return job->error != NULL && text_starts(job->error, JOB_TIMEOUT_SAYS); }

/* A directory that is gone has a view of its own, whatever its job says. */
static enum check_state job_state_told(const struct job_row *job, const struct view_project *p)
{
	if (p->state != VIEW_DELETED || job->state == JOBS_DONE)
		return render_check_state(p);
	return job->state <= JOBS_RUNNING ? CHECK_QUEUED : CHECK_REFUSED;
}

/* What the jobs of a run say together: the worst of them. Success only when each succeeded, and somebody looked for all of them. */
static enum check_state jobs_state_told(const struct run_row *run, const struct comment_view *v, bool whole)
{
	static const enum check_state worst[] = {CHECK_UNKNOWN, CHECK_APPLY_FAILED, CHECK_FAILED, CHECK_TIMED_OUT, CHECK_REFUSED, CHECK_CANCELLED,
						 CHECK_RUNNING, CHECK_QUEUED};
	bool has[CHECK_STATES] = {0};
	for (size_t i = 0; i < v->jobs.n; i++)
		has[job_state_told(&v->jobs.v[i], &v->projects[i])] = true;
	for (size_t i = 0; i < ARRAY_LEN(worst); i++)
		if (has[worst[i]])
			return worst[i] == CHECK_QUEUED ? CHECK_RUNNING : worst[i];
	if (!whole)
		return CHECK_PARTIAL;
	if (v->jobs.n == 0)
		return run->kind == RUN_APPLY ? CHECK_NOTHING_APPLIED : CHECK_UNTOUCHED;
	return run->kind == RUN_APPLY ? CHECK_APPLIED : CHECK_PLANNED;
}

static enum check_state run_state_told(const struct run_row *run, const struct comment_view *v, bool whole)
{
	switch (run->state) {
	case RUN_QUEUED:
	case RUN_READING: return CHECK_QUEUED;
	case RUN_DONE: return run->config_errors != NULL ? CHECK_FAILED : jobs_state_told(run, v, whole);
	case RUN_FAILED: return CHECK_FAILED;
	case RUN_REFUSED: return CHECK_REFUSED;
	case RUN_SUPERSEDED: return CHECK_SUPERSEDED;
	case RUN_CANCELLED: return CHECK_CANCELLED;
	case RUN_GATING:
	case RUN_MERGING:
	case RUN_ENQUEUED:
	case RUN_PREPARING:
	case RUN_CHECKING:
	case RUN_WORKING:
	case RUN_STATES: break;
	}
	return CHECK_RUNNING;
}

static void put_rollup_line(struct buf *out, enum check_state s, const struct view *v)
{
	if (s == CHECK_PARTIAL)
		buf_adds(out, "some projects are not planned: comment plan");
	else if (s == CHECK_UNTOUCHED)
		buf_adds(out, "no project is touched by this change");
	else if (s == CHECK_NOTHING_APPLIED)
		buf_adds(out, "nothing was applied: no plan stands for this commit");
	else if (s == CHECK_SUPERSEDED)
		buf_adds(out, SUPERSEDED);
	else
		render_headline(v, out);
}

/* Of the box that held this very job, when one did; of what this host can do before. "full (...). 3 connections, 1 refused; 64 MiB of memory" */
static char *box_told(const struct comment_context *ctx, const struct job_row *job)
{
	CLEANUP_BUF struct buf b = {0};
	const char *word = job->isolation, *host = ctx->sandbox;
	bool as_host = word == NULL || (host != NULL && text_starts(host, word));
	if (word == NULL && host == NULL)
		return NULL;
	buf_adds(&b, as_host && host != NULL ? host : word);
	size_t before = b.len;
	buf_adds(&b, ". ");
	job_box_used(job, &b);
	if (b.len == before + 2)
		buf_truncate(&b, before);
	return buf_take(&b);
}

static int tell_job(struct db_conn *c, const struct comment_context *ctx, const struct run_row *run, const struct job_row *job, bool superseded,
		    struct err *err)
{
	struct plan_summary summary = {0};
	struct view_project p = comment_view_project(job);
	CLEANUP_FREE char *diff = NULL;
	CLEANUP_FREE char *url = comment_run_url(ctx, run);
	int rc = 0;
	p.timed_out = is_timed_out(job);
	if (job->summary != NULL && plan_summary_parse(job->summary, strlen(job->summary), &summary, NULL) == 0)
		p.summary = &summary;
	if (ctx->checks && job->phase == PHASE_PLAN && job->state == JOBS_DONE)
		rc = job_diff(c, job->id, LIMIT_CHECK_TEXT_CHARS, &diff, err);
	p.diff = diff;
	CLEANUP_BUF struct buf line = {0};
	if (superseded)
		buf_adds(&line, SUPERSEDED);
	else
		render_project_line(&p, &line);
	CLEANUP_FREE char *name = xasprintf(OUTBOX_GATE "/%s", job->project);
	CLEANUP_FREE char *box = box_told(ctx, job);
	const struct view view = {.phase = job->phase == PHASE_PLAN ? VIEW_PLAN_DONE : VIEW_APPLY_DONE, .projects = &p, .projects_n = 1, .run_url = url,
				  .sandbox = box};
	struct telling t = {.ctx = ctx, .run = run, .name = name, .job = job, .view = &view, .line = buf_str(&line),
			    .state = superseded ? CHECK_SUPERSEDED : job_state_told(job, &p)};
	if (rc == 0)
		rc = tell(c, &t, err);
	plan_summary_free(&summary);
	return rc;
}

/* `plan -p NAME` took over from a plan of the same commit: what that one did not get to, and this one did not look at, is not pending any more. */
static int tell_leftovers(struct db_conn *c, const struct comment_context *ctx, const struct run_row *run, const struct job_list *of_head, struct err *err)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && of_head->n <= LIMIT_RUN_STATUSES && i < of_head->n; i++)
		if (of_head->v[i].run_id != run->id && of_head->v[i].state == JOBS_CANCELLED)
			rc = tell_job(c, ctx, run, &of_head->v[i], false, err);
	return rc;
}

int comment_rollup(struct db_conn *c, const struct comment_context *ctx, const struct run_row *run, struct err *err)
{
	if (run->head_sha == NULL)
		return 0;
	struct comment_view v = {0};
	int rc = comment_view_load_run(c, ctx, run, &v, err);
	if (rc != 0)
		return rc;
	bool whole = true;
	if (run->kind == RUN_PLAN && run->only != NULL && run->state == RUN_DONE)
		rc = run_is_whole(c, run, &whole, err);
	for (size_t i = 0; i < v.jobs.n; i++)
		v.projects[i].timed_out = is_timed_out(&v.jobs.v[i]);
	CLEANUP_BUF struct buf line = {0};
	struct telling t = {.ctx = ctx, .run = run, .name = OUTBOX_GATE, .view = &v.view, .state = run_state_told(run, &v, whole)};
	put_rollup_line(&line, t.state, &v.view);
	t.line = buf_str(&line);
	if (rc == 0 && !(t.state == CHECK_NOTHING_APPLIED && run->after_merge))
		rc = tell(c, &t, err);
	if (rc == 0 && run->kind == RUN_PLAN && run->state == RUN_DONE)
		rc = tell_leftovers(c, ctx, run, &v.jobs, err);
	comment_view_free(&v);
	return rc;
}

int comment_job_status(struct db_conn *c, const struct comment_context *ctx, const struct run_row *run, const struct job_row *job, struct err *err)
{
	return tell_job(c, ctx, run, job, false, err);
}

/* --- what nobody speaks for any more ------------------------------------------------------------------------------------------------- */

static int is_spoken_for(struct db_conn *c, const struct run_row *run, bool *ret, struct err *err)
{
	struct run_row newer = {0};
	int rc = run_newest(c, run->repo_id, run->pull, RUN_PLAN, run->head_sha, &newer, err);
	*ret = rc == 0 && newer.id > run->id;
	run_row_free(&newer);
	return rc == ERR_NOT_FOUND ? 0 : rc;
}

int comment_end_superseded(struct db_conn *c, const struct comment_context *ctx, const struct run_row *run, struct err *err)
{
	struct job_list jobs = {0};
	bool spoken = true;
	if (run->head_sha == NULL || !run_state_is_over(run->state)) /* nothing was told yet, or it still speaks */
		return 0;
	int rc = is_spoken_for(c, run, &spoken, err);
	if (rc != 0 || spoken)
		return rc;
	rc = job_list_of_run(c, run->id, &jobs, err);
	for (size_t i = 0; rc == 0 && jobs.n <= LIMIT_RUN_STATUSES && i < jobs.n; i++) {
		bool ended = jobs.v[i].state <= JOBS_RUNNING || jobs.v[i].state == JOBS_CANCELLED;
		if (ended)
			rc = tell_job(c, ctx, run, &jobs.v[i], true, err);
	}
	job_list_free(&jobs);
	return rc == 0 ? comment_rollup(c, ctx, run, err) : rc;
}

/* Superseded or cancelled plans whose roll-up is still told to be pending; by slot, which has an index. */
static const char SQL_OLDER[] =
	"SELECT id FROM run WHERE repo_id=?1 AND pull=?2 AND kind='plan' AND state IN('superseded','cancelled') AND head_sha IS NOT NULL"
	" AND (?3=0 OR id<?3) AND EXISTS(SELECT 1 FROM effect WHERE slot IN('check/'||repo_id||'/'||head_sha||'/" OUTBOX_GATE "',"
	" 'status/'||repo_id||'/'||head_sha||'/" OUTBOX_GATE "') AND status IN('pending','queued','in_progress')) ORDER BY id DESC LIMIT ?4";

int comment_end_older(struct db_conn *c, const struct comment_context *ctx, int64_t repo_id, int64_t pull, const struct run_row *run, struct err *err)
{
	struct id_list ids = {0};
	struct db_stmt *s;
	int rc = db_query(c, &s, err, SQL_OLDER, "iiii", repo_id, pull, run != NULL ? run->id : (int64_t)0, (int64_t)OLDER_MAX);
	while (rc == 0 && (rc = db_step(s, err)) == 1) {
		id_list_add(&ids, db_int(s, 0));
		rc = 0;
	}
	for (size_t i = 0; rc == 0 && i < ids.n; i++) {
		struct run_row older = {0};
		rc = run_get(c, ids.v[i], &older, err);
		if (rc == 0)
			rc = comment_end_superseded(c, ctx, &older, err);
		run_row_free(&older);
	}
	id_list_free(&ids);
	return rc;
}

int comment_reply(struct db_conn *c, int64_t repo_id, const char *repo, int64_t pull, int64_t comment_id, const char *body, struct err *err)
{
	char slot[80];
	(void)snprintf(slot, sizeof(slot), "reply/%lld/%lld", (long long)repo_id, (long long)comment_id); /* fits */
	struct effect e = {.kind = EFFECT_REPLY, .slot = slot, .repo_id = repo_id, .repo = repo, .pull = pull, .body = body};
	return outbox_set(c, &e, err);
}
