#include "runner/state_facts.h"

#include "base/json.h"
#include "base/limits.h"

#include <stdio.h>

enum { STATE_FORMAT = 4 };

/* Deeper than the ceiling for bytes from the network: a state that is refused here would be lost. */
static const struct json_limits limits = {.depth = JSON_DEPTH_MAX};

int state_facts_read(const char *json, size_t len, struct state_facts *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int64_t format = 0, serial = 0;
	const char *lineage = NULL;
	int rc = len > LIMIT_STATE_BYTES ? err_set(err, ERR_LIMIT, "larger than %u bytes", LIMIT_STATE_BYTES) : 0;
	if (rc == 0)
		rc = json_parse(json, len, &limits, &doc, &root, err);
	if (rc == 0)
		rc = json_int(&root, "version", 0, INT32_MAX, &format, err);
	if (rc == 0 && format != STATE_FORMAT)
		rc = err_set(err, ERR_PARSE, "format version %lld, %d is understood", (long long)format, STATE_FORMAT);
	if (rc == 0)
		rc = json_int(&root, "serial", 0, INT64_C(1) << 53, &serial, err);
	if (rc == 0)
		rc = json_str(&root, "lineage", sizeof(ret->lineage) - 1, &lineage, err);
	if (rc != 0)
		return err_wrap(err, "state");
	ret->serial = serial;
	(void)snprintf(ret->lineage, sizeof(ret->lineage), "%s", lineage);
	return 0;
}

static void add_address(const struct json *resource, const struct json *instance, struct buf *line)
{
	struct json module = json_member(resource, "module"), type = json_member(resource, "type"), name = json_member(resource, "name");
	struct json key = json_member(instance, "index_key");
	if (json_text(&type) == NULL || json_text(&name) == NULL)
		return;
	if (json_text(&module) != NULL)
		buf_printf(line, "%s.", json_text(&module));
	buf_printf(line, "%s.%s", json_text(&type), json_text(&name));
	if (json_type(&key) == JSON_STRING || json_type(&key) == JSON_NUMBER) {
		buf_addc(line, '[');
		json_print(&key, line);
		buf_addc(line, ']');
	}
}

void state_facts_addresses(const char *json, size_t len, size_t max, struct buf *out)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	if (json_parse(json, len, &limits, &doc, &root, NULL) != 0)
		return; /* the caller has read it once; nothing is lost but a sentence */
	struct json resources = json_member(&root, "resources");
	for (struct json r = json_first(&resources); json_ok(&r); r = json_next(&r)) {
		struct json mode = json_member(&r, "mode"), instances = json_member(&r, "instances");
		if (json_text(&mode) == NULL || strcmp(json_text(&mode), "managed") != 0)
			continue;
		for (struct json i = json_first(&instances); json_ok(&i); i = json_next(&i)) {
			CLEANUP_BUF struct buf line = {0};
			add_address(&r, &i, &line);
			if (line.len == 0 || out->len + line.len + 1 > max)
				continue;
			buf_printf(out, "%s%s", out->len != 0 ? "\n" : "", buf_str(&line));
		}
	}
}
