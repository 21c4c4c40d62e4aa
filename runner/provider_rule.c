#include "runner/provider_rule.h"

#include "base/limits.h"
#include "base/text.h"

#include <ctype.h>

enum { PARTS = 3, CONSTRAINTS_MAX = 16, HASHES_MAX = 32, NUMBER_DIGITS = 9, PRE_MAX = 64 };

/* ---- versions ---- */

struct version {
	int64_t n[PARTS];
	size_t said; /* numbers that were written: ~> looks at that */
	char pre[PRE_MAX];
};

static bool read_pre(const char *s, size_t len, struct version *ret)
{
	const char *plus = memchr(s, '+', len);
	size_t n = plus != NULL ? (size_t)(plus - s) : len; /* what stands behind + says nothing about order */
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '.' && s[i] != '-' && s[i] != '+')
			return false;
	if (n == 0)
		return len != 0 && len > 1;
	if (s[0] != '-' || n < 2 || n > PRE_MAX)
		return false;
	memcpy(ret->pre, s + 1, n - 1);
	ret->pre[n - 1] = '\0';
	return true;
}

/* "5", "5.99", "5.99.0-beta.1+x". */
static bool read_version(const char *s, size_t len, struct version *ret)
{
	*ret = (struct version){0};
	for (;;) {
		size_t digits = 0;
		int64_t number = 0;
		for (; digits < len && isdigit((unsigned char)s[digits]); digits++) {
			if (digits >= NUMBER_DIGITS)
				return false;
			number = number * 10 + (s[digits] - '0');
		}
		if (digits == 0 || ret->said == PARTS)
			return false;
		ret->n[ret->said++] = number;
		s += digits;
		len -= digits;
		if (len == 0)
			return true;
		if (*s != '.')
			return read_pre(s, len, ret);
		s++;
		len--;
	}
}

static bool is_number(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isdigit((unsigned char)s[i]))
			return false;
	return len > 0;
}

/* One dot-separated piece of a pre-release suffix: numbers by value and before words, words by bytes. */
static int compare_piece(const char *a, size_t an, const char *b, size_t bn)
{
	bool a_is = is_number(a, an), b_is = is_number(b, bn);
	if (a_is != b_is)
		return a_is ? -1 : 1;
	if (a_is && an != bn)
		return an < bn ? -1 : 1;
	int c = memcmp(a, b, an < bn ? an : bn);
	return c != 0 ? c : an < bn ? -1 : an > bn;
}

static int compare_pre(const char *a, const char *b)
{
	if (*a == '\0' || *b == '\0')
		return (*a == '\0') - (*b == '\0');
	for (;;) {
		size_t an = strcspn(a, "."), bn = strcspn(b, ".");
		int c = compare_piece(a, an, b, bn);
		if (c != 0)
			return c;
		a += an;
		b += bn;
		if (*a == '\0' || *b == '\0')
			return (*b == '\0') - (*a == '\0');
		a++;
		b++;
	}
}

static int compare_numbers(const struct version *a, const struct version *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a->n[i] != b->n[i])
			return a->n[i] < b->n[i] ? -1 : 1;
	return 0;
}

static int compare(const struct version *a, const struct version *b)
{
	int c = compare_numbers(a, b, PARTS);
	return c != 0 ? c : compare_pre(a->pre, b->pre);
}

int provider_version_compare(const char *a, const char *b)
{
	struct version x, y;
	bool x_is = read_version(a, strlen(a), &x), y_is = read_version(b, strlen(b), &y);
	return x_is && y_is ? compare(&x, &y) : (int)x_is - (int)y_is;
}

/* ---- one rule ---- */

enum op { OP_EQUAL, OP_NOT, OP_MORE, OP_AT_LEAST, OP_LESS, OP_AT_MOST, OP_ABOUT };
static const struct {
	const char *text;
	enum op op;
} ops[] = {{">=", OP_AT_LEAST}, {"<=", OP_AT_MOST}, {"~>", OP_ABOUT}, {"!=", OP_NOT}, {"=", OP_EQUAL}, {">", OP_MORE}, {"<", OP_LESS}};

struct constraint {
	enum op op;
	struct version than;
};

struct slice {
	const char *s;
	size_t len;
};

struct rule {
	struct slice host, name, type; /* host.len 0: either registry */
	struct constraint constraint[CONSTRAINTS_MAX];
	size_t constraints;
	struct slice hash[HASHES_MAX];
	size_t hashes;
};

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static struct slice trim(struct slice s)
{
	while (s.len > 0 && is_blank(s.s[0])) {
		s.s++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.s[s.len - 1]))
		s.len--;
	return s;
}

/* A part of a source: a name, or `*` alone where that is allowed. */
static bool is_part(struct slice s, const char *also, bool star)
{
	if (star && s.len == 1 && s.s[0] == '*')
		return true;
	for (size_t i = 0; i < s.len; i++)
		if (!isalnum((unsigned char)s.s[i]) && (s.s[i] == '\0' || strchr(also, s.s[i]) == NULL))
			return false;
	return s.len > 0 && s.len <= LIMIT_NAME_BYTES && isalnum((unsigned char)s.s[0]);
}

