#include "plan/plan_record.h"

#include "base/json.h"
#include "base/limits.h"

#include <stddef.h>

#define OF(member) offsetof(struct plan_record, member)
static const struct plan_record_row rows[] = {
	{"repo_id", RECORD_NUMBER, OF(repo_id), RECORD_ALWAYS, "was made for another repository"},
	{"repo", RECORD_TEXT, OF(repo), RECORD_ALWAYS, "was made when the repository had another name"},
	{"pull", RECORD_NUMBER, OF(pull), RECORD_ALWAYS, "was made for another pull request"},
	{"project", RECORD_TEXT, OF(project), RECORD_ALWAYS, "was made for another project"},
	{"dir", RECORD_TEXT, OF(dir), RECORD_ALWAYS, "was made in another directory"},
	{"workspace", RECORD_TEXT, OF(workspace), RECORD_ALWAYS, "was made for another workspace"},
	{"head_sha", RECORD_TEXT, OF(head_sha), RECORD_BEFORE, "was made for another commit of the pull request"},
	{"base_ref", RECORD_TEXT, OF(base_ref), RECORD_ALWAYS, "was made for another base branch"},
	{"base_sha", RECORD_TEXT, OF(base_sha), RECORD_BEFORE, "was made for another base commit"},
	{"inputs_each", RECORD_INPUTS, OF(each), RECORD_ALWAYS, "was made from other files"},
	{"inputs", RECORD_TEXT, OF(inputs), RECORD_ALWAYS, "was made from other files"},
	{"lock_id", RECORD_TEXT, OF(lock_id), RECORD_ALWAYS, "was made with another lock file (.terraform.lock.hcl)"},
	{"modules", RECORD_TEXT, OF(modules), RECORD_ALWAYS, "was made with other remote modules"},
	{"args", RECORD_TEXT, OF(args), RECORD_ALWAYS, "was made with other flags"},
	{"config_id", RECORD_TEXT, OF(config_id), RECORD_ALWAYS, "was made under another sluice.yaml"},
	{"server_digest", RECORD_TEXT, OF(server_digest), RECORD_ALWAYS, "was made under another configuration of the server"},
	{"engine", RECORD_TEXT, OF(engine), RECORD_ALWAYS, "was made by another engine"},
	{"engine_version", RECORD_TEXT, OF(engine_version), RECORD_ALWAYS, "was made by another version of the engine"},
	{"engine_sha256", RECORD_TEXT, OF(engine_sha256), RECORD_ALWAYS, "was made by an engine whose program file is another one by now"},
	{"backend", RECORD_TEXT, OF(backend), RECORD_ALWAYS, "was made against another backend"},
	{"state_lineage", RECORD_TEXT, OF(state_lineage), RECORD_ALWAYS, "was made against a state of another lineage"},
	{"state_serial", RECORD_NUMBER, OF(state_serial), RECORD_ALWAYS, "was made against another version of the state"},
	{"policies", RECORD_TEXT, OF(policies), RECORD_ALWAYS, "had other policy verdicts"},
	{"cost", RECORD_TEXT, OF(cost), RECORD_ALWAYS, "had another cost"},
	{"plan_sha256", RECORD_TEXT, OF(plan_sha256), RECORD_ALWAYS, "is not the plan file that was reviewed"},
	{"changes", RECORD_TEXT, OF(changes), RECORD_ALWAYS, "has other changes than those that were reviewed"},
	{"tier", RECORD_NUMBER, OF(tier), RECORD_ALWAYS, "was made under another trust tier"},
	{"destroy", RECORD_FLAG, OF(destroy), RECORD_ALWAYS, "was made with another answer to whether everything is destroyed"},
	{"planned_ms", RECORD_NUMBER, OF(planned_ms), RECORD_SIGNED, "was made at another time"},
	{"expires_ms", RECORD_NUMBER, OF(expires_ms), RECORD_SIGNED, "expires at another time"},
};
#undef OF
static const char format[] = "sluice plan record 1";

/* ---- reaching a field ---- */

static char *text_at(const struct plan_record *r, const struct plan_record_row *row)
{
	char *text;
	memcpy(&text, (const char *)r + row->offset, sizeof(text));
	return text;
}

static int64_t number_at(const struct plan_record *r, const struct plan_record_row *row)
{
	int64_t n;
	memcpy(&n, (const char *)r + row->offset, sizeof(n));
	return n;
}

static bool flag_at(const struct plan_record *r, const struct plan_record_row *row)
{
	bool flag;
	memcpy(&flag, (const char *)r + row->offset, sizeof(flag));
	return flag;
}

