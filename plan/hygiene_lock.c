/* The dependency lock file: what of a change of it counts. */
#include "plan/hygiene.h"

#include "base/limits.h"
#include "base/text.h"
#include "runner/provider_rule.h"

/* ---- reading ---- */

/* [ "h1:...", "zh:..." ] as the tokens of a list. False: something else is in it. */
static bool read_hashes(const char *value, struct strlist *ret)
{
	const char *p = value;
	if (*p++ != '[')
		return false;
	for (;;) {
		p += strspn(p, " ,");
		if (*p == ']')
			return p[1] == '\0';
		const char *end = *p == '"' ? strchr(p + 1, '"') : NULL;
		if (end == NULL || memchr(p, '\\', (size_t)(end - p)) != NULL || memchr(p, '$', (size_t)(end - p)) != NULL)
			return false;
		strlist_add_n(ret, p + 1, (size_t)(end - p - 1));
		p = end + 1;
	}
}

static bool read_entry(const struct tf_node *n, struct dep_lock_entry *e)
{
	const struct tf_node *version = tf_attribute(n, "version"), *hashes = tf_attribute(n, "hashes");
	CLEANUP_FREE char *full = n->label[0] != NULL ? provider_source_full(n->label[0], "") : NULL;
	*e = (struct dep_lock_entry){.source = xstrdup(n->label[0]), .line = n->line};
	if (full == NULL || strcmp(full, n->label[0]) != 0 || full[0] == '/' || version == NULL)
		return false;
	e->version = tf_literal(version->value);
	bool ok = e->version != NULL && provider_version_compare(e->version, "none") > 0;
	ok = ok && (hashes == NULL || read_hashes(hashes->value, &e->hashes));
	strlist_sort(&e->hashes);
	return ok;
}

static const struct dep_lock_entry *find(const struct dep_lock *l, const char *source)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].source, source) == 0)
			return &l->v[i];
	return NULL;
}

void dep_lock_free(struct dep_lock *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].source);
		free(l->v[i].version);
		strlist_free(&l->v[i].hashes);
	}
	free(l->v);
	*l = (struct dep_lock){0};
}

static bool read_all(const struct tf_file *f, struct dep_lock *l)
{
	for (const struct tf_node *n = f->first; n != NULL; n = n->next) {
		if (!tf_is_block(n, "provider") || n->label[0] == NULL || find(l, n->label[0]) != NULL)
			return false;
		l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
		if (!read_entry(n, &l->v[l->n++]))
			return false;
	}
	return f->readable;
}

void dep_lock_read(const char *bytes, size_t len, struct dep_lock *ret)
{
	struct tf_file f;
	*ret = (struct dep_lock){0};
	tf_file_read(bytes, len, false, &f);
	bool readable = read_all(&f, ret);
	tf_file_free(&f);
	if (!readable)
		dep_lock_free(ret);
	ret->present = true;
	ret->readable = readable;
}

/* ---- words ---- */

/* "hashicorp/aws" of a public registry, else all of it. */
static const char *short_name(const char *source)
{
	static const char *const registries[] = {PROVIDER_REGISTRY_TERRAFORM "/", PROVIDER_REGISTRY_OPENTOFU "/"};
	for (size_t i = 0; i < ARRAY_LEN(registries); i++)
		if (text_starts(source, registries[i]))
			return source + strlen(registries[i]);
	return source;
}

static char *unreadable(const char *file)
{
	return xasprintf("%s is no dependency lock file that an engine wrote: make it again with `init`", file);
}

/* ---- every entry ---- */

char *hygiene_lock_allowed(const struct dep_lock *l, const char *file, const char *rules)
{
	if (!l->present || rules == NULL)
		return NULL;
	if (!l->readable)
		return unreadable(file);
	for (size_t i = 0; i < l->n; i++) {
		const struct dep_lock_entry *e = &l->v[i];
		switch (provider_rules_verdict(rules, e->source, e->version, &e->hashes)) {
		case PROVIDER_ALLOWED: continue;
		case PROVIDER_NOT_NAMED:
			return xasprintf("%s:%d: the provider `%s` is not allowed on this server: remove it, or its operator adds a rule that names it to "
					 "`providers.allow`",
					 file, e->line, e->source);
		case PROVIDER_VERSION:
			return xasprintf("%s:%d: version %s of the provider `%s` is not allowed on this server: choose another one, or its operator widens the "
					 "rule in `providers.allow`",
					 file, e->line, e->version, short_name(e->source));
		case PROVIDER_HASH:
			return xasprintf("%s:%d: none of the hashes of the provider `%s` %s is one that this server allows: lock the package that its operator "
					 "means, or the operator adds the hash to the rule in `providers.allow`",
					 file, e->line, short_name(e->source), e->version);
		}
	}
	return NULL;
}

