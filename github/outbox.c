#include "github/outbox.h"

#include "base/clock.h"
#include "base/log.h"
#include "github/outbox_priv.h"

/* The dispatcher. One lane per installation that is owed something; in each, one step at a time, in a circle:
 *
 *   STORE  record what came of the last item and take the next one, in one transaction on the writer thread
 *   CALL   the item's one request to GitHub (for a look perhaps GET /user first)
 *   IDLE   nothing may go now: until a wake or the timer
 *
 * A wake during STORE or CALL is remembered. An account has one lane for all; for an App, a wake first asks the database who is owed
 * something, and a lane that has nothing to wait for goes away. Before an edit or a status there is no write to disk, before a POST there is
 * one (the mark that makes a crash after it recognisable), after each there is one, and it takes the next item as well. What could not be
 * recorded is recorded later, before anything else is sent: no write is left out of the budget. */
enum lane_state { STATE_IDLE, STATE_STORE, STATE_CALL };

enum { STORE_RETRY_MS = 1000, TIMER_MAX_MS = 60 * 1000 };

struct lane {
	struct outbox *o;
	struct lane *next;
	char *key;
	struct loop_timer *timer;
	enum lane_state state;
	bool wake;

	struct outbox_item item;       /* being sent */
	struct outbox_outcome outcome; /* of the item, until it is recorded */

	/* The writer thread's, while in STORE. */
	struct outbox_item taken;
	int64_t now_ms, wait_ms;
};

struct outbox {
	struct loop *loop;
	struct db *db;
	struct gh *gh;
	bool app;
	int64_t self_id; /* 0: not asked yet */
	struct lane *lanes;
	bool closing;
	unsigned with_writer; /* transactions under way: the writer has lanes or this */

	/* The look for lanes. */
	struct loop_timer *timer;
	bool scanning, scan_again, recovered;
	int64_t scan_ms;
	struct strlist owners; /* the writer thread's, while scanning */
};

static void step(struct lane *l);

/* --- lanes ------------------------------------------------------------------------------------------------------------------------- */

static void lane_wake(struct lane *l)
{
	if (l->state == STATE_IDLE)
		step(l);
	else
		l->wake = true;
}

static void timer_fired(void *arg) { lane_wake(arg); }

static struct lane *lane_of(struct outbox *o, const char *key)
{
	for (struct lane *l = o->lanes; l != NULL; l = l->next)
		if (strcmp(l->key, key) == 0)
			return l;
	struct lane *l = xcalloc(1, sizeof(*l));
	*l = (struct lane){.o = o, .key = xstrdup(key), .next = o->lanes};
	l->timer = loop_timer_new(o->loop, timer_fired, l);
	o->lanes = l;
	return l;
}

static void lane_free(struct lane *l)
{
	struct lane **at = &l->o->lanes;
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	if (l->timer != NULL)
		loop_timer_close(l->timer);
	outbox_item_free(&l->item);
	outbox_item_free(&l->taken);
	free(l->key);
	free(l);
}

/* After outbox_close: the last transaction that is done ends it. */
static void end_if_last(struct outbox *o)
{
	if (o->with_writer > 0)
		return;
	while (o->lanes != NULL)
		lane_free(o->lanes);
	strlist_free(&o->owners);
	free(o);
}

/* The wall clock may jump: look again after a minute at the latest. */
static void wait_until(struct loop_timer *timer, int64_t wall_ms)
{
	int64_t ms = wall_ms - clock_wall_ms();
	loop_timer_start(timer, ms < 1 ? 1 : ms > TIMER_MAX_MS ? TIMER_MAX_MS : ms, 0);
}

/* --- CALL -------------------------------------------------------------------------------------------------------------------------- */

static void sent(const struct gh_answer *a, void *arg)
{
	struct lane *l = arg;
	outbox_outcome_of(&l->item, a, clock_wall_ms(), &l->outcome);
	step(l);
}

static void got_self(const struct gh_answer *a, void *arg)
{
	struct lane *l = arg;
	if (a->r.err.code != 0) {
		sent(a, l);
		return;
	}
	l->o->self_id = a->user->id;
	outbox_call(&outbox_github_real, l->o->gh, l->o->self_id, &l->item, sent, l);
}

/* Whose comment it must be is asked once per process, and only when something went wrong. */
static void call(struct lane *l)
{
	struct outbox *o = l->o;
	l->state = STATE_CALL;
	if (o->self_id == 0 && outbox_needs_self(&l->item))
		outbox_github_real.get_self(o->gh, got_self, l);
	else
		outbox_call(&outbox_github_real, o->gh, o->self_id, &l->item, sent, l);
}

/* --- STORE ------------------------------------------------------------------------------------------------------------------------- */

/* On the writer thread: touches only what the loop leaves alone in STORE. */
static int store_work(struct db_conn *c, void *arg, struct err *err)
{
	struct lane *l = arg;
	return outbox_store_step(c, l->key, &l->outcome, l->now_ms, &l->taken, &l->wait_ms, err);
}

