#include "base/loop.h"

#include "base/log.h"
#include "base/loop_priv.h"
#include "base/mem.h"

#include <signal.h>

/* An idle call waits at most this many busy turns, so that constant intake cannot starve it. */
enum { IDLE_DEFER_MAX = 64 };

struct loop_timer {
	uv_timer_t uv;
	void (*fn)(void *arg);
	void *arg;
};

struct loop_async {
	uv_async_t uv;
	void (*fn)(void *arg);
	void *arg;
};

struct loop_watch {
	uv_poll_t uv;
	int events;
	void (*fn)(int events, void *arg);
	void *arg;
};

struct loop_signal {
	uv_signal_t uv;
	void (*fn)(int signum, void *arg);
	void *arg;
	struct loop_signal *next;
};

/* ---- queues ---- */

static bool queue_empty(const struct loop_queue *q) { return q->head == q->n; }

static void queue_add(struct loop_queue *q, void (*fn)(void *arg), void *arg)
{
	if (q->head > 0 && q->head == q->n)
		q->head = q->n = 0;
	if (q->n == q->cap) {
		q->cap = q->cap == 0 ? 16 : q->cap * 2;
		q->v = xreallocarray(q->v, q->cap, sizeof(*q->v));
	}
	q->v[q->n++] = (struct loop_call){.fn = fn, .arg = arg};
}

static struct loop_call queue_next(struct loop_queue *q)
{
	ASSERT(!queue_empty(q));
	return q->v[q->head++];
}

/* A burst may have grown the array; an empty queue gives most of it back. */
static void queue_trim(struct loop_queue *q)
{
	if (!queue_empty(q))
		return;
	q->head = q->n = 0;
	if (q->cap <= 1024)
		return;
	free(q->v);
	q->v = NULL;
	q->cap = 0;
}

static void must(int uv_status, const char *what)
{
	if (uv_status == 0)
		return;
	log_err("loop.failed", "call=%s error=%s", what, log_value(uv_strerror(uv_status)));
	ASSERT(uv_status == 0);
}

static void spin_if_needed(struct loop *l)
{
	if (queue_empty(&l->posted) && queue_empty(&l->idle))
		must(uv_idle_stop(&l->spin), "uv_idle_stop");
}

/* Runs what was posted before this turn; what these calls post waits for the next one. */
static void on_spin(uv_idle_t *h)
{
	struct loop *l = h->loop->data;
	l->work = 0;
	for (size_t todo = l->posted.n - l->posted.head; todo > 0; todo--) {
		struct loop_call c = queue_next(&l->posted);
		c.fn(c.arg);
	}
	queue_trim(&l->posted);
	spin_if_needed(l);
}

/* Behind the poll: one idle call a turn, and none while the outside keeps us busy (up to IDLE_DEFER_MAX turns). */
static void on_after(uv_check_t *h)
{
	struct loop *l = h->loop->data;
	if (l->work > 0 && l->deferred++ < IDLE_DEFER_MAX)
		return;
	l->deferred = 0;
	struct loop_call c = queue_next(&l->idle);
	c.fn(c.arg);
	queue_trim(&l->idle);
	if (queue_empty(&l->idle))
		must(uv_check_stop(&l->after), "uv_check_stop");
	spin_if_needed(l);
}

void loop_post(struct loop *l, void (*fn)(void *arg), void *arg)
{
	queue_add(&l->posted, fn, arg);
	must(uv_idle_start(&l->spin, on_spin), "uv_idle_start");
}

void loop_idle_once(struct loop *l, void (*fn)(void *arg), void *arg)
{
	queue_add(&l->idle, fn, arg);
	must(uv_idle_start(&l->spin, on_spin), "uv_idle_start");
	must(uv_check_start(&l->after, on_after), "uv_check_start");
}

/* ---- timers ---- */

static void on_timer(uv_timer_t *h)
{
	struct loop_timer *t = h->data;
	t->fn(t->arg);
}

