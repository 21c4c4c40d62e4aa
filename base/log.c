#include "base/log.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 8192 };

static enum log_level threshold = LOG_INFO;
static void (*sink_fn)(const char *line, void *arg);
static void *sink_arg;

static const char *const level_names[] = {"err", "warn", "info", "debug"};

void log_set_level(enum log_level level) { threshold = level; }

int log_level_parse(const char *word, enum log_level *ret_level)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
		if (strcmp(word, level_names[i]) == 0) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	return ERR_USAGE;
}

void log_set_sink(void (*sink)(const char *line, void *arg), void *arg)
{
	sink_fn = sink;
	sink_arg = arg;
}

void log_line(enum log_level level, const char *event, const char *fmt, ...)
{
	if (level > threshold)
		return;
	char when[CLOCK_ISO_SIZE];
	int64_t now = clock_wall_ms();
	(void)clock_iso(now, when);
	char line[LINE_MAX_BYTES];
	(void)snprintf(line, sizeof(line), "%.19s.%03dZ %s %s ", when, (int)(now % 1000), level_names[level], event); /* fits */
	size_t n = strlen(line);
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(line + n, sizeof(line) - 1 - n, fmt, ap); /* cut is better than lost */
	va_end(ap);
	n = strlen(line);
	for (size_t i = 0; i < n; i++) /* a line stays a line whatever is in it */
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = ' ';
	if (sink_fn != NULL) {
		sink_fn(line, sink_arg);
		return;
	}
	line[n++] = '\n';
	if (fs_write_all(STDERR_FILENO, line, n, NULL) != 0)
		return; /* nowhere to tell that the log is gone */
}

const char *log_value(const char *text)
{
	static _Thread_local char ring[8][LOG_VALUE_MAX * 2 + 8];
	static _Thread_local unsigned turn;
	char *out = ring[turn++ % 8];
	size_t n = 0;
	CLEANUP_BUF struct buf shown = {0};
	CLEANUP_BUF struct buf clean = {0};
	for (size_t i = 0; text != NULL && text[i] != '\0' && i < LOG_VALUE_MAX; i++)
		buf_addc(&shown, (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i]);
	text_clean(&clean, buf_str(&shown), shown.len); /* what a terminal would obey beyond ASCII */
	buf_truncate(&clean, text_cut(buf_str(&clean), clean.len, LOG_VALUE_MAX));
	out[n++] = '"';
	for (size_t i = 0; i < clean.len; i++) {
		if (clean.data[i] == '"' || clean.data[i] == '\\')
			out[n++] = '\\';
		out[n++] = clean.data[i];
	}
	out[n++] = '"';
	out[n] = '\0';
	return out;
}
