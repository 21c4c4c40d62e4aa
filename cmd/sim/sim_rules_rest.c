/* Branches and their rules as GitHub tells them: the branch, classic protection (administrators only), the rules of rulesets. */
#include "base/text.h"
#include "cmd/sim/sim_gate.h"

static const struct sim_ref *branch_of(struct sim_req *q)
{
	CLEANUP_FREE char *name = xasprintf("refs/heads/%s", q->part[0]);
	const struct sim_ref *f = sim_ref_find(q->repo, name);
	if (f == NULL)
		sim_fail(q, 404, "Branch not found");
	return f;
}

static const struct sim_protection *classic_of(const struct sim_repo *r, const char *branch)
{
	const struct sim_protection *p;
	for (size_t i = 0; (p = sim_rules_layer(r, branch, i)) != NULL; i++)
		if (p->how == SIM_CLASSIC)
			return p;
	return NULL;
}

static void check_names(struct json_writer *w, const char *app_key, const struct sim_protection *p, bool null_for_any)
{
	for (size_t i = 0; p != NULL && i < p->checks_n; i++) {
		jw_open(w, NULL);
		jw_str(w, "context", p->checks[i].context);
		if (p->checks[i].app_id != 0)
			jw_int(w, app_key, p->checks[i].app_id);
		else if (null_for_any)
			jw_null(w, app_key);
		jw_close(w);
	}
}

static void contexts(struct json_writer *w, const struct sim_protection *p)
{
	jw_open_arr(w, "contexts");
	for (size_t i = 0; p != NULL && i < p->checks_n; i++)
		jw_str(w, NULL, p->checks[i].context);
	jw_close_arr(w);
	jw_open_arr(w, "checks");
	check_names(w, "app_id", p, true);
	jw_close_arr(w);
}

/* ---- the branch ---- */

static void branch_urls(struct json_writer *w, const struct sim_req *q, const char *segment)
{
	jw_open(w, "_links");
	sim_shape_urlf(w, "self", "%s/repos/%s/branches/%s", q->s->url, q->repo->full_name, segment);
	sim_shape_urlf(w, "html", "%s/%s/tree/%s", q->s->url, q->repo->full_name, segment);
	jw_close(w);
	sim_shape_urlf(w, "protection_url", "%s/repos/%s/branches/%s/protection", q->s->url, q->repo->full_name, segment);
}

void sim_get_branch(struct sim_req *q)
{
	const struct sim_ref *f = branch_of(q);
	if (f == NULL)
		return;
	const struct sim_protection *rule = classic_of(q->repo, q->part[0]); /* rulesets do not show here */
	struct buf b = {0}, segment CLEANUP_BUF = {0};
	text_url_segment(&segment, q->part[0]);
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "name", q->part[0]);
	sim_shape_commit(&w, "commit", q->s, q->repo, f->sha);
	branch_urls(&w, q, buf_str(&segment));
	jw_bool(&w, "protected", rule != NULL);
	jw_open(&w, "protection");
	jw_bool(&w, "enabled", rule != NULL);
	jw_open(&w, "required_status_checks");
	jw_str(&w, "enforcement_level", rule == NULL || rule->checks_n == 0 ? "off" : rule->admins ? "everyone" : "non_admins");
	contexts(&w, rule);
	jw_close(&w);
	jw_close(&w);
	jw_close(&w);
	sim_answer_buf(q, 200, &b);
}

/* ---- classic protection ---- */

static void classic_checks(struct json_writer *w, const char *url, const struct sim_protection *p)
{
	if (p->checks_n == 0 && !p->strict)
		return;
	jw_open(w, "required_status_checks");
	sim_shape_urlf(w, "url", "%s/required_status_checks", url);
	jw_bool(w, "strict", p->strict);
	contexts(w, p);
	sim_shape_urlf(w, "contexts_url", "%s/required_status_checks/contexts", url);
	jw_close(w);
}

static void classic_reviews(struct json_writer *w, const char *url, const struct sim_protection *p)
{
	if (p->reviews == 0 && !p->code_owners && !p->last_push && !p->dismiss_stale)
		return;
	jw_open(w, "required_pull_request_reviews");
	sim_shape_urlf(w, "url", "%s/required_pull_request_reviews", url);
	jw_bool(w, "dismiss_stale_reviews", p->dismiss_stale);
	jw_bool(w, "require_code_owner_reviews", p->code_owners);
	jw_bool(w, "require_last_push_approval", p->last_push);
	jw_int(w, "required_approving_review_count", p->reviews);
	jw_close(w);
}

