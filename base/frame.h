/* Frames on a blocking descriptor: u32 little-endian length, then the bytes. The child's side of base/loop.h's connections. */
#ifndef BASE_FRAME_H
#define BASE_FRAME_H

#include "base/buf.h"

/* SIGPIPE-safe on sockets. */
int frame_write(int fd, const void *bytes, size_t len, struct err *err) MUST_CHECK;
/* Replaces the buffer. ERR_NOT_FOUND at a clean end, ERR_LIMIT above max, ERR_PARSE when cut. */
int frame_read(int fd, size_t max, struct buf *ret, struct err *err) MUST_CHECK;
/* Takes one whole frame off the front of a buffer fed elsewhere: 1 taken, 0 not yet, or a negative code. */
int frame_take(struct buf *in, size_t max, struct buf *ret, struct err *err) MUST_CHECK;

#endif
