/* A repository and a pull request as GraphQL knows them, with everything that can be selected. Lists that are paged are {"__connection": [...]}. */
#include "base/log.h"
#include "base/text.h"
#include "cmd/sim/sim_gate.h"

static void open_object(struct json_writer *w, const char *key, const char *type)
{
	jw_open(w, key);
	jw_str(w, "__typename", type);
}

static void open_list(struct json_writer *w, const char *key)
{
	jw_open(w, key);
	jw_open_arr(w, "__connection");
}

static void close_list(struct json_writer *w)
{
	jw_close_arr(w);
	jw_close(w);
}

static void node_id(struct json_writer *w, const char *prefix, int64_t id)
{
	sim_shape_urlf(w, "id", "%s_sim%lld", prefix, (long long)id);
}

static void actor(struct json_writer *w, const char *key, const struct sim_user *u)
{
	if (u == NULL || u->gone) {
		jw_null(w, key);
		return;
	}
	/* a bot's login has no "[bot]" here */
	size_t len = strlen(u->login) - (u->bot ? strlen("[bot]") : 0);
	open_object(w, key, u->bot ? "Bot" : "User");
	jw_strn(w, "login", u->login, len);
	jw_int(w, "databaseId", u->id);
	jw_close(w);
}

static void oid(struct json_writer *w, const char *key, const char *sha)
{
	if (sha[0] == '\0') {
		jw_null(w, key);
		return;
	}
	open_object(w, key, "Commit");
	jw_str(w, "oid", sha);
	jw_close(w);
}

/* ---- rules ---- */

static void classic(struct json_writer *w, const struct sim_repo *r, const char *branch)
{
	const struct sim_protection *p;
	size_t i = 0;
	while ((p = sim_rules_layer(r, branch, i)) != NULL && p->how != SIM_CLASSIC)
		i++;
	if (p == NULL) {
		jw_null(w, "branchProtectionRule");
		return;
	}
	open_object(w, "branchProtectionRule", "BranchProtectionRule");
	jw_bool(w, "requiresApprovingReviews", p->reviews > 0);
	jw_int(w, "requiredApprovingReviewCount", p->reviews);
	jw_bool(w, "requiresCodeOwnerReviews", p->code_owners);
	jw_bool(w, "dismissesStaleReviews", p->dismiss_stale);
	jw_bool(w, "requireLastPushApproval", p->last_push);
	jw_bool(w, "isAdminEnforced", p->admins);
	jw_bool(w, "requiresStatusChecks", p->checks_n > 0);
	jw_bool(w, "requiresStrictStatusChecks", p->strict);
	jw_bool(w, "requiresCommitSignatures", p->signatures);
	jw_bool(w, "requiresConversationResolution", p->conversations);
	jw_open_arr(w, "requiredStatusChecks");
	for (size_t k = 0; k < p->checks_n; k++) {
		open_object(w, NULL, "RequiredStatusCheckDescription");
		jw_str(w, "context", p->checks[k].context);
		if (p->checks[k].app_id != 0) {
			open_object(w, "app", "App");
			jw_int(w, "databaseId", p->checks[k].app_id);
			jw_close(w);
		} else {
			jw_null(w, "app");
		}
		jw_close(w);
	}
	jw_close_arr(w);
	jw_close(w);
}

typedef void (*parameters_fn)(struct json_writer *w, const struct sim_protection *p);

static void rule(struct json_writer *w, const struct sim_protection *p, const char *type, parameters_fn parameters)
{
	open_object(w, NULL, "RepositoryRule");
	jw_str(w, "type", type);
	open_object(w, "repositoryRuleset", "RepositoryRuleset");
	jw_int(w, "databaseId", p->id);
	jw_str(w, "enforcement", "ACTIVE");
	jw_close(w);
	if (parameters != NULL)
		parameters(w, p);
	else
		jw_null(w, "parameters");
	jw_close(w);
}

static void pull_parameters(struct json_writer *w, const struct sim_protection *p)
{
	open_object(w, "parameters", "PullRequestParameters");
	jw_int(w, "requiredApprovingReviewCount", p->reviews);
	jw_bool(w, "dismissStaleReviewsOnPush", p->dismiss_stale);
	jw_bool(w, "requireCodeOwnerReview", p->code_owners);
	jw_bool(w, "requireLastPushApproval", p->last_push);
	jw_bool(w, "requiredReviewThreadResolution", p->conversations);
	jw_close(w);
}

