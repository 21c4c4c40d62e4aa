#include "base/clock.h"

#include "base/mem.h"

#include <stdbool.h>
#include <time.h>

/* Atomic: the writer thread reads the clock as well. */
static _Atomic bool fake;
static _Atomic int64_t fake_wall_ms, fake_mono_ms;

int64_t clock_mono_ns(void)
{
	if (fake)
		return fake_mono_ms * 1000000;
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail with a known clock */
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_mono_ms(void) { return clock_mono_ns() / 1000000; }

int64_t clock_wall_ms(void)
{
	if (fake)
		return fake_wall_ms;
	struct timespec t;
	(void)clock_gettime(CLOCK_REALTIME, &t); /* cannot fail with a known clock */
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool split(int64_t wall_ms, struct tm *ret)
{
	time_t t = (time_t)(wall_ms / 1000);
	return gmtime_r(&t, ret) != NULL;
}

/* A year that does not fit leaves an empty text. */
char *clock_iso(int64_t wall_ms, char out[CLOCK_ISO_SIZE])
{
	struct tm tm;
	if (!split(wall_ms, &tm) || strftime(out, CLOCK_ISO_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		out[0] = '\0';
	return out;
}

char *clock_people(int64_t wall_ms, char out[CLOCK_ISO_SIZE])
{
	struct tm tm;
	if (!split(wall_ms, &tm) || strftime(out, CLOCK_ISO_SIZE, "%Y-%m-%d %H:%M UTC", &tm) == 0)
		out[0] = '\0';
	return out;
}

void clock_fake_set(int64_t wall_ms)
{
	if (!fake)
		fake_mono_ms = 1000;
	fake = true;
	fake_wall_ms = wall_ms;
}

void clock_fake_advance(int64_t ms)
{
	ASSERT(fake);
	fake_wall_ms += ms;
	fake_mono_ms += ms;
}

void clock_fake_off(void) { fake = false; }
