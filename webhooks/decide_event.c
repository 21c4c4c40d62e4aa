/* Deliveries that start nothing: who pushed, what a gate looks at, comments that were changed, access that came or went, new names. Step 4. */
#include "base/audit.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "webhooks/decide_priv.h"

/* --- who pushed a head ------------------------------------------------------------------------------------------------------------- */

/* The newest push to the head of a pull request counts. A commit that is pushed to some other branch afterwards keeps who pushed it there first:
 * otherwise a friend's branch would take the push off somebody's name. */
static const char SQL_PUSHED[] = "INSERT INTO head_push(repo_id, sha, user_id, login, at_ms) VALUES(?,?,?,?,?) ON CONFLICT(repo_id, sha) DO UPDATE"
				 " SET user_id=excluded.user_id, login=excluded.login, at_ms=excluded.at_ms WHERE excluded.at_ms>at_ms";
static const char SQL_PUSHED_FIRST[] = "INSERT INTO head_push(repo_id, sha, user_id, login, at_ms) VALUES(?,?,?,?,?)"
				       " ON CONFLICT(repo_id, sha) DO NOTHING";

int decide_note_pusher(struct db_conn *c, const struct gh_event *e, struct err *err)
{
	bool synchronize = e->kind == GH_EVENT_PULL && strcmp(e->action, "synchronize") == 0 && e->after != NULL;
	bool push = e->kind == GH_EVENT_PUSH && !e->deleted && text_starts(e->ref, "refs/heads/");
	if ((!synchronize && !push) || e->sender.id == 0)
		return 0;
	int64_t at_ms = e->pushed_ms != 0 ? e->pushed_ms : clock_wall_ms(); /* late is the safe side: a comment before it is asked for again */
	return db_run(c, err, synchronize ? SQL_PUSHED : SQL_PUSHED_FIRST, "isisi", e->repo_id, e->after, e->sender.id, e->sender.login, at_ms);
}

/* --- facts ------------------------------------------------------------------------------------------------------------------------- */

int decide_facts(struct db_conn *c, struct item *it, char **ret, struct err *err)
{
	int rc = it->event.pull == 0 ? decide_pull_of_commit(c, &it->event, &it->event.pull, err) : 0;
	it->refresh = rc == 0 && it->event.pull != 0;
	if (rc == 0)
		*ret = xstrdup(it->refresh ? "gate: read again" : "ignored: a commit of no run");
	return rc;
}

/* --- comments that were changed ---------------------------------------------------------------------------------------------------- */

/* Never a command: whoever may edit could put words into somebody's mouth. What stood there is on record as a hash. */
int decide_comment_changed(struct db_conn *c, const struct item *it, char **ret, struct err *err)
{
	const struct gh_event *e = &it->event;
	char hash[2 * SHA256_SIZE + 1];
	CLEANUP_BUF struct buf detail = {0};
	struct json_writer w = json_writer(&detail);
	bool deleted = strcmp(e->action, "deleted") == 0;
	crypto_sha256_hex(e->comment_body, strlen(e->comment_body), hash);
	jw_open(&w, NULL);
	jw_str(&w, "action", e->action);
	jw_int(&w, "comment", e->comment_id);
	jw_str(&w, "sha256", hash);
	jw_close(&w);
	struct audit a = {.kind = "comment", .actor = e->sender.login, .repo_id = e->repo_id, .pull = e->pull, .detail = buf_str(&detail)};
	int rc = audit_add(c, &a, err);
	if (rc == 0 && deleted)
		rc = outbox_comment_deleted(c, e->repo_id, e->comment_id, err);
	if (rc == 0)
		*ret = xasprintf("audited: a comment was %s", e->action);
	return rc;
}

/* --- access ------------------------------------------------------------------------------------------------------------------------ */

static const char SQL_LOST_OWNER[] = "INSERT INTO installation_state(owner, repo_id, state, at_ms) VALUES(lower(?),0,?,?)"
				     " ON CONFLICT(owner, repo_id) DO UPDATE SET state=excluded.state, at_ms=excluded.at_ms";
static const char SQL_LOST_REPO[] = "INSERT INTO installation_state(owner, repo_id, state, at_ms) VALUES('',?,?,?)"
				    " ON CONFLICT(owner, repo_id) DO UPDATE SET state=excluded.state, at_ms=excluded.at_ms";
