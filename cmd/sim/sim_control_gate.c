/* POST /_sim/... for what the gate reads and for the odd events. Members are read here as they are needed; what is missing has a default, and
 * what has the wrong type is told by name. */
#include "base/text.h"
#include "cmd/sim/sim_gate.h"

enum { TEXT_MAX = 1024 * 1024, FILES_MAX = 10000, CHECKS_MAX = 200 };

/* ---- members ---- */

static int str(const struct sim_req *q, const char *key, const char *dflt, const char **ret, struct err *err)
{
	return json_str_opt(&q->body, key, TEXT_MAX, dflt, ret, err);
}

static int need(const struct sim_req *q, const char *key, const char **ret, struct err *err)
{
	int rc = str(q, key, NULL, ret, err);
	if (rc == 0 && *ret == NULL)
		return err_set(err, ERR_USAGE, "\"%s\" is missing", key);
	return rc;
}

/* What nearly every path has. */
struct who {
	const char *repo, *user;
	int64_t pr;
};

static int who(const struct sim_req *q, bool pull, struct who *ret, struct err *err)
{
	int rc = need(q, "repo", &ret->repo, err);
	if (rc == 0)
		rc = str(q, "user", "octocat", &ret->user, err);
	return rc == 0 && pull ? json_int(&q->body, "pr", 1, INT32_MAX, &ret->pr, err) : rc;
}

/* Lists are told as lists of strings, or as one string with commas. The caller frees. */
static int words(const struct sim_req *q, const char *key, char **ret, struct err *err)
{
	struct json m = json_member(&q->body, key);
	struct buf b CLEANUP_BUF = {0};
	const char *word;
	int rc = 0;
	*ret = NULL;
	if (json_type(&m) != JSON_ARRAY) {
		rc = str(q, key, NULL, &word, err);
		*ret = rc == 0 ? xstrdup(word) : NULL;
		return rc;
	}
	for (struct json e = json_first(&m); rc == 0 && json_ok(&e); e = json_next(&e)) {
		rc = json_as_str(&e, TEXT_MAX, &word, err);
		if (rc == 0)
			buf_printf(&b, "%s%s", b.len > 0 ? "," : "", word);
	}
	*ret = rc == 0 ? xstrdup(buf_str(&b)) : NULL;
	return rc;
}

/* ---- rules ---- */

/* "checks": ["ci", {"context": "lint", "integration_id": 15368}] */
static int read_checks(const struct sim_req *q, struct sim_required *v, size_t *ret_n, struct err *err)
{
	struct json list;
	size_t n = 0;
	int rc = json_arr_opt(&q->body, "checks", &list, &n, err);
	*ret_n = 0;
	if (rc == 0 && n > CHECKS_MAX)
		return err_set(err, ERR_LIMIT, "checks: more than %d", CHECKS_MAX);
	for (struct json e = json_first(&list); rc == 0 && json_ok(&e); e = json_next(&e)) {
		struct sim_required *c = &v[(*ret_n)++];
		*c = (struct sim_required){0};
		if (json_type(&e) == JSON_STRING) {
			c->context = json_text(&e);
			continue;
		}
		rc = json_str(&e, "context", 200, &c->context, err);
		if (rc == 0)
			rc = json_int_opt(&e, "integration_id", 0, INT64_MAX / 4096, 0, &c->app_id, err);
	}
	return rc;
}

static int read_flags(const struct sim_req *q, struct sim_rules *n, struct err *err)
{
	const struct {
		const char *key;
		bool *to;
	} flags[] = {{"dismiss_stale", &n->dismiss_stale}, {"code_owners", &n->code_owners}, {"last_push", &n->last_push}, {"also", &n->also},
		     {"conversations", &n->conversations}, {"strict", &n->strict}, {"signatures", &n->signatures}, {"admins", &n->admins}};
	int64_t reviews = 0;
	int rc = json_int_opt(&q->body, "reviews", 0, 10, 0, &reviews, err);
	n->reviews = (int)reviews;
	if (rc == 0)
		rc = json_int_opt(&q->body, "queue_minutes", 0, 360, 0, &n->queue_minutes, err);
	if (rc == 0)
		rc = json_int_opt(&q->body, "queue_wait_ms", 0, INT32_MAX, 0, &n->queue_wait_ms, err);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(flags); i++)
		rc = json_bool_opt(&q->body, flags[i].key, false, flags[i].to, err);
	return rc;
}

