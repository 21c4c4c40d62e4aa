/* What the configuration of one side of a change says that reviewers easily overlook. A fact is told when it is on one side only, whichever file
 * it stands in: what merely moves to another file is not told. */
#include "plan/hygiene.h"

#include "base/limits.h"
#include "base/text.h"

#include <ctype.h>

enum { SHOWN_BYTES = 80, FACTS_MAX = 20000 };

struct place {
	struct block_facts *facts;
	const char *path;
};

/* Foreign text between `marks`: short, on one line, without back-ticks, tokens drawn together again. Disarmed where it is shown. */
static char *shown(const char *s)
{
	CLEANUP_BUF struct buf b = {0};
	size_t len = strlen(s), cut = text_cut(s, len, SHOWN_BYTES);
	for (size_t i = 0; i < cut; i++) {
		bool glued = s[i] == ' ' && ((b.len > 0 && strchr(".[(", b.data[b.len - 1]) != NULL) || (i + 1 < cut && strchr(".,])[(", s[i + 1]) != NULL));
		if (!glued)
			buf_addc(&b, s[i] == '`' ? '\'' : (unsigned char)s[i] < ' ' ? ' ' : s[i]);
	}
	buf_adds(&b, cut < len ? "..." : "");
	return buf_take(&b);
}

static void add(struct place *p, int line, const char *kind, bool when_gone, char *key, char *text)
{
	struct block_facts *f = p->facts;
	if (f->n >= FACTS_MAX) {
		free(key);
		free(text);
		return;
	}
	if (f->n == f->cap) {
		f->cap = f->cap == 0 ? 32 : f->cap * 2;
		f->v = xreallocarray(f->v, f->cap, sizeof(*f->v));
	}
	f->v[f->n++] = (struct block_fact){.key = key, .file = xstrdup(p->path), .line = line, .kind = kind, .text = text, .when_gone = when_gone};
}

static char *body_text(const struct tf_node *n)
{
	struct strlist lines = {0};
	tf_flatten(n, &lines);
	char *text = text_join_lines(&lines);
	strlist_free(&lines);
	return text != NULL ? text : xstrdup("");
}

static const char *value_of(const struct tf_node *n, const char *name)
{
	const struct tf_node *a = tf_attribute(n, name);
	return a != NULL ? a->value : "";
}

/* "aws_x.y", "data.http.y". */
static char *address_of(const struct tf_node *n)
{
	CLEANUP_FREE char *type = shown(n->label[0] != NULL ? n->label[0] : "?");
	CLEANUP_FREE char *name = shown(n->label[1] != NULL ? n->label[1] : "?");
	return xasprintf("%s%s.%s", tf_is_block(n, "data") ? "data." : tf_is_block(n, "ephemeral") ? "ephemeral." : "", type, name);
}

/* ---- the state ---- */

static void on_state(struct place *p, const struct tf_node *n)
{
	CLEANUP_FREE char *from = shown(value_of(n, "from")), *to = shown(value_of(n, "to"));
	bool stays = false;
	for (const struct tf_node *c = n->child; c != NULL; c = c->next)
		stays = stays || (tf_is_block(c, "lifecycle") && strcmp(value_of(c, "destroy"), "false") == 0);
	char *text = tf_is_block(n, "moved")    ? xasprintf("gives `%s` the name `%s` in the state", from, to)
		     : tf_is_block(n, "import") ? xasprintf("takes what exists into the state as `%s`", to)
		     : stays                    ? xasprintf("takes `%s` out of the state and leaves it alive, managed by nobody", from)
						: xasprintf("takes `%s` out of the configuration and destroys it", from);
	CLEANUP_FREE char *body = body_text(n);
	add(p, n->line, "state", false, xasprintf("%s %s", n->name, body), text);
}

/* ---- resources and data ---- */

static void on_provisioner(struct place *p, const struct tf_node *in, const struct tf_node *n)
{
	CLEANUP_FREE char *type = shown(n->label[0] != NULL ? n->label[0] : "?");
	CLEANUP_FREE char *body = body_text(n);
	CLEANUP_FREE char *address = tf_is_block(in, "removed") ? shown(value_of(in, "from")) : address_of(in);
	bool runs = strcmp(type, "file") != 0;
	add(p, n->line, "program", false, xasprintf("provisioner %s %s %s", address, type, body),
	    xasprintf("`%s` %s (`%s` provisioner)", address, runs ? "starts a program when it is applied" : "copies files when it is applied", type));
}

static void on_lifecycle(struct place *p, const struct tf_node *in, const struct tf_node *n)
{
	CLEANUP_FREE char *address = address_of(in);
	const char *ignored = value_of(n, "ignore_changes");
	if (strcmp(value_of(n, "prevent_destroy"), "true") == 0)
		add(p, 0, "protection", true, xasprintf("prevent_destroy %s", address), xasprintf("`%s` loses `prevent_destroy`", address));
	if (ignored[0] == '\0')
		return;
	CLEANUP_FREE char *what = shown(ignored);
	add(p, n->line, "protection", false, xasprintf("ignore_changes %s %s", address, ignored),
	    xasprintf("`%s` does not look at `%s` any more (`ignore_changes`)", address, what));
}

