/* Memory: allocation aborts when there is none, so that every input must have a ceiling (base/limits.h) instead of every call a branch.
 *
 * Straight-line code frees by scope: `CLEANUP_FREE char *s = xstrdup(...)`; ownership leaves the scope with TAKE(s). */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/err.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
/* Grows an array to hold count elements of size bytes; aborts on overflow. */
void *xreallocarray(void *old, size_t count, size_t size);
char *xstrdup(const char *s);              /* NULL stays NULL */
char *xstrndup(const char *s, size_t len); /* copies exactly len bytes and terminates */
void xstrset(char **slot, const char *s);  /* frees what slot held and puts a copy of s there, which may be that very text */
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* free() through a pointer to the pointer, for the cleanup attribute. */
void mem_free_ptr(void *pointer_to_pointer);
void mem_close_fd(int *fd); /* closes if >= 0 */

#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define CLEANUP_FREE CLEANUP(mem_free_ptr)
#define CLEANUP_FD CLEANUP(mem_close_fd)

/* Moves a pointer out of a variable: the variable becomes NULL. */
#define TAKE(p)                                                                                                                            \
	__extension__({                                                                                                                    \
		__typeof__(p) take_ = (p);                                                                                                 \
		(p) = NULL;                                                                                                                \
		take_;                                                                                                                     \
	})

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Invariants, kept in release builds; never for input. */
void mem_assert_failed(const char *expr, const char *file, int line) __attribute__((noreturn));
#define ASSERT(e) ((e) ? (void)0 : mem_assert_failed(#e, __FILE__, __LINE__))

/* A list of owned strings. */
struct strlist {
	char **v;
	size_t n;
};

void strlist_add(struct strlist *l, const char *s);
void strlist_add_n(struct strlist *l, const char *s, size_t len);
void strlist_take(struct strlist *l, char *s); /* owns s afterwards */
int strlist_has(const struct strlist *l, const char *s);
void strlist_sort(struct strlist *l);
void strlist_copy(struct strlist *to, const struct strlist *from);
void strlist_free(struct strlist *l); /* leaves an empty list */

#endif