static int do_protect(struct sim_req *q, struct json_writer *w, struct err *err)
{
	struct who o = {0};
	struct sim_rules n = {0};
	struct sim_required checks[CHECKS_MAX];
	const char *branch, *how;
	CLEANUP_FREE char *methods = NULL, *deployments = NULL;
	int rc = who(q, false, &o, err);
	(void)w;
	if (rc == 0)
		rc = need(q, "branch", &branch, err);
	if (rc == 0)
		rc = str(q, "protect", "none", &how, err);
	if (rc == 0)
		rc = read_flags(q, &n, err);
	if (rc == 0)
		rc = str(q, "queue", NULL, &n.queue, err);
	if (rc == 0)
		rc = words(q, "methods", &methods, err);
	if (rc == 0)
		rc = words(q, "deployments", &deployments, err);
	if (rc == 0)
		rc = read_checks(q, checks, &n.checks_n, err);
	if (rc != 0)
		return rc;
	n.how = strcmp(how, "none") == 0 ? SIM_OPEN : strcmp(how, "ruleset") == 0 ? SIM_RULESET : SIM_CLASSIC;
	n.checks = checks;
	n.methods = methods;
	n.deployments = deployments;
	return sim_protect_with(q->s, o.repo, branch, &n, o.user, err);
}

static int do_settings(struct sim_req *q, struct json_writer *w, struct err *err)
{
	struct who o = {0};
	struct sim_repo *r = NULL;
	bool archived = false;
	int rc = who(q, false, &o, err);
	(void)w;
	if (rc == 0)
		rc = sim_repo_get(q->s, o.repo, &r, err);
	if (rc == 0)
		rc = json_bool_opt(&q->body, "merge", r->allow_merge, &r->allow_merge, err);
	if (rc == 0)
		rc = json_bool_opt(&q->body, "squash", r->allow_squash, &r->allow_squash, err);
	if (rc == 0)
		rc = json_bool_opt(&q->body, "rebase", r->allow_rebase, &r->allow_rebase, err);
	if (rc == 0)
		rc = json_bool_opt(&q->body, "archived", r->archived, &archived, err);
	return rc == 0 ? sim_archive(q->s, o.repo, o.user, archived, err) : rc;
}

/* ---- commits and merges ---- */

/* "files": {"path": "content", "gone": null}, or "path" and "content" of one file */
static int read_files(const struct sim_req *q, struct sim_file **ret, size_t *ret_n, struct err *err)
{
	struct json files;
	struct sim_file one = {0};
	int rc = str(q, "path", NULL, &one.path, err);
	if (rc == 0)
		rc = str(q, "content", NULL, &one.content, err);
	if (rc == 0)
		rc = json_obj_opt(&q->body, "files", &files, err);
	if (rc == 0 && one.path == NULL && !json_ok(&files))
		rc = err_set(err, ERR_USAGE, "\"files\" is missing");
	if (rc == 0 && json_count(&files) > FILES_MAX)
		rc = err_set(err, ERR_LIMIT, "files: more than %d", FILES_MAX);
	if (rc != 0)
		return rc;
	*ret = xcalloc(json_count(&files) + 1, sizeof(**ret));
	if (one.path != NULL)
		(*ret)[(*ret_n)++] = one;
	for (struct json e = json_first(&files); one.path == NULL && json_ok(&e); e = json_next(&e)) {
		if (json_type(&e) != JSON_STRING && json_type(&e) != JSON_NULL)
			return err_set(err, ERR_PARSE, "files: give each path a string, or null to delete it");
		(*ret)[(*ret_n)++] = (struct sim_file){.path = json_key(&e), .content = json_text(&e)};
	}
	return 0;
}

