/* .gitattributes: which changed files GitHub folds away, or leaves out of archives. */
#include "plan/hygiene.h"

#include "base/glob.h"
#include "base/limits.h"
#include "base/text.h"
#include "plan/pathmap.h"

enum { RULES_MAX = 2000, STEPS_MAX = 2000000 };

/* What an attribute does to a review; NULL: nothing. */
static const char *effect_of(const char *word, size_t len)
{
	static const struct {
		const char *word, *effect;
	} words[] = {
		{"-diff", "shows no diff of"},
		{"diff=false", "shows no diff of"},
		{"binary", "shows no diff of"},
		{"linguist-generated", "folds the diff away of"},
		{"linguist-generated=true", "folds the diff away of"},
		{"linguist-generated=1", "folds the diff away of"},
		{"linguist-vendored", "takes as foreign code"},
		{"linguist-vendored=true", "takes as foreign code"},
		{"export-ignore", "leaves out of archives"},
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (len == strlen(words[i].word) && memcmp(word, words[i].word, len) == 0)
			return words[i].effect;
	return NULL;
}

static const char *effect_of_line(const char *s, size_t len)
{
	const char *effect = NULL;
	for (size_t i = 0; i < len && effect == NULL;) {
		size_t n = 0;
		while (i + n < len && s[i + n] != ' ' && s[i + n] != '\t' && s[i + n] != '\r')
			n++;
		effect = n > 0 ? effect_of(s + i, n) : NULL;
		i += n + 1;
	}
	return effect;
}

/* Without a slash a pattern is about the last part of a path; with one, about all of it as seen from dir. */
static bool fits(const char *dir, const char *pattern, const char *path)
{
	size_t skip = strcmp(dir, ".") == 0 ? 0 : strlen(dir) + 1;
	if (strlen(path) <= skip)
		return false;
	const char *rel = path + skip, *last = strrchr(path, '/');
	if (strchr(pattern, '/') == NULL)
		return glob_match(pattern, last != NULL ? last + 1 : path, 0);
	return glob_match(pattern[0] == '/' ? pattern + 1 : pattern, rel, 0);
}

static size_t pattern_len(const char *s, size_t len)
{
	size_t n = 0;
	while (n < len && s[n] != ' ' && s[n] != '\t' && s[n] != '\r')
		n++;
	return n;
}

void hygiene_hidden(const char *dir, const char *bytes, size_t len, const struct strlist *changed, struct told_list *told)
{
	CLEANUP_FREE char *file = strcmp(dir, ".") == 0 ? xstrdup(".gitattributes") : xasprintf("%s/.gitattributes", dir);
	size_t rules = 0, steps = 0;
	int line = 0;
	for (size_t at = 0, n; at < len && rules < RULES_MAX; at += n + 1) {
		const char *end = memchr(bytes + at, '\n', len - at);
		n = end != NULL ? (size_t)(end - (bytes + at)) : len - at;
		line++;
		size_t word = pattern_len(bytes + at, n);
		const char *effect = word > 0 && word < LIMIT_GLOB_BYTES && bytes[at] != '#' ? effect_of_line(bytes + at + word, n - word) : NULL;
		CLEANUP_FREE char *pattern = effect != NULL ? xstrndup(bytes + at, word) : NULL;
		if (pattern == NULL || strlen(pattern) != word || glob_check(pattern, NULL) != 0)
			continue;
		rules++;
		for (size_t i = 0; i < changed->n && steps < STEPS_MAX; i++, steps++) {
			if (!path_is_below(changed->v[i], dir) || !fits(dir, pattern, changed->v[i]))
				continue;
			CLEANUP_FREE char *shown = xstrdup(changed->v[i]);
			for (char *p = shown; *p != '\0'; p++)
				*p = *p == '`' ? '\'' : *p;
			told_add(told, file, line, "hidden", "%s `%s`", effect, shown);
		}
	}
}
