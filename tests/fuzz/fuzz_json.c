/* What json_scan() accepts, json_parse() reads (but for duplicate keys and huge numbers), prints, and reads again as the same. */
#include "base/json.h"
#include "base/mem.h"
#include "tests/fuzz/fuzz.h"

static void print_again(const struct json *root)
{
	CLEANUP_BUF struct buf text = {0};
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json again;
	struct err err = {0};
	json_print(root, &text);
	int rc = json_parse(text.data, text.len, NULL, &doc, &again, &err);
	ASSERT(rc == 0);
	ASSERT(json_same(root, &again));
}

static void walk(const struct json *j, int depth)
{
	for (struct json e = json_first(j); json_ok(&e) && depth > 0; e = json_next(&e)) {
		int64_t n;
		const char *s;
		struct err err;
		bool is_number = json_as_int(&e, INT64_MIN, INT64_MAX, &n, &err) == 0;
		bool is_text = json_as_str(&e, 10, &s, &err) == 0;
		ASSERT(!is_number || !is_text);
		walk(&e, depth - 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	struct err err = {0};
	const char *bytes = (const char *)data;
	int scanned = json_scan(bytes, size, NULL, &err);
	int parsed = json_parse(bytes, size, NULL, &doc, &root, &err);
	ASSERT(scanned != 0 || parsed == 0 || parsed == ERR_PARSE);
	ASSERT(scanned == 0 || parsed == scanned);
	if (scanned == 0 && parsed != 0)
		ASSERT(strstr(err.msg, "stands twice") != NULL || strstr(err.msg, "too large") != NULL);
	if (parsed != 0)
		return 0;
	walk(&root, 64);
	print_again(&root);
	return 0;
}
