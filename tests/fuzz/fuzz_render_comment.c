/* Strangers' text in every field of a comment and of a check: what comes out is read by a second reader of Markdown, written for this test
 * alone, which knows what may stand there and aborts on anything else.
 *
 * Input: two bytes of choices, then texts that end with a zero byte; the fields take them in turns. */
#include "tests/fuzz/fuzz.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "plan/render_internal.h"

#include <ctype.h>
#include <string.h>

enum { TEXTS_MAX = 40 };

/* ---- the second reader ---- */

static bool starts(const char *s, const char *end, const char *with)
{
	size_t n = strlen(with);
	return (size_t)(end - s) >= n && memcmp(s, with, n) == 0;
}

static bool same_letters(const char *s, const char *end, const char *with)
{
	for (; *with != '\0'; s++, with++)
		if (s == end || tolower((unsigned char)*s) != *with)
			return false;
	return true;
}

/* One place in text that GitHub goes over after Markdown: no mention, reference, address or emoji begins here. */
static void check_trigger(const char *line, const char *s, const char *end)
{
	unsigned char next = s + 1 < end ? (unsigned char)s[1] : 0;
	if (*s == '@')
		ASSERT(!isalnum(next) && next != '-' && next != '_');
	if (*s == '#')
		ASSERT(!isdigit(next));
	if (*s == ':')
		ASSERT(!isalpha(next) && next != '/' && next != '+');
	if (*s == '$')
		ASSERT(next == 0xe2 || next == 0);
	if (same_letters(s, end, "gh-") && (s == line || !isalnum((unsigned char)s[-1])))
		ASSERT(s + 3 == end || !isdigit((unsigned char)s[3]));
	if (same_letters(s, end, "www.")) /* a sentence of ours may end so */
		ASSERT(s + 4 == end || s[4] == ' ' || s[4] == '.' || s[4] == '*');
}

static const char *skip_url(const char *s, const char *end)
{
	ASSERT(starts(s, end, "https://") || starts(s, end, "http://"));
	for (; s < end && *s != ')'; s++)
		ASSERT((unsigned char)*s > ' ' && (unsigned char)*s < 0x7f && strchr("(<>\"'\\|`*_[]", *s) == NULL);
	ASSERT(s < end);
	return s + 1;
}

/* What we write as a link: our words, then an address. Returns what follows it. */
static const char *skip_link(const char *s, const char *end)
{
	static const char *const words[] = {"[log](", "[help](", "[The run has everything](", "[the whole text is in the log](",
					    "[run 7]("};
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (starts(s, end, words[i]))
			return skip_url(s + strlen(words[i]), end);
	ASSERT(!"a bracket that begins no link of ours");
	return end;
}

static const char *skip_code(const char *s, const char *end)
{
	size_t ticks = strspn(s, "`"), run = 0;
	for (s += ticks; s <= end; s++) {
		if (s < end && *s == '`') {
			run++;
			continue;
		}
		if (run == ticks)
			return s;
		run = 0;
	}
	ASSERT(!"code that does not end in its line");
	return end;
}

/* Text of one line or cell. Nothing in it is markup but bold, our links and code that ends here. */
static void check_inline(const char *s, const char *end)
{
	const char *line = s;
	while (s < end) {
		if (*s == '\\' && s + 1 < end && ispunct((unsigned char)s[1])) {
			if (s[1] != '`' && s[1] != '\\' && s[1] != '*')
				check_trigger(line, s + 1, end);
			s += 2;
		} else if (*s == '`') {
			s = skip_code(s, end);
		} else if (*s == '[') {
			s = skip_link(s, end);
		} else {
			ASSERT(*s != '<' && *s != ']' && *s != '~');
			ASSERT(*s != '*' || starts(s, end, "**") || s[-1] == '*');
			ASSERT(*s != '&' || starts(s, end, "&lt;") || starts(s, end, "&gt;") || starts(s, end, "&amp;"));
			check_trigger(line, s, end);
			s++;
		}
	}
}

/* "| a | b |": as many cells as the head has. */
static void check_row(const char *s, const char *end, size_t *columns)
{
	size_t cells = 0;
	ASSERT(starts(s, end, "| ") && end[-1] == '|');
	for (const char *from = s + 1; from < end;) {
		const char *to = from;
		while (to < end && (*to != '|' || to[-1] == '\\'))
			to++;
		ASSERT(to < end);
		check_inline(from, to);
		cells++;
		from = to + 1;
	}
	ASSERT(*columns == 0 || *columns == cells);
	*columns = cells;
}

