/* What is told of the configuration of a change. */
#include "plan/hygiene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void facts_of(struct block_facts *f, const char *path, const char *text)
{
	struct tf_file file;
	tf_file_read(text, strlen(text), tf_name_read(path).json, &file);
	assert_true(file.readable);
	block_facts_add(f, path, &file);
	tf_file_free(&file);
}

#define SAME "resource \"aws_x\" \"y\" {\n  lifecycle {\n    prevent_destroy = true\n  }\n}\n"
#define COMMIT "0123456789012345678901234567890123456789"

static void told(void **state)
{
	static const struct {
		const char *name, *before, *after;
		const char *want; /* "LINE KIND TEXT"; NULL: nothing */
	} rows[] = {
		{"a.tf", SAME, SAME, NULL},
		{"a.tf", SAME, "\n\n" SAME, NULL},
		{"a.tf", SAME, "resource \"aws_x\" \"y\" {\n}\n", "0 protection `aws_x.y` loses `prevent_destroy`"},
		{"a.tf", SAME, "", "0 protection `aws_x.y` loses `prevent_destroy`"},
		{"a.tf", SAME, "resource \"aws_x\" \"y\" {\n  lifecycle {\n    prevent_destroy = false\n  }\n}\n", "0 protection `aws_x.y` loses `prevent_destroy`"},
		{"a.tf", "", "resource \"aws_x\" \"y\" {\n  lifecycle {\n    ignore_changes = [tags,\n ami]\n  }\n}\n",
		 "2 protection `aws_x.y` does not look at `[tags, ami]` any more (`ignore_changes`)"},
		{"a.tf", "", "moved {\n  from = aws_x.a\n  to = aws_x.b\n}\n", "1 state gives `aws_x.a` the name `aws_x.b` in the state"},
		{"a.tf", "", "\nremoved {\n  from = aws_x.a\n  lifecycle {\n    destroy = false\n  }\n}\n",
		 "2 state takes `aws_x.a` out of the state and leaves it alive, managed by nobody"},
		{"a.tf", "", "removed {\n  from = aws_x.a\n}\n", "1 state takes `aws_x.a` out of the configuration and destroys it"},
		{"a.tf", "", "import {\n  to = aws_x.a\n  id = \"i\"\n}\n", "1 state takes what exists into the state as `aws_x.a`"},
		{"a.tf", "", "resource \"null_resource\" \"x\" {\n  provisioner \"local-exec\" {\n    command = \"id\"\n  }\n}\n",
		 "2 program `null_resource.x` starts a program when it is applied (`local-exec` provisioner)"},
		{"a.tf", "resource \"null_resource\" \"x\" {\n  provisioner \"local-exec\" {\n    command = \"id\"\n  }\n}\n",
		 "resource \"null_resource\" \"x\" {\n  provisioner \"local-exec\" {\n    command = \"sh\"\n  }\n}\n",
		 "2 program `null_resource.x` starts a program when it is applied (`local-exec` provisioner)"},
		{"a.tf", "", "data \"external\" \"x\" {\n  program = [\"sh\"]\n}\n", "1 program `data.external.x` starts a program when it is planned"},
		{"a.tf", "", "data \"http\" \"x\" {\n  url = \"https://e\"\n}\n", "1 data `data.http.x` sends a request when it is planned"},
		{"a.tf", "", "check \"c\" {\n  data \"http\" \"x\" {\n    url = \"https://e\"\n  }\n}\n", "2 data `data.http.x` sends a request when it is planned"},
		{"a.tf", "", "data \"terraform_remote_state\" \"x\" {\n}\n", "1 data `data.terraform_remote_state.x` reads another state"},
		{"a.tf", "", "data \"aws_ami\" \"x\" {\n}\n", NULL},
		{"a.tf", "", "module \"m\" {\n  source = \"./m\"\n}\n", NULL},
		{"a.tf", "", "module \"m\" {\n  source = \"git::https://e/m.git?ref=" COMMIT "\"\n}\n", "1 module the module `m` comes from `git::https://e/m.git?ref=" COMMIT "`"},
		{"a.tf", "", "module \"m\" {\n  source = \"git::https://e/m.git?ref=main\"\n}\n",
		 "1 module the module `m` comes from `git::https://e/m.git?ref=main`, at no fixed commit"},
		{"a.tf", "", "module \"m\" {\n  source = \"github.com/a/m\"\n}\n", "1 module the module `m` comes from `github.com/a/m`, at no fixed commit"},
		{"a.tf", "", "module \"m\" {\n  source = \"vpc/aws/x\"\n  version = \"~> 1.0\"\n}\n", "1 module the module `m` comes from `vpc/aws/x`, in no fixed version"},
		{"a.tf", "", "module \"m\" {\n  source = \"vpc/aws/x\"\n  version = \"= 1.2.3\"\n}\n", "1 module the module `m` comes from `vpc/aws/x`"},
		{"a.tf", "", "module \"m\" {\n  source = var.x\n}\n", "1 module the module `m` comes from `var.x`, which is computed"},
		{"a.tf", "", "output \"x\" {\n  value = \"${join(\"\", [nonsensitive (var.p)])}\"\n}\n", "2 secret `value` uncovers a sensitive value (`nonsensitive`)"},
		{"a.tf", "", "output \"x\" {\n  value = is_nonsensitive(var.p)\n}\n", NULL},
		{"a.tf", "", "resource \"a_b`c\" \"d\\ne\" {\n  provisioner \"file\" {}\n}\n", "2 program `a_b'c.d e` copies files when it is applied (`file` provisioner)"},
		{"a.tf.json", "{}", "{\"moved\": [{\"from\": \"a.b\", \"to\": \"a.c\"}]}", "1 state gives `\"a.b\"` the name `\"a.c\"` in the state"},
		{"a.tf.json", "{}", "{\"resource\": {\"null_resource\": {\"x\": {\n\"provisioner\": {\"local-exec\": {\"command\": \"id\"}}}}}}",
		 "2 program `null_resource.x` starts a program when it is applied (`local-exec` provisioner)"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct block_facts before = {0}, after = {0};
		struct told_list l = {0};
		facts_of(&before, rows[i].name, rows[i].before);
		facts_of(&after, rows[i].name, rows[i].after);
		hygiene_blocks(&before, &after, &l);
		CLEANUP_FREE char *got = l.n > 0 ? xasprintf("%d %s %s", l.v[0].line, l.v[0].kind, l.v[0].text) : NULL;
		if (l.n != (rows[i].want != NULL) || (got != NULL && strcmp(got, rows[i].want) != 0))
			fail_msg("%zu: %zu %s", i, l.n, got != NULL ? got : "nothing");
		told_free(&l);
		block_facts_free(&before);
		block_facts_free(&after);
	}
}

/* From one file to another is no news; the same thing twice is one. */
static void across_files(void **state)
{
	struct block_facts before = {0}, after = {0};
	struct told_list l = {0};
	(void)state;
	facts_of(&before, "a.tf", SAME "data \"http\" \"x\" {\n}\n");
	facts_of(&after, "b.tf", "data \"http\" \"x\" {\n}\n");
	facts_of(&after, "c.tf", "\n" SAME);
	hygiene_blocks(&before, &after, &l);
	assert_int_equal(l.n, 0);
	facts_of(&after, "d.tf", "data \"http\" \"x\" {\n}\n");
	hygiene_blocks(&before, &after, &l);
	assert_int_equal(l.n, 1);
	told_free(&l);
	block_facts_free(&before);
	block_facts_free(&after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(told), cmocka_unit_test(across_files)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
