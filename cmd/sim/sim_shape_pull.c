/* Pull requests and what hangs on them, as GitHub writes them. */
#include "cmd/sim/sim_app.h"
#include "cmd/sim/sim_checks.h"
#include "cmd/sim/sim_gate.h"

#include <string.h>

static void link_to(struct json_writer *w, const char *key, const char *url)
{
	jw_open(w, key);
	jw_str(w, "href", url);
	jw_close(w);
}

/* ---- pull request ---- */

struct pull_urls {
	char *api, *html, *issue, *commits, *comments, *review_comments, *review_comment, *statuses;
};

static struct pull_urls urls_of(const struct sim *s, const struct sim_repo *r, const struct sim_pull *p)
{
	CLEANUP_FREE char *repo = xasprintf("%s/repos/%s", s->url, r->full_name);
	long long n = (long long)p->number;
	return (struct pull_urls){
		.api = xasprintf("%s/pulls/%lld", repo, n),
		.html = xasprintf("%s/%s/pull/%lld", s->url, r->full_name, n),
		.issue = xasprintf("%s/issues/%lld", repo, n),
		.commits = xasprintf("%s/pulls/%lld/commits", repo, n),
		.comments = xasprintf("%s/issues/%lld/comments", repo, n),
		.review_comments = xasprintf("%s/pulls/%lld/comments", repo, n),
		.review_comment = xasprintf("%s/pulls/comments{/number}", repo),
		.statuses = xasprintf("%s/statuses/%s", repo, p->head),
	};
}

static void urls_free(struct pull_urls *u)
{
	free(u->api);
	free(u->html);
	free(u->issue);
	free(u->commits);
	free(u->comments);
	free(u->review_comments);
	free(u->review_comment);
	free(u->statuses);
}

static void pull_links(struct json_writer *w, const struct pull_urls *u)
{
	jw_str(w, "url", u->api);
	jw_str(w, "html_url", u->html);
	sim_shape_urlf(w, "diff_url", "%s.diff", u->html);
	sim_shape_urlf(w, "patch_url", "%s.patch", u->html);
	jw_str(w, "issue_url", u->issue);
	jw_str(w, "commits_url", u->commits);
	jw_str(w, "review_comments_url", u->review_comments);
	jw_str(w, "review_comment_url", u->review_comment);
	jw_str(w, "comments_url", u->comments);
	jw_str(w, "statuses_url", u->statuses);
	jw_open(w, "_links");
	link_to(w, "self", u->api);
	link_to(w, "html", u->html);
	link_to(w, "issue", u->issue);
	link_to(w, "comments", u->comments);
	link_to(w, "review_comments", u->review_comments);
	link_to(w, "review_comment", u->review_comment);
	link_to(w, "commits", u->commits);
	link_to(w, "statuses", u->statuses);
	jw_close(w);
}

static void empty_array(struct json_writer *w, const char *key)
{
	jw_open_arr(w, key);
	jw_close_arr(w);
}

static void pull_words(struct json_writer *w, const struct sim *s, const struct sim_repo *r, const struct sim_pull *p)
{
	jw_int(w, "id", p->id);
	sim_shape_node_id(w, "PR", p->id);
	jw_int(w, "number", p->number);
	jw_str(w, "state", p->open ? "open" : "closed");
	jw_bool(w, "locked", false);
	jw_str(w, "title", p->title);
	sim_shape_user(w, "user", s, p->user);
	jw_str(w, "body", p->body[0] != '\0' ? p->body : NULL);
	sim_shape_time(w, "created_at", p->created_ms);
	sim_shape_time(w, "updated_at", p->updated_ms);
	sim_shape_time(w, "closed_at", p->closed_ms);
	sim_shape_time(w, "merged_at", p->merged_ms);
	jw_str(w, "merge_commit_sha", p->merged ? p->merged_as : p->test_merge[0] != '\0' ? p->test_merge : NULL);
	jw_null(w, "assignee");
	empty_array(w, "assignees");
	empty_array(w, "requested_reviewers");
	empty_array(w, "requested_teams");
	sim_shape_labels(w, s, r, p);
	jw_null(w, "milestone");
	jw_bool(w, "draft", p->draft);
	jw_str(w, "author_association", sim_association(r, p->user));
	jw_null(w, "auto_merge");
	jw_null(w, "active_lock_reason");
}

static void pull_side(struct json_writer *w, const char *key, const struct sim *s, const struct sim_repo *r, const struct sim_pull *p, bool head)
{
	const struct sim_user *fork = head ? p->fork_owner : NULL;
	const char *owner = fork != NULL ? fork->login : r->owner, *ref = head ? p->head_ref : p->base_ref;
	jw_open(w, key);
	sim_shape_urlf(w, "label", "%s:%s", owner, ref);
	jw_str(w, "ref", ref);
	jw_str(w, "sha", head ? p->head : p->base);
	if (fork != NULL && fork->gone)
		jw_null(w, "user");
	else
		sim_shape_owner(w, "user", s, owner);
	if (fork != NULL && (fork->gone || p->fork_gone))
		jw_null(w, "repo");
	else if (fork != NULL)
		sim_shape_fork(w, "repo", s, r, fork);
	else
		sim_shape_repo(w, "repo", s, r, NULL);
	jw_close(w);
}

