/* Webhooks: payloads as GitHub writes them, and their delivery, one after the other so that tests see one order. What the rules of
 * sim_faults.c ask for changes that: twice, swapped with the next one, later, or not at all.
 *
 *   made -> log -> (dropped | held for the next one | delayed | sending -> answered) */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd/sim/sim_app.h"
#include "cmd/sim/sim_gate.h"

enum { HOOK_WAIT_MS = 10000, HELD_MS = 500, HOOK_ANSWER_MAX = 65536 };

static void send_next(struct sim *s);

/* ---- delivery ---- */

static void on_answer(const struct http_response *res, void *arg)
{
	struct sim_delivery *d = arg;
	struct sim *s = d->s;
	d->call = NULL;
	d->done = true;
	d->status = res->status;
	d->took_ms = res->took_ms;
	if (res->status == 0)
		d->problem = xstrdup(res->err.msg);
	if (s->sending == d)
		s->sending = NULL;
	sim_changed(s);
	send_next(s);
}

static void sign(const struct sim *s, const struct sim_delivery *d, char out[80])
{
	uint8_t mac[SHA256_SIZE];
	struct buf hex CLEANUP_BUF = {0};
	crypto_hmac_sha256(s->webhook_secret, strlen(s->webhook_secret), d->body, strlen(d->body), mac);
	text_hex(&hex, mac, sizeof(mac));
	(void)snprintf(out, 80, "sha256=%s", buf_str(&hex));
}

static void send_one(struct sim *s, struct sim_delivery *d)
{
	char signature[80], hook_id[24], target[24];
	bool by_app = s->apps->n > 0; /* an App has one webhook for all its repositories */
	sign(s, d, signature);
	(void)snprintf(hook_id, sizeof(hook_id), "%lld", (long long)(by_app ? s->apps->v[0]->id + 1 : d->repo_id + 1));
	(void)snprintf(target, sizeof(target), "%lld", (long long)(by_app ? s->apps->v[0]->id : d->repo_id));
	const struct http_header headers[] = {
		{"Accept", "*/*"},
		{"Content-Type", "application/json"},
		{"User-Agent", SIM_AGENT},
		{"X-GitHub-Delivery", d->guid},
		{"X-GitHub-Event", d->event},
		{"X-GitHub-Hook-ID", hook_id},
		{"X-GitHub-Hook-Installation-Target-ID", target},
		{"X-GitHub-Hook-Installation-Target-Type", by_app ? "integration" : "repository"},
		{"X-Hub-Signature-256", signature},
	};
	struct http_request req = {.method = "POST", .url = s->webhook_url, .headers = headers, .headers_n = ARRAY_LEN(headers), .body = d->body,
				   .body_len = strlen(d->body), .max_body = HOOK_ANSWER_MAX, .timeout_ms = HOOK_WAIT_MS};
	d->at_ms = clock_wall_ms();
	sim_record_hook(s, d);
	d->call = http_send(s->client, &req, on_answer, d);
}

/* A delayed one does not make the others wait; a held one lets the next pass, or goes when nothing comes. */
static void on_time(void *arg)
{
	struct sim_delivery *d = arg;
	if (d->s->held == d)
		d->s->held = NULL;
	if (d->call == NULL && !d->done)
		send_one(d->s, d);
}

static void send_at(struct sim_delivery *d, int64_t after_ms)
{
	if (d->timer == NULL)
		d->timer = loop_timer_new(d->s->l, on_time, d);
	loop_timer_start(d->timer, after_ms, 0);
}

static struct sim_delivery *append(struct sim *s, const char *guid, int64_t repo_id, const char *event, const char *action, const char *body)
{
	struct sim_delivery *d = xcalloc(1, sizeof(*d));
	d->s = s;
	d->id = sim_new_id(s);
	d->repo_id = repo_id;
	d->event = event;
	d->action = xstrdup(action);
	d->body = xstrdup(body);
	d->at_ms = clock_wall_ms();
	(void)snprintf(d->guid, sizeof(d->guid), "%s", guid);
	s->log = xreallocarray(s->log, s->log_n + 1, sizeof(struct sim_delivery *));
	s->log[s->log_n++] = d;
	return d;
}

static void send_next(struct sim *s)
{
	while (s->sending == NULL && !s->closing && s->log_next < s->log_n) {
		struct sim_delivery *d = s->log[s->log_next++];
		if (d->dropped || d->call != NULL || d->timer != NULL)
			continue;
		s->sending = d;
		send_one(s, d);
		if (s->held != NULL) { /* the one before it follows it at once */
			struct sim_delivery *held = TAKE(s->held);
			send_at(held, 20);
		}
	}
}

static void on_kick(void *arg) { send_next(arg); }

