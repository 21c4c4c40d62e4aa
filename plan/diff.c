/* The diff of one project, resource by resource. */
#include "plan/diff_internal.h"

#include "base/limits.h"
#include "base/mem.h"

#include <string.h>

enum { TAIL_ROOM = 2048 }; /* for the sentence that says what was left out */

static struct side side_before(const struct diff *d, const struct json *change)
{
	return (struct side){.value = json_member(change, "before"),
			     .sensitive = json_member(change, "before_sensitive"),
			     .secrets = d->secrets};
}

static struct side side_after(const struct diff *d, const struct json *change)
{
	return (struct side){
		.value = json_member(change, "after"),
		.unknown = json_member(change, "after_unknown"),
		.sensitive = json_member(change, "after_sensitive"),
		.secrets = d->secrets,
	};
}

/* "engine_version and size force it" */
static void put_forces(struct buf *out, const struct strlist *forces)
{
	for (size_t i = 0; i < forces->n; i++)
		buf_printf(out, "%s%s", i == 0 ? "" : i + 1 == forces->n ? " and " : ", ", forces->v[i]);
	buf_adds(out, forces->n == 1 ? " forces it" : " force it");
}

static void put_parentheses(struct buf *out, const struct plan_change *c)
{
	if (c->forces.n == 0 && c->reason == NULL && !c->create_before_destroy)
		return;
	buf_adds(out, " (");
	if (c->forces.n > 0)
		put_forces(out, &c->forces);
	if (c->reason != NULL)
		buf_printf(out, "%s%s", c->forces.n > 0 ? "; " : "", c->reason);
	if (c->create_before_destroy)
		buf_printf(out, "%sthe new one is created first", c->forces.n > 0 || c->reason != NULL ? "; " : "");
	buf_addc(out, ')');
}

static void heading(struct diff *d, const struct plan_change *c)
{
	static const char *const verbs[] = {
		[CHANGE_REPLACE] = "replaced",
		[CHANGE_DESTROY] = "destroyed",
		[CHANGE_FORGET] = "forgotten: it stays alive outside of the state",
		[CHANGE_UPDATE] = "changed",
		[CHANGE_CREATE] = "created",
		[CHANGE_IMPORT] = "imported",
		[CHANGE_MOVE] = "moved",
		[CHANGE_READ] = "read during apply",
		[CHANGE_NOOP] = "left alone",
	};
	CLEANUP_BUF struct buf text = {0};
	buf_printf(&text, "%s will be ", c->address);
	if (c->imported && c->kind != CHANGE_IMPORT)
		buf_adds(&text, "imported and ");
	buf_adds(&text, verbs[c->kind]);
	if (c->imported && c->import_id != NULL)
		buf_printf(&text, ", id %s", c->import_id);
	if (c->moved)
		buf_printf(&text, "%s from %s", c->kind == CHANGE_MOVE ? "" : ", moved", c->previous_address);
	put_parentheses(&text, c);
	diff_line(d, '#', 0, buf_str(&text));
}

static void body(struct diff *d, const struct plan_entry *e)
{
	struct side before = side_before(d, &e->change), after = side_after(d, &e->change);
	switch (e->c.kind) {
	case CHANGE_CREATE:
		if (e->forgets_old)
			diff_object_pair(d, &before, &after, true);
		else
			diff_object_whole(d, '+', &after);
		break;
	case CHANGE_DESTROY: diff_object_whole(d, '-', &before); break;
	case CHANGE_UPDATE: diff_object_pair(d, &before, &after, false); break;
	case CHANGE_REPLACE: diff_object_pair(d, &before, &after, true); break;
	case CHANGE_FORGET:
	case CHANGE_IMPORT:
	case CHANGE_MOVE:
	case CHANGE_READ:
	case CHANGE_NOOP: break;
	}
}

static void blank_line(struct diff *d)
{
	if (d->out->len > 0 && !d->full)
		buf_addc(d->out, '\n');
}

static size_t show_entries(struct diff *d, const struct plan_entries *entries)
{
	size_t i = 0;
	for (; i < entries->n && !d->full; i++) {
		blank_line(d);
		d->forces = &entries->v[i].c.forces;
		heading(d, &entries->v[i].c);
		body(d, &entries->v[i]);
	}
	d->forces = NULL;
	return i;
}

/* An output that did not exist is marked like the one that will: only the action tells. */
static void show_output(struct diff *d, size_t width, const struct json *change)
{
	const struct plan_action *action = NULL;
	struct side before = side_before(d, change), after = side_after(d, change), nothing = {.secrets = d->secrets};
	if (plan_json_action(change, &action, NULL) == 0 && action->kind == CHANGE_CREATE)
		before = nothing;
	else if (action != NULL && action->kind == CHANGE_DESTROY)
		after = nothing;
	diff_named_pair(d, json_key(change), width, &before, &after);
}

static void show_outputs(struct diff *d, const struct json *root)
{
	struct json outputs = json_member(root, "output_changes");
	size_t width = 0;
	for (struct json change = json_first(&outputs); json_ok(&change); change = json_next(&change))
		if (plan_output_changes(&change))
			width = diff_name_width(json_key(&change), width > 0 ? width : 1);
	if (width == 0)
		return;
	blank_line(d);
	diff_line(d, '#', 0, "Outputs");
	for (struct json change = json_first(&outputs); json_ok(&change) && !d->full; change = json_next(&change))
		if (plan_output_changes(&change))
			show_output(d, width, &change);
}

static void show_drift(struct diff *d, const struct plan_entries *drift)
{
	for (size_t i = 0; i < drift->n && !d->full; i++) {
		struct side before = side_before(d, &drift->v[i].change), after = side_after(d, &drift->v[i].change);
		bool gone = drift->v[i].c.kind == CHANGE_DESTROY;
		blank_line(d);
		if (i == 0)
			diff_line(d, '#', 0, "Changed outside, since the state was written:");
		diff_linef(d, '#', 0, "%s was %s outside", drift->v[i].c.address, gone ? "deleted" : "changed");
		if (!gone)
			diff_object_pair(d, &before, &after, false);
	}
}

static void tell_left_out(struct diff *d, size_t shown, size_t all)
{
	if (!d->full)
		return;
	buf_printf(d->out, "# The diff ends here, at its limit of %u bytes", LIMIT_DIFF_BYTES);
	if (all > shown)
		buf_printf(d->out, ": %zu of %zu changes are left out", all - shown, all);
	buf_adds(d->out, ". The log has all of it.\n");
}

int plan_diff(const char *plan_json, size_t len, struct buf *out, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	struct plan_entries entries, drift;
	int rc = plan_json_open(plan_json, len, &doc, &root, err);
	if (rc != 0 || (rc = plan_entries_read(&root, &entries, err)) != 0)
		return rc;
	rc = plan_drift_read(&root, &drift, err);
	if (rc != 0) {
		plan_entries_free(&entries);
		return rc;
	}
	CLEANUP_BUF struct buf text = {.max = 2 * LIMIT_DIFF_BYTES};
	struct diff_secrets secrets;
	diff_secrets_collect(&root, &secrets);
	struct diff d = {.out = &text, .limit = LIMIT_DIFF_BYTES - TAIL_ROOM, .secrets = &secrets};
	size_t shown = show_entries(&d, &entries);
	show_outputs(&d, &root);
	show_drift(&d, &drift);
	tell_left_out(&d, shown, entries.n);
	buf_add(out, buf_str(&text), text.len);
	buf_free(&d.path);
	strlist_free(&secrets.v);
	plan_entries_free(&entries);
	plan_entries_free(&drift);
	return 0;
}
