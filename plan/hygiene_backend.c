/* Where a project's state is: the backend or cloud block that its files name, and what OpenTofu would put into it. */
#include "plan/hygiene.h"

#include "base/crypto.h"
#include "base/text.h"

#include <ctype.h>

enum { NAMES_MAX = 200 };

/* ---- which files count ---- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

/* OpenTofu: main.tofu stands for main.tf, main.tofu.json for main.tf.json. */
static bool is_shadowed(const struct tf_dir *d, const struct tf_source *s)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct tf_source *o = &d->v[i];
		if (o->name.kind == TF_CONFIG && o->name.tofu && o->name.json == s->name.json && o->name.stem == s->name.stem &&
		    memcmp(base_name(o->path), base_name(s->path), s->name.stem) == 0)
			return true;
	}
	return false;
}

static bool counts(const struct tf_dir *d, const struct tf_source *s, bool tofu)
{
	if (s->name.kind != TF_CONFIG)
		return false;
	return s->name.tofu ? tofu : !tofu || !is_shadowed(d, s);
}

/* ---- what the block uses ---- */

struct look {
	const struct tf_dir *dir;
	bool tofu;
	struct backend_place *place;
	struct strlist names; /* "var.x", "local.y": looked up, or to be */
};

static void set_unclear(struct backend_place *p, const char *file, int line, const char *why)
{
	if (p->unclear == NULL)
		p->unclear = xasprintf("%s:%d: %s", file, line, why);
}

static bool is_word_char(char c) { return isalnum((unsigned char)c) || c == '_' || c == '-' || (unsigned char)c >= 0x80; }

/* Words of an expression, in its texts too: what they might refer to is compared as well, whether or not they do. The tokens of a reference have blanks
 * between them outside of templates and none inside. */
static void note_words(struct look *k, const char *value, const char *file, int line)
{
	static const char *const kinds[] = {"var", "local"};
	for (const char *p = value; *p != '\0';) {
		size_t n = 0, after;
		while (is_word_char(p[n]))
			n++;
		after = n + strspn(p + n, " ");
		if (n > 0 && p[after] == '(' && (strncmp(p, "file", 4) == 0 || strncmp(p, "templatefile", 12) == 0))
			set_unclear(k->place, file, line, "the backend is computed from a file, and sluice does not follow that: write the values out");
		for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
			if (n != strlen(kinds[i]) || memcmp(p, kinds[i], n) != 0 || p[after] != '.')
				continue;
			const char *name = p + after + 1 + strspn(p + after + 1, " ");
			size_t len = 0;
			while (is_word_char(name[len]))
				len++;
			CLEANUP_FREE char *full = xasprintf("%s.%.*s", kinds[i], (int)len, name);
			if (len > 0 && !strlist_has(&k->names, full) && k->names.n < NAMES_MAX)
				strlist_add(&k->names, full);
		}
		p += n > 0 ? n : 1;
	}
	if (k->names.n == NAMES_MAX)
		set_unclear(k->place, file, line, "the backend uses too many variables: write the values out");
}

static void add_value(struct look *k, const char *name, const struct tf_node *n, const char *file)
{
	strlist_take(&k->place->lines, xasprintf("%s = %s", name, n->value));
	note_words(k, n->value, file, n->line);
}

/* Everything that gives a variable or local its value: the default, locals, and files of values. */
static void add_named(struct look *k, const char *full)
{
	bool is_var = text_starts(full, "var.");
	const char *name = strchr(full, '.') + 1;
	for (size_t i = 0; i < k->dir->n; i++) {
		const struct tf_source *s = &k->dir->v[i];
		for (const struct tf_node *n = s->file.first; n != NULL; n = n->next) {
			const struct tf_node *found = NULL;
			if (s->name.kind == TF_VALUES)
				found = is_var && n->value != NULL && n->name != NULL && strcmp(n->name, name) == 0 ? n : NULL;
			else if (!counts(k->dir, s, k->tofu))
				continue;
			else if (is_var && tf_is_block(n, "variable") && n->label[0] != NULL && strcmp(n->label[0], name) == 0)
				found = tf_attribute(n, "default");
			else if (!is_var && tf_is_block(n, "locals"))
				found = tf_attribute(n, name);
			if (found != NULL)
				add_value(k, full, found, s->path);
		}
	}
}

