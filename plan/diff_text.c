/* Strings inside a diff: quoted, or as lines when they are several or hold a JSON document. */
#include "plan/diff_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

enum {
	JSON_TEXT_MAX = 1024 * 1024, /* a longer document is compared as a plain string */
	LINE_SHOWN = 400,            /* bytes of one line */
	CONTEXT = 2,                 /* unchanged lines around a change */
	QUOTE_SHOWN = 160,           /* bytes of a one-line string */
	QUOTE_BEFORE = 40,           /* of it before the first difference */
};

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static void new_line(struct buf *out, size_t depth)
{
	buf_addc(out, '\n');
	for (size_t i = 0; i < depth; i++)
		buf_adds(out, "  ");
}

/* Copies a string token; returns the index behind it. */
static size_t copy_string(const char *s, size_t i, struct buf *out)
{
	size_t start = i++;
	while (s[i] != '"')
		i += s[i] == '\\' ? 2 : 1;
	buf_add(out, s + start, i + 1 - start);
	return i + 1;
}

/* One value or key a line. Works on the checked text itself, not on a parsed document, so that no number is rounded. */
static void json_reformat(const char *s, size_t len, struct buf *out)
{
	size_t depth = 0;
	for (size_t i = 0; i < len;) {
		char c = s[i];
		if (c == '"') {
			i = copy_string(s, i, out);
			continue;
		}
		i++;
		if (is_space(c))
			continue;
		if (c == '{' || c == '[') {
			while (i < len && is_space(s[i]))
				i++;
			buf_addc(out, c);
			if (s[i] == '}' || s[i] == ']')
				buf_addc(out, s[i++]);
			else
				new_line(out, ++depth);
		} else if (c == '}' || c == ']') {
			new_line(out, --depth);
			buf_addc(out, c);
		} else {
			buf_addc(out, c);
			if (c == ',')
				new_line(out, depth);
			else if (c == ':')
				buf_addc(out, ' ');
		}
	}
}

static bool is_json_document(const char *s, size_t len)
{
	size_t i = 0;
	while (i < len && is_space(s[i]))
		i++;
	return (s[i] == '{' || s[i] == '[') && len <= JSON_TEXT_MAX && json_scan(s, len, NULL, NULL) == 0;
}

bool diff_text_lines(const char *s, char **ret_lines, const char **ret_what)
{
	size_t len = strlen(s);
	if (is_json_document(s, len)) {
		struct buf text = {0};
		json_reformat(s, len, &text);
		*ret_lines = buf_take(&text);
		*ret_what = "JSON document";
		return true;
	}
	const char *first = strchr(s, '\n');
	if (first == NULL || first[1] == '\0')
		return false;
	*ret_lines = xstrdup(s);
	*ret_what = "text";
	return true;
}

static void show_line(struct diff *d, char symbol, unsigned depth, const struct span *line)
{
	CLEANUP_BUF struct buf text = {0};
	size_t cut = text_cut(line->p, line->n, LINE_SHOWN);
	text_clean(&text, line->p, cut);
	bool as_it_was = text.len == cut && memcmp(buf_str(&text), line->p, cut) == 0;
	if (!as_it_was)
		buf_adds(&text, "  (has control or hidden characters)");
	if (cut < line->n)
		buf_printf(&text, "... (%zu bytes more)", line->n - cut);
	diff_line(d, symbol, depth, buf_str(&text));
}

void diff_text_whole(struct diff *d, char symbol, unsigned depth, const char *label, const char *what, const char *lines)
{
	struct spans s;
	spans_split(lines, strlen(lines), &s);
	diff_linef(d, symbol, depth, "%s(%s, %zu line%s)", label, what, s.n, s.n == 1 ? "" : "s");
	for (size_t i = 0; i < s.n && i < DIFF_TEXT_LINES_MAX; i++)
		show_line(d, symbol, depth + 1, &s.v[i]);
	if (s.n > DIFF_TEXT_LINES_MAX)
		diff_linef(d, symbol, depth + 1, "... (%zu lines more)", s.n - DIFF_TEXT_LINES_MAX);
	spans_free(&s);
}

/* Whether edit i is changed or so near to a change that it is shown. */
static bool is_near(const struct edits *e, size_t i)
{
	size_t from = i > CONTEXT ? i - CONTEXT : 0;
	for (size_t j = from; j < e->n && j <= i + CONTEXT; j++)
		if (e->v[j].kind != EDIT_KEEP)
			return true;
	return false;
}

static void show_edits(struct diff *d, unsigned depth, const struct edits *e, const struct spans *a, const struct spans *b)
{
	size_t hidden = 0, shown = 0;
	for (size_t i = 0; i < e->n; i++) {
		const struct edit *x = &e->v[i];
		if (!is_near(e, i)) {
			hidden++;
			continue;
		}
		if (hidden > 0)
			diff_linef(d, ' ', depth, "... (%zu line%s unchanged)", hidden, hidden == 1 ? "" : "s");
		hidden = 0;
		if (++shown > DIFF_TEXT_LINES_MAX) {
			diff_linef(d, '!', depth, "... (more changed lines are left out)");
			return;
		}
		char symbol = x->kind == EDIT_KEEP ? ' ' : x->kind == EDIT_ADD ? '+' : '-';
		show_line(d, symbol, depth, x->kind == EDIT_ADD ? &b->v[x->b] : &a->v[x->a]);
	}
	if (hidden > 0)
		diff_linef(d, ' ', depth, "... (%zu line%s unchanged)", hidden, hidden == 1 ? "" : "s");
}

void diff_text_pair(struct diff *d, unsigned depth, const char *label, const char *suffix, const char *what, const char *before,
		    const char *after)
{
	struct spans a, b;
	struct edits e;
	bool same = strcmp(before, after) == 0;
	diff_linef(d, '!', depth, "%s(%s%s)%s", label, what, same ? ", only line ends or spaces differ" : "", suffix);
	if (same || d->full)
		return;
	spans_split(before, strlen(before), &a);
	spans_split(after, strlen(after), &b);
	edits_make(&a, &b, &e);
	show_edits(d, depth + 1, &e, &a, &b);
	edits_free(&e);
	spans_free(&a);
	spans_free(&b);
}

void diff_quote(struct buf *out, const char *s, size_t from)
{
	CLEANUP_BUF struct buf quoted = {0};
	size_t len = strlen(s), start = 0;
	if (len > QUOTE_SHOWN && from > QUOTE_BEFORE) {
		start = from - QUOTE_BEFORE < len - QUOTE_SHOWN ? from - QUOTE_BEFORE : len - QUOTE_SHOWN;
		start = text_cut(s, len, start);
	}
	size_t n = text_cut(s + start, len - start, QUOTE_SHOWN);
	json_quote(&quoted, s + start, n);
	if (start > 0)
		buf_adds(out, "...");
	size_t before = out->len;
	text_clean(out, buf_str(&quoted), quoted.len);
	if (out->len - before != quoted.len)
		buf_adds(out, " (has control or hidden characters)");
	if (start + n < len)
		buf_printf(out, "... (%zu bytes)", len);
}
