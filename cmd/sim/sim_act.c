/* What people and the API do. Every act changes the state, then tells the webhooks, then wakes those who wait. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "cmd/sim/sim_gate.h"

/* ---- branches ---- */

static int follow(struct sim *s, struct sim_repo *r, struct sim_pull *p, const char *before, const char *after, struct sim_user *u, struct err *err)
{
	p->updated_ms = clock_wall_ms();
	sim_queue_pushed(r, p);
	if (after[0] == '\0') {
		p->open = false;
		p->closed_ms = p->updated_ms;
		sim_hook_pull(s, r, p, u, "closed", NULL, NULL);
		return 0;
	}
	CLEANUP_FREE char *name = xasprintf("refs/heads/%s", p->base_ref);
	const struct sim_ref *base = sim_ref_find(r, name);
	(void)snprintf(p->head, sizeof(p->head), "%s", after);
	if (base != NULL)
		(void)snprintf(p->base, sizeof(p->base), "%s", base->sha);
	p->pusher = u;
	int rc = sim_pull_refresh(s, r, p, err);
	sim_hook_pull(s, r, p, u, "synchronize", before, after);
	sim_gate_pushed(s, r, p, u);
	return rc;
}

int sim_moved(struct sim *s, struct sim_repo *r, const char *ref, const char *before, const char *after, struct sim_user *u, struct err *err)
{
	int rc = 0;
	sim_ref_set(r, ref, after[0] != '\0' ? after : NULL);
	r->pushed_ms = clock_wall_ms();
	if (after[0] != '\0') {
		struct sim_note *note = sim_note(r, after);
		note->pushed_ms = note->pushed_ms != 0 ? note->pushed_ms : r->pushed_ms;
		sim_ref_find(r, ref)->pusher = u;
	}
	if (text_starts(ref, "refs/heads/"))
		sim_hook_push(s, r, ref, before, after, u);
	sim_queue_base_moved(r, ref, after);
	for (size_t i = 0; i < r->pulls_n; i++) {
		CLEANUP_FREE char *head = sim_head_ref_name(r->pulls[i]);
		if (r->pulls[i]->open && strcmp(head, ref) == 0 && rc == 0)
			rc = follow(s, r, r->pulls[i], before, after, u, err);
	}
	sim_changed(s);
	return rc;
}

char *sim_ref_of(struct sim *s, const struct sim_repo *r, const char *branch, struct sim_user **ret_owner)
{
	const char *colon = strchr(branch, ':');
	*ret_owner = NULL;
	if (colon == NULL)
		return xasprintf("refs/heads/%s", branch);
	CLEANUP_FREE char *login = xstrndup(branch, (size_t)(colon - branch));
	if (text_same_case(login, r->owner)) /* "owner:branch" is the repository's own */
		return xasprintf("refs/heads/%s", colon + 1);
	*ret_owner = sim_user(s, login);
	return xasprintf("refs/forks/%s/%s", (*ret_owner)->login, colon + 1);
}

int sim_commit(struct sim *s, const char *repo, const char *branch, const char *user, const char *message, const struct sim_file *files, size_t files_n,
	       char ret_sha[SIM_SHA_SIZE], struct err *err)
{
	struct sim_commit_new n = {.repo = repo, .branch = branch, .user = user, .message = message, .files = files, .files_n = files_n};
	return sim_commit_with(s, &n, ret_sha, err);
}

int sim_resolve(struct sim *s, const char *repo, const char *rev, char ret_sha[SIM_SHA_SIZE], struct err *err)
{
	struct sim_repo *r;
	int rc = sim_repo_get(s, repo, &r, err);
	return rc == 0 ? sim_git_rev(s, r, rev, ret_sha, err) : rc;
}

