/* Which providers the files of a module ask for, and which of them may run. */
#include "plan/hygiene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char *const terraform[] = {"registry.terraform.io"};
static const char *const either[] = {"registry.terraform.io", "registry.opentofu.org"};

#define REQUIRED(entries) "terraform {\n  required_providers {\n" entries "  }\n}\n"

static void rows_of_files(void **state)
{
	static const struct {
		const char *name, *text;
		const char *refused; /* part of the sentence; NULL: allowed */
	} rows[] = {
		{"a.tf", "", NULL},
		{"a.tf", "resource \"aws_x\" \"y\" {}", NULL},
		{"a.tf", "resource \"terraform_data\" \"y\" {}", NULL},
		{"a.tf", "data \"terraform_remote_state\" \"y\" {}", NULL},
		{"a.tf", REQUIRED("    aws = {\n      source = \"hashicorp/aws\"\n    }\n"), NULL},
		{"a.tf", REQUIRED("    aws = { source = \"hashlcorp/aws\" }\n"), "d/a.tf:3: the provider `registry.terraform.io/hashlcorp/aws` is not allowed"},
		{"a.tf", REQUIRED("    aws = { \"source\" : \"evil/aws\" }\n"), "evil/aws"},
		{"a.tf", REQUIRED("    aws = { source = \"evil.example/hashicorp/aws\" }\n"), "evil.example/hashicorp/aws"},
		{"a.tf", REQUIRED("    aws = { source = \"hashicorp/aws\", source = \"evil/aws\" }\n"), "evil/aws"},
		{"a.tf", REQUIRED("    aws = { source = \"evil/\\u0061ws\" }\n"), "evil/aws"},
		{"a.tf", REQUIRED("    aws = { source = \"${\"evil\"}/aws\" }\n"), "d/a.tf:3: the source of the provider `aws` is computed"},
		{"a.tf", REQUIRED("    aws = { (\"source\") = \"evil/aws\" }\n"), "is computed"},
		{"a.tf", REQUIRED("    aws = { source = true ? \"evil/aws\" : \"hashicorp/aws\" }\n"), "is computed"},
		{"a.tf", REQUIRED("    aws = merge({ source = \"evil/aws\" })\n"), "is computed"},
		{"a.tf", REQUIRED("    aws = \"~> 5.0\"\n"), NULL},
		{"a.tf", REQUIRED("    aws = { version = \"~> 5.0\" }\n"), NULL},
		{"a.tf", REQUIRED("    aws = {}\n"), NULL},
		{"a.tf", REQUIRED("    aws = { source = \"a b\" }\n"), "\"a b\" is no source"},
		{"a.tf", REQUIRED("    x = { source = \"hashicorp/x\" }\n") "resource \"x_y\" \"z\" {}", NULL},
		{"a.tf", "provider \"x\" {\n  required_providers {\n    a = { source = \"evil/a\" }\n  }\n}\n", NULL}, /* no such block there */
		{"a.tf.json", "{\"terraform\": {\"required_providers\": {\"aws\": {\"source\": \"evil/aws\"}}}}", "d/a.tf.json:1: the provider `registry.terraform.io/evil/aws`"},
		{"a.tf.json", "{\"terraform\": [{\"required_providers\": [{\"aws\": {\"source\": \"evil/\\u0061ws\"}}]}]}", "evil/aws"},
		{"a.tf.json", "{\"terraform\": {\"required_providers\": {\"aws\": {\"source\": \"${x}/aws\"}}}}", "is computed"},
		{"a.tf.json", "{\"terraform\": {\"required_providers\": {\"aws\": {\"source\": \"hashicorp/aws\", \"source\": \"evil/aws\"}}}}",
		 "d/a.tf.json: cannot be read"}, /* the engines read it */
		{"a.tofu", REQUIRED("    aws = { source = \"evil/aws\" }\n"), "evil/aws"},
		{"x_override.tf", REQUIRED("    aws = { source = \"evil/aws\" }\n"), "evil/aws"},
		{"a.tfvars", "x = 1", NULL},
		{".a.tf", REQUIRED("    aws = { source = \"evil/aws\" }\n"), NULL}, /* the engines leave it out */
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tf_dir d = {0};
		struct provider_needs needs = {0};
		CLEANUP_FREE char *path = xasprintf("d/%s", rows[i].name);
		tf_dir_add(&d, path, rows[i].text, strlen(rows[i].text));
		provider_needs_read(&d, &needs);
		CLEANUP_FREE char *why = hygiene_providers(&needs, terraform, 1, "hashicorp/*");
		CLEANUP_FREE char *free_for_all = hygiene_providers(&needs, terraform, 1, NULL);
		if ((why == NULL) != (rows[i].refused == NULL) || (why != NULL && strstr(why, rows[i].refused) == NULL))
			fail_msg("%s: %s", rows[i].text, why != NULL ? why : "allowed");
		assert_null(free_for_all);
		provider_needs_free(&needs);
		tf_dir_free(&d);
	}
}

