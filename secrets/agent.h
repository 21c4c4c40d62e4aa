/* Step 7. The key agent: a process of its own, forked by the daemon before it opens a socket, that alone holds private keys:
 *
 *   the master key of the encrypted store   data_dir/master.key, made on first start
 *   the plan-signing key (Ed25519)          data_dir/signing.key, sealed under the master key, made on first start; public: data_dir/signing.pub
 *   the private key of the GitHub App       the operator's PEM file, read after the fork
 *
 * It has no network, no file and no parser of outside bytes: one socketpair, a table of typed requests of fixed sizes (agent_serve.c), a system
 * call filter that ends it when it does anything else (agent_box.c). It is not dumpable and dies with the daemon.
 *
 * Envelope keys: each job gets a data key; the daemon keeps it only while handing it over, and stores it wrapped. Calls wait at most 2 s. */
#ifndef SECRETS_AGENT_H
#define SECRETS_AGENT_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum { AGENT_KEY_SIZE = 32, AGENT_WRAPPED_SIZE = 32 + 28, AGENT_PUBLIC_SIZE = 32, AGENT_SIG_SIZE = 64, AGENT_SIGN_MAX = 64 * 1024 };

struct agent;

struct agent_options {
	const char *data_dir;
	const char *app_id, *app_key_file; /* NULL: no GitHub App, and no JWT */
};
/* Forks. Call before threads and sockets exist. What is wrong with a key file is the sentence. */
int agent_start(const struct agent_options *o, struct agent **ret, struct err *err) MUST_CHECK;
void agent_stop(struct agent *a); /* NULL is fine */

/* A new data key for context (for instance "job 12"); both forms. Round trip about 50 us. */
int agent_new_key(struct agent *a, const char *context, uint8_t ret_key[AGENT_KEY_SIZE], uint8_t ret_wrapped[AGENT_WRAPPED_SIZE], struct err *err) MUST_CHECK;
/* ERR_REFUSED when wrapped under another master key or context. */
int agent_unwrap(struct agent *a, const char *context, const uint8_t wrapped[AGENT_WRAPPED_SIZE], uint8_t ret_key[AGENT_KEY_SIZE], struct err *err) MUST_CHECK;

/* A token with which the App speaks for itself: RS256, from a minute ago until nine minutes from now. The agent writes the claims; the caller
 * frees. ERR_NOT_FOUND without an App; ERR_REFUSED when now_s is an hour or more away from the agent's own clock: no tokens for later. */
int agent_app_jwt(struct agent *a, int64_t now_s, char **ret_jwt, struct err *err) MUST_CHECK;

/* Makes a digest (hex, at most 64 characters) useless to whoever has not the key: a digest over a short secret could be guessed from. Equal digests
 * stay equal. */
enum { AGENT_DIGEST_HEX = 64 };
int agent_blind(struct agent *a, const char *digest, char ret[AGENT_DIGEST_HEX + 1], struct err *err) MUST_CHECK;

/* Signatures: what one purpose signed is nothing for another, since the agent puts the purpose before the bytes. At most AGENT_SIGN_MAX. */
enum agent_purpose { AGENT_PLAN_RECORD, AGENT_AUDIT_HEAD, AGENT_PURPOSES };
int agent_sign(struct agent *a, enum agent_purpose purpose, const void *bytes, size_t len, uint8_t ret_sig[AGENT_SIG_SIZE], struct err *err) MUST_CHECK;
void agent_verify_key(const struct agent *a, uint8_t ret_public[AGENT_PUBLIC_SIZE]);
/* Pure, for whoever has the public key. */
bool agent_check(const uint8_t pub[AGENT_PUBLIC_SIZE], enum agent_purpose purpose, const void *bytes, size_t len, const uint8_t sig[AGENT_SIG_SIZE]);
/* From signing.pub: 64 hex digits and a newline. */
int agent_public_read(const char *path, uint8_t ret_public[AGENT_PUBLIC_SIZE], struct err *err) MUST_CHECK;

#endif
