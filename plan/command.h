/* The comment grammar of the contract. Step 2 to 4. Pure; fuzzed.
 *
 * First line, whole line, case-insensitive; prefixes `sluice`, `atlantis`, `/` or none; quoted lines and code blocks never trigger; unknown
 * words that look like a command get one help answer, other comments get silence. */
#ifndef PLAN_COMMAND_H
#define PLAN_COMMAND_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum command_verb {
	COMMAND_NONE,    /* an ordinary comment: silence */
	COMMAND_UNKNOWN, /* looks like a command and is none: help with `error` */
	COMMAND_PLAN,
	COMMAND_APPLY,
	COMMAND_UNLOCK,
	COMMAND_CANCEL,
	COMMAND_HELP,
	COMMAND_VERSION,
	COMMAND_APPROVE_POLICIES,
	COMMAND_IMPORT,
	COMMAND_STATE,
	COMMAND_DRIFT,
	COMMAND_RESOLVE,
	COMMAND_OK_TO_PLAN,
};

struct command {
	enum command_verb verb;
	struct strlist projects; /* -p, repeated */
	struct strlist dirs;     /* -d */
	char *workspace;         /* -w */
	struct strlist args;     /* import: ADDRESS ID; state: rm ADDRESS... */
	char *sha;               /* plan, apply, ok-to-plan: the commit that is meant, 7 to 40 lower-case hex digits; NULL */
	struct strlist flags;    /* plan: of the engine, behind `--` (command_flags.h) */
	bool destroy;            /* apply: --destroy */
	int64_t run;             /* resolve: RUN; 0: not said */
	char *as;                /* resolve: applied, failed, replan */
	char *error;             /* UNKNOWN: the sentence */
};

/* Never fails: what cannot be read is NONE or UNKNOWN. */
void command_parse(const char *body, size_t len, struct command *ret);
void command_free(struct command *c);
const char *command_verb_name(enum command_verb v);

#endif
