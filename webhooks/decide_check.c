/* What is pressed on a check run, and merge groups: the only two that speak of a commit and not of a pull request. Step 4. */
#include "base/clock.h"
#include "plan/comment.h"
#include "webhooks/decide_priv.h"

#include <stdio.h>

enum { SHORT_SHA = 7, VERDICT_MAX = 200 };

/* "Re-run" and the three buttons are commands of whoever pressed them, bound to the commit of the check. */
void decide_rerun_command(struct item *it)
{
	static const struct {
		const char *button;
		enum command_verb verb;
	} BUTTONS[] = {{"plan", COMMAND_PLAN}, {"apply", COMMAND_APPLY}, {"cancel", COMMAND_CANCEL}};
	const struct gh_event *e = &it->event;
	for (size_t i = 0; i < ARRAY_LEN(BUTTONS); i++)
		if (strcmp(BUTTONS[i].button, e->button) == 0)
			it->command.verb = BUTTONS[i].verb;
	if (it->command.verb == COMMAND_PLAN || it->command.verb == COMMAND_APPLY)
		it->command.sha = xstrdup(e->head_sha);
	it->event.comment_id = -it->delivery_id; /* answers are kept apart by comment; this has none */
}

static const char SQL_PULL[] = "SELECT pull FROM run WHERE repo_id=? AND head_sha=? ORDER BY id DESC LIMIT 1";

int decide_pull_of_commit(struct db_conn *c, const struct gh_event *e, int64_t *ret, struct err *err)
{
	struct db_stmt *s;
	int64_t pull = 0;
	int rc = db_query(c, &s, err, SQL_PULL, "is", e->repo_id, e->head_sha);
	if (rc == 0)
		rc = db_step(s, err);
	if (rc < 0)
		return rc;
	if (rc == 1) {
		pull = db_int(s, 0);
		db_reset(s);
	}
	*ret = pull;
	return 0;
}

int decide_rerun(struct db_conn *c, struct item *it, char **ret, struct err *err)
{
	struct gh_event *e = &it->event;
	struct run_row newest = {0};
	int rc = decide_pull_of_commit(c, e, &e->pull, err);
	if (rc != 0 || e->pull == 0) {
		*ret = rc == 0 ? xstrdup("ignored: a check of a commit that was never planned") : NULL;
		return rc;
	}
	rc = run_newest(c, e->repo_id, e->pull, RUN_PLAN, NULL, &newest, err);
	bool old = rc == 0 && newest.head_sha != NULL && strcmp(newest.head_sha, e->head_sha) != 0;
	CLEANUP_FREE char *head = old ? xstrdup(newest.head_sha) : NULL;
	run_row_free(&newest);
	if (rc != 0 && rc != ERR_NOT_FOUND)
		return rc;
	if (!old)
		return decide_command(c, it, ret, err);
	*ret = xstrdup("refused: the check is of an older commit");
	CLEANUP_FREE char *text = xasprintf("`%s` was not done: that check is of the commit `%.*s`, and this pull request is at `%.*s` now. Use the "
					    "checks of the newest commit, or comment `%s`.",
					    e->button, SHORT_SHA, e->head_sha, SHORT_SHA, head, e->button);
	return comment_reply(c, e->repo_id, e->repo, e->pull, e->comment_id, text, err);
}

/* --- merge groups ------------------------------------------------------------------------------------------------------------------ */

static const char SQL_BELOW[] = "SELECT ok, pull FROM merge_group WHERE repo_id=? AND head_sha=?";
/* A run gets into these states through an open gate only. */
static const char SQL_GATED[] = "SELECT count(*) FROM run WHERE repo_id=? AND pull=? AND kind='apply' AND state IN('merging','enqueued')";
/* A finished plan that found no project and no mistake: there is nothing to hold back. */
static const char SQL_NOTHING[] =
	"SELECT count(*) FROM run r WHERE r.id=(SELECT max(id) FROM run WHERE repo_id=?1 AND pull=?2 AND kind='plan') AND r.state='done'"
	" AND coalesce(r.config_errors,'')='' AND NOT EXISTS(SELECT 1 FROM job WHERE job.repo_id=?1 AND job.pull=?2)";
static const char SQL_KEEP[] = "INSERT INTO merge_group(repo_id, head_sha, base_sha, pull, ok, at_ms) VALUES(?,?,?,?,?,?)"
			       " ON CONFLICT(repo_id, head_sha) DO UPDATE SET ok=excluded.ok, pull=excluded.pull, at_ms=excluded.at_ms";