/* What a name in one file means may be said in another one. */
static void implied(void **state)
{
	static const struct {
		const char *main, *versions, *rules, *refused;
	} rows[] = {
		{"\n\nresource \"null_resource\" \"x\" {}", "", "hashicorp/aws",
		 "d/main.tf:3: the provider `registry.terraform.io/hashicorp/null`, which `resource null_resource` implies, is not allowed"},
		{"data \"external\" \"x\" {}", "", "hashicorp/aws", "hashicorp/external"},
		{"ephemeral \"random_password\" \"x\" {}", "", "hashicorp/aws", "hashicorp/random"},
		{"provider \"http\" {}", "", "hashicorp/aws", "hashicorp/http"},
		{"check \"x\" {\n  data \"http\" \"y\" {}\n}", "", "hashicorp/aws", "d/main.tf:2: the provider `registry.terraform.io/hashicorp/http`"},
		{"import {\n  to = random_id.x\n  id = \"1\"\n}", "", "hashicorp/aws", "hashicorp/random"},
		{"import {\n  to = module.a.aws_x.y\n}", "", "hashicorp/aws", NULL},
		{"resource \"aws_x\" \"y\" {\n  provider = google.west\n}", "", "hashicorp/aws", "hashicorp/google"},
		{"resource \"google_x\" \"y\" {\n  provider = aws.west\n}", "", "hashicorp/aws", NULL},
		{"resource \"dns_a\" \"x\" {}", REQUIRED("    dns = { source = \"acme/dns\" }\n"), "acme/dns", NULL},
		{"resource \"dns_a\" \"x\" {}", REQUIRED("    other = { source = \"acme/dns\" }\n"), "acme/dns", "hashicorp/dns"},
		{"resource \"aws\" \"x\" {}", "", "hashicorp/aws", NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tf_dir d = {0};
		struct provider_needs needs = {0};
		tf_dir_add(&d, "d/main.tf", rows[i].main, strlen(rows[i].main));
		tf_dir_add(&d, "d/versions.tf", rows[i].versions, strlen(rows[i].versions));
		provider_needs_read(&d, &needs);
		CLEANUP_FREE char *why = hygiene_providers(&needs, terraform, 1, rows[i].rules);
		if ((why == NULL) != (rows[i].refused == NULL) || (why != NULL && strstr(why, rows[i].refused) == NULL))
			fail_msg("%s: %s", rows[i].main, why != NULL ? why : "allowed");
		provider_needs_free(&needs);
		tf_dir_free(&d);
	}
}

static void an_engine_that_is_not_known_yet(void **state)
{
	struct tf_dir d = {0};
	struct provider_needs needs = {0};
	static const char text[] = "resource \"aws_x\" \"y\" {}";
	(void)state;
	tf_dir_add(&d, "main.tf", text, strlen(text));
	provider_needs_read(&d, &needs);
	CLEANUP_FREE char *one = hygiene_providers(&needs, terraform, 1, "registry.opentofu.org/hashicorp/*");
	CLEANUP_FREE char *both = hygiene_providers(&needs, either, 2, "registry.opentofu.org/hashicorp/*");
	assert_non_null(one);
	assert_null(both);
	provider_needs_free(&needs);
	tf_dir_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rows_of_files), cmocka_unit_test(implied), cmocka_unit_test(an_engine_that_is_not_known_yet)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
