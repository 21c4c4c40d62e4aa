/* Which projects a run is about, as its `only` column keeps it: the -p, -d, -w and --destroy of a comment as JSON, and of an apply whose gate was open
 * the names that it took, one a line. Step 4. Pure. */
#ifndef PLAN_ONLY_H
#define PLAN_ONLY_H

#include "base/buf.h"
#include "plan/command.h"

/* A zeroed struct names everything. */
struct only {
	struct strlist projects; /* names */
	struct strlist dirs;
	char *workspace;
	bool destroy; /* said of those names: directories that are gone, too */
};

bool only_is_narrow(const struct command *c); /* it names some, not all */
void only_write(const struct command *c, struct buf *out);
/* Either form. NULL, or JSON that we did not write: everything. */
void only_read(const char *text, struct only *ret);
bool only_names(const struct only *o, const char *project, const char *dir, const char *workspace);
void only_free(struct only *o);

#endif
