/* Step 7. Structs as flat JSON objects, one table row per member: reader and writer of spec.json and exit.json come from the same table,
 * so that neither can forget a member. Private to runner/. */
#ifndef RUNNER_FIELDS_H
#define RUNNER_FIELDS_H

#include "base/mem.h"

#include <stdbool.h>

enum field_kind {
	FIELD_INT,   /* int64_t */
	FIELD_INT32, /* int */
	FIELD_BOOL,  /* bool */
	FIELD_TEXT,  /* char *, owned; NULL when missing or null */
	FIELD_WORD,  /* an enum, written as one of `words` */
};

struct field {
	const char *name;
	enum field_kind kind;
	size_t offset;
	bool required;
	size_t max; /* FIELD_TEXT: longest value */
	const char *const *words;
	size_t n_words;
};

/* Atomically; with `durable` it is on disk when this returns. */
int fields_write(const struct field *fields, size_t n, const void *object, const char *path, bool durable, struct err *err) MUST_CHECK;
/* Fills a zeroed object; on failure what was filled stays for the caller to free with fields_free. */
int fields_read(const struct field *fields, size_t n, const char *path, size_t max_bytes, void *object, struct err *err) MUST_CHECK;
void fields_free(const struct field *fields, size_t n, void *object);
/* Index of a word, or ERR_PARSE with a sentence that lists them; `what` names the thing. */
int fields_word(const char *what, const char *word, const char *const *words, size_t n, struct err *err) MUST_CHECK;

#endif