/* Nothing to send, nothing to wait for. */
static void rest(struct lane *l)
{
	if (l->wake)
		step(l);
	else if (l->wait_ms != 0)
		wait_until(l->timer, l->wait_ms);
	else if (l->o->app)
		lane_free(l);
}

static void stored(int rc, const struct err *err, void *arg)
{
	struct lane *l = arg;
	l->o->with_writer--;
	if (l->o->closing) {
		end_if_last(l->o);
		return;
	}
	l->state = STATE_IDLE;
	if (rc != 0) {
		log_err("outbox.store", "error=%s", log_value(err->msg));
		outbox_item_free(&l->taken);
		wait_until(l->timer, clock_wall_ms() + STORE_RETRY_MS);
		return;
	}
	l->outcome = (struct outbox_outcome){0};
	outbox_item_free(&l->item);
	l->item = l->taken;
	l->taken = (struct outbox_item){0};
	if (l->item.id != 0)
		call(l);
	else
		rest(l);
}

static void step(struct lane *l)
{
	loop_timer_stop(l->timer);
	l->state = STATE_STORE;
	l->wake = false;
	l->now_ms = clock_wall_ms();
	l->o->with_writer++;
	db_submit(l->o->db, store_work, stored, l);
}

/* --- who is owed something --------------------------------------------------------------------------------------------------------- */

static void scan(struct outbox *o);

static int scan_work(struct db_conn *c, void *arg, struct err *err)
{
	struct outbox *o = arg;
	int rc = o->recovered ? 0 : outbox_store_recover(c, o->app, o->scan_ms, err);
	return rc != 0 || !o->app ? rc : outbox_store_owners(c, &o->owners, err);
}

static void scanned(int rc, const struct err *err, void *arg)
{
	struct outbox *o = arg;
	o->with_writer--;
	if (o->closing) {
		end_if_last(o);
		return;
	}
	o->scanning = false;
	if (rc != 0) {
		log_err("outbox.store", "error=%s", log_value(err->msg));
		wait_until(o->timer, clock_wall_ms() + STORE_RETRY_MS);
	} else {
		o->recovered = true;
		for (size_t i = 0; i < o->owners.n; i++)
			lane_wake(lane_of(o, o->owners.v[i]));
		if (!o->app)
			lane_wake(lane_of(o, ""));
		if (o->scan_again)
			scan(o);
	}
}

static void scan(struct outbox *o)
{
	loop_timer_stop(o->timer);
	o->scanning = true;
	o->scan_again = false;
	o->scan_ms = clock_wall_ms();
	strlist_free(&o->owners);
	o->with_writer++;
	db_submit(o->db, scan_work, scanned, o);
}

/* --- public ------------------------------------------------------------------------------------------------------------------------ */

static void scan_timer_fired(void *arg) { outbox_wake(arg); }

struct outbox *outbox_new(struct loop *l, struct db *db, struct gh *gh)
{
	struct outbox *o = xcalloc(1, sizeof(*o));
	*o = (struct outbox){.loop = l, .db = db, .gh = gh, .app = gh_is_app(gh)};
	o->timer = loop_timer_new(l, scan_timer_fired, o);
	scan(o);
	return o;
}

void outbox_wake(struct outbox *o)
{
	if (o->scanning)
		o->scan_again = true;
	else if (o->app || !o->recovered)
		scan(o);
	else
		lane_wake(lane_of(o, ""));
}

void outbox_close(struct outbox *o)
{
	if (o == NULL)
		return;
	o->closing = true;
	loop_timer_close(o->timer);
	o->timer = NULL;
	for (struct lane *l = o->lanes; l != NULL; l = l->next) {
		gh_cancel(o->gh, l);
		loop_timer_close(l->timer);
		l->timer = NULL;
	}
	end_if_last(o);
}

struct count {
	void (*pending)(int64_t n, void *arg);             /* one of them */
	void (*both)(int64_t pending, int64_t dead, void *arg);
	void *arg;
	int64_t n, dead;
};

static int count_work(struct db_conn *c, void *arg, struct err *err)
{
	struct count *p = arg;
	int rc = outbox_store_pending(c, &p->n, err);
	return rc == 0 && p->both != NULL ? outbox_store_dead(c, &p->dead, err) : rc;
}

static void count_done(int rc, const struct err *err, void *arg)
{
	struct count *p = arg;
	if (rc != 0) {
		log_err("outbox.count", "error=%s", log_value(err->msg));
		p->n = p->dead = -1;
	}
	if (p->both != NULL)
		p->both(p->n, p->dead, p->arg);
	else
		p->pending(p->n, p->arg);
	free(p);
}

static void count(struct outbox *o, const struct count *what)
{
	struct count *p = xcalloc(1, sizeof(*p));
	*p = *what;
	db_submit(o->db, count_work, count_done, p);
}

void outbox_pending(struct outbox *o, void (*cb)(int64_t n, void *arg), void *arg) { count(o, &(struct count){.pending = cb, .arg = arg}); }

void outbox_counts(struct outbox *o, void (*cb)(int64_t pending, int64_t dead, void *arg), void *arg)
{
	count(o, &(struct count){.both = cb, .arg = arg});
}
