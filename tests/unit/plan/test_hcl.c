#include "plan/hcl.h"

#include "base/buf.h"
#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* What a scan found, in one line: "init backend=s3 modules=./a,../b paths=../x", "unreadable" first when it could not be read. */
static void describe(bool ok, const struct hcl_facts *f, struct buf *out)
{
	buf_reset(out);
	buf_printf(out, "%s%s", ok ? "" : "unreadable ", f->needs_init ? "init" : "plain");
	if (f->backend != NULL)
		buf_printf(out, " backend=%s", f->backend);
	for (size_t i = 0; i < f->modules.n; i++)
		buf_printf(out, "%s%s", i == 0 ? " modules=" : ",", f->modules.v[i]);
	for (size_t i = 0; i < f->paths.n; i++)
		buf_printf(out, "%s%s", i == 0 ? " paths=" : ",", f->paths.v[i]);
}

struct row {
	const char *text, *want;
};

static void check(const struct row *rows, size_t n, bool (*scan)(const char *, size_t, struct hcl_facts *))
{
	CLEANUP_BUF struct buf got = {0};
	for (size_t i = 0; i < n; i++) {
		struct hcl_facts f = {0};
		bool ok = scan(rows[i].text, strlen(rows[i].text), &f);
		describe(ok, &f, &got);
		if (strcmp(buf_str(&got), rows[i].want) != 0)
			fail_msg("row %zu: %s\n got  %s\n want %s", i, rows[i].text, buf_str(&got), rows[i].want);
		hcl_facts_free(&f);
	}
}

static void test_blocks(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"", "plain"},
		{"\xef\xbb\xbf# a byte order mark\n", "plain"},
		{"resource \"terraform_data\" \"x\" {}\n", "plain"},
		{"resource \"aws_s3_bucket\" \"x\" {\n  bucket = \"b\"\n}\n", "init"},
		{"resource aws_x y {}", "init"},
		{"data \"terraform_remote_state\" \"x\" {}\n", "plain"},
		{"data \"http\" \"x\" {}\n", "init"},
		{"check \"c\" {\n  data \"http\" \"x\" { url = \"u\" }\n}\n", "init"},
		{"ephemeral \"random_password\" \"x\" {}\n", "init"},
		{"provider \"aws\" {}\n", "init"},
		{"removed {\n  from = aws_x.y\n}\n", "init"},
		{"moved {\n  from = a.b\n  to = a.c\n}\n", "plain"},
		{"terraform {\n  required_version = \">= 1\"\n}\n", "plain"},
		{"terraform {\n  required_providers {\n    aws = { source = \"hashicorp/aws\" }\n  }\n}\n", "init"},
		{"terraform {\n  backend \"s3\" {\n    bucket = \"b\"\n  }\n}\n", "init backend=s3"},
		{"terraform {\n  backend \"local\" {}\n}\n", "init backend=local"},
		{"terraform {\n  cloud {\n    organization = \"o\"\n  }\n}\n", "init backend=cloud"},
		{"variable \"backend\" {\n  default = { backend = \"s3\" }\n}\nlocals { terraform = { backend = 1 } }\n", "plain"},
		{"other {\n  backend \"s3\" {}\n  required_providers {}\n}\n", "plain"},
		{"output \"x\" { value = { provider = 1, module = [2, 3] } }\n", "plain"},
		{"# module \"x\" { source = \"./a\" }\n// provider \"x\" {}\n/* provider \"x\" {\n} */\n", "plain"},
		{"locals {\n  a = 1 /* } */\n  b = [ # ]\n  ]\n}\n", "plain"},
		{"locals { a = <<EOT\nprovider \"x\" {\n}\nEOT\n}\nprovider \"y\" {}\n", "init"},
		{"locals {\n  a = <<-EOT\n    } \" EOTX\n    EOT\n  b = 1\n}\n", "plain"},
		{"locals {\n  a = <<EOT\nx\nEOT", "unreadable init"},
		{"locals {\n  a = <<E\n\v\xc2\xa0" "E\n}\nprovider \"x\" {}\nlocals {\n  b = <<E\nE\n}\n", "init"}, /* white space as the engines see it */
		{"a = <<EOT\nx\nEOT", "plain"},
		{"a = <<EOT\n${f(\"}\")} ${\n\"EOT\"}\nEOT\n", "plain"},
		{"a = b ? \"%{if x}}{%{endif}\" : \"$${ %%{ \\\" { \"\n", "plain"},
		{"a = \"${\"${\"}\"}\"}\"\n", "plain"},
		{"a = (1 +\n 2)\nb = [\n1,\n2\n]\n", "plain"},
		{"locals {\r\n  a = 1\r\n}\r\n", "plain"},
	};
	check(rows, ARRAY_LEN(rows), hcl_scan);
}