static void check_parameters(struct json_writer *w, const struct sim_protection *p)
{
	open_object(w, "parameters", "RequiredStatusChecksParameters");
	jw_bool(w, "strictRequiredStatusChecksPolicy", p->strict);
	jw_open_arr(w, "requiredStatusChecks");
	for (size_t i = 0; i < p->checks_n; i++) {
		open_object(w, NULL, "StatusCheckConfiguration");
		jw_str(w, "context", p->checks[i].context);
		if (p->checks[i].app_id != 0)
			jw_int(w, "integrationId", p->checks[i].app_id);
		else
			jw_null(w, "integrationId");
		jw_close(w);
	}
	jw_close_arr(w);
	jw_close(w);
}

static void queue_parameters(struct json_writer *w, const struct sim_protection *p)
{
	open_object(w, "parameters", "MergeQueueParameters");
	jw_str(w, "mergeMethod", p->queue);
	jw_int(w, "checkResponseTimeoutMinutes", p->queue_minutes);
	jw_close(w);
}

static void deployment_parameters(struct json_writer *w, const struct sim_protection *p)
{
	open_object(w, "parameters", "RequiredDeploymentsParameters");
	jw_open_arr(w, "requiredDeploymentEnvironments");
	for (size_t i = 0; i < p->deployments.n; i++)
		jw_str(w, NULL, p->deployments.v[i]);
	jw_close_arr(w);
	jw_close(w);
}

static void base_ref(struct json_writer *w, struct sim_repo *r, const char *branch)
{
	const struct sim_protection *p;
	open_object(w, "baseRef", "Ref");
	jw_str(w, "name", branch);
	classic(w, r, branch);
	open_list(w, "rules");
	for (size_t i = 0; (p = sim_rules_layer(r, branch, i)) != NULL; i++) {
		if (p->how != SIM_RULESET)
			continue;
		rule(w, p, "NON_FAST_FORWARD", NULL);
		rule(w, p, "PULL_REQUEST", pull_parameters);
		rule(w, p, "DELETION", NULL);
		if (p->checks_n > 0)
			rule(w, p, "REQUIRED_STATUS_CHECKS", check_parameters);
		if (p->queue != NULL)
			rule(w, p, "MERGE_QUEUE", queue_parameters);
		if (p->signatures)
			rule(w, p, "REQUIRED_SIGNATURES", NULL);
		if (p->deployments.n > 0)
			rule(w, p, "REQUIRED_DEPLOYMENTS", deployment_parameters);
	}
	close_list(w);
	jw_close(w);
}

/* ---- conversation ---- */

static void threads(struct json_writer *w, const struct sim_pull *p)
{
	open_list(w, "reviewThreads");
	for (int64_t i = 0; i < p->threads_open + p->threads_done; i++) {
		open_object(w, NULL, "PullRequestReviewThread");
		sim_shape_urlf(w, "id", "PRRT_sim%lld_%lld", (long long)p->id, (long long)i);
		jw_bool(w, "isResolved", i >= p->threads_open);
		jw_bool(w, "isOutdated", false);
		jw_close(w);
	}
	close_list(w);
}

static bool is_latest(const struct sim_pull *p, size_t i)
{
	if (strcmp(p->reviews[i].state, "COMMENTED") == 0)
		return false;
	for (size_t k = i + 1; k < p->reviews_n; k++)
		if (p->reviews[k].user == p->reviews[i].user && strcmp(p->reviews[k].state, "COMMENTED") != 0)
			return false;
	return true;
}

static void reviews(struct json_writer *w, const char *key, const struct sim_repo *r, const struct sim_pull *p, bool latest)
{
	open_list(w, key);
	for (size_t i = 0; i < p->reviews_n; i++) {
		const struct sim_rev *v = &p->reviews[i];
		if (latest && !is_latest(p, i))
			continue;
		open_object(w, NULL, "PullRequestReview");
		node_id(w, "PRR", v->id);
		jw_int(w, "databaseId", v->id);
		jw_str(w, "state", v->state);
		sim_shape_time(w, "submittedAt", v->at_ms);
		jw_bool(w, "authorCanPushToRepository", sim_may(r, v->user, "write"));
		oid(w, "commit", v->commit);
		actor(w, "author", v->user);
		open_list(w, "onBehalfOf");
		close_list(w);
		jw_close(w);
	}
	close_list(w);
}

/* ---- the head commit ---- */

static const char *upper(const char *state, char out[24])
{
	size_t n = 0;
	for (; state[n] != '\0' && n < 23; n++)
		out[n] = (char)(state[n] >= 'a' && state[n] <= 'z' ? state[n] - 'a' + 'A' : state[n]);
	out[n] = '\0';
	return out;
}

