#include "base/crash.h"

#ifdef SLUICE_CRASHPOINTS

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void crash_point(const char *name)
{
	static unsigned passed;
	const char *at = getenv("SLUICE_CRASH_AT");
	if (at == NULL)
		return;
	size_t n = strlen(name);
	if (strncmp(at, name, n) != 0 || (at[n] != '\0' && at[n] != ':'))
		return;
	unsigned wanted = 1;
	if (at[n] == ':')
		wanted = (unsigned)strtoul(at + n + 1, NULL, 10);
	if (++passed >= wanted)
		(void)kill(getpid(), SIGKILL); /* as a power cut would: no handler, no flush */
}

#else

typedef int crash_points_are_off; /* an empty file is not C */

#endif
