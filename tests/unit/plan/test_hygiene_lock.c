/* The dependency lock file of a change, against that of the base branch and the operator's rules. */
#include "plan/hygiene.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define LOCK "# This file is maintained automatically by \"terraform init\".\n\n"
#define ENTRY(source, version, hashes) \
	"provider \"" source "\" {\n  version     = \"" version "\"\n  constraints = \"~> 5.0\"\n  hashes = [\n" hashes "  ]\n}\n\n"
#define H1 "    \"h1:aaaaaaaaaaaa=\",\n"
#define H2 "    \"h1:bbbbbbbbbbbb=\",\n"
#define AWS "registry.terraform.io/hashicorp/aws"
#define EVIL "registry.terraform.io/evil/aws"

static struct dep_lock read_lock(const char *text)
{
	struct dep_lock l = {0};
	if (text != NULL)
		dep_lock_read(text, strlen(text), &l);
	return l;
}

static void reading(void **state)
{
	static const struct {
		const char *text;
		bool readable;
		size_t n;
	} rows[] = {
		{LOCK, true, 0},
		{LOCK ENTRY(AWS, "5.99.0", H1 H2), true, 1},
		{ENTRY(AWS, "5.99.0", H1) ENTRY(EVIL, "1.0.0", ""), true, 2},
		{"provider \"" AWS "\" {\n  version = \"1.0.0\"\n}\n", true, 1},
		{ENTRY(AWS, "5.99.0", H1) ENTRY(AWS, "5.99.0", H1), false, 1}, /* twice */
		{ENTRY("hashicorp/aws", "5.99.0", H1), false, 1},              /* not in full */
		{ENTRY("registry.terraform.io/Hashicorp/aws", "5.99.0", H1), false, 1},
		{ENTRY(AWS, "latest", H1), false, 1},
		{ENTRY(AWS, "5.99.0", "    var.x,\n"), false, 1},
		{"provider \"" AWS "\" {\n  version = var.x\n}\n", false, 1},
		{"resource \"a\" \"b\" {}\n", false, 0},
		{"provider {\n", false, 0},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dep_lock l = read_lock(rows[i].text);
		if (l.readable != rows[i].readable || l.n != (l.readable ? rows[i].n : 0))
			fail_msg("%s: %d %zu", rows[i].text, l.readable, l.n);
		dep_lock_free(&l);
	}
	struct dep_lock l = read_lock(LOCK ENTRY(AWS, "5.99.0", H2 H1));
	assert_string_equal(l.v[0].source, AWS);
	assert_string_equal(l.v[0].version, "5.99.0");
	assert_int_equal(l.v[0].line, 3);
	assert_int_equal(l.v[0].hashes.n, 2);
	assert_string_equal(l.v[0].hashes.v[0], "h1:aaaaaaaaaaaa=");
	dep_lock_free(&l);
}

