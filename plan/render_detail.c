/* What stands around the table: the callout above it, folded diffs and errors below it, the next step. */
#include "plan/render_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

enum {
	CALLOUT_LINES = 10,
	CALLOUT_FORCES = 4,
	DRIFT_LINES = 20,
	ERROR_BYTES = 6000,     /* of an engine's error in the comment */
	DETAIL_MIN_CHARS = 500, /* less of a diff is not worth a fold */
	ATTEMPTS = 4,
};

/* ---- the callout ---- */

/* Types whose replacement loses data, not only a name or an address. */
static bool holds_data(const char *type)
{
	static const char *const types[] = {
		"aws_db_instance",
		"aws_docdb_cluster",
		"aws_dynamodb_table",
		"aws_ebs_volume",
		"aws_efs_file_system",
		"aws_elasticache_cluster",
		"aws_elasticache_replication_group",
		"aws_fsx_lustre_file_system",
		"aws_kms_key",
		"aws_neptune_cluster",
		"aws_opensearch_domain",
		"aws_rds_cluster",
		"aws_rds_cluster_instance",
		"aws_redshift_cluster",
		"aws_s3_bucket",
		"aws_s3_object",
		"aws_secretsmanager_secret",
		"azurerm_cosmosdb_account",
		"azurerm_key_vault",
		"azurerm_managed_disk",
		"azurerm_mssql_database",
		"azurerm_postgresql_flexible_server",
		"azurerm_storage_account",
		"azurerm_storage_container",
		"google_bigquery_dataset",
		"google_bigquery_table",
		"google_compute_disk",
		"google_filestore_instance",
		"google_spanner_database",
		"google_sql_database",
		"google_sql_database_instance",
		"google_storage_bucket",
		"kubernetes_persistent_volume_claim",
		"random_password",
		"tls_private_key",
	};
	for (size_t i = 0; type != NULL && i < ARRAY_LEN(types); i++)
		if (strcmp(types[i], type) == 0)
			return true;
	return false;
}

static void put_why_replaced(struct buf *out, const struct plan_change *c)
{
	for (size_t i = 0; i < c->forces.n && i < CALLOUT_FORCES; i++) {
		buf_adds(out, i == 0 ? "" : ", ");
		render_address(out, c->forces.v[i]);
	}
	if (c->forces.n > CALLOUT_FORCES)
		buf_printf(out, " and %zu more", c->forces.n - CALLOUT_FORCES);
	if (c->forces.n > 0)
		buf_printf(out, " %s and force%s a new resource", c->forces.n == 1 ? "changes" : "change", c->forces.n == 1 ? "s" : "");
	else if (c->reason != NULL)
		render_text(out, c->reason);
	else
		buf_adds(out, "the provider cannot change it in place");
	buf_adds(out, c->create_before_destroy ? "; the new one is created first." : ".");
	if (holds_data(c->type))
		buf_adds(out, " Its data does not survive a replacement.");
}

static void put_danger(struct buf *out, const struct view_project *p, const struct plan_change *c)
{
	buf_adds(out, "> **");
	render_cell_code(out, p->name);
	buf_adds(out, c->kind == CHANGE_REPLACE ? " replaces " : " destroys ");
	render_address(out, c->address);
	buf_adds(out, "**");
	if (c->kind == CHANGE_REPLACE) {
		buf_adds(out, ": ");
		put_why_replaced(out, c);
	} else {
		buf_adds(out, c->reason != NULL ? ": " : ".");
		render_text(out, c->reason != NULL ? c->reason : "");
		buf_adds(out, c->reason != NULL ? "." : "");
		if (holds_data(c->type))
			buf_adds(out, " Its data goes with it.");
	}
	buf_addc(out, '\n');
}

static size_t callout_plans(struct buf *out, const struct rows *r)
{
	size_t lines = 0;
	for (size_t i = 0; i < r->n; i++) {
		const struct plan_summary *s = r->v[i]->state == VIEW_PLANNED ? r->v[i]->summary : NULL;
		for (size_t k = 0; s != NULL && k < s->changes_n; k++) {
			if (s->changes[k].kind > CHANGE_DESTROY)
				break; /* sorted: the rest cannot hurt */
			if (lines++ < CALLOUT_LINES)
				put_danger(out, r->v[i], &s->changes[k]);
		}
	}
	return lines;
}

static void put_left_behind(struct buf *out, const struct view_project *p)
{
	buf_adds(out, "> **");
	render_cell_code(out, p->name);
	if (p->state == VIEW_UNKNOWN && p->resolved != NULL)
		buf_adds(out, ": interrupted.** A person looked at what exists and said how it ended.");
	else if (p->state == VIEW_UNKNOWN)
		buf_adds(out, ": interrupted, outcome unknown.** The engine ended before it could say how far it came, and sluice never "
			      "repeats an apply "
			      "by itself. The project stays locked.");
	else
		buf_adds(out, " was not applied to its end.** What was done before the error stays done.");
	if (p->state_note != NULL) {
		buf_adds(out, " (");
		render_sentence(out, p->state_note);
		buf_addc(out, ')');
	}
	buf_addc(out, '\n');
}

