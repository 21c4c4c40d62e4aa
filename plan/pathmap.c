#include "plan/pathmap.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

static struct pathmap_slot *find(const struct pathmap *m, const char *key, size_t len, uint64_t hash)
{
	size_t i = (size_t)hash & (m->cap - 1);
	for (;;) {
		struct pathmap_slot *s = &m->slots[i];
		if (s->key == NULL || (s->hash == hash && s->len == len && memcmp(s->key, key, len) == 0))
			return s;
		i = (i + 1) & (m->cap - 1);
	}
}

static void grow(struct pathmap *m)
{
	struct pathmap bigger = {.cap = m->cap == 0 ? 64 : m->cap * 2, .n = m->n};
	bigger.slots = xcalloc(bigger.cap, sizeof(*bigger.slots));
	for (size_t i = 0; i < m->cap; i++) {
		const struct pathmap_slot *s = &m->slots[i];
		if (s->key != NULL)
			*find(&bigger, s->key, s->len, s->hash) = *s;
	}
	free(m->slots);
	*m = bigger;
}

bool pathmap_add(struct pathmap *m, const char *key, size_t len, uint32_t value)
{
	if (m->n * 2 >= m->cap)
		grow(m);
	uint64_t hash = text_hash(key, len);
	struct pathmap_slot *s = find(m, key, len, hash);
	if (s->key != NULL)
		return false;
	*s = (struct pathmap_slot){.key = key, .len = len, .hash = hash, .value = value};
	m->n++;
	return true;
}

bool pathmap_get(const struct pathmap *m, const char *key, size_t len, uint32_t *ret)
{
	if (m->n == 0)
		return false;
	const struct pathmap_slot *s = find(m, key, len, text_hash(key, len));
	if (s->key == NULL)
		return false;
	*ret = s->value;
	return true;
}

void pathmap_free(struct pathmap *m)
{
	free(m->slots);
	*m = (struct pathmap){0};
}

size_t path_dir_len(const char *path, size_t len)
{
	while (len > 0 && path[len - 1] != '/')
		len--;
	return len > 0 ? len - 1 : 0;
}

/* Takes the last name off; false at the root. */
static bool climb(struct buf *b)
{
	if (b->len == 0)
		return false;
	buf_truncate(b, path_dir_len(b->data, b->len));
	return true;
}

char *path_resolve(const char *dir, const char *rel)
{
	CLEANUP_BUF struct buf out = {0};
	if (rel[0] == '/')
		return NULL;
	if (strcmp(dir, ".") != 0)
		buf_adds(&out, dir);
	while (*rel != '\0') {
		size_t n = strcspn(rel, "/");
		if (n == 2 && rel[0] == '.' && rel[1] == '.') {
			if (!climb(&out))
				return NULL;
		} else if (n > 0 && !(n == 1 && rel[0] == '.')) {
			if (out.len > 0)
				buf_addc(&out, '/');
			buf_add(&out, rel, n);
		}
		rel += n + (rel[n] == '/');
	}
	return out.len == 0 ? xstrdup(".") : buf_take(&out);
}

bool path_is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);
	if (strcmp(dir, ".") == 0)
		return true;
	return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/');
}
