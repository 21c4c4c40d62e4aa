/* Between cgroup_find.c (where groups can be made) and cgroup.c (the groups). */
#ifndef RUNNER_CGROUP_PRIV_H
#define RUNNER_CGROUP_PRIV_H

#include "runner/cgroup.h"

/* The last only evens the processors out between a job of many processes and the rest of us; a host may do without, or have it in CG_CPU. */
enum { CG_MEMORY, CG_PIDS, CG_CPU, CG_SHARE, CG_DIRS };

/* The group below which ours are made. */
struct cgroup_base {
	enum cgroup_kind kind;
	char *dir[CG_DIRS]; /* v1: one per hierarchy; v2: all in the first. NULL: none */
	bool leaf;          /* v2: this process is in the leaf "daemon" of it */
	bool whole;         /* v2: the root of all, where processes and groups may be beside each other */
	bool enabled;       /* v2: memory and pids are switched on for groups below it */
	char *why;          /* kind CGROUP_NONE: the sentence */
};

/* root goes before /proc/self and each mount point: "" but in tests. With v2 the directory is told (dir[0]) even when kind is CGROUP_NONE. */
void cgroup_base_find(const char *root, struct cgroup_base *ret);
void cgroup_base_free(struct cgroup_base *b);
int64_t cgroup_memory_ceiling_at(const char *root);
bool cgroup_has_word(const char *text, const char *word); /* among words divided by blanks or commas */

/* Files of a group. read: up to 4 KiB into text, false when it cannot be read; write: 0 or -1 with errno. */
enum { CGROUP_TEXT = 4096 };
bool cgroup_text(const char *dir, const char *file, char text[CGROUP_TEXT]);
int cgroup_put(const char *dir, const char *file, const char *value);
/* The number a text begins with; "max" is INT64_MAX; -1: none. Values beyond int64_t are INT64_MAX. */
int64_t cgroup_number(const char *text);
/* The number after `key ` at the start of a line; -1: none. */
int64_t cgroup_field(const char *text, const char *key);

/* A group of v2 out of a directory that exists, whatever controllers it has; its limits are not set. */
struct cgroup *cgroup_adopt(const char *dir, const struct cgroup_limits *limits);
void cgroup_sweep_dir(const char *dir);

#endif
