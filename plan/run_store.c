#include "plan/run_store.h"

#include "base/audit.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/text.h"
#include "base/limits.h"

enum { NOTE_ERROR_MAX = 300 };

static const char *const state_names[RUN_STATES] = {
	[RUN_QUEUED] = "queued",       [RUN_READING] = "reading", [RUN_GATING] = "gating",   [RUN_MERGING] = "merging",
	[RUN_ENQUEUED] = "enqueued",   [RUN_PREPARING] = "preparing", [RUN_CHECKING] = "checking",
	[RUN_WORKING] = "working", [RUN_DONE] = "done",       [RUN_FAILED] = "failed",
	[RUN_REFUSED] = "refused",     [RUN_SUPERSEDED] = "superseded", [RUN_CANCELLED] = "cancelled",
};

/* Index of a word of the database in a table of names; a word nobody wrote is a broken invariant. */
static int word_index(const char *const *names, int n, const char *word)
{
	for (int i = 0; i < n; i++)
		if (strcmp(names[i], word) == 0)
			return i;
	ASSERT(!"a word in the database that this version does not know");
	return 0;
}

const char *run_state_name(enum run_state s) { return state_names[s]; }

static const char *kind_name(enum run_kind k) { return k == RUN_PLAN ? "plan" : "apply"; }

#define RUN_COLUMNS                                                                                                                        \
	"id, token, repo_id, repo, clone_url, pull, kind, state, head_sha, base_ref, base_sha, merge_sha, asker, only, error, notes, "    \
	"config_errors, gate, tree_dir, untouched, edits, dirty, after_merge, base_moved, created_ms, finished_ms, merge_base, facts, "    \
	"config_id, owners, author, asked_ms, asked_sha, args, ok_to_plan, by_admin"

static void read_row(struct db_stmt *s, struct run_row *r)
{
	*r = (struct run_row){
		.id = db_int(s, 0),
		.token = db_text_copy(s, 1),
		.repo_id = db_int(s, 2),
		.repo = db_text_copy(s, 3),
		.clone_url = db_text_copy(s, 4),
		.pull = db_int(s, 5),
		.kind = strcmp(db_text(s, 6), "plan") == 0 ? RUN_PLAN : RUN_APPLY,
		.state = (enum run_state)word_index(state_names, RUN_STATES, db_text(s, 7)),
		.head_sha = db_text_copy(s, 8),
		.base_ref = db_text_copy(s, 9),
		.base_sha = db_text_copy(s, 10),
		.merge_sha = db_text_copy(s, 11),
		.asker = db_text_copy(s, 12),
		.only = db_text_copy(s, 13),
		.error = db_text_copy(s, 14),
		.notes = db_text_copy(s, 15),
		.config_errors = db_text_copy(s, 16),
		.gate = db_text_copy(s, 17),
		.tree_dir = db_text_copy(s, 18),
		.untouched = db_int(s, 19),
		.edits = db_int(s, 20),
		.dirty = db_int(s, 21) != 0,
		.after_merge = db_int(s, 22) != 0,
		.base_moved = db_int(s, 23) != 0,
		.created_ms = db_int(s, 24),
		.finished_ms = db_int(s, 25),
		.merge_base = db_text_copy(s, 26),
		.facts = db_text_copy(s, 27),
		.config_id = db_text_copy(s, 28),
		.owners = db_text_copy(s, 29),
		.author = db_text_copy(s, 30),
		.asked_ms = db_int(s, 31),
		.asked_sha = db_text_copy(s, 32),
		.args = db_text_copy(s, 33),
		.ok_to_plan = db_int(s, 34) != 0,
		.by_admin = db_int(s, 35) != 0,
	};
}

void run_row_free(struct run_row *r)
{
	char **owned[] = {&r->token, &r->repo, &r->clone_url, &r->head_sha, &r->base_ref, &r->base_sha, &r->merge_sha,
			  &r->asker, &r->only, &r->error, &r->notes, &r->config_errors, &r->gate, &r->tree_dir, &r->merge_base, &r->facts,
			  &r->config_id, &r->owners, &r->author, &r->asked_sha, &r->args};
	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		free(*owned[i]);
	*r = (struct run_row){0};
}

/* Reads the one row of a statement. */
static int read_one(struct db_stmt *s, struct run_row *ret, struct err *err)
{
	int rc = db_one(s, err, "no such run");
	if (rc != 0)
		return rc;
	read_row(s, ret);
	db_reset(s);
	return 0;
}

