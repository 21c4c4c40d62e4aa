/* The door to cJSON. What the library does differently from what we promise is evened out here: json_scan() decides what is JSON, duplicate
 * keys and numbers beyond a double are refused after the parse, and the escape \u0000, which would cut a C string, becomes U+FFFD. */
#include "base/json.h"

#include "base/json_priv.h"
#include "base/limits.h"
#include "base/mem.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>

struct json_doc {
	cJSON *root;
};

static const cJSON *node_of(const struct json *j) { return j->node; }

static bool is_container(const cJSON *n) { return cJSON_IsObject(n) || cJSON_IsArray(n); }

/* ---- paths, for sentences ---- */

/* Appends to j->path; what does not fit is cut with "..." at the end. */
static void path_append(struct json *j, size_t at, const char *before, const char *text, const char *after)
{
	size_t room = sizeof(j->path) - at;
	int n = snprintf(j->path + at, room, "%s%s%s", before, text, after);
	if (n >= 0 && (size_t)n >= room)
		memcpy(j->path + sizeof(j->path) - 4, "...", 4);
}

static void path_append_key(struct json *j, size_t at, const char *key) { path_append(j, at, at == 0 ? "" : ".", key, ""); }

static void path_append_index(struct json *j, size_t at, unsigned index)
{
	char digits[16];
	(void)snprintf(digits, sizeof(digits), "%u", index);
	path_append(j, at, "[", digits, "]");
}

/* ---- parsing ---- */

static int compare_keys(const void *a, const void *b)
{
	const cJSON *const *x = a;
	const cJSON *const *y = b;
	return strcmp((*x)->string, (*y)->string);
}

/* The members of an object in key order; the caller frees. */
static const cJSON **sorted_members(const cJSON *object, size_t n)
{
	const cJSON **v = xreallocarray(NULL, n, sizeof(*v));
	size_t i = 0;
	for (const cJSON *c = object->child; c != NULL; c = c->next)
		v[i++] = c;
	qsort(v, n, sizeof(*v), compare_keys);
	return v;
}

static size_t count_children(const cJSON *n)
{
	size_t count = 0;
	for (const cJSON *c = n->child; c != NULL; c = c->next)
		count++;
	return count;
}

enum { SMALL_OBJECT = 12 }; /* up to here comparing every pair is quicker than sorting */

static const char *duplicate_key(const cJSON *object)
{
	size_t n = count_children(object);
	if (n <= SMALL_OBJECT) {
		for (const cJSON *a = object->child; a != NULL; a = a->next)
			for (const cJSON *b = a->next; b != NULL; b = b->next)
				if (strcmp(a->string, b->string) == 0)
					return a->string;
		return NULL;
	}
	const cJSON **v = sorted_members(object, n);
	const char *found = NULL;
	for (size_t i = 1; i < n && found == NULL; i++)
		if (strcmp(v[i - 1]->string, v[i]->string) == 0)
			found = v[i]->string;
	free(v);
	return found;
}

/* The path of the last node of a chain from the root, for a sentence. */
static void chain_path(const cJSON *const *chain, size_t n, struct json *ret)
{
	*ret = (struct json){0};
	for (size_t i = 1; i < n; i++) {
		unsigned index = 0;
		if (chain[i]->string != NULL) {
			path_append_key(ret, strlen(ret->path), chain[i]->string);
			continue;
		}
		for (const cJSON *c = chain[i - 1]->child; c != chain[i]; c = c->next)
			index++;
		path_append_index(ret, strlen(ret->path), index);
	}
}

/* What the grammar allows and we do not: a key twice (which of the two was meant?), a number no double holds. */
static int check_node(const cJSON *const *chain, size_t n, struct err *err)
{
	const cJSON *node = chain[n - 1];
	const char *twice = cJSON_IsObject(node) ? duplicate_key(node) : NULL;
	bool too_large = cJSON_IsNumber(node) && !isfinite(node->valuedouble);
	if (twice == NULL && !too_large)
		return 0;
	struct json at;
	chain_path(chain, n, &at);
	const char *colon = at.path[0] != '\0' ? ": " : "";
	if (too_large)
		return err_set(err, ERR_PARSE, "%s%sa number that is too large", at.path, colon);
	return err_set(err, ERR_PARSE, "%s%sthe key \"%.80s\" stands twice in one object", at.path, colon, twice);
}

