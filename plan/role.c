#include "plan/role.h"

#include "base/glob.h"
#include "base/text.h"

struct role_lookup {
	struct gh *gh;
	const struct server_config *config;
	char *repo, *login;
	role_cb cb;
	void *arg;
	enum role by_permission; /* what GitHub's own permission is worth */
	struct strlist ask;   /* team slugs to ask about */
	size_t asked;
	struct strlist member;
};

static void lookup_free(struct role_lookup *r)
{
	free(r->repo);
	free(r->login);
	strlist_free(&r->ask);
	strlist_free(&r->member);
	free(r);
}

static void answer(struct role_lookup *r, enum role role, const char *failed)
{
	r->cb(role, failed, r->arg);
	lookup_free(r);
}

static char *owner_of(const char *repo) { return xstrndup(repo, strcspn(repo, "/")); }

static void next_team(struct role_lookup *r);

static void on_team(const struct gh_answer *a, void *arg)
{
	struct role_lookup *r = arg;
	if (a->r.err.code != 0 && a->r.status != 404) {
		answer(r, ROLE_NONE, a->r.err.msg);
		return;
	}
	if (a->r.err.code == 0 && a->yes == 1)
		strlist_add(&r->member, r->ask.v[r->asked]);
	r->asked++;
	next_team(r);
}

static void next_team(struct role_lookup *r)
{
	if (r->asked < r->ask.n) {
		CLEANUP_FREE char *org = owner_of(r->repo);
		const char *slug = strchr(r->ask.v[r->asked], '/') + 1;
		gh_get_team_member(r->gh, org, slug, r->login, on_team, r);
		return;
	}
	bool said = false;
	enum role role = server_config_role(r->config, r->repo, r->login, &r->member, &said);
	answer(r, said ? role : r->by_permission, NULL);
}

static void on_permission(const struct gh_answer *a, void *arg)
{
	struct role_lookup *r = arg;
	if (a->r.err.code != 0 && a->r.status != 404) {
		answer(r, ROLE_NONE, a->r.err.msg);
		return;
	}
	const char *permission = a->r.status == 404 || a->permission == NULL ? "none" : a->permission; /* 404: not a collaborator */
	if (strcmp(permission, "admin") == 0)
		r->by_permission = ROLE_ADMIN;
	else if (strcmp(permission, "write") == 0)
		r->by_permission = ROLE_APPLY;
	else if (strcmp(permission, "read") == 0)
		r->by_permission = ROLE_READ;
	next_team(r);
}

/* Only teams that a rule of this repository names are asked about. */
static void collect_teams(struct role_lookup *r)
{
	CLEANUP_FREE char *org = owner_of(r->repo);
	for (size_t i = 0; i < r->config->roles_n; i++) {
		const struct role_rule *rule = &r->config->roles[i];
		if (!text_starts(rule->who, "team:") || !glob_match(rule->repository, r->repo, GLOB_ICASE))
			continue;
		char *team = strchr(rule->who, '/') != NULL ? xstrdup(rule->who + 5) : xasprintf("%s/%s", org, rule->who + 5);
		if (strlist_has(&r->ask, team))
			free(team);
		else
			strlist_take(&r->ask, team);
	}
}

struct role_lookup *role_lookup_start(struct gh *gh, const struct server_config *config, const char *repo, const char *login, role_cb cb, void *arg)
{
	struct role_lookup *r = xcalloc(1, sizeof(*r));
	*r = (struct role_lookup){.gh = gh, .config = config, .repo = xstrdup(repo), .login = xstrdup(login), .cb = cb, .arg = arg};
	collect_teams(r);
	gh_get_permission(gh, repo, login, on_permission, r);
	return r;
}

void role_lookup_cancel(struct role_lookup *r)
{
	if (r == NULL)
		return;
	gh_cancel(r->gh, r);
	lookup_free(r);
}
