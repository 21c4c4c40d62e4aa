#include "github/event.h"

#include "github/event_priv.h"

void gh_event_free(struct gh_event *e)
{
	free(e->action);
	free(e->repo);
	free(e->default_branch);
	gh_user_free(&e->sender);
	free(e->head_sha);
	free(e->base_ref);
	free(e->merge_sha);
	free(e->before);
	free(e->after);
	free(e->ref);
	free(e->comment_body);
	free(e->button);
	free(e->base_sha);
	free(e->context);
	free(e->account);
	for (size_t i = 0; i < e->repos_n; i++)
		free(e->repos[i].name);
	free(e->repos);
	*e = (struct gh_event){0};
}

static int copy(const struct json *obj, const char *key, size_t max, char **ret, struct err *err)
{
	const char *s;
	int rc = json_str(obj, key, max, &s, err);
	if (rc == 0)
		*ret = xstrdup(s);
	return rc;
}

int gh_event_repository(const struct json *root, struct gh_event *e, struct err *err)
{
	struct json repo;
	const char *branch = NULL;
	int rc = json_obj(root, "repository", &repo, err);
	if (rc == 0)
		rc = json_int(&repo, "id", 1, EVENT_ID_MAX, &e->repo_id, err);
	if (rc == 0)
		rc = copy(&repo, "full_name", GH_NAME_MAX, &e->repo, err);
	if (rc == 0)
		rc = json_str_opt(&repo, "default_branch", GH_REF_MAX, NULL, &branch, err);
	if (rc == 0)
		e->default_branch = xstrdup(branch);
	return rc;
}

/* --- pull_request ------------------------------------------------------------------------------------------------------------------ */

static bool is_pull_action(const char *action)
{
	static const char *const OURS[] = {"opened", "reopened", "synchronize", "ready_for_review", "edited", "closed"};
	for (size_t i = 0; i < ARRAY_LEN(OURS); i++)
		if (strcmp(OURS[i], action) == 0)
			return true;
	return false;
}

static int pull_refs(const struct json *pr, struct gh_event *e, struct err *err)
{
	struct json head, base, repo;
	int64_t head_repo = 0;
	int rc = json_obj(pr, "head", &head, err);
	if (rc == 0)
		rc = gh_sha_from(&head, "sha", &e->head_sha, err);
	if (rc == 0)
		rc = json_obj_opt(&head, "repo", &repo, err);
	if (rc == 0 && json_ok(&repo))
		rc = json_int(&repo, "id", 1, EVENT_ID_MAX, &head_repo, err);
	if (rc == 0)
		rc = json_obj(pr, "base", &base, err);
	if (rc == 0)
		rc = copy(&base, "ref", GH_REF_MAX, &e->base_ref, err);
	e->fork = head_repo != e->repo_id;
	return rc;
}

static int pull_event(const struct json *root, struct gh_event *e, struct err *err)
{
	struct json pr, changes, base;
	if (!is_pull_action(e->action))
		return gh_event_pull_facts(root, e, err);
	int rc = json_obj_opt(root, "changes", &changes, err);
	if (rc == 0 && json_ok(&changes))
		rc = json_obj_opt(&changes, "base", &base, err);
	else
		base = (struct json){0};
	e->base_changed = rc == 0 && json_ok(&base);
	if (rc != 0 || (strcmp(e->action, "edited") == 0 && !e->base_changed)) /* a new title or text changes nothing for us */
		return rc;
	rc = gh_event_repository(root, e, err);
	if (rc == 0)
		rc = json_obj(root, "pull_request", &pr, err);
	if (rc == 0)
		rc = json_int(&pr, "number", 1, INT32_MAX, &e->pull, err);
	if (rc == 0)
		rc = pull_refs(&pr, e, err);
	if (rc == 0)
		rc = json_bool_opt(&pr, "draft", false, &e->draft, err);
	if (rc == 0)
		rc = json_bool_opt(&pr, "merged", false, &e->merged, err);
	if (rc == 0)
		rc = gh_sha_opt_from(&pr, "merge_commit_sha", &e->merge_sha, err);
	if (rc == 0)
		rc = gh_sha_opt_from(root, "before", &e->before, err);
	if (rc == 0)
		rc = gh_sha_opt_from(root, "after", &e->after, err);
	if (rc == 0)
		rc = gh_time_opt_from(&pr, "updated_at", &e->pushed_ms, err);
	e->kind = GH_EVENT_PULL;
	return rc;
}

/* --- issue_comment ----------------------------------------------------------------------------------------------------------------- */

