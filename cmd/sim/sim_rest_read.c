/* Reading over REST. Every handler answers exactly once. */
#include "base/text.h"
#include "cmd/sim/sim_app.h"
#include "cmd/sim/sim_gate.h"

enum { PUBLIC_COUNTS = 4 };

static void answer_user(struct sim_req *q, const struct sim_user *u, bool own)
{
	static const char *const counts[] = {"public_repos", "public_gists", "followers", "following", "private_gists", "total_private_repos",
					     "owned_private_repos", "disk_usage", "collaborators"};
	static const char *const unknown[] = {"name", "company", "location", "email", "hireable", "bio"};
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	sim_shape_user_members(&w, q->s, u);
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
		jw_null(&w, unknown[i]);
	jw_str(&w, "blog", "");
	for (size_t i = 0; i < (own ? ARRAY_LEN(counts) : PUBLIC_COUNTS); i++)
		jw_int(&w, counts[i], 0);
	jw_str(&w, "created_at", "2020-01-01T00:00:00Z");
	jw_str(&w, "updated_at", "2020-01-01T00:00:00Z");
	if (own)
		jw_bool(&w, "two_factor_authentication", true);
	jw_close(&w);
	sim_answer_buf(q, 200, &b);
}

void sim_get_user(struct sim_req *q) { answer_user(q, q->viewer, true); }

void sim_get_user_named(struct sim_req *q)
{
	const struct sim_user *u = sim_user_find(q->s, q->part[0]);
	if (u != NULL)
		answer_user(q, u, false);
	else
		sim_fail(q, 404, "Not Found");
}

void sim_get_repo(struct sim_req *q)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	sim_shape_repo_full(&w, q->s, q->repo, q->viewer);
	sim_answer_buf(q, 200, &b);
}

/* ---- pull requests ---- */

void sim_get_pull(struct sim_req *q)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	sim_shape_pull(&w, q->s, q->repo, q->pull, (struct sim_shape_pull){.key = NULL});
	sim_answer_buf(q, 200, &b);
}

/* ?state=open|closed|all, ?head=owner:branch, ?base=branch; newest first, as GitHub does. */
static bool listed(const struct sim_req *q, const struct sim_pull *p)
{
	if (p->issue)
		return false;
	const char *state = http_query(q->x, "state"), *head = http_query(q->x, "head"), *base = http_query(q->x, "base");
	if (state == NULL || strcmp(state, "open") == 0) {
		if (!p->open)
			return false;
	} else if (strcmp(state, "closed") == 0 && p->open) {
		return false;
	}
	CLEANUP_FREE char *label = xasprintf("%s:%s", p->fork_owner != NULL ? p->fork_owner->login : q->repo->owner, p->head_ref);
	return (head == NULL || strcmp(head, label) == 0) && (base == NULL || strcmp(base, p->base_ref) == 0);
}

void sim_get_pulls(struct sim_req *q)
{
	struct sim_pull **found = xcalloc(q->repo->pulls_n + 1, sizeof(*found));
	size_t n = 0, from, to;
	for (size_t i = q->repo->pulls_n; i-- > 0;)
		if (listed(q, q->repo->pulls[i]))
			found[n++] = q->repo->pulls[i];
	sim_paginate(q, n, &from, &to);
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open_arr(&w, NULL);
	for (size_t i = from; i < to; i++)
		sim_shape_pull(&w, q->s, q->repo, found[i], (struct sim_shape_pull){.key = NULL, .simple = true});
	jw_close_arr(&w);
	free(found);
	sim_answer_buf(q, 200, &b);
}

void sim_get_reviews(struct sim_req *q)
{
	size_t from, to;
	sim_paginate(q, q->pull->reviews_n, &from, &to);
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open_arr(&w, NULL);
	for (size_t i = from; i < to; i++)
		sim_shape_review(&w, NULL, q->s, q->repo, q->pull, &q->pull->reviews[i], false);
	jw_close_arr(&w);
	sim_answer_buf(q, 200, &b);
}

void sim_get_comments(struct sim_req *q)
{
	const struct sim_pull *p = q->pull;
	const struct sim_comment **found = xcalloc(p->comments_n + 1, sizeof(*found));
	size_t n = 0, from, to;
	for (size_t i = 0; i < p->comments_n; i++)
		if (!p->comments[i].deleted)
			found[n++] = &p->comments[i];
	sim_paginate(q, n, &from, &to);
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open_arr(&w, NULL);
	for (size_t i = from; i < to; i++)
		sim_shape_comment(&w, NULL, q->s, q->repo, p, found[i]);
	jw_close_arr(&w);
	free(found);
	sim_answer_buf(q, 200, &b);
}

/* ---- people ---- */

void sim_get_permission(struct sim_req *q)
{
	const struct sim_user *u = sim_user_find(q->s, q->part[0]);
	if (u == NULL) {
		sim_fail(q, 404, "Not Found");
		return;
	}
	const char *permission = sim_permission_of(q->repo, u);
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "permission", permission);
	jw_str(&w, "role_name", sim_role_of(q->repo, u));
	jw_open(&w, "user");
	sim_shape_user_members(&w, q->s, u);
	jw_open(&w, "permissions");
	jw_bool(&w, "admin", sim_may(q->repo, u, "admin"));
	jw_bool(&w, "maintain", sim_may(q->repo, u, "maintain"));
	jw_bool(&w, "push", sim_may(q->repo, u, "write"));
	jw_bool(&w, "triage", sim_may(q->repo, u, "triage"));
	jw_bool(&w, "pull", sim_may(q->repo, u, "read"));
	jw_close(&w);
	jw_str(&w, "role_name", sim_role_of(q->repo, u));
	jw_close(&w);
	jw_close(&w);
	sim_answer_buf(q, 200, &b);
}

