/* The JSON form: *.tf.json, *.tofu.json, *.tfvars.json. What is a block and how many labels it has, the schema below says; all else is an
 * attribute. */
#include "plan/tf_file.h"

#include "base/json.h"
#include "base/limits.h"

struct shape {
	const char *parent; /* NULL: the file */
	const char *type;
	unsigned labels;
};

static const struct shape shapes[] = {
	{NULL, "terraform", 0},       {NULL, "locals", 0},         {NULL, "moved", 0},       {NULL, "import", 0},      {NULL, "removed", 0},
	{NULL, "provider", 1},        {NULL, "variable", 1},       {NULL, "output", 1},      {NULL, "module", 1},      {NULL, "check", 1},
	{NULL, "resource", 2},        {NULL, "data", 2},           {NULL, "ephemeral", 2},   {NULL, "action", 2},      {NULL, "list", 2},
	{"terraform", "backend", 1},  {"terraform", "cloud", 0},   {"terraform", "required_providers", 0},
	{"terraform", "provider_meta", 1}, {"terraform", "encryption", 0}, {"cloud", "workspaces", 0},
	{"resource", "lifecycle", 0}, {"resource", "provisioner", 1}, {"resource", "connection", 0}, {"data", "lifecycle", 0},
	{"ephemeral", "lifecycle", 0}, {"removed", "lifecycle", 0}, {"removed", "provisioner", 1},
	{"check", "data", 2},
};

struct walk {
	struct tf_file *file;
	const char *at, *limit; /* where the next key is looked for: keys come in the order of the text */
	int line;
};

static const struct shape *shape_of(const char *parent, const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		bool same = parent == NULL ? shapes[i].parent == NULL : shapes[i].parent != NULL && strcmp(shapes[i].parent, parent) == 0;
		if (same && strcmp(shapes[i].type, key) == 0)
			return &shapes[i];
	}
	return NULL;
}

/* The line of the next place where the key stands; a key with escapes is not found, and has the line of what stood before it. */
static int line_of(struct walk *w, const char *key)
{
	CLEANUP_BUF struct buf quoted = {0};
	json_quote(&quoted, key, strlen(key));
	const char *found = w->at != NULL ? memmem(w->at, (size_t)(w->limit - w->at), quoted.data, quoted.len) : NULL;
	if (found == NULL)
		return w->line;
	for (; w->at < found; w->at++)
		w->line += *w->at == '\n';
	w->at = found + quoted.len;
	return w->line;
}

static void attribute(struct walk *w, const struct json *value, bool expand, struct tf_node ***tail)
{
	CLEANUP_BUF struct buf text = {.max = 4 * LIMIT_HCL_FILE_BYTES};
	struct tf_node *n = tf_node_add(w->file, tail, line_of(w, json_key(value)));
	if (n == NULL)
		return;
	json_print(value, &text);
	n->name = xstrdup(json_key(value));
	n->value = xstrdup(buf_str(&text));
	struct tf_node **child = &n->child;
	for (struct json e = json_first(value); expand && json_type(value) == JSON_OBJECT && json_ok(&e); e = json_next(&e))
		attribute(w, &e, false, &child);
}

static void body(struct walk *w, const struct json *object, const char *type, struct tf_node ***tail);

/* One block; or, while labels are missing, one for each key of the object. At each level an array means the same as several of its elements.
 * The parser bounds the depth (LIMIT_JSON_DEPTH). */
static void block(struct walk *w, const struct json *value, const struct shape *s, const char *const *label, unsigned labels, int line,
		  struct tf_node ***tail)
{
	if (json_type(value) == JSON_ARRAY) {
		for (struct json e = json_first(value); json_ok(&e); e = json_next(&e))
			block(w, &e, s, label, labels, line, tail);
		return;
	}
	if (labels < s->labels) {
		const char *next[TF_LABELS] = {label[0], label[1]};
		for (struct json e = json_first(value); json_type(value) == JSON_OBJECT && json_ok(&e); e = json_next(&e)) {
			next[labels] = json_key(&e);
			block(w, &e, s, next, labels + 1, line_of(w, json_key(&e)), tail);
		}
		return;
	}
	struct tf_node *n = tf_node_add(w->file, tail, line);
	if (n == NULL)
		return;
	n->name = xstrdup(s->type);
	for (unsigned i = 0; i < labels; i++)
		n->label[i] = xstrdup(label[i]);
	struct tf_node **child = &n->child;
	if (json_type(value) == JSON_OBJECT)
		body(w, value, s->type, &child);
}

static void body(struct walk *w, const struct json *object, const char *type, struct tf_node ***tail)
{
	static const char *const none[TF_LABELS] = {NULL};
	for (struct json e = json_first(object); json_ok(&e); e = json_next(&e)) {
		const struct shape *s = shape_of(type, json_key(&e));
		if (s != NULL)
			block(w, &e, s, none, 0, line_of(w, json_key(&e)), tail);
		else
			attribute(w, &e, true, tail);
	}
}

void tf_json_read(const char *bytes, size_t len, struct tf_file *ret)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	if (json_parse(bytes, len, NULL, &doc, &root, NULL) != 0)
		return;
	struct walk w = {.file = ret, .at = bytes, .limit = bytes + len, .line = 1};
	struct tf_node **tail = &ret->first;
	bool array = json_type(&root) == JSON_ARRAY;
	for (struct json e = json_first(&root); array && json_ok(&e); e = json_next(&e))
		if (json_type(&e) == JSON_OBJECT)
			body(&w, &e, NULL, &tail);
	if (json_type(&root) == JSON_OBJECT)
		body(&w, &root, NULL, &tail);
	ret->readable = ret->nodes <= LIMIT_TF_NODES && (array || json_type(&root) == JSON_OBJECT);
}
