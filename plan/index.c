#include "plan/index.h"

#include "base/fs.h"
#include "base/limits.h"
#include "base/text.h"

#include <stdio.h>

/* File: this line, the tree id, a hash of both that and the rest, then one record per directory: dir, flags, backend, modules..., "",
 * paths..., ""; each a NUL-terminated string. The hash is against accidents, not against people: the file is ours. */
#define MAGIC "sluice-index 1"
enum { HEAD_SIZE = sizeof(MAGIC) + GIT_OID_HEX + 1 + 16 + 1, FILE_MAX = 1 << 30, CHUNK_SIZE = 1 << 16 };

struct index_chunk {
	struct index_chunk *next;
	size_t used, size;
	char bytes[];
};

static char *keep(struct index *x, const char *bytes, size_t len)
{
	struct index_chunk *c = x->chunks;
	if (c == NULL || c->size - c->used < len) {
		size_t size = len > CHUNK_SIZE ? len : CHUNK_SIZE;
		c = xmalloc(sizeof(*c) + size);
		*c = (struct index_chunk){.next = x->chunks, .size = size};
		x->chunks = c;
	}
	char *at = c->bytes + c->used;
	memcpy(at, bytes, len);
	c->used += len;
	return at;
}

void index_free(struct index *x)
{
	while (x->chunks != NULL) {
		struct index_chunk *c = x->chunks;
		x->chunks = c->next;
		free(c);
	}
	free(x->dirs);
	pathmap_free(&x->by_dir);
	*x = (struct index){0};
}

const struct index_dir *index_find(const struct index *x, const char *dir, size_t len)
{
	uint32_t at = 0;
	return pathmap_get(&x->by_dir, dir, len, &at) ? &x->dirs[at] : NULL;
}

void index_mark(struct index *x)
{
	for (size_t i = 0; i < x->n; i++) {
		x->dirs[i].was_live = x->dirs[i].live;
		x->dirs[i].was_modules = x->dirs[i].modules;
	}
}

/* The next string of a record; NULL when it does not end before limit. */
static const char *take_string(const char **p, const char *limit)
{
	const char *s = *p;
	const char *end = memchr(s, '\0', (size_t)(limit - s));
	*p = end != NULL ? end + 1 : limit;
	return end != NULL ? s : NULL;
}

/* Past a packed list; NULL as above. */
static const char *take_list(const char **p, const char *limit)
{
	const char *list = *p, *s;
	do
		s = take_string(p, limit);
	while (s != NULL && *s != '\0');
	return s != NULL ? list : NULL;
}

static struct index_dir *dir_slot(struct index *x, const char *dir)
{
	uint32_t at = 0;
	if (pathmap_get(&x->by_dir, dir, strlen(dir), &at))
		return &x->dirs[at];
	if (x->n == x->cap) {
		x->cap = x->cap == 0 ? 256 : x->cap * 2;
		x->dirs = xreallocarray(x->dirs, x->cap, sizeof(*x->dirs));
	}
	(void)pathmap_add(&x->by_dir, dir, strlen(dir), (uint32_t)x->n); /* it was not there */
	x->dirs[x->n] = (struct index_dir){.dir = dir};
	return &x->dirs[x->n++];
}

/* Takes one record at *p, whose bytes live as long as the index. */
static bool take_record(struct index *x, const char **p, const char *limit)
{
	const char *dir = take_string(p, limit);
	const char *flags = dir != NULL && *dir != '\0' ? take_string(p, limit) : NULL;
	const char *backend = flags != NULL ? take_string(p, limit) : NULL;
	const char *modules = backend != NULL ? take_list(p, limit) : NULL;
	const char *paths = modules != NULL ? take_list(p, limit) : NULL;
	if (paths == NULL)
		return false;
	struct index_dir *d = dir_slot(x, dir);
	d->backend = *backend != '\0' ? backend : NULL;
	d->modules = modules;
	d->paths = paths;
	d->hint = strchr(flags, 'o') != NULL ? ENGINE_OPENTOFU : strchr(flags, 'p') != NULL ? ENGINE_PULUMI : ENGINE_NONE;
	d->needs_init = strchr(flags, 'i') != NULL;
	d->has_links = strchr(flags, 'l') != NULL;
	d->live = true;
	return true;
}

