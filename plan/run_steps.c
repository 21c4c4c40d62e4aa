/* The steps that plans and applies share, in execution order: queued, reading, preparing. */
#include "base/clock.h"
#include "base/crash.h"
#include "base/crypto.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "plan/ask.h"
#include "plan/command_flags.h"
#include "plan/job_plan.h"
#include "plan/only.h"
#include "plan/runs_priv.h"
#include "plan/trust.h"

#include <stdio.h>

enum {
	SLOW_MS = 400,
	KEEP_FRESH_MS = 60 * 60 * 1000, /* a kept plan is good for this long at least */
};

int run_end_with(struct db_conn *c, struct run *r, const char *error, struct err *err)
{
	log_info("run.no", "run=%lld reason=%s", (long long)r->row.id, log_value(error));
	return run_set_error(c, r->row.id, error, err);
}

/* queued: does an apply of this pull request still run? */

void run_queued_enter(struct run *r) { run_wake(r); }

int run_queued_leave(struct db_conn *c, struct run *r, enum run_state *ret_next, struct err *err)
{
	bool behind = false;
	int rc = run_is_behind(c, &r->row, &behind, err);
	if (rc == 0)
		*ret_next = behind ? RUN_QUEUED : RUN_READING;
	return rc;
}

/* reading: the payload was a hint; this is what GitHub says now. */

static void on_role(enum role role, const char *failed, void *arg)
{
	struct run *r = arg;
	r->role = NULL;
	r->asker_role = role;
	if (failed != NULL)
		err_set(&r->failure, ERR_UNAVAILABLE, "%s", failed);
	run_wake(r);
}

static void on_pull(const struct gh_answer *a, void *arg)
{
	struct run *r = arg;
	if (!run_pull_answered(r, a))
		return;
	if (a->pull->repo_id != r->row.repo_id)
		err_set(&r->failure, ERR_REFUSED, "%s is another repository now than when the event was sent", r->row.repo);
	if (r->failure.code == 0 && r->row.ok_to_plan && r->pull.fork)
		r->role = role_lookup_start(r->m->o.gh, r->m->o.config, r->row.repo, r->row.asker, on_role, r);
	else
		run_wake(r);
}

void run_reading_enter(struct run *r) { gh_get_pull(r->m->o.gh, r->row.repo, r->row.pull, on_pull, r); }

void run_reading_drop(struct run *r)
{
	gh_cancel(r->m->o.gh, r);
	role_lookup_cancel(r->role);
	r->role = NULL;
}

/* Reasons not to plan, silent ones first (NULL error): nobody asked for those. */
static bool may_not_plan(const struct run *r, const char **ret_error)
{
	const struct seen_pull *p = &r->pull;
	*ret_error = NULL;
	if (!p->open && !p->merged)
		return true;
	if (r->row.after_merge && !p->merged) {
		*ret_error = "GitHub does not say that this pull request is merged, and what is left to do after a merge was asked for: comment `plan`";
		return true;
	}
	if (p->merged && !r->row.after_merge) {
		*ret_error = r->row.asker != NULL ? "the pull request is merged: `plan -p NAME` shows what is left to do of a project that was to be "
						    "applied, and a further change needs a new pull request" : NULL;
		return true;
	}
	if (p->draft && r->row.asker == NULL)
		return true;
	return false;
}

/* Reasons that somebody's next comment takes away: whose code it is, and whether the comment is about this head. */
static int may_not_yet(struct db_conn *c, struct run *r, char **ret_why, struct err *err)
{
	const struct trust_question q = {.run = &r->row, .fork = r->pull.fork, .role = r->asker_role};
	int rc = trust_ask(c, &q, ret_why, err);
	r->untrusted = rc == 0 && *ret_why != NULL && !r->row.ok_to_plan;
	return rc != 0 || *ret_why != NULL || r->row.ok_to_plan ? rc : ask_is_stale(c, &r->row, r->row.head_sha, ret_why, err);
}

