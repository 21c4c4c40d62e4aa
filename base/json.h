/* JSON: the door to cJSON. Strict reading over a cursor that knows its path, and a writer. No cJSON node leaves this file.
 *
 * Reading: json_scan() checks bytes against ceilings in one pass without allocating; json_parse() does that first and then builds a
 * document. A `struct json` is a cursor (document, node, path); getters return ERR_PARSE with a sentence like
 * "pull_request.head.sha: expected a string, found null" for missing, wrong type, too long, out of range. Keys are compared with case,
 * duplicate keys are refused by json_parse. Integers of 2^53 and more are refused rather than rounded (ids stay exact). The escape \u0000 would
 * end a C string early and reads as U+FFFD.
 *
 *   struct json_doc *doc; struct json root, pr; int64_t n; const char *sha;
 *   json_parse(bytes, len, NULL, &doc, &root, err);
 *   json_obj(&root, "pull_request", &pr, err); json_int(&pr, "number", 1, INT32_MAX, &n, err);
 *   json_str(&pr, "sha", 64, &sha, err);      // owned by doc
 *   json_doc_free(doc); */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct json_doc;

enum json_type { JSON_MISSING, JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	const struct json_doc *doc;
	const void *node;         /* NULL: missing */
	char path[160];           /* "pull_request.head.repo", for sentences; cut with "..." */
	unsigned short parent;    /* of an element of a loop: length of its parent's path ... */
	unsigned index;           /* ... and its place, so that json_next can name the next one */
};

struct json_limits {
	unsigned depth;  /* 0: LIMIT_JSON_DEPTH */
	unsigned values; /* 0: LIMIT_JSON_VALUES */
};

/* Full RFC 8259 syntax check, UTF-8 and surrogate pairs included, with ceilings; no allocation. ERR_PARSE (with byte offset) or ERR_LIMIT.
 * Duplicate keys are not looked for here, only in json_parse. A depth limit is at most JSON_DEPTH_MAX. */
enum { JSON_DEPTH_MAX = 512 };
int json_scan(const char *bytes, size_t len, const struct json_limits *limits, struct err *err) MUST_CHECK;
int json_parse(const char *bytes, size_t len, const struct json_limits *limits, struct json_doc **ret_doc, struct json *ret_root,
	       struct err *err) MUST_CHECK;
void json_doc_free(struct json_doc *doc);
void json_doc_free_ptr(struct json_doc **doc);
#define CLEANUP_JSON __attribute__((cleanup(json_doc_free_ptr)))

enum json_type json_type(const struct json *j);
const char *json_type_name(enum json_type t);

/* Required members. */
int json_get(const struct json *obj, const char *key, struct json *ret, struct err *err) MUST_CHECK; /* any type, must exist */
int json_obj(const struct json *obj, const char *key, struct json *ret, struct err *err) MUST_CHECK;
int json_arr(const struct json *obj, const char *key, struct json *ret, size_t *ret_n, struct err *err) MUST_CHECK;
int json_str(const struct json *obj, const char *key, size_t max_len, const char **ret, struct err *err) MUST_CHECK;
int json_int(const struct json *obj, const char *key, int64_t min, int64_t max, int64_t *ret, struct err *err) MUST_CHECK;
int json_bool(const struct json *obj, const char *key, bool *ret, struct err *err) MUST_CHECK;

/* Optional members: missing and null give the default; a wrong type is still an error. */
int json_obj_opt(const struct json *obj, const char *key, struct json *ret, struct err *err) MUST_CHECK; /* ret.node NULL */
int json_arr_opt(const struct json *obj, const char *key, struct json *ret, size_t *ret_n, struct err *err) MUST_CHECK;
int json_str_opt(const struct json *obj, const char *key, size_t max_len, const char *dflt, const char **ret, struct err *err) MUST_CHECK;
int json_int_opt(const struct json *obj, const char *key, int64_t min, int64_t max, int64_t dflt, int64_t *ret, struct err *err) MUST_CHECK;
int json_bool_opt(const struct json *obj, const char *key, bool dflt, bool *ret, struct err *err) MUST_CHECK;

/* Lenient looks, for documents whose shape is not ours (plan JSON): never fail; a missing cursor gives missing ones. */
struct json json_member(const struct json *obj, const char *key); /* type MISSING when absent */
struct json json_at(const struct json *arr, size_t i);            /* O(i): use json_each for loops */
size_t json_count(const struct json *arr_or_obj);
bool json_is_true(const struct json *j);
void json_wipe(const struct json *j);                               /* of a string: its bytes become NUL, so that a secret is gone before its doc */
const char *json_text(const struct json *j);                        /* string value or NULL */
bool json_same(const struct json *a, const struct json *b);        /* deep equality, object order ignored */
/* A number as it would be printed in JSON ("1", "0.5"); for strings NULL. Valid until the doc is freed or the next call. */
void json_print(const struct json *j, struct buf *out);             /* compact JSON text of any node */
void json_print_pretty(const struct json *j, struct buf *out, int indent);

/* for (struct json e = json_first(&arr); json_ok(&e); e = json_next(&e)) - arrays and objects; json_key() inside objects. */
struct json json_first(const struct json *arr_or_obj);
struct json json_next(const struct json *element);
static inline bool json_ok(const struct json *j) { return j->node != NULL; }
const char *json_key(const struct json *element);

/* The value of an element cursor itself (arrays of strings and the like). */
int json_as_str(const struct json *j, size_t max_len, const char **ret, struct err *err) MUST_CHECK;
int json_as_int(const struct json *j, int64_t min, int64_t max, int64_t *ret, struct err *err) MUST_CHECK;

/* Writing: straight into a buffer, commas kept by the writer. Strings are escaped; invalid UTF-8 becomes U+FFFD. */
struct json_writer {
	struct buf *out;
	unsigned depth;
	uint64_t has_elements; /* one bit a level */
};

struct json_writer json_writer(struct buf *out);
void jw_open(struct json_writer *w, const char *key);       /* { ; key NULL at root and inside arrays */
void jw_close(struct json_writer *w);                       /* } */
void jw_open_arr(struct json_writer *w, const char *key);   /* [ */
void jw_close_arr(struct json_writer *w);                   /* ] */
void jw_str(struct json_writer *w, const char *key, const char *value); /* NULL value writes null */
void jw_strn(struct json_writer *w, const char *key, const char *value, size_t len);
void jw_int(struct json_writer *w, const char *key, int64_t value);
void jw_bool(struct json_writer *w, const char *key, bool value);
void jw_null(struct json_writer *w, const char *key);
void jw_raw(struct json_writer *w, const char *key, const char *json); /* json must be valid JSON text */
void json_quote(struct buf *out, const char *s, size_t len);           /* a quoted JSON string */

#endif