/* Compares what git has with what we knew: first the branches that git has, then those that it has no longer. */
int sim_sync(struct sim *s, const char *repo, const char *user, struct err *err)
{
	struct sim_repo *r;
	struct buf out CLEANUP_BUF = {0};
	struct strlist seen = {0};
	int rc = sim_repo_get(s, repo, &r, err);
	if (rc == 0)
		rc = sim_git(s, r->git_dir, (const char *const[]){"for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/forks", NULL}, NULL,
			     &out, err);
	for (const char *line = buf_str(&out); rc == 0 && strlen(line) > SIM_SHA_SIZE;) {
		const char *end = strchrnul(line, '\n');
		CLEANUP_FREE char *sha = xstrndup(line, SIM_SHA_SIZE - 1), *name = xstrndup(line + SIM_SHA_SIZE, (size_t)(end - line) - SIM_SHA_SIZE);
		const struct sim_ref *known = sim_ref_find(r, name);
		char before[SIM_SHA_SIZE];
		(void)snprintf(before, sizeof(before), "%s", known != NULL ? known->sha : "");
		strlist_add(&seen, name);
		if (strcmp(before, sha) != 0)
			rc = sim_moved(s, r, name, before, sha, sim_user(s, user), err);
		line = *end == '\n' ? end + 1 : end;
	}
	for (size_t i = r != NULL ? r->refs_n : 0; rc == 0 && i-- > 0;) {
		if (strlist_has(&seen, r->refs[i].name))
			continue;
		CLEANUP_FREE char *name = xstrdup(r->refs[i].name), *sha = xstrdup(r->refs[i].sha);
		rc = sim_moved(s, r, name, sha, "", sim_user(s, user), err);
	}
	strlist_free(&seen);
	return rc;
}

/* ---- pull requests ---- */

static bool already_open(const struct sim_repo *r, const char *ref, const char *base)
{
	for (size_t i = 0; i < r->pulls_n; i++) {
		CLEANUP_FREE char *head = sim_head_ref_name(r->pulls[i]);
		if (r->pulls[i]->open && strcmp(head, ref) == 0 && strcmp(r->pulls[i]->base_ref, base) == 0)
			return true;
	}
	return false;
}

static struct sim_pull *new_pull(struct sim *s, const struct sim_repo *r, struct sim_user *u, const struct sim_pr_new *n)
{
	struct sim_pull *p = xcalloc(1, sizeof(*p));
	const char *colon = strchr(n->head, ':');
	p->id = sim_new_id(s);
	p->number = (int64_t)r->pulls_n + 1;
	p->title = xstrdup(n->title != NULL ? n->title : n->head);
	p->body = xstrdup(n->body != NULL ? n->body : "");
	p->user = u;
	p->head_ref = xstrdup(colon != NULL ? colon + 1 : n->head);
	p->base_ref = xstrdup(n->base != NULL ? n->base : r->default_branch);
	p->draft = n->draft;
	p->open = true;
	p->created_ms = p->updated_ms = clock_wall_ms();
	return p;
}

int sim_pull_add(struct sim *s, struct sim_repo *r, struct sim_user *u, const struct sim_pr_new *n, struct sim_pull **ret, struct err *err)
{
	struct sim_user *owner;
	const char *base_name = n->base != NULL ? n->base : r->default_branch;
	CLEANUP_FREE char *ref = sim_ref_of(s, r, n->head, &owner), *base_ref = xasprintf("refs/heads/%s", base_name);
	const struct sim_ref *head = sim_ref_find(r, ref), *base = sim_ref_find(r, base_ref);
	if (head == NULL || base == NULL)
		return err_set(err, ERR_REFUSED, "branch %s does not exist in %s", head == NULL ? n->head : base_name, r->full_name);
	if (strcmp(head->sha, base->sha) == 0)
		return err_set(err, ERR_REFUSED, "No commits between %s and %s", base_name, n->head);
	if (already_open(r, ref, base_name))
		return err_set(err, ERR_REFUSED, "A pull request already exists for %s.", n->head);
	struct sim_pull *p = new_pull(s, r, u, n);
	p->fork_owner = owner;
	p->pusher = head->pusher != NULL ? head->pusher : u;
	(void)snprintf(p->head, sizeof(p->head), "%s", head->sha);
	(void)snprintf(p->base, sizeof(p->base), "%s", base->sha);
	r->pulls = xreallocarray(r->pulls, r->pulls_n + 1, sizeof(struct sim_pull *));
	r->pulls[r->pulls_n++] = p;
	int rc = sim_pull_refresh(s, r, p, err);
	if (rc != 0)
		return rc;
	*ret = p;
	sim_hook_pull(s, r, p, u, "opened", NULL, NULL);
	sim_changed(s);
	return 0;
}

int sim_pr_open(struct sim *s, const struct sim_pr_new *n, int64_t *ret_number, struct err *err)
{
	struct sim_repo *r;
	struct sim_pull *p = NULL;
	int rc = sim_repo_get(s, n->repo, &r, err);
	if (rc == 0)
		rc = sim_pull_add(s, r, sim_user(s, n->user), n, &p, err);
	if (rc == 0)
		*ret_number = p->number;
	return rc;
}