/* Walks the tree with its own stack: json_scan() has bounded the depth. */
static int check_tree(const cJSON *root, struct err *err)
{
	const cJSON *chain[JSON_DEPTH_MAX + 2];
	size_t n = 1;
	chain[0] = root;
	int rc = check_node(chain, n, err);
	const cJSON *next = root->child;
	while (rc == 0) {
		while (next == NULL && n > 1)
			next = chain[--n]->next;
		if (next == NULL)
			break;
		chain[n++] = next;
		rc = check_node(chain, n, err);
		next = next->child;
		if (next == NULL)
			next = chain[--n]->next;
	}
	return rc;
}

/* A copy with every escape \u0000 made \ufffd, or NULL when there is none. */
static char *without_nul_escapes(const char *bytes, size_t len)
{
	if (memmem(bytes, len, "\\u0000", 6) == NULL)
		return NULL;
	char *copy = xstrndup(bytes, len);
	char *p = copy, *end = copy + len;
	while ((p = memchr(p, '\\', (size_t)(end - p))) != NULL) {
		if (end - p >= 6 && memcmp(p, "\\u0000", 6) == 0)
			memcpy(p + 2, "fffd", 4);
		p += 2; /* json_scan() has seen that every backslash is followed by something */
	}
	return copy;
}

int json_parse(const char *bytes, size_t len, const struct json_limits *limits, struct json_doc **ret_doc, struct json *ret_root,
	       struct err *err)
{
	int rc = json_scan(bytes, len, limits, err);
	if (rc != 0)
		return rc;
	CLEANUP_FREE char *copy = without_nul_escapes(bytes, len);
	cJSON *root = cJSON_ParseWithLengthOpts(copy != NULL ? copy : bytes, len, NULL, false);
	if (root == NULL)
		return err_set(err, ERR_PARSE, "JSON that the library does not read");
	rc = check_tree(root, err);
	if (rc != 0) {
		cJSON_Delete(root);
		return rc;
	}
	struct json_doc *doc = xcalloc(1, sizeof(*doc));
	doc->root = root;
	*ret_doc = doc;
	*ret_root = (struct json){.doc = doc, .node = root};
	return 0;
}

void json_doc_free(struct json_doc *doc)
{
	if (doc == NULL)
		return;
	cJSON_Delete(doc->root);
	free(doc);
}

void json_doc_free_ptr(struct json_doc **doc)
{
	json_doc_free(*doc);
	*doc = NULL;
}

/* ---- looking ---- */

/* A node is never Raw or Invalid: the parser makes neither. */
enum json_type json_type(const struct json *j)
{
	const cJSON *n = node_of(j);
	if (n == NULL)
		return JSON_MISSING;
	switch (n->type & 0xff) {
	case cJSON_NULL: return JSON_NULL;
	case cJSON_True:
	case cJSON_False: return JSON_BOOL;
	case cJSON_Number: return JSON_NUMBER;
	case cJSON_String: return JSON_STRING;
	case cJSON_Array: return JSON_ARRAY;
	case cJSON_Object: return JSON_OBJECT;
	default: return JSON_MISSING;
	}
}

/* The path names the member also when there is none: "missing" is said of it. */
struct json json_member(const struct json *obj, const char *key)
{
	struct json r = *obj;
	r.node = NULL;
	if (json_type(obj) == JSON_OBJECT)
		r.node = cJSON_GetObjectItemCaseSensitive(node_of(obj), key);
	path_append_key(&r, strlen(r.path), key);
	return r;
}

struct json json_at(const struct json *arr, size_t i)
{
	struct json r = *arr;
	const cJSON *c = json_type(arr) == JSON_ARRAY ? node_of(arr)->child : NULL;
	for (size_t k = 0; k < i && c != NULL; k++)
		c = c->next;
	r.node = c;
	path_append_index(&r, strlen(r.path), (unsigned)i);
	return r;
}

size_t json_count(const struct json *arr_or_obj)
{
	const cJSON *n = node_of(arr_or_obj);
	return n != NULL && is_container(n) ? count_children(n) : 0;
}

bool json_is_true(const struct json *j) { return j->node != NULL && cJSON_IsTrue(node_of(j)); }

const char *json_text(const struct json *j) { return json_type(j) == JSON_STRING ? node_of(j)->valuestring : NULL; }

void json_wipe(const struct json *j)
{
	if (json_type(j) == JSON_STRING)
		explicit_bzero(node_of(j)->valuestring, strlen(node_of(j)->valuestring));
}

double json_number(const struct json *j) { return node_of(j)->valuedouble; }

/* Points a loop's cursor at an element and names it. */
static void stand_on(struct json *j, const cJSON *element)
{
	j->node = element;
	if (element == NULL)
		return;
	if (element->string != NULL)
		path_append_key(j, j->parent, element->string);
	else
		path_append_index(j, j->parent, j->index);
}

