/* Protection of branches: layers of classic rules and rulesets. A repository keeps copies; what they mean to a merge stands in sim_gate.c. */
#include "base/text.h"
#include "cmd/sim/sim_gate.h"

enum { QUEUE_MINUTES = 60, QUEUE_MINUTES_MAX = 360, REVIEWS_MAX = 10, CLASSIC_REVIEWS_MAX = 6, LAYERS_MAX = 64 };

void sim_rules_split(const char *words, struct strlist *out)
{
	for (const char *at = words; at != NULL && *at != '\0';) {
		size_t len = strcspn(at, ",");
		strlist_add_n(out, at, len);
		at += len + (at[len] == ',');
	}
}

const struct sim_protection *sim_rules_layer(const struct sim_repo *r, const char *branch, size_t i)
{
	for (size_t k = 0; k < r->protections_n; k++)
		if (strcmp(r->protections[k].branch, branch) == 0 && i-- == 0)
			return &r->protections[k];
	return NULL;
}

/* ---- keeping ---- */

static void forget(struct sim_protection *p)
{
	for (size_t i = 0; i < p->checks_n; i++)
		free(p->checks[i].context);
	free(p->checks);
	free(p->branch);
	free(p->queue);
	strlist_free(&p->methods);
	strlist_free(&p->deployments);
}

void sim_rules_free(struct sim_repo *r)
{
	for (size_t i = 0; i < r->protections_n; i++)
		forget(&r->protections[i]);
	free(r->protections);
	r->protections = NULL;
	r->protections_n = 0;
}

void sim_rules_renamed(struct sim_repo *r, const char *from, const char *to)
{
	for (size_t i = 0; i < r->protections_n; i++) {
		if (strcmp(r->protections[i].branch, from) != 0)
			continue;
		free(r->protections[i].branch);
		r->protections[i].branch = xstrdup(to);
	}
}

static struct sim_protection copy(struct sim *s, const char *branch, const struct sim_rules *n)
{
	struct sim_protection p = {.id = sim_new_id(s), .branch = xstrdup(branch), .how = n->how, .reviews = n->reviews,
				   .dismiss_stale = n->dismiss_stale, .code_owners = n->code_owners, .last_push = n->last_push,
				   .conversations = n->conversations, .strict = n->strict,
				   .signatures = n->signatures, .admins = n->admins, .queue = xstrdup(n->queue),
				   .queue_minutes = n->queue_minutes > 0 ? n->queue_minutes : QUEUE_MINUTES,
				   .queue_wait_ms = n->queue_wait_ms};
	p.checks = xcalloc(n->checks_n + 1, sizeof(*p.checks));
	for (size_t i = 0; i < n->checks_n; i++)
		p.checks[p.checks_n++] = (struct sim_need){.context = xstrdup(n->checks[i].context), .app_id = n->checks[i].app_id};
	sim_rules_split(n->methods, &p.methods);
	sim_rules_split(n->deployments, &p.deployments);
	return p;
}

static bool all_known(const struct strlist *words, const char *const *known, size_t known_n)
{
	for (size_t i = 0; i < words->n; i++) {
		bool found = false;
		for (size_t k = 0; k < known_n; k++)
			found = found || strcmp(words->v[i], known[k]) == 0;
		if (!found)
			return false;
	}
	return true;
}

