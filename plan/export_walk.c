/* What is to be exported, listed before a byte of it is written: a tree of ten thousand million files is refused at its 200,001st entry. */
#include "plan/export_priv.h"

#include "base/limits.h"
#include "base/text.h"

#include <stdio.h>

/* Where the walk is. */
struct place {
	const struct export_walk *w;
	size_t at; /* its directory in the list */
	unsigned depth;
	bool own; /* refused names are errors here; below another engine directory they are left out */
};

/* ---- names ---- */

/* Characters that HFS+ takes out of a name before it compares: U+200C..F, U+202A..E, U+206A..F, U+FEFF. */
static size_t ignored_width(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	if (p[0] == 0xe2 && p[1] == 0x80 && ((p[2] >= 0x8c && p[2] <= 0x8f) || (p[2] >= 0xaa && p[2] <= 0xae)))
		return 3;
	if ((p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xaa && p[2] <= 0xaf) || (p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf))
		return 3;
	return 0;
}

/* What some file system takes for .git: in other case, with ignored characters, dots and spaces at the end, a stream of NTFS, its short name. */
static bool is_git_like(const char *name)
{
	char plain[8] = "";
	size_t n = 0;
	for (const char *s = name; *s != '\0' && *s != ':';) {
		size_t skip = ignored_width(s);
		if (skip == 0 && n == sizeof(plain) - 1 && *s != '.' && *s != ' ')
			return false;
		if (skip == 0 && n < sizeof(plain) - 1)
			plain[n++] = *s;
		s += skip != 0 ? skip : 1;
	}
	while (n > 0 && (plain[n - 1] == '.' || plain[n - 1] == ' '))
		plain[--n] = '\0';
	return text_same_case(plain, ".git") || text_same_case(plain, "git~1");
}

static bool is_unclean(const char *name)
{
	CLEANUP_BUF struct buf clean = {0};
	text_clean(&clean, name, strlen(name));
	return strcmp(buf_str(&clean), name) != 0 || strpbrk(name, "\n\t") != NULL;
}

const char *export_refused_name(const char *name)
{
	static const char *const settings[] = {".terraformrc", "terraform.rc", ".tofurc", "tofu.rc"};
	if (is_git_like(name))
		return "is a git directory inside the repository, or is taken for one: remove it";
	if (strcmp(name, ".terraform") == 0)
		return "is tracked in git, and the engine would take it for what it installed itself: remove it from the repository";
	if (strcmp(name, "terraform.d") == 0)
		return "is tracked in git, and the engine would take plugins from it: remove it from the repository";
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		if (strcmp(name, settings[i]) == 0)
			return "is tracked in git, and engine settings are the server's: remove it from the repository";
	if (text_ends(name, ".tfplan"))
		return "is a plan file tracked in git, and plans may hold secrets: remove it from the repository";
	if (text_starts(name, "terraform.tfstate") || text_starts(name, ".terraform.tfstate") || text_starts(name, "errored.tfstate"))
		return "is tracked in git; state has a home in sluice (managed state): remove it from the repository";
	if (is_unclean(name))
		return "has control characters, hidden characters or bytes that are no UTF-8 in its name: rename it";
	return NULL;
}

/* ---- the list ---- */

void export_list_free(struct export_list *l)
{
	for (size_t i = 0; i < l->dirs_n; i++)
		free(l->dirs[i].path);
	for (size_t i = 0; i < l->entries_n; i++) {
		free(l->entries[i].name);
		free(l->entries[i].target);
	}
	free(l->dirs);
	free(l->entries);
	*l = (struct export_list){0};
}

static char *below(const char *dir, const char *name) { return strcmp(dir, ".") == 0 ? xstrdup(name) : xasprintf("%s/%s", dir, name); }

char *export_path(const struct export_list *l, const struct export_entry *x) { return below(l->dirs[x->dir].path, x->name); }

