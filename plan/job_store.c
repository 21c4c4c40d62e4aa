#include "plan/replan.h"

#include "base/audit.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"

static const char *const state_names[JOBS_STATES] = {
	[JOBS_WAITING] = "waiting", [JOBS_READY] = "ready",         [JOBS_RUNNING] = "running", [JOBS_DONE] = "done",
	[JOBS_FAILED] = "failed",   [JOBS_CANCELLED] = "cancelled", [JOBS_REFUSED] = "refused", [JOBS_UNKNOWN] = "unknown",
};

const char *job_state_name(enum job_state s) { return state_names[s]; }

static enum job_state state_of(const char *word)
{
	for (int i = 0; i < JOBS_STATES; i++)
		if (strcmp(state_names[i], word) == 0)
			return (enum job_state)i;
	ASSERT(!"a job state in the database that this version does not know");
	return JOBS_FAILED;
}

#define JOB_COLUMNS                                                                                                                        \
	"id, run_id, repo_id, pull, phase, state, project, dir, workspace, backend, reason, inputs, error, step, engine, engine_version, "      \
	"apply, needs_init, managed_state, deleted, requires, approvals, depends_on, summary, plan_sha256, plan_job, used_by, key_wrapped, "    \
	"started_ms, finished_ms, state_serial, log, attempts, done, changes, since_ms, bound, record, hex(signature), plan_file, destroy, "                   \
	"nullif(asker,''), "                                                                                                               \
	"resolution, resolved_by, tree_dir, state_lineage, behind, evidence, "                                                             \
	"sandbox, egress_plan, egress_apply, env, args, told, lock_id, modules, isolation, breach, peak_memory, cpu_ms, connections, connections_refused"

enum { FIRST_OF_BOX = 48 }; /* among the columns */
enum { REQUIRES_APPROVED = 1, REQUIRES_CHECKS = 2, REQUIRES_UP_TO_DATE = 4, REQUIRES_CODEOWNERS = 8 };

static void read_key(struct db_stmt *s, struct job_row *j)
{
	size_t n;
	const void *key = db_blob(s, 27, &n);
	if (key != NULL && n == sizeof(j->key_wrapped)) {
		memcpy(j->key_wrapped, key, n);
		j->has_key = true;
	}
}

static void read_box(struct db_stmt *s, struct job_row *j)
{
	char **texts[] = {&j->sandbox, &j->egress_plan, &j->egress_apply, &j->env, &j->args,  &j->told,
			  &j->lock_id, &j->modules,     &j->isolation,    &j->breach};
	int64_t *numbers[] = {&j->peak_memory, &j->cpu_ms, &j->connections, &j->connections_refused};
	int at = FIRST_OF_BOX;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = db_text_copy(s, at++);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		*numbers[i] = db_int(s, at++);
}

