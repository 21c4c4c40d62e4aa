/* The odd things that happen to repositories and people: accounts and forks that are deleted, branches that get another name, archived
 * repositories, plain issues, teams. */
#include "base/clock.h"
#include "base/text.h"
#include "cmd/sim/sim_gate.h"

/* ---- accounts and forks ---- */

/* What was written stays, and is nobody's; the login is free for somebody else. */
int sim_ghost(struct sim *s, const char *login, struct err *err)
{
	struct sim_user *u = sim_user_find(s, login);
	if (u == NULL)
		return err_set(err, ERR_NOT_FOUND, "there is no user %s", login);
	u->gone = true;
	for (size_t i = 0; i < s->tokens_n; i++)
		if (s->tokens[i].user == u)
			s->tokens[i].token[0] = '\0'; /* matches nothing */
	sim_changed(s);
	return 0;
}

int sim_delete_fork(struct sim *s, const char *repo, const char *owner, struct err *err)
{
	struct sim_repo *r;
	int rc = sim_repo_get(s, repo, &r, err);
	if (rc != 0)
		return rc;
	struct sim_user *u = sim_user(s, owner);
	CLEANUP_FREE char *below = xasprintf("refs/forks/%s/", u->login);
	bool any = false;
	for (size_t i = r->refs_n; rc == 0 && i-- > 0;) {
		if (!text_starts(r->refs[i].name, below))
			continue;
		CLEANUP_FREE char *name = xstrdup(r->refs[i].name);
		rc = sim_git(s, r->git_dir, (const char *const[]){"update-ref", "-d", name, NULL}, NULL, NULL, err);
		sim_ref_set(r, name, NULL);
		any = true;
	}
	for (size_t i = 0; i < r->pulls_n; i++)
		if (r->pulls[i]->fork_owner == u)
			r->pulls[i]->fork_gone = any = true;
	sim_changed(s);
	return rc != 0 || any ? rc : err_set(err, ERR_NOT_FOUND, "%s has no fork of %s", owner, repo);
}

/* ---- branches ---- */

static void tell_repository(struct sim *s, struct sim_repo *r, const struct sim_user *u, const char *action, const char *was_default)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "action", action);
	if (was_default != NULL) {
		jw_open(&w, "changes");
		jw_open(&w, "default_branch");
		jw_str(&w, "from", was_default);
		jw_close(&w);
		jw_close(&w);
	}
	sim_shape_repo(&w, "repository", s, r, NULL);
	sim_shape_user(&w, "sender", s, u);
	jw_close(&w);
	sim_deliver(s, r, "repository", action, &b);
}

/* All open pull requests into one branch go into another, or are closed when there is none. */
static int move_pulls(struct sim *s, struct sim_repo *r, const char *from, const char *to, const char *user, struct err *err)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < r->pulls_n; i++) {
		const struct sim_pull *p = r->pulls[i];
		if (!p->open || p->issue || strcmp(p->base_ref, from) != 0)
			continue;
		rc = to != NULL ? sim_pr_edit(s, r->full_name, p->number, user, NULL, to, err)
				: sim_pr_act(s, r->full_name, p->number, user, "closed", err);
	}
	return rc;
}

static int find_branch(struct sim *s, const char *repo, const char *branch, struct sim_repo **ret_r, char ret_sha[SIM_SHA_SIZE], struct err *err)
{
	int rc = sim_repo_get(s, repo, ret_r, err);
	if (rc != 0)
		return rc;
	CLEANUP_FREE char *name = xasprintf("refs/heads/%s", branch);
	const struct sim_ref *f = sim_ref_find(*ret_r, name);
	if (f == NULL)
		return err_set(err, ERR_NOT_FOUND, "%s has no branch %s", repo, branch);
	(void)snprintf(ret_sha, SIM_SHA_SIZE, "%s", f->sha);
	return 0;
}

static int remove_branch(struct sim *s, struct sim_repo *r, const char *branch, const char *sha, struct sim_user *u, struct err *err)
{
	CLEANUP_FREE char *ref = xasprintf("refs/heads/%s", branch);
	int rc = sim_git(s, r->git_dir, (const char *const[]){"update-ref", "-d", ref, NULL}, NULL, NULL, err);
	return rc == 0 ? sim_moved(s, r, ref, sha, "", u, err) : rc;
}

