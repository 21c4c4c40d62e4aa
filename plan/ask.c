#include "plan/ask.h"

#include "base/text.h"

#include <strings.h>

/* When GitHub told of the push; of one it did not tell, when we first planned it. 0: neither. */
static const char SQL_PUSHED[] =
	"SELECT coalesce((SELECT at_ms FROM head_push WHERE repo_id=?1 AND sha=?3), (SELECT min(created_ms) FROM run WHERE repo_id=?1 AND pull=?2"
	" AND kind='plan' AND head_sha=?3), 0)";

int ask_is_stale(struct db_conn *c, const struct run_row *run, const char *head, char **ret_why, struct err *err)
{
	const char *verb = run->kind == RUN_PLAN ? "plan" : "apply";
	struct db_stmt *s;
	int64_t pushed_ms = 0;
	*ret_why = NULL;
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