static void read_row(struct db_stmt *s, struct job_row *j)
{
	int64_t requires = db_int(s, 20);
	*j = (struct job_row){
		.id = db_int(s, 0),
		.run_id = db_int(s, 1),
		.repo_id = db_int(s, 2),
		.pull = db_int(s, 3),
		.state = state_of(db_text(s, 5)),
		.project = db_text_copy(s, 6),
		.dir = db_text_copy(s, 7),
		.workspace = db_text_copy(s, 8),
		.backend = db_text_copy(s, 9),
		.reason = db_text_copy(s, 10),
		.inputs = db_text_copy(s, 11),
		.error = db_text_copy(s, 12),
		.step = db_text_copy(s, 13),
		.engine_version = db_text_copy(s, 15),
		.apply = strcmp(db_text(s, 16), "on_merge") == 0 ? APPLY_ON_MERGE : APPLY_ON_COMMENT,
		.needs_init = db_int(s, 17) != 0,
		.managed_state = db_int(s, 18) != 0,
		.deleted = db_int(s, 19) != 0,
		.requires_approved = (requires & REQUIRES_APPROVED) != 0,
		.requires_checks = (requires & REQUIRES_CHECKS) != 0,
		.requires_up_to_date = (requires & REQUIRES_UP_TO_DATE) != 0,
		.requires_codeowners = (requires & REQUIRES_CODEOWNERS) != 0,
		.approvals = db_int(s, 21),
		.depends_on = db_text_copy(s, 22),
		.summary = db_text_copy(s, 23),
		.plan_sha256 = db_text_copy(s, 24),
		.plan_job = db_int(s, 25),
		.used_by = db_int(s, 26),
		.started_ms = db_int(s, 28),
		.finished_ms = db_int(s, 29),
		.state_serial = db_int(s, 30),
		.log = db_text_copy(s, 31),
		.attempts = db_int(s, 32),
		.done = db_text_copy(s, 33),
		.changes = db_text_copy(s, 34),
		.since_ms = db_int(s, 35),
		.bound = db_text_copy(s, 36),
		.record = db_text_copy(s, 37),
		.signature_hex = db_text_copy(s, 38),
		.plan_file = db_int(s, 39),
		.destroy = db_int(s, 40) != 0,
		.asker = db_text_copy(s, 41),
		.resolution = db_text_copy(s, 42),
		.resolved_by = db_text_copy(s, 43),
		.tree_dir = db_text_copy(s, 44),
		.state_lineage = db_text_copy(s, 45),
		.behind = db_int(s, 46),
		.evidence = db_text_copy(s, 47),
	};
	read_box(s, j);
	const char *engine = db_text(s, 14);
	j->engine = ENGINE_NONE;
	if (job_phase_parse(db_text(s, 4), &j->phase, NULL) != 0 || (engine[0] != '\0' && engine_parse(engine, &j->engine, NULL) != 0))
		ASSERT(!"a word in the database that this version does not know");
	read_key(s, j);
}

void job_row_free(struct job_row *j)
{
	char **owned[] = {&j->project, &j->dir, &j->workspace, &j->backend, &j->reason, &j->inputs, &j->error, &j->step, &j->engine_version,
			  &j->depends_on, &j->summary, &j->diff, &j->plan_sha256, &j->log, &j->done, &j->changes, &j->bound, &j->record,
			  &j->signature_hex, &j->asker, &j->resolution, &j->resolved_by, &j->tree_dir, &j->state_lineage, &j->evidence,
			  &j->sandbox, &j->egress_plan, &j->egress_apply, &j->env, &j->args, &j->told, &j->lock_id, &j->modules, &j->isolation, &j->breach};
	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		free(*owned[i]);
	*j = (struct job_row){0};
}

void job_list_free(struct job_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		job_row_free(&l->v[i]);
	free(l->v);
	*l = (struct job_list){0};
}

/* Empty while nobody named one: the server chooses when the job starts. */
static const char *engine_word(enum engine_kind kind) { return kind == ENGINE_NONE ? "" : engine_row(kind)->name; }

int job_create(struct db_conn *c, const struct job_row *j, int64_t *ret_id, struct err *err)
{
	int64_t requires = (j->requires_approved ? REQUIRES_APPROVED : 0) | (j->requires_checks ? REQUIRES_CHECKS : 0) |
			   (j->requires_up_to_date ? REQUIRES_UP_TO_DATE : 0) | (j->requires_codeowners ? REQUIRES_CODEOWNERS : 0);
	int rc = db_run(c, err,
			"INSERT INTO job(run_id, repo_id, pull, phase, state, project, dir, workspace, backend, reason, inputs, error, engine, apply,"
			" needs_init, managed_state, deleted, requires, approvals, depends_on, plan_job, plan_sha256, summary, bound, destroy,"
			" asker, tree_dir, sandbox, egress_plan, egress_apply, env, args, told, lock_id, modules, rank)"
			" VALUES(?1,?,?,?4,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,coalesce(?,''),?,coalesce(?,'strict'),?,?,?,?,?,?,?,"
			" CASE WHEN ?4='drift' THEN 2 ELSE (SELECT kind<>'apply' FROM run WHERE id=?1) END)",
			"iiisssssssssssiiiiisisssissssssssss",
			j->run_id, j->repo_id, j->pull, job_phase_name(j->phase), job_state_name(j->state), j->project, j->dir, j->workspace,
			j->backend, j->reason, j->inputs, j->error, engine_word(j->engine), j->apply == APPLY_ON_MERGE ? "on_merge" : "on_comment",
			(int64_t)j->needs_init, (int64_t)j->managed_state, (int64_t)j->deleted, requires, j->approvals, j->depends_on, j->plan_job,
			j->plan_sha256, j->summary, j->bound, (int64_t)j->destroy, j->asker, j->tree_dir, j->sandbox, j->egress_plan,
			j->egress_apply, j->env, j->args, j->told, j->lock_id, j->modules);
	if (rc == 0)
		*ret_id = db_last_id(c);
	return rc;
}