int sim_pr_act(struct sim *s, const char *repo, int64_t n, const char *user, const char *action, struct err *err)
{
	struct sim_repo *r;
	struct sim_pull *p;
	int rc = sim_pull_get(s, repo, n, &r, &p, err);
	if (rc != 0)
		return rc;
	bool close = strcmp(action, "closed") == 0, reopen = strcmp(action, "reopened") == 0;
	bool ready = strcmp(action, "ready_for_review") == 0, draft = strcmp(action, "converted_to_draft") == 0;
	if (!close && !reopen && !ready && !draft)
		return err_set(err, ERR_USAGE, "action %s: there are closed, reopened, ready_for_review and converted_to_draft", action);
	if (p->merged || p->issue || p->open == reopen || (ready && !p->draft) || (draft && p->draft))
		return err_set(err, ERR_REFUSED, "pull request #%lld cannot be %s now", (long long)n, action);
	p->updated_ms = clock_wall_ms();
	p->open = !close;
	p->closed_ms = close ? p->updated_ms : 0;
	p->draft = draft || (p->draft && !ready);
	if (close)
		sim_queue_pushed(r, p);
	sim_hook_pull(s, r, p, sim_user(s, user), action, NULL, NULL);
	sim_changed(s);
	return 0;
}

static int retarget(struct sim *s, struct sim_repo *r, struct sim_pull *p, const char *base, struct json_writer *changes, struct err *err)
{
	CLEANUP_FREE char *name = xasprintf("refs/heads/%s", base);
	const struct sim_ref *to = sim_ref_find(r, name);
	if (to == NULL)
		return err_set(err, ERR_REFUSED, "branch %s does not exist in %s", base, r->full_name);
	jw_open(changes, "base");
	jw_open(changes, "ref");
	jw_str(changes, "from", p->base_ref);
	jw_close(changes);
	jw_open(changes, "sha");
	jw_str(changes, "from", p->base);
	jw_close(changes);
	jw_close(changes);
	free(p->base_ref);
	p->base_ref = xstrdup(base);
	(void)snprintf(p->base, sizeof(p->base), "%s", to->sha);
	return sim_pull_refresh(s, r, p, err);
}

int sim_pr_edit(struct sim *s, const char *repo, int64_t n, const char *user, const char *title, const char *base, struct err *err)
{
	struct sim_repo *r;
	struct sim_pull *p;
	struct buf text CLEANUP_BUF = {0};
	int rc = sim_pull_get(s, repo, n, &r, &p, err);
	if (rc != 0)
		return rc;
	if (p->issue)
		return err_set(err, ERR_NOT_FOUND, "%s#%lld is an issue: it has no base", repo, (long long)n);
	struct json_writer changes = json_writer(&text);
	jw_open(&changes, NULL);
	if (base != NULL)
		rc = retarget(s, r, p, base, &changes, err);
	if (rc != 0)
		return rc;
	if (title != NULL) {
		jw_open(&changes, "title");
		jw_str(&changes, "from", p->title);
		jw_close(&changes);
		free(p->title);
		p->title = xstrdup(title);
	}
	jw_close(&changes);
	p->updated_ms = clock_wall_ms();
	sim_hook_pull(s, r, p, sim_user(s, user), "edited", buf_str(&text), NULL);
	sim_changed(s);
	return 0;
}

/* ---- words and marks ---- */

struct sim_comment *sim_comment_add(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_user *u, const char *body)
{
	p->comments = xreallocarray(p->comments, p->comments_n + 1, sizeof(*p->comments));
	struct sim_comment *c = &p->comments[p->comments_n++];
	int64_t now = clock_wall_ms();
	*c = (struct sim_comment){.id = sim_new_id(s), .user = u, .body = xstrdup(body), .created_ms = now, .updated_ms = now};
	p->updated_ms = now;
	sim_hook_comment(s, r, p, c);
	sim_changed(s);
	return c;
}

void sim_comment_edit(struct sim *s, struct sim_comment *c, const char *body)
{
	c->history = xreallocarray(c->history, c->history_n + 1, sizeof(*c->history));
	c->history[c->history_n++] = (struct sim_edit){.body = c->body, .at_ms = c->updated_ms};
	c->body = xstrdup(body);
	c->updated_ms = clock_wall_ms();
	sim_changed(s);
}

