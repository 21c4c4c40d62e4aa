#include "github/outbox_priv.h"

#include "base/limits.h"
#include "base/text.h"

#include <stdio.h>

/* Pure: what an answer means for an effect, when the next write may go, what identifies content. */

/* The repository, the pull request or our right to write is missing: rarely mended by waiting, so it is tried only so often. */
bool outbox_is_refusal(const struct gh_result *r)
{
	return r->retry_at_ms == 0 && (r->status == 403 || r->status == 404);
}

/* A locked conversation and an archived repository answer 403 like a missing permission does; only the words tell. */
static bool is_closed(const struct gh_result *r)
{
	static const char *const words[] = {"issue is locked", "was archived"};
	for (size_t i = 0; r->status == 403 && r->retry_at_ms == 0 && i < ARRAY_LEN(words); i++)
		if (strstr(r->err.msg, words[i]) != NULL)
			return true;
	return r->status == 410;
}

static enum outbox_verdict judge_failure(enum outbox_op op, const struct gh_result *r, unsigned refusals)
{
	if (is_closed(r) || r->status == 422 || r->err.code == ERR_USAGE)
		return OUTBOX_HOPELESS;
	if (r->ambiguous)
		return OUTBOX_UNSURE;
	if (!outbox_is_refusal(r))
		return OUTBOX_AGAIN; /* a limit, a server in trouble, a refused token: time or an operator mends it, however long it takes */
	if (refusals + 1 >= LIMIT_GITHUB_TRIES)
		return OUTBOX_HOPELESS;
	return op == OUTBOX_EDIT ? OUTBOX_GONE : OUTBOX_AGAIN; /* deleted, or 403: perhaps somebody else's, so it is not held on to */
}

enum outbox_verdict outbox_judge(enum outbox_op op, const struct gh_result *r, int64_t found_id, unsigned refusals)
{
	if (r->err.code != 0)
		return judge_failure(op, r, refusals);
	return op == OUTBOX_LOOK && found_id == 0 ? OUTBOX_ABSENT : OUTBOX_DELIVERED;
}

int64_t outbox_backoff_ms(unsigned tries)
{
	unsigned doublings = tries > 0 ? tries - 1 : 0;
	if (doublings > 16)
		doublings = 16;
	int64_t ms = INT64_C(1000) << doublings;
	return ms < OUTBOX_BACKOFF_MAX_MS ? ms : OUTBOX_BACKOFF_MAX_MS;
}

/* A clock that was set back must not hold writes for longer than the bucket itself could. */
static int64_t full_at(const struct outbox_rate *r, int64_t now_ms)
{
	int64_t most = now_ms + (int64_t)LIMIT_WRITES_BURST * 1000;
	return r->full_at_ms < most ? r->full_at_ms : most;
}

int64_t outbox_rate_when(const struct outbox_rate *r, int64_t now_ms)
{
	int64_t when = full_at(r, now_ms) - ((int64_t)LIMIT_WRITES_BURST - 1) * 1000;
	if (r->hour_ago_ms != 0 && r->hour_ago_ms <= now_ms && r->hour_ago_ms + 3600 * 1000 > when)
		when = r->hour_ago_ms + 3600 * 1000;
	if (r->blocked_until_ms > when)
		when = r->blocked_until_ms;
	return when > now_ms ? when : 0;
}

void outbox_rate_spend(struct outbox_rate *r, int64_t now_ms)
{
	int64_t full = full_at(r, now_ms);
	r->full_at_ms = (full > now_ms ? full : now_ms) + 1000;
}

void outbox_marker(struct buf *out, const char *slot)
{
	buf_adds(out, "<!-- sluice slot=");
	for (const char *p = slot; *p != '\0'; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("/_.:", *p) != NULL;
		if (plain)
			buf_addc(out, *p);
		else
			buf_printf(out, "%%%02X", (unsigned)(unsigned char)*p);
	}
	buf_adds(out, " -->\n");
}

/* Lengths go in as well, so that no two contents run together into the same bytes. */
static void add_part(struct buf *b, const char *s)
{
	buf_printf(b, "%zu:", s != NULL ? strlen(s) : 0);
	if (s != NULL)
		buf_adds(b, s);
}

void outbox_digest(const struct effect *e, char out[OUTBOX_DIGEST_SIZE])
{
	static const struct gh_check none;
	const struct gh_check *k = e->check != NULL ? e->check : &none;
	const char *const parts[] = {
		e->body, e->sha, e->context, e->state, e->description, e->target_url, k->name, k->head_sha, k->external_id, k->details_url, k->status,
		k->conclusion, k->title, k->summary, k->text, k->actions, e->annotations,
	};
	CLEANUP_BUF struct buf b = {0};
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		add_part(&b, parts[i]);
	crypto_sha256_hex(buf_str(&b), b.len, out);
}

char *outbox_chunk(const char *lines, int64_t from, int64_t *ret_n)
{
	CLEANUP_BUF struct buf out = {0};
	int64_t at = 0, n = 0;
	for (const char *p = lines != NULL ? lines : ""; *p != '\0' && n < (int64_t)LIMIT_CHECK_ANNOTATIONS;) {
		size_t len = strcspn(p, "\n");
		if (len > 0 && at++ >= from) {
			buf_addc(&out, n++ == 0 ? '[' : ',');
			buf_add(&out, p, len);
		}
		p += len + (p[len] != '\0');
	}
	*ret_n = n;
	if (n == 0)
		return NULL;
	buf_addc(&out, ']');
	return buf_take(&out);
}

void outbox_item_free(struct outbox_item *i)
{
	char *const own[] = {
		i->slot,       i->repo,        i->body,       i->sha,     i->context, i->status, i->description,
		i->target_url, i->external_id, i->conclusion, i->details, i->actions, i->chunk,
	};
	for (size_t k = 0; k < ARRAY_LEN(own); k++)
		free(own[k]);
	*i = (struct outbox_item){0};
}