static size_t callout_applies(struct buf *out, const struct rows *r)
{
	size_t lines = 0;
	for (size_t i = 0; i < r->n; i++)
		if ((r->v[i]->state == VIEW_UNKNOWN || r->v[i]->state == VIEW_APPLY_FAILED) && lines++ < CALLOUT_LINES)
			put_left_behind(out, r->v[i]);
	return lines;
}

void render_callout(struct buf *out, const struct rows *r)
{
	CLEANUP_BUF struct buf body = {0};
	size_t lines = render_is_apply(r->view->phase) ? callout_applies(&body, r) : callout_plans(&body, r);
	if (lines == 0)
		return;
	buf_adds(out, "> [!CAUTION]\n");
	buf_add(out, buf_str(&body), body.len);
	if (lines > CALLOUT_LINES)
		buf_printf(out, "> and %zu more, in the plans below.\n", lines - CALLOUT_LINES);
	buf_addc(out, '\n');
}

/* ---- folds ---- */

static bool shows_diff(const struct view_project *p)
{
	return p->state == VIEW_PLANNED || p->state == VIEW_APPLYING || p->state == VIEW_QUEUED || p->state == VIEW_CANCELLED;
}

static bool shows_error(const struct view_project *p)
{
	bool cut = p->state == VIEW_REFUSED && p->error != NULL && strlen(p->error) > CELL_BYTES; /* in the table */
	return cut || p->state == VIEW_FAILED || p->state == VIEW_APPLY_FAILED || p->state == VIEW_UNKNOWN;
}

bool render_has_detail(const struct view_project *p)
{
	const char *text = shows_diff(p) ? p->diff : shows_error(p) ? p->error : NULL;
	return text != NULL && text[0] != '\0';
}

static void fold_open(struct buf *out, const struct view_project *p, bool open)
{
	CLEANUP_BUF struct buf name = {0}, line = {0};
	buf_add(&name, p->name, text_cut(p->name, strlen(p->name), NAME_BYTES));
	render_project_line(p, &line);
	buf_adds(out, open ? "<details open><summary><b>" : "<details><summary><b>");
	render_html_text(out, buf_str(&name));
	buf_adds(out, "</b> · ");
	render_html_text(out, buf_str(&line));
	buf_adds(out, "</summary>\n\n");
}

/* Bytes of the longest run of whole lines within max_chars; one cut line where not even one fits. */
static size_t whole_lines(const char *s, size_t len, size_t max_chars)
{
	size_t n = render_prefix(s, len, max_chars);
	if (n == len)
		return n;
	for (size_t i = n; i > n / 2; i--)
		if (s[i - 1] == '\n')
			return i;
	return n;
}

static void put_fold(struct buf *out, const struct view_project *p, bool open_errors, size_t text_chars_max)
{
	bool is_diff = render_has_detail(p) && p->diff != NULL && p->state != VIEW_FAILED && p->state != VIEW_APPLY_FAILED &&
		       p->state != VIEW_UNKNOWN;
	const char *text = is_diff ? p->diff : p->error;
	size_t len = strlen(text), limit = is_diff || text_chars_max < ERROR_BYTES ? text_chars_max : ERROR_BYTES;
	size_t cut = whole_lines(text, len, limit);
	fold_open(out, p, !is_diff && open_errors);
	if (p->reason != NULL && is_diff) {
		buf_adds(out, "Planned because ");
		render_cell_sentence(out, p->reason);
		buf_adds(out, ".\n\n");
	}
	render_fence(out, is_diff ? "diff" : "text", text, cut);
	if (cut < len) {
		buf_adds(out, "\nCut here: ");
		render_link(out, "the whole text is in the log", p->log_url);
		buf_adds(out, ".\n");
	}
	buf_adds(out, "\n</details>\n\n");
}

bool render_detail(struct buf *out, const struct view_project *p, bool open_errors, size_t max_chars)
{
	size_t room = max_chars;
	for (int i = 0; i < ATTEMPTS && room >= DETAIL_MIN_CHARS / 2; i++) {
		CLEANUP_BUF struct buf fold = {0};
		put_fold(&fold, p, open_errors, room);
		size_t chars = text_chars(buf_str(&fold), fold.len);
		if (chars <= max_chars) {
			buf_add(out, buf_str(&fold), fold.len);
			return true;
		}
		if (max_chars < DETAIL_MIN_CHARS)
			return false;
		size_t over = chars - max_chars + 64;
		room = room > over ? room - over : 0;
	}
	return false;
}

