/* Step 7. The role `sluice-job-init battery`: a program that is put into a box to look around with a stranger's eyes. It tries what a stranger's
 * code would try and prints what came of it, one NAME=VALUE a line; it judges nothing (runner/tier.c does) and harms nothing where the
 * walls do not hold: signals are number 0, programs are not programs, connections go to baits and to addresses that nobody has. */
#ifndef RUNNER_JOB_BATTERY_H
#define RUNNER_JOB_BATTERY_H

#include <stdbool.h>
#include <stddef.h>

/* Arguments are baits, KEY=VALUE: tcp=PORT (listens on the host's loopback), abstract=NAME and socket=PATH (likewise), file=PATH (readable on the
 * host), pid=N (lives on the host). Without one, its probe tells "no bait". Returns the exit status. */
int battery_main(int argc, char **argv);

/* ---- between runner/job_battery*.c ---- */

enum { BATTERY_VALUE_MAX = 1024 };

/* Writes what it found. */
typedef void (*battery_probe)(char *value, size_t size);
struct battery_row {
	const char *name;
	battery_probe look;
};
struct battery_rows {
	const struct battery_row *v;
	size_t n;
};
struct battery_rows battery_self(void), battery_kernel(void), battery_reach(void);

const char *battery_bait(const char *key); /* NULL: none */
/* "yes", or the name of errno: what came of a call. */
void battery_answer(char *value, size_t size, long rc);
void battery_say(char *value, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
