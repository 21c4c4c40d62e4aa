/* Files and directories of a commit, as the contents API tells them. */
#include "base/text.h"
#include "cmd/sim/sim_gate.h"

enum { INLINE_MAX = 1024 * 1024, DIRECTORY_MAX = 1000 };

void sim_base64(struct buf *out, const char *bytes, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		unsigned v = 0;
		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (k < n ? (unsigned char)bytes[i + k] : 0u);
		for (size_t k = 0; k < 4; k++)
			buf_addc(out, k <= n ? digits[v >> (18 - 6 * k) & 63u] : '=');
		if (i % 45 == 42) /* a line of 60 characters, as GitHub writes them */
			buf_addc(out, '\n');
	}
}

/* "MODE TYPE OID    SIZE\tPATH"; size is - but for blobs */
static bool read_entry(const char *row, struct sim_tree_entry *e)
{
	char size[24];
	if (sscanf(row, "%7s %7s %40s %23s", e->mode, e->type, e->oid, size) != 4)
		return false;
	e->size = 0;
	return strcmp(size, "-") == 0 || text_int(size, 0, INT64_MAX, &e->size, NULL) == 0;
}

bool sim_tree_entry(struct sim *s, const struct sim_repo *r, const char *commit, const char *path, struct sim_tree_entry *ret)
{
	struct buf out CLEANUP_BUF = {0};
	struct err err = {0};
	const char *const argv[] = {"--literal-pathspecs", "ls-tree", "-z", "-l", commit, path, NULL};
	return sim_git(s, r->git_dir, argv, NULL, &out, &err) == 0 && out.len > 0 && read_entry(buf_str(&out), ret);
}

/* ---- GET /contents/PATH ---- */

static char *encoded(const char *path)
{
	struct buf b = {0};
	for (const char *at = path; *at != '\0';) {
		CLEANUP_FREE char *segment = xstrndup(at, strcspn(at, "/"));
		text_url_segment(&b, segment);
		at += strlen(segment);
		if (*at == '/')
			buf_addc(&b, *at++);
	}
	return buf_take(&b);
}

static void links(struct json_writer *w, const struct sim_req *q, const char *plain, const char *ref, const struct sim_tree_entry *e)
{
	bool dir = strcmp(e->type, "tree") == 0;
	struct buf b CLEANUP_BUF = {0};
	CLEANUP_FREE char *path = encoded(plain);
	buf_printf(&b, "%s/repos/%s", q->s->url, q->repo->full_name);
	CLEANUP_FREE char *self = xasprintf("%s/contents/%s?ref=%s", buf_str(&b), path, ref);
	CLEANUP_FREE char *git = xasprintf("%s/git/%s/%s", buf_str(&b), dir ? "trees" : "blobs", e->oid);
	CLEANUP_FREE char *html = xasprintf("%s/%s/%s/%s/%s", q->s->url, q->repo->full_name, dir ? "tree" : "blob", ref, path);
	CLEANUP_FREE char *raw = dir ? NULL : xasprintf("%s/%s/raw/%s/%s", q->s->url, q->repo->full_name, ref, path);
	jw_str(w, "url", self);
	jw_str(w, "git_url", git);
	jw_str(w, "html_url", html);
	jw_str(w, "download_url", raw);
	jw_open(w, "_links");
	jw_str(w, "self", self);
	jw_str(w, "git", git);
	jw_str(w, "html", html);
	jw_close(w);
}

static const char *type_of(const struct sim_tree_entry *e)
{
	if (strcmp(e->type, "tree") == 0)
		return "dir";
	if (strcmp(e->mode, "120000") == 0)
		return "symlink";
	return "file"; /* a submodule as well, in lists of this version of the API */
}

static void entry(struct json_writer *w, const struct sim_req *q, const char *path, const char *ref, const struct sim_tree_entry *e)
{
	const char *slash = strrchr(path, '/');
	jw_str(w, "type", type_of(e));
	jw_int(w, "size", e->size);
	jw_str(w, "name", slash != NULL ? slash + 1 : path);
	jw_str(w, "path", path);
	jw_str(w, "sha", e->oid);
	links(w, q, path, ref, e);
}

static void answer_file(struct sim_req *q, const char *path, const char *ref, const struct sim_tree_entry *e)
{
	struct buf bytes CLEANUP_BUF = {0}, text CLEANUP_BUF = {0}, b = {0};
	struct err err = {0};
	bool small = e->size <= INLINE_MAX;
	if (small && sim_git(q->s, q->repo->git_dir, (const char *const[]){"cat-file", "blob", e->oid, NULL}, NULL, &bytes, &err) != 0) {
		sim_fail(q, 500, err.msg);
		return;
	}
	sim_base64(&text, buf_str(&bytes), bytes.len);
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	entry(&w, q, path, ref, e);
	if (strcmp(e->mode, "120000") == 0) {
		jw_str(&w, "target", buf_str(&bytes));
	} else {
		jw_str(&w, "encoding", small ? "base64" : "none");
		jw_str(&w, "content", buf_str(&text));
	}
	jw_close(&w);
	sim_answer_buf(q, 200, &b);
}

static void answer_directory(struct sim_req *q, const char *path, const char *ref, const char *tree)
{
	struct buf out CLEANUP_BUF = {0}, b = {0};
	struct err err = {0};
	if (sim_git(q->s, q->repo->git_dir, (const char *const[]){"ls-tree", "-z", "-l", tree, NULL}, NULL, &out, &err) != 0) {
		sim_fail(q, 500, err.msg);
		return;
	}
	struct json_writer w = json_writer(&b);
	jw_open_arr(&w, NULL);
	const char *end = buf_str(&out) + out.len;
	size_t n = 0;
	for (const char *row = buf_str(&out); row < end && n++ < DIRECTORY_MAX; row += strlen(row) + 1) {
		struct sim_tree_entry e;
		const char *tab = strchr(row, '\t');
		if (tab == NULL || !read_entry(row, &e))
			continue;
		CLEANUP_FREE char *full = xasprintf("%s%s%s", path, path[0] != '\0' ? "/" : "", tab + 1);
		jw_open(&w, NULL);
		entry(&w, q, full, ref, &e);
		jw_close(&w);
	}
	jw_close_arr(&w);
	sim_answer_buf(q, 200, &b);
}

void sim_get_contents(struct sim_req *q)
{
	const char *wanted = http_query(q->x, "ref"), *ref = wanted != NULL ? wanted : q->repo->default_branch;
	const char *path = q->parts_n > 0 ? q->part[0] : "";
	char sha[SIM_SHA_SIZE];
	struct sim_tree_entry e;
	if (!sim_known_commit(q, ref, sha)) {
		CLEANUP_FREE char *message = xasprintf("No commit found for the ref %s", ref);
		sim_fail(q, 404, message);
	} else if (path[0] == '\0') {
		answer_directory(q, path, ref, sha);
	} else if (!sim_tree_entry(q->s, q->repo, sha, path, &e)) {
		sim_fail(q, 404, "Not Found");
	} else if (strcmp(e.type, "tree") == 0) {
		answer_directory(q, path, ref, e.oid);
	} else if (strcmp(e.type, "commit") == 0) {
		sim_fail(q, 404, "Not Found"); /* submodules are in directories only */
	} else {
		answer_file(q, path, ref, &e);
	}
}
