/* The tar reader: any bytes in pieces of any size; what is told has a safe name, as many bytes as were promised, and stays below the ceilings. */
#include "base/limits.h"
#include "base/mem.h"
#include "runner/untar.h"
#include "tests/fuzz/fuzz.h"

enum { BYTES = 1 << 20, ENTRIES = 64 };

struct told {
	uint64_t left, bytes, entries;
	bool open;
};

static int on_entry(const struct untar_entry *e, void *arg, struct err *err)
{
	struct told *t = arg;
	(void)err;
	ASSERT(!t->open && e->path[0] != '/' && e->path[0] != '\0' && strlen(e->path) <= LIMIT_PATH_BYTES);
	CLEANUP_FREE char *framed = xasprintf("/%s/", e->path);
	ASSERT(strstr(framed, "/../") == NULL && strstr(framed, "/./") == NULL && strstr(framed, "//") == NULL && strchr(framed, '\n') == NULL);
	ASSERT(e->kind != UNTAR_LINK || (e->target[0] != '/' && strchr(e->path, '/') != NULL));
	t->entries++;
	t->bytes += e->size;
	t->open = e->kind == UNTAR_FILE;
	t->left = e->size;
	ASSERT(t->bytes <= BYTES && t->entries <= ENTRIES);
	return 0;
}

static int on_data(const char *bytes, size_t len, void *arg, struct err *err)
{
	struct told *t = arg;
	(void)bytes, (void)err;
	ASSERT(t->open && len > 0 && len <= t->left);
	t->left -= len;
	return 0;
}

static int on_end(void *arg, struct err *err)
{
	struct told *t = arg;
	(void)err;
	ASSERT(t->open && t->left == 0);
	t->open = false;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = {1, 7, 512, 65536};
	if (size == 0)
		return 0;
	size_t piece = pieces[data[0] % ARRAY_LEN(pieces)];
	struct told t = {0};
	struct untar u;
	const struct untar_limits limits = {.bytes = BYTES, .entries = ENTRIES, .links = (data[0] & 4) != 0};
	const struct untar_sink sink = {on_entry, on_data, on_end, &t};
	untar_init(&u, &limits, &sink);
	const char *p = (const char *)data + 1;
	int rc = 0;
	for (size_t left = size - 1; rc == 0 && left > 0;) {
		size_t n = left < piece ? left : piece;
		rc = untar_feed(&u, p, n, NULL);
		p += n;
		left -= n;
	}
	if (rc == 0 && untar_end(&u, NULL) == 0)
		ASSERT(!t.open);
	untar_free(&u);
	return 0;
}
