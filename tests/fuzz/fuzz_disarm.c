#include "tests/fuzz/fuzz.h"

#include "base/disarm.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

static void run(bool log, const char *s, size_t len, size_t first, size_t then, struct buf *out)
{
	struct disarm d = {.log = log};
	first = first < len ? first : len;
	disarm_feed(&d, s, first, out);
	for (size_t i = first; i < len; i += then)
		disarm_feed(&d, s + i, len - i < then ? len - i : then, out);
	disarm_end(&d, out);
}

static uint32_t next_char(const char *s, size_t len, size_t *ret_width)
{
	const unsigned char *p = (const unsigned char *)s;
	*ret_width = text_utf8_width(s, len);
	ASSERT(*ret_width != 0);
	uint32_t c = *ret_width == 1 ? p[0] : p[0] & (0x7fu >> *ret_width);
	for (size_t i = 1; i < *ret_width; i++)
		c = c << 6 | (p[i] & 0x3fu);
	return c;
}

/* Nothing that is obeyed or unseen is left. */
static void check(const char *s, size_t len)
{
	size_t width;
	for (size_t i = 0; i < len; i += width) {
		uint32_t c = next_char(s + i, len - i, &width);
		ASSERT(c == '\n' || c == '\t' || c >= 0x20);
		ASSERT(c < 0x7f || c > 0x9f);
		ASSERT(c != 0xad && c != 0x61c && c != 0xfeff && c != 0x180e && c != 0x3164);
		ASSERT(c < 0x200b || c > 0x200f);
		ASSERT(c < 0x2028 || c > 0x202e);
		ASSERT(c < 0x2060 || c > 0x206f);
		ASSERT(c < 0xe0000 || c > 0xe0fff);
	}
}

/* In a log: no line that GitHub reads as a command, nor one of Azure's and TeamCity's anywhere. */
static void check_log(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool at_start = i == 0 || s[i - 1] == '\n';
		size_t skip = at_start ? strspn(s + i, " \t") : 0;
		const char *word = s + i + skip + 2;
		ASSERT(!at_start || !text_starts(s + i + skip, "::") ||
		       !((*word >= 'a' && *word <= 'z') || (*word >= 'A' && *word <= 'Z')));
		ASSERT(!text_starts(s + i, "##[") && !text_starts(s + i, "##vso[") && !text_starts(s + i, "##teamcity["));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > 100000)
		return 0;
	const char *s = (const char *)data + 2;
	size -= 2;
	for (int log = 0; log < 2; log++) {
		CLEANUP_BUF struct buf whole = {0};
		CLEANUP_BUF struct buf cut = {0};
		CLEANUP_BUF struct buf again = {0};
		run(log != 0, s, size, size, 1, &whole);
		run(log != 0, s, size, data[0], 1u + data[1], &cut);
		run(log != 0, buf_str(&whole), whole.len, whole.len, 1, &again);
		ASSERT(whole.len == cut.len && strcmp(buf_str(&whole), buf_str(&cut)) == 0);
		ASSERT(whole.len == again.len && strcmp(buf_str(&whole), buf_str(&again)) == 0);
		ASSERT(whole.len <= size * 4);
		check(buf_str(&whole), whole.len);
		if (log != 0)
			check_log(buf_str(&whole), whole.len);
	}
	return 0;
}
