/* Step 8. The parts of plan_diff(): lines of text (diff_lines.c), values of attributes (diff_value.c), resources (diff.c). Private to plan/.
 *
 * Every line starts with the symbol that GitHub's diff colours know, so content can never stand where a symbol stands. */
#ifndef PLAN_DIFF_INTERNAL_H
#define PLAN_DIFF_INTERNAL_H

#include "plan/plan_json.h"

enum {
	DIFF_DEPTH_MAX = 16,       /* nested values below are summed up in a word */
	DIFF_CHILDREN_MAX = 2000,  /* keys or elements of one value that are compared */
	DIFF_TEXT_LINES_MAX = 200, /* lines shown of one text */
};

/* ---- lines ---- */

struct span {
	const char *p;
	size_t n;
};

struct spans {
	struct span *v;
	size_t n;
};

enum edit_kind { EDIT_KEEP, EDIT_DELETE, EDIT_ADD };

struct edit {
	enum edit_kind kind;
	size_t a, b; /* index into the old lines (keep, delete) and into the new ones (keep, add) */
};

struct edits {
	struct edit *v;
	size_t n;
};

/* Splits at \n; a last line without one counts. The spans point into s. */
void spans_split(const char *s, size_t len, struct spans *ret);
void spans_free(struct spans *s);
/* The shortest edit script (Myers), or all old then all new where that would take too long. Deletions stand before additions. */
void edits_make(const struct spans *a, const struct spans *b, struct edits *ret);
void edits_free(struct edits *e);

/* ---- values ---- */

/* Every string of the document that is marked as sensitive somewhere (diff_secrets.c). */
struct diff_secrets {
	struct strlist v;
	bool hide_all; /* too many or too deep to know them all: no string is shown */
};

void diff_secrets_collect(const struct json *root, struct diff_secrets *ret);
/* Whether text holds one of them. */
bool diff_secrets_touch(const struct diff_secrets *s, const char *text);

/* One side of a change: the value and its marks, each bool or a structure of the value's shape. */
struct side {
	struct json value, unknown, sensitive;
	const struct diff_secrets *secrets;
};

enum side_state { SIDE_ABSENT, SIDE_SENSITIVE, SIDE_UNKNOWN, SIDE_KNOWN };

bool side_any_mark(const struct json *marks, unsigned depth);
enum side_state side_state(const struct side *s);
struct side side_member(const struct side *s, const char *key);
/* Nothing and an empty list or map are the same. */
bool side_same(const struct side *a, const struct side *b);
bool side_is_composite(const struct side *s); /* a known list or map that is not empty */
bool side_is_string(const struct side *s);
/* Says nothing to a reader of a new or an old resource: null, an empty list or map, and with strings_too an empty string. */
bool side_is_boring(const struct side *s, bool strings_too);
/* In one line; `from`: where the interesting part of a long string begins. */
void diff_put_flat(struct buf *out, const struct side *s, size_t from);
void diff_put_name(struct buf *out, const char *name);
/* "name      = ", or nothing for an element of a list. The caller frees. */
char *diff_label(const char *name, size_t width);
size_t diff_name_width(const char *name, size_t width); /* the wider of both, unless the name is very long */
/* Keys of an object; then sorted, each once. */
void diff_keys_collect(const struct json *obj, struct strlist *keys);
void diff_keys_once(struct strlist *keys);

struct diff {
	struct buf *out;
	size_t limit; /* no line begins behind it */
	bool full;    /* a line was dropped */
	const struct diff_secrets *secrets;
	const struct strlist *forces; /* attribute paths to mark; NULL */
	struct buf path;              /* where we are */
};

/* "<symbol> <indent><text>\n"; control characters cleaned, newlines in text become spaces. */
void diff_line(struct diff *d, char symbol, unsigned depth, const char *text);
void diff_linef(struct diff *d, char symbol, unsigned depth, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The attributes of a resource that is created ('+') or destroyed ('-'). */
void diff_object_whole(struct diff *d, char symbol, const struct side *s);
/* The attributes that differ; group_unknown: those that merely become known after apply share lines. */
void diff_object_pair(struct diff *d, const struct side *before, const struct side *after, bool group_unknown);
/* One named value, for outputs; width aligns the names. */
void diff_named_pair(struct diff *d, const char *name, size_t width, const struct side *before, const struct side *after);

/* ---- strings (diff_text.c) ---- */

/* A string that is better read as lines: several lines, or a JSON document; *ret_lines is its text, to be freed, else NULL. */
bool diff_text_lines(const char *s, char **ret_lines, const char **ret_what);
/* `name` = what it is, then its lines. */
void diff_text_whole(struct diff *d, char symbol, unsigned depth, const char *label, const char *what, const char *lines);
void diff_text_pair(struct diff *d, unsigned depth, const char *label, const char *suffix, const char *what, const char *before,
		    const char *after);
/* A quoted one-line string, windowed around byte `from` when it is long. */
void diff_quote(struct buf *out, const char *s, size_t from);

#endif
