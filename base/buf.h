/* A growing byte buffer with a ceiling. Always NUL-terminated behind len, so `data` is a C string when the content has no NUL.
 *
 * A zeroed struct is an empty buffer. When `max` is set (0 = BUF_DEFAULT_MAX), an append that would pass it sets `overflow`, stores
 * nothing of that append and all later ones: check buf_failed() once at the end. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/err.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data; /* NULL while empty and never grown; use buf_str() for a string */
	size_t len;
	size_t cap;
	size_t max;
	bool overflow;
};

void buf_free(struct buf *b);
void buf_wipe(struct buf *b); /* buf_free for bytes that may be secret; what growing left elsewhere stays */
void buf_reset(struct buf *b); /* empties, keeps memory */
void buf_reserve(struct buf *b, size_t extra);
void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
void buf_truncate(struct buf *b, size_t len);
void buf_consume(struct buf *b, size_t len); /* drops the first len bytes */
const char *buf_str(const struct buf *b);    /* never NULL */
char *buf_take(struct buf *b);               /* the caller frees; never NULL */
static inline bool buf_failed(const struct buf *b) { return b->overflow; }

#define CLEANUP_BUF __attribute__((cleanup(buf_free)))

#endif
