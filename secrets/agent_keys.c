/* The private keys: read once, in the agent's process, before it closes itself in. */
#include "base/crypto.h"
#include "base/fs.h"
#include "base/text.h"
#include "secrets/agent_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PEM_MAX = 64 * 1024, SIGN_SEALED = ED25519_KEY_SIZE + AEAD_OVERHEAD };
static const char sign_context[] = "sluice plan-signing key";

_Static_assert((int)AGENT_KEY_SIZE == (int)AEAD_KEY_SIZE, "data keys are AEAD keys");
_Static_assert((int)AGENT_WRAPPED_SIZE == (int)AGENT_KEY_SIZE + (int)AEAD_OVERHEAD, "a wrapped key is a sealed key");
_Static_assert((int)AGENT_PUBLIC_SIZE == (int)ED25519_PUBLIC_SIZE && (int)AGENT_SIG_SIZE == (int)ED25519_SIG_SIZE, "signatures are Ed25519");

/* ERR_NOT_FOUND when there is no file of that name. Only the owner may read it; size 0: any up to max. */
static int read_private(const char *path, const char *what, int flags, size_t size, size_t max, struct buf *ret, struct err *err)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "%s: there is no such file, and it is to be the %s", path, what);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0)
		return err_sys(err, "open the %s %s", what, path);
	if (!S_ISREG(st.st_mode) || (size != 0 && (size_t)st.st_size != size))
		return err_set(err, ERR_PARSE, "%s: a %s is a file of exactly %zu bytes: restore it from your backup", path, what, size);
	if ((st.st_mode & 077) != 0)
		return err_set(err, ERR_REFUSED, "%s: others may read the %s (mode %04o): chmod 600 it", path, what,
			       (unsigned)(st.st_mode & 07777));
	if ((uint64_t)st.st_size > max)
		return err_set(err, ERR_LIMIT, "%s: a %s has at most %zu bytes", path, what, max);
	buf_reserve(ret, (size_t)st.st_size + 1);
	ssize_t n = read(fd, ret->data, (size_t)st.st_size);
	if (n != st.st_size)
		return err_sys(err, "read the %s %s", what, path);
	ret->len = (size_t)n;
	ret->data[n] = '\0';
	return 0;
}

/* Never replaces a file that is there, whatever it holds: what was sealed under a lost key is lost. */
static int load_master(const char *data_dir, struct agent_keys *k, struct err *err)
{
	CLEANUP_FREE char *path = fs_join(data_dir, "master.key");
	CLEANUP_BUF struct buf b = {0};
	int rc = read_private(path, "master key", O_NOFOLLOW, AEAD_KEY_SIZE, AEAD_KEY_SIZE, &b, err);
	if (rc == ERR_NOT_FOUND) {
		crypto_random(k->master, sizeof(k->master));
		rc = fs_write_atomic(path, k->master, sizeof(k->master), 0600, err);
		return rc == 0 ? 0 : err_wrap(err, "create the master key");
	}
	if (rc == 0)
		memcpy(k->master, b.data, sizeof(k->master));
	crypto_wipe(b.data, b.len);
	return rc;
}

static int create_sign(const char *path, struct agent_keys *k, struct err *err)
{
	uint8_t sealed[SIGN_SEALED];
	crypto_sign_new(k->sign, k->pub);
	int rc = crypto_seal(k->master, sign_context, strlen(sign_context), k->sign, sizeof(k->sign), sealed, err);
	if (rc == 0)
		rc = fs_write_atomic(path, sealed, sizeof(sealed), 0600, err);
	return rc == 0 ? 0 : err_wrap(err, "create the signing key");
}

static int load_sign(const char *data_dir, struct agent_keys *k, struct err *err)
{
	CLEANUP_FREE char *path = fs_join(data_dir, "signing.key");
	CLEANUP_BUF struct buf b = {0};
	int rc = read_private(path, "signing key", O_NOFOLLOW, SIGN_SEALED, SIGN_SEALED, &b, err);
	if (rc == ERR_NOT_FOUND)
		return create_sign(path, k, err);
	if (rc == 0 && crypto_open(k->master, sign_context, strlen(sign_context), b.data, b.len, k->sign, err) != 0)
		rc = err_set(err, ERR_REFUSED, "%s was sealed under another master key: restore master.key and it from the same backup", path);
	if (rc == 0)
		crypto_sign_public(k->sign, k->pub);
	return rc;
}

/* The public half, for whoever verifies: written again when it is not what it has to be. */
static int show_public(const char *data_dir, const struct agent_keys *k, struct err *err)
{
	CLEANUP_FREE char *path = fs_join(data_dir, "signing.pub");
	CLEANUP_BUF struct buf text = {0}, there = {0};
	struct err ignored;
	text_hex(&text, k->pub, sizeof(k->pub));
	buf_addc(&text, '\n');
	if (fs_read(path, text.len, &there, &ignored) == 0 && strcmp(buf_str(&there), buf_str(&text)) == 0)
		return 0;
	return fs_write_atomic(path, text.data, text.len, 0644, err);
}

static int load_app(const struct agent_options *o, struct agent_keys *k, struct err *err)
{
	if (o->app_key_file == NULL || o->app_id == NULL)
		return 0;
	size_t digits = strspn(o->app_id, "0123456789");
	if (digits == 0 || digits > AGENT_APP_ID_MAX || o->app_id[digits] != '\0')
		return err_set(err, ERR_USAGE, "the id of the GitHub App is a number of at most %d digits", AGENT_APP_ID_MAX);
	memcpy(k->app_id, o->app_id, digits);
	CLEANUP_BUF struct buf pem = {0};
	/* may be a link: that is how mounted secrets look */
	int rc = read_private(o->app_key_file, "private key of the GitHub App", 0, 0, PEM_MAX, &pem, err);
	if (rc == 0) {
		rc = crypto_rsa_read(pem.data, pem.len, &k->app, err);
		if (rc == 0 && !crypto_rsa_is_private(k->app))
			rc = err_set(err, ERR_PARSE, "it holds the public half of a key");
		if (rc != 0)
			rc = err_wrap(err, "%s is not the private key of a GitHub App (its settings page makes one)", o->app_key_file);
	}
	crypto_wipe(pem.data, pem.len);
	return rc;
}

/* One agent at a time makes keys: a command may start beside a daemon that starts. */
int agent_keys_load(const struct agent_options *o, struct agent_keys *ret, struct err *err)
{
	CLEANUP_FD int dir = open(o->data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || flock(dir, LOCK_EX) != 0)
		return err_sys(err, "open %s/master.key", o->data_dir);
	*ret = (struct agent_keys){0};
	int rc = load_master(o->data_dir, ret, err);
	if (rc == 0)
		rc = load_sign(o->data_dir, ret, err);
	if (rc == 0)
		rc = show_public(o->data_dir, ret, err);
	if (rc == 0)
		rc = load_app(o, ret, err);
	if (rc != 0)
		agent_keys_wipe(ret);
	return rc;
}

void agent_keys_wipe(struct agent_keys *k)
{
	crypto_rsa_free(k->app);
	crypto_wipe(k, sizeof(*k));
}
