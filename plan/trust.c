#include "plan/trust.h"

#include "base/audit.h"
#include "base/clock.h"
#include "base/json.h"
#include "plan/ask.h"

#include <string.h>

enum trust trust_of_job(const struct job_row *job)
{
	return job->sandbox != NULL && strcmp(job->sandbox, "compat") == 0 ? TRUST_COMPAT : TRUST_COLLABORATOR;
}

static const char SQL_OK[] = "SELECT EXISTS(SELECT 1 FROM plan_ok WHERE repo_id=? AND pull=? AND sha=? AND base_ref=?)";
static const char SQL_ADD[] = "INSERT INTO plan_ok(repo_id, pull, sha, base_ref, who, created_ms) VALUES(?,?,?,?,?,?)"
			      " ON CONFLICT(repo_id, pull, sha, base_ref) DO NOTHING";

static int has_ok(struct db_conn *c, const struct run_row *run, bool *ret, struct err *err)
{
	struct db_stmt *s;
	int64_t n = 0;
	int rc = db_query(c, &s, err, SQL_OK, "iiss", run->repo_id, run->pull, run->head_sha, run->base_ref);
	if (rc == 0)
		rc = db_number(s, &n, err);
	*ret = n != 0;
	return rc;
}

static int add_ok(struct db_conn *c, const struct run_row *run, struct err *err)
{
	CLEANUP_BUF struct buf detail = {0};
	struct json_writer w = json_writer(&detail);
	int rc = db_run(c, err, SQL_ADD, "iisssi", run->repo_id, run->pull, run->head_sha, run->base_ref, run->asker, clock_wall_ms());
	if (rc != 0)
		return rc;
	jw_open(&w, NULL);
	jw_str(&w, "head", run->head_sha);
	jw_str(&w, "base", run->base_ref);
	jw_str(&w, "named", run->asked_sha);
	jw_close(&w);
	return audit_add(c, &(struct audit){.kind = "ok-to-plan", .actor = run->asker, .repo_id = run->repo_id, .pull = run->pull, .run_id = run->id,
					    .detail = buf_str(&detail)}, err);
}

/* A person says that this commit was read. That it is the head now, and was when it was said, is looked at here. */
static int take_ok(struct db_conn *c, const struct trust_question *q, char **ret_no, struct err *err)
{
	const struct run_row *run = q->run;
	if (q->role < ROLE_APPLY) {
		*ret_no = xasprintf("`ok-to-plan` needs the role `apply`, which @%s does not have any more", run->asker);
		return 0;
	}
	int rc = ask_is_stale(c, run, run->head_sha, ret_no, err);
	return rc != 0 || *ret_no != NULL ? rc : add_ok(c, run, err);
}

int trust_ask(struct db_conn *c, const struct trust_question *q, char **ret_no, struct err *err)
{
	const struct run_row *run = q->run;
	bool read = false;
	*ret_no = NULL;
	if (run->ok_to_plan && !q->fork) {
		*ret_no = xstrdup("this pull request comes from a branch of this repository, which only people with write permission push to: it needs no"
				  " `ok-to-plan`. Comment `plan`");
		return 0;
	}
	if (run->ok_to_plan)
		return take_ok(c, q, ret_no, err);
	if (!q->fork || run->after_merge)
		return 0;
	int rc = has_ok(c, run, &read, err);
	if (rc == 0 && !read)
		*ret_no = xasprintf(TRUST_WAITS_SAYS "nothing of it runs here until a person with the role `apply` has read its changes and comments"
				    " `ok-to-plan %s`. Then this commit is planned; each further push needs that again",
				    run->head_sha);
	return rc;
}
