/* While a plan works, what GitHub says of the gate is read beside it, so that the comment can say what an apply would need. Nothing waits
 * for it: when it comes after the plan, the comment is edited once more. */
#include "base/log.h"
#include "plan/gate_own.h"
#include "plan/runs_priv.h"

struct facts_read {
	struct runs *m;
	struct facts_read *next;
	int64_t run_id, repo_id, pull;
	struct gate_reader *reader;
	struct buf json;
};

static int keep_tx(struct db_conn *c, void *arg, struct err *err)
{
	struct facts_read *f = arg;
	struct run_row run;
	int rc = run_set_facts(c, f->run_id, buf_str(&f->json), err);
	if (rc == 0)
		rc = run_get(c, f->run_id, &run, err);
	if (rc != 0)
		return rc;
	if (run.state == RUN_DONE)
		rc = comment_refresh(c, &f->m->comment, f->repo_id, f->pull, 0, err);
	run_row_free(&run);
	return rc;
}

static void keep_done(int rc, const struct err *err, void *arg)
{
	struct facts_read *f = arg;
	if (rc != 0)
		log_warn("run.facts", "run=%lld error=%s", (long long)f->run_id, log_value(err->msg));
	outbox_wake(f->m->o.outbox);
	buf_free(&f->json);
	free(f);
}

static void unlink_read(struct facts_read *f)
{
	for (struct facts_read **p = &f->m->facts; *p != NULL; p = &(*p)->next)
		if (*p == f) {
			*p = f->next;
			return;
		}
}

static void on_seen(struct gate_seen *seen, void *arg)
{
	struct facts_read *f = arg;
	unlink_read(f);
	gate_facts_write(seen, &f->json);
	db_submit(f->m->o.db, keep_tx, keep_done, f);
}

static void start_reading(struct runs *m, const struct run_row *row)
{
	struct facts_read *f = xcalloc(1, sizeof(*f));
	*f = (struct facts_read){.m = m, .run_id = row->id, .repo_id = row->repo_id, .pull = row->pull, .next = m->facts};
	m->facts = f;
	struct gate_question q = run_gate_question(m, row);
	q.asker = NULL; /* nobody asks for an apply yet */
	f->reader = gate_read_start(&q, on_seen, f);
}

void run_facts_start(struct run *r) { start_reading(r->m, &r->row); }

/* --- again, after GitHub told that something changed --- */

struct facts_again {
	struct runs *m;
	int64_t repo_id, pull;
	struct run_row row;
};

static int newest_tx(struct db_conn *c, void *arg, struct err *err)
{
	struct facts_again *a = arg;
	int rc = run_newest(c, a->repo_id, a->pull, RUN_PLAN, NULL, &a->row, err);
	return rc == ERR_NOT_FOUND ? 0 : rc;
}

static void newest_done(int rc, const struct err *err, void *arg)
{
	struct facts_again *a = arg;
	if (rc != 0)
		log_warn("run.facts", "pull=%lld error=%s", (long long)a->pull, log_value(err->msg));
	else if (a->row.id != 0 && a->row.state == RUN_DONE && a->row.head_sha != NULL)
		start_reading(a->m, &a->row);
	run_row_free(&a->row);
	free(a);
}

void runs_refresh_facts(struct runs *m, int64_t repo_id, int64_t pull)
{
	struct facts_again *a = xcalloc(1, sizeof(*a));
	*a = (struct facts_again){.m = m, .repo_id = repo_id, .pull = pull};
	db_submit(m->o.db, newest_tx, newest_done, a);
}

void run_facts_close(struct runs *m)
{
	for (struct facts_read *f = m->facts, *next; f != NULL; f = next) {
		next = f->next;
		gate_read_cancel(f->reader);
		buf_free(&f->json);
		free(f);
	}
	m->facts = NULL;
}
