/* The scanner of *.tf and *.tf.json: any bytes give facts within their ceilings, and a file that could not be read needs its init. */
#include "base/limits.h"
#include "plan/hcl.h"
#include "plan/pathmap.h"
#include "tests/fuzz/fuzz.h"

static void check(bool ok, struct hcl_facts *f)
{
	ASSERT(ok || f->needs_init);
	ASSERT(f->backend == NULL || f->needs_init);
	for (size_t i = 0; i < f->modules.n; i++)
		ASSERT(f->modules.v[i][0] == '.');
	for (size_t i = 0; i < f->paths.n; i++) {
		const char *s = f->paths.v[i];
		ASSERT(s[0] != '\0' && strlen(s) <= LIMIT_PATH_BYTES && strpbrk(s, "\x01\x02") == NULL);
		CLEANUP_FREE char *path = path_resolve("a/b", s);
		ASSERT(path == NULL || (path[0] != '/' && strstr(path, "/../") == NULL && strncmp(path, "../", 3) != 0));
	}
	hcl_facts_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hcl_facts f = {0};
	check(hcl_scan((const char *)data, size, &f), &f);
	check(hcl_scan_json((const char *)data, size, &f), &f);
	hcl_scan_template((const char *)data, size, &f);
	check(true, &f);
	return 0;
}
