/* Values of attributes inside a diff. Sensitive on either side hides both: a value that only now became sensitive is the same value. */
#include "plan/diff_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

enum { INLINE_MAX = 100, UNKNOWN_NAMES_MAX = 70, LINE_MAX_BYTES = 1000, SHORT_LIST_MAX = 8 };

void diff_line(struct diff *d, char symbol, unsigned depth, const char *text)
{
	if (d->full || d->out->len >= d->limit) {
		d->full = true;
		return;
	}
	buf_printf(d->out, "%c %*s", symbol, (int)depth * 2, "");
	size_t start = d->out->len;
	size_t len = strlen(text), cut = text_cut(text, len, LINE_MAX_BYTES);
	text_clean(d->out, text, cut);
	buf_adds(d->out, cut < len ? "..." : "");
	for (size_t i = start; i < d->out->len; i++)
		if (d->out->data[i] == '\n')
			d->out->data[i] = ' ';
	buf_addc(d->out, '\n');
}

void diff_linef(struct diff *d, char symbol, unsigned depth, const char *fmt, ...)
{
	CLEANUP_BUF struct buf text = {0};
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	diff_line(d, symbol, depth, buf_str(&text));
}

static bool too_many(struct diff *d, char symbol, unsigned depth, size_t n)
{
	if (n <= DIFF_CHILDREN_MAX)
		return false;
	diff_linef(d, symbol, depth, "(%zu elements, more than %d: not shown)", n, DIFF_CHILDREN_MAX);
	return true;
}

/* ---- one side only ---- */

static void show_whole(struct diff *d, char symbol, unsigned depth, const char *name, size_t width, const struct side *s);

/* "arn, id, owner_id = (known after apply)" in one line. */
static void show_unknown_names(struct diff *d, char symbol, unsigned depth, const struct strlist *names)
{
	CLEANUP_BUF struct buf text = {0};
	size_t i = 0;
	for (; i < names->n && text.len < UNKNOWN_NAMES_MAX; i++) {
		buf_adds(&text, i > 0 ? ", " : "");
		diff_put_name(&text, names->v[i]);
	}
	if (i < names->n)
		buf_printf(&text, " and %zu more", names->n - i);
	if (names->n > 0)
		diff_linef(d, symbol, depth, "%s = (known after apply)", buf_str(&text));
}

static void whole_children(struct diff *d, char symbol, unsigned depth, const struct side *s, bool top)
{
	struct strlist keys = {0}, shown = {0}, unknown = {0};
	diff_keys_collect(&s->value, &keys);
	diff_keys_collect(&s->unknown, &keys);
	diff_keys_once(&keys);
	size_t width = 0;
	if (!too_many(d, symbol, depth, keys.n))
		for (size_t i = 0; i < keys.n; i++) {
			struct side child = side_member(s, keys.v[i]);
			if (side_is_boring(&child, top))
				continue;
			bool later = side_state(&child) == SIDE_UNKNOWN;
			strlist_add(later ? &unknown : &shown, keys.v[i]);
			width = later ? width : diff_name_width(keys.v[i], width);
		}
	for (size_t i = 0; i < shown.n && !d->full; i++) {
		struct side child = side_member(s, shown.v[i]);
		show_whole(d, symbol, depth, shown.v[i], width, &child);
	}
	show_unknown_names(d, symbol, depth, &unknown);
	strlist_free(&keys);
	strlist_free(&shown);
	strlist_free(&unknown);
}

/* Steps through the marks of a list beside its elements. */
static struct json mark_first(const struct json *marks)
{
	return json_type(marks) == JSON_ARRAY ? json_first(marks) : json_is_true(marks) ? *marks : (struct json){0};
}

static struct json mark_next(const struct json *marks, const struct json *at)
{
	return json_type(marks) == JSON_ARRAY ? (json_ok(at) ? json_next(at) : *at) : *at;
}

struct sides {
	struct side *v;
	size_t n;
};

static void elements_read(const struct side *list, struct sides *ret)
{
	*ret = (struct sides){.v = xcalloc(json_count(&list->value) + 1, sizeof(struct side))};
	struct json unknown = mark_first(&list->unknown), sensitive = mark_first(&list->sensitive);
	for (struct json e = json_first(&list->value); json_ok(&e); e = json_next(&e)) {
		ret->v[ret->n++] = (struct side){e, unknown, sensitive, list->secrets};
		unknown = mark_next(&list->unknown, &unknown);
		sensitive = mark_next(&list->sensitive, &sensitive);
	}
}

static void whole_elements(struct diff *d, char symbol, unsigned depth, const struct side *s)
{
	if (too_many(d, symbol, depth, json_count(&s->value)))
		return;
	struct sides all;
	elements_read(s, &all);
	for (size_t i = 0; i < all.n && !d->full; i++)
		show_whole(d, symbol, depth, NULL, 0, &all.v[i]);
	free(all.v);
}

