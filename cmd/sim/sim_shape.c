/* Users and repositories as GitHub writes them, every member of its published description that it requires. */
#include "base/clock.h"
#include "base/text.h"
#include "cmd/sim/sim_gate.h"

void sim_shape_time(struct json_writer *w, const char *key, int64_t wall_ms)
{
	char text[CLOCK_ISO_SIZE];
	jw_str(w, key, wall_ms != 0 ? clock_iso(wall_ms, text) : NULL);
}

void sim_shape_node_id(struct json_writer *w, const char *prefix, int64_t id)
{
	char text[48];
	(void)snprintf(text, sizeof(text), "%s_sim%lld", prefix, (long long)id);
	jw_str(w, "node_id", text);
}

void sim_shape_urlf(struct json_writer *w, const char *key, const char *fmt, ...)
{
	struct buf b CLEANUP_BUF = {0};
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	jw_str(w, key, buf_str(&b));
}

/* ---- users ---- */

static const char *const user_urls[][2] = {
	{"followers_url", "/followers"},
	{"following_url", "/following{/other_user}"},
	{"gists_url", "/gists{/gist_id}"},
	{"starred_url", "/starred{/owner}{/repo}"},
	{"subscriptions_url", "/subscriptions"},
	{"organizations_url", "/orgs"},
	{"repos_url", "/repos"},
	{"events_url", "/events{/privacy}"},
	{"received_events_url", "/received_events"},
};

static void account_members(struct json_writer *w, const struct sim *s, const char *login, int64_t id, const char *type)
{
	struct buf name CLEANUP_BUF = {0};
	text_url_segment(&name, login);
	jw_str(w, "login", login);
	jw_int(w, "id", id);
	sim_shape_node_id(w, "U", id);
	sim_shape_urlf(w, "avatar_url", "%s/_avatar/%lld", s->url, (long long)id);
	jw_str(w, "gravatar_id", "");
	sim_shape_urlf(w, "url", "%s/users/%s", s->url, buf_str(&name));
	sim_shape_urlf(w, "html_url", "%s/%s", s->url, buf_str(&name));
	for (size_t i = 0; i < ARRAY_LEN(user_urls); i++)
		sim_shape_urlf(w, user_urls[i][0], "%s/users/%s%s", s->url, buf_str(&name), user_urls[i][1]);
	jw_str(w, "type", type);
	jw_bool(w, "site_admin", false);
}

void sim_shape_user_members(struct json_writer *w, const struct sim *s, const struct sim_user *u)
{
	account_members(w, s, u->login, u->id, u->bot ? "Bot" : "User");
}

void sim_shape_user(struct json_writer *w, const char *key, const struct sim *s, const struct sim_user *u)
{
	if (u == NULL || u->gone) {
		jw_null(w, key);
		return;
	}
	jw_open(w, key);
	sim_shape_user_members(w, s, u);
	jw_close(w);
}

/* The account that a repository belongs to: a user we know, or an organization. */
void sim_shape_owner(struct json_writer *w, const char *key, const struct sim *s, const char *login)
{
	const struct sim_user *u = sim_user_find(s, login);
	jw_open(w, key);
	if (u != NULL)
		sim_shape_user_members(w, s, u);
	else
		account_members(w, s, login, 9000000 + (int64_t)(text_hash(login, strlen(login)) % 999983), "Organization");
	jw_close(w);
}

const char *sim_association(const struct sim_repo *r, const struct sim_user *u)
{
	if (u->gone)
		return "NONE";
	if (text_same_case(u->login, r->owner))
		return "OWNER";
	return sim_may(r, u, "write") ? "COLLABORATOR" : "NONE";
}

/* ---- repositories ---- */

