/* What git says of a pull request: how much it changes, whether it merges, and the merge itself. */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd/sim/sim_gate.h"

static int64_t take_number(const char **p)
{
	int64_t n = 0;
	for (; **p >= '0' && **p <= '9' && n < INT32_MAX; (*p)++)
		n = n * 10 + (**p - '0');
	return n;
}

/* "12\t3\tpath" a line; "-" for binary files */
static void add_up(struct sim_pull *p, const char *numstat)
{
	p->additions = p->deletions = p->changed_files = 0;
	for (const char *line = numstat; *line != '\0';) {
		const char *end = strchrnul(line, '\n');
		p->additions += take_number(&line);
		if (*line == '\t')
			line++;
		p->deletions += take_number(&line);
		p->changed_files++;
		line = *end == '\n' ? end + 1 : end;
	}
}

int sim_pull_refresh(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct err *err)
{
	CLEANUP_FREE char *range = xasprintf("%s..%s", p->base, p->head), *sides = xasprintf("%s...%s", p->base, p->head);
	CLEANUP_FREE char *ref = xasprintf("refs/pull/%lld/head", (long long)p->number);
	struct buf count CLEANUP_BUF = {0}, stat CLEANUP_BUF = {0};
	int rc = sim_git(s, r->git_dir, (const char *const[]){"rev-list", "--count", range, NULL}, NULL, &count, err);
	if (rc == 0)
		rc = sim_git(s, r->git_dir, (const char *const[]){"diff", "--numstat", sides, NULL}, NULL, &stat, err);
	if (rc == 0)
		rc = sim_git_update_ref(s, r, ref, p->head, err);
	if (rc != 0)
		return err_wrap(err, "pull request #%lld", (long long)p->number);
	const char *digits = buf_str(&count);
	p->commits = take_number(&digits);
	add_up(p, buf_str(&stat));
	return 0;
}

/* A commit of a tree; parents NULL-terminated. */
static int commit_tree(struct sim *s, struct sim_repo *r, const char *tree, const char *const parents[3], const char *message, char ret[SIM_SHA_SIZE],
		       struct err *err)
{
	struct buf out CLEANUP_BUF = {0}, in CLEANUP_BUF = {0};
	const char *argv[8] = {"commit-tree", tree};
	size_t n = 2;
	for (size_t i = 0; parents[i] != NULL; i++) {
		argv[n++] = "-p";
		argv[n++] = parents[i];
	}
	buf_adds(&in, message); /* by way of stdin, whatever it begins with */
	int rc = sim_git(s, r->git_dir, argv, &in, &out, err);
	if (rc == 0)
		(void)snprintf(ret, SIM_SHA_SIZE, "%.40s", buf_str(&out));
	return rc;
}

static int test_merge(struct sim *s, struct sim_repo *r, struct sim_pull *p, const char *base, struct err *err)
{
	struct buf out CLEANUP_BUF = {0};
	int code = 0;
	int rc = sim_git_code(s, r->git_dir, (const char *const[]){"merge-tree", "--write-tree", base, p->head, NULL}, NULL, &out, &code, err);
	if (rc != 0)
		return rc;
	p->mergeable = code == 0;
	p->test_merge[0] = '\0';
	if (code != 0)
		return 0;
	char tree[SIM_SHA_SIZE];
	(void)snprintf(tree, sizeof(tree), "%.40s", buf_str(&out));
	CLEANUP_FREE char *message = xasprintf("Merge %s into %s", p->head, base), *ref = xasprintf("refs/pull/%lld/merge", (long long)p->number);
	rc = commit_tree(s, r, tree, (const char *const[]){base, p->head, NULL}, message, p->test_merge, err);
	return rc == 0 ? sim_git_update_ref(s, r, ref, p->test_merge, err) : rc;
}

int sim_pull_test(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct err *err)
{
	CLEANUP_FREE char *name = xasprintf("refs/heads/%s", p->base_ref);
	const struct sim_ref *base = sim_ref_find(r, name);
	if (p->merged || base == NULL) {
		p->mergeable = false;
		return 0;
	}
	if (strcmp(p->tested_head, p->head) == 0 && strcmp(p->tested_base, base->sha) == 0)
		return 0;
	int rc = test_merge(s, r, p, base->sha, err);
	if (rc != 0)
		return rc;
	(void)snprintf(p->tested_head, sizeof(p->tested_head), "%s", p->head);
	(void)snprintf(p->tested_base, sizeof(p->tested_base), "%s", base->sha);
	return 0;
}

static bool has_failing_mark(const struct sim_repo *r, const struct sim_pull *p)
{
	for (size_t i = r->statuses_n; i-- > 0;) {
		const struct sim_mark *m = &r->statuses[i];
		bool newest = strcmp(m->sha, p->head) == 0;
		for (size_t k = i + 1; newest && k < r->statuses_n; k++)
			newest = strcmp(r->statuses[k].sha, m->sha) != 0 || !text_same_case(r->statuses[k].context, m->context);
		if (newest && strcmp(m->state, "success") != 0)
			return true;
	}
	return false;
}

const char *sim_pull_state(struct sim *s, struct sim_repo *r, struct sim_pull *p)
{
	struct err err = {0};
	if (sim_pull_test(s, r, p, &err) != 0) {
		log_warn("sim.mergeable", "error=%s", log_value(err.msg));
		return "unknown";
	}
	if (p->merged || !p->open)
		return "unknown";
	if (!p->mergeable)
		return "dirty";
	if (p->draft)
		return "draft";
	const char *why = sim_gate_obstacle(s, r, p, NULL, NULL);
	if (why != NULL)
		return strstr(why, "out-of-date") != NULL ? "behind" : "blocked";
	return has_failing_mark(r, p) ? "unstable" : "clean";
}

