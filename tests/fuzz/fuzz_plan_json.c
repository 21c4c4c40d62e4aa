#include "tests/fuzz/fuzz.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "plan/changes.h"
#include "plan/summary.h"

/* What is read can be written and read again; a diff is clean lines below its limit. */
static void check_summary(const struct plan_summary *s)
{
	CLEANUP_BUF struct buf once = {.max = SIZE_MAX}, twice = {.max = SIZE_MAX};
	struct plan_summary again = {0};
	plan_summary_write(s, &once);
	if (plan_summary_parse(buf_str(&once), once.len, &again, NULL) == 0) {
		plan_summary_write(&again, &twice);
		ASSERT(strcmp(buf_str(&once), buf_str(&twice)) == 0);
	}
	plan_summary_free(&again);
}

static void check_diff(const char *text, size_t len)
{
	CLEANUP_BUF struct buf clean = {.max = SIZE_MAX};
	ASSERT(len <= LIMIT_DIFF_BYTES && (len == 0 || text[len - 1] == '\n'));
	text_clean(&clean, text, len);
	ASSERT(clean.len == len);
	for (size_t i = 0; i < len; i++)
		ASSERT((i > 0 && text[i - 1] != '\n') || strchr("#+-! \n", text[i]) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plan_summary s = {0};
	struct err err = {0};
	CLEANUP_BUF struct buf diff = {.max = SIZE_MAX};
	char changes[CHANGES_HEX + 1];
	const char *bytes = (const char *)data;
	int rc = plan_summary_read(bytes, size, &s, &err);
	ASSERT((rc == 0) == (err.code == 0));
	if (rc == 0) /* what can be shown can be compared */
		ASSERT(plan_changes_digest(bytes, size, changes, &err) == 0 && strlen(changes) == CHANGES_HEX);
	if (rc == 0)
		check_summary(&s);
	plan_summary_free(&s);
	int diff_rc = plan_diff(bytes, size, &diff, NULL);
	ASSERT((rc == 0) == (diff_rc == 0));
	check_diff(buf_str(&diff), diff.len);
	if (plan_summary_parse(bytes, size, &s, NULL) == 0)
		check_summary(&s);
	plan_summary_free(&s);
	return 0;
}