static void put(struct plan_record *r, const struct plan_record_row *row, const void *value, size_t size) { memcpy((char *)r + row->offset, value, size); }

static void inputs_free_all(struct record_inputs *in)
{
	for (size_t i = 0; i < in->n; i++) {
		free(in->v[i].path);
		free(in->v[i].id);
	}
	free(in->v);
	*in = (struct record_inputs){0};
}

void plan_record_free(struct plan_record *r)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].kind == RECORD_TEXT)
			free(text_at(r, &rows[i]));
	inputs_free_all(&r->each);
	*r = (struct plan_record){0};
}

/* ---- writing ---- */

static void write_inputs(struct json_writer *w, const char *name, const struct record_inputs *in)
{
	jw_open_arr(w, name);
	for (size_t i = 0; i < in->n; i++) {
		jw_open_arr(w, NULL);
		jw_str(w, NULL, in->v[i].path);
		jw_str(w, NULL, in->v[i].id);
		jw_bool(w, NULL, in->v[i].is_module);
		jw_close_arr(w);
	}
	jw_close_arr(w);
}

void plan_record_write(const struct plan_record *r, struct buf *out)
{
	struct json_writer w = json_writer(out);
	jw_open(&w, NULL);
	jw_str(&w, "format", format);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		switch (rows[i].kind) {
		case RECORD_TEXT: jw_str(&w, rows[i].name, text_at(r, &rows[i])); break;
		case RECORD_NUMBER: jw_int(&w, rows[i].name, number_at(r, &rows[i])); break;
		case RECORD_FLAG: jw_bool(&w, rows[i].name, flag_at(r, &rows[i])); break;
		case RECORD_INPUTS: write_inputs(&w, rows[i].name, &r->each); break;
		}
	jw_close(&w);
}

/* ---- reading ---- */

static int read_input(const struct json *e, struct record_input *ret, struct err *err)
{
	struct json path = json_at(e, 0), id = json_at(e, 1), module = json_at(e, 2);
	const char *text = NULL;
	int rc = json_as_str(&path, LIMIT_PATH_BYTES, &text, err);
	if (rc == 0)
		ret->path = xstrdup(text);
	if (rc == 0)
		rc = json_as_str(&id, 128, &text, err);
	if (rc == 0)
		ret->id = xstrdup(text);
	ret->is_module = json_is_true(&module);
	return rc;
}

static int read_inputs(const struct json *root, const char *name, struct record_inputs *ret, struct err *err)
{
	struct json list;
	size_t n;
	int rc = json_arr(root, name, &list, &n, err);
	if (rc == 0 && n > RECORD_INPUTS_MAX)
		rc = err_set(err, ERR_LIMIT, "%s: %zu entries, more than %d", name, n, RECORD_INPUTS_MAX);
	if (rc != 0)
		return rc;
	ret->v = xcalloc(n + 1, sizeof(*ret->v));
	for (struct json e = json_first(&list); rc == 0 && json_ok(&e); e = json_next(&e))
		rc = read_input(&e, &ret->v[ret->n++], err);
	return rc;
}

static int read_row(const struct plan_record_row *row, const struct json *root, struct plan_record *r, struct err *err)
{
	const char *text = NULL;
	char *copy;
	int64_t number = 0;
	bool flag = false;
	int rc = 0;
	switch (row->kind) {
	case RECORD_TEXT:
		rc = json_str_opt(root, row->name, AGENT_SIGN_MAX, NULL, &text, err);
		copy = xstrdup(text);
		put(r, row, &copy, sizeof(copy));
		break;
	case RECORD_NUMBER:
		rc = json_int(root, row->name, -((int64_t)1 << 53), (int64_t)1 << 53, &number, err);
		put(r, row, &number, sizeof(number));
		break;
	case RECORD_FLAG:
		rc = json_bool(root, row->name, &flag, err);
		put(r, row, &flag, sizeof(flag));
		break;
	case RECORD_INPUTS: rc = read_inputs(root, row->name, &r->each, err); break;
	}
	return rc;
}

static int read_all(const char *text, size_t len, struct plan_record *r, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	const char *said = NULL;
	int rc = len > AGENT_SIGN_MAX ? err_set(err, ERR_LIMIT, "it has %zu bytes, more than %d", len, AGENT_SIGN_MAX)
				      : json_parse(text, len, NULL, &doc, &root, err);
	if (rc == 0)
		rc = json_str(&root, "format", 64, &said, err);
	if (rc == 0 && strcmp(said, format) != 0)
		rc = err_set(err, ERR_PARSE, "it is not of this version of sluice");
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(rows); i++)
		rc = read_row(&rows[i], &root, r, err);
	return rc;
}