/* Whose approval the change needs was found when it was planned. */
static int take_owners(struct db_conn *c, struct run *r, struct err *err)
{
	struct run_row plan = {0};
	int rc = run_newest(c, r->row.repo_id, r->row.pull, RUN_PLAN, r->row.head_sha, &plan, err);
	if (rc == 0) {
		xstrset(&r->row.owners, plan.owners);
		rc = run_set_owners(c, r->row.id, plan.owners, err);
	}
	run_row_free(&plan);
	return rc == ERR_NOT_FOUND ? 0 : rc;
}

int run_reading_leave(struct db_conn *c, struct run *r, enum run_state *ret_next, struct err *err)
{
	if (r->failure.code != 0) {
		*ret_next = RUN_FAILED;
		return run_end_with(c, r, r->failure.msg, err);
	}
	xstrset(&r->row.repo, r->pull.repo);
	xstrset(&r->row.clone_url, r->pull.clone_url);
	xstrset(&r->row.head_sha, r->pull.head_sha);
	xstrset(&r->row.base_ref, r->pull.base_ref);
	xstrset(&r->row.author, r->pull.author);
	int rc = run_set_pull(c, &r->row, err);
	if (rc != 0)
		return rc;
	if (r->row.kind == RUN_APPLY) {
		*ret_next = RUN_GATING;
		return take_owners(c, r, err);
	}
	const char *error = NULL;
	CLEANUP_FREE char *why = NULL;
	bool no = may_not_plan(r, &error);
	if (!no) {
		rc = may_not_yet(c, r, &why, err);
		if (rc != 0)
			return rc;
		error = why;
	}
	if (no || why != NULL) {
		*ret_next = RUN_REFUSED;
		return error != NULL ? run_end_with(c, r, error, err) : 0;
	}
	*ret_next = RUN_PREPARING;
	r->row.state = RUN_PREPARING; /* the status speaks of the state that follows */
	rc = comment_rollup(c, &r->m->comment, &r->row, err);
	if (rc == 0) /* what an older commit was told to be pending will not be heard of again */
		rc = comment_end_older(c, &r->m->comment, r->row.repo_id, r->row.pull, &r->row, err);
	r->row.state = RUN_READING;
	return rc;
}

/* preparing: a child fetches, finds the projects and exports their files. */

struct slow {
	struct runs *m;
	int64_t repo_id, pull;
};

static int slow_say_tx(struct db_conn *c, void *arg, struct err *err)
{
	struct slow *s = arg;
	return comment_refresh(c, &s->m->comment, s->repo_id, s->pull, 0, err);
}

static void slow_said(int rc, const struct err *err, void *arg)
{
	struct slow *s = arg;
	if (rc != 0)
		log_warn("run.slow", "error=%s", log_value(err->msg));
	outbox_wake(s->m->o.outbox);
	free(s);
}

/* The first version of the comment stands within half a second, whatever a fetch takes. */
static void on_slow(void *arg)
{
	struct run *r = arg;
	struct slow *s = xcalloc(1, sizeof(*s));
	*s = (struct slow){.m = r->m, .repo_id = r->row.repo_id, .pull = r->row.pull};
	db_submit(r->m->o.db, slow_say_tx, slow_said, s);
}

/* The flags of the command, into the request, which owns them. */
static void fill_only(const char *json, struct prepare_request *q)
{
	struct only only;
	only_read(json, &only);
	q->only_projects = only.projects;
	q->only_dirs = only.dirs;
	q->only_workspace = only.workspace;
}

static void fill_request(const struct run *r, struct prepare_request *q)
{
	const struct runs_options *o = &r->m->o;
	bool merged = r->row.kind == RUN_APPLY || r->row.after_merge; /* a plan after the merge is of what was merged */
	*q = (struct prepare_request){
		.server_file = xstrdup(o->server_file),
		.clone_url = xstrdup(r->row.clone_url),
		.token = xstrdup(r->clone_token),
		.pull_number = r->row.pull,
		.base_ref = xstrdup(r->row.base_ref),
		.head_sha = merged ? NULL : xstrdup(r->row.head_sha),
		.merge_sha = merged ? xstrdup(r->row.merge_sha) : NULL,
		.admin = r->row.by_admin,
	};
	prepare_request_place(q, o->config->data_dir, r->row.repo_id);
	fill_only(r->row.only, q);
}