static int read_one(struct db_stmt *s, struct job_row *ret, struct err *err)
{
	int rc = db_one(s, err, "no such job");
	if (rc != 0)
		return rc;
	read_row(s, ret);
	db_reset(s);
	return 0;
}

static int read_all(struct db_stmt *s, struct job_list *ret, struct err *err)
{
	int rc;
	while ((rc = db_step(s, err)) == 1) {
		ret->v = xreallocarray(ret->v, ret->n + 1, sizeof(*ret->v));
		read_row(s, &ret->v[ret->n++]);
	}
	return rc;
}

int job_get(struct db_conn *c, int64_t id, struct job_row *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, "SELECT " JOB_COLUMNS " FROM job WHERE id=?", "i", id);
	return rc != 0 ? rc : read_one(s, ret, err);
}

int job_list_of_run(struct db_conn *c, int64_t run_id, struct job_list *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, "SELECT " JOB_COLUMNS " FROM job WHERE run_id=? ORDER BY project", "i", run_id);
	return rc != 0 ? rc : read_all(s, ret, err);
}

int job_list_of_head(struct db_conn *c, int64_t repo_id, int64_t pull, const char *head_sha, struct job_list *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err,
			  "SELECT " JOB_COLUMNS " FROM job WHERE id IN (SELECT max(j.id) FROM job AS j JOIN run AS r ON r.id=j.run_id"
			  " WHERE r.repo_id=?1 AND r.pull=?2 AND j.phase='plan' AND r.head_sha=?3 AND r.base_ref IS (SELECT base_ref FROM run"
			  " WHERE repo_id=?1 AND pull=?2 AND kind='plan' AND head_sha=?3 ORDER BY id DESC LIMIT 1) GROUP BY j.project)"
			  " ORDER BY project",
			  "iis", repo_id, pull, head_sha);
	return rc != 0 ? rc : read_all(s, ret, err);
}

int job_list_in_state(struct db_conn *c, enum job_state state, struct job_list *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, "SELECT " JOB_COLUMNS " FROM job WHERE state=? ORDER BY id", "s", job_state_name(state));
	return rc != 0 ? rc : read_all(s, ret, err);
}

int job_diff(struct db_conn *c, int64_t job_id, size_t max, char **ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, "SELECT substr(diff, 1, ?2) FROM job WHERE id=?1", "ii", job_id, (int64_t)max);
	if (rc == 0)
		rc = db_step(s, err);
	if (rc < 0)
		return rc;
	*ret = rc == 1 ? db_text_copy(s, 0) : NULL;
	db_reset(s);
	return 0;
}

int job_count_open(struct db_conn *c, int64_t run_id, int64_t *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, "SELECT count(*) FROM job WHERE run_id=? AND state IN('waiting','ready','running')", "i", run_id);
	return rc != 0 ? rc : db_number(s, ret, err);
}

int job_count_in_state(struct db_conn *c, int64_t repo_id, enum job_state state, int64_t *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, "SELECT count(*) FROM job WHERE state=?2 AND (?1=0 OR repo_id=?1)", "is", repo_id, job_state_name(state));
	return rc != 0 ? rc : db_number(s, ret, err);
}

/* `turn` holds the first job of each rank, repository and person: the index of ready jobs is stepped through from one such group to the next, so
 * the time it takes grows with their number and not with that of the jobs. The busy ones are few, since few jobs run at once. */
