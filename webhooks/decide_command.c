/* Commands of comments: who may, and what it starts. */
#include "base/audit.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "plan/comment.h"
#include "plan/jobs.h"
#include "plan/lock_store.h"
#include "plan/only.h"
#include "plan/queue.h"
#include "plan/render.h"
#include "plan/resolve.h"
#include "webhooks/decide_priv.h"

static const struct verb_rule {
	enum command_verb verb;
	enum role needs;
} rules[] = {
	{COMMAND_PLAN, ROLE_PLAN}, {COMMAND_CANCEL, ROLE_PLAN}, {COMMAND_RESOLVE, ROLE_ADMIN},
	{COMMAND_OK_TO_PLAN, ROLE_APPLY}, /* looked up again by the run, with the head that it finds */
	{COMMAND_APPLY, ROLE_APPLY}, /* looked up again by the gate, at the moment it decides */
	{COMMAND_UNLOCK, ROLE_APPLY}, {COMMAND_HELP, ROLE_NONE}, {COMMAND_VERSION, ROLE_NONE}, {COMMAND_UNKNOWN, ROLE_NONE},
};

/* NULL: this server does not do that. */
static const struct verb_rule *rule_of(enum command_verb verb)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (rules[i].verb == verb)
			return &rules[i];
	return NULL;
}

static int reply(struct db_conn *c, const struct item *it, const char *body, struct err *err)
{
	const struct gh_event *e = &it->event;
	return comment_reply(c, e->repo_id, e->repo, e->pull, e->comment_id, body, err);
}

static int reply_help(struct db_conn *c, const struct item *it, const char *error, struct err *err)
{
	CLEANUP_BUF struct buf b = {0};
	render_help(error, "sluice", &b);
	return reply(c, it, buf_str(&b), err);
}

static int refuse_role(struct db_conn *c, const struct item *it, const struct verb_rule *rule, char **ret, struct err *err)
{
	*ret = xasprintf("refused: %s has the role %s", it->event.sender.login, role_name(it->role));
	const char *verb = command_verb_name(it->command.verb);
	CLEANUP_FREE char *text =
		it->role_failed != NULL
			? xasprintf("`%s` was not done: GitHub did not say what @\u200b%s may do here, and unknown is no. Comment it again in a minute.", verb,
				    it->event.sender.login)
			: xasprintf("`%s` was not done: it needs the role `%s`, and @\u200b%s has `%s`. Someone with that role can comment it, or the operator "
				    "of this server gives the role under `roles:` in `sluice-server.yaml`.",
				    verb, role_name(rule->needs), it->event.sender.login, role_name(it->role));
	return reply(c, it, text, err);
}

/* Beyond the limit a person's own jobs would wait for hours, and everybody else's behind them. */
static int has_too_many(struct db_conn *c, const struct item *it, char **ret_why, struct err *err)
{
	int64_t n = 0, max = it->d->o.config->queued_per_person;
	int rc = queue_of_person(c, it->event.sender.login, &n, err);
	if (rc == 0 && n >= max)
		*ret_why = xasprintf("`plan` was not done: %lld jobs that @\u200b%s asked for wait already, and a person may have %lld"
				     " (`limits.queued_per_person`). Comment it again when fewer wait, or `cancel` some.",
				     (long long)n, it->event.sender.login, (long long)max);
	return rc;
}

static int start_run(struct db_conn *c, const struct item *it, enum run_kind kind, char **ret, struct err *err)
{
	const struct gh_event *e = &it->event;
	const struct command *cmd = &it->command;
	CLEANUP_FREE char *full = NULL;
	CLEANUP_BUF struct buf only = {0};
	int rc = kind == RUN_PLAN ? has_too_many(c, it, &full, err) : 0;
	if (rc == 0 && full != NULL) {
		*ret = xstrdup("refused: too many jobs wait");
		return reply(c, it, full, err);
	}
	if (only_is_narrow(cmd))
		only_write(cmd, &only);
	CLEANUP_FREE char *merge_sha = NULL;
	if (rc == 0 && kind == RUN_PLAN && cmd->projects.n != 0 && cmd->dirs.n == 0 && cmd->workspace == NULL)
		rc = run_merge_of(c, e->repo_id, e->pull, &merge_sha, err); /* then what is left to do is planned from there */
	CLEANUP_FREE char *args = text_join_lines(&cmd->flags);
	struct run_new n = {.repo_id = e->repo_id, .repo = e->repo, .pull = e->pull, .kind = kind, .asker = e->sender.login, .asked_sha = cmd->sha,
			    .args = args, .by_admin = it->role >= ROLE_ADMIN && it->role_failed == NULL, .ok_to_plan = cmd->verb == COMMAND_OK_TO_PLAN,
			    .asked_ms = e->comment_created_ms != 0 ? e->comment_created_ms : 1, /* when it is not told, every push came later */
			    .only = only.len != 0 ? buf_str(&only) : NULL, .after_merge = merge_sha != NULL, .merge_sha = merge_sha};
	int64_t id;
	if (rc == 0)
		rc = run_create(c, &n, &id, err);
	if (rc == 0)
		*ret = xasprintf("run %lld", (long long)id);
	return rc;
}