int sim_branch_rename(struct sim *s, const char *repo, const char *user, const char *from, const char *to, struct err *err)
{
	struct sim_repo *r;
	char sha[SIM_SHA_SIZE];
	CLEANUP_FREE char *ref = xasprintf("refs/heads/%s", to);
	int rc = find_branch(s, repo, from, &r, sha, err);
	if (rc == 0 && sim_ref_find(r, ref) != NULL)
		rc = err_set(err, ERR_CONFLICT, "%s has a branch %s already", repo, to);
	if (rc == 0)
		rc = sim_git_update_ref(s, r, ref, sha, err);
	if (rc == 0)
		rc = sim_moved(s, r, ref, "", sha, sim_user(s, user), err);
	if (rc != 0)
		return rc;
	sim_rules_renamed(r, from, to);
	rc = move_pulls(s, r, from, to, user, err);
	if (rc == 0 && strcmp(r->default_branch, from) == 0) {
		CLEANUP_FREE char *head = xasprintf("refs/heads/%s", to);
		free(r->default_branch);
		r->default_branch = xstrdup(to);
		rc = sim_git(s, r->git_dir, (const char *const[]){"symbolic-ref", "HEAD", head, NULL}, NULL, NULL, err);
		tell_repository(s, r, sim_user(s, user), "edited", from);
	}
	return rc == 0 ? remove_branch(s, r, from, sha, sim_user(s, user), err) : rc;
}

/* Pull requests into a branch that was merged itself go where that went. */
static const char *heir_of(const struct sim_repo *r, const char *branch)
{
	for (size_t i = r->pulls_n; i-- > 0;)
		if (r->pulls[i]->merged && r->pulls[i]->fork_owner == NULL && strcmp(r->pulls[i]->head_ref, branch) == 0)
			return r->pulls[i]->base_ref;
	return NULL;
}

int sim_branch_delete(struct sim *s, const char *repo, const char *user, const char *branch, struct err *err)
{
	struct sim_repo *r;
	char sha[SIM_SHA_SIZE];
	int rc = find_branch(s, repo, branch, &r, sha, err);
	if (rc == 0 && strcmp(r->default_branch, branch) == 0)
		rc = err_set(err, ERR_REFUSED, "%s is the default branch of %s", branch, repo);
	if (rc == 0)
		rc = move_pulls(s, r, branch, heir_of(r, branch), user, err);
	return rc == 0 ? remove_branch(s, r, branch, sha, sim_user(s, user), err) : rc;
}

/* ---- repositories and issues ---- */

int sim_archive(struct sim *s, const char *repo, const char *user, bool archived, struct err *err)
{
	struct sim_repo *r;
	int rc = sim_repo_get(s, repo, &r, err);
	if (rc != 0 || r->archived == archived)
		return rc;
	r->archived = archived;
	tell_repository(s, r, sim_user(s, user), archived ? "archived" : "unarchived", NULL);
	sim_changed(s);
	return 0;
}

int sim_issue(struct sim *s, const char *repo, const char *user, const char *title, int64_t *ret_number, struct err *err)
{
	struct sim_repo *r;
	int rc = sim_repo_get(s, repo, &r, err);
	if (rc != 0)
		return rc;
	struct sim_pull *p = xcalloc(1, sizeof(*p));
	*p = (struct sim_pull){.id = sim_new_id(s), .number = (int64_t)r->pulls_n + 1, .title = xstrdup(title), .body = xstrdup(""),
			       .user = sim_user(s, user), .head_ref = xstrdup(""), .base_ref = xstrdup(""), .open = true, .issue = true};
	p->created_ms = p->updated_ms = clock_wall_ms();
	r->pulls = xreallocarray(r->pulls, r->pulls_n + 1, sizeof(struct sim_pull *));
	r->pulls[r->pulls_n++] = p;
	*ret_number = p->number;
	sim_changed(s);
	return 0;
}

/* ---- teams ---- */

static struct sim_repo *some_repo_of(const struct sim *s, const char *org)
{
	for (size_t i = 0; i < s->repos_n; i++)
		if (text_same_case(s->repos[i]->owner, org))
			return s->repos[i];
	return NULL;
}

static void shape_team(struct json_writer *w, const struct sim *s, const char *org, const char *team)
{
	int64_t id = 8000000 + (int64_t)(text_hash(team, strlen(team)) % 999983);
	CLEANUP_FREE char *url = xasprintf("%s/organizations/%s/team/%lld", s->url, org, (long long)id);
	jw_open(w, "team");
	jw_str(w, "name", team);
	jw_int(w, "id", id);
	sim_shape_node_id(w, "T", id);
	jw_str(w, "slug", team);
	jw_null(w, "description");
	jw_str(w, "privacy", "closed");
	jw_str(w, "url", url);
	sim_shape_urlf(w, "html_url", "%s/orgs/%s/teams/%s", s->url, org, team);
	sim_shape_urlf(w, "members_url", "%s/members{/member}", url);
	sim_shape_urlf(w, "repositories_url", "%s/repos", url);
	jw_str(w, "permission", "pull");
	jw_close(w);
}

