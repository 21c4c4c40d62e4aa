/* The reader: follows rows through a YAML tree, collects every error with its place, and fills a struct. Pure. */
#include "plan/config.h"

#include "base/fs.h"
#include "base/glob.h"
#include "base/limits.h"
#include "base/text.h"
#include "plan/config_priv.h"

#include <stdio.h>

/* ---- errors ---- */

static void errors_append(struct config_errors *e, const char *file, int line, int column, char *msg)
{
	size_t n = e->n;
	if (n == 0 || (n & (n - 1)) == 0)
		e->v = xreallocarray(e->v, n == 0 ? 1 : n * 2, sizeof(*e->v));
	e->v[e->n++] = (struct config_error){.file = xstrdup(file), .line = line, .column = column, .msg = msg};
}

/* Beyond the ceiling one line says that there are more; a comment on a pull request shows even fewer. Messages quote what stands in the file:
 * each is one line, and nothing in it is obeyed by a terminal or by whoever reads the output of `sluice check`. */
void config_errors_add(struct config_errors *e, const char *file, int line, int column, const char *fmt, ...)
{
	if (e->n > LIMIT_CONFIG_ERRORS)
		return;
	if (e->n == LIMIT_CONFIG_ERRORS) {
		errors_append(e, file, line, column, xstrdup("more errors follow; mend these first"));
		return;
	}
	CLEANUP_BUF struct buf text = {0};
	struct buf clean = {0};
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	text_clean_line(&clean, buf_str(&text), text.len);
	errors_append(e, file, line, column, buf_take(&clean));
}

void config_errors_free(struct config_errors *e)
{
	for (size_t i = 0; i < e->n; i++) {
		free(e->v[i].file);
		free(e->v[i].msg);
	}
	free(e->v);
	*e = (struct config_errors){0};
}

void config_errors_print(const struct config_errors *e, struct buf *out)
{
	for (size_t i = 0; i < e->n; i++)
		buf_printf(out, "%s:%d:%d: %s\n", e->v[i].file, e->v[i].line, e->v[i].column, e->v[i].msg);
}

void config_fail(struct config_reader *r, const struct yaml_node *at, const char *fmt, ...)
{
	r->failed++;
	if (r->errors == NULL)
		return;
	CLEANUP_BUF struct buf text = {0};
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	config_errors_add(r->errors, r->file, at->line, at->column, "%s", buf_str(&text));
}

void config_unknown_word(struct config_reader *r, const char *key, const struct yaml_node *n, const char *word, const char *const *words)
{
	size_t count = 0;
	CLEANUP_BUF struct buf list = {0};
	for (; words[count] != NULL; count++)
		buf_printf(&list, "%s%s", count == 0 ? "" : words[count + 1] == NULL ? " or " : ", ", words[count]);
	const char *near = text_nearest(word, words, count);
	if (near != NULL)
		config_fail(r, n, "%s: unknown word \"%.60s\", did you mean \"%s\"?", key, word, near);
	else
		config_fail(r, n, "%s: unknown word \"%.60s\", expected %s", key, word, buf_str(&list));
}

/* ---- scalars of the YAML 1.2 core schema ---- */

static bool is_word_of(const char *s, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(s, words[i]) == 0)
			return true;
	return false;
}

static bool is_true(const char *s) { return is_word_of(s, (const char *const[]){"true", "True", "TRUE"}, 3); }
static bool is_false(const char *s) { return is_word_of(s, (const char *const[]){"false", "False", "FALSE"}, 3); }

static bool is_number(const char *s)
{
	if (text_starts(s, "0x") && s[2] != '\0')
		return s[2 + strspn(s + 2, "0123456789abcdefABCDEF")] == '\0';
	if (text_starts(s, "0o") && s[2] != '\0')
		return s[2 + strspn(s + 2, "01234567")] == '\0';
	s += s[0] == '-' || s[0] == '+';
	if (is_word_of(s, (const char *const[]){".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"}, 6))
		return true;
	size_t whole = strspn(s, "0123456789"), fraction = 0;
	s += whole;
	if (*s == '.') {
		fraction = strspn(s + 1, "0123456789");
		s += 1 + fraction;
	}
	if (whole + fraction == 0)
		return false;
	if (*s != 'e' && *s != 'E')
		return *s == '\0';
	s++;
	s += *s == '-' || *s == '+';
	size_t exponent = strspn(s, "0123456789");
	return exponent > 0 && s[exponent] == '\0';
}

