#include "runner/fields.h"

#include "base/fs.h"
#include "base/json.h"

#include <stdint.h>

/* Values are copied in and out by memcpy: the table only knows offsets. */
static void *at(void *object, const struct field *f) { return (char *)object + f->offset; }

static const void *at_const(const void *object, const struct field *f) { return (const char *)object + f->offset; }

static void write_one(struct json_writer *w, const struct field *f, const void *object)
{
	const void *p = at_const(object, f);
	int64_t wide = 0;
	int narrow = 0;
	bool flag = false;
	const char *text = NULL;
	switch (f->kind) {
	case FIELD_INT:
		memcpy(&wide, p, sizeof(wide));
		jw_int(w, f->name, wide);
		break;
	case FIELD_INT32:
		memcpy(&narrow, p, sizeof(narrow));
		jw_int(w, f->name, narrow);
		break;
	case FIELD_BOOL:
		memcpy(&flag, p, sizeof(flag));
		jw_bool(w, f->name, flag);
		break;
	case FIELD_TEXT:
		memcpy(&text, p, sizeof(text));
		if (text != NULL)
			jw_str(w, f->name, text);
		break;
	case FIELD_WORD:
		memcpy(&narrow, p, sizeof(narrow));
		ASSERT(narrow >= 0 && (size_t)narrow < f->n_words);
		jw_str(w, f->name, f->words[narrow]);
		break;
	}
}

int fields_write(const struct field *fields, size_t n, const void *object, const char *path, bool durable, struct err *err)
{
	CLEANUP_BUF struct buf out = {0};
	struct json_writer w = json_writer(&out);
	jw_open(&w, NULL);
	for (size_t i = 0; i < n; i++)
		write_one(&w, &fields[i], object);
	jw_close(&w);
	buf_addc(&out, '\n');
	return durable ? fs_write_atomic(path, out.data, out.len, 0600, err) : fs_write_fast(path, out.data, out.len, 0600, err);
}

int fields_word(const char *what, const char *word, const char *const *words, size_t n, struct err *err)
{
	CLEANUP_BUF struct buf list = {0};
	for (size_t i = 0; i < n; i++) {
		if (strcmp(word, words[i]) == 0)
			return (int)i;
		buf_printf(&list, "%s%s", i == 0 ? "" : ", ", words[i]);
	}
	return err_set(err, ERR_PARSE, "%s \"%.64s\" is not one of %s", what, word, buf_str(&list));
}

static int read_text(const struct field *f, const struct json *root, void *object, struct err *err)
{
	const char *text = NULL;
	int rc = f->required ? json_str(root, f->name, f->max, &text, err) : json_str_opt(root, f->name, f->max, NULL, &text, err);
	if (rc != 0)
		return rc;
	char *copy = xstrdup(text);
	memcpy(at(object, f), &copy, sizeof(copy));
	return 0;
}

static int read_word(const struct field *f, const struct json *root, void *object, struct err *err)
{
	const char *text = NULL;
	int rc = json_str(root, f->name, 64, &text, err);
	if (rc != 0)
		return rc;
	int i = fields_word(f->name, text, f->words, f->n_words, err);
	if (i < 0)
		return i;
	memcpy(at(object, f), &i, sizeof(i));
	return 0;
}

static int read_int(const struct field *f, const struct json *root, void *object, struct err *err)
{
	int64_t min = f->kind == FIELD_INT32 ? INT32_MIN : -((int64_t)1 << 53), max = f->kind == FIELD_INT32 ? INT32_MAX : (int64_t)1 << 53,
		wide = 0;
	int rc = f->required ? json_int(root, f->name, min, max, &wide, err) : json_int_opt(root, f->name, min, max, 0, &wide, err);
	if (rc != 0)
		return rc;
	int narrow = (int)wide;
	if (f->kind == FIELD_INT32)
		memcpy(at(object, f), &narrow, sizeof(narrow));
	else
		memcpy(at(object, f), &wide, sizeof(wide));
	return 0;
}

static int read_bool(const struct field *f, const struct json *root, void *object, struct err *err)
{
	bool flag = false;
	int rc = f->required ? json_bool(root, f->name, &flag, err) : json_bool_opt(root, f->name, false, &flag, err);
	if (rc == 0)
		memcpy(at(object, f), &flag, sizeof(flag));
	return rc;
}

static int read_one(const struct field *f, const struct json *root, void *object, struct err *err)
{
	switch (f->kind) {
	case FIELD_INT:
	case FIELD_INT32: return read_int(f, root, object, err);
	case FIELD_BOOL: return read_bool(f, root, object, err);
	case FIELD_TEXT: return read_text(f, root, object, err);
	case FIELD_WORD: return read_word(f, root, object, err);
	}
	return err_set(err, ERR_INTERNAL, "%s: unknown kind of field", f->name);
}

int fields_read(const struct field *fields, size_t n, const char *path, size_t max_bytes, void *object, struct err *err)
{
	CLEANUP_BUF struct buf in = {0};
	int rc = fs_read(path, max_bytes, &in, err);
	if (rc != 0)
		return rc;
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	rc = json_parse(buf_str(&in), in.len, NULL, &doc, &root, err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = read_one(&fields[i], &root, object, err);
	return rc == 0 ? 0 : err_wrap(err, "read %s", path);
}

void fields_free(const struct field *fields, size_t n, void *object)
{
	for (size_t i = 0; i < n; i++) {
		if (fields[i].kind != FIELD_TEXT)
			continue;
		char *text = NULL;
		memcpy(&text, at(object, &fields[i]), sizeof(text));
		free(text);
		text = NULL;
		memcpy(at(object, &fields[i]), &text, sizeof(text));
	}
}
