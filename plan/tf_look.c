/* What is asked of a file that was read: texts, attributes, names. */
#include "plan/tf_file.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/text.h"

#include <ctype.h>
#include <stdint.h>

enum { DEPTH_MAX = 64 };

static bool is_word_char(char c) { return isalnum((unsigned char)c) || c == '_' || c == '-' || (unsigned char)c >= 0x80; }

/* ---- literals ---- */

static void add_utf8(struct buf *b, uint32_t c)
{
	if (c >= 0x110000 || (c >= 0xd800 && c < 0xe000))
		c = 0xfffd;
	if (c < 0x80)
		buf_addc(b, (char)c);
	else if (c < 0x800)
		buf_add(b, (char[]){(char)(0xc0 | c >> 6), (char)(0x80 | (c & 63))}, 2);
	else if (c < 0x10000)
		buf_add(b, (char[]){(char)(0xe0 | c >> 12), (char)(0x80 | (c >> 6 & 63)), (char)(0x80 | (c & 63))}, 3);
	else
		buf_add(b, (char[]){(char)(0xf0 | c >> 18), (char)(0x80 | (c >> 12 & 63)), (char)(0x80 | (c >> 6 & 63)), (char)(0x80 | (c & 63))}, 4);
}

/* The escape at s, which begins with a backslash; returns its length, 0 when it is none. */
static size_t add_escape(struct buf *b, const char *s, size_t len)
{
	static const char from[] = "nrt\"\\", to[] = "\n\r\t\"\\";
	const char *at = len > 1 && s[1] != '\0' ? strchr(from, s[1]) : NULL;
	if (at != NULL) {
		buf_addc(b, to[at - from]);
		return 2;
	}
	size_t digits = len > 1 && s[1] == 'u' ? 4 : len > 1 && s[1] == 'U' ? 8 : 0;
	uint32_t c = 0;
	if (digits == 0 || len < 2 + digits)
		return 0;
	for (size_t i = 0; i < digits; i++) {
		if (!isxdigit((unsigned char)s[2 + i]))
			return 0;
		c = c << 4 | (uint32_t)(isdigit((unsigned char)s[2 + i]) ? s[2 + i] - '0' : tolower((unsigned char)s[2 + i]) - 'a' + 10);
	}
	add_utf8(b, c);
	return 2 + digits;
}

char *tf_literal_of(const char *s, size_t len)
{
	CLEANUP_BUF struct buf b = {0};
	if (len < 2 || s[0] != '"' || s[len - 1] != '"')
		return NULL;
	for (size_t i = 1; i < len - 1;) {
		size_t left = len - 1 - i, n = 1;
		if ((s[i] == '$' || s[i] == '%') && left > 1 && s[i + 1] == '{')
			return NULL;
		if ((s[i] == '$' || s[i] == '%') && left > 2 && s[i + 1] == s[i] && s[i + 2] == '{') {
			buf_add(&b, s + i, 1);
			buf_addc(&b, '{');
			n = 3;
		} else if (s[i] == '\\') {
			n = add_escape(&b, s + i, left);
		} else if (s[i] == '"') {
			return NULL; /* two texts */
		} else {
			buf_addc(&b, s[i]);
		}
		if (n == 0)
			return NULL;
		i += n;
	}
	return buf_take(&b);
}

char *tf_literal(const char *value) { return tf_literal_of(value, strlen(value)); }

char *tf_first_word(const char *value)
{
	CLEANUP_FREE char *text = tf_literal(value);
	const char *s = text != NULL ? text : value;
	size_t n = 0;
	while (is_word_char(s[n]))
		n++;
	return n > 0 ? xstrndup(s, n) : NULL;
}

/* ---- looking ---- */

bool tf_is_block(const struct tf_node *n, const char *type) { return n->value == NULL && n->name != NULL && strcmp(n->name, type) == 0; }

const struct tf_node *tf_attribute(const struct tf_node *n, const char *name)
{
	const struct tf_node *found = NULL;
	for (const struct tf_node *c = n->child; c != NULL; c = c->next)
		if (c->value != NULL && c->name != NULL && strcmp(c->name, name) == 0)
			found = c;
	return found;
}

void tf_flatten(const struct tf_node *n, struct strlist *lines)
{
	struct {
		const struct tf_node *at;
		size_t len;
	} stack[DEPTH_MAX];
	size_t depth = 0;
	CLEANUP_BUF struct buf prefix = {.max = LIMIT_HCL_FILE_BYTES};
	stack[0].at = n->child;
	stack[0].len = 0;
	for (;;) {
		const struct tf_node *at = stack[depth].at;
		buf_truncate(&prefix, stack[depth].len);
		if (at == NULL) {
			if (depth-- == 0)
				break;
			continue;
		}
		stack[depth].at = at->next;
		if (at->value != NULL) {
			strlist_take(lines, xasprintf("%s%s = %s", buf_str(&prefix), at->name != NULL ? at->name : "?", at->value));
			continue;
		}
		buf_printf(&prefix, "%s %s %s.", at->name, at->label[0] != NULL ? at->label[0] : "", at->label[1] != NULL ? at->label[1] : "");
		if (at->child == NULL)
			strlist_add(lines, buf_str(&prefix));
		if (depth + 1 < DEPTH_MAX) {
			depth++;
			stack[depth].at = at->child;
			stack[depth].len = prefix.len;
		}
	}
	strlist_sort(lines);
}

/* ---- names ---- */

struct tf_name tf_name_read(const char *name)
{
	static const struct {
		const char *end;
		enum tf_kind kind;
		bool json, tofu;
	} ends[] = {{".tf", TF_CONFIG, false, false},         {".tf.json", TF_CONFIG, true, false},
		    {".tofu", TF_CONFIG, false, true},        {".tofu.json", TF_CONFIG, true, true},
		    {".auto.tfvars", TF_VALUES, false, false}, {".auto.tfvars.json", TF_VALUES, true, false}};
	struct tf_name ret = {0};
	if (strcmp(name, "terraform.tfvars") == 0 || strcmp(name, "terraform.tfvars.json") == 0)
		return (struct tf_name){.kind = TF_VALUES, .json = text_ends(name, ".json")};
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (text_ends(name, ends[i].end) && strlen(name) > strlen(ends[i].end))
			ret = (struct tf_name){.kind = ends[i].kind, .json = ends[i].json, .tofu = ends[i].tofu,
					       .stem = strlen(name) - strlen(ends[i].end)};
	if (name[0] == '.' || text_ends(name, "~") || (name[0] == '#' && text_ends(name, "#")))
		return (struct tf_name){0}; /* the engines leave these out */
	CLEANUP_FREE char *stem = xstrndup(name, ret.stem);
	ret.override = ret.kind == TF_CONFIG && (strcmp(stem, "override") == 0 || text_ends(stem, "_override"));
	return ret;
}