/* A list of short plain values as "[a, b]"; false when it is none. */
static bool put_short_list(struct buf *out, const struct side *s)
{
	size_t start = out->len;
	if (!side_is_composite(s) || json_type(&s->value) != JSON_ARRAY || json_count(&s->value) > SHORT_LIST_MAX)
		return false;
	struct sides all;
	bool fits = true;
	elements_read(s, &all);
	buf_addc(out, '[');
	for (size_t i = 0; i < all.n && fits; i++) {
		buf_adds(out, i > 0 ? ", " : "");
		fits = !side_is_composite(&all.v[i]) && (!side_is_string(&all.v[i]) || strchr(json_text(&all.v[i].value), '\n') == NULL);
		if (fits)
			diff_put_flat(out, &all.v[i], 0);
		fits = fits && out->len - start <= INLINE_MAX / 2;
	}
	buf_addc(out, ']');
	free(all.v);
	if (!fits)
		buf_truncate(out, start);
	return fits;
}

static void show_whole(struct diff *d, char symbol, unsigned depth, const char *name, size_t width, const struct side *s)
{
	CLEANUP_FREE char *label = diff_label(name, width);
	CLEANUP_FREE char *lines = NULL;
	CLEANUP_BUF struct buf list_text = {0};
	const char *what = NULL;
	if (put_short_list(&list_text, s)) {
		diff_linef(d, symbol, depth, "%s%s", label, buf_str(&list_text));
		return;
	}
	if (side_is_composite(s) && depth < DIFF_DEPTH_MAX) {
		bool list = json_type(&s->value) == JSON_ARRAY;
		diff_linef(d, symbol, depth, "%s%c", label, list ? '[' : '{');
		if (list)
			whole_elements(d, symbol, depth + 1, s);
		else
			whole_children(d, symbol, depth + 1, s, false);
		diff_line(d, symbol, depth, list ? "]" : "}");
	} else if (side_is_string(s) && diff_text_lines(json_text(&s->value), &lines, &what)) {
		diff_text_whole(d, symbol, depth, label, what, lines);
	} else {
		CLEANUP_BUF struct buf value = {0};
		diff_put_flat(&value, s, 0);
		diff_linef(d, symbol, depth, "%s%s", label, buf_str(&value));
	}
}

/* ---- both sides ---- */

static void show_pair(struct diff *d, unsigned depth, const char *name, size_t width, const struct side *b, const struct side *a);

static const char *suffix_of(const struct diff *d)
{
	return d->forces != NULL && d->path.len > 0 && strlist_has(d->forces, buf_str(&d->path)) ? "  # forces replacement" : "";
}

static size_t path_push(struct diff *d, const char *key)
{
	size_t old = d->path.len;
	bool plain = key[0] != '\0' && strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-0123456789") == strlen(key);
	if (plain && !isdigit((unsigned char)key[0]) && key[0] != '-') {
		buf_printf(&d->path, "%s%s", old > 0 ? "." : "", key);
	} else {
		buf_addc(&d->path, '[');
		json_quote(&d->path, key, strlen(key));
		buf_addc(&d->path, ']');
	}
	return old;
}

static void pair_child(struct diff *d, unsigned depth, const char *key, size_t width, const struct side *before, const struct side *after)
{
	struct side b = side_member(before, key), a = side_member(after, key);
	size_t old = path_push(d, key);
	show_pair(d, depth, key, width, &b, &a);
	buf_truncate(&d->path, old);
}

/* Known before and only known after apply later: in a replacement that is most of what the provider computes. */
static bool is_recomputed(struct diff *d, const char *key, const struct side *b, const struct side *a)
{
	size_t old = path_push(d, key);
	bool forced = suffix_of(d)[0] != '\0';
	buf_truncate(&d->path, old);
	return !forced && side_state(a) == SIDE_UNKNOWN && side_state(b) != SIDE_SENSITIVE;
}

static void pair_children(struct diff *d, unsigned depth, const struct side *before, const struct side *after, bool group_unknown)
{
	struct strlist keys = {0}, shown = {0}, unknown = {0};
	diff_keys_collect(&before->value, &keys);
	diff_keys_collect(&after->value, &keys);
	diff_keys_collect(&after->unknown, &keys);
	diff_keys_once(&keys);
	size_t width = 0;
	if (!too_many(d, '!', depth, keys.n))
		for (size_t i = 0; i < keys.n; i++) {
			struct side b = side_member(before, keys.v[i]), a = side_member(after, keys.v[i]);
			if (side_same(&b, &a))
				continue;
			bool later = group_unknown && is_recomputed(d, keys.v[i], &b, &a);
			strlist_add(later ? &unknown : &shown, keys.v[i]);
			width = later ? width : diff_name_width(keys.v[i], width);
		}
	for (size_t i = 0; i < shown.n && !d->full; i++)
		pair_child(d, depth, shown.v[i], width, before, after);
	show_unknown_names(d, '!', depth, &unknown);
	strlist_free(&keys);
	strlist_free(&shown);
	strlist_free(&unknown);
}

