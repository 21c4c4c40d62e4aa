/* Request and result of a preparation as JSON: what goes through the child's stdin and stdout. */
#include "plan/prepare.h"

#include "base/json.h"
#include "base/limits.h"

#include <stdio.h>

enum { TEXT_MAX = 1 << 20, NUMBER_MAX = 1 << 30 };

static void write_list(struct json_writer *w, const char *key, const struct strlist *l)
{
	jw_open_arr(w, key);
	for (size_t i = 0; i < l->n; i++)
		jw_str(w, NULL, l->v[i]);
	jw_close_arr(w);
}

static int read_list(const struct json *o, const char *key, size_t max, struct strlist *ret, struct err *err)
{
	struct json arr;
	size_t n = 0;
	int rc = json_arr_opt(o, key, &arr, &n, err);
	if (rc == 0 && n > max)
		return err_set(err, ERR_LIMIT, "%s: more than %zu entries", key, max);
	if (rc != 0 || n == 0)
		return rc;
	for (struct json e = json_first(&arr); rc == 0 && json_ok(&e); e = json_next(&e)) {
		const char *s = NULL;
		rc = json_as_str(&e, TEXT_MAX, &s, err);
		if (rc == 0)
			strlist_add(ret, s);
	}
	return rc;
}

static int read_text(const struct json *o, const char *key, char **ret, struct err *err)
{
	const char *s = NULL;
	int rc = json_str_opt(o, key, TEXT_MAX, NULL, &s, err);
	if (rc == 0)
		*ret = xstrdup(s);
	return rc;
}

/* A table of fields keeps writer, reader and free in step. */
struct text_field {
	const char *key;
	size_t offset;
};
#define TEXT_FIELD(type, name)                     \
	{                                          \
#name, offsetof(struct type, name) \
	}

static const struct text_field request_texts[] = {
	TEXT_FIELD(prepare_request, server_file), TEXT_FIELD(prepare_request, mirror_dir), TEXT_FIELD(prepare_request, trees_dir),
	TEXT_FIELD(prepare_request, clone_url),   TEXT_FIELD(prepare_request, token),      TEXT_FIELD(prepare_request, base_ref),
	TEXT_FIELD(prepare_request, head_sha),    TEXT_FIELD(prepare_request, merge_sha),  TEXT_FIELD(prepare_request, only_workspace),
};
static const struct text_field project_texts[] = {
	TEXT_FIELD(prepared_project, name),    TEXT_FIELD(prepared_project, dir),    TEXT_FIELD(prepared_project, workspace),
	TEXT_FIELD(prepared_project, backend), TEXT_FIELD(prepared_project, reason), TEXT_FIELD(prepared_project, inputs),
	TEXT_FIELD(prepared_project, error),   TEXT_FIELD(prepared_project, bound),  TEXT_FIELD(prepared_project, tree_dir),
	TEXT_FIELD(prepared_project, lock_id), TEXT_FIELD(prepared_project, told),   TEXT_FIELD(prepared_project, sandbox),
	TEXT_FIELD(prepared_project, env), TEXT_FIELD(prepared_project, egress_plan), TEXT_FIELD(prepared_project, egress_apply),
};
static const struct text_field project_bools[] = {
	TEXT_FIELD(prepared_project, requires_approved),   TEXT_FIELD(prepared_project, requires_checks),
	TEXT_FIELD(prepared_project, requires_up_to_date), TEXT_FIELD(prepared_project, deleted),
	TEXT_FIELD(prepared_project, needs_init),          TEXT_FIELD(prepared_project, managed_state),
	TEXT_FIELD(prepared_project, codeowners),
};
static const struct text_field result_bools[] = {
	TEXT_FIELD(prepare_result, base_moved),
	TEXT_FIELD(prepare_result, config_present),
	TEXT_FIELD(prepare_result, config_changed),
};
static const struct text_field result_texts[] = {TEXT_FIELD(prepare_result, tree_dir), TEXT_FIELD(prepare_result, config_id),
						   TEXT_FIELD(prepare_result, owners), TEXT_FIELD(prepare_result, codeowners_id)};
