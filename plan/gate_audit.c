/* The gate's decisions in the audit log: who said what, and what was made of it. */
#include "base/audit.h"
#include "base/json.h"
#include "plan/gate_own.h"

static const char *mark_word(enum gate_mark m) { return m == GATE_YES ? "yes" : m == GATE_NO ? "no" : "unknown"; }

static void verdict_text(const char *at, const struct gate_facts *f, const struct gate_verdict *v, struct buf *out)
{
	struct json_writer w = json_writer(out);
	jw_open(&w, NULL);
	jw_str(&w, "at", at);
	jw_bool(&w, "open", v->open);
	jw_int(&w, "approvals", f->approvals);
	jw_int(&w, "approvals_needed", f->approvals_needed);
	jw_open(&w, "rows");
	for (size_t i = 0; i < v->n; i++)
		jw_str(&w, v->items[i].name, mark_word(v->items[i].mark));
	jw_close(&w);
	if (!v->open)
		jw_str(&w, "because", gate_first_no(v));
	jw_close(&w);
}

int gate_audit(struct db_conn *c, const struct run_row *run, const char *at, const struct gate_facts *f, const struct gate_own *own,
	       const struct gate_verdict *v, struct err *err)
{
	struct audit row = {.kind = "approval", .actor = "sluice", .repo_id = run->repo_id, .pull = run->pull, .run_id = run->id};
	CLEANUP_BUF struct buf verdict = {0};
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < own->considered.n; i++) {
		row.detail = own->considered.v[i];
		rc = audit_add(c, &row, err);
	}
	verdict_text(at, f, v, &verdict);
	row.kind = "gate";
	row.actor = run->asker;
	row.detail = buf_str(&verdict);
	return rc == 0 ? audit_add(c, &row, err) : rc;
}
