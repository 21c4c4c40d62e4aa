#include "plan/hygiene.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdint.h>

void told_add(struct told_list *l, const char *file, int line, const char *kind, const char *fmt, ...)
{
	CLEANUP_BUF struct buf text = {0};
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	buf_truncate(&text, text_cut(buf_str(&text), text.len, LIMIT_TOLD_TEXT_BYTES));
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].line == line && strcmp(l->v[i].file, file) == 0 && strcmp(l->v[i].text, buf_str(&text)) == 0)
			return;
	if (l->n >= LIMIT_TOLD) {
		l->more++;
		return;
	}
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = (struct told){.file = xstrdup(file), .line = line, .kind = xstrdup(kind), .text = xstrdup(buf_str(&text))};
}

static int by_place(const void *a, const void *b)
{
	const struct told *x = a, *y = b;
	int c = strcmp(x->file, y->file);
	if (c == 0)
		c = (x->line > y->line) - (x->line < y->line);
	return c != 0 ? c : strcmp(x->text, y->text);
}

void told_sort(struct told_list *l)
{
	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), by_place);
}

void told_cut(struct told_list *l, size_t max)
{
	for (; l->n > max; l->more++) {
		struct told *t = &l->v[--l->n];
		free(t->file);
		free(t->kind);
		free(t->text);
	}
}

void told_free(struct told_list *l)
{
	told_cut(l, 0);
	free(l->v);
	*l = (struct told_list){0};
}

void told_write(const struct told_list *l, struct buf *out)
{
	struct json_writer w = json_writer(out);
	jw_open(&w, NULL);
	jw_open_arr(&w, "told");
	for (size_t i = 0; i < l->n; i++) {
		jw_open_arr(&w, NULL);
		jw_str(&w, NULL, l->v[i].file);
		jw_int(&w, NULL, l->v[i].line);
		jw_str(&w, NULL, l->v[i].kind);
		jw_str(&w, NULL, l->v[i].text);
		jw_close_arr(&w);
	}
	jw_close_arr(&w);
	jw_int(&w, "more", (int64_t)l->more);
	jw_close(&w);
}

static int read_one(const struct json *e, struct told_list *ret, struct err *err)
{
	struct json file = json_at(e, 0), line = json_at(e, 1), kind = json_at(e, 2), text = json_at(e, 3);
	const char *f, *k, *t;
	int64_t n;
	int rc = json_as_str(&file, 4 * LIMIT_PATH_BYTES, &f, err);
	if (rc == 0)
		rc = json_as_int(&line, 0, INT32_MAX, &n, err);
	if (rc == 0)
		rc = json_as_str(&kind, 32, &k, err);
	if (rc == 0)
		rc = json_as_str(&text, 4 * LIMIT_TOLD_TEXT_BYTES, &t, err);
	if (rc == 0)
		told_add(ret, f, (int)n, k, "%s", t);
	return rc;
}

int told_read(const char *json, struct told_list *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root, list;
	struct told_list l = {0};
	size_t n;
	int64_t more = 0;
	int rc = json_parse(json, strlen(json), NULL, &doc, &root, err);
	if (rc == 0)
		rc = json_arr(&root, "told", &list, &n, err);
	if (rc == 0)
		rc = json_int(&root, "more", 0, INT32_MAX, &more, err);
	if (rc == 0)
		for (struct json e = json_first(&list); rc == 0 && json_ok(&e); e = json_next(&e))
			rc = read_one(&e, &l, err);
	l.more += (size_t)more;
	if (rc == 0)
		*ret = l;
	else
		told_free(&l);
	return rc;
}

/* Back-ticks would end the code span; what else is in a name is disarmed where the sentence is shown. */
char *told_sentence(const struct told *t)
{
	CLEANUP_FREE char *file = xstrdup(t->file);
	for (char *p = file; *p != '\0'; p++)
		*p = *p == '`' ? '\'' : *p;
	return t->line > 0 ? xasprintf("`%s:%d` %s", file, t->line, t->text) : xasprintf("`%s` %s", file, t->text);
}

/* ---- files of one directory ---- */

void tf_dir_add(struct tf_dir *d, const char *path, const char *bytes, size_t len)
{
	const char *slash = strrchr(path, '/');
	struct tf_name name = tf_name_read(slash != NULL ? slash + 1 : path);
	if (name.kind == TF_OTHER)
		return;
	d->v = xreallocarray(d->v, d->n + 1, sizeof(*d->v));
	struct tf_source *s = &d->v[d->n++];
	*s = (struct tf_source){.path = xstrdup(path), .name = name};
	tf_file_read(bytes, len, name.json, &s->file);
	bool escapes = name.json && memchr(bytes, '\\', len) != NULL;
	s->names_backend = escapes || memmem(bytes, len, "backend", 7) != NULL || memmem(bytes, len, "cloud", 5) != NULL;
}

void tf_dir_free(struct tf_dir *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->v[i].path);
		tf_file_free(&d->v[i].file);
	}
	free(d->v);
	*d = (struct tf_dir){0};
}