static size_t add_dir(struct export_list *l, const char *path, unsigned depth)
{
	if (l->dirs_n == l->dirs_cap) {
		l->dirs_cap = l->dirs_cap == 0 ? 32 : l->dirs_cap * 2;
		l->dirs = xreallocarray(l->dirs, l->dirs_cap, sizeof(*l->dirs));
	}
	const char *slash = strrchr(path, '/');
	struct export_dir *d = &l->dirs[l->dirs_n];
	*d = (struct export_dir){.path = xstrdup(path), .depth = depth, .first = EXPORT_NONE, .last = EXPORT_NONE};
	d->name_at = slash != NULL ? (size_t)(slash + 1 - path) : 0;
	return l->dirs_n++;
}

static struct export_entry *add_entry(struct export_list *l, size_t dir, const char *name, const char *oid)
{
	if (l->entries_n == l->entries_cap) {
		l->entries_cap = l->entries_cap == 0 ? 64 : l->entries_cap * 2;
		l->entries = xreallocarray(l->entries, l->entries_cap, sizeof(*l->entries));
	}
	struct export_entry *x = &l->entries[l->entries_n];
	*x = (struct export_entry){.name = xstrdup(name), .dir = dir, .next = EXPORT_NONE};
	(void)snprintf(x->oid, sizeof(x->oid), "%s", oid);
	struct export_dir *d = &l->dirs[dir];
	if (d->first == EXPORT_NONE)
		d->first = l->entries_n;
	else
		l->entries[d->last].next = l->entries_n;
	d->last = l->entries_n++;
	return x;
}

/* ---- the walk ---- */

static int add_file(struct place *p, const char *name, const char *path, bool executable, const char *oid, struct err *err)
{
	uint64_t size = 0;
	int rc = git_blob_size(p->w->repo, oid, &size, err);
	if (rc != 0)
		return err_wrap(err, "%s", path);
	if (size > LIMIT_BLOB_BYTES)
		return err_set(err, ERR_LIMIT, "%s: larger than %u MiB, the limit for one file", path, LIMIT_BLOB_BYTES >> 20);
	p->w->spent->bytes += size;
	if (p->w->spent->bytes > LIMIT_TREE_BYTES)
		return err_set(err, ERR_LIMIT, "%s: more than %u MiB to export; name smaller directories", path, LIMIT_TREE_BYTES >> 20);
	add_entry(p->w->list, p->at, name, oid)->executable = executable;
	return 0;
}

/* "../" only in front: a later one could climb out through another link. */
static bool climbs_late(const char *target)
{
	while (text_starts(target, "../") || text_starts(target, "./"))
		target += target[1] == '.' ? 3 : 2;
	return strcmp(target, "..") != 0 && (strstr(target, "/../") != NULL || text_ends(target, "/.."));
}

static int add_link(struct place *p, const char *name, const char *path, const char *oid, struct err *err)
{
	const char *dir = p->w->list->dirs[p->at].path;
	CLEANUP_BUF struct buf blob = {0};
	int rc = git_blob_read(p->w->repo, oid, LIMIT_PATH_BYTES, &blob, err);
	if (rc != 0)
		return err_wrap(err, "symbolic link %s", path);
	const char *target = buf_str(&blob);
	CLEANUP_FREE char *resolved = strlen(target) == blob.len && !climbs_late(target) ? path_resolve(dir, target) : NULL;
	if (resolved == NULL || *target == '\0')
		return err_set(err, ERR_REFUSED, "%s is a symbolic link that points out of the repository (%.100s): replace it by the file",
			       path, target);
	add_entry(p->w->list, p->at, name, oid)->target = buf_take(&blob);
	strlist_take(p->w->links, TAKE(resolved));
	return 0;
}

static int on_entry(const char *name, enum git_entry_type type, const char *oid, void *arg, struct err *err);

