/* The order and the answer of `sluice fetch` as JSON. */
#include "base/json.h"
#include "base/limits.h"
#include "runner/fetch_priv.h"

enum { TEXT_MAX = 256 * 1024 };

/* One row per text member, for both directions. */
static const struct {
	const char *key;
	size_t offset;
	bool required;
} order_texts[] = {
	{"data_dir", offsetof(struct fetch_order, data_dir), true},
	{"mirror_dir", offsetof(struct fetch_order, mirror_dir), false},
	{"provider_allow", offsetof(struct fetch_order, provider_allow), false},
	{"egress", offsetof(struct fetch_order, egress), false},
	{"egress_deny", offsetof(struct fetch_order, egress_deny), false},
	{"job_dir", offsetof(struct fetch_order, job_dir), false},
	{"ca_file", offsetof(struct fetch_order, ca_file), false},
	{"engine_path", offsetof(struct fetch_order, engine_path), true},
	{"engine_version", offsetof(struct fetch_order, engine_version), false},
	{"tree_dir", offsetof(struct fetch_order, tree_dir), true},
	{"dir", offsetof(struct fetch_order, dir), true},
	{"lock_file", offsetof(struct fetch_order, lock_file), false},
	{"modules", offsetof(struct fetch_order, modules), false},
	{"job_init", offsetof(struct fetch_order, job_init), false},
};

static char **text_of(const struct fetch_order *o, size_t i)
{
	return (char **)((uintptr_t)o + order_texts[i].offset);
}

void fetch_order_write(const struct fetch_order *o, struct buf *out)
{
	struct json_writer w = json_writer(out);
	jw_open(&w, NULL);
	for (size_t i = 0; i < ARRAY_LEN(order_texts); i++)
		jw_str(&w, order_texts[i].key, *text_of(o, i));
	jw_str(&w, "engine", engine_row(o->engine)->name);
	jw_bool(&w, "download", o->download);
	jw_int(&w, "isolation_min", (int64_t)o->isolation_min);
	jw_int(&w, "timeout_ms", o->timeout_ms);
	jw_close(&w);
}

static int read_engine(const struct json *root, enum engine_kind *ret, struct err *err)
{
	const char *name = NULL;
	int rc = json_str(root, "engine", LIMIT_NAME_BYTES, &name, err);
	for (int k = 0; rc == 0 && k < ENGINE_KINDS; k++)
		if (k != ENGINE_NONE && strcmp(engine_row((enum engine_kind)k)->name, name) == 0) {
			*ret = (enum engine_kind)k;
			return 0;
		}
	return rc != 0 ? rc : err_set(err, ERR_PARSE, "engine: there is no engine %s", name);
}

int fetch_order_read(const char *json, size_t len, struct fetch_order *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	struct fetch_order o = {0};
	int64_t tier = 0;
	int rc = json_parse(json, len, NULL, &doc, &root, err);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(order_texts); i++) {
		const char *s = NULL;
		rc = order_texts[i].required ? json_str(&root, order_texts[i].key, TEXT_MAX, &s, err)
					     : json_str_opt(&root, order_texts[i].key, TEXT_MAX, NULL, &s, err);
		if (rc == 0)
			*text_of(&o, i) = xstrdup(s);
	}
	if (rc == 0)
		rc = read_engine(&root, &o.engine, err);
	if (rc == 0)
		rc = json_bool(&root, "download", &o.download, err);
	if (rc == 0)
		rc = json_int(&root, "isolation_min", 0, TIERS - 1, &tier, err);
	if (rc == 0)
		rc = json_int(&root, "timeout_ms", 0, INT64_C(1) << 40, &o.timeout_ms, err);
	if (rc != 0) {
		fetch_order_free(&o);
		return err_wrap(err, "order of a fetch");
	}
	o.isolation_min = (enum tier)tier;
	*ret = o;
	return 0;
}

static const char *const traffic_keys[] = {"connections", "refused", "bytes_out", "bytes_in"};

static int64_t *traffic_of(const struct fetch_traffic *t, size_t i)
{
	const int64_t *const members[] = {&t->connections, &t->refused, &t->bytes_out, &t->bytes_in};
	return (int64_t *)(uintptr_t)members[i];
}

void fetch_answer_write(int rc, const struct fetch_result *r, const struct err *e, struct buf *out)
{
	struct json_writer w = json_writer(out);
	jw_open(&w, NULL);
	jw_int(&w, "code", rc);
	for (size_t i = 0; i < ARRAY_LEN(traffic_keys); i++)
		jw_int(&w, traffic_keys[i], *traffic_of(&r->traffic, i));
	if (rc != 0) {
		jw_str(&w, "error", e->msg);
		jw_close(&w);
		return;
	}
	jw_str(&w, "store_dir", r->store_dir);
	jw_str(&w, "lock_text", r->lock_text);
	jw_str(&w, "modules", r->modules);
	jw_str(&w, "modules_dir", r->modules_dir);
	jw_int(&w, "downloads", r->downloads);
	jw_open_arr(&w, "notes");
	for (size_t i = 0; i < r->notes.n; i++)
		jw_str(&w, NULL, r->notes.v[i]);
	jw_close_arr(&w);
	jw_close(&w);
}

static int read_notes(const struct json *root, struct strlist *ret, struct err *err)
{
	struct json list;
	size_t n;
	int rc = json_arr(root, "notes", &list, &n, err);
	for (struct json e = json_first(&list); rc == 0 && json_ok(&e); e = json_next(&e)) {
		const char *s = NULL;
		rc = json_as_str(&e, TEXT_MAX, &s, err);
		if (rc == 0)
			strlist_add(ret, s);
	}
	return rc;
}

static int read_result(const struct json *root, struct fetch_result *r, struct err *err)
{
	const char *const keys[] = {"store_dir", "lock_text", "modules", "modules_dir"};
	char **const to[] = {&r->store_dir, &r->lock_text, &r->modules, &r->modules_dir};
	int rc = json_int(root, "downloads", 0, INT32_MAX, &r->downloads, err);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(keys); i++) {
		const char *s = NULL;
		rc = json_str_opt(root, keys[i], LIMIT_LOCK_FILE_BYTES * 2, NULL, &s, err);
		if (rc == 0)
			*to[i] = xstrdup(s);
	}
	return rc == 0 ? read_notes(root, &r->notes, err) : rc;
}

int fetch_answer_read(const char *json, size_t len, struct fetch_result *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	struct fetch_result r = {0};
	int64_t code = 0;
	const char *why = NULL;
	int rc = json_parse(json, len, NULL, &doc, &root, err);
	if (rc == 0)
		rc = json_int(&root, "code", INT32_MIN, 0, &code, err);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(traffic_keys); i++)
		rc = json_int(&root, traffic_keys[i], 0, INT64_C(1) << 52, traffic_of(&r.traffic, i), err);
	ret->traffic = r.traffic;
	if (rc == 0 && code != 0) {
		rc = json_str(&root, "error", ERR_MSG_MAX, &why, err);
		return rc == 0 ? err_set(err, (int)code, "%s", why) : rc;
	}
	if (rc == 0)
		rc = read_result(&root, &r, err);
	if (rc != 0) {
		fetch_result_free(&r);
		return err_wrap(err, "answer of a fetch");
	}
	*ret = r;
	return 0;
}
