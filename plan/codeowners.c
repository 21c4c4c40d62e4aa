#include "plan/codeowners.h"

#include "base/glob.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"

#include <stdint.h>

const char *const codeowners_places[CODEOWNERS_PLACES] = {".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"};

/* A line that means something. A path belongs to it when one of the globs fits. */
struct rule {
	char *exact, *below; /* globs; below NULL: only the one level that the pattern names */
	struct strlist owners;
	int line;
	size_t set; /* 1 + its owner set, once a path needed it */
};

struct parse {
	struct rule *rules;
	size_t n, cap;
	struct owners *ret;
};

void owners_free(struct owners *o)
{
	for (size_t i = 0; i < o->sets_n; i++) {
		strlist_free(&o->sets[i].owners);
		free(o->sets[i].path);
	}
	for (size_t i = 0; i < o->bad_n; i++)
		free(o->bad[i].why);
	free(o->sets);
	free(o->bad);
	free(o->file);
	free(o->id);
	free(o->unusable);
	strlist_free(&o->bots);
	strlist_free(&o->blocked_by);
	*o = (struct owners){0};
}

static void add_bad(struct owners *o, int line, char *why)
{
	if (o->bad_n >= LIMIT_OWNERS_BAD) {
		free(why);
		return;
	}
	o->bad = xreallocarray(o->bad, o->bad_n + 1, sizeof(*o->bad));
	o->bad[o->bad_n++] = (struct owner_bad){line, why};
}

/* --- lines --- */

static size_t name_len(const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	return strspn(s, letters);
}

enum owner_kind codeowners_kind(const char *owner)
{
	const char *at = strchr(owner, '@');
	if (at == NULL || at[1] == '\0')
		return OWNER_BAD;
	if (at != owner)
		return strchr(at + 1, '@') == NULL && strchr(at + 1, '/') == NULL ? OWNER_EMAIL : OWNER_BAD;
	size_t n = name_len(owner + 1);
	if (n == 0)
		return OWNER_BAD;
	if (owner[1 + n] == '\0')
		return OWNER_USER;
	size_t team = owner[1 + n] == '/' ? name_len(owner + 2 + n) : 0;
	return team > 0 && owner[2 + n + team] == '\0' ? OWNER_TEAM : OWNER_BAD;
}

/* The next word of a line; a backslash takes the meaning from a blank. Words end at a blank. */
static char *next_word(const char **at, const char *end)
{
	const char *s = *at;
	while (s < end && (*s == ' ' || *s == '\t'))
		s++;
	const char *from = s;
	while (s < end && *s != ' ' && *s != '\t')
		s += *s == '\\' && s + 1 < end ? 2 : 1;
	*at = s;
	return s == from ? NULL : xstrndup(from, (size_t)(s - from));
}

/* ** beside other characters of a part means what * means. */
static char *plain_stars(const char *pattern)
{
	struct buf out = {0};
	for (const char *s = pattern; *s != '\0';) {
		size_t n = strspn(s, "*");
		if (n < 2) {
			n = *s == '\\' && s[1] != '\0' ? 2 : 1;
			buf_add(&out, s, n);
		} else {
			bool whole = n == 2 && (s == pattern || s[-1] == '/') && (s[2] == '/' || s[2] == '\0');
			buf_adds(&out, whole ? "**" : "*");
		}
		s += n;
	}
	return buf_take(&out);
}

/* Whether a pattern names one level only: its last part is a star and it says where. */
static bool is_one_level(const char *p)
{
	size_t n = strlen(p);
	return (n >= 2 && p[n - 1] == '*' && p[n - 2] == '/') || text_ends(p, "**");
}

/* A pattern without a slash, or with one at its end only, means any depth; it matches a file, or a directory with all below. */
static void pattern_globs(const char *pattern, struct rule *r)
{
	CLEANUP_FREE char *p = plain_stars(pattern);
	size_t len = strlen(p);
	bool dir = len > 1 && p[len - 1] == '/';
	if (dir)
		p[--len] = '\0';
	const char *from = p[0] == '/' ? p + 1 : p;
	const char *depth = strchr(p, '/') == NULL ? "**/" : "";
	if (dir)
		r->exact = xasprintf("%s%s/**", depth, from);
	else
		r->exact = xasprintf("%s%s", depth, from);
	if (!dir && !is_one_level(p) && strcmp(p, "*") != 0)
		r->below = xasprintf("%s%s/**", depth, from);
}

/* NULL: the pattern means something. */
static char *pattern_error(const char *p, const struct rule *r)
{
	struct err err;
	if (p[0] == '!')
		return xstrdup("`!` cannot exclude anything in CODEOWNERS");
	if (p[0] == '\\' && p[1] == '#')
		return xstrdup("a pattern cannot begin with `\\#`");
	if (strpbrk(p, "[]") != NULL)
		return xstrdup("`[ ]` has no meaning in CODEOWNERS");
	if (strcmp(p, "/") == 0)
		return xstrdup("`/` names nothing");
	if (glob_check(r->exact, &err) != 0 || (r->below != NULL && glob_check(r->below, &err) != 0))
		return xstrdup("the pattern cannot be understood");
	return NULL;
}

