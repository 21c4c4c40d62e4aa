/* Writing over REST, with GitHub's refusals. Every handler answers exactly once. */
#include "base/text.h"
#include "cmd/sim/sim_gate.h"

/* A string member of the body; false when it is missing or something else and the 422 was sent. */
static bool need_str(struct sim_req *q, const char *resource, const char *key, const char **ret)
{
	struct err err = {0};
	if (json_str(&q->body, key, SIM_BODY_MAX, ret, &err) == 0 && (*ret)[0] != '\0')
		return true;
	sim_invalid(q, resource, key, "missing_field", err.code != 0 ? err.msg : "is empty");
	return false;
}

static bool opt_str(struct sim_req *q, const char *resource, const char *key, const char *dflt, const char **ret)
{
	struct err err = {0};
	if (json_str_opt(&q->body, key, SIM_BODY_MAX, dflt, ret, &err) == 0)
		return true;
	sim_invalid(q, resource, key, "invalid", err.msg);
	return false;
}

/* ---- comments ---- */

static bool take_comment_body(struct sim_req *q, const char **ret)
{
	if (!need_str(q, "IssueComment", "body", ret))
		return false;
	if (text_chars(*ret, strlen(*ret)) <= SIM_COMMENT_MAX)
		return true;
	sim_invalid(q, "IssueComment", "body", "unprocessable", "body is too long (maximum is 65536 characters)");
	return false;
}

static void answer_comment(struct sim_req *q, int status, const struct sim_pull *p, const struct sim_comment *c)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	sim_shape_comment(&w, NULL, q->s, q->repo, p, c);
	sim_answer_buf(q, status, &b);
}

void sim_post_comment(struct sim_req *q)
{
	const char *body;
	if (take_comment_body(q, &body))
		answer_comment(q, 201, q->pull, sim_comment_add(q->s, q->repo, q->pull, q->viewer, body));
}

/* One's own, or anybody's with write permission. NULL when the refusal was sent. */
static struct sim_comment *editable(struct sim_req *q, struct sim_pull **ret_pull)
{
	struct sim_comment *c = sim_comment_find(q->repo, q->number, ret_pull);
	if (c == NULL) {
		sim_fail(q, 404, "Not Found");
		return NULL;
	}
	if (c->user == q->viewer || sim_may(q->repo, q->viewer, "write"))
		return c;
	sim_fail(q, 403, "Must have admin rights to Repository.");
	return NULL;
}

void sim_patch_comment(struct sim_req *q)
{
	struct sim_pull *p;
	const char *body;
	struct sim_comment *c = editable(q, &p);
	if (c == NULL || !take_comment_body(q, &body))
		return;
	sim_comment_edit(q->s, c, body);
	sim_hook_comment_as(q->s, q->repo, p, c, "edited", q->viewer);
	answer_comment(q, 200, p, c);
}

void sim_delete_comment(struct sim_req *q)
{
	struct sim_pull *p;
	struct sim_comment *c = editable(q, &p);
	if (c == NULL)
		return;
	c->deleted = true;
	sim_hook_comment_as(q->s, q->repo, p, c, "deleted", q->viewer);
	sim_answer(q, 204, "");
}

/* ---- statuses ---- */

static bool is_state(const char *state)
{
	static const char *const states[] = {"error", "failure", "pending", "success"};
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (strcmp(states[i], state) == 0)
			return true;
	return false;
}

static size_t count_statuses(const struct sim_repo *r, const char *sha, const char *context)
{
	size_t n = 0;
	for (size_t i = 0; i < r->statuses_n; i++)
		n += strcmp(r->statuses[i].sha, sha) == 0 && text_same_case(r->statuses[i].context, context);
	return n;
}

void sim_post_status(struct sim_req *q)
{
	const char *state, *context, *description, *target_url;
	char sha[SIM_SHA_SIZE];
	if (!need_str(q, "Status", "state", &state) || !opt_str(q, "Status", "context", "default", &context) ||
	    !opt_str(q, "Status", "description", NULL, &description) || !opt_str(q, "Status", "target_url", NULL, &target_url))
		return;
	if (!is_state(state)) {
		sim_invalid(q, "Status", "state", "custom", "state is not included in the list");
	} else if (description != NULL && text_chars(description, strlen(description)) > SIM_DESCRIPTION_MAX) {
		sim_invalid(q, "Status", "description", "custom", "description is too long (maximum is 140 characters)");
	} else if (target_url != NULL && !text_starts(target_url, "http://") && !text_starts(target_url, "https://")) {
		sim_invalid(q, "Status", "target_url", "custom", "target_url must use http(s) scheme");
	} else if (strlen(q->part[0]) != SIM_SHA_SIZE - 1 || !sim_known_commit(q, q->part[0], sha)) {
		CLEANUP_FREE char *message = xasprintf("No commit found for SHA: %s", q->part[0]);
		sim_fail(q, 422, message);
	} else if (count_statuses(q->repo, sha, context) >= SIM_STATUSES_MAX) {
		sim_invalid(q, "Status", "base", "custom", "This SHA and context has reached the maximum number of statuses.");
	} else {
		const struct sim_mark *m = sim_status_add(q->s, q->repo, sha, q->viewer, context, state, description, target_url);
		struct buf b = {0};
		struct json_writer w = json_writer(&b);
		sim_shape_status(&w, NULL, q->s, q->repo, m, false);
		sim_answer_buf(q, 201, &b);
	}
}