static int comment_event(const struct json *root, struct gh_event *e, struct err *err)
{
	struct json issue, comment, pr, app;
	const char *body = "";
	bool created = strcmp(e->action, "created") == 0;
	if (!created && strcmp(e->action, "edited") != 0 && strcmp(e->action, "deleted") != 0)
		return 0;
	int rc = gh_event_repository(root, e, err);
	if (rc == 0)
		rc = json_obj(root, "issue", &issue, err);
	if (rc == 0)
		rc = json_int(&issue, "number", 1, INT32_MAX, &e->pull, err);
	if (rc == 0)
		rc = json_obj_opt(&issue, "pull_request", &pr, err);
	e->is_pull_comment = rc == 0 && json_ok(&pr);
	if (rc == 0)
		rc = json_obj(root, "comment", &comment, err);
	if (rc == 0)
		rc = json_int(&comment, "id", 1, EVENT_ID_MAX, &e->comment_id, err);
	if (rc == 0)
		rc = json_str_opt(&comment, "body", GH_TEXT_MAX, "", &body, err);
	if (rc == 0)
		rc = gh_time_opt_from(&comment, "created_at", &e->comment_created_ms, err);
	if (rc == 0)
		rc = json_obj_opt(&comment, "performed_via_github_app", &app, err);
	if (rc != 0)
		return rc;
	e->app_comment = json_ok(&app);
	e->comment_body = xstrdup(body);
	e->kind = created ? GH_EVENT_COMMENT : GH_EVENT_COMMENT_CHANGED;
	return 0;
}

/* --- push, ping -------------------------------------------------------------------------------------------------------------------- */

static int push_event(const struct json *root, struct gh_event *e, struct err *err)
{
	int rc = gh_event_repository(root, e, err);
	if (rc == 0)
		rc = copy(root, "ref", GH_REF_MAX, &e->ref, err);
	if (rc == 0)
		rc = gh_sha_from(root, "before", &e->before, err);
	if (rc == 0)
		rc = gh_sha_from(root, "after", &e->after, err);
	if (rc == 0)
		rc = json_bool_opt(root, "forced", false, &e->forced, err);
	if (rc == 0)
		rc = json_bool_opt(root, "deleted", false, &e->deleted, err);
	e->kind = GH_EVENT_PUSH;
	return rc;
}

static int ping_event(const struct json *root, struct gh_event *e, struct err *err)
{
	struct json hook;
	int rc = json_obj_opt(root, "hook", &hook, err);
	if (rc == 0 && json_ok(&hook))
		rc = json_int_opt(&hook, "app_id", 0, EVENT_ID_MAX, 0, &e->app_id, err); /* only an App's hook has one */
	e->kind = GH_EVENT_PING;
	return rc;
}

static const struct {
	const char *name;
	int (*decode)(const struct json *root, struct gh_event *e, struct err *err);
} EVENTS[] = {
	{"pull_request", pull_event},
	{"issue_comment", comment_event},
	{"push", push_event},
	{"ping", ping_event},
	{"pull_request_review", gh_event_review},
	{"pull_request_review_thread", gh_event_review},
	{"check_run", gh_event_check_run},
	{"check_suite", gh_event_check_suite},
	{"status", gh_event_status},
	{"merge_group", gh_event_merge_group},
	{"installation", gh_event_installation},
	{"installation_repositories", gh_event_installation_repositories},
	{"repository", gh_event_renamed},
};

static int decode(const char *event, const struct json *root, struct gh_event *e, struct err *err)
{
	struct json action = json_member(root, "action");
	const char *word = json_text(&action);
	e->action = xstrdup(word != NULL ? word : "");
	for (size_t i = 0; i < ARRAY_LEN(EVENTS); i++) {
		if (strcmp(EVENTS[i].name, event) != 0)
			continue;
		int rc = EVENTS[i].decode(root, e, err);
		return rc == 0 && e->kind != GH_EVENT_IGNORED && e->kind != GH_EVENT_PING ? gh_user_from(root, "sender", &e->sender, err) : rc;
	}
	return 0;
}

int gh_event_decode(const char *event, const char *body, size_t len, struct gh_event *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	struct gh_event e = {0};
	int rc = json_parse(body, len, NULL, &doc, &root, err);
	if (rc == 0 && json_type(&root) != JSON_OBJECT)
		rc = err_set(err, ERR_PARSE, "expected an object, found %s", json_type_name(json_type(&root)));
	if (rc == 0)
		rc = decode(event, &root, &e, err);
	if (rc != 0) {
		gh_event_free(&e);
		return err != NULL ? err_wrap(err, "webhook %.64s", event) : rc;
	}
	*ret = e;
	return 0;
}
