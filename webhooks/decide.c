#include "webhooks/decide.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/text.h"
#include "plan/comment.h"
#include "plan/prepare.h"
#include "webhooks/decide_priv.h"

enum { BATCH = 32, BUSY = 4, LATER_MS = 10, AGAIN_MS = 1000, PRUNE_EVERY_MS = 60 * 1000, KEEP_DAYS = 30 };

struct batch {
	struct decide *d;
	struct delivery deliveries[BATCH];
	size_t n;
	struct item *items; /* those that are ready to be written down */
};

void item_free(struct item *it)
{
	gh_event_free(&it->event);
	command_free(&it->command);
	free(it->role_failed);
	free(it->clone_url);
	free(it);
}

static void read_more(struct decide *d);

/* A plan run, unless one of this pull request has not begun yet: it will read the newest head anyway. */
int decide_start_plan(struct db_conn *c, const struct gh_event *e, char **ret, struct err *err)
{
	struct run_row newest = {0};
	CLEANUP_FREE char *lost = NULL;
	int rc = decide_access_lost(c, e, &lost, err);
	if (rc != 0 || lost != NULL) {
		*ret = rc == 0 ? xasprintf("ignored: the App's installation is %s", lost) : NULL;
		return rc;
	}
	rc = run_newest(c, e->repo_id, e->pull, RUN_PLAN, NULL, &newest, err);
	bool join = rc == 0 && newest.state == RUN_QUEUED && newest.asker == NULL;
	if (join)
		*ret = xasprintf("run %lld (joined)", (long long)newest.id);
	run_row_free(&newest);
	if (join || (rc != 0 && rc != ERR_NOT_FOUND))
		return join ? 0 : rc;
	struct run_new n = {.repo_id = e->repo_id, .repo = e->repo, .pull = e->pull, .kind = RUN_PLAN};
	int64_t id;
	rc = run_create(c, &n, &id, err);
	if (rc == 0)
		*ret = xasprintf("run %lld", (long long)id);
	return rc;
}

/* Closed: plans end. Merged by a person: an apply run looks whether projects apply on merge; merged by us: the apply knows. */
int decide_close_pull(struct db_conn *c, const struct gh_event *e, char **ret, struct err *err)
{
	int rc = run_supersede(c, e->repo_id, e->pull, 0, RUN_CANCELLED, err);
	*ret = xstrdup(e->merged ? "merged" : "closed");
	if (rc == 0)
		rc = run_set_closed(c, e->repo_id, e->pull, err);
	if (rc != 0 || !e->merged)
		return rc;
	struct run_row apply = {0};
	rc = run_newest(c, e->repo_id, e->pull, RUN_APPLY, NULL, &apply, err);
	bool same_merge = apply.merge_sha != NULL && e->merge_sha != NULL && strcmp(apply.merge_sha, e->merge_sha) == 0;
	bool ours = rc == 0 && (!run_state_is_over(apply.state) || same_merge);
	run_row_free(&apply);
	if (ours || (rc != 0 && rc != ERR_NOT_FOUND))
		return ours ? 0 : rc;
	struct run_new n = {.repo_id = e->repo_id, .repo = e->repo, .pull = e->pull, .kind = RUN_APPLY, .after_merge = true, .merge_sha = e->merge_sha};
	int64_t id;
	return run_create(c, &n, &id, err);
}

/* What its commits were told to be pending will not be heard of again. */
static int close_pull(struct db_conn *c, const struct item *it, char **ret, struct err *err)
{
	const struct gh_event *e = &it->event;
	int rc = decide_close_pull(c, e, ret, err);
	return rc == 0 ? comment_end_older(c, runs_comment(it->d->o.runs), e->repo_id, e->pull, NULL, err) : rc;
}

/* A push to a branch that pull requests go into: the mirror follows, if this repository has one. Other branches come with the plan of their
 * pull request, which would only wait behind a fetch of the same objects. */