struct json json_first(const struct json *arr_or_obj)
{
	struct json r = *arr_or_obj;
	const cJSON *n = node_of(arr_or_obj);
	r.parent = (unsigned short)strlen(r.path);
	r.index = 0;
	stand_on(&r, n != NULL && is_container(n) ? n->child : NULL);
	return r;
}

struct json json_next(const struct json *element)
{
	struct json r = *element;
	r.index++;
	stand_on(&r, node_of(element) != NULL ? node_of(element)->next : NULL);
	return r;
}

const char *json_key(const struct json *element) { return element->node != NULL ? node_of(element)->string : NULL; }

/* ---- comparing: depth bounded by json_scan() ---- */

static bool same_node(const cJSON *a, const cJSON *b);

static bool same_object(const cJSON *a, const cJSON *b)
{
	size_t n = count_children(a);
	if (n != count_children(b))
		return false;
	const cJSON *x = a->child, *y = b->child;
	while (x != NULL && strcmp(x->string, y->string) == 0) { /* the usual case: the same order */
		if (!same_node(x, y))
			return false;
		x = x->next;
		y = y->next;
	}
	if (x == NULL)
		return true;
	const cJSON **va = sorted_members(a, n), **vb = sorted_members(b, n);
	bool same = true;
	for (size_t i = 0; i < n && same; i++)
		same = strcmp(va[i]->string, vb[i]->string) == 0 && same_node(va[i], vb[i]);
	free(va);
	free(vb);
	return same;
}

/* Order counts in arrays. */
static bool same_array(const cJSON *a, const cJSON *b)
{
	const cJSON *x = a->child, *y = b->child;
	for (; x != NULL && y != NULL; x = x->next, y = y->next)
		if (!same_node(x, y))
			return false;
	return x == y;
}

/* Both finite (check_tree), so neither smaller is equal; == on doubles is a warning here. */
static bool same_number(double a, double b) { return !(a < b) && !(b < a); }

static bool same_node(const cJSON *a, const cJSON *b)
{
	if ((a->type & 0xff) != (b->type & 0xff))
		return false;
	switch (a->type & 0xff) {
	case cJSON_Number: return same_number(a->valuedouble, b->valuedouble);
	case cJSON_String: return strcmp(a->valuestring, b->valuestring) == 0;
	case cJSON_Array: return same_array(a, b);
	case cJSON_Object: return same_object(a, b);
	default: return true;
	}
}

bool json_same(const struct json *a, const struct json *b)
{
	if (a->node == NULL || b->node == NULL)
		return a->node == b->node;
	return same_node(a->node, b->node);
}

/* ---- printing: depth bounded by json_scan() ---- */

/* Whole numbers without exponent, others with as few digits as bring the same double back. */
static void print_number(double v, struct buf *out)
{
	if (fabs(v) < 1e21 && same_number(v, trunc(v))) {
		buf_printf(out, "%.0f", v + 0.0);
		return;
	}
	char text[40];
	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, v);
		if (same_number(strtod(text, NULL), v))
			break;
	}
	buf_adds(out, text);
}

static void new_line(struct buf *out, int indent, int level)
{
	if (indent <= 0)
		return;
	buf_addc(out, '\n');
	for (int i = 0; i < indent * level; i++)
		buf_addc(out, ' ');
}

static void print_node(const cJSON *n, struct buf *out, int indent, int level)
{
	bool object = cJSON_IsObject(n);
	if (cJSON_IsNumber(n)) {
		print_number(n->valuedouble, out);
	} else if (cJSON_IsString(n)) {
		json_quote(out, n->valuestring, strlen(n->valuestring));
	} else if (!is_container(n)) {
		buf_adds(out, cJSON_IsTrue(n) ? "true" : cJSON_IsFalse(n) ? "false" : "null");
	} else {
		buf_addc(out, object ? '{' : '[');
		for (const cJSON *c = n->child; c != NULL; c = c->next) {
			new_line(out, indent, level + 1);
			if (object) {
				json_quote(out, c->string, strlen(c->string));
				buf_adds(out, indent > 0 ? ": " : ":");
			}
			print_node(c, out, indent, level + 1);
			if (c->next != NULL)
				buf_addc(out, ',');
		}
		if (n->child != NULL)
			new_line(out, indent, level);
		buf_addc(out, object ? '}' : ']');
	}
}

void json_print(const struct json *j, struct buf *out) { json_print_pretty(j, out, 0); }

void json_print_pretty(const struct json *j, struct buf *out, int indent)
{
	if (j->node != NULL)
		print_node(j->node, out, indent, 0);
	else
		buf_adds(out, "null");
}
