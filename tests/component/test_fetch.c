/* The fetch step with its real child and store; a double stands where its boxes are (their own test is tests/system/fetch.sh). The child is this
 * program again. What the double prints stands in files beside the "engine" that the order names. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "runner/dirhash.h"
#include "runner/fetch_priv.h"
#include "tests/support/fds.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

static char dir[] = "/tmp/test-fetch-XXXXXX";
static char self[4096];
static const char zip_bytes[] = "these bytes are the zip";
static const struct fetch_watch watch = {.program = self, .log_fd = -1};

static char *at(const char *name) { return fs_join(dir, name); }

static void put(const char *name, const char *bytes, size_t len)
{
	CLEANUP_FREE char *path = at(name), *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	if (fs_mkdir_p(parent, 0755, NULL) != 0 || fs_write_fast(path, bytes, len, 0644, NULL) != 0)
		fail_msg("write %s", path);
}

static void run(const char *fmt, const char *arg)
{
	CLEANUP_FREE char *line = xasprintf("cd %s && { %s%s; }", dir, fmt, arg);
	if (system(line) != 0)
		fail_msg("%s", line);
}

static char *zh_of(const char *bytes)
{
	char hex[2 * SHA256_SIZE + 1];
	crypto_sha256_hex(bytes, strlen(bytes), hex);
	return xasprintf("zh:%s", hex);
}

static void write_lock(const char *version, const char *hash)
{
	CLEANUP_FREE char *text = xasprintf("provider \"h.example/n/tiny\" {\n  version = \"%s\"\n  hashes = [\"%s\"]\n}\n", version, hash);
	put("lock", text, strlen(text));
}

static struct fetch_order order(void)
{
	return (struct fetch_order){
		.data_dir = at("data"), .provider_allow = xstrdup("h.example/n/*"), .download = true, .egress = xstrdup("h.example:443"),
		.engine = ENGINE_TERRAFORM, .engine_path = at("engine"), .engine_version = xstrdup("1.11.4"), .tree_dir = at("tree"), .dir = xstrdup("p"),
		.lock_file = at("lock"), .timeout_ms = 20000,
	};
}

static size_t count(void)
{
	CLEANUP_BUF struct buf b = {0};
	CLEANUP_FREE char *path = at("engine/count");
	return fs_read(path, 1 << 20, &b, NULL) == 0 ? b.len : 0;
}

static int open_scene(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return 1;
	put("tree/p/main.tf", "", 0);
	put("engine/zip", zip_bytes, strlen(zip_bytes));
	CLEANUP_FREE char *zh = zh_of(zip_bytes);
	write_lock("1.0.0", zh);
	run("mkdir -p src data; echo program >src/terraform-provider-tiny_v1; echo l >src/LICENSE; tar --format=gnu -C src -cf engine/package .", "");
	return 0;
}

static int close_scene(void **state)
{
	(void)state;
	int rc = fs_remove_tree(dir, NULL);
	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
	return rc;
}

static bool is_empty(const char *name)
{
	CLEANUP_FREE char *line = xasprintf("test -z \"$(ls -A %s/%s 2>/dev/null)\"", dir, name);
	return system(line) == 0;
}

static int fetch(struct fetch_order *o, struct fetch_result *r, struct err *err)
{
	*err = (struct err){0};
	*r = (struct fetch_result){0};
	int rc = fetch_for_job(o, &watch, r, err);
	fetch_order_free(o);
	return rc;
}

/* ---- tests ---- */