static void free_handle(uv_handle_t *h) { free(h->data); }

struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct loop_timer *t = xcalloc(1, sizeof(*t));
	t->fn = fn;
	t->arg = arg;
	t->uv.data = t;
	must(uv_timer_init(&l->uv, &t->uv), "uv_timer_init");
	return t;
}

void loop_timer_start(struct loop_timer *t, int64_t after_ms, int64_t repeat_ms)
{
	ASSERT(after_ms >= 0 && repeat_ms >= 0);
	uv_update_time(t->uv.loop); /* the loop's idea of now may be old when a callback took long */
	must(uv_timer_start(&t->uv, on_timer, (uint64_t)after_ms, (uint64_t)repeat_ms), "uv_timer_start");
}

void loop_timer_stop(struct loop_timer *t) { must(uv_timer_stop(&t->uv), "uv_timer_stop"); }

static const uv_handle_t *handle_of(const struct loop_timer *t) { return (const uv_handle_t *)&t->uv; }

bool loop_timer_active(const struct loop_timer *t) { return uv_is_active(handle_of(t)) != 0; }

void loop_timer_close(struct loop_timer *t)
{
	if (t != NULL)
		uv_close((uv_handle_t *)&t->uv, free_handle);
}

/* ---- wake-ups from other threads ---- */

static void on_async(uv_async_t *h)
{
	struct loop_async *a = h->data;
	loop_worked(h->loop->data);
	a->fn(a->arg);
}

struct loop_async *loop_async_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct loop_async *a = xcalloc(1, sizeof(*a));
	a->fn = fn;
	a->arg = arg;
	a->uv.data = a;
	must(uv_async_init(&l->uv, &a->uv, on_async), "uv_async_init");
	return a;
}

/* On any thread. */
void loop_async_send(struct loop_async *a) { must(uv_async_send(&a->uv), "uv_async_send"); }

void loop_async_close(struct loop_async *a)
{
	if (a != NULL)
		uv_close((uv_handle_t *)&a->uv, free_handle);
}

/* ---- foreign descriptors ---- */

static void on_watch(uv_poll_t *h, int status, int uv_events)
{
	struct loop_watch *w = h->data;
	loop_worked(h->loop->data);
	/* A poll error is told as readiness: the owner's next read or write finds the reason. */
	int events = status < 0 ? w->events : ((uv_events & UV_READABLE) != 0 ? LOOP_READ : 0) | ((uv_events & UV_WRITABLE) != 0 ? LOOP_WRITE : 0);
	w->fn(events, w->arg);
}

struct loop_watch *loop_watch_new(struct loop *l, int fd, void (*fn)(int events, void *arg), void *arg)
{
	struct loop_watch *w = xcalloc(1, sizeof(*w));
	w->fn = fn;
	w->arg = arg;
	w->uv.data = w;
	must(uv_poll_init(&l->uv, &w->uv, fd), "uv_poll_init");
	return w;
}

void loop_watch_set(struct loop_watch *w, int events)
{
	if (events == w->events)
		return;
	w->events = events;
	int uv_events = ((events & LOOP_READ) != 0 ? UV_READABLE : 0) | ((events & LOOP_WRITE) != 0 ? UV_WRITABLE : 0);
	if (events == 0)
		must(uv_poll_stop(&w->uv), "uv_poll_stop");
	else
		must(uv_poll_start(&w->uv, uv_events, on_watch), "uv_poll_start");
}

void loop_watch_close(struct loop_watch *w)
{
	if (w != NULL)
		uv_close((uv_handle_t *)&w->uv, free_handle);
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *h, int signum)
{
	struct loop_signal *s = h->data;
	s->fn(signum, s->arg);
}

