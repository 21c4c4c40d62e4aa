/* Step 7. The dependency lock file of Terraform and OpenTofu, .terraform.lock.hcl: which version of each provider, and what its packages hash to.
 *
 * A strict reader of what the engines themselves write: `provider "HOST/NAMESPACE/TYPE" { version, constraints, hashes }`, comments, nothing else. Bytes
 * from outside; pure; bounded by LIMIT_LOCK_FILE_BYTES and the two below. */
#ifndef RUNNER_LOCK_FILE_H
#define RUNNER_LOCK_FILE_H

#include "base/buf.h"
#include "base/mem.h"

enum { LOCK_PROVIDERS_MAX = 256, LOCK_HASHES_MAX = 1024 };

struct lock_entry {
	char *address; /* HOST/NAMESPACE/TYPE, lower case: safe as a path of three names */
	char *version; /* digits, letters, . + -: safe as one name */
	char *constraints; /* NULL: none */
	struct strlist hashes; /* "h1:...", "zh:..." and what may come */
};

struct lock_file {
	struct lock_entry *v;
	size_t n;
};

/* ERR_PARSE with the line, ERR_LIMIT. */
int lock_file_read(const char *bytes, size_t len, struct lock_file *ret, struct err *err) MUST_CHECK;
void lock_file_free(struct lock_file *l);
/* As an engine would write it. */
void lock_file_write(const struct lock_file *l, struct buf *out);
/* NULL: not in it. */
struct lock_entry *lock_file_find(const struct lock_file *l, const char *address);

#endif
