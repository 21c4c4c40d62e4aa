/* Routes of the REST interface, and what comes before each handler: token, repository, permission, faults, write limit, body. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/text.h"
#include "cmd/sim/sim_app.h"
#include "cmd/sim/sim_gate.h"
#include "cmd/sim/sim_moved.h"

/* In patterns: # a number, * one segment, ** anything, with what follows it as the end of the path. "R" stands for /repos/{owner}/{repo}. */
struct route {
	const char *method, *pattern, *class_name;
	sim_handler handler;
	const char *least; /* permission; NULL: any token */
	bool writes;       /* content, for GitHub's secondary limits */
};

static const struct route routes[] = {
	{"POST", "/graphql", "graphql", sim_post_graphql, NULL, false},
	{"GET", "/user", "user", sim_get_user, NULL, false},
	{"GET", "/orgs/*/teams/*/memberships/*", "team", sim_get_membership, NULL, false},
	{"GET", "/orgs/*/teams/*/repos/*/*", "team_repo", sim_get_team_repo, NULL, false},
	{"GET", "R", "repo", sim_get_repo, "read", false},
	{"GET", "R/pulls", "pulls", sim_get_pulls, "read", false},
	{"POST", "R/pulls", "pull_create", sim_post_pull, "read", true},
	{"GET", "R/pulls/#", "pull", sim_get_pull, "read", false},
	{"GET", "R/pulls/#/reviews", "reviews", sim_get_reviews, "read", false},
	{"POST", "R/pulls/#/reviews", "review_create", sim_post_review, "read", true},
	{"PUT", "R/pulls/#/merge", "merge", sim_put_merge, "write", true},
	{"GET", "R/issues/#/comments", "comments", sim_get_comments, "read", false},
	{"POST", "R/issues/#/comments", "comment_create", sim_post_comment, "read", true},
	{"PATCH", "R/issues/comments/#", "comment_edit", sim_patch_comment, "read", true},
	{"DELETE", "R/issues/comments/#", "comment_delete", sim_delete_comment, "read", true},
	{"GET", "R/collaborators/*/permission", "permission", sim_get_permission, "write", false},
	{"GET", "R/branches/**/protection", "protection", sim_get_protection, "admin", false},
	{"GET", "R/branches/**", "branch", sim_get_branch, "read", false},
	{"GET", "R/rules/branches/**", "rules", sim_get_rules, "read", false},
	{"GET", "R/commits/**/status", "status_list", sim_get_combined, "read", false},
	{"GET", "R/commits/**/check-runs", "check_runs", sim_get_check_runs, "read", false},
	{"POST", "R/check-runs", "check_create", sim_post_check, "write", true},
	{"PATCH", "R/check-runs/#", "check_edit", sim_patch_check, "write", true},
	{"GET", "R/check-runs/#", "check_runs", sim_get_check, "read", false},
	{"POST", "R/statuses/*", "status_create", sim_post_status, "write", true},
	{"GET", "R/pulls/#/commits", "pull_commits", sim_get_pull_commits, "read", false},
	{"GET", "R/commits/**/pulls", "commit_pulls", sim_get_commit_pulls, "read", false},
	{"GET", "R/issues/#/labels", "labels", sim_get_labels, "read", false},
	{"GET", "R/commits/**/statuses", "statuses", sim_get_statuses, "read", false},
	{"GET", "R/commits/**/check-suites", "check_suites", sim_get_check_suites, "read", false},
	{"GET", "R/contents", "contents", sim_get_contents, "read", false},
	{"GET", "R/contents/**", "contents", sim_get_contents, "read", false},
	{"GET", "R/codeowners/errors", "codeowners", sim_get_codeowners_errors, "read", false},
	{"GET", "R/deployments", "deployments", sim_get_deployments, "read", false},
	{"POST", "/app-manifests/*/conversions", "manifest", sim_post_conversion, SIM_BY_ANYBODY, false},
	{"GET", "/app", "app", sim_get_app, SIM_BY_JWT, false},
	{"GET", "/app/installations", "installations", sim_get_installs, SIM_BY_JWT, false},
	{"GET", "/app/installations/#", "installation", sim_get_install, SIM_BY_JWT, false},
	{"POST", "/app/installations/#/access_tokens", "token_create", sim_post_token, SIM_BY_JWT, false},
	{"DELETE", "/installation/token", "token_delete", sim_delete_token, SIM_BY_KEY, false},
	{"GET", "/installation/repositories", "installation_repos", sim_get_key_repos, SIM_BY_KEY, false},
	{"GET", "/app/hook/deliveries", "deliveries", sim_get_deliveries, SIM_BY_JWT, false},
	{"GET", "/app/hook/deliveries/#", "delivery", sim_get_delivery, SIM_BY_JWT, false},
	{"POST", "/app/hook/deliveries/#/attempts", "redelivery", sim_post_attempt, SIM_BY_JWT, false},
	{"GET", "/users/*", "users", sim_get_user_named, SIM_BY_ANYBODY, false},
	{"GET", "R/installation", "installation", sim_get_repo_install, SIM_BY_JWT, false},
	{"GET", "/orgs/*/installation", "installation", sim_get_account_install, SIM_BY_JWT, false},
	{"GET", "/users/*/installation", "installation", sim_get_account_install, SIM_BY_JWT, false},
	{"GET", "R/deployments/#/statuses", "deployments", sim_get_deployment_statuses, "read", false},
};

