/* POST /_sim/...: what people do, for shell tests and the page. One JSON object in, one out: {"ok":true,...} or {"message":...}. */
#include "base/text.h"
#include "cmd/sim/sim_app.h"
#include "cmd/sim/sim_checks.h"
#include "cmd/sim/sim_gate.h"
#include "cmd/sim/sim_moved.h"

enum { WORD_MAX = 1024, TEXT_MAX = 1024 * 1024, FILES_MAX = 10000 };

/* The members of a request; what is missing stays NULL or 0. */
struct args {
	const char *repo, *user, *branch, *base, *head, *title, *body, *event, *action, *dir, *permission, *login;
	const char *faults, *url, *secret, *protect;
	int64_t pr, reviews, index;
	bool draft, no_merge_commits;
	struct sim_file *files;
	size_t files_n;
};

static int read_words(const struct json *o, struct args *a, struct err *err)
{
	const struct {
		const char *key;
		const char **to;
	} words[] = {
		{"repo", &a->repo}, {"user", &a->user}, {"branch", &a->branch}, {"base", &a->base}, {"head", &a->head}, {"title", &a->title},
		{"body", &a->body}, {"event", &a->event}, {"action", &a->action}, {"dir", &a->dir},
		{"permission", &a->permission}, {"login", &a->login}, {"faults", &a->faults}, {"url", &a->url}, {"secret", &a->secret},
		{"protect", &a->protect},
	};
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(words); i++)
		rc = json_str_opt(o, words[i].key, TEXT_MAX, NULL, words[i].to, err);
	if (rc == 0)
		rc = json_int_opt(o, "pr", 0, INT32_MAX, 0, &a->pr, err);
	if (rc == 0)
		rc = json_int_opt(o, "reviews", 0, 10, 0, &a->reviews, err);
	if (rc == 0)
		rc = json_int_opt(o, "index", 0, INT32_MAX, 0, &a->index, err);
	if (rc == 0)
		rc = json_bool_opt(o, "draft", false, &a->draft, err);
	return rc == 0 ? json_bool_opt(o, "no_merge_commits", false, &a->no_merge_commits, err) : rc;
}

/* "files": {"path": "content", "gone": null} */
static int read_files(const struct json *o, struct args *a, struct err *err)
{
	struct json files;
	int rc = json_obj_opt(o, "files", &files, err);
	if (rc != 0 || !json_ok(&files))
		return rc;
	for (struct json e = json_first(&files); json_ok(&e); e = json_next(&e)) {
		if (a->files_n >= FILES_MAX)
			return err_set(err, ERR_LIMIT, "files: more than %d", FILES_MAX);
		if (json_type(&e) != JSON_STRING && json_type(&e) != JSON_NULL)
			return err_set(err, ERR_PARSE, "files: give each path a string, or null to delete it");
		a->files = xreallocarray(a->files, a->files_n + 1, sizeof(*a->files));
		a->files[a->files_n++] = (struct sim_file){.path = json_key(&e), .content = json_text(&e)};
	}
	return 0;
}

static int need(const char *key, const void *value, struct err *err)
{
	return value != NULL ? 0 : err_set(err, ERR_USAGE, "\"%s\" is missing", key);
}

/* ---- one function per path ---- */

typedef int (*action_fn)(struct sim *s, const struct args *a, struct json_writer *w, struct err *err);

static enum sim_protect protect_of(const char *word)
{
	if (word == NULL || strcmp(word, "none") == 0)
		return SIM_OPEN;
	return strcmp(word, "ruleset") == 0 ? SIM_RULESET : SIM_CLASSIC;
}

static int do_repo(struct sim *s, const struct args *a, struct json_writer *w, struct err *err)
{
	struct sim_repo_new n = {.full_name = a->repo, .user = a->user, .dir = a->dir, .files = a->files, .files_n = a->files_n, .default_branch = a->branch,
				 .protect = protect_of(a->protect), .reviews = (int)a->reviews, .no_merge_commits = a->no_merge_commits};
	int rc = sim_repo_create(s, &n, err);
	if (rc == 0)
		jw_str(w, "git_dir", sim_git_dir(s, a->repo));
	return rc;
}

static int do_sync(struct sim *s, const struct args *a, struct json_writer *w, struct err *err)
{
	(void)w;
	return sim_sync(s, a->repo, a->user, err);
}

static int do_pull(struct sim *s, const struct args *a, struct json_writer *w, struct err *err)
{
	struct sim_pr_new n = {.repo = a->repo, .user = a->user, .title = a->title, .body = a->body, .head = a->head, .base = a->base, .draft = a->draft};
	int64_t number;
	int rc = need("head", a->head, err);
	if (rc == 0)
		rc = sim_pr_open(s, &n, &number, err);
	if (rc == 0)
		jw_int(w, "pr", number);
	return rc;
}

static int do_comment(struct sim *s, const struct args *a, struct json_writer *w, struct err *err)
{
	int64_t id;
	int rc = need("body", a->body, err);
	if (rc == 0)
		rc = sim_comment(s, a->repo, a->pr, a->user, a->body, &id, err);
	if (rc == 0)
		jw_int(w, "id", id);
	return rc;
}

