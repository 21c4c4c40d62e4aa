/* Sensitive values turn up where no mark says so: a provider drops the marks of what it computes from them, as `terraform_data.output`
 * does. So the marked values are collected first, and a string that holds one of them is hidden wherever it stands. */
#include "plan/diff_internal.h"

#include "base/mem.h"

#include <string.h>

enum {
	SECRETS_MAX = 4096,
	WHOLE_MIN = 3,     /* a shorter value is no secret: "80", "eu" */
	CONTAINED_MIN = 6, /* a shorter one is looked for as a whole string only */
	SECRET_DEPTH_MAX = 64,
};

static void add_strings(struct diff_secrets *s, const struct json *value, unsigned depth)
{
	const char *text = json_text(value);
	if (s->hide_all || (text != NULL && strlen(text) < WHOLE_MIN))
		return;
	if (text != NULL) {
		if (s->v.n >= SECRETS_MAX)
			s->hide_all = true;
		else if (!strlist_has(&s->v, text))
			strlist_add(&s->v, text);
		return;
	}
	enum json_type type = json_type(value);
	if (type != JSON_OBJECT && type != JSON_ARRAY)
		return;
	if (depth >= SECRET_DEPTH_MAX) {
		s->hide_all = true;
		return;
	}
	for (struct json e = json_first(value); json_ok(&e); e = json_next(&e))
		add_strings(s, &e, depth + 1);
}

static void add_marked(struct diff_secrets *s, const struct json *value, const struct json *marks, unsigned depth)
{
	if (depth >= SECRET_DEPTH_MAX)
		s->hide_all = true;
	if (s->hide_all || !json_ok(value))
		return;
	if (json_is_true(marks)) {
		add_strings(s, value, depth);
	} else if (json_type(marks) == JSON_OBJECT && json_type(value) == JSON_OBJECT) {
		for (struct json m = json_first(marks); json_ok(&m); m = json_next(&m)) {
			struct json child = json_member(value, json_key(&m));
			add_marked(s, &child, &m, depth + 1);
		}
	} else if (json_type(marks) == JSON_ARRAY && json_type(value) == JSON_ARRAY) {
		struct json child = json_first(value);
		for (struct json m = json_first(marks); json_ok(&m) && json_ok(&child); m = json_next(&m)) {
			add_marked(s, &child, &m, depth + 1);
			child = json_next(&child);
		}
	}
}

static void add_change(struct diff_secrets *s, const struct json *change)
{
	struct json before = json_member(change, "before"), before_marks = json_member(change, "before_sensitive");
	struct json after = json_member(change, "after"), after_marks = json_member(change, "after_sensitive");
	add_marked(s, &before, &before_marks, 0);
	add_marked(s, &after, &after_marks, 0);
}

static void add_changes(struct diff_secrets *s, const struct json *root, const char *key, bool resources)
{
	struct json all = json_member(root, key);
	for (struct json e = json_first(&all); json_ok(&e); e = json_next(&e)) {
		struct json change = resources ? json_member(&e, "change") : e;
		add_change(s, &change);
	}
}

static void add_variables(struct diff_secrets *s, const struct json *root)
{
	struct json configuration = json_member(root, "configuration"), module = json_member(&configuration, "root_module");
	struct json declared = json_member(&module, "variables"), values = json_member(root, "variables");
	for (struct json v = json_first(&declared); json_ok(&v); v = json_next(&v)) {
		struct json sensitive = json_member(&v, "sensitive"), given = json_member(&values, json_key(&v));
		struct json value = json_member(&given, "value");
		if (json_is_true(&sensitive) && json_ok(&value))
			add_strings(s, &value, 0);
	}
}

void diff_secrets_collect(const struct json *root, struct diff_secrets *ret)
{
	*ret = (struct diff_secrets){0};
	add_changes(ret, root, "resource_changes", true);
	add_changes(ret, root, "resource_drift", true);
	add_changes(ret, root, "output_changes", false);
	add_variables(ret, root);
}

bool diff_secrets_touch(const struct diff_secrets *s, const char *text)
{
	if (s->hide_all)
		return true;
	for (size_t i = 0; i < s->v.n; i++)
		if (strlen(s->v.v[i]) >= CONTAINED_MIN ? strstr(text, s->v.v[i]) != NULL : strcmp(text, s->v.v[i]) == 0)
			return true;
	return false;
}
