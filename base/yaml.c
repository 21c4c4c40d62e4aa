/* The door to libfyaml. Only its event parser is used: the library sees checked bytes and reads no file; nesting, aliases, anchors,
 * duplicate keys and ceilings are ours, and so are the sentences.
 *
 * The library (0.7.12) leaks a few bytes for each text in quotes with more than about ten escapes, less than the file is large in all.
 * Files of repositories are parsed in short-lived children, so nothing adds up in the daemon. */
#include "base/yaml.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

#include <libfyaml.h>
#include <stdio.h>

struct anchor {
	char *name;
	const struct yaml_node *node;
};

struct builder {
	const char *name;
	struct err *err;
	struct yaml_node *root;
	struct yaml_node *open[LIMIT_CONFIG_DEPTH];   /* containers being filled; each is already a child of the one before */
	struct yaml_node *key[LIMIT_CONFIG_DEPTH];    /* of a map: the key that waits for its value */
	char *open_anchor[LIMIT_CONFIG_DEPTH];        /* becomes known when the container is complete: no cycles */
	unsigned depth, documents;
	size_t nodes, aliases;
	struct anchor *anchor;
	size_t anchors;
};

#define FAIL(b, code, line, column, ...) fail_at((b), (code), (line), (column), __VA_ARGS__)
static int fail_at(struct builder *b, int code, int line, int column, const char *fmt, ...) PRINTF_LIKE(5, 6);

static int fail_at(struct builder *b, int code, int line, int column, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(b->err, code, "%s:%d:%d: %s", b->name, line, column, text);
}

/* ---- nodes ---- */

/* Depth is at most LIMIT_CONFIG_DEPTH: the builder saw to it. */
void yaml_free(struct yaml_node *node)
{
	if (node == NULL)
		return;
	for (size_t i = 0; i < node->n; i++) {
		yaml_free(node->child[i]);
		if (node->key != NULL)
			yaml_free(node->key[i]);
	}
	free(node->key);
	free(node->child);
	free(node->text);
	free(node);
}

/* Counts every node ever made, copies of aliases too: the ceiling is on work, not on what is kept. */
static struct yaml_node *node_new(struct builder *b, enum yaml_type type, int line, int column)
{
	struct yaml_node *n = xcalloc(1, sizeof(*n));
	n->type = type;
	n->line = line;
	n->column = column;
	b->nodes++;
	return n;
}

/* Both arrays grow at powers of two, so that n alone tells the capacity. */
static void node_append(struct yaml_node *parent, struct yaml_node *key, struct yaml_node *child)
{
	size_t n = parent->n;
	if (n == 0 || (n & (n - 1)) == 0) {
		size_t cap = n == 0 ? 1 : n * 2;
		parent->child = xreallocarray(parent->child, cap, sizeof(*parent->child));
		if (parent->type == YAML_MAP)
			parent->key = xreallocarray(parent->key, cap, sizeof(*parent->key));
	}
	if (parent->type == YAML_MAP)
		parent->key[n] = key;
	parent->child[n] = child;
	parent->n++;
}

static int compare_keys(const void *a, const void *b)
{
	const struct yaml_node *const *x = a;
	const struct yaml_node *const *y = b;
	int c = strcmp((*x)->text, (*y)->text);
	if (c == 0)
		c = (*x)->line - (*y)->line;
	return c != 0 ? c : (*x)->column - (*y)->column;
}

static int check_duplicates(struct builder *b, const struct yaml_node *map)
{
	struct yaml_node **v = xreallocarray(NULL, map->n, sizeof(*v));
	memcpy(v, map->key, map->n * sizeof(*v));
	qsort(v, map->n, sizeof(*v), compare_keys);
	int rc = 0;
	for (size_t i = 1; i < map->n && rc == 0; i++)
		if (strcmp(v[i - 1]->text, v[i]->text) == 0)
			rc = FAIL(b, ERR_PARSE, v[i]->line, v[i]->column, "the key \"%.80s\" stands twice, first on line %d; remove one",
				  v[i]->text, v[i - 1]->line);
	free(v);
	return rc;
}

/* ---- building ---- */