static void test_modules_and_paths(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"module \"a\" {\n  source = \"./a\"\n}\n", "init modules=./a"},
		{"module \"a\" { source = \"../../b\" }\n", "init modules=../../b"},
		{"module \"a\" {\n  version = \"1\"\n  source = \"hashicorp/x/aws\"\n}\n", "init"},
		{"module \"a\" {\n  source = \"git::https://example.com/x.git//../y?ref=1\"\n}\n",
		 "init paths=git::https://example.com/x.git//../y?ref=1"},
		{"module \"a\" {\n  source = \"../${var.x}/y\"\n}\n", "init paths=../"},
		{"module \"a\" {\n  x = { source = \"./no\" }\n}\n", "init paths=./no"},
		{"other \"a\" {\n  source = \"./no\"\n}\n", "plain paths=./no"},
		{"locals { a = file(\"../../x.json\") }\n", "plain paths=../../x.json"},
		{"locals { a = file(\"${path.module}/../x.json\") }\n", "plain paths=../x.json"},
		{"locals { a = file(\"${ path.root }/../x.json\") }\n", "plain paths=../x.json"},
		{"locals { a = file(\"${~path.module~}/./x\") }\n", "plain paths=./x"},
		{"locals { a = file(\"${path.module}/x.json\") }\n", "plain"},
		{"locals { a = file(\"${path.cwd}/../x.json\") }\n", "plain"},
		{"locals { a = \"../envs/${var.env}/x.json\" }\n", "plain paths=../envs/"},
		{"locals { a = \"../envs/pre${var.env}.json\" }\n", "plain paths=../envs/"},
		{"locals { a = \"${var.x}/../y\" }\n", "plain"},
		{"locals { a = \"${path.module}/../${path.module}/y\" }\n", "plain paths=../"},
		{"locals { a = \"x ${file(\"../deep.txt\")} ${[for f in fileset(\"${path.module}/../fs\", \"*\") : f][0]}\" }\n",
		 "plain paths=../deep.txt,../fs"},
		{"locals { a = <<EOT\n../not ${file(\"../yes\")}\nEOT\n}\n", "plain paths=../yes"},
		{"locals { a = \"a\\\\../b\" }\n", "plain paths=a\\../b"},
		{"locals { a = \"..\" }\n", "plain paths=.."},
		{"locals { a = \"$${x}/../y\" }\n", "plain paths=${x}/../y"},
	};
	check(rows, ARRAY_LEN(rows), hcl_scan);
}

static void test_unreadable(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"}", "unreadable init"},
		{"a {", "unreadable init"},
		{"a = [1}", "unreadable init"},
		{"a = \"open", "unreadable init"},
		{"a = \"new\nline\"", "unreadable init"},
		{"a = \"${open\"", "unreadable init"},
		{"a b = 1", "unreadable init"},
		{"a", "unreadable init"},
		{"a\n", "unreadable init"},
		{"\"a\" = 1", "unreadable init"},
		{"a = <<\n", "unreadable init"},
		{"a = <<EOT\nnever", "unreadable init"},
		{"<<<<<<< HEAD\n", "unreadable init"},
		{"provider \"x\" {}\nmodule \"m\" {\n  source = \"./m\"\n}\n}", "unreadable init modules=./m"},
	};
	check(rows, ARRAY_LEN(rows), hcl_scan);
}

