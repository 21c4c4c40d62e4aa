#include "tests/support/fetch_support.h"

#include "base/fs.h"
#include "runner/fetch_priv.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the double ---- */

static int give(const struct fetch_run *run, const char *name, struct err *err)
{
	CLEANUP_BUF struct buf b = {0};
	CLEANUP_FREE char *path = xasprintf("%s/%s", run->order->engine_path, name), *sleep_path = xasprintf("%s.sleep", path);
	CLEANUP_FREE char *count = xasprintf("%s/count", run->order->engine_path);
	CLEANUP_FD int fd = open(count, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, name, 1) != 1)
		return err_sys(err, "count");
	if (fs_exists(sleep_path))
		(void)usleep(600 * 1000);
	int rc = fs_read(path, 1 << 20, &b, err);
	if (rc != 0)
		return err_set(err, ERR_UNAVAILABLE, "the registry is on fire");
	for (size_t i = 0; i < b.len; i += 100)
		run->on_bytes(b.data + i, b.len - i < 100 ? b.len - i : 100, run->on_bytes_arg);
	return 0;
}

static int double_run(const struct fetch_run *run, struct err *err)
{
	if (strstr(run->script, "providers mirror") != NULL)
		return give(run, "zip", err);
	return give(run, strstr(run->script, "bsdtar") != NULL ? "package" : "modules", err);
}

/* ---- the scene ---- */

char fetch_scene_dir[] = "/tmp/test-fetch-XXXXXX";
static char self[4096];
const char fetch_scene_zip[] = "these bytes are the zip";
const struct fetch_watch fetch_scene_watch = {.program = self, .log_fd = -1};

char *fetch_scene_at(const char *name) { return fs_join(fetch_scene_dir, name); }

void fetch_scene_put(const char *name, const char *bytes, size_t len)
{
	CLEANUP_FREE char *path = fetch_scene_at(name), *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	if (fs_mkdir_p(parent, 0755, NULL) != 0 || fs_write_fast(path, bytes, len, 0644, NULL) != 0)
		fail_msg("write %s", path);
}

void fetch_scene_run(const char *fmt, const char *arg)
{
	CLEANUP_FREE char *line = xasprintf("cd %s && { %s%s; }", fetch_scene_dir, fmt, arg);
	if (system(line) != 0)
		fail_msg("%s", line);
}

char *fetch_scene_zh(const char *bytes)
{
	char hex[2 * SHA256_SIZE + 1];
	crypto_sha256_hex(bytes, strlen(bytes), hex);
	return xasprintf("zh:%s", hex);
}

void fetch_scene_lock(const char *version, const char *hash)
{
	CLEANUP_FREE char *text = xasprintf("provider \"h.example/n/tiny\" {\n  version = \"%s\"\n  hashes = [\"%s\"]\n}\n", version, hash);
	fetch_scene_put("lock", text, strlen(text));
}

struct fetch_order fetch_scene_order(void)
{
	return (struct fetch_order){
		.data_dir = fetch_scene_at("data"), .provider_allow = xstrdup("h.example/n/*"), .download = true, .egress = xstrdup("h.example:443"),
		.engine = ENGINE_TERRAFORM, .engine_path = fetch_scene_at("engine"), .engine_version = xstrdup("1.11.4"), .tree_dir = fetch_scene_at("tree"), .dir = xstrdup("p"),
		.lock_file = fetch_scene_at("lock"), .timeout_ms = 20000,
	};
}

size_t fetch_scene_count(void)
{
	CLEANUP_BUF struct buf b = {0};
	CLEANUP_FREE char *path = fetch_scene_at("engine/count");
	return fs_read(path, 1 << 20, &b, NULL) == 0 ? b.len : 0;
}

int fetch_scene_open(void **state)
{
	(void)state;
	if (mkdtemp(fetch_scene_dir) == NULL)
		return 1;
	fetch_scene_put("tree/p/main.tf", "", 0);
	fetch_scene_put("engine/zip", fetch_scene_zip, strlen(fetch_scene_zip));
	CLEANUP_FREE char *zh = fetch_scene_zh(fetch_scene_zip);
	fetch_scene_lock("1.0.0", zh);
	fetch_scene_run("mkdir -p src data; echo program >src/terraform-provider-tiny_v1; echo l >src/LICENSE; tar --format=gnu -C src -cf engine/package .", "");
	return 0;
}

int fetch_scene_close(void **state)
{
	(void)state;
	int rc = fs_remove_tree(fetch_scene_dir, NULL);
	memcpy(fetch_scene_dir + strlen(fetch_scene_dir) - 6, "XXXXXX", 6);
	return rc;
}

bool fetch_scene_is_empty(const char *name)
{
	CLEANUP_FREE char *line = xasprintf("test -z \"$(ls -A %s/%s 2>/dev/null)\"", fetch_scene_dir, name);
	return system(line) == 0;
}

int fetch_scene_fetch(struct fetch_order *o, struct fetch_result *r, struct err *err)
{
	*err = (struct err){0};
	*r = (struct fetch_result){0};
	int rc = fetch_for_job(o, &fetch_scene_watch, r, err);
	fetch_order_free(o);
	return rc;
}

int fetch_scene_modules(const char *modules, struct fetch_result *r, struct err *err)
{
	struct fetch_order o = fetch_scene_order();
	free(TAKE(o.lock_file));
	o.modules = xstrdup(modules);
	return fetch_scene_fetch(&o, r, err);
}

void fetch_scene_role(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "fetch") == 0) {
		fetch_run_with = double_run;
		exit(fetch_main());
	}
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	ASSERT(n > 0);
}
