/* Steps 2 and 7. A secret value: capped, wiped, never formatted. */
#ifndef SECRETS_SECRET_H
#define SECRETS_SECRET_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum { SECRET_MAX = 64 * 1024 };

struct secret {
	uint8_t *bytes;
	size_t len;
};

int secret_set(struct secret *s, const void *bytes, size_t len, struct err *err) MUST_CHECK; /* copies; ERR_LIMIT above SECRET_MAX */
/* Reads a file, takes one trailing newline off; refuses empty ones, and files that others may read (mode & 077) unless allow_loose. */
int secret_read_file(struct secret *s, const char *path, bool allow_loose, struct err *err) MUST_CHECK;
void secret_free(struct secret *s); /* wipes */

#endif