int plan_record_read(const char *text, size_t len, struct plan_record *ret, struct err *err)
{
	struct plan_record r = {0};
	CLEANUP_BUF struct buf again = {0};
	struct err why = {0};
	int rc = read_all(text, len, &r, &why);
	if (rc == 0)
		plan_record_write(&r, &again);
	if (rc == 0 && (again.len != len || memcmp(again.data, text, len) != 0))
		rc = err_set(&why, ERR_PARSE, "it is not written as sluice writes it");
	if (rc != 0) {
		plan_record_free(&r);
		return err_set(err, rc, "the plan record cannot be read: %s: plan again", why.msg);
	}
	*ret = r;
	return 0;
}

/* ---- signing ---- */

int plan_record_sign(struct agent *a, const struct plan_record *r, char **ret_text, uint8_t ret_sig[AGENT_SIG_SIZE], struct err *err)
{
	CLEANUP_BUF struct buf text = {0};
	plan_record_write(r, &text);
	if (text.len > AGENT_SIGN_MAX)
		return err_set(err, ERR_LIMIT, "the plan record of `%s` has %zu bytes, more than the %d that are signed", r->project, text.len,
			       AGENT_SIGN_MAX);
	int rc = agent_sign(a, AGENT_PLAN_RECORD, text.data, text.len, ret_sig, err);
	if (rc == 0)
		*ret_text = buf_take(&text);
	return rc;
}

int plan_record_verify(const uint8_t pub[AGENT_PUBLIC_SIZE], const char *text, size_t len, const uint8_t sig[AGENT_SIG_SIZE], struct plan_record *ret,
		       struct err *err)
{
	if (!agent_check(pub, AGENT_PLAN_RECORD, text, len, sig))
		return err_set(err, ERR_REFUSED, "the plan record was not signed by this server, or was changed since: plan again");
	return plan_record_read(text, len, ret, err);
}

/* ---- comparing ---- */

/* The first path that is not the same on both sides; NULL: none. Both are sorted. */
static const char *other_input(const struct record_inputs *a, const struct record_inputs *b)
{
	for (size_t i = 0; i < a->n || i < b->n; i++) {
		if (i >= a->n || i >= b->n)
			return i < a->n ? a->v[i].path : b->v[i].path;
		const struct record_input *x = &a->v[i], *y = &b->v[i];
		int order = strcmp(x->path, y->path);
		if (order != 0)
			return order < 0 ? x->path : y->path;
		if (strcmp(x->id, y->id) != 0 || x->is_module != y->is_module)
			return x->path;
	}
	return NULL;
}

static bool same_text(const char *a, const char *b) { return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0; }

static bool same(const struct plan_record *a, const struct plan_record *b, const struct plan_record_row *row)
{
	switch (row->kind) {
	case RECORD_TEXT: return same_text(text_at(a, row), text_at(b, row));
	case RECORD_NUMBER: return number_at(a, row) == number_at(b, row);
	case RECORD_FLAG: return flag_at(a, row) == flag_at(b, row);
	case RECORD_INPUTS: return other_input(&a->each, &b->each) == NULL;
	}
	return false;
}

/* A path that can stand in a sentence: a repository may hold names that would end the code span around them. */
static bool is_plain(const char *path)
{
	for (; *path != '\0'; path++)
		if ((unsigned char)*path < ' ' || *path == '`')
			return false;
	return true;
}

static bool is_bound(const struct plan_record_row *row, enum plan_record_when when)
{
	return row->bound == RECORD_ALWAYS || (row->bound == RECORD_BEFORE && when == RECORD_BEFORE_MERGE);
}

int plan_record_compare(const struct plan_record *was, const struct plan_record *now, enum plan_record_when when, const char **ret_field, struct err *err)
{
	const char *project = now->project != NULL ? now->project : "?";
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!is_bound(&rows[i], when) || same(was, now, &rows[i]))
			continue;
		if (ret_field != NULL)
			*ret_field = rows[i].name;
		const char *path = rows[i].kind == RECORD_INPUTS ? other_input(&was->each, &now->each) : NULL;
		if (path != NULL && is_plain(path))
			return err_set(err, ERR_REFUSED, "the plan of `%s` %s (`%s`): plan again", project, rows[i].sentence, path);
		return err_set(err, ERR_REFUSED, "the plan of `%s` %s: plan again", project, rows[i].sentence);
	}
	return 0;
}

const struct plan_record_row *plan_record_rows(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(rows);
	return rows;
}
