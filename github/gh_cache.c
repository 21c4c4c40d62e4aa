#include "github/gh_priv.h"

#include "base/limits.h"

/* A list in order of use; a few hundred entries are found quickly enough by looking. */

struct entry {
	struct entry *prev, *next;
	struct gh_cached c;
	size_t bytes;
};

struct gh_cache {
	struct entry *first, *last; /* first: used most lately */
	size_t n, bytes;
};

struct gh_cache *gh_cache_new(void) { return xcalloc(1, sizeof(struct gh_cache)); }

static void unlink_entry(struct gh_cache *c, struct entry *e)
{
	*(e->prev != NULL ? &e->prev->next : &c->first) = e->next;
	*(e->next != NULL ? &e->next->prev : &c->last) = e->prev;
	e->prev = e->next = NULL;
}

static void put_first(struct gh_cache *c, struct entry *e)
{
	e->next = c->first;
	*(c->first != NULL ? &c->first->prev : &c->last) = e;
	c->first = e;
}

static void drop(struct gh_cache *c, struct entry *e)
{
	unlink_entry(c, e);
	c->n--;
	c->bytes -= e->bytes;
	free(e->c.key);
	free(e->c.etag);
	free(e->c.body);
	free(e);
}

static struct entry *entry_of(const struct gh_cache *c, const char *key)
{
	struct entry *e = c->first;
	while (e != NULL && strcmp(e->c.key, key) != 0)
		e = e->next;
	return e;
}

const struct gh_cached *gh_cache_find(struct gh_cache *c, const char *key)
{
	struct entry *e = entry_of(c, key);
	if (e == NULL)
		return NULL;
	unlink_entry(c, e);
	put_first(c, e);
	return &e->c;
}

void gh_cache_put(struct gh_cache *c, const char *key, const struct http_response *res)
{
	const char *etag = http_header(res, "etag");
	struct entry *old = entry_of(c, key);
	if (old != NULL)
		drop(c, old);
	size_t bytes = sizeof(struct entry) + strlen(key) + (etag != NULL ? strlen(etag) : 0) + res->body_len;
	if (etag == NULL || etag[0] == '\0' || bytes > LIMIT_GITHUB_CACHE_BYTES / 8) /* one large answer must not push out all others */
		return;
	while (c->n >= LIMIT_GITHUB_CACHE || (c->n > 0 && c->bytes + bytes > LIMIT_GITHUB_CACHE_BYTES))
		drop(c, c->last);
	struct entry *e = xcalloc(1, sizeof(*e));
	e->c = (struct gh_cached){.key = xstrdup(key), .etag = xstrdup(etag), .body = xstrndup(res->body, res->body_len), .len = res->body_len};
	e->bytes = bytes;
	put_first(c, e);
	c->n++;
	c->bytes += bytes;
}

void gh_cache_size(const struct gh_cache *c, size_t *ret_entries, size_t *ret_bytes)
{
	*ret_entries = c->n;
	*ret_bytes = c->bytes;
}

void gh_cache_free(struct gh_cache *c)
{
	while (c->first != NULL)
		drop(c, c->first);
	free(c);
}