static int64_t living_comments(const struct sim_pull *p)
{
	int64_t n = 0;
	for (size_t i = 0; i < p->comments_n; i++)
		n += !p->comments[i].deleted;
	return n;
}

static void pull_counts(struct json_writer *w, struct sim *s, struct sim_repo *r, struct sim_pull *p, const char *state)
{
	bool known = strcmp(state, "unknown") != 0;
	jw_bool(w, "merged", p->merged);
	if (known)
		jw_bool(w, "mergeable", p->mergeable);
	else
		jw_null(w, "mergeable");
	if (known)
		jw_bool(w, "rebaseable", p->mergeable);
	else
		jw_null(w, "rebaseable");
	jw_str(w, "mergeable_state", state);
	sim_shape_user(w, "merged_by", s, p->merged_by);
	jw_int(w, "comments", living_comments(p));
	jw_int(w, "review_comments", 0);
	jw_bool(w, "maintainer_can_modify", false);
	jw_int(w, "commits", p->commits);
	jw_int(w, "additions", p->additions);
	jw_int(w, "deletions", p->deletions);
	jw_int(w, "changed_files", p->changed_files);
	(void)r;
}

void sim_shape_pull(struct json_writer *w, struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_shape_pull how)
{
	/* first, since it makes the test merge; a webhook goes out before GitHub has tried it */
	const char *state = how.simple || how.hook ? "unknown" : sim_pull_state(s, r, p);
	if (!how.simple && !how.hook && p->unknown_reads > 0) {
		p->unknown_reads--;
		state = "unknown";
	}
	struct pull_urls u = urls_of(s, r, p);
	jw_open(w, how.key);
	pull_links(w, &u);
	pull_words(w, s, r, p);
	pull_side(w, "head", s, r, p, true);
	pull_side(w, "base", s, r, p, false);
	if (!how.simple)
		pull_counts(w, s, r, p, state);
	jw_close(w);
	urls_free(&u);
}

/* ---- its conversation ---- */

static void reactions(struct json_writer *w, const char *owner_url)
{
	static const char *const names[] = {"total_count", "+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes"};
	jw_open(w, "reactions");
	sim_shape_urlf(w, "url", "%s/reactions", owner_url);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		jw_int(w, names[i], 0);
	jw_close(w);
}

static void issue_pull(struct json_writer *w, const struct pull_urls *u, const struct sim_pull *p)
{
	jw_open(w, "pull_request");
	jw_str(w, "url", u->api);
	jw_str(w, "html_url", u->html);
	sim_shape_urlf(w, "diff_url", "%s.diff", u->html);
	sim_shape_urlf(w, "patch_url", "%s.patch", u->html);
	sim_shape_time(w, "merged_at", p->merged_ms);
	jw_close(w);
}

void sim_shape_issue(struct json_writer *w, const char *key, const struct sim *s, const struct sim_repo *r, const struct sim_pull *p)
{
	struct pull_urls u = urls_of(s, r, p);
	jw_open(w, key);
	jw_str(w, "url", u.issue);
	sim_shape_urlf(w, "repository_url", "%s/repos/%s", s->url, r->full_name);
	sim_shape_urlf(w, "labels_url", "%s/labels{/name}", u.issue);
	jw_str(w, "comments_url", u.comments);
	sim_shape_urlf(w, "events_url", "%s/events", u.issue);
	jw_str(w, "html_url", u.html);
	jw_int(w, "id", p->id + 1000000000);
	sim_shape_node_id(w, "I", p->id);
	jw_int(w, "number", p->number);
	jw_str(w, "title", p->title);
	sim_shape_user(w, "user", s, p->user);
	sim_shape_labels(w, s, r, p);
	jw_str(w, "state", p->open ? "open" : "closed");
	jw_bool(w, "locked", false);
	jw_null(w, "assignee");
	empty_array(w, "assignees");
	jw_null(w, "milestone");
	jw_int(w, "comments", living_comments(p));
	sim_shape_time(w, "created_at", p->created_ms);
	sim_shape_time(w, "updated_at", p->updated_ms);
	sim_shape_time(w, "closed_at", p->closed_ms);
	jw_str(w, "author_association", sim_association(r, p->user));
	jw_null(w, "active_lock_reason");
	if (!p->issue) {
		jw_bool(w, "draft", p->draft);
		issue_pull(w, &u, p);
	}
	jw_str(w, "body", p->body[0] != '\0' ? p->body : NULL);
	reactions(w, u.issue);
	sim_shape_urlf(w, "timeline_url", "%s/timeline", u.issue);
	jw_null(w, "performed_via_github_app");
	jw_null(w, "state_reason");
	jw_close(w);
	urls_free(&u);
}

