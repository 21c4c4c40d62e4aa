/* Globs, whole-string. `*` any run without `/`, `**` any run with `/`, `?` one character without `/`, `[a-z]`, `\x` literal.
 * `**` between slashes also matches nothing: `a` + `/` + `**` + `/b` matches `a/b`. Linear-time backtracking, bounded by LIMIT_GLOB_BYTES. */
#ifndef BASE_GLOB_H
#define BASE_GLOB_H

#include "base/err.h"

#include <stdbool.h>

enum { GLOB_ICASE = 1 };

/* ERR_PARSE names the position of what is wrong: an open `[`, a trailing `\`, `***`. */
int glob_check(const char *pattern, struct err *err) MUST_CHECK;
/* The pattern must have passed glob_check. */
bool glob_match(const char *pattern, const char *text, int flags);
/* True if the pattern has any special character. */
bool glob_is_pattern(const char *pattern);
/* A list in order; a pattern with a leading `!` excludes; the last that matches decides; nothing matches -> false. */
bool glob_list_match(const char *const *patterns, int n, const char *text, int flags);

#endif
