#include "base/crypto.h"

#include "base/mem.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

/* OpenSSL's return conventions are mixed and its error queue is per thread: each public function asks for 1 exactly and leaves an empty
 * queue, so that no later caller reads a stale reason. */

static void free_cipher(EVP_CIPHER_CTX **ctx) { EVP_CIPHER_CTX_free(*ctx); /* wipes the key schedule */ }

static void to_hex(const uint8_t *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * n] = '\0';
}

/* Digests and random bytes can only fail when the library is broken or out of memory: going on would be worse than stopping. */
static void must(int ok)
{
	ERR_clear_error();
	ASSERT(ok == 1);
}

void crypto_sha256(const void *bytes, size_t len, uint8_t out[SHA256_SIZE])
{
	must(EVP_Digest(len > 0 ? bytes : "", len, out, NULL, EVP_sha256(), NULL));
}

void crypto_sha256_hex(const void *bytes, size_t len, char out[2 * SHA256_SIZE + 1])
{
	uint8_t digest[SHA256_SIZE];
	crypto_sha256(bytes, len, digest);
	to_hex(digest, sizeof(digest), out);
}

void crypto_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len, uint8_t out[SHA256_SIZE])
{
	ASSERT(key_len <= INT_MAX);
	unsigned n = SHA256_SIZE;
	/* a NULL key would mean "the key of last time" to OpenSSL */
	must(HMAC(EVP_sha256(), key_len > 0 ? key : "", (int)key_len, len > 0 ? bytes : (const void *)"", len, out, &n) == out);
	ASSERT(n == SHA256_SIZE);
}

bool crypto_same(const void *a, const void *b, size_t len) { return CRYPTO_memcmp(a, b, len) == 0; }

void crypto_random(void *out, size_t len)
{
	ASSERT(len <= INT_MAX);
	must(RAND_bytes(out, (int)len));
}

void crypto_random_hex(size_t n, char *out)
{
	uint8_t bytes[64];
	ASSERT(n <= sizeof(bytes));
	crypto_random(bytes, n);
	to_hex(bytes, n, out);
	crypto_wipe(bytes, sizeof(bytes));
}

void crypto_wipe(void *bytes, size_t len)
{
	if (bytes != NULL)
		OPENSSL_cleanse(bytes, len);
}

static int seal_failed(const char *what, struct err *err)
{
	ERR_clear_error();
	return err_set(err, ERR_INTERNAL, "%s: the cryptographic library refused", what);
}

int crypto_seal(const uint8_t key[AEAD_KEY_SIZE], const void *aad, size_t aad_len, const void *plain, size_t len, uint8_t *out,
		struct err *err)
{
	if (len > INT_MAX - AEAD_OVERHEAD || aad_len > INT_MAX)
		return err_set(err, ERR_LIMIT, "seal %zu bytes: at most %d can be sealed at once", len, INT_MAX - AEAD_OVERHEAD);
	uint8_t *body = out + AEAD_NONCE_SIZE;
	crypto_random(out, AEAD_NONCE_SIZE);
	CLEANUP(free_cipher) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, tail = 0;
	if (ctx == NULL || EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, out) != 1 ||
	    (aad_len > 0 && EVP_EncryptUpdate(ctx, NULL, &n, aad, (int)aad_len) != 1))
		return seal_failed("seal", err);
	n = 0;
	if ((len > 0 && EVP_EncryptUpdate(ctx, body, &n, plain, (int)len) != 1) || EVP_EncryptFinal_ex(ctx, body + n, &tail) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_SIZE, body + len) != 1)
		return seal_failed("seal", err);
	ASSERT((size_t)n + (size_t)tail == len);
	ERR_clear_error();
	return 0;
}

int crypto_open(const uint8_t key[AEAD_KEY_SIZE], const void *aad, size_t aad_len, const void *sealed, size_t len, uint8_t *out,
		struct err *err)
{
	if (len < AEAD_OVERHEAD)
		return err_set(err, ERR_PARSE, "open sealed bytes: %zu bytes are too few", len);
	if (len > INT_MAX || aad_len > INT_MAX)
		return err_set(err, ERR_LIMIT, "open sealed bytes: %zu bytes are more than %d", len, INT_MAX);
	const uint8_t *nonce = sealed;
	const uint8_t *body = nonce + AEAD_NONCE_SIZE;
	size_t body_len = len - AEAD_OVERHEAD;
	uint8_t tag[AEAD_TAG_SIZE];
	memcpy(tag, body + body_len, sizeof(tag));
	CLEANUP(free_cipher) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, tail = 0;
	if (ctx == NULL || EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) != 1 ||
	    (aad_len > 0 && EVP_DecryptUpdate(ctx, NULL, &n, aad, (int)aad_len) != 1))
		return seal_failed("open sealed bytes", err);
	n = 0;
	if ((body_len > 0 && EVP_DecryptUpdate(ctx, out, &n, body, (int)body_len) != 1) ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_SIZE, tag) != 1)
		return seal_failed("open sealed bytes", err);
	if (EVP_DecryptFinal_ex(ctx, out + n, &tail) != 1) {
		crypto_wipe(out, body_len); /* nobody may use bytes that were not authenticated */
		ERR_clear_error();
		return err_set(err, ERR_REFUSED, "open sealed bytes: wrong key, wrong context or changed bytes");
	}
	ERR_clear_error();
	return 0;
}
