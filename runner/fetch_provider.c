/* One provider: the engine downloads it in a box, the zip is verified here, a second box without network unpacks it. */
#include "base/fs.h"
#include "base/limits.h"
#include "base/text.h"
#include "runner/fetch_priv.h"
#include "runner/provider_rule.h"
#include "runner/unpack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* $0 the engine, $1 the platform. Neither reads nor writes anything but its own /tmp. */
static const char download_script[] =
	"\"$0\" providers mirror -platform=\"$1\" /tmp/package >&2 && exec cat /tmp/package/*/*/*/*.zip";
static const char unpack_script[] =
	"command -v bsdtar >/dev/null || { echo 'bsdtar is not installed on the server: apt-get install libarchive-tools' >&2; exit 1; }\n"
	"exec bsdtar --format gnutar -cf - @/work/package.zip";

struct zip {
	int fd;
	struct crypto_sha256_stream *sum;
	int64_t bytes;
	struct err failed;
};

static void on_zip_bytes(const char *bytes, size_t len, void *arg)
{
	struct zip *z = arg;
	z->bytes += (int64_t)len;
	if (z->failed.code != 0 || z->bytes > LIMIT_PACKAGE_ZIP_BYTES)
		return; /* the box ends soon after, and says so */
	crypto_sha256_add(z->sum, bytes, len);
	if (fs_write_all(z->fd, bytes, len, &z->failed) != 0)
		z->failed.code = ERR_IO;
}

static int write_configuration(const char *dir, const struct lock_entry *e, struct err *err)
{
	CLEANUP_FREE char *path = fs_join(dir, "main.tf");
	static const char format[] = "terraform {\n  required_providers {\n    wanted = {\n      source  = \"%s\"\n      version = \"%s\"\n    }\n  }\n}\n";
	CLEANUP_FREE char *text = xasprintf(format, e->address, e->version); /* neither can hold a quote: lock_file.c */
	return fs_write_fast(path, text, strlen(text), 0444, err);
}

/* The zip's hash as a lock file writes it. */
static int download(const struct fetch_order *o, const struct fetch_stage *s, const struct lock_entry *e, int64_t deadline_ms, char **ret_zh, struct err *err)
{
	CLEANUP_FREE char *ask = NULL, *got = NULL;
	int rc = fetch_stage_dir(s, "ask", &ask, err);
	if (rc == 0)
		rc = fetch_stage_dir(s, "got", &got, err);
	if (rc == 0)
		rc = write_configuration(ask, e, err);
	if (rc != 0)
		return rc;
	CLEANUP_FREE char *path = fs_join(got, "package.zip");
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || fchmod(fd, 0444) != 0)
		return err_sys(err, "create %s", path);
	struct zip z = {.fd = fd, .sum = crypto_sha256_begin()};
	const struct fetch_run run = {.order = o, .tree_dir = ask, .dir = ".", .network = true, .script = download_script, .arg = {fetch_platform()},
				      .bytes_max = LIMIT_PACKAGE_ZIP_BYTES, .deadline_ms = deadline_ms, .on_bytes = on_zip_bytes, .on_bytes_arg = &z};
	rc = fetch_run(&run, err);
	uint8_t digest[SHA256_SIZE];
	crypto_sha256_end(z.sum, digest);
	if (rc == 0 && z.failed.code != 0)
		rc = err_set(err, z.failed.code, "%s", z.failed.msg);
	CLEANUP_BUF struct buf zh = {0};
	buf_adds(&zh, "zh:");
	text_hex(&zh, digest, sizeof(digest));
	if (rc == 0)
		*ret_zh = buf_take(&zh);
	return rc;
}

static void on_tar_bytes(const char *bytes, size_t len, void *arg) { unpack_feed(arg, bytes, len); }

static bool has_program(const struct dirhash *h, const struct lock_entry *e)
{
	CLEANUP_FREE char *name = xasprintf("terraform-provider-%s", strrchr(e->address, '/') + 1);
	for (size_t i = 0; i < h->n; i++)
		if (text_starts(h->v[i].path, name) && strchr(h->v[i].path, '/') == NULL)
			return true;
	return false;
}

