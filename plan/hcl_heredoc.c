/* Where a here document ends: the same question for both readers of configuration files. */
#include "plan/hcl.h"

#include <string.h>

/* Unicode's: U+0085, U+00A0, U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F, U+3000. */
size_t hcl_blank(const char *s, size_t len)
{
	static const char wide[][4] = {"\xe1\x9a\x80", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};
	if (len > 0 && s[0] != '\n' && s[0] != '\0' && strchr(" \t\r\v\f", s[0]) != NULL)
		return 1;
	if (len > 1 && s[0] == '\xc2' && (s[1] == '\x85' || s[1] == '\xa0'))
		return 2;
	if (len > 2 && memcmp(s, "\xe2\x80", 2) == 0 && (unsigned char)s[2] >= 0x80 && (unsigned char)s[2] <= 0x8a)
		return 3;
	for (size_t i = 0; i < ARRAY_LEN(wide); i++)
		if (len > 2 && memcmp(s, wide[i], 3) == 0)
			return 3;
	return 0;
}

const char *hcl_heredoc_end(const char *line, const char *limit, const char *end, size_t end_len)
{
	const char *p = line;
	for (size_t n; (n = hcl_blank(p, (size_t)(limit - p))) > 0; p += n)
		continue;
	if ((size_t)(limit - p) < end_len || memcmp(p, end, end_len) != 0)
		return NULL;
	p += end_len;
	for (size_t n; (n = hcl_blank(p, (size_t)(limit - p))) > 0; p += n)
		continue;
	return p < limit && *p != '\n' ? NULL : p;
}
