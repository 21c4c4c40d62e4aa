#include "plan/comment.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "github/outbox.h"
#include "plan/comment_view.h"
#include "plan/render.h"
#include "plan/replan.h"

#include <stdio.h>

/* Statuses of projects wait while their run works: a plan that is quicker than that never shows as pending and saves a write, and the
 * comment, which people look at, is never behind them in GitHub's budget. */
enum { PENDING_WAIT_MS = 2000, EARLY_WAIT_MS = 1000 };

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

static int set_status(struct db_conn *c, const struct comment_context *ctx, const struct run_row *run, const char *context, const char *state,
		      const char *description, struct err *err)
{
	CLEANUP_FREE char *slot = xasprintf("status/%lld/%s/%s", (long long)run->repo_id, run->head_sha, context);
	CLEANUP_FREE char *url = comment_run_url(ctx, run);
	int64_t wait_ms = 0;
	if (strcmp(context, "sluice") != 0 && !run_state_is_over(run->state))
		wait_ms = strcmp(state, "pending") == 0 ? PENDING_WAIT_MS : EARLY_WAIT_MS;
	struct effect e = {.kind = EFFECT_STATUS, .slot = slot, .repo_id = run->repo_id, .repo = run->repo, .pull = run->pull, .sha = run->head_sha,
			   .context = context, .state = state, .description = description, .target_url = url,
			   .not_before_ms = wait_ms != 0 ? clock_wall_ms() + wait_ms : 0};
	return outbox_set(c, &e, err);
}

/* What the jobs of a run say together. Success only when each of them succeeded, and somebody looked for all of them. */
static const char *rollup_state(const struct run_row *run, const struct job_list *jobs, bool whole)
{
	if (!run_state_is_over(run->state))
		return "pending";
	if (run->state != RUN_DONE || run->config_errors != NULL)
		return "failure";
	for (size_t i = 0; i < jobs->n; i++)
		if (jobs->v[i].state != JOBS_DONE || replan_asks_again(&jobs->v[i]))
			return "failure";
	return whole ? "success" : "pending";
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
	CLEANUP_BUF struct buf line = {0};
	if (!whole)
		buf_adds(&line, "some projects are not planned: comment plan");
	else if (run_state_is_over(run->state) && v.jobs.n == 0 && run->state == RUN_DONE && run->config_errors == NULL)
		buf_adds(&line, "no project is touched by this change");
	else
		render_headline(&v.view, &line);
	if (rc == 0)
		rc = set_status(c, ctx, run, "sluice", rollup_state(run, &v.jobs, whole), buf_str(&line), err);
	comment_view_free(&v);
	return rc;
}

int comment_job_status(struct db_conn *c, const struct comment_context *ctx, const struct run_row *run, const struct job_row *job, struct err *err)
{
	struct plan_summary summary = {0};
	struct view_project p = comment_view_project(job);
	if (job->summary != NULL && plan_summary_parse(job->summary, strlen(job->summary), &summary, NULL) == 0)
		p.summary = &summary;
	CLEANUP_BUF struct buf line = {0};
	render_project_line(&p, &line);
	CLEANUP_FREE char *context = xasprintf("sluice/%s", job->project);
	const char *state = job->state <= JOBS_RUNNING ? "pending" : job->state == JOBS_DONE ? "success" : "failure";
	int rc = set_status(c, ctx, run, context, state, buf_str(&line), err);
	plan_summary_free(&summary);
	return rc;
}

int comment_reply(struct db_conn *c, int64_t repo_id, const char *repo, int64_t pull, int64_t comment_id, const char *body, struct err *err)
{
	char slot[80];
	(void)snprintf(slot, sizeof(slot), "reply/%lld/%lld", (long long)repo_id, (long long)comment_id); /* fits */
	struct effect e = {.kind = EFFECT_REPLY, .slot = slot, .repo_id = repo_id, .repo = repo, .pull = pull, .body = body};
	return outbox_set(c, &e, err);
}
