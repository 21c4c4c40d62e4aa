/* Who may do what, and where sluice serves at all. */
#include "base/glob.h"
#include "base/text.h"
#include "plan/config_priv.h"

bool server_config_serves(const struct server_config *c, const char *full_name)
{
	return glob_list_match((const char *const *)c->repositories.v, (int)c->repositories.n, full_name, GLOB_ICASE);
}

/* A user's rule beats a team's, and that the one for everybody; -1: not meant. */
static int who_rank(const char *who, const char *owner_slash, size_t owner_len, const char *login, const struct strlist *teams)
{
	if (strcmp(who, "*") == 0)
		return 0;
	if (text_starts(who, "user:"))
		return text_same_case(who + 5, login) ? 2 : -1;
	for (size_t i = 0; i < teams->n; i++) {
		const char *team = teams->v[i], *named = who + 5; /* "team:" */
		CLEANUP_FREE char *own = xasprintf("%.*s%s", (int)owner_len, owner_slash, named);
		/* a bare name is a team of the repository's owner */
		if (text_same_case(team, strchr(named, '/') != NULL ? named : own))
			return 1;
	}
	return -1;
}

/* How exactly a glob names repositories: a name without special characters most, then by the length of what stands before the first. */
static size_t precision(const char *glob) { return glob_is_pattern(glob) ? strcspn(glob, "*?[\\") : SIZE_MAX; }

enum role server_config_role(const struct server_config *c, const char *full_name, const char *login, const struct strlist *teams, bool *ret_said)
{
	const char *slash = strchr(full_name, '/');
	size_t owner_len = slash != NULL ? (size_t)(slash - full_name) + 1 : 0, best_precision = 0;
	int best_rank = -1;
	enum role best = ROLE_NONE;
	const struct config_sections *sections = c->sections;
	const struct yaml_node *said = sections != NULL ? yaml_get(sections->root, "roles") : NULL;
	*ret_said = c->roles_n > 0 || (said != NULL && !yaml_is_null(said)); /* "roles: {}" is said, and fits nobody */
	for (size_t i = 0; i < c->roles_n; i++) {
		const struct role_rule *rule = &c->roles[i];
		int rank = who_rank(rule->who, full_name, owner_len, login, teams);
		if (rank < 0 || !glob_match(rule->repository, full_name, GLOB_ICASE))
			continue;
		size_t p = precision(rule->repository);
		bool better = best_rank < 0 || p > best_precision || (p == best_precision && rank > best_rank) ||
			      (p == best_precision && rank == best_rank && rule->role > best);
		if (!better)
			continue;
		best_precision = p;
		best_rank = rank;
		best = rule->role;
	}
	return best;
}
