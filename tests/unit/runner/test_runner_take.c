/* What goes into an apply: a sealed plan with one byte changed, cut or made longer is refused before anything is started. In this process. */
#include "base/crypto.h"
#include "base/fs.h"
#include "base/text.h"
#include "runner/runner_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { PLAN_BYTES = 3000 };
static char dir[] = "/tmp/test-runner-take-XXXXXX";
static char aad[] = "sluice job 7 plan", sha[2 * SHA256_SIZE + 1];
static char *path;
static uint8_t key[AEAD_KEY_SIZE], sealed[PLAN_BYTES + AEAD_OVERHEAD + 8];

/* Writes n bytes as the plan file and takes them in; what is told. */
static int take(size_t n, const uint8_t *with, struct err *err)
{
	struct runner r = {.spec = {.phase = PHASE_APPLY, .plan_in = path, .plan_in_aad = aad, .plan_in_sha256 = sha}};
	CLEANUP_BUF struct buf plan_key = {0}, none = {0};
	assert_int_equal(fs_write_fast(path, sealed, n, 0600, err), 0);
	buf_add(&plan_key, with, AEAD_KEY_SIZE);
	*err = (struct err){0};
	int rc = runner_open_inputs(&r, &none, &plan_key, err);
	assert_int_equal(r.plan_in != NULL, rc == 0 || text_starts(err->msg, "the stored plan"));
	if (rc == 0)
		assert_int_equal(r.plan_in_len, PLAN_BYTES);
	runner_wipe(&r);
	return rc;
}

static void every_part_of_the_file(void **state)
{
	(void)state;
	enum { WHOLE = PLAN_BYTES + AEAD_OVERHEAD };
	struct err err = {0};
	assert_int_equal(take(WHOLE, key, &err), 0);
	for (size_t i = 0; i < WHOLE; i += i < 16 || i >= WHOLE - 20 ? 1 : WHOLE / 64) { /* all of nonce and tag */
		sealed[i] ^= 1;
		assert_int_equal(take(WHOLE, key, &err), ERR_REFUSED);
		assert_string_equal(err.msg, "the reviewed plan: open sealed bytes: wrong key, wrong context or changed bytes");
		sealed[i] ^= 1;
	}
	for (size_t n = 0; n < WHOLE; n += n < 40 || n > WHOLE - 20 ? 1 : WHOLE / 64)
		assert_int_equal(take(n, key, &err), n < AEAD_OVERHEAD ? ERR_PARSE : ERR_REFUSED);
	for (size_t n = WHOLE + 1; n <= sizeof(sealed); n++)
		assert_int_equal(take(n, key, &err), ERR_REFUSED);
	assert_int_equal(take(WHOLE, key, &err), 0);
}

/* Another job's file under another job's name or key, or the right one that is not what was reviewed. */
static void swapped(void **state)
{
	(void)state;
	struct err err = {0};
	uint8_t other[AEAD_KEY_SIZE];
	crypto_random(other, sizeof(other));
	assert_int_equal(take(PLAN_BYTES + AEAD_OVERHEAD, other, &err), ERR_REFUSED);
	aad[11] = '8';
	assert_int_equal(take(PLAN_BYTES + AEAD_OVERHEAD, key, &err), ERR_REFUSED);
	aad[11] = '7';
	for (size_t i = 0; i < sizeof(sha) - 1; i++) {
		char was = sha[i];
		sha[i] = was == '0' ? '1' : '0';
		assert_int_equal(take(PLAN_BYTES + AEAD_OVERHEAD, key, &err), ERR_REFUSED);
		assert_string_equal(err.msg, "the stored plan is not the one that was reviewed (SHA-256 differs): plan again");
		sha[i] = was;
	}
	assert_int_equal(take(PLAN_BYTES + AEAD_OVERHEAD, key, &err), 0);
}

int main(void)
{
	struct err err = {0};
	uint8_t plan[PLAN_BYTES];
	if (mkdtemp(dir) == NULL)
		return 1;
	path = fs_join(dir, "7.enc");
	crypto_random(plan, sizeof(plan));
	crypto_random(key, sizeof(key));
	crypto_sha256_hex(plan, sizeof(plan), sha);
	if (crypto_seal(key, aad, strlen(aad), plan, sizeof(plan), sealed, &err) != 0)
		return 1;
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_part_of_the_file), cmocka_unit_test(swapped)};
	int rc = cmocka_run_group_tests_name("runner take", tests, NULL, NULL);
	free(path);
	return fs_remove_tree(dir, &err) != 0 ? 1 : rc;
}
