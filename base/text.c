#include "base/text.h"

#include "base/disarm.h"
#include "base/mem.h"

#include <stdint.h>

/* ---- UTF-8 ---- */

size_t text_utf8_width(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;
	if (len == 0)
		return 0;
	unsigned char c = p[0];
	if (c < 0x80)
		return 1;
	size_t width = c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
	if (width == 0 || width > len)
		return 0;
	for (size_t i = 1; i < width; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* the second byte alone tells overlong forms, surrogates and what is beyond U+10FFFF */
	if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
		return 0;
	return width;
}

bool text_is_utf8(const char *s, size_t len)
{
	size_t i = 0;
	while (i < len) {
		if ((unsigned char)s[i] < 0x80) {
			i++;
			continue;
		}
		size_t width = text_utf8_width(s + i, len - i);
		if (width == 0)
			return false;
		i += width;
	}
	return true;
}

void text_clean(struct buf *out, const char *s, size_t len)
{
	struct disarm d = {0};
	disarm_feed(&d, s, len, out);
	disarm_end(&d, out);
}

void text_clean_line(struct buf *out, const char *s, size_t len)
{
	size_t start = out->len;
	text_clean(out, s, len);
	for (size_t i = start; i < out->len; i++)
		if (out->data[i] == '\n' || out->data[i] == '\t')
			out->data[i] = ' ';
}

size_t text_chars(const char *s, size_t len)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)s[i] & 0xc0) != 0x80;
	return n;
}

size_t text_cut(const char *s, size_t len, size_t max_bytes)
{
	if (len <= max_bytes)
		return len;
	size_t cut = max_bytes;
	while (cut > 0 && ((unsigned char)s[cut] & 0xc0) == 0x80)
		cut--;
	return cut;
}

/* ---- words: ASCII only, since no locale is set ---- */

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }

bool text_starts(const char *s, const char *prefix) { return strncmp(s, prefix, strlen(prefix)) == 0; }

bool text_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);
	return n >= m && strcmp(s + n - m, suffix) == 0;
}

bool text_same_case(const char *a, const char *b)
{
	for (; *a != '\0' && *b != '\0'; a++, b++)
		if (lower(*a) != lower(*b))
			return false;
	return *a == *b;
}

enum { NEAREST_MAX = 48 }; /* keys and commands are shorter; longer words get no suggestion */

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Edit distance with swapped neighbours counted once, case ignored. Both words are at most NEAREST_MAX long. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
	size_t rows[3][NEAREST_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];
	for (size_t j = 0; j <= m; j++) {
		before[j] = 0;
		last[j] = j;
	}
	for (size_t i = 1; i <= n; i++) {
		now[0] = i;
		for (size_t j = 1; j <= m; j++) {
			bool same = lower(a[i - 1]) == lower(b[j - 1]);
			now[j] = least(least(last[j] + 1, now[j - 1] + 1), last[j - 1] + !same);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
				now[j] = least(now[j], before[j - 2] + 1);
		}
		size_t *free_row = before;
		before = last;
		last = now;
		now = free_row;
	}
	return last[m];
}

/* The first of equally near ones, so that an answer does not depend on luck. */
const char *text_nearest(const char *word, const char *const *candidates, size_t n)
{
	size_t len = strlen(word), best = len / 3 + 1;
	const char *found = NULL;
	if (len > NEAREST_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t m = strlen(candidates[i]);
		size_t d = m <= NEAREST_MAX ? distance(word, len, candidates[i], m) : SIZE_MAX;
		if (d < best) {
			best = d;
			found = candidates[i];
		}
	}
	return found;
}

/* ---- numbers ---- */

/* Reads digits; returns how many there were, 0 when there are none or the value passes 2^63 - 1. */
static size_t digits(const char *s, int64_t *ret)
{
	int64_t v = 0;
	size_t n = 0;
	for (; s[n] >= '0' && s[n] <= '9'; n++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, s[n] - '0', &v))
			return 0;
	*ret = v;
	return n;
}

int text_int(const char *s, int64_t min, int64_t max, int64_t *ret, struct err *err)
{
	bool negative = s[0] == '-';
	int64_t v = 0;
	size_t n = digits(s + negative, &v);
	if (n == 0 || s[negative + n] != '\0')
		return err_set(err, ERR_PARSE, "expected a whole number, found \"%.64s\"", s);
	v = negative ? -v : v;
	if (v < min || v > max)
		return err_set(err, ERR_PARSE, "%lld is not between %lld and %lld", (long long)v, (long long)min, (long long)max);
	*ret = v;
	return 0;
}

struct unit {
	const char *name;
	int64_t factor;
};

