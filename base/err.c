#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>


int err_set(struct err *err, int code, const char *fmt, ...)
{
	int saved = errno;
	if (err != NULL) {
		va_list ap;
		va_start(ap, fmt);
		err->code = code;
		(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap); /* cutting a sentence is fine */
		va_end(ap);
	}
	errno = saved;
	return code;
}

int err_sys(struct err *err, const char *fmt, ...)
{
	int saved = errno;
	if (err != NULL) {
		va_list ap;
		va_start(ap, fmt);
		err->code = ERR_IO;
		int n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
		if (n >= 0 && (size_t)n < sizeof(err->msg)) {
			char text[128];
			const char *why = strerror_r(saved, text, sizeof(text));
			(void)snprintf(err->msg + n, sizeof(err->msg) - (size_t)n, ": %s", why);
		}
	}
	errno = saved;
	return ERR_IO;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	if (err == NULL)
		return ERR_INTERNAL;
	char old[ERR_MSG_MAX];
	memcpy(old, err->msg, sizeof(old));
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n + 2 >= sizeof(err->msg))
		return err->code;
	size_t at = (size_t)n, room = sizeof(err->msg) - at - 3, len = strlen(old);
	memcpy(err->msg + at, ": ", 2);
	memcpy(err->msg + at + 2, old, len < room ? len : room);
	err->msg[at + 2 + (len < room ? len : room)] = '\0';
	return err->code;
}
