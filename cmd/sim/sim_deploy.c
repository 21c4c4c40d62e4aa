/* Deployments of commits to environments, and their statuses. */
#include "base/clock.h"
#include "base/text.h"
#include "cmd/sim/sim_gate.h"

static struct sim_deployment *newest(const struct sim_repo *r, const char *sha, const char *environment)
{
	for (size_t i = r->deployments_n; i-- > 0;)
		if (strcmp(r->deployments[i].sha, sha) == 0 && strcmp(r->deployments[i].environment, environment) == 0)
			return &r->deployments[i];
	return NULL;
}

const char *sim_deploy_state(const struct sim_repo *r, const char *sha, const char *environment)
{
	const struct sim_deployment *d = newest(r, sha, environment);
	return d != NULL && d->states_n > 0 ? d->states[d->states_n - 1].state : NULL;
}

static bool is_state(const char *state)
{
	static const char *const states[] = {"error", "failure", "inactive", "in_progress", "queued", "pending", "success"};
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (strcmp(states[i], state) == 0)
			return true;
	return false;
}

int sim_deploy(struct sim *s, const char *repo, const char *user, const char *rev, const char *environment, const char *state, struct err *err)
{
	struct sim_repo *r;
	char sha[SIM_SHA_SIZE];
	int rc = sim_repo_get(s, repo, &r, err);
	if (rc == 0)
		rc = sim_git_rev(s, r, rev, sha, err);
	if (rc == 0 && state != NULL && !is_state(state))
		rc = err_set(err, ERR_USAGE, "deployment state %s: there are error, failure, inactive, in_progress, queued, pending and success", state);
	if (rc != 0)
		return rc;
	struct sim_deployment *d = newest(r, sha, environment);
	if (d == NULL || state == NULL) {
		r->deployments = xreallocarray(r->deployments, r->deployments_n + 1, sizeof(*r->deployments));
		d = &r->deployments[r->deployments_n++];
		*d = (struct sim_deployment){.id = sim_new_id(s), .at_ms = clock_wall_ms(), .ref = xstrdup(rev), .environment = xstrdup(environment),
					     .user = sim_user(s, user)};
		(void)snprintf(d->sha, sizeof(d->sha), "%s", sha);
	}
	if (state != NULL) {
		d->states = xreallocarray(d->states, d->states_n + 1, sizeof(*d->states));
		d->states[d->states_n++] =
			(struct sim_deploy_state){.id = sim_new_id(s), .at_ms = clock_wall_ms(), .state = xstrdup(state), .user = sim_user(s, user)};
	}
	sim_changed(s);
	return 0;
}

void sim_deploy_free(struct sim_repo *r)
{
	for (size_t i = 0; i < r->deployments_n; i++) {
		struct sim_deployment *d = &r->deployments[i];
		for (size_t k = 0; k < d->states_n; k++)
			free(d->states[k].state);
		free(d->states);
		free(d->ref);
		free(d->environment);
	}
	free(r->deployments);
}

/* ---- REST ---- */

static void shape(struct json_writer *w, const struct sim_req *q, const struct sim_deployment *d)
{
	CLEANUP_FREE char *url = xasprintf("%s/repos/%s/deployments/%lld", q->s->url, q->repo->full_name, (long long)d->id);
	jw_open(w, NULL);
	jw_str(w, "url", url);
	jw_int(w, "id", d->id);
	sim_shape_node_id(w, "DE", d->id);
	jw_str(w, "sha", d->sha);
	jw_str(w, "ref", d->ref);
	jw_str(w, "task", "deploy");
	jw_raw(w, "payload", "{}");
	jw_str(w, "original_environment", d->environment);
	jw_str(w, "environment", d->environment);
	jw_null(w, "description");
	sim_shape_user(w, "creator", q->s, d->user);
	sim_shape_time(w, "created_at", d->at_ms);
	sim_shape_time(w, "updated_at", d->at_ms);
	sim_shape_urlf(w, "statuses_url", "%s/statuses", url);
	sim_shape_urlf(w, "repository_url", "%s/repos/%s", q->s->url, q->repo->full_name);
	jw_bool(w, "transient_environment", false);
	jw_bool(w, "production_environment", strcmp(d->environment, "production") == 0);
	jw_close(w);
}

static bool says(const struct sim_req *q, const char *key, const char *value)
{
	const char *wanted = http_query(q->x, key);
	return wanted == NULL || strcmp(wanted, "none") == 0 || strcmp(wanted, value) == 0;
}

static bool is_wanted(const struct sim_req *q, const struct sim_deployment *d)
{
	return says(q, "sha", d->sha) && says(q, "environment", d->environment) && says(q, "ref", d->ref);
}

/* Newest first. */
void sim_get_deployments(struct sim_req *q)
{
	const struct sim_repo *r = q->repo;
	const struct sim_deployment **found = xcalloc(r->deployments_n + 1, sizeof(*found));
	size_t n = 0, from, to;
	for (size_t i = r->deployments_n; i-- > 0;)
		if (is_wanted(q, &r->deployments[i]))
			found[n++] = &r->deployments[i];
	sim_paginate(q, n, &from, &to);
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open_arr(&w, NULL);
	for (size_t i = from; i < to; i++)
		shape(&w, q, found[i]);
	jw_close_arr(&w);
	free(found);
	sim_answer_buf(q, 200, &b);
}

static void shape_state(struct json_writer *w, const struct sim_req *q, const struct sim_deployment *d, const struct sim_deploy_state *v)
{
	CLEANUP_FREE char *url = xasprintf("%s/repos/%s/deployments/%lld", q->s->url, q->repo->full_name, (long long)d->id);
	jw_open(w, NULL);
	sim_shape_urlf(w, "url", "%s/statuses/%lld", url, (long long)v->id);
	jw_int(w, "id", v->id);
	sim_shape_node_id(w, "DES", v->id);
	jw_str(w, "state", v->state);
	sim_shape_user(w, "creator", q->s, v->user);
	jw_str(w, "description", "");
	jw_str(w, "environment", d->environment);
	sim_shape_urlf(w, "target_url", "%s/%s/deployments", q->s->url, q->repo->full_name);
	sim_shape_time(w, "created_at", v->at_ms);
	sim_shape_time(w, "updated_at", v->at_ms);
	jw_str(w, "deployment_url", url);
	sim_shape_urlf(w, "repository_url", "%s/repos/%s", q->s->url, q->repo->full_name);
	jw_close(w);
}

void sim_get_deployment_statuses(struct sim_req *q)
{
	const struct sim_deployment *d = NULL;
	size_t from, to;
	for (size_t i = 0; i < q->repo->deployments_n; i++)
		if (q->repo->deployments[i].id == q->number)
			d = &q->repo->deployments[i];
	if (d == NULL) {
		sim_fail(q, 404, "Not Found");
		return;
	}
	sim_paginate(q, d->states_n, &from, &to);
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open_arr(&w, NULL);
	for (size_t i = from; i < to; i++)
		shape_state(&w, q, d, &d->states[d->states_n - 1 - i]);
	jw_close_arr(&w);
	sim_answer_buf(q, 200, &b);
}
