/* Edit scripts: the shortest ones, and that they are true. */
#include "base/text.h"
#include "plan/diff_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static char *script(const char *a, const char *b)
{
	struct spans x, y;
	struct edits e;
	struct buf out = {0};
	spans_split(a, strlen(a), &x);
	spans_split(b, strlen(b), &y);
	edits_make(&x, &y, &e);
	for (size_t i = 0; i < e.n; i++) {
		const struct span *s = e.v[i].kind == EDIT_ADD ? &y.v[e.v[i].b] : &x.v[e.v[i].a];
		buf_addc(&out, e.v[i].kind == EDIT_KEEP ? ' ' : e.v[i].kind == EDIT_ADD ? '+' : '-');
		buf_add(&out, s->p, s->n);
	}
	edits_free(&e);
	spans_free(&x);
	spans_free(&y);
	return buf_take(&out);
}

static void edit_scripts(void **state)
{
	static const struct {
		const char *a, *b, *want;
	} cases[] = {
		{"", "", ""},
		{"", "a", "+a"},
		{"a", "", "-a"},
		{"a\nb\nc", "a\nb\nc", " a b c"},
		{"a\nb\nc", "a\nx\nc", " a-b+x c"},
		{"a\nb", "b\na", "-a b+a"},
		{"a\nb\nc\na\nb\nb\na", "c\nb\na\nb\na\nc", "-a-b c+b a b-b a+c"},
		{"a\na\na", "a\na", " a a-a"},
		{"a\na", "a\na\na", " a a+a"},
		{"a\nb\nc\nd", "w\nx\ny\nz", "-a-b-c-d+w+x+y+z"},
		{"a\n", "a\n\n", " a+"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_FREE char *got = script(cases[i].a, cases[i].b);
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s to %s: <%s>, wanted <%s>", cases[i].a, cases[i].b, got, cases[i].want);
	}
}

/* Whatever the lists, applying the script to the old one gives the new one. */
static void edit_scripts_are_true(void **state)
{
	unsigned seed = 1;
	(void)state;
	for (int round = 0; round < 3000; round++) {
		char a[64] = "", b[64] = "";
		size_t n[2];
		char *both[2] = {a, b};
		for (int s = 0; s < 2; s++) {
			seed = seed * 1103515245u + 12345u;
			n[s] = (seed >> 16) % 12;
			for (size_t i = 0; i < n[s]; i++) {
				seed = seed * 1103515245u + 12345u;
				both[s][2 * i] = (char)('a' + (seed >> 16) % 4);
				both[s][2 * i + 1] = '\n';
				both[s][2 * i + 2] = '\0';
			}
		}
		CLEANUP_FREE char *got = script(a, b);
		char old[64] = "", new[64] = "";
		size_t no = 0, nn = 0;
		for (size_t i = 0; got[i] != '\0'; i += 2) {
			assert_false(got[i] == '-' && i > 0 && got[i - 2] == '+'); /* old before new */
			if (got[i] != '+') {
				old[no++] = got[i + 1];
				old[no++] = '\n';
			}
			if (got[i] != '-') {
				new[nn++] = got[i + 1];
				new[nn++] = '\n';
			}
		}
		assert_string_equal(old, a);
		assert_string_equal(new, b);
	}
}

static void very_different_texts(void **state)
{
	struct buf a = {0}, b = {0};
	(void)state;
	for (int i = 0; i < 3000; i++) {
		buf_printf(&a, "a%d\n", i);
		buf_printf(&b, "b%d\n", i);
	}
	CLEANUP_FREE char *got = script(buf_str(&a), buf_str(&b));
	assert_true(text_starts(got, "-a0-a1-a2"));
	assert_true(text_ends(got, "+b2998+b2999"));
	buf_free(&a);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edit_scripts),
		cmocka_unit_test(edit_scripts_are_true),
		cmocka_unit_test(very_different_texts),
	};
	return cmocka_run_group_tests_name("diff_lines", tests, NULL, NULL);
}
