#include "plan/comment_view.h"
#include "plan/replan.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "plan/command_flags.h"
#include "plan/gate_own.h"
#include "plan/hygiene.h"
#include "plan/queue.h"
#include "plan/resolve.h"
#include "plan/trust.h"

/* Diffs that are loaded for one comment: more than fits is never read from the database. */
enum { DIFFS_BYTES = 256 * 1024 };

void comment_gate_write(const struct gate_verdict *v, struct buf *out)
{
	struct json_writer w = json_writer(out);
	jw_open_arr(&w, NULL);
	for (size_t i = 0; i < v->n; i++) {
		jw_open(&w, NULL);
		jw_int(&w, "mark", v->items[i].mark);
		jw_str(&w, "name", v->items[i].name);
		jw_str(&w, "brief", v->items[i].brief);
		jw_str(&w, "sentence", v->items[i].sentence);
		jw_close(&w);
	}
	jw_close_arr(&w);
}

void comment_gate_read(const char *json, struct gate_verdict *ret)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	*ret = (struct gate_verdict){.open = true};
	if (json_parse(json, strlen(json), NULL, &doc, &root, NULL) != 0)
		return; /* we wrote it; a damaged one shows no list */
	ret->items = xcalloc(json_count(&root), sizeof(*ret->items));
	for (struct json e = json_first(&root); json_ok(&e); e = json_next(&e)) {
		int64_t mark;
		const char *name, *brief, *sentence;
		if (json_int(&e, "mark", GATE_YES, GATE_UNKNOWN, &mark, NULL) != 0 || json_str(&e, "name", 256, &name, NULL) != 0 ||
		    json_str_opt(&e, "brief", 4096, NULL, &brief, NULL) != 0 || json_str_opt(&e, "sentence", 4096, NULL, &sentence, NULL) != 0)
			continue;
		ret->items[ret->n++] = (struct gate_item){(enum gate_mark)mark, xstrdup(name), xstrdup(brief), xstrdup(sentence)};
		ret->open = ret->open && mark == GATE_YES;
	}
}

static enum view_state view_state_of(const struct job_row *job)
{
	bool apply = job->phase == PHASE_APPLY;
	if (job->deleted && !apply && (!job->destroy || job->state == JOBS_DONE))
		return VIEW_DELETED;
	if (job->state == JOBS_DONE && replan_asks_again(job))
		return VIEW_REFUSED;
	switch (job->state) {
	case JOBS_WAITING:
	case JOBS_READY: return VIEW_QUEUED;
	case JOBS_RUNNING: return apply ? VIEW_APPLYING : VIEW_RUNNING;
	case JOBS_DONE: return apply ? VIEW_APPLIED : VIEW_PLANNED;
	case JOBS_FAILED: return apply ? VIEW_APPLY_FAILED : VIEW_FAILED;
	case JOBS_CANCELLED: return VIEW_CANCELLED;
	case JOBS_REFUSED: return VIEW_REFUSED;
	case JOBS_UNKNOWN: return VIEW_UNKNOWN;
	case JOBS_STATES: break;
	}
	return VIEW_FAILED;
}

struct view_project comment_view_project(const struct job_row *job)
{
	struct view_project p = {.name = job->project, .state = view_state_of(job), .error = job->error, .reason = job->reason};
	if (job->finished_ms != 0 && job->started_ms != 0)
		p.took_ms = job->finished_ms - job->started_ms;
	else if (job->started_ms != 0)
		p.running_ms = clock_wall_ms() - job->started_ms;
	return p;
}

static const char *keep(struct comment_view *v, char *s)
{
	strlist_take(&v->owned, s);
	return s;
}

/* The first project of the run that this one still waits for. */
static const char *waits_for(const struct job_row *job, const struct job_list *all)
{
	for (size_t i = 0; job->state == JOBS_WAITING && i < all->n; i++)
		if (all->v[i].state <= JOBS_RUNNING && text_has_line(job->depends_on, all->v[i].project))
			return all->v[i].project;
	return NULL;
}

static const char *state_note(struct comment_view *v, const struct job_row *job)
{
	if (job->phase != PHASE_APPLY || !job->managed_state || job->state <= JOBS_RUNNING)
		return NULL;
	const char *done = job->done != NULL ? job->done : "";
	const char *and = job->done != NULL ? "; " : "";
	if (job->state_serial > 0)
		return keep(v, xasprintf("%s%sstate: serial %lld is kept", done, and, (long long)job->state_serial));
	return job->state == JOBS_FAILED ? keep(v, xasprintf("%s%sthe engine wrote no new state", done, and)) : NULL;
}