int run_get(struct db_conn *c, int64_t id, struct run_row *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, "SELECT " RUN_COLUMNS " FROM run WHERE id=?", "i", id);
	return rc != 0 ? rc : read_one(s, ret, err);
}

int run_newest(struct db_conn *c, int64_t repo_id, int64_t pull, enum run_kind kind, const char *head, struct run_row *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err,
			  "SELECT " RUN_COLUMNS " FROM run WHERE repo_id=?1 AND pull=?2 AND kind=?3 AND (?4 IS NULL OR head_sha=?4)"
			  " ORDER BY id DESC LIMIT 1",
			  "iiss", repo_id, pull, kind_name(kind), head);
	return rc != 0 ? rc : read_one(s, ret, err);
}

int run_merge_of(struct db_conn *c, int64_t repo_id, int64_t pull, char **ret, struct err *err)
{
	struct db_stmt *s;
	*ret = NULL;
	int rc = db_query(c, &s, err,
			  "SELECT merge_sha FROM run WHERE repo_id=? AND pull=? AND kind='apply' AND merge_sha IS NOT NULL ORDER BY id DESC LIMIT 1",
			  "ii", repo_id, pull);
	if (rc == 0 && (rc = db_step(s, err)) == 1) {
		*ret = db_text_copy(s, 0);
		db_reset(s);
		rc = 0;
	}
	return rc;
}

int run_is_whole(struct db_conn *c, const struct run_row *plan, bool *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err,
			  "SELECT EXISTS(SELECT 1 FROM run WHERE repo_id=? AND pull=? AND kind='plan' AND head_sha=? AND base_ref=? AND only IS NULL"
			  " AND state='done')",
			  "iiss", plan->repo_id, plan->pull, plan->head_sha, plan->base_ref);
	int64_t n = 0;
	if (rc == 0)
		rc = db_number(s, &n, err);
	if (rc == 0)
		*ret = n != 0;
	return rc;
}

/* Each change of a run's state is a row of the audit log. from NULL: it is new; "": it is as it stands, the change comes next. */
static int note(struct db_conn *c, int64_t id, const char *from, const char *to, struct err *err)
{
	struct run_row r = {0};
	int rc = run_get(c, id, &r, err);
	if (rc != 0)
		return rc;
	CLEANUP_BUF struct buf detail = {0};
	struct json_writer w = json_writer(&detail);
	jw_open(&w, NULL);
	jw_str(&w, "kind", kind_name(r.kind));
	jw_str(&w, "from", from != NULL && from[0] == '\0' ? run_state_name(r.state) : from);
	jw_str(&w, "to", to);
	if (r.head_sha != NULL)
		jw_str(&w, "head", r.head_sha);
	if (r.merge_sha != NULL)
		jw_str(&w, "merge", r.merge_sha);
	if (r.error != NULL)
		jw_strn(&w, "error", r.error, text_cut(r.error, strlen(r.error), NOTE_ERROR_MAX));
	jw_close(&w);
	rc = audit_add(c, &(struct audit){.kind = "run.state", .actor = from == NULL ? r.asker : NULL, .repo_id = r.repo_id, .pull = r.pull, .run_id = id,
					  .detail = buf_str(&detail)}, err);
	run_row_free(&r);
	return rc;
}

/* The plan runs that run_supersede ends, before it does. */
static int note_superseded(struct db_conn *c, int64_t repo_id, int64_t pull, int64_t before, enum run_state as, struct err *err)
{
	struct db_stmt *s;
	struct id_list ids = {0};
	int rc = db_query(c, &s, err, "SELECT id FROM run WHERE repo_id=?1 AND pull=?2 AND kind='plan' AND (?3=0 OR id<?3) AND finished_ms=0", "iii", repo_id,
			  pull, before);
	while (rc == 0 && (rc = db_step(s, err)) == 1) {
		id_list_add(&ids, db_int(s, 0));
		rc = 0;
	}
	for (size_t i = 0; rc == 0 && i < ids.n; i++) {
		rc = job_end_open(c, ids.v[i], JOBS_CANCELLED, NULL, err);
		if (rc == 0)
			rc = note(c, ids.v[i], "", run_state_name(as), err);
	}
	id_list_free(&ids);
	return rc;
}

