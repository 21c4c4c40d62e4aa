/* Taking the selected part out of a document that has everything. The depth is the query's, which was bounded when it was read. */
#include "cmd/sim/sim_gql.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE_MAX = 100 };

int sim_gql_args(const struct sim_gql *g, size_t field, const char *const *allowed, struct json_doc **ret_doc, struct json *ret, struct err *err)
{
	const struct sim_gql_field *f = &g->fields[field];
	const char *text = f->args.len > 0 ? f->args.data : "{}";
	int rc = json_parse(text, strlen(text), NULL, ret_doc, ret, err);
	for (struct json e = rc == 0 ? json_first(ret) : (struct json){0}; rc == 0 && json_ok(&e); e = json_next(&e)) {
		size_t i = 0;
		while (allowed[i] != NULL && strcmp(allowed[i], json_key(&e)) != 0)
			i++;
		if (allowed[i] == NULL)
			rc = err_set(err, ERR_PARSE, "Field '%s' doesn't accept argument '%s'", f->name, json_key(&e));
	}
	return rc;
}

static const char *type_of(const struct json *o)
{
	struct json name = json_member(o, "__typename");
	const char *text = json_text(&name);
	return text != NULL ? text : "Object";
}

/* ---- pages ---- */

struct page {
	int64_t first, last, after;
};

static int read_page(const struct sim_gql *g, size_t field, struct page *ret, struct err *err)
{
	static const char *const allowed[] = {"first", "last", "after", "states", NULL};
	static const char prefix[] = "cursor:";
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json args;
	const char *after = NULL, *name = g->fields[field].name;
	int rc = sim_gql_args(g, field, allowed, &doc, &args, err);
	if (rc == 0)
		rc = json_int_opt(&args, "first", 0, INT32_MAX, -1, &ret->first, err);
	if (rc == 0)
		rc = json_int_opt(&args, "last", 0, INT32_MAX, -1, &ret->last, err);
	if (rc == 0)
		rc = json_str_opt(&args, "after", 64, NULL, &after, err);
	if (rc != 0)
		return rc;
	if (ret->first < 0 && ret->last < 0)
		return err_set(err, ERR_PARSE, "You must provide a `first` or `last` value to properly paginate the `%s` connection.", name);
	if (ret->first > PAGE_MAX || ret->last > PAGE_MAX)
		return err_set(err, ERR_PARSE, "Requesting %lld records on the `%s` connection exceeds the `first` limit of %d records.",
			       (long long)(ret->first > ret->last ? ret->first : ret->last), name, PAGE_MAX);
	if (after != NULL && (!text_starts(after, prefix) || text_int(after + strlen(prefix), 0, INT32_MAX, &ret->after, NULL) != 0))
		return err_set(err, ERR_PARSE, "`%s` does not appear to be a valid cursor.", after);
	return 0;
}

static int add_nodes(struct buf *out, const struct json *list, const char *type, const struct page *page)
{
	int64_t n = (int64_t)json_count(list), from = page->after < n ? page->after : n, to = n, i = 0;
	if (page->first >= 0 && from + page->first < to)
		to = from + page->first;
	if (page->last >= 0 && to - page->last > from)
		from = to - page->last;
	buf_printf(out, "{\"__typename\":\"%s\",\"totalCount\":%lld,", type, (long long)n);
	buf_printf(out, "\"pageInfo\":{\"__typename\":\"PageInfo\",\"hasNextPage\":%s,\"hasPreviousPage\":%s,", to < n ? "true" : "false",
		   from > 0 ? "true" : "false");
	if (to > from)
		buf_printf(out, "\"startCursor\":\"cursor:%lld\",\"endCursor\":\"cursor:%lld\"},\"nodes\":[", (long long)from + 1, (long long)to);
	else
		buf_adds(out, "\"startCursor\":null,\"endCursor\":null},\"nodes\":[");
	for (struct json e = json_first(list); json_ok(&e); e = json_next(&e), i++) {
		if (i < from || i >= to)
			continue;
		if (i > from)
			buf_addc(out, ',');
		json_print(&e, out);
	}
	buf_adds(out, "]}");
	return 0;
}

