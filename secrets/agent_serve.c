/* What the key agent does for the daemon: a table of operations, each with the one size its request has and what it needs. There is nothing to
 * parse. A JWT is made from a time alone, and every signature has its purpose in front, so that no operation can be used for another's. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/text.h"
#include "secrets/agent_priv.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

enum { JWT_PAST_S = 60, JWT_AHEAD_S = 540, CLOCK_APART_S = 3600 };

static const char *const prefixes[AGENT_PURPOSES] = {
	[AGENT_PLAN_RECORD] = "sluice plan record v1\n",
	[AGENT_AUDIT_HEAD] = "sluice audit head v1\n",
};
const char *agent_prefix(enum agent_purpose p) { return prefixes[p]; }

static void say(struct agent_answer *a, const void *bytes, size_t len)
{
	ASSERT(a->len + len <= sizeof(a->bytes));
	memcpy(a->bytes + a->len, bytes, len);
	a->len += (uint32_t)len;
}

static int new_key(const struct agent_keys *k, const struct agent_request *q, struct agent_answer *a, struct err *err)
{
	struct agent_key_request body;
	uint8_t key[AGENT_KEY_SIZE], wrapped[AGENT_WRAPPED_SIZE];
	memcpy(&body, q->body, sizeof(body));
	size_t len = strnlen(body.context, sizeof(body.context));
	if (len == 0)
		return err_set(err, ERR_USAGE, "key agent: a key needs a context");
	crypto_random(key, sizeof(key));
	int rc = crypto_seal(k->master, body.context, len, key, sizeof(key), wrapped, err);
	if (rc == 0) {
		say(a, key, sizeof(key));
		say(a, wrapped, sizeof(wrapped));
	}
	crypto_wipe(key, sizeof(key));
	return rc;
}

static int unwrap(const struct agent_keys *k, const struct agent_request *q, struct agent_answer *a, struct err *err)
{
	struct agent_key_request body;
	uint8_t key[AGENT_KEY_SIZE];
	memcpy(&body, q->body, sizeof(body));
	size_t len = strnlen(body.context, sizeof(body.context));
	if (len == 0)
		return err_set(err, ERR_USAGE, "key agent: a key needs a context");
	int rc = crypto_open(k->master, body.context, len, body.wrapped, sizeof(body.wrapped), key, err);
	if (rc == 0)
		say(a, key, sizeof(key));
	crypto_wipe(key, sizeof(key));
	return rc;
}

static void jwt_part(struct buf *jwt, const struct buf *json)
{
	if (jwt->len > 0)
		buf_addc(jwt, '.');
	text_base64url(jwt, json->data, json->len);
}

static int app_jwt(const struct agent_keys *k, const struct agent_request *q, struct agent_answer *a, struct err *err)
{
	int64_t now, here = (int64_t)time(NULL);
	memcpy(&now, q->body, sizeof(now));
	if (now <= here - CLOCK_APART_S || now >= here + CLOCK_APART_S)
		return err_set(err, ERR_REFUSED, "key agent: no token is made for a time that is an hour or more away from this machine's clock");
	CLEANUP_BUF struct buf head = {0}, claims = {0}, jwt = {0};
	uint8_t sig[RSA_SIG_MAX];
	size_t sig_len = 0;
	buf_adds(&head, "{\"alg\":\"RS256\",\"typ\":\"JWT\"}");
	buf_printf(&claims, "{\"iat\":%lld,\"exp\":%lld,\"iss\":\"%s\"}", (long long)(now - JWT_PAST_S), (long long)(now + JWT_AHEAD_S), k->app_id);
	jwt_part(&jwt, &head);
	jwt_part(&jwt, &claims);
	int rc = crypto_rsa_sign(k->app, jwt.data, jwt.len, sig, &sig_len, err);
	if (rc != 0)
		return rc;
	buf_addc(&jwt, '.');
	text_base64url(&jwt, sig, sig_len);
	say(a, jwt.data, jwt.len);
	return 0;
}

static int sign(const struct agent_keys *k, const struct agent_request *q, struct agent_answer *a, enum agent_purpose purpose)
{
	static uint8_t text[64 + AGENT_SIGN_MAX];
	uint8_t sig[AGENT_SIG_SIZE];
	size_t n = strlen(prefixes[purpose]);
	memcpy(text, prefixes[purpose], n);
	memcpy(text + n, q->body, q->head.len);
	crypto_sign(k->sign, text, n + q->head.len, sig);
	say(a, sig, sizeof(sig));
	return 0;
}

static int sign_plan(const struct agent_keys *k, const struct agent_request *q, struct agent_answer *a, struct err *err)
{
	(void)err;
	return sign(k, q, a, AGENT_PLAN_RECORD);
}

static int sign_audit(const struct agent_keys *k, const struct agent_request *q, struct agent_answer *a, struct err *err)
{
	(void)err;
	return sign(k, q, a, AGENT_AUDIT_HEAD);
}

/* With a key of its own, derived from the master key: nothing that is sealed can be opened with it. */
static int blind(const struct agent_keys *k, const struct agent_request *q, struct agent_answer *a, struct err *err)
{
	static const char purpose[] = "sluice digest blinding key";
	uint8_t key[SHA256_SIZE], out[SHA256_SIZE];
	CLEANUP_BUF struct buf hex = {0};
	(void)err;
	crypto_hmac_sha256(k->master, sizeof(k->master), purpose, sizeof(purpose) - 1, key);
	crypto_hmac_sha256(key, sizeof(key), q->body, AGENT_DIGEST_HEX, out);
	crypto_wipe(key, sizeof(key));
	text_hex(&hex, out, sizeof(out));
	say(a, hex.data, hex.len);
	return 0;
}

