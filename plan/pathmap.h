/* A hash map from paths to numbers, for looking at ten thousand projects without comparing each with each. Step 4.
 *
 * Keys are borrowed slices and must outlive the map. A zeroed struct is an empty map. */
#ifndef PLAN_PATHMAP_H
#define PLAN_PATHMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pathmap_slot {
	const char *key; /* NULL: free */
	size_t len;
	uint64_t hash;
	uint32_t value;
};

struct pathmap {
	struct pathmap_slot *slots;
	size_t cap, n;
};

/* False, and nothing changed, when the key is already there. */
bool pathmap_add(struct pathmap *m, const char *key, size_t len, uint32_t value);
bool pathmap_get(const struct pathmap *m, const char *key, size_t len, uint32_t *ret);
void pathmap_free(struct pathmap *m);

/* Paths in a repository: "a/b", no leading, double or trailing slash; the root is ".". */
/* Length of the directory part of the first len bytes; 0 when that is the root. */
size_t path_dir_len(const char *path, size_t len);
/* rel as seen from dir, without "." and ".."; NULL when it is absolute or leaves the repository. The caller frees. */
char *path_resolve(const char *dir, const char *rel);
/* True if path is dir or below it. */
bool path_is_below(const char *path, const char *dir);

#endif
