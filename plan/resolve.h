/* An apply whose outcome is unknown: what was seen of it, and the person who says how it ended. Steps 8 and 4. On the writer thread, except where
 * said. Nothing here runs an apply again. */
#ifndef PLAN_RESOLVE_H
#define PLAN_RESOLVE_H

#include "plan/comment.h"
#include "plan/run_store.h"

/* Evidence, written down when the job came home. */
struct resolve_seen {
	const char *log;       /* the end of its log; NULL: none */
	bool has_record;       /* the runner left an exit record */
	int exit_code;         /* of the engine; then */
	const char *step;      /* of the runner; NULL */
	int64_t serial_before; /* of the managed state when it started; -1: there was none */
};
/* The last bytes of a log, for resolve_seen; empty when it cannot be read. Blocks for one small read; on the loop. */
void resolve_read_tail(const char *path, struct buf *ret);
int resolve_keep(struct db_conn *c, const struct job_row *j, const struct resolve_seen *seen, struct err *err) MUST_CHECK;
/* The way out, for the job's error: who comments what. The caller frees. */
char *resolve_sentence(int64_t run_id, const char *what_happened);

/* What people read in the comment: lines of plain text, disarmed by whoever shows them. Appends nothing when no evidence was kept. */
int resolve_show(struct db_conn *c, const struct job_row *j, struct buf *out, struct err *err) MUST_CHECK;

struct resolve_ask {
	int64_t repo_id, pull;
	const char *repo;
	int64_t run_id;                 /* 0: the newest unknown outcome of the pull request */
	const struct strlist *projects; /* empty: all of that run */
	const char *as;                 /* applied, failed, replan */
	const char *who;                /* login */
};
/* `resolve`: the answer in words (the caller frees), and whether something was resolved: then the projects are free, and with replan a plan run
 * stands beside. ret_done false: nothing was changed, and the answer says why. */
int resolve_outcome(struct db_conn *c, const struct comment_context *ctx, const struct resolve_ask *ask, char **ret_text, bool *ret_done,
		    struct err *err) MUST_CHECK;

#endif
