/* The dependency lock file: any bytes; what is read can be a path, and comes back when written. */
#include "runner/lock_file.h"
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>

static bool is_name(const char *s, size_t len) { return len > 0 && s[0] != '.' && memchr(s, '/', len) == NULL; }

static void check(const struct lock_entry *e)
{
	const char *a = strchr(e->address, '/');
	ASSERT(a != NULL && is_name(e->address, (size_t)(a - e->address)));
	const char *b = strchr(a + 1, '/');
	ASSERT(b != NULL && is_name(a + 1, (size_t)(b - a - 1)) && is_name(b + 1, strlen(b + 1)));
	ASSERT(is_name(e->version, strlen(e->version)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lock_file l = {0}, again = {0};
	CLEANUP_BUF struct buf out = {0};
	if (lock_file_read((const char *)data, size, &l, NULL) != 0)
		return 0;
	for (size_t i = 0; i < l.n; i++)
		check(&l.v[i]);
	lock_file_write(&l, &out);
	ASSERT(lock_file_read(buf_str(&out), out.len, &again, NULL) == 0 || out.len > size);
	ASSERT(again.n == l.n || again.n == 0);
	lock_file_free(&again);
	lock_file_free(&l);
	return 0;
}