static void enabled(struct json_writer *w, const char *key, const char *url, bool on)
{
	jw_open(w, key);
	if (url != NULL)
		sim_shape_urlf(w, "url", "%s/%s", url, key);
	jw_bool(w, "enabled", on);
	jw_close(w);
}

void sim_get_protection(struct sim_req *q)
{
	const struct sim_protection *rule = classic_of(q->repo, q->part[0]);
	if (branch_of(q) == NULL)
		return;
	if (rule == NULL) {
		sim_fail(q, 404, "Branch not protected");
		return;
	}
	CLEANUP_FREE char *url = xasprintf("%s%s", q->s->url, q->path);
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "url", url);
	classic_checks(&w, url, rule);
	classic_reviews(&w, url, rule);
	enabled(&w, "required_signatures", url, rule->signatures);
	enabled(&w, "enforce_admins", url, rule->admins);
	enabled(&w, "required_linear_history", NULL, false);
	enabled(&w, "allow_force_pushes", NULL, false);
	enabled(&w, "allow_deletions", NULL, false);
	enabled(&w, "block_creations", NULL, false);
	enabled(&w, "required_conversation_resolution", NULL, rule->conversations);
	enabled(&w, "lock_branch", NULL, false);
	enabled(&w, "allow_fork_syncing", NULL, false);
	jw_close(&w);
	sim_answer_buf(q, 200, &b);
}

/* ---- rulesets ---- */

static void no_parameters(struct json_writer *w, const struct sim_protection *p)
{
	(void)w;
	(void)p;
}

static void pull_request(struct json_writer *w, const struct sim_protection *p)
{
	static const char *const all[] = {"merge", "squash", "rebase"};
	jw_open(w, "parameters");
	jw_int(w, "required_approving_review_count", p->reviews);
	jw_bool(w, "dismiss_stale_reviews_on_push", p->dismiss_stale);
	jw_bool(w, "require_code_owner_review", p->code_owners);
	jw_bool(w, "require_last_push_approval", p->last_push);
	jw_bool(w, "required_review_thread_resolution", p->conversations);
	jw_open_arr(w, "allowed_merge_methods");
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (p->methods.n == 0 || strlist_has(&p->methods, all[i]))
			jw_str(w, NULL, all[i]);
	jw_close_arr(w);
	jw_close(w);
}

static void status_checks(struct json_writer *w, const struct sim_protection *p)
{
	jw_open(w, "parameters");
	jw_bool(w, "strict_required_status_checks_policy", p->strict);
	jw_bool(w, "do_not_enforce_on_create", false);
	jw_open_arr(w, "required_status_checks");
	check_names(w, "integration_id", p, false);
	jw_close_arr(w);
	jw_close(w);
}

static void merge_queue(struct json_writer *w, const struct sim_protection *p)
{
	jw_open(w, "parameters");
	jw_str(w, "merge_method", p->queue);
	jw_str(w, "grouping_strategy", "ALLGREEN");
	jw_int(w, "check_response_timeout_minutes", p->queue_minutes);
	jw_int(w, "max_entries_to_build", 1);
	jw_int(w, "max_entries_to_merge", 1);
	jw_int(w, "min_entries_to_merge", 1);
	jw_int(w, "min_entries_to_merge_wait_minutes", 0);
	jw_close(w);
}

static void deployments(struct json_writer *w, const struct sim_protection *p)
{
	jw_open(w, "parameters");
	jw_open_arr(w, "required_deployment_environments");
	for (size_t i = 0; i < p->deployments.n; i++)
		jw_str(w, NULL, p->deployments.v[i]);
	jw_close_arr(w);
	jw_close(w);
}

static bool always(const struct sim_protection *p) { return p != NULL; }
static bool has_checks(const struct sim_protection *p) { return p->checks_n > 0; }
static bool has_queue(const struct sim_protection *p) { return p->queue != NULL; }
static bool has_signatures(const struct sim_protection *p) { return p->signatures; }
static bool has_deployments(const struct sim_protection *p) { return p->deployments.n > 0; }

static const struct {
	const char *type;
	bool (*holds)(const struct sim_protection *p);
	void (*parameters)(struct json_writer *w, const struct sim_protection *p);
} types[] = {
	{"non_fast_forward", always, no_parameters},        {"pull_request", always, pull_request},
	{"deletion", always, no_parameters},                {"required_status_checks", has_checks, status_checks},
	{"merge_queue", has_queue, merge_queue},            {"required_signatures", has_signatures, no_parameters},
	{"required_deployments", has_deployments, deployments},
};

