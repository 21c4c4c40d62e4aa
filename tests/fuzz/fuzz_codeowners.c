/* CODEOWNERS: any bytes give sets of owners that are owners and bad lines that exist, within their ceilings; what is written is read back the same. */
#include "base/buf.h"
#include "base/limits.h"
#include "plan/codeowners.h"
#include "tests/fuzz/fuzz.h"

static void check_sets(const struct owners *o)
{
	ASSERT(o->sets_n <= LIMIT_OWNERS_SETS && o->bad_n <= LIMIT_OWNERS_BAD);
	for (size_t i = 0; i < o->sets_n; i++) {
		ASSERT(o->sets[i].owners.n != 0 && o->sets[i].line > 0);
		for (size_t k = 0; k < o->sets[i].owners.n; k++)
			ASSERT(codeowners_kind(o->sets[i].owners.v[k]) != OWNER_BAD);
	}
	for (size_t i = 0; i < o->bad_n; i++)
		ASSERT(o->bad[i].line > 0 && o->bad[i].why[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const some[] = {"a", "a/b.tf", "docs/x/y.md", ".github/CODEOWNERS", "main.tf", "net/prod/main.tf", "a b/c"};
	struct strlist paths = {0};
	struct owners o = {0}, back = {0};
	struct buf json = {0}, again = {0};
	for (size_t i = 0; i < ARRAY_LEN(some); i++)
		strlist_add(&paths, some[i]);
	codeowners_find((const char *)data, size, &paths, &o);
	check_sets(&o);
	owners_write(&o, &json);
	ASSERT(owners_read(buf_str(&json), &back, NULL) == 0);
	owners_write(&back, &again);
	ASSERT(strcmp(buf_str(&json), buf_str(&again)) == 0);
	owners_free(&back);
	owners_free(&o);
	buf_free(&json);
	buf_free(&again);
	strlist_free(&paths);
	return 0;
}