/* Everything that is not null, a boolean or a number is a string: yes, on and dates are (YAML 1.2). */
bool config_is_string(const struct yaml_node *n)
{
	return n->type == YAML_SCALAR && (n->quoted || !(yaml_is_null(n) || is_true(n->text) || is_false(n->text) || is_number(n->text)));
}

/* What stands there, in the words of the sentences. */
static const char *found(const struct yaml_node *n)
{
	if (n->type != YAML_SCALAR)
		return n->type == YAML_MAP ? "a map" : "a list";
	if (config_is_string(n))
		return "text";
	return yaml_is_null(n) ? "nothing" : is_number(n->text) ? "a number" : "true or false";
}

bool config_is(struct config_reader *r, const char *key, const struct yaml_node *n, enum yaml_type want)
{
	if (n->type == want)
		return true;
	config_fail(r, n, "%s: expected %s, found %s", key, want == YAML_MAP ? "a map" : want == YAML_LIST ? "a list" : "one value", found(n));
	return false;
}

/* Quotes decide: 1.10 is a number and "1.10" a text, so that a version never loses its zero. */
const char *config_text(struct config_reader *r, const char *key, const struct yaml_node *n)
{
	if (!config_is_string(n)) {
		bool quotes = n->type == YAML_SCALAR && !yaml_is_null(n);
		config_fail(r, n, "%s: expected text, found %s%s", key, found(n), quotes ? "; put it in quotes" : "");
		return NULL;
	}
	size_t len = strlen(n->text);
	if (len == 0) {
		config_fail(r, n, "%s: must not be empty", key);
		return NULL;
	}
	if (len > LIMIT_CONFIG_TEXT_BYTES) {
		config_fail(r, n, "%s: longer than %u bytes", key, LIMIT_CONFIG_TEXT_BYTES);
		return NULL;
	}
	CLEANUP_BUF struct buf clean = {0};
	text_clean_line(&clean, n->text, len);
	if (strcmp(buf_str(&clean), n->text) != 0) {
		config_fail(r, n, "%s: control characters, hidden characters and line breaks are not allowed", key);
		return NULL;
	}
	return n->text;
}

/* ---- checks ---- */

/* Does a part between slashes stand for this or the upper directory? A name is part of paths and of command lines. */
static bool has_dot_part(const char *s)
{
	while (*s != '\0') {
		size_t len = strcspn(s, "/");
		if ((len == 1 && s[0] == '.') || (len == 2 && s[0] == '.' && s[1] == '.'))
			return true;
		s += len + (s[len] == '/');
	}
	return false;
}

bool config_check_name(struct config_reader *r, const char *key, const struct yaml_node *n, const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/";
	size_t len = strlen(text), good = strspn(text, allowed);
	if (len == 0)
		config_fail(r, n, "%s: a name must not be empty", key);
	else if (len > LIMIT_NAME_BYTES)
		config_fail(r, n, "%s: longer than %u bytes", key, LIMIT_NAME_BYTES);
	else if (good != len)
		config_fail(r, n, "%s: \"%.60s\" may only have letters, digits and . _ - /", key, text);
	else if (text[0] == '-')
		config_fail(r, n, "%s: \"%.60s\" must not begin with -", key, text);
	else if (text[0] == '/' || text[len - 1] == '/' || strstr(text, "//") != NULL)
		config_fail(r, n, "%s: \"%.60s\" must not begin or end with / or have two together", key, text);
	else if (has_dot_part(text))
		config_fail(r, n, "%s: \"%.60s\" must not have . or .. for a name", key, text);
	else
		return true;
	return false;
}

bool config_check_glob(struct config_reader *r, const char *key, const struct yaml_node *n, const char *glob)
{
	struct err err;
	if (glob_check(glob, &err) == 0)
		return true;
	config_fail(r, n, "%s: %s", key, err.msg);
	return false;
}

