#include "plan/command_flags.h"

#include "base/text.h"

#include <ctype.h>
#include <string.h>

enum { FLAGS_MAX = 20, PARALLELISM_MAX = 10, QUOTED_BYTES = 40 };

#define ALLOWED                                                                                                                            \
	"`-target=ADDRESS`, `-replace=ADDRESS`, `-refresh=false`, `-refresh-only` and `-parallelism=1` to `10`"

/* A resource's address: letters, digits and what joins them, with an index in brackets and its key in double quotes. */
static bool is_address(const char *s)
{
	bool in_quotes = false, in_index = false;
	if (!isalpha((unsigned char)s[0]) && s[0] != '_')
		return false;
	for (; *s != '\0'; s++) {
		if (*s == '"') {
			if (!in_index)
				return false;
			in_quotes = !in_quotes;
		} else if (!in_quotes && (*s == '[' || *s == ']')) {
			if (in_index == (*s == '['))
				return false;
			in_index = *s == '[';
		} else if (!isalnum((unsigned char)*s) && strchr("_./:@=[]-", *s) == NULL) {
			return false;
		}
	}
	return !in_quotes && !in_index;
}

static char *unquoted(const char *s)
{
	size_t n = strlen(s);
	bool quoted = n >= 2 && (s[0] == '\'' || s[0] == '"') && s[n - 1] == s[0];
	return quoted ? xstrndup(s + 1, n - 2) : xstrdup(s);
}

/* Outside text inside a sentence: short, and without the marks of code. */
static char *shown(const char *word)
{
	size_t cut = text_cut(word, strlen(word), QUOTED_BYTES);
	char *s = xasprintf("%.*s%s", (int)cut, word, word[cut] != '\0' ? "..." : "");
	for (char *p = s; *p != '\0'; p++)
		*p = *p == '`' ? '\'' : *p;
	return s;
}

static char *refuse(const char *word)
{
	CLEANUP_FREE char *s = shown(word);
	return xasprintf("`%s` is not handed to the engine. Behind `plan --` stand " ALLOWED ": nothing that changes from which files, variables or state"
			 " a plan is made.",
			 s);
}

/* The flag without its second hyphen and its value, which is NULL when none was said. */
static char *name_of(const char *word, const char **ret_value)
{
	const char *start = word[1] == '-' ? word + 1 : word, *equals = strchr(start, '=');
	*ret_value = equals != NULL ? equals + 1 : NULL;
	return equals != NULL ? xstrndup(start, (size_t)(equals - start)) : xstrdup(start);
}

static bool takes_value(const char *name)
{
	static const char *const names[] = {"-target", "-replace", "-parallelism"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static char *read_value(const char *name, const char *raw, struct strlist *ret)
{
	CLEANUP_FREE char *value = raw != NULL ? unquoted(raw) : NULL;
	int64_t n;
	if (value == NULL || value[0] == '\0')
		return xasprintf("`%s` needs a value: `%s=%s`.", name, name, strcmp(name, "-parallelism") == 0 ? "4" : "ADDRESS");
	if (strcmp(name, "-parallelism") == 0) {
		if (text_int(value, 1, PARALLELISM_MAX, &n, NULL) != 0)
			return xasprintf("`-parallelism` is a number from 1 to %d.", PARALLELISM_MAX);
	} else if (!is_address(value)) {
		CLEANUP_FREE char *s = shown(value);
		return xasprintf("`%s` is no address of a resource: letters, digits and `_./:@=-`, and a key in brackets, as in `aws_subnet.a[\"b\"]`.", s);
	}
	strlist_take(ret, xasprintf("%s=%s", name, value));
	return NULL;
}

/* words[*i] and perhaps the word behind it. */
static char *read_one(const struct strlist *words, size_t *i, struct strlist *ret)
{
	const char *word = words->v[*i], *value;
	if (word[0] != '-' || word[1] == '\0')
		return refuse(word);
	CLEANUP_FREE char *name = name_of(word, &value);
	if (takes_value(name)) {
		if (value == NULL && *i + 1 < words->n && words->v[*i + 1][0] != '-')
			value = words->v[++*i];
		return read_value(name, value, ret);
	}
	bool no_refresh = strcmp(name, "-refresh") == 0 && value != NULL && strcmp(value, "false") == 0;
	if (!no_refresh && (strcmp(name, "-refresh-only") != 0 || value != NULL))
		return refuse(word);
	strlist_add(ret, no_refresh ? "-refresh=false" : "-refresh-only");
	return NULL;
}

char *command_flags_read(const struct strlist *words, size_t from, struct strlist *ret)
{
	char *no = NULL;
	if (from >= words->n)
		return xstrdup("Nothing stands behind `--`: flags of the engine are " ALLOWED ".");
	for (size_t i = from; i < words->n && no == NULL; i++)
		no = ret->n >= FLAGS_MAX ? xasprintf("A plan takes at most %d flags of the engine.", FLAGS_MAX) : read_one(words, &i, ret);
	return no;
}

bool command_flags_are_whole(const char *args)
{
	return args == NULL || (!text_starts(args, "-target=") && strstr(args, "\n-target=") == NULL);
}