static void rule_free(struct rule *r)
{
	free(r->exact);
	free(r->below);
	strlist_free(&r->owners);
}

/* The rest of the line after the pattern, up to a comment. NULL: fine. */
static char *read_owners(const char *at, const char *end, struct rule *r)
{
	for (char *word; (word = next_word(&at, end)) != NULL;) {
		if (word[0] == '#') {
			free(word);
			return NULL;
		}
		if (codeowners_kind(word) == OWNER_BAD) {
			char *why = xasprintf("`%.*s` is no owner: write @user, @org/team or an address", (int)text_cut(word, strlen(word), 80), word);
			free(word);
			return why;
		}
		if (strlist_has(&r->owners, word))
			free(word);
		else
			strlist_take(&r->owners, word);
	}
	return NULL;
}

static void read_line(struct parse *p, const char *at, const char *end, int line)
{
	struct rule r = {.line = line};
	CLEANUP_FREE char *pattern = next_word(&at, end);
	if (pattern == NULL || pattern[0] == '#')
		return;
	if (memchr(pattern, '`', strlen(pattern)) != NULL || !text_is_utf8(pattern, strlen(pattern))) {
		add_bad(p->ret, line, xstrdup("the pattern cannot be understood"));
		return;
	}
	pattern_globs(pattern, &r);
	char *why = pattern_error(pattern, &r);
	if (why == NULL)
		why = read_owners(at, end, &r);
	if (why != NULL) {
		add_bad(p->ret, line, why);
		rule_free(&r);
		return;
	}
	if (p->n == p->cap)
		p->rules = xreallocarray(p->rules, p->cap = p->cap == 0 ? 16 : p->cap * 2, sizeof(*p->rules));
	p->rules[p->n++] = r;
}

static void read_lines(struct parse *p, const char *text, size_t len)
{
	const char *end = text + len;
	int line = 1;
	for (const char *s = text; s < end && p->n <= LIMIT_OWNERS_RULES; line++) {
		const char *nl = memchr(s, '\n', (size_t)(end - s)), *stop = nl != NULL ? nl : end;
		const char *cut = stop > s && stop[-1] == '\r' ? stop - 1 : stop;
		if (memchr(s, '\0', (size_t)(cut - s)) != NULL)
			add_bad(p->ret, line, xstrdup("the pattern cannot be understood"));
		else
			read_line(p, s, cut, line);
		s = nl != NULL ? nl + 1 : end;
	}
}

/* --- paths --- */

static bool same_list(const struct strlist *a, const struct strlist *b)
{
	for (size_t i = 0; i < a->n; i++)
		if (!strlist_has(b, a->v[i]))
			return false;
	return a->n == b->n;
}

/* The owner set of a rule that a path needs: a new one, or that of another line with the same owners. */
static bool need(struct parse *p, struct rule *r, const char *path)
{
	struct owners *o = p->ret;
	if (r->set != 0 || r->owners.n == 0)
		return true;
	for (size_t i = 0; i < o->sets_n && r->set == 0; i++)
		if (same_list(&o->sets[i].owners, &r->owners))
			r->set = i + 1;
	if (r->set != 0)
		return true;
	if (o->sets_n == LIMIT_OWNERS_SETS)
		return false;
	o->sets = xreallocarray(o->sets, o->sets_n + 1, sizeof(*o->sets));
	o->sets[o->sets_n] = (struct owner_set){.path = xstrdup(path), .line = r->line};
	strlist_copy(&o->sets[o->sets_n].owners, &r->owners);
	r->set = ++o->sets_n;
	return true;
}

static bool fits(const struct rule *r, const char *path)
{
	return glob_match(r->exact, path, 0) || (r->below != NULL && glob_match(r->below, path, 0));
}

/* Work is bounded: a file of a hundred thousand lines against as many paths is told to be too much rather than waited for. */
static const char *match_paths(struct parse *p, const struct strlist *paths)
{
	uint64_t left = LIMIT_OWNERS_STEPS;
	for (size_t i = 0; i < paths->n; i++)
		for (size_t k = p->n; k-- > 0;) {
			if (left-- == 0)
				return "too many lines for the number of changed files";
			if (!fits(&p->rules[k], paths->v[i]))
				continue;
			if (!need(p, &p->rules[k], paths->v[i]))
				return "the change needs more than " LIMIT_TEXT(LIMIT_OWNERS_SETS) " sets of owners";
			break;
		}
	return NULL;
}

void codeowners_find(const char *text, size_t len, const struct strlist *paths, struct owners *ret)
{
	struct parse p = {.ret = ret};
	const char *why = NULL;
	if (len >= LIMIT_OWNERS_BYTES)
		why = "it has 3 MB or more, which GitHub does not read";
	else
		read_lines(&p, text, len);
	if (why == NULL && p.n > LIMIT_OWNERS_RULES)
		why = "it has more than " LIMIT_TEXT(LIMIT_OWNERS_RULES) " lines";
	if (why == NULL)
		why = match_paths(&p, paths);
	xstrset(&ret->unusable, why);
	for (size_t i = 0; i < p.n; i++)
		rule_free(&p.rules[i]);
	free(p.rules);
}
