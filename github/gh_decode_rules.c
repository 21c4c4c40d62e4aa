#include "github/gh_priv.h"

#include "base/limits.h"

/* What a branch asks for. Rules of several rulesets add up, so that the strictest of each wins; a member that decides something must be there. */

void gh_rules_free(struct gh_rules *r)
{
	for (size_t i = 0; i < r->checks_n; i++)
		free(r->checks[i].context);
	free(r->checks);
	free(r->queue_method);
	strlist_free(&r->environments);
	strlist_free(&r->others);
	*r = (struct gh_rules){0};
}

static int add_bool(const struct json *o, const char *key, bool *flag, struct err *err)
{
	bool v = false;
	int rc = json_bool(o, key, &v, err);
	*flag = *flag || v;
	return rc;
}

static void add_word(struct strlist *l, const char *word)
{
	if (!strlist_has(l, word))
		strlist_add(l, word);
}

static int add_check(struct gh_rules *r, const char *context, int64_t app_id, struct err *err)
{
	for (size_t i = 0; i < r->checks_n; i++)
		if (r->checks[i].app_id == app_id && strcmp(r->checks[i].context, context) == 0)
			return 0;
	if (r->checks_n >= LIMIT_GITHUB_REQUIRED)
		return err_set(err, ERR_LIMIT, "the branch requires more than %u checks", LIMIT_GITHUB_REQUIRED);
	r->checks = xreallocarray(r->checks, r->checks_n + 1, sizeof(*r->checks));
	r->checks[r->checks_n++] = (struct gh_required_check){.context = xstrdup(context), .app_id = app_id};
	return 0;
}

/* [{context, app_key}]: null and -1 both mean that anybody's check counts. */
static int add_checks(const struct json *list, const char *app_key, struct gh_rules *r, struct err *err)
{
	int rc = 0;
	for (struct json e = json_first(list); rc == 0 && json_ok(&e); e = json_next(&e)) {
		const char *context = NULL;
		int64_t app = 0;
		rc = json_str(&e, "context", GH_NAME_MAX, &context, err);
		if (rc == 0)
			rc = json_int_opt(&e, app_key, -1, GH_ID_MAX, 0, &app, err);
		if (rc == 0)
			rc = add_check(r, context, app > 0 ? app : 0, err);
	}
	return rc;
}

/* --- rulesets ---------------------------------------------------------------------------------------------------------------------- */

static unsigned method_of(const char *word)
{
	return strcmp(word, "merge") == 0    ? GH_METHOD_MERGE
	       : strcmp(word, "squash") == 0 ? GH_METHOD_SQUASH
	       : strcmp(word, "rebase") == 0 ? GH_METHOD_REBASE
					     : 0;
}

static int rule_methods(const struct json *p, struct gh_rules *r, struct err *err)
{
	struct json list;
	size_t n;
	unsigned methods = 0;
	int rc = json_arr_opt(p, "allowed_merge_methods", &list, &n, err);
	if (rc != 0 || !json_ok(&list)) /* older servers know no such parameter */
		return rc;
	for (struct json e = json_first(&list); rc == 0 && json_ok(&e); e = json_next(&e)) {
		const char *word = "";
		rc = json_as_str(&e, GH_NAME_MAX, &word, err);
		methods |= rc == 0 ? method_of(word) : 0;
	}
	r->methods &= methods;
	return rc;
}

static int rule_pull_request(const struct json *p, struct gh_rules *r, struct err *err)
{
	int64_t count = 0;
	struct json reviewers;
	size_t n = 0;
	r->pull_request = true;
	int rc = json_int(p, "required_approving_review_count", 0, GH_REF_MAX, &count, err);
	if (rc == 0)
		rc = add_bool(p, "dismiss_stale_reviews_on_push", &r->dismiss_stale, err);
	if (rc == 0)
		rc = add_bool(p, "require_code_owner_review", &r->code_owners, err);
	if (rc == 0)
		rc = add_bool(p, "require_last_push_approval", &r->last_push, err);
	if (rc == 0)
		rc = add_bool(p, "required_review_thread_resolution", &r->threads_resolved, err);
	if (rc == 0)
		rc = json_arr_opt(p, "required_reviewers", &reviewers, &n, err);
	if (rc == 0)
		rc = rule_methods(p, r, err);
	if (rc == 0 && count > r->approvals)
		r->approvals = count;
	r->reviewers = r->reviewers || n > 0;
	return rc;
}

