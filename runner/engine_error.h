/* Step 7. What an engine printed when it failed, as one sentence for people. Pure. */
#ifndef RUNNER_ENGINE_ERROR_H
#define RUNNER_ENGINE_ERROR_H

#include "base/buf.h"

/* Appends the first error of a stderr text: "live/app/main.tf:14: Unsupported argument: An argument named ..." with the file relative to
 * the repository (dir is the project's), then how many more there are, then what to do where we know it. Frame characters, colours and
 * control characters are gone. Appends nothing and returns false when the text holds no error. */
bool engine_error_sentence(const char *text, size_t len, const char *dir, struct buf *out);
/* Does the text say that `init` has to run first? */
bool engine_error_wants_init(const char *text, size_t len);

/* Who holds the state lock, when a text names it ("Lock Info:"). */
struct engine_lock {
	char id[128], who[128], created[64];
};
bool engine_lock_read(const char *text, size_t len, struct engine_lock *ret);

#endif
