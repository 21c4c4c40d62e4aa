/* CODEOWNERS, read by way of regular expressions: the product has a matcher of its own, and the two must agree.
 *
 * The file is the base branch's: .github/, the root, docs/, the first that exists. The last line that matches a path owns it; one approval of
 * any of its owners who may write is enough; a line with bad syntax is as if it were not there. */
#include "base/text.h"
#include "cmd/sim/sim_gate.h"

#include <regex.h>

enum { PATHS_MAX = 3000, OWNERS_BYTES_MAX = 3 * 1024 * 1024 };

struct line {
	size_t number, column; /* from 1; the column of what is wrong */
	char *text, *pattern;
	struct strlist owners;
	const char *problem; /* NULL: syntax is fine */
};

/* ---- reading ---- */

static bool read_file(struct sim *s, const struct sim_repo *r, const char *commit, struct buf *out, const char **ret_path)
{
	static const char *const places[] = {".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"};
	struct err err = {0};
	struct sim_tree_entry e;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		if (!sim_tree_entry(s, r, commit, places[i], &e) || strcmp(e.type, "blob") != 0)
			continue;
		*ret_path = places[i];
		const char *const argv[] = {"cat-file", "blob", e.oid, NULL};
		return e.size < OWNERS_BYTES_MAX && sim_git(s, r->git_dir, argv, NULL, out, &err) == 0;
	}
	return false;
}

static bool is_owner(const char *word)
{
	const char *at = strchr(word, '@');
	return at != NULL && at[1] != '\0' && strchr(at + 1, '@') == NULL && (at != word || (at[1] != '/' && !text_ends(word, "/")));
}

/* A word up to white space; a backslash keeps the next character. */
static char *take_word(const char **at)
{
	struct buf b = {0};
	const char *p = *at;
	for (; *p != '\0' && *p != ' ' && *p != '\t'; p++) {
		if (*p == '\\' && p[1] == ' ')
			p++;
		buf_addc(&b, *p);
	}
	*at = p + strspn(p, " \t");
	return b.len > 0 ? buf_take(&b) : NULL;
}

static void read_line(struct line *l, const char *start)
{
	const char *at = start + strspn(start, " \t");
	l->column = (size_t)(at - start) + 1;
	l->pattern = take_word(&at);
	const char *p = l->pattern;
	if (p != NULL && (p[0] == '!' || strcmp(p, "/") == 0 || strpbrk(p, "[]") != NULL || strstr(p, "\\#") != NULL))
		l->problem = "Invalid pattern";
	while (l->problem == NULL && *at != '\0' && *at != '#') {
		size_t column = (size_t)(at - start) + 1;
		CLEANUP_FREE char *word = take_word(&at);
		strlist_add(&l->owners, word);
		if (!is_owner(word)) {
			l->problem = "Invalid owner";
			l->column = column;
		}
	}
}

static struct line *read_lines(const char *text, size_t *ret_n)
{
	struct line *v = NULL;
	size_t n = 0, number = 1;
	for (const char *row = text; *row != '\0'; number++) {
		const char *end = strchrnul(row, '\n'), *first = row + strspn(row, " \t\r");
		if (first < end && *first != '#') {
			v = xreallocarray(v, n + 1, sizeof(*v));
			v[n] = (struct line){.number = number, .text = xstrndup(row, (size_t)(end - row) - (end > row && end[-1] == '\r'))};
			read_line(&v[n], v[n].text);
			n++;
		}
		row = *end == '\n' ? end + 1 : end;
	}
	*ret_n = n;
	return v;
}

static void free_lines(struct line *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].text);
		free(v[i].pattern);
		strlist_free(&v[i].owners);
	}
	free(v);
}

/* ---- matching ---- */

/* Two stars are more than one only where they are a whole part of the path. */
static void translate(struct buf *b, const char *pattern)
{
	for (const char *p = pattern; *p != '\0';) {
		size_t stars = strspn(p, "*");
		bool whole = stars == 2 && (p == pattern || p[-1] == '/') && (p[2] == '/' || p[2] == '\0');
		if (whole) {
			buf_adds(b, p[2] == '/' ? "(.*/)?" : ".*");
			p += p[2] == '/' ? 3 : 2;
		} else if (stars > 0) {
			buf_adds(b, "[^/]*");
			p += stars;
		} else if (*p == '?') {
			buf_adds(b, "[^/]");
			p++;
		} else {
			p += *p == '\\' && p[1] != '\0';
			if (strchr(".^$+(){}|\\*?", *p) != NULL)
				buf_addc(b, '\\');
			buf_addc(b, *p++);
		}
	}
}

/* "/docs/" and "docs/x" hang on the root, "*.tf" and "docs/" are found at any depth; what names a directory owns all below it, but "docs/" with
 * one star owns the files right there. */
