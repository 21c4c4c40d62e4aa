/* Bytes -> characters -> escape sequences -> characters that are shown -> lines. Each stage keeps its place between two calls. */
#include "base/disarm.h"

#include "base/mem.h"

#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

enum { ESC = 0x1b, BEL = 0x07, BAD = 0xfffd };

enum escape { ESC_NONE, ESC_BEGUN, ESC_MORE, ESC_CSI, ESC_STRING, ESC_STRING_ESC };
enum line { LINE_START, LINE_COLON, LINE_COLONS, LINE_HASH, LINE_HASHES, LINE_HASH_WORD, LINE_WITHIN };

/* ---- what is shown ---- */

static bool in(uint32_t c, uint32_t first, uint32_t last) { return c >= first && c <= last; }

/* Unicode's default ignorable characters and separators. U+FE0E and U+FE0F stay: they only choose between a symbol and its emoji. */
static bool is_unseen(uint32_t c)
{
	static const uint32_t ranges[][2] = {
		{0x00ad, 0x00ad}, {0x034f, 0x034f}, {0x061c, 0x061c},   {0x115f, 0x1160},   {0x17b4, 0x17b5},   {0x180b, 0x180f},
		{0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},   {0x3164, 0x3164},   {0xfe00, 0xfe0d},   {0xfeff, 0xfeff},
		{0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
	};
	for (size_t i = 0; i < ARRAY_LEN(ranges) && c >= ranges[i][0]; i++)
		if (c <= ranges[i][1])
			return true;
	return false;
}

static bool is_letter(uint32_t c) { return in(c | 0x20, 'a', 'z'); }

/* What readers of logs skip at the start of a line. */
static bool is_blank(uint32_t c)
{
	return c == ' ' || c == '\t' || c == 0xa0 || c == 0x1680 || in(c, 0x2000, 0x200a) || c == 0x202f || c == 0x205f || c == 0x3000;
}

static enum line line_next(enum line at, uint32_t c)
{
	if (c == '\n')
		return LINE_START;
	if (at == LINE_START && is_blank(c))
		return LINE_START;
	if (c == ':' && (at == LINE_START || at == LINE_COLON))
		return at == LINE_START ? LINE_COLON : LINE_COLONS;
	if (c == '#')
		return at == LINE_HASH || at == LINE_HASHES ? LINE_HASHES : LINE_HASH;
	return is_letter(c) && (at == LINE_HASHES || at == LINE_HASH_WORD) ? LINE_HASH_WORD : LINE_WITHIN;
}

static void show(struct disarm *d, uint32_t c, const char *bytes, size_t len, struct buf *out)
{
	bool command = (d->line == LINE_COLONS && is_letter(c)) || (c == '[' && (d->line == LINE_HASHES || d->line == LINE_HASH_WORD));
	if (d->log && command)
		buf_addc(out, ' ');
	buf_add(out, bytes, len);
	d->line = (uint8_t)line_next((enum line)d->line, c);
}

static void on_visible(struct disarm *d, uint32_t c, const char *bytes, size_t len, struct buf *out)
{
	bool second = c == '\n' && d->after_cr; /* of \r\n */
	d->after_cr = c == '\r' && d->log;
	if (second)
		return;
	if (d->after_cr) {
		show(d, '\n', "\n", 1, out);
	} else if (is_unseen(c)) {
		buf_printf(out, "<U+%04X>", c);
		d->line = LINE_WITHIN;
	} else if (c == '\n' || c == '\t' || (c >= 0x20 && !in(c, 0x7f, 0x9f))) {
		show(d, c, bytes, len, out);
	}
}

/* ---- escape sequences ---- */

static enum escape begins(uint32_t c)
{
	switch (c) {
	case ESC: return ESC_BEGUN;
	case 0x9b: return ESC_CSI;
	case 0x90:
	case 0x98:
	case 0x9d:
	case 0x9e:
	case 0x9f: return ESC_STRING;
	default: return ESC_NONE;
	}
}

static enum escape after_esc(uint32_t c)
{
	if (c == '[')
		return ESC_CSI;
	if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_')
		return ESC_STRING;
	return in(c, 0x20, 0x2f) ? ESC_MORE : ESC_NONE;
}

/* Whether c belongs to the sequence that is under way; if not, the sequence has ended before it. */
static bool swallows(struct disarm *d, uint32_t c)
{
	enum escape at = (enum escape)d->escape;
	if (at == ESC_STRING_ESC && c != '\\')
		at = ESC_BEGUN; /* another sequence ends the string */
	d->escape = ESC_NONE;
	if (++d->hidden > DISARM_HIDDEN_MAX)
		return false;
	switch (at) {
	case ESC_BEGUN: d->escape = (uint8_t)after_esc(c); return in(c, 0x20, 0x7e);
	case ESC_MORE: d->escape = in(c, 0x20, 0x2f) ? ESC_MORE : ESC_NONE; return in(c, 0x20, 0x7e);
	case ESC_CSI: d->escape = in(c, 0x20, 0x3f) ? ESC_CSI : ESC_NONE; return in(c, 0x20, 0x7e);
	case ESC_STRING:
		if (c == '\n' || c == '\r')
			return false;
		d->escape = c == BEL || c == 0x9c ? ESC_NONE : c == ESC ? ESC_STRING_ESC : ESC_STRING;
		return true;
	case ESC_STRING_ESC:
	case ESC_NONE:
	default: return true;
	}
}

static void on_char(struct disarm *d, uint32_t c, const char *bytes, size_t len, struct buf *out)
{
	if (d->escape != ESC_NONE && swallows(d, c))
		return;
	d->escape = (uint8_t)begins(c);
	d->hidden = 0;
	if (d->escape == ESC_NONE)
		on_visible(d, c, bytes, len, out);
}

/* ---- characters ---- */

static size_t width_of(unsigned char first)
{
	return first < 0x80 ? 1 : in(first, 0xc2, 0xdf) ? 2 : in(first, 0xe0, 0xef) ? 3 : in(first, 0xf0, 0xf4) ? 4 : 0;
}

/* Whether next may follow the bytes so far. The second byte alone tells overlong forms, surrogates and what is beyond U+10FFFF. */
static bool may_follow(const struct disarm *d, unsigned char next)
{
	unsigned char first = (unsigned char)d->part[0];
	if (d->have > 1)
		return in(next, 0x80, 0xbf);
	return in(next, first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80, first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf);
}

static void drop_part(struct disarm *d, struct buf *out)
{
	for (size_t n = d->have; n > 0; n--)
		on_char(d, BAD, REPLACEMENT, 3, out);
	d->have = 0;
}

static void on_byte(struct disarm *d, char byte, struct buf *out)
{
	if (d->have > 0 && !may_follow(d, (unsigned char)byte))
		drop_part(d, out);
	d->part[d->have++] = byte;
	unsigned char first = (unsigned char)d->part[0];
	size_t width = width_of(first);
	if (width == 0) {
		drop_part(d, out);
	} else if (width == d->have) {
		uint32_t c = width == 1 ? first : first & (0x7fu >> width);
		for (size_t i = 1; i < width; i++)
			c = c << 6 | ((unsigned char)d->part[i] & 0x3fu);
		d->have = 0;
		on_char(d, c, d->part, width, out);
	}
}

/* Bytes that go through as they are, wherever they stand within a line. */
static size_t plain_run(const struct disarm *d, const char *s, size_t len)
{
	size_t n = 0;
	if (d->have == 0 && d->escape == ESC_NONE && (!d->log || d->line == LINE_WITHIN))
		while (n < len && s[n] >= 0x20 && s[n] < 0x7f && (!d->log || s[n] != '#'))
			n++;
	return n;
}

void disarm_feed(struct disarm *d, const char *bytes, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len;) {
		size_t n = plain_run(d, bytes + i, len - i);
		if (n > 0) {
			buf_add(out, bytes + i, n);
			d->after_cr = false;
			i += n;
		} else {
			on_byte(d, bytes[i++], out);
		}
	}
}

void disarm_end(struct disarm *d, struct buf *out)
{
	drop_part(d, out);
	d->escape = ESC_NONE;
}
