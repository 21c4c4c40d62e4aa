/* What a test of the machine asks the database, and how it waits. */
#include "base/text.h"
#include "tests/support/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* ---- rows ---- */

struct ask {
	const char *sql;
	struct run_new n;
	int64_t id;
	struct buf text;
	bool done, is_run;
	int rc;
};

static int ask_work(struct db_conn *c, void *arg, struct err *err)
{
	struct ask *a = arg;
	if (a->is_run)
		return run_create(c, &a->n, &a->id, err);
	struct db_stmt *s;
	int rc = db_query(c, &s, err, a->sql, "");
	if (rc == 0)
		rc = db_step(s, err);
	if (rc < 0)
		return rc;
	if (rc == 1 && db_text(s, 0) != NULL)
		buf_adds(&a->text, db_text(s, 0));
	db_reset(s);
	return 0;
}

static int exec_work(struct db_conn *c, void *arg, struct err *err) { return db_exec(c, ((struct ask *)arg)->sql, err); }

static void ask_done(int rc, const struct err *err, void *arg)
{
	struct ask *a = arg;
	rig_must(rc, err);
	a->done = true;
}

const char *rig_text(struct rig *r, const char *sql)
{
	static char text[128 * 1024];
	struct ask a = {.sql = sql};
	db_submit(r->db, ask_work, ask_done, &a);
	assert_true(loop_run_until(r->l, &a.done, 10000));
	(void)snprintf(text, sizeof(text), "%s", buf_str(&a.text)); /* cut where a test would not look */
	buf_free(&a.text);
	return text;
}

int64_t rig_int(struct rig *r, const char *sql)
{
	int64_t n = 0;
	const char *text = rig_text(r, sql);
	struct err err = {0};
	if (text[0] != '\0')
		rig_must(text_int(text, INT64_MIN, INT64_MAX, &n, &err), &err);
	return n;
}

void rig_exec(struct rig *r, const char *sql)
{
	struct ask a = {.sql = sql};
	db_submit(r->db, exec_work, ask_done, &a);
	assert_true(loop_run_until(r->l, &a.done, 10000));
}

int64_t rig_run(struct rig *r, enum run_kind kind, int64_t pull, const char *asker)
{
	struct ask a = {.is_run = true, .n = {.repo_id = r->repo_id, .pull = pull, .repo = "acme/infra", .asker = asker, .kind = kind}};
	db_submit(r->db, ask_work, ask_done, &a);
	assert_true(loop_run_until(r->l, &a.done, 10000));
	runs_look(r->runs);
	return a.id;
}

/* ---- waiting ---- */

struct state_of {
	int64_t run;
	enum run_state state;
	bool done;
};

static int state_work(struct db_conn *c, void *arg, struct err *err)
{
	struct state_of *s = arg;
	struct run_row row;
	int rc = run_get(c, s->run, &row, err);
	if (rc != 0)
		return rc;
	s->state = row.state;
	run_row_free(&row);
	return 0;
}

static void state_done(int rc, const struct err *err, void *arg)
{
	rig_must(rc, err);
	((struct state_of *)arg)->done = true;
}

enum run_state rig_over(struct rig *r, int64_t run)
{
	for (int i = 0; i < 4000; i++) {
		struct state_of s = {.run = run};
		db_submit(r->db, state_work, state_done, &s);
		assert_true(loop_run_until(r->l, &s.done, 10000));
		if (run_state_is_over(s.state)) {
			rig_settle(r);
			return s.state;
		}
		rig_pass(r, 5);
	}
	fail_msg("run %lld does not end; the log:\n%s", (long long)run, buf_str(&r->log));
	return RUN_STATES;
}

struct rig_job *rig_job(struct rig *r, const char *project, enum job_phase phase)
{
	for (size_t i = r->jobs_n; i-- > 0;)
		if (strcmp(r->jobs[i].project, project) == 0 && r->jobs[i].phase == phase)
			return &r->jobs[i];
	return NULL;
}

bool rig_started(struct rig *r, const char *project, enum job_phase phase)
{
	for (int i = 0; i < 2000; i++) {
		const struct rig_job *j = rig_job(r, project, phase);
		if (j != NULL && j->held)
			return true;
		rig_pass(r, 5);
	}
	return false;
}