static const char *const repo_urls[][2] = {
	{"forks_url", "/forks"},
	{"keys_url", "/keys{/key_id}"},
	{"collaborators_url", "/collaborators{/collaborator}"},
	{"teams_url", "/teams"},
	{"hooks_url", "/hooks"},
	{"issue_events_url", "/issues/events{/number}"},
	{"events_url", "/events"},
	{"assignees_url", "/assignees{/user}"},
	{"branches_url", "/branches{/branch}"},
	{"tags_url", "/tags"},
	{"blobs_url", "/git/blobs{/sha}"},
	{"git_tags_url", "/git/tags{/sha}"},
	{"git_refs_url", "/git/refs{/sha}"},
	{"trees_url", "/git/trees{/sha}"},
	{"statuses_url", "/statuses/{sha}"},
	{"languages_url", "/languages"},
	{"stargazers_url", "/stargazers"},
	{"contributors_url", "/contributors"},
	{"subscribers_url", "/subscribers"},
	{"subscription_url", "/subscription"},
	{"commits_url", "/commits{/sha}"},
	{"git_commits_url", "/git/commits{/sha}"},
	{"comments_url", "/comments{/number}"},
	{"issue_comment_url", "/issues/comments{/number}"},
	{"contents_url", "/contents/{+path}"},
	{"compare_url", "/compare/{base}...{head}"},
	{"merges_url", "/merges"},
	{"archive_url", "/{archive_format}{/ref}"},
	{"downloads_url", "/downloads"},
	{"issues_url", "/issues{/number}"},
	{"pulls_url", "/pulls{/number}"},
	{"milestones_url", "/milestones{/number}"},
	{"notifications_url", "/notifications{?since,all,participating}"},
	{"labels_url", "/labels{/name}"},
	{"releases_url", "/releases{/id}"},
	{"deployments_url", "/deployments"},
};

/* A fork is the repository under its owner's name; only what a reader of a pull request looks at differs. */
struct repo_names {
	const char *full_name, *owner, *name;
	int64_t id;
	bool fork;
};

static void repo_identity(struct json_writer *w, const struct sim *s, const struct repo_names *n)
{
	jw_int(w, "id", n->id);
	sim_shape_node_id(w, "R", n->id);
	jw_str(w, "name", n->name);
	jw_str(w, "full_name", n->full_name);
	jw_bool(w, "private", false);
	sim_shape_owner(w, "owner", s, n->owner);
	sim_shape_urlf(w, "html_url", "%s/%s", s->url, n->full_name);
	jw_null(w, "description");
	jw_bool(w, "fork", n->fork);
	sim_shape_urlf(w, "url", "%s/repos/%s", s->url, n->full_name);
	for (size_t i = 0; i < ARRAY_LEN(repo_urls); i++)
		sim_shape_urlf(w, repo_urls[i][0], "%s/repos/%s%s", s->url, n->full_name, repo_urls[i][1]);
	sim_shape_urlf(w, "git_url", "git://127.0.0.1/%s.git", n->full_name);
	sim_shape_urlf(w, "ssh_url", "git@127.0.0.1:%s.git", n->full_name);
	sim_shape_urlf(w, "clone_url", "%s/%s.git", s->url, n->full_name);
	sim_shape_urlf(w, "svn_url", "%s/%s", s->url, n->full_name);
}

static void repo_facts(struct json_writer *w, const struct sim_repo *r)
{
	static const char *const counts[] = {"size", "stargazers_count", "watchers_count", "forks_count", "forks", "watchers"};
	static const char *const yes[] = {"has_issues", "has_projects", "has_downloads", "has_wiki", "allow_forking"};
	static const char *const no[] = {"has_pages", "has_discussions", "disabled", "is_template", "web_commit_signoff_required"};
	int64_t open = 0;
	for (size_t i = 0; i < r->pulls_n; i++)
		open += r->pulls[i]->open;
	sim_shape_time(w, "created_at", r->created_ms);
	sim_shape_time(w, "updated_at", r->pushed_ms);
	sim_shape_time(w, "pushed_at", r->pushed_ms);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		jw_int(w, counts[i], 0);
	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		jw_bool(w, yes[i], true);
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		jw_bool(w, no[i], false);
	jw_bool(w, "archived", r->archived);
	jw_null(w, "homepage");
	jw_null(w, "language");
	jw_null(w, "mirror_url");
	jw_null(w, "license");
	jw_int(w, "open_issues_count", open);
	jw_int(w, "open_issues", open);
	jw_open_arr(w, "topics");
	jw_close_arr(w);
	jw_str(w, "visibility", "public");
	jw_str(w, "default_branch", r->default_branch);
}

