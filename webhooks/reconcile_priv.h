/* Shared by reconcile.c (the round, repositories and their pull requests) and reconcile_log.c (the App's log of deliveries). */
#ifndef WEBHOOKS_RECONCILE_PRIV_H
#define WEBHOOKS_RECONCILE_PRIV_H

#include "webhooks/decide_priv.h"
#include "webhooks/reconcile.h"

struct wanted {
	int64_t id;
	char *guid, *event;
};
struct known_repo {
	int64_t id;
	char *name;
};

struct reconcile {
	struct reconcile_options o;
	struct reconcile_counts counts;
	struct loop_timer *timer;
	unsigned left; /* calls of this round */
	uint64_t found; /* by the transaction at hand; counted once it is committed */

	/* the log */
	struct wanted *log;
	size_t log_n, log_at;
	int64_t seen_ms, newest_ms;
	char *payload;
	size_t payload_len;

	/* repositories, and the open pull requests of the one at hand */
	struct known_repo *repos;
	size_t repos_n, repo_at;
	int64_t after_repo; /* where a round that was cut short stopped */
	int64_t asked_ms;   /* when its list was asked for */
	struct gh_open_pull *pulls;
	size_t pulls_n;
	int64_t *missing;   /* pull requests that we take for open and GitHub does not */
	size_t missing_n, missing_at;
	struct gh_event gone; /* one of them, as it is */
};

/* reconcile.c. Exactly one thing is under way in a round: a call, a transaction, or the timer to the next round. */
/* False: the round is over, all its calls are made. */
bool reconcile_may_call(struct reconcile *r);
void reconcile_end_round(struct reconcile *r, bool whole);
bool reconcile_failed(const char *what, const struct gh_answer *a); /* and told */
bool reconcile_not_now(const struct gh_answer *a);
void reconcile_db_failed(struct reconcile *r, const struct err *err);
void reconcile_repos(struct reconcile *r); /* goes on with the repositories */

/* reconcile_log.c: begins with the log and goes on with reconcile_repos. */
void reconcile_log(struct reconcile *r);
void reconcile_log_drop(struct reconcile *r);

#endif
