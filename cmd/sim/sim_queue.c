/* The merge queue: groups of one pull request, built and merged one after the other.
 *
 *   enqueued -> group commit on refs/heads/gh-readonly-queue/BASE/pr-N-SHA, merge_group.checks_requested
 *            -> all required checks of the group green: the base goes to that commit, closed (merged) and merge_group.destroyed (merged)
 *            -> red, no answer in time, a new push, a person's wish: pull_request.dequeued and merge_group.destroyed (invalidated, dequeued) */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd/sim/sim_gate.h"

enum { QUEUE_MAX = 100 };

static const struct sim_protection *rule_of(const struct sim_repo *r, const char *branch)
{
	const struct sim_protection *p;
	for (size_t i = 0; (p = sim_rules_layer(r, branch, i)) != NULL; i++)
		if (p->queue != NULL)
			return p;
	return NULL;
}

static struct sim_entry *find(const struct sim_repo *r, int64_t number)
{
	for (size_t i = 0; i < r->queue_n; i++)
		if (r->queue[i]->number == number)
			return r->queue[i];
	return NULL;
}

const struct sim_entry *sim_queue_entry(const struct sim_repo *r, int64_t number, int64_t *ret_position)
{
	const struct sim_entry *e = find(r, number);
	*ret_position = 0;
	for (size_t i = 0; e != NULL && i < r->queue_n; i++) {
		*ret_position += strcmp(r->queue[i]->base_ref, e->base_ref) == 0;
		if (r->queue[i] == e)
			break;
	}
	return e;
}

static void forget(struct sim_entry *e)
{
	loop_timer_close(e->timer);
	free(e->base_ref);
	free(e->ref);
	free(e);
}

void sim_queue_free(struct sim_repo *r)
{
	for (size_t i = 0; i < r->queue_n; i++)
		forget(r->queue[i]);
	free(r->queue);
	r->queue = NULL;
	r->queue_n = 0;
}

/* ---- telling ---- */

static void tell(const struct sim_entry *e, const char *action, const char *reason)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "action", action);
	jw_open(&w, "merge_group");
	jw_str(&w, "head_sha", e->group);
	jw_str(&w, "head_ref", e->ref);
	jw_str(&w, "base_sha", e->base);
	sim_shape_urlf(&w, "base_ref", "refs/heads/%s", e->base_ref);
	sim_shape_head_commit(&w, "head_commit", e->s, e->r, e->group);
	jw_close(&w);
	if (reason != NULL)
		jw_str(&w, "reason", reason);
	sim_shape_repo(&w, "repository", e->s, e->r, NULL);
	sim_shape_user(&w, "sender", e->s, e->user);
	jw_close(&w);
	sim_deliver(e->s, e->r, "merge_group", action, &b);
}

/* ---- leaving ---- */

static void drop_ref(const struct sim_entry *e)
{
	struct err err = {0};
	if (e->ref == NULL)
		return;
	sim_ref_set(e->r, e->ref, NULL);
	if (sim_git(e->s, e->r->git_dir, (const char *const[]){"update-ref", "-d", e->ref, NULL}, NULL, NULL, &err) != 0)
		log_warn("sim.queue", "error=%s", log_value(err.msg));
}

static void unlink_entry(struct sim_entry *e)
{
	struct sim_repo *r = e->r;
	size_t i = 0;
	while (r->queue[i] != e)
		i++;
	r->queue_n--;
	memmove(&r->queue[i], &r->queue[i + 1], (r->queue_n - i) * sizeof(struct sim_entry *));
}

static void build_next(struct sim *s, struct sim_repo *r, const char *base_ref);

/* group_reason NULL: by what happened to the pull request. */
static void leave(struct sim_entry *e, const char *reason, const char *group_reason)
{
	struct sim *s = e->s;
	struct sim_repo *r = e->r;
	struct sim_pull *p = sim_pull_find(r, e->number);
	struct buf text CLEANUP_BUF = {0};
	CLEANUP_FREE char *base_ref = xstrdup(e->base_ref);
	json_quote(&text, reason, strlen(reason));
	unlink_entry(e);
	if (e->group[0] != '\0') {
		drop_ref(e);
		tell(e, "destroyed", group_reason);
	}
	sim_hook_pull_with(s, r, p, e->user, "dequeued", "reason", buf_str(&text));
	forget(e);
	sim_changed(s);
	build_next(s, r, base_ref);
}

