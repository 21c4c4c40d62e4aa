/* Text: what several parsers and writers need. No locale. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/buf.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

bool text_is_utf8(const char *s, size_t len);
/* Bytes of the well-formed UTF-8 character at s (1 to 4); 0 when there is none: overlong, surrogate, beyond U+10FFFF, cut, or len 0. */
size_t text_utf8_width(const char *s, size_t len);
/* Appends s disarmed, see base/disarm.h: at most four times as long, without what is obeyed or hidden instead of shown. */
void text_clean(struct buf *out, const char *s, size_t len);
/* The same on one line: \n and \t become spaces. */
void text_clean_line(struct buf *out, const char *s, size_t len);
bool text_starts(const char *s, const char *prefix);
bool text_ends(const char *s, const char *suffix);
bool text_same_case(const char *a, const char *b); /* ASCII, case-insensitive */
/* The candidate nearest to word by edit distance, if near enough to be a slip (at most a third of its length); else NULL. */
const char *text_nearest(const char *word, const char *const *candidates, size_t n);
/* Whole decimal number in [min, max]. */
int text_int(const char *s, int64_t min, int64_t max, int64_t *ret, struct err *err) MUST_CHECK;
/* "30s", "5m", "2h", "150ms" -> milliseconds. */
int text_duration(const char *s, int64_t *ret_ms, struct err *err) MUST_CHECK;
/* "1GiB", "64MiB", "4KiB", "100" -> bytes. */
int text_size(const char *s, int64_t *ret_bytes, struct err *err) MUST_CHECK;
/* "41 s", "3 min 20 s", "1 h 2 min" for people. */
void text_took(struct buf *out, int64_t ms);
/* Number of Unicode characters in valid UTF-8. */
size_t text_chars(const char *s, size_t len);
/* Largest prefix length <= max_bytes that does not cut a character. */
size_t text_cut(const char *s, size_t len, size_t max_bytes);
void text_hex(struct buf *out, const void *bytes, size_t len);
/* Exactly 2 * len hex digits, of either case, into len bytes; false for anything else. */
bool text_unhex(const char *hex, uint8_t *ret, size_t len);
/* base64url without padding (RFC 4648, 5), as a JWT has it. Reading appends; false for padding, other characters and impossible lengths. */
void text_base64url(struct buf *out, const void *bytes, size_t len);
bool text_base64url_read(struct buf *out, const char *s, size_t len);
/* Percent-encodes everything but unreserved characters (RFC 3986), for one path segment or query value. */
void text_url_segment(struct buf *out, const char *s);
/* HTML text and attribute escaping. */
void text_html(struct buf *out, const char *s, size_t len);
/* Lists as text, one entry a line: how columns and requests keep them. NULL is the empty list. */
bool text_has_line(const char *lines, const char *line);
void text_split_lines(const char *lines, struct strlist *out); /* appends */
char *text_join_lines(const struct strlist *l);                /* the caller frees; NULL when empty */
/* FNV-1a, for hash tables of ours. */
uint64_t text_hash(const void *bytes, size_t len);

#endif