static void changes(void **state)
{
	static const char base[] = LOCK ENTRY(AWS, "5.99.0", H1);
	static const struct {
		const char *base, *head, *rules;
		const char *refused; /* part of the sentence; NULL: accepted */
		const char *told;    /* what is told then; NULL: nothing */
	} rows[] = {
		{base, base, NULL, NULL, NULL},
		/* another version */
		{base, ENTRY(AWS, "5.100.0", H2), NULL, "d/l:1 updates the provider `hashicorp/aws` 5.99.0 -> 5.100.0, and `providers.allow`", NULL},
		{base, ENTRY(AWS, "5.100.0", H2), "hashicorp/aws", NULL, "updates the provider `hashicorp/aws` 5.99.0 -> 5.100.0"},
		{base, ENTRY(AWS, "5.100.0", H2), "hashicorp/* >= 5.99, < 6", NULL, "updates the provider `hashicorp/aws` 5.99.0 -> 5.100.0"},
		{base, ENTRY(AWS, "5.100.0", H2), "hashicorp/aws < 5.100", "operator adds `hashicorp/aws = 5.100.0`", NULL},
		{base, ENTRY(AWS, "5.100.0", H2), "hashicorp/aws = 5.100.0 h1:aaaaaaaaaaaa=", "updates the provider", NULL},
		{base, ENTRY(AWS, "5.100.0", H2), "hashicorp/aws = 5.100.0 h1:bbbbbbbbbbbb=", NULL, "updates the provider `hashicorp/aws` 5.99.0 -> 5.100.0"},
		{base, ENTRY(AWS, "5.1.0", H2), "hashicorp/aws", NULL, "takes back the provider `hashicorp/aws` 5.99.0 -> 5.1.0"},
		{base, ENTRY(AWS, "5.100.0", H2), "hashicorp/random", "updates the provider", NULL},
		/* another package under the same version */
		{base, ENTRY(AWS, "5.99.0", H2), "hashicorp/aws", "takes away hashes of the provider `hashicorp/aws` 5.99.0, and no rule", NULL},
		{base, ENTRY(AWS, "5.99.0", H2), NULL, "takes away hashes", NULL},
		{base, ENTRY(AWS, "5.99.0", ""), "hashicorp/aws", "takes away hashes", NULL},
		{base, ENTRY(AWS, "5.99.0", H2), "hashicorp/aws h1:bbbbbbbbbbbb=", NULL, "takes away hashes of the provider `hashicorp/aws` 5.99.0"},
		{base, ENTRY(AWS, "5.99.0", H1 H2), "hashicorp/aws", NULL, "adds hashes of the provider `hashicorp/aws` 5.99.0"},
		{base, ENTRY(AWS, "5.99.0", H1 H2), NULL, "adds hashes", NULL},
		/* a new one */
		{base, ENTRY(AWS, "5.99.0", H1) ENTRY(EVIL, "1.0.0", H2), "hashicorp/*", "adds the provider `evil/aws` 1.0.0", NULL},
		{base, ENTRY(AWS, "5.99.0", H1) ENTRY(EVIL, "1.0.0", H2), "hashicorp/*\nevil/aws", NULL, "adds the provider `evil/aws` 1.0.0"},
		/* gone */
		{base, LOCK, NULL, "d/l removes the provider `hashicorp/aws` 5.99.0", NULL},
		{base, LOCK, "hashicorp/aws", NULL, "removes the provider `hashicorp/aws` 5.99.0"},
		{base, NULL, NULL, "d/l is removed, and with it the provider `hashicorp/aws` 5.99.0", NULL},
		{base, NULL, "hashicorp/aws >= 6", "is removed", NULL},
		{base, NULL, "hashicorp/aws", NULL, "is removed, and with it the provider `hashicorp/aws` 5.99.0"},
		/* no lock file */
		{base, "provider {", "hashicorp/*", "no dependency lock file", NULL},
		{"provider {", base, "hashicorp/*", NULL, "adds the provider `hashicorp/aws` 5.99.0"},
		{"provider \"" AWS "\" {\n}\n", base, NULL, "adds the provider", NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dep_lock was = read_lock(rows[i].base), is = read_lock(rows[i].head);
		struct told_list told = {0};
		CLEANUP_FREE char *why = hygiene_lock_changed(&was, &is, "d/l", rows[i].rules, &told);
		if ((why == NULL) != (rows[i].refused == NULL) || (why != NULL && strstr(why, rows[i].refused) == NULL))
			fail_msg("%zu: %s", i, why != NULL ? why : "accepted");
		if (why == NULL && (told.n != (rows[i].told != NULL) || (told.n == 1 && strcmp(told.v[0].text, rows[i].told) != 0)))
			fail_msg("%zu: told %zu %s", i, told.n, told.n > 0 ? told.v[0].text : "");
		told_free(&told);
		dep_lock_free(&was);
		dep_lock_free(&is);
	}
}

static void in_force(void **state)
{
	static const struct {
		const char *text, *rules, *refused;
	} rows[] = {
		{NULL, "hashicorp/*", NULL},
		{ENTRY(EVIL, "1.0.0", H1), NULL, NULL},
		{ENTRY(AWS, "5.99.0", H1), "hashicorp/*", NULL},
		{ENTRY(AWS, "5.99.0", H1) ENTRY(EVIL, "1.0.0", H1), "hashicorp/*", "d/l:9: the provider `registry.terraform.io/evil/aws` is not allowed"},
		{ENTRY(AWS, "5.99.0", H1), "hashicorp/* >= 6", "d/l:1: version 5.99.0 of the provider `hashicorp/aws` is not allowed"},
		{ENTRY(AWS, "5.99.0", H1), "hashicorp/* h1:bbbbbbbbbbbb=", "d/l:1: none of the hashes of the provider `hashicorp/aws` 5.99.0"},
		{"x", "hashicorp/*", "no dependency lock file"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dep_lock l = read_lock(rows[i].text);
		CLEANUP_FREE char *why = hygiene_lock_allowed(&l, "d/l", rows[i].rules);
		if ((why == NULL) != (rows[i].refused == NULL) || (why != NULL && strstr(why, rows[i].refused) == NULL))
			fail_msg("%zu: %s", i, why != NULL ? why : "allowed");
		dep_lock_free(&l);
	}
}

static void pins(void **state)
{
	static const char *const registries[] = {"registry.terraform.io"};
	static const char text[] = "terraform {\n required_providers {\n  aws = {\n   source = \"hashicorp/aws\"\n  }\n }\n}\n";
	static const struct {
		const char *lock, *rules;
		bool refused;
	} rows[] = {
		{NULL, NULL, false},
		{NULL, "hashicorp/aws", false},
		{NULL, "hashicorp/aws h1:aaaaaaaaaaaa=", true},
		{NULL, "hashicorp/aws h1:aaaaaaaaaaaa=\nhashicorp/*", false},
		{ENTRY(AWS, "5.99.0", H1), "hashicorp/aws h1:aaaaaaaaaaaa=", false},
		{ENTRY(EVIL, "5.99.0", H1), "hashicorp/aws h1:aaaaaaaaaaaa=", true},
	};
	struct tf_dir d = {0};
	struct provider_needs needs = {0};
	(void)state;
	tf_dir_add(&d, "d/main.tf", text, strlen(text));
	provider_needs_read(&d, &needs);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dep_lock l = read_lock(rows[i].lock);
		CLEANUP_FREE char *why = hygiene_lock_pins(&l, "d/l", &needs, registries, 1, rows[i].rules);
		if ((why != NULL) != rows[i].refused || (why != NULL && strstr(why, "d/main.tf:3: the provider `hashicorp/aws`") == NULL))
			fail_msg("%zu: %s", i, why != NULL ? why : "allowed");
		dep_lock_free(&l);
	}
	provider_needs_free(&needs);
	tf_dir_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(reading), cmocka_unit_test(changes), cmocka_unit_test(in_force), cmocka_unit_test(pins)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
