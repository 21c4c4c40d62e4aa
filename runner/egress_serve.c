#include "base/clock.h"
#include "runner/egress_priv.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

struct egress_tuning egress_tuning = {
	.head_ms = 5000,
	.resolve_ms = 10000,
	.connect_ms = 10000,
	.hello_ms = 5000,
	.idle_ms = 600000,
	.say_ms = 2000,
	.log_max = LIMIT_EGRESS_LOG_BYTES,
	.connections_all = LIMIT_EGRESS_CONNECTIONS_ALL,
};

enum { SLOT_CONTROL, SLOT_WAKE, SLOT_LISTENER, SLOTS_OWN, ACCEPT_TURN = 32, ACCEPT_PAUSE_MS = 100 };

static void accept_some(struct egress_server *s)
{
	for (int i = 0; i < ACCEPT_TURN && s->listener >= 0; i++) {
		if (s->conns_n > s->conns_max)
			return;
		int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			/* No descriptors, or no memory: poll would say it again at once. */
			if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
				s->accept_ms = clock_mono_ms() + ACCEPT_PAUSE_MS;
			return;
		}
		struct egress_conn *c = egress_conn_new(s, fd);
		s->conns[s->conns_n++] = c;
		if (++s->accepted >= egress_tuning.connections_all)
			mem_close_fd(&s->listener);
		if (s->conns_n > s->conns_max)
			egress_conn_refuse(c, 503, VERDICT_TOO_MANY, "this job has %zu connections open, which is its ceiling", s->conns_max);
	}
}

static int until(int64_t deadline_ms, int64_t now_ms, int most)
{
	int64_t left = deadline_ms - now_ms;
	return left < 0 ? 0 : left < most ? (int)left : most;
}

static struct pollfd entry(int fd, short events) { return (struct pollfd){.fd = events != 0 ? fd : -1, .events = events}; }

/* Slots of connection i: SLOTS_OWN + 2 * i for the job's side, and the one behind it. Returns how long to wait. */
static int fill(const struct egress_server *s, struct pollfd *p)
{
	enum { LONGEST_MS = 60000 };
	int64_t now = clock_mono_ms();
	int wait_ms = LONGEST_MS;
	bool full = s->conns_n > s->conns_max, pause = now < s->accept_ms;
	p[SLOT_CONTROL] = entry(s->control, POLLIN);
	p[SLOT_WAKE] = entry(s->wake, POLLIN);
	p[SLOT_LISTENER] = entry(s->listener, full || pause ? 0 : POLLIN);
	if (pause)
		wait_ms = until(s->accept_ms, now, wait_ms);
	for (size_t i = 0; i < s->conns_n; i++) {
		const struct egress_conn *c = s->conns[i];
		short client, upstream;
		egress_conn_wants(c, &client, &upstream);
		p[SLOTS_OWN + 2 * i] = entry(c->client, client);
		p[SLOTS_OWN + 2 * i + 1] = entry(c->upstream, upstream);
		wait_ms = until(c->deadline_ms, now, wait_ms);
	}
	return wait_ms;
}

static void step_all(struct egress_server *s, const struct pollfd *p)
{
	size_t n = s->conns_n, kept = 0;
	for (size_t i = 0; i < n; i++) {
		struct egress_conn *c = s->conns[i];
		egress_conn_step(c, p[SLOTS_OWN + 2 * i].revents, p[SLOTS_OWN + 2 * i + 1].revents);
		if (c->state == CONN_OVER)
			egress_conn_close(c);
		else
			s->conns[kept++] = c;
	}
	s->conns_n = kept;
}

void egress_serve(struct egress_server *s)
{
	struct pollfd p[SLOTS_OWN + 2 * ARRAY_LEN(s->conns)];
	for (;;) {
		int wait_ms = fill(s, p);
		if (poll(p, SLOTS_OWN + 2 * s->conns_n, wait_ms) < 0) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			break;
		}
		if (p[SLOT_CONTROL].revents != 0)
			break;
		if (p[SLOT_WAKE].revents != 0)
			egress_resolver_woken(s->resolver);
		step_all(s, p);
		if (p[SLOT_LISTENER].revents != 0)
			accept_some(s);
	}
	for (size_t i = 0; i < s->conns_n; i++) {
		if (s->conns[i]->state != CONN_SAY)
			s->conns[i]->verdict = VERDICT_JOB_ENDED;
		egress_conn_close(s->conns[i]);
	}
	s->conns_n = 0;
}
