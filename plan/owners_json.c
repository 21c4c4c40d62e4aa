/* struct owners as JSON: how a plan run keeps what the base branch asked of its reviews. */
#include "plan/codeowners.h"

#include "base/json.h"
#include "base/limits.h"

enum { OWNERS_TEXT_MAX = 1 << 16 };

static void write_list(struct json_writer *w, const char *key, const struct strlist *l)
{
	jw_open_arr(w, key);
	for (size_t i = 0; i < l->n; i++)
		jw_str(w, NULL, l->v[i]);
	jw_close_arr(w);
}

void owners_write(const struct owners *o, struct buf *out)
{
	struct json_writer w = json_writer(out);
	jw_open(&w, NULL);
	jw_str(&w, "file", o->file);
	jw_str(&w, "id", o->id);
	jw_str(&w, "unusable", o->unusable);
	jw_open_arr(&w, "sets");
	for (size_t i = 0; i < o->sets_n; i++) {
		jw_open(&w, NULL);
		write_list(&w, "owners", &o->sets[i].owners);
		jw_str(&w, "path", o->sets[i].path);
		jw_int(&w, "line", o->sets[i].line);
		jw_close(&w);
	}
	jw_close_arr(&w);
	jw_open_arr(&w, "bad");
	for (size_t i = 0; i < o->bad_n; i++) {
		jw_open(&w, NULL);
		jw_int(&w, "line", o->bad[i].line);
		jw_str(&w, "why", o->bad[i].why);
		jw_close(&w);
	}
	jw_close_arr(&w);
	write_list(&w, "bots", &o->bots);
	write_list(&w, "blocked_by", &o->blocked_by);
	jw_close(&w);
}

static int read_text(const struct json *o, const char *key, char **ret, struct err *err)
{
	const char *s = NULL;
	int rc = json_str_opt(o, key, OWNERS_TEXT_MAX, NULL, &s, err);
	if (rc == 0)
		*ret = xstrdup(s);
	return rc;
}

static int read_list(const struct json *o, const char *key, struct strlist *ret, struct err *err)
{
	struct json arr;
	size_t n;
	int rc = json_arr(o, key, &arr, &n, err);
	for (struct json e = rc == 0 ? json_first(&arr) : (struct json){0}; rc == 0 && json_ok(&e); e = json_next(&e)) {
		const char *s = NULL;
		rc = json_as_str(&e, OWNERS_TEXT_MAX, &s, err);
		if (rc == 0)
			strlist_add(ret, s);
	}
	return rc;
}

static int read_line_no(const struct json *o, int *ret, struct err *err)
{
	int64_t n = 0;
	int rc = json_int(o, "line", 1, INT32_MAX, &n, err);
	*ret = (int)n;
	return rc;
}

static int read_sets(const struct json *root, struct owners *ret, struct err *err)
{
	struct json arr;
	size_t n = 0;
	int rc = json_arr(root, "sets", &arr, &n, err);
	if (rc == 0 && n > LIMIT_OWNERS_SETS)
		return err_set(err, ERR_LIMIT, "sets: more than %u", LIMIT_OWNERS_SETS);
	ret->sets = xcalloc(rc == 0 ? n + 1 : 1, sizeof(*ret->sets));
	for (struct json e = rc == 0 ? json_first(&arr) : (struct json){0}; rc == 0 && json_ok(&e); e = json_next(&e)) {
		struct owner_set *s = &ret->sets[ret->sets_n++];
		rc = read_list(&e, "owners", &s->owners, err);
		if (rc == 0)
			rc = read_text(&e, "path", &s->path, err);
		if (rc == 0)
			rc = read_line_no(&e, &s->line, err);
	}
	return rc;
}

static int read_bad(const struct json *root, struct owners *ret, struct err *err)
{
	struct json arr;
	size_t n = 0;
	int rc = json_arr(root, "bad", &arr, &n, err);
	if (rc == 0 && n > LIMIT_OWNERS_BAD)
		return err_set(err, ERR_LIMIT, "bad: more than %u", LIMIT_OWNERS_BAD);
	ret->bad = xcalloc(rc == 0 ? n + 1 : 1, sizeof(*ret->bad));
	for (struct json e = rc == 0 ? json_first(&arr) : (struct json){0}; rc == 0 && json_ok(&e); e = json_next(&e)) {
		struct owner_bad *b = &ret->bad[ret->bad_n++];
		rc = read_text(&e, "why", &b->why, err);
		if (rc == 0)
			rc = read_line_no(&e, &b->line, err);
	}
	return rc;
}

int owners_read(const char *json, struct owners *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	struct owners o = {0};
	*ret = o;
	if (json == NULL || json[0] == '\0')
		return 0;
	int rc = json_parse(json, strlen(json), NULL, &doc, &root, err);
	if (rc == 0)
		rc = read_text(&root, "file", &o.file, err);
	if (rc == 0)
		rc = read_text(&root, "id", &o.id, err);
	if (rc == 0)
		rc = read_text(&root, "unusable", &o.unusable, err);
	if (rc == 0)
		rc = read_sets(&root, &o, err);
	if (rc == 0)
		rc = read_bad(&root, &o, err);
	if (rc == 0)
		rc = read_list(&root, "bots", &o.bots, err);
	if (rc == 0)
		rc = read_list(&root, "blocked_by", &o.blocked_by, err);
	if (rc == 0)
		*ret = o;
	else
		owners_free(&o);
	return rc == 0 ? 0 : err_wrap(err, "what the base branch asks of reviews");
}