static int do_review(struct sim *s, const struct args *a, struct json_writer *w, struct err *err)
{
	(void)w;
	return sim_review(s, a->repo, a->pr, a->user, a->event != NULL ? a->event : "APPROVE", a->body, err);
}

static int do_act(struct sim *s, const struct args *a, struct json_writer *w, struct err *err)
{
	int rc = need("action", a->action, err);
	(void)w;
	return rc == 0 ? sim_pr_act(s, a->repo, a->pr, a->user, a->action, err) : rc;
}

static int do_edit(struct sim *s, const struct args *a, struct json_writer *w, struct err *err)
{
	(void)w;
	return sim_pr_edit(s, a->repo, a->pr, a->user, a->title, a->base, err);
}

static int do_permission(struct sim *s, const struct args *a, struct json_writer *w, struct err *err)
{
	int rc = need("permission", a->permission, err);
	(void)w;
	return rc == 0 ? sim_permission(s, a->repo, a->user, a->permission, err) : rc;
}

static int do_faults(struct sim *s, const struct args *a, struct json_writer *w, struct err *err)
{
	(void)w;
	return sim_set_faults(s, a->faults != NULL ? a->faults : "", err);
}

static int do_webhook(struct sim *s, const struct args *a, struct json_writer *w, struct err *err)
{
	(void)w;
	(void)err;
	sim_set_webhook(s, a->url, a->secret);
	return 0;
}

static int do_redeliver(struct sim *s, const struct args *a, struct json_writer *w, struct err *err)
{
	(void)w;
	return sim_redeliver(s, (size_t)a->index) ? 0 : err_set(err, ERR_NOT_FOUND, "there is no delivery %lld", (long long)a->index);
}

static const struct {
	const char *path;
	action_fn act;
	bool in_repo; /* needs repo and user */
} actions[] = {
	{"/_sim/repos", do_repo, true},
	{"/_sim/sync", do_sync, true},
	{"/_sim/pulls", do_pull, true},
	{"/_sim/comment", do_comment, true},
	{"/_sim/review", do_review, true},
	{"/_sim/act", do_act, true},
	{"/_sim/edit", do_edit, true},
	{"/_sim/permission", do_permission, true},
	{"/_sim/faults", do_faults, false},
	{"/_sim/webhook", do_webhook, false},
	{"/_sim/redeliver", do_redeliver, false},
};

static int act(struct sim_req *q, action_fn fn, bool in_repo, struct json_writer *w, struct err *err)
{
	struct args a = {0};
	int rc = sim_req_body(q, err) ? 0 : err->code;
	if (rc == 0)
		rc = read_words(&q->body, &a, err);
	if (rc == 0)
		rc = read_files(&q->body, &a, err);
	if (a.user == NULL)
		a.user = "octocat";
	if (rc == 0 && in_repo)
		rc = need("repo", a.repo, err);
	if (rc == 0)
		rc = fn(q->s, &a, w, err);
	free(a.files);
	return rc;
}

static int run(struct sim_req *q, struct json_writer *w, struct err *err)
{
	sim_control_fn fn = sim_control_gate(q->path);
	if (fn == NULL)
		fn = sim_control_app(q->path);
	if (fn == NULL && (strcmp(q->path, "/_sim/rename") == 0 || strcmp(q->path, "/_sim/transfer") == 0))
		fn = sim_control_moved;
	if (fn == NULL && strcmp(q->path, "/_sim/check_action") == 0)
		fn = sim_control_check;
	if (fn != NULL)
		return sim_req_body(q, err) ? fn(q, w, err) : err->code;
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (strcmp(actions[i].path, q->path) == 0)
			return act(q, actions[i].act, actions[i].in_repo, w, err);
	return err_set(err, ERR_NOT_FOUND, "there is no such control path; docs/simulated-github.md lists them");
}

static void post(struct sim_req *q)
{
	const char *type = http_request_header(q->x, "Content-Type");
	struct err err = {0};
	if (type == NULL || !text_starts(type, "application/json")) {
		sim_fail(q, 415, "send JSON with Content-Type: application/json"); /* which a foreign page's form cannot */
		return;
	}
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_bool(&w, "ok", true);
	int rc = run(q, &w, &err);
	jw_close(&w);
	if (rc == 0)
		sim_answer_buf(q, 200, &b);
	else
		sim_fail_err(q, &err);
	buf_free(&b);
}

void sim_control(struct sim *s, struct http_exchange *x)
{
	struct sim_req q = sim_req(s, x, "control");
	if (strcmp(q.method, "POST") == 0)
		post(&q);
	else if (strcmp(q.path, "/_sim/state") == 0)
		sim_look_state(&q);
	else if (strcmp(q.path, "/_sim/wait") == 0)
		sim_look_wait(&q);
	else
		sim_fail(&q, 404, "there is no such control path; docs/simulated-github.md lists them");
	sim_req_free(&q);
}
