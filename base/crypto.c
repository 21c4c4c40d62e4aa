#include "base/crypto.h"

#include "base/mem.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

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

struct crypto_sha256_stream {
	EVP_MD_CTX *ctx;
};

struct crypto_sha256_stream *crypto_sha256_begin(void)
{
	struct crypto_sha256_stream *s = xmalloc(sizeof(*s));
	s->ctx = EVP_MD_CTX_new();
	ASSERT(s->ctx != NULL);
	must(EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL));
	return s;
}

void crypto_sha256_add(struct crypto_sha256_stream *s, const void *bytes, size_t len)
{
	if (len > 0)
		must(EVP_DigestUpdate(s->ctx, bytes, len));
}

void crypto_sha256_end(struct crypto_sha256_stream *s, uint8_t out[SHA256_SIZE])
{
	must(EVP_DigestFinal_ex(s->ctx, out, NULL));
	crypto_sha256_drop(s);
}

void crypto_sha256_drop(struct crypto_sha256_stream *s)
{
	if (s == NULL)
		return;
	EVP_MD_CTX_free(s->ctx);
	free(s);
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

/* ---- signatures ---- */

static void free_key(EVP_PKEY **k) { EVP_PKEY_free(*k); }
static void free_digest(EVP_MD_CTX **ctx) { EVP_MD_CTX_free(*ctx); }
static void free_bio(BIO **b) { (void)BIO_free(*b); /* 1, or 0 for NULL */ }

void crypto_sign_public(const uint8_t key[ED25519_KEY_SIZE], uint8_t ret_public[ED25519_PUBLIC_SIZE])
{
	CLEANUP(free_key) EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key, ED25519_KEY_SIZE);
	size_t n = ED25519_PUBLIC_SIZE;
	must(k != NULL && EVP_PKEY_get_raw_public_key(k, ret_public, &n) == 1 && n == ED25519_PUBLIC_SIZE);
}

void crypto_sign_new(uint8_t ret_key[ED25519_KEY_SIZE], uint8_t ret_public[ED25519_PUBLIC_SIZE])
{
	crypto_random(ret_key, ED25519_KEY_SIZE);
	crypto_sign_public(ret_key, ret_public);
}

void crypto_sign(const uint8_t key[ED25519_KEY_SIZE], const void *bytes, size_t len, uint8_t ret_sig[ED25519_SIG_SIZE])
{
	CLEANUP(free_key) EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key, ED25519_KEY_SIZE);
	CLEANUP(free_digest) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = ED25519_SIG_SIZE;
	must(k != NULL && ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, k) == 1 &&
	     EVP_DigestSign(ctx, ret_sig, &n, len > 0 ? bytes : "", len) == 1 && n == ED25519_SIG_SIZE);
}

bool crypto_verify(const uint8_t pub[ED25519_PUBLIC_SIZE], const void *bytes, size_t len, const uint8_t sig[ED25519_SIG_SIZE])
{
	CLEANUP(free_key) EVP_PKEY *k = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub, ED25519_PUBLIC_SIZE);
	CLEANUP(free_digest) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = k != NULL && ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k) == 1 &&
		  EVP_DigestVerify(ctx, sig, ED25519_SIG_SIZE, len > 0 ? bytes : "", len) == 1;
	ERR_clear_error();
	return ok;
}

struct crypto_rsa {
	EVP_PKEY *key;
	bool is_private;
};

/* Nobody is there to type one; without this OpenSSL would ask the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return 0;
}

static EVP_PKEY *read_pem(const char *pem, size_t len, bool want_private)
{
	CLEANUP(free_bio) BIO *bio = BIO_new_mem_buf(len > 0 ? pem : "", (int)len);
	if (bio == NULL)
		return NULL;
	EVP_PKEY *k = want_private ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
	ERR_clear_error();
	return k;
}

int crypto_rsa_read(const char *pem, size_t len, struct crypto_rsa **ret, struct err *err)
{
	if (len > INT_MAX)
		return err_set(err, ERR_LIMIT, "read a key: %zu bytes are too many", len);
	bool is_private = true;
	CLEANUP(free_key) EVP_PKEY *k = read_pem(pem, len, true);
	if (k == NULL) {
		is_private = false;
		k = read_pem(pem, len, false);
	}
	if (k == NULL)
		return err_set(err, ERR_PARSE, "it holds no PEM key that can be read without a passphrase");
	if (EVP_PKEY_base_id(k) != EVP_PKEY_RSA)
		return err_set(err, ERR_PARSE, "it holds a key of another kind than RSA");
	int bits = EVP_PKEY_bits(k);
	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
		return err_set(err, ERR_REFUSED, "its RSA key has %d bits, and it must have %d to %d", bits, RSA_BITS_MIN, RSA_BITS_MAX);
	struct crypto_rsa *r = xcalloc(1, sizeof(*r));
	*r = (struct crypto_rsa){.key = TAKE(k), .is_private = is_private};
	*ret = r;
	return 0;
}

void crypto_rsa_free(struct crypto_rsa *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_free(k->key);
	free(k);
}

bool crypto_rsa_is_private(const struct crypto_rsa *k) { return k->is_private; }

int crypto_rsa_sign(const struct crypto_rsa *k, const void *bytes, size_t len, uint8_t ret_sig[RSA_SIG_MAX], size_t *ret_len, struct err *err)
{
	if (!k->is_private)
		return err_set(err, ERR_USAGE, "a public key cannot sign");
	CLEANUP(free_digest) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = RSA_SIG_MAX;
	if (ctx == NULL || EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, k->key) != 1 ||
	    EVP_DigestSign(ctx, ret_sig, &n, len > 0 ? bytes : "", len) != 1)
		return seal_failed("sign", err);
	ERR_clear_error();
	*ret_len = n;
	return 0;
}

bool crypto_rsa_verify(const struct crypto_rsa *k, const void *bytes, size_t len, const uint8_t *sig, size_t sig_len)
{
	CLEANUP(free_digest) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, k->key) == 1 &&
		  EVP_DigestVerify(ctx, sig, sig_len, len > 0 ? bytes : "", len) == 1;
	ERR_clear_error();
	return ok;
}

/* What a memory BIO holds, appended. */
static void take_bio(BIO *bio, struct buf *out)
{
	char *text = NULL;
	long n = BIO_get_mem_data(bio, &text);
	if (n > 0)
		buf_add(out, text, (size_t)n);
}

int crypto_rsa_new(unsigned bits, struct buf *ret_private, struct buf *ret_public, struct err *err)
{
	CLEANUP(free_key) EVP_PKEY *k = EVP_RSA_gen(bits);
	CLEANUP(free_bio) BIO *private_pem = BIO_new(BIO_s_mem()), *public_pem = BIO_new(BIO_s_mem());
	if (k == NULL || private_pem == NULL || public_pem == NULL || PEM_write_bio_PrivateKey(private_pem, k, NULL, NULL, 0, NULL, NULL) != 1 ||
	    PEM_write_bio_PUBKEY(public_pem, k) != 1)
		return seal_failed("make an RSA key", err);
	if (ret_private != NULL)
		take_bio(private_pem, ret_private);
	if (ret_public != NULL)
		take_bio(public_pem, ret_public);
	ERR_clear_error();
	return 0;
}
