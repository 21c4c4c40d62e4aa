/* What a merge still needs, from the rules of the base branch: written from GitHub's documentation and apart from the product's own gate, so
 * that a mistake in one of them shows. All layers of a branch must be content; the first complaint is the answer. */
#include "base/log.h"
#include "base/text.h"
#include "cmd/sim/sim_gate.h"

/* The newest opinion of somebody who may write; comments are none. */
static bool counts(const struct sim_repo *r, const struct sim_pull *p, size_t i)
{
	const struct sim_rev *v = &p->reviews[i];
	if (strcmp(v->state, "COMMENTED") == 0 || v->user->gone || !sim_may(r, v->user, "write"))
		return false;
	for (size_t k = i + 1; k < p->reviews_n; k++)
		if (p->reviews[k].user == v->user && strcmp(p->reviews[k].state, "COMMENTED") != 0)
			return false;
	return true;
}

bool sim_gate_approved_by(const struct sim_repo *r, const struct sim_pull *p, const struct sim_user *u)
{
	for (size_t i = 0; i < p->reviews_n; i++)
		if (p->reviews[i].user == u && counts(r, p, i) && strcmp(p->reviews[i].state, "APPROVED") == 0)
			return true;
	return false;
}

/* -1 when somebody wants changes. */
static int approvals(const struct sim_repo *r, const struct sim_pull *p)
{
	int n = 0;
	for (size_t i = 0; i < p->reviews_n; i++) {
		if (!counts(r, p, i))
			continue;
		if (strcmp(p->reviews[i].state, "CHANGES_REQUESTED") == 0)
			return -1;
		n += strcmp(p->reviews[i].state, "APPROVED") == 0;
	}
	return n;
}

static bool push_approved(const struct sim_repo *r, const struct sim_pull *p)
{
	for (size_t i = 0; i < p->reviews_n; i++) {
		const struct sim_rev *v = &p->reviews[i];
		if (counts(r, p, i) && strcmp(v->state, "APPROVED") == 0 && v->user != p->pusher && strcmp(v->commit, p->head) == 0)
			return true;
	}
	return false;
}

/* ---- checks ---- */

static bool is_green(const char *state)
{
	return strcmp(state, "success") == 0 || strcmp(state, "skipped") == 0 || strcmp(state, "neutral") == 0;
}

static bool is_of(const struct sim_mark *m, const char *sha, const struct sim_need *need)
{
	return strcmp(m->sha, sha) == 0 && text_same_case(m->context, need->context);
}

static bool is_last(const struct sim_mark *m, size_t i, size_t n)
{
	for (size_t k = i + 1; k < n; k++)
		if (strcmp(m[k].sha, m[i].sha) == 0 && text_same_case(m[k].context, m[i].context) && m[k].app_id == m[i].app_id)
			return false;
	return true;
}

/* What weighs most of what has been seen so far and of one list of marks. */
static enum sim_need_state look(const struct sim_mark *m, size_t n, const char *sha, const struct sim_need *need, enum sim_need_state worst)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_of(&m[i], sha, need) || !is_last(m, i, n))
			continue;
		enum sim_need_state one = SIM_NEED_RED;
		if (need->app_id != 0 && m[i].app_id != need->app_id)
			one = SIM_NEED_OTHER_APP;
		else if (m[i].state == NULL || strcmp(m[i].state, "pending") == 0)
			one = SIM_NEED_RUNNING;
		else if (is_green(m[i].state))
			one = SIM_NEED_GREEN;
		worst = one > worst ? one : worst;
	}
	return worst;
}

enum sim_need_state sim_gate_need(const struct sim_repo *r, const char *sha, const struct sim_need *need)
{
	enum sim_need_state state = look(r->statuses, r->statuses_n, sha, need, SIM_NEED_EXPECTED);
	return look(r->checks, r->checks_n, sha, need, state);
}

static bool lacks_checks(struct sim *s, const struct sim_repo *r, const struct sim_pull *p, const struct sim_protection *rule)
{
	static const char *const words[] = {[SIM_NEED_GREEN] = "is successful", [SIM_NEED_RUNNING] = "is in progress", [SIM_NEED_RED] = "is failing",
					    [SIM_NEED_EXPECTED] = "is expected", [SIM_NEED_OTHER_APP] = "was not set by the expected GitHub app"};
	for (size_t i = 0; i < rule->checks_n; i++) {
		enum sim_need_state state = sim_gate_need(r, p->head, &rule->checks[i]);
		if (state == SIM_NEED_GREEN)
			continue;
		(void)snprintf(s->why, sizeof(s->why), "Required status check \"%s\" %s.", rule->checks[i].context, words[state]);
		return true;
	}
	return false;
}

