/* For tests of Apps in the simulated GitHub: one RSA key a process, and JWTs with any claims. */
#ifndef TESTS_COMPONENT_SIM_JWT_H
#define TESTS_COMPONENT_SIM_JWT_H

#include "base/clock.h"
#include "base/crypto.h"
#include "base/text.h"

#include <stdio.h>

#define APP_ID 123456

struct sim_jwt_keys {
	struct buf secret, public, other; /* other: a private key of nobody */
};

static inline const struct sim_jwt_keys *sim_jwt_keys(void)
{
	static struct sim_jwt_keys k;
	struct err err;
	if (k.secret.len == 0 &&
	    (crypto_rsa_new(2048, &k.secret, &k.public, &err) != 0 || crypto_rsa_new(2048, &k.other, NULL, &err) != 0))
		abort();
	return &k;
}

/* The caller frees. */
static inline char *sim_jwt_of(const struct buf *pem, const char *head, const char *claims)
{
	struct buf b = {0};
	struct crypto_rsa *key;
	struct err err;
	uint8_t sig[RSA_SIG_MAX];
	size_t len;
	text_base64url(&b, head, strlen(head));
	buf_addc(&b, '.');
	text_base64url(&b, claims, strlen(claims));
	if (crypto_rsa_read(buf_str(pem), pem->len, &key, &err) != 0 || crypto_rsa_sign(key, buf_str(&b), b.len, sig, &len, &err) != 0)
		abort();
	crypto_rsa_free(key);
	buf_addc(&b, '.');
	text_base64url(&b, sig, len);
	return buf_take(&b);
}

static inline char *sim_jwt(const char *iss, int64_t iat_in_s, int64_t exp_in_s)
{
	int64_t now = clock_wall_ms() / 1000;
	char claims[160];
	(void)snprintf(claims, sizeof(claims), "{\"iss\":%s,\"iat\":%lld,\"exp\":%lld}", iss, (long long)(now + iat_in_s), (long long)(now + exp_in_s));
	return sim_jwt_of(&sim_jwt_keys()->secret, "{\"alg\":\"RS256\",\"typ\":\"JWT\"}", claims);
}

static inline struct sim_app sim_jwt_app(void)
{
	return (struct sim_app){.id = APP_ID, .slug = "our-app", .key = buf_str(&sim_jwt_keys()->public)};
}

#endif
