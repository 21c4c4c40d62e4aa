#include "webhooks/intake.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "webhooks/delivery_store.h"

#include <stdio.h>

enum { GUID_MAX = 64, EVENT_MAX = 64, REFUSALS_LOGGED_PER_S = 10 };

/* The events that step 4 understands; everything else is acknowledged and forgotten. */
static const char *const stored_events[] = {"pull_request", "issue_comment", "push", "pull_request_review", "pull_request_review_thread", "check_run",
					    "check_suite", "status", "merge_group", "installation", "installation_repositories", "repository"};

bool intake_keeps(const char *event)
{
	for (size_t i = 0; i < ARRAY_LEN(stored_events); i++)
		if (strcmp(event, stored_events[i]) == 0)
			return true;
	return false;
}

struct intake {
	struct intake_options o;
	struct intake_counts counts;
	size_t storing;     /* inserts under way */
	bool telling;       /* on_stored is posted */
	bool freed;         /* by the owner, while that was posted */
	int64_t second;     /* of the last logged refusal */
	unsigned logged;    /* in that second */
	uint64_t unlogged;  /* since the last logged one */
};

/* One insert on its way to the writer and back. The body stays the exchange's: it lives until we answer. */
struct storing {
	struct intake *in;
	struct http_exchange *x;
	const char *event; /* of stored_events */
	char guid[GUID_MAX + 1];
	int64_t received_ms;
	const char *body;
	size_t len;
	bool is_new;
};

/* ---- before the body ---- */

/* Whoever floods us must not flood the log. */
static void log_refused(struct intake *in, int status, const char *guid, const char *why)
{
	int64_t second = clock_mono_ms() / 1000;
	in->counts.refused++;
	if (second != in->second) {
		in->second = second;
		in->logged = 0;
	}
	if (in->logged++ >= REFUSALS_LOGGED_PER_S) {
		in->unlogged++;
		return;
	}
	log_warn("intake.refused", "status=%d delivery=%s reason=%s more=%llu", status, log_value(guid != NULL ? guid : "-"), log_value(why),
		 (unsigned long long)in->unlogged);
	in->unlogged = 0;
}

static bool is_json_type(const char *type)
{
	static const char json[] = "application/json";
	if (type == NULL || strncasecmp(type, json, sizeof(json) - 1) != 0)
		return false;
	char next = type[sizeof(json) - 1];
	return next == '\0' || next == ';' || next == ' ';
}

