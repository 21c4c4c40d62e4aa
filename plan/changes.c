#include "plan/changes.h"

#include "base/crypto.h"
#include "plan/plan_json.h"

#include <string.h>

enum { VALUE_DEPTH_MAX = 256 };
static const char version[] = "sluice changes v1\n";

struct canon {
	struct buf out;
	const char *now; /* when the plan was made, as `plantimestamp()` gave it; NULL */
	bool deep;       /* a value is nested deeper than it may be */
};

static void quote(struct canon *c, const char *text)
{
	const char *at = c->now != NULL ? strstr(text, c->now) : NULL;
	if (at == NULL) {
		json_quote(&c->out, text, strlen(text));
		return;
	}
	CLEANUP_BUF struct buf b = {0};
	for (; at != NULL; at = strstr(text, c->now)) {
		buf_add(&b, text, (size_t)(at - text));
		buf_adds(&b, "(plan timestamp)");
		text = at + strlen(c->now);
	}
	buf_adds(&b, text);
	json_quote(&c->out, b.data, b.len);
}

static int by_key(const void *a, const void *b) { return strcmp(json_key(a), json_key(b)); }

/* Members in the order of their names; the caller frees. */
static struct json *sorted(const struct json *obj, size_t *ret_n)
{
	size_t n = 0;
	struct json *v = xcalloc(json_count(obj) + 1, sizeof(*v));
	for (struct json e = json_first(obj); json_ok(&e); e = json_next(&e))
		v[n++] = e;
	qsort(v, n, sizeof(*v), by_key);
	*ret_n = n;
	return v;
}

/* JSON with sorted names. Nothing is {}: a missing value and null are the same to an engine. */
static void value(struct canon *c, const struct json *j, unsigned depth)
{
	if (depth > VALUE_DEPTH_MAX) {
		c->deep = true;
		return;
	}
	switch (json_type(j)) {
	case JSON_MISSING:
	case JSON_NULL: buf_adds(&c->out, "null"); break;
	case JSON_STRING: quote(c, json_text(j)); break;
	case JSON_BOOL:
	case JSON_NUMBER: json_print(j, &c->out); break;
	case JSON_ARRAY:
		buf_addc(&c->out, '[');
		for (struct json e = json_first(j); json_ok(&e); e = json_next(&e)) {
			value(c, &e, depth + 1);
			buf_addc(&c->out, ',');
		}
		buf_addc(&c->out, ']');
		break;
	case JSON_OBJECT: {
		size_t n;
		CLEANUP_FREE struct json *v = sorted(j, &n);
		buf_addc(&c->out, '{');
		for (size_t i = 0; i < n; i++) {
			quote(c, json_key(&v[i]));
			buf_addc(&c->out, ':');
			value(c, &v[i], depth + 1);
			buf_addc(&c->out, ',');
		}
		buf_addc(&c->out, '}');
		break;
	}
	}
}

/* Where marks are true, as paths: false, {}, [] and [{}] all mark nothing. */
static void marks(struct canon *c, const struct json *j, const char *path, unsigned depth)
{
	if (depth > VALUE_DEPTH_MAX) {
		c->deep = true;
	} else if (json_is_true(j)) {
		buf_printf(&c->out, "%s\n", path);
	} else if (json_type(j) == JSON_ARRAY) {
		size_t i = 0;
		for (struct json e = json_first(j); json_ok(&e); e = json_next(&e)) {
			CLEANUP_FREE char *below = xasprintf("%s[%zu]", path, i++);
			marks(c, &e, below, depth + 1);
		}
	} else if (json_type(j) == JSON_OBJECT) {
		size_t n;
		CLEANUP_FREE struct json *v = sorted(j, &n);
		for (size_t i = 0; i < n; i++) {
			CLEANUP_BUF struct buf name = {0};
			json_quote(&name, json_key(&v[i]), strlen(json_key(&v[i])));
			CLEANUP_FREE char *below = xasprintf("%s.%s", path, buf_str(&name));
			marks(c, &v[i], below, depth + 1);
		}
	}
}

/* Paths that force a replacement come in any order. */
static void paths(struct canon *c, const struct json *list)
{
	struct strlist all = {0};
	for (struct json path = json_first(list); json_ok(&path); path = json_next(&path)) {
		struct canon one = {0};
		value(&one, &path, 0);
		strlist_take(&all, buf_take(&one.out));
		c->deep = c->deep || one.deep;
	}
	strlist_sort(&all);
	for (size_t i = 0; i < all.n; i++)
		buf_printf(&c->out, "%s\n", all.v[i]);
	strlist_free(&all);
}

static void member(struct canon *c, const char *name, const struct json *obj, void (*write)(struct canon *c, const struct json *j))
{
	struct json j = json_member(obj, name);
	buf_printf(&c->out, "%s=", name);
	write(c, &j);
	buf_addc(&c->out, '\n');
}

