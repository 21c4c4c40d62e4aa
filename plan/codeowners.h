/* CODEOWNERS: who has to approve which changed path. Step 4. Pure: bytes and paths in, owner sets out; no clock, no I/O.
 *
 * Read as GitHub reads it: the file of the base branch, first of .github/, the root and docs/; the last line that matches a path decides; one
 * owner of that line is enough; a line without owners makes its paths nobody's; patterns are case-sensitive. What GitHub does not
 * understand (`!`, `[ ]`, `\#`, an owner that is no owner) is no line: it is skipped there, and told here.
 *
 * struct owners is what a plan run keeps (run.owners): beside the owner sets also what else the base branch's configuration asks of reviews. */
#ifndef PLAN_CODEOWNERS_H
#define PLAN_CODEOWNERS_H

#include "base/buf.h"
#include "base/mem.h"

#include <stdbool.h>

enum { CODEOWNERS_PLACES = 3 };
extern const char *const codeowners_places[CODEOWNERS_PLACES]; /* paths, in the order in which they are looked for */

/* Who may speak for some of the changed paths. */
struct owner_set {
	struct strlist owners; /* "@alice", "@acme/platform", "ops@example.com", in the file's order */
	char *path;            /* one of the paths, the first */
	int line;
};

struct owner_bad {
	int line;
	char *why;
};

struct owners {
	char *file;           /* NULL: there is none */
	char *id;             /* git id of its blob; NULL likewise */
	char *unusable;       /* why nothing can be said of the owners: too large, too many ...; NULL */
	struct owner_set *sets;
	size_t sets_n;
	struct owner_bad *bad; /* lines that GitHub skips */
	size_t bad_n;
	struct strlist bots;       /* logins of bots whose approval counts for every project of the run */
	struct strlist blocked_by; /* labels that block one of its projects */
};
void owners_free(struct owners *o);

/* Adds the sets of the changed paths and the bad lines. Each path once; sets are distinct. */
void codeowners_find(const char *text, size_t len, const struct strlist *paths, struct owners *ret);

/* As JSON, for run.owners. */
void owners_write(const struct owners *o, struct buf *out);
/* NULL or "" is a plan that looked for nothing: an empty struct. ERR_PARSE: damaged. */
int owners_read(const char *json, struct owners *ret, struct err *err) MUST_CHECK;

enum owner_kind { OWNER_BAD, OWNER_USER, OWNER_TEAM, OWNER_EMAIL };
enum owner_kind codeowners_kind(const char *owner);

#endif
