/* Engines are a table: what a tool is called, how it is asked to initialise, plan, show and apply, and what it needs around it.
 * Step 7 of the flow. Adding an engine is adding a row. */
#ifndef RUNNER_ENGINE_H
#define RUNNER_ENGINE_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum engine_kind { ENGINE_TERRAFORM, ENGINE_OPENTOFU, ENGINE_PULUMI, ENGINE_KINDS, ENGINE_NONE = -1 };

struct engine {
	enum engine_kind kind;
	const char *name;    /* "terraform": the word of sluice.yaml */
	const char *label;   /* "Terraform": for people */
	const char *program; /* "terraform": looked for in PATH */
	const char *version_prefix; /* first line of `PROGRAM version`: "Terraform v" */
	bool runs;           /* false: known by name, jobs are refused with a sentence */
};

const struct engine *engine_row(enum engine_kind kind);
int engine_parse(const char *name, enum engine_kind *ret, struct err *err) MUST_CHECK;

/* A binary found on this machine. The version is asked once per binary (path, size, mtime) and remembered in data_dir/engines.json. */
struct engine_binary {
	enum engine_kind kind;
	char *path;    /* absolute, symbolic links resolved */
	char *version; /* "1.11.4" */
	char *sha256;  /* of the program file, hex */
};

/* Looks in PATH (and extra_dir first, may be NULL). ERR_NOT_FOUND names the program and where it was looked for. */
int engine_find(enum engine_kind kind, const char *extra_dir, const char *data_dir, struct engine_binary *ret, struct err *err) MUST_CHECK;
void engine_binary_free(struct engine_binary *b);

#endif
