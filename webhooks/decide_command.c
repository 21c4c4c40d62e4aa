/* Commands of comments: who may, and what it starts. */
#include "plan/comment.h"
#include "plan/jobs.h"
#include "plan/lock_store.h"
#include "plan/only.h"
#include "plan/render.h"
#include "webhooks/decide_priv.h"

static const struct verb_rule {
	enum command_verb verb;
	enum role needs;
} rules[] = {
	{COMMAND_PLAN, ROLE_PLAN}, {COMMAND_CANCEL, ROLE_PLAN},
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

static int start_run(struct db_conn *c, const struct item *it, enum run_kind kind, char **ret, struct err *err)
{
	const struct gh_event *e = &it->event;
	const struct command *cmd = &it->command;
	CLEANUP_BUF struct buf only = {0};
	if (only_is_narrow(cmd))
		only_write(cmd, &only);
	struct run_new n = {.repo_id = e->repo_id, .repo = e->repo, .pull = e->pull, .kind = kind, .asker = e->sender.login,
			    .only = only.len != 0 ? buf_str(&only) : NULL};
	int64_t id;
	int rc = run_create(c, &n, &id, err);
	if (rc == 0)
		*ret = xasprintf("run %lld", (long long)id);
	return rc;
}

/* True while an apply of this pull request is under way. */
static int is_applying(struct db_conn *c, const struct item *it, bool *ret, struct err *err)
{
	struct run_row apply = {0};
	int rc = run_newest(c, it->event.repo_id, it->event.pull, RUN_APPLY, NULL, &apply, err);
	*ret = rc == 0 && !run_state_is_over(apply.state);
	run_row_free(&apply);
	return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int do_apply(struct db_conn *c, const struct item *it, char **ret, struct err *err)
{
	bool applying;
	int rc = is_applying(c, it, &applying, err);
	if (rc != 0)
		return rc;
	if (!applying)
		return start_run(c, it, RUN_APPLY, ret, err);
	*ret = xstrdup("ignored: an apply is under way");
	return reply(c, it, "An apply of this pull request is under way: its comment shows how far it is. Comment `cancel` to stop it.", err);
}

/* What this pull request still holds, and who can end it; NULL when it holds nothing. */
static int say_held(struct db_conn *c, const struct item *it, char **ret, struct err *err)
{
	struct lock_list held = {0};
	CLEANUP_BUF struct buf b = {0};
	int rc = lock_list_of_pull(c, it->event.repo_id, it->event.pull, &held, err);
	for (size_t i = 0; rc == 0 && i < held.n; i++) {
		const struct lock_row *l = &held.v[i];
		buf_adds(&b, "- ");
		render_code(&b, l->project);
		if (l->unknown)
			buf_printf(&b, ": the outcome of its apply is unknown, so it stays locked. An admin looks at what exists and comments `resolve %lld --as"
				       " applied`, `failed` or `replan`.\n", (long long)l->run_id);
		else
			buf_adds(&b, ": an apply is under way. Comment `cancel` to stop it.\n");
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

int decide_command(struct db_conn *c, struct item *it, char **ret, struct err *err)
{
	const struct verb_rule *rule = rule_of(it->command.verb);
	if (rule == NULL) {
		*ret = xasprintf("refused: %s is not served", command_verb_name(it->command.verb));
		CLEANUP_FREE char *why = xasprintf("`%s` is not done by this version of sluice.", command_verb_name(it->command.verb));
		return reply_help(c, it, why, err);
	}
	if (it->role < rule->needs || (it->role_failed != NULL && rule->needs > ROLE_NONE))
		return refuse_role(c, it, rule, ret, err);
	switch (it->command.verb) {
	case COMMAND_PLAN: return start_run(c, it, RUN_PLAN, ret, err);
	case COMMAND_APPLY: return do_apply(c, it, ret, err);
	case COMMAND_UNLOCK: return do_unlock(c, it, ret, err);
	case COMMAND_CANCEL:
		*ret = xstrdup("cancel");
		it->cancel = !only_is_narrow(&it->command);
		return it->cancel ? 0 : reply(c, it, "`cancel` stops all of this pull request and cannot be narrowed. Nothing was stopped.", err);
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