static int rule_checks(const struct json *p, struct gh_rules *r, struct err *err)
{
	struct json list;
	size_t n;
	int rc = add_bool(p, "strict_required_status_checks_policy", &r->strict, err);
	if (rc == 0)
		rc = json_arr(p, "required_status_checks", &list, &n, err);
	return rc == 0 ? add_checks(&list, "integration_id", r, err) : rc;
}

static int rule_queue(const struct json *p, struct gh_rules *r, struct err *err)
{
	const char *method;
	int rc = json_str(p, "merge_method", GH_NAME_MAX, &method, err);
	r->merge_queue = true;
	if (rc == 0)
		xstrset(&r->queue_method, method);
	return rc;
}

static int rule_deployments(const struct json *p, struct gh_rules *r, struct err *err)
{
	struct json list;
	size_t n;
	int rc = json_arr(p, "required_deployment_environments", &list, &n, err);
	for (struct json e = rc == 0 ? json_first(&list) : (struct json){0}; rc == 0 && json_ok(&e); e = json_next(&e)) {
		const char *name;
		rc = json_as_str(&e, GH_NAME_MAX, &name, err);
		if (rc == 0 && r->environments.n >= LIMIT_GITHUB_REQUIRED)
			rc = err_set(err, ERR_LIMIT, "the branch requires deployments to more than %u environments", LIMIT_GITHUB_REQUIRED);
		if (rc == 0)
			add_word(&r->environments, name);
	}
	return rc;
}

static int rule_signatures(const struct json *p, struct gh_rules *r, struct err *err)
{
	(void)p, (void)err; /* it has no parameters */
	r->signatures = true;
	return 0;
}

static int rule_linear(const struct json *p, struct gh_rules *r, struct err *err)
{
	(void)p, (void)err;
	r->linear = true;
	r->methods &= ~(unsigned)GH_METHOD_MERGE; /* a merge commit is what it forbids */
	return 0;
}

/* Who may make, delete or force a branch says nothing about a change that comes by pull request. */
static int rule_elsewhere(const struct json *p, struct gh_rules *r, struct err *err)
{
	(void)p, (void)r, (void)err;
	return 0;
}

static const struct rule_type {
	const char *type;
	bool parameters;
	int (*read)(const struct json *p, struct gh_rules *r, struct err *err);
} RULE_TYPES[] = {
	{"pull_request", true, rule_pull_request},
	{"required_status_checks", true, rule_checks},
	{"merge_queue", true, rule_queue},
	{"required_deployments", true, rule_deployments},
	{"required_signatures", false, rule_signatures},
	{"required_linear_history", false, rule_linear},
	{"creation", false, rule_elsewhere},
	{"deletion", false, rule_elsewhere},
	{"non_fast_forward", false, rule_elsewhere},
};

static int rule_at(const struct json *e, struct gh_rules *r, struct err *err)
{
	const char *type;
	struct json p = {0};
	int rc = json_str(e, "type", GH_NAME_MAX, &type, err);
	if (rc != 0)
		return rc;
	r->found = true;
	for (size_t i = 0; i < ARRAY_LEN(RULE_TYPES); i++) {
		if (strcmp(RULE_TYPES[i].type, type) != 0)
			continue;
		if (RULE_TYPES[i].parameters)
			rc = json_obj(e, "parameters", &p, err);
		return rc == 0 ? RULE_TYPES[i].read(&p, r, err) : rc;
	}
	if (r->others.n >= LIMIT_GITHUB_REQUIRED)
		return err_set(err, ERR_LIMIT, "the branch has more than %u kinds of rules", LIMIT_GITHUB_REQUIRED);
	add_word(&r->others, type);
	return 0;
}