static void suite_app(struct json_writer *w, int64_t id)
{
	open_object(w, "app", "App");
	jw_int(w, "databaseId", id);
	jw_close(w);
}

static void contexts(struct json_writer *w, const struct sim_repo *r, const char *sha)
{
	char text[24];
	open_list(w, "contexts");
	for (size_t i = 0; i < r->checks_n; i++) {
		const struct sim_mark *m = &r->checks[i];
		if (strcmp(m->sha, sha) != 0)
			continue;
		open_object(w, NULL, "CheckRun");
		jw_int(w, "databaseId", m->id);
		jw_str(w, "name", m->context);
		jw_str(w, "status", m->state != NULL ? "COMPLETED" : "IN_PROGRESS");
		jw_str(w, "conclusion", m->state != NULL ? upper(m->state, text) : NULL);
		open_object(w, "checkSuite", "CheckSuite");
		suite_app(w, m->app_id);
		jw_close(w);
		jw_close(w);
	}
	for (size_t i = 0; i < r->statuses_n; i++) {
		const struct sim_mark *m = &r->statuses[i];
		bool newest = strcmp(m->sha, sha) == 0;
		for (size_t k = i + 1; newest && k < r->statuses_n; k++)
			newest = strcmp(r->statuses[k].sha, sha) != 0 || !text_same_case(r->statuses[k].context, m->context);
		if (!newest)
			continue;
		open_object(w, NULL, "StatusContext");
		jw_str(w, "context", m->context);
		jw_str(w, "state", upper(m->state, text));
		actor(w, "creator", m->user);
		jw_close(w);
	}
	close_list(w);
}

static const char *rollup(const struct sim_repo *r, const char *sha)
{
	const char *all = NULL;
	for (size_t i = 0; i < r->statuses_n + r->checks_n; i++) {
		const struct sim_mark *m = i < r->statuses_n ? &r->statuses[i] : &r->checks[i - r->statuses_n];
		if (strcmp(m->sha, sha) != 0)
			continue;
		if (m->state == NULL || strcmp(m->state, "pending") == 0)
			all = "PENDING";
		else if (strcmp(m->state, "success") == 0 || strcmp(m->state, "neutral") == 0 || strcmp(m->state, "skipped") == 0)
			all = all != NULL ? all : "SUCCESS";
		else
			return "FAILURE";
	}
	return all;
}

static void head_commit(struct json_writer *w, const struct sim_repo *r, const char *sha)
{
	const struct sim_note *note = sim_note_find(r, sha);
	const char *state = rollup(r, sha);
	open_object(w, "commit", "Commit");
	jw_str(w, "oid", sha);
	open_list(w, "checkSuites");
	if (note != NULL && note->pushed_ms != 0) {
		open_object(w, NULL, "CheckSuite");
		sim_shape_time(w, "createdAt", note->pushed_ms);
		suite_app(w, SIM_APP_ACTIONS);
		jw_close(w);
	}
	close_list(w);
	if (state != NULL) {
		open_object(w, "statusCheckRollup", "StatusCheckRollup");
		jw_str(w, "state", state);
		contexts(w, r, sha);
		jw_close(w);
	} else {
		jw_null(w, "statusCheckRollup");
	}
	jw_close(w);
}

/* ---- the pull request ---- */

void sim_graph_entry(struct json_writer *w, const char *key, const struct sim_repo *r, int64_t number)
{
	int64_t position;
	const struct sim_entry *e = sim_queue_entry(r, number, &position);
	if (e == NULL) {
		jw_null(w, key);
		return;
	}
	open_object(w, key, "MergeQueueEntry");
	node_id(w, "MQE", e->id);
	jw_int(w, "position", position);
	jw_str(w, "state", e->group[0] != '\0' ? "AWAITING_CHECKS" : "QUEUED");
	sim_shape_time(w, "enqueuedAt", e->at_ms);
	oid(w, "headCommit", e->group);
	oid(w, "baseCommit", e->base);
	jw_close(w);
}

static const char *decision(struct sim *s, struct sim_repo *r, struct sim_pull *p)
{
	const struct sim_protection *rule = NULL;
	bool needed = false;
	for (size_t i = 0; (rule = sim_rules_layer(r, p->base_ref, i)) != NULL; i++)
		needed = needed || rule->reviews > 0;
	if (!needed)
		return NULL;
	for (size_t i = 0; i < p->reviews_n; i++)
		if (is_latest(p, i) && strcmp(p->reviews[i].state, "CHANGES_REQUESTED") == 0 && sim_may(r, p->reviews[i].user, "write"))
			return "CHANGES_REQUESTED";
	const char *why = sim_gate_obstacle(s, r, p, NULL, NULL);
	return why != NULL && strstr(why, "approving review") != NULL ? "REVIEW_REQUIRED" : "APPROVED";
}