/* HTML of ours with text in it, up to an empty line. */
static void check_html(const char *s, const char *end)
{
	static const char *const whole[] = {"<details open>", "<details>", "</details>", "<summary>", "</summary>", "<b>",
					    "</b>",           "&lt;",      "&gt;",       "&amp;",     "&quot;",     "&#39;"};
	const char *line = s;
	while (s < end) {
		const char *from = s;
		for (size_t i = 0; s == from && i < ARRAY_LEN(whole); i++)
			s += starts(s, end, whole[i]) ? strlen(whole[i]) : 0;
		ASSERT(s > from || strchr("<>&", *s) == NULL);
		if (s == from)
			check_trigger(line, s++, end);
	}
}

static void check_line(const char *s, const char *end, bool first)
{
	if (starts(s, end, "<sub>")) {
		ASSERT(starts(end - 6, end, "</sub>"));
		s += 5;
		end -= 6;
	} else if (first) {
		ASSERT(starts(s, end, "### sluice "));
		s += strlen("### sluice ");
	} else if (starts(s, end, "> ")) {
		s += 2;
		static const char *const alerts[] = {"[!CAUTION]", "[!WARNING]", "[!IMPORTANT]"};
		for (size_t i = 0; i < ARRAY_LEN(alerts); i++)
			s += starts(s, end, alerts[i]) ? strlen(alerts[i]) : 0;
	} else if (starts(s, end, "- ")) {
		s += 2;
	} else {
		const char *t = s;
		while (t < end && *t == ' ')
			t++;
		ASSERT(t == end || (strchr(">-+=", *t) == NULL && !starts(t, end, "```")));
		ASSERT(t == end || *t != '#' || (t + 1 < end && t[1] != ' ' && t[1] != '#'));
		const char *digits = t;
		while (t < end && isdigit((unsigned char)*t))
			t++;
		ASSERT(t == digits || t == end || (*t != '.' && *t != ')'));
	}
	check_inline(s, end);
}

static void check_characters(const char *s, size_t len)
{
	ASSERT(text_is_utf8(s, len) && strlen(s) == len);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i], b = i + 1 < len ? (unsigned char)s[i + 1] : 0,
			      a = i + 2 < len ? (unsigned char)s[i + 2] : 0;
		ASSERT(c >= 0x20 || c == '\n' || c == '\t');
		ASSERT(c != 0x7f && (c != 0xc2 || (b > 0x9f && b != 0xad)));
		ASSERT(c != 0xe2 || b != 0x80 || (a != 0xa8 && a != 0xa9 && !(a >= 0x8c && a <= 0x8f) && !(a >= 0xaa && a <= 0xae)));
		ASSERT(c != 0xe2 || b != 0x81 || a < 0xa0 || a > 0xaf);
		ASSERT(c != 0xf3 || b != 0xa0);
	}
}

/* table_head: lines of a table are looked at as such from its first on. */
static void check_markdown(const struct buf *out, bool titled)
{
	const char *s = buf_str(out), *limit = s + out->len;
	size_t fence = 0, columns = 0;
	bool first = titled, html = false;
	check_characters(s, out->len);
	for (; s < limit; first = false) {
		const char *end = memchr(s, '\n', (size_t)(limit - s));
		end = end != NULL ? end : limit;
		size_t ticks = strspn(s, "`");
		if (fence != 0) {
			if (ticks >= fence && s + ticks == end)
				fence = 0;
		} else if (ticks >= 3 && (starts(s + ticks, end, "diff") || starts(s + ticks, end, "text")) && s + ticks + 4 == end) {
			fence = ticks;
		} else if (s == end) {
			html = false;
			columns = 0;
		} else if (html || starts(s, end, "<details") || starts(s, end, "</details>")) {
			html = true;
			check_html(s, end);
		} else if (starts(s, end, "|:--")) {
			ASSERT(columns != 0);
		} else if (*s == '|') {
			check_row(s, end, &columns);
		} else {
			ASSERT(columns == 0);
			check_line(s, end, first);
		}
		s = end + 1;
	}
	ASSERT(fence == 0);
}

/* ---- the fields ---- */

struct texts {
	char *v[TEXTS_MAX];
	size_t n, at;
};

static char *next(struct texts *t) { return t->v[t->at++ % t->n]; }

static void split(struct texts *t, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size && t->n < TEXTS_MAX;) {
		const uint8_t *end = memchr(data + i, '\0', size - i);
		size_t n = end != NULL ? (size_t)(end - data) - i : size - i;
		t->v[t->n++] = xstrndup((const char *)data + i, n);
		i += n + 1;
	}
	if (t->n == 0)
		t->v[t->n++] = xstrdup("");
}

