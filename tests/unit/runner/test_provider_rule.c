/* Which providers may run: what a rule is, what it names, what it allows. */
#include "runner/provider_rule.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void rules_that_parse(void **state)
{
	static const struct {
		const char *rule, *wrong; /* NULL: it parses */
	} rows[] = {
		{"registry.terraform.io/hashicorp/*", NULL},
		{"hashicorp/aws", NULL},
		{"*/*/*", NULL},
		{"  hashicorp/aws\t>= 5.0 , < 6  h1:abcdefgh= zh:0123456789abcdef  ", NULL},
		{"localhost:8443/a/b = 1.0.0-beta.1+build", NULL},
		{"hashicorp/aws ~>5", NULL},
		{"hashicorp/aws 5.1", NULL},
		{"aws", "begins with HOST"},
		{"", "begins with HOST"},
		{"a/b/c/d", "begins with HOST"},
		{"registry.terraform.io/hash*/aws", "begins with HOST"},
		{"registry.terraform.io//aws", "begins with HOST"},
		{"hashicorp/aws\"]", "begins with HOST"},
		{"hashicorp/aws => 5", "a constraint is"},
		{"hashicorp/aws >= 5,", "a constraint is"},
		{"hashicorp/aws >= 5.1.2.3", "a constraint is"},
		{"hashicorp/aws >= 99999999999", "a constraint is"},
		{"hashicorp/aws latest", "a constraint is"},
		{"hashicorp/aws >= 5 h1:", "a hash is"},
		{"hashicorp/aws h1:not*one12", "a hash is"},
		{"hashicorp/aws h1:abcdefgh >= 5", "a constraint is"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = {0};
		int rc = provider_rule_check(rows[i].rule, &err);
		if ((rc == 0) != (rows[i].wrong == NULL) || (rc != 0 && strstr(err.msg, rows[i].wrong) == NULL))
			fail_msg("%s: %d %s", rows[i].rule, rc, err.msg);
	}
}

static void sources(void **state)
{
	static const struct {
		const char *rule, *want;
	} rows[] = {
		{"registry.terraform.io/hashicorp/* >= 5", "registry.terraform.io/hashicorp/*"},
		{"Hashicorp/aws", "registry.terraform.io/Hashicorp/aws\nregistry.opentofu.org/Hashicorp/aws"},
		{"hashicorp/aws latest", NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct strlist l = {0};
		provider_rule_sources(rows[i].rule, strlen(rows[i].rule), &l);
		CLEANUP_FREE char *got = text_join_lines(&l);
		strlist_free(&l);
		if ((got == NULL) != (rows[i].want == NULL) || (got != NULL && strcmp(got, rows[i].want) != 0))
			fail_msg("%s: %s", rows[i].rule, got != NULL ? got : "none");
	}
}

static void full_sources(void **state)
{
	static const struct {
		const char *source, *want;
	} rows[] = {
		{"aws", "reg.example/hashicorp/aws"},     {"Acme/AWS", "reg.example/acme/aws"}, {"a.example:8443/x/y", "a.example:8443/x/y"},
		{"terraform.io/builtin/terraform", "terraform.io/builtin/terraform"}, {"a/b/c/d", NULL}, {"../x", NULL}, {"a/*", NULL}, {"", NULL},
		{"a b/c", NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *got = provider_source_full(rows[i].source, "reg.example");
		if ((got == NULL) != (rows[i].want == NULL) || (got != NULL && strcmp(got, rows[i].want) != 0))
			fail_msg("%s: %s", rows[i].source, got != NULL ? got : "none");
	}
	assert_true(provider_is_builtin("terraform.io/builtin/terraform"));
	assert_false(provider_is_builtin("registry.terraform.io/builtin/terraform"));
}

#define AWS "registry.terraform.io/hashicorp/aws"
static void versions(void **state)
{
	static const struct {
		const char *constraint, *version;
		bool fits;
	} rows[] = {
		{"", "1.0.0", true},           {"5.99.0", "5.99.0", true},      {"= 5.99", "5.99.0", true},       {"5.99.0", "5.99.1", false},
		{"!= 5.99.0", "5.99.1", true}, {"!= 5.99.0", "5.99.0", false},  {"> 5.9", "5.10.0", true},        {"> 5.10", "5.9.9", false},
		{">= 5", "5.0.0", true},       {">= 5", "4.99.99", false},      {"< 6", "5.99.0", true},          {"< 6", "6.0.0", false},
		{"<= 6", "6.0.0", true},       {"<= 6.0.0", "6.0.1", false},    {"~> 5.99.1", "5.99.9", true},    {"~> 5.99.1", "5.100.0", false},
		{"~> 5.99", "5.100.0", true},  {"~> 5.99", "6.0.0", false},     {"~> 5.99", "5.98.9", false},     {"~> 5", "5.0.1", true},
		{"~> 5", "6.0.0", false},      {">= 5, < 6", "5.5.5", true},    {">= 5, < 6", "6.0.0", false},    {">= 5", "5.1.0-beta1", false},
		{"< 6", "6.0.0-beta1", false}, {"= 6.0.0-beta1", "6.0.0-beta1", true}, {"~> 6.0", "6.1.0-rc.1", false}, {"!= 6", "6.0.0-beta1", true},
		{">= 5", "not a version", false},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *rule = xasprintf("hashicorp/aws %s", rows[i].constraint);
		enum provider_verdict v = provider_rules_verdict(rule, AWS, rows[i].version, NULL);
		if (v != (rows[i].fits ? PROVIDER_ALLOWED : PROVIDER_VERSION))
			fail_msg("%s with %s: %d", rows[i].constraint, rows[i].version, v);
	}
}

static void order(void **state)
{
	/* as semver.org orders them, each before the next */
	static const char *const rising[] = {"none", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
					     "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rising); i++)
		for (size_t k = 0; k < ARRAY_LEN(rising); k++) {
			int c = provider_version_compare(rising[i], rising[k]);
			if ((c < 0) != (i < k) || (c > 0) != (i > k))
				fail_msg("%s and %s: %d", rising[i], rising[k], c);
		}
	assert_int_equal(provider_version_compare("1.0", "1.0.0+build"), 0);
}

static void verdicts(void **state)
{
	static const char rules[] = "registry.terraform.io/hashicorp/* >= 5\nacme/dns h1:aaaaaaaa\n\nbroken\nother.example/*/* < 2\nother.example/x/y";
	static const struct {
		const char *source, *version, *hash;
		enum provider_verdict want;
	} rows[] = {
		{"registry.terraform.io/hashicorp/random", "5.0.0", NULL, PROVIDER_ALLOWED},
		{"registry.terraform.io/HashiCorp/random", "5.0.0", NULL, PROVIDER_ALLOWED},
		{"registry.terraform.io/hashicorp/random", NULL, NULL, PROVIDER_ALLOWED},
		{"registry.terraform.io/hashicorp/random", "4.0.0", NULL, PROVIDER_VERSION},
		{"registry.opentofu.org/hashicorp/random", "5.0.0", NULL, PROVIDER_NOT_NAMED},
		{"registry.terraform.io/hashlcorp/aws", "5.0.0", NULL, PROVIDER_NOT_NAMED},
		{"registry.opentofu.org/acme/dns", "1.0.0", "h1:aaaaaaaa", PROVIDER_ALLOWED},
		{"registry.terraform.io/acme/dns", "1.0.0", "h1:aaaaaaaa", PROVIDER_ALLOWED},
		{"registry.terraform.io/acme/dns", "1.0.0", "h1:aaaaaaab", PROVIDER_HASH},
		{"evil.example/acme/dns", "1.0.0", "h1:aaaaaaaa", PROVIDER_NOT_NAMED},
		{"other.example/x/y", "3.0.0", NULL, PROVIDER_ALLOWED}, /* a later rule */
		{"other.example/x/z", "3.0.0", NULL, PROVIDER_VERSION},
		{"terraform.io/builtin/terraform", NULL, NULL, PROVIDER_ALLOWED},
		{"hashicorp/aws", "5.0.0", NULL, PROVIDER_NOT_NAMED}, /* not in full */
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct strlist hashes = {0};
		if (rows[i].hash != NULL)
			strlist_add(&hashes, rows[i].hash);
		enum provider_verdict v = provider_rules_verdict(rules, rows[i].source, rows[i].version, rows[i].hash != NULL ? &hashes : NULL);
		strlist_free(&hashes);
		if (v != rows[i].want)
			fail_msg("%s %s: %d", rows[i].source, rows[i].version != NULL ? rows[i].version : "-", v);
	}
	assert_int_equal(provider_rules_verdict(NULL, "evil.example/a/b", "1.0.0", NULL), PROVIDER_ALLOWED);
	assert_int_equal(provider_rules_verdict("", AWS, "1.0.0", NULL), PROVIDER_NOT_NAMED);
	struct strlist hashes = {0};
	strlist_add(&hashes, "h1:aaaaaaaa");
	assert_int_equal(provider_rules_verdict_pinned(rules, "registry.terraform.io/acme/dns", "1.0.0", &hashes), PROVIDER_ALLOWED);
	assert_int_equal(provider_rules_verdict_pinned(rules, "registry.terraform.io/hashicorp/random", "5.0.0", &hashes), PROVIDER_NOT_NAMED);
	assert_int_equal(provider_rules_verdict_pinned(NULL, AWS, "5.0.0", &hashes), PROVIDER_NOT_NAMED);
	strlist_free(&hashes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_that_parse), cmocka_unit_test(sources), cmocka_unit_test(full_sources),
		cmocka_unit_test(versions),         cmocka_unit_test(order),   cmocka_unit_test(verdicts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