static int note_push(struct db_conn *c, struct item *it, char **ret, struct err *err)
{
	static const char heads[] = "refs/heads/";
	struct db_stmt *s;
	*ret = xstrdup("push: noted");
	if (!text_starts(it->event.ref, heads) || it->event.deleted)
		return 0;
	int rc = db_query(c, &s, err, "SELECT clone_url FROM run WHERE repo_id=? AND base_ref=? AND clone_url IS NOT NULL ORDER BY id DESC LIMIT 1", "is",
			  it->event.repo_id, it->event.ref + strlen(heads));
	if (rc == 0)
		rc = db_step(s, err);
	if (rc <= 0)
		return rc;
	it->clone_url = db_text_copy(s, 0);
	it->fetch = true;
	db_reset(s);
	free(*ret);
	*ret = xstrdup("push: fetch");
	return 0;
}

static int decide_one(struct db_conn *c, struct item *it, char **ret, struct err *err)
{
	const struct gh_event *e = &it->event;
	if (it->ignored != NULL) {
		*ret = xasprintf("ignored: %s", it->ignored);
		return 0;
	}
	int rc = decide_note_pusher(c, e, err);
	if (rc != 0)
		return rc;
	switch (e->kind) {
	case GH_EVENT_PULL: return strcmp(e->action, "closed") == 0 ? close_pull(c, it, ret, err) : decide_start_plan(c, e, ret, err);
	case GH_EVENT_COMMENT: return decide_command(c, it, ret, err);
	case GH_EVENT_COMMENT_CHANGED: return decide_comment_changed(c, it, ret, err);
	case GH_EVENT_PUSH: return note_push(c, it, ret, err);
	case GH_EVENT_FACTS: return decide_facts(c, it, ret, err);
	case GH_EVENT_RERUN: return decide_rerun(c, it, ret, err);
	case GH_EVENT_GROUP: return decide_group(c, it, ret, err);
	case GH_EVENT_ACCESS: return decide_access(c, it, ret, err);
	case GH_EVENT_REPO: return decide_renamed(c, it, ret, err);
	case GH_EVENT_IGNORED:
	case GH_EVENT_PING: break; /* told as ignored above */
	}
	ASSERT(!"a kind that is not ignored is decided");
	return ERR_INTERNAL;
}

static int write_down(struct db_conn *c, void *arg, struct err *err)
{
	struct batch *b = arg;
	int rc = 0;
	for (struct item *it = b->items; rc == 0 && it != NULL; it = it->next) {
		CLEANUP_FREE char *disposition = NULL;
		rc = decide_one(c, it, &disposition, err);
		if (rc == 0)
			rc = delivery_decide(c, it->delivery_id, disposition, err);
	}
	return rc;
}

static void forget_mirror(struct decide *d)
{
	gh_revoke_token(d->o.gh, d->mirror.token);
	prepare_request_free(&d->mirror);
}

static void fetched(const struct loop_exit *e, void *arg)
{
	struct decide *d = arg;
	d->fetch = NULL;
	forget_mirror(d);
	if (e->err.code != 0 || e->code != 0)
		log_warn("push.fetch", "error=%s", log_value(e->err.code != 0 ? e->err.msg : e->out));
}

static void on_mirror_token(const struct gh_answer *a, void *arg)
{
	struct decide *d = arg;
	d->mirror_waits = false;
	if (a->r.err.code != 0) {
		log_warn("push.fetch", "error=%s", log_value(a->r.err.msg));
		prepare_request_free(&d->mirror);
		return;
	}
	d->mirror.token = xstrdup(a->token);
	d->fetch = prepare_start(d->o.loop, d->o.program, &d->mirror, fetched, d);
}

