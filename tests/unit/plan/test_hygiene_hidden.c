/* .gitattributes that take changed files out of a reviewer's sight. */
#include "plan/hygiene.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void attributes(void **state)
{
	static const struct {
		const char *dir, *text, *want; /* "FILE:LINE TEXT", the first; NULL: none */
	} rows[] = {
		{".", "", NULL},
		{".", "*.tf text eol=lf\n", NULL},
		{".", "*.tf -diff\n", ".gitattributes:1 shows no diff of `net/main.tf`"},
		{".", "# x\n\n*.tf\tlinguist-generated=true\r\n", ".gitattributes:3 folds the diff away of `net/main.tf`"},
		{".", "*.tf linguist-generated=false\n", NULL},
		{".", "*.tf text export-ignore", ".gitattributes:1 leaves out of archives `net/main.tf`"},
		{".", "net/** linguist-vendored\n", ".gitattributes:1 takes as foreign code `net/main.tf`"},
		{".", "/net/main.tf binary\n", ".gitattributes:1 shows no diff of `net/main.tf`"},
		{".", "other/** -diff\n", NULL},
		{".", "#*.tf -diff\n", NULL},
		{".", "[ -diff\n*.tf -diff\n", ".gitattributes:2 shows no diff of `net/main.tf`"},
		{"net", "main.tf -diff\n", "net/.gitattributes:1 shows no diff of `net/main.tf`"},
		{"net", "/main.tf -diff\n", "net/.gitattributes:1 shows no diff of `net/main.tf`"},
		{"net/main.tf", "** -diff\n/x -diff\n", NULL},
		{"other", "* -diff\n", NULL},
	};
	struct strlist changed = {0};
	(void)state;
	strlist_add(&changed, "net/main.tf");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct told_list l = {0};
		hygiene_hidden(rows[i].dir, rows[i].text, strlen(rows[i].text), &changed, &l);
		CLEANUP_FREE char *got = l.n > 0 ? xasprintf("%s:%d %s", l.v[0].file, l.v[0].line, l.v[0].text) : NULL;
		if ((got == NULL) != (rows[i].want == NULL) || (got != NULL && strcmp(got, rows[i].want) != 0))
			fail_msg("%zu: %s", i, got != NULL ? got : "nothing");
		told_free(&l);
	}
	strlist_free(&changed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(attributes)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
