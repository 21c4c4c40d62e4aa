/* The dependency lock file: what engines write comes back, what they would not write is refused with its line. */
#include "runner/lock_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char real[] =
	"# This file is maintained automatically by \"terraform init\".\n"
	"# Manual edits may be lost in future updates.\n"
	"\n"
	"provider \"registry.terraform.io/hashicorp/aws\" {\n"
	"  version     = \"5.100.0\"\n"
	"  constraints = \"~> 5.0, != 5.1.0\"\n"
	"  hashes = [\n"
	"    \"h1:Ijt7pOlB7Tr7maGQIqtsLFbl7pSMIj06TVdkoSBcYOw=\",\n"
	"    \"zh:054b8dd49f0549c9a7cc27d159e45327b7b65cf404da5e5a20da154b90b8a644\",\n"
	"  ]\n"
	"}\n"
	"\n"
	"provider \"example.com:8443/a-b/c_d\" {\n"
	"  version = \"1.0.0-rc1+x\"\n"
	"}\n";

static void comes_back(void **state)
{
	(void)state;
	struct lock_file l, again;
	struct err err = {0};
	if (lock_file_read(real, strlen(real), &l, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.v[0].address, "registry.terraform.io/hashicorp/aws");
	assert_string_equal(l.v[0].version, "5.100.0");
	assert_string_equal(l.v[0].constraints, "~> 5.0, != 5.1.0");
	assert_int_equal(l.v[0].hashes.n, 2);
	assert_string_equal(l.v[0].hashes.v[1], "zh:054b8dd49f0549c9a7cc27d159e45327b7b65cf404da5e5a20da154b90b8a644");
	assert_null(l.v[1].constraints);
	assert_int_equal(l.v[1].hashes.n, 0);
	assert_ptr_equal(lock_file_find(&l, "example.com:8443/a-b/c_d"), &l.v[1]);
	assert_null(lock_file_find(&l, "example.com/a-b/c_d"));
	CLEANUP_BUF struct buf out = {0};
	lock_file_write(&l, &out);
	assert_string_equal(buf_str(&out), strchr(real, '\n') + strlen("\n# Manual edits may be lost in future updates.\n\n"));
	assert_int_equal(lock_file_read(out.data, out.len, &again, NULL), 0);
	assert_int_equal(again.n, 2);
	lock_file_free(&again);
	lock_file_free(&l);
}

#define P "provider \"h.example/n/t\" "
static void forms_that_are_taken(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",
		"\n// nothing\n/* at\nall */",
		P "{ version = \"1\" }",
		P "{\n version=\"1\"\n hashes=[]\n}",
		P "{ version = \"1\" hashes = [\"h1:x\", /* c */ \"h1:y\"] } # end",
		P "{ hashes = [ \"h1:x\", ] version = \"1\" }\r\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct lock_file l;
		struct err err = {0};
		if (lock_file_read(texts[i], strlen(texts[i]), &l, &err) != 0)
			fail_msg("%s: %s", texts[i], err.msg);
		lock_file_free(&l);
	}
}

static void refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"terraform {}", "line 1: expected a provider block"},
		{"providers \"a/b/c\" {}", "line 1: expected a provider block"},
		{"\n\nprovider {", "line 3: expected the address of a provider"},
		{"provider \"a\" {}", "line 1: a provider's address is HOST/NAMESPACE/TYPE, in small letters"},
		{"provider \"a/b\" {}", "HOST/NAMESPACE/TYPE"},
		{"provider \"a/b/c/d\" {}", "HOST/NAMESPACE/TYPE"},
		{"provider \"../b/c\" {}", "HOST/NAMESPACE/TYPE"},
		{"provider \"a/../c\" {}", "HOST/NAMESPACE/TYPE"},
		{"provider \"a/b/\" {}", "HOST/NAMESPACE/TYPE"},
		{"provider \"A/b/c\" {}", "in small letters"},
		{"provider \"-a/b/c\" {}", "HOST/NAMESPACE/TYPE"},
		{"provider \"h.example/n/t\" [", "expected {"},
		{P "{ }", "a provider without version"},
		{P "{\n version = \"1\"", "line 2: expected version, constraints, hashes or }"},
		{P "{ version = \"1\" version = \"1\" }", "said twice"},
		{P "{ version = \"../1\" }", "that is no version"},
		{P "{ version = \"1/2\" }", "that is no version"},
		{P "{ version = \"\" }", "that is no version"},
		{P "{ version = 1 }", "expected a string"},
		{P "{ version \"1\" }", "expected ="},
		{P "{ version = \"1\" other = \"x\" }", "expected version, constraints, hashes or }"},
		{P "{ version = \"1\" hashes = \"x\" }", "hashes is a list"},
		{P "{ version = \"1\" hashes = [\"x\" \"y\"] }", "expected , or ] after a hash"},
		{P "{ version = \"1\" hashes = [x] }", "expected a hash or ]"},
		{P "{ version = \"1\" constraints = \"${x}\" }", "a string that an engine would not have written"},
		{P "{ version = \"1\" constraints = \"\\u0041\" }", "a string that an engine would not have written"},
		{P "{ version = \"1\" constraints = \"x\n\" }", "a string that an engine would not have written"},
		{P "{ version = \"1\" constraints = \"x", "a string that an engine would not have written"},
		{P "{ version = \"1\" } \n" P "{ version = \"2\" }", "line 2: a provider that is in it twice"},
		{"/* never closed", "line 1: expected a provider block"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct lock_file l;
		struct err err = {0};
		assert_int_equal(lock_file_read(cases[i].text, strlen(cases[i].text), &l, &err), ERR_PARSE);
		if (strstr(err.msg, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].text, err.msg);
		assert_ptr_equal(strstr(err.msg, ".terraform.lock.hcl: "), err.msg);
	}
}

static void ceilings(void **state)
{
	(void)state;
	struct lock_file l;
	struct err err = {0};
	CLEANUP_BUF struct buf many = {0}, hashes = {0}, large = {0};
	for (int i = 0; i <= LOCK_PROVIDERS_MAX; i++)
		buf_printf(&many, "provider \"h.example/n/t%d\" { version = \"1\" }\n", i);
	assert_int_equal(lock_file_read(many.data, many.len, &l, &err), ERR_LIMIT);
	buf_adds(&hashes, P "{ version = \"1\" hashes = [");
	for (int i = 0; i <= LOCK_HASHES_MAX; i++)
		buf_adds(&hashes, "\"h1:x\",");
	buf_adds(&hashes, "] }");
	assert_int_equal(lock_file_read(hashes.data, hashes.len, &l, &err), ERR_LIMIT);
	for (int i = 0; i < 1100; i++)
		buf_printf(&large, "# %01000d\n", i);
	assert_int_equal(lock_file_read(large.data, large.len, &l, &err), ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back),
		cmocka_unit_test(forms_that_are_taken),
		cmocka_unit_test(refused),
		cmocka_unit_test(ceilings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
