/* The fetch step with its real child and store: remote modules. */
#include "base/fs.h"
#include "tests/support/fds.h"
#include "tests/support/fetch_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void modules(void **state)
{
	(void)state;
	struct err err;
	struct fetch_result r;
	fetch_scene_put("tree/p/main.tf", "module \"a\" {\n  source = \"git::https://h.example/r.git?ref=v1.0.0\"\n}\n", 66);
	fetch_scene_run("mkdir -p m/a; echo '# x' >m/a/main.tf; echo '{\"Modules\":[{\"Key\":\"a\",\"Source\":\"s\",\"Dir\":\"/tmp/tfdata/modules/a\"}]}' >m/modules.json; "
	    "tar --format=gnu -C m -cf engine/modules .", "");
	if (fetch_scene_modules(NULL, &r, &err) != 0)
		fail_msg("%s", err.msg);
	CLEANUP_FREE char *list = fs_join(r.modules_dir, "modules.json"), *file = fs_join(r.modules_dir, "files/a/main.tf"), *digest = xstrdup(r.modules);
	CLEANUP_BUF struct buf text = {0};
	assert_int_equal(fs_read(list, 4096, &text, NULL), 0);
	assert_string_equal(buf_str(&text), "{\"Modules\":[{\"Key\":\"a\",\"Source\":\"s\",\"Dir\":\"/modules/a\"}]}");
	assert_true(fs_exists(file));
	assert_null(r.store_dir);
	fetch_result_free(&r);
	fetch_scene_run("rm engine/modules; true", "");
	assert_int_equal(fetch_scene_modules(NULL, &r, &err), 0); /* fixed: known */
	assert_string_equal(r.modules, digest);
	fetch_result_free(&r);
	fetch_scene_run("rm -rf data/modules/", digest);
	assert_int_equal(fetch_scene_modules(digest, &r, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, "plan again"));
	assert_int_equal(fetch_scene_modules("../../x", &r, &err), ERR_NOT_FOUND);
	assert_int_equal(fetch_scene_modules(NULL, &r, &err), ERR_UNAVAILABLE); /* the set is gone: it would be fetched again */
	assert_string_equal(err.msg, "the remote modules of p could not be fetched: the registry is on fire");
	fetch_scene_run("tar --format=gnu -C m -cf engine/modules modules.json", ""); /* a list without the module */
	assert_int_equal(fetch_scene_modules(NULL, &r, &err), ERR_REFUSED);
	assert_non_null(strstr(err.msg, "module a was not put where fetched modules are"));
}

static void calls_that_the_engine_does_not_see(void **state)
{
	(void)state;
	struct err err;
	struct fetch_result r;
	static const char call[] = "module \"a\" {\n  source  = \"n/a/p\"\n  version = \"1.0.0\"\n}\n", comment[] = "/*\n%s*/\n";
	CLEANUP_FREE char *hidden = xasprintf(comment, call);
	fetch_scene_put("tree/p/main.tf", hidden, strlen(hidden));
	fetch_scene_run("mkdir -p e m/a m/b; tar --format=gnu -C e -cf engine/modules .", "");
	assert_int_equal(fetch_scene_modules(NULL, &r, &err), 0);
	assert_null(r.modules);
	fetch_result_free(&r);
	fetch_scene_put("tree/p/main.tf", call, strlen(call));
	static const char *const lists[][2] = {{"b", "h.example/n/a/p"}, {"a", "h.example/n/b/p"}, {"a", "h.example/n/a/p"}};
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) { /* two that are not it, and the one that is */
		CLEANUP_FREE char *list = xasprintf("{\"Modules\":[{\"Key\":\"%s\",\"Source\":\"%s\",\"Dir\":\"/tmp/tfdata/modules/a\"}]}", lists[i][0], lists[i][1]);
		fetch_scene_put("m/modules.json", list, strlen(list));
		fetch_scene_run("echo '# x' >m/a/main.tf; tar --format=gnu -C m -cf engine/modules .", "");
		assert_int_equal(fetch_scene_modules(NULL, &r, &err), 0);
		assert_int_equal(r.downloads, 1);
		fetch_result_free(&r);
	}
	assert_int_equal(fetch_scene_modules(NULL, &r, &err), 0);
	assert_int_equal(r.downloads, 0);
	assert_non_null(r.modules);
	fetch_result_free(&r);

	fetch_scene_put("tree/p/main.tf", "module \"l\" {\n  source = \"../l\"\n}\n", 34); /* the same in a local module */
	fetch_scene_put("tree/l/main.tf", call, strlen(call));
	for (size_t i = 0; i < 3; i++) { /* "a" is somebody else's; "l.a" is it, and then it is there */
		CLEANUP_FREE char *list = xasprintf("{\"Modules\":[{\"Key\":\"%s\",\"Source\":\"h.example/n/a/p\",\"Dir\":\"/tmp/tfdata/modules/a\"}]}", i > 0 ? "l.a" : "a");
		fetch_scene_put("m/modules.json", list, strlen(list));
		fetch_scene_run("tar --format=gnu -C m -cf engine/modules .", "");
		assert_int_equal(fetch_scene_modules(NULL, &r, &err), 0);
		assert_int_equal(r.downloads, i < 2);
		fetch_result_free(&r);
	}
}

int main(int argc, char **argv)
{
	fetch_scene_role(argc, argv);
#define SCENE(test) cmocka_unit_test_setup_teardown(test, fetch_scene_open, fetch_scene_close)
	const struct CMUnitTest tests[] = {
		SCENE(modules),
		SCENE(calls_that_the_engine_does_not_see),
	};
	int before = support_open_fds(), failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed + (support_open_fds() != before);
}