/* No fractions and no blanks: one way to write a value. */
static int with_unit(const char *s, const struct unit *units, size_t n, const char *what, int64_t *ret, struct err *err)
{
	int64_t v = 0;
	size_t len = digits(s, &v);
	for (size_t i = 0; len != 0 && i < n; i++) {
		if (strcmp(s + len, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(v, units[i].factor, &v))
			break;
		*ret = v;
		return 0;
	}
	return err_set(err, ERR_PARSE, "expected %s, found \"%.64s\"", what, s);
}

int text_duration(const char *s, int64_t *ret_ms, struct err *err)
{
	static const struct unit units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	return with_unit(s, units, ARRAY_LEN(units), "a duration such as 150ms, 30s, 5m or 2h", ret_ms, err);
}

int text_size(const char *s, int64_t *ret_bytes, struct err *err)
{
	static const struct unit units[] = {{"", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024 * 1024 * 1024}};
	return with_unit(s, units, ARRAY_LEN(units), "a size such as 100, 4KiB, 64MiB or 1GiB", ret_bytes, err);
}

/* Rounded to whole seconds first, so that 59.7 s is "1 min" and never "60 s". */
void text_took(struct buf *out, int64_t ms)
{
	if (ms < 1000) {
		buf_printf(out, "%lld ms", (long long)(ms > 0 ? ms : 0));
		return;
	}
	long long s = ms / 1000 + (ms % 1000 >= 500);
	if (s < 60)
		buf_printf(out, "%lld s", s);
	else if (s < 3600 && s % 60 == 0)
		buf_printf(out, "%lld min", s / 60);
	else if (s < 3600)
		buf_printf(out, "%lld min %lld s", s / 60, s % 60);
	else if (s % 3600 / 60 == 0)
		buf_printf(out, "%lld h", s / 3600);
	else
		buf_printf(out, "%lld h %lld min", s / 3600, s % 3600 / 60);
}

/* ---- encodings ---- */

void text_hex(struct buf *out, const void *bytes, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = bytes;
	buf_reserve(out, len * 2);
	for (size_t i = 0; i < len; i++) {
		const char two[2] = {hex[p[i] >> 4], hex[p[i] & 15]};
		buf_add(out, two, 2);
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	int lower = c | 0x20;
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool text_unhex(const char *hex, uint8_t *ret, size_t len)
{
	if (strlen(hex) != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void text_base64url(struct buf *out, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16;
		v |= i + 1 < len ? (uint32_t)p[i + 1] << 8 : 0;
		v |= i + 2 < len ? (uint32_t)p[i + 2] : 0;
		for (size_t k = 0; k < (len - i < 3 ? len - i : 3) + 1; k++)
			buf_addc(out, base64url[v >> (18 - 6 * k) & 63]);
	}
}

bool text_base64url_read(struct buf *out, const char *s, size_t len)
{
	uint32_t bits = 0;
	unsigned n = 0;
	if (len % 4 == 1)
		return false;
	for (size_t i = 0; i < len; i++) {
		const char *at = memchr(base64url, s[i], sizeof(base64url) - 1);
		if (at == NULL)
			return false;
		bits = bits << 6 | (uint32_t)(at - base64url);
		n += 6;
		if (n >= 8) {
			n -= 8;
			buf_addc(out, (char)(bits >> n & 0xff));
		}
	}
	return (bits & ((1u << n) - 1)) == 0; /* one text for one value: what is left over is zero */
}

void text_url_segment(struct buf *out, const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c) != NULL;
		if (plain)
			buf_addc(out, *s);
		else
			buf_printf(out, "%%%02X", c);
	}
}

void text_html(struct buf *out, const char *s, size_t len)
{
	size_t from = 0;
	for (size_t i = 0; i < len; i++) {
		const char *entity = s[i] == '&' ? "&amp;" : s[i] == '<' ? "&lt;" : s[i] == '>' ? "&gt;" : s[i] == '"' ? "&quot;" :
				     s[i] == '\'' ? "&#39;" : NULL;
		if (entity == NULL)
			continue;
		buf_add(out, s + from, i - from);
		buf_adds(out, entity);
		from = i + 1;
	}
	buf_add(out, s + from, len - from);
}

/* ---- lists ---- */

bool text_has_line(const char *lines, const char *line)
{
	size_t n = strlen(line);
	for (const char *p = lines; p != NULL && *p != '\0';) {
		size_t len = strcspn(p, "\n");
		if (len == n && memcmp(p, line, n) == 0)
			return true;
		p += len + (p[len] == '\n');
	}
	return false;
}

void text_split_lines(const char *lines, struct strlist *out)
{
	for (const char *p = lines; p != NULL && *p != '\0';) {
		size_t len = strcspn(p, "\n");
		strlist_add_n(out, p, len);
		p += len + (p[len] == '\n');
	}
}

char *text_join_lines(const struct strlist *l)
{
	struct buf b = {0};
	for (size_t i = 0; i < l->n; i++)
		buf_printf(&b, "%s%s", i != 0 ? "\n" : "", l->v[i]);
	return l->n != 0 ? buf_take(&b) : NULL;
}

uint64_t text_hash(const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	uint64_t h = 0xcbf29ce484222325u;
	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return h;
}