static const char SQL_NEXT[] =
	"WITH RECURSIVE busy_repo AS MATERIALIZED(SELECT repo_id, count(*) AS n FROM job WHERE state='running' GROUP BY repo_id),"
	" busy_person AS MATERIALIZED(SELECT asker AS who, count(*) AS n FROM job WHERE state='running' GROUP BY who),"
	" turn(id) AS(SELECT * FROM(SELECT id FROM job WHERE state='ready' ORDER BY rank, repo_id, asker, id LIMIT 1)"
	"  UNION ALL SELECT coalesce("
	"  (SELECT k.id FROM job AS k WHERE k.state='ready' AND k.rank=j.rank AND k.repo_id=j.repo_id AND k.asker>j.asker ORDER BY k.asker, k.id LIMIT 1),"
	"  (SELECT k.id FROM job AS k WHERE k.state='ready' AND k.rank=j.rank AND k.repo_id>j.repo_id ORDER BY k.repo_id, k.asker, k.id LIMIT 1),"
	"  (SELECT k.id FROM job AS k WHERE k.state='ready' AND k.rank>j.rank ORDER BY k.rank, k.repo_id, k.asker, k.id LIMIT 1))"
	"  FROM turn AS t CROSS JOIN job AS j ON j.id=t.id WHERE t.id IS NOT NULL)"
	" SELECT " JOB_COLUMNS " FROM job WHERE id=(SELECT j.id FROM turn AS t CROSS JOIN job AS j ON j.id=t.id"
	"  LEFT JOIN busy_repo AS r ON r.repo_id=j.repo_id LEFT JOIN busy_person AS p ON p.who=j.asker"
	"  WHERE coalesce(r.n,0)<?1 AND (j.asker='' OR coalesce(p.n,0)<?2)"
	"  ORDER BY j.rank, coalesce(r.n,0), coalesce((SELECT max(started_ms) FROM job AS k WHERE k.repo_id=j.repo_id), 0),"
	"  coalesce(p.n,0), coalesce((SELECT max(started_ms) FROM job AS k WHERE k.asker=j.asker), 0), j.id LIMIT 1)";

int job_next_ready(struct db_conn *c, int64_t per_repository, int64_t per_person, struct job_row *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, SQL_NEXT, "ii", per_repository, per_person);
	return rc != 0 ? rc : read_one(s, ret, err);
}

/* Each change of a job's state is a row of the audit log. */
static int note(struct db_conn *c, const struct job_row *j, const char *from, enum job_state to, struct err *err)
{
	CLEANUP_BUF struct buf detail = {0};
	struct json_writer w = json_writer(&detail);
	jw_open(&w, NULL);
	jw_str(&w, "project", j->project);
	jw_str(&w, "phase", job_phase_name(j->phase));
	jw_str(&w, "from", from);
	jw_str(&w, "to", job_state_name(to));
	if (j->asker != NULL)
		jw_str(&w, "for", j->asker);
	if (j->engine_version != NULL)
		jw_str(&w, "engine", j->engine_version);
	if (j->plan_sha256 != NULL)
		jw_str(&w, "plan", j->plan_sha256);
	if (j->plan_job != 0)
		jw_int(&w, "plan_job", j->plan_job);
	jw_close(&w);
	return audit_add(c, &(struct audit){.kind = "job.state", .repo_id = j->repo_id, .pull = j->pull, .run_id = j->run_id, .job_id = j->id,
					    .detail = buf_str(&detail)}, err);
}

static int expect_one(struct db_conn *c, int rc, int64_t id, const char *what, struct err *err)
{
	if (rc == 0 && db_changes(c) != 1)
		return err_set(err, ERR_CONFLICT, "job %lld is not %s any more", (long long)id, what);
	return rc;
}

int job_start(struct db_conn *c, const struct job_row *j, struct err *err)
{
	int rc = db_run(c, err, "UPDATE job SET state='running', attempts=attempts+1, key_wrapped=?2, started_ms=?3, engine_version=?4, log=?5,"
			" engine=?6 WHERE id=?1 AND state='ready'",
			"ibisss", j->id, j->key_wrapped, sizeof(j->key_wrapped), j->started_ms, j->engine_version, j->log, engine_word(j->engine));
	rc = expect_one(c, rc, j->id, "ready", err);
	return rc == 0 ? note(c, j, "ready", JOBS_RUNNING, err) : rc;
}

