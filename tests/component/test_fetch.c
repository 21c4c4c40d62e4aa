/* The fetch step with its real child and store: providers. A double stands where its boxes are (their own test is tests/system/fetch.sh). */
#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "runner/dirhash.h"
#include "runner/fetch_priv.h"
#include "tests/support/fds.h"
#include "tests/support/fetch_support.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void once_and_then_never(void **state)
{
	(void)state;
	struct err err;
	struct fetch_result r;
	struct fetch_order o = fetch_scene_order();
	if (fetch_scene_fetch(&o, &r, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(r.downloads, 1);
	CLEANUP_FREE char *store = fetch_scene_at("data/providers"), *program = xasprintf("%s/h.example/n/tiny/1.0.0/%s/terraform-provider-tiny_v1", store, fetch_platform());
	assert_string_equal(r.store_dir, store);
	assert_non_null(strstr(r.lock_text, "\"h1:"));
	struct stat st;
	assert_int_equal(stat(program, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0555); /* the archive said 0644 */
	fetch_result_free(&r);
	assert_true(fetch_scene_is_empty("data/fetch/staging"));
	const struct fetch_watch none = {.program = "/nonexistent", .log_fd = -1};
	int64_t began = clock_mono_ns();
	for (int i = 0; i < 100; i++) { /* no child: there is no program */
		o = fetch_scene_order();
		assert_int_equal(fetch_for_job(&o, &none, &r, &err), 0);
		assert_int_equal(r.downloads, 0);
		assert_non_null(strstr(r.lock_text, "\"h1:"));
		fetch_result_free(&r);
		fetch_order_free(&o);
	}
	int64_t each_us = (clock_mono_ns() - began) / 100 / 1000;
	print_message("# a look when all is there: %lld us\n", (long long)each_us);
	assert_true(each_us < 20000);
	assert_int_equal(fetch_scene_count(), 2);
}

static void many_at_once(void **state)
{
	(void)state;
	enum { MANY = 6 };
	pid_t pids[MANY];
	fetch_scene_put("engine/zip.sleep", "", 0);
	for (int i = 0; i < MANY; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct err err;
			struct fetch_result r;
			struct fetch_order o = fetch_scene_order();
			_exit(fetch_scene_fetch(&o, &r, &err) == 0 && r.store_dir != NULL ? (int)r.downloads : 100);
		}
	}
	int sum = 0, status;
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		sum += WEXITSTATUS(status);
	}
	assert_int_equal(sum, 1);
	assert_int_equal(fetch_scene_count(), 2); /* one zip, one unpacked */
}

static void who_waits_too_long_is_told(void **state)
{
	(void)state;
	struct err err;
	struct fetch_result r;
	struct fetch_order o = fetch_scene_order();
	struct lock_entry e = {.address = strdup("h.example/n/tiny"), .version = strdup("1.0.0")};
	char key[FETCH_KEY_SIZE];
	CLEANUP_FREE char *package = fetch_package_dir(&o, &e);
	fetch_key("package", package, key);
	struct fetch_stage s;
	assert_int_equal(fetch_stage_open(&o, key, "it", clock_mono_ms(), &s, &err), 0);
	o.timeout_ms = 300;
	assert_int_equal(fetch_scene_fetch(&o, &r, &err), ERR_TIMEOUT);
	assert_string_equal(err.msg, "provider h.example/n/tiny 1.0.0 is being fetched for another job, and that takes too long: try again later");
	fetch_stage_close(&s);
	free(e.address);
	free(e.version);
	assert_int_equal(fetch_scene_count(), 0);
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
		fetch_scene_lock("1.0.0", cases[i].hash);
		o = fetch_scene_order();
		assert_int_equal(fetch_scene_fetch(&o, &r, &err), ERR_REFUSED);
		if (strstr(err.msg, cases[i].says) == NULL)
			fail_msg("%s", err.msg);
		assert_ptr_equal(strstr(err.msg, "provider h.example/n/tiny 1.0.0 could not be fetched: "), err.msg);
		assert_true(fetch_scene_is_empty("data/providers"));
		assert_true(fetch_scene_is_empty("data/fetch/staging"));
	}
	assert_int_equal(fetch_scene_count(), 3); /* unpacked only where its h1: could decide */
	fetch_scene_run("rm engine/zip; true", "");
	fetch_scene_lock("1.0.0", "zh:00");
	o = fetch_scene_order();
	assert_int_equal(fetch_scene_fetch(&o, &r, &err), ERR_UNAVAILABLE);
	assert_string_equal(err.msg, "provider h.example/n/tiny 1.0.0 could not be fetched: the registry is on fire");
	fetch_scene_put("lock", "provider {", 10);
	o = fetch_scene_order();
	assert_int_equal(fetch_scene_fetch(&o, &r, &err), 0); /* the engine's to tell */
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
		fetch_scene_run(cases[i][0], "");
		struct fetch_order o = fetch_scene_order();
		if (fetch_scene_fetch(&o, &r, &err) == 0 || strstr(err.msg, cases[i][1]) == NULL)
			fail_msg("%s: %s", cases[i][0], err.msg);
		assert_true(fetch_scene_is_empty("data/providers"));
		assert_true(fetch_scene_is_empty("data/fetch/staging"));
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
	const struct fetch_watch w = {.program = fetch_scene_watch.program, .log_fd = -1, .stopped = after_a_while, .arg = &left};
	fetch_scene_put("engine/zip.sleep", "", 0);
	struct fetch_order o = fetch_scene_order();
	int64_t began = clock_mono_ms();
	assert_int_equal(fetch_for_job(&o, &w, &r, &err), ERR_CANCELLED);
	assert_true(clock_mono_ms() - began < 3000);
	fetch_order_free(&o);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
	assert_true(fetch_scene_is_empty("data/providers"));
	assert_false(fetch_scene_is_empty("data/fetch/staging"));
	o = fetch_scene_order();
	if (fetch_scene_fetch(&o, &r, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(r.downloads, 1);
	fetch_result_free(&r);
	assert_true(fetch_scene_is_empty("data/fetch/staging"));
}

/* Killed at many moments: what is in the store is whole or absent, and the next one succeeds. */
static void killed_at_any_time(void **state)
{
	(void)state;
	for (int turn = 0; turn < 12; turn++) {
		CLEANUP_FREE char *zh = fetch_scene_zh(fetch_scene_zip), *version = xasprintf("1.%d.0", turn);
		struct err err = {0};
		struct fetch_result r = {0};
		int status;
		fetch_scene_lock(version, zh);
		pid_t pid = fork();
		if (pid == 0) {
			struct fetch_order o = fetch_scene_order();
			(void)fetch_scene_fetch(&o, &r, &err);
			_exit(0);
		}
		(void)usleep((useconds_t)(turn * turn * 700));
		(void)kill(pid, SIGKILL); /* its child goes with it */
		assert_int_equal(waitpid(pid, &status, 0), pid);
		CLEANUP_FREE char *package = xasprintf("%s/data/providers/h.example/n/tiny/%s/%s", fetch_scene_dir, version, fetch_platform());
		char h1[DIRHASH_SIZE], want[DIRHASH_SIZE];
		CLEANUP_FREE char *src = fetch_scene_at("src");
		assert_int_equal(dirhash_of(src, want, NULL), 0);
		if (fs_is_dir(package)) {
			assert_int_equal(dirhash_of(package, h1, NULL), 0);
			assert_string_equal(h1, want);
		}
		struct fetch_order o = fetch_scene_order();
		if (fetch_scene_fetch(&o, &r, &err) != 0)
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
		struct fetch_order o = fetch_scene_order();
		assert_true(fetch_for_job(&o, &w, &r, &err) < 0);
		fetch_order_free(&o);
	}
}

static void what_nobody_uses_goes(void **state)
{
	(void)state;
	struct err err;
	struct fetch_result r;
	CLEANUP_FREE char *zh = fetch_scene_zh(fetch_scene_zip);
	fetch_scene_run("mkdir -p data/providers/h.example/n/old/1.0.0/x data/providers/h.example/n/new/1.0.0/x data/modules/old/files data/modules/new/files; "
	    "touch -d '70 days ago' data/providers/h.example/n/old/1.0.0/x data/modules/old; touch -d '60 days ago' data/modules/new", "");
	struct fetch_order o = fetch_scene_order();
	assert_int_equal(fetch_scene_fetch(&o, &r, &err), 0);
	fetch_result_free(&r);
	assert_true(fetch_scene_is_empty("data/providers/h.example/n/old/1.0.0"));
	assert_false(fetch_scene_is_empty("data/providers/h.example/n/new/1.0.0"));
	assert_false(fetch_scene_is_empty("data/modules/new"));
	assert_true(fetch_scene_is_empty("data/modules/old"));
	assert_true(fetch_scene_is_empty("data/fetch/staging"));
	fetch_scene_run("touch -d '70 days ago' data/providers/h.example/n/tiny/1.0.0/*", "");
	o = fetch_scene_order();
	assert_int_equal(fetch_scene_fetch(&o, &r, &err), 0); /* used again: its time is now */
	fetch_result_free(&r);
	fetch_scene_lock("2.0.0", zh);
	o = fetch_scene_order();
	assert_int_equal(fetch_scene_fetch(&o, &r, &err), 0);
	fetch_result_free(&r);
	assert_false(fetch_scene_is_empty("data/providers/h.example/n/tiny/1.0.0"));
}

/* What one configuration led to is not what another gets that only looks the same to us. */
static void a_spec_is_changed(void **state)
{
	(void)state;
	struct err err = {0};
	struct fetch_result r;
	CLEANUP_FREE char *data = fetch_scene_at("data"), *store = fetch_scene_at("data/providers"), *shown = fetch_scene_at("job/lock.hcl");
	const struct fetch_place place = {.data_dir = data, .egress = "h.example:443", .download = true, .timeout_ms = 20000};
	struct job_spec s = {.dir = xstrdup("p"), .engine = ENGINE_TERRAFORM, .engine_path = fetch_scene_at("engine"), .tree_dir = fetch_scene_at("tree"), .job_dir = fetch_scene_at("job"),
			     .provider_allow = xstrdup("h.example/n/tiny")};
	fetch_scene_run("mkdir job; cp lock tree/p/.terraform.lock.hcl", "");
	assert_int_equal(fetch_for_spec(&s, &place, &fetch_scene_watch, &r, &err), 0);
	assert_null(s.store_dir); /* no init, no fetch */
	s.needs_init = true;
	if (fetch_for_spec(&s, &place, &fetch_scene_watch, &r, &err) != 0)
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
	assert_int_equal(fetch_for_spec(&s, &place, &fetch_scene_watch, &r, &err), ERR_NOT_FOUND); /* those of the plan, or none */
	free(TAKE(s.modules_dir));
	fetch_scene_run("rm tree/p/.terraform.lock.hcl; ln -s ../../lock tree/p/.terraform.lock.hcl", ""); /* not followed: there is none then */
	free(TAKE(s.lock_file));
	free(TAKE(s.store_dir));
	assert_int_equal(fetch_for_spec(&s, &place, &fetch_scene_watch, &r, &err), 0);
	assert_null(s.store_dir);
	fetch_result_free(&r);
	fetch_scene_run("rm tree/p/.terraform.lock.hcl; echo x >tree/p/.terraform.lock.hcl", "");
	assert_int_equal(fetch_for_spec(&s, &place, &fetch_scene_watch, &r, &err), 0);
	assert_int_equal(r.notes.n, 1);
	fetch_result_free(&r);
	job_spec_free(&s);
}

int main(int argc, char **argv)
{
	fetch_scene_role(argc, argv);
#define SCENE(test) cmocka_unit_test_setup_teardown(test, fetch_scene_open, fetch_scene_close)
	const struct CMUnitTest tests[] = {
		SCENE(once_and_then_never),
		SCENE(many_at_once),
		SCENE(who_waits_too_long_is_told),
		SCENE(refusals),
		SCENE(archives_that_are_refused),
		SCENE(stopped_in_the_middle),
		SCENE(killed_at_any_time),
		SCENE(a_child_that_is_not_there),
		SCENE(what_nobody_uses_goes),
		SCENE(a_spec_is_changed),
	};
	int before = support_open_fds(), failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed + (support_open_fds() != before);
}
