/* Reading a GraphQL operation. One pass over the text; the depth of selections and of values is bounded. */
#include "cmd/sim/sim_gql.h"
#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct variable {
	char *name;
	bool used;
	struct buf json; /* its value, "null" when none was given */
};

struct reader {
	const char *p;
	struct sim_gql *g;
	const struct json *variables;
	struct variable vars[SIM_GQL_VARS_MAX];
	size_t vars_n;
	unsigned depth;
	struct err *err;
};

/* ---- words ---- */

static void skip(struct reader *r)
{
	for (;;) {
		r->p += strspn(r->p, " \t\r\n,");
		if (*r->p != '#')
			return;
		r->p += strcspn(r->p, "\n");
	}
}

static bool take(struct reader *r, char c)
{
	skip(r);
	if (*r->p != c)
		return false;
	r->p++;
	return true;
}

static int fail(struct reader *r, const char *wanted)
{
	if (*r->p == '\0')
		return err_set(r->err, ERR_PARSE, "Expected %s, actual: EOF", wanted);
	return err_set(r->err, ERR_PARSE, "Expected %s, actual: \"%.20s\"", wanted, r->p);
}

static int want(struct reader *r, char c)
{
	char text[] = {'"', c, '"', '\0'};
	return take(r, c) ? 0 : fail(r, text);
}

static int take_name(struct reader *r, char **ret)
{
	skip(r);
	size_t n = 0;
	while (isalpha((unsigned char)r->p[n]) || r->p[n] == '_' || (n > 0 && isdigit((unsigned char)r->p[n])))
		n++;
	if (n == 0)
		return fail(r, "a name");
	*ret = xstrndup(r->p, n);
	r->p += n;
	return 0;
}

/* ---- variables ---- */

static bool is_sha(const char *s) { return s != NULL && strlen(s) == 40 && strspn(s, "0123456789abcdef") == 40; }

static bool fits(const char *type, const struct json *value)
{
	enum json_type t = json_type(value);
	int64_t n;
	struct err err = {0};
	if (strcmp(type, "Int") == 0)
		return t == JSON_NUMBER && json_as_int(value, INT32_MIN, INT32_MAX, &n, &err) == 0;
	if (strcmp(type, "Boolean") == 0)
		return t == JSON_BOOL;
	if (strcmp(type, "GitObjectID") == 0)
		return is_sha(json_text(value));
	if (strcmp(type, "String") == 0 || strcmp(type, "ID") == 0)
		return t == JSON_STRING;
	return t == JSON_OBJECT || t == JSON_STRING; /* an input object or an enumeration */
}

static int declare(struct reader *r)
{
	CLEANUP_FREE char *type = NULL;
	if (r->vars_n >= SIM_GQL_VARS_MAX)
		return err_set(r->err, ERR_LIMIT, "more than %d variables", SIM_GQL_VARS_MAX);
	struct variable *v = &r->vars[r->vars_n++];
	*v = (struct variable){0};
	int rc = want(r, '$');
	if (rc == 0)
		rc = take_name(r, &v->name);
	if (rc == 0)
		rc = want(r, ':');
	if (rc == 0)
		rc = take_name(r, &type);
	if (rc != 0)
		return rc;
	bool required = take(r, '!');
	struct json value = json_member(r->variables, v->name);
	bool none = json_type(&value) == JSON_MISSING || json_type(&value) == JSON_NULL;
	if (none ? required : !fits(type, &value))
		return err_set(r->err, ERR_PARSE, "Variable $%s of type %s%s was provided invalid value", v->name, type, required ? "!" : "");
	if (none)
		buf_adds(&v->json, "null");
	else
		json_print(&value, &v->json);
	return 0;
}

