/* modules.json and the look for module calls: any bytes; what is written names only fetched directories and plain paths of the tree. */
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "runner/module_calls.h"
#include "runner/module_list.h"
#include "tests/fuzz/fuzz.h"

static bool has(const char *path, void *arg)
{
	(void)arg;
	return path[0] != 'x';
}

static void check(const struct buf *out)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	ASSERT(json_parse(out->data, out->len, NULL, &doc, &root, NULL) == 0);
	struct json list = json_member(&root, "Modules");
	for (struct json e = json_first(&list); json_ok(&e); e = json_next(&e)) {
		struct json at = json_member(&e, "Dir");
		const char *dir = json_text(&at);
		ASSERT(dir != NULL && dir[0] != '\0');
		CLEANUP_FREE char *framed = xasprintf("%s/", dir);
		ASSERT(dir[0] != '/' || (text_starts(dir, BOX_MODULES "/") && strstr(framed, "/../") == NULL && strstr(framed, "/./") == NULL));
		ASSERT(!text_starts(dir, "../../"));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_BUF struct buf out = {0};
	size_t n;
	if (module_list_rewrite((const char *)data, size, "/tmp/tfdata/modules", "a", has, NULL, &out, &n, NULL) == 0)
		check(&out);
	struct module_calls calls = {0};
	module_calls_scan("a/b", (const char *)data, size, false, &calls);
	for (size_t i = 0; i < calls.dirs.n; i++)
		ASSERT(calls.dirs.v[i][0] != '/' && strstr(calls.dirs.v[i], "..") != calls.dirs.v[i]);
	ASSERT(calls.remote <= calls.all.n);
	module_calls_free(&calls);
	module_calls_scan("a/b", (const char *)data, size, true, &calls);
	module_calls_free(&calls);
	return 0;
}