static int connection(const struct sim_gql *g, size_t field, const struct json *list, struct json_writer *w, struct err *err)
{
	struct page page = {0};
	struct buf whole CLEANUP_BUF = {0};
	CLEANUP_JSON struct json_doc *doc = NULL;
	CLEANUP_FREE char *type = xasprintf("%sConnection", g->fields[field].name);
	struct json object;
	int rc = read_page(g, field, &page, err);
	if (rc == 0)
		rc = add_nodes(&whole, list, type, &page);
	if (rc == 0)
		rc = json_parse(buf_str(&whole), whole.len, NULL, &doc, &object, err);
	return rc == 0 ? sim_gql_project(g, field, &object, w, err) : rc;
}

/* ---- members ---- */

static int no_arguments(const struct sim_gql *g, size_t field, struct err *err)
{
	static const char *const none[] = {NULL}, *const number[] = {"number", NULL};
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json args;
	/* what picked the document: sim_graphql.c has looked at it */
	return sim_gql_args(g, field, strcmp(g->fields[field].name, "pullRequest") == 0 ? number : none, &doc, &args, err);
}

static int object(const struct sim_gql *g, size_t field, const char *key, const struct json *v, struct json_writer *w, struct err *err)
{
	struct json list = json_member(v, "__connection");
	const struct sim_gql_field *f = &g->fields[field];
	if (f->child == 0)
		return err_set(err, ERR_PARSE, "Field must have selections (field '%s' returns %s but has no selections. Did you mean '%s { ... }'?)",
			       f->name, type_of(v), f->name);
	jw_open(w, key);
	int rc = 0;
	if (json_ok(&list)) {
		rc = connection(g, field, &list, w, err);
	} else {
		rc = no_arguments(g, field, err);
		if (rc == 0)
			rc = sim_gql_project(g, field, v, w, err);
	}
	jw_close(w);
	return rc;
}

static int member(const struct sim_gql *g, size_t field, const char *key, const struct json *v, struct json_writer *w, struct err *err)
{
	const struct sim_gql_field *f = &g->fields[field];
	struct buf text CLEANUP_BUF = {0};
	int rc = 0;
	if (json_type(v) == JSON_OBJECT)
		return object(g, field, key, v, w, err);
	if (json_type(v) == JSON_ARRAY) {
		jw_open_arr(w, key);
		for (struct json e = json_first(v); rc == 0 && json_ok(&e); e = json_next(&e))
			rc = json_type(&e) == JSON_ARRAY ? err_set(err, ERR_INTERNAL, "a list of lists") : member(g, field, NULL, &e, w, err);
		jw_close_arr(w);
		return rc;
	}
	if (f->child != 0 && json_type(v) != JSON_NULL)
		return err_set(err, ERR_PARSE, "Selections can't be made on scalars (field '%s' has selections)", f->name);
	json_print(v, &text);
	jw_raw(w, key, buf_str(&text));
	return no_arguments(g, field, err);
}

int sim_gql_project(const struct sim_gql *g, size_t field, const struct json *o, struct json_writer *w, struct err *err)
{
	int rc = 0;
	for (size_t i = g->fields[field].child; rc == 0 && i != 0; i = g->fields[i].next) {
		const struct sim_gql_field *f = &g->fields[i];
		if (f->name == NULL) {
			if (strcmp(type_of(o), f->on) == 0)
				rc = sim_gql_project(g, i, o, w, err);
			continue;
		}
		struct json v = json_member(o, f->name);
		if (json_type(&v) == JSON_MISSING)
			rc = err_set(err, ERR_PARSE, "Field '%s' doesn't exist on type '%s'", f->name, type_of(o));
		else
			rc = member(g, i, f->key, &v, w, err);
	}
	return rc;
}
