/* Configuration files as blocks and attributes. */
#include "plan/tf_file.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* "type label label@line{...} name@line=value;" */
static void show(struct buf *b, const struct tf_node *n)
{
	for (; n != NULL; n = n->next) {
		buf_printf(b, "%s", n->name != NULL ? n->name : "?");
		for (size_t i = 0; i < TF_LABELS && n->label[i] != NULL; i++)
			buf_printf(b, " %s", n->label[i]);
		buf_printf(b, "@%d", n->line);
		if (n->value != NULL)
			buf_printf(b, "=%s;", n->value);
		if (n->value == NULL || n->child != NULL) {
			buf_addc(b, '{');
			show(b, n->child);
			buf_addc(b, '}');
		}
	}
}

static char *shown(const char *text, bool json, bool *ret_readable)
{
	CLEANUP_BUF struct buf b = {0};
	struct tf_file f;
	tf_file_read(text, strlen(text), json, &f);
	show(&b, f.first);
	*ret_readable = f.readable;
	tf_file_free(&f);
	return buf_take(&b);
}

static void native(void **state)
{
	static const struct {
		const char *text, *want;
		bool broken;
	} rows[] = {
		{"", "", false},
		{"# c\n/* d\n */ a = 1 // e\n", "a@3=1;", false},
		{"\xef\xbb\xbfterraform {\n  backend \"s3\" {\n    bucket = \"b\"\n  }\n}\n", "terraform@1{backend s3@2{bucket@3=\"b\";}}", false},
		{"resource a b {}", "resource a b@1{}", false},
		{"resource \"\\u0061ws\" \"x\" \"y\" {}", "resource aws x@1{}", false},
		{"x { a = 1 }\ny {\n}", "x@1{a@1=1;}y@2{}", false},
		{"a = [1,\n 2, # c\n]\nb = f(x,\n y)", "a@1=[ 1 , 2 , ];b@4=f ( x , y );", false},
		{"a = { b = 1, \"c\": \"d\"\n  e = { f = 2 }\n}", "a@1={ b = 1 , \"c\" : \"d\" , e = { f = 2 } };{b@1=1;c@1=\"d\";e@1={ f = 2 };}", false},
		{"a = {\n\n b = 1\n\n\n c = 2,\n }", "a@1={ b = 1 , c = 2 };{b@1=1;c@1=2;}", false},
		{"a = { (x) = 1, \"${y}\" = 2 }", "a@1={ ( x ) = 1 , \"${y}\" = 2 };{?@1=1;?@1=2;}", false},
		{"a = { for k, v in x : k => v }", NULL, false},
		{"a = \"x${f(\"}\", { b = \"}\" })}y\"\nb = 2", "a@1=\"x${f(\"}\", { b = \"}\" })}y\";b@2=2;", false},
		{"a = <<-E\n  ${f(\"x\")}\n  E F\n  E\nb = 2", "a@1=<<-E\n  ${f(\"x\")}\n  E F\n  E;b@5=2;", false},
		{"a = <<E\nx\n\v\xc2\xa0" "E\xe2\x80\x83\r\nb = 1\n", "a@1=<<E\nx\n\v\xc2\xa0" "E\xe2\x80\x83\r;b@4=1;", false}, /* the engines take off any white space */
		{"a = <<E\n\xe2\x80\x8b" "E\nE\nb = 1\n", "a@1=<<E\n\xe2\x80\x8b" "E\nE;b@4=1;", false},
		{"a = \"$${x} %%{ y\"\nb = 1", "a@1=\"$${x} %%{ y\";b@2=1;", false},
		{"a = b.c[0].d == 1 ? \"x\" : \"y\"", "a@1=b . c [ 0 ] . d = = 1 ? \"x\" : \"y\";", false},
		{"a = \"x", "a@1=;", true},
		{"a = 1 }", "a@1=1;", true},
		{"x {", "x@1{}", true},
		{"x = [1)", "x@1=[ 1;", true},
		{"= 1", "", true},
		{"x \"y\" = 1", "x y@1{}", true},
		{"a =\n", "a@1=;", true},
		{"a = <<E\nx\n", "a@1=;", true},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool readable;
		CLEANUP_FREE char *got = shown(rows[i].text, false, &readable);
		if (readable == rows[i].broken || (rows[i].want != NULL && strcmp(got, rows[i].want) != 0))
			fail_msg("%s\n-> %s %d", rows[i].text, got, readable);
	}
}