void loop_on_signal(struct loop *l, int signum, void (*fn)(int signum, void *arg), void *arg)
{
	struct loop_signal *s = xcalloc(1, sizeof(*s));
	s->fn = fn;
	s->arg = arg;
	s->uv.data = s;
	s->next = l->signals;
	l->signals = s;
	must(uv_signal_init(&l->uv, &s->uv), "uv_signal_init");
	must(uv_signal_start(&s->uv, on_signal, signum), "uv_signal_start");
	uv_unref((uv_handle_t *)&s->uv); /* waiting for a signal is no reason to stay */
}

void loop_signals_close(struct loop *l)
{
	while (l->signals != NULL) {
		struct loop_signal *s = l->signals;
		l->signals = s->next;
		uv_close((uv_handle_t *)&s->uv, free_handle);
	}
}

/* ---- the loop ---- */

void loop_chunk_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	(void)suggested; /* libuv always says 64 KiB */
	struct loop *l = handle->loop->data;
	if (l->chunk == NULL)
		l->chunk = xmalloc(LOOP_CHUNK_BYTES);
	*ret = uv_buf_init(l->chunk, LOOP_CHUNK_BYTES);
}

struct loop *loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof(*l));
	must(uv_loop_init(&l->uv), "uv_loop_init");
	l->uv.data = l;
	must(uv_idle_init(&l->uv, &l->spin), "uv_idle_init");
	must(uv_check_init(&l->uv, &l->after), "uv_check_init");
	/* A peer or child that goes away must arrive as EPIPE. libuv gives children the default action back. */
	(void)signal(SIGPIPE, SIG_IGN); /* cannot fail for this signal */
	return l;
}

void loop_run(struct loop *l) { (void)uv_run(&l->uv, UV_RUN_DEFAULT); /* tells whether handles are left: loop_close's matter */ }

void loop_stop(struct loop *l) { uv_stop(&l->uv); }

static void nothing(void *arg) { (void)arg; }

bool loop_run_until(struct loop *l, const bool *flag, int64_t timeout_ms)
{
	uint64_t end = uv_hrtime() + (uint64_t)timeout_ms * 1000000; /* not base/clock.h: tests freeze that one */
	struct loop_timer *tick = loop_timer_new(l, nothing, NULL);
	loop_timer_start(tick, 10, 10);
	while (!*flag && uv_hrtime() < end)
		(void)uv_run(&l->uv, UV_RUN_ONCE);
	loop_timer_close(tick);
	return *flag;
}

struct count {
	const struct loop *l;
	unsigned closing, open;
	bool tell;
};

static void count_handle(uv_handle_t *h, void *arg)
{
	struct count *c = arg;
	if ((const void *)h == (const void *)&c->l->spin || (const void *)h == (const void *)&c->l->after)
		return;
	if (uv_is_closing(h))
		c->closing++;
	else
		c->open++;
	if (c->tell && !uv_is_closing(h))
		log_err("loop.left", "handle=%s", uv_handle_type_name(uv_handle_get_type(h)));
}

static struct count count_handles(struct loop *l, bool tell)
{
	struct count c = {.l = l, .tell = tell};
	uv_walk(&l->uv, count_handle, &c);
	return c;
}

/* Lets closing handles and calls already posted finish. Bounded: a call that posts itself for ever must not hang the exit. */
static void run_out(struct loop *l)
{
	for (int turns = 0; turns < 100000; turns++) {
		if (queue_empty(&l->posted) && queue_empty(&l->idle) && count_handles(l, false).closing == 0)
			return;
		(void)uv_run(&l->uv, UV_RUN_NOWAIT);
	}
}

void loop_close(struct loop *l)
{
	loop_signals_close(l);
	loop_processes_end(l);
	run_out(l);
	ASSERT(count_handles(l, true).open == 0);
	uv_close((uv_handle_t *)&l->spin, NULL);
	uv_close((uv_handle_t *)&l->after, NULL);
	(void)uv_run(&l->uv, UV_RUN_DEFAULT); /* only the two above are left */
	must(uv_loop_close(&l->uv), "uv_loop_close");
	free(l->posted.v);
	free(l->idle.v);
	free(l->chunk);
	free(l);
}