/* What a reviewer should know, as sentences. Of an apply it was said before. */
static void show_told(const struct job_row *job, struct strlist *lines, struct view_project *p)
{
	struct told_list told = {0};
	CLEANUP_FREE char *flags = command_flags_are_whole(job->args) ? NULL : xstrdup(job->args);
	if (job->phase != PHASE_PLAN)
		return;
	for (char *c = flags; c != NULL && *c != '\0'; c++)
		*c = *c == '\n' ? ' ' : *c == '`' ? '\'' : *c;
	if (flags != NULL)
		strlist_take(lines, xasprintf("not a whole plan, and not applied: `%s`", flags));
	if (job->told != NULL && told_read(job->told, &told, NULL) == 0) /* we wrote it */
		for (size_t i = 0; i < told.n; i++)
			strlist_take(lines, told_sentence(&told.v[i]));
	p->told = (const char *const *)lines->v;
	p->told_n = lines->n;
	p->told_more = told.more;
	told_free(&told);
}

/* Whom it waits for among pull requests; of an unknown outcome what was seen, and who said how it ended. */
static int show_queue(struct db_conn *c, struct comment_view *v, const struct job_row *job, struct view_project *p, struct err *err)
{
	struct queue_place q;
	CLEANUP_BUF struct buf seen = {0};
	int rc = queue_place(c, job, &q, err);
	if (rc != 0)
		return rc;
	p->behind = q.behind;
	p->behind_unknown = q.unknown;
	p->place = q.place;
	p->of = q.of;
	if (job->state != JOBS_UNKNOWN)
		return 0;
	if (job->resolution != NULL)
		p->resolved = keep(v, xasprintf("%s by %s", job->resolution, job->resolved_by != NULL ? job->resolved_by : "somebody"));
	rc = resolve_show(c, job, &seen, err);
	if (rc == 0 && seen.len != 0)
		p->error = keep(v, xasprintf("%s\n\n%s", job->error != NULL ? job->error : "", buf_str(&seen)));
	return rc;
}

static int load_projects(struct db_conn *c, struct comment_view *v, bool with_diffs, struct err *err)
{
	size_t room = with_diffs ? DIFFS_BYTES : 0;
	v->projects = xcalloc(v->jobs.n, sizeof(*v->projects));
	v->summaries = xcalloc(v->jobs.n, sizeof(*v->summaries));
	v->told = xcalloc(v->jobs.n, sizeof(*v->told));
	for (size_t i = 0; i < v->jobs.n; i++) {
		struct job_row *job = &v->jobs.v[i];
		struct view_project *p = &v->projects[i];
		*p = comment_view_project(job);
		p->waiting_for = waits_for(job, &v->jobs);
		show_told(job, &v->told[i], p);
		int place = show_queue(c, v, job, p, err);
		if (place != 0)
			return place;
		p->state_note = state_note(v, job);
		p->log_url = job->log != NULL ? keep(v, xasprintf("%s#job-%lld", v->view.run_url, (long long)job->id)) : NULL;
		if (job->summary == NULL || plan_summary_parse(job->summary, strlen(job->summary), &v->summaries[i], NULL) != 0)
			continue; /* we wrote it; without it the project shows its state alone */
		p->summary = &v->summaries[i];
		if (room == 0 || job->state == JOBS_RUNNING)
			continue;
		int rc = job_diff(c, job->phase == PHASE_PLAN ? job->id : job->plan_job, room, &job->diff, err);
		if (rc != 0)
			return rc;
		p->diff = job->phase == PHASE_PLAN ? job->diff : NULL;
		room -= job->diff != NULL ? strlen(job->diff) : 0;
	}
	return 0;
}

/* "terraform 1.11.4, opentofu 1.12.6": each once. */
static void name_engines(struct comment_view *v)
{
	struct strlist seen = {0};
	CLEANUP_BUF struct buf b = {0};
	for (size_t i = 0; i < v->jobs.n; i++) {
		const struct job_row *job = &v->jobs.v[i];
		if (job->engine_version == NULL || strlist_has(&seen, job->engine_version))
			continue;
		strlist_add(&seen, job->engine_version);
		buf_printf(&b, "%s%s", b.len != 0 ? ", " : "", job->engine_version);
	}
	strlist_free(&seen);
	v->view.engines = b.len != 0 ? keep(v, buf_take(&b)) : NULL;
}

static void split_notes(struct comment_view *v)
{
	text_split_lines(v->shown->notes, &v->notes);
	v->view.notes = (const char *const *)v->notes.v;
	v->view.notes_n = v->notes.n;
}

static enum view_phase phase_of(const struct run_row *run)
{
	if (run->kind == RUN_PLAN)
		return run_state_is_over(run->state) ? VIEW_PLAN_DONE : VIEW_PLANNING;
	if (run->state == RUN_WORKING)
		return VIEW_APPLYING_RUN;
	return run_state_is_over(run->state) ? VIEW_APPLY_DONE : VIEW_APPLY_ASKED;
}