int run_supersede(struct db_conn *c, int64_t repo_id, int64_t pull, int64_t before, enum run_state as, struct err *err)
{
	int rc = note_superseded(c, repo_id, pull, before, as, err);
	if (rc != 0)
		return rc;
	return db_run(c, err,
		      "UPDATE run SET state=?4, finished_ms=?5 WHERE repo_id=?1 AND pull=?2 AND kind='plan' AND (?3=0 OR id<?3)"
		      " AND finished_ms=0",
		      "iiisi", repo_id, pull, before, run_state_name(as), clock_wall_ms());
}

int run_set_closed(struct db_conn *c, int64_t repo_id, int64_t pull, struct err *err)
{
	return db_run(c, err, "UPDATE run SET closed=1 WHERE repo_id=? AND pull=? AND closed=0", "ii", repo_id, pull);
}

int run_create(struct db_conn *c, const struct run_new *n, int64_t *ret_id, struct err *err)
{
	char token[2 * 24 + 1];
	crypto_random_hex(24, token);
	int rc = db_run(c, err,
			"INSERT INTO run(token, repo_id, repo, pull, kind, state, asker, only, after_merge, merge_sha, created_ms, asked_ms, asked_sha,"
			" args, ok_to_plan, by_admin) VALUES(?,?,?,?,?,'queued',?,?,?,?,?,?,?,?,?,?)",
			"sisisssisiissii", token, n->repo_id, n->repo, n->pull, kind_name(n->kind), n->asker, n->only, (int64_t)n->after_merge,
			n->merge_sha, clock_wall_ms(), n->asked_ms, n->asked_sha, n->args, (int64_t)n->ok_to_plan, (int64_t)n->by_admin);
	if (rc != 0)
		return rc;
	*ret_id = db_last_id(c);
	rc = note(c, *ret_id, NULL, run_state_name(RUN_QUEUED), err);
	if (rc != 0)
		return rc;
	return n->kind == RUN_PLAN && !n->beside ? run_supersede(c, n->repo_id, n->pull, *ret_id, RUN_SUPERSEDED, err) : 0;
}

int run_move(struct db_conn *c, int64_t id, enum run_state from, enum run_state to, struct err *err)
{
	int rc = db_run(c, err, "UPDATE run SET state=?3, finished_ms=?4 WHERE id=?1 AND state=?2", "issi", id, run_state_name(from),
			run_state_name(to), run_state_is_over(to) ? clock_wall_ms() : (int64_t)0);
	if (rc == 0 && db_changes(c) != 1)
		return err_set(err, ERR_CONFLICT, "run %lld is not %s any more", (long long)id, run_state_name(from));
	return rc == 0 ? note(c, id, run_state_name(from), run_state_name(to), err) : rc;
}

int run_set_error(struct db_conn *c, int64_t id, const char *error, struct err *err)
{
	return db_run(c, err, "UPDATE run SET error=?2 WHERE id=?1", "is", id, error);
}

int run_add_note(struct db_conn *c, int64_t id, const char *note, struct err *err)
{
	return db_run(c, err, "UPDATE run SET notes=coalesce(notes || char(10), '') || ?2 WHERE id=?1", "is", id, note);
}

int run_set_pull(struct db_conn *c, const struct run_row *r, struct err *err)
{
	return db_run(c, err, "UPDATE run SET head_sha=?2, base_ref=?3, clone_url=?4, repo=?5, author=?6 WHERE id=?1", "isssss", r->id, r->head_sha,
		      r->base_ref, r->clone_url, r->repo, r->author);
}

int run_set_prepared(struct db_conn *c, const struct run_row *r, struct err *err)
{
	return db_run(c, err, "UPDATE run SET base_sha=?2, tree_dir=?3, untouched=?4, config_errors=?5, base_moved=?6, merge_base=?7,"
		      " config_id=?8, owners=?9 WHERE id=?1",
		      "issisisss", r->id, r->base_sha, r->tree_dir, r->untouched, r->config_errors, (int64_t)r->base_moved, r->merge_base, r->config_id,
		      r->owners);
}

int run_set_gate(struct db_conn *c, int64_t id, const char *gate, struct err *err)
{
	return db_run(c, err, "UPDATE run SET gate=?2 WHERE id=?1", "is", id, gate);
}

int run_set_facts(struct db_conn *c, int64_t id, const char *facts, struct err *err)
{
	return db_run(c, err, "UPDATE run SET facts=?2 WHERE id=?1", "is", id, facts);
}

