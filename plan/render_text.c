/* Text from outside in Markdown. GitHub looks for mentions, references and links after Markdown's own escapes are gone, so a backslash
 * does not stop them: a zero-width space behind the trigger does. */
#include "plan/render_internal.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

#define ZERO_WIDTH_SPACE "\xe2\x80\x8b"

enum {
	TICKS_MAX = 64, /* longer runs are broken, so that no fence grows without bound */
	SENTENCE_BYTES = 800,
	URL_BYTES = 600,
	ADDRESS_BYTES = 300,
};

/* Whether s[i] starts a reference, mention, link or emoji code of GitHub together with what follows. */
static bool is_trigger(const char *s, size_t i, size_t len)
{
	char next = i + 1 < len ? s[i + 1] : '\0';
	switch (s[i]) {
	case '@':
	case '#':
	case '$': return true;
	case ':': return isalpha((unsigned char)next) || next == '+' || next == '-' || next == '/';
	case '-': return i >= 2 && tolower((unsigned char)s[i - 1]) == 'h' && tolower((unsigned char)s[i - 2]) == 'g';
	default: return false;
	}
}

/* The dot of "www.": the space goes in front of it, for behind it would be part of a name that browsers read without it. */
static bool is_www(const char *s, size_t i)
{
	return s[i] == '.' && i >= 3 && tolower((unsigned char)s[i - 1]) == 'w' && tolower((unsigned char)s[i - 2]) == 'w' &&
	       tolower((unsigned char)s[i - 3]) == 'w';
}

/* Whether Markdown would read s[i] as markup where it stands. As little as possible is escaped: mails show the escapes. */
static bool is_markup(const char *s, size_t i, size_t len)
{
	size_t start = strspn(s, " "); /* a list begins behind spaces too */
	switch (s[i]) {
	case '\\':
	case '`':
	case '*':
	case '[':
	case ']':
	case '~':
	case '|': return true;
	case '_': return i == 0 || i + 1 >= len || !isalnum((unsigned char)s[i - 1]) || !isalnum((unsigned char)s[i + 1]);
	case '-':
	case '+':
	case '=': return i == start;
	case '.':
	case ')': return i > start && strspn(s + start, "0123456789") == i - start;
	default: return false;
	}
}

static void add_text(struct buf *out, const char *s, size_t len)
{
	CLEANUP_BUF struct buf clean = {0};
	text_clean(&clean, s, len);
	for (size_t i = 0; i < clean.len; i++)
		if (clean.data[i] == '\n' || clean.data[i] == '\t')
			clean.data[i] = ' ';
	s = buf_str(&clean);
	for (size_t i = 0; i < clean.len; i++) {
		if (is_www(s, i))
			buf_adds(out, ZERO_WIDTH_SPACE);
		if (s[i] == '<')
			buf_adds(out, "&lt;");
		else if (s[i] == '>' && strspn(s, " ") == i)
			buf_adds(out, "&gt;");
		else if (s[i] == '&')
			buf_adds(out, "&amp;");
		else
			buf_printf(out, "%s%c", is_markup(s, i, clean.len) ? "\\" : "", s[i]);
		if (is_trigger(s, i, clean.len))
			buf_adds(out, ZERO_WIDTH_SPACE);
	}
}

/* In an HTML block Markdown's escapes would show. */
void render_html_text(struct buf *out, const char *s)
{
	CLEANUP_BUF struct buf clean = {0};
	text_clean(&clean, s, strlen(s));
	s = buf_str(&clean);
	for (size_t i = 0; i < clean.len; i++) {
		char c = s[i] == '\n' || s[i] == '\t' ? ' ' : s[i];
		if (is_www(s, i))
			buf_adds(out, ZERO_WIDTH_SPACE);
		text_html(out, &c, 1);
		if (is_trigger(s, i, clean.len))
			buf_adds(out, ZERO_WIDTH_SPACE);
	}
}

void render_text(struct buf *out, const char *s) { add_text(out, s, strlen(s)); }

/* Cleans, and breaks runs of back-ticks that are too long; returns the longest run that is left. */
static size_t add_ticked(struct buf *out, const char *s, size_t len, bool one_line)
{
	CLEANUP_BUF struct buf clean = {.max = out->max};
	size_t run = 0, longest = 0;
	text_clean(&clean, s, len);
	for (size_t i = 0; i < clean.len; i++) {
		char c = clean.data[i];
		run = c == '`' ? run + 1 : 0;
		if (run > TICKS_MAX) {
			buf_adds(out, ZERO_WIDTH_SPACE);
			run = 1;
		}
		longest = run > longest ? run : longest;
		buf_addc(out, one_line && (c == '\n' || c == '\t') ? ' ' : c);
	}
	return longest;
}

