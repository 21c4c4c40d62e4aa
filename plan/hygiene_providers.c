/* Which providers the files of one module ask for, written out or implied by the types of what is in them. Files that cannot be read are not
 * looked at: the engine cannot read them either, and what it installs is held against the rules once more after its `init`. JSON is another
 * matter. */
#include "plan/hygiene.h"

#include "runner/provider_rule.h"

static void need(struct provider_needs *p, const char *source, const char *file, int line, const char *how)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i].source, source) == 0)
			return;
	p->v = xreallocarray(p->v, p->n + 1, sizeof(*p->v));
	p->v[p->n++] = (struct provider_need){.source = xstrdup(source), .file = xstrdup(file), .line = line, .how = xstrdup(how)};
}

static void unclear(struct provider_needs *p, const char *file, const struct tf_node *entry, const char *why)
{
	if (p->unclear == NULL)
		p->unclear = xasprintf("%s:%d: %s `%.100s` is computed: write it as a plain text", file, entry->line, why, entry->name);
}

/* ---- what is written out ---- */

static void add_source(struct provider_needs *p, const struct tf_node *entry, const struct tf_node *key, const char *file)
{
	CLEANUP_FREE char *source = key->name != NULL ? tf_literal(key->value) : NULL;
	if (source == NULL)
		unclear(p, file, entry, "the source of the provider");
	else
		need(p, source, file, entry->line, "");
}

/* aws = { source = "hashicorp/aws" } · aws = "~> 5.0", which is a version alone */
static void add_required(struct provider_needs *p, const struct tf_node *entry, const char *file)
{
	bool said = false;
	if (entry->value == NULL || entry->name == NULL)
		return;
	if (entry->child == NULL && strcmp(entry->value, "{ }") != 0 && strcmp(entry->value, "{}") != 0 && entry->value[0] != '"') {
		unclear(p, file, entry, "what is required of the provider");
		return;
	}
	for (const struct tf_node *key = entry->child; key != NULL; key = key->next) {
		if (key->name != NULL && strcmp(key->name, "source") != 0)
			continue;
		said = true;
		add_source(p, entry, key, file);
	}
	if (!said)
		need(p, entry->name, file, entry->line, "");
}

static const struct tf_node *next_required(const struct tf_node *terraform, const struct tf_node *after)
{
	const struct tf_node *n = after != NULL ? after->next : terraform->child;
	while (n != NULL && !tf_is_block(n, "required_providers"))
		n = n->next;
	return n;
}

static void add_written(struct provider_needs *p, const struct tf_source *s)
{
	for (const struct tf_node *t = s->file.first; t != NULL; t = t->next)
		for (const struct tf_node *r = tf_is_block(t, "terraform") ? next_required(t, NULL) : NULL; r != NULL; r = next_required(t, r))
			for (const struct tf_node *e = r->child; e != NULL; e = e->next)
				add_required(p, e, s->path);
}

static bool is_written(const struct tf_dir *d, const char *local)
{
	for (size_t i = 0; i < d->n; i++)
		for (const struct tf_node *t = d->v[i].file.first; t != NULL; t = t->next)
			for (const struct tf_node *r = tf_is_block(t, "terraform") ? next_required(t, NULL) : NULL; r != NULL; r = next_required(t, r))
				if (tf_attribute(r, local) != NULL)
					return true;
	return false;
}

/* ---- what is implied ---- */

/* The local name of the provider that a block needs; NULL: none. */
static char *local_name(const struct tf_node *n)
{
	static const char *const typed[] = {"resource", "data", "ephemeral", "action", "list"};
	const struct tf_node *said = n->value == NULL ? tf_attribute(n, "provider") : NULL;
	const struct tf_node *to = tf_is_block(n, "import") ? tf_attribute(n, "to") : NULL;
	const char *type = NULL;
	for (size_t i = 0; i < ARRAY_LEN(typed); i++)
		if (tf_is_block(n, typed[i]))
			type = n->label[0];
	if (tf_is_block(n, "provider") && n->label[0] != NULL)
		return xstrdup(n->label[0]);
	if ((type != NULL || to != NULL) && said != NULL)
		return tf_first_word(said->value);
	CLEANUP_FREE char *first = type == NULL && to != NULL ? tf_first_word(to->value) : NULL;
	if (first != NULL && strcmp(first, "module") != 0 && strcmp(first, "data") != 0)
		type = first;
	return type != NULL ? xstrndup(type, strcspn(type, "_")) : NULL;
}

/* A name that was seen is not looked at again: a directory may hold thousands of resources of one provider. */
static void add_implied(struct provider_needs *p, const struct tf_dir *d, const struct tf_source *s, const struct tf_node *n, struct strlist *seen)
{
	CLEANUP_FREE char *local = local_name(n);
	if (local == NULL || strcmp(local, "terraform") == 0 || strlist_has(seen, local))
		return;
	strlist_add(seen, local);
	if (is_written(d, local))
		return;
	CLEANUP_FREE char *how = xasprintf(", which `%s%s%.100s` implies,", n->name, n->label[0] != NULL ? " " : "", n->label[0] != NULL ? n->label[0] : "");
	need(p, local, s->path, n->line, how);
}

void provider_needs_read(const struct tf_dir *d, struct provider_needs *ret)
{
	struct strlist seen = {0};
	for (size_t i = 0; i < d->n; i++) {
		const struct tf_source *s = &d->v[i];
		if (s->name.kind != TF_CONFIG)
			continue;
		if (s->name.json && !s->file.readable && ret->unclear == NULL) /* the engines take a key twice, and we do not */
			ret->unclear = xasprintf("%s: cannot be read: mend it, and say each key once", s->path);
		add_written(ret, s);
		for (const struct tf_node *n = s->file.first; n != NULL; n = n->next) {
			add_implied(ret, d, s, n, &seen);
			for (const struct tf_node *in = tf_is_block(n, "check") ? n->child : NULL; in != NULL; in = in->next)
				add_implied(ret, d, s, in, &seen);
		}
	}
	strlist_free(&seen);
}

void provider_needs_free(struct provider_needs *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].source);
		free(p->v[i].file);
		free(p->v[i].how);
	}
	free(p->v);
	free(p->unclear);
	*p = (struct provider_needs){0};
}

/* ---- the verdict ---- */

static char *judge(const struct provider_need *p, const char *const *registries, size_t n, const char *rules)
{
	CLEANUP_FREE char *shown = NULL;
	for (size_t i = 0; i < n; i++) {
		CLEANUP_FREE char *full = provider_source_full(p->source, registries[i]);
		if (full == NULL)
			return xasprintf("%s:%d: \"%.100s\" is no source of a provider: write HOST/NAMESPACE/TYPE", p->file, p->line, p->source);
		if (provider_rules_verdict(rules, full, NULL, NULL) == PROVIDER_ALLOWED)
			return NULL;
		if (shown == NULL)
			shown = TAKE(full);
	}
	return xasprintf("%s:%d: the provider `%s`%s is not allowed on this server: use another one, or its operator adds a rule that names it to "
			 "`providers.allow`",
			 p->file, p->line, shown, p->how);
}

char *hygiene_providers(const struct provider_needs *p, const char *const *registries, size_t n, const char *rules)
{
	if (rules == NULL)
		return NULL;
	for (size_t i = 0; i < p->n; i++) {
		char *why = judge(&p->v[i], registries, n, rules);
		if (why != NULL)
			return why;
	}
	return xstrdup(p->unclear);
}
