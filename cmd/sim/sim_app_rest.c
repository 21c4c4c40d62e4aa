/* What an App asks about itself, and the minting of installation tokens. */
#include "base/clock.h"
#include "base/text.h"
#include "cmd/sim/sim_app.h"

void sim_get_app(struct sim_req *q)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	sim_shape_app(&w, NULL, q->s, q->app);
	sim_answer_buf(q, 200, &b);
}

void sim_get_installs(struct sim_req *q)
{
	const struct sim_apps *a = q->s->apps;
	const struct sim_install **mine = xcalloc(a->installs_n + 1, sizeof(*mine));
	size_t n = 0, from, to;
	for (size_t i = 0; i < a->installs_n; i++)
		if (a->installs[i]->app == q->app)
			mine[n++] = a->installs[i];
	sim_paginate(q, n, &from, &to);
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open_arr(&w, NULL);
	for (size_t i = from; i < to; i++)
		sim_shape_install(&w, NULL, q->s, mine[i]);
	jw_close_arr(&w);
	free(mine);
	sim_answer_buf(q, 200, &b);
}

static void answer_install(struct sim_req *q, const struct sim_install *i)
{
	if (i == NULL) {
		sim_fail(q, 404, "Not Found");
		return;
	}
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	sim_shape_install(&w, NULL, q->s, i);
	sim_answer_buf(q, 200, &b);
}

static struct sim_install *by_number(const struct sim_req *q)
{
	const struct sim_apps *a = q->s->apps;
	for (size_t i = 0; i < a->installs_n; i++)
		if (a->installs[i]->app == q->app && a->installs[i]->id == q->number)
			return a->installs[i];
	return NULL;
}

void sim_get_install(struct sim_req *q) { answer_install(q, by_number(q)); }

void sim_get_repo_install(struct sim_req *q) { answer_install(q, q->repo != NULL ? sim_app_covers(q->s, q->app, q->repo) : NULL); }

void sim_get_account_install(struct sim_req *q) { answer_install(q, sim_install_of(q->s, q->app, q->part[0])); }

/* ---- minting ---- */

static int wanted_repo(struct sim_req *q, const struct sim_install *i, const struct sim_repo *r, struct sim_ids *ids, struct err *err)
{
	(void)q;
	if (r == NULL || !sim_install_covers(i, r))
		return err_set(err, ERR_REFUSED, "There is at least one repository that does not exist or is not accessible to the parent installation.");
	sim_ids_add(ids, r->id);
	return ids->n <= SIM_APP_REPOS_MAX ? 0 : err_set(err, ERR_REFUSED, "There are more than 500 repositories.");
}

static struct sim_repo *repo_of_id(const struct sim *s, int64_t id)
{
	for (size_t i = 0; i < s->repos_n; i++)
		if (s->repos[i]->id == id)
			return s->repos[i];
	return NULL;
}

static int wanted_repos(struct sim_req *q, const struct sim_install *i, struct sim_ids *ids, struct err *err)
{
	struct json names, numbers;
	size_t n = 0, m = 0;
	int rc = json_arr_opt(&q->body, "repositories", &names, &n, err);
	if (rc == 0)
		rc = json_arr_opt(&q->body, "repository_ids", &numbers, &m, err);
	if (rc == 0 && n + m == 0) {
		ids->all = i->repos.all;
		for (size_t k = 0; k < i->repos.n; k++)
			sim_ids_add(ids, i->repos.v[k]);
		return 0;
	}
	for (struct json e = n > 0 ? json_first(&names) : (struct json){0}; rc == 0 && json_ok(&e); e = json_next(&e)) {
		const char *name;
		rc = json_as_str(&e, 100, &name, err);
		if (rc == 0) {
			CLEANUP_FREE char *full = xasprintf("%s/%s", i->account, name);
			rc = wanted_repo(q, i, sim_repo_find(q->s, full, strlen(full)), ids, err);
		}
	}
	for (struct json e = m > 0 ? json_first(&numbers) : (struct json){0}; rc == 0 && json_ok(&e); e = json_next(&e)) {
		int64_t id;
		rc = json_as_int(&e, 1, INT64_MAX, &id, err);
		if (rc == 0)
			rc = wanted_repo(q, i, repo_of_id(q->s, id), ids, err);
	}
	return rc;
}

static int wanted_perms(struct sim_req *q, const struct sim_install *i, struct sim_perms *p, struct err *err)
{
	struct json o;
	int rc = json_obj_opt(&q->body, "permissions", &o, err);
	*p = i->perms;
	if (rc == 0 && json_ok(&o))
		rc = sim_perms_read(&o, p, err);
	if (rc == 0 && !sim_perms_within(p, &i->perms))
		rc = err_set(err, ERR_REFUSED, "The permissions requested are not granted to this installation.");
	return rc;
}

static void shape_repos(struct json_writer *w, const struct sim_req *q, const struct sim_key *k)
{
	jw_open_arr(w, "repositories");
	for (size_t i = 0; i < q->s->repos_n; i++)
		if (sim_ids_has(&k->repos, q->s->repos[i]->id) && sim_install_covers(k->install, q->s->repos[i]))
			sim_shape_repo(w, NULL, q->s, q->s->repos[i], k->bot);
	jw_close_arr(w);
}

static void answer_token(struct sim_req *q, const struct sim_key *k)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "token", k->token);
	sim_shape_time(&w, "expires_at", k->expires_ms);
	sim_shape_perms(&w, "permissions", &k->perms);
	jw_str(&w, "repository_selection", k->repos.all ? "all" : "selected");
	if (!k->repos.all)
		shape_repos(&w, q, k);
	jw_close(&w);
	sim_answer_buf(q, 201, &b);
}

void sim_post_token(struct sim_req *q)
{
	struct sim_install *i = by_number(q);
	struct sim_perms perms;
	struct sim_ids ids = {0};
	struct err err = {0};
	size_t len;
	(void)http_body(q->x, &len);
	if (i == NULL) {
		sim_fail(q, 404, "Not Found");
	} else if (i->suspended_ms != 0) {
		sim_fail(q, 403, "This installation has been suspended");
	} else if (len > 0 && !sim_req_body(q, &err)) {
		sim_fail(q, 400, "Problems parsing JSON");
	} else if (wanted_repos(q, i, &ids, &err) != 0 || wanted_perms(q, i, &perms, &err) != 0) {
		sim_fail(q, 422, err.msg);
	} else {
		answer_token(q, sim_key_new(q->s, i, &perms, &ids));
	}
	free(ids.v);
}

void sim_delete_token(struct sim_req *q)
{
	q->key->revoked = true;
	sim_answer(q, 204, "");
}

void sim_get_key_repos(struct sim_req *q)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	int64_t n = 0;
	if (q->key->install == NULL || q->key->install->suspended_ms != 0) {
		sim_fail(q, 403, "This installation has been suspended");
		return;
	}
	for (size_t i = 0; i < q->s->repos_n; i++)
		n += sim_ids_has(&q->key->repos, q->s->repos[i]->id) && sim_install_covers(q->key->install, q->s->repos[i]);
	jw_open(&w, NULL);
	jw_int(&w, "total_count", n);
	jw_str(&w, "repository_selection", q->key->repos.all ? "all" : "selected");
	shape_repos(&w, q, q->key);
	jw_close(&w);
	sim_answer_buf(q, 200, &b);
}
