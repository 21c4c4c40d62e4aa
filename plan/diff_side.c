/* Sides of values inside a diff: what may be shown of them, and how in one line. */
#include "plan/diff_internal.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>

enum { NAME_WIDTH_MAX = 32 };

bool side_any_mark(const struct json *marks, unsigned depth)
{
	if (json_is_true(marks))
		return true;
	enum json_type type = json_type(marks);
	if (type != JSON_ARRAY && type != JSON_OBJECT)
		return false;
	if (depth >= DIFF_DEPTH_MAX)
		return true; /* not looked into: taken as marked */
	for (struct json e = json_first(marks); json_ok(&e); e = json_next(&e))
		if (side_any_mark(&e, depth + 1))
			return true;
	return false;
}

enum side_state side_state(const struct side *s)
{
	if (!json_ok(&s->value) && !json_is_true(&s->unknown))
		return SIDE_ABSENT;
	if (json_is_true(&s->sensitive))
		return SIDE_SENSITIVE;
	if (json_is_true(&s->unknown))
		return SIDE_UNKNOWN;
	if (json_type(&s->value) == JSON_NULL)
		return SIDE_ABSENT;
	const char *text = json_text(&s->value);
	return text != NULL && diff_secrets_touch(s->secrets, text) ? SIDE_SENSITIVE : SIDE_KNOWN;
}

static struct json mark_member(const struct json *marks, const char *key)
{
	return json_type(marks) == JSON_OBJECT ? json_member(marks, key) : json_is_true(marks) ? *marks : (struct json){0};
}

struct side side_member(const struct side *s, const char *key)
{
	return (struct side){
		.value = json_type(&s->value) == JSON_OBJECT ? json_member(&s->value, key) : (struct json){0},
		.unknown = mark_member(&s->unknown, key),
		.sensitive = mark_member(&s->sensitive, key),
		.secrets = s->secrets,
	};
}

bool side_same(const struct side *a, const struct side *b)
{
	enum side_state sa = side_state(a), sb = side_state(b);
	if (sa == SIDE_ABSENT || sb == SIDE_ABSENT)
		return side_is_boring(a, false) && side_is_boring(b, false);
	return json_same(&a->value, &b->value) && side_any_mark(&a->unknown, 0) == side_any_mark(&b->unknown, 0) &&
	       side_any_mark(&a->sensitive, 0) == side_any_mark(&b->sensitive, 0);
}

bool side_is_composite(const struct side *s)
{
	enum json_type type = json_type(&s->value);
	return side_state(s) == SIDE_KNOWN && (type == JSON_OBJECT || type == JSON_ARRAY) &&
	       (json_count(&s->value) > 0 ||
		(json_type(&s->unknown) == type && json_count(&s->unknown) > 0 && side_any_mark(&s->unknown, 0)));
}

bool side_is_string(const struct side *s) { return side_state(s) == SIDE_KNOWN && json_type(&s->value) == JSON_STRING; }

bool side_is_boring(const struct side *s, bool strings_too)
{
	enum json_type type = json_type(&s->value);
	if (side_state(s) == SIDE_ABSENT)
		return true;
	if (side_state(s) != SIDE_KNOWN || side_is_composite(s))
		return false;
	return type == JSON_OBJECT || type == JSON_ARRAY || (strings_too && type == JSON_STRING && json_text(&s->value)[0] == '\0');
}

static void put_composite(struct buf *out, const struct side *s)
{
	size_t n = json_count(&s->value);
	buf_printf(out, "(%zu %s%s)", n, json_type(&s->value) == JSON_ARRAY ? "element" : "attribute", n == 1 ? "" : "s");
}

void diff_put_flat(struct buf *out, const struct side *s, size_t from)
{
	switch (side_state(s)) {
	case SIDE_ABSENT: buf_adds(out, "null"); return;
	case SIDE_SENSITIVE: buf_adds(out, "(sensitive)"); return;
	case SIDE_UNKNOWN: buf_adds(out, "(known after apply)"); return;
	case SIDE_KNOWN: break;
	}
	if (json_type(&s->value) == JSON_STRING)
		diff_quote(out, json_text(&s->value), from);
	else if (side_is_composite(s))
		put_composite(out, s);
	else
		json_print(&s->value, out);
}

void diff_put_name(struct buf *out, const char *name)
{
	for (const char *p = name; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && *p != '_' && *p != '-') {
			json_quote(out, name, strlen(name));
			return;
		}
	buf_adds(out, name);
}

char *diff_label(const char *name, size_t width)
{
	struct buf label = {0};
	if (name != NULL) {
		diff_put_name(&label, name);
		while (label.len < width)
			buf_addc(&label, ' ');
		buf_adds(&label, " = ");
	}
	return buf_take(&label);
}

void diff_keys_collect(const struct json *obj, struct strlist *keys)
{
	if (json_type(obj) != JSON_OBJECT)
		return;
	for (struct json e = json_first(obj); json_ok(&e) && keys->n < 4 * DIFF_CHILDREN_MAX; e = json_next(&e))
		strlist_add(keys, json_key(&e));
}

void diff_keys_once(struct strlist *keys)
{
	size_t n = 0;
	strlist_sort(keys);
	for (size_t i = 0; i < keys->n; i++) {
		if (n > 0 && strcmp(keys->v[n - 1], keys->v[i]) == 0)
			free(keys->v[i]);
		else
			keys->v[n++] = keys->v[i];
	}
	keys->n = n;
}

size_t diff_name_width(const char *name, size_t width)
{
	CLEANUP_BUF struct buf text = {0};
	diff_put_name(&text, name);
	return text.len > width && text.len <= NAME_WIDTH_MAX ? text.len : width;
}
