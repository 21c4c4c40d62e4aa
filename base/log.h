/* Log: one structured line per event on stderr, `key=value`, values quoted where needed, control characters escaped.
 *
 *   log_info("run.start", "run=%s repo=%s", run, repo);
 *   -> 2026-11-25T14:03:07.123Z info run.start run=12 repo=acme/infra
 *
 * The event name is a fixed word; what follows is a printf format of key=value pairs. Use log_value() for text from outside. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"

#include <stddef.h>

enum log_level { LOG_ERR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
int log_level_parse(const char *word, enum log_level *ret_level) MUST_CHECK;
void log_line(enum log_level level, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_err(...) log_line(LOG_ERR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

enum { LOG_VALUE_MAX = 256 };
/* Quotes and escapes text from outside for one value; cut at LOG_VALUE_MAX. Returns one of eight rotating thread-local buffers. */
const char *log_value(const char *text);

/* A sink for tests; NULL restores stderr. */
void log_set_sink(void (*sink)(const char *line, void *arg), void *arg);

#endif