bool sim_rest_is(const char *path)
{
	static const char *const whole[] = {"/user", "/graphql", "/app"};
	static const char *const starts[] = {"/repos/", "/orgs/", "/app/", "/users/", "/installation/", "/repositories/", "/app-manifests/"};
	for (size_t i = 0; i < ARRAY_LEN(whole); i++)
		if (strcmp(path, whole[i]) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_LEN(starts); i++)
		if (text_starts(path, starts[i]))
			return true;
	return false;
}

/* ---- matching ---- */

static void forget_parts(struct sim_req *q)
{
	for (size_t i = 0; i < q->parts_n; i++)
		free(q->part[i]);
	q->parts_n = 0;
}

static bool take_number(const char **path, int64_t *ret)
{
	CLEANUP_FREE char *digits = xstrndup(*path, strspn(*path, "0123456789"));
	*path += strlen(digits);
	return text_int(digits, 1, INT64_MAX, ret, NULL) == 0;
}

static bool take_part(struct sim_req *q, const char **path, size_t len)
{
	ASSERT(q->parts_n < ARRAY_LEN(q->part));
	q->part[q->parts_n++] = xstrndup(*path, len);
	*path += len;
	return len > 0;
}

static bool match(struct sim_req *q, const char *pattern, const char *path)
{
	forget_parts(q);
	for (const char *p = pattern; *p != '\0';) {
		if (*p == '#') {
			if (!take_number(&path, &q->number))
				return false;
			p++;
		} else if (p[0] == '*' && p[1] == '*') {
			p += 2;
			if (!text_ends(path, p) || !take_part(q, &path, strlen(path) - strlen(p)))
				return false;
		} else if (*p == '*') {
			if (!take_part(q, &path, strcspn(path, "/")))
				return false;
			p++;
		} else if (*p++ != *path++) {
			return false;
		}
	}
	return *path == '\0';
}

/* Cuts "/repos/owner/name" off and looks the repository up; what remains is the path below it. */
static const char *below_repo(struct sim_req *q)
{
	if (text_starts(q->path, "/repositories/")) {
		const char *at = q->path + strlen("/repositories/");
		q->repo = take_number(&at, &q->number) ? sim_repo_of_id(q->s, q->number) : NULL;
		return at;
	}
	if (!text_starts(q->path, "/repos/"))
		return NULL;
	const char *name = q->path + strlen("/repos/");
	size_t owner_len = strcspn(name, "/");
	if (name[owner_len] != '/')
		return NULL;
	size_t len = owner_len + 1 + strcspn(name + owner_len + 1, "/");
	q->repo = sim_repo_find(q->s, name, len);
	if (q->repo == NULL)
		q->moved = sim_repo_formerly(q->s, name, len);
	return name + len;
}

static const struct route *find_route(struct sim_req *q)
{
	const char *below = below_repo(q);
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		const struct route *r = &routes[i];
		bool in_repo = r->pattern[0] == 'R';
		if (in_repo != (below != NULL) || strcmp(r->method, q->method) != 0)
			continue;
		if (match(q, in_repo ? r->pattern + 1 : r->pattern, in_repo ? below : q->path))
			return r;
	}
	return NULL;
}

/* ---- before the handler ---- */

