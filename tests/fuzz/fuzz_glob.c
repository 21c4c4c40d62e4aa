/* Input: a pattern, a line end, a text. The matcher agrees with the plainest recursive one wherever that finishes. */
#include "base/glob.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/fuzz/fuzz.h"

/* Only ASCII patterns without classes and escapes; -1 when the budget is used up. p0 is where the pattern began. */
static int slow_match(const char *p0, const char *p, const char *t, int *budget)
{
	if (--*budget < 0)
		return -1;
	if (*p == '\0')
		return *t == '\0';
	if (p[0] == '*' && p[1] == '*') {
		bool between = p[2] == '/' && (p == p0 || p[-1] == '/');
		if (between) {
			int rc = slow_match(p0, p + 3, t, budget);
			for (const char *s = t; rc == 0 && *s != '\0'; s++)
				if (*s == '/')
					rc = slow_match(p0, p + 3, s + 1, budget);
			return rc;
		}
		int rc = slow_match(p0, p + 2, t, budget);
		for (const char *s = t; rc == 0 && *s != '\0'; s++)
			rc = slow_match(p0, p + 2, s + 1, budget);
		return rc;
	}
	if (*p == '*') {
		int rc = slow_match(p0, p + 1, t, budget);
		for (const char *s = t; rc == 0 && *s != '\0' && *s != '/'; s++)
			rc = slow_match(p0, p + 1, s + 1, budget);
		return rc;
	}
	if (*t == '\0' || (*p == '?' ? *t == '/' : *p != *t))
		return 0;
	return slow_match(p0, p + 1, t + 1, budget);
}

static bool is_ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s >= 0x80)
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *pattern = xstrndup((const char *)data, size);
	char *text = strchr(pattern, '\n');
	if (text == NULL)
		return 0;
	*text++ = '\0';
	if (glob_check(pattern, NULL) != 0)
		return 0;
	bool matched = glob_match(pattern, text, 0);
	(void)glob_match(pattern, text, GLOB_ICASE); /* only that it does not crash */
	int budget = 20000;
	if (strlen(pattern) > 24 || strlen(text) > 24 || strpbrk(pattern, "[\\") != NULL || !is_ascii(pattern) || !is_ascii(text))
		return 0;
	int slow = slow_match(pattern, pattern, text, &budget);
	ASSERT(slow < 0 || (slow == 1) == matched);
	return 0;
}
