/* Part of a preparation: which files of a project a change touches, and what a reviewer should be told of them. Looked at are the two sides of the
 * change itself, the merge base and the head: what happened on the base branch meanwhile is not this change's doing. */
#include "base/limits.h"
#include "base/text.h"
#include "plan/hygiene.h"
#include "plan/prepare_priv.h"

enum { ATTRIBUTE_BYTES = 256 * 1024, ATTRIBUTE_DIRS = 200 };

struct side {
	enum git_entry_type type;
	char oid[GIT_OID_HEX + 1]; /* "": not there */
	struct buf bytes;
	bool read;
};

struct tell {
	struct prep *p;
	struct told_list *told;
	struct strlist files; /* changed files that the project uses */
	struct block_facts before, after;
};

static bool is_file(const struct side *s) { return s->oid[0] != '\0' && (s->type == GIT_FILE || s->type == GIT_EXEC); }

static int read_side(struct tell *t, const char *tree, const char *path, struct side *ret, struct err *err)
{
	if (git_tree_path(t->p->repo, tree, path, &ret->type, ret->oid, NULL) != 0)
		ret->oid[0] = '\0';
	if (!is_file(ret))
		return 0;
	int rc = git_blob_read(t->p->repo, ret->oid, LIMIT_HCL_FILE_BYTES, &ret->bytes, err);
	ret->read = rc == 0;
	t->p->told_bytes += ret->bytes.len;
	return rc == ERR_LIMIT ? 0 : rc;
}

/* ---- one file ---- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

static bool has_block(const struct tf_file *f, const char *type, const char *in)
{
	for (const struct tf_node *n = f->first; n != NULL; n = n->next) {
		if (in == NULL && tf_is_block(n, type))
			return true;
		for (const struct tf_node *c = in != NULL && tf_is_block(n, in) ? n->child : NULL; c != NULL; c = c->next)
			if (tf_is_block(c, type))
				return true;
	}
	return false;
}

static void tell_override(struct tell *t, const char *path, const struct tf_file *f)
{
	CLEANUP_BUF struct buf what = {0};
	if (has_block(f, "backend", "terraform") || has_block(f, "cloud", "terraform"))
		buf_adds(&what, ", where the state is");
	if (has_block(f, "required_providers", "terraform"))
		buf_adds(&what, ", which providers are used");
	if (has_block(f, "provider", NULL))
		buf_adds(&what, ", how providers are configured");
	told_add(t->told, path, 0, "shadow", "is an override file: it replaces what other files say%s", buf_str(&what));
}

/* Files that change what other files mean. */
static void tell_shadow(struct tell *t, const char *path, const struct tf_name *name, const struct tf_file *f)
{
	enum git_entry_type type;
	char oid[GIT_OID_HEX + 1];
	size_t dir = (size_t)(base_name(path) - path);
	if (name->override)
		tell_override(t, path, f);
	CLEANUP_FREE char *plain = xasprintf("%.*s%.*s.tf%s", (int)dir, path, (int)name->stem, base_name(path), name->json ? ".json" : "");
	if (name->tofu && git_tree_path(t->p->repo, t->p->target_tree, plain, &type, oid, NULL) == 0)
		told_add(t->told, path, 0, "shadow", "takes the place of `%.150s`, which OpenTofu does not read any more", plain);
	else if (name->json && !name->override)
		told_add(t->told, path, 0, "shadow", "is configuration in JSON, read beside the other files");
}

static void tell_config(struct tell *t, const char *path, const struct side *was, const struct side *is)
{
	struct tf_name name = tf_name_read(base_name(path));
	struct tf_file before = {0}, after = {0};
	if (name.kind != TF_CONFIG)
		return;
	if (was->read)
		tf_file_read(buf_str(&was->bytes), was->bytes.len, name.json, &before);
	if (is->read)
		tf_file_read(buf_str(&is->bytes), is->bytes.len, name.json, &after);
	block_facts_add(&t->before, path, &before);
	block_facts_add(&t->after, path, &after);
	if (is->read)
		tell_shadow(t, path, &name, &after);
	if (is->read && !after.readable)
		told_add(t->told, path, 0, "text", "cannot be read to its end, so not all of it was looked at");
	tf_file_free(&before);
	tf_file_free(&after);
}

