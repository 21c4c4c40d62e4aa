#include "runner/state_facts.h"

#include "base/json.h"
#include "base/limits.h"

#include <stdio.h>

enum { STATE_FORMAT = 4 };

int state_facts_read(const char *json, size_t len, struct state_facts *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int64_t format = 0, serial = 0;
	const char *lineage = NULL;
	int rc = len > LIMIT_STATE_BYTES ? err_set(err, ERR_LIMIT, "larger than %u bytes", LIMIT_STATE_BYTES) : 0;
	if (rc == 0)
		rc = json_parse(json, len, NULL, &doc, &root, err);
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
