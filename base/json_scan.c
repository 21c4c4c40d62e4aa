/* One pass over JSON bytes: grammar, UTF-8 and ceilings, without allocation and without recursion. It runs over every webhook before
 * anything is kept, so text inside strings is stepped over eight bytes at a time. */
#include "base/json.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

struct scan {
	const unsigned char *start, *p, *end;
	size_t values, values_max;
	unsigned depth, depth_max;
	uint64_t in_object[JSON_DEPTH_MAX / 64]; /* one bit a level: object or array */
	const char *what;                        /* of the error */
};

/* The first reason stays; NULL stands for the ceilings, which json_scan() tells apart itself. */
static bool fail(struct scan *s, const char *what)
{
	if (s->what == NULL)
		s->what = what;
	return false;
}

static void skip_space(struct scan *s)
{
	const unsigned char *p = s->p;
	while (p < s->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	s->p = p;
}

#define ONES 0x0101010101010101u
#define HIGHS 0x8080808080808080u

/* Steps over characters that stand for themselves: not a quote, a backslash, a control character or the start of a longer one. */
static const unsigned char *skip_plain(const unsigned char *p, const unsigned char *end)
{
	while (end - p >= 8) {
		uint64_t w;
		memcpy(&w, p, sizeof(w));
		uint64_t quote = w ^ (ONES * '"'), slash = w ^ (ONES * '\\');
		/* The high bit of a byte tells: below 0x20, above 0x7f, or equal to one of the two. A byte that borrows from its neighbour
		 * may mark that as well, but only where it is a hit itself; the loop below finds the first one. */
		if ((((w - ONES * 0x20) | w | ((quote - ONES) & ~quote) | ((slash - ONES) & ~slash)) & HIGHS) != 0)
			break;
		p += 8;
	}
	while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* Four hexadecimal digits, or -1. */
static int hex4(const unsigned char *p, const unsigned char *end)
{
	int v = 0;
	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		unsigned char c = p[i];
		int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
		if (d < 0)
			return -1;
		v = v * 16 + d;
	}
	return v;
}

/* s->p is behind "\u". */
static bool scan_unicode_escape(struct scan *s)
{
	int v = hex4(s->p, s->end);
	if (v < 0)
		return fail(s, "\\u needs four hexadecimal digits");
	if (v >= 0xdc00 && v <= 0xdfff)
		return fail(s, "a low surrogate stands alone");
	s->p += 4;
	if (v < 0xd800 || v > 0xdbff)
		return true;
	int w = s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u' ? hex4(s->p + 2, s->end) : -1;
	if (w < 0xdc00 || w > 0xdfff)
		return fail(s, "a high surrogate stands alone");
	s->p += 6;
	return true;
}

static bool scan_escape(struct scan *s)
{
	s->p++;
	if (s->p >= s->end)
		return fail(s, "the text ends inside a string");
	switch (*s->p++) {
	case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
		return true;
	case 'u':
		return scan_unicode_escape(s);
	default:
		s->p--;
		return fail(s, "unknown escape in a string");
	}
}

/* s->p is at the opening quote. */
static bool scan_string(struct scan *s)
{
	s->p++;
	for (;;) {
		s->p = skip_plain(s->p, s->end);
		if (s->p >= s->end)
			return fail(s, "the text ends inside a string");
		if (*s->p == '"') {
			s->p++;
			return true;
		}
		if (*s->p == '\\') {
			if (!scan_escape(s))
				return false;
			continue;
		}
		if (*s->p < 0x20)
			return fail(s, "a control character in a string has to be escaped");
		size_t width = text_utf8_width((const char *)s->p, (size_t)(s->end - s->p));
		if (width == 0)
			return fail(s, "invalid UTF-8");
		s->p += width;
	}
}

static bool scan_digits(struct scan *s)
{
	const unsigned char *from = s->p;
	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return s->p != from || fail(s, "a digit is missing in a number");
}

/* Numbers longer than this are cut by the library that reads them afterwards. */
enum { NUMBER_BYTES_MAX = 63 };

static bool scan_number(struct scan *s)
{
	const unsigned char *from = s->p;
	if (*s->p == '-')
		s->p++;
	if (s->p < s->end && *s->p == '0')
		s->p++;
	else if (!scan_digits(s))
		return false;
	if (s->p < s->end && *s->p == '.') {
		s->p++;
		if (!scan_digits(s))
			return false;
	}
	if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
		s->p++;
		if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
			s->p++;
		if (!scan_digits(s))
			return false;
	}
	return s->p - from <= NUMBER_BYTES_MAX || fail(s, "a number of more than 63 characters");
}

