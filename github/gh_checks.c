#include "github/gh_priv.h"

#include "base/limits.h"
#include "base/text.h"

#include <stdio.h>

/* The checks of a commit, read and written. */

enum { NAMES_MAX = 20 }; /* contexts named in an answer; the rest is counted */

void gh_checks_free(struct gh_checks *c)
{
	strlist_free(&c->failing);
	strlist_free(&c->pending);
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].name);
		free(c->v[i].state);
	}
	free(c->v);
	*c = (struct gh_checks){0};
}

/* What the list and the two lists of names say is the same: an unknown word is not success. */
static void add_row(struct gh_checks *c, const char *name, const char *state, struct gh_check_row row)
{
	bool fine = strcmp(state, "success") == 0 || (row.run && (strcmp(state, "neutral") == 0 || strcmp(state, "skipped") == 0));
	row.name = xstrdup(name);
	row.state = xstrdup(state);
	c->v = xreallocarray(c->v, c->n + 1, sizeof(*c->v));
	c->v[c->n++] = row;
	if (!fine)
		strlist_add(strcmp(state, "pending") == 0 ? &c->pending : &c->failing, name);
}

/* The id of a member object; 0 when it is null or missing. */
static int member_id(const struct json *e, const char *key, int64_t *ret_id, struct err *err)
{
	struct json o;
	int rc = json_obj_opt(e, key, &o, err);
	*ret_id = 0;
	return rc == 0 && json_ok(&o) ? json_int(&o, "id", 1, GH_ID_MAX, ret_id, err) : rc;
}