static bool read_source(struct slice s, bool star, struct slice *host, struct slice *name, struct slice *type)
{
	struct slice part[4];
	size_t n = 0;
	for (;; n++) {
		const char *slash = memchr(s.s, '/', s.len);
		if (n == PARTS)
			return false;
		part[n] = (struct slice){s.s, slash != NULL ? (size_t)(slash - s.s) : s.len};
		if (slash == NULL)
			break;
		s.len -= part[n].len + 1;
		s.s = slash + 1;
	}
	if (n == 0)
		return false;
	*host = n == 2 ? part[0] : (struct slice){"", 0};
	*name = part[n - 1];
	*type = part[n];
	return (n == 1 || is_part(*host, ".-:", star)) && is_part(*name, "-_", star) && is_part(*type, "-_", star);
}

static bool read_constraint(struct slice s, struct constraint *ret)
{
	s = trim(s);
	ret->op = OP_EQUAL;
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		size_t n = strlen(ops[i].text);
		if (s.len < n || memcmp(s.s, ops[i].text, n) != 0)
			continue;
		ret->op = ops[i].op;
		s = trim((struct slice){s.s + n, s.len - n});
		break;
	}
	return read_version(s.s, s.len, &ret->than);
}

static bool is_hash(struct slice s)
{
	if (s.len < 8 || s.len > 128 || (memcmp(s.s, "h1:", 3) != 0 && memcmp(s.s, "zh:", 3) != 0))
		return false;
	for (size_t i = 3; i < s.len; i++)
		if (!isalnum((unsigned char)s.s[i]) && strchr("+/=", s.s[i]) == NULL)
			return false;
	return true;
}

/* Hashes stand at the end: the last word that is none ends what the constraints are. NULL, or what is wrong. */
static const char *read_hashes(struct slice *rest, struct rule *r)
{
	for (;;) {
		*rest = trim(*rest);
		size_t at = rest->len;
		while (at > 0 && !is_blank(rest->s[at - 1]))
			at--;
		struct slice word = {rest->s + at, rest->len - at};
		if (word.len < 3 || (memcmp(word.s, "h1:", 3) != 0 && memcmp(word.s, "zh:", 3) != 0))
			return NULL;
		if (!is_hash(word))
			return "a hash is h1: or zh: and what stands behind it in .terraform.lock.hcl";
		if (r->hashes == HASHES_MAX)
			return "at most 32 hashes fit into one rule: write another rule for the others";
		r->hash[r->hashes++] = word;
		rest->len = at;
	}
}

static const char *read_constraints(struct slice rest, struct rule *r)
{
	if (rest.len == 0)
		return NULL;
	for (;;) {
		const char *comma = memchr(rest.s, ',', rest.len);
		struct slice one = {rest.s, comma != NULL ? (size_t)(comma - rest.s) : rest.len};
		if (r->constraints == CONSTRAINTS_MAX)
			return "at most 16 constraints fit into one rule";
		if (!read_constraint(one, &r->constraint[r->constraints++]))
			return "a constraint is =, !=, >, >=, <, <= or ~> and a version like 5.99.0, several with commas between them";
		if (comma == NULL)
			return NULL;
		rest.len -= one.len + 1;
		rest.s = comma + 1;
	}
}

/* NULL, or what is wrong with it. */
static const char *read_rule(const char *line, size_t len, struct rule *r)
{
	*r = (struct rule){0};
	struct slice rest = trim((struct slice){line, len});
	size_t n = 0;
	while (n < rest.len && !is_blank(rest.s[n]))
		n++;
	if (!read_source((struct slice){rest.s, n}, true, &r->host, &r->name, &r->type))
		return "it begins with HOST/NAMESPACE/TYPE or NAMESPACE/TYPE, with * for a whole part";
	rest = trim((struct slice){rest.s + n, rest.len - n});
	const char *why = read_hashes(&rest, r);
	return why != NULL ? why : read_constraints(rest, r);
}

int provider_rule_check(const char *rule, struct err *err)
{
	struct rule r;
	const char *why = strlen(rule) > LIMIT_CONFIG_TEXT_BYTES ? "it is too long" : read_rule(rule, strlen(rule), &r);
	return why == NULL ? 0 : err_set(err, ERR_PARSE, "\"%.100s\" is no rule for providers: %s", rule, why);
}

void provider_rule_sources(const char *line, size_t len, struct strlist *out)
{
	static const char *const both[] = {PROVIDER_REGISTRY_TERRAFORM, PROVIDER_REGISTRY_OPENTOFU};
	struct rule r;
	if (read_rule(line, len, &r) != NULL)
		return;
	for (size_t i = 0; i < (r.host.len != 0 ? 1 : ARRAY_LEN(both)); i++)
		strlist_take(out, r.host.len != 0 ? xasprintf("%.*s/%.*s/%.*s", (int)r.host.len, r.host.s, (int)r.name.len, r.name.s,
							      (int)r.type.len, r.type.s)
						  : xasprintf("%s/%.*s/%.*s", both[i], (int)r.name.len, r.name.s, (int)r.type.len, r.type.s));
}