void run_give_back_token(struct run *r)
{
	if (r->clone_token == NULL)
		return;
	gh_revoke_token(r->m->o.gh, r->clone_token);
	crypto_wipe(r->clone_token, strlen(r->clone_token));
	free(TAKE(r->clone_token));
}

static void on_prepared(const struct loop_exit *e, void *arg)
{
	struct run *r = arg;
	r->child = NULL;
	loop_timer_stop(r->slow);
	run_give_back_token(r);
	CRASH_POINT("run.prepared");
	if (r->has_prepared) /* of a try whose result could not be written */
		prepare_result_free(&r->prepared);
	r->has_prepared = false;
	if (e->err.code != 0)
		r->failure = e->err;
	else if (prepare_answer_read(e->out, e->out_len, &r->prepared, &r->failure) == 0)
		r->has_prepared = true;
	if (r->failure.code == ERR_UNAVAILABLE && run_try_again(r)) {
		log_warn("run.prepare", "run=%lld error=%s again=yes", (long long)r->row.id, log_value(r->failure.msg));
		return;
	}
	run_wake(r);
}

/* The child gets a token of its own, which can read the files of this repository and nothing else, for as long as it runs. */
static void on_clone_token(const struct gh_answer *a, void *arg)
{
	struct run *r = arg;
	struct prepare_request q;
	if (a->r.err.code != 0) {
		if (a->r.err.code == ERR_UNAVAILABLE && run_try_again(r))
			return;
		r->failure = a->r.err;
		run_wake(r);
		return;
	}
	r->clone_token = xstrdup(a->token);
	fill_request(r, &q);
	r->child = prepare_start(r->m->o.loop, r->m->o.program, &q, on_prepared, r);
	prepare_request_free(&q);
	if (r->slow == NULL)
		r->slow = loop_timer_new(r->m->o.loop, on_slow, r);
	loop_timer_start(r->slow, SLOW_MS, 0);
}

void run_preparing_enter(struct run *r) { gh_get_token(r->m->o.gh, r->row.repo, GH_FOR_CLONE, on_clone_token, r); }

void run_preparing_drop(struct run *r)
{
	gh_cancel(r->m->o.gh, r);
	if (r->child != NULL)
		loop_process_close(r->child);
	r->child = NULL;
	run_give_back_token(r);
}

/* What a push did to the plans that stood: kept ones and dropped ones by name, and the commit that they were of. */
struct push_note {
	struct buf kept, dropped;
	char before[GIT_OID_HEX + 1];
};

static void add_name(struct buf *b, const char *name) { buf_printf(b, "%s`%s`", b->len != 0 ? ", " : "", name); }

/* A push that does not touch a project's inputs does not cost its plan. Who comments `plan` gets a new one. */
static int keep_plan(struct db_conn *c, const struct run *r, const struct job_row *made, struct push_note *told, struct err *err)
{
	int64_t kept = 0;
	if (r->row.asker != NULL || (made->state != JOBS_READY && made->state != JOBS_WAITING))
		return 0;
	int64_t fresh_ms = clock_wall_ms() + KEEP_FRESH_MS - r->m->o.config->plan_expiry_ms;
	int rc = job_plan_find_kept(c, &r->row, made, fresh_ms, &kept, err);
	if (rc == 0 && kept != 0)
		rc = jobs_keep_plan(r->m->jobs, c, made->id, kept, err);
	if (rc == 0 && told->before[0] != '\0')
		add_name(kept != 0 ? &told->kept : &told->dropped, made->project);
	return rc;
}

/* The commit of the newest plans before this run; "" when there are none, or they are of this very commit. */
static int find_before(struct db_conn *c, const struct run *r, struct push_note *told, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err,
			  "SELECT head_sha FROM run WHERE repo_id=? AND pull=? AND kind='plan' AND id<? AND state='done' ORDER BY id DESC LIMIT 1", "iii",
			  r->row.repo_id, r->row.pull, r->row.id);
	if (rc == 0)
		rc = db_step(s, err);
	if (rc == 1 && db_text(s, 0) != NULL && strcmp(db_text(s, 0), r->row.head_sha) != 0)
		(void)snprintf(told->before, sizeof(told->before), "%s", db_text(s, 0)); /* an id fits */
	if (rc == 1)
		db_reset(s);
	return rc < 0 ? rc : 0;
}

