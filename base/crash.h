/* Crash points: named places between two steps where the restart tests kill the process (SLUICE_CRASH_AT=name[:n], the n-th passing).
 * Compiled into test builds (-DSLUICE_CRASHPOINTS); nothing in a release. The test finds the names by grep, so a new one is never forgotten. */
#ifndef BASE_CRASH_H
#define BASE_CRASH_H

#ifdef SLUICE_CRASHPOINTS
void crash_point(const char *name);
#define CRASH_POINT(name) crash_point(name)
#else
#define CRASH_POINT(name) ((void)0)
#endif

#endif