static void test_ceilings(void **state)
{
	(void)state;
	struct hcl_facts f = {0};
	CLEANUP_BUF struct buf b = {0};
	for (unsigned depth = 1; depth < 200; depth += 7) {
		buf_reset(&b);
		for (unsigned i = 0; i < depth; i++)
			buf_adds(&b, "a {\n");
		for (unsigned i = 0; i < depth; i++)
			buf_adds(&b, "}\n");
		assert_int_equal(hcl_scan(b.data, b.len, &f), depth < 64);
	}
	for (unsigned depth = 1; depth < 64; depth += 3) {
		buf_reset(&b);
		buf_adds(&b, "a = ");
		for (unsigned i = 0; i < depth; i++)
			buf_adds(&b, "\"${");
		buf_adds(&b, "1");
		for (unsigned i = 0; i < depth; i++)
			buf_adds(&b, "}\"");
		assert_int_equal(hcl_scan(b.data, b.len, &f), depth * 2 < 32);
	}
	hcl_facts_free(&f);
	buf_reset(&b);
	buf_adds(&b, "a = \"../");
	for (unsigned i = 0; i < 3000; i++)
		buf_adds(&b, "x");
	buf_adds(&b, "\"\n");
	assert_true(hcl_scan(b.data, b.len, &f));
	assert_int_equal(f.paths.n, 0);
	char *large = xcalloc(1, LIMIT_HCL_FILE_BYTES + 1);
	memset(large, '\n', LIMIT_HCL_FILE_BYTES + 1);
	assert_true(hcl_scan(large, LIMIT_HCL_FILE_BYTES, &f));
	assert_false(hcl_scan(large, LIMIT_HCL_FILE_BYTES + 1, &f));
	assert_true(f.needs_init);
	free(large);
	hcl_facts_free(&f);
}

static void test_many_references(void **state)
{
	(void)state;
	static const char *const lines[] = {"a = \"../x\"\n", "module \"a\" {\n  source = \"./x\"\n}\n"};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct hcl_facts f = {0};
		CLEANUP_BUF struct buf b = {0};
		for (unsigned k = 0; k < LIMIT_DIR_REFERENCES; k++)
			buf_adds(&b, lines[i]);
		assert_true(hcl_scan(b.data, b.len, &f));
		assert_int_equal(f.paths.n + f.modules.n, LIMIT_DIR_REFERENCES);
		assert_false(hcl_scan(lines[i], strlen(lines[i]), &f));
		assert_true(f.needs_init);
		assert_int_equal(f.paths.n + f.modules.n, LIMIT_DIR_REFERENCES);
		hcl_facts_free(&f);
	}
}

static void test_json(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"{}", "plain"},
		{"{\"resource\":{\"terraform_data\":{\"x\":{}}}}", "plain"},
		{"{\"resource\":{\"aws_x\":{\"x\":{}}}}", "init"},
		{"{\"resource\":[{\"terraform_data\":{}},{\"aws_x\":{}}]}", "init"},
		{"{\"provider\":{\"aws\":{}}}", "init"},
		{"{\"terraform\":{\"backend\":{\"gcs\":{}}}}", "init backend=gcs"},
		{"{\"terraform\":[{\"cloud\":{}}]}", "init backend=cloud"},
		{"{\"terraform\":{\"required_version\":\"1\"}}", "plain"},
		{"{\"terraform\":{\"required_providers\":{}}}", "init"},
		{"{\"module\":{\"a\":{\"source\":\"./a\"}}}", "init modules=./a paths=./a"},
		{"{\"module\":[{\"a\":[{\"source\":\"../a\"}]}]}", "init modules=../a paths=../a"},
		{"{\"module\":{\"a\":{\"source\":\"x/y/z\"}}}", "init"},
		{"{\"module\":{\"a\":{\"source\":5}}}", "init"},
		{"{\"locals\":{\"x\":\"${file(\\\"${path.module}/../y\\\")}\"}}", "plain paths=../y"},
		{"{\"locals\":{\"x\":[\"../envs/${var.e}.json\", \"${open\", 1, null]}}", "plain paths=../envs/"},
		{"[]", "unreadable init"},
		{"{", "unreadable init"},
		{"", "unreadable init"},
	};
	check(rows, ARRAY_LEN(rows), hcl_scan_json);
}

/* Every prefix of a file, in memory of exactly its size: the sanitizer sees a read past the end. */
static void test_every_prefix(void **state)
{
	(void)state;
	static const char text[] = "module \"a\" {\n  source = \"../a\" # c\n  x = \"${path.module}/../${f(\"q\")} $${ %{ if y }\"\n"
				   "  y = <<-EOT\n    ${z}\n    EOT\n  /* c */\n}\r\n";
	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = xmalloc(n + 1);
		char *exact = n > 0 ? xmalloc(n) : NULL;
		memcpy(copy, text, n);
		if (exact != NULL)
			memcpy(exact, text, n);
		struct hcl_facts f = {0};
		(void)hcl_scan(exact != NULL ? exact : copy, n, &f);
		hcl_scan_template(exact != NULL ? exact : copy, n, &f);
		hcl_facts_free(&f);
		free(copy);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_modules_and_paths),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_ceilings),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_many_references),
	};
	return cmocka_run_group_tests_name("plan/hcl", tests, NULL, NULL);
}
