/* Plan JSON to summary: counts, kinds, reasons, order; the stored form; what is refused. */
#include "base/fs.h"
#include "plan/plan_json.h"
#include "plan/summary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define FIXTURES "tests/fixtures/plan/"

static void read_fixture(const char *name, struct plan_summary *ret)
{
	CLEANUP_BUF struct buf bytes = {0};
	CLEANUP_FREE char *path = xasprintf(FIXTURES "%s.json", name);
	struct err err = {0};
	if (fs_read(path, 1u << 20, &bytes, &err) != 0 || plan_summary_read(bytes.data, bytes.len, ret, &err) != 0)
		fail_msg("%s: %s", name, err.msg);
}

static char *words(const struct plan_summary *s)
{
	struct buf out = {0};
	plan_summary_words(s, &out);
	return buf_take(&out);
}

/* "kind address [forces] (reason)" lines */
static char *changes(const struct plan_summary *s)
{
	struct buf out = {0};
	for (size_t i = 0; i < s->changes_n; i++) {
		const struct plan_change *c = &s->changes[i];
		buf_printf(&out, "%s %s", change_kind_name(c->kind), c->address);
		for (size_t k = 0; k < c->forces.n; k++)
			buf_printf(&out, " [%s]", c->forces.v[k]);
		if (c->create_before_destroy)
			buf_adds(&out, " create-first");
		if (c->imported)
			buf_printf(&out, " import=%s", c->import_id != NULL ? c->import_id : "?");
		if (c->moved)
			buf_printf(&out, " from=%s", c->previous_address);
		if (c->reason != NULL)
			buf_printf(&out, " (%s)", c->reason);
		buf_addc(&out, '\n');
	}
	return buf_take(&out);
}