/* "./live//prod/" -> "live/prod"; NULL after an error. The caller frees. */
static char *normal_dir(struct config_reader *r, const char *key, const struct yaml_node *n, const char *text)
{
	struct buf out = {0};
	if (text[0] == '/') {
		config_fail(r, n, "%s: \"%.80s\" is absolute; write it relative to the repository's root", key, text);
		return NULL;
	}
	if (strlen(text) > LIMIT_PATH_BYTES) {
		config_fail(r, n, "%s: longer than %u bytes", key, LIMIT_PATH_BYTES);
		return NULL;
	}
	for (const char *s = text; *s != '\0';) {
		size_t len = strcspn(s, "/");
		if (len == 2 && s[0] == '.' && s[1] == '.') {
			config_fail(r, n, "%s: \"%.80s\" must not have .. in it", key, text);
			buf_free(&out);
			return NULL;
		}
		if (len > 0 && !(len == 1 && s[0] == '.'))
			buf_printf(&out, "%s%.*s", out.len > 0 ? "/" : "", (int)len, s);
		s += len + (s[len] == '/');
	}
	if (out.len == 0)
		buf_adds(&out, ".");
	return buf_take(&out);
}

/* ---- values, by type of row ---- */

/* A later layer replaces what an earlier one said. */
static void set_text(void *field, char *owned)
{
	char **s = field;
	free(*s);
	*s = owned;
}

static void read_text(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *field)
{
	const char *text = config_text(r, row->key, n);
	if (text == NULL)
		return;
	if (row->type == CT_NAME && !config_check_name(r, row->key, n, text))
		return;
	if (row->type == CT_FILE) {
		set_text(field, fs_join(r->dir, text));
		return;
	}
	if (row->type != CT_DIR) {
		set_text(field, xstrdup(text));
		return;
	}
	char *dir = normal_dir(r, row->key, n, text);
	if (dir != NULL && glob_is_pattern(dir) && !config_check_glob(r, row->key, n, dir))
		free(TAKE(dir));
	if (dir != NULL)
		set_text(field, dir);
}

static void read_number(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *field)
{
	struct err err;
	int64_t v = 0;
	if (n->type != YAML_SCALAR || n->quoted || !is_number(n->text)) {
		config_fail(r, n, "%s: expected a whole number, found %s", row->key, found(n));
		return;
	}
	if (text_int(n->text, row->min, row->max, &v, &err) != 0) {
		config_fail(r, n, "%s: %s", row->key, err.msg);
		return;
	}
	if (row->type == CT_COUNT)
		*(int *)field = (int)v;
	else
		*(int64_t *)field = v;
}

/* Durations and sizes have their unit in the text; a bare number of seconds would be a guess. */
static void read_measure(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *field)
{
	struct err err;
	int64_t v = 0;
	if (!config_is(r, row->key, n, YAML_SCALAR))
		return;
	bool time = row->type == CT_DURATION;
	if ((time ? text_duration(n->text, &v, &err) : text_size(n->text, &v, &err)) != 0) {
		config_fail(r, n, "%s: %s", row->key, err.msg);
	} else if (v < row->min || v > row->max) {
		if (time)
			config_fail(r, n, "%s: %s is not between %lld s and %lld s", row->key, n->text, (long long)row->min / 1000,
				    (long long)row->max / 1000);
		else
			config_fail(r, n, "%s: %s is not between %lld KiB and %lld KiB", row->key, n->text, (long long)row->min / 1024,
				    (long long)row->max / 1024);
	} else {
		*(int64_t *)field = v;
	}
}

static void read_bool(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *field)
{
	bool scalar = n->type == YAML_SCALAR && !n->quoted;
	if (scalar && (is_true(n->text) || is_false(n->text)))
		*(bool *)field = is_true(n->text);
	else
		config_fail(r, n, "%s: expected true or false, found %s", row->key, found(n));
}

static void read_word(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *field)
{
	const char *text = config_text(r, row->key, n);
	for (int i = 0; text != NULL && row->words[i] != NULL; i++) {
		if (strcmp(text, row->words[i]) == 0) {
			memcpy(field, &i, sizeof(i)); /* enums of ours are as wide as int */
			return;
		}
	}
	if (text != NULL)
		config_unknown_word(r, row->key, n, text, row->words);
}

/* A list replaces the one of an earlier layer as a whole, also when it is empty. Kept although an item is wrong: the file is refused anyway. */
static void read_list(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, struct strlist *list)
{
	struct strlist fresh = {0};
	if (!config_is(r, row->key, n, YAML_LIST))
		return;
	for (size_t i = 0; i < n->n; i++) {
		const struct yaml_node *item = n->child[i];
		const char *text = config_text(r, row->key, item);
		if (text == NULL)
			continue;
		if (row->type == CT_NAMES ? config_check_name(r, row->key, item, text)
					  : config_check_glob(r, row->key, item, text + (text[0] == '!')))
			strlist_add(&fresh, text);
	}
	strlist_free(list);
	*list = fresh;
}