static const char SQL_BACK_OWNER[] = "DELETE FROM installation_state WHERE owner=lower(?) AND repo_id=0";
static const char SQL_BACK_REPO[] = "DELETE FROM installation_state WHERE owner='' AND repo_id=?";
static const char SQL_STATE[] = "SELECT state FROM installation_state WHERE (owner='' AND repo_id=?) OR (owner=lower(?) AND repo_id=0) LIMIT 1";
/* What has not begun. What runs ends by itself; locks and state stay. */
static const char SQL_END[] = "SELECT id FROM run WHERE finished_ms=0 AND state='queued'"
			      " AND (repo_id=?1 OR (?2<>'' AND lower(substr(repo, 1, instr(repo, '/') - 1))=lower(?2))) LIMIT 1";

int decide_access_lost(struct db_conn *c, const struct gh_event *e, char **ret_state, struct err *err)
{
	struct db_stmt *s;
	CLEANUP_FREE char *owner = xstrndup(e->repo, strcspn(e->repo, "/"));
	int rc = db_query(c, &s, err, SQL_STATE, "is", e->repo_id, owner);
	if (rc == 0)
		rc = db_step(s, err);
	if (rc != 1)
		return rc;
	*ret_state = db_text_copy(s, 0);
	db_reset(s);
	return 0;
}

static int end_queued(struct db_conn *c, int64_t repo_id, const char *owner, const char *state, struct err *err)
{
	CLEANUP_FREE char *why = xasprintf("it had not begun when GitHub said that the App's installation is %s: comment it again when the App is back",
					   state);
	for (;;) {
		struct db_stmt *s;
		int rc = db_query(c, &s, err, SQL_END, "is", repo_id, owner);
		if (rc == 0)
			rc = db_step(s, err);
		if (rc != 1)
			return rc;
		int64_t id = db_int(s, 0);
		db_reset(s);
		rc = run_set_error(c, id, why, err);
		if (rc == 0)
			rc = run_move(c, id, RUN_QUEUED, RUN_CANCELLED, err); /* one less: the loop ends */
		if (rc != 0)
			return rc;
	}
}

int decide_access(struct db_conn *c, const struct item *it, char **ret, struct err *err)
{
	const struct gh_event *e = &it->event;
	const char *state = strcmp(e->action, "suspend") == 0 ? "suspended" : "removed";
	int64_t now = clock_wall_ms();
	int rc = 0;
	if (e->account != NULL) {
		rc = e->lost ? db_run(c, err, SQL_LOST_OWNER, "ssi", e->account, state, now) : db_run(c, err, SQL_BACK_OWNER, "s", e->account);
		if (rc == 0 && e->lost)
			rc = end_queued(c, 0, e->account, state, err);
	}
	for (size_t i = 0; rc == 0 && i < e->repos_n; i++) {
		rc = e->lost ? db_run(c, err, SQL_LOST_REPO, "isi", e->repos[i].id, state, now) : db_run(c, err, SQL_BACK_REPO, "i", e->repos[i].id);
		if (rc == 0 && e->lost)
			rc = end_queued(c, e->repos[i].id, "", state, err);
	}
	if (rc == 0)
		*ret = xasprintf("access: %s", e->lost ? state : "given");
	return rc;
}

/* --- new names --------------------------------------------------------------------------------------------------------------------- */

static const char SQL_RENAME[] = "UPDATE run SET repo=?1 WHERE repo_id=?2 AND (finished_ms=0 OR id IN(SELECT max(id) FROM run WHERE repo_id=?2"
				 " GROUP BY pull, kind))";

/* A repository is its id. What is under way, and what is read again of a pull request, asks GitHub by the new name from now on. */
int decide_renamed(struct db_conn *c, const struct item *it, char **ret, struct err *err)
{
	int rc = db_run(c, err, SQL_RENAME, "si", it->event.repo, it->event.repo_id);
	if (rc == 0)
		*ret = xasprintf("renamed: %s", it->event.repo);
	return rc;
}

void decide_ping(const struct item *it)
{
	int64_t ours = it->d->o.config->app_id;
	if (it->event.kind == GH_EVENT_PING && ours != 0 && it->event.app_id != 0 && it->event.app_id != ours)
		log_warn("ping.app", "hook_app=%lld our_app=%lld hint=%s", (long long)it->event.app_id, (long long)ours,
			 log_value("the webhook of another App points here; set its URL or github.app.id right"));
}