static void add_string(struct buf *b, const char *s) { buf_add(b, s, strlen(s) + 1); }

static void add_list(struct buf *b, const char *list)
{
	for (; *list != '\0'; list = index_next(list))
		add_string(b, list);
	add_string(b, "");
}

static void add_flags(struct buf *b, enum engine_kind hint, bool needs_init, bool has_links)
{
	char flags[4];
	(void)snprintf(flags, sizeof(flags), "%s%s%s",
		       hint == ENGINE_OPENTOFU ? "o"
		       : hint == ENGINE_PULUMI ? "p"
					       : "",
		       needs_init ? "i" : "", has_links ? "l" : "");
	add_string(b, flags);
}

static void head_line(const char *tree, const char *bytes, size_t len, char out[HEAD_SIZE + 1])
{
	uint64_t hash = text_hash(bytes, len) ^ text_hash(tree, strlen(tree));
	(void)snprintf(out, HEAD_SIZE + 1, MAGIC "\n%.40s\n%016llx\n", tree, (unsigned long long)hash);
}

int index_store(const struct index *x, const char *file, struct err *err)
{
	CLEANUP_BUF struct buf b = {0};
	char head[HEAD_SIZE + 1];
	head_line(x->tree, "", 0, head);
	buf_add(&b, head, HEAD_SIZE);
	for (size_t i = 0; i < x->n; i++) {
		const struct index_dir *d = &x->dirs[i];
		if (!d->live)
			continue;
		add_string(&b, d->dir);
		add_flags(&b, d->hint, d->needs_init, d->has_links);
		add_string(&b, d->backend != NULL ? d->backend : "");
		add_list(&b, d->modules);
		add_list(&b, d->paths);
	}
	head_line(x->tree, b.data + HEAD_SIZE, b.len - HEAD_SIZE, head);
	memcpy(b.data, head, HEAD_SIZE);
	return fs_write_fast(file, b.data, b.len, 0600, err);
}

static bool load(struct index *x, const struct buf *b)
{
	char tree[GIT_OID_HEX + 1], head[HEAD_SIZE + 1];
	if (b->len < HEAD_SIZE)
		return false;
	(void)snprintf(tree, sizeof(tree), "%.*s", (int)GIT_OID_HEX, b->data + sizeof(MAGIC));
	head_line(tree, b->data + HEAD_SIZE, b->len - HEAD_SIZE, head);
	if (memcmp(head, b->data, HEAD_SIZE) != 0)
		return false;
	const char *p = keep(x, b->data + HEAD_SIZE, b->len - HEAD_SIZE), *limit = p + b->len - HEAD_SIZE;
	while (p < limit)
		if (!take_record(x, &p, limit))
			return false;
	memcpy(x->tree, tree, sizeof(tree));
	return true;
}

void index_load(struct index *x, const char *file)
{
	CLEANUP_BUF struct buf b = {0};
	if (fs_read(file, FILE_MAX, &b, NULL) != 0 || !load(x, &b))
		index_free(x); /* made again from the tree */
}

/* --- from tree to tree --- */