static int add_subdir(struct place *p, const char *path, const char *oid, struct err *err)
{
	if (p->depth >= LIMIT_TREE_DEPTH)
		return err_set(err, ERR_LIMIT, "%s: directories nested deeper than %u", path, LIMIT_TREE_DEPTH);
	const struct index_dir *engine = index_find(p->w->index, path, strlen(path));
	struct place sub = {.w = p->w, .depth = p->depth + 1, .own = p->own && (engine == NULL || !engine->live)};
	sub.at = add_dir(p->w->list, path, sub.depth);
	return git_tree_each(p->w->repo, oid, on_entry, &sub, err);
}

static int add_submodule(const struct place *p, const char *path, struct err *err)
{
	return p->own ? err_set(err, ERR_REFUSED,
				"%s is a git submodule, and sluice does not fetch submodules: put its files into the repository, or "
				"move it out of the directories that projects use",
				path)
		      : 0;
}

static int check_ceilings(const struct place *p, const char *name, const char *path, struct err *err)
{
	if (++p->w->spent->entries > LIMIT_TREE_ENTRIES)
		return err_set(err, ERR_LIMIT, "%.200s: more than %u files and directories to export; name smaller directories", path,
			       LIMIT_TREE_ENTRIES);
	if (strlen(name) > LIMIT_FILE_NAME_BYTES || strlen(path) > LIMIT_PATH_BYTES)
		return err_set(err, ERR_LIMIT,
			       "%.200s...: a path of %zu bytes, more than the %u of a path and the %u of a name: shorten it", path,
			       strlen(path), LIMIT_PATH_BYTES, LIMIT_FILE_NAME_BYTES);
	return 0;
}

static int refuse(const char *path, size_t len, const char *why, struct err *err)
{
	CLEANUP_BUF struct buf clean = {0};
	text_clean_line(&clean, path, len);
	return err_set(err, ERR_REFUSED, "%s %s", buf_str(&clean), why);
}

static int on_entry(const char *name, enum git_entry_type type, const char *oid, void *arg, struct err *err)
{
	struct place *p = arg;
	CLEANUP_FREE char *path = below(p->w->list->dirs[p->at].path, name);
	const char *why = export_refused_name(name);
	if (why != NULL)
		return p->own ? refuse(path, strlen(path), why, err) : 0;
	int rc = check_ceilings(p, name, path, err);
	if (rc != 0)
		return rc;
	switch (type) {
	case GIT_DIR: return add_subdir(p, path, oid, err);
	case GIT_SYMLINK: return add_link(p, name, path, oid, err);
	case GIT_FILE:
	case GIT_EXEC: return add_file(p, name, path, type == GIT_EXEC, oid, err);
	case GIT_SUBMODULE:
	default: return add_submodule(p, path, err);
	}
}

/* A module's source may lead through a name that the walk would not: why it may not, and how far the path is named. */
static const char *refused_part(const char *path, size_t *ret_len)
{
	for (size_t at = 0; strcmp(path, ".") != 0 && path[at] != '\0';) {
		size_t n = strcspn(path + at, "/");
		CLEANUP_FREE char *name = xstrndup(path + at, n);
		const char *why = export_refused_name(name);
		*ret_len = at + n;
		if (why != NULL)
			return why;
		at += n + (path[at + n] == '/');
	}
	return NULL;
}

int export_walk(const struct export_walk *w, const struct input *in, struct err *err)
{
	struct place p = {.w = w, .own = in->is_module};
	size_t named = 0;
	const char *why = refused_part(in->path, &named);
	if (why != NULL)
		return in->is_module ? refuse(in->path, named, why, err) : 0;
	if (in->type == GIT_DIR) {
		p.at = add_dir(w->list, in->path, 0);
		return git_tree_each(w->repo, in->oid, on_entry, &p, err);
	}
	CLEANUP_FREE char *dir = path_resolve(in->path, "..");
	const char *slash = strrchr(in->path, '/');
	p.at = add_dir(w->list, dir, 0);
	return on_entry(slash != NULL ? slash + 1 : in->path, in->type, in->oid, &p, err);
}
