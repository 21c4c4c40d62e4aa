/* GET /_sim/state: everything. GET /_sim/wait: answers when a condition holds, or with 408 when its time is over. */
#include "base/clock.h"
#include "base/text.h"
#include "cmd/sim/sim_app.h"
#include "cmd/sim/sim_gate.h"

enum { WAIT_MS = 10000, WAIT_MAX_MS = 300000 };

/* ---- state ---- */

static void comments(struct json_writer *w, const struct sim_pull *p)
{
	jw_open_arr(w, "comments");
	for (size_t i = 0; i < p->comments_n; i++) {
		const struct sim_comment *c = &p->comments[i];
		jw_open(w, NULL);
		jw_int(w, "id", c->id);
		jw_str(w, "user", c->user->login);
		jw_bool(w, "deleted", c->deleted);
		jw_str(w, "body", c->body);
		jw_int(w, "created_ms", c->created_ms);
		jw_int(w, "updated_ms", c->updated_ms);
		jw_int(w, "edits", (int64_t)c->history_n);
		jw_open_arr(w, "history");
		for (size_t k = 0; k < c->history_n; k++) {
			jw_open(w, NULL);
			jw_int(w, "at_ms", c->history[k].at_ms);
			jw_str(w, "body", c->history[k].body);
			jw_close(w);
		}
		jw_close_arr(w);
		jw_close(w);
	}
	jw_close_arr(w);
}

static void pull(struct json_writer *w, struct sim *s, struct sim_repo *r, struct sim_pull *p)
{
	int64_t position;
	jw_open(w, NULL);
	jw_int(w, "number", p->number);
	jw_str(w, "title", p->title);
	jw_str(w, "user", p->user->login);
	jw_str(w, "state", p->open ? "open" : "closed");
	jw_bool(w, "merged", p->merged);
	jw_bool(w, "draft", p->draft);
	jw_str(w, "head", p->head);
	jw_str(w, "head_ref", p->head_ref);
	jw_str(w, "base", p->base);
	jw_str(w, "base_ref", p->base_ref);
	jw_str(w, "merge_commit", p->merged ? p->merged_as : NULL);
	jw_str(w, "mergeable_state", sim_pull_state(s, r, p));
	jw_bool(w, "queued", sim_queue_entry(r, p->number, &position) != NULL);
	jw_open_arr(w, "labels");
	for (size_t i = 0; i < p->labels.n; i++)
		jw_str(w, NULL, p->labels.v[i]);
	jw_close_arr(w);
	comments(w, p);
	jw_open_arr(w, "reviews");
	for (size_t i = 0; i < p->reviews_n; i++) {
		jw_open(w, NULL);
		jw_str(w, "user", p->reviews[i].user->login);
		jw_str(w, "state", p->reviews[i].state);
		jw_str(w, "commit", p->reviews[i].commit);
		jw_str(w, "body", p->reviews[i].body);
		jw_close(w);
	}
	jw_close_arr(w);
	jw_close(w);
}

static void marks(struct json_writer *w, const char *key, const struct sim_mark *m, size_t n)
{
	jw_open_arr(w, key);
	for (size_t i = 0; i < n; i++) {
		jw_open(w, NULL);
		jw_str(w, "sha", m[i].sha);
		jw_str(w, "context", m[i].context);
		jw_str(w, "state", m[i].state);
		jw_str(w, "description", m[i].description);
		jw_str(w, "target_url", m[i].target_url);
		jw_int(w, "at_ms", m[i].at_ms);
		jw_close(w);
	}
	jw_close_arr(w);
}

static void repository(struct json_writer *w, struct sim *s, struct sim_repo *r)
{
	jw_open(w, NULL);
	jw_str(w, "full_name", r->full_name);
	jw_int(w, "id", r->id);
	jw_str(w, "default_branch", r->default_branch);
	jw_str(w, "git_dir", r->git_dir);
	jw_open(w, "refs");
	for (size_t i = 0; i < r->refs_n; i++)
		jw_str(w, r->refs[i].name, r->refs[i].sha);
	jw_close(w);
	jw_open(w, "permissions");
	for (size_t i = 0; i < r->grants_n; i++)
		jw_str(w, r->grants[i].user->login, r->grants[i].permission);
	jw_close(w);
	jw_open_arr(w, "pulls");
	for (size_t i = 0; i < r->pulls_n; i++)
		pull(w, s, r, r->pulls[i]);
	jw_close_arr(w);
	marks(w, "statuses", r->statuses, r->statuses_n);
	marks(w, "checks", r->checks, r->checks_n);
	jw_close(w);
}

static void deliveries(struct json_writer *w, const struct sim *s)
{
	jw_open_arr(w, "deliveries");
	for (size_t i = 0; i < s->log_n; i++) {
		const struct sim_delivery *d = s->log[i];
		jw_open(w, NULL);
		jw_str(w, "guid", d->guid);
		jw_str(w, "event", d->event);
		jw_str(w, "action", d->action);
		jw_int(w, "at_ms", d->at_ms);
		jw_int(w, "took_ms", d->took_ms);
		jw_int(w, "status", d->status);
		jw_bool(w, "done", d->done);
		jw_bool(w, "dropped", d->dropped);
		jw_bool(w, "redelivery", d->redelivery);
		jw_str(w, "problem", d->problem);
		jw_close(w);
	}
	jw_close_arr(w);
}

