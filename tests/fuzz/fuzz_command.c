#include "tests/fuzz/fuzz.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "plan/command.h"

#define ALLOWED "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@=[]\"-"

/* A value is short, clean, and only there for a verb that can use it. */
static void check_list(const struct strlist *l, size_t max)
{
	for (size_t i = 0; i < l->n; i++) {
		size_t len = strlen(l->v[i]);
		CLEANUP_BUF struct buf clean = {0};
		text_clean(&clean, l->v[i], len);
		ASSERT(len > 0 && len <= max && clean.len == len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct command c;
	command_parse((const char *)data, size, &c);
	check_list(&c.projects, LIMIT_NAME_BYTES);
	check_list(&c.dirs, LIMIT_PATH_BYTES);
	check_list(&c.args, LIMIT_COMMAND_BYTES);
	check_list(&c.flags, LIMIT_COMMAND_BYTES);
	for (size_t i = 0; i < c.flags.n; i++) /* the engine takes each as one argument */
		ASSERT(c.flags.v[i][0] == '-' && strspn(c.flags.v[i], ALLOWED) == strlen(c.flags.v[i]));
	ASSERT(c.flags.n <= 20 && (c.flags.n == 0 || c.verb == COMMAND_PLAN));
	bool has_details = c.projects.n + c.dirs.n + c.args.n > 0 || c.workspace != NULL;
	ASSERT((c.verb == COMMAND_UNKNOWN) == (c.error != NULL));
	ASSERT(!has_details || (c.verb > COMMAND_UNKNOWN && c.verb != COMMAND_HELP && c.verb != COMMAND_VERSION));
	ASSERT(c.error == NULL || (strlen(c.error) < 300 && text_is_utf8(c.error, strlen(c.error))));
	command_free(&c);
	return 0;
}
