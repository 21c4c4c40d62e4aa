#include "plan/ask.h"

#include "base/text.h"

#include <strings.h>

/* When GitHub told of the push; of one it did not tell, when we first planned it. 0: neither. */
static const char SQL_PUSHED[] =
	"SELECT coalesce((SELECT at_ms FROM head_push WHERE repo_id=?1 AND sha=?3), (SELECT min(created_ms) FROM run WHERE repo_id=?1 AND pull=?2"
	" AND kind='plan' AND head_sha=?3), 0)";

/* The head that was read last before the comment was written. */
static const char SQL_SEEN[] = "SELECT head_sha FROM run WHERE repo_id=? AND pull=? AND kind='plan' AND head_sha IS NOT NULL AND finished_ms>0"
			       " AND finished_ms/1000<?/1000 ORDER BY id DESC LIMIT 1";

/* A stranger makes another commit with the same few digits in minutes. So a short name stands for the commit that was there to be read when the
 * comment was written, and for no other. */
static int ok_is_stale(struct db_conn *c, const struct run_row *run, const char *head, char **ret_why, struct err *err)
{
	struct db_stmt *s;
	bool seen = false;
	if (strncasecmp(head, run->asked_sha, strlen(run->asked_sha)) != 0) {
		*ret_why = xasprintf("the head is `%.12s` now and not `%.12s`: read its changes, then comment `ok-to-plan %s`", head, run->asked_sha, head);
		return 0;
	}
	if (strlen(run->asked_sha) == strlen(head))
		return 0;
	int rc = db_query(c, &s, err, SQL_SEEN, "iii", run->repo_id, run->pull, run->asked_ms);
	if (rc == 0)
		rc = db_step(s, err);
	if (rc == 1) {
		seen = strcmp(db_text(s, 0), head) == 0;
		db_reset(s);
	}
	if (rc >= 0 && !seen)
		*ret_why = xasprintf("`%s` is too short a name for a commit that was pushed only now: read its changes, then comment `ok-to-plan %s`",
				     run->asked_sha, head);
	return rc < 0 ? rc : 0;
}

int ask_is_stale(struct db_conn *c, const struct run_row *run, const char *head, char **ret_why, struct err *err)
{
	const char *verb = run->kind == RUN_PLAN ? "plan" : "apply";
	struct db_stmt *s;
	int64_t pushed_ms = 0;
	*ret_why = NULL;
	if (run->ok_to_plan)
		return ok_is_stale(c, run, head, ret_why, err);
	if (run->asked_sha != NULL) {
		if (strncasecmp(head, run->asked_sha, strlen(run->asked_sha)) != 0)
			*ret_why = xasprintf("the head is `%.7s` now and not `%.12s`: look at its plan, then comment `%s %.7s`", head, run->asked_sha, verb,
					     head);
		return 0;
	}
	if (run->asked_ms == 0 || run->kind == RUN_PLAN)
		return 0;
	int rc = db_query(c, &s, err, SQL_PUSHED, "iis", run->repo_id, run->pull, head);
	if (rc == 0)
		rc = db_number(s, &pushed_ms, err);
	if (rc == 0 && pushed_ms / 1000 >= run->asked_ms / 1000)
		*ret_why = xasprintf("a push came at the same time as this comment; look at the new plan and comment `apply` again, or `apply %.7s`", head);
	return rc;
}
