/* A summary as JSON and back: what the database keeps of a plan for display. Holds no values of attributes, so nothing sensitive. */
#include "plan/plan_json.h"


#include <stddef.h>
#include <string.h>

enum { TEXT_MAX = 1024 * 1024 };

static const struct {
	const char *key;
	size_t offset;
} counts[] = {
	{"create", offsetof(struct plan_summary, create)},   {"update", offsetof(struct plan_summary, update)},
	{"replace", offsetof(struct plan_summary, replace)}, {"destroy", offsetof(struct plan_summary, destroy)},
	{"import", offsetof(struct plan_summary, import)},   {"move", offsetof(struct plan_summary, move)},
	{"forget", offsetof(struct plan_summary, forget)},   {"outputs", offsetof(struct plan_summary, outputs)},
	{"drift", offsetof(struct plan_summary, drift)},
};

static void write_list(struct json_writer *w, const char *key, const struct strlist *l)
{
	jw_open_arr(w, key);
	for (size_t i = 0; i < l->n; i++)
		jw_str(w, NULL, l->v[i]);
	jw_close_arr(w);
}

static void write_change(struct json_writer *w, const struct plan_change *c)
{
	jw_open(w, NULL);
	jw_str(w, "kind", change_kind_name(c->kind));
	jw_str(w, "address", c->address);
	jw_str(w, "type", c->type);
	if (c->imported)
		jw_bool(w, "imported", true);
	if (c->moved)
		jw_bool(w, "moved", true);
	if (c->create_before_destroy)
		jw_bool(w, "create_before_destroy", true);
	if (c->previous_address != NULL)
		jw_str(w, "previous_address", c->previous_address);
	if (c->import_id != NULL)
		jw_str(w, "import_id", c->import_id);
	if (c->reason != NULL)
		jw_str(w, "reason", c->reason);
	if (c->forces.n > 0)
		write_list(w, "forces", &c->forces);
	jw_close(w);
}

void plan_summary_write(const struct plan_summary *s, struct buf *out)
{
	struct json_writer w = json_writer(out);
	jw_open(&w, NULL);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		int64_t n;
		memcpy(&n, (const char *)s + counts[i].offset, sizeof(n));
		jw_int(&w, counts[i].key, n);
	}
	jw_str(&w, "engine_version", s->engine_version != NULL ? s->engine_version : "");
	jw_bool(&w, "applyable", s->applyable);
	write_list(&w, "drifted", &s->drifted);
	jw_open_arr(&w, "changes");
	for (size_t i = 0; i < s->changes_n; i++)
		write_change(&w, &s->changes[i]);
	jw_close_arr(&w);
	jw_close(&w);
}

static int read_list(const struct json *obj, const char *key, struct strlist *ret, struct err *err)
{
	struct json array;
	size_t n;
	int rc = json_arr_opt(obj, key, &array, &n, err);
	if (rc != 0)
		return rc;
	for (struct json e = json_first(&array); json_ok(&e); e = json_next(&e)) {
		const char *text;
		rc = json_as_str(&e, TEXT_MAX, &text, err);
		if (rc != 0)
			return rc;
		strlist_add(ret, text);
	}
	return 0;
}

static int read_text(const struct json *obj, const char *key, char **ret, struct err *err)
{
	const char *text;
	int rc = json_str_opt(obj, key, TEXT_MAX, NULL, &text, err);
	if (rc == 0)
		*ret = xstrdup(text);
	return rc;
}

static int read_kind(const struct json *obj, enum change_kind *ret, struct err *err)
{
	const char *name;
	int rc = json_str(obj, "kind", 16, &name, err);
	if (rc != 0)
		return rc;
	for (int k = CHANGE_REPLACE; k <= CHANGE_NOOP; k++)
		if (strcmp(change_kind_name((enum change_kind)k), name) == 0) {
			*ret = (enum change_kind)k;
			return 0;
		}
	return err_set(err, ERR_PARSE, "%s.kind: \"%s\" is not a kind of change", obj->path, name);
}

static int read_change(const struct json *obj, struct plan_change *c, struct err *err)
{
	const char *address, *type;
	int rc = read_kind(obj, &c->kind, err);
	if (rc != 0 || (rc = json_str(obj, "address", TEXT_MAX, &address, err)) != 0)
		return rc;
	c->address = xstrdup(address);
	if ((rc = json_str(obj, "type", TEXT_MAX, &type, err)) != 0)
		return rc;
	c->type = xstrdup(type);
	if ((rc = json_bool_opt(obj, "imported", false, &c->imported, err)) != 0 ||
	    (rc = json_bool_opt(obj, "moved", false, &c->moved, err)) != 0 ||
	    (rc = json_bool_opt(obj, "create_before_destroy", false, &c->create_before_destroy, err)) != 0 ||
	    (rc = read_text(obj, "previous_address", &c->previous_address, err)) != 0 ||
	    (rc = read_text(obj, "import_id", &c->import_id, err)) != 0 || (rc = read_text(obj, "reason", &c->reason, err)) != 0)
		return rc;
	return read_list(obj, "forces", &c->forces, err);
}

static int read_changes(const struct json *root, struct plan_summary *s, struct err *err)
{
	struct json array;
	size_t n;
	int rc = json_arr(root, "changes", &array, &n, err);
	if (rc != 0)
		return rc;
	s->changes = xcalloc(n + 1, sizeof(*s->changes));
	for (struct json e = json_first(&array); json_ok(&e) && rc == 0; e = json_next(&e))
		rc = read_change(&e, &s->changes[s->changes_n++], err);
	return rc;
}

static int read_summary(const struct json *root, struct plan_summary *s, struct err *err)
{
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(counts) && rc == 0; i++) {
		int64_t n = 0;
		rc = json_int(root, counts[i].key, 0, INT32_MAX, &n, err);
		memcpy((char *)s + counts[i].offset, &n, sizeof(n));
	}
	if (rc != 0 || (rc = read_text(root, "engine_version", &s->engine_version, err)) != 0 ||
	    (rc = json_bool(root, "applyable", &s->applyable, err)) != 0 || (rc = read_list(root, "drifted", &s->drifted, err)) != 0)
		return rc;
	return read_changes(root, s, err);
}

int plan_summary_parse(const char *json, size_t len, struct plan_summary *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	struct plan_summary s = {0};
	int rc = json_parse(json, len, NULL, &doc, &root, err);
	if (rc == 0)
		rc = read_summary(&root, &s, err);
	if (rc != 0) {
		plan_summary_free(&s);
		(void)err_wrap(err, "plan summary"); /* returns rc, but not without err */
		return rc;
	}
	*ret = s;
	return 0;
}
