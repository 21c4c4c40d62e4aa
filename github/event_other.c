/* What changes a gate, what people press on checks, merge groups, installations and names of repositories. */
#include "base/text.h"
#include "github/event_priv.h"

#include <ctype.h>

enum { REPOS_MAX = 10000, BUTTON_MAX = 20 };

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(*words, word) == 0)
			return true;
	return false;
}

/* --- facts of a gate --------------------------------------------------------------------------------------------------------------- */

static int pull_number(const struct json *root, struct gh_event *e, struct err *err)
{
	struct json pr;
	int rc = gh_event_repository(root, e, err);
	if (rc == 0)
		rc = json_obj(root, "pull_request", &pr, err);
	if (rc == 0)
		rc = json_int(&pr, "number", 1, INT32_MAX, &e->pull, err);
	e->kind = GH_EVENT_FACTS;
	return rc;
}

int gh_event_pull_facts(const struct json *root, struct gh_event *e, struct err *err)
{
	static const char *const OURS[] = {"labeled", "unlabeled", "converted_to_draft", "enqueued", "dequeued", "auto_merge_enabled",
					   "auto_merge_disabled", NULL};
	return is_one_of(e->action, OURS) ? pull_number(root, e, err) : 0;
}

int gh_event_review(const struct json *root, struct gh_event *e, struct err *err)
{
	static const char *const OURS[] = {"submitted", "edited", "dismissed", "resolved", "unresolved", NULL};
	return is_one_of(e->action, OURS) ? pull_number(root, e, err) : 0;
}

int gh_event_status(const struct json *root, struct gh_event *e, struct err *err)
{
	const char *context;
	int rc = gh_event_repository(root, e, err);
	if (rc == 0)
		rc = gh_sha_from(root, "sha", &e->head_sha, err);
	if (rc == 0)
		rc = json_str(root, "context", GH_NAME_MAX, &context, err);
	if (rc == 0)
		e->context = xstrdup(context);
	e->kind = GH_EVENT_FACTS;
	return rc;
}

/* --- checks ------------------------------------------------------------------------------------------------------------------------ */

/* The head and the App of a check run or suite. The App may be null: it was deleted. */
static int check_of(const struct json *root, const char *key, struct gh_event *e, struct json *ret, struct err *err)
{
	struct json app;
	int rc = gh_event_repository(root, e, err);
	if (rc == 0)
		rc = json_obj(root, key, ret, err);
	if (rc == 0)
		rc = gh_sha_from(ret, "head_sha", &e->head_sha, err);
	if (rc == 0)
		rc = json_obj_opt(ret, "app", &app, err);
	if (rc == 0 && json_ok(&app))
		rc = json_int(&app, "id", 1, EVENT_ID_MAX, &e->app_id, err);
	return rc;
}

static int button(const struct json *root, struct gh_event *e, struct err *err)
{
	struct json asked;
	const char *word;
	int rc = json_obj(root, "requested_action", &asked, err);
	if (rc == 0)
		rc = json_str(&asked, "identifier", BUTTON_MAX, &word, err);
	if (rc == 0)
		e->button = xstrdup(word);
	return rc;
}

int gh_event_check_run(const struct json *root, struct gh_event *e, struct err *err)
{
	struct json run;
	const char *name;
	bool pressed = strcmp(e->action, "requested_action") == 0, again = strcmp(e->action, "rerequested") == 0;
	if (!pressed && !again && strcmp(e->action, "completed") != 0)
		return 0;
	int rc = check_of(root, "check_run", e, &run, err);
	if (rc == 0)
		rc = json_str(&run, "name", GH_NAME_MAX, &name, err);
	if (rc == 0)
		e->context = xstrdup(name);
	if (rc == 0 && pressed)
		rc = button(root, e, err);
	if (rc == 0 && again)
		e->button = xstrdup("plan");
	e->kind = pressed || again ? GH_EVENT_RERUN : GH_EVENT_FACTS;
	return rc;
}

int gh_event_check_suite(const struct json *root, struct gh_event *e, struct err *err)
{
	struct json suite;
	if (strcmp(e->action, "rerequested") != 0)
		return 0;
	int rc = check_of(root, "check_suite", e, &suite, err);
	e->button = xstrdup("plan");
	e->kind = GH_EVENT_RERUN;
	return rc;
}

/* --- merge groups ------------------------------------------------------------------------------------------------------------------ */

