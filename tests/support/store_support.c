#include "tests/support/store_support.h"

#include "base/audit.h"
#include "base/clock.h"
#include "github/outbox.h"
#include "plan/lock_store.h"
#include "webhooks/delivery_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

void store_must(int rc, const struct err *err)
{
	if (rc < 0)
		fail_msg("%s", err->msg);
}

const struct db_migration *store_schema(void)
{
	static char text[32 * 1024];
	static struct db_migration list[1];
	int n = snprintf(text, sizeof(text), "%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s", DELIVERY_SCHEMA, OUTBOX_SCHEMA, PLAN_SCHEMA, DELIVERY_SCHEMA_2, OUTBOX_SCHEMA_2,
			 PLAN_SCHEMA_2, LOCK_SCHEMA, AUDIT_SCHEMA, PLAN_SCHEMA_3);
	assert_true(n > 0 && (size_t)n < sizeof(text));
	list[0] = (struct db_migration){1, text};
	return list;
}

struct db_conn *store_open(void)
{
	struct db_conn *c;
	struct err err = {0};
	clock_fake_set(STORE_NOW);
	store_must(db_conn_open(":memory:", store_schema(), 1, &c, &err), &err);
	return c;
}

void store_close(struct db_conn *c)
{
	db_conn_close(c);
	clock_fake_off();
}

int64_t store_run(struct db_conn *c, enum run_kind kind, int64_t pull)
{
	struct run_new n = {.repo_id = STORE_REPO, .pull = pull, .repo = "acme/infra", .kind = kind, .asker = kind == RUN_APPLY ? "alice" : NULL};
	struct err err = {0};
	int64_t id = 0;
	store_must(run_create(c, &n, &id, &err), &err);
	return id;
}

int64_t store_run_at(struct db_conn *c, enum run_kind kind, int64_t pull, const char *sha, enum run_state state)
{
	struct err err = {0};
	int64_t id = store_run(c, kind, pull);
	struct run_row r = {.id = id, .repo = (char[]){"acme/infra"}, .clone_url = (char[]){"http://git/acme/infra.git"}, .head_sha = xstrdup(sha),
			    .base_ref = (char[]){"main"}};
	store_must(run_set_pull(c, &r, &err), &err);
	free(r.head_sha);
	store_must(run_move(c, id, RUN_QUEUED, state, &err), &err);
	return id;
}

int64_t store_job(struct db_conn *c, int64_t run, const char *project, enum job_phase phase, enum job_state state, const char *depends)
{
	struct err err = {0};
	struct run_row r;
	int64_t id = 0;
	store_must(run_get(c, run, &r, &err), &err);
	CLEANUP_FREE char *name = xstrdup(project), *dir = xasprintf("live/%s", project), *names = xstrdup(depends),
			  *reason = xasprintf("`live/%s/main.tf` changed", project);
	struct job_row j = {.run_id = run, .repo_id = r.repo_id, .pull = r.pull, .phase = phase, .state = state, .project = name, .dir = dir,
			    .workspace = (char[]){"default"}, .inputs = (char[]){"inputs-1"}, .depends_on = names, .reason = reason};
	store_must(job_create(c, &j, &id, &err), &err);
	run_row_free(&r);
	return id;
}

enum run_state store_run_state(struct db_conn *c, int64_t run)
{
	struct run_row r;
	struct err err = {0};
	store_must(run_get(c, run, &r, &err), &err);
	enum run_state s = r.state;
	run_row_free(&r);
	return s;
}

enum job_state store_job_state(struct db_conn *c, int64_t job)
{
	struct job_row j;
	struct err err = {0};
	store_must(job_get(c, job, &j, &err), &err);
	enum job_state s = j.state;
	job_row_free(&j);
	return s;
}

const char *store_text(struct db_conn *c, const char *sql, const char *arg)
{
	static char text[128 * 1024];
	struct db_stmt *s;
	struct err err = {0};
	store_must(db_query(c, &s, &err, sql, arg != NULL ? "s" : "", arg), &err);
	int rc = db_step(s, &err);
	store_must(rc, &err);
	(void)snprintf(text, sizeof(text), "%s", rc == 1 && db_text(s, 0) != NULL ? db_text(s, 0) : ""); /* cut where a test would not look */
	db_reset(s);
	return text;
}

int64_t store_int(struct db_conn *c, const char *sql)
{
	struct db_stmt *s;
	struct err err = {0};
	store_must(db_query(c, &s, &err, sql, ""), &err);
	int rc = db_step(s, &err);
	store_must(rc, &err);
	int64_t n = rc == 1 ? db_int(s, 0) : 0;
	db_reset(s);
	return n;
}

void store_exec(struct db_conn *c, const char *sql)
{
	struct err err = {0};
	store_must(db_exec(c, sql, &err), &err);
}
