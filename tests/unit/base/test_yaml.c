/* YAML: the tree with its places, what is refused with which sentence, and ceilings. */
#include "base/limits.h"
#include "base/mem.h"
#include "base/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void dump(const struct yaml_node *n, struct buf *out)
{
	if (n->type == YAML_SCALAR) {
		buf_printf(out, n->quoted ? "'%s'" : "%s", n->text);
		return;
	}
	buf_addc(out, n->type == YAML_MAP ? '{' : '[');
	for (size_t i = 0; i < n->n; i++) {
		if (i > 0)
			buf_addc(out, ' ');
		if (n->type == YAML_MAP)
			buf_printf(out, "%s@%d:%d=", n->key[i]->text, n->key[i]->line, n->key[i]->column);
		dump(n->child[i], out);
	}
	buf_addc(out, n->type == YAML_MAP ? '}' : ']');
}

static void trees(void **state)
{
	static const struct {
		const char *yaml, *tree;
	} rows[] = {
		{"", "{}"}, {"# only a comment\n", "{}"}, {"---\n", "{}"}, {"---\n...\n", "{}"}, {"null", "{}"},
		{"a: 1\n", "{a@1:1=1}"},
		{"a: 1\r\nb: 2\r\n", "{a@1:1=1 b@2:1=2}"},
		{"a:\n  b: [1, 'x', \"y\\n\"]\n  c: {d: e}\n", "{a@1:1={b@2:3=[1 'x' 'y\n'] c@3:3={d@3:7=e}}}"},
		{"- 1\n- - 2\n  - 3\n", "[1 [2 3]]"},
		{"text: |\n  two\n  lines\n", "{text@1:1='two\nlines\n'}"},
		{"text: >\n  one\n  line\n", "{text@1:1='one line\n'}"},
		{"a:\nb: ~\n", "{a@1:1= b@2:1=~}"},
		{"x: &n [1, 2]\ny: *n\nz: *n\n", "{x@1:1=[1 2] y@2:1=[1 2] z@3:1=[1 2]}"},
		{"a: &s text\nb: *s\n", "{a@1:1=text b@2:1=text}"},
		{"a: !!str 5\n", "{a@1:1='5'}"},
		{"a: !!map {b: 1}\n", "{a@1:1={b@1:11=1}}"},
		{"'<<': 1\n", "{<<@1:1=1}"},
		{"\"k\": v\n", "{k@1:1=v}"},
		{"caf\xc3\xa9: \xe2\x82\xac\n", "{caf\xc3\xa9@1:1=\xe2\x82\xac}"},
		{"a: &x 1\nb: &x 2\nc: *x\n", "{a@1:1=1 b@2:1=2 c@3:1=2}"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_BUF struct buf out = {0};
		struct yaml_node *root = NULL;
		struct err err = {0};
		if (yaml_parse("f.yaml", rows[i].yaml, strlen(rows[i].yaml), &root, &err) != 0)
			fail_msg("%s: %s", rows[i].yaml, err.msg);
		dump(root, &out);
		assert_string_equal(buf_str(&out), rows[i].tree);
		yaml_free(root);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *yaml, *msg;
	} rows[] = {
		{"a: 1\na: 2\n", "f.yaml:2:1: the key \"a\" stands twice, first on line 1; remove one"},
		{"x:\n  {b: 1, c: 2, b: 3}\n", "f.yaml:2:16: the key \"b\" stands twice, first on line 2; remove one"},
		{"a: 1\n'a': 2\n", "f.yaml:2:1: the key \"a\" stands twice, first on line 1; remove one"},
		{"a: &b {x: 1}\nc:\n  <<: *b\n", "f.yaml:3:3: merge keys (<<) are not supported; write the keys out"},
		{"a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document (---); only one is allowed"},
		{"? [a]\n: 1\n", "f.yaml:1:3: a key must be a plain word, not a list or a map"},
		{"a: !foo x\n", "f.yaml:1:9: the tag !foo is not supported; remove it"},
		{"a: !!binary aGk=\n", "f.yaml:1:13: the tag tag:yaml.org,2002:binary is not supported; remove it"},
		{"a: !x [1]\n", "f.yaml:1:7: the tag !x is not supported; remove it"},
		{"a: *b\n", "f.yaml:1:4: *b stands for nothing: no complete value before it is named &b; a glob that begins with * needs quotes"},
		{"a: &a [*a]\n",
		 "f.yaml:1:8: *a stands for nothing: no complete value before it is named &a; a glob that begins with * needs quotes"},
		{"a: \"\\0\"\n", "f.yaml:1:4: a NUL character in a text"},
		{"a: [1\n", "f.yaml:2:1: flow sequence without a closing bracket"},
		{"a: b: c\n", "f.yaml:1:5: invalid nested block mapping on the same line"},
		{"a: 1\nb\xff: 2\n", "f.yaml:2:2: this is not UTF-8"},
		{"a: 1\n  b: \x01\n", "f.yaml:2:6: a control character (0x01)"},
		{"a: \x7f\n", "f.yaml:1:4: a control character (0x7f)"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct yaml_node *root = NULL;
		struct err err = {0};
		assert_int_equal(yaml_parse("f.yaml", rows[i].yaml, strlen(rows[i].yaml), &root, &err), ERR_PARSE);
		assert_string_equal(err.msg, rows[i].msg);
		assert_null(root);
	}
	struct yaml_node *root = NULL;
	assert_int_equal(yaml_parse("f.yaml", "a: 1\0b", 6, &root, NULL), ERR_PARSE);
}

static int parse_buf(const struct buf *b, struct err *err)
{
	struct yaml_node *root = NULL;
	int rc = yaml_parse("f.yaml", buf_str(b), b->len, &root, err);
	yaml_free(root);
	return rc;
}

static void depth_ceiling(void **state)
{
	(void)state;
	for (unsigned extra = 0; extra < 2; extra++) {
		CLEANUP_BUF struct buf b = {0};
		struct err err = {0};
		for (unsigned i = 0; i < LIMIT_CONFIG_DEPTH + extra; i++)
			buf_addc(&b, '[');
		buf_addc(&b, 'x');
		for (unsigned i = 0; i < LIMIT_CONFIG_DEPTH + extra; i++)
			buf_addc(&b, ']');
		assert_int_equal(parse_buf(&b, &err), extra == 0 ? 0 : ERR_LIMIT);
		if (extra != 0)
			assert_string_equal(err.msg, "f.yaml:1:33: nested deeper than 32");
	}
	/* an alias inside deep nesting may not go beyond either */
	for (unsigned extra = 0; extra < 2; extra++) {
		CLEANUP_BUF struct buf b = {0};
		buf_adds(&b, "- &a [[x]]\n- ");
		for (unsigned i = 0; i < LIMIT_CONFIG_DEPTH - 3 + extra; i++)
			buf_addc(&b, '[');
		buf_adds(&b, "*a");
		for (unsigned i = 0; i < LIMIT_CONFIG_DEPTH - 3 + extra; i++)
			buf_addc(&b, ']');
		assert_int_equal(parse_buf(&b, NULL), extra == 0 ? 0 : ERR_LIMIT);
	}
}

static void alias_ceilings(void **state)
{
	(void)state;
	for (unsigned extra = 0; extra < 2; extra++) {
		CLEANUP_BUF struct buf b = {0};
		struct err err = {0};
		buf_adds(&b, "a: &a 1\nl:\n");
		for (unsigned i = 0; i < LIMIT_CONFIG_ALIASES + extra; i++)
			buf_adds(&b, " - *a\n");
		assert_int_equal(parse_buf(&b, &err), extra == 0 ? 0 : ERR_LIMIT);
		if (extra != 0)
			assert_non_null(strstr(err.msg, "more than 64 aliases"));
	}
	/* nine levels of seven: 40 million nodes if they were all made */
	CLEANUP_BUF struct buf bomb = {0};
	struct err err = {0};
	buf_adds(&bomb, "a0: &a0 [x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 10; i++)
		buf_printf(&bomb, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	assert_int_equal(parse_buf(&bomb, &err), ERR_LIMIT);
	assert_non_null(strstr(err.msg, "more than 250000 nodes"));
}

static void size_ceilings(void **state)
{
	(void)state;
	CLEANUP_BUF struct buf b = {0};
	struct err err = {0};
	buf_adds(&b, "a: '");
	while (b.len < LIMIT_CONFIG_BYTES - 1)
		buf_addc(&b, 'x');
	buf_addc(&b, '\'');
	assert_int_equal(parse_buf(&b, &err), 0);
	buf_addc(&b, '\n');
	assert_int_equal(parse_buf(&b, &err), ERR_LIMIT);
	assert_string_equal(err.msg, "f.yaml: larger than 1048576 bytes");
	buf_reset(&b);
	for (unsigned i = 0; i < LIMIT_CONFIG_NODES + 1; i++)
		buf_adds(&b, "- 1\n");
	assert_int_equal(parse_buf(&b, &err), ERR_LIMIT);
	assert_non_null(strstr(err.msg, "more than 250000 YAML nodes"));
}

static void lookups(void **state)
{
	struct yaml_node *root = NULL;
	static const char text[] = "a: 1\nb: ~\nc: null\nd: 'null'\ne:\nf: ''\ng: nulls\n";
	(void)state;
	assert_int_equal(yaml_parse("f.yaml", text, strlen(text), &root, NULL), 0);
	assert_string_equal(yaml_get(root, "a")->text, "1");
	assert_null(yaml_get(root, "A"));
	assert_null(yaml_get(yaml_get(root, "a"), "x"));
	static const struct {
		const char *key;
		bool null;
	} rows[] = {{"a", false}, {"b", true}, {"c", true}, {"d", false}, {"e", true}, {"f", false}, {"g", false}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(yaml_is_null(yaml_get(root, rows[i].key)), rows[i].null);
	yaml_free(root);
	yaml_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trees),	  cmocka_unit_test(refused),	   cmocka_unit_test(depth_ceiling),
		cmocka_unit_test(alias_ceilings), cmocka_unit_test(size_ceilings), cmocka_unit_test(lookups),
	};
	return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