/* Our own: the prefix itself, or followed by something that is not part of a word ("sluice/network", not "sluicegate"). */
static bool is_own(const char *context, const char *prefix)
{
	if (prefix == NULL || prefix[0] == '\0' || !text_starts(context, prefix))
		return false;
	char next = context[strlen(prefix)];
	return !((next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z') || (next >= '0' && next <= '9') || next == '_' || next == '-');
}

static int list_in(const char *body, size_t len, const char *key, struct json_doc **doc, struct json *ret, struct err *err)
{
	struct json root;
	size_t n;
	int rc = json_parse(body, len, NULL, doc, &root, err);
	return rc != 0 ? rc : json_arr(&root, key, ret, &n, err);
}

/* A commit's whole history of statuses is newest first: of each context the first one stands. Contexts are compared without case. */
static bool has_status(const struct gh_checks *c, const char *context)
{
	for (size_t i = 0; i < c->n; i++)
		if (!c->v[i].run && text_same_case(c->v[i].name, context))
			return true;
	return false;
}

static int status_list(const char *body, size_t len, struct json_doc **doc, struct json *ret, struct err *err)
{
	struct json root;
	size_t n;
	int rc = json_parse(body, len, NULL, doc, &root, err);
	if (rc == 0 && json_type(&root) == JSON_ARRAY) {
		*ret = root;
		return 0;
	}
	return rc != 0 ? rc : json_arr(&root, "statuses", ret, &n, err);
}

int gh_decode_statuses(const char *body, size_t len, const char *own_prefix, struct gh_checks *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json list;
	int rc = status_list(body, len, &doc, &list, err);
	for (struct json e = rc == 0 ? json_first(&list) : (struct json){0}; rc == 0 && json_ok(&e); e = json_next(&e)) {
		const char *context = NULL, *state = NULL;
		int64_t creator = 0;
		rc = json_str(&e, "context", GH_NAME_MAX, &context, err);
		if (rc == 0)
			rc = json_str(&e, "state", GH_NAME_MAX, &state, err);
		if (rc == 0)
			rc = member_id(&e, "creator", &creator, err); /* not every shape of a status has it */
		if (rc == 0 && !is_own(context, own_prefix) && !has_status(ret, context))
			add_row(ret, context, state, (struct gh_check_row){.creator_id = creator});
	}
	return rc;
}

int gh_decode_check_runs(const char *body, size_t len, const char *own_prefix, struct gh_checks *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json list;
	int rc = list_in(body, len, "check_runs", &doc, &list, err);
	for (struct json e = rc == 0 ? json_first(&list) : (struct json){0}; rc == 0 && json_ok(&e); e = json_next(&e)) {
		const char *name = NULL, *status = NULL, *conclusion = NULL;
		int64_t app = 0;
		rc = json_str(&e, "name", GH_NAME_MAX, &name, err);
		if (rc == 0)
			rc = json_str(&e, "status", GH_NAME_MAX, &status, err);
		if (rc == 0)
			rc = json_str_opt(&e, "conclusion", GH_NAME_MAX, "", &conclusion, err);
		if (rc == 0)
			rc = member_id(&e, "app", &app, err);
		if (rc != 0 || is_own(name, own_prefix))
			continue;
		/* GitHub adds words: whatever is not completed is not finished. */
		const char *state = strcmp(status, "completed") == 0 ? conclusion : "pending";
		add_row(ret, name, state, (struct gh_check_row){.run = true, .app_id = app});
	}
	return rc;
}

int gh_decode_find_check(const char *body, size_t len, int64_t app_id, const char *name, const char *external_id, int64_t *ret_id,
			 int64_t *ret_annotations, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json list;
	int rc = list_in(body, len, "check_runs", &doc, &list, err);
	for (struct json e = rc == 0 ? json_first(&list) : (struct json){0}; rc == 0 && json_ok(&e); e = json_next(&e)) {
		const char *its_name = NULL, *its_external = NULL;
		int64_t id = 0, app = 0, annotations = 0;
		struct json output;
		rc = json_int(&e, "id", 1, GH_ID_MAX, &id, err);
		if (rc == 0)
			rc = json_str(&e, "name", GH_NAME_MAX, &its_name, err);
		if (rc == 0)
			rc = json_str_opt(&e, "external_id", GH_REF_MAX, "", &its_external, err);
		if (rc == 0)
			rc = member_id(&e, "app", &app, err);
		if (rc == 0)
			rc = json_obj_opt(&e, "output", &output, err);
		if (rc == 0 && json_ok(&output))
			rc = json_int_opt(&output, "annotations_count", 0, GH_ID_MAX, 0, &annotations, err);
		/* Every App can write our words: only what our own App wrote counts. */
		if (rc == 0 && (app_id == 0 || app == app_id) && strcmp(its_name, name) == 0 && strcmp(its_external, external_id) == 0 && id > *ret_id) {
			*ret_id = id;
			*ret_annotations = annotations;
		}
	}
	return rc;
}

static char *join_names(const struct strlist *l)
{
	CLEANUP_BUF struct buf out = {0};
	for (size_t i = 0; i < l->n && i < NAMES_MAX; i++)
		buf_printf(&out, "%s%s", i > 0 ? ", " : "", l->v[i]);
	if (l->n > NAMES_MAX)
		buf_printf(&out, " and %zu more", l->n - NAMES_MAX);
	return buf_take(&out);
}

static void got_check_runs(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	if (gh_decode_check_runs(res->body, res->body_len, f->text, &f->checks, &err) != 0) {
		gh_flow_fail(f, &err);
		return;
	}
	if (gh_flow_next_page(f, res))
		return;
	f->a.yes = f->checks.failing.n > 0 ? 0 : f->checks.pending.n > 0 ? -1 : 1;
	f->owned = join_names(f->a.yes == 0 ? &f->checks.failing : &f->checks.pending);
	f->a.names = f->owned;
	f->a.checks = f->checks.v;
	f->a.checks_n = f->checks.n;
	gh_flow_done(f);
}

static void got_statuses(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	if (gh_decode_statuses(res->body, res->body_len, f->text, &f->checks, &err) != 0) {
		gh_flow_fail(f, &err);
		return;
	}
	if (!gh_flow_next_page(f, res))
		gh_flow_send(f, "GET", got_check_runs, "/repos/%r/commits/%s/check-runs?per_page=100&filter=latest", f->repo, f->sha);
}

void gh_get_checks(struct gh *g, const char *repo, const char *sha, const char *own_prefix, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_READ, repo, cb, arg);
	f->repo = xstrdup(repo);
	f->sha = xstrdup(sha);
	f->text = xstrdup(own_prefix);
	if (own_prefix == NULL || own_prefix[0] == '\0') /* only the longer list tells who posted a status */
		gh_flow_send(f, "GET", got_statuses, "/repos/%r/commits/%s/statuses?per_page=100", repo, sha);
	else
		gh_flow_send(f, "GET", got_statuses, "/repos/%r/commits/%s/status?per_page=100", repo, sha);
}

/* --- writing: only an App may ---------------------------------------------------------------------------------------------------------- */

static void put(struct json_writer *w, const char *key, const char *value)
{
	if (value != NULL)
		jw_str(w, key, value);
}

/* False: annotations or actions are no list, or one that GitHub would refuse whole. */
static bool is_list(const char *json, size_t most)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	if (json == NULL)
		return true;
	return json_parse(json, strlen(json), NULL, &doc, &root, NULL) == 0 && json_type(&root) == JSON_ARRAY && json_count(&root) <= most;
}