char *hygiene_lock_pins(const struct dep_lock *l, const char *file, const struct provider_needs *p, const char *const *registries, size_t n,
			const char *rules)
{
	struct strlist none = {0};
	for (size_t i = 0; rules != NULL && i < p->n; i++) {
		bool pinned = false, settled = false; /* allowed without a hash, or locked */
		for (size_t k = 0; k < n; k++) {
			CLEANUP_FREE char *full = provider_source_full(p->v[i].source, registries[k]);
			enum provider_verdict v = full != NULL ? provider_rules_verdict(rules, full, NULL, &none) : PROVIDER_NOT_NAMED;
			pinned = pinned || v == PROVIDER_HASH;
			settled = settled || v == PROVIDER_ALLOWED || (full != NULL && find(l, full) != NULL);
		}
		if (pinned && !settled)
			return xasprintf("%s:%d: the provider `%s` is allowed by the hash of its package alone, and %s does not lock it: add it with "
					 "`providers lock`",
					 p->v[i].file, p->v[i].line, p->v[i].source, file);
	}
	return NULL;
}

/* ---- what is another than on the base branch ---- */

struct change {
	const char *file, *rules;
	struct told_list *told;
};

/* Without rules nothing is named. */
static bool is_named(const struct change *c, const struct dep_lock_entry *e)
{
	return c->rules != NULL && provider_rules_verdict(c->rules, e->source, e->version, &e->hashes) == PROVIDER_ALLOWED;
}

static char *refuse(const struct change *c, const struct dep_lock_entry *e, const char *what)
{
	return xasprintf("%s:%d %s, and `providers.allow` of this server does not name that: keep the lock file of the base branch, or its "
			 "operator adds `%s = %s`%s",
			 c->file, e->line, what, short_name(e->source), e->version,
			 c->rules == NULL ? " (beside what else may run: without rules all does)" : "");
}

/* Same version: another package under the same name. More hashes are other platforms; fewer are less to hold a package against. */
static char *other_hashes(const struct change *c, const struct dep_lock_entry *was, const struct dep_lock_entry *is)
{
	size_t kept = 0;
	for (size_t i = 0; i < was->hashes.n; i++)
		kept += strlist_has(&is->hashes, was->hashes.v[i]) != 0;
	if (kept == was->hashes.n && kept == is->hashes.n)
		return NULL;
	bool fewer = kept < was->hashes.n;
	CLEANUP_FREE char *what = xasprintf("%s hashes of the provider `%s` %s", fewer ? "takes away" : "adds", short_name(is->source), is->version);
	bool named = fewer ? provider_rules_verdict_pinned(c->rules, is->source, is->version, &is->hashes) == PROVIDER_ALLOWED : is_named(c, is);
	if (!named && fewer)
		return xasprintf("%s:%d %s, and no rule of `providers.allow` names one that it has left: keep the lock file of the base branch, or the "
				 "operator of this server adds a rule with the hash",
				 c->file, is->line, what);
	if (!named)
		return refuse(c, is, what);
	told_add(c->told, c->file, is->line, "lock", "%s", what);
	return NULL;
}

static char *judge_entry(const struct change *c, const struct dep_lock_entry *was, const struct dep_lock_entry *is)
{
	if (was != NULL && strcmp(was->version, is->version) == 0)
		return other_hashes(c, was, is);
	const char *name = short_name(is->source);
	CLEANUP_FREE char *what = was == NULL ? xasprintf("adds the provider `%s` %s", name, is->version)
					      : xasprintf("%s the provider `%s` %s -> %s",
							  provider_version_compare(is->version, was->version) > 0 ? "updates" : "takes back", name,
							  was->version, is->version);
	if (!is_named(c, is))
		return refuse(c, is, what);
	told_add(c->told, c->file, is->line, "lock", "%s", what);
	return NULL;
}

static char *judge_gone(const struct change *c, const struct dep_lock_entry *was, bool whole)
{
	CLEANUP_FREE char *what = xasprintf("%s the provider `%s` %s", whole ? "is removed, and with it" : "removes", short_name(was->source), was->version);
	if (!is_named(c, was))
		return xasprintf("%s %s, and `providers.allow` of this server does not name that: keep the lock file of the base branch, or its "
				 "operator adds `%s = %s`",
				 c->file, what, short_name(was->source), was->version);
	told_add(c->told, c->file, 0, "lock", "%s", what);
	return NULL;
}

char *hygiene_lock_changed(const struct dep_lock *base, const struct dep_lock *head, const char *file, const char *rules, struct told_list *told)
{
	struct change c = {.file = file, .rules = rules, .told = told};
	char *why = NULL;
	if (head->present && !head->readable)
		return unreadable(file);
	for (size_t i = 0; why == NULL && i < head->n; i++)
		why = judge_entry(&c, find(base, head->v[i].source), &head->v[i]);
	for (size_t i = 0; why == NULL && i < base->n; i++)
		if (find(head, base->v[i].source) == NULL)
			why = judge_gone(&c, &base->v[i], !head->present);
	return why;
}
