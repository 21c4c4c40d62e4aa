/* The JSON writer. Commas are kept with one bit a level; a program that nests deeper than 64 or closes more than it opened is broken. */
#include "base/json.h"

#include "base/mem.h"
#include "base/text.h"

static const char *escape_of(unsigned char c)
{
	switch (c) {
	case '"': return "\\\"";
	case '\\': return "\\\\";
	case '\b': return "\\b";
	case '\f': return "\\f";
	case '\n': return "\\n";
	case '\r': return "\\r";
	case '\t': return "\\t";
	default: return NULL;
	}
}

/* DEL is escaped as well: allowed in JSON, but a terminal that shows the text obeys it. */
void json_quote(struct buf *out, const char *s, size_t len)
{
	size_t from = 0, i = 0;
	buf_reserve(out, len + 2);
	buf_addc(out, '"');
	while (i < len) {
		unsigned char c = (unsigned char)s[i];
		size_t width = c < 0x80 ? 1 : text_utf8_width(s + i, len - i);
		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f && width != 0) {
			i += width;
			continue;
		}
		buf_add(out, s + from, i - from);
		if (width == 0)
			buf_adds(out, "\xef\xbf\xbd");
		else if (escape_of(c) != NULL)
			buf_adds(out, escape_of(c));
		else
			buf_printf(out, "\\u%04x", (unsigned)c);
		from = ++i;
	}
	buf_add(out, s + from, len - from);
	buf_addc(out, '"');
}

struct json_writer json_writer(struct buf *out) { return (struct json_writer){.out = out}; }

/* The comma before this value, if one is due, and its key. */
static void begin(struct json_writer *w, const char *key)
{
	uint64_t bit = (uint64_t)1 << w->depth;
	if ((w->has_elements & bit) != 0)
		buf_addc(w->out, ',');
	w->has_elements |= bit;
	if (key == NULL)
		return;
	json_quote(w->out, key, strlen(key));
	buf_addc(w->out, ':');
}

static void open_level(struct json_writer *w, const char *key, char bracket)
{
	begin(w, key);
	buf_addc(w->out, bracket);
	ASSERT(w->depth < 63);
	w->depth++;
	w->has_elements &= ~((uint64_t)1 << w->depth);
}

/* A bracket too many is a mistake of ours, never of input. */
static void close_level(struct json_writer *w, char bracket)
{
	ASSERT(w->depth > 0);
	w->depth--;
	buf_addc(w->out, bracket);
}

void jw_open(struct json_writer *w, const char *key) { open_level(w, key, '{'); }
void jw_close(struct json_writer *w) { close_level(w, '}'); }
void jw_open_arr(struct json_writer *w, const char *key) { open_level(w, key, '['); }
void jw_close_arr(struct json_writer *w) { close_level(w, ']'); }

void jw_str(struct json_writer *w, const char *key, const char *value)
{
	if (value == NULL)
		jw_null(w, key);
	else
		jw_strn(w, key, value, strlen(value));
}

void jw_strn(struct json_writer *w, const char *key, const char *value, size_t len)
{
	begin(w, key);
	json_quote(w->out, value, len);
}

void jw_int(struct json_writer *w, const char *key, int64_t value)
{
	begin(w, key);
	buf_printf(w->out, "%lld", (long long)value);
}

void jw_bool(struct json_writer *w, const char *key, bool value) { jw_raw(w, key, value ? "true" : "false"); }
void jw_null(struct json_writer *w, const char *key) { jw_raw(w, key, "null"); }

void jw_raw(struct json_writer *w, const char *key, const char *json)
{
	begin(w, key);
	buf_adds(w->out, json);
}
