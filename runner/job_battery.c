#include "runner/job_battery.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SECONDS_MAX = 10 };

static char **baits;
static int baits_n;

const char *battery_bait(const char *key)
{
	size_t n = strlen(key);
	for (int i = 0; i < baits_n; i++)
		if (strncmp(baits[i], key, n) == 0 && baits[i][n] == '=')
			return baits[i] + n + 1;
	return NULL;
}

void battery_say(char *value, size_t size, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	(void)vsnprintf(value, size, format, ap); /* cut, not refused: a long list says enough by its beginning */
	va_end(ap);
}

void battery_answer(char *value, size_t size, long rc)
{
	const char *name = rc >= 0 ? "yes" : strerrorname_np(errno);
	if (name != NULL)
		battery_say(value, size, "%s", name);
	else
		battery_say(value, size, "errno %d", errno);
}

/* What a probe found could be a name that a stranger chose: a line stays a line. */
static void print_row(const struct battery_row *row)
{
	char value[BATTERY_VALUE_MAX] = "";
	row->look(value, sizeof(value));
	for (char *c = value; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	(void)printf("%s=%s\n", row->name, value);
	(void)fflush(stdout); /* line by line: what ends us early does not take along what was found before */
}

int battery_main(int argc, char **argv)
{
	const struct battery_rows parts[] = {battery_self(), battery_kernel(), battery_reach()};
	baits = argv;
	baits_n = argc;
	(void)alarm(SECONDS_MAX);
	for (size_t p = 0; p < sizeof(parts) / sizeof(parts[0]); p++)
		for (size_t i = 0; i < parts[p].n; i++)
			print_row(&parts[p].v[i]);
	(void)printf("end=yes\n");
	return fflush(stdout) == 0 ? 0 : 1;
}