bool sim_req_body(struct sim_req *q, struct err *err)
{
	size_t len;
	const char *bytes = http_body(q->x, &len);
	struct json root;
	if (json_parse(bytes, len, NULL, &q->doc, &root, err) != 0)
		return false;
	q->body = root;
	if (json_type(&root) == JSON_OBJECT)
		return true;
	(void)err_set(err, ERR_PARSE, "the body is not a JSON object");
	return false;
}

void sim_req_free(struct sim_req *q)
{
	forget_parts(q);
	json_doc_free(q->doc);
	free(q->link);
}

/* True when the fault was the whole answer. */
static bool spoil(struct sim_req *q)
{
	const struct sim_fault *f = q->fault;
	if (f == NULL || f->kind == SIM_F_DELAY || f->kind == SIM_F_LOST || f->kind == SIM_F_CUT || f->kind >= SIM_F_RATE_LIMITED)
		return false;
	if (f->kind == SIM_F_RESET) {
		sim_record_rest(q->s, q, 0, "", 0);
		http_drop(q->x);
	} else if (f->kind == SIM_F_LIMIT) {
		q->link = xasprintf(SIM_RETRY_AFTER "%lld", (long long)f->number);
		sim_fail(q, 403, "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.");
	} else {
		sim_fail(q, (int)f->number, f->number >= 500 ? "Server Error" : "Refused by a rule of the simulated GitHub");
	}
	return true;
}

static size_t writes_since(const struct sim_req *q, int64_t ms)
{
	size_t n = 0;
	int64_t from = clock_wall_ms() - ms;
	for (size_t i = q->s->writes_n; i-- > 0 && q->s->writes[i].at_ms > from;)
		n += q->s->writes[i].user == q->viewer;
	return n;
}

static bool over_write_limit(struct sim_req *q)
{
	if (!q->s->enforce_write_limit)
		return false;
	if (writes_since(q, 60 * 1000) < SIM_WRITES_MINUTE && writes_since(q, 3600 * 1000) < SIM_WRITES_HOUR)
		return false;
	q->link = xstrdup(SIM_RETRY_AFTER "60");
	sim_fail(q, 403, "You have exceeded a secondary rate limit and have been temporarily blocked from content creation.");
	return true;
}

static bool is_for_apps(const char *least)
{
	return least != NULL && (strcmp(least, SIM_BY_JWT) == 0 || strcmp(least, SIM_BY_KEY) == 0 || strcmp(least, SIM_BY_ANYBODY) == 0);
}

static bool not_archived(struct sim_req *q, const struct route *r)
{
	if (!r->writes || q->repo == NULL || !q->repo->archived)
		return true;
	sim_fail(q, 403, "Repository was archived so is read-only.");
	return false;
}