static void read_value(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	void *field = config_field(row, target);
	switch (row->type) {
	case CT_TEXT:
	case CT_NAME:
	case CT_DIR:
	case CT_FILE: read_text(r, row, n, field); break;
	case CT_INT:
	case CT_COUNT: read_number(r, row, n, field); break;
	case CT_BOOL: read_bool(r, row, n, field); break;
	case CT_DURATION:
	case CT_SIZE: read_measure(r, row, n, field); break;
	case CT_WORD: read_word(r, row, n, field); break;
	case CT_NAMES:
	case CT_GLOBS: read_list(r, row, n, field); break;
	case CT_MAP:
		if (config_is(r, row->key, n, YAML_MAP))
			config_read_map(r, n, row->rows, target);
		break;
	case CT_CUSTOM:
	default: row->read(r, row, n, target); break;
	}
}

/* ---- maps ---- */

enum { ROWS_MAX = 32 };

/* A near key is a slip and named; otherwise the list of known ones helps more. */
static void unknown_key(struct config_reader *r, const struct yaml_node *key, const struct config_row *rows)
{
	const char *names[ROWS_MAX] = {NULL};
	size_t n = 0;
	for (; rows[n].key != NULL && n < ROWS_MAX; n++)
		names[n] = rows[n].key;
	const char *near = text_nearest(key->text, names, n);
	if (near != NULL) {
		config_fail(r, key, "unknown key \"%.60s\", did you mean \"%s\"?", key->text, near);
		return;
	}
	CLEANUP_BUF struct buf list = {0};
	for (size_t i = 0; i < n; i++)
		buf_printf(&list, "%s%s", i == 0 ? "" : ", ", names[i]);
	config_fail(r, key, "unknown key \"%.60s\"; known here: %s", key->text, buf_str(&list));
}

/* Errors do not stop it: all of a file are told at once. */
void config_read_map(struct config_reader *r, const struct yaml_node *map, const struct config_row *rows, void *target)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct config_row *row = rows;
		while (row->key != NULL && strcmp(row->key, map->key[i]->text) != 0)
			row++;
		if (row->key == NULL)
			unknown_key(r, map->key[i], rows);
		else if (!yaml_is_null(map->child[i])) /* a key without a value says nothing */
			read_value(r, row, map->child[i], target);
	}
	for (const struct config_row *row = rows; row->key != NULL; row++) {
		const struct yaml_node *n = row->required ? yaml_get(map, row->key) : map;
		if (n == NULL || yaml_is_null(n))
			config_fail(r, map, "%s is missing: %s", row->key, row->help);
	}
}

void config_read_defaults(const struct config_row *rows, void *target)
{
	struct config_reader quiet = {.file = "built in", .dir = "/"};
	for (const struct config_row *row = rows; row->key != NULL; row++) {
		struct yaml_node *n = NULL;
		if (row->type == CT_MAP)
			config_read_defaults(row->rows, target);
		if (row->dflt == NULL || strcmp(row->dflt, "{}") == 0 || strcmp(row->dflt, "[]") == 0)
			continue; /* a zeroed field already says so */
		int rc = yaml_parse("built in", row->dflt, strlen(row->dflt), &n, NULL);
		ASSERT(rc == 0);
		read_value(&quiet, row, n, target);
		yaml_free(n);
	}
	ASSERT(quiet.failed == 0);
}

/* yaml_parse() puts the place before its sentence; takes it apart again. */
static void fail_yaml(struct config_reader *r, const char *msg)
{
	int line = 1, column = 1, used = 0;
	r->failed++;
	if (strncmp(msg, r->file, strlen(r->file)) == 0)
		msg += strlen(r->file);
	if (sscanf(msg, ":%9d:%9d: %n", &line, &column, &used) == 2 && used > 0)
		msg += used;
	else if (text_starts(msg, ": "))
		msg += 2;
	if (r->errors != NULL)
		config_errors_add(r->errors, r->file, line, column, "%s", msg);
}

struct yaml_node *config_document(struct config_reader *r, const char *bytes, size_t len)
{
	struct err err = {0};
	struct yaml_node *root = NULL;
	if (yaml_parse(r->file, bytes, len, &root, &err) != 0) {
		fail_yaml(r, err.msg);
		return NULL;
	}
	if (root->type == YAML_MAP)
		return root;
	config_fail(r, root, "expected keys and values, found %s", found(root));
	yaml_free(root);
	return NULL;
}