static int declarations(struct reader *r)
{
	int rc = 0;
	if (!take(r, '('))
		return 0;
	while (rc == 0 && !take(r, ')'))
		rc = declare(r);
	for (struct json e = json_first(r->variables); rc == 0 && json_ok(&e); e = json_next(&e)) {
		bool known = false;
		for (size_t i = 0; i < r->vars_n; i++)
			known = known || strcmp(r->vars[i].name, json_key(&e)) == 0;
		if (!known) /* GitHub says nothing; nobody writes one on purpose */
			rc = err_set(r->err, ERR_PARSE, "Variable $%s is given and not declared", json_key(&e));
	}
	return rc;
}

/* ---- values, as JSON ---- */

static int value(struct reader *r, struct buf *out);

static int variable(struct reader *r, struct buf *out)
{
	CLEANUP_FREE char *name = NULL;
	int rc = take_name(r, &name);
	for (size_t i = 0; rc == 0 && i < r->vars_n; i++)
		if (strcmp(r->vars[i].name, name) == 0) {
			r->vars[i].used = true;
			buf_add(out, r->vars[i].json.data, r->vars[i].json.len);
			return 0;
		}
	return rc != 0 ? rc : err_set(r->err, ERR_PARSE, "Variable $%s is used but not declared", name);
}

static int text(struct reader *r, struct buf *out)
{
	const char *start = r->p++;
	while (*r->p != '\0' && *r->p != '"')
		r->p += r->p[0] == '\\' && r->p[1] != '\0' ? 2 : 1;
	if (*r->p != '"')
		return fail(r, "the end of a string");
	r->p++;
	buf_add(out, start, (size_t)(r->p - start)); /* escapes are JSON's */
	return 0;
}

/* name: value, up to the closing character */
static int pairs(struct reader *r, char close, struct buf *out)
{
	int rc = 0;
	size_t n = 0;
	buf_addc(out, '{');
	while (rc == 0 && !take(r, close)) {
		CLEANUP_FREE char *name = NULL;
		rc = take_name(r, &name);
		if (rc == 0)
			rc = want(r, ':');
		if (rc != 0)
			return rc;
		buf_printf(out, "%s\"%s\":", n++ > 0 ? "," : "", name);
		rc = value(r, out);
	}
	buf_addc(out, '}');
	return rc;
}

static int word(struct reader *r, struct buf *out)
{
	CLEANUP_FREE char *name = NULL;
	int rc = take_name(r, &name);
	if (rc != 0)
		return rc;
	bool plain = strcmp(name, "true") == 0 || strcmp(name, "false") == 0 || strcmp(name, "null") == 0;
	buf_printf(out, plain ? "%s" : "\"%s\"", name); /* an enumeration's is a string for us */
	return 0;
}

static int value(struct reader *r, struct buf *out)
{
	int rc = 0;
	if (++r->depth > SIM_GQL_DEPTH_MAX)
		return err_set(r->err, ERR_LIMIT, "deeper than %d", SIM_GQL_DEPTH_MAX);
	skip(r);
	if (take(r, '$')) {
		rc = variable(r, out);
	} else if (take(r, '{')) {
		rc = pairs(r, '}', out);
	} else if (*r->p == '"') {
		rc = text(r, out);
	} else if (isdigit((unsigned char)*r->p) || *r->p == '-') {
		size_t n = 1 + strspn(r->p + 1, "0123456789.");
		buf_add(out, r->p, n);
		r->p += n;
	} else {
		rc = word(r, out);
	}
	r->depth--;
	return rc;
}

/* ---- selections ---- */

static int selections(struct reader *r, size_t parent);

static int new_field(struct reader *r, size_t *ret)
{
	struct sim_gql *g = r->g;
	if (g->n >= SIM_GQL_FIELDS_MAX)
		return err_set(r->err, ERR_LIMIT, "more than %d fields", SIM_GQL_FIELDS_MAX);
	g->fields = xreallocarray(g->fields, g->n + 1, sizeof(*g->fields));
	g->fields[g->n] = (struct sim_gql_field){0};
	*ret = g->n++;
	return 0;
}