int job_finish(struct db_conn *c, const struct job_row *j, enum job_state from, struct err *err)
{
	int rc = db_run(c, err,
			"UPDATE job SET state=?3, error=?4, step=?5, summary=coalesce(?6, summary), diff=?7, plan_sha256=coalesce(?8, plan_sha256),"
			" finished_ms=?9, state_serial=?10, done=?11, isolation=?12, breach=?13, peak_memory=?14, cpu_ms=?15, connections=?16,"
			" connections_refused=?17, modules=coalesce(?18, modules) WHERE id=?1 AND state=?2",
			"isssssssiisssiiiis", j->id, job_state_name(from), job_state_name(j->state), j->error, j->step, j->summary, j->diff, j->plan_sha256,
			clock_wall_ms(), j->state_serial, j->done, j->isolation, j->breach, j->peak_memory, j->cpu_ms, j->connections,
			j->connections_refused, j->modules);
	rc = expect_one(c, rc, j->id, job_state_name(from), err);
	return rc == 0 ? note(c, j, job_state_name(from), j->state, err) : rc;
}

int job_again(struct db_conn *c, int64_t id, struct err *err)
{
	int rc = db_run(c, err, "UPDATE job SET state='ready', started_ms=0 WHERE id=? AND state='running'", "i", id);
	rc = expect_one(c, rc, id, "running", err);
	struct job_row j = {0};
	if (rc == 0)
		rc = job_get(c, id, &j, err);
	if (rc == 0)
		rc = note(c, &j, "running", JOBS_READY, err);
	job_row_free(&j);
	return rc;
}

int job_end_open(struct db_conn *c, int64_t run_id, enum job_state as, const char *error, struct err *err)
{
	struct job_list all = {0};
	int rc = job_list_of_run(c, run_id, &all, err);
	for (size_t i = 0; rc == 0 && i < all.n; i++)
		if (all.v[i].state < JOBS_RUNNING)
			rc = note(c, &all.v[i], job_state_name(all.v[i].state), as, err);
	job_list_free(&all);
	if (rc != 0)
		return rc;
	return db_run(c, err, "UPDATE job SET state=?2, error=coalesce(error, ?3), finished_ms=?4 WHERE run_id=?1 AND state IN('waiting','ready')", "issi",
		      run_id, job_state_name(as), error, clock_wall_ms());
}

/* Looks whether each name of a waiting job's depends_on, when it is part of the run, is over; and whether one of them went wrong. */
static int dependencies(const struct job_row *j, const struct job_list *all, const char **ret_failed)
{
	int open = 0;
	*ret_failed = NULL;
	for (size_t i = 0; i < all->n; i++) {
		const struct job_row *d = &all->v[i];
		if (!text_has_line(j->depends_on, d->project))
			continue;
		if (d->state <= JOBS_RUNNING)
			open++;
		else if (d->state != JOBS_DONE || replan_asks_again(d))
			*ret_failed = d->project;
	}
	return open;
}

/* Deciding one may decide another (a chain behind a failure), so it goes round until nothing moves: at most as often as the chain is long. */
int job_release_waiting(struct db_conn *c, int64_t run_id, struct err *err)
{
	struct job_list all = {0};
	int rc = job_list_of_run(c, run_id, &all, err);
	for (bool moved = true; moved && rc == 0;) {
		moved = false;
		for (size_t i = 0; i < all.n && rc == 0; i++) {
			struct job_row *j = &all.v[i];
			const char *failed;
			if (j->state != JOBS_WAITING || j->behind != 0 || dependencies(j, &all, &failed) != 0)
				continue;
			moved = true;
			j->state = failed != NULL ? JOBS_REFUSED : JOBS_READY;
			CLEANUP_FREE char *why = failed != NULL ? xasprintf("`%s`, which it depends on, did not succeed", failed) : NULL;
			rc = db_run(c, err, "UPDATE job SET state=?2, error=?3, finished_ms=?4 WHERE id=?1 AND state='waiting'", "issi", j->id,
				    job_state_name(j->state), why, failed != NULL ? clock_wall_ms() : (int64_t)0);
			if (rc == 0)
				rc = note(c, j, "waiting", j->state, err);
		}
	}
	job_list_free(&all);
	return rc;
}