static int say_kept(struct db_conn *c, const struct run *r, const struct push_note *told, struct err *err)
{
	CLEANUP_BUF struct buf b = {0};
	if (told->kept.len == 0 && told->dropped.len == 0)
		return 0;
	if (told->dropped.len != 0)
		buf_printf(&b, "Plans of `%.7s` dropped for %s", told->before, told->dropped.data);
	if (told->kept.len != 0)
		buf_printf(&b, "%s%s unchanged since `%.7s`, plan kept", b.len != 0 ? "; " : "", told->kept.data, told->before);
	buf_addc(&b, '.');
	return run_add_note(c, r->row.id, buf_str(&b), err);
}

static int create_plan_job(struct db_conn *c, const struct run *r, const struct prepared_project *p, struct push_note *told, struct err *err)
{
	CLEANUP_FREE char *depends = text_join_lines(&p->depends_on);
	char gone[] = "its directory is gone in this change: its resources are not destroyed by a plan. Destroy them first, then remove the directory.";
	struct job_row j = {
		.run_id = r->row.id, .repo_id = r->row.repo_id, .pull = r->row.pull, .phase = PHASE_PLAN, .project = p->name, .dir = p->dir,
		.workspace = p->workspace, .backend = p->backend, .reason = p->reason, .inputs = p->inputs, .engine = p->engine, .apply = p->apply,
		.needs_init = p->needs_init, .managed_state = p->managed_state, .deleted = p->deleted, .requires_approved = p->requires_approved,
		.requires_checks = p->requires_checks, .requires_up_to_date = p->requires_up_to_date, .approvals = p->approvals,
		.requires_codeowners = p->codeowners, .sandbox = p->sandbox, .env = p->env, .egress_plan = p->egress_plan, .egress_apply = p->egress_apply,
		.told = p->told, .lock_id = p->lock_id,
		.depends_on = depends, .error = p->deleted && p->tree_dir == NULL ? gone : p->error, .bound = p->bound,
		.asker = r->row.asker != NULL ? r->row.asker : r->row.author, .destroy = p->tree_dir != NULL, .tree_dir = p->tree_dir,
		.args = r->row.args,
		/* a directory that is gone and cannot be planned away: told, and in nobody's way */
		.state = p->deleted && p->tree_dir == NULL ? JOBS_DONE : p->error != NULL ? JOBS_REFUSED : depends != NULL ? JOBS_WAITING : JOBS_READY,
	};
	int rc = job_create(c, &j, &j.id, err);
	if (rc == 0)
		rc = keep_plan(c, r, &j, told, err);
	if (rc != 0 || r->prepared.projects_n > LIMIT_RUN_STATUSES)
		return rc;
	struct job_row made;
	rc = job_get(c, j.id, &made, err);
	if (rc != 0)
		return rc;
	rc = comment_job_status(c, &r->m->comment, &r->row, &made, err);
	job_row_free(&made);
	return rc;
}

static int note_config(struct db_conn *c, const struct run *r, struct err *err)
{
	const struct prepare_result *p = &r->prepared;
	if (!p->config_changed)
		return 0;
	int rc = run_add_note(c, r->row.id, "This pull request changes `sluice.yaml`: that takes effect after the merge.", err);
	if (rc != 0 || p->head_errors.n == 0)
		return rc;
	CLEANUP_FREE char *first = xasprintf("Its new version has %zu error%s, the first at %s:%d:%d: %s", p->head_errors.n, p->head_errors.n == 1 ? "" : "s",
					     p->head_errors.v[0].file, p->head_errors.v[0].line, p->head_errors.v[0].column, p->head_errors.v[0].msg);
	return run_add_note(c, r->row.id, first, err);
}

/* Who reads the plan has to know that it is not a whole one. */
static int note_flags(struct db_conn *c, const struct run *r, struct err *err)
{
	struct strlist flags = {0};
	CLEANUP_BUF struct buf b = {0};
	text_split_lines(r->row.args, &flags);
	for (size_t i = 0; i < flags.n; i++)
		buf_printf(&b, "%s`%s`", i == 0 ? "Planned with " : ", ", flags.v[i]);
	strlist_free(&flags);
	if (b.len == 0)
		return 0;
	buf_adds(&b, command_flags_are_whole(r->row.args) ? "." : ": what that leaves out is not planned, and such a plan is not applied.");
	return run_add_note(c, r->row.id, buf_str(&b), err);
}