static int do_commit(struct sim_req *q, struct json_writer *w, struct err *err)
{
	struct who o = {0};
	struct sim_commit_new n = {0};
	struct sim_file *files = NULL;
	CLEANUP_FREE char *co_authors = NULL;
	char sha[SIM_SHA_SIZE];
	int rc = who(q, false, &o, err);
	if (rc == 0)
		rc = need(q, "branch", &n.branch, err);
	if (rc == 0)
		rc = str(q, "message", "Change files", &n.message, err);
	if (rc == 0)
		rc = str(q, "author", NULL, &n.author, err);
	if (rc == 0)
		rc = str(q, "committer", NULL, &n.committer, err);
	if (rc == 0)
		rc = str(q, "from", NULL, &n.from, err);
	if (rc == 0)
		rc = words(q, "co_authors", &co_authors, err);
	if (rc == 0)
		rc = json_bool_opt(&q->body, "force", false, &n.force, err);
	if (rc == 0)
		rc = json_bool_opt(&q->body, "verified", false, &n.verified, err);
	if (rc == 0)
		rc = read_files(q, &files, &n.files_n, err);
	n.repo = o.repo;
	n.user = o.user;
	n.files = files;
	n.co_authors = co_authors;
	if (rc == 0)
		rc = sim_commit_with(q->s, &n, sha, err);
	if (rc == 0)
		jw_str(w, "sha", sha);
	free(files);
	return rc;
}

static int do_merge(struct sim_req *q, struct json_writer *w, struct err *err)
{
	struct who o = {0};
	struct sim_pr_view v;
	const char *method;
	bool past = false;
	int rc = who(q, true, &o, err);
	if (rc == 0)
		rc = str(q, "method", NULL, &method, err);
	if (rc == 0)
		rc = json_bool_opt(&q->body, "bypass", false, &past, err);
	if (rc == 0)
		rc = past ? sim_merge_past(q->s, o.repo, o.pr, o.user, method, err) : sim_merge(q->s, o.repo, o.pr, o.user, method, err);
	if (rc == 0 && sim_pr_view(q->s, o.repo, o.pr, &v))
		jw_str(w, "sha", v.merge_commit_sha);
	return rc;
}

static int do_queue(struct sim_req *q, struct json_writer *w, struct err *err)
{
	struct who o = {0};
	struct sim_repo *r;
	struct sim_pull *p;
	const char *act, *reason;
	int rc = who(q, true, &o, err);
	(void)w;
	if (rc == 0)
		rc = str(q, "act", "enqueue", &act, err);
	if (rc == 0)
		rc = str(q, "reason", "MANUAL", &reason, err);
	if (rc != 0)
		return rc;
	if (strcmp(act, "dequeue") == 0)
		return sim_queue_leave(q->s, o.repo, o.pr, reason, err);
	if (strcmp(act, "enqueue") != 0)
		return err_set(err, ERR_USAGE, "act %s: there are enqueue and dequeue", act);
	rc = sim_pull_get(q->s, o.repo, o.pr, &r, &p, err);
	return rc == 0 ? sim_queue_enter(q->s, r, p, sim_user(q->s, o.user), NULL, err) : rc;
}

/* ---- facts of a pull request ---- */

static int do_check(struct sim_req *q, struct json_writer *w, struct err *err)
{
	struct who o = {0};
	const char *sha, *name, *conclusion;
	int64_t app_id = 0;
	int rc = who(q, false, &o, err);
	(void)w;
	if (rc == 0)
		rc = need(q, "sha", &sha, err);
	if (rc == 0)
		rc = need(q, "name", &name, err);
	if (rc == 0)
		rc = str(q, "conclusion", NULL, &conclusion, err);
	if (rc == 0)
		rc = json_int_opt(&q->body, "app_id", 1, INT64_MAX / 4096, SIM_APP_ACTIONS, &app_id, err);
	return rc == 0 ? sim_check_by(q->s, o.repo, sha, name, conclusion, app_id, err) : rc;
}

