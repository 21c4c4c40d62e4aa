/* Characters that show a reviewer something else than what the engine reads. */
#include "plan/hygiene.h"

#include "base/disarm.h"
#include "base/text.h"

#include <stdint.h>

enum { BINARY_LOOK = 8000, WORD_BYTES = 60 };

/* ---- which lines are new ---- */

struct lines {
	uint64_t *hash; /* sorted */
	size_t n;
};

static int by_value(const void *a, const void *b)
{
	uint64_t x, y;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static size_t line_len(const char *s, size_t len)
{
	const char *end = memchr(s, '\n', len);
	return end != NULL ? (size_t)(end - s) : len;
}

static void lines_read(const char *s, size_t len, struct lines *ret)
{
	size_t cap = 0;
	for (size_t at = 0; at < len;) {
		size_t n = line_len(s + at, len - at);
		if (ret->n == cap) {
			cap = cap == 0 ? 256 : cap * 2;
			ret->hash = xreallocarray(ret->hash, cap, sizeof(*ret->hash));
		}
		ret->hash[ret->n++] = text_hash(s + at, n);
		at += n + 1;
	}
	if (ret->n > 1)
		qsort(ret->hash, ret->n, sizeof(*ret->hash), by_value);
}

static bool was_there(const struct lines *l, const char *s, size_t len)
{
	uint64_t hash = text_hash(s, len);
	return l->n > 0 && bsearch(&hash, l->hash, l->n, sizeof(hash), by_value) != NULL;
}

/* ---- one line ---- */

static uint32_t decode(const char *s, size_t n)
{
	const unsigned char *u = (const unsigned char *)s;
	switch (n) {
	case 1: return u[0];
	case 2: return (uint32_t)(u[0] & 0x1f) << 6 | (u[1] & 0x3f);
	case 3: return (uint32_t)(u[0] & 0x0f) << 12 | (uint32_t)(u[1] & 0x3f) << 6 | (u[2] & 0x3f);
	default: return (uint32_t)(u[0] & 0x07) << 18 | (uint32_t)(u[1] & 0x3f) << 12 | (uint32_t)(u[2] & 0x3f) << 6 | (u[3] & 0x3f);
	}
}

enum script { SCRIPT_NONE, SCRIPT_LATIN, SCRIPT_OTHER };

/* Scripts with letters that look like Latin ones. */
static enum script script_of(uint32_t c)
{
	static const uint32_t others[][2] = {{0x370, 0x3ff}, {0x400, 0x52f}, {0x530, 0x58f}, {0x13a0, 0x13ff}, {0x1c80, 0x1c8f}, {0x1f00, 0x1fff},
					     {0x2c80, 0x2cff}, {0x2de0, 0x2dff}, {0xa4d0, 0xa4ff}, {0xa640, 0xa69f}, {0xab70, 0xabbf}, {0x10400, 0x1044f},
					     {0x1d400, 0x1d7ff}, {0xff21, 0xff5a}};
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0x24f && c != 0xd7 && c != 0xf7))
		return SCRIPT_LATIN;
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (c >= others[i][0] && c <= others[i][1])
			return SCRIPT_OTHER;
	return SCRIPT_NONE;
}

static void tell_mixed(const char *path, int line, const char *word, size_t len, struct told_list *told)
{
	CLEANUP_FREE char *text = xstrndup(word, text_cut(word, len, WORD_BYTES));
	told_add(told, path, line, "text", "mixes letters of two scripts in the word `%s`", text);
}

/* Words: letters, digits and _; what stands between ends them. */
static void look_at_words(const char *path, int line, const char *s, size_t len, struct told_list *told)
{
	bool latin = false, other = false;
	size_t begin = 0;
	for (size_t i = 0; i <= len;) {
		size_t n = i < len ? text_utf8_width(s + i, len - i) : 0;
		uint32_t c = n > 0 ? decode(s + i, n) : 0;
		enum script script = script_of(c);
		bool word = script != SCRIPT_NONE || c == '_' || (c >= '0' && c <= '9') || c > 0x7f;
		if (!word) {
			if (latin && other)
				tell_mixed(path, line, s + begin, i - begin, told);
			latin = other = false;
			begin = i + (n > 0 ? n : 1);
		}
		latin = latin || script == SCRIPT_LATIN;
		other = other || script == SCRIPT_OTHER;
		i += n > 0 ? n : 1;
	}
}

/* What is disarmed before it is shown is not what a reviewer sees. */
static void look_at_line(const char *path, int line, const char *s, size_t len, struct told_list *told)
{
	struct disarm d = {0};
	CLEANUP_BUF struct buf out = {.max = 16 * len + 64};
	bool plain = true;
	len -= len > 0 && s[len - 1] == '\r';
	if (line == 1 && len >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0) {
		s += 3;
		len -= 3;
	}
	for (size_t i = 0; plain && i < len; i++)
		plain = (s[i] >= ' ' && s[i] < 0x7f) || s[i] == '\t';
	if (plain)
		return;
	disarm_feed(&d, s, len, &out);
	disarm_end(&d, &out);
	const char *unseen = strstr(buf_str(&out), "<U+");
	if (out.len == len && memcmp(out.data, s, len) == 0) {
		look_at_words(path, line, s, len, told);
	} else if (!text_is_utf8(s, len)) {
		told_add(told, path, line, "text", "holds bytes that are no UTF-8 text");
	} else if (unseen != NULL && memmem(s, len, unseen, strcspn(unseen, ">")) == NULL) {
		told_add(told, path, line, "text", "holds a character that nobody sees, or that turns the writing direction: `%.*s>`",
			 (int)strcspn(unseen, ">"), unseen);
	} else {
		told_add(told, path, line, "text", "holds control characters");
	}
}

void hygiene_text(const char *path, const char *before, size_t before_len, const char *after, size_t after_len, struct told_list *told)
{
	struct lines old = {0};
	int line = 1;
	if (memchr(after, '\0', after_len < BINARY_LOOK ? after_len : BINARY_LOOK) != NULL && tf_name_read(path).kind == TF_OTHER)
		return; /* no text */
	if (before != NULL)
		lines_read(before, before_len, &old);
	for (size_t at = 0; at < after_len; line++) {
		size_t n = line_len(after + at, after_len - at);
		if (!was_there(&old, after + at, n))
			look_at_line(path, line, after + at, n, told);
		at += n + 1;
	}
	free(old.hash);
}