static void fill_project(struct texts *t, unsigned choice, struct view_project *p, const struct plan_summary *s, const char *const told[2])
{
	*p = (struct view_project){
		.name = next(t),
		.state = (enum view_state)(choice % (VIEW_DELETED + 1)),
		.summary = (choice & 1) != 0 ? s : NULL,
		.diff = next(t),
		.error = next(t),
		.waiting_for = next(t),
		.resolved = (choice & 2) != 0 ? next(t) : NULL,
		.log_url = next(t),
		.reason = next(t),
		.took_ms = 1500,
		.running_ms = 2500,
		.state_note = next(t),
		.told = told,
		.told_n = choice % 3,
		.told_more = choice % 2,
	};
}

static void check_view(const struct view *v)
{
	CLEANUP_BUF struct buf comment = {0}, title = {0};
	struct check_text check;
	render_comment(v, &comment);
	check_markdown(&comment, true);
	ASSERT(text_chars(buf_str(&comment), comment.len) <= LIMIT_COMMENT_BYTES);
	render_headline(v, &title);
	check_characters(buf_str(&title), title.len);
	ASSERT(strchr(buf_str(&title), '\n') == NULL && text_chars(buf_str(&title), title.len) <= LIMIT_STATUS_DESCRIPTION);
	for (size_t i = 0; i <= v->projects_n; i++) {
		struct view one = *v;
		one.projects = i < v->projects_n ? &v->projects[i] : v->projects;
		one.projects_n = i < v->projects_n ? 1 : v->projects_n;
		render_check(&one, CHECK_FAILED, buf_str(&title), i == v->projects_n, &check);
		check_markdown(&check.summary, false);
		check_markdown(&check.text, false);
		check_characters(buf_str(&check.title), check.title.len);
		check_characters(buf_str(&check.annotations), check.annotations.len);
		ASSERT(text_chars(buf_str(&check.summary), check.summary.len) <= LIMIT_CHECK_TEXT_CHARS);
		check_text_free(&check);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct texts t = {0};
	if (size < 2 || size > 60000)
		return 0;
	unsigned a = data[0], b = data[1];
	split(&t, data + 2, size - 2);
	char *forces[] = {next(&t), next(&t)}, *drifted[] = {next(&t)};
	struct plan_change changes[] = {
		{.kind = CHANGE_REPLACE,
		 .address = next(&t),
		 .type = next(&t),
		 .forces = {forces, (a & 1) != 0 ? 2 : 0},
		 .reason = next(&t)},
		{.kind = CHANGE_DESTROY, .address = next(&t), .type = next(&t), .reason = (b & 1) != 0 ? next(&t) : NULL},
	};
	struct plan_summary s =
		{.replace = 1, .destroy = 1, .drift = 1, .changes = changes, .changes_n = 2, .drifted = {drifted, 1}, .applyable = true};
	struct view_project projects[3];
	const char *const told[] = {next(&t), next(&t)};
	for (size_t i = 0; i < ARRAY_LEN(projects); i++)
		fill_project(&t, a + (unsigned)i * (1 + b % 11), &projects[i], &s, told);
	struct gate_item items[] = {{GATE_NO, next(&t), next(&t), next(&t)}, {GATE_UNKNOWN, next(&t), next(&t), next(&t)}};
	struct gate_verdict gate = {.items = items, .n = ARRAY_LEN(items)};
	const char *notes[] = {next(&t), next(&t)};
	struct view v = {
		.phase = (enum view_phase)(b % 5),
		.head_sha = next(&t),
		.base_ref = next(&t),
		.merge_sha = (b & 2) != 0 ? next(&t) : NULL,
		.projects = projects,
		.projects_n = 1 + a % 3,
		.untouched = a % 2,
		.gate = (b & 4) != 0 ? &gate : NULL,
		.refused = (b & 8) != 0 ? next(&t) : NULL,
		.notes = notes,
		.notes_n = ARRAY_LEN(notes),
		.config_errors = (b & 48) == 48 ? next(&t) : NULL,
		.error = (b & 48) == 32 ? next(&t) : NULL,
		.run_url = next(&t),
		.help_url = next(&t),
		.run_id = 7,
		.waits = (b & 112) == 96,
		.engines = next(&t),
		.sandbox = next(&t),
		.expires = next(&t),
	};
	check_view(&v);
	for (size_t i = 0; i < t.n; i++)
		free(t.v[i]);
	return 0;
}