static const struct text_field result_ids[] = {
	TEXT_FIELD(prepare_result, base_sha),
	TEXT_FIELD(prepare_result, head_sha),
	TEXT_FIELD(prepare_result, merge_base),
};

static void write_texts(struct json_writer *w, const struct text_field *f, size_t n, const void *from)
{
	for (size_t i = 0; i < n; i++) {
		char *s = NULL;
		memcpy(&s, (const char *)from + f[i].offset, sizeof(s));
		if (s != NULL)
			jw_str(w, f[i].key, s);
	}
}

static int read_texts(const struct json *o, const struct text_field *f, size_t n, void *to, struct err *err)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		char *s = NULL;
		rc = read_text(o, f[i].key, &s, err);
		memcpy((char *)to + f[i].offset, &s, sizeof(s));
	}
	return rc;
}

static void free_texts(const struct text_field *f, size_t n, void *of)
{
	for (size_t i = 0; i < n; i++) {
		char *s = NULL;
		memcpy(&s, (char *)of + f[i].offset, sizeof(s));
		free(s);
	}
}

static void write_bools(struct json_writer *w, const struct text_field *f, size_t n, const void *from)
{
	for (size_t i = 0; i < n; i++) {
		bool b;
		memcpy(&b, (const char *)from + f[i].offset, sizeof(b));
		jw_bool(w, f[i].key, b);
	}
}

static int read_bools(const struct json *o, const struct text_field *f, size_t n, void *to, struct err *err)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		bool b = false;
		rc = json_bool(o, f[i].key, &b, err);
		memcpy((char *)to + f[i].offset, &b, sizeof(b));
	}
	return rc;
}

/* --- request --- */

int prepare_request_write(const struct prepare_request *r, struct buf *out)
{
	struct json_writer w = json_writer(out);
	jw_open(&w, NULL);
	write_texts(&w, request_texts, ARRAY_LEN(request_texts), r);
	jw_int(&w, "pull_number", r->pull_number);
	write_list(&w, "only_projects", &r->only_projects);
	write_list(&w, "only_dirs", &r->only_dirs);
	jw_bool(&w, "fetch_only", r->fetch_only);
	jw_bool(&w, "admin", r->admin);
	jw_close(&w);
	return buf_failed(out) ? ERR_LIMIT : 0;
}

int prepare_request_read(const char *bytes, size_t len, struct prepare_request *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	struct prepare_request r = {0};
	int rc = json_parse(bytes, len, NULL, &doc, &root, err);
	if (rc == 0)
		rc = read_texts(&root, request_texts, ARRAY_LEN(request_texts), &r, err);
	if (rc == 0)
		rc = json_int_opt(&root, "pull_number", 0, INT32_MAX, 0, &r.pull_number, err);
	if (rc == 0)
		rc = read_list(&root, "only_projects", LIMIT_PROJECTS, &r.only_projects, err);
	if (rc == 0)
		rc = read_list(&root, "only_dirs", LIMIT_PROJECTS, &r.only_dirs, err);
	if (rc == 0)
		rc = json_bool_opt(&root, "fetch_only", false, &r.fetch_only, err);
	if (rc == 0)
		rc = json_bool_opt(&root, "admin", false, &r.admin, err);
	if (rc == 0)
		*ret = r;
	else
		prepare_request_free(&r);
	return rc == 0 ? 0 : err_wrap(err, "preparation request");
}

void prepare_request_free(struct prepare_request *r)
{
	if (r->token != NULL)
		explicit_bzero(r->token, strlen(r->token));
	free_texts(request_texts, ARRAY_LEN(request_texts), r);
	strlist_free(&r->only_projects);
	strlist_free(&r->only_dirs);
	*r = (struct prepare_request){0};
}

/* --- result --- */

static void write_project(struct json_writer *w, const struct prepared_project *p)
{
	jw_open(w, NULL);
	write_texts(w, project_texts, ARRAY_LEN(project_texts), p);
	write_bools(w, project_bools, ARRAY_LEN(project_bools), p);
	if (p->engine != ENGINE_NONE)
		jw_str(w, "engine", engine_row(p->engine)->name);
	jw_bool(w, "apply_on_merge", p->apply == APPLY_ON_MERGE);
	jw_int(w, "approvals", p->approvals);
	write_list(w, "depends_on", &p->depends_on);
	jw_close(w);
}