bool index_is_engine_file(const char *name)
{
	static const char *const ends[] = {".tf", ".tf.json", ".tofu", ".tofu.json"};
	if (strcmp(name, "Pulumi.yaml") == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (name[0] != '.' && text_ends(name, ends[i]))
			return true;
	return false;
}

static void add_resolved(struct buf *b, const char *dir, const struct strlist *relative, bool outside_only, const struct strlist *but)
{
	struct strlist seen = {0};
	for (size_t i = 0; i < relative->n; i++) {
		char *path = path_resolve(dir, relative->v[i]);
		bool own = path == NULL || (outside_only ? path_is_below(path, dir) : strcmp(path, dir) == 0);
		if (own || (but != NULL && strlist_has(but, relative->v[i])))
			free(path);
		else
			strlist_take(&seen, path);
	}
	strlist_sort(&seen);
	for (size_t i = 0; i < seen.n; i++)
		if (i == 0 || strcmp(seen.v[i], seen.v[i - 1]) != 0)
			add_string(b, seen.v[i]);
	add_string(b, "");
	strlist_free(&seen);
}

void index_put(struct index *x, const char *dir, enum engine_kind hint, bool has_links, const struct hcl_facts *facts)
{
	CLEANUP_BUF struct buf b = {0};
	add_string(&b, dir);
	add_flags(&b, hint, facts->needs_init, has_links);
	add_string(&b, facts->backend != NULL ? facts->backend : "");
	add_resolved(&b, dir, &facts->modules, false, NULL);
	add_resolved(&b, dir, &facts->paths, true, &facts->modules);
	const char *p = keep(x, b.data, b.len);
	bool taken = take_record(x, &p, p + b.len);
	ASSERT(taken);
}

struct scan {
	struct git_repo *repo;
	const char *tree, *dir;
	struct hcl_facts facts;
	struct buf bytes;
	bool has_files, has_links, tofu, pulumi;
};

static int scan_blob(struct scan *s, const char *name, const char *oid, struct err *err)
{
	int rc = git_blob_read(s->repo, oid, LIMIT_HCL_FILE_BYTES, &s->bytes, err);
	if (rc == ERR_LIMIT) {
		s->facts.needs_init = true; /* too large to look at: the engine may still take it */
		return 0;
	}
	if (rc != 0)
		return err_wrap(err, "%s/%s", s->dir, name);
	if (text_ends(name, ".json"))
		(void)hcl_scan_json(buf_str(&s->bytes), s->bytes.len, &s->facts); /* unreadable is a fact too */
	else
		(void)hcl_scan(buf_str(&s->bytes), s->bytes.len, &s->facts);
	return 0;
}

/* A link's target is a path that the directory names; when it stands for an engine file, that file speaks for this directory. */
static int scan_link(struct scan *s, const char *name, const char *oid, struct err *err)
{
	s->has_links |= index_is_engine_file(name);
	int rc = git_blob_read(s->repo, oid, LIMIT_PATH_BYTES, &s->bytes, NULL);
	CLEANUP_FREE char *target = rc == 0 ? path_resolve(s->dir, buf_str(&s->bytes)) : NULL;
	if (target == NULL)
		return 0; /* leaves the repository: refused when it is exported */
	hcl_note(&s->facts, &s->facts.paths, buf_str(&s->bytes), s->bytes.len);
	enum git_entry_type type;
	char there[GIT_OID_HEX + 1];
	if (!index_is_engine_file(name) || git_tree_path(s->repo, s->tree, strcmp(target, ".") == 0 ? "" : target, &type, there, NULL) != 0)
		return 0;
	return type == GIT_FILE || type == GIT_EXEC ? scan_blob(s, name, there, err) : 0;
}

static int on_scan_entry(const char *name, enum git_entry_type type, const char *oid, void *arg, struct err *err)
{
	struct scan *s = arg;
	bool engine_file = index_is_engine_file(name) && type != GIT_DIR && type != GIT_SUBMODULE;
	s->has_files |= engine_file;
	s->tofu |= engine_file && (text_ends(name, ".tofu") || text_ends(name, ".tofu.json"));
	if (type == GIT_SYMLINK)
		return scan_link(s, name, oid, err);
	if (engine_file && strcmp(name, "Pulumi.yaml") == 0)
		s->pulumi = true;
	else if (engine_file)
		return scan_blob(s, name, oid, err);
	return 0;
}

static int scan_dir(struct index *x, struct git_repo *repo, const char *tree, const char *dir, struct err *err)
{
	enum git_entry_type type = GIT_FILE;
	char oid[GIT_OID_HEX + 1];
	struct scan s = {.repo = repo, .tree = tree, .dir = dir};
	int rc = git_tree_path(repo, tree, strcmp(dir, ".") == 0 ? "" : dir, &type, oid, err);
	if (rc == 0 && type == GIT_DIR)
		rc = git_tree_each(repo, oid, on_scan_entry, &s, err);
	if (rc == ERR_NOT_FOUND && type != GIT_DIR)
		rc = 0;
	uint32_t at = 0;
	if (rc == 0 && s.has_files)
		index_put(x, dir, s.tofu ? ENGINE_OPENTOFU : s.pulumi ? ENGINE_PULUMI : ENGINE_NONE, s.has_links, &s.facts);
	else if (rc == 0 && pathmap_get(&x->by_dir, dir, strlen(dir), &at))
		x->dirs[at].live = false;
	hcl_facts_free(&s.facts);
	buf_free(&s.bytes);
	return rc;
}

struct gather {
	struct index *index;
	struct strlist dirs, paths;
	struct pathmap seen, changed;
	bool any_links; /* then every changed path is kept, to find the directories that link to it */
};

static void gather_dir(struct gather *g, const char *dir, size_t len)
{
	uint32_t at = 0;
	if (pathmap_get(&g->seen, dir, len, &at))
		return;
	strlist_add_n(&g->dirs, dir, len);
	(void)pathmap_add(&g->seen, g->dirs.v[g->dirs.n - 1], len, 0); /* it was not there */
}

static void gather_path(struct gather *g, const char *path)
{
	size_t len = path_dir_len(path, strlen(path));
	const char *dir = len > 0 ? path : ".", *name = len > 0 ? path + len + 1 : path;
	len = len > 0 ? len : 1;
	const struct index_dir *known = index_find(g->index, dir, len);
	if (index_is_engine_file(name) || (known != NULL && known->live))
		gather_dir(g, dir, len);
	if (!g->any_links)
		return;
	strlist_add(&g->paths, path);
	(void)pathmap_add(&g->changed, g->paths.v[g->paths.n - 1], strlen(path), 0); /* a path may be told twice */
}

static int on_changed(const char *old_path, const char *new_path, void *arg, struct err *err)
{
	(void)err;
	if (old_path != NULL)
		gather_path(arg, old_path);
	if (new_path != NULL && new_path != old_path)
		gather_path(arg, new_path);
	return 0;
}

static void gather_linking(struct gather *g)
{
	uint32_t at = 0;
	for (size_t i = 0; g->paths.n > 0 && i < g->index->n; i++) {
		const struct index_dir *d = &g->index->dirs[i];
		if (!d->live || !d->has_links)
			continue;
		for (const char *s = d->paths; *s != '\0'; s = index_next(s))
			if (pathmap_get(&g->changed, s, strlen(s), &at))
				gather_dir(g, d->dir, strlen(d->dir));
	}
}

int index_advance(struct index *x, struct git_repo *repo, const char *tree, struct err *err)
{
	struct gather g = {.index = x};
	if (strcmp(x->tree, tree) == 0)
		return 0;
	for (size_t i = 0; i < x->n && !g.any_links; i++)
		g.any_links = x->dirs[i].live && x->dirs[i].has_links;
	int rc = git_tree_diff(repo, x->tree[0] != '\0' ? x->tree : NULL, tree, false, on_changed, &g, err);
	gather_linking(&g);
	for (size_t i = 0; rc == 0 && i < g.dirs.n; i++)
		rc = scan_dir(x, repo, tree, g.dirs.v[i], err);
	strlist_free(&g.dirs);
	strlist_free(&g.paths);
	pathmap_free(&g.seen);
	pathmap_free(&g.changed);
	if (rc != 0) {
		index_free(x);
		return err_wrap(err, "index of directories");
	}
	(void)snprintf(x->tree, sizeof(x->tree), "%s", tree);
	return 0;
}