static void fixtures(void **state)
{
	static const struct {
		const char *name, *words;
		bool applyable;
		const char *changes; /* NULL: too many to write down */
	} cases[] = {
		{"none", "no changes", false, ""},
		{"destroy", "1 to destroy, 1 output changes", true, "destroy terraform_data.same\n"},
		{"create", "20 to add, 3 outputs change", true, NULL},
		{"moves", "2 to change, 2 to import, 2 to move, 1 to forget", true,
		 "forget terraform_data.released (was removed from the configuration)\n"
		 "update terraform_data.adopted_and_changed import=other-id\n"
		 "update terraform_data.new_and_changed from=terraform_data.old_and_changed\n"
		 "import terraform_data.adopted import=adopted-id\n"
		 "move terraform_data.new from=terraform_data.old\n"},
		{"sensitive", "3 to change, 1 to destroy, 1 output changes", true,
		 "destroy terraform_data.dies (was removed from the configuration)\n"
		 "update terraform_data.all\nupdate terraform_data.becomes\nupdate terraform_data.part\n"},
		{"change", "1 to add, 3 to change, 2 to replace, 4 to destroy, 2 outputs change", true,
		 "replace terraform_data.gentle [triggers_replace] create-first\n"
		 "replace terraform_data.replace [triggers_replace]\n"
		 "destroy terraform_data.counted[1] (its index is beyond count)\n"
		 "destroy terraform_data.counted[2] (its index is beyond count)\n"
		 "destroy terraform_data.keyed[\"gone\"] (its key is no longer in for_each)\n"
		 "destroy terraform_data.removed (was removed from the configuration)\n"
		 "update terraform_data.document\nupdate terraform_data.script\nupdate terraform_data.update\n"
		 "create terraform_data.keyed[\"new\"]\n"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct plan_summary s;
		read_fixture(cases[i].name, &s);
		CLEANUP_FREE char *got_words = words(&s), *got_changes = changes(&s);
		assert_string_equal(got_words, cases[i].words);
		assert_int_equal(s.applyable, cases[i].applyable);
		if (cases[i].changes != NULL)
			assert_string_equal(got_changes, cases[i].changes);
		assert_string_equal(s.engine_version, "1.11.4");
		assert_int_equal(s.drift, 0);
		plan_summary_free(&s);
	}
}

/* counted[2] stands before counted[10], and modules are named. */
static void order_of_addresses(void **state)
{
	struct plan_summary s;
	(void)state;
	read_fixture("create", &s);
	assert_int_equal(s.changes_n, 20);
	assert_string_equal(s.changes[0].address, "module.queue.module.inner.terraform_data.leaf[0]");
	assert_string_equal(s.changes[4].address, "terraform_data.counted[2]");
	assert_string_equal(s.changes[12].address, "terraform_data.counted[10]");
	plan_summary_free(&s);
	assert_true(plan_address_compare("x[2]", "x[10]") < 0);
	assert_true(plan_address_compare("x[10]", "x[2]") > 0);
	assert_int_equal(plan_address_compare("x[10]", "x[10]"), 0);
	assert_true(plan_address_compare("x", "x[0]") < 0);
	assert_true(plan_address_compare("a9", "b1") < 0);
	assert_true(plan_address_compare("x1a", "x1b") < 0);
}

/* A document around one resource change. */
static char *document(const char *change, const char *more)
{
	return xasprintf("{\"format_version\":\"1.2\",\"terraform_version\":\"1.9.0\",\"resource_changes\":[{\"address\":\"t.a\",\"mode\":\"managed\","
			 "\"type\":\"t\",\"change\":{%s}%s}]}", change, more);
}

static void kinds(void **state)
{
	static const struct {
		const char *change, *more, *words, *changes;
	} cases[] = {
		{"\"actions\":[\"no-op\"]", "", "no changes", ""},
		{"\"actions\":[\"create\"]", "", "1 to add", "create t.a\n"},
		{"\"actions\":[\"update\"]", "", "1 to change", "update t.a\n"},
		{"\"actions\":[\"delete\"]", "", "1 to destroy", "destroy t.a\n"},
		{"\"actions\":[\"forget\"]", "", "1 to forget", "forget t.a\n"},
		{"\"actions\":[\"read\"]", "", "no changes", "read t.a\n"},
		{"\"actions\":[\"delete\",\"create\"]", "", "1 to replace", "replace t.a\n"},
		{"\"actions\":[\"create\",\"delete\"]", "", "1 to replace", "replace t.a create-first\n"},
		{"\"actions\":[\"create\",\"forget\"]", "", "1 to add, 1 to forget", "create t.a (the old object stays alive and is forgotten)\n"},
		{"\"actions\":[\"forget\",\"create\"]", "", "1 to add, 1 to forget", "create t.a (the old object stays alive and is forgotten)\n"},
		{"\"actions\":[\"no-op\"],\"importing\":{\"id\":\"i-1\"}", "", "1 to import", "import t.a import=i-1\n"},
		{"\"actions\":[\"update\"],\"importing\":{\"unknown\":true}", "", "1 to change, 1 to import", "update t.a import=?\n"},
		{"\"actions\":[\"no-op\"]", ",\"previous_address\":\"t.b\"", "1 to move", "move t.a from=t.b\n"},
		{"\"actions\":[\"no-op\"]", ",\"previous_address\":\"t.a\"", "no changes", ""},
		{"\"actions\":[\"update\"]", ",\"previous_address\":\"t.b\"", "1 to change, 1 to move", "update t.a from=t.b\n"},
		{"\"actions\":[\"delete\",\"create\"],\"replace_paths\":[[\"disk\",0,\"size\"],[\"ami\"],[\"tags\",\"a b\"]]", "", "1 to replace",
		 "replace t.a [ami] [disk[0].size] [tags[\"a b\"]]\n"},
		{"\"actions\":[\"delete\",\"create\"]", ",\"action_reason\":\"replace_because_tainted\"", "1 to replace",
		 "replace t.a (is tainted: its creation or a provisioner failed)\n"},
		{"\"actions\":[\"delete\",\"create\"]", ",\"action_reason\":\"replace_because_cannot_update\"", "1 to replace", "replace t.a\n"},
		{"\"actions\":[\"delete\"]", ",\"action_reason\":\"some_later_reason\"", "1 to destroy", "destroy t.a (some_later_reason)\n"},
		{"\"actions\":[\"delete\"]", ",\"deposed\":\"0a1b2c3d\"", "1 to destroy",
		 "destroy t.a (deposed object 0a1b2c3d, left by an earlier replacement)\n"},
		{"\"actions\":[\"delete\"]", ",\"deposed\":\"0a1b2c3d\",\"action_reason\":\"delete_because_no_module\"", "1 to destroy",
		 "destroy t.a (deposed object 0a1b2c3d, left by an earlier replacement; its module was removed from the configuration)\n"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_FREE char *json = document(cases[i].change, cases[i].more);
		struct plan_summary s;
		struct err err = {0};
		if (plan_summary_read(json, strlen(json), &s, &err) != 0)
			fail_msg("%s: %s", json, err.msg);
		CLEANUP_FREE char *got_words = words(&s), *got_changes = changes(&s);
		assert_string_equal(got_words, cases[i].words);
		assert_string_equal(got_changes, cases[i].changes);
		assert_int_equal(s.applyable, strcmp(cases[i].words, "no changes") != 0);
		plan_summary_free(&s);
	}
}

/* Data sources count for nothing; outputs alone are something to apply; the engine's own word is believed when it says yes. */
static void beside_resources(void **state)
{
	static const struct {
		const char *json, *words;
		bool applyable;
		size_t changes_n;
	} cases[] = {
		{"{\"format_version\":\"1.0\"}", "no changes", false, 0},
		{"{\"format_version\":\"1.2\",\"applyable\":true}", "no changes", true, 0},
		{"{\"format_version\":\"1.2\",\"applyable\":false}", "no changes", false, 0},
		{"{\"format_version\":\"1.2\",\"output_changes\":{\"a\":{\"actions\":[\"no-op\"]},\"b\":{\"actions\":[\"update\"]}}}", "1 output changes",
		 true, 0},
		{"{\"format_version\":\"1.2\",\"resource_changes\":[{\"address\":\"data.t.a\",\"mode\":\"data\",\"type\":\"t\",\"change\":{\"actions\":"
		 "[\"read\"]}},{\"address\":\"data.t.b\",\"mode\":\"data\",\"type\":\"t\",\"change\":{\"actions\":[\"no-op\"]}}]}",
		 "no changes", false, 1},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct plan_summary s;
		assert_int_equal(plan_summary_read(cases[i].json, strlen(cases[i].json), &s, NULL), 0);
		CLEANUP_FREE char *got = words(&s);
		assert_string_equal(got, cases[i].words);
		assert_int_equal(s.applyable, cases[i].applyable);
		assert_int_equal(s.changes_n, cases[i].changes_n);
		plan_summary_free(&s);
	}
}

static void drift(void **state)
{
	static const char json[] =
		"{\"format_version\":\"1.2\",\"resource_drift\":["
		"{\"address\":\"t.b\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"update\"],\"before\":{\"n\":1},\"after\":{\"n\":2}}},"
		"{\"address\":\"t.gone\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"delete\"],\"before\":{\"n\":1},\"after\":null}},"
		"{\"address\":\"t.same\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"no-op\"],\"before\":{},\"after\":{}}},"
		"{\"address\":\"t.empty\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"update\"],\"before\":{\"tags\":null,\"l\":[]},"
		"\"after\":{\"tags\":{},\"l\":null}}},"
		"{\"address\":\"t.grown\",\"mode\":\"managed\",\"type\":\"t\",\"change\":{\"actions\":[\"update\"],\"before\":{},\"after\":{\"n\":1}}},"
		"{\"address\":\"data.t.d\",\"mode\":\"data\",\"type\":\"t\",\"change\":{\"actions\":[\"update\"],\"before\":{\"n\":1},\"after\":{\"n\":2}}}]}";
	struct plan_summary s;
	(void)state;
	assert_int_equal(plan_summary_read(json, sizeof(json) - 1, &s, NULL), 0);
	assert_int_equal(s.drift, 3);
	assert_int_equal(s.drifted.n, 3);
	assert_string_equal(s.drifted.v[0], "t.gone");
	assert_string_equal(s.drifted.v[1], "t.b");
	assert_string_equal(s.drifted.v[2], "t.grown");
	assert_false(s.applyable);
	plan_summary_free(&s);
}

static void refusals(void **state)
{
	static const struct {
		const char *json, *sentence;
	} cases[] = {
		{"", "plan JSON"},
		{"{", "plan JSON"},
		{"[]", "no format_version"},
		{"{}", "no format_version; it must be what `show -json` prints"},
		{"{\"format_version\":1}", "no format_version"},
		{"{\"format_version\":\"2.0\"}", "has format_version \"2.0\" and sluice reads 1.x: use an engine version that writes it, or a newer sluice"},
		{"{\"format_version\":\"10.0\"}", "has format_version \"10.0\""},
		{"{\"format_version\":\"1.2\",\"errored\":true}", "is marked as errored"},
		{"{\"format_version\":\"1.2\",\"resource_changes\":[{}]}", "no address or type"},
		{"{\"format_version\":\"1.2\",\"resource_changes\":[{\"address\":\"a\",\"type\":\"t\"}]}", "a: actions (none) are not known"},
		{"{\"format_version\":\"1.2\",\"resource_changes\":[{\"address\":\"a\",\"type\":\"t\",\"change\":{\"actions\":[\"explode\"]}}]}",
		 "a: actions [\"explode\"] are not known to this version of sluice"},
		{"{\"format_version\":\"1.2\",\"resource_changes\":[{\"address\":\"a\",\"type\":\"t\",\"change\":{\"actions\":[\"create\",\"delete\",\"read\"]}}]}",
		 "are not known"},
		{"{\"format_version\":\"1.2\",\"resource_drift\":[{\"address\":\"a\",\"type\":\"t\",\"change\":{\"actions\":[]}}]}", "are not known"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct plan_summary s = {.create = 77};
		struct err err = {0};
		assert_int_equal(plan_summary_read(cases[i].json, strlen(cases[i].json), &s, &err), ERR_PARSE);
		if (strstr(err.msg, cases[i].sentence) == NULL)
			fail_msg("<%s> says <%s>, wanted <%s>", cases[i].json, err.msg, cases[i].sentence);
		assert_int_equal(s.create, 77); /* untouched */
	}
}

static void written_and_read_again(void **state)
{
	static const char *const names[] = {"none", "create", "change", "moves", "sensitive", "destroy"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct plan_summary s, again;
		CLEANUP_BUF struct buf first = {0}, second = {0};
		read_fixture(names[i], &s);
		plan_summary_write(&s, &first);
		assert_int_equal(plan_summary_parse(first.data, first.len, &again, NULL), 0);
		plan_summary_write(&again, &second);
		assert_string_equal(first.data, second.data);
		CLEANUP_FREE char *a = changes(&s), *b = changes(&again);
		assert_string_equal(a, b);
		plan_summary_free(&s);
		plan_summary_free(&again);
	}
}

static void stored_form_is_checked(void **state)
{
	struct plan_summary s;
	struct err err = {0};
	CLEANUP_BUF struct buf good = {0};
	(void)state;
	read_fixture("change", &s);
	plan_summary_write(&s, &good);
	plan_summary_free(&s);
	assert_non_null(strstr(good.data, "\"kind\":\"replace\""));
	memcpy(strstr(good.data, "\"replace\",\"address\""), "\"replete\"", 9);
	assert_int_equal(plan_summary_parse(good.data, good.len, &s, &err), ERR_PARSE);
	assert_non_null(strstr(err.msg, "\"replete\" is not a kind of change"));
	for (size_t len = 0; len < good.len; len += 97)
		assert_int_equal(plan_summary_parse(good.data, len, &s, NULL), ERR_PARSE);
	static const char *const bad[] = {"{}", "null", "{\"create\":-1}", "{\"create\":\"1\"}"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(plan_summary_parse(bad[i], strlen(bad[i]), &s, NULL), ERR_PARSE);
}

/* No value of an attribute is kept in a summary, so neither is a sensitive one. */
static void holds_no_values(void **state)
{
	struct plan_summary s;
	CLEANUP_BUF struct buf out = {0};
	(void)state;
	read_fixture("sensitive", &s);
	plan_summary_write(&s, &out);
	plan_summary_free(&s);
	assert_null(strstr(out.data, "secret-value"));
	assert_null(strstr(out.data, "public-then"));
}

static void every_count_in_words(void **state)
{
	struct plan_summary s = {.create = 1, .update = 2, .replace = 3, .destroy = 4, .import = 5, .move = 6, .forget = 7, .outputs = 8, .drift = 9};
	(void)state;
	CLEANUP_FREE char *got = words(&s);
	assert_string_equal(got, "1 to add, 2 to change, 3 to replace, 4 to destroy, 5 to import, 6 to move, 7 to forget, 8 outputs change");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixtures),
		cmocka_unit_test(order_of_addresses),
		cmocka_unit_test(kinds),
		cmocka_unit_test(beside_resources),
		cmocka_unit_test(drift),
		cmocka_unit_test(refusals),
		cmocka_unit_test(written_and_read_again),
		cmocka_unit_test(stored_form_is_checked),
		cmocka_unit_test(holds_no_values),
		cmocka_unit_test(every_count_in_words),
	};
	return cmocka_run_group_tests_name("summary", tests, NULL, NULL);
}