/* Each element as one line of compact JSON with its marks: equal lines are equal elements. */
static void elements_as_lines(const struct sides *all, struct buf *text, struct spans *ret)
{
	CLEANUP_FREE size_t *ends = xcalloc(all->n + 1, sizeof(*ends));
	text->max = SIZE_MAX;
	for (size_t i = 0; i < all->n; i++) {
		json_print(&all->v[i].value, text);
		buf_addc(text, side_any_mark(&all->v[i].unknown, 0) ? '?' : '=');
		buf_addc(text, side_any_mark(&all->v[i].sensitive, 0) ? '*' : '=');
		ends[i] = text->len;
	}
	*ret = (struct spans){.v = xcalloc(all->n + 1, sizeof(*ret->v))};
	for (size_t i = 0, start = 0; i < all->n; start = ends[i++])
		ret->v[ret->n++] = (struct span){buf_str(text) + start, ends[i] - start};
}

/* A run of removed and added elements: objects are compared in pairs, the rest stands whole. */
static void show_run(struct diff *d, unsigned depth, const struct edit *e, size_t deleted, size_t added, const struct sides *b,
		     const struct sides *a)
{
	size_t pairs = 0, common = deleted < added ? deleted : added;
	while (pairs < common && side_is_composite(&b->v[e[pairs].a]) && side_is_composite(&a->v[e[deleted + pairs].b]) && !d->full) {
		size_t old = d->path.len;
		buf_printf(&d->path, "[%zu]", e[pairs].a);
		show_pair(d, depth, NULL, 0, &b->v[e[pairs].a], &a->v[e[deleted + pairs].b]);
		buf_truncate(&d->path, old);
		pairs++;
	}
	for (size_t i = pairs; i < deleted && !d->full; i++)
		show_whole(d, '-', depth, NULL, 0, &b->v[e[i].a]);
	for (size_t i = deleted + pairs; i < deleted + added && !d->full; i++)
		show_whole(d, '+', depth, NULL, 0, &a->v[e[i].b]);
}

static void show_element_edits(struct diff *d, unsigned depth, const struct edits *e, const struct sides *b, const struct sides *a)
{
	size_t kept = 0;
	for (size_t i = 0; i < e->n;) {
		size_t deleted = 0, added = 0;
		if (e->v[i].kind == EDIT_KEEP) {
			kept++;
			i++;
			continue;
		}
		while (i + deleted < e->n && e->v[i + deleted].kind == EDIT_DELETE)
			deleted++;
		while (i + deleted + added < e->n && e->v[i + deleted + added].kind == EDIT_ADD)
			added++;
		show_run(d, depth, &e->v[i], deleted, added, b, a);
		i += deleted + added;
	}
	if (kept > 0)
		diff_linef(d, ' ', depth, "... (%zu element%s unchanged)", kept, kept == 1 ? "" : "s");
}

static void pair_elements(struct diff *d, unsigned depth, const struct side *before, const struct side *after)
{
	if (too_many(d, '!', depth, json_count(&before->value)) || too_many(d, '!', depth, json_count(&after->value)))
		return;
	struct sides b, a;
	struct spans old, new;
	struct edits edits;
	CLEANUP_BUF struct buf old_text = {0}, new_text = {0};
	elements_read(before, &b);
	elements_read(after, &a);
	elements_as_lines(&b, &old_text, &old);
	elements_as_lines(&a, &new_text, &new);
	edits_make(&old, &new, &edits);
	show_element_edits(d, depth, &edits, &b, &a);
	edits_free(&edits);
	spans_free(&old);
	spans_free(&new);
	free(b.v);
	free(a.v);
}

/* Elements move when others come and go, and marks do not move with them: where the marks of a list differ, none of it is shown. */
static bool is_list_hidden(const struct side *b, const struct side *a)
{
	bool marked_b = side_any_mark(&b->sensitive, 0), marked_a = side_any_mark(&a->sensitive, 0);
	return (marked_b || marked_a) && !json_same(&b->sensitive, &a->sensitive);
}

static size_t first_difference(const struct side *b, const struct side *a)
{
	const char *x = json_text(&b->value), *y = json_text(&a->value);
	size_t n = 0;
	while (side_is_string(b) && side_is_string(a) && x[n] != '\0' && x[n] == y[n])
		n++;
	return n;
}

