#include "runner/engine_error.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdint.h>

enum { DETAIL_MAX = 1200, WHERE_MAX = 1024 };

#define LOCKED "Error acquiring the state lock"

/* Errors whose way out is ours to tell. */
static const struct {
	const char *title, *hint;
} hints[] = {
	{"Failed to query available provider packages",
	 "this server gives jobs only the providers of its own mirror: ask its operator to add this one"},
	{"Failed to install provider", "this server gives jobs only the providers of its own mirror: ask its operator to add this one"},
	{"Failed to resolve provider packages",
	 "this server gives jobs only the providers of its own mirror: ask its operator to add this one"},
	{"Could not load the schema", "this server gives jobs only the providers of its own mirror: ask its operator to add this one"},
	{"Saved plan is stale", "the state changed after this plan was made: plan again"},
	{LOCKED, "another run holds the state lock: wait for it, or unlock the state where it is kept"},
	{"Provider dependency changes detected",
	 "the lock file does not fit the configuration: run init on your machine and commit .terraform.lock.hcl"},
};

/* Both engines' words for "init has not run, or not with this configuration". */
static const char *const init_titles[] = {
	"Error: Required plugins are not installed",
	"Error: Module not installed",
	"Error: Backend initialization required",
	"Error: Inconsistent dependency lock file",
	"Error: Required providers are not installed",
	"Error: Could not load plugin",
	"Error: Initialization required",
	"Error: Missing required provider",
	"Error: Module source has changed",
	"Error: Module version requirements have changed",
};

/* ---- lines without their frame ---- */

static size_t skip_escape(const char *s, size_t len)
{
	if (len < 2 || s[0] != '\033' || s[1] != '[')
		return 0;
	size_t i = 2;
	while (i < len && (unsigned char)s[i] < 0x40)
		i++;
	return i < len ? i + 1 : i;
}

static size_t skip_frame(const char *s, size_t len)
{
	static const char *const marks[] = {"│", "╷", "╵"};
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		size_t n = strlen(marks[i]);
		if (len >= n && strncmp(s, marks[i], n) == 0)
			return n + (len > n && s[n] == ' ' ? 1 : 0);
	}
	return 0;
}

/* Adds one line to a list, without colours and frame, cleaned. */
static void add_line(struct strlist *lines, const char *s, size_t len)
{
	CLEANUP_BUF struct buf plain = {0};
	CLEANUP_BUF struct buf clean = {0};
	for (size_t i = 0; i < len;) {
		size_t esc = skip_escape(s + i, len - i);
		if (esc == 0)
			buf_addc(&plain, s[i]);
		i += esc == 0 ? 1 : esc;
	}
	size_t frame = skip_frame(buf_str(&plain), plain.len);
	text_clean(&clean, buf_str(&plain) + frame, plain.len - frame);
	while (clean.len > 0 && (clean.data[clean.len - 1] == ' ' || clean.data[clean.len - 1] == '\t'))
		buf_truncate(&clean, clean.len - 1);
	strlist_add(lines, buf_str(&clean));
}

static void split(struct strlist *lines, const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		const char *end = memchr(text + i, '\n', len - i);
		size_t n = end != NULL ? (size_t)(end - (text + i)) : len - i;
		add_line(lines, text + i, n);
		i += n + 1;
	}
}

static bool starts_block(const char *line) { return text_starts(line, "Error: ") || text_starts(line, "Warning: "); }

/* ---- one error ---- */

/* dir + "/" + file with "." and ".." taken out where that stays inside the repository. */
static void add_path(struct buf *out, const char *dir, const char *file)
{
	struct strlist parts = {0};
	CLEANUP_FREE char *joined = strcmp(dir, ".") == 0 || file[0] == '/' ? xstrdup(file) : xasprintf("%s/%s", dir, file);
	bool outside = file[0] == '/';
	for (const char *s = joined; !outside && *s != '\0';) {
		size_t n = strcspn(s, "/");
		if (n == 2 && strncmp(s, "..", 2) == 0) {
			if (parts.n == 0)
				outside = true;
			else
				free(parts.v[--parts.n]);
		} else if (n > 0 && !(n == 1 && s[0] == '.')) {
			strlist_add_n(&parts, s, n);
		}
		s += n + (s[n] == '/' ? 1 : 0);
	}
	for (size_t i = 0; !outside && i < parts.n; i++)
		buf_printf(out, "%s%s", i == 0 ? "" : "/", parts.v[i]);
	if (outside)
		buf_adds(out, file);
	strlist_free(&parts);
}

/* "  on FILE line N, in ...:" or "  on FILE line N:". The file may hold spaces, so the last " line " counts. */
static bool add_where(struct buf *out, const char *line, const char *dir)
{
	while (*line == ' ')
		line++;
	if (!text_starts(line, "on "))
		return false;
	const char *file = line + 3, *mark = NULL;
	for (const char *s = file; (s = strstr(s, " line ")) != NULL; s++)
		if (s[6] >= '0' && s[6] <= '9')
			mark = s;
	if (mark == NULL || mark - file > WHERE_MAX)
		return false;
	CLEANUP_FREE char *name = xstrndup(file, (size_t)(mark - file));
	add_path(out, dir, name);
	buf_printf(out, ":%.*s", (int)strspn(mark + 6, "0123456789"), mark + 6);
	return true;
}

