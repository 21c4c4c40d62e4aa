/* As much of GitHub's Markdown as comments of ours use: headings, tables, lists, quotes and alerts, fences with coloured diffs, <details>,
 * code, bold, italic, links. Everything is escaped as it is copied; only what this file writes itself, and tags of one short list, is HTML.
 * One pass over lines; nothing nests but by a counter. */
#include "base/text.h"
#include "cmd/sim/sim_priv.h"

#include <ctype.h>

struct md {
	struct buf *out;
	const char *open;   /* the element that lines go into: "p", "ul", "ol", "table", "blockquote"; NULL */
	size_t fence;       /* back-ticks of the open fence; 0 outside */
	bool diff;
	size_t row;         /* of the table */
	int details;        /* open <details>, closed at the end whatever the text did */
};

static const char *const tags[] = {
	"<details>", "<details open>", "</details>", "<summary>", "</summary>", "<br>", "<br/>", "<sub>", "</sub>", "<sup>", "</sup>", "<b>", "</b>",
	"<i>", "</i>", "<strong>", "</strong>", "<em>", "</em>", "<code>", "</code>", "<kbd>", "</kbd>", "<hr>",
};

static const char *tag_at(const char *s)
{
	for (size_t i = 0; i < ARRAY_LEN(tags); i++)
		if (strncmp(s, tags[i], strlen(tags[i])) == 0)
			return tags[i];
	return NULL;
}

/* ---- within a line ---- */

static size_t run_of(const char *s, const char *end, char c)
{
	size_t n = 0;
	while (s + n < end && s[n] == c)
		n++;
	return n;
}

static const char *find_run(const char *s, const char *end, char c, size_t n)
{
	while (s < end) {
		size_t have = run_of(s, end, c);
		if (have == n)
			return s;
		s += have > 0 ? have : 1;
	}
	return NULL;
}

static const char *code_span(struct md *m, const char *s, const char *end)
{
	size_t n = run_of(s, end, '`');
	const char *stop = find_run(s + n, end, '`', n);
	if (stop == NULL) {
		buf_add(m->out, s, n);
		return s + n;
	}
	buf_adds(m->out, "<code>");
	text_html(m->out, s + n, (size_t)(stop - s) - n);
	buf_adds(m->out, "</code>");
	return stop + n;
}

static bool link_is_fine(const char *url, size_t len)
{
	return (len > 7 && strncmp(url, "http://", 7) == 0) || (len > 8 && strncmp(url, "https://", 8) == 0) || (len > 0 && (url[0] == '#' || url[0] == '/'));
}

/* [text](url): the text is plain here. NULL when it is no link. */
static const char *link_span(struct md *m, const char *s, const char *end)
{
	const char *close = memchr(s, ']', (size_t)(end - s));
	if (close == NULL || close + 1 >= end || close[1] != '(')
		return NULL;
	const char *url = close + 2, *stop = memchr(url, ')', (size_t)(end - url));
	if (stop == NULL || !link_is_fine(url, (size_t)(stop - url)))
		return NULL;
	buf_adds(m->out, "<a rel=\"noreferrer\" href=\"");
	text_html(m->out, url, (size_t)(stop - url));
	buf_adds(m->out, "\">");
	const char *text = s + 1;
	size_t len = (size_t)(close - text);
	bool code = len > 2 && text[0] == '`' && text[len - 1] == '`';
	buf_adds(m->out, code ? "<code>" : "");
	text_html(m->out, code ? text + 1 : text, code ? len - 2 : len);
	buf_adds(m->out, code ? "</code></a>" : "</a>");
	return stop + 1;
}

/* "&amp;", "&#64;": already escaped by the writer. */
static size_t entity_at(const char *s, const char *end)
{
	size_t n = 1;
	if (s + n < end && s[n] == '#')
		n++;
	while (s + n < end && n < 12 && isalnum((unsigned char)s[n]))
		n++;
	return s + n < end && s[n] == ';' && n > 2 ? n + 1 : 0;
}

static const char *tag_or_text(struct md *m, const char *s, const char *end)
{
	const char *tag = *s == '<' ? tag_at(s) : NULL;
	if (*s == '<' && strncmp(s, "<!--", 4) == 0) {
		const char *stop = strstr(s, "-->");
		return stop != NULL && stop < end ? stop + 3 : end;
	}
	if (tag == NULL) {
		text_html(m->out, s, 1);
		return s + 1;
	}
	bool shut = strcmp(tag, "</details>") == 0;
	m->details += strncmp(tag, "<details", 8) == 0;
	if (!shut || m->details > 0)
		buf_adds(m->out, tag);
	m->details -= shut && m->details > 0;
	return s + strlen(tag);
}

static const char *special(struct md *m, const char *s, const char *end, bool *bold, bool *italic)
{
	size_t stars = run_of(s, end, '*'), entity = *s == '&' ? entity_at(s, end) : 0;
	const char *after = *s == '[' ? link_span(m, s, end) : NULL;
	if (after != NULL)
		return after;
	if (*s == '`')
		return code_span(m, s, end);
	if (*s == '\\' && s + 1 < end && ispunct((unsigned char)s[1])) {
		text_html(m->out, s + 1, 1);
		return s + 2;
	}
	if (entity > 0) {
		buf_add(m->out, s, entity);
		return s + entity;
	}
	if (stars == 2 && (*bold || find_run(s + 2, end, '*', 2) != NULL)) {
		*bold = !*bold;
		buf_adds(m->out, *bold ? "<strong>" : "</strong>");
		return s + 2;
	}
	if (stars == 1 && (*italic || find_run(s + 1, end, '*', 1) != NULL)) {
		*italic = !*italic;
		buf_adds(m->out, *italic ? "<em>" : "</em>");
		return s + 1;
	}
	return tag_or_text(m, s, end);
}