/* "refs/heads/gh-readonly-queue/main/pr-12-SHA": 12; 0 when it is not of that form. The branch may have slashes and a "pr-" of its own. */
static int64_t pull_of_group(const char *ref)
{
	const char *last = strrchr(ref, '/');
	int64_t n = 0;
	if (last == NULL || !text_starts(last, "/pr-"))
		return 0;
	const char *p = last + strlen("/pr-");
	for (; isdigit((unsigned char)*p) && n <= INT32_MAX; p++)
		n = n * 10 + (*p - '0');
	return *p == '-' && n >= 1 && n <= INT32_MAX ? n : 0;
}

int gh_event_merge_group(const struct json *root, struct gh_event *e, struct err *err)
{
	struct json group;
	const char *ref;
	if (strcmp(e->action, "checks_requested") != 0)
		return 0; /* destroyed: its commit is nobody's any more */
	int rc = gh_event_repository(root, e, err);
	if (rc == 0)
		rc = json_obj(root, "merge_group", &group, err);
	if (rc == 0)
		rc = gh_sha_from(&group, "head_sha", &e->head_sha, err);
	if (rc == 0)
		rc = gh_sha_from(&group, "base_sha", &e->base_sha, err);
	if (rc == 0)
		rc = json_str(&group, "head_ref", GH_REF_MAX, &ref, err);
	if (rc == 0)
		e->pull = pull_of_group(ref);
	e->kind = GH_EVENT_GROUP;
	return rc;
}

/* --- access ------------------------------------------------------------------------------------------------------------------------ */

static int take_repos(const struct json *root, const char *key, struct gh_event *e, struct err *err)
{
	struct json list;
	size_t n = 0;
	int rc = json_arr_opt(root, key, &list, &n, err);
	if (rc != 0 || n == 0)
		return rc;
	if (n > REPOS_MAX)
		return err_set(err, ERR_LIMIT, "%s has %zu repositories; the limit is %d", key, n, REPOS_MAX);
	e->repos = xcalloc(n, sizeof(*e->repos));
	for (struct json r = json_first(&list); rc == 0 && json_ok(&r); r = json_next(&r)) {
		const char *name;
		rc = json_str(&r, "full_name", GH_NAME_MAX, &name, err);
		if (rc == 0)
			rc = json_int(&r, "id", 1, EVENT_ID_MAX, &e->repos[e->repos_n].id, err);
		if (rc == 0)
			e->repos[e->repos_n++].name = xstrdup(name);
	}
	return rc;
}

int gh_event_installation(const struct json *root, struct gh_event *e, struct err *err)
{
	static const char *const OURS[] = {"created", "deleted", "suspend", "unsuspend", NULL};
	struct json installation, account;
	const char *login = NULL;
	if (!is_one_of(e->action, OURS))
		return 0;
	int rc = json_obj(root, "installation", &installation, err);
	if (rc == 0)
		rc = json_obj(&installation, "account", &account, err);
	if (rc == 0)
		rc = json_str_opt(&account, "login", GH_NAME_MAX, NULL, &login, err);
	if (rc == 0)
		e->account = xstrdup(login); /* an enterprise has none, and no repositories either */
	e->lost = strcmp(e->action, "deleted") == 0 || strcmp(e->action, "suspend") == 0;
	if (rc == 0 && strcmp(e->action, "created") == 0) /* among them may be one that was taken away by itself before */
		rc = take_repos(root, "repositories", e, err);
	e->kind = login != NULL ? GH_EVENT_ACCESS : GH_EVENT_IGNORED;
	return rc;
}

int gh_event_installation_repositories(const struct json *root, struct gh_event *e, struct err *err)
{
	e->lost = strcmp(e->action, "removed") == 0;
	if (!e->lost && strcmp(e->action, "added") != 0)
		return 0;
	e->kind = GH_EVENT_ACCESS;
	return take_repos(root, e->lost ? "repositories_removed" : "repositories_added", e, err);
}

int gh_event_renamed(const struct json *root, struct gh_event *e, struct err *err)
{
	static const char *const OURS[] = {"renamed", "transferred", NULL};
	if (!is_one_of(e->action, OURS))
		return 0; /* archived, deleted: GitHub refuses what we say from then on, and that is told where it is said */
	e->kind = GH_EVENT_REPO;
	return gh_event_repository(root, e, err);
}
