/* Engine errors as sentences. The texts are what terraform 1.11 and OpenTofu print. */
#include "base/mem.h"
#include "runner/engine_error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
	const char *text, *dir, *want; /* want NULL: no error in it */
} sentences[] = {
	{"", ".", NULL},
	{"all is well\n", ".", NULL},
	{"\nWarning: Deprecated\n\n  on main.tf line 1:\n\nold\n", ".", NULL},
	{"\nError: Unsupported argument\n\n  on main.tf line 2, in resource \"terraform_data\" \"a\":\n   2:   inputt = 1\n\n"
	 "An argument named \"inputt\" is not expected here. Did you mean \"input\"?\n",
	 "live/app",
	 "live/app/main.tf:2: Unsupported argument: An argument named \"inputt\" is not expected here. Did you mean \"input\"?"},
	/* framed and coloured, as on a terminal */
	{"\033[31m╷\033[0m\033[0m\n\033[31m│\033[0m \033[0m\033[1m\033[31mError: \033[0m\033[0m"
	 "\033[1mUnsupported argument\033[0m\n\033[31m│\033[0m \n"
	 "\033[31m│\033[0m   on main.tf line 14, in resource \"x\" \"a\":\n\033[31m│\033[0m   14:   inputt = 1\n\033[31m│\033[0m \n"
	 "\033[31m│\033[0m Not expected\n\033[31m│\033[0m here.\n\033[31m╵\033[0m\n",
	 ".", "main.tf:14: Unsupported argument: Not expected here."},
	/* the resource's address before the place, values below the quotation */
	{"Error: Invalid value\n\n  with aws_x.y[\"a\"],\n  on net.tf line 3, in resource \"aws_x\" \"y\":\n   3:   a = var.b\n"
	 "    ├────────────────\n"
	 "    │ var.b is \"c\"\n\nBad.\n",
	 "a", "a/net.tf:3: Invalid value: Bad."},
	/* places outside the project */
	{"Error: E\n\n  on ../modules/m/main.tf line 9:\n   9: x\n\nD\n", "live/app", "live/modules/m/main.tf:9: E: D"},
	{"Error: E\n\n  on ../../../etc/x.tf line 9:\n\nD\n", "live/app", "../../../etc/x.tf:9: E: D"},
	{"Error: E\n\n  on /tmp/tfdata/modules/m/x.tf line 9:\n\nD\n", "live", "/tmp/tfdata/modules/m/x.tf:9: E: D"},
	{"Error: E\n\n  on ./a//b.tf line 9:\n\nD\n", ".", "a/b.tf:9: E: D"},
	{"Error: E\n\n  on my line 7 file.tf line 12, in x:\n\nD\n", ".", "my line 7 file.tf:12: E: D"},
	{"Error: E\n\n  on no place at all\n\nD\n", ".", "E: on no place at all D"},
	/* several */
	{"Error: A\n\none\n\nError: B\n\ntwo\n", ".", "A: one (and 1 more error, see the log)"},
	{"Warning: W\n\nw\n\nError: A\n\none\n\nError: B\n\nError: C\n", ".", "A: one (and 2 more errors, see the log)"},
	{"Error: A\n\none\n\nWarning: W\n\nw\n", ".", "A: one"},
	{"Error: only a title", ".", "only a title"},
	/* ways out of our own */
	{"Error: Saved plan is stale\n\nThe given plan file can no longer be applied.\n", ".",
	 "Saved plan is stale: The given plan file can no longer be applied. (the state changed after this plan was made: plan again)"},
	{"Error: Error acquiring the state lock\n\nLocked.\n", ".",
	 "Error acquiring the state lock: Locked. (another run holds the state lock: wait for it, or unlock the state where it is kept)"},
	{"\342\225\267\n\342\224\202 Error: Error acquiring the state lock\n\342\224\202 \n\342\224\202 Error message: held\n\342\224\202 Lock Info:\n"
	 "\342\224\202   ID:        9db590f1-b6fe-c5f2-2678-8804f089deba\n\342\224\202   Path:      b/net.tfstate\n\342\224\202   Who:       ci@runner-4\n"
	 "\342\224\202   Created:   2026-11-25 05:00:00 UTC\n\342\225\265\n", ".",
	 "Error acquiring the state lock: Error message: held Lock Info: ID:        9db590f1-b6fe-c5f2-2678-8804f089deba Path:      b/net.tfstate "
	 "Who:       ci@runner-4 Created:   2026-11-25 05:00:00 UTC (the state lock 9db590f1-b6fe-c5f2-2678-8804f089deba is held by ci@runner-4 since "
	 "2026-11-25 05:00:00 UTC: wait for it; when that run is gone, somebody with access to the state runs `force-unlock "
	 "9db590f1-b6fe-c5f2-2678-8804f089deba` by hand, which sluice never does)"},
	{"Error: Error acquiring the state lock\n\nLock Info:\n  ID: a`b\n", ".",
	 "Error acquiring the state lock: Lock Info: ID: a`b (the state lock a'b is held by somebody since an unknown time: wait for it; when that run is gone, "
	 "somebody with access to the state runs `force-unlock a'b` by hand, which sluice never does)"},
	{"Error: Failed to query available provider packages\n\nCould not retrieve.\n", ".",
	 "Failed to query available provider packages: Could not retrieve. (this server gives jobs only the providers of its own mirror: "
	 "ask its operator to "
	 "add this one)"},
	/* what a hostile configuration may print */
	{"Error: a\x1b[2Jb\r\x07\n\nx\xe2\x80\xaey\n", ".", "ab: x<U+202E>y"},
};