static void json(void **state)
{
	static const struct {
		const char *text, *want;
		bool broken;
	} rows[] = {
		{"{}", "", false},
		{"{\n\"terraform\": {\n\"backend\": {\n\"s3\": {\"bucket\": \"b\"}},\n\"required_providers\": {\"aws\":\n{\"source\": \"a/b\"}}}}",
		 "terraform@2{backend s3@4{bucket@4=\"b\";}required_providers@5{aws@5={\"source\":\"a/b\"};{source@6=\"a/b\";}}}", false},
		{"{\"resource\": {\"t\": {\"n\": {\"count\": 1, \"lifecycle\": {\"prevent_destroy\": true},\n\"provisioner\": [{\"local-exec\": {\"command\": \"x\"}}, "
		 "{\"file\": [{}]}]}}}}",
		 "resource t n@1{count@1=1;lifecycle@1{prevent_destroy@1=true;}provisioner local-exec@2{command@2=\"x\";}provisioner file@2{}}", false},
		{"[{\"locals\": {\"a\": 1}}, {\"locals\": [{\"b\": {\"c\": {\"d\": 2}}}]}, 3]",
		 "locals@1{a@1=1;}locals@1{b@1={\"c\":{\"d\":2}};{c@1={\"d\":2};}}", false},
		{"{\"moved\": [{\"from\": \"a.b\"}, {\"from\": \"c.d\"}]}", "moved@1{from@1=\"a.b\";}moved@1{from@1=\"c.d\";}", false},
		{"{\"resource\": 3, \"x\": [1]}", "x@1=[1];", false},
		{"3", "", true},
		{"{", "", true},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool readable;
		CLEANUP_FREE char *got = shown(rows[i].text, true, &readable);
		if (readable == rows[i].broken || strcmp(got, rows[i].want) != 0)
			fail_msg("%s\n-> %s %d", rows[i].text, got, readable);
	}
}

static void literals(void **state)
{
	static const struct {
		const char *value, *want;
	} rows[] = {
		{"\"a b\"", "a b"}, {"\"\"", ""}, {"\"a\\u0062\\U0001F600\\n\\\"\"", "ab\xf0\x9f\x98\x80\n\""}, {"\"$${x}%%{y\"", "${x}%{y"},
		{"\"$x\"", "$x"}, {"\"${x}\"", NULL}, {"\"%{if x}\"", NULL}, {"a", NULL}, {"\"a\" + \"b\"", NULL}, {"\"a\\q\"", NULL}, {"\"", NULL},
		{"\"\\ud800\"", "\xef\xbf\xbd"}, {"\"\\u00e9\"", "\xc3\xa9"},
	};
	static const struct {
		const char *value, *want;
	} words[] = {{"aws . west", "aws"}, {"\"aws.west\"", "aws"}, {"aws", "aws"}, {"( x )", NULL}, {"\"\"", NULL}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *got = tf_literal(rows[i].value);
		if ((got == NULL) != (rows[i].want == NULL) || (got != NULL && strcmp(got, rows[i].want) != 0))
			fail_msg("%s -> %s", rows[i].value, got != NULL ? got : "none");
	}
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		CLEANUP_FREE char *got = tf_first_word(words[i].value);
		if ((got == NULL) != (words[i].want == NULL) || (got != NULL && strcmp(got, words[i].want) != 0))
			fail_msg("%s -> %s", words[i].value, got != NULL ? got : "none");
	}
}