static void inline_text(struct md *m, const char *s, const char *end)
{
	bool bold = false, italic = false;
	while (s < end) {
		size_t plain = 0;
		while (s + plain < end && strchr("`*[\\&<", s[plain]) == NULL)
			plain++;
		text_html(m->out, s, plain);
		s += plain;
		if (s < end)
			s = special(m, s, end, &bold, &italic);
	}
	buf_adds(m->out, bold ? "</strong>" : "");
	buf_adds(m->out, italic ? "</em>" : "");
}

/* ---- lines ---- */

static void close_block(struct md *m)
{
	if (m->open != NULL)
		buf_printf(m->out, "</%s>\n", m->open);
	m->open = NULL;
	m->row = 0;
}

static void open_block(struct md *m, const char *element)
{
	if (m->open != NULL && strcmp(m->open, element) == 0)
		return;
	close_block(m);
	buf_printf(m->out, "<%s>", element);
	m->open = element;
}

static void fence_line(struct md *m, const char *s, const char *end)
{
	if (run_of(s, end, '`') >= m->fence && s + run_of(s, end, '`') == end) {
		buf_adds(m->out, "</pre>\n");
		m->fence = 0;
		return;
	}
	const char *kind = !m->diff ? NULL : *s == '+' ? "add" : *s == '-' ? "del" : *s == '!' ? "chg" : *s == '@' ? "hunk" : NULL;
	if (kind != NULL && s < end)
		buf_printf(m->out, "<span class=\"%s\">", kind);
	text_html(m->out, s, (size_t)(end - s));
	buf_adds(m->out, kind != NULL && s < end ? "</span>\n" : "\n");
}

static void table_row(struct md *m, const char *s, const char *end)
{
	open_block(m, "table");
	m->row++;
	if (m->row == 2 && s + strspn(s, "|-: ") >= end)
		return;
	buf_adds(m->out, "<tr>");
	for (s++; s < end;) {
		const char *stop = s;
		bool code = false;
		while (stop < end && (*stop != '|' || code || stop[-1] == '\\')) {
			code ^= *stop == '`';
			stop++;
		}
		buf_adds(m->out, m->row == 1 ? "<th>" : "<td>");
		inline_text(m, s, stop);
		buf_adds(m->out, m->row == 1 ? "</th>" : "</td>");
		s = stop + 1;
	}
	buf_adds(m->out, "</tr>\n");
}

static void quote_line(struct md *m, const char *s, const char *end)
{
	static const char *const alerts[] = {"[!NOTE]", "[!TIP]", "[!IMPORTANT]", "[!WARNING]", "[!CAUTION]"};
	open_block(m, "blockquote");
	s += s < end && *s == ' ';
	for (size_t i = 0; i < ARRAY_LEN(alerts); i++)
		if (strncmp(s, alerts[i], strlen(alerts[i])) == 0) {
			buf_printf(m->out, "<b class=\"alert\">%.*s</b><br>", (int)strlen(alerts[i]) - 3, alerts[i] + 2);
			return;
		}
	inline_text(m, s, end);
	buf_adds(m->out, "<br>\n");
}

static void item(struct md *m, const char *element, const char *s, const char *end)
{
	open_block(m, element);
	buf_adds(m->out, "<li>");
	inline_text(m, s, end);
	buf_adds(m->out, "</li>\n");
}

static void heading(struct md *m, size_t level, const char *s, const char *end)
{
	close_block(m);
	buf_printf(m->out, "<h%zu>", level);
	inline_text(m, s, end);
	buf_printf(m->out, "</h%zu>\n", level);
}

static void line(struct md *m, const char *s, const char *end)
{
	if (m->fence > 0) {
		fence_line(m, s, end);
		return;
	}
	while (s < end && *s == ' ')
		s++;
	size_t ticks = run_of(s, end, '`'), hashes = run_of(s, end, '#'), digits = strspn(s, "0123456789");
	if (s == end) {
		close_block(m);
	} else if (ticks >= 3) {
		close_block(m);
		m->fence = ticks;
		m->diff = end - s == (ptrdiff_t)ticks + 4 && strncmp(s + ticks, "diff", 4) == 0;
		buf_adds(m->out, "<pre>");
	} else if (hashes >= 1 && hashes <= 6 && s[hashes] == ' ') {
		heading(m, hashes, s + hashes + 1, end);
	} else if (*s == '|') {
		table_row(m, s, end);
	} else if (*s == '>') {
		quote_line(m, s + 1, end);
	} else if ((*s == '-' || *s == '*') && s[1] == ' ') {
		item(m, "ul", s + 2, end);
	} else if (digits > 0 && digits < 4 && s[digits] == '.' && s[digits + 1] == ' ') {
		item(m, "ol", s + digits + 2, end);
	} else if (end - s >= 3 && run_of(s, end, '-') == (size_t)(end - s)) {
		close_block(m);
		buf_adds(m->out, "<hr>\n");
	} else if (*s == '<') { /* a block of its own: <details>, comments */
		close_block(m);
		inline_text(m, s, end);
		buf_addc(m->out, '\n');
	} else {
		open_block(m, "p");
		inline_text(m, s, end);
		buf_addc(m->out, '\n');
	}
}

void sim_markdown(struct buf *out, const char *text)
{
	struct md m = {.out = out};
	while (*text != '\0') {
		const char *end = strchrnul(text, '\n'), *next = *end == '\n' ? end + 1 : end;
		line(&m, text, end > text && end[-1] == '\r' ? end - 1 : end);
		text = next;
	}
	buf_adds(out, m.fence > 0 ? "</pre>\n" : "");
	close_block(&m);
	for (; m.details > 0; m.details--)
		buf_adds(out, "</details>\n");
}