/* Puts a node where it belongs and owns it from here on, also when it is refused. */
static int place(struct builder *b, struct yaml_node *n)
{
	struct yaml_node *top = b->depth > 0 ? b->open[b->depth - 1] : NULL;
	if (b->nodes > LIMIT_CONFIG_NODES) {
		int rc = FAIL(b, ERR_LIMIT, n->line, n->column, "more than %u YAML nodes; split the file or remove aliases", LIMIT_CONFIG_NODES);
		yaml_free(n);
		return rc;
	}
	if (top == NULL) {
		b->root = n;
		return 0;
	}
	if (top->type == YAML_LIST) {
		node_append(top, NULL, n);
		return 0;
	}
	struct yaml_node **key = &b->key[b->depth - 1];
	if (*key != NULL) {
		node_append(top, TAKE(*key), n);
		return 0;
	}
	if (n->type != YAML_SCALAR) {
		int rc = FAIL(b, ERR_PARSE, n->line, n->column, "a key must be a plain word, not a list or a map");
		yaml_free(n);
		return rc;
	}
	if (!n->quoted && strcmp(n->text, "<<") == 0) {
		int rc = FAIL(b, ERR_PARSE, n->line, n->column, "merge keys (<<) are not supported; write the keys out");
		yaml_free(n);
		return rc;
	}
	*key = n;
	return 0;
}

static char *token_text(struct fy_token *t)
{
	size_t len = 0;
	const char *s = t != NULL ? fy_token_get_text(t, &len) : NULL;
	return xstrndup(s, s != NULL ? len : 0);
}

static void anchor_add(struct builder *b, char *name, const struct yaml_node *node)
{
	if (b->anchors == 0 || (b->anchors & (b->anchors - 1)) == 0)
		b->anchor = xreallocarray(b->anchor, b->anchors == 0 ? 1 : b->anchors * 2, sizeof(*b->anchor));
	b->anchor[b->anchors++] = (struct anchor){.name = name, .node = node};
}

/* A scalar is a key or a value; place() knows which, by whether a key waits. */
static int on_scalar(struct builder *b, const struct fy_event *e, int line, int column)
{
	struct yaml_node *n = node_new(b, YAML_SCALAR, line, column);
	size_t len = 0;
	const char *s = e->scalar.value != NULL ? fy_token_get_text(e->scalar.value, &len) : NULL;
	n->text = xstrndup(s, s != NULL ? len : 0);
	n->quoted = e->scalar.value != NULL && fy_token_scalar_style(e->scalar.value) != FYSS_PLAIN;
	int rc = 0;
	if (s != NULL && memchr(s, 0, len) != NULL)
		rc = FAIL(b, ERR_PARSE, line, column, "a NUL character in a text");
	if (rc == 0 && e->scalar.tag != NULL) {
		CLEANUP_FREE char *tag = token_text(e->scalar.tag);
		if (strcmp(tag, "tag:yaml.org,2002:str") == 0)
			n->quoted = true;
		else
			rc = FAIL(b, ERR_PARSE, line, column, "the tag %.60s is not supported; remove it", tag);
	}
	if (rc != 0) {
		yaml_free(n);
		return rc;
	}
	/* a key is named too late for an anchor on it to be of use; the value may be freed by place() */
	bool is_value = b->depth == 0 || b->open[b->depth - 1]->type == YAML_LIST || b->key[b->depth - 1] != NULL;
	rc = place(b, n);
	if (rc == 0 && is_value && e->scalar.anchor != NULL)
		anchor_add(b, token_text(e->scalar.anchor), n);
	return rc;
}

/* A container joins its parent at once and is then filled; the parent owns it on every path from here. */
static int on_start(struct builder *b, enum yaml_type type, struct fy_token *anchor, struct fy_token *tag, int line, int column)
{
	if (tag != NULL) {
		CLEANUP_FREE char *text = token_text(tag);
		if (strcmp(text, "tag:yaml.org,2002:map") != 0 && strcmp(text, "tag:yaml.org,2002:seq") != 0)
			return FAIL(b, ERR_PARSE, line, column, "the tag %.60s is not supported; remove it", text);
	}
	if (b->depth == LIMIT_CONFIG_DEPTH)
		return FAIL(b, ERR_LIMIT, line, column, "nested deeper than %u", LIMIT_CONFIG_DEPTH);
	struct yaml_node *n = node_new(b, type, line, column);
	int rc = place(b, n);
	if (rc != 0)
		return rc;
	b->open_anchor[b->depth] = anchor != NULL ? token_text(anchor) : NULL;
	b->key[b->depth] = NULL;
	b->open[b->depth++] = n;
	return 0;
}

