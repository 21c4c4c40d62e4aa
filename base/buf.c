#include "base/buf.h"

#include "base/mem.h"

#include <stdio.h>

/* A buffer without its own ceiling still has one: no single object of ours is larger. */
#define BUF_DEFAULT_MAX ((size_t)1 << 31)

void buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){.max = b->max};
}

void buf_wipe(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_free(b);
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->overflow = false;
	if (b->data != NULL)
		b->data[0] = '\0';
}

void buf_reserve(struct buf *b, size_t extra)
{
	size_t need = b->len + extra + 1;
	if (need <= b->cap)
		return;
	size_t cap = b->cap < 64 ? 64 : b->cap;
	while (cap < need)
		cap += cap / 2;
	b->data = xrealloc(b->data, cap);
	b->cap = cap;
	b->data[b->len] = '\0';
}

static bool fits(struct buf *b, size_t len)
{
	size_t max = b->max != 0 ? b->max : BUF_DEFAULT_MAX;
	if (b->overflow || len > max || b->len > max - len)
		b->overflow = true;
	return !b->overflow;
}

void buf_add(struct buf *b, const void *bytes, size_t len)
{
	if (!fits(b, len))
		return;
	buf_reserve(b, len);
	if (len != 0)
		memcpy(b->data + b->len, bytes, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *s) { buf_add(b, s, strlen(s)); }

void buf_addc(struct buf *b, char c) { buf_add(b, &c, 1); }

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	ASSERT(n >= 0);
	if (fits(b, (size_t)n)) {
		buf_reserve(b, (size_t)n);
		(void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_truncate(struct buf *b, size_t len)
{
	if (len >= b->len)
		return;
	b->len = len;
	b->data[len] = '\0';
}

void buf_consume(struct buf *b, size_t len)
{
	ASSERT(len <= b->len);
	if (len == 0)
		return;
	b->len -= len;
	memmove(b->data, b->data + len, b->len);
	b->data[b->len] = '\0';
}

const char *buf_str(const struct buf *b) { return b->data != NULL ? b->data : ""; }

char *buf_take(struct buf *b)
{
	char *s = b->data != NULL ? b->data : xstrdup("");
	*b = (struct buf){.max = b->max};
	return s;
}
