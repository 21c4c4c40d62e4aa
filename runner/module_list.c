#include "runner/module_list.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

struct module {
	const char *key, *source, *version; /* version NULL: none */
	char *dir;                          /* as it is written */
};

struct modules {
	struct module *v;
	size_t n;
};

static void modules_free(struct modules *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->v[i].dir);
	free(m->v);
}

/* Downwards only, each part a name. */
static bool is_below(const char *path)
{
	for (const char *p = path;; p++) {
		size_t n = strcspn(p, "/");
		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += n;
		if (*p == '\0')
			return true;
	}
}

static bool is_plain(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

/* A path as seen from the project's directory that never leaves the tree on its way. */
static bool stays_in_tree(const char *from, const char *path)
{
	size_t depth = 0;
	if (strcmp(from, ".") != 0)
		for (const char *p = from; p != NULL; p = strchr(p, '/'), p = p != NULL ? p + 1 : NULL)
			depth++;
	for (const char *p = path; *p != '\0'; p += strcspn(p, "/"), p += *p == '/') {
		size_t n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			if (depth == 0)
				return false;
			depth--;
		} else if (n > 0 && !(n == 1 && p[0] == '.')) {
			depth++;
		}
	}
	return path[0] != '/' && path[0] != '\0';
}

/* The engine's own data directory in a tree would be a list of modules that somebody committed. */
static bool is_tool_state(const char *path)
{
	CLEANUP_FREE char *framed = xasprintf("/%s/", path);
	return strstr(framed, "/.terraform/") != NULL;
}

struct place {
	const char *fetched_at, *dir;
	bool (*has)(const char *path, void *arg);
	void *arg;
	size_t fetched;
};

static int place_module(struct place *p, const char *key, const char *dir, char **ret, struct err *err)
{
	size_t n = strlen(p->fetched_at);
	if (strncmp(dir, p->fetched_at, n) == 0 && dir[n] == '/') {
		if (!is_below(dir + n + 1) || !p->has(dir + n + 1, p->arg))
			return err_set(err, ERR_REFUSED, "module %s was not put where fetched modules are", key);
		p->fetched++;
		*ret = xasprintf("%s/%s", BOX_MODULES, dir + n + 1);
		return 0;
	}
	if (!stays_in_tree(p->dir, dir) || is_tool_state(dir))
		return err_set(err, ERR_REFUSED, "module %s would be read from outside of the repository and of what was fetched", key);
	*ret = xstrdup(dir);
	return 0;
}

static int read_module(const struct json *e, struct place *p, struct module *ret, struct err *err)
{
	const char *dir = NULL;
	int rc = json_str(e, "Key", LIMIT_CONFIG_TEXT_BYTES, &ret->key, err);
	if (rc == 0)
		rc = json_str(e, "Source", LIMIT_CONFIG_TEXT_BYTES, &ret->source, err);
	if (rc == 0)
		rc = json_str_opt(e, "Version", LIMIT_NAME_BYTES, NULL, &ret->version, err);
	if (rc == 0)
		rc = json_str(e, "Dir", LIMIT_CONFIG_TEXT_BYTES, &dir, err);
	if (rc == 0 && (!is_plain(ret->key) || !is_plain(dir)))
		rc = err_set(err, ERR_REFUSED, "a module's name or directory has control characters");
	return rc == 0 ? place_module(p, ret->key[0] != '\0' ? ret->key : "(the project itself)", dir, &ret->dir, err) : rc;
}

static int by_key(const void *a, const void *b) { return strcmp(((const struct module *)a)->key, ((const struct module *)b)->key); }

static int read_all(const struct json *root, struct place *p, struct modules *m, struct err *err)
{
	struct json list;
	size_t n;
	int rc = json_arr(root, "Modules", &list, &n, err);
	if (rc == 0 && n > LIMIT_MODULES)
		rc = err_set(err, ERR_LIMIT, "more than %u modules", LIMIT_MODULES);
	if (rc != 0)
		return rc;
	m->v = xcalloc(n + 1, sizeof(m->v[0]));
	for (struct json e = json_first(&list); rc == 0 && json_ok(&e); e = json_next(&e))
		rc = read_module(&e, p, &m->v[m->n++], err);
	if (rc == 0 && m->n > 1)
		qsort(m->v, m->n, sizeof(m->v[0]), by_key);
	for (size_t i = 1; rc == 0 && i < m->n; i++)
		if (strcmp(m->v[i].key, m->v[i - 1].key) == 0)
			rc = err_set(err, ERR_REFUSED, "module %s is in the list twice", m->v[i].key);
	return rc;
}

static void write_all(const struct modules *m, struct buf *out)
{
	struct json_writer w = json_writer(out);
	jw_open(&w, NULL);
	jw_open_arr(&w, "Modules");
	for (size_t i = 0; i < m->n; i++) {
		jw_open(&w, NULL);
		jw_str(&w, "Key", m->v[i].key);
		jw_str(&w, "Source", m->v[i].source);
		if (m->v[i].version != NULL)
			jw_str(&w, "Version", m->v[i].version);
		jw_str(&w, "Dir", m->v[i].dir);
		jw_close(&w);
	}
	jw_close_arr(&w);
	jw_close(&w);
}

int module_list_rewrite(const char *json, size_t len, const char *fetched_at, const char *dir, bool (*has)(const char *path, void *arg), void *arg,
			struct buf *out, size_t *ret_n, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	CLEANUP(modules_free) struct modules m = {0};
	struct json root;
	struct place place = {.fetched_at = fetched_at, .dir = dir, .has = has, .arg = arg};
	if (len > LIMIT_MODULES_JSON_BYTES)
		return err_set(err, ERR_LIMIT, "the list of modules is larger than %u bytes", LIMIT_MODULES_JSON_BYTES);
	int rc = json_parse(json, len, NULL, &doc, &root, err);
	if (rc == 0)
		rc = read_all(&root, &place, &m, err);
	if (rc != 0)
		return err_wrap(err, "modules.json");
	write_all(&m, out);
	*ret_n = place.fetched;
	return 0;
}