/* ---- sources ---- */

char *provider_source_full(const char *source, const char *registry)
{
	struct slice host, name, type, all = {source, strlen(source)};
	CLEANUP_FREE char *two = strchr(source, '/') == NULL ? xasprintf("hashicorp/%s", source) : NULL;
	if (two != NULL)
		all = (struct slice){two, strlen(two)};
	if (!read_source(all, false, &host, &name, &type))
		return NULL;
	char *full = host.len != 0 ? xstrndup(all.s, all.len) : xasprintf("%s/%.*s", registry, (int)all.len, all.s);
	for (char *p = full; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return full;
}

bool provider_is_builtin(const char *full_source) { return text_starts(full_source, "terraform.io/builtin/"); }

/* ---- verdicts ---- */

static bool part_fits(struct slice rule, struct slice part)
{
	if (rule.len == 1 && rule.s[0] == '*')
		return true;
	return rule.len == part.len && strncasecmp(rule.s, part.s, part.len) == 0;
}

static bool host_fits(struct slice rule, struct slice host)
{
	static const struct slice both[] = {{PROVIDER_REGISTRY_TERRAFORM, sizeof(PROVIDER_REGISTRY_TERRAFORM) - 1},
					    {PROVIDER_REGISTRY_OPENTOFU, sizeof(PROVIDER_REGISTRY_OPENTOFU) - 1}};
	return rule.len != 0 ? part_fits(rule, host) : part_fits(both[0], host) || part_fits(both[1], host);
}

/* ~> 5.99.1 is at least that and below 5.100; ~> 5.99 and ~> 5 below 6. */
static bool is_about(const struct version *v, const struct version *than)
{
	return compare(v, than) >= 0 && compare_numbers(v, than, than->said > 1 ? than->said - 1 : 1) == 0;
}

static bool constraint_fits(const struct constraint *c, const struct version *v)
{
	int order = compare(v, &c->than);
	bool suffix_differs = v->pre[0] != '\0' && order != 0; /* a pre-release has to be asked for by name */
	switch (c->op) {
	case OP_EQUAL: return order == 0;
	case OP_NOT: return order != 0;
	case OP_MORE: return !suffix_differs && order > 0;
	case OP_AT_LEAST: return !suffix_differs && order >= 0;
	case OP_LESS: return !suffix_differs && order < 0;
	case OP_AT_MOST: return !suffix_differs && order <= 0;
	case OP_ABOUT: return !suffix_differs && is_about(v, &c->than);
	}
	return false;
}

static bool version_fits(const struct rule *r, const char *version)
{
	struct version v;
	if (version == NULL || r->constraints == 0)
		return true;
	bool fits = read_version(version, strlen(version), &v);
	for (size_t i = 0; fits && i < r->constraints; i++)
		fits = constraint_fits(&r->constraint[i], &v);
	return fits;
}

static bool hash_fits(const struct rule *r, const struct strlist *hashes)
{
	if (hashes == NULL || r->hashes == 0)
		return true;
	for (size_t i = 0; i < r->hashes; i++)
		for (size_t k = 0; k < hashes->n; k++)
			if (strlen(hashes->v[k]) == r->hash[i].len && memcmp(hashes->v[k], r->hash[i].s, r->hash[i].len) == 0)
				return true;
	return false;
}

static enum provider_verdict verdict(const char *rules, const char *full_source, const char *version, const struct strlist *hashes, bool pinned)
{
	struct slice host, name, type;
	enum provider_verdict best = PROVIDER_NOT_NAMED;
	if (!read_source((struct slice){full_source, strlen(full_source)}, false, &host, &name, &type) || host.len == 0)
		return PROVIDER_NOT_NAMED;
	for (const char *p = rules; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n') {
		struct rule r;
		if (read_rule(p, strcspn(p, "\n"), &r) != NULL || (pinned && r.hashes == 0))
			continue; /* what cannot be read allows nothing */
		if (!host_fits(r.host, host) || !part_fits(r.name, name) || !part_fits(r.type, type))
			continue;
		if (!version_fits(&r, version))
			best = best == PROVIDER_NOT_NAMED ? PROVIDER_VERSION : best;
		else if (!hash_fits(&r, hashes))
			best = PROVIDER_HASH;
		else
			return PROVIDER_ALLOWED;
	}
	return best;
}

enum provider_verdict provider_rules_verdict(const char *rules, const char *full_source, const char *version, const struct strlist *hashes)
{
	if (rules == NULL || provider_is_builtin(full_source))
		return PROVIDER_ALLOWED;
	return verdict(rules, full_source, version, hashes, false);
}

enum provider_verdict provider_rules_verdict_pinned(const char *rules, const char *full_source, const char *version, const struct strlist *hashes)
{
	return rules == NULL ? PROVIDER_NOT_NAMED : verdict(rules, full_source, version, hashes, true);
}
