/* The remote modules of one project: the engine's own `get` over the exported tree, in a box; what it left comes out as a tar stream. */
#include "base/fs.h"
#include "base/limits.h"
#include "runner/fetch_priv.h"
#include "runner/module_list.h"
#include "runner/unpack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FETCHED_AT "/tmp/tfdata/modules"

/* $0 the engine. git never asks, reads no settings of the host, and goes through the proxy also where a source says ssh. */
static const char get_script[] =
	"export GIT_TERMINAL_PROMPT=0 GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_LFS_SKIP_SMUDGE=1\n"
	"export GIT_SSL_CAINFO=\"$SSL_CERT_FILE\" GIT_CONFIG_COUNT=4\n"
	"export GIT_CONFIG_KEY_0=url.https://.insteadOf GIT_CONFIG_VALUE_0=ssh://git@ GIT_CONFIG_KEY_1=core.hooksPath GIT_CONFIG_VALUE_1=/dev/null\n"
	"export GIT_CONFIG_KEY_2=protocol.allow GIT_CONFIG_VALUE_2=never GIT_CONFIG_KEY_3=protocol.https.allow GIT_CONFIG_VALUE_3=always\n"
	"\"$0\" get -no-color >&2 && mkdir -p " FETCHED_AT " && exec tar --format=gnu --hard-dereference --exclude=.git -C " FETCHED_AT " -cf - .";

static void on_tar_bytes(const char *bytes, size_t len, void *arg) { unpack_feed(arg, bytes, len); }

static int get(const struct fetch_order *o, const char *to, int64_t deadline_ms, struct dirhash *ret, struct err *err)
{
	static const struct untar_limits limits = {.bytes = LIMIT_MODULES_BYTES, .entries = LIMIT_MODULES_ENTRIES, .links = true};
	CLEANUP_FD int fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "open %s", to);
	struct unpack *u = unpack_begin(fd, &limits, NULL);
	const struct fetch_run run = {.order = o, .tree_dir = o->tree_dir, .dir = o->dir, .network = true, .script = get_script,
				      .bytes_max = INT64_C(2) * LIMIT_MODULES_BYTES, .deadline_ms = deadline_ms, .on_bytes = on_tar_bytes, .on_bytes_arg = u};
	int rc = fetch_run(&run, err);
	if (rc != 0) {
		unpack_drop(u);
		return rc;
	}
	return unpack_end(u, ret, err);
}

static bool is_fetched_dir(const char *path, void *arg)
{
	CLEANUP_FREE char *whole = fs_join(arg, path);
	struct stat st;
	return lstat(whole, &st) == 0 && S_ISDIR(st.st_mode); /* the way there holds no links that lead out: runner/untar.c */
}

/* The list of the box becomes the list of jobs, and part of the digest instead of it. */
static int take_list(const struct fetch_order *o, char *files, struct dirhash *h, struct buf *list, size_t *ret_n, struct err *err)
{
	CLEANUP_BUF struct buf text = {0};
	CLEANUP_FREE char *path = fs_join(files, "modules.json");
	*ret_n = 0;
	int rc = fs_read(path, LIMIT_MODULES_JSON_BYTES, &text, err);
	if (rc == ERR_NOT_FOUND)
		return 0; /* no module at all */
	if (rc == 0)
		rc = module_list_rewrite(buf_str(&text), text.len, FETCHED_AT, o->dir, is_fetched_dir, files, list, ret_n, err);
	if (rc == 0 && unlink(path) != 0)
		rc = err_sys(err, "remove %s", path);
	for (size_t i = 0; rc == 0 && i < h->n; i++)
		if (strcmp(h->v[i].path, "modules.json") == 0)
			crypto_sha256(list->data, list->len, h->v[i].sha256);
	return rc;
}

static int keep(const struct fetch_order *o, const struct fetch_stage *s, struct dirhash *h, const struct buf *list, char ret[FETCH_KEY_SIZE], struct err *err)
{
	char h1[DIRHASH_SIZE];
	CLEANUP_FREE char *set = fs_join(s->dir, "set"), *path = fs_join(set, "modules.json");
	int rc = dirhash_end(h, h1, err);
	if (rc != 0)
		return rc;
	crypto_sha256_hex(h1, strlen(h1), ret);
	if (fetch_modules_kept(o, ret))
		return 0;
	rc = fs_write_fast(path, list->data, list->len, 0444, err);
	if (rc == 0 && chmod(path, 0444) != 0)
		rc = err_sys(err, "set the mode of %s", path);
	CLEANUP_FREE char *to = xasprintf("%s/modules/%s", o->data_dir, ret);
	if (rc == 0)
		rc = fetch_publish(set, to, err);
	return rc != 0 && fetch_modules_kept(o, ret) ? 0 : rc; /* other calls led to the same set at the same time */
}

static int fetch_set(const struct fetch_order *o, const struct fetch_stage *s, int64_t deadline_ms, char ret[FETCH_KEY_SIZE], struct err *err)
{
	CLEANUP_FREE char *set = NULL, *files = NULL;
	CLEANUP_BUF struct buf list = {0};
	CLEANUP(dirhash_free) struct dirhash h = {0};
	size_t n = 0;
	int rc = fetch_stage_dir(s, "set", &set, err);
	if (rc == 0)
		rc = fetch_stage_dir(s, "set/files", &files, err);
	if (rc == 0)
		rc = get(o, files, deadline_ms, &h, err);
	if (rc == 0)
		rc = take_list(o, files, &h, &list, &n, err);
	if (rc != 0)
		return rc;
	if (n > 0)
		return keep(o, s, &h, &list, ret, err);
	memcpy(ret, "none", 5);
	return 0;
}

int fetch_modules(const struct fetch_order *o, const char *key, int64_t deadline_ms, struct fetch_result *r, struct err *err)
{
	char digest[FETCH_KEY_SIZE];
	struct fetch_need again;
	CLEANUP(fetch_stage_close) struct fetch_stage s = {.lock_fd = -1};
	CLEANUP_FREE char *what = xasprintf("the set of remote modules of %s", o->dir), *note = fetch_modules_note(o, key);
	int rc = fetch_stage_open(o, key, what, deadline_ms, &s, err);
	if (rc == 0)
		rc = fetch_look(o, &again, err); /* somebody else's may be in time */
	if (rc != 0)
		return rc;
	bool there = !again.modules;
	if (there && again.result.modules != NULL)
		fetch_set_modules(o, again.result.modules, r);
	fetch_need_free(&again);
	if (there)
		return 0;
	rc = fetch_set(o, &s, deadline_ms, digest, err);
	if (rc == 0)
		rc = fs_write_atomic(note, digest, strlen(digest), 0600, err);
	if (rc != 0)
		return err_wrap(err, "the remote modules of %s could not be fetched", o->dir);
	if (strcmp(digest, "none") != 0)
		fetch_set_modules(o, digest, r);
	r->downloads++;
	return 0;
}