static bool allows(const struct sim_repo *r, const char *method)
{
	return strcmp(method, "merge") == 0 ? r->allow_merge : strcmp(method, "squash") == 0 ? r->allow_squash : r->allow_rebase;
}

/* What no administrator can pass either. */
static const char *impossible(struct sim *s, struct sim_repo *r, struct sim_pull *p, const char *method)
{
	(void)sim_pull_state(s, r, p); /* tries the merge; what it says of the rules comes later */
	if (p->merged || !p->open)
		return "Pull Request is not mergeable";
	if (p->draft)
		return "Pull Request is still a draft";
	if (!p->mergeable)
		return "Pull Request has merge conflicts";
	if (allows(r, method))
		return NULL;
	if (strcmp(method, "merge") == 0)
		return "Merge commits are not allowed on this repository.";
	return strcmp(method, "squash") == 0 ? "Squash merges are not allowed on this repository."
					     : "Rebase merges are not allowed on this repository.";
}

const char *sim_merge_obstacle(struct sim *s, struct sim_repo *r, struct sim_pull *p, const struct sim_user *u, const char *method)
{
	const char *why = impossible(s, r, p, method);
	return why != NULL ? why : sim_gate_obstacle(s, r, p, u, method);
}

static int merge_tip(struct sim *s, struct sim_repo *r, struct sim_pull *p, const char *base, const char *method, const char *text,
		     char ret[SIM_SHA_SIZE], struct err *err)
{
	if (strcmp(method, "rebase") == 0)
		return sim_rebase(s, r, base, p->head, ret, err);
	CLEANUP_FREE char *tree = xasprintf("%s^{tree}", p->test_merge);
	return commit_tree(s, r, tree, (const char *const[]){base, strcmp(method, "squash") == 0 ? NULL : p->head, NULL}, text, ret, err);
}

int sim_pull_tip(struct sim *s, struct sim_repo *r, struct sim_pull *p, const char *method, const char *title, const char *message,
		 char ret[SIM_SHA_SIZE], struct err *err)
{
	bool squash = strcmp(method, "squash") == 0;
	CLEANUP_FREE char *usual = squash ? xasprintf("%s (#%lld)", p->title, (long long)p->number)
					  : xasprintf("Merge pull request #%lld from %s/%s", (long long)p->number,
						      p->fork_owner != NULL ? p->fork_owner->login : r->owner, p->head_ref);
	CLEANUP_FREE char *text = xasprintf("%s\n\n%s\n", title != NULL ? title : usual, message != NULL ? message : squash ? p->body : p->title);
	int rc = sim_pull_test(s, r, p, err);
	if (rc == 0)
		rc = merge_tip(s, r, p, p->tested_base, method, text, ret, err);
	return rc == 0 ? 0 : err_wrap(err, "merge pull request #%lld", (long long)p->number);
}

int sim_pull_land(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_user *u, const char *tip, struct err *err)
{
	CLEANUP_FREE char *branch = xasprintf("refs/heads/%s", p->base_ref);
	char before[SIM_SHA_SIZE];
	(void)snprintf(before, sizeof(before), "%s", p->tested_base);
	int rc = sim_git_update_ref(s, r, branch, tip, err);
	if (rc != 0)
		return err_wrap(err, "merge pull request #%lld", (long long)p->number);
	int64_t now = clock_wall_ms();
	p->merged = true;
	p->open = false;
	p->merged_by = u;
	p->updated_ms = p->closed_ms = p->merged_ms = now;
	(void)snprintf(p->merged_as, sizeof(p->merged_as), "%s", tip);
	sim_note(r, tip)->verified = true; /* GitHub signs what it commits */
	rc = sim_moved(s, r, branch, before, tip, u, err);
	sim_hook_pull(s, r, p, u, "closed", NULL, NULL);
	sim_changed(s);
	return rc;
}

int sim_pull_merge(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_user *u, const char *method, const char *title,
		   const char *message, struct err *err)
{
	char tip[SIM_SHA_SIZE];
	int rc = sim_pull_tip(s, r, p, method, title, message, tip, err);
	return rc == 0 ? sim_pull_land(s, r, p, u, tip, err) : rc;
}

/* ---- the button ---- */

static int press(struct sim *s, const char *repo, int64_t n, const char *user, const char *method, bool past, struct err *err)
{
	struct sim_repo *r;
	struct sim_pull *p;
	int rc = sim_pull_get(s, repo, n, &r, &p, err);
	if (rc != 0)
		return rc;
	struct sim_user *u = sim_user(s, user);
	const char *how = method != NULL ? method : "merge", *why = NULL;
	if (strcmp(how, "merge") != 0 && strcmp(how, "squash") != 0 && strcmp(how, "rebase") != 0)
		return err_set(err, ERR_USAGE, "method %s: there are merge, squash and rebase", how);
	if (!sim_may(r, u, past ? "admin" : "write"))
		why = past ? "only an administrator may merge past the rules" : "only people with write permission may merge";
	else
		why = past ? impossible(s, r, p, how) : sim_merge_obstacle(s, r, p, u, how);
	if (why != NULL)
		return err_set(err, ERR_REFUSED, "merge pull request #%lld: %s", (long long)n, why);
	return sim_pull_merge(s, r, p, u, how, NULL, NULL, err);
}

int sim_merge(struct sim *s, const char *repo, int64_t n, const char *user, const char *method, struct err *err)
{
	return press(s, repo, n, user, method, false, err);
}

int sim_merge_past(struct sim *s, const char *repo, int64_t n, const char *user, const char *method, struct err *err)
{
	return press(s, repo, n, user, method, true, err);
}
