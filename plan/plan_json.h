/* Plan JSON, shared by the summary and the diff: opening a document and reading one resource change. Step 8. Private to plan/. */
#ifndef PLAN_PLAN_JSON_H
#define PLAN_PLAN_JSON_H

#include "base/json.h"
#include "plan/summary.h"

/* Checks format_version and that the engine did not mark the plan as failed. The root's strings belong to the doc. */
int plan_json_open(const char *bytes, size_t len, struct json_doc **ret_doc, struct json *ret_root, struct err *err) MUST_CHECK;

/* What the actions of a change mean. */
struct plan_action {
	const char *first, *second; /* as the engine writes them; second may be NULL */
	enum change_kind kind;
	bool create_first; /* replacement: the new object comes before the old one goes */
	bool forgets_old;  /* a new object is created and the old one stays alive outside of the state */
};
/* ERR_PARSE for a combination that this version does not know. */
int plan_json_action(const struct json *change, const struct plan_action **ret, struct err *err) MUST_CHECK;

/* One element of resource_changes with the cursor to its `change`. */
struct plan_entry {
	struct plan_change c;
	struct json change;
	bool managed, forgets_old;
};

struct plan_entries {
	struct plan_entry *v;
	size_t n;
};

/* resource_changes without no-ops, replaced and destroyed first, then by address. */
int plan_entries_read(const struct json *root, struct plan_entries *ret, struct err *err) MUST_CHECK;
/* resource_drift: managed resources that are not as the state says; `reason` is unused. */
int plan_drift_read(const struct json *root, struct plan_entries *ret, struct err *err) MUST_CHECK;
void plan_entries_free(struct plan_entries *e);
void plan_change_free(struct plan_change *c);
/* Adds one step of a path, ".name", "[0]" or "[\"key\"]". */
void plan_path_step(struct buf *out, const struct json *step);
/* Compares addresses with numbers in them by value: x[2] before x[10]. */
int plan_address_compare(const char *a, const char *b);
/* Terraform's action for an output differs from "no-op". */
bool plan_output_changes(const struct json *change);

#endif