static void check_body(struct buf *out, const struct gh_check *c)
{
	struct json_writer w = json_writer(out);
	jw_open(&w, NULL);
	put(&w, "name", c->name);
	put(&w, "head_sha", c->head_sha);
	put(&w, "external_id", c->external_id);
	put(&w, "details_url", c->details_url);
	put(&w, "status", c->status);
	put(&w, "conclusion", c->conclusion);
	if (c->title != NULL) { /* GitHub wants both or neither */
		jw_open(&w, "output");
		jw_str(&w, "title", c->title);
		jw_str(&w, "summary", c->summary != NULL ? c->summary : "");
		put(&w, "text", c->text);
		if (c->annotations != NULL)
			jw_raw(&w, "annotations", c->annotations);
		jw_close(&w);
	}
	if (c->actions != NULL)
		jw_raw(&w, "actions", c->actions);
	jw_close(&w);
}

static void got_check(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int rc = gh_parse_as(res->body, res->body_len, JSON_OBJECT, &doc, &root, &err);
	if (rc == 0)
		rc = json_int(&root, "id", 1, GH_ID_MAX, &f->a.id, &err);
	gh_flow_end(f, rc, &err);
}

static struct gh_flow *check_flow(struct gh *g, const char *repo, const struct gh_check *c, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_SAY, repo, cb, arg);
	f->method = "POST";
	if (!gh_is_app(g)) {
		gh_flow_refuse(f, ERR_REFUSED, "only a GitHub App may write check runs; an account writes statuses");
		return NULL;
	}
	if (!is_list(c->annotations, LIMIT_CHECK_ANNOTATIONS) || !is_list(c->actions, LIMIT_CHECK_ACTIONS)) {
		gh_flow_refuse(f, ERR_LIMIT, "more annotations or buttons than GitHub takes at once");
		return NULL;
	}
	check_body(&f->body, c);
	return f;
}

void gh_post_check(struct gh *g, const char *repo, const struct gh_check *c, gh_cb cb, void *arg)
{
	struct gh_flow *f = check_flow(g, repo, c, cb, arg);
	if (f != NULL)
		gh_flow_send(f, "POST", got_check, "/repos/%r/check-runs", repo);
}

void gh_edit_check(struct gh *g, const char *repo, int64_t id, const struct gh_check *c, gh_cb cb, void *arg)
{
	struct gh_check changes = *c;
	changes.head_sha = NULL; /* a check run stays with its commit */
	struct gh_flow *f = check_flow(g, repo, &changes, cb, arg);
	if (f != NULL)
		gh_flow_send(f, "PATCH", got_check, "/repos/%r/check-runs/%i", repo, id);
}

static void got_found_check(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	int64_t app = gh_auth_app_number(f->gh->auth);
	int rc = gh_decode_find_check(res->body, res->body_len, app, f->text, f->more, &f->a.id, &f->a.annotations, &err);
	if (rc == 0 && gh_flow_next_page(f, res))
		return;
	gh_flow_end(f, rc, &err);
}

void gh_find_check(struct gh *g, const char *repo, const char *sha, const char *name, const char *external_id, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_SAY, repo, cb, arg);
	f->text = xstrdup(name);
	f->more = xstrdup(external_id);
	gh_flow_send(f, "GET", got_found_check, "/repos/%r/commits/%s/check-runs?check_name=%s&filter=all&per_page=100", repo, sha, name);
}