void gh_rules_init(struct gh_rules *r, bool classic)
{
	gh_rules_free(r);
	r->classic = classic;
	r->methods = GH_ANY_METHOD;
}

int gh_decode_rules(const char *body, size_t len, struct gh_rules *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int rc = gh_parse_as(body, len, JSON_ARRAY, &doc, &root, err);
	for (struct json e = rc == 0 ? json_first(&root) : (struct json){0}; rc == 0 && json_ok(&e); e = json_next(&e))
		rc = rule_at(&e, ret, err);
	return rc;
}

/* --- classic protection ------------------------------------------------------------------------------------------------------------ */

/* {key: {"enabled": true}}; a server that does not know the switch leaves it out. */
static int add_switch(const struct json *root, const char *key, bool *flag, struct err *err)
{
	struct json o;
	int rc = json_obj_opt(root, key, &o, err);
	return rc != 0 || !json_ok(&o) ? rc : add_bool(&o, "enabled", flag, err);
}

static int classic_reviews(const struct json *root, struct gh_rules *r, struct err *err)
{
	struct json o;
	bool stale = false, owners = false, last = false;
	int rc = json_obj_opt(root, "required_pull_request_reviews", &o, err);
	if (rc != 0 || !json_ok(&o))
		return rc;
	r->pull_request = true;
	rc = json_int_opt(&o, "required_approving_review_count", 0, GH_REF_MAX, 1, &r->approvals, err); /* before the count existed it was one */
	if (rc == 0)
		rc = json_bool(&o, "dismiss_stale_reviews", &stale, err);
	if (rc == 0)
		rc = json_bool(&o, "require_code_owner_reviews", &owners, err);
	if (rc == 0)
		rc = json_bool_opt(&o, "require_last_push_approval", false, &last, err);
	r->dismiss_stale = stale;
	r->code_owners = owners;
	r->last_push = last;
	return rc;
}

static int classic_checks(const struct json *root, struct gh_rules *r, struct err *err)
{
	struct json o, list;
	size_t n;
	int rc = json_obj_opt(root, "required_status_checks", &o, err);
	if (rc != 0 || !json_ok(&o))
		return rc;
	rc = json_bool_opt(&o, "strict", false, &r->strict, err);
	if (rc == 0)
		rc = json_arr_opt(&o, "checks", &list, &n, err);
	if (rc == 0 && json_ok(&list))
		return add_checks(&list, "app_id", r, err);
	if (rc == 0)
		rc = json_arr(&o, "contexts", &list, &n, err); /* servers that know no Apps here */
	for (struct json e = rc == 0 ? json_first(&list) : (struct json){0}; rc == 0 && json_ok(&e); e = json_next(&e)) {
		const char *context;
		rc = json_as_str(&e, GH_NAME_MAX, &context, err);
		if (rc == 0)
			rc = add_check(r, context, 0, err);
	}
	return rc;
}

int gh_decode_classic(const char *body, size_t len, struct gh_rules *ret, struct err *err)
{
	const struct {
		const char *key;
		bool *flag;
	} switches[] = {
		{"enforce_admins", &ret->admins_too},
		{"required_signatures", &ret->signatures},
		{"required_linear_history", &ret->linear},
		{"required_conversation_resolution", &ret->threads_resolved},
		{"lock_branch", &ret->locked},
	};
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int rc = gh_parse_as(body, len, JSON_OBJECT, &doc, &root, err);
	ret->found = rc == 0;
	if (rc == 0)
		rc = classic_reviews(&root, ret, err);
	if (rc == 0)
		rc = classic_checks(&root, ret, err);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(switches); i++)
		rc = add_switch(&root, switches[i].key, switches[i].flag, err);
	if (ret->linear)
		ret->methods &= ~(unsigned)GH_METHOD_MERGE;
	return rc;
}