/* Keeps the mirror near, so that the next plan fetches little. What fails is fetched then. */
static void fetch_mirror(struct decide *d, const struct item *it)
{
	if (d->fetch != NULL || d->mirror_waits)
		return;
	d->mirror = (struct prepare_request){.server_file = xstrdup(d->o.server_file), .clone_url = xstrdup(it->clone_url),
					     .base_ref = xstrdup(it->event.ref + strlen("refs/heads/")), .fetch_only = true};
	prepare_request_place(&d->mirror, d->o.config->data_dir, it->event.repo_id);
	d->mirror_waits = fs_is_dir(d->mirror.mirror_dir);
	if (d->mirror_waits)
		gh_get_token(d->o.gh, it->event.repo, GH_FOR_CLONE, on_mirror_token, d);
	else
		prepare_request_free(&d->mirror);
}

static void submit_items(struct decide *d, struct item *items);

/* Nothing of a batch is written. One item that cannot be must not hold up the others, so each is tried alone; one that failed alone comes
 * again in a second when the database is to blame, and at the next start otherwise. */
static void not_written(struct decide *d, struct item *items, int rc)
{
	bool alone = items->next == NULL;
	for (struct item *it = items, *next; it != NULL; it = next) {
		next = it->next;
		it->next = NULL;
		it->cancel = it->fetch = it->kick = it->refresh = false;
		free(TAKE(it->clone_url));
		if (!alone) {
			submit_items(d, it);
		} else if (rc == ERR_UNAVAILABLE || rc == ERR_IO) {
			struct item **end = &d->late;
			while (*end != NULL)
				end = &(*end)->next;
			*end = it;
			loop_timer_start(d->again, AGAIN_MS, 0);
		} else {
			item_free(it);
		}
	}
}

static void written_down(int rc, const struct err *err, void *arg)
{
	struct batch *b = arg;
	struct decide *d = b->d;
	CRASH_POINT("delivery.decided");
	if (rc != 0) {
		log_err("delivery.decide", "error=%s", log_value(err->msg));
		not_written(d, TAKE(b->items), rc);
	}
	for (struct item *it = b->items, *next; it != NULL; it = next) {
		next = it->next;
		if (it->cancel)
			runs_cancel(d->o.runs, it->event.repo_id, it->event.pull);
		if (it->kick)
			runs_kick(d->o.runs);
		if (it->fetch)
			fetch_mirror(d, it);
		if (it->refresh)
			decide_refresh(d, it->event.repo_id, it->event.pull);
		item_free(it);
	}
	free(b);
	outbox_wake(d->o.outbox);
	runs_look(d->o.runs);
	read_more(d);
}

static void submit_items(struct decide *d, struct item *items)
{
	if (items == NULL)
		return;
	struct batch *b = xcalloc(1, sizeof(*b));
	b->d = d;
	b->items = items;
	db_submit(d->o.db, write_down, written_down, b);
}

static bool same_pull(const struct item *a, const struct item *b) { return a->event.repo_id == b->event.repo_id && a->event.pull == b->event.pull; }

/* Roles are looked up side by side; commands of one pull request are decided in the order of their comments all the same. */
static bool may_be_decided(const struct decide *d, const struct item *it)
{
	for (const struct item *o = d->asking; o != NULL; o = o->next)
		if (o->delivery_id < it->delivery_id && same_pull(o, it))
			return false;
	return it->answered;
}

static void decide_answered(struct decide *d)
{
	for (bool moved = true; moved;) {
		moved = false;
		for (struct item **p = &d->asking; *p != NULL; p = &(*p)->next) {
			struct item *it = *p;
			if (!may_be_decided(d, it))
				continue;
			*p = it->next;
			it->next = NULL;
			submit_items(d, it);
			moved = true;
			break;
		}
	}
}

static void on_role(enum role role, const char *failed, void *arg)
{
	struct item *it = arg;
	it->lookup = NULL;
	it->role = role;
	it->role_failed = xstrdup(failed);
	it->answered = true;
	decide_answered(it->d);
}