int sim_comment(struct sim *s, const char *repo, int64_t n, const char *user, const char *body, int64_t *ret_id, struct err *err)
{
	struct sim_repo *r;
	struct sim_pull *p;
	int rc = sim_pull_get(s, repo, n, &r, &p, err);
	if (rc != 0)
		return rc;
	if (body[0] == '\0' || text_chars(body, strlen(body)) > SIM_COMMENT_MAX)
		return err_set(err, ERR_REFUSED, "comment on #%lld: a body has 1 to %d characters", (long long)n, SIM_COMMENT_MAX);
	const struct sim_comment *c = sim_comment_add(s, r, p, sim_user(s, user), body);
	if (ret_id != NULL)
		*ret_id = c->id;
	return 0;
}

struct sim_rev *sim_review_add(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_user *u, const char *state, const char *body)
{
	p->reviews = xreallocarray(p->reviews, p->reviews_n + 1, sizeof(*p->reviews));
	struct sim_rev *v = &p->reviews[p->reviews_n++];
	*v = (struct sim_rev){.id = sim_new_id(s), .user = u, .body = xstrdup(body), .state = state, .at_ms = clock_wall_ms()};
	(void)snprintf(v->commit, sizeof(v->commit), "%s", p->head);
	p->updated_ms = v->at_ms;
	sim_hook_review(s, r, p, v);
	sim_changed(s);
	return v;
}

const char *sim_review_state(const char *event)
{
	static const char *const states[][2] = {{"APPROVE", "APPROVED"}, {"REQUEST_CHANGES", "CHANGES_REQUESTED"}, {"COMMENT", "COMMENTED"}};
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (strcmp(states[i][0], event) == 0)
			return states[i][1];
	return NULL;
}

int sim_review(struct sim *s, const char *repo, int64_t n, const char *user, const char *event, const char *body, struct err *err)
{
	struct sim_repo *r;
	struct sim_pull *p;
	int rc = sim_pull_get(s, repo, n, &r, &p, err);
	if (rc != 0)
		return rc;
	const char *state = sim_review_state(event);
	if (p->issue)
		return err_set(err, ERR_NOT_FOUND, "%s#%lld is an issue: there is nothing to review", repo, (long long)n);
	if (state == NULL)
		return err_set(err, ERR_USAGE, "review %s: there are APPROVE, REQUEST_CHANGES and COMMENT", event);
	struct sim_user *u = sim_user(s, user);
	if (u == p->user && strcmp(event, "COMMENT") != 0)
		return err_set(err, ERR_REFUSED, "review of #%lld: %s wrote the pull request and cannot approve it or ask for changes", (long long)n, user);
	(void)sim_review_add(s, r, p, u, state, body != NULL ? body : "");
	return 0;
}

struct sim_mark *sim_status_add(struct sim *s, struct sim_repo *r, const char *sha, struct sim_user *u, const char *context, const char *state,
				const char *description, const char *target_url)
{
	r->statuses = xreallocarray(r->statuses, r->statuses_n + 1, sizeof(*r->statuses));
	struct sim_mark *m = &r->statuses[r->statuses_n++];
	*m = (struct sim_mark){.id = sim_new_id(s), .context = xstrdup(context), .state = xstrdup(state), .description = xstrdup(description),
			       .target_url = xstrdup(target_url), .user = u, .at_ms = clock_wall_ms()};
	(void)snprintf(m->sha, sizeof(m->sha), "%s", sha);
	size_t at = r->statuses_n - 1;
	sim_queue_look(s, r, sha);
	sim_changed(s);
	return &r->statuses[at];
}

int sim_check(struct sim *s, const char *repo, const char *sha, const char *name, const char *conclusion, struct err *err)
{
	return sim_check_by(s, repo, sha, name, conclusion, SIM_APP_ACTIONS, err);
}

/* ---- facts ---- */

int sim_threads(struct sim *s, const char *repo, int64_t n, int64_t unresolved, int64_t resolved, struct err *err)
{
	struct sim_repo *r;
	struct sim_pull *p;
	int rc = sim_pull_get(s, repo, n, &r, &p, err);
	if (rc != 0)
		return rc;
	p->threads_open = unresolved;
	p->threads_done = resolved;
	sim_changed(s);
	return 0;
}

int sim_mergeable_unknown(struct sim *s, const char *repo, int64_t n, int64_t reads, struct err *err)
{
	struct sim_repo *r;
	struct sim_pull *p;
	int rc = sim_pull_get(s, repo, n, &r, &p, err);
	if (rc == 0)
		p->unknown_reads = reads;
	return rc;
}