/* What becomes known only later has no lines to compare with: the old text is named, not shown. */
static bool pair_later(struct diff *d, unsigned depth, const char *label, const struct side *b, const struct side *a)
{
	CLEANUP_FREE char *lines = NULL;
	const char *what = NULL;
	if (side_state(a) != SIDE_UNKNOWN || !side_is_string(b) || !diff_text_lines(json_text(&b->value), &lines, &what))
		return false;
	diff_linef(d, '!', depth, "%s(%s) -> (known after apply)%s", label, what, suffix_of(d));
	return true;
}

static void pair_flat(struct diff *d, unsigned depth, const char *label, const struct side *b, const struct side *a)
{
	CLEANUP_BUF struct buf old = {0}, new = {0};
	size_t from = first_difference(b, a);
	diff_put_flat(&old, b, from);
	diff_put_flat(&new, a, from);
	if (strlen(label) + old.len + new.len <= INLINE_MAX) {
		diff_linef(d, '!', depth, "%s%s -> %s%s", label, buf_str(&old), buf_str(&new), suffix_of(d));
	} else {
		diff_linef(d, '-', depth, "%s%s", label, buf_str(&old));
		diff_linef(d, '+', depth, "%s%s%s", label, buf_str(&new), suffix_of(d));
	}
}

static bool pair_text(struct diff *d, unsigned depth, const char *label, const struct side *b, const struct side *a)
{
	if (!side_is_string(b) || !side_is_string(a))
		return false;
	CLEANUP_FREE char *old = NULL, *new = NULL;
	const char *old_what = NULL, *new_what = NULL;
	bool lines = diff_text_lines(json_text(&b->value), &old, &old_what);
	lines = diff_text_lines(json_text(&a->value), &new, &new_what) || lines;
	if (lines)
		diff_text_pair(d, depth, label, suffix_of(d), new_what != NULL ? new_what : old_what,
			       old != NULL ? old : json_text(&b->value), new != NULL ? new : json_text(&a->value));
	return lines;
}

static void pair_composite(struct diff *d, unsigned depth, const char *label, const struct side *b, const struct side *a)
{
	bool list = json_type(&a->value) == JSON_ARRAY;
	if (list && is_list_hidden(b, a)) {
		diff_linef(d, '!', depth, "%s(sensitive)%s", label, suffix_of(d));
		return;
	}
	CLEANUP_BUF struct buf old = {0}, new = {0};
	if (put_short_list(&old, b) && put_short_list(&new, a) && old.len + new.len + strlen(label) <= INLINE_MAX) {
		diff_linef(d, '!', depth, "%s%s -> %s%s", label, buf_str(&old), buf_str(&new), suffix_of(d));
		return;
	}
	diff_linef(d, '!', depth, "%s%c%s", label, list ? '[' : '{', suffix_of(d));
	if (list)
		pair_elements(d, depth + 1, b, a);
	else
		pair_children(d, depth + 1, b, a, false);
	diff_line(d, ' ', depth, list ? "]" : "}");
}

static void show_pair(struct diff *d, unsigned depth, const char *name, size_t width, const struct side *b, const struct side *a)
{
	enum side_state sb = side_state(b), sa = side_state(a);
	CLEANUP_FREE char *label = diff_label(name, width);
	bool composite = side_is_composite(b) && side_is_composite(a) && json_type(&b->value) == json_type(&a->value);
	if (sb == SIDE_ABSENT && sa == SIDE_ABSENT)
		return;
	if (sb == SIDE_SENSITIVE || sa == SIDE_SENSITIVE)
		diff_linef(d, sb == SIDE_ABSENT ? '+' : sa == SIDE_ABSENT ? '-' : '!', depth, "%s(sensitive)%s", label, suffix_of(d));
	else if (sb == SIDE_ABSENT)
		show_whole(d, '+', depth, name, width, a);
	else if (sa == SIDE_ABSENT)
		show_whole(d, '-', depth, name, width, b);
	else if (composite && depth < DIFF_DEPTH_MAX)
		pair_composite(d, depth, label, b, a);
	else if (!pair_text(d, depth, label, b, a) && !pair_later(d, depth, label, b, a))
		pair_flat(d, depth, label, b, a);
}

void diff_object_whole(struct diff *d, char symbol, const struct side *s)
{
	if (side_state(s) == SIDE_KNOWN)
		whole_children(d, symbol, 1, s, true);
}

void diff_object_pair(struct diff *d, const struct side *before, const struct side *after, bool group_unknown)
{
	if (side_state(before) != SIDE_SENSITIVE && side_state(after) != SIDE_SENSITIVE)
		pair_children(d, 1, before, after, group_unknown);
}

void diff_named_pair(struct diff *d, const char *name, size_t width, const struct side *before, const struct side *after)
{
	if (!side_same(before, after))
		show_pair(d, 1, name, width, before, after);
}
