/* Repositories for tests, made by the git command: a work tree in a temporary directory, reached by file://. Aborts when git fails. */
#ifndef TESTS_GITFIX_H
#define TESTS_GITFIX_H

#include "base/git.h"

struct gitfix {
	char *dir;    /* the work tree */
	char *url;    /* file://dir */
	char *root;   /* above: place for mirrors and trees, removed with it */
	char *mirror; /* root/mirror.git, not made yet */
	char *trees;  /* root/trees */
};

void gitfix_open(struct gitfix *g);
void gitfix_close(struct gitfix *g);
void gitfix_write(const struct gitfix *g, const char *path, const char *text);   /* makes directories */
void gitfix_git(const struct gitfix *g, const char *fmt, ...) PRINTF_LIKE(2, 3); /* `git -C dir ...`, through a shell */
/* Adds everything and commits; the id is written to ret when it is not NULL. */
void gitfix_commit(const struct gitfix *g, char ret[GIT_OID_HEX + 1]);
void gitfix_rev(const struct gitfix *g, const char *rev, char ret[GIT_OID_HEX + 1]);

#endif