static void on_data(struct place *p, const struct tf_node *n)
{
	static const struct {
		const char *type, *what;
	} types[] = {
		{"external", "starts a program when it is planned"},
		{"http", "sends a request when it is planned"},
		{"terraform_remote_state", "reads another state"},
		{"local_file", "reads a file"},
		{"local_sensitive_file", "reads a file"},
	};
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (n->label[0] == NULL || strcmp(n->label[0], types[i].type) != 0)
			continue;
		CLEANUP_FREE char *address = address_of(n), *body = body_text(n);
		add(p, n->line, i == 0 ? "program" : "data", false, xasprintf("%s %s", address, body), xasprintf("`%s` %s", address, types[i].what));
	}
}

static void on_resource(struct place *p, const struct tf_node *n)
{
	for (const struct tf_node *c = n->child; c != NULL; c = c->next) {
		if (tf_is_block(c, "provisioner"))
			on_provisioner(p, n, c);
		else if (tf_is_block(c, "lifecycle") && tf_is_block(n, "resource"))
			on_lifecycle(p, n, c);
		else if (tf_is_block(c, "data"))
			on_data(p, c);
	}
}

/* ---- modules ---- */

static bool is_commit(const char *s)
{
	size_t n = strspn(s, "0123456789abcdef");
	return n == 40 && (s[n] == '\0' || s[n] == '&');
}

/* "1.2.3", and "= 1.2.3". */
static bool is_one_version(const char *value)
{
	CLEANUP_FREE char *text = tf_literal(value);
	const char *s = text != NULL ? text : "";
	s += strspn(s, " =v");
	return *s != '\0' && strspn(s, "0123456789.") == strlen(s) && strchr(s, '.') != NULL && strchr(strchr(s, '.') + 1, '.') != NULL;
}

static void on_module(struct place *p, const struct tf_node *n)
{
	const char *source = value_of(n, "source"), *version = value_of(n, "version");
	CLEANUP_FREE char *text = tf_literal(source), *name = shown(n->label[0] != NULL ? n->label[0] : "?");
	if (text != NULL && (text_starts(text, "./") || text_starts(text, "../")))
		return;
	CLEANUP_FREE char *from = shown(text != NULL ? text : source);
	const char *ref = text != NULL ? strstr(text, "ref=") : NULL;
	bool registry = text != NULL && strpbrk(text, ":?") == NULL && !text_starts(text, "git@") && !text_starts(text, "github.com/");
	const char *how = text == NULL ? ", which is computed" : registry ? (is_one_version(version) ? "" : ", in no fixed version")
								  : ref != NULL && is_commit(ref + 4) ? "" : ", at no fixed commit";
	add(p, n->line, "module", false, xasprintf("module %s %s %s", name, source, version),
	    xasprintf("the module `%s` comes from `%s`%s", name, from, how));
}

/* ---- values ---- */

static bool uncovers(const char *value)
{
	for (const char *p = value; (p = strstr(p, "nonsensitive")) != NULL; p += 12) {
		bool word = p == value || (!isalnum((unsigned char)p[-1]) && p[-1] != '_' && p[-1] != '-');
		if (word && p[12 + strspn(p + 12, " ")] == '(')
			return true;
	}
	return false;
}

/* Every attribute of a block and of the blocks in it; the reader bounds their depth. */
static void on_values(struct place *p, const struct tf_node *n)
{
	for (const struct tf_node *c = n; c != NULL; c = c->next) {
		if (c->value == NULL) {
			on_values(p, c->child);
		} else if (uncovers(c->value)) {
			CLEANUP_FREE char *name = shown(c->name != NULL ? c->name : "?");
			add(p, c->line, "secret", false, xasprintf("nonsensitive %s %s", name, c->value),
			    xasprintf("`%s` uncovers a sensitive value (`nonsensitive`)", name));
		}
	}
}

/* ---- one side ---- */

void block_facts_add(struct block_facts *f, const char *path, const struct tf_file *file)
{
	struct place p = {.facts = f, .path = path};
	for (const struct tf_node *n = file->first; n != NULL; n = n->next) {
		if (n->value != NULL)
			continue;
		if (tf_is_block(n, "moved") || tf_is_block(n, "removed") || tf_is_block(n, "import"))
			on_state(&p, n);
		if (tf_is_block(n, "resource") || tf_is_block(n, "removed") || tf_is_block(n, "check"))
			on_resource(&p, n);
		if (tf_is_block(n, "data"))
			on_data(&p, n);
		if (tf_is_block(n, "module"))
			on_module(&p, n);
	}
	on_values(&p, file->first);
}

void block_facts_free(struct block_facts *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].key);
		free(f->v[i].file);
		free(f->v[i].text);
	}
	free(f->v);
	*f = (struct block_facts){0};
}

/* ---- both sides ---- */

static int by_key(const void *a, const void *b)
{
	const struct block_fact *x = a, *y = b;
	int c = strcmp(x->key, y->key);
	return c != 0 ? c : strcmp(x->file, y->file);
}

static void tell(const struct block_fact *f, bool gone, struct told_list *told)
{
	if (f->when_gone == gone)
		told_add(told, f->file, f->line, f->kind, "%s", f->text);
}

void hygiene_blocks(struct block_facts *before, struct block_facts *after, struct told_list *told)
{
	size_t i = 0, k = 0;
	if (before->n > 1)
		qsort(before->v, before->n, sizeof(*before->v), by_key);
	if (after->n > 1)
		qsort(after->v, after->n, sizeof(*after->v), by_key);
	while (i < before->n || k < after->n) {
		int c = i == before->n ? 1 : k == after->n ? -1 : strcmp(before->v[i].key, after->v[k].key);
		if (c < 0)
			tell(&before->v[i], true, told);
		else if (c > 0)
			tell(&after->v[k], false, told);
		i += c <= 0;
		k += c >= 0;
	}
}
