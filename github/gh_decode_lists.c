#include "github/gh_priv.h"

#include "base/limits.h"

/* Decoders of lists, page by page, and of what stands in them. */

#define EACH(rc, e, list) for (struct json e = (rc) == 0 ? json_first(list) : (struct json){0}; (rc) == 0 && json_ok(&e); e = json_next(&e))

/* --- commits of a pull request ----------------------------------------------------------------------------------------------------- */

void gh_commits_free(struct gh_commits *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].sha);
		gh_user_free(&c->v[i].author);
		gh_user_free(&c->v[i].committer);
	}
	free(c->v);
	*c = (struct gh_commits){0};
}

static int commit_at(const struct json *e, struct gh_commit *c, struct err *err)
{
	struct json git, verification, parents;
	size_t n = 0;
	int rc = gh_sha_from(e, "sha", &c->sha, err);
	if (rc == 0)
		rc = gh_user_from(e, "author", &c->author, err);
	if (rc == 0)
		rc = gh_user_from(e, "committer", &c->committer, err);
	if (rc == 0)
		rc = json_arr(e, "parents", &parents, &n, err);
	if (rc == 0)
		rc = json_obj(e, "commit", &git, err);
	if (rc == 0)
		rc = json_obj_opt(&git, "verification", &verification, err);
	if (rc == 0 && json_ok(&verification))
		rc = json_bool(&verification, "verified", &c->verified, err);
	c->parents = (int64_t)n;
	return rc;
}

int gh_decode_commits(const char *body, size_t len, struct gh_commits *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int rc = gh_parse_as(body, len, JSON_ARRAY, &doc, &root, err);
	EACH(rc, e, &root) {
		ret->v = xreallocarray(ret->v, ret->n + 1, sizeof(*ret->v));
		ret->v[ret->n] = (struct gh_commit){0};
		rc = commit_at(&e, &ret->v[ret->n++], err);
	}
	return rc;
}

/* --- open pull requests ------------------------------------------------------------------------------------------------------------ */

void gh_open_pulls_free(struct gh_open_pulls *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].head_sha);
		free(p->v[i].base_ref);
	}
	free(p->v);
	*p = (struct gh_open_pulls){0};
}

static int repo_id_of(const struct json *side, int64_t *ret_id, struct err *err)
{
	struct json repo;
	int rc = json_obj_opt(side, "repo", &repo, err);
	*ret_id = 0;
	return rc == 0 && json_ok(&repo) ? json_int(&repo, "id", 1, GH_ID_MAX, ret_id, err) : rc;
}

static int open_pull_at(const struct json *e, struct gh_open_pull *p, struct err *err)
{
	struct json head, base;
	int64_t head_id = 0, base_id = 0;
	int rc = json_int(e, "number", 1, INT32_MAX, &p->number, err);
	if (rc == 0)
		rc = json_bool_opt(e, "draft", false, &p->draft, err);
	if (rc == 0)
		rc = gh_time_opt_from(e, "updated_at", &p->updated_ms, err);
	if (rc == 0)
		rc = json_obj(e, "head", &head, err);
	if (rc == 0)
		rc = gh_sha_from(&head, "sha", &p->head_sha, err);
	if (rc == 0)
		rc = repo_id_of(&head, &head_id, err);
	if (rc == 0)
		rc = json_obj(e, "base", &base, err);
	if (rc == 0)
		rc = gh_copy_str(&base, "ref", GH_REF_MAX, &p->base_ref, err);
	if (rc == 0)
		rc = repo_id_of(&base, &base_id, err);
	p->fork = head_id == 0 || head_id != base_id;
	return rc;
}

int gh_decode_open_pulls(const char *body, size_t len, struct gh_open_pulls *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int rc = gh_parse_as(body, len, JSON_ARRAY, &doc, &root, err);
	EACH(rc, e, &root) {
		ret->v = xreallocarray(ret->v, ret->n + 1, sizeof(*ret->v));
		ret->v[ret->n] = (struct gh_open_pull){0};
		rc = open_pull_at(&e, &ret->v[ret->n++], err);
	}
	return rc;
}

/* --- deployments ------------------------------------------------------------------------------------------------------------------- */

void gh_deployments_free(struct gh_deployments *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->v[i].environment);
		free(d->v[i].state);
	}
	free(d->v);
	*d = (struct gh_deployments){0};
}

static int keep_newest(struct gh_deployments *d, const char *environment, int64_t id, struct err *err)
{
	for (size_t i = 0; i < d->n; i++) {
		if (strcmp(d->v[i].environment, environment) != 0)
			continue;
		d->v[i].id = id > d->v[i].id ? id : d->v[i].id;
		return 0;
	}
	if (d->n >= LIMIT_GITHUB_ENVIRONMENTS)
		return err_set(err, ERR_LIMIT, "deployed to more than %u environments", LIMIT_GITHUB_ENVIRONMENTS);
	d->v = xreallocarray(d->v, d->n + 1, sizeof(*d->v));
	d->v[d->n++] = (struct gh_deployment){.id = id, .environment = xstrdup(environment), .state = xstrdup("pending")};
	return 0;
}