/* ---- pull requests ---- */

static void answer_merged(struct sim_req *q)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "sha", q->pull->merged_as);
	jw_bool(&w, "merged", true);
	jw_str(&w, "message", "Pull Request successfully merged");
	jw_close(&w);
	sim_answer_buf(q, 200, &b);
}

void sim_put_merge(struct sim_req *q)
{
	const char *sha, *method, *title, *message;
	struct err err = {0};
	if (!opt_str(q, "PullRequest", "sha", NULL, &sha) || !opt_str(q, "PullRequest", "merge_method", "merge", &method) ||
	    !opt_str(q, "PullRequest", "commit_title", NULL, &title) || !opt_str(q, "PullRequest", "commit_message", NULL, &message))
		return;
	if (strcmp(method, "merge") != 0 && strcmp(method, "squash") != 0 && strcmp(method, "rebase") != 0) {
		sim_invalid(q, "PullRequest", "merge_method", "invalid", NULL);
		return;
	}
	const char *why = sim_merge_obstacle(q->s, q->repo, q->pull, q->viewer, method);
	if (q->pull->open && sha != NULL && strcmp(sha, q->pull->head) != 0)
		sim_fail(q, 409, "Head branch was modified. Review and try the merge again.");
	else if (why != NULL)
		sim_fail(q, 405, why);
	else if (sim_pull_merge(q->s, q->repo, q->pull, q->viewer, method, title, message, &err) != 0)
		sim_fail(q, err.code == ERR_REFUSED ? 405 : 500, err.code == ERR_REFUSED ? "This branch can't be rebased" : err.msg);
	else
		answer_merged(q);
}

void sim_post_pull(struct sim_req *q)
{
	struct sim_pr_new n = {0};
	struct sim_pull *p = NULL;
	struct err err = {0};
	if (!need_str(q, "PullRequest", "head", &n.head) || !need_str(q, "PullRequest", "base", &n.base) ||
	    !need_str(q, "PullRequest", "title", &n.title) || !opt_str(q, "PullRequest", "body", NULL, &n.body))
		return;
	if (json_bool_opt(&q->body, "draft", false, &n.draft, &err) != 0) {
		sim_invalid(q, "PullRequest", "draft", "invalid", err.msg);
		return;
	}
	int rc = sim_pull_add(q->s, q->repo, q->viewer, &n, &p, &err);
	if (rc == ERR_REFUSED) {
		sim_invalid(q, "PullRequest", "head", "custom", err.msg);
	} else if (rc != 0) {
		sim_fail(q, 500, err.msg);
	} else {
		struct buf b = {0};
		struct json_writer w = json_writer(&b);
		sim_shape_pull(&w, q->s, q->repo, p, (struct sim_shape_pull){.key = NULL});
		sim_answer_buf(q, 201, &b);
	}
}

/* 422 here has plain strings for errors, unlike elsewhere. */
static void review_invalid(struct sim_req *q, const char *message)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "message", "Unprocessable Entity");
	jw_open_arr(&w, "errors");
	jw_str(&w, NULL, message);
	jw_close_arr(&w);
	jw_str(&w, "documentation_url", "https://docs.github.com/rest/pulls/reviews");
	jw_str(&w, "status", "422");
	jw_close(&w);
	sim_answer_buf(q, 422, &b);
}

void sim_post_review(struct sim_req *q)
{
	const char *event, *body;
	if (!opt_str(q, "PullRequestReview", "event", "", &event) || !opt_str(q, "PullRequestReview", "body", "", &body))
		return;
	const char *state = sim_review_state(event);
	if (state == NULL) {
		review_invalid(q, "Variable $event was provided an invalid value"); /* a pending review is nothing that we simulate */
	} else if (q->viewer == q->pull->user && strcmp(event, "APPROVE") == 0) {
		review_invalid(q, "Can not approve your own pull request");
	} else if (q->viewer == q->pull->user && strcmp(event, "REQUEST_CHANGES") == 0) {
		review_invalid(q, "Can not request changes on your own pull request");
	} else if (body[0] == '\0' && strcmp(event, "APPROVE") != 0) {
		review_invalid(q, "Body cannot be blank");
	} else {
		const struct sim_rev *v = sim_review_add(q->s, q->repo, q->pull, q->viewer, state, body);
		struct buf b = {0};
		struct json_writer w = json_writer(&b);
		sim_shape_review(&w, NULL, q->s, q->repo, q->pull, v, false);
		sim_answer_buf(q, 200, &b);
	}
}
