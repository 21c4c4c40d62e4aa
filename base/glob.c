/* Globs as a set of places in the pattern that moves over the text once (Thompson's way): time is pattern times text, whatever the
 * pattern, and nothing is ever tried again. */
#include "base/glob.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdint.h>

enum kind { LITERAL, ONE, CLASS, STAR, DEEP, DEEP_SLASH };

struct token {
	unsigned char kind;
	unsigned short at; /* CLASS: offset behind the bracket */
	unsigned c;        /* LITERAL */
};

/* One character; a byte that is not UTF-8 stands for itself, outside of Unicode. */
static unsigned next_char(const char *s, size_t len, size_t *ret_width)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t width = p[0] < 0x80 ? 1 : text_utf8_width(s, len);
	*ret_width = width != 0 ? width : 1;
	switch (width) {
	case 1: return p[0];
	case 2: return ((p[0] & 0x1fu) << 6) | (p[1] & 0x3fu);
	case 3: return ((p[0] & 0x0fu) << 12) | ((p[1] & 0x3fu) << 6) | (p[2] & 0x3fu);
	case 4: return ((p[0] & 0x07u) << 18) | ((p[1] & 0x3fu) << 12) | ((p[2] & 0x3fu) << 6) | (p[3] & 0x3fu);
	default: return 0x110000u + p[0];
	}
}

/* A character inside [...], escapes resolved; moves *at behind it. */
static unsigned class_char(const char *p, size_t len, size_t *at)
{
	size_t width;
	if (p[*at] == '\\' && *at + 1 < len)
		(*at)++;
	unsigned c = next_char(p + *at, len - *at, &width);
	*at += width;
	return c;
}

static unsigned lower(unsigned c) { return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c; }
static unsigned upper(unsigned c) { return c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c; }

static bool class_has(const char *p, size_t len, size_t at, unsigned c, bool icase)
{
	bool negated = p[at] == '!' || p[at] == '^', found = false;
	at += negated;
	while (p[at] != ']') {
		unsigned from = class_char(p, len, &at), to = from;
		if (p[at] == '-' && p[at + 1] != ']') {
			at++;
			to = class_char(p, len, &at);
		}
		found |= c >= from && c <= to;
		if (icase)
			found |= (lower(c) >= from && lower(c) <= to) || (upper(c) >= from && upper(c) <= to);
	}
	return found != negated && c != '/';
}

/* Checks the class whose bracket is at *at - 1; moves *at behind its end. */
static int class_check(const char *p, size_t len, size_t *at, struct err *err)
{
	size_t start = *at;
	*at += p[*at] == '!' || p[*at] == '^';
	size_t first = *at;
	while (*at < len && p[*at] != ']') {
		if (p[*at] == '\\' && *at + 1 == len)
			break;
		unsigned from = class_char(p, len, at), to = from;
		if (*at + 1 < len && p[*at] == '-' && p[*at + 1] != ']') {
			(*at)++;
			if (p[*at] == '\\' && *at + 1 == len)
				break;
			to = class_char(p, len, at);
		}
		if (from > to)
			return err_set(err, ERR_PARSE, "glob \"%.80s\", character %zu: the range in [ ] runs backwards", p, start);
	}
	if (*at >= len || p[*at] != ']')
		return err_set(err, ERR_PARSE, "glob \"%.80s\", character %zu: [ without ]", p, start);
	if (*at == first)
		return err_set(err, ERR_PARSE, "glob \"%.80s\", character %zu: [ ] with nothing inside", p, start);
	(*at)++;
	return 0;
}