static bool admitted(struct sim_req *q, const struct route *r)
{
	const char *value = http_request_header(q->x, "Authorization");
	if (r != NULL && is_for_apps(r->least))
		return sim_app_lets_in(q, r->least);
	if (q->viewer == NULL) {
		sim_fail(q, 401, value != NULL ? "Bad credentials" : "Requires authentication");
		return false;
	}
	if (http_request_header(q->x, "User-Agent") == NULL) {
		sim_fail(q, 403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.");
		return false;
	}
	if (q->key != NULL)
		return sim_key_lets_in(q, r != NULL) && not_archived(q, r);
	if (r == NULL || (r->least != NULL && (q->repo == NULL || !sim_may(q->repo, q->viewer, "read")))) {
		sim_fail(q, 404, "Not Found");
		return false;
	}
	if (!not_archived(q, r))
		return false;
	if (r->least != NULL && !sim_may(q->repo, q->viewer, r->least)) {
		sim_fail(q, 403, q->viewer->bot ? "Resource not accessible by integration" : "Must have push access to repository.");
		return false;
	}
	return true;
}

static void count_write(struct sim_req *q)
{
	struct sim *s = q->s;
	s->writes = xreallocarray(s->writes, s->writes_n + 1, sizeof(*s->writes));
	s->writes[s->writes_n++] = (struct sim_write){.user = q->viewer, .class_name = q->class_name, .at_ms = clock_wall_ms()};
}

static void handle(struct sim_req *q, const struct route *r)
{
	struct err err = {0};
	if (!admitted(q, r))
		return;
	q->fault = sim_fault_next(q->s, q->class_name, NULL);
	if (spoil(q) || (r->writes && over_write_limit(q)))
		return;
	if (r->writes && strcmp(q->method, "DELETE") != 0 && !sim_req_body(q, &err)) {
		sim_fail(q, 400, "Problems parsing JSON");
		return;
	}
	if (text_starts(r->pattern, "R/pulls/#") || text_starts(r->pattern, "R/issues/#")) {
		q->pull = sim_pull_find(q->repo, q->number);
		if (q->pull == NULL || (q->pull->issue && text_starts(r->pattern, "R/pulls/"))) {
			sim_fail(q, 404, "Not Found");
			return;
		}
	}
	r->handler(q);
	if ((r->writes || q->wrote) && q->status < 300) {
		count_write(q);
		sim_changed(q->s);
	}
}

struct sim_req sim_req(struct sim *s, struct http_exchange *x, const char *class_name)
{
	struct sim_req q = {.s = s, .x = x, .class_name = class_name, .method = http_method(x), .path = http_path(x)};
	char random[17];
	crypto_random_hex(8, random);
	(void)snprintf(q.request_id, sizeof(q.request_id), "%s:%llu", random, (unsigned long long)s->requests);
	return q;
}

void sim_rest(struct sim *s, struct http_exchange *x)
{
	struct sim_req q = sim_req(s, x, "unknown");
	q.viewer = sim_viewer(s, x, &q.key);
	q.app_id = q.key != NULL && q.key->install != NULL ? q.key->install->app->id : 0;
	const struct route *r = find_route(&q);
	if (r != NULL)
		q.class_name = r->class_name;
	sim_count_request(s, q.class_name);
	const char *value = http_request_header(x, "Authorization"), *why;
	bool known = q.viewer != NULL || (value != NULL && text_starts(value, "Bearer ") && sim_app_of_jwt(s, value + 7, &why) != NULL);
	if (q.moved != NULL && known)
		sim_answer_moved(&q, below_repo(&q));
	else
		handle(&q, r);
	sim_req_free(&q);
}

/* ---- for several handlers ---- */

static size_t query_number(const struct sim_req *q, const char *key, int64_t max, int64_t dflt)
{
	int64_t n = dflt;
	const char *value = http_query(q->x, key);
	if (value != NULL && text_int(value, 1, INT32_MAX, &n, NULL) != 0)
		n = dflt;
	return (size_t)(n > max ? max : n);
}

static void add_link(struct buf *b, const struct sim_req *q, const char *rel, size_t page, size_t per_page)
{
	const char *state = http_query(q->x, "state");
	bool known = state != NULL && (strcmp(state, "all") == 0 || strcmp(state, "open") == 0 || strcmp(state, "closed") == 0);
	buf_printf(b, "%s<%s%s?%s%s%sper_page=%zu&page=%zu>; rel=\"%s\"", b->len > 0 ? ", " : "", q->s->url, q->path, known ? "state=" : "",
		   known ? state : "", known ? "&" : "", per_page, page, rel);
}

void sim_paginate(struct sim_req *q, size_t total, size_t *ret_from, size_t *ret_to)
{
	size_t per_page = query_number(q, "per_page", SIM_PER_PAGE_MAX, 30), page = query_number(q, "page", INT32_MAX, 1);
	size_t last = (total + per_page - 1) / per_page;
	struct buf b = {0};
	if (page > 1)
		add_link(&b, q, "prev", page - 1, per_page);
	if (page < last) {
		add_link(&b, q, "next", page + 1, per_page);
		add_link(&b, q, "last", last, per_page);
	}
	if (page > 1)
		add_link(&b, q, "first", 1, per_page);
	if (b.len > 0)
		q->link = buf_take(&b);
	buf_free(&b);
	*ret_from = (page - 1) * per_page < total ? (page - 1) * per_page : total;
	*ret_to = total - *ret_from > per_page ? *ret_from + per_page : total;
}

/* Most ask for a commit that is somebody's head: that needs no git. */
bool sim_known_commit(struct sim_req *q, const char *rev, char ret[SIM_SHA_SIZE])
{
	const struct sim_repo *r = q->repo;
	for (size_t i = 0; i < r->refs_n; i++)
		if (strcmp(r->refs[i].sha, rev) == 0) {
			(void)snprintf(ret, SIM_SHA_SIZE, "%s", rev);
			return true;
		}
	struct err err = {0};
	return sim_git_rev(q->s, r, rev, ret, &err) == 0;
}