/* The n-th rule of all layers that are rulesets; false after the last. Writes it when w is not NULL. */
static bool nth_rule(const struct sim_repo *r, const char *branch, size_t n, struct json_writer *w)
{
	const struct sim_protection *p;
	for (size_t i = 0; (p = sim_rules_layer(r, branch, i)) != NULL; i++)
		for (size_t k = 0; p->how == SIM_RULESET && k < ARRAY_LEN(types); k++) {
			if (!types[k].holds(p) || n-- > 0)
				continue;
			if (w == NULL)
				return true;
			jw_open(w, NULL);
			jw_str(w, "type", types[k].type);
			jw_str(w, "ruleset_source_type", "Repository");
			jw_str(w, "ruleset_source", r->full_name);
			jw_int(w, "ruleset_id", p->id);
			types[k].parameters(w, p);
			jw_close(w);
			return true;
		}
	return false;
}

/* The branch need not exist: rules are patterns. */
void sim_get_rules(struct sim_req *q)
{
	size_t n = 0, from, to;
	while (nth_rule(q->repo, q->part[0], n, NULL))
		n++;
	sim_paginate(q, n, &from, &to);
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open_arr(&w, NULL);
	for (size_t i = from; i < to; i++)
		(void)nth_rule(q->repo, q->part[0], i, &w); /* counted above: it exists */
	jw_close_arr(&w);
	sim_answer_buf(q, 200, &b);
}

/* ---- for webhooks ---- */

void sim_shape_ruleset(struct json_writer *w, const struct sim_repo *r, const struct sim_protection *p)
{
	jw_open(w, "repository_ruleset");
	jw_int(w, "id", p->id);
	sim_shape_urlf(w, "name", "rules of %s", p->branch);
	jw_str(w, "target", "branch");
	jw_str(w, "source_type", "Repository");
	jw_str(w, "source", r->full_name);
	jw_str(w, "enforcement", "active");
	jw_open(w, "conditions");
	jw_open(w, "ref_name");
	jw_open_arr(w, "include");
	sim_shape_urlf(w, NULL, "refs/heads/%s", p->branch);
	jw_close_arr(w);
	jw_open_arr(w, "exclude");
	jw_close_arr(w);
	jw_close(w);
	jw_close(w);
	jw_open_arr(w, "rules");
	for (size_t k = 0; k < ARRAY_LEN(types); k++) {
		if (!types[k].holds(p))
			continue;
		jw_open(w, NULL);
		jw_str(w, "type", types[k].type);
		types[k].parameters(w, p);
		jw_close(w);
	}
	jw_close_arr(w);
	sim_shape_node_id(w, "RRS", p->id);
	sim_shape_time(w, "created_at", r->created_ms);
	sim_shape_time(w, "updated_at", r->pushed_ms);
	jw_close(w);
}

void sim_shape_branch_rule(struct json_writer *w, const struct sim_repo *r, const struct sim_protection *p)
{
	static const char *const off[] = {"linear_history_requirement_enforcement_level", "allow_force_pushes_enforcement_level",
					  "allow_deletions_enforcement_level", "merge_queue_enforcement_level",
					  "required_deployments_enforcement_level"};
	const char *level = p->admins ? "everyone" : "non_admins";
	jw_open(w, "rule");
	jw_int(w, "id", p->id);
	jw_int(w, "repository_id", r->id);
	jw_str(w, "name", p->branch);
	sim_shape_time(w, "created_at", r->created_ms);
	sim_shape_time(w, "updated_at", r->pushed_ms);
	jw_str(w, "pull_request_reviews_enforcement_level", p->reviews > 0 ? level : "off");
	jw_int(w, "required_approving_review_count", p->reviews);
	jw_bool(w, "dismiss_stale_reviews_on_push", p->dismiss_stale);
	jw_bool(w, "require_code_owner_review", p->code_owners);
	jw_bool(w, "authorized_dismissal_actors_only", false);
	jw_bool(w, "ignore_approvals_from_contributors", false);
	jw_bool(w, "require_last_push_approval", p->last_push);
	jw_open_arr(w, "required_status_checks");
	for (size_t i = 0; i < p->checks_n; i++)
		jw_str(w, NULL, p->checks[i].context);
	jw_close_arr(w);
	jw_str(w, "required_status_checks_enforcement_level", p->checks_n > 0 ? level : "off");
	jw_bool(w, "strict_required_status_checks_policy", p->strict);
	jw_str(w, "signature_requirement_enforcement_level", p->signatures ? level : "off");
	for (size_t i = 0; i < ARRAY_LEN(off); i++)
		jw_str(w, off[i], "off");
	jw_str(w, "required_conversation_resolution_level", p->conversations ? level : "off");
	jw_bool(w, "admin_enforced", p->admins);
	jw_bool(w, "authorized_actors_only", false);
	jw_open_arr(w, "authorized_actor_names");
	jw_close_arr(w);
	jw_close(w);
}