static int count(struct db_conn *c, const char *sql, const struct gh_event *e, int64_t *ret, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, sql, "ii", e->repo_id, e->pull);
	return rc == 0 ? db_number(s, ret, err) : rc;
}

/* The group that this one stands on, if it is one: when that one may not be merged, this one may not either. */
static int below(struct db_conn *c, const struct gh_event *e, bool *ret_shut, int64_t *ret_pull, struct err *err)
{
	struct db_stmt *s;
	int rc = db_query(c, &s, err, SQL_BELOW, "is", e->repo_id, e->base_sha);
	if (rc == 0)
		rc = db_step(s, err);
	if (rc != 1)
		return rc;
	*ret_shut = db_int(s, 0) == 0;
	*ret_pull = db_int(s, 1);
	db_reset(s);
	return 0;
}

static int judge_group(struct db_conn *c, const struct gh_event *e, bool *ret_ok, char text[VERDICT_MAX], struct err *err)
{
	bool shut = false;
	int64_t under = 0, gated = 0, nothing = 0;
	int rc = below(c, e, &shut, &under, err);
	if (rc == 0)
		rc = count(c, SQL_GATED, e, &gated, err);
	if (rc == 0)
		rc = count(c, SQL_NOTHING, e, &nothing, err);
	if (rc != 0)
		return rc;
	*ret_ok = e->pull != 0 && !shut && (gated > 0 || nothing > 0);
	if (e->pull == 0)
		(void)snprintf(text, VERDICT_MAX, "The pull request of this merge group cannot be told from its branch.");
	else if (shut)
		(void)snprintf(text, VERDICT_MAX, "It stands on #%lld, which may not be merged.", (long long)under);
	else if (gated > 0)
		(void)snprintf(text, VERDICT_MAX, "The gate of #%lld is open, and it is applied after the merge.", (long long)e->pull);
	else if (nothing > 0)
		(void)snprintf(text, VERDICT_MAX, "#%lld touches no project.", (long long)e->pull);
	else
		(void)snprintf(text, VERDICT_MAX, "#%lld did not come through the gate: comment `apply` there.", (long long)e->pull);
	return 0; /* each of them fits: a sentence and a number */
}

static int say_group(struct db_conn *c, const struct item *it, bool ok, const char *text, struct err *err)
{
	const struct gh_event *e = &it->event;
	bool app = it->d->o.config->app_id != 0 && it->d->o.config->token_file == NULL;
	CLEANUP_FREE char *slot = xasprintf("%s/%lld/%s/" OUTBOX_GATE, app ? "check" : "status", (long long)e->repo_id, e->head_sha);
	CLEANUP_FREE char *id = xasprintf("group/%s", e->head_sha);
	struct gh_check check = {.name = OUTBOX_GATE, .head_sha = e->head_sha, .external_id = id, .status = "completed",
				 .conclusion = ok ? "success" : "failure", .title = ok ? "may be merged" : "may not be merged", .summary = text};
	struct effect status = {.kind = EFFECT_STATUS, .slot = slot, .repo_id = e->repo_id, .repo = e->repo, .sha = e->head_sha, .context = OUTBOX_GATE,
				.state = ok ? "success" : "failure", .description = text};
	struct effect run = {.kind = EFFECT_CHECK, .slot = slot, .repo_id = e->repo_id, .repo = e->repo, .check = &check};
	return outbox_set(c, app ? &run : &status, err);
}

/* GitHub makes one group for each pull request in the queue, on top of the one before: each is asked for by itself and judged by itself, and
 * stands on the verdict of what is below it. */
int decide_group(struct db_conn *c, const struct item *it, char **ret, struct err *err)
{
	const struct gh_event *e = &it->event;
	char text[VERDICT_MAX];
	bool ok = false;
	int rc = judge_group(c, e, &ok, text, err);
	if (rc == 0)
		rc = db_run(c, err, SQL_KEEP, "issiii", e->repo_id, e->head_sha, e->base_sha, e->pull, (int64_t)ok, clock_wall_ms());
	if (rc == 0)
		rc = say_group(c, it, ok, text, err);
	if (rc == 0)
		*ret = xasprintf("merge group: %s", ok ? "success" : "failure");
	return rc;
}