static int read_project(const struct json *o, struct prepared_project *p, struct err *err)
{
	const char *engine = NULL;
	bool on_merge = false;
	int64_t approvals = 0;
	int rc = read_texts(o, project_texts, ARRAY_LEN(project_texts), p, err);
	if (rc == 0)
		rc = read_bools(o, project_bools, ARRAY_LEN(project_bools), p, err);
	if (rc == 0)
		rc = json_str_opt(o, "engine", LIMIT_NAME_BYTES, NULL, &engine, err);
	p->engine = ENGINE_NONE;
	if (rc == 0 && engine != NULL)
		rc = engine_parse(engine, &p->engine, err);
	if (rc == 0)
		rc = json_bool(o, "apply_on_merge", &on_merge, err);
	if (rc == 0)
		rc = json_int(o, "approvals", 0, NUMBER_MAX, &approvals, err);
	if (rc == 0)
		rc = read_list(o, "depends_on", LIMIT_PROJECTS, &p->depends_on, err);
	p->apply = on_merge ? APPLY_ON_MERGE : APPLY_ON_COMMENT;
	p->approvals = (int)approvals;
	if (rc == 0 && (p->name == NULL || p->dir == NULL || p->workspace == NULL))
		return err_set(err, ERR_PARSE, "%s: name, dir and workspace are required", o->path);
	return rc;
}

static int read_projects(const struct json *root, struct prepare_result *r, struct err *err)
{
	struct json arr;
	size_t n = 0;
	int rc = json_arr(root, "projects", &arr, &n, err);
	if (rc == 0 && n > LIMIT_PROJECTS)
		return err_set(err, ERR_LIMIT, "projects: more than %u", LIMIT_PROJECTS);
	if (rc != 0 || n == 0)
		return rc;
	r->projects = xcalloc(n, sizeof(*r->projects));
	for (struct json e = json_first(&arr); rc == 0 && json_ok(&e); e = json_next(&e))
		rc = read_project(&e, &r->projects[r->projects_n++], err);
	return rc;
}

static void write_errors(struct json_writer *w, const char *key, const struct config_errors *e)
{
	jw_open_arr(w, key);
	for (size_t i = 0; i < e->n; i++) {
		jw_open(w, NULL);
		jw_str(w, "file", e->v[i].file);
		jw_int(w, "line", e->v[i].line);
		jw_int(w, "column", e->v[i].column);
		jw_str(w, "message", e->v[i].msg);
		jw_close(w);
	}
	jw_close_arr(w);
}

static int read_errors(const struct json *root, const char *key, struct config_errors *ret, struct err *err)
{
	struct json arr;
	size_t n = 0;
	int rc = json_arr_opt(root, key, &arr, &n, err);
	if (rc != 0 || n == 0)
		return rc;
	for (struct json e = json_first(&arr); rc == 0 && json_ok(&e); e = json_next(&e)) {
		const char *file = NULL, *msg = NULL;
		int64_t line = 0, column = 0;
		rc = json_str(&e, "file", TEXT_MAX, &file, err);
		if (rc == 0)
			rc = json_str(&e, "message", TEXT_MAX, &msg, err);
		if (rc == 0)
			rc = json_int(&e, "line", 0, NUMBER_MAX, &line, err);
		if (rc == 0)
			rc = json_int(&e, "column", 0, NUMBER_MAX, &column, err);
		if (rc == 0)
			config_errors_add(ret, file, (int)line, (int)column, "%s", msg);
	}
	return rc;
}

int prepare_result_write(const struct prepare_result *r, struct buf *out)
{
	struct json_writer w = json_writer(out);
	jw_open(&w, NULL);
	for (size_t i = 0; i < ARRAY_LEN(result_ids); i++)
		jw_str(&w, result_ids[i].key, (const char *)r + result_ids[i].offset);
	write_bools(&w, result_bools, ARRAY_LEN(result_bools), r);
	write_errors(&w, "config_errors", &r->config_errors);
	write_errors(&w, "head_errors", &r->head_errors);
	write_texts(&w, result_texts, ARRAY_LEN(result_texts), r);
	jw_open_arr(&w, "projects");
	for (size_t i = 0; i < r->projects_n; i++)
		write_project(&w, &r->projects[i]);
	jw_close_arr(&w);
	jw_int(&w, "untouched", (int64_t)r->untouched);
	write_list(&w, "unknown", &r->unknown);
	jw_int(&w, "fetched_bytes", (int64_t)r->fetched_bytes);
	jw_int(&w, "took_ms", r->took_ms);
	jw_close(&w);
	return buf_failed(out) ? ERR_LIMIT : 0;
}