static int on_end(struct builder *b)
{
	ASSERT(b->depth > 0);
	b->depth--;
	struct yaml_node *n = b->open[b->depth];
	yaml_free(TAKE(b->key[b->depth])); /* no event order of the library leaves one; a leak if it ever does */
	char *name = TAKE(b->open_anchor[b->depth]);
	if (name != NULL)
		anchor_add(b, name, n);
	return n->type == YAML_MAP && n->n > 1 ? check_duplicates(b, n) : 0;
}

/* A copy of an anchored tree, as deep as the place allows and as long as nodes are left. NULL when refused. */
static struct yaml_node *copy_node(struct builder *b, const struct yaml_node *from, unsigned depth)
{
	if ((from->type != YAML_SCALAR && depth > LIMIT_CONFIG_DEPTH) || b->nodes > LIMIT_CONFIG_NODES)
		return NULL;
	struct yaml_node *n = node_new(b, from->type, from->line, from->column);
	n->quoted = from->quoted;
	n->text = xstrdup(from->text);
	for (size_t i = 0; i < from->n; i++) {
		struct yaml_node *child = copy_node(b, from->child[i], depth + 1);
		if (child == NULL) {
			yaml_free(n);
			return NULL;
		}
		node_append(n, from->key != NULL ? copy_node(b, from->key[i], depth) : NULL, child);
		if (n->key != NULL && n->key[i] == NULL) {
			yaml_free(n);
			return NULL;
		}
	}
	return n;
}

static int on_alias(struct builder *b, struct fy_token *token, int line, int column)
{
	CLEANUP_FREE char *name = token_text(token);
	const struct yaml_node *target = NULL;
	for (size_t i = b->anchors; i > 0 && target == NULL; i--)
		if (strcmp(b->anchor[i - 1].name, name) == 0)
			target = b->anchor[i - 1].node;
	if (target == NULL)
		return FAIL(b, ERR_PARSE, line, column,
			    "*%.60s stands for nothing: no complete value before it is named &%.60s; a glob that begins with * needs quotes", name,
			    name);
	if (++b->aliases > LIMIT_CONFIG_ALIASES)
		return FAIL(b, ERR_LIMIT, line, column, "more than %u aliases", LIMIT_CONFIG_ALIASES);
	struct yaml_node *n = copy_node(b, target, b->depth + 1);
	if (n == NULL)
		return FAIL(b, ERR_LIMIT, line, column, "with *%.60s resolved, the file nests deeper than %u or has more than %u nodes", name,
			    LIMIT_CONFIG_DEPTH, LIMIT_CONFIG_NODES);
	return place(b, n);
}

/* The library's mark of a text in quotes and of an alias is behind the sign; people look at the sign. */
static bool is_behind_its_sign(const struct fy_event *e)
{
	if (e->type != FYET_SCALAR || e->scalar.value == NULL)
		return e->type == FYET_ALIAS;
	enum fy_scalar_style style = fy_token_scalar_style(e->scalar.value);
	return style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
}

static int on_event(struct builder *b, struct fy_event *e)
{
	const struct fy_mark *mark = fy_event_start_mark(e);
	int line = mark != NULL ? mark->line + 1 : 1, column = mark != NULL ? mark->column + 1 : 1;
	column -= column > 1 && is_behind_its_sign(e);
	switch (e->type) {
	case FYET_DOCUMENT_START:
		return b->documents++ == 0 ? 0 : FAIL(b, ERR_PARSE, line, column, "a second document (---); only one is allowed");
	case FYET_SCALAR: return on_scalar(b, e, line, column);
	case FYET_ALIAS: return on_alias(b, e->alias.anchor, line, column);
	case FYET_MAPPING_START:
		return on_start(b, YAML_MAP, e->mapping_start.anchor, e->mapping_start.tag, line, column);
	case FYET_SEQUENCE_START:
		return on_start(b, YAML_LIST, e->sequence_start.anchor, e->sequence_start.tag, line, column);
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END: return on_end(b);
	case FYET_NONE:
	case FYET_STREAM_START:
	case FYET_STREAM_END:
	case FYET_DOCUMENT_END:
	default: return 0;
	}
}

