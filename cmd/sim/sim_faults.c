/* Rules for what goes wrong, and the dice. The grammar stands in sim.h. */
#include "base/text.h"
#include "cmd/sim/sim_priv.h"

struct kind {
	const char *name;
	enum sim_fault_kind kind;
	bool number, hook, request, graphql /* inside a 200 */;
};

static const struct kind kinds[] = {
	{"status", SIM_F_STATUS, true, false, true, false},
	{"delay", SIM_F_DELAY, true, true, true, false},
	{"reset", SIM_F_RESET, false, false, true, false},
	{"lost", SIM_F_LOST, false, false, true, false},
	{"cut", SIM_F_CUT, false, false, true, false},
	{"limit", SIM_F_LIMIT, true, false, true, false},
	{"duplicate", SIM_F_DUPLICATE, false, true, false, false},
	{"reorder", SIM_F_REORDER, false, true, false, false},
	{"drop", SIM_F_DROP, false, true, false, false},
	{"rate_limited", SIM_F_RATE_LIMITED, false, false, false, true},
	{"forbidden", SIM_F_FORBIDDEN, false, false, false, true},
	{"not_found", SIM_F_NOT_FOUND, false, false, false, true},
};

static const char *const classes[] = {
	"*", "git", "user", "team", "repo", "pulls", "pull_create", "pull", "reviews", "review_create", "merge", "comments", "comment_create",
	"comment_edit", "comment_delete", "permission", "protection", "branch", "rules", "status_list", "check_runs", "status_create",
	"pull_commits", "commit_pulls", "contents", "codeowners", "deployments", "labels", "statuses", "check_suites", "team_repo", "graphql",
	"check_create", "check_edit", "app", "installations", "installation", "token_create", "token_delete", "installation_repos", "deliveries",
	"delivery", "redelivery", "manifest", "users",
};

static void free_list(struct sim_fault *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i].class_name);
	free(v);
}

void sim_faults_free(struct sim *s)
{
	free_list(s->faults, s->faults_n);
	s->faults = NULL;
	s->faults_n = 0;
}

static int set_kind(struct sim_fault *f, bool hook, const char *word, const char *rule, struct err *err)
{
	CLEANUP_FREE char *name = xstrndup(word, strcspn(word, ":"));
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct kind *k = &kinds[i];
		if (strcmp(k->name, name) != 0 || !(hook ? k->hook : k->request || (k->graphql && strcmp(f->class_name, "graphql") == 0)))
			continue;
		f->kind = k->kind;
		if (!k->number)
			return word[strlen(name)] == '\0' ? 0 : err_set(err, ERR_USAGE, "fault \"%s\": %s takes no number", rule, name);
		if (word[strlen(name)] != ':')
			return err_set(err, ERR_USAGE, "fault \"%s\": %s needs a number, as in %s:500", rule, name, name);
		int64_t low = k->kind == SIM_F_STATUS ? 400 : 1, high = k->kind == SIM_F_STATUS ? 599 : 600000;
		return text_int(word + strlen(name) + 1, low, high, &f->number, err);
	}
	return err_set(err, ERR_USAGE, "fault \"%s\": %s is no kind for %s", rule, name, hook ? "webhooks" : "requests");
}

static int set_option(struct sim_fault *f, const char *word, const char *rule, struct err *err)
{
	if (text_starts(word, "skip="))
		return text_int(word + 5, 0, INT32_MAX, &f->skip, err);
	if (text_starts(word, "times="))
		return text_int(word + 6, 0, INT32_MAX, &f->times, err);
	if (text_starts(word, "percent="))
		return text_int(word + 8, 0, 100, &f->percent, err);
	return err_set(err, ERR_USAGE, "fault \"%s\": %s is not one of skip=N, times=N, percent=N", rule, word);
}

static int check_class(const char *name, const char *rule, struct err *err)
{
	if (strcmp(name, "hook") == 0 || text_starts(name, "hook."))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (strcmp(classes[i], name) == 0)
			return 0;
	const char *near = text_nearest(name, classes, ARRAY_LEN(classes));
	return err_set(err, ERR_USAGE, "fault \"%s\": there is no class %s%s%s", rule, name, near != NULL ? "; did you mean " : "", near != NULL ? near : "");
}

static int parse_rule(const char *rule, struct sim_fault *f, struct err *err)
{
	const char *equals = strchr(rule, '=');
	if (equals == NULL)
		return err_set(err, ERR_USAGE, "fault \"%s\": write CLASS=KIND", rule);
	f->class_name = xstrndup(rule, (size_t)(equals - rule));
	int rc = check_class(f->class_name, rule, err);
	bool hook = text_starts(f->class_name, "hook"), first = true;
	for (const char *at = equals + 1; rc == 0; at++) {
		CLEANUP_FREE char *word = xstrndup(at, strcspn(at, ","));
		rc = first ? set_kind(f, hook, word, rule, err) : set_option(f, word, rule, err);
		first = false;
		at += strlen(word);
		if (*at == '\0')
			break;
	}
	if (rc == 0 && strcmp(f->class_name, "git") == 0 && (f->kind == SIM_F_DELAY || f->kind == SIM_F_CUT))
		return err_set(err, ERR_USAGE, "fault \"%s\": git knows status, reset, lost and limit", rule);
	return rc;
}

int sim_set_faults(struct sim *s, const char *rules, struct err *err)
{
	struct sim_fault *v = NULL;
	size_t n = 0;
	int rc = 0;
	for (const char *at = rules; rc == 0 && *at != '\0';) {
		CLEANUP_FREE char *rule = xstrndup(at, strcspn(at, ";"));
		at += strlen(rule);
		at += *at == ';';
		if (rule[0] == '\0')
			continue;
		v = xreallocarray(v, n + 1, sizeof(*v));
		v[n] = (struct sim_fault){0};
		rc = parse_rule(rule, &v[n++], err);
	}
	if (rc != 0) {
		free_list(v, n);
		return rc;
	}
	sim_faults_free(s);
	s->faults = v;
	s->faults_n = n;
	return 0;
}

/* xorshift: the same seed gives the same faults for the same order of requests. */
static bool dice(struct sim *s, int64_t percent)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return percent == 0 || (int64_t)(s->random % 100) < percent;
}

static bool applies(const struct sim_fault *f, const char *class_name, const char *event)
{
	if (event == NULL)
		return strcmp(f->class_name, "*") == 0 || strcmp(f->class_name, class_name) == 0;
	return strcmp(f->class_name, "hook") == 0 || (text_starts(f->class_name, "hook.") && strcmp(f->class_name + 5, event) == 0);
}

struct sim_fault *sim_fault_next(struct sim *s, const char *class_name, const char *event)
{
	for (size_t i = 0; i < s->faults_n; i++) {
		struct sim_fault *f = &s->faults[i];
		if (!applies(f, class_name, event) || f->seen++ < f->skip || (f->times > 0 && f->worked >= f->times) || !dice(s, f->percent))
			continue;
		f->worked++;
		return f;
	}
	return NULL;
}