static void requests(struct json_writer *w, const struct sim *s)
{
	jw_open_arr(w, "writes");
	for (size_t i = 0; i < s->writes_n; i++) {
		jw_open(w, NULL);
		jw_str(w, "user", s->writes[i].user->login);
		jw_str(w, "class", s->writes[i].class_name);
		jw_int(w, "at_ms", s->writes[i].at_ms);
		jw_close(w);
	}
	jw_close_arr(w);
	jw_open(w, "requests");
	for (size_t i = 0; i < s->counts_n; i++)
		jw_int(w, s->counts[i].class_name, (int64_t)s->counts[i].n);
	jw_close(w);
}

void sim_look_state(struct sim_req *q)
{
	struct buf b = {.max = 256u * 1024u * 1024u};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "url", q->s->url);
	jw_open_arr(&w, "repositories");
	for (size_t i = 0; i < q->s->repos_n; i++)
		repository(&w, q->s, q->s->repos[i]);
	jw_close_arr(&w);
	deliveries(&w, q->s);
	requests(&w, q->s);
	sim_look_tokens(&w, q->s);
	jw_close(&w);
	sim_answer_buf(q, 200, &b);
}

/* ---- wait ---- */

struct sim_waiter {
	struct sim_waiter *next;
	struct sim *s;
	struct http_exchange *x;
	struct loop_timer *timer;
	char *repo, *comment, *by, *context, *state;
	int64_t pr, comments;
	bool merged, delivered;
};

static bool has_comment(const struct sim_waiter *v, const struct sim_pull *p)
{
	for (size_t i = 0; i < p->comments_n; i++) {
		const struct sim_comment *c = &p->comments[i];
		if (!c->deleted && strstr(c->body, v->comment) != NULL && (v->by == NULL || text_same_case(c->user->login, v->by)))
			return true;
	}
	return false;
}

static bool has_status(const struct sim_waiter *v, const struct sim_pull *p)
{
	const char *state = sim_status(v->s, v->repo, p->merged ? p->merged_as : p->head, v->context, NULL);
	if (state == NULL && p->merged)
		state = sim_status(v->s, v->repo, p->head, v->context, NULL);
	return state != NULL && (v->state == NULL || strcmp(state, v->state) == 0);
}

/* All conditions that were named hold. */
static bool holds(const struct sim_waiter *v)
{
	if (v->delivered && sim_hooks(v->s).waiting > 0)
		return false;
	if (v->repo == NULL)
		return v->delivered;
	const struct sim_repo *r = sim_repo_find(v->s, v->repo, strlen(v->repo));
	const struct sim_pull *p = r != NULL ? sim_pull_find(r, v->pr) : NULL;
	if (p == NULL)
		return false;
	return (v->comment == NULL || has_comment(v, p)) && (v->context == NULL || has_status(v, p)) && (!v->merged || p->merged) &&
	       (int64_t)p->comments_n >= v->comments;
}

/* Out of the list, answered, freed. */
static void finish(struct sim_waiter *v, int status, const char *json)
{
	struct sim_waiter **at = &v->s->waiters;
	while (*at != v)
		at = &(*at)->next;
	*at = v->next;
	http_reply(v->x, status, "application/json", json, strlen(json), NULL, 0);
	loop_timer_close(v->timer);
	free(v->repo);
	free(v->comment);
	free(v->by);
	free(v->context);
	free(v->state);
	free(v);
}

void sim_waiters_wake(struct sim *s, bool closing)
{
	for (struct sim_waiter *v = s->waiters, *next; v != NULL; v = next) {
		next = v->next;
		if (closing)
			finish(v, 503, "{\"message\":\"the simulated GitHub is closing\"}");
		else if (holds(v))
			finish(v, 200, "{\"ok\":true}");
	}
}

static void on_time_over(void *arg) { finish(arg, 408, "{\"message\":\"the condition did not come true in time\"}"); }

static bool says(const struct sim_req *q, const char *key)
{
	const char *value = http_query(q->x, key);
	return value != NULL && strcmp(value, "1") == 0;
}

static int take_number(const struct sim_req *q, const char *key, int64_t max, int64_t dflt, int64_t *ret, struct err *err)
{
	const char *value = http_query(q->x, key);
	*ret = dflt;
	return value != NULL ? text_int(value, 0, max, ret, err) : 0;
}

void sim_look_wait(struct sim_req *q)
{
	struct err err = {0};
	int64_t ms = 0, pr = 0, n = 0;
	if (take_number(q, "timeout_ms", WAIT_MAX_MS, WAIT_MS, &ms, &err) != 0 || take_number(q, "pr", INT32_MAX, 1, &pr, &err) != 0 ||
	    take_number(q, "comments", INT32_MAX, 0, &n, &err) != 0) {
		sim_fail(q, 400, err.msg);
		return;
	}
	struct sim_waiter *v = xcalloc(1, sizeof(*v));
	*v = (struct sim_waiter){.s = q->s, .x = q->x, .pr = pr, .comments = n, .merged = says(q, "merged"), .delivered = says(q, "delivered")};
	v->repo = xstrdup(http_query(q->x, "repo"));
	v->comment = xstrdup(http_query(q->x, "comment"));
	v->by = xstrdup(http_query(q->x, "by"));
	v->context = xstrdup(http_query(q->x, "context"));
	v->state = xstrdup(http_query(q->x, "state"));
	v->next = q->s->waiters;
	q->s->waiters = v;
	if (holds(v)) {
		finish(v, 200, "{\"ok\":true}");
		return;
	}
	v->timer = loop_timer_new(q->s->l, on_time_over, v);
	loop_timer_start(v->timer, ms, 0);
}
