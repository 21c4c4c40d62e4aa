#include "github/outbox.h"

#include "base/clock.h"
#include "base/log.h"
#include "github/outbox_priv.h"

#include <stdio.h>

/* The dispatcher. One step at a time, in a circle:
 *
 *   STORE  record what came of the last item and take the next one, in one transaction on the writer thread
 *   CALL   the item's one request to GitHub (for a look perhaps GET /user first)
 *   IDLE   nothing may go now: until a wake or the timer
 *
 * A wake during STORE or CALL is remembered. Before an edit or a status there is no write to disk, before a POST there is one (the mark that
 * makes a crash after it recognisable), after each there is one, and it takes the next item as well. */
enum outbox_state { STATE_IDLE, STATE_STORE, STATE_CALL };

enum { STORE_RETRY_MS = 1000, TIMER_MAX_MS = 60 * 1000 };

struct outbox {
	struct loop *loop;
	struct db *db;
	struct gh *gh;
	struct loop_timer *timer;
	enum outbox_state state;
	bool wake, recovered, closing;
	int64_t self_id; /* 0: not asked yet */

	struct outbox_item item;       /* being sent */
	struct outbox_outcome outcome; /* of the item, until it is recorded */

	/* The writer thread's, while in STORE. */
	struct outbox_item next;
	int64_t now_ms, wait_ms;
};

static void step(struct outbox *o);

static void free_outbox(struct outbox *o)
{
	outbox_item_free(&o->item);
	outbox_item_free(&o->next);
	free(o);
}

/* --- CALL -------------------------------------------------------------------------------------------------------------------------- */

static void finish_item(struct outbox *o, const struct gh_answer *a)
{
	const struct outbox_item *i = &o->item;
	enum outbox_verdict verdict = outbox_judge(i->op, &a->r, a->id, i->refusals);
	o->outcome = (struct outbox_outcome){
		.item_id = i->id,
		.op = i->op,
		.verdict = verdict,
		.refused = outbox_is_refusal(&a->r),
		.rev = i->rev,
		.remote_id = a->id,
		.next_ms = a->r.retry_at_ms != 0 ? a->r.retry_at_ms : clock_wall_ms() + outbox_backoff_ms(i->tries + 1),
		.blocked_until_ms = a->r.retry_at_ms,
	};
	(void)snprintf(o->outcome.digest, sizeof(o->outcome.digest), "%s", i->digest);
	(void)snprintf(o->outcome.error, sizeof(o->outcome.error), "%s", a->r.err.msg);
	if (verdict == OUTBOX_HOPELESS)
		log_err("outbox.dead", "slot=%s tries=%u error=%s", log_value(i->slot), i->tries + 1, log_value(a->r.err.msg));
	else if (a->r.err.code != 0)
		log_warn("outbox.retry", "slot=%s tries=%u error=%s", log_value(i->slot), i->tries + 1, log_value(a->r.err.msg));
	else
		log_debug("outbox.sent", "slot=%s rev=%lld", log_value(i->slot), (long long)i->rev);
	step(o);
}

static void sent(const struct gh_answer *a, void *arg)
{
	finish_item(arg, a);
}

static void look(struct outbox *o);

static void got_self(const struct gh_answer *a, void *arg)
{
	struct outbox *o = arg;
	if (a->r.err.code != 0) {
		finish_item(o, a);
		return;
	}
	o->self_id = a->user->id;
	look(o);
}

/* Whose comment it must be is asked once per process, and only when something went wrong. */
static void look(struct outbox *o)
{
	CLEANUP_BUF struct buf marker = {0};
	if (o->self_id == 0) {
		gh_get_self(o->gh, got_self, o);
		return;
	}
	outbox_marker(&marker, o->item.slot);
	buf_truncate(&marker, marker.len - 1); /* a line end may come back as another one */
	gh_find_comment(o->gh, o->item.repo, o->item.pull, o->self_id, buf_str(&marker), sent, o);
}