/* Fills the view for one run whose row is v->shown. */
static int fill(struct db_conn *c, const struct comment_context *ctx, struct comment_view *v, bool with_diffs, struct err *err)
{
	const struct run_row *run = v->shown;
	bool of_head = run->kind == RUN_PLAN && run->head_sha != NULL;
	int rc = of_head ? job_list_of_head(c, run->repo_id, run->pull, run->head_sha, &v->jobs, err) : job_list_of_run(c, run->id, &v->jobs, err);
	if (rc != 0)
		return rc;
	replan_fold(&v->jobs);
	v->view = (struct view){
		.phase = phase_of(run),
		.head_sha = run->head_sha != NULL ? run->head_sha : "",
		.base_ref = run->base_ref != NULL ? run->base_ref : "",
		.merge_sha = run->merge_sha,
		.untouched = (size_t)run->untouched,
		.config_errors = run->config_errors,
		.error = run->error,
		.waits = run->error != NULL && text_starts(run->error, TRUST_WAITS_SAYS),
		.run_id = run->id,
		.sandbox = ctx->sandbox,
	};
	v->view.run_url = keep(v, comment_run_url(ctx, run));
	rc = load_projects(c, v, with_diffs, err);
	if (rc != 0)
		return rc;
	v->view.projects = v->projects;
	v->view.projects_n = v->jobs.n;
	name_engines(v);
	split_notes(v);
	return 0;
}

/* After a plan: what an apply would need, from what GitHub said while the plan ran. */
static int show_gate(struct db_conn *c, struct comment_view *v, struct err *err)
{
	const struct run_row *run = v->shown;
	struct gate_own own = {0};
	if (v->view.phase != VIEW_PLAN_DONE || run->state != RUN_DONE || v->jobs.n == 0 || !gate_facts_read(run->facts, &v->seen))
		return 0;
	v->seen.facts.may_apply = TRI_YES;
	v->seen.facts.head_is_planned = TRI_YES;
	int rc = gate_own_add(c, run, run->repo_id, run->pull, &v->jobs, &v->seen.facts, &own, err);
	v->seen.facts.told = TRI_YES; /* who reads it was told */
	if (rc == 0) {
		gate_evaluate(&v->seen.facts, &v->gate);
		v->view.gate = &v->gate;
	}
	gate_own_free(&own);
	return rc;
}

static void show_refusal(struct comment_view *v)
{
	if (v->apply.id == 0 || v->shown == &v->apply)
		return;
	if (v->apply.gate != NULL) {
		gate_verdict_free(&v->gate);
		comment_gate_read(v->apply.gate, &v->gate);
		v->view.gate = &v->gate;
	}
	bool no = v->apply.state == RUN_REFUSED || v->apply.state == RUN_FAILED;
	if (no)
		v->view.refused = v->apply.error;
	if (no || !run_state_is_over(v->apply.state))
		v->view.phase = VIEW_APPLY_ASKED;
}

int comment_view_load_run(struct db_conn *c, const struct comment_context *ctx, const struct run_row *run, struct comment_view *v, struct err *err)
{
	v->shown = run;
	int rc = fill(c, ctx, v, false, err);
	if (rc != 0)
		comment_view_free(v);
	return rc;
}

/* The two newest runs, and which of them is shown: an apply by its own jobs once it has some; before, and when it was refused, the plans are
 * what people look at. */
static int load_runs(struct db_conn *c, int64_t repo_id, int64_t pull, struct comment_view *v, struct err *err)
{
	struct job_list jobs = {0};
	int rc = run_newest(c, repo_id, pull, RUN_PLAN, NULL, &v->plan, err);
	if (rc == 0 || rc == ERR_NOT_FOUND)
		rc = run_newest(c, repo_id, pull, RUN_APPLY, NULL, &v->apply, err);
	if (rc != 0 && rc != ERR_NOT_FOUND)
		return rc;
	if (v->apply.id != 0 && v->apply.id < v->plan.id)
		run_row_free(&v->apply); /* a plan made after it says more */
	if (v->plan.id == 0 && v->apply.id == 0)
		return err_set(err, ERR_NOT_FOUND, "#%lld has no run", (long long)pull);
	rc = v->apply.id != 0 ? job_list_of_run(c, v->apply.id, &jobs, err) : 0;
	v->shown = jobs.n != 0 || v->plan.id == 0 ? &v->apply : &v->plan;
	job_list_free(&jobs);
	return rc;
}

int comment_view_load(struct db_conn *c, const struct comment_context *ctx, int64_t repo_id, int64_t pull, struct comment_view *v, struct err *err)
{
	int rc = load_runs(c, repo_id, pull, v, err);
	if (rc == 0)
		rc = fill(c, ctx, v, true, err);
	if (rc == 0)
		rc = show_gate(c, v, err);
	if (rc != 0) {
		comment_view_free(v);
		return rc;
	}
	show_refusal(v);
	return 0;
}

void comment_view_free(struct comment_view *v)
{
	for (size_t i = 0; v->summaries != NULL && i < v->jobs.n; i++)
		plan_summary_free(&v->summaries[i]);
	for (size_t i = 0; v->told != NULL && i < v->jobs.n; i++)
		strlist_free(&v->told[i]);
	free(v->told);
	free(v->summaries);
	free(v->projects);
	job_list_free(&v->jobs);
	gate_verdict_free(&v->gate);
	gate_seen_free(&v->seen);
	strlist_free(&v->owned);
	strlist_free(&v->notes);
	run_row_free(&v->plan);
	run_row_free(&v->apply);
	*v = (struct comment_view){0};
}