/* The table. min and max: bytes of the body; equal but for what is signed. */
static const struct row {
	enum agent_op op;
	const char *name;
	uint32_t min, max;
	bool needs_app; /* a private key of a GitHub App was given at the start */
	int (*handler)(const struct agent_keys *k, const struct agent_request *q, struct agent_answer *a, struct err *err);
} rows[] = {
	{AGENT_OP_NEW_KEY, "new key", sizeof(struct agent_key_request), sizeof(struct agent_key_request), false, new_key},
	{AGENT_OP_UNWRAP, "unwrap", sizeof(struct agent_key_request), sizeof(struct agent_key_request), false, unwrap},
	{AGENT_OP_APP_JWT, "app token", sizeof(int64_t), sizeof(int64_t), true, app_jwt},
	{AGENT_OP_SIGN_PLAN, "sign a plan record", 1, AGENT_SIGN_MAX, false, sign_plan},
	{AGENT_OP_SIGN_AUDIT, "sign an audit head", 1, AGENT_SIGN_MAX, false, sign_audit},
	{AGENT_OP_BLIND, "blind a digest", AGENT_DIGEST_HEX, AGENT_DIGEST_HEX, false, blind},
};

/* NULL: not a request at all. */
static const struct row *row_of(const struct agent_request *q, size_t len)
{
	if (len < sizeof(q->head) || q->head.len != len - sizeof(q->head))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].op == q->head.op)
			return q->head.len >= rows[i].min && q->head.len <= rows[i].max ? &rows[i] : NULL;
	return NULL;
}

static void answer(const struct agent_keys *k, const struct row *row, const struct agent_request *q, struct agent_answer *a)
{
	struct err err = {0};
	*a = (struct agent_answer){.number = q->head.number};
	if (row->needs_app && k->app == NULL)
		a->code = err_set(&err, ERR_NOT_FOUND, "key agent: %s: no private key of a GitHub App is configured (github.app)", row->name);
	else
		a->code = row->handler(k, q, a, &err);
	if (a->code == 0)
		return;
	a->len = 0;
	say(a, err.msg, strlen(err.msg));
}

void agent_serve(int fd, const struct agent_keys *keys)
{
	static struct agent_request q;
	static struct agent_answer a;
	uint64_t last = 0;
	for (;;) {
		ssize_t n = recv(fd, &q, sizeof(q), MSG_TRUNC); /* the true size: a packet that is too long is not cut to a good one */
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* the daemon is gone */
		const struct row *row = (size_t)n <= sizeof(q) ? row_of(&q, (size_t)n) : NULL;
		if (row == NULL || q.head.number <= last)
			continue;
		last = q.head.number;
		answer(keys, row, &q, &a);
		n = send(fd, &a, sizeof(a), MSG_NOSIGNAL);
		crypto_wipe(&a, sizeof(a));
		crypto_wipe(q.body, q.head.len);
		if (n < 0)
			return;
	}
}

static int rehearse_one(const struct agent_keys *k, struct agent_request *q, enum agent_op op, uint32_t len, struct agent_answer *a, struct err *err)
{
	q->head = (struct agent_head){.op = op, .len = len};
	const struct row *row = row_of(q, sizeof(q->head) + len);
	ASSERT(row != NULL);
	answer(k, row, q, a);
	return a->code == 0 ? 0 : err_set(err, a->code, "key agent: %s: %.*s", row->name, (int)a->len, (const char *)a->bytes);
}

int agent_rehearse(const struct agent_keys *k, struct err *err)
{
	static struct agent_request q;
	struct agent_answer a;
	struct agent_key_request body = {.context = "rehearsal"};
	struct err refused;
	int64_t now = (int64_t)time(NULL);
	uint8_t key[AGENT_KEY_SIZE];
	memcpy(q.body, &body, sizeof(body));
	int rc = rehearse_one(k, &q, AGENT_OP_NEW_KEY, sizeof(body), &a, err);
	memcpy(key, a.bytes, sizeof(key));
	memcpy(q.body + offsetof(struct agent_key_request, wrapped), a.bytes + sizeof(key), AGENT_WRAPPED_SIZE);
	if (rc == 0)
		rc = rehearse_one(k, &q, AGENT_OP_UNWRAP, sizeof(body), &a, err);
	if (rc == 0 && !crypto_same(key, a.bytes, sizeof(key)))
		rc = err_set(err, ERR_INTERNAL, "key agent: a wrapped key does not come back");
	memset(q.body + offsetof(struct agent_key_request, wrapped), 0, AGENT_WRAPPED_SIZE); /* what refusing needs is loaded as well */
	if (rc == 0 && rehearse_one(k, &q, AGENT_OP_UNWRAP, sizeof(body), &a, &refused) == 0)
		rc = err_set(err, ERR_INTERNAL, "key agent: a changed key is taken");
	if (rc == 0)
		rc = rehearse_one(k, &q, AGENT_OP_SIGN_PLAN, 1, &a, err);
	if (rc == 0 && !agent_check(k->pub, AGENT_PLAN_RECORD, q.body, 1, a.bytes))
		rc = err_set(err, ERR_INTERNAL, "key agent: its own signature does not verify");
	if (rc == 0)
		rc = rehearse_one(k, &q, AGENT_OP_BLIND, AGENT_DIGEST_HEX, &a, err);
	memcpy(q.body, &now, sizeof(now));
	if (rc == 0 && k->app != NULL)
		rc = rehearse_one(k, &q, AGENT_OP_APP_JWT, sizeof(now), &a, err);
	crypto_wipe(key, sizeof(key));
	crypto_wipe(&a, sizeof(a));
	return rc;
}