static void call(struct outbox *o)
{
	const struct outbox_item *i = &o->item;
	CLEANUP_BUF struct buf body = {0};
	o->state = STATE_CALL;
	if (i->kind != EFFECT_STATUS) {
		outbox_marker(&body, i->slot);
		buf_adds(&body, i->body);
	}
	switch (i->op) {
	case OUTBOX_LOOK:
		look(o);
		break;
	case OUTBOX_POST:
		gh_post_comment(o->gh, i->repo, i->pull, buf_str(&body), sent, o);
		break;
	case OUTBOX_EDIT:
		gh_edit_comment(o->gh, i->repo, i->remote_id, buf_str(&body), sent, o);
		break;
	case OUTBOX_STATUS:
	default:
		gh_post_status(o->gh, i->repo, i->sha, i->context, i->status, i->description, i->target_url, sent, o);
		break;
	}
}

/* --- STORE ------------------------------------------------------------------------------------------------------------------------- */

/* On the writer thread: touches only what the loop leaves alone in STORE. */
static int store_work(struct db_conn *c, void *arg, struct err *err)
{
	struct outbox *o = arg;
	int rc = o->recovered ? 0 : outbox_store_recover(c, o->now_ms, err);
	return rc != 0 ? rc : outbox_store_step(c, &o->outcome, o->now_ms, &o->next, &o->wait_ms, err);
}

static void wait_until(struct outbox *o, int64_t wall_ms)
{
	int64_t ms = wall_ms - clock_wall_ms();
	/* The wall clock may jump: look again after a minute at the latest. */
	loop_timer_start(o->timer, ms < 1 ? 1 : ms > TIMER_MAX_MS ? TIMER_MAX_MS : ms, 0);
}

static void stored(int rc, const struct err *err, void *arg)
{
	struct outbox *o = arg;
	if (o->closing) {
		free_outbox(o);
		return;
	}
	o->state = STATE_IDLE;
	if (rc != 0) {
		/* Not recorded, so it will be sent again, or looked for: nothing is lost. */
		log_err("outbox.store", "error=%s", log_value(err->msg));
		outbox_item_free(&o->next);
		o->outcome = (struct outbox_outcome){0};
		wait_until(o, clock_wall_ms() + STORE_RETRY_MS);
		return;
	}
	o->recovered = true;
	o->outcome = (struct outbox_outcome){0};
	outbox_item_free(&o->item);
	o->item = o->next;
	o->next = (struct outbox_item){0};
	if (o->item.id != 0)
		call(o);
	else if (o->wake)
		step(o);
	else if (o->wait_ms != 0)
		wait_until(o, o->wait_ms);
}

static void step(struct outbox *o)
{
	loop_timer_stop(o->timer);
	o->state = STATE_STORE;
	o->wake = false;
	o->now_ms = clock_wall_ms();
	db_submit(o->db, store_work, stored, o);
}

/* --- public ------------------------------------------------------------------------------------------------------------------------ */

static void timer_fired(void *arg)
{
	outbox_wake(arg);
}

struct outbox *outbox_new(struct loop *l, struct db *db, struct gh *gh)
{
	struct outbox *o = xcalloc(1, sizeof(*o));
	*o = (struct outbox){.loop = l, .db = db, .gh = gh};
	o->timer = loop_timer_new(l, timer_fired, o);
	step(o);
	return o;
}

void outbox_wake(struct outbox *o)
{
	if (o->state == STATE_IDLE)
		step(o);
	else
		o->wake = true;
}

void outbox_close(struct outbox *o)
{
	if (o == NULL)
		return;
	loop_timer_close(o->timer);
	o->timer = NULL;
	gh_cancel(o->gh, o);
	if (o->state == STATE_STORE)
		o->closing = true; /* the writer still has it: freed when it is done */
	else
		free_outbox(o);
}

struct pending_count {
	void (*cb)(int64_t n, void *arg);
	void *arg;
	int64_t n;
};

static int pending_work(struct db_conn *c, void *arg, struct err *err)
{
	struct pending_count *p = arg;
	return outbox_store_pending(c, &p->n, err);
}

static void pending_done(int rc, const struct err *err, void *arg)
{
	struct pending_count *p = arg;
	if (rc != 0)
		log_err("outbox.pending", "error=%s", log_value(err->msg));
	p->cb(rc == 0 ? p->n : -1, p->arg);
	free(p);
}

void outbox_pending(struct outbox *o, void (*cb)(int64_t n, void *arg), void *arg)
{
	struct pending_count *p = xcalloc(1, sizeof(*p));
	*p = (struct pending_count){.cb = cb, .arg = arg};
	db_submit(o->db, pending_work, pending_done, p);
}