/* ---- the block ---- */

static void take_block(struct look *k, const struct tf_source *s, const struct tf_node *n)
{
	struct backend_place *p = k->place;
	xstrset(&p->type, tf_is_block(n, "cloud") ? "cloud" : n->label[0] != NULL ? n->label[0] : "");
	xstrset(&p->file, s->path);
	p->line = n->line;
	tf_flatten(n, &p->lines);
}

/* The blocks of one kind of files. In override files the last one replaces what was said before. */
static void take_blocks(struct look *k, bool overrides)
{
	for (size_t i = 0; i < k->dir->n; i++) {
		const struct tf_source *s = &k->dir->v[i];
		if (!counts(k->dir, s, k->tofu) || s->name.override != overrides)
			continue;
		if (!s->file.readable && s->names_backend)
			set_unclear(k->place, s->path, 1, "the file cannot be read, and it may say where the state is: mend it first");
		for (const struct tf_node *t = s->file.first; t != NULL; t = t->next)
			for (const struct tf_node *n = tf_is_block(t, "terraform") ? t->child : NULL; n != NULL; n = n->next) {
				if (!tf_is_block(n, "backend") && !tf_is_block(n, "cloud"))
					continue;
				if (overrides)
					strlist_free(&k->place->lines);
				take_block(k, s, n);
			}
	}
}

void backend_place_read(const struct tf_dir *d, bool tofu, struct backend_place *ret)
{
	*ret = (struct backend_place){0};
	struct look k = {.dir = d, .tofu = tofu, .place = ret};
	take_blocks(&k, false);
	take_blocks(&k, true);
	size_t own = ret->lines.n;
	for (size_t i = 0; i < own; i++)
		note_words(&k, ret->lines.v[i], ret->file, ret->line);
	for (size_t i = 0; i < k.names.n; i++) { /* grows on the way */
		CLEANUP_FREE char *name = xstrdup(k.names.v[i]);
		add_named(&k, name);
	}
	strlist_sort(&ret->lines);
	strlist_free(&k.names);
}

void backend_place_free(struct backend_place *p)
{
	strlist_free(&p->lines);
	free(p->type);
	free(p->file);
	free(p->unclear);
	*p = (struct backend_place){0};
}

void backend_place_digest(const struct backend_place *p, char ret[65])
{
	CLEANUP_BUF struct buf b = {0};
	ret[0] = '\0';
	if (p->type == NULL)
		return;
	buf_printf(&b, "%s\n", p->type);
	for (size_t i = 0; i < p->lines.n; i++)
		buf_printf(&b, "%s\n", p->lines.v[i]);
	crypto_sha256_hex(buf_str(&b), b.len, ret);
}

/* ---- comparing ---- */

static void add_missing(const struct strlist *in, const struct strlist *from, struct strlist *names)
{
	for (size_t i = 0; i < in->n; i++) {
		if (strlist_has(from, in->v[i]))
			continue;
		const char *end = strstr(in->v[i], " = ");
		CLEANUP_FREE char *name = xstrndup(in->v[i], end != NULL ? (size_t)(end - in->v[i]) : strlen(in->v[i]));
		for (char *p = name; *p != '\0'; p++)
			*p = *p == '`' ? '\'' : *p;
		if (!strlist_has(names, name) && names->n < 8)
			strlist_add(names, name);
	}
}

char *backend_place_differs(const struct backend_place *base, const struct backend_place *head)
{
	const char *was = base->type != NULL ? base->type : "none", *is = head->type != NULL ? head->type : "none";
	if (strcmp(was, is) != 0)
		return xasprintf("`%.60s` -> `%.60s`", was, is);
	struct strlist names = {0};
	CLEANUP_BUF struct buf out = {0};
	add_missing(&base->lines, &head->lines, &names);
	add_missing(&head->lines, &base->lines, &names);
	for (size_t i = 0; i < names.n; i++)
		buf_printf(&out, "%s`%.60s`", i > 0 ? ", " : "", names.v[i]);
	if (names.n == 0 && base->lines.n != head->lines.n)
		buf_adds(&out, "said twice");
	strlist_free(&names);
	return out.len > 0 ? buf_take(&out) : NULL;
}