static void as_value(struct canon *c, const struct json *j) { value(c, j, 0); }
static void as_marks(struct canon *c, const struct json *j) { marks(c, j, "", 0); }

static void change(struct canon *c, const struct json *j)
{
	static const char *const values[] = {"actions", "before", "after", "importing", "generated_config", "before_identity", "after_identity"};
	static const char *const marked[] = {"after_unknown", "before_sensitive", "after_sensitive"};
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		member(c, values[i], j, as_value);
	for (size_t i = 0; i < ARRAY_LEN(marked); i++)
		member(c, marked[i], j, as_marks);
	member(c, "replace_paths", j, paths);
}

/* What is collected so far becomes one line; lines are sorted in the end, so that order does not count. */
static void end_item(struct canon *c, struct strlist *lines)
{
	char hex[2 * SHA256_SIZE + 1];
	crypto_sha256_hex(buf_str(&c->out), c->out.len, hex);
	strlist_add(lines, hex);
	buf_reset(&c->out);
}

static bool text_is(const struct json *j, const char *want)
{
	const char *text = json_text(j);
	return text != NULL && strcmp(text, want) == 0;
}

static bool is_moved(const struct json *element)
{
	struct json from = json_member(element, "previous_address"), at = json_member(element, "address");
	return json_text(&from) != NULL && !text_is(&at, json_text(&from));
}

/* Nothing happens to it: a no-op that neither imports nor moves. */
static bool is_still(const struct json *element, const struct json *change, const struct plan_action *action)
{
	struct json importing = json_member(change, "importing");
	return action->kind == CHANGE_NOOP && json_type(&importing) != JSON_OBJECT && !is_moved(element);
}

static int resources(struct canon *c, const struct json *root, struct strlist *lines, struct err *err)
{
	static const char *const members[] = {"address", "mode", "deposed", "provider_name", "action_reason"};
	struct json all = json_member(root, "resource_changes");
	for (struct json e = json_first(&all); json_ok(&e); e = json_next(&e)) {
		struct json what = json_member(&e, "change");
		const struct plan_action *action;
		int rc = plan_json_action(&what, &action, err);
		if (rc != 0)
			return rc;
		if (is_still(&e, &what, action))
			continue;
		buf_adds(&c->out, "resource\n");
		for (size_t i = 0; i < ARRAY_LEN(members); i++)
			member(c, members[i], &e, as_value);
		if (is_moved(&e))
			member(c, "previous_address", &e, as_value);
		change(c, &what);
		end_item(c, lines);
	}
	return 0;
}

static void outputs(struct canon *c, const struct json *root, struct strlist *lines)
{
	struct json all = json_member(root, "output_changes");
	for (struct json e = json_first(&all); json_ok(&e); e = json_next(&e)) {
		if (!plan_output_changes(&e))
			continue;
		buf_adds(&c->out, "output\n");
		json_quote(&c->out, json_key(&e), strlen(json_key(&e)));
		buf_addc(&c->out, '\n');
		change(c, &e);
		end_item(c, lines);
	}
}

/* Lists whose elements count as they are. */
static void others(struct canon *c, const struct json *root, struct strlist *lines)
{
	static const char *const lists[] = {"action_invocations", "deferred_changes", "deferred_action_invocations"};
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct json all = json_member(root, lists[i]);
		for (struct json e = json_first(&all); json_ok(&e); e = json_next(&e)) {
			buf_printf(&c->out, "%s\n", lists[i]);
			value(c, &e, 0);
			end_item(c, lines);
		}
	}
}

static void finish(struct strlist *lines, char ret[CHANGES_HEX + 1])
{
	CLEANUP_BUF struct buf all = {0};
	strlist_sort(lines);
	buf_adds(&all, version);
	for (size_t i = 0; i < lines->n; i++)
		buf_printf(&all, "%s\n", lines->v[i]);
	crypto_sha256_hex(all.data, all.len, ret);
}

int plan_changes_digest(const char *plan_json, size_t len, char ret[CHANGES_HEX + 1], struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	struct strlist lines = {0};
	int rc = plan_json_open(plan_json, len, &doc, &root, err);
	if (rc != 0)
		return rc;
	struct json now = json_member(&root, "timestamp");
	struct canon c = {.now = json_text(&now)};
	if (c.now != NULL && strlen(c.now) < 10) /* no time at all: nothing is taken for it */
		c.now = NULL;
	rc = resources(&c, &root, &lines, err);
	if (rc == 0) {
		outputs(&c, &root, &lines);
		others(&c, &root, &lines);
		if (c.deep || buf_failed(&c.out))
			rc = err_set(err, ERR_LIMIT, "plan JSON: a value is nested deeper than %d levels, or larger than can be compared", VALUE_DEPTH_MAX);
	}
	if (rc == 0)
		finish(&lines, ret);
	buf_free(&c.out);
	strlist_free(&lines);
	return rc;
}