int glob_check(const char *pattern, struct err *err)
{
	size_t len = strlen(pattern), i = 0;
	if (len == 0)
		return err_set(err, ERR_PARSE, "an empty glob matches nothing");
	if (len > LIMIT_GLOB_BYTES)
		return err_set(err, ERR_LIMIT, "glob \"%.40s...\": longer than %u bytes", pattern, LIMIT_GLOB_BYTES);
	while (i < len) {
		char c = pattern[i++];
		if (c == '\\') {
			if (i == len)
				return err_set(err, ERR_PARSE, "glob \"%.80s\", character %zu: \\ with nothing behind it", pattern, i);
			i++;
		} else if (c == '*' && pattern[i] == '*' && pattern[i + 1] == '*') {
			return err_set(err, ERR_PARSE, "glob \"%.80s\", character %zu: *** means nothing, write ** or *", pattern, i);
		} else if (c == '*' && pattern[i] == '*') {
			i++;
		} else if (c == '[') {
			int rc = class_check(pattern, len, &i, err);
			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

/* Offset behind the class at `at`; the pattern is checked. */
static size_t class_end(const char *p, size_t len, size_t at)
{
	at += p[at] == '!' || p[at] == '^';
	while (p[at] != ']')
		(void)class_char(p, len, &at);
	return at + 1;
}

/* At most one token a byte, so LIMIT_GLOB_BYTES of them. A ** is DEEP_SLASH, its slash included, when it is a whole part of the path. */
static size_t tokenise(const char *p, size_t len, struct token *ret)
{
	size_t n = 0, i = 0, width;
	while (i < len) {
		struct token t = {.kind = LITERAL};
		if (p[i] == '?') {
			t.kind = ONE;
			i++;
		} else if (p[i] == '[') {
			t.kind = CLASS;
			t.at = (unsigned short)(i + 1);
			i = class_end(p, len, i + 1);
		} else if (p[i] == '*' && p[i + 1] == '*') {
			bool between = p[i + 2] == '/' && (i == 0 || p[i - 1] == '/');
			t.kind = between ? DEEP_SLASH : DEEP;
			i += between ? 3 : 2;
		} else if (p[i] == '*') {
			t.kind = STAR;
			i++;
		} else {
			i += p[i] == '\\';
			t.c = next_char(p + i, len - i, &width);
			i += width;
		}
		ret[n++] = t;
	}
	return n;
}

struct matcher {
	const char *pattern;
	size_t len, n;
	bool icase;
	struct token token[LIMIT_GLOB_BYTES];
	bool sets[2][LIMIT_GLOB_BYTES + 1]; /* places that may read the next character; n is the end */
};

/* Arriving at a place, which a run of nothing passes at once. */
static void arrive(const struct matcher *m, bool *set, size_t i)
{
	set[i] = true;
	while (i < m->n && m->token[i].kind >= STAR)
		set[++i] = true;
}

/* May the place at t take this character? */
static bool reads(const struct matcher *m, const struct token *t, unsigned c)
{
	switch ((enum kind)t->kind) {
	case LITERAL: return t->c == c || (m->icase && lower(t->c) == lower(c));
	case CLASS: return class_has(m->pattern, m->len, t->at, c, m->icase);
	case ONE:
	case STAR: return c != '/';
	case DEEP:
	case DEEP_SLASH: return true;
	default: return false;
	}
}

/* Moves every place over one character; false when none is left. */
static bool step(const struct matcher *m, const bool *now, bool *next, unsigned c)
{
	bool alive = false;
	for (size_t i = 0; i < m->n; i++) {
		const struct token *t = &m->token[i];
		if (!now[i] || !reads(m, t, c))
			continue;
		alive = true;
		if (t->kind < STAR)
			arrive(m, next, i + 1);
		else if (t->kind == DEEP_SLASH && c != '/')
			next[i] = true; /* inside a directory name: it cannot end here */
		else
			arrive(m, next, i);
	}
	return alive;
}

/* Apart from glob_match() so that texts which fail on the plain beginning do not pay for the tables. */
static __attribute__((noinline)) bool match_sets(const char *pattern, const char *text, bool icase)
{
	struct matcher m;
	m.pattern = pattern;
	m.icase = icase;
	m.len = strlen(pattern);
	ASSERT(m.len <= LIMIT_GLOB_BYTES);
	m.n = tokenise(pattern, m.len, m.token);
	bool *now = m.sets[0], *next = m.sets[1];
	memset(now, 0, m.n + 1);
	arrive(&m, now, 0);
	size_t left = strlen(text);
	while (left > 0) {
		size_t width;
		unsigned c = next_char(text, left, &width);
		memset(next, 0, m.n + 1);
		if (!step(&m, now, next, c))
			return false;
		bool *swap = now;
		now = next;
		next = swap;
		text += width;
		left -= width;
	}
	return now[m.n];
}

bool glob_match(const char *pattern, const char *text, int flags)
{
	bool icase = (flags & GLOB_ICASE) != 0;
	const char *start = pattern;
	while (*pattern != '\0' && strchr("*?[\\", *pattern) == NULL) {
		unsigned a = (unsigned char)*pattern, b = (unsigned char)*text;
		if (a != b && !(icase && lower(a) == lower(b)))
			return false;
		pattern++;
		text++;
	}
	if (*pattern == '\0')
		return *text == '\0';
	size_t back = pattern != start; /* ** means more right behind a slash, so the character before it is kept */
	return match_sets(pattern - back, text - back, icase);
}

bool glob_is_pattern(const char *pattern) { return strpbrk(pattern, "*?[\\") != NULL; }

bool glob_list_match(const char *const *patterns, int n, const char *text, int flags)
{
	for (int i = n - 1; i >= 0; i--) {
		bool excludes = patterns[i][0] == '!';
		if (glob_match(patterns[i] + excludes, text, flags))
			return !excludes;
	}
	return false;
}
