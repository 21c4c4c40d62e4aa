/* The JSON form of the same language: *.tf.json, *.tofu.json. A block is an object keyed by its labels; at each level an array of such
 * objects means the same as several blocks. */
#include "plan/hcl.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"

typedef void (*member_cb)(const char *key, const struct json *value, struct hcl_facts *facts);

static void members_of_object(const struct json *object, member_cb fn, struct hcl_facts *facts)
{
	for (struct json e = json_first(object); json_ok(&e); e = json_next(&e))
		fn(json_key(&e), &e, facts);
}

static void members(const struct json *value, member_cb fn, struct hcl_facts *facts)
{
	if (json_type(value) == JSON_OBJECT)
		members_of_object(value, fn, facts);
	if (json_type(value) != JSON_ARRAY)
		return;
	for (struct json e = json_first(value); json_ok(&e); e = json_next(&e))
		if (json_type(&e) == JSON_OBJECT)
			members_of_object(&e, fn, facts);
}

static void on_module_member(const char *key, const struct json *value, struct hcl_facts *facts)
{
	const char *s = json_text(value);
	if (strcmp(key, "source") != 0 || s == NULL || strlen(s) > LIMIT_PATH_BYTES)
		return;
	if ((text_starts(s, "./") || text_starts(s, "../")) && strstr(s, "${") == NULL)
		hcl_note(facts, &facts->modules, s, strlen(s));
}

static void on_module(const char *key, const struct json *value, struct hcl_facts *facts)
{
	(void)key;
	members(value, on_module_member, facts);
}

static void on_backend(const char *key, const struct json *value, struct hcl_facts *facts)
{
	(void)value;
	hcl_note_backend(facts, key);
}

static void on_setting(const char *key, const struct json *value, struct hcl_facts *facts)
{
	if (strcmp(key, "backend") == 0)
		members(value, on_backend, facts);
	else
		hcl_note_terraform_block(facts, key, "");
}

static void on_resource(const char *key, const struct json *value, struct hcl_facts *facts)
{
	(void)value;
	hcl_note_block(facts, "resource", key);
}

static void on_top(const char *key, const struct json *value, struct hcl_facts *facts)
{
	if (strcmp(key, "terraform") == 0)
		members(value, on_setting, facts);
	else if (strcmp(key, "resource") == 0 || strcmp(key, "data") == 0 || strcmp(key, "ephemeral") == 0)
		members(value, on_resource, facts);
	else
		hcl_note_block(facts, key, "");
	if (strcmp(key, "module") == 0)
		members(value, on_module, facts);
}

/* Depth is bounded by the parser (LIMIT_JSON_DEPTH). A module's source was noted above and is found here again as a path: it is both. */
static void templates(const struct json *value, struct hcl_facts *facts)
{
	const char *s = json_text(value);
	if (s != NULL)
		hcl_scan_template(s, strlen(s), facts);
	if (json_type(value) != JSON_OBJECT && json_type(value) != JSON_ARRAY)
		return;
	for (struct json e = json_first(value); json_ok(&e); e = json_next(&e))
		templates(&e, facts);
}

bool hcl_scan_json(const char *bytes, size_t len, struct hcl_facts *facts)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	bool ok = len <= LIMIT_HCL_FILE_BYTES && json_parse(bytes, len, NULL, &doc, &root, NULL) == 0 && json_type(&root) == JSON_OBJECT;
	if (ok) {
		members(&root, on_top, facts);
		templates(&root, facts);
	}
	ok = ok && !facts->too_many;
	facts->needs_init |= !ok;
	return ok;
}
