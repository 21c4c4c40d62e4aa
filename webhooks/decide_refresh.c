/* What the gate looks at may change many times a second (checks of others); it is read again at most once in EVERY_MS for a pull request. On the
 * loop. Only a comment becomes fresher by it: an apply reads everything anew when it decides. */
#include "base/clock.h"
#include "webhooks/decide_priv.h"

enum { EVERY_MS = 10 * 1000, PULLS_MAX = 1000 };

struct refresh {
	struct refresh *next;
	int64_t repo_id, pull, last_ms; /* monotonic */
	bool wanted;
};

static void arm(struct decide *d)
{
	if (d->refreshes != NULL && !loop_timer_active(d->refresh))
		loop_timer_start(d->refresh, EVERY_MS / 10, 0);
}

void decide_refresh_tick(void *arg)
{
	struct decide *d = arg;
	int64_t now = clock_mono_ms();
	for (struct refresh **p = &d->refreshes; *p != NULL;) {
		struct refresh *r = *p;
		if (now - r->last_ms < EVERY_MS) {
			p = &r->next;
		} else if (r->wanted) {
			r->wanted = false;
			r->last_ms = now;
			runs_refresh_facts(d->o.runs, r->repo_id, r->pull);
			p = &r->next;
		} else {
			*p = r->next;
			d->refreshes_n--;
			free(r);
		}
	}
	arm(d);
}

void decide_refresh(struct decide *d, int64_t repo_id, int64_t pull)
{
	for (struct refresh *r = d->refreshes; r != NULL; r = r->next)
		if (r->repo_id == repo_id && r->pull == pull) {
			r->wanted = true;
			return;
		}
	if (d->refreshes_n >= PULLS_MAX)
		return; /* its comment is as old as it is; the gate is not */
	struct refresh *r = xcalloc(1, sizeof(*r));
	*r = (struct refresh){.next = d->refreshes, .repo_id = repo_id, .pull = pull, .last_ms = clock_mono_ms()};
	d->refreshes = r;
	d->refreshes_n++;
	runs_refresh_facts(d->o.runs, repo_id, pull);
	arm(d);
}

void decide_refresh_free(struct decide *d)
{
	for (struct refresh *r = d->refreshes, *next; r != NULL; r = next) {
		next = r->next;
		free(r);
	}
	d->refreshes = NULL;
}
