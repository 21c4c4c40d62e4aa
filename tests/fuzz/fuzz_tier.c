/* Input: what a canary says from inside, or a report. Nothing but every answer as wanted is a full box, and a report says the same when read back. */
#include "runner/tier.h"
#include "tests/fuzz/fuzz.h"

#include "base/mem.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tier_report r, back;
	CLEANUP_BUF struct buf json = {0};
	CLEANUP_FREE char *text = xstrndup((const char *)data, size);
	if (tier_report_read(text, size, &r, NULL) == 0)
		tier_report_free(&r);
	if (size > 16384) /* the ceiling of a canary is of the same size */
		return 0;
	tier_judge(text, &r);
	if (r.tier != TIER_NONE)
		ASSERT(strstr(text, "end=yes") != NULL && strstr(text, "descriptors=none") != NULL &&
		       strstr(text, "capabilities=none") != NULL);
	ASSERT((r.tier == TIER_FULL) == (r.why == NULL));
	if (tier_report_write(&r, &json) == 0 && strlen(text) == size) {
		int rc = tier_report_read(json.data, json.len, &back, NULL);
		ASSERT(rc == 0 && back.tier == r.tier && back.n == r.n);
		tier_report_free(&back);
	}
	tier_report_free(&r);
	return 0;
}
