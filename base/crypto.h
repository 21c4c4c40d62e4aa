/* Cryptography: the door to OpenSSL. Each function drains OpenSSL's error queue. */
#ifndef BASE_CRYPTO_H
#define BASE_CRYPTO_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHA256_SIZE = 32, AEAD_KEY_SIZE = 32, AEAD_NONCE_SIZE = 12, AEAD_TAG_SIZE = 16, AEAD_OVERHEAD = 12 + 16 };

void crypto_sha256(const void *bytes, size_t len, uint8_t out[SHA256_SIZE]);
/* 64 lower-case hex characters and NUL. */
void crypto_sha256_hex(const void *bytes, size_t len, char out[2 * SHA256_SIZE + 1]);
/* The same piece by piece. crypto_sha256_end frees; without it crypto_sha256_drop does (NULL is fine). */
struct crypto_sha256_stream;
struct crypto_sha256_stream *crypto_sha256_begin(void);
void crypto_sha256_add(struct crypto_sha256_stream *s, const void *bytes, size_t len);
void crypto_sha256_end(struct crypto_sha256_stream *s, uint8_t out[SHA256_SIZE]);
void crypto_sha256_drop(struct crypto_sha256_stream *s);
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

/* Ed25519. The private key is its 32-byte seed. */
enum { ED25519_KEY_SIZE = 32, ED25519_PUBLIC_SIZE = 32, ED25519_SIG_SIZE = 64 };
void crypto_sign_new(uint8_t ret_key[ED25519_KEY_SIZE], uint8_t ret_public[ED25519_PUBLIC_SIZE]);
void crypto_sign_public(const uint8_t key[ED25519_KEY_SIZE], uint8_t ret_public[ED25519_PUBLIC_SIZE]);
void crypto_sign(const uint8_t key[ED25519_KEY_SIZE], const void *bytes, size_t len, uint8_t ret_sig[ED25519_SIG_SIZE]);
bool crypto_verify(const uint8_t pub[ED25519_PUBLIC_SIZE], const void *bytes, size_t len, const uint8_t sig[ED25519_SIG_SIZE]);

/* RSA with PKCS#1 v1.5 and SHA-256 (the RS256 of a JWT). A key is read from PEM: a private one signs and verifies, a public one verifies.
 * ERR_PARSE: not PEM, encrypted, or not RSA. ERR_REFUSED: shorter than 2048 bits. */
enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192, RSA_SIG_MAX = RSA_BITS_MAX / 8 };
struct crypto_rsa;
int crypto_rsa_read(const char *pem, size_t len, struct crypto_rsa **ret, struct err *err) MUST_CHECK;
void crypto_rsa_free(struct crypto_rsa *k); /* NULL is fine */
bool crypto_rsa_is_private(const struct crypto_rsa *k);
int crypto_rsa_sign(const struct crypto_rsa *k, const void *bytes, size_t len, uint8_t ret_sig[RSA_SIG_MAX], size_t *ret_len, struct err *err) MUST_CHECK;
bool crypto_rsa_verify(const struct crypto_rsa *k, const void *bytes, size_t len, const uint8_t *sig, size_t sig_len);
/* A new key as PEM, both halves (either may be NULL); for the simulated GitHub and the tests. Takes a second or so. */
int crypto_rsa_new(unsigned bits, struct buf *ret_private, struct buf *ret_public, struct err *err) MUST_CHECK;

#endif
