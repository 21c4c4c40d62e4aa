/* Errors: a code for the program and one sentence for the person.
 *
 * Every function that can fail returns 0 or a negative enum err_code and takes `struct err *` last (may be NULL). The sentence names the
 * operation and the object, and is wrapped on the way up ("plan network: read sluice.yaml: ..."). Nobody logs *and* returns. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

enum err_code {
	ERR_USAGE = -1,       /* the caller's words are wrong: a command line, an argument */
	ERR_PARSE = -2,       /* bytes that are not what they claim to be */
	ERR_LIMIT = -3,       /* a ceiling of base/limits.h was passed */
	ERR_NOT_FOUND = -4,   /* the object does not exist */
	ERR_REFUSED = -5,     /* understood, and the answer is no */
	ERR_CONFLICT = -6,    /* somebody else was first */
	ERR_TIMEOUT = -7,     /* a deadline passed */
	ERR_UNAVAILABLE = -8, /* the other side is down or busy; trying again may help */
	ERR_IO = -9,          /* a system call failed */
	ERR_CANCELLED = -10,  /* someone asked us to stop */
	ERR_INTERNAL = -11,   /* an invariant of ours does not hold */
};

enum { ERR_MSG_MAX = 1024 };

struct err {
	int code; /* 0 while nothing failed */
	char msg[ERR_MSG_MAX];
};

/* Sets code and sentence; returns `code`, so that `return err_set(err, ERR_IO, "...")` reads well. errno is preserved. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Like err_set(ERR_IO) with ": strerror(errno)" appended. */
int err_sys(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Puts "prefix: " before the sentence; returns the code already there. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