void sim_get_membership(struct sim_req *q)
{
	for (size_t i = 0; i < q->s->members_n; i++) {
		const struct sim_member *m = &q->s->members[i];
		if (!text_same_case(m->org, q->part[0]) || strcmp(m->team, q->part[1]) != 0 || !text_same_case(m->user->login, q->part[2]))
			continue;
		struct buf b = {0};
		struct json_writer w = json_writer(&b);
		jw_open(&w, NULL);
		sim_shape_urlf(&w, "url", "%s%s", q->s->url, q->path);
		jw_str(&w, "role", "member");
		jw_str(&w, "state", m->active ? "active" : "pending");
		jw_close(&w);
		sim_answer_buf(q, 200, &b);
		return;
	}
	sim_fail(q, 404, "Not Found");
}

/* ---- marks ---- */

static bool newest(const struct sim_repo *r, size_t i, const char *sha)
{
	if (strcmp(r->statuses[i].sha, sha) != 0)
		return false;
	for (size_t k = i + 1; k < r->statuses_n; k++)
		if (strcmp(r->statuses[k].sha, sha) == 0 && text_same_case(r->statuses[k].context, r->statuses[i].context))
			return false;
	return true;
}

static const char *combine(const struct sim_repo *r, const char *sha, int64_t *ret_n)
{
	bool failed = false, pending = false;
	int64_t n = 0;
	for (size_t i = 0; i < r->statuses_n; i++) {
		if (!newest(r, i, sha))
			continue;
		const char *state = r->statuses[i].state;
		n++;
		failed = failed || strcmp(state, "failure") == 0 || strcmp(state, "error") == 0;
		pending = pending || strcmp(state, "pending") == 0;
	}
	*ret_n = n;
	if (failed)
		return "failure";
	return pending || n == 0 ? "pending" : "success";
}

void sim_get_combined(struct sim_req *q)
{
	char sha[SIM_SHA_SIZE];
	int64_t n;
	if (!sim_known_commit(q, q->part[0], sha)) {
		sim_fail(q, 404, "Not Found");
		return;
	}
	const char *state = combine(q->repo, sha, &n);
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "state", state);
	jw_open_arr(&w, "statuses");
	for (size_t i = 0; i < q->repo->statuses_n; i++)
		if (newest(q->repo, i, sha))
			sim_shape_status(&w, NULL, q->s, q->repo, &q->repo->statuses[i], true);
	jw_close_arr(&w);
	jw_str(&w, "sha", sha);
	jw_int(&w, "total_count", n);
	sim_shape_repo(&w, "repository", q->s, q->repo, q->viewer);
	sim_shape_urlf(&w, "commit_url", "%s/repos/%s/commits/%s", q->s->url, q->repo->full_name, sha);
	sim_shape_urlf(&w, "url", "%s/repos/%s/commits/%s/status", q->s->url, q->repo->full_name, sha);
	jw_close(&w);
	sim_answer_buf(q, 200, &b);
}

static bool is_last_run(const struct sim_repo *r, size_t i, const char *sha)
{
	bool last = strcmp(r->checks[i].sha, sha) == 0;
	for (size_t k = i + 1; last && k < r->checks_n; k++)
		last = strcmp(r->checks[k].sha, sha) != 0 || strcmp(r->checks[k].context, r->checks[i].context) != 0 ||
		       r->checks[k].app_id != r->checks[i].app_id;
	return last;
}

/* filter: latest of each name (when absent) or all; check_name; app_id. */
static bool is_wanted_run(const struct sim_req *q, size_t i, const char *sha)
{
	const struct sim_mark *m = &q->repo->checks[i];
	const char *name = http_query(q->x, "check_name"), *filter = http_query(q->x, "filter"), *app = http_query(q->x, "app_id");
	int64_t id = 0;
	if (name != NULL && strcmp(name, m->context) != 0)
		return false;
	if (app != NULL && (text_int(app, 1, INT64_MAX, &id, NULL) != 0 || id != m->app_id))
		return false;
	return filter != NULL && strcmp(filter, "all") == 0 ? strcmp(m->sha, sha) == 0 : is_last_run(q->repo, i, sha);
}

void sim_get_check_runs(struct sim_req *q)
{
	char sha[SIM_SHA_SIZE];
	int64_t n = 0;
	if (!sim_known_commit(q, q->part[0], sha)) {
		sim_fail(q, 422, "No commit found for SHA");
		return;
	}
	for (size_t i = 0; i < q->repo->checks_n; i++)
		n += is_wanted_run(q, i, sha);
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_int(&w, "total_count", n);
	jw_open_arr(&w, "check_runs");
	for (size_t i = 0; i < q->repo->checks_n; i++)
		if (is_wanted_run(q, i, sha))
			sim_shape_check(&w, NULL, q->s, q->repo, &q->repo->checks[i]);
	jw_close_arr(&w);
	jw_close(&w);
	sim_answer_buf(q, 200, &b);
}
