/* What people do to a pull request's words and marks after they were made: labels, edited and deleted comments, dismissed and edited reviews. */
#include "base/clock.h"
#include "base/text.h"
#include "cmd/sim/sim_gate.h"

enum { LABEL_MAX = 50, LABELS_MAX = 100 };

/* ---- labels ---- */

static void shape(struct json_writer *w, const char *key, const struct sim *s, const struct sim_repo *r, const char *name)
{
	struct buf segment CLEANUP_BUF = {0};
	int64_t id = (int64_t)(text_hash(name, strlen(name)) % 999983) + 7000000000;
	text_url_segment(&segment, name);
	jw_open(w, key);
	jw_int(w, "id", id);
	sim_shape_node_id(w, "LA", id);
	sim_shape_urlf(w, "url", "%s/repos/%s/labels/%s", s->url, r->full_name, buf_str(&segment));
	jw_str(w, "name", name);
	jw_str(w, "color", "ededed");
	jw_bool(w, "default", false);
	jw_str(w, "description", "");
	jw_close(w);
}

void sim_shape_labels(struct json_writer *w, const struct sim *s, const struct sim_repo *r, const struct sim_pull *p)
{
	jw_open_arr(w, "labels");
	for (size_t i = 0; i < p->labels.n; i++)
		shape(w, NULL, s, r, p->labels.v[i]);
	jw_close_arr(w);
}

void sim_get_labels(struct sim_req *q)
{
	size_t from, to;
	sim_paginate(q, q->pull->labels.n, &from, &to);
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open_arr(&w, NULL);
	for (size_t i = from; i < to; i++)
		shape(&w, NULL, q->s, q->repo, q->pull->labels.v[i]);
	jw_close_arr(&w);
	sim_answer_buf(q, 200, &b);
}

static void tell_label(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_user *u, const char *name, bool on)
{
	struct buf b CLEANUP_BUF = {0};
	struct json_writer w = json_writer(&b);
	shape(&w, NULL, s, r, name);
	sim_hook_pull_with(s, r, p, u, on ? "labeled" : "unlabeled", "label", buf_str(&b));
}

/* Names are the same whatever their case. */
static int label_at(const struct strlist *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (text_same_case(l->v[i], name))
			return (int)i;
	return -1;
}

int sim_label(struct sim *s, const char *repo, int64_t n, const char *user, const char *name, bool on, struct err *err)
{
	struct sim_repo *r;
	struct sim_pull *p;
	int rc = sim_pull_get(s, repo, n, &r, &p, err);
	if (rc != 0)
		return rc;
	if (name[0] == '\0' || text_chars(name, strlen(name)) > LABEL_MAX || p->labels.n >= LABELS_MAX)
		return err_set(err, ERR_LIMIT, "label of #%lld: a name has 1 to %d characters, and a pull request at most %d labels", (long long)n,
			       LABEL_MAX, LABELS_MAX);
	int at = label_at(&p->labels, name);
	if (on == (at >= 0))
		return on ? 0 : err_set(err, ERR_NOT_FOUND, "#%lld has no label %s", (long long)n, name);
	if (on) {
		strlist_add(&p->labels, name);
	} else {
		free(p->labels.v[at]);
		p->labels.n--;
		memmove(&p->labels.v[at], &p->labels.v[at + 1], (p->labels.n - (size_t)at) * sizeof(char *));
	}
	p->updated_ms = clock_wall_ms();
	tell_label(s, r, p, sim_user(s, user), name, on);
	sim_changed(s);
	return 0;
}

/* ---- reviews ---- */

static struct sim_rev *newest_of(struct sim_pull *p, const struct sim_user *reviewer)
{
	for (size_t i = p->reviews_n; i-- > 0;)
		if (p->reviews[i].user == reviewer && strcmp(p->reviews[i].state, "DISMISSED") != 0)
			return &p->reviews[i];
	return NULL;
}

int sim_review_act(struct sim *s, const char *repo, int64_t n, const char *user, const char *reviewer, const char *body, struct err *err)
{
	struct sim_repo *r;
	struct sim_pull *p;
	int rc = sim_pull_get(s, repo, n, &r, &p, err);
	if (rc != 0)
		return rc;
	struct sim_rev *v = newest_of(p, sim_user(s, reviewer));
	if (v == NULL)
		return err_set(err, ERR_NOT_FOUND, "#%lld has no review of %s that was not dismissed", (long long)n, reviewer);
	if (body == NULL && strcmp(v->state, "COMMENTED") == 0)
		return err_set(err, ERR_REFUSED, "review of %s on #%lld: Can not dismiss a commented pull request review", reviewer, (long long)n);
	if (body != NULL) {
		free(v->body);
		v->body = xstrdup(body);
	} else {
		v->state = "DISMISSED";
	}
	p->updated_ms = clock_wall_ms();
	sim_hook_review_as(s, r, p, v, body != NULL ? "edited" : "dismissed", sim_user(s, user));
	sim_changed(s);
	return 0;
}

/* ---- comments ---- */

void sim_hook_comment_as(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_comment *c, const char *action,
			 const struct sim_user *sender)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "action", action);
	if (strcmp(action, "edited") == 0) {
		jw_open(&w, "changes");
		jw_open(&w, "body");
		jw_str(&w, "from", c->history_n > 0 ? c->history[c->history_n - 1].body : "");
		jw_close(&w);
		jw_close(&w);
	}
	sim_shape_issue(&w, "issue", s, r, p);
	sim_shape_comment(&w, "comment", s, r, p, c);
	sim_shape_repo(&w, "repository", s, r, NULL);
	sim_shape_user(&w, "sender", s, sender);
	jw_close(&w);
	sim_deliver(s, r, "issue_comment", action, &b);
}

int sim_comment_act(struct sim *s, const char *repo, int64_t id, const char *user, const char *body, struct err *err)
{
	struct sim_repo *r;
	struct sim_pull *p;
	int rc = sim_repo_get(s, repo, &r, err);
	if (rc != 0)
		return rc;
	struct sim_comment *c = sim_comment_find(r, id, &p);
	struct sim_user *u = sim_user(s, user);
	if (c == NULL)
		return err_set(err, ERR_NOT_FOUND, "%s has no comment %lld", repo, (long long)id);
	if (c->user != u && !sim_may(r, u, "write"))
		return err_set(err, ERR_REFUSED, "comment %lld is by %s; %s may not change it", (long long)id, c->user->login, user);
	if (body != NULL)
		sim_comment_edit(s, c, body);
	else
		c->deleted = true;
	sim_hook_comment_as(s, r, p, c, body != NULL ? "edited" : "deleted", u);
	sim_changed(s);
	return 0;
}