static int unpack(const struct fetch_order *o, const struct fetch_stage *s, const struct lock_entry *e, int64_t deadline_ms, char ret_h1[DIRHASH_SIZE],
		  struct err *err)
{
	static const struct untar_limits limits = {.bytes = LIMIT_PACKAGE_BYTES, .entries = LIMIT_PACKAGE_ENTRIES};
	CLEANUP_FREE char *to = NULL, *got = fs_join(s->dir, "got");
	CLEANUP(dirhash_free) struct dirhash h = {0};
	int rc = fetch_stage_dir(s, "package", &to, err);
	CLEANUP_FD int fd = rc == 0 ? open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (rc != 0 || fd < 0)
		return rc != 0 ? rc : err_sys(err, "open %s", to);
	struct unpack *u = unpack_begin(fd, &limits, "terraform-provider-");
	const struct fetch_run run = {.order = o, .tree_dir = got, .dir = ".", .script = unpack_script, .bytes_max = INT64_C(2) * LIMIT_PACKAGE_BYTES,
				      .deadline_ms = deadline_ms, .on_bytes = on_tar_bytes, .on_bytes_arg = u};
	rc = fetch_run(&run, err);
	if (rc != 0) {
		unpack_drop(u);
		return err_wrap(err, "unpack");
	}
	rc = unpack_end(u, &h, err);
	if (rc == 0 && !has_program(&h, e))
		rc = err_set(err, ERR_REFUSED, "there is no terraform-provider-%s in its package", strrchr(e->address, '/') + 1);
	return rc == 0 ? dirhash_end(&h, ret_h1, err) : rc;
}

/* ---- verification ---- */

static bool any_starts(const struct strlist *l, const char *prefix)
{
	for (size_t i = 0; i < l->n; i++)
		if (text_starts(l->v[i], prefix))
			return true;
	return false;
}

static int has_hashes(const struct lock_entry *e, struct err *err)
{
	if (any_starts(&e->hashes, "zh:") || any_starts(&e->hashes, "h1:"))
		return 0;
	return err_set(err, ERR_REFUSED, ".terraform.lock.hcl has no hash of it, so that nothing could be verified: run `terraform providers lock` "
			       "and commit the file");
}

static int wrong_package(const struct lock_entry *e, const char *zh, struct err *err)
{
	return err_set(err, ERR_REFUSED,
		       "the package that its registry gave (%.19s...) has none of the %zu hashes in .terraform.lock.hcl: it is not used; if the "
		       "lock file was made for other systems only, run `terraform providers lock -platform=%s`", zh, e->hashes.n, fetch_platform());
}

/* One of the two has to be in the lock file, and both may be what providers.allow asks for. */
static int verify(const struct fetch_order *o, const struct lock_entry *e, const char *zh, const char *h1, struct err *err)
{
	if (!strlist_has(&e->hashes, zh) && !strlist_has(&e->hashes, h1))
		return wrong_package(e, zh, err);
	struct strlist both = {0};
	strlist_add(&both, zh);
	strlist_add(&both, h1);
	bool allowed = provider_rules_verdict(o->provider_allow, e->address, e->version, &both) == PROVIDER_ALLOWED;
	strlist_free(&both);
	return allowed ? 0 : err_set(err, ERR_REFUSED, "its package (%s) has none of the hashes that `providers.allow` asks for", h1);
}

static int keep(const struct fetch_order *o, const struct fetch_stage *s, const struct lock_entry *e, const char *zh, const char *h1, struct err *err)
{
	CLEANUP_FREE char *note = fetch_package_note(o, e), *text = xasprintf("%s\n%s\n", h1, zh);
	CLEANUP_FREE char *from = fs_join(s->dir, "package"), *to = fetch_package_dir(o, e);
	int rc = fs_write_atomic(note, text, strlen(text), 0600, err); /* first: a package without it would be useless where only zh: is known */
	return rc == 0 ? fetch_publish(from, to, err) : rc;
}

static int fetch_one(const struct fetch_order *o, const struct fetch_stage *s, const struct lock_entry *e, int64_t deadline_ms, struct err *err)
{
	char h1[DIRHASH_SIZE];
	CLEANUP_FREE char *zh = NULL;
	int rc = has_hashes(e, err);
	if (rc == 0)
		rc = download(o, s, e, deadline_ms, &zh, err);
	if (rc == 0 && !strlist_has(&e->hashes, zh) && !any_starts(&e->hashes, "h1:"))
		rc = wrong_package(e, zh, err);
	if (rc == 0)
		rc = unpack(o, s, e, deadline_ms, h1, err);
	if (rc == 0)
		rc = verify(o, e, zh, h1, err);
	return rc == 0 ? keep(o, s, e, zh, h1, err) : rc;
}

int fetch_provider(const struct fetch_order *o, const struct lock_entry *e, int64_t deadline_ms, int64_t *downloads, struct err *err)
{
	char key[FETCH_KEY_SIZE];
	CLEANUP_FREE char *what = xasprintf("provider %s %s", e->address, e->version), *dir = fetch_package_dir(o, e);
	CLEANUP(fetch_stage_close) struct fetch_stage s = {.lock_fd = -1};
	fetch_key("package", dir, key);
	int rc = fetch_stage_open(o, key, what, deadline_ms, &s, err);
	if (rc != 0 || fs_is_dir(dir)) /* somebody else's was in time */
		return rc;
	rc = fetch_one(o, &s, e, deadline_ms, err);
	if (rc != 0)
		return err_wrap(err, "%s could not be fetched", what);
	++*downloads;
	return 0;
}