static int read_ids(const struct json *root, struct prepare_result *r, struct err *err)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(result_ids); i++) {
		const char *s = NULL;
		rc = json_str(root, result_ids[i].key, GIT_OID_HEX, &s, err);
		if (rc == 0)
			(void)snprintf((char *)r + result_ids[i].offset, GIT_OID_HEX + 1, "%s", s); /* its length was just checked */
	}
	return rc;
}

static int read_result(const struct json *root, struct prepare_result *r, struct err *err)
{
	int64_t untouched = 0, fetched = 0;
	int rc = read_ids(root, r, err);
	if (rc == 0)
		rc = read_bools(root, result_bools, ARRAY_LEN(result_bools), r, err);
	if (rc == 0)
		rc = read_errors(root, "config_errors", &r->config_errors, err);
	if (rc == 0)
		rc = read_errors(root, "head_errors", &r->head_errors, err);
	if (rc == 0)
		rc = read_texts(root, result_texts, ARRAY_LEN(result_texts), r, err);
	if (rc == 0)
		rc = read_projects(root, r, err);
	if (rc == 0)
		rc = json_int(root, "untouched", 0, NUMBER_MAX, &untouched, err);
	if (rc == 0)
		rc = read_list(root, "unknown", LIMIT_PROJECTS, &r->unknown, err);
	if (rc == 0)
		rc = json_int(root, "fetched_bytes", 0, (int64_t)1 << 50, &fetched, err);
	if (rc == 0)
		rc = json_int(root, "took_ms", 0, (int64_t)1 << 50, &r->took_ms, err);
	r->untouched = (size_t)untouched;
	r->fetched_bytes = (uint64_t)fetched;
	return rc;
}

static int result_from(const struct json *root, struct prepare_result *ret, struct err *err)
{
	struct prepare_result r = {0};
	int rc = read_result(root, &r, err);
	if (rc == 0)
		*ret = r;
	else
		prepare_result_free(&r);
	return rc;
}

int prepare_result_read(const char *bytes, size_t len, struct prepare_result *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int rc = json_parse(bytes, len, NULL, &doc, &root, err);
	if (rc == 0)
		rc = result_from(&root, ret, err);
	return rc == 0 ? 0 : err_wrap(err, "preparation result");
}

int prepare_answer_read(const char *bytes, size_t len, struct prepare_result *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root, result;
	bool ok = false;
	int64_t code = 0;
	const char *sentence = NULL;
	int rc = json_parse(bytes, len, NULL, &doc, &root, err);
	if (rc == 0)
		rc = json_bool(&root, "ok", &ok, err);
	if (rc == 0 && ok)
		rc = json_obj(&root, "result", &result, err);
	if (rc == 0 && ok)
		rc = result_from(&result, ret, err);
	if (rc == 0 && !ok)
		rc = json_int(&root, "code", ERR_INTERNAL, ERR_USAGE, &code, err);
	if (rc == 0 && !ok)
		rc = json_str(&root, "error", ERR_MSG_MAX, &sentence, err);
	if (rc != 0)
		return err_wrap(err, "answer of the preparation");
	return ok ? 0 : err_set(err, (int)code, "%s", sentence);
}

void prepare_result_free(struct prepare_result *r)
{
	for (size_t i = 0; i < r->projects_n; i++) {
		free_texts(project_texts, ARRAY_LEN(project_texts), &r->projects[i]);
		strlist_free(&r->projects[i].depends_on);
	}
	free(r->projects);
	free_texts(result_texts, ARRAY_LEN(result_texts), r);
	config_errors_free(&r->config_errors);
	config_errors_free(&r->head_errors);
	strlist_free(&r->unknown);
	*r = (struct prepare_result){0};
}
