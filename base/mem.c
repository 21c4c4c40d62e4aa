#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static void out_of_memory(size_t size) __attribute__((noreturn));

static void out_of_memory(size_t size)
{
	(void)fprintf(stderr, "sluice: out of memory (%zu bytes)\n", size);
	abort();
}

void mem_assert_failed(const char *expr, const char *file, int line)
{
	(void)fprintf(stderr, "sluice: %s:%d: invariant broken: %s\n", file, line, expr);
	abort();
}

void *xmalloc(size_t size)
{
	void *p = malloc(size != 0 ? size : 1);
	if (p == NULL)
		out_of_memory(size);
	return p;
}

void *xcalloc(size_t count, size_t size)
{
	void *p = calloc(count != 0 ? count : 1, size != 0 ? size : 1);
	if (p == NULL)
		out_of_memory(size);
	return p;
}

void *xrealloc(void *old, size_t size)
{
	void *p = realloc(old, size != 0 ? size : 1);
	if (p == NULL)
		out_of_memory(size);
	return p;
}

void *xreallocarray(void *old, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size)
		out_of_memory(SIZE_MAX);
	return xrealloc(old, count * size);
}

char *xstrdup(const char *s) { return s != NULL ? xstrndup(s, strlen(s)) : NULL; }

char *xstrndup(const char *s, size_t len)
{
	char *p = xmalloc(len + 1);
	if (len != 0)
		memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

void xstrset(char **slot, const char *s)
{
	char *copy = xstrdup(s);
	free(*slot);
	*slot = copy;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	ASSERT(n >= 0);
	char *p = xmalloc((size_t)n + 1);
	va_start(ap, fmt);
	(void)vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

void mem_free_ptr(void *pointer_to_pointer)
{
	void *p;
	memcpy(&p, pointer_to_pointer, sizeof(p));
	free(p);
}

void mem_close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

void strlist_add(struct strlist *l, const char *s) { strlist_take(l, xstrdup(s)); }

void strlist_add_n(struct strlist *l, const char *s, size_t len) { strlist_take(l, xstrndup(s, len)); }

void strlist_take(struct strlist *l, char *s)
{
	/* grows at powers of two, so that n alone tells the capacity */
	if (l->n == 0 || (l->n & (l->n - 1)) == 0)
		l->v = xreallocarray(l->v, l->n == 0 ? 1 : l->n * 2, sizeof(*l->v));
	l->v[l->n++] = s;
}

int strlist_has(const struct strlist *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i], s) == 0)
			return 1;
	return 0;
}

static int compare_strings(const void *a, const void *b)
{
	const char *const *x = a;
	const char *const *y = b;
	return strcmp(*x, *y);
}

void strlist_sort(struct strlist *l)
{
	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), compare_strings);
}

void strlist_copy(struct strlist *to, const struct strlist *from)
{
	for (size_t i = 0; i < from->n; i++)
		strlist_add(to, from->v[i]);
}

void strlist_free(struct strlist *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct strlist){0};
}
