/* Where the state of a project is, and whether a change would look for it elsewhere. */
#include "plan/hygiene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct one {
	const char *name, *text;
};
#define S3(attributes) "terraform {\n  backend \"s3\" {\n" attributes "  }\n}\n"
#define FILES 3

static struct backend_place place_of(const struct one *files, bool tofu)
{
	struct tf_dir d = {0};
	struct backend_place p;
	for (size_t i = 0; i < FILES && files[i].name != NULL; i++)
		tf_dir_add(&d, files[i].name, files[i].text, strlen(files[i].text));
	backend_place_read(&d, tofu, &p);
	tf_dir_free(&d);
	return p;
}

static void compared(void **state)
{
	static const struct {
		struct one base[FILES], head[FILES];
		const char *terraform, *tofu; /* what differs; NULL: nothing */
	} rows[] = {
		{{{"a.tf", ""}}, {{"a.tf", "resource \"a_b\" \"c\" {}"}}, NULL, NULL},
		{{{"a.tf", S3("bucket = \"b\"\nkey = \"k\"\n")}}, {{"z.tf", S3("  key = \"k\" # c\n\n  bucket = \"b\"\n")}}, NULL, NULL},
		{{{"a.tf", S3("bucket = \"b\"\n")}}, {{"a.tf", S3("bucket = \"c\"\n")}}, "`bucket`", "`bucket`"},
		{{{"a.tf", S3("bucket = \"b\"\n")}}, {{"a.tf", S3("bucket = \"b\"\nendpoint = \"http://evil\"\n")}}, "`endpoint`", "`endpoint`"},
		{{{"a.tf", S3("bucket = \"b\"\n")}}, {{"a.tf", "terraform {\n  backend \"http\" {\n    address = \"http://evil\"\n  }\n}\n"}}, "`s3` -> `http`", "`s3` -> `http`"},
		{{{"a.tf", S3("bucket = \"b\"\n")}}, {{"a.tf", ""}}, "`s3` -> `none`", "`s3` -> `none`"},
		{{{"a.tf", ""}}, {{"a.tf", "terraform {\n  cloud {\n    hostname = \"evil.example\"\n  }\n}\n"}}, "`none` -> `cloud`", "`none` -> `cloud`"},
		{{{"a.tf", "terraform {\n  cloud {\n    organization = \"o\"\n    workspaces {\n      name = \"a\"\n    }\n  }\n}\n"}},
		 {{"a.tf", "terraform {\n  cloud {\n    organization = \"o\"\n    workspaces {\n      name = \"b\"\n    }\n  }\n}\n"}}, "`workspaces  .name`", "`workspaces  .name`"},
		/* the other form says the same */
		{{{"a.tf", S3("bucket = \"b\"\n")}}, {{"a.tf.json", "{\"terraform\":{\"backend\":{\"s3\":{\"bucket\":\"b\"}}}}"}}, NULL, NULL},
		{{{"a.tf", S3("bucket = \"b\"\n")}}, {{"a.tf.json", "{\"terraform\":{\"backend\":{\"s3\":{\"bucket\":\"\\u0063\"}}}}"}}, "`bucket`", "`bucket`"},
		/* override files, wherever they stand in the order of names */
		{{{"a.tf", S3("bucket = \"b\"\n")}}, {{"a.tf", S3("bucket = \"b\"\n")}, {"backend_override.tf", "terraform {\n  backend \"http\" {}\n}\n"}}, "`s3` -> `http`", "`s3` -> `http`"},
		{{{"z.tf", S3("bucket = \"b\"\n")}}, {{"override.tf.json", "{\"terraform\":{\"backend\":{\"s3\":{\"bucket\":\"c\"}}}}"}, {"z.tf", S3("bucket = \"b\"\n")}}, "`bucket`", "`bucket`"},
		/* files of OpenTofu alone */
		{{{"a.tf", S3("bucket = \"b\"\n")}}, {{"a.tf", S3("bucket = \"b\"\n")}, {"a.tofu", S3("bucket = \"c\"\n")}}, NULL, "`bucket`"},
		{{{"a.tf", S3("bucket = \"b\"\n")}}, {{"a.tf", S3("bucket = \"b\"\n")}, {"a.tofu", ""}}, NULL, "`s3` -> `none`"},
		/* values from elsewhere */
		{{{"a.tf", S3("bucket = var.b\n")}, {"v.tf", "variable \"b\" {\n  default = \"x\"\n}\n"}},
		 {{"a.tf", S3("bucket = var.b\n")}, {"v.tf", "variable \"b\" {\n  default = \"y\"\n}\n"}}, "`var.b`", "`var.b`"},
		{{{"a.tf", S3("bucket = \"${local.b}-x\"\n")}, {"v.tf", "locals {\n  b = var.c\n}\nvariable \"c\" {}\n"}, {"terraform.tfvars", "c = \"1\"\nd = 1\n"}},
		 {{"a.tf", S3("bucket = \"${local.b}-x\"\n")}, {"v.tf", "locals {\n  b = var.c\n}\nvariable \"c\" {}\n"}, {"terraform.tfvars", "c = \"2\"\nd = 2\n"}}, "`var.c`", "`var.c`"},
		{{{"a.tf", S3("bucket = var.b\n")}, {"v.tf", "variable \"b\" {}"}}, {{"a.tf", S3("bucket = var.b\n")}, {"v.tf", "variable \"b\" {}"}, {"x.auto.tfvars.json", "{\"b\":\"evil\"}"}}, "`var.b`", "`var.b`"},
		{{{"a.tf", S3("bucket = var.b\n")}, {"v.tf", "variable \"b\" {}\nlocals {\n  z = 1\n}"}}, {{"a.tf", S3("bucket = var.b\n")}, {"v.tf", "variable \"b\" {}\nlocals {\n  z = 2\n}"}}, NULL, NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (int tofu = 0; tofu < 2; tofu++) {
			struct backend_place was = place_of(rows[i].base, tofu != 0), is = place_of(rows[i].head, tofu != 0);
			const char *want = tofu != 0 ? rows[i].tofu : rows[i].terraform;
			char a[65], b[65];
			CLEANUP_FREE char *got = backend_place_differs(&was, &is);
			if ((got == NULL) != (want == NULL) || (got != NULL && strcmp(got, want) != 0))
				fail_msg("%zu %d: %s", i, tofu, got != NULL ? got : "the same");
			backend_place_digest(&was, a);
			backend_place_digest(&is, b);
			if ((strcmp(a, b) == 0) != (want == NULL))
				fail_msg("%zu %d: digests", i, tofu);
			backend_place_free(&was);
			backend_place_free(&is);
		}
}

static void unclear(void **state)
{
	static const struct {
		struct one files[FILES];
		const char *why;
	} rows[] = {
		{{{"a.tf", S3("bucket = \"b\"\n")}}, NULL},
		{{{"d/a.tf", S3("bucket = file(\"x\")\n")}}, "d/a.tf:2: the backend is computed from a file"},
		{{{"a.tf", S3("bucket = local.x\n")}, {"b.tf", "locals {\n  x = \"${templatefile(\"x\", {})}\"\n}\n"}}, "b.tf:2: the backend is computed from a file"},
		{{{"a.tf", "terraform {\n  backend \"s3\" {\n"}}, "a.tf:1: the file cannot be read, and it may say where"},
		{{{"a.tf", "resource \"x\" {\n"}}, NULL},
		{{{"a.tf.json", "{\"terraform\": {\"cloud\""}}, "a.tf.json:1: the file cannot be read"},
		{{{"a.tf.json", "{\"terraform\": {}, \"terraform\": {\"\\u0062ackend\": {\"http\": {}}}}"}}, "a.tf.json:1: the file cannot be read"}, /* the engines can */
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct backend_place p = place_of(rows[i].files, true);
		if ((p.unclear == NULL) != (rows[i].why == NULL) || (p.unclear != NULL && strstr(p.unclear, rows[i].why) == NULL))
			fail_msg("%zu: %s", i, p.unclear != NULL ? p.unclear : "clear");
		backend_place_free(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(compared), cmocka_unit_test(unclear)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