static bool is_guid(const char *s)
{
	size_t n = strspn(s, "0123456789-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	return n > 0 && n <= GUID_MAX && s[n] == '\0';
}

static bool is_event(const char *s)
{
	size_t n = strspn(s, "0123456789_abcdefghijklmnopqrstuvwxyz");
	return n > 0 && n <= EVENT_MAX && s[n] == '\0';
}

/* 0, or the status and the reason. */
static int check_head(const struct http_exchange *x, const char **why)
{
	const char *guid = http_request_header(x, "X-GitHub-Delivery"), *event = http_request_header(x, "X-GitHub-Event");
	*why = "the method is not POST";
	if (strcmp(http_method(x), "POST") != 0)
		return 405;
	*why = "the content type is not application/json: choose it in the webhook's settings";
	if (!is_json_type(http_request_header(x, "Content-Type")))
		return 415;
	*why = "the X-GitHub-Event or X-GitHub-Delivery header is missing or malformed";
	if (guid == NULL || event == NULL || !is_guid(guid) || !is_event(event))
		return 400;
	*why = "the X-Hub-Signature-256 header is missing: set the webhook's secret";
	return http_request_header(x, "X-Hub-Signature-256") != NULL ? 0 : 401;
}

int intake_on_head(const struct http_exchange *x, size_t *ret_max_body, void *intake)
{
	const char *why;
	*ret_max_body = LIMIT_WEBHOOK_BYTES;
	int status = check_head(x, &why);
	if (status != 0)
		log_refused(intake, status, http_request_header(x, "X-GitHub-Delivery"), why);
	return status;
}

/* ---- the whole body is here ---- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "sha256=" and 64 hex digits. */
static bool read_signature(const char *s, uint8_t out[SHA256_SIZE])
{
	if (s == NULL || !text_starts(s, "sha256="))
		return false;
	s += strlen("sha256=");
	for (size_t i = 0; i < SHA256_SIZE; i++, s += 2) {
		int high = hex_value(s[0]), low = high < 0 ? -1 : hex_value(s[1]);
		if (low < 0)
			return false;
		out[i] = (uint8_t)(high * 16 + low);
	}
	return *s == '\0';
}

/* Tries every secret always, so that time does not tell which one fits. */
static bool is_signed(const struct intake *in, const struct http_exchange *x, const char *body, size_t len)
{
	uint8_t told[SHA256_SIZE], ours[SHA256_SIZE];
	if (!read_signature(http_request_header(x, "X-Hub-Signature-256"), told))
		return false;
	bool ok = false;
	for (size_t i = 0; i < in->o.secrets_n; i++) {
		crypto_hmac_sha256(in->o.secrets[i].bytes, in->o.secrets[i].len, body, len, ours);
		bool same = crypto_same(told, ours, sizeof(ours));
		ok = ok || same;
	}
	return ok;
}

static void refuse(struct intake *in, struct http_exchange *x, int status, const char *why)
{
	log_refused(in, status, http_request_header(x, "X-GitHub-Delivery"), why);
	http_reply_text(x, status, why);
}

static void reply_busy(struct intake *in, struct http_exchange *x)
{
	static const char *const headers[][2] = {{"Retry-After", "5"}};
	static const char text[] = "not stored; send it again later\n";
	in->counts.failed++;
	http_reply(x, 503, "text/plain; charset=utf-8", text, sizeof(text) - 1, headers, ARRAY_LEN(headers));
}

/* ---- keeping it ---- */

static void tell_stored(void *arg)
{
	struct intake *in = arg;
	in->telling = false;
	if (in->freed)
		free(in);
	else if (in->o.on_stored != NULL)
		in->o.on_stored(in->o.arg);
}

/* On the writer thread; touches nothing of the intake. */
static int store(struct db_conn *c, void *arg, struct err *err)
{
	struct storing *s = arg;
	return delivery_insert(c, s->guid, s->event, s->received_ms, s->body, s->len, &s->is_new, err);
}

/* On the loop, after the commit. */
static void on_stored(int rc, const struct err *err, void *arg)
{
	struct storing *s = arg;
	struct intake *in = s->in;
	in->storing--;
	if (rc != 0) {
		log_err("intake.store", "delivery=%s error=%s", s->guid, log_value(err->msg));
		reply_busy(in, s->x);
	} else if (s->is_new) {
		in->counts.stored++;
		http_reply_text(s->x, 202, "stored");
		if (!in->telling)
			loop_post(in->o.l, tell_stored, in);
		in->telling = true;
	} else {
		in->counts.repeated++;
		http_reply_text(s->x, 200, "known already");
	}
	free(s);
}

static void keep(struct intake *in, struct http_exchange *x, const char *event, const char *body, size_t len)
{
	if (db_waiting(in->o.db) >= LIMIT_DB_QUEUE) {
		reply_busy(in, x);
		return;
	}
	struct storing *s = xcalloc(1, sizeof(*s));
	*s = (struct storing){.in = in, .x = x, .event = event, .received_ms = clock_wall_ms(), .body = body, .len = len};
	(void)snprintf(s->guid, sizeof(s->guid), "%s", http_request_header(x, "X-GitHub-Delivery")); /* its length was checked */
	in->storing++;
	db_submit(in->o.db, store, on_stored, s);
}

void intake_on_request(struct http_exchange *x, void *intake)
{
	struct intake *in = intake;
	struct err err = {0};
	size_t len;
	const char *body = http_body(x, &len), *event = http_request_header(x, "X-GitHub-Event");
	if (!is_signed(in, x, body, len)) {
		refuse(in, x, 401, "the signature does not fit: compare the webhook's secret with webhook_secret_file");
		return;
	}
	if (json_scan(body, len, NULL, &err) != 0) {
		refuse(in, x, 400, err.msg);
		return;
	}
	if (strcmp(event, "ping") == 0) {
		in->counts.pings++;
		http_reply_text(x, 200, "pong");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(stored_events); i++) {
		if (strcmp(event, stored_events[i]) == 0) {
			keep(in, x, stored_events[i], body, len);
			return;
		}
	}
	in->counts.ignored++;
	http_reply_text(x, 200, "ignored");
}

struct intake *intake_new(const struct intake_options *o)
{
	ASSERT(o->secrets_n > 0); /* without a secret anyone could speak for GitHub */
	for (size_t i = 0; i < o->secrets_n; i++)
		ASSERT(o->secrets[i].len > 0);
	struct intake *in = xcalloc(1, sizeof(*in));
	in->o = *o;
	return in;
}

void intake_free(struct intake *in)
{
	if (in == NULL)
		return;
	ASSERT(in->storing == 0);
	in->freed = true;
	if (!in->telling)
		free(in);
}

const struct intake_counts *intake_counts(const struct intake *in) { return &in->counts; }