int sim_queue_leave(struct sim *s, const char *repo, int64_t n, const char *reason, struct err *err)
{
	static const char *const reasons[] = {"MANUAL", "MERGE", "MERGE_CONFLICT", "CI_FAILURE", "CI_TIMEOUT", "ALREADY_MERGED", "QUEUE_CLEARED",
					      "ROLL_BACK", "BRANCH_PROTECTIONS", "GIT_TREE_INVALID", "INVALID_MERGE_COMMIT", "UNKNOWN_REMOVAL_REASON"};
	struct sim_repo *r;
	struct sim_pull *p;
	int rc = sim_pull_get(s, repo, n, &r, &p, err);
	bool known = false;
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		known = known || strcmp(reasons[i], reason) == 0;
	if (!known)
		return err_set(err, ERR_USAGE, "reason %s: there are MANUAL, CI_FAILURE, CI_TIMEOUT, MERGE_CONFLICT, QUEUE_CLEARED and more", reason);
	struct sim_entry *e = find(r, p->number);
	if (e == NULL)
		return err_set(err, ERR_NOT_FOUND, "#%lld is not in the merge queue", (long long)n);
	leave(e, reason, strcmp(reason, "MANUAL") == 0 || strcmp(reason, "QUEUE_CLEARED") == 0 ? "dequeued" : "invalidated");
	return 0;
}

void sim_queue_pushed(struct sim_repo *r, const struct sim_pull *p)
{
	struct sim_entry *e = find(r, p->number);
	if (e != NULL)
		leave(e, "MANUAL", "invalidated");
}

/* ---- a group ---- */

static void on_time_out(void *arg) { leave(arg, "CI_TIMEOUT", "invalidated"); }

/* Makes the commit that merging would make, on a branch of its own. */
static int build(struct sim_entry *e, const struct sim_protection *rule, struct err *err)
{
	struct sim_pull *p = sim_pull_find(e->r, e->number);
	const char *method = strcmp(rule->queue, "SQUASH") == 0 ? "squash" : strcmp(rule->queue, "REBASE") == 0 ? "rebase" : "merge";
	int rc = sim_pull_test(e->s, e->r, p, err);
	if (rc == 0 && !p->mergeable)
		return err_set(err, ERR_REFUSED, "#%lld does not merge", (long long)p->number);
	if (rc == 0)
		rc = sim_pull_tip(e->s, e->r, p, method, NULL, NULL, e->group, err);
	if (rc != 0)
		return rc;
	(void)snprintf(e->base, sizeof(e->base), "%s", p->tested_base);
	e->ref = xasprintf("refs/heads/gh-readonly-queue/%s/pr-%lld-%s", e->base_ref, (long long)p->number, e->base);
	rc = sim_git_update_ref(e->s, e->r, e->ref, e->group, err);
	if (rc != 0)
		return rc;
	sim_note(e->r, e->group)->verified = true;
	rc = sim_moved(e->s, e->r, e->ref, "", e->group, e->user, err);
	loop_timer_close(e->timer);
	e->timer = loop_timer_new(e->s->l, on_time_out, e);
	loop_timer_start(e->timer, rule->queue_wait_ms > 0 ? rule->queue_wait_ms : rule->queue_minutes * 60 * 1000, 0);
	tell(e, "checks_requested", NULL);
	return rc;
}

/* The first entry of a branch that has no group gets one; entries that cannot be built leave. */
static void build_next(struct sim *s, struct sim_repo *r, const char *base_ref)
{
	const struct sim_protection *rule = rule_of(r, base_ref);
	struct err err = {0};
	struct sim_entry *first = NULL;
	for (size_t i = 0; first == NULL && i < r->queue_n; i++)
		if (strcmp(r->queue[i]->base_ref, base_ref) == 0)
			first = r->queue[i];
	if (first == NULL || first->group[0] != '\0' || s->closing)
		return;
	if (rule == NULL)
		leave(first, "BRANCH_PROTECTIONS", "invalidated");
	else if (build(first, rule, &err) != 0)
		leave(first, "MERGE_CONFLICT", "invalidated");
	else
		sim_queue_look(s, r, first->group);
}

