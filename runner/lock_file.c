#include "runner/lock_file.h"

#include "base/limits.h"
#include "base/text.h"

/* HOST may have a port; the parts are those of a provider address, and none of them is "." or "..". */
static bool is_part(const char *s, size_t len, const char *chars)
{
	return len > 0 && len <= LIMIT_NAME_BYTES && strspn(s, chars) >= len && s[0] != '.' && s[0] != '-' && s[0] != ':';
}

#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789"

static bool is_address(const char *s)
{
	const char *first = strchr(s, '/');
	const char *second = first != NULL ? strchr(first + 1, '/') : NULL;
	return second != NULL && is_part(s, (size_t)(first - s), LOWER ".-:") && is_part(first + 1, (size_t)(second - first - 1), LOWER "-_") &&
	       is_part(second + 1, strlen(second + 1), LOWER "-_");
}

static bool is_version(const char *s) { return is_part(s, strlen(s), LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ.+-"); }

struct reader {
	const char *p, *end;
	int line;
	struct err *err;
};

static int wrong(struct reader *r, const char *what) { return err_set(r->err, ERR_PARSE, "line %d: %s", r->line, what); }

static bool skip_comment(struct reader *r)
{
	size_t left = (size_t)(r->end - r->p);
	if (*r->p == '#' || (left > 1 && r->p[0] == '/' && r->p[1] == '/')) {
		const char *nl = memchr(r->p, '\n', left);
		r->p = nl != NULL ? nl : r->end;
		return true;
	}
	if (left < 2 || r->p[0] != '/' || r->p[1] != '*')
		return false;
	const char *close = memmem(r->p + 2, left - 2, "*/", 2);
	for (const char *q = r->p; close != NULL && q < close; q++)
		r->line += *q == '\n';
	if (close != NULL)
		r->p = close + 2;
	return close != NULL;
}

static void skip_space(struct reader *r)
{
	while (r->p < r->end) {
		if (*r->p == '\n')
			r->line++;
		if (*r->p == ' ' || *r->p == '\t' || *r->p == '\r' || *r->p == '\n')
			r->p++;
		else if (!skip_comment(r))
			return;
	}
}

static bool take(struct reader *r, char c)
{
	skip_space(r);
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

/* Engines write no escapes into this file; one is refused rather than understood. */
static int take_string(struct reader *r, char **ret, const char *what)
{
	if (!take(r, '"'))
		return wrong(r, what);
	const char *close = memchr(r->p, '"', (size_t)(r->end - r->p));
	size_t len = close != NULL ? (size_t)(close - r->p) : 0;
	if (close == NULL || len > LIMIT_CONFIG_TEXT_BYTES || memchr(r->p, '\0', len) != NULL || memchr(r->p, '\n', len) != NULL ||
	    memchr(r->p, '\\', len) != NULL || memmem(r->p, len, "${", 2) != NULL || memmem(r->p, len, "%{", 2) != NULL || !text_is_utf8(r->p, len))
		return wrong(r, "a string that an engine would not have written");
	free(*ret);
	*ret = xstrndup(r->p, len);
	r->p = close + 1;
	return 0;
}

static bool take_word(struct reader *r, const char *word)
{
	size_t n = strlen(word);
	skip_space(r);
	if ((size_t)(r->end - r->p) < n || strncmp(r->p, word, n) != 0)
		return false;
	const char *after = r->p + n;
	if (after < r->end && (strchr(LOWER "_-", *after) != NULL && *after != '\0'))
		return false;
	r->p = after;
	return true;
}

static int take_hashes(struct reader *r, struct lock_entry *e)
{
	if (!take(r, '['))
		return wrong(r, "hashes is a list");
	while (!take(r, ']')) {
		CLEANUP_FREE char *hash = NULL;
		int rc = take_string(r, &hash, "expected a hash or ]");
		if (rc != 0)
			return rc;
		if (e->hashes.n >= LOCK_HASHES_MAX)
			return err_set(r->err, ERR_LIMIT, "%s has more than %d hashes", e->address, LOCK_HASHES_MAX);
		strlist_take(&e->hashes, TAKE(hash));
		if (take(r, ','))
			continue;
		if (!take(r, ']'))
			return wrong(r, "expected , or ] after a hash");
		break;
	}
	return 0;
}

static int take_attribute(struct reader *r, struct lock_entry *e)
{
	static const char *const names[] = {"version", "constraints", "hashes"};
	size_t i = 0;
	while (i < ARRAY_LEN(names) && !take_word(r, names[i]))
		i++;
	if (i == ARRAY_LEN(names))
		return wrong(r, "expected version, constraints, hashes or }");
	if ((i == 0 && e->version != NULL) || (i == 1 && e->constraints != NULL) || (i == 2 && e->hashes.n != 0))
		return wrong(r, "said twice");
	if (!take(r, '='))
		return wrong(r, "expected =");
	if (i == 2)
		return take_hashes(r, e);
	int rc = take_string(r, i == 0 ? &e->version : &e->constraints, "expected a string");
	return rc == 0 && i == 0 && !is_version(e->version) ? wrong(r, "that is no version") : rc;
}

static int take_provider(struct reader *r, struct lock_entry *e)
{
	int rc = take_string(r, &e->address, "expected the address of a provider");
	if (rc != 0)
		return rc;
	if (!is_address(e->address))
		return wrong(r, "a provider's address is HOST/NAMESPACE/TYPE, in small letters");
	if (!take(r, '{'))
		return wrong(r, "expected {");
	while (rc == 0 && !take(r, '}'))
		rc = take_attribute(r, e);
	return rc == 0 && e->version == NULL ? wrong(r, "a provider without version") : rc;
}

int lock_file_read(const char *bytes, size_t len, struct lock_file *ret, struct err *err)
{
	struct lock_file l = {0};
	struct reader r = {.p = bytes, .end = bytes + len, .line = 1, .err = err};
	int rc = len > LIMIT_LOCK_FILE_BYTES ? err_set(err, ERR_LIMIT, "larger than %u bytes", LIMIT_LOCK_FILE_BYTES) : 0;
	for (skip_space(&r); rc == 0 && r.p < r.end; skip_space(&r)) {
		if (!take_word(&r, "provider")) {
			rc = wrong(&r, "expected a provider block");
			break;
		}
		if (l.n == LOCK_PROVIDERS_MAX) {
			rc = err_set(err, ERR_LIMIT, "more than %d providers", LOCK_PROVIDERS_MAX);
			break;
		}
		l.v = xreallocarray(l.v, l.n + 1, sizeof(l.v[0]));
		l.v[l.n] = (struct lock_entry){0};
		rc = take_provider(&r, &l.v[l.n++]);
		for (size_t i = 0; rc == 0 && i + 1 < l.n; i++)
			if (strcmp(l.v[i].address, l.v[l.n - 1].address) == 0)
				rc = wrong(&r, "a provider that is in it twice");
	}
	if (rc != 0) {
		lock_file_free(&l);
		return err_wrap(err, ".terraform.lock.hcl");
	}
	*ret = l;
	return 0;
}

void lock_file_free(struct lock_file *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].address);
		free(l->v[i].version);
		free(l->v[i].constraints);
		strlist_free(&l->v[i].hashes);
	}
	free(l->v);
	*l = (struct lock_file){0};
}

void lock_file_write(const struct lock_file *l, struct buf *out)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct lock_entry *e = &l->v[i];
		buf_printf(out, "%sprovider \"%s\" {\n", i > 0 ? "\n" : "", e->address);
		if (e->constraints != NULL)
			buf_printf(out, "  version     = \"%s\"\n  constraints = \"%s\"\n", e->version, e->constraints);
		else
			buf_printf(out, "  version = \"%s\"\n", e->version);
		if (e->hashes.n != 0)
			buf_adds(out, "  hashes = [\n");
		for (size_t k = 0; k < e->hashes.n; k++)
			buf_printf(out, "    \"%s\",\n", e->hashes.v[k]);
		buf_adds(out, e->hashes.n != 0 ? "  ]\n}\n" : "}\n");
	}
}

struct lock_entry *lock_file_find(const struct lock_file *l, const char *address)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].address, address) == 0)
			return &l->v[i];
	return NULL;
}
