/* Users, repositories, permissions, branches: looking up and keeping. */
#include "base/clock.h"
#include "base/text.h"
#include "cmd/sim/sim_app.h"
#include "cmd/sim/sim_gate.h"

#include <strings.h>

int64_t sim_new_id(struct sim *s) { return ++s->next_id; }

/* ---- users ---- */

struct sim_user *sim_user_find(const struct sim *s, const char *login)
{
	for (size_t i = 0; i < s->users_n; i++)
		if (!s->users[i]->gone && text_same_case(s->users[i]->login, login))
			return s->users[i];
	return NULL;
}

struct sim_user *sim_user(struct sim *s, const char *login)
{
	struct sim_user *u = sim_user_find(s, login);
	if (u != NULL)
		return u;
	u = xcalloc(1, sizeof(*u));
	u->id = 21031000 + (int64_t)s->users_n;
	u->login = xstrdup(login);
	u->bot = text_ends(login, "[bot]");
	s->users = xreallocarray(s->users, s->users_n + 1, sizeof(struct sim_user *));
	s->users[s->users_n++] = u;
	return u;
}

static const struct {
	const char *role, *permission; /* as the API has always told it */
	int rank;
} roles[] = {{"none", "none", 0}, {"read", "read", 1}, {"triage", "read", 2}, {"write", "write", 3}, {"maintain", "write", 4}, {"admin", "admin", 5}};

static size_t role_index(const char *role)
{
	size_t i = 0;
	while (i < ARRAY_LEN(roles) && strcmp(roles[i].role, role) != 0)
		i++;
	return i;
}

bool sim_is_permission(const char *word) { return role_index(word) < ARRAY_LEN(roles); }

bool sim_is_member(const struct sim *s, const char *org, const char *team, const struct sim_user *u)
{
	for (size_t i = 0; i < s->members_n; i++)
		if (s->members[i].user == u && text_same_case(s->members[i].org, org) && strcmp(s->members[i].team, team) == 0)
			return s->members[i].active;
	return false;
}

/* The most of what was given to the person and to the person's teams. */
static size_t role_of(const struct sim_repo *r, const struct sim_user *u)
{
	if (u == NULL || u->gone)
		return 0;
	size_t best = ARRAY_LEN(roles);
	for (size_t i = 0; i < r->grants_n; i++)
		if (r->grants[i].user == u)
			best = role_index(r->grants[i].permission);
	if (best == ARRAY_LEN(roles))
		best = u->bot ? 0 : 1; /* a public repository */
	for (size_t i = 0; i < r->teams_n; i++)
		if (sim_is_member(r->sim, r->teams[i].org, r->teams[i].team, u) && role_index(r->teams[i].permission) > best)
			best = role_index(r->teams[i].permission);
	return best;
}

const char *sim_permission_of(const struct sim_repo *r, const struct sim_user *u) { return roles[role_of(r, u)].permission; }

const char *sim_role_of(const struct sim_repo *r, const struct sim_user *u) { return roles[role_of(r, u)].role; }

bool sim_may(const struct sim_repo *r, const struct sim_user *u, const char *least)
{
	return roles[role_of(r, u)].rank >= roles[role_index(least)].rank;
}

int sim_permission(struct sim *s, const char *repo, const char *login, const char *permission, struct err *err)
{
	struct sim_repo *r;
	int rc = sim_repo_get(s, repo, &r, err);
	if (rc != 0)
		return rc;
	if (!sim_is_permission(permission))
		return err_set(err, ERR_USAGE, "permission %s of %s: there are admin, maintain, write, triage, read and none", permission, login);
	struct sim_user *u = sim_user(s, login);
	for (size_t i = 0; i < r->grants_n; i++)
		if (r->grants[i].user == u) {
			free(r->grants[i].permission);
			r->grants[i].permission = xstrdup(permission);
			return 0;
		}
	r->grants = xreallocarray(r->grants, r->grants_n + 1, sizeof(*r->grants));
	r->grants[r->grants_n++] = (struct sim_grant){.user = u, .permission = xstrdup(permission)};
	return 0;
}

void sim_team(struct sim *s, const char *org, const char *team, const char *login, const char *state)
{
	struct sim_user *u = sim_user(s, login);
	size_t i = 0;
	while (i < s->members_n && (s->members[i].user != u || !text_same_case(s->members[i].org, org) || strcmp(s->members[i].team, team) != 0))
		i++;
	if (state == NULL && i < s->members_n) {
		free(s->members[i].org);
		free(s->members[i].team);
		s->members[i] = s->members[--s->members_n];
	}
	if (state == NULL)
		return;
	if (i == s->members_n) {
		s->members = xreallocarray(s->members, s->members_n + 1, sizeof(*s->members));
		s->members[s->members_n++] = (struct sim_member){.org = xstrdup(org), .team = xstrdup(team), .user = u};
	}
	s->members[i].active = strcmp(state, "active") == 0;
}

/* ---- repositories ---- */

struct sim_repo *sim_repo_find(const struct sim *s, const char *full_name, size_t len)
{
	for (size_t i = 0; i < s->repos_n; i++) {
		const char *name = s->repos[i]->full_name;
		if (strlen(name) == len && strncasecmp(name, full_name, len) == 0)
			return s->repos[i];
	}
	return NULL;
}