/* "... on Type { }" */
static int fragment(struct reader *r, size_t at)
{
	CLEANUP_FREE char *on = NULL;
	r->p += 3;
	int rc = take_name(r, &on);
	if (rc == 0 && strcmp(on, "on") != 0)
		return err_set(r->err, ERR_PARSE, "named fragments are not understood here: write ... on Type { }");
	if (rc == 0)
		rc = take_name(r, &r->g->fields[at].on);
	return rc == 0 ? selections(r, at) : rc;
}

static int field(struct reader *r, size_t at)
{
	char *name = NULL;
	struct buf args = {0};
	skip(r);
	if (text_starts(r->p, "..."))
		return fragment(r, at);
	int rc = take_name(r, &name);
	r->g->fields[at].key = name; /* the list may move later: by its place */
	if (rc == 0 && take(r, ':'))
		rc = take_name(r, &r->g->fields[at].name);
	else if (rc == 0)
		r->g->fields[at].name = xstrdup(name);
	if (rc == 0 && take(r, '('))
		rc = pairs(r, ')', &args);
	r->g->fields[at].args = args;
	skip(r);
	return rc == 0 && *r->p == '{' ? selections(r, at) : rc;
}

static int selections(struct reader *r, size_t parent)
{
	size_t last = 0, at;
	int rc = want(r, '{');
	if (rc == 0 && ++r->depth > SIM_GQL_DEPTH_MAX)
		return err_set(r->err, ERR_LIMIT, "deeper than %d", SIM_GQL_DEPTH_MAX);
	while (rc == 0 && !take(r, '}')) {
		rc = new_field(r, &at);
		if (rc != 0)
			return rc;
		if (last == 0)
			r->g->fields[parent].child = at;
		else
			r->g->fields[last].next = at;
		last = at;
		rc = field(r, at);
	}
	r->depth--;
	return rc == 0 && last == 0 ? fail(r, "a selection") : rc;
}

static int operation(struct reader *r)
{
	CLEANUP_FREE char *kind = NULL, *name = NULL;
	size_t root;
	int rc = new_field(r, &root);
	skip(r);
	if (rc == 0 && *r->p != '{')
		rc = take_name(r, &kind);
	if (rc == 0 && kind != NULL && strcmp(kind, "query") != 0 && strcmp(kind, "mutation") != 0)
		return err_set(r->err, ERR_PARSE, "Expected query or mutation, actual: %s", kind);
	r->g->mutation = kind != NULL && strcmp(kind, "mutation") == 0;
	skip(r);
	if (rc == 0 && kind != NULL && *r->p != '(' && *r->p != '{')
		rc = take_name(r, &name);
	if (rc == 0)
		rc = declarations(r);
	if (rc == 0)
		rc = selections(r, root);
	skip(r);
	if (rc == 0 && *r->p != '\0')
		return fail(r, "the end: one operation at a time");
	const char *who = name != NULL ? name : "anonymous operation";
	for (size_t i = 0; rc == 0 && i < r->vars_n; i++)
		if (!r->vars[i].used)
			rc = err_set(r->err, ERR_PARSE, "Variable $%s is declared by %s but not used", r->vars[i].name, who);
	return rc;
}

int sim_gql_parse(const char *query, const struct json *variables, struct sim_gql *ret, struct err *err)
{
	struct reader r = {.p = query, .g = ret, .variables = variables, .err = err};
	*ret = (struct sim_gql){0};
	int rc = operation(&r);
	for (size_t i = 0; i < r.vars_n; i++) {
		free(r.vars[i].name);
		buf_free(&r.vars[i].json);
	}
	return rc;
}

void sim_gql_free(struct sim_gql *g)
{
	for (size_t i = 0; i < g->n; i++) {
		free(g->fields[i].name);
		free(g->fields[i].key);
		free(g->fields[i].on);
		buf_free(&g->fields[i].args);
	}
	free(g->fields);
	*g = (struct sim_gql){0};
}