/* Somebody asks for something: who may is looked up. */
static bool is_asked(const struct gh_event *e) { return e->kind == GH_EVENT_COMMENT || e->kind == GH_EVENT_RERUN; }

/* What a webhook tells us of our own doing: a check of ours, a comment that we wrote or edited. Of a token's comments, which are of a person's
 * account, the mark tells; whoever forges it only makes us not listen. */
static bool is_echo(const struct item *it)
{
	const struct gh_event *e = &it->event;
	int64_t ours = it->d->o.config->app_id;
	bool marked = e->comment_body != NULL && text_starts(e->comment_body, "<!-- sluice slot=");
	if (e->kind == GH_EVENT_FACTS && e->context != NULL)
		return (ours != 0 && e->app_id == ours) || strcmp(e->context, OUTBOX_GATE) == 0 || text_starts(e->context, OUTBOX_GATE "/");
	if (e->kind == GH_EVENT_COMMENT)
		return marked;
	return e->kind == GH_EVENT_COMMENT_CHANGED && strcmp(e->action, "edited") == 0 && (e->sender.bot || marked);
}

static const char *why_ignored(const struct item *it)
{
	const struct gh_event *e = &it->event;
	bool comment = e->kind == GH_EVENT_COMMENT || e->kind == GH_EVENT_COMMENT_CHANGED;
	if (e->kind == GH_EVENT_IGNORED || e->kind == GH_EVENT_PING)
		return "nothing to do for this action";
	if (e->kind != GH_EVENT_ACCESS && (e->repo == NULL || !server_config_serves(it->d->o.config, e->repo)))
		return "the repository is not served";
	if (comment && !e->is_pull_comment)
		return "a comment on an issue";
	if (e->kind == GH_EVENT_COMMENT && (e->sender.bot || e->app_comment))
		return "a bot's comment";
	if (e->kind == GH_EVENT_RERUN && (it->d->o.config->app_id == 0 || e->app_id != it->d->o.config->app_id))
		return "a check of another App";
	if (e->kind == GH_EVENT_RERUN && e->sender.bot)
		return "a bot's button";
	return is_echo(it) ? "our own" : NULL;
}

/* What needs no look-up. */
static void judge(struct item *it)
{
	const struct gh_event *e = &it->event;
	it->ignored = why_ignored(it);
	decide_ping(it);
	if (it->ignored != NULL || !is_asked(e))
		return;
	if (e->kind == GH_EVENT_RERUN)
		decide_rerun_command(it);
	else
		command_parse(e->comment_body, strlen(e->comment_body), &it->command);
	if (it->command.verb == COMMAND_NONE)
		it->ignored = e->kind == GH_EVENT_RERUN ? "an unknown button" : "no command";
}

static struct item *take_up(struct decide *d, const struct delivery *v)
{
	struct item *it = xcalloc(1, sizeof(*it));
	struct err err = {0};
	it->d = d;
	it->delivery_id = v->id;
	if (gh_event_decode(v->event, v->body, v->body_len, &it->event, &err) != 0) {
		log_warn("delivery.broken", "delivery=%s event=%s error=%s", log_value(v->guid), log_value(v->event), log_value(err.msg));
		it->ignored = "its payload lacks what the event needs";
	} else {
		judge(it);
	}
	return it;
}

static int read_tx(struct db_conn *c, void *arg, struct err *err)
{
	struct batch *b = arg;
	return delivery_next(c, b->d->seen, BATCH, b->deliveries, &b->n, err);
}