static bool is_behind(struct sim *s, struct sim_repo *r, const struct sim_pull *p)
{
	CLEANUP_FREE char *name = xasprintf("refs/heads/%s", p->base_ref);
	const struct sim_ref *base = sim_ref_find(r, name);
	struct err err = {0};
	int code = 0;
	if (base == NULL)
		return true;
	if (sim_git_code(s, r->git_dir, (const char *const[]){"merge-base", "--is-ancestor", base->sha, p->head, NULL}, NULL, NULL, &code, &err) == 0)
		return code != 0;
	log_warn("sim.behind", "error=%s", log_value(err.msg));
	return true;
}

/* ---- the rest ---- */

static bool lacks_deployment(struct sim *s, const struct sim_repo *r, const struct sim_pull *p, const struct sim_protection *rule)
{
	for (size_t i = 0; i < rule->deployments.n; i++) {
		const char *state = sim_deploy_state(r, p->head, rule->deployments.v[i]);
		if (state != NULL && strcmp(state, "success") == 0)
			continue;
		(void)snprintf(s->why, sizeof(s->why), "Missing successful active %s deployment.", rule->deployments.v[i]);
		return true;
	}
	return false;
}

static bool lacks_owners(struct sim *s, struct sim_repo *r, struct sim_pull *p)
{
	struct buf names CLEANUP_BUF = {0};
	if (!sim_owners_missing(s, r, p, &names))
		return false;
	(void)snprintf(s->why, sizeof(s->why), "Waiting on code owner review from %.400s.", buf_str(&names));
	return true;
}

static bool say(struct sim *s, const char *why)
{
	(void)snprintf(s->why, sizeof(s->why), "%s", why);
	return true;
}

static bool lacks_reviews(struct sim *s, const struct sim_repo *r, const struct sim_pull *p, const struct sim_protection *rule)
{
	int n = approvals(r, p);
	if (rule->reviews > 0 && n < rule->reviews) {
		(void)snprintf(s->why, sizeof(s->why), "At least %d approving review%s required by reviewers with write access.", rule->reviews,
			       rule->reviews == 1 ? " is" : "s are");
		return true;
	}
	if (rule->last_push && !push_approved(r, p))
		return say(s, "New changes require approval from someone other than the last pusher.");
	return false;
}

static bool complains(struct sim *s, struct sim_repo *r, struct sim_pull *p, const struct sim_protection *rule, const char *method)
{
	if (rule->queue != NULL && method != NULL)
		return say(s, "Changes must be made through the merge queue");
	if (rule->methods.n > 0 && method != NULL && !strlist_has(&rule->methods, method)) {
		(void)snprintf(s->why, sizeof(s->why), "The merge method %s is not allowed by the rules of this branch.", method);
		return true;
	}
	if (lacks_reviews(s, r, p, rule) || (rule->code_owners && lacks_owners(s, r, p)))
		return true;
	if (rule->conversations && p->threads_open > 0)
		return say(s, "All comments must be resolved.");
	if (lacks_checks(s, r, p, rule) || lacks_deployment(s, r, p, rule))
		return true;
	if (rule->strict && is_behind(s, r, p))
		return say(s, "This branch is out-of-date with the base branch.");
	if (rule->signatures && !sim_commits_verified(s, r, p))
		return say(s, "Commits must have verified signatures.");
	return false;
}

const char *sim_gate_obstacle(struct sim *s, struct sim_repo *r, struct sim_pull *p, const struct sim_user *u, const char *method)
{
	const struct sim_protection *rule;
	bool boss = u != NULL && !u->bot && sim_may(r, u, "admin");
	for (size_t i = 0; (rule = sim_rules_layer(r, p->base_ref, i)) != NULL; i++)
		if (!(boss && rule->how == SIM_CLASSIC && !rule->admins) && complains(s, r, p, rule, method))
			return s->why;
	return NULL;
}

void sim_gate_pushed(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_user *u)
{
	const struct sim_protection *rule;
	bool drops = false;
	for (size_t i = 0; (rule = sim_rules_layer(r, p->base_ref, i)) != NULL; i++)
		drops = drops || rule->dismiss_stale;
	for (size_t i = 0; drops && i < p->reviews_n; i++) {
		if (strcmp(p->reviews[i].state, "APPROVED") != 0)
			continue;
		p->reviews[i].state = "DISMISSED";
		sim_hook_review_as(s, r, p, &p->reviews[i], "dismissed", u);
	}
}