/* Things that stop a plan before it has a job. Returns the sentence or NULL. */
static char *no_plan_reason(const struct prepare_result *p)
{
	if (p->unknown.n != 0) {
		CLEANUP_BUF struct buf names = {0};
		for (size_t i = 0; i < p->unknown.n; i++)
			buf_printf(&names, "%s%s", i != 0 ? ", " : "", p->unknown.v[i]);
		return xasprintf("no project is called %s: see the names with `plan` alone, or in `sluice.yaml`", buf_str(&names));
	}
	if (p->projects_n > LIMIT_RUN_JOBS)
		return xasprintf("this change touches %zu projects; a run holds at most %u: split the change, or name projects with `plan -p NAME`",
				 p->projects_n, LIMIT_RUN_JOBS);
	return NULL;
}

static int plan_prepared(struct db_conn *c, struct run *r, enum run_state *ret_next, struct err *err)
{
	const struct prepare_result *p = &r->prepared;
	CLEANUP_FREE char *reason = no_plan_reason(p);
	int rc = note_config(c, r, err);
	if (rc == 0 && (reason != NULL || p->config_errors.n != 0)) {
		*ret_next = RUN_FAILED;
		r->row.state = RUN_FAILED; /* the status speaks of the state that follows */
		if (reason != NULL)
			rc = run_end_with(c, r, reason, err);
		if (rc == 0)
			rc = comment_rollup(c, &r->m->comment, &r->row, err);
		r->row.state = RUN_PREPARING;
		return rc;
	}
	struct push_note told = {0};
	if (rc == 0)
		rc = note_flags(c, r, err);
	if (rc == 0)
		rc = find_before(c, r, &told, err);
	for (size_t i = 0; rc == 0 && i < p->projects_n; i++)
		rc = create_plan_job(c, r, &p->projects[i], &told, err);
	if (rc == 0)
		rc = say_kept(c, r, &told, err);
	buf_free(&told.kept);
	buf_free(&told.dropped);
	*ret_next = RUN_WORKING;
	return rc;
}

int run_preparing_leave(struct db_conn *c, struct run *r, enum run_state *ret_next, struct err *err)
{
	if (r->failure.code == 0 && r->row.kind == RUN_APPLY && r->prepared.config_errors.n != 0) {
		const struct config_error *e = &r->prepared.config_errors.v[0];
		err_set(&r->failure, ERR_PARSE, "the merged %s:%d:%d: %s", e->file, e->line, e->column, e->msg);
	}
	if (r->failure.code != 0) {
		*ret_next = RUN_FAILED;
		CLEANUP_FREE char *late = NULL;
		if (r->row.kind == RUN_APPLY)
			late = xasprintf("apply: merged as %.7s, but nothing was applied yet: %s. Comment `apply` to try again", r->row.merge_sha,
					 r->failure.msg);
		return run_end_with(c, r, late != NULL ? late : r->failure.msg, err);
	}
	const struct prepare_result *p = &r->prepared;
	CLEANUP_BUF struct buf errors = {0};
	config_errors_print(&p->config_errors, &errors);
	xstrset(&r->row.base_sha, p->base_sha);
	xstrset(&r->row.merge_base, p->merge_base);
	xstrset(&r->row.tree_dir, p->tree_dir);
	xstrset(&r->row.config_id, p->config_id);
	if (r->row.kind == RUN_PLAN)
		xstrset(&r->row.owners, p->owners);
	xstrset(&r->row.config_errors, errors.len != 0 ? buf_str(&errors) : NULL);
	r->row.untouched = r->row.kind == RUN_PLAN ? (int64_t)p->untouched : 0; /* an apply is about its projects alone */
	r->row.base_moved = p->base_moved;
	int rc = run_set_prepared(c, &r->row, err);
	if (rc != 0)
		return rc;
	if (r->row.kind == RUN_PLAN)
		return plan_prepared(c, r, ret_next, err);
	*ret_next = RUN_CHECKING;
	return 0;
}
