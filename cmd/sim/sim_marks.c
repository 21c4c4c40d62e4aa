/* What others say of commits, with who said it: statuses with their creators, check suites, check runs of other applications. */
#include "base/clock.h"
#include "base/text.h"
#include "cmd/sim/sim_gate.h"

enum { APPS_MAX = 32 };

static const char nobody_since[] = "2020-01-01T00:00:00Z";

void sim_shape_app_id(struct json_writer *w, const char *key, const struct sim *s, int64_t id)
{
	CLEANUP_FREE char *slug = id == SIM_APP_ACTIONS ? xstrdup("github-actions") : xasprintf("app-%lld", (long long)id);
	jw_open(w, key);
	jw_int(w, "id", id);
	jw_str(w, "slug", slug);
	sim_shape_node_id(w, "A", id);
	sim_shape_owner(w, "owner", s, "github");
	jw_str(w, "name", slug);
	jw_str(w, "description", "");
	jw_str(w, "external_url", "https://example.com");
	sim_shape_urlf(w, "html_url", "%s/apps/%s", s->url, slug);
	jw_str(w, "created_at", nobody_since);
	jw_str(w, "updated_at", nobody_since);
	jw_raw(w, "permissions", "{\"checks\":\"write\",\"metadata\":\"read\"}");
	jw_open_arr(w, "events");
	jw_close_arr(w);
	jw_close(w);
}

int sim_check_by(struct sim *s, const char *repo, const char *sha, const char *name, const char *conclusion, int64_t app_id, struct err *err)
{
	struct sim_repo *r;
	char full[SIM_SHA_SIZE];
	int rc = sim_repo_get(s, repo, &r, err);
	if (rc == 0)
		rc = sim_git_rev(s, r, sha, full, err);
	if (rc != 0)
		return rc;
	r->checks = xreallocarray(r->checks, r->checks_n + 1, sizeof(*r->checks));
	struct sim_mark *m = &r->checks[r->checks_n++];
	*m = (struct sim_mark){.id = sim_new_id(s), .context = xstrdup(name), .state = xstrdup(conclusion), .app_id = app_id,
			       .at_ms = clock_wall_ms()};
	(void)snprintf(m->sha, sizeof(m->sha), "%s", full);
	sim_queue_look(s, r, full);
	sim_changed(s);
	return 0;
}

/* All of a commit, newest first; the combined status has one of each context and no creators. */
void sim_get_statuses(struct sim_req *q)
{
	const struct sim_repo *r = q->repo;
	const struct sim_mark **found = xcalloc(r->statuses_n + 1, sizeof(*found));
	char sha[SIM_SHA_SIZE];
	size_t n = 0, from, to;
	if (!sim_known_commit(q, q->part[0], sha)) {
		free(found);
		sim_fail(q, 404, "Not Found");
		return;
	}
	for (size_t i = r->statuses_n; i-- > 0;)
		if (strcmp(r->statuses[i].sha, sha) == 0)
			found[n++] = &r->statuses[i];
	sim_paginate(q, n, &from, &to);
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open_arr(&w, NULL);
	for (size_t i = from; i < to; i++)
		sim_shape_status(&w, NULL, q->s, r, found[i], false);
	jw_close_arr(&w);
	free(found);
	sim_answer_buf(q, 200, &b);
}

/* ---- check suites: one of each application, made when the commit was pushed ---- */

static size_t apps_of(const struct sim_repo *r, const char *sha, int64_t ids[APPS_MAX])
{
	size_t n = 0;
	ids[n++] = SIM_APP_ACTIONS;
	for (size_t i = 0; i < r->checks_n; i++) {
		bool known = strcmp(r->checks[i].sha, sha) != 0 || r->checks[i].app_id == 0;
		for (size_t k = 0; k < n; k++)
			known = known || ids[k] == r->checks[i].app_id;
		if (!known && n < APPS_MAX)
			ids[n++] = r->checks[i].app_id;
	}
	return n;
}

/* Conclusion of an application's runs: NULL while one runs; *ret_n is how many there are. */
static const char *conclusion_of(const struct sim_repo *r, const char *sha, int64_t app, int64_t *ret_n)
{
	const char *all = "success";
	bool running = false;
	*ret_n = 0;
	for (size_t i = 0; i < r->checks_n; i++) {
		const struct sim_mark *m = &r->checks[i];
		if (strcmp(m->sha, sha) != 0 || m->app_id != app)
			continue;
		++*ret_n;
		running = running || m->state == NULL;
		if (m->state != NULL && strcmp(m->state, "success") != 0)
			all = m->state;
	}
	return running || *ret_n == 0 ? NULL : all;
}

static void suite(struct json_writer *w, struct sim_req *q, const struct sim_note *note, int64_t app)
{
	int64_t id = (int64_t)(text_hash(note->sha, SIM_SHA_SIZE - 1) % 1000000007) + app * 3, runs;
	const char *conclusion = conclusion_of(q->repo, note->sha, app, &runs);
	CLEANUP_FREE char *url = xasprintf("%s/repos/%s/check-suites/%lld", q->s->url, q->repo->full_name, (long long)id);
	jw_open(w, NULL);
	jw_int(w, "id", id);
	sim_shape_node_id(w, "CS", id);
	jw_null(w, "head_branch");
	jw_str(w, "head_sha", note->sha);
	jw_str(w, "status", conclusion != NULL ? "completed" : runs > 0 ? "in_progress" : "queued");
	jw_str(w, "conclusion", conclusion);
	jw_str(w, "url", url);
	jw_null(w, "before");
	jw_str(w, "after", note->sha);
	jw_open_arr(w, "pull_requests");
	jw_close_arr(w);
	sim_shape_app_id(w, "app", q->s, app);
	sim_shape_repo(w, "repository", q->s, q->repo, NULL);
	sim_shape_time(w, "created_at", note->pushed_ms);
	sim_shape_time(w, "updated_at", note->pushed_ms);
	sim_shape_head_commit(w, "head_commit", q->s, q->repo, note->sha);
	jw_int(w, "latest_check_runs_count", runs);
	sim_shape_urlf(w, "check_runs_url", "%s/check-runs", url);
	jw_close(w);
}

void sim_get_check_suites(struct sim_req *q)
{
	char sha[SIM_SHA_SIZE];
	int64_t ids[APPS_MAX], wanted = 0;
	if (!sim_known_commit(q, q->part[0], sha)) {
		sim_fail(q, 422, "No commit found for SHA");
		return;
	}
	const struct sim_note *note = sim_note_find(q->repo, sha);
	const char *app = http_query(q->x, "app_id");
	size_t n = note != NULL && note->pushed_ms != 0 ? apps_of(q->repo, sha, ids) : 0, kept = 0, from, to;
	if (app != NULL && text_int(app, 1, INT64_MAX, &wanted, NULL) != 0)
		wanted = -1;
	for (size_t i = 0; i < n; i++)
		if (wanted == 0 || ids[i] == wanted)
			ids[kept++] = ids[i];
	sim_paginate(q, kept, &from, &to);
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_int(&w, "total_count", (int64_t)kept);
	jw_open_arr(&w, "check_suites");
	for (size_t i = from; i < to; i++)
		suite(&w, q, note, ids[i]);
	jw_close_arr(&w);
	jw_close(&w);
	sim_answer_buf(q, 200, &b);
}