static void sentences_are_exact(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sentences); i++) {
		CLEANUP_BUF struct buf out = {0};
		bool any = engine_error_sentence(sentences[i].text, strlen(sentences[i].text), sentences[i].dir, &out);
		assert_int_equal(any, sentences[i].want != NULL);
		assert_string_equal(buf_str(&out), sentences[i].want != NULL ? sentences[i].want : "");
	}
}

static void detail_has_a_ceiling(void **state)
{
	(void)state;
	CLEANUP_BUF struct buf text = {0};
	CLEANUP_BUF struct buf out = {0};
	buf_adds(&text, "Error: long\n\n");
	for (int i = 0; i < 3000; i++)
		buf_adds(&text, "äöü ");
	assert_true(engine_error_sentence(text.data, text.len, ".", &out));
	assert_true(out.len > 1150 && out.len < 1300);
	assert_string_equal(out.data + out.len - 3, "...");
	assert_true((out.data[out.len - 4] & 0xc0) != 0xc0); /* not cut inside a character */
}

/* Every prefix of every text: no read beyond the end (the address sanitizer looks). */
static void cut_texts_are_harmless(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sentences); i++) {
		for (size_t n = 0; n <= strlen(sentences[i].text); n++) {
			CLEANUP_BUF struct buf out = {0};
			CLEANUP_FREE char *exact = xmalloc(n + 1);
			memcpy(exact, sentences[i].text, n);
			char *shrunk = xrealloc(exact, n > 0 ? n : 1);
			exact = shrunk;
			bool any = engine_error_sentence(exact, n, ".", &out);
			assert_int_equal(any, out.len > 0 || (any && n > 0));
			(void)engine_error_wants_init(exact, n);
		}
	}
}

static void knows_when_init_is_missing(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool want;
	} cases[] = {
		{"\nError: Required plugins are not installed\n\nx\n", true},
		{"\nError: Module not installed\n\n  on main.tf line 1:\n", true},
		{"\nError: Backend initialization required, please run \"terraform init\"\n", true},
		{"\nError: Inconsistent dependency lock file\n", true},
		{"╷\n│ Error: Module not installed\n╵\n", true},
		{"\nError: Unsupported argument\n\nError: Module not installed\n", true},
		{"\nError: Unsupported argument\n\nModule not installed\n", false},
		{"Warning: Module not installed\n", false},
		{"", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(engine_error_wants_init(cases[i].text, strlen(cases[i].text)), cases[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sentences_are_exact),
		cmocka_unit_test(detail_has_a_ceiling),
		cmocka_unit_test(cut_texts_are_harmless),
		cmocka_unit_test(knows_when_init_is_missing),
	};
	return cmocka_run_group_tests_name("engine_error", tests, NULL, NULL);
}