static int do_status(struct sim_req *q, struct json_writer *w, struct err *err)
{
	struct who o = {0};
	struct sim_repo *r = NULL;
	const char *sha, *context, *state;
	char full[SIM_SHA_SIZE];
	int rc = who(q, false, &o, err);
	(void)w;
	if (rc == 0)
		rc = need(q, "sha", &sha, err);
	if (rc == 0)
		rc = need(q, "context", &context, err);
	if (rc == 0)
		rc = str(q, "state", "success", &state, err);
	if (rc == 0)
		rc = sim_repo_get(q->s, o.repo, &r, err);
	if (rc == 0)
		rc = sim_git_rev(q->s, r, sha, full, err);
	if (rc == 0)
		(void)sim_status_add(q->s, r, full, sim_user(q->s, o.user), context, state, NULL, NULL);
	return rc;
}

static int do_label(struct sim_req *q, struct json_writer *w, struct err *err)
{
	struct who o = {0};
	const char *add, *remove;
	int rc = who(q, true, &o, err);
	(void)w;
	if (rc == 0)
		rc = str(q, "add", NULL, &add, err);
	if (rc == 0)
		rc = str(q, "remove", NULL, &remove, err);
	if (rc == 0 && add == NULL && remove == NULL)
		rc = err_set(err, ERR_USAGE, "say \"add\" or \"remove\"");
	if (rc == 0 && add != NULL)
		rc = sim_label(q->s, o.repo, o.pr, o.user, add, true, err);
	return rc == 0 && remove != NULL ? sim_label(q->s, o.repo, o.pr, o.user, remove, false, err) : rc;
}

/* {"pr", "reviewer"} dismisses the newest review of a person; with "body" it is edited. */
static int do_review_act(struct sim_req *q, struct json_writer *w, struct err *err)
{
	struct who o = {0};
	const char *reviewer, *body;
	int rc = who(q, true, &o, err);
	(void)w;
	if (rc == 0)
		rc = need(q, "reviewer", &reviewer, err);
	if (rc == 0)
		rc = str(q, "body", NULL, &body, err);
	return rc == 0 ? sim_review_act(q->s, o.repo, o.pr, o.user, reviewer, body, err) : rc;
}

/* {"id"} deletes a comment; with "body" it is edited. */
static int do_comment_act(struct sim_req *q, struct json_writer *w, struct err *err)
{
	struct who o = {0};
	const char *body;
	int64_t id = 0;
	int rc = who(q, false, &o, err);
	(void)w;
	if (rc == 0)
		rc = json_int(&q->body, "id", 1, INT64_MAX / 4096, &id, err);
	if (rc == 0)
		rc = str(q, "body", NULL, &body, err);
	return rc == 0 ? sim_comment_act(q->s, o.repo, id, o.user, body, err) : rc;
}

static int do_threads(struct sim_req *q, struct json_writer *w, struct err *err)
{
	struct who o = {0};
	int64_t open = 0, done = 0;
	int rc = who(q, true, &o, err);
	(void)w;
	if (rc == 0)
		rc = json_int_opt(&q->body, "unresolved", 0, 1000, 0, &open, err);
	if (rc == 0)
		rc = json_int_opt(&q->body, "resolved", 0, 1000, 0, &done, err);
	return rc == 0 ? sim_threads(q->s, o.repo, o.pr, open, done, err) : rc;
}

static int do_unknown(struct sim_req *q, struct json_writer *w, struct err *err)
{
	struct who o = {0};
	int64_t reads = 0;
	int rc = who(q, true, &o, err);
	(void)w;
	if (rc == 0)
		rc = json_int(&q->body, "reads", 0, 1000000, &reads, err);
	return rc == 0 ? sim_mergeable_unknown(q->s, o.repo, o.pr, reads, err) : rc;
}

static int do_deployment(struct sim_req *q, struct json_writer *w, struct err *err)
{
	struct who o = {0};
	const char *sha, *environment, *state;
	int rc = who(q, false, &o, err);
	(void)w;
	if (rc == 0)
		rc = need(q, "sha", &sha, err);
	if (rc == 0)
		rc = need(q, "environment", &environment, err);
	if (rc == 0)
		rc = str(q, "state", NULL, &state, err);
	return rc == 0 ? sim_deploy(q->s, o.repo, o.user, sha, environment, state, err) : rc;
}

