/* Cryptography: the door to OpenSSL. Each function drains OpenSSL's error queue. */
#ifndef BASE_CRYPTO_H
#define BASE_CRYPTO_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHA256_SIZE = 32, AEAD_KEY_SIZE = 32, AEAD_NONCE_SIZE = 12, AEAD_TAG_SIZE = 16, AEAD_OVERHEAD = 12 + 16 };

void crypto_sha256(const void *bytes, size_t len, uint8_t out[SHA256_SIZE]);
/* 64 lower-case hex characters and NUL. */
void crypto_sha256_hex(const void *bytes, size_t len, char out[2 * SHA256_SIZE + 1]);
void crypto_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len, uint8_t out[SHA256_SIZE]);
/* Constant time in len. */
bool crypto_same(const void *a, const void *b, size_t len);
void crypto_random(void *out, size_t len);
/* n random bytes as 2n hex characters and NUL; for tokens in links. */
void crypto_random_hex(size_t n, char *out);
void crypto_wipe(void *bytes, size_t len);

/* AES-256-GCM. Sealed form: nonce (12, random) | ciphertext | tag (16). aad binds the context and must be given again to open. */
int crypto_seal(const uint8_t key[AEAD_KEY_SIZE], const void *aad, size_t aad_len, const void *plain, size_t len, uint8_t *out /* len + AEAD_OVERHEAD */,
		struct err *err) MUST_CHECK;
/* ERR_REFUSED when the tag does not fit: wrong key, wrong context or changed bytes. */
int crypto_open(const uint8_t key[AEAD_KEY_SIZE], const void *aad, size_t aad_len, const void *sealed, size_t len, uint8_t *out /* len - AEAD_OVERHEAD */,
		struct err *err) MUST_CHECK;

#endif