int gh_decode_deployments(const char *body, size_t len, struct gh_deployments *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int rc = gh_parse_as(body, len, JSON_ARRAY, &doc, &root, err);
	EACH(rc, e, &root) {
		int64_t id = 0;
		const char *environment = NULL;
		rc = json_int(&e, "id", 1, GH_ID_MAX, &id, err);
		if (rc == 0)
			rc = json_str(&e, "environment", GH_NAME_MAX, &environment, err);
		if (rc == 0)
			rc = keep_newest(ret, environment, id, err);
	}
	return rc;
}

/* The newest comes first; GitHub says so of this list and of deployments alike, and the ids say so, too. */
int gh_decode_deployment_state(const char *body, size_t len, char **ret_state, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int64_t newest = 0;
	int rc = gh_parse_as(body, len, JSON_ARRAY, &doc, &root, err);
	EACH(rc, e, &root) {
		int64_t id = 0;
		const char *state = NULL;
		rc = json_int(&e, "id", 1, GH_ID_MAX, &id, err);
		if (rc == 0)
			rc = json_str(&e, "state", GH_NAME_MAX, &state, err);
		if (rc == 0 && id > newest) {
			newest = id;
			xstrset(ret_state, state);
		}
	}
	return rc;
}

/* --- the App's delivery log -------------------------------------------------------------------------------------------------------- */

void gh_delivery_free(struct gh_delivery *d)
{
	free(d->guid);
	free(d->event);
	free(d->action);
	free(d->status);
	free(d->payload);
	*d = (struct gh_delivery){0};
}

void gh_deliveries_free(struct gh_deliveries *d)
{
	for (size_t i = 0; i < d->n; i++)
		gh_delivery_free(&d->v[i]);
	free(d->v);
	*d = (struct gh_deliveries){0};
}

static int delivery_at(const struct json *e, struct gh_delivery *d, struct err *err)
{
	const char *action = NULL;
	int rc = json_int(e, "id", 1, GH_ID_MAX, &d->id, err);
	if (rc == 0)
		rc = gh_copy_str(e, "guid", GH_NAME_MAX, &d->guid, err);
	if (rc == 0)
		rc = gh_copy_str(e, "event", GH_NAME_MAX, &d->event, err);
	if (rc == 0)
		rc = json_str_opt(e, "action", GH_NAME_MAX, "", &action, err);
	if (rc == 0)
		rc = gh_copy_str(e, "status", GH_NAME_MAX, &d->status, err);
	if (rc == 0)
		rc = json_int_opt(e, "status_code", 0, INT32_MAX, 0, &d->status_code, err);
	if (rc == 0)
		rc = json_bool_opt(e, "redelivery", false, &d->redelivery, err);
	if (rc == 0)
		rc = json_int_opt(e, "repository_id", 0, GH_ID_MAX, 0, &d->repository_id, err);
	if (rc == 0)
		rc = json_int_opt(e, "installation_id", 0, GH_ID_MAX, 0, &d->installation_id, err);
	if (rc == 0)
		rc = gh_time_opt_from(e, "delivered_at", &d->delivered_ms, err);
	if (rc == 0 && d->delivered_ms == 0)
		rc = err_set(err, ERR_PARSE, "%s.delivered_at: missing", e->path);
	d->action = xstrdup(action);
	return rc;
}

int gh_decode_deliveries(const char *body, size_t len, struct gh_deliveries *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int rc = gh_parse_as(body, len, JSON_ARRAY, &doc, &root, err);
	EACH(rc, e, &root) {
		ret->v = xreallocarray(ret->v, ret->n + 1, sizeof(*ret->v));
		ret->v[ret->n] = (struct gh_delivery){0};
		rc = delivery_at(&e, &ret->v[ret->n++], err);
	}
	return rc;
}

int gh_decode_delivery(const char *body, size_t len, struct gh_delivery *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root, request, payload;
	int rc = gh_parse_as(body, len, JSON_OBJECT, &doc, &root, err);
	if (rc == 0)
		rc = delivery_at(&root, ret, err);
	if (rc == 0)
		rc = json_obj(&root, "request", &request, err);
	if (rc == 0)
		rc = json_obj(&request, "payload", &payload, err);
	if (rc != 0)
		return rc;
	CLEANUP_BUF struct buf text = {.max = LIMIT_WEBHOOK_BYTES};
	json_print(&payload, &text);
	if (buf_failed(&text))
		return err_set(err, ERR_LIMIT, "the payload of delivery %lld is larger than %u bytes", (long long)ret->id, LIMIT_WEBHOOK_BYTES);
	ret->payload_len = text.len;
	ret->payload = buf_take(&text);
	return 0;
}
