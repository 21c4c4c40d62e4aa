/* The parts of runner/watch.c that read what the kernel writes; a process chooses some of that text itself, its name. */
#ifndef RUNNER_WATCH_PRIV_H
#define RUNNER_WATCH_PRIV_H

#include "runner/watch.h"

#include <stdbool.h>

struct watch_stat {
	int64_t ppid, ticks, threads, start; /* ticks: user and system, its own and those of children it waited for */
};
/* /proc/PID/stat */
bool watch_read_stat(const char *text, struct watch_stat *ret);
/* The bytes of a line "key:   123 kB" of /proc/PID/status or smaps_rollup; -1: no such line. */
int64_t watch_read_kb(const char *text, const char *key);

#endif
