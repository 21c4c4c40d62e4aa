/* Input: the first bytes of a connection from a job. However they are cut, the answer is the same, and what is taken is a host name and a port. */
#include "runner/egress_priv.h"
#include "tests/fuzz/fuzz.h"

static int feed(const char *bytes, size_t size, size_t step, struct egress_head *h)
{
	int rc = 0;
	*h = (struct egress_head){0};
	for (size_t n = step < size ? step : size; rc == 0; n = size - n > step ? n + step : size) {
		const char *why = NULL;
		rc = egress_head_read(h, bytes, n, &why);
		ASSERT(rc >= 0 || why != NULL);
		if (n == size)
			break;
	}
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct egress_head whole, single;
	if (size == 0 || size > 2 * LIMIT_EGRESS_HEAD_BYTES)
		return 0;
	int rc = feed((const char *)data, size, size, &whole);
	ASSERT(rc == feed((const char *)data, size, 1, &single));
	ASSERT(rc >= -505 && rc <= LIMIT_EGRESS_HEAD_BYTES && (rc >= 0 || rc <= -400));
	if (rc <= 0)
		return 0;
	char again[HOST_MAX + 1];
	ASSERT((size_t)rc <= size && memcmp(data + rc - 4, "\r\n\r\n", 4) == 0 && memchr(data, 0, (size_t)rc) == NULL);
	ASSERT(strcmp(whole.host, single.host) == 0 && whole.port == single.port && whole.port > 0);
	ASSERT(egress_host_read(whole.host, strlen(whole.host), false, again) == NULL && strcmp(again, whole.host) == 0);
	return 0;
}