int sim_repo_get(struct sim *s, const char *full_name, struct sim_repo **ret, struct err *err)
{
	*ret = sim_repo_find(s, full_name, strlen(full_name));
	return *ret != NULL ? 0 : err_set(err, ERR_NOT_FOUND, "repository %s does not exist in the simulated GitHub", full_name);
}

const char *sim_git_dir(struct sim *s, const char *repo)
{
	const struct sim_repo *r = sim_repo_find(s, repo, strlen(repo));
	return r != NULL ? r->git_dir : NULL;
}

struct sim_ref *sim_ref_find(struct sim_repo *r, const char *name)
{
	for (size_t i = 0; i < r->refs_n; i++)
		if (strcmp(r->refs[i].name, name) == 0)
			return &r->refs[i];
	return NULL;
}

void sim_ref_set(struct sim_repo *r, const char *name, const char *sha)
{
	struct sim_ref *f = sim_ref_find(r, name);
	if (sha == NULL) {
		if (f == NULL)
			return;
		free(f->name);
		*f = r->refs[--r->refs_n];
		return;
	}
	if (f == NULL) {
		r->refs = xreallocarray(r->refs, r->refs_n + 1, sizeof(*r->refs));
		f = &r->refs[r->refs_n++];
		*f = (struct sim_ref){.name = xstrdup(name)};
	}
	(void)snprintf(f->sha, sizeof(f->sha), "%s", sha);
}

/* ---- pull requests ---- */

struct sim_pull *sim_pull_find(const struct sim_repo *r, int64_t number)
{
	return number >= 1 && (uint64_t)number <= r->pulls_n ? r->pulls[number - 1] : NULL;
}

int sim_pull_get(struct sim *s, const char *repo, int64_t number, struct sim_repo **ret_r, struct sim_pull **ret_p, struct err *err)
{
	int rc = sim_repo_get(s, repo, ret_r, err);
	if (rc != 0)
		return rc;
	*ret_p = sim_pull_find(*ret_r, number);
	return *ret_p != NULL ? 0 : err_set(err, ERR_NOT_FOUND, "%s has no pull request #%lld", repo, (long long)number);
}

struct sim_comment *sim_comment_find(const struct sim_repo *r, int64_t id, struct sim_pull **ret_pull)
{
	for (size_t i = 0; i < r->pulls_n; i++)
		for (size_t k = 0; k < r->pulls[i]->comments_n; k++)
			if (r->pulls[i]->comments[k].id == id && !r->pulls[i]->comments[k].deleted) {
				*ret_pull = r->pulls[i];
				return &r->pulls[i]->comments[k];
			}
	return NULL;
}

char *sim_head_ref_name(const struct sim_pull *p)
{
	if (p->fork_owner != NULL)
		return xasprintf("refs/forks/%s/%s", p->fork_owner->login, p->head_ref);
	return xasprintf("refs/heads/%s", p->head_ref);
}

/* ---- end ---- */

static void free_pull(struct sim_pull *p)
{
	for (size_t i = 0; i < p->comments_n; i++) {
		struct sim_comment *c = &p->comments[i];
		for (size_t k = 0; k < c->history_n; k++)
			free(c->history[k].body);
		free(c->history);
		free(c->body);
	}
	for (size_t i = 0; i < p->reviews_n; i++)
		free(p->reviews[i].body);
	strlist_free(&p->labels);
	free(p->comments);
	free(p->reviews);
	free(p->title);
	free(p->body);
	free(p->head_ref);
	free(p->base_ref);
	free(p);
}

static void free_marks(struct sim_mark *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(m[i].context);
		free(m[i].state);
		free(m[i].description);
		free(m[i].target_url);
		sim_check_free(m[i].check);
	}
	free(m);
}

static void free_repo(struct sim_repo *r)
{
	for (size_t i = 0; i < r->pulls_n; i++)
		free_pull(r->pulls[i]);
	for (size_t i = 0; i < r->grants_n; i++)
		free(r->grants[i].permission);
	for (size_t i = 0; i < r->refs_n; i++)
		free(r->refs[i].name);
	free_marks(r->statuses, r->statuses_n);
	free_marks(r->checks, r->checks_n);
	for (size_t i = 0; i < r->teams_n; i++) {
		free(r->teams[i].org);
		free(r->teams[i].team);
		free(r->teams[i].permission);
	}
	free(r->teams);
	sim_queue_free(r);
	sim_deploy_free(r);
	free(r->notes);
	free(r->pulls);
	free(r->grants);
	sim_rules_free(r);
	strlist_free(&r->former);
	free(r->refs);
	free(r->full_name);
	free(r->owner);
	free(r->name);
	free(r->default_branch);
	free(r->git_dir);
	free(r);
}

void sim_free_state(struct sim *s)
{
	for (size_t i = 0; i < s->repos_n; i++)
		free_repo(s->repos[i]);
	for (size_t i = 0; i < s->members_n; i++) {
		free(s->members[i].org);
		free(s->members[i].team);
	}
	for (size_t i = 0; i < s->users_n; i++) {
		free(s->users[i]->login);
		free(s->users[i]);
	}
	for (size_t i = 0; i < s->tokens_n; i++)
		free(s->tokens[i].token);
	sim_apps_free(s);
	free(s->repos);
	free(s->members);
	free(s->users);
	free(s->tokens);
	free(s->writes);
	free(s->counts);
	free(s->dir);
	free(s->url);
	free(s->git);
	free(s->webhook_url);
	free(s->webhook_secret);
}