static bool scan_word(struct scan *s, const char *word, size_t len)
{
	if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
		return fail(s, "expected a value");
	s->p += len;
	return true;
}

/* Is the innermost open container an object? */
static bool is_in_object(const struct scan *s)
{
	unsigned level = s->depth - 1;
	return s->depth > 0 && (s->in_object[level / 64] >> (level % 64) & 1) != 0;
}

/* s->p is at { or [. */
static bool scan_open(struct scan *s, bool object)
{
	if (s->depth >= s->depth_max)
		return fail(s, NULL);
	uint64_t bit = (uint64_t)1 << (s->depth % 64);
	if (object)
		s->in_object[s->depth / 64] |= bit;
	else
		s->in_object[s->depth / 64] &= ~bit;
	s->depth++;
	s->p++;
	return true;
}

/* "key" : - leaves s->p before the value. */
static bool scan_key(struct scan *s)
{
	skip_space(s);
	if (s->p >= s->end || *s->p != '"')
		return fail(s, "expected a key in quotes");
	if (!scan_string(s))
		return false;
	skip_space(s);
	if (s->p >= s->end || *s->p != ':')
		return fail(s, "expected a colon after a key");
	s->p++;
	return true;
}

/* A value; of a container only its opening bracket, and then *ret_opened is true. */
static bool scan_value(struct scan *s, bool *ret_opened)
{
	*ret_opened = false;
	skip_space(s);
	if (s->p >= s->end)
		return fail(s, "the text ends where a value is expected");
	if (++s->values > s->values_max)
		return false;
	switch (*s->p) {
	case '"': return scan_string(s);
	case '{':
	case '[':
		*ret_opened = true;
		return scan_open(s, *s->p == '{');
	case 't': return scan_word(s, "true", 4);
	case 'f': return scan_word(s, "false", 5);
	case 'n': return scan_word(s, "null", 4);
	case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
		return scan_number(s);
	default: return fail(s, "expected a value");
	}
}

/* After a value: closes what ends here and steps over one comma. Returns with depth 0 when the document is complete. */
static bool scan_after_value(struct scan *s)
{
	while (s->depth > 0) {
		skip_space(s);
		if (s->p >= s->end)
			return fail(s, "the text ends inside an object or array");
		bool object = is_in_object(s);
		if (*s->p == ',') {
			s->p++;
			return !object || scan_key(s);
		}
		if (*s->p != (object ? '}' : ']'))
			return fail(s, object ? "expected a comma or } in an object" : "expected a comma or ] in an array");
		s->p++;
		s->depth--;
	}
	return true;
}

/* One value a turn: either it opens a container, whose first element is the next turn, or what follows it is looked at. */
static bool scan_document(struct scan *s)
{
	bool opened;
	do {
		if (!scan_value(s, &opened))
			return false;
		if (opened) {
			bool object = is_in_object(s);
			skip_space(s);
			if (s->p >= s->end || *s->p != (object ? '}' : ']')) {
				if (object && !scan_key(s))
					return false;
				continue; /* depth > 0: reads the first element */
			}
		}
		if (!scan_after_value(s))
			return false;
	} while (s->depth > 0);
	skip_space(s);
	return s->p == s->end || fail(s, "text after the end of the document");
}

int json_scan(const char *bytes, size_t len, const struct json_limits *limits, struct err *err)
{
	struct scan s = {
		.values_max = limits != NULL && limits->values != 0 ? limits->values : LIMIT_JSON_VALUES,
		.depth_max = limits != NULL && limits->depth != 0 ? limits->depth : LIMIT_JSON_DEPTH,
	};
	if (s.depth_max > JSON_DEPTH_MAX)
		s.depth_max = JSON_DEPTH_MAX;
	s.start = s.p = (const unsigned char *)bytes;
	s.end = s.start + len;
	if (scan_document(&s))
		return 0;
	size_t at = (size_t)(s.p - s.start);
	if (s.what != NULL)
		return err_set(err, ERR_PARSE, "JSON, byte %zu: %s", at, s.what);
	if (s.values > s.values_max)
		return err_set(err, ERR_LIMIT, "JSON, byte %zu: more than %zu values", at, s.values_max);
	return err_set(err, ERR_LIMIT, "JSON, byte %zu: nested deeper than %u", at, s.depth_max);
}
