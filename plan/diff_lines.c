/* Edit scripts between two lists of lines: Myers' greedy algorithm with a ceiling. */
#include "plan/diff_internal.h"

#include "base/mem.h"

#include <stdint.h>
#include <string.h>

/* Beyond these the middle is told as removed and added whole: a reader could not follow a finer diff, and time stays bounded. */
enum { LINES_MAX = 4000, DISTANCE_MAX = 400 };

void spans_split(const char *s, size_t len, struct spans *ret)
{
	size_t lines = 1;
	for (size_t i = 0; i < len; i++)
		lines += s[i] == '\n';
	*ret = (struct spans){.v = xcalloc(lines, sizeof(*ret->v))};
	size_t start = 0;
	while (start < len) {
		const char *end = memchr(s + start, '\n', len - start);
		size_t n = end != NULL ? (size_t)(end - s) - start : len - start;
		ret->v[ret->n++] = (struct span){s + start, n};
		start += n + 1;
	}
}

void spans_free(struct spans *s)
{
	free(s->v);
	*s = (struct spans){0};
}

void edits_free(struct edits *e)
{
	free(e->v);
	*e = (struct edits){0};
}

static bool same(const struct spans *a, size_t i, const struct spans *b, size_t j)
{
	return a->v[i].n == b->v[j].n && (a->v[i].n == 0 || memcmp(a->v[i].p, b->v[j].p, a->v[i].n) == 0);
}

static void push(struct edits *e, enum edit_kind kind, size_t a, size_t b) { e->v[e->n++] = (struct edit){kind, a, b}; }

/* The part of both lists that is not common to their ends. */
struct middle {
	const struct spans *a, *b;
	size_t from, a_end, b_end;
	int n, m, max;  /* max: the longest script that is looked for */
	int32_t *trace; /* furthest x on each diagonal, one row per distance: row d has 2d+1 entries and starts at d*d */
};

static int32_t reached(const struct middle *w, int d, int k) { return w->trace[d * d + d + k]; }

/* Whether distance d reaches diagonal k by one step down (an added line), else by one to the right (a deleted line). */
static bool is_down(const struct middle *w, int d, int k)
{
	return k == -d || (k != d && reached(w, d - 1, k - 1) < reached(w, d - 1, k + 1));
}

static int32_t first_x(const struct middle *w, int d, int k)
{
	if (d == 0)
		return 0;
	return is_down(w, d, k) ? reached(w, d - 1, k + 1) : reached(w, d - 1, k - 1) + 1;
}

static bool middle_same(const struct middle *w, int x, int y) { return same(w->a, w->from + (size_t)x, w->b, w->from + (size_t)y); }

/* The length of the shortest script, or -1 when it is longer than DISTANCE_MAX. */
static int search(struct middle *w)
{
	for (int d = 0; d <= w->max; d++)
		for (int k = -d; k <= d; k += 2) {
			int32_t x = first_x(w, d, k);
			while (x < w->n && x - k < w->m && x >= 0 && x - k >= 0 && middle_same(w, x, x - k))
				x++;
			w->trace[d * d + d + k] = x;
			if (x >= w->n && x - k >= w->m)
				return d;
		}
	return -1;
}

/* Walks the trace back from the end; the script comes out in reverse and is turned round. Where an added and a deleted line may change
 * places, the furthest-reaching path deletes first, so old stands before new. */
static void backtrack(const struct middle *w, int d, struct edits *ret)
{
	size_t first = ret->n;
	int x = w->n, y = w->m;
	for (; d >= 0; d--) {
		int k = x - y;
		int32_t start = first_x(w, d, k);
		for (; x > start; x--, y--)
			push(ret, EDIT_KEEP, w->from + (size_t)x - 1, w->from + (size_t)y - 1);
		if (d == 0)
			break;
		if (is_down(w, d, k))
			push(ret, EDIT_ADD, 0, w->from + (size_t)--y);
		else
			push(ret, EDIT_DELETE, w->from + (size_t)--x, 0);
	}
	for (size_t i = first, j = ret->n; i + 1 < j; i++) {
		struct edit e = ret->v[i];
		ret->v[i] = ret->v[--j];
		ret->v[j] = e;
	}
}

static void replace_all(const struct middle *w, struct edits *ret)
{
	for (int i = 0; i < w->n; i++)
		push(ret, EDIT_DELETE, w->from + (size_t)i, 0);
	for (int i = 0; i < w->m; i++)
		push(ret, EDIT_ADD, 0, w->from + (size_t)i);
}

void edits_make(const struct spans *a, const struct spans *b, struct edits *ret)
{
	*ret = (struct edits){.v = xcalloc(a->n + b->n + 1, sizeof(*ret->v))};
	struct middle w = {.a = a, .b = b, .a_end = a->n, .b_end = b->n};
	while (w.from < a->n && w.from < b->n && same(a, w.from, b, w.from)) {
		push(ret, EDIT_KEEP, w.from, w.from);
		w.from++;
	}
	while (w.a_end > w.from && w.b_end > w.from && same(a, w.a_end - 1, b, w.b_end - 1)) {
		w.a_end--;
		w.b_end--;
	}
	w.n = (int)(w.a_end - w.from);
	w.m = (int)(w.b_end - w.from);
	w.max = w.n + w.m < DISTANCE_MAX ? w.n + w.m : DISTANCE_MAX;
	int distance = -1;
	if (w.n <= LINES_MAX && w.m <= LINES_MAX) {
		CLEANUP_FREE int32_t *trace = xcalloc((size_t)(w.max + 1) * (size_t)(w.max + 1), sizeof(*trace));
		w.trace = trace;
		distance = search(&w);
		if (distance >= 0)
			backtrack(&w, distance, ret);
	}
	if (distance < 0)
		replace_all(&w, ret);
	for (size_t i = w.a_end, j = w.b_end; i < a->n; i++, j++)
		push(ret, EDIT_KEEP, i, j);
}
