/* The sentence of a fetch that failed. The boxes themselves: tests/system/fetch.sh. */
#include "runner/fetch_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void sentences(void **state)
{
	(void)state;
	static const struct {
		const char *text, *refusals, *says;
	} cases[] = {
		{"", NULL, "it said nothing"},
		{"a\nbsdtar: Error opening archive\n\n", "", "bsdtar: Error opening archive"},
		{"fatal: unable to access it: 403\n", "a.example:443 was refused\nb.example:443 was refused\n", "fatal: unable to access it: 403 (a.example:443 was refused)"},
		{"\033[31mred\033[0m\x07", NULL, "red"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = {0};
		fetch_why(cases[i].text, strlen(cases[i].text), "p", cases[i].refusals, &out);
		assert_string_equal(buf_str(&out), cases[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(sentences)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