void render_drift(struct buf *out, const struct rows *r)
{
	size_t all = 0, shown = 0;
	CLEANUP_BUF struct buf list = {0};
	for (size_t i = 0; i < r->n; i++) {
		const struct plan_summary *s = r->v[i]->state == VIEW_PLANNED ? r->v[i]->summary : NULL;
		for (size_t k = 0; s != NULL && k < s->drifted.n; k++, all++) {
			if (shown >= DRIFT_LINES)
				continue;
			shown++;
			buf_adds(&list, "- ");
			render_address(&list, r->v[i]->name);
			buf_adds(&list, ": ");
			render_address(&list, s->drifted.v[k]);
			buf_addc(&list, '\n');
		}
	}
	if (all == 0)
		return;
	buf_printf(out, "<details><summary><b>What changed outside</b> · %zu resource%s</summary>\n\n%s", all, all == 1 ? "" : "s",
		   buf_str(&list));
	if (all > shown)
		buf_printf(out, "- and %zu more, in the plans above\n", all - shown);
	buf_adds(out, "\n</details>\n\n");
}

/* ---- the next step ---- */

static const char *mark_sign(enum gate_mark mark) { return mark == GATE_YES ? "✓" : mark == GATE_NO ? "✗" : "?"; }

/* Facts that are true of nearly every pull request are not worth a word while they hold. */
static bool is_worth_a_word(const struct gate_item *item)
{
	static const char *const names[] = {"approved", "checks", "up to date", "protected"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(item->name, names[i]) == 0)
			return true;
	return item->mark != GATE_YES;
}

static bool is_anything_applyable(const struct rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (render_is_applyable(r->v[i]))
			return true;
	return false;
}

static void next_planned(struct buf *out, const struct view *v, const struct rows *r)
{
	bool waits = false, said = false;
	if (!is_anything_applyable(r)) {
		buf_adds(out, "**Nothing to apply**: merge when you like.\n\n");
		return;
	}
	if (v->gate == NULL && r->count[RANK_FAILED] + r->count[RANK_REFUSED] + r->count[RANK_CANCELLED] > 0) {
		buf_adds(out, "**Next**: push a commit that mends the error, or comment `plan` to plan again.\n\n");
		return;
	}
	buf_adds(out, "**To apply**: ");
	for (size_t i = 0; v->gate != NULL && i < v->gate->n; i++) {
		const struct gate_item *item = &v->gate->items[i];
		if (!is_worth_a_word(item))
			continue;
		buf_printf(out, "%s%s ", said ? " · " : "", mark_sign(item->mark));
		render_sentence(out, item->brief);
		said = true;
		waits = waits || item->mark != GATE_YES;
	}
	buf_adds(out, !said ? "comment `apply`.\n\n" : waits ? ". Then comment `apply`.\n\n" : ". Comment `apply`.\n\n");
}

static void next_refused(struct buf *out, const struct view *v)
{
	if (v->gate == NULL || gate_first_no(v->gate) == NULL)
		return;
	buf_adds(out, "**What is missing**\n");
	for (size_t i = 0; i < v->gate->n; i++)
		if (v->gate->items[i].mark != GATE_YES) {
			buf_printf(out, "- %s ", mark_sign(v->gate->items[i].mark));
			render_sentence(out, v->gate->items[i].sentence);
			buf_addc(out, '\n');
		}
	buf_addc(out, '\n');
}

static bool is_any_unresolved(const struct rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i]->state == VIEW_UNKNOWN && r->v[i]->resolved == NULL)
			return true;
	return false;
}

static void next_applied(struct buf *out, const struct view *v, const struct rows *r)
{
	if (is_any_unresolved(r))
		buf_printf(out,
			   "**Next**: compare the real resources with the state. Then an admin comments `resolve %lld --as applied`, `--as failed`, or `--as "
			   "replan` to plan what is left to do.\n\n",
			   (long long)v->run_id);
	else if (r->count[RANK_APPLY_FAILED] > 0)
		buf_adds(out, "**Next**: open a pull request that mends the cause; its plan shows what is left to do.\n\n");
}

void render_next(struct buf *out, const struct view *v, const struct rows *r)
{
	if (v->config_errors != NULL || v->error != NULL)
		return;
	switch (v->phase) {
	case VIEW_PLAN_DONE:
		if (r->n > 0)
			next_planned(out, v, r);
		break;
	case VIEW_APPLY_ASKED: next_refused(out, v); break;
	case VIEW_APPLY_DONE: next_applied(out, v, r); break;
	case VIEW_PLANNING:
	case VIEW_APPLYING_RUN: break;
	}
}