/* Never from inside the act that made the delivery: its answer comes first. */
static void kick(struct sim *s)
{
	if (s->sending != NULL)
		return;
	if (s->kick == NULL)
		s->kick = loop_timer_new(s->l, on_kick, s);
	loop_timer_start(s->kick, 0, 0);
}

void sim_deliver(struct sim *s, const struct sim_repo *r, const char *event, const char *action, struct buf *payload)
{
	char hex[33], guid[40];
	int64_t repo_id = r != NULL ? r->id : 0;
	ASSERT(!buf_failed(payload));
	crypto_random_hex(16, hex);
	(void)snprintf(guid, sizeof(guid), "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
	if (s->webhook_url == NULL || !sim_app_hears(s, r, payload)) {
		buf_free(payload);
		return;
	}
	struct sim_delivery *d = append(s, guid, repo_id, event, action, buf_str(payload));
	const struct sim_fault *f = sim_fault_next(s, "hook", event);
	enum sim_fault_kind kind = f != NULL ? f->kind : SIM_F_NONE;
	if (kind == SIM_F_DROP) {
		d->dropped = d->done = true;
	} else if (kind == SIM_F_DUPLICATE) {
		append(s, guid, repo_id, event, action, buf_str(payload))->redelivery = true;
	} else if (kind == SIM_F_DELAY) {
		send_at(d, f->number);
	} else if (kind == SIM_F_REORDER && s->held == NULL) {
		s->held = d;
		send_at(d, HELD_MS);
	}
	buf_free(payload);
	kick(s);
}

bool sim_redeliver(struct sim *s, size_t index)
{
	if (index >= s->log_n)
		return false;
	const struct sim_delivery *d = s->log[index];
	append(s, d->guid, d->repo_id, d->event, d->action, d->body)->redelivery = true;
	kick(s);
	return true;
}

struct sim_hook_counts sim_hooks(const struct sim *s)
{
	struct sim_hook_counts c = {0};
	for (size_t i = 0; i < s->log_n; i++) {
		const struct sim_delivery *d = s->log[i];
		c.dropped += d->dropped;
		c.waiting += !d->done;
		c.sent += d->done && !d->dropped;
		c.answered_2xx += d->done && d->status >= 200 && d->status < 300;
		c.failed += d->done && !d->dropped && (d->status < 200 || d->status >= 300);
	}
	return c;
}

void sim_hooks_close(struct sim *s)
{
	for (size_t i = 0; i < s->log_n; i++) {
		struct sim_delivery *d = s->log[i];
		if (d->call != NULL)
			http_cancel(d->call);
		loop_timer_close(d->timer);
		free(d->action);
		free(d->body);
		free(d->problem);
		free(d);
	}
	loop_timer_close(s->kick);
	free(s->log);
	s->kick = NULL;
	s->log = NULL;
	s->log_n = s->log_next = 0;
}

/* ---- payloads ---- */

static void end_payload(struct sim *s, struct sim_repo *r, struct json_writer *w, const struct sim_user *sender)
{
	sim_shape_repo(w, "repository", s, r, NULL);
	sim_shape_user(w, "sender", s, sender);
	jw_close(w);
}

void sim_hook_pull(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_user *u, const char *action, const char *changes_or_before,
		   const char *after)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "action", action);
	jw_int(&w, "number", p->number);
	sim_shape_pull(&w, s, r, p, (struct sim_shape_pull){.key = "pull_request", .hook = true});
	if (strcmp(action, "synchronize") == 0) {
		jw_str(&w, "before", changes_or_before);
		jw_str(&w, "after", after);
	} else if (changes_or_before != NULL) {
		jw_raw(&w, "changes", changes_or_before);
	}
	end_payload(s, r, &w, u);
	sim_deliver(s, r, "pull_request", action, &b);
}

void sim_hook_pull_with(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_user *u, const char *action, const char *key,
			const char *json)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "action", action);
	jw_int(&w, "number", p->number);
	if (key != NULL)
		jw_raw(&w, key, json);
	sim_shape_pull(&w, s, r, p, (struct sim_shape_pull){.key = "pull_request", .hook = true});
	end_payload(s, r, &w, u);
	sim_deliver(s, r, "pull_request", action, &b);
}

void sim_hook_comment(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_comment *c)
{
	sim_hook_comment_as(s, r, p, c, "created", c->user);
}

void sim_hook_review_as(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_rev *v, const char *action, const struct sim_user *sender)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "action", action);
	sim_shape_review(&w, "review", s, r, p, v, true);
	sim_shape_pull(&w, s, r, p, (struct sim_shape_pull){.key = "pull_request", .simple = true});
	if (strcmp(action, "edited") == 0)
		jw_raw(&w, "changes", "{}");
	end_payload(s, r, &w, sender);
	sim_deliver(s, r, "pull_request_review", action, &b);
}

void sim_hook_review(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct sim_rev *v)
{
	sim_hook_review_as(s, r, p, v, "submitted", v->user);
}