static void once_and_then_never(void **state)
{
	(void)state;
	struct err err;
	struct fetch_result r;
	struct fetch_order o = order();
	if (fetch(&o, &r, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(r.downloads, 1);
	CLEANUP_FREE char *store = at("data/providers"), *program = xasprintf("%s/h.example/n/tiny/1.0.0/%s/terraform-provider-tiny_v1", store, fetch_platform());
	assert_string_equal(r.store_dir, store);
	assert_non_null(strstr(r.lock_text, "\"h1:"));
	struct stat st;
	assert_int_equal(stat(program, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0555); /* the archive said 0644 */
	fetch_result_free(&r);
	assert_true(is_empty("data/fetch/staging"));
	const struct fetch_watch none = {.program = "/nonexistent", .log_fd = -1};
	int64_t began = clock_mono_ns();
	for (int i = 0; i < 100; i++) { /* no child: there is no program */
		o = order();
		assert_int_equal(fetch_for_job(&o, &none, &r, &err), 0);
		assert_int_equal(r.downloads, 0);
		assert_non_null(strstr(r.lock_text, "\"h1:"));
		fetch_result_free(&r);
		fetch_order_free(&o);
	}
	int64_t each_us = (clock_mono_ns() - began) / 100 / 1000;
	print_message("# a look when all is there: %lld us\n", (long long)each_us);
	assert_true(each_us < 20000);
	assert_int_equal(count(), 2);
}

static void many_at_once(void **state)
{
	(void)state;
	enum { MANY = 6 };
	pid_t pids[MANY];
	put("engine/zip.sleep", "", 0);
	for (int i = 0; i < MANY; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct err err;
			struct fetch_result r;
			struct fetch_order o = order();
			_exit(fetch(&o, &r, &err) == 0 && r.store_dir != NULL ? (int)r.downloads : 100);
		}
	}
	int sum = 0, status;
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		sum += WEXITSTATUS(status);
	}
	assert_int_equal(sum, 1);
	assert_int_equal(count(), 2); /* one zip, one unpacked */
}

static void who_waits_too_long_is_told(void **state)
{
	(void)state;
	struct err err;
	struct fetch_result r;
	struct fetch_order o = order();
	struct lock_entry e = {.address = strdup("h.example/n/tiny"), .version = strdup("1.0.0")};
	char key[FETCH_KEY_SIZE];
	CLEANUP_FREE char *package = fetch_package_dir(&o, &e);
	fetch_key("package", package, key);
	struct fetch_stage s;
	assert_int_equal(fetch_stage_open(&o, key, "it", clock_mono_ms(), &s, &err), 0);
	o.timeout_ms = 300;
	assert_int_equal(fetch(&o, &r, &err), ERR_TIMEOUT);
	assert_string_equal(err.msg, "provider h.example/n/tiny 1.0.0 is being fetched for another job, and that takes too long: try again later");
	fetch_stage_close(&s);
	free(e.address);
	free(e.version);
	assert_int_equal(count(), 0);
}

static void refusals(void **state)
{
	(void)state;
	struct err err;
	struct fetch_result r;
	struct fetch_order o;
	static const struct {
		const char *hash, *says;
	} cases[] = {
		{"zh:00", "has none of the 1 hashes in .terraform.lock.hcl"},
		{"h1:00", "has none of the 1 hashes in .terraform.lock.hcl"},
		{"x2:00", "has no hash of it"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		write_lock("1.0.0", cases[i].hash);
		o = order();
		assert_int_equal(fetch(&o, &r, &err), ERR_REFUSED);
		if (strstr(err.msg, cases[i].says) == NULL)
			fail_msg("%s", err.msg);
		assert_ptr_equal(strstr(err.msg, "provider h.example/n/tiny 1.0.0 could not be fetched: "), err.msg);
		assert_true(is_empty("data/providers"));
		assert_true(is_empty("data/fetch/staging"));
	}
	assert_int_equal(count(), 3); /* unpacked only where its h1: could decide */
	run("rm engine/zip; true", "");
	write_lock("1.0.0", "zh:00");
	o = order();
	assert_int_equal(fetch(&o, &r, &err), ERR_UNAVAILABLE);
	assert_string_equal(err.msg, "provider h.example/n/tiny 1.0.0 could not be fetched: the registry is on fire");
	put("lock", "provider {", 10);
	o = order();
	assert_int_equal(fetch(&o, &r, &err), 0); /* the engine's to tell */
	assert_string_equal(r.notes.v[0], "no provider is fetched: .terraform.lock.hcl: line 1: expected the address of a provider");
	fetch_result_free(&r);
}

static void archives_that_are_refused(void **state)
{
	(void)state;
	struct err err;
	struct fetch_result r;
	static const char *const cases[][2] = {
		{"tar --format=gnu -C src -cf - . | head -c 700 >engine/package", "ends in the middle"},
		{"rm -f src/l; ln -s LICENSE src/l; tar --format=gnu -C src -cf engine/package .; rm src/l", "links are not taken"},
		{"tar --format=gnu -C src -cf engine/package LICENSE", "there is no terraform-provider-tiny in its package"},
		{"echo >engine/package", "ends in the middle"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		run(cases[i][0], "");
		struct fetch_order o = order();
		if (fetch(&o, &r, &err) == 0 || strstr(err.msg, cases[i][1]) == NULL)
			fail_msg("%s: %s", cases[i][0], err.msg);
		assert_true(is_empty("data/providers"));
		assert_true(is_empty("data/fetch/staging"));
	}
}

static bool after_a_while(void *arg)
{
	int *left = arg;
	return --*left <= 0;
}

static void stopped_in_the_middle(void **state)
{
	(void)state;
	struct err err = {0};
	struct fetch_result r = {0};
	int left = 2;
	const struct fetch_watch w = {.program = self, .log_fd = -1, .stopped = after_a_while, .arg = &left};
	put("engine/zip.sleep", "", 0);
	struct fetch_order o = order();
	int64_t began = clock_mono_ms();
	assert_int_equal(fetch_for_job(&o, &w, &r, &err), ERR_CANCELLED);
	assert_true(clock_mono_ms() - began < 3000);
	fetch_order_free(&o);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
	assert_true(is_empty("data/providers"));
	assert_false(is_empty("data/fetch/staging"));
	o = order();
	if (fetch(&o, &r, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(r.downloads, 1);
	fetch_result_free(&r);
	assert_true(is_empty("data/fetch/staging"));
}

/* Killed at many moments: what is in the store is whole or absent, and the next one succeeds. */
static void killed_at_any_time(void **state)
{
	(void)state;
	for (int turn = 0; turn < 12; turn++) {
		CLEANUP_FREE char *zh = zh_of(zip_bytes), *version = xasprintf("1.%d.0", turn);
		struct err err = {0};
		struct fetch_result r = {0};
		int status;
		write_lock(version, zh);
		pid_t pid = fork();
		if (pid == 0) {
			struct fetch_order o = order();
			(void)fetch(&o, &r, &err);
			_exit(0);
		}
		(void)usleep((useconds_t)(turn * turn * 700));
		(void)kill(pid, SIGKILL); /* its child goes with it */
		assert_int_equal(waitpid(pid, &status, 0), pid);
		CLEANUP_FREE char *package = xasprintf("%s/data/providers/h.example/n/tiny/%s/%s", dir, version, fetch_platform());
		char h1[DIRHASH_SIZE], want[DIRHASH_SIZE];
		CLEANUP_FREE char *src = at("src");
		assert_int_equal(dirhash_of(src, want, NULL), 0);
		if (fs_is_dir(package)) {
			assert_int_equal(dirhash_of(package, h1, NULL), 0);
			assert_string_equal(h1, want);
		}
		struct fetch_order o = order();
		if (fetch(&o, &r, &err) != 0)
			fail_msg("turn %d: %s", turn, err.msg);
		fetch_result_free(&r);
		assert_int_equal(dirhash_of(package, h1, NULL), 0);
		assert_string_equal(h1, want);
	}
}

static void a_child_that_is_not_there(void **state)
{
	(void)state;
	struct err err = {0};
	struct fetch_result r = {0};
	static const char *const programs[] = {"/nonexistent", "/bin/true", "/bin/cat"};
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		const struct fetch_watch w = {.program = programs[i], .log_fd = -1};
		struct fetch_order o = order();
		assert_true(fetch_for_job(&o, &w, &r, &err) < 0);
		fetch_order_free(&o);
	}
}

static void what_nobody_uses_goes(void **state)
{
	(void)state;
	struct err err;
	struct fetch_result r;
	CLEANUP_FREE char *zh = zh_of(zip_bytes);
	run("mkdir -p data/providers/h.example/n/old/1.0.0/x data/providers/h.example/n/new/1.0.0/x data/modules/old/files data/modules/new/files; "
	    "touch -d '70 days ago' data/providers/h.example/n/old/1.0.0/x data/modules/old; touch -d '60 days ago' data/modules/new", "");
	struct fetch_order o = order();
	assert_int_equal(fetch(&o, &r, &err), 0);
	fetch_result_free(&r);
	assert_true(is_empty("data/providers/h.example/n/old/1.0.0"));
	assert_false(is_empty("data/providers/h.example/n/new/1.0.0"));
	assert_false(is_empty("data/modules/new"));
	assert_true(is_empty("data/modules/old"));
	assert_true(is_empty("data/fetch/staging"));
	run("touch -d '70 days ago' data/providers/h.example/n/tiny/1.0.0/*", "");
	o = order();
	assert_int_equal(fetch(&o, &r, &err), 0); /* used again: its time is now */
	fetch_result_free(&r);
	write_lock("2.0.0", zh);
	o = order();
	assert_int_equal(fetch(&o, &r, &err), 0);
	fetch_result_free(&r);
	assert_false(is_empty("data/providers/h.example/n/tiny/1.0.0"));
}

static void modules(void **state)
{
	(void)state;
	struct err err;
	struct fetch_result r;
	put("tree/p/main.tf", "module \"a\" {\n  source = \"git::https://h.example/r.git?ref=v1.0.0\"\n}\n", 66);
	run("mkdir -p m/a; echo '# x' >m/a/main.tf; echo '{\"Modules\":[{\"Key\":\"a\",\"Source\":\"s\",\"Dir\":\"/tmp/tfdata/modules/a\"}]}' >m/modules.json; "
	    "tar --format=gnu -C m -cf engine/modules .", "");
	struct fetch_order o = order();
	free(TAKE(o.lock_file));
	if (fetch(&o, &r, &err) != 0)
		fail_msg("%s", err.msg);
	CLEANUP_FREE char *list = fs_join(r.modules_dir, "modules.json"), *file = fs_join(r.modules_dir, "files/a/main.tf"), *digest = xstrdup(r.modules);
	CLEANUP_BUF struct buf text = {0};
	assert_int_equal(fs_read(list, 4096, &text, NULL), 0);
	assert_string_equal(buf_str(&text), "{\"Modules\":[{\"Key\":\"a\",\"Source\":\"s\",\"Dir\":\"/modules/a\"}]}");
	assert_true(fs_exists(file));
	assert_null(r.store_dir);
	fetch_result_free(&r);
	run("rm engine/modules; true", "");
	o = order();
	free(TAKE(o.lock_file));
	assert_int_equal(fetch(&o, &r, &err), 0); /* fixed: known */
	assert_string_equal(r.modules, digest);
	fetch_result_free(&r);
	run("rm -rf data/modules/", digest);
	o = order();
	free(TAKE(o.lock_file));
	o.modules = xstrdup(digest);
	assert_int_equal(fetch(&o, &r, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, "plan again"));
	o = order();
	free(TAKE(o.lock_file));
	o.modules = xstrdup("../../x");
	assert_int_equal(fetch(&o, &r, &err), ERR_NOT_FOUND);
	o = order();
	free(TAKE(o.lock_file));
	assert_int_equal(fetch(&o, &r, &err), ERR_UNAVAILABLE); /* the set is gone: it would be fetched again */
	assert_string_equal(err.msg, "the remote modules of p could not be fetched: the registry is on fire");
	run("tar --format=gnu -C m -cf engine/modules modules.json", ""); /* a list without the module */
	o = order();
	free(TAKE(o.lock_file));
	assert_int_equal(fetch(&o, &r, &err), ERR_REFUSED);
	assert_non_null(strstr(err.msg, "module a was not put where fetched modules are"));
}

/* What one configuration led to is not what another gets that only looks the same to us. */
static void calls_that_the_engine_does_not_see(void **state)
{
	(void)state;
	struct err err;
	struct fetch_result r;
	static const char call[] = "module \"a\" {\n  source  = \"n/a/p\"\n  version = \"1.0.0\"\n}\n", comment[] = "/*\n%s*/\n";
	CLEANUP_FREE char *hidden = xasprintf(comment, call);
	put("tree/p/main.tf", hidden, strlen(hidden));
	run("mkdir -p e m/a m/b; tar --format=gnu -C e -cf engine/modules .", "");
	struct fetch_order o = order();
	free(TAKE(o.lock_file));
	assert_int_equal(fetch(&o, &r, &err), 0);
	assert_null(r.modules);
	fetch_result_free(&r);
	put("tree/p/main.tf", call, strlen(call));
	static const char *const lists[][2] = {{"b", "h.example/n/a/p"}, {"a", "h.example/n/b/p"}, {"a", "h.example/n/a/p"}};
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) { /* two that are not it, and the one that is */
		CLEANUP_FREE char *list = xasprintf("{\"Modules\":[{\"Key\":\"%s\",\"Source\":\"%s\",\"Dir\":\"/tmp/tfdata/modules/a\"}]}", lists[i][0], lists[i][1]);
		put("m/modules.json", list, strlen(list));
		run("echo '# x' >m/a/main.tf; tar --format=gnu -C m -cf engine/modules .", "");
		o = order();
		free(TAKE(o.lock_file));
		assert_int_equal(fetch(&o, &r, &err), 0);
		assert_int_equal(r.downloads, 1);
		fetch_result_free(&r);
	}
	o = order();
	free(TAKE(o.lock_file));
	assert_int_equal(fetch(&o, &r, &err), 0);
	assert_int_equal(r.downloads, 0);
	assert_non_null(r.modules);
	fetch_result_free(&r);
}

static void a_spec_is_changed(void **state)
{
	(void)state;
	struct err err = {0};
	struct fetch_result r;
	CLEANUP_FREE char *data = at("data"), *store = at("data/providers"), *shown = at("job/lock.hcl");
	const struct fetch_place place = {.data_dir = data, .egress = "h.example:443", .download = true, .timeout_ms = 20000};
	struct job_spec s = {.dir = xstrdup("p"), .engine = ENGINE_TERRAFORM, .engine_path = at("engine"), .tree_dir = at("tree"), .job_dir = at("job"),
			     .provider_allow = xstrdup("h.example/n/tiny")};
	run("mkdir job; cp lock tree/p/.terraform.lock.hcl", "");
	assert_int_equal(fetch_for_spec(&s, &place, &watch, &r, &err), 0);
	assert_null(s.store_dir); /* no init, no fetch */
	s.needs_init = true;
	if (fetch_for_spec(&s, &place, &watch, &r, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(s.store_dir, store);
	assert_string_equal(s.lock_file, shown);
	assert_null(s.modules_dir);
	CLEANUP_BUF struct buf text = {0};
	assert_int_equal(fs_read(shown, 4096, &text, NULL), 0);
	assert_string_equal(buf_str(&text), r.lock_text);
	fetch_result_free(&r);
	CLEANUP_FREE char *none = xasprintf("%s/modules/%064d", data, 7);
	s.modules_dir = xstrdup(none);
	assert_int_equal(fetch_for_spec(&s, &place, &watch, &r, &err), ERR_NOT_FOUND); /* those of the plan, or none */
	free(TAKE(s.modules_dir));
	run("rm tree/p/.terraform.lock.hcl; ln -s ../../lock tree/p/.terraform.lock.hcl", ""); /* not followed: there is none then */
	free(TAKE(s.lock_file));
	free(TAKE(s.store_dir));
	assert_int_equal(fetch_for_spec(&s, &place, &watch, &r, &err), 0);
	assert_null(s.store_dir);
	fetch_result_free(&r);
	run("rm tree/p/.terraform.lock.hcl; echo x >tree/p/.terraform.lock.hcl", "");
	assert_int_equal(fetch_for_spec(&s, &place, &watch, &r, &err), 0);
	assert_int_equal(r.notes.n, 1);
	fetch_result_free(&r);
	job_spec_free(&s);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "fetch") == 0) {
		fetch_run_with = double_run;
		return fetch_main();
	}
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return 1;
#define SCENE(test) cmocka_unit_test_setup_teardown(test, open_scene, close_scene)
	const struct CMUnitTest tests[] = {
		SCENE(once_and_then_never),	   SCENE(many_at_once),	      SCENE(who_waits_too_long_is_told), SCENE(refusals),
		SCENE(archives_that_are_refused), SCENE(stopped_in_the_middle), SCENE(killed_at_any_time),	 SCENE(a_child_that_is_not_there),
		SCENE(modules),			   SCENE(calls_that_the_engine_does_not_see),
		SCENE(what_nobody_uses_goes), SCENE(a_spec_is_changed),
	};
	int before = support_open_fds(), failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed + (support_open_fds() != before);
}
