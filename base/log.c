#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

#include <stdio.h>
#include <unistd.h>

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
	CLEANUP_BUF struct buf b = {.max = 8192};
	buf_printf(&b, "%.19s.%03dZ %s %s ", when, (int)(now % 1000), level_names[level], event);
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < b.len; i++) /* a line stays a line whatever is in it */
		if ((unsigned char)b.data[i] < 0x20 || b.data[i] == 0x7f)
			b.data[i] = ' ';
	if (sink_fn != NULL) {
		sink_fn(buf_str(&b), sink_arg);
		return;
	}
	buf_reserve(&b, 1);
	b.data[b.len++] = '\n';
	if (fs_write_all(STDERR_FILENO, b.data, b.len, NULL) != 0)
		return; /* nowhere to tell that the log is gone */
}

const char *log_value(const char *text)
{
	static _Thread_local char ring[8][LOG_VALUE_MAX * 2 + 8];
	static _Thread_local unsigned turn;
	char *out = ring[turn++ % 8];
	size_t n = 0;
	out[n++] = '"';
	for (size_t i = 0; text != NULL && text[i] != '\0' && i < LOG_VALUE_MAX; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c == '"' || c == '\\')
			out[n++] = '\\';
		out[n++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	out[n++] = '"';
	out[n] = '\0';
	return out;
}
