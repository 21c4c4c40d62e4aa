/* Step 7. A reader of tar streams for what comes out of a box: bytes of a stranger. Takes pieces of any size and tells entries as they come;
 * keeps one block and two names.
 *
 * Knows what GNU tar and bsdtar write for files and directories (ustar, and the long names of the GNU format). Refused by name: everything that
 * is neither file nor directory nor, where asked for, a symbolic link that stays inside; names that are absolute, go up, are too long or too
 * deep, or are no plain UTF-8; more entries or bytes than the ceilings say; a wrong checksum; a stream that ends early or goes on behind its end. */
#ifndef RUNNER_UNTAR_H
#define RUNNER_UNTAR_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum untar_kind { UNTAR_FILE, UNTAR_DIR, UNTAR_LINK };

struct untar_entry {
	enum untar_kind kind;
	const char *path;   /* relative, without "." and ".." */
	const char *target; /* of a link: relative, from where it stands, and inside */
	uint64_t size;
	bool executable;
};

struct untar_sink {
	int (*entry)(const struct untar_entry *e, void *arg, struct err *err);
	int (*data)(const char *bytes, size_t len, void *arg, struct err *err);
	int (*end)(void *arg, struct err *err); /* of a file: all its bytes were told */
	void *arg;
};

struct untar_limits {
	uint64_t bytes, entries;
	bool links; /* symbolic links are taken; a link leads nowhere above the first name of its own path */
};

enum { UNTAR_BLOCK = 512 };

struct untar {
	struct untar_limits limits;
	struct untar_sink sink;
	char block[UNTAR_BLOCK];
	size_t have;
	enum { UNTAR_HEAD, UNTAR_BODY, UNTAR_PAD, UNTAR_NAME, UNTAR_OVER } at;
	unsigned zeros;          /* blocks of the end that were seen */
	uint64_t left, pad;      /* of the body */
	uint64_t bytes, entries; /* so far */
	struct buf name, target; /* long ones that came before their entry */
	struct buf *into;        /* which of them is being read */
	struct buf path;
};

void untar_init(struct untar *u, const struct untar_limits *limits, const struct untar_sink *sink);
int untar_feed(struct untar *u, const char *bytes, size_t len, struct err *err) MUST_CHECK; /* nothing may be fed after an error */
int untar_end(struct untar *u, struct err *err) MUST_CHECK; /* was it whole? */
void untar_free(struct untar *u);

#endif