bool sim_owners_match(const char *pattern, const char *path)
{
	struct buf b CLEANUP_BUF = {0};
	const char *slash = strchr(pattern, '/');
	bool rooted = slash != NULL && slash[1] != '\0';
	buf_adds(&b, rooted ? "^" : "^(.*/)?");
	translate(&b, pattern[0] == '/' ? pattern + 1 : pattern);
	buf_adds(&b, text_ends(pattern, "/") ? ".*$" : text_ends(pattern, "/*") ? "$" : "(/.*)?$");
	regex_t re;
	if (regcomp(&re, buf_str(&b), REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	bool hit = regexec(&re, path, 0, NULL, 0) == 0;
	regfree(&re);
	return hit;
}

static const struct line *owner_line(const struct line *v, size_t n, const char *path)
{
	for (size_t i = n; i-- > 0;)
		if (v[i].problem == NULL && sim_owners_match(v[i].pattern, path))
			return &v[i];
	return NULL;
}

/* ---- owners ---- */

typedef bool (*person_fn)(const struct sim_repo *r, const struct sim_pull *p, const struct sim_user *u);

/* "@user", "@org/team" or an e-mail address: calls that of one person at a time. True as soon as fn says so. */
static bool any_person(struct sim *s, const struct sim_repo *r, const char *owner, person_fn fn, const struct sim_pull *p)
{
	const char *slash = strchr(owner, '/');
	if (owner[0] != '@') {
		const struct sim_user *u = sim_user_of_email(s, owner);
		return u != NULL && sim_may(r, u, "write") && fn(r, p, u);
	}
	if (slash == NULL) {
		const struct sim_user *u = sim_user_find(s, owner + 1);
		return u != NULL && sim_may(r, u, "write") && fn(r, p, u);
	}
	CLEANUP_FREE char *org = xstrndup(owner + 1, (size_t)(slash - owner - 1));
	for (size_t i = 0; i < s->members_n; i++) {
		const struct sim_member *m = &s->members[i];
		bool in = m->active && text_same_case(m->org, org) && text_same_case(m->team, slash + 1);
		if (in && sim_may(r, m->user, "write") && fn(r, p, m->user))
			return true;
	}
	return false;
}

static bool exists(const struct sim_repo *r, const struct sim_pull *p, const struct sim_user *u)
{
	(void)r;
	(void)p;
	return !u->gone;
}

/* No owner of the line who could approve: then GitHub asks nobody. */
static bool is_content(struct sim *s, const struct sim_repo *r, const struct sim_pull *p, const struct line *l)
{
	bool anybody = false;
	for (size_t i = 0; i < l->owners.n; i++) {
		anybody = anybody || any_person(s, r, l->owners.v[i], exists, p);
		if (any_person(s, r, l->owners.v[i], sim_gate_approved_by, p))
			return true;
	}
	return !anybody;
}

bool sim_owners_missing(struct sim *s, struct sim_repo *r, struct sim_pull *p, struct buf *names)
{
	CLEANUP_FREE char *ref = xasprintf("refs/heads/%s", p->base_ref), *sides = xasprintf("%s...%s", p->base, p->head);
	const struct sim_ref *base = sim_ref_find(r, ref);
	struct buf text CLEANUP_BUF = {0}, paths CLEANUP_BUF = {0};
	struct err err = {0};
	const char *file;
	if (base == NULL || !read_file(s, r, base->sha, &text, &file))
		return false;
	if (sim_git(s, r->git_dir, (const char *const[]){"diff", "--name-only", "--no-renames", "-z", sides, NULL}, NULL, &paths, &err) != 0) {
		buf_adds(names, "somebody (git failed)");
		return true;
	}
	size_t n, seen = 0;
	struct line *v = read_lines(buf_str(&text), &n);
	for (const char *path = buf_str(&paths), *end = path + paths.len; path < end && seen++ < PATHS_MAX; path += strlen(path) + 1) {
		const struct line *l = owner_line(v, n, path);
		if (l == NULL || l->owners.n == 0 || is_content(s, r, p, l))
			continue;
		for (size_t i = 0; i < l->owners.n; i++)
			buf_printf(names, "%s%s", i > 0 ? " and/or " : "", l->owners.v[i] + (l->owners.v[i][0] == '@'));
		break;
	}
	free_lines(v, n);
	return names->len > 0;
}

/* ---- GET /codeowners/errors ---- */

static void problem(struct json_writer *w, const struct line *l, size_t column, const char *kind, const char *path)
{
	jw_open(w, NULL);
	jw_int(w, "line", (int64_t)l->number);
	jw_int(w, "column", (int64_t)column);
	jw_str(w, "kind", kind);
	jw_str(w, "source", l->text);
	jw_null(w, "suggestion");
	sim_shape_urlf(w, "message", "%s on line %zu:\n\n  %s\n  %*s", kind, l->number, l->text, (int)column, "^");
	jw_str(w, "path", path);
	jw_close(w);
}

void sim_get_codeowners_errors(struct sim_req *q)
{
	const char *ref = http_query(q->x, "ref"), *path;
	char sha[SIM_SHA_SIZE];
	struct buf text CLEANUP_BUF = {0}, b = {0};
	size_t n = 0;
	if (!sim_known_commit(q, ref != NULL ? ref : q->repo->default_branch, sha) || !read_file(q->s, q->repo, sha, &text, &path)) {
		sim_fail(q, 404, "Not Found");
		return;
	}
	struct line *v = read_lines(buf_str(&text), &n);
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_open_arr(&w, "errors");
	for (size_t i = 0; i < n; i++) {
		if (v[i].problem != NULL) {
			problem(&w, &v[i], v[i].column, v[i].problem, path);
			continue;
		}
		for (size_t k = 0; k < v[i].owners.n; k++)
			if (!any_person(q->s, q->repo, v[i].owners.v[k], exists, NULL))
				problem(&w, &v[i], (size_t)(strstr(v[i].text, v[i].owners.v[k]) - v[i].text) + 1, "Unknown owner", path);
	}
	jw_close_arr(&w);
	jw_close(&w);
	free_lines(v, n);
	sim_answer_buf(q, 200, &b);
}