static void pull_state(struct json_writer *w, struct sim *s, struct sim_repo *r, struct sim_pull *p, const struct sim_user *viewer)
{
	char text[24];
	const char *state = sim_pull_state(s, r, p);
	bool known = strcmp(state, "unknown") != 0 && p->unknown_reads == 0;
	jw_str(w, "state", p->merged ? "MERGED" : p->open ? "OPEN" : "CLOSED");
	jw_bool(w, "isDraft", p->draft);
	jw_bool(w, "isCrossRepository", p->fork_owner != NULL);
	jw_bool(w, "merged", p->merged);
	jw_bool(w, "locked", false);
	jw_int(w, "changedFiles", p->changed_files);
	jw_str(w, "reviewDecision", decision(s, r, p));
	jw_str(w, "mergeable", !known ? "UNKNOWN" : p->mergeable ? "MERGEABLE" : "CONFLICTING");
	jw_str(w, "mergeStateStatus", known ? upper(state, text) : "UNKNOWN");
	jw_bool(w, "viewerCanMergeAsAdmin", !viewer->bot && sim_may(r, viewer, "admin"));
}

static void pull_sides(struct json_writer *w, struct sim_repo *r, const struct sim_pull *p)
{
	bool gone = p->fork_owner != NULL && (p->fork_gone || p->fork_owner->gone);
	jw_str(w, "headRefOid", p->head);
	jw_str(w, "headRefName", p->head_ref);
	jw_str(w, "baseRefOid", p->base);
	jw_str(w, "baseRefName", p->base_ref);
	if (gone) {
		jw_null(w, "headRepository");
	} else {
		open_object(w, "headRepository", "Repository");
		jw_int(w, "databaseId", p->fork_owner != NULL ? r->id + 1000000 + p->fork_owner->id % 1000 : r->id);
		sim_shape_urlf(w, "nameWithOwner", "%s/%s", p->fork_owner != NULL ? p->fork_owner->login : r->owner, r->name);
		jw_close(w);
	}
	oid(w, "mergeCommit", p->merged_as);
	oid(w, "potentialMergeCommit", p->merged ? "" : p->test_merge);
	base_ref(w, r, p->base_ref);
}

static void pull_request(struct json_writer *w, struct sim *s, struct sim_repo *r, struct sim_pull *p, const struct sim_user *viewer)
{
	int64_t position;
	open_object(w, "pullRequest", "PullRequest");
	node_id(w, "PR", p->id);
	jw_int(w, "databaseId", p->id);
	jw_int(w, "number", p->number);
	jw_str(w, "title", p->title);
	pull_state(w, s, r, p, viewer);
	pull_sides(w, r, p);
	actor(w, "author", p->user);
	jw_bool(w, "isInMergeQueue", sim_queue_entry(r, p->number, &position) != NULL);
	sim_graph_entry(w, "mergeQueueEntry", r, p->number);
	reviews(w, "reviews", r, p, false);
	reviews(w, "latestOpinionatedReviews", r, p, true);
	threads(w, p);
	open_list(w, "labels");
	for (size_t i = 0; i < p->labels.n; i++) {
		open_object(w, NULL, "Label");
		jw_str(w, "name", p->labels.v[i]);
		jw_close(w);
	}
	close_list(w);
	open_list(w, "commits");
	open_object(w, NULL, "PullRequestCommit");
	head_commit(w, r, p->head);
	jw_close(w);
	close_list(w);
	jw_close(w);
}

void sim_graph_repo(struct json_writer *w, struct sim *s, struct sim_repo *r, struct sim_pull *pull, const struct sim_user *viewer)
{
	open_object(w, NULL, "Repository");
	node_id(w, "R", r->id);
	jw_int(w, "databaseId", r->id);
	jw_str(w, "name", r->name);
	jw_str(w, "nameWithOwner", r->full_name);
	jw_bool(w, "isArchived", r->archived);
	open_object(w, "defaultBranchRef", "Ref");
	jw_str(w, "name", r->default_branch);
	jw_close(w);
	if (pull != NULL)
		pull_request(w, s, r, pull, viewer);
	else
		jw_null(w, "pullRequest");
	jw_close(w);
}