static void add_ticks(struct buf *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_addc(out, '`');
}

/* GitHub splits a table row at pipes before it sees code, and takes the backslash away again. */
static void add_code(struct buf *out, const char *s, size_t len, bool cell)
{
	CLEANUP_BUF struct buf text = {0};
	size_t ticks = add_ticked(&text, s, len, true) + 1;
	const char *t = buf_str(&text);
	bool pad = text.len > 0 && (t[0] == '`' || t[text.len - 1] == '`' || t[0] == ' ' || t[text.len - 1] == ' ');
	if (text.len == 0 || strspn(t, " ") == text.len) {
		buf_adds(out, "(empty)");
		return;
	}
	add_ticks(out, ticks);
	buf_adds(out, pad ? " " : "");
	for (size_t i = 0; i < text.len; i++) {
		if (cell && t[i] == '|')
			buf_addc(out, '\\');
		buf_addc(out, t[i]);
	}
	buf_adds(out, pad ? " " : "");
	add_ticks(out, ticks);
}

void render_code(struct buf *out, const char *s) { add_code(out, s, strlen(s), false); }

static void add_code_cut(struct buf *out, const char *s, size_t max, bool cell)
{
	size_t len = strlen(s), cut = text_cut(s, len, max);
	CLEANUP_FREE char *shortened = xasprintf("%.*s%s", (int)cut, s, cut < len ? "..." : "");
	add_code(out, shortened, strlen(shortened), cell);
}

void render_cell_code(struct buf *out, const char *s) { add_code_cut(out, s, NAME_BYTES, true); }

void render_address(struct buf *out, const char *s) { add_code_cut(out, s, ADDRESS_BYTES, false); }

static void add_sentence(struct buf *out, const char *s, size_t len, bool cell)
{
	for (size_t i = 0; i < len;) {
		const char *end = s[i] == '`' ? memchr(s + i + 1, '`', len - i - 1) : NULL;
		if (end != NULL && end > s + i + 1) {
			add_code(out, s + i + 1, (size_t)(end - s) - i - 1, cell);
			i = (size_t)(end - s) + 1;
			continue;
		}
		const char *tick = memchr(s + i + 1, '`', len - i - 1);
		size_t n = tick != NULL ? (size_t)(tick - s) - i : len - i;
		add_text(out, s + i, n);
		i += n;
	}
}

void render_sentence(struct buf *out, const char *s)
{
	size_t len = strlen(s), cut = text_cut(s, len, SENTENCE_BYTES);
	add_sentence(out, s, cut, false);
	buf_adds(out, cut < len ? " ..." : "");
}

void render_cell_sentence(struct buf *out, const char *s)
{
	size_t len = strlen(s), cut = text_cut(s, len, CELL_BYTES);
	add_sentence(out, s, cut, true);
	buf_adds(out, cut < len ? " ..." : "");
}

void render_fence(struct buf *out, const char *lang, const char *s, size_t len)
{
	CLEANUP_BUF struct buf text = {.max = LIMIT_DIFF_BYTES * 4};
	size_t ticks = add_ticked(&text, s, len, false) + 1;
	ticks = ticks < 3 ? 3 : ticks;
	add_ticks(out, ticks);
	buf_printf(out, "%s\n", lang != NULL ? lang : "");
	buf_add(out, buf_str(&text), text.len);
	if (text.len > 0 && text.data[text.len - 1] != '\n')
		buf_addc(out, '\n');
	add_ticks(out, ticks);
	buf_addc(out, '\n');
}

static bool is_url(const char *url)
{
	return url != NULL && (text_starts(url, "https://") || text_starts(url, "http://")) && strlen(url) <= URL_BYTES;
}

void render_link(struct buf *out, const char *text, const char *url)
{
	if (!is_url(url)) {
		buf_adds(out, text);
		return;
	}
	buf_printf(out, "[%s](", text);
	for (const char *p = url; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;
		if (c <= ' ' || c >= 0x7f || strchr("()<>\"'\\|`*_[]", c) != NULL)
			buf_printf(out, "%%%02X", c);
		else
			buf_addc(out, (char)c);
	}
	buf_addc(out, ')');
}

size_t render_prefix(const char *s, size_t len, size_t max_chars)
{
	size_t i = 0;
	for (size_t chars = 0; i < len && chars < max_chars; chars++)
		do
			i++;
		while (i < len && ((unsigned char)s[i] & 0xc0) == 0x80);
	return i;
}