/* The quoted source below a location ("   14:   inputt = 1"), and what the engine adds about values ("    ├──", "    │ x is 1"). */
static bool is_quote(const char *line)
{
	const char *s = line + strspn(line, " ");
	size_t digits = strspn(s, "0123456789");
	return s - line >= 2 && ((digits > 0 && s[digits] == ':') || text_starts(s, "├") || text_starts(s, "│") || text_starts(s, "with "));
}

/* The paragraphs after title, place and quotation, joined with spaces. */
static void add_detail(struct buf *out, const struct strlist *lines, size_t from)
{
	CLEANUP_BUF struct buf detail = {0};
	for (size_t i = from; i < lines->n && !starts_block(lines->v[i]) && detail.len < DETAIL_MAX; i++) {
		const char *s = lines->v[i] + strspn(lines->v[i], " ");
		if (*s != '\0' && !is_quote(lines->v[i]))
			buf_printf(&detail, "%s%s", detail.len == 0 ? "" : " ", s);
	}
	if (detail.len == 0)
		return;
	size_t keep = text_cut(detail.data, detail.len, DETAIL_MAX);
	buf_adds(out, ": ");
	buf_add(out, detail.data, keep);
	if (keep < detail.len)
		buf_adds(out, "...");
}

/* "  ID:        9db590f1-..." below "Lock Info:"; the value may hold no more than names and times do. */
static void lock_value(const char *line, const char *key, char *ret, size_t size)
{
	line += strspn(line, " ");
	if (ret[0] != '\0' || strncmp(line, key, strlen(key)) != 0)
		return;
	const char *value = line + strlen(key) + strspn(line + strlen(key), " ");
	size_t len = text_cut(value, strlen(value), size - 1);
	for (size_t i = 0; i < len; i++)
		ret[i] = value[i] == '`' ? '\'' : value[i];
	ret[len] = '\0';
}

static bool lock_in_lines(const struct strlist *lines, struct engine_lock *ret)
{
	bool inside = false;
	*ret = (struct engine_lock){.id = ""};
	for (size_t i = 0; i < lines->n; i++) {
		inside = inside || strstr(lines->v[i], "Lock Info:") != NULL;
		if (!inside)
			continue;
		lock_value(lines->v[i], "ID:", ret->id, sizeof(ret->id));
		lock_value(lines->v[i], "Who:", ret->who, sizeof(ret->who));
		lock_value(lines->v[i], "Created:", ret->created, sizeof(ret->created));
	}
	return ret->id[0] != '\0';
}

bool engine_lock_read(const char *text, size_t len, struct engine_lock *ret)
{
	struct strlist lines = {0};
	split(&lines, text, len);
	bool found = lock_in_lines(&lines, ret);
	strlist_free(&lines);
	return found;
}

static bool add_lock(struct buf *out, const struct strlist *lines)
{
	struct engine_lock lock;
	if (!lock_in_lines(lines, &lock))
		return false;
	buf_printf(out, " (the state lock %s is held by %s since %s: wait for it; when that run is gone, somebody with access to the state runs"
		   " `force-unlock %s` by hand, which sluice never does)", lock.id, lock.who[0] != '\0' ? lock.who : "somebody",
		   lock.created[0] != '\0' ? lock.created : "an unknown time", lock.id);
	return true;
}

static void add_hint(struct buf *out, const struct strlist *lines, const char *title)
{
	if (text_starts(title, LOCKED) && add_lock(out, lines))
		return;
	for (size_t i = 0; i < ARRAY_LEN(hints); i++) {
		if (text_starts(title, hints[i].title)) {
			buf_printf(out, " (%s)", hints[i].hint);
			return;
		}
	}
}

static void add_error(struct buf *out, const struct strlist *lines, size_t at, const char *dir)
{
	const char *title = lines->v[at] + strlen("Error: ");
	size_t from = at + 1;
	for (size_t i = at + 1; i < lines->n && i < at + 6 && !starts_block(lines->v[i]); i++) {
		if (add_where(out, lines->v[i], dir)) {
			buf_adds(out, ": ");
			from = i + 1;
			break;
		}
	}
	buf_adds(out, title);
	add_detail(out, lines, from);
	add_hint(out, lines, title);
}

bool engine_error_sentence(const char *text, size_t len, const char *dir, struct buf *out)
{
	struct strlist lines = {0};
	split(&lines, text, len);
	size_t first = SIZE_MAX, errors = 0;
	for (size_t i = 0; i < lines.n; i++) {
		if (!text_starts(lines.v[i], "Error: "))
			continue;
		if (errors++ == 0)
			first = i;
	}
	if (errors > 0)
		add_error(out, &lines, first, dir);
	if (errors > 1)
		buf_printf(out, " (and %zu more error%s, see the log)", errors - 1, errors == 2 ? "" : "s");
	strlist_free(&lines);
	return errors > 0;
}

bool engine_error_wants_init(const char *text, size_t len)
{
	struct strlist lines = {0};
	split(&lines, text, len);
	bool wants = false;
	for (size_t i = 0; !wants && i < lines.n; i++)
		for (size_t k = 0; !wants && k < ARRAY_LEN(init_titles); k++)
			wants = text_starts(lines.v[i], init_titles[k]);
	strlist_free(&lines);
	return wants;
}