static char *flat(const char *text, bool json_form)
{
	struct tf_file f;
	struct strlist l = {0};
	tf_file_read(text, strlen(text), json_form, &f);
	assert_true(f.readable);
	tf_flatten(f.first, &l);
	char *lines = text_join_lines(&l);
	strlist_free(&l);
	tf_file_free(&f);
	return lines != NULL ? lines : xstrdup("");
}

static void flattened(void **state)
{
	(void)state;
	CLEANUP_FREE char *a = flat("backend \"remote\" {\n  b = 1 # c\n  workspaces {\n    name = \"w\"\n  }\n  a = [ 1 ]\n  empty {}\n}", false);
	CLEANUP_FREE char *b = flat("backend \"remote\" {\n  a = [1]\n  empty {\n  }\n  workspaces { name = \"w\" }\n  b = 1\n}", false);
	assert_string_equal(a, "a = [ 1 ]\nb = 1\nempty  .\nworkspaces  .name = \"w\"");
	assert_string_equal(b, a);
	CLEANUP_FREE char *native_form = flat("terraform {\n  backend \"s3\" {\n    bucket = \"b\"\n    encrypt = true\n  }\n}\n", false);
	CLEANUP_FREE char *json_form = flat("{\"terraform\":{\"backend\":{\"s3\":{\"encrypt\":true,\"bucket\":\"b\"}}}}", true);
	assert_string_equal(native_form, json_form);
}

static void names(void **state)
{
	static const struct {
		const char *name;
		enum tf_kind kind;
		bool is_json, override, tofu;
		size_t stem;
	} rows[] = {
		{"main.tf", TF_CONFIG, false, false, false, 4},          {"override.tf", TF_CONFIG, false, true, false, 8},
		{"a_override.tf.json", TF_CONFIG, true, true, false, 10}, {"main.tofu", TF_CONFIG, false, false, true, 4},
		{"x_override.tofu.json", TF_CONFIG, true, true, true, 10}, {"terraform.tfvars", TF_VALUES, false, false, false, 0},
		{"a.auto.tfvars.json", TF_VALUES, true, false, false, 1}, {"a.tfvars", TF_OTHER, false, false, false, 0},
		{".main.tf", TF_OTHER, false, false, false, 0},           {"main.tf~", TF_OTHER, false, false, false, 0},
		{".tf", TF_OTHER, false, false, false, 0},                {"overrides.tf", TF_CONFIG, false, false, false, 9},
		{"main.tf.bak", TF_OTHER, false, false, false, 0},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tf_name n = tf_name_read(rows[i].name);
		if (n.kind != rows[i].kind || n.json != rows[i].is_json || n.override != rows[i].override || n.tofu != rows[i].tofu || n.stem != rows[i].stem)
			fail_msg("%s: %d %d %d %d %zu", rows[i].name, n.kind, n.json, n.override, n.tofu, n.stem);
	}
}

/* A file that would take more memory than is sensible is not readable, and neither is one that is nested without end. */
static void ceilings(void **state)
{
	CLEANUP_BUF struct buf many = {.max = LIMIT_HCL_FILE_BYTES}, deep = {0}, nested = {0};
	struct tf_file f;
	(void)state;
	for (size_t i = 0; i <= LIMIT_TF_NODES; i++)
		buf_adds(&many, "a = 1\n");
	tf_file_read(many.data, many.len, false, &f);
	assert_false(f.readable);
	tf_file_free(&f);
	for (size_t i = 0; i < 100; i++) {
		buf_adds(&deep, "a {\n");
		buf_adds(&nested, "a = \"${");
	}
	tf_file_read(deep.data, deep.len, false, &f);
	assert_false(f.readable);
	tf_file_free(&f);
	tf_file_read(nested.data, nested.len, false, &f);
	assert_false(f.readable);
	tf_file_free(&f);
	tf_file_read(many.data, LIMIT_HCL_FILE_BYTES + 1, false, &f); /* not looked at */
	assert_true(!f.readable && f.first == NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(native), cmocka_unit_test(json), cmocka_unit_test(literals),
		cmocka_unit_test(flattened), cmocka_unit_test(names), cmocka_unit_test(ceilings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
