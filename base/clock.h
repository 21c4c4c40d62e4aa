/* Time: monotonic for durations, wall for records. The only file that asks the kernel; tests set their own. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_mono_ms(void);
int64_t clock_mono_ns(void);
int64_t clock_wall_ms(void); /* since 1970-01-01 UTC */

enum { CLOCK_ISO_SIZE = 32 };
/* "2026-11-25T14:03:07Z"; returns out. */
char *clock_iso(int64_t wall_ms, char out[CLOCK_ISO_SIZE]);
/* "2026-11-25 14:03 UTC" for people; returns out. */
char *clock_people(int64_t wall_ms, char out[CLOCK_ISO_SIZE]);
/* Tests: freeze both clocks at a value, move them, and go back to the kernel. */
void clock_fake_set(int64_t wall_ms);
void clock_fake_advance(int64_t ms);
void clock_fake_off(void);

#endif