static void shape_organization(struct json_writer *w, const struct sim *s, const char *org)
{
	static const char *const lists[] = {"repos", "events", "hooks", "issues"};
	int64_t id = 9000000 + (int64_t)(text_hash(org, strlen(org)) % 999983);
	CLEANUP_FREE char *url = xasprintf("%s/orgs/%s", s->url, org);
	jw_open(w, "organization");
	jw_str(w, "login", org);
	jw_int(w, "id", id);
	sim_shape_node_id(w, "O", id);
	jw_str(w, "url", url);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		CLEANUP_FREE char *key = xasprintf("%s_url", lists[i]);
		sim_shape_urlf(w, key, "%s/%s", url, lists[i]);
	}
	sim_shape_urlf(w, "members_url", "%s/members{/member}", url);
	sim_shape_urlf(w, "public_members_url", "%s/public_members{/member}", url);
	sim_shape_urlf(w, "avatar_url", "%s/_avatar/%lld", s->url, (long long)id);
	jw_null(w, "description");
	jw_close(w);
}

/* member NULL: a team event about r; otherwise a membership event, which names no repository. */
static void tell_team(struct sim *s, const char *org, const char *team, const struct sim_user *member, const struct sim_user *u, const char *action,
		      struct sim_repo *r)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "action", action);
	if (member != NULL) {
		jw_str(&w, "scope", "team");
		sim_shape_user(&w, "member", s, member);
	} else {
		sim_shape_repo(&w, "repository", s, r, NULL);
	}
	sim_shape_user(&w, "sender", s, u);
	shape_team(&w, s, org, team);
	shape_organization(&w, s, org);
	jw_close(&w);
	sim_deliver(s, r, member != NULL ? "membership" : "team", action, &b);
}

void sim_team_by(struct sim *s, const char *org, const char *team, const char *login, const char *state, const char *user)
{
	struct sim_repo *r = some_repo_of(s, org);
	bool was = sim_is_member(s, org, team, sim_user(s, login));
	sim_team(s, org, team, login, state);
	bool is = sim_is_member(s, org, team, sim_user(s, login));
	if (r != NULL && was != is)
		tell_team(s, org, team, sim_user(s, login), sim_user(s, user), is ? "added" : "removed", r);
	sim_changed(s);
}

int sim_team_repo(struct sim *s, const char *org, const char *team, const char *repo, const char *permission, const char *user, struct err *err)
{
	struct sim_repo *r;
	size_t i = 0;
	int rc = sim_repo_get(s, repo, &r, err);
	if (rc == 0 && permission != NULL && !sim_is_permission(permission))
		rc = err_set(err, ERR_USAGE, "permission %s of team %s: there are admin, maintain, write, triage and read", permission, team);
	if (rc != 0)
		return rc;
	while (i < r->teams_n && (!text_same_case(r->teams[i].org, org) || strcmp(r->teams[i].team, team) != 0))
		i++;
	bool had = i < r->teams_n;
	if (permission == NULL && had) {
		free(r->teams[i].org);
		free(r->teams[i].team);
		free(r->teams[i].permission);
		r->teams[i] = r->teams[--r->teams_n];
	} else if (permission != NULL && had) {
		free(r->teams[i].permission);
		r->teams[i].permission = xstrdup(permission);
	} else if (permission != NULL) {
		r->teams = xreallocarray(r->teams, r->teams_n + 1, sizeof(*r->teams));
		r->teams[r->teams_n++] = (struct sim_team_grant){.org = xstrdup(org), .team = xstrdup(team), .permission = xstrdup(permission)};
	}
	if (user != NULL && had != (permission != NULL))
		tell_team(s, org, team, NULL, sim_user(s, user), had ? "removed_from_repository" : "added_to_repository", r);
	sim_changed(s);
	return 0;
}

/* GET /orgs/O/teams/T/repos/O/R: 204, or the repository with the permission when that media type was asked for. */
void sim_get_team_repo(struct sim_req *q)
{
	CLEANUP_FREE char *name = xasprintf("%s/%s", q->part[2], q->part[3]);
	const char *accept = http_request_header(q->x, "Accept"), *permission = NULL;
	const struct sim_repo *r = sim_repo_find(q->s, name, strlen(name));
	for (size_t i = 0; r != NULL && i < r->teams_n; i++)
		if (text_same_case(r->teams[i].org, q->part[0]) && strcmp(r->teams[i].team, q->part[1]) == 0)
			permission = r->teams[i].permission;
	if (permission == NULL) {
		sim_fail(q, 404, "Not Found");
		return;
	}
	if (accept == NULL || strstr(accept, "repository") == NULL) {
		sim_answer(q, 204, "");
		return;
	}
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	sim_shape_team_repo(&w, q->s, r, permission);
	sim_answer_buf(q, 200, &b);
}
