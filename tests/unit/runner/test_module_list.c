/* modules.json: what an engine wrote in the box that fetched, as the boxes of jobs get it; and lists that reach for something else. */
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "runner/module_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define AT "/tmp/tfdata/modules"

static bool has(const char *path, void *arg)
{
	(void)arg;
	return strcmp(path, "net") == 0 || text_starts(path, "net/") || text_starts(path, "g/");
}

static int rewrite(const char *json, const char *dir, struct buf *out, size_t *ret_n, struct err *err)
{
	buf_reset(out);
	*err = (struct err){0};
	return module_list_rewrite(json, strlen(json), AT, dir, has, NULL, out, ret_n, err);
}

static void real_list(void **state)
{
	(void)state;
	/* by terraform 1.11.4 */
	static const char text[] =
		"{\"Modules\":[{\"Key\":\"\",\"Source\":\"\",\"Dir\":\".\"},{\"Key\":\"l\",\"Source\":\"../local\",\"Dir\":\"../local\"},"
		"{\"Key\":\"g\",\"Source\":\"git::https://git.example.com/r.git//mods?ref=v1.0.0\",\"Dir\":\"" AT "/g/mods\"},"
		"{\"Key\":\"net\",\"Source\":\"registry.terraform.io/acme/net/null\",\"Version\":\"2.0.1\",\"Dir\":\"" AT "/net\"},"
		"{\"Key\":\"net.inner\",\"Source\":\"./sub\",\"Dir\":\"" AT "/net/sub\"}]}";
	struct err err;
	size_t n = 0;
	CLEANUP_BUF struct buf out = {0};
	if (rewrite(text, "live", &out, &n, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(n, 3);
	assert_string_equal(buf_str(&out),
			    "{\"Modules\":[{\"Key\":\"\",\"Source\":\"\",\"Dir\":\".\"},"
			    "{\"Key\":\"g\",\"Source\":\"git::https://git.example.com/r.git//mods?ref=v1.0.0\",\"Dir\":\"/modules/g/mods\"},"
			    "{\"Key\":\"l\",\"Source\":\"../local\",\"Dir\":\"../local\"},"
			    "{\"Key\":\"net\",\"Source\":\"registry.terraform.io/acme/net/null\",\"Version\":\"2.0.1\",\"Dir\":\"/modules/net\"},"
			    "{\"Key\":\"net.inner\",\"Source\":\"./sub\",\"Dir\":\"/modules/net/sub\"}]}");
	assert_int_equal(rewrite("{\"Modules\":[]}", ".", &out, &n, &err), 0);
	assert_int_equal(n, 0);
}

static void directories(void **state)
{
	(void)state;
	static const struct {
		const char *from, *dir;
		bool taken;
	} cases[] = {
		{".", ".", true},
		{".", "modules/a", true},
		{"a/b", "../../c", true},
		{"a/b", "../../../c", false},
		{".", "../c", false},
		{"a", "x/../../c", true},
		{"a", "x/../../../c", false},
		{".", "/etc", false},
		{".", "/work/a", false},
		{".", "", false},
		{".", ".terraform/modules/x", false},
		{"a", "../b/.terraform/x", false},
		{".", AT "/net", true},
		{".", AT "/g/x", true},
		{".", AT, false},
		{".", AT "/", false},
		{".", AT "/absent", false},
		{".", AT "/net/../../x", false},
		{".", AT "/net//sub", false},
		{".", AT "/./net", false},
		{".", AT "x/net", false},
		{".", "a\nb", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err;
		size_t n;
		CLEANUP_BUF struct buf out = {0}, text = {0};
		for (const char *c = cases[i].dir; *c != '\0'; c++)
			buf_printf(&text, *c == '\n' ? "\\n" : "%c", *c);
		CLEANUP_FREE char *json = xasprintf("{\"Modules\":[{\"Key\":\"m\",\"Source\":\"s\",\"Dir\":\"%s\"}]}", buf_str(&text));
		if (rewrite(json, cases[i].from, &out, &n, &err) != (cases[i].taken ? 0 : ERR_REFUSED))
			fail_msg("%s from %s: %s", cases[i].dir, cases[i].from, err.msg);
		assert_true(cases[i].taken || out.len == 0);
	}
}

static void what_is_no_list(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		int code;
	} cases[] = {
		{"", ERR_PARSE},
		{"[]", ERR_PARSE},
		{"{}", ERR_PARSE},
		{"{\"Modules\":{}}", ERR_PARSE},
		{"{\"Modules\":[1]}", ERR_PARSE},
		{"{\"Modules\":[{\"Key\":\"a\",\"Source\":\"\"}]}", ERR_PARSE},
		{"{\"Modules\":[{\"Key\":1,\"Source\":\"\",\"Dir\":\".\"}]}", ERR_PARSE},
		{"{\"Modules\":[{\"Key\":\"a\",\"Source\":\"\",\"Dir\":\".\"},{\"Key\":\"a\",\"Source\":\"\",\"Dir\":\"x\"}]}", ERR_REFUSED},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err;
		size_t n;
		CLEANUP_BUF struct buf out = {0};
		if (rewrite(cases[i].json, ".", &out, &n, &err) != cases[i].code)
			fail_msg("%s: %s", cases[i].json, err.msg);
		assert_ptr_equal(strstr(err.msg, "modules.json: "), err.msg);
	}
	CLEANUP_BUF struct buf many = {0}, out = {0};
	struct err err;
	size_t n;
	buf_adds(&many, "{\"Modules\":[");
	for (unsigned i = 0; i <= LIMIT_MODULES; i++)
		buf_printf(&many, "%s{\"Key\":\"%u\",\"Source\":\"\",\"Dir\":\".\"}", i > 0 ? "," : "", i);
	buf_adds(&many, "]}");
	assert_int_equal(rewrite(buf_str(&many), ".", &out, &n, &err), ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_list),
		cmocka_unit_test(directories),
		cmocka_unit_test(what_is_no_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
