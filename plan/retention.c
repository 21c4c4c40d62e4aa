#include "plan/retention.h"

#include "base/clock.h"
#include "base/log.h"
#include "plan/jobs.h"

#include <errno.h>
#include <unistd.h>

enum { KEEP_DAYS = 90, ROUND_JOBS = 300, EVERY_MS = 60 * 60 * 1000 };

struct retention {
	struct db *db;
	const struct server_config *config;
	struct loop_timer *timer;
};

struct round {
	const struct server_config *config;
	struct id_list jobs;
};

static void forget_file(char *path)
{
	if (unlink(path) != 0 && errno != ENOENT)
		log_warn("retention", "file=%s errno=%d", log_value(path), errno);
	free(path);
}

/* Rows first: a crash in between leaves files that nothing names, which is better than names of files that are gone. */
static int round_tx(struct db_conn *c, void *arg, struct err *err)
{
	struct round *r = arg;
	struct db_stmt *s;
	int64_t before = clock_wall_ms() - (int64_t)KEEP_DAYS * 86400 * 1000;
	int rc = db_query(c, &s, err, "SELECT id FROM job WHERE log IS NOT NULL AND finished_ms BETWEEN 1 AND ?"
			  " AND NOT(state='unknown' AND resolution IS NULL) LIMIT ?" /* evidence, until a person has looked */,
			  "ii", before, (int64_t)ROUND_JOBS);
	while (rc == 0 && (rc = db_step(s, err)) == 1) {
		id_list_add(&r->jobs, db_int(s, 0));
		rc = 0;
	}
	for (size_t i = 0; rc == 0 && i < r->jobs.n; i++)
		rc = db_run(c, err, "UPDATE job SET log=NULL, diff=NULL WHERE id=?", "i", r->jobs.v[i]);
	return rc;
}

static void round_done(int rc, const struct err *err, void *arg)
{
	struct round *r = arg;
	if (rc != 0)
		log_err("retention", "error=%s", log_value(err->msg));
	for (size_t i = 0; rc == 0 && i < r->jobs.n; i++) {
		forget_file(jobs_log_path(r->config, r->jobs.v[i]));
		forget_file(jobs_egress_path(r->config, r->jobs.v[i]));
		forget_file(jobs_plan_path(r->config, r->jobs.v[i]));
	}
	id_list_free(&r->jobs);
	free(r);
}

void retention_run(struct retention *r)
{
	struct round *round = xcalloc(1, sizeof(*round));
	round->config = r->config;
	db_submit(r->db, round_tx, round_done, round);
}

static void on_timer(void *arg) { retention_run(arg); }

struct retention *retention_new(struct loop *l, struct db *db, const struct server_config *config)
{
	struct retention *r = xcalloc(1, sizeof(*r));
	r->db = db;
	r->config = config;
	r->timer = loop_timer_new(l, on_timer, r);
	loop_timer_start(r->timer, EVERY_MS, EVERY_MS);
	return r;
}

void retention_close(struct retention *r)
{
	if (r == NULL)
		return;
	loop_timer_close(r->timer);
	free(r);
}