/* The apply of this pull request that is under way; ret->id 0: none. The caller frees. */
static int find_apply(struct db_conn *c, const struct item *it, struct run_row *ret, struct err *err)
{
	int rc = run_newest(c, it->event.repo_id, it->event.pull, RUN_APPLY, NULL, ret, err);
	if (rc == 0 && run_state_is_over(ret->state))
		run_row_free(ret);
	return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int do_apply(struct db_conn *c, const struct item *it, char **ret, struct err *err)
{
	struct run_row apply = {0};
	int rc = find_apply(c, it, &apply, err);
	bool applying = apply.id != 0;
	run_row_free(&apply);
	if (rc != 0)
		return rc;
	if (applying) {
		*ret = xstrdup("ignored: an apply is under way");
		return reply(c, it, "An apply of this pull request is under way: its comment shows how far it is. Comment `cancel` to stop it.", err);
	}
	return start_run(c, it, RUN_APPLY, ret, err);
}

/* Who asked for an apply may stop it, and everybody who may apply; plans also whoever may plan. */
static int do_cancel(struct db_conn *c, struct item *it, char **ret, struct err *err)
{
	struct run_row apply = {0};
	*ret = xstrdup("cancel");
	if (only_is_narrow(&it->command))
		return reply(c, it, "`cancel` stops all of this pull request and cannot be narrowed. Nothing was stopped.", err);
	int rc = find_apply(c, it, &apply, err);
	bool own = apply.asker != NULL && text_same_case(apply.asker, it->event.sender.login);
	it->cancel = rc == 0 && (apply.id == 0 || own || (it->role >= ROLE_APPLY && it->role_failed == NULL));
	run_row_free(&apply);
	if (rc != 0 || it->cancel)
		return rc;
	static const struct verb_rule of_apply = {COMMAND_CANCEL, ROLE_APPLY};
	free(TAKE(*ret));
	return refuse_role(c, it, &of_apply, ret, err);
}

static int do_resolve(struct db_conn *c, struct item *it, char **ret, struct err *err)
{
	const struct command *cmd = &it->command;
	struct resolve_ask ask = {.repo_id = it->event.repo_id, .pull = it->event.pull, .repo = it->event.repo, .run_id = cmd->run,
				  .projects = &cmd->projects, .as = cmd->as, .who = it->event.sender.login};
	CLEANUP_FREE char *text = NULL;
	bool done = false;
	int rc = resolve_outcome(c, runs_comment(it->d->o.runs), &ask, &text, &done, err);
	if (rc != 0)
		return rc;
	*ret = xstrdup(done ? "resolve" : "refused: nothing to resolve");
	it->kick = done;
	return reply(c, it, text, err);
}

/* What this pull request still holds, and who can end it; NULL when it holds nothing. */
static int say_held(struct db_conn *c, const struct item *it, char **ret, struct err *err)
{
	struct lock_list held = {0};
	char since[CLOCK_ISO_SIZE];
	CLEANUP_BUF struct buf b = {0};
	int rc = lock_list_of_pull(c, it->event.repo_id, it->event.pull, &held, err);
	for (size_t i = 0; rc == 0 && i < held.n; i++) {
		const struct lock_row *l = &held.v[i];
		buf_adds(&b, "- ");
		render_code(&b, l->project);
		if (l->unknown)
			buf_printf(&b,
				   ": the outcome of its apply is unknown since %s, so it stays locked. An admin looks at what exists and comments"
				   " `resolve %lld --as applied`, `failed` or `replan`.\n",
				   clock_people(l->created_ms, since), (long long)l->run_id);
		else
			buf_printf(&b, ": an apply is under way since %s. Comment `cancel` to stop it.\n", clock_people(l->created_ms, since));
	}
	*ret = held.n != 0 ? buf_take(&b) : NULL;
	lock_list_free(&held);
	return rc;
}

/* Gives back what waits for its turn. An apply at work ends by itself or by `cancel`, an unknown outcome by `resolve`. */
static int do_unlock(struct db_conn *c, const struct item *it, char **ret, struct err *err)
{
	CLEANUP_FREE char *held = NULL;
	CLEANUP_BUF struct buf b = {0};
	int64_t run = 0;
	*ret = xstrdup("unlock");
	if (only_is_narrow(&it->command))
		return reply(c, it, "`unlock` is about all of this pull request and cannot be narrowed. Nothing was given back.", err);
	int rc = lock_give_back(c, it->event.repo_id, it->event.pull, &run, err);
	if (rc == 0 && run != 0)
		rc = jobs_finish_run(c, runs_comment(it->d->o.runs), run, err);
	if (rc == 0)
		rc = say_held(c, it, &held, err);
	if (rc != 0)
		return rc;
	if (run != 0)
		buf_adds(&b, "The apply that waited for its turn was taken back before it began. Comment `plan` to see what is left to do.");
	else if (held == NULL)
		buf_adds(&b, "This pull request holds no lock.");
	if (held != NULL)
		buf_printf(&b, "%sStill held by this pull request:\n\n%s", b.len != 0 ? "\n\n" : "", held);
	return reply(c, it, buf_str(&b), err);
}

static int serve(struct db_conn *c, struct item *it, char **ret, struct err *err)
{
	switch (it->command.verb) {
	case COMMAND_PLAN:
	case COMMAND_OK_TO_PLAN: return start_run(c, it, RUN_PLAN, ret, err);
	case COMMAND_APPLY: return do_apply(c, it, ret, err);
	case COMMAND_UNLOCK: return do_unlock(c, it, ret, err);
	case COMMAND_CANCEL: return do_cancel(c, it, ret, err);
	case COMMAND_RESOLVE: return do_resolve(c, it, ret, err);
	case COMMAND_VERSION: {
		*ret = xstrdup("version");
		CLEANUP_FREE char *text = xasprintf("sluice %s", it->d->o.version);
		return reply(c, it, text, err);
	}
	case COMMAND_HELP:
	case COMMAND_UNKNOWN:
		*ret = xstrdup("help");
		return reply_help(c, it, it->command.error, err);
	case COMMAND_NONE:
	case COMMAND_APPROVE_POLICIES:
	case COMMAND_IMPORT:
	case COMMAND_STATE:
	case COMMAND_DRIFT: break;
	}
	ASSERT(!"a verb with a rule is handled");
	return ERR_INTERNAL;
}

static int decide_it(struct db_conn *c, struct item *it, char **ret, struct err *err)
{
	static const struct verb_rule destroys = {COMMAND_APPLY, ROLE_ADMIN};
	const struct verb_rule *rule = it->command.destroy ? &destroys : rule_of(it->command.verb);
	if (rule == NULL) {
		*ret = xasprintf("refused: %s is not served", command_verb_name(it->command.verb));
		CLEANUP_FREE char *why = xasprintf("`%s` is not done by this version of sluice.", command_verb_name(it->command.verb));
		return reply_help(c, it, why, err);
	}
	bool starts = it->command.verb == COMMAND_PLAN || it->command.verb == COMMAND_APPLY || it->command.verb == COMMAND_OK_TO_PLAN;
	CLEANUP_FREE char *lost = NULL;
	int rc = starts ? decide_access_lost(c, &it->event, &lost, err) : 0;
	if (rc != 0 || lost != NULL) { /* nothing is said: GitHub would not take it */
		*ret = rc == 0 ? xasprintf("ignored: the App's installation is %s", lost) : NULL;
		return rc;
	}
	if (it->role < rule->needs || (it->role_failed != NULL && rule->needs > ROLE_NONE))
		return refuse_role(c, it, rule, ret, err);
	return serve(c, it, ret, err);
}

/* Every command leaves a row, also the ones that were refused; help and slips of the pen do not. */
static int note(struct db_conn *c, const struct item *it, const char *disposition, struct err *err)
{
	CLEANUP_BUF struct buf detail = {0};
	struct json_writer w = json_writer(&detail);
	if (it->command.verb == COMMAND_HELP || it->command.verb == COMMAND_UNKNOWN || it->command.verb == COMMAND_VERSION)
		return 0;
	jw_open(&w, NULL);
	jw_str(&w, "verb", command_verb_name(it->command.verb));
	jw_str(&w, "role", role_name(it->role));
	jw_int(&w, "comment", it->event.comment_id);
	jw_str(&w, "disposition", disposition);
	jw_close(&w);
	struct audit a = {.kind = "command", .actor = it->event.sender.login, .repo_id = it->event.repo_id, .pull = it->event.pull,
			  .detail = buf_str(&detail)};
	return audit_add(c, &a, err);
}

int decide_command(struct db_conn *c, struct item *it, char **ret, struct err *err)
{
	int rc = decide_it(c, it, ret, err);
	return rc == 0 ? note(c, it, *ret, err) : rc;
}