static int check(const struct sim_rules *n, struct err *err)
{
	static const char *const methods[] = {"merge", "squash", "rebase"}, *const queues[] = {"MERGE", "SQUASH", "REBASE"};
	struct strlist words = {0}, queue = {0};
	sim_rules_split(n->methods, &words);
	sim_rules_split(n->queue, &queue);
	bool known = all_known(&words, methods, ARRAY_LEN(methods)), queue_known = queue.n <= 1 && all_known(&queue, queues, ARRAY_LEN(queues));
	strlist_free(&words);
	strlist_free(&queue);
	if (!known)
		return err_set(err, ERR_USAGE, "methods %s: there are merge, squash and rebase", n->methods);
	if (!queue_known)
		return err_set(err, ERR_USAGE, "queue %s: there are MERGE, SQUASH and REBASE", n->queue);
	int most = n->how == SIM_CLASSIC ? CLASSIC_REVIEWS_MAX : REVIEWS_MAX;
	if (n->reviews < 0 || n->reviews > most)
		return err_set(err, ERR_USAGE, "reviews %d: 0 to %d", n->reviews, most);
	if (n->queue_minutes < 0 || n->queue_minutes > QUEUE_MINUTES_MAX)
		return err_set(err, ERR_USAGE, "queue_minutes %lld: 1 to %d", (long long)n->queue_minutes, QUEUE_MINUTES_MAX);
	if (n->how == SIM_CLASSIC && (n->methods != NULL || n->queue != NULL || n->deployments != NULL))
		return err_set(err, ERR_USAGE, "methods, queue and deployments are rules of a ruleset: say protect ruleset");
	return 0;
}

/* ---- telling ---- */

static void tell(struct sim *s, struct sim_repo *r, const struct sim_protection *p, struct sim_user *u, const char *action)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	bool classic = p->how == SIM_CLASSIC;
	jw_open(&w, NULL);
	jw_str(&w, "action", action);
	if (classic)
		sim_shape_branch_rule(&w, r, p);
	else
		sim_shape_ruleset(&w, r, p);
	if (strcmp(action, "edited") == 0)
		jw_raw(&w, "changes", "{}");
	sim_shape_repo(&w, "repository", s, r, NULL);
	sim_shape_user(&w, "sender", s, u);
	jw_close(&w);
	sim_deliver(s, r, classic ? "branch_protection_rule" : "repository_ruleset", action, &b);
}

/* Removes the layers of a branch. Those that `next` continues are not told as deleted. True when there was one of its kind. */
static bool clear(struct sim *s, struct sim_repo *r, const char *branch, enum sim_protect next, struct sim_user *u)
{
	bool had = false;
	for (size_t i = 0; i < r->protections_n;) {
		struct sim_protection *p = &r->protections[i];
		if (strcmp(p->branch, branch) != 0) {
			i++;
			continue;
		}
		if (p->how == next)
			had = true;
		else if (u != NULL)
			tell(s, r, p, u, "deleted");
		forget(p);
		memmove(p, p + 1, (--r->protections_n - i) * sizeof(*p));
	}
	return had;
}

int sim_rules_set(struct sim *s, struct sim_repo *r, const char *branch, const struct sim_rules *n, struct sim_user *u, struct err *err)
{
	int rc = check(n, err);
	if (rc == 0 && r->protections_n >= LAYERS_MAX)
		rc = err_set(err, ERR_LIMIT, "%s has %d rules already", r->full_name, LAYERS_MAX);
	if (rc != 0)
		return err_wrap(err, "protect %s of %s", branch, r->full_name);
	bool had = !n->also && clear(s, r, branch, n->how, u);
	if (n->how != SIM_OPEN) {
		r->protections = xreallocarray(r->protections, r->protections_n + 1, sizeof(*r->protections));
		r->protections[r->protections_n++] = copy(s, branch, n);
		if (u != NULL)
			tell(s, r, &r->protections[r->protections_n - 1], u, had ? "edited" : "created");
	}
	sim_changed(s);
	return 0;
}

int sim_protect_with(struct sim *s, const char *repo, const char *branch, const struct sim_rules *rules, const char *user, struct err *err)
{
	struct sim_repo *r;
	int rc = sim_repo_get(s, repo, &r, err);
	return rc == 0 ? sim_rules_set(s, r, branch, rules, user != NULL ? sim_user(s, user) : NULL, err) : rc;
}

int sim_protect(struct sim *s, const char *repo, const char *branch, enum sim_protect how, int reviews, struct err *err)
{
	return sim_protect_with(s, repo, branch, &(struct sim_rules){.how = how, .reviews = reviews}, NULL, err);
}