static int tell_file(struct tell *t, const char *path, struct err *err)
{
	struct side was = {0}, is = {0};
	int rc = read_side(t, t->p->merge_base_tree, path, &was, err);
	if (rc == 0)
		rc = read_side(t, t->p->target_tree, path, &is, err);
	bool same = strcmp(was.oid, is.oid) == 0;
	if (rc == 0 && is.oid[0] != '\0' && is.type == GIT_EXEC && was.type != GIT_EXEC)
		told_add(t->told, path, 0, "file", "is executable");
	if (rc == 0 && is.oid[0] != '\0' && is.type == GIT_SYMLINK && !same)
		told_add(t->told, path, 0, "file", "is a symbolic link");
	if (rc == 0 && is_file(&is) && !is.read)
		told_add(t->told, path, 0, "file", "is larger than %u MiB and was not looked at", LIMIT_HCL_FILE_BYTES >> 20);
	if (rc == 0 && !same) {
		tell_config(t, path, &was, &is);
		if (is.read)
			hygiene_text(path, was.read ? buf_str(&was.bytes) : NULL, was.bytes.len, buf_str(&is.bytes), is.bytes.len, t->told);
	}
	buf_free(&was.bytes);
	buf_free(&is.bytes);
	return rc;
}

/* ---- which files ---- */

static void find_files(struct tell *t, const struct inputs *in)
{
	for (size_t i = 0; i < t->p->changed.n; i++)
		for (size_t k = 0; k < in->n; k++)
			if (path_is_below(t->p->changed.v[i], in->v[k].path)) {
				strlist_add(&t->files, t->p->changed.v[i]);
				break;
			}
}

/* The directories from the root down to each of the files. */
static void find_dirs(const struct strlist *files, struct strlist *dirs)
{
	struct pathmap seen = {0};
	strlist_add(dirs, ".");
	for (size_t i = 0; i < files->n; i++)
		for (size_t n = 0; (n = strcspn(files->v[i] + n, "/") + n) < strlen(files->v[i]) && dirs->n < ATTRIBUTE_DIRS; n++)
			if (pathmap_add(&seen, files->v[i], n, 0))
				strlist_add_n(dirs, files->v[i], n);
	pathmap_free(&seen);
}

static int tell_hidden(struct tell *t, struct err *err)
{
	struct strlist dirs = {0};
	int rc = 0;
	find_dirs(&t->files, &dirs);
	for (size_t i = 0; rc == 0 && i < dirs.n; i++) {
		enum git_entry_type type;
		char oid[GIT_OID_HEX + 1];
		CLEANUP_BUF struct buf bytes = {0};
		bool root = strcmp(dirs.v[i], ".") == 0;
		CLEANUP_FREE char *path = root ? xstrdup(".gitattributes") : xasprintf("%s/.gitattributes", dirs.v[i]);
		if (git_tree_path(t->p->repo, t->p->target_tree, path, &type, oid, NULL) != 0 || (type != GIT_FILE && type != GIT_EXEC))
			continue;
		rc = git_blob_read(t->p->repo, oid, ATTRIBUTE_BYTES, &bytes, err);
		if (rc == ERR_LIMIT)
			told_add(t->told, path, 0, "hidden", "is larger than %d KiB and was not looked at", ATTRIBUTE_BYTES >> 10);
		rc = rc == ERR_LIMIT ? 0 : rc;
		hygiene_hidden(dirs.v[i], buf_str(&bytes), bytes.len, &t->files, t->told);
	}
	strlist_free(&dirs);
	return rc;
}

int prep_tell(struct prep *p, const struct inputs *in, struct told_list *told, struct err *err)
{
	struct tell t = {.p = p, .told = told};
	int rc = 0;
	size_t i = 0;
	find_files(&t, in);
	for (; rc == 0 && i < t.files.n && p->told_files < LIMIT_TOLD_FILES && p->told_bytes < LIMIT_TOLD_BYTES; i++, p->told_files++)
		rc = tell_file(&t, t.files.v[i], err);
	if (i < t.files.n)
		told_add(told, t.files.v[i], 0, "file", "and %zu files after it were not looked at one by one: the change is too large", t.files.n - i - 1);
	if (rc == 0) {
		hygiene_blocks(&t.before, &t.after, told);
		rc = tell_hidden(&t, err);
	}
	block_facts_free(&t.before);
	block_facts_free(&t.after);
	strlist_free(&t.files);
	return rc;
}
