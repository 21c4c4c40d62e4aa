/* Understanding: plan JSON -> what will happen, from the document and never from text. Step 8. Pure.
 *
 * Reads format_version 1.x of Terraform and OpenTofu. Sensitive values (after_sensitive, before_sensitive, sensitive variables and
 * outputs) are replaced by "(sensitive)" before anything leaves this file; unknown ones by "(known after apply)". */
#ifndef PLAN_SUMMARY_H
#define PLAN_SUMMARY_H

#include "base/buf.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum change_kind { CHANGE_REPLACE, CHANGE_DESTROY, CHANGE_FORGET, CHANGE_UPDATE, CHANGE_CREATE, CHANGE_IMPORT, CHANGE_MOVE, CHANGE_READ, CHANGE_NOOP };
const char *change_kind_name(enum change_kind k); /* "replace", ... */

struct plan_change {
	enum change_kind kind;
	bool imported, moved;         /* beside create/update/...: also imported or moved */
	char *address, *previous_address; /* previous: moved only */
	char *type;
	char *import_id;
	struct strlist forces;        /* attribute paths that force a replacement: "engine_version", "disk[0].size" */
	bool create_before_destroy;
	char *reason;                 /* action_reason in words: "was removed from the configuration", NULL */
};

struct plan_summary {
	int64_t create, update, replace, destroy, import, move, forget, outputs, drift; /* drift: resources changed outside */
	struct plan_change *changes; /* without no-ops; replaced, destroyed first; then by address */
	size_t changes_n;
	struct strlist drifted;      /* addresses */
	char *engine_version;        /* terraform_version of the document */
	bool applyable;              /* has anything to apply: changes, outputs, moves */
};

int plan_summary_read(const char *plan_json, size_t len, struct plan_summary *ret, struct err *err) MUST_CHECK;
void plan_summary_free(struct plan_summary *s);
void plan_summary_write(const struct plan_summary *s, struct buf *out); /* JSON */
int plan_summary_parse(const char *json, size_t len, struct plan_summary *ret, struct err *err) MUST_CHECK;
/* The diff of one project from plan JSON as text of a ```diff block (no fence): replaced and destroyed first, unchanged attributes left
 * out, multi-line strings and JSON documents as their own diff, drift under its own heading. At most LIMIT_DIFF_BYTES, then a line that says
 * what was left out. */
int plan_diff(const char *plan_json, size_t len, struct buf *out, struct err *err) MUST_CHECK;
/* "2 to add, 1 to change, 1 to destroy" or "no changes". */
void plan_summary_words(const struct plan_summary *s, struct buf *out);

#endif