void sim_shape_comment(struct json_writer *w, const char *key, const struct sim *s, const struct sim_repo *r, const struct sim_pull *p,
		       const struct sim_comment *c)
{
	CLEANUP_FREE char *url = xasprintf("%s/repos/%s/issues/comments/%lld", s->url, r->full_name, (long long)c->id);
	jw_open(w, key);
	jw_str(w, "url", url);
	sim_shape_urlf(w, "html_url", "%s/%s/%s/%lld#issuecomment-%lld", s->url, r->full_name, p->issue ? "issues" : "pull", (long long)p->number,
		       (long long)c->id);
	sim_shape_urlf(w, "issue_url", "%s/repos/%s/issues/%lld", s->url, r->full_name, (long long)p->number);
	jw_int(w, "id", c->id);
	sim_shape_node_id(w, "IC", c->id);
	sim_shape_user(w, "user", s, c->user);
	sim_shape_time(w, "created_at", c->created_ms);
	sim_shape_time(w, "updated_at", c->updated_ms);
	jw_str(w, "author_association", sim_association(r, c->user));
	jw_str(w, "body", c->body);
	reactions(w, url);
	const struct sim_integration *via = sim_app_of_bot(s, c->user);
	if (via != NULL)
		sim_shape_app(w, "performed_via_github_app", s, via);
	else
		jw_null(w, "performed_via_github_app");
	jw_close(w);
}

/* Webhooks say the state in small letters. */
static const char *hook_state(const char *state)
{
	static const char *const states[][2] = {{"APPROVED", "approved"}, {"CHANGES_REQUESTED", "changes_requested"}, {"DISMISSED", "dismissed"}};
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (strcmp(states[i][0], state) == 0)
			return states[i][1];
	return "commented";
}

void sim_shape_review(struct json_writer *w, const char *key, const struct sim *s, const struct sim_repo *r, const struct sim_pull *p,
		      const struct sim_rev *v, bool hook)
{
	CLEANUP_FREE char *html = xasprintf("%s/%s/pull/%lld#pullrequestreview-%lld", s->url, r->full_name, (long long)p->number, (long long)v->id);
	CLEANUP_FREE char *pull = xasprintf("%s/repos/%s/pulls/%lld", s->url, r->full_name, (long long)p->number);
	jw_open(w, key);
	jw_int(w, "id", v->id);
	sim_shape_node_id(w, "PRR", v->id);
	sim_shape_user(w, "user", s, v->user);
	jw_str(w, "body", hook && v->body[0] == '\0' ? NULL : v->body);
	jw_str(w, "commit_id", v->commit);
	sim_shape_time(w, "submitted_at", v->at_ms);
	jw_str(w, "state", hook ? hook_state(v->state) : v->state);
	jw_str(w, "html_url", html);
	jw_str(w, "pull_request_url", pull);
	jw_str(w, "author_association", sim_association(r, v->user));
	jw_open(w, "_links");
	link_to(w, "html", html);
	link_to(w, "pull_request", pull);
	jw_close(w);
	jw_close(w);
}

/* ---- marks on commits ---- */

void sim_shape_status(struct json_writer *w, const char *key, const struct sim *s, const struct sim_repo *r, const struct sim_mark *m, bool simple)
{
	jw_open(w, key);
	sim_shape_urlf(w, "url", "%s/repos/%s/statuses/%s", s->url, r->full_name, m->sha);
	sim_shape_urlf(w, "avatar_url", "%s/_avatar/%lld", s->url, (long long)m->user->id);
	jw_int(w, "id", m->id);
	sim_shape_node_id(w, "SC", m->id);
	jw_str(w, "state", m->state);
	jw_str(w, "description", m->description);
	jw_str(w, "target_url", m->target_url);
	jw_str(w, "context", m->context);
	sim_shape_time(w, "created_at", m->at_ms);
	sim_shape_time(w, "updated_at", m->at_ms);
	if (!simple)
		sim_shape_user(w, "creator", s, m->user);
	jw_close(w);
}

void sim_shape_check(struct json_writer *w, const char *key, const struct sim *s, const struct sim_repo *r, const struct sim_mark *m)
{
	jw_open(w, key);
	jw_int(w, "id", m->id);
	jw_str(w, "head_sha", m->sha);
	sim_shape_node_id(w, "CR", m->id);
	sim_shape_urlf(w, "url", "%s/repos/%s/check-runs/%lld", s->url, r->full_name, (long long)m->id);
	sim_shape_urlf(w, "html_url", "%s/%s/runs/%lld", s->url, r->full_name, (long long)m->id);
	sim_shape_check_said(w, s, r, m);
	jw_str(w, "name", m->context);
	if (m->check != NULL) {
		sim_shape_suite(w, s, r, m->sha, m->app_id, m->state != NULL ? "completed" : "in_progress", m->state);
	} else {
		jw_open(w, "check_suite");
		jw_int(w, "id", m->id + 1);
		jw_close(w);
	}
	if (m->app_id != 0)
		sim_shape_app_id(w, "app", s, m->app_id);
	else
		jw_null(w, "app");
	empty_array(w, "pull_requests");
	jw_close(w);
}
