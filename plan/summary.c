#include "plan/summary.h"

#include "plan/plan_json.h"

#include <string.h>

const char *change_kind_name(enum change_kind k)
{
	static const char *const names[] = {
		[CHANGE_REPLACE] = "replace", [CHANGE_DESTROY] = "destroy", [CHANGE_FORGET] = "forget",
		[CHANGE_UPDATE] = "update",   [CHANGE_CREATE] = "create",   [CHANGE_IMPORT] = "import",
		[CHANGE_MOVE] = "move",       [CHANGE_READ] = "read",       [CHANGE_NOOP] = "no-op",
	};
	return names[k];
}

static void count(struct plan_summary *s, const struct plan_entry *e)
{
	s->create += e->c.kind == CHANGE_CREATE;
	s->update += e->c.kind == CHANGE_UPDATE;
	s->replace += e->c.kind == CHANGE_REPLACE;
	s->destroy += e->c.kind == CHANGE_DESTROY;
	s->forget += e->c.kind == CHANGE_FORGET || e->forgets_old;
	s->import += e->c.imported;
	s->move += e->c.moved;
}

static void count_outputs(struct plan_summary *s, const struct json *root)
{
	struct json outputs = json_member(root, "output_changes");
	for (struct json out = json_first(&outputs); json_ok(&out); out = json_next(&out))
		s->outputs += plan_output_changes(&out);
}

static int read_document(const struct json *root, struct plan_summary *s, struct err *err)
{
	struct plan_entries entries, drift;
	int rc = plan_entries_read(root, &entries, err);
	if (rc != 0)
		return rc;
	s->changes = xcalloc(entries.n + 1, sizeof(*s->changes));
	for (size_t i = 0; i < entries.n; i++) {
		count(s, &entries.v[i]);
		s->changes[s->changes_n++] = entries.v[i].c;
		entries.v[i].c = (struct plan_change){0}; /* moved out */
	}
	plan_entries_free(&entries);
	rc = plan_drift_read(root, &drift, err);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < drift.n; i++)
		strlist_add(&s->drifted, drift.v[i].c.address);
	s->drift = (int64_t)drift.n;
	plan_entries_free(&drift);
	count_outputs(s, root);
	return 0;
}

int plan_summary_read(const char *plan_json, size_t len, struct plan_summary *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	struct plan_summary s = {0};
	int rc = plan_json_open(plan_json, len, &doc, &root, err);
	if (rc != 0)
		return rc;
	rc = read_document(&root, &s, err);
	if (rc != 0) {
		plan_summary_free(&s);
		return rc;
	}
	struct json version = json_member(&root, "terraform_version"), applyable = json_member(&root, "applyable");
	s.engine_version = xstrdup(json_text(&version) != NULL ? json_text(&version) : "");
	s.applyable = json_is_true(&applyable) ||
		      s.create + s.update + s.replace + s.destroy + s.import + s.move + s.forget + s.outputs > 0;
	*ret = s;
	return 0;
}

void plan_summary_free(struct plan_summary *s)
{
	for (size_t i = 0; i < s->changes_n; i++)
		plan_change_free(&s->changes[i]);
	free(s->changes);
	strlist_free(&s->drifted);
	free(s->engine_version);
	*s = (struct plan_summary){0};
}

void plan_summary_words(const struct plan_summary *s, struct buf *out)
{
	const struct {
		int64_t n;
		const char *words;
	} parts[] = {
		{s->create, "to add"},    {s->update, "to change"}, {s->replace, "to replace"}, {s->destroy, "to destroy"},
		{s->import, "to import"}, {s->move, "to move"},     {s->forget, "to forget"},
	};
	bool any = false;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (parts[i].n > 0) {
			buf_printf(out, "%s%lld %s", any ? ", " : "", (long long)parts[i].n, parts[i].words);
			any = true;
		}
	if (s->outputs > 0)
		buf_printf(out, "%s%lld output%s", any ? ", " : "", (long long)s->outputs, s->outputs == 1 ? " changes" : "s change");
	else if (!any)
		buf_adds(out, "no changes");
}