/* ---- odd events ---- */

static int do_ghost(struct sim_req *q, struct json_writer *w, struct err *err)
{
	const char *user;
	int rc = need(q, "user", &user, err);
	(void)w;
	return rc == 0 ? sim_ghost(q->s, user, err) : rc;
}

static int do_delete_fork(struct sim_req *q, struct json_writer *w, struct err *err)
{
	struct who o = {0};
	int rc = who(q, false, &o, err);
	(void)w;
	return rc == 0 ? sim_delete_fork(q->s, o.repo, o.user, err) : rc;
}

/* {"branch", "rename": "new"} or {"branch", "delete": true} */
static int do_branch(struct sim_req *q, struct json_writer *w, struct err *err)
{
	struct who o = {0};
	const char *branch, *rename;
	int rc = who(q, false, &o, err);
	(void)w;
	if (rc == 0)
		rc = need(q, "branch", &branch, err);
	if (rc == 0)
		rc = str(q, "rename", NULL, &rename, err);
	if (rc != 0)
		return rc;
	return rename != NULL ? sim_branch_rename(q->s, o.repo, o.user, branch, rename, err) : sim_branch_delete(q->s, o.repo, o.user, branch, err);
}

static int do_issue(struct sim_req *q, struct json_writer *w, struct err *err)
{
	struct who o = {0};
	const char *title;
	int64_t number = 0;
	int rc = who(q, false, &o, err);
	if (rc == 0)
		rc = str(q, "title", "Something is wrong", &title, err);
	if (rc == 0)
		rc = sim_issue(q->s, o.repo, o.user, title, &number, err);
	if (rc == 0)
		jw_int(w, "pr", number);
	return rc;
}

static int read_team(const struct sim_req *q, const char **org, const char **team, const char **user, struct err *err)
{
	int rc = need(q, "org", org, err);
	if (rc == 0)
		rc = need(q, "team", team, err);
	return rc == 0 ? str(q, "user", "octocat", user, err) : rc;
}

static int do_team(struct sim_req *q, struct json_writer *w, struct err *err)
{
	const char *org, *team, *user, *state, *by;
	int rc = read_team(q, &org, &team, &user, err);
	(void)w;
	if (rc == 0)
		rc = str(q, "state", NULL, &state, err);
	if (rc == 0)
		rc = str(q, "by", user, &by, err);
	if (rc == 0)
		sim_team_by(q->s, org, team, user, state, by);
	return rc;
}

static int do_team_repo(struct sim_req *q, struct json_writer *w, struct err *err)
{
	const char *org, *team, *user, *repo, *permission;
	int rc = read_team(q, &org, &team, &user, err);
	(void)w;
	if (rc == 0)
		rc = need(q, "repo", &repo, err);
	if (rc == 0)
		rc = str(q, "permission", NULL, &permission, err);
	return rc == 0 ? sim_team_repo(q->s, org, team, repo, permission, user, err) : rc;
}

static const struct {
	const char *path;
	sim_control_fn fn;
} paths[] = {
	{"/_sim/protect", do_protect},       {"/_sim/settings", do_settings},   {"/_sim/commit", do_commit},
	{"/_sim/merge", do_merge},           {"/_sim/queue", do_queue},         {"/_sim/check", do_check},
	{"/_sim/status", do_status},         {"/_sim/label", do_label},         {"/_sim/review_act", do_review_act},
	{"/_sim/comment_act", do_comment_act}, {"/_sim/threads", do_threads},   {"/_sim/mergeable_unknown", do_unknown},
	{"/_sim/deployment", do_deployment}, {"/_sim/ghost", do_ghost},         {"/_sim/delete_fork", do_delete_fork},
	{"/_sim/branch", do_branch},         {"/_sim/issue", do_issue},         {"/_sim/team", do_team},
	{"/_sim/team_repo", do_team_repo},
};

sim_control_fn sim_control_gate(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (strcmp(paths[i].path, path) == 0)
			return paths[i].fn;
	return NULL;
}
