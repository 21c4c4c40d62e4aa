/* The two halves of the probe. */
#ifndef TESTS_ATTACKS_PROBE_H
#define TESTS_ATTACKS_PROBE_H

#include <stdbool.h>

extern char *probe_self; /* where it was started from */
/* "WHAT DETAIL yes", or the name of errno in place of the yes. */
void say(const char *what, const char *detail, bool ok);

/* Each takes the words behind its own and returns the exit status. Those that take all there is do so in a box only. */
int eat_memory(char **words);
int spin(char **words);
int fork_all(char **words);
int open_all(char **words);
int fly_all(char **words);
int fill(char **words);
int make_files(char **words);
int flood(char **words);
int hang(char **words);
int stay(char **words);
int plant(char **words);
int crash(char **words);

#endif
