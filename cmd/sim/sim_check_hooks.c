/* What is told of check runs: created and completed, and what people press on them. "Re-run" and a check run's own buttons are for the App whose
 * run it is; a button is there only after completion, as on GitHub. */
#include "base/clock.h"
#include "base/text.h"
#include "cmd/sim/sim_app.h"
#include "cmd/sim/sim_checks.h"
#include "cmd/sim/sim_gate.h"

enum { WORD_MAX = 256 };

static void end(struct sim *s, struct sim_repo *r, struct json_writer *w, struct buf *b, const struct sim_user *sender, const char *event, const char *action)
{
	sim_shape_repo(w, "repository", s, r, NULL);
	sim_shape_user(w, "sender", s, sender);
	jw_close(w);
	sim_deliver(s, r, event, action, b);
}

static int64_t suite_id(const char *sha, int64_t app) { return (int64_t)(text_hash(sha, SIM_SHA_SIZE - 1) % 1000000007) + app * 3; }

void sim_shape_suite(struct json_writer *w, const struct sim *s, const struct sim_repo *r, const char *sha, int64_t app,
		     const char *status, const char *conclusion)
{
	int64_t id = suite_id(sha, app), now = clock_wall_ms();
	jw_open(w, "check_suite");
	jw_int(w, "id", id);
	sim_shape_node_id(w, "CS", id);
	jw_null(w, "head_branch");
	jw_str(w, "head_sha", sha);
	jw_str(w, "status", status);
	jw_str(w, "conclusion", conclusion);
	sim_shape_urlf(w, "url", "%s/repos/%s/check-suites/%lld", s->url, r->full_name, (long long)id);
	jw_null(w, "before");
	jw_str(w, "after", sha);
	jw_open_arr(w, "pull_requests");
	jw_close_arr(w);
	sim_shape_app_id(w, "app", s, app);
	sim_shape_time(w, "created_at", now);
	sim_shape_time(w, "updated_at", now);
	if (strcmp(status, "queued") == 0) { /* the suite itself is told of, not a run in it */
		jw_int(w, "latest_check_runs_count", 1);
		sim_shape_urlf(w, "check_runs_url", "%s/repos/%s/check-suites/%lld/check-runs", s->url, r->full_name, (long long)id);
		sim_shape_head_commit(w, "head_commit", s, r, sha);
	}
	jw_close(w);
}

void sim_hook_check(struct sim *s, struct sim_repo *r, const struct sim_mark *m, const char *action, const char *identifier, const struct sim_user *sender)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "action", action);
	sim_shape_check(&w, "check_run", s, r, m);
	if (identifier != NULL) {
		jw_open(&w, "requested_action");
		jw_str(&w, "identifier", identifier);
		jw_close(&w);
	}
	end(s, r, &w, &b, sender, "check_run", action);
}

void sim_hook_suite(struct sim *s, struct sim_repo *r, const char *sha, int64_t app, const char *action, const struct sim_user *sender)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "action", action);
	sim_shape_suite(&w, s, r, sha, app, "queued", NULL);
	end(s, r, &w, &b, sender, "check_suite", action);
}

void sim_suites_pushed(struct sim *s, struct sim_repo *r, const char *sha, const struct sim_user *u)
{
	for (size_t i = 0; i < s->apps->n; i++)
		if (s->apps->v[i]->suites && sim_app_covers(s, s->apps->v[i], r) != NULL)
			sim_hook_suite(s, r, sha, s->apps->v[i]->id, "requested", u);
}

/* ---- what people press ---- */

/* The newest of that name that an App made; name NULL: any. */
static struct sim_mark *find(struct sim_repo *r, const char *sha, const char *name)
{
	for (size_t i = r->checks_n; i-- > 0;)
		if (r->checks[i].check != NULL && strcmp(r->checks[i].sha, sha) == 0 && (name == NULL || strcmp(r->checks[i].context, name) == 0))
			return &r->checks[i];
	return NULL;
}

static bool has_button(const struct sim_mark *m, const char *identifier)
{
	struct json_doc *doc CLEANUP_JSON = NULL;
	struct json list;
	struct err err = {0};
	if (m->check->actions == NULL || json_parse(m->check->actions, strlen(m->check->actions), NULL, &doc, &list, &err) != 0)
		return false;
	for (struct json e = json_first(&list); json_ok(&e); e = json_next(&e))
		if (json_text(&e) != NULL && strcmp(json_text(&e), identifier) == 0)
			return true;
	return false;
}

int sim_check_act(struct sim *s, const char *repo, const char *rev, const char *name, const char *user, const char *action, struct err *err)
{
	struct sim_repo *r;
	char sha[SIM_SHA_SIZE];
	int rc = sim_repo_get(s, repo, &r, err);
	if (rc == 0)
		rc = sim_git_rev(s, r, rev, sha, err);
	if (rc != 0)
		return rc;
	const struct sim_mark *m = find(r, sha, name);
	if (m != NULL && (s->apps->n == 0 || s->apps->v[0]->id != m->app_id))
		return err_set(err, ERR_CONFLICT, "the App of that check run has no webhook here, and nobody else is told");
	if (m == NULL)
		return err_set(err, ERR_NOT_FOUND, "%s has no check run %s of an App", sha, name != NULL ? name : "");
	if (name == NULL)
		sim_hook_suite(s, r, sha, m->app_id, "rerequested", sim_user(s, user));
	else if (m->state == NULL)
		return err_set(err, ERR_CONFLICT, "check run %s is not completed: it has no buttons yet", name);
	else if (strcmp(action, "rerequested") == 0)
		sim_hook_check(s, r, m, "rerequested", NULL, sim_user(s, user));
	else if (has_button(m, action))
		sim_hook_check(s, r, m, "requested_action", action, sim_user(s, user));
	else
		return err_set(err, ERR_NOT_FOUND, "check run %s has no button %s", name, action);
	sim_changed(s);
	return 0;
}

int sim_control_check(struct sim_req *q, struct json_writer *w, struct err *err)
{
	const char *repo, *sha, *name, *user, *action;
	int rc = json_str(&q->body, "repo", WORD_MAX, &repo, err);
	if (rc == 0)
		rc = json_str(&q->body, "sha", WORD_MAX, &sha, err);
	if (rc == 0)
		rc = json_str_opt(&q->body, "name", WORD_MAX, NULL, &name, err); /* missing: all of them, by their suite */
	if (rc == 0)
		rc = json_str_opt(&q->body, "user", WORD_MAX, "octocat", &user, err);
	if (rc == 0)
		rc = json_str_opt(&q->body, "action", WORD_MAX, "rerequested", &action, err);
	(void)w;
	return rc == 0 ? sim_check_act(q->s, repo, sha, name, user, action, err) : rc;
}
