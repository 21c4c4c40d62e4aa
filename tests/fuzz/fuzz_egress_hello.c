/* Input: what a job writes after the 200. However it is cut, the answer is the same; a name that is taken is a host name that stands in the bytes. */
#include "base/text.h"
#include "runner/egress_priv.h"
#include "tests/fuzz/fuzz.h"

struct outcome {
	enum egress_hello_is is;
	size_t used;
	char name[HOST_MAX + 1];
};

/* step 0: steps of changing length */
static struct outcome feed(const uint8_t *data, size_t size, size_t step)
{
	struct egress_hello h = {0};
	struct outcome o = {.is = HELLO_MORE};
	for (size_t at = 0, round = 1; at < size && o.is == HELLO_MORE; round = round * 5 + 1) {
		size_t n = step > 0 ? step : round % 97 + 1, used = 0;
		if (n > size - at)
			n = size - at;
		CLEANUP_FREE uint8_t *copy = xmalloc(n);
		memcpy(copy, data + at, n);
		o.is = egress_hello_read(&h, copy, n, &used);
		ASSERT(used <= n && (o.is != HELLO_MORE || used == n));
		o.used += used;
		at += n;
	}
	ASSERT(h.message.len <= LIMIT_EGRESS_HELLO_BYTES);
	memcpy(o.name, h.name, sizeof(o.name));
	egress_hello_free(&h);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 3 * LIMIT_EGRESS_HELLO_BYTES)
		return 0;
	struct outcome whole = feed(data, size, size > 0 ? size : 1), odd = feed(data, size, 0), single = feed(data, size, 1);
	ASSERT(whole.is == odd.is && whole.is == single.is);
	if (whole.is != HELLO_OK)
		return 0;
	char again[HOST_MAX + 1];
	ASSERT(whole.used == odd.used && whole.used == single.used && whole.used <= LIMIT_EGRESS_HELLO_BYTES);
	ASSERT(strcmp(whole.name, odd.name) == 0 && strcmp(whole.name, single.name) == 0);
	ASSERT(egress_host_read(whole.name, strlen(whole.name), false, again) == NULL && strcmp(again, whole.name) == 0);
	size_t len = strlen(whole.name);
	bool found = whole.used > 2000; /* records may cut it: only looked for in what is most likely one record */
	for (size_t i = 0; i + len <= whole.used && !found; i++) {
		CLEANUP_FREE char *here = xstrndup((const char *)data + i, len);
		found = strlen(here) == len && text_same_case(here, whole.name);
	}
	ASSERT(found || data[3] != (whole.used - 5) >> 8 || data[4] != ((whole.used - 5) & 0xff));
	return 0;
}