static void read_done(int rc, const struct err *err, void *arg)
{
	struct batch *b = arg;
	struct decide *d = b->d;
	d->reading = false;
	CRASH_POINT("delivery.read");
	if (rc != 0) {
		log_err("delivery.read", "error=%s", log_value(err->msg));
		loop_timer_start(d->again, AGAIN_MS, 0);
	}
	struct item *ready = NULL, **last = &ready;
	for (size_t i = 0; i < b->n; i++) {
		struct item *it = take_up(d, &b->deliveries[i]);
		if (b->deliveries[i].id > d->seen)
			d->seen = b->deliveries[i].id;
		if (it->ignored == NULL && is_asked(&it->event)) {
			it->next = d->asking;
			d->asking = it;
			it->lookup = role_lookup_start(d->o.gh, d->o.config, it->event.repo, it->event.sender.login, on_role, it);
		} else {
			*last = it;
			last = &it->next;
		}
		delivery_free(&b->deliveries[i]);
	}
	submit_items(d, ready);
	if (d->read_again || (b->n != 0 && ready == NULL))
		read_more(d); /* otherwise written_down reads on */
	free(b);
}

static void read_now(void *arg)
{
	struct decide *d = arg;
	if (d->closed) {
		free(d);
		return;
	}
	d->idling = false;
	d->read_again = false;
	d->reading = true;
	struct batch *b = xcalloc(1, sizeof(*b));
	b->d = d;
	db_submit(d->o.db, read_tx, read_done, b);
}

static void on_later(void *arg)
{
	struct decide *d = arg;
	d->idling = true;
	loop_idle_once(d->o.loop, read_now, d);
}

/* Acknowledging comes before deciding: while requests wait for their answer, a batch is taken up only every LATER_MS and in a quiet turn of
 * the loop. In a flood that leaves the processors to the intake; what it stores is decided when it ebbs. */
static void read_more(struct decide *d)
{
	d->read_again = true;
	if (d->reading || d->idling || loop_timer_active(d->later))
		return;
	if (d->o.intake_inflight(d->o.arg) < BUSY)
		read_now(d);
	else
		loop_timer_start(d->later, LATER_MS, 0);
}

void decide_wake(struct decide *d) { read_more(d); }

static int prune_tx(struct db_conn *c, void *arg, struct err *err)
{
	(void)arg;
	int64_t before_ms = clock_wall_ms() - (int64_t)KEEP_DAYS * 86400 * 1000;
	int removed;
	int rc = delivery_prune(c, before_ms, &removed, err);
	return rc == 0 ? db_run(c, err, "DELETE FROM merge_group WHERE at_ms<?", "i", before_ms) : rc;
}

static void prune(void *arg)
{
	struct decide *d = arg;
	db_submit(d->o.db, prune_tx, NULL, NULL);
}

static void on_again(void *arg)
{
	struct decide *d = arg;
	submit_items(d, TAKE(d->late)); /* as one batch: it falls apart again if it must */
	read_more(d);
}

struct decide *decide_new(const struct decide_options *o)
{
	struct decide *d = xcalloc(1, sizeof(*d));
	d->o = *o;
	d->again = loop_timer_new(o->loop, on_again, d);
	d->later = loop_timer_new(o->loop, on_later, d);
	d->refresh = loop_timer_new(o->loop, decide_refresh_tick, d);
	d->prune = loop_timer_new(o->loop, prune, d);
	loop_timer_start(d->prune, PRUNE_EVERY_MS, PRUNE_EVERY_MS);
	return d;
}

void decide_close(struct decide *d)
{
	if (d == NULL)
		return;
	loop_timer_close(d->prune);
	loop_timer_close(d->refresh);
	decide_refresh_free(d);
	loop_timer_close(d->again);
	loop_timer_close(d->later);
	gh_cancel(d->o.gh, d);
	if (d->fetch != NULL)
		loop_process_close(d->fetch);
	forget_mirror(d);
	for (struct item *it = d->asking, *next; it != NULL; it = next) {
		next = it->next;
		role_lookup_cancel(it->lookup);
		item_free(it);
	}
	for (struct item *it = d->late, *next; it != NULL; it = next) {
		next = it->next;
		item_free(it);
	}
	d->closed = true;
	if (!d->idling)
		free(d);
}
