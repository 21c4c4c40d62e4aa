/* The crypto door against published vectors, and what must be refused. */
#include "base/crypto.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void sha256_vectors(void **state)
{
	(void)state;
	static const struct {
		const char *in, *hex;
	} cases[] = {
		/* FIPS 180-4 examples */
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char hex[2 * SHA256_SIZE + 1];
		crypto_sha256_hex(cases[i].in, strlen(cases[i].in), hex);
		assert_string_equal(hex, cases[i].hex);
	}
	char hex[2 * SHA256_SIZE + 1];
	crypto_sha256_hex(NULL, 0, hex);
	assert_string_equal(hex, cases[0].hex);
}

static void sha256_piece_by_piece(void **state)
{
	(void)state;
	uint8_t whole[SHA256_SIZE], pieces[SHA256_SIZE];
	static const char text[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	for (size_t cut = 0; cut <= strlen(text); cut++) {
		struct crypto_sha256_stream *s = crypto_sha256_begin();
		crypto_sha256_add(s, text, cut);
		crypto_sha256_add(s, text + cut, strlen(text) - cut);
		crypto_sha256_end(s, pieces);
		crypto_sha256(text, strlen(text), whole);
		assert_memory_equal(pieces, whole, sizeof(whole));
	}
	crypto_sha256_drop(crypto_sha256_begin());
	crypto_sha256_drop(NULL);
}

static void check_hmac(const void *key, size_t key_len, const void *in, size_t len, const char *want)
{
	uint8_t mac[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1];
	crypto_hmac_sha256(key, key_len, in, len, mac);
	for (size_t i = 0; i < sizeof(mac); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", mac[i]);
	assert_string_equal(hex, want);
}

static void hmac_vectors(void **state)
{
	(void)state;
	uint8_t key[131], data[50];
	memset(key, 0x0b, 20); /* RFC 4231, cases 1, 2, 3 and 6 */
	check_hmac(key, 20, "Hi There", 8, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	check_hmac("Jefe", 4, "what do ya want for nothing?", 28, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	memset(data, 0xdd, sizeof(data));
	check_hmac(key, 20, data, 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
	check_hmac(key, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 54,
		   "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	check_hmac(NULL, 0, NULL, 0, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
	/* GitHub's own example of a webhook signature */
	check_hmac("It's a Secret to Everybody", 26, "Hello, World!", 13,
		   "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
}

static void same_and_wipe(void **state)
{
	(void)state;
	uint8_t a[32], b[32];
	memset(a, 7, sizeof(a));
	memcpy(b, a, sizeof(a));
	assert_true(crypto_same(a, b, sizeof(a)));
	b[31] ^= 1;
	assert_false(crypto_same(a, b, sizeof(a)));
	assert_true(crypto_same(a, b, 31));
	crypto_wipe(a, sizeof(a));
	for (size_t i = 0; i < sizeof(a); i++)
		assert_int_equal(a[i], 0);
	crypto_wipe(NULL, 0);
}

static void random_differs(void **state)
{
	(void)state;
	char a[65], b[65];
	crypto_random_hex(32, a);
	crypto_random_hex(32, b);
	assert_int_equal(strlen(a), 64);
	assert_int_equal(strspn(a, "0123456789abcdef"), 64);
	assert_string_not_equal(a, b);
}

static void seal_and_open(void **state)
{
	(void)state;
	uint8_t key[AEAD_KEY_SIZE], other[AEAD_KEY_SIZE];
	struct err err = {0};
	crypto_random(key, sizeof(key));
	crypto_random(other, sizeof(other));
	static const size_t sizes[] = {0, 1, 15, 16, 17, 1000, 100000};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		size_t n = sizes[i];
		CLEANUP_FREE uint8_t *plain = xmalloc(n + 1);
		CLEANUP_FREE uint8_t *sealed = xmalloc(n + AEAD_OVERHEAD);
		CLEANUP_FREE uint8_t *again = xmalloc(n + AEAD_OVERHEAD);
		CLEANUP_FREE uint8_t *out = xcalloc(1, n + 1);
		crypto_random(plain, n);
		assert_int_equal(crypto_seal(key, "job 1", 5, plain, n, sealed, &err), 0);
		assert_int_equal(crypto_seal(key, "job 1", 5, plain, n, again, &err), 0);
		assert_memory_not_equal(sealed, again, n + AEAD_OVERHEAD); /* a nonce is never used twice */
		assert_int_equal(crypto_open(key, "job 1", 5, sealed, n + AEAD_OVERHEAD, out, &err), 0);
		if (n > 0)
			assert_memory_equal(out, plain, n);
		assert_int_equal(crypto_open(key, "job 2", 5, sealed, n + AEAD_OVERHEAD, out, &err), ERR_REFUSED);
		assert_int_equal(crypto_open(key, "job 1", 4, sealed, n + AEAD_OVERHEAD, out, &err), ERR_REFUSED);
		assert_int_equal(crypto_open(key, NULL, 0, sealed, n + AEAD_OVERHEAD, out, &err), ERR_REFUSED);
		assert_int_equal(crypto_open(other, "job 1", 5, sealed, n + AEAD_OVERHEAD, out, &err), ERR_REFUSED);
		assert_int_equal(crypto_open(key, "job 1", 5, sealed, AEAD_OVERHEAD - 1, out, &err), ERR_PARSE);
	}
}

static void every_changed_byte_is_refused(void **state)
{
	(void)state;
	uint8_t key[AEAD_KEY_SIZE] = {1}, sealed[20 + AEAD_OVERHEAD], out[20], zero[20] = {0};
	struct err err = {0};
	assert_int_equal(crypto_seal(key, "x", 1, "0123456789abcdefghij", 20, sealed, &err), 0);
	for (size_t i = 0; i < sizeof(sealed); i++) {
		sealed[i] ^= 0x40;
		memset(out, 'u', sizeof(out));
		assert_int_equal(crypto_open(key, "x", 1, sealed, sizeof(sealed), out, &err), ERR_REFUSED);
		assert_memory_equal(out, zero, sizeof(out)); /* nothing unauthenticated is left behind */
		sealed[i] ^= 0x40;
	}
	assert_int_equal(crypto_open(key, "x", 1, sealed, sizeof(sealed) - 1, out, &err), ERR_REFUSED);
	assert_int_equal(crypto_open(key, "x", 1, sealed, sizeof(sealed), out, &err), 0);
	assert_memory_equal(out, "0123456789abcdefghij", 20);
}

/* NIST GCM test case 14 (256-bit key): our sealed form is nonce, ciphertext, tag. */
static void opens_a_published_vector(void **state)
{
	(void)state;
	static const uint8_t key[AEAD_KEY_SIZE] = {0}, zero[16] = {0};
	static const uint8_t sealed[16 + AEAD_OVERHEAD] = {0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
							   0,    0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e, 0x07, 0x4e,
							   0xc5, 0xd3, 0xba, 0xf3, 0x9d, 0x18, 0xd0, 0xd1, 0xc8, 0xa7, 0x99,
							   0x99, 0x6b, 0xf0, 0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19};
	uint8_t out[16];
	struct err err = {0};
	assert_int_equal(crypto_open(key, NULL, 0, sealed, sizeof(sealed), out, &err), 0);
	assert_memory_equal(out, zero, sizeof(zero));
}

/* RFC 8032, 7.1, tests 1 and 2. */
static void ed25519_vectors(void **state)
{
	(void)state;
	static const struct {
		const char *key, *pub, *message, *sig;
	} cases[] = {
		{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
		 "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
		{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "r",
		 "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t key[ED25519_KEY_SIZE], pub[ED25519_PUBLIC_SIZE], want[ED25519_SIG_SIZE], sig[ED25519_SIG_SIZE], want_pub[ED25519_PUBLIC_SIZE];
		assert_true(text_unhex(cases[i].key, key, sizeof(key)) && text_unhex(cases[i].pub, want_pub, sizeof(want_pub)) &&
			    text_unhex(cases[i].sig, want, sizeof(want)));
		crypto_sign_public(key, pub);
		assert_memory_equal(pub, want_pub, sizeof(pub));
		crypto_sign(key, cases[i].message, strlen(cases[i].message), sig);
		assert_memory_equal(sig, want, sizeof(sig));
		assert_true(crypto_verify(pub, cases[i].message, strlen(cases[i].message), sig));
		assert_false(crypto_verify(pub, "x", 1, sig));
		sig[i] ^= 1;
		assert_false(crypto_verify(pub, cases[i].message, strlen(cases[i].message), sig));
		pub[3] ^= 1; /* perhaps not even a point of the curve */
		assert_false(crypto_verify(pub, cases[i].message, strlen(cases[i].message), want));
	}
}

static void rsa_signs_and_verifies(void **state)
{
	(void)state;
	struct err err = {0};
	CLEANUP_BUF struct buf secret = {0}, public = {0};
	struct crypto_rsa *k = NULL, *p = NULL;
	uint8_t sig[RSA_SIG_MAX];
	size_t len = 0;
	assert_int_equal(crypto_rsa_new(2048, &secret, &public, &err), 0);
	assert_true(text_starts(secret.data, "-----BEGIN PRIVATE KEY-----\n"));
	assert_true(text_starts(public.data, "-----BEGIN PUBLIC KEY-----\n"));
	assert_int_equal(crypto_rsa_read(secret.data, secret.len, &k, &err), 0);
	assert_int_equal(crypto_rsa_read(public.data, public.len, &p, &err), 0);
	assert_true(crypto_rsa_is_private(k));
	assert_false(crypto_rsa_is_private(p));
	assert_int_equal(crypto_rsa_sign(k, "abc", 3, sig, &len, &err), 0);
	assert_int_equal(len, 256);
	assert_true(crypto_rsa_verify(p, "abc", 3, sig, len));
	assert_true(crypto_rsa_verify(k, "abc", 3, sig, len));
	assert_false(crypto_rsa_verify(p, "abd", 3, sig, len));
	assert_false(crypto_rsa_verify(p, "abc", 3, sig, len - 1));
	assert_false(crypto_rsa_verify(p, "abc", 3, sig, 0));
	sig[255] ^= 1;
	assert_false(crypto_rsa_verify(p, "abc", 3, sig, len));
	assert_int_equal(crypto_rsa_sign(p, "abc", 3, sig, &len, &err), ERR_USAGE);
	crypto_rsa_free(k);
	crypto_rsa_free(p);
	crypto_rsa_free(NULL);
}

static void rsa_keys_that_are_refused(void **state)
{
	(void)state;
	static const char ed25519[] = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
				      "-----END PRIVATE KEY-----\n";
	static const char encrypted[] = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0123456789ABCDEF0123456789ABCDEF\n\n"
					"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END RSA PRIVATE KEY-----\n";
	struct err err = {0};
	struct crypto_rsa *k = NULL;
	CLEANUP_BUF struct buf small = {0};
	assert_int_equal(crypto_rsa_new(1024, &small, NULL, &err), 0);
	assert_int_equal(crypto_rsa_read(small.data, small.len, &k, &err), ERR_REFUSED);
	assert_string_equal(err.msg, "its RSA key has 1024 bits, and it must have 2048 to 8192");
	assert_int_equal(crypto_rsa_read(ed25519, sizeof(ed25519) - 1, &k, &err), ERR_PARSE);
	assert_string_equal(err.msg, "it holds a key of another kind than RSA");
	const char *const bad[] = {"", "token", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", encrypted};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(crypto_rsa_read(bad[i], strlen(bad[i]), &k, &err), ERR_PARSE);
		assert_string_equal(err.msg, "it holds no PEM key that can be read without a passphrase");
	}
	assert_null(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ed25519_vectors),
		cmocka_unit_test(rsa_signs_and_verifies),
		cmocka_unit_test(rsa_keys_that_are_refused),
		cmocka_unit_test(sha256_vectors),
		cmocka_unit_test(sha256_piece_by_piece),
		cmocka_unit_test(hmac_vectors),
		cmocka_unit_test(same_and_wipe),
		cmocka_unit_test(random_differs),
		cmocka_unit_test(seal_and_open),
		cmocka_unit_test(every_changed_byte_is_refused),
		cmocka_unit_test(opens_a_published_vector),
	};
	return cmocka_run_group_tests_name("crypto", tests, NULL, NULL);
}