static void repo_permissions(struct json_writer *w, const struct sim_repo *r, const struct sim_user *viewer)
{
	jw_open(w, "permissions");
	jw_bool(w, "admin", sim_may(r, viewer, "admin"));
	jw_bool(w, "maintain", sim_may(r, viewer, "maintain"));
	jw_bool(w, "push", sim_may(r, viewer, "write"));
	jw_bool(w, "triage", sim_may(r, viewer, "triage"));
	jw_bool(w, "pull", sim_may(r, viewer, "read"));
	jw_close(w);
}

static struct repo_names names_of(const struct sim_repo *r)
{
	return (struct repo_names){.full_name = r->full_name, .owner = r->owner, .name = r->name, .id = r->id};
}

void sim_shape_repo(struct json_writer *w, const char *key, const struct sim *s, const struct sim_repo *r, const struct sim_user *viewer)
{
	struct repo_names n = names_of(r);
	jw_open(w, key);
	repo_identity(w, s, &n);
	repo_facts(w, r);
	if (viewer != NULL)
		repo_permissions(w, r, viewer);
	else /* as in webhooks */
		jw_raw(w, "custom_properties", "{}");
	jw_close(w);
}

void sim_shape_fork(struct json_writer *w, const char *key, const struct sim *s, const struct sim_repo *r, const struct sim_user *owner)
{
	CLEANUP_FREE char *full_name = xasprintf("%s/%s", owner->login, r->name);
	struct repo_names n = {.full_name = full_name, .owner = owner->login, .name = r->name, .id = r->id + 1000000 + owner->id % 1000, .fork = true};
	jw_open(w, key);
	repo_identity(w, s, &n);
	repo_facts(w, r);
	jw_raw(w, "custom_properties", "{}");
	jw_close(w);
}

/* Teams have five permissions with names of their own. */
void sim_shape_team_repo(struct json_writer *w, const struct sim *s, const struct sim_repo *r, const char *permission)
{
	static const char *const names[][2] = {{"pull", "read"}, {"triage", "triage"}, {"push", "write"}, {"maintain", "maintain"},
					       {"admin", "admin"}};
	struct repo_names n = names_of(r);
	bool has = true;
	jw_open(w, NULL);
	repo_identity(w, s, &n);
	repo_facts(w, r);
	jw_str(w, "role_name", permission);
	jw_open(w, "permissions");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		jw_bool(w, names[i][0], has);
		has = has && strcmp(names[i][1], permission) != 0;
	}
	jw_close(w);
	jw_close(w);
}

void sim_shape_repo_full(struct json_writer *w, const struct sim *s, const struct sim_repo *r, const struct sim_user *viewer)
{
	struct repo_names n = names_of(r);
	jw_open(w, NULL);
	repo_identity(w, s, &n);
	repo_facts(w, r);
	repo_permissions(w, r, viewer);
	jw_bool(w, "allow_merge_commit", r->allow_merge);
	jw_bool(w, "allow_squash_merge", r->allow_squash);
	jw_bool(w, "allow_rebase_merge", r->allow_rebase);
	jw_bool(w, "allow_auto_merge", false);
	jw_bool(w, "allow_update_branch", false);
	jw_bool(w, "delete_branch_on_merge", false);
	jw_int(w, "subscribers_count", 0);
	jw_int(w, "network_count", 0);
	jw_close(w);
}