/* ---- parsing ---- */

/* What YAML forbids anyway is refused before the library sees it. */
static int check_bytes(struct builder *b, const char *bytes, size_t len)
{
	int line = 1, column = 1;
	if (len > LIMIT_CONFIG_BYTES)
		return err_set(b->err, ERR_LIMIT, "%s: larger than %u bytes", b->name, LIMIT_CONFIG_BYTES);
	for (size_t i = 0; i < len;) {
		unsigned char c = (unsigned char)bytes[i];
		size_t width = text_utf8_width(bytes + i, len - i);
		if (width == 0)
			return FAIL(b, ERR_PARSE, line, column, "this is not UTF-8");
		if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f)
			return FAIL(b, ERR_PARSE, line, column, "a control character (0x%02x)", c);
		column = c == '\n' ? 1 : column + 1;
		line += c == '\n';
		i += width;
	}
	return 0;
}

static int library_error(struct builder *b, struct fy_diag *diag)
{
	void *iterator = NULL;
	const struct fy_diag_error *e = fy_diag_errors_iterate(diag, &iterator);
	if (e == NULL)
		return FAIL(b, ERR_PARSE, 1, 1, "this is not YAML");
	return FAIL(b, ERR_PARSE, e->line > 0 ? e->line : 1, e->column > 0 ? e->column : 1, "%s", e->msg);
}

/* Our own refusal comes first: the library may well be content. */
static int run_events(struct builder *b, struct fy_parser *p, struct fy_diag *diag)
{
	int rc = 0;
	bool more = true;
	while (rc == 0 && more) {
		struct fy_event *e = fy_parser_parse(p);
		more = e != NULL && e->type != FYET_STREAM_END;
		if (e != NULL)
			rc = on_event(b, e);
		fy_parser_event_free(p, e);
	}
	return rc == 0 && fy_diag_got_error(diag) ? library_error(b, diag) : rc;
}

static int parse_with_library(struct builder *b, const char *bytes, size_t len)
{
	struct fy_diag_cfg diag_cfg;
	fy_diag_cfg_default(&diag_cfg);
	diag_cfg.fp = NULL;
	diag_cfg.colorize = false;
	struct fy_diag *diag = fy_diag_create(&diag_cfg);
	ASSERT(diag != NULL);
	fy_diag_set_collect_errors(diag, true);
	const struct fy_parse_cfg cfg = {.search_path = "", .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE, .diag = diag};
	struct fy_parser *p = fy_parser_create(&cfg);
	ASSERT(p != NULL);
	int rc = fy_parser_set_string(p, bytes, len) == 0 ? run_events(b, p, diag) : library_error(b, diag);
	fy_parser_destroy(p);
	fy_diag_destroy(diag);
	return rc;
}

/* Frees what is not handed out; after success root was taken. */
static void builder_end(struct builder *b)
{
	for (unsigned i = 0; i < b->depth; i++) {
		yaml_free(b->key[i]);
		free(b->open_anchor[i]);
	}
	for (size_t i = 0; i < b->anchors; i++)
		free(b->anchor[i].name);
	free(b->anchor);
	yaml_free(b->root);
}

int yaml_parse(const char *name, const char *bytes, size_t len, struct yaml_node **ret, struct err *err)
{
	struct builder b = {.name = name, .err = err};
	int rc = check_bytes(&b, bytes, len);
	if (rc == 0 && len > 0)
		rc = parse_with_library(&b, bytes, len);
	if (rc == 0 && (b.root == NULL || yaml_is_null(b.root))) {
		yaml_free(b.root);
		b.root = node_new(&b, YAML_MAP, 1, 1);
	}
	if (rc == 0)
		*ret = TAKE(b.root);
	builder_end(&b);
	return rc;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	for (size_t i = 0; map->type == YAML_MAP && i < map->n; i++)
		if (strcmp(map->key[i]->text, key) == 0)
			return map->child[i];
	return NULL;
}

bool yaml_is_null(const struct yaml_node *n)
{
	if (n->type != YAML_SCALAR || n->quoted)
		return false;
	return n->text[0] == '\0' || strcmp(n->text, "~") == 0 || strcmp(n->text, "null") == 0 || strcmp(n->text, "Null") == 0 ||
	       strcmp(n->text, "NULL") == 0;
}
