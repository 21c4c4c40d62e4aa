/* Step 7. The h1: hash of a directory, as .terraform.lock.hcl has it: SHA-256 over one line "HEX  PATH\n" per file in the order of the paths, HEX being
 * that of its bytes; base64. Modes, times and empty directories do not count. Files are hashed while they stream by (runner/unpack.h) or read
 * from disk. */
#ifndef RUNNER_DIRHASH_H
#define RUNNER_DIRHASH_H

#include "base/crypto.h"
#include "base/mem.h"

struct dirhash_file {
	char *path;
	uint8_t sha256[SHA256_SIZE];
};

struct dirhash {
	struct dirhash_file *v;
	size_t n, cap;
};

enum { DIRHASH_SIZE = 3 + 44 + 1 }; /* "h1:", base64 of 32 bytes, NUL */

/* path: relative, with slashes. */
void dirhash_add(struct dirhash *d, const char *path, const uint8_t sha256[SHA256_SIZE]);
/* ERR_REFUSED: two files of one path, or a path with a newline. Sorts. */
int dirhash_end(struct dirhash *d, char ret[DIRHASH_SIZE], struct err *err) MUST_CHECK;
void dirhash_free(struct dirhash *d);

/* Of what is on disk; follows no link, and anything that is neither file nor directory is an error. Ceilings as for packages. */
int dirhash_of(const char *dir, char ret[DIRHASH_SIZE], struct err *err) MUST_CHECK;

#endif