int run_set_only(struct db_conn *c, int64_t id, const char *only, struct err *err)
{
	return db_run(c, err, "UPDATE run SET only=?2 WHERE id=?1", "is", id, only);
}

int run_set_merge(struct db_conn *c, int64_t id, const char *merge_sha, bool by_us, struct err *err)
{
	struct run_row r = {0};
	CLEANUP_BUF struct buf detail = {0};
	int rc = db_run(c, err, "UPDATE run SET merge_sha=?2, merged_by_us=?3 WHERE id=?1", "isi", id, merge_sha, (int64_t)by_us);
	if (rc == 0)
		rc = run_get(c, id, &r, err);
	if (rc != 0)
		return rc;
	struct json_writer w = json_writer(&detail);
	jw_open(&w, NULL);
	jw_str(&w, "commit", merge_sha);
	jw_str(&w, "head", r.head_sha);
	jw_str(&w, "base", r.base_ref);
	jw_bool(&w, "by_us", by_us);
	jw_close(&w);
	rc = audit_add(c, &(struct audit){.kind = "merge", .actor = by_us ? r.asker : NULL, .repo_id = r.repo_id, .pull = r.pull, .run_id = id,
					  .detail = buf_str(&detail)}, err);
	run_row_free(&r);
	return rc;
}

int run_merged_by_us(struct db_conn *c, int64_t repo_id, int64_t pull, bool *ret, struct err *err)
{
	struct db_stmt *s;
	int64_t n = 0;
	int rc = db_query(c, &s, err, "SELECT EXISTS(SELECT 1 FROM run WHERE repo_id=? AND pull=? AND merged_by_us=1)", "ii", repo_id, pull);
	if (rc == 0)
		rc = db_number(s, &n, err);
	*ret = n != 0;
	return rc;
}

int run_set_owners(struct db_conn *c, int64_t id, const char *owners, struct err *err)
{
	return db_run(c, err, "UPDATE run SET owners=?2 WHERE id=?1", "is", id, owners);
}

int run_set_dirty(struct db_conn *c, int64_t id, bool dirty, struct err *err)
{
	return db_run(c, err, "UPDATE run SET dirty=?2 WHERE id=?1", "ii", id, (int64_t)dirty);
}

int run_count_edit(struct db_conn *c, int64_t id, struct err *err)
{
	return db_run(c, err, "UPDATE run SET edits=edits+1, edited_ms=?2, dirty=0 WHERE id=?1", "ii", id, clock_wall_ms());
}

/* Edits come every 2 s at first and then less often, so that the longest run stays within its writes and a short one feels alive. */
int run_list_to_edit(struct db_conn *c, struct id_list *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err,
			  "SELECT id FROM run WHERE dirty=1 AND finished_ms=0 AND edits<?1"
			  " AND edited_ms + CASE WHEN edits<10 THEN 2000 WHEN edits<20 THEN 10000 ELSE 60000 END <= ?2",
			  "ii", (int64_t)LIMIT_RUN_EDITS, clock_wall_ms());
	while (rc == 0 && (rc = db_step(s, err)) == 1) {
		id_list_add(ret, db_int(s, 0));
		rc = 0;
	}
	return rc;
}

void id_list_add(struct id_list *l, int64_t id)
{
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = id;
}

void id_list_free(struct id_list *l)
{
	free(l->v);
	*l = (struct id_list){0};
}

int run_list_open(struct db_conn *c, struct id_list *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, "SELECT id FROM run WHERE finished_ms=0 ORDER BY id", "");
	while (rc == 0 && (rc = db_step(s, err)) == 1) {
		id_list_add(ret, db_int(s, 0));
		rc = 0;
	}
	return rc;
}

int run_is_behind(struct db_conn *c, const struct run_row *r, bool *ret, struct err *err)
{
	struct db_stmt *s;
	int64_t n = 0;
	/* only an apply is waited for: an older plan is superseded, and an apply beside a running plan is refused by the gate */
	int rc = db_query(c, &s, err,
			  "SELECT EXISTS(SELECT 1 FROM run WHERE repo_id=?1 AND pull=?2 AND id<?3 AND kind='apply'"
			  " AND finished_ms=0)",
			  "iii", r->repo_id, r->pull, r->id);
	if (rc == 0)
		rc = db_number(s, &n, err);
	if (rc == 0)
		*ret = n != 0;
	return rc;
}