/* The base moved by another way: a group on top of the older one is worth nothing, and is made again. */
void sim_queue_base_moved(struct sim_repo *r, const char *ref, const char *sha)
{
	for (size_t i = 0; i < r->queue_n; i++) {
		struct sim_entry *e = r->queue[i];
		CLEANUP_FREE char *base = xasprintf("refs/heads/%s", e->base_ref);
		if (strcmp(base, ref) != 0 || e->group[0] == '\0' || strcmp(e->base, sha) == 0)
			continue;
		drop_ref(e);
		tell(e, "destroyed", "invalidated");
		free(e->ref);
		e->ref = NULL;
		e->group[0] = '\0';
		build_next(e->s, r, e->base_ref);
		return;
	}
}

static void on_turn(void *arg)
{
	struct sim_entry *e = arg;
	build_next(e->s, e->r, e->base_ref);
}

/* The worst of all layers' checks on the group. */
static enum sim_need_state checks_of(const struct sim_entry *e)
{
	const struct sim_protection *p;
	enum sim_need_state worst = SIM_NEED_GREEN;
	for (size_t i = 0; (p = sim_rules_layer(e->r, e->base_ref, i)) != NULL; i++)
		for (size_t k = 0; k < p->checks_n; k++) {
			enum sim_need_state one = sim_gate_need(e->r, e->group, &p->checks[k]);
			if (one == SIM_NEED_RED)
				return one;
			if (one != SIM_NEED_GREEN)
				worst = SIM_NEED_EXPECTED;
		}
	return worst;
}

static void land(struct sim_entry *e)
{
	struct sim *s = e->s;
	struct sim_repo *r = e->r;
	struct sim_pull *p = sim_pull_find(r, e->number);
	struct err err = {0};
	CLEANUP_FREE char *base_ref = xstrdup(e->base_ref);
	unlink_entry(e);
	drop_ref(e);
	if (sim_pull_land(s, r, p, e->user, e->group, &err) != 0)
		log_warn("sim.queue", "error=%s", log_value(err.msg));
	sim_hook_pull_with(s, r, p, e->user, "dequeued", "reason", "\"MERGE\"");
	tell(e, "destroyed", "merged");
	forget(e);
	build_next(s, r, base_ref);
}

void sim_queue_look(struct sim *s, struct sim_repo *r, const char *sha)
{
	(void)s;
	for (size_t i = 0; i < r->queue_n; i++) {
		struct sim_entry *e = r->queue[i];
		if (strcmp(e->group, sha) != 0)
			continue;
		enum sim_need_state state = checks_of(e);
		if (state == SIM_NEED_RED)
			leave(e, "CI_FAILURE", "invalidated");
		else if (state == SIM_NEED_GREEN)
			land(e);
		return;
	}
}

/* ---- entering ---- */

int sim_queue_enter(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_user *u, const char *head, struct err *err)
{
	if (p->merged || !p->open)
		return err_set(err, ERR_REFUSED, "Pull request is not open");
	if (head != NULL && strcmp(head, p->head) != 0)
		return err_set(err, ERR_CONFLICT, "Head branch was modified. Review and try the merge again.");
	if (rule_of(r, p->base_ref) == NULL)
		return err_set(err, ERR_REFUSED, "Branch %s does not use a merge queue", p->base_ref);
	if (find(r, p->number) != NULL)
		return err_set(err, ERR_REFUSED, "Pull request is already in the queue");
	if (p->draft)
		return err_set(err, ERR_REFUSED, "Pull request is in draft state");
	if (r->queue_n >= QUEUE_MAX)
		return err_set(err, ERR_LIMIT, "The merge queue is full");
	const char *why = sim_gate_obstacle(s, r, p, u, NULL);
	if (why != NULL)
		return err_set(err, ERR_REFUSED, "%s", why);
	struct sim_entry *e = xcalloc(1, sizeof(*e));
	*e = (struct sim_entry){.id = sim_new_id(s), .number = p->number, .at_ms = clock_wall_ms(), .user = u, .base_ref = xstrdup(p->base_ref),
				.s = s, .r = r};
	(void)snprintf(e->head, sizeof(e->head), "%s", p->head);
	r->queue = xreallocarray(r->queue, r->queue_n + 1, sizeof(struct sim_entry *));
	r->queue[r->queue_n++] = e;
	sim_hook_pull_with(s, r, p, u, "enqueued", NULL, NULL);
	e->timer = loop_timer_new(s->l, on_turn, e); /* the answer comes first */
	loop_timer_start(e->timer, 0, 0);
	sim_changed(s);
	return 0;
}
